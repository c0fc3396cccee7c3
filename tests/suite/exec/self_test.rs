//! The harness must accept a module instrumented by hand and reject each way to get it wrong.

use super::differential;
use super::program::{Invoke, Spec};

pub const ORIGINAL: &str = r#"
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 5))
  (func (export "more") (global.set $g (i32.add (global.get $g) (i32.const 1))))
  (func (export "run") (param $x i32) (result i32)
    (global.set $g (i32.add (global.get $g) (i32.const 1)))
    (i32.store (i32.const 64) (global.get $g))
    (i32.add (i32.mul (local.get $x) (global.get $g)) (call $fork (i32.const 7)))
    (i32.add (global.get $g))))
"#;

pub const BY_HAND: &str = r#"
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 5))
  (func (export "more") (global.set $g (i32.add (global.get $g) (i32.const 1))))
  (func (export "run") (param $x i32) (result i32)
    (local $below i32) (local $result i32)
    (if (i32.eq (global.get $state) (i32.const 2))
      (then
        (i32.store (global.get $buf) (i32.sub (i32.load (global.get $buf)) (i32.const 8)))
        (local.set $below (i32.load (i32.load (global.get $buf)))))
      (else
        (global.set $g (i32.add (global.get $g) (i32.const 1)))
        (i32.store (i32.const 64) (global.get $g))
        (local.set $below (i32.mul (local.get $x) (global.get $g)))))
    (local.set $result (call $fork (i32.const 7)))
    (if (i32.eq (global.get $state) (i32.const 1))
      (then
        (if (i32.le_u (i32.add (i32.load (global.get $buf)) (i32.const 8)) (global.get $end))
          (then
            (i32.store (i32.load (global.get $buf)) (local.get $below))
            (i32.store offset=4 (i32.load (global.get $buf)) (i32.const 1))
            (i32.store (global.get $buf) (i32.add (i32.load (global.get $buf)) (i32.const 8)))
            (return (i32.const 0)))
          (else
            (global.set $state (i32.const 3))
            (local.set $result (call $fork (i32.const 7)))))))
    (i32.add (local.get $below) (local.get $result))
    (i32.add (global.get $g)))
  (global $state (mut i32) (i32.const 0))
  (global $buf (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (func $must_be (param i32)
    (if (i32.ne (global.get $state) (local.get 0)) (then unreachable)))
  (func $set (param $buf i32)
    (global.set $buf (local.get $buf))
    (global.set $end (i32.load offset=4 (local.get $buf)))
    (if (i32.eqz (global.get $end))
      (then (global.set $end (i32.mul (memory.size) (i32.const 65536))))))
  (func (export "wpk_fork_unwind_begin") (param $buf i32)
    (call $must_be (i32.const 0))
    (call $set (local.get $buf))
    (i32.store (local.get $buf) (i32.add (local.get $buf) (i32.const 12)))
    (if (i32.gt_u (i32.add (local.get $buf) (i32.const 12)) (global.get $end))
      (then (global.set $state (i32.const 1)) (return)))
    (i32.store offset=8 (local.get $buf) (global.get $g))
    (global.set $state (i32.const 1)))
  (func (export "wpk_fork_unwind_end")
    (call $must_be (i32.const 1))
    (global.set $state (i32.const 0)))
  (func (export "wpk_fork_rewind_begin") (param $buf i32)
    (call $must_be (i32.const 0))
    (call $set (local.get $buf))
    (global.set $g (i32.load offset=8 (local.get $buf)))
    (global.set $state (i32.const 2)))
  (func (export "wpk_fork_resume_begin") (param $buf i32)
    (call $must_be (i32.const 0))
    (call $set (local.get $buf))
    (global.set $state (i32.const 2)))
  (func (export "wpk_fork_rewind_end")
    (if (i32.lt_u (global.get $state) (i32.const 2)) (then unreachable))
    (global.set $state (i32.const 0)))
  (func (export "wpk_fork_state") (result i32) (global.get $state)))
"#;

/// A mistake: text to replace, its replacement, and what the harness says.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("(i32.store (i32.load (global.get $buf)) (local.get $below))", "", "an export differs"),
    ("(global.set $g (i32.load offset=8 (local.get $buf)))", "", "fresh instance"),
    (
        "(i32.le_u (i32.add (i32.load (global.get $buf)) (i32.const 8))",
        "(i32.le_u (i32.const 0)",
        "buffer too small",
    ),
    (
        "(i32.sub (i32.load (global.get $buf)) (i32.const 8))",
        "(i32.load (global.get $buf))",
        "pos is",
    ),
    ("(call $must_be (i32.const 1))", "", "unwind_end does not trap"),
    ("(call $must_be (i32.const 0))", "", "unwind_begin does not trap"),
    (
        "(local.set $result (call $fork (i32.const 7)))",
        "(local.set $result (call $fork (local.get $x)))",
        "an import differs",
    ),
    (
        "(i32.store offset=4 (i32.load (global.get $buf)) (i32.const 1))",
        "(i32.store offset=8 (i32.load (global.get $buf)) (i32.const 1))",
        "outside the frames",
    ),
    (
        "(i32.store offset=4 (i32.load (global.get $buf)) (i32.const 1))",
        "(i32.store offset=4 (i32.const 0) (i32.const 1))",
        "the memory differs",
    ),
    (
        "(local.set $below (i32.load (i32.load (global.get $buf))))",
        "(local.set $below (i32.load (i32.load (global.get $buf)))) (i32.store (i32.load (global.get $buf)) (i32.const 9))",
        "rewinding changed",
    ),
    ("(call $set (local.get $buf))\n    (global.set $g", "(global.set $g", "buffer moved"),
    (
        "(global.set $state (i32.const 3))",
        "(global.set $state (i32.const 3)) (i32.store (i32.const 64) (i32.const 9))",
        "buffer too small",
    ),
    ("(i32.lt_u (global.get $state) (i32.const 2))", "(i32.const 0)", "rewind_end does not trap"),
    (
        "(call $set (local.get $buf))\n    (global.set $state",
        "(call $set (local.get $buf)) (global.set $g (i32.load offset=8 (local.get $buf)))
            (global.set $state",
        "resumed after interludes",
    ),
];

fn check(rewritten: &str) -> Result<(), String> {
    let spec = Spec {
        invokes: vec![
            Invoke { export: "run".into(), args: vec!["3".into()] },
            Invoke { export: "run".into(), args: vec!["4".into()] },
        ],
        interludes: vec![Invoke { export: "more".into(), args: Vec::new() }],
        ..Spec::default()
    };
    let original = wat::parse_str(ORIGINAL).expect("the original parses");
    let rewritten = wat::parse_str(rewritten).expect("the rewritten text parses");
    differential::check(&original, &rewritten, &spec).map(drop)
}

#[test]
fn what_is_right_is_accepted() {
    check(BY_HAND).unwrap();
}

#[test]
fn every_mistake_is_found() {
    for (from, to, message) in MISTAKES {
        assert!(BY_HAND.contains(from), "{from}");
        let error = check(&BY_HAND.replace(from, to)).expect_err(from);
        assert!(error.contains(message), "{from} -> {to}\ngives: {error}");
    }
}
