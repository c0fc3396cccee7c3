//! Where branches of a body lead, and which locals an exit saves: so that no fault is made that isn't one.

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
}

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
        let mut exits = Exits { inside, saved: vec![None; is_exit.len()], leads: Vec::new() };
        exits.leads = (0..=body.operators.len()).map(|at| past_ends(body, at)).collect();
        for at in (0..body.operators.len()).filter(|at| is_exit[*at]) {
            exits.saved[at] = exits.saved_from(facts, body, at);
        }
        exits
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
                O::End => {}
                O::Call { function_index } => {
                    let ends = ["save_last_", "seal"];
                    let ends = ends.iter().any(|name| facts.is_helper(*function_index, name));
                    let first = if ends { -1000 } else { offset };
                    let locals = std::mem::take(&mut locals);
                    saved.extend((first..).zip(locals));
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

    /// Whether less is saved where a branch goes to another label than it does.
    pub fn loses(&self, at: usize, depth: u32, other: u32) -> bool {
        let saved = |depth| self.saved[self.target(at, depth)?].as_ref();
        match (saved(depth), saved(other)) {
            (Some(before), Some(after)) => !before.is_subset(after),
            _ => false,
        }
    }
}

/// Past ends, which do nothing.
fn past_ends(body: &Body<'_>, mut at: usize) -> usize {
    while body.operators.get(at).is_some_and(|here| here.operator == O::End) {
        at += 1;
    }
    at
}
