//! What locals and operands are at one point of a body, and at the labels that it can branch to.

use super::value::{Cause, Value, Values};
use crate::work;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlKind {
    Block,
    Loop,
    If,
}

/// Locals, and the operands that a label takes.
#[derive(Clone)]
struct Flow {
    locals: Vec<Value>,
    operands: Vec<Value>,
}

/// An open `block`, `loop`, `if`, `try` or the body itself.
pub(super) struct ControlFrame {
    kind: ControlKind,
    params: usize,
    results: usize,
    /// The height of the operand stack below its parameters.
    height: usize,
    /// What arrives at its end by branches; for a loop at its head, by branches back.
    arriving: Option<Flow>,
    /// For an `if` before its `else`: what the other arm begins with.
    other_arm: Option<Flow>,
    /// Whether it was opened in dead code.
    dead: bool,
    loop_ordinal: usize,
}

impl ControlFrame {
    pub(super) fn new(kind: ControlKind, params: usize, results: usize) -> ControlFrame {
        ControlFrame {
            kind,
            params,
            results,
            height: 0,
            arriving: None,
            other_arm: None,
            dead: false,
            loop_ordinal: 0,
        }
    }

    /// How many operands a branch to it takes.
    fn label_arity(&self) -> usize {
        match self.kind {
            ControlKind::Loop => self.params,
            ControlKind::Block | ControlKind::If => self.results,
        }
    }
}

/// The state of an interpretation.
#[derive(Default)]
pub(super) struct FlowState {
    locals: Vec<Value>,
    stack: Vec<Value>,
    frames: Vec<ControlFrame>,
    live: bool,
    /// What branches back to each loop carried so far, over all passes.
    loops: Vec<Option<Flow>>,
    next_loop: usize,
    /// The locals that are assigned anywhere.
    assigned: Vec<bool>,
    grew: bool,
    widen: bool,
    forget: bool,
    work_left: usize,
}

impl FlowState {
    pub(super) fn begin_body(&mut self, work: usize) {
        self.loops.clear();
        self.assigned.clear();
        self.work_left = work;
    }

    /// `widen`: what still grows at a loop head becomes `ANY`; `forget`: every assigned local is
    /// `ANY` there, so that nothing can grow.
    pub(super) fn begin_pass(&mut self, widen: bool, forget: bool) {
        (self.widen, self.forget) = (widen, forget);
        self.grew = false;
        self.next_loop = 0;
    }

    pub(super) fn enter_body(&mut self, locals: Vec<Value>, results: usize) {
        self.assigned.resize(locals.len(), false);
        self.locals = locals;
        self.stack.clear();
        self.frames.clear();
        self.frames.push(ControlFrame::new(ControlKind::Block, 0, results));
        self.live = true;
    }

    pub(super) fn live(&self) -> bool {
        self.live
    }

    /// Whether this pass brought anything new to a loop head.
    pub(super) fn grew(&self) -> bool {
        self.grew && !self.forget
    }

    pub(super) fn exhausted(&self) -> bool {
        self.work_left == 0
    }

    fn spend(&mut self, work: usize) {
        work::count(work + 1);
        self.work_left = self.work_left.saturating_sub(work + 1);
    }

    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Values::ANY)
    }

    pub(super) fn top(&self) -> Value {
        self.stack.last().copied().unwrap_or(Values::ANY)
    }

    /// The operand below so many others.
    pub(super) fn peek(&self, above: usize) -> Value {
        let position = self.stack.len().checked_sub(above + 1);
        position.map_or(Values::ANY, |position| self.stack[position])
    }

    /// Forgets the topmost operands.
    pub(super) fn drop_many(&mut self, count: usize) {
        self.stack.truncate(self.stack.len().saturating_sub(count));
    }

    pub(super) fn local(&self, local: u32) -> Value {
        let value = self.locals.get(local as usize);
        value.copied().unwrap_or(Values::ANY)
    }

    pub(super) fn assign(&mut self, local: u32, value: Value) {
        if let Some(place) = self.locals.get_mut(local as usize) {
            *place = value;
            self.assigned[local as usize] = true;
        }
    }

    /// The label of the body itself.
    pub(super) fn outermost(&self) -> u32 {
        self.frames.len().saturating_sub(1) as u32
    }

    pub(super) fn open(&mut self, mut frame: ControlFrame, values: &mut Values) {
        frame.height = self.stack.len().saturating_sub(frame.params);
        match frame.kind {
            ControlKind::Block => {}
            ControlKind::If => {
                self.spend(self.locals.len());
                frame.other_arm = Some(self.flow(frame.params));
            }
            ControlKind::Loop => self.enter_loop(&mut frame, values),
        }
        self.frames.push(frame);
    }

    fn enter_loop(&mut self, frame: &mut ControlFrame, values: &mut Values) {
        frame.loop_ordinal = self.new_loop();
        self.spend(self.locals.len());
        if self.forget {
            let any = values.unknown(Cause::Loop);
            let assigned = self.locals.iter_mut().zip(&self.assigned);
            assigned.filter(|(_, assigned)| **assigned).for_each(|(local, _)| *local = any);
            self.stack[frame.height..].fill(any);
        } else if let Some(back) = &self.loops[frame.loop_ordinal] {
            join_all(&mut self.locals, &back.locals, values);
            join_all(&mut self.stack[frame.height..], &back.operands, values);
        }
    }

    fn new_loop(&mut self) -> usize {
        let ordinal = self.next_loop;
        self.next_loop += 1;
        if self.loops.len() <= ordinal {
            self.loops.push(None);
        }
        ordinal
    }

    /// A frame within dead code.
    pub(super) fn open_dead(&mut self, is_loop: bool) {
        let mut frame = ControlFrame::new(ControlKind::Block, 0, 0);
        frame.dead = true;
        frame.height = self.stack.len();
        if is_loop {
            frame.loop_ordinal = self.new_loop();
        }
        self.frames.push(frame);
    }

    /// Nothing follows until the frame's end or next arm.
    pub(super) fn die(&mut self) {
        self.live = false;
        let height = self.frames.last().map_or(0, |frame| frame.height);
        self.stack.truncate(height);
    }

    /// The locals, and the topmost operands.
    fn flow(&self, operands: usize) -> Flow {
        let at = self.stack.len().saturating_sub(operands);
        Flow { locals: self.locals.clone(), operands: self.stack[at..].to_vec() }
    }

    /// A branch that may be taken.
    pub(super) fn branch(&mut self, label: u32, values: &mut Values) {
        let Some(position) = self.position(label) else {
            return;
        };
        let operands = self.frames[position].label_arity();
        let at = self.stack.len().saturating_sub(operands);
        self.spend(self.locals.len());
        let FlowState { frames, loops, locals, stack, .. } = self;
        let (frame, flow) = (&mut frames[position], (&locals[..], &stack[at..]));
        if frame.kind == ControlKind::Loop {
            let grew = arrive_at_loop(&mut loops[frame.loop_ordinal], flow, self.widen, values);
            self.grew |= grew;
        } else {
            join_flow(&mut frame.arriving, flow, values);
        }
    }

    /// An exception that may be caught at a label: nothing is known there.
    pub(super) fn throw_to(&mut self, label: u32, values: &mut Values) {
        let Some(position) = self.position(label) else {
            return;
        };
        let any = values.unknown(Cause::Exception);
        let locals = vec![any; self.locals.len()];
        let operands = vec![any; self.frames[position].label_arity()];
        self.spend(locals.len());
        let (frame, flow) = (&mut self.frames[position], (&locals[..], &operands[..]));
        if frame.kind == ControlKind::Loop {
            let known = &mut self.loops[frame.loop_ordinal];
            self.grew |= arrive_at_loop(known, flow, self.widen, values);
        } else {
            join_flow(&mut frame.arriving, flow, values);
        }
    }

    fn position(&self, label: u32) -> Option<usize> {
        self.frames.len().checked_sub(1 + label as usize)
    }

    /// `else`.
    pub(super) fn start_else(&mut self, values: &mut Values) {
        self.leave_arm(values);
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if let Some(flow) = frame.other_arm.take() {
            self.stack.truncate(frame.height);
            self.locals = flow.locals;
            self.stack.extend(flow.operands);
            self.live = !frame.dead;
        }
    }

    /// `catch` or `catch_all` of a `try`.
    pub(super) fn start_handler(&mut self, params: usize, values: &mut Values) {
        self.leave_arm(values);
        let Some(frame) = self.frames.last() else {
            return;
        };
        self.stack.truncate(frame.height);
        self.live = !frame.dead;
        let any = values.unknown(Cause::Exception);
        if self.live {
            self.stack.extend(std::iter::repeat_n(any, params));
        }
        self.locals.fill(any);
        self.spend(self.locals.len());
    }

    /// What falls out of an arm arrives at the frame's end.
    fn leave_arm(&mut self, values: &mut Values) {
        let Some(results) = self.frames.last().map(|frame| frame.results) else {
            return;
        };
        if self.live {
            self.spend(self.locals.len());
            let at = self.stack.len().saturating_sub(results);
            if let Some(frame) = self.frames.last_mut() {
                join_flow(&mut frame.arriving, (&self.locals, &self.stack[at..]), values);
            }
        }
    }

    /// `end`. At the end of the body: the results, if it returns at all.
    pub(super) fn close(&mut self, values: &mut Values) -> Option<Vec<Value>> {
        let at_head = self.frames.last()?.kind == ControlKind::Loop;
        if !at_head {
            self.leave_arm(values);
        }
        let mut frame = self.frames.pop()?;
        if frame.dead {
            return None;
        }
        if at_head {
            // Nothing arrives at a loop's end but what falls through.
            frame.arriving = self.live.then(|| self.flow(frame.results));
        }
        if let Some(flow) = frame.other_arm.take() {
            join_flow(&mut frame.arriving, (&flow.locals, &flow.operands), values);
        }
        self.stack.truncate(frame.height);
        self.live = true;
        if self.frames.is_empty() {
            return frame.arriving.map(|flow| flow.operands);
        }
        match frame.arriving {
            Some(flow) => {
                self.locals = flow.locals;
                self.stack.extend(flow.operands);
            }
            // No way leads here, but code that the validator takes for live follows.
            None => {
                let any = values.unknown(Cause::Unreachable);
                self.locals.fill(any);
                self.stack.extend(std::iter::repeat_n(any, frame.results));
            }
        }
        None
    }
}

fn join_all(into: &mut [Value], from: &[Value], values: &mut Values) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = values.join(*into, *from);
    }
}

/// Locals and operands join what has arrived before.
fn join_flow(
    into: &mut Option<Flow>,
    (locals, operands): (&[Value], &[Value]),
    values: &mut Values,
) {
    match into {
        None => *into = Some(Flow { locals: locals.to_vec(), operands: operands.to_vec() }),
        Some(into) => {
            join_all(&mut into.locals, locals, values);
            join_all(&mut into.operands, operands, values);
        }
    }
}

/// The same at a loop's head. Returns whether they bring anything new; with `widen`, what does becomes `ANY`.
fn arrive_at_loop(
    known: &mut Option<Flow>,
    (locals, operands): (&[Value], &[Value]),
    widen: bool,
    values: &mut Values,
) -> bool {
    let Some(known) = known else {
        *known = Some(Flow { locals: locals.to_vec(), operands: operands.to_vec() });
        return true;
    };
    let mut grew = false;
    let news = locals.iter().chain(operands);
    let known = known.locals.iter_mut().chain(&mut known.operands);
    for (known, new) in known.zip(news) {
        let joined = values.join(*known, *new);
        if joined != *known {
            let grows = widen && !values.is_any(joined);
            *known = if grows { values.unknown(Cause::Loop) } else { joined };
            grew = true;
        }
    }
    grew
}
