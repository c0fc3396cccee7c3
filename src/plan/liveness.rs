//! Which locals are live at a function's sites.
//!
//! Backward dataflow over structured control flow, with bit sets over locals:
//!
//! ```text
//! live(before get x)  = live(after) ∪ {x}
//! live(before set x)  = live(after) \ {x}
//! live(before br_if L) = live(after) ∪ live(L)      live(before br L) = live(L)
//! live(loop label)    = live(start of its body), the least fixed point
//! live(before a call inside a try) = live(after) ∪ live(handlers)
//! live(before a site) = live(after) ∪ {locals that are read after its landing}
//! ```
//!
//! A superset is sound; a missing local is not.

use super::bitset::BitSet;
use super::skeleton::{Event, Skeleton};

/// Computes for each site of `skeleton`, in program order, which locals a rewind to it needs: those that are live after
/// the call, and those that run again before it.
pub(super) fn live_at_sites(skeleton: &Skeleton) -> Vec<BitSet> {
    let locals = skeleton.locals.len();
    let mut pass = Pass {
        skeleton,
        openers: match_openers(&skeleton.events),
        loops: vec![BitSet::new(locals); skeleton.loops as usize],
        labels: Vec::new(),
        spare: Vec::new(),
        live: BitSet::new(locals),
        changed: true,
    };
    let mut sets = vec![BitSet::new(locals); skeleton.needed.len()];
    // Sets only grow, so what the last pass finds is the result.
    while std::mem::take(&mut pass.changed) {
        pass.backwards(&mut |site, live| sets[site as usize].copy_from(live));
    }
    for (set, (_, needed)) in sets.iter_mut().zip(&skeleton.needed) {
        for local in &skeleton.needed_locals[needed.clone()] {
            set.insert(local.0 as usize);
        }
    }
    sets
}

/// For each `End` event the event that opened the construct.
fn match_openers(events: &[Event]) -> Vec<u32> {
    let mut open = Vec::new();
    let mut openers = vec![0; events.len()];
    for (position, event) in events.iter().enumerate() {
        match event {
            Event::Block | Event::Loop(_) | Event::If | Event::Try => open.push(position as u32),
            // The body's own `end` closes nothing.
            Event::End => openers[position] = open.pop().unwrap_or(u32::MAX),
            _ => {}
        }
    }
    openers
}

/// A construct that the backward pass is inside of.
struct Label {
    /// What is live behind the construct's `end`.
    after: BitSet,
    /// For a loop its ordinal: a branch to its label leads to its start.
    loop_ordinal: Option<u32>,
    /// What is live at the start of the else arm, once that has been passed.
    else_arm: Option<BitSet>,
    /// What is live at the handlers that catch here.
    handlers: Option<BitSet>,
}

struct Pass<'a> {
    skeleton: &'a Skeleton,
    openers: Vec<u32>,
    loops: Vec<BitSet>,
    labels: Vec<Label>,
    spare: Vec<BitSet>,
    live: BitSet,
    changed: bool,
}

impl Pass<'_> {
    fn backwards(&mut self, site: &mut dyn FnMut(u32, &BitSet)) {
        self.live.clear();
        self.labels.clear();
        for position in (0..self.skeleton.events.len()).rev() {
            match self.skeleton.events[position] {
                Event::Get(local) => self.live.insert(local.0 as usize),
                Event::Set(local) => self.live.remove(local.0 as usize),
                Event::End => self.enter(position),
                Event::Block | Event::Try => self.leave(),
                Event::If => {
                    // Without an else, the false condition leads behind the `end`.
                    let label = self.labels.last().expect("events nest");
                    self.live.union(label.else_arm.as_ref().unwrap_or(&label.after));
                    self.leave();
                }
                Event::Loop(ordinal) => {
                    self.changed |= self.loops[ordinal as usize].union(&self.live);
                    self.leave();
                }
                Event::Else => self.swap_arms(),
                Event::Catch => {
                    let label = self.labels.last_mut().expect("events nest");
                    match &mut label.handlers {
                        Some(handlers) => {
                            handlers.union(&self.live);
                        }
                        None => label.handlers = Some(self.live.clone()),
                    }
                    self.live.copy_from(&label.after);
                }
                Event::BrIf(depth) => {
                    let label = &self.labels[self.labels.len() - 1 - depth as usize];
                    match label.loop_ordinal {
                        Some(ordinal) => self.live.union(&self.loops[ordinal as usize]),
                        None => self.live.union(&label.after),
                    };
                }
                Event::Stop => self.live.clear(),
                Event::MayThrow => {
                    for handlers in self.labels.iter().filter_map(|label| label.handlers.as_ref()) {
                        self.live.union(handlers);
                    }
                }
                Event::Handler(_) => {}
                Event::Site(ordinal) => {
                    site(ordinal, &self.live);
                    let (_, needed) = &self.skeleton.needed[ordinal as usize];
                    for local in &self.skeleton.needed_locals[needed.clone()] {
                        self.live.insert(local.0 as usize);
                    }
                }
            }
        }
    }

    /// Backwards into a construct, at its `end`.
    fn enter(&mut self, position: usize) {
        let opener = self.openers[position];
        let opening = self.skeleton.events.get(opener as usize);
        let loop_ordinal = match opening {
            Some(Event::Loop(ordinal)) => Some(*ordinal),
            _ => None,
        };
        let mut after = self.spare.pop().unwrap_or_else(|| BitSet::new(0));
        after.copy_from(&self.live);
        let handlers = self.try_table_handlers(opener);
        self.labels.push(Label { after, loop_ordinal, else_arm: None, handlers });
    }

    /// What is live at the handlers of the `try_table` opened by event `opener`: they are named
    /// just before it, by depths that count from outside.
    fn try_table_handlers(&self, opener: u32) -> Option<BitSet> {
        let before = self.skeleton.events.get(..opener as usize)?;
        let mut handlers: Option<BitSet> = None;
        for event in before.iter().rev() {
            let Event::Handler(depth) = *event else { break };
            let label = &self.labels[self.labels.len() - 1 - depth as usize];
            let live = match label.loop_ordinal {
                Some(ordinal) => &self.loops[ordinal as usize],
                None => &label.after,
            };
            match &mut handlers {
                Some(set) => {
                    set.union(live);
                }
                None => handlers = Some(live.clone()),
            }
        }
        handlers
    }

    /// Backwards from an else arm into the then arm.
    fn swap_arms(&mut self) {
        let label = self.labels.last_mut().expect("events nest");
        label.else_arm = Some(self.live.clone());
        self.live.copy_from(&label.after);
    }

    fn leave(&mut self) {
        let label = self.labels.pop().expect("events nest");
        self.spare.push(label.after);
    }
}
