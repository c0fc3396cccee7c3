//! Tail calls: the functions by which a rewind finds out whose frame is on top, and goes on there.
//!
//! ```wat
//! (func $tails_0 (result i32) (local $owner i32)
//!   (local.set $owner (call $top))
//!   (if (i32.ge_u (local.get $owner) (i32.const 8))         ;; the index of $h
//!     (then (if (i32.ne (local.get $owner) (i32.const 8)) (then unreachable))
//!           (return_call $h.resume))
//!     (else (if (i32.ne (local.get $owner) (i32.const 7)) (then unreachable))
//!           (return_call $g (i32.const 0))))
//!   unreachable)
//! ```
//!
//! What is tail-called owns the frame, so nothing is handed on twice.

use super::Runtime;
use super::protocol::trap_if;
use crate::abi::State;
use crate::index::FuncIdx;
use crate::plan::{FuncPlan, Plan, TailGroup, TailGroupOrdinal};
use crate::read::Module;
use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

/// The functions that are appended for tail calls.
#[derive(Default)]
pub(super) struct TailFuncs {
    other: Option<FuncIdx>,
    lookups: Vec<FuncIdx>,
}

impl Runtime {
    /// Whether the frame on top is another function's, for functions in place.
    pub fn other(&self) -> FuncIdx {
        self.tails.other.expect("laid out where functions hand on")
    }

    /// What looks up the owner of the frame on top, and goes on there.
    pub fn lookup(&self, group: TailGroupOrdinal) -> FuncIdx {
        self.tails.lookups[group.0 as usize]
    }

    /// How many functions [`Runtime::append_tails`] appends.
    pub(super) fn tail_funcs(plan: &Plan) -> u32 {
        match plan.tails.groups.len() {
            0 => 0,
            groups => 2 + groups as u32,
        }
    }

    /// Appends them; resume functions have their numbers.
    pub(super) fn append_tails(&mut self, module: &Module<'_>, plan: &Plan) {
        if plan.tails.groups.is_empty() {
            return;
        }
        let i32 = ValType::I32;
        let top = self.add_private("top", vec![], vec![i32], self.top_body());
        let other = self.other_body(top);
        self.tails.other = Some(self.add_private("other", vec![i32], vec![i32], other));
        for (ordinal, group) in plan.tails.groups.iter().enumerate() {
            let results = group.results.iter().map(|ty| self.types.val_type(*ty)).collect();
            let body = self.lookup_body(module, plan, group, top);
            let lookup = self.add_private(&format!("tails_{ordinal}"), vec![], results, body);
            self.tails.lookups.push(lookup);
        }
    }

    /// `top() -> func`: the function that the frame on top is of, -1 if it is another module's.
    fn top_body(&self) -> Function {
        let (pos, mark, address) = (0, 1, self.address_type());
        let mut body = Function::new_with_locals_types([address, ValType::I64, address, address]);
        let mut sink = body.instructions();
        // A host that calls an export before the unwind has ended.
        self.is_in(&mut sink, State::Unwinding);
        trap_if(&mut sink);
        self.last_mark(&mut sink, (pos, mark), (2, 3));
        self.owner(&mut sink, mark);
        sink.end();
        body
    }

    /// `other(func) -> bool`: whether the frame on top is another function's. One in the reserve belongs to the function that is
    /// called.
    fn other_body(&self, top: FuncIdx) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        self.is_in(&mut sink, State::NoRoomReserve);
        sink.if_(BlockType::Empty).i32_const(0).return_().end();
        sink.call(top.0).local_get(0).i32_ne().end();
        body
    }

    fn lookup_body(
        &self,
        module: &Module<'_>,
        plan: &Plan,
        group: &TailGroup,
        top: FuncIdx,
    ) -> Function {
        let find = |func: &FuncIdx| {
            let position = plan.funcs.binary_search_by_key(func, |plan| plan.func);
            &plan.funcs[position.expect("members have plans")]
        };
        let members: Vec<_> = group.members.iter().map(find).collect();
        let mut body = Function::new([(1, ValType::I32)]);
        let mut sink = body.instructions();
        sink.call(top.0).local_set(0);
        self.look_up(&mut sink, module, &members);
        sink.unreachable().end();
        body
    }

    /// Goes on in the one of `members` that local 0 says. Members are in order.
    fn look_up(&self, sink: &mut InstructionSink<'_>, module: &Module<'_>, members: &[&FuncPlan]) {
        match members {
            [] => {}
            [member] => self.go_on(sink, module, member),
            _ => {
                let (lower, upper) = members.split_at(members.len() / 2);
                sink.local_get(0).i32_const(upper[0].func.0 as i32).i32_ge_u();
                sink.if_(BlockType::Empty);
                self.look_up(sink, module, upper);
                sink.else_();
                self.look_up(sink, module, lower);
                sink.end();
            }
        }
    }

    fn go_on(&self, sink: &mut InstructionSink<'_>, module: &Module<'_>, member: &FuncPlan) {
        sink.local_get(0).i32_const(member.func.0 as i32).i32_ne();
        trap_if(sink);
        if self.has_resume(member.func) {
            return self.return_call_resume(member.func, sink);
        }
        self.dummies(module.func_type(member.func).params(), sink);
        sink.return_call(member.func.0);
    }
}
