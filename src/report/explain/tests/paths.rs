//! Paths to entries, and the evidence for each call.

use super::{ask, module, path, text};
use crate::report::explain::Question;

#[test]
fn the_shortest_path_is_told() {
    let wat = module(
        "(func $a (call $b) (call $c)) (func $b (call $c)) (func $c (call $fork)) (func $d)",
    );
    assert_eq!(
        text(&wat, "a", Question::Path),
        "2 (a) is in the closure\n  2 (a) calls 4 (c) at @ directly\n  4 (c) calls 0 (fork) at @ directly"
    );
    assert_eq!(text(&wat, "d", Question::Path), "5 (d) is not in the closure\n  it calls nothing");
}

#[test]
fn a_class_is_no_step_of_its_own() {
    // Two calls through tables are longer than one direct call and one through a table.
    let fields = "(table 4 funcref) (elem (i32.const 1) $b $c) (func $a (param i32) (call $d)
            (call_indirect (param i64) (i64.const 0) (local.get 0)))
        (func $b (param i64) (call $e)) (func $c (call $fork))
        (func $d (call_indirect (i32.load (i32.const 0)))) (func $e (call $d)) (memory (export \"m\") 1)";
    assert_eq!(
        path(fields, "a"),
        "2 (a) calls 5 (d) at @ directly\n\
         5 (d) calls 4 (c) at @ through table 0, type 0 () -> (), index unknown: what i32.load at @ loads \
         from memory 0, where the host and any store may write; element segment 0 puts it into slot 2\n\
         4 (c) calls 0 (fork) at @ directly"
    );
}

#[test]
fn evidence_names_the_segment_that_counts() {
    let fields = "(table 4 funcref) (elem (i32.const 0) $f $f) (elem (i32.const 0) $g)
        (func $f (call $fork)) (func $g)
        (func $a (param i32) (call_indirect
            (select (i32.const 0) (i32.const 1) (local.get 0))))";
    assert_eq!(
        path(fields, "a"),
        "4 (a) calls 2 (f) at @ through table 0, type 0 () -> (), index 0 or 1; \
         element segment 0 puts it into slot 1\n\
         2 (f) calls 0 (fork) at @ directly"
    );
}

#[test]
fn a_table_that_the_host_sees_makes_the_index_of_no_account() {
    let fields = "(table (export \"t\") 4 funcref) (elem (i32.const 2) $f)
        (func $f (param i32 i64) (result f32) (call $fork) (f32.const 0))
        (func $a (drop (call_indirect (param i32 i64) (result f32)
            (i32.const 0) (i64.const 0) (i32.const 3))))";
    assert_eq!(
        path(fields, "a").lines().next().unwrap(),
        "3 (a) calls 2 (f) at @ through table 0, type 1 (i32, i64) -> f32, at any index, since the host \
         can write to the table; element segment 0 puts it into slot 2"
    );
}

#[test]
fn slots_that_are_not_known_one_by_one_say_why() {
    let call = "(func $a (call_indirect (i32.const 1))) (func $f (call $fork))";
    let unplaced = |fields: &str, because: &str| {
        let path = path(&format!("{fields} {call}"), "a");
        let expected = format!("index 1, which doesn't matter, since {because}");
        assert!(path.contains(&expected), "{path}");
    };
    unplaced(
        "(import \"k\" \"base\" (global i32)) (table 9 funcref) (elem (global.get 0) $f)",
        "an element segment goes to an unknown offset",
    );
    unplaced(
        "(table 9 funcref) (elem declare func $f)
         (func (param i32) (table.set (local.get 0) (ref.func $f)))",
        "an instruction may write to any slot",
    );
    unplaced(
        "(table 9 funcref) (elem (i32.const 0) $f)
         (func (param i32) (table.copy (local.get 0) (i32.const 0) (i32.const 1)))",
        "slots are copied",
    );
}

#[test]
fn evidence_of_references() {
    let fields = |call: &str| {
        format!(
            "(type $v (func)) (elem declare func $f) (func $f (call $fork))
            (func $a (export \"a\") (param (ref $v)) {call}) (func $x (drop (ref.func $f)))"
        )
    };
    let first = |call: &str| path(&fields(call), "3").lines().next().unwrap().to_owned();
    assert_eq!(
        first("(call_ref $v (ref.func $f))"),
        "3 (a) calls 2 (f) at @ by a reference of type 0 () -> (), known; ref.func takes it"
    );
    assert_eq!(
        first("(call_ref $v (local.get 0))"),
        "3 (a) calls 2 (f) at @ by a reference of type 0 () -> (), unknown: parameter 0 of 3 (a), \
         which others can call with any arguments, since it is exported as `a`; ref.func takes it"
    );
}

#[test]
fn the_host_is_a_step() {
    let fields = "(func $a (call $back)) (func $m (export \"main\") (call $fork))";
    assert_eq!(
        path(fields, "2"),
        "2 (a) calls 1 (back) at @ directly\n\
         1 (back) calls 3 (m) back from the host; it is exported as `main`\n\
         3 (m) calls 0 (fork) at @ directly"
    );
}

#[test]
fn the_data_says_what_the_text_says() {
    let wat = module(
        "(table 4 funcref) (elem (i32.const 2) $f) (func $f (call $fork))
        (func $a (call_indirect (i32.const 2)))",
    );
    let answer = ask(&wat, "a", Question::Path);
    let json = serde_json::to_value(&answer).unwrap();
    let call = &json["functions"][0]["calls"][0];
    assert_eq!(call["callee"]["name"], "f");
    assert_eq!(call["kind"], "table");
    assert_eq!(call["type"], serde_json::json!({"index": 0, "signature": "() -> ()"}));
    assert_eq!(call["index"], serde_json::json!([2]));
    assert_eq!(call["source"], serde_json::json!({"kind": "segment", "segment": 0, "slot": 2}));
    assert_eq!(call["evidence"], answer.functions[0].calls[0].evidence);
    assert_eq!(json["functions"][0]["calls"][1]["callee"]["entry"], true);
    assert_eq!(json["warnings"], serde_json::json!([]));
}
