//! Whether a `name` section is well-formed, so that names can be added to it which its readers find.
//!
//! It is if it can be read to its end, its subsections come in the order of their ids, each once, and what is in those of functions, tables,
//! globals, locals and labels comes in the order of indices, each once and of something that is there. How long a number is spelled doesn't
//! matter, nor what else is in other subsections, which are copied. A module may have one such section at most.

use super::custom::{
    FUNCTION_NAMES, GLOBAL_NAMES, LABEL_NAMES, LOCAL_NAMES, TABLE_NAMES, subsection_header,
};
use crate::read::Module;
use crate::work;
use wasmparser::{BinaryReader, IndirectNameMap, NameMap, NameSectionReader};

/// The warning of a section that is not.
pub(super) const REMARK: &str =
    "the name section is not well-formed: it was kept as it is, and what was added has no names";

pub(super) fn is_well_formed(module: &Module<'_>, contents: &[u8]) -> bool {
    let reads = NameSectionReader::new(BinaryReader::new(contents, 0)).all(|name| name.is_ok());
    let is_one = module.custom_sections("name").count() == 1;
    is_one && reads && subsections_are(module, contents).is_some()
}

/// `None` if they aren't.
fn subsections_are(module: &Module<'_>, mut rest: &[u8]) -> Option<()> {
    let mut last = None;
    while !rest.is_empty() {
        let (id, size_len, size) = subsection_header(rest)?;
        let (subsection, after) = rest.split_at_checked(1 + size_len + size)?;
        rest = after;
        if last.is_some_and(|last| last >= id) {
            return None;
        }
        last = Some(id);
        let contents = BinaryReader::new(&subsection[1 + size_len..], 0);
        match id {
            FUNCTION_NAMES => names_are(contents, module.funcs.len())?,
            TABLE_NAMES => names_are(contents, module.tables.len())?,
            GLOBAL_NAMES => names_are(contents, module.globals.len())?,
            LOCAL_NAMES | LABEL_NAMES => names_of_funcs_are(contents, module.funcs.len())?,
            _ => {}
        }
    }
    Some(())
}

fn names_are(contents: BinaryReader<'_>, count: usize) -> Option<()> {
    let mut least = 0;
    for naming in NameMap::new(contents).ok()? {
        work::count(1);
        least = next(naming.ok()?.index, least, count)?;
    }
    Some(())
}

fn names_of_funcs_are(contents: BinaryReader<'_>, count: usize) -> Option<()> {
    let mut least = 0;
    for naming in IndirectNameMap::new(contents).ok()? {
        let naming = naming.ok()?;
        least = next(naming.index, least, count)?;
        for name in naming.names {
            work::count(1);
            name.ok()?;
        }
    }
    Some(())
}

/// The least index that may come behind this one; `None` if it may not be here.
fn next(index: u32, least: u32, count: usize) -> Option<u32> {
    (index >= least && (index as usize) < count).then_some(index + 1)
}
