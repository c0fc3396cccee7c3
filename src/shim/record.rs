//! A module for a test run, in which each indirect call that may meet a function of another type finds out whether it does, and notes it.
//!
//! ```wat
//! call_indirect $table (type $t)   ⟶   local.tee $index
//!                                      (call $check (local.get $index) (i32.const OFFSET))
//!                                      call_indirect $table (type $t)
//!
//! (func $check (param $index i32) (param $site i32) (local $found funcref)     ;; one for each table and type
//!   (br_if 0 (i32.ge_u (local.get $index) (table.size $table)))
//!   (br_if 0 (ref.test (ref $t) (local.tee $found (table.get $table (local.get $index)))))
//!   (br_if 0 (ref.is_null (local.get $found)))
//!   (call $note (local.get $site) (local.get $index) (i32.const TYPE) (call $type (local.get $found))))
//! ```
//!
//! What is noted lies in a memory of its own, which is exported; [`super::recorded`] says how. The call goes on as ever, so in the output
//! it is repaired, too, by [`super::repair`]: a run finds all calls, and not the first alone. The tests need the garbage collection
//! proposal, and the memory may be the module's second.

use super::bodies::AddedLocals;
use super::funcs::index_type;
use super::mismatch::Class;
use super::recorded::{CALL_BYTES, EXPORT, FIRST, UNKNOWN};
use crate::analyze::IndirectCall;
use crate::emit::{Additions, Edited, Emitted, NewTypes, Signature, Splice, assemble};
use crate::error::Result;
use crate::index::{FuncIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use wasm_encoder::{
    BlockType, Encode, Function, HeapType, InstructionSink, MemArg, MemArgTarget, MemoryType,
    RefType, SectionId, ValType,
};
use wasmparser::ExternalKind;

/// How large the memory is, in bytes: a page.
const MEMORY_BYTES: u32 = 1 << 16;

/// Adds the checks of `calls`, which are in order of caller and offset.
pub(super) fn add(
    module: &Module<'_>,
    calls: &[&IndirectCall],
    canonical: impl Fn(TypeIdx) -> TypeIdx,
) -> Result<Emitted> {
    let mut types = NewTypes::new(module);
    let first = module.funcs.len() as u32;
    let mut recorder = Recorder {
        module,
        memory: module.memories.len() as u32,
        note: first,
        type_of: first + 1,
        checks: BTreeMap::new(),
    };
    let mut next = first + 2;
    for call in calls {
        work::count(1);
        recorder.checks.entry((call.table, canonical(call.ty))).or_insert_with(|| {
            next += 1;
            next - 1
        });
    }
    let by_caller = calls.chunk_by(|a, b| a.caller == b.caller);
    let bodies = by_caller.map(|calls| recorder.body(calls, &canonical));
    let bodies = bodies.collect::<Result<Vec<_>>>()?;
    let mut additions = Additions::default();
    recorder.append(&mut types, &canonical, &mut additions);
    additions.types(&types);
    assemble(module, &mut additions, bodies)
}

struct Recorder<'a, 'm> {
    module: &'a Module<'m>,
    memory: u32,
    note: u32,
    type_of: u32,
    checks: BTreeMap<Class, u32>,
}

impl Recorder<'_, '_> {
    /// A body with checks in front of calls.
    fn body(
        &self,
        calls: &[&IndirectCall],
        canonical: impl Fn(TypeIdx) -> TypeIdx,
    ) -> Result<(FuncIdx, Edited)> {
        let func = calls[0].caller;
        let body = self.module.funcs[func].body.clone().expect("only defined functions call");
        let mut locals = AddedLocals::of(self.module, func)?;
        let places: Vec<_> = calls
            .iter()
            .map(|call| {
                let class = (call.table, TypeIdx(u32::MAX));
                locals.for_class(class, [index_type(self.module, call.table)])
            })
            .collect();
        let mut out = Splice::new(self.module.bytes, body.len() + 16 * calls.len(), false);
        let mut rest = locals.declare(self.module, func, &mut out)?;
        for (call, index) in calls.iter().zip(places) {
            let start = call.offset as usize;
            out.copy(rest..start);
            rest = start;
            let check = self.checks[&(call.table, canonical(call.ty))];
            let mut sink = out.sink();
            sink.local_tee(index).local_get(index).i32_const(call.offset as i32).call(check);
        }
        out.copy(rest..body.end);
        Ok((func, out.finish()))
    }

    fn append(
        &self,
        types: &mut NewTypes,
        canonical: impl Fn(TypeIdx) -> TypeIdx,
        additions: &mut Additions,
    ) {
        let pages = 1;
        additions.item(SectionId::Memory, |out| {
            let memory64 = false;
            let (shared, page_size_log2) = (false, None);
            MemoryType { minimum: pages, maximum: Some(pages), memory64, shared, page_size_log2 }
                .encode(out);
        });
        additions.export(EXPORT, ExternalKind::Memory, self.memory);
        let mut add = |name: String, signature: Signature, body: Function| {
            let index = self.note + additions.bodies.len() as u32;
            additions.func(types.add(signature), body.into_raw_body());
            additions.names.funcs.push((index, name));
        };
        let params = vec![ValType::I32; 4];
        add("shim$note".into(), Signature { params, results: vec![] }, self.note_body());
        let (params, results) = (vec![ValType::FUNCREF], vec![ValType::I32]);
        let all = self.module.funcs.iter().map(|func| canonical(func.ty));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all.dedup();
        add("shim$type".into(), Signature { params, results }, type_body(&all));
        for (ordinal, class) in self.checks.keys().enumerate() {
            let (table, ty) = *class;
            let params = vec![index_type(self.module, table), ValType::I32];
            let body = self.check_body(*class);
            let name = format!("shim$check{ordinal}_table{table}_type{ty}");
            add(name, Signature { params, results: vec![] }, body);
        }
        additions.names.even_without_section = true;
    }

    /// `check(index, site)`: see above.
    fn check_body(&self, (table, ty): Class) -> Function {
        let wide = index_type(self.module, table) == ValType::I64;
        let element = RefType::FUNCREF;
        let mut body = Function::new([(1, ValType::Ref(element))]);
        let mut sink = body.instructions();
        sink.local_get(0).table_size(table.0);
        if wide {
            sink.i64_ge_u()
        } else {
            sink.i32_ge_u()
        };
        sink.br_if(0).local_get(0).table_get(table.0).local_tee(2);
        sink.ref_test_non_null(HeapType::Concrete(ty.0)).br_if(0);
        sink.local_get(2).ref_is_null().br_if(0);
        sink.local_get(1).local_get(0);
        if wide {
            sink.i32_wrap_i64();
        }
        sink.i32_const(ty.0 as i32).local_get(2).call(self.type_of).call(self.note).end();
        body
    }

    /// `note(site, slot, type, found type)`: counts the like if there is one, else adds it, if there is room.
    fn note_body(&self) -> Function {
        let (at, end) = (4, 5);
        let field = |number: u32| MemArg {
            offset: u64::from(4 * number),
            align: 2,
            target: MemArgTarget::Memory(self.memory),
            ordering: None,
        };
        let mut body = Function::new([(2, ValType::I32)]);
        let mut sink = body.instructions();
        sink.i32_const(0).i32_load(field(0)).i32_const(CALL_BYTES as i32).i32_mul();
        sink.i32_const(FIRST as i32).i32_add().local_set(end);
        sink.i32_const(FIRST as i32).local_set(at);
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        sink.local_get(at).local_get(end).i32_ge_u().br_if(1);
        sink.local_get(at).i32_load(field(0)).local_get(0).i32_eq();
        sink.local_get(at).i32_load(field(1)).local_get(1).i32_eq().i32_and();
        sink.local_get(at).i32_load(field(3)).local_get(3).i32_eq().i32_and();
        sink.if_(BlockType::Empty);
        count(&mut sink, |sink| _ = sink.local_get(at), field(4));
        sink.return_().end();
        sink.local_get(at).i32_const(CALL_BYTES as i32).i32_add().local_set(at).br(0).end().end();
        sink.local_get(end).i32_const((MEMORY_BYTES - CALL_BYTES) as i32).i32_gt_u();
        sink.if_(BlockType::Empty);
        count(&mut sink, |sink| _ = sink.i32_const(0), field(1));
        sink.return_().end();
        for (number, param) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
            sink.local_get(end).local_get(param).i32_store(field(number));
        }
        sink.local_get(end).i32_const(1).i32_store(field(4));
        count(&mut sink, |sink| _ = sink.i32_const(0), field(0));
        sink.end();
        body
    }
}

/// Adds 1 to a number in memory.
fn count(
    sink: &mut InstructionSink<'_>,
    address: impl Fn(&mut InstructionSink<'_>),
    field: MemArg,
) {
    address(sink);
    address(sink);
    sink.i32_load(field).i32_const(1).i32_add().i32_store(field);
}

/// `type(function) -> index` of its type among these.
fn type_body(all: &[TypeIdx]) -> Function {
    let mut body = Function::new([]);
    let mut sink = body.instructions();
    for ty in all {
        sink.local_get(0).ref_test_non_null(HeapType::Concrete(ty.0)).if_(BlockType::Empty);
        sink.i32_const(ty.0 as i32).return_().end();
    }
    sink.i32_const(UNKNOWN as i32).end();
    body
}
