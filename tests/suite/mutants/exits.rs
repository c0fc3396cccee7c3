//! Where branches of a body lead, and which locals exits save that are needed: so that no fault is made that isn't one.
//!
//! A local is needed at a site, as far as this knows, if it is read behind that on the way that leads straight on, and nothing sets it
//! between the landing and the call.

use super::edit::Body;
use super::facts::Facts;
use std::collections::BTreeSet;
use wasmparser::{BlockType, Operator as O};

/// The labels of a body.
pub struct Exits {
    /// For each operator the labels that it is in, innermost first: the position of the end, or of the start of a loop.
    inside: Vec<Vec<usize>>,
    /// For each position behind a label's end what is saved from there on; none if that can't be told.
    saved: Vec<Option<BTreeSet<(i64, u32)>>>,
    /// For each position where a branch to it gets to, past the ends of other constructs.
    leads: Vec<usize>,
    /// What is saved that a site needs.
    needed: BTreeSet<(i64, u32)>,
}

/// The offset that stands for the end of a frame.
pub const AT_END: i64 = -1000;

impl Exits {
    pub fn of(facts: &Facts, body: &Body<'_>) -> Exits {
        let mut ends = vec![usize::MAX; body.operators.len()];
        let mut open = Vec::new();
        for (at, here) in body.operators.iter().enumerate() {
            match here.operator {
                O::Block { .. }
                | O::Loop { .. }
                | O::If { .. }
                | O::Try { .. }
                | O::TryTable { .. } => open.push(at),
                O::End | O::Delegate { .. } => {
                    if let Some(start) = open.pop() {
                        ends[start] = at;
                    }
                }
                _ => {}
            }
        }
        let (mut inside, mut open) = (Vec::new(), Vec::new());
        let mut is_exit = vec![false; body.operators.len() + 1];
        for (at, here) in body.operators.iter().enumerate() {
            inside.push(open.iter().rev().map(|(_, label)| *label).collect());
            match here.operator {
                O::Loop { .. } => open.push((ends[at], at)),
                O::Block { blockty } => {
                    open.push((ends[at], ends[at]));
                    let leaves_ordinal = blockty == BlockType::Type(wasmparser::ValType::I32);
                    is_exit[ends[at] + 1] |= leaves_ordinal;
                }
                O::If { .. } | O::Try { .. } | O::TryTable { .. } => {
                    open.push((ends[at], ends[at]));
                }
                O::End | O::Delegate { .. } => _ = open.pop(),
                _ => {}
            }
        }
        let mut exits = Exits {
            inside,
            saved: vec![None; is_exit.len()],
            leads: Vec::new(),
            needed: BTreeSet::new(),
        };
        exits.leads = (0..=body.operators.len()).map(|at| past_ends(body, at)).collect();
        for at in (0..body.operators.len()).filter(|at| is_exit[*at]) {
            exits.saved[at] = exits.saved_from(facts, body, at);
        }
        exits.find_needed(facts, body);
        exits
    }

    fn find_needed(&mut self, facts: &Facts, body: &Body<'_>) {
        for (at, four) in body.operators.windows(4).enumerate() {
            let [_, state, test, drop] = four else { continue };
            let is_state = state.operator == O::GlobalGet { global_index: facts.state };
            let O::BrIf { relative_depth } = test.operator else { continue };
            if !is_state || drop.operator != O::Drop {
                continue;
            }
            let target = self.target(at + 2, relative_depth);
            let saved = target.and_then(|target| self.saved[target].as_ref());
            let needed = saved.into_iter().flatten().filter(|(_, local)| {
                !is_made_again(body, at, *local) && is_read(body, at + 3, [(0, *local)].iter())
            });
            let needed: Vec<_> = needed.copied().collect();
            self.needed.extend(needed);
        }
    }

    /// Whether a site needs what is saved so.
    pub fn is_needed(&self, offset: i64, local: u32) -> bool {
        self.needed.contains(&(offset, local))
    }

    /// Whether a site needs a local.
    pub fn is_local_needed(&self, local: u32) -> bool {
        self.needed.iter().any(|(_, needed)| *needed == local)
    }

    /// The position that a branch at `at` goes to.
    fn target(&self, at: usize, depth: u32) -> Option<usize> {
        self.inside[at].get(depth as usize).map(|label| label + 1)
    }

    /// The same, past the ends of other constructs; none for the body.
    pub fn leads(&self, at: usize, depth: u32) -> Option<usize> {
        self.target(at, depth).map(|target| self.leads[target])
    }

    /// What is saved from an exit on: offsets with locals. The frame's end has the offset -1.
    fn saved_from(
        &self,
        facts: &Facts,
        body: &Body<'_>,
        mut at: usize,
    ) -> Option<BTreeSet<(i64, u32)>> {
        let mut saved = BTreeSet::new();
        let (mut offset, mut locals) = (0, Vec::new());
        for _ in 0..body.operators.len() {
            match &body.operators.get(at)?.operator {
                O::I32Const { value } => offset = i64::from(*value),
                O::I64Const { value } => offset = *value,
                O::LocalGet { local_index } => locals.push(*local_index),
                O::Br { relative_depth } => {
                    at = self.target(at, *relative_depth)?;
                    continue;
                }
                O::End | O::LocalSet { .. } | O::LocalTee { .. } | O::BrIf { .. } => {}
                O::Call { function_index } if facts.is_helper(*function_index, "probe") => {}
                O::Call { function_index } => {
                    let ends = ["save_last_", "seal"];
                    let ends = ends.iter().any(|name| facts.is_helper(*function_index, name));
                    let first = if ends { AT_END } else { offset };
                    let locals = std::mem::take(&mut locals);
                    saved.extend(
                        locals
                            .into_iter()
                            .zip(0..)
                            .map(|(local, n)| (first.wrapping_add(n), local)),
                    );
                    if ends {
                        return Some(saved);
                    }
                    if !facts.is_helper(*function_index, "save_") {
                        return None;
                    }
                }
                _ => return None,
            }
            at += 1;
        }
        None
    }

    /// Whether something isn't saved, where a branch goes to another label than it does, that is read behind it.
    pub fn loses(&self, body: &Body<'_>, at: usize, depth: u32, other: u32) -> bool {
        let saved = |depth| self.saved[self.target(at, depth)?].as_ref();
        match (saved(depth), saved(other)) {
            (Some(before), Some(after)) => is_read(body, at, before.difference(after)),
            _ => false,
        }
    }
}

/// Whether some of these locals are read behind a position, on the one way that leads straight on.
fn is_read<'s>(body: &Body<'_>, at: usize, saved: impl Iterator<Item = &'s (i64, u32)>) -> bool {
    let mut locals: BTreeSet<u32> = saved.map(|(_, local)| *local).collect();
    for here in &body.operators[at + 1..] {
        match here.operator {
            O::LocalGet { local_index } if locals.contains(&local_index) => return true,
            O::LocalSet { local_index } | O::LocalTee { local_index } => {
                locals.remove(&local_index);
            }
            O::Return | O::Unreachable | O::Br { .. } | O::BrTable { .. } | O::Else => break,
            _ => {}
        }
    }
    false
}

/// Whether a local is set between a site's landing and its call: what is saved of it is not looked at.
fn is_made_again(body: &Body<'_>, site: usize, local: u32) -> bool {
    let before = body.operators[..site].iter().rev();
    let since = before.take_while(|here| here.operator != O::End);
    since.into_iter().any(|here| match here.operator {
        O::LocalSet { local_index } | O::LocalTee { local_index } => local_index == local,
        _ => false,
    })
}

/// Past ends, which do nothing.
fn past_ends(body: &Body<'_>, mut at: usize) -> usize {
    while body.operators.get(at).is_some_and(|here| here.operator == O::End) {
        at += 1;
    }
    at
}
