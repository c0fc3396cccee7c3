//! Assumptions of the user: by a wrong one a call of the entry fails, and nothing else, or it traps by name before the program
//! can see what an unwind made of it; a right one changes nothing.
//!
//! Not proved here: that a closure is smaller for an assumption by no more than it says; that is for
//! the fixtures of `analyze`.

mod cases;
mod costs;
mod host;
mod left_out;
mod outside;
mod programs;

use cases::Case;
use host::{Mode, run};
use wasm_fork::OnUnprepared;

/// A call of the entry below a function that is not prepared fails, in each kind of instance, and nothing else is different.
#[test]
fn a_wrong_assumption_costs_one_call_of_the_entry() {
    for case in cases::all() {
        let (name, wasm) = (&case.name, case.instrument());
        // In a fresh instance the start function runs once more, and calls the entry.
        let starts = case.wat.contains("(start");
        for mode in if starts { vec![Mode::Same] } else { vec![Mode::Same, Mode::Fresh] } {
            let outcome = run(&wasm, 1, mode);
            let failed: Vec<_> = outcome.failed.iter().map(|(call, _)| *call).collect();
            let culprits = outcome.failed.iter().map(|(_, func)| case.name_of(*func));
            let culprits: Vec<_> = culprits.collect();
            assert!(!failed.is_empty() && failed.len() < outcome.entry_calls, "{name}: {failed:?}");
            assert!(
                culprits.iter().all(|culprit| *culprit == case.culprit),
                "{name}: {culprits:?}"
            );
            let original = wat::parse_str(&case.wat).unwrap();
            let original = host::run_failing(&original, 1, Mode::Calm, &failed);
            assert_same(&case, &original, &outcome);
        }
    }
}

#[test]
fn a_wrong_assumption_traps_by_name_before_anything_shows_if_that_is_asked_for() {
    for case in cases::all() {
        let wasm = case.instrument_to(OnUnprepared::Trap);
        for mode in [Mode::Same, Mode::Fresh] {
            let name = &case.name;
            let outcome = run(&wasm, 1, mode);
            let error = outcome.result.expect_err(name);
            let error = format!("{error:?}");
            assert!(error.contains("wpk_fork_unprepared"), "{name}: {error}");
            assert!(error.contains(&format!("!{}\n", case.culprit)), "{name}: {error}");
            assert_eq!(outcome.at_entry.as_ref(), Some(&outcome.end), "{name}");
        }
    }
}

#[test]
fn a_right_assumption_changes_nothing() {
    for case in cases::all() {
        let original = run(&wat::parse_str(&case.wat).unwrap(), 0, Mode::Calm);
        assert_eq!(original.entry_calls, 1);
        for answer in [OnUnprepared::Undo, OnUnprepared::Trap] {
            let wasm = case.instrument_to(answer);
            for mode in [Mode::Calm, Mode::Same, Mode::Fresh] {
                assert_same(&case, &original, &run(&wasm, 0, mode));
            }
        }
    }
}

#[test]
fn guards_say_nothing_while_nothing_unwinds() {
    for case in cases::all() {
        let original = run(&wat::parse_str(&case.wat).unwrap(), 1, Mode::Calm);
        assert!(original.entry_calls > 1);
        assert_same(&case, &original, &run(&case.instrument(), 1, Mode::Calm));
    }
}

/// So it is the assumption that traps, and nothing else.
#[test]
fn without_the_assumption_the_same_unwind_goes_through() {
    let cases = cases::all();
    let cases = cases.iter().filter(|case| case.unwinds_without);
    for case in cases {
        let original = run(&wat::parse_str(&case.wat).unwrap(), 1, Mode::Calm);
        let sound = wasm_fork::instrument(case.wat.as_bytes(), &case.sound()).unwrap().wasm;
        for mode in [Mode::Same, Mode::Fresh] {
            assert_same(case, &original, &run(&sound, 1, mode));
        }
    }
}

#[test]
fn guards_are_only_where_an_assumption_needs_them() {
    for case in cases::all() {
        let name = &case.name;
        let sound = wasm_fork::analyze(case.wat.as_bytes(), &case.sound()).unwrap();
        let narrowed = wasm_fork::analyze(case.wat.as_bytes(), &case.options()).unwrap();
        assert_eq!((sound.guards.guards, sound.assumed.len()), (0, 0), "{name}");
        assert_eq!((narrowed.guards.guards, narrowed.assumed.len()), (1, 1), "{name}");
        let fewer = sound.counts.total - narrowed.counts.total;
        assert_eq!(narrowed.assumed[0].saves, fewer, "{name}");
        assert!(fewer > 0, "{name}");
    }
}

/// A function that is in the closure anyway is prepared for what its table holds, whoever wrote it.
#[test]
fn a_wrong_table_assumption_inside_the_closure_does_no_harm() {
    let case = cases::inside_the_closure();
    let report = wasm_fork::analyze(case.wat.as_bytes(), &case.options()).unwrap();
    assert_eq!((report.guards.guards, report.assumed[0].saves), (0, 0));
    let original = run(&wat::parse_str(&case.wat).unwrap(), 1, Mode::Calm);
    for mode in [Mode::Same, Mode::Fresh] {
        assert_same(&case, &original, &run(&case.instrument(), 1, mode));
    }
}

/// The loop itself leaves the stack as it was, whatever stands at its end.
#[test]
fn a_loop_of_tail_calls_may_end_in_a_guarded_one() {
    let case = cases::long_loop_of_tail_calls();
    let original = run(&wat::parse_str(&case.wat).unwrap(), 0, Mode::Calm);
    for mode in [Mode::Calm, Mode::Same] {
        assert_same(&case, &original, &run(&case.instrument(), 0, mode));
    }
    let undone = run(&case.instrument(), 1, Mode::Same);
    let original = wat::parse_str(&case.wat).unwrap();
    let original = host::run_failing(&original, 1, Mode::Calm, &[1]);
    assert_same(&case, &original, &undone);
}

#[track_caller]
fn assert_same(case: &Case, expected: &host::Outcome, found: &host::Outcome) {
    let name = &case.name;
    let result = found.result.as_ref().unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert_eq!(result, expected.result.as_ref().unwrap(), "{name}");
    assert_eq!(found.end, expected.end, "{name}");
    assert_eq!(found.entry_calls, expected.entry_calls, "{name}");
}
