//! What tables hold, which slot is called, and who can write to them.

use super::expect;

/// A call of slot `index` in a table of `table`, with `fork` below `$f` and nothing below `$g`.
#[track_caller]
fn slot(table: &str, index: &str, reached: bool) {
    let names = if reached { "f a" } else { "f" };
    expect(
        &format!(
            "{table} (memory (export \"m\") 1) (func $f (call $fork)) (func $g)
            (func $a (param $p i32) (local $l i32) (call_indirect {index}))
            (func $wrong (param i32))"
        ),
        names,
    );
}

const F_AT_1: &str = "(table $t 3 funcref) (elem (i32.const 0) $g $f)";

#[test]
fn constant_slots() {
    slot(F_AT_1, "(i32.const 0)", false);
    slot(F_AT_1, "(i32.const 1)", true);
    slot(F_AT_1, "(i32.add (i32.const 3) (i32.const -2))", true);
    slot(F_AT_1, "(i32.sub (i32.const 2) (i32.const 1))", true);
    slot(F_AT_1, "(i32.sub (i32.const 1) (i32.const 1))", false);
    slot(F_AT_1, "(i32.load (i32.const 0))", true);
    slot(F_AT_1, "(local.get $p)", true);
    slot(F_AT_1, "(i32.add (local.get $p) (i32.const 0))", true);
}

#[test]
fn null_slots_and_slots_beyond_the_table_give_no_edge() {
    slot(F_AT_1, "(i32.const 2)", false);
    slot(F_AT_1, "(i32.const 3)", false);
    slot(F_AT_1, "(i32.const -1)", false);
}

#[test]
fn a_slot_of_another_type_gives_no_edge() {
    expect(
        "(table 1 funcref) (elem (i32.const 0) $f) (func $f (param i32) (call $fork))
        (func $a (call_indirect (i32.const 0)))
        (func $b (call_indirect (param i32) (i32.const 0) (i32.const 0)))",
        "f b",
    );
}

#[test]
fn slots_through_a_local() {
    let through = |code: &str, reached: bool| {
        let names = if reached { "f a" } else { "f" };
        expect(
            &format!(
                "{F_AT_1} (func $f (call $fork)) (func $g)
                (func $a (param $p i32) (local $l i32) {code})"
            ),
            names,
        );
    };
    through("(local.set $l (i32.const 0)) (call_indirect (local.get $l))", false);
    through("(local.set $l (i32.const 1)) (call_indirect (local.get $l))", true);
    through("(call_indirect (local.tee $l (i32.const 0)))", false);
    through("(local.set $l (i32.const 0)) (block (call_indirect (local.get $l)))", false);
    // The local still has another value when the assignment was skipped.
    through(
        "(if (local.get $p) (then (local.set $l (i32.const 1)))) (call_indirect (local.get $l))",
        true,
    );
    through(
        "(local.set $l (i32.const 0))
        (if (local.get $p) (then (local.set $l (i32.const 1))) (else))
        (call_indirect (local.get $l))",
        true,
    );
    through(
        "(local.set $l (i32.const 0))
        (loop (call_indirect (local.get $l)) (local.set $l (i32.const 1)) (br_if 0 (local.get $p)))",
        true,
    );
    through(
        "(local.set $l (i32.const 1))
        (block (br_if 0 (local.get $p)) (local.set $l (i32.const 0)))
        (call_indirect (local.get $l))",
        true,
    );
}

#[test]
fn later_segments_overwrite_earlier_ones() {
    let table = "(table $t 3 funcref) (elem (i32.const 0) $f $f) (elem (i32.const 1) $g)";
    slot(table, "(i32.const 0)", true);
    slot(table, "(i32.const 1)", false);
    let all = "(table $t 3 funcref) (elem (i32.const 1) $f) (elem (i32.const 1) $g)";
    slot(all, "(local.get $p)", false);
}

#[test]
fn segment_offsets_are_evaluated() {
    let global = "(global $g0 i32 (i32.const 1))";
    let with = |offset: &str| {
        format!("{global} (table $t 3 funcref) (elem (table 0) (offset {offset}) func $f)")
    };
    for offset in [
        "(i32.const 1)",
        "(global.get $g0)",
        "(i32.add (global.get $g0) (i32.const 0))",
        "(i32.sub (i32.mul (i32.const 3) (i32.const 2)) (i32.const 5))",
    ] {
        slot(&with(offset), "(i32.const 1)", true);
        slot(&with(offset), "(i32.const 0)", false);
        slot(&with(offset), "(local.get $p)", true);
    }
}

#[test]
fn an_imported_offset_leaves_the_place_open() {
    expect(
        "(import \"e\" \"base\" (global $base i32)) (table 9 funcref)
        (elem (global.get $base) $f $g)
        (func $f (call $fork)) (func $g (param i32))
        (func $a (call_indirect (i32.const 0)))
        (func $b (call_indirect (param i32) (i32.const 0) (i32.const 0)))",
        "f a",
    );
}

#[test]
fn initial_values_fill_what_segments_leave() {
    let table = "(table $t 3 funcref (ref.func $f)) (elem (i32.const 1) $g)";
    slot(table, "(i32.const 0)", true);
    slot(table, "(i32.const 1)", false);
    slot(table, "(i32.const 2)", true);
    slot(table, "(i32.const 3)", false);
    slot(table, "(local.get $p)", true);
}

#[test]
fn items_may_be_expressions() {
    let table = "(global $h funcref (ref.func $f)) (table $t 3 funcref)
        (elem (i32.const 0) funcref (ref.null func) (global.get $h) (ref.func $g))";
    slot(table, "(i32.const 0)", false);
    slot(table, "(i32.const 1)", true);
    slot(table, "(i32.const 2)", false);
}

#[test]
fn an_item_from_the_host_is_any_function_it_can_have() {
    for (export, names) in [("", "f"), ("(export \"f\" (func $f))", "f a b")] {
        expect(
            &format!(
                "(import \"e\" \"h\" (global $h funcref)) (table 3 funcref) {export}
                (elem (i32.const 0) funcref (global.get $h))
                (func $f (call $fork))
                (func $a (call_indirect (i32.const 0)))
                (func $b (param i32) (call_indirect (local.get 0)))
                (func $c (call_indirect (i32.const 1)))"
            ),
            names,
        );
    }
}

#[test]
fn tables_that_the_module_changes_are_open() {
    for change in [
        "(table.set 0 (i32.const 0) (ref.func $f))",
        "(drop (table.grow 0 (ref.func $f) (i32.const 1)))",
        "(table.fill 0 (i32.const 0) (ref.func $f) (i32.const 1))",
        "(table.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 1))",
        "(table.init 0 $e (i32.const 0) (i32.const 0) (i32.const 1))",
    ] {
        expect(
            &format!(
                "(table 3 funcref) (table 3 funcref) (elem (table 1) (i32.const 0) func $f)
                (elem $e func $f)
                (func $f (call $fork)) (func $change {change})
                (func $a (call_indirect (i32.const 0)))"
            ),
            "f a",
        );
    }
}

/// What a passive segment holds is no taken reference; it counts even where the function that copies it
/// into a table has too many locals and branches to be followed.
#[test]
fn a_passive_segment_counts_where_values_are_not_followed() {
    let locals = " i32".repeat(40_000);
    let branches = "(loop (br_if 0 (local.get 0)))".repeat(40);
    expect(
        &format!(
            "(table 3 funcref) (elem $e func $f) (func $f (call $fork))
            (func $change (local{locals}) {branches}
                (table.init $e (i32.const 0) (i32.const 0) (i32.const 1)))
            (func $a (call_indirect (i32.const 0)))"
        ),
        "f a",
    );
}

#[test]
fn dead_code_changes_no_table() {
    expect(
        "(table 3 funcref) (elem declare func $f)
        (func $f (call $fork))
        (func $change (return) (table.set 0 (i32.const 0) (ref.func $f)))
        (func $a (call_indirect (i32.const 0)))",
        "f",
    );
}

#[test]
fn tables_that_the_host_sees_are_open() {
    for table in ["(table (export \"t\") 3 funcref)", "(import \"e\" \"t\" (table 3 funcref))"] {
        // The host can have an exported function, and nothing that is only called.
        expect(
            &format!(
                "{table} (func $f (export \"f\") (call $fork)) (func $private (param i32) (call $fork))
                (func $a (call_indirect (i32.const 0)))
                (func $b (call_indirect (param i32) (i32.const 0) (i32.const 7)))"
            ),
            "f private a",
        );
    }
}

#[test]
fn tables_are_told_apart() {
    expect(
        "(table $x 2 funcref) (table $y 2 funcref)
        (elem (table $x) (i32.const 0) func $f) (elem (table $y) (i32.const 0) func $g)
        (func $f (call $fork)) (func $g)
        (func $a (param i32) (call_indirect $x (local.get 0)))
        (func $b (param i32) (call_indirect $y (local.get 0)))",
        "f a",
    );
}

#[test]
fn sixty_four_bit_tables() {
    expect(
        "(table i64 3 funcref) (elem (i64.const 1) $f) (func $f (call $fork))
        (func $a (call_indirect (i64.const 0)))
        (func $b (call_indirect (i64.add (i64.const 4) (i64.const -3))))
        (func $c (call_indirect (i64.const -1)))
        (func $d (param i64) (call_indirect (local.get 0)))",
        "f b d",
    );
}

#[test]
fn a_tables_element_type_bounds_its_slots() {
    expect(
        "(type $top (sub (func))) (type $low (sub $top (func))) (type $other (func (param i32)))
        (table $t (export \"t\") 3 (ref null $low))
        (func $f (export \"f\") (type $top) (call $fork))
        (func $g (type $low))
        (func $a (call_indirect $t (type $top) (i32.const 0)))
        (func $b (call_indirect $t (type $low) (i32.const 0)))
        (func $c (param (ref $top)) (call_ref $top (local.get 0)))",
        "f c",
    );
}

/// Instantiation may fail behind a segment for an imported table; then the functions in that table
/// run, while later segments are missing.
#[test]
fn segments_that_may_be_missing_overwrite_nothing() {
    let own = |shared: &str, names: &str| {
        expect(
            &format!(
                "(import \"e\" \"t\" (table $shared 9 funcref)) (table $own 2 funcref)
                (elem (table $own) (i32.const 0) func $f $f)
                {shared}
                (elem (table $own) (i32.const 1) func $g)
                (func $f (call $fork)) (func $g)
                (func $a (call_indirect $own (i32.const 1)))"
            ),
            names,
        );
    };
    own("", "f");
    own("(elem (table $shared) (i32.const 0) func $a)", "f a");
}
