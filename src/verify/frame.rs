//! A frame that is written: which values of the original its cells hold.

use super::fault::Fault;
use super::values::Value;
use crate::abi::{MARK_BYTES, slot_bytes};
use wasmparser::ValType;

/// A frame, so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// In the order of their offsets; none lies over another.
    cells: Vec<(u64, Cell, Value)>,
    /// Its end, where it was sealed.
    pub seal: Option<Seal>,
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// A number or vector.
    Plain(ValType),
    /// What tells a reference of a table's type, in so many bytes.
    Reference { table: u32, bytes: u64 },
}

impl Cell {
    /// Its size in bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Cell::Plain(ty) => u64::from(slot_bytes(ty)),
            Cell::Reference { bytes, .. } => bytes,
        }
    }
}

/// What a frame was sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// What its mark says of the site.
    pub ordinal: u64,
    /// Its size, mark included.
    pub bytes: u64,
}

impl Frame {
    /// Writes values side by side. What they lie over is lost.
    pub fn write(&mut self, offset: u64, cell: Cell, values: &[Value]) -> Result<(), Fault> {
        if self.seal.is_some() {
            return Err(Fault::new("a frame is written to that was sealed"));
        }
        let size = cell.bytes();
        self.cells.reserve(values.len());
        for (value, position) in values.iter().zip(0..) {
            let at = offset + position * size;
            let end = |(start, cell, _): &(u64, Cell, Value)| start + cell.bytes();
            if self.cells.last().is_none_or(|last| end(last) <= at) {
                self.cells.push((at, cell, *value));
                continue;
            }
            let first = self.cells.partition_point(|one| end(one) <= at);
            let covered = self.cells[first..].iter().take_while(|(start, ..)| *start < at + size);
            let last = first + covered.count();
            self.cells.splice(first..last, [(at, cell, *value)]);
        }
        Ok(())
    }

    /// Seals it: the mark lies behind all cells.
    pub fn seal(&mut self, seal: Seal) -> Result<(), Fault> {
        if self.seal.is_some() {
            return Err(Fault::new("a frame is sealed twice"));
        }
        let end = self.cells.last().map_or(0, |(at, cell, _)| at + cell.bytes());
        if end + u64::from(MARK_BYTES) > seal.bytes {
            return Err(Fault::new("a frame's mark lies over its cells"));
        }
        self.seal = Some(seal);
        Ok(())
    }

    /// What a cell holds.
    pub fn read(&self, offset: u64, cell: Cell) -> Value {
        let found = self.cells.binary_search_by_key(&offset, |(at, ..)| *at);
        match found.map(|position| self.cells[position]) {
            Ok((_, written, value)) if written == cell => value,
            _ => Value::UNDEFINED,
        }
    }
}
