//! Specifications of the helpers that give room for frames, write and read them, in the words of `pattern`.

use super::{Finder, Kind, spelled};
use crate::abi::{Abi, slot_bytes};
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
        Abi::WpkForkMain | Abi::WpkForkSide => "global.get $bottom",
        Abi::WpkFork => "global.get $buffer at.const #frames at.add",
        // Only the host knows.
        Abi::Asyncify | Abi::AsyncifyMain | Abi::AsyncifySide => "at.const 0",
    }
}

/// Where the slots of a frame lie in the reserve, behind its mark.
const SLOTS: &str = "global.get $part at.const #slots at.add";
const MARK: &str = "global.get $part at.const #reserve at.add";
/// The bits of a mark that name the module.
const MODULE: u64 = 0x7f << 57;

/// Whether there is no room for as many bytes as the stack says, in the state of unwinding alone; `pos` must not lie before the first
/// frame. Sets `pos`, and `limit` behind it.
fn no_room(finder: &Finder<'_, '_>, pos: u32) -> String {
    let limit = pos + 1;
    let (first, limited) = (first_frame(finder), limit_in(finder, limit, limit + 1));
    format!(
        "global.get $state i32.const 1 i32.ne {TRAP_IF}
         global.get $buffer at.load 0 local.tee {pos} {first} at.lt {TRAP_IF}
         {limited} local.tee {limit} local.get {pos} at.sub at.gt
         local.get {limit} local.get {pos} at.lt i32.or"
    )
}

/// Copies what lies from `pos` on to the reserve: `end` bytes, and as far as it lies before `limit`. Leaves the reserve's address.
fn move_to_reserve((pos, limit): (u32, u32), end: u32) -> String {
    let begun = set_state(4);
    format!(
        "local.get {limit} local.get {pos} at.gt if
           local.get {limit} local.get {pos} at.sub local.tee {limit}
           local.get {end} local.get {limit} local.get {end} at.lt select local.set {limit}
           at.const 0 local.set {end}
           block loop
             local.get {limit} local.get {end} at.sub at.const 4 at.lt br_if 1
             {SLOTS} local.get {end} at.add
             local.get {pos} local.get {end} at.add i32.load 0 i32.store 0
             local.get {end} at.const 4 at.add local.set {end} br 0
           end end
         end
         {begun} {SLOTS}"
    )
}

/// Where the frame begins that is being written, with room for the first `end` bytes of its slots and a mark.
fn find_room(finder: &Finder<'_, '_>, end: u32, pos: u32) -> String {
    let limit = pos + 1;
    let (reserved, no_room, first) = (is_in(4), no_room(finder, pos), first_frame(finder));
    if !finder.abi.can_undo() {
        return format!("local.get {end} at.const 8 at.add {no_room} {TRAP_IF} local.get {pos}");
    }
    let moved = move_to_reserve((pos, limit), end);
    format!(
        "{reserved} if.at {SLOTS} else
           local.get {end} at.const 8 at.add {no_room} if.at
             local.get {limit} {first} at.lt {TRAP_IF} {moved}
           else local.get {pos} end
         end"
    )
}

/// The same by a call, or in place.
fn rooms(finder: &Finder<'_, '_>, end: u32, scratch: u32) -> [String; 2] {
    [format!("local.get {end} call %room"), find_room(finder, end, scratch)]
}

/// `(end) -> base`.
pub(super) fn room(finder: &Finder<'_, '_>) -> Vec<String> {
    vec![find_room(finder, 0, 1)]
}

/// The size in bytes that a mark says.
fn bytes_of(finder: &Finder<'_, '_>, mark: u32) -> String {
    let narrow = if finder.memory.is_wide { "" } else { "i32.wrap_i64" };
    format!("local.get {mark} i64.const 18 i64.shr_u i64.const 1048572 i64.and {narrow}")
}

/// The function that a mark names, -1 for another module's.
fn owner(mark: u32) -> String {
    format!(
        "local.get {mark} i32.wrap_i64 i32.const 1048575 i32.and
         i32.const -1 local.get {mark} i64.const {MODULE} i64.and i64.const #module i64.eq select"
    )
}

/// A frame that can't be saved goes to the reserve.
fn hold_unsaved((base, slots): (u32, u32), scratch: u32) -> String {
    let (unwinding, end) = (is_in(1), scratch + 1);
    let moved = move_to_reserve((base, scratch), end);
    format!(
        "global.get $unsaved if
           i32.const 0 global.set $unsaved
           {unwinding} if
             local.get {base} local.get {slots} at.add local.set {scratch}
             local.get {slots} local.set {end}
             {moved} local.set {base}
           end
         end"
    )
}

/// Ends the frame, with a site's ordinal and the rest of the mark, and gives the address behind its slots: in all ways that it may be written,
/// with calls or in place.
fn end_frame_in(finder: &Finder<'_, '_>, (ordinal, mark): (u32, u32), slots: u32) -> Vec<String> {
    let (base, scratch) = (slots + 1, slots + 2);
    let (reserved, bytes) = (is_in(4), bytes_of(finder, mark));
    let can_undo = finder.abi.can_undo();
    let unsaved = match can_undo {
        true => hold_unsaved((base, slots), scratch),
        false => format!("global.get $unsaved {TRAP_IF}"),
    };
    let [reserves, or, ends] = match can_undo {
        true => [&*format!("{reserved} if {MARK} local.get {mark} i64.store 0"), "else", "end"],
        false => [""; 3],
    };
    // A side module that has not joined the unwind has no part of the buffer.
    let joined = match finder.abi {
        Abi::WpkForkSide => format!(
            "global.get $home global.get $buffer at.lt
             global.get $home global.get $bottom at.gt i32.or {TRAP_IF}"
        ),
        _ => String::new(),
    };
    let with = |room: &str, unsaved: &str| {
        format!(
            "{joined} {bytes} at.const 8 at.sub local.tee {slots} local.set {scratch}
             {room} local.set {base} {unsaved}
             local.get {mark} local.get {ordinal} i64.extend_i32_u i64.const 38 i64.shl i64.or
             local.set {mark}
             {reserves} {or}
               local.get {base} local.get {slots} at.add local.tee {scratch}
               local.get {mark} i64.store 0
               global.get $buffer local.get {scratch} at.const 8 at.add at.store 0
             {ends}
             local.get {base} local.get {slots} at.add"
        )
    };
    let [called, in_place] = rooms(finder, scratch, scratch + 1);
    let ways = [(&called, ""), (&called, &unsaved), (&in_place, ""), (&in_place, &unsaved)];
    ways.into_iter().map(|(room, unsaved)| with(room, unsaved)).collect()
}

/// The same as a function of its own.
pub(super) fn end_frame(finder: &Finder<'_, '_>) -> Vec<String> {
    end_frame_in(finder, (0, 1), 2)
}

/// The same where it is called, or written in place.
fn ends(finder: &Finder<'_, '_>, (ordinal, mark): (u32, u32), slots: u32) -> Vec<String> {
    let called = format!("local.get {ordinal} local.get {mark} call %end_frame");
    let in_place = end_frame_in(finder, (ordinal, mark), slots);
    [called].into_iter().chain(in_place).collect()
}

/// `(ordinal, mark) -> undo`.
pub(super) fn seal(finder: &Finder<'_, '_>) -> Vec<String> {
    let reserved = is_in(4);
    let ends = ends(finder, (0, 1), 2).into_iter();
    ends.map(|end| format!("{end} drop {reserved}")).collect()
}

/// `(ordinal, mark, values…) -> undo`.
pub(super) fn save_last(finder: &Finder<'_, '_>, ty: ValType, count: usize) -> Vec<String> {
    let (reserved, address) = (is_in(4), count as u32 + 2);
    let bytes = u64::from(slot_bytes(ty)) * count as u64;
    let stores = stores((ty, count), 2, address);
    let ends = ends(finder, (0, 1), address + 1).into_iter();
    let with = |end: String| {
        format!("{end} at.const {bytes} at.sub local.set {address} {stores} {reserved}")
    };
    ends.map(with).collect()
}

/// `(bytes) -> undo`: in the state of an undoing unwind, or entering it where there is no room.
pub(super) fn probe(finder: &Finder<'_, '_>) -> Vec<String> {
    let (undoing, begun, no_room) = (is_in(3), set_state(3), no_room(finder, 1));
    let with = |asked: &str, entered: &str| {
        format!(
            "{undoing} {asked} if {entered} i32.const 1 return end
             local.get 0 {no_room} if {begun} i32.const 1 return end
             i32.const 0"
        )
    };
    let asked = "global.get $unsaved i32.or i32.const 0 global.set $unsaved";
    vec![with("", ""), with(asked, &begun)]
}

/// Takes the frame on top, which is the function's, and gives the ordinal that it names.
fn pop_in(finder: &Finder<'_, '_>, func: u32, base: u32) -> String {
    let (mark, in_reserve) = (base + 1, base + 2);
    let (unwinding, reserved, undoing) = (is_in(1), is_in(4), set_state(3));
    let (last, owner, first) =
        (last_mark(finder, base, base + 3), owner(mark), first_frame(finder));
    let bytes = bytes_of(finder, mark);
    let reserved = format!(
        "{reserved} local.tee {in_reserve} if
           {undoing} {MARK} i64.load 0 local.set {mark} {SLOTS} local.set {base}
         else {last} end"
    );
    let (found, asked) = (&*reserved, format!("local.get {in_reserve} i32.eqz if"));
    let [found, asked, end] = match finder.abi.can_undo() {
        true => [found, &*asked, "end"],
        false => [&*last, "", ""],
    };
    format!(
        "{unwinding} {TRAP_IF}
         {found}
         {owner} local.get {func} i32.ne {TRAP_IF}
         {asked}
           local.get {base} {first} at.sub {bytes} at.lt {TRAP_IF}
           global.get $buffer local.get {base} {bytes} at.sub local.tee {base} at.store 0
         {end}
         local.get {base} global.set $cursor
         local.get {mark} i64.const 38 i64.shr_u i32.wrap_i64 i32.const 524287 i32.and"
    )
}

/// Sets `pos`, and the local behind it to the mark in front of that, which lies in the buffer.
fn last_mark(finder: &Finder<'_, '_>, pos: u32, scratch: u32) -> String {
    let mark = pos + 1;
    let (first, limit) = (first_frame(finder), limit_in(finder, scratch, scratch + 1));
    format!(
        "global.get $buffer at.load 0 local.tee {pos} {limit} at.gt
         local.get {pos} {first} at.lt i32.or
         local.get {pos} {first} at.sub at.const 8 at.lt i32.or {TRAP_IF}
         local.get {pos} at.const 8 at.sub i64.load 0 local.set {mark}"
    )
}

/// `() -> func`: whose the frame on top is.
pub(super) fn top(finder: &Finder<'_, '_>) -> Vec<String> {
    let (unwinding, last, owner) = (is_in(1), last_mark(finder, 0, 2), owner(1));
    vec![format!("{unwinding} {TRAP_IF} {last} {owner}")]
}

/// `(func) -> bool`: whether the frame on top is another function's; one in the reserve is of the function that is called.
pub(super) fn other() -> Vec<String> {
    let reserved = is_in(4);
    vec![format!("{reserved} if i32.const 0 return end call %top local.get 0 i32.ne")]
}

/// `(func) -> ordinal`.
pub(super) fn pop(finder: &Finder<'_, '_>) -> Vec<String> {
    vec![pop_in(finder, 0, 1)]
}

/// `(func) -> ordinal, values…`.
pub(super) fn load_first(finder: &Finder<'_, '_>, ty: ValType, count: usize) -> Vec<String> {
    let loads = load(finder, ty, count);
    let pops = ["local.get 0 call %pop".to_owned(), pop_in(finder, 0, 1)];
    pops.into_iter().map(|pop| format!("{pop} {loads}")).collect()
}

/// `(offset, values…)`.
pub(super) fn save(finder: &Finder<'_, '_>, ty: ValType, count: usize) -> Vec<String> {
    let address = count as u32 + 1;
    let bytes = u64::from(slot_bytes(ty)) * count as u64;
    let stores = stores((ty, count), 1, address);
    let with = |room: String| {
        format!(
            "local.get 0 at.const {bytes} at.add local.set {address}
             {room} local.get 0 at.add local.set {address} {stores}"
        )
    };
    rooms(finder, address, address + 1).map(with).into()
}

/// Stores locals from `first` on, side by side.
fn stores((ty, count): (ValType, usize), first: u32, address: u32) -> String {
    let (size, ty) = (u64::from(slot_bytes(ty)), spelled(ty));
    let stores = (first..).zip(0..count as u64).map(|(value, position)| {
        format!("local.get {address} local.get {value} {ty}.store {} ", position * size)
    });
    stores.collect()
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

/// `()`: an unwind is undone from inside of a function; or a trap.
pub(super) fn undo(finder: &Finder<'_, '_>) -> Vec<String> {
    if !finder.abi.can_undo() {
        return vec!["unreachable".into()];
    }
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
