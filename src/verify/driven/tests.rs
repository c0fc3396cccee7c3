//! Imports that became functions: what is accepted, and that nothing else is.

use super::*;

const BEFORE: &str = r#"(module
    (import "env" "a" (func $a (param i32)))
    (import "asyncify" "start_unwind" (func $start (param i32)))
    (import "env" "b" (func $b (param i32)))
    (import "asyncify" "stop_rewind" (func $stop))
    (import "env" "c" (func $c (param i32)))
    (memory 1)
    (table $t 3 funcref)
    (global $g funcref (ref.func $b))
    (elem (table $t) (i32.const 0) func $c $f $a)
    (elem funcref (item (ref.func $b)) (item (ref.null func)))
    (func $f (export "f") (param $x i32) (local $y i64)
        (call $a (local.get $x)) (call $start (i32.const 8)) (call $b (i32.const 2)) (call $stop)
        (drop (ref.func $b)))
    (func $s (call $f (i32.const 1)) (return_call $c (i32.const 3)))
    (export "b" (func $b))
    (data (i32.const 4) "x")
    (start $s))"#;

/// What it has to become.
fn after() -> String {
    let moved = r#"(func $start (param i32)) (func $stop)
    (func $f (export"#;
    BEFORE
        .replace(r#"(import "asyncify" "start_unwind" (func $start (param i32)))"#, "")
        .replace(r#"(import "asyncify" "stop_rewind" (func $stop))"#, "")
        .replacen("(func $f (export", moved, 1)
}

fn checked(after: &str, operations: &[(u32, Operation)]) -> Result<(), Fault> {
    let [before, after] = [BEFORE, after].map(|wat| wat::parse_str(wat).unwrap());
    let (before, after) = (Module::read(&before).unwrap(), Module::read(&after).unwrap());
    check(&before, &after, &operations.iter().copied().collect())
}

const RIGHT: [(u32, Operation); 2] = [(3, Operation::BeginUnwind), (4, Operation::EndRewind)];

#[test]
fn the_same_under_other_numbers_is_accepted() {
    checked(&after(), &RIGHT).unwrap();
}

#[test]
fn any_other_number_is_rejected() {
    let changes = [
        ("(call $a (local.get $x))", "(call $b (local.get $x))"),
        ("(call $start (i32.const 8))", "(call $a (i32.const 8))"),
        ("(call $b (i32.const 2))", "(call $start (i32.const 2))"),
        ("(return_call $c (i32.const 3))", "(return_call $b (i32.const 3))"),
        ("(return_call $c (i32.const 3))", "(call $c (i32.const 3))"),
        ("(drop (ref.func $b))", "(drop (ref.func $c))"),
        ("(call $b (i32.const 2))", "(call $b (i32.const 4))"),
        ("(local $y i64)", "(local $y i32)"),
        ("funcref (ref.func $b))", "funcref (ref.func $c))"),
        ("func $c $f $a", "func $a $f $c"),
        ("(table $t) (i32.const 0)", "(table $t) (i32.const 1)"),
        ("(item (ref.func $b))", "(item (ref.func $f))"),
        (r#"(export "b" (func $b))"#, r#"(export "b" (func $c))"#),
        (r#"(export "b" (func $b))"#, ""),
        ("(start $s)", "(start $stop)"),
        (r#"(import "env" "a""#, r#"(import "env" "b""#),
        ("(data (i32.const 4)", "(data (i32.const 5)"),
        ("(memory 1)", "(memory 2)"),
        ("(table $t 3 funcref)", "(table $t 4 funcref)"),
    ];
    for (from, to) in changes {
        let changed = after().replacen(from, to, 1);
        assert_ne!(changed, after(), "{from}");
        assert!(checked(&changed, &RIGHT).is_err(), "{to}");
    }
}

#[test]
fn the_functions_are_those_that_are_imported() {
    let swapped = [(3, Operation::EndRewind), (4, Operation::BeginUnwind)];
    assert!(checked(&after(), &swapped).is_err());
    assert!(checked(&after(), &RIGHT[..1]).is_err());
    let elsewhere = [(4, Operation::BeginUnwind), (5, Operation::EndRewind)];
    assert!(checked(&after(), &elsewhere).is_err());
}

/// Functions and lines are where the code went, of what is there and of what comes in front of it.
#[test]
fn debug_information_follows() {
    use crate::read::lines::tests::dwarf::{SourceFunc, with_dwarf};
    let func =
        |name, line, body| SourceFunc { name, line, body: Some(body), ..SourceFunc::default() };
    for version in [3, 4, 5] {
        let before = wat::parse_str(BEFORE).unwrap();
        let before = with_dwarf(&before, version, &[func("f", 10, 0), func("s", 20, 1)]);
        let before = Module::read(&before).unwrap();
        let address = crate::abi::AddressType::I32;
        let driven = crate::rewrite::driven(&before, crate::Abi::Asyncify, address).unwrap();
        let (after, driven) = driven.unwrap();
        assert_eq!(driven.operations, RIGHT.into());
        let after = Module::read(&after).unwrap();
        check(&before, &after, &driven.operations).unwrap();
        let lines = |module: &Module<'_>| {
            let lines = module.lines().unwrap();
            let of_func = |func| {
                let operators = module.operators(func).unwrap().map(Result::unwrap);
                operators.map(|op| lines.at(op.start).map(|line| line.line)).collect::<Vec<_>>()
            };
            [FuncIdx(5), FuncIdx(6)].map(of_func)
        };
        assert_eq!(lines(&before), lines(&after));
        assert!(lines(&after)[0].contains(&Some(11)), "{:?}", lines(&after));
    }
}
