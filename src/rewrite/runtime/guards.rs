//! What guards call. All of it is cold, but for what calls imports.
//!
//! | function | what it does |
//! |---|---|
//! | `unprepared_trap()` | traps, so that the stack names its caller |
//! | `undo_unprepared(func)` | notes the function, and undoes the unwind |
//! | `wpk_fork_unprepared() -> func` | tells the host which function was noted last; -1 if none was since the last unwind began |
//! | `again…(kept…, func) -> results` | undoes the unwind, and calls again what has begun it |
//! | the same from the first call on, `(kept…, func) -> results` | calls, and as long as that unwinds undoes it and calls again |

use super::protocol::trap_if;
use super::{Protocol, Runtime};
use crate::abi::State;
use crate::index::{FuncIdx, GlobalIdx};
use crate::plan::{Guards, Plan, Repeat, RepeatOrdinal, Repeated};
use crate::read::Module;
use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

/// Where the functions are that guards call: behind those that every module gets.
#[derive(Clone, Copy)]
pub(in crate::rewrite) struct GuardFuncs {
    /// The first of them.
    first: FuncIdx,
    /// Whether one traps.
    traps: bool,
}

impl GuardFuncs {
    pub fn of(module: &Module<'_>, protocol: Protocol<'_>, guards: &Guards) -> GuardFuncs {
        GuardFuncs {
            first: super::private(module, protocol, super::PRIVATE.len()),
            traps: guards.trap(),
        }
    }

    /// The function that traps.
    pub fn trap(self) -> FuncIdx {
        self.first
    }

    /// The function that notes who was not prepared, and undoes the unwind.
    fn undo(self) -> FuncIdx {
        FuncIdx(self.first.0 + u32::from(self.traps))
    }

    /// The function that calls again.
    pub fn repeat(self, ordinal: RepeatOrdinal) -> FuncIdx {
        // Behind the one for the host.
        FuncIdx(self.undo().0 + 2 + ordinal.0)
    }
}

impl Runtime {
    /// Appends what the guards of the plan call.
    pub(super) fn append_guard_funcs(&mut self, module: &Module<'_>, plan: &Plan) {
        let funcs = GuardFuncs::of(module, (plan.abi, &plan.operations), &plan.guards);
        if funcs.traps {
            let mut trap = Function::new([]);
            trap.instructions().unreachable().end();
            let index = self.add_private("unprepared_trap", vec![], vec![], trap);
            assert_eq!(index, funcs.trap(), "it comes after what all modules get");
        }
        let Some(noted) = self.unprepared else { return };
        let undo = self.undo_unprepared(noted);
        let undo = self.add_private("undo_unprepared", vec![ValType::I32], vec![], undo);
        assert_eq!(undo, funcs.undo(), "it comes after what all modules get");
        let mut getter = Function::new([]);
        getter.instructions().global_get(noted.0).i32_const(1).i32_sub().end();
        self.add(self.abi.unprepared().to_owned(), vec![], vec![ValType::I32], getter);
        self.funcs.last_mut().expect("just added").exported = true;
        for (ordinal, repeat) in (0..).zip(&plan.guards.repeats) {
            self.append_repeat(module, ordinal, repeat, undo);
        }
    }

    fn undo_unprepared(&self, noted: GlobalIdx) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.local_get(0).i32_const(1).i32_add().global_set(noted.0);
        self.undo(&mut sink);
        sink.end();
        body
    }

    /// The unwind that has begun is undone, or had no room.
    pub(super) fn undo(&self, sink: &mut InstructionSink<'_>) {
        // Anything else is a host that ended no rewind before it returned to the program.
        for (position, state) in [State::Unwinding, State::NoRoom].into_iter().enumerate() {
            sink.global_get(self.state.0).i32_const(state.value()).i32_ne();
            if position > 0 {
                sink.i32_and();
            }
        }
        trap_if(sink);
        self.set_state(sink, State::NoRoom);
    }

    /// No function was found unprepared for the unwind that begins.
    pub(super) fn forget_unprepared(&self, sink: &mut InstructionSink<'_>) {
        if let Some(noted) = self.unprepared {
            sink.i32_const(0).global_set(noted.0);
        }
    }

    fn append_repeat(&mut self, module: &Module<'_>, ordinal: u32, repeat: &Repeat, undo: FuncIdx) {
        let kept = repeat.kept(module);
        let ty = repeat.callee.func_type(module);
        let [mut params, results]: [Vec<_>; 2] = [&kept[..], ty.results()]
            .map(|types| types.iter().map(|ty| self.types.val_type(*ty)).collect());
        params.push(ValType::I32);
        let block = self.block_type(&results);
        let func = kept.len() as u32;
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.loop_(block);
        if !repeat.begins {
            sink.local_get(func).call(undo.0);
        }
        let of_callee = ty.params();
        if repeat.keeps_arguments {
            (0..of_callee.len() as u32).for_each(|param| _ = sink.local_get(param));
        } else {
            self.dummies(of_callee, &mut sink);
        }
        call_chosen(repeat.callee, func.wrapping_sub(1), &mut sink);
        sink.global_get(self.state.0);
        if repeat.begins {
            sink.if_(BlockType::Empty).local_get(func).call(undo.0).br(1).end();
        } else {
            sink.br_if(0);
        }
        sink.end().end();
        self.add_private(&format!("again{ordinal}"), params, results, body);
    }
}

/// The call, of what the local `chosen` says where there is a choice.
fn call_chosen(callee: Repeated, chosen: u32, sink: &mut InstructionSink<'_>) {
    match callee {
        Repeated::Import(func) | Repeated::Func(func) => sink.call(func.0),
        Repeated::Slot(table, ty) => sink.local_get(chosen).call_indirect(table.0, ty.0),
        Repeated::Ref(ty) => sink.local_get(chosen).call_ref(ty.0),
    };
}
