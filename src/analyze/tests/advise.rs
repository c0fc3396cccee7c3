//! What holds a closure up: every figure is compared with an analysis from which the thing was taken
//! away, over random modules.
//!
//! Not proved here: that acting on an advice is safe; that is for the guards.

use super::{options, with_module};
use crate::analyze::Analysis;
use crate::analyze::advise::{Extent, NamedImports, OnlyCall, Support, SupportKind, supports};
use crate::analyze::assume::{Assumed, Narrowing};
use crate::analyze::facts::{Call, Callee, Dynamic};
use crate::analyze::graph::Graph;
use crate::analyze::model::Model;
use crate::analyze::query::Query;
use crate::analyze::taken;
use crate::analyze::types::TypeIds;
use crate::index::{FuncIdx, IndexVec, TableIdx, TypeIdx};
use crate::options::{Assumption, EntryPattern, FuncPattern, Options, TablePattern};
use crate::read::Module;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Imported functions of the random modules; the defined ones follow.
const IMPORTS: u32 = 6;
const FUNCS: u8 = 7;

/// A random module: what each function calls, what is in the tables, and what the host sees.
#[derive(Clone, Debug)]
struct Program {
    calls: Vec<Vec<(u8, u8)>>,
    slots: Vec<(bool, u8)>,
    exported_funcs: Vec<u8>,
    exported_tables: [bool; 2],
    assumed: Option<u8>,
    /// Which of [`ENTRIES`] and [`REENTRANT`] the options name.
    entries: usize,
    reentrant: usize,
}

const ENTRIES: [&[&str]; 5] =
    [&["k.fork"], &["k.f*"], &["k.fork", "k.fork2"], &["k.f*", "k.fork2"], &["k.f*", "k.exec"]];
const REENTRANT: [&[&str]; 4] = [&[], &["b.*"], &["b.back", "b.back2"], &["b.ba*", "b.back2"]];

fn program() -> impl Strategy<Value = Program> {
    let call = (0_u8..8, any::<u8>());
    (
        prop::collection::vec(prop::collection::vec(call, 0..4), usize::from(FUNCS)),
        prop::collection::vec((any::<bool>(), 0..FUNCS), 0..6),
        prop::collection::vec(0..FUNCS, 0..3),
        any::<[bool; 2]>(),
        prop::option::weighted(0.3, 0..FUNCS),
        0..ENTRIES.len(),
        0..REENTRANT.len(),
    )
        .prop_map(
            |(calls, slots, exported_funcs, exported_tables, assumed, entries, reentrant)| {
                Program {
                    calls,
                    slots,
                    exported_funcs,
                    exported_tables,
                    assumed,
                    entries,
                    reentrant,
                }
            },
        )
}

impl Program {
    fn wat(&self) -> String {
        let mut wat = String::from(
            "(module (type $t0 (func)) (type $t1 (func (param i32)))
            (import \"k\" \"fork\" (func $fork)) (import \"k\" \"fork2\" (func $fork2))
            (import \"b\" \"back\" (func $back)) (import \"b\" \"back2\" (func $back2))
            (import \"env\" \"invoke_v\" (func $invoke)) (import \"k\" \"exec\" (func $exec))
            (import \"k\" \"g\" (global $g (mut i32)))
            (table $a 4 funcref) (table $b 4 funcref) ",
        );
        for (table, name) in ["a", "b"].iter().enumerate() {
            if self.exported_tables[table] {
                write!(wat, "(export \"{name}\" (table ${name})) ").unwrap();
            }
        }
        for (position, (second, func)) in self.slots.iter().enumerate() {
            let table = if *second { "b" } else { "a" };
            let slot = position % 4;
            write!(wat, "(elem (table ${table}) (i32.const {slot}) func $f{func}) ").unwrap();
        }
        for (position, func) in self.exported_funcs.iter().enumerate() {
            write!(wat, "(export \"e{position}\" (func $f{func})) ").unwrap();
        }
        for (func, calls) in self.calls.iter().enumerate() {
            write!(wat, "(func $f{func} (type $t{}) ", func % 2).unwrap();
            for (kind, choice) in calls {
                wat += &call(*kind, *choice);
            }
            wat += ") ";
        }
        wat + ")"
    }

    fn options(&self) -> Options {
        let assumed = self.assumed.map(|func| {
            let index = u32::from(func) + IMPORTS;
            Assumption::NoFork(FuncPattern(index.to_string()))
        });
        let patterns =
            |texts: &[&str]| texts.iter().map(|text| EntryPattern::parse(text).unwrap()).collect();
        Options {
            assumptions: assumed.into_iter().collect(),
            entries: patterns(ENTRIES[self.entries]),
            reentrant: patterns(REENTRANT[self.reentrant]),
            ..options()
        }
    }
}

/// The text of a call; half of the kinds are direct ones.
fn call(kind: u8, choice: u8) -> String {
    let ty = choice % 2;
    let argument = ["", "(i32.const 0)"][usize::from(ty)];
    let table = ["a", "b"][usize::from(choice / 2 % 2)];
    match kind {
        0 => format!(
            "(call ${}) ",
            ["fork", "fork2", "exec", "back", "back2", "invoke"][usize::from(choice % 6)]
        ),
        1..=3 => {
            let func = choice % FUNCS;
            let argument = ["", "(i32.const 0)"][usize::from(func % 2)];
            format!("(call $f{func} {argument}) ")
        }
        4 | 5 => format!("(call_indirect ${table} (type $t{ty}) {argument} (global.get $g)) "),
        6 => {
            let slot = choice / 4 % 4;
            format!("(call_indirect ${table} (type $t{ty}) {argument} (i32.const {slot})) ")
        }
        _ => format!(
            "(call_ref $t{ty} {argument}
            (ref.cast (ref null $t{ty}) (table.get ${table} (global.get $g)))) "
        ),
    }
}

/// The size of a closure by a search of a graph that is built anew.
fn measure(model: &Model<'_>, query: &Query, removed: &IndexVec<FuncIdx, bool>) -> Extent {
    let graph = Graph::new(model, query);
    let reached = graph.reach_without(&query.entries, removed).funcs(model.module);
    let mut extent = Extent::default();
    for func in reached.indices().filter(|func| reached[*func]) {
        extent.functions += 1;
        if let Some(body) = &model.module.funcs[func].body {
            extent.code_bytes += body.len() as u64;
        }
    }
    extent
}

/// A module, and what is to be taken away from it.
struct Knife<'m> {
    model: Model<'m>,
    query: Query,
    removed: IndexVec<FuncIdx, bool>,
    options: Options,
}

impl<'m> Knife<'m> {
    fn new(module: &'m Module<'m>, options: &Options) -> Knife<'m> {
        let assumed = Assumed::resolve(module, options).unwrap();
        let Narrowing { removed, private, .. } = assumed.narrowing(module);
        let query = Query::new(module, options).unwrap();
        let model = Model::with_private_tables(module, options.precision, &private).unwrap();
        Knife { model, query, removed, options: options.clone() }
    }

    fn measure(&self) -> Extent {
        measure(&self.model, &self.query, &self.removed)
    }

    fn without_calls(&mut self, gone: impl Fn(FuncIdx, &Call) -> bool) {
        for func in self.removed.indices() {
            let calls = self.model.facts.calls[func].iter().copied();
            self.model.facts.calls[func] = calls.filter(|call| !gone(func, call)).collect();
        }
    }

    fn without_calls_of(&mut self, table: Option<TableIdx>, ty: Option<TypeIdx>) {
        let dynamics = self.model.facts.dynamics.clone();
        let unknown: Vec<bool> = (0..dynamics.len() as u32)
            .map(|ordinal| !self.model.flows.targets.contains_key(&ordinal))
            .collect();
        let types: Vec<_> = dynamics
            .iter()
            .map(|dynamic| match dynamic {
                Dynamic::Table { table, ty } => (Some(*table), self.model.types.id(*ty)),
                Dynamic::Ref { ty } => (None, self.model.types.id(*ty)),
            })
            .map(|(table, id)| (table, TypeIds::index(id)))
            .collect();
        self.without_calls(|_, call| match call.callee {
            Callee::Direct { .. } => false,
            Callee::Dynamic { ordinal, .. } => {
                let (of_table, of_type) = types[ordinal as usize];
                unknown[ordinal as usize] && of_table == table && ty.is_none_or(|ty| ty == of_type)
            }
        });
    }

    /// Takes `what` away; false if that can't be done to the model.
    fn cut(&mut self, kind: &SupportKind) -> bool {
        match kind {
            SupportKind::VisibleTable(_) => return false,
            SupportKind::Exports => {
                // The host may still call what is exported: only a module without calls back is
                // the same with fewer references.
                if !self.query.reentrant.is_empty() {
                    return false;
                }
                let Model { module, facts, tables, .. } = &self.model;
                let only = taken::exported_only(module, &facts.uses, tables);
                for func in only.indices().filter(|func| only[*func]) {
                    self.model.taken[func] = false;
                }
            }
            SupportKind::Reentry(imports) => {
                self.query.reentrant.retain(|func| !imports.funcs.contains(func));
            }
            SupportKind::Entries(imports) => {
                self.query.entries.retain(|func| !imports.funcs.contains(func));
            }
            SupportKind::Calls { table, ty, .. } => self.without_calls_of(*table, *ty),
            SupportKind::Function { func, .. } => self.removed[*func] = true,
        }
        true
    }
}

/// Checks every figure for a module, and says which kinds there are.
fn check(module: &Module<'_>, options: &Options) -> Vec<&'static str> {
    let (whole, supports) = supports(module, options).unwrap();
    assert_eq!(whole, Knife::new(module, options).measure());
    let less = |left: Extent| Extent {
        functions: whole.functions - left.functions,
        code_bytes: whole.code_bytes - left.code_bytes,
    };
    for Support { kind, saves } in &supports {
        let mut knife = Knife::new(module, options);
        if knife.cut(kind) {
            assert_eq!(*saves, less(knife.measure()), "{kind:?}");
        }
        if let Some(assumption) = assumption(kind) {
            let mut options = options.clone();
            options.assumptions.push(assumption);
            let closure = Analysis::run(module, &options).unwrap().closure;
            let left = closure.iter().filter(|inside| **inside).count();
            assert_eq!(saves.functions, whole.functions - left, "{kind:?}");
        }
        if let SupportKind::Reentry(NamedImports { pattern: Some(pattern), .. })
        | SupportKind::Entries(NamedImports { pattern: Some(pattern), .. }) = kind
        {
            let mut options = options.clone();
            options.entries.retain(|other| other != pattern);
            options.reentrant.retain(|other| other != pattern);
            assert_eq!(*saves, less(Knife::new(module, &options).measure()), "{kind:?}");
        }
        if let SupportKind::Function { func, only_call } = kind {
            check_only_call(&Knife::new(module, options), *func, *only_call, *saves, whole);
        }
    }
    complete(&Knife::new(module, options), &supports, whole);
    supports.iter().filter_map(kind).collect()
}

/// What the advice is to assume.
fn assumption(kind: &SupportKind) -> Option<Assumption> {
    match kind {
        SupportKind::VisibleTable(table) => {
            Some(Assumption::TablePrivate(TablePattern(table.to_string())))
        }
        SupportKind::Function { func, .. } => {
            Some(Assumption::NoFork(FuncPattern(func.to_string())))
        }
        _ => None,
    }
}

/// Takes each call of a function away alone: only `only_call` may matter.
fn check_only_call(
    knife: &Knife<'_>,
    func: FuncIdx,
    only_call: Option<OnlyCall>,
    saves: Extent,
    whole: Extent,
) {
    let module = knife.model.module;
    for call in &knife.model.facts.calls[func] {
        let mut knife = Knife::new(module, &knife.options);
        knife.without_calls(|caller, other| caller == func && other.offset == call.offset);
        let lost = whole.functions - knife.measure().functions;
        let expected = match only_call {
            Some(only) if only.offset == call.offset => saves.functions,
            _ => 0,
        };
        assert_eq!(lost, expected, "{func:?} {call:?}");
    }
}

/// Every function of the closure and every hub that holds anything must be among the supports.
fn complete(knife: &Knife<'_>, supports: &[Support], whole: Extent) {
    let functions = supports.iter().filter(|support| match &support.kind {
        SupportKind::Reentry(imports) | SupportKind::Entries(imports) => imports.funcs.len() == 1,
        kind => matches!(kind, SupportKind::Function { .. }),
    });
    let only_entry = usize::from(knife.query.entries.len() == 1);
    assert_eq!(functions.count() + only_entry, whole.functions);
    for dynamic in &knife.model.facts.dynamics {
        let (table, ty) = match dynamic {
            Dynamic::Table { table, ty } => (Some(*table), *ty),
            Dynamic::Ref { ty } => (None, *ty),
        };
        let id = Some(TypeIds::index(knife.model.types.id(ty)));
        let mut cut = Knife::new(knife.model.module, &knife.options);
        cut.without_calls_of(table, id);
        let listed = supports.iter().any(|support| {
            matches!(support.kind, SupportKind::Calls { table: t, ty, .. } if (t, ty) == (table, id))
        });
        assert_eq!(cut.measure() != whole, listed, "{table:?} {ty:?}");
    }
}

#[test]
fn every_figure_is_what_an_analysis_without_it_finds() {
    let kinds = RefCell::new(BTreeSet::new());
    let config = ProptestConfig::with_cases(400);
    let checked = TestRunner::new(config).run(&program(), |program| {
        with_module(&program.wat(), |module| {
            kinds.borrow_mut().extend(check(module, &program.options()));
        });
        Ok(())
    });
    checked.unwrap();
    let all = [
        "calls by reference",
        "calls of all types",
        "calls of one type",
        "entries",
        "entry",
        "exports",
        "function",
        "held function",
        "reentrant",
        "reentrants",
        "table",
    ];
    assert_eq!(kinds.into_inner().into_iter().collect::<Vec<_>>(), all);
}

/// Which kind of support it is, where it saves anything: all kinds must have been met.
fn kind(support: &Support) -> Option<&'static str> {
    let kind = match &support.kind {
        SupportKind::VisibleTable(_) => "table",
        SupportKind::Exports => "exports",
        SupportKind::Reentry(imports) if imports.funcs.len() == 1 => "reentrant",
        SupportKind::Reentry(_) => "reentrants",
        SupportKind::Entries(imports) if imports.funcs.len() == 1 => "entry",
        SupportKind::Entries(_) => "entries",
        SupportKind::Calls { ty: None, .. } => "calls of all types",
        SupportKind::Calls { table: None, .. } => "calls by reference",
        SupportKind::Calls { .. } => "calls of one type",
        SupportKind::Function { only_call: Some(_), .. } => "held function",
        SupportKind::Function { only_call: None, .. } => "function",
    };
    (support.saves.functions > 0).then_some(kind)
}

/// What the only support of one kind saves, in functions.
fn saved(wat: &str, options: &Options, pick: impl Fn(&SupportKind) -> bool) -> Option<usize> {
    with_module(wat, |module| {
        let (_, supports) = supports(module, options).unwrap();
        let mut found = supports.iter().filter(|support| pick(&support.kind));
        let saves = found.next().map(|support| support.saves.functions);
        assert!(found.next().is_none(), "there are several");
        saves
    })
}

#[test]
fn an_imported_table_that_the_host_leaves_alone_holds_what_segments_put_there() {
    // The table may be larger than it is declared: slot 5 is there.
    let wat = |table: &str, leaf: &str| {
        format!(
            "(module (import \"k\" \"fork\" (func $fork)) {table} (elem (i32.const 5) $leaf)
            (func $leaf {leaf}) (func (export \"forks\") (call $fork))
            (func $unknown (export \"u\") (param i32) (call_indirect (local.get 0)))
            (func $fifth (call_indirect (i32.const 5)))
            (func $sixth (call_indirect (i32.const 6))))"
        )
    };
    let is_table = |kind: &SupportKind| matches!(kind, SupportKind::VisibleTable(_));
    let imported = "(import \"k\" \"t\" (table 1 funcref))";
    assert_eq!(saved(&wat(imported, ""), &options(), is_table), Some(3));
    assert_eq!(saved(&wat(imported, "(call $fork)"), &options(), is_table), Some(1));
    assert_eq!(saved(&wat("(table 9 funcref)", ""), &options(), is_table), None);
}

#[test]
fn a_table_that_can_not_hold_functions_is_no_support() {
    let is_table = |kind: &SupportKind| matches!(kind, SupportKind::VisibleTable(_));
    let wat = |element: &str| {
        format!(
            "(module (import \"k\" \"fork\" (func)) (table (export \"t\") 1 {element})
            (func (call 0)))"
        )
    };
    assert_eq!(saved(&wat("externref"), &options(), is_table), None);
    assert_eq!(saved(&wat("funcref"), &options(), is_table), Some(0));
}

#[test]
fn an_export_is_passed_on_only_where_nothing_else_gives_the_reference() {
    let is_exports = |kind: &SupportKind| *kind == SupportKind::Exports;
    let wat = |more: &str| {
        format!(
            "(module (import \"k\" \"fork\" (func $fork)) (import \"k\" \"back\" (func $back))
            (table (export \"t\") 1 funcref)
            (func $forks (export \"e\") (call $fork)) (func $calls (call_indirect (i32.const 0)))
            (func $back_in (call $back)) {more})"
        )
    };
    assert_eq!(saved(&wat(""), &options(), is_exports), Some(1));
    assert_eq!(saved(&wat("(elem (i32.const 0) $forks)"), &options(), is_exports), None);
    // A host that calls back calls what is exported all the same.
    let reentrant = Options { reentrant: vec![EntryPattern::exact("k", "back")], ..options() };
    assert_eq!(saved(&wat(""), &reentrant, is_exports), Some(1));
}

#[test]
fn the_calls_through_a_table_are_weighed_by_type_and_together() {
    let wat = "(module (import \"k\" \"fork\" (func $fork)) (table 4 funcref)
        (elem (i32.const 0) $forks $takes)
        (func $forks (call $fork)) (func $takes (param i64) (call $fork))
        (func $a (param i32) (call_indirect (local.get 0)))
        (func $b (param i32) (call_indirect (param i64) (i64.const 0) (local.get 0)))
        (func $both (call $a (i32.const 9)) (call $b (i32.const 9))))";
    // Exported, so that the index is not known.
    let wat = wat.replace("$a (param", "$a (export \"a\") (param");
    let wat = wat.replace("$b (param", "$b (export \"b\") (param");
    let of_type = |least: Option<u32>| {
        move |kind: &SupportKind| {
            let ty = least.map(TypeIdx);
            matches!(kind, SupportKind::Calls { table: Some(TableIdx(0)), ty: t, .. } if *t == ty)
        }
    };
    assert_eq!(saved(&wat, &options(), of_type(Some(0))), Some(1));
    assert_eq!(saved(&wat, &options(), of_type(Some(1))), Some(1));
    assert_eq!(saved(&wat, &options(), of_type(None)), Some(3));
}
