//! Specifications of the functions that the host calls, in the words of `pattern`.
//!
//! Which globals are saved, and where, is worked out from the original and the protocol's description alone.

use super::frames::{TRAP_IF, first_frame, set_state};
use super::references::Kept;
use super::{Finder, spelled};
use crate::abi::{Abi, Operation, slot_bytes};
use crate::index::GlobalIdx;
use crate::read::Module;
use wasmparser::ValType;

/// The globals that a fresh instance needs, with their places, and where the last one ends.
pub(super) fn globals(
    module: &Module<'_>,
    abi: Abi,
    address_bytes: u64,
) -> (Vec<(GlobalIdx, ValType, u64)>, u64) {
    // In the part of a side module there is nothing before them.
    let mut end = if abi == Abi::WpkForkSide { 0 } else { 2 * address_bytes };
    let mut saved = Vec::new();
    if !abi.saves_globals() {
        return (saved, end);
    }
    for (index, global) in module.globals.iter_enumerated() {
        let ty = global.ty.content_type;
        if global.import.is_none() && global.ty.mutable && !ty.is_reference_type() {
            let bytes = u64::from(slot_bytes(ty));
            let at = end.next_multiple_of(bytes);
            saved.push((index, ty, at));
            end = at + bytes;
        }
    }
    (saved, end)
}

/// What the function is like by which the host lets go of the references in a buffer.
pub(super) fn release(finder: &Finder<'_, '_>, kept: &[Kept], unlinked: &str) -> String {
    let (only_normal, bottom) = (format!("global.get $state {TRAP_IF}"), bottom(finder));
    if finder.abi.is_asyncify() {
        let each: String = kept.iter().map(|kept| kept.release_all()).collect();
        return format!("{only_normal} {each}");
    }
    let widen = if finder.memory.is_wide { "i64.extend_i32_u" } else { "" };
    let is_side = finder.abi == Abi::WpkForkSide;
    let each: String = kept.iter().map(|kept| kept.release(widen, u32::from(!is_side))).collect();
    if is_side {
        return format!("{only_normal} {SETTLE} {each} {unlinked}");
    }
    format!(
        "{only_normal} local.get 0 global.set $buffer {bottom}
         {each} {unlinked} local.get 0 at.const 0 at.store 0"
    )
}

/// A side module's part begins where the first frame would go, which goes behind it.
const SETTLE: &str = "global.get $bottom global.set $home
                      global.get $bottom at.const #frames at.add global.set $bottom";

/// Where the first frame goes is noted where modules share a stack.
fn bottom(finder: &Finder<'_, '_>) -> &'static str {
    match finder.abi {
        Abi::WpkForkMain => "global.get $buffer at.const #frames at.add global.set $bottom",
        _ => "",
    }
}

/// What the function is like that tells who was not prepared.
pub(super) const UNPREPARED: &str = "global.get $unprepared i32.const 1 i32.sub";

/// For an unwind that begins no one was found so, if the module can tell.
fn forget_unprepared(finder: &Finder<'_, '_>) -> &'static str {
    match finder.names.globals.contains_key("unprepared") {
        true => "i32.const 0 global.set $unprepared",
        false => "",
    }
}

/// What the function for an operation may be like.
pub(super) fn candidates(finder: &Finder<'_, '_>, operation: Operation) -> Vec<String> {
    let (saved, _) = globals(finder.module, finder.abi, finder.address_bytes());
    if finder.abi == Abi::WpkForkSide {
        return of_side(finder, operation, &saved);
    }
    if finder.abi.is_asyncify() {
        return vec![of_asyncify(finder, operation)];
    }
    let only_normal = format!("global.get $state {TRAP_IF}");
    let first = first_frame(finder);
    let bottom = bottom(finder);
    let too_small = "call %limit local.tee 1 local.get 0 at.lt
                     local.get 1 local.get 0 at.sub at.const #frames at.lt i32.or";
    let forget = forget_unprepared(finder);
    let [normal, unwinding, rewinding, undoing] = [0, 1, 2, 3].map(set_state);
    match operation {
        Operation::GetState => vec!["global.get $state".into()],
        Operation::EndUnwind => {
            vec![format!("global.get $state i32.const 1 i32.ne {TRAP_IF} {normal}")]
        }
        Operation::EndRewind => {
            vec![format!("global.get $state i32.const 2 i32.lt_u {TRAP_IF} {normal}")]
        }
        Operation::BeginUnwind => {
            let stores = saved.iter().map(|(global, ty, at)| {
                format!("local.get 0 global.get {} {}.store {at} ", global.0, spelled(*ty))
            });
            let stores: String = stores.collect();
            let begin = format!(
                "{only_normal} {forget} local.get 0 global.set $buffer
                 {too_small} if {undoing} return end
                 {unwinding} {bottom} local.get 0 {first} at.store 0 {stores}"
            );
            let tables = finder.output.tables.len() - finder.module.tables.len();
            (0..=tables).map(|lists| begin.clone() + &unlinked(lists)).collect()
        }
        Operation::BeginResume => vec![format!(
            "{only_normal} local.get 0 global.set $buffer {too_small} {TRAP_IF}
             {bottom} local.get 0 at.load 0 local.tee 2 local.get 1 at.gt
             local.get 2 {first} at.lt i32.or {TRAP_IF} {rewinding}"
        )],
        Operation::BeginRewind => {
            let loads = saved.iter().map(|(global, ty, at)| {
                format!("local.get 0 {}.load {at} global.set {} ", spelled(*ty), global.0)
            });
            let loads: String = loads.collect();
            let resume = begins_resume(finder);
            vec![format!("local.get 0 call {resume} {loads}")]
        }
    }
}

/// The lists of references begin anew.
pub(super) fn unlinked(lists: usize) -> String {
    let lists =
        (0..lists).map(|list| format!("global.get $part i32.const 0 i32.store #list{list} "));
    lists.collect()
}

/// The same for Asyncify's: whatever the state was. The stack must not have overflown the buffer.
fn of_asyncify(finder: &Finder<'_, '_>, operation: Operation) -> String {
    let end = finder.address_bytes();
    let state = match operation {
        Operation::GetState => return "global.get $state".into(),
        Operation::EndUnwind | Operation::EndRewind => 0,
        Operation::BeginUnwind => 1,
        Operation::BeginRewind | Operation::BeginResume => 2,
    };
    let (set, given) = (set_state(state), "local.get 0 global.set $buffer");
    let given = if state == 0 { "" } else { given };
    format!(
        "{set} {given}
         global.get $buffer at.load 0 global.get $buffer at.load {end} at.gt {TRAP_IF}"
    )
}

/// The same for side modules, which join what the main module has begun.
fn of_side(
    finder: &Finder<'_, '_>,
    operation: Operation,
    saved: &[(GlobalIdx, ValType, u64)],
) -> Vec<String> {
    let forget = forget_unprepared(finder);
    let (pos, undoing) = ("global.get $buffer at.load 0", set_state(3));
    match operation {
        Operation::GetState => vec!["global.get $state".into()],
        Operation::EndUnwind | Operation::EndRewind => Vec::new(),
        Operation::BeginUnwind => {
            let stores = saved.iter().map(|(global, ty, at)| {
                format!("global.get $home global.get {} {}.store {at} ", global.0, spelled(*ty))
            });
            let stores: String = stores.collect();
            let join = format!(
                "global.get $state i32.const 3 i32.eq if return end
                 global.get $state i32.const 1 i32.ne {TRAP_IF} {forget}
                 {pos} global.get $bottom at.ne {TRAP_IF}
                 call %limit local.tee 0 global.get $bottom at.lt
                 local.get 0 global.get $bottom at.sub at.const #frames at.lt i32.or if
                   {undoing} return
                 end
                 {SETTLE} global.get $buffer global.get $bottom at.store 0 {stores}"
            );
            let tables = finder.output.tables.len() - finder.module.tables.len();
            (0..=tables).map(|lists| join.clone() + &unlinked(lists)).collect()
        }
        Operation::BeginResume => vec![format!(
            "global.get $state i32.const 2 i32.ne {TRAP_IF}
             {pos} global.get $bottom at.lt
             {pos} global.get $bottom at.sub at.const #frames at.lt i32.or {TRAP_IF} {SETTLE}"
        )],
        Operation::BeginRewind => {
            let loads = saved.iter().map(|(global, ty, at)| {
                format!("global.get $home {}.load {at} global.set {} ", spelled(*ty), global.0)
            });
            vec![format!("call {} {}", begins_resume(finder), loads.collect::<String>())]
        }
    }
}

/// The function that begins a rewind without restoring globals.
fn begins_resume(finder: &Finder<'_, '_>) -> u32 {
    let name = finder.abi.export(Operation::BeginResume);
    let mut exported = finder.output.exported_funcs();
    exported.find(|(export, _)| Some(*export) == name).map_or(0, |(_, func)| func.0)
}
