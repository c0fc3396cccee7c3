//! Lists of ranges and of locations, of all versions.
//!
//! Input: `.debug_ranges` and `.debug_loc`, of versions up to 4, or `.debug_rnglists` and `.debug_loclists`; and which lists DIEs name.
//! Output: the old sections with other numbers in their places; the new ones anew, for there numbers are as long as they need to
//! be, with what became of the places of lists.
//!
//! Invariants: entries for code that isn't there stay as they are. No entry that had no end of the list's spelling gets it. What was on the
//! operand stack of a function that was edited may be in a local for a while: an entry becomes several then, but for old lists, where
//! it is the longest of these that has room.

use super::super::displaced::ValuePlace;
use super::addresses::Addresses;
use super::bytes::{Reader, Result, close_length, open_length, overwrite, put, put_uleb};
use super::sections::Sections;
use super::slots::Slots;
use super::unit::Unit;
use crate::work;
use gimli::constants as dw;
use gimli::{DwLle, DwRle};
use std::collections::BTreeMap;
use std::ops::Range;

/// Which kind of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ranges,
    Locations,
}

/// The lists that live DIEs name, with the positions of their units.
#[derive(Default)]
pub(super) struct Named {
    lists: Vec<(u64, u32)>,
}

impl Named {
    pub(super) fn add(&mut self, list: u64, unit: usize) {
        self.lists.push((list, unit as u32));
    }

    fn sort(&mut self) {
        self.lists.sort_unstable();
        self.lists.dedup_by_key(|(list, _)| *list);
    }

    fn unit_of(&self, list: u64) -> Option<usize> {
        let at = self.lists.binary_search_by_key(&list, |(list, _)| *list).ok()?;
        Some(self.lists[at].1 as usize)
    }
}

/// What the numbers in a list count from, in the input and in the output; `None` if from code that isn't there.
#[derive(Clone, Copy)]
struct Base(Option<(u64, u64)>);

impl Base {
    fn of(address: u64, addresses: &Addresses<'_>) -> Base {
        match address {
            0 => Base(Some((0, 0))),
            _ => Base(addresses.new_of(address).map(|new| (address, new))),
        }
    }

    /// The addresses in the input between two numbers that count from it.
    fn absolute(self, [start, end]: [u64; 2]) -> Option<Range<u64>> {
        let (old, _) = self.0?;
        Some(old.checked_add(start)?..old.checked_add(end)?)
    }

    /// The same numbers for two such addresses, in the output.
    fn relative(self, range: &Range<u64>, addresses: &Addresses<'_>) -> Option<[u64; 2]> {
        let (old, _) = self.0?;
        self.moved([range.start.checked_sub(old)?, range.end.checked_sub(old)?], addresses)
    }

    /// Two numbers that count from it; `None` if they stay.
    fn moved(self, [start, end]: [u64; 2], addresses: &Addresses<'_>) -> Option<[u64; 2]> {
        let (old, new) = self.0?;
        let absolute = old.checked_add(start).filter(|start| addresses.is_code(*start))?;
        let start = addresses.new_of(absolute)?.checked_sub(new)?;
        let end = addresses.new_of(old.checked_add(end)?)?.checked_sub(new)?;
        Some([start, end])
    }
}

/// An expression that begins with a value on the operand stack.
struct OnStack<'e> {
    /// How many values lie below it.
    position: u32,
    /// How many bytes that number takes.
    spelled: usize,
    /// What is done with it.
    rest: &'e [u8],
}

impl<'e> OnStack<'e> {
    const LOCAL: u8 = 0;
    const OPERAND_STACK: u8 = 2;

    fn of(expression: &'e [u8]) -> Option<OnStack<'e>> {
        let number =
            expression.strip_prefix(&[dw::DW_OP_WASM_location.0, Self::OPERAND_STACK][..])?;
        let mut reader = Reader::new("", number);
        let position = u32::try_from(reader.uleb().ok()?).ok()?;
        Some(OnStack { position, spelled: reader.at(), rest: &number[reader.at()..] })
    }

    /// The same of where the value is now; nothing if that is nowhere.
    fn at(&self, place: ValuePlace) -> Vec<u8> {
        let (kind, number) = match place {
            ValuePlace::Nowhere => return Vec::new(),
            ValuePlace::Local(local) => (Self::LOCAL, local),
            ValuePlace::Stack(position) => (Self::OPERAND_STACK, position),
        };
        let mut out = vec![dw::DW_OP_WASM_location.0, kind];
        put_uleb(&mut out, u64::from(number));
        out.extend_from_slice(self.rest);
        out
    }

    /// The same in as many bytes as before, if that can be done.
    fn at_in_place(&self, place: ValuePlace) -> Option<Vec<u8>> {
        let mut out = self.at(place);
        let missing = (self.rest.len() + self.spelled + 2).checked_sub(out.len())?;
        let last = out.len().checked_sub(self.rest.len() + 1)?;
        if missing > 0 {
            out[last] |= 0x80;
            let zeros = (1..=missing).map(|number| if number < missing { 0x80 } else { 0 });
            out.splice(last + 1..last + 1, zeros);
        }
        Some(out)
    }
}

/// The longest part of a range in which it can be said where the value is, in as many bytes.
fn longest(
    value: &OnStack<'_>,
    range: Range<u64>,
    addresses: &Addresses<'_>,
) -> Option<(Range<u64>, Vec<u8>)> {
    let places = addresses.places_of(range, value.position)?.into_iter();
    let said = places.filter_map(|(part, place)| Some((part, value.at_in_place(place)?)));
    // The first of those that are as long as each other.
    said.rev().max_by_key(|(part, _)| part.end - part.start)
}

/// Moves lists of versions up to 4 in their places.
pub(super) fn move_old(
    kind: Kind,
    section: &mut [u8],
    named: &mut Named,
    units: &[Unit],
    addresses: &Addresses<'_>,
) -> Result<()> {
    named.sort();
    let name = if kind == Kind::Ranges { ".debug_ranges" } else { ".debug_loc" };
    for (list, unit) in &named.lists {
        let unit = &units[*unit as usize];
        let size = unit.encoding.address_size;
        let highest = if size == 4 { u64::from(u32::MAX) } else { u64::MAX };
        let mut base = Base::of(unit.base, addresses);
        let mut at = usize::try_from(*list).unwrap_or(usize::MAX);
        loop {
            work::count(1);
            let mut reader = Reader::new(name, section).within(at..section.len())?;
            let pair = [reader.number(size)?, reader.number(size)?];
            if pair == [0, 0] {
                break;
            }
            if pair[0] == highest {
                base = Base::of(pair[1], addresses);
                if let Some((_, new)) = base.0 {
                    overwrite(section, at + size, new, size);
                }
                at += 2 * size;
                continue;
            }
            let mut on_stack = None;
            let mut is_on_stack = false;
            if kind == Kind::Locations {
                let length = usize::from(reader.u16()?);
                let at = reader.at();
                if let Some(value) = OnStack::of(reader.take(length)?) {
                    is_on_stack = true;
                    let range = base.absolute(pair);
                    let said = range.and_then(|range| longest(&value, range, addresses));
                    on_stack = said.map(|(part, expression)| (part, at, expression));
                }
            }
            let behind = reader.at();
            if let Some(mut pair) = base.moved(pair, addresses) {
                if let Some((part, at, expression)) = on_stack
                    && let Some(said) = base.relative(&part, addresses)
                {
                    pair = said;
                    section[at..at + expression.len()].copy_from_slice(&expression);
                } else if is_on_stack {
                    pair[1] = pair[0];
                }
                if pair == [0, 0] {
                    // Nothing is left of it; but this spells the end.
                    pair = [1, 1];
                }
                overwrite(section, at, pair[0], size);
                overwrite(section, at + size, pair[1], size);
            }
            at = behind;
        }
    }
    Ok(())
}

/// The lists of version 5, anew.
#[derive(Default)]
pub(super) struct NewLists {
    pub(super) bytes: Vec<u8>,
    /// For each list, and for each place behind a header, where it is.
    moved: BTreeMap<u64, u64>,
}

impl NewLists {
    pub(super) fn moved(&self, old: u64) -> Option<u64> {
        self.moved.get(&old).copied()
    }
}

/// Writes lists of version 5 anew.
pub(super) fn rewrite_new(
    kind: Kind,
    sections: &Sections<'_>,
    named: &mut Named,
    units: &[Unit],
    slots: &mut Slots,
    addresses: &Addresses<'_>,
) -> Result<NewLists> {
    named.sort();
    let name = if kind == Kind::Ranges { ".debug_rnglists" } else { ".debug_loclists" };
    let mut reader = Reader::new(name, sections.get(name));
    let mut lists = NewLists::default();
    let mut writer = Writer { kind, sections, named, units, slots, addresses };
    while !reader.is_at_end() {
        writer.contribution(&mut reader, &mut lists)?;
    }
    Ok(lists)
}

struct Writer<'w> {
    kind: Kind,
    sections: &'w Sections<'w>,
    named: &'w Named,
    units: &'w [Unit],
    slots: &'w mut Slots,
    addresses: &'w Addresses<'w>,
}

impl Writer<'_> {
    /// The lists of some units, with what heads them.
    fn contribution(&mut self, reader: &mut Reader<'_>, lists: &mut NewLists) -> Result<()> {
        let length = reader.length()?;
        let size = length.offset_size();
        let head = reader.take(4)?;
        let address_size = usize::from(head[2]);
        if head[..2] != [5, 0] || ![4, 8].contains(&address_size) {
            return Err(reader.fault("an unknown version"));
        }
        let count = reader.number(4)?;
        let out = &mut lists.bytes;
        let opened = open_length(out, length.is_64);
        out.extend_from_slice(head);
        put(out, count, 4);
        let (old_base, new_base) = (reader.at() as u64, out.len());
        lists.moved.insert(old_base, new_base as u64);
        let mut offsets = Vec::new();
        for _ in 0..count {
            offsets.push(reader.number(size)?);
            put(out, 0, size);
        }
        let mut reader_of_lists = reader.within(reader.at()..length.end)?;
        let first = self.units.iter().position(|unit| self.base_of(unit) == Some(old_base));
        let mut unit = first;
        while !reader_of_lists.is_at_end() {
            let old = reader_of_lists.at() as u64;
            unit = self.named.unit_of(old).or(unit);
            lists.moved.insert(old, lists.bytes.len() as u64);
            let unit = unit.map(|unit| &self.units[unit]);
            self.list(&mut reader_of_lists, address_size, unit, &mut lists.bytes)?;
        }
        for (position, offset) in offsets.into_iter().enumerate() {
            let new = lists.moved.get(&(old_base + offset));
            let new = new.ok_or_else(|| reader.fault("an offset into the midst of a list"))?;
            let new = *new - new_base as u64;
            overwrite(&mut lists.bytes, new_base + position * size, new, size);
        }
        close_length(&mut lists.bytes, opened, length.is_64);
        reader.skip(length.end - reader.at())
    }

    fn base_of(&self, unit: &Unit) -> Option<u64> {
        match self.kind {
            Kind::Ranges => unit.range_lists,
            Kind::Locations => unit.location_lists,
        }
    }

    /// One list, of a unit that is known unless nothing names it.
    fn list(
        &mut self,
        reader: &mut Reader<'_>,
        size: usize,
        unit: Option<&Unit>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut base = unit.map_or(Base(None), |unit| Base::of(unit.base, self.addresses));
        while !reader.is_at_end() {
            work::count(1);
            let code = reader.u8()?;
            let begins = out.len();
            out.push(code);
            let Some(entry) = Entry::of(self.kind, code) else {
                return Err(reader.fault("an unknown kind of entry"));
            };
            match entry {
                Entry::End => return Ok(()),
                Entry::BaseSlot => {
                    let slot = reader.uleb()?;
                    put_uleb(out, slot);
                    base =
                        self.slot(unit, slot).map_or(Base(None), |at| Base::of(at, self.addresses));
                }
                Entry::Base => {
                    let address = reader.number(size)?;
                    base = Base::of(address, self.addresses);
                    put(out, base.0.map_or(address, |(_, new)| new), size);
                }
                _ => {
                    let old = self.range(entry, base, reader, (size, unit), out)?;
                    if self.kind == Kind::Locations && entry != Entry::Views {
                        let length = usize::try_from(reader.uleb()?).unwrap_or(usize::MAX);
                        let expression = reader.take(length)?;
                        match OnStack::of(expression).zip(old) {
                            Some((value, old)) => {
                                self.on_stack(entry, (base, size), (&value, old), out, begins);
                            }
                            None => put_expression(out, expression),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The expression of an entry, which has been written from `begins` on but for that: of a value that the input has on the operand stack. Where
    /// the value is now here, now there, it becomes several entries.
    fn on_stack(
        &self,
        entry: Entry,
        (base, size): (Base, usize),
        (value, old): (&OnStack<'_>, Range<u64>),
        out: &mut Vec<u8>,
        begins: usize,
    ) {
        let Some(places) = self.addresses.places_of(old, value.position) else {
            // What a linker dropped stays as it is.
            return put_expression(out, &value.at(ValuePlace::Stack(value.position)));
        };
        if let [(_, place)] = places[..] {
            return put_expression(out, &value.at(place));
        }
        let absolute = Base(Some((0, 0)));
        let counted_from = match entry {
            Entry::OffsetPair => base,
            Entry::StartEnd | Entry::StartLength => absolute,
            // Nothing can be written in its place.
            _ => return put_expression(out, &[]),
        };
        let code = out[begins];
        out.truncate(begins);
        for (part, place) in places {
            let Some([start, end]) = counted_from.relative(&part, self.addresses) else { continue };
            if place == ValuePlace::Nowhere {
                continue;
            }
            out.push(code);
            match entry {
                Entry::OffsetPair => [start, end].into_iter().for_each(|n| put_uleb(out, n)),
                Entry::StartEnd => [start, end].into_iter().for_each(|n| put(out, n, size)),
                _ => {
                    put(out, start, size);
                    put_uleb(out, end - start);
                }
            }
            put_expression(out, &value.at(place));
        }
    }

    /// What an entry says of where code is; where that is in the input.
    fn range(
        &mut self,
        entry: Entry,
        base: Base,
        reader: &mut Reader<'_>,
        (size, unit): (usize, Option<&Unit>),
        out: &mut Vec<u8>,
    ) -> Result<Option<Range<u64>>> {
        let moved = |pair: [u64; 2]| Base(Some((0, 0))).moved(pair, self.addresses).unwrap_or(pair);
        let length = |start: u64, length: u64| {
            let [start, end] = moved([start, start.wrapping_add(length)]);
            end.wrapping_sub(start)
        };
        let mut old = None;
        match entry {
            Entry::OffsetPair => {
                let pair = [reader.uleb()?, reader.uleb()?];
                old = base.absolute(pair);
                let pair = base.moved(pair, self.addresses).unwrap_or(pair);
                pair.into_iter().for_each(|number| put_uleb(out, number));
            }
            Entry::StartEnd => {
                let pair = [reader.number(size)?, reader.number(size)?];
                old = Some(pair[0]..pair[1]);
                let pair = moved(pair);
                pair.into_iter().for_each(|number| put(out, number, size));
            }
            Entry::StartLength => {
                let (start, bytes) = (reader.number(size)?, reader.uleb()?);
                old = Some(start..start.saturating_add(bytes));
                put(out, moved([start, start])[0], size);
                put_uleb(out, length(start, bytes));
            }
            Entry::SlotLength => {
                let (slot, bytes) = (reader.uleb()?, reader.uleb()?);
                put_uleb(out, slot);
                let start = self.slot(unit, slot);
                put_uleb(out, start.map_or(bytes, |start| length(start, bytes)));
                old = start.map(|start| start..start.saturating_add(bytes));
            }
            Entry::SlotSlot => {
                let slots = [reader.uleb()?, reader.uleb()?];
                slots.into_iter().for_each(|slot| put_uleb(out, slot));
                if let [Some(start), Some(end)] = slots.map(|slot| self.slot(unit, slot)) {
                    old = Some(start..end);
                }
            }
            Entry::Views => {
                for _ in 0..2 {
                    put_uleb(out, reader.uleb()?);
                }
            }
            Entry::Default | Entry::End | Entry::Base | Entry::BaseSlot => {}
        }
        Ok(old)
    }

    /// The address in a slot, which is noted as one of code.
    fn slot(&mut self, unit: Option<&Unit>, slot: u64) -> Option<u64> {
        self.slots.code(self.sections, unit?, slot)
    }
}

fn put_expression(out: &mut Vec<u8>, expression: &[u8]) {
    put_uleb(out, expression.len() as u64);
    out.extend_from_slice(expression);
}

/// What an entry of version 5 has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    End,
    BaseSlot,
    SlotSlot,
    SlotLength,
    OffsetPair,
    Base,
    StartEnd,
    StartLength,
    /// What holds where nothing else does.
    Default,
    /// Two numbers that say nothing of where code is.
    Views,
}

impl Entry {
    fn of(kind: Kind, code: u8) -> Option<Entry> {
        Some(match kind {
            Kind::Ranges => match DwRle(code) {
                dw::DW_RLE_end_of_list => Entry::End,
                dw::DW_RLE_base_addressx => Entry::BaseSlot,
                dw::DW_RLE_startx_endx => Entry::SlotSlot,
                dw::DW_RLE_startx_length => Entry::SlotLength,
                dw::DW_RLE_offset_pair => Entry::OffsetPair,
                dw::DW_RLE_base_address => Entry::Base,
                dw::DW_RLE_start_end => Entry::StartEnd,
                dw::DW_RLE_start_length => Entry::StartLength,
                _ => return None,
            },
            Kind::Locations => match DwLle(code) {
                dw::DW_LLE_end_of_list => Entry::End,
                dw::DW_LLE_base_addressx => Entry::BaseSlot,
                dw::DW_LLE_startx_endx => Entry::SlotSlot,
                dw::DW_LLE_startx_length => Entry::SlotLength,
                dw::DW_LLE_offset_pair => Entry::OffsetPair,
                dw::DW_LLE_default_location => Entry::Default,
                dw::DW_LLE_base_address => Entry::Base,
                dw::DW_LLE_start_end => Entry::StartEnd,
                dw::DW_LLE_start_length => Entry::StartLength,
                dw::DW_LLE_GNU_view_pair => Entry::Views,
                _ => return None,
            },
        })
    }
}
