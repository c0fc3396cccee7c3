//! Looks up the evidence for one edge of the call graph. Nothing here is kept from the analysis:
//! an explanation asks for few edges, and an analysis has millions.

use super::edge::{CallKind, ChoosingOperand, SlotsKnown, Source, WhyUnknown};
use crate::analyze::constants::{Constant, funcs_in};
use crate::analyze::facts::{Callee, Dynamic};
use crate::analyze::flow::Known;
use crate::analyze::model::Model;
use crate::analyze::tables::{Contents, SlotValue, items};
use crate::index::{FuncIdx, TableIdx};
use wasmparser::{ConstExpr, ElementItems, ElementKind};

/// How a call can have `target` as its target, which it is known to have. `why` tells the reason that an
/// operand is unknown, where it is asked for.
pub(in crate::analyze) fn kind(
    model: &Model<'_>,
    call: Callee,
    target: FuncIdx,
    why: impl FnOnce() -> Vec<WhyUnknown>,
) -> CallKind {
    let ordinal = match call {
        Callee::Direct { .. } => return CallKind::Direct,
        Callee::Dynamic { ordinal, .. } => ordinal,
    };
    let known = model.flows.targets.get(&ordinal).map(|known| ints(known));
    match model.facts.dynamics[ordinal as usize] {
        Dynamic::Ref { ty } => CallKind::Reference {
            ty,
            reference: known
                .map_or_else(|| ChoosingOperand::Unknown(why()), ChoosingOperand::Known),
            source: taken(model, target),
        },
        Dynamic::Table { table, ty } => {
            let slots = slots_known(model, table);
            let source = in_table(model, table, known.as_deref(), target);
            let index = match (known, slots) {
                (Some(known), _) => ChoosingOperand::Known(known),
                // Nobody follows an index that doesn't matter.
                (None, SlotsKnown::HostWrites) => ChoosingOperand::Unknown(Vec::new()),
                (None, _) => ChoosingOperand::Unknown(why()),
            };
            CallKind::Table { table, ty, index, slots, source }
        }
    }
}

/// The integers among the values.
pub(in crate::analyze) fn ints(known: &[Known]) -> Vec<u64> {
    known.iter().filter_map(Known::int).collect()
}

pub(in crate::analyze) fn slots_known(model: &Model<'_>, table: TableIdx) -> SlotsKnown {
    match &model.tables.tables[table].contents {
        Contents::Open => SlotsKnown::HostWrites,
        Contents::Known(slots) if slots.placed() => SlotsKnown::Yes,
        Contents::Known(slots) if slots.written_anywhere() => SlotsKnown::Written,
        Contents::Known(_) if has_unknown_offset(model, table) => SlotsKnown::SegmentOffset,
        Contents::Known(_) => SlotsKnown::Copied,
    }
}

/// Whether it isn't known where an active segment of the table goes.
fn has_unknown_offset(model: &Model<'_>, table: TableIdx) -> bool {
    let mut segments = model.module.active_segments(table);
    segments.any(|(_, _, offset)| !matches!(model.constants.eval(offset), Constant::Int(_)))
}

/// How `target` gets into a table; at one of the slots `index`, if they are known.
fn in_table(model: &Model<'_>, table: TableIdx, index: Option<&[u64]>, target: FuncIdx) -> Source {
    for (segment, element, offset) in model.module.active_segments(table) {
        let offset = match model.constants.eval(offset) {
            Constant::Int(offset) => Some(offset),
            _ => None,
        };
        for position in positions(model, &element.items, target) {
            let slot = offset.map(|offset| offset.saturating_add(position));
            let called = index.is_none_or(|index| slot.is_none_or(|slot| index.contains(&slot)));
            if called && slot.is_none_or(|slot| still_holds(model, table, slot, target)) {
                return Source::Segment { segment, slot };
            }
        }
    }
    let initial = &model.module.tables[table].init;
    if initial.as_ref().is_some_and(|init| mentions(init, target)) {
        return Source::TableInit(table);
    }
    taken(model, target)
}

/// Whether no later segment overwrites the slot, as far as that is known.
fn still_holds(model: &Model<'_>, table: TableIdx, slot: u64, target: FuncIdx) -> bool {
    match &model.tables.tables[table].contents {
        Contents::Known(slots) if slots.placed() => {
            slots.get(slot).any(|held| held == SlotValue::Func(target))
        }
        Contents::Known(_) | Contents::Open => true,
    }
}

/// At which positions of an element segment `target` is.
fn positions(model: &Model<'_>, elements: &ElementItems<'_>, target: FuncIdx) -> Vec<u64> {
    let (mut position, mut found) = (0, Vec::new());
    items(elements, &model.constants, |slot| {
        if slot == SlotValue::Func(target) {
            found.push(position);
        }
        position += 1;
    });
    found
}

/// How a reference to `target` exists outside known tables.
pub(in crate::analyze) fn taken(model: &Model<'_>, target: FuncIdx) -> Source {
    let module = model.module;
    if let Some((name, _)) = module.exported_funcs().find(|(_, func)| *func == target) {
        return Source::Export(name.into());
    }
    for (segment, element) in module.elements.iter_enumerated() {
        if !matches!(element.kind, ElementKind::Declared)
            && !positions(model, &element.items, target).is_empty()
        {
            return Source::Segment { segment, slot: None };
        }
    }
    for (table, facts) in module.tables.iter_enumerated() {
        if facts.init.as_ref().is_some_and(|init| mentions(init, target)) {
            return Source::TableInit(table);
        }
    }
    let mut globals = module.globals.iter().filter_map(|global| global.init.as_ref());
    if globals.any(|init| mentions(init, target)) { Source::Global } else { Source::RefFunc }
}

fn mentions(init: &ConstExpr<'_>, target: FuncIdx) -> bool {
    let mut found = false;
    funcs_in(init, |func| found |= func == target);
    found
}
