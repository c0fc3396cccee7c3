//! `explain` as a user meets it: text, JSON and graph, with and without debug information.

#[path = "../support/dwarf.rs"]
pub(super) mod dwarf;

use super::{FORKS, Sandbox, assert_done, assert_refused, text};
use dwarf::{SourceFunc, with_dwarf, with_sections};
use std::fs;

const SHELL: &str = r#"(module
    (type $handler (func (param i32) (result i32)))
    (import "kernel" "kernel_fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (table 8 funcref)
    (elem (i32.const 2) $spawn $quiet)
    (func $spawn (param i32) (result i32) (call $fork))
    (func $quiet (param i32) (result i32) (local.get 0))
    (func $_ZN5shell3runEv (export "run") (result i32)
        (call_indirect (type $handler) (i32.const 1) (i32.load (i32.const 16))))
    (func $idle (result i32)
        (call_indirect (type $handler) (i32.const 1) (i32.const 3))))"#;

fn shell() -> Sandbox {
    Sandbox::with("in.wasm", SHELL)
}

/// What `explain in.wasm ARGS` prints.
#[track_caller]
fn explain(sandbox: &Sandbox, args: &[&str]) -> String {
    let output = sandbox.run(&[&["explain", "in.wasm"], args].concat());
    assert_done(&output);
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

#[test]
fn a_path_has_its_evidence() {
    let sandbox = shell();
    let path = explain(&sandbox, &["run"]);
    assert_eq!(
        path,
        "3 (shell::run()) is in the closure\n  \
         3 (shell::run()) calls 1 (spawn) at 0x70 through table 0, type 0 (i32) -> i32, index unknown: \
         what i32.load at 0x6d loads from memory 0, where the host and any store may write; element \
         segment 0 puts it into slot 2\n  \
         1 (spawn) calls 0 (fork) at 0x5f directly\n"
    );
    for same in ["3", "_ZN5shell3runEv", "shell::run()", "shell::*"] {
        assert_eq!(explain(&sandbox, &[same]), path, "{same}");
    }
    let unknown = sandbox.run(&["explain", "in.wasm", "spown"]);
    assert_refused(&unknown, "did you mean `spawn`?");
}

#[test]
fn debug_information_adds_lines() {
    let source = [
        SourceFunc { name: "spawn", line: 10, body: Some(0), ..SourceFunc::default() },
        SourceFunc { name: "run", line: 20, body: Some(2), ..SourceFunc::default() },
    ];
    let sandbox = shell();
    let wasm = with_dwarf(&sandbox.read("in.wasm"), 4, &source);
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    let path = explain(&sandbox, &["run"]);
    assert_eq!(
        path,
        "3 (shell::run()) is in the closure (src/work.c:20)\n  \
         3 (shell::run()) calls 1 (spawn) at 0x70 (src/work.c:22) through table 0, type 0 (i32) -> i32, \
         index unknown: what i32.load at 0x6d (src/work.c:21:3) loads from memory 0, where the host and \
         any store may write; element segment 0 puts it into slot 2\n  \
         1 (spawn) calls 0 (fork) at 0x5f (src/work.c:11:3) directly\n"
    );
    let guide = include_str!("../../src/guide/closure.md");
    assert!(guide.contains(&format!("$ wasm-fork explain shell.wasm run\n{path}```\n")));
}

#[test]
fn broken_debug_information_is_one_warning() {
    let sandbox = shell();
    let without = explain(&sandbox, &["run"]);
    let broken = [(".debug_info", vec![0x20, 0, 0, 0, 9, 9]), (".debug_line", vec![1])];
    let wasm = with_sections(&sandbox.read("in.wasm"), &broken);
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    let output = sandbox.run(&["explain", "in.wasm", "run"]);
    assert_done(&output);
    assert_eq!(text(&output.stdout), without);
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("warning: the DWARF sections can't be read in full"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn what_is_outside_says_why() {
    let sandbox = shell();
    assert_eq!(
        explain(&sandbox, &["idle"]),
        "4 (idle) is not in the closure\n  \
         calls at 0x7a through table 0, type 0 (i32) -> i32, index 3: \
         slot 3 holds 2 (quiet), not in the closure\n"
    );
    assert_eq!(
        explain(&sandbox, &["quiet"]),
        "2 (quiet) is not in the closure\n  it calls nothing\n"
    );
    assert_eq!(
        explain(&sandbox, &["spawn", "--assume-no-fork", "spawn"]),
        "1 (spawn) is not in the closure, but only by assumption\n  \
         assumed: no entry is ever called below `spawn`\n  \
         without any assumption:\n  \
         1 (spawn) calls 0 (fork) at 0x5f directly\n"
    );
}

#[test]
fn all_callers_are_listed() {
    let sandbox = shell();
    let callers = explain(&sandbox, &["spawn", "--all-callers"]);
    assert!(callers.contains("\n  3 (shell::run()) calls 1 (spawn) at 0x70 "), "{callers}");
    assert_eq!(callers.lines().count(), 2, "{callers}");
    let sandbox = Sandbox::with("in.wasm", FORKS);
    assert_eq!(explain(&sandbox, &["forks", "--all-callers"]).lines().count(), 1);
}

#[test]
fn a_graph_is_one_for_graphviz() {
    assert_eq!(
        explain(&shell(), &["spawn", "--all-callers", "--format", "dot"]),
        r#"digraph closure {
  rankdir=LR
  node [shape=box]
  f1 [label="1 (spawn)", style=solid, penwidth=2]
  f3 [label="3 (shell::run())", style=solid]
  f0 [label="0 (fork)", style=solid, peripheries=2]
  f3 -> f1 [style=solid, label="0x70\ntable 0, (i32) -> i32"]
  f1 -> f0 [style=solid, label="at 0x5f"]
}
"#
    );
}

#[test]
fn data_has_the_documented_fields() {
    let json = explain(&shell(), &["run", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let function = &json["functions"][0];
    assert_eq!(
        function["function"],
        serde_json::json!({
            "index": 3, "name": "_ZN5shell3runEv", "demangled": "shell::run()",
            "closure": true, "entry": false
        })
    );
    let call = &function["calls"][0];
    assert_eq!(call["offset"], 0x70);
    assert_eq!(call["unknown"][0]["kind"], "load");
    assert_eq!(call["unknown"][0]["offset"], 0x6d);
    assert_eq!(call["source"]["slot"], 2);
    assert_eq!(function.get("callees"), None);
    assert_eq!(json["warnings"], serde_json::json!([]));

    let json = explain(&shell(), &["idle", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let call = &json["functions"][0]["callees"]["dynamic"][0];
    assert_eq!((&call["targets"], &call["index"]), (&1.into(), &serde_json::json!([3])));
}
