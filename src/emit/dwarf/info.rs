//! `.debug_info` and `.debug_types`: DIEs whose code moved.
//!
//! Input: the section and its units. Output: the section with other numbers in their places; which lists of ranges and locations
//! its DIEs name, and which of them are functions with copies.
//!
//! Invariants: no DIE becomes longer or shorter, so that whatever names a DIE by its place goes on to name it. A length keeps the
//! bytes that it had; where it has none left the section can't be moved. DIEs of functions that a linker dropped, and all in them,
//! stay as they are.

use super::abbrev::{Abbreviation, is_location};
use super::addresses::Addresses;
use super::bytes::{Fault, Reader, Result, overwrite};
use super::forms::{self, Value};
use super::line::Lines;
use super::lists::Named;
use super::sections::Sections;
use super::slots::Slots;
use super::unit::{Unit, abbreviation};
use crate::work;
use gimli::constants as dw;
use gimli::{DwAt, DwForm, DwTag};

/// The sections that say what code is, in the making.
pub(super) struct Info<'m> {
    pub(super) sections: &'m Sections<'m>,
    pub(super) addresses: &'m Addresses<'m>,
    pub(super) lines: &'m Lines,
    pub(super) slots: Slots,
    pub(super) old_ranges: Named,
    pub(super) old_locations: Named,
    pub(super) ranges: Named,
    pub(super) locations: Named,
    /// Offsets that can be written only when lists have been.
    later: Vec<Later>,
    /// The functions that have copies: the unit and the DIE.
    pub(super) with_copies: Vec<(usize, usize)>,
}

/// An offset of a list, or of a place behind what heads lists.
struct Later {
    at: usize,
    size: usize,
    old: u64,
    is_location: bool,
}

/// An attribute of a DIE: where its value begins and ends, and what it is.
struct Attribute {
    name: DwAt,
    form: DwForm,
    at: usize,
    end: usize,
    value: Value,
}

/// What DIEs are in: whether it is something that isn't there.
struct Open {
    is_dead: bool,
}

impl<'m> Info<'m> {
    pub(super) fn new(
        sections: &'m Sections<'m>,
        addresses: &'m Addresses<'m>,
        lines: &'m Lines,
    ) -> Info<'m> {
        Info {
            sections,
            addresses,
            lines,
            slots: Slots::default(),
            old_ranges: Named::default(),
            old_locations: Named::default(),
            ranges: Named::default(),
            locations: Named::default(),
            later: Vec::new(),
            with_copies: Vec::new(),
        }
    }

    /// Moves the DIEs of a section, whose units are these.
    pub(super) fn rewrite(&mut self, name: &'static str, units: &[Unit]) -> Result<Vec<u8>> {
        let sections = self.sections;
        let section = sections.get(name);
        let mut out = section.to_vec();
        for (position, unit) in units.iter().enumerate() {
            let mut reader = Reader::new(name, section).within(unit.dies..unit.length.end)?;
            self.unit(position, unit, &mut reader, &mut out)?;
        }
        Ok(out)
    }

    fn unit(
        &mut self,
        position: usize,
        unit: &Unit,
        reader: &mut Reader<'_>,
        out: &mut [u8],
    ) -> Result<()> {
        let mut open: Vec<Open> = Vec::new();
        let mut attributes = Vec::new();
        let mut in_dead = 0;
        while !reader.is_at_end() {
            work::count(1);
            let at = reader.at();
            let Some(die) = abbreviation(&unit.abbreviations, reader)? else {
                // Zeros may fill the end of a unit.
                if let Some(Open { is_dead: true }) = open.pop() {
                    in_dead -= 1;
                }
                continue;
            };
            let mut is_dead = false;
            if die.is_plain || in_dead > 0 {
                pass(die, unit, reader)?;
            } else {
                read(die, unit, reader, &mut attributes)?;
                let place = (position, at, open.is_empty());
                is_dead = !self.die(die.tag, unit, place, &attributes, out)?;
            }
            if die.has_children {
                in_dead += usize::from(is_dead);
                open.push(Open { is_dead });
            }
        }
        Ok(())
    }

    /// Moves one DIE; whether its code is there, or it has none.
    fn die(
        &mut self,
        tag: DwTag,
        unit: &Unit,
        (position, at, is_root): (usize, usize, bool),
        attributes: &[Attribute],
        out: &mut [u8],
    ) -> Result<bool> {
        let find = |name: DwAt| attributes.iter().find(|attribute| attribute.name == name);
        let low = find(dw::DW_AT_low_pc);
        let low = low.and_then(|low| unit.address(self.sections, &low.value));
        let is_there = low.is_none_or(|low| self.addresses.is_code(low));
        // That of a unit may be 0, for lists to count from.
        if !is_there && !is_root {
            return Ok(false);
        }
        if let Some(low) = low.filter(|_| tag == dw::DW_TAG_subprogram)
            && self.addresses.copies_of(low).next().is_some()
        {
            self.with_copies.push((position, at));
        }
        for attribute in attributes {
            match attribute.name {
                dw::DW_AT_low_pc
                | dw::DW_AT_high_pc
                | dw::DW_AT_entry_pc
                | dw::DW_AT_call_pc
                | dw::DW_AT_call_return_pc => {
                    let is_behind = attribute.name == dw::DW_AT_call_return_pc
                        || tag == dw::DW_TAG_GNU_call_site;
                    self.address(attribute, (unit, is_behind), low.filter(|_| is_there), out)?;
                }
                dw::DW_AT_stmt_list => {
                    let (Value::Offset(old) | Value::Number(old)) = attribute.value else {
                        continue;
                    };
                    let new = self.lines.moved(old);
                    let new = new.ok_or(fault(attribute, "no line program is there"))?;
                    write(out, attribute, new)?;
                }
                dw::DW_AT_rnglists_base => self.later(attribute, false),
                dw::DW_AT_loclists_base => self.later(attribute, true),
                dw::DW_AT_ranges => self.list(attribute, (position, unit), false),
                name if is_location(name) => self.list(attribute, (position, unit), true),
                _ => {}
            }
        }
        Ok(true)
    }

    /// An attribute that says where code begins or ends, or that a call ends there: an address, or a distance from `low`.
    fn address(
        &mut self,
        attribute: &Attribute,
        (unit, is_behind): (&Unit, bool),
        low: Option<u64>,
        out: &mut [u8],
    ) -> Result<()> {
        let addresses = self.addresses;
        let new_of = |old: u64| {
            if is_behind { addresses.new_behind(old) } else { addresses.new_of(old) }
        };
        match attribute.value {
            Value::Address(old) => {
                if let Some(new) = new_of(old) {
                    write(out, attribute, new)?;
                }
            }
            Value::Slot(slot) => _ = self.slots.code(self.sections, unit, slot),
            Value::Number(distance) => {
                let Some(low) = low else { return Ok(()) };
                let ends = [Some(low), low.checked_add(distance)];
                if let [Some(start), Some(end)] = ends.map(|old| old.and_then(new_of)) {
                    write(out, attribute, end - start)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An attribute that may name a list, of the unit at this position.
    fn list(&mut self, attribute: &Attribute, unit: (usize, &Unit), is_location: bool) {
        let (position, unit) = unit;
        let is_new = unit.encoding.version >= 5;
        let list = match attribute.value {
            Value::Offset(list) => list,
            // What an offset was called before version 4.
            Value::Number(list) if unit.encoding.version < 4 => list,
            Value::List(of_unit) => {
                let (name, base) = if is_location {
                    (".debug_loclists", unit.location_lists)
                } else {
                    (".debug_rnglists", unit.range_lists)
                };
                match unit.list(self.sections.get(name), base, of_unit) {
                    Some(list) => list,
                    None => return,
                }
            }
            _ => return,
        };
        let named = match (is_location, is_new) {
            (false, false) => &mut self.old_ranges,
            (false, true) => &mut self.ranges,
            (true, false) => &mut self.old_locations,
            (true, true) => &mut self.locations,
        };
        named.add(list, position);
        if is_new && matches!(attribute.value, Value::Offset(_)) {
            self.later(attribute, is_location);
        }
    }

    fn later(&mut self, attribute: &Attribute, is_location: bool) {
        let Value::Offset(old) = attribute.value else { return };
        let (at, size) = (attribute.at, attribute.end - attribute.at);
        self.later.push(Later { at, size, old, is_location });
    }

    /// Writes the offsets of lists, when these have been written; `new` says where one is now.
    pub(super) fn finish(
        &self,
        out: &mut [u8],
        new: impl Fn(u64, bool) -> Option<u64>,
    ) -> Result<()> {
        for later in &self.later {
            work::count(1);
            let what = "a list that isn't there";
            let fault = Fault { section: ".debug_info", at: later.at, what };
            let new = new(later.old, later.is_location).ok_or(fault)?;
            overwrite(out, later.at, new, later.size);
        }
        Ok(())
    }
}

/// Passes a DIE behind its code.
fn pass(die: &Abbreviation, unit: &Unit, reader: &mut Reader<'_>) -> Result<()> {
    if let Some(size) = die.fixed_size(unit.encoding) {
        return reader.skip(size);
    }
    let mut forms = die.attributes.iter();
    forms.try_for_each(|(_, form)| forms::skip(reader, *form, unit.encoding))
}

fn read(
    die: &Abbreviation,
    unit: &Unit,
    reader: &mut Reader<'_>,
    attributes: &mut Vec<Attribute>,
) -> Result<()> {
    attributes.clear();
    for (name, form) in &die.attributes {
        let (name, form, at) = (*name, *form, reader.at());
        let value = forms::read(reader, form, unit.encoding)?;
        attributes.push(Attribute { name, form, at, end: reader.at(), value });
    }
    Ok(())
}

fn fault(attribute: &Attribute, what: &'static str) -> Fault {
    Fault { section: ".debug_info", at: attribute.at, what }
}

/// Writes a number in place of an attribute's, in as many bytes.
fn write(out: &mut [u8], attribute: &Attribute, number: u64) -> Result<()> {
    let size = attribute.end - attribute.at;
    let too_large = fault(attribute, "a number has no room to grow");
    if matches!(attribute.form, dw::DW_FORM_udata | dw::DW_FORM_sdata) {
        let is_signed = attribute.form == dw::DW_FORM_sdata;
        let bits = 7 * size as u32 - u32::from(is_signed);
        if bits < 64 && number >> bits != 0 {
            return Err(too_large);
        }
        for (position, byte) in out[attribute.at..attribute.end].iter_mut().enumerate() {
            let more = if position + 1 < size { 0x80 } else { 0 };
            *byte = (number.checked_shr(7 * position as u32).unwrap_or(0) & 0x7f) as u8 | more;
        }
        return Ok(());
    }
    if size < 8 && number >> (8 * size) != 0 {
        return Err(too_large);
    }
    overwrite(out, attribute.at, number, size);
    Ok(())
}
