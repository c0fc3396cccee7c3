//! In which memory the frames lie, and what the buffer there holds besides.
//!
//! That is the module's first memory, another that the options name, or one that is added for them. A module without memory is
//! refused if it has any frames, unless one is added. If it has none, it gets a memory without a byte, so that a host finds
//! the functions that it expects, and whatever would need a buffer traps.

use super::{AddedMemory, FuncPlan, Undo};
use crate::abi::{Abi, AddressType, Buffer, FrameMemory, Mark, low_bits};
use crate::error::{Error, Result};
use crate::index::{GlobalIdx, IndexType, MemoryIdx};
use crate::options::{FramesIn, MemoryPattern, Options};
use crate::read::Module;
use wasmparser::{ExternalKind, ValType};

/// Where frames go, and which memory is added for that.
///
/// # Errors
/// [`Error::NoSuchMemory`] or [`Error::SeveralMemories`] for a pattern that doesn't mean one memory.
pub(crate) fn of_frames(
    module: &Module<'_>,
    options: &Options,
) -> Result<(FrameMemory, Option<AddedMemory>)> {
    let memories = &module.memories;
    let own = FrameMemory {
        index: MemoryIdx::from_usize(memories.len()),
        address: AddressType::I32,
        page_log2: 16,
    };
    let of = |index| FrameMemory::of(index, &memories[index].ty);
    Ok(match &options.frames_in {
        FramesIn::Own => (own, Some(AddedMemory::Own(options.own_memory_pages))),
        FramesIn::Memory(pattern) => (of(meant(module, pattern)?), None),
        FramesIn::First if memories.len() == 0 => (own, Some(AddedMemory::Empty)),
        FramesIn::First => (of(MemoryIdx(0)), None),
    })
}

/// The memory that a pattern means.
fn meant(module: &Module<'_>, pattern: &MemoryPattern) -> Result<MemoryIdx> {
    let all: Vec<_> = module.memories.indices().collect();
    let names = |memory: &MemoryIdx| module.outside_names(ExternalKind::Memory, memory.0);
    let is_meant = |memory: &MemoryIdx| pattern.matches(memory.as_usize(), &names(memory));
    let found: Vec<_> = all.iter().copied().filter(is_meant).collect();
    let described = |memories: Vec<MemoryIdx>| {
        let memories = memories.iter();
        memories.map(|memory| module.described(ExternalKind::Memory, memory.0)).collect()
    };
    let pattern = pattern.0.clone();
    match found[..] {
        [memory] => Ok(memory),
        [] => Err(Error::NoSuchMemory { pattern, memories: described(all) }),
        _ => Err(Error::SeveralMemories { pattern, memories: described(found) }),
    }
}

/// What the user should know of where frames go: that there was a choice.
pub fn remark(module: &Module<'_>, wanted: &FramesIn) -> Option<String> {
    let several = module.memories.len() > 1 && *wanted == FramesIn::First;
    several.then(|| {
        format!(
            "frames go to memory {}, the first of {}; the buffer must lie there",
            module.described(ExternalKind::Memory, 0),
            module.memories.len()
        )
    })
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

/// The number of a module in the marks of its frames: 0, but for side modules, whose numbers depend on their contents, so that (but for a
/// chance of one in a hundred) no function takes the frame of another module's function with the same index for its own.
pub(super) fn number(module: &Module<'_>, abi: Abi) -> u8 {
    const BYTES: usize = 1 << 16;
    if !abi.is_side() {
        return 0;
    }
    // FNV-1a.
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = module.bytes.iter().take(BYTES).fold(0x811c_9dc5, mix);
    (u64::from(hash) % low_bits(Mark::MODULE.1)) as u8 + 1
}
