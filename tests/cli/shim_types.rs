//! What `shim --report` makes of debug information: the calls that it speaks of come first.

#[path = "../support/typed.rs"]
mod typed;

use super::explain::dwarf;
use super::{Sandbox, assert_done, text};
use dwarf::with_sections;
use std::fs;
use typed::{Source, Takes};
use wasm_fork::shim::ShimOptions;

/// The second attribute's getter takes one argument. `sort` calls by a type of its own, which is the same in WebAssembly.
const GETTERS: &str = r#"(module
    (type $getter (func (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (elem (i32.const 1) $offset $get_name $other)
    (data (i32.const 64) "\00\00\00\00\01\00\00\00" "\00\00\00\00\02\00\00\00")
    (func $offset (type $getter) (local.get 1))
    (func $get_name (param i32) (result i32) (local.get 0))
    (func $other (param i64) (result i32) (i32.const 0))
    (func $unknown (export "unknown") (param i32) (result i32)
        (call_indirect (type $getter) (i32.const 1) (i32.const 2) (local.get 0)))
    (func $sort (export "sort") (param i32) (result i32)
        (call_indirect (type $getter) (i32.const 1) (i32.const 2) (local.get 0)))
    (func $getset_get (export "get") (param i32) (result i32) (local i32)
        (local.set 1 (i32.load offset=4 (local.get 0)))
        (call_indirect (type $getter) (i32.const 1) (i32.const 2) (local.get 1)))
    (func $second (export "second") (result i32)
        (call_indirect (type $getter) (i32.const 1) (i32.const 2)
            (i32.load offset=76 (i32.const 0)))))"#;

const FUNCS: [(usize, &str, Takes); 3] =
    [(1, "get_name", Takes::Int), (4, "sort", Takes::Compare), (5, "getset_get", Takes::Attribute)];

fn source<'a>(funcs: &'a [(usize, &'static str, Takes)]) -> Source<'a> {
    Source { address: 64, count: 2, funcs }
}

/// The report of the module with these functions in its debug information.
#[track_caller]
fn report(version: u16, funcs: &[(usize, &'static str, Takes)], format: &str) -> String {
    let sandbox = Sandbox::with("in.wasm", GETTERS);
    let wasm = sandbox.read("in.wasm");
    let wasm = with_sections(&wasm, &typed::sections(&wasm, version, &source(funcs)));
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    let output = sandbox.run(&["shim", "in.wasm", "--report", "--format", format]);
    assert_done(&output);
    text(&output.stdout)
}

#[test]
fn calls_whose_types_disagree_come_first() {
    for version in [4, 5] {
        let report = report(version, &FUNCS, "text");
        let (_, callers) = report.split_once("\nby caller:\n").unwrap();
        assert_eq!(
            callers,
            "  5 getset_get: 1 adaptable pair, 1 not\n\
             \x20   0xae table 0 as (i32, i32) -> i32: possible\n\
             \x20     likely meets 1 get_name, which attributes[1].get holds as int (object *, void *)\n\
             \x20 6 second: 1 adaptable pair, 1 not\n\
             \x20   0xbd table 0 as (i32, i32) -> i32: possible\n\
             \x20     likely meets 1 get_name, which attributes[1].get holds as int (object *, void *)\n\
             \x20 4 sort: 1 adaptable pair, 1 not\n\
             \x20   0x99 table 0 as (i32, i32) -> i32: possible\n\
             \x20     likely meets 1 get_name, cast to int (int, int), perhaps\n\
             \x20 3 unknown: 1 adaptable pair, 1 not\n\
             \x20   0x8d table 0 as (i32, i32) -> i32: possible\n"
        );
    }
}

/// What a compiler has left no function of: the place that the index is loaded from tells.
#[test]
fn places_alone_tell_where_no_function_is_known() {
    let json: serde_json::Value = serde_json::from_str(&report(4, &[], "json")).unwrap();
    let callers = json["callers"].as_array().unwrap();
    let likelihoods: Vec<_> = callers
        .iter()
        .map(|caller| (caller["name"].as_str().unwrap(), caller["calls"][0]["likelihood"].as_u64()))
        .collect();
    let expected =
        [("second", Some(3)), ("getset_get", Some(2)), ("unknown", None), ("sort", None)];
    assert_eq!(likelihoods[..2], expected[..2]);
    assert_eq!(likelihoods[2..].iter().filter(|(_, likelihood)| likelihood.is_none()).count(), 2);
    assert_eq!(
        callers[1]["calls"][0]["meets"],
        serde_json::json!([{
            "function": 1,
            "name": "get_name",
            "declared": "int (object *, void *)",
            "held_by": "attributes[1].get"
        }])
    );
    assert_eq!(callers[1]["calls"][0]["likely"], 1);
}

/// Every byte is broken in turn, and every section cut short at each: a report comes of it.
#[test]
fn a_report_comes_of_broken_debug_information() {
    let sandbox = Sandbox::with("in.wasm", GETTERS);
    let wasm = sandbox.read("in.wasm");
    let (mut with, mut without) = (0, 0);
    for version in [4, 5] {
        let whole = typed::sections(&wasm, version, &source(&FUNCS));
        for (at, (_, data)) in whole.iter().enumerate() {
            for position in 0..data.len() {
                let mut broken = [whole.clone(), whole.clone(), whole.clone()];
                broken[0][at].1[position] ^= 0xff;
                broken[1][at].1[position] ^= 0x01;
                broken[2][at].1.truncate(position);
                for sections in broken {
                    let wasm = with_sections(&wasm, &sections);
                    let report = wasm_fork::shim_report(&wasm, &ShimOptions::default()).unwrap();
                    let mut calls = report.callers.iter().flat_map(|caller| &caller.calls);
                    match calls.any(|call| !call.disagreements.is_none()) {
                        true => with += 1,
                        false => without += 1,
                    }
                }
            }
        }
    }
    assert!(with > 100 && without > 100, "{with} {without}");
}
