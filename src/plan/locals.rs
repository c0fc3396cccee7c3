//! Which locals a body declares, and as what.
//!
//! In a body that a rewind enters, what sets a local may be jumped over, and lies in another construct than before: so
//! a local that is not nullable is declared nullable, and cast where it is read. A resume function declares
//! only those locals that are left in it, and numbers them anew.

use super::bitset::BitSet;
use super::references;
use super::refuse::is_non_nullable;
use super::saved::Types;
use super::skeleton::Access;
use super::{BodyPlan, Declared, Frame, Pad, RewindStart, Step};
use crate::index::LocalIdx;
use crate::work;
use std::collections::BTreeSet;
use wasmparser::ValType;

/// What a body in place with so many parameters declares, `$resume` too if it has that, if any of it is cast.
pub(super) fn in_place(
    types: Types<'_>,
    params: usize,
    resume: Option<LocalIdx>,
) -> Option<Declared> {
    let locals = behind(types, params);
    let is_cast = |local| is_non_nullable(types.of(local));
    locals.clone().any(is_cast).then(|| declare(types, locals, is_cast, resume))
}

/// What a body with so many parameters declares that no rewind enters, if any of it is cast: what it saves in cold exits, which lie outside
/// of all that sets it.
pub(super) fn of_plain(types: Types<'_>, params: usize, frame: &Frame) -> Option<Declared> {
    let slots = frame.slots.iter().filter(|slot| is_non_nullable(slot.ty));
    let cast: BTreeSet<_> =
        slots.map(|slot| slot.local).filter(|local| local.0 as usize >= params).collect();
    let is_cast = |local| cast.contains(&local);
    // No rewind enters, so that it has no `$resume`.
    (!cast.is_empty()).then(|| declare(types, behind(types, params), is_cast, None))
}

/// What a resume function declares.
pub(super) fn of_resume(
    types: Types<'_>,
    body: &BodyPlan,
    frame: &Frame,
    pads: &[Pad],
) -> Declared {
    let mut used = used(types, body, frame);
    let kept = pads.iter().flat_map(|pad| pad.values.iter().chain([&pad.kind]));
    kept.for_each(|local| used.insert(local.0 as usize));
    let is_cast = |local| is_non_nullable(types.of(local));
    let resume = body.rewind.as_ref().and_then(|start| start.resume);
    declare(types, used.locals(), is_cast, resume)
}

/// The locals behind so many parameters, and the temporaries.
fn behind(types: Types<'_>, params: usize) -> impl Iterator<Item = LocalIdx> + Clone {
    (params..types.count()).map(|local| LocalIdx(local as u32))
}

/// Declares `locals`, those that are cast as nullable, and `$resume` behind them if there is one.
fn declare(
    types: Types<'_>,
    locals: impl Iterator<Item = LocalIdx>,
    is_cast: impl Fn(LocalIdx) -> bool,
    resume: Option<LocalIdx>,
) -> Declared {
    let mut declared = Declared { locals: Vec::new(), casts: Vec::new() };
    for local in locals {
        work::count(1);
        let ty = match types.of(local) {
            ValType::Ref(ty) if is_cast(local) => {
                declared.casts.push(local);
                ValType::Ref(references::nullable(ty))
            }
            ty => ty,
        };
        declared.locals.push((local, ty));
    }
    declared.locals.extend(resume.map(|resume| (resume, ValType::I32)));
    declared.locals.shrink_to_fit();
    declared
}

/// The locals and temporaries that a body names: in operators and steps that are not left out, in its frame and in dispatches.
fn used(types: Types<'_>, body: &BodyPlan, frame: &Frame) -> BitSet {
    let mut used = BitSet::new(types.count());
    let mut add = |local: LocalIdx| used.insert(local.0 as usize);
    frame.slots.iter().for_each(|slot| add(slot.local));
    let regions = body.rewind.iter().flat_map(|start: &RewindStart| &start.regions);
    let handlers = regions.flat_map(|region| region.dispatch.handlers.iter());
    handlers.flat_map(|handler| handler.caught.values()).for_each(|local| add(*local));
    for (_, step) in body.steps.iter() {
        work::count(1);
        if let Step::Get(local) | Step::GetNullable(local) | Step::Set(local) = step {
            add(local);
        }
    }
    let mut dead = body.dead.iter().peekable();
    for Access { offset, local, .. } in &types.skeleton.accesses {
        work::count(1);
        while dead.next_if(|range| range.end <= *offset).is_some() {}
        if dead.peek().is_none_or(|range| *offset < range.start) {
            add(*local);
        }
    }
    used
}
