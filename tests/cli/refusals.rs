//! All that a module is refused for is told at once, by `instrument` and by `analyze`.

use super::{Sandbox, assert_done, text};

/// Two tail calls that may call the entry over and over, and no memory that frames could be written to.
const REFUSED: &str = r#"(module
    (type $t (func (result i32)))
    (import "kernel" "kernel_fork" (func $fork (type $t)))
    (global $slot (mut i32) (i32.const 0))
    (table funcref (elem $fork $one $two))
    (func $one (export "one") (type $t) (return_call_indirect (type $t) (global.get $slot)))
    (func $two (export "two") (type $t) (return_call_indirect (type $t) (global.get $slot))))"#;

const LINES: [&str; 2] = [
    "error: the module has no memory, so there is nowhere to put frames; define or import one, \
     or have one added for frames: --own-memory",
    "error: unsupported: tail calls, inside a `try` or in a loop of them, that may call an import which has \
     to be called again: 2 in 2 functions: function 1 (one) at offset ",
];

#[track_caller]
fn assert_told(stderr: &str) {
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), LINES.len(), "{stderr}");
    for (line, start) in lines.iter().zip(LINES) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn instrument_tells_all_refusals() {
    let sandbox = Sandbox::with("in.wasm", REFUSED);
    let output = sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    assert_told(&text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().count(), 2);
    assert_eq!(sandbox.names(), ["in.wasm"]);
}

#[test]
fn analyze_prints_the_closure_and_then_the_refusals() {
    let sandbox = Sandbox::with("in.wasm", REFUSED);
    for command in [&["analyze", "in.wasm"][..], &["instrument", "in.wasm", "--discover-only"]] {
        let output = sandbox.run(command);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).starts_with("3 (2, 1) total (local, import)\n"));
        assert_told(&text(&output.stderr));
    }
}

#[test]
fn json_has_every_place() {
    let sandbox = Sandbox::with("in.wasm", REFUSED);
    let output = sandbox.run(&["analyze", "in.wasm", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let refusals = json["refusals"].as_array().unwrap();
    assert_eq!(refusals[0]["kind"], "no-memory");
    assert_eq!(refusals[0]["count"], 1);
    assert_eq!(refusals[1]["kind"], "tail-call");
    assert_eq!(refusals[1]["count"], 2);
    let places = refusals[1]["places"].as_array().unwrap();
    assert_eq!((&places[1]["function"], &places[1]["name"]), (&2.into(), &"two".into()));
    assert!(places[1]["offset"].as_u64().unwrap() > places[0]["offset"].as_u64().unwrap());
}

#[test]
fn nothing_is_refused_where_nothing_is_instrumented() {
    let sandbox = Sandbox::with("in.wasm", REFUSED);
    let flags = ["--entry", "no.entry", "--allow-missing-entry"];
    assert_done(&sandbox.run(&[&["analyze", "in.wasm"][..], &flags].concat()));
    let direct = ["analyze", "in.wasm", "--precision", "asyncify"];
    assert_done(&sandbox.run(&direct));
}
