//! Which imports are entries, and what an entry can be besides being called.

use super::{analyze, closure, expect, options, sites, try_analyze};
use crate::analyze::Target;
use crate::error::Error;
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options};

#[test]
fn several_entries_are_united() {
    let wat = r#"(module (import "k" "fork" (func $fork)) (import "k" "exec" (func $exec))
        (import "x" "fork" (func $alien))
        (func $a (call $fork)) (func $b (call $exec)) (func $c (call $alien)))"#;
    let options =
        Options { entries: vec![EntryPattern::parse("k.*").unwrap()], ..Options::default() };
    let analysis = try_analyze(wat, &options).unwrap();
    assert_eq!(analysis.entries, [FuncIdx(0), FuncIdx(1)]);
    let inside: Vec<bool> = analysis.closure.iter().copied().collect();
    assert_eq!(inside, [true, true, false, true, true, false]);
}

#[test]
fn an_entry_imported_twice_is_two_entries() {
    let wat = r#"(module (import "k" "fork" (func $fork)) (import "k" "fork" (func $again))
        (func $a (call $again)))"#;
    assert_eq!(closure(wat), ["again", "a"]);
}

#[test]
fn an_entry_can_sit_in_a_table() {
    let analysis = analyze(
        r#"(module (import "k" "fork" (func $fork)) (table 2 funcref)
            (elem (i32.const 0) $fork $plain)
            (func $a (param i32) (call_indirect (local.get 0)))
            (func $b (call_indirect (i32.const 0)))
            (func $c (call_indirect (i32.const 1)))
            (func $plain))"#,
    );
    let import = [(Target::Indirect { may_be_import: true }, false)];
    assert_eq!(sites(&analysis, 1), import);
    assert_eq!(sites(&analysis, 2), import);
    assert!(sites(&analysis, 3).is_empty());
}

#[test]
fn a_reexported_entry_is_called_by_reference() {
    let analysis = analyze(
        r#"(module (import "k" "fork" (func $fork)) (type $v (func))
            (export "again" (func $fork))
            (func $a (export "a") (param (ref $v)) (call_ref $v (local.get 0))))"#,
    );
    assert_eq!(sites(&analysis, 1), [(Target::Ref { may_be_import: true }, false)]);
}

#[test]
fn an_entry_taken_by_ref_func_reaches_a_host_visible_table() {
    expect(
        "(table (export \"t\") 1 funcref) (elem declare func $fork)
        (func $x (drop (ref.func $fork)))
        (func $a (call_indirect (i32.const 0)))",
        "a",
    );
}

#[test]
fn a_missing_entry_names_its_neighbours() {
    let wat = r#"(module (import "k" "frok" (func)) (import "env" "fork" (func))
        (import "k" "vfork" (func)) (import "k" "fork_child" (func)) (import "k" "read" (func)))"#;
    let Err(Error::MissingEntry { entry, near }) = try_analyze(wat, &options()) else {
        panic!("the entry is missing");
    };
    assert_eq!(entry, "k.fork");
    assert_eq!(near, ["env.fork", "k.vfork", "k.frok"]);
}

#[test]
fn every_pattern_must_match() {
    let wat = r#"(module (import "k" "fork" (func)))"#;
    let mut options = options();
    options.entries.push(EntryPattern::exact("k", "unlike"));
    let Err(Error::MissingEntry { entry, near }) = try_analyze(wat, &options) else {
        panic!("one pattern matches nothing");
    };
    assert_eq!((entry.as_str(), near.len()), ("k.unlike", 0));
    options.allow_missing_entry = true;
    assert_eq!(try_analyze(wat, &options).unwrap().entries, [FuncIdx(0)]);
}

/// Either name of an import may have dots.
#[test]
fn near_names_are_written_so_that_they_can_be_given() {
    let wat = r#"(module (import "go" "runtime.wait" (func)) (memory 1))"#;
    let options =
        Options { entries: vec![EntryPattern::parse("go.runtime.wait").unwrap()], ..options() };
    let Err(Error::MissingEntry { near, .. }) = try_analyze(wat, &options) else {
        panic!("it is taken for the module `go.runtime`");
    };
    assert_eq!(near, [r#""go".runtime.wait"#]);
}

#[test]
fn without_an_entry_the_closure_is_empty() {
    let mut options = options();
    options.allow_missing_entry = true;
    let wat = "(module (table (export \"t\") 1 funcref) (func (call_indirect (i32.const 0))))";
    let analysis = try_analyze(wat, &options).unwrap();
    assert!(analysis.closure.iter().all(|inside| !inside));
    assert!(analysis.assumptions.is_empty());
}

#[test]
fn only_function_imports_are_entries() {
    let wat = r#"(module (import "k" "fork" (global i32)))"#;
    assert!(try_analyze(wat, &options()).is_err());
}

#[test]
fn a_module_that_drives_asyncify_itself_is_warned_of() {
    let warnings = |from: &str| {
        analyze(&format!(
            r#"(module (import "k" "fork" (func $fork)) (import "{from}" "start_unwind" (func (param i32)))
                (func (export "m") (call $fork)))"#
        ))
        .warnings
    };
    assert!(warnings("asyncify")[0].contains("`asyncify.start_unwind`"));
    assert!(warnings("env").is_empty());
}

#[test]
fn assumptions_are_said_where_they_matter() {
    let imports = r#"(import "k" "fork" (func $fork)) (import "k" "read" (func $read))"#;
    let assumptions = |body: &str| analyze(&format!("(module {imports} {body})")).assumptions;
    assert!(assumptions("(func $a (call $fork))").is_empty());
    // Nothing in the closure can be called back.
    assert!(assumptions("(func $a (call $read)) (func (call $fork))").is_empty());
    let back = assumptions("(func $a (call $read)) (func (export \"m\") (call $fork))");
    assert_eq!(back.len(), 1);
    assert!(back[0].contains("1 imported function"), "{back:?}");
    let foreign = assumptions(
        "(table (export \"t\") 1 funcref) (func (call $fork))
        (func (call_indirect (param i64) (i64.const 0) (i32.const 0)))",
    );
    assert_eq!(foreign.len(), 1);
    assert!(foreign[0].contains("table 0"), "{foreign:?}");
}
