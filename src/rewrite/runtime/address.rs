//! Instructions on addresses, and accesses to the memory of frames: whichever memory that is, and whatever
//! type its addresses have.

use crate::abi::{AddressType, FRAME_ALIGN_LOG2, FrameMemory};
use wasm_encoder::{InstructionSink, MemArg, MemArgTarget};
use wasmparser::ValType;

/// What differs by the memory.
pub(in crate::rewrite) trait AddressSink {
    /// A constant address, or difference of two.
    fn at_const(&mut self, memory: FrameMemory, value: u64) -> &mut Self;
    fn at_add(&mut self, memory: FrameMemory) -> &mut Self;
    fn at_sub(&mut self, memory: FrameMemory) -> &mut Self;
    fn at_shl(&mut self, memory: FrameMemory) -> &mut Self;
    fn at_ne(&mut self, memory: FrameMemory) -> &mut Self;
    fn at_lt(&mut self, memory: FrameMemory) -> &mut Self;
    fn at_gt(&mut self, memory: FrameMemory) -> &mut Self;
    /// The address 0 or 1, of an i32.
    fn at_from_bool(&mut self, memory: FrameMemory) -> &mut Self {
        self.at_from_i32(memory)
    }
    /// The address that an i32 says, without sign.
    fn at_from_i32(&mut self, memory: FrameMemory) -> &mut Self;
    /// The address that an i64 says.
    fn at_from_i64(&mut self, memory: FrameMemory) -> &mut Self;
    /// An address, or difference of two, as i32.
    fn at_to_i32(&mut self, memory: FrameMemory) -> &mut Self;
    /// Loads a value of a numeric or vector type.
    fn frame_load(&mut self, memory: FrameMemory, ty: ValType, offset: u64) -> &mut Self;
    /// Stores a value of a numeric or vector type.
    fn frame_store(&mut self, memory: FrameMemory, ty: ValType, offset: u64) -> &mut Self;
    /// Loads an address.
    fn at_load(&mut self, memory: FrameMemory, offset: u64) -> &mut Self {
        self.frame_load(memory, memory.address.val_type(), offset)
    }
    /// Stores an address.
    fn at_store(&mut self, memory: FrameMemory, offset: u64) -> &mut Self {
        self.frame_store(memory, memory.address.val_type(), offset)
    }
}

/// The instruction for each address type.
macro_rules! by_address {
    ($($name:ident: $narrow:ident | $wide:ident;)*) => {$(
        fn $name(&mut self, memory: FrameMemory) -> &mut Self {
            match memory.address {
                AddressType::I32 => self.$narrow(),
                AddressType::I64 => self.$wide(),
            }
        }
    )*};
}

impl AddressSink for InstructionSink<'_> {
    by_address! {
        at_add: i32_add | i64_add;
        at_sub: i32_sub | i64_sub;
        at_shl: i32_shl | i64_shl;
        at_ne: i32_ne | i64_ne;
        at_lt: i32_lt_u | i64_lt_u;
        at_gt: i32_gt_u | i64_gt_u;
    }

    fn at_const(&mut self, memory: FrameMemory, value: u64) -> &mut Self {
        match memory.address {
            AddressType::I32 => self.i32_const(value as u32 as i32),
            AddressType::I64 => self.i64_const(value as i64),
        }
    }

    fn at_from_i32(&mut self, memory: FrameMemory) -> &mut Self {
        match memory.address {
            AddressType::I32 => self,
            AddressType::I64 => self.i64_extend_i32_u(),
        }
    }

    fn at_from_i64(&mut self, memory: FrameMemory) -> &mut Self {
        match memory.address {
            AddressType::I32 => self.i32_wrap_i64(),
            AddressType::I64 => self,
        }
    }

    fn at_to_i32(&mut self, memory: FrameMemory) -> &mut Self {
        match memory.address {
            AddressType::I32 => self,
            AddressType::I64 => self.i32_wrap_i64(),
        }
    }

    fn frame_load(&mut self, memory: FrameMemory, ty: ValType, offset: u64) -> &mut Self {
        let memarg = memarg(memory, offset);
        match ty {
            ValType::I32 => self.i32_load(memarg),
            ValType::I64 => self.i64_load(memarg),
            ValType::F32 => self.f32_load(memarg),
            ValType::F64 => self.f64_load(memarg),
            _ => self.v128_load(memarg),
        }
    }

    fn frame_store(&mut self, memory: FrameMemory, ty: ValType, offset: u64) -> &mut Self {
        let memarg = memarg(memory, offset);
        match ty {
            ValType::I32 => self.i32_store(memarg),
            ValType::I64 => self.i64_store(memarg),
            ValType::F32 => self.f32_store(memarg),
            ValType::F64 => self.f64_store(memarg),
            _ => self.v128_store(memarg),
        }
    }
}

fn memarg(memory: FrameMemory, offset: u64) -> MemArg {
    let target = MemArgTarget::Memory(memory.index.0);
    MemArg { offset, align: FRAME_ALIGN_LOG2, target, ordering: None }
}
