//! References on their way from a body's locals to its frame and back.
//!
//! A body that a rewind enters writes all cells at each site, so a reference that does not count there is saved as null: it may be one that
//! can't be saved. Another body leaves such cells unwritten, and so they are not loaded. `$resume` says which site it is.

use super::output::Output;
use crate::plan::{self, Counts, Slot};
use wasm_encoder::{BlockType, HeapType, ValType};
use wasmparser::RefType;

/// Where the body is left, with the site's ordinal on the stack: notes it in `$resume`, if anything asks for it.
pub(super) fn note_site(out: &mut Output<'_, '_>) {
    if out.plan.frame.slots.iter().any(|slot| counts_at_some(out, *slot).is_some()) {
        let resume = out.resume();
        out.sink().local_tee(resume);
    }
}

/// Puts a reference on the stack as it is saved; returns the helper that saves it.
pub(super) fn to_save(out: &mut Output<'_, '_>, slot: Slot, ty: RefType) -> u32 {
    get(out, slot, ty);
    out.runtime.keepers.of_type(out.module, ty).save.0
}

/// Notes that the frame is not to be saved, if no unwind can leave the function.
pub(super) fn hold(out: &mut Output<'_, '_>) {
    if out.plan.holds_unwinds {
        let runtime = out.runtime;
        runtime.note_unsaved(&mut out.sink());
    }
}

/// Asks whether the frame can be saved: whether all of its references can.
pub(super) fn check(out: &mut Output<'_, '_>) {
    hold(out);
    let plan = out.plan;
    for (slot, ty) in plan.frame.references() {
        let check = out.runtime.keepers.of_type(out.module, ty).check;
        if let Some(check) = check {
            get(out, slot, ty);
            out.sink().call(check.0);
        }
    }
}

/// Restores a reference, where the site's exit has written it.
pub(super) fn load(out: &mut Output<'_, '_>, slot: Slot, ty: RefType) {
    let runtime = out.runtime;
    let keeper = runtime.keepers.of_type(out.module, ty);
    // In place, exits write all cells.
    let counts = counts_at_some(out, slot).filter(|_| out.plan.exits.is_some());
    if let Some(counts) = counts {
        is_one_of(out, counts);
        out.sink().if_(BlockType::Empty);
    }
    out.sink().call(keeper.load.0);
    if plan::table_type(out.module, ty) != plan::nullable(ty) {
        let heap_type = heap_type(out, ty);
        out.sink().ref_cast_nullable(heap_type);
    }
    if !ty.is_nullable() && !out.is_cast(slot.local) {
        out.sink().ref_as_non_null();
    }
    out.set(slot.local);
    if counts.is_some() {
        out.sink().else_();
        runtime.skip_cell(&mut out.sink(), keeper);
        out.sink().end();
    }
}

/// A reference, or null where it doesn't count.
fn get(out: &mut Output<'_, '_>, slot: Slot, ty: RefType) {
    let number = out.number(slot.local);
    out.sink().local_get(number);
    if let Some(counts) = counts_at_some(out, slot) {
        let heap_type = heap_type(out, ty);
        out.sink().ref_null(heap_type);
        is_one_of(out, counts);
        let ty = wasm_encoder::RefType { nullable: true, heap_type };
        out.sink().typed_select(ValType::Ref(ty));
    }
}

/// Whether the site that `$resume` says is one at which the reference counts.
fn is_one_of(out: &mut Output<'_, '_>, counts: &Counts) {
    let resume = out.resume();
    for (position, sites) in counts.sites.iter().enumerate() {
        let (first, count) = (sites.start as i32, sites.len() as i32);
        out.sink().local_get(resume).i32_const(first).i32_sub().i32_const(count).i32_lt_u();
        if position > 0 {
            out.sink().i32_or();
        }
    }
}

/// When a reference counts, if that is not at all sites, in a body that a rewind enters; `None` if nothing can stand in for it.
fn counts_at_some<'m>(out: &Output<'m, '_>, slot: Slot) -> Option<&'m Counts> {
    let (plan, wasmparser::ValType::Ref(ty)) = (out.plan, slot.ty) else { return None };
    let needs_value = !ty.is_nullable() && !out.is_cast(slot.local);
    let position = plan.counts.binary_search_by_key(&slot.local, |counts| counts.local).ok()?;
    let counts = &plan.counts[position];
    let is_partial = out.body.is_entered() && !counts.at_all(plan.sites);
    (is_partial && !needs_value).then_some(counts)
}

fn heap_type(out: &Output<'_, '_>, ty: RefType) -> HeapType {
    out.runtime.types.heap_type(ty.heap_type())
}
