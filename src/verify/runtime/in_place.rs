//! The functions that stand where the module imported those of the protocol.

use super::{Finder, protocol};
use crate::abi::Operation;
use crate::index::{FuncIdx, IndexType};
use crate::verify::fault::Fault;
use std::collections::BTreeMap;

impl Finder<'_, '_> {
    /// They do what is specified for an operation, and one of them is the host's: `exported`.
    ///
    /// # Errors
    /// The first that doesn't.
    pub(super) fn in_place(
        &mut self,
        in_place: &BTreeMap<FuncIdx, Operation>,
        operation: Operation,
        exported: FuncIdx,
    ) -> Result<(), Fault> {
        let known = in_place.iter().filter(|(_, known)| **known == operation);
        let mut known: Vec<_> = known.map(|(func, _)| *func).collect();
        if known.is_empty() {
            let is_old = exported.as_usize() < self.module.funcs.len();
            let what = "the host's function is one of the original's";
            return if is_old { Err(Fault::new(what).in_func(exported)) } else { Ok(()) };
        }
        if !known.contains(&exported) {
            let what = "the host's function is not the one that the program calls";
            return Err(Fault::new(what).in_func(exported));
        }
        let candidates = protocol::candidates(self, operation);
        known.retain(|func| !self.is(*func, &candidates));
        let what = "what stands where the protocol's function was imported is not as specified";
        known.first().map_or(Ok(()), |func| Err(Fault::new(what).in_func(*func)))
    }
}
