//! Why an index is unknown, for each reason there is.

use super::{ask, module, path};
use crate::report::explain::Question;

/// What follows `unknown: `, for the only call in `$a`.
#[track_caller]
fn unknown(fields: &str) -> String {
    let fields =
        format!("(table 80 funcref) (elem (i32.const 1) $f) (func $f (call $fork)) {fields}");
    let path = path(&fields, "a");
    let line = path.lines().next().unwrap();
    let (_, rest) = line.split_once("unknown: ").unwrap_or_else(|| panic!("{line}"));
    let (reason, _) = rest.split_once("; element segment").unwrap();
    reason.to_owned()
}

#[test]
fn a_load_says_who_can_write() {
    // Nobody knows the address.
    let load = "(func $a (export \"a\") (param i32)
        (call_indirect (i32.load offset=8 (local.get 0))))";
    let reason = |fields: &str| unknown(&format!("{fields} {load}"));
    assert_eq!(
        reason("(memory (export \"memory\") 1)"),
        "what i32.load at @ loads from memory 0, where the host and any store may write"
    );
    assert_eq!(
        reason("(memory 1) (func (i32.store8 (i32.const 0) (i32.const 0)))"),
        "what i32.load at @ loads from memory 0, where any store may write"
    );
    assert_eq!(
        reason("(memory 1)"),
        "what i32.load at @ loads from memory 0, where nothing writes, yet this load is not followed"
    );
    assert_eq!(
        reason("(memory 1) (memory 1) (func (i32.store (i32.const 0) (i32.const 0)))"),
        "what i32.load at @ loads from memory 0, from which loads are not followed"
    );
}

#[test]
fn a_load_is_the_reason_through_locals_and_arithmetic() {
    let fields = "(memory (export \"m\") 1) (func $a (local i32)
        (local.set 0 (i32.load16_u (i32.const 0)))
        (call_indirect (i32.add (i32.const 1) (i32.shl (local.get 0) (i32.const 2)))))";
    assert!(unknown(fields).starts_with("what i32.load16_u at @ loads"));
}

#[test]
fn a_parameter_of_what_others_call() {
    let call = "(call_indirect (local.get 1))";
    assert_eq!(
        unknown(&format!("(func $a (export \"go\") (param i64 i32) {call})")),
        "parameter 1 of 3 (a), which others can call with any arguments, since it is exported as `go`"
    );
    assert_eq!(
        unknown(&format!("(func $a (param i64 i32) {call}) (elem (i32.const 5) $a)")),
        "parameter 1 of 3 (a), which others can call with any arguments, \
         since element segment 1 has it"
    );
}

#[test]
fn a_parameter_is_followed_to_who_passes_it() {
    let fields = "(memory (export \"m\") 1)
        (func $a (param i32) (call_indirect (local.get 0)))
        (func $b (call $a (i32.const 1)))
        (func $c (param i32) (call $a (local.get 0)))
        (func $d (call $c (i32.load (i32.const 4))))";
    assert_eq!(
        unknown(fields),
        "parameter 0 of 3 (a), for which 5 (c) passes parameter 0 of 5 (c), for which 6 (d) passes \
         what i32.load at @ loads from memory 0, where the host and any store may write"
    );
}

#[test]
fn a_result_is_followed_to_what_returns_it() {
    let fields = "(import \"k\" \"get\" (func $get (result i32)))
        (table 80 funcref) (elem (i32.const 1) $f) (func $f (call $fork))
        (func $a (call_indirect (call $second)))
        (func $second (result i32) (call $third))
        (func $third (result i32) (call $get))";
    let path = path(fields, "a");
    assert!(
        path.contains(
            "unknown: the result of 5 (second), which returns the result of 6 (third), which \
             returns what the import 2 (get) returns at @;"
        ),
        "{path}"
    );
}

#[test]
fn what_a_dynamic_call_returns() {
    let fields = "(func $g (result i32) (i32.const 1)) (elem (i32.const 9) $g)
        (func $a (local i32) (local.set 0 (call_indirect (result i32) (i32.const 9)))
            (call_indirect (local.get 0)))";
    let fields =
        format!("(table 80 funcref) (elem (i32.const 1) $f) (func $f (call $fork)) {fields}");
    let answer = ask(&module(&fields), "a", Question::Path);
    let call = &answer.functions[0].calls[0];
    assert_eq!(call.unknown[0].kind, "dynamic call");
    assert!(
        call.unknown[0].text.starts_with("what a call through a table or reference returns at")
    );
}

#[test]
fn a_global_says_of_which_kind_it_is() {
    let call = "(func $a (call_indirect (global.get $g)))";
    assert_eq!(
        unknown(&format!("(global $g (mut i32) (i32.const 1)) {call}")),
        "what global.get at @ reads from global 0, which is mutable"
    );
    let imported = "(import \"k\" \"g\" (global $g i32)) (table 80 funcref)
        (elem (i32.const 1) $f) (func $f (call $fork))";
    let path = path(&format!("{imported} {call}"), "a");
    assert!(path.contains("from global 0, which is imported;"), "{path}");
}

#[test]
fn operators_that_are_not_followed() {
    assert_eq!(
        unknown("(func $a (call_indirect (i32.div_u (i32.const 8) (i32.const 2))))"),
        "what i32.div_u at @ makes, which is not followed"
    );
    assert_eq!(
        unknown("(func $a (call_indirect (i32.trunc_f32_s (f32.const 1))))"),
        "what i32.trunc_f32_s at @ makes, which is not followed"
    );
    assert_eq!(
        unknown("(func $a (call_indirect (table.size 0)))"),
        "what table.size at @ makes, which is not followed"
    );
    assert_eq!(
        unknown(
            "(func $a (param i32) (call_indirect (i32.add (local.get 0) (i32.const 1))))
             (func $b (call $a (i32.const 0)))"
        ),
        "what i32.add at @ makes of parameters or results of calls"
    );
}

#[test]
fn too_many_values() {
    assert_eq!(
        unknown(
            "(func $a (param i32) (call_indirect (i32.and (local.get 0) (i32.const 127))))
             (func $b (call $a (i32.const 0)))"
        ),
        "one of more than 64 values, near @"
    );
    let calls: String = (0..70).map(|i| format!("(call $a (i32.const {i}))")).collect();
    let two = format!("(func $b {}) (func $c {})", &calls, calls.replace("const ", "const 1"));
    assert_eq!(
        unknown(&format!("(func $a (param i32) (call_indirect (local.get 0))) {two}")),
        "parameter 0 of 3 (a), for which 4 (b) passes one of more than 64 values, near @"
    );
    let halves = |base: usize| -> String {
        (0..40).map(|i| format!("(call $a (i32.const {}))", base + i)).collect()
    };
    let two = format!("(func $b {}) (func $c {})", halves(0), halves(100));
    assert_eq!(
        unknown(&format!("(func $a (param i32) (call_indirect (local.get 0))) {two}")),
        "one of more than 64 values"
    );
}

#[test]
fn loops_and_handlers() {
    assert_eq!(
        unknown(
            "(func $a (local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                (call_indirect (local.get 0)) (br 0)))"
        )
        .split(", near")
        .next(),
        Some("a value that changes in a loop")
    );
    assert_eq!(
        unknown(
            "(tag $t) (func $a (local i32) (local.set 0 (i32.const 1))
                (block (try_table (catch_all 0) (nop))) (call_indirect (local.get 0)))"
        )
        .split(", near")
        .next(),
        Some("a value from before an exception was caught")
    );
}

#[test]
fn a_body_too_large_to_be_followed() {
    let blocks = "(block (br_if 0 (local.get 0)))".repeat(60);
    let locals = "(local i32) ".repeat(30_000);
    assert_eq!(
        unknown(&format!("(func $a (param i32) {locals} {blocks} (call_indirect (i32.const 1)))")),
        "a value in 3 (a), whose body is too large to be followed"
    );
}

#[test]
fn what_never_happens_counts_as_any() {
    assert_eq!(
        unknown("(func $a (param i32) (call_indirect (local.get 0)))"),
        "no value at all, as far as is known, which counts as any"
    );
}
