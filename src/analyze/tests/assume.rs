//! Assumptions of the user: what they narrow, what stays a site, what is guarded, and what is refused.

use super::{options, sites, with_module};
use crate::analyze::assume::Narrowing;
use crate::analyze::graph::Graph;
use crate::analyze::model::Model;
use crate::analyze::query::Query;
use crate::analyze::{Analysis, GuardedCall, Target, certificate};
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::options::{Assumption, FuncPattern, Options, TablePattern};
use crate::profile::Profile;
use std::collections::BTreeSet;

fn no_fork(pattern: &str) -> Assumption {
    Assumption::NoFork(FuncPattern(pattern.into()))
}

fn only(patterns: &[&str]) -> Assumption {
    Assumption::Only(patterns.iter().map(|text| FuncPattern((*text).into())).collect())
}

fn private(pattern: &str) -> Assumption {
    Assumption::TablePrivate(TablePattern(pattern.into()))
}

fn profile(functions: &str) -> Assumption {
    let text = format!("{{\"version\": 1, \"functions\": [{functions}]}}");
    Assumption::Profile(Profile::parse("test", &text).unwrap())
}

/// Analyzes a module that begins with the entry.
fn assume(body: &str, assumptions: &[Assumption]) -> Result<Analysis> {
    keeping(body, assumptions, &[])
}

/// The same where these functions are kept.
fn keeping(body: &str, assumptions: &[Assumption], kept: &[&str]) -> Result<Analysis> {
    let wat = format!("(module (import \"k\" \"fork\" (func $fork)) {body})");
    let options = Options { assumptions: assumptions.to_vec(), ..options() };
    let options = options.kept(kept.iter().map(|text| FuncPattern((*text).into())));
    with_module(&wat, |module| Analysis::run(module, &options))
}

/// The closure's indices, without the entry.
fn inside(analysis: &Analysis) -> Vec<u32> {
    let inside = analysis.closure.iter_enumerated().filter(|(_, inside)| **inside);
    inside.map(|(func, _)| func.0).filter(|func| *func != 0).collect()
}

/// How many guards each function has, and how many of them are tail calls.
fn guarded(analysis: &Analysis) -> Vec<(u32, usize, usize)> {
    let tails = |guards: &[GuardedCall]| guards.iter().filter(|guard| guard.tail).count();
    let all = analysis.guards.iter();
    all.map(|(func, guards)| (func.0, guards.len(), tails(guards))).collect()
}

fn saved(analysis: &Analysis) -> Vec<usize> {
    analysis.savings.iter().map(|saving| saving.functions).collect()
}

/// Function 1 calls the entry, 2 calls a slot that is null, 3 both; 4 calls 2.
const TABLE: &str = "(table (export \"t\") (export \"u\") 4 funcref)
    (func $a (export \"a\") (call $fork))
    (func $b (call_indirect (i32.const 0)))
    (func $c (call $fork) (call_indirect (i32.const 0)))
    (func $d (call $b))";

#[test]
fn a_private_table_holds_what_the_module_put_there() {
    let analysis = assume(TABLE, &[private("t")]).unwrap();
    assert_eq!(inside(&analysis), [1, 3]);
    assert_eq!(guarded(&analysis), [(2, 1, 0)]);
    assert_eq!(saved(&analysis), [2]);
    assert!(analysis.notes.is_empty());
}

#[test]
fn a_call_inside_the_closure_is_a_site_whatever_is_assumed_of_its_table() {
    let analysis = assume(TABLE, &[private("t")]).unwrap();
    let indirect = Target::Indirect { may_be_import: false };
    assert_eq!(sites(&analysis, 3), [(Target::Import(FuncIdx(0)), false), (indirect, false)]);
}

/// Function 1 calls the entry, 2 calls 1, which is in a table, by an index that nobody knows; 3 calls 2, and 4 calls 1 by an index that is
/// known; 5 is in the table, too, and 6 calls nothing.
const INDIRECT: &str = "(table 4 funcref) (elem (i32.const 0) $a $e)
    (func $a (export \"a\") (call $fork))
    (func $b (export \"b\") (param i32) (call_indirect (local.get 0)))
    (func $c (export \"c\") (param i32) (call $b (local.get 0)))
    (func $d (call_indirect (i32.const 0)))
    (func $e (call $a) (call_indirect (i32.const 1)))
    (func $f)";

#[test]
fn what_calls_indirectly_is_outside_if_no_entry_is_below_such_calls() {
    assert_eq!(inside(&assume(INDIRECT, &[]).unwrap()), [1, 2, 3, 4, 5]);
    let analysis = assume(INDIRECT, &[Assumption::NoIndirect]).unwrap();
    assert_eq!(inside(&analysis), [1, 4, 5]);
    assert_eq!(guarded(&analysis), [(2, 1, 0)]);
    assert_eq!(saved(&analysis), [2]);
    let indirect = Target::Indirect { may_be_import: false };
    assert_eq!(sites(&analysis, 5)[1], (indirect, false), "a call inside of it is a site");
}

#[test]
fn what_is_kept_stays_with_its_callers_if_it_may_have_an_entry_below() {
    let kept = |assumption: Assumption, kept: &[&str]| {
        inside(&keeping(INDIRECT, &[assumption], kept).unwrap())
    };
    assert_eq!(kept(Assumption::NoIndirect, &["b", "f"]), [1, 2, 3, 4, 5]);
    assert_eq!(kept(Assumption::NoIndirect, &["c"]), [1, 3, 4, 5]);
    assert_eq!(kept(no_fork("*"), &["a", "b"]), [1, 2]);
    assert_eq!(kept(only(&["a"]), &["d"]), [1, 4]);
    let why = vec![crate::options::LeftOut { func: 1, why: "it can't be".into() }];
    assert_eq!(kept(Assumption::LeftOut(why), &["a"]), [0; 0]);
    assert_eq!(inside(&keeping(INDIRECT, &[], &["f"]).unwrap()), [1, 2, 3, 4, 5]);
    let error = keeping(INDIRECT, &[], &["aa"]).unwrap_err().to_string();
    assert!(error.contains("no function is called `aa` (did you mean `a`?)"), "{error}");
}

#[test]
fn the_host_still_calls_what_is_in_a_private_table() {
    let body = "(import \"env\" \"invoke_v\" (func $invoke (param i32)))
        (table (export \"t\") 4 funcref) (elem (i32.const 1) $a)
        (func $a (call $fork)) (func $b (call $invoke (i32.const 1)))";
    let analysis = assume(body, &[private("t")]).unwrap();
    assert_eq!(inside(&analysis), [1, 2, 3]);
}

#[test]
fn a_private_import_may_be_larger_than_it_says_and_holds_what_segments_put_there() {
    let body = "(import \"e\" \"t\" (table 1 funcref)) (elem (i32.const 7) $a)
        (func $a (call $fork)) (func $b (call_indirect (i32.const 7)))
        (func $c (call_indirect (i32.const 6))) (func (export \"e\") (call $fork))";
    let analysis = assume(body, &[private("e.t")]).unwrap();
    assert_eq!(inside(&analysis), [1, 2, 4]);
    assert_eq!(guarded(&analysis), [(3, 1, 0)]);
}

#[test]
fn tables_are_named_by_index_export_and_import() {
    let body = "(import \"e\" \"x.y\" (table 1 funcref)) (table $p 1 funcref)
        (func $f (export \"f\") (call $fork)) (func $g (call_indirect 0 (i32.const 0)))";
    for text in ["0", "x.y", "e.x.y", "x*", "e.*"] {
        let analysis = assume(body, &[private(text)]).unwrap();
        assert_eq!(inside(&analysis), [1], "{text}");
    }
    assert_eq!(inside(&assume(TABLE, &[private("u")]).unwrap()), [1, 3]);
    let error = assume(body, &[private("y")]).unwrap_err().to_string();
    assert!(error.contains("the module has the tables 0 (`x.y`, `e.x.y`), 1"), "{error}");
    let error = assume("", &[private("0")]).unwrap_err().to_string();
    assert!(error.contains("the module has no tables"), "{error}");
}

#[test]
fn nothing_is_gained_by_a_table_that_the_host_can_not_see() {
    let body = "(table 1 funcref) (func $f (export \"f\") (call $fork))";
    let analysis = assume(body, &[private("0")]).unwrap();
    assert_eq!(saved(&analysis), [0]);
    assert!(analysis.notes[0].contains("nothing is gained"), "{:?}", analysis.notes);
}

#[test]
fn functions_are_named_by_index_export_and_raw_or_demangled_name() {
    let body = "(func $_ZN3foo3barEv (export \"entry point\") (call $fork))
        (func $_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE (call $fork))
        (func $_ZN3foo3bazEi (call $fork))";
    let out = |text: &str| inside(&assume(body, &[no_fork(text)]).unwrap());
    for text in ["1", "_ZN3foo3barEv", "foo::bar()", "entry point", "entry*", "foo::bar*"] {
        assert_eq!(out(text), [2, 3], "{text}");
    }
    assert_eq!(out("core::fmt::Write::write_fmt"), [1, 3]);
    assert_eq!(out("foo::*"), [2]);
    assert_eq!(out("_ZN*"), [0; 0]);
}

#[test]
fn a_pattern_that_matches_nothing_is_answered_with_near_names() {
    let body = "(func $_ZN3foo3barEv (export \"entry_point\") (call $fork))";
    let error = |text: &str| assume(body, &[no_fork(text)]).unwrap_err().to_string();
    assert!(error("entry_piont").contains("did you mean `entry_point`"));
    assert!(error("foo::bat()").contains("did you mean `foo::bar()`"));
    assert!(error("_ZN3foo3baxEv").contains("`_ZN3foo3barEv`"));
    let there = "it defines function 1 alone";
    assert!(error("2").contains(&format!("has the index 2; {there}")));
    // Entries and what calls back are named elsewhere.
    assert!(error("0").contains(&format!("has the index 0; {there}")));
    assert!(assume(body, &[only(&["entry_point", "nothing"])]).is_err());
}

/// A caller (1) of two functions that call the entry (2, 3).
const PAIR: &str = "(func $top (call $left) (call $right))
    (func $left (export \"left\") (call $fork)) (func $right (call $fork))";

#[test]
fn lists_make_room_for_each_other() {
    let both = assume(PAIR, &[only(&["left"]), profile(r#"{"name": "right"}"#)]).unwrap();
    assert_eq!(inside(&both), [2, 3]);
    assert_eq!(guarded(&both), [(1, 2, 0)]);
    assert_eq!(saved(&both), [1]);
    let saving = &both.savings[0].assumption;
    assert!(saving.contains("1 listed function, or ") && saving.contains("profile"), "{saving}");
    let narrower = assume(PAIR, &[only(&["left", "right"]), no_fork("left")]).unwrap();
    assert_eq!(inside(&narrower), [3]);
    assert_eq!(saved(&narrower), [1, 1]);
}

#[test]
fn a_profile_finds_functions_by_index_and_name() {
    let closure = |functions: &str| assume(PAIR, &[profile(functions)]).map(|a| inside(&a));
    for right in [
        r#"{"index": 3}"#,
        r#"{"index": 3, "name": "right"}"#,
        r#"{"name": "right"}"#,
        // Recorded from a build with other indices.
        r#"{"index": 1, "name": "right"}"#,
        r#"{"index": 99, "name": "right"}"#,
        // Imports leave no frames.
        r#"{"index": 0}, {"index": 3}"#,
        r#"{"index": 0, "name": "fork"}, {"index": 3}"#,
    ] {
        assert_eq!(closure(right).unwrap(), [3], "{right}");
    }
    assert_eq!(closure(r#"{"index": 2, "name": "left"}"#).unwrap(), [2], "an export's name");
    for stale in [
        r#"{"index": 9}"#,
        r#"{"name": "bottom"}"#,
        r#"{"index": 3, "name": "bottom"}"#,
        r#"{"index": 9, "name": "bottom"}"#,
    ] {
        let error = closure(stale).unwrap_err().to_string();
        assert!(error.contains("record it again from this build"), "{error}");
    }
}

#[test]
fn a_profile_with_names_fits_a_module_without() {
    let body = "(func (call $fork)) (func (export \"e\") (call $fork))";
    let wat = format!("(module (import \"k\" \"fork\" (func $fork)) {body})");
    let stripped = wat.replace("(func $fork)", "(func)").replace("$fork", "0");
    let assumptions = vec![profile(r#"{"index": 1, "name": "main"}"#)];
    let options = Options { assumptions, ..options() };
    let analysis = with_module(&stripped, |module| Analysis::run(module, &options).unwrap());
    assert_eq!(inside(&analysis), [1]);
}

#[test]
fn a_name_that_several_functions_have_is_told_by_its_index() {
    // Both are called `same`: by the name section, and by an export.
    let body = "(func $same (call $fork)) (func $other (export \"same\") (call $fork))
        (func $third (call $fork))";
    let closure = |functions: &str| assume(body, &[profile(functions)]).map(|a| inside(&a));
    assert_eq!(closure(r#"{"index": 2, "name": "same"}"#).unwrap(), [2]);
    let error = closure(r#"{"index": 3, "name": "same"}"#).unwrap_err().to_string();
    assert!(error.contains("function 3 (same) may be any of several"), "{error}");
}

#[test]
fn a_profile_of_other_bytes_is_noted() {
    let wat = format!("(module (import \"k\" \"fork\" (func $fork)) {PAIR})");
    let digest: String = {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(wat::parse_str(&wat).unwrap());
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    };
    let notes = |module: &str| {
        let text =
            format!(r#"{{"version": 1, "functions": [{{"index": 2}}], "module": "{module}"}}"#);
        let profile = Profile::parse("test", &text).unwrap();
        assume(PAIR, &[Assumption::Profile(profile)]).unwrap().notes
    };
    assert!(notes(&digest).is_empty());
    assert!(notes(&"0".repeat(64))[0].contains("other bytes"));
}

#[test]
fn tail_calls_are_guarded_but_in_loops() {
    let body = "(table 2 funcref) (elem (i32.const 0) $leaf $plain)
        (func $leaf (call $fork)) (func $plain)
        (func $direct (return_call $leaf))
        (func $slot (param i32) (return_call_indirect (local.get 0)))
        (func $self (param i32) (if (local.get 0) (then (return_call $self (i32.const 0))))
          (return_call $leaf))
        (func $root (call $leaf) (call $direct) (call $slot (i32.const 0)) (call $self (i32.const 0)))";
    let listed = only(&["leaf", "root"]);
    let analysis = assume(body, std::slice::from_ref(&listed)).unwrap();
    assert_eq!(inside(&analysis), [1, 6]);
    assert_eq!(guarded(&analysis), [(3, 1, 1), (4, 1, 1), (5, 1, 1)]);
    let refused = |body: &str| {
        let error = assume(body, std::slice::from_ref(&listed)).unwrap_err().to_string();
        assert!(error.contains("in a loop of tail calls"), "{error}");
    };
    // The callee leads back to the caller: by one more tail call, through the table, or either.
    let back = |call: &str| {
        body.replace("(func $leaf (call $fork))", &format!("(func $leaf (call $fork) {call})"))
    };
    refused(&back("(return_call $direct)"));
    refused(
        &back("(return_call $plain)")
            .replace("(func $plain)", "(func $plain (return_call $direct))"),
    );
    refused(
        &back("(return_call_indirect (i32.const 1))")
            .replace("(func $plain)", "(func $plain (return_call $direct))"),
    );
    refused(&back("(return_call $slot (i32.const 0))"));
    // A call leaves a frame in any case.
    assert!(assume(&back("(call $direct)"), std::slice::from_ref(&listed)).is_ok());
}

#[test]
fn the_certificate_checks_sites_and_guards_without_the_assumptions() {
    let wat = format!("(module (import \"k\" \"fork\" (func $fork)) {TABLE})");
    with_module(&wat, |module| {
        let options = Options { assumptions: vec![private("t")], ..options() };
        let query = Query::new(module, &options).unwrap();
        let model = Model::new(module, options.precision).unwrap();
        let is_certified = |analysis| certificate::check(&model, &query, &analysis).is_ok();
        let analysis = || Analysis::run(module, &options).unwrap();
        assert!(is_certified(analysis()));
        let mut unguarded = analysis();
        unguarded.guards.remove(&FuncIdx(2));
        assert!(!is_certified(unguarded));
        let mut as_tail = analysis();
        as_tail.guards.get_mut(&FuncIdx(2)).unwrap()[0].tail = true;
        assert!(!is_certified(as_tail));
        let mut fewer_sites = analysis();
        fewer_sites.sites[FuncIdx(3)].pop();
        assert!(!is_certified(fewer_sites));
    });
}

#[test]
fn the_certificate_accepts_nothing_missing_but_what_is_assumed_away() {
    let wat = format!("(module (import \"k\" \"fork\" (func $fork)) {TABLE})");
    with_module(&wat, |module| {
        let tables = BTreeSet::from([TableIdx(0)]);
        let query = Query::new(module, &options()).unwrap();
        let narrow = Model::with_private_tables(module, query.precision, &tables).unwrap();
        let nothing = IndexVec::filled(false, module.funcs.len());
        let graph = Graph::new(&narrow, &query);
        let closure = graph.reach_without(&query.entries, &nothing).funcs(module);
        type Funcs = IndexVec<FuncIdx, bool>;
        let narrowing = |removed: &Funcs| Narrowing {
            removed: removed.clone(),
            private: BTreeSet::new(),
            no_indirect: false,
            kept: Vec::new(),
        };
        let check = |closure: &Funcs, removed: &Funcs| {
            certificate::check_narrowed(&narrow, &query, closure, &narrowing(removed)).is_ok()
        };
        assert!(check(&closure, &nothing));
        let sound = Model::new(module, query.precision).unwrap();
        let mut nothing_else = narrowing(&nothing);
        assert!(certificate::check_narrowed(&sound, &query, &closure, &nothing_else).is_err());
        nothing_else.no_indirect = true;
        certificate::check_narrowed(&sound, &query, &closure, &nothing_else).unwrap();
        for func in closure.indices().filter(|func| closure[*func]) {
            let mut without = closure.clone();
            without[func] = false;
            assert!(!check(&without, &nothing), "without function {func}");
            let mut removed = nothing.clone();
            removed[func] = true;
            let is_entry = func == FuncIdx(0);
            assert_eq!(check(&without, &removed), !is_entry, "{func} taken out");
        }
    });
}
