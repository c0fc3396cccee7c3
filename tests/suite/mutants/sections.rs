//! Faults outside of bodies: one byte of one item is another.

use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{ElementItems, ElementKind, KnownCustom, Name, Parser, Payload};

/// The sections that are no code, by what a fault in them is called.
fn sections(wasm: &[u8]) -> BTreeMap<&'static str, Range<usize>> {
    let mut found = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.unwrap();
        let kind = match payload {
            Payload::TypeSection(_) => "a type changed",
            Payload::ImportSection(_) => "an import changed",
            Payload::FunctionSection(_) => "a function's type changed",
            Payload::TableSection(_) => "a table changed",
            Payload::MemorySection(_) => "a memory changed",
            Payload::GlobalSection(_) => "a global's initial value changed",
            Payload::ExportSection(_) => "an export changed",
            Payload::StartSection { .. } => "the start changed",
            Payload::ElementSection(_) => "an element changed",
            Payload::DataSection(_) => "data changed",
            Payload::TagSection(_) => "a tag changed",
            _ => continue,
        };
        if let Some((_, range)) = payload.as_section() {
            found.insert(kind, range.start as usize..range.end as usize);
        }
    }
    found
}

/// Each byte of each section's items, in which a bit may be another. Of what is appended only globals, exports and functions: how large tables and
/// memories for frames are at first, and which types there are besides, makes no difference.
pub fn faults(original: &[u8], wasm: &[u8]) -> Vec<(&'static str, usize)> {
    let before = sections(original);
    let mut faults = Vec::new();
    for (kind, range) in sections(wasm) {
        let may_differ =
            ["a type changed", "a table changed", "a memory changed", "an element changed"];
        let mut end = range.end;
        if may_differ.contains(&kind) {
            // The number of items in front may be longer than it was.
            let items = before.get(kind).map_or(0, Range::len);
            end = end.min(range.start + items);
        }
        for at in range.start + 1..end {
            faults.push((kind, at));
        }
    }
    faults
}

/// Where the functions lie that fill the table by which a host finds functions, one byte each, if there are any.
pub fn functions(wasm: &[u8]) -> Range<usize> {
    let (mut table, mut found) = (None, 0..0);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::ExportSection(exports) => {
                let mut exports = exports.into_iter().map(Result::unwrap);
                let export = exports.find(|export| export.name == "wpk_fork_functions");
                table = export.map(|export| export.index);
            }
            Payload::ElementSection(elements) if table.is_some() => {
                for element in elements.into_iter().map(Result::unwrap) {
                    let ElementKind::Active { table_index, .. } = element.kind else { continue };
                    let ElementItems::Functions(items) = element.items else { continue };
                    if table_index == table {
                        let end = element.range.end as usize;
                        found = end - items.count() as usize..end;
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Each byte that tells what a function of the original is called.
pub fn names(original: &[u8], wasm: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let funcs = super::edit::Written::read(original).funcs;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CustomSection(section) = payload.unwrap() else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for name in names.map_while(Result::ok) {
            let Name::Function(names) = name else { continue };
            let names = names.into_iter().map_while(Result::ok);
            for naming in names.filter(|naming| naming.index < funcs) {
                // The name is a part of the file.
                let start = naming.name.as_ptr().addr() - wasm.as_ptr().addr();
                found.push(start..start + naming.name.len());
            }
        }
    }
    found.into_iter().flatten()
}
