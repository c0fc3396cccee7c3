//! Why an operand that chooses a target can be anything: asked for single calls, after the analysis.
//!
//! The functions that the answer needs are interpreted once more, now with the reason kept beside each
//! unknown value, and symbols are followed to their definitions one by one until a reason is found.
//!
//! ```text
//!   call_indirect (local.get 0) ──► parameter 0 of f ──► what g passes to it ──► i32.load at 0x1f3
//! ```
//!
//! The answer is the first reason, and there may be others. Nothing is decided here: where no reason is
//! found for what the analysis could not find out, it is said that it was not followed.

use super::body::Interpreter;
use super::summary::{Origin, Origins};
use super::value::{Cause, Known, MAX_CONSTANTS, Set, Symbol};
use super::{Inputs, MAX_ROUNDS};
use crate::analyze::facts::Callee;
use crate::index::{FuncIdx, IndexVec};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A step on the way from an operand back to what makes it unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::analyze) enum TraceStep {
    /// It is a parameter of `func`.
    Param { func: FuncIdx, index: u32 },
    /// It is what `caller` passes for that parameter.
    Argument { caller: FuncIdx },
    /// It is a result of `func`.
    Result { func: FuncIdx, index: u32 },
    /// The end: others than direct calls of this module can call that function.
    CalledAnyhow { func: FuncIdx },
    /// The end: the instruction at `offset` in `func` makes it unknown.
    Unknown { func: FuncIdx, offset: u32, cause: Cause },
    /// The end: the body is too much for the interpreter.
    TooLarge { func: FuncIdx },
    /// The end: it has more values than are kept.
    TooManyConstants,
    /// The end: no value ever gets there.
    NeverReached,
    /// The end: there are few values, yet the analysis did not look at them.
    NotFollowed,
}

/// Answers questions about single calls; keeps what it has interpreted.
pub(in crate::analyze) struct Provenance<'m> {
    inputs: Inputs<'m>,
    interpreter: RefCell<Interpreter<'m>>,
    origins: RefCell<BTreeMap<FuncIdx, Option<Rc<Origins>>>>,
    callers: OnceCell<IndexVec<FuncIdx, Vec<FuncIdx>>>,
}

/// The values of an operand, or the steps to what makes it unknown.
type Trace = Result<BTreeSet<Known>, Vec<TraceStep>>;

/// What is being followed.
#[derive(Default)]
struct Trail {
    seen: BTreeSet<Symbol>,
    depth: usize,
}

impl<'m> Provenance<'m> {
    pub(in crate::analyze) fn new(inputs: Inputs<'m>) -> Provenance<'m> {
        Provenance {
            inputs,
            interpreter: RefCell::new(Interpreter::explaining(
                inputs.module,
                inputs.constants,
                inputs.memories,
            )),
            origins: RefCell::default(),
            callers: OnceCell::new(),
        }
    }

    /// Why the operand that chooses the target of a dynamic call of `func` is unknown. `position`: which of
    /// the function's dynamic calls, in order of offset.
    pub(in crate::analyze) fn why(&self, func: FuncIdx, position: usize) -> Vec<TraceStep> {
        let Some(origins) = self.origins(func) else { return vec![TraceStep::TooLarge { func }] };
        let Some(origin) = origins.dynamics.get(position) else {
            return vec![TraceStep::NotFollowed];
        };
        match self.trace(func, origin, &mut Trail::default()) {
            Err(steps) => steps,
            Ok(values) if values.len() > MAX_CONSTANTS => vec![TraceStep::TooManyConstants],
            Ok(values) if values.is_empty() => vec![TraceStep::NeverReached],
            Ok(_) => vec![TraceStep::NotFollowed],
        }
    }

    fn trace(&self, func: FuncIdx, origin: &Origin, trail: &mut Trail) -> Trace {
        match origin {
            Origin::Unknown(Some(unknown)) => {
                let (offset, cause) = (unknown.offset, unknown.cause);
                Err(vec![TraceStep::Unknown { func, offset, cause }])
            }
            Origin::Unknown(None) => Err(vec![TraceStep::NotFollowed]),
            Origin::Set(set) => self.trace_set(set, trail),
        }
    }

    fn trace_set(&self, set: &Set, trail: &mut Trail) -> Trace {
        let mut all: BTreeSet<Known> = set.constants.iter().copied().collect();
        for &symbol in &set.symbols {
            // What is being followed already adds nothing of its own.
            if !trail.seen.insert(symbol) {
                continue;
            }
            if trail.depth == MAX_ROUNDS {
                return Err(vec![TraceStep::NotFollowed]);
            }
            trail.depth += 1;
            let values = match symbol {
                Symbol::Param { func, index } => self.trace_param(func, index, trail),
                Symbol::Result { func, index } => self.trace_result(func, index, trail),
            };
            trail.depth -= 1;
            all.extend(values?);
        }
        Ok(all)
    }

    fn trace_param(&self, func: FuncIdx, index: u32, trail: &mut Trail) -> Trace {
        let param = TraceStep::Param { func, index };
        if self.inputs.mentioned[func] {
            return Err(vec![param, TraceStep::CalledAnyhow { func }]);
        }
        let mut all = BTreeSet::new();
        for &caller in &self.callers()[func] {
            let before =
                |rest: Vec<TraceStep>| [vec![param, TraceStep::Argument { caller }], rest].concat();
            let Some(origins) = self.origins(caller) else {
                return Err(before(vec![TraceStep::TooLarge { func: caller }]));
            };
            if let Some(origin) = origins.args.get(&(func, index)) {
                all.extend(self.trace(caller, origin, trail).map_err(before)?);
            }
        }
        Ok(all)
    }

    fn trace_result(&self, func: FuncIdx, index: u32, trail: &mut Trail) -> Trace {
        let before =
            |rest: Vec<TraceStep>| [vec![TraceStep::Result { func, index }], rest].concat();
        let Some(origins) = self.origins(func) else {
            return Err(before(vec![TraceStep::TooLarge { func }]));
        };
        match origins.results.get(index as usize) {
            Some(origin) => self.trace(func, origin, trail).map_err(before),
            None => Ok(BTreeSet::new()),
        }
    }

    fn origins(&self, func: FuncIdx) -> Option<Rc<Origins>> {
        let find = || self.interpreter.borrow_mut().origins(func).map(Rc::new);
        self.origins.borrow_mut().entry(func).or_insert_with(find).clone()
    }

    /// For each function those that call it directly, in order, each once.
    fn callers(&self) -> &IndexVec<FuncIdx, Vec<FuncIdx>> {
        self.callers.get_or_init(|| {
            let mut callers: IndexVec<FuncIdx, Vec<FuncIdx>> =
                IndexVec::filled(Vec::new(), self.inputs.module.funcs.len());
            for (caller, calls) in self.inputs.facts.calls.iter_enumerated() {
                for call in calls {
                    if let Callee::Direct { func, .. } = call.callee
                        && callers[func].last() != Some(&caller)
                    {
                        callers[func].push(caller);
                    }
                }
            }
            callers
        })
    }
}
