//! The bodies of `limit`, `push`, `push_always` and `pop`: room for frames is taken and given back here.
//!
//! All of them calculate with what is left, never with sums that could wrap.

use super::Runtime;
use super::address::AddressSink;
use super::protocol::trap_if;
use crate::abi::{SITE_BYTES, State};
use wasm_encoder::{BlockType, Function, InstructionSink};
use wasmparser::ValType::I32;

/// The parameters and locals of the functions that push.
mod push {
    pub(super) const ORDINAL: u32 = 0;
    pub(super) const BYTES: u32 = 1;
    pub(super) const BEFORE: u32 = 2;
    pub(super) const POS: u32 = 3;
    pub(super) const LIMIT: u32 = 4;
}

impl Runtime {
    /// `limit() -> address`: the address that no frame may reach beyond: the buffer's end or the
    /// memory's, whichever comes first. Both may be 2^32, which `pos` can't be; then it is 2^32 - 1. (With
    /// 64-bit addresses 2^64.)
    pub(super) fn limit_body(&self) -> Function {
        // The last addresses, since those don't wrap: an `end` of 0 is the largest of all.
        let (last, last_of_memory, memory) = (0, 1, self.memory);
        let mut body = Function::new([(2, self.address_type())]);
        let mut sink = body.instructions();
        sink.global_get(self.buffer.0).at_load(memory, self.layout.end);
        sink.at_const(memory, 1).at_sub(memory).local_tee(last);
        sink.memory_size(memory.index.0).at_const(memory, u64::from(memory.page_log2));
        sink.at_shl(memory).at_const(memory, 1).at_sub(memory).local_tee(last_of_memory);
        sink.local_get(last).local_get(last_of_memory).at_lt(memory).select().local_tee(last);
        sink.local_get(last).at_const(memory, u64::MAX).at_ne(memory).at_from_bool(memory);
        sink.at_add(memory).end();
        body
    }

    /// `push(ordinal, bytes, before) -> retry`: takes room for a frame of the site with this ordinal
    /// in a function that has `before` sites before it. Without room the unwind is undone: the state
    /// becomes 3, and the caller goes back to its site.
    pub(super) fn push_body(&self) -> Function {
        let mut body = Function::new([(2, self.address_type())]);
        let mut sink = body.instructions();
        sink.global_get(self.state.0).i32_const(State::NoRoom.value()).i32_eq();
        sink.if_(BlockType::Empty).i32_const(1).return_().end();
        self.has_no_room(&mut sink);
        sink.if_(BlockType::Empty);
        self.set_state(&mut sink, State::NoRoom);
        sink.i32_const(1).return_().end();
        self.take_room(&mut sink);
        sink.i32_const(0).end();
        body
    }

    /// `push_always(ordinal, bytes, before) -> undo`: as `push`, but without room the frame goes into
    /// the reserve, and the caller calls itself to take it from there.
    pub(super) fn push_always_body(&self) -> Function {
        let mut body = Function::new([(2, self.address_type())]);
        let mut sink = body.instructions();
        self.has_no_room(&mut sink);
        sink.if_(BlockType::Empty);
        // The host may have moved `end` since the unwind began.
        sink.local_get(push::LIMIT);
        self.first_frame(&mut sink);
        sink.at_lt(self.memory);
        trap_if(&mut sink);
        self.set_state(&mut sink, State::NoRoomReserve);
        self.first_frame(&mut sink);
        sink.local_get(push::BYTES).at_sub(self.memory).local_tee(push::POS);
        self.write_site(&mut sink);
        sink.i32_const(1).return_().end();
        self.take_room(&mut sink);
        sink.i32_const(0).end();
        body
    }

    /// Whether there is no room for the frame. Sets `POS` and `LIMIT`.
    fn has_no_room(&self, sink: &mut InstructionSink<'_>) {
        let memory = self.memory;
        // Anything else is a host that ended no rewind before it returned to the program.
        sink.global_get(self.state.0).i32_const(State::Unwinding.value()).i32_ne();
        trap_if(sink);
        sink.global_get(self.buffer.0).at_load(memory, self.layout.pos).local_tee(push::POS);
        self.first_frame(sink);
        sink.at_lt(memory);
        trap_if(sink);
        sink.call(self.limit.0).local_tee(push::LIMIT).local_get(push::POS).at_lt(memory);
        sink.local_get(push::LIMIT).local_get(push::POS).at_sub(memory);
        sink.local_get(push::BYTES).at_lt(memory).i32_or();
    }

    /// Takes the bytes from `POS` on for the frame, and moves `pos` behind them.
    fn take_room(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.buffer.0);
        sink.local_get(push::POS).local_get(push::BYTES).at_add(self.memory);
        sink.at_store(self.memory, self.layout.pos);
        sink.local_get(push::POS);
        self.write_site(sink);
    }

    /// Begins the frame whose address is on the stack and in `POS`: its site goes to its end.
    fn write_site(&self, sink: &mut InstructionSink<'_>) {
        let memory = self.memory;
        sink.global_set(self.cursor.0);
        sink.local_get(push::POS).local_get(push::BYTES).at_add(memory);
        sink.at_const(memory, u64::from(SITE_BYTES)).at_sub(memory);
        sink.local_get(push::ORDINAL).local_get(push::BEFORE).i32_add();
        sink.frame_store(memory, I32, 0);
    }

    /// `pop(bytes, before, sites) -> ordinal`: goes to the last frame. It must be one of the function's
    /// `sites` sites, and lie in the buffer.
    pub(super) fn pop_body(&self) -> Function {
        let (bytes, before, sites, in_reserve, top, ordinal) = (0, 1, 2, 3, 4, 5);
        let (memory, i32) = (self.memory, wasm_encoder::ValType::I32);
        let mut body = Function::new_with_locals_types([i32, self.address_type(), i32]);
        let mut sink = body.instructions();
        // A host that calls an export before the unwind has ended.
        sink.global_get(self.state.0).i32_const(State::Unwinding.value()).i32_eq();
        trap_if(&mut sink);
        sink.global_get(self.state.0).i32_const(State::NoRoomReserve.value()).i32_eq();
        sink.local_tee(in_reserve).if_(BlockType::Empty);
        self.set_state(&mut sink, State::NoRoom);
        self.first_frame(&mut sink);
        sink.local_set(top);
        sink.else_();
        sink.global_get(self.buffer.0).at_load(memory, self.layout.pos).local_tee(top);
        sink.call(self.limit.0).at_gt(memory);
        sink.local_get(top);
        self.first_frame(&mut sink);
        sink.at_lt(memory).i32_or();
        sink.local_get(top);
        self.first_frame(&mut sink);
        sink.at_sub(memory).local_get(bytes).at_lt(memory).i32_or();
        trap_if(&mut sink);
        sink.end();
        sink.local_get(top).at_const(memory, u64::from(SITE_BYTES)).at_sub(memory);
        sink.frame_load(memory, I32, 0);
        sink.local_get(before).i32_sub().local_tee(ordinal);
        sink.i32_const(1).i32_sub().local_get(sites).i32_ge_u();
        trap_if(&mut sink);
        sink.local_get(top).local_get(bytes).at_sub(memory).global_set(self.cursor.0);
        sink.local_get(in_reserve).i32_eqz().if_(BlockType::Empty);
        sink.global_get(self.buffer.0).global_get(self.cursor.0);
        sink.at_store(memory, self.layout.pos).end();
        sink.local_get(ordinal).end();
        body
    }
}
