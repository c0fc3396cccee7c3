//! Finds the source lines of many instructions, one after the other.

use super::{Bytes, Lines, Sequence, SourceLine};
use gimli::{ColumnType, CompleteLineProgram, LineRows};

/// Finds the lines of instructions. Those that come in the order of their offsets are found in one pass over
/// the line programs; any other begins its sequence anew.
pub struct LineCursor<'l> {
    lines: &'l Lines,
    open: Option<Open<'l>>,
}

/// A sequence as far as it was read.
struct Open<'l> {
    /// Its position.
    sequence: usize,
    rows: LineRows<Bytes, &'l CompleteLineProgram<Bytes>, usize>,
    /// The row of the last address that was asked for.
    row: Option<Row>,
    /// The row behind; `None` behind the last.
    next: Option<Row>,
}

#[derive(Clone, Copy)]
struct Row {
    address: u64,
    file: u64,
    /// 0 where there is none.
    line: u64,
    column: Option<u64>,
}

impl<'l> LineCursor<'l> {
    /// At the start.
    pub fn new(lines: &'l Lines) -> LineCursor<'l> {
        LineCursor { lines, open: None }
    }

    /// Whether only one line can be meant for the instruction at `offset`, if any.
    pub fn is_sure(&self, offset: u32) -> bool {
        let sequences = &self.lines.sequences().sequences;
        self.find(offset).is_none_or(|(_, position)| sequences[position].is_alone)
    }

    /// The address of the instruction at `offset`, and the position of the last sequence that begins there or before.
    fn find(&self, offset: u32) -> Option<(u64, usize)> {
        let sequences = &self.lines.sequences().sequences;
        let address = self.lines.code.address(offset)?;
        let behind = sequences.partition_point(|sequence| sequence.rows.start <= address);
        Some((address, behind.checked_sub(1)?))
    }

    /// The source line of the instruction at `offset`, in bytes from the start of the module.
    /// Of inlined code the innermost line.
    pub fn at(&mut self, offset: u32) -> Option<SourceLine> {
        let sequences = self.lines.sequences();
        let (address, position) = self.find(offset)?;
        let sequence = &sequences.sequences[position];
        if address >= sequence.rows.end {
            return None;
        }
        let program = &sequences.programs[sequence.program];
        let is_ahead = |open: &Open<'_>| {
            let passed = open.row.is_some_and(|row| row.address > address);
            open.sequence == position && !passed
        };
        let open = match self.open.take().filter(is_ahead) {
            Some(open) => self.open.insert(open),
            None => self.open.insert(Open::new(position, sequence, program)),
        };
        let row = open.row_of(address)?;
        let unit = &self.lines.units[sequence.unit];
        Some(SourceLine {
            file: self.lines.file(unit, program.header(), row.file)?,
            line: Some(row.line).filter(|line| *line > 0)?,
            column: row.column,
        })
    }
}

impl<'l> Open<'l> {
    fn new(
        position: usize,
        sequence: &Sequence,
        program: &'l CompleteLineProgram<Bytes>,
    ) -> Open<'l> {
        let rows = program.resume_from(&sequence.rows);
        let mut open = Open { sequence: position, rows, row: None, next: None };
        open.next = open.read();
        open
    }

    /// The last row that is not behind `address`.
    fn row_of(&mut self, address: u64) -> Option<Row> {
        while let Some(next) = self.next.filter(|next| next.address <= address) {
            self.row = Some(next);
            self.next = self.read();
        }
        self.row
    }

    fn read(&mut self) -> Option<Row> {
        let Ok(Some((_, row))) = self.rows.next_row() else { return None };
        let column = match row.column() {
            ColumnType::LeftEdge => None,
            ColumnType::Column(column) => Some(column.get()),
        };
        let line = row.line().map_or(0, std::num::NonZero::get);
        if row.end_sequence() {
            return None;
        }
        Some(Row { address: row.address(), file: row.file_index(), line, column })
    }
}
