//! Functions outside the closure: what they call, and why that leads nowhere.

use super::{ask, module, path, text};
use crate::report::explain::Question;

#[test]
fn direct_calls_are_listed_by_callee() {
    let fields = "(func $a (call $b) (call $c) (call $b)) (func $b) (func $c (call $b))
        (func $f (call $fork))";
    assert_eq!(
        path(fields, "a"),
        "calls 3 (b) at @, @ directly: not in the closure\n\
         calls 4 (c) at @ directly: not in the closure"
    );
}

#[test]
fn a_long_list_is_cut_in_text_alone() {
    let callees: String = (0..30).map(|i| format!("(func $c{i})")).collect();
    let calls: String = (0..30).map(|i| format!("(call $c{i})")).collect();
    let wat = module(&format!("(func $a {calls}) {callees}"));
    let text = text(&wat, "a", Question::Path);
    assert!(text.ends_with("\n  calls 10 more functions directly: none in the closure"), "{text}");
    let answer = ask(&wat, "a", Question::Path);
    assert_eq!(answer.functions[0].callees.as_ref().unwrap().direct.len(), 30);
}

#[test]
fn each_slot_of_a_known_index_says_what_is_there() {
    let fields = "(table 5 funcref) (elem (i32.const 1) $g $h)
        (func $g) (func $h (param i32)) (func $f (call $fork))
        (func $a (param i32) (call_indirect (i32.and (local.get 0) (i32.const 7))))";
    assert_eq!(
        path(fields, "a"),
        "calls at @ through table 0, type 0 () -> (), index 0 or 1 or 2 or 3 or 4 or 5 or 6 or 7: \
         slot 0 is null: a trap; \
         slot 1 holds 2 (g), not in the closure; \
         slot 2 holds 3 (h) of another type, (i32) -> (): a trap; \
         slot 3 is null: a trap; slot 4 is null: a trap; \
         slot 5 is beyond the 5 of the table: a trap; \
         slot 6 is beyond the 5 of the table: a trap; \
         slot 7 is beyond the 5 of the table: a trap"
    );
}

#[test]
fn classes_say_how_many_targets_they_have() {
    let table = |call: &str, others: &str| {
        let fields = format!(
            "(memory (export \"m\") 1) (table 5 funcref) (elem (i32.const 1) $g $h $f)
            (func $g) (func $h) (func $f (param i64) (call $fork)) (func $a {call}) {others}"
        );
        path(&fields, "a")
    };
    assert_eq!(
        table("(call_indirect (i32.load (i32.const 0)))", ""),
        "calls at @ through table 0, type 0 () -> (), any index: \
         none of the 2 possible targets is in the closure"
    );
    assert_eq!(
        table("(call_indirect (param f32) (f32.const 0) (i32.load (i32.const 0)))", ""),
        "calls at @ through table 0, type 2 (f32) -> (), any index: \
         no function can be their target, so they trap"
    );
    assert_eq!(
        path(
            "(type $v (func)) (elem declare func $g) (func $g) (func (drop (ref.func $g)))
             (func $f (call $fork)) (func $a (param (ref $v)) (call_ref $v (local.get 0)))",
            "a"
        ),
        "calls at @ by a reference of type 0 () -> (): \
         the one function of the module that can be their target is not in the closure"
    );
}

#[test]
fn like_calls_are_told_together() {
    let fields = "(table (export \"t\") 5 funcref) (elem (i32.const 1) $g) (func $g)
        (func $a (call_indirect (i32.const 0)) (call_indirect (i32.const 1)))";
    assert_eq!(
        path(fields, "a"),
        "calls at @, @ through table 0, type 0 () -> (), any index: \
         the one function of the module that can be their target is not in the closure"
    );
}

/// A call finds what the host puts there, and what the module takes from the host: it need not trap.
#[test]
fn functions_of_the_host_are_targets_too() {
    let told = |fields: &str| path(fields, "a").split(": ").last().unwrap().to_owned();
    let foreign =
        "no function of the module can be their target, only one of the host or of another module";
    let call = "(func $a (param i32) (call_indirect (param f32) (f32.const 0) (local.get 0)))";
    let exported = "(table (export \"t\") 5 funcref)";
    let passed = "(table 5 funcref) (func (export \"set\") (param funcref)
        (table.set (i32.const 0) (local.get 0)))";
    let copied = "(table 5 funcref) (table (export \"t\") 5 funcref)
        (func (table.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 5)))";
    for table in [exported, passed, copied] {
        assert_eq!(told(&format!("{table} {call}")), foreign, "{table}");
    }
    let closed = "(table 5 funcref) (elem (i32.const 1) $g) (func $g)";
    assert_eq!(told(&format!("{closed} {call}")), "no function can be their target, so they trap");
    let by_reference = "(type $t (func (param f32)))
        (func $a (param (ref $t)) (call_ref $t (f32.const 0) (local.get 0)))";
    assert_eq!(told(by_reference), foreign);
}
