//! The layout of a function's frame in the buffer.
//!
//! | offset | size | type | meaning |
//! |-------:|-----:|------|---------|
//! | 0 | 4, 8 or 16 each | the local's | the saved locals, grouped by type: i32, i64, f32, f64, v128; within a type in index order |
//! | then | 4 | i32 | the site's number: its ordinal in the function, from 1, plus how many sites the functions before it have |
//!
//! Frames lie one behind the other, the innermost function's first; each is a multiple of 4 bytes. The
//! site is what a rewind reads first, and tells it the function, so it lies right below `pos`.

use super::liveness;
use super::refuse;
use super::skeleton::Skeleton;
use super::steps::Steps;
use crate::error::Result;
use crate::index::{FuncIdx, LocalIdx};
use crate::read::Module;
use wasmparser::ValType;

/// The numeric and vector types in the order in which a frame holds them.
pub const SLOT_TYPES: [ValType; 5] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// What a function's frame holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The saved locals, in layout order.
    pub slots: Vec<Slot>,
    /// Size of the whole frame in bytes.
    pub bytes: u32,
}

/// A saved local.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The local.
    pub local: LocalIdx,
    /// Its type: one of [`SLOT_TYPES`].
    pub ty: ValType,
}

/// Size of a slot in bytes.
pub fn slot_bytes(ty: ValType) -> u32 {
    match ty {
        ValType::I32 | ValType::F32 => 4,
        ValType::I64 | ValType::F64 => 8,
        _ => 16,
    }
}

/// Lays out the frame: what liveness wants, and the temporaries that landings reload.
pub(super) fn frame(
    module: &Module<'_>,
    func: FuncIdx,
    skeleton: &Skeleton,
    steps: &Steps,
) -> Result<Frame> {
    let has_references = skeleton.locals.iter().any(|ty| ty.is_reference_type());
    let mut first_reference = None;
    let live = liveness::live_at_sites(skeleton, |offset, live, needed| {
        let is_reference = |local: &LocalIdx| type_of(skeleton, *local).is_reference_type();
        // Sites come last to first, and the last pass sees them all.
        if has_references
            && let Some(local) = live.locals().chain(needed.iter().copied()).find(is_reference)
        {
            first_reference = Some((offset, local));
        }
    });
    if let Some((offset, local)) = first_reference {
        let what = format!("local {local}, a reference,");
        return Err(refuse::reference(module, func, &what, offset));
    }
    let temps = steps.saved_temps.iter().map(|&(local, ty)| Slot { local, ty });
    let mut slots: Vec<_> = live
        .locals()
        .map(|local| Slot { local, ty: type_of(skeleton, local) })
        .chain(temps)
        .collect();
    slots.sort_by_key(|slot| (SLOT_TYPES.iter().position(|ty| *ty == slot.ty), slot.local));
    let bytes = 4 + slots.iter().map(|slot| slot_bytes(slot.ty)).sum::<u32>();
    Ok(Frame { slots, bytes })
}

fn type_of(skeleton: &Skeleton, local: LocalIdx) -> ValType {
    skeleton.locals[local.0 as usize]
}
