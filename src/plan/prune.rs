//! What a resume function needs of a body: the code that some landing leads to.
//!
//! Input: the steps of a body that a rewind may enter, and the events of its operators. Output: the same without
//! the code that only a call from the start would run. A rewind never runs what lies before its landing, so in a
//! resume function the start of the body is dead, and the start of a loop's body is too unless something
//! branches back to it.
//!
//! ```text
//! live(landing)        = true
//! live(after end L)    = live(before it) or a live branch to L
//! live(loop body)      = live(before it) or a branch back to it
//! live(else arm)       = live(the if)
//! live(handler)        = true, if the try is there at all
//! ```
//!
//! One pass, forwards: whether a branch back to a loop is live itself is not asked.
//!
//! Labels that a region opened are ended all the same, and so are constructs with sites. Where the code behind
//! such an `end` is dead although the validator can't know it, an `unreachable` tells it.

use super::Step;
use super::regions::Region;
use super::skeleton::{Event, NodeKind, Skeleton};
use crate::work;
use std::ops::Range;

/// What is left of a body.
pub(super) struct Pruned {
    /// The steps, in order of offsets.
    pub steps: Vec<(u32, Step)>,
    /// All code that is left out, as ranges of offsets.
    pub dead: Vec<Range<u32>>,
    /// Whether the body's end can be reached.
    pub end_reachable: bool,
}

/// Prunes `steps`; notes in `regions` which of them only a rewind enters.
pub(super) fn prune(skeleton: &Skeleton, steps: &[(u32, Step)], regions: &mut [Region]) -> Pruned {
    regions[0].rewind_only = true;
    let start = skeleton.nodes[0].start;
    let mut pass = Pruner {
        skeleton,
        regions,
        rest: steps,
        kept: Vec::with_capacity(steps.len()),
        dead: Vec::new(),
        live: false,
        dead_since: start,
        labels: Vec::new(),
        branched_back: branched_back(skeleton),
        next_node: 1,
    };
    for (event, offset) in skeleton.events.iter().zip(&skeleton.offsets) {
        work::count(1);
        pass.event(*event, *offset);
    }
    Pruned { steps: pass.kept, dead: pass.dead, end_reachable: pass.live }
}

/// For each loop whether anything branches to it.
fn branched_back(skeleton: &Skeleton) -> Vec<bool> {
    let mut branched = vec![false; skeleton.loops as usize];
    let mut labels: Vec<Option<u32>> = Vec::new();
    for event in &skeleton.events {
        work::count(1);
        match *event {
            Event::Block | Event::If | Event::Try => labels.push(None),
            Event::Loop(ordinal) => labels.push(Some(ordinal)),
            Event::End => _ = labels.pop(),
            Event::BrIf(depth) | Event::Handler(depth) => {
                let label = labels.len().checked_sub(1 + depth as usize);
                if let Some(ordinal) = label.and_then(|label| labels[label]) {
                    branched[ordinal as usize] = true;
                }
            }
            _ => {}
        }
    }
    branched
}

/// A construct that the pass is inside of.
struct Enclosing {
    kind: LabelKind,
    /// Whether it is entered other than by a rewind.
    start_live: bool,
    /// Whether live code branches to its `end`.
    reached: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LabelKind {
    /// Dead, and without landings: left out.
    Skipped,
    /// Live from its start, and without landings.
    Plain,
    /// With landings inside: a node.
    Node(NodeKind),
}

struct Pruner<'a> {
    skeleton: &'a Skeleton,
    regions: &'a mut [Region],
    /// The steps that are still to be looked at.
    rest: &'a [(u32, Step)],
    kept: Vec<(u32, Step)>,
    dead: Vec<Range<u32>>,
    live: bool,
    /// Where dead code began, unless it is live.
    dead_since: u32,
    labels: Vec<Enclosing>,
    branched_back: Vec<bool>,
    next_node: usize,
}

impl<'a> Pruner<'a> {
    fn event(&mut self, event: Event, offset: u32) {
        match event {
            Event::Block | Event::If | Event::Try | Event::Loop(_) => self.open(event, offset),
            Event::Else => self.otherwise(offset),
            Event::Catch => self.catch(offset),
            Event::End => self.end(offset),
            Event::BrIf(depth) if self.live => self.reach(depth),
            // It comes just before the `try_table` that it belongs to.
            Event::Handler(depth) if self.live || self.node_at(offset).is_some() => {
                self.reach(depth);
            }
            Event::Stop if self.live => {
                self.pass_before(offset + 1);
                self.die(offset);
            }
            Event::Site(_) => self.site(),
            _ => {}
        }
    }

    /// Notes a branch; one to the body's own label ends the function.
    fn reach(&mut self, depth: u32) {
        if let Some(label) = self.labels.len().checked_sub(1 + depth as usize) {
            self.labels[label].reached = true;
        }
    }

    /// Dead from behind the operator at `offset` on.
    fn die(&mut self, offset: u32) {
        self.live = false;
        self.dead_since = offset + 1;
    }

    /// Leaves out what is dead before `offset`.
    fn close_dead(&mut self, offset: u32) {
        if !self.live && self.dead_since < offset {
            self.dead.push(self.dead_since..offset);
        }
    }

    /// Passes the steps before `offset`.
    fn pass_before(&mut self, offset: u32) {
        let before = self.rest.iter().take_while(|(at, _)| *at < offset);
        let (passed, rest) = self.rest.split_at(before.count());
        work::count(passed.len());
        self.rest = rest;
        if self.live {
            self.kept.extend_from_slice(passed);
        }
    }

    /// Passes the steps before `offset`, and takes those at `offset`.
    fn steps_at(&mut self, offset: u32) -> &'a [(u32, Step)] {
        self.pass_before(offset);
        let here = self.rest.iter().take_while(|(at, _)| *at == offset);
        let (here, rest) = self.rest.split_at(here.count());
        self.rest = rest;
        here
    }

    /// The node that begins at `offset`, if the next one does.
    fn node_at(&self, offset: u32) -> Option<NodeKind> {
        let node = self.skeleton.nodes.get(self.next_node)?;
        (node.start == offset).then_some(node.kind)
    }

    fn open(&mut self, event: Event, offset: u32) {
        let Some(kind) = self.node_at(offset) else {
            let kind = if self.live { LabelKind::Plain } else { LabelKind::Skipped };
            self.labels.push(Enclosing { kind, start_live: self.live, reached: false });
            return;
        };
        self.next_node += 1;
        let start_live = match event {
            Event::Loop(ordinal) => self.live || self.branched_back[ordinal as usize],
            _ => self.live,
        };
        let here = self.steps_at(offset);
        self.close_dead(offset);
        match kind {
            NodeKind::Loop | NodeKind::Try => self.region(here, start_live),
            _ => self.hoisted(here),
        }
        if !start_live {
            self.die(offset);
        }
        self.live = start_live;
        self.labels.push(Enclosing { kind: LabelKind::Node(kind), start_live, reached: false });
    }

    /// The steps of a site, or of a region, from its first landing on; what only a rewind enters is noted.
    fn after_landing(&mut self, here: &'a [(u32, Step)]) -> &'a [(u32, Step)] {
        if self.live {
            return here;
        }
        let is_landing = |step: &Step| matches!(step, Step::Land(_) | Step::LandAtStart);
        let landing = here.iter().position(|(_, step)| is_landing(step));
        let here = &here[landing.unwrap_or(here.len())..];
        for (_, step) in here {
            work::count(1);
            if let Step::Open(region) = step {
                self.regions[region.0 as usize].rewind_only = true;
            }
        }
        here
    }

    /// The start of a loop or a try.
    fn region(&mut self, here: &'a [(u32, Step)], start_live: bool) {
        let here = self.after_landing(here);
        let own = here.iter().rposition(|(_, step)| matches!(step, Step::Open(_)));
        let own = own.expect("a region is opened where it starts");
        if let Step::Open(region) = here[own].1 {
            self.regions[region.0 as usize].rewind_only = !start_live;
        }
        let end = if start_live { here.len() } else { own + 1 };
        self.kept.extend_from_slice(&here[..end]);
    }

    /// The start of a hoisted construct: where it is dead, its label is named all the same, and buckets open.
    fn hoisted(&mut self, here: &'a [(u32, Step)]) {
        if self.live {
            self.kept.extend_from_slice(here);
            return;
        }
        self.after_landing(here);
        let is_needed = |step: &Step| {
            matches!(step, Step::Land(_) | Step::LandAtStart | Step::Open(_) | Step::Hoist(_))
        };
        self.kept.extend(here.iter().filter(|(_, step)| is_needed(step)));
    }

    fn otherwise(&mut self, offset: u32) {
        let label = self.labels.last().expect("events nest");
        match label.kind {
            LabelKind::Skipped => return,
            LabelKind::Plain => {
                self.pass_before(offset);
                self.close_dead(offset);
                self.live = true;
                return;
            }
            LabelKind::Node(_) => {}
        }
        let start_live = label.start_live;
        let here = self.steps_at(offset);
        self.close_dead(offset);
        let land = here.iter().position(|(_, step)| matches!(step, Step::Land(_)));
        let land = land.expect("an else arm with sites has a label");
        if self.live {
            self.kept.extend_from_slice(&here[..land]);
            self.labels.last_mut().expect("events nest").reached = true;
        }
        self.kept.push(here[land]);
        if start_live {
            self.kept.extend_from_slice(&here[land + 1..]);
            self.live = true;
        } else {
            self.kept.push((offset, Step::Unreachable));
            self.die(offset);
        }
    }

    fn catch(&mut self, offset: u32) {
        let live = self.live;
        let label = self.labels.last_mut().expect("events nest");
        if label.kind == LabelKind::Skipped {
            return;
        }
        label.reached |= live;
        let here = self.steps_at(offset);
        self.close_dead(offset);
        self.kept.extend_from_slice(here);
        self.live = true;
    }

    fn end(&mut self, offset: u32) {
        // The body's own `end` has no label here.
        let Some(label) = self.labels.pop() else {
            _ = self.steps_at(offset);
            return self.close_dead(offset);
        };
        let reached = match label.kind {
            LabelKind::Skipped => return,
            LabelKind::Plain => true,
            LabelKind::Node(NodeKind::Block | NodeKind::If) => label.reached || label.start_live,
            LabelKind::Node(_) => label.reached,
        };
        let here = self.steps_at(offset);
        self.close_dead(offset);
        if self.live || reached {
            self.kept.extend_from_slice(here);
            self.live = true;
        } else {
            self.kept.extend(here.iter().filter(|(_, step)| matches!(step, Step::ClosePad(_))));
            self.kept.extend([(offset, Step::Copy), (offset, Step::Unreachable)]);
            self.die(offset);
        }
    }

    fn site(&mut self) {
        let landing = self.skeleton.nodes[self.next_node].landing;
        self.next_node += 1;
        let here = self.steps_at(landing);
        self.close_dead(landing);
        let here = self.after_landing(here);
        self.kept.extend_from_slice(here);
        self.live = true;
    }
}
