//! Indirect calls and what the tables hold from which they call: facts for repairing calls whose
//! type differs from that of the function in the slot.
//!
//! Unlike the closure, these facts leave the host aside: a slot holds what this module puts there.
//! Whether the host can write to a table too is said beside it.

use super::constants::Constant;
use super::facts::{Call, Callee, Dynamic};
use super::flow::Known;
use super::host;
use super::model::Model;
use super::tables::{self, Contents, KnownSlots, SlotValue};
use super::types::TypeId;
use crate::error::Result;
use crate::index::{ElemIdx, FuncIdx, IndexVec, TableIdx, TypeIdx};
use crate::options::Precision;
use crate::read::Module;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ConstExpr, DataKind, Element, ElementItems, ElementKind, Operator};

/// How many functions are few.
const MAX_KNOWN_TARGETS: usize = 1_000;

/// A `call_indirect` or `return_call_indirect` that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndirectCall {
    /// The function that calls.
    pub caller: FuncIdx,
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// The table that it calls from.
    pub table: TableIdx,
    /// The type that it asks for.
    pub ty: TypeIdx,
    /// Whether it is a tail call.
    pub tail: bool,
    /// All values that the index can have; `None` if it can be anything.
    pub index: Option<Vec<u64>>,
}

/// A function in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// The function.
    pub func: FuncIdx,
    /// The slot, where it is known.
    pub slot: Option<u64>,
}

/// The indirect calls of a module, and its tables.
pub struct Indirect<'m> {
    /// The calls, in order of caller and offset.
    pub calls: Vec<IndirectCall>,
    /// What is known if no host writes to any table: so indices are followed for all of them.
    model: Model<'m>,
    host_visible: IndexVec<TableIdx, bool>,
    /// The active segments of each table.
    segments: BTreeMap<TableIdx, Vec<ElemIdx>>,
}

impl<'m> Indirect<'m> {
    /// Finds them.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if a validated body can't be read once more.
    pub fn find(module: &'m Module<'m>) -> Result<Indirect<'m>> {
        let all = module.tables.indices().collect();
        let model = Model::with_private_tables(module, Precision::default(), &all)?;
        Ok(Indirect {
            calls: calls(&model),
            host_visible: host::visible_tables(module),
            segments: tables::active_segments(module),
            model,
        })
    }

    /// Whether the host can write to the table.
    pub fn host_visible(&self, table: TableIdx) -> bool {
        self.host_visible[table]
    }

    /// Whether the table may hold functions that can't be listed: the host's, or those of writes that
    /// can't be followed.
    pub fn open_ended(&self, table: TableIdx) -> bool {
        self.host_visible[table]
            || self.model.module.tables[table].import.is_some()
            || self.slots(table).has_unknown()
    }

    /// The first slot behind all active segments of the table; `None` if some offset is not known.
    pub fn segment_ends(&self, table: TableIdx) -> Option<u64> {
        let mut end = 0;
        for (element, offset) in self.active_segments(table) {
            let Constant::Int(offset) = offset else { return None };
            let count = segment_items(&element.items).len() as u64;
            end = end.max(offset.saturating_add(count));
        }
        Some(end)
    }

    /// The active segments of a table, each with its offset, in order.
    fn active_segments(&self, table: TableIdx) -> impl Iterator<Item = (&Element<'m>, Constant)> {
        let Model { module, constants, .. } = &self.model;
        let segments = self.segments.get(&table).into_iter().flatten();
        segments.filter_map(|segment| {
            let element = &module.elements[*segment];
            let ElementKind::Active { offset_expr, .. } = &element.kind else { return None };
            Some((element, constants.eval(offset_expr)))
        })
    }

    /// Whether every function of type `sub` is one of type `sup`.
    pub fn is_subtype(&self, sub: TypeIdx, sup: TypeIdx) -> bool {
        self.model.types.is_subtype(self.model.types.id(sub), self.model.types.id(sup))
    }

    /// The type itself, its supertype, and so on: each by the least index that names it.
    pub fn supertypes(&self, ty: TypeIdx) -> impl Iterator<Item = TypeIdx> {
        self.model.types.chain(self.model.types.id(ty)).map(TypeId::first_index)
    }

    /// Whether a call that asks for `ty` accepts `func`.
    pub fn accepts(&self, ty: TypeIdx, func: FuncIdx) -> bool {
        let of_func = self.model.types.of_func(self.model.module, func);
        self.model.types.is_subtype(of_func, self.model.types.id(ty))
    }

    /// The least type index that names the same type.
    pub fn canonical(&self, ty: TypeIdx) -> TypeIdx {
        self.model.types.id(ty).first_index()
    }

    /// The functions whose live code changes slots of some table or its size.
    pub fn writers(&self) -> impl Iterator<Item = FuncIdx> {
        self.model.facts.uses.changed_tables.iter().map(|(_, func)| *func)
    }

    /// Whether live code makes tail calls.
    pub fn has_tail_calls(&self) -> bool {
        self.model.facts.calls.iter().flatten().any(Call::is_tail)
    }

    /// Every function that this module may put into the table, in order; of one in several slots
    /// each slot that is known.
    pub fn placed(&self, table: TableIdx) -> Vec<Placed> {
        let mut placed = Vec::new();
        for (element, offset) in self.active_segments(table) {
            let offset = match offset {
                Constant::Int(offset) => Some(offset),
                _ => None,
            };
            let mut position = 0;
            tables::items(&element.items, &self.model.constants, |slot| {
                if let SlotValue::Func(func) = slot {
                    let slot = offset.map(|offset| offset.saturating_add(position));
                    placed.push(Placed { func, slot });
                }
                position += 1;
            });
        }
        let in_segments: BTreeSet<_> = placed.iter().map(|p| p.func).collect();
        for slot in self.slots(table).all() {
            if let SlotValue::Func(func) = slot
                && !in_segments.contains(&func)
            {
                placed.push(Placed { func, slot: None });
            }
        }
        placed.sort();
        placed.dedup();
        placed
    }

    /// What memory 0 begins with: the active data segments, by where they begin, as far as that is known.
    pub fn data(&self) -> BTreeMap<u64, &'m [u8]> {
        let Model { module, constants, .. } = &self.model;
        let segments = module.data.iter().filter_map(|data| {
            let DataKind::Active { memory_index: 0, offset_expr } = &data.kind else { return None };
            let Constant::Int(address) = constants.eval(offset_expr) else { return None };
            Some((address, data.data))
        });
        segments.collect()
    }

    /// The functions that `call` may find, if its index is one of a few that are known, few are in these slots, and
    /// nothing of this module makes them uncertain.
    pub fn known_targets(&self, call: &IndirectCall) -> Option<Vec<Placed>> {
        let slots = self.slots(call.table);
        let index = call.index.as_ref().filter(|_| slots.placed())?;
        let mut found = Vec::new();
        for &number in index {
            for slot in slots.get(number) {
                match slot {
                    SlotValue::Func(func) => found.push(Placed { func, slot: Some(number) }),
                    SlotValue::Null => {}
                    SlotValue::Unknown => return None,
                }
                if found.len() > MAX_KNOWN_TARGETS {
                    return None;
                }
            }
        }
        Some(found)
    }

    fn slots(&self, table: TableIdx) -> &KnownSlots {
        match &self.model.tables.tables[table].contents {
            Contents::Known(slots) => slots,
            Contents::Open => unreachable!("no table is taken to be open here"),
        }
    }
}

fn calls(model: &Model<'_>) -> Vec<IndirectCall> {
    let Model { facts, flows, .. } = model;
    let mut found = Vec::new();
    for (caller, calls) in facts.calls.iter_enumerated() {
        for call in calls {
            let Callee::Dynamic { tail, ordinal } = call.callee else { continue };
            let Dynamic::Table { table, ty } = facts.dynamics[ordinal as usize] else { continue };
            let index = flows
                .targets
                .get(&ordinal)
                .map(|known| known.iter().filter_map(Known::int).collect());
            found.push(IndirectCall { caller, offset: call.offset, table, ty, tail, index });
        }
    }
    found
}

/// An item of an element segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentItem {
    /// A reference to this function.
    Func(FuncIdx),
    /// Anything else: null, or an imported global's value.
    Other,
}

impl SegmentItem {
    /// What a constant expression makes, as far as it is `ref.func` alone.
    pub fn of(expr: &ConstExpr<'_>) -> SegmentItem {
        let mut operators = expr.get_operators_reader().into_iter();
        match (operators.next(), operators.next()) {
            (Some(Ok(Operator::RefFunc { function_index })), Some(Ok(Operator::End))) => {
                SegmentItem::Func(FuncIdx(function_index))
            }
            _ => SegmentItem::Other,
        }
    }
}

/// The items of an element segment, in order.
pub fn segment_items(items: &ElementItems<'_>) -> Vec<SegmentItem> {
    match items {
        ElementItems::Functions(funcs) => {
            let funcs = funcs.clone().into_iter().map_while(std::result::Result::ok);
            funcs.map(|func| SegmentItem::Func(FuncIdx(func))).collect()
        }
        ElementItems::Expressions(_, exprs) => {
            let exprs = exprs.clone().into_iter().map_while(std::result::Result::ok);
            exprs.map(|expr| SegmentItem::of(&expr)).collect()
        }
    }
}
