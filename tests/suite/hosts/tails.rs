//! Tail calls keep constant stack space, before an unwind, after it, and while it is undone.

use super::{ANSWER, FAILURE, Host, NORMAL, UNWINDING, instrumented};
use wasmtime::Module;

/// Counts down by tail calls of each kind, with the entry called at the start, in the middle and at the end, and frames of
/// ordinary calls above.
const WAT: &str = r#"(module
    (type $round (func (param i32 i32 i64) (result i32)))
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (table funcref (elem $by_ref $direct))
    (global $slot (mut i32) (i32.const 1))
    (func $direct (type $round)
        (local.set 1 (i32.add (local.get 1) (i32.const 1)))
        (if (i32.eqz (i32.rem_u (local.get 0) (i32.const 2500000)))
            (then (local.set 1 (i32.add (local.get 1) (call $fork)))))
        (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
        (return_call $without_frame (i64.const 7) (local.get 0) (local.get 1)))
    (func $without_frame (param i64 i32 i32) (result i32)
        (return_call_indirect (type $round)
            (i32.sub (local.get 1) (i32.const 1)) (local.get 2) (local.get 0) (global.get $slot)))
    (func $by_ref (type $round)
        (return_call_ref $round (local.get 0) (local.get 1) (local.get 2) (ref.func $direct)))
    (func $caller (param i32) (result i32)
        (i32.add (call $direct (local.get 0) (i32.const 0) (i64.const 1)) (i32.const 1)))
    (func (export "run") (param i32) (result i32)
        (i32.sub (call $caller (local.get 0)) (i32.const 1))))"#;

const ROUNDS: i32 = 10_000_000;

/// What `run` returns if the entry gives this each time it is called.
fn expected(answer: i32) -> i32 {
    ROUNDS + 1 + answer * (1 + ROUNDS / 2_500_000)
}

#[test]
fn millions_of_tail_calls_are_unwound_and_rewound() {
    for module in &instrumented(WAT) {
        let mut host = host(module);
        host.unwind_to(4096, 8192);
        let mut result = host.call("run", &[ROUNDS]).unwrap();
        let mut unwinds = 0;
        while host.state() == UNWINDING {
            unwinds += 1;
            let frames = host.read(4096) - 4096;
            assert!(frames < 300, "{frames} bytes of frames at unwind {unwinds}");
            host.call("wpk_fork_unwind_end", &[]).unwrap();
            host.begin("wpk_fork_rewind_begin", 4096).unwrap();
            result = host.call("run", &[0]).unwrap();
        }
        assert_eq!(unwinds, 1 + ROUNDS / 2_500_000);
        assert_eq!(host.state(), NORMAL);
        assert_eq!(result, expected(ANSWER));
    }
}

#[test]
fn millions_of_tail_calls_go_on_where_there_is_no_room() {
    for module in &instrumented(WAT) {
        // No room at all, and for some of the frames.
        for bytes in [8, 60, 80, 100] {
            let mut host = host(module);
            host.unwind_to(4096, 4096 + bytes);
            let result = host.call("run", &[ROUNDS]).unwrap();
            if host.state() == NORMAL {
                assert_eq!(result, expected(FAILURE), "{bytes} bytes");
            }
        }
    }
}

fn host(module: &Module) -> Host {
    let mut host = Host::new(module);
    host.store.set_fuel(u64::MAX).unwrap();
    host
}
