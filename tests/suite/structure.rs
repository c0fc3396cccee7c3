//! What must not change in a module: for every fixture that can be instrumented, the output is
//! compared with its input section by section, without running it.

use crate::fixtures::golden::{self, Fixture};
use std::collections::BTreeSet;
use wasm_fork::{EntryPattern, Error, Options, Output, RefusalKind};
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

const ABI_EXPORTS: [&str; 6] = [
    "wpk_fork_resume_begin",
    "wpk_fork_rewind_begin",
    "wpk_fork_rewind_end",
    "wpk_fork_state",
    "wpk_fork_unwind_begin",
    "wpk_fork_unwind_end",
];

/// A module taken apart.
#[derive(Default)]
struct Parts<'a> {
    /// Sections in order: id, custom name, contents.
    sections: Vec<(u8, &'a str, &'a [u8])>,
    bodies: Vec<&'a [u8]>,
    imported_funcs: usize,
    /// Entries of the sections that grow, each as text.
    types: Vec<String>,
    funcs: Vec<u32>,
    globals: Vec<String>,
    exports: Vec<(String, ExternalKind, u32)>,
}

fn parts(wasm: &[u8]) -> wasmparser::Result<Parts<'_>> {
    let mut parts = Parts::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Some((id, range)) = payload.as_section() {
            let name = match &payload {
                Payload::CustomSection(custom) => custom.name(),
                _ => "",
            };
            let contents = &wasm[range.start as usize..range.end as usize];
            parts.sections.push((id, name, contents));
        }
        match payload {
            Payload::TypeSection(types) => {
                for group in types {
                    parts.types.push(format!("{:?}", group?.types().collect::<Vec<_>>()));
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let is_func = matches!(import?.ty, wasmparser::TypeRef::Func(_));
                    parts.imported_funcs += usize::from(is_func);
                }
            }
            Payload::FunctionSection(funcs) => {
                parts.funcs = funcs.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    let init: Vec<_> =
                        global.init_expr.get_operators_reader().into_iter().collect();
                    parts.globals.push(format!("{:?} {init:?}", global.ty));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    parts.exports.push((export.name.into(), export.kind, export.index));
                }
            }
            Payload::CodeSectionEntry(body) => parts.bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    Ok(parts)
}

/// Checks `check` on each fixture that is meant to be instrumented.
fn each_output(check: impl Fn(&[u8], &Output) -> Result<(), String> + Sync) {
    for group in ["run", "rewrite"] {
        golden::run_group(group, |fixture: &Fixture| {
            if fixture.directives.stand_ins {
                return Ok(());
            }
            let original = wat::parse_str(&fixture.text).map_err(|e| e.to_string())?;
            let options = fixture.directives.options();
            let output = wasm_fork::instrument(&original, &options).map_err(|e| e.to_string())?;
            check(&original, &output)
        });
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, before: &T, after: &T) -> Result<(), String> {
    if before == after {
        return Ok(());
    }
    Err(format!("{what}: {before:?} became {after:?}"))
}

fn at_least(what: &str, before: usize, after: usize) -> Result<(), String> {
    if before <= after { Ok(()) } else { Err(format!("{what}: {before} became {after}")) }
}

fn is_prefix<T: PartialEq>(what: &str, before: &[T], after: &[T]) -> Result<(), String> {
    if after.starts_with(before) {
        return Ok(());
    }
    Err(format!("{what}: what was there before did not keep its place"))
}

/// Nothing is renumbered: what a module defines, imports and exports only grows at the end.
fn index_spaces_only_grow_in(original: &[u8], output: &Output) -> Result<(), String> {
    let before = parts(original).map_err(|e| e.to_string())?;
    let after = parts(&output.wasm).map_err(|e| e.to_string())?;
    same("imported functions", &before.imported_funcs, &after.imported_funcs)?;
    is_prefix("types", &before.types, &after.types)?;
    is_prefix("functions", &before.funcs, &after.funcs)?;
    is_prefix("globals", &before.globals, &after.globals)?;
    is_prefix("exports", &before.exports, &after.exports)?;
    let added = after.exports[before.exports.len()..].iter().map(|e| e.0.as_str());
    // Some modules have one more: those that keep references, those with a memory for frames alone, and those whose guards undo; and some what
    // references are carried over by.
    let more = ["wpk_fork_release", "wpk_fork_memory", "wpk_fork_unprepared", "wpk_fork_functions"];
    let resumes = output.resume_module.is_some();
    let is_more = |name: &str| {
        more.contains(&name)
            || name.starts_with("wpk_fork_references")
            || resumes && is_for_resume_module(name)
    };
    let added: BTreeSet<_> = added.filter(|name| !is_more(name)).collect();
    same("new exports", &BTreeSet::from(ABI_EXPORTS), &added)
}

/// `wpk_fork_func12`, `wpk_fork_resume_table_0123456789abcdef`
fn is_for_resume_module(name: &str) -> bool {
    let kinds = ["func", "table", "memory", "global", "tag", "resume_table_"];
    kinds.iter().any(|kind| {
        name.strip_prefix("wpk_fork_").is_some_and(|name| {
            name.strip_prefix(kind)
                .is_some_and(|number| number.chars().all(|c| c.is_ascii_hexdigit()))
        })
    })
}

#[test]
fn index_spaces_only_grow() {
    each_output(index_spaces_only_grow_in);
}

/// The functions whose bodies differ.
fn changed_functions(original: &[u8], output: &Output) -> Result<BTreeSet<usize>, String> {
    let before = parts(original).map_err(|e| e.to_string())?;
    let after = parts(&output.wasm).map_err(|e| e.to_string())?;
    let changed = before.bodies.iter().enumerate().filter(|(i, body)| after.bodies[*i] != **body);
    Ok(changed.map(|(i, _)| before.imported_funcs + i).collect())
}

/// The functions that a rewind may enter.
fn functions_of_the_closure(output: &Output) -> BTreeSet<usize> {
    output.report.closure.iter().filter(|f| !f.import).map(|f| f.index as usize).collect()
}

#[test]
fn untouched_functions_are_byte_identical() {
    each_output(|original, output| {
        let changed = changed_functions(original, output)?;
        let closure = functions_of_the_closure(output);
        let (prepared, guarded) = changed.iter().partition(|func| closure.contains(func));
        same("functions of the closure", &closure, &prepared)?;
        only_guarded(&guarded, output)
    });
}

/// Functions that have changed and are not prepared have guards, so they are outside the closure.
fn only_guarded(changed: &BTreeSet<usize>, output: &Output) -> Result<(), String> {
    let guards = output.report.guards.guards;
    let inside = |func: &u32| changed.contains(&(*func as usize));
    let closure = output.report.closure.iter().map(|func| func.index);
    let in_closure: Vec<u32> = closure.filter(inside).collect();
    let few = changed.len() <= guards && (changed.is_empty() == (guards == 0));
    if few && in_closure.is_empty() {
        return Ok(());
    }
    Err(format!("{guards} guards, but {changed:?} have changed, in the closure {in_closure:?}"))
}

fn sections_keep_their_order_in(original: &[u8], output: &Output) -> Result<(), String> {
    /// Type, function, global, export and code sections grow, those of tables and elements where references are kept, and that of
    /// memories where one is added; all others stay as they are.
    const GROWING: [u8; 8] = [1, 3, 4, 5, 6, 7, 9, 10];
    let before = parts(original).map_err(|e| e.to_string())?;
    let after = parts(&output.wasm).map_err(|e| e.to_string())?;
    let mut rest = after.sections.iter();
    for (id, name, contents) in &before.sections {
        let dropped = *id == 0 && output.warnings.iter().any(|w| w.contains(name));
        if dropped {
            continue;
        }
        let found = rest.find(|section| (section.0, section.1) == (*id, *name));
        let Some((.., now)) = found else {
            return Err(format!("section {id} {name:?} is missing or in another place"));
        };
        // What speaks of code is looked at by `debug` and the fixtures.
        let is_moved = name.starts_with(".debug_") || name.starts_with("metadata.code.");
        let grows = GROWING.contains(id) || ["name", "producers"].contains(name) || is_moved;
        if !grows && now != contents {
            return Err(format!("the contents of section {id} {name:?} have changed"));
        }
    }
    Ok(())
}

#[test]
fn sections_keep_their_order_and_contents() {
    each_output(sections_keep_their_order_in);
}

/// What must hold for any module, and the fixtures check one by one.
pub fn check(original: &[u8], output: &Output) -> Result<(), String> {
    index_spaces_only_grow_in(original, output)?;
    sections_keep_their_order_in(original, output)?;
    let closure = functions_of_the_closure(output);
    let mut changed = changed_functions(original, output)?;
    changed.retain(|func| !closure.contains(func));
    only_guarded(&changed, output)
}

/// An output is no input: instrumenting twice is refused.
#[test]
fn outputs_are_refused_as_inputs() {
    each_output(|_, output| match wasm_fork::instrument(&output.wasm, &all_entries()) {
        Err(Error::Refused(refusals))
            if refusals.iter().all(|r| r.kind == RefusalKind::AlreadyInstrumented) =>
        {
            Ok(())
        }
        other => Err(format!("{:?}", other.map(|output| output.warnings))),
    });
}

fn all_entries() -> Options {
    let any = EntryPattern::parse("*.*").expect("the pattern is right");
    Options::default().entries([any])
}

/// Features that a module of plain C may lack.
const FEATURES: [(&str, WasmFeatures); 12] = [
    ("multi-value", WasmFeatures::MULTI_VALUE),
    ("sign extension", WasmFeatures::SIGN_EXTENSION),
    ("bulk memory", WasmFeatures::BULK_MEMORY),
    ("saturating conversions", WasmFeatures::SATURATING_FLOAT_TO_INT),
    ("simd", WasmFeatures::SIMD),
    ("reference types", WasmFeatures::REFERENCE_TYPES),
    ("function references", WasmFeatures::FUNCTION_REFERENCES),
    ("gc", WasmFeatures::GC),
    ("tail calls", WasmFeatures::TAIL_CALL),
    ("exceptions", WasmFeatures::EXCEPTIONS),
    ("extended constants", WasmFeatures::EXTENDED_CONST),
    ("several memories", WasmFeatures::MULTI_MEMORY),
];

#[test]
fn no_feature_is_needed_that_the_input_did_not_use() {
    each_output(|original, output| {
        let valid = |wasm: &[u8], features| {
            Validator::new_with_features(features).validate_all(wasm).map(drop)
        };
        valid(&output.wasm, WasmFeatures::all()).map_err(|e| format!("not valid: {e}"))?;
        let has_own_memory = parts(&output.wasm)
            .is_ok_and(|parts| parts.exports.iter().any(|(name, ..)| name == "wpk_fork_memory"));
        for (name, feature) in FEATURES {
            let mut features = WasmFeatures::default() & !feature;
            // Garbage collection is built on function references.
            features.set(WasmFeatures::GC, features.gc() && features.function_references());
            // That is what was asked for; and engines with bulk memory or exceptions have functions with several results.
            let is_later =
                |later: WasmFeatures| valid(original, WasmFeatures::default() & !later).is_err();
            let is_wanted = (has_own_memory && feature == WasmFeatures::MULTI_MEMORY)
                || (output.resume_module.is_some() && feature == WasmFeatures::REFERENCE_TYPES)
                || (feature == WasmFeatures::MULTI_VALUE
                    && (is_later(WasmFeatures::BULK_MEMORY) || is_later(WasmFeatures::EXCEPTIONS)));
            if !is_wanted && valid(original, features).is_ok() {
                valid(&output.wasm, features).map_err(|e| {
                    format!("the output needs {name}, which the input doesn't: {e}")
                })?;
            }
        }
        Ok(())
    });
}

/// A reader that shares no code with ours finds the same things in the output.
#[test]
fn walrus_reads_every_output() {
    each_output(|original, output| {
        // What it can't read before, it needn't read after.
        let Ok(before) = walrus::Module::from_buffer(original) else {
            return Ok(());
        };
        let after = walrus::Module::from_buffer(&output.wasm).map_err(|e| format!("{e:#}"))?;
        let exports = |module: &walrus::Module| -> Vec<String> {
            module.exports.iter().map(|export| export.name.clone()).collect()
        };
        same("imports", &before.imports.iter().count(), &after.imports.iter().count())?;
        is_prefix("exports", &exports(&before), &exports(&after))?;
        // Tables are added where references are kept.
        at_least("tables", before.tables.iter().count(), after.tables.iter().count())?;
        // A module without one gets one of no size; and there may be one for frames alone.
        at_least("memories", before.memories.iter().count().max(1), after.memories.iter().count())
    });
}

/// Imports in their compact encodings, which the text format has no way to ask for: one module name for many, and one type. All that is written
/// is what is written for the same imports one by one, but for their section, which is the input's.
#[test]
fn compact_imports_are_kept() {
    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&[bytes.len() as u8], bytes].concat()
    }
    let module = |imports: &[u8]| {
        let sections: [(u8, &[u8]); 6] = [
            (1, &[1, 0x60, 0, 0]),
            (2, imports),
            (3, &[1, 0]),
            (5, &[1, 0, 1]),
            (7, &[1, 3, b'r', b'u', b'n', 0, 2]),
            (10, &[1, 6, 0, 0x10, 0, 0x10, 1, 0x0b]),
        ];
        let sections = sections.map(|(id, contents)| [vec![id], sized(contents)].concat());
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    };
    let (env, fork, other) = (sized(b"env"), sized(b"fork"), sized(b"other"));
    let plain: Vec<u8> = [&[2][..], &env, &fork, &[0, 0], &env, &other, &[0, 0]].concat();
    let one_name: Vec<u8> =
        [&[1][..], &env, &[0, 0x7f, 2], &fork, &[0, 0], &other, &[0, 0]].concat();
    let one_type: Vec<u8> = [&[1][..], &env, &[0, 0x7e, 0, 0, 2], &fork, &other].concat();
    let options = Options::default().entries([EntryPattern::exact("env", "fork")]).verify(true);
    let written = |imports: &[u8]| {
        let output = wasm_fork::instrument(&module(imports), &options).unwrap();
        let parts = parts(&output.wasm).unwrap();
        let sections = parts.sections.iter().filter(|(id, ..)| *id != 2);
        let rest: Vec<_> = sections
            .map(|(id, name, contents)| (*id, (*name).to_owned(), contents.to_vec()))
            .collect();
        let kept =
            parts.sections.iter().find(|(id, ..)| *id == 2).map(|(_, _, kept)| kept.to_vec());
        assert_eq!(kept.as_deref(), Some(imports));
        assert_eq!(parts.imported_funcs, 2);
        rest
    };
    let expected = written(&plain);
    for compact in [one_name, one_type] {
        assert_eq!(written(&compact), expected);
    }
}
