//! Where code went: for every fixture that can be instrumented or repaired, each instruction that is said to be somewhere in the
//! output is there, and each of the output that is said to be the input's is that.
//!
//! Not proved here: that nothing is said to be gone that is still there, but for functions that are left alone.

use crate::fixtures::golden::{Fixture, run_group};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_fork::shim::{Mechanism, ShimOptions};
use wasm_fork::{OffsetMap, Optimize, Options};
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

/// Whether an instruction may have become another, by their names.
type MayBecome = fn(&str, &str) -> bool;

fn may_become(old: &str, new: &str) -> bool {
    let plain = old.strip_prefix("Return").unwrap_or(old);
    // The last `end` of a body is where begins what leads out of it.
    let is_way_out = old == "End" && ["Return", "End"].contains(&new);
    old == new || plain == new || is_way_out || (old, new) == ("LocalTee", "LocalSet")
}

/// The same where indirect calls are repaired, and what writes to tables writes to further ones.
fn may_be_repaired(old: &str, new: &str) -> bool {
    match old {
        "CallIndirect" => ["CallIndirect", "LocalSet", "Call"].contains(&new),
        "ReturnCallIndirect" => ["ReturnCallIndirect", "LocalSet", "ReturnCall"].contains(&new),
        "TableSet" => ["TableSet", "RefFunc", "Call"].contains(&new),
        "TableGrow" | "TableFill" | "TableCopy" | "TableInit" => old == new || new == "Call",
        _ => old == new,
    }
}

/// How many instructions were found, of how many.
#[derive(Default)]
struct Count {
    found: AtomicUsize,
    all: AtomicUsize,
}

impl Count {
    /// Looks for each instruction of the input in the output, and the other way round.
    fn check(
        &self,
        input: &[u8],
        (output, offsets): (&[u8], &OffsetMap),
        may_become: MayBecome,
    ) -> Result<(), String> {
        let (before, after) = (instructions(input), instructions(output));
        self.all.fetch_add(before.len(), Relaxed);
        for (old, name) in &before {
            let Some(new) = offsets.new_offset(*old) else { continue };
            let became =
                after.get(&new).ok_or(format!("{name} at {old:#x} went to {new:#x}: nothing"))?;
            if !may_become(name, became) {
                return Err(format!("{name} at {old:#x} became {became} at {new:#x}"));
            }
            assert_eq!(offsets.old_offset(new), Some(*old));
            self.found.fetch_add(1, Relaxed);
        }
        for (new, name) in &after {
            let Some(old) = offsets.old_offset(*new) else { continue };
            let was =
                before.get(&old).ok_or(format!("{name} at {new:#x} was {old:#x}: nothing"))?;
            if !may_become(was, name) {
                return Err(format!("{name} at {new:#x} was {was} at {old:#x}"));
            }
        }
        Ok(())
    }
}

/// The fixture's module, as binary.
fn input(fixture: &Fixture) -> Result<Vec<u8>, String> {
    let input = fixture.directives.input(&fixture.text)?;
    let binary = wat::parse_bytes(&input).map_err(|error| error.to_string())?;
    Ok(binary.into_owned())
}

#[test]
fn instructions_are_where_they_are_said_to_be() {
    let count = Count::default();
    run_group("run", |fixture| {
        if fixture.directives.stand_ins {
            return Ok(());
        }
        let input = input(fixture)?;
        Optimize::ALL.into_iter().try_for_each(|optimize| {
            let options = fixture.directives.options().optimize(optimize).map_offsets(true);
            let output = wasm_fork::instrument(&input, &options);
            let output = output.map_err(|error| error.to_string())?;
            count.check(&input, (&output.wasm, &output.offsets), may_become)
        })
    });
    // The others are dead, or hoisted, or were arguments that are made again.
    let (found, all) = (count.found.into_inner(), count.all.into_inner());
    assert!(found * 10 > all * 8, "{found} of {all}");
}

#[test]
fn a_repair_leaves_no_instruction_out() {
    let count = Count::default();
    run_group("shim", |fixture| {
        let input = input(fixture)?;
        [Mechanism::Table, Mechanism::RefTest].into_iter().try_for_each(|mechanism| {
            let options = fixture.directives.shims.options.clone();
            let options = options.mechanism(mechanism).map_offsets(true);
            match wasm_fork::shim(&input, &options) {
                Ok(output) => count.check(&input, (&output.wasm, &output.offsets), may_be_repaired),
                // What the fixture expects is not looked at here.
                Err(_) => Ok(()),
            }
        })
    });
    let (found, all) = (count.found.into_inner(), count.all.into_inner());
    assert!(found == all && all > 1000, "{found} of {all}");
}

/// A call that became several instructions is where the first of them is, and each call among them is from there.
#[test]
fn both_calls_of_a_repair_are_the_one_that_was_repaired() {
    let wat = r#"(module
        (type $unary (func (param i32)))
        (table (export "t") 2 funcref)
        (elem (i32.const 0) func $f)
        (func $f)
        (func $run (call_indirect (type $unary) (i32.const 0) (i32.const 0))))"#;
    let input = wat::parse_str(wat).unwrap();
    let options = ShimOptions::default().all_sites(true).map_offsets(true);
    for mechanism in [Mechanism::Table, Mechanism::RefTest] {
        let output = wasm_fork::shim(&input, &options.clone().mechanism(mechanism)).unwrap();
        let before = instructions(&input);
        let (call, _) = before.iter().find(|(_, name)| *name == "CallIndirect").unwrap();
        let after = instructions(&output.wasm).into_iter();
        let from = after.filter(|(new, _)| output.offsets.old_offset(*new) == Some(*call));
        let names: Vec<_> = from.map(|(_, name)| name).collect();
        assert_eq!(names, ["LocalSet", "CallIndirect", "Call"]);
    }
}

#[test]
fn a_module_without_a_repair_is_where_it_was() {
    let input = wat::parse_str("(module (func))").unwrap();
    let output = wasm_fork::shim(&input, &ShimOptions::default()).unwrap();
    assert!((0..input.len()).all(|at| output.offsets.new_offset(at) == Some(at)));
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
    // The last `end` of the one that is rewritten is the way out of it.
    assert_eq!(moved.count(), instructions(&input).len());
}

#[test]
fn nothing_moves_in_a_module_that_is_left_alone() {
    let options = Options::default().allow_missing_entry(true);
    let input = wat::parse_str("(module (func))").unwrap();
    let output = wasm_fork::instrument(&input, &options).unwrap();
    assert!((0..input.len()).all(|at| output.offsets.new_offset(at) == Some(at)));
    assert_eq!(output.offsets.new_offset(input.len()), None);
}
