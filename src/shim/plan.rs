//! Decides what is made for the chosen calls: adapters, parallel tables, functions that test.
//!
//! Input: the [`ChosenCall`]s. Output: a [`Plan`], in which every new table, segment and function has its
//! index. A *parallel* of a table holds at each slot what calls of one type should find there: the
//! function itself, or an adapter that stands for it.

use super::adapt::Adaptation;
use super::mismatch::{Class, Mismatches, Targets};
use super::options::Mechanism;
use super::select::ChosenCall;
use super::writes::{TableChange, Write, find_writes};
use crate::error::{Error, Result};
use crate::index::{ElemIdx, FuncIdx, IndexType, TableIdx, TypeIdx};
use crate::limits::Limit;
use crate::read::Module;
use crate::work;
use indexmap::{IndexMap, IndexSet};
use std::collections::{BTreeMap, BTreeSet};

/// As many tables as all engines and validators accept in a module; most take more ([`Limit::Tables`]).
const MAX_TABLES: usize = 100;

/// A new function of a call's type, which stands for a function of another type.
#[derive(Clone, Debug)]
pub(super) struct Adapter {
    /// The type of the calls.
    pub(super) ty: TypeIdx,
    /// The function that it calls.
    pub(super) target: FuncIdx,
    pub(super) adaptation: Adaptation,
}

/// A new table beside one of the input.
#[derive(Clone, Debug)]
pub(super) struct Parallel {
    pub(super) class: Class,
    pub(super) index: TableIdx,
    /// For each function that calls of the class don't accept its adapter.
    pub(super) adapters: BTreeMap<FuncIdx, FuncIdx>,
    /// How many slots it has for good, where the host may change the table. Without, it always is as
    /// large as the table.
    pub(super) fixed_size: Option<u64>,
    /// Whether the table may have more slots, so that each call must look at its index.
    pub(super) may_be_shorter: bool,
}

/// A new function that finds out by `ref.test` what a call met, and adapts to it.
#[derive(Clone, Debug)]
pub(super) struct Tester {
    pub(super) class: Class,
    /// The types that it adapts to.
    pub(super) types: Vec<(TypeIdx, Adaptation)>,
}

/// A new function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ShimFunc {
    /// An adapter, by its ordinal.
    Adapter(usize),
    /// A tester, by its ordinal.
    Tester(usize),
    /// Does to a table and its parallels what an instruction did to the table.
    Write(TableChange),
    /// Copies slots of a table to its parallels.
    Sync(TableIdx),
    /// Calls through the table itself, at an index beyond the parallel with this ordinal.
    Beyond(usize),
    /// Fills the parallels of imported tables, then runs the start function that the module had.
    Start,
}

/// What replaces a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// It calls through the parallel with this ordinal.
    Parallel(usize),
    /// It tests what it found; otherwise this function is called.
    Test(FuncIdx),
}

/// Everything that is to be made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) adapters: Vec<Adapter>,
    pub(super) parallels: Vec<Parallel>,
    /// For each table that has parallels their ordinals.
    by_table: BTreeMap<TableIdx, Vec<usize>>,
    pub(super) testers: Vec<Tester>,
    /// The new functions in index order.
    pub(super) funcs: IndexMap<ShimFunc, FuncIdx>,
    /// Passive segments that `table.init` needs for parallels: by segment and parallel's ordinal.
    pub(super) segments: IndexMap<(ElemIdx, usize), ElemIdx>,
    /// The calls to replace, by offset.
    pub(super) repairs: BTreeMap<u32, Repair>,
    /// The other instructions to replace.
    pub(super) writes: Vec<Write>,
    /// The functions with something to replace.
    pub(super) changed: BTreeSet<FuncIdx>,
}

impl Plan {
    pub(super) fn make(
        mismatches: &Mismatches<'_>,
        calls: &[ChosenCall<'_>],
        mechanism: Mechanism,
    ) -> Result<Plan> {
        let mut planner = Planner {
            mismatches,
            plan: Plan::default(),
            adapters: BTreeMap::new(),
            ordinals: BTreeMap::new(),
            first_passive: 0,
        };
        match mechanism {
            Mechanism::Table => planner.tables(calls)?,
            Mechanism::RefTest => planner.tests(calls)?,
        }
        planner.plan.changed.extend(calls.iter().map(|chosen| chosen.call.caller));
        planner.plan.changed.extend(planner.plan.writes.iter().map(|write| write.func));
        Ok(planner.plan)
    }

    /// The parallels of a table, with their ordinals.
    pub(super) fn parallels_of(&self, table: TableIdx) -> impl Iterator<Item = (usize, &Parallel)> {
        let ordinals = self.by_table.get(&table).into_iter().flatten();
        ordinals.map(|ordinal| (*ordinal, &self.parallels[*ordinal]))
    }

    /// Whether the host may change the table: its parallels then have a fixed size.
    pub(super) fn fixed_size_of(&self, table: TableIdx) -> Option<u64> {
        self.parallels_of(table).find_map(|(_, parallel)| parallel.fixed_size)
    }
}

struct Planner<'a, 'm> {
    mismatches: &'a Mismatches<'m>,
    plan: Plan,
    adapters: BTreeMap<(TypeIdx, FuncIdx), FuncIdx>,
    /// The ordinals of the parallels.
    ordinals: BTreeMap<Class, usize>,
    /// The index of the first passive segment that is added.
    first_passive: usize,
}

impl Planner<'_, '_> {
    fn module(&self) -> &Module<'_> {
        self.mismatches.module
    }

    fn func(&mut self, func: ShimFunc) -> FuncIdx {
        let next = FuncIdx::from_usize(self.module().funcs.len() + self.plan.funcs.len());
        *self.plan.funcs.entry(func).or_insert(next)
    }

    fn tables(&mut self, calls: &[ChosenCall<'_>]) -> Result<()> {
        self.estimate_tables(calls)?;
        let mut filled = BTreeSet::new();
        for chosen in calls {
            let class = self.mismatches.class(chosen.call);
            let ordinal = self.parallel(class)?;
            self.plan.repairs.insert(chosen.call.offset, Repair::Parallel(ordinal));
            if filled.insert((ordinal, chosen.targets.key())) {
                self.add_adapters(ordinal, &chosen.targets)?;
            }
        }
        let callers = calls.iter().map(|chosen| chosen.call.caller);
        let writes = find_writes(self.mismatches, callers)?;
        self.parallels_of_sources(&writes)?;
        self.first_passive = self.module().elements.len() + self.active_segments().0;
        self.fill_at_start();
        self.mirror(writes);
        self.within_limits()
    }

    /// Refuses what needs more tables or functions than there can be, before any of them is made.
    fn estimate_tables(&self, calls: &[ChosenCall<'_>]) -> Result<()> {
        tables_fit(self.module(), self.classes(calls.iter()).len())?;
        // Calls of one type share their adapters, so at least those of its largest table are made.
        let mut largest: BTreeMap<TypeIdx, usize> = BTreeMap::new();
        let any_slot = calls.iter().filter(|chosen| matches!(chosen.targets, Targets::Table));
        for class in self.classes(any_slot) {
            let counts = self.mismatches.counts(class, &Targets::Table);
            let adapters = largest.entry(class.1).or_default();
            *adapters = (*adapters).max(counts.adaptable.functions);
        }
        fits(Limit::Functions, self.module().funcs.len() + largest.values().sum::<usize>())
    }

    fn classes<'s>(&self, calls: impl Iterator<Item = &'s ChosenCall<'s>>) -> BTreeSet<Class> {
        calls.map(|chosen| self.mismatches.class(chosen.call)).collect()
    }

    /// Engines and validators accept only so many entities.
    fn within_limits(&self) -> Result<()> {
        let (module, plan) = (self.module(), &self.plan);
        tables_fit(module, plan.parallels.len())?;
        let (active, bytes) = self.active_segments();
        let segments = module.elements.len() + active + plan.segments.len();
        fits(Limit::ElementSegments, segments)?;
        let passive = plan.segments.keys().map(|(segment, _)| self.segment_bytes(*segment));
        fits(Limit::ModuleBytes, module.bytes.len() + bytes + passive.sum::<usize>())?;
        fits(Limit::Functions, module.funcs.len() + plan.funcs.len())
    }

    /// How many active segments the parallels have, and about how many bytes these take.
    fn active_segments(&self) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for parallels in self.plan.by_table.values() {
            // All parallels of a table have the same.
            let segments = super::tables::active(self.module(), &self.plan.parallels[parallels[0]]);
            let of_one: usize = segments.iter().map(|segment| self.segment_bytes(*segment)).sum();
            count += parallels.len() * segments.len();
            bytes += parallels.len() * of_one;
        }
        (count, bytes)
    }

    fn segment_bytes(&self, segment: ElemIdx) -> usize {
        let range = &self.module().elements[segment].range;
        (range.end - range.start) as usize
    }

    /// An imported table may hold something already, which its parallels must hold too. So they are
    /// filled from it, and then by segments that are passive till then.
    fn fill_at_start(&mut self) {
        for table in self.tables_with_parallels() {
            if self.module().tables[table].import.is_some() {
                let segments = self.module().active_segments(table).map(|(segment, ..)| segment);
                for segment in segments.collect::<Vec<_>>() {
                    self.passive_segments(table, segment);
                }
                self.func(ShimFunc::Start);
            }
        }
    }

    /// Each once, in the order of its first parallel.
    fn tables_with_parallels(&self) -> IndexSet<TableIdx> {
        self.plan.parallels.iter().map(|parallel| parallel.class.0).collect()
    }

    /// The parallel for a class of calls.
    fn parallel(&mut self, class: Class) -> Result<usize> {
        if let Some(ordinal) = self.ordinals.get(&class) {
            return Ok(*ordinal);
        }
        let ordinal = self.plan.parallels.len();
        let index = TableIdx::from_usize(self.module().tables.len() + ordinal);
        let fixed_size = self.size_of_parallels(class.0)?;
        let may_be_shorter = fixed_size.is_some() && !self.never_grows(class.0);
        let adapters = BTreeMap::new();
        let parallel = Parallel { class, index, adapters, fixed_size, may_be_shorter };
        self.plan.parallels.push(parallel);
        self.plan.by_table.entry(class.0).or_default().push(ordinal);
        self.ordinals.insert(class, ordinal);
        if may_be_shorter {
            self.func(ShimFunc::Beyond(ordinal));
        }
        Ok(ordinal)
    }

    /// Whether the table has no room to grow, as linkers make them.
    fn never_grows(&self, table: TableIdx) -> bool {
        let ty = &self.module().tables[table].ty;
        ty.maximum == Some(ty.initial)
    }

    fn size_of_parallels(&self, table: TableIdx) -> Result<Option<u64>> {
        let facts = &self.module().tables[table];
        if facts.ty.shared {
            return Err(unsupported("a parallel of a shared table"));
        }
        if !self.mismatches.indirect.host_visible(table) {
            return Ok(None);
        }
        if facts.import.is_none() || self.never_grows(table) {
            return Ok(Some(facts.ty.initial));
        }
        let slots = self.mismatches.indirect.segment_ends(table);
        let end = slots.ok_or_else(|| {
            unsupported(&format!(
                "a parallel of table {table}, which is imported and filled at an offset that only the \
                 host knows"
            ))
        })?;
        Ok(Some(end))
    }

    /// Puts adapters for what can be met among `targets` into a parallel.
    fn add_adapters(&mut self, ordinal: usize, targets: &Targets) -> Result<()> {
        let class = self.plan.parallels[ordinal].class;
        for mismatch in self.mismatches.adaptable(class, targets) {
            let Ok(adaptation) = &mismatch.verdict else { continue };
            for placed in &mismatch.funcs.placed {
                work::count(1);
                let known = self.adapters.get(&(class.1, placed.func)).copied();
                let adapter =
                    known.unwrap_or_else(|| self.adapter(class.1, placed.func, adaptation));
                self.plan.parallels[ordinal].adapters.insert(placed.func, adapter);
            }
            fits(Limit::Functions, self.module().funcs.len() + self.plan.funcs.len())?;
        }
        Ok(())
    }

    fn adapter(&mut self, ty: TypeIdx, target: FuncIdx, adaptation: &Adaptation) -> FuncIdx {
        let ordinal = self.plan.adapters.len();
        self.plan.adapters.push(Adapter { ty, target, adaptation: adaptation.clone() });
        let adapter = self.func(ShimFunc::Adapter(ordinal));
        self.adapters.insert((ty, target), adapter);
        adapter
    }

    /// A table that is copied from into one with parallels gets them too, so that adapters are copied.
    fn parallels_of_sources(&mut self, writes: &[Write]) -> Result<()> {
        // Each pair of tables once, in the order of the first copy.
        let mut copies: IndexMap<TableIdx, IndexSet<TableIdx>> = IndexMap::new();
        for write in writes {
            if let TableChange::Copy { to, from } = write.operation
                && from != to
                && !self.mismatches.indirect.host_visible(from)
            {
                copies.entry(to).or_default().insert(from);
            }
        }
        let mut ordinal = 0;
        while let Some(parallel) = self.plan.parallels.get(ordinal) {
            let (table, ty) = parallel.class;
            let fixed = parallel.fixed_size.is_some();
            ordinal += 1;
            let sources = copies.get(&table).filter(|_| !fixed).into_iter().flatten();
            for from in sources {
                tables_fit(self.module(), self.plan.parallels.len())?;
                let source = self.parallel((*from, ty))?;
                self.add_adapters(source, &Targets::Table)?;
            }
        }
        Ok(())
    }

    /// Replaces what writes to tables with parallels by functions that write to those too.
    fn mirror(&mut self, writes: Vec<Write>) {
        for write in writes {
            work::count(1);
            let table = write.operation.table();
            let fixed = self.plan.fixed_size_of(table).is_some();
            let grows = matches!(write.operation, TableChange::Grow { .. });
            if self.plan.parallels_of(table).next().is_none() || fixed && grows {
                continue;
            }
            if let TableChange::Init { segment, .. } = write.operation
                && !fixed
            {
                self.passive_segments(table, segment);
            }
            self.func(ShimFunc::Write(write.operation));
            self.plan.writes.push(write);
        }
        for table in self.tables_with_parallels() {
            if self.plan.fixed_size_of(table).is_some() {
                self.func(ShimFunc::Sync(table));
            }
        }
    }

    /// The copies of a segment that the parallels of a table need, behind the active segments of all parallels.
    fn passive_segments(&mut self, table: TableIdx, segment: ElemIdx) {
        let ordinals: Vec<usize> = self.plan.parallels_of(table).map(|(o, _)| o).collect();
        for ordinal in ordinals {
            work::count(1);
            let next = ElemIdx::from_usize(self.first_passive + self.plan.segments.len());
            self.plan.segments.entry((segment, ordinal)).or_insert(next);
        }
    }

    fn tests(&mut self, calls: &[ChosenCall<'_>]) -> Result<()> {
        self.estimate_tests(calls)?;
        let mut testers: BTreeMap<Class, FuncIdx> = BTreeMap::new();
        for chosen in calls {
            work::count(1);
            let class = self.mismatches.class(chosen.call);
            let func = match testers.get(&class) {
                Some(func) => *func,
                None => self.tester(class),
            };
            testers.insert(class, func);
            self.plan.repairs.insert(chosen.call.offset, Repair::Test(func));
        }
        Ok(())
    }

    /// Refuses what needs too many tests, before any of them is made.
    fn estimate_tests(&self, calls: &[ChosenCall<'_>]) -> Result<()> {
        let classes = self.classes(calls.iter());
        if classes.iter().any(|class| self.is_open_ended(*class)) {
            let question = self.mismatches.all_types().steps_of_a_question();
            self.mismatches.can_compare(classes.len() * question)?;
        }
        let tests = classes.into_iter().map(|class| match self.is_open_ended(class) {
            true => self.mismatches.all_types().count(class.1).types,
            false => self.mismatches.counts(class, &Targets::Table).adaptable.types,
        });
        fits(Limit::Tests, tests.sum())
    }

    /// Whether calls of the class may meet functions of which nothing is known.
    fn is_open_ended(&self, (table, _): Class) -> bool {
        self.mismatches.indirect.open_ended(table)
    }

    fn tester(&mut self, class: Class) -> FuncIdx {
        let (table, ty) = class;
        let mismatches = self.mismatches;
        let mut types: Vec<TypeIdx> =
            mismatches.adaptable(class, &Targets::Table).map(|mismatch| mismatch.ty).collect();
        if self.is_open_ended(class) {
            types = mismatches.all_types().adaptable(ty);
        }
        // A test sees a type, not a function: where one of the type is left alone, all are.
        let table_types = mismatches.table_types(table);
        types.retain(|of| {
            !mismatches.indirect.is_subtype(*of, ty) && !table_types.has_variadic(*of)
        });
        let types = types.into_iter().filter_map(|of| Some((of, mismatches.verdict(ty, of).ok()?)));
        let types: Vec<_> = types.collect();
        work::count(types.len());
        let ordinal = self.plan.testers.len();
        self.plan.testers.push(Tester { class, types });
        self.func(ShimFunc::Tester(ordinal))
    }
}

/// Refuses a number of tables that some engine doesn't accept which takes the input.
fn tables_fit(module: &Module<'_>, parallels: usize) -> Result<()> {
    let tables = module.tables.len() + parallels;
    if module.tables.len() > MAX_TABLES {
        return fits(Limit::Tables, tables);
    }
    if tables <= MAX_TABLES {
        return Ok(());
    }
    let what =
        format!("{tables} tables in the output, where some engines accept {MAX_TABLES} at most");
    Err(Error::UnsupportedModule { what, advice: FEWER.into() })
}

/// Refuses a number in the output that exceeds a limit.
fn fits(limit: Limit, number: usize) -> Result<()> {
    if !limit.is_exceeded_by(number as u64) {
        return Ok(());
    }
    let what = format!("the repaired module would have {}", limit.exceeded(number as u64));
    let advice = if limit == Limit::Tests { "repair fewer calls" } else { FEWER };
    Err(Error::UnsupportedModule { what, advice: advice.into() })
}

const FEWER: &str = "repair fewer calls, or choose the mechanism `ref-test`";

fn unsupported(what: &str) -> Error {
    Error::UnsupportedModule {
        what: what.into(),
        advice: "choose the mechanism `ref-test`, which is right for tables that anybody changes"
            .into(),
    }
}
