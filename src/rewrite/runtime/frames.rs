//! The bodies of `limit`, `room`, `end_frame`, `seal`, `probe` and `pop`: room for frames is taken and given back here; and of the
//! functions that stand before imports.
//!
//! All of them calculate with what is left, never with sums that could wrap.

use super::Runtime;
use super::address::AddressSink;
use super::protocol::trap_if;
use crate::abi::{FRAME_ALIGN_LOG2, MARK_BYTES, Mark, State, low_bits};
use crate::index::{FuncIdx, GlobalIdx};
use wasm_encoder::{BlockType, Function, InstructionSink, ValType as WasmType};
use wasmparser::ValType::{I32, I64};

/// How many bytes a mark takes.
const MARK: u64 = MARK_BYTES as u64;

/// How many locals, of addresses, [`Runtime::end_frame`] uses.
pub(super) const END_FRAME_LOCALS: u32 = 6;

impl Runtime {
    /// `limit() -> address`: the address that no frame may reach beyond: the buffer's end or the
    /// memory's, whichever comes first. Both may be 2^32, which `pos` can't be; then it is 2^32 - 1. (With
    /// 64-bit addresses 2^64.)
    pub(super) fn limit_body(&self) -> Function {
        let mut body = Function::new([(2, self.address_type())]);
        let mut sink = body.instructions();
        self.limit(&mut sink, (0, 1));
        sink.end();
        body
    }

    /// The limit, in place, for what is called several times for each frame. Uses two locals.
    fn limit(&self, sink: &mut InstructionSink<'_>, (last, last_of_memory): (u32, u32)) {
        let memory = self.memory;
        // The last addresses, since those don't wrap: an `end` of 0 is the largest of all.
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.end);
        sink.at_const(memory, 1).at_sub(memory).local_tee(last);
        sink.memory_size(memory.index.0).at_const(memory, u64::from(memory.page_log2));
        sink.at_shl(memory).at_const(memory, 1).at_sub(memory).local_tee(last_of_memory);
        sink.local_get(last).local_get(last_of_memory).at_lt(memory).select().local_tee(last);
        sink.local_get(last).at_const(memory, u64::MAX).at_ne(memory).at_from_bool(memory);
        sink.at_add(memory);
    }

    /// `room(end) -> base`: where the frame begins that is being written, of whose slots the first `end` bytes are wanted.
    pub(super) fn room_body(&self) -> Function {
        let mut body = Function::new([(3, self.address_type())]);
        let mut sink = body.instructions();
        self.find_room(&mut sink, 0, 1);
        sink.end();
        body
    }

    /// What `room` gives for the local `end`: by a call, or in place where calls are dear. Uses `end` and three locals from `scratch` on.
    pub(super) fn room(&self, sink: &mut InstructionSink<'_>, end: u32, scratch: u32) {
        if self.helpers.inline {
            self.find_room(sink, end, scratch);
        } else {
            sink.local_get(end).call(self.room.0);
        }
    }

    /// If the slots don't fit with a mark behind them, the unwind is going to be undone: the frame goes on in the reserve, with the slots
    /// that it has so far.
    fn find_room(&self, sink: &mut InstructionSink<'_>, end: u32, pos: u32) {
        let (limit, memory, address) =
            (pos + 1, self.memory, BlockType::Result(self.address_type()));
        if !self.abi.can_undo() {
            sink.local_get(end).at_const(memory, MARK).at_add(memory);
            self.has_no_room(sink, (pos, limit));
            trap_if(sink);
            sink.local_get(pos);
            return;
        }
        self.is_in(sink, State::NoRoomReserve);
        sink.if_(address);
        self.reserve(sink);
        sink.else_().local_get(end).at_const(memory, MARK).at_add(memory);
        self.has_no_room(sink, (pos, limit));
        sink.if_(address);
        // The host may have moved `end` since the unwind began.
        sink.local_get(limit);
        self.first_frame(sink);
        sink.at_lt(memory);
        trap_if(sink);
        self.move_to_reserve(sink, (pos, limit), end);
        sink.else_().local_get(pos).end().end();
    }

    /// The frame goes on in the reserve: copies those of its first `end` bytes that lie between `pos` and `limit`, and leaves the
    /// address of the reserve. Uses `limit` and `end` up.
    fn move_to_reserve(&self, sink: &mut InstructionSink<'_>, (pos, limit): (u32, u32), end: u32) {
        let memory = self.memory;
        // `limit` may lie below `pos`.
        sink.local_get(limit).local_get(pos).at_gt(memory).if_(BlockType::Empty);
        sink.local_get(limit).local_get(pos).at_sub(memory).local_tee(limit);
        sink.local_get(end).local_get(limit).local_get(end).at_lt(memory).select();
        sink.local_set(limit).at_const(memory, 0).local_set(end);
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        sink.local_get(limit)
            .local_get(end)
            .at_sub(memory)
            .at_const(memory, 4)
            .at_lt(memory)
            .br_if(1);
        self.reserve(sink);
        sink.local_get(end).at_add(memory);
        sink.local_get(pos).local_get(end).at_add(memory);
        sink.frame_load(memory, I32, 0).frame_store(memory, I32, 0);
        sink.local_get(end)
            .at_const(memory, 4)
            .at_add(memory)
            .local_set(end)
            .br(0)
            .end()
            .end()
            .end();
        self.set_state(sink, State::NoRoomReserve);
        self.reserve(sink);
    }

    /// `end_frame(ordinal, mark) -> behind`: the address behind the frame's slots, where the mark is now, with the site's ordinal;
    /// `pos` is behind that. In the reserve the mark lies in front of the slots, from where the caller calls what takes them again.
    pub(super) fn end_frame_body(&self) -> Function {
        let mut body = Function::new([(END_FRAME_LOCALS, self.address_type())]);
        let mut sink = body.instructions();
        self.finish_frame(&mut sink, (0, 1), 2);
        sink.end();
        body
    }

    /// What `end_frame` does for the locals `ordinal` and `mark`: by a call, or in place where calls are dear. Uses `mark` and
    /// [`END_FRAME_LOCALS`] locals from `scratch` on.
    pub(super) fn end_frame(
        &self,
        sink: &mut InstructionSink<'_>,
        (ordinal, mark): (u32, u32),
        scratch: u32,
    ) {
        if self.helpers.inline {
            self.finish_frame(sink, (ordinal, mark), scratch);
        } else {
            sink.local_get(ordinal).local_get(mark).call(self.end_frame.0);
        }
    }

    fn finish_frame(
        &self,
        sink: &mut InstructionSink<'_>,
        (ordinal, mark): (u32, u32),
        slots: u32,
    ) {
        let (base, scratch, memory) = (slots + 1, slots + 2, self.memory);
        self.trap_unless_joined(sink);
        self.bytes_of(sink, mark);
        sink.at_const(memory, MARK).at_sub(memory).local_tee(slots).local_set(scratch);
        self.room(sink, scratch, scratch + 1);
        sink.local_set(base);
        match self.keepers.unsaved {
            Some(unsaved) if self.abi.can_undo() => {
                self.hold_unsaved(sink, unsaved, (base, slots, scratch));
            }
            Some(unsaved) => {
                sink.global_get(unsaved.0);
                trap_if(sink);
            }
            None => {}
        }
        sink.local_get(mark).local_get(ordinal).i64_extend_i32_u();
        sink.i64_const(Mark::SITE.0.into()).i64_shl().i64_or().local_set(mark);
        if self.abi.can_undo() {
            self.is_in(sink, State::NoRoomReserve);
            sink.if_(BlockType::Empty);
            self.reserved_mark(sink);
            sink.local_get(mark).frame_store(memory, I64, 0);
            sink.else_();
        }
        sink.local_get(base).local_get(slots).at_add(memory).local_tee(scratch);
        sink.local_get(mark).frame_store(memory, I64, 0);
        sink.global_get(self.globals.buffer.0).local_get(scratch);
        sink.at_const(memory, MARK).at_add(memory).at_store(memory, self.layout.pos);
        if self.abi.can_undo() {
            sink.end();
        }
        sink.local_get(base).local_get(slots).at_add(memory);
    }

    /// `seal(ordinal, mark) -> undo`: ends the frame; whether it is in the reserve.
    pub(super) fn seal_body(&self) -> Function {
        let mut body = Function::new([(END_FRAME_LOCALS, self.address_type())]);
        let mut sink = body.instructions();
        self.end_frame(&mut sink, (0, 1), 2);
        sink.drop();
        self.is_in(&mut sink, State::NoRoomReserve);
        sink.end();
        body
    }

    /// The size in bytes that a mark says.
    fn bytes_of(&self, sink: &mut InstructionSink<'_>, mark: u32) {
        let (first, bits) = Mark::SIZE;
        sink.local_get(mark).i64_const((first - FRAME_ALIGN_LOG2).into()).i64_shr_u();
        sink.i64_const((low_bits(bits) << FRAME_ALIGN_LOG2) as i64).i64_and();
        sink.at_from_i64(self.memory);
    }

    /// Moves the slots of a frame to the reserve that holds what can't be saved, unless it is there. Uses `scratch` and the local behind it.
    fn hold_unsaved(
        &self,
        sink: &mut InstructionSink<'_>,
        unsaved: GlobalIdx,
        (base, slots, scratch): (u32, u32, u32),
    ) {
        sink.global_get(unsaved.0).if_(BlockType::Empty);
        sink.i32_const(0).global_set(unsaved.0);
        self.is_in(sink, State::Unwinding);
        sink.if_(BlockType::Empty);
        sink.local_get(base).local_get(slots).at_add(self.memory).local_set(scratch);
        sink.local_get(slots).local_set(scratch + 1);
        self.move_to_reserve(sink, (base, scratch), scratch + 1);
        sink.local_set(base).end().end();
    }

    /// `probe(bytes) -> retry`: whether there is room for such a frame. Without room the unwind is undone: the state
    /// becomes 3, and the caller goes back to its site.
    pub(super) fn probe_body(&self) -> Function {
        let (bytes, pos, limit) = (0, 1, 2);
        let mut body = Function::new([(3, self.address_type())]);
        let mut sink = body.instructions();
        self.is_in(&mut sink, State::NoRoom);
        if let Some(unsaved) = self.keepers.unsaved {
            sink.global_get(unsaved.0).i32_or().i32_const(0).global_set(unsaved.0);
            sink.if_(BlockType::Empty);
            self.set_state(&mut sink, State::NoRoom);
        } else {
            sink.if_(BlockType::Empty);
        }
        sink.i32_const(1).return_().end();
        sink.local_get(bytes);
        self.has_no_room(&mut sink, (pos, limit));
        sink.if_(BlockType::Empty);
        self.set_state(&mut sink, State::NoRoom);
        sink.i32_const(1).return_().end();
        sink.i32_const(0).end();
        body
    }

    /// Whether there is no room for the number of bytes on the stack. Sets `pos` and `limit`, and uses the local behind them.
    fn has_no_room(&self, sink: &mut InstructionSink<'_>, (pos, limit): (u32, u32)) {
        let memory = self.memory;
        // Anything else is a host that ended no rewind before it returned to the program.
        sink.global_get(self.state.0).i32_const(State::Unwinding.value()).i32_ne();
        trap_if(sink);
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.pos).local_tee(pos);
        self.first_frame(sink);
        sink.at_lt(memory);
        trap_if(sink);
        self.limit(sink, (limit, limit + 1));
        sink.local_tee(limit).local_get(pos).at_sub(memory).at_gt(memory);
        sink.local_get(limit).local_get(pos).at_lt(memory).i32_or();
    }

    pub(super) fn is_in(&self, sink: &mut InstructionSink<'_>, state: State) {
        sink.global_get(self.state.0).i32_const(state.value()).i32_eq();
    }

    /// `pop(func) -> ordinal`: goes to the last frame. It must be the function's, and lie in the buffer.
    pub(super) fn pop_body(&self) -> Function {
        let mut body = Function::new_with_locals_types(self.pop_locals());
        let mut sink = body.instructions();
        self.find_frame(&mut sink, 0, 1);
        sink.end();
        body
    }

    /// What `pop` uses, beside its parameter.
    pub(super) fn pop_locals(&self) -> [WasmType; 5] {
        let address = self.address_type();
        [address, WasmType::I64, WasmType::I32, address, address]
    }

    /// What `pop` does for the local `func`: by a call, or in place where calls are dear. Uses [`Runtime::pop_locals`] from `scratch` on.
    pub(super) fn pop(&self, sink: &mut InstructionSink<'_>, func: u32, scratch: u32) {
        if self.helpers.inline {
            self.find_frame(sink, func, scratch);
        } else {
            sink.local_get(func).call(self.pop.0);
        }
    }

    fn find_frame(&self, sink: &mut InstructionSink<'_>, func: u32, base: u32) {
        let (mark, in_reserve, memory) = (base + 1, base + 2, self.memory);
        // A host that calls an export before the unwind has ended.
        self.is_in(sink, State::Unwinding);
        trap_if(sink);
        if self.abi.can_undo() {
            self.is_in(sink, State::NoRoomReserve);
            sink.local_tee(in_reserve).if_(BlockType::Empty);
            self.set_state(sink, State::NoRoom);
            self.reserved_mark(sink);
            sink.frame_load(memory, I64, 0).local_set(mark);
            self.reserve(sink);
            sink.local_set(base).else_();
        }
        self.last_mark(sink, (base, mark), (base + 3, base + 4));
        if self.abi.can_undo() {
            sink.end();
        }
        self.owner(sink, mark);
        sink.local_get(func).i32_ne();
        trap_if(sink);
        if self.abi.can_undo() {
            sink.local_get(in_reserve).i32_eqz().if_(BlockType::Empty);
        }
        // The whole frame lies above where frames begin.
        sink.local_get(base);
        self.first_frame(sink);
        sink.at_sub(memory);
        self.bytes_of(sink, mark);
        sink.at_lt(memory);
        trap_if(sink);
        sink.global_get(self.globals.buffer.0).local_get(base);
        self.bytes_of(sink, mark);
        sink.at_sub(memory).local_tee(base).at_store(memory, self.layout.pos);
        if self.abi.can_undo() {
            sink.end();
        }
        sink.local_get(base).global_set(self.globals.cursor.0);
        sink.local_get(mark).i64_const(Mark::SITE.0.into()).i64_shr_u().i32_wrap_i64();
        sink.i32_const(low_bits(Mark::SITE.1) as i32).i32_and();
    }

    /// The function whose frame has this mark; none has the index -1, which stands for those of other modules.
    pub(super) fn owner(&self, sink: &mut InstructionSink<'_>, mark: u32) {
        sink.local_get(mark).i32_wrap_i64().i32_const(low_bits(Mark::SIZE.0) as i32).i32_and();
        let module = Mark { func: FuncIdx(0), bytes: 0, module: self.number }.owner() as i64;
        sink.i32_const(-1).local_get(mark);
        sink.i64_const((low_bits(Mark::MODULE.1) << Mark::MODULE.0) as i64).i64_and();
        sink.i64_const(module).i64_eq().select();
    }

    /// Sets `pos` to what it is in the buffer, and `mark` to the mark in front of that; it must lie between the reserve and the limit.
    /// Uses two locals more.
    pub(super) fn last_mark(
        &self,
        sink: &mut InstructionSink<'_>,
        (pos, mark): (u32, u32),
        scratch: (u32, u32),
    ) {
        let memory = self.memory;
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.pos).local_tee(pos);
        self.limit(sink, scratch);
        sink.at_gt(memory);
        sink.local_get(pos);
        self.first_frame(sink);
        sink.at_lt(memory).i32_or();
        sink.local_get(pos);
        self.first_frame(sink);
        sink.at_sub(memory).at_const(memory, MARK).at_lt(memory).i32_or();
        trap_if(sink);
        sink.local_get(pos).at_const(memory, MARK).at_sub(memory);
        sink.frame_load(memory, I64, 0).local_set(mark);
    }

    /// Calls an import with the parameters, and once more as long as the unwind that it began had no room at all.
    pub(super) fn caller_body(&self, import: FuncIdx, params: u32, ty: BlockType) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.loop_(ty);
        (0..params).for_each(|param| _ = sink.local_get(param));
        sink.call(import.0);
        self.is_in(&mut sink, State::NoRoom);
        sink.br_if(0).end().end();
        body
    }
}
