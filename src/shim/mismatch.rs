//! Which indirect calls can meet a function of another type.
//!
//! Input: the facts of [`Indirect`]. Output: for each call its [`Class`], all calls of one type through
//! one table, with the types that its table holds beside; so everything here is linear in calls and
//! slots, where pairs of call and slot would be the product.

use super::adapt::{Adaptation, Reason, adapt};
use crate::analyze::{Indirect, IndirectCall, Placed};
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use crate::read::Module;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// All calls of one type through one table. The type is the least index that names it.
pub(super) type Class = (TableIdx, TypeIdx);

/// Functions of one type that a class of calls can meet and doesn't accept.
#[derive(Clone, Debug)]
pub(super) struct Strangers {
    /// Their type: the least index that names it.
    pub(super) ty: TypeIdx,
    /// In order; one that is in several slots comes several times.
    pub(super) funcs: Vec<Placed>,
    /// How many functions there are.
    pub(super) count: usize,
    pub(super) verdict: Result<Adaptation, Reason>,
}

/// What a call can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    /// Its slot is known, and holds a function of another type.
    Definite,
    /// Its table holds functions of other types.
    Possible,
}

pub(super) struct Mismatches<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) indirect: &'m Indirect<'m>,
    pub(super) bit_casts: bool,
    /// The functions that take variable arguments, as far as that is known.
    variadic: &'m BTreeSet<FuncIdx>,
    /// For each table that is called from: its functions by type.
    tables: BTreeMap<TableIdx, BTreeMap<TypeIdx, Vec<Placed>>>,
    /// For each class the functions that it doesn't accept, in order of type.
    pub(super) classes: BTreeMap<Class, Vec<Strangers>>,
}

impl<'m> Mismatches<'m> {
    pub(super) fn find(
        module: &'m Module<'m>,
        indirect: &'m Indirect<'m>,
        variadic: &'m BTreeSet<FuncIdx>,
        bit_casts: bool,
    ) -> Mismatches<'m> {
        let mut mismatches = Mismatches {
            module,
            indirect,
            bit_casts,
            variadic,
            tables: BTreeMap::new(),
            classes: BTreeMap::new(),
        };
        for call in &indirect.calls {
            let class = mismatches.class(call);
            if !mismatches.classes.contains_key(&class) {
                let strangers = mismatches.strangers(class);
                mismatches.classes.insert(class, strangers);
            }
        }
        mismatches
    }

    pub(super) fn class(&self, call: &IndirectCall) -> Class {
        (call.table, self.indirect.canonical(call.ty))
    }

    /// The functions of a table that calls of a type don't accept.
    pub(super) fn strangers_of(&self, (table, ty): Class) -> Cow<'_, [Strangers]> {
        match (self.classes.get(&(table, ty)), self.tables.get(&table)) {
            (Some(strangers), _) => Cow::Borrowed(strangers),
            (None, Some(by_type)) => Cow::Owned(self.among(ty, by_type)),
            (None, None) => Cow::Owned(self.among(ty, &self.by_type(table))),
        }
    }

    fn strangers(&mut self, (table, ty): Class) -> Vec<Strangers> {
        if !self.tables.contains_key(&table) {
            self.tables.insert(table, self.by_type(table));
        }
        self.among(ty, &self.tables[&table])
    }

    /// The functions of a table by their types.
    fn by_type(&self, table: TableIdx) -> BTreeMap<TypeIdx, Vec<Placed>> {
        self.sorted(self.indirect.placed(table))
    }

    fn sorted(&self, funcs: Vec<Placed>) -> BTreeMap<TypeIdx, Vec<Placed>> {
        let mut by_type: BTreeMap<TypeIdx, Vec<Placed>> = BTreeMap::new();
        for placed in funcs {
            let ty = self.indirect.canonical(self.module.funcs[placed.func].ty);
            by_type.entry(ty).or_default().push(placed);
        }
        by_type
    }

    /// Those of `by_type` that calls of type `ty` don't accept.
    fn among(&self, ty: TypeIdx, by_type: &BTreeMap<TypeIdx, Vec<Placed>>) -> Vec<Strangers> {
        let mut found = Vec::new();
        for (&of, placed) in by_type {
            let accepted = placed.first().is_none_or(|first| self.indirect.accepts(ty, first.func));
            if accepted {
                continue;
            }
            let (variadic, fixed): (Vec<Placed>, Vec<Placed>) =
                placed.iter().partition(|placed| self.variadic.contains(&placed.func));
            let verdict = self.verdict(ty, of);
            let groups = [(fixed, verdict), (variadic, Err(Reason::Variadic))];
            let groups = groups.into_iter().filter(|(funcs, _)| !funcs.is_empty());
            found.extend(groups.map(|(funcs, verdict)| Strangers {
                ty: of,
                count: funcs.chunk_by(|a, b| a.func == b.func).count(),
                funcs,
                verdict,
            }));
        }
        found
    }

    /// How a function of type `callee` stands where `site` is expected.
    pub(super) fn verdict(&self, site: TypeIdx, callee: TypeIdx) -> Result<Adaptation, Reason> {
        let ty = |ty| self.module.func_type_at(ty);
        adapt(ty(site), ty(callee), self.bit_casts)
    }

    /// What a call can meet that it doesn't accept; nothing if it surely accepts what it finds.
    pub(super) fn of_call(&self, call: &IndirectCall) -> (Certainty, Cow<'_, [Strangers]>) {
        let Some(targets) = self.indirect.known_targets(call) else {
            return (Certainty::Possible, Cow::Borrowed(&self.classes[&self.class(call)]));
        };
        let certainty = match call.index.as_deref() {
            Some([_]) if targets.len() == 1 => Certainty::Definite,
            _ => Certainty::Possible,
        };
        let strangers = self.among(self.indirect.canonical(call.ty), &self.sorted(targets));
        (certainty, Cow::Owned(strangers))
    }
}
