//! What can't be tried is refused, with what to do.

use super::{FD_WRITE, command, options};
use wasm_fork::testing::{Failure, Rewound, Storm, Wasi};

#[track_caller]
fn refused(storm: &Storm, expected: &str) {
    let failure = storm.run().unwrap_err();
    assert!(matches!(failure, Failure::Setup(_)), "{failure}");
    let text = failure.to_string();
    assert!(text.contains(expected) && !text.contains('\n'), "{text}");
}

const WRITES: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    MORE
    (func $work (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8))))
    (func (export "_start") (call $work)))"#;

fn writes(more: &str) -> Storm {
    command(&WRITES.replace("MORE", more), Wasi::default())
}

#[test]
fn unknown_imports_are_named() {
    let more = r#"(import "env" "open" (func)) (import "host" "table" (table 1 funcref)) (memory (export "memory") 1)"#;
    refused(&writes(more), "nothing is there for the imports `env.open`, `host.table`");
}

#[test]
fn legacy_exceptions_need_another_engine() {
    let more = r#"(memory (export "memory") 1) (tag $e) (func try throw $e catch_all end)"#;
    refused(&writes(more), "the original uses legacy exceptions, which Wasmtime doesn't run");
}

#[test]
fn memory_that_no_host_sees_holds_no_buffer() {
    let storm = writes("(memory 1)");
    refused(&storm, "frames go to memory 0, which is neither exported nor imported");
}

#[test]
fn memory_that_no_host_sees_is_not_copied() {
    let storm = writes(r#"(memory (export "memory") 1) (memory $hidden 1)"#);
    refused(&storm, "memory 1 is neither exported nor imported, so no host can copy it");
    storm.instances([Rewound::Same]).run().unwrap();
}

#[test]
fn memory_that_may_not_grow_takes_no_buffer() {
    let storm = writes(r#"(memory (export "memory") 1 2)"#);
    refused(&storm, "can't grow by 1048576 bytes");
    writes(r#"(memory (export "memory") 1 2)"#).buffer_bytes(65536).run().unwrap();
}

#[test]
fn a_shared_memory_is_left_to_hosts_with_threads() {
    refused(
        &writes(r#"(memory (export "memory") 1 40 shared)"#),
        "memory 0 (`memory`) is shared, and the kit runs one thread",
    );
}

#[test]
fn a_start_function_that_does_something_runs_once() {
    let storm = writes(r#"(memory (export "memory") 1) (start $work)"#);
    let failure = storm.run().unwrap_err().to_string();
    let expected =
        "rewinding in a fresh instance: the start function calls wasi_snapshot_preview1.fd_write";
    assert!(failure.contains(expected), "{failure}");
    storm.instances([Rewound::Same]).run().unwrap();
}

#[test]
fn a_program_that_calls_no_entry_proves_nothing() {
    let storm = command(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start") (unreachable) (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8)))))"#,
        Wasi::default(),
    );
    refused(
        &storm,
        "the program calls no entry, so there is nothing to unwind (_start: trap: wasm trap: wasm `unreachable`",
    );
}

#[test]
fn an_export_that_is_missing_is_named() {
    let storm = writes(r#"(memory (export "memory") 1)"#).call("main", &[]);
    refused(&storm, "no function is exported as `main`");
}

#[test]
fn a_program_that_runs_too_long_is_left() {
    let storm = writes(r#"(memory (export "memory") 1) (func (export "spin") (loop (br 0)))"#);
    refused(&storm.call("spin", &[]).fuel(100_000), "the original doesn't run");
}

#[test]
fn what_is_instrumented_already_is_refused_as_elsewhere() {
    let module = WRITES.replace("MORE", r#"(memory (export "memory") 1)"#);
    let output = wasm_fork::instrument(module.as_bytes(), &options(FD_WRITE)).unwrap();
    let storm = Storm::command(&output.wasm, &options(FD_WRITE), Wasi::default());
    assert!(matches!(storm.run(), Err(Failure::Refused(_))));
}
