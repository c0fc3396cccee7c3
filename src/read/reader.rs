//! Reads a module payload by payload, and notes what is in its index spaces.

use super::diagnose::diagnose;
use super::{Func, Global, Import, Memory, Module, Names, Section, Table, Tag, features};
use crate::error::{Error, Result};
use crate::index::{
    DataIdx, ElemIdx, FuncIdx, GlobalIdx, IndexVec, MemoryIdx, TableIdx, TagIdx, TypeIdx,
};
use crate::work;
use std::ops::Range;
use std::sync::OnceLock;
use wasmparser::types::Types;
use wasmparser::{
    Data, Element, Encoding, Export, Parser, Payload, TableInit, TypeRef, ValidPayload, Validator,
    ValidatorResources,
};

/// Reads a binary module, and validates all of it but the bodies.
///
/// # Errors
/// As [`Module::read`].
pub(super) fn read(bytes: &[u8]) -> Result<Module<'_>> {
    let mut reader = Reader { bytes, ..Reader::default() };
    let mut validator = Validator::new_with_features(features());
    let mut parser = Parser::new(0);
    parser.set_features(features());
    for payload in parser.parse_all(bytes) {
        work::count(1);
        let payload = payload.map_err(|error| diagnose(bytes, &error))?;
        if let Payload::Version { encoding: Encoding::Component, .. } = payload {
            return Err(Error::Component);
        }
        match validator.payload(&payload).map_err(|error| diagnose(bytes, &error))? {
            ValidPayload::End(types) => return Ok(reader.finish(types)),
            ValidPayload::Func(func, body) => {
                reader.resources.get_or_insert(func.resources);
                let range = body.range();
                reader.bodies.push(range.start as usize..range.end as usize);
            }
            ValidPayload::Ok | ValidPayload::Parser(_) => {
                if let Some((id, range)) = payload.as_section() {
                    reader.section(id, range.start as usize..range.end as usize, &payload);
                }
                reader.entities(payload).map_err(|error| diagnose(bytes, &error))?;
            }
        }
    }
    Err(Error::Internal("the parser ended before the module's end".into()))
}

/// What has been read so far: see [`Module`].
#[derive(Default)]
struct Reader<'a> {
    bytes: &'a [u8],
    sections: Vec<Section<'a>>,
    funcs: IndexVec<FuncIdx, Func<'a>>,
    tables: IndexVec<TableIdx, Table<'a>>,
    memories: IndexVec<MemoryIdx, Memory<'a>>,
    globals: IndexVec<GlobalIdx, Global<'a>>,
    tags: IndexVec<TagIdx, Tag<'a>>,
    elements: IndexVec<ElemIdx, Element<'a>>,
    data: IndexVec<DataIdx, Data<'a>>,
    exports: Vec<Export<'a>>,
    start: Option<FuncIdx>,
    /// The types of the functions whose bodies are still to come.
    defined_types: Vec<TypeIdx>,
    bodies: Vec<Range<usize>>,
    resources: Option<ValidatorResources>,
}

impl<'a> Reader<'a> {
    fn section(&mut self, id: u8, range: Range<usize>, payload: &Payload<'a>) {
        let (name, contents) = match payload {
            Payload::CustomSection(custom) => {
                let start = custom.data_offset() as usize;
                (custom.name(), start..start + custom.data().len())
            }
            _ => ("", range.clone()),
        };
        // The section's header directly follows the section before it.
        let start = self.sections.last().map_or(8, |section| section.range.end);
        self.sections.push(Section { id, name, range: start..range.end, contents });
    }

    fn entities(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    work::count(1);
                    self.import(&import?);
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    work::count(1);
                    self.defined_types.push(TypeIdx(ty?));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    work::count(1);
                    let table = table?;
                    let init = match table.init {
                        TableInit::RefNull => None,
                        TableInit::Expr(init) => Some(init),
                    };
                    self.tables.push(Table { ty: table.ty, import: None, init });
                }
            }
            Payload::MemorySection(memories) => {
                for ty in memories {
                    self.memories.push(Memory { ty: ty?, import: None });
                }
            }
            Payload::TagSection(tags) => {
                for tag in tags {
                    work::count(1);
                    self.tags.push(Tag { ty: TypeIdx(tag?.func_type_idx), import: None });
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    work::count(1);
                    let global = global?;
                    let init = Some(global.init_expr);
                    self.globals.push(Global { ty: global.ty, import: None, init });
                }
            }
            Payload::ExportSection(exports) => {
                self.exports = exports.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::StartSection { func, .. } => self.start = Some(FuncIdx(func)),
            Payload::ElementSection(elements) => {
                self.elements = elements.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::DataSection(data) => {
                self.data = data.into_iter().collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: &wasmparser::Import<'a>) {
        let names = Some(Import { module: import.module, name: import.name });
        match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.funcs.push(Func {
                    ty: TypeIdx(ty),
                    imported: names.map(Box::new),
                    body: None,
                });
            }
            TypeRef::Table(ty) => {
                self.tables.push(Table { ty, import: names, init: None });
            }
            TypeRef::Memory(ty) => {
                self.memories.push(Memory { ty, import: names });
            }
            TypeRef::Global(ty) => {
                self.globals.push(Global { ty, import: names, init: None });
            }
            TypeRef::Tag(tag) => {
                self.tags.push(Tag { ty: TypeIdx(tag.func_type_idx), import: names });
            }
        }
    }

    fn finish(mut self, types: Types) -> Module<'a> {
        let imported_funcs = self.funcs.len();
        for (ty, body) in self.defined_types.into_iter().zip(self.bodies) {
            work::count(1);
            self.funcs.push(Func { ty, imported: None, body: Some(body) });
        }
        let names = Names::read(self.bytes, &self.sections, &self.funcs, &self.exports);
        Module {
            bytes: self.bytes,
            sections: self.sections,
            funcs: self.funcs,
            imported_funcs,
            tables: self.tables,
            memories: self.memories,
            globals: self.globals,
            tags: self.tags,
            elements: self.elements,
            data: self.data,
            exports: self.exports,
            start: self.start,
            names,
            types,
            resources: self.resources,
            lines: OnceLock::new(),
        }
    }
}
