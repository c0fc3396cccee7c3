//! The memory that frames go to, and the type of its addresses.

use crate::index::MemoryIdx;
use wasmparser::{MemoryType, ValType};

/// The type of a memory's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// 32 bits.
    I32,
    /// 64 bits, of the memory64 proposal.
    I64,
}

impl AddressType {
    /// That of a memory.
    pub fn of(memory: &MemoryType) -> AddressType {
        if memory.memory64 { AddressType::I64 } else { AddressType::I32 }
    }

    /// Its size in bytes, and its alignment.
    pub fn bytes(self) -> u64 {
        match self {
            AddressType::I32 => 4,
            AddressType::I64 => 8,
        }
    }

    /// The type of a value that is an address.
    pub fn val_type(self) -> ValType {
        match self {
            AddressType::I32 => ValType::I32,
            AddressType::I64 => ValType::I64,
        }
    }
}

/// The memory that the buffer lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMemory {
    /// Which one.
    pub index: MemoryIdx,
    /// The type of its addresses.
    pub address: AddressType,
    /// The size of its pages, as a power of two.
    pub page_log2: u32,
}

impl FrameMemory {
    /// A memory of the module.
    pub fn of(index: MemoryIdx, memory: &MemoryType) -> FrameMemory {
        FrameMemory {
            index,
            address: AddressType::of(memory),
            page_log2: memory.page_size_log2.unwrap_or(16),
        }
    }
}
