//! An edited body: what is kept of the input's bytes, what is put between, and where each kept byte went.
//!
//! ```text
//!   input    0x20 ───────── 0x2b ─── 0x2d ──────── 0x40        copy 0x20..0x2b, write 3 bytes,
//!            │ kept         │ replaced │ kept      │           replace 0x2b..0x2d, copy 0x2d..0x40
//!   output   0 ──────────── 11 ─ 14 ── 18 ──────── 37
//!   offsets  0x20 → 0 (11 bytes), 0x2b → 14 (1 byte), 0x2d → 18 (19 bytes)
//! ```
//!
//! Input: calls in the order of the output. Output: [`Edited`]. Kept bytes are copied in runs as long as they can be.

use super::{Displaced, OffsetMap};
use crate::index::FuncIdx;
use crate::work;
use std::ops::Range;
use wasm_encoder::InstructionSink;

/// A body that is being edited.
pub(crate) struct Splice<'a> {
    /// The input; all old offsets count from its start.
    input: &'a [u8],
    out: Vec<u8>,
    /// What is to be copied, but has not been yet.
    pending: Range<usize>,
    offsets: OffsetMap,
}

/// A body as it was edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edited {
    /// Its bytes, without the size in front.
    pub(crate) bytes: Vec<u8>,
    /// Where what is left of the old body went; new offsets count from the start of the new body, whose place in
    /// the output is not known before all bodies are.
    pub(crate) offsets: OffsetMap,
    /// If it goes into a function of its own: whose code it is once more.
    pub(crate) copy_of: Option<CopyOf>,
    /// The values that are not where the input has them on the operand stack, for a while.
    pub(crate) displaced: Vec<Displaced>,
}

/// Whose code a function is that goes on where that one left off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyOf {
    pub(crate) func: FuncIdx,
    /// For each local of it the number here; `u32::MAX` for one that isn't here.
    pub(crate) locals: Vec<u32>,
}

impl<'a> Splice<'a> {
    /// Nothing yet of a body of `input`, whose output is likely to have so many bytes. Where bytes went is noted if
    /// `maps_offsets`.
    pub(crate) fn new(input: &'a [u8], bytes: usize, maps_offsets: bool) -> Splice<'a> {
        let out = Vec::with_capacity(bytes);
        Splice { input, out, pending: 0..0, offsets: OffsetMap::wanted(maps_offsets) }
    }

    /// The same, written in the memory of `buffer`, whatever is in it: see [`Splice::finish_in`].
    pub(crate) fn in_buffer(
        input: &'a [u8],
        buffer: &mut Vec<u8>,
        maps_offsets: bool,
    ) -> Splice<'a> {
        let mut out = std::mem::take(buffer);
        out.clear();
        Splice { input, out, pending: 0..0, offsets: OffsetMap::wanted(maps_offsets) }
    }

    /// Keeps these bytes of the input.
    pub(crate) fn copy(&mut self, range: Range<usize>) {
        work::count(1);
        if self.pending.end == range.start {
            self.pending.end = range.end;
        } else {
            self.flush();
            self.pending = range;
        }
    }

    /// Writes the instructions that the caller appends.
    pub(crate) fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(self.raw())
    }

    /// Writes the instructions that the caller appends, the first of them in place of the operator of the input at `old`.
    pub(crate) fn sink_for(&mut self, old: usize) -> InstructionSink<'_> {
        self.flush();
        self.offsets.push(old, self.out.len(), 1);
        InstructionSink::new(&mut self.out)
    }

    /// What is written next is in place of the operator of the input at `old`.
    pub(crate) fn replace(&mut self, old: usize) {
        self.sink_for(old);
    }

    /// Writes the instructions that the caller appends, the first of which does what the operator of the input at `old` does,
    /// behind what stands in its place.
    pub(crate) fn sink_again(&mut self, old: usize) -> InstructionSink<'_> {
        self.flush();
        self.offsets.push_again(old, self.out.len(), 1);
        InstructionSink::new(&mut self.out)
    }

    /// Writes the bytes that the caller appends.
    pub(crate) fn raw(&mut self) -> &mut Vec<u8> {
        work::count(1);
        self.flush();
        &mut self.out
    }

    fn flush(&mut self) {
        let range = self.pending.clone();
        self.pending.start = range.end;
        if range.is_empty() {
            return;
        }
        self.offsets.push(range.start, self.out.len(), range.len());
        self.out.extend_from_slice(&self.input[range]);
    }

    /// What was written, in no more memory than it takes; `buffer` gets its memory back.
    pub(crate) fn finish_in(mut self, buffer: &mut Vec<u8>) -> Edited {
        self.flush();
        let bytes = self.out.as_slice().to_vec();
        let edited = Edited { bytes, offsets: self.offsets, ..Edited::default() };
        *buffer = self.out;
        edited
    }

    pub(crate) fn finish(mut self) -> Edited {
        self.flush();
        Edited { bytes: self.out, offsets: self.offsets, ..Edited::default() }
    }
}

/// A body that has nothing of an old one.
impl From<Vec<u8>> for Edited {
    fn from(bytes: Vec<u8>) -> Edited {
        Edited { bytes, ..Edited::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

    /// A body of which `bcdef`, `hi` and `kl` are kept, and `j` is replaced.
    fn edited() -> Edited {
        let mut splice = Splice::new(INPUT, 0, true);
        splice.copy(1..3);
        splice.copy(3..6);
        splice.raw().extend(b"+++");
        splice.copy(7..9);
        splice.sink_for(9).unreachable().unreachable();
        splice.copy(10..12);
        splice.finish()
    }

    #[test]
    fn each_byte_is_found_where_it_went() {
        let Edited { bytes, offsets, .. } = edited();
        assert_eq!(bytes, b"bcdef+++hi\0\0kl");
        for (old, byte) in INPUT.iter().enumerate() {
            match offsets.new_offset(old) {
                Some(new) => {
                    let replaced = old == 9;
                    assert!(bytes[new] == *byte || replaced);
                    assert_eq!(offsets.old_offset(new), Some(old));
                }
                None => assert!(!b"bcdefhijkl".contains(byte)),
            }
        }
        let added = (0..bytes.len()).filter(|new| offsets.old_offset(*new).is_none());
        assert_eq!(added.collect::<Vec<_>>(), [5, 6, 7, 11]);
    }

    #[test]
    fn an_operator_that_is_there_again_is_found_from_there() {
        let mut splice = Splice::new(INPUT, 0, true);
        splice.copy(0..3);
        splice.sink_for(3).nop();
        splice.sink_again(3).unreachable();
        splice.copy(4..6);
        let Edited { bytes, offsets, .. } = splice.finish();
        assert_eq!(bytes, b"abc\x01\0ef");
        assert_eq!(offsets.new_offset(3), Some(3));
        let old: Vec<_> = (0..7).map(|new| offsets.old_offset(new).unwrap()).collect();
        assert_eq!(old, [0, 1, 2, 3, 3, 4, 5]);
    }

    #[test]
    fn nothing_between_two_copies_is_as_one_copy() {
        let mut splice = Splice::new(INPUT, 0, true);
        splice.copy(0..4);
        splice.sink();
        splice.copy(4..8);
        let mut once = Splice::new(INPUT, 0, true);
        once.copy(0..8);
        assert_eq!(splice.finish(), once.finish());
    }

    #[test]
    fn a_buffer_is_used_again_and_nothing_of_it_is_seen() {
        let mut buffer = b"something else that is longer".to_vec();
        for _ in 0..2 {
            let mut splice = Splice::in_buffer(INPUT, &mut buffer, false);
            splice.copy(0..3);
            splice.sink().nop();
            splice.copy(3..4);
            assert_eq!(splice.finish_in(&mut buffer).bytes, b"abc\x01d");
        }
    }
}
