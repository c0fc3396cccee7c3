//! What guards cost: what the report says is compared with the bodies in the output.

use super::cases;
use crate::bodies::bodies;
use wasm_fork::report::Guards;
use wasm_fork::{Assumption, FuncPattern, Options};

/// By how many bytes the bodies grow that are outside the closure, in the output itself.
fn growth(wat: &str, options: &Options) -> i64 {
    let input = wat::parse_str(wat).unwrap();
    let output = wasm_fork::instrument(&input, options).unwrap();
    let (before, after) = (bodies(&input), bodies(&output.wasm));
    let inside: Vec<u32> = output.report.closure.iter().map(|function| function.index).collect();
    let outside = before.iter().filter(|(func, _)| !inside.contains(func));
    outside.map(|(func, size)| after[func] as i64 - *size as i64).sum()
}

#[test]
fn what_guards_cost_is_what_the_bodies_grow_by() {
    for case in cases::all() {
        let (name, options) = (&case.name, case.options());
        let analyzed = wasm_fork::analyze(case.wat.as_bytes(), &options).unwrap();
        assert!(analyzed.guards.guards > 0, "{name}");
        assert_eq!(analyzed.guards.guard_bytes, growth(&case.wat, &options), "{name}");
        assert_eq!(analyzed.assumed[0].costs, analyzed.guards, "{name}");
        let instrumented = wasm_fork::instrument(case.wat.as_bytes(), &options).unwrap();
        assert_eq!(instrumented.report, analyzed, "{name}");
    }
}

#[test]
fn a_guard_counts_for_an_assumption_that_alone_asks_for_it() {
    let cases = cases::all();
    let case = cases.iter().find(|case| case.culprit == "middle").unwrap();
    let costs = |more: &[&str]| {
        let mut options = case.options();
        let more = more.iter().map(|name| Assumption::NoFork(FuncPattern((*name).into())));
        options.assumptions.extend(more);
        let report = wasm_fork::analyze(case.wat.as_bytes(), &options).unwrap();
        assert_eq!((report.guards.guards, report.guards.guard_bytes > 0), (1, true));
        let costs = report.assumed.iter().map(|assumed| assumed.costs);
        (costs.collect::<Vec<_>>(), report.guards)
    };
    let (alone, one) = costs(&["plain"]);
    assert_eq!(alone, [one, Guards::default()]);
    assert_eq!(costs(&["middle", "plain"]).0, [Guards::default(); 3]);
}
