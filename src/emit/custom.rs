//! Custom sections: which are left out, and the two that are extended.

use super::code::Copied;
use super::dwarf;
use super::well_formed::is_well_formed;
use crate::index::FuncIdx;
use crate::read::{Module, Section};
use crate::text::escape;
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use wasm_encoder::{Encode, IndirectNameMap, NameMap, ProducersField, RawSection, Section as _};
use wasmparser::{BinaryReader, Name, NameSectionReader, ProducersSectionReader};

/// A custom section that was left out, since it would be wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: usize,
}

/// The warning of sections that were left out: one sentence for all of them.
pub(crate) fn left_out(dropped: &[Dropped]) -> Option<String> {
    let names: Vec<_> = dropped.iter().map(|s| format!("`{}`", escape(&s.name))).collect();
    let bytes: usize = dropped.iter().map(|section| section.bytes).sum();
    match names.as_slice() {
        [] => None,
        [name] => Some(format!(
            "the custom section {name} ({bytes} bytes) speaks of code that moved, and was left out"
        )),
        names => Some(format!(
            "{} custom sections ({bytes} bytes) speak of code that moved, and were left out: {}",
            names.len(),
            names.join(", ")
        )),
    }
}

/// The section that says where a source map is.
pub(super) const SOURCE_MAP: &str = "sourceMappingURL";

/// The section that says in which file debug information is.
pub(super) const EXTERNAL_DEBUG_INFO: &str = "external_debug_info";

/// Whether a custom section would be wrong in the output, and can't be mended. Some speak of code by its offset in the
/// code section, which matters unless that stays: debug information in another file. Source maps, and ids by which they are
/// found, speak of offsets in the file. What is for a linker comes only with objects, which are refused.
pub(super) fn is_wrong_now(name: &str, code_stays: bool) -> bool {
    let of_file = [SOURCE_MAP, "debug_id", "debugId"].contains(&name);
    of_file || !code_stays && name == EXTERNAL_DEBUG_INFO
}

/// Whether a custom section is there for debuggers alone, and so is left out where debug information is not wanted. Names are for
/// people who read a stack trace, too.
pub(super) fn is_for_debuggers(name: &str) -> bool {
    let names = [SOURCE_MAP, "debug_id", "debugId", EXTERNAL_DEBUG_INFO];
    dwarf::is_section(name) || names.contains(&name)
}

/// What the name section gains: names of appended entities by index, in index order.
#[derive(Default)]
pub(crate) struct NewNames {
    pub(crate) funcs: Vec<(u32, String)>,
    pub(crate) tables: Vec<(u32, String)>,
    pub(crate) globals: Vec<(u32, String)>,
    /// Whether the names are to be written even if the module has no name section.
    pub(crate) even_without_section: bool,
}

impl NewNames {
    /// The subsections that gain names, with these, in order of their ids.
    fn by_subsection(&self) -> Vec<(u8, &[(u32, String)])> {
        let all = [
            (FUNCTION_NAMES, self.funcs.as_slice()),
            (TABLE_NAMES, self.tables.as_slice()),
            (GLOBAL_NAMES, self.globals.as_slice()),
        ];
        all.into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }
}

/// The contents of a name section that holds only the new names.
pub(super) fn new_names(new: &NewNames) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, names) in new.by_subsection() {
        write_names(&mut out, id, NameMap::new(), names);
    }
    out
}

/// The contents of the name section with the new names, and without the labels of the functions
/// that are `rewritten`; `None` if it is not well-formed, and then stays as it is. Locals of `copies` are called what those of
/// their originals are.
pub(super) fn extend_names(
    module: &Module<'_>,
    section: &Section<'_>,
    new: &NewNames,
    rewritten: &BTreeSet<FuncIdx>,
    copies: &[Copied],
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = &module.bytes[section.contents.clone()];
    if !is_well_formed(module, rest) {
        return None;
    }
    let mut subsections = Vec::new();
    for name in NameSectionReader::new(BinaryReader::new(rest, 0)) {
        let name = name.ok()?;
        let (id, size_len, size) = subsection_header(rest)?;
        let (subsection, after) = rest.split_at_checked(1 + size_len + size)?;
        rest = after;
        subsections.push((id, name, subsection));
    }
    let pending = new.by_subsection();
    let mut pending = pending.into_iter().peekable();
    for (id, name, raw) in subsections {
        // New names go where their subsection belongs in the order of ids.
        while let Some((missing, names)) = pending.next_if(|(missing, _)| *missing < id) {
            write_names(&mut out, missing, NameMap::new(), names);
        }
        match name {
            Name::Function(present) | Name::Table(present) | Name::Global(present) => {
                match pending.next_if(|(wanted, _)| *wanted == id) {
                    Some((_, names)) => write_names(&mut out, id, copy_map(present)?, names),
                    None => out.extend_from_slice(raw),
                }
            }
            Name::Label(labels) => {
                let mut map = IndirectNameMap::new();
                for naming in labels {
                    work::count(1);
                    let naming = naming.ok()?;
                    if !rewritten.contains(&FuncIdx(naming.index)) {
                        map.append(naming.index, &copy_map(naming.names)?);
                    }
                }
                write_subsection(&mut out, LABEL_NAMES, &map);
            }
            Name::Local(locals) if !copies.is_empty() => {
                write_subsection(&mut out, LOCAL_NAMES, &local_names(locals, copies)?);
            }
            _ => out.extend_from_slice(raw),
        }
    }
    for (id, names) in pending {
        write_names(&mut out, id, NameMap::new(), names);
    }
    Some(out)
}

/// The names of locals, with those of copies, which come behind all other functions.
fn local_names(
    locals: wasmparser::IndirectNameMap<'_>,
    copies: &[Copied],
) -> Option<IndirectNameMap> {
    let mut all = IndirectNameMap::new();
    let mut by_func = BTreeMap::new();
    for naming in locals {
        work::count(1);
        let naming = naming.ok()?;
        all.append(naming.index, &copy_map(naming.names.clone())?);
        by_func.insert(naming.index, naming.names);
    }
    for copied in copies {
        let Some(names) = by_func.get(&copied.func.0) else { continue };
        let mut renumbered = BTreeMap::new();
        for naming in names.clone() {
            work::count(1);
            let naming = naming.ok()?;
            let number = copied.locals.get(naming.index as usize).filter(|to| **to != u32::MAX);
            renumbered.extend(number.map(|number| (*number, naming.name)));
        }
        let mut names = NameMap::new();
        renumbered.iter().for_each(|(number, name)| names.append(*number, name));
        all.append(copied.index.0, &names);
    }
    Some(all)
}

/// A subsection with the present names and further ones, which must come behind them.
fn write_names(out: &mut Vec<u8>, id: u8, mut present: NameMap, new: &[(u32, String)]) {
    for (index, name) in new {
        work::count(1);
        present.append(*index, name);
    }
    write_subsection(out, id, &present);
}

pub(super) const FUNCTION_NAMES: u8 = 1;
pub(super) const LOCAL_NAMES: u8 = 2;
pub(super) const LABEL_NAMES: u8 = 3;
pub(super) const TABLE_NAMES: u8 = 5;
pub(super) const GLOBAL_NAMES: u8 = 7;

/// A subsection's id, how long its size is spelled, and its size.
pub(super) fn subsection_header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let mut reader = BinaryReader::new(bytes, 0);
    let id = reader.read_u8().ok()?;
    let size = reader.read_var_u32().ok()? as usize;
    Some((id, reader.original_position() as usize - 1, size))
}

pub(super) fn write_subsection(out: &mut Vec<u8>, id: u8, contents: &impl Encode) {
    let mut bytes = Vec::new();
    contents.encode(&mut bytes);
    out.push(id);
    bytes.len().encode(out);
    out.extend_from_slice(&bytes);
}

pub(super) fn copy_map(names: wasmparser::NameMap<'_>) -> Option<NameMap> {
    let mut map = NameMap::new();
    for naming in names {
        work::count(1);
        let naming = naming.ok()?;
        map.append(naming.index, naming.name);
    }
    Some(map)
}

/// The field of the producers section that names tools such as this one.
const PROCESSED_BY: &str = "processed-by";
const TOOL: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The contents of a producers section that names this tool alone.
pub(super) fn new_producers() -> Vec<u8> {
    producers(&[this_tool(ProducersField::new())])
}

/// The contents of the producers section with this tool among those that processed the module;
/// `None` if the section can't be read, and then stays as it is.
pub(super) fn extend_producers(module: &Module<'_>, section: &Section<'_>) -> Option<Vec<u8>> {
    let bytes = &module.bytes[section.contents.clone()];
    let mut fields = Vec::new();
    for field in ProducersSectionReader::new(BinaryReader::new(bytes, 0)).ok()? {
        let field = field.ok()?;
        let mut copy = ProducersField::new();
        for value in field.values {
            let value = value.ok()?;
            if field.name != PROCESSED_BY || value.name != TOOL {
                copy.value(value.name, value.version);
            }
        }
        fields.push(match field.name {
            PROCESSED_BY => this_tool(copy),
            name => (name, copy),
        });
    }
    if !fields.iter().any(|(name, _)| *name == PROCESSED_BY) {
        fields.push(this_tool(ProducersField::new()));
    }
    Some(producers(&fields))
}

/// The field of the tools that processed a module, so far these, with this one.
fn this_tool(mut tools: ProducersField) -> (&'static str, ProducersField) {
    tools.value(TOOL, VERSION);
    (PROCESSED_BY, tools)
}

fn producers(fields: &[(&str, ProducersField)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.len().encode(&mut out);
    for (name, field) in fields {
        name.encode(&mut out);
        field.encode(&mut out);
    }
    out
}

/// A string as it stands in a section.
pub(super) fn text(text: &str) -> Vec<u8> {
    let mut contents = Vec::new();
    text.encode(&mut contents);
    contents
}

/// A custom section with these contents.
pub(super) fn write_custom(out: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut data = Vec::with_capacity(contents.len() + name.len() + 2);
    name.encode(&mut data);
    data.extend_from_slice(contents);
    RawSection { id: 0, data: &data }.append_to(out);
}
