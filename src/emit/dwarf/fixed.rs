//! `.debug_aranges`, which says what code a unit has, and `.debug_macro`, which names line programs.
//!
//! Input: the sections. Output: the same with other numbers in their places.

use super::addresses::Addresses;
use super::bytes::{Reader, Result, close_length, open_length, overwrite, put};
use super::forms::Encoding;
use super::line::Lines;
use crate::work;
use std::ops::Range;

/// Moves the ranges of all units.
pub(super) fn move_ranges(section: &mut [u8], addresses: &Addresses<'_>) -> Result<()> {
    let mut at = 0;
    while at < section.len() {
        let mut moves = Vec::new();
        let mut reader = Reader::new(".debug_aranges", section).within(at..section.len())?;
        let length = reader.length()?;
        reader.skip(2 + length.offset_size())?;
        let (size, segment) = (usize::from(reader.u8()?), reader.u8()?);
        if ![4, 8].contains(&size) || segment != 0 {
            return Err(reader.fault("addresses of an unknown size"));
        }
        reader.skip((2 * size - (reader.at() - at) % (2 * size)) % (2 * size))?;
        let mut pairs = reader.within(reader.at()..length.end)?;
        while !pairs.is_at_end() {
            work::count(1);
            let place = pairs.at();
            let [start, bytes] = [pairs.number(size)?, pairs.number(size)?];
            if [start, bytes] == [0, 0] {
                break;
            }
            let end = start.checked_add(bytes).filter(|_| addresses.is_code(start));
            let moved = [Some(start), end].map(|old| old.and_then(|old| addresses.new_of(old)));
            if let [Some(start), Some(end)] = moved {
                moves.push((place, start, end - start));
            }
        }
        for (place, start, bytes) in moves {
            overwrite(section, place, start, size);
            overwrite(section, place + size, bytes, size);
        }
        at = length.end;
    }
    Ok(())
}

/// Appends the ranges of a unit.
pub(super) fn add_ranges(out: &mut Vec<u8>, encoding: Encoding, unit: u64, ranges: &[Range<u64>]) {
    let (start, size) = (out.len(), encoding.address_size);
    let opened = open_length(out, encoding.is_64);
    put(out, 2, 2);
    put(out, unit, encoding.offset_size());
    out.extend([size as u8, 0]);
    while !(out.len() - start).is_multiple_of(2 * size) {
        out.push(0);
    }
    for range in ranges {
        put(out, range.start, size);
        put(out, range.end - range.start, size);
    }
    out.resize(out.len() + 2 * size, 0);
    close_length(out, opened, encoding.is_64);
}

/// Moves the line programs that macros name.
pub(super) fn move_macros(section: &mut [u8], lines: &Lines) -> Result<()> {
    const HAS_LINES: u8 = 2;
    let mut moves = Vec::new();
    let mut reader = Reader::new(".debug_macro", section);
    while !reader.is_at_end() {
        let version = reader.u16()?;
        if version == 0 {
            // What fills the end.
            continue;
        }
        let flags = reader.u8()?;
        let size = if flags & 1 == 0 { 4 } else { 8 };
        if flags & HAS_LINES != 0 {
            let at = reader.at();
            let old = reader.number(size)?;
            let new = lines.moved(old).ok_or_else(|| reader.fault("no line program is there"))?;
            moves.push((at, new, size));
        }
        if flags & 4 != 0 {
            return Err(reader.fault("macros of a kind of their own"));
        }
        pass_macros(&mut reader, size)?;
    }
    moves.into_iter().for_each(|(at, new, size)| overwrite(section, at, new, size));
    Ok(())
}

/// Passes the macros of a unit.
fn pass_macros(reader: &mut Reader<'_>, size: usize) -> Result<()> {
    loop {
        work::count(1);
        match reader.u8()? {
            0 => return Ok(()),
            // define, undef
            1 | 2 => {
                reader.uleb()?;
                reader.text()?;
            }
            // start_file
            3 => {
                reader.uleb()?;
                reader.uleb()?;
            }
            // end_file
            4 => {}
            // define_strp, undef_strp, and the same in another file
            5 | 6 | 8 | 9 => {
                reader.uleb()?;
                reader.skip(size)?;
            }
            // import, and from another file
            7 | 10 => reader.skip(size)?,
            // define_strx, undef_strx
            11 | 12 => {
                reader.uleb()?;
                reader.uleb()?;
            }
            _ => return Err(reader.fault("an unknown kind of macro")),
        }
    }
}
