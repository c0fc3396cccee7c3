//! Paths and callers: that they are there and complete. What is said of them is tested with
//! [`crate::explanation`].

use super::{options, with_module};
use crate::analyze::Explainer;
use crate::analyze::facts::Callee;
use crate::analyze::flow::{self, Provenance, TraceStep};
use crate::analyze::model::Model;
use crate::analyze::taken;
use crate::index::FuncIdx;

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

/// Calls whose index is followed through everything that is followed, and through what is not.
const FOLLOWED: &str = r#"(module (import "k" "fork" (func $fork))
    (import "k" "get" (func $get (result i32))) (memory (export "m") 1)
    (table 80 funcref) (elem (i32.const 1) $f) (global $g (mut i32) (i32.const 1))
    (func $f (call $fork))
    (func $two (param i32) (call_indirect (i32.const 1))
        (call_indirect (select (i32.const 1) (i32.const 2) (local.get 0))))
    (func $passed (param i32) (call_indirect (local.get 0)))
    (func $passes (param i32) (call $passed (local.get 0)) (call $passed (i32.const 3)))
    (func $first (call $passes (i32.const 4)))
    (func $recursive (param i32) (result i32) (if (result i32) (local.get 0)
        (then (call $recursive (i32.const 0))) (else (i32.const 7))))
    (func $returned (call_indirect (call $recursive (i32.const 1))))
    (func $masked (param i32) (call_indirect (i32.and (local.get 0) (i32.const 3)))
        (call_indirect (i32.and (local.get 0) (i32.const 0xff))))
    (func $looped (local i32) (loop (call_indirect (local.get 0)) (local.set 0 (i32.const 5)) (br 0)))
    (func $counted (local i32) (loop (call_indirect (local.get 0))
        (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br 0)))
    (func $unknown (export "unknown") (param i32) (call_indirect (local.get 0))
        (call_indirect (call $get)) (call_indirect (global.get $g))
        (call_indirect (i32.load (i32.const 0))) (call_indirect (i32.clz (i32.const 1)))))"#;

/// The reason is found apart from the values. It must never find one for an operand that is known, and
/// must find one for each that isn't and is worth while.
#[test]
fn an_operand_has_values_or_a_reason() {
    with_module(FOLLOWED, |module| {
        let model = Model::new(module, options().precision).unwrap();
        let mentioned = taken::mentioned(module, &model.facts.uses);
        let Model { facts, constants, memories, .. } = &model;
        let inputs = flow::Inputs {
            module,
            facts,
            constants,
            memories,
            mentioned: &mentioned,
            reach: flow::Reach::default(),
        };
        let provenance = Provenance::new(inputs);
        let (mut known, mut unknown) = (0, 0);
        for (func, calls) in model.facts.calls.iter_enumerated() {
            let dynamic = calls.iter().filter_map(|call| match call.callee {
                Callee::Dynamic { ordinal, .. } => Some(ordinal),
                Callee::Direct { .. } => None,
            });
            for (position, ordinal) in dynamic.enumerate() {
                let why = provenance.why(func, position);
                if model.flows.targets.contains_key(&ordinal) {
                    assert_eq!(why, [TraceStep::NotFollowed], "function {func}, call {position}");
                    known += 1;
                } else {
                    assert_ne!(why, [TraceStep::NotFollowed], "function {func}, call {position}");
                    unknown += 1;
                }
            }
        }
        assert_eq!((known, unknown), (6, 7));
    });
}
