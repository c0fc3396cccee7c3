//! What frames are made of. Their slots are private to a module: no host reads them.

use crate::index::FuncIdx;
use wasmparser::ValType;

/// How many bytes of a frame's end are its [`Mark`].
pub const MARK_BYTES: u32 = 8;

/// What a frame ends with: whose it is, and how large. So a rewind that meets another function's frame is found out, and frames can be
/// told from each other, from the last one down, by who knows nothing but the module's function indices. An i64:
///
/// | bits | meaning |
/// |---|---|
/// | 0–19 | the function's index |
/// | 20–37 | the frame's size, in units of 4 bytes |
/// | 38–56 | the site's ordinal in the function, from 1 |
/// | 57–63 | the module's number, where modules share a stack; else 0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The function.
    pub func: FuncIdx,
    /// Size of the whole frame in bytes.
    pub bytes: u32,
    /// The module's number.
    pub module: u8,
}

impl Mark {
    /// The first bit of the size, and how many there are.
    pub const SIZE: (u32, u32) = (20, 18);
    /// The first bit of the site's ordinal, and how many there are.
    pub const SITE: (u32, u32) = (38, 19);
    /// The first bit of the module's number, and how many there are.
    pub const MODULE: (u32, u32) = (57, 7);
    /// The most bytes of a frame.
    pub const MOST_BYTES: u32 = (low_bits(Mark::SIZE.1) as u32) << FRAME_ALIGN_LOG2;

    /// The mark without a site.
    pub fn bits(self) -> u64 {
        debug_assert!(self.bytes <= Mark::MOST_BYTES, "refused before");
        u64::from(self.bytes >> FRAME_ALIGN_LOG2) << Mark::SIZE.0 | self.owner()
    }

    /// What of it says whose the frame is.
    pub fn owner(self) -> u64 {
        u64::from(self.func.0) | u64::from(self.module) << Mark::MODULE.0
    }
}

/// So many bits, from the lowest.
pub(crate) const fn low_bits(count: u32) -> u64 {
    (1 << count) - 1
}

/// All cells of a frame are aligned to this power of two, and to no larger one.
pub const FRAME_ALIGN_LOG2: u32 = 2;

/// The numeric and vector types in the order in which a frame holds them.
pub const SLOT_TYPES: [ValType; 5] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// Size of a saved value in bytes: a local in a frame, or a global.
pub fn slot_bytes(ty: ValType) -> u32 {
    match ty {
        ValType::I32 | ValType::F32 => 4,
        ValType::I64 | ValType::F64 => 8,
        _ => 16,
    }
}

/// The position of a slot's type among [`SLOT_TYPES`].
pub(crate) fn type_ordinal(ty: ValType) -> usize {
    SLOT_TYPES.iter().position(|slot| *slot == ty).expect("slots are numeric or vectors")
}
