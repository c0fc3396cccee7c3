//! `--optimize` and `--cpu-profile`: which functions get resume functions.

use super::*;

/// `hot` and `cold` are called once each, and call the entry.
const MODULE: &str = r#"(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func $hot (result i32) (call $fork))
  (func $cold (result i32) (call $fork))
  (func (export "run") (result i32) (i32.add (call $hot) (call $cold))))"#;

/// The functions that are apart, as `plan` says.
fn apart(sandbox: &Sandbox, flags: &[&str]) -> Vec<String> {
    let output = sandbox.run(&[&["plan", "m.wat", "--entry", "env.fork"], flags].concat());
    assert_done(&output);
    let text = text(&output.stdout);
    let funcs = text.lines().filter(|line| line.starts_with("func ") && line.contains(" apart"));
    funcs.map(|line| line.split_whitespace().nth(2).unwrap().trim_end_matches(':').into()).collect()
}

#[test]
fn optimize_chooses_forms() {
    let sandbox = Sandbox::with("m.wat", MODULE);
    assert!(apart(&sandbox, &["--optimize", "size"]).is_empty());
    assert!(apart(&sandbox, &[]).is_empty(), "nothing is called from four places");
    assert_eq!(apart(&sandbox, &["--optimize", "speed"]).len(), 3);
}

#[test]
fn a_cpu_profile_chooses_what_time_is_spent_in() {
    let sandbox = Sandbox::with("m.wat", MODULE);
    let write = |name: &str, text: &str| fs::write(sandbox.path(name), text).unwrap();
    write(
        "list.json",
        r#"{"version": 1, "functions": [{"name": "hot", "self_time": 95}, {"name": "cold", "self_time": 5}, {"name": "gone", "self_time": 900}]}"#,
    );
    assert_eq!(apart(&sandbox, &["--cpu-profile", "list.json"]), ["hot"]);
    write(
        "v8.cpuprofile",
        r#"{"nodes": [{"id": 1, "callFrame": {"functionName": "cold", "url": "wasm://wasm/x"}, "hitCount": 3}]}"#,
    );
    assert_eq!(apart(&sandbox, &["--cpu-profile", "v8.cpuprofile"]), ["cold"]);
    let output =
        sandbox.run(&["plan", "m.wat", "--cpu-profile", "list.json", "--optimize", "size"]);
    assert_eq!(output.status.code(), Some(2), "a profile says it all");
    write("none.json", r#"{"version": 1, "functions": [{"name": "hot"}]}"#);
    let output =
        sandbox.run(&["plan", "m.wat", "--entry", "env.fork", "--cpu-profile", "none.json"]);
    assert_refused(&output, "no time");
}
