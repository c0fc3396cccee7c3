//! Which locals each site of a function saves: what liveness wants, and the temporaries that a rewind reloads.

use super::bitset::BitSet;
use super::liveness;
use super::refuse;
use super::skeleton::Skeleton;
use super::steps::Steps;
use crate::error::Result;
use crate::index::{FuncIdx, LocalIdx};
use crate::read::Module;
use wasmparser::ValType;

/// The saved locals of a function.
pub(super) struct Saved<'a> {
    skeleton: &'a Skeleton,
    temps: &'a [ValType],
    /// For each site, in program order.
    pub sets: Vec<BitSet>,
}

impl<'a> Saved<'a> {
    /// # Errors
    /// [`crate::Error::Unsupported`] for a reference that would have to be saved.
    pub fn find(
        module: &Module<'_>,
        func: FuncIdx,
        skeleton: &'a Skeleton,
        steps: &'a Steps,
    ) -> Result<Saved<'a>> {
        let mut sets = liveness::live_at_sites(skeleton);
        if skeleton.locals.iter().any(|ty| ty.is_reference_type()) {
            for ((offset, _), set) in skeleton.needed.iter().zip(&sets) {
                let is_reference =
                    |local: &LocalIdx| skeleton.locals[local.0 as usize].is_reference_type();
                if let Some(local) = set.locals().find(is_reference) {
                    let what = format!("local {local}, a reference,");
                    return Err(refuse::reference(module, func, &what, *offset));
                }
            }
        }
        let locals = skeleton.locals.len() + steps.temps.len();
        for (set, held) in sets.iter_mut().zip(&steps.held) {
            set.grow(locals);
            held.iter().for_each(|local| set.insert(local.0 as usize));
        }
        Ok(Saved { skeleton, temps: &steps.temps, sets })
    }

    /// What all sites save together.
    pub fn union(&self) -> BitSet {
        let mut all = self.sets[0].clone();
        for set in &self.sets[1..] {
            all.union(set);
        }
        all
    }

    /// The type of a local or temporary.
    pub fn type_of(&self, local: LocalIdx) -> ValType {
        let index = local.0 as usize;
        let declared = self.skeleton.locals.get(index);
        *declared.unwrap_or_else(|| &self.temps[index - self.skeleton.locals.len()])
    }
}
