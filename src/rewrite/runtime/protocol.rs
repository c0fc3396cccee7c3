//! The bodies of the functions that the host calls.

use super::Runtime;
use super::address::AddressSink;
use crate::abi::{Abi, Operation, State};
use std::ops::RangeInclusive;
use wasm_encoder::{BlockType, Function, InstructionSink};

impl Runtime {
    /// The function for an operation of the protocol.
    pub(super) fn operation(&self, abi: Abi, operation: Operation) -> Function {
        let locals = match (abi, operation) {
            (Abi::WpkFork, Operation::BeginUnwind) => 1,
            (Abi::WpkFork, Operation::BeginResume) => 2,
            (Abi::WpkFork, _) => 0,
        };
        let mut body = Function::new((locals > 0).then_some((locals, self.address_type())));
        let mut sink = body.instructions();
        // `rewind_begin` leaves the test to `resume_begin`.
        if let (Some(states), true) = (abi.permits(operation), operation != Operation::BeginRewind)
        {
            self.trap_unless(&mut sink, &states);
        }
        match (abi, operation) {
            (Abi::WpkFork, Operation::BeginUnwind) => self.begin_unwind(&mut sink),
            (Abi::WpkFork, Operation::BeginRewind) => self.begin_rewind(&mut sink),
            (Abi::WpkFork, Operation::BeginResume) => self.begin_resume(&mut sink),
            (Abi::WpkFork, Operation::EndUnwind | Operation::EndRewind) => {
                self.set_state(&mut sink, State::Normal);
            }
            (Abi::WpkFork, Operation::GetState) => _ = sink.global_get(self.state.0),
        }
        sink.end();
        body
    }

    /// Without room for the globals and the reserve, nothing is written, and the entry is called again at
    /// once.
    fn begin_unwind(&self, sink: &mut InstructionSink<'_>) {
        let (buffer, limit, memory) = (0, 1, self.memory);
        sink.local_get(buffer).global_set(self.buffer.0);
        self.buffer_is_too_small(sink, buffer, limit);
        sink.if_(BlockType::Empty);
        self.set_state(sink, State::NoRoom);
        sink.return_().end();
        self.set_state(sink, State::Unwinding);
        sink.local_get(buffer);
        self.first_frame(sink);
        sink.at_store(memory, self.layout.pos);
        for global in &self.layout.globals {
            sink.local_get(buffer).global_get(global.index.0);
            sink.frame_store(memory, global.ty, global.offset);
        }
    }

    /// As [`Runtime::begin_resume`], and restores the globals.
    fn begin_rewind(&self, sink: &mut InstructionSink<'_>) {
        sink.local_get(0).call(self.begin_resume.0);
        for global in &self.layout.globals {
            sink.local_get(0).frame_load(self.memory, global.ty, global.offset);
            sink.global_set(global.index.0);
        }
    }

    /// Traps if no unwind can have left the buffer like this.
    fn begin_resume(&self, sink: &mut InstructionSink<'_>) {
        let (buffer, limit, pos, memory) = (0, 1, 2, self.memory);
        sink.local_get(buffer).global_set(self.buffer.0);
        self.buffer_is_too_small(sink, buffer, limit);
        trap_if(sink);
        sink.local_get(buffer).at_load(memory, self.layout.pos).local_tee(pos);
        sink.local_get(limit).at_gt(memory);
        sink.local_get(pos);
        self.first_frame(sink);
        sink.at_lt(memory).i32_or();
        trap_if(sink);
        self.set_state(sink, State::Rewinding);
    }

    fn trap_unless(&self, sink: &mut InstructionSink<'_>, states: &RangeInclusive<State>) {
        sink.global_get(self.state.0);
        match (*states.start(), *states.end()) {
            (State::Normal, State::Normal) => {}
            (first, State::NoRoomReserve) => _ = sink.i32_const(first.value()).i32_lt_u(),
            (first, last) if first == last => _ = sink.i32_const(first.value()).i32_ne(),
            (first, last) => {
                sink.i32_const(first.value()).i32_sub();
                sink.i32_const(last.value() - first.value()).i32_gt_u();
            }
        }
        trap_if(sink);
    }

    pub(super) fn set_state(&self, sink: &mut InstructionSink<'_>, state: State) {
        sink.i32_const(state.value()).global_set(self.state.0);
    }

    /// Whether the buffer ends before the first frame's place. Sets `limit`.
    fn buffer_is_too_small(&self, sink: &mut InstructionSink<'_>, buffer: u32, limit: u32) {
        let memory = self.memory;
        sink.call(self.limit.0).local_tee(limit).local_get(buffer).at_lt(memory);
        sink.local_get(limit).local_get(buffer).at_sub(memory);
        sink.at_const(memory, self.layout.frames).at_lt(memory).i32_or();
    }

    /// The address of the first frame. It doesn't wrap: the buffer was found to be large enough.
    pub(super) fn first_frame(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.buffer.0)
            .at_const(self.memory, self.layout.frames)
            .at_add(self.memory);
    }
}

pub(super) fn trap_if(sink: &mut InstructionSink<'_>) {
    sink.if_(BlockType::Empty).unreachable().end();
}
