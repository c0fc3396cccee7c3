//! `storm`: a program is run as it is told to, and what differs or can't be tried is said in a line.

use super::{Sandbox, assert_done, assert_refused, text};
use std::fs;

const ENTRY: &str = "wasi_snapshot_preview1.fd_write";

/// Prints what it finds on the standard input, and ends with the number of its arguments and variables as its status.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $dir (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $print (param $digit i32) (result i32)
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (local.get $digit))
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 100))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
        (drop (call $args (i32.const 16) (i32.const 20)))
        (drop (call $env (i32.const 24) (i32.const 28)))
        (call $exit (i32.add
            (i32.add (call $print (i32.mul (i32.const 10) (i32.load (i32.const 16)))) (i32.load (i32.const 24)))
            (i32.mul (i32.const 100) (i32.eqz (call $dir (i32.const 3) (i32.const 40))))))))"#;

fn storm<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["storm", "echo.wasm", "--entry", ENTRY][..], more].concat()
}

#[test]
fn a_program_gets_what_the_flags_say() {
    let sandbox = Sandbox::with("echo.wasm", ECHO);
    fs::write(sandbox.path("in.txt"), "hello\n").unwrap();
    fs::create_dir(sandbox.path("folder")).unwrap();
    let flags =
        ["--stdin", "in.txt", "--env", "A=1", "--env", "B=", "--dir", "folder::/", "--", "-x"];
    let output = sandbox.run(&storm(&flags));
    assert_done(&output);
    let shown = text(&output.stdout);
    assert!(shown.contains("_start: exit status 122\n"), "{shown}");
    assert!(shown.contains("the standard output, 6 bytes"), "{shown}");
    assert!(shown.contains("5 runs with 4 unwinds"), "{shown}");
    assert!(shown.ends_with("all is the same\n"), "{shown}");

    let output =
        sandbox.feed(&storm(&["--stdin", "-", "--instance", "same", "--own-memory"]), b"four");
    assert_done(&output);
    let shown = text(&output.stdout);
    assert!(shown.contains("_start: exit status 10\n"), "{shown}");
    assert!(shown.contains("the standard output, 4 bytes"), "{shown}");
    assert!(shown.contains("3 runs with 2 unwinds"), "{shown}");
    assert!(shown.contains("memory     `memory`, 65536 bytes"), "{shown}");
}

#[test]
fn what_differs_is_told_in_a_line() {
    let sandbox = Sandbox::with("echo.wasm", ECHO);
    let other = ECHO.replace("(i32.const 10)", "(i32.const 11)");
    fs::write(sandbox.path("other.wasm"), wat::parse_str(other).unwrap()).unwrap();
    let make = ["instrument", "other.wasm", "-o", "made.wasm", "--entry", ENTRY];
    assert_done(&sandbox.run(&make));
    let output = sandbox.run(&storm(&["--instrumented", "made.wasm"]));
    let expected = "never unwinding: call of an import 6: the original has `wasi_snapshot_preview1.proc_exit(i32 10) doesn't return`, \
                    this run `wasi_snapshot_preview1.proc_exit(i32 11) doesn't return`";
    assert_refused(&output, expected);
}

#[test]
fn what_cannot_be_tried_is_refused_by_name() {
    let other = ECHO.replace("\"fd_prestat_get\"", "\"fd_prestat\"");
    let sandbox = Sandbox::with("echo.wasm", &other);
    let output = sandbox.run(&storm(&[]));
    assert_refused(
        &output,
        "nothing is there for the import `wasi_snapshot_preview1.fd_prestat`; the host must",
    );
    let output = sandbox.run(&storm(&["--dir", "none::/"]));
    assert_refused(&output, "can't read none");
    let output = sandbox.run(&["storm", "echo.wasm"]);
    assert_refused(&output, "the module does not import the entry `kernel.kernel_fork`");
}

#[test]
fn usage_errors_are_found_before_anything_runs() {
    let sandbox = Sandbox::with("echo.wasm", ECHO);
    for (flags, expected) in [
        (&["--env", "A"][..], "write NAME=VALUE"),
        (&["--instance", "other"], "invalid value 'other'"),
        (&["--instrumented-resumes", "a.wasm"], "--instrumented <FILE>"),
        (
            &["--stdin", "-", "--only", "@-"],
            "the standard input can be read once, and --only and --stdin both name it",
        ),
    ] {
        let output = sandbox.run(&storm(flags));
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

/// The other protocol leaves globals alone, which a host can't bring over to a fresh instance.
#[test]
fn programs_of_the_other_abi_are_rewound_where_they_are() {
    let sandbox = Sandbox::with("echo.wasm", ECHO);
    let abi = ["--abi", "asyncify"];
    let output = sandbox.feed(
        &storm(&[&abi[..], &["--stdin", "-", "--record-profile", "seen.json"]].concat()),
        b"four",
    );
    assert_done(&output);
    let shown = text(&output.stdout);
    assert!(shown.contains("3 runs with 2 unwinds"), "{shown}");
    assert!(shown.ends_with("all is the same\n"), "{shown}");
    assert!(text(&sandbox.read("seen.json")).contains("\"print\""));
    let own = storm(&[&abi[..], &["--own-memory"]].concat());
    assert_done(&sandbox.run(&own));
    let output = sandbox.run(&storm(&[&abi[..], &["--instance", "fresh"]].concat()));
    assert_refused(&output, "the asyncify ABI doesn't save globals");
}
