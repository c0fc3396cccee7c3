//! Memory as the host sees it: plain or shared, with a buffer set apart for frames.

use super::shared;
use std::ops::Range;
use wasmtime::{AsContext, AsContextMut, Memory, Result, SharedMemory, format_err};

/// The size of a page of linear memory.
pub const PAGE_BYTES: usize = 65536;

/// What the region of the buffer is filled with, so that stray writes and stray reads show.
pub const POISON: u8 = 0xaa;

/// What a buffer is filled with once it was consumed: another pattern than [`POISON`].
pub const CONSUMED: u8 = 0x55;

/// A module's memory.
#[derive(Clone)]
pub enum Mem {
    /// Not shared.
    Plain(Memory),
    /// Shared between threads.
    Shared(SharedMemory),
}

impl Mem {
    pub fn len(&self, store: impl AsContext) -> usize {
        match self {
            Mem::Plain(memory) => memory.data_size(store),
            Mem::Shared(memory) => memory.data_size(),
        }
    }

    pub fn read(&self, store: impl AsContext, range: Range<usize>) -> Vec<u8> {
        match self {
            Mem::Plain(memory) => {
                let mut bytes = vec![0; range.len()];
                memory
                    .read(store, range.start, &mut bytes)
                    .expect("the host reads inside the memory");
                bytes
            }
            Mem::Shared(memory) => {
                shared::read(memory, range).expect("the host reads inside the memory")
            }
        }
    }

    pub fn write(&self, store: impl AsContextMut, at: usize, bytes: &[u8]) {
        match self {
            Mem::Plain(memory) => {
                memory.write(store, at, bytes).expect("the host writes inside the memory");
            }
            Mem::Shared(memory) => {
                shared::write(memory, at, bytes).expect("the host writes inside the memory");
            }
        }
    }

    pub fn grow(&self, store: impl AsContextMut, bytes: usize) -> Result<()> {
        let pages = bytes.div_ceil(PAGE_BYTES) as u64;
        match self {
            Mem::Plain(memory) => memory.grow(store, pages).map(drop),
            Mem::Shared(memory) => memory.grow(pages).map(drop),
        }
        .map_err(|error| format_err!("no room for the buffer: {error}; set BUFFER: in the fixture"))
    }

    pub fn read_u32(&self, store: impl AsContext, at: usize) -> u32 {
        let bytes = self.read(store, at..at + 4);
        u32::from_le_bytes(bytes.try_into().expect("four bytes were read"))
    }

    pub fn write_u32(&self, store: impl AsContextMut, at: usize, value: u32) {
        self.write(store, at, &value.to_le_bytes());
    }
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
        self.whole
            .clone()
            .zip(region_bytes)
            .find(|(address, byte)| !used.contains(address) && **byte != POISON)
            .map(|(address, _)| address)
    }
}
