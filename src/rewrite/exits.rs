//! Where an unwind leaves a body.
//!
//! A body that a rewind enters has one exit, where all slots of the frame are saved; another has a chain of them:
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

use super::body::Emitter;
use super::runtime::AddressSink;
use crate::plan::{Exits, Slot, Undo, runs};
use wasm_encoder::{BlockType, ValType};

/// The open labels of exits.
#[derive(Default)]
pub(super) struct Labels {
    /// For each exit, the position of its label; a body that a rewind enters has one.
    of_exits: Vec<u32>,
    /// Where those go that have no next, if there are several.
    tail: Option<u32>,
}

impl Emitter<'_, '_> {
    /// The exits, unless there is but one.
    fn several(&self) -> Option<&Exits> {
        self.plan.exits.as_ref().filter(|_| self.body.entry.is_none())
    }

    /// Opens the labels of the exits around the body, the first one innermost.
    pub(super) fn open_exits(&mut self) {
        let exits = self.several().map_or(1, |exits| exits.exits.len());
        let roots = self.several().map_or(1, Exits::roots);
        let tail = (roots > 1).then(|| self.open_exit());
        let mut of_exits: Vec<_> = (0..exits).map(|_| self.open_exit()).collect();
        of_exits.reverse();
        self.exits = Labels { of_exits, tail };
    }

    /// Opens a label that takes a site's ordinal; returns its position.
    fn open_exit(&mut self) -> u32 {
        self.sink().block(BlockType::Result(ValType::I32));
        self.depth += 1;
        self.depth - 1
    }

    /// After a site: unwinding is the only thing that ends in a state that is not 0.
    pub(super) fn test(&mut self, site: u32) {
        let exit = self.several().map_or(0, |exits| exits.of_sites[site as usize - 1]);
        let depth = self.depth - 1 - self.exits.of_exits[exit as usize];
        let state = self.runtime.state.0;
        self.sink().i32_const(site as i32).global_get(state).br_if(depth).drop();
    }

    /// What the exits do; behind it nothing is left but to return a dummy.
    pub(super) fn close_exits(&mut self) {
        let (plan, memory) = (self.plan, self.runtime.memory);
        let (before, bytes) = (plan.sites_before as i32, u64::from(plan.frame.bytes));
        if self.body.entry.is_none()
            && let Some(exits) = &plan.exits
        {
            self.close_chain(exits);
        } else {
            self.close_exit();
            if plan.undo == Undo::Loop {
                let (resume, probe) = (self.resume(), self.runtime.probe.0);
                self.sink().local_set(resume).at_const(memory, bytes).call(probe).br_if(0).end();
                self.depth -= 1;
                self.sink().local_get(resume);
            }
            self.save(&plan.frame.slots);
        }
        let seal = self.runtime.seal.0;
        self.sink().i32_const(before).at_const(memory, bytes).call(seal);
        match (plan.undo, self.runtime.resume_of(plan.func)) {
            (Undo::Loop, _) => _ = self.sink().drop(),
            (Undo::Call, Some(resume)) => {
                self.sink().if_(BlockType::Empty).call(resume.0).return_().end();
            }
            (Undo::Call, None) => {
                self.sink().if_(BlockType::Empty);
                self.dummy_arguments();
                self.sink().call(plan.func.0).return_().end();
            }
        }
    }

    fn close_chain(&mut self, exits: &Exits) {
        let labels = std::mem::take(&mut self.exits);
        for (position, exit) in exits.exits.iter().enumerate() {
            self.close_exit();
            self.save(&exit.slots);
            let next = exit.next.map_or(labels.tail, |next| Some(labels.of_exits[next as usize]));
            // The label that ends next needs no branch.
            if let Some(next) = next.filter(|next| *next != self.depth - 1) {
                let depth = self.depth - 1 - next;
                self.sink().br(depth);
            }
            debug_assert!(next.is_some() || position + 1 == exits.exits.len());
        }
        if labels.tail.is_some() {
            self.close_exit();
        }
    }

    fn close_exit(&mut self) {
        self.sink().end();
        self.depth -= 1;
    }

    /// Takes the frame, and restores the locals from it. Undoing an unwind by a loop, they are there already.
    pub(super) fn restore_frame(&mut self) {
        let (resume, pop) = (self.resume(), self.runtime.pop.0);
        let by_loop = self.plan.undo == Undo::Loop;
        if by_loop {
            self.sink().local_get(resume).i32_eqz().if_(BlockType::Empty);
        }
        let (before, sites) = (self.plan.sites_before as i32, self.plan.sites as i32);
        let (frame, memory) = (&self.plan.frame, self.runtime.memory);
        self.sink().at_const(memory, u64::from(frame.bytes)).i32_const(before).i32_const(sites);
        self.sink().call(pop).local_set(resume);
        for slots in self.runtime.load_chunks(frame) {
            let load = self.runtime.load_helper(slots[0].ty, slots.len());
            self.sink().call(load);
            for slot in slots.iter().rev() {
                self.set(slot.local);
            }
        }
        if by_loop {
            self.sink().end();
        }
    }

    fn save(&mut self, slots: &[Slot]) {
        for slots in runs(slots) {
            let memory = self.runtime.memory;
            self.sink().at_const(memory, u64::from(slots[0].offset));
            for slot in slots {
                self.get(slot.local);
            }
            let save = self.runtime.save_helper(slots[0].ty, slots.len());
            self.sink().call(save);
        }
    }
}
