//! Modules that make a quadratic analysis take minutes.

use super::analyze;
use std::fmt::Write;
use std::time::{Duration, Instant};

const COUNT: usize = 20_000;

/// Far more than a linear analysis needs in a debug build on a busy machine, far less than a
/// quadratic one takes.
const LIMIT: Duration = Duration::from_secs(10);

#[track_caller]
fn within_limit(wat: &str, functions: usize) {
    let bytes = wat::parse_str(wat).unwrap();
    let module = crate::read::Module::read(&bytes).unwrap();
    // Workers of its own: those that all tests share may be at work for a minute.
    let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
    let clock = Instant::now();
    let analysis = pool.install(|| crate::analyze::Analysis::run(&module, &super::options()));
    let (analysis, took) = (analysis.unwrap(), clock.elapsed());
    assert_eq!(analysis.closure.iter().filter(|inside| **inside).count(), functions);
    assert!(took < LIMIT, "{took:?}");
}

/// Functions that each call any slot, all in one table of `table`.
fn dynamic(table: &str) -> String {
    let mut wat =
        String::from("(module (import \"k\" \"fork\" (func $fork)) (export \"fork\" (func $fork))");
    write!(wat, "{table} (elem (i32.const 0) $fork").unwrap();
    (0..COUNT).for_each(|i| write!(wat, " $f{i}").unwrap());
    wat.push(')');
    for i in 0..COUNT {
        write!(wat, "(func $f{i} (local i32) (block (call_indirect (local.get 0))))").unwrap();
    }
    wat.push(')');
    wat
}

#[test]
fn many_functions_and_dynamic_sites_of_one_type() {
    within_limit(&dynamic("(table 30000 funcref)"), COUNT + 1);
    within_limit(&dynamic("(table (export \"t\") 30000 funcref)"), COUNT + 1);
    let held = "(import \"e\" \"h\" (global $h funcref)) (table 30000 funcref)
        (elem (i32.const 29999) funcref (global.get $h))";
    within_limit(&dynamic(held), COUNT + 1);
}

#[test]
fn many_tables() {
    let mut wat =
        String::from("(module (import \"k\" \"fork\" (func $fork)) (export \"fork\" (func $fork))");
    for i in 0..50 {
        write!(wat, "(table $t{i} (export \"t{i}\") 1 funcref)").unwrap();
    }
    for i in 0..COUNT {
        write!(wat, "(func $f{i} (call_indirect $t{} (i32.const 0)))", i % 50).unwrap();
    }
    wat.push(')');
    within_limit(&wat, COUNT + 1);
}

#[test]
fn a_long_chain_of_calls() {
    let mut wat = String::from("(module (import \"k\" \"fork\" (func))");
    for i in 0..COUNT {
        write!(wat, "(func (call {i}))").unwrap();
    }
    wat.push(')');
    assert!(analyze(&wat).closure.iter().all(|inside| *inside));
}

#[test]
fn many_locals_and_branches_in_loops() {
    let mut wat = String::from(
        "(module (import \"k\" \"fork\" (func)) (table 2 funcref) (func (param i32) (local",
    );
    (0..COUNT).for_each(|_| wat.push_str(" i32"));
    wat.push_str(") (loop ");
    for i in 1..COUNT {
        write!(wat, "(local.set {i} (i32.add (local.get {i}) (local.get {})))", i + 1).unwrap();
        wat.push_str("(br_if 0 (local.get 0))");
    }
    wat.push_str(") (call_indirect (local.get 1))))");
    within_limit(&wat, 1);
}

#[test]
fn a_long_chain_of_parameters() {
    let mut wat = String::from(
        "(module (import \"k\" \"fork\" (func)) (table 2 funcref)
        (func (param i32) (call_indirect (local.get 0)))",
    );
    for i in 1..COUNT {
        write!(wat, "(func (param i32) (call {i} (local.get 0)) (call {i} (i32.const 1)))")
            .unwrap();
    }
    wat.push(')');
    within_limit(&wat, 1);
}

/// Functions that each change the table in the same way, with operands that are known or not.
fn writers(write: impl Fn(usize) -> String) -> String {
    let mut wat = String::from(
        "(module (import \"k\" \"fork\" (func $fork)) (table $t 30000 funcref) (table $u 9 funcref)
        (elem (i32.const 0) $fork) (elem $e func $fork",
    );
    (0..COUNT).for_each(|i| write!(wat, " $f{i}").unwrap());
    wat.push(')');
    for i in 0..COUNT {
        write!(wat, "(func $f{i} (param i32) {} (call_indirect (local.get 0)))", write(i)).unwrap();
    }
    wat.push(')');
    wat
}

#[test]
fn many_writes_of_many_slots() {
    for operands in [
        "(local.get 0) (i32.const 0) (i32.const 20000)",
        "(i32.const 0) (i32.const 1) (i32.const 9999)",
    ] {
        within_limit(&writers(|_| format!("(table.init $t $e {operands})")), COUNT + 1);
        within_limit(&writers(|_| format!("(table.copy $t $u {operands})")), COUNT + 1);
    }
    let fill = "(table.fill $t (i32.const 0) (ref.null func) (i32.const 20000))";
    within_limit(&writers(|_| fill.into()), COUNT + 1);
}

#[test]
fn many_values_copied_to_many_slots() {
    let spread = writers(|i| {
        format!(
            "(table.set $u (i32.const 0) (ref.func $f{i}))
            (table.copy $t $u (i32.const {i}) (i32.const 0) (i32.const 1))"
        )
    });
    within_limit(&spread, COUNT + 1);
    let chain = writers(|i| {
        format!("(table.copy $t $t (i32.const {i}) (i32.const {}) (i32.const 1))", i + 1)
    });
    within_limit(&chain, COUNT + 1);
}

/// Copies of copies, and so many types of calls that it is not told apart what each copy brings: that is then anything.
#[test]
fn copies_of_tables_and_many_types_of_calls() {
    let types = |i: usize| -> String {
        (0..10).map(|bit| if i >> bit & 1 == 0 { "i32 " } else { "i64 " }).collect()
    };
    let mut wat = String::from(
        "(module (import \"k\" \"fork\" (func $fork)) (elem (table 0) (i32.const 0) func $fork)",
    );
    for i in 0..600 {
        write!(wat, "(type $t{i} (func (param {}))) (table 2 funcref)", types(i)).unwrap();
    }
    for i in 1..600 {
        write!(
            wat,
            "(func (param i32) (table.copy {i} {} (i32.const 0) (i32.const 0) (local.get 0)))",
            i - 1
        )
        .unwrap();
    }
    for i in 0..600 {
        let args: String =
            types(i).split_whitespace().map(|ty| format!("({ty}.const 0)")).collect();
        write!(wat, "(func (param i32) (call_indirect 599 (type $t{i}) {args} (local.get 0)))")
            .unwrap();
    }
    wat.push_str("(func $run (param i32) (call_indirect 599 (local.get 0))))");
    within_limit(&wat, 2);
}
