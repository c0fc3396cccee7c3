//! Which values the operands that choose a target can have.

use super::expect;

/// A table with `fork` below slot 1 only (`$f`); 0, 2 and 3 hold `$g`.
const TABLE: &str =
    "(memory (export \"m\") 1) (table $t 4 funcref) (elem (i32.const 0) $g $f $g $g)
    (global $one i32 (i32.const 1)) (global $two i32 (i32.const 2))
    (global $var (mut i32) (i32.const 2))
    (func $f (call $fork)) (func $g)";

/// `$a` runs `code`, which calls through the table; `reached` says whether slot 1 can be called.
#[track_caller]
fn index(code: &str, reached: bool) {
    let names = if reached { "f a" } else { "f" };
    expect(
        &format!(
            "{TABLE} (func $a (export \"a\") (param $p i32) (param $q i32) (local $l i32) {code})"
        ),
        names,
    );
}

#[test]
fn arithmetic_of_constants() {
    index("(call_indirect (i32.mul (i32.const 3) (i32.const 1)))", false);
    index("(call_indirect (i32.shl (i32.const 1) (i32.const 1)))", false);
    index("(call_indirect (i32.shr_u (i32.const 2) (i32.const 1)))", true);
    index("(call_indirect (i32.shr_s (i32.const -1) (i32.const 31)))", false);
    index("(call_indirect (i32.or (i32.const 2) (i32.const 1)))", false);
    index("(call_indirect (i32.and (i32.const 5) (i32.const 3)))", true);
    index("(call_indirect (i32.xor (i32.const 3) (i32.const 2)))", true);
    index("(call_indirect (i32.sub (i32.const 0) (i32.const 1)))", false);
    index("(call_indirect (i32.wrap_i64 (i64.add (i64.const 1) (i64.const 1))))", false);
    index("(call_indirect (i32.wrap_i64 (i64.const 0x1_0000_0001)))", true);
}

#[test]
fn globals() {
    index("(call_indirect (global.get $one))", true);
    index("(call_indirect (global.get $two))", false);
    index("(call_indirect (i32.add (global.get $two) (i32.const 1)))", false);
    index("(call_indirect (global.get $var))", true);
}

#[test]
fn masks_bound_what_is_unknown() {
    index("(call_indirect (i32.and (local.get $p) (i32.const 3)))", true);
    index("(call_indirect (i32.and (local.get $p) (i32.const 2)))", false);
    index("(call_indirect (i32.and (i32.const 2) (i32.load (i32.const 0))))", false);
    index("(call_indirect (i32.add (i32.and (local.get $p) (i32.const 1)) (i32.const 2)))", false);
    index("(call_indirect (i32.shl (i32.and (local.get $p) (i32.const 1)) (i32.const 1)))", false);
    index("(call_indirect (i32.rem_u (local.get $p) (i32.const 2)))", true);
    index(
        "(call_indirect (i32.add (i32.rem_u (local.get $p) (i32.const 2)) (i32.const 2)))",
        false,
    );
    index("(call_indirect (i32.shl (i32.eqz (local.get $p)) (i32.const 1)))", false);
}

#[test]
fn select_is_either() {
    index("(call_indirect (select (i32.const 0) (i32.const 2) (local.get $p)))", false);
    index("(call_indirect (select (i32.const 0) (i32.const 1) (local.get $p)))", true);
    index("(call_indirect (select (result i32) (i32.const 1) (i32.const 0) (local.get $p)))", true);
}

#[test]
fn branches_join() {
    index(
        "(if (local.get $p) (then (local.set $l (i32.const 2))) (else (local.set $l (i32.const 3))))
        (call_indirect (local.get $l))",
        false,
    );
    index(
        "(if (local.get $p) (then (local.set $l (i32.const 2))) (else (local.set $l (i32.const 1))))
        (call_indirect (local.get $l))",
        true,
    );
    index(
        "(call_indirect (if (result i32) (local.get $p) (then (i32.const 2)) (else (i32.const 3))))",
        false,
    );
    index(
        "(call_indirect (block (result i32)
            (drop (br_if 0 (i32.const 1) (local.get $p))) (i32.const 2)))",
        true,
    );
    index(
        "(call_indirect (block (result i32)
            (drop (br_if 0 (i32.const 3) (local.get $p))) (i32.const 2)))",
        false,
    );
    // The arm that never ends adds nothing.
    index(
        "(local.set $l (i32.const 1))
        (if (local.get $p) (then (unreachable)) (else (local.set $l (i32.const 2))))
        (call_indirect (local.get $l))",
        false,
    );
}

#[test]
fn an_if_without_else_keeps_the_old_value() {
    index(
        "(local.set $l (i32.const 2))
        (if (local.get $p) (then (local.set $l (i32.const 3)))) (call_indirect (local.get $l))",
        false,
    );
    index(
        "(local.set $l (i32.const 1))
        (if (local.get $p) (then (local.set $l (i32.const 3)))) (call_indirect (local.get $l))",
        true,
    );
}

#[test]
fn branch_tables_reach_each_label() {
    index(
        "(local.set $l (i32.const 1))
        (block (block (block (br_table 0 1 2 (local.get $p)))
            (local.set $l (i32.const 2)) (br 1))
            (local.set $l (i32.const 3)) (br 0))
        (call_indirect (local.get $l))",
        true,
    );
    index(
        "(block (block (block (br_table 0 1 (local.get $p)))
            (local.set $l (i32.const 2)) (br 1))
            (local.set $l (i32.const 3)) (br 0))
        (call_indirect (local.get $l))",
        false,
    );
}

#[test]
fn loops_carry_values_back() {
    index(
        "(local.set $l (i32.const 0))
        (loop (call_indirect (local.get $l)) (local.set $l (i32.const 2)) (br_if 0 (local.get $p)))",
        false,
    );
    index(
        "(local.set $l (i32.const 0))
        (loop (call_indirect (local.get $l)) (local.set $l (i32.const 1)) (br_if 0 (local.get $p)))",
        true,
    );
    // What counts up becomes anything.
    index(
        "(local.set $l (i32.const 2))
        (loop (call_indirect (local.get $l))
            (local.set $l (i32.add (local.get $l) (i32.const 7))) (br_if 0 (local.get $p)))",
        true,
    );
    // A value that moves on from local to local, one a turn.
    index(
        "(local $m i32) (local $n i32) (local $o i32)
        (local.set $l (i32.const 2)) (local.set $m (i32.const 2)) (local.set $n (i32.const 2))
        (local.set $o (i32.const 2))
        (loop (call_indirect (local.get $l))
            (local.set $l (local.get $m)) (local.set $m (local.get $n))
            (local.set $n (local.get $o)) (local.set $o (i32.const 1)) (br_if 0 (local.get $p)))",
        true,
    );
    // Nested loops, and a branch to the outer one.
    index(
        "(local.set $l (i32.const 2))
        (loop $x (loop $y (call_indirect (local.get $l))
            (br_if $y (local.get $p)) (local.set $l (i32.const 1)) (br_if $x (local.get $q))))",
        true,
    );
}

#[test]
fn loop_parameters_are_carried_back() {
    let code = |back: u32| {
        format!(
            "(i32.const 0) (loop (param i32) (local.set $l) (call_indirect (local.get $l))
            (i32.const {back}) (br_if 0 (local.get $p)) (drop))"
        )
    };
    index(&code(2), false);
    index(&code(1), true);
}

#[test]
fn a_deep_chain_of_loops_still_ends() {
    let mut code = String::from("(local.set $l (i32.const 2))");
    for _ in 0..40 {
        code.push_str("(loop (local.set $q (i32.add (local.get $q) (local.get $l)))");
    }
    code.push_str("(call_indirect (local.get $l))");
    for _ in 0..40 {
        code.push_str("(br_if 0 (local.get $p)))");
    }
    index(&code, false);
}

#[test]
fn handlers_know_nothing() {
    index(
        "(local.set $l (i32.const 2))
        (block $h (try_table (catch_all $h) (local.set $l (i32.const 1)) (call $g)
            (local.set $l (i32.const 2))))
        (call_indirect (local.get $l))",
        true,
    );
    index(
        "(local.set $l (i32.const 2))
        try i32.const 1 local.set $l call $g i32.const 2 local.set $l catch_all end
        (call_indirect (local.get $l))",
        true,
    );
    index(
        "(local.set $l (i32.const 2))
        (try_table (call $g)) (call_indirect (local.get $l))",
        false,
    );
}

#[test]
fn the_last_assignment_counts() {
    index("(local.set $p (i32.const 2)) (call_indirect (local.get $p))", false);
    index("(local.set $p (local.get $q)) (call_indirect (local.get $p))", true);
    index("(call_indirect (local.tee $l (i32.const 1))) (local.set $l (i32.const 2))", true);
}

#[test]
fn operands_below_a_block_stay() {
    index(
        "(i32.const 2) (block (br_if 0 (local.get $p)) (drop (i32.const 1))) (call_indirect)",
        false,
    );
    index("(i32.const 1) (block (br 0)) (call_indirect)", true);
}

#[test]
fn parameters_join_over_direct_calls() {
    let calls = |args: &str, names: &str| {
        let calls: String = args.split(' ').map(|n| format!("(call $a (i32.const {n}))")).collect();
        expect(
            &format!(
                "{TABLE} (func $a (param i32) (call_indirect (local.get 0))) (func $b {calls})"
            ),
            names,
        );
    };
    calls("0 2 3", "f");
    calls("0 1", "f a b");
}

#[test]
fn parameters_are_unknown_when_others_call() {
    for how in [
        "(export \"a\" (func $a))",
        "(elem declare func $a) (func $x (drop (ref.func $a)))",
        "(table 1 funcref) (elem (table 1) (i32.const 0) func $a)",
        "(global funcref (ref.func $a))",
    ] {
        expect(
            &format!(
                "{TABLE} (func $a (param i32) (call_indirect (local.get 0)))
                (func $b (call $a (i32.const 2))) {how}"
            ),
            "f a b",
        );
    }
}

#[test]
fn parameters_pass_through_several_functions() {
    let chain = |first: u32, names: &str| {
        expect(
            &format!(
                "{TABLE} (func $a (param i32) (call_indirect (local.get 0)))
                (func $b (param i64 i32) (call $a (local.get 1)))
                (func $c (param i32) (return_call $b (i64.const 1) (local.get 0)))
                (func $d (call $c (i32.const {first})) (call $c (i32.const 0)))"
            ),
            names,
        );
    };
    chain(2, "f");
    chain(1, "f a b c d");
}

#[test]
fn recursion_adds_nothing_of_its_own() {
    let recursive = |step: &str, names: &str| {
        expect(
            &format!(
                "{TABLE} (func $a (param i32) (call_indirect (local.get 0)) (call $a {step}))
                (func $b (call $a (i32.const 2)))"
            ),
            names,
        );
    };
    recursive("(local.get 0)", "f");
    recursive("(i32.const 3)", "f");
    recursive("(i32.const 1)", "f a b");
    recursive("(i32.add (local.get 0) (i32.const 1))", "f a b");
}

#[test]
fn results_join_over_returns() {
    let result = |code: &str, names: &str| {
        expect(
            &format!(
                "(import \"e\" \"n\" (func $n (result i32))) {TABLE}
                (func $r (param i32) (result i32) {code})
                (func $a (call_indirect (call $r (i32.const 0))))"
            ),
            names,
        );
    };
    result("(i32.const 2)", "f");
    result("(i32.const 1)", "f a");
    result("(if (local.get 0) (then (return (i32.const 3)))) (i32.const 2)", "f");
    result("(if (local.get 0) (then (return (i32.const 1)))) (i32.const 2)", "f a");
    result("(drop (br_if 0 (i32.const 1) (local.get 0))) (i32.const 2)", "f a");
    result("(br_table 0 0 (i32.const 3) (local.get 0))", "f");
    result("(local.get 0)", "f");
    result("(return_call $r (i32.const 2))", "f a");
    result("(if (local.get 0) (then (return_call $r (i32.const 3)))) (i32.const 2)", "f");
    result("(call $n)", "f a");
    result("(return_call $n)", "f a");
    result("(i32.load (i32.const 0))", "f a");
    result("(block $h (try_table (catch_all $h) (return (i32.const 2)))) (i32.const 1)", "f a");
}

#[test]
fn references_through_locals_and_casts() {
    let reference = |code: &str, reached: bool| {
        let names = if reached { "f a" } else { "f" };
        expect(
            &format!(
                "(type $v (func)) (elem declare func $f $g)
                (func $f (call $fork)) (func $g) (func $keep (drop (ref.func $f)))
                (func $a (param $p i32) (param $r (ref null $v)) (local $l (ref null $v)) {code})"
            ),
            names,
        );
    };
    reference("(call_ref $v (ref.func $g))", false);
    reference("(call_ref $v (ref.func $f))", true);
    reference("(local.set $l (ref.func $g)) (call_ref $v (local.get $l))", false);
    reference("(call_ref $v (ref.as_non_null (local.tee $l (ref.func $g))))", false);
    // It is null, so the call traps.
    reference("(call_ref $v (local.get $l))", false);
    reference("(call_ref $v (ref.cast (ref $v) (ref.func $g)))", false);
    reference(
        "(call_ref $v (select (result (ref $v)) (ref.func $g) (ref.func $f) (local.get $p)))",
        true,
    );
    reference("(call_ref $v (local.get $r))", true);
    reference("(block $n (call_ref $v (br_on_null $n (local.tee $l (ref.func $g)))))", false);
    reference(
        "(call_ref $v (block $n (result (ref $v)) (br_on_non_null $n (ref.func $g)) (unreachable)))",
        false,
    );
}

#[test]
fn references_through_parameters() {
    let passed = |func: &str, names: &str| {
        expect(
            &format!(
                "(type $v (func)) (elem declare func $f $g)
                (func $f (call $fork)) (func $g) (func $keep (drop (ref.func $f)))
                (func $a (param (ref $v)) (call_ref $v (local.get 0)))
                (func $b (call $a (ref.func {func})))"
            ),
            names,
        );
    };
    passed("$g", "f");
    passed("$f", "f a b");
}

#[test]
fn writes_to_tables_are_followed() {
    let written = |write: &str, names: &str| {
        expect(
            &format!(
                "(table $t 4 funcref) (elem (i32.const 2) $g) (elem $e funcref (ref.func $f))
                (elem $h func $g) (table $u 4 funcref) (elem (table $u) (i32.const 0) func $f)
                (elem declare func $f $g)
                (func $f (call $fork)) (func $g) (func $w (export \"w\") (param $p i32) {write})
                (func $a (call_indirect $t (i32.const 0)))
                (func $b (call_indirect $t (i32.const 2)))
                (func $c (param i32) (call_indirect $t (local.get 0)))"
            ),
            names,
        );
    };
    written("(table.set $t (i32.const 0) (ref.func $f))", "f a c");
    written("(table.set $t (i32.const 2) (ref.func $f))", "f b c");
    written("(table.set $t (local.get $p) (ref.func $f))", "f a b c");
    written("(table.set $t (i32.and (local.get $p) (i32.const 1)) (ref.func $f))", "f a c");
    written("(table.set $t (local.get $p) (ref.func $g))", "f");
    written("(table.set $t (local.get $p) (ref.null func))", "f");
    written("(table.fill $t (local.get $p) (ref.func $g) (local.get $p))", "f");
    written("(table.fill $t (local.get $p) (ref.func $f) (local.get $p))", "f a b c");
    written("(drop (table.grow $t (ref.null func) (local.get $p)))", "f");
    written("(drop (table.grow $t (ref.func $f) (local.get $p)))", "f a b c");
    written("(table.init $t $h (i32.const 0) (i32.const 0) (i32.const 1))", "f");
    written("(table.fill $t (i32.const 1) (ref.func $f) (i32.const 2))", "f b c");
    written("(table.fill $t (i32.const 0) (ref.func $f) (i32.const 2))", "f a c");
    written("(table.fill $t (i32.const 0) (ref.func $f) (i32.const 0))", "f");
    written("(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))", "f a c");
    written("(table.init $t $e (i32.const 2) (i32.const 0) (i32.const 1))", "f b c");
    written("(table.init $t $e (i32.const 0) (i32.const 1) (i32.const 1))", "f");
    written("(table.init $t $e (i32.const 0) (i32.const 0) (local.get $p))", "f a b c");
    written("(table.init $t $e (local.get $p) (i32.const 0) (i32.const 1))", "f a b c");
    written("(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 1))", "f a c");
    written("(table.copy $t $u (i32.const 1) (i32.const 0) (i32.const 2))", "f c");
    written("(table.copy $t $u (i32.const 0) (i32.const 1) (i32.const 3))", "f");
    written("(table.copy $t $u (local.get $p) (i32.const 0) (i32.const 1))", "f a b c");
    written("(table.copy $t $u (i32.const 0) (i32.const 0) (local.get $p))", "f a b c");
    written("(table.copy $t $t (i32.const 2) (i32.const 3) (i32.const 1))", "f");
    written(
        "(table.set $u (i32.const 1) (ref.func $f))
        (table.copy $t $u (i32.const 2) (i32.and (local.get $p) (i32.const 1)) (i32.const 1))",
        "f b c",
    );
    // What was copied once is copied on.
    written(
        "(table.copy $t $t (i32.const 2) (i32.const 1) (i32.const 1))
        (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 1))
        (table.set $t (i32.const 0) (ref.func $f))",
        "f a b c",
    );
    written(
        "(table.copy $t $u (i32.const 2) (i32.const 1) (i32.const 1))
        (table.set $u (local.get $p) (ref.func $f))",
        "f a b c",
    );
    written("(table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 1))", "f");
    written("(table.set $t (i32.const 0) (table.get $u (i32.const 0)))", "f a c");
    written("(table.set $t (i32.const 0) (table.get $t (i32.const 2)))", "f");
}

#[test]
fn copies_of_copies() {
    expect(
        "(table $x 2 funcref) (table $y 2 funcref) (table $z 2 funcref)
        (elem (table $x) (i32.const 0) func $f)
        (func $f (call $fork))
        (func $w (table.copy $z $y (i32.const 0) (i32.const 0) (i32.const 1))
            (table.copy $y $x (i32.const 0) (i32.const 0) (i32.const 1)))
        (func $a (call_indirect $z (i32.const 0)))
        (func $b (call_indirect $z (param i32) (i32.const 0) (i32.const 0)))",
        "f a",
    );
}

#[test]
fn a_copy_from_what_the_host_sees_is_open() {
    expect(
        "(table $x (export \"x\") 2 funcref) (table $y 2 funcref)
        (func $f (export \"f\") (call $fork))
        (func $w (table.copy $y $x (i32.const 0) (i32.const 0) (i32.const 1)))
        (func $a (call_indirect $y (i32.const 0)))",
        "f a",
    );
}

#[test]
fn long_chains_of_copies_are_followed_table_by_table() {
    let copies = |count: u32| -> String {
        let copies = (0..count).rev().map(|i| {
            format!("(table.copy $t $t (i32.const {}) (i32.const {i}) (i32.const 1))", i + 1)
        });
        copies.collect()
    };
    for (count, names) in [(3, "f a b"), (30, "f a b c")] {
        expect(
            &format!(
                "(table $t 40 funcref) (elem (i32.const 0) $f) (func $f (call $fork))
                (func $a (call_indirect (i32.const 0))) (func $b (call_indirect (i32.const 3)))
                (func $c (call_indirect (i32.const 35))) (func $w {})",
                copies(count)
            ),
            names,
        );
    }
}
