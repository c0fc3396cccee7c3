//! Guards: after a call that must not unwind, a test of the state, and nothing else changes.
//!
//! ```wat
//! call $f
//! global.get $state
//! if
//!   call $wpk_fork_unprepared   ;; traps
//! end
//! ```
//!
//! The trap comes before the program could see what an unwind made of it: the callee has returned a
//! dummy, which nobody has looked at. The stack of the trap names the function.
//!
//! A tail call becomes the call that it would have made, with a `return` behind the test: both discard
//! the operands below the results.

use super::runtime;
use crate::abi::Abi;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx};
use crate::plan::GuardPlan;
use crate::read::Module;
use wasm_encoder::{BlockType, InstructionSink};
use wasmparser::Operator;

/// What every guard of a module does.
pub(super) struct Guard {
    state: GlobalIdx,
    /// The function that traps.
    unprepared: FuncIdx,
}

/// A guarded function.
pub(super) struct Guarded {
    /// Its body, without the size in front.
    pub body: Vec<u8>,
    /// For each guarded call how many bytes its guard adds.
    pub added: Vec<usize>,
}

impl Guard {
    pub(super) fn new(module: &Module<'_>, abi: Abi) -> Guard {
        Guard { state: runtime::state(module), unprepared: runtime::unprepared(module, abi) }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut sink = InstructionSink::new(out);
        sink.global_get(self.state.0).if_(BlockType::Empty).call(self.unprepared.0).end();
    }

    /// Rewrites a function that only gets guards.
    pub(super) fn rewrite(&self, module: &Module<'_>, plan: &GuardPlan) -> Result<Guarded> {
        let body = module.body(plan.func).expect("only defined functions are guarded");
        let range = body.range().start as usize..body.range().end as usize;
        let misread = |error| Error::misread(&error);
        let mut out = Vec::with_capacity(range.len() + plan.calls.len() * 10);
        let mut added = Vec::with_capacity(plan.calls.len());
        let mut copied = range.start;
        let mut calls = plan.calls.iter().peekable();
        let mut reader = body.get_operators_reader().map_err(misread)?;
        while !reader.eof() {
            let offset = reader.original_position() as u32;
            let operator = reader.read().map_err(misread)?;
            let Some(guarded) = calls.next_if(|call| call.offset == offset) else {
                continue;
            };
            let end = reader.original_position() as usize;
            let before = out.len() + (end - copied);
            let kept = if guarded.tail { offset as usize } else { end };
            out.extend_from_slice(&module.bytes[copied..kept]);
            copied = end;
            if guarded.tail {
                call(&operator, &mut InstructionSink::new(&mut out))?;
            }
            self.write(&mut out);
            if guarded.tail {
                InstructionSink::new(&mut out).return_();
            }
            added.push(out.len() - before);
        }
        out.extend_from_slice(&module.bytes[copied..range.end]);
        Ok(Guarded { body: out, added })
    }
}

/// The call that a tail call makes.
fn call(operator: &Operator<'_>, sink: &mut InstructionSink<'_>) -> Result<()> {
    match *operator {
        Operator::ReturnCall { function_index } => sink.call(function_index),
        Operator::ReturnCallIndirect { type_index, table_index } => {
            sink.call_indirect(table_index, type_index)
        }
        Operator::ReturnCallRef { type_index } => sink.call_ref(type_index),
        _ => return Err(Error::Internal("a guarded tail call is none".into())),
    };
    Ok(())
}
