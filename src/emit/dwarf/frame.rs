//! `.debug_frame`: how to find the frame of a caller, for each place in a function.
//!
//! Input: the section. Output: it anew, for what says how far to go from one place to the next is as long as it needs to be. A function
//! that goes on where another left off gets the other's entry once more.
//!
//! Invariants: what heads functions stays as it is, but for where it is. Entries of functions that aren't there stay as they are.

use super::addresses::Addresses;
use super::bytes::{Reader, Result, close_length, open_length, put};
use crate::work;
use gimli::DwCfa;
use gimli::constants as dw;
use std::collections::BTreeMap;
use std::ops::Range;

const NAME: &str = ".debug_frame";

/// What heads the entries of functions.
#[derive(Clone, Copy)]
struct Head {
    /// Where it is in the output.
    new: u64,
    address_size: usize,
    segment_size: usize,
    /// What distances in code are multiples of.
    factor: u64,
}

/// The entry of a function.
struct Entry<'a> {
    head: Head,
    is_64: bool,
    segment: u64,
    /// The function's addresses, in the input.
    range: Range<u64>,
    instructions: Reader<'a>,
}

/// The section anew. `address_size`: of an address where the section doesn't say.
pub(super) fn rewrite(
    section: &[u8],
    address_size: usize,
    addresses: &Addresses<'_>,
) -> Result<Vec<u8>> {
    let mut heads: BTreeMap<u64, Head> = BTreeMap::new();
    let (mut entries, mut out) = (Vec::new(), Vec::with_capacity(section.len()));
    // Heads come first: an entry may name one that stands behind it.
    let mut reader = Reader::new(NAME, section);
    while !reader.is_at_end() {
        work::count(1);
        let start = reader.at();
        let length = reader.length()?;
        let is_head = {
            let id = reader.number(length.offset_size())?;
            id == if length.is_64 { u64::MAX } else { u64::from(u32::MAX) }
        };
        if is_head {
            let head = head(&mut reader, out.len() as u64, address_size)?;
            heads.insert(start as u64, head);
            out.extend_from_slice(&section[start..length.end]);
        } else {
            entries.push(start);
        }
        reader.skip(length.end - reader.at())?;
    }
    for start in entries {
        let mut reader = Reader::new(NAME, section).within(start..section.len())?;
        let length = reader.length()?;
        let named = reader.number(length.offset_size())?;
        let head = *heads.get(&named).ok_or_else(|| reader.fault("it names no head"))?;
        let segment = reader.number(head.segment_size)?;
        let [low, bytes] = [reader.number(head.address_size)?, reader.number(head.address_size)?];
        let end = low.checked_add(bytes).ok_or_else(|| reader.fault("beyond all addresses"))?;
        let instructions = reader.within(reader.at()..length.end)?;
        let entry = Entry { head, is_64: length.is_64, segment, range: low..end, instructions };
        if !addresses.is_code(low) {
            entry.write(&mut out, Some)?;
            continue;
        }
        entry.write(&mut out, |old| addresses.new_of(old))?;
        for copy in addresses.copies_of(low) {
            entry.write(&mut out, |old| Some(copy.new_of(old)))?;
        }
    }
    Ok(out)
}

/// Reads what heads entries, from behind its id on.
fn head(reader: &mut Reader<'_>, new: u64, address_size: usize) -> Result<Head> {
    let version = reader.u8()?;
    if ![1, 3, 4].contains(&version) {
        return Err(reader.fault("an unknown version"));
    }
    if reader.u8()? != 0 {
        return Err(reader.fault("an unknown augmentation"));
    }
    let (mut head_size, mut segment_size) = (address_size, 0);
    if version == 4 {
        (head_size, segment_size) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
    }
    if ![4, 8].contains(&head_size) || segment_size > 8 {
        return Err(reader.fault("addresses of an unknown size"));
    }
    let factor = reader.uleb()?;
    if factor == 0 {
        return Err(reader.fault("no distance in code"));
    }
    Ok(Head { new, address_size: head_size, segment_size, factor })
}

impl Entry<'_> {
    /// Writes it for where its code is now.
    fn write(&self, out: &mut Vec<u8>, new_of: impl Fn(u64) -> Option<u64>) -> Result<()> {
        let Head { new, address_size: size, segment_size, .. } = self.head;
        let (start, opened) = (out.len(), open_length(out, self.is_64));
        put(out, new, if self.is_64 { 8 } else { 4 });
        put(out, self.segment, segment_size);
        let Range { start: low, end } = &self.range;
        let lost = || self.instructions.fault("no code is there");
        let (new_low, new_end) = (new_of(*low).ok_or_else(lost)?, new_of(*end).ok_or_else(lost)?);
        put(out, new_low, size);
        put(out, new_end.wrapping_sub(new_low), size);
        self.instructions(out, new_low, new_of)?;
        while !(out.len() - start).is_multiple_of(size) {
            out.push(dw::DW_CFA_nop.0);
        }
        close_length(out, opened, self.is_64);
        Ok(())
    }

    fn instructions(
        &self,
        out: &mut Vec<u8>,
        new_low: u64,
        new_of: impl Fn(u64) -> Option<u64>,
    ) -> Result<()> {
        let Head { address_size, factor, .. } = self.head;
        let mut reader = self.instructions.clone();
        let (mut old, mut new) = (self.range.start, new_low);
        while !reader.is_at_end() {
            work::count(1);
            let start = reader.at();
            let code = reader.u8()?;
            let distance = match DwCfa(code & 0xc0) {
                dw::DW_CFA_advance_loc => Some(u64::from(code & 0x3f)),
                DwCfa(0) => match DwCfa(code) {
                    dw::DW_CFA_advance_loc1 => Some(reader.number(1)?),
                    dw::DW_CFA_advance_loc2 => Some(reader.number(2)?),
                    dw::DW_CFA_advance_loc4 => Some(reader.number(4)?),
                    _ => None,
                },
                _ => None,
            };
            let lost = reader.fault("no code is there");
            if let Some(distance) = distance {
                let moved = distance.checked_mul(factor).and_then(|bytes| old.checked_add(bytes));
                old = moved.ok_or_else(|| lost.clone())?;
                let next = new_of(old).filter(|next| *next >= new).ok_or(lost)?;
                if (next - new) % factor != 0 {
                    return Err(reader.fault("code is not at a multiple of its distances"));
                }
                advance(out, (next - new) / factor);
                new = next;
            } else if DwCfa(code) == dw::DW_CFA_set_loc {
                old = reader.number(address_size)?;
                new = new_of(old).ok_or(lost)?;
                out.push(code);
                put(out, new, address_size);
            } else {
                pass(&mut reader, DwCfa(code))?;
                out.extend_from_slice(reader.since(start));
            }
        }
        Ok(())
    }
}

/// Goes on by a distance.
fn advance(out: &mut Vec<u8>, distance: u64) {
    match distance {
        0 => {}
        1..0x40 => out.push(dw::DW_CFA_advance_loc.0 | distance as u8),
        0x40..0x100 => out.extend([dw::DW_CFA_advance_loc1.0, distance as u8]),
        0x100..0x1_0000 => {
            out.push(dw::DW_CFA_advance_loc2.0);
            put(out, distance, 2);
        }
        _ => {
            // No function is larger than four bytes can say.
            out.push(dw::DW_CFA_advance_loc4.0);
            put(out, distance, 4);
        }
    }
}

/// Passes what belongs to an instruction that says nothing of where code is.
fn pass(reader: &mut Reader<'_>, code: DwCfa) -> Result<()> {
    match DwCfa(code.0 & 0xc0) {
        dw::DW_CFA_offset => return reader.uleb().map(drop),
        dw::DW_CFA_restore => return Ok(()),
        _ => {}
    }
    match code {
        dw::DW_CFA_nop | dw::DW_CFA_remember_state | dw::DW_CFA_restore_state => Ok(()),
        dw::DW_CFA_restore_extended
        | dw::DW_CFA_undefined
        | dw::DW_CFA_same_value
        | dw::DW_CFA_def_cfa_register
        | dw::DW_CFA_def_cfa_offset
        | dw::DW_CFA_GNU_args_size => reader.uleb().map(drop),
        dw::DW_CFA_def_cfa_offset_sf => reader.sleb().map(drop),
        dw::DW_CFA_offset_extended
        | dw::DW_CFA_register
        | dw::DW_CFA_def_cfa
        | dw::DW_CFA_val_offset => {
            reader.uleb()?;
            reader.uleb().map(drop)
        }
        dw::DW_CFA_offset_extended_sf | dw::DW_CFA_def_cfa_sf | dw::DW_CFA_val_offset_sf => {
            reader.uleb()?;
            reader.sleb().map(drop)
        }
        dw::DW_CFA_def_cfa_expression => block(reader),
        dw::DW_CFA_expression | dw::DW_CFA_val_expression => {
            reader.uleb()?;
            block(reader)
        }
        _ => Err(reader.fault("an unknown instruction")),
    }
}

fn block(reader: &mut Reader<'_>) -> Result<()> {
    let length = reader.uleb()?;
    reader.skip(usize::try_from(length).unwrap_or(usize::MAX))
}
