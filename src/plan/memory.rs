//! In which memory the frames lie, and what the buffer there holds besides.
//!
//! A module without memory is refused if it has any frames. If it has none, it gets a memory without a byte, so that a host finds
//! the functions that it expects, and whatever would need a buffer traps.

use super::{FuncPlan, Undo};
use crate::abi::{Abi, AddressType, Buffer, FrameMemory};
use crate::index::{GlobalIdx, MemoryIdx};
use crate::read::Module;
use wasmparser::ValType;

/// The module's only memory, or the one that it gets.
pub(crate) fn of_frames(module: &Module<'_>) -> FrameMemory {
    match module.memories.as_slice() {
        [memory, ..] => FrameMemory::of(MemoryIdx(0), &memory.ty),
        [] => FrameMemory { index: MemoryIdx(0), address: AddressType::I32, page_log2: 16 },
    }
}

/// What the buffer holds for these functions.
pub(super) fn buffer(
    module: &Module<'_>,
    abi: Abi,
    memory: FrameMemory,
    funcs: &[FuncPlan],
) -> Buffer {
    let by_call = funcs.iter().filter(|func| func.undo == Undo::Call);
    let reserve_bytes = by_call.map(|func| u64::from(func.frame.bytes)).max().unwrap_or(0);
    Buffer::lay_out(abi, memory.address, saved_globals(module), reserve_bytes)
}

/// Imported globals belong to the host, and references can't be put into memory.
fn saved_globals<'m>(module: &'m Module<'_>) -> impl Iterator<Item = (GlobalIdx, ValType)> + 'm {
    let globals = module.globals.iter_enumerated();
    globals
        .filter(|(_, global)| {
            global.import.is_none()
                && global.ty.mutable
                && !global.ty.content_type.is_reference_type()
        })
        .map(|(index, global)| (index, global.ty.content_type))
}
