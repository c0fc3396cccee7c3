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
pub(super) fn check<'w>(main: &Module<'_>, wasm: &'w [u8]) -> Result<Module<'w>> {
    let resumes = Module::read(wasm)
        .map_err(|error| Error::Internal(format!("the resume module is refused: {error}")))?;
    if resumes.funcs.len() > 0 && types(&resumes) != types(main) {
        return Err(internal("the resume module has other types"));
    }
    if !resumes.exports.is_empty() || resumes.start.is_some() || resumes.data.len() > 0 {
        return Err(internal("the resume module has more than resume functions"));
    }
    imports(main, &resumes)?;
    fills_the_table(&resumes)?;
    Ok(resumes)
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
        is_exported(&exports, func.import(), ExternalKind::Func, same)?;
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

#[cfg(test)]
mod tests {
    use super::check;
    use crate::options::{EntryPattern, Optimize, Options};
    use crate::read::Module;

    const WAT: &str = r#"(module
        (import "k" "fork" (func $fork (result i32)))
        (memory (export "memory") 1)
        (global $sum (mut i32) (i32.const 0))
        (func $leaf (export "leaf") (param i32)
            (global.set $sum (call $fork))
            (i32.store (i32.const 0) (local.get 0)))
        (func $more (export "more") (call $leaf (i32.const 1)) (call $leaf (i32.const 2))))"#;

    /// Whether the resume module passes after `change` was made to its text.
    fn passes(change: impl FnOnce(&str) -> String) -> bool {
        let options = Options::default().entries([EntryPattern::exact("k", "fork")]);
        let options = options.optimize(Optimize::Speed).resume_module(true);
        let output = crate::instrument(WAT.as_bytes(), &options).unwrap();
        let text = wasmprinter::print_bytes(output.resume_module.unwrap()).unwrap();
        let changed = wat::parse_str(change(&text)).unwrap();
        check(&Module::read(&output.wasm).unwrap(), &changed).is_ok()
    }

    /// Whether it passes with a part replaced, once.
    #[track_caller]
    fn passes_with(part: &str, other: &str) -> bool {
        passes(|text| {
            assert!(text.contains(part), "{text}");
            text.replacen(part, other, 1)
        })
    }

    #[test]
    fn that_of_the_module_is_accepted() {
        assert!(passes(str::to_owned));
    }

    #[test]
    fn every_other_is_rejected() {
        let last = "  (@producers";
        let changes = [
            ("(import \"wpk_fork\" \"memory\"", "(import \"wpk_fork\" \"memory2\""),
            ("(import \"wpk_fork\" \"memory\"", "(import \"env\" \"memory\""),
            ("\"memory\" (memory (;0;) 1)", "\"memory\" (memory (;0;) 2)"),
            ("(mut i32)", "i32"),
            ("2 2 funcref", "2 3 funcref"),
            ("(elem (;0;) (i32.const 0)", "(elem (;0;) (i32.const 1)"),
            (last, "  (func) (@producers"),
            (last, "  (func $f) (start $f) (@producers"),
            (last, "  (func (export \"f\")) (@producers"),
            (last, "  (global i32 (i32.const 0)) (@producers"),
            (last, "  (type (func (param i64 i64))) (@producers"),
            (last, "  (data \"x\") (@producers"),
        ];
        for (part, other) in changes {
            assert!(!passes_with(part, other), "{part} became {other}");
        }
    }
}
