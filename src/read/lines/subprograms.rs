//! What DWARF says of functions: names, declarations, whether they are variadic.
//!
//! A function is found by where its body begins: the subprogram's `DW_AT_low_pc`. A subprogram may leave
//! its name to another of its kind, its declaration or the abstract one that was inlined elsewhere. What DWARF notes of one
//! thing, its *debugging information entry*, is a DIE here.

use super::language::Language;
use super::{Bytes, Findings, Lines, SourceLine};
use crate::index::FuncIdx;
use gimli::constants as dw;
use gimli::{AttributeValue, DebuggingInformationEntry, Unit, UnitOffset};
use std::collections::BTreeMap;

/// How many of them in a row may leave their name to the next.
const MAX_ORIGINS: usize = 8;

/// A function as its source has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subprogram {
    /// Its plain name.
    pub name: Option<String>,
    /// Its name for the linker, if that is another: mangled.
    pub linkage_name: Option<String>,
    /// Whether it takes a variable number of arguments after the declared ones.
    pub variadic: bool,
    /// Where it is declared.
    pub declared: Option<SourceLine>,
}

impl Subprogram {
    /// The name that a name section would have: that for the linker, else the plain one.
    pub fn symbol(&self) -> Option<&str> {
        self.linkage_name.as_deref().or(self.name.as_deref())
    }
}

/// Where a DIE is: the unit's position, and the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) unit: usize,
    pub(super) offset: UnitOffset,
}

impl Lines {
    /// What DWARF says of a function; `None` if it says nothing, and for imports.
    pub fn subprogram(&self, func: FuncIdx) -> Option<Subprogram> {
        let place = *self.subprograms().get(&func)?;
        let mut subprogram = Subprogram::default();
        let mut next = Some(place);
        for _ in 0..MAX_ORIGINS {
            let Some(place) = next else { break };
            next = self.add(place, &mut subprogram)?;
        }
        if subprogram.linkage_name == subprogram.name {
            subprogram.linkage_name = None;
        }
        Some(subprogram)
    }

    /// The name that DWARF gives a function: that for the linker, else the plain one.
    pub fn function_name(&self, func: FuncIdx) -> Option<String> {
        self.subprogram(func)?.symbol().map(str::to_owned)
    }

    /// Whether a function takes a variable number of arguments; `None` if DWARF doesn't say.
    pub fn is_variadic(&self, func: FuncIdx) -> Option<bool> {
        self.subprogram(func).map(|subprogram| subprogram.variadic)
    }

    pub(super) fn subprograms(&self) -> &BTreeMap<FuncIdx, Place> {
        &self.subprograms.get_or_init(|| self.find_subprograms()).found
    }

    fn find_subprograms(&self) -> Findings<BTreeMap<FuncIdx, Place>> {
        let (mut found, mut fault) = (BTreeMap::new(), None);
        for unit in 0..self.units.len() {
            if let Err(error) = self.find_in_unit(unit, &mut found) {
                fault = fault.or(Some(error.to_string()));
            }
        }
        Findings { found, fault }
    }

    fn find_in_unit(
        &self,
        position: usize,
        found: &mut BTreeMap<FuncIdx, Place>,
    ) -> gimli::Result<()> {
        let unit = &self.units[position];
        let mut dies = unit.entries_raw(None)?;
        while !dies.is_empty() {
            let offset = dies.next_offset();
            let Some(abbreviation) = dies.read_abbreviation()? else { continue };
            if abbreviation.tag() != dw::DW_TAG_subprogram {
                dies.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            for spec in abbreviation.attributes() {
                let attribute = dies.read_attribute(*spec)?;
                if attribute.name() != dw::DW_AT_low_pc {
                    continue;
                }
                let address = self.dwarf.attr_address(unit, attribute.value())?;
                if let Some(func) = address.and_then(|address| self.code.func_from(address)) {
                    found.entry(func).or_insert(Place { unit: position, offset });
                }
            }
        }
        Ok(())
    }

    /// Adds what a DIE says to what is known; the DIE that it leaves the rest to. `None` if it
    /// can't be read.
    fn add(&self, place: Place, to: &mut Subprogram) -> Option<Option<Place>> {
        let unit = &self.units[place.unit];
        let die = unit.entry(place.offset).ok()?;
        let text = |name| {
            let value = die.attr_value(name)?;
            Some(self.text(&self.dwarf.attr_string(unit, value).ok()?))
        };
        to.name = to.name.take().or_else(|| text(dw::DW_AT_name));
        to.linkage_name = to
            .linkage_name
            .take()
            .or_else(|| text(dw::DW_AT_linkage_name).or_else(|| text(dw::DW_AT_MIPS_linkage_name)));
        to.declared = to.declared.take().or_else(|| self.declaration(unit, &die));
        to.variadic |= is_variadic(unit, &die);
        let origin = die.attr_value(dw::DW_AT_abstract_origin);
        let origin = origin.or_else(|| die.attr_value(dw::DW_AT_specification));
        Some(origin.and_then(|origin| self.place(place.unit, &origin)))
    }

    /// The DIE that an attribute of the unit refers to.
    pub(super) fn place(&self, unit: usize, reference: &AttributeValue<Bytes>) -> Option<Place> {
        match *reference {
            AttributeValue::UnitRef(offset) => Some(Place { unit, offset }),
            AttributeValue::DebugInfoRef(offset) => {
                let unit = self.unit_at(offset)?;
                let offset = offset.to_unit_offset(&self.units[unit].header)?;
                Some(Place { unit, offset })
            }
            _ => None,
        }
    }

    fn declaration(
        &self,
        unit: &Unit<Bytes>,
        die: &DebuggingInformationEntry<Bytes>,
    ) -> Option<SourceLine> {
        let file = match die.attr_value(dw::DW_AT_decl_file)? {
            AttributeValue::FileIndex(index) => index,
            other => other.udata_value()?,
        };
        let line = die.attr_value(dw::DW_AT_decl_line)?.udata_value()?;
        let header = unit.line_program.as_ref()?.header();
        Some(SourceLine { file: self.file(unit, header, file)?, line, column: None })
    }
}

/// Whether the subprogram's parameters end in `...`.
///
/// A function in C that is not declared with a prototype has unspecified parameters too, and is not
/// variadic for that.
fn is_variadic(unit: &Unit<Bytes>, die: &DebuggingInformationEntry<Bytes>) -> bool {
    let unspecified = has_unspecified_parameters(unit, die.offset()).unwrap_or(false);
    let prototyped =
        die.attr(dw::DW_AT_prototyped).is_some() || Language::of(unit) != Some(Language::C);
    unspecified && prototyped
}

fn has_unspecified_parameters(unit: &Unit<Bytes>, offset: UnitOffset) -> gimli::Result<bool> {
    let mut dies = unit.entries_raw(Some(offset))?;
    let mut inside = false;
    while !dies.is_empty() && (!inside || dies.next_depth() > 0) {
        let depth = dies.next_depth();
        let Some(abbreviation) = dies.read_abbreviation()? else { continue };
        dies.skip_attributes(abbreviation.attributes())?;
        if depth == 1 && abbreviation.tag() == dw::DW_TAG_unspecified_parameters {
            return Ok(true);
        }
        inside = true;
    }
    Ok(false)
}
