//! In which memory the frames lie, and what the buffer there holds besides.

use super::{FuncPlan, Undo};
use crate::abi::{Abi, Buffer, FrameMemory};
use crate::error::{Error, Result};
use crate::index::{GlobalIdx, MemoryIdx};
use crate::read::Module;
use wasmparser::ValType;

/// The module's only memory. Whatever has another number of them is refused by then.
///
/// # Errors
/// [`Error::Internal`] if it was not.
pub(super) fn the_only(module: &Module<'_>) -> Result<FrameMemory> {
    match module.memories.as_slice() {
        [memory] => Ok(FrameMemory::of(MemoryIdx(0), &memory.ty)),
        _ => Err(Error::Internal("a module without one memory was not refused".into())),
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
