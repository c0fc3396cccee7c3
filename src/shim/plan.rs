//! Decides what is made for the chosen calls: adapters, parallel tables, functions that test.
//!
//! Input: the [`Site`]s. Output: a [`Plan`], in which every new table, segment and function has its
//! index. A *parallel* of a table holds at each slot what calls of one type should find there: the
//! function itself, or an adapter that stands for it.

use super::adapt::{Adaptation, Reason};
use super::mismatch::{Class, Mismatches, Strangers};
use super::options::Mechanism;
use super::select::Site;
use super::writes::{Operation, Write, find_writes};
use crate::error::{Error, Result};
use crate::index::{ElemIdx, FuncIdx, IndexType, TableIdx, TypeIdx};
use crate::read::Module;
use indexmap::{IndexMap, IndexSet};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The number of tables that validators accept in a module.
const MAX_TABLES: usize = 100;

/// The number of functions that engines and validators accept in a module.
const MAX_FUNCS: usize = 1_000_000;

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
pub(super) enum NewFunc {
    /// An adapter, by its ordinal.
    Adapter(usize),
    /// A tester, by its ordinal.
    Tester(usize),
    /// Does to a table and its parallels what an instruction did to the table.
    Write(Operation),
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
    pub(super) testers: Vec<Tester>,
    /// The new functions in index order.
    pub(super) funcs: IndexMap<NewFunc, FuncIdx>,
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
        sites: &[Site<'_>],
        mechanism: Mechanism,
    ) -> Result<Plan> {
        let mut maker = Maker { mismatches, plan: Plan::default(), adapters: BTreeMap::new() };
        match mechanism {
            Mechanism::Table => maker.tables(sites)?,
            Mechanism::RefTest => maker.tests(sites),
        }
        maker.plan.changed.extend(sites.iter().map(|site| site.call.caller));
        maker.plan.changed.extend(maker.plan.writes.iter().map(|write| write.func));
        Ok(maker.plan)
    }

    /// The parallels of a table, with their ordinals.
    pub(super) fn parallels_of(&self, table: TableIdx) -> impl Iterator<Item = (usize, &Parallel)> {
        let parallels = self.parallels.iter().enumerate();
        parallels.filter(move |(_, parallel)| parallel.class.0 == table)
    }

    /// Whether the host may change the table: its parallels then have a fixed size.
    pub(super) fn is_fixed(&self, table: TableIdx) -> Option<u64> {
        self.parallels_of(table).find_map(|(_, parallel)| parallel.fixed_size)
    }
}

struct Maker<'a, 'm> {
    mismatches: &'a Mismatches<'m>,
    plan: Plan,
    adapters: BTreeMap<(TypeIdx, FuncIdx), FuncIdx>,
}

impl Maker<'_, '_> {
    fn module(&self) -> &Module<'_> {
        self.mismatches.module
    }

    fn func(&mut self, func: NewFunc) -> FuncIdx {
        let next = FuncIdx::from_usize(self.module().funcs.len() + self.plan.funcs.len());
        *self.plan.funcs.entry(func).or_insert(next)
    }

    fn tables(&mut self, sites: &[Site<'_>]) -> Result<()> {
        let mut whole = BTreeSet::new();
        for site in sites {
            let class = self.mismatches.class(site.call);
            let ordinal = self.parallel(class)?;
            self.plan.repairs.insert(site.call.offset, Repair::Parallel(ordinal));
            // All calls of a class whose slots are not known meet the same.
            let known = matches!(site.strangers, Cow::Owned(_));
            if known || whole.insert(ordinal) {
                self.stand_in_for(ordinal, &site.strangers);
            }
        }
        let callers = sites.iter().map(|site| site.call.caller);
        let writes = find_writes(self.mismatches, callers)?;
        self.parallels_of_sources(&writes)?;
        self.fill_at_start();
        self.mirror(writes);
        self.within_limits()
    }

    /// Engines and validators accept only so many entities.
    fn within_limits(&self) -> Result<()> {
        let (module, plan) = (self.module(), &self.plan);
        let tables = module.tables.len() + plan.parallels.len();
        let funcs = module.funcs.len() + plan.funcs.len();
        for (count, limit, what) in
            [(tables, MAX_TABLES, "tables"), (funcs, MAX_FUNCS, "functions")]
        {
            if count > limit {
                return Err(Error::UnsupportedModule {
                    what: format!("{count} {what} in the output, where engines accept {limit}"),
                    advice: "repair fewer calls, or use --mechanism ref-test".into(),
                });
            }
        }
        Ok(())
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
                self.func(NewFunc::Start);
            }
        }
    }

    /// Each once, in the order of its first parallel.
    fn tables_with_parallels(&self) -> IndexSet<TableIdx> {
        self.plan.parallels.iter().map(|parallel| parallel.class.0).collect()
    }

    /// The parallel for a class of calls.
    fn parallel(&mut self, class: Class) -> Result<usize> {
        let known = self.plan.parallels.iter().position(|parallel| parallel.class == class);
        if let Some(ordinal) = known {
            return Ok(ordinal);
        }
        let ordinal = self.plan.parallels.len();
        let index = TableIdx::from_usize(self.module().tables.len() + ordinal);
        let fixed_size = self.fixed_size(class.0)?;
        let may_be_shorter = fixed_size.is_some() && !self.never_grows(class.0);
        let adapters = BTreeMap::new();
        let parallel = Parallel { class, index, adapters, fixed_size, may_be_shorter };
        self.plan.parallels.push(parallel);
        if may_be_shorter {
            self.func(NewFunc::Beyond(ordinal));
        }
        Ok(ordinal)
    }

    /// Whether the table has no room to grow, as linkers make them.
    fn never_grows(&self, table: TableIdx) -> bool {
        let ty = &self.module().tables[table].ty;
        ty.maximum == Some(ty.initial)
    }

    fn fixed_size(&self, table: TableIdx) -> Result<Option<u64>> {
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

    /// Puts adapters for those of `strangers` that have any into a parallel.
    fn stand_in_for(&mut self, ordinal: usize, strangers: &[Strangers]) {
        let (_, ty) = self.plan.parallels[ordinal].class;
        for strangers in strangers {
            let Ok(adaptation) = &strangers.verdict else { continue };
            for placed in &strangers.funcs {
                let known = self.adapters.get(&(ty, placed.func)).copied();
                let adapter = known.unwrap_or_else(|| self.adapter(ty, placed.func, adaptation));
                self.plan.parallels[ordinal].adapters.insert(placed.func, adapter);
            }
        }
    }

    fn adapter(&mut self, ty: TypeIdx, target: FuncIdx, adaptation: &Adaptation) -> FuncIdx {
        let ordinal = self.plan.adapters.len();
        self.plan.adapters.push(Adapter { ty, target, adaptation: adaptation.clone() });
        let adapter = self.func(NewFunc::Adapter(ordinal));
        self.adapters.insert((ty, target), adapter);
        adapter
    }

    /// A table that is copied from into one with parallels gets them too, so that adapters are copied.
    fn parallels_of_sources(&mut self, writes: &[Write]) -> Result<()> {
        let mut ordinal = 0;
        while let Some(parallel) = self.plan.parallels.get(ordinal) {
            let (table, ty) = parallel.class;
            let fixed = parallel.fixed_size.is_some();
            ordinal += 1;
            for write in writes {
                let Operation::Copy { to, from } = write.operation else { continue };
                let visible = self.mismatches.indirect.host_visible(from);
                if to != table || from == to || fixed || visible {
                    continue;
                }
                let source = self.parallel((from, ty))?;
                let strangers = self.mismatches.strangers_of((from, ty));
                self.stand_in_for(source, &strangers);
            }
        }
        Ok(())
    }

    /// Replaces what writes to tables with parallels by functions that write to those too.
    fn mirror(&mut self, writes: Vec<Write>) {
        for write in writes {
            let table = write.operation.table();
            let fixed = self.plan.is_fixed(table).is_some();
            let grows = matches!(write.operation, Operation::Grow { .. });
            if self.plan.parallels_of(table).next().is_none() || fixed && grows {
                continue;
            }
            if let Operation::Init { segment, .. } = write.operation
                && !fixed
            {
                self.passive_segments(table, segment);
            }
            self.func(NewFunc::Write(write.operation));
            self.plan.writes.push(write);
        }
        for table in self.tables_with_parallels() {
            if self.plan.is_fixed(table).is_some() {
                self.func(NewFunc::Sync(table));
            }
        }
    }

    fn passive_segments(&mut self, table: TableIdx, segment: ElemIdx) {
        // The active segments of all parallels come first.
        let of_parallel =
            |parallel: &Parallel| super::tables::active(self.module(), parallel).len();
        let active: usize = self.plan.parallels.iter().map(of_parallel).sum();
        let first = self.module().elements.len() + active;
        let ordinals: Vec<usize> = self.plan.parallels_of(table).map(|(o, _)| o).collect();
        for ordinal in ordinals {
            let next = ElemIdx::from_usize(first + self.plan.segments.len());
            self.plan.segments.entry((segment, ordinal)).or_insert(next);
        }
    }

    fn tests(&mut self, sites: &[Site<'_>]) {
        let mut testers: BTreeMap<Class, FuncIdx> = BTreeMap::new();
        for site in sites {
            let class = self.mismatches.class(site.call);
            let func = match testers.get(&class) {
                Some(func) => *func,
                None => self.tester(class),
            };
            testers.insert(class, func);
            self.plan.repairs.insert(site.call.offset, Repair::Test(func));
        }
    }

    fn tester(&mut self, class: Class) -> FuncIdx {
        let (table, ty) = class;
        let strangers = self.mismatches.strangers_of(class);
        let mut types: BTreeSet<TypeIdx> =
            strangers.iter().filter(|s| s.verdict.is_ok()).map(|strangers| strangers.ty).collect();
        if self.mismatches.indirect.open_ended(table) {
            let of_funcs = self.module().funcs.iter().map(|func| func.ty);
            let of_calls = self.mismatches.indirect.calls.iter().map(|call| call.ty);
            let all = of_funcs.chain(of_calls).map(|ty| self.mismatches.indirect.canonical(ty));
            types.extend(all);
        }
        // A test sees a type, not a function: where one of the type is left alone, all are.
        let left_alone = strangers.iter().filter(|s| s.verdict == Err(Reason::Variadic));
        for strangers in left_alone {
            types.remove(&strangers.ty);
        }
        let types = types.into_iter().filter(|of| !self.mismatches.indirect.is_subtype(*of, ty));
        let types = types.filter_map(|of| Some((of, self.mismatches.verdict(ty, of).ok()?)));
        let types = types.collect();
        let ordinal = self.plan.testers.len();
        self.plan.testers.push(Tester { class, types });
        self.func(NewFunc::Tester(ordinal))
    }
}

fn unsupported(what: &str) -> Error {
    Error::UnsupportedModule {
        what: what.into(),
        advice: "use --mechanism ref-test, which is right for tables that anybody changes".into(),
    }
}
