//! Imports that call back into the module.

use super::{options, sites, with_module};
use crate::analyze::{Analysis, Target};
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options};

fn reentrant() -> Options {
    Options { reentrant: vec![EntryPattern::exact("k", "back")], ..options() }
}

/// The closure's indices, for a module with the imports `fork` (0), `back` (1) and `read` (2).
#[track_caller]
fn expect(options: &Options, body: &str, indices: &[u32]) -> Analysis {
    let wat = format!(
        "(module (import \"k\" \"fork\" (func $fork)) (import \"k\" \"back\" (func $back))
        (import \"k\" \"read\" (func $read)) {body})"
    );
    let analysis = with_module(&wat, |module| Analysis::run(module, options).unwrap());
    let inside = analysis.closure.iter_enumerated().filter(|(_, inside)| **inside);
    let inside: Vec<u32> = inside.map(|(func, _)| func.0).collect();
    assert_eq!(inside, indices, "{wat}");
    analysis
}

#[test]
fn a_call_back_into_an_export_is_a_site() {
    let body = "(func $a (call $back)) (func $b (call $read)) (func (export \"e\") (call $fork))";
    expect(&options(), body, &[0, 5]);
    let analysis = expect(&reentrant(), body, &[0, 1, 3, 5]);
    let import = Target::Import(FuncIdx(1));
    assert_eq!(sites(&analysis, 3), [(import, false)]);
    assert!(sites(&analysis, 4).is_empty());
}

#[test]
fn the_host_calls_back_what_it_holds() {
    let body = "(func $a (call $back)) (table (export \"t\") 1 funcref) (elem (i32.const 0) $f)
        (func $f (call $fork))";
    expect(&reentrant(), body, &[0, 1, 3, 4]);
}

#[test]
fn what_the_host_can_not_have_is_not_called_back() {
    let body = "(func $a (export \"e\") (call $back)) (func $f (call $fork))";
    expect(&reentrant(), body, &[0, 4]);
}

#[test]
fn an_import_that_calls_back_may_sit_in_a_table() {
    let body = "(table 1 funcref) (elem (i32.const 0) $back)
        (func $a (call_indirect (i32.const 0))) (func (export \"e\") (call $fork))";
    let analysis = expect(&reentrant(), body, &[0, 1, 3, 4]);
    let target = Target::Indirect { may_be_import: true };
    assert_eq!(sites(&analysis, 3), [(target, false)]);
}

#[test]
fn a_pattern_must_match() {
    let mut options = reentrant();
    options.reentrant.push(EntryPattern::exact("k", "bakc"));
    let wat = "(module (import \"k\" \"fork\" (func)) (import \"k\" \"back\" (func)))";
    let error = with_module(wat, |module| Analysis::run(module, &options).unwrap_err());
    assert!(error.to_string().contains("`k.back`"), "{error}");
}

#[test]
fn emscriptens_invoke_is_recognised_with_a_note() {
    let wat = "(module (import \"k\" \"fork\" (func $fork))
        (import \"env\" \"invoke_vi\" (func $invoke (param i32 i32)))
        (import \"env\" \"invoke_queue\" (func $queue))
        (func $a (call $invoke (i32.const 0) (i32.const 0)))
        (func $b (call $queue))
        (func (export \"e\") (call $fork)))";
    let analysis = with_module(wat, |module| Analysis::run(module, &options()).unwrap());
    let inside: Vec<bool> = analysis.closure.iter().copied().collect();
    assert_eq!(inside, [true, true, false, true, false, true]);
    assert_eq!(analysis.notes.len(), 1);
}
