//! The resume module: that it is one of this main file, and nothing else.
//!
//! Checked: it is valid; it has the main file's types; each of its imports is exported there with the same type; it defines functions
//! alone, all of which it puts into the table that is as long; and nobody else can reach them, for it exports nothing.
//! Not checked: what the functions do.

use super::internal;
use crate::abi::RESUME_IMPORTS;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx, MemoryIdx, TableIdx, TagIdx, TypeIdx};
use crate::read::{Import, Module, Section};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ElementItems, ElementKind, ExternalKind, Operator};

/// Checks `wasm`, the resume module of `main`.
///
/// # Errors
/// [`Error::Internal`] with what is wrong.
pub(super) fn check(main: &Module<'_>, wasm: &[u8]) -> Result<()> {
    let resumes = Module::read(wasm)
        .map_err(|error| Error::Internal(format!("the resume module is refused: {error}")))?;
    if resumes.funcs.len() > 0 && types(&resumes) != types(main) {
        return Err(internal("the resume module has other types"));
    }
    if !resumes.exports.is_empty() || resumes.start.is_some() || resumes.data.len() > 0 {
        return Err(internal("the resume module has more than resume functions"));
    }
    imports(main, &resumes)?;
    fills_the_table(&resumes)
}

/// The bytes of the type section.
fn types<'a>(module: &Module<'a>) -> Option<&'a [u8]> {
    const TYPES: u8 = 1;
    let contents = |section: &Section<'_>| &module.bytes[section.contents.clone()];
    module.sections.iter().find(|section| section.id == TYPES).map(contents)
}

/// What the main file exports, by name.
type Exports<'m> = BTreeMap<&'m str, (ExternalKind, u32)>;

/// All but functions must be imported, and what is imported must be there.
fn imports(main: &Module<'_>, resumes: &Module<'_>) -> Result<()> {
    let exports = main.exports.iter().map(|export| (export.name, (export.kind, export.index)));
    let exports: Exports<'_> = exports.collect();
    for func in resumes.funcs.iter().take(resumes.imported_funcs) {
        let same = |index: u32| main.funcs[FuncIdx(index)].ty == func.ty;
        is_exported(&exports, func.import, ExternalKind::Func, same)?;
    }
    for table in resumes.tables.iter() {
        let same = |index| main.tables[TableIdx(index)].ty == table.ty;
        is_exported(&exports, table.import, ExternalKind::Table, same)?;
    }
    for memory in resumes.memories.iter() {
        let same = |index| main.memories[MemoryIdx(index)].ty == memory.ty;
        is_exported(&exports, memory.import, ExternalKind::Memory, same)?;
    }
    for global in resumes.globals.iter() {
        let same = |index| main.globals[GlobalIdx(index)].ty == global.ty;
        is_exported(&exports, global.import, ExternalKind::Global, same)?;
    }
    for tag in resumes.tags.iter() {
        let same = |index| -> bool {
            let TypeIdx(ty) = main.tags[TagIdx(index)].ty;
            ty == tag.ty.0
        };
        is_exported(&exports, tag.import, ExternalKind::Tag, same)?;
    }
    Ok(())
}

fn is_exported(
    exports: &Exports<'_>,
    import: Option<Import<'_>>,
    kind: ExternalKind,
    same: impl Fn(u32) -> bool,
) -> Result<()> {
    let Some(import) = import else {
        return Err(internal("the resume module defines more than functions"));
    };
    match exports.get(import.name) {
        Some((exported, index))
            if import.module == RESUME_IMPORTS && *exported == kind && same(*index) =>
        {
            Ok(())
        }
        _ => Err(internal(&format!("the resume module can't import {import}"))),
    }
}

/// One active segment has all functions of the module, each once, and fills a table from its start to its end.
fn fills_the_table(resumes: &Module<'_>) -> Result<()> {
    let defined: Vec<_> = resumes.defined_funcs().map(|func| func.0).collect();
    let mut filled = Vec::new();
    for element in resumes.elements.iter() {
        let ElementKind::Active { table_index, offset_expr } = &element.kind else { continue };
        let offset = offset_expr.get_operators_reader().read();
        let slots = resumes.tables[TableIdx(table_index.unwrap_or(0))].ty.initial;
        let starts_at_0 = matches!(offset, Ok(Operator::I32Const { value: 0 }));
        let ElementItems::Functions(items) = &element.items else { continue };
        if !starts_at_0 || slots != u64::from(items.count()) {
            return Err(internal("the resume module fills another part of its table"));
        }
        for func in items.clone() {
            filled.push(func.map_err(|error| Error::misread(&error))?);
        }
    }
    let each: BTreeSet<_> = filled.iter().copied().collect();
    if filled.len() != defined.len() || !each.into_iter().eq(defined) {
        return Err(internal("the resume module doesn't put each of its functions into the table"));
    }
    Ok(())
}
