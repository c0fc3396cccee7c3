//! The cold exits of a function: where an unwind leaves it, and what is saved on the way.
//!
//! Input: for each site the *set* of locals that must be saved there. Output: [`Exits`].
//!
//! Sites with equal sets share an exit. An exit whose set contains another's saves the difference,
//! and branches on to that one, its *next*: so the sets form a forest of chains, and each local is
//! spelled once for all sets of a chain.
//!
//! ```text
//! site 1 saves {0 1 2 5}      exit 0: saves 2 5, next is exit 1
//! site 2 saves {0 1}          exit 1: saves 0 1, and leaves
//! site 3 saves {0 1}
//! ```
//!
//! # The layout of a frame
//!
//! | offset | size | type | meaning |
//! |-------:|-----:|------|---------|
//! | 0 | 4, 8 or 16 each | the local's | what each exit of the chain saves, in the order in which it is passed |
//! | last 4 | 4 | i32 | the site's number in the module: the function's first number plus the site's ordinal, minus 1 |
//!
//! The locals of one exit are grouped by type: i32, i64, f32, f64, v128; within a type they are in index
//! order. The number comes last, so that a rewind, which finds the frames from their ends, reads it before it
//! knows how large the frame is. Frames lie one behind the other, the innermost function's first; each is a
//! multiple of 4 bytes.

use super::bitset::BitSet;
use crate::index::LocalIdx;
use std::collections::HashMap;
use wasmparser::ValType;

/// The numeric and vector types in the order in which an exit saves them.
pub const SLOT_TYPES: [ValType; 5] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// The most exits of a function. Each is a label around its whole body.
pub const MOST_EXITS: usize = 1024;

/// Among how many smaller sets an exit looks for the one that comes next.
const CANDIDATES: usize = 256;

/// Size of a site's number in its frame, in bytes.
pub const NUMBER_BYTES: u32 = 4;

/// The exits of a function.
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
    /// Size of a frame that is begun here, in bytes.
    pub frame_bytes: u32,
}

/// A saved local.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The local.
    pub local: LocalIdx,
    /// Its type: one of [`SLOT_TYPES`].
    pub ty: ValType,
}

/// Size of a slot in bytes.
pub fn slot_bytes(ty: ValType) -> u32 {
    match ty {
        ValType::I32 | ValType::F32 => 4,
        ValType::I64 | ValType::F64 => 8,
        _ => 16,
    }
}

impl Exits {
    /// One exit for all `sites`, which saves `set`.
    pub(super) fn shared(
        set: &BitSet,
        sites: usize,
        type_of: impl Fn(LocalIdx) -> ValType,
    ) -> Exits {
        Exits::chained(vec![set.clone()], vec![0; sites], type_of)
    }

    /// An exit for each different one of `sets`, which are the sites' by ordinal. Where there are too many, sites that
    /// are near to each other save the union of their sets.
    pub(super) fn exact(sets: &[BitSet], type_of: impl Fn(LocalIdx) -> ValType) -> Exits {
        let (different, of_sites) = distinct(sets);
        if different.len() <= MOST_EXITS {
            return Exits::chained(different, of_sites, type_of);
        }
        let run = different.len().div_ceil(MOST_EXITS);
        let unions: Vec<_> = different.chunks(run).map(union).collect();
        let of_sites: Vec<_> = of_sites.iter().map(|set| set / run as u32).collect();
        let (different, of_unions) = distinct(&unions);
        let of_sites = of_sites.iter().map(|set| of_unions[*set as usize]).collect();
        Exits::chained(different, of_sites, type_of)
    }

    /// Chains `sets`, which all differ.
    fn chained(
        sets: Vec<BitSet>,
        of_sites: Vec<u32>,
        type_of: impl Fn(LocalIdx) -> ValType,
    ) -> Exits {
        // The largest first: what an exit may go on to is smaller.
        let mut order: Vec<usize> = (0..sets.len()).collect();
        order.sort_by_key(|set| (std::cmp::Reverse(sets[*set].len()), *set));
        let mut exits = Vec::with_capacity(sets.len());
        for (position, set) in order.iter().enumerate() {
            let smaller = order.iter().enumerate().skip(position + 1).take(CANDIDATES);
            let next = smaller
                .filter(|(_, other)| sets[**other].is_subset(&sets[*set]))
                .map(|(position, _)| position)
                .next();
            let rest = next.map(|next| &sets[order[next]]);
            let own = sets[*set].locals().filter(|local| !rest.is_some_and(|r| r.contains(*local)));
            let mut slots: Vec<_> = own.map(|local| Slot { local, ty: type_of(local) }).collect();
            slots.sort_by_key(|slot| (type_ordinal(slot.ty), slot.local));
            exits.push(Exit { slots, next: next.map(|next| next as u32), frame_bytes: 0 });
        }
        for position in (0..exits.len()).rev() {
            let exit: &Exit = &exits[position];
            let own: u32 = exit.slots.iter().map(|slot| slot_bytes(slot.ty)).sum();
            let rest = exit.next.map_or(NUMBER_BYTES, |next| exits[next as usize].frame_bytes);
            exits[position].frame_bytes = own + rest;
        }
        let mut position_of = vec![0; sets.len()];
        for (position, set) in order.iter().enumerate() {
            position_of[*set] = position as u32;
        }
        let of_sites = of_sites.iter().map(|set| position_of[*set as usize]).collect();
        Exits { exits, of_sites }
    }

    /// Size of the largest frame in bytes.
    pub fn largest_frame_bytes(&self) -> u32 {
        self.exits.iter().map(|exit| exit.frame_bytes).max().unwrap_or(0)
    }

    /// How many locals the frame holds that holds most.
    pub fn most_slots(&self) -> usize {
        let mut slots = vec![0; self.exits.len()];
        for (position, exit) in self.exits.iter().enumerate().rev() {
            slots[position] = exit.slots.len() + exit.next.map_or(0, |next| slots[next as usize]);
        }
        slots.into_iter().max().unwrap_or(0)
    }

    /// For each exit, whether another goes on to it.
    pub fn is_next(&self) -> Vec<bool> {
        let mut is_next = vec![false; self.exits.len()];
        for next in self.exits.iter().filter_map(|exit| exit.next) {
            is_next[next as usize] = true;
        }
        is_next
    }
}

/// The position of a slot's type among [`SLOT_TYPES`].
pub(crate) fn type_ordinal(ty: ValType) -> usize {
    SLOT_TYPES.iter().position(|slot| *slot == ty).expect("slots are numeric or vectors")
}

/// The different ones among `sets`, in order of their first appearance, and for each of `sets` its position among them.
fn distinct(sets: &[BitSet]) -> (Vec<BitSet>, Vec<u32>) {
    let mut known: HashMap<&BitSet, u32> = HashMap::new();
    let mut different = Vec::new();
    let positions = sets
        .iter()
        .map(|set| {
            *known.entry(set).or_insert_with(|| {
                different.push(set.clone());
                different.len() as u32 - 1
            })
        })
        .collect();
    (different, positions)
}

fn union(sets: &[BitSet]) -> BitSet {
    let mut all = sets[0].clone();
    for set in &sets[1..] {
        all.union(set);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn set(members: &[u32]) -> BitSet {
        let mut set = BitSet::new(200);
        for member in members {
            set.insert(*member as usize);
        }
        set
    }

    fn exact(sets: &[BitSet]) -> Exits {
        let of_odd_locals_i64 =
            |local: LocalIdx| if local.0 % 2 == 1 { ValType::I64 } else { ValType::I32 };
        Exits::exact(sets, of_odd_locals_i64)
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
        let exits = exact(&[set(&[0, 1, 2, 5]), set(&[0, 1]), set(&[0, 1])]);
        assert_eq!(exits.of_sites, [0, 1, 1]);
        assert_eq!(exits.exits[0].next, Some(1));
        assert_eq!(exits.exits[0].frame_bytes, 4 + 8 + 4 + 8 + 4);
        assert_eq!(exits.exits[1].frame_bytes, 4 + 8 + 4);
        let own: Vec<_> = exits.exits[0].slots.iter().map(|slot| slot.local.0).collect();
        assert_eq!(own, [2, 5], "i32 before i64");
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
        let exits = exact(&sets);
        for (site, set) in sets.iter().enumerate() {
            let expected: BTreeSet<_> = set.locals().map(|local| local.0).collect();
            assert_eq!(saved(&exits, site), expected);
        }
    }

    #[test]
    fn of_too_many_sets_some_are_united() {
        let sets: Vec<_> = (0..3000u32).map(|n| set(&[n % 60, 60 + n / 60, 150])).collect();
        let exits = exact(&sets);
        assert!(exits.exits.len() <= MOST_EXITS);
        for (site, set) in sets.iter().enumerate() {
            let saved = saved(&exits, site);
            assert!(set.locals().all(|local| saved.contains(&local.0)), "a superset is sound");
        }
    }
}
