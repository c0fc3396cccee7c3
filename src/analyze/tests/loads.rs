//! Indices that are loaded from memory: known only where nothing can write to it.

use super::{expect, options, with_module};
use crate::analyze::Analysis;

/// `$a` calls the slot that `code` gives, out of a table with `fork` below slot 1 (`$f`) and nothing
/// below 0, 2 and 3 (`$g`). The memory holds 2 at 4, 1 at 8, 4 at 12 and -1 at 16.
#[track_caller]
fn index(module: &str, code: &str, reached: bool) {
    let names = if reached { "f a" } else { "f" };
    expect(
        &format!(
            "{module} (table $t 4 funcref) (elem (i32.const 0) $g $f $g $g)
            (data (i32.const 4) \"\\02\\00\\00\\00\") (data (i32.const 8) \"\\01\\00\\00\\00\\04\\00\\00\\00\")
            (data (i32.const 16) \"\\ff\\ff\\ff\\ff\") (data \"\\01\")
            (func $f (call $fork)) (func $g)
            (func $a (export \"a\") (param $p i32) (call_indirect {code}))"
        ),
        names,
    );
}

const PRIVATE: &str = "(memory 1)";

#[test]
fn a_constant_address_in_memory_that_nothing_writes() {
    index(PRIVATE, "(i32.load (i32.const 4))", false);
    index(PRIVATE, "(i32.load (i32.const 8))", true);
    index(PRIVATE, "(i32.load offset=4 (i32.const 0))", false);
    index(PRIVATE, "(i32.load offset=4 (i32.const 4))", true);
    // Zeros are where no segment is.
    index(PRIVATE, "(i32.load (i32.const 100))", false);
    index(PRIVATE, "(i32.load (i32.const 5))", false);
    index(PRIVATE, "(i32.load (i32.add (i32.const 3) (i32.const 5)))", true);
}

#[test]
fn widths_and_signs() {
    index(PRIVATE, "(i32.load8_u (i32.const 8))", true);
    index(PRIVATE, "(i32.load16_u (i32.const 3))", false);
    index(PRIVATE, "(i32.load16_u (i32.const 8))", true);
    index(PRIVATE, "(i32.wrap_i64 (i64.load (i32.const 8)))", true);
    index(PRIVATE, "(i32.wrap_i64 (i64.load (i32.const 4)))", false);
    let plus_two = |load: &str| format!("(i32.add ({load} (i32.const 16)) (i32.const 2))");
    index(PRIVATE, &plus_two("i32.load8_s"), true);
    index(PRIVATE, &plus_two("i32.load16_s"), true);
    index(PRIVATE, &plus_two("i32.load"), true);
    index(PRIVATE, &plus_two("i32.load8_u"), false);
    for load in ["i64.load8_s", "i64.load16_s", "i64.load32_s"] {
        let sum = format!("(i32.wrap_i64 (i64.add ({load} (i32.const 16)) (i64.const 2)))");
        index(PRIVATE, &sum, true);
    }
    index(PRIVATE, "(i32.wrap_i64 (i64.shr_u (i64.load32_u (i32.const 16)) (i64.const 31)))", true);
}

#[test]
fn several_addresses_and_double_loads() {
    let masked = "(i32.and (local.get $p) (i32.const 4))";
    index(PRIVATE, &format!("(i32.load {masked})"), false);
    index(PRIVATE, &format!("(i32.load offset=4 {masked})"), true);
    index(PRIVATE, "(i32.load (i32.load (i32.const 12)))", false);
    index(PRIVATE, "(i32.load offset=4 (i32.load (i32.const 12)))", true);
    index(PRIVATE, "(i32.load (local.get $p))", true);
}

#[test]
fn whatever_may_write_makes_loads_unknown() {
    for write in [
        "(i32.store8 (i32.const 999) (i32.const 0))",
        "(i64.store32 (i32.const 999) (i64.const 0))",
        "(f64.store (i32.const 999) (f64.const 0))",
        "(v128.store (i32.const 999) (v128.const i64x2 0 0))",
        "(v128.store8_lane 0 (i32.const 999) (v128.const i64x2 0 0))",
        "(drop (i32.atomic.rmw.add (i32.const 996) (i32.const 0)))",
        "(drop (i32.atomic.rmw8.cmpxchg_u (i32.const 9) (i32.const 0) (i32.const 0)))",
        "(i32.atomic.store (i32.const 996) (i32.const 0))",
        "(memory.fill (i32.const 9) (i32.const 9) (i32.const 9))",
        "(memory.copy (i32.const 9) (i32.const 9) (i32.const 9))",
        "(memory.init 3 (i32.const 9) (i32.const 0) (i32.const 1))",
    ] {
        let module = format!("(memory 1) (func $w {write})");
        index(&module, "(i32.load (i32.const 4))", true);
    }
    let harmless = "(memory 1) (func $w (drop (memory.grow (memory.size))) (data.drop 3))";
    index(harmless, "(i32.load (i32.const 4))", false);
}

#[test]
fn memory_that_the_host_sees_is_unknown() {
    index("(memory (export \"m\") 1)", "(i32.load (i32.const 4))", true);
    index("(import \"e\" \"m\" (memory 1))", "(i32.load (i32.const 4))", true);
}

#[test]
fn data_whose_place_is_unknown() {
    let import = "(import \"e\" \"base\" (global $base i32)) (memory 1)
        (data (global.get $base) \"\\01\")";
    index(import, "(i32.load (i32.const 4))", true);
    let overlapping = "(memory 1) (data (i32.const 6) \"\\00\\00\\00\")";
    index(overlapping, "(i32.load (i32.const 4))", true);
    let missing = "(import \"e\" \"t\" (table $shared 9 funcref)) (memory 1)
        (elem (table $shared) (i32.const 0) func $g)";
    index(missing, "(i32.load (i32.const 4))", true);
}

#[test]
fn memories_are_told_apart() {
    let two = "(memory 1) (memory $n (export \"n\") 1)";
    index(two, "(i32.load (i32.const 4))", false);
    index(two, "(i32.load $n (i32.const 4))", true);
}

#[test]
fn a_note_says_that_loads_stay_open() {
    let notes = |memory: &str, index: &str| {
        let wat = format!(
            "(module (import \"k\" \"fork\" (func $fork)) {memory} (table 1 funcref) (elem (i32.const 0) $f)
            (func $f (call $fork)) (func $a (local i32) (call_indirect {index})))"
        );
        with_module(&wat, |module| Analysis::run(module, &options()).unwrap().notes)
    };
    let exported = "(memory (export \"m\") 1)";
    let loaded = notes(exported, "(i32.load (i32.const 4))");
    assert!(loaded[0].starts_with("1 site takes the index from memory"), "{loaded:?}");
    assert_eq!(notes(exported, "(local.tee 0 (i32.load8_u (i32.const 4)))"), loaded);
    assert!(notes(exported, "(i32.const 0)").is_empty());
    assert!(notes("(memory 1)", "(i32.load (i32.const 4))").is_empty());
}
