//! Pads, as [`plan`](crate::plan) describes them: how it is found out what they caught, and how it is thrown anew.

use super::output::{Output, Position};
use crate::plan::{Pad, PadOrdinal};
use crate::work;
use wasm_encoder::{BlockType, ValType};

/// A pad that is open.
pub(super) struct OpenPad {
    /// From here its sites are entered again, when an unwind is undone.
    again: Position,
    /// Where unwinds leave it, with the site's ordinal on the stack.
    pub(super) leave: Position,
}

impl OpenPad {
    pub(super) fn open(out: &mut Output<'_, '_>) -> OpenPad {
        out.sink().loop_(BlockType::Empty);
        let again = out.opened();
        let leave = out.block(BlockType::Result(ValType::I32));
        OpenPad { again, leave }
    }

    /// Ends `leave`. The site's ordinal stays on the stack, and goes to `$resume` where something asks it; what was caught is in the
    /// pad's temporaries behind it. If that can't be told, the unwind is undone.
    pub(super) fn find_out(&self, out: &mut Output<'_, '_>, pad: &Pad, handler: Position) {
        if pad.falls_out {
            let depth = out.distance(handler);
            out.sink().br(depth);
        }
        out.end();
        if pad.has_several_sites() || out.rewind().asks_resume {
            let resume = out.resume();
            out.sink().local_tee(resume);
        }
        let is_known = !out.runtime.tags.tags.is_empty();
        let ty = if is_known { BlockType::Result(ValType::I32) } else { BlockType::Empty };
        out.sink().try_(ty);
        out.opened();
        let depth = out.distance(handler);
        out.sink().rethrow(depth);
        let runtime = out.runtime;
        let kind = out.number(pad.kind);
        for (number, known) in (1..).zip(&runtime.tags.tags) {
            out.sink().catch(known.tag.0);
            for place in known.places.iter().rev() {
                work::count(1);
                out.set(pad.values[*place as usize]);
            }
            out.sink().i32_const(number);
        }
        let again = out.distance(self.again);
        out.sink().catch_all().call(runtime.pads().undo.0).br(again);
        out.end();
        if is_known {
            out.sink().local_set(kind);
        }
    }

    /// Behind it nothing is reached, which the validator is told where that matters to it.
    pub(super) fn close(&self, out: &mut Output<'_, '_>, pad: &Pad) {
        debug_assert!(out.is_innermost(self.again), "constructs nest");
        out.end();
        if pad.has_results {
            out.sink().unreachable();
        }
    }
}

/// Throws what the pad had caught. Behind it nothing is reached.
pub(super) fn throw(out: &mut Output<'_, '_>, ordinal: PadOrdinal) {
    let pad = &out.plan.pads[ordinal.0 as usize];
    out.get(pad.kind);
    pad.values.iter().for_each(|local| out.get(*local));
    let throw = out.runtime.pads().throw;
    out.sink().call(throw.0);
}
