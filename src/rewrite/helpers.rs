//! The bodies of the functions that are appended: the ABI's, and the helpers for frames.

use super::runtime::{Runtime, SavedGlobal};
use crate::index::FuncIdx;
use crate::plan::slot_bytes;
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, MemArgTarget, ValType};

/// Offsets in the buffer.
const POS: u64 = 0;
const END: u64 = 4;

/// The values of the state.
const NORMAL: i32 = 0;
const UNWINDING: i32 = 1;
const REWINDING: i32 = 2;
const NO_ROOM: i32 = 3;
/// As `NO_ROOM`, and the next frame is the one in the reserve. No host ever sees it.
const NO_ROOM_RESERVE: i32 = 4;

impl Runtime {
    /// `unwind_begin(buffer)`: without room for the globals and the reserve, nothing is written, and
    /// the entry is called again at once.
    pub(super) fn unwind_begin(
        &self,
        saved: &[SavedGlobal],
        frames: u64,
        limit: FuncIdx,
    ) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        self.trap_unless_normal(&mut sink);
        sink.local_get(0).global_set(self.buffer.0);
        sink.local_get(0).i64_extend_i32_u().i64_const(frames as i64).i64_add();
        sink.call(limit.0).i64_gt_u().if_(BlockType::Empty);
        sink.i32_const(NO_ROOM).global_set(self.state.0).return_().end();
        sink.i32_const(UNWINDING).global_set(self.state.0);
        sink.local_get(0).local_get(0).i32_const(frames as i32).i32_add().i32_store(memarg(POS));
        for global in saved {
            sink.local_get(0).global_get(global.index.0);
            store(&mut sink, global.ty, global.offset);
        }
        sink.end();
        body
    }

    pub(super) fn unwind_end(&self) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(UNWINDING).i32_ne();
        sink.if_(BlockType::Empty).unreachable().end();
        sink.i32_const(NORMAL).global_set(self.state.0).end();
        body
    }

    pub(super) fn rewind_begin(&self, saved: &[SavedGlobal]) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        self.trap_unless_normal(&mut sink);
        sink.local_get(0).global_set(self.buffer.0);
        for global in saved {
            sink.local_get(0);
            load(&mut sink, global.ty, global.offset);
            sink.global_set(global.index.0);
        }
        sink.i32_const(REWINDING).global_set(self.state.0).end();
        body
    }

    /// Ends a rewind, also one that undoes an unwind.
    pub(super) fn rewind_end(&self) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(REWINDING).i32_lt_u();
        sink.if_(BlockType::Empty).unreachable().end();
        sink.i32_const(NORMAL).global_set(self.state.0).end();
        body
    }

    fn trap_unless_normal(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.state.0).if_(BlockType::Empty).unreachable().end();
    }

    /// `limit() -> i64`: the first address that frames must not reach. As 64 bits, since a memory
    /// of 4 GiB ends at 2^32.
    pub(super) fn limit(&self, page_log2: u32) -> Function {
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        sink.global_get(self.buffer.0).i32_load(memarg(END)).local_tee(0);
        sink.if_(BlockType::Result(ValType::I64)).local_get(0).i64_extend_i32_u();
        sink.else_().memory_size(0).i64_extend_i32_u().i64_const(i64::from(page_log2)).i64_shl();
        sink.end().end();
        body
    }

    /// `push(ordinal, bytes) -> retry`: takes room for a frame. Without room the unwind is undone:
    /// the state becomes 3, and the caller goes back to its site.
    pub(super) fn push_body(&self, limit: FuncIdx) -> Function {
        let (ordinal, bytes, pos) = (0, 1, 2);
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(NO_ROOM).i32_eq();
        sink.if_(BlockType::Empty).i32_const(1).return_().end();
        sink.global_get(self.buffer.0).i32_load(memarg(POS)).local_tee(pos).i64_extend_i32_u();
        sink.local_get(bytes).i64_extend_i32_u().i64_add();
        sink.call(limit.0).i64_gt_u().if_(BlockType::Empty);
        sink.i32_const(NO_ROOM).global_set(self.state.0).i32_const(1).return_().end();
        self.take_room(&mut sink, ordinal, bytes, pos);
        sink.i32_const(0).end();
        body
    }

    /// `push_always(ordinal, bytes) -> undo`: as `push`, but without room the frame goes into the
    /// reserve, and the caller calls itself to take it from there.
    pub(super) fn push_always_body(&self, limit: FuncIdx, reserve: u64) -> Function {
        let (ordinal, bytes, pos) = (0, 1, 2);
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        // Without room for the reserve, an unwind never gets beyond the entry's caller.
        sink.global_get(self.state.0).i32_const(UNWINDING).i32_ne();
        sink.if_(BlockType::Empty).unreachable().end();
        sink.global_get(self.buffer.0).i32_load(memarg(POS)).local_tee(pos).i64_extend_i32_u();
        sink.local_get(bytes).i64_extend_i32_u().i64_add();
        sink.call(limit.0).i64_gt_u().if_(BlockType::Empty);
        sink.i32_const(NO_ROOM_RESERVE).global_set(self.state.0);
        sink.global_get(self.buffer.0).local_get(ordinal).i32_store(memarg(reserve));
        sink.global_get(self.buffer.0).i32_const(reserve as i32 + 4).i32_add();
        sink.global_set(self.cursor.0).i32_const(1).return_().end();
        self.take_room(&mut sink, ordinal, bytes, pos);
        sink.i32_const(0).end();
        body
    }

    /// Writes the ordinal of a frame at `pos`, and moves `pos` behind the frame.
    fn take_room(&self, sink: &mut InstructionSink<'_>, ordinal: u32, bytes: u32, pos: u32) {
        sink.local_get(pos).local_get(ordinal).i32_store(memarg(0));
        sink.local_get(pos).i32_const(4).i32_add().global_set(self.cursor.0);
        sink.global_get(self.buffer.0).local_get(pos).local_get(bytes).i32_add();
        sink.i32_store(memarg(POS));
    }

    /// `pop(bytes) -> ordinal`: goes to the last frame. There must be one.
    pub(super) fn pop_body(&self, frames: u64, reserve: u64) -> Function {
        let (bytes, pos) = (0, 1);
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(NO_ROOM_RESERVE).i32_eq().if_(BlockType::Empty);
        sink.i32_const(NO_ROOM).global_set(self.state.0);
        sink.global_get(self.buffer.0).i32_const(reserve as i32 + 4).i32_add();
        sink.global_set(self.cursor.0);
        sink.global_get(self.buffer.0).i32_load(memarg(reserve)).return_().end();
        sink.global_get(self.buffer.0).i32_load(memarg(POS)).local_tee(pos);
        sink.global_get(self.buffer.0).i32_const(frames as i32).i32_add().i32_sub();
        sink.local_get(bytes).i32_lt_u().if_(BlockType::Empty).unreachable().end();
        sink.global_get(self.buffer.0).local_get(pos).local_get(bytes).i32_sub().local_tee(pos);
        sink.i32_store(memarg(POS));
        sink.local_get(pos).i32_const(4).i32_add().global_set(self.cursor.0);
        sink.local_get(pos).i32_load(memarg(0)).end();
        body
    }

    pub(super) fn save_body(&self, ty: wasmparser::ValType, count: usize) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        for position in 0..count {
            sink.global_get(self.cursor.0).local_get(position as u32);
            store(&mut sink, ty, position as u64 * u64::from(slot_bytes(ty)));
        }
        self.advance(&mut sink, ty, count);
        sink.end();
        body
    }

    pub(super) fn load_body(&self, ty: wasmparser::ValType, count: usize) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        for position in 0..count {
            sink.global_get(self.cursor.0);
            load(&mut sink, ty, position as u64 * u64::from(slot_bytes(ty)));
        }
        self.advance(&mut sink, ty, count);
        sink.end();
        body
    }

    fn advance(&self, sink: &mut InstructionSink<'_>, ty: wasmparser::ValType, count: usize) {
        let bytes = slot_bytes(ty) as i32 * count as i32;
        sink.global_get(self.cursor.0).i32_const(bytes).i32_add().global_set(self.cursor.0);
    }
}

/// Frames are aligned to 4 bytes, so no access promises more.
fn memarg(offset: u64) -> MemArg {
    MemArg { offset, align: 2, target: MemArgTarget::Memory(0), ordering: None }
}

fn store(sink: &mut InstructionSink<'_>, ty: wasmparser::ValType, offset: u64) {
    match ty {
        wasmparser::ValType::I32 => sink.i32_store(memarg(offset)),
        wasmparser::ValType::I64 => sink.i64_store(memarg(offset)),
        wasmparser::ValType::F32 => sink.f32_store(memarg(offset)),
        wasmparser::ValType::F64 => sink.f64_store(memarg(offset)),
        _ => sink.v128_store(memarg(offset)),
    };
}

fn load(sink: &mut InstructionSink<'_>, ty: wasmparser::ValType, offset: u64) {
    match ty {
        wasmparser::ValType::I32 => sink.i32_load(memarg(offset)),
        wasmparser::ValType::I64 => sink.i64_load(memarg(offset)),
        wasmparser::ValType::F32 => sink.f32_load(memarg(offset)),
        wasmparser::ValType::F64 => sink.f64_load(memarg(offset)),
        _ => sink.v128_load(memarg(offset)),
    };
}
