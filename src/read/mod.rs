//! **read**: decodes and validates a module once, and indexes its sections.
//!
//! Input: the bytes of a core module. Output: [`Module`], which borrows them: byte ranges of the
//! sections and bodies, the entities of each index space, and the validator's types.
//!
//! Everything later relies on the module being valid, so every body is validated here, in parallel.
//! This stage never interprets a body beyond that, and knows nothing of entries or closures.

mod detect;
mod diagnose;
pub mod labels;
pub mod lines;
mod names;
mod over_limit;
mod sections;

pub use detect::text_to_binary;
pub use names::{Names, demangled};

use crate::error::{Error, Location, Result};
use crate::index::{
    ElemIdx, FuncIdx, GlobalIdx, IndexType, IndexVec, MemoryIdx, TableIdx, TagIdx, TypeIdx,
};
use diagnose::diagnose;
use lines::Lines;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;
use wasmparser::types::{Types, TypesRef};
use wasmparser::{
    BinaryReader, ConstExpr, Element, ElementKind, Encoding, Export, ExternalKind, FuncToValidate,
    FuncType, FuncValidator, FuncValidatorAllocations, FunctionBody, GlobalType, MemoryType,
    Operator, OperatorsReader, Parser, Payload, TableInit, TableType, TypeRef, ValidPayload,
    Validator, ValidatorResources, WasmFeatures,
};

/// A valid core module, indexed. Borrows the input's bytes.
pub struct Module<'a> {
    /// The whole input.
    pub bytes: &'a [u8],
    /// The sections in file order, custom ones included.
    pub sections: Vec<Section<'a>>,
    /// The function index space: imports first.
    pub funcs: IndexVec<FuncIdx, Func<'a>>,
    /// How many of `funcs` are imports.
    pub imported_funcs: usize,
    /// The table index space.
    pub tables: IndexVec<TableIdx, Table<'a>>,
    /// The memory index space.
    pub memories: IndexVec<MemoryIdx, Memory>,
    /// The global index space.
    pub globals: IndexVec<GlobalIdx, Global<'a>>,
    /// The tag index space.
    pub tags: IndexVec<TagIdx, Tag>,
    /// The element segments.
    pub elements: IndexVec<ElemIdx, Element<'a>>,
    /// The exports in file order.
    pub exports: Vec<Export<'a>>,
    /// The start function.
    pub start: Option<FuncIdx>,
    /// Names of functions, from the name section, imports and exports.
    pub names: Names<'a>,
    types: Option<Types>,
    resources: Option<ValidatorResources>,
    lines: OnceLock<Option<Lines>>,
}

/// One section of the file.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// The section id of the binary format (0 = custom).
    pub id: u8,
    /// The custom section's name; empty for other sections.
    pub name: &'a str,
    /// The whole section with its id and size, as a range of the input's bytes.
    pub range: Range<usize>,
    /// What follows the id and size (for a custom section: what follows its name too).
    pub contents: Range<usize>,
}

/// A function of the function index space.
#[derive(Clone, Debug)]
pub struct Func<'a> {
    /// Its type.
    pub ty: TypeIdx,
    /// Where it comes from.
    pub kind: FuncKind<'a>,
}

/// Where a function comes from.
#[derive(Clone, Debug)]
pub enum FuncKind<'a> {
    /// Imported.
    Import {
        /// The import's module name.
        module: &'a str,
        /// The import's field name.
        name: &'a str,
    },
    /// Defined here.
    Defined {
        /// Its body in the code section, without the size in front.
        body: Range<usize>,
    },
}

/// A table of the table index space.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// Its type.
    pub ty: TableType,
    /// The import's module name and field name, if it is imported.
    pub import: Option<(&'a str, &'a str)>,
    /// The initial value of all slots, where the module gives one.
    pub init: Option<ConstExpr<'a>>,
}

/// A memory of the memory index space.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Its type.
    pub ty: MemoryType,
    /// Whether it is imported.
    pub imported: bool,
}

/// A global of the global index space.
#[derive(Clone, Debug)]
pub struct Global<'a> {
    /// Its type.
    pub ty: GlobalType,
    /// Its initial value; `None` if it is imported.
    pub init: Option<ConstExpr<'a>>,
}

/// A tag of the tag index space.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Its type: what an exception with it carries are the parameters.
    pub ty: TypeIdx,
    /// Whether it is imported.
    pub imported: bool,
}

/// The proposals that input may use: all that the validator implements for core modules, finished
/// or shipped by engines, but for those that change what a stack is (stack switching).
pub fn features() -> WasmFeatures {
    WasmFeatures::default()
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::WIDE_ARITHMETIC
}

impl<'a> Module<'a> {
    /// Reads and validates a binary core module.
    ///
    /// # Errors
    /// [`Error::NotWasm`], [`Error::Component`], [`Error::Invalid`], [`Error::Truncated`],
    /// [`Error::Proposal`] or [`Error::Limit`], each with the byte offset at which reading stopped.
    pub fn read(bytes: &'a [u8]) -> Result<Module<'a>> {
        detect::check_header(bytes)?;
        let mut reader = Reader::new(bytes);
        let mut end = None;
        let mut parser = Parser::new(0);
        parser.set_features(features());
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(|e| diagnose(bytes, &e))?;
            if let Some(types) = reader.payload(payload)? {
                end = Some(types);
            }
        }
        let types = end.ok_or_else(|| Error::Internal("the parser ended without types".into()))?;
        let module = reader.finish(types)?;
        tracing::info!(
            bytes = bytes.len(),
            functions = module.funcs.len(),
            imported = module.imported_funcs,
            "validated the module"
        );
        Ok(module)
    }

    /// The validator's types: canonical type identities and subtyping.
    pub fn types(&self) -> TypesRef<'_> {
        self.types.as_ref().expect("`read` ends by setting the types").as_ref()
    }

    /// The function's signature.
    pub fn func_type(&self, func: FuncIdx) -> &FuncType {
        self.func_type_at(self.funcs[func].ty)
    }

    /// The signature at a type index, which must name a function type.
    pub fn func_type_at(&self, ty: TypeIdx) -> &FuncType {
        let types = self.types();
        let id = types.core_type_at_in_module(ty.0);
        types.get(id).expect("the module is valid").unwrap_func()
    }

    /// The body of a defined function; `None` for an import.
    pub fn body(&self, func: FuncIdx) -> Option<FunctionBody<'a>> {
        match &self.funcs[func].kind {
            FuncKind::Import { .. } => None,
            FuncKind::Defined { body } => Some(self.body_at(body)),
        }
    }

    /// The operator of a defined function that begins at `offset`, and where it stands in the input; a body has no other
    /// operators than those that reading it from its start finds.
    ///
    /// # Errors
    /// [`Error::Internal`] if no operator does.
    pub fn operator_at(&self, func: FuncIdx, offset: u32) -> Result<(Operator<'a>, Range<usize>)> {
        let start = offset as usize;
        let end = match &self.funcs[func].kind {
            FuncKind::Defined { body } if body.contains(&start) => body.end,
            _ => return Err(Error::Internal(format!("function {func} has nothing at {start:#x}"))),
        };
        let bytes = &self.bytes[start..end];
        let mut reader =
            OperatorsReader::new(BinaryReader::new_features(bytes, start as u64, features()));
        let operator = reader.read().map_err(|error| Error::misread(&error))?;
        Ok((operator, start..reader.original_position() as usize))
    }

    fn body_at(&self, range: &Range<usize>) -> FunctionBody<'a> {
        let reader =
            BinaryReader::new_features(&self.bytes[range.clone()], range.start as u64, features());
        FunctionBody::new(reader)
    }

    /// A validator for the body of a defined function, which knows the type of each operand-stack
    /// slot at each instruction.
    pub fn validator(
        &self,
        func: FuncIdx,
        allocations: FuncValidatorAllocations,
    ) -> FuncValidator<ValidatorResources> {
        let resources = self.resources.clone().expect("only defined functions are validated");
        FuncToValidate { resources, index: func.0, ty: self.funcs[func].ty.0, features: features() }
            .into_validator(allocations)
    }

    /// Whether the function is imported.
    pub fn is_import(&self, func: FuncIdx) -> bool {
        func.as_usize() < self.imported_funcs
    }

    /// The defined functions, in order.
    pub fn defined_funcs(&self) -> impl ExactSizeIterator<Item = FuncIdx> + use<> {
        (self.imported_funcs..self.funcs.len()).map(FuncIdx::from_usize)
    }

    /// The module's DWARF, if it has any. Nothing of it is read before the first call.
    pub fn lines(&self) -> Option<&Lines> {
        self.lines.get_or_init(|| Lines::new(self)).as_ref()
    }

    /// The function's name: that of [`Module::names`], else what DWARF calls it.
    pub fn func_name(&self, func: FuncIdx) -> Option<Cow<'_, str>> {
        if let Some(name) = self.names.func(func) {
            return Some(Cow::Borrowed(name));
        }
        self.lines()?.function_name(func).map(Cow::Owned)
    }

    /// A place in a function, with its name, for a message.
    pub fn location(&self, func: FuncIdx, offset: usize) -> Location {
        Location { func, name: self.func_name(func).map(Into::into), offset }
    }

    /// The active element segments of a table, each with its offset, in order.
    pub fn active_segments(
        &self,
        table: TableIdx,
    ) -> impl Iterator<Item = (ElemIdx, &Element<'a>, &ConstExpr<'a>)> {
        self.elements.iter_enumerated().filter_map(move |(segment, element)| match &element.kind {
            ElementKind::Active { table_index, offset_expr }
                if table_index.unwrap_or(0) == table.0 =>
            {
                Some((segment, element, offset_expr))
            }
            _ => None,
        })
    }

    /// The first section that only a linker's input has, or its output where it is asked to keep
    /// relocations. A library for a dynamic linker (`dylink.0`) has none.
    pub fn object_section(&self) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| {
            section.id == 0 && (section.name == "linking" || section.name.starts_with("reloc."))
        })
    }

    /// What the module's imports and exports add up to: see [`crate::limits::Limit::Interface`].
    pub(crate) fn interface_size(&self) -> u64 {
        let size = |ty: TypeIdx| {
            let ty = self.func_type_at(ty);
            2 + (ty.params().len() + ty.results().len()) as u64
        };
        let imported = |has: bool| u64::from(has);
        let funcs = self.funcs.iter().take(self.imported_funcs).map(|func| size(func.ty));
        let tags = self.tags.iter().filter(|tag| tag.imported).map(|tag| size(tag.ty));
        let tables = self.tables.iter().map(|table| imported(table.import.is_some()));
        let memories = self.memories.iter().map(|memory| imported(memory.imported));
        let globals = self.globals.iter().map(|global| imported(global.init.is_none()));
        let exports = self.exports.iter().map(|export| match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                size(self.funcs[FuncIdx(export.index)].ty)
            }
            ExternalKind::Tag => size(self.tags[TagIdx(export.index)].ty),
            ExternalKind::Table | ExternalKind::Memory | ExternalKind::Global => 1,
        });
        let others = tables.chain(memories).chain(globals);
        funcs.chain(tags).chain(others).chain(exports).sum()
    }

    /// The custom sections of this name.
    pub fn custom_sections(&self, name: &str) -> impl Iterator<Item = &Section<'a>> {
        self.sections.iter().filter(move |section| section.id == 0 && section.name == name)
    }
}

/// Collects a [`Module`] payload by payload.
struct Reader<'a> {
    validator: Validator,
    module: Module<'a>,
    defined_types: Vec<TypeIdx>,
    bodies: Vec<Range<usize>>,
    code: Option<Range<usize>>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let module = Module {
            bytes,
            sections: Vec::new(),
            types: None,
            funcs: IndexVec::default(),
            imported_funcs: 0,
            tables: IndexVec::default(),
            memories: IndexVec::default(),
            globals: IndexVec::default(),
            tags: IndexVec::default(),
            elements: IndexVec::default(),
            exports: Vec::new(),
            start: None,
            names: Names::default(),
            resources: None,
            lines: OnceLock::new(),
        };
        Reader {
            validator: Validator::new_with_features(features()),
            module,
            defined_types: Vec::new(),
            bodies: Vec::new(),
            code: None,
        }
    }

    /// Takes one payload; the last one yields the validator's types.
    fn payload(&mut self, payload: Payload<'a>) -> Result<Option<Types>> {
        let bytes = self.module.bytes;
        let parsed = |e: wasmparser::Error| diagnose(bytes, &e);
        if let Payload::Version { encoding: Encoding::Component, .. } = payload {
            return Err(Error::Component);
        }
        match self.validator.payload(&payload).map_err(parsed)? {
            ValidPayload::End(types) => return Ok(Some(types)),
            ValidPayload::Func(func, body) => {
                self.module.resources.get_or_insert(func.resources);
                let range = body.range();
                self.bodies.push(range.start as usize..range.end as usize);
                return Ok(None);
            }
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
        if let Payload::CodeSectionStart { unchecked_range, .. } = &payload {
            self.code = Some(unchecked_range.start as usize..unchecked_range.end as usize);
        }
        if let Some((id, range)) = payload.as_section() {
            self.section(id, range.start as usize..range.end as usize, &payload);
        }
        self.entities(payload).map_err(parsed)?;
        Ok(None)
    }

    fn section(&mut self, id: u8, range: Range<usize>, payload: &Payload<'a>) {
        let (name, contents) = match payload {
            Payload::CustomSection(custom) => {
                let start = custom.data_offset() as usize;
                (custom.name(), start..start + custom.data().len())
            }
            _ => ("", range.clone()),
        };
        // The section's header directly follows the section before it.
        let start = self.module.sections.last().map_or(8, |section| section.range.end);
        self.module.sections.push(Section { id, name, range: start..range.end, contents });
    }

    fn entities(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        let module = &mut self.module;
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            let kind =
                                FuncKind::Import { module: import.module, name: import.name };
                            module.funcs.push(Func { ty: TypeIdx(ty), kind });
                            module.imported_funcs += 1;
                        }
                        TypeRef::Table(ty) => {
                            let names = (import.module, import.name);
                            module.tables.push(Table { ty, import: Some(names), init: None });
                        }
                        TypeRef::Memory(ty) => {
                            module.memories.push(Memory { ty, imported: true });
                        }
                        TypeRef::Global(ty) => {
                            module.globals.push(Global { ty, init: None });
                        }
                        TypeRef::Tag(tag) => {
                            let ty = TypeIdx(tag.func_type_idx);
                            module.tags.push(Tag { ty, imported: true });
                        }
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    self.defined_types.push(TypeIdx(ty?));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    let table = table?;
                    let init = match table.init {
                        TableInit::RefNull => None,
                        TableInit::Expr(init) => Some(init),
                    };
                    module.tables.push(Table { ty: table.ty, import: None, init });
                }
            }
            Payload::MemorySection(memories) => {
                for ty in memories {
                    module.memories.push(Memory { ty: ty?, imported: false });
                }
            }
            Payload::TagSection(tags) => {
                for tag in tags {
                    let ty = TypeIdx(tag?.func_type_idx);
                    module.tags.push(Tag { ty, imported: false });
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    module.globals.push(Global { ty: global.ty, init: Some(global.init_expr) });
                }
            }
            Payload::ExportSection(exports) => {
                module.exports = exports.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::StartSection { func, .. } => module.start = Some(FuncIdx(func)),
            Payload::ElementSection(elements) => {
                module.elements = elements.into_iter().collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self, types: Types) -> Result<Module<'a>> {
        let module = &mut self.module;
        module.types = Some(types);
        for (ty, body) in self.defined_types.into_iter().zip(self.bodies) {
            module.funcs.push(Func { ty, kind: FuncKind::Defined { body } });
        }
        self.module.names = Names::read(&self.module);
        self.module.validate_bodies()?;
        Ok(self.module)
    }
}

impl Module<'_> {
    /// Validates all bodies in parallel; of several errors the first in the file is reported.
    fn validate_bodies(&self) -> Result<()> {
        let first_error = self
            .defined_funcs()
            .collect::<Vec<_>>()
            .into_par_iter()
            .map_init(FuncValidatorAllocations::default, |allocations, func| {
                let body = self.body(func).expect("the function is defined");
                let mut validator = self.validator(func, std::mem::take(allocations));
                let result = validator.validate(&body);
                *allocations = validator.into_allocations();
                result
            })
            .find_map_first(Result::err);
        match first_error {
            Some(error) => Err(diagnose(self.bytes, &error)),
            None => Ok(()),
        }
    }

    /// The exports of kind function: export name and function.
    pub fn exported_funcs(&self) -> impl Iterator<Item = (&str, FuncIdx)> {
        self.exports
            .iter()
            .filter(|export| matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact))
            .map(|export| (export.name, FuncIdx(export.index)))
    }
}
