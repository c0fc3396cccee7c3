//! What tables hold.
//!
//! A table that the host can write to, because it is imported or exported, is *open*: it may hold
//! any function whose reference is taken; unless the user says that the host doesn't. Every other table
//! holds what the active segments put there, later ones over earlier ones, and its initial value
//! elsewhere; and besides, at any time, what instructions write to it, as far as their operands are
//! known.
//!
//! A write adds to what a slot may hold and takes nothing away, since nothing says when it happens.
//! The same goes for a segment that comes after one for an imported table: when instantiation fails
//! between the two, the host holds functions of this module already, and can call them.

mod writes;

use super::constants::{Constant, Constants};
use super::facts::ReferenceUses;
use super::flow::{Flows, Known};
use super::host;
use super::types::{Bound, TypeIds};
use crate::index::{ElemIdx, FuncIdx, IndexVec, TableIdx};
use crate::read::{Module, Table};
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ElementItems, ElementKind};

/// All tables of a module.
pub(super) struct Tables {
    pub(super) tables: IndexVec<TableIdx, TableFacts>,
}

pub(super) struct TableFacts {
    /// Which functions the element type admits.
    pub(super) bound: Bound,
    pub(super) contents: Contents,
    /// Whether the host can read its slots.
    host_visible: bool,
}

pub(super) enum Contents {
    /// Any function whose reference is taken.
    Open,
    Known(KnownSlots),
}

/// The slots of a table that only this module writes to.
pub(super) struct KnownSlots {
    size: u64,
    /// What slots hold after instantiation that no segment wrote.
    initial: SlotValue,
    /// What segments wrote, in order of slot number, each once.
    written: Vec<(u64, SlotValue)>,
    /// What instructions may write to known slots later.
    later: BTreeSet<(u64, SlotValue)>,
    /// What instructions write to any slot.
    anywhere: Vec<SlotValue>,
    /// The tables from which any slot may be copied.
    copies: BTreeSet<TableIdx>,
    /// Whether the offsets of all segments are known. If not, `written` says what, but not where.
    placed: bool,
    /// Whether some slot holds [`SlotValue::Unknown`].
    has_unknown: bool,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SlotValue {
    Null,
    Func(FuncIdx),
    /// Any reference that is taken: the value of an imported global, or a write that could not be
    /// followed.
    Unknown,
}

impl From<Constant> for SlotValue {
    fn from(value: Constant) -> SlotValue {
        match value {
            Constant::Func(func) => SlotValue::Func(func),
            Constant::Null => SlotValue::Null,
            Constant::Int(_) | Constant::Unknown => SlotValue::Unknown,
        }
    }
}

/// What the contents of tables follow from.
pub(super) struct Inputs<'a> {
    pub(super) module: &'a Module<'a>,
    pub(super) types: &'a TypeIds,
    pub(super) constants: &'a Constants,
    pub(super) uses: &'a ReferenceUses,
    pub(super) flows: &'a Flows,
    /// How many types calls through tables ask for.
    pub(super) called_types: usize,
    pub(super) host_visible: &'a IndexVec<TableIdx, bool>,
    /// For each table whether the host writes to it.
    pub(super) host_written: &'a IndexVec<TableIdx, bool>,
}

impl Tables {
    pub(super) fn new(inputs: &Inputs<'_>) -> Tables {
        let module = inputs.module;
        let mut segments = active_segments(module);
        let escape = host::first_escape(module);
        let mut tables = module
            .tables
            .iter_enumerated()
            .map(|(index, table)| {
                let segments = segments.remove(&index).unwrap_or_default();
                let contents = if inputs.host_written[index] {
                    Contents::Open
                } else {
                    Contents::Known(KnownSlots::new(inputs, table, &segments, escape))
                };
                let bound = inputs.types.bound(table.ty.element_type);
                TableFacts { bound, contents, host_visible: inputs.host_visible[index] }
            })
            .collect();
        writes::follow(inputs, &mut tables);
        for table in tables.indices() {
            if let Contents::Known(slots) = &mut tables[table].contents {
                slots.finish();
            }
        }
        Tables { tables }
    }

    /// Whether the host can take references out of the table, and call them.
    pub(super) fn is_open(&self, table: TableIdx) -> bool {
        self.tables[table].host_visible
    }
}

/// The active segments of each table, in order.
pub(super) fn active_segments(module: &Module<'_>) -> BTreeMap<TableIdx, Vec<ElemIdx>> {
    let mut segments: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, element) in module.elements.iter_enumerated() {
        work::count(1);
        if let ElementKind::Active { table_index, .. } = element.kind {
            let table = TableIdx(table_index.unwrap_or(0));
            segments.entry(table).or_default().push(index);
        }
    }
    segments
}

/// How many slots the table has, at most. An imported one may have more than its type asks for.
fn size(table: &Table<'_>) -> u64 {
    if table.import.is_some() { table.ty.maximum.unwrap_or(u64::MAX) } else { table.ty.initial }
}

impl KnownSlots {
    /// `escape`: the first segment after which functions are in other hands.
    fn new(
        inputs: &Inputs<'_>,
        table: &Table<'_>,
        segments: &[ElemIdx],
        escape: Option<ElemIdx>,
    ) -> KnownSlots {
        let Inputs { module, constants, .. } = inputs;
        let mut slots = KnownSlots {
            size: size(table),
            initial: table
                .init
                .as_ref()
                .map_or(SlotValue::Null, |init| constants.eval(init).into()),
            written: Vec::new(),
            later: BTreeSet::new(),
            anywhere: Vec::new(),
            copies: BTreeSet::new(),
            placed: true,
            has_unknown: false,
        };
        for segment in segments {
            let element = &module.elements[*segment];
            let ElementKind::Active { offset_expr, .. } = &element.kind else {
                continue;
            };
            let offset = match constants.eval(offset_expr) {
                Constant::Int(offset) => offset,
                _ => {
                    slots.placed = false;
                    0
                }
            };
            let certain = escape.is_none_or(|escape| *segment < escape);
            let mut number = offset;
            items(&element.items, constants, |slot| {
                if certain {
                    slots.written.push((number, slot));
                } else {
                    slots.later.insert((number, slot));
                }
                number = number.saturating_add(1);
            });
        }
        slots.settle();
        slots
    }

    /// Sorts what was written; of several values in one slot the last one stays.
    fn settle(&mut self) {
        if !self.placed {
            return;
        }
        // The sort is stable, so the last write comes last among its equals.
        self.written.sort_by_key(|(number, _)| *number);
        let mut kept: Vec<(u64, SlotValue)> = Vec::with_capacity(self.written.len());
        for slot in self.written.drain(..) {
            work::count(1);
            match kept.last_mut() {
                Some(last) if last.0 == slot.0 => *last = slot,
                _ => kept.push(slot),
            }
        }
        // A segment beyond the table fails instantiation, and nothing of this instance ever runs:
        // only segments after which functions are in other hands come later.
        kept.retain(|(number, _)| *number < self.size);
        self.written = kept;
    }

    /// Once everything is in it.
    fn finish(&mut self) {
        self.anywhere.sort();
        self.anywhere.dedup();
        let has_unknown = self.all().any(|slot| slot == SlotValue::Unknown);
        self.has_unknown = has_unknown;
    }

    /// Whether it is known which slot holds what.
    pub(super) fn placed(&self) -> bool {
        self.placed && self.anywhere.is_empty() && self.copies.is_empty()
    }

    /// Whether instructions write something to any slot.
    pub(super) fn written_anywhere(&self) -> bool {
        !self.anywhere.is_empty()
    }

    /// How many slots the table has at first.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What slot `number` may hold; nothing if it is beyond the table. Only for `placed` slots.
    pub(super) fn get(&self, number: u64) -> impl Iterator<Item = SlotValue> {
        let base = (number < self.size).then(|| {
            match self.written.binary_search_by_key(&number, |(n, _)| *n) {
                Ok(position) => self.written[position].1,
                Err(_) => self.initial,
            }
        });
        let later = self.later.range((number, SlotValue::Null)..=(number, SlotValue::Unknown));
        base.into_iter().chain(later.map(|(_, slot)| *slot))
    }

    /// Whether some slot holds a reference that can't be followed.
    pub(super) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// The tables from which slots are copied.
    pub(super) fn copies(&self) -> &BTreeSet<TableIdx> {
        &self.copies
    }

    /// What any slot may hold, but for what is copied from other tables.
    pub(super) fn all(&self) -> impl Iterator<Item = SlotValue> {
        let placed = self.written.iter().chain(&self.later);
        let placed = placed.map(|(_, slot)| *slot);
        let anywhere = self.anywhere.iter().copied();
        std::iter::once(self.initial).chain(placed).chain(anywhere)
    }
}

impl From<Known> for SlotValue {
    fn from(value: Known) -> SlotValue {
        match value {
            Known::Func(func) => SlotValue::Func(func),
            Known::Null => SlotValue::Null,
            Known::Int(_) => SlotValue::Unknown,
        }
    }
}

/// Calls `take` with each item of an element segment.
pub(super) fn items(
    items: &ElementItems<'_>,
    constants: &Constants,
    mut take: impl FnMut(SlotValue),
) {
    match items {
        ElementItems::Functions(funcs) => {
            for func in funcs.clone().into_iter().map_while(Result::ok) {
                work::count(1);
                take(SlotValue::Func(FuncIdx(func)));
            }
        }
        ElementItems::Expressions(_, exprs) => {
            for expr in exprs.clone().into_iter().map_while(Result::ok) {
                work::count(1);
                take(constants.eval(&expr).into());
            }
        }
    }
}
