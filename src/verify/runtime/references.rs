//! Specifications of the helpers that keep references in a table, in the words of `pattern`.
//!
//! What is kept has a slot, whose number is the cell; 0 is null. Where a stack may be rewound in another instance, nothing is kept but for as long
//! as an unwind is being undone: such a reference is noted in a global, which `seal` and `probe` look at. Elsewhere cells are linked,
//! so that the host can have all of them released.

use super::frames::{TRAP_IF, is_in};
use crate::abi::Abi;

/// A number that no slot has, even as a half of a cell's.
const GONE: u32 = 0xffff_fffe;

/// How references of a table are kept.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub table: u32,
    /// The table's position among those that were added.
    pub ordinal: u32,
    /// Whether an `i31` is in the cell itself.
    pub has_i31: bool,
    pub stays: Stays,
}

/// How long what is kept stays.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stays {
    /// While an unwind is undone.
    Undone,
    /// Until the host releases what cells are linked in a buffer.
    Linked,
    /// Until the host releases all.
    All,
    /// Until it is loaded, which leaves the cell with what no slot has.
    Loaded,
}

impl Kept {
    /// Size of a cell in bytes.
    pub fn cell_bytes(self) -> u64 {
        if self.stays == Stays::Linked { 8 } else { 4 }
    }

    /// Whether any reference can be saved.
    pub fn takes_all(self) -> bool {
        self.stays != Stays::Undone
    }

    /// All ways in which references of a table may be kept by a protocol.
    pub fn ways(abi: Abi, table: u32, ordinal: u32) -> impl Iterator<Item = Kept> {
        let stays = match abi.is_asyncify() {
            true => &[Stays::Undone, Stays::All, Stays::Loaded][..],
            false => &[Stays::Undone, Stays::Linked],
        };
        let flags = stays.iter().flat_map(|stays| [(false, *stays), (true, *stays)]);
        flags.map(move |(has_i31, stays)| Kept { table, ordinal, has_i31, stays })
    }

    fn note(self, reference: u32) -> String {
        match self.takes_all() {
            true => String::new(),
            false => format!(
                "local.get {reference} ref.is_null i32.eqz if i32.const 1 global.set $unsaved end"
            ),
        }
    }

    /// `(reference) -> slot`: takes a free slot; 0 for null.
    pub fn keep(self) -> String {
        let Kept { table, ordinal, .. } = self;
        format!(
            "local.get 0 ref.is_null if i32.const 0 return end
             global.get $live{ordinal} i32.const 1 i32.shl table.size {table} i32.ge_u
             if ref.null table.size {table} table.grow {table} i32.const -1 i32.eq {TRAP_IF} end
             global.get $last{ordinal} local.set 1
             loop
               local.get 1 i32.const 1 i32.add local.tee 1 table.size {table} i32.ge_u
               if i32.const 1 local.set 1 end
               local.get 1 table.get {table} ref.is_null i32.eqz br_if 0
             end
             local.get 1 local.get 0 table.set {table}
             global.get $live{ordinal} i32.const 1 i32.add global.set $live{ordinal}
             local.get 1 global.set $last{ordinal} local.get 1"
        )
    }

    /// `(offset, reference)`. `narrow` makes an address a number of 32 bits.
    pub fn save(self, narrow: &str) -> String {
        let (bytes, note, ordinal) = (self.cell_bytes(), self.note(1), self.ordinal);
        let i31 = match self.has_i31 {
            true => {
                "local.get 1 ref.test_i31 if
                       local.get 2 local.get 1 ref.cast_i31 i31.get_u
                       i32.const 1 i32.shl i32.const 1 i32.or i32.store 0 return
                     end"
            }
            false => "",
        };
        let shift = if self.has_i31 { "i32.const 1 i32.shl" } else { "" };
        let link = match self.stays == Stays::Linked {
            true => format!(
                "local.get 3 if
                   local.get 2 global.get $part i32.load #list{ordinal} i32.store 4
                   global.get $part local.get 2 global.get $part at.sub {narrow}
                   i32.store #list{ordinal}
                 end"
            ),
            false => String::new(),
        };
        format!(
            "local.get 0 at.const {bytes} at.add call %room local.get 0 at.add local.set 2
             {i31} {note}
             local.get 2 local.get 1 call %keep{ordinal} {shift} local.tee 3 i32.store 0
             {link}"
        )
    }

    /// `() -> reference`. `unlinked` begins all lists anew.
    pub fn load(self, unlinked: &str) -> String {
        let Kept { table, ordinal, .. } = self;
        let bytes = self.cell_bytes();
        let i31 = match self.has_i31 {
            true => {
                "local.get 0 i32.const 1 i32.and if
                       local.get 0 i32.const 1 i32.shr_s ref.i31 return
                     end
                     local.get 0 i32.const 1 i32.shr_u local.set 0"
            }
            false => "",
        };
        let emptied = format!(
            "local.get 0 ref.null table.set {table}
             global.get $live{ordinal} i32.const 1 i32.sub global.set $live{ordinal}"
        );
        let undoing = is_in(3);
        let emptied = match self.stays {
            Stays::Undone => emptied,
            Stays::Linked => format!("{undoing} if {emptied} {unlinked} end"),
            Stays::All => String::new(),
            Stays::Loaded => format!(
                "{emptied} global.get $cursor at.const {bytes} at.sub i32.const {GONE} i32.store 0"
            ),
        };
        format!(
            "global.get $cursor global.get $cursor at.const {bytes} at.add global.set $cursor
             i32.load 0 local.set 0 {i31}
             local.get 0 i32.eqz if ref.null return end
             local.get 0 table.get {table} local.tee 1 ref.is_null {TRAP_IF}
             {emptied} local.get 1"
        )
    }

    /// What lets go of references does for one table: it empties the slots of all cells that are linked, with two locals from `at` on.
    /// `widen` makes 32 bits an address.
    pub fn release(self, widen: &str, at: u32) -> String {
        let Kept { table, ordinal, .. } = self;
        let slot = at + 1;
        let shift = if self.has_i31 { "i32.const 1 i32.shr_u" } else { "" };
        format!(
            "global.get $part i32.load #list{ordinal} {widen} local.set {at}
             block loop
               local.get {at} at.const 0 at.ne i32.eqz br_if 1
               global.get $part local.get {at} at.add local.tee {at} i32.load 0 {shift}
               local.tee {slot} table.get {table} ref.is_null {TRAP_IF}
               local.get {slot} ref.null table.set {table}
               global.get $live{ordinal} i32.const 1 i32.sub global.set $live{ordinal}
               local.get {at} i32.load 4 {widen} local.set {at} br 0
             end end "
        )
    }

    /// What lets go of all references does for one table.
    pub fn release_all(self) -> String {
        let Kept { table, ordinal, .. } = self;
        format!(
            "i32.const 0 ref.null table.size {table} table.fill {table} i32.const 0 global.set $live{ordinal} "
        )
    }

    /// `(reference)`: notes whether it can't be saved.
    pub fn check(self) -> String {
        let note = self.note(0);
        match self.has_i31 {
            true => format!("local.get 0 ref.test_i31 if return end {note}"),
            false => note,
        }
    }
}
