//! Which values reach the operands that choose a target: the index of `call_indirect`, the
//! reference of `call_ref`, what is written to tables.
//!
//! Each function that needs it is interpreted once, by itself ([`body`]); values that come from
//! its parameters or from results of its callees stay symbols. A symbol that matters is looked up
//! where it is defined: a parameter in the direct callers, a result in the callee; so further
//! functions are interpreted, round by round. Then the symbols' values are solved for all at once.
//!
//! - A parameter is the join over all direct calls; anything, if the function's reference is taken
//!   or it is exported, for then others call it too.
//! - A result is the join over all returns.
//!
//! What is not found out within the bounds is anything.

mod arithmetic;
mod body;
mod hash;
mod operators;
mod provenance;
mod solve;
mod state;
mod summary;
#[cfg(test)]
mod tests;
mod value;

pub(super) use provenance::{Provenance, TraceStep};
pub(super) use solve::Solution;
pub(super) use summary::{Write, Written};
pub(super) use value::{Cause, Known};

use super::constants::Constants;
use super::facts::{Callee, Facts};
use super::memories::Memories;
use super::traceable::Traceable;
use crate::index::{FuncIdx, IndexVec};
use crate::options::Precision;
use crate::read::Module;
use crate::work;
use body::Interpreter;
use rayon::prelude::*;
use solve::Solver;
use std::collections::{BTreeMap, BTreeSet};
use summary::BodySummary;
use value::{Set, Symbol};

/// Through how many other functions a value is followed at most.
const MAX_ROUNDS: usize = 16;

/// What is known of operands that choose a target.
#[derive(Default)]
pub(super) struct Flows {
    /// All values that the index or reference of a dynamic call can have, by the call's ordinal;
    /// anything if absent.
    pub(super) targets: BTreeMap<u32, Vec<Known>>,
    /// Every instruction that writes to a table, with all symbols solved; only as much is in here
    /// as the functions in `written_by` contain.
    pub(super) writes: Vec<Write<Solution>>,
    /// The functions whose writes are known.
    pub(super) written_by: BTreeSet<FuncIdx>,
}

/// How far values are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Reach {
    Nowhere,
    /// Parameters and results are anything.
    OneFunction,
    #[default]
    Everywhere,
}

impl Reach {
    pub(super) fn of(precision: Precision) -> Reach {
        match precision {
            Precision::Direct | Precision::Asyncify | Precision::Types => Reach::Nowhere,
            Precision::Constants => Reach::OneFunction,
            Precision::Interprocedural => Reach::Everywhere,
        }
    }

    /// Through how many other functions a value is followed.
    fn rounds(self) -> usize {
        match self {
            Reach::Nowhere | Reach::OneFunction => 0,
            Reach::Everywhere => MAX_ROUNDS,
        }
    }
}

/// What the analysis starts from.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) module: &'a Module<'a>,
    pub(super) facts: &'a Facts,
    pub(super) constants: &'a Constants,
    pub(super) memories: &'a Memories<'a>,
    /// Functions that may be called other than directly.
    pub(super) mentioned: &'a IndexVec<FuncIdx, bool>,
    pub(super) reach: Reach,
}

impl Inputs<'_> {
    /// The functions to begin with.
    fn worth_while(&self) -> BTreeSet<FuncIdx> {
        let traceable = self.facts.traceable.iter();
        let known = traceable.filter(|(func, traceable)| match traceable {
            Traceable::No => false,
            Traceable::ByParams => !self.mentioned[*func],
            Traceable::Yes => true,
        });
        known.map(|(func, _)| *func).collect()
    }
}

impl Flows {
    pub(super) fn find(inputs: &Inputs<'_>) -> Flows {
        if inputs.reach == Reach::Nowhere {
            return Flows::default();
        }
        let mut search = Search { inputs, summaries: BTreeMap::new(), callers: BTreeMap::new() };
        search.summarize(inputs.worth_while());
        let solver = search.solve();
        tracing::debug!(
            functions = search.summaries.len(),
            symbols = solver.len(),
            "interpreted functions"
        );
        search.flows(&solver)
    }
}

struct Search<'a> {
    inputs: &'a Inputs<'a>,
    /// The interpreted functions; `None` for one that was too much.
    summaries: BTreeMap<FuncIdx, Option<BodySummary>>,
    /// The direct callers of the functions whose parameters matter.
    callers: BTreeMap<FuncIdx, BTreeSet<FuncIdx>>,
}

impl Search<'_> {
    fn summarize(&mut self, funcs: BTreeSet<FuncIdx>) {
        let new: Vec<FuncIdx> =
            funcs.into_iter().filter(|func| !self.summaries.contains_key(func)).collect();
        let inputs = self.inputs;
        let summaries: Vec<_> = new
            .par_iter()
            .map_init(
                || Interpreter::new(inputs.module, inputs.constants, inputs.memories),
                |interpreter, func| interpreter.summarize(*func),
            )
            .collect();
        self.summaries.extend(new.into_iter().zip(summaries));
    }

    /// Follows symbols to their definitions, round by round.
    fn solve(&mut self) -> Solver {
        let mut solver = Solver::default();
        let mut symbols = self.symbols_that_choose();
        for _ in 0..self.inputs.reach.rounds() {
            symbols.retain(|symbol| !solver.is_defined(*symbol));
            if symbols.is_empty() {
                break;
            }
            self.find_callers(&symbols);
            let funcs = symbols.iter().flat_map(|symbol| self.definers(*symbol));
            self.summarize(funcs.collect());
            let mut next = BTreeSet::new();
            for &symbol in &symbols {
                work::count(1);
                let definition = self.definition(symbol);
                let sets = definition.iter().flatten();
                next.extend(sets.flat_map(|set| set.symbols.iter().copied()));
                solver.define(symbol, definition);
            }
            symbols = next;
        }
        solver.run();
        solver
    }

    /// The symbols among the operands that choose a target.
    fn symbols_that_choose(&self) -> BTreeSet<Symbol> {
        let mut symbols = BTreeSet::new();
        let mut add = |set: &Option<Set>| {
            symbols.extend(set.iter().flat_map(|set| set.symbols.iter().copied()));
        };
        for summary in self.summaries.values().flatten() {
            summary.dynamics.iter().for_each(&mut add);
            for write in &summary.writes {
                write.map(&mut add);
            }
        }
        symbols
    }

    /// Whether only direct calls give `func` its arguments.
    fn is_private(&self, func: FuncIdx) -> bool {
        !self.inputs.mentioned[func]
    }

    fn find_callers(&mut self, symbols: &BTreeSet<Symbol>) {
        let mut wanted = IndexVec::filled(false, self.inputs.module.funcs.len());
        for symbol in symbols {
            if let Symbol::Param { func, .. } = *symbol
                && self.is_private(func)
                && !self.callers.contains_key(&func)
            {
                wanted[func] = true;
                self.callers.insert(func, BTreeSet::new());
            }
        }
        for (caller, calls) in self.inputs.facts.calls.iter_enumerated() {
            for call in calls {
                work::count(1);
                if let Callee::Direct { func, .. } = call.callee
                    && wanted[func]
                    && let Some(callers) = self.callers.get_mut(&func)
                {
                    callers.insert(caller);
                }
            }
        }
    }

    /// The functions that give a symbol its values; none if it can have any.
    fn definers(&self, symbol: Symbol) -> Vec<FuncIdx> {
        match symbol {
            Symbol::Result { func, .. } => vec![func],
            Symbol::Param { func, .. } => {
                let callers = self.callers.get(&func);
                callers.map_or_else(Vec::new, |callers| callers.iter().copied().collect())
            }
        }
    }

    /// The sets whose union a symbol is; `None` if it can be anything.
    fn definition(&self, symbol: Symbol) -> Option<Vec<Set>> {
        let summary = |func: FuncIdx| self.summaries.get(&func).and_then(Option::as_ref);
        match symbol {
            Symbol::Result { func, index } => {
                let result = summary(func)?.results.get(index as usize)?;
                Some(vec![result.clone()?])
            }
            Symbol::Param { func, index } => {
                if !self.is_private(func) {
                    return None;
                }
                let callers = self.callers.get(&func)?.iter();
                callers.map(|caller| summary(*caller)?.args.get(&(func, index)).cloned()).collect()
            }
        }
    }

    fn flows(&self, solver: &Solver) -> Flows {
        let mut flows = Flows::default();
        for (&func, summary) in &self.summaries {
            work::count(1);
            let Some(summary) = summary else { continue };
            let ordinals = self.dynamic_ordinals(func);
            if ordinals.len() != summary.dynamics.len() {
                debug_assert!(false, "function {func} was decoded in two ways");
                continue;
            }
            for (ordinal, set) in ordinals.into_iter().zip(&summary.dynamics) {
                work::count(1);
                if let Some(known) = set.as_ref().and_then(|set| solver.resolve_operand(set)) {
                    flows.targets.insert(ordinal, known);
                }
            }
            let writes = summary.writes.iter();
            flows.writes.extend(writes.map(|write| solver.resolve_write(write)));
            flows.written_by.insert(func);
        }
        flows
    }

    fn dynamic_ordinals(&self, func: FuncIdx) -> Vec<u32> {
        let calls = self.inputs.facts.calls[func].iter();
        calls
            .filter_map(|call| match call.callee {
                Callee::Dynamic { ordinal, .. } => Some(ordinal),
                Callee::Direct { .. } => None,
            })
            .collect()
    }
}
