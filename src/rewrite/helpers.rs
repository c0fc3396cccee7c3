//! The bodies of the functions that are appended: the ABI's, and the helpers for frames.

use super::runtime::{Runtime, SavedGlobal};
use crate::index::FuncIdx;
use crate::plan::slot_bytes;
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, MemArgTarget, ValType};

/// Offsets in the buffer.
const POS: u64 = 0;
const END: u64 = 4;

/// How many bytes of a frame's end say what site it is of.
const SITE_BYTES: i32 = 4;

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
    pub(super) fn unwind_begin(&self, saved: &[SavedGlobal]) -> Function {
        let (buffer, limit) = (0, 1);
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        self.trap_unless_normal(&mut sink);
        sink.local_get(buffer).global_set(self.buffer.0);
        self.buffer_is_too_small(&mut sink, buffer, limit);
        sink.if_(BlockType::Empty);
        sink.i32_const(NO_ROOM).global_set(self.state.0).return_().end();
        sink.i32_const(UNWINDING).global_set(self.state.0);
        sink.local_get(buffer);
        self.first_frame(&mut sink);
        sink.i32_store(memarg(POS));
        for global in saved {
            sink.local_get(buffer).global_get(global.index.0);
            store(&mut sink, global.ty, global.offset);
        }
        sink.end();
        body
    }

    pub(super) fn unwind_end(&self) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(UNWINDING).i32_ne();
        trap_if(&mut sink);
        sink.i32_const(NORMAL).global_set(self.state.0).end();
        body
    }

    /// `rewind_begin(buffer)`: as `resume_begin`, and restores the globals.
    pub(super) fn rewind_begin(&self, saved: &[SavedGlobal], resume_begin: FuncIdx) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.local_get(0).call(resume_begin.0);
        for global in saved {
            sink.local_get(0);
            load(&mut sink, global.ty, global.offset);
            sink.global_set(global.index.0);
        }
        sink.end();
        body
    }

    /// `resume_begin(buffer)`: traps if no unwind can have left the buffer like this.
    pub(super) fn resume_begin(&self) -> Function {
        let (buffer, limit, pos) = (0, 1, 2);
        let mut body = Function::new([(2, ValType::I32)]);
        let mut sink = body.instructions();
        self.trap_unless_normal(&mut sink);
        sink.local_get(buffer).global_set(self.buffer.0);
        self.buffer_is_too_small(&mut sink, buffer, limit);
        trap_if(&mut sink);
        sink.local_get(buffer).i32_load(memarg(POS)).local_tee(pos).local_get(limit).i32_gt_u();
        sink.local_get(pos);
        self.first_frame(&mut sink);
        sink.i32_lt_u().i32_or();
        trap_if(&mut sink);
        sink.i32_const(REWINDING).global_set(self.state.0).end();
        body
    }

    /// Ends a rewind, also one that undoes an unwind.
    pub(super) fn rewind_end(&self) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(REWINDING).i32_lt_u();
        trap_if(&mut sink);
        sink.i32_const(NORMAL).global_set(self.state.0).end();
        body
    }

    fn trap_unless_normal(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.state.0);
        trap_if(sink);
    }

    /// Whether the buffer ends before the first frame's place. Sets `limit`.
    fn buffer_is_too_small(&self, sink: &mut InstructionSink<'_>, buffer: u32, limit: u32) {
        sink.call(self.limit.0).local_tee(limit).local_get(buffer).i32_lt_u();
        sink.local_get(limit).local_get(buffer).i32_sub();
        sink.i32_const(self.frames as i32).i32_lt_u().i32_or();
    }

    /// The address of the first frame. It doesn't wrap: the buffer was found to be large enough.
    fn first_frame(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.buffer.0).i32_const(self.frames as i32).i32_add();
    }

    /// `limit() -> i32`: the address that no frame may reach beyond: the buffer's end or the
    /// memory's, whichever comes first. Both may be 2^32, which `pos` can't be; then it is 2^32 - 1.
    pub(super) fn limit_body(&self, page_log2: u32) -> Function {
        // The last addresses, since those don't wrap: an `end` of 0 is the largest of all.
        let (last, last_of_memory) = (0, 1);
        let mut body = Function::new([(2, ValType::I32)]);
        let mut sink = body.instructions();
        sink.global_get(self.buffer.0).i32_load(memarg(END)).i32_const(1).i32_sub();
        sink.local_tee(last);
        sink.memory_size(0).i32_const(page_log2 as i32).i32_shl().i32_const(1).i32_sub();
        sink.local_tee(last_of_memory);
        sink.local_get(last).local_get(last_of_memory).i32_lt_u().select().local_tee(last);
        sink.local_get(last).i32_const(-1).i32_ne().i32_add().end();
        body
    }

    /// `room(end) -> base`: where the frame begins that is being written, of which the first `end` bytes are wanted.
    /// If they don't fit, the unwind is going to be undone: the frame goes on in the reserve, with what it has so far.
    pub(super) fn room_body(&self) -> Function {
        let (end, pos, limit) = (0, 1, 2);
        let mut body = Function::new([(2, ValType::I32)]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(NO_ROOM_RESERVE).i32_eq();
        sink.if_(BlockType::Empty);
        self.reserve(&mut sink);
        sink.return_().end();
        self.has_no_room(&mut sink, end, (pos, limit));
        sink.if_(BlockType::Empty);
        // The host may have moved `end` since the unwind began.
        sink.local_get(limit);
        self.first_frame(&mut sink);
        sink.i32_lt_u();
        trap_if(&mut sink);
        self.move_to_reserve(&mut sink, (pos, limit), end);
        sink.i32_const(NO_ROOM_RESERVE).global_set(self.state.0);
        self.reserve(&mut sink);
        sink.return_().end();
        sink.local_get(pos).end();
        body
    }

    /// Copies what lies between `pos` and `limit`, less than a frame, to the reserve. Uses `at` up.
    fn move_to_reserve(&self, sink: &mut InstructionSink<'_>, (pos, limit): (u32, u32), at: u32) {
        sink.i32_const(0).local_set(at);
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        // `limit` may lie below `pos`.
        sink.local_get(limit).local_get(pos).i32_lt_u().br_if(1);
        sink.local_get(limit).local_get(pos).i32_sub().local_get(at).i32_sub();
        sink.i32_const(4).i32_lt_u().br_if(1);
        self.reserve(sink);
        sink.local_get(at).i32_add();
        sink.local_get(pos).local_get(at).i32_add().i32_load(memarg(0)).i32_store(memarg(0));
        sink.local_get(at).i32_const(4).i32_add().local_set(at).br(0).end().end();
    }

    /// `seal(ordinal, before, bytes) -> undo`: ends the frame of `bytes` bytes with its site's number, and moves `pos` behind
    /// it; unless it is in the reserve, from where the caller calls what takes it again.
    pub(super) fn seal_body(&self, room: FuncIdx) -> Function {
        let (ordinal, before, bytes, base) = (0, 1, 2, 3);
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        sink.local_get(bytes).call(room.0).local_tee(base).local_get(bytes).i32_add();
        sink.i32_const(SITE_BYTES).i32_sub();
        sink.local_get(ordinal).local_get(before).i32_add().i32_store(memarg(0));
        sink.global_get(self.state.0).i32_const(NO_ROOM_RESERVE).i32_eq();
        sink.if_(BlockType::Empty).i32_const(1).return_().end();
        sink.global_get(self.buffer.0).local_get(base).local_get(bytes).i32_add();
        sink.i32_store(memarg(POS)).i32_const(0).end();
        body
    }

    /// `probe(bytes) -> retry`: whether there is room for such a frame. Without room the unwind is undone: the state
    /// becomes 3, and the caller goes back to its site.
    pub(super) fn probe_body(&self) -> Function {
        let (bytes, pos, limit) = (0, 1, 2);
        let mut body = Function::new([(2, ValType::I32)]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(NO_ROOM).i32_eq();
        sink.if_(BlockType::Empty).i32_const(1).return_().end();
        self.has_no_room(&mut sink, bytes, (pos, limit));
        sink.if_(BlockType::Empty);
        sink.i32_const(NO_ROOM).global_set(self.state.0).i32_const(1).return_().end();
        sink.i32_const(0).end();
        body
    }

    /// Whether there is no room for so many `bytes`. Sets `pos` and `limit`.
    fn has_no_room(&self, sink: &mut InstructionSink<'_>, bytes: u32, (pos, limit): (u32, u32)) {
        // Anything else is a host that ended no rewind before it returned to the program.
        sink.global_get(self.state.0).i32_const(UNWINDING).i32_ne();
        trap_if(sink);
        sink.global_get(self.buffer.0).i32_load(memarg(POS)).local_tee(pos);
        self.first_frame(sink);
        sink.i32_lt_u();
        trap_if(sink);
        sink.call(self.limit.0).local_tee(limit).local_get(pos).i32_lt_u();
        sink.local_get(limit).local_get(pos).i32_sub().local_get(bytes).i32_lt_u().i32_or();
    }

    /// The address of the reserve, where a frame lies for which there is no room.
    fn reserve(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.buffer.0).i32_const(self.reserve as i32).i32_add();
    }

    /// `pop(bytes, before, sites) -> ordinal`: goes to the last frame. It must be one of the function's
    /// `sites` sites, and lie in the buffer.
    pub(super) fn pop_body(&self) -> Function {
        let (bytes, before, sites, in_reserve, base, ordinal) = (0, 1, 2, 3, 4, 5);
        let mut body = Function::new([(3, ValType::I32)]);
        let mut sink = body.instructions();
        // A host that calls an export before the unwind has ended.
        sink.global_get(self.state.0).i32_const(UNWINDING).i32_eq();
        trap_if(&mut sink);
        sink.global_get(self.state.0).i32_const(NO_ROOM_RESERVE).i32_eq().local_tee(in_reserve);
        sink.if_(BlockType::Empty);
        sink.i32_const(NO_ROOM).global_set(self.state.0);
        self.reserve(&mut sink);
        sink.local_set(base);
        sink.else_();
        sink.global_get(self.buffer.0).i32_load(memarg(POS)).local_tee(base);
        sink.call(self.limit.0).i32_gt_u();
        sink.local_get(base);
        self.first_frame(&mut sink);
        sink.i32_lt_u().i32_or();
        sink.local_get(base);
        self.first_frame(&mut sink);
        sink.i32_sub().local_get(bytes).i32_lt_u().i32_or();
        trap_if(&mut sink);
        sink.local_get(base).local_get(bytes).i32_sub().local_set(base);
        sink.end();
        sink.local_get(base).local_get(bytes).i32_add().i32_const(SITE_BYTES).i32_sub();
        sink.i32_load(memarg(0)).local_get(before).i32_sub().local_tee(ordinal);
        sink.i32_const(1).i32_sub().local_get(sites).i32_ge_u();
        trap_if(&mut sink);
        sink.local_get(base).global_set(self.cursor.0);
        sink.local_get(in_reserve).i32_eqz().if_(BlockType::Empty);
        sink.global_get(self.buffer.0).local_get(base).i32_store(memarg(POS)).end();
        sink.local_get(ordinal).end();
        body
    }

    /// Calls an import with the parameters, and once more as long as the unwind that it began had no room at all.
    pub(super) fn caller_body(&self, import: FuncIdx, params: u32, ty: BlockType) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.loop_(ty);
        (0..params).for_each(|param| _ = sink.local_get(param));
        sink.call(import.0);
        sink.global_get(self.state.0).i32_const(NO_ROOM).i32_eq().br_if(0).end().end();
        body
    }

    /// `save(offset, values…)`: writes the values to the slots from `offset` on of the frame that is being written.
    pub(super) fn save_body(
        &self,
        ty: wasmparser::ValType,
        count: usize,
        room: FuncIdx,
    ) -> Function {
        let (offset, address) = (0, count as u32 + 1);
        let bytes = u64::from(slot_bytes(ty));
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        sink.local_get(offset).i32_const((bytes * count as u64) as i32).i32_add().call(room.0);
        sink.local_get(offset).i32_add().local_set(address);
        for position in 0..count {
            sink.local_get(address).local_get(position as u32 + 1);
            store(&mut sink, ty, position as u64 * bytes);
        }
        sink.end();
        body
    }

    /// `load() -> values…`: the values of the slots at the cursor, which moves on.
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

fn trap_if(sink: &mut InstructionSink<'_>) {
    sink.if_(BlockType::Empty).unreachable().end();
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
