//! How references that are live across sites are kept while the stack is away.
//!
//! No reference can be put into memory. What a frame holds in its place, and what becomes of it, depends on whether a rewind
//! may happen in another instance than the unwind ([`Options::same_instance`] says that none does):
//!
//! | reference | any instance | the same instance only |
//! |---|---|---|
//! | null | 0 | 0 |
//! | an `i31` | its value | its value |
//! | an exception with one of the [`KnownTags`] | which one, and the payload: it is thrown again, and caught | kept |
//! | any other | none: the unwind is undone | kept |
//!
//! What is *kept* lies in a private table, one for each type ([`table_type`]), and the frame holds its slot. The
//! table has slots for as many references as are away at once, and doubles when half of them are taken.
//!
//! - **In the same instance** what is in a slot stays there however often its frame is rewound, until the host says by
//!   `release` that the stack in that buffer will be rewound no more. For this the slots of the references of one unwind are
//!   linked, through the cells of their frames: a cell holds the slot and the place of the cell that was written before,
//!   relative to the buffer, so that the data stays position-independent; the buffer's header holds the last one of each table.
//!   A host that never releases keeps what was ever live in an unwind: that can't be told from a stack that it means to rewind once more.
//! - **Under `asyncify`** the buffer has no place for such lists, and so cells no links: what is in a slot stays until the host lets go
//!   of all at once. Its hosts as they are never do, but most of them rewind a stack once: [`Options::rewind_once`] says so, and then a
//!   rewind empties each slot that it loads, and overwrites the cell with [`References::GONE`], by which a second one traps.
//! - **An unwind that is undone**, for whatever reason, empties the slots by the loads of its own undoing, since its frames are void then.
//! - **In any instance** nothing else is ever in a table: a reference that can't be made again makes the function undo the unwind at once,
//!   and its frame, in the reserve, is the only one that says a slot, for as long as it takes to load it.
//!
//! - **Where the host carries references over**, a function is one that it can't tell from others by itself, in most engines. So the functions
//!   that a reference can be of lie in a table, too, by which it finds the counterpart of each: the same slot of the copy's ([`named`]).
//!
//! So slots are told apart by what the instance's own tables hold, which no host writes: a frame of another instance can't say one, unless
//! `same_instance` was promised; an empty one traps.
//!
//! A body that a rewind enters saves all slots of its frame whichever site it leaves at, and one that no rewind enters leaves some as they
//! were. A reference that is dead at a site need not be one that can be saved, and what is in an unwritten cell is none. So for each the
//! plan says at which sites it counts, [`Counts`]: at others it is saved as null by the former, and not loaded.

use super::FuncPlan;
use super::pads::KnownTags;
use crate::abi::slot_bytes;
use crate::index::{FuncIdx, LocalIdx};
use crate::options::Options;
use crate::read::Module;
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wasmparser::{
    AbstractHeapType, CompositeInnerType, ConstExpr, ElementItems, HeapType, Operator, RefType,
    ValType,
};

/// How many bytes of a cell a slot's number takes, or what says which tag an exception has.
pub const NUMBER_BYTES: u32 = 4;

/// How many the link takes behind it.
const LINK_BYTES: u32 = 4;

/// How long references stay in their slots that no other instance can make again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// Until the unwind that meets one has been undone.
    #[default]
    WhileUndone,
    /// For any number of rewinds, until the host releases the buffer, in which the cells are linked.
    UntilReleased,
    /// For any number of rewinds, until the host releases all.
    UntilAllReleased,
    /// For one rewind.
    UntilRewound,
}

impl Kept {
    fn of(options: &Options) -> Kept {
        match (keeps(options), options.abi.is_asyncify()) {
            (false, _) => Kept::WhileUndone,
            (true, false) => Kept::UntilReleased,
            (true, true) if options.rewind_once => Kept::UntilRewound,
            (true, true) => Kept::UntilAllReleased,
        }
    }
}

/// How references are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// How long they are. Longer than an unwind is undone: no stack is rewound in another instance than it was unwound in, or the host carries
    /// them over.
    pub kept: Kept,
    /// Whether it does, so that what keeps them is exported.
    pub carried: bool,
    /// How many bytes of a frame the values take that an exception carries.
    pub exception_bytes: u32,
    /// The types of the tables.
    pub tables: Vec<RefType>,
    /// The functions whose references may be in them, in index order: where they are carried over.
    pub functions: Vec<FuncIdx>,
}

/// At which sites a reference in a frame counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The local or temporary.
    pub local: LocalIdx,
    /// The sites by ordinal.
    pub sites: Vec<Range<u32>>,
}

impl Counts {
    /// Whether it does at each of so many sites.
    pub fn at_all(&self, sites: u32) -> bool {
        self.sites.iter().any(|range| range.len() as u32 == sites)
    }
}

/// Whether all references are kept.
pub(super) fn keeps(options: &Options) -> bool {
    options.same_instance || options.carry_references
}

impl References {
    /// The cell of a reference that was let go when it was loaded: no table has so many slots. Where cells hold `i31`s too it is none.
    pub const GONE: i32 = -2;

    pub(super) fn new(tags: &KnownTags, options: &Options) -> References {
        let kept = Kept::of(options);
        let values = tags.values.iter().filter(|_| kept == Kept::WhileUndone);
        References {
            kept,
            carried: options.carry_references,
            exception_bytes: values.map(|ty| slot_bytes(*ty)).sum(),
            tables: Vec::new(),
            functions: Vec::new(),
        }
    }

    /// With tables for what these frames hold.
    pub(super) fn with_tables(mut self, module: &Module<'_>, funcs: &[FuncPlan]) -> References {
        let types = funcs.iter().flat_map(|func| func.frame.references());
        let mut seen = BTreeSet::new();
        let types = types.map(|(_, ty)| table_type(module, ty)).filter(|ty| seen.insert(*ty));
        self.tables = types.collect();
        if self.carried && self.tables.iter().any(|ty| module.refers_to_functions(*ty)) {
            self.functions = named(module);
        }
        self
    }

    /// Whether all are kept.
    pub fn keeps_all(&self) -> bool {
        self.kept != Kept::WhileUndone
    }

    /// Of how many tables the buffer says where the cells are.
    pub fn lists(&self) -> usize {
        if self.kept == Kept::UntilReleased { self.tables.len() } else { 0 }
    }

    /// Size in bytes of a local's cell in a frame.
    pub fn cell_bytes(&self, ty: ValType) -> u32 {
        match ty {
            ValType::Ref(_) if self.kept == Kept::UntilReleased => NUMBER_BYTES + LINK_BYTES,
            ValType::Ref(ty) if is_exception(ty) => NUMBER_BYTES + self.exception_bytes,
            ValType::Ref(_) => NUMBER_BYTES,
            ty => slot_bytes(ty),
        }
    }
}

/// The type of the table that keeps references of this one: what is in the hierarchy of `any` is cast when it is
/// loaded, which no module can do without that has such a type; all others have tables of their own types.
pub fn table_type(module: &Module<'_>, ty: RefType) -> RefType {
    if is_any(module, ty) { RefType::ANYREF } else { nullable(ty) }
}

/// The same type with null.
pub fn nullable(ty: RefType) -> RefType {
    RefType::new(true, ty.heap_type()).expect("the type is the input's")
}

/// Whether the type is of exceptions.
pub fn is_exception(ty: RefType) -> bool {
    matches!(ty.heap_type(), HeapType::Abstract { ty: AbstractHeapType::Exn, .. })
}

/// The functions that the module names outside of bodies, by index: in element segments, whichever they are, exports, and initial values. In a
/// valid module `ref.func` names no other, so that no reference is of one which isn't among them.
fn named(module: &Module<'_>) -> Vec<FuncIdx> {
    let mut found: BTreeSet<_> = module.exported_funcs().map(|(_, func)| func).collect();
    let mut take = |init: &ConstExpr<'_>| {
        work::count(1);
        let operators = init.get_operators_reader().into_iter().map_while(Result::ok);
        found.extend(operators.filter_map(|operator| match operator {
            Operator::RefFunc { function_index } => Some(FuncIdx(function_index)),
            _ => None,
        }));
    };
    module.globals.iter().filter_map(|global| global.init.as_ref()).for_each(&mut take);
    module.tables.iter().filter_map(|table| table.init.as_ref()).for_each(&mut take);
    for element in module.elements.iter() {
        if let ElementItems::Expressions(_, items) = &element.items {
            items.clone().into_iter().map_while(Result::ok).for_each(|item| take(&item));
        }
    }
    for element in module.elements.iter() {
        if let ElementItems::Functions(items) = &element.items {
            work::count(items.count() as usize);
            found.extend(items.clone().into_iter().map_while(Result::ok).map(FuncIdx));
        }
    }
    found.into_iter().collect()
}

/// Whether the type is in the hierarchy of `any`.
fn is_any(module: &Module<'_>, ty: RefType) -> bool {
    use AbstractHeapType as A;
    match ty.heap_type() {
        HeapType::Abstract { ty, .. } => {
            matches!(ty, A::Any | A::Eq | A::I31 | A::Struct | A::Array | A::None)
        }
        HeapType::Concrete(index) | HeapType::Exact(index) => {
            let inner = &module.types()[module.type_id(index)].composite_type.inner;
            matches!(inner, CompositeInnerType::Struct(_) | CompositeInnerType::Array(_))
        }
    }
}

/// The most ranges of sites that are told apart for one reference.
const MOST_RANGES: usize = 32;

/// At which sites references count, given the sites in program order that need each, and the ordinals of all.
pub(super) fn counts(
    needed: BTreeMap<LocalIdx, Vec<u32>>,
    ordinals: impl FnOnce() -> Vec<u32>,
) -> Vec<Counts> {
    if needed.is_empty() {
        return Vec::new();
    }
    let ordinals = &ordinals()[..];
    let counts = needed.into_iter().map(|(local, sites)| {
        let sites = sites.into_iter().map(|site| ordinals[site as usize]).collect();
        Counts { local, sites: ranges(sites).unwrap_or_else(|| all(ordinals)) }
    });
    counts.collect()
}

/// All sites.
fn all(ordinals: &[u32]) -> Vec<Range<u32>> {
    std::iter::once(1..ordinals.len() as u32 + 1).collect()
}

/// The ranges that these ordinals make; `None` if they are too many.
fn ranges(mut sites: Vec<u32>) -> Option<Vec<Range<u32>>> {
    sites.sort_unstable();
    sites.dedup();
    let is_next = |a: &u32, b: &u32| a + 1 == *b;
    let ranges = sites.chunk_by(is_next).map(|run| run[0]..run[run.len() - 1] + 1);
    let ranges: Vec<_> = ranges.take(MOST_RANGES + 1).collect();
    (ranges.len() <= MOST_RANGES).then_some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_make_ranges() {
        assert_eq!(ranges(vec![3, 1, 2, 7, 2]), Some(vec![1..4, 7..8]));
        assert_eq!(ranges(vec![]), Some(vec![]));
    }

    #[test]
    fn too_many_ranges_are_all_sites() {
        let every_third = |count: u32| (0..count).map(|site| site * 3).collect::<Vec<_>>();
        assert_eq!(ranges(every_third(MOST_RANGES as u32)).unwrap().len(), MOST_RANGES);
        let ordinals: Vec<_> = (1..=100).collect();
        let needed = BTreeMap::from([(LocalIdx(7), every_third(33))]);
        assert!(counts(needed, || ordinals)[0].at_all(100));
    }
}
