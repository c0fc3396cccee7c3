//! How a site detects an unwind, and where it leaves the body.
//!
//! After a site the body tests the state, and branches to its exit with the site's ordinal on the stack. A body that a rewind
//! enters has one exit, where all slots of the frame are saved; another has a chain of them:
//!
//! ```text
//! block $tail (result i32)
//!   block $exit1 (result i32)
//!     block $exit0 (result i32)
//!       …the body: after a site, `i32.const ordinal  global.get $state  br_if $exit0  drop`…
//!       return
//!     end                                  ;; the site's ordinal is on the stack, and stays there
//!     (call $save (i32.const offset) (local.get 2) (local.get 5))
//!     br $exit1                            ;; the exit whose set is part of this one's
//!   end
//!   (call $save (i32.const offset) (local.get 0) (local.get 1))
//! end
//! i64.const mark  call $seal                ;; the mark but for the site
//! if …undo… end
//! …dummies…
//! ```
//!
//! The ordinal arrives with the branch; nothing of the frame is final before `seal`, which has been told its size. Where the last slots are of a
//! kind that many frames end with, `save_last` saves them and does what `seal` does.
//!
//! That is the whole interface: [`ExitLabels::open`] around the body, [`ExitLabels::test`] after each site,
//! [`ExitLabels::close`] behind it; and [`ExitLabels::open_pad`] and [`ExitLabels::close_pad`], between which sites leave
//! by way of the pad's end.

use super::output::{Output, Position};
use super::pad::OpenPad;
use super::reentry;
use super::references;
use super::runtime::AddressSink;
use crate::plan::{self, Pad, PadOrdinal, Slot};
use crate::work;
use wasm_encoder::{BlockType, ValType};

/// The labels of the exits around a body.
pub(super) struct ExitLabels<'m> {
    /// What the plan says of them, if there are several.
    chain: Option<&'m plan::Exits>,
    /// The label of each.
    labels: Vec<Position>,
    /// Where those go that have no next, if there are several.
    tail: Option<Position>,
    /// The pads that are open: sites inside leave by way of the innermost.
    pads: Vec<OpenPad>,
}

impl<'m> ExitLabels<'m> {
    /// Opens the labels of the exits, the first one innermost.
    pub(super) fn open(out: &mut Output<'m, '_>) -> ExitLabels<'m> {
        let chain = out.plan.exits_of(out.body);
        let count = chain.map_or(1, |chain| chain.exits.len());
        let roots = chain.map_or(1, plan::Exits::roots);
        let ordinal = BlockType::Result(ValType::I32);
        let tail = (roots > 1).then(|| out.block(ordinal));
        let mut labels: Vec<_> = (0..count).map(|_| out.block(ordinal)).collect();
        labels.reverse();
        ExitLabels { chain, labels, tail, pads: Vec::new() }
    }

    /// After a site: unwinding is the only thing that ends in a state that is not 0.
    pub(super) fn test(&self, out: &mut Output<'_, '_>, site: u32) {
        let pad = self.pads.last().map(|pad| pad.leave);
        let depth = out.distance(pad.unwrap_or_else(|| self.label_of(site)));
        let state = out.runtime.state.0;
        out.sink().i32_const(site as i32).global_get(state).br_if(depth).drop();
    }

    /// The label of a site's exit.
    fn label_of(&self, site: u32) -> Position {
        let exit = self.chain.map_or(0, |chain| chain.of_sites[site as usize - 1]);
        self.labels[exit as usize]
    }

    /// Behind the `catch_all` of a pad.
    pub(super) fn open_pad(&mut self, out: &mut Output<'_, '_>) {
        self.pads.push(OpenPad::open(out));
    }

    /// At the end of the pad that was opened last, the handler of the `try` whose label is `handler`.
    pub(super) fn close_pad(
        &mut self,
        out: &mut Output<'_, '_>,
        ordinal: PadOrdinal,
        handler: Position,
    ) {
        let pad = &out.plan.pads[ordinal.0 as usize];
        let open = self.pads.pop().expect("pads nest");
        open.find_out(out, pad, handler);
        self.leave_pad(out, pad);
        open.close(out, pad);
    }

    /// From a pad to the one around it, or to the exits of its sites, one of which `$resume` says; with the ordinal, which is on the stack.
    fn leave_pad(&self, out: &mut Output<'_, '_>, pad: &Pad) {
        let sites = pad.first..pad.first + pad.sites;
        let mut exits: Vec<_> = match self.pads.last() {
            Some(outer) => vec![outer.leave],
            None => sites.map(|site| self.label_of(site)).collect(),
        };
        if exits.iter().all(|exit| *exit == exits[0]) {
            exits.truncate(1);
        }
        let last = exits.pop().expect("a pad has sites");
        let last = out.distance(last);
        if exits.is_empty() {
            out.sink().br(last);
            return;
        }
        let depths: Vec<_> = exits.into_iter().map(|exit| out.distance(exit)).collect();
        let (resume, first) = (out.resume(), pad.first as i32);
        out.sink().local_get(resume).i32_const(first).i32_sub().br_table(depths, last);
    }

    /// What the exits do; behind it nothing is left but to return a dummy.
    pub(super) fn close(self, out: &mut Output<'_, '_>) {
        let (plan, mark) = (out.plan, out.mark());
        let last = out.runtime.helpers.saved_last(plan, out.body);
        let saved_last = last.map_or(0, <[Slot]>::len);
        match self.chain {
            Some(chain) => self.close_chain(out, chain, saved_last),
            None => {
                out.end();
                references::note_site(out);
                reentry::repeat_site(out);
                save(out, but_last(&plan.frame.slots, saved_last));
            }
        }
        references::hold(out);
        out.sink().i64_const(mark.bits() as i64);
        let ends = last.map_or(out.runtime.seal, |piece| {
            piece.iter().for_each(|slot| out.get(slot.local));
            out.runtime.save_last(piece)
        });
        out.sink().call(ends.0);
        reentry::undo(out);
    }

    /// The exits one after the other; so many slots of the last are left to what ends the frame.
    fn close_chain(self, out: &mut Output<'_, '_>, chain: &plan::Exits, saved_last: usize) {
        let count = chain.exits.len();
        for (position, exit) in chain.exits.iter().enumerate() {
            work::count(1);
            out.end();
            let saved_last = if position + 1 == count { saved_last } else { 0 };
            save(out, but_last(&exit.slots, saved_last));
            let next = exit.next.map_or(self.tail, |next| Some(self.labels[next as usize]));
            // The label that ends next needs no branch.
            if let Some(next) = next.filter(|next| !out.is_innermost(*next)) {
                let depth = out.distance(next);
                out.sink().br(depth);
            }
            debug_assert!(next.is_some() || position + 1 == count);
        }
        if self.tail.is_some() {
            out.end();
        }
    }
}

fn but_last(slots: &[Slot], count: usize) -> &[Slot] {
    &slots[..slots.len() - count]
}

/// Writes locals to the frame.
fn save(out: &mut Output<'_, '_>, slots: &[Slot]) {
    let memory = out.runtime.memory;
    for piece in out.runtime.helpers.pieces(slots) {
        work::count(1);
        out.sink().at_const(memory, u64::from(piece[0].offset));
        let save = match piece[0].ty {
            wasmparser::ValType::Ref(ty) => references::to_save(out, piece[0], ty),
            _ => {
                piece.iter().for_each(|slot| out.get(slot.local));
                out.runtime.save(piece).0
            }
        };
        out.sink().call(save);
    }
}
