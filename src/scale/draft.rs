//! Modules in the making.

use wasm_encoder::{
    CodeSection, DataSection, ElementSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, ImportSection, InstructionSink, MemorySection, MemoryType,
    Module, NameMap, NameSection, TableSection, TagSection, TypeSection, ValType,
};

/// `(i32) -> i32`, of the entry.
pub(super) const UNARY: u32 = 0;

/// `() -> ()`.
pub(super) const PLAIN: u32 = 1;

/// `(i32) -> ()`.
pub(super) const SINK: u32 = 2;

/// The entry, `env.fork`.
pub(super) const FORK: u32 = 0;

/// A module that imports the entry and has a memory.
pub(super) struct Draft {
    pub types: TypeSection,
    pub imports: ImportSection,
    pub functions: FunctionSection,
    pub tables: TableSection,
    pub tags: TagSection,
    pub globals: GlobalSection,
    pub exports: ExportSection,
    pub elements: ElementSection,
    pub code: CodeSection,
    pub data: DataSection,
    pub names: NameMap,
    /// How many functions are imported.
    imported: u32,
}

impl Draft {
    pub fn new() -> Draft {
        let mut draft = Draft {
            types: TypeSection::new(),
            imports: ImportSection::new(),
            functions: FunctionSection::new(),
            tables: TableSection::new(),
            tags: TagSection::new(),
            globals: GlobalSection::new(),
            exports: ExportSection::new(),
            elements: ElementSection::new(),
            code: CodeSection::new(),
            data: DataSection::new(),
            names: NameMap::new(),
            imported: 0,
        };
        draft.types.ty().function([ValType::I32], [ValType::I32]);
        draft.types.ty().function([], []);
        draft.types.ty().function([ValType::I32], []);
        draft.import("fork", UNARY);
        draft
    }

    /// Adds an import of `env`. All of them come before the first function.
    pub fn import(&mut self, name: &str, ty: u32) -> u32 {
        self.imports.import("env", name, EntityType::Function(ty));
        self.imported += 1;
        self.imported - 1
    }

    /// Adds a function; gives its index.
    pub fn func(&mut self, ty: u32, body: impl FnOnce(&mut InstructionSink<'_>)) -> u32 {
        self.func_with_locals(ty, 0, body)
    }

    /// Adds a function with so many locals of type i32.
    pub fn func_with_locals(
        &mut self,
        ty: u32,
        locals: usize,
        body: impl FnOnce(&mut InstructionSink<'_>),
    ) -> u32 {
        let mut function = Function::new([(locals as u32, ValType::I32)]);
        let mut sink = function.instructions();
        body(&mut sink);
        sink.end();
        self.functions.function(ty);
        self.code.function(&function);
        self.next_func() - 1
    }

    /// The index of the function that is added next.
    pub fn next_func(&self) -> u32 {
        self.imported + self.functions.len()
    }

    pub fn finish(self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = self.exports;
        exports.export("memory", ExportKind::Memory, 0);
        let mut names = NameSection::new();
        names.functions(&self.names);
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions);
        module.section(&self.tables).section(&memories);
        if !self.tags.is_empty() {
            module.section(&self.tags);
        }
        module.section(&self.globals).section(&exports).section(&self.elements);
        module.section(&self.code).section(&self.data).section(&names);
        module.finish()
    }
}

/// A call of the entry whose result is dropped.
pub(super) fn site(sink: &mut InstructionSink<'_>) {
    sink.i32_const(1).call(FORK).drop();
}
