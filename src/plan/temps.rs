//! Hands out temporaries: locals that the plan adds behind the declared ones.
//!
//! Taking one and giving one back take constant time, whatever else is taken: a function may need
//! thousands at once.

use crate::index::LocalIdx;
use std::collections::BTreeMap;
use wasmparser::ValType;

#[derive(Default)]
pub(super) struct Temps {
    /// The index of the first.
    first: u32,
    /// The types of all, in index order.
    pub types: Vec<ValType>,
    /// For each type those that nobody holds; the one that was given back last is taken first.
    free: BTreeMap<ValType, Vec<LocalIdx>>,
}

impl Temps {
    /// None yet; the first will be the local `first`.
    pub fn new(first: u32) -> Temps {
        Temps { first, ..Temps::default() }
    }

    /// A temporary that nobody holds.
    pub fn take(&mut self, ty: ValType) -> LocalIdx {
        let free = self.free.get_mut(&ty).and_then(Vec::pop);
        free.unwrap_or_else(|| {
            self.types.push(ty);
            LocalIdx(self.first + self.types.len() as u32 - 1)
        })
    }

    /// Gives temporaries back, so that the first of them is taken first.
    pub fn give_back(&mut self, locals: &[LocalIdx]) {
        for local in locals.iter().rev() {
            self.free.entry(self.ty(*local)).or_default().push(*local);
        }
    }

    fn ty(&self, local: LocalIdx) -> ValType {
        self.types[(local.0 - self.first) as usize]
    }
}
