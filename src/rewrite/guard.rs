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

use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::plan::GuardPlan;
use crate::read::Module;
use wasm_encoder::{BlockType, InstructionSink};
use wasmparser::Operator;

/// The body of a guarded function, without the size in front.
pub(super) fn guarded_body(
    module: &Module<'_>,
    plan: &GuardPlan,
    runtime: &Runtime,
) -> Result<Vec<u8>> {
    let body = module.body(plan.func).expect("only defined functions are guarded");
    let range = body.range().start as usize..body.range().end as usize;
    let misread = |error| Error::misread(&error);
    let unprepared = runtime.unprepared.expect("laid out where there are guards");
    let mut out = Vec::with_capacity(range.len() + plan.calls.len() * 10);
    let mut copied = range.start;
    let mut calls = plan.calls.iter().peekable();
    let mut reader = body.get_operators_reader().map_err(misread)?;
    while !reader.eof() {
        let offset = reader.original_position() as u32;
        let operator = reader.read().map_err(misread)?;
        let Some(guard) = calls.next_if(|call| call.offset == offset) else {
            continue;
        };
        let end = reader.original_position() as usize;
        let kept = if guard.tail { offset as usize } else { end };
        out.extend_from_slice(&module.bytes[copied..kept]);
        copied = end;
        let mut sink = InstructionSink::new(&mut out);
        if guard.tail {
            call(&operator, &mut sink)?;
        }
        sink.global_get(runtime.state.0).if_(BlockType::Empty).call(unprepared.0).end();
        if guard.tail {
            sink.return_();
        }
    }
    out.extend_from_slice(&module.bytes[copied..range.end]);
    Ok(out)
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
