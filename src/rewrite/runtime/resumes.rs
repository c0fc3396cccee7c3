//! Resume functions: their numbers and types, and how they are called from where.
//!
//! Those that stay in the module are its last functions, and called directly. Those of a *resume module* are called by their slots of a
//! table, which that module fills when it is instantiated; until then a slot holds a function that traps, so that the stack of the trap says
//! what is missing:
//!
//! ```wat
//! (table $resume_table (export "wpk_fork_resume_table_…") 2 2 funcref)
//! (elem (table $resume_table) (i32.const 0) func $resume_module_missing0 $resume_module_missing0)
//! (func $f (param i32) (result i32)
//!   (if (global.get $state) (then (return (call_indirect $resume_table (type …) (i32.const 0)))))
//!   …)
//! ```
//!
//! Where there are many that stay, they are called by way of a *forwarder*. An engine that inlines by size alone, as V8's optimising compiler
//! does where it has no counts of calls, puts a resume function, which runs only when something is rewound, into its function, and then has no
//! room left for what runs always: measured, that costs a shell or an SQL engine a tenth of its speed. A forwarder is too large for that.
//!
//! ```wat
//! (func $forward (param i32) (result i64)
//!   block block … local.get 0 br_table 0 1 … end
//!     call $f.resume i64.extend_i32_u return
//!   end …)
//! (func $f (param i32) (result i32)
//!   (if (global.get $state) (then (return (i32.wrap_i64 (call $forward (i32.const 0))))))
//!   …)
//! ```
//!
//! Bodies for the resume module are written as if its functions were this module's, behind all others; `emit` gives everything the numbers
//! that it has there.

use super::{Runtime, function_table};
use crate::emit::{Additions, Code, Edited, ResumeFunc, Signature};
use crate::index::{FuncIdx, TableIdx};
use crate::plan::Plan;
use crate::read::Module;
use crate::work;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::ops::Range;
use wasm_encoder::{BlockType, Encode, Function, InstructionSink, SectionId, ValType};
use wasmparser::ExternalKind;

/// The resume functions.
#[derive(Default)]
pub(super) struct Resumes {
    by_func: BTreeMap<FuncIdx, Resume>,
    /// The table that the resume module fills, if there is any.
    table: Option<TableIdx>,
    /// What is in its slots until then.
    missing: Vec<FuncIdx>,
    /// The forwarders.
    forwarders: Range<u32>,
}

/// A resume function.
#[derive(Clone, Copy)]
struct Resume {
    /// Its number: of a function of this module, or behind all of them.
    index: FuncIdx,
    ty: u32,
    /// Its slot of the table, if it is in the resume module.
    slot: Option<u32>,
    /// Its number among those that are called by way of forwarders, if it is one of them.
    forwarded: Option<u32>,
}

/// A function of this size is not inlined. (V8 takes up to 500 bytes, `--wasm-inlining-max-size`.)
const NEVER_INLINED_BYTES: usize = 512;

/// What a function adds to its forwarder, at least.
const ARM_BYTES: usize = 9;

/// A forwarder that would be smaller is filled up, but by no more than this part of the module.
const MOST_FILLING: usize = 100;

/// How many functions a forwarder leads to at most: engines bound the targets of a `br_table`. (V8 has them at 65,520.)
const MOST_FORWARDED: u32 = 1 << 15;

impl Runtime {
    /// Resume functions come last, behind those for tail calls, which call them; their bodies are written with all others.
    pub(super) fn number_resumes(&mut self, module: &Module<'_>, plan: &Plan) {
        let apart = plan.funcs.iter().filter(|func| func.resume.is_some()).map(|func| func.func);
        let elsewhere = plan.resume_module.as_deref().unwrap_or_default();
        let (elsewhere, here): (Vec<_>, Vec<_>) =
            apart.partition(|func| elsewhere.binary_search(func).is_ok());
        let types = elsewhere.iter().map(|func| self.resume_type(module, *func));
        let types: Vec<_> = types.collect();
        if !types.is_empty() {
            let tables = module.tables.len() + self.keepers.table_count();
            self.resumes.table = Some(TableIdx(tables as u32));
            self.append_missing(&types);
        }
        let forwarded = here.iter().filter(|func| is_forwarded(module, **func)).count();
        let filling = NEVER_INLINED_BYTES.saturating_sub(forwarded * ARM_BYTES);
        let has_forwarders = filling <= module.bytes.len() / MOST_FILLING;
        let forwarded = if has_forwarders { forwarded as u32 } else { 0 };
        let first = self.first.0 + self.funcs.len() as u32 + Runtime::tail_funcs(plan);
        self.resumes.forwarders = first..first + forwarded.div_ceil(MOST_FORWARDED);
        let mut next = self.resumes.forwarders.end;
        let mut add = |runtime: &mut Runtime, func, ty, slot, forwarded| {
            let resume = Resume { index: FuncIdx(next), ty, slot, forwarded };
            runtime.resumes.by_func.insert(func, resume);
            next += 1;
        };
        let mut numbers = 0..forwarded;
        for func in here {
            let ty = self.resume_type(module, func);
            let forwarded = is_forwarded(module, func).then(|| numbers.next()).flatten();
            add(self, func, ty, None, forwarded);
        }
        for ((func, ty), slot) in elsewhere.into_iter().zip(types).zip(0..) {
            add(self, func, ty, Some(slot), None);
        }
    }

    /// Appends the forwarders, which have their numbers.
    pub(super) fn append_forwarders(&mut self, module: &Module<'_>) {
        let forwarded =
            self.resumes.by_func.iter().filter(|(_, resume)| resume.forwarded.is_some());
        let forwarded: Vec<_> = forwarded.map(|(func, resume)| (*func, resume.index)).collect();
        for (ordinal, group) in forwarded.chunks(MOST_FORWARDED as usize).enumerate() {
            let name = format!("forward_{ordinal}");
            let body = forwarder_body(module, group);
            let index = self.add_private(&name, vec![ValType::I32], vec![ValType::I64], body);
            assert_eq!(index.0, self.resumes.forwarders.start + ordinal as u32);
        }
    }

    /// The type of a function's resume function.
    fn resume_type(&mut self, module: &Module<'_>, func: FuncIdx) -> u32 {
        let results = module.func_type(func).results();
        let results = results.iter().map(|ty| self.types.val_type(*ty)).collect();
        self.types.add(Signature { params: vec![], results })
    }

    /// What stands in the slots for functions of these types, one function for each type.
    fn append_missing(&mut self, types: &[u32]) {
        let mut traps = IndexMap::new();
        for ty in types {
            let next = traps.len();
            let trap = *traps.entry(*ty).or_insert_with(|| {
                let mut body = Function::new([]);
                body.instructions().unreachable().end();
                let name = self.abi.private_name(&format!("resume_module_missing{next}"));
                self.add_of_type(name, *ty, body)
            });
            self.resumes.missing.push(trap);
        }
    }

    /// Whether a function has a resume function.
    pub fn has_resume(&self, func: FuncIdx) -> bool {
        self.resumes.by_func.contains_key(&func)
    }

    /// Returns what the resume function of `func` does, from that function, or from the resume function itself.
    pub fn return_resumed(
        &self,
        module: &Module<'_>,
        func: FuncIdx,
        from_itself: bool,
        sink: &mut InstructionSink<'_>,
    ) {
        let Resume { index, ty, slot, forwarded } = self.resumes.by_func[&func];
        match (slot, self.resumes.table, forwarded) {
            (Some(slot), Some(table), _) if !from_itself => {
                sink.i32_const(slot as i32).call_indirect(table.0, ty);
            }
            (_, _, Some(number)) if !from_itself => {
                let forwarder = self.resumes.forwarders.start + number / MOST_FORWARDED;
                sink.i32_const((number % MOST_FORWARDED) as i32).call(forwarder);
                unpack(module.func_type(func).results(), sink);
            }
            _ => _ = sink.call(index.0),
        }
        sink.return_();
    }

    /// The same as a tail call, from a function of this module.
    pub fn return_call_resume(&self, func: FuncIdx, sink: &mut InstructionSink<'_>) {
        let Resume { index, ty, slot, .. } = self.resumes.by_func[&func];
        match (slot, self.resumes.table) {
            (Some(slot), Some(table)) => {
                sink.i32_const(slot as i32).return_call_indirect(table.0, ty);
            }
            _ => _ = sink.return_call(index.0),
        }
    }

    /// The table for the resume module, and what is in it before that is instantiated.
    pub(super) fn add_resume_table(&self, additions: &mut Additions) {
        let Some(table) = self.resumes.table else { return };
        additions.names.tables.push((table.0, self.abi.private_name("resume_table")));
        function_table::append(additions, table.0, &self.resumes.missing);
    }

    /// Appends the resume functions that stay here, but for their bodies.
    pub(super) fn declare_resumes(&self, module: &Module<'_>, additions: &mut Additions) {
        let here = self.resumes.by_func.iter().filter(|(_, resume)| resume.slot.is_none());
        for (func, resume) in here {
            additions.item(SectionId::Function, |out| resume.ty.encode(out));
            if let Some(name) = resume_name(module, *func) {
                additions.names.funcs.push((resume.index.0, name));
            }
        }
    }

    /// Puts the body of a resume function where it belongs: behind all others, or into the resume module. They come in index order.
    pub fn add_resume(
        &self,
        module: &Module<'_>,
        func: FuncIdx,
        body: Edited,
        code: &mut Code<'_, '_>,
        elsewhere: &mut Vec<ResumeFunc>,
    ) {
        let Resume { index, ty, slot, .. } = self.resumes.by_func[&func];
        match slot {
            None => code.append(&body),
            Some(_) => {
                let name = resume_name(module, func);
                elsewhere.push(ResumeFunc { index, ty, name, body: body.bytes });
            }
        }
    }

    /// Exports the table, by a name that this module shares with its resume module alone: `pair`.
    pub fn export_resume_table(&self, pair: &str, additions: &mut Additions) -> Option<TableIdx> {
        let table = self.resumes.table?;
        additions.export(&self.abi.resume_table(pair), ExternalKind::Table, table.0);
        Some(table)
    }
}

fn resume_name(module: &Module<'_>, func: FuncIdx) -> Option<String> {
    module.names.func(func).map(|name| format!("{name} [resume]"))
}

/// Whether a resume function may be called by way of a forwarder: what it returns fits into an i64.
fn is_forwarded(module: &Module<'_>, func: FuncIdx) -> bool {
    use wasmparser::ValType::{F32, F64, I32, I64};
    matches!(module.func_type(func).results(), [] | [I32 | I64 | F32 | F64])
}

/// Calls the resume function of its argument's number, and returns what that does as an i64.
fn forwarder_body(module: &Module<'_>, forwarded: &[(FuncIdx, FuncIdx)]) -> Function {
    let mut body = Function::new([]);
    let mut sink = body.instructions();
    forwarded.iter().for_each(|_| _ = sink.block(BlockType::Empty));
    let last = forwarded.len() as u32 - 1;
    sink.local_get(0).br_table(0..last, last);
    for (func, resume) in forwarded {
        work::count(1);
        sink.end().call(resume.0);
        pack(module.func_type(*func).results(), &mut sink);
        sink.return_();
    }
    sink.unreachable();
    let filling = NEVER_INLINED_BYTES.saturating_sub(body.byte_len());
    let mut sink = body.instructions();
    (0..filling).for_each(|_| _ = sink.nop());
    sink.end();
    body
}

/// Makes an i64 of what a function returns.
fn pack(results: &[wasmparser::ValType], sink: &mut InstructionSink<'_>) {
    use wasmparser::ValType::{F32, F64, I32};
    match results {
        [] => sink.i64_const(0),
        [I32] => sink.i64_extend_i32_u(),
        [F32] => sink.i32_reinterpret_f32().i64_extend_i32_u(),
        [F64] => sink.i64_reinterpret_f64(),
        _ => sink,
    };
}

/// Makes of that i64 what the function returns, for a `return`: which doesn't mind that something lies below.
fn unpack(results: &[wasmparser::ValType], sink: &mut InstructionSink<'_>) {
    use wasmparser::ValType::{F32, F64, I32};
    match results {
        [I32] => sink.i32_wrap_i64(),
        [F32] => sink.i32_wrap_i64().f32_reinterpret_i32(),
        [F64] => sink.f64_reinterpret_i64(),
        _ => sink,
    };
}
