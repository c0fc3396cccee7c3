//! Which helpers save and load slots of frames: they are shared by all functions, so each has to pay for itself.
//!
//! A run of neighbours of one type is cut into *pieces*, each of which one call saves or loads. There is a helper for each power of two, and
//! for another number where so many runs have it that it pays. And some do more, because so many frames end or begin with
//! such a piece: they also end the frame, or find it again, which takes a call less each.

use super::exits::{Exits, Slot, neighbours};
use super::{BodyPlan, FuncPlan};
use crate::abi::{MARK_BYTES, SLOT_TYPES, slot_bytes, type_ordinal};
use crate::options::{Optimize, Options};
use crate::read::Module;
use crate::work;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// The most values that one call of a helper saves or loads.
const MOST_AT_ONCE: usize = 16;

/// What a piece is saved and loaded by: the position of its type among [`SLOT_TYPES`], and how many slots it has.
type Kind = (usize, usize);

/// How often pieces of each kind are used.
type Uses = [[usize; MOST_AT_ONCE + 1]; SLOT_TYPES.len()];

/// The uses that `note` finds in all functions.
fn uses(funcs: &[FuncPlan], note: impl Fn(&FuncPlan, &mut Uses) + Sync) -> Uses {
    let none = || [[0; MOST_AT_ONCE + 1]; SLOT_TYPES.len()];
    let noted = funcs.par_iter().fold(none, |mut uses, func| {
        note(func, &mut uses);
        uses
    });
    noted.reduce(none, |mut all, more| {
        let (all_uses, more) = (all.iter_mut().flatten(), more.iter().flatten());
        all_uses.zip(more).for_each(|(uses, more)| *uses += more);
        all
    })
}

/// What helpers take and save, in bytes.
struct Cost {
    /// What a helper takes, name and type included, without values.
    base: usize,
    /// What it takes more for each value.
    each: usize,
    /// What a use takes less than without it.
    gain: usize,
}

/// The helpers that save and load one number of values.
const BOTH: Cost = Cost { base: 75, each: 14, gain: 8 };
/// The one that saves the last piece of a frame, and ends it.
const SAVE_LAST: Cost = Cost { base: 40, each: 8, gain: 5 };
/// The one that finds a frame, and loads its first piece.
const LOAD_FIRST: Cost = Cost { base: 40, each: 6, gain: 3 };

impl Cost {
    fn pays(&self, count: usize, uses: usize) -> bool {
        uses * self.gain > self.base + self.each * count
    }
}

/// The helpers of a module.
#[derive(Clone, Debug)]
pub struct Helpers {
    /// For each type, and each number of neighbours up to [`MOST_AT_ONCE`], how many the first piece has.
    first: [[usize; MOST_AT_ONCE + 1]; SLOT_TYPES.len()],
    /// Whether they may have several results.
    pub multi_value: bool,
    /// Whether they do all by themselves, since calls are dear; else they share what takes more bytes.
    pub inline: bool,
    save_last: BTreeSet<Kind>,
    load_first: BTreeSet<Kind>,
}

impl Helpers {
    /// What pays for these functions. Where size is not all, what takes a call less is always taken; where it is nothing, helpers call
    /// no others.
    pub fn of(funcs: &[FuncPlan], multi_value: bool, optimize: Optimize) -> Helpers {
        let whole = std::array::from_fn(|count| count);
        let inline = optimize == Optimize::Speed;
        let (save_last, load_first) = (BTreeSet::new(), BTreeSet::new());
        let mut helpers = Helpers {
            first: [whole; SLOT_TYPES.len()],
            multi_value,
            inline,
            save_last,
            load_first,
        };
        helpers.cut_rare(funcs);
        let last = uses(funcs, |func, uses| {
            for piece in func.bodies().filter_map(|body| helpers.last_piece(func, body)) {
                note(piece, uses);
            }
        });
        let first = uses(funcs, |func, uses| {
            helpers.first_piece(func).into_iter().for_each(|piece| note(piece, uses));
        });
        let worth = |cost: Cost, uses: Uses| {
            let uses = uses.into_iter().enumerate().flat_map(|(ty, uses)| {
                uses.into_iter().enumerate().map(move |(count, uses)| ((ty, count), uses))
            });
            let pays = |((_, count), uses): &(Kind, usize)| {
                *uses > 0 && (optimize != Optimize::Size || cost.pays(*count, *uses))
            };
            uses.filter(pays).map(|(kind, _)| kind).collect()
        };
        helpers.save_last = worth(SAVE_LAST, last);
        helpers.load_first = worth(LOAD_FIRST, first);
        helpers
    }

    /// Cuts those runs whose number of slots is no power of two, and too rare.
    fn cut_rare(&mut self, funcs: &[FuncPlan]) {
        let mut uses = uses(funcs, |func, uses| {
            let pieces = func.saves().flat_map(|slots| self.pieces(slots));
            for piece in pieces.filter(|piece| !piece[0].ty.is_reference_type()) {
                work::count(1);
                note(piece, uses);
            }
        });
        for (first, uses) in self.first.iter_mut().zip(&mut uses) {
            for count in (2..=MOST_AT_ONCE).rev() {
                if !count.is_power_of_two() && !BOTH.pays(count, uses[count]) {
                    first[count] = 1 << count.ilog2();
                    uses[first[count]] += uses[count];
                    uses[count - first[count]] += uses[count];
                }
            }
        }
    }

    /// `slots`, which are in layout order, as the calls of save helpers take them; each reference alone.
    pub fn pieces<'s>(&self, slots: &'s [Slot]) -> impl Iterator<Item = &'s [Slot]> {
        self.cut(slots, MOST_AT_ONCE)
    }

    /// The slots of a function's frame as the calls of load helpers give them.
    pub fn loaded<'s>(&self, func: &'s FuncPlan) -> impl Iterator<Item = &'s [Slot]> {
        let most = if self.multi_value { MOST_AT_ONCE } else { 1 };
        self.cut(&func.frame.slots, most)
    }

    /// Cuts slots into pieces of `most` at most.
    fn cut<'s>(&self, slots: &'s [Slot], most: usize) -> impl Iterator<Item = &'s [Slot]> {
        neighbours(slots).flat_map(move |rest| Pieces { rest, most, helpers: self })
    }

    /// The numbers or vectors that are saved last wherever `body` is left, if they are at the end of the frame.
    fn last_piece<'s>(&self, func: &'s FuncPlan, body: &BodyPlan) -> Option<&'s [Slot]> {
        let slots = match func.exits_of(body) {
            None => &func.frame.slots[..],
            Some(exits) if exits.roots() == 1 => &exits.exits.last()?.slots,
            Some(_) => return None,
        };
        let piece = self.pieces(slots).last()?;
        let last = piece[piece.len() - 1];
        let at_end = last.offset + slot_bytes(last.ty) + MARK_BYTES == func.frame.bytes;
        (at_end && !last.ty.is_reference_type()).then_some(piece)
    }

    /// The same, if a helper saves them and ends the frame.
    pub fn saved_last<'s>(&self, func: &'s FuncPlan, body: &BodyPlan) -> Option<&'s [Slot]> {
        self.last_piece(func, body).filter(|piece| self.save_last.contains(&kind(piece)))
    }

    /// The numbers or vectors that a rewind loads first; none where that can't give the site with them.
    fn first_piece<'s>(&self, func: &'s FuncPlan) -> Option<&'s [Slot]> {
        let piece = self.loaded(func).next()?;
        (self.multi_value && !piece[0].ty.is_reference_type()).then_some(piece)
    }

    /// The same, if a helper finds the frame and loads them.
    pub fn loaded_first<'s>(&self, func: &'s FuncPlan) -> Option<&'s [Slot]> {
        self.first_piece(func).filter(|piece| self.load_first.contains(&kind(piece)))
    }
}

fn note(piece: &[Slot], uses: &mut Uses) {
    let (ty, count) = kind(piece);
    uses[ty][count] += 1;
}

fn kind(piece: &[Slot]) -> Kind {
    (type_ordinal(piece[0].ty), piece.len())
}

/// Cuts a run of neighbours.
struct Pieces<'s, 'h> {
    rest: &'s [Slot],
    most: usize,
    helpers: &'h Helpers,
}

impl<'s> Iterator for Pieces<'s, '_> {
    type Item = &'s [Slot];

    fn next(&mut self) -> Option<&'s [Slot]> {
        let ty = self.rest.first()?.ty;
        let count = if ty.is_reference_type() {
            1
        } else {
            self.helpers.first[type_ordinal(ty)][self.rest.len().min(MOST_AT_ONCE)]
        };
        let (piece, rest) = self.rest.split_at(count.min(self.most));
        self.rest = rest;
        Some(piece)
    }
}

impl Display for Helpers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |kinds: &BTreeSet<Kind>| {
            let kinds = kinds.iter().map(|(ty, count)| format!("{}x{count}", SLOT_TYPES[*ty]));
            kinds.collect::<Vec<_>>().join(" ")
        };
        let (last, first) = (list(&self.save_last), list(&self.load_first));
        let results = if self.multi_value { "several results" } else { "one result" };
        write!(f, "helpers with {results}, that end frames [{last}], that begin them [{first}]")
    }
}

impl FuncPlan {
    /// Its own body, and that of its resume function.
    pub fn bodies(&self) -> impl Iterator<Item = &BodyPlan> {
        [&self.body].into_iter().chain(self.resume.as_deref())
    }

    /// The exits of `body`, unless it is one that a rewind enters: those have one exit, which saves all slots.
    pub fn exits_of(&self, body: &BodyPlan) -> Option<&Exits> {
        self.exits.as_deref().filter(|_| !body.is_entered())
    }

    /// What each exit of its bodies saves.
    fn saves(&self) -> impl Iterator<Item = &[Slot]> {
        let chained = self.exits.iter().flat_map(|exits| &exits.exits);
        chained.map(|exit| &exit.slots[..]).chain([&self.frame.slots[..]])
    }
}

/// Whether what is added may have several results: where the input has such functions, or is for engines that know them.
pub(super) fn may_have_results(module: &Module<'_>, funcs: &[FuncPlan], options: &Options) -> bool {
    let is_recent = || funcs.iter().any(|func| func.bulk_memory) || uses_multi_value(module);
    has_results(module) || options.multi_value && is_recent()
}

/// Whether blocks that are added outside the closure may have parameters.
pub(super) fn knows_multi_value(module: &Module<'_>, options: &Options) -> bool {
    const DATA_COUNT: u8 = 12;
    // It came with bulk memory.
    let counts_data = || module.sections.iter().any(|section| section.id == DATA_COUNT);
    has_results(module) || options.multi_value && (uses_multi_value(module) || counts_data())
}

/// Whether the engines that the input is for have multi-value: they do if the input declares that as a target feature, or anything that
/// came later. (Bulk memory, which a function tells of, came to all but one engine later, and to that one in the year before.)
fn uses_multi_value(module: &Module<'_>) -> bool {
    const LATER: [&[u8]; 6] = [
        b"+\x0amultivalue",
        b"+\x0bbulk-memory",
        b"+\x0freference-types",
        b"+\x07simd128",
        b"+\x09tail-call",
        b"+\x12exception-handling",
    ];
    let declared = module.custom_sections("target_features").any(|section| {
        let text = &module.bytes[section.contents.clone()];
        LATER.iter().any(|feature| text.windows(feature.len()).any(|window| window == *feature))
    });
    declared || module.tags.len() > 0
}

/// Whether a function type of the input has several results.
fn has_results(module: &Module<'_>) -> bool {
    let types = module.types();
    (0..types.core_type_count_in_module()).any(|index| {
        let ty = &types[types.core_type_at_in_module(index)];
        matches!(&ty.composite_type.inner,
            wasmparser::CompositeInnerType::Func(ty) if ty.results().len() > 1)
    })
}
