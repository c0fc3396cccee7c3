//! How a function is entered again: by a rewind, which gets to the site that its frame names, and by the undoing of an unwind
//! that found no room for that frame.
//!
//! Forms differ in nothing else: *in place* the body itself begins with [`begin`] and dispatches; *apart* the body's
//! [`begin`] forwards to the resume function, which dispatches always. A body calls [`begin`] at its start,
//! [`open_region`] at the start of each region, and [`arrive`] at a landing where `$resume` is still to be reset; the
//! exits call [`repeat_site`] and [`undo`].
//!
//! All of this is cold: on the normal path a region costs one test, of the state at the start of a function and of the local
//! `$resume` elsewhere; one that only a rewind enters costs none.

use super::output::Output;
use super::pad;
use super::references;
use super::runtime::AddressSink;
use crate::plan::{
    Caught, Dispatch, HandlerWay, Jump, Label, Region, RegionOrdinal, Reset, TailGroupOrdinal, Undo,
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
    for label in region.labels.clone().rev() {
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
    if !region.rewind_only {
        let state = out.runtime.state.0;
        out.sink().global_get(state);
        out.if_();
    }
    restore_frame(out);
    dispatch(out, &region.dispatch);
    if !region.rewind_only {
        out.end();
    }
}

fn enter_region(out: &mut Output<'_, '_>, region: &Region) {
    if region.rewind_only {
        return dispatch(out, &region.dispatch);
    }
    let resume = out.resume();
    out.sink().local_get(resume);
    if let Some(label) = region.dispatch.only_landing() {
        let depth = out.depth_of(label);
        out.sink().br_if(depth);
        return;
    }
    out.if_();
    dispatch(out, &region.dispatch);
    out.end();
}

/// Takes the frame, and restores the locals from it. Undoing an unwind by a loop, they are there already.
fn restore_frame(out: &mut Output<'_, '_>) {
    let (resume, plan) = (out.resume(), out.plan);
    let by_loop = out.plan.undo == Undo::Loop;
    if by_loop {
        out.sink().local_get(resume).i32_eqz();
        out.if_();
    }
    let helpers = &out.runtime.helpers;
    let first = helpers.loaded_first(plan);
    let begins = first.map_or(out.runtime.pop, |piece| out.runtime.load_first(piece));
    out.sink().i32_const(plan.func.0 as i32).call(begins.0);
    first.into_iter().flatten().rev().for_each(|slot| out.set(slot.local));
    out.sink().local_set(resume);
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
}

/// Branches to the landing that `$resume`, which is not 0, says.
fn dispatch(out: &mut Output<'_, '_>, dispatch: &Dispatch) {
    for (first, handler) in dispatch.handlers_with_first() {
        work::count(1);
        enter_handler(out, first, handler);
    }
    let reset = dispatch.reset == Reset::InDispatch;
    match (dispatch.to_sites(), dispatch.to_regions()) {
        // All ordinals are dealt with.
        (None, None) => _ = out.sink().unreachable(),
        (Some(sites), None) => jump(out, &sites, reset),
        (None, Some(regions)) => jump(out, &regions, false),
        (Some(sites), Some(regions)) => {
            let resume = out.resume();
            out.sink().local_get(resume).i32_const(dispatch.first_in_regions() as i32).i32_lt_u();
            out.if_();
            jump(out, &sites, reset);
            out.end();
            jump(out, &regions, false);
        }
    }
}

/// Throws what the handler had caught, if `$resume` is one of its ordinals, which begin with `first`.
fn enter_handler(out: &mut Output<'_, '_>, first: u32, handler: &HandlerWay) {
    let resume = out.resume();
    out.sink().local_get(resume).i32_const(first as i32).i32_sub();
    out.sink().i32_const(handler.sites as i32).i32_lt_u().if_(BlockType::Empty);
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
    out.sink().end();
}

/// Goes where the plan says; `reset`: and `$resume` becomes 0.
fn jump(out: &mut Output<'_, '_>, jump: &Jump, reset: bool) {
    let resume = out.resume();
    match jump {
        Jump::To(label) => {
            if reset {
                arrive(out);
            }
            let depth = out.depth_of(*label);
            out.sink().br(depth);
        }
        Jump::Table { subtract, targets, default } => {
            out.sink().local_get(resume);
            if reset {
                arrive(out);
            }
            if *subtract > 0 {
                out.sink().i32_const(*subtract as i32).i32_sub();
            }
            let depths: Vec<_> = targets.iter().map(|label| out.depth_of(*label)).collect();
            work::count(targets.len());
            let default = out.depth_of(*default);
            out.sink().br_table(depths, default);
        }
        Jump::Ladder { steps, default } => {
            for (label, beyond) in steps {
                work::count(1);
                let depth = out.depth_of(*label);
                out.sink().local_get(resume).i32_const(*beyond as i32).i32_lt_u().br_if(depth);
            }
            let default = out.depth_of(*default);
            out.sink().br(default);
        }
    }
}
