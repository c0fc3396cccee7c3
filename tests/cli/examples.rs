//! The commands that the README and the guide show: each is run, in a directory of its own, on stand-ins
//! for the files that it names. That it ends well is what is tested; what it prints only where a page
//! shows what these stand-ins make of it.

use super::readme::pages;
use super::{Sandbox, text};
use std::fs;

/// Imports the entries that the pages name, and has the functions that they name.
const APP: &str = r#"(module
    (type $get (func (param i32 i32) (result i32)))
    (import "kernel" "kernel_fork" (func $kernel_fork (result i32)))
    (import "env" "fork" (func $fork (result i32)))
    (import "env" "sleep_ms" (func $sleep (param i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table 4 funcref)
    (elem (i32.const 0) $exact $getter)
    (func $exact (type $get) (local.get 1))
    (func $getter (param i32) (result i32) (call $fork))
    (func $getset_get (param i32) (result i32)
        (call_indirect (type $get) (i32.const 1) (i32.const 2) (local.get 0)))
    (func $getset_set (param i32) (result i32)
        (call_indirect (type $get) (i32.const 3) (i32.const 4) (local.get 0)))
    (func $run (export "run") (result i32)
        (call $sleep (i32.const 5))
        (drop (call $kernel_fork))
        (drop (call $getset_get (i32.const 1)))
        (drop (call $getset_set (i32.const 0)))
        (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))))"#;

/// A module for a dynamic linker.
const LINKED: &str = r#"(module
    (import "env" "memory" (memory 1))
    (import "env" "__indirect_function_table" (table 1 funcref))
    (import "env" "fork" (func $fork (result i32)))
    (import "env" "work" (func $work))
    (import "env" "main_func" (func $main_func))
    (func (export "run") (drop (call $fork)) (call $work) (call $main_func)
        (call_indirect (i32.const 0))))"#;

const DEMO: &str = "scripts/demo/fork.wat";

const PROFILE: &str = r#"{"version": 1, "functions": [{"name": "run"}]}"#;

/// A WASI command that prints three times.
const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
    (func $print (param i32)
        (if (i32.eqz (local.get 0)) (then (return)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
        (call $print (i32.sub (local.get 0) (i32.const 1))))
    (func (export "_start") (call $print (i32.const 3)) (call $exit (i32.const 0))))"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("hello.wasm"), HELLO).unwrap();
    for module in ["app.wasm", "app-opt.wasm", "dash.wasm", "shell.wasm"] {
        fs::write(sandbox.path(module), APP).unwrap();
    }
    for module in ["main.wasm", "side.wasm"] {
        fs::write(sandbox.path(module), LINKED).unwrap();
    }
    fs::create_dir_all(sandbox.path("scripts/demo")).unwrap();
    fs::write(sandbox.path(DEMO), include_str!("../../scripts/demo/fork.wat")).unwrap();
    // A frame of function 6 in eight bytes: its mark alone.
    fs::write(sandbox.path("frames"), (6_u64 | 2 << 20 | 1 << 38).to_le_bytes()).unwrap();
    fs::write(sandbox.path("recorded.json"), r#"{"version": 1, "calls": []}"#).unwrap();
    for profile in ["app.json", "a.json", "b.json"] {
        fs::write(sandbox.path(profile), PROFILE).unwrap();
    }
    for command in [
        &["instrument", "app.wasm", "-o", "app-fork.wasm"][..],
        &["instrument", "app.wasm", "-o", "app-main.wasm", "--resume-module", "app-resume.wasm"],
    ] {
        let output = sandbox.run(command);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    let report = sandbox.run(&["shim", "app.wasm", "--report", "--site", "getset_get"]);
    let report = text(&report.stdout);
    let offset = report.split_once("getset_get").unwrap().1.split_once("0x").unwrap().1;
    let offset = offset.split(' ').next().unwrap();
    let trace = format!(
        "RuntimeError: null function or function signature mismatch\n    \
         at getset_get (wasm://wasm/1234:wasm-function[6]:0x{offset})\n"
    );
    fs::write(sandbox.path("trace.txt"), trace).unwrap();
    sandbox
}

/// The words of a command line; knows single quotes and comments.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        if i % 2 == 1 {
            words.push(part.into());
            continue;
        }
        let code = part.split(" #").next().unwrap();
        words.extend(code.split_whitespace().map(String::from));
        if code.len() < part.len() {
            break;
        }
    }
    words
}

/// The commands of a page, each with the lines that are shown below it.
fn shown(contents: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in contents.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            commands.push((command, String::new()));
        } else if let (true, Some((_, output))) = (inside, commands.last_mut()) {
            *output += &format!("{line}\n");
        }
    }
    commands
}

#[test]
fn every_command_shown_runs() {
    let mut run = 0;
    for (page, contents) in pages() {
        for (line, _) in shown(&contents) {
            let Some(line) = line.strip_prefix("wasm-fork ") else { continue };
            // With the linkers that these need, `scripts/check/toolchains` runs them.
            if line.starts_with("link ") {
                continue;
            }
            // With the shell and the tools, `scripts/check/run` runs them.
            if line.starts_with("run ") && (line.contains("dash.wasm") || cfg!(not(unix))) {
                continue;
            }
            let words = words(line);
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let output = sandbox().run(&words);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{}: {line}\n{stderr}", page.display());
            run += 1;
        }
    }
    assert!(run > 10);
}

/// What is shown of the demo, and of the command that prints, is what they give.
#[test]
fn what_is_shown_of_the_demo_is_what_is_printed() {
    let mut compared = 0;
    for (page, contents) in pages() {
        let of_the_demo = |(line, output): &(&str, String)| {
            let is_ours = line.contains(DEMO) || line.contains("hello.wasm");
            let runs = cfg!(unix) || !line.starts_with("wasm-fork run ");
            line.starts_with("wasm-fork ") && is_ours && runs && !output.is_empty()
        };
        for (line, expected) in shown(&contents).into_iter().filter(of_the_demo) {
            let words = words(line.strip_prefix("wasm-fork ").unwrap());
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let printed = sandbox().run(&words);
            assert_eq!(text(&printed.stdout), expected, "{}: {line}", page.display());
            compared += 1;
        }
    }
    assert!(compared > 0);
}
