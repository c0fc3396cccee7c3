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

/// The saved locals of a function: a set for each site, in program order.
pub(super) struct Saved(pub Vec<BitSet>);

/// The types of a function's locals and temporaries.
#[derive(Clone, Copy)]
pub(super) struct Types<'a> {
    pub skeleton: &'a Skeleton,
    pub temps: &'a [ValType],
}

impl Types<'_> {
    pub fn of(self, local: LocalIdx) -> ValType {
        let index = local.0 as usize;
        let declared = self.skeleton.locals.get(index);
        *declared.unwrap_or_else(|| &self.temps[index - self.skeleton.locals.len()])
    }
}

impl Saved {
    /// # Errors
    /// [`crate::Error::Unsupported`] for a reference that would have to be saved.
    pub fn find(
        module: &Module<'_>,
        func: FuncIdx,
        skeleton: &Skeleton,
        steps: &Steps,
    ) -> Result<Saved> {
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
        Ok(Saved(sets))
    }

    /// What all sites save together.
    pub fn union(&self) -> BitSet {
        // Without sites the function is refused, and looked at only for what else it is refused for.
        let mut sets = self.0.iter();
        let mut all = sets.next().cloned().unwrap_or_default();
        sets.for_each(|set| _ = all.union(set));
        all
    }
}
