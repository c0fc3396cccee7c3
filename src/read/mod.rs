//! **read**: decodes and validates a module once, and indexes its sections.
//!
//! Input: the bytes of a core module. Output: [`Module`], which borrows them: byte ranges of the
//! sections and bodies, the entities of each index space, and the validator's types.
//!
//! Everything later relies on the module being valid, so every body is validated here, in parallel.
//! This stage never interprets a body beyond that, and knows nothing of entries or closures.

mod arity;
mod detect;
mod diagnose;
mod import_names;
pub mod labels;
pub mod lines;
mod names;
mod operators;
mod outside;
mod over_limit;
mod reader;
mod sections;
pub mod segments;
mod skeleton;

pub(crate) use arity::Arity;
pub use detect::text_to_binary;
pub use import_names::import_names;
pub use names::{Names, demangled};
pub use operators::{Located, Operators, OperatorsAt};

use crate::error::{Error, Result};
use crate::index::{
    DataIdx, ElemIdx, FuncIdx, GlobalIdx, IndexType, IndexVec, MemoryIdx, TableIdx, TagIdx, TypeIdx,
};
use crate::limits::Sizes;
use crate::location::Location;
use diagnose::diagnose;
use lines::Lines;
use rayon::prelude::*;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use wasmparser::types::{CoreTypeId, Types, TypesRef};
use wasmparser::{
    AbstractHeapType, BinaryReader, CompositeInnerType, ConstExpr, Data, Element, ElementKind,
    Export, ExternalKind, FuncToValidate, FuncType, FuncValidator, FuncValidatorAllocations,
    FunctionBody, GlobalType, HeapType, MemoryType, RefType, TableType, UnpackedIndex, ValType,
    ValidatorResources, WasmFeatures, WasmModuleResources,
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
    pub memories: IndexVec<MemoryIdx, Memory<'a>>,
    /// The global index space.
    pub globals: IndexVec<GlobalIdx, Global<'a>>,
    /// The tag index space.
    pub tags: IndexVec<TagIdx, Tag<'a>>,
    /// The element segments.
    pub elements: IndexVec<ElemIdx, Element<'a>>,
    /// The data segments.
    pub data: IndexVec<DataIdx, Data<'a>>,
    /// The exports in file order.
    pub exports: Vec<Export<'a>>,
    /// The start function.
    pub start: Option<FuncIdx>,
    /// Names of functions, from the name section, imports and exports.
    pub names: Names<'a>,
    types: Types,
    /// What validating a body takes; `None` if there are none.
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

impl Section<'_> {
    /// Whether it is a custom section of this name.
    pub fn is_custom(&self, name: &str) -> bool {
        self.id == 0 && self.name == name
    }
}

/// Where an imported function, table, memory, global or tag comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import<'a> {
    /// The import's module name.
    pub module: &'a str,
    /// The import's field name.
    pub name: &'a str,
}

/// `module.name`.
impl fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// A function of the function index space.
#[derive(Clone, Debug)]
pub struct Func<'a> {
    /// Its type.
    pub ty: TypeIdx,
    imported: Option<Box<Import<'a>>>,
    /// Its body in the code section, without the size in front; `None` if it is imported.
    pub body: Option<Range<usize>>,
}

impl<'a> Func<'a> {
    /// Where it comes from, if it is imported.
    pub fn import(&self) -> Option<Import<'a>> {
        self.imported.as_deref().copied()
    }
}

/// A table of the table index space.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// Its type.
    pub ty: TableType,
    /// Where it comes from, if it is imported.
    pub import: Option<Import<'a>>,
    /// The initial value of all slots, where the module gives one.
    pub init: Option<ConstExpr<'a>>,
}

/// A memory of the memory index space.
#[derive(Clone, Debug)]
pub struct Memory<'a> {
    /// Its type.
    pub ty: MemoryType,
    /// Where it comes from, if it is imported.
    pub import: Option<Import<'a>>,
}

/// A global of the global index space.
#[derive(Clone, Debug)]
pub struct Global<'a> {
    /// Its type.
    pub ty: GlobalType,
    /// Where it comes from, if it is imported.
    pub import: Option<Import<'a>>,
    /// Its initial value; `None` if it is imported.
    pub init: Option<ConstExpr<'a>>,
}

/// A tag of the tag index space.
#[derive(Clone, Debug)]
pub struct Tag<'a> {
    /// Its type: what an exception with it carries are the parameters.
    pub ty: TypeIdx,
    /// Where it comes from, if it is imported.
    pub import: Option<Import<'a>>,
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
    /// [`NotWasm`], [`Component`], [`Invalid`], [`Truncated`], [`Proposal`] or [`Limit`], each with the byte
    /// offset at which reading stopped.
    ///
    /// [`NotWasm`]: crate::Error::NotWasm
    /// [`Component`]: crate::Error::Component
    /// [`Invalid`]: crate::Error::Invalid
    /// [`Truncated`]: crate::Error::Truncated
    /// [`Proposal`]: crate::Error::Proposal
    /// [`Limit`]: crate::Error::Limit
    pub fn read(bytes: &'a [u8]) -> Result<Module<'a>> {
        let module = Module::read_all_but_bodies(bytes)?;
        module.validate_bodies()?;
        module.note_valid();
        Ok(module)
    }

    /// The same for whoever validates the bodies: each with the [`validator`](Module::validator) for it, before anything else looks
    /// at them. [`Module::invalid`] says what an error of those means.
    ///
    /// # Errors
    /// As [`Module::read`].
    pub fn read_all_but_bodies(bytes: &'a [u8]) -> Result<Module<'a>> {
        detect::check_header(bytes)?;
        reader::read(bytes)
    }

    /// The error for what the validator said of a body.
    pub fn invalid(&self, error: &wasmparser::Error) -> Error {
        diagnose(self.bytes, error)
    }

    /// Logs that all bodies are valid.
    pub fn note_valid(&self) {
        tracing::info!(
            bytes = self.bytes.len(),
            functions = self.funcs.len(),
            imported = self.imported_funcs,
            "validated the module"
        );
    }

    /// The validator's types: canonical type identities and subtyping.
    pub fn types(&self) -> TypesRef<'_> {
        self.types.as_ref()
    }

    /// Whether a value of the first type, as the validator names it, can stand for one of the second.
    pub fn is_subtype(&self, sub: ValType, sup: ValType) -> bool {
        let resources = self.resources.as_ref();
        sub == sup || resources.is_some_and(|resources| resources.is_subtype(sub, sup))
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

    /// The type that an index means, as the module or the validator gives it.
    pub fn type_id(&self, index: UnpackedIndex) -> CoreTypeId {
        match index {
            UnpackedIndex::Id(id) => id,
            UnpackedIndex::Module(index) | UnpackedIndex::RecGroup(index) => {
                self.types().core_type_at_in_module(index)
            }
        }
    }

    /// Whether all references of a type are of functions.
    pub fn refers_to_functions(&self, ty: RefType) -> bool {
        match ty.heap_type() {
            HeapType::Abstract { ty, .. } => {
                matches!(ty, AbstractHeapType::Func | AbstractHeapType::NoFunc)
            }
            HeapType::Concrete(index) | HeapType::Exact(index) => {
                let inner = &self.types()[self.type_id(index)].composite_type.inner;
                matches!(inner, CompositeInnerType::Func(_))
            }
        }
    }

    /// The type of a table's indices.
    pub fn index_type(&self, table: TableIdx) -> ValType {
        use wasmparser::ValType;
        if self.tables[table].ty.table64 { ValType::I64 } else { ValType::I32 }
    }

    /// The body of a defined function; `None` for an import.
    pub fn body(&self, func: FuncIdx) -> Option<FunctionBody<'a>> {
        let range = self.funcs[func].body.as_ref()?;
        let bytes = &self.bytes[range.clone()];
        let reader = BinaryReader::new_features(bytes, range.start as u64, features());
        Some(FunctionBody::new(reader))
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

    /// How many globals are imported: the first of all.
    pub fn imported_globals(&self) -> usize {
        self.globals.iter().take_while(|global| global.import.is_some()).count()
    }

    /// The defined functions, in order.
    pub fn defined_funcs(&self) -> impl ExactSizeIterator<Item = FuncIdx> + use<> {
        (self.imported_funcs..self.funcs.len()).map(FuncIdx::from_usize)
    }

    /// Whether custom sections say something of single instructions, or of lines of the source.
    pub fn speaks_of_code(&self) -> bool {
        let prefixes = [".debug_", "metadata.code."];
        let customs = self.sections.iter().filter(|section| section.id == 0);
        let mut names = customs.map(|section| section.name);
        names.any(|name| {
            name == "external_debug_info" || prefixes.iter().any(|prefix| name.starts_with(prefix))
        })
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
        Location { func: func.0, name: self.func_name(func).map(Into::into), offset }
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

    /// How many of each thing it has, of those that rewriting adds to.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            types: self.types().core_type_count_in_module().into(),
            functions: self.funcs.len() as u64,
            tables: self.tables.len() as u64,
            memories: self.memories.len() as u64,
            tags: self.tags.len() as u64,
            globals: self.globals.len() as u64,
            exports: self.exports.len() as u64,
            element_segments: self.elements.len() as u64,
            interface: self.interface_size(),
        }
    }

    /// What the module's imports and exports add up to: see [`crate::limits::Limit::Interface`].
    fn interface_size(&self) -> u64 {
        let size = |ty: TypeIdx| {
            let ty = self.func_type_at(ty);
            2 + (ty.params().len() + ty.results().len()) as u64
        };
        let imported = |import: &Option<Import<'_>>| u64::from(import.is_some());
        let funcs = self.funcs.iter().take(self.imported_funcs).map(|func| size(func.ty));
        let tags = self.tags.iter().filter(|tag| tag.import.is_some()).map(|tag| size(tag.ty));
        let tables = self.tables.iter().map(|table| imported(&table.import));
        let memories = self.memories.iter().map(|memory| imported(&memory.import));
        let globals = self.globals.iter().map(|global| imported(&global.import));
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

    /// The exports of kind function: export name and function.
    pub fn exported_funcs(&self) -> impl Iterator<Item = (&str, FuncIdx)> {
        self.exports
            .iter()
            .filter(|export| matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact))
            .map(|export| (export.name, FuncIdx(export.index)))
    }

    /// The custom sections of this name.
    pub fn custom_sections(&self, name: &str) -> impl Iterator<Item = &Section<'a>> {
        self.sections.iter().filter(move |section| section.is_custom(name))
    }

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
            Some(error) => Err(self.invalid(&error)),
            None => Ok(()),
        }
    }
}
