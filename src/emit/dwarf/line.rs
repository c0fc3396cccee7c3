//! `.debug_line`: the rows of each sequence, where their code is now.
//!
//! Input: the section. Output: the section anew, and where each program of it begins now; for programs with functions of
//! which there are copies one more program each, with the same files, in which the copies have rows of their own.
//!
//! Invariants: the last row at an address is the one that counts, in both. What has no code any more has no row. Code that was added
//! behind an instruction has that one's line; what was added before or behind all instructions of a function has line 0, but for
//! what its own row begins with.

use super::addresses::{Addresses, CopyOf};
use super::bytes::{Reader, Result, close_length, open_length};
use super::rows::{Header, Row, Sequence};
use crate::work;
use std::collections::BTreeMap;
use std::ops::Range;

/// The section, and what others say of it.
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    /// For each program, by where it began, where it begins.
    moved: BTreeMap<u64, u64>,
    /// For programs with copies where the program of these is.
    of_copies: BTreeMap<u64, u64>,
}

impl Lines {
    /// Where the program is that was at `old`.
    pub(super) fn moved(&self, old: u64) -> Option<u64> {
        self.moved.get(&old).copied()
    }

    /// Where the rows of copies are of the functions whose rows were in the program at `old`.
    pub(super) fn of_copies(&self, old: u64) -> Option<u64> {
        self.of_copies.get(&old).copied()
    }

    pub(super) fn rewrite(section: &[u8], addresses: &Addresses<'_>) -> Result<Lines> {
        let mut reader = Reader::new(".debug_line", section);
        let mut lines = Lines {
            bytes: Vec::with_capacity(section.len() + section.len() / 8),
            moved: BTreeMap::new(),
            of_copies: BTreeMap::new(),
        };
        let mut with_copies = Vec::new();
        while !reader.is_at_end() {
            let header = Header::read(&mut reader)?;
            let start = header.head.start as u64;
            lines.moved.insert(start, lines.bytes.len() as u64);
            let mut copies = Vec::new();
            let mut program = reader.within(header.program.clone())?;
            write_program(section, &header, &mut lines.bytes, |out| {
                while !program.is_at_end() {
                    let sequence = header.sequence(&mut program)?;
                    if !header.is_fine_grained() {
                        return Err(program.fault("rows can't lie at each byte"));
                    }
                    write_sequence(section, &header, &sequence, addresses, out);
                    write_copies(&header, &sequence, addresses, &mut copies);
                }
                Ok(())
            })?;
            if !copies.is_empty() {
                with_copies.push((header, copies));
            }
        }
        for (header, copies) in with_copies {
            lines.of_copies.insert(header.head.start as u64, lines.bytes.len() as u64);
            write_program(section, &header, &mut lines.bytes, |out| {
                out.extend(copies);
                Ok(())
            })?;
        }
        Ok(lines)
    }
}

/// A program with this header and what `write` appends.
fn write_program(
    section: &[u8],
    header: &Header,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let length = open_length(out, header.length.is_64);
    out.extend_from_slice(&section[header.head.start + header.length.size()..header.head.end]);
    write(out)?;
    close_length(out, length, header.length.is_64);
    Ok(())
}

fn write_sequence(
    section: &[u8],
    header: &Header,
    sequence: &Sequence,
    addresses: &Addresses<'_>,
    out: &mut Vec<u8>,
) {
    if !sequence.rows.first().is_some_and(|first| addresses.is_code(first.address)) {
        return out.extend_from_slice(&section[sequence.bytes.clone()]);
    }
    // What is in no order has no meaning.
    let rows = moved(sequence, addresses).unwrap_or_default();
    sequence.files.iter().for_each(|file| out.extend_from_slice(&section[file.clone()]));
    header.write(sequence, &rows, out);
}

/// The rows where their code is now; `None` if they are in no order, or have no end.
fn moved(sequence: &Sequence, addresses: &Addresses<'_>) -> Option<Vec<Row>> {
    let (first, last) = (sequence.rows.first()?, sequence.rows.last()?);
    if !last.end_sequence || !sequence.rows.is_sorted_by_key(|row| row.address) {
        return None;
    }
    let news: Option<Vec<_>> =
        sequence.rows.iter().map(|row| addresses.new_of(row.address)).collect();
    let mut moved = Moving::new(sequence.rows.len());
    // The end of the function whose rows come last so far.
    let mut func_end = first.address;
    for (position, new) in news?.into_iter().enumerate() {
        work::count(1);
        let row = sequence.rows[position];
        if row.address >= func_end {
            let before = position.checked_sub(1).map(|before| sequence.rows[before]);
            moved.epilogue(func_end.checked_sub(1).and_then(|at| addresses.epilogue_at(at)));
            // The next function may have no row of its own at its start.
            if let Some(before) = before.filter(|_| row.address > func_end)
                && let Some(new) = addresses.new_of(func_end)
            {
                moved.add(before.at(func_end), new);
            }
            func_end = addresses.end_of(row.address).unwrap_or(u64::MAX);
        }
        moved.add(row, new);
    }
    Some(moved.finish())
}

/// The rows of a copy: of those in its original's range. Before its first instruction it finds out where to go on.
fn copied(sequence: &Sequence, copy: &CopyOf<'_>) -> Vec<Row> {
    let begins = sequence.rows.partition_point(|row| row.address <= copy.old.start);
    let rows = &sequence.rows[begins.saturating_sub(1)..];
    let rows = rows.iter().take_while(|row| row.address < copy.old.end && !row.end_sequence);
    let mut moved = Moving::new(rows.clone().count() + 3);
    for row in rows {
        work::count(1);
        if moved.rows.is_empty() {
            moved.add_of_no_line(*row, copy.start);
        }
        let old = row.address.max(copy.old.start + 1);
        moved.add(row.at(old), copy.new_of(old));
    }
    let Some(last) = moved.rows.last().copied() else { return Vec::new() };
    let epilogue = copy.epilogue();
    moved.epilogue((!epilogue.is_empty()).then_some(epilogue));
    moved.add(last.ending(copy.old.end), copy.end);
    moved.finish()
}

fn write_copies(
    header: &Header,
    sequence: &Sequence,
    addresses: &Addresses<'_>,
    out: &mut Vec<u8>,
) {
    if !addresses.has_copies() {
        return;
    }
    let (Some(first), Some(last)) = (sequence.rows.first(), sequence.rows.last()) else { return };
    if !addresses.is_code(first.address) || !sequence.rows.is_sorted_by_key(|row| row.address) {
        return;
    }
    for copy in addresses.copies_in(first.address..last.address) {
        header.write(sequence, &copied(sequence, &copy), out);
    }
}

/// Rows that are being moved.
struct Moving {
    rows: Vec<Row>,
    /// Where the rows begin that are at one address of the input, and what that is.
    group: (usize, u64),
}

impl Moving {
    fn new(rows: usize) -> Moving {
        Moving { rows: Vec::with_capacity(rows), group: (0, 0) }
    }

    /// Appends a row, whose code is at `new`. Those before are left out if nothing is left of their code.
    fn add(&mut self, row: Row, new: u64) {
        let (start, old) = self.group;
        if row.address != old {
            let is_empty = self.rows.get(start).is_some_and(|first| first.address == new);
            if is_empty {
                self.rows.truncate(start);
            }
            self.group = (self.rows.len(), row.address);
        }
        self.rows.push(row.at(new));
    }

    /// Appends a row for code that was added, like this one in all else.
    fn add_of_no_line(&mut self, like: Row, new: u64) {
        self.rows.push(like.of_no_line(new));
        // No row of the input is at this address.
        self.group = (self.rows.len(), u64::MAX);
    }

    /// What was added behind a function's instructions is of no line.
    fn epilogue(&mut self, added: Option<Range<u64>>) {
        let (Some(added), Some(last)) = (added, self.rows.last().copied()) else { return };
        if last.address <= added.start {
            self.add_of_no_line(last, added.start);
        }
    }

    fn finish(self) -> Vec<Row> {
        self.rows
    }
}
