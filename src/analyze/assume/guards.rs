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

use super::super::GuardedCall;
use super::super::graph::{Graph, Node, Reached};
use super::super::model::Model;
use super::super::tail_loops::TailLoops;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexVec};
use crate::work;

/// For each function outside the closure the calls into it.
///
/// # Errors
/// [`Error::Unsupported`] for a tail call that is part of a loop of tail calls.
pub(in super::super) fn guards(
    model: &Model<'_>,
    graph: &Graph,
    closure: &IndexVec<FuncIdx, bool>,
) -> Result<IndexVec<FuncIdx, Vec<GuardedCall>>> {
    let inside = closure.indices().filter(|func| closure[*func]);
    let frontier: Reached = graph.reach_classes(inside.map(|func| graph.func(func)));
    let mut guards = IndexVec::filled(Vec::new(), closure.len());
    let mut tails = Vec::new();
    for (func, calls) in model.facts.calls.iter_enumerated().filter(|(func, _)| !closure[*func]) {
        for call in calls {
            work::count(1);
            let Some(node) = graph.target(call.callee).filter(|node| frontier.has(*node)) else {
                continue;
            };
            let tail = call.is_tail();
            guards[func].push(GuardedCall { offset: call.offset, tail });
            if tail {
                tails.push((func, call.offset, node));
            }
        }
    }
    refuse_loops(model, graph, &tails)?;
    Ok(guards)
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
