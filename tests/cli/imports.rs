//! `imports` as a user meets it.

use super::*;

#[test]
fn imports_are_listed() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["imports", "in.wasm"]);
    assert_done(&output);
    assert_eq!(
        text(&output.stdout),
        "2 imported functions\n\
         index  calls  import, type\n    \
         0      1  kernel.kernel_fork () -> i32, known as fork\n    \
         1      1  \"env\".sleep.ms (i32) -> (), known as sleep\n"
    );
    assert_eq!(text(&output.stderr), "");
    // What is printed can be given back.
    for entry in ["kernel.kernel_fork", "\"env\".sleep.ms"] {
        assert_done(&sandbox.run(&["analyze", "in.wasm", "--entry", entry]));
    }
    let none = sandbox.feed(&["imports", "-"], PLAIN.as_bytes());
    assert_eq!(text(&none.stdout), "0 imported functions\n");
    assert_refused(&sandbox.feed(&["imports", "-"], b"nothing"), "not a WebAssembly module");
}

#[test]
fn imports_are_data_too() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["imports", "in.wasm", "--format", "json"]);
    assert_done(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let sleep = serde_json::json!({
        "index": 1, "module": "env", "name": "sleep.ms", "type": "(i32) -> ()", "calls": 1,
        "by_reference": false, "known_as": "sleep", "minified": false,
    });
    assert_eq!(json["imports"][1], sleep);
}

#[test]
fn minified_names_are_said_to_be_so() {
    let wat =
        r#"(module (import "a" "b" (func $emscripten_sleep (param i32))) (import "a" "c" (func)))"#;
    let output = Sandbox::new().feed(&["imports", "-"], wat.as_bytes());
    assert_done(&output);
    let list = text(&output.stdout);
    assert!(list.contains("a.b (i32) -> (), known as emscripten_sleep, minified\n"), "{list}");
    assert!(list.contains("a.c () -> (), minified\n"), "{list}");
    assert!(text(&output.stderr).starts_with("note: names are minified"));
}
