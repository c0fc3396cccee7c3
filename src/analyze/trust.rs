//! What the closure trusts the host to do, or not to do: it can't be checked in the module.
//!
//! An assumption is listed only when breaking it would matter: when some call could then lead to
//! an entry that is not a site now.

use super::Analysis;
use super::facts::{Callee, Dynamic};
use super::model::Model;
use super::outside::{host_enters, linked_tables, may_hold_foreign};
use super::query::Query;
use crate::index::{FuncIdx, IndexType, IndexVec, TableIdx};
use crate::options::Precision;
use crate::text::{agree, count};
use crate::work;
use std::collections::BTreeSet;
use wasmparser::ExternalKind;

pub(super) fn assumptions(model: &Model<'_>, query: &Query, analysis: &Analysis) -> Vec<String> {
    if !analysis.may_unwind() {
        return Vec::new();
    }
    let mut assumptions = Vec::new();
    if query.precision == Precision::Direct {
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

/// Imports outside the closure return without calling back.
fn reentry(model: &Model<'_>, analysis: &Analysis) -> Option<String> {
    if !host_enters(model, &analysis.closure) {
        return None;
    }
    let number = called_imports(model, analysis);
    (number > 0).then(|| {
        let imports = count(number, "imported function");
        let verb = agree(number, "returns", "return");
        format!(
            "{imports} outside the closure {verb} without calling back into functions of the closure."
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

/// What no guard tests, one sentence each: that functions of other instances which the host may have put into a table call back into
/// nothing of the closure, and tail calls that could not be guarded.
pub(super) fn unguarded(model: &Model<'_>, query: &Query, analysis: &Analysis) -> Vec<String> {
    if !analysis.may_unwind() {
        return Vec::new();
    }
    let module = model.module;
    let enters = host_enters(model, &analysis.closure) || query.shares_state;
    let (tables, _) = called_outside(model, analysis);
    let linked = linked_tables(module);
    let is_told = |table: &TableIdx| enters && !linked[*table] && !query.own_tables.contains(table);
    let tables = tables.into_iter().filter(is_told).map(|table| {
        let table = module.described(ExternalKind::Table, table.0);
        format!(
            "no guard tests that functions of other instances in table {table} call back into nothing of the closure"
        )
    });
    let tails = analysis.unguarded.len();
    let tails = (tails > 0).then(|| {
        let calls = count(tails, "tail call");
        format!("no guard tests what calls back out of {calls} in handlers or loops of tail calls")
    });
    tables.chain(tails).collect()
}

/// The tables through which functions of other instances may be called, by calls that are no sites, and whether `call_ref` may.
fn called_outside(model: &Model<'_>, analysis: &Analysis) -> (BTreeSet<TableIdx>, bool) {
    let mut tables = BTreeSet::new();
    let mut by_ref = false;
    let foreign = may_hold_foreign(model);
    for (caller, calls) in model.facts.calls.iter_enumerated() {
        let sites = &analysis.sites[caller];
        for call in calls {
            work::count(1);
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
                    tables.extend(foreign[table].then_some(table));
                }
            }
        }
    }
    (tables, by_ref)
}

/// Functions of other instances, where this module may call them.
fn foreign(model: &Model<'_>, analysis: &Analysis) -> Vec<String> {
    let (tables, by_ref) = called_outside(model, analysis);
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
