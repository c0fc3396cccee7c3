//! Constants at the top of the operand stack, seen through a window: as much of the stack as the
//! last few operators determine.
//!
//! The window forgets everything at an operator it doesn't know, and what locals hold wherever
//! control flow joins; so what it still knows holds on every path.

use wasmparser::Operator;

/// The top of the operand stack, and the locals known to hold constants. `i32` is zero-extended.
#[derive(Default)]
pub(super) struct Window {
    stack: Vec<Option<u64>>,
    locals: Vec<(u32, u64)>,
}

impl Window {
    pub(super) fn clear(&mut self) {
        self.stack.clear();
        self.locals.clear();
    }

    /// The constant on top of the operand stack.
    pub(super) fn top(&self) -> Option<u64> {
        self.stack.last().copied().flatten()
    }

    /// Forgets the operand stack, after an operator that the window doesn't know.
    pub(super) fn forget_stack(&mut self) {
        self.stack.clear();
    }

    #[inline(always)]
    pub(super) fn step(&mut self, operator: &Operator<'_>) {
        match *operator {
            Operator::I32Const { value } => self.stack.push(Some(u64::from(value as u32))),
            Operator::I64Const { value } => self.stack.push(Some(value as u64)),
            Operator::I32Add => self.binary(|a, b| u64::from(a.wrapping_add(b) as u32)),
            Operator::I32Sub => self.binary(|a, b| u64::from(a.wrapping_sub(b) as u32)),
            Operator::I64Add => self.binary(u64::wrapping_add),
            Operator::I64Sub => self.binary(u64::wrapping_sub),
            Operator::LocalGet { local_index } => {
                let known = self.locals.iter().find(|(local, _)| *local == local_index);
                self.stack.push(known.map(|(_, value)| *value));
            }
            Operator::LocalTee { local_index } => self.assign(local_index, self.top()),
            Operator::LocalSet { local_index } => {
                let value = self.stack.pop().flatten();
                self.assign(local_index, value);
            }
            Operator::Block { .. } | Operator::Nop => {}
            Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Try { .. }
            | Operator::TryTable { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Delegate { .. } => self.clear(),
            _ => self.forget_stack(),
        }
    }

    fn binary(&mut self, f: fn(u64, u64) -> u64) {
        let (right, left) = (self.stack.pop().flatten(), self.stack.pop().flatten());
        self.stack.push(left.zip(right).map(|(a, b)| f(a, b)));
    }

    fn assign(&mut self, local: u32, value: Option<u64>) {
        self.locals.retain(|(other, _)| *other != local);
        self.locals.extend(value.map(|value| (local, value)));
    }
}
