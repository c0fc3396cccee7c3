//! Writes the parallel tables and their segments.
//!
//! A parallel gets the segments of its table once more, with adapters in place of the functions that
//! its calls don't accept: so it needn't be known which slots they fill, or in which order.

use super::plan::{Parallel, Plan};
use crate::analyze::{SegmentItem, segment_items};
use crate::emit::Additions;
use crate::error::{Error, Result};
use crate::index::{ElemIdx, FuncIdx, IndexType, TableIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeSet;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    ConstExpr, ElementSection, Elements, Encode, RefType, SectionId, TableSection, TableType,
};
use wasmparser::{ElementItems, ElementKind};

/// The segments that are written once more as active ones, for a parallel: none for that of an
/// imported table, which is filled at the start.
pub(super) fn active(module: &Module<'_>, parallel: &Parallel) -> Vec<ElemIdx> {
    let table = parallel.class.0;
    match module.tables[table].import {
        Some(_) => Vec::new(),
        None => module.active_segments(table).map(|(segment, ..)| segment).collect(),
    }
}

/// Appends the tables and segments of `plan`.
pub(super) fn append(module: &Module<'_>, plan: &Plan, additions: &mut Additions) -> Result<()> {
    for (position, parallel) in plan.parallels.iter().enumerate() {
        debug_assert_eq!(parallel.index.as_usize(), module.tables.len() + position);
        table(module, parallel, additions)?;
    }
    for parallel in &plan.parallels {
        work::count(module.elements.len());
        for segment in active(module, parallel) {
            copy_segment(module, parallel, segment, false, additions)?;
        }
    }
    for (segment, ordinal) in plan.segments.keys() {
        copy_segment(module, &plan.parallels[*ordinal], *segment, true, additions)?;
    }
    declare(plan, additions);
    Ok(())
}

fn table(module: &Module<'_>, parallel: &Parallel, additions: &mut Additions) -> Result<()> {
    let original = &module.tables[parallel.class.0];
    let (minimum, maximum) = match parallel.fixed_size {
        Some(size) => (size, Some(size)),
        None => (original.ty.initial, original.ty.maximum),
    };
    let ty = TableType {
        element_type: RefType::FUNCREF,
        table64: original.ty.table64,
        minimum,
        maximum,
        shared: false,
    };
    let mut section = TableSection::new();
    match &original.init {
        None => section.table(ty),
        Some(init) => section.table_with_init(ty, &with_adapter(init, parallel)?),
    };
    additions.section(&section);
    let name = format!("shim${}", parallel.index);
    additions.names.tables.push((parallel.index.0, name));
    Ok(())
}

/// A constant expression with the adapter for the function that it refers to.
fn with_adapter(expr: &wasmparser::ConstExpr<'_>, parallel: &Parallel) -> Result<ConstExpr> {
    if let SegmentItem::Func(func) = SegmentItem::of(expr)
        && let Some(adapter) = parallel.adapters.get(&func)
    {
        return Ok(ConstExpr::ref_func(adapter.0));
    }
    let copied = RoundtripReencoder.const_expr(expr.clone());
    copied.map_err(|error| Error::Internal(format!("a constant expression is refused: {error}")))
}

/// Appends a segment of the parallel's table for the parallel.
fn copy_segment(
    module: &Module<'_>,
    parallel: &Parallel,
    segment: ElemIdx,
    passive: bool,
    additions: &mut Additions,
) -> Result<()> {
    let element = &module.elements[segment];
    work::count((element.range.end - element.range.start) as usize);
    let replaced = |func: FuncIdx| parallel.adapters.get(&func).copied().unwrap_or(func).0;
    let elements = match &element.items {
        ElementItems::Functions(_) => {
            let funcs = segment_items(&element.items).into_iter().filter_map(|entry| match entry {
                SegmentItem::Func(func) => Some(replaced(func)),
                SegmentItem::Other => None,
            });
            Elements::Functions(funcs.collect::<Vec<_>>().into())
        }
        ElementItems::Expressions(_, exprs) => {
            let mut copies = Vec::new();
            for expr in exprs.clone() {
                let expr = expr.map_err(|error| Error::misread(&error))?;
                copies.push(with_adapter(&expr, parallel)?);
            }
            Elements::Expressions(RefType::FUNCREF, copies.into())
        }
    };
    let mut section = ElementSection::new();
    match &element.kind {
        ElementKind::Active { offset_expr, .. } if !passive => {
            let offset = RoundtripReencoder.const_expr(offset_expr.clone());
            let offset = offset.map_err(|error| Error::Internal(error.to_string()))?;
            section.active(Some(parallel.index.0), &offset, elements);
        }
        _ => {
            section.passive(elements);
        }
    }
    additions.section(&section);
    Ok(())
}

/// `ref.func` in code needs its function to be named outside of code.
fn declare(plan: &Plan, additions: &mut Additions) {
    let mut adapters = BTreeSet::new();
    for write in &plan.writes {
        if let Some(func) = write.value {
            let parallels = plan.parallels_of(write.operation.table());
            let of_func = parallels.filter_map(|(_, parallel)| parallel.adapters.get(&func));
            adapters.extend(of_func.map(|adapter| adapter.0));
        }
    }
    if !adapters.is_empty() {
        let mut section = ElementSection::new();
        section.declared(Elements::Functions(adapters.into_iter().collect::<Vec<_>>().into()));
        additions.section(&section);
    }
}

/// Exports a function.
pub(super) fn export(name: &str, func: FuncIdx, additions: &mut Additions) {
    additions.item(SectionId::Export, |out| {
        name.encode(out);
        wasm_encoder::ExportKind::Func.encode(out);
        func.0.encode(out);
    });
}

/// The name under which the host finds the function that it calls after it wrote to `table`.
pub(super) fn sync_name(table: TableIdx, first_parallel: TableIdx) -> String {
    format!("wasm_fork_shim_sync_{table}_{first_parallel}")
}
