//! Units of `.debug_info` and `.debug_types`: what heads them, and what their first DIE says of all others.
//!
//! Input: a section. Output: its units, in order.

use super::abbrev::{Abbreviation, Table};
use super::bytes::{Length, Reader, Result};
use super::forms::{self, Encoding, Value};
use super::sections::Sections;
use gimli::constants as dw;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A unit as far as its DIEs need it.
pub(super) struct Unit {
    /// Where it begins.
    pub(super) start: usize,
    pub(super) length: Length,
    pub(super) encoding: Encoding,
    pub(super) abbreviations: Rc<Table>,
    /// Where its first DIE is.
    pub(super) dies: usize,
    /// What ranges and locations count from; 0 if from nothing.
    pub(super) base: u64,
    /// Where its slots, lists of ranges, and lists of locations begin.
    pub(super) slots: Option<u64>,
    pub(super) range_lists: Option<u64>,
    pub(super) location_lists: Option<u64>,
    /// Where its line program is.
    pub(super) lines: Option<u64>,
    /// Whether most of what it says is in another file.
    pub(super) is_split: bool,
}

/// Reads the units of a section.
pub(super) fn units(
    sections: &Sections<'_>,
    name: &'static str,
    tables: &mut BTreeMap<u64, Rc<Table>>,
) -> Result<Vec<Unit>> {
    let mut reader = Reader::new(name, sections.get(name));
    let mut units = Vec::new();
    while !reader.is_at_end() {
        units.push(unit(sections, &mut reader, name, tables)?);
    }
    Ok(units)
}

fn unit(
    sections: &Sections<'_>,
    reader: &mut Reader<'_>,
    name: &'static str,
    tables: &mut BTreeMap<u64, Rc<Table>>,
) -> Result<Unit> {
    let start = reader.at();
    let length = reader.length()?;
    let version = reader.u16()?;
    let size = length.offset_size();
    let mut ty = if name == ".debug_types" { dw::DW_UT_type } else { dw::DW_UT_compile };
    let (table, address_size) = match version {
        2..=4 => (reader.number(size)?, reader.u8()?),
        5 => {
            ty = dw::DwUt(reader.u8()?);
            let address_size = reader.u8()?;
            (reader.number(size)?, address_size)
        }
        _ => return Err(reader.fault("an unknown version")),
    };
    if ![4, 8].contains(&address_size) {
        return Err(reader.fault("addresses of an unknown size"));
    }
    match ty {
        dw::DW_UT_compile | dw::DW_UT_partial => {}
        dw::DW_UT_type | dw::DW_UT_split_type => reader.skip(8 + size)?,
        dw::DW_UT_skeleton | dw::DW_UT_split_compile => reader.skip(8)?,
        _ => return Err(reader.fault("an unknown kind of unit")),
    }
    let encoding =
        Encoding { version, is_64: length.is_64, address_size: usize::from(address_size) };
    let abbreviations = match tables.get(&table) {
        Some(table) => Rc::clone(table),
        None => {
            let all = Reader::new(".debug_abbrev", sections.get(".debug_abbrev"));
            let start = usize::try_from(table).unwrap_or(usize::MAX);
            let mut at = all.within(start..sections.get(".debug_abbrev").len())?;
            Rc::clone(tables.entry(table).or_insert(Rc::new(Table::read(&mut at)?)))
        }
    };
    let dies = reader.at();
    let mut unit = Unit {
        start,
        length,
        encoding,
        abbreviations,
        dies,
        base: 0,
        slots: None,
        range_lists: None,
        location_lists: None,
        lines: None,
        is_split: ty == dw::DW_UT_skeleton,
    };
    unit.read_root(sections, &mut reader.within(dies..length.end)?)?;
    reader.skip(length.end - dies)?;
    Ok(unit)
}

impl Unit {
    /// Reads what the first DIE says of all others.
    fn read_root(&mut self, sections: &Sections<'_>, reader: &mut Reader<'_>) -> Result<()> {
        let mut low = None;
        let abbreviations = Rc::clone(&self.abbreviations);
        if reader.is_at_end() {
            return Ok(());
        }
        let Some(root) = abbreviation(&abbreviations, reader)? else { return Ok(()) };
        for (name, form) in &root.attributes {
            let value = forms::read(reader, *form, self.encoding)?;
            let offset = match value {
                Value::Offset(offset) | Value::Number(offset) => Some(offset),
                _ => None,
            };
            match *name {
                dw::DW_AT_low_pc => low = Some(value),
                dw::DW_AT_addr_base | dw::DW_AT_GNU_addr_base => self.slots = offset,
                dw::DW_AT_rnglists_base => self.range_lists = offset,
                dw::DW_AT_loclists_base => self.location_lists = offset,
                dw::DW_AT_stmt_list => self.lines = offset,
                dw::DW_AT_dwo_name | dw::DW_AT_GNU_dwo_name => self.is_split = true,
                _ => {}
            }
        }
        self.base = low.and_then(|low| self.address(sections, &low)).unwrap_or(0);
        Ok(())
    }

    /// The address that a value is.
    pub(super) fn address(&self, sections: &Sections<'_>, value: &Value) -> Option<u64> {
        match *value {
            Value::Address(address) => Some(address),
            Value::Slot(slot) => {
                let at = self.slot(slot)?;
                let all = sections.get(".debug_addr");
                let bytes = all.get(at..at.checked_add(self.encoding.address_size)?)?;
                Reader::new(".debug_addr", bytes).number(bytes.len()).ok()
            }
            _ => None,
        }
    }

    /// Where in `.debug_addr` a slot of the unit is.
    pub(super) fn slot(&self, slot: u64) -> Option<usize> {
        // Before version 5 nothing heads the slots.
        let first = self.slots.or((self.encoding.version < 5).then_some(0))?;
        let at = slot.checked_mul(self.encoding.address_size as u64)?.checked_add(first)?;
        usize::try_from(at).ok()
    }

    /// Where in `section` the list at this position among those is that begin at `base`.
    pub(super) fn list(&self, section: &[u8], base: Option<u64>, position: u64) -> Option<u64> {
        let base = base?;
        let size = self.encoding.offset_size();
        let at = position.checked_mul(size as u64)?.checked_add(base)?;
        let at = usize::try_from(at).ok()?;
        let offset = Reader::new("", section.get(at..at.checked_add(size)?)?).number(size).ok()?;
        base.checked_add(offset)
    }
}

/// The abbreviation of the DIE at the reader's place; `None` for the end of siblings.
pub(super) fn abbreviation<'t>(
    table: &'t Table,
    reader: &mut Reader<'_>,
) -> Result<Option<&'t Abbreviation>> {
    match reader.uleb()? {
        0 => Ok(None),
        code => match table.get(code) {
            Some(abbreviation) => Ok(Some(abbreviation)),
            None => Err(reader.fault("an unknown abbreviation")),
        },
    }
}
