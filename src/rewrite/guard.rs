//! Guards: behind a call that must not unwind, a test of the state, and nothing else changes.
//!
//! ```wat
//! call $f
//! global.get $state
//! if (param …) (result …)  ;; the results of $f
//!   drop                   ;; each of them
//!   i32.const 12           ;; the index of the function itself
//!   call $again            ;; undoes the unwind, and calls $f once more
//! end
//! ```
//!
//! Where engines may not know parameters of blocks, the results are put into locals in front of the test, and taken from there behind it.
//!
//! Where the second call needs what the first one took from the stack, that is kept in locals: `local.tee $index` in front of a `call_indirect`.
//! An import is called by the function that calls it again: `i32.const 12  call $again`. A guard that can't undo an unwind has `call $trap`
//! between `if` and `end`, and no locals: the stack of the trap names the function.
//!
//! In either case this comes before the program could see what an unwind made of it: the callee has returned a dummy, which nobody has
//! looked at.
//!
//! A tail call becomes the call that it would have made, with a `return` behind the test: both discard
//! the operands below the results. Inside a `try`, into which that would throw, it becomes a tail call of a function that makes the call, as
//! for imports.

use super::runtime::GuardFuncs;
use super::runtime::Protocol;
use crate::abi::StateGlobals;
use crate::emit::{Edited, NewTypes, Signature, Splice};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx, LocalIdx};
use crate::plan::{self, Answer, GuardPlan, Guards, Through};
use crate::read::{Located, Module};
use crate::work;
use wasm_encoder::{BlockType, Encode, InstructionSink, ValType};
use wasmparser::Operator;

/// What every guard of a module does.
pub(super) struct Guard {
    state: GlobalIdx,
    funcs: GuardFuncs,
    /// For each repeat the type of the blocks that results go through, and how many they are.
    blocks: Vec<(u32, usize)>,
    /// Whether it is noted where the input's code is in the output.
    maps_offsets: bool,
}

impl Guard {
    pub(super) fn new(
        module: &Module<'_>,
        protocol: Protocol<'_>,
        guards: &Guards,
        types: &mut NewTypes,
        maps_offsets: bool,
    ) -> Guard {
        let state = StateGlobals::of(module, protocol.0).state;
        let blocks = add_blocks(module, guards, types);
        Guard { state, funcs: GuardFuncs::of(module, protocol, guards), blocks, maps_offsets }
    }

    /// Rewrites the body of a function that only gets guards.
    pub(super) fn rewrite(
        &self,
        module: &Module<'_>,
        types: &NewTypes,
        plan: &GuardPlan,
    ) -> Result<Edited> {
        let body =
            module.funcs[plan.func].body.clone().expect("only defined functions are guarded");
        let mut out =
            Splice::new(module.bytes, body.len() + plan.calls.len() * 20, self.maps_offsets);
        let mut rest = body.start;
        if !plan.temps.is_empty() {
            rest = self.declare(module, types, plan, &mut out)?;
        }
        for guard in &plan.calls {
            work::count(1);
            let located = module.operator_at(plan.func, guard.offset)?;
            let at = located.range();
            out.copy(rest..at.start);
            if guard.answer != Answer::Trap {
                self.before(plan.func, &guard.answer, &mut out.sink());
            }
            if self.is_replaced(guard) {
                self.call(guard, &located, &mut out.sink_for(at.start))?;
            } else {
                out.copy(at.clone());
            }
            self.after(plan.func, guard, &mut out.sink());
            rest = at.end;
        }
        out.copy(rest..body.end);
        Ok(out.finish())
    }

    /// Writes the declared locals and the plan's behind them; returns where the operators begin.
    fn declare(
        &self,
        module: &Module<'_>,
        types: &NewTypes,
        plan: &GuardPlan,
        out: &mut Splice<'_>,
    ) -> Result<usize> {
        let declared = module.declarations(plan.func)?;
        let runs = runs(types, &plan.temps);
        (declared.runs + runs.len() as u32).encode(out.raw());
        out.copy(declared.range.clone());
        runs.iter().for_each(|(count, ty)| {
            count.encode(out.raw());
            ty.encode(out.raw());
        });
        Ok(declared.range.end)
    }

    /// What stands in front of the call.
    fn before(&self, func: FuncIdx, answer: &Answer, sink: &mut InstructionSink<'_>) {
        match answer {
            Answer::Trap => {}
            Answer::Within { .. } => _ = sink.i32_const(func.0 as i32),
            Answer::Again { kept, .. } => {
                let Some((first, others)) = kept.split_first() else { return };
                others.iter().rev().for_each(|local| _ = sink.local_set(local.0));
                sink.local_tee(first.0);
                others.iter().for_each(|local| _ = sink.local_get(local.0));
            }
        }
    }

    /// Whether something else stands in the place of the call.
    fn is_replaced(&self, guard: &plan::Guard) -> bool {
        guard.tail || matches!(guard.answer, Answer::Within { .. })
    }

    /// What stands in the place of the call.
    fn call(
        &self,
        guard: &plan::Guard,
        located: &Located<'_>,
        sink: &mut InstructionSink<'_>,
    ) -> Result<()> {
        match guard.answer {
            Answer::Within { repeat, by_tail_call: false } => {
                sink.call(self.funcs.repeat(repeat).0);
            }
            Answer::Within { repeat, by_tail_call: true } => {
                sink.return_call(self.funcs.repeat(repeat).0);
            }
            _ => call(&located.operator, sink)?,
        }
        Ok(())
    }

    /// What stands behind the call.
    fn after(&self, func: FuncIdx, guard: &plan::Guard, sink: &mut InstructionSink<'_>) {
        match &guard.answer {
            Answer::Within { by_tail_call: true, .. } => return,
            Answer::Within { .. } => {}
            Answer::Trap => {
                sink.global_get(self.state.0).if_(BlockType::Empty);
                sink.call(self.funcs.trap().0).end();
            }
            Answer::Again { repeat, kept, results } => {
                let locals: &[LocalIdx] = match results {
                    Through::Locals(locals) => locals,
                    Through::Block => &[],
                };
                let set = |sink: &mut InstructionSink<'_>| {
                    locals.iter().rev().for_each(|local| _ = sink.local_set(local.0));
                };
                set(sink);
                sink.global_get(self.state.0);
                match results {
                    Through::Locals(_) => _ = sink.if_(BlockType::Empty),
                    Through::Block => {
                        let (ty, results) = self.blocks[repeat.0 as usize];
                        sink.if_(BlockType::FunctionType(ty));
                        (0..results).for_each(|_| _ = sink.drop());
                    }
                }
                kept.iter().for_each(|local| _ = sink.local_get(local.0));
                sink.i32_const(func.0 as i32).call(self.funcs.repeat(*repeat).0);
                set(sink);
                sink.end();
                locals.iter().for_each(|local| _ = sink.local_get(local.0));
            }
        }
        if guard.tail {
            sink.return_();
        }
    }

    /// By how many bytes each guard of a function makes its body longer: nothing is written to find out. The first also pays for the
    /// locals that the plan adds.
    pub(super) fn costs(
        &self,
        module: &Module<'_>,
        types: &NewTypes,
        plan: &GuardPlan,
    ) -> Result<Vec<i64>> {
        let mut written = Vec::new();
        let mut costs = Vec::new();
        for guard in &plan.calls {
            work::count(1);
            written.clear();
            let mut sink = InstructionSink::new(&mut written);
            self.before(plan.func, &guard.answer, &mut sink);
            let mut left_out = 0;
            if self.is_replaced(guard) {
                let located = module.operator_at(plan.func, guard.offset)?;
                self.call(guard, &located, &mut sink)?;
                left_out = located.range().len();
            }
            self.after(plan.func, guard, &mut sink);
            costs.push(written.len() as i64 - left_out as i64);
        }
        if let Some(first) = costs.first_mut().filter(|_| !plan.temps.is_empty()) {
            let start = module.funcs[plan.func].body.as_ref().map_or(0, |body| body.start);
            let mut out = Splice::new(module.bytes, 0, false);
            let end = self.declare(module, types, plan, &mut out)?;
            *first += out.finish().bytes.len() as i64 - (end - start) as i64;
        }
        Ok(costs)
    }
}

/// The types of the blocks that results go through, which are the first that are added.
pub(super) fn add_blocks(
    module: &Module<'_>,
    guards: &Guards,
    types: &mut NewTypes,
) -> Vec<(u32, usize)> {
    let mut add = |repeat: &plan::Repeat| {
        let results = repeat.callee.func_type(module).results();
        if results.is_empty() || !guards.through_blocks {
            return (0, 0);
        }
        let results: Vec<_> = results.iter().map(|ty| types.val_type(*ty)).collect();
        let count = results.len();
        (types.add(Signature { params: results.clone(), results }), count)
    };
    guards.repeats.iter().map(&mut add).collect()
}

/// Types as runs of equal ones.
fn runs(types: &NewTypes, temps: &[wasmparser::ValType]) -> Vec<(u32, ValType)> {
    let mut runs: Vec<(u32, ValType)> = Vec::new();
    for ty in temps.iter().map(|ty| types.val_type(*ty)) {
        work::count(1);
        match runs.last_mut() {
            Some((count, last)) if *last == ty => *count += 1,
            _ => runs.push((1, ty)),
        }
    }
    runs
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
    use crate::emit::NewTypes;
    use crate::index::{FuncIdx, LocalIdx, TableIdx, TypeIdx};
    use crate::plan::{self, Answer, GuardPlan, Guards, Repeat, RepeatOrdinal, Repeated, Through};
    use crate::read::{Located, Module};
    use std::collections::BTreeMap;
    use wasmparser::{Operator, ValType};

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

    /// A guard for each call of a function, which do this by turns: trap, call by what calls again, and call again with something kept.
    fn plan(module: &Module<'_>, func: FuncIdx, first: usize) -> GuardPlan {
        let local = |number: u32| LocalIdx(number);
        let again = |kept: &[u32], results: &[u32]| Answer::Again {
            repeat: RepeatOrdinal(1),
            kept: kept.iter().copied().map(local).collect(),
            results: match results {
                [] => Through::Block,
                results => Through::Locals(results.iter().copied().map(local).collect()),
            },
        };
        let answers = [
            Answer::Trap,
            Answer::Within { repeat: RepeatOrdinal(0), by_tail_call: false },
            again(&[], &[]),
            again(&[0], &[1]),
            again(&[200, 1, 0], &[1, 0]),
        ];
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
            Some((located.start, tail))
        };
        let calls = module.operators(func).unwrap().map(Result::unwrap).filter_map(guarded);
        let calls: Vec<_> = calls
            .zip(answers.iter().cycle().skip(first))
            .map(|((offset, tail), answer)| plan::Guard { offset, tail, answer: answer.clone() })
            .collect();
        let undoes = calls.iter().any(|guard| matches!(guard.answer, Answer::Again { .. }));
        let temps = [ValType::I32, ValType::I32, ValType::F64].repeat(usize::from(undoes));
        GuardPlan { func, calls, temps }
    }

    #[test]
    fn guards_cost_what_writing_them_adds() {
        let repeat = |callee| Repeat { callee, keeps_arguments: false, begins: false };
        let repeats = vec![
            repeat(Repeated::Func(FuncIdx(0))),
            repeat(Repeated::Slot(TableIdx(0), TypeIdx(0))),
        ];
        let (mut number, mut costs) = (0, Vec::new());
        for (count, width) in [(1, 1), (1, 5), (200, 2), (200, 5), (20_000, 1), (20_000, 3)] {
            let bytes = module(count, width);
            let module = Module::read(&bytes).unwrap();
            for (func, first) in module.defined_funcs().skip(count).zip(0..) {
                let plans = (first..first + 5).map(|first| plan(&module, func, first)).collect();
                let repeats = repeats.clone();
                let guards = Guards { funcs: plans, repeats, through_blocks: true };
                let mut types = NewTypes::new(&module);
                let none = BTreeMap::new();
                let guard = Guard::new(&module, (Abi::WpkFork, &none), &guards, &mut types, false);
                for plan in &guards.funcs {
                    let cost: i64 = guard.costs(&module, &types, plan).unwrap().iter().sum();
                    let before = module.body(func).unwrap().as_bytes().len() as i64;
                    let after = guard.rewrite(&module, &types, plan).unwrap().bytes.len() as i64;
                    let place = format!("function {func} of {count}, operands of {width}");
                    assert_eq!(after, before + cost, "{place}");
                    number += plan.calls.len();
                    costs.push(cost);
                }
            }
        }
        assert_eq!(number, 6 * 8 * 5);
        costs.sort_unstable();
        costs.dedup();
        assert!(costs.len() > 20, "{costs:?}");
    }
}
