//! Mutants of repaired modules: the check must reject every one.

use super::super::mismatch::Mismatches;
use super::super::{Mechanism, ShimOptions, emit, select};
use super::check;
use crate::analyze::Indirect;
use crate::read::Module;
use crate::shim::plan::Plan;
use std::collections::BTreeSet;

const ORIGINAL: &str = r#"(module
  (type $binary (func (param i32 i32) (result i32)))
  (type $wide (func (param i64) (result i64)))
  (table 8 12 funcref)
  (table (export "table") 4 funcref)
  (elem (i32.const 1) func $exact $getter $ternary $procedure $i32)
  (elem (table 1) (i32.const 0) func $exact $getter)
  (elem $passive func $getter)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (local.get 0))
  (func $ternary (param i32 i32 i32) (result i32) (local.get 2))
  (func $procedure (param i32 i32))
  (func $unrelated (param i32 i32 i32) (result i32) (i32.const 0))
  (func $i32 (param i32) (result i32) (local.get 0))
  (func (export "private") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "exported") (param i32) (result i32)
    (call_indirect 1 (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "wide") (param i32) (result i64)
    (call_indirect (type $wide) (i64.const 10) (local.get 0)))
  (func (export "writes") (param i32) (result i32)
    (table.set (i32.const 7) (ref.func $getter))
    (table.init $passive (i32.const 6) (i32.const 0) (i32.const 1))
    (table.grow (ref.func $exact) (i32.const 1))))"#;

/// Repairs all calls, changes the output's text, and checks the result.
fn verdict(mechanism: Mechanism, mutate: impl Fn(&str) -> String) -> Result<(), String> {
    let bytes = wat::parse_str(ORIGINAL).unwrap();
    let module = Module::read(&bytes).unwrap();
    let indirect = Indirect::find(&module).unwrap();
    let variadic = BTreeSet::new();
    let mismatches = Mismatches::find(&module, &indirect, &variadic, true).unwrap();
    let options = ShimOptions { all_sites: true, ..ShimOptions::default() };
    let calls = select::select(&mismatches, &options, mechanism).unwrap();
    assert_eq!(calls.len(), 3);
    let plan = Plan::make(&mismatches, &calls, mechanism).unwrap();
    let wasm = emit(&module, &plan, indirect.has_tail_calls(), &options).unwrap().wasm;
    let text = mutate(&wasmprinter::print_bytes(&wasm).unwrap());
    let mutant = wat::parse_str(&text).expect("a mutant is still a module");
    check(&module, &indirect, &plan, &mutant, true).map_err(|error| error.to_string())
}

/// Replaces the first `from` behind `after`.
fn replaced(text: &str, after: &str, from: &str, to: &str) -> String {
    let start = text.find(after).unwrap_or_else(|| panic!("no `{after}` in\n{text}"));
    let at = start + text[start..].find(from).unwrap_or_else(|| panic!("no `{from}` in\n{text}"));
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

#[test]
fn what_was_made_passes() {
    for mechanism in [Mechanism::Table, Mechanism::RefTest] {
        assert_eq!(verdict(mechanism, str::to_owned), Ok(()));
    }
}

#[test]
fn no_mutant_passes() {
    let by_table = [
        ("(func $shim$ii_i$getter ", "local.get 0", "local.get 1"),
        ("(func $shim$ii_i$getter ", "call $getter", "call $i32"),
        ("(func $shim$ii_i$ternary ", "i32.const 0", "i32.const 1"),
        ("(func $shim$ii_i$ternary ", "i32.const 0", "local.get 0"),
        ("(func $shim$ii_i$ternary ", "call $ternary", "call $ternary\n i32.const 1\n i32.add"),
        ("(func $shim$ii_i$procedure ", "i32.const 0", "local.get 0"),
        ("(func $shim$l_l$getter ", "i64.extend_i32_u", "i64.extend_i32_s"),
        ("(func $shim$l_l$getter ", "i32.wrap_i64", "drop i32.const 0"),
        ("(table $shim$2) (i32.const 1)", "$shim$ii_i$getter", "$shim$ii_i$i32"),
        ("(table $shim$2) (i32.const 1)", "$shim$ii_i$getter", "$shim$l_l$getter"),
        ("(table $shim$2) (i32.const 1)", "$exact", "$shim$ii_i$getter"),
        ("(table $shim$2) (i32.const 1)", "(i32.const 1)", "(i32.const 2)"),
        ("(export \"private\"", "(export", "(export \"shims\" (table $shim$2)) (export"),
        ("call_indirect $shim$2", "$shim$2", "$shim$4"),
        ("call_indirect $shim$3", "$shim$3", "1"),
        ("i32.lt_u", "i32.lt_u", "i32.le_u"),
        ("i32.const 4\n    i32.lt_u", "i32.const 4", "i32.const 5"),
        ("(func $shim$ii_i$beyond1", "call_indirect 1", "call_indirect 0"),
        ("(func $shim$ii_i$beyond1", "local.get 1", "local.get 0"),
        ("call $shim$ii_i$beyond1", "$shim$ii_i$beyond1", "$unrelated"),
        ("(func $shim$table.set", "table.set 0", "table.set $shim$2"),
        ("(func $shim$table.set", "table.set $shim$2", "table.set 1"),
        ("(func $shim$table.init", "table.init $passive", "table.init 0 0"),
        ("(func $getter ", "local.get 0", "i32.const 5"),
        ("call $shim$table.grow", "call $shim$table.grow$0", "table.grow 0"),
    ];
    let by_test = [
        ("(func $shim$ii_i$table0 ", "local.get 0", "local.get 1"),
        ("(func $shim$ii_i$table0 ", "ref.test (ref", "ref.test (ref null"),
        ("(func $shim$ii_i$table0 ", "return", "return\n unreachable"),
        ("ref.test", "ref.test (ref $binary)", "ref.test (ref $wide)"),
        ("call $shim$ii_i$table0", "$shim$ii_i$table0", "$shim$ii_i$table1"),
    ];
    let mut accepted = Vec::new();
    for (mechanism, mutants) in
        [(Mechanism::Table, by_table.as_slice()), (Mechanism::RefTest, by_test.as_slice())]
    {
        for (after, from, to) in mutants {
            if verdict(mechanism, |text| replaced(text, after, from, to)).is_ok() {
                accepted.push((after, from, to));
            }
        }
    }
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
}
