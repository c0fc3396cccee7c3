//! What is where in the buffer.
//!
//! For `wpk-fork`, with addresses of P bytes:
//!
//! | offset | size | type | meaning |
//! |-------:|-----:|------|---------|
//! | 0 | P | address | `pos`: address behind the last frame |
//! | P | P | address | `end`: first address that must not be written; 0: the end of the memory |
//! | 2P | | | the saved globals in declaration order, each aligned to its size, relative to the buffer |
//! | | 4 each | i32 | for each table that keeps references, where the cell lies that was written last for it, relative to the buffer; 0: none |
//! | | | | the reserve: room for the largest frame, where one is put for which there is none at `pos` |
//! | | | | the frames, the innermost function's first |
//!
//! For `asyncify` there are only `pos` and `end`, both the host's; frames go from `pos` on, wherever that is.
//!
//! Where modules share a buffer, `pos` and `end` and the first module's globals and reserve are the main module's; those of the
//! others follow in the order in which they join, each module's globals relative to where its own part begins.

use super::{Abi, AddressType, slot_bytes};
use crate::index::GlobalIdx;
use wasmparser::ValType;

/// How many bytes each table takes that keeps references.
const REFERENCES_BYTES: u64 = 4;

/// The offsets of everything in the buffer but frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where `pos` is.
    pub pos: u64,
    /// Where `end` is.
    pub end: u64,
    /// The saved globals, in index order. Their offsets, `reserve` and `frames` count from the buffer; in a side module from its
    /// own part.
    pub globals: Vec<SavedGlobal>,
    /// Where it lies which cell was written last, for each table that keeps references.
    pub references: Vec<u64>,
    /// Where the reserve begins.
    pub reserve: u64,
    /// Where the first frame goes: behind the reserve.
    pub frames: u64,
}

/// A saved global and where it is in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedGlobal {
    /// The global.
    pub index: GlobalIdx,
    /// Its type, numeric or a vector.
    pub ty: ValType,
    /// Its place in the buffer.
    pub offset: u64,
}

impl Buffer {
    /// Places `globals`, and a reserve of so many bytes; none of either if the protocol has none.
    pub fn lay_out(
        abi: Abi,
        address: AddressType,
        globals: impl IntoIterator<Item = (GlobalIdx, ValType)>,
        reserve_bytes: u64,
    ) -> Buffer {
        let (pos, end) = (0, address.bytes());
        let mut offset = match abi {
            Abi::WpkForkSide => 0,
            Abi::WpkFork
            | Abi::WpkForkMain
            | Abi::Asyncify
            | Abi::AsyncifyMain
            | Abi::AsyncifySide => 2 * address.bytes(),
        };
        let globals = globals.into_iter().filter(|_| abi.saves_globals());
        let globals = globals.map(|(index, ty)| {
            let bytes = u64::from(slot_bytes(ty));
            let at = offset.next_multiple_of(bytes);
            offset = at + bytes;
            SavedGlobal { index, ty, offset: at }
        });
        let globals = globals.collect();
        let reserve_bytes = if abi.can_undo() { reserve_bytes } else { 0 };
        let (references, reserve, frames) = (Vec::new(), offset, offset + reserve_bytes);
        Buffer { pos, end, globals, references, reserve, frames }
    }

    /// The same with places for so many tables that keep references.
    #[must_use]
    pub fn with_references(mut self, tables: usize) -> Buffer {
        let at = |table| self.reserve + table * REFERENCES_BYTES;
        self.references = (0..tables as u64).map(at).collect();
        let bytes = tables as u64 * REFERENCES_BYTES;
        (self.reserve, self.frames) = (self.reserve + bytes, self.frames + bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globals_are_aligned_to_their_size_behind_two_addresses() {
        let types = [ValType::I32, ValType::I64, ValType::F32, ValType::V128];
        let globals = || (0..).map(GlobalIdx).zip(types);
        let offsets = |address| {
            let buffer = Buffer::lay_out(Abi::WpkFork, address, globals(), 20);
            let offsets: Vec<_> = buffer.globals.iter().map(|global| global.offset).collect();
            (buffer.pos, buffer.end, offsets, buffer.frames)
        };
        let buffer = Buffer::lay_out(Abi::WpkFork, AddressType::I32, globals(), 20);
        let buffer = buffer.with_references(2);
        assert_eq!((buffer.references, buffer.reserve, buffer.frames), (vec![48, 52], 56, 76));
        assert_eq!(offsets(AddressType::I32), (0, 4, vec![8, 16, 24, 32], 68));
        assert_eq!(offsets(AddressType::I64), (0, 8, vec![16, 24, 32, 48], 84));
    }
}
