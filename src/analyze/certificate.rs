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

use super::assume::Narrowing;
use super::facts::{Call, Callee, Dynamic};
use super::flow::Known;
use super::model::Model;
use super::outside::Outside;
use super::query::Query;
use super::tables::{Contents, KnownSlots, SlotValue};
use super::types::{Bound, TypeId};
use super::{Analysis, GuardedCall, GuardedCallee, Site, Target};
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
    let below_tops = below_tops(query, &analysis.closure);
    let of_tops = below_tops.as_ref().map(|closure| Checker::new(model, query, closure));
    for (caller, calls) in model.facts.calls.iter_enumerated() {
        if query.drivers.bottoms.contains(&caller) {
            ends_unwinds(analysis, caller)?;
        } else if let Some(of_tops) =
            of_tops.as_ref().filter(|_| query.drivers.tops.contains(&caller))
        {
            if !analysis.sites[caller].is_empty() {
                return Err(broken(format!("{caller} begins unwinds itself, and has sites")));
            }
            of_tops.guards_of(caller, calls, analysis.guards_of(caller))?;
        } else if analysis.closure[caller] {
            checker.sites_of(caller, calls, &analysis.sites[caller])?;
        } else {
            checker.guards_of(caller, calls, analysis.guards_of(caller))?;
        }
    }
    if analysis.may_unwind() { calls_out(model, query, analysis) } else { Ok(()) }
}

/// The closure without the functions that begin unwinds themselves, if there are such.
fn below_tops(query: &Query, closure: &IndexVec<FuncIdx, bool>) -> Option<IndexVec<FuncIdx, bool>> {
    let tops = &query.drivers.tops;
    (!tops.is_empty()).then(|| {
        let inside = closure.iter_enumerated().map(|(func, in_it)| *in_it && !tops.contains(&func));
        inside.collect::<Vec<_>>().into()
    })
}

/// Checks that a function at which unwinds end is left as it is.
fn ends_unwinds(analysis: &Analysis, func: FuncIdx) -> Result<()> {
    let has_guards = !analysis.guards_of(func).is_empty();
    if analysis.closure[func] || !analysis.sites[func].is_empty() || has_guards {
        return Err(broken(format!("unwinds end in {func}, and it is in the closure")));
    }
    Ok(())
}

/// Checks that calls which lead out of the module, and may lead back into the closure, are guarded outside of it.
fn calls_out(model: &Model<'_>, query: &Query, analysis: &Analysis) -> Result<()> {
    let outside = Outside::new(model, query, &analysis.closure);
    let checker = Checker::new(model, query, &outside.imports);
    let calls = model.facts.calls.iter_enumerated();
    let bottoms = &query.drivers.bottoms;
    let is_guarded = |func: &FuncIdx| !analysis.closure[*func] && !bottoms.contains(func);
    for (caller, calls) in calls.filter(|(caller, _)| is_guarded(caller)) {
        let guards = analysis.guards_of(caller);
        for call in calls {
            work::count(1);
            let is_foreign = checker.may_be_foreign(call, &outside);
            if !is_foreign && checker.site(call).is_none() {
                continue;
            }
            let found = guards.binary_search_by_key(&call.offset, |guard| guard.offset);
            let is_right = match found {
                Ok(found) => {
                    let guard = &guards[found];
                    guard.tail == call.is_tail()
                        && (guard.callee == GuardedCallee::Foreign || !is_foreign)
                }
                // Anywhere else than here it doesn't matter.
                Err(_) => {
                    analysis.unguarded.binary_search(&(caller, call.offset)).is_ok()
                        || is_foreign && checker.has_no_target(call)
                }
            };
            if !is_right {
                let place = model.module.location(caller, call.offset as usize);
                return Err(broken(format!("{place} calls out of the module without a guard")));
            }
        }
    }
    Ok(())
}

/// Checks that nothing is missing from `closure` but what assumptions take out: functions, what `model` leaves out for them, and
/// calls through values, if these are taken to lead nowhere.
///
/// # Errors
/// [`Error::Internal`] if something is.
pub(super) fn check_narrowed(
    model: &Model<'_>,
    query: &Query,
    closure: &IndexVec<FuncIdx, bool>,
    narrowing: &Narrowing,
) -> Result<()> {
    imports(model, query, closure)?;
    let checker = Checker::new(model, query, closure);
    let calls = model.facts.calls.iter_enumerated();
    let bottoms = &query.drivers.bottoms;
    let is_out = |func: &FuncIdx| narrowing.removed[*func] || bottoms.contains(func);
    let counts =
        |call: &&Call| !narrowing.no_indirect || matches!(call.callee, Callee::Direct { .. });
    for (caller, calls) in calls.filter(|(caller, _)| !closure[*caller] && !is_out(caller)) {
        let calls: Vec<_> = calls.iter().filter(counts).copied().collect();
        checker.guards_of(caller, &calls, &[])?;
    }
    Ok(())
}

/// Checks the entries, and the imports that may call back.
fn imports(model: &Model<'_>, query: &Query, closure: &IndexVec<FuncIdx, bool>) -> Result<()> {
    if let Some(entry) = query.entries.iter().find(|entry| !closure[**entry]) {
        return Err(broken(format!("the entry {entry} is not in the closure")));
    }
    let callable = |func: FuncIdx| model.host_callable[func] && closure[func];
    if model.host_callable.indices().any(callable)
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
        let declared: BTreeSet<(TypeId, bool, MayBeImport)> = inside
            .map(|func| (types.of_func(module, func), module.is_import(func), self.is_again(func)))
            .collect();
        let mut callable = BTreeMap::new();
        for (ty, may_be_subtype, import) in declared {
            let mut pending: Vec<TypeId> = types.chain(ty).collect();
            if may_be_subtype {
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

    /// Whether a function is called again on a rewind, with its arguments: an import, or what begins unwinds itself.
    fn is_again(&self, func: FuncIdx) -> bool {
        self.model.module.is_import(func) || self.query.drivers.tops.contains(&func)
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
                hit.then(|| self.is_again(func))
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
                let import = self.is_again(func);
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
        for (call, site) in calls.iter().filter_map(|call| Some((call, self.site(call)?))) {
            let callee = self.guarded(call, site.target);
            let is_right = |guard: &GuardedCall| {
                (guard.offset, guard.tail) == (site.offset, site.tail)
                    && [callee, GuardedCallee::Foreign].contains(&guard.callee)
            };
            if !listed.any(is_right) {
                let place = self.model.module.location(caller, site.offset as usize);
                return Err(broken(format!("{place} calls into it from outside")));
            }
        }
        Ok(())
    }

    /// What a guard must know of the call that it stands behind.
    fn guarded(&self, call: &Call, target: Target) -> GuardedCallee {
        let dynamic = match call.callee {
            Callee::Direct { .. } => None,
            Callee::Dynamic { ordinal, .. } => Some(self.model.facts.dynamics[ordinal as usize]),
        };
        match (target, dynamic) {
            (Target::Import(func), _) => GuardedCallee::Import(func),
            (Target::Defined(func), _) => GuardedCallee::Defined(func),
            (
                Target::Indirect { may_be_import } | Target::Ref { may_be_import },
                Some(Dynamic::Table { table, ty }),
            ) => GuardedCallee::Table { table, ty, may_be_import },
            (
                Target::Indirect { may_be_import } | Target::Ref { may_be_import },
                Some(Dynamic::Ref { ty }),
            ) => GuardedCallee::Ref { ty, may_be_import },
            (Target::Indirect { .. } | Target::Ref { .. }, None) => {
                unreachable!("a direct call has a function for its target")
            }
        }
    }

    /// Whether a call may be of a function of another instance.
    fn may_be_foreign(&self, call: &Call, outside: &Outside) -> bool {
        match call.callee {
            Callee::Direct { .. } => false,
            Callee::Dynamic { ordinal, .. } => {
                let is_followed = self.model.flows.targets.contains_key(&ordinal);
                outside.may_be_foreign(self.model.facts.dynamics[ordinal as usize], is_followed)
            }
        }
    }

    /// Whether no function can be called so, since the table holds none of such a type.
    fn has_no_target(&self, call: &Call) -> bool {
        let Callee::Dynamic { ordinal, .. } = call.callee else { return false };
        let Model { facts, types, tables, .. } = self.model;
        match facts.dynamics[ordinal as usize] {
            Dynamic::Ref { .. } => false,
            Dynamic::Table { table, ty } => {
                types.meet(tables.tables[table].bound, types.id(ty)).is_none()
            }
        }
    }
}
