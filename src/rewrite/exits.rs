//! Where an unwind leaves a body, and where a rewind restores what was saved.
//!
//! ```text
//! block $tail (result i32)
//!   block $next1 (result i32)
//!     block $exit1 (result i32)
//!       block $exit0 (result i32)
//!         …the body: after a site, `i32.const ordinal  global.get $state  br_if $exit0  drop`…
//!         return
//!       end                                  ;; the site's ordinal is on the stack
//!       i32.const bytes  i32.const before  call $push
//!       (call $save (local.get 2) (local.get 5))
//!       br $next1                            ;; the exit whose set is part of this one's
//!     end
//!     i32.const bytes  i32.const before  call $push
//!   end                                      ;; whether to undo is on the stack
//!   (call $save (local.get 0) (local.get 1))
//! end
//! if …undo… end
//! …dummies…
//! ```
//!
//! A rewind restores what the chain of exits saved, by the same chain of labels, in the same order.

use super::body::Emitter;
use crate::plan::{Exit, Exits, Undo};
use wasm_encoder::{BlockType, ValType};

/// The open labels of a chain of exits, by position.
#[derive(Default)]
pub(super) struct Chain {
    /// For each exit, where it begins.
    first: Vec<u32>,
    /// For each exit, where others go on to it, if any do.
    next: Vec<Option<u32>>,
    /// Where those go that have no next, if there are several.
    tail: Option<u32>,
}

impl<'m> Emitter<'m, '_> {
    fn exits_of_plan(&self) -> &'m Exits {
        &self.plan.exits
    }

    /// Opens the labels of the exits around the body.
    pub(super) fn open_exits(&mut self) {
        self.exits = self.open_chain(BlockType::Result(ValType::I32));
    }

    /// After a site: unwinding is the only thing that ends in a state that is not 0.
    pub(super) fn test(&mut self, site: u32) {
        let exit = self.exits_of_plan().of_sites[site as usize - 1];
        let depth = self.depth - 1 - self.exits.first[exit as usize];
        let state = self.runtime.state.0;
        self.sink().i32_const(site as i32).global_get(state).br_if(depth).drop();
    }

    /// What the exits do; behind it nothing is left but to return a dummy.
    pub(super) fn close_exits(&mut self) {
        if self.plan.undo == Undo::Loop {
            return self.leave_or_retry();
        }
        let chain = std::mem::take(&mut self.exits);
        let (before, push) = (self.plan.sites_before as i32, self.runtime.push_always.0);
        let begin = |emitter: &mut Self, exit: &Exit| {
            let bytes = exit.frame_bytes as i32;
            emitter.sink().i32_const(bytes).i32_const(before).call(push);
        };
        self.close_chain(&chain, begin, |emitter, exit| emitter.save(exit));
        self.sink().if_(BlockType::Empty);
        match self.runtime.resume_of(self.plan.func) {
            Some(resume) => _ = self.sink().call(resume.0),
            None => {
                self.dummy_arguments();
                let func = self.plan.func.0;
                self.sink().call(func);
            }
        }
        self.sink().return_().end();
    }

    /// The one exit of a body that is undone by a loop around it.
    fn leave_or_retry(&mut self) {
        let [exit] = &self.exits_of_plan().exits[..] else {
            unreachable!("the plan has one exit for all sites where it undoes by a loop");
        };
        let (before, push) = (self.plan.sites_before as i32, self.runtime.push.0);
        let (resume, bytes) = (self.resume().0, exit.frame_bytes as i32);
        self.sink().end().local_tee(resume).i32_const(bytes).i32_const(before).call(push);
        self.sink().br_if(0).end();
        self.depth -= 2;
        self.save(exit);
    }

    /// Takes the frame, and restores the locals from it. Undoing an unwind by a loop, they are there already.
    pub(super) fn restore_frame(&mut self) {
        let resume = self.resume().0;
        let by_loop = self.plan.undo == Undo::Loop;
        if by_loop {
            self.sink().local_get(resume).i32_eqz().if_(BlockType::Empty);
            self.depth += 1;
        }
        let (before, sites) = (self.plan.sites_before as i32, self.plan.sites as i32);
        let exits = self.exits_of_plan();
        if let [exit] = &exits.exits[..] {
            let pop = self.runtime.pop.0;
            self.sink().i32_const(exit.frame_bytes as i32).i32_const(before).i32_const(sites);
            self.sink().call(pop).local_set(resume);
            self.load(exit);
        } else {
            let find = self.runtime.find.0;
            self.sink().i32_const(before).i32_const(sites).call(find).local_set(resume);
            self.restore_by_site();
        }
        if by_loop {
            self.sink().end();
            self.depth -= 1;
        }
    }

    /// Restores what the exit of the site in `$resume` saved.
    fn restore_by_site(&mut self) {
        let exits = self.exits_of_plan();
        let chain = self.open_chain(BlockType::Empty);
        let depths: Vec<_> = exits
            .of_sites
            .iter()
            .map(|exit| self.depth - 1 - chain.first[*exit as usize])
            .collect();
        let (resume, default) = (self.resume().0, *depths.last().expect("there are sites"));
        self.sink().local_get(resume).i32_const(1).i32_sub().br_table(depths, default);
        let take = self.runtime.take.0;
        let begin = |emitter: &mut Self, exit: &Exit| {
            emitter.sink().i32_const(exit.frame_bytes as i32).call(take);
        };
        self.close_chain(&chain, begin, |emitter, exit| emitter.load(exit));
    }

    /// Opens labels for all exits, the first one innermost. With `flow` they are left.
    fn open_chain(&mut self, flow: BlockType) -> Chain {
        let exits = self.exits_of_plan();
        let roots = exits.exits.iter().filter(|exit| exit.next.is_none()).count();
        let tail = (roots > 1).then(|| self.open(flow));
        let is_next = exits.is_next();
        let mut chain =
            Chain { first: vec![0; is_next.len()], next: vec![None; is_next.len()], tail };
        for (position, is_next) in is_next.into_iter().enumerate().rev() {
            chain.next[position] = is_next.then(|| self.open(flow));
            chain.first[position] = self.open(flow);
        }
        chain
    }

    /// Opens a label; returns its position.
    fn open(&mut self, ty: BlockType) -> u32 {
        self.sink().block(ty);
        self.depth += 1;
        self.depth - 1
    }

    fn close(&mut self) {
        self.sink().end();
        self.depth -= 1;
    }

    /// Ends the labels of `chain`: each exit begins, then it does its part, then its next goes on.
    fn close_chain(
        &mut self,
        chain: &Chain,
        begin: impl Fn(&mut Self, &Exit),
        part: impl Fn(&mut Self, &Exit),
    ) {
        let exits = &self.exits_of_plan().exits;
        for (position, exit) in exits.iter().enumerate() {
            self.close();
            begin(self, exit);
            if chain.next[position].is_some() {
                self.close();
            }
            part(self, exit);
            if position + 1 < exits.len() {
                let next = exit.next.map_or(chain.tail, |next| chain.next[next as usize]);
                let depth = self.depth - 1 - next.expect("a label is open where exits go on to");
                self.sink().br(depth);
            }
        }
        if chain.tail.is_some() {
            self.close();
        }
    }

    fn save(&mut self, exit: &Exit) {
        for (ty, slots) in self.runtime.save_chunks(exit) {
            for slot in slots {
                self.sink().local_get(slot.local.0);
            }
            let save = self.runtime.save_helper(ty, slots.len());
            self.sink().call(save);
        }
    }

    fn load(&mut self, exit: &Exit) {
        for (ty, slots) in self.runtime.load_chunks(exit) {
            let load = self.runtime.load_helper(ty, slots.len());
            self.sink().call(load);
            for slot in slots.iter().rev() {
                self.sink().local_set(slot.local.0);
            }
        }
    }
}
