//! A frame that is written: which values of the original its cells hold.

use super::fault::Fault;
use super::values::Value;
use crate::abi::{MARK_BYTES, slot_bytes};
use std::collections::BTreeMap;
use wasmparser::ValType;

/// A frame, so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// By their offsets.
    cells: BTreeMap<u64, (Cell, Value)>,
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
        for (value, position) in values.iter().zip(0..) {
            let at = offset + position * size;
            let over = |(start, (cell, _)): (&u64, &(Cell, Value))| {
                (start + cell.bytes() > at).then_some(*start)
            };
            let covered: Vec<_> = self.cells.range(..at + size).filter_map(over).collect();
            covered.iter().for_each(|start| _ = self.cells.remove(start));
            self.cells.insert(at, (cell, *value));
        }
        Ok(())
    }

    /// Seals it: the mark lies behind all cells.
    pub fn seal(&mut self, seal: Seal) -> Result<(), Fault> {
        if self.seal.is_some() {
            return Err(Fault::new("a frame is sealed twice"));
        }
        let last = self.cells.last_key_value();
        let end = last.map_or(0, |(at, (cell, _))| at + cell.bytes());
        if end + u64::from(MARK_BYTES) > seal.bytes {
            return Err(Fault::new("a frame's mark lies over its cells"));
        }
        self.seal = Some(seal);
        Ok(())
    }

    /// What a cell holds.
    pub fn read(&self, offset: u64, cell: Cell) -> Value {
        match self.cells.get(&offset) {
            Some((written, value)) if *written == cell => *value,
            _ => Value::UNDEFINED,
        }
    }
}
