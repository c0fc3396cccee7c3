//! What single operators do to the sets of values: calls, writes to tables, and all that neither branches
//! nor opens a construct.

use super::arithmetic::{apply_binary, apply_unary, ints};
use super::body::{GiveUp, Interpreted, Interpreter};
use super::summary::{Write, Written};
use super::value::{Cause, Known, Symbol, Value, Values};
use crate::analyze::constants::Constant;
use crate::analyze::memories::Memories;
use crate::index::{ElemIdx, FuncIdx, GlobalIdx, TableIdx, TypeIdx};
use crate::read::Arity;
use wasmparser::{FuncType, Operator};

impl Interpreter<'_> {
    pub(super) fn call(&mut self, operator: &Operator<'_>) {
        match *operator {
            Operator::Call { function_index } => self.direct(FuncIdx(function_index), false),
            Operator::ReturnCall { function_index } => self.direct(FuncIdx(function_index), true),
            Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index } => {
                self.dynamic(TypeIdx(type_index), false);
            }
            Operator::ReturnCallIndirect { type_index, .. }
            | Operator::ReturnCallRef { type_index } => self.dynamic(TypeIdx(type_index), true),
            _ => {}
        }
    }

    fn direct(&mut self, callee: FuncIdx, tail: bool) {
        let module = self.module;
        let ty = module.func_type(callee);
        let args = ty.params().len();
        for index in 0..args as u32 {
            let arg = self.state.peek(args - 1 - index as usize);
            match self.args.entry((callee, index)) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(arg);
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    let joined = self.values.join(*entry.get(), arg);
                    entry.insert(joined);
                }
            }
        }
        self.state.drop_many(args);
        let import = module.is_import(callee);
        self.finish_call(ty.results().len(), tail, |values, index| {
            if import {
                values.unknown(Cause::Import(callee))
            } else {
                values.symbol(Symbol::Result { func: callee, index })
            }
        });
    }

    fn dynamic(&mut self, ty: TypeIdx, tail: bool) {
        let target = self.state.pop();
        self.dynamics.push(target);
        let ty: &FuncType = self.module.func_type_at(ty);
        self.state.drop_many(ty.params().len());
        let any = self.values.unknown(Cause::DynamicCall);
        self.finish_call(ty.results().len(), tail, |_, _| any);
    }

    /// Gives the results, of which `result` makes each.
    fn finish_call(
        &mut self,
        results: usize,
        tail: bool,
        mut result: impl FnMut(&mut Values, u32) -> Value,
    ) {
        let results = 0..results as u32;
        if tail {
            let results = results.map(|index| result(&mut self.values, index)).collect();
            self.returns(results);
            self.state.die();
        } else {
            for index in results {
                let value = result(&mut self.values, index);
                self.state.push(value);
            }
        }
    }

    /// An operator that neither branches nor calls.
    pub(super) fn plain(&mut self, operator: &Operator<'_>) -> Interpreted {
        let (state, values) = (&mut self.state, &mut self.values);
        match *operator {
            Operator::I32Const { value } => {
                state.push(values.constant(Known::Int(u64::from(value as u32))));
            }
            Operator::I64Const { value } => state.push(values.constant(Known::Int(value as u64))),
            Operator::RefFunc { function_index } => {
                state.push(values.constant(Known::Func(FuncIdx(function_index))));
            }
            Operator::RefNull { .. } => state.push(values.constant(Known::Null)),
            Operator::GlobalGet { global_index } => {
                let value = match self.constants.global(GlobalIdx(global_index)) {
                    Constant::Int(int) => values.constant(Known::Int(int)),
                    Constant::Func(func) => values.constant(Known::Func(func)),
                    Constant::Null => values.constant(Known::Null),
                    Constant::Unknown => values.unknown(Cause::Global(GlobalIdx(global_index))),
                };
                state.push(value);
            }
            Operator::LocalGet { local_index } => state.push(state.local(local_index)),
            Operator::LocalSet { local_index } => {
                let value = state.pop();
                state.assign(local_index, value);
            }
            Operator::LocalTee { local_index } => state.assign(local_index, state.top()),
            Operator::Select | Operator::TypedSelect { .. } => {
                state.pop();
                let (right, left) = (state.pop(), state.pop());
                state.push(values.join(left, right));
            }
            Operator::RefAsNonNull | Operator::RefCastNonNull { .. } => {
                let reference = state.pop();
                state.push(values.non_null(reference));
            }
            Operator::RefCastNullable { .. } | Operator::Nop => {}
            _ if self.table_write(operator) => {}
            _ => return self.by_arity(operator),
        }
        Ok(())
    }

    /// Whether the operator writes to a table; if so, takes it.
    fn table_write(&mut self, operator: &Operator<'_>) -> bool {
        let state = &mut self.state;
        let (table, at, len, what) = match *operator {
            Operator::TableSet { table } => {
                let (value, at) = (state.pop(), state.pop());
                (table, at, self.values.constant(Known::Int(1)), Written::Value(value))
            }
            Operator::TableFill { table } => {
                let (len, value, at) = (state.pop(), state.pop(), state.pop());
                (table, at, len, Written::Value(value))
            }
            Operator::TableGrow { table } => {
                let (len, value) = (state.pop(), state.pop());
                // The new slots begin at the table's size, which is not followed.
                let size = self.values.unknown(Cause::Operator);
                state.push(size);
                (table, size, len, Written::Value(value))
            }
            Operator::TableInit { elem_index, table } => {
                let (len, from, at) = (state.pop(), state.pop(), state.pop());
                let segment = ElemIdx(elem_index);
                (table, at, len, Written::Segment { segment, from })
            }
            Operator::TableCopy { dst_table, src_table } => {
                let (len, from, at) = (state.pop(), state.pop(), state.pop());
                (dst_table, at, len, Written::Slots { table: TableIdx(src_table), from })
            }
            _ => return false,
        };
        self.writes.push(Write { table: TableIdx(table), at, len, what });
        true
    }

    fn by_arity(&mut self, operator: &Operator<'_>) -> Interpreted {
        let (params, results) = operator.operator_arity(&Arity(self.module)).ok_or(GiveUp)?;
        let (state, values) = (&mut self.state, &mut self.values);
        let value = match (params, results) {
            (2, 1) => {
                let (right, left) = (state.pop(), state.pop());
                apply_binary(values, operator, left, right)
            }
            (1, 1) => {
                let operand = state.pop();
                load(self.memories, values, operator, operand)
                    .or_else(|| apply_unary(values, operator, operand))
            }
            _ => {
                state.drop_many(params as usize);
                None
            }
        };
        let value = value.unwrap_or_else(|| values.unknown(Cause::Operator));
        for _ in 0..results {
            state.push(value);
        }
        Ok(())
    }
}

/// The result of a load from memory that stays as it is; `None` for anything else.
fn load(
    memories: &Memories<'_>,
    values: &mut Values,
    operator: &Operator<'_>,
    address: Value,
) -> Option<Value> {
    // Hardly any module has such memory, and bodies have many operators.
    if memories.is_empty() {
        return None;
    }
    let addresses = ints(values, address)?;
    let loaded = memories.load(operator, &addresses)?;
    Some(values.any_of(loaded.into_iter().map(Known::Int)))
}
