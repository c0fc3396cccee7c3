//! The bodies of `limit`, `room`, `seal`, `probe` and `pop`: room for frames is taken and given back here; and of the
//! functions that stand before imports.
//!
//! All of them calculate with what is left, never with sums that could wrap.

use super::Runtime;
use super::address::AddressSink;
use super::protocol::trap_if;
use crate::abi::{SITE_BYTES, State};
use crate::index::{FuncIdx, GlobalIdx};
use wasm_encoder::{BlockType, Function, InstructionSink};
use wasmparser::ValType::I32;

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

    /// `room(end) -> base`: where the frame begins that is being written, of which the first `end` bytes are wanted.
    /// If they don't fit, the unwind is going to be undone: the frame goes on in the reserve, with what it has so far.
    pub(super) fn room_body(&self) -> Function {
        let (end, pos, limit) = (0, 1, 2);
        let mut body = Function::new([(3, self.address_type())]);
        let mut sink = body.instructions();
        self.is_in(&mut sink, State::NoRoomReserve);
        sink.if_(BlockType::Empty);
        self.reserve(&mut sink);
        sink.return_().end();
        self.has_no_room(&mut sink, end, (pos, limit));
        sink.if_(BlockType::Empty);
        // The host may have moved `end` since the unwind began.
        sink.local_get(limit);
        self.first_frame(&mut sink);
        sink.at_lt(self.memory);
        trap_if(&mut sink);
        self.move_to_reserve(&mut sink, (pos, limit), end);
        self.set_state(&mut sink, State::NoRoomReserve);
        self.reserve(&mut sink);
        sink.return_().end();
        sink.local_get(pos).end();
        body
    }

    /// Copies what lies between `pos` and `limit`, less than a frame, to the reserve. Uses `at` up.
    fn move_to_reserve(&self, sink: &mut InstructionSink<'_>, (pos, limit): (u32, u32), at: u32) {
        let memory = self.memory;
        sink.at_const(memory, 0).local_set(at);
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        // `limit` may lie below `pos`.
        sink.local_get(limit).local_get(pos).at_lt(memory).br_if(1);
        sink.local_get(limit).local_get(pos).at_sub(memory).local_get(at).at_sub(memory);
        sink.at_const(memory, 4).at_lt(memory).br_if(1);
        self.reserve(sink);
        sink.local_get(at).at_add(memory);
        sink.local_get(pos).local_get(at).at_add(memory);
        sink.frame_load(memory, I32, 0).frame_store(memory, I32, 0);
        sink.local_get(at).at_const(memory, 4).at_add(memory).local_set(at).br(0).end().end();
    }

    /// `seal(ordinal, before, bytes) -> undo`: ends the frame of `bytes` bytes with its site's number, and moves `pos` behind
    /// it; unless it is in the reserve, from where the caller calls what takes it again.
    pub(super) fn seal_body(&self) -> Function {
        let (ordinal, before, bytes, base, memory) = (0, 1, 2, 3, self.memory);
        let locals = if self.keepers.unsaved.is_some() { 3 } else { 1 };
        let mut body = Function::new([(locals, self.address_type())]);
        let mut sink = body.instructions();
        self.trap_unless_joined(&mut sink);
        sink.local_get(bytes).call(self.room.0).local_tee(base);
        self.site_of_frame(&mut sink, bytes);
        sink.local_get(ordinal).local_get(before).i32_add().frame_store(memory, I32, 0);
        if let Some(unsaved) = self.keepers.unsaved {
            self.seal_unsaved(&mut sink, unsaved, (base, bytes, 4));
        }
        self.is_in(&mut sink, State::NoRoomReserve);
        sink.if_(BlockType::Empty).i32_const(1).return_().end();
        sink.global_get(self.globals.buffer.0).local_get(base).local_get(bytes).at_add(memory);
        sink.at_store(memory, self.layout.pos).i32_const(0).end();
        body
    }

    /// Moves a frame to the reserve that holds what can't be saved, unless it is there. Uses two locals.
    fn seal_unsaved(
        &self,
        sink: &mut InstructionSink<'_>,
        unsaved: GlobalIdx,
        (base, bytes, scratch): (u32, u32, u32),
    ) {
        sink.global_get(unsaved.0).if_(BlockType::Empty);
        sink.i32_const(0).global_set(unsaved.0);
        self.is_in(sink, State::Unwinding);
        sink.if_(BlockType::Empty);
        sink.local_get(base).local_get(bytes).at_add(self.memory).local_set(scratch);
        self.move_to_reserve(sink, (base, scratch), scratch + 1);
        self.set_state(sink, State::NoRoomReserve);
        sink.end().end();
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
        self.has_no_room(&mut sink, bytes, (pos, limit));
        sink.if_(BlockType::Empty);
        self.set_state(&mut sink, State::NoRoom);
        sink.i32_const(1).return_().end();
        sink.i32_const(0).end();
        body
    }

    /// Whether there is no room for so many `bytes`. Sets `pos` and `limit`, and uses the local behind them.
    fn has_no_room(&self, sink: &mut InstructionSink<'_>, bytes: u32, (pos, limit): (u32, u32)) {
        let memory = self.memory;
        // Anything else is a host that ended no rewind before it returned to the program.
        sink.global_get(self.state.0).i32_const(State::Unwinding.value()).i32_ne();
        trap_if(sink);
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.pos).local_tee(pos);
        self.first_frame(sink);
        sink.at_lt(memory);
        trap_if(sink);
        self.limit(sink, (limit, limit + 1));
        sink.local_tee(limit).local_get(pos).at_lt(memory);
        sink.local_get(limit).local_get(pos).at_sub(memory).local_get(bytes).at_lt(memory).i32_or();
    }

    /// Where the site's number is in the frame whose address is on the stack.
    fn site_of_frame(&self, sink: &mut InstructionSink<'_>, bytes: u32) {
        let memory = self.memory;
        sink.local_get(bytes).at_add(memory);
        sink.at_const(memory, u64::from(SITE_BYTES)).at_sub(memory);
    }

    pub(super) fn is_in(&self, sink: &mut InstructionSink<'_>, state: State) {
        sink.global_get(self.state.0).i32_const(state.value()).i32_eq();
    }

    /// `pop(bytes, before, sites) -> ordinal`: goes to the last frame. It must be one of the function's
    /// `sites` sites, and lie in the buffer.
    pub(super) fn pop_body(&self) -> Function {
        let (bytes, before, sites, in_reserve, base, ordinal) = (0, 1, 2, 3, 4, 5);
        let (memory, i32, address) = (self.memory, wasm_encoder::ValType::I32, self.address_type());
        let mut body = Function::new_with_locals_types([i32, address, i32, address, address]);
        let mut sink = body.instructions();
        // A host that calls an export before the unwind has ended.
        self.is_in(&mut sink, State::Unwinding);
        trap_if(&mut sink);
        self.is_in(&mut sink, State::NoRoomReserve);
        sink.local_tee(in_reserve).if_(BlockType::Empty);
        self.set_state(&mut sink, State::NoRoom);
        self.reserve(&mut sink);
        sink.local_set(base).else_();
        self.last_frame(&mut sink, (bytes, base), (6, 7));
        sink.end();
        sink.local_get(base);
        self.site_of_frame(&mut sink, bytes);
        sink.frame_load(memory, I32, 0).local_get(before).i32_sub().local_tee(ordinal);
        sink.i32_const(1).i32_sub().local_get(sites).i32_ge_u();
        trap_if(&mut sink);
        sink.local_get(base).global_set(self.globals.cursor.0);
        sink.local_get(in_reserve).i32_eqz().if_(BlockType::Empty);
        sink.global_get(self.globals.buffer.0)
            .local_get(base)
            .at_store(memory, self.layout.pos)
            .end();
        sink.local_get(ordinal).end();
        body
    }

    /// Sets `base` to the frame of so many `bytes` below `pos`; it must lie between the reserve and the limit. Uses two locals
    /// more.
    pub(super) fn last_frame(
        &self,
        sink: &mut InstructionSink<'_>,
        (bytes, base): (u32, u32),
        scratch: (u32, u32),
    ) {
        let memory = self.memory;
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.pos).local_tee(base);
        self.limit(sink, scratch);
        sink.at_gt(memory);
        sink.local_get(base);
        self.first_frame(sink);
        sink.at_lt(memory).i32_or();
        sink.local_get(base);
        self.first_frame(sink);
        sink.at_sub(memory).local_get(bytes).at_lt(memory).i32_or();
        trap_if(sink);
        sink.local_get(base).local_get(bytes).at_sub(memory).local_set(base);
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
