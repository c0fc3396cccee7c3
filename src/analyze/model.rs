//! Everything that is known of a module whatever is asked of it: what the call graph is built from.

use super::constants::Constants;
use super::facts::Facts;
use super::flow::{self, Flows};
use super::host;
use super::memories::Memories;
use super::tables::{self, Tables};
use super::taken;
use super::types::TypeIds;
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::options::Precision;
use crate::read::Module;
use std::collections::BTreeSet;
use std::time::Instant;

pub(super) struct Model<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) types: TypeIds,
    pub(super) constants: Constants,
    pub(super) memories: Memories<'m>,
    pub(super) facts: Facts,
    pub(super) flows: Flows,
    pub(super) tables: Tables,
    /// For each function whether the module itself can come by its reference anywhere but in known tables.
    pub(super) taken: IndexVec<FuncIdx, bool>,
    /// For each function whether the host can: these, and what is exported.
    pub(super) host_callable: IndexVec<FuncIdx, bool>,
    /// Whether the host has any way to hand in a reference of a function.
    pub(super) hands_in_references: bool,
}

impl<'m> Model<'m> {
    /// What is known if values are followed as far as `precision` says.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if a validated body can't be read once more.
    pub(super) fn new(module: &'m Module<'m>, precision: Precision) -> Result<Model<'m>> {
        Model::with_private_tables(module, precision, &BTreeSet::new())
    }

    /// The same, with the facts that [`super::read`] has collected.
    pub(super) fn with_facts(
        module: &'m Module<'m>,
        facts: Facts,
        precision: Precision,
    ) -> Model<'m> {
        Model::of(module, facts, precision, host::visible_tables(module))
    }

    /// As [`Model::new`], but taking it that only this module writes to the `private` tables,
    /// though the host can see them.
    ///
    /// The host still reads them: it may call what is in their slots, and put it elsewhere.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub(super) fn with_private_tables(
        module: &'m Module<'m>,
        precision: Precision,
        private: &BTreeSet<TableIdx>,
    ) -> Result<Model<'m>> {
        let mut host_written = host::visible_tables(module);
        private.iter().for_each(|table| host_written[*table] = false);
        let facts = Facts::collect(module, &host_written)?;
        Ok(Model::of(module, facts, precision, host_written))
    }

    /// What is known, given the `facts` of the module: those where the tables that `host_written` names are written by others.
    fn of(
        module: &'m Module<'m>,
        facts: Facts,
        precision: Precision,
        host_written: IndexVec<TableIdx, bool>,
    ) -> Model<'m> {
        let clock = Instant::now();
        let host_visible = host::visible_tables(module);
        let types = TypeIds::new(module);
        let constants = Constants::new(module);
        let memories = Memories::new(module, &facts, &constants);
        let mentioned = taken::mentioned(module, &facts.uses);
        let flows = Flows::find(&flow::Inputs {
            module,
            facts: &facts,
            constants: &constants,
            memories: &memories,
            mentioned: &mentioned,
            reach: flow::Reach::of(precision),
        });
        tracing::debug!(known = flows.targets.len(), took = ?clock.elapsed(), "followed values");
        let tables = Tables::new(&tables::Inputs {
            module,
            types: &types,
            constants: &constants,
            uses: &facts.uses,
            flows: &flows,
            called_types: facts.called_types(&types).len(),
            host_visible: &host_visible,
            host_written: &host_written,
        });
        let host_callable = taken::held(module, &facts.uses, &tables);
        let host_writes = host_written.iter().any(|written| *written);
        let hands_in_references = host::hands_in_references(module, &facts, &mentioned);
        let taken = if host_writes || hands_in_references {
            host_callable.clone()
        } else {
            taken::held_without_exports(module, &facts.uses, &tables)
        };
        Model {
            module,
            types,
            constants,
            memories,
            facts,
            flows,
            tables,
            taken,
            host_callable,
            hands_in_references,
        }
    }
}
