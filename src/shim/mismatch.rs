//! Which indirect calls can meet a function of another type.
//!
//! Input: the facts of [`Indirect`]. Output: what each table holds by type, and for each [`Class`], all calls of
//! one type through one table, which of these types it doesn't accept. Pairs of a class and a type are as
//! many as their product, so they are counted without making them; whoever asks for those of one class
//! gets them one by one. All that is kept is linear in calls and slots.

use super::adapt::{Adaptation, Reason, adapt};
use super::signatures::{Count, Signatures};
use crate::analyze::{Indirect, IndirectCall, Placed};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexVec, TableIdx, TypeIdx};
use crate::limits::Limit;
use crate::read::Module;
use crate::work;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// All calls of one type through one table. The type is the least index that names it.
pub(super) type Class = (TableIdx, TypeIdx);

/// PlacedFunctions of one type that a call can meet and doesn't accept.
#[derive(Clone, Debug)]
pub(super) struct Mismatch<'a> {
    /// Their type: the least index that names it.
    pub(super) ty: TypeIdx,
    pub(super) funcs: &'a PlacedFunctions,
    pub(super) verdict: Result<Adaptation, Reason>,
}

/// PlacedFunctions in slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlacedFunctions {
    /// In order; one that is in several slots comes several times.
    pub(crate) placed: Vec<Placed>,
    /// One type, if there are any functions.
    pub(super) count: Count,
}

/// PlacedFunctions of one type.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionsOfType {
    pub(crate) fixed: PlacedFunctions,
    /// Those that take variable arguments, as far as that is known.
    pub(crate) variadic: PlacedFunctions,
}

/// What a call can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Its slot is known, and holds a function of another type.
    Definite,
    /// Its table holds functions of other types.
    Possible,
}

/// The functions that a call can meet.
#[derive(Clone)]
pub(super) enum Targets {
    /// All that its table holds.
    Table,
    /// Those in the few slots that its index can mean. Calls with the same indices share them.
    Slots(Rc<FunctionsByType>),
}

/// PlacedFunctions in a table or in some of its slots.
pub(super) struct FunctionsByType {
    pub(super) types: BTreeMap<TypeIdx, FunctionsOfType>,
    /// How many of them are met by calls of a type, for the types that were asked about.
    counts: RefCell<BTreeMap<TypeIdx, Counts>>,
}

/// How many functions of other types can be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that could be adapted.
    pub(crate) adaptable: Count,
    /// Those that could not.
    pub(crate) others: Count,
}

impl Counts {
    pub(super) fn any(&self) -> bool {
        self.adaptable.functions + self.others.functions > 0
    }
}

/// What a table holds.
pub(super) struct TableTypes<'m> {
    by_type: FunctionsByType,
    /// The types of functions with fixed arguments.
    signatures: Signatures<'m>,
    /// For each type those in the table that are subtypes of it, itself included.
    subtypes: BTreeMap<TypeIdx, Vec<TypeIdx>>,
    all: Count,
}

/// The key of a call whose slots are known: what it finds depends on nothing else.
type Indices = (TableIdx, Vec<u64>);

pub(super) struct Mismatches<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) indirect: &'m Indirect<'m>,
    pub(super) bit_casts: bool,
    /// The functions that take variable arguments, as far as that is known.
    variadic: &'m BTreeSet<FuncIdx>,
    tables: IndexVec<TableIdx, OnceCell<TableTypes<'m>>>,
    slots: RefCell<HashMap<Indices, Option<Rc<FunctionsByType>>>>,
    all_types: OnceCell<Signatures<'m>>,
}

impl<'m> Mismatches<'m> {
    /// # Errors
    /// [`Error::UnsupportedModule`] for more types of calls and functions than can be held against each
    /// other, where it takes that.
    pub(super) fn find(
        module: &'m Module<'m>,
        indirect: &'m Indirect<'m>,
        variadic: &'m BTreeSet<FuncIdx>,
        bit_casts: bool,
    ) -> Result<Mismatches<'m>> {
        let mismatches = Mismatches {
            module,
            indirect,
            bit_casts,
            variadic,
            tables: module.tables.iter().map(|_| OnceCell::new()).collect(),
            slots: RefCell::default(),
            all_types: OnceCell::new(),
        };
        mismatches.within_limits()?;
        Ok(mismatches)
    }

    fn within_limits(&self) -> Result<()> {
        let classes = self.classes().into_iter();
        let steps =
            classes.map(|(table, _)| self.table_types(table).signatures.steps_of_a_question());
        self.can_compare(steps.sum())
    }

    /// Refuses more comparisons of types than can be made in a while.
    pub(super) fn can_compare(&self, comparisons: usize) -> Result<()> {
        if !Limit::Comparisons.is_exceeded_by(comparisons as u64) {
            return Ok(());
        }
        Err(Error::UnsupportedModule {
            what: Limit::Comparisons.exceeded(comparisons as u64),
            advice: match self.bit_casts {
                true => "permit no bit casts, or split the module".into(),
                false => "split the module".into(),
            },
        })
    }

    /// The classes of all calls.
    pub(super) fn classes(&self) -> BTreeSet<Class> {
        work::count(self.indirect.calls.len());
        self.indirect.calls.iter().map(|call| self.class(call)).collect()
    }

    pub(super) fn class(&self, call: &IndirectCall) -> Class {
        (call.table, self.indirect.canonical(call.ty))
    }

    /// What a table holds.
    pub(super) fn table_types(&self, table: TableIdx) -> &TableTypes<'m> {
        self.tables[table].get_or_init(|| {
            let types = self.grouped(self.indirect.placed(table));
            TableTypes::new(self.module, self.indirect, self.bit_casts, types)
        })
    }

    fn grouped(&self, funcs: Vec<Placed>) -> BTreeMap<TypeIdx, FunctionsOfType> {
        work::count(funcs.len());
        let mut types: BTreeMap<TypeIdx, FunctionsOfType> = BTreeMap::new();
        for placed in funcs {
            let ty = self.indirect.canonical(self.module.funcs[placed.func].ty);
            let of_type = types.entry(ty).or_default();
            match self.variadic.contains(&placed.func) {
                true => of_type.variadic.placed.push(placed),
                false => of_type.fixed.placed.push(placed),
            }
        }
        types.values_mut().for_each(|of_type| {
            of_type.fixed.finish();
            of_type.variadic.finish();
        });
        types
    }

    /// The types of all functions and calls of the module.
    pub(super) fn all_types(&self) -> &Signatures<'m> {
        self.all_types.get_or_init(|| {
            let of_funcs = self.module.funcs.iter().map(|func| func.ty);
            let of_calls = self.indirect.calls.iter().map(|call| call.ty);
            let all = of_funcs.chain(of_calls).map(|ty| self.indirect.canonical(ty));
            let all: BTreeSet<TypeIdx> = all.collect();
            let counted = all.into_iter().map(|ty| (ty, Count { types: 1, ..Count::default() }));
            Signatures::new(self.module, self.bit_casts, counted)
        })
    }

    /// How a function of type `callee` stands where `call` is expected.
    pub(super) fn verdict(&self, call: TypeIdx, callee: TypeIdx) -> Result<Adaptation, Reason> {
        let ty = |ty| self.module.func_type_at(ty);
        adapt(ty(call), ty(callee), self.bit_casts)
    }

    /// What a call can meet, and how sure that is.
    pub(super) fn targets(&self, call: &IndirectCall) -> (Certainty, Targets) {
        let Some(slots) = self.slots(call) else { return (Certainty::Possible, Targets::Table) };
        let slots_hold = slots.types.values().map(FunctionsOfType::count).sum::<Count>().slots;
        let certainty = match call.index.as_deref() {
            Some([_]) if slots_hold == 1 => Certainty::Definite,
            _ => Certainty::Possible,
        };
        (certainty, Targets::Slots(slots))
    }

    /// What the slots hold that the call's index can mean, if that is known.
    fn slots(&self, call: &IndirectCall) -> Option<Rc<FunctionsByType>> {
        let key = (call.table, call.index.clone()?);
        let mut known = self.slots.borrow_mut();
        let found = known.entry(key).or_insert_with(|| {
            let targets = self.indirect.known_targets(call)?;
            Some(Rc::new(FunctionsByType::new(self.grouped(targets))))
        });
        found.clone()
    }

    /// How many functions of other types a call of the class can meet among `targets`.
    pub(super) fn counts(&self, (table, ty): Class, targets: &Targets) -> Counts {
        let count = |by_type: &FunctionsByType, count: &dyn Fn() -> Counts| {
            let known = by_type.counts.borrow().get(&ty).copied();
            known.unwrap_or_else(|| {
                let counts = count();
                by_type.counts.borrow_mut().insert(ty, counts);
                counts
            })
        };
        match targets {
            Targets::Table => {
                let table_types = self.table_types(table);
                count(&table_types.by_type, &|| table_types.counts(self, ty))
            }
            Targets::Slots(slots) => {
                count(slots, &|| self.among(ty, &slots.types).map(|m| m.counts()).sum())
            }
        }
    }

    /// What a call of the class can meet among `targets` and doesn't accept, in order of type. Those with variable
    /// arguments come apart, after the others of their type.
    pub(super) fn of_class<'a>(
        &'a self,
        (table, ty): Class,
        targets: &'a Targets,
    ) -> impl Iterator<Item = Mismatch<'a>> {
        self.among(ty, &self.by_type(table, targets).types)
    }

    fn by_type<'a>(&'a self, table: TableIdx, targets: &'a Targets) -> &'a FunctionsByType {
        match targets {
            Targets::Table => &self.table_types(table).by_type,
            Targets::Slots(slots) => slots,
        }
    }

    /// Those of `types` that calls of type `ty` don't accept.
    fn among<'a>(
        &'a self,
        ty: TypeIdx,
        types: &'a BTreeMap<TypeIdx, FunctionsOfType>,
    ) -> impl Iterator<Item = Mismatch<'a>> {
        let others = types.iter().filter(move |(of, _)| !self.indirect.is_subtype(**of, ty));
        others.flat_map(move |(of, functions)| {
            work::count(1);
            let fixed = (&functions.fixed, self.verdict(ty, *of));
            let variadic = (&functions.variadic, Err(Reason::Variadic));
            let parts = [fixed, variadic].into_iter().filter(|(funcs, _)| !funcs.placed.is_empty());
            parts.map(|(funcs, verdict)| Mismatch { ty: *of, funcs, verdict })
        })
    }

    /// As [`Mismatches::of_class`], but only what can be adapted: of a table without looking at anything else.
    pub(super) fn adaptable<'a>(
        &'a self,
        class: Class,
        targets: &'a Targets,
    ) -> Box<dyn Iterator<Item = Mismatch<'a>> + 'a> {
        let (table, ty) = class;
        if let Targets::Slots(_) = targets {
            let all = self.of_class(class, targets);
            return Box::new(all.filter(|mismatch| mismatch.verdict.is_ok()));
        }
        let table_types = self.table_types(table);
        let types = table_types.signatures.adaptable(ty).into_iter();
        let others = types.filter(move |of| !self.indirect.is_subtype(*of, ty));
        Box::new(others.map(move |of| Mismatch {
            ty: of,
            funcs: &table_types.by_type.types[&of].fixed,
            verdict: self.verdict(ty, of),
        }))
    }
}

impl PlacedFunctions {
    /// Once all are in it.
    fn finish(&mut self) {
        self.count = Count {
            types: usize::from(!self.placed.is_empty()),
            functions: self.placed.chunk_by(|a, b| a.func == b.func).count(),
            slots: self.placed.len(),
        };
    }
}

impl FunctionsByType {
    fn new(types: BTreeMap<TypeIdx, FunctionsOfType>) -> FunctionsByType {
        FunctionsByType { types, counts: RefCell::default() }
    }
}

impl Targets {
    /// What tells apart whatever two calls through one table can meet.
    pub(super) fn key(&self) -> usize {
        match self {
            Targets::Table => 0,
            Targets::Slots(slots) => Rc::as_ptr(slots).addr(),
        }
    }
}

impl FunctionsOfType {
    fn count(&self) -> Count {
        let (fixed, variadic) = (self.fixed.count, self.variadic.count);
        Count { types: fixed.types.max(variadic.types), ..fixed + variadic }
    }
}

impl Mismatch<'_> {
    fn counts(&self) -> Counts {
        match self.verdict {
            Ok(_) => Counts { adaptable: self.funcs.count, others: Count::default() },
            Err(_) => Counts { adaptable: Count::default(), others: self.funcs.count },
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |sum, more| Counts {
            adaptable: sum.adaptable + more.adaptable,
            others: sum.others + more.others,
        })
    }
}

impl<'m> TableTypes<'m> {
    fn new(
        module: &'m Module<'m>,
        indirect: &Indirect<'m>,
        bit_casts: bool,
        types: BTreeMap<TypeIdx, FunctionsOfType>,
    ) -> TableTypes<'m> {
        let mut subtypes: BTreeMap<TypeIdx, Vec<TypeIdx>> = BTreeMap::new();
        for ty in types.keys() {
            for supertype in indirect.supertypes(*ty) {
                work::count(1);
                subtypes.entry(supertype).or_default().push(*ty);
            }
        }
        let fixed = types.iter().filter(|(_, of)| of.fixed.count.types > 0);
        let fixed = fixed.map(|(ty, of)| (*ty, of.fixed.count));
        TableTypes {
            signatures: Signatures::new(module, bit_casts, fixed),
            all: types.values().map(FunctionsOfType::count).sum(),
            subtypes,
            by_type: FunctionsByType::new(types),
        }
    }

    /// How many functions of other types a call of type `ty` can meet: counted by what adapts, but for what it accepts.
    fn counts(&self, mismatches: &Mismatches<'_>, ty: TypeIdx) -> Counts {
        let accepted = self.accepted(ty).iter().map(|of| (*of, &self.by_type.types[of]));
        let (mut all, mut adaptable) = (self.all, self.signatures.count(ty));
        for (of, functions) in accepted {
            work::count(1);
            all = all - functions.count();
            if mismatches.verdict(ty, of).is_ok() {
                adaptable = adaptable - functions.fixed.count;
            }
        }
        Counts { adaptable, others: all - adaptable }
    }

    pub(super) fn types(&self) -> &BTreeMap<TypeIdx, FunctionsOfType> {
        &self.by_type.types
    }

    /// Whether the table holds functions of the type that take variable arguments.
    pub(super) fn has_variadic(&self, ty: TypeIdx) -> bool {
        self.by_type.types.get(&ty).is_some_and(|of_type| of_type.variadic.count.types > 0)
    }

    /// The types in the table that calls of type `ty` accept.
    pub(super) fn accepted(&self, ty: TypeIdx) -> &[TypeIdx] {
        self.subtypes.get(&ty).map_or(&[], Vec::as_slice)
    }
}
