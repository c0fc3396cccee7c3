//! The kit's WASI: what programs do with files, the same in each run.

use super::command;
use std::fs;
use wasm_fork::testing::Wasi;

/// A program of one function, with all of WASI that it needs; `$fail` ends it with the line's number unless an errno is zero.
fn program(body: &str, data: &str) -> String {
    format!(
        r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    {data}
    (func $must (param $errno i32) (param $line i32)
        (if (local.get $errno)
            (then (call $exit (i32.or (i32.shl (local.get $line) (i32.const 8)) (local.get $errno))))))
    (func $iov (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len)))
    (func (export "_start") (local $fd i32) {body}))"#
    )
}

const OPEN: &str = "(call $must (call $path_open (i32.const 3) (i32.const 1)";
const RIGHTS: &str = "(i64.const -1) (i64.const -1) (i32.const 0) (i32.const 12))";

/// Reads `in.txt`, writes what it read twice to `out.txt`, and what it then reads there to the standard output; removes the first.
fn copies() -> String {
    let body = format!(
        r#"
        {OPEN} (i32.const 64) (i32.const 6) (i32.const 0) {RIGHTS} (i32.const 1))
        (local.set $fd (i32.load (i32.const 12)))
        (call $iov (i32.const 128) (i32.const 100))
        (call $must (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 2))
        (call $must (call $fd_close (local.get $fd)) (i32.const 3))
        {OPEN} (i32.const 80) (i32.const 7) (i32.const 9) {RIGHTS} (i32.const 4))
        (local.set $fd (i32.load (i32.const 12)))
        (call $iov (i32.const 128) (i32.load (i32.const 8)))
        (call $must (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 5))
        (call $must (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 6))
        (call $must (call $fd_seek (local.get $fd) (i64.const -4) (i32.const 2) (i32.const 16)) (i32.const 7))
        (call $iov (i32.const 256) (i32.const 100))
        (call $must (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 8))
        (call $iov (i32.const 256) (i32.load (i32.const 8)))
        (call $must (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 9))
        (call $must (call $unlink (i32.const 3) (i32.const 64) (i32.const 6)) (i32.const 10))
        (call $must (call $mkdir (i32.const 3) (i32.const 90) (i32.const 3)) (i32.const 11))
        (call $must (call $rename (i32.const 3) (i32.const 80) (i32.const 7) (i32.const 3) (i32.const 90) (i32.const 7))
            (i32.const 12))
        (call $must (call $fd_readdir (i32.const 3) (i32.const 512) (i32.const 400) (i64.const 2) (i32.const 8)) (i32.const 13))
        (call $iov (i32.const 512) (i32.load (i32.const 8)))
        (call $must (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 14))"#
    );
    let data = r#"(data (i32.const 64) "in.txt") (data (i32.const 80) "out.txt") (data (i32.const 90) "dir/new")"#;
    program(&body, data)
}

#[test]
fn a_program_reads_and_writes_files_and_each_run_begins_with_the_same() {
    let wasi = Wasi::default().file("/in.txt", "four");
    let compared = command(&copies(), wasi).run().unwrap();
    assert_eq!(compared.outcomes, ["_start: ()"]);
    assert_eq!(compared.entry_calls, 4);
    let seen = |name: &str| compared.seen.iter().find(|(other, _)| other == name).map(|(_, n)| *n);
    assert_eq!(seen("the standard output"), Some(4));
    // The directory `dir`, as one entry.
    assert_eq!(seen("the standard error"), Some(24 + 3));
    assert_eq!(seen("/dir/new"), Some(8));
    assert_eq!(seen("/"), Some("dir".len()));
}

#[test]
fn a_folder_of_the_host_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.txt"), "four").unwrap();
    let wasi = Wasi::default().dir("/", folder.path()).unwrap();
    let compared = command(&copies(), wasi).run().unwrap();
    assert_eq!(compared.outcomes, ["_start: ()"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read(folder.path().join("in.txt")).unwrap(), b"four");
    assert!(Wasi::default().dir("/", folder.path().join("none")).is_err());
}

#[test]
fn a_path_that_leaves_its_directory_is_refused() {
    let body = format!("{OPEN} (i32.const 64) (i32.const 9) (i32.const 0) {RIGHTS} (i32.const 1))");
    let data = r#"(data (i32.const 64) "a/../../b")"#;
    let body = format!("{body} {WRITE}");
    let wasi = Wasi::default().file("/in/a", "");
    let compared = command(&program(&body, data).replace("a/../../b", "../../../b"), wasi.clone());
    let failure = compared.run().unwrap_err().to_string();
    assert!(failure.contains(&format!("exit status {}", 1 << 8 | 63)), "{failure}");
    let failure = command(&program(&body, data), wasi).run().unwrap_err().to_string();
    assert!(
        failure.contains(&format!("exit status {}", 1 << 8 | 54)),
        "a is no directory: {failure}"
    );
}

const WRITE: &str = "(call $iov (i32.const 128) (i32.const 16))
    (call $must (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 40))";

/// Time and random bytes are written down as such: they differ from each other, and not from run to run.
#[test]
fn clocks_go_on_and_are_the_same_in_every_run() {
    let body = format!(
        r#"
        (call $must (call $clock (i32.const 0) (i64.const 0) (i32.const 128)) (i32.const 1))
        {WRITE}
        (call $must (call $clock (i32.const 1) (i64.const 0) (i32.const 136)) (i32.const 2))
        {WRITE}
        (if (i64.ne (i64.load (i32.const 136)) (i64.const 2000000)) (then (call $exit (i32.const 3))))
        (call $must (call $random (i32.const 128) (i32.const 16)) (i32.const 4))
        (if (i64.eq (i64.load (i32.const 128)) (i64.load (i32.const 136))) (then (call $exit (i32.const 5))))
        {WRITE}"#
    );
    let compared = command(&program(&body, ""), Wasi::default()).run().unwrap();
    assert_eq!(compared.outcomes, ["_start: ()"]);
    assert_eq!(compared.entry_calls, 3);
}

#[test]
fn the_standard_input_is_read_to_its_end() {
    let body = format!(
        r#"
        (call $iov (i32.const 128) (i32.const 3))
        (call $must (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 1))
        (call $iov (i32.const 131) (i32.const 13))
        (call $must (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 2))
        (if (i32.ne (i32.load (i32.const 8)) (i32.const 2)) (then (call $exit (i32.const 3))))
        (call $must (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 4))
        (if (i32.load (i32.const 8)) (then (call $exit (i32.const 5))))
        {WRITE}"#
    );
    let wasi = Wasi::default().stdin("hello");
    assert_eq!(command(&program(&body, ""), wasi).run().unwrap().outcomes, ["_start: ()"]);
}
