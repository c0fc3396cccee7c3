//! Functions that only assumptions keep outside the closure.

use super::{ask_with, module, options, without_offsets};
use crate::options::{Assumption, FuncPattern, Options};
use crate::report::explain::Question;

const CHAIN: &str = "(func $a (call $b)) (func $b (call $c)) (func $c (call $fork)) (func $d)";

fn no_fork(function: &str) -> Assumption {
    Assumption::NoFork(FuncPattern(function.into()))
}

#[track_caller]
fn told(fields: &str, function: &str, assumptions: Vec<Assumption>) -> String {
    let options = Options { assumptions, ..options() };
    let answer = ask_with(&module(fields), function, Question::Path, &options);
    without_offsets(&answer.to_string())
}

#[test]
fn the_assumption_is_named_with_the_path_that_it_hides() {
    assert_eq!(
        told(CHAIN, "a", vec![no_fork("d"), no_fork("b")]),
        "2 (a) is not in the closure, but only by assumption\n  \
         assumed: no entry is ever called below `b`\n  \
         without any assumption:\n  \
         2 (a) calls 3 (b) at @ directly\n  \
         3 (b) calls 4 (c) at @ directly\n  \
         4 (c) calls 0 (fork) at @ directly"
    );
}

#[test]
fn assumptions_that_each_suffice_are_told_together() {
    let told = told(CHAIN, "a", vec![no_fork("b"), no_fork("c")]);
    assert!(
        told.contains(
            "assumed: no entry is ever called below `b`\n  \
             assumed: no entry is ever called below `c`\n  \
             none of these alone keeps it outside; without all of them:"
        ),
        "{told}"
    );
}

#[test]
fn what_is_proved_is_not_blamed_on_assumptions() {
    let told = told(CHAIN, "d", vec![no_fork("b")]);
    assert_eq!(told, "5 (d) is not in the closure\n  it calls nothing");
}

#[test]
fn the_path_goes_through_the_narrowed_closure() {
    let fields = "(func $a (call $b) (call $c)) (func $b (call $fork)) (func $c (call $e))
        (func $e (call $fork))";
    let told = told(fields, "a", vec![no_fork("b")]);
    assert_eq!(
        told,
        "2 (a) is in the closure\n  \
         2 (a) calls 4 (c) at @ directly\n  \
         4 (c) calls 5 (e) at @ directly\n  \
         5 (e) calls 0 (fork) at @ directly"
    );
}
