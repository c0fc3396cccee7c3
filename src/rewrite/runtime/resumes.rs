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
//! Bodies for the resume module are written as if its functions were this module's, behind all others; `emit` gives everything the numbers
//! that it has there.

use super::Runtime;
use crate::emit::{Additions, Edited, ResumeFunc, Signature};
use crate::index::{FuncIdx, TableIdx};
use crate::plan::Plan;
use crate::read::Module;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use wasm_encoder::{
    ConstExpr, ElementSection, Elements, Encode, Function, InstructionSink, RefType, SectionId,
    TableType,
};
use wasmparser::ExternalKind;

/// The resume functions.
#[derive(Default)]
pub(super) struct Resumes {
    by_func: BTreeMap<FuncIdx, Resume>,
    /// The table that the resume module fills, if there is any.
    table: Option<TableIdx>,
    /// What is in its slots until then.
    missing: Vec<FuncIdx>,
}

/// A resume function.
#[derive(Clone, Copy)]
struct Resume {
    /// Its number: of a function of this module, or behind all of them.
    index: FuncIdx,
    ty: u32,
    /// Its slot of the table, if it is in the resume module.
    slot: Option<u32>,
}

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
            let tables = module.tables.len() + self.keepers.tables().count();
            self.resumes.table = Some(TableIdx(tables as u32));
            self.append_missing(&types);
        }
        let mut next = self.first.0 + self.funcs.len() as u32 + Runtime::tail_funcs(plan);
        let mut add = |runtime: &mut Runtime, func, ty, slot| {
            let resume = Resume { index: FuncIdx(next), ty, slot };
            runtime.resumes.by_func.insert(func, resume);
            next += 1;
        };
        for func in here {
            let ty = self.resume_type(module, func);
            add(self, func, ty, None);
        }
        for ((func, ty), slot) in elsewhere.into_iter().zip(types).zip(0..) {
            add(self, func, ty, Some(slot));
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

    /// Calls the resume function of `func`: from a function of this module, or from itself.
    pub fn call_resume(&self, func: FuncIdx, from_itself: bool, sink: &mut InstructionSink<'_>) {
        let Resume { index, ty, slot } = self.resumes.by_func[&func];
        match (slot, self.resumes.table) {
            (Some(slot), Some(table)) if !from_itself => {
                sink.i32_const(slot as i32).call_indirect(table.0, ty);
            }
            _ => _ = sink.call(index.0),
        }
    }

    /// The same as a tail call, from a function of this module.
    pub fn return_call_resume(&self, func: FuncIdx, sink: &mut InstructionSink<'_>) {
        let Resume { index, ty, slot } = self.resumes.by_func[&func];
        match (slot, self.resumes.table) {
            (Some(slot), Some(table)) => {
                sink.i32_const(slot as i32).return_call_indirect(table.0, ty);
            }
            _ => _ = sink.return_call(index.0),
        }
    }

    /// How many resume functions the module itself has.
    pub fn resume_count(&self) -> usize {
        self.resumes.by_func.values().filter(|resume| resume.slot.is_none()).count()
    }

    /// The table for the resume module, and what is in it before that is instantiated.
    pub(super) fn add_resume_table(&self, additions: &mut Additions) {
        let Some(table) = self.resumes.table else { return };
        let slots = self.resumes.missing.len() as u64;
        let ty = TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: slots,
            maximum: Some(slots),
            shared: false,
        };
        additions.item(SectionId::Table, |out| ty.encode(out));
        additions.names.tables.push((table.0, self.abi.private_name("resume_table")));
        let missing: Vec<_> = self.resumes.missing.iter().map(|func| func.0).collect();
        let mut section = ElementSection::new();
        // An index spells the table out, which not all engines know where there is only one.
        let index = (table.0 > 0).then_some(table.0);
        section.active(index, &ConstExpr::i32_const(0), Elements::Functions(missing.into()));
        additions.section(&section);
    }

    /// Appends the resume functions that stay here; those of the resume module are returned, in the order of their slots. The bodies are
    /// given in the order of the functions that they belong to.
    pub fn add_resumes(
        &self,
        module: &Module<'_>,
        bodies: Vec<Edited>,
        additions: &mut Additions,
    ) -> Vec<ResumeFunc> {
        let mut elsewhere = Vec::new();
        for ((func, resume), body) in self.resumes.by_func.iter().zip(bodies) {
            let name = module.names.func(*func).map(|name| format!("{name} [resume]"));
            if resume.slot.is_some() {
                let Resume { index, ty, .. } = *resume;
                elsewhere.push(ResumeFunc { index, ty, name, body: body.bytes });
                continue;
            }
            additions.func(resume.ty, body);
            if let Some(name) = name {
                additions.names.funcs.push((resume.index.0, name));
            }
        }
        elsewhere
    }

    /// Exports the table, by a name that this module shares with its resume module alone: `pair`.
    pub fn export_resume_table(&self, pair: &str, additions: &mut Additions) -> Option<TableIdx> {
        let table = self.resumes.table?;
        additions.export(&self.abi.resume_table(pair), ExternalKind::Table, table.0);
        Some(table)
    }
}
