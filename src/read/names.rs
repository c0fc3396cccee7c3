//! Names of functions, for messages and reports.

use super::{Func, Section};
use crate::index::{FuncIdx, IndexVec};
use crate::text;
use crate::work;
use std::borrow::Cow;
use std::collections::BTreeMap;
use wasmparser::{BinaryReader, Export, ExternalKind};

/// A name for each function that has one: from the name section, else from its import, else from
/// its first export. Names never decide anything; they are only shown and matched against.
#[derive(Default)]
pub struct Names<'a> {
    funcs: IndexVec<FuncIdx, Option<&'a str>>,
    /// Names that are not UTF-8, as they are shown: they come before those of `funcs`.
    unusual: BTreeMap<FuncIdx, String>,
}

impl<'a> Names<'a> {
    /// Reads the names of a module. A malformed name section yields the names before the fault:
    /// by the specification it must not make a module invalid. A name that is not UTF-8 is no such fault:
    /// it is read, and shown with escapes.
    pub(super) fn read(
        bytes: &'a [u8],
        sections: &[Section<'a>],
        entities: &IndexVec<FuncIdx, Func<'a>>,
        exports: &[Export<'a>],
    ) -> Names<'a> {
        let mut funcs: IndexVec<FuncIdx, Option<&'a str>> = IndexVec::filled(None, entities.len());
        let mut unusual = BTreeMap::new();
        for section in sections.iter().filter(|section| section.is_custom("name")) {
            for (func, name) in function_names(&bytes[section.contents.clone()]) {
                work::count(1);
                if funcs.get(func).is_none() {
                    continue;
                }
                match text::from_bytes(name) {
                    Cow::Borrowed(name) => funcs[func] = Some(name),
                    Cow::Owned(name) => {
                        unusual.insert(func, name);
                    }
                }
            }
        }
        for (func, entity) in entities.iter_enumerated() {
            work::count(1);
            if let Some(import) = entity.import() {
                funcs[func].get_or_insert(import.name);
            }
        }
        for export in exports {
            work::count(1);
            let func = FuncIdx(export.index);
            if export.kind == ExternalKind::Func && funcs.get(func).is_some() {
                funcs[func].get_or_insert(export.name);
            }
        }
        Names { funcs, unusual }
    }

    /// The function's name, if it has one.
    pub fn func(&self, func: FuncIdx) -> Option<&str> {
        match self.unusual.get(&func) {
            Some(name) => Some(name),
            None => self.funcs.get(func).copied().flatten(),
        }
    }
}

/// The function names in the contents of a name section, as far as it can be read.
fn function_names(section: &[u8]) -> Vec<(FuncIdx, &[u8])> {
    const FUNCTIONS: u8 = 1;
    let mut names = Vec::new();
    let mut reader = BinaryReader::new(section, 0);
    while let Ok((id, subsection)) = subsection(&mut reader) {
        if id != FUNCTIONS {
            continue;
        }
        let mut reader = BinaryReader::new(subsection, 0);
        let count = reader.read_var_u32().unwrap_or(0);
        names.extend((0..count).map_while(|_| naming(&mut reader).ok()));
    }
    names
}

fn subsection<'a>(reader: &mut BinaryReader<'a>) -> wasmparser::Result<(u8, &'a [u8])> {
    Ok((reader.read_u8()?, sized(reader)?))
}

fn naming<'a>(reader: &mut BinaryReader<'a>) -> wasmparser::Result<(FuncIdx, &'a [u8])> {
    Ok((FuncIdx(reader.read_var_u32()?), sized(reader)?))
}

fn sized<'a>(reader: &mut BinaryReader<'a>) -> wasmparser::Result<&'a [u8]> {
    let size = reader.read_var_u32()?;
    reader.read_bytes(size as usize)
}

/// The name as its source language (Rust or C++) spells it, if it is mangled.
pub fn demangled(name: &str) -> Option<String> {
    if let Ok(name) = rustc_demangle::try_demangle(name) {
        return Some(format!("{name:#}"));
    }
    let symbol = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok())??;
    symbol.demangle().ok()
}
