//! What frames are made of. Their cells are private to a module: no host reads them.

use wasmparser::ValType;

/// How many bytes of a frame's end say what site it is of.
pub const SITE_BYTES: u32 = 4;

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
