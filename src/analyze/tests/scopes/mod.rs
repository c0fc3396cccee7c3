//! Small scopes, exhaustively: every module of a scope is analyzed, and its closure is compared with
//! what can be on the stack when the module runs in every way that it can run ([`semantics`]).
//!
//! A module has an entry, a function `main` that may call every other function, and these others;
//! one table; two types. Each of the others may do one thing, or nothing: a stack names one call of
//! each function, and more things to do only unite edges. Of modules that differ in nothing but
//! the order of their functions at least one is tried, and modules whose entry is named nowhere are
//! left out. That is every call graph of the entry, `main` and:
//!
//! | scope | others | slots | table | index of a call or write |
//! |---|---|---|---|---|
//! | `calls` | 3 | 2 | private, or exported with every set of other exports | each slot, one beyond, unknown |
//! | `values` | 2 | 2 | private and written by one of them | also a parameter, with every argument |
//!
//! Checked of each module: no function on a stack is missing, no call under way is missing among the
//! sites, the certificate accepts the closure, and rejects it without any one function or site.
//! The functions that are in a closure but never on a stack are counted, and the counts are fixed
//! here, so that a loss of precision shows. They come from what the analysis leaves out on purpose:
//! which functions run at all, and in which order; that a slot holds one function at a time; where in a
//! table that it sees the host has put what, and how large that table can get.
//!
//! `SCOPES=large cargo test --release --lib scopes` tries 3 slots, and two things for each function to do.

mod semantics;
mod shape;

use super::options;
use crate::analyze::graph::Graph;
use crate::analyze::model::Model;
use crate::analyze::query::Query;
use crate::analyze::tables::{Inputs, Tables};
use crate::analyze::{Analysis, certificate};
use crate::index::{FuncIdx, IndexVec};
use crate::read::Module;
use rayon::prelude::*;
use semantics::{Stacks, stacks};
use shape::{Action, Body, ENTRY, Func, Shape, Type, Value};
use std::ops::Add;

/// `main`, which may call every function after it.
const MAIN: Func = 1;

/// A set of modules, by number.
struct Scope {
    /// Functions after `main`.
    others: usize,
    /// Things that each of them may do.
    actions: usize,
    slots: usize,
    /// Whether the host may see the table.
    visible: bool,
    /// Whether functions pass on their parameter and write to the table.
    values: bool,
}

/// Takes choices off a number.
struct Choices(u64);

impl Choices {
    fn take(&mut self, count: usize) -> usize {
        let choice = self.0 % count as u64;
        self.0 /= count as u64;
        choice as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.take(of.len())]
    }
}

impl Scope {
    fn funcs(&self) -> std::ops::Range<Func> {
        MAIN + 1..MAIN + 1 + self.others as Func
    }

    /// Everything that a function of this type may do.
    fn menu(&self, own: Type) -> Vec<Option<Action>> {
        let mut values: Vec<Value> = (0..self.slots as u8).map(Value::Const).collect();
        values.push(Value::Unknown);
        if self.values && own == Type::Param {
            values.push(Value::Param);
        }
        let beyond = Value::Const(self.slots as u8);
        let mut menu = vec![None, Some(Action::Call { callee: ENTRY, arg: Value::Unknown })];
        for callee in self.funcs() {
            // What a function does with its parameter matters only in some scopes.
            let args = if self.values { &values[..] } else { &values[..1] };
            menu.extend(args.iter().map(|arg| Some(Action::Call { callee, arg: *arg })));
        }
        for ty in [Type::Plain, Type::Param] {
            let indices = values.iter().chain([&beyond]);
            menu.extend(indices.map(|index| Some(Action::Indirect { ty, index: *index })));
        }
        if self.values {
            for value in std::iter::once(ENTRY).chain(self.funcs()) {
                menu.extend(values.iter().map(|index| Some(Action::Set { index: *index, value })));
            }
        }
        menu
    }

    /// The choices of one function, told apart from those of the others by nothing.
    fn per_func(&self) -> u64 {
        let menus = [Type::Plain, Type::Param].map(|ty| self.menu(ty).len() as u64);
        2 * 2 * menus[0].max(menus[1]).pow(self.actions as u32)
    }

    fn contents(&self) -> u64 {
        (self.others as u64 + 2).pow(self.slots as u32)
    }

    fn len(&self) -> u64 {
        self.per_func().pow(self.others as u32) * self.contents() * if self.visible { 2 } else { 1 }
    }

    /// The module of a number, if it stands for any that no other number stands for.
    fn shape(&self, number: u64) -> Option<Shape> {
        let mut choices = Choices(number);
        let visible = self.visible && choices.take(2) == 1;
        let mut funcs = vec![self.main()];
        let mut last = 0;
        for _ in self.funcs() {
            let choice = choices.take(self.per_func() as usize) as u64;
            // Without references and arguments that come from outside, exports change nothing.
            let body = self.body(choice).filter(|body| visible || self.values || !body.exported)?;
            let rank = self.rank(&body);
            if rank < last {
                return None;
            }
            last = rank;
            funcs.push(body);
        }
        let slots = (0..self.slots).map(|_| match choices.take(self.others + 2) {
            0 => None,
            1 => Some(ENTRY),
            other => Some(other as Func),
        });
        let shape = Shape { slots: slots.collect(), funcs, visible };
        shape.names_the_entry().then_some(shape)
    }

    fn main(&self) -> Body {
        let calls = self.funcs().map(|callee| Action::Call { callee, arg: Value::Const(0) });
        Body { ty: Type::Plain, exported: true, actions: calls.collect() }
    }

    fn body(&self, choice: u64) -> Option<Body> {
        let mut choices = Choices(choice);
        let ty = choices.pick(&[Type::Plain, Type::Param]);
        let exported = choices.take(2) == 1;
        let menu = self.menu(ty);
        let longest = self.menu(Type::Param).len();
        let mut picks = Vec::new();
        for _ in 0..self.actions {
            picks.push(choices.take(longest));
        }
        // In order, so that the same actions come once; only "nothing" may come twice.
        let sorted = picks.is_sorted() && picks.windows(2).all(|p| p[0] != p[1] || p[0] == 0);
        if !sorted || picks.iter().any(|pick| *pick >= menu.len()) {
            return None;
        }
        let actions = picks.into_iter().filter_map(|pick| menu[pick]).collect();
        Some(Body { ty, exported, actions })
    }

    /// A number that stays the same when functions change places.
    fn rank(&self, body: &Body) -> u64 {
        let mut rank = u64::from(body.exported) * 2 + body.ty as u64;
        for action in &body.actions {
            let kind = match action {
                Action::Call { callee: ENTRY, .. } => 1,
                Action::Call { arg, .. } => 2 + rank_of(*arg),
                Action::Indirect { ty, index } => 20 + 20 * (*ty as u64) + rank_of(*index),
                Action::Set { index, .. } => 60 + rank_of(*index),
            };
            rank = rank * 100 + kind;
        }
        rank
    }
}

fn rank_of(value: Value) -> u64 {
    match value {
        Value::Unknown => 0,
        Value::Param => 1,
        Value::Const(value) => 2 + u64::from(value),
    }
}

impl Shape {
    fn names_the_entry(&self) -> bool {
        let mut actions = self.funcs.iter().flat_map(|body| &body.actions);
        self.slots.contains(&Some(ENTRY))
            || actions.any(|action| match action {
                Action::Call { callee: func, .. } | Action::Set { value: func, .. } => {
                    *func == ENTRY
                }
                Action::Indirect { .. } => false,
            })
    }
}

/// What came out for one module or for many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outcome {
    modules: u64,
    /// Functions that are on a stack.
    exact: u64,
    /// Functions that are in the closure, and never on a stack.
    needless: u64,
    /// Modules with any of these.
    imprecise: u64,
}

impl Add for Outcome {
    type Output = Outcome;
    fn add(self, other: Outcome) -> Outcome {
        Outcome {
            modules: self.modules + other.modules,
            exact: self.exact + other.exact,
            needless: self.needless + other.needless,
            imprecise: self.imprecise + other.imprecise,
        }
    }
}

/// Reads the shape's module and shows what is known of it.
fn with_model<T>(shape: &Shape, test: impl FnOnce(Model<'_>) -> T) -> T {
    let bytes = shape.encode();
    let module = Module::read(&bytes).expect("the shape is a valid module");
    test(Model::new(&module, options().precision).expect("the module is valid"))
}

fn query(model: &Model<'_>) -> Query {
    Query::new(model.module, &options()).expect("the entry is imported")
}

fn analyze(model: &Model<'_>) -> Analysis {
    let none = IndexVec::filled(false, model.module.funcs.len());
    let query = query(model);
    let graph = Graph::new(model, &query);
    let reached = graph.reach_without(&query.entries, &none);
    Analysis::of(model, &query, &graph, reached)
}

fn check(shape: &Shape) -> Outcome {
    let stacks = stacks(shape);
    let closure = with_model(shape, |model| {
        let analysis = analyze(&model);
        assert_eq!(missing(shape, &model, &analysis, &stacks), None, "{shape:?}");
        let closure = analysis.closure.clone();
        mutants_are_rejected(shape, &model, analysis);
        closure
    });
    let needless = closure.iter().zip(&stacks.funcs).skip(1);
    let needless = needless.filter(|(inside, real)| **inside && !**real).count() as u64;
    Outcome {
        modules: 1,
        exact: stacks.funcs.iter().filter(|real| **real).count() as u64,
        needless,
        imprecise: u64::from(needless > 0),
    }
}

/// A function that is on a stack and not in the closure, or a call under way that is no site.
fn missing(
    shape: &Shape,
    model: &Model<'_>,
    analysis: &Analysis,
    stacks: &Stacks,
) -> Option<String> {
    let real = stacks.funcs.iter().zip(analysis.closure.iter_enumerated());
    let mut outside = real.filter(|(real, (_, inside))| **real && !**inside);
    if let Some((_, (func, _))) = outside.next() {
        return Some(format!("function {func}"));
    }
    for (func, (body, real)) in (1..).zip(shape.funcs.iter().zip(&stacks.calls)) {
        let func = FuncIdx(func);
        let calls = body.actions.iter().zip(real);
        let calls = calls.filter(|(action, _)| !matches!(action, Action::Set { .. }));
        for (call, (action, real)) in model.facts.calls[func].iter().zip(calls) {
            let is_site = analysis.sites[func].iter().any(|site| site.offset == call.offset);
            if *real && !is_site {
                return Some(format!("site {action:?} of {func}"));
            }
        }
    }
    None
}

fn mutants_are_rejected(shape: &Shape, model: &Model<'_>, mut analysis: Analysis) {
    let query = query(model);
    let accepted = |analysis: &Analysis| certificate::check(model, &query, analysis).is_ok();
    assert!(accepted(&analysis), "{shape:?}");
    for func in analysis.closure.indices() {
        if !std::mem::replace(&mut analysis.closure[func], false) {
            continue;
        }
        let sites = std::mem::take(&mut analysis.sites[func]);
        assert!(!accepted(&analysis), "without {func}: {shape:?}");
        analysis.closure[func] = true;
        for at in 0..sites.len() {
            analysis.sites[func] = sites.clone();
            analysis.sites[func].remove(at);
            assert!(!accepted(&analysis), "without site {at} of {func}: {shape:?}");
        }
        analysis.sites[func] = sites;
    }
}

/// The modules of the scope, each once at least.
fn each(scope: &Scope) -> impl ParallelIterator<Item = Shape> {
    (0..scope.len()).into_par_iter().filter_map(|number| scope.shape(number))
}

fn run(scope: &Scope) -> Outcome {
    each(scope).map(|shape| check(&shape)).reduce(Outcome::default, Outcome::add)
}

const CALLS: Scope = Scope { others: 3, actions: 1, slots: 2, visible: true, values: false };
const VALUES: Scope = Scope { others: 2, actions: 1, slots: 2, visible: false, values: true };
/// Smaller scopes, for what only wants some modules of each kind.
const FEW: [Scope; 2] = [Scope { others: 2, ..CALLS }, Scope { slots: 1, ..VALUES }];

/// The sum of what `ask` answers for each module of these smaller scopes.
pub(super) fn shapes(ask: impl Fn(&Shape) -> usize + Sync) -> usize {
    FEW.iter().map(|scope| each(scope).map(|shape| ask(&shape)).sum::<usize>()).sum()
}

#[test]
fn calls() {
    let expected =
        Outcome { modules: 357_262, exact: 745_290, needless: 130_040, imprecise: 77_666 };
    assert_eq!(run(&CALLS), expected);
}

/// Nothing is needless where the host sees no table: all that is in the scope `calls` comes from
/// tables that it sees.
#[test]
fn calls_through_private_tables_are_exact() {
    let outcome = run(&Scope { visible: false, ..CALLS });
    assert_eq!((outcome.needless, outcome.modules > 30_000), (0, true), "{outcome:?}");
}

#[test]
fn values() {
    let expected = Outcome { modules: 63_650, exact: 35_518, needless: 2655, imprecise: 1461 };
    assert_eq!(run(&VALUES), expected);
}

/// Many more modules, if they are asked for: three slots, or two things for each function to do.
#[test]
fn large() {
    if std::env::var("SCOPES").as_deref() == Ok("large") {
        let two = Scope { actions: 2, slots: 1, ..VALUES };
        for scope in [Scope { slots: 3, ..VALUES }, two, Scope { slots: 3, ..CALLS }] {
            println!("{:?}", run(&scope));
        }
    }
}

/// In how many modules, of every seventh, something is missing when the model is made worse.
fn misses(scope: &Scope, worsen: impl Fn(&mut Model<'_>) + Sync) -> usize {
    let seventh = (0..scope.len() / 7).into_par_iter().filter_map(|n| scope.shape(7 * n));
    let missed = seventh.filter(|shape| {
        with_model(shape, |mut model| {
            worsen(&mut model);
            missing(shape, &model, &analyze(&model), &stacks(shape)).is_some()
        })
    });
    missed.count()
}

/// What the table holds, worked out anew.
fn tables(model: &Model<'_>, host_visible: bool) -> Tables {
    let written = IndexVec::filled(host_visible, model.module.tables.len());
    Tables::new(&Inputs {
        module: model.module,
        types: &model.types,
        constants: &model.constants,
        uses: &model.facts.uses,
        flows: &model.flows,
        called_types: model.facts.called_types(&model.types).len(),
        host_visible: &written,
        host_written: &written,
    })
}

/// The negative controls: an analysis that ignores something is found out.
#[test]
fn what_is_ignored_is_missed() {
    let few = &FEW[0];
    assert_eq!(misses(few, |_| {}) + misses(&VALUES, |_| {}), 0);
    let ignoring_the_host = misses(few, |model| model.tables = tables(model, false));
    let ignoring_references = misses(few, |model| {
        model.taken.indices().for_each(|func| model.taken[func] = false);
    });
    let ignoring_writes = misses(&VALUES, |model| {
        model.flows.writes.clear();
        model.tables = tables(model, false);
    });
    let ignoring_arguments = misses(&VALUES, |model| {
        model.flows.targets.values_mut().for_each(|known| known.truncate(1));
    });
    let all = [ignoring_the_host, ignoring_references, ignoring_writes, ignoring_arguments];
    assert!(all.iter().all(|missed| *missed > 0), "{all:?}");
}

/// The semantics themselves, on modules small enough to see through.
#[test]
fn stacks_of_known_modules() {
    let body = |ty, exported, actions: &[Action]| Body { ty, exported, actions: actions.into() };
    let fork = Action::Call { callee: ENTRY, arg: Value::Unknown };
    let slot = |index| Action::Indirect { ty: Type::Plain, index };
    let on_stacks = |funcs: Vec<Body>, slots: &[Option<Func>], visible| {
        stacks(&Shape { funcs, slots: slots.into(), visible }).funcs
    };
    let main = |action| body(Type::Plain, true, &[action]);
    let forks = body(Type::Plain, false, &[fork]);
    let through = |slots: &[Option<Func>], visible, exported| {
        let forks = Body { exported, ..forks.clone() };
        on_stacks(vec![main(slot(Value::Const(0))), forks], slots, visible)
    };
    assert_eq!(through(&[Some(2)], false, false), [false, true, true]);
    // A function that nothing reaches, another slot, and one that only the host can fill.
    assert_eq!(through(&[None, Some(2)], false, false), [false, false, false]);
    assert_eq!(through(&[None], false, true), [false, false, true]);
    assert_eq!(through(&[None], true, false), [false, false, false]);
    assert_eq!(through(&[None], true, true), [false, true, true]);
    // The slot is written, and a parameter says which is called.
    let set = Action::Set { index: Value::Const(1), value: 2 };
    let chooser = body(Type::Param, false, &[slot(Value::Param)]);
    let call = |index| Action::Call { callee: 3, arg: Value::Const(index) };
    let written = |index| {
        let main = body(Type::Plain, true, &[set, call(index)]);
        on_stacks(vec![main, forks.clone(), chooser.clone()], &[None, None], false)
    };
    assert_eq!(written(1), [false, true, true, true]);
    assert_eq!(written(0), [false, false, false, false]);
}
