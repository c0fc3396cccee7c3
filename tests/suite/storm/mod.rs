//! The kit for tests, `wasm_fork::testing`: that it runs what it should, finds what is wrong, and says so.

mod faults;
mod files;
mod hosts;
mod refusals;

use wasm_fork::testing::{Storm, Wasi};
use wasm_fork::{EntryPattern, Options};

const FD_WRITE: &str = "wasi_snapshot_preview1.fd_write";

fn options(entry: &str) -> Options {
    Options::default().entries([EntryPattern::parse(entry).unwrap()])
}

fn command(module: &str, wasi: Wasi) -> Storm {
    Storm::command(module.as_bytes(), &options(FD_WRITE), wasi)
}

/// Writes as many lines as it has arguments, from a recursion as deep, and ends with their number as its status.
const LINES: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "line 0\n")
    (global $deepest (export "deepest") (mut i32) (i32.const 0))
    (func $line (param $n i32) (result i32)
        (local $sum i32)
        (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
        (global.set $deepest (i32.add (global.get $deepest) (i32.const 1)))
        (local.set $sum (i32.add (local.get $n) (call $line (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 7))
        (i32.store8 (i32.const 21) (i32.add (i32.const 48) (local.get $n)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.add (local.get $sum) (i32.load (i32.const 8))))
    (func (export "_start")
        (drop (call $sizes (i32.const 32) (i32.const 36)))
        (call $exit (call $line (i32.load (i32.const 32))))))"#;

#[test]
fn a_command_is_compared_at_every_call_in_both_kinds_of_instance() {
    let compared = command(LINES, Wasi::default().args(["a", "b", "c"])).run().unwrap();
    assert_eq!((compared.entry_calls, compared.calls_tried), (3, 3));
    assert_eq!(compared.runs, 1 + 3 * 2 + 2);
    assert_eq!(compared.unwinds, 3 * 2 + 2 * 3);
    assert_eq!(compared.undone, 0);
    assert_eq!(compared.outcomes, ["_start: exit status 27"]);
    // Three lines, the sizes of the arguments, and the exit.
    assert_eq!(compared.import_calls, 5);
    assert_eq!(compared.globals, ["deepest = i32 3"]);
    let [(name, bytes)] = &compared.memories[..] else { panic!("{compared}") };
    assert_eq!((name.as_str(), *bytes), ("memory", 65536 + (1 << 20)));
    assert!(compared.seen.contains(&("the standard output".into(), 21)), "{compared}");
    let text = compared.to_string();
    for part in [
        "instrumented 2 of 2 functions",
        "3 calls, each tried by itself",
        "9 runs with 12 unwinds",
        "exit status 27",
        "all is the same",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn some_calls_are_tried_if_there_are_many() {
    let wasi = Wasi::default().args(["a"; 9]);
    let compared = command(LINES, wasi).at_most(4).run().unwrap();
    assert_eq!((compared.entry_calls, compared.calls_tried), (9, 3));
    assert!(compared.to_string().contains("9 calls, 3 of them, evenly spread"), "{compared}");
}

#[test]
fn a_module_that_was_rewritten_in_any_way_can_be_tried() {
    use wasm_fork::{FramesIn, Optimize};
    let own = options(FD_WRITE).frames_in(FramesIn::Own);
    let apart = options(FD_WRITE).optimize(Optimize::Speed).resume_module(true);
    for options in [own, apart, options(FD_WRITE).optimize(Optimize::Size)] {
        let wasi = Wasi::default().args(["a", "b"]);
        let compared = Storm::command(LINES.as_bytes(), &options, wasi).run().unwrap();
        assert_eq!(compared.unwinds, 2 * 2 + 2 * 2, "{options:?}");
    }
}

#[test]
fn a_profile_is_made_of_the_stacks() {
    let storm = command(LINES, Wasi::default().args(["a", "b", "c"])).record_profile(true);
    let profile = storm.run().unwrap().profile.unwrap();
    assert_eq!(profile.stacks, Some(3));
    let seen = profile.functions.iter().map(|seen| (seen.name.as_deref(), seen.count));
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen, [(Some("line"), 3), (Some("_start"), 3)]);
    assert!(profile.functions.iter().all(|seen| seen.body.is_some()) && profile.module.is_some());
    // With it the closure is what it was, for all of it was seen.
    let options = options(FD_WRITE).assume(wasm_fork::Assumption::Profile(profile));
    assert_eq!(wasm_fork::analyze(LINES.as_bytes(), &options).unwrap().guards.guards, 0);
}
