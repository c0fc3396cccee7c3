//! What pads call: `throw`, which makes an exception anew, and `undo`, where there is none that it could make.

use super::Runtime;
use crate::index::FuncIdx;
use crate::plan::KnownTags;
use wasm_encoder::{BlockType, Function, ValType};

/// The functions that pads call.
#[derive(Clone, Copy)]
pub(in super::super) struct PadFuncs {
    /// `undo()`: the unwind is undone, as where there is no room.
    pub undo: FuncIdx,
    /// `throw(kind, values…)`: throws the exception of this kind, and never returns.
    pub throw: FuncIdx,
}

impl Runtime {
    pub(super) fn append_pad_funcs(&mut self) {
        let undo = self.undo_body();
        let undo = self.add_private("undo", vec![], vec![], undo);
        let values = self.tags.values.iter().map(|ty| self.types.val_type(*ty));
        let params: Vec<_> = [ValType::I32].into_iter().chain(values).collect();
        let throw = throw_body(&self.tags);
        let throw = self.add_private("throw", params, vec![], throw);
        self.pads = Some(PadFuncs { undo, throw });
    }

    /// The functions that pads call; there are any where there are pads.
    pub fn pads(&self) -> PadFuncs {
        self.pads.expect("laid out for all pads")
    }

    fn undo_body(&self) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        if !self.abi.can_undo() {
            sink.unreachable().end();
            return body;
        }
        self.undo(&mut sink);
        sink.end();
        body
    }
}

fn throw_body(tags: &KnownTags) -> Function {
    let mut body = Function::new([]);
    let mut sink = body.instructions();
    for (kind, known) in (1..).zip(&tags.tags) {
        sink.local_get(0).i32_const(kind).i32_eq().if_(BlockType::Empty);
        known.places.iter().for_each(|place| _ = sink.local_get(place + 1));
        sink.throw(known.tag.0).end();
    }
    sink.unreachable().end();
    body
}
