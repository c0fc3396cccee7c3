//! What a function's frame holds, and the cold exits where an unwind leaves the function's own body.
//!
//! Input: for each site the *set* of locals that must be saved there. Output: the [`Frame`], and [`Exits`].
//!
//! # The layout of a frame
//!
//! | offset | size | type | meaning |
//! |-------:|-----:|------|---------|
//! | 0 | 4, 8 or 16 each | the local's | a slot for each local that any site saves, grouped by type: i32, i64, f32, f64, v128 |
//! | | | | then those of references, which hold what `references` says |
//! | last 8 | 8 | i64 | the [`Mark`](crate::abi::Mark): the function, the size, and the site's ordinal in the function |
//!
//! Frames lie one behind the other, the innermost function's first; each is a multiple of 4 bytes. The mark is
//! what a rewind reads first, so it lies right below `pos`. An exit writes the slots of
//! its set; what is in the others is never used, for the locals are dead there.
//!
//! # Exits
//!
//! A body that a rewind enters has one exit for all sites, which writes all slots. A body that no rewind enters has one for each
//! different set, so that no local is kept alive over a call for another call's sake. An exit whose set
//! contains another's saves the difference, and goes on to that one, its *next*:
//!
//! ```text
//! site 1 saves {0 1 2 5}      exit 0: saves 2 5, then exit 1
//! site 2 saves {0 1}          exit 1: saves 0 1, and leaves
//! site 3 saves {0 1}
//! ```

use super::bitset::BitSet;
use super::references::References;
use super::saved::Types;
use crate::abi::{MARK_BYTES, SLOT_TYPES, slot_bytes, type_ordinal};
use crate::index::LocalIdx;
use crate::work;
use std::collections::BTreeMap;
use wasmparser::{RefType, ValType};

/// The most exits of a body. Each is a label around all of it.
pub const MOST_EXITS: usize = 1024;

/// The exits of a body save no more slots together than this, or so many times its sites and saved locals.
const FEWEST_SLOTS: usize = 4096;
const SLOTS_TIMES: usize = 32;

/// Among how many smaller sets an exit looks for the one that comes next.
const CANDIDATES: usize = 256;

/// What a function's frame holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The saved locals, in layout order.
    pub slots: Box<[Slot]>,
    /// Size of the whole frame in bytes.
    pub bytes: u32,
}

/// A saved local.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The local.
    pub local: LocalIdx,
    /// Its type: one of [`SLOT_TYPES`], or of a reference.
    pub ty: ValType,
    /// Where it lies in the frame, in bytes.
    pub offset: u32,
}

/// The exits of a body that no rewind enters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exits {
    /// In order: the next of an exit comes later.
    pub exits: Vec<Exit>,
    /// For each site, by ordinal from 1 on, the position of its exit.
    pub of_sites: Vec<u32>,
}

/// One exit.
#[derive(Debug, PartialEq, Eq)]
pub struct Exit {
    /// What it saves itself, in layout order.
    pub slots: Vec<Slot>,
    /// The exit that saves the rest.
    pub next: Option<u32>,
}

/// The runs of `slots`, which are in layout order, that lie side by side and have one type; each reference alone.
pub(super) fn neighbours(slots: &[Slot]) -> impl Iterator<Item = &[Slot]> {
    let is_next = |a: &Slot, b: &Slot| {
        a.ty == b.ty && !a.ty.is_reference_type() && a.offset + slot_bytes(a.ty) == b.offset
    };
    slots.chunk_by(is_next)
}

/// What decides where a frame's slots lie: the types of locals, and how large a reference's cell is.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    pub types: Types<'a>,
    pub references: &'a References,
}

impl Cells<'_> {
    fn slot(self, local: LocalIdx) -> Slot {
        Slot { local, ty: self.types.of(local), offset: 0 }
    }
}

/// Where slots of a type stand among the others.
fn place(ty: ValType) -> usize {
    if ty.is_reference_type() { SLOT_TYPES.len() } else { type_ordinal(ty) }
}

impl Frame {
    /// The slots of references, with their types.
    pub fn references(&self) -> impl Iterator<Item = (Slot, RefType)> + '_ {
        let reference = |slot: &Slot| match slot.ty {
            ValType::Ref(ty) => Some((*slot, ty)),
            _ => None,
        };
        self.slots.iter().filter_map(reference)
    }

    /// The frame for `locals`, which lie side by side in this order where their types allow it.
    fn lay_out(count: usize, locals: impl Iterator<Item = LocalIdx>, cells: Cells<'_>) -> Frame {
        let mut slots = Vec::with_capacity(count);
        slots.extend(locals.map(|local| cells.slot(local)));
        slots.sort_by_key(|slot| place(slot.ty));
        let mut offset = 0;
        for slot in &mut slots {
            work::count(1);
            slot.offset = offset;
            offset += cells.references.cell_bytes(slot.ty);
        }
        Frame { slots: slots.into(), bytes: offset + MARK_BYTES }
    }

    /// The frame for the locals in `set`. Without sites there is none: then the function is refused, and looked at only for
    /// what else it is refused for.
    pub(super) fn of(set: Option<&BitSet>, cells: Cells<'_>) -> Frame {
        let count = set.map_or(0, BitSet::len);
        Frame::lay_out(count, set.into_iter().flat_map(BitSet::locals), cells)
    }
}

impl Exits {
    /// An exit for each different one of `sets`, of which `of_sites` says which is that of which site, by ordinal; with the frame
    /// that they write to. Where that would be too many, or they would save too much, sites that are near to each other save the
    /// union of their sets.
    pub(super) fn exact(sets: &[BitSet], of_sites: &[u32], cells: Cells<'_>) -> (Frame, Exits) {
        let (different, of_sites) = distinct(of_sites.iter().map(|set| &sets[*set as usize]));
        let most_slots = most_slots(&different, of_sites.len());
        let mut run = different.len().div_ceil(MOST_EXITS).max(1);
        if run == 1 {
            let chain = Chain::of(&different);
            if chain.slots <= most_slots || different.len() == 1 {
                return chain.exits(&different, of_sites.into_iter(), cells);
            }
            run = 2;
        }
        loop {
            let unions: Vec<_> = different.chunks(run).map(union).collect();
            let (united, of_unions) = distinct(unions.iter());
            let chain = Chain::of(&united);
            if chain.slots <= most_slots || united.len() == 1 {
                let of_sites = of_sites.iter().map(|set| of_unions[*set as usize / run]);
                return chain.exits(&united, of_sites, cells);
            }
            run *= 2;
        }
    }

    /// How many have no next.
    pub fn roots(&self) -> usize {
        self.exits.iter().filter(|exit| exit.next.is_none()).count()
    }
}

/// How many slots all exits together may save, so that they are no more than the function's own size calls for.
fn most_slots(sets: &[&BitSet], sites: usize) -> usize {
    let locals = union(sets).len();
    FEWEST_SLOTS + SLOTS_TIMES * (sites + locals)
}

/// Which exit goes on to which.
struct Chain {
    /// For each exit the position of its set, and its next.
    links: Vec<(usize, Option<usize>)>,
    /// How many slots the exits save together.
    slots: usize,
}

impl Chain {
    /// Chains `sets`, which all differ.
    fn of(sets: &[&BitSet]) -> Chain {
        // The largest first: what an exit may go on to is smaller.
        let mut order: Vec<usize> = (0..sets.len()).collect();
        order.sort_by_cached_key(|set| (std::cmp::Reverse(sets[*set].len()), *set));
        let mut slots = 0;
        let links = (0..order.len()).map(|position| {
            let set = sets[order[position]];
            let mut smaller = (position + 1..order.len()).take(CANDIDATES);
            let next = smaller.find(|next| sets[order[*next]].is_subset(set));
            slots += set.len() - next.map_or(0, |next| sets[order[next]].len());
            (order[position], next)
        });
        Chain { links: links.collect(), slots }
    }

    fn exits(
        self,
        sets: &[&BitSet],
        of_sites: impl Iterator<Item = u32>,
        cells: Cells<'_>,
    ) -> (Frame, Exits) {
        let own = |(set, next): &(usize, Option<usize>)| {
            let rest = next.map(|next| sets[self.links[next].0]);
            let is_own = |local: &LocalIdx| !rest.is_some_and(|rest| rest.contains(*local));
            sets[*set].locals().filter(is_own).collect::<Vec<_>>()
        };
        let own: Vec<_> = self.links.iter().map(own).collect();
        // What an exit saves itself lies together, as far as no later one had it before.
        let mut seen = BitSet::new(cells.types.count());
        let mut by_exits = Vec::new();
        for local in own.iter().rev().flatten() {
            if !seen.contains(*local) {
                seen.insert(local.0 as usize);
                by_exits.push(*local);
            }
        }
        let frame = Frame::lay_out(by_exits.len(), by_exits.into_iter(), cells);
        let mut places = vec![0; cells.types.count()];
        for (place, slot) in (0..).zip(&frame.slots) {
            places[slot.local.0 as usize] = place;
        }
        let slot = |local: &LocalIdx| frame.slots[places[local.0 as usize]];
        let exits = own.iter().zip(&self.links).map(|(own, (_, next))| {
            let mut own: Vec<_> = own.iter().map(slot).collect();
            own.sort_by_key(|slot| slot.offset);
            Exit { slots: own, next: next.map(|next| next as u32) }
        });
        let exits = exits.collect();
        let mut position_of = vec![0; sets.len()];
        for (position, (set, _)) in (0..).zip(&self.links) {
            work::count(1);
            position_of[*set] = position;
        }
        let of_sites = of_sites.map(|set| position_of[set as usize]).collect();
        (frame, Exits { exits, of_sites })
    }
}

/// The different ones among `sets`, in order of their first appearance, and for each of `sets` its position among them.
fn distinct<'a>(sets: impl Iterator<Item = &'a BitSet>) -> (Vec<&'a BitSet>, Vec<u32>) {
    let mut known: BTreeMap<&BitSet, u32> = BTreeMap::new();
    let mut different = Vec::new();
    let positions = sets
        .map(|set| {
            // It is looked up.
            work::count(set.words());
            *known.entry(set).or_insert_with(|| {
                different.push(set);
                different.len() as u32 - 1
            })
        })
        .collect();
    (different, positions)
}

fn union(sets: &[&BitSet]) -> BitSet {
    let mut sets = sets.iter();
    let mut all = sets.next().map_or_else(BitSet::default, |set| (*set).clone());
    sets.for_each(|set| all.union(set));
    all
}

#[cfg(test)]
mod tests {
    use super::super::skeleton::Skeleton;
    use super::*;
    use std::collections::BTreeSet;

    const LOCALS: usize = 2000;

    fn set(members: &[u32]) -> BitSet {
        let mut set = BitSet::new(200);
        for member in members {
            set.insert(*member as usize);
        }
        set
    }

    fn exact(sets: &[BitSet]) -> (Frame, Exits) {
        let locals = [ValType::I32, ValType::I64].into_iter().cycle().take(LOCALS).collect();
        let skeleton = Skeleton { locals, ..Skeleton::default() };
        let types = Types { skeleton: &skeleton, temps: &[] };
        let of_sites: Vec<_> = (0..sets.len() as u32).collect();
        Exits::exact(sets, &of_sites, Cells { types, references: &References::default() })
    }

    /// What a site's exits save, all together.
    fn saved(exits: &Exits, site: usize) -> BTreeSet<u32> {
        let mut saved = BTreeSet::new();
        let mut at = Some(exits.of_sites[site]);
        while let Some(exit) = at {
            for slot in &exits.exits[exit as usize].slots {
                assert!(saved.insert(slot.local.0), "no local is saved twice");
            }
            let next = exits.exits[exit as usize].next;
            assert!(next.is_none_or(|next| next > exit), "chains go forwards");
            at = next;
        }
        saved
    }

    #[test]
    fn equal_sets_share_an_exit_and_larger_ones_go_on_to_smaller() {
        let (frame, exits) = exact(&[set(&[0, 1, 2, 5]), set(&[0, 1]), set(&[0, 1])]);
        assert_eq!(exits.of_sites, [0, 1, 1]);
        assert_eq!(exits.exits[0].next, Some(1));
        let place = |slot: &Slot| (slot.local.0, slot.offset);
        let own: Vec<_> = exits.exits[0].slots.iter().map(place).collect();
        assert_eq!(own, [(2, 4), (5, 16)], "i32 before i64");
        let all: Vec<_> = frame.slots.iter().map(place).collect();
        assert_eq!(all, [(0, 0), (2, 4), (1, 8), (5, 16)]);
        assert_eq!(frame.bytes, 4 + 4 + 8 + 8 + 8);
    }

    #[test]
    fn each_site_saves_exactly_its_set() {
        let mut seed = 7u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        let mut sets = Vec::new();
        for _ in 0..300 {
            let first = next() % 6;
            let members: Vec<_> = (0..next() % 20).map(|_| first + next() % 12).collect();
            sets.push(set(&members));
        }
        let (frame, exits) = exact(&sets);
        let mut locals: Vec<_> = frame.slots.iter().map(|slot| slot.local).collect();
        locals.sort_unstable();
        assert!(locals.is_sorted_by(|a, b| a < b), "each local has one slot");
        for (site, set) in sets.iter().enumerate() {
            let expected: BTreeSet<_> = set.locals().map(|local| local.0).collect();
            assert_eq!(saved(&exits, site), expected);
        }
    }

    #[test]
    fn of_sets_that_are_too_large_together_some_are_united() {
        // Windows of 900 locals, none of which contains another.
        let window = |first: u32| {
            let mut window = BitSet::new(2000);
            (first..first + 900).for_each(|local| window.insert(local as usize));
            window
        };
        let sets: Vec<_> = (0..1000).map(window).collect();
        let (frame, exits) = exact(&sets);
        let slots: usize = exits.exits.iter().map(|exit| exit.slots.len()).sum();
        assert!(slots <= FEWEST_SLOTS + SLOTS_TIMES * (1000 + frame.slots.len()), "{slots} slots");
        assert!(exits.exits.len() > 20, "no more are united than need be");
        for (site, set) in sets.iter().enumerate() {
            let saved = saved(&exits, site);
            assert!(set.locals().all(|local| saved.contains(&local.0)), "a superset is sound");
        }
    }

    #[test]
    fn of_too_many_sets_some_are_united() {
        let sets: Vec<_> = (0..3000u32).map(|n| set(&[n % 60, 60 + n / 60, 150])).collect();
        let (_, exits) = exact(&sets);
        assert!(exits.exits.len() <= MOST_EXITS);
        for (site, set) in sets.iter().enumerate() {
            let saved = saved(&exits, site);
            assert!(set.locals().all(|local| saved.contains(&local.0)), "a superset is sound");
        }
    }
}
