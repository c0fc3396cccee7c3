//! The certificate: checks a finished closure against the calls, without the graph that it came
//! from.
//!
//! For every call `g → f` with `f` in the closure, `g` must be in it too and the call must be
//! among its sites, described as it is; or else the call must be guarded. That is checked without
//! any assumption of the user. Under the assumptions, `g` must be in the closure, or be one of the
//! functions that they take out.
//!
//! What a dynamic call can reach is worked out anew, from the functions of the closure: which types
//! they have, by subtyping, in which table or as a taken reference. One pass over functions and
//! slots, one over calls; nothing shared with the graph. What a table gets by copying is spread from table to table, for each type that
//! is called.

use super::facts::{Call, Callee, Dynamic};
use super::flow::Known;
use super::model::Model;
use super::query::Query;
use super::tables::{Contents, KnownSlots, SlotValue};
use super::types::{Bound, TypeId};
use super::{Analysis, GuardedCall, Site, Target};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::work;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a call can reach the closure and, if so, whether an import in it.
type Hit = Option<MayBeImport>;
type MayBeImport = bool;

/// Checks that nothing is missing from `analysis`.
///
/// # Errors
/// [`Error::Internal`] if something is.
pub(super) fn check(model: &Model<'_>, query: &Query, analysis: &Analysis) -> Result<()> {
    imports(model, query, &analysis.closure)?;
    let checker = Checker::new(model, query, &analysis.closure);
    for (caller, calls) in model.facts.calls.iter_enumerated() {
        if analysis.closure[caller] {
            checker.sites_of(caller, calls, &analysis.sites[caller])?;
        } else {
            let guards = analysis.guards.get(caller).map_or(&[][..], Vec::as_slice);
            checker.guards_of(caller, calls, guards)?;
        }
    }
    Ok(())
}

/// Checks that nothing is missing from `closure` but what assumptions take out: `removed`, and what
/// `model` leaves out for them.
///
/// # Errors
/// [`Error::Internal`] if something is.
pub(super) fn check_narrowed(
    model: &Model<'_>,
    query: &Query,
    closure: &IndexVec<FuncIdx, bool>,
    removed: &IndexVec<FuncIdx, bool>,
) -> Result<()> {
    imports(model, query, closure)?;
    let checker = Checker::new(model, query, closure);
    let calls = model.facts.calls.iter_enumerated();
    for (caller, calls) in calls.filter(|(caller, _)| !closure[*caller] && !removed[*caller]) {
        checker.guards_of(caller, calls, &[])?;
    }
    Ok(())
}

/// Checks the entries, and the imports that may call back.
fn imports(model: &Model<'_>, query: &Query, closure: &IndexVec<FuncIdx, bool>) -> Result<()> {
    if let Some(entry) = query.entries.iter().find(|entry| !closure[**entry]) {
        return Err(broken(format!("the entry {entry} is not in the closure")));
    }
    let callable = |func: FuncIdx| model.taken[func] && closure[func];
    if model.taken.indices().any(callable)
        && let Some(import) = query.reentrant.iter().find(|f| !closure[**f])
    {
        return Err(broken(format!("the import {import} may call into it")));
    }
    Ok(())
}

fn broken(what: String) -> Error {
    Error::Internal(format!("the closure's certificate fails: {what}"))
}

/// What several targets reach together.
fn any(hits: impl Iterator<Item = Hit>) -> Hit {
    hits.flatten().reduce(|left, right| left || right)
}

struct Checker<'a> {
    model: &'a Model<'a>,
    query: &'a Query,
    closure: &'a IndexVec<FuncIdx, bool>,
    /// The types, by subtyping, of the closure's functions that are taken.
    taken: BTreeMap<TypeId, MayBeImport>,
    /// What a call of a type reaches through any slot of a known table.
    tables: BTreeMap<(TableIdx, TypeId), Hit>,
}

impl<'a> Checker<'a> {
    fn new(model: &'a Model<'a>, query: &'a Query, closure: &'a IndexVec<FuncIdx, bool>) -> Self {
        let mut checker =
            Checker { model, query, closure, taken: BTreeMap::new(), tables: BTreeMap::new() };
        checker.note_taken();
        checker.note_tables();
        checker
    }

    /// The types that those of `funcs` that are in the closure can be called by, and whether an
    /// import can.
    fn callable(&self, funcs: impl Iterator<Item = FuncIdx>) -> BTreeMap<TypeId, MayBeImport> {
        let Model { module, types, .. } = self.model;
        let inside = funcs.filter(|func| self.closure[*func]);
        let declared: BTreeSet<(TypeId, MayBeImport)> =
            inside.map(|func| (types.of_func(module, func), module.is_import(func))).collect();
        let mut callable = BTreeMap::new();
        for (ty, import) in declared {
            let mut pending: Vec<TypeId> = types.chain(ty).collect();
            if import {
                // What is imported may be of any subtype.
                self.note_subtypes(ty, &mut pending);
            }
            for ty in pending {
                work::count(1);
                *callable.entry(ty).or_default() |= import;
            }
        }
        callable
    }

    fn note_subtypes(&self, ty: TypeId, into: &mut Vec<TypeId>) {
        for subtype in self.model.types.subtypes(ty) {
            work::count(1);
            into.push(*subtype);
            self.note_subtypes(*subtype, into);
        }
    }

    fn note_taken(&mut self) {
        let taken = self.model.taken.iter_enumerated();
        self.taken = self.callable(taken.filter(|(_, taken)| **taken).map(|(func, _)| func));
    }

    fn slots(&self, table: TableIdx) -> Option<&'a KnownSlots> {
        match &self.model.tables.tables[table].contents {
            Contents::Open => None,
            Contents::Known(slots) => Some(slots),
        }
    }

    /// Notes what is in each known table, for the types that are called through tables; but any reference that is taken only
    /// where the table is copied to others.
    fn note_tables(&mut self) {
        let known: Vec<_> = self
            .model
            .tables
            .tables
            .indices()
            .filter_map(|table| Some((table, self.slots(table)?)))
            .collect();
        let mut named: BTreeMap<TypeId, Vec<(TableIdx, MayBeImport)>> = BTreeMap::new();
        let mut copied_to: BTreeMap<TableIdx, Vec<TableIdx>> = BTreeMap::new();
        for (table, slots) in &known {
            let held = slots.all().filter_map(|slot| match slot {
                SlotValue::Func(func) => Some(func),
                SlotValue::Null | SlotValue::Unknown => None,
            });
            for (ty, import) in self.callable(held) {
                work::count(1);
                named.entry(ty).or_default().push((*table, import));
            }
            for source in slots.copies() {
                work::count(1);
                copied_to.entry(*source).or_default().push(*table);
            }
        }
        let unknown: Vec<_> = known
            .iter()
            .filter(|(table, slots)| slots.has_unknown() && copied_to.contains_key(table))
            .map(|(table, _)| *table)
            .collect();
        for ty in self.model.facts.called_types(&self.model.types) {
            work::count(1);
            let bound = |table: &TableIdx| self.model.tables.tables[*table].bound;
            let taken = unknown
                .iter()
                .filter_map(|table| Some((*table, self.through_taken(bound(table), ty)?)));
            let held = named.remove(&ty).into_iter().flatten().chain(taken).collect();
            self.spread(ty, held, &copied_to);
        }
    }

    /// Notes what a call of type `ty` reaches through these tables, and through those that they are copied to.
    fn spread(
        &mut self,
        ty: TypeId,
        mut held: Vec<(TableIdx, MayBeImport)>,
        copied_to: &BTreeMap<TableIdx, Vec<TableIdx>>,
    ) {
        while let Some((table, import)) = held.pop() {
            work::count(1);
            let hit = self.tables.entry((table, ty)).or_default();
            let more = any([*hit, Some(import)].into_iter());
            if *hit != more {
                *hit = more;
                let copies = copied_to.get(&table).into_iter().flatten();
                held.extend(copies.map(|to| (*to, import)));
            }
        }
    }

    /// What a call of type `ty` reaches through any taken reference that a table admits.
    fn through_taken(&self, bound: Bound, ty: TypeId) -> Hit {
        let ty = self.model.types.meet(bound, ty)?;
        self.taken.get(&ty).copied()
    }

    fn hit(&self, ordinal: u32, dynamic: Dynamic) -> Hit {
        if self.query.may_be_foreign(dynamic) {
            return Some(true);
        }
        let types = &self.model.types;
        let known = self.model.flows.targets.get(&ordinal);
        match (dynamic, known) {
            (Dynamic::Ref { ty }, None) => self.through_taken(Bound::Any, types.id(ty)),
            (Dynamic::Ref { ty }, Some(known)) => any(known
                .iter()
                .map(|known| self.slot_hit(SlotValue::from(*known), Bound::Any, types.id(ty)))),
            (Dynamic::Table { table, ty }, known) => self.table_hit(table, known, types.id(ty)),
        }
    }

    fn table_hit(&self, table: TableIdx, known: Option<&Vec<Known>>, ty: TypeId) -> Hit {
        let bound = self.model.tables.tables[table].bound;
        let Some(slots) = self.slots(table) else {
            return self.through_taken(bound, ty);
        };
        match known.filter(|_| slots.placed()) {
            None => {
                let unknown = slots.has_unknown().then(|| self.through_taken(bound, ty)).flatten();
                any([self.tables.get(&(table, ty)).copied().flatten(), unknown].into_iter())
            }
            Some(known) => any(known.iter().map(|known| match known {
                Known::Int(number) => {
                    let held = slots.get(*number);
                    any(held.map(|slot| self.slot_hit(slot, bound, ty)))
                }
                Known::Func(_) | Known::Null => None,
            })),
        }
    }

    fn slot_hit(&self, slot: SlotValue, bound: Bound, ty: TypeId) -> Hit {
        match slot {
            SlotValue::Null => None,
            SlotValue::Func(func) => {
                let Model { module, types, .. } = self.model;
                let hit = self.closure[func] && types.callable_as(module, func, ty);
                hit.then(|| module.is_import(func))
            }
            SlotValue::Unknown => self.through_taken(bound, ty),
        }
    }

    /// The site that `call` must be; `None` if it can't reach the closure.
    fn site(&self, call: &Call) -> Option<Site> {
        let (target, tail) = match call.callee {
            Callee::Direct { tail, func } => {
                if !self.closure[func] {
                    return None;
                }
                let import = self.model.module.is_import(func);
                let target = if import { Target::Import(func) } else { Target::Defined(func) };
                (target, tail)
            }
            Callee::Dynamic { tail, ordinal } => {
                let dynamic = self.model.facts.dynamics[ordinal as usize];
                let may_be_import = self.hit(ordinal, dynamic)?;
                let target = match dynamic {
                    Dynamic::Table { .. } => Target::Indirect { may_be_import },
                    Dynamic::Ref { .. } => Target::Ref { may_be_import },
                };
                (target, tail)
            }
        };
        // What loops there are is no matter of the closure.
        Some(Site { offset: call.offset, target, tail, in_tail_loop: false })
    }

    fn sites_of(&self, caller: FuncIdx, calls: &[Call], sites: &[Site]) -> Result<()> {
        let mut listed = sites.iter();
        for site in calls.iter().filter_map(|call| self.site(call)) {
            if !listed.any(|other| Site { in_tail_loop: false, ..*other } == site) {
                let place = self.model.module.location(caller, site.offset as usize);
                return Err(broken(format!("the call in {place} is not among the sites")));
            }
        }
        Ok(())
    }

    fn guards_of(&self, caller: FuncIdx, calls: &[Call], guards: &[GuardedCall]) -> Result<()> {
        let mut listed = guards.iter();
        for site in calls.iter().filter_map(|call| self.site(call)) {
            let guard = GuardedCall { offset: site.offset, tail: site.tail };
            if !listed.any(|other| *other == guard) {
                let place = self.model.module.location(caller, site.offset as usize);
                return Err(broken(format!("{place} calls into it from outside")));
            }
        }
        Ok(())
    }
}
