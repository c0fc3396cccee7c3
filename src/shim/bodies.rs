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
use super::plan::{Parallel, Plan, Repair, ShimFunc};
use super::writes::Write;
use crate::emit::{Edited, NewTypes, Signature, Splice};
use crate::error::Result;
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use std::ops::Range;
use wasm_encoder::{BlockType, Encode, HeapType, InstructionSink, ValType};
use wasmparser::Operator;

pub(super) struct Bodies<'a, 'm> {
    pub(super) module: &'a Module<'m>,
    pub(super) plan: &'a Plan,
    pub(super) types: &'a mut NewTypes,
    /// Whether it is noted where the input's code is in the output.
    pub(super) maps_offsets: bool,
}

/// An instruction to replace.
struct Replaced<'p> {
    /// Its bytes in the module.
    range: Range<usize>,
    by: Replacement<'p>,
}

enum Replacement<'p> {
    /// The call through a parallel.
    Parallel(CallOperator, &'p Parallel),
    /// The call through the parallel with this ordinal, or, beyond it, through the table. Index and arguments go to locals from
    /// this one on.
    BySize(CallOperator, usize, u32),
    /// The call, or one of this tester. The index goes to this local.
    Test(CallOperator, FuncIdx, u32),
    Write(&'p Write),
}

/// A call as its operator spells it.
#[derive(Clone, Copy)]
struct CallOperator {
    table: TableIdx,
    ty: TypeIdx,
    tail: bool,
}

impl<'a> Bodies<'a, '_> {
    /// The changed bodies, in index order.
    pub(super) fn all(mut self) -> Result<Vec<(FuncIdx, Edited)>> {
        let writes: BTreeMap<usize, &Write> =
            self.plan.writes.iter().map(|write| (write.range.start, write)).collect();
        let funcs = self.plan.changed.iter();
        funcs.map(|func| Ok((*func, self.body(*func, &writes)?))).collect()
    }

    fn body(&mut self, func: FuncIdx, writes: &BTreeMap<usize, &'a Write>) -> Result<Edited> {
        let body = self.module.funcs[func].body.clone().expect("only defined functions call");
        let mut locals = AddedLocals::of(self.module, func)?;
        let replaced = self.replaced(func, writes, &mut locals)?;
        let bytes = body.len() + 16 * replaced.len();
        let mut out = Splice::new(self.module.bytes, bytes, self.maps_offsets);
        let mut rest = body.start;
        if !locals.added.is_empty() {
            rest = locals.declare(self.module, func, &mut out)?;
        }
        for Replaced { range, by } in replaced {
            out.copy(rest..range.start);
            rest = range.end;
            self.replace(&by, Place { out: &mut out, range });
        }
        out.copy(rest..body.end);
        Ok(out.finish())
    }

    /// The instructions to replace, in order.
    fn replaced(
        &self,
        func: FuncIdx,
        writes: &BTreeMap<usize, &'a Write>,
        locals: &mut AddedLocals,
    ) -> Result<Vec<Replaced<'a>>> {
        let mut replaced = Vec::new();
        for located in self.module.operators(func)? {
            work::count(1);
            let located = located?;
            let range = located.range();
            let repair = self.plan.repairs.get(&located.start);
            if let (Some(repair), Some(call)) = (repair, CallOperator::of(&located.operator)) {
                let by = self.repair(*repair, call, locals);
                replaced.push(Replaced { range, by });
            } else if let Some(write) = writes.get(&range.start) {
                replaced.push(Replaced { range, by: Replacement::Write(write) });
            }
        }
        Ok(replaced)
    }

    fn repair(
        &self,
        repair: Repair,
        call: CallOperator,
        locals: &mut AddedLocals,
    ) -> Replacement<'a> {
        let index = index_type(self.module, call.table);
        let ordinal = match repair {
            Repair::Parallel(ordinal) => ordinal,
            Repair::Test(tester) => {
                let index = locals.for_class((call.table, TypeIdx(u32::MAX)), [index]);
                return Replacement::Test(call, tester, index);
            }
        };
        let parallel = &self.plan.parallels[ordinal];
        if !parallel.may_be_shorter {
            return Replacement::Parallel(call, parallel);
        }
        let params = self.module.func_type_at(call.ty).params();
        let params = params.iter().map(|ty| self.types.val_type(*ty));
        let first = locals.for_class((call.table, call.ty), params.chain([index]));
        Replacement::BySize(call, ordinal, first)
    }

    fn replace(&mut self, by: &Replacement<'_>, mut place: Place<'_, '_>) {
        match *by {
            Replacement::Parallel(call, parallel) => place.through(call, parallel.index),
            Replacement::BySize(call, ordinal, first) => {
                self.by_size(call, ordinal, first, &mut place);
            }
            Replacement::Test(call, tester, index) => place.by_test(call, tester, index),
            Replacement::Write(write) => self.write(write, &mut place),
        }
    }

    /// Through the parallel if the index is within it, else as before.
    fn by_size(
        &mut self,
        call: CallOperator,
        ordinal: usize,
        first: u32,
        place: &mut Place<'_, '_>,
    ) {
        let (parallel, beyond) =
            (&self.plan.parallels[ordinal], self.plan.funcs[&ShimFunc::Beyond(ordinal)]);
        let ty = self.module.func_type_at(call.ty);
        let index = first + ty.params().len() as u32;
        let block = self.block_type(ty.results());
        let mut sink = place.first();
        (first..=index).rev().for_each(|local| {
            sink.local_set(local);
        });
        sink.local_get(index);
        let size = parallel.fixed_size.unwrap_or(0);
        match index_type(self.module, call.table) {
            ValType::I64 => sink.i64_const(size as i64).i64_lt_u(),
            _ => sink.i32_const(size as i32).i32_lt_u(),
        };
        sink.if_(block);
        let push_all = |mut sink: InstructionSink<'_>| {
            (first..=index).for_each(|local| {
                sink.local_get(local);
            });
        };
        push_all(sink);
        call.through(parallel.index, &mut place.again());
        place.out.sink().else_();
        push_all(place.out.sink());
        call.directly(beyond, &mut place.again());
        place.close(call);
    }

    fn block_type(&mut self, results: &[wasmparser::ValType]) -> BlockType {
        let results: Vec<_> = results.iter().map(|ty| self.types.val_type(*ty)).collect();
        match results.as_slice() {
            [] => BlockType::Empty,
            [result] => BlockType::Result(*result),
            _ => {
                let signature = Signature { params: vec![], results };
                BlockType::FunctionType(self.types.add(signature))
            }
        }
    }

    fn write(&self, write: &Write, place: &mut Place<'_, '_>) {
        let mut sink = place.first();
        if let Some(func) = write.value {
            for (_, parallel) in self.plan.parallels_of(write.operation.table()) {
                work::count(1);
                sink.ref_func(parallel.adapters.get(&func).unwrap_or(&func).0);
            }
        }
        sink.call(self.plan.funcs[&ShimFunc::Write(write.operation)].0);
    }
}

/// Where an instruction is replaced.
struct Place<'o, 'b> {
    out: &'o mut Splice<'b>,
    /// The instruction's bytes in the module.
    range: Range<usize>,
}

impl Place<'_, '_> {
    /// For the first instruction that replaces it.
    fn first(&mut self) -> InstructionSink<'_> {
        self.out.sink_for(self.range.start)
    }

    /// For an instruction behind the first that does what it did.
    fn again(&mut self) -> InstructionSink<'_> {
        self.out.sink_again(self.range.start)
    }

    /// The same call through another table, in as many bytes if that can be.
    fn through(&mut self, call: CallOperator, table: TableIdx) {
        let mut bytes = vec![if call.tail { 0x13 } else { 0x11 }];
        call.ty.0.encode(&mut bytes);
        let mut operand = Vec::new();
        table.0.encode(&mut operand);
        while bytes.len() + operand.len() < self.range.len() && operand.len() < 5 {
            let last = operand.len() - 1;
            operand[last] |= 0x80;
            operand.push(0);
        }
        self.first();
        self.out.raw().extend(bytes.into_iter().chain(operand));
    }

    /// As before if the function in the slot is of the type, else by the tester.
    fn by_test(&mut self, call: CallOperator, tester: FuncIdx, index: u32) {
        let mut sink = self.first();
        sink.local_set(index);
        sink.local_get(index).table_get(call.table.0);
        sink.ref_test_non_null(HeapType::Concrete(call.ty.0));
        sink.if_(BlockType::FunctionType(call.ty.0)).local_get(index);
        call.through(call.table, &mut self.again());
        self.out.sink().else_().local_get(index);
        call.directly(tester, &mut self.again());
        self.close(call);
    }

    /// Ends the `if` around two calls. Nothing runs behind tail calls, and it must show.
    fn close(&mut self, call: CallOperator) {
        let mut sink = self.out.sink();
        sink.end();
        if call.tail {
            sink.unreachable();
        }
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
}

/// The locals of a function that is changed.
pub(super) struct AddedLocals {
    next: u32,
    added: Vec<ValType>,
    by_class: BTreeMap<Class, u32>,
}

impl AddedLocals {
    pub(super) fn of(module: &Module<'_>, func: FuncIdx) -> Result<AddedLocals> {
        let next = module.local_count(func)?;
        Ok(AddedLocals { next, added: Vec::new(), by_class: BTreeMap::new() })
    }

    /// The first of the locals for calls of a class: its arguments and its index.
    pub(super) fn for_class(
        &mut self,
        class: Class,
        types: impl IntoIterator<Item = ValType>,
    ) -> u32 {
        let (next, added) = (&mut self.next, &mut self.added);
        *self.by_class.entry(class).or_insert_with(|| {
            let (first, before) = (*next, added.len());
            added.extend(types);
            *next += (added.len() - before) as u32;
            first
        })
    }

    /// Declares the added ones behind those of the input; where the input goes on.
    pub(super) fn declare(
        self,
        module: &Module<'_>,
        func: FuncIdx,
        out: &mut Splice<'_>,
    ) -> Result<usize> {
        let declared = module.declarations(func)?;
        let rest = declared.range.end;
        (declared.runs + self.added.len() as u32).encode(out.raw());
        out.copy(declared.range);
        let bytes = out.raw();
        for ty in self.added {
            1_u32.encode(bytes);
            ty.encode(bytes);
        }
        Ok(rest)
    }
}
