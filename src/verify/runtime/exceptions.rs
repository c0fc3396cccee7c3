//! Specifications of the helpers that keep exceptions in frames as their tag and what they carry, in the words of `pattern`.
//!
//! Which number means which tag, and where in a cell its values lie, is read off the helper that loads; the others must agree.

use super::references::Kept;
use super::{Operator, spelled};
use crate::abi::slot_bytes;
use crate::verify::runtime::frames::TRAP_IF;
use wasmparser::{MemArg, ValType};

/// A kind of exceptions that a cell can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tagged {
    tag: u32,
    /// The types and offsets of the values, in order.
    values: Vec<(ValType, u64)>,
}

/// Exceptions as cells hold them.
pub(super) struct Exceptions {
    tags: Vec<Tagged>,
    /// The offsets of all values.
    offsets: Vec<u64>,
    kept: Kept,
    cell_bytes: u64,
}

/// The helper's parameters and locals.
const ADDRESS: u32 = 2;
const FIRST_VALUE: u32 = 3;

impl Exceptions {
    /// What a helper loads that reads cells for a table's exceptions; `None` if it is no such helper.
    pub fn read_off(kept: Kept, operators: &[Operator<'_>]) -> Option<Exceptions> {
        let mut tags = Vec::new();
        let mut values = Vec::new();
        for operator in operators {
            match operator {
                Operator::End => values.clear(),
                Operator::Throw { tag_index } => {
                    tags.push(Tagged { tag: *tag_index, values: std::mem::take(&mut values) });
                }
                operator => values.extend(loaded(operator)),
            }
        }
        let cell_bytes = operators.iter().find_map(|operator| match operator {
            Operator::I32Const { value } => Some(*value as u32 as u64),
            Operator::I64Const { value } => Some(*value as u64),
            _ => None,
        })?;
        let mut cells: Vec<_> = tags.iter().flat_map(|tag| tag.values.iter().copied()).collect();
        cells.sort_unstable_by_key(|(_, offset)| *offset);
        cells.dedup();
        // None lies over another, or over the number in front.
        let mut end = 4;
        for (ty, offset) in &cells {
            if *offset < end {
                return None;
            }
            end = offset + u64::from(slot_bytes(*ty));
        }
        let offsets = cells.into_iter().map(|(_, offset)| offset).collect();
        (end <= cell_bytes).then_some(Exceptions { tags, offsets, kept, cell_bytes })
    }

    /// Size of a cell in bytes.
    pub fn cell_bytes(&self) -> u64 {
        self.cell_bytes
    }

    /// The local that holds the value of a cell's offset.
    fn local(&self, offset: u64) -> u32 {
        let position = self.offsets.iter().position(|other| *other == offset);
        FIRST_VALUE + position.unwrap_or_default() as u32
    }

    /// `() -> exception`.
    pub fn load(&self) -> String {
        let Kept { table, ordinal, .. } = self.kept;
        let (bytes, count) = (self.cell_bytes, self.tags.len());
        let blocks = "block.any ".repeat(count + 1);
        let labels: Vec<_> = (0..=count).map(|label| label.to_string()).collect();
        let labels = labels.join(",");
        let throws = self.tags.iter().map(|Tagged { tag, values }| {
            let loads = values
                .iter()
                .map(|(ty, offset)| format!("local.get 0 {}.load {offset} ", spelled(*ty)));
            format!("end {} throw {tag} ", loads.collect::<String>())
        });
        let throws: String = throws.collect();
        format!(
            "global.get $cursor global.get $cursor at.const {bytes} at.add global.set $cursor
             local.tee 0 i32.load 0 local.tee 1 i32.eqz if ref.null return end
             local.get 1 i32.const 0 i32.lt_s if
               i32.const 0 local.get 1 i32.sub local.set 1
               local.get 1 table.get {table} local.tee 2 ref.is_null {TRAP_IF}
               local.get 1 ref.null table.set {table}
               global.get $live{ordinal} i32.const 1 i32.sub global.set $live{ordinal}
               local.get 2 return
             end
             block.any try_table allref:0 {blocks}
             local.get 1 i32.const 1 i32.sub br_table {labels}
             {throws}
             end unreachable end unreachable end"
        )
    }

    /// Finds out by which tag an exception is known: for each `found`, with its values on the stack, and behind all where it is known by none.
    /// In all ways: those with several values may be left out.
    fn by_tag(&self, exception: u32, found: impl Fn(u32, &Tagged) -> String) -> Vec<String> {
        let with = |most: usize| {
            let told = (1..).zip(&self.tags).filter(|(_, tag)| tag.values.len() <= most);
            let told: Vec<_> = told.collect();
            let blocks = "block.any ".repeat(told.len());
            let catches = told
                .iter()
                .zip(0..)
                .map(|((_, Tagged { tag, .. }), label)| format!("{tag}:{label},"));
            let catches: String = catches.collect();
            let each = told.iter().map(|(number, tag)| format!("end {} ", found(*number, tag)));
            let each: String = each.collect();
            format!(
                "block {blocks} try_table {catches}all:{}
                 local.get {exception} throw_ref end unreachable {each} end",
                told.len()
            )
        };
        vec![with(usize::MAX), with(1)]
    }

    /// `(offset, exception)`.
    pub fn save(&self) -> Vec<String> {
        let (bytes, ordinal) = (self.cell_bytes, self.kept.ordinal);
        let found = self.by_tag(1, |number, Tagged { values, .. }| {
            let sets = values.iter().rev();
            let sets = sets.map(|(_, offset)| format!("local.set {} ", self.local(*offset)));
            let stores = values.iter().map(|(ty, offset)| {
                let local = self.local(*offset);
                format!("local.get {ADDRESS} local.get {local} {}.store {offset} ", spelled(*ty))
            });
            let (sets, stores) = (sets.collect::<String>(), stores.collect::<String>());
            format!("{sets} local.get {ADDRESS} i32.const {number} i32.store 0 {stores} return")
        });
        let with = |found: String| {
            format!(
                "local.get 0 at.const {bytes} at.add call %room local.get 0 at.add
                 local.set {ADDRESS}
                 local.get 1 ref.is_null if
                   local.get {ADDRESS} i32.const 0 i32.store 0 return
                 end
                 {found}
                 i32.const 1 global.set $unsaved
                 local.get {ADDRESS} i32.const 0 local.get 1 call %keep{ordinal} i32.sub
                 i32.store 0"
            )
        };
        found.into_iter().map(with).collect()
    }

    /// `(exception)`: notes whether it can't be saved.
    pub fn check(&self) -> Vec<String> {
        let drops = |_: u32, tag: &Tagged| "drop ".repeat(tag.values.len()) + "return";
        let found = self.by_tag(0, drops);
        let with = |found: String| {
            format!(
                "local.get 0 ref.is_null if return end {found}
                 i32.const 1 global.set $unsaved"
            )
        };
        found.into_iter().map(with).collect()
    }
}

/// The type and offset of a value that is loaded.
fn loaded(operator: &Operator<'_>) -> Option<(ValType, u64)> {
    let (ty, MemArg { offset, .. }) = match operator {
        Operator::I32Load { memarg } => (ValType::I32, memarg),
        Operator::I64Load { memarg } => (ValType::I64, memarg),
        Operator::F32Load { memarg } => (ValType::F32, memarg),
        Operator::F64Load { memarg } => (ValType::F64, memarg),
        Operator::V128Load { memarg } => (ValType::V128, memarg),
        _ => return None,
    };
    Some((ty, *offset))
}
