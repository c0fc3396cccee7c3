//! Assumptions of the user: a wrong one traps by name before the program can see what an unwind made
//! of it, a right one changes nothing.
//!
//! Not proved here: that a closure is smaller for an assumption by no more than it says; that is for
//! the fixtures of `analyze`.

use wasm_fork::report::Guards;
use wasm_fork::{Assumption, EntryPattern, FuncPattern, Options, read};
use wasmtime::{Caller, Config, Engine, Error, Instance, Linker, Module, Store, Val};

/// `run(x)` calls `leaf` through `middle` if `x` is not 0; both `middle` and `run` would show in memory
/// and in a global what the call returned.
const PROGRAM: &str = r#"
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $seen (export "seen") (mut i32) (i32.const 7))
  (type $unary (func (param i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 1) $leaf $plain)
  (func $plain (type $unary) (i32.add (local.get 0) (i32.const 1)))
  (func $leaf (type $unary) (i32.add (call $fork) (i32.const 40)))
  (func $middle (export "middle") (param i32) (result i32)
    (local $got i32)
    (local.set $got (call_indirect (type $unary) (i32.const 3) (local.get 0)))
    (i32.store (i32.const 16) (local.get $got))
    (global.set $seen (local.get $got))
    (local.get $got))
  (func $run (export "run") (param i32) (result i32)
    (i32.add (call $middle (i32.add (i32.const 1) (i32.eqz (local.get 0)))) (i32.const 1000))))
"#;

const BUFFER: i32 = 4096;

fn instrument(assumption: Option<Assumption>) -> Vec<u8> {
    let options = Options {
        entries: vec![EntryPattern::exact("env", "fork")],
        assumptions: assumption.into_iter().collect(),
        ..Options::default()
    };
    wasm_fork::instrument(PROGRAM.as_bytes(), &options).unwrap().wasm
}

fn pattern(text: &str) -> FuncPattern {
    FuncPattern(text.into())
}

/// What a run left behind.
struct Outcome {
    result: Result<i32, Error>,
    stored: i32,
    seen: i32,
}

/// Runs `run(x)`; the entry begins an unwind if `unwinds`, else it returns 2.
fn run(wasm: &[u8], x: i32, unwinds: bool) -> Outcome {
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, wasm).unwrap();
    let mut linker = Linker::new(&engine);
    let fork = move |mut caller: Caller<'_, ()>| -> Result<i32, Error> {
        if unwinds {
            let begin = caller.get_export("wpk_fork_unwind_begin").unwrap().into_func().unwrap();
            begin.call(&mut caller, &[Val::I32(BUFFER)], &mut [])?;
        }
        Ok(2)
    };
    linker.func_wrap("env", "fork", fork).unwrap();
    let mut store = Store::new(&engine, ());
    let instance: Instance = linker.instantiate(&mut store, &module).unwrap();
    let export = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    let result = export.call(&mut store, x);
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let stored = i32::from_le_bytes(memory.data(&store)[16..20].try_into().unwrap());
    let seen = instance.get_global(&mut store, "seen").unwrap().get(&mut store).unwrap_i32();
    Outcome { result, stored, seen }
}

/// Assumptions that are wrong as soon as `run` is called with something else than 0.
fn assumptions() -> [Assumption; 4] {
    [
        Assumption::NoFork(pattern("middle")),
        Assumption::NotCalled(pattern("middle")),
        Assumption::NoFork(pattern("run")),
        Assumption::Only(vec![pattern("leaf")]),
    ]
}

#[test]
fn a_wrong_assumption_traps_by_name_before_anything_shows() {
    for assumption in assumptions() {
        let outcome = run(&instrument(Some(assumption.clone())), 1, true);
        let error = format!("{:?}", outcome.result.expect_err("the guard traps"));
        assert!(error.contains("wpk_fork_unprepared"), "{assumption}: {error}");
        let culprit = if assumption == assumptions()[2] { "run" } else { "middle" };
        assert!(error.contains(culprit), "{assumption}: {error}");
        assert_eq!((outcome.stored, outcome.seen), (0, 7), "{assumption}");
    }
}

#[test]
fn a_right_assumption_changes_nothing() {
    for assumption in assumptions() {
        for x in [0, 1] {
            let expected = run(&instrument(None), x, false);
            let found = run(&instrument(Some(assumption.clone())), x, false);
            assert_eq!(found.result.unwrap(), expected.result.unwrap(), "{assumption}, run({x})");
            assert_eq!((found.stored, found.seen), (expected.stored, expected.seen));
        }
    }
}

#[test]
fn guards_are_only_where_an_assumption_needs_them() {
    let options = |assumptions| Options {
        entries: vec![EntryPattern::exact("env", "fork")],
        assumptions,
        ..Options::default()
    };
    let report =
        |assumptions| wasm_fork::analyze(PROGRAM.as_bytes(), &options(assumptions)).unwrap();
    let all = report(Vec::new());
    assert_eq!((all.guards.guards, all.assumed.len()), (0, 0));
    for assumption in assumptions() {
        let narrowed = report(vec![assumption.clone()]);
        assert_eq!(narrowed.guards.guards, 1, "{assumption}");
        assert_eq!(narrowed.assumed[0].costs, narrowed.guards, "{assumption}");
        assert_eq!(all.counts.total - narrowed.counts.total, narrowed.assumed[0].saves);
    }
}

/// By how many bytes the bodies grow that are outside the closure, in the output itself.
fn growth(options: &Options) -> usize {
    let input = wat::parse_str(PROGRAM).unwrap();
    let output = wasm_fork::instrument(&input, options).unwrap();
    let (before, after) = (read(&input), read(&output.wasm));
    let inside: Vec<u32> = output.report.closure.iter().map(|function| function.index).collect();
    let outside = before.defined_funcs().filter(|func| !inside.contains(&func.0));
    let bytes = |module: &read::Module<'_>, func| module.body(func).unwrap().as_bytes().len();
    outside.map(|func| bytes(&after, func) - bytes(&before, func)).sum()
}

fn read(wasm: &[u8]) -> read::Module<'_> {
    read::Module::read(wasm).unwrap()
}

#[test]
fn what_guards_cost_is_what_the_bodies_grow_by() {
    let [no_fork, not_called, of_run, only] = assumptions();
    let sets =
        [vec![no_fork.clone()], vec![only.clone()], vec![no_fork, not_called], vec![of_run, only]];
    for assumptions in sets {
        let options = Options {
            entries: vec![EntryPattern::exact("env", "fork")],
            assumptions,
            ..Options::default()
        };
        let analyzed = wasm_fork::analyze(PROGRAM.as_bytes(), &options).unwrap();
        assert!(analyzed.guards.guards > 0);
        assert_eq!(analyzed.guards.guard_bytes, growth(&options));
        let instrumented = wasm_fork::instrument(PROGRAM.as_bytes(), &options).unwrap();
        assert_eq!(instrumented.report, analyzed);
    }
}

#[test]
fn a_guard_counts_for_an_assumption_that_alone_asks_for_it() {
    let costs = |assumptions: &[Assumption]| {
        let options = Options {
            entries: vec![EntryPattern::exact("env", "fork")],
            assumptions: assumptions.to_vec(),
            ..Options::default()
        };
        let report = wasm_fork::analyze(PROGRAM.as_bytes(), &options).unwrap();
        assert_eq!(report.guards, Guards { guards: 1, guard_bytes: 7 });
        report.assumed.iter().map(|assumed| assumed.costs).collect::<Vec<_>>()
    };
    let [of_middle, again, ..] = assumptions();
    let idle = Assumption::NoFork(pattern("plain"));
    let one = Guards { guards: 1, guard_bytes: 7 };
    assert_eq!(costs(&[of_middle.clone(), idle.clone()]), [one, Guards::default()]);
    assert_eq!(costs(&[of_middle, again, idle]), [Guards::default(); 3]);
}
