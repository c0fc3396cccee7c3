//! Interprets one body with sets of values instead of values.
//!
//! ```text
//!   block … end    what branches to its end carry joins what falls through
//!   loop … end     what branches back carry joins what enters, pass after pass, until nothing is
//!                  new; from the third pass on what still grows becomes ANY
//!   try … catch    a handler knows nothing of the locals: a throw may come from anywhere
//! ```
//!
//! A body takes a bounded number of passes, and a bounded number of steps: one that is beyond
//! them has no summary, and everything about it is unknown.
//!
//! Never: follow memory that can change, mutable globals, or the contents of heap objects.

use super::state::{ControlFrame, ControlKind, FlowState};
use super::summary::{BodySummary, Origin, Origins, Write};
use super::value::{Cause, Known, Set, Symbol, Value, Values};
use crate::analyze::constants::Constants;
use crate::analyze::memories::Memories;
use crate::index::{FuncIdx, IndexType, TypeIdx};
use crate::read::{Arity, Located, Module};
use std::collections::BTreeMap;
use wasmparser::{BlockType, Catch, ModuleArity, Operator, ValType};

/// Passes after which what still grows at loop heads becomes `ANY`.
const PRECISE_PASSES: u32 = 2;

/// Passes after which every assigned local is `ANY` at every loop head.
const MAX_PASSES: u32 = 6;

/// Copies of locals that a body may cost, all passes together: so many for each of its bytes, and
/// some for any body. Code from compilers takes well under a hundred a byte.
const WORK_PER_BYTE: usize = 256;
const WORK_PER_BODY: usize = 100_000;

/// Stops the interpretation of a body; everything about it stays unknown.
pub(super) struct GiveUp;

pub(super) type Interpreted = Result<(), GiveUp>;

/// Interprets bodies, one after the other.
pub(super) struct Interpreter<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) constants: &'m Constants,
    pub(super) memories: &'m Memories<'m>,
    pub(super) func: FuncIdx,
    pub(super) values: Values,
    pub(super) state: FlowState,
    /// Joined arguments of direct calls.
    pub(super) args: BTreeMap<(FuncIdx, u32), Value>,
    pub(super) dynamics: Vec<Value>,
    results: Option<Vec<Value>>,
    pub(super) writes: Vec<Write<Value>>,
}

impl<'m> Interpreter<'m> {
    pub(super) fn new(
        module: &'m Module<'m>,
        constants: &'m Constants,
        memories: &'m Memories<'m>,
    ) -> Self {
        Interpreter {
            module,
            constants,
            memories,
            func: FuncIdx(0),
            values: Values::default(),
            state: FlowState::default(),
            args: BTreeMap::new(),
            dynamics: Vec::new(),
            results: None,
            writes: Vec::new(),
        }
    }

    /// Keeps what makes values unknown, for [`Interpreter::origins`].
    pub(super) fn explaining(
        module: &'m Module<'m>,
        constants: &'m Constants,
        memories: &'m Memories<'m>,
    ) -> Self {
        Interpreter {
            values: Values::explaining(),
            ..Interpreter::new(module, constants, memories)
        }
    }

    /// The summary of a defined function; `None` if the function is too much for it.
    pub(super) fn summarize(&mut self, func: FuncIdx) -> Option<BodySummary> {
        self.interpret(func)?;
        Some(self.summary())
    }

    /// Where the values of a defined function come from; `None` if the function is too much for it.
    pub(super) fn origins(&mut self, func: FuncIdx) -> Option<Origins> {
        self.interpret(func)?;
        let origin = |value: &Value| match self.values.set(*value) {
            Some(set) => Origin::Set(set.clone()),
            None => Origin::Unknown(self.values.why(*value)),
        };
        Some(Origins {
            dynamics: self.dynamics.iter().map(origin).collect(),
            args: self.args.iter().map(|(param, value)| (*param, origin(value))).collect(),
            results: self.results.iter().flatten().map(origin).collect(),
        })
    }

    fn interpret(&mut self, func: FuncIdx) -> Option<()> {
        self.func = func;
        self.values.clear();
        let body = self.module.body(func)?;
        let bytes = body.get_binary_reader().bytes_remaining();
        self.state.begin_body(bytes.saturating_mul(WORK_PER_BYTE) + WORK_PER_BODY);
        for pass in 0..=MAX_PASSES {
            self.state.begin_pass(pass >= PRECISE_PASSES, pass == MAX_PASSES);
            self.pass().ok()?;
            if pass == MAX_PASSES || !self.state.grew() {
                return Some(());
            }
        }
        None
    }

    fn pass(&mut self) -> Interpreted {
        self.args.clear();
        self.dynamics.clear();
        self.results = None;
        self.writes.clear();
        let locals = self.initial_locals()?;
        let results = self.module.func_type(self.func).results().len();
        self.state.enter_body(locals, results);
        for located in self.module.operators(self.func).map_err(|_| GiveUp)? {
            let Located { operator, start, .. } = located.map_err(|_| GiveUp)?;
            self.values.offset = start;
            if self.state.live() {
                self.operator(&operator)?;
            } else {
                self.dead(&operator);
            }
            if self.state.exhausted() {
                return Err(GiveUp);
            }
        }
        Ok(())
    }

    fn initial_locals(&mut self) -> Result<Vec<Value>, GiveUp> {
        let func = self.func;
        let params = self.module.func_type(func).params().to_vec();
        let mut locals: Vec<Value> = (0..)
            .zip(params)
            .map(|(index, ty)| match ty {
                ValType::I32 | ValType::I64 | ValType::Ref(_) => {
                    self.values.symbol(Symbol::Param { func, index })
                }
                _ => self.values.unknown(Cause::Param),
            })
            .collect();
        for (count, ty) in self.module.declared_locals(func).map_err(|_| GiveUp)? {
            let initial = match ty {
                ValType::I32 | ValType::I64 => self.values.constant(Known::Int(0)),
                ValType::Ref(ty) if ty.is_nullable() => self.values.constant(Known::Null),
                _ => self.values.unknown(Cause::Operator),
            };
            locals.extend(std::iter::repeat_n(initial, count as usize));
        }
        Ok(locals)
    }

    fn summary(&mut self) -> BodySummary {
        let values = &self.values;
        let set = |value: Value| values.set(value).cloned();
        let args = self.args.iter();
        let writes = self.writes.iter();
        let results = self.module.func_type(self.func).results().len();
        // A function that never returns has no result at all.
        let none = || vec![Some(Set::default()); results];
        BodySummary {
            dynamics: self.dynamics.iter().map(|value| set(*value)).collect(),
            args: args.filter_map(|(param, value)| Some((*param, set(*value)?))).collect(),
            results: self
                .results
                .as_ref()
                .map_or_else(none, |results| results.iter().map(|r| set(*r)).collect()),
            writes: writes.map(|write| write.map(|value| set(*value))).collect(),
        }
    }

    /// In dead code only the nesting matters.
    fn dead(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. }
            | Operator::Loop { .. } => {
                self.state.open_dead(matches!(operator, Operator::Loop { .. }));
            }
            Operator::Else => self.state.start_else(&mut self.values),
            Operator::Catch { tag_index } => self.catch(self.tag_params(*tag_index)),
            Operator::CatchAll => self.catch(0),
            Operator::End | Operator::Delegate { .. } => self.end(),
            _ => {}
        }
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Interpreted {
        match operator {
            Operator::Block { blockty }
            | Operator::Loop { blockty }
            | Operator::If { blockty }
            | Operator::Try { blockty } => self.open(operator, *blockty),
            Operator::TryTable { try_table } => self.try_table(try_table),
            Operator::Else => self.state.start_else(&mut self.values),
            Operator::Catch { tag_index } => self.catch(self.tag_params(*tag_index)),
            Operator::CatchAll => self.catch(0),
            Operator::End | Operator::Delegate { .. } => self.end(),
            Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Rethrow { .. } => self.state.die(),
            Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
            | Operator::Return => self.branch(operator)?,
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.call(operator),
            _ => self.plain(operator)?,
        }
        Ok(())
    }

    fn open(&mut self, operator: &Operator<'_>, ty: BlockType) {
        let kind = match operator {
            Operator::Loop { .. } => ControlKind::Loop,
            Operator::If { .. } => {
                self.state.pop();
                ControlKind::If
            }
            _ => ControlKind::Block,
        };
        let (params, results) = self.block_arity(ty);
        self.state.open(ControlFrame::new(kind, params, results), &mut self.values);
    }

    /// What a thrown exception carries to a handler's label is unknown, and so are the locals.
    fn try_table(&mut self, table: &wasmparser::TryTable) {
        for catch in &table.catches {
            let (Catch::One { label, .. }
            | Catch::OneRef { label, .. }
            | Catch::All { label }
            | Catch::AllRef { label }) = catch;
            self.state.throw_to(*label, &mut self.values);
        }
        let (params, results) = self.block_arity(table.ty);
        let frame = ControlFrame::new(ControlKind::Block, params, results);
        self.state.open(frame, &mut self.values);
    }

    fn catch(&mut self, params: usize) {
        self.state.start_handler(params, &mut self.values);
    }

    fn end(&mut self) {
        if let Some(results) = self.state.close(&mut self.values) {
            self.returns(results);
        }
    }

    /// Adds to the function's results.
    pub(super) fn returns(&mut self, results: Vec<Value>) {
        let joined = match self.results.take() {
            None => results,
            Some(before) => {
                before.into_iter().zip(results).map(|(a, b)| self.values.join(a, b)).collect()
            }
        };
        self.results = Some(joined);
    }

    fn branch(&mut self, operator: &Operator<'_>) -> Interpreted {
        let (state, values) = (&mut self.state, &mut self.values);
        match operator {
            Operator::Br { relative_depth } => {
                state.branch(*relative_depth, values);
                state.die();
            }
            Operator::Return => {
                state.branch(state.outermost(), values);
                state.die();
            }
            Operator::BrIf { relative_depth } => {
                state.pop();
                state.branch(*relative_depth, values);
            }
            Operator::BrTable { targets } => {
                state.pop();
                let mut labels: Vec<u32> = targets.targets().map_while(Result::ok).collect();
                labels.push(targets.default());
                labels.sort_unstable();
                labels.dedup();
                for label in labels {
                    state.branch(label, values);
                }
                state.die();
            }
            Operator::BrOnNull { relative_depth } => {
                let reference = state.pop();
                state.branch(*relative_depth, values);
                state.push(values.non_null(reference));
            }
            Operator::BrOnNonNull { relative_depth } => {
                state.branch(*relative_depth, values);
                state.pop();
            }
            // The reference is the same on both ways.
            Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => {
                state.branch(*relative_depth, values);
            }
            _ => return Err(GiveUp),
        }
        Ok(())
    }

    fn block_arity(&self, ty: BlockType) -> (usize, usize) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                let ty = self.module.func_type_at(TypeIdx::from_usize(index as usize));
                (ty.params().len(), ty.results().len())
            }
        }
    }

    fn tag_params(&self, tag: u32) -> usize {
        let arity = Arity(self.module).tag_type_arity(tag);
        arity.map_or(0, |(params, _)| params as usize)
    }
}
