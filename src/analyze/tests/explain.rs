//! Paths from functions to entries, and their evidence.

use super::{options, with_module};
use crate::analyze::Explainer;
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options};

/// The path from `func` as lines of text.
#[track_caller]
fn path(wat: &str, func: u32) -> Option<String> {
    let options = Options { reentrant: vec![EntryPattern::parse("k.b*").unwrap()], ..options() };
    let wat = format!(
        "(module (import \"k\" \"fork\" (func $fork)) (import \"k\" \"back\" (func $back)) {wat})"
    );
    with_module(&wat, |module| {
        let explainer = Explainer::new(module, &options).unwrap();
        let path = explainer.path(FuncIdx(func))?;
        let lines: Vec<_> = path.iter().map(|edge| without_offset(&edge.to_string())).collect();
        Some(lines.join("\n"))
    })
}

fn without_offset(line: &str) -> String {
    let words = line.split(' ').filter(|word| *word != "at" && !word.starts_with("0x"));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_shortest_path_is_told() {
    let wat = "(func $a (call $b) (call $c)) (func $b (call $c)) (func $c (call $fork))
        (func $d)";
    assert_eq!(path(wat, 2).unwrap(), "2 calls 4 directly\n4 calls 0 directly");
    assert_eq!(path(wat, 0).unwrap(), "");
    assert_eq!(path(wat, 5), None);
}

#[test]
fn a_class_is_no_step_of_its_own() {
    // Two calls through tables are longer than one direct call and one through a table.
    let wat = "(table 4 funcref) (elem (i32.const 1) $b $c) (func $a (param i32) (call $d)
            (call_indirect (param i64) (i64.const 0) (local.get 0)))
        (func $b (param i64) (call $e)) (func $c (call $fork))
        (func $d (call_indirect (i32.load (i32.const 0)))) (func $e (call $d)) (memory (export \"m\") 1)";
    assert_eq!(
        path(wat, 2).unwrap(),
        "2 calls 5 directly\n\
         5 calls 4 through table 0, type 0, index unknown; element segment 0 puts it into slot 2\n\
         4 calls 0 directly"
    );
}

#[test]
fn evidence_names_the_segment_that_counts() {
    let wat = "(table 4 funcref) (elem (i32.const 0) $f $f) (elem (i32.const 0) $g)
        (func $f (call $fork)) (func $g)
        (func $a (param i32) (call_indirect
            (select (i32.const 0) (i32.const 1) (local.get 0))))";
    assert_eq!(
        path(wat, 4).unwrap(),
        "4 calls 2 through table 0, type 0, index 0 or 1; element segment 0 puts it into slot 1\n\
         2 calls 0 directly"
    );
}

#[test]
fn evidence_of_references() {
    let wat = |call: &str| {
        format!(
            "(type $v (func)) (elem declare func $f) (func $f (call $fork))
            (func $a (param (ref $v)) {call}) (func $x (drop (ref.func $f)))"
        )
    };
    assert_eq!(
        path(&wat("(call_ref $v (ref.func $f))"), 3).unwrap(),
        "3 calls 2 by a reference of type 0, known; ref.func takes it\n2 calls 0 directly"
    );
    assert_eq!(
        path(&wat("(call_ref $v (local.get 0))"), 3).unwrap(),
        "3 calls 2 by a reference of type 0, unknown; ref.func takes it\n2 calls 0 directly"
    );
}

#[test]
fn the_host_is_a_step() {
    let wat = "(func $a (call $back)) (func $m (export \"main\") (call $fork))";
    assert_eq!(
        path(wat, 2).unwrap(),
        "2 calls 1 directly\n1 calls 3 back from the host; it is exported as `main`\n\
         3 calls 0 directly"
    );
}

#[test]
fn all_callers_are_listed() {
    let wat = "(module (import \"k\" \"fork\" (func $fork)) (table 2 funcref)
        (elem (i32.const 0) $f) (func $f (call $fork))
        (func $a (call $f) (call_indirect (i32.const 0)))
        (func $b (call_indirect (i32.const 1))) (func $c (param i32) (call_indirect (local.get 0))))";
    with_module(wat, |module| {
        let explainer = Explainer::new(module, &options()).unwrap();
        let callers = explainer.callers(FuncIdx(1));
        let callers: Vec<_> = callers.iter().map(|edge| edge.caller.0).collect();
        assert_eq!(callers, [2, 2, 4]);
    });
}

#[test]
fn every_function_of_the_closure_has_a_path() {
    let wat = super::certificate::WAT;
    with_module(wat, |module| {
        let explainer = Explainer::new(module, &options()).unwrap();
        let analysis = crate::analyze::Analysis::run(module, &options()).unwrap();
        for (func, inside) in analysis.closure.iter_enumerated() {
            assert_eq!(explainer.path(func).is_some(), *inside, "{func}");
        }
    });
}
