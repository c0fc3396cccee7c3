//! Where code went: for every fixture that can be instrumented, each instruction that is said to be somewhere in the
//! output is there, and each of the output that is said to be the input's is that.
//!
//! Not proved here: that nothing is said to be gone that is still there, but for functions that are left alone.

use crate::fixtures::golden::{Fixture, run_group};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_fork::{Optimize, Options};
use wasmparser::{Parser, Payload};

/// The instructions of all bodies by their offsets, each by its name.
fn instructions(wasm: &[u8]) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        for operator in body.get_operators_reader().unwrap().into_iter_with_offsets() {
            let (operator, offset) = operator.unwrap();
            let text = format!("{operator:?}");
            let name = text.split(|c: char| !c.is_alphanumeric()).next();
            found.insert(offset as usize, name.unwrap_or_default().into());
        }
    }
    found
}

/// What an instruction may have become.
fn may_become(old: &str, new: &str) -> bool {
    let plain = old.strip_prefix("Return").unwrap_or(old);
    old == new || plain == new || (old, new) == ("LocalTee", "LocalSet")
}

/// How many instructions were found, of how many.
#[derive(Default)]
struct Count {
    found: AtomicUsize,
    all: AtomicUsize,
}

fn check(fixture: &Fixture, optimize: Optimize, count: &Count) -> Result<(), String> {
    let input = fixture.directives.input(&fixture.text)?;
    let input = wat::parse_bytes(&input).map_err(|error| error.to_string())?;
    let options = fixture.directives.options().optimize(optimize).map_offsets(true);
    let output = wasm_fork::instrument(&input, &options).map_err(|error| error.to_string())?;
    let (before, after) = (instructions(&input), instructions(&output.wasm));
    count.all.fetch_add(before.len(), Relaxed);
    for (old, name) in &before {
        let Some(new) = output.offsets.new_offset(*old) else { continue };
        let became =
            after.get(&new).ok_or(format!("{name} at {old:#x} went to {new:#x}: nothing"))?;
        if !may_become(name, became) {
            return Err(format!("{name} at {old:#x} became {became} at {new:#x}"));
        }
        assert_eq!(output.offsets.old_offset(new), Some(*old));
        count.found.fetch_add(1, Relaxed);
    }
    for (new, name) in &after {
        let Some(old) = output.offsets.old_offset(*new) else { continue };
        let was = before.get(&old).ok_or(format!("{name} at {new:#x} was {old:#x}: nothing"))?;
        if !may_become(was, name) {
            return Err(format!("{name} at {new:#x} was {was} at {old:#x}"));
        }
    }
    Ok(())
}

#[test]
fn instructions_are_where_they_are_said_to_be() {
    let count = Count::default();
    run_group("run", |fixture| {
        Optimize::ALL.into_iter().try_for_each(|optimize| check(fixture, optimize, &count))
    });
    // The others are dead, or hoisted, or were arguments that are made again.
    let (found, all) = (count.found.into_inner(), count.all.into_inner());
    assert!(found * 10 > all * 8, "{found} of {all}");
}

#[test]
fn what_is_not_rewritten_has_only_moved() {
    let wat = r#"(module
        (import "env" "fork" (func $fork))
        (memory 1)
        (func (export "a") (i32.store (i32.const 8) (i32.const 9)))
        (func (export "run") (call $fork) (i32.store (i32.const 8) (i32.const 9)))
        (func (export "b") (i32.store (i32.const 8) (i32.const 9))))"#;
    let input = wat::parse_str(wat).unwrap();
    let entry = wasm_fork::EntryPattern::exact("env", "fork");
    let options = Options::default().entries([entry]).map_offsets(true);
    let output = wasm_fork::instrument(&input, &options).unwrap();
    let moved = instructions(&input).into_keys().filter_map(|old| output.offsets.new_offset(old));
    // Of the sixteen instructions, the last `end` of the one that is rewritten is gone.
    assert_eq!(moved.count(), instructions(&input).len() - 1);
}

#[test]
fn nothing_moves_in_a_module_that_is_left_alone() {
    let options = Options::default().allow_missing_entry(true);
    let input = wat::parse_str("(module (func))").unwrap();
    let output = wasm_fork::instrument(&input, &options).unwrap();
    assert!((0..input.len()).all(|at| output.offsets.new_offset(at) == Some(at)));
    assert_eq!(output.offsets.new_offset(input.len()), None);
}
