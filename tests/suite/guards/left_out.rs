//! Functions that can't be instrumented, and are left as they are: the module is accepted, and an unwind that comes to one is undone.

use crate::exec::differential::Case;
use crate::exec::program::{HostSlot, Invoke, Spec};
use crate::exec::unprepared;
use std::collections::BTreeSet;
use wasm_fork::{Error, Options, Output, Unsupported};

fn options() -> Options {
    Options::default().entries(Spec::default().entries)
}

/// The output, of a module that is refused unless functions may be left out.
fn left_out(wat: &str) -> Output {
    let wasm = wat::parse_str(wat).unwrap();
    let refused = wasm_fork::instrument(&wasm, &options());
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    wasm_fork::instrument(&wasm, &options().unsupported(Unsupported::Guard)).unwrap()
}

/// Runs it in every way; returns how many unwinds were undone, and how many went through.
fn run(wat: &str, output: &Output, spec: &Spec) -> (usize, usize) {
    let wasm = wat::parse_str(wat).unwrap();
    let case = Case::new((&wasm).into(), output.into(), spec).unwrap();
    let inside: BTreeSet<_> = output.report.closure.iter().map(|func| func.index).collect();
    let tally = unprepared::check(&case, &inside).unwrap();
    (tally.undone, tally.unwound)
}

fn invoke(export: &str) -> Invoke {
    Invoke { export: export.into(), args: Vec::new() }
}

/// Functions with so many locals that none can be added.
fn large(result: &str) -> String {
    let locals = "i32 ".repeat(50_000);
    let (drop, value) = match result {
        "" => ("", "(drop (call $fork))"),
        _ => ("drop", "(call $fork)"),
    };
    format!(
        r#"(module (import "env" "fork" (func $fork (result i32))) (memory (export "memory") 1)
        (func $leaf (export "leaf") {result} {value})
        (func $other (export "other") (call $leaf) {drop})
        (func $large (export "large") (local {locals}) (call $leaf) {drop}))"#
    )
}

#[test]
fn a_function_that_would_be_too_large_is_left_out() {
    let wat = large("");
    let output = left_out(&wat);
    assert_eq!(output.report.counts.local, 2);
    assert_eq!(output.report.guards.guards, 1);
    let warning = output.warnings.iter().find(|warning| warning.contains("left as it is")).unwrap();
    assert!(warning.contains("function 3 (large)") && warning.contains("locals"), "{warning}");
    let invokes = vec![invoke("other"), invoke("large"), invoke("other")];
    let (undone, unwound) = run(&wat, &output, &Spec { invokes, ..Spec::default() });
    assert!(undone > 0 && unwound > undone, "{undone} undone, {unwound} unwound");
}

/// There is no place to keep the dummy apart from, so that the unwind can't be undone.
#[test]
fn without_a_local_to_spare_the_guard_traps() {
    let output = left_out(&large("(result i32)"));
    let text = wasmprinter::print_bytes(&output.wasm).unwrap();
    assert!(text.contains("$wpk_fork_unprepared_trap"), "nothing traps");
}

#[test]
fn a_tail_call_in_a_handlers_reach_that_the_host_chooses_is_left_out() {
    let wat = include_str!("../../../wat-fixtures/reject/tail_call_in_try_through_open_table.wat");
    let wat = wat.replace("(memory 1)", "(memory (export \"memory\") 1)");
    let output = left_out(&wat);
    assert_eq!(output.report.counts.local, 0);
    let options = options().unsupported(Unsupported::Guard);
    assert_eq!(wasm_fork::analyze(wat.as_bytes(), &options).unwrap(), output.report);
    let spec = Spec {
        invokes: vec![Invoke { export: "f".into(), args: vec!["7".into(), "8".into()] }],
        host_slots: vec![HostSlot { table: "table".into(), slot: 0, export: "fork".into() }],
        ..Spec::default()
    };
    let (undone, unwound) = run(&wat, &output, &spec);
    assert!(undone > 0 && unwound == 0, "{undone} undone, {unwound} unwound");
}

/// That would take stack space for each round, or needs a memory: no guard helps.
#[test]
fn what_no_guard_helps_is_refused_all_the_same() {
    let guard = options().unsupported(Unsupported::Guard);
    let in_loop =
        include_str!("../../../wat-fixtures/reject/tail_call_in_loop_through_open_table.wat");
    let error = wasm_fork::instrument(in_loop.as_bytes(), &guard).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let no_memory = include_str!("../../../wat-fixtures/reject/no_memory.wat");
    let error = wasm_fork::instrument(no_memory.as_bytes(), &guard).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
}
