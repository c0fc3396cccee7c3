//! `run`: programs as processes, and WASI commands, on the streams and files of the command itself.

use super::{Sandbox, assert_refused, command, text};
use std::fs;
use std::process::Output;
use std::time::Duration;

/// A program of the kernel's with this body of `_start`, and texts at some addresses of its memory.
fn program(texts: &[(u32, &str)], locals: &str, body: &str) -> String {
    let texts: String =
        texts.iter().map(|(at, text)| format!("(data (i32.const {at}) \"{text}\")\n")).collect();
    format!(
        r#"(module
    (import "kernel" "kernel_fork" (func $fork (result i32)))
    (import "kernel" "kernel_args" (func $args (param i32 i32) (result i32)))
    (import "kernel" "kernel_next_signal" (func $next_signal (param i32) (result i32)))
    (import "kernel" "kernel_syscall" (func $syscall (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table 3 funcref)
    (elem (i32.const 2) $handler)
    {texts}
    (func $handler (param i32) (call $say (i32.const 1024) (i32.const 7)))
    (func $sys (param $number i32) (param i32 i32 i32) (result i32)
        (call $syscall (local.get $number) (local.get 1) (local.get 2) (local.get 3) (i32.const 0) (i32.const 0) (i32.const 0)))
    (func $say (param $at i32) (param $len i32)
        (drop (call $sys (i32.const 4) (i32.const 1) (local.get $at) (local.get $len))))
    (func $exit (param $status i32)
        (drop (call $sys (i32.const 1) (local.get $status) (i32.const 0) (i32.const 0))))
    (func $wait (param $pid i32) (result i32)
        (drop (call $sys (i32.const 114) (local.get $pid) (i32.const 16) (i32.const 0)))
        (i32.load (i32.const 16)))
    (func (export "_start") {locals}
        {body}))"#
    )
}

/// What a program prints, and its status; nothing goes to the standard error.
#[track_caller]
fn assert_ran(output: &Output, stdout: &str, status: i32) {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), stdout);
    assert_eq!(output.status.code(), Some(status));
}

/// The child writes to a pipe and ends with 7; the parent passes that on, waits, and ends with both.
#[test]
fn a_child_writes_to_its_parent() {
    let text = program(
        &[(1024, "child\\n")],
        "(local $pid i32) (local $count i32)",
        "(drop (call $sys (i32.const 42) (i32.const 0) (i32.const 0) (i32.const 0)))
         (local.set $pid (call $fork))
         (if (i32.eqz (local.get $pid)) (then
             (drop (call $sys (i32.const 4) (i32.load (i32.const 4)) (i32.const 1024) (i32.const 6)))
             (call $exit (i32.const 7))))
         (drop (call $sys (i32.const 6) (i32.load (i32.const 4)) (i32.const 0) (i32.const 0)))
         (local.set $count (call $sys (i32.const 3) (i32.load (i32.const 0)) (i32.const 2048) (i32.const 100)))
         (call $say (i32.const 2048) (local.get $count))
         (if (call $sys (i32.const 3) (i32.load (i32.const 0)) (i32.const 2048) (i32.const 100))
             (then (call $exit (i32.const 99))))
         (call $exit (i32.add (local.get $count) (i32.shr_u (call $wait (local.get $pid)) (i32.const 8))))",
    );
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("pipe.wat"), text).unwrap();
    assert_ran(&sandbox.run(&["run", "pipe.wat"]), "child\n", 13);

    // Instrumented already it does the same.
    let made = sandbox.run(&["instrument", "pipe.wat", "-o", "made.wasm", "-q"]);
    assert_eq!(made.status.code(), Some(0));
    assert_ran(&sandbox.run(&["run", "made.wasm"]), "child\n", 13);
}

#[test]
fn signals_end_processes() {
    let waits = "(drop (call $sys (i32.const 29) (i32.const 0) (i32.const 0) (i32.const 0)))";
    let computes = "(loop $again (br $again))";
    for (child, signal) in [(waits, 15), (computes, 9)] {
        let text = program(
            &[],
            "(local $pid i32)",
            &format!(
                "(local.set $pid (call $fork))
                 (if (i32.eqz (local.get $pid)) (then {child}))
                 (drop (call $sys (i32.const 37) (local.get $pid) (i32.const {signal}) (i32.const 0)))
                 (call $exit (call $wait (local.get $pid)))"
            ),
        );
        let sandbox = Sandbox::with("kill.wasm", &text);
        assert_ran(&sandbox.run(&["run", "kill.wasm"]), "", signal);
    }
    // To write where nobody reads.
    let text = program(
        &[],
        "",
        "(drop (call $sys (i32.const 42) (i32.const 0) (i32.const 0) (i32.const 0)))
         (drop (call $sys (i32.const 6) (i32.load (i32.const 0)) (i32.const 0) (i32.const 0)))
         (drop (call $sys (i32.const 4) (i32.load (i32.const 4)) (i32.const 0) (i32.const 1)))",
    );
    let sandbox = Sandbox::with("pipe.wasm", &text);
    assert_ran(&sandbox.run(&["run", "pipe.wasm"]), "", 128 + 13);
}

/// A handler runs when the program asks for its signals, and not while they are masked.
#[test]
fn handlers_run_when_they_may() {
    let text = program(
        &[(1024, "caught\\n"), (1040, "masked\\n")],
        "",
        "(i32.store (i32.const 64) (i32.const 2))
         (drop (call $sys (i32.const 174) (i32.const 10) (i32.const 64) (i32.const 0)))
         (i64.store (i32.const 96) (i64.const 512))
         (drop (call $sys (i32.const 175) (i32.const 0) (i32.const 96) (i32.const 0)))
         (drop (call $sys (i32.const 37) (call $sys (i32.const 20) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 10) (i32.const 0)))
         (if (i32.eqz (call $next_signal (i32.const 128))) (then (call $say (i32.const 1040) (i32.const 7))))
         (drop (call $sys (i32.const 175) (i32.const 1) (i32.const 96) (i32.const 0)))
         (if (i32.eq (call $next_signal (i32.const 128)) (i32.const 10))
             (then (call_indirect (param i32) (i32.const 10) (i32.load (i32.const 132)))))",
    );
    let sandbox = Sandbox::with("handler.wasm", &text);
    assert_ran(&sandbox.run(&["run", "handler.wasm"]), "masked\ncaught\n", 0);
}

/// One program becomes another by exec, which finds its arguments.
#[test]
fn another_program_takes_its_place() {
    let first = program(
        &[(1024, "/bin/other\\00"), (1040, "other\\00said\\00")],
        "",
        "(i32.store (i32.const 64) (i32.const 1040))
         (i32.store (i32.const 68) (i32.const 1046))
         (call $exit (call $sys (i32.const 11) (i32.const 1024) (i32.const 64) (i32.const 72)))",
    );
    let other = program(
        &[],
        "",
        "(drop (call $args (i32.const 64) (i32.const 1000)))
         (call $say (i32.load (i32.const 72)) (i32.const 4))
         (call $exit (i32.load (i32.const 64)))",
    );
    let sandbox = Sandbox::with("first.wasm", &first);
    fs::write(sandbox.path("other.wat"), other).unwrap();
    assert_ran(&sandbox.run(&["run", "--bin", "other=other.wat", "first.wasm"]), "said", 2);
    // ENOENT
    assert_ran(&sandbox.run(&["run", "first.wasm"]), "", 256 - 2);
}

/// The current directory can be read; changed is what --dir names. Nothing leads out of either.
#[test]
fn files_are_where_the_flags_say() {
    let makes = |path: &str| {
        let open = "(call $sys (i32.const 5) (i32.const 1024) (i32.const 65) (i32.const 438))";
        program(
            &[(1024, &format!("{path}\\00"))],
            "(local $fd i32)",
            &format!(
                "(local.set $fd {open})
                 (if (i32.lt_s (local.get $fd) (i32.const 0)) (then (call $exit (i32.sub (i32.const 0) (local.get $fd)))))
                 (drop (call $sys (i32.const 4) (local.get $fd) (i32.const 1024) (i32.const 2)))"
            ),
        )
    };
    let sandbox = Sandbox::with("made.wasm", &makes("made"));
    // EROFS
    assert_ran(&sandbox.run(&["run", "made.wasm"]), "", 30);
    assert!(!sandbox.path("made").exists());
    assert_ran(&sandbox.run(&["run", "--dir", ".", "made.wasm"]), "", 0);
    assert_eq!(sandbox.read("made"), b"ma");

    fs::create_dir(sandbox.path("inner")).unwrap();
    let binary = |path: &str| wat::parse_str(makes(path)).unwrap();
    fs::write(sandbox.path("guest.wasm"), binary("/data/x")).unwrap();
    assert_ran(&sandbox.run(&["run", "--dir", "inner::/data", "guest.wasm"]), "", 0);
    assert_eq!(sandbox.read("inner/x"), b"/d");

    fs::write(sandbox.path("out.wasm"), binary("/data/../../made2")).unwrap();
    assert_ran(&sandbox.run(&["run", "--dir", "inner::/data", "out.wasm"]), "", 30);
    std::os::unix::fs::symlink(sandbox.path("made"), sandbox.path("inner/link")).unwrap();
    fs::write(sandbox.path("link.wasm"), binary("/data/link")).unwrap();
    let output = sandbox.run(&["run", "--dir", "inner::/data", "link.wasm"]);
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(sandbox.read("made"), b"ma");
}

#[test]
fn what_is_typed_is_read() {
    let text = program(
        &[],
        "(local $count i32)",
        "(loop $again
             (local.set $count (call $sys (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 3)))
             (call $say (i32.const 64) (local.get $count))
             (br_if $again (local.get $count)))",
    );
    let sandbox = Sandbox::with("cat.wasm", &text);
    assert_ran(&sandbox.feed(&["run", "cat.wasm"], b"one\ntwo\n"), "one\ntwo\n", 0);
}

/// Ctrl-C, as a process gets it: whoever waits in the foreground dies of it.
#[test]
fn an_interrupt_is_the_programs() {
    let text = program(
        &[(1024, "waits\\n")],
        "",
        "(call $say (i32.const 1024) (i32.const 6))
         (drop (call $sys (i32.const 29) (i32.const 0) (i32.const 0) (i32.const 0)))",
    );
    let sandbox = Sandbox::with("pause.wasm", &text);
    let mut child = command(&sandbox.path("."), &["run", "pause.wasm"]).spawn().unwrap();
    let mut said = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_ran(&output, "", 128 + 2);
}

#[test]
fn a_crash_is_told() {
    let sandbox = Sandbox::with("crash.wasm", &program(&[], "", "(unreachable)"));
    let output = sandbox.run(&["run", "crash.wasm"]);
    assert_eq!(output.status.code(), Some(128 + 4));
    let told = text(&output.stderr);
    assert!(told.starts_with("wasm-fork: /bin/crash, process 2: "), "{told}");
    assert!(told.contains("unreachable"), "{told}");
}

#[test]
fn a_wasi_command_has_the_commands_streams() {
    let wasi = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 1024) "made")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 100))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $args (i32.const 16) (i32.const 20)))
        (call $exit (i32.add
            (i32.load (i32.const 16))
            (call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 4) (i32.const 1)
                (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 32))))))"#;
    let sandbox = Sandbox::with("echo.wasm", wasi);
    // Five arguments, and ROFS: the directory can only be read.
    let output = sandbox.feed(&["run", "echo.wasm", "-x", "--", "--dir", "@none"], b"four");
    assert_ran(&output, "four", 5 + 69);
    assert!(!sandbox.path("made").exists());
    let flags = ["run", "--dir", "inner::.", "echo.wasm"];
    fs::create_dir(sandbox.path("inner")).unwrap();
    let output = sandbox.feed(&flags, b"");
    assert_eq!(output.status.code(), Some(1 + 69), "descriptor 3 is the current directory");
    assert_refused(
        &sandbox.run(&["run", "--bin", "x=echo.wasm", "echo.wasm"]),
        "a WASI command starts no others",
    );
}

#[test]
fn what_cant_be_run_is_told_in_a_line() {
    let sandbox = Sandbox::with("unknown.wasm", r#"(module (import "env" "f" (func)))"#);
    assert_refused(&sandbox.run(&["run", "none.wasm"]), "can't read none.wasm");
    fs::write(sandbox.path("text.wasm"), "not a module").unwrap();
    assert_refused(&sandbox.run(&["run", "text.wasm"]), "not a");
    assert_refused(&sandbox.run(&["run", "--dir", "none", "unknown.wasm"]), "can't read none");
    let legacy =
        "(module (memory (export \"memory\") 1) (func (export \"_start\") try catch_all end))";
    fs::write(sandbox.path("legacy.wasm"), wat::parse_str(legacy).unwrap()).unwrap();
    assert_refused(&sandbox.run(&["run", "legacy.wasm"]), "uses legacy exceptions");
}

#[test]
fn the_readmes_processes_print_what_it_says() {
    let command = "$ cargo run --features run -- run scripts/demo/processes.wat\n";
    let (_, shown) = include_str!("../../README.md").split_once(command).unwrap();
    let shown = &shown[..shown.find("```").unwrap()];
    let sandbox = Sandbox::new();
    let program = include_str!("../../scripts/demo/processes.wat");
    fs::write(sandbox.path("processes.wat"), program).unwrap();
    assert_ran(&sandbox.run(&["run", "processes.wat"]), shown, 0);
}
