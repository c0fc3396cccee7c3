//! Custom sections: which are left out, and the two that are extended.

use crate::index::FuncIdx;
use crate::read::{Module, Section};
use std::collections::BTreeSet;
use wasm_encoder::{
    Encode, IndirectNameMap, NameMap, ProducersField, ProducersSection, RawSection, Section as _,
};
use wasmparser::{BinaryReader, Name, NameSectionReader, ProducersSectionReader};

/// A custom section that was left out, since it would be wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: usize,
}

/// Whether a custom section speaks of code by its offset, which rewriting changes: debug
/// information, source maps, branch hints, and a linker's relocations.
pub(super) fn is_about_code_offsets(name: &str) -> bool {
    const PREFIXES: [&str; 3] = [".debug_", "metadata.code.", "reloc."];
    const NAMES: [&str; 3] = ["sourceMappingURL", "external_debug_info", "linking"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// What the name section gains.
pub(super) struct NewNames<'a> {
    /// Names of appended functions, from this index on.
    pub funcs: (u32, Vec<&'a str>),
    /// Names of appended globals, from this index on.
    pub globals: (u32, &'a [&'a str]),
    /// Functions whose labels are not what they were.
    pub rewritten: &'a BTreeSet<FuncIdx>,
}

/// The contents of the name section with the new names; `None` if it can't be read to its end,
/// and then stays as it is.
pub(super) fn extend_names(
    module: &Module<'_>,
    section: &Section<'_>,
    new: &NewNames<'_>,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut has_funcs, mut has_globals) = (false, false);
    let append = |map: &mut NameMap, first: u32, names: &[&str]| {
        for (index, name) in (first..).zip(names) {
            map.append(index, name);
        }
    };
    let bytes = &module.bytes[section.contents.clone()];
    let mut rest = bytes;
    let reader = NameSectionReader::new(BinaryReader::new(bytes, 0));
    let mut subsections = Vec::new();
    for name in reader {
        let name = name.ok()?;
        let (id, size_len, size) = subsection_header(rest)?;
        let (subsection, after) = rest.split_at_checked(1 + size_len + size)?;
        rest = after;
        subsections.push((id, name, subsection));
    }
    for (id, name, raw) in subsections {
        // New names go where their subsection belongs in the order of ids.
        if id > FUNCTION_NAMES && !has_funcs {
            has_funcs = true;
            let mut map = NameMap::new();
            append(&mut map, new.funcs.0, &new.funcs.1);
            write_subsection(&mut out, FUNCTION_NAMES, &map);
        }
        if id > GLOBAL_NAMES && !has_globals {
            has_globals = true;
            let mut map = NameMap::new();
            append(&mut map, new.globals.0, new.globals.1);
            write_subsection(&mut out, GLOBAL_NAMES, &map);
        }
        match name {
            Name::Function(names) if !has_funcs => {
                has_funcs = true;
                let mut map = copy_map(names)?;
                append(&mut map, new.funcs.0, &new.funcs.1);
                write_subsection(&mut out, FUNCTION_NAMES, &map);
            }
            Name::Global(names) if !has_globals => {
                has_globals = true;
                let mut map = copy_map(names)?;
                append(&mut map, new.globals.0, new.globals.1);
                write_subsection(&mut out, GLOBAL_NAMES, &map);
            }
            Name::Label(labels) => {
                let mut map = IndirectNameMap::new();
                for naming in labels {
                    let naming = naming.ok()?;
                    if !new.rewritten.contains(&FuncIdx(naming.index)) {
                        map.append(naming.index, &copy_map(naming.names)?);
                    }
                }
                write_subsection(&mut out, LABEL_NAMES, &map);
            }
            _ => out.extend_from_slice(raw),
        }
    }
    if !has_funcs {
        let mut map = NameMap::new();
        append(&mut map, new.funcs.0, &new.funcs.1);
        write_subsection(&mut out, FUNCTION_NAMES, &map);
    }
    if !has_globals {
        let mut map = NameMap::new();
        append(&mut map, new.globals.0, new.globals.1);
        write_subsection(&mut out, GLOBAL_NAMES, &map);
    }
    Some(out)
}

const FUNCTION_NAMES: u8 = 1;
const LABEL_NAMES: u8 = 3;
const GLOBAL_NAMES: u8 = 7;

/// A subsection's id, how long its size is spelled, and its size.
fn subsection_header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let mut reader = BinaryReader::new(bytes, 0);
    let id = reader.read_u8().ok()?;
    let size = reader.read_var_u32().ok()? as usize;
    Some((id, reader.original_position() as usize - 1, size))
}

fn write_subsection(out: &mut Vec<u8>, id: u8, contents: &impl Encode) {
    let mut bytes = Vec::new();
    contents.encode(&mut bytes);
    out.push(id);
    bytes.len().encode(out);
    out.extend_from_slice(&bytes);
}

fn copy_map(names: wasmparser::NameMap<'_>) -> Option<NameMap> {
    let mut map = NameMap::new();
    for naming in names {
        let naming = naming.ok()?;
        map.append(naming.index, naming.name);
    }
    Some(map)
}

/// The producers section, whole, with this tool among those that processed the module. `None` if
/// the present one can't be read, and then stays as it is.
pub(super) fn extend_producers(
    module: &Module<'_>,
    section: Option<&Section<'_>>,
) -> Option<Vec<u8>> {
    const FIELD: &str = "processed-by";
    const TOOL: &str = env!("CARGO_PKG_NAME");
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let mut producers = ProducersSection::new();
    let mut found = false;
    if let Some(section) = section {
        let bytes = &module.bytes[section.contents.clone()];
        let fields = ProducersSectionReader::new(BinaryReader::new(bytes, 0)).ok()?;
        for field in fields {
            let field = field.ok()?;
            let mut copy = ProducersField::new();
            for value in field.values {
                let value = value.ok()?;
                if field.name != FIELD || value.name != TOOL {
                    copy.value(value.name, value.version);
                }
            }
            if field.name == FIELD {
                found = true;
                copy.value(TOOL, VERSION);
            }
            producers.field(field.name, &copy);
        }
    }
    if !found {
        let mut field = ProducersField::new();
        field.value(TOOL, VERSION);
        producers.field(FIELD, &field);
    }
    let mut out = Vec::new();
    producers.append_to(&mut out);
    Some(out)
}

/// A custom section with these contents.
pub(super) fn write_custom(out: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut data = Vec::with_capacity(contents.len() + name.len() + 2);
    name.encode(&mut data);
    data.extend_from_slice(contents);
    RawSection { id: 0, data: &data }.append_to(out);
}
