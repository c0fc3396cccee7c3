//! Memory as the host sees it: plain or shared, with a buffer set apart for frames.

use super::shared;
use std::ops::Range;
use wasmtime::{
    AsContext, AsContextMut, Extern, Memory, MemoryType, Result, SharedMemory, Val, format_err,
};

/// The size of a page of linear memory.
pub const PAGE_BYTES: usize = 65536;

/// What the region of the buffer is filled with, so that stray writes and stray reads show.
pub const POISON: u8 = 0xaa;

/// What a buffer is filled with once it was consumed: another pattern than [`POISON`].
pub const CONSUMED: u8 = 0x55;

/// A module's memory.
#[derive(Clone)]
pub struct Mem {
    held: Held,
    /// The size of an address in bytes.
    address_bytes: usize,
    page_bytes: usize,
}

#[derive(Clone)]
enum Held {
    /// Not shared.
    Plain(Memory),
    /// Shared between threads.
    Shared(SharedMemory),
}

impl Mem {
    /// What is exported or imported, if it is a memory.
    pub fn of(held: Extern, store: impl AsContext) -> Option<Mem> {
        let (held, ty) = match held {
            Extern::Memory(memory) => (Held::Plain(memory), memory.ty(store)),
            Extern::SharedMemory(memory) => {
                let ty = memory.ty();
                (Held::Shared(memory), ty)
            }
            _ => return None,
        };
        let address_bytes = if ty.is_64() { 8 } else { 4 };
        Some(Mem { held, address_bytes, page_bytes: page_bytes(&ty) })
    }

    /// Whether both are the same memory.
    pub fn is(&self, other: &Mem, store: impl AsContext) -> bool {
        self.start(&store) == other.start(&store)
    }

    fn start(&self, store: impl AsContext) -> usize {
        match &self.held {
            Held::Plain(memory) => memory.data_ptr(store).addr(),
            Held::Shared(memory) => memory.data().as_ptr().addr(),
        }
    }

    /// Where `end` is in a buffer in this memory; `pos` is at its start.
    pub fn end_offset(&self) -> usize {
        self.address_bytes
    }

    /// The least buffer: `pos` and `end`.
    pub fn header_bytes(&self) -> usize {
        2 * self.address_bytes
    }

    /// An address as a value of the program.
    pub fn address(&self, at: usize) -> Val {
        if self.address_bytes == 8 { Val::I64(at as i64) } else { Val::I32(at as i32) }
    }

    pub fn len(&self, store: impl AsContext) -> usize {
        match &self.held {
            Held::Plain(memory) => memory.data_size(store),
            Held::Shared(memory) => memory.data_size(),
        }
    }

    pub fn read(&self, store: impl AsContext, range: Range<usize>) -> Vec<u8> {
        match &self.held {
            Held::Plain(memory) => {
                let mut bytes = vec![0; range.len()];
                memory
                    .read(store, range.start, &mut bytes)
                    .expect("the host reads inside the memory");
                bytes
            }
            Held::Shared(memory) => {
                shared::read(memory, range).expect("the host reads inside the memory")
            }
        }
    }

    pub fn read_all(&self, store: impl AsContext) -> Vec<u8> {
        let len = self.len(&store);
        self.read(store, 0..len)
    }

    pub fn write(&self, store: impl AsContextMut, at: usize, bytes: &[u8]) {
        match &self.held {
            Held::Plain(memory) => {
                memory.write(store, at, bytes).expect("the host writes inside the memory");
            }
            Held::Shared(memory) => {
                shared::write(memory, at, bytes).expect("the host writes inside the memory");
            }
        }
    }

    pub fn grow(&self, store: impl AsContextMut, bytes: usize) -> Result<()> {
        let pages = bytes.div_ceil(self.page_bytes) as u64;
        match &self.held {
            Held::Plain(memory) => memory.grow(store, pages).map(drop),
            Held::Shared(memory) => memory.grow(pages).map(drop),
        }
        .map_err(|error| format_err!("no room for the buffer: {error}; set BUFFER: in the fixture"))
    }

    /// Makes the memory the same as another was.
    pub fn become_copy(&self, mut store: impl AsContextMut, bytes: &[u8]) -> Result<()> {
        let missing = bytes.len().saturating_sub(self.len(&store));
        self.grow(&mut store, missing)?;
        self.write(store, 0, bytes);
        Ok(())
    }

    pub fn read_address(&self, store: impl AsContext, at: usize) -> usize {
        let mut bytes = self.read(store, at..at + self.address_bytes);
        bytes.resize(8, 0);
        u64::from_le_bytes(bytes.try_into().expect("eight bytes")) as usize
    }

    pub fn write_address(&self, store: impl AsContextMut, at: usize, value: usize) {
        self.write(store, at, &value.to_le_bytes()[..self.address_bytes]);
    }
}

fn page_bytes(ty: &MemoryType) -> usize {
    usize::try_from(ty.page_size()).expect("a page fits into memory")
}

/// Where the buffer lies: a region of memory that the program doesn't use. The buffer is its
/// middle; the rest, before and behind, must keep its poison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    pub whole: Range<usize>,
}

impl Region {
    const GUARD_BYTES: usize = 256;

    /// The default place of the buffer. Its address is aligned, but to no large power of two, so
    /// that alignment relative to the buffer and absolute alignment differ.
    pub fn buffer(&self) -> Range<usize> {
        self.whole.start + Self::GUARD_BYTES + 16..self.whole.end - Self::GUARD_BYTES
    }

    /// Another place for the same buffer: elsewhere in the region.
    pub fn elsewhere(&self, used_bytes: usize) -> Option<usize> {
        let start = (self.whole.end - Self::GUARD_BYTES - used_bytes) / 16 * 16 - 16;
        (start >= self.buffer().start + used_bytes).then_some(start)
    }

    /// The address of the first byte of the region outside `used` that lost its poison.
    pub fn first_stray_write(&self, region_bytes: &[u8], used: &Range<usize>) -> Option<usize> {
        // Whole pages at once: this is what the tests spend most of their time with.
        const CHUNK: [u8; 4096] = [POISON; 4096];
        let within = |address: usize| address.clamp(self.whole.start, self.whole.end);
        let (first, last) = (within(used.start), within(used.end).max(within(used.start)));
        [self.whole.start..first, last..self.whole.end].into_iter().find_map(|part| {
            let bytes = &region_bytes[part.start - self.whole.start..part.end - self.whole.start];
            let mut chunks = bytes.chunks(CHUNK.len()).zip(part.step_by(CHUNK.len()));
            chunks.find_map(|(chunk, start)| {
                let is_whole = chunk == &CHUNK[..chunk.len()];
                let stray = || chunk.iter().position(|byte| *byte != POISON);
                if is_whole { None } else { stray().map(|at| start + at) }
            })
        })
    }
}
