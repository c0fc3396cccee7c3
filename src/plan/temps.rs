//! Hands out temporaries: locals behind `$resume` that the plan adds.
//!
//! Taking one and giving one back take constant time, whatever else is taken: a function may need
//! thousands at once.

use crate::index::LocalIdx;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::ValType;

#[derive(Default)]
pub(super) struct Temps {
    /// The index of the first.
    first: u32,
    types: Vec<ValType>,
    /// For each type those that nobody holds; the one that was given back last is taken first.
    free: BTreeMap<ValType, Vec<LocalIdx>>,
    saved: BTreeSet<LocalIdx>,
}

impl Temps {
    /// None yet; the first will be the local `first`.
    pub fn new(first: u32) -> Temps {
        Temps { first, ..Temps::default() }
    }

    /// A temporary that nobody holds. Where it is `saved`, the frame holds it.
    pub fn take(&mut self, ty: ValType, saved: bool) -> LocalIdx {
        let free = self.free.get_mut(&ty).and_then(Vec::pop);
        let local = free.unwrap_or_else(|| {
            self.types.push(ty);
            LocalIdx(self.first + self.types.len() as u32 - 1)
        });
        if saved {
            self.saved.insert(local);
        }
        local
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

    /// The types of all, in index order, and those of them that frames hold.
    pub fn finish(self) -> (Vec<ValType>, Vec<(LocalIdx, ValType)>) {
        let saved = self.saved.iter().map(|local| (*local, self.ty(*local))).collect();
        (self.types, saved)
    }
}
