//! DIEs for functions that go on where others left off: each has its original's subprogram, as another concrete instance of it.
//!
//! Input: DIEs of functions with copies. Output: for each unit with such a unit of its own, behind all others:
//!
//! ```text
//!   compile unit          as the original's: producer, language, name, directory; lines of its own
//!     subprogram          origin: the original, or its own origin; where the copy is; the frame base
//!       parameter         origin likewise; where it is in the copy, whose locals have other numbers
//!       block, inlined    where their code is in the copy, if any is left
//! ```
//!
//! Invariants: the units of the input gain nothing. What can't be said of a copy, such as a place on the operand stack, is left out.

use super::abbrev::NewTable;
use super::addresses::{Addresses, CopyOf};
use super::bytes::{Fault, Result, close_length, open_length, put, put_uleb};
use super::expression;
use super::fixed;
use super::forms::Encoding;
use super::line::Lines;
use super::sections::Sections;
use super::unit::Unit;
use crate::work;
use gimli::constants as dw;
use gimli::{
    AttributeValue, DwAt, DwForm, DwTag, Dwarf, EndianSlice, LittleEndian, UnitOffset,
    UnitSectionOffset,
};
use std::ops::Range;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Read<'a> = gimli::Unit<Slice<'a>>;
type Attr<'a> = gimli::Attribute<Slice<'a>>;

/// What is appended to sections.
#[derive(Default)]
pub(super) struct Added {
    pub(super) dies: Vec<u8>,
    pub(super) abbreviations: Vec<u8>,
    pub(super) old_ranges: Vec<u8>,
    pub(super) old_locations: Vec<u8>,
    pub(super) ranges: Vec<u8>,
    pub(super) locations: Vec<u8>,
    pub(super) ranges_of_units: Vec<u8>,
}

/// Where what is appended begins.
pub(super) struct Ends {
    pub(super) dies: usize,
    pub(super) abbreviations: usize,
    pub(super) old_ranges: usize,
    pub(super) old_locations: usize,
    pub(super) ranges: usize,
    pub(super) locations: usize,
}

/// Writes the units of copies: of these functions, by unit and DIE.
pub(super) fn write(
    sections: &Sections<'_>,
    addresses: &Addresses<'_>,
    (units, lines): (&[Unit], &Lines),
    funcs: &[(usize, usize)],
    ends: Ends,
) -> Result<Added> {
    if funcs.is_empty() {
        return Ok(Added::default());
    }
    let dwarf = Dwarf::load(|id| -> gimli::Result<_> {
        Ok(Slice::new(sections.get(id.name()), LittleEndian))
    });
    let dwarf = dwarf.map_err(|_| fault(0))?;
    let (added, table) = (Added::default(), NewTable::default());
    let mut writer = Writer { dwarf, addresses, lines, ends, added, table };
    for funcs in funcs.chunk_by(|a, b| a.0 == b.0) {
        let unit = &units[funcs[0].0];
        let of_unit: Vec<_> = funcs.iter().map(|(_, die)| *die - unit.start).collect();
        // Most of a split unit is elsewhere.
        if !unit.is_split {
            writer.unit(unit, &of_unit).map_err(|_| fault(unit.start))?;
        }
    }
    let Writer { mut added, table, .. } = writer;
    added.abbreviations = table.finish();
    Ok(added)
}

fn fault(at: usize) -> Fault {
    Fault { section: ".debug_info", at, what: "functions in it can't be read" }
}

struct Writer<'w> {
    dwarf: Dwarf<Slice<'w>>,
    addresses: &'w Addresses<'w>,
    lines: &'w Lines,
    ends: Ends,
    added: Added,
    table: NewTable,
}

/// A DIE in the making.
#[derive(Default)]
struct Die {
    attributes: Vec<(DwAt, DwForm)>,
    bytes: Vec<u8>,
}

impl Die {
    fn number(&mut self, name: DwAt, form: DwForm, number: u64, size: usize) {
        self.attributes.push((name, form));
        put(&mut self.bytes, number, size);
    }

    fn uleb(&mut self, name: DwAt, form: DwForm, number: u64) {
        self.attributes.push((name, form));
        put_uleb(&mut self.bytes, number);
    }

    fn expression(&mut self, name: DwAt, encoding: Encoding, expression: &[u8]) {
        let form = if encoding.version >= 4 { dw::DW_FORM_exprloc } else { dw::DW_FORM_block };
        self.uleb(name, form, expression.len() as u64);
        self.bytes.extend_from_slice(expression);
    }

    /// An offset into another section.
    fn offset(&mut self, name: DwAt, encoding: Encoding, offset: usize) {
        self.number(name, encoding.offset_form(), offset as u64, encoding.offset_size());
    }
}

/// A DIE of the original whose children are being read.
enum Open {
    /// It has no child yet that is there.
    Pending(DwTag, Die),
    Written,
    LeftOut,
}

/// What DIEs are read from: the unit as it is read, and how its copy is written.
struct From<'u, 'w> {
    read: &'u Read<'w>,
    encoding: Encoding,
}

impl<'w> Writer<'w> {
    /// A unit for copies of these functions of another.
    fn unit(&mut self, unit: &Unit, dies: &[usize]) -> gimli::Result<()> {
        let start = gimli::DebugInfoOffset(unit.start);
        let read = self.dwarf.unit(self.dwarf.debug_info.header_from_offset(start)?)?;
        let encoding = unit.encoding;
        let from = From { read: &read, encoding };
        let at = self.ends.dies + self.added.dies.len();
        let opened = open_length(&mut self.added.dies, encoding.is_64);
        let mut head = |number: u64, size: usize| put(&mut self.added.dies, number, size);
        head(encoding.version.into(), 2);
        let table = (self.ends.abbreviations as u64, encoding.offset_size());
        if encoding.version >= 5 {
            head(dw::DW_UT_compile.0.into(), 1);
            head(encoding.address_size as u64, 1);
            head(table.0, table.1);
        } else {
            head(table.0, table.1);
            head(encoding.address_size as u64, 1);
        }
        let lists = [self.open_list(encoding, false), self.open_list(encoding, true)];
        let low = |read: &Read<'w>, die: &usize| -> gimli::Result<Option<u64>> {
            let low = read.entry(UnitOffset(*die))?.attr_value(dw::DW_AT_low_pc);
            low.map_or(Ok(None), |low| self.dwarf.attr_address(read, low))
        };
        let mut copies = Vec::new();
        for die in dies {
            let Some(low) = low(&read, die)? else { continue };
            copies.extend(self.addresses.copies_of(low).map(|copy| (*die, copy)));
        }
        let mut ranges: Vec<_> = copies.iter().map(|(_, copy)| copy.start..copy.end).collect();
        ranges.sort_by_key(|range| range.start);
        self.root(&from, unit, &ranges)?;
        for (die, copy) in &copies {
            self.func(&from, *die, copy)?;
        }
        self.added.dies.push(0);
        close_length(&mut self.added.dies, opened, encoding.is_64);
        let [of_ranges, of_locations] = lists;
        self.close_list(encoding, of_ranges, false);
        self.close_list(encoding, of_locations, true);
        fixed::add_ranges(&mut self.added.ranges_of_units, encoding, at as u64, &ranges);
        Ok(())
    }

    /// Appends a DIE.
    fn die(&mut self, tag: DwTag, has_children: bool, die: &Die) {
        let code = self.table.code(tag, has_children, &die.attributes);
        put_uleb(&mut self.added.dies, code);
        self.added.dies.extend_from_slice(&die.bytes);
    }

    fn root(
        &mut self,
        from: &From<'_, 'w>,
        unit: &Unit,
        ranges: &[Range<u64>],
    ) -> gimli::Result<()> {
        let From { read, encoding } = *from;
        let size = encoding.offset_size();
        let mut die = Die::default();
        let root = read.entry(read.header.root_offset())?;
        for attribute in root.attrs() {
            let name = attribute.name();
            let is_kept = matches!(
                name,
                dw::DW_AT_producer
                    | dw::DW_AT_language
                    | dw::DW_AT_name
                    | dw::DW_AT_comp_dir
                    | dw::DW_AT_str_offsets_base
                    | dw::DW_AT_addr_base
            );
            if !is_kept {
                continue;
            }
            let mut offset = |form: DwForm, offset: usize| {
                die.number(name, form, offset as u64, size);
            };
            match attribute.value() {
                AttributeValue::DebugStrRef(at) => offset(dw::DW_FORM_strp, at.0),
                AttributeValue::DebugLineStrRef(at) => offset(dw::DW_FORM_line_strp, at.0),
                AttributeValue::DebugStrOffsetsBase(at) => offset(dw::DW_FORM_sec_offset, at.0),
                AttributeValue::DebugAddrBase(at) => offset(dw::DW_FORM_sec_offset, at.0),
                AttributeValue::DebugStrOffsetsIndex(at) => {
                    die.uleb(name, dw::DW_FORM_strx, at.0 as u64);
                }
                AttributeValue::Language(language) => {
                    die.number(name, dw::DW_FORM_data2, language.0.into(), 2);
                }
                AttributeValue::String(text) => {
                    die.attributes.push((name, dw::DW_FORM_string));
                    die.bytes.extend_from_slice(text.slice());
                    die.bytes.push(0);
                }
                _ => {}
            }
        }
        if let Some(lines) = unit.lines.and_then(|lines| self.lines.of_copies(lines)) {
            die.offset(dw::DW_AT_stmt_list, encoding, lines as usize);
        }
        die.number(dw::DW_AT_low_pc, dw::DW_FORM_addr, 0, encoding.address_size);
        let list = self.range_list(encoding, ranges);
        die.offset(dw::DW_AT_ranges, encoding, list);
        self.die(dw::DW_TAG_compile_unit, true, &die);
        Ok(())
    }

    /// The copy of a function, and of what is in it.
    fn func(&mut self, from: &From<'_, 'w>, at: usize, copy: &CopyOf<'_>) -> gimli::Result<()> {
        let mut entries = from.read.entries_raw(Some(UnitOffset(at)))?;
        let mut open: Vec<Open> = Vec::new();
        while !entries.is_empty() {
            work::count(1);
            let at = entries.next_offset();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                match open.pop() {
                    Some(Open::Pending(tag, die)) => self.die(tag, false, &die),
                    Some(Open::Written) => self.added.dies.push(0),
                    Some(Open::LeftOut) | None => {}
                }
                if open.is_empty() {
                    break;
                }
                continue;
            };
            let (tag, has_children) = (abbreviation.tag(), abbreviation.has_children());
            let is_there = !matches!(open.last(), Some(Open::LeftOut));
            let is_wanted = is_there && is_copied(tag, open.is_empty());
            let mut die = None;
            if is_wanted {
                let mut attributes: Vec<Attr<'w>> = Vec::new();
                for spec in abbreviation.attributes() {
                    attributes.push(entries.read_attribute(*spec)?);
                }
                die = self.copied(from, (tag, at), &attributes, copy)?;
            } else {
                entries.skip_attributes(abbreviation.attributes())?;
            }
            if die.is_some() {
                self.write_open(&mut open);
            }
            match die {
                Some(die) if has_children => open.push(Open::Pending(tag, die)),
                Some(die) => self.die(tag, false, &die),
                None if has_children => open.push(Open::LeftOut),
                None => {}
            }
            if open.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Writes the DIEs that another is in.
    fn write_open(&mut self, open: &mut [Open]) {
        for outer in open {
            if let Open::Pending(tag, die) = std::mem::replace(outer, Open::Written) {
                self.die(tag, true, &die);
            }
        }
    }

    /// What a DIE becomes; `None` if nothing of its code is there.
    fn copied(
        &mut self,
        from: &From<'_, 'w>,
        (tag, at): (DwTag, UnitOffset),
        attributes: &[Attr<'w>],
        copy: &CopyOf<'_>,
    ) -> gimli::Result<Option<Die>> {
        let From { read, encoding } = *from;
        let find = |name: DwAt| attributes.iter().find(|attribute| attribute.name() == name);
        let mut die = Die::default();
        let UnitSectionOffset(start) = read.header.offset();
        let origin = find(dw::DW_AT_abstract_origin).map(gimli::Attribute::value);
        let origin = match origin {
            Some(AttributeValue::UnitRef(offset)) => Some(start + offset.0),
            Some(AttributeValue::DebugInfoRef(offset)) => Some(offset.0),
            Some(_) => return Ok(None),
            None => (!is_scope(tag)).then_some(start + at.0),
        };
        if let Some(origin) = origin {
            let size =
                if encoding.version <= 2 { encoding.address_size } else { encoding.offset_size() };
            die.number(dw::DW_AT_abstract_origin, dw::DW_FORM_ref_addr, origin as u64, size);
        }
        if tag == dw::DW_TAG_subprogram {
            let whole = copy.start..copy.end;
            self.range(encoding, &mut die, std::slice::from_ref(&whole));
        } else if is_scope(tag) || tag == dw::DW_TAG_inlined_subroutine {
            let ranges = self.ranges(read, attributes, copy)?;
            if ranges.is_empty() {
                return Ok(None);
            }
            self.range(encoding, &mut die, &ranges);
        }
        for name in [dw::DW_AT_call_file, dw::DW_AT_call_line, dw::DW_AT_call_column] {
            let number = match find(name).map(gimli::Attribute::value) {
                Some(AttributeValue::FileIndex(index)) => Some(index),
                Some(value) => value.udata_value(),
                None => None,
            };
            if let Some(number) = number {
                die.uleb(name, dw::DW_FORM_udata, number);
            }
        }
        for name in [dw::DW_AT_location, dw::DW_AT_frame_base] {
            let Some(attribute) = find(name) else { continue };
            self.location(from, attribute, copy, &mut die)?;
        }
        Ok(Some(die))
    }

    /// Where in the copy the code is that a DIE has.
    fn ranges(
        &self,
        read: &Read<'w>,
        attributes: &[Attr<'w>],
        copy: &CopyOf<'_>,
    ) -> gimli::Result<Vec<Range<u64>>> {
        let find = |name: DwAt| attributes.iter().find(|attribute| attribute.name() == name);
        let mut old = Vec::new();
        if let Some(ranges) = find(dw::DW_AT_ranges) {
            if let Some(mut list) = self.dwarf.attr_ranges(read, ranges.value())? {
                while let Some(range) = list.next()? {
                    old.push(range.begin..range.end);
                }
            }
        } else if let Some(low) = find(dw::DW_AT_low_pc) {
            let Some(low) = self.dwarf.attr_address(read, low.value())? else {
                return Ok(Vec::new());
            };
            let high = match find(dw::DW_AT_high_pc).map(gimli::Attribute::value) {
                Some(AttributeValue::Udata(bytes)) => Some(low.saturating_add(bytes)),
                Some(value) => match value.udata_value() {
                    Some(bytes) => Some(low.saturating_add(bytes)),
                    None => self.dwarf.attr_address(read, value)?,
                },
                None => None,
            };
            old.extend(high.map(|high| low..high));
        }
        let of_func = copy.old.size..copy.old.end;
        let old = old.into_iter().filter(|range| of_func.contains(&range.start));
        let new = old.map(|range| copy.new_of(range.start)..copy.new_of(range.end));
        Ok(new.filter(|range| range.start < range.end).collect())
    }

    /// Says where code is.
    fn range(&mut self, encoding: Encoding, die: &mut Die, ranges: &[Range<u64>]) {
        let [range] = ranges else {
            let list = self.range_list(encoding, ranges);
            return die.offset(dw::DW_AT_ranges, encoding, list);
        };
        let size = encoding.address_size;
        die.number(dw::DW_AT_low_pc, dw::DW_FORM_addr, range.start, size);
        if encoding.version >= 4 {
            let bytes = range.end - range.start;
            die.number(dw::DW_AT_high_pc, dw::DW_FORM_data4, bytes, 4);
        } else {
            die.number(dw::DW_AT_high_pc, dw::DW_FORM_addr, range.end, size);
        }
    }

    /// Says where a variable is, or the frame.
    fn location(
        &mut self,
        from: &From<'_, 'w>,
        attribute: &Attr<'w>,
        copy: &CopyOf<'_>,
        die: &mut Die,
    ) -> gimli::Result<()> {
        let From { read, encoding } = *from;
        let locals = &copy.copied.locals;
        if let Some(expression) = attribute.exprloc_value() {
            if let Some(moved) = expression::moved(expression, read.encoding(), locals)? {
                die.expression(attribute.name(), encoding, &moved);
            }
            return Ok(());
        }
        let Some(mut list) = self.dwarf.attr_locations(read, attribute.value())? else {
            return Ok(());
        };
        let mut entries = Vec::new();
        while let Some(entry) = list.next()? {
            work::count(1);
            let (start, end) = (entry.range.begin, entry.range.end);
            if !(copy.old.size..copy.old.end).contains(&start) {
                continue;
            }
            let range = copy.new_of(start)..copy.new_of(end);
            let moved = expression::moved(entry.data, read.encoding(), locals)?;
            entries.extend(moved.filter(|_| range.start < range.end).map(|moved| (range, moved)));
        }
        if !entries.is_empty() {
            let list = self.location_list(encoding, &entries);
            die.offset(attribute.name(), encoding, list);
        }
        Ok(())
    }

    /// Writes a list of ranges; where it is.
    fn range_list(&mut self, encoding: Encoding, ranges: &[Range<u64>]) -> usize {
        let size = encoding.address_size;
        if encoding.version >= 5 {
            let out = &mut self.added.ranges;
            let at = self.ends.ranges + out.len();
            for range in ranges {
                out.push(dw::DW_RLE_start_length.0);
                put(out, range.start, size);
                put_uleb(out, range.end - range.start);
            }
            out.push(dw::DW_RLE_end_of_list.0);
            return at;
        }
        let out = &mut self.added.old_ranges;
        let at = self.ends.old_ranges + out.len();
        for number in ranges.iter().flat_map(|range| [range.start, range.end]).chain([0, 0]) {
            put(out, number, size);
        }
        at
    }

    /// Writes a list of locations; where it is.
    fn location_list(&mut self, encoding: Encoding, entries: &[(Range<u64>, Vec<u8>)]) -> usize {
        let size = encoding.address_size;
        if encoding.version >= 5 {
            let out = &mut self.added.locations;
            let at = self.ends.locations + out.len();
            for (range, expression) in entries {
                out.push(dw::DW_LLE_start_length.0);
                put(out, range.start, size);
                put_uleb(out, range.end - range.start);
                put_uleb(out, expression.len() as u64);
                out.extend_from_slice(expression);
            }
            out.push(dw::DW_LLE_end_of_list.0);
            return at;
        }
        let out = &mut self.added.old_locations;
        let at = self.ends.old_locations + out.len();
        for (range, expression) in entries {
            put(out, range.start, size);
            put(out, range.end, size);
            put(out, expression.len() as u64, 2);
            out.extend_from_slice(expression);
        }
        put(out, 0, size);
        put(out, 0, size);
        at
    }

    /// Begins the lists of a unit, in version 5; what is needed to end them.
    fn open_list(&mut self, encoding: Encoding, is_location: bool) -> (usize, usize) {
        let added = &mut self.added;
        let out = if is_location { &mut added.locations } else { &mut added.ranges };
        let start = out.len();
        if encoding.version < 5 {
            return (start, start);
        }
        let opened = open_length(out, encoding.is_64);
        put(out, 5, 2);
        out.extend([encoding.address_size as u8, 0]);
        put(out, 0, 4);
        (start, opened)
    }

    fn close_list(
        &mut self,
        encoding: Encoding,
        (start, opened): (usize, usize),
        is_location: bool,
    ) {
        let added = &mut self.added;
        let out = if is_location { &mut added.locations } else { &mut added.ranges };
        let head = encoding.offset_size() + if encoding.is_64 { 4 } else { 0 } + 8;
        if out.len() == start + head {
            // No list came.
            out.truncate(start);
        } else if encoding.version >= 5 {
            close_length(out, opened, encoding.is_64);
        }
    }
}

/// Whether a copy has such DIEs, the first of which is that of the function.
fn is_copied(tag: DwTag, is_first: bool) -> bool {
    let in_func = matches!(
        tag,
        dw::DW_TAG_variable | dw::DW_TAG_formal_parameter | dw::DW_TAG_inlined_subroutine
    );
    is_first || in_func || is_scope(tag)
}

/// Whether a DIE is a part of a function, without a name.
fn is_scope(tag: DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_lexical_block
            | dw::DW_TAG_try_block
            | dw::DW_TAG_catch_block
            | dw::DW_TAG_with_stmt
    )
}
