//! The helpers that save and load the values in frames, several at a time.

use super::address::AddressSink;
use super::{CHUNK, Runtime};
use crate::abi::{SLOT_TYPES, slot_bytes};
use crate::index::FuncIdx;
use crate::plan::{Frame, Plan, Slot};
use std::collections::BTreeMap;
use wasm_encoder::{Function, InstructionSink};
use wasmparser::ValType;

/// The helpers for some number of values of one type.
#[derive(Default, Clone, Copy)]
pub(super) struct Helpers {
    save: Option<FuncIdx>,
    load: Option<FuncIdx>,
}

impl Runtime {
    pub(super) fn append_slot_helpers(&mut self, plan: &Plan) {
        let mut wanted: BTreeMap<(usize, usize), (bool, bool)> = BTreeMap::new();
        for func in &plan.funcs {
            for (ty, slots) in self.save_chunks(&func.frame) {
                wanted.entry((type_ordinal(ty), slots.len())).or_default().0 = true;
            }
            for (ty, slots) in self.load_chunks(&func.frame) {
                wanted.entry((type_ordinal(ty), slots.len())).or_default().1 = true;
            }
        }
        for ((ordinal, count), (save, load)) in wanted {
            let ty = SLOT_TYPES[ordinal];
            let values = vec![self.types.val_type(ty); count];
            let mut helpers = Helpers::default();
            if save {
                let body = self.save_body(ty, count);
                let name = format!("save_{ty}x{count}");
                helpers.save = Some(self.add_private(&name, values.clone(), vec![], body));
            }
            if load {
                let body = self.load_body(ty, count);
                let name = format!("load_{ty}x{count}");
                helpers.load = Some(self.add_private(&name, vec![], values, body));
            }
            self.helpers.insert((ordinal, count), helpers);
        }
    }

    /// The frame's slots as the calls of save helpers take them.
    pub fn save_chunks<'f>(
        &self,
        frame: &'f Frame,
    ) -> impl Iterator<Item = (ValType, &'f [Slot])> + use<'f> {
        chunks(frame, CHUNK)
    }

    /// The frame's slots as the calls of load helpers give them.
    pub fn load_chunks<'f>(
        &self,
        frame: &'f Frame,
    ) -> impl Iterator<Item = (ValType, &'f [Slot])> + use<'f> {
        chunks(frame, if self.multi_value { CHUNK } else { 1 })
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

    fn save_body(&self, ty: ValType, count: usize) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        for position in 0..count {
            sink.global_get(self.cursor.0).local_get(position as u32);
            sink.frame_store(self.memory, ty, position as u64 * u64::from(slot_bytes(ty)));
        }
        self.advance(&mut sink, ty, count);
        sink.end();
        body
    }

    fn load_body(&self, ty: ValType, count: usize) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        for position in 0..count {
            sink.global_get(self.cursor.0);
            sink.frame_load(self.memory, ty, position as u64 * u64::from(slot_bytes(ty)));
        }
        self.advance(&mut sink, ty, count);
        sink.end();
        body
    }

    fn advance(&self, sink: &mut InstructionSink<'_>, ty: ValType, count: usize) {
        let bytes = u64::from(slot_bytes(ty)) * count as u64;
        sink.global_get(self.cursor.0).at_const(self.memory, bytes).at_add(self.memory);
        sink.global_set(self.cursor.0);
    }
}

/// Runs of at most `most` slots of one type.
fn chunks(frame: &Frame, most: usize) -> impl Iterator<Item = (ValType, &[Slot])> {
    frame
        .slots
        .chunk_by(|a, b| a.ty == b.ty)
        .flat_map(move |same| same.chunks(most))
        .map(|slots| (slots[0].ty, slots))
}

fn type_ordinal(ty: ValType) -> usize {
    SLOT_TYPES.iter().position(|slot| *slot == ty).expect("slots are numeric or vectors")
}
