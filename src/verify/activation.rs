//! One function that is followed: where it is, and what its locals and operand stack hold.

use super::body::{Body, Brief, Handler, HandlerStart, Label, Opener};
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
#[derive(Clone, Debug, Default)]
pub(super) struct Activation {
    /// The position of the next operator.
    pub at: u32,
    pub locals: Vec<Value>,
    pub stack: Vec<Value>,
    /// The exceptions that handlers name, by the numbers of their `try`s.
    pub caught: Vec<Value>,
    /// Whether control has come here other than from the operator before, since this was last cleared.
    pub joined: bool,
    /// The first loop whose start it has passed since then.
    pub entered: Option<u32>,
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
    /// Makes it a function that is entered with these arguments, undefined where there are none.
    pub fn enter(&mut self, body: &Body<'_>, values: &mut Values, params: &[Value]) {
        (self.at, self.joined, self.entered) = (0, false, None);
        self.stack.clear();
        self.caught.clear();
        self.caught.resize(body.named_exceptions(), Value::UNDEFINED);
        self.locals.clear();
        self.locals.extend(params);
        self.locals.resize(body.params, Value::UNDEFINED);
        // Declarations are runs of one type.
        let mut last = None;
        for ty in &body.locals[body.params..] {
            let (_, zero) = *last
                .filter(|(known, _)| known == ty)
                .get_or_insert_with(|| (*ty, values.zero(*ty)));
            last = Some((*ty, zero));
            self.locals.push(zero);
        }
    }

    /// Makes it the same as another, in the room that it has.
    pub fn assign(&mut self, other: &Activation) {
        (self.at, self.joined, self.entered) = (other.at, other.joined, other.entered);
        self.locals.clone_from(&other.locals);
        self.stack.clone_from(&other.stack);
        self.caught.clone_from(&other.caught);
    }

    pub fn pop(&mut self) -> Result<Value, Fault> {
        self.stack.pop().ok_or_else(|| Fault::new("the operand stack is empty"))
    }

    /// The topmost operands, lowest first.
    pub fn top(&self, count: usize) -> Result<&[Value], Fault> {
        let first = self.stack.len().checked_sub(count);
        let first = first.ok_or_else(|| Fault::new("the operand stack is too low"))?;
        Ok(&self.stack[first..])
    }

    /// Takes the topmost operands away.
    pub fn drop_many(&mut self, count: usize) -> Result<(), Fault> {
        let kept = self.stack.len() - self.top(count)?.len();
        self.stack.truncate(kept);
        Ok(())
    }

    /// The topmost operands, lowest first, taken.
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
        self.joined |= label.is_joined;
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

    /// The topmost operand.
    pub fn topmost(&self) -> Result<Value, Fault> {
        self.stack.last().copied().ok_or_else(|| Fault::new("the operand stack is empty"))
    }

    /// Does an operator that is known in brief and only moves and computes values; `false` if it is none.
    fn does(&mut self, brief: Brief, values: &mut Values) -> Result<bool, Fault> {
        match brief {
            Brief::Get(local) => self.stack.push(self.locals[local as usize]),
            Brief::Set(local) => self.locals[local as usize] = self.pop()?,
            Brief::Tee(local) => self.locals[local as usize] = self.topmost()?,
            Brief::I32(number) => self.stack.push(values.i32(number)),
            Brief::Computes { code, operands } => self.compute(code, 0, operands.into(), values)?,
            Brief::Nothing => {}
            Brief::Load | Brief::Store | Brief::Other => return Ok(false),
        }
        self.at += 1;
        Ok(true)
    }

    /// Follows code that only moves and computes values.
    pub fn advance(&mut self, code: Code<'_, '_>, values: &mut Values) -> Result<Stop, Fault> {
        let body = code.body;
        loop {
            let brief = body.briefs[self.at as usize];
            if self.does(brief, values)? {
                continue;
            }
            let located = &body.operators[self.at as usize];
            match &located.operator {
                Operator::Drop => {
                    if self.pop()? == Value::SEALED {
                        self.stack.push(Value::SEALED);
                        return Ok(Stop::Operator);
                    }
                }
                Operator::Loop { .. } => {
                    self.joined = true;
                    self.entered.get_or_insert(body.label_index(self.at));
                }
                // What comes here runs over the other parts of the construct.
                Operator::Else | Operator::Catch { .. } | Operator::CatchAll => {
                    let label = body.label(self.at);
                    self.at = label.end;
                    self.joined |= label.is_joined;
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
                    if self.decided(body, holds)? {
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
                operator => match maker(operator, &body.bytes[located.range()]) {
                    Some(maker) => self.make(maker, values)?,
                    None => return Ok(Stop::Operator),
                },
            }
            self.at += 1;
        }
    }

    /// What a `select` gives. What the program selects is named in one way, whatever is known of it, also where a rewind selects again.
    fn selected(&mut self, mode: Mode, values: &mut Values) -> Result<Value, Fault> {
        let picked: [Value; 3] = self.top(3)?.try_into().expect("these are three");
        self.drop_many(3)?;
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
    pub fn decided(&mut self, body: &Body<'_>, holds: bool) -> Result<bool, Fault> {
        self.pop()?;
        let label = *body.label(self.at);
        let is_if = matches!(body.operator(self.at), Operator::If { .. });
        match (is_if, holds) {
            (false, true) => return self.branch(&label),
            (true, false) => {
                self.joined |= label.otherwise.is_none() && label.is_joined;
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
                return self.compute(code, immediate, operands, values);
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn compute(
        &mut self,
        code: u16,
        immediate: u32,
        operands: usize,
        values: &mut Values,
    ) -> Result<(), Fault> {
        let value = values.computed(code, immediate, self.top(operands)?);
        self.drop_many(operands)?;
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
