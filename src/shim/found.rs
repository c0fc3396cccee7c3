//! What was found: which calls can meet functions of another type, and how many, as data without words.
//!
//! Input: [`Mismatches`] and the calls that were chosen. Output: [`Found`], which borrows nothing. Calls, classes and
//! slots are listed. Pairs of a class and a type in its table are as many as their product, so they are
//! counted, and made one by one for those who ask for them.

use super::adapt::{Adaptation, Reason, adapt, adapts};
use super::disagree::{self, Disagreements};
use super::mismatch::{Certainty, Class, Counts, FunctionsOfType, Mismatches, Targets};
use super::signatures::Count;
use crate::analyze::{IndirectCall, Placed};
use crate::error::Result;
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wasmparser::FuncType;

/// The indirect calls that can meet a function of another type, and these functions.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// How many indirect calls there are.
    pub(crate) indirect_calls: usize,
    /// How many of them can meet a function that could be adapted.
    pub(crate) adaptable_calls: usize,
    /// Tables that the host can write to: what it writes is not in here.
    pub(crate) host_visible_tables: Vec<TableIdx>,
    /// The calls that can meet a function of another type, in order of caller and offset.
    pub(crate) calls: Vec<FoundCall>,
    /// The classes of these, in order.
    pub(crate) classes: Vec<FoundClass>,
    /// The functions that they can meet, by table and type.
    pub(crate) slots: BTreeMap<(TableIdx, TypeIdx), FoundSlots>,
    /// What debug information says of the calls, in their order.
    pub(crate) disagreements: Vec<Disagreements>,
    bit_casts: bool,
}

/// The functions of one type in a table.
#[derive(Clone, Debug)]
pub(crate) struct FoundSlots {
    signature: Arc<FuncType>,
    pub(crate) functions: FunctionsOfType,
}

/// A call that can meet a function of another type.
#[derive(Clone, Debug)]
pub(crate) struct FoundCall {
    pub(crate) caller: FuncIdx,
    /// Offset of the instruction in bytes from the start of the module.
    pub(crate) offset: u32,
    pub(crate) certainty: Certainty,
    /// The position of its class.
    pub(crate) class: usize,
    /// All values that its index can have, where they are known.
    pub(crate) index: Option<Vec<u64>>,
    /// The functions of other types in its slots, where these are known: a position in the class's [`FoundClass::known`].
    pub(crate) known: Option<usize>,
    /// How many functions it can meet.
    pub(crate) counts: Counts,
    /// Whether it was chosen to be repaired.
    pub(crate) chosen: bool,
}

/// All calls of one type through one table.
#[derive(Clone, Debug)]
pub(crate) struct FoundClass {
    pub(crate) table: TableIdx,
    pub(crate) ty: TypeIdx,
    pub(super) signature: Arc<FuncType>,
    /// How many calls can meet whatever the table holds.
    pub(crate) open_calls: usize,
    /// The slots that other calls know theirs to be.
    pub(crate) known: Vec<KnownSlots>,
    /// How many functions of other types the calls can meet, each counted once.
    pub(crate) counts: Counts,
    /// The types in the table that the calls accept, in order.
    accepted: Vec<TypeIdx>,
    /// What calls with known slots can meet, by type and whether the functions take variable arguments.
    by_known: BTreeMap<(TypeIdx, bool), KnownTargets>,
}

/// A few slots that are known to be all that some calls can mean.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownSlots {
    /// How many calls.
    pub(crate) calls: usize,
    /// The functions of other types, in order of slot.
    pub(crate) functions: Vec<FuncIdx>,
}

/// What calls can meet of one type.
#[derive(Clone, Debug, Default)]
struct KnownTargets {
    calls: usize,
    adaptable: bool,
    functions: BTreeSet<FuncIdx>,
    /// Pairs of call and slot.
    pairs: usize,
}

/// A class and functions of a type that its calls don't accept.
pub(crate) struct Pair<'f> {
    /// The functions' type.
    pub(crate) ty: TypeIdx,
    signature: &'f FuncType,
    /// How many calls can meet them.
    pub(crate) calls: usize,
    /// How many functions there are.
    pub(crate) functions: usize,
    /// How many pairs of call and slot there are.
    pub(crate) pairs: usize,
    /// Whether the functions take variable arguments.
    pub(crate) variadic: bool,
}

impl FoundClass {
    fn new(
        (table, ty): Class,
        signature: Arc<FuncType>,
        mismatches: &Mismatches<'_>,
    ) -> FoundClass {
        FoundClass {
            table,
            ty,
            signature,
            open_calls: 0,
            known: Vec::new(),
            counts: Counts::default(),
            accepted: mismatches.table_types(table).accepted(ty).to_vec(),
            by_known: BTreeMap::new(),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.open_calls + self.known.iter().map(|slots| slots.calls).sum::<usize>()
    }
}

impl Found {
    pub(super) fn new(mismatches: &Mismatches<'_>, chosen: &BTreeSet<u32>) -> Result<Found> {
        let tables = mismatches.module.tables.indices();
        let visible = tables.filter(|table| mismatches.indirect.host_visible(*table)).collect();
        let mut builder =
            Builder { mismatches, chosen, classes: BTreeMap::new(), signatures: BTreeMap::new() };
        let calls: Vec<_> =
            mismatches.indirect.calls.iter().filter_map(|call| builder.call(call)).collect();
        let slots = builder.slots();
        let mut found = Found {
            indirect_calls: mismatches.indirect.calls.len(),
            adaptable_calls: calls
                .iter()
                .filter(|call| call.counts.adaptable.functions > 0)
                .count(),
            host_visible_tables: visible,
            calls,
            slots,
            classes: Vec::new(),
            disagreements: Vec::new(),
            bit_casts: mismatches.bit_casts,
        };
        found.set_classes(mismatches, builder.classes);
        found.disagreements = disagree::find(mismatches, &found)?;
        Ok(found)
    }

    /// The classes in order; until then calls have their positions in another.
    fn set_classes(&mut self, mismatches: &Mismatches<'_>, classes: BTreeMap<Class, ClassBuilder>) {
        let mut positions = vec![0; classes.len()];
        for (position, builder) in classes.into_values().enumerate() {
            positions[builder.position] = position;
            self.classes.push(builder.finish(mismatches));
        }
        self.calls.iter_mut().for_each(|call| call.class = positions[call.class]);
    }

    /// What calls of a class can meet and don't accept, by type in order.
    pub(crate) fn pairs<'f>(
        &'f self,
        class: &'f FoundClass,
    ) -> Box<dyn Iterator<Item = Pair<'f>> + 'f> {
        if class.open_calls == 0 {
            let known = class.by_known.iter();
            return Box::new(known.map(|(&(ty, variadic), met)| {
                let signature = &self.slots[&(class.table, ty)].signature;
                Pair::new(class, ty, signature, variadic, Count::default(), met)
            }));
        }
        let range = (class.table, TypeIdx(0))..=(class.table, TypeIdx(u32::MAX));
        let of_table = self.slots.range(range).map(|((_, ty), slots)| (*ty, slots));
        let others = of_table.filter(|(ty, _)| class.accepted.binary_search(ty).is_err());
        let none = KnownTargets::default();
        Box::new(others.flat_map(move |(ty, slots)| {
            let FoundSlots { signature, functions: FunctionsOfType { fixed, variadic } } = slots;
            let pair = |variadic: bool, count: Count| {
                let met = class.by_known.get(&(ty, variadic)).unwrap_or(&none);
                let any = count.functions > 0;
                any.then(|| Pair::new(class, ty, signature, variadic, count, met))
            };
            let both = [pair(false, fixed.count), pair(true, variadic.count)];
            both.into_iter().flatten()
        }))
    }

    /// How the functions of a pair stand where the class's type is expected.
    pub(crate) fn verdict(
        &self,
        class: &FoundClass,
        pair: &Pair<'_>,
    ) -> std::result::Result<Adaptation, Reason> {
        match pair.variadic {
            true => Err(Reason::Variadic),
            false => adapt(&class.signature, pair.signature, self.bit_casts),
        }
    }

    /// Whether they do.
    pub(crate) fn is_adaptable(&self, class: &FoundClass, pair: &Pair<'_>) -> bool {
        !pair.variadic && adapts(&class.signature, pair.signature, self.bit_casts)
    }

    /// A bound for how many pairs of a class and a type there are.
    pub(crate) fn most_pairs(&self) -> usize {
        let mut of_table: BTreeMap<TableIdx, usize> = BTreeMap::new();
        for (table, _) in self.slots.keys() {
            *of_table.entry(*table).or_default() += 1;
        }
        self.classes.iter().map(|class| of_table.get(&class.table).copied().unwrap_or(0)).sum()
    }
}

impl<'f> Pair<'f> {
    /// Of functions of type `ty` the table holds `count`, and calls with known slots have `met` some.
    fn new(
        class: &FoundClass,
        ty: TypeIdx,
        signature: &'f FuncType,
        variadic: bool,
        count: Count,
        met: &KnownTargets,
    ) -> Pair<'f> {
        work::count(1);
        Pair {
            ty,
            signature,
            calls: class.open_calls + met.calls,
            functions: count.functions.max(met.functions.len()),
            pairs: class.open_calls * count.slots + met.pairs,
            variadic,
        }
    }
}

struct Builder<'a, 'm> {
    mismatches: &'a Mismatches<'m>,
    chosen: &'a BTreeSet<u32>,
    classes: BTreeMap<Class, ClassBuilder>,
    /// The types of calls and functions; tables share them.
    signatures: BTreeMap<TypeIdx, Arc<FuncType>>,
}

/// A class of which not all calls were looked at.
struct ClassBuilder {
    /// Among the classes in order of their first call.
    position: usize,
    class: FoundClass,
    /// The slots that calls know theirs to be: for each the position, by what tells them apart.
    positions: BTreeMap<usize, usize>,
    targets: Vec<Targets>,
}

impl Builder<'_, '_> {
    /// What there is to say of a call; `None` if it surely matches.
    fn call(&mut self, call: &IndirectCall) -> Option<FoundCall> {
        work::count(1);
        let class = self.mismatches.class(call);
        let (certainty, targets) = self.mismatches.targets(call);
        let counts = self.mismatches.counts(class, &targets);
        if !counts.any() {
            return None;
        }
        let next = self.classes.len();
        let signature = self.signature(class.1);
        let builder = self.classes.entry(class).or_insert_with(|| {
            ClassBuilder::new(next, FoundClass::new(class, signature, self.mismatches))
        });
        let known = builder.add(targets, counts);
        Some(FoundCall {
            caller: call.caller,
            offset: call.offset,
            certainty,
            class: builder.position,
            index: call.index.clone(),
            known,
            counts,
            chosen: self.chosen.contains(&call.offset),
        })
    }

    fn signature(&mut self, ty: TypeIdx) -> Arc<FuncType> {
        let module = self.mismatches.module;
        let signature = self.signatures.entry(ty);
        signature.or_insert_with(|| Arc::new(module.func_type_at(ty).clone())).clone()
    }

    /// What the tables hold of types that some class doesn't accept.
    fn slots(&mut self) -> BTreeMap<(TableIdx, TypeIdx), FoundSlots> {
        let mut tables: BTreeMap<TableIdx, usize> = BTreeMap::new();
        let mut accepting: BTreeMap<(TableIdx, TypeIdx), usize> = BTreeMap::new();
        for ClassBuilder { class, .. } in self.classes.values() {
            *tables.entry(class.table).or_default() += 1;
            for ty in &class.accepted {
                work::count(1);
                *accepting.entry((class.table, *ty)).or_default() += 1;
            }
        }
        let (mismatches, mut slots) = (self.mismatches, BTreeMap::new());
        for (table, classes) in tables {
            for (ty, of_type) in mismatches.table_types(table).types() {
                work::count(1);
                if accepting.get(&(table, *ty)) != Some(&classes) {
                    let signature = self.signature(*ty);
                    slots
                        .insert((table, *ty), FoundSlots { signature, functions: of_type.clone() });
                }
            }
        }
        slots
    }
}

impl ClassBuilder {
    fn new(position: usize, class: FoundClass) -> ClassBuilder {
        ClassBuilder { position, class, positions: BTreeMap::new(), targets: Vec::new() }
    }

    /// Adds a call; the position of its slots, if they are known.
    fn add(&mut self, targets: Targets, counts: Counts) -> Option<usize> {
        if let Targets::Table = targets {
            self.class.open_calls += 1;
            self.class.counts = counts;
            return None;
        }
        let next = self.targets.len();
        let position = *self.positions.entry(targets.key()).or_insert(next);
        if position == next {
            self.targets.push(targets);
            self.class.known.push(KnownSlots::default());
        }
        self.class.known[position].calls += 1;
        Some(position)
    }

    /// The class, once all calls are added.
    fn finish(self, mismatches: &Mismatches<'_>) -> FoundClass {
        let ClassBuilder { mut class, targets, .. } = self;
        for (slots, targets) in class.known.iter_mut().zip(&targets) {
            let mut placed: Vec<Placed> = Vec::new();
            for mismatch in mismatches.of_class((class.table, class.ty), targets) {
                let functions = &mismatch.funcs.placed;
                let variadic = mismatch.verdict == Err(Reason::Variadic);
                let met = class.by_known.entry((mismatch.ty, variadic)).or_default();
                met.calls += slots.calls;
                met.pairs += slots.calls * functions.len();
                met.adaptable = mismatch.verdict.is_ok();
                met.functions.extend(functions.iter().map(|placed| placed.func));
                placed.extend_from_slice(functions);
            }
            placed.sort_unstable_by_key(|placed| (placed.slot, placed.func));
            placed.dedup();
            slots.functions = placed.into_iter().map(|placed| placed.func).collect();
        }
        if class.open_calls == 0 {
            class.counts = class.by_known.values().map(KnownTargets::counts).sum();
        }
        class
    }
}

impl KnownTargets {
    fn counts(&self) -> Counts {
        let count = Count { types: 1, functions: self.functions.len(), slots: 0 };
        match self.adaptable {
            true => Counts { adaptable: count, others: Count::default() },
            false => Counts { adaptable: Count::default(), others: count },
        }
    }
}
