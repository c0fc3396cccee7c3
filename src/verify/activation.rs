//! One function that is followed: where it is, and what its locals and operand stack hold.

use super::body::{Body, Handler, HandlerStart, Label, Opener};
use super::fault::Fault;
use super::runtime::Runtime;
use super::values::{Maker, SELECT, Value, Values, maker};
use crate::index::GlobalIdx;
use crate::read::Module;
use wasmparser::Operator;

/// In which state of the instance code is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The program runs.
    Normal,
    /// It is being unwound.
    Unwinding,
    /// It is being rewound, for whatever reason.
    Rewinding,
    /// Any of these.
    Any,
}

/// Whose code is followed.
#[derive(Clone, Copy)]
pub(super) struct Code<'c, 'a> {
    pub module: &'c Module<'a>,
    pub body: &'c Body<'a>,
    /// What was appended; nothing for the original.
    pub runtime: Option<&'c Runtime>,
    pub mode: Mode,
}

/// A function that runs.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    /// The position of the next operator.
    pub at: u32,
    pub locals: Vec<Value>,
    pub stack: Vec<Value>,
    /// The exceptions that handlers name, by the numbers of their `try`s.
    pub caught: Vec<Value>,
    /// Whether control has come here other than from the operator before, since this was last cleared.
    pub joined: bool,
}

/// Why code is followed no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next operator does more than move and compute values, or where it goes is not known.
    Operator,
    /// It went back to the start of a loop.
    Back,
}

impl Activation {
    /// A function that is entered; `param` gives its arguments.
    pub fn enter(
        body: &Body<'_>,
        values: &mut Values,
        mut param: impl FnMut(&mut Values, usize) -> Value,
    ) -> Activation {
        let locals = body.locals.iter().enumerate();
        let locals = locals.map(|(local, ty)| match local < body.params {
            true => param(values, local),
            false => values.zero(*ty),
        });
        let caught = vec![Value::UNDEFINED; body.named_exceptions()];
        let locals = locals.collect();
        Activation { at: 0, locals, stack: Vec::new(), caught, joined: false }
    }

    pub fn pop(&mut self) -> Result<Value, Fault> {
        self.stack.pop().ok_or_else(|| Fault::new("the operand stack is empty"))
    }

    /// The topmost operands, lowest first.
    pub fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, Fault> {
        let first = self.stack.len().checked_sub(count);
        let first = first.ok_or_else(|| Fault::new("the operand stack is too low"))?;
        Ok(self.stack.split_off(first))
    }

    /// Goes to a label, with the operands that it takes. Says whether that is backwards.
    pub fn branch(&mut self, label: &Label) -> Result<bool, Fault> {
        let (at, taken) = label.target();
        let first = self.stack.len().checked_sub(taken as usize);
        let first = first.ok_or_else(|| Fault::new("a branch takes more than there is"))?;
        if first > label.height as usize {
            self.stack.drain(label.height as usize..first);
        }
        self.at = at;
        self.joined = true;
        Ok(label.opener == Opener::Loop)
    }

    /// Goes to a handler, with what an exception carries, itself, and a reference to it.
    pub fn catch(
        &mut self,
        body: &Body<'_>,
        handler: &Handler,
        payload: &[Value],
        exception: Value,
    ) -> Result<(), Fault> {
        match handler.start {
            HandlerStart::Catch { at, label } => {
                self.stack.truncate(body.labels[label as usize].height as usize);
                self.stack.extend(payload);
                if let Some(number) = body.exception(label) {
                    self.caught[number] = exception;
                }
                self.at = at + 1;
                self.joined = true;
            }
            HandlerStart::Label(label) => {
                self.stack.extend(payload);
                if handler.gives_reference {
                    self.stack.push(exception);
                }
                self.branch(&body.labels[label as usize])?;
            }
        }
        Ok(())
    }

    /// Takes a conditional branch's condition, and says where it goes: to the first if the condition holds, else to the second.
    pub fn split(mut self, code: Code<'_, '_>) -> Result<(Value, [Activation; 2]), Fault> {
        let condition = self.pop()?;
        let mut taken = self.clone();
        let label = code.body.label(self.at);
        if let Operator::If { .. } = code.body.operator(self.at) {
            taken.at += 1;
            match label.otherwise {
                Some(otherwise) => self.at = otherwise + 1,
                None => {
                    self.at = label.end + 1;
                    self.joined = true;
                }
            }
        } else {
            taken.branch(label)?;
            self.at += 1;
        }
        Ok((condition, [taken, self]))
    }

    /// Follows code that only moves and computes values.
    pub fn advance(&mut self, code: Code<'_, '_>, values: &mut Values) -> Result<Stop, Fault> {
        loop {
            let body = code.body;
            let located = &body.operators[self.at as usize];
            match &located.operator {
                Operator::LocalGet { local_index } => {
                    self.stack.push(self.locals[*local_index as usize]);
                }
                Operator::LocalSet { local_index } => {
                    self.locals[*local_index as usize] = self.pop()?;
                }
                Operator::LocalTee { local_index } => {
                    let top = self.pop()?;
                    self.locals[*local_index as usize] = top;
                    self.stack.push(top);
                }
                Operator::Drop => {
                    if self.pop()? == Value::SEALED {
                        self.stack.push(Value::SEALED);
                        return Ok(Stop::Operator);
                    }
                }
                Operator::Nop
                | Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::Try { .. }
                | Operator::TryTable { .. } => {
                    self.joined |= body.label(self.at).opener == Opener::Loop
                        && matches!(located.operator, Operator::Loop { .. });
                }
                // What comes here runs over the other parts of the construct.
                Operator::Else | Operator::Catch { .. } | Operator::CatchAll => {
                    self.at = body.label(self.at).end;
                    self.joined = true;
                }
                Operator::End | Operator::Delegate { .. } => {
                    let label = body.label(self.at);
                    self.joined |= label.is_joined && label.opener != Opener::Loop;
                    if label.opener == Opener::Body {
                        return Ok(Stop::Operator);
                    }
                }
                Operator::Br { .. } => {
                    if self.branch(body.label(self.at))? {
                        return Ok(Stop::Back);
                    }
                    continue;
                }
                Operator::BrIf { .. } | Operator::If { .. } => {
                    let Some(holds) = self.stack.last().and_then(|top| values.truth(*top)) else {
                        return Ok(Stop::Operator);
                    };
                    if self.decided(code, holds)? {
                        return Ok(Stop::Back);
                    }
                    continue;
                }
                Operator::BrTable { .. } => {
                    let Some(index) = self.stack.last().and_then(|top| values.i32_of(*top)) else {
                        return Ok(Stop::Operator);
                    };
                    if self.decided_by(body, index as usize)? {
                        return Ok(Stop::Back);
                    }
                    continue;
                }
                // It is no other reference, and does not trap.
                Operator::RefAsNonNull
                    if self.stack.last().is_some_and(|top| values.is_not_null(*top)) => {}
                Operator::GlobalGet { global_index } => {
                    match self.global(code, GlobalIdx(*global_index), values) {
                        Some(value) => self.stack.push(value),
                        None => return Ok(Stop::Operator),
                    }
                }
                Operator::Select | Operator::TypedSelect { .. } => {
                    let value = self.selected(code.mode, values)?;
                    self.stack.push(value);
                }
                operator => match maker(operator, &code.body.bytes[located.range()]) {
                    Some(maker) => self.make(maker, values)?,
                    None => return Ok(Stop::Operator),
                },
            }
            self.at += 1;
        }
    }

    /// What a `select` gives. What the program selects is named in one way, whatever is known of it, also where a rewind selects again.
    fn selected(&mut self, mode: Mode, values: &mut Values) -> Result<Value, Fault> {
        let picked = self.pop_many(3)?;
        let known = values.truth(picked[2]).filter(|_| mode == Mode::Unwinding);
        Ok(match known {
            Some(true) => picked[0],
            Some(false) => picked[1],
            None => values.computed(SELECT, 0, &picked),
        })
    }

    /// A branch by a table of which it is known where it goes. Says whether that is backwards.
    fn decided_by(&mut self, body: &Body<'_>, index: usize) -> Result<bool, Fault> {
        self.pop()?;
        let mut labels = body.table(self.at);
        let last = labels.len() - 1;
        let label = labels.nth(index.min(last));
        let label = *label.ok_or_else(|| Fault::new("a table has no labels"))?;
        self.branch(&label)
    }

    /// A conditional branch of which it is known where it goes. Says whether that is backwards.
    fn decided(&mut self, code: Code<'_, '_>, holds: bool) -> Result<bool, Fault> {
        self.pop()?;
        let label = *code.body.label(self.at);
        let is_if = matches!(code.body.operator(self.at), Operator::If { .. });
        match (is_if, holds) {
            (false, true) => return self.branch(&label),
            (true, false) => {
                self.joined |= label.otherwise.is_none();
                self.at = label.otherwise.unwrap_or(label.end) + 1;
            }
            (false, false) | (true, true) => self.at += 1,
        }
        Ok(false)
    }

    fn make(&mut self, maker: Maker, values: &mut Values) -> Result<(), Fault> {
        let value = match maker {
            Maker::Const(ty, bits) => values.constant(ty, bits),
            Maker::Null => values.null(),
            Maker::Computes { code, immediate, operands } => {
                let first = self.stack.len().checked_sub(operands);
                let first = first.ok_or_else(|| Fault::new("the operand stack is too low"))?;
                let value = values.computed(code, immediate, &self.stack[first..]);
                self.stack.truncate(first);
                value
            }
        };
        self.stack.push(value);
        Ok(())
    }

    /// A global of which it is known what it holds.
    fn global(&self, code: Code<'_, '_>, global: GlobalIdx, values: &mut Values) -> Option<Value> {
        if let Some(runtime) = code.runtime
            && runtime.state == global
        {
            return Some(match code.mode {
                Mode::Normal => values.i32(0),
                Mode::Unwinding => values.i32(1),
                Mode::Rewinding => Value::NOT_NORMAL,
                Mode::Any => values.opaque(),
            });
        }
        let known = code.module.globals.get(global)?;
        (!known.ty.mutable).then(|| values.global(global.0))
    }
}
