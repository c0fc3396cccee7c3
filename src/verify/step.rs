//! One operator that does more than move and compute values, in the normal state: both must do the same.

use super::again::may_run_again;
use super::body::{Handler, arity};
use super::fault::{Fault, operator_name};
use super::runtime::Helper;
use super::simulate::{Simulation, Which};
use super::state::{Performed, State};
use super::values::{SOME_REFERENCE, Value};
use crate::analyze::{Site, Target};
use crate::index::{FuncIdx, GlobalIdx, TableIdx, TypeIdx};
use crate::read::{Arity, Module};
use std::collections::BTreeSet;
use std::rc::Rc;
use wasmparser::Operator as O;
use wasmparser::{
    CompositeInnerType, HeapType, ModuleArity, Operator, RefType, StorageType, UnpackedIndex,
    ValType,
};

/// Where a local was declared with null.
const CAST: &str = "references that are cast where they are read";

/// A call, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    Direct(FuncIdx),
    Indirect { table: u32, ty: u32 },
    Ref { ty: u32 },
}

impl Callee {
    /// What an operator calls, and whether it is a tail call.
    pub fn of(operator: &Operator<'_>) -> Option<(Callee, bool)> {
        match *operator {
            Operator::Call { function_index } => {
                Some((Callee::Direct(FuncIdx(function_index)), false))
            }
            Operator::ReturnCall { function_index } => {
                Some((Callee::Direct(FuncIdx(function_index)), true))
            }
            Operator::CallIndirect { type_index, table_index } => {
                Some((Callee::Indirect { table: table_index, ty: type_index }, false))
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                Some((Callee::Indirect { table: table_index, ty: type_index }, true))
            }
            Operator::CallRef { type_index } => Some((Callee::Ref { ty: type_index }, false)),
            Operator::ReturnCallRef { type_index } => Some((Callee::Ref { ty: type_index }, true)),
            _ => None,
        }
    }
}

/// Whether two hold the same value, which is one that may be looked at.
fn same(original: Value, copy: Value) -> bool {
    original == copy && copy != Value::UNDEFINED
}

fn require(holds: bool, what: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(what)) }
}

impl Simulation<'_, '_> {
    /// Does the operator at which both stand; what is left to follow, besides what is pending.
    pub fn step(
        &mut self,
        which: Which,
        mut state: Box<State>,
    ) -> Result<Option<Box<State>>, Fault> {
        state.goes_on();
        let (original, body) = (Rc::clone(&self.original), Rc::clone(self.body(which)));
        let (operator, copy) = (original.operator(state.original.at), body.operator(state.copy.at));
        if *copy == Operator::RefAsNonNull && operator != copy {
            return Err(cast(&state));
        }
        match operator {
            Operator::BrIf { .. } | Operator::If { .. } => self.conditional(which, state, copy),
            Operator::BrTable { .. } => self.table(which, state, copy),
            Operator::End | Operator::Return => {
                let returns = matches!(copy, Operator::End | Operator::Return);
                require(returns, "the original returns, and the copy does not")?;
                self.returns(&state)?;
                self.spare.take_back(state);
                Ok(None)
            }
            Operator::Unreachable => {
                require(*copy == Operator::Unreachable, "only the original traps")?;
                self.spare.take_back(state);
                Ok(None)
            }
            Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. } => self.on_reference(which, state, operator, copy),
            Operator::Rethrow { .. } => {
                require(matches!(copy, Operator::Rethrow { .. }), "only the original rethrows")?;
                let thrown = self.original.rethrown(state.original.at);
                let of_copy = self.body(which).rethrown(state.copy.at);
                let thrown = thrown.map(|number| state.original.caught[number]);
                let of_copy = of_copy.map(|number| state.copy.caught[number]);
                let both = thrown.zip(of_copy).is_some_and(|(a, b)| same(a, b));
                require(both, "another exception is thrown again")?;
                self.throws(which, &state)?;
                Ok(None)
            }
            operator => self.other(which, state, operator, copy),
        }
    }

    /// Both return the same results.
    fn returns(&self, state: &State) -> Result<(), Fault> {
        let results = self.original.results;
        let (original, copy) = (&state.original.stack, &state.copy.stack);
        let top = |stack: &[Value]| stack.len().checked_sub(results);
        let (Some(first), Some(first_of_copy)) = (top(original), top(copy)) else {
            return Err(Fault::new("there are fewer values than results"));
        };
        self.require_all_same("a result", &original[first..], &copy[first_of_copy..])
    }

    fn conditional(
        &mut self,
        which: Which,
        mut state: Box<State>,
        copy: &Operator<'_>,
    ) -> Result<Option<Box<State>>, Fault> {
        let branches = matches!(copy, Operator::BrIf { .. } | Operator::If { .. });
        require(branches, "the original branches, and the copy does not")?;
        let (condition, holds) = self.values.condition(state.original.topmost()?);
        let (of_copy, holds_too) = self.values.condition(state.copy.topmost()?);
        self.require_same("what they branch on", condition, of_copy)?;
        let (is_same, body) = (holds == holds_too, Rc::clone(self.body(which)));
        let mut taken = self.spare.copy_of(&state);
        taken.original.decided(&self.original, true)?;
        taken.copy.decided(&body, is_same)?;
        self.pending.push((which, taken));
        state.original.decided(&self.original, false)?;
        state.copy.decided(&body, !is_same)?;
        Ok(Some(state))
    }

    fn table(
        &mut self,
        which: Which,
        mut state: Box<State>,
        copy: &Operator<'_>,
    ) -> Result<Option<Box<State>>, Fault> {
        require(matches!(copy, Operator::BrTable { .. }), "only the original branches by a table")?;
        let index = state.original.pop()?;
        self.require_same("what they branch by", index, state.copy.pop()?)?;
        let labels = self.original.table(state.original.at).copied();
        let of_copy = self.body(which).table(state.copy.at).copied();
        require(labels.len() == of_copy.len(), "the tables of a branch differ in length")?;
        let mut seen = BTreeSet::new();
        let pairs = labels.zip(of_copy).filter(|(a, b)| seen.insert((a.target(), b.target())));
        let pairs: Vec<_> = pairs.collect();
        state.performed.clear();
        for (label, of_copy) in pairs {
            let mut branched = self.spare.copy_of(&state);
            branched.original.branch(&label)?;
            branched.copy.branch(&of_copy)?;
            self.pending.push((which, branched));
        }
        self.spare.take_back(state);
        Ok(None)
    }

    /// An operator that does the same in both.
    fn other(
        &mut self,
        which: Which,
        mut state: Box<State>,
        operator: &Operator<'_>,
        copy: &Operator<'_>,
    ) -> Result<Option<Box<State>>, Fault> {
        if let Some((callee, tail)) = Callee::of(operator) {
            let of_copy = self.callee(copy);
            require(of_copy == Some((callee, tail)), "they call different functions")?;
        } else {
            differs(operator, copy)?;
        }
        let (pops, pushes) = arity(self.modules.original, operator)?;
        let operands = state.original.top(pops as usize)?;
        let of_copy = state.copy.top(pops as usize)?;
        self.require_all_same("an operand", operands, of_copy)?;
        let performed = match may_run_again(operator) {
            true => Performed::new(state.original.at, operands, Value::UNDEFINED),
            false => None,
        };
        state.original.drop_many(pops as usize)?;
        state.copy.drop_many(pops as usize)?;
        match Callee::of(operator) {
            Some((_, true)) => return Ok(None),
            Some(_) => self.throws(which, &state)?,
            None if matches!(operator, Operator::Throw { .. } | Operator::ThrowRef) => {
                self.throws(which, &state)?;
                return Ok(None);
            }
            None => {}
        }
        let first = state.original.stack.len();
        self.results(operator, pushes as usize, &mut state.original.stack);
        let results = &state.original.stack[first..];
        state.copy.stack.extend(results);
        if !may_run_again(operator) {
            // Tables may have changed.
            let is_lasting =
                |at: u32| !matches!(self.original.operator(at), Operator::TableGet { .. });
            if self.original.reads_tables {
                state.performed.retain(|one| is_lasting(one.at));
            }
        } else if let (&[result], Some(performed)) = (results, performed) {
            state.perform(Performed { result, ..performed });
        }
        state.original.at += 1;
        state.copy.at += 1;
        Ok(Some(state))
    }

    /// Leaves what an operator gives: values of their own.
    fn results(&mut self, operator: &Operator<'_>, count: usize, stack: &mut Vec<Value>) {
        if count == 0 {
            return;
        }
        let module = self.modules.original;
        let given = reference(module, operator).map(ValType::Ref);
        let types = match Callee::of(operator) {
            Some((Callee::Direct(func), _)) => module.func_type(func).results(),
            Some((Callee::Indirect { ty, .. } | Callee::Ref { ty }, _)) => {
                module.func_type_at(TypeIdx(ty)).results()
            }
            None => given.as_slice(),
        };
        let types = types.iter().copied().chain(std::iter::repeat(ValType::I32));
        stack.extend(types.take(count).map(|ty| self.values.opaque_of(ty)));
    }

    /// A branch that asks for a reference's type: what goes either way is a value of its own, of a narrower type.
    fn on_reference(
        &mut self,
        which: Which,
        mut state: Box<State>,
        operator: &Operator<'_>,
        copy: &Operator<'_>,
    ) -> Result<Option<Box<State>>, Fault> {
        // Of the reference where the branch is taken, and where it is not, whether it is there and can't be null.
        let (taken, other) = match (operator, copy) {
            (O::BrOnNull { .. }, O::BrOnNull { .. }) => (None, Some(true)),
            (O::BrOnNonNull { .. }, O::BrOnNonNull { .. }) => (Some(true), None),
            (
                O::BrOnCast { from_ref_type, to_ref_type, .. },
                O::BrOnCast { from_ref_type: from, to_ref_type: to, .. },
            ) if (from_ref_type, to_ref_type) == (from, to) => {
                (Some(!to.is_nullable()), Some(to.is_nullable() || !from.is_nullable()))
            }
            (
                O::BrOnCastFail { from_ref_type, to_ref_type, .. },
                O::BrOnCastFail { from_ref_type: from, to_ref_type: to, .. },
            ) if (from_ref_type, to_ref_type) == (from, to) => {
                (Some(to.is_nullable() || !from.is_nullable()), Some(!to.is_nullable()))
            }
            _ => {
                return Err(Fault::new(
                    "the original branches on a reference, and the copy does not",
                ));
            }
        };
        let reference = state.original.pop()?;
        self.require_same("the reference that they branch on", reference, state.copy.pop()?)?;
        let mut narrowed = |is_there: Option<bool>| {
            is_there.map(|not_null| match not_null {
                true => self.values.opaque_of(ValType::Ref(SOME_REFERENCE)),
                false => self.values.opaque(),
            })
        };
        let (taken, other) = (narrowed(taken), narrowed(other));
        let mut branched = self.spare.copy_of(&state);
        branched.performed.clear();
        branched.original.stack.extend(taken);
        branched.copy.stack.extend(taken);
        let label = *self.original.label(state.original.at);
        let of_copy = *self.body(which).label(state.copy.at);
        branched.original.branch(&label)?;
        branched.copy.branch(&of_copy)?;
        self.pending.push((which, branched));
        state.original.stack.extend(other);
        state.copy.stack.extend(other);
        state.original.at += 1;
        state.copy.at += 1;
        Ok(Some(state))
    }

    /// An exception may be thrown where both are, the same: what catches it is the same.
    fn throws(&mut self, which: Which, state: &State) -> Result<(), Fault> {
        if !self.original.has_handlers() && !self.body(which).has_handlers() {
            return Ok(());
        }
        let handlers = self.original.handlers_at(state.original.at);
        let of_copy = self.body(which).handlers_at(state.copy.at);
        let describe = |handler: &Handler| (handler.tag, handler.gives_reference);
        let same = handlers.iter().map(describe).eq(of_copy.iter().map(describe));
        require(same, "an exception meets other handlers")?;
        let mut met = Vec::new();
        for (handler, of_copy) in handlers.iter().zip(&of_copy) {
            let count = match handler.tag {
                Some(tag) => {
                    let arity = Arity(self.modules.original).tag_type_arity(tag);
                    arity.ok_or_else(|| Fault::new("there is no such tag"))?.0
                }
                None => 0,
            };
            let payload: Vec<_> = (0..count).map(|_| self.values.opaque()).collect();
            let exception = match handler.tag {
                Some(tag) => self.values.exception(tag, &payload),
                None => self.values.opaque_exception(met.clone()),
            };
            met.extend(handler.tag);
            let mut caught = self.spare.copy_of(state);
            caught.performed.clear();
            caught.original.catch(&self.original, handler, &payload, exception)?;
            caught.copy.catch(self.body(which), of_copy, &payload, exception)?;
            self.pending.push((which, caught));
        }
        Ok(())
    }

    /// What an operator of a rewritten body calls: of a helper that stands before an import, the import.
    pub fn callee(&self, operator: &Operator<'_>) -> Option<(Callee, bool)> {
        let (callee, tail) = Callee::of(operator)?;
        if let Callee::Direct(func) = callee
            && let Some(Helper::Caller(import)) = self.modules.runtime.helpers.get(&func)
        {
            return Some((Callee::Direct(*import), tail));
        }
        Some((callee, tail))
    }

    /// Both stand before a call that may unwind, in the normal state: the calls are the same.
    pub fn arrive(&self, state: &State, which: Which, site: Site) -> Result<(), Fault> {
        let operator = self.original.operator(state.original.at);
        let copy = self.body(which).operator(state.copy.at);
        let Some((callee, _)) = Callee::of(operator) else {
            return Err(Fault::new("a site is no call"));
        };
        if *copy == Operator::RefAsNonNull {
            return Err(cast(state));
        }
        require(self.callee(copy) == Some((callee, false)), "they call different functions")?;
        self.is_called_again(site, copy, callee)?;
        let (pops, _) = arity(self.modules.original, operator)?;
        let top = |stack: &[Value]| stack.len().checked_sub(pops as usize);
        let (original, copy) = (&state.original.stack, &state.copy.stack);
        let (Some(first), Some(first_of_copy)) = (top(original), top(copy)) else {
            return Err(Fault::new("a call takes more than there is"));
        };
        self.require_all_same("an argument", &original[first..], &copy[first_of_copy..])
    }

    /// An import is called by a helper, which calls it again where its unwind has no room to begin; if such an unwind is undone at all.
    pub fn is_called_again(
        &self,
        site: Site,
        copy: &Operator<'_>,
        callee: Callee,
    ) -> Result<(), Fault> {
        let directly = Callee::of(copy).map(|(callee, _)| callee) == Some(callee);
        let needs_helper =
            self.modules.runtime.can_undo && matches!(site.target, Target::Import(_));
        require(
            !(needs_helper && directly),
            "an import is not called again where its unwind has no room",
        )
    }

    fn require_same(&self, what: &str, original: Value, copy: Value) -> Result<(), Fault> {
        if same(original, copy) {
            return Ok(());
        }
        let [original, copy] = [original, copy].map(|value| self.values.describe(value));
        Err(Fault::new(format!("{what} differs: {original} became {copy}")))
    }

    fn require_all_same(
        &self,
        what: &str,
        originals: &[Value],
        copies: &[Value],
    ) -> Result<(), Fault> {
        let mut pairs = originals.iter().zip(copies);
        pairs.try_for_each(|(original, copy)| self.require_same(what, *original, *copy))
    }

    /// A call that may unwind: the state in which it has returned.
    pub fn call(
        &mut self,
        which: Which,
        mut state: Box<State>,
        site: Site,
    ) -> Result<Box<State>, Fault> {
        state.goes_on();
        let original = Rc::clone(&self.original);
        let operator = original.operator(state.original.at);
        let (pops, pushes) = self.effect(operator, site)?;
        state.original.drop_many(pops)?;
        state.copy.drop_many(pops)?;
        if site.tail && !self.body(which).handlers_at(state.copy.at).is_empty() {
            return Err(Fault::new("a tail call leaves its handlers, and the copy does not"));
        } else if !site.tail {
            self.throws(which, &state)?;
        }
        let first = state.original.stack.len();
        self.results(operator, pushes, &mut state.original.stack);
        state.copy.stack.extend(&state.original.stack[first..]);
        state.performed.clear();
        state.copy.at += 1;
        // A tail call returns what it was given.
        let end = self.original.operators.len() as u32 - 1;
        state.original.at = if site.tail { end } else { state.original.at + 1 };
        Ok(state)
    }

    /// The same call, when it unwinds: what it leaves behind.
    pub fn leaves(&mut self, which: Which, mut state: Box<State>) -> Result<(), Fault> {
        state.goes_on();
        let at = state.original.at;
        let site = self.site(at).ok_or_else(|| Fault::new("a site is none"))?;
        let (pops, pushes) = self.effect(self.original.operator(at), site)?;
        let mut copy = std::mem::take(&mut state.copy);
        copy.drop_many(pops)?;
        copy.at += 1;
        copy.stack.extend((0..pushes).map(|_| Value::UNDEFINED));
        let State { original, performed, .. } = &mut *state;
        let frozen = Rc::new((std::mem::take(original), std::mem::take(performed)));
        self.unwind(which, copy, Rc::clone(&frozen))?;
        if let Some((original, performed)) = Rc::into_inner(frozen) {
            let copy = self.spare.activation();
            *state = State { original, copy, performed };
            self.spare.take_back(state);
        }
        Ok(())
    }

    /// How many operands a call at a site takes, and how many results it leaves: those of the function, if it is a tail call.
    fn effect(&self, operator: &Operator<'_>, site: Site) -> Result<(usize, usize), Fault> {
        let (pops, pushes) = arity(self.modules.original, operator)?;
        let pushes = if site.tail { self.original.results } else { pushes as usize };
        Ok((pops as usize, pushes))
    }
}

/// A reference is cast of which it isn't known that it is not null.
fn cast(state: &State) -> Fault {
    match state.copy.stack.last() {
        Some(top) if *top != Value::UNDEFINED => Fault::not_covered(CAST),
        _ => Fault::new("a reference is cast that may be anything"),
    }
}

/// Rejects an operator that is not the original's.
fn differs(operator: &Operator<'_>, copy: &Operator<'_>) -> Result<(), Fault> {
    if operator == copy {
        return Ok(());
    }
    let [operator, copy] = [operator, copy].map(operator_name);
    Err(Fault::new(format!("the original does {operator}, and the copy {copy}")))
}

/// The type of the reference that an operator gives, if it gives one whose type is of interest.
fn reference(module: &Module<'_>, operator: &Operator<'_>) -> Option<RefType> {
    let concrete = |ty: u32| RefType::new(false, HeapType::Concrete(UnpackedIndex::Module(ty)));
    match *operator {
        O::TableGet { table } => Some(module.tables.get(TableIdx(table))?.ty.element_type),
        O::GlobalGet { global_index } => {
            let ty = module.globals.get(GlobalIdx(global_index))?.ty.content_type;
            ty.as_reference_type()
        }
        O::RefI31 => Some(RefType::I31),
        O::RefCastNonNull { hty } => RefType::new(false, hty),
        O::RefCastNullable { hty } => RefType::new(true, hty),
        O::RefAsNonNull => Some(SOME_REFERENCE),
        O::StructNew { struct_type_index } | O::StructNewDefault { struct_type_index } => {
            concrete(struct_type_index)
        }
        O::ArrayNew { array_type_index }
        | O::ArrayNewDefault { array_type_index }
        | O::ArrayNewFixed { array_type_index, .. }
        | O::ArrayNewData { array_type_index, .. }
        | O::ArrayNewElem { array_type_index, .. } => concrete(array_type_index),
        O::StructGet { struct_type_index, field_index } => {
            match composite(module, struct_type_index) {
                CompositeInnerType::Struct(ty) => {
                    held(ty.fields.get(field_index as usize)?.element_type)
                }
                _ => None,
            }
        }
        O::ArrayGet { array_type_index } => match composite(module, array_type_index) {
            CompositeInnerType::Array(ty) => held(ty.0.element_type),
            _ => None,
        },
        _ => None,
    }
}

fn composite(module: &Module<'_>, ty: u32) -> CompositeInnerType {
    let types = module.types();
    types[types.core_type_at_in_module(ty)].composite_type.inner.clone()
}

fn held(ty: StorageType) -> Option<RefType> {
    match ty {
        StorageType::Val(ty) => ty.as_reference_type(),
        StorageType::I8 | StorageType::I16 => None,
    }
}
