//! `--memory` and `--own-memory`: which memory frames go to.

use super::*;

/// Two memories, of which the second has two names.
const TWO: &str = r#"(module
  (import "env" "data" (memory 1))
  (import "kernel" "kernel_fork" (func $fork (result i32)))
  (memory (export "stacks") (export "more") 1)
  (func (export "run") (result i32) (call $fork)))"#;

const NONE: &str = r#"(module
  (import "kernel" "kernel_fork" (func $fork (result i32)))
  (func (export "run") (result i32) (call $fork)))"#;

/// Instruments the module, and prints the output.
fn instrumented(sandbox: &Sandbox, flags: &[&str]) -> (String, String) {
    let output = sandbox.run(&[&["instrument", "in.wasm", "-o", "out.wasm"], flags].concat());
    assert_done(&output);
    (wasmprinter::print_bytes(sandbox.read("out.wasm")).unwrap(), text(&output.stderr))
}

#[test]
fn the_first_memory_is_taken_and_named_where_there_are_several() {
    let sandbox = Sandbox::with("in.wasm", TWO);
    let (first, stderr) = instrumented(&sandbox, &[]);
    assert!(
        stderr.contains("frames go to memory 0 (`data`, `env.data`), the first of 2"),
        "{stderr}"
    );
    let (named, stderr) = instrumented(&sandbox, &["--memory", "env.data"]);
    assert_eq!(named, first);
    assert!(!stderr.contains("warning"), "{stderr}");
}

#[test]
fn a_memory_is_meant_by_index_or_name() {
    let sandbox = Sandbox::with("in.wasm", TWO);
    let (stacks, _) = instrumented(&sandbox, &["--memory", "stacks"]);
    assert!(stacks.contains("memory.size 1"), "{stacks}");
    for same in ["1", "more", "mo*"] {
        assert_eq!(instrumented(&sandbox, &["--memory", same]).0, stacks);
    }
    for (wrong, told) in [("2", "no memory is called `2`"), ("*", "means several memories: 0 ")] {
        let flags = ["instrument", "in.wasm", "-o", "none.wasm", "--memory", wrong];
        assert_refused(&sandbox.run(&flags), told);
    }
}

#[test]
fn a_memory_is_added_for_frames() {
    let sandbox = Sandbox::with("in.wasm", TWO);
    let (text, _) = instrumented(&sandbox, &["--own-memory"]);
    assert!(text.contains("(export \"wpk_fork_memory\" (memory 2))"), "{text}");
    let sandbox = Sandbox::with("in.wasm", NONE);
    let output = sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm"]);
    assert_refused(&output, "have one added for frames: --own-memory");
    let (text, _) = instrumented(&sandbox, &["--own-memory"]);
    assert!(text.contains("(export \"wpk_fork_memory\" (memory 0))"), "{text}");
    assert!(text.contains("(memory (;0;) 1)"), "{text}");
    let (text, _) = instrumented(&sandbox, &["--own-memory", "--own-memory-pages", "300"]);
    assert!(text.contains("(memory (;0;) 300)"), "{text}");
    for wrong in [&["--own-memory", "--own-memory-pages=0"][..], &["--own-memory-pages=2"]] {
        let output = sandbox.run(&[&["plan", "in.wasm"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert_done(&sandbox.run(&["analyze", "in.wasm", "--own-memory"]));
    assert_done(&sandbox.run(&["analyze", "in.wasm", "--stats", "--own-memory"]));
    assert_done(&sandbox.run(&["plan", "in.wasm", "--own-memory"]));
    let both = ["plan", "in.wasm", "--own-memory", "--memory", "0"];
    assert_eq!(sandbox.run(&both).status.code(), Some(2));
}
