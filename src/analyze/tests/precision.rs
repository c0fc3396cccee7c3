//! What each level of precision knows, and that it knows no less than the coarser ones.

use super::{analyze_at, closure_at, options, oracle};
use crate::error::Error;
use crate::options::{Assumption, FuncPattern, Options, Precision};
use crate::{Question, explain, instrument, plan_text};
use proptest::prelude::*;

/// Each function but the first two is in the closure down to another level.
const LADDER: &str = r#"(module (import "k" "fork" (func $fork)) (memory 1) (table 4 funcref)
    (elem (i32.const 0) $f $g)
    (func $f (call $fork)) (func $g)
    (func $direct (call $f))
    (func $unknown (export "unknown") (param i32) (call_indirect (local.get 0)))
    (func $through_parameter (param i32) (call_indirect (local.get 0)))
    (func $caller (call $through_parameter (i32.const 1)))
    (func $in_one_function (local $l i32)
        (local.set $l (i32.const 1)) (call_indirect (local.get $l)))
    (func $by_type (param i32) (call_indirect (param i32) (i32.const 0) (local.get 0))))"#;

#[test]
fn each_level_knows_more_than_the_one_before() {
    let expected = [
        (Precision::Direct, "f direct"),
        (Precision::Asyncify, "f direct unknown through_parameter caller in_one_function by_type"),
        (Precision::Types, "f direct unknown through_parameter caller in_one_function"),
        (Precision::Constants, "f direct unknown through_parameter caller"),
        (Precision::Interprocedural, "f direct unknown"),
    ];
    assert_eq!(expected.map(|(level, _)| level), Precision::ALL);
    for (level, names) in expected {
        assert_eq!(closure_at(LADDER, level).join(" "), names, "{}", level.name());
    }
}

#[test]
fn results_are_followed_between_functions_only() {
    let wat = r#"(module (import "k" "fork" (func $fork)) (table 4 funcref)
        (elem (i32.const 0) $f $g) (func $f (call $fork)) (func $g)
        (func $one (result i32) (i32.const 1))
        (func $a (call_indirect (call $one))))"#;
    assert_eq!(closure_at(wat, Precision::Constants), ["f", "a"]);
    assert_eq!(closure_at(wat, Precision::Interprocedural), ["f"]);
}

#[test]
fn an_import_that_calls_back_counts_at_every_sound_level() {
    let wat = r#"(module (import "k" "fork" (func $fork)) (import "env" "invoke_v" (func $invoke))
        (func $f (export "f") (call $fork)) (func $a (call $invoke)))"#;
    assert_eq!(closure_at(wat, Precision::Direct), ["f"]);
    for level in &Precision::ALL[1..] {
        assert_eq!(closure_at(wat, *level), ["invoke", "f", "a"], "{}", level.name());
    }
}

/// Without values, a write to a table is any reference that is taken, and what passive segments hold.
#[test]
fn writes_to_tables_count_where_no_value_is_followed() {
    for change in [
        "(table.set 0 (i32.const 0) (ref.func $f))",
        "(table.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 1))",
        "(table.init 0 $e (i32.const 0) (i32.const 0) (i32.const 1))",
    ] {
        let wat = format!(
            "(module (import \"k\" \"fork\" (func $fork)) (table 3 funcref) (table 3 funcref)
            (elem (table 1) (i32.const 0) func $f) (elem $e func $f) (func $f (call $fork))
            (func $change {change}) (func $a (call_indirect (i32.const 0))))"
        );
        assert_eq!(closure_at(&wat, Precision::Types), ["f", "a"], "{change}");
    }
}

#[test]
fn the_levels_that_only_compare_are_for_analyze_alone() {
    let none = FuncPattern("direct".into());
    for precision in Precision::ALL {
        let options = Options { precision, ..options() };
        let made = instrument(LADDER.as_bytes(), &options).map(drop);
        let planned = plan_text(LADDER.as_bytes(), &options).map(drop);
        let explained = explain(LADDER.as_bytes(), &options, &none, Question::Path).map(drop);
        for outcome in [made, planned, explained] {
            match outcome {
                Ok(()) => assert!(!precision.only_compares()),
                Err(Error::OnlyCompares { precision: name }) => {
                    assert_eq!((name, precision.only_compares()), (precision.name(), true));
                }
                Err(other) => panic!("{}: {other}", precision.name()),
            }
        }
    }
}

#[test]
fn each_level_takes_assumptions() {
    for level in Precision::ALL {
        let no_fork = Assumption::NoFork(FuncPattern("direct".into()));
        let options = Options { precision: level, assumptions: vec![no_fork], ..options() };
        let report = crate::analyze(LADDER.as_bytes(), &options).unwrap();
        assert_eq!(report.assumed[0].saves, 1, "{}", level.name());
    }
}

#[test]
fn the_unsound_level_says_so() {
    let said = |level| analyze_at(LADDER, level).assumptions.join(" ").contains("not sound");
    assert_eq!(Precision::ALL.map(said), [true, false, false, false, false]);
}

proptest! {
    /// Functions and sites of each level are among those of each coarser one; direct calls are in all.
    #[test]
    fn a_finer_level_adds_nothing(choices in prop::collection::vec(any::<u8>(), 20..400)) {
        let wat = oracle::module(&choices);
        let [direct, levels @ ..] = Precision::ALL.map(|level| analyze_at(&wat, level));
        let chain: Vec<_> = levels.into_iter().chain([direct]).collect();
        for pair in chain.windows(2) {
            let (coarse, fine) = (&pair[0], &pair[1]);
            let (low, high) = (fine.precision.name(), coarse.precision.name());
            for (func, inside) in fine.closure.iter_enumerated() {
                prop_assert!(!inside || coarse.closure[func], "{low}, not {high}: {func} {wat}");
                let offsets: Vec<_> = coarse.sites[func].iter().map(|site| site.offset).collect();
                for site in &fine.sites[func] {
                    prop_assert!(offsets.contains(&site.offset), "{low}, not {high}: {site:?} {wat}");
                }
            }
        }
    }
}
