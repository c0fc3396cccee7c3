//! Custom sections: each of the original's is kept in its place, or may be left out since it speaks of code that moved.
//!
//! | section | may differ by |
//! |---|---|
//! | `name` | further names of functions, tables and globals; the labels of functions may be missing; one that is not well-formed is not compared |
//! | `producers` | further values |
//! | `build_id` | other bytes, as many |
//! | `.debug_…`, `metadata.code.…`, `sourceMappingURL`, `external_debug_info`, `debug_id`, `debugId`, `build_id` | being missing |
//! | any other | nothing |
//!
//! Only a `name` and a `producers` section may be added.

use super::fault::{Fault, Place};
use crate::read::{Module, Section};
use crate::work;
use std::collections::BTreeSet;
use wasmparser::{BinaryReader, Name, NameMap, NameSectionReader, ProducersSectionReader};

/// Compares the custom sections.
///
/// # Errors
/// The first that is missing, changed, added or moved.
pub(super) fn check(module: &Module<'_>, output: &Module<'_>) -> Result<(), Fault> {
    let known = |id: u8| module.sections.iter().any(|section| section.id == id);
    let mut rest = placed(output, &known).into_iter().peekable();
    for (section, place) in placed(module, &known) {
        work::count(1);
        let is_new = |next: &Section<'_>| module.custom_sections(next.name).next().is_none();
        while let Some((added, _)) = rest.next_if(|(next, _)| is_new(next)) {
            may_be_added(module, added)?;
        }
        let found = rest.peek().copied();
        match found {
            Some((copy, at)) if same(module, section, output, copy) => {
                rest.next();
                if at != place {
                    let what = format!("the custom section `{}` moved", section.name);
                    return Err(Fault::new(what).at(places(section, copy)));
                }
            }
            _ if may_be_missing(section.name) => {}
            Some((copy, _)) => {
                let what = format!("the custom section `{}` changed or moved", section.name);
                return Err(Fault::new(what).at(places(section, copy)));
            }
            None => {
                let what = format!("the custom section `{}` is missing", section.name);
                return Err(Fault::new(what).at(Place::of_original(section.range.start)));
            }
        }
    }
    rest.try_for_each(|(section, _)| may_be_added(module, section))
}

fn places(section: &Section<'_>, copy: &Section<'_>) -> Place {
    let (original, output) = (Some(section.range.start), Some(copy.range.start));
    Place { original, output, ..Place::default() }
}

/// The custom sections, each with the id of the last section before it that is known to the original; 0 for none.
fn placed<'s, 'a>(
    module: &'s Module<'a>,
    known: &impl Fn(u8) -> bool,
) -> Vec<(&'s Section<'a>, u8)> {
    let mut last = 0;
    let mut placed = Vec::new();
    for section in &module.sections {
        match section.id {
            0 => placed.push((section, last)),
            id if known(id) => last = id,
            _ => {}
        }
    }
    placed
}

fn may_be_added(module: &Module<'_>, section: &Section<'_>) -> Result<(), Fault> {
    let is_new = module.custom_sections(section.name).next().is_none();
    if is_new && matches!(section.name, "name" | "producers") {
        return Ok(());
    }
    let what = format!("the custom section `{}` was added or moved", section.name);
    Err(Fault::new(what).at(Place::of_output(section.range.start)))
}

fn may_be_missing(name: &str) -> bool {
    let prefixes = [".debug_", "metadata.code."];
    let names = ["sourceMappingURL", "external_debug_info", "debug_id", "debugId", "build_id"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

/// Whether `copy` says what `section` says.
fn same(
    module: &Module<'_>,
    section: &Section<'_>,
    output: &Module<'_>,
    copy: &Section<'_>,
) -> bool {
    let old = &module.bytes[section.contents.clone()];
    let new = &output.bytes[copy.contents.clone()];
    section.name == copy.name
        && (old == new
            || match section.name {
                "name" => !is_well_formed(old) || names(old, new).unwrap_or_default(),
                "producers" => producers(old, new).unwrap_or_default(),
                "build_id" => old.len() == new.len(),
                _ => false,
            })
}

/// Whether a name section is one that can be held against another: its parts are in order, and so are the names of functions, tables and
/// globals. What else stands in one is any tool's guess.
fn is_well_formed(bytes: &[u8]) -> bool {
    let Some(subsections) = subsections(bytes) else { return false };
    let in_order = |names: NameMap<'_>| {
        map(names).is_some_and(|names| names.is_sorted_by(|(a, _), (b, _)| a < b))
    };
    let reads = |subsection: &[u8]| match name(subsection) {
        Some(Name::Function(names) | Name::Table(names) | Name::Global(names)) => in_order(names),
        Some(Name::Label(labels)) => {
            labels.into_iter().all(|naming| naming.is_ok_and(|naming| map(naming.names).is_some()))
        }
        Some(_) => true,
        None => false,
    };
    subsections.is_sorted_by(|(a, _), (b, _)| a < b)
        && subsections.iter().all(|(_, subsection)| reads(subsection))
}

/// Whether the new names begin with the old ones; `None` if the old ones can't be read.
fn names(old: &[u8], new: &[u8]) -> Option<bool> {
    let old = subsections(old)?;
    let mut rest = subsections(new)?.into_iter();
    for (id, bytes) in old {
        let Some((_, new)) = rest.find(|(new, _)| *new == id) else { return Some(false) };
        let kept = bytes == new
            || match (name(bytes)?, name(new)?) {
                (Name::Function(old), Name::Function(new))
                | (Name::Table(old), Name::Table(new))
                | (Name::Global(old), Name::Global(new)) => {
                    let (old, new) = (map(old)?, map(new)?);
                    new.starts_with(&old)
                }
                (Name::Label(old), Name::Label(new)) => {
                    let read = |labels: wasmparser::IndirectNameMap<'_>| {
                        let labels = labels.into_iter().map(|naming| {
                            let naming = naming.ok()?;
                            Some((naming.index, format!("{:?}", map(naming.names)?)))
                        });
                        labels.collect::<Option<BTreeSet<_>>>()
                    };
                    read(new)?.is_subset(&read(old)?)
                }
                _ => false,
            };
        if !kept {
            return Some(false);
        }
    }
    Some(true)
}

/// The subsections of a name section, with their ids.
fn subsections(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        work::count(1);
        let mut reader = BinaryReader::new(bytes, 0);
        let id = reader.read_u8().ok()?;
        let size = reader.read_var_u32().ok()? as usize;
        let (subsection, rest) =
            bytes.split_at_checked(reader.original_position() as usize + size)?;
        found.push((id, subsection));
        bytes = rest;
    }
    Some(found)
}

fn name(bytes: &[u8]) -> Option<Name<'_>> {
    NameSectionReader::new(BinaryReader::new(bytes, 0)).next()?.ok()
}

fn map(names: NameMap<'_>) -> Option<Vec<(u32, &str)>> {
    let names =
        names.into_iter().map(|naming| naming.ok().map(|naming| (naming.index, naming.name)));
    names.collect()
}

/// Whether all old values are among the new ones; of this tool another version may be there.
fn producers(old: &[u8], new: &[u8]) -> Option<bool> {
    let read = |bytes: &[u8]| -> Option<BTreeSet<(String, String, String)>> {
        let mut values = BTreeSet::new();
        for field in ProducersSectionReader::new(BinaryReader::new(bytes, 0)).ok()? {
            let field = field.ok()?;
            for value in field.values {
                work::count(1);
                let value = value.ok()?;
                values.insert((field.name.into(), value.name.into(), value.version.into()));
            }
        }
        Some(values)
    };
    let (old, new) = (read(old)?, read(new)?);
    let is_kept =
        |value: &(String, String, String)| value.1 == env!("CARGO_PKG_NAME") || new.contains(value);
    Some(old.iter().all(is_kept))
}
