//! Direct calls, tail calls, calls of references, dead code, subtyping.

use super::{analyze, closure, expect, sites};
use crate::analyze::Target;
use crate::index::FuncIdx;

#[test]
fn direct_calls_carry_up() {
    expect("(func $a (call $b)) (func $b (call $fork)) (func $c (call $d)) (func $d)", "a b");
}

#[test]
fn recursion_ends() {
    expect("(func $a (call $b)) (func $b (call $a) (call $fork)) (func $c (call $c))", "a b");
}

#[test]
fn the_start_function_is_like_any_other() {
    expect("(start $s) (func $s (call $a)) (func $a (call $fork))", "s a");
}

#[test]
fn sites_say_what_they_call() {
    let analysis = analyze(
        r#"(module (import "k" "fork" (func $fork)) (import "k" "other" (func $other))
            (table 1 funcref) (elem (i32.const 0) $a)
            (func $a (call $other) (call $fork) (return_call $b))
            (func $b (call $a) (call_indirect (i32.const 0)) (call $c))
            (func $c))"#,
    );
    let (a, b) = (FuncIdx(2), FuncIdx(3));
    assert_eq!(
        sites(&analysis, 2),
        [(Target::Import(FuncIdx(0)), false), (Target::Defined(b), true)]
    );
    let indirect = Target::Indirect { may_be_import: false };
    assert_eq!(sites(&analysis, 3), [(Target::Defined(a), false), (indirect, false)]);
    assert!(analysis.sites[a].is_sorted_by_key(|site| site.offset));
}

#[test]
fn a_function_with_tail_calls_only_is_on_the_path() {
    let wat = r#"(module (import "k" "fork" (func $fork))
        (func $a (call $b)) (func $b (return_call $fork)))"#;
    assert_eq!(closure(wat), ["a", "b"]);
    assert!(sites(&analyze(wat), 2).iter().all(|(_, tail)| *tail));
}

#[test]
fn dead_code_has_no_sites_and_no_edges() {
    for dead in [
        "(unreachable) (call $fork)",
        "(return) (call $fork)",
        "(br 0) (block (call $fork))",
        "(loop (br 0) (if (i32.const 1) (then (call $fork)) (else (call $fork))))",
        "(block (br_table 0 0 (i32.const 0)) (block (block) (call $fork)))",
        "(return_call $a) (call $fork)",
        "(throw $t) (call $fork)",
    ] {
        expect(&format!("(tag $t) (func $a {dead})"), "");
    }
}

#[test]
fn code_after_the_end_of_a_dead_frame_lives() {
    for live in [
        "(block (unreachable)) (call $fork)",
        "(if (i32.const 0) (then (unreachable)) (else (call $fork)))",
        "(loop (block (br 1)) (call $fork))",
        "(block (br_if 0 (i32.const 0)) (call $fork))",
        "try unreachable catch $t call $fork end",
        "try throw $t catch $t unreachable catch_all call $fork end",
        "(block (block (return) (block (unreachable))) (call $fork))",
        "try try unreachable delegate 0 call $fork end",
    ] {
        expect(&format!("(tag $t) (func $a {live})"), "a");
    }
}

#[test]
fn dead_handlers_stay_dead() {
    expect("(tag $t) (func $a return try catch $t call $fork catch_all call $fork end)", "");
}

#[test]
fn call_ref_reaches_what_is_taken_of_its_type() {
    expect(
        "(type $v (func)) (type $i (func (param i32)))
        (elem declare func $taken $other)
        (func $taken (call $fork))
        (func $other (param i32) (call $fork))
        (func $never (call $fork))
        (func (export \"in\") (param funcref))
        (func $a (call_ref $v (ref.func $taken)))
        (func $b (call_ref $i (i32.const 0) (ref.null $i)))",
        "taken other never a",
    );
}

#[test]
fn references_are_taken_in_many_places() {
    for (taken, extra) in [
        ("(export \"f\" (func $f))", ""),
        ("(table (export \"t\") 1 funcref) (elem (i32.const 0) $f)", ""),
        (
            "(table (export \"t\") 1 funcref) (elem $e func $f)",
            "(func $x (table.init $e (i32.const 0) (i32.const 0) (i32.const 1)))",
        ),
        ("(global funcref (ref.func $f))", ""),
        ("(table 1 funcref (ref.func $f))", "(func $x (drop (table.get 0 (i32.const 0))))"),
        (
            "(table 1 funcref) (elem (i32.const 0) $f)",
            "(func $x (drop (table.get 0 (i32.const 0))))",
        ),
        ("(elem declare func $f) (func $x (drop (ref.func $f)))", ""),
        ("(type $s (struct (field funcref))) (global (ref $s) (struct.new $s (ref.func $f)))", ""),
        (
            "(type $ar (array funcref)) (elem $e func $f)
            (func $x (drop (array.new_elem $ar $e (i32.const 0) (i32.const 1))))",
            "",
        ),
    ] {
        expect(
            &format!(
                "{taken} {extra} (type $v (func)) (func $f (call $fork))
                (func (export \"in\") (param funcref))
                (func $a (param (ref $v)) (call_ref $v (local.get 0)))"
            ),
            "f a",
        );
    }
}

#[test]
fn what_is_only_exported_is_taken_if_the_host_can_hand_it_in() {
    let caller = r#"(type $v (func)) (func $f (export "f") (call $fork))
        (func $a (param (ref $v)) (call_ref $v (local.get 0)))"#;
    for in_by in [
        r#"(func (export "in") (param funcref))"#,
        r#"(func (export "in") (param i32 (ref null $v)))"#,
        r#"(func $in (param funcref)) (global (export "g") funcref (ref.func $in))"#,
        r#"(global (export "g") (mut funcref) (ref.null func))"#,
        r#"(table (export "t") 1 funcref)"#,
        r#"(tag (export "e") (param funcref))"#,
        r#"(type $s (struct (field funcref))) (func (export "in") (param anyref))"#,
    ] {
        expect(&format!("{caller} {in_by}"), "f a");
    }
    for imported in [
        r#"(import "k" "g" (global funcref))"#,
        r#"(import "k" "t" (table 1 funcref))"#,
        r#"(import "k" "e" (tag (param (ref func))))"#,
        r#"(import "k" "out" (func (result i32 funcref)))"#,
    ] {
        expect(&format!("{imported} {caller}"), "f a");
    }
    for no_way in [
        "",
        r#"(func (export "in") (param i32 externref) (result funcref) (ref.null func))"#,
        r#"(func $in (param funcref))"#,
        r#"(global (export "g") funcref (ref.null func))"#,
        r#"(table 1 funcref)"#,
        r#"(func (export "in") (param anyref))"#,
    ] {
        expect(&format!("{caller} {no_way}"), "f");
    }
}

#[test]
fn a_reference_that_no_instruction_reads_is_not_taken() {
    for held in [
        "(elem func $f)",
        "(table 1 funcref (ref.func $f))",
        "(table 1 funcref) (elem (i32.const 0) $f)",
    ] {
        expect(
            &format!(
                "{held} (type $v (func)) (func $f (call $fork))
                (func $a (param (ref $v)) (call_ref $v (local.get 0)))"
            ),
            "f",
        );
    }
}

#[test]
fn a_declaration_or_dead_code_takes_no_reference() {
    expect(
        "(type $v (func)) (elem declare func $f)
        (func $f (call $fork))
        (func $x (return) (drop (ref.func $f)))
        (func $a (param (ref $v)) (call_ref $v (local.get 0)))",
        "f",
    );
}

#[test]
fn tail_calls_of_references_and_tables() {
    expect(
        "(type $v (func)) (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (export \"f\") (call $fork))
        (func $a (export \"a\") (param (ref $v)) (return_call_ref $v (local.get 0)))
        (func $b (return_call_indirect (i32.const 0)))",
        "f a b",
    );
}

#[test]
fn a_subtype_is_a_target_of_its_supertype() {
    expect(
        "(type $top (sub (func (result anyref))))
        (type $mid (sub $top (func (result eqref))))
        (type $low (sub $mid (func (result i31ref))))
        (table 2 funcref) (elem (i32.const 0) $f $g) (export \"f\" (func $f))
        (func $f (type $mid) (call $fork) (ref.null none))
        (func $g (type $top) (ref.null none))
        (func $top_t (drop (call_indirect (type $top) (i32.const 0))))
        (func $mid_t (drop (call_indirect (type $mid) (i32.const 0))))
        (func $low_t (drop (call_indirect (type $low) (i32.const 0))))
        (func $any_t (param i32) (drop (call_indirect (type $top) (local.get 0))))
        (func $any_l (param i32) (drop (call_indirect (type $low) (local.get 0))))
        (func $top_r (export \"r\") (param (ref $top)) (drop (call_ref $top (local.get 0))))
        (func $mid_r (param (ref $mid)) (drop (call_ref $mid (local.get 0))))
        (func $low_r (param (ref $low)) (drop (call_ref $low (local.get 0))))",
        "f top_t mid_t any_t top_r mid_r",
    );
}

#[test]
fn equal_types_have_different_indices() {
    expect(
        "(type $a (func (param i32))) (type $b (func (param i32)))
        (rec (type $c (func (param i32))) (type (struct)))
        (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (type $a) (call $fork))
        (func $same (call_indirect (type $b) (i32.const 0) (i32.const 0)))
        (func $other (call_indirect (type $c) (i32.const 0) (i32.const 0)))",
        "f same",
    );
}

#[test]
fn equal_recursion_groups_are_one_type() {
    expect(
        "(rec (type $a (func (param (ref null $x)))) (type $x (struct)))
        (rec (type $b (func (param (ref null $y)))) (type $y (struct)))
        (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (type $a) (call $fork))
        (func $same (call_indirect (type $b) (ref.null none) (i32.const 0)))",
        "f same",
    );
}

#[test]
fn a_chain_of_function_pointers_has_no_bound() {
    expect(
        "(type $t0 (func)) (type $t1 (func (param i32))) (type $t2 (func (param i64)))
        (type $t3 (func (param f32)))
        (table 8 funcref) (elem (i32.const 0) $f0 $f1 $f2 $f3)
        (func $f0 (type $t0) (call $fork))
        (func $f1 (type $t1) (call_indirect (type $t0) (local.get 0)))
        (func $f2 (type $t2) (call_indirect (type $t1) (i32.const 0) (i32.wrap_i64 (local.get 0))))
        (func $f3 (type $t3) (call_indirect (type $t2) (i64.const 0) (i32.load (i32.const 0))))
        (memory (export \"m\") 1)",
        "f0 f1 f2 f3",
    );
}

/// What the host gives for an import may be of a subtype, and calls check what it is.
#[test]
fn an_import_is_a_target_of_subtypes_too() {
    let types = "(type $top (sub (func))) (type $low (sub $top (func)))
        (type $other (sub $top (func))) (type $final (func))";
    let calls = "(table 2 funcref) (elem (i32.const 0) $target) (elem declare func $target)
        (func $a (call_indirect (type $low) (i32.const 0)))
        (func $b (param i32) (call_indirect (type $low) (local.get 0)))
        (func $c (call_ref $low (ref.cast (ref $low) (ref.func $target))))
        (func $d (param (ref $low)) (call_ref $low (local.get 0)))
        (func $e (param i32 (ref $other)) (call_indirect (type $other) (local.get 0)))
        (func $f (call_indirect (type $top) (i32.const 0)))
        (func $g (call_indirect (type $final) (i32.const 0)))";
    let import =
        format!("(module {types} (import \"k\" \"fork\" (func $target (type $top))) {calls})");
    let without_entry = closure(&import)[1..].to_vec();
    assert_eq!(without_entry, ["a", "b", "c", "d", "e", "f"]);
    let defined = format!(
        "(module {types} (import \"k\" \"fork\" (func $fork))
        (func $target (type $top) (call $fork)) {calls})"
    );
    assert_eq!(closure(&defined), ["target", "f"]);
}
