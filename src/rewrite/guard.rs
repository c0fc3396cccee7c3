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
use crate::abi::{Abi, StateGlobals};
use crate::analyze;
use crate::emit::{Edited, Splice, leb_len};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx};
use crate::plan::GuardPlan;
use crate::read::Module;
use crate::work;
use wasm_encoder::{BlockType, InstructionSink};
use wasmparser::Operator;

/// What every guard of a module does.
pub(super) struct Guard {
    state: GlobalIdx,
    /// The function that traps.
    unprepared: FuncIdx,
    /// Whether it is noted where the input's code is in the output.
    maps_offsets: bool,
}

impl Guard {
    pub(super) fn new(module: &Module<'_>, abi: Abi, maps_offsets: bool) -> Guard {
        let state = StateGlobals::of(module, abi).state;
        let unprepared = runtime::unprepared(module, abi);
        Guard { state, unprepared, maps_offsets }
    }

    fn write(&self, mut sink: InstructionSink<'_>) {
        sink.global_get(self.state.0).if_(BlockType::Empty).call(self.unprepared.0).end();
    }

    /// Rewrites the body of a function that only gets guards.
    pub(super) fn rewrite(&self, module: &Module<'_>, plan: &GuardPlan) -> Result<Edited> {
        let body =
            module.funcs[plan.func].body.clone().expect("only defined functions are guarded");
        let mut out =
            Splice::new(module.bytes, body.len() + plan.calls.len() * 10, self.maps_offsets);
        let mut rest = body.start;
        for guarded in &plan.calls {
            work::count(1);
            let located = module.operator_at(plan.func, guarded.offset)?;
            let at = located.range();
            if guarded.tail {
                out.copy(rest..at.start);
                call(&located.operator, &mut out.sink_for(at.start))?;
                self.write(out.sink());
                out.sink().return_();
            } else {
                out.copy(rest..at.end);
                self.write(out.sink());
            }
            rest = at.end;
        }
        out.copy(rest..body.end);
        Ok(out.finish())
    }

    /// By how many bytes a guard makes its function's body longer: nothing is written to find out.
    pub(super) fn cost(
        &self,
        module: &Module<'_>,
        func: FuncIdx,
        guarded: analyze::GuardedCall,
    ) -> Result<usize> {
        let leb = |number: u32| leb_len(number as usize);
        // `global.get`, `if` with its block type, `call`, `end`.
        let test = 1 + leb(self.state.0) + 2 + 1 + leb(self.unprepared.0) + 1;
        if !guarded.tail {
            return Ok(test);
        }
        let located = module.operator_at(func, guarded.offset)?;
        let call = match located.operator {
            Operator::ReturnCall { function_index } => 1 + leb(function_index),
            Operator::ReturnCallIndirect { type_index, table_index } => {
                1 + leb(type_index) + leb(table_index)
            }
            Operator::ReturnCallRef { type_index } => 1 + leb(type_index),
            _ => return Err(no_tail_call()),
        };
        // The tail call may be spelled longer than need be, but for the call and `return` never shorter.
        Ok(call + test + 1 - located.range().len())
    }
}

/// The call that a tail call makes.
pub(super) fn call(operator: &Operator<'_>, sink: &mut InstructionSink<'_>) -> Result<()> {
    match *operator {
        Operator::ReturnCall { function_index } => sink.call(function_index),
        Operator::ReturnCallIndirect { type_index, table_index } => {
            sink.call_indirect(table_index, type_index)
        }
        Operator::ReturnCallRef { type_index } => sink.call_ref(type_index),
        _ => return Err(no_tail_call()),
    };
    Ok(())
}

fn no_tail_call() -> Error {
    Error::Internal("a guarded tail call is none".into())
}

#[cfg(test)]
mod tests {
    use super::Guard;
    use crate::abi::Abi;
    use crate::analyze;
    use crate::index::FuncIdx;
    use crate::plan::GuardPlan;
    use crate::read::{Located, Module};
    use wasmparser::Operator;

    /// Operands of `width` bytes each, 0 for 0.
    fn zeros(count: usize, width: usize) -> Vec<u8> {
        let zero: Vec<u8> = (1..=width).map(|at| if at < width { 0x80 } else { 0 }).collect();
        zero.repeat(count)
    }

    /// A vector of the binary format.
    fn vector(items: &[Vec<u8>]) -> Vec<u8> {
        [padded(items.len()), items.concat()].concat()
    }

    /// A number in five bytes, as linkers leave it.
    fn padded(number: usize) -> Vec<u8> {
        let byte = |at: u32| (number >> (7 * at)) as u8 & 0x7f;
        (0..5).map(|at| byte(at) | if at < 4 { 0x80 } else { 0 }).collect()
    }

    /// A module with a global and a function for each of `count`, and then functions with a call of each kind, whose
    /// operands are `width` bytes long.
    fn module(count: usize, width: usize) -> Vec<u8> {
        let (zero, two) = (zeros(1, width), zeros(2, width));
        let (index, reference) = ([0x41, 0], [0xd2, 0]);
        let call = |opcode: u8, operands: &[u8]| [&[opcode], operands].concat();
        let calls = [
            [call(0x10, &zero), index.into(), call(0x11, &two), call(0x10, &zero)].concat(),
            [&reference[..], &call(0x14, &zero)].concat(),
            call(0x12, &zero),
            [&index[..], &call(0x13, &two)].concat(),
            [call(0x10, &zero), reference.into(), call(0x15, &zero)].concat(),
        ];
        let body = |operators: &[u8]| {
            [padded(operators.len() + 2), vec![0], operators.to_vec(), vec![0x0b]].concat()
        };
        let mut bodies = vec![body(&[]); count];
        bodies.extend(calls.iter().map(|operators| body(operators)));
        let global = vec![0x7f, 0, 0x41, 0, 0x0b];
        let sections = [
            (1, vector(&[vec![0x60, 0, 0]])),
            (3, vector(&vec![vec![0]; bodies.len()])),
            (4, vector(&[vec![0x70, 0, 1]])),
            (6, vector(&vec![global; count])),
            (9, vector(&[vec![3, 0, 1, 0]])),
            (10, vector(&bodies)),
        ];
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for (id, contents) in sections {
            bytes.push(id);
            bytes.extend(padded(contents.len()));
            bytes.extend(contents);
        }
        bytes
    }

    fn calls(module: &Module<'_>, func: FuncIdx) -> Vec<analyze::GuardedCall> {
        let guarded = |located: Located<'_>| {
            let tail = match located.operator {
                Operator::Call { .. }
                | Operator::CallIndirect { .. }
                | Operator::CallRef { .. } => false,
                Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. } => true,
                _ => return None,
            };
            Some(analyze::GuardedCall { offset: located.start, tail })
        };
        module.operators(func).unwrap().map(Result::unwrap).filter_map(guarded).collect()
    }

    #[test]
    fn guards_cost_what_writing_them_adds() {
        let (mut guards, mut costs) = (0, Vec::new());
        for (count, width) in [(1, 1), (1, 5), (200, 2), (200, 5), (20_000, 1), (20_000, 3)] {
            let bytes = module(count, width);
            let module = Module::read(&bytes).unwrap();
            let guard = Guard::new(&module, Abi::WpkFork, false);
            for func in module.defined_funcs().skip(count) {
                let plan = GuardPlan { func, calls: calls(&module, func) };
                let cost = |call: &analyze::GuardedCall| guard.cost(&module, func, *call).unwrap();
                let cost: usize = plan.calls.iter().map(cost).sum();
                let before = module.body(func).unwrap().as_bytes().len();
                let after = guard.rewrite(&module, &plan).unwrap().bytes.len();
                assert_eq!(after, before + cost, "function {func} of {count}, operands of {width}");
                guards += plan.calls.len();
                costs.push(cost);
            }
        }
        assert_eq!(guards, 6 * 8);
        costs.sort_unstable();
        costs.dedup();
        assert!(costs.len() > 10, "{costs:?}");
    }
}
