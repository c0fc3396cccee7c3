//! Names of functions, for messages and reports.

use super::{FuncKind, Module};
use crate::index::{FuncIdx, IndexVec};
use wasmparser::{BinaryReader, Name, NameSectionReader};

/// A name for each function that has one: from the name section, else from its import, else from
/// its first export. Names never decide anything; they are only shown and matched against.
#[derive(Default)]
pub struct Names<'a> {
    funcs: IndexVec<FuncIdx, Option<&'a str>>,
}

impl<'a> Names<'a> {
    /// Reads the names of `module`. A malformed name section yields the names before the fault:
    /// by the specification it must not make a module invalid.
    pub(super) fn read(module: &Module<'a>) -> Names<'a> {
        let mut funcs: IndexVec<FuncIdx, Option<&'a str>> =
            IndexVec::filled(None, module.funcs.len());
        for section in module.custom_sections("name") {
            let data = &module.bytes[section.contents.clone()];
            let reader =
                NameSectionReader::new(BinaryReader::new(data, section.contents.start as u64));
            for name in reader.into_iter().map_while(Result::ok) {
                let Name::Function(map) = name else { continue };
                for naming in map.into_iter().map_while(Result::ok) {
                    let func = FuncIdx(naming.index);
                    if funcs.get(func).is_some() {
                        funcs[func] = Some(naming.name);
                    }
                }
            }
        }
        for (func, entity) in module.funcs.iter_enumerated() {
            if let FuncKind::Import { name, .. } = entity.kind {
                funcs[func].get_or_insert(name);
            }
        }
        for export in &module.exports {
            let func = FuncIdx(export.index);
            if export.kind == wasmparser::ExternalKind::Func && funcs.get(func).is_some() {
                funcs[func].get_or_insert(export.name);
            }
        }
        Names { funcs }
    }

    /// The function's name, if it has one.
    pub fn func(&self, func: FuncIdx) -> Option<&'a str> {
        self.funcs.get(func).copied().flatten()
    }
}

/// The name as its source language (Rust or C++) spells it, if it is mangled.
pub fn demangled(name: &str) -> Option<String> {
    if let Ok(name) = rustc_demangle::try_demangle(name) {
        return Some(format!("{name:#}"));
    }
    let symbol = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok())??;
    symbol.demangle().ok()
}
