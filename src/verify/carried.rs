//! The table by which a host that carries references over finds out which function one is: the slot of a function in the original's instance is
//! that of its counterpart in a copy.
//!
//! It is there if, and only if, a table that keeps references of functions is exported. It has all functions that the module names outside of
//! bodies, each once and in index order, and nothing else: `ref.func` can name no other, and a reference of one that is missing
//! could not be carried over. One segment fills it from its start to its end, and there is no room for more.

use super::added::is_references;
use super::fault::{Fault, Place};
use crate::abi::Abi;
use crate::index::{FuncIdx, TableIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeSet;
use wasmparser::{
    AbstractHeapType, CompositeInnerType, ConstExpr, Element, ElementItems, ElementKind,
    ExternalKind, HeapType, Operator, RefType, UnpackedIndex,
};

/// Checks the table; the index of the segment that fills it, if there is one.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(
    module: &Module<'_>,
    output: &Module<'_>,
    abi: Abi,
) -> Result<Option<usize>, Fault> {
    let tables = || output.exports.iter().filter(|export| export.kind == ExternalKind::Table);
    let found = tables().find(|export| export.name == abi.functions());
    let of_functions = tables()
        .filter(|export| is_references(abi, export.name))
        .filter_map(|export| output.tables.get(TableIdx(export.index)))
        .any(|table| is_function(output, table.ty.element_type));
    let (found, is_needed) = (found.map(|export| TableIdx(export.index)), of_functions);
    let index = match (found, is_needed) {
        (None, false) => return Ok(None),
        (Some(index), true) => index,
        (None, true) => {
            return Err(Fault::new(format!("the export `{}` is missing", abi.functions())));
        }
        (Some(_), false) => {
            return Err(Fault::new(format!("the export `{}` is for nothing", abi.functions())));
        }
    };
    let expected = named(module);
    let slots = expected.len() as u64;
    let ty = output.tables[index].ty;
    let is_right = ty.element_type == RefType::FUNCREF
        && (ty.initial, ty.maximum) == (slots, Some(slots))
        && !ty.table64
        && !ty.shared;
    if !is_right {
        return Err(Fault::new("the table of functions has another type, or another size"));
    }
    let added = output.elements.iter().enumerate().skip(module.elements.len());
    let mut fills = added.filter(|(_, element)| fills(element, index));
    let (Some((position, element)), None) = (fills.next(), fills.next()) else {
        return Err(Fault::new("the table of functions is not filled by one segment"));
    };
    let at = Place::of_output(element.range.start as usize);
    let ElementKind::Active { offset_expr, .. } = &element.kind else { unreachable!() };
    let mut offset = offset_expr.get_operators_reader().into_iter().map_while(Result::ok);
    let starts_at_0 = offset.next() == Some(Operator::I32Const { value: 0 })
        && offset.next() == Some(Operator::End);
    let ElementItems::Functions(items) = &element.items else {
        return Err(Fault::new("the table of functions is filled with something else").at(at));
    };
    let items = items.clone().into_iter().map_while(Result::ok).map(FuncIdx);
    match starts_at_0 && items.eq(expected) {
        true => Ok(Some(position)),
        false => Err(Fault::new("the table of functions has others, or in another order").at(at)),
    }
}

/// Whether a segment writes to a table.
fn fills(element: &Element<'_>, table: TableIdx) -> bool {
    match element.kind {
        ElementKind::Active { table_index, .. } => table_index.unwrap_or(0) == table.0,
        ElementKind::Passive | ElementKind::Declared => false,
    }
}

/// The functions that a module names outside of bodies, and not as its start.
fn named(module: &Module<'_>) -> BTreeSet<FuncIdx> {
    let mut found = BTreeSet::new();
    for export in &module.exports {
        work::count(1);
        if let ExternalKind::Func | ExternalKind::FuncExact = export.kind {
            found.insert(FuncIdx(export.index));
        }
    }
    for global in module.globals.iter() {
        global.init.iter().for_each(|init| in_expression(init, &mut found));
    }
    for table in module.tables.iter() {
        table.init.iter().for_each(|init| in_expression(init, &mut found));
    }
    for element in module.elements.iter() {
        match &element.items {
            ElementItems::Functions(items) => {
                for func in items.clone().into_iter().map_while(Result::ok) {
                    work::count(1);
                    found.insert(FuncIdx(func));
                }
            }
            ElementItems::Expressions(_, items) => {
                let items = items.clone().into_iter().map_while(Result::ok);
                items.for_each(|item| in_expression(&item, &mut found));
            }
        }
    }
    found
}

fn in_expression(expression: &ConstExpr<'_>, found: &mut BTreeSet<FuncIdx>) {
    let mut operators = expression.get_operators_reader();
    while !operators.eof() {
        work::count(1);
        match operators.read() {
            Ok(Operator::RefFunc { function_index }) => _ = found.insert(FuncIdx(function_index)),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Whether all references of a type are of functions.
fn is_function(module: &Module<'_>, ty: RefType) -> bool {
    match ty.heap_type() {
        HeapType::Abstract { ty, .. } => {
            matches!(ty, AbstractHeapType::Func | AbstractHeapType::NoFunc)
        }
        HeapType::Concrete(index) | HeapType::Exact(index) => {
            let id = match index {
                UnpackedIndex::Id(id) => id,
                UnpackedIndex::Module(index) | UnpackedIndex::RecGroup(index) => {
                    module.types().core_type_at_in_module(index)
                }
            };
            matches!(module.types()[id].composite_type.inner, CompositeInnerType::Func(_))
        }
    }
}
