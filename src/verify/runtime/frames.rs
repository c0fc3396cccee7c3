//! Specifications of the helpers that give room for frames, write and read them, in the words of `pattern`.

use super::{Finder, Kind, spelled};
use crate::abi::slot_bytes;
use crate::index::FuncIdx;
use wasmparser::{BlockType, Operator, ValType};

pub(super) const TRAP_IF: &str = "if unreachable end";

/// Whether the instance is in a state.
pub(super) fn is_in(state: i32) -> String {
    format!("global.get $state i32.const {state} i32.eq")
}

pub(super) fn set_state(state: i32) -> String {
    format!("i32.const {state} global.set $state")
}

/// The address that no frame may reach beyond: the lesser of what the host says and the memory's end, worked out with the last
/// addresses, which can't wrap.
fn limit_in(finder: &Finder<'_, '_>, last: u32, of_memory: u32) -> String {
    let (end, page) = (finder.address_bytes(), finder.memory.page_log2);
    let memory = finder.memory.index.0;
    let widen = if finder.memory.is_wide { "i64.extend_i32_u" } else { "" };
    format!(
        "global.get $buffer at.load {end} at.const 1 at.sub local.tee {last}
         memory.size {memory} at.const {page} at.shl at.const 1 at.sub local.tee {of_memory}
         local.get {last} local.get {of_memory} at.lt select local.tee {last}
         local.get {last} at.const -1 at.ne {widen} at.add"
    )
}

pub(super) fn limit(finder: &Finder<'_, '_>) -> Vec<String> {
    vec![limit_in(finder, 0, 1)]
}

/// Where the first frame goes.
pub(super) fn first_frame(finder: &Finder<'_, '_>) -> &'static str {
    match finder.abi {
        crate::abi::Abi::WpkForkMain => "global.get $bottom",
        _ => "global.get $buffer at.const #frames at.add",
    }
}

const RESERVE: &str = "global.get $buffer at.const #reserve at.add";

/// Whether there is no room for `bytes`, in the state of unwinding alone; `pos` must not lie before the first frame.
fn no_room(finder: &Finder<'_, '_>, bytes: u32) -> String {
    let (first, limit) = (first_frame(finder), limit_in(finder, 2, 3));
    format!(
        "global.get $state i32.const 1 i32.ne {TRAP_IF}
         global.get $buffer at.load 0 local.tee 1 {first} at.lt {TRAP_IF}
         {limit} local.tee 2 local.get 1 at.lt
         local.get 2 local.get 1 at.sub local.get {bytes} at.lt i32.or"
    )
}

/// Copies a frame that was begun at `pos`, as far as it lies before `limit`, to the reserve.
fn move_to_reserve(pos: u32, limit: u32, at: u32) -> String {
    format!(
        "at.const 0 local.set {at} block loop
           local.get {limit} local.get {pos} at.lt br_if 1
           local.get {limit} local.get {pos} at.sub local.get {at} at.sub at.const 4 at.lt br_if 1
           {RESERVE} local.get {at} at.add
           local.get {pos} local.get {at} at.add i32.load 0 i32.store 0
           local.get {at} at.const 4 at.add local.set {at} br 0
         end end"
    )
}

/// `(end) -> base`: where the frame begins that is being written, with room for `end` bytes.
pub(super) fn room(finder: &Finder<'_, '_>) -> Vec<String> {
    let (reserved, no_room, first) = (is_in(4), no_room(finder, 0), first_frame(finder));
    let (moved, begun) = (move_to_reserve(1, 2, 0), set_state(4));
    vec![format!(
        "{reserved} if {RESERVE} return end
         {no_room} if
           local.get 2 {first} at.lt {TRAP_IF}
           {moved} {begun} {RESERVE} return
         end
         local.get 1"
    )]
}

/// `(ordinal, before, bytes) -> undo`.
pub(super) fn seal(finder: &Finder<'_, '_>) -> Vec<String> {
    let (unwinding, reserved, moved, begun) =
        (is_in(1), is_in(4), move_to_reserve(3, 4, 5), set_state(4));
    let unsaved = format!(
        "global.get $unsaved if
           i32.const 0 global.set $unsaved
           {unwinding} if
             local.get 3 local.get 2 at.add local.set 4 {moved} {begun}
           end
         end"
    );
    let _ = finder;
    let with = |unsaved: &str| {
        format!(
            "local.get 2 call %room local.tee 3
             local.get 2 at.add at.const 4 at.sub
             local.get 0 local.get 1 i32.add i32.store 0
             {unsaved}
             {reserved} if i32.const 1 return end
             global.get $buffer local.get 3 local.get 2 at.add at.store 0
             i32.const 0"
        )
    };
    vec![with(""), with(&unsaved)]
}

/// `(bytes) -> undo`: in the state of an undoing unwind, or entering it where there is no room.
pub(super) fn probe(finder: &Finder<'_, '_>) -> Vec<String> {
    let (undoing, begun, no_room) = (is_in(3), set_state(3), no_room(finder, 0));
    let with = |asked: &str, entered: &str| {
        format!(
            "{undoing} {asked} if {entered} i32.const 1 return end
             {no_room} if {begun} i32.const 1 return end
             i32.const 0"
        )
    };
    let asked = "global.get $unsaved i32.or i32.const 0 global.set $unsaved";
    vec![with("", ""), with(asked, &begun)]
}

/// `(bytes, before, sites) -> ordinal`.
pub(super) fn pop(finder: &Finder<'_, '_>) -> Vec<String> {
    let (unwinding, reserved, undoing) = (is_in(1), is_in(4), set_state(3));
    let (limit, first) = (limit_in(finder, 6, 7), first_frame(finder));
    vec![format!(
        "{unwinding} {TRAP_IF}
         {reserved} local.tee 3 if
           {undoing} {RESERVE} local.set 4
         else
           global.get $buffer at.load 0 local.tee 4 {limit} at.gt
           local.get 4 {first} at.lt i32.or
           local.get 4 {first} at.sub local.get 0 at.lt i32.or {TRAP_IF}
           local.get 4 local.get 0 at.sub local.set 4
         end
         local.get 4 local.get 0 at.add at.const 4 at.sub i32.load 0
         local.get 1 i32.sub local.tee 5
         i32.const 1 i32.sub local.get 2 i32.ge_u {TRAP_IF}
         local.get 4 global.set $cursor
         local.get 3 i32.eqz if global.get $buffer local.get 4 at.store 0 end
         local.get 5"
    )]
}

/// `(offset, values…)`.
pub(super) fn save(_: &Finder<'_, '_>, ty: ValType, count: usize) -> String {
    let (size, ty) = (u64::from(slot_bytes(ty)), spelled(ty));
    let (bytes, address) = (size * count as u64, count + 1);
    let mut text = format!(
        "local.get 0 at.const {bytes} at.add call %room local.get 0 at.add local.set {address} "
    );
    for position in 0..count {
        let (value, offset) = (position + 1, position as u64 * size);
        text += &format!("local.get {address} local.get {value} {ty}.store {offset} ");
    }
    text
}

/// `() -> values…`.
pub(super) fn load(_: &Finder<'_, '_>, ty: ValType, count: usize) -> String {
    let (size, ty) = (u64::from(slot_bytes(ty)), spelled(ty));
    let loads = (0..count as u64)
        .map(|position| format!("global.get $cursor {ty}.load {} ", position * size));
    let bytes = size * count as u64;
    loads.collect::<String>()
        + &format!("global.get $cursor at.const {bytes} at.add global.set $cursor")
}

/// What the function calls that stands before an import: its only call.
pub(super) fn import_of(operators: &[Operator<'_>]) -> Option<FuncIdx> {
    operators.iter().find_map(|operator| match operator {
        Operator::Call { function_index } => Some(FuncIdx(*function_index)),
        _ => None,
    })
}

/// `()`: an unwind is undone from inside of a function.
pub(super) fn undo() -> Vec<String> {
    let undoing = set_state(3);
    vec![format!(
        "global.get $state i32.const 1 i32.ne global.get $state i32.const 3 i32.ne i32.and {TRAP_IF}
         {undoing}"
    )]
}

/// The kinds of exceptions that a function throws, by the number that is its first parameter; `None` if it does anything else.
///
/// ```wat
/// (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $t (local.get 2))))
/// …
/// unreachable
/// ```
pub(super) fn kinds(mut operators: &[Operator<'_>]) -> Option<Vec<Kind>> {
    let mut kinds = Vec::new();
    while let [
        Operator::LocalGet { local_index: 0 },
        Operator::I32Const { value },
        Operator::I32Eq,
        Operator::If { blockty: BlockType::Empty },
        rest @ ..,
    ] = operators
    {
        let get = |operator: &Operator<'_>| match operator {
            Operator::LocalGet { local_index } => Some(*local_index),
            _ => None,
        };
        let places: Vec<_> = rest.iter().map_while(get).collect();
        let [Operator::Throw { tag_index }, Operator::End, rest @ ..] = &rest[places.len()..]
        else {
            return None;
        };
        kinds.push(Kind { kind: *value as u32, tag: *tag_index, places });
        operators = rest;
    }
    let ends = *operators == [Operator::Unreachable, Operator::End];
    (ends && !kinds.is_empty()).then_some(kinds)
}
