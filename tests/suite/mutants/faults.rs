//! The faults: each changes one thing in a written module, and must change what it means. What would change nothing is not made.

use super::edit::{At, Body, Edit, Written, indexed, signed};
use super::exits::{AT_END, Exits};
use super::facts::{Facts, caught_before};
use wasmparser::Operator as O;

const UNREACHABLE: u8 = 0x00;
const NOP: u8 = 0x01;
const CALL: u8 = 0x10;
const BR_IF: u8 = 0x0d;
const BR_TABLE: u8 = 0x0e;
const THROW: u8 = 0x08;
const RETURN: u8 = 0x0f;
const DROP: u8 = 0x1a;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const I32_CONST: u8 = 0x41;
const I64_CONST: u8 = 0x42;
const I32_EQZ: u8 = 0x45;

/// A fault: its name, the body that it is in, and the bytes that it changes.
pub type Fault<'b, 'a> = (&'static str, &'b Body<'a>, Vec<Edit>);

/// All faults in bodies: of functions for which `is_checked`, and of what was appended.
pub fn in_bodies<'b, 'a>(
    module: &'b Written<'a>,
    facts: &Facts,
    is_checked: impl Fn(u32) -> bool,
) -> Vec<Fault<'b, 'a>> {
    let mut faults = Vec::new();
    for body in module.bodies.iter().filter(|body| is_checked(body.func)) {
        let exits = Exits::of(facts, body);
        let (ordinals, holds) = (ordinals(facts, body), facts.holds_unwinds(body));
        for at in 0..body.operators.len() {
            let here = Here { facts, body, at, exits: &exits, ordinals: &ordinals };
            let mut add = |name, edits| faults.push((name, body, edits));
            if facts.helper(body.func).is_some() {
                if facts.is_called(body.func) {
                    here.in_helper(&mut add);
                }
            } else {
                here.of_site(&mut add);
                if !holds {
                    here.of_frame(&mut add);
                    here.of_taking(&mut add);
                }
                here.of_rewind(&mut add);
                here.of_program(&mut add);
            }
        }
    }
    faults
}

/// The ordinals of the sites in a body.
fn ordinals(facts: &Facts, body: &Body<'_>) -> Vec<i32> {
    let tests = body.operators.windows(4).filter_map(|four| match four {
        [ordinal, state, test, drop] if is_test(facts, [state, test, drop]) => {
            match ordinal.operator {
                O::I32Const { value } => Some(value),
                _ => None,
            }
        }
        _ => None,
    });
    tests.collect()
}

fn is_state(facts: &Facts, at: &At<'_>) -> bool {
    at.operator == O::GlobalGet { global_index: facts.state }
}

fn is_test(facts: &Facts, [state, test, drop]: [&At<'_>; 3]) -> bool {
    is_state(facts, state) && matches!(test.operator, O::BrIf { .. }) && drop.operator == O::Drop
}

fn replaced(at: &At<'_>, bytes: Vec<u8>) -> Edit {
    (at.range.clone(), bytes)
}

fn i32_const(value: i32) -> Vec<u8> {
    [vec![I32_CONST], signed(value.into())].concat()
}

fn i64_const(value: i64) -> Vec<u8> {
    [vec![I64_CONST], signed(value)].concat()
}

/// A constant with another value, of whichever type.
fn moved(at: &At<'_>, by: i64) -> Option<Vec<u8>> {
    match at.operator {
        O::I32Const { value } => Some(i32_const(value.wrapping_add(by as i32))),
        O::I64Const { value } => Some(i64_const(value.wrapping_add(by))),
        _ => None,
    }
}

fn called(at: &At<'_>) -> Option<u32> {
    match at.operator {
        O::Call { function_index } => Some(function_index),
        _ => None,
    }
}

/// An operator of a body, with those behind it.
struct Here<'h, 'b, 'a> {
    facts: &'h Facts,
    body: &'b Body<'a>,
    at: usize,
    exits: &'h Exits,
    ordinals: &'h [i32],
}

impl<'b, 'a> Here<'_, 'b, 'a> {
    fn rest(&self) -> &'b [At<'a>] {
        &self.body.operators[self.at..]
    }

    /// Whether an operator calls a helper whose name begins so.
    fn calls(&self, at: &At<'_>, prefix: &str) -> bool {
        called(at).is_some_and(|func| self.facts.is_helper(func, prefix))
    }

    /// Faults of the test behind a site.
    fn of_site(&self, add: &mut impl FnMut(&'static str, Vec<Edit>)) {
        let [ordinal, state, test, drop, ..] = self.rest() else { return };
        let (O::I32Const { value }, O::BrIf { relative_depth }) =
            (&ordinal.operator, &test.operator)
        else {
            return;
        };
        if !is_test(self.facts, [state, test, drop]) {
            return;
        }
        add("a test is missing", vec![replaced(test, vec![DROP])]);
        if let Some(other) = self.ordinals.iter().find(|other| *other != value) {
            let edits = vec![replaced(ordinal, i32_const(*other))];
            add("a site has another's number", edits);
        }
        for other in [relative_depth + 1, relative_depth.wrapping_sub(1)] {
            if self.exits.loses(self.body, self.at + 2, *relative_depth, other) {
                let edits = vec![replaced(test, indexed(BR_IF, other))];
                add("a chain is entered in the wrong place", edits);
            }
        }
    }

    /// Faults of saving: `const offset, local.get…, call save`, and the same with a mark where the frame ends.
    fn of_frame(&self, add: &mut impl FnMut(&'static str, Vec<Edit>)) {
        let rest = self.rest();
        let is_get = |at: &&At<'_>| matches!(at.operator, O::LocalGet { .. });
        let values: Vec<_> = rest[1..].iter().take_while(is_get).collect();
        let Some(call) = rest.get(1 + values.len()) else { return };
        let ends = self.calls(call, "seal") || self.calls(call, "save_last_");
        if let (O::I64Const { value }, true) = (&rest[0].operator, ends) {
            let (func, size) = (value ^ 1, value - (1 << 20));
            add("a frame names another function", vec![replaced(&rest[0], i64_const(func))]);
            add("a frame is too small", vec![replaced(&rest[0], i64_const(size))]);
            let next = rest.get(2 + values.len());
            if let Some(next) = next.filter(|next| matches!(next.operator, O::If { .. })) {
                let never = [vec![DROP], i32_const(0)].concat();
                let start = next.range.start;
                add("an undone unwind goes on", vec![(start..start, never)]);
                add("it is returned whether there was room", vec![(start..start, vec![RETURN])]);
            }
        }
        let saves = self.calls(call, "save_") && !self.calls(call, "save_last_");
        let local = |at: &At<'_>| match at.operator {
            O::LocalGet { local_index } => local_index,
            _ => 0,
        };
        let first = match rest[0].operator {
            O::I32Const { value } if !ends => i64::from(value),
            O::I64Const { value } if !ends => value,
            _ => AT_END,
        };
        let needed: Vec<_> = values
            .iter()
            .zip(0..)
            .map(|(at, n)| self.exits.is_needed(first.wrapping_add(n), local(at)))
            .collect();
        if saves && needed.contains(&true) && moved(&rest[0], 4).is_some() {
            add("a store is dropped", vec![replaced(call, vec![DROP; 1 + values.len()])]);
            let other = moved(&rest[0], 4).unwrap_or_default();
            add("a slot has another offset", vec![replaced(&rest[0], other)]);
        }
        if (!ends && !saves) || moved(&rest[0], 0).is_none() {
            return;
        }
        for (pair, needed) in values.windows(2).zip(needed.windows(2)) {
            let (first, second) = (local(pair[0]), local(pair[1]));
            let other = replaced(pair[0], indexed(LOCAL_GET, second));
            let swapped = vec![other.clone(), replaced(pair[1], indexed(LOCAL_GET, first))];
            if needed.contains(&true) {
                add("two slots are swapped", swapped);
            }
            if needed[0] {
                add("another value is saved", vec![other]);
            }
        }
    }

    /// Faults of taking a frame.
    fn of_taking(&self, add: &mut impl FnMut(&'static str, Vec<Edit>)) {
        let rest = self.rest();
        if let [func, take, ..] = rest
            && let O::I32Const { value } = func.operator
            && let Some(helper) = called(take)
            && (self.calls(take, "pop") || self.calls(take, "load_first_"))
        {
            let results = self.facts.types.get(&helper).map_or(1, |(_, results)| results.len());
            let end = take.range.end;
            let again = [vec![DROP; results], i32_const(value), indexed(CALL, helper)].concat();
            add("a frame is taken twice", vec![(end..end, again)]);
            let other = vec![replaced(func, i32_const(value ^ 1))];
            add("a frame is taken for another's", other);
            if results == 1 {
                let not = [vec![DROP], i32_const(1)].concat();
                add("a frame is not taken", vec![replaced(take, not)]);
            }
        }
        if let [load, first, second, ..] = rest
            && self.calls(load, "load_")
            && let (O::LocalSet { local_index: a }, O::LocalSet { local_index: b }) =
                (&first.operator, &second.operator)
            && a != b
            && [a, b].iter().any(|local| self.exits.is_local_needed(**local))
        {
            let first = replaced(first, indexed(LOCAL_SET, *b));
            let swapped = vec![first, replaced(second, indexed(LOCAL_SET, *a))];
            add("two slots are restored in the wrong order", swapped);
        }
    }

    /// Faults of rewinding.
    fn of_rewind(&self, add: &mut impl FnMut(&'static str, Vec<Edit>)) {
        let rest = self.rest();
        if let O::BrTable { targets } = &rest[0].operator {
            let mut depths: Vec<u32> = targets.targets().map(Result::unwrap).collect();
            depths.push(targets.default());
            let leads = |depth: &u32| self.exits.leads(self.at, *depth);
            let before: Vec<_> = depths.iter().map(leads).collect();
            depths.rotate_left(1);
            let after: Vec<_> = depths.iter().map(leads).collect();
            if before != after {
                let mut bytes = indexed(BR_TABLE, targets.len());
                depths.iter().for_each(|depth| bytes.extend(super::edit::leb(*depth as usize)));
                add("another site's landing", vec![replaced(&rest[0], bytes)]);
            }
        }
        if let [state, test, ..] = rest
            && is_state(self.facts, state)
            && matches!(test.operator, O::If { .. })
        {
            let end = state.range.end;
            add("the state is asked the wrong way round", vec![(end..end, vec![I32_EQZ])]);
        }
        if let [state, test, guard, ..] = rest
            && is_state(self.facts, state)
            && matches!(test.operator, O::If { .. })
            && self.calls(guard, "unprepared")
        {
            add("a guard is removed", vec![replaced(guard, vec![NOP])]);
        }
        if let Some(resume) = called(&rest[0]).filter(|func| self.facts.resumes.contains(func)) {
            let ty = self.facts.types.get(&resume);
            let mut others = self.facts.resumes.iter();
            let is_such = |other: &&u32| **other != resume && self.facts.types.get(other) == ty;
            if let Some(other) = others.find(is_such) {
                let edits = vec![replaced(&rest[0], indexed(CALL, *other))];
                add("a resume function of another function", edits);
            }
        }
    }

    /// Faults of what the program does.
    fn of_program(&self, add: &mut impl FnMut(&'static str, Vec<Edit>)) {
        let (rest, facts) = (self.rest(), self.facts);
        if let O::I32Store { .. } | O::I64Store { .. } = rest[0].operator {
            add("an instruction is left out", vec![replaced(&rest[0], vec![DROP, DROP])]);
        }
        let of_program = |func: u32| !facts.is_new(func) || facts.is_helper(func, "call ");
        if let Some(func) = called(&rest[0]).filter(|func| of_program(*func)) {
            let ty = facts.types.get(&func);
            if ty.is_some_and(|(params, results)| params.is_empty() && results.is_empty()) {
                let twice = indexed(CALL, func).repeat(2);
                add("an instruction runs twice", vec![replaced(&rest[0], twice)]);
            }
            let is_such =
                |other: &u32| *other != func && facts.types.get(other) == ty && of_program(*other);
            if let Some(other) = (0..facts.originals).find(is_such) {
                let edits = vec![replaced(&rest[0], indexed(CALL, other))];
                add("another function is called", edits);
            }
        }
        if let [
            O::I32Const { .. } | O::I64Const { .. },
            O::I32Store { .. } | O::I64Store { .. },
            ..,
        ] = rest.iter().take(2).map(|at| &at.operator).collect::<Vec<_>>()[..]
        {
            let other = moved(&rest[0], 1).unwrap_or_default();
            add("another value is stored", vec![replaced(&rest[0], other)]);
        }
        if let O::Throw { tag_index } = rest[0].operator {
            // What is thrown with an added tag gets to a handler of all, unless one that names the other stands before it.
            let is_added = tag_index >= facts.original_tags;
            let caught = caught_before(self.body);
            self.other_tag(tag_index, |other| !is_added || caught.contains(&other), add);
        }
        let own = facts.locals.get(&self.body.func).copied();
        if let [first, second, ..] = rest
            && let (O::LocalSet { local_index: a }, O::LocalSet { local_index: b }) =
                (&first.operator, &second.operator)
            && a != b
            && own.is_some_and(|own| *a >= own && *b >= own)
            && !self.takes_equal_numbers()
        {
            let edits = vec![
                replaced(first, indexed(LOCAL_SET, *b)),
                replaced(second, indexed(LOCAL_SET, *a)),
            ];
            add("spills are in the wrong order", edits);
        }
    }

    /// Whether this takes the number of a site, and of the tag of a kept exception, from a frame, and there is one of each: both are 1.
    fn takes_equal_numbers(&self) -> bool {
        let [_, _, next, ..] = self.rest() else { return false };
        let is_set = |at: &&At<'_>| matches!(at.operator, O::LocalSet { .. });
        let mut before = self.body.operators[..self.at].iter().rev().skip_while(is_set);
        let takes = before.next().is_some_and(|at| self.calls(at, "load_first_"));
        takes && !is_set(&next) && self.ordinals.len() == 1 && self.facts.original_tags == 1
    }

    fn other_tag(
        &self,
        tag: u32,
        is_seen: impl Fn(u32) -> bool,
        add: &mut impl FnMut(&'static str, Vec<Edit>),
    ) {
        let tags = &self.facts.tags;
        let is_such = |other: &u32| {
            *other != tag && tags[*other as usize] == tags[tag as usize] && is_seen(*other)
        };
        if let Some(other) = (0..tags.len() as u32).find(is_such) {
            let edits = vec![replaced(&self.rest()[0], indexed(THROW, other))];
            add("an exception with another tag", edits);
        }
    }

    /// Faults of what functions share.
    fn in_helper(&self, add: &mut impl FnMut(&'static str, Vec<Edit>)) {
        let here = &self.rest()[0];
        match here.operator {
            O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::V128Store { .. } => {
                add("a helper's store is left out", vec![replaced(here, vec![DROP, DROP])]);
            }
            O::GlobalSet { .. } => add("a global is forgotten", vec![replaced(here, vec![DROP])]),
            O::Call { .. } if self.calls(here, "room") => {
                add("no limit is checked", vec![replaced(here, vec![NOP])]);
            }
            O::Unreachable if self.at > 0 => {
                add("a helper's trap is gone", vec![replaced(here, vec![NOP])]);
            }
            // Handlers in front of a pad may leave it none of them.
            O::Throw { tag_index } if !self.facts.is_caught_before(tag_index) => {
                self.other_tag(tag_index, |_| true, add);
            }
            _ => {}
        }
        let other = match here.operator {
            O::I32LtU => Some(0x4d),
            O::I32GtU => Some(0x4f),
            O::I32GeU => Some(0x4b),
            O::I64LtU => Some(0x58),
            O::I64GtU => Some(0x5a),
            _ => None,
        };
        if let Some(other) = other {
            add("a limit is off by one", vec![replaced(here, vec![other])]);
        }
        if matches!(here.operator, O::If { .. }) {
            add(
                "a helper never asks",
                vec![(here.range.start..here.range.start, { [vec![DROP], i32_const(0)].concat() })],
            );
        }
        if self.at == 0 {
            add("a helper traps", vec![(here.range.start..here.range.start, vec![UNREACHABLE])]);
        }
    }
}
