//! Custom sections: each of the original's is kept in its place, or may be left out since it speaks of code that moved.
//!
//! | section | may differ by |
//! |---|---|
//! | `name` | anything: what things are called changes nothing that a module does |
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
use wasmparser::{BinaryReader, ProducersSectionReader};

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
                // What things are called changes nothing that a module does.
                "name" => true,
                "producers" => producers(old, new).unwrap_or_default(),
                "build_id" => old.len() == new.len(),
                _ => false,
            })
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
