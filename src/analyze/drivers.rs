//! The functions by which a module drives the protocol itself.
//!
//! | calls | is | |
//! |---|---|---|
//! | `start_unwind`, `stop_rewind` | the *top* of a stack | an entry in all but name: its callers are unwound, and call it again on a rewind |
//! | `stop_unwind`, `start_rewind` | the *bottom* | where an unwind ends and a rewind begins: nothing below it is on the stack |
//! | both | the bottom | |
//!
//! Neither is rewritten: a top returns when it has begun an unwind, and ends a rewind when it is called again; at a bottom it all comes
//! out. So Binaryen has it. What the bottom does with an unwind is the program's business, as it is the host's elsewhere. Of a top it is
//! taken that nothing that it calls itself unwinds, but for other tops; that is guarded.

use super::model::Model;
use super::taken;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexType};
use crate::options::Operation;
use crate::read::Module;
use crate::text::{agree, count, escape};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::Operator;

/// `2 functions end`.
fn said(number: usize, one: &'static str, several: &'static str) -> String {
    format!("{} {}", count(number, "function"), agree(number, one, several))
}

/// Who drives the protocol.
#[derive(Default)]
pub(super) struct Drivers {
    /// The protocol's functions, with what each does.
    pub(super) operations: BTreeMap<FuncIdx, Operation>,
    /// The functions that begin unwinds and end rewinds.
    pub(super) tops: BTreeSet<FuncIdx>,
    /// The functions that end unwinds and begin rewinds.
    pub(super) bottoms: BTreeSet<FuncIdx>,
    /// Those that do both.
    both: Vec<FuncIdx>,
}

impl Drivers {
    /// Those of a module in which the protocol's functions are these.
    ///
    /// # Errors
    /// [`Error::Internal`] if a body can't be read again.
    pub(super) fn find(
        module: &Module<'_>,
        operations: &BTreeMap<u32, Operation>,
    ) -> Result<Drivers> {
        let mut drivers = Drivers::default();
        if operations.is_empty() {
            return Ok(drivers);
        }
        drivers.operations = operations.iter().map(|(func, op)| (FuncIdx(*func), *op)).collect();
        let others: Vec<_> = module.defined_funcs().collect();
        let called = |func: FuncIdx| Ok((func, drivers.called_by(module, func)?));
        let called: Result<Vec<_>> = others.into_par_iter().map(called).collect();
        for (func, called) in called? {
            let is_top =
                called.contains(&Operation::BeginUnwind) || called.contains(&Operation::EndRewind);
            let is_bottom =
                called.contains(&Operation::EndUnwind) || called.contains(&Operation::BeginRewind);
            if is_bottom {
                drivers.bottoms.insert(func);
                drivers.both.extend(is_top.then_some(func));
            } else if is_top {
                drivers.tops.insert(func);
            }
        }
        Ok(drivers)
    }

    /// What a function calls of the protocol by name.
    fn called_by(&self, module: &Module<'_>, func: FuncIdx) -> Result<BTreeSet<Operation>> {
        let mut called = BTreeSet::new();
        for located in module.operators(func)? {
            if let Operator::Call { function_index } | Operator::ReturnCall { function_index } =
                located?.operator
            {
                called.extend(self.operations.get(&FuncIdx(function_index)));
            }
        }
        Ok(called)
    }

    /// Whether a function is called again on a rewind, instead of restoring a frame: an import, or a top.
    pub(super) fn has_no_frame(&self, module: &Module<'_>, func: FuncIdx) -> bool {
        module.is_import(func) || self.tops.contains(&func)
    }

    /// Refuses what would hide who drives the protocol: a reference of one of its functions.
    ///
    /// # Errors
    /// [`Error::UnsupportedModule`] for the first.
    pub(super) fn check(&self, model: &Model<'_>) -> Result<()> {
        if self.operations.is_empty() {
            return Ok(());
        }
        let held = taken::made(model.module, &model.facts.uses);
        let mut changing = self.operations.iter().filter(|(_, op)| **op != Operation::GetState);
        match changing.find(|(func, _)| held[**func]) {
            None => Ok(()),
            Some((func, _)) => {
                let name = model.module.func_name(*func).unwrap_or_default();
                let name = escape(&name);
                Err(Error::UnsupportedModule {
                    what: format!("a reference of `{name}`, which drives the asyncify ABI"),
                    advice: "call it by name, so that its callers are known".into(),
                })
            }
        }
    }

    /// What was found, for the reader of a closure.
    pub(super) fn note(&self) -> Option<String> {
        if self.operations.is_empty() {
            return None;
        }
        let (tops, bottoms) = (self.tops.len(), self.bottoms.len());
        Some(format!(
            "The module drives the protocol itself: {} unwinds, {} them.",
            said(tops, "begins", "begin"),
            said(bottoms, "ends", "end"),
        ))
    }

    /// What is likely to go wrong.
    pub(super) fn warning(&self, module: &Module<'_>) -> Option<String> {
        let names: Vec<_> = self
            .both
            .iter()
            .map(|func| {
                let name = module.func_name(*func);
                name.map_or_else(
                    || func.as_usize().to_string(),
                    |name| format!("`{}`", escape(&name)),
                )
            })
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "one function both begins and ends unwinds or rewinds, so that nothing that calls it is prepared: {}; if the compiler \
                 has inlined one into the other, keep it from that",
                names.join(", ")
            )
        })
    }
}
