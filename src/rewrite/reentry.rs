//! How a function is entered again: by a rewind, which gets to the site that its frame names, and by the undoing of an unwind
//! that found no room for that frame.
//!
//! Forms differ in nothing else: *in place* the body itself begins with [`begin`] and dispatches; *apart* the body's
//! [`begin`] forwards to the resume function, which dispatches always. A body calls [`begin`] at its start, and
//! [`open_region`] at the start of each region; the exits call [`repeat_site`] and [`undo`].
//!
//! All of this is cold: on the normal path a region costs one test, of the state, which is normal again when the call returns that a
//! rewind went to; or, if the plan says so, of the local `$resume`, which then is reset by [`arrive`] on the way to each site. One that only a
//! rewind enters costs none.

use super::output::{Output, Position};
use super::pad;
use super::references;
use super::runtime::AddressSink;
use crate::plan::{
    Caught, Dispatch, HandlerWay, Jump, Label, Region, RegionOrdinal, TailGroupOrdinal, Undo,
};
use crate::work;
use wasm_encoder::BlockType;
use wasmparser::ValType;

/// What stands before everything else: the way to another function's frame, to the resume function, or the loop for undoing.
pub(super) fn begin(out: &mut Output<'_, '_>) {
    if let Some(group) = out.plan.hands_on.filter(|_| !out.is_resume_function()) {
        hand_on(out, group);
    } else if !out.body.is_entered() {
        let state = out.runtime.state.0;
        out.sink().global_get(state).if_(BlockType::Empty);
        return_resumed(out);
        out.sink().end();
    }
    if out.plan.undo == Undo::Loop {
        out.sink().loop_(BlockType::Empty);
        out.opened();
    }
}

/// A rewind that finds another function's frame on top goes on there. Those of a function apart are found on the same way.
fn hand_on(out: &mut Output<'_, '_>, group: TailGroupOrdinal) {
    let (state, lookup) = (out.runtime.state.0, out.runtime.lookup(group).0);
    let func = out.plan.func.0 as i32;
    out.sink().global_get(state).if_(BlockType::Empty);
    if out.body.is_entered() {
        let other = out.runtime.other();
        out.sink().i32_const(func).call(other.0).if_(BlockType::Empty);
        out.sink().return_call(lookup).end();
    } else {
        out.sink().return_call(lookup);
    }
    out.sink().end();
}

/// Undoing by a loop: if there is no room for the frame of the site whose ordinal is on the stack, back to that site.
pub(super) fn repeat_site(out: &mut Output<'_, '_>) {
    if out.plan.undo != Undo::Loop {
        return;
    }
    let (resume, probe) = (out.resume(), out.runtime.probe.0);
    let (memory, bytes) = (out.runtime.memory, u64::from(out.plan.frame.bytes));
    out.sink().local_set(resume);
    references::check(out);
    out.sink().at_const(memory, bytes).call(probe).br_if(0);
    out.end();
    out.sink().local_get(resume);
}

/// Behind `seal`, which says whether the frame was put in the reserve: if so, the function is called once more.
pub(super) fn undo(out: &mut Output<'_, '_>) {
    if out.plan.undo != Undo::Call {
        out.sink().drop();
        return;
    }
    out.sink().if_(BlockType::Empty);
    if out.plan.resume.is_some() {
        return_resumed(out);
    } else {
        let (func, module) = (out.plan.func, out.module);
        out.dummies(module.func_type(func).params());
        out.sink().call(func.0).return_();
    }
    out.sink().end();
}

/// Returns what the function's resume function does.
fn return_resumed(out: &mut Output<'_, '_>) {
    let (runtime, module, from_itself) = (out.runtime, out.module, out.is_resume_function());
    runtime.return_resumed(module, out.plan.func, from_itself, &mut out.sink());
}

/// The rewind has arrived at its site.
pub(super) fn arrive(out: &mut Output<'_, '_>) {
    let resume = out.resume();
    out.sink().i32_const(0).local_set(resume);
}

/// Opens the labels of a region and dispatches.
pub(super) fn open_region(out: &mut Output<'_, '_>, ordinal: RegionOrdinal) {
    let region = &out.rewind().regions[ordinal.0 as usize];
    for label in region.opened().rev() {
        work::count(1);
        out.open_label(Label(label));
    }
    match ordinal {
        RegionOrdinal(0) => enter_body(out, region),
        _ => enter_region(out, region),
    }
}

/// A rewind takes the frame, and goes on from there.
fn enter_body(out: &mut Output<'_, '_>, region: &Region) {
    let behind = (!region.rewind_only).then(|| {
        let state = out.runtime.state.0;
        out.sink().global_get(state);
        out.if_()
    });
    let on_stack = restore_frame(out);
    let ways = region.dispatch.to_landings(region.start_label());
    let is_given = on_stack && keep_ordinal(out, ways.as_ref(), behind);
    dispatch(out, region, ways, (behind, is_given));
    if behind.is_some() {
        out.end();
    }
}

/// The ordinal that is on the operand stack goes to `$resume`, if there is one. Returns whether it is left for the jump, which takes it
/// where no label is opened in between.
fn keep_ordinal(out: &mut Output<'_, '_>, ways: Option<&Jump>, behind: Option<Position>) -> bool {
    let takes = |jump: &Jump| jump.takes_ordinal() && (behind.is_some() || !jump.branches_behind());
    let is_taken = !out.rewind().asks_resume && ways.is_some_and(takes);
    match out.kept_resume() {
        Some(resume) if is_taken => _ = out.sink().local_tee(resume),
        Some(resume) => _ = out.sink().local_set(resume),
        // A branch drops it.
        None if ways.is_some() => {}
        None => _ = out.sink().drop(),
    }
    is_taken
}

/// A rewind that comes here goes on to its landing.
fn enter_region(out: &mut Output<'_, '_>, region: &Region) {
    let ways = region.dispatch.to_landings(region.start_label());
    if region.rewind_only {
        return dispatch(out, region, ways, (None, false));
    }
    match ways {
        None if region.dispatch.handlers.is_empty() => {}
        Some(Jump::To(label)) if region.dispatch.handlers.is_empty() => {
            ask(out);
            let depth = out.depth_of(label);
            out.sink().br_if(depth);
        }
        ways => {
            ask(out);
            let behind = out.if_();
            dispatch(out, region, ways, (Some(behind), false));
            out.end();
        }
    }
}

/// Whether a rewind is on its way.
fn ask(out: &mut Output<'_, '_>) {
    if out.rewind().asks_resume {
        let resume = out.resume();
        out.sink().local_get(resume);
    } else {
        let state = out.runtime.state.0;
        out.sink().global_get(state);
    }
}

/// Takes the frame, and restores the locals from it. Undoing an unwind by a loop, they are there already. Returns whether the site's ordinal
/// is on the operand stack; else it is in `$resume`.
fn restore_frame(out: &mut Output<'_, '_>) -> bool {
    let plan = out.plan;
    let by_loop = out.plan.undo == Undo::Loop;
    if by_loop {
        let resume = out.resume();
        out.sink().local_get(resume).i32_eqz();
        out.if_();
    }
    let helpers = &out.runtime.helpers;
    let first = helpers.loaded_first(plan);
    let begins = first.map_or(out.runtime.pop, |piece| out.runtime.load_first(piece));
    out.sink().i32_const(plan.func.0 as i32).call(begins.0);
    first.into_iter().flatten().rev().for_each(|slot| out.set(slot.local));
    let is_asked = by_loop || plan.frame.slots.iter().any(|slot| slot.ty.is_reference_type());
    if is_asked {
        let resume = out.resume();
        out.sink().local_set(resume);
    }
    for slots in helpers.loaded(plan).skip(usize::from(first.is_some())) {
        work::count(1);
        if let ValType::Ref(ty) = slots[0].ty {
            references::load(out, slots[0], ty);
            continue;
        }
        let load = out.runtime.load(slots);
        out.sink().call(load.0);
        slots.iter().rev().for_each(|slot| out.set(slot.local));
    }
    if by_loop {
        out.end();
    }
    !is_asked
}

/// Branches to the landing that `$resume` says, or throws what its handler had caught. Handlers are told by their first ordinals, the
/// last one first. `ways`: those to the region's landings; `behind`: the label that ends behind the dispatch, if there is one; `is_given`: whether
/// the ordinal is on the operand stack.
fn dispatch(
    out: &mut Output<'_, '_>,
    region: &Region,
    ways: Option<Jump>,
    (behind, is_given): (Option<Position>, bool),
) {
    let handlers: Vec<_> = region.dispatch.handlers_with_first().collect();
    let is_first_left = region.dispatch.leaves_handlers(region.start_label());
    for (first, handler) in handlers.iter().skip(usize::from(is_first_left)).rev() {
        work::count(1);
        let resume = out.resume();
        out.sink().local_get(resume).i32_const(*first as i32).i32_ge_u();
        out.if_();
        throw_caught(out, handler);
        out.end();
    }
    match ways {
        Some(_) if out.rewind().asks_resume => jump_resetting(out, &region.dispatch),
        Some(all) => jump(out, &all, behind.filter(|_| !is_first_left), is_given),
        None => {}
    }
    if let Some((_, handler)) = handlers.first().filter(|_| is_first_left) {
        throw_caught(out, handler);
        if let Caught::Kept(_) = handler.caught {
            // So that engines see no way from here into normal code.
            out.sink().unreachable();
        }
    }
}

/// The same where `$resume` is reset on the way to the region's own sites; where nothing is at its start.
fn jump_resetting(out: &mut Output<'_, '_>, ways: &Dispatch) {
    let (own, others) = ways.split();
    let [own, rest] = [&own, &others].map(|ways| ways.to_landings(None));
    if let Some(own) = own {
        let is_all = rest.is_none() && others.handlers.is_empty();
        if !is_all {
            let resume = out.resume();
            out.sink().local_get(resume).i32_const(others.first as i32).i32_lt_u();
            out.if_();
        }
        let is_given = own.takes_ordinal();
        if is_given {
            let resume = out.resume();
            out.sink().local_get(resume);
        }
        arrive(out);
        jump(out, &own, None, is_given);
        if !is_all {
            out.end();
        }
    }
    if let Some(rest) = rest {
        jump(out, &rest, None, false);
    }
}

/// Throws what a handler had caught. Behind it nothing is reached, but the validator doesn't know that of what a pad kept.
fn throw_caught(out: &mut Output<'_, '_>, handler: &HandlerWay) {
    match &handler.caught {
        Caught::Any => {
            let tag = out.runtime.any_tag.expect("laid out for all handlers");
            out.sink().throw(tag.0);
        }
        Caught::Tagged(tag, values) => {
            values.iter().for_each(|local| out.get(*local));
            out.sink().throw(tag.0);
        }
        Caught::Kept(pad) => pad::throw(out, *pad),
    }
}

/// Goes where the plan says. `behind`: the label that ends behind the jump, if there is one; `is_given`: whether the ordinal is on the
/// operand stack.
fn jump(out: &mut Output<'_, '_>, jump: &Jump, behind: Option<Position>, is_given: bool) {
    let opened = (behind.is_none() && jump.branches_behind()).then(|| out.block(BlockType::Empty));
    let behind = behind.or(opened);
    if !is_given && jump.takes_ordinal() {
        let resume = out.resume();
        out.sink().local_get(resume);
    }
    let depth_of = |out: &Output<'_, '_>, label: Option<Label>| match label {
        Some(label) => out.depth_of(label),
        None => out.distance(behind.expect("opened if it is needed")),
    };
    match jump {
        Jump::To(label) => {
            let depth = out.depth_of(*label);
            out.sink().br(depth);
        }
        Jump::Table { subtract, targets, default } => {
            if *subtract > 0 {
                out.sink().i32_const(*subtract as i32).i32_sub();
            }
            let depths: Vec<_> = targets.iter().map(|label| depth_of(out, *label)).collect();
            work::count(targets.len());
            let default = depth_of(out, *default);
            out.sink().br_table(depths, default);
        }
        Jump::From(first, label) => {
            let depth = out.depth_of(*label);
            out.sink().i32_const(*first as i32).i32_ge_u().br_if(depth);
        }
        Jump::Ladder { steps, default } => {
            let resume = out.resume();
            for (label, beyond) in steps {
                work::count(1);
                let depth = depth_of(out, *label);
                out.sink().local_get(resume).i32_const(*beyond as i32).i32_lt_u().br_if(depth);
            }
            if let Some(default) = default {
                let depth = out.depth_of(*default);
                out.sink().br(depth);
            }
        }
    }
    if opened.is_some() {
        out.end();
    }
}
