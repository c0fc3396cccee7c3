//! Which locals each site of a function saves: what liveness wants, and the temporaries that a rewind reloads.
//!
//! Sets for n sites and n locals take n² bits. Where that is too much, neighbouring sites save what any of them
//! needs: [`MOST_WORDS`] limits the memory, whatever the function.

use super::bitset::BitSet;
use super::liveness::{self, COLUMN};
use super::refuse::{self, Reference};
use super::skeleton::Skeleton;
use super::steps::Steps;
use crate::index::{FuncIdx, LocalIdx};
use crate::read::Module;
use crate::refusal::Refusal;
use std::ops::Range;
use wasmparser::ValType;

/// The most words of 64 bits that the sets of a function take.
const MOST_WORDS: usize = 1 << 21;

/// A temporary that holds a value across sites, given in program order.
pub(super) struct Held {
    pub local: LocalIdx,
    pub sites: Range<u32>,
}

/// The saved locals of a function.
pub(super) struct Saved {
    /// The different sites' sets.
    pub sets: Vec<BitSet>,
    /// For each site, in program order, the position of its set.
    pub of_sites: Vec<u32>,
    /// Live references, which can't be saved.
    pub refusals: Vec<Refusal>,
}

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
    /// One set for all sites.
    pub fn together(
        module: &Module<'_>,
        func: FuncIdx,
        skeleton: &Skeleton,
        steps: &Steps,
    ) -> Saved {
        Saved::find(module, func, skeleton, steps, skeleton.needed.len().max(1))
    }

    /// A set for each site, or for as few as can be.
    pub fn apart(module: &Module<'_>, func: FuncIdx, skeleton: &Skeleton, steps: &Steps) -> Saved {
        let words = (skeleton.locals.len() + steps.temps.len()).div_ceil(COLUMN);
        let run = (skeleton.needed.len() * words).div_ceil(MOST_WORDS).max(1);
        Saved::find(module, func, skeleton, steps, run)
    }

    /// A set for each `run` sites.
    fn find(
        module: &Module<'_>,
        func: FuncIdx,
        skeleton: &Skeleton,
        steps: &Steps,
        run: usize,
    ) -> Saved {
        let (sites, locals) = (skeleton.needed.len(), skeleton.locals.len() + steps.temps.len());
        let mut sets = vec![BitSet::new(locals); sites.div_ceil(run)];
        let mut refusals = Vec::new();
        let references = Columns::of_references(&skeleton.locals);
        liveness::live_at_sites(skeleton, |column, live| {
            let of_references = references.bits(column);
            if of_references != 0 {
                refusals.extend(refused(module, func, skeleton, (column, of_references), live));
            }
            for (set, live) in sets.iter_mut().zip(live.chunks(run)) {
                set.add(column, live.iter().fold(0, |all, live| all | live) & !of_references);
            }
        });
        hold(&mut sets, &steps.held, run);
        let of_sites = (0..sites).map(|site| (site / run) as u32).collect();
        Saved { sets, of_sites, refusals }
    }
}

/// The locals that hold references, column by column.
struct Columns(Vec<u64>);

impl Columns {
    fn of_references(locals: &[ValType]) -> Columns {
        if !locals.iter().any(|ty| ty.is_reference_type()) {
            return Columns(Vec::new());
        }
        let bits = |column: &[ValType]| {
            let bits = column.iter().enumerate().filter(|(_, ty)| ty.is_reference_type());
            bits.fold(0, |all, (bit, _)| all | 1 << bit)
        };
        Columns(locals.chunks(COLUMN).map(bits).collect())
    }

    fn bits(&self, column: usize) -> u64 {
        self.0.get(column).copied().unwrap_or(0)
    }
}

/// A refusal for each reference of a column that is live at a site, at the first.
fn refused(
    module: &Module<'_>,
    func: FuncIdx,
    skeleton: &Skeleton,
    (column, mut references): (usize, u64),
    live: &[u64],
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (live, (offset, _)) in live.iter().zip(&skeleton.needed) {
        let mut here = live & references;
        references &= !here;
        while here != 0 {
            let local = LocalIdx((column * COLUMN) as u32 + here.trailing_zeros());
            refusals.push(refuse::reference(module, func, Reference::Local(local), *offset));
            here &= here - 1;
        }
    }
    refusals
}

/// Adds the temporaries that are held, where each set is that of `run` sites.
fn hold(sets: &mut [BitSet], held: &[Held], run: usize) {
    // From which set on a temporary is held, or no longer held; what ends at a set comes before what begins.
    let mut changes = Vec::with_capacity(held.len() * 2);
    for Held { local, sites } in held.iter().filter(|held| !held.sites.is_empty()) {
        let (first, last) = (sites.start as usize / run, (sites.end - 1) as usize / run);
        sets[first].insert(local.0 as usize);
        if first < last {
            changes.extend([(first + 1, true, *local), (last + 1, false, *local)]);
        }
    }
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut now = sets.first().cloned().unwrap_or_default();
    now.clear();
    for (position, set) in sets.iter_mut().enumerate() {
        while let Some((_, begins, local)) = changes.next_if(|(at, ..)| *at <= position) {
            if begins {
                now.insert(local.0 as usize);
            } else {
                now.remove(local.0 as usize);
            }
        }
        set.union(&now);
    }
}
