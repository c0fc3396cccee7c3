//! What is appended must be harmless by itself: nothing of it runs or can be seen but by the protocol's own exports.
//!
//! - An export has a name of the protocol, and is of something that was appended. Where resume functions are in a module of their own,
//!   that imports from this one what they need, by names that say what it is.
//! - A global holds 0, a table null; a segment only declares functions, or fills the table for resume functions with functions that trap, or
//!   that by which a host finds functions (`carried`).

use super::carried;
use super::fault::{Fault, Place};
use crate::abi::{Abi, Operation};
use crate::index::{FuncIdx, IndexType};
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use wasmparser::{Element, ElementItems, ElementKind, Export, ExternalKind, Operator};

/// The protocol, and which of its functions stand in the original where it imported them.
pub(super) type Protocol<'a> = (Abi, &'a BTreeMap<FuncIdx, Operation>);

/// Checks what `output` has more than `module`.
///
/// # Errors
/// The first item that may do harm.
pub(super) fn check(
    module: &Module<'_>,
    output: &Module<'_>,
    (abi, in_place): Protocol<'_>,
) -> Result<(), Fault> {
    let pairs = output.exports.iter().any(|export| is_resume_table(abi, export));
    for export in output.exports.iter().skip(module.exports.len()) {
        work::count(1);
        let is_shared = pairs && export.name == abi.for_resume_module(export.kind, export.index);
        if is_shared {
            continue;
        }
        if !is_of_protocol(abi, export) && !is_resume_table(abi, export) {
            return Err(Fault::new(format!("an export `{}` was added", export.name)));
        }
        let operation = in_place.get(&FuncIdx(export.index));
        let is_in_place = export.kind == ExternalKind::Func
            && operation.is_some_and(|operation| abi.export(*operation) == Some(export.name));
        if (export.index as usize) < count(module, export.kind) && !is_in_place {
            return Err(Fault::new(format!("`{}` exports a part of the original", export.name)));
        }
    }
    for (index, global) in output.globals.iter_enumerated().skip(module.globals.len()) {
        let init = global.init.as_ref().map(|init| {
            let operators = init.get_operators_reader().into_iter();
            operators.map_while(Result::ok).collect::<Vec<_>>()
        });
        let is_zero = matches!(
            init.as_deref(),
            Some([
                Operator::I32Const { value: 0 } | Operator::I64Const { value: 0 },
                Operator::End
            ])
        );
        if !is_zero || !global.ty.mutable || global.ty.shared {
            return Err(Fault::new(format!(
                "the added global {} is not 0 at first",
                index.as_usize()
            )));
        }
    }
    for (index, table) in output.tables.iter_enumerated().skip(module.tables.len()) {
        if table.init.is_some() {
            return Err(Fault::new(format!("the added table {} is not empty", index.as_usize())));
        }
    }
    let of_functions = carried::check(module, output, abi)?;
    for (position, element) in output.elements.iter().enumerate().skip(module.elements.len()) {
        let traps = pairs && fills_with_traps(module, output, abi, element);
        let is_right = traps || of_functions == Some(position);
        if !matches!(element.kind, ElementKind::Declared) && !is_right {
            return Err(Fault::new("an element segment was added")
                .at(Place::of_output(element.range.start as usize)));
        }
    }
    Ok(())
}

fn is_resume_table(abi: Abi, export: &Export<'_>) -> bool {
    export.kind == ExternalKind::Table && export.name.starts_with(&abi.resume_table(""))
}

/// Whether a segment puts functions that trap into the table that a resume module fills.
fn fills_with_traps(
    module: &Module<'_>,
    output: &Module<'_>,
    abi: Abi,
    element: &Element<'_>,
) -> bool {
    let ElementKind::Active { table_index, offset_expr } = &element.kind else { return false };
    let ElementItems::Functions(items) = &element.items else { return false };
    let table = table_index.unwrap_or(0);
    let mut exports = output.exports.iter();
    let is_table = exports.any(|export| is_resume_table(abi, export) && export.index == table);
    let starts_at_0 =
        matches!(offset_expr.get_operators_reader().read(), Ok(Operator::I32Const { value: 0 }));
    let traps = |func: u32| {
        let operators = output.operators(FuncIdx(func)).ok();
        let operators = operators.into_iter().flatten();
        let operators: Vec<_> = operators.map_while(|op| Some(op.ok()?.operator)).take(3).collect();
        func as usize >= module.funcs.len() && operators == [Operator::Unreachable, Operator::End]
    };
    let mut items = items.clone().into_iter();
    is_table && starts_at_0 && items.all(|item| item.is_ok_and(traps))
}

/// How many things of a kind a module has.
fn count(module: &Module<'_>, kind: ExternalKind) -> usize {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => module.funcs.len(),
        ExternalKind::Table => module.tables.len(),
        ExternalKind::Memory => module.memories.len(),
        ExternalKind::Global => module.globals.len(),
        ExternalKind::Tag => module.tags.len(),
    }
}

fn is_of_protocol(abi: Abi, export: &Export<'_>) -> bool {
    let operation = abi.exports().iter().any(|known| known.name == export.name);
    match export.kind {
        ExternalKind::Func => {
            operation || export.name == abi.release() || export.name == abi.unprepared()
        }
        ExternalKind::Memory => export.name == abi.memory_export(),
        ExternalKind::Table => {
            abi.references_ordinal(export.name).is_some() || export.name == abi.functions()
        }
        ExternalKind::Global => {
            let shared = !abi.is_side() && abi.shared().contains(&export.name);
            let name = export.name;
            let of_table = name.strip_suffix("_live").or(name.strip_suffix("_last"));
            shared || of_table.and_then(|name| abi.references_ordinal(name)).is_some()
        }
        ExternalKind::FuncExact | ExternalKind::Tag => false,
    }
}

/// Checks that the output speaks the protocol.
///
/// # Errors
/// The first operation that it lacks.
pub(super) fn speaks(output: &Module<'_>, abi: Abi) -> Result<(), Fault> {
    let exported = |name: &str| output.exported_funcs().any(|(export, _)| export == name);
    let operations = [Operation::BeginUnwind, Operation::BeginRewind, Operation::GetState];
    let missing = operations.iter().filter_map(|operation| abi.export(*operation));
    match missing.into_iter().find(|name| !exported(name)) {
        Some(name) => Err(Fault::new(format!("the export `{name}` is missing"))),
        None => Ok(()),
    }
}
