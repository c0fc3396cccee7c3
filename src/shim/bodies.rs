//! Replaces instructions in bodies: the chosen calls, and what writes to tables with parallels.
//!
//! ```wat
//! call_indirect $table (type $t)     ⟶   call_indirect $parallel (type $t)
//!
//! call_indirect $table (type $t)     ⟶   (local.set $index) (local.set $argument)…
//!                                        (if (i32.lt_u (local.get $index) (i32.const SIZE))
//!                                          (then … (call_indirect $parallel (type $t)))
//!                                          (else … (call $beyond)))
//!
//! call_indirect $table (type $t)     ⟶   (local.set $index)
//!                                        (if (type $t) (ref.test (ref $t) (table.get $table …))
//!                                          (then (call_indirect $table (type $t) …))
//!                                          (else (call $tester …)))
//!
//! table.set $table                   ⟶   call $shim$table.set$table
//! ```
//!
//! The second form is for tables that the host may grow, the third for the mechanism `ref-test`. `$beyond`
//! calls through the table itself: code with one indirect call is better optimised than code with two.

use super::funcs::index_type;
use super::mismatch::Class;
use super::plan::{NewFunc, Parallel, Plan, Repair};
use super::steps;
use super::writes::Write;
use crate::emit::{NewTypes, Signature};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use crate::read::Module;
use std::collections::BTreeMap;
use std::ops::Range;
use wasm_encoder::{BlockType, Encode, HeapType, InstructionSink, ValType};
use wasmparser::{FunctionBody, Operator};

pub(super) struct Bodies<'a, 'm> {
    pub(super) module: &'a Module<'m>,
    pub(super) plan: &'a Plan,
    pub(super) types: &'a mut NewTypes,
}

/// A call as its operator spells it.
#[derive(Clone, Copy)]
struct CallOperator {
    table: TableIdx,
    ty: TypeIdx,
    tail: bool,
}

impl Bodies<'_, '_> {
    /// The changed bodies, in index order, each without the size in front.
    pub(super) fn all(mut self) -> Result<Vec<(FuncIdx, Vec<u8>)>> {
        let writes: BTreeMap<usize, &Write> =
            self.plan.writes.iter().map(|write| (write.range.start, write)).collect();
        let funcs = self.plan.changed.iter();
        funcs.map(|func| Ok((*func, self.body(*func, &writes)?))).collect()
    }

    fn body(&mut self, func: FuncIdx, writes: &BTreeMap<usize, &Write>) -> Result<Vec<u8>> {
        let body = self.module.body(func).expect("only defined functions call");
        let mut locals = Locals::of(self.module, func)?;
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        for located in self.module.operators(func)? {
            steps::count(1);
            let located = located?;
            let range = located.range();
            let repair = self.plan.repairs.get(&located.start);
            if let (Some(repair), Some(call)) = (repair, CallOperator::of(&located.operator)) {
                let bytes = self.repair(*repair, call, range.len(), &mut locals);
                edits.push((range, bytes));
            } else if let Some(write) = writes.get(&range.start) {
                edits.push((range, self.write(write)));
            }
        }
        locals.apply(self.module, &body, &edits)
    }

    fn repair(
        &mut self,
        repair: Repair,
        call: CallOperator,
        spelled: usize,
        locals: &mut Locals,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        match repair {
            Repair::Test(tester) => self.test(call, tester, locals, &mut bytes),
            Repair::Parallel(ordinal) => {
                let parallel = &self.plan.parallels[ordinal];
                if parallel.may_be_shorter {
                    let beyond = self.plan.funcs[&NewFunc::Beyond(ordinal)];
                    self.by_size(call, parallel, beyond, locals, &mut bytes);
                } else {
                    in_place(call, parallel, spelled, &mut bytes);
                }
            }
        }
        bytes
    }

    /// Through the parallel if the index is within it, else as before.
    fn by_size(
        &mut self,
        call: CallOperator,
        parallel: &Parallel,
        beyond: FuncIdx,
        locals: &mut Locals,
        out: &mut Vec<u8>,
    ) {
        let ty = self.module.func_type_at(call.ty);
        let index_type = index_type(self.module, call.table);
        let mut types: Vec<ValType> =
            ty.params().iter().map(|ty| self.types.val_type(*ty)).collect();
        types.push(index_type);
        let first = locals.for_class((call.table, call.ty), &types);
        let all = first..first + types.len() as u32;
        let results: Vec<ValType> =
            ty.results().iter().map(|ty| self.types.val_type(*ty)).collect();
        let block = match results.as_slice() {
            [] => BlockType::Empty,
            [result] => BlockType::Result(*result),
            _ => {
                let signature = Signature { params: vec![], results };
                BlockType::FunctionType(self.types.add(signature))
            }
        };
        let mut sink = InstructionSink::new(out);
        all.clone().rev().for_each(|local| {
            sink.local_set(local);
        });
        sink.local_get(all.end - 1);
        let size = parallel.fixed_size.unwrap_or(0);
        match index_type {
            ValType::I64 => sink.i64_const(size as i64).i64_lt_u(),
            _ => sink.i32_const(size as i32).i32_lt_u(),
        };
        sink.if_(block);
        let push_all = |sink: &mut InstructionSink<'_>| {
            all.clone().for_each(|local| {
                sink.local_get(local);
            });
        };
        push_all(&mut sink);
        call.through(parallel.index, &mut sink);
        sink.else_();
        push_all(&mut sink);
        call.directly(beyond, &mut sink);
        call.close(&mut sink);
    }

    /// As before if the function in the slot is of the type, else by the tester.
    fn test(
        &mut self,
        call: CallOperator,
        tester: FuncIdx,
        locals: &mut Locals,
        out: &mut Vec<u8>,
    ) {
        let index_type = index_type(self.module, call.table);
        let index = locals.for_class((call.table, TypeIdx(u32::MAX)), &[index_type]);
        let mut sink = InstructionSink::new(out);
        sink.local_set(index);
        sink.local_get(index).table_get(call.table.0);
        sink.ref_test_non_null(HeapType::Concrete(call.ty.0));
        sink.if_(BlockType::FunctionType(call.ty.0)).local_get(index);
        call.through(call.table, &mut sink);
        sink.else_().local_get(index);
        call.directly(tester, &mut sink);
        call.close(&mut sink);
    }

    fn write(&self, write: &Write) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sink = InstructionSink::new(&mut bytes);
        if let Some(func) = write.value {
            for (_, parallel) in self.plan.parallels_of(write.operation.table()) {
                steps::count(1);
                sink.ref_func(parallel.adapters.get(&func).unwrap_or(&func).0);
            }
        }
        sink.call(self.plan.funcs[&NewFunc::Write(write.operation)].0);
        bytes
    }
}

impl CallOperator {
    fn of(operator: &Operator<'_>) -> Option<CallOperator> {
        let (table, ty, tail) = match *operator {
            Operator::CallIndirect { type_index, table_index } => (table_index, type_index, false),
            Operator::ReturnCallIndirect { type_index, table_index } => {
                (table_index, type_index, true)
            }
            _ => return None,
        };
        Some(CallOperator { table: TableIdx(table), ty: TypeIdx(ty), tail })
    }

    /// The same call through `table`.
    fn through(self, table: TableIdx, sink: &mut InstructionSink<'_>) {
        if self.tail {
            sink.return_call_indirect(table.0, self.ty.0)
        } else {
            sink.call_indirect(table.0, self.ty.0)
        };
    }

    /// A call of `func` in its place.
    fn directly(self, func: FuncIdx, sink: &mut InstructionSink<'_>) {
        if self.tail {
            sink.return_call(func.0)
        } else {
            sink.call(func.0)
        };
    }

    /// Ends the `if` around two calls. Nothing runs behind tail calls, and it must show.
    fn close(self, sink: &mut InstructionSink<'_>) {
        sink.end();
        if self.tail {
            sink.unreachable();
        }
    }
}

/// The same instruction with another table, in as many bytes if that can be.
fn in_place(call: CallOperator, parallel: &Parallel, spelled: usize, out: &mut Vec<u8>) {
    out.push(if call.tail { 0x13 } else { 0x11 });
    call.ty.0.encode(out);
    let mut table = Vec::new();
    parallel.index.0.encode(&mut table);
    while out.len() + table.len() < spelled && table.len() < 5 {
        let last = table.len() - 1;
        table[last] |= 0x80;
        table.push(0);
    }
    out.extend_from_slice(&table);
}

/// The locals of a function that is changed.
struct Locals {
    next: u32,
    added: Vec<ValType>,
    by_class: BTreeMap<Class, u32>,
}

impl Locals {
    fn of(module: &Module<'_>, func: FuncIdx) -> Result<Locals> {
        let next = module.local_count(func)?;
        Ok(Locals { next, added: Vec::new(), by_class: BTreeMap::new() })
    }

    /// The first of the locals for calls of a class: its arguments and its index.
    fn for_class(&mut self, class: Class, types: &[ValType]) -> u32 {
        let (next, added) = (&mut self.next, &mut self.added);
        *self.by_class.entry(class).or_insert_with(|| {
            let first = *next;
            *next += types.len() as u32;
            added.extend_from_slice(types);
            first
        })
    }

    /// The body with the added locals and the replaced ranges.
    fn apply(
        self,
        module: &Module<'_>,
        body: &FunctionBody<'_>,
        edits: &[(Range<usize>, Vec<u8>)],
    ) -> Result<Vec<u8>> {
        let range = body.range().start as usize..body.range().end as usize;
        let mut out = Vec::with_capacity(range.len() + 16 * edits.len());
        let mut copied = range.start;
        if !self.added.is_empty() {
            let mut reader = body.get_binary_reader();
            let groups = reader.read_var_u32().map_err(|error| Error::misread(&error))?;
            let first_group = reader.original_position() as usize;
            let operators = body.get_operators_reader().map_err(|error| Error::misread(&error))?;
            copied = operators.original_position() as usize;
            (groups + self.added.len() as u32).encode(&mut out);
            out.extend_from_slice(&module.bytes[first_group..copied]);
            for ty in self.added {
                1_u32.encode(&mut out);
                ty.encode(&mut out);
            }
        }
        for (replaced, bytes) in edits {
            out.extend_from_slice(&module.bytes[copied..replaced.start]);
            out.extend_from_slice(bytes);
            copied = replaced.end;
        }
        out.extend_from_slice(&module.bytes[copied..range.end]);
        Ok(out)
    }
}
