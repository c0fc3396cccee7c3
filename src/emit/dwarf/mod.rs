//! DWARF: the debug information of the input, for the code as it is in the output.
//!
//! Input: the `.debug_*` sections of a module, versions 2 to 5, and where its code is now. Output: these sections anew, or why they can't be
//! kept.
//!
//! ```text
//! .debug_line                         each sequence read into rows, moved, and written again; copies of functions get programs of their own
//! .debug_info  .debug_types           numbers in place; no DIE gets another size, so that whoever names a DIE goes on to do so
//! .debug_ranges  .debug_loc           numbers in place
//! .debug_rnglists  .debug_loclists    written anew: numbers are as long as they need to be
//! .debug_frame                        the same
//! .debug_addr                         in place: the slots that are named as code
//! .debug_aranges  .debug_macro        in place
//! all that speaks of no code          as it is: abbreviations, strings, names of DIEs
//! ```
//!
//! Invariants: debug information decides nothing. What can't be read to its end is not kept at all, for half of it would be wrong. What
//! speaks of code that a linker dropped stays as it is. Nothing is in memory but the sections, which names DIEs have for lists, and
//! one sequence of rows.

mod abbrev;
mod addresses;
mod bytes;
mod copies;
mod expression;
mod fixed;
mod forms;
mod frame;
mod info;
mod line;
mod lists;
mod rows;
mod sections;
mod slots;
mod unit;

pub(super) use addresses::Addresses;

use crate::read::Module;
use bytes::{Fault, Result};
use copies::Ends;
use info::Info;
use line::Lines;
use lists::Kind;
use sections::{PREFIX, Sections};
use std::collections::BTreeMap;

/// What became of debug information.
#[derive(Default)]
pub(super) struct Moved {
    /// The sections anew, by their names, until they are taken; those that stay aren't there.
    sections: BTreeMap<&'static str, Vec<u8>>,
    /// Those that the module has none of.
    lacked: Vec<&'static str>,
    is_kept: bool,
    /// What the user should know, one sentence each.
    pub(super) remarks: Vec<String>,
}

/// What stays as it is.
const OF_NO_CODE: [&str; 9] = [
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_names",
    ".debug_pubnames",
    ".debug_pubtypes",
    ".debug_gnu_pubnames",
    ".debug_gnu_pubtypes",
    ".debug_macinfo",
];

/// What is moved.
const OF_CODE: [&str; 12] = [
    ".debug_abbrev",
    ".debug_line",
    ".debug_info",
    ".debug_types",
    ".debug_ranges",
    ".debug_loc",
    ".debug_rnglists",
    ".debug_loclists",
    ".debug_addr",
    ".debug_aranges",
    ".debug_frame",
    ".debug_macro",
];

/// What a section became.
pub(super) enum Became {
    /// This.
    New(Vec<u8>),
    /// A part of what was written before.
    Written,
    Same,
    /// Wrong: it speaks of where code was.
    Wrong,
}

impl Moved {
    /// What the next section of this name became.
    pub(super) fn section(&mut self, name: &str) -> Became {
        match self.sections.remove(name) {
            _ if !self.is_kept => Became::Wrong,
            Some(contents) => Became::New(contents),
            None if OF_CODE.contains(&name) => Became::Written,
            None if OF_NO_CODE.contains(&name) => Became::Same,
            None => Became::Wrong,
        }
    }

    /// Sections that the module lacked, behind that of this name.
    pub(super) fn added(&mut self, name: &str) -> Vec<(&'static str, Vec<u8>)> {
        if name != ".debug_info" {
            return Vec::new();
        }
        let lists = [".debug_ranges", ".debug_rnglists"];
        let added = lists.into_iter().filter(|name| self.lacked.contains(name));
        let sections = &mut self.sections;
        added.filter_map(|name| sections.remove_entry(name)).collect()
    }
}

/// Whether a custom section is one of DWARF.
pub(super) fn is_section(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Moves the debug information of a module to where its code is now.
pub(super) fn rewrite(module: &Module<'_>, addresses: &Addresses<'_>) -> Moved {
    let sections = Sections::of(module);
    let mut moved = Moved::default();
    match rewrite_all(&sections, addresses) {
        Ok(Rewritten { sections: rewritten, is_split }) => {
            let lacked = rewritten.keys().filter(|name| !sections.has(name));
            moved.lacked = lacked.copied().collect();
            moved.sections = rewritten;
            moved.is_kept = true;
            if is_split {
                let remark = "the debug information is split: what other files have of it speaks of code that moved";
                moved.remarks.push(remark.into());
            }
        }
        Err(Fault { section, at, what }) => {
            moved.remarks.push(format!(
                "the debug information can't be read, at {at:#x} of `{section}`: {what}"
            ));
        }
    }
    moved
}

struct Rewritten {
    sections: BTreeMap<&'static str, Vec<u8>>,
    is_split: bool,
}

fn rewrite_all(sections: &Sections<'_>, addresses: &Addresses<'_>) -> Result<Rewritten> {
    let mut tables = BTreeMap::new();
    let units = unit::units(sections, ".debug_info", &mut tables)?;
    let type_units = unit::units(sections, ".debug_types", &mut tables)?;
    let lines = Lines::rewrite(sections.get(".debug_line"), addresses)?;
    let mut info = Info::new(sections, addresses, &lines);
    let mut out = BTreeMap::new();
    let types = info.rewrite(".debug_types", &type_units)?;
    let mut dies = info.rewrite(".debug_info", &units)?;
    let Info { old_ranges, old_locations, ranges, locations, slots, .. } = &mut info;
    for (name, kind, named) in [
        (".debug_ranges", Kind::Ranges, old_ranges),
        (".debug_loc", Kind::Locations, old_locations),
    ] {
        let mut section = sections.get(name).to_vec();
        lists::move_old(kind, &mut section, named, &units, addresses)?;
        out.insert(name, section);
    }
    let ranges = lists::rewrite_new(Kind::Ranges, sections, ranges, &units, slots, addresses)?;
    let locations =
        lists::rewrite_new(Kind::Locations, sections, locations, &units, slots, addresses)?;
    info.finish(
        &mut dies,
        |old, is_location| {
            if is_location { locations.moved(old) } else { ranges.moved(old) }
        },
    )?;
    let mut abbreviations = sections.get(".debug_abbrev").to_vec();
    let ends = Ends {
        dies: dies.len(),
        abbreviations: abbreviations.len(),
        old_ranges: out[".debug_ranges"].len(),
        old_locations: out[".debug_loc"].len(),
        ranges: ranges.bytes.len(),
        locations: locations.bytes.len(),
    };
    let copied = (&units[..], &lines);
    let added = copies::write(sections, addresses, copied, &info.with_copies, ends)?;
    let mut slots = sections.get(".debug_addr").to_vec();
    info.slots.finish(&mut slots, addresses);
    let mut ranges_of_units = sections.get(".debug_aranges").to_vec();
    fixed::move_ranges(&mut ranges_of_units, addresses)?;
    if sections.has(".debug_aranges") {
        ranges_of_units.extend(added.ranges_of_units);
    }
    let address_size = units.first().map_or(4, |unit| unit.encoding.address_size);
    let frames = frame::rewrite(sections.get(".debug_frame"), address_size, addresses)?;
    let mut macros = sections.get(".debug_macro").to_vec();
    fixed::move_macros(&mut macros, &lines)?;
    dies.extend(added.dies);
    abbreviations.extend(added.abbreviations);
    let (mut ranges, mut locations) = (ranges.bytes, locations.bytes);
    ranges.extend(added.ranges);
    locations.extend(added.locations);
    for (name, added) in [(".debug_ranges", added.old_ranges), (".debug_loc", added.old_locations)]
    {
        out.entry(name).or_default().extend(added);
    }
    out.extend([
        (".debug_abbrev", abbreviations),
        (".debug_types", types),
        (".debug_info", dies),
        (".debug_rnglists", ranges),
        (".debug_loclists", locations),
        (".debug_addr", slots),
        (".debug_aranges", ranges_of_units),
        (".debug_frame", frames),
        (".debug_macro", macros),
        (".debug_line", lines.bytes),
    ]);
    let is_split = units.iter().any(|unit| unit.is_split);
    out.retain(|name, bytes| !bytes.is_empty() || sections.has(name));
    Ok(Rewritten { sections: out, is_split })
}
