//! Calls by which an unwind may come to a function that is not prepared, though nothing in the module shows it: of imports that are no
//! entries, which may call back all the same, and of functions of other instances, which the host has put into tables or handed in.
//!
//! Both are taken not to unwind, and no closure grows for them; but nothing is silent: such a call in a function outside the closure is
//! guarded, unless the user knows better. None can be undone: what is called has no frame, and would do again what it has done.
//!
//! A table that the host sees is guarded so only where functions of other instances are likely to be in it: where it is imported, or where
//! the module is a library for a dynamic linker. Of other tables it is told that this is assumed.

use super::facts::Dynamic;
use super::graph::{Graph, Reached};
use super::host;
use super::model::Model;
use super::query::Query;
use super::tables::Contents;
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;

/// What may lead back into the closure from outside the module.
pub(super) struct Outside {
    /// For each function whether it is an import that may call back.
    pub(super) imports: IndexVec<FuncIdx, bool>,
    /// For each table whether a function of another instance may be called through it.
    tables: IndexVec<TableIdx, bool>,
    /// Whether references that are not followed may be of such.
    references: bool,
}

impl Outside {
    /// What may lead back into this closure.
    pub(super) fn new(
        model: &Model<'_>,
        query: &Query,
        closure: &IndexVec<FuncIdx, bool>,
    ) -> Outside {
        let module = model.module;
        let enters = host_enters(model, closure);
        let may_call_back = |func: FuncIdx| {
            let is_other = module.is_import(func) && !closure[func];
            enters && is_other && query.no_callback.binary_search(&func).is_err()
        };
        let imports: Vec<_> = module.funcs.indices().map(may_call_back).collect();
        // A function of another module may unwind by itself, where modules share their state.
        let may_unwind = enters || query.shares_state;
        let (foreign, linked) = (may_hold_foreign(model), linked_tables(module));
        let is_guarded = |table: TableIdx| {
            may_unwind
                && foreign[table]
                && linked[table]
                && !query.through_tables.contains(&table)
                && !query.own_tables.contains(&table)
        };
        let tables: Vec<_> = module.tables.indices().map(is_guarded).collect();
        let references = may_unwind && model.hands_in_references;
        Outside { imports: imports.into(), tables: tables.into(), references }
    }

    /// The imports that may call back, and what calls of them may be.
    pub(super) fn calls_of_imports(&self, graph: &Graph) -> Reached {
        let imports = self.imports.iter_enumerated().filter(|(_, may)| **may);
        graph.reach_classes(imports.map(|(func, _)| graph.func(func)))
    }

    /// Whether a call may be of a function of another instance; `is_followed`: it is known which references it may be of.
    pub(super) fn may_be_foreign(&self, dynamic: Dynamic, is_followed: bool) -> bool {
        match dynamic {
            Dynamic::Table { table, .. } => self.tables[table],
            Dynamic::Ref { .. } => self.references && !is_followed,
        }
    }
}

/// Whether the host can call anything of the closure.
pub(super) fn host_enters(model: &Model<'_>, closure: &IndexVec<FuncIdx, bool>) -> bool {
    let mut callable = model.host_callable.iter_enumerated();
    callable.any(|(func, callable)| *callable && closure[func])
}

/// For each table whether functions of other instances can get into it: by the host, by a reference that can't be followed, or by a copy
/// from such a table.
pub(super) fn may_hold_foreign(model: &Model<'_>) -> IndexVec<TableIdx, bool> {
    let tables = &model.tables.tables;
    let mut copied_to: BTreeMap<TableIdx, Vec<TableIdx>> = BTreeMap::new();
    let mut pending = Vec::new();
    let mut foreign = IndexVec::filled(false, tables.len());
    for (table, facts) in tables.iter_enumerated() {
        work::count(1);
        match &facts.contents {
            Contents::Open => pending.push(table),
            Contents::Known(slots) => {
                pending.extend(slots.has_unknown().then_some(table));
                for from in slots.copies() {
                    work::count(1);
                    copied_to.entry(*from).or_default().push(table);
                }
            }
        }
    }
    while let Some(table) = pending.pop() {
        work::count(1);
        if !std::mem::replace(&mut foreign[table], true) {
            pending.extend(copied_to.get(&table).into_iter().flatten());
        }
    }
    foreign
}

/// For each table whether it is shared with other modules: it is imported, or the module is a library for a dynamic linker. What can't be followed
/// comes from such a table, if there is any.
pub(super) fn linked_tables(module: &Module<'_>) -> IndexVec<TableIdx, bool> {
    let libraries = ["dylink.0", "dylink"];
    let is_library = libraries.iter().any(|name| module.custom_sections(name).next().is_some());
    let is_imported = |table: TableIdx| module.tables[table].import.is_some();
    let any_imported = module.tables.indices().any(is_imported);
    let visible = host::visible_tables(module);
    let is_linked =
        |table: TableIdx| is_library || is_imported(table) || any_imported && !visible[table];
    module.tables.indices().map(is_linked).collect::<Vec<_>>().into()
}
