//! Paths and callers: that they are there and complete. What is said of them is tested with
//! [`crate::explanation`].

use super::{options, with_module};
use crate::analyze::Explainer;
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
