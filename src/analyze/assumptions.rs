//! What the closure relies on and can't be checked in the module: what the host does.
//!
//! An assumption is listed only when breaking it would matter: when some call could then lead to
//! an entry that is not a site now.

use super::Analysis;
use super::facts::{Call, Callee, Dynamic};
use super::model::Model;
use super::tables::{Contents, TableFacts};
use crate::index::{FuncIdx, IndexType, IndexVec};
use crate::options::Precision;
use crate::read::Module;
use std::collections::BTreeSet;

pub(super) fn find(model: &Model<'_>, analysis: &Analysis) -> Vec<String> {
    if analysis.entries.is_empty() {
        return Vec::new();
    }
    let mut assumptions = Vec::new();
    if model.precision == Precision::Direct {
        assumptions.push(
            "No call through a table or a reference leads to an entry, which is not so: this closure is \
             not sound, and only shows what such calls add."
                .into(),
        );
    }
    assumptions.extend(reentry(model, analysis));
    assumptions.extend(foreign(model, analysis));
    assumptions
}

/// What the analysis took care of unasked.
pub(super) fn notes(model: &Model<'_>, analysis: &Analysis) -> Vec<String> {
    let inside = model.reentrant.iter().any(|func| analysis.closure[*func]);
    let count = model.recognised;
    let note = (inside && count > 0).then(|| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} import{plural} `env.invoke_*` taken to call back into the module.")
    });
    let start = model.module.start.filter(|start| analysis.closure[*start]).map(|start| {
        format!(
            "The start function, {start}, can lead to an entry; no unwind can begin there, for \
             nothing could call it again."
        )
    });
    note.into_iter().chain(start).chain(loads(model, analysis)).collect()
}

/// A warning of assumptions that leave nothing to unwind.
pub(super) fn emptied(module: &Module<'_>, analysis: &Analysis) -> Option<String> {
    let prepared = module.defined_funcs().any(|func| analysis.closure[func]);
    let guarded = analysis.guards.iter().any(|calls| !calls.is_empty());
    (guarded && !prepared).then(|| {
        "the assumptions leave no function of the module in the closure: whatever calls an entry, the \
         unwind ends at a guard"
            .into()
    })
}

/// Sites whose index comes from memory.
fn loads(model: &Model<'_>, analysis: &Analysis) -> Option<String> {
    let is_open = |ordinal: &u32| {
        model.facts.loaded.binary_search(ordinal).is_ok()
            && !model.flows.targets.contains_key(ordinal)
    };
    let calls = model.facts.calls.iter_enumerated();
    let open = calls.map(|(func, calls)| {
        let is_site = |call: &&Call| {
            let sites = &analysis.sites[func];
            sites.binary_search_by_key(&call.offset, |site| site.offset).is_ok()
        };
        let loaded = calls.iter().filter(|call| match &call.callee {
            Callee::Dynamic { ordinal, .. } => is_open(ordinal),
            Callee::Direct { .. } => false,
        });
        loaded.filter(is_site).count()
    });
    let count: usize = open.sum();
    (count > 0).then(|| {
        let (plural, verb) = if count == 1 { ("", "takes") } else { ("s", "take") };
        format!(
            "{count} site{plural} {verb} the index from memory, where it is not followed: any slot of \
             the table may be called."
        )
    })
}

/// Imports outside the closure return without calling back.
fn reentry(model: &Model<'_>, analysis: &Analysis) -> Option<String> {
    let module = model.module;
    let mut callable = module.exported_funcs().map(|(_, func)| func);
    let exported = callable.any(|func| analysis.closure[func]);
    let taken = model.taken.iter_enumerated();
    let visible = exported || taken.into_iter().any(|(f, t)| *t && analysis.closure[f]);
    if !visible {
        return None;
    }
    let count = called_imports(model, analysis);
    (count > 0).then(|| {
        format!(
            "{count} imported function{} outside the closure {} without calling back into \
             functions of the closure.",
            if count == 1 { "" } else { "s" },
            if count == 1 { "returns" } else { "return" },
        )
    })
}

/// How many imports outside the closure can be called at all.
fn called_imports(model: &Model<'_>, analysis: &Analysis) -> usize {
    let imported = model.module.imported_funcs;
    let mut called: IndexVec<FuncIdx, bool> = IndexVec::filled(false, imported);
    let direct = model.facts.calls.iter().flatten();
    for func in direct.filter_map(|call| match call.callee {
        Callee::Direct { func, .. } => Some(func),
        Callee::Dynamic { .. } => None,
    }) {
        if func.as_usize() < imported {
            called[func] = true;
        }
    }
    called
        .iter_enumerated()
        .filter(|(func, called)| (**called || model.taken[*func]) && !analysis.closure[*func])
        .count()
}

/// Functions of other instances, where this module may call them.
fn foreign(model: &Model<'_>, analysis: &Analysis) -> Vec<String> {
    let mut tables = BTreeSet::new();
    let mut by_ref = false;
    for (caller, calls) in model.facts.calls.iter_enumerated() {
        let sites = &analysis.sites[caller];
        for call in calls {
            let Callee::Dynamic { ordinal, .. } = call.callee else {
                continue;
            };
            let listed = sites.binary_search_by_key(&call.offset, |site| site.offset);
            if listed.is_ok() {
                continue;
            }
            match model.facts.dynamics[ordinal as usize] {
                Dynamic::Ref { .. } => by_ref = true,
                Dynamic::Table { table, .. } => {
                    tables.extend(may_hold_foreign(&model.tables.tables[table]).then_some(table));
                }
            }
        }
    }
    let mut assumptions: Vec<_> = tables
        .into_iter()
        .map(|table| {
            format!("Functions of other instances in table {table} do not lead to an entry.")
        })
        .collect();
    if by_ref {
        assumptions.push(
            "Functions of other instances that are called by `call_ref` do not lead to an entry."
                .into(),
        );
    }
    assumptions
}

fn may_hold_foreign(table: &TableFacts) -> bool {
    match &table.contents {
        Contents::Open => true,
        Contents::Known(slots) => slots.has_unknown(),
    }
}
