//! Which calls must be guarded: those that lead from outside the closure into it.
//!
//! They are looked up in the graph without assumptions, which has every call that an unwind could come
//! through if an assumption were wrong. Calls inside the closure need no guard: those that can lead
//! into it are sites.
//!
//! # Tail calls
//!
//! A tail call has no place behind it for a test, so a guarded one becomes a call, the test, and a return.
//! Its function's frame stays on the stack for that long, which nobody can tell, unless tail calls lead
//! from the callee back to the function: then what was a loop would eat up the stack, and the
//! assumption is refused.

use super::super::drivers::Drivers;
use super::super::facts::{Call, Callee, Dynamic};
use super::super::graph::{Graph, Node, Reached};
use super::super::model::Model;
use super::super::outside::Outside;
use super::super::query::Query;
use super::super::tail_loops::TailLoops;
use super::super::{GuardedCall, GuardedCallee};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexVec};
use crate::read::{Module, Operators};
use crate::work;
use std::collections::BTreeMap;
use wasmparser::Operator;

/// Of the functions outside the closure the calls to guard, and the tail calls out of the module that can't be guarded.
type Found = (BTreeMap<FuncIdx, Vec<GuardedCall>>, Vec<(FuncIdx, u32)>);

/// Of the functions outside the closure the calls into it, and those that lead out of the module and may lead back.
///
/// # Errors
/// [`Error::Unsupported`] for a tail call into the closure that is part of a loop of tail calls.
pub(in super::super) fn guards(
    model: &Model<'_>,
    query: &Query,
    graph: &Graph,
    closure: &IndexVec<FuncIdx, bool>,
) -> Result<Found> {
    let finder = Finder::new(model, query, graph, closure);
    let mut guards: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let (mut tails, mut out_of_it) = (Vec::new(), Vec::new());
    let Drivers { tops, bottoms, .. } = &query.drivers;
    let is_guarded =
        |func: &FuncIdx| !closure[*func] && !bottoms.contains(func) || tops.contains(func);
    for (func, calls) in model.facts.calls.iter_enumerated().filter(|(func, _)| is_guarded(func)) {
        for call in calls {
            work::count(1);
            let Some((node, guard)) = finder.guard(call, tops.contains(&func)) else { continue };
            guards.entry(func).or_default().push(guard);
            if guard.tail {
                let list = if guard.is_assumed { &mut tails } else { &mut out_of_it };
                list.push((func, call.offset, node));
            }
        }
    }
    refuse_loops(model, graph, &tails)?;
    let unguarded = not_guarded(model, graph, &out_of_it)?;
    for (func, offset) in &unguarded {
        let calls = guards.entry(*func).or_default();
        calls.retain(|guard: &GuardedCall| guard.offset != *offset);
    }
    guards.retain(|_, calls| !calls.is_empty());
    Ok((guards, unguarded))
}

/// Finds out of calls whether they must be guarded.
struct Finder<'a, 'm> {
    model: &'a Model<'m>,
    graph: &'a Graph,
    /// The closure, and the classes that its functions are targets of.
    frontier: Reached,
    /// The same without functions that begin unwinds themselves, for calls by such.
    below_tops: Reached,
    /// The imports of the closure, and the classes that they are targets of.
    imports: Reached,
    outside: Outside,
    /// The imports that may call back, likewise.
    calls_back: Reached,
}

impl<'a, 'm> Finder<'a, 'm> {
    fn new(
        model: &'a Model<'m>,
        query: &Query,
        graph: &'a Graph,
        closure: &IndexVec<FuncIdx, bool>,
    ) -> Self {
        let inside = closure.indices().filter(|func| closure[*func]).map(|func| graph.func(func));
        let inside = inside.collect::<Vec<_>>();
        let drivers = &query.drivers;
        let is_top = |node: &Node| graph.as_func(*node).is_some_and(|f| drivers.tops.contains(&f));
        let below_tops = inside.iter().copied().filter(|node| !is_top(node));
        let has_no_frame = |node: &Node| {
            graph.as_func(*node).is_some_and(|func| drivers.has_no_frame(model.module, func))
        };
        let imports = inside.iter().copied().filter(has_no_frame);
        let outside = Outside::new(model, query, closure);
        Finder {
            model,
            graph,
            below_tops: graph.reach_classes(below_tops.chain([graph.foreign()])),
            frontier: graph.reach_classes(inside.iter().copied().chain([graph.foreign()])),
            imports: graph.reach_classes(imports.chain([graph.foreign()])),
            calls_back: outside.calls_of_imports(graph),
            outside,
        }
    }

    /// What begins an unwind itself may do what it likes with it, as long as no other comes out of what it calls.
    fn guard(&self, call: &Call, is_by_top: bool) -> Option<(Node, GuardedCall)> {
        let node = self.graph.target(call.callee)?;
        let frontier = if is_by_top { &self.below_tops } else { &self.frontier };
        let is_assumed = frontier.has(node);
        let is_foreign = !is_by_top && self.may_be_foreign(call.callee);
        let calls_back = !is_by_top && self.calls_back.has(node);
        if !is_assumed && !is_foreign && !calls_back {
            return None;
        }
        let callee = match is_assumed && !is_foreign {
            true => callee(self.model, call.callee, self.imports.has(node)),
            false => GuardedCallee::Foreign,
        };
        Some((node, GuardedCall { offset: call.offset, tail: call.is_tail(), callee, is_assumed }))
    }

    fn may_be_foreign(&self, callee: Callee) -> bool {
        match callee {
            Callee::Direct { .. } => false,
            Callee::Dynamic { ordinal, .. } => {
                let is_followed = self.model.flows.targets.contains_key(&ordinal);
                self.outside
                    .may_be_foreign(self.model.facts.dynamics[ordinal as usize], is_followed)
            }
        }
    }
}

/// What a call into the closure calls.
fn callee(model: &Model<'_>, callee: Callee, may_be_import: bool) -> GuardedCallee {
    match callee {
        Callee::Direct { func, .. } if may_be_import => GuardedCallee::Import(func),
        Callee::Direct { func, .. } => GuardedCallee::Defined(func),
        Callee::Dynamic { ordinal, .. } => match model.facts.dynamics[ordinal as usize] {
            Dynamic::Table { table, ty } => GuardedCallee::Table { table, ty, may_be_import },
            Dynamic::Ref { ty } => GuardedCallee::Ref { ty, may_be_import },
        },
    }
}

/// A tail call: its function, its offset and what it calls.
type TailCall = (FuncIdx, u32, Node);

fn refuse_loops(model: &Model<'_>, graph: &Graph, tails: &[TailCall]) -> Result<()> {
    if tails.is_empty() {
        return Ok(());
    }
    let loops = TailLoops::find(model, graph);
    match tails.iter().find(|(func, _, target)| loops.has(graph.func(*func), *target)) {
        None => Ok(()),
        Some(&(func, offset, _)) => Err(Error::Unsupported {
            what: "a tail call that an assumption would have guarded, in a loop of tail calls"
                .into(),
            location: model.module.location(func, offset as usize),
            advice: "assume nothing of this function, or the same of what it calls".into(),
        }),
    }
}

/// Of tail calls out of the module those that no guard can stand behind: calls in their place would throw into a `try`, or take stack
/// space for each round of a loop.
fn not_guarded(
    model: &Model<'_>,
    graph: &Graph,
    tails: &[TailCall],
) -> Result<Vec<(FuncIdx, u32)>> {
    let mut not_guarded = Vec::new();
    if tails.is_empty() {
        return Ok(not_guarded);
    }
    let loops = TailLoops::find(model, graph);
    for of_func in tails.chunk_by(|a, b| a.0 == b.0) {
        let func = of_func[0].0;
        let mut depths = TryDepths::of(model.module, func)?;
        for (_, offset, target) in of_func {
            if loops.has(graph.func(func), *target) || depths.at(*offset)? > 0 {
                not_guarded.push((func, *offset));
            }
        }
    }
    Ok(not_guarded)
}

/// In how many constructs with handlers the operators of a body are.
struct TryDepths<'a> {
    operators: Operators<'a>,
    /// For each open construct whether it has handlers.
    constructs: Vec<bool>,
}

impl<'a> TryDepths<'a> {
    fn of(module: &Module<'a>, func: FuncIdx) -> Result<TryDepths<'a>> {
        Ok(TryDepths { operators: module.operators(func)?, constructs: Vec::new() })
    }

    /// In how many the operator at this offset is, which lies behind all that were asked for.
    fn at(&mut self, offset: u32) -> Result<usize> {
        for located in self.operators.by_ref() {
            let located = located?;
            match located.operator {
                Operator::Try { .. } | Operator::TryTable { .. } => self.constructs.push(true),
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    self.constructs.push(false);
                }
                Operator::End | Operator::Delegate { .. } => _ = self.constructs.pop(),
                _ => {}
            }
            if located.start >= offset {
                break;
            }
        }
        Ok(self.constructs.iter().filter(|has_handlers| **has_handlers).count())
    }
}
