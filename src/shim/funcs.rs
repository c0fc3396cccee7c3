//! Writes the new functions.
//!
//! ```wat
//! (func $shim$ii_i$getter (type $call) (param i32 i32) (result i32)   ;; an adapter
//!   (call $getter (local.get 0)))
//!
//! (func $shim$ii_i$table0 (param i32 i32 i32) (result i32)            ;; a tester; the index is last
//!   (if (ref.test (ref $t) (table.get 0 (local.get 2)))
//!     (then (return (call_indirect 0 (type $t) (local.get 0) (local.get 2)))))
//!   (call_indirect 0 (type $call) (local.get 0) (local.get 1) (local.get 2)))   ;; traps as before
//! ```

use super::adapt::{Adaptation, AdaptedValue, Cast};
use super::mismatch::Class;
use super::plan::{Adapter, Plan, ShimFunc, Tester};
use super::tables;
use super::writes::TableChange;
use crate::analyze::segment_items;
use crate::emit::{Additions, NewTypes, Signature};
use crate::index::{TableIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use wasm_encoder::{BlockType, Function, HeapType, InstructionSink, RefType, ValType};
use wasmparser::ValType as ParsedType;

pub(super) struct Funcs<'a, 'm> {
    pub(super) module: &'a Module<'m>,
    pub(super) plan: &'a Plan,
    pub(super) types: &'a mut NewTypes,
    /// Whether the input uses tail calls.
    pub(super) tail_calls: bool,
}

impl Funcs<'_, '_> {
    /// Appends all of them, with their names.
    pub(super) fn append(mut self, additions: &mut Additions) {
        for (func, index) in &self.plan.funcs {
            work::count(1);
            let (ty, body, name) = self.make(*func, additions);
            additions.func(ty, body.into_raw_body());
            let wanted = !matches!(func, ShimFunc::Adapter(_)) || self.has_names();
            if wanted {
                additions.names.funcs.push((index.0, name));
            }
        }
    }

    /// A stripped module gets names only where they tell what this tool made.
    fn has_names(&self) -> bool {
        self.module.custom_sections("name").next().is_some()
    }

    fn make(&mut self, func: ShimFunc, additions: &mut Additions) -> (u32, Function, String) {
        match func {
            ShimFunc::Adapter(ordinal) => {
                let adapter = &self.plan.adapters[ordinal];
                (adapter.ty.0, self.adapter(adapter), self.adapter_name(adapter))
            }
            ShimFunc::Tester(ordinal) => self.tester(&self.plan.testers[ordinal]),
            ShimFunc::Write(operation) => self.write(operation),
            ShimFunc::Sync(table) => self.sync(table, additions),
            ShimFunc::Beyond(ordinal) => self.beyond(self.plan.parallels[ordinal].class),
            ShimFunc::Start => self.start(),
        }
    }

    /// Fills the parallels of imported tables: with what the tables hold, and then by segments, whose
    /// offsets are computed as they were in instantiation.
    fn start(&mut self) -> (u32, Function, String) {
        let ty = self.types.add(Signature { params: vec![], results: vec![] });
        let mut bytes = Vec::new();
        for (ordinal, parallel) in self.plan.parallels.iter().enumerate() {
            let table = parallel.class.0;
            if self.module.tables[table].import.is_none() {
                continue;
            }
            let wide = index_type(self.module, table) == ValType::I64;
            let size = parallel.fixed_size.unwrap_or(0);
            let mut sink = InstructionSink::new(&mut bytes);
            for number in [0, 0, size] {
                if wide {
                    sink.i64_const(number as i64)
                } else {
                    sink.i32_const(number as i32)
                };
            }
            sink.table_copy(parallel.index.0, table.0);
            for (segment, element, offset) in self.module.active_segments(table) {
                work::count(1);
                let mut offset = offset.get_binary_reader();
                let len = offset.bytes_remaining();
                // A constant expression is code, up to its `end`.
                bytes.extend_from_slice(offset.read_bytes(len).map_or(&[][..], |b| &b[..len - 1]));
                let count = segment_items(&element.items).len();
                let copy = self.plan.segments[&(segment, ordinal)].0;
                let mut sink = InstructionSink::new(&mut bytes);
                sink.i32_const(0).i32_const(count as i32).table_init(parallel.index.0, copy);
                sink.elem_drop(copy);
            }
        }
        let mut sink = InstructionSink::new(&mut bytes);
        if let Some(start) = self.module.start {
            sink.call(start.0);
        }
        sink.end();
        (ty, Code::new(0).finish(&bytes), "shim$start".into())
    }

    fn adapter_name(&self, adapter: &Adapter) -> String {
        let to = short(self.module, adapter.ty);
        match self.module.names.func(adapter.target) {
            Some(name) => format!("shim${to}${name}"),
            None => format!("shim${to}${}", adapter.target),
        }
    }

    fn adapter(&self, adapter: &Adapter) -> Function {
        let Adapter { ty, target, adaptation } = adapter;
        let callee = self.module.func_type(*target);
        let mut code = Code::new(self.module.func_type_at(*ty).params().len() as u32);
        let mut bytes = Vec::new();
        let mut sink = InstructionSink::new(&mut bytes);
        self.args(adaptation, &mut sink);
        if self.tail_calls && adaptation.keeps_results() {
            sink.return_call(target.0);
        } else {
            sink.call(target.0);
            self.results(adaptation, callee.results(), &mut code, &mut sink);
        }
        sink.end();
        code.finish(&bytes)
    }

    /// Pushes the callee's arguments.
    fn args(&self, adaptation: &Adaptation, sink: &mut InstructionSink<'_>) {
        for value in &adaptation.args {
            self.value(*value, 0, sink);
        }
    }

    /// Makes the results that the call expects from those on the stack.
    fn results(
        &self,
        adaptation: &Adaptation,
        given: &[ParsedType],
        code: &mut Code,
        sink: &mut InstructionSink<'_>,
    ) {
        for _ in 0..adaptation.dropped_results {
            sink.drop();
        }
        let taken = given.len() - adaptation.dropped_results;
        let casts = adaptation.results[..taken].iter().any(|v| matches!(v, AdaptedValue::Cast(..)));
        if !casts {
            for value in &adaptation.results[taken..] {
                self.value(*value, 0, sink);
            }
            return;
        }
        let first = code.locals(given[..taken].iter().map(|ty| self.types.val_type(*ty)));
        for local in (first..first + taken as u32).rev() {
            sink.local_set(local);
        }
        for value in &adaptation.results {
            self.value(*value, first, sink);
        }
    }

    /// Pushes a value made from locals, of which the first is `first`.
    fn value(&self, value: AdaptedValue, first: u32, sink: &mut InstructionSink<'_>) {
        work::count(1);
        match value {
            AdaptedValue::Same(position) => {
                sink.local_get(first + position as u32);
            }
            AdaptedValue::Cast(position, cast) => {
                sink.local_get(first + position as u32);
                match cast {
                    Cast::I64ToI32 => sink.i32_wrap_i64(),
                    Cast::I32ToI64 => sink.i64_extend_i32_u(),
                    Cast::F32ToI32 => sink.i32_reinterpret_f32(),
                    Cast::I32ToF32 => sink.f32_reinterpret_i32(),
                    Cast::F64ToI64 => sink.i64_reinterpret_f64(),
                    Cast::I64ToF64 => sink.f64_reinterpret_i64(),
                };
            }
            AdaptedValue::Zero(ty) => self.zero(ty, sink),
        }
    }

    fn zero(&self, ty: ParsedType, sink: &mut InstructionSink<'_>) {
        match ty {
            ParsedType::I32 => sink.i32_const(0),
            ParsedType::I64 => sink.i64_const(0),
            ParsedType::F32 => sink.f32_const(0.0_f32.into()),
            ParsedType::F64 => sink.f64_const(0.0_f64.into()),
            ParsedType::V128 => sink.v128_const(0),
            ParsedType::Ref(ty) => sink.ref_null(self.types.heap_type(ty.heap_type())),
        };
    }

    /// The type of a function that takes a call's arguments and its index, and where the index is.
    fn with_index(&mut self, (table, call): Class) -> (u32, u32) {
        let (mut params, results) = self.signature(call);
        let index = params.len() as u32;
        params.push(index_type(self.module, table));
        (self.types.add(Signature { params, results }), index)
    }

    /// The original call, out of line.
    fn beyond(&mut self, class: Class) -> (u32, Function, String) {
        let (table, call) = class;
        let (ty, index) = self.with_index(class);
        let mut bytes = Vec::new();
        let mut sink = InstructionSink::new(&mut bytes);
        self.original_call(class, index, &mut sink);
        let name = format!("shim${}$beyond{table}", short(self.module, call));
        (ty, Code::new(index + 1).finish(&bytes), name)
    }

    fn original_call(&self, (table, call): Class, index: u32, sink: &mut InstructionSink<'_>) {
        (0..=index).for_each(|param| {
            sink.local_get(param);
        });
        if self.tail_calls {
            sink.return_call_indirect(table.0, call.0).end();
        } else {
            sink.call_indirect(table.0, call.0).end();
        }
    }

    fn tester(&mut self, tester: &Tester) -> (u32, Function, String) {
        let (table, call) = tester.class;
        let (ty, index) = self.with_index(tester.class);
        let mut code = Code::new(index + 1);
        let mut bytes = Vec::new();
        let mut sink = InstructionSink::new(&mut bytes);
        for (of, adaptation) in &tester.types {
            let callee = self.module.func_type_at(*of);
            sink.local_get(index).table_get(table.0).ref_test_non_null(HeapType::Concrete(of.0));
            sink.if_(BlockType::Empty);
            self.args(adaptation, &mut sink);
            sink.local_get(index);
            if self.tail_calls && adaptation.keeps_results() {
                sink.return_call_indirect(table.0, of.0);
            } else {
                sink.call_indirect(table.0, of.0);
                self.results(adaptation, callee.results(), &mut code, &mut sink);
                sink.return_();
            }
            sink.end();
        }
        self.original_call(tester.class, index, &mut sink);
        let name = format!("shim${}$table{table}", short(self.module, call));
        (ty, code.finish(&bytes), name)
    }

    fn signature(&self, ty: TypeIdx) -> (Vec<ValType>, Vec<ValType>) {
        let ty = self.module.func_type_at(ty);
        let encoded =
            |types: &[ParsedType]| types.iter().map(|ty| self.types.val_type(*ty)).collect();
        (encoded(ty.params()), encoded(ty.results()))
    }

    /// Does to the table what the instruction did, then to its parallels.
    fn write(&mut self, operation: TableChange) -> (u32, Function, String) {
        let table = operation.table();
        let (params, results) = self.write_type(operation);
        let count = params.len() as u32;
        let ty = self.types.add(Signature { params, results: results.clone() });
        let mut code = Code::new(count);
        let mut bytes = Vec::new();
        let mut sink = InstructionSink::new(&mut bytes);
        let operands = operand_count(operation);
        (0..operands).for_each(|param| {
            sink.local_get(param);
        });
        instruction(operation, table, operation.source(), &mut sink);
        match self.plan.fixed_size_of(table) {
            Some(_) => self.then_sync(operation, &mut sink),
            None if results.is_empty() => {
                for (position, (ordinal, _)) in self.plan.parallels_of(table).enumerate() {
                    work::count(1);
                    self.write_parallel(operation, position as u32, ordinal, &mut sink);
                }
            }
            None => {
                let old = code.locals(results);
                self.grow_parallels(table, old, &mut sink);
            }
        }
        sink.end();
        let name = format!("shim${}${table}", operation.instruction());
        (ty, code.finish(&bytes), name)
    }

    /// The operands of an instruction that changes a table, and its results.
    fn write_type(&self, operation: TableChange) -> (Vec<ValType>, Vec<ValType>) {
        let table = operation.table();
        let index = index_type(self.module, table);
        let element = self.module.tables[table].ty.element_type;
        let value = self.types.val_type(ParsedType::Ref(element));
        match operation {
            TableChange::Set { .. } => (vec![index, value], vec![]),
            TableChange::SetFunc { .. } => {
                let mut params = vec![index, value];
                let parallels = self.plan.parallels_of(table);
                params.extend(parallels.map(|_| ValType::Ref(RefType::FUNCREF)));
                (params, vec![])
            }
            TableChange::Grow { .. } => (vec![value, index], vec![index]),
            TableChange::Fill { .. } => (vec![index, value, index], vec![]),
            TableChange::Copy { from, .. } => {
                let of_source = index_type(self.module, from);
                let both = index == ValType::I64 && of_source == ValType::I64;
                let count = if both { ValType::I64 } else { ValType::I32 };
                (vec![index, of_source, count], vec![])
            }
            TableChange::Init { .. } => (vec![index, ValType::I32, ValType::I32], vec![]),
        }
    }

    /// Does the same to the parallel with this ordinal, which is the table's `position`-th.
    fn write_parallel(
        &self,
        operation: TableChange,
        position: u32,
        ordinal: usize,
        sink: &mut InstructionSink<'_>,
    ) {
        let parallel = &self.plan.parallels[ordinal];
        let source = match operation {
            TableChange::SetFunc { .. } => {
                sink.local_get(0).local_get(2 + position).table_set(parallel.index.0);
                return;
            }
            TableChange::Init { segment, .. } => self.plan.segments[&(segment, ordinal)].0,
            TableChange::Copy { from, .. } => {
                let class = (from, parallel.class.1);
                let mut of_source = self.plan.parallels_of(from);
                let of_source = of_source.find(|(_, p)| p.class == class && p.fixed_size.is_none());
                of_source.map_or(from, |(_, parallel)| parallel.index).0
            }
            _ => 0,
        };
        (0..operand_count(operation)).for_each(|param| {
            sink.local_get(param);
        });
        instruction(operation, parallel.index, source, sink);
    }

    /// After a growth: its result is on the stack, and goes to the local `old`. A parallel that can't
    /// grow along stops the program: the engine is out of memory.
    fn grow_parallels(&self, table: TableIdx, old: u32, sink: &mut InstructionSink<'_>) {
        let wide = index_type(self.module, table) == ValType::I64;
        let is_error = |sink: &mut InstructionSink<'_>| {
            if wide {
                sink.i64_const(-1).i64_eq()
            } else {
                sink.i32_const(-1).i32_eq()
            };
        };
        sink.local_tee(old);
        is_error(sink);
        sink.i32_eqz().if_(BlockType::Empty);
        for (_, parallel) in self.plan.parallels_of(table) {
            sink.local_get(0).local_get(1).table_grow(parallel.index.0);
            is_error(sink);
            sink.if_(BlockType::Empty).unreachable().end();
        }
        sink.end().local_get(old);
    }

    /// After an instruction that changed slots of a table that the host may change too: the same as
    /// after the host did.
    fn then_sync(&self, operation: TableChange, sink: &mut InstructionSink<'_>) {
        let table = operation.table();
        let wide = index_type(self.module, table) == ValType::I64;
        sink.local_get(0);
        match operation {
            TableChange::Set { .. } | TableChange::SetFunc { .. } | TableChange::Grow { .. } => {
                if wide {
                    sink.i64_const(1)
                } else {
                    sink.i32_const(1)
                };
            }
            TableChange::Fill { .. } => {
                sink.local_get(2);
            }
            TableChange::Copy { .. } | TableChange::Init { .. } => {
                sink.local_get(2);
                let (params, _) = self.write_type(operation);
                if wide && params[2] == ValType::I32 {
                    sink.i64_extend_i32_u();
                }
            }
        }
        sink.call(self.plan.funcs[&ShimFunc::Sync(table)].0);
    }

    /// `(start, count)`: copies those slots of a table to its parallels, as far as these reach.
    fn sync(&mut self, table: TableIdx, additions: &mut Additions) -> (u32, Function, String) {
        let index = index_type(self.module, table);
        let wide = index == ValType::I64;
        let ty = self.types.add(Signature { params: vec![index; 2], results: vec![] });
        let size = self.plan.fixed_size_of(table).unwrap_or(0);
        let mut bytes = Vec::new();
        let mut sink = InstructionSink::new(&mut bytes);
        let (start, count) = (0, 1);
        let push_size = |sink: &mut InstructionSink<'_>| {
            if wide {
                sink.i64_const(size as i64)
            } else {
                sink.i32_const(size as i32)
            };
        };
        sink.local_get(start);
        push_size(&mut sink);
        if wide {
            sink.i64_ge_u()
        } else {
            sink.i32_ge_u()
        };
        sink.if_(BlockType::Empty).return_().end();
        // count = min(count, size - start)
        let push_room = |sink: &mut InstructionSink<'_>| {
            push_size(sink);
            sink.local_get(start);
            if wide {
                sink.i64_sub()
            } else {
                sink.i32_sub()
            };
        };
        sink.local_get(count);
        push_room(&mut sink);
        if wide {
            sink.i64_gt_u()
        } else {
            sink.i32_gt_u()
        };
        sink.if_(BlockType::Empty);
        push_room(&mut sink);
        sink.local_set(count).end();
        for (_, parallel) in self.plan.parallels_of(table) {
            sink.local_get(start).local_get(start).local_get(count);
            sink.table_copy(parallel.index.0, table.0);
        }
        sink.end();
        let first = self.plan.parallels_of(table).next().map_or(table, |(_, p)| p.index);
        let name = tables::sync_name(table, first);
        tables::export(&name, self.plan.funcs[&ShimFunc::Sync(table)], additions);
        (ty, Code::new(2).finish(&bytes), format!("shim${name}"))
    }
}

impl Adaptation {
    /// Whether the callee's results are what the call expects.
    fn keeps_results(&self) -> bool {
        self.dropped_results == 0
            && self
                .results
                .iter()
                .zip(0..)
                .all(|(value, position)| *value == AdaptedValue::Same(position))
    }
}

impl TableChange {
    /// What the instruction reads from: a table or a segment; 0 if neither.
    fn source(self) -> u32 {
        match self {
            TableChange::Copy { from, .. } => from.0,
            TableChange::Init { segment, .. } => segment.0,
            _ => 0,
        }
    }
}

fn operand_count(operation: TableChange) -> u32 {
    match operation {
        TableChange::Set { .. } | TableChange::SetFunc { .. } | TableChange::Grow { .. } => 2,
        TableChange::Fill { .. } | TableChange::Copy { .. } | TableChange::Init { .. } => 3,
    }
}

fn instruction(
    operation: TableChange,
    table: TableIdx,
    source: u32,
    sink: &mut InstructionSink<'_>,
) {
    match operation {
        TableChange::Set { .. } | TableChange::SetFunc { .. } => sink.table_set(table.0),
        TableChange::Grow { .. } => sink.table_grow(table.0),
        TableChange::Fill { .. } => sink.table_fill(table.0),
        TableChange::Copy { .. } => sink.table_copy(table.0, source),
        TableChange::Init { .. } => sink.table_init(table.0, source),
    };
}

/// The type of a table's indices.
pub(super) fn index_type(module: &Module<'_>, table: TableIdx) -> ValType {
    if module.tables[table].ty.table64 { ValType::I64 } else { ValType::I32 }
}

/// A signature in few letters: `ii_i` is `(i32, i32) -> i32`.
fn short(module: &Module<'_>, ty: TypeIdx) -> String {
    let letter = |ty: &ParsedType| match ty {
        ParsedType::I32 => 'i',
        ParsedType::I64 => 'l',
        ParsedType::F32 => 'f',
        ParsedType::F64 => 'd',
        ParsedType::V128 => 'v',
        ParsedType::Ref(_) => 'r',
    };
    let ty = module.func_type_at(ty);
    let letters = |types: &[ParsedType]| types.iter().map(letter).collect::<String>();
    format!("{}_{}", letters(ty.params()), letters(ty.results()))
}

/// A body being written: its locals, as they turn out to be needed.
struct Code {
    params: u32,
    locals: Vec<ValType>,
}

impl Code {
    fn new(params: u32) -> Code {
        Code { params, locals: Vec::new() }
    }

    /// New locals in a row; returns the first.
    fn locals(&mut self, types: impl IntoIterator<Item = ValType>) -> u32 {
        let first = self.params + self.locals.len() as u32;
        self.locals.extend(types);
        first
    }

    fn finish(self, instructions: &[u8]) -> Function {
        let mut function = Function::new_with_locals_types(self.locals);
        function.raw(instructions.iter().copied());
        function
    }
}
