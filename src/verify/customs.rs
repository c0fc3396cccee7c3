//! Custom sections: each of the original's is kept in its place, or may be left out since it speaks of code that moved.
//!
//! | section | may differ by |
//! |---|---|
//! | `name` | further names, of what was appended; the labels of functions that changed may be missing (`names`) |
//! | `producers` | this tool |
//! | `build_id` | other bytes, as many |
//! | `.debug_…` | anything, or being missing: it decides nothing, and what it says of functions is compared by `debug` |
//! | `metadata.code.…` | anything, or being missing: an engine may believe such a hint, or not, and does the same |
//! | `sourceMappingURL`, `external_debug_info` | the place that it names, or being missing |
//! | `debug_id`, `debugId`, `build_id` | being missing |
//! | any other | nothing |
//!
//! Only a `name` and a `producers` section may be added, with what they could have more otherwise; lists of ranges, where there is DWARF; and
//! `external_debug_info`.

use super::fault::{Fault, Place};
use super::names;
use crate::read::{Module, Section};
use crate::work;
use std::collections::BTreeSet;
use wasmparser::{BinaryReader, ProducersSectionReader};

/// What is different about the custom sections.
#[derive(Debug, Default)]
pub(super) struct Customs {
    /// How many names there are, and how many producers, that the original doesn't have.
    pub names: u32,
    pub producers: u32,
    /// Those that are left out, in order.
    pub left_out: Vec<String>,
}

impl Customs {
    fn count(&mut self, section: &Section<'_>, added: u32) {
        match section.name {
            "name" => self.names += added,
            "producers" => self.producers += added,
            _ => {}
        }
    }
}

/// Compares the custom sections.
///
/// # Errors
/// The first that is missing, changed, added or moved.
pub(super) fn check(module: &Module<'_>, output: &Module<'_>) -> Result<Customs, Fault> {
    let mut customs = Customs::default();
    let known = |id: u8| module.sections.iter().any(|section| section.id == id);
    let mut rest = placed(output, &known).into_iter().peekable();
    for (section, place) in placed(module, &known) {
        work::count(1);
        let is_new = |next: &Section<'_>| module.custom_sections(next.name).next().is_none();
        while let Some((added, _)) = rest.next_if(|(next, _)| is_new(next)) {
            customs.count(added, may_be_added(module, output, added)?);
        }
        let found = rest.peek().copied();
        let kept = found.and_then(|(copy, _)| added(module, section, output, copy));
        match (found, kept) {
            (Some((copy, at)), Some(added)) => {
                rest.next();
                customs.count(copy, added);
                if at != place {
                    let what = format!("the custom section `{}` moved", section.name);
                    return Err(Fault::new(what).at(places(section, copy)));
                }
            }
            _ if may_be_missing(section.name) => customs.left_out.push(section.name.to_owned()),
            (Some((copy, _)), None) => {
                let what = format!("the custom section `{}` changed or moved", section.name);
                return Err(Fault::new(what).at(places(section, copy)));
            }
            (None, _) => {
                let what = format!("the custom section `{}` is missing", section.name);
                return Err(Fault::new(what).at(Place::of_original(section.range.start)));
            }
        }
    }
    for (section, _) in rest {
        customs.count(section, may_be_added(module, output, section)?);
    }
    Ok(customs)
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

/// How much there is in a section that was added.
fn may_be_added(
    module: &Module<'_>,
    output: &Module<'_>,
    section: &Section<'_>,
) -> Result<u32, Fault> {
    let is_new = module.custom_sections(section.name).next().is_none();
    let contents = &output.bytes[section.contents.clone()];
    let has_dwarf = module.custom_sections(".debug_info").next().is_some();
    let added = match section.name {
        _ if !is_new => None,
        "name" => names::added(module, output, &[], contents),
        "producers" => producers(&[0], contents),
        ".debug_ranges" | ".debug_rnglists" if has_dwarf => Some(0),
        "external_debug_info" => Some(0),
        _ => None,
    };
    let what = || format!("the custom section `{}` was added or moved", section.name);
    added.ok_or_else(|| Fault::new(what()).at(Place::of_output(section.range.start)))
}

fn may_be_missing(name: &str) -> bool {
    let names = ["debug_id", "debugId", "build_id"];
    speaks_of_code(name) || names.contains(&name)
}

/// Whether a section says of code what changes nothing that the code does.
fn speaks_of_code(name: &str) -> bool {
    let prefixes = [".debug_", "metadata.code."];
    let places = ["sourceMappingURL", "external_debug_info"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || places.contains(&name)
}

/// How much more `copy` says than `section` says; `None` if it doesn't say that.
fn added(
    module: &Module<'_>,
    section: &Section<'_>,
    output: &Module<'_>,
    copy: &Section<'_>,
) -> Option<u32> {
    let old = &module.bytes[section.contents.clone()];
    let new = &output.bytes[copy.contents.clone()];
    if section.name != copy.name {
        return None;
    }
    match section.name {
        _ if old == new => Some(0),
        "name" => names::added(module, output, old, new),
        "producers" => producers(old, new),
        "build_id" => (old.len() == new.len()).then_some(0),
        name => speaks_of_code(name).then_some(0),
    }
}

/// How many values there are besides the old ones, which must be there: none but this tool, of which another version may be gone.
fn producers(old: &[u8], new: &[u8]) -> Option<u32> {
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
    let is_this = |value: &(String, String, String)| {
        value.0 == "processed-by" && value.1 == env!("CARGO_PKG_NAME")
    };
    let same = old.difference(&new).all(is_this) && new.difference(&old).all(is_this);
    same.then_some(new.difference(&old).count() as u32)
}
