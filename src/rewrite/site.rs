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
//! i32.const before  i32.const bytes  call $seal
//! if …undo… end
//! …dummies…
//! ```
//!
//! The ordinal arrives with the branch; nothing of the frame is final before `seal`, which has been told its size.
//!
//! That is the whole interface: [`Exits::open`] around the body, [`Exits::test`] after each site, [`Exits::close`] behind it.

use super::output::{Output, Position};
use super::reentry;
use super::runtime::AddressSink;
use crate::plan::{self, Slot, saved_together};
use wasm_encoder::{BlockType, ValType};

/// The labels of the exits around a body.
pub(super) struct Exits<'m> {
    /// What the plan says of them, if there are several.
    chain: Option<&'m plan::Exits>,
    /// The label of each.
    labels: Vec<Position>,
    /// Where those go that have no next, if there are several.
    tail: Option<Position>,
}

impl<'m> Exits<'m> {
    /// Opens the labels of the exits, the first one innermost.
    pub(super) fn open(out: &mut Output<'m, '_>) -> Exits<'m> {
        let chain = out.plan.exits.as_ref().filter(|_| out.body.entry.is_none());
        let count = chain.map_or(1, |chain| chain.exits.len());
        let roots = chain.map_or(1, plan::Exits::roots);
        let ordinal = BlockType::Result(ValType::I32);
        let tail = (roots > 1).then(|| out.block(ordinal));
        let mut labels: Vec<_> = (0..count).map(|_| out.block(ordinal)).collect();
        labels.reverse();
        Exits { chain, labels, tail }
    }

    /// After a site: unwinding is the only thing that ends in a state that is not 0.
    pub(super) fn test(&self, out: &mut Output<'_, '_>, site: u32) {
        let exit = self.chain.map_or(0, |chain| chain.of_sites[site as usize - 1]);
        let depth = out.distance(self.labels[exit as usize]);
        let state = out.runtime.state.0;
        out.sink().i32_const(site as i32).global_get(state).br_if(depth).drop();
    }

    /// What the exits do; behind it nothing is left but to return a dummy.
    pub(super) fn close(self, out: &mut Output<'_, '_>) {
        let (plan, memory, seal) = (out.plan, out.runtime.memory, out.runtime.seal.0);
        match self.chain {
            Some(chain) => self.close_chain(out, chain),
            None => {
                out.end();
                reentry::repeat_site(out);
                save(out, &plan.frame.slots);
            }
        }
        let (before, bytes) = (plan.sites_before as i32, u64::from(plan.frame.bytes));
        out.sink().i32_const(before).at_const(memory, bytes).call(seal);
        reentry::undo(out);
    }

    fn close_chain(self, out: &mut Output<'_, '_>, chain: &plan::Exits) {
        for (position, exit) in chain.exits.iter().enumerate() {
            out.end();
            save(out, &exit.slots);
            let next = exit.next.map_or(self.tail, |next| Some(self.labels[next as usize]));
            // The label that ends next needs no branch.
            if let Some(next) = next.filter(|next| !out.is_innermost(*next)) {
                let depth = out.distance(next);
                out.sink().br(depth);
            }
            debug_assert!(next.is_some() || position + 1 == chain.exits.len());
        }
        if self.tail.is_some() {
            out.end();
        }
    }
}

/// Writes locals to the frame.
fn save(out: &mut Output<'_, '_>, slots: &[Slot]) {
    let memory = out.runtime.memory;
    for slots in saved_together(slots) {
        let save = out.runtime.save_helper(slots[0].ty, slots.len());
        out.sink().at_const(memory, u64::from(slots[0].offset));
        slots.iter().for_each(|slot| out.get(slot.local));
        out.sink().call(save);
    }
}
