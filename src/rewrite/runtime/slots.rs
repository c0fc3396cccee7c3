//! The helpers that save and load numbers and vectors in frames, several at a time.

use super::Runtime;
use super::address::AddressSink;
use crate::abi::{SLOT_TYPES, slot_bytes, type_ordinal};
use crate::index::FuncIdx;
use crate::plan::{Plan, Slot, saved_together};
use crate::work;
use std::collections::BTreeMap;
use wasm_encoder::{Function, InstructionSink};
use wasmparser::ValType;

/// The helpers for some number of values of one type.
#[derive(Default, Clone, Copy)]
pub(super) struct Helpers {
    save: Option<FuncIdx>,
    load: Option<FuncIdx>,
}

/// Whether these are no references, which `keepers` saves and loads.
fn is_numeric(slots: &&[Slot]) -> bool {
    !slots[0].ty.is_reference_type()
}

impl Runtime {
    pub(super) fn append_slot_helpers(&mut self, plan: &Plan) {
        let mut wanted: BTreeMap<(usize, usize), (bool, bool)> = BTreeMap::new();
        for func in &plan.funcs {
            let exits = func.exits.iter().flat_map(|exits| &exits.exits);
            let saved = exits.map(|exit| &exit.slots).chain([&func.frame.slots]);
            for slots in saved.flat_map(|slots| saved_together(slots)).filter(is_numeric) {
                work::count(1);
                wanted.entry((type_ordinal(slots[0].ty), slots.len())).or_default().0 = true;
            }
            for slots in func.frame.loaded_together(plan.multi_value).filter(is_numeric) {
                work::count(1);
                wanted.entry((type_ordinal(slots[0].ty), slots.len())).or_default().1 = true;
            }
        }
        for ((ordinal, count), (save, load)) in wanted {
            let ty = SLOT_TYPES[ordinal];
            let values = vec![self.types.val_type(ty); count];
            let mut helpers = Helpers::default();
            if save {
                let body = self.save_body(ty, count);
                let name = format!("save_{ty}x{count}");
                let params = [&[self.address_type()], &values[..]].concat();
                helpers.save = Some(self.add_private(&name, params, vec![], body));
            }
            if load {
                let body = self.load_body(ty, count);
                let name = format!("load_{ty}x{count}");
                helpers.load = Some(self.add_private(&name, vec![], values, body));
            }
            self.helpers.insert((ordinal, count), helpers);
        }
    }

    /// The helper that saves `count` values of `ty`.
    pub fn save_helper(&self, ty: ValType, count: usize) -> u32 {
        self.helper(ty, count).save.expect("laid out for all frames").0
    }

    /// The helper that loads `count` values of `ty`.
    pub fn load_helper(&self, ty: ValType, count: usize) -> u32 {
        self.helper(ty, count).load.expect("laid out for all frames").0
    }

    fn helper(&self, ty: ValType, count: usize) -> Helpers {
        self.helpers.get(&(type_ordinal(ty), count)).copied().unwrap_or_default()
    }

    /// `save(offset, values…)`: writes the values to the slots from `offset` on of the frame that is being written.
    fn save_body(&self, ty: ValType, count: usize) -> Function {
        let (offset, address, memory) = (0, count as u32 + 1, self.memory);
        let bytes = u64::from(slot_bytes(ty));
        let mut body = Function::new([(1, self.address_type())]);
        let mut sink = body.instructions();
        sink.local_get(offset).at_const(memory, bytes * count as u64).at_add(memory);
        sink.call(self.room.0).local_get(offset).at_add(memory).local_set(address);
        for position in 0..count {
            sink.local_get(address).local_get(position as u32 + 1);
            sink.frame_store(memory, ty, position as u64 * bytes);
        }
        sink.end();
        body
    }

    /// `load() -> values…`: the values of the slots at the cursor, which moves on.
    fn load_body(&self, ty: ValType, count: usize) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        for position in 0..count {
            sink.global_get(self.globals.cursor.0);
            sink.frame_load(self.memory, ty, position as u64 * u64::from(slot_bytes(ty)));
        }
        self.advance(&mut sink, ty, count);
        sink.end();
        body
    }

    fn advance(&self, sink: &mut InstructionSink<'_>, ty: ValType, count: usize) {
        let bytes = u64::from(slot_bytes(ty)) * count as u64;
        sink.global_get(self.globals.cursor.0).at_const(self.memory, bytes).at_add(self.memory);
        sink.global_set(self.globals.cursor.0);
    }
}
