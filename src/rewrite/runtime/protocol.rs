//! The bodies of the functions that the host calls.

use super::Runtime;
use super::address::AddressSink;
use crate::abi::{Abi, MARK_BYTES, Operation, State};
use std::ops::RangeInclusive;
use wasm_encoder::{BlockType, Function, InstructionSink};

impl Runtime {
    /// The function for an operation of the protocol.
    pub(super) fn operation(&self, abi: Abi, operation: Operation) -> Function {
        let locals = match (abi, operation) {
            (Abi::WpkFork | Abi::WpkForkMain, Operation::BeginUnwind) => 1,
            (Abi::WpkFork | Abi::WpkForkMain, Operation::BeginResume) => 2,
            (Abi::WpkForkSide, Operation::BeginUnwind) => 1,
            _ => 0,
        };
        let mut body = Function::new((locals > 0).then_some((locals, self.address_type())));
        let mut sink = body.instructions();
        if abi.is_asyncify() {
            self.as_asyncify_does(&mut sink, operation);
            sink.end();
            return body;
        }
        // `rewind_begin` leaves the test to `resume_begin`.
        let is_join = (abi, operation) == (Abi::WpkForkSide, Operation::BeginUnwind);
        if is_join {
            // There is no room for what the main module saves: nothing is to be done here.
            self.is_in(&mut sink, State::NoRoom);
            sink.if_(BlockType::Empty).return_().end();
        }
        if let (Some(states), true) = (abi.permits(operation), operation != Operation::BeginRewind)
        {
            self.trap_unless(&mut sink, &states);
        }
        if operation == Operation::BeginUnwind {
            self.forget_unprepared(&mut sink);
        }
        match (abi, operation) {
            (_, Operation::EndUnwind | Operation::EndRewind) => {
                self.set_state(&mut sink, State::Normal);
            }
            (_, Operation::GetState) => _ = sink.global_get(self.state.0),
            (Abi::WpkForkSide, Operation::BeginUnwind) => self.join_unwind(&mut sink),
            (Abi::WpkForkSide, Operation::BeginRewind) => self.join_rewind(&mut sink),
            (Abi::WpkForkSide, Operation::BeginResume) => self.join_resume(&mut sink),
            (_, Operation::BeginUnwind) => self.begin_unwind(&mut sink),
            (_, Operation::BeginRewind) => self.begin_rewind(&mut sink),
            (_, Operation::BeginResume) => self.begin_resume(&mut sink),
        }
        sink.end();
        body
    }

    /// Sets the state and, where it is given, the buffer; traps if the stack has overflown its buffer.
    fn as_asyncify_does(&self, sink: &mut InstructionSink<'_>, operation: Operation) {
        let state = match operation {
            Operation::BeginUnwind => State::Unwinding,
            Operation::BeginRewind | Operation::BeginResume => State::Rewinding,
            Operation::EndUnwind | Operation::EndRewind => State::Normal,
            Operation::GetState => {
                sink.global_get(self.state.0);
                return;
            }
        };
        let (buffer, memory) = (self.globals.buffer.0, self.memory);
        self.set_state(sink, state);
        if state != State::Normal {
            sink.local_get(0).global_set(buffer);
        }
        sink.global_get(buffer).at_load(memory, self.layout.pos);
        sink.global_get(buffer).at_load(memory, self.layout.end).at_gt(memory);
        trap_if(sink);
    }

    /// Without room for the globals and the reserve, nothing is written, and the entry is called again at
    /// once.
    fn begin_unwind(&self, sink: &mut InstructionSink<'_>) {
        let (buffer, limit, memory) = (0, 1, self.memory);
        sink.local_get(buffer).global_set(self.globals.buffer.0);
        self.buffer_is_too_small(sink, buffer, limit);
        sink.if_(BlockType::Empty);
        self.set_state(sink, State::NoRoom);
        sink.return_().end();
        self.set_state(sink, State::Unwinding);
        self.set_bottom(sink);
        sink.local_get(buffer);
        self.first_frame(sink);
        sink.at_store(memory, self.layout.pos);
        for global in &self.layout.globals {
            sink.local_get(buffer).global_get(global.index.0);
            sink.frame_store(memory, global.ty, global.offset);
        }
        self.unlink_all(sink);
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
        sink.local_get(buffer).global_set(self.globals.buffer.0);
        self.buffer_is_too_small(sink, buffer, limit);
        trap_if(sink);
        self.set_bottom(sink);
        sink.local_get(buffer).at_load(memory, self.layout.pos).local_tee(pos);
        sink.local_get(limit).at_gt(memory);
        sink.local_get(pos);
        self.first_frame(sink);
        sink.at_lt(memory).i32_or();
        trap_if(sink);
        self.set_state(sink, State::Rewinding);
    }

    pub(super) fn trap_unless(
        &self,
        sink: &mut InstructionSink<'_>,
        states: &RangeInclusive<State>,
    ) {
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

    /// The main module says where frames would go if it were alone.
    pub(super) fn set_bottom(&self, sink: &mut InstructionSink<'_>) {
        if let (Abi::WpkForkMain, Some(bottom)) = (self.abi, self.globals.bottom) {
            self.in_buffer(sink, self.layout.frames);
            sink.global_set(bottom.0);
        }
    }

    /// The address at this offset of the buffer. It doesn't wrap: the buffer was found to be large enough.
    fn in_buffer(&self, sink: &mut InstructionSink<'_>, offset: u64) {
        sink.global_get(self.globals.buffer.0).at_const(self.memory, offset).at_add(self.memory);
    }

    /// The address of the first frame.
    pub(super) fn first_frame(&self, sink: &mut InstructionSink<'_>) {
        match self.globals.bottom {
            Some(bottom) => _ = sink.global_get(bottom.0),
            // Only the host knows.
            None if self.abi.is_asyncify() => _ = sink.at_const(self.memory, 0),
            None => self.in_buffer(sink, self.layout.frames),
        }
    }

    /// The address in the reserve where the slots of a frame lie for which there is no room.
    pub(super) fn reserve(&self, sink: &mut InstructionSink<'_>) {
        self.in_own_part(sink, self.layout.reserve + u64::from(MARK_BYTES));
    }

    /// The address of its mark, in front of them: nothing in the reserve tells how large the frame is but for the mark.
    pub(super) fn reserved_mark(&self, sink: &mut InstructionSink<'_>) {
        self.in_own_part(sink, self.layout.reserve);
    }

    /// The address at this offset of the module's own part of the buffer.
    fn in_own_part(&self, sink: &mut InstructionSink<'_>, offset: u64) {
        match self.globals.home {
            None => self.in_buffer(sink, offset),
            Some(home) => {
                sink.global_get(home.0).at_const(self.memory, offset).at_add(self.memory);
            }
        }
    }

    /// A side module saves its globals where the first frame would go. Without room for them the unwind ends here, as for
    /// the main module's.
    fn join_unwind(&self, sink: &mut InstructionSink<'_>) {
        let (limit, memory, size) = (0, self.memory, self.layout.frames);
        let (buffer, bottom) = (self.globals.buffer.0, self.bottom());
        // Frames are there already.
        sink.global_get(buffer).at_load(memory, self.layout.pos).global_get(bottom).at_ne(memory);
        trap_if(sink);
        sink.call(self.limit.0).local_tee(limit).global_get(bottom).at_lt(memory);
        sink.local_get(limit).global_get(bottom).at_sub(memory);
        sink.at_const(memory, size).at_lt(memory).i32_or().if_(BlockType::Empty);
        self.set_state(sink, State::NoRoom);
        sink.return_().end();
        self.settle(sink);
        sink.global_get(buffer).global_get(bottom).at_store(memory, self.layout.pos);
        for global in &self.layout.globals {
            sink.global_get(self.home()).global_get(global.index.0);
            sink.frame_store(memory, global.ty, global.offset);
        }
        self.unlink_all(sink);
    }

    /// As [`Runtime::join_resume`], and restores the globals.
    fn join_rewind(&self, sink: &mut InstructionSink<'_>) {
        sink.call(self.begin_resume.0);
        for global in &self.layout.globals {
            sink.global_get(self.home()).frame_load(self.memory, global.ty, global.offset);
            sink.global_set(global.index.0);
        }
    }

    /// A side module finds its part again. Traps if it can't be there.
    fn join_resume(&self, sink: &mut InstructionSink<'_>) {
        let (memory, bottom) = (self.memory, self.bottom());
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.pos);
        sink.global_get(bottom).at_lt(memory);
        sink.global_get(self.globals.buffer.0).at_load(memory, self.layout.pos);
        sink.global_get(bottom).at_sub(memory);
        sink.at_const(memory, self.layout.frames).at_lt(memory).i32_or();
        trap_if(sink);
        self.settle(sink);
    }

    /// The module's part begins where the first frame would go, which goes behind it.
    pub(super) fn settle(&self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.bottom()).global_set(self.home());
        sink.global_get(self.bottom()).at_const(self.memory, self.layout.frames);
        sink.at_add(self.memory).global_set(self.bottom());
    }

    /// Traps unless a side module has joined this unwind: nothing of it would have been saved.
    pub(super) fn trap_unless_joined(&self, sink: &mut InstructionSink<'_>) {
        let Some(home) = self.globals.home else {
            return;
        };
        let memory = self.memory;
        sink.global_get(home.0).global_get(self.globals.buffer.0).at_lt(memory);
        sink.global_get(home.0).global_get(self.bottom()).at_gt(memory).i32_or();
        trap_if(sink);
    }

    fn bottom(&self) -> u32 {
        self.globals.bottom.expect("side modules share it").0
    }

    fn home(&self) -> u32 {
        self.globals.home.expect("side modules have one").0
    }
}

pub(super) fn trap_if(sink: &mut InstructionSink<'_>) {
    sink.if_(BlockType::Empty).unreachable().end();
}
