//! The sections of an output against those of its original: byte for byte, or as a prefix where items may be appended.
//!
//! | section | may differ by |
//! |---|---|
//! | type, function, table, memory, tag, global, export, element | items behind the original's |
//! | code | bodies, which [`super`] compares; further ones behind |
//! | import, start, data count, data | nothing |
//! | custom | see `customs` |
//!
//! So nothing is renumbered, and nothing that the original says about its memory, tables, globals and exports has changed. What is
//! appended has to be harmless by itself (`added`).

use super::fault::{Fault, Place};
use crate::read::{Module, Section};
use crate::work;
use std::ops::Range;
use wasmparser::{
    BinaryReader, DataSectionReader, ElementSectionReader, ExportSectionReader, FromReader,
    FunctionSectionReader, GlobalSectionReader, ImportSectionReader, MemorySectionReader,
    SectionLimited, TableSectionReader, TagSectionReader, TypeSectionReader,
};

/// The sections that are no custom ones, by their ids in the binary format.
const NAMES: [&str; 14] = [
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data count",
    "tag",
];
const CODE: u8 = 10;

/// What an appended item may be in a section of this id.
fn may_grow(id: u8) -> bool {
    matches!(id, 1 | 3 | 4 | 5 | 6 | 7 | 9 | CODE | 13)
}

/// How many items a section of the output has more than the original's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// The section's name.
    pub section: &'static str,
    /// How many.
    pub items: u32,
}

/// Compares all sections but custom ones.
///
/// # Errors
/// The first difference.
pub(super) fn check(module: &Module<'_>, output: &Module<'_>) -> Result<Vec<Added>, Fault> {
    let mut added = Vec::new();
    for id in (1..NAMES.len() as u8).filter(|id| *id != CODE) {
        work::count(1);
        let (before, after) = (section(module, id), section(output, id));
        let more = match (before, after) {
            (None, None) => 0,
            (Some(before), None) => {
                return Err(Fault::new(format!("the {} section is missing", name(id)))
                    .at(Place::of_original(before.range.start)));
            }
            (None, Some(after)) if may_grow(id) => items(output, after)?.0,
            (None, Some(after)) => {
                return Err(Fault::new(format!("a {} section was added", name(id)))
                    .at(Place::of_output(after.range.start)));
            }
            (Some(before), Some(after)) if may_grow(id) => {
                prefix(id, (module, before), (output, after))?
            }
            (Some(before), Some(after)) => {
                let contents = (before.contents.clone(), after.contents.clone());
                same(id, (module, contents.0), (output, contents.1), Extent::Whole)?;
                0
            }
        };
        if more > 0 {
            added.push(Added { section: name(id), items: more });
        }
    }
    Ok(added)
}

fn name(id: u8) -> &'static str {
    NAMES[id as usize]
}

fn section<'s, 'a>(module: &'s Module<'a>, id: u8) -> Option<&'s Section<'a>> {
    module.sections.iter().find(|section| section.id == id)
}

/// A vector's count, and where its items are.
fn items(module: &Module<'_>, section: &Section<'_>) -> Result<(u32, Range<usize>), Fault> {
    let contents = section.contents.clone();
    let bytes = &module.bytes[contents.clone()];
    let mut reader = BinaryReader::new(bytes, contents.start as u64);
    let count = reader.read_var_u32().map_err(|error| Fault::new(error.to_string()))?;
    Ok((count, reader.original_position() as usize..contents.end))
}

/// Compares a section that may have more items; returns how many.
fn prefix(
    id: u8,
    (module, before): (&Module<'_>, &Section<'_>),
    (output, after): (&Module<'_>, &Section<'_>),
) -> Result<u32, Fault> {
    let (count, kept) = items(module, before)?;
    let (new_count, all) = items(output, after)?;
    same(id, (module, kept), (output, all), Extent::Prefix)?;
    new_count.checked_sub(count).ok_or_else(|| {
        Fault::new(format!("the {} section has fewer items", name(id)))
            .at(Place::of_output(after.range.start))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Prefix,
}

/// Compares bytes of the original with those of the output, which may go on.
fn same(
    id: u8,
    (module, before): (&Module<'_>, Range<usize>),
    (output, after): (&Module<'_>, Range<usize>),
    extent: Extent,
) -> Result<(), Fault> {
    let (old, new) = (&module.bytes[before.clone()], &output.bytes[after.clone()]);
    let differs = old.iter().zip(new).position(|(old, new)| old != new);
    let longer = new.len() > old.len() && extent == Extent::Whole;
    let at = match differs {
        Some(at) => at,
        None if new.len() < old.len() || longer => old.len().min(new.len()),
        None => return Ok(()),
    };
    let item = item_at(module, id, before.start + at);
    let what = match item {
        Some(item) => format!("item {item} of the {} section changed", name(id)),
        None => format!("the {} section changed", name(id)),
    };
    Err(Fault::new(what).at(Place {
        original: Some(before.start + at),
        output: Some(after.start + at),
        is_elsewhere: false,
    }))
}

/// Which item of a section of the original is at an offset.
fn item_at(module: &Module<'_>, id: u8, offset: usize) -> Option<usize> {
    let section = section(module, id)?;
    let bytes = &module.bytes[section.contents.clone()];
    let reader = || {
        let start = section.contents.start as u64;
        BinaryReader::new_features(bytes, start, crate::read::features())
    };
    match id {
        1 => item(TypeSectionReader::new(reader()), offset),
        2 => item(ImportSectionReader::new(reader()), offset),
        3 => item(FunctionSectionReader::new(reader()), offset),
        4 => item(TableSectionReader::new(reader()), offset),
        5 => item(MemorySectionReader::new(reader()), offset),
        6 => item(GlobalSectionReader::new(reader()), offset),
        7 => item(ExportSectionReader::new(reader()), offset),
        9 => item(ElementSectionReader::new(reader()), offset),
        11 => item(DataSectionReader::new(reader()), offset),
        13 => item(TagSectionReader::new(reader()), offset),
        _ => None,
    }
}

fn item<'a, T: FromReader<'a>>(
    items: wasmparser::Result<SectionLimited<'a, T>>,
    offset: usize,
) -> Option<usize> {
    let starts = items.ok()?.into_iter_with_offsets();
    let starts = starts.map_while(|item| item.ok().map(|(start, _)| start as usize));
    starts.take_while(|start| *start <= offset).count().checked_sub(1)
}
