//! Which locals each site of a function saves: what liveness wants, and the temporaries that a rewind reloads.
//!
//! Sets for n sites and n locals take n² bits. Where that is too much, neighbouring sites save what any of them
//! needs: [`MOST_WORDS`] limits the memory, whatever the function.

use super::bitset::BitSet;
use super::liveness::{self, COLUMN, Scratch};
use super::skeleton::Skeleton;
use super::steps::Steps;
use crate::index::LocalIdx;
use crate::work;
use std::collections::BTreeMap;
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
    /// For each site, in program order, the position of its set; nothing where all have one.
    pub of_sites: Vec<u32>,
    /// For each reference that is saved anywhere, the sites that need it, in program order from 0.
    pub references: BTreeMap<LocalIdx, Vec<u32>>,
}

/// The types of a function's locals and temporaries.
#[derive(Clone, Copy)]
pub(super) struct Types<'a> {
    pub skeleton: &'a Skeleton,
    pub temps: &'a [ValType],
}

impl Types<'_> {
    /// How many there are.
    pub fn count(self) -> usize {
        self.skeleton.locals.len() + self.temps.len()
    }

    /// `$resume`, which is numbered behind them.
    pub fn resume(self) -> LocalIdx {
        LocalIdx(self.count() as u32)
    }

    pub fn of(self, local: LocalIdx) -> ValType {
        let index = local.0 as usize;
        let declared = self.skeleton.locals.get(index);
        *declared.unwrap_or_else(|| &self.temps[index - self.skeleton.locals.len()])
    }
}

impl Saved {
    /// One set for all sites.
    pub fn together(skeleton: &Skeleton, steps: &Steps, scratch: &mut Scratch) -> Saved {
        Saved::find(skeleton, steps, skeleton.needed.len().max(1), scratch)
    }

    /// A set for each site, or for as few as can be.
    pub fn apart(skeleton: &Skeleton, steps: &Steps, scratch: &mut Scratch) -> Saved {
        let words = (skeleton.locals.len() + steps.temps.len()).div_ceil(COLUMN);
        let run = (skeleton.needed.len() * words).div_ceil(MOST_WORDS).max(1);
        let of_sites = (0..skeleton.needed.len()).map(|site| (site / run) as u32).collect();
        Saved { of_sites, ..Saved::find(skeleton, steps, run, scratch) }
    }

    /// Adds a local to all sets.
    pub fn add_everywhere(&mut self, local: LocalIdx) {
        self.sets.iter_mut().for_each(|set| set.insert(local.0 as usize));
    }

    /// A set for each `run` sites.
    fn find(skeleton: &Skeleton, steps: &Steps, run: usize, scratch: &mut Scratch) -> Saved {
        let (sites, locals) = (skeleton.needed.len(), skeleton.locals.len() + steps.temps.len());
        let mut sets = vec![BitSet::new(locals); sites.div_ceil(run)];
        let mut references = NeededReferences::of(skeleton);
        liveness::live_at_sites(skeleton, scratch, |column, live| {
            references.note(column, live);
            for (set, live) in sets.iter_mut().zip(live.chunks(run)) {
                work::count(1);
                set.add(column, live.iter().fold(0, |all, live| all | live));
            }
        });
        hold(&mut sets, &steps.held, run);
        references.hold(skeleton.locals.len(), steps);
        Saved { sets, of_sites: Vec::new(), references: references.needed_at }
    }
}

/// The references among the locals and temporaries.
struct NeededReferences {
    /// For each column of locals its references, if there are any at all.
    columns: Vec<u64>,
    /// For each that is needed anywhere the sites that need it.
    needed_at: BTreeMap<LocalIdx, Vec<u32>>,
}

impl NeededReferences {
    fn of(skeleton: &Skeleton) -> NeededReferences {
        let mut columns = Vec::new();
        if skeleton.locals.iter().any(|ty| ty.is_reference_type()) {
            let bits = |column: &[ValType]| {
                let bits = column.iter().enumerate().filter(|(_, ty)| ty.is_reference_type());
                bits.fold(0, |all, (bit, _)| all | 1 << bit)
            };
            columns = skeleton.locals.chunks(COLUMN).map(bits).collect();
        }
        NeededReferences { columns, needed_at: BTreeMap::new() }
    }

    /// Notes which of a column are live at the sites.
    fn note(&mut self, column: usize, live: &[u64]) {
        let references = self.columns.get(column).copied().unwrap_or(0);
        if references == 0 {
            return;
        }
        for (site, live) in (0..).zip(live) {
            let mut here = live & references;
            while here != 0 {
                work::count(1);
                let local = LocalIdx((column * COLUMN) as u32 + here.trailing_zeros());
                self.needed_at.entry(local).or_default().push(site);
                here &= here - 1;
            }
        }
    }

    /// Notes those that temporaries hold, which are numbered behind so many `locals`.
    fn hold(&mut self, locals: usize, steps: &Steps) {
        for Held { local, sites } in &steps.held {
            if steps.temps[local.0 as usize - locals].is_reference_type() {
                self.needed_at.entry(*local).or_default().extend(sites.clone());
            }
        }
    }
}

/// Adds the temporaries that are held, where each set is that of `run` sites.
fn hold(sets: &mut [BitSet], held: &[Held], run: usize) {
    if let [all] = sets {
        let held = held.iter().filter(|held| !held.sites.is_empty());
        return held.for_each(|held| all.insert(held.local.0 as usize));
    }
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
            work::count(1);
            if begins {
                now.insert(local.0 as usize);
            } else {
                now.remove(local.0 as usize);
            }
        }
        set.union(&now);
    }
}
