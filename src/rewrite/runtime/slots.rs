//! The helpers that save and load numbers and vectors in frames, several at a time.

use super::Runtime;
use super::address::AddressSink;
use super::frames::END_FRAME_LOCALS;
use crate::abi::{SLOT_TYPES, State, slot_bytes, type_ordinal};
use crate::index::FuncIdx;
use crate::plan::{Plan, Slot};
use crate::work;
use std::collections::BTreeMap;
use wasm_encoder::{Function, InstructionSink, ValType as WasmType};
use wasmparser::ValType;

/// The helpers for some number of values of one type; those that there are to be.
#[derive(Default, Clone, Copy)]
pub(super) struct SlotFuncs<T = Option<FuncIdx>> {
    save: T,
    /// Saves them at the end of a frame, and does what `seal` does.
    save_last: T,
    load: T,
    /// Does what `pop` does, and loads them from the beginning of the frame.
    load_first: T,
}

/// Which there are to be, by type and number.
fn wanted(plan: &Plan) -> BTreeMap<(usize, usize), SlotFuncs<bool>> {
    let mut wanted: BTreeMap<_, SlotFuncs<bool>> = BTreeMap::new();
    let mut want = |piece: &[Slot], of: fn(&mut SlotFuncs<bool>) -> &mut bool| {
        work::count(1);
        // `keepers` saves and loads references.
        if !piece[0].ty.is_reference_type() {
            *of(wanted.entry((type_ordinal(piece[0].ty), piece.len())).or_default()) = true;
        }
    };
    let helpers = &plan.helpers;
    for func in &plan.funcs {
        for body in func.bodies() {
            let last = helpers.saved_last(func, body);
            last.into_iter().for_each(|piece| want(piece, |funcs| &mut funcs.save_last));
            let saved_last = last.map_or(0, <[Slot]>::len);
            let mut save = |slots: &[Slot]| {
                helpers.pieces(slots).for_each(|piece| want(piece, |funcs| &mut funcs.save));
            };
            match func.exits_of(body).map(|exits| exits.exits.split_last()) {
                Some(Some((last, others))) => {
                    others.iter().for_each(|exit| save(&exit.slots));
                    save(&last.slots[..last.slots.len() - saved_last]);
                }
                _ => save(&func.frame.slots[..func.frame.slots.len() - saved_last]),
            }
        }
        let first = helpers.loaded_first(func);
        first.into_iter().for_each(|piece| want(piece, |funcs| &mut funcs.load_first));
        let rest = helpers.loaded(func).skip(usize::from(first.is_some()));
        rest.for_each(|piece| want(piece, |funcs| &mut funcs.load));
    }
    wanted
}

impl Runtime {
    pub(super) fn append_slot_helpers(&mut self, plan: &Plan) {
        let address = self.address_type();
        for ((ordinal, count), wanted) in wanted(plan) {
            let ty = SLOT_TYPES[ordinal];
            let values = vec![self.types.val_type(ty); count];
            let mut funcs = SlotFuncs::default();
            if wanted.save {
                let body = self.save_body(ty, count);
                let name = format!("save_{ty}x{count}");
                let params = [&[address], &values[..]].concat();
                funcs.save = Some(self.add_private(&name, params, vec![], body));
            }
            if wanted.save_last {
                let body = self.save_last_body(ty, count);
                let name = format!("save_last_{ty}x{count}");
                let params = [&[WasmType::I32, WasmType::I64], &values[..]].concat();
                funcs.save_last = Some(self.add_private(&name, params, vec![WasmType::I32], body));
            }
            if wanted.load_first {
                let body = self.load_first_body(ty, count);
                let name = format!("load_first_{ty}x{count}");
                let results = [&[WasmType::I32], &values[..]].concat();
                funcs.load_first =
                    Some(self.add_private(&name, vec![WasmType::I32], results, body));
            }
            if wanted.load {
                let body = self.load_body(ty, count);
                let name = format!("load_{ty}x{count}");
                funcs.load = Some(self.add_private(&name, vec![], values, body));
            }
            self.slot_funcs.insert((ordinal, count), funcs);
        }
    }

    /// The helper that saves a piece of a frame.
    pub fn save(&self, piece: &[Slot]) -> FuncIdx {
        self.slot_funcs(piece).save.expect("laid out for all frames")
    }

    /// The helper that saves the last piece of a frame, and ends it.
    pub fn save_last(&self, piece: &[Slot]) -> FuncIdx {
        self.slot_funcs(piece).save_last.expect("laid out for all frames")
    }

    /// The helper that loads a piece of a frame.
    pub fn load(&self, piece: &[Slot]) -> FuncIdx {
        self.slot_funcs(piece).load.expect("laid out for all frames")
    }

    /// The helper that goes to a frame, and loads its first piece.
    pub fn load_first(&self, piece: &[Slot]) -> FuncIdx {
        self.slot_funcs(piece).load_first.expect("laid out for all frames")
    }

    fn slot_funcs(&self, piece: &[Slot]) -> SlotFuncs {
        let kind = (type_ordinal(piece[0].ty), piece.len());
        self.slot_funcs.get(&kind).copied().unwrap_or_default()
    }

    /// `save(offset, values…)`: writes the values to the slots from `offset` on of the frame that is being written.
    fn save_body(&self, ty: ValType, count: usize) -> Function {
        let (offset, address, memory) = (0, count as u32 + 1, self.memory);
        let bytes = u64::from(slot_bytes(ty));
        let mut body = Function::new([(4, self.address_type())]);
        let mut sink = body.instructions();
        sink.local_get(offset).at_const(memory, bytes * count as u64).at_add(memory);
        sink.local_set(address);
        self.room(&mut sink, address, address + 1);
        sink.local_get(offset).at_add(memory).local_set(address);
        self.store_run(&mut sink, (ty, count), 1, address);
        sink.end();
        body
    }

    /// `save_last(ordinal, mark, values…) -> undo`: `seal(ordinal, mark)`, and the values go to the last slots of the frame.
    fn save_last_body(&self, ty: ValType, count: usize) -> Function {
        let (ordinal, mark, address, memory) = (0, 1, count as u32 + 2, self.memory);
        let bytes = u64::from(slot_bytes(ty)) * count as u64;
        let mut body = Function::new([(1 + END_FRAME_LOCALS, self.address_type())]);
        let mut sink = body.instructions();
        self.end_frame(&mut sink, (ordinal, mark), address + 1);
        sink.at_const(memory, bytes).at_sub(memory).local_set(address);
        self.store_run(&mut sink, (ty, count), 2, address);
        self.is_in(&mut sink, State::NoRoomReserve);
        sink.end();
        body
    }

    /// Stores locals from `first` on, side by side.
    fn store_run(
        &self,
        sink: &mut InstructionSink<'_>,
        (ty, count): (ValType, usize),
        first: u32,
        address: u32,
    ) {
        for position in 0..count as u32 {
            sink.local_get(address).local_get(first + position);
            sink.frame_store(self.memory, ty, u64::from(position * slot_bytes(ty)));
        }
    }

    /// `load() -> values…`: the values of the slots at the cursor, which moves on.
    fn load_body(&self, ty: ValType, count: usize) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        self.load_run(&mut sink, ty, count);
        sink.end();
        body
    }

    /// `load_first(func) -> ordinal, values…`: `pop(func)`, and the values of the frame's first slots; the cursor is behind them.
    fn load_first_body(&self, ty: ValType, count: usize) -> Function {
        let mut body = Function::new_with_locals_types(self.pop_locals());
        let mut sink = body.instructions();
        self.pop(&mut sink, 0, 1);
        self.load_run(&mut sink, ty, count);
        sink.end();
        body
    }

    fn load_run(&self, sink: &mut InstructionSink<'_>, ty: ValType, count: usize) {
        for position in 0..count {
            sink.global_get(self.globals.cursor.0);
            sink.frame_load(self.memory, ty, position as u64 * u64::from(slot_bytes(ty)));
        }
        self.advance(sink, ty, count);
    }

    fn advance(&self, sink: &mut InstructionSink<'_>, ty: ValType, count: usize) {
        let bytes = u64::from(slot_bytes(ty)) * count as u64;
        sink.global_get(self.globals.cursor.0).at_const(self.memory, bytes).at_add(self.memory);
        sink.global_set(self.globals.cursor.0);
    }
}
