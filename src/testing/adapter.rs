//! Calls an imported function on behalf of the program, so that the function finds the program's exports.
//!
//! A host's function finds memory through the instance that called it. The kit stands between the two, and what a host calls has
//! no instance as its caller: such a function would find nothing. So the kit calls it through a small module that imports all that the
//! program exports, exports it again, and has a function for each of the program's imports which passes its arguments on:
//!
//! ```wat
//! (import "" "" (func $work (param i32) (result i32)))   ;; what the linker has for the import
//! (import "" "" (memory 1))                              ;; what the program exports
//! (export "memory" (memory 0))
//! (func (export "wpk_fork_import0") (param i32) (result i32) (call $work (local.get 0)))
//! ```

use crate::host::protocol::{RESERVED, is_reserved};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Instruction, TypeSection,
};
use wasmtime::{Engine, ExternType, FuncType, HeapType, Module, Mutability, Result, ValType};

/// The module for one program.
pub(super) struct Adapter {
    pub(super) module: Module,
    /// What it imports.
    pub(super) sources: Vec<Source>,
}

/// Where an import of the adapter comes from.
pub(super) enum Source {
    /// The function that the program imports under this ordinal.
    Work(usize),
    /// What the program exports under this name.
    Export(String),
}

/// The sections that are being made.
#[derive(Default)]
struct Draft {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    sources: Vec<Source>,
    /// How many functions, tables, memories and globals are imported.
    imported: [u32; 4],
}

impl Adapter {
    /// Of functions and exports with other than simple types there is none in it: such a function is called without.
    pub(super) fn new(engine: &Engine, program: &Module) -> Result<Adapter> {
        let mut draft = Draft::default();
        let mut works = Vec::new();
        for (ordinal, import) in program.imports().enumerate() {
            let Some(ty) = import.ty().func().and_then(|ty| simple(engine, ty)) else { continue };
            draft.import(0, EntityType::Function(draft.types.len()), Source::Work(ordinal));
            works.push((ordinal, draft.types.len(), ty.0.len()));
            draft.types.ty().function(ty.0, ty.1);
        }
        for export in program.exports().filter(|export| !is_reserved(export.name())) {
            draft.pass(engine, export.name(), &export.ty());
        }
        for (work, (ordinal, ty, params)) in (0..).zip(works) {
            draft.functions.function(ty);
            let mut body = Function::new([]);
            for param in 0..params as u32 {
                body.instruction(&Instruction::LocalGet(param));
            }
            body.instruction(&Instruction::Call(work)).instruction(&Instruction::End);
            draft.code.function(&body);
            draft.exports.export(&name(ordinal), ExportKind::Func, draft.imported[0] + work);
        }
        let mut wasm = wasm_encoder::Module::new();
        wasm.section(&draft.types).section(&draft.imports).section(&draft.functions);
        wasm.section(&draft.exports).section(&draft.code);
        let module = Module::from_binary(engine, wasm.as_slice())?;
        Ok(Adapter { module, sources: draft.sources })
    }
}

/// Under which name the adapter exports the function for the import with this ordinal.
pub(super) fn name(ordinal: usize) -> String {
    format!("{RESERVED}import{ordinal}")
}

impl Draft {
    fn import(&mut self, kind: usize, ty: EntityType, source: Source) -> u32 {
        self.imports.import("", "", ty);
        self.sources.push(source);
        self.imported[kind] += 1;
        self.imported[kind] - 1
    }

    /// Imports what the program exports, and exports it again.
    fn pass(&mut self, engine: &Engine, name: &str, ty: &ExternType) {
        let (kind, export, ty) = match ty {
            ExternType::Func(ty) => {
                let Some((params, results)) = simple(engine, ty) else { return };
                let index = self.types.len();
                self.types.ty().function(params, results);
                (0, ExportKind::Func, EntityType::Function(index))
            }
            ExternType::Table(ty) => {
                let element = value_type(&ValType::Ref(ty.element().clone()));
                let Some(wasm_encoder::ValType::Ref(element_type)) = element else { return };
                let ty = wasm_encoder::TableType {
                    element_type,
                    table64: ty.is_64(),
                    minimum: ty.minimum(),
                    maximum: ty.maximum(),
                    shared: false,
                };
                (1, ExportKind::Table, ty.into())
            }
            ExternType::Memory(ty) => {
                let page = ty.page_size_log2();
                let ty = wasm_encoder::MemoryType {
                    minimum: ty.minimum(),
                    maximum: ty.maximum(),
                    memory64: ty.is_64(),
                    shared: ty.is_shared(),
                    page_size_log2: (page != 16).then_some(page.into()),
                };
                (2, ExportKind::Memory, ty.into())
            }
            ExternType::Global(ty) => {
                let Some(val_type) = value_type(ty.content()) else { return };
                let mutable = ty.mutability() == Mutability::Var;
                let ty = wasm_encoder::GlobalType { val_type, mutable, shared: false };
                (3, ExportKind::Global, ty.into())
            }
            ExternType::Tag(_) => return,
        };
        let index = self.import(kind, ty, Source::Export(name.to_owned()));
        self.exports.export(name, export, index);
    }
}

/// Parameters and results of a type that can be written down without the program's own types.
fn simple(
    engine: &Engine,
    ty: &FuncType,
) -> Option<(Vec<wasm_encoder::ValType>, Vec<wasm_encoder::ValType>)> {
    let plain = FuncType::new(engine, ty.params(), ty.results());
    let types = |types: &mut dyn Iterator<Item = ValType>| -> Option<Vec<_>> {
        types.map(|ty| value_type(&ty)).collect()
    };
    let types = Some((types(&mut ty.params())?, types(&mut ty.results())?));
    types.filter(|_| FuncType::eq(&plain, ty))
}

fn value_type(ty: &ValType) -> Option<wasm_encoder::ValType> {
    use wasm_encoder::ValType as Encoded;
    match ty {
        ValType::I32 => Some(Encoded::I32),
        ValType::I64 => Some(Encoded::I64),
        ValType::F32 => Some(Encoded::F32),
        ValType::F64 => Some(Encoded::F64),
        ValType::V128 => Some(Encoded::V128),
        ValType::Ref(ty) if !ty.is_nullable() => None,
        ValType::Ref(ty) => match ty.heap_type() {
            HeapType::Func => Some(Encoded::FUNCREF),
            HeapType::Extern => Some(Encoded::EXTERNREF),
            _ => None,
        },
    }
}
