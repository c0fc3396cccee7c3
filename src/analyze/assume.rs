//! What the user assumes: which functions it takes out of the closure, and which calls must be
//! guarded for that.
//!
//! An assumption removes functions from the search for the closure. The graph stays whole, so that
//! every call from a function outside into the closure is known: there a wrong assumption would let
//! an unwind into code that is not prepared for it, and there the guards go.

use super::entries;
use super::facts::Callee;
use super::graph::{Graph, Reached};
use super::model::Model;
use super::{Analysis, Saving};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexType, IndexVec};
use crate::options::{Assumption, FuncPattern};
use crate::read::Module;

/// For each function whether an assumption takes it out of the closure.
pub(super) fn removed(
    model: &Model<'_>,
    assumptions: &[Assumption],
) -> Result<IndexVec<FuncIdx, bool>> {
    let module = model.module;
    let mut removed = IndexVec::filled(false, module.funcs.len());
    for assumption in assumptions {
        match assumption {
            Assumption::NoFork(pattern) | Assumption::NotCalled(pattern) => {
                for func in matching(module, pattern)? {
                    removed[func] = true;
                }
            }
            Assumption::Only(patterns) => {
                let mut listed: IndexVec<FuncIdx, bool> =
                    IndexVec::filled(false, module.funcs.len());
                for pattern in patterns {
                    for func in matching(module, pattern)? {
                        listed[func] = true;
                    }
                }
                for func in module.defined_funcs().filter(|func| !listed[*func]) {
                    removed[func] = true;
                }
            }
        }
    }
    Ok(removed)
}

/// The functions that a pattern means.
///
/// # Errors
/// [`Error::NoSuchFunction`] if there is none.
pub(super) fn matching(module: &Module<'_>, pattern: &FuncPattern) -> Result<Vec<FuncIdx>> {
    let text = pattern.0.as_str();
    let missing = || Error::NoSuchFunction { pattern: text.into(), near: near(module, text) };
    if let Ok(index) = text.parse::<usize>() {
        let exists = (module.imported_funcs..module.funcs.len()).contains(&index);
        return if exists { Ok(vec![FuncIdx::from_usize(index)]) } else { Err(missing()) };
    }
    let matches = |name: &str| match text.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == text,
    };
    let mut found: Vec<_> = module
        .funcs
        .indices()
        .filter(|func| {
            let name = module.names.func(*func);
            name.is_some_and(|name| matches(name) || demangled(name).is_some_and(|n| matches(&n)))
        })
        .chain(module.exported_funcs().filter(|(name, _)| matches(name)).map(|(_, func)| func))
        .collect();
    // What imports do is not assumed but named: by entries and by what may call back.
    found.retain(|func| !module.is_import(*func));
    found.sort();
    found.dedup();
    if found.is_empty() { Err(missing()) } else { Ok(found) }
}

/// The name as its source language spells it, if it is mangled.
fn demangled(name: &str) -> Option<String> {
    if let Ok(name) = rustc_demangle::try_demangle(name) {
        return Some(format!("{name:#}"));
    }
    let symbol = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok())??;
    symbol.demangle().ok()
}

fn near(module: &Module<'_>, text: &str) -> Vec<String> {
    let names = module.defined_funcs().filter_map(|func| module.names.func(func));
    entries::nearest(text.trim_end_matches('*'), names)
}

/// For each function outside the closure the calls into it: where guards must be.
///
/// # Errors
/// [`Error::Unsupported`] for a tail call: there is no place behind it.
pub(super) fn guards(
    model: &Model<'_>,
    graph: &Graph,
    closure: &IndexVec<FuncIdx, bool>,
) -> Result<IndexVec<FuncIdx, Vec<u32>>> {
    let inside = closure.indices().filter(|func| closure[*func]);
    let frontier: Reached = graph.reach_classes(inside.map(|func| graph.func(func)));
    let mut guards: IndexVec<FuncIdx, Vec<u32>> = IndexVec::filled(Vec::new(), closure.len());
    for (func, calls) in model.facts.calls.iter_enumerated() {
        if closure[func] {
            continue;
        }
        for call in calls {
            let target = graph.target(call.callee);
            if !target.is_some_and(|node| frontier.has(node)) {
                continue;
            }
            let (Callee::Direct { tail, .. } | Callee::Dynamic { tail, .. }) = call.callee;
            if tail {
                return Err(Error::Unsupported {
                    what: "an assumption on a function that leads to an entry by a tail call"
                        .into(),
                    location: model.module.location(func, call.offset as usize),
                    advice: "assume it of the functions that this one calls instead".into(),
                });
            }
            guards[func].push(call.offset);
        }
    }
    Ok(guards)
}

/// What each assumption saves: how much larger the closure would be without it alone; and its guards.
pub(super) fn savings(
    model: &Model<'_>,
    graph: &Graph,
    assumptions: &[Assumption],
    analysis: &Analysis,
) -> Result<Vec<Saving>> {
    let size = |closure: &IndexVec<FuncIdx, bool>| closure.iter().filter(|inside| **inside).count();
    let with_all = size(&analysis.closure);
    let mut savings = Vec::new();
    for (position, assumption) in assumptions.iter().enumerate() {
        let mut others = assumptions.to_vec();
        others.remove(position);
        let removed = removed(model, &others)?;
        let reached = graph.reach_without(&model.entries, &removed);
        let without = reached.funcs(model.module);
        savings.push(Saving {
            assumption: assumption.to_string(),
            functions: size(&without) - with_all,
            guards: guards_within(&without, analysis),
        });
    }
    Ok(savings)
}

/// The guards in functions of a larger closure.
fn guards_within(closure: &IndexVec<FuncIdx, bool>, analysis: &Analysis) -> Vec<(FuncIdx, u32)> {
    let guarded = analysis.guards.iter_enumerated().filter(|(func, _)| closure[*func]);
    guarded.flat_map(|(func, calls)| calls.iter().map(move |call| (func, *call))).collect()
}
