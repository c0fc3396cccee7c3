//! Calls that lead out of the module, and back into it by ways that nobody named: of an import that calls back, of functions of another
//! instance in a table, of one that the host handed in. The unwind stops at a guard, before the program sees anything of it.

use super::host::engine;
use wasm_fork::{EntryPattern, Options, TablePattern};
use wasmtime::{
    AsContextMut, Caller, Extern, Func, Instance, Memory, MemoryType, Module, Ref, RefType, Result,
    Store, Table, TableType, Val,
};

const BUFFER: i32 = 4096;
const BUFFER_BYTES: i32 = 4096;

/// A program whose `run` calls out of the module by `CALL`, which gives what `inner` gives; that calls the entry. No call has its type, so that none
/// is prepared for it.
const PROGRAM: &str = r#"(module
  (type $none (func (result i32)))
  (import "env" "fork" (func $fork (type $none)))
  (import "env" "callback" (func $callback (type $none)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "memory" (memory 1))
  (import "env" "table" (table $table 4 funcref))
  (table $own 2 funcref)
  (elem (table $own) (i32.const 1) func $callback)
  (func $inner (export "inner") (param i32) (result i32) (i32.add (call $fork) (local.get 0)))
  (func $call (param funcref) (result i32) CALL)
  (func $run (export "run") (param funcref) (result i32) (local $x i32)
    (local.set $x (call $call (local.get 0)))
    (call $log (local.get $x))
    (i32.add (local.get $x) (i32.const 1000))))"#;

/// Ways out of the module that lead to a function of the host's, which calls back; the last ones are tail calls.
const WAYS: [(&str, &str); 8] = [
    ("an import", "(call $callback)"),
    ("an import in a table of the module's own", "(call_indirect $own (type $none) (i32.const 1))"),
    ("a function in an imported table", "(call_indirect $table (type $none) (i32.const 3))"),
    ("a function that the host handed in", "(call_ref $none (ref.cast (ref $none) (local.get 0)))"),
    ("a tail call of an import", "(return_call $callback)"),
    ("a tail call through a table", "(return_call_indirect $own (type $none) (i32.const 1))"),
    (
        "a tail call of what the host wrote",
        "(return_call_indirect $table (type $none) (i32.const 3))",
    ),
    (
        "a tail call of what the host handed in",
        "(return_call_ref $none (ref.cast (ref $none) (local.get 0)))",
    ),
];

/// What the host keeps.
#[derive(Default)]
struct Kept {
    instance: Option<Instance>,
    memory: Option<Memory>,
    unwinds: bool,
    log: Vec<i32>,
}

fn program(call: &str) -> Vec<u8> {
    wat::parse_str(PROGRAM.replace("CALL", call)).unwrap()
}

fn options() -> Options {
    Options::default().entries([EntryPattern::exact("env", "fork")])
}

fn export(caller: &mut Caller<'_, Kept>, name: &str) -> Option<Func> {
    let instance = caller.data().instance?;
    instance.get_func(caller.as_context_mut(), name)
}

fn fork(mut caller: Caller<'_, Kept>) -> Result<i32> {
    if caller.data().unwinds {
        let memory = caller.data().memory.unwrap();
        let end = (BUFFER + BUFFER_BYTES).to_le_bytes();
        memory.data_mut(&mut caller)[BUFFER as usize + 4..][..4].copy_from_slice(&end);
        let begin = export(&mut caller, "wpk_fork_unwind_begin").unwrap();
        begin.call(&mut caller, &[Val::I32(BUFFER)], &mut [])?;
        return Ok(0);
    }
    Ok(7)
}

fn callback(mut caller: Caller<'_, Kept>) -> Result<i32> {
    let mut results = [Val::I32(0)];
    export(&mut caller, "inner").unwrap().call(&mut caller, &[Val::I32(5)], &mut results)?;
    Ok(results[0].unwrap_i32())
}

/// Runs `run`; returns what it gives and what the program logged.
fn run(wasm: &[u8], unwinds: bool) -> (Result<i32>, Vec<i32>) {
    let mut store = Store::new(engine(), Kept { unwinds, ..Kept::default() });
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let ty = TableType::new(RefType::FUNCREF, 4, None);
    let table = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
    let calls_back = Func::wrap(&mut store, callback);
    table.set(&mut store, 3, Ref::Func(Some(calls_back))).unwrap();
    let log = Func::wrap(&mut store, |mut caller: Caller<'_, Kept>, value: i32| {
        caller.data_mut().log.push(value);
    });
    let fork = Func::wrap(&mut store, fork);
    let imports: [Extern; 5] =
        [fork.into(), calls_back.into(), log.into(), memory.into(), table.into()];
    let module = Module::new(engine(), wasm).unwrap();
    let instance = Instance::new(&mut store, &module, &imports).unwrap();
    store.data_mut().instance = Some(instance);
    store.data_mut().memory = Some(memory);
    let mut results = [Val::I32(0)];
    let run = instance.get_func(&mut store, "run").unwrap();
    let outcome = run.call(&mut store, &[Val::FuncRef(Some(calls_back))], &mut results);
    (outcome.map(|()| results[0].unwrap_i32()), store.into_data().log)
}

#[test]
fn what_calls_back_unnamed_stops_at_a_guard() {
    for (way, call) in WAYS {
        let original = program(call);
        let (outcome, log) = run(&original, false);
        assert_eq!((outcome.unwrap(), log), (1012, vec![12]), "{way}");
        let output = wasm_fork::instrument(&original, &options()).unwrap();
        let (outcome, log) = run(&output.wasm, false);
        assert_eq!((outcome.unwrap(), log), (1012, vec![12]), "{way}: without an unwind");
        let (outcome, log) = run(&output.wasm, true);
        let error = format!("{:?}", outcome.expect_err(way));
        assert!(error.contains("wpk_fork_unprepared"), "{way}: {error}");
        assert!(error.contains("!call\n"), "{way}: {error}");
        assert!(log.is_empty(), "{way}: the program goes on with {log:?}");
    }
}

#[test]
fn guards_cost_what_the_report_says() {
    for (way, call) in WAYS {
        let original = program(call);
        let report = wasm_fork::analyze(&original, &options()).unwrap();
        // `run` calls the import `log`.
        assert_eq!((report.guards.guards, report.guards_of_calls_out), (2, 2), "{way}");
        let output = wasm_fork::instrument(&original, &options()).unwrap();
        assert_eq!(output.report, report, "{way}");
    }
}

#[test]
fn none_is_there_that_the_user_says_is_not_needed() {
    let no_callback = options().no_callback([EntryPattern::parse("env.*").unwrap()]);
    let own = no_callback.clone().tables_own([TablePattern("env.table".into())]);
    let guards = |call: &str, options: &Options| {
        wasm_fork::analyze(&program(call), options).unwrap().guards.guards
    };
    let [import, own_table, host_table, reference] = [0, 1, 2, 3].map(|way| WAYS[way].1);
    assert_eq!([import, own_table].map(|call| guards(call, &no_callback)), [0, 0]);
    assert_eq!([host_table, reference].map(|call| guards(call, &no_callback)), [1, 1]);
    assert_eq!([host_table, reference].map(|call| guards(call, &own)), [0, 1]);
    let log = options().no_callback([EntryPattern::exact("env", "log")]);
    assert_eq!(guards(import, &log), 1);
    let unknown = options().no_callback([EntryPattern::exact("env", "lag")]);
    let error = wasm_fork::analyze(&program(import), &unknown).unwrap_err().to_string();
    assert!(error.contains("`env.lag`") && error.contains("`env.log`"), "{error}");
}

/// Where the host can call nothing that leads to the entry, or nothing is called out of the module, there is nothing to guard.
#[test]
fn none_is_where_no_way_leads_back() {
    let report = |wat: &str| wasm_fork::analyze(wat.as_bytes(), &options()).unwrap();
    let never = r#"(module (import "env" "fork" (func $fork)) (import "env" "log" (func $log))
        (memory 1) (func $inner (call $fork)) (func (export "run") (call $log)))"#;
    assert_eq!(report(never).guards.guards, 0);
    let called = never.replace("(func $inner", "(func $inner (export \"inner\")");
    assert_eq!(report(&called).guards.guards, 1);
}

/// Calls through an exported table have no guards, but that is said; calls through an imported one have, and of a library's too.
#[test]
fn what_no_guard_tests_is_said() {
    let program = |table: &str, more: &str| {
        format!(
            r#"(module {more} (import "env" "fork" (func $fork)) (import "env" "memory" (memory 1))
            {table} (type $other (func (param i64)))
            (func (export "inner") (call $fork))
            (func (export "run") (call_indirect (type $other) (i64.const 1) (i32.const 0))))"#
        )
    };
    let report =
        |wat: &str, options: &Options| wasm_fork::analyze(wat.as_bytes(), options).unwrap();
    let exported = program("(table (export \"slots\") 1 funcref)", "");
    let told = report(&exported, &options());
    assert_eq!((told.guards.guards, told.untested.len()), (0, 1), "{:?}", told.untested);
    assert!(told.untested[0].contains("`slots`"), "{:?}", told.untested);
    let own = options().tables_own([TablePattern("slots".into())]);
    assert!(report(&exported, &own).untested.is_empty());
    let library = program(
        "(table (export \"slots\") 1 funcref)",
        "(@custom \"dylink.0\" (before first) \"\")",
    );
    let told = report(&library, &options());
    assert_eq!((told.guards.guards, told.untested.len()), (1, 0), "{:?}", told.untested);
}

/// A tail call in a handler's reach is left alone, and told of.
#[test]
fn a_tail_call_that_can_not_be_guarded_is_told_of() {
    let wat = r#"(module (import "env" "fork" (func $fork)) (import "env" "log" (func $log)) (memory 1)
        (func (export "inner") (call $fork))
        (func (export "run") (block $out (try_table (catch_all $out) (return_call $log)))))"#;
    let output = wasm_fork::instrument(wat.as_bytes(), &options()).unwrap();
    let report = output.report;
    assert_eq!((report.guards.guards, report.untested.len()), (0, 1), "{:?}", report.untested);
}
