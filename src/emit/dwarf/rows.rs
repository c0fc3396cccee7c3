//! Line programs: read into rows, and rows written as a program again.
//!
//! Input: a program of `.debug_line`, and its header. Output: sequences of rows; the opcodes for rows.
//!
//! Invariants: rows that are written and read again are the same.

use super::bytes::{Length, Reader, Result, put, put_sleb, put_uleb};
use crate::work;
use gimli::constants as dw;
use gimli::{DwLne, DwLns};
use std::ops::Range;

/// What a program begins with.
pub(super) struct Header {
    pub(super) length: Length,
    pub(super) address_size: Option<usize>,
    min_instruction: u64,
    default_is_stmt: bool,
    line_base: i64,
    line_range: u64,
    opcode_base: u8,
    /// How many operands each standard opcode has, from 1 on.
    operands: Vec<u8>,
    /// All before the program, its length included, and the program.
    pub(super) head: Range<usize>,
    pub(super) program: Range<usize>,
}

/// A row of the table of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) address: u64,
    file: u64,
    pub(super) line: u64,
    pub(super) column: u64,
    discriminator: u64,
    isa: u64,
    pub(super) is_stmt: bool,
    basic_block: bool,
    prologue_end: bool,
    epilogue_begin: bool,
    pub(super) end_sequence: bool,
}

/// Rows up to the end of a sequence.
#[derive(Default)]
pub(super) struct Sequence {
    /// What of the program it was read from.
    pub(super) bytes: Range<usize>,
    pub(super) rows: Vec<Row>,
    /// Files that are declared in the midst of it: opcodes.
    pub(super) files: Vec<Range<usize>>,
    address_size: usize,
}

impl Header {
    /// Reads the header at the reader's place, and passes its program.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Header> {
        let start = reader.at();
        let length = reader.length()?;
        let version = reader.u16()?;
        if !(2..=5).contains(&version) {
            return Err(reader.fault("an unknown version"));
        }
        let mut address_size = None;
        if version >= 5 {
            address_size = Some(usize::from(reader.u8()?));
            reader.skip(1)?;
        }
        let header_length = reader.number(length.offset_size())?;
        let program =
            usize::try_from(header_length).ok().and_then(|len| reader.at().checked_add(len));
        let program = program.filter(|program| *program <= length.end);
        let program = program.ok_or_else(|| reader.fault("a header beyond the end"))?;
        let min_instruction = u64::from(reader.u8()?);
        if version >= 4 && reader.u8()? > 1 {
            return Err(reader.fault("instructions of several operations"));
        }
        let default_is_stmt = reader.u8()? != 0;
        let line_base = i64::from(reader.u8()? as i8);
        let line_range = u64::from(reader.u8()?);
        let opcode_base = reader.u8()?;
        if line_range == 0 || min_instruction == 0 || opcode_base == 0 {
            return Err(reader.fault("a header that can't be"));
        }
        let operands = reader.take(usize::from(opcode_base) - 1)?.to_vec();
        let header = Header {
            length,
            address_size,
            min_instruction,
            default_is_stmt,
            line_base,
            line_range,
            opcode_base,
            operands,
            head: start..program,
            program: program..length.end,
        };
        reader.skip(length.end - reader.at())?;
        Ok(header)
    }

    fn first_row(&self) -> Row {
        Row {
            address: 0,
            file: 1,
            line: 1,
            column: 0,
            discriminator: 0,
            isa: 0,
            is_stmt: self.default_is_stmt,
            basic_block: false,
            prologue_end: false,
            epilogue_begin: false,
            end_sequence: false,
        }
    }

    /// The next sequence of the program, which has one as long as it has bytes. The last one may lack its end.
    pub(super) fn sequence(&self, reader: &mut Reader<'_>) -> Result<Sequence> {
        let start = reader.at();
        let mut sequence = Sequence { address_size: 4, ..Sequence::default() };
        let mut row = self.first_row();
        while !reader.is_at_end() {
            work::count(1);
            let at = reader.at();
            let opcode = reader.u8()?;
            if opcode >= self.opcode_base {
                let adjusted = u64::from(opcode - self.opcode_base);
                row.line = row
                    .line
                    .wrapping_add_signed(self.line_base + (adjusted % self.line_range) as i64);
                self.advance(&mut row, adjusted / self.line_range);
                sequence.push(&mut row);
            } else if opcode == 0 {
                self.extended(reader, &mut row, &mut sequence, at)?;
                if row.end_sequence {
                    break;
                }
            } else {
                self.standard(DwLns(opcode), reader, &mut row, &mut sequence)?;
            }
        }
        sequence.bytes = start..reader.at();
        Ok(sequence)
    }

    fn advance(&self, row: &mut Row, operations: u64) {
        row.address = row.address.wrapping_add(operations.wrapping_mul(self.min_instruction));
    }

    fn standard(
        &self,
        opcode: DwLns,
        reader: &mut Reader<'_>,
        row: &mut Row,
        sequence: &mut Sequence,
    ) -> Result<()> {
        match opcode {
            dw::DW_LNS_copy => sequence.push(row),
            dw::DW_LNS_advance_pc => {
                let operations = reader.uleb()?;
                self.advance(row, operations);
            }
            dw::DW_LNS_advance_line => row.line = row.line.wrapping_add_signed(reader.sleb()?),
            dw::DW_LNS_set_file => row.file = reader.uleb()?,
            dw::DW_LNS_set_column => row.column = reader.uleb()?,
            dw::DW_LNS_negate_stmt => row.is_stmt = !row.is_stmt,
            dw::DW_LNS_set_basic_block => row.basic_block = true,
            dw::DW_LNS_const_add_pc => {
                self.advance(row, u64::from(255 - self.opcode_base) / self.line_range);
            }
            dw::DW_LNS_fixed_advance_pc => {
                row.address = row.address.wrapping_add(reader.u16()?.into());
            }
            dw::DW_LNS_set_prologue_end => row.prologue_end = true,
            dw::DW_LNS_set_epilogue_begin => row.epilogue_begin = true,
            dw::DW_LNS_set_isa => row.isa = reader.uleb()?,
            DwLns(other) => {
                for _ in 0..self.operands[usize::from(other) - 1] {
                    reader.uleb()?;
                }
            }
        }
        Ok(())
    }

    /// An extended opcode, which begins at `start`.
    fn extended(
        &self,
        reader: &mut Reader<'_>,
        row: &mut Row,
        sequence: &mut Sequence,
        start: usize,
    ) -> Result<()> {
        let size = usize::try_from(reader.uleb()?).unwrap_or(usize::MAX);
        let end = reader.at().saturating_add(size);
        if size == 0 {
            return Err(reader.fault("an opcode without a name"));
        }
        match DwLne(reader.u8()?) {
            dw::DW_LNE_end_sequence => {
                row.end_sequence = true;
                sequence.rows.push(*row);
            }
            dw::DW_LNE_set_address => {
                let size = size - 1;
                if ![4, 8].contains(&size) {
                    return Err(reader.fault("an address of an unknown size"));
                }
                sequence.address_size = size;
                row.address = reader.number(size)?;
            }
            dw::DW_LNE_set_discriminator => row.discriminator = reader.uleb()?,
            dw::DW_LNE_define_file => sequence.files.push(start..end),
            _ => {}
        }
        let rest =
            end.checked_sub(reader.at()).ok_or_else(|| reader.fault("an opcode too long"))?;
        reader.skip(rest)
    }

    /// Writes rows, the last of which ends the sequence.
    pub(super) fn write(&self, sequence: &Sequence, rows: &[Row], out: &mut Vec<u8>) {
        let Some(first) = rows.first() else { return };
        let size = self.address_size.unwrap_or(sequence.address_size);
        out.push(0);
        put_uleb(out, size as u64 + 1);
        out.push(dw::DW_LNE_set_address.0);
        put(out, first.address, size);
        let mut last = Row { address: first.address, ..self.first_row() };
        for row in rows {
            work::count(1);
            self.change(&last, row, out);
            last = *row;
        }
    }

    /// Writes what leads from one row to the next, and that.
    fn change(&self, last: &Row, row: &Row, out: &mut Vec<u8>) {
        let mut set = |opcode: DwLns, is_new: bool, value: u64| {
            if is_new {
                out.push(opcode.0);
                put_uleb(out, value);
            }
        };
        if !row.end_sequence {
            set(dw::DW_LNS_set_file, row.file != last.file, row.file);
            set(dw::DW_LNS_set_column, row.column != last.column, row.column);
            set(dw::DW_LNS_set_isa, row.isa != last.isa, row.isa);
            if row.discriminator != 0 {
                let mut value = Vec::new();
                put_uleb(&mut value, row.discriminator);
                out.push(0);
                put_uleb(out, value.len() as u64 + 1);
                out.push(dw::DW_LNE_set_discriminator.0);
                out.extend(value);
            }
            let flags = [
                (dw::DW_LNS_negate_stmt, row.is_stmt != last.is_stmt),
                (dw::DW_LNS_set_basic_block, row.basic_block),
                (dw::DW_LNS_set_prologue_end, row.prologue_end),
                (dw::DW_LNS_set_epilogue_begin, row.epilogue_begin),
            ];
            let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
            flags.for_each(|(opcode, _)| out.push(opcode.0));
        }
        let distance = row.address.wrapping_sub(last.address);
        debug_assert!(row.address >= last.address && distance.is_multiple_of(self.min_instruction));
        let operations = distance / self.min_instruction;
        if row.end_sequence {
            if operations > 0 {
                out.push(dw::DW_LNS_advance_pc.0);
                put_uleb(out, operations);
            }
            return out.extend([0, 1, dw::DW_LNE_end_sequence.0]);
        }
        self.step(row.line.wrapping_sub(last.line) as i64, operations, out);
    }

    /// Writes a row so many lines and operations further.
    fn step(&self, lines: i64, mut operations: u64, out: &mut Vec<u8>) {
        let in_range =
            |lines: i64| (self.line_base..self.line_base + self.line_range as i64).contains(&lines);
        let mut rest = lines;
        if !in_range(lines) {
            out.push(dw::DW_LNS_advance_line.0);
            put_sleb(out, lines);
            rest = 0;
        }
        let special = |operations: u64| {
            let line = u64::try_from(rest - self.line_base).ok().filter(|_| in_range(rest))?;
            let opcode = operations.checked_mul(self.line_range)?.checked_add(line)?;
            u8::try_from(opcode.checked_add(self.opcode_base.into())?).ok()
        };
        let constant = u64::from(255 - self.opcode_base) / self.line_range;
        if special(operations).is_none() && operations >= constant && operations <= 2 * constant {
            out.push(dw::DW_LNS_const_add_pc.0);
            operations -= constant;
        }
        if special(operations).is_none() {
            out.push(dw::DW_LNS_advance_pc.0);
            put_uleb(out, operations);
            operations = 0;
        }
        match special(operations) {
            Some(opcode) if rest != 0 || operations != 0 => out.push(opcode),
            Some(_) | None => out.push(dw::DW_LNS_copy.0),
        }
    }

    /// Whether rows can lie wherever instructions do.
    pub(super) fn is_fine_grained(&self) -> bool {
        self.min_instruction == 1
    }
}

impl Sequence {
    /// Appends a row; what a row sets for itself alone ends with it.
    fn push(&mut self, row: &mut Row) {
        self.rows.push(*row);
        row.discriminator = 0;
        row.basic_block = false;
        row.prologue_end = false;
        row.epilogue_begin = false;
    }
}

impl Row {
    /// The same row, of the code from `address` on.
    pub(super) fn at(self, address: u64) -> Row {
        Row { address, ..self }
    }

    /// The end of the sequence that this row is the last of.
    pub(super) fn ending(self, address: u64) -> Row {
        Row { address, end_sequence: true, ..self }
    }

    /// A row of code that no line of the source is behind, from `address` on.
    pub(super) fn of_no_line(self, address: u64) -> Row {
        Row {
            address,
            line: 0,
            column: 0,
            discriminator: 0,
            is_stmt: false,
            basic_block: false,
            prologue_end: false,
            epilogue_begin: false,
            ..self
        }
    }
}
