//! Everything that is known of a module before any closure: what the call graph is built from.

use super::constants::Constants;
use super::entries;
use super::facts::Facts;
use super::flow::{self, Flows};
use super::memories::Memories;
use super::tables::{self, Tables};
use super::taken;
use super::types::TypeIds;
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec};
use crate::options::Options;
use crate::read::Module;
use std::time::Instant;

pub(super) struct Model<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) entries: Vec<FuncIdx>,
    /// The imports that may call back, in index order.
    pub(super) reentrant: Vec<FuncIdx>,
    /// How many of them no option names.
    pub(super) recognised: usize,
    pub(super) types: TypeIds,
    pub(super) constants: Constants,
    pub(super) facts: Facts,
    pub(super) flows: Flows,
    pub(super) tables: Tables,
    /// For each function whether its reference can be anywhere but in known tables.
    pub(super) taken: IndexVec<FuncIdx, bool>,
}

impl<'m> Model<'m> {
    /// # Errors
    /// [`crate::Error::MissingEntry`] if a pattern of the options matches no import.
    pub(super) fn new(module: &'m Module<'m>, options: &Options) -> Result<Model<'m>> {
        let clock = Instant::now();
        let entries = entries::find(module, options)?;
        let reentrant = entries::find_reentrant(module, options)?;
        let host_visible = tables::host_visible(module);
        let facts = Facts::collect(module, &host_visible)?;
        tracing::debug!(
            calls = facts.calls.iter().map(|calls| calls.len()).sum::<usize>(),
            dynamic = facts.dynamics.len(),
            took = ?clock.elapsed(),
            "decoded the bodies"
        );
        let types = TypeIds::new(module);
        let constants = Constants::new(module);
        let flows = Flows::find(&flow::Inputs {
            module,
            facts: &facts,
            constants: &constants,
            memories: &Memories::new(module, &facts, &constants),
            mentioned: &taken::mentioned(module, &facts.uses),
        });
        tracing::debug!(known = flows.targets.len(), took = ?clock.elapsed(), "followed values");
        let tables = Tables::new(&tables::Inputs {
            module,
            types: &types,
            constants: &constants,
            uses: &facts.uses,
            flows: &flows,
            host_visible: &host_visible,
        });
        let taken = taken::taken(module, &facts.uses, &tables);
        Ok(Model {
            module,
            entries,
            reentrant: reentrant.imports,
            recognised: reentrant.recognised,
            types,
            constants,
            facts,
            flows,
            tables,
            taken,
        })
    }
}
