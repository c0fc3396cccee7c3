//! Checks new functions: follows the values through each, and holds them against the signatures.

use super::super::adapt::Cast;
use super::super::mismatch::Class;
use super::super::operators;
use super::super::writes::{TableChange, operation};
use super::{Checker, offset, require, wrong};
use crate::analyze::segment_items;
use crate::error::Result;
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use wasmparser::{FuncType, HeapType, Operator, UnpackedIndex, ValType};

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ValueFrom {
    /// A parameter of the new function.
    Param(u32),
    /// A result of the call that it makes.
    Result(u32),
    Cast(Cast, Unchanged),
    /// A zero of this type.
    Zero(ValType),
    /// A null of the type that is wanted: anything else would not be valid.
    Null,
}

/// Where a value comes from that was not changed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unchanged {
    Param(u32),
    Result(u32),
}

/// The values of a function without branches, as far as it was followed.
struct Evaluation {
    stack: Vec<ValueFrom>,
    locals: Vec<Option<ValueFrom>>,
}

impl Evaluation {
    /// At the start of a function of which `params` of `count` locals are parameters.
    fn new(params: usize, count: usize) -> Evaluation {
        let sources = (0..params as u32).map(|param| Some(ValueFrom::Param(param)));
        let mut locals: Vec<_> = sources.collect();
        locals.resize(count, None);
        Evaluation { stack: Vec::new(), locals }
    }

    fn pop(&mut self) -> Result<ValueFrom> {
        self.stack.pop().ok_or_else(|| wrong("a new function pops what it did not push"))
    }

    /// One instruction; `false` if it isn't one that moves or makes values.
    fn step(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match *operator {
            Operator::LocalGet { local_index } => {
                let local = self.locals.get(local_index as usize).copied().flatten();
                self.stack.push(local.ok_or_else(|| wrong("a new function reads an unset local"))?);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop()?;
                let local = self.locals.get_mut(local_index as usize);
                *local.ok_or_else(|| wrong("a new function sets a missing local"))? = Some(value);
            }
            Operator::Drop => {
                self.pop()?;
            }
            Operator::I32Const { value: 0 } => self.stack.push(ValueFrom::Zero(ValType::I32)),
            Operator::I64Const { value: 0 } => self.stack.push(ValueFrom::Zero(ValType::I64)),
            Operator::F32Const { value } if value.bits() == 0 => {
                self.stack.push(ValueFrom::Zero(ValType::F32));
            }
            Operator::F64Const { value } if value.bits() == 0 => {
                self.stack.push(ValueFrom::Zero(ValType::F64));
            }
            Operator::V128Const { value } if value.i128() == 0 => {
                self.stack.push(ValueFrom::Zero(ValType::V128));
            }
            Operator::RefNull { .. } => self.stack.push(ValueFrom::Null),
            Operator::I32WrapI64 => self.cast(Cast::I64ToI32)?,
            Operator::I64ExtendI32U => self.cast(Cast::I32ToI64)?,
            Operator::I32ReinterpretF32 => self.cast(Cast::F32ToI32)?,
            Operator::F32ReinterpretI32 => self.cast(Cast::I32ToF32)?,
            Operator::I64ReinterpretF64 => self.cast(Cast::F64ToI64)?,
            Operator::F64ReinterpretI64 => self.cast(Cast::I64ToF64)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn cast(&mut self, cast: Cast) -> Result<()> {
        let unchanged = match self.pop()? {
            ValueFrom::Param(param) => Unchanged::Param(param),
            ValueFrom::Result(result) => Unchanged::Result(result),
            _ => return Err(wrong("a new function casts what is no argument and no result")),
        };
        self.stack.push(ValueFrom::Cast(cast, unchanged));
        Ok(())
    }
}

/// Whether a cast makes a value of type `to` from one of type `from`.
fn casts(cast: Cast, from: ValType, to: ValType) -> bool {
    use ValType::{F32, F64, I32, I64};
    let types = match cast {
        Cast::I64ToI32 => (I64, I32),
        Cast::I32ToI64 => (I32, I64),
        Cast::F32ToI32 => (F32, I32),
        Cast::I32ToF32 => (I32, F32),
        Cast::F64ToI64 => (F64, I64),
        Cast::I64ToF64 => (I64, F64),
    };
    types == (from, to)
}

impl Checker<'_, '_> {
    /// A function that calls another and adapts to its type; returns the other.
    pub(super) fn adapter(&self, func: FuncIdx) -> Result<FuncIdx> {
        let of_call = self.output.func_type(func).clone();
        let mut state = self.evaluation(func)?;
        let mut target = None;
        let operators = self.operators(func)?;
        for operator in &operators {
            match *operator {
                Operator::Call { function_index } | Operator::ReturnCall { function_index }
                    if target.is_none() =>
                {
                    let callee = FuncIdx(function_index);
                    target = Some(callee);
                    self.called(&mut state, &of_call, self.output.func_type(callee))?;
                }
                Operator::End => break,
                ref other if state.step(other)? => {}
                _ => return Err(wrong("an adapter does more than call")),
            }
        }
        let target = target.ok_or_else(|| wrong("an adapter calls nothing"))?;
        let callee = self.output.func_type(target);
        self.values(&state.stack, callee.results(), of_call.results(), Unchanged::Result)?;
        require(!returns_struct(&of_call, callee), "an adapter stands for a structure's return")?;
        require(target.0 < self.module.funcs.len() as u32, "an adapter calls a new function")?;
        Ok(target)
    }

    /// A call that takes everything from the stack: its arguments against the parameters given.
    fn called(&self, state: &mut Evaluation, of_call: &FuncType, callee: &FuncType) -> Result<()> {
        self.values(&state.stack, of_call.params(), callee.params(), Unchanged::Param)?;
        state.stack.clear();
        state.stack.extend((0..callee.results().len() as u32).map(ValueFrom::Result));
        Ok(())
    }

    /// Position by position: the value that was given, if its type is the one that is wanted; by a
    /// cast, if casts are permitted; zero behind the last one given.
    fn values(
        &self,
        values: &[ValueFrom],
        given: &[ValType],
        wanted: &[ValType],
        unchanged: fn(u32) -> Unchanged,
    ) -> Result<()> {
        require(values.len() == wanted.len(), "a new function passes another number of values")?;
        for ((position, value), to) in (0_u32..).zip(values).zip(wanted) {
            let right = match (*value, given.get(position as usize)) {
                (ValueFrom::Zero(ty), None) => ty == *to,
                (ValueFrom::Null, None) => matches!(to, ValType::Ref(_)),
                (ValueFrom::Param(_) | ValueFrom::Result(_), Some(from)) => {
                    let as_is = match unchanged(position) {
                        Unchanged::Param(param) => ValueFrom::Param(param),
                        Unchanged::Result(result) => ValueFrom::Result(result),
                    };
                    *value == as_is && passes(*from, *to)
                }
                (ValueFrom::Cast(cast, of), Some(from)) => {
                    self.bit_casts && of == unchanged(position) && casts(cast, *from, *to)
                }
                _ => false,
            };
            require(right, "a new function passes a wrong value")?;
        }
        Ok(())
    }

    /// Ready to follow the body of a new function from its first instruction.
    fn evaluation(&self, func: FuncIdx) -> Result<Evaluation> {
        let params = self.output.func_type(func).params().len();
        Ok(Evaluation::new(params, self.output.local_count(func)? as usize))
    }

    fn operators(&self, func: FuncIdx) -> Result<Vec<Operator<'_>>> {
        let operators = operators(self.output, func)?;
        Ok(operators.into_iter().map(|located| located.operator).collect())
    }

    /// A function that tests for one type after another, and calls as the test says.
    pub(super) fn tester(&self, func: FuncIdx, (table, ty): Class) -> Result<()> {
        let of_call = self.module.func_type_at(ty).clone();
        let index = of_call.params().len() as u32;
        let operators = self.operators(func)?;
        let mut rest = operators.as_slice();
        while let Some((of, after)) = tested(rest, table, index) {
            rest = self.tested_call(func, after, &of_call, (table, of), index)?;
        }
        require(
            is_original_call(rest, (table, ty), index),
            "a tester does not end with the original call",
        )
    }

    /// The new start function: it fills the parallels of imported tables, and then does what the old one
    /// did.
    pub(super) fn start(&self, func: FuncIdx) -> Result<()> {
        let mut wanted = Vec::new();
        for (ordinal, parallel) in self.plan.parallels.iter().enumerate() {
            let table = parallel.class.0;
            let facts = &self.module.tables[table];
            if facts.import.is_none() {
                continue;
            }
            let size = self.output.tables[parallel.index].ty.initial;
            wanted.extend([0, 0, size].map(|number| match facts.ty.table64 {
                true => Operator::I64Const { value: number as i64 },
                false => Operator::I32Const { value: number as i32 },
            }));
            let (dst_table, src_table) = (parallel.index.0, table.0);
            wanted.push(Operator::TableCopy { dst_table, src_table });
            for segment in self.active_segments(table) {
                let element = &self.module.elements[*segment];
                let copy = self.plan.segments.get(&(*segment, ordinal));
                let elem_index = copy.ok_or_else(|| wrong("a segment is not copied"))?.0;
                let count = segment_items(&element.items).len() as i32;
                wanted.extend(offset(&element.kind));
                wanted.push(Operator::I32Const { value: 0 });
                wanted.push(Operator::I32Const { value: count });
                wanted.push(Operator::TableInit { elem_index, table: dst_table });
                wanted.push(Operator::ElemDrop { elem_index });
            }
        }
        wanted.extend(self.module.start.map(|start| Operator::Call { function_index: start.0 }));
        wanted.push(Operator::End);
        let right = self.operators(func)? == wanted;
        require(right, "the new start function does something else than fill parallels")
    }

    /// A function that makes the original call.
    pub(super) fn beyond(&self, func: FuncIdx, class: Class) -> Result<()> {
        let index = self.module.func_type_at(class.1).params().len() as u32;
        let original = is_original_call(&self.operators(func)?, class, index);
        require(original, "a call beyond a parallel is not the original call")
    }

    /// What runs after a test for `of`, up to its end.
    fn tested_call<'o, 'b>(
        &self,
        func: FuncIdx,
        operators: &'o [Operator<'b>],
        of_call: &FuncType,
        (table, of): (TableIdx, u32),
        index: u32,
    ) -> Result<&'o [Operator<'b>]> {
        let callee = self.output.func_type_at(TypeIdx(of));
        let mut state = self.evaluation(func)?;
        let call = Operator::CallIndirect { type_index: of, table_index: table.0 };
        let tail_call = Operator::ReturnCallIndirect { type_index: of, table_index: table.0 };
        let mut called = false;
        for (position, operator) in operators.iter().enumerate() {
            match operator {
                operator if (*operator == call || *operator == tail_call) && !called => {
                    called = true;
                    require(
                        state.pop()? == ValueFrom::Param(index),
                        "a tester calls at another index",
                    )?;
                    self.called(&mut state, of_call, callee)?;
                }
                Operator::Return if called => {
                    self.tested_results(&state, of_call, callee)?;
                    let end = operators.get(position + 1) == Some(&Operator::End);
                    require(end, "a tester goes on after its call")?;
                    return Ok(&operators[position + 2..]);
                }
                Operator::End if called && operators[position - 1] == tail_call => {
                    self.tested_results(&state, of_call, callee)?;
                    return Ok(&operators[position + 1..]);
                }
                operator if state.step(operator)? => {}
                _ => break,
            }
        }
        Err(wrong("a tester does more than call"))
    }

    /// What a tester has on the stack when it is done.
    fn tested_results(
        &self,
        state: &Evaluation,
        of_call: &FuncType,
        callee: &FuncType,
    ) -> Result<()> {
        self.values(&state.stack, callee.results(), of_call.results(), Unchanged::Result)?;
        require(!returns_struct(of_call, callee), "a tester adapts a structure's return")
    }

    /// A function that writes to a table: it does what `done` says to it first, or nothing; and all
    /// else that it changes are parallels.
    pub(super) fn writer(&self, func: FuncIdx, done: Option<TableChange>) -> Result<()> {
        let operators = self.operators(func)?;
        let mut rest = operators.as_slice();
        if let Some(done) = done {
            let operands = operators.iter().position(|op| operation(op, None).is_some());
            let operands = operands.ok_or_else(|| wrong("a writer writes nothing"))?;
            let in_order = operators[..operands]
                .iter()
                .zip(0..)
                .all(|(operator, local_index)| *operator == Operator::LocalGet { local_index });
            let same = match (operation(&operators[operands], None), done) {
                (Some(TableChange::Set { table }), TableChange::SetFunc { table: of }) => {
                    table == of
                }
                (found, done) => found == Some(done),
            };
            require(in_order && same, "a writer does something else than the original")?;
            rest = &operators[operands + 1..];
        }
        rest.iter().try_for_each(|operator| {
            require(self.is_silent(operator), "a writer does more than write to parallels")
        })
    }

    /// Whether the program can see nothing of an instruction.
    fn is_silent(&self, operator: &Operator<'_>) -> bool {
        if let Some(write) = operation(operator, None) {
            return write.table().0 >= self.module.tables.len() as u32;
        }
        match *operator {
            Operator::Call { function_index } => FuncIdx(function_index).is_new(self.module),
            Operator::LocalGet { .. }
            | Operator::LocalSet { .. }
            | Operator::LocalTee { .. }
            | Operator::I32Const { .. }
            | Operator::I64Const { .. }
            | Operator::I32Eq
            | Operator::I64Eq
            | Operator::I32Eqz
            | Operator::I32GeU
            | Operator::I64GeU
            | Operator::I32GtU
            | Operator::I64GtU
            | Operator::I32Sub
            | Operator::I64Sub
            | Operator::I64ExtendI32U
            | Operator::If { .. }
            | Operator::Return
            | Operator::Unreachable
            | Operator::End => true,
            _ => false,
        }
    }
}

/// Whether nothing happens but a call of the class with all parameters, of which the index is the last.
fn is_original_call(operators: &[Operator<'_>], (table, ty): Class, index: u32) -> bool {
    let [params @ .., call, Operator::End] = operators else { return false };
    let (type_index, table_index) = (ty.0, table.0);
    let in_order = (0..=index).map(|local_index| Operator::LocalGet { local_index });
    params.iter().cloned().eq(in_order)
        && (*call == Operator::CallIndirect { type_index, table_index }
            || *call == Operator::ReturnCallIndirect { type_index, table_index })
}

/// The type that the next `if` tests for, and what follows.
fn tested<'o, 'b>(
    operators: &'o [Operator<'b>],
    table: TableIdx,
    index: u32,
) -> Option<(u32, &'o [Operator<'b>])> {
    let [
        Operator::LocalGet { local_index },
        Operator::TableGet { table: from },
        Operator::RefTestNonNull { hty: HeapType::Concrete(UnpackedIndex::Module(of)) },
        Operator::If { blockty: wasmparser::BlockType::Empty },
        rest @ ..,
    ] = operators
    else {
        return None;
    };
    (*local_index == index && *from == table.0).then_some((*of, rest))
}

/// Whether a value of type `from` is one of type `to`.
fn passes(from: ValType, to: ValType) -> bool {
    from == to
        || matches!((from, to), (ValType::Ref(from), ValType::Ref(to))
            if from.heap_type() == to.heap_type() && to.is_nullable())
}

/// Whether the callee may write a structure through its first parameter, of which the call knows
/// nothing.
fn returns_struct(of_call: &FuncType, callee: &FuncType) -> bool {
    let [first, others @ ..] = callee.params() else { return false };
    let is_pointer = *first == ValType::I32 || *first == ValType::I64;
    is_pointer
        && others == of_call.params()
        && callee.results().is_empty()
        && !of_call.results().is_empty()
}
