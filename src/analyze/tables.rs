//! What tables hold.
//!
//! A table's slots are known only while nothing can change them: it is neither imported nor
//! exported, and no live instruction writes to it. Then they hold what the active segments put
//! there, later ones over earlier ones, and the table's initial value elsewhere. Every other table
//! is *open*: it may hold any function whose reference can get there.

use super::constants::{Constant, Constants};
use super::facts::Uses;
use super::types::{Bound, TypeIds};
use crate::index::{ElemIdx, FuncIdx, IndexVec, TableIdx};
use crate::read::{Module, Table};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ElementItems, ElementKind, ExternalKind};

/// All tables of a module.
pub(super) struct Tables {
    pub(super) tables: IndexVec<TableIdx, TableFacts>,
}

pub(super) struct TableFacts {
    /// Which functions the element type admits.
    pub(super) bound: Bound,
    pub(super) contents: Contents,
}

pub(super) enum Contents {
    /// Any function whose reference is taken.
    Open,
    Known(Slots),
}

/// The slots of a table that never changes after instantiation.
pub(super) struct Slots {
    size: u64,
    /// What slots hold that no segment wrote.
    initial: Slot,
    /// What segments wrote, in order of slot number.
    written: Vec<(u64, Slot)>,
    /// Whether all segments' offsets are known. If not, `written` says what, but not where.
    placed: bool,
    /// Whether some slot holds [`Slot::Unknown`].
    has_unknown: bool,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Null,
    Func(FuncIdx),
    /// A reference that the module doesn't name: the value of an imported global.
    Unknown,
}

impl From<Constant> for Slot {
    fn from(value: Constant) -> Slot {
        match value {
            Constant::Func(func) => Slot::Func(func),
            Constant::Null => Slot::Null,
            Constant::Int(_) | Constant::Unknown => Slot::Unknown,
        }
    }
}

impl Tables {
    pub(super) fn new(
        module: &Module<'_>,
        types: &TypeIds,
        constants: &Constants,
        uses: &Uses,
    ) -> Tables {
        let exported: BTreeSet<_> = module
            .exports
            .iter()
            .filter(|export| export.kind == ExternalKind::Table)
            .map(|export| TableIdx(export.index))
            .collect();
        let mut segments = active_segments(module);
        let tables = module
            .tables
            .iter_enumerated()
            .map(|(index, table)| {
                let host_visible = table.imported || exported.contains(&index);
                let segments = segments.remove(&index).unwrap_or_default();
                let contents = if host_visible || uses.changed_tables.contains(&index) {
                    Contents::Open
                } else {
                    Contents::Known(Slots::new(module, constants, table, &segments))
                };
                let bound = types.bound(table.ty.element_type);
                TableFacts { bound, contents }
            })
            .collect();
        Tables { tables }
    }
}

/// The active segments of each table, in order.
fn active_segments(module: &Module<'_>) -> BTreeMap<TableIdx, Vec<ElemIdx>> {
    let mut segments: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, element) in module.elements.iter_enumerated() {
        if let ElementKind::Active { table_index, .. } = element.kind {
            let table = TableIdx(table_index.unwrap_or(0));
            segments.entry(table).or_default().push(index);
        }
    }
    segments
}

impl Slots {
    fn new(
        module: &Module<'_>,
        constants: &Constants,
        table: &Table<'_>,
        segments: &[ElemIdx],
    ) -> Slots {
        let mut slots = Slots {
            size: table.ty.initial,
            initial: table
                .init
                .as_ref()
                .map_or(Slot::Null, |init| constants.eval(init).into()),
            written: Vec::new(),
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
            let base = slots.written.len() as u64;
            items(&element.items, constants, |slot| {
                let number = offset.saturating_add(slots.written.len() as u64 - base);
                slots.written.push((number, slot));
            });
        }
        slots.settle();
        let has_unknown = slots.all().any(|slot| slot == Slot::Unknown);
        slots.has_unknown = has_unknown;
        slots
    }

    /// Sorts what was written; of several values in one slot the last one stays.
    fn settle(&mut self) {
        if !self.placed {
            return;
        }
        // The sort is stable, so the last write comes last among its equals.
        self.written.sort_by_key(|(number, _)| *number);
        let mut kept: Vec<(u64, Slot)> = Vec::with_capacity(self.written.len());
        for entry in self.written.drain(..) {
            match kept.last_mut() {
                Some(last) if last.0 == entry.0 => *last = entry,
                _ => kept.push(entry),
            }
        }
        // A segment beyond the table fails instantiation: nothing of this instance ever runs.
        kept.retain(|(number, _)| *number < self.size);
        self.written = kept;
    }

    /// Whether the numbers of the slots are known.
    pub(super) fn placed(&self) -> bool {
        self.placed
    }

    /// What slot `number` holds; `None` if it is beyond the table. Only for `placed` slots.
    pub(super) fn get(&self, number: u64) -> Option<Slot> {
        if number >= self.size {
            return None;
        }
        match self.written.binary_search_by_key(&number, |(n, _)| *n) {
            Ok(position) => Some(self.written[position].1),
            Err(_) => Some(self.initial),
        }
    }

    /// Whether some slot holds a reference that the module doesn't name.
    pub(super) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// What any slot may hold.
    pub(super) fn all(&self) -> impl Iterator<Item = Slot> {
        let written = self.written.iter().map(|(_, slot)| *slot);
        std::iter::once(self.initial).chain(written)
    }
}

/// Calls `take` with each item of an element segment.
fn items(items: &ElementItems<'_>, constants: &Constants, mut take: impl FnMut(Slot)) {
    match items {
        ElementItems::Functions(funcs) => {
            for func in funcs.clone().into_iter().map_while(Result::ok) {
                take(Slot::Func(FuncIdx(func)));
            }
        }
        ElementItems::Expressions(_, exprs) => {
            for expr in exprs.clone().into_iter().map_while(Result::ok) {
                take(constants.eval(&expr).into());
            }
        }
    }
}
