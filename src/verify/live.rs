//! Which locals of the original may still be read: so that states forget those that nobody reads.
//!
//! Nothing that is proved rests on this. To forget what a place holds is always right, since a checker that knows less accepts
//! less; and what a rewind does not restore is forgotten a moment later anyway. It saves following everything behind a site
//! a second time, without what was not restored.
//!
//! Known for those positions alone at which states are kept: sites, and where a construct is entered by branches.

use super::body::{Body, Brief, HandlerStart, Opener};
use crate::analyze::Site;
use crate::work;
use std::collections::BTreeMap;
use wasmparser::Operator as O;

/// Loops that lead to more rounds than this are rare: then it is as if all locals were read.
const MOST_ROUNDS: usize = 8;

/// The locals that may be read from some positions on.
pub(super) struct Live {
    /// By the position of the next operator, behind how many sets of bits its own are; nothing is known where that is 0.
    sets: Vec<u32>,
    bits: Vec<u64>,
    words: usize,
}

impl Live {
    pub fn find(body: &Body<'_>, sites: &[Site]) -> Live {
        let words = body.locals.len().div_ceil(64);
        let none = Live { sets: Vec::new(), bits: Vec::new(), words };
        let mut walk = Walk::new(body, sites, words);
        for _ in 0..MOST_ROUNDS {
            walk.round();
            if !walk.changed {
                return Live { sets: walk.sets, bits: walk.kept, words };
            }
        }
        none
    }

    /// For each local a bit, whether it is read from a position on, or a reference: what is known of one tells what else is known.
    /// Nothing if that is not known.
    pub fn at(&self, at: u32) -> Option<&[u64]> {
        let number = *self.sets.get(at as usize)?;
        let start = (number as usize).checked_sub(1)? * self.words;
        Some(&self.bits[start..start + self.words])
    }
}

/// One walk after the other over a body, backwards, until the starts of loops say what their ends do.
struct Walk<'b, 'a> {
    body: &'b Body<'a>,
    sites: &'b [Site],
    words: usize,
    /// What may be read from here on.
    live: Vec<u64>,
    /// For each label what may be read where branches to it lead, and behind its end.
    targets: Vec<u64>,
    behind: Vec<u64>,
    /// For each label what its `else` reads.
    others: Vec<u64>,
    /// By the positions of `catch`es what they read.
    handlers: BTreeMap<u32, Vec<u64>>,
    sets: Vec<u32>,
    /// How many sets are kept.
    count: u32,
    kept: Vec<u64>,
    /// Which locals are references.
    references: Vec<u64>,
    /// What may be read at the operator that was seen last of those that do more than move and compute values, and where it is.
    stop: Option<u32>,
    at_stop: Vec<u64>,
    changed: bool,
}

impl<'b, 'a> Walk<'b, 'a> {
    fn new(body: &'b Body<'a>, sites: &'b [Site], words: usize) -> Walk<'b, 'a> {
        let all = || vec![0; words * body.labels.len()];
        let mut references = vec![0; words];
        for (local, ty) in body.locals.iter().enumerate() {
            references[local / 64] |= u64::from(ty.is_reference_type()) << (local % 64);
        }
        Walk {
            body,
            sites,
            words,
            live: vec![0; words],
            targets: all(),
            behind: all(),
            others: all(),
            handlers: BTreeMap::new(),
            sets: vec![0; body.operators.len()],
            count: 0,
            kept: Vec::new(),
            references,
            stop: None,
            at_stop: vec![0; words],
            changed: false,
        }
    }

    fn round(&mut self) {
        self.changed = false;
        self.sets.fill(0);
        self.count = 0;
        self.kept.clear();
        self.stop = None;
        self.live.fill(0);
        let mut sites = self.sites.iter().rev().peekable();
        for at in (0..self.body.operators.len() as u32).rev() {
            work::count(1);
            self.operator(at);
            let offset = self.body.operators[at as usize].start;
            while sites.next_if(|site| site.offset > offset).is_some() {}
            if sites.next_if(|site| site.offset == offset).is_some() {
                self.keep(at, false);
            }
        }
    }

    /// Keeps what is live here, or was at the last stop.
    fn keep(&mut self, at: u32, is_stop: bool) {
        work::count(self.words);
        let live = if is_stop { &self.at_stop } else { &self.live };
        self.count += 1;
        self.sets[at as usize] = self.count;
        self.kept
            .extend(live.iter().zip(&self.references).map(|(live, reference)| live | reference));
    }

    /// Control comes together in front of the operator that was seen last.
    fn joined(&mut self) {
        if let Some(at) = self.stop.filter(|at| self.sets[*at as usize] == 0) {
            self.keep(at, true);
        }
    }

    fn range(&self, label: u32) -> std::ops::Range<usize> {
        let start = label as usize * self.words;
        start..start + self.words
    }

    fn add_target(&mut self, label: u32) {
        work::count(self.words);
        let range = self.range(label);
        add(&mut self.live, &self.targets[range]);
    }

    /// What handlers read that an exception meets here.
    fn add_handlers(&mut self, at: u32) {
        for handler in self.body.handlers_at(at) {
            match handler.start {
                HandlerStart::Label(label) => self.add_target(label),
                HandlerStart::Catch { at, .. } => {
                    if let Some(bits) = self.handlers.get(&at) {
                        work::count(self.words);
                        add(&mut self.live, bits);
                    }
                }
            }
        }
    }

    fn operator(&mut self, at: u32) {
        let body = self.body;
        match body.briefs[at as usize] {
            Brief::Get(local) => self.live[local as usize / 64] |= 1 << (local % 64),
            Brief::Set(local) | Brief::Tee(local) => {
                self.live[local as usize / 64] &= !(1 << (local % 64));
            }
            Brief::I32(_) | Brief::Computes { .. } => {}
            Brief::Load | Brief::Store => self.stops(at),
            Brief::Nothing | Brief::Other => self.other(at),
        }
    }

    fn other(&mut self, at: u32) {
        let body = self.body;
        match &body.operators[at as usize].operator {
            O::Br { .. }
            | O::BrIf { .. }
            | O::BrOnNull { .. }
            | O::BrOnNonNull { .. }
            | O::BrOnCast { .. }
            | O::BrOnCastFail { .. }
            | O::BrTable { .. } => self.branch(at),
            O::End | O::Delegate { .. } => {
                let label = body.label_index(at);
                if body.labels[label as usize].is_joined {
                    self.joined();
                }
                let range = self.range(label);
                self.behind[range.clone()].copy_from_slice(&self.live);
                if body.labels[label as usize].opener != Opener::Loop {
                    self.targets[range].copy_from_slice(&self.live);
                }
                work::count(2 * self.words);
                if body.labels[label as usize].opener == Opener::Body {
                    self.stops(at);
                }
            }
            O::Else => {
                let range = self.range(body.label_index(at));
                self.others[range.clone()].copy_from_slice(&self.live);
                self.live.copy_from_slice(&self.behind[range]);
            }
            O::Catch { .. } | O::CatchAll => {
                self.joined();
                let range = self.range(body.label_index(at));
                self.handlers.insert(at, self.live.clone());
                self.live.copy_from_slice(&self.behind[range]);
            }
            O::Loop { .. } => self.starts_loop(at, body.label_index(at)),
            O::If { .. } => {
                let label = body.label_index(at);
                let range = self.range(label);
                match body.labels[label as usize].otherwise {
                    Some(_) => add(&mut self.live, &self.others[range]),
                    None => add(&mut self.live, &self.behind[range]),
                }
                work::count(self.words);
                self.stops(at);
            }
            O::Return
            | O::Unreachable
            | O::ReturnCall { .. }
            | O::ReturnCallIndirect { .. }
            | O::ReturnCallRef { .. } => {
                self.live.fill(0);
                self.stops(at);
            }
            O::Throw { .. } | O::ThrowRef | O::Rethrow { .. } => {
                self.live.fill(0);
                self.add_handlers(at);
                self.stops(at);
            }
            O::Call { .. } | O::CallIndirect { .. } | O::CallRef { .. } => {
                self.add_handlers(at);
                self.stops(at);
            }
            O::Block { .. } | O::Try { .. } | O::TryTable { .. } | O::Drop | O::Nop => {}
            operator => {
                if !is_silent(operator, &body.bytes[body.operators[at as usize].range()]) {
                    self.stops(at);
                }
            }
        }
    }

    fn branch(&mut self, at: u32) {
        let body = self.body;
        let operator = &body.operators[at as usize].operator;
        if matches!(operator, O::Br { .. } | O::BrTable { .. }) {
            self.live.fill(0);
        }
        if matches!(operator, O::BrTable { .. }) {
            body.table_indices(at).iter().for_each(|label| self.add_target(*label));
        } else {
            self.add_target(body.label_index(at));
        }
        if !matches!(operator, O::Br { .. }) {
            self.stops(at);
        }
    }

    fn stops(&mut self, at: u32) {
        self.stop = Some(at);
        self.at_stop.copy_from_slice(&self.live);
    }

    /// A loop's start: control comes from its end, too.
    fn starts_loop(&mut self, at: u32, label: u32) {
        self.joined();
        let range = self.range(label);
        let before = &mut self.targets[range];
        self.changed |= before.iter().zip(&self.live).any(|(old, new)| new & !old != 0);
        add(before, &self.live);
        self.keep(at, false);
    }
}

fn add(bits: &mut [u64], more: &[u64]) {
    bits.iter_mut().zip(more).for_each(|(bits, more)| *bits |= more);
}

/// Whether a body is followed past an operator.
fn is_silent(operator: &O<'_>, encoded: &[u8]) -> bool {
    let moves = matches!(operator, O::Select | O::TypedSelect { .. } | O::GlobalGet { .. });
    moves || super::values::maker(operator, encoded).is_some()
}
