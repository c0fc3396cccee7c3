//! The resume module: resume functions in a module of their own, which works on the instance that they belong to.
//!
//! Input: bodies that are written as if their functions were those of the main file, behind all others; then that file's bytes. Output: a
//! module that imports from it whatever the bodies name, and puts its functions into a table of it:
//!
//! ```wat
//! (module
//!   …the types of the main file, as they are there…
//!   (import "wpk_fork" "wpk_fork_func7" (func (type 3)))
//!   (import "wpk_fork" "wpk_fork_resume_table_…" (table 2 2 funcref))
//!   (import "wpk_fork" "memory" (memory 1))
//!   (func (type 5) …) (func (type 5) …)
//!   (elem (i32.const 0) func 1 2))
//! ```
//!
//! Invariants: nothing is defined but functions; types keep their indices, so that they are the same types by their structure; each
//! import is found by what the main file exports, under the first name that is there. Segments can't be imported, so that no body may
//! name one.

use super::custom::{new_producers, write_custom};
use super::{Additions, Code, NewTypes, refused};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx, MemoryIdx, TableIdx, TagIdx, TypeIdx};
use crate::limits::Limit;
use crate::read::{Module, features};
use crate::work;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, EntityType, FunctionSection, GlobalType,
    ImportSection, NameMap, NameSection, RawSection, Section as _, SectionId, TableType, TagKind,
    TagType,
};
use wasmparser::{BinaryReader, ExternalKind, FunctionBody, Name, NameSectionReader, Operator};

/// A function of the resume module.
pub(crate) struct ResumeFunc {
    /// Its number as the bodies have it.
    pub(crate) index: FuncIdx,
    /// Its type in the main file.
    pub(crate) ty: u32,
    pub(crate) name: Option<String>,
    /// Without the size in front.
    pub(crate) body: Vec<u8>,
}

/// What a resume module is made of.
#[derive(Default)]
pub(crate) struct ResumeModule {
    funcs: Vec<ResumeFunc>,
    table: Option<TableIdx>,
    used: Used,
}

/// What bodies name of the main file: the index spaces by their kinds.
#[derive(Default)]
struct Used {
    entities: BTreeSet<(Kind, u32)>,
    /// The functions that `ref.func` names.
    referred: BTreeSet<u32>,
}

/// The kinds of entities, in the order in which they are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Func,
    Table,
    Memory,
    Global,
    Tag,
}

impl Kind {
    fn external(self) -> ExternalKind {
        match self {
            Kind::Func => ExternalKind::Func,
            Kind::Table => ExternalKind::Table,
            Kind::Memory => ExternalKind::Memory,
            Kind::Global => ExternalKind::Global,
            Kind::Tag => ExternalKind::Tag,
        }
    }

    fn of(kind: ExternalKind) -> Kind {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Kind::Func,
            ExternalKind::Table => Kind::Table,
            ExternalKind::Memory => Kind::Memory,
            ExternalKind::Global => Kind::Global,
            ExternalKind::Tag => Kind::Tag,
        }
    }
}

/// What tells this pair of modules from all others: made of all that they are made of. Modules of different builds that fit together by
/// chance would go on anywhere.
pub(crate) fn pair(
    module: &Module<'_>,
    additions: &Additions,
    code: &Code<'_, '_>,
    resumes: &[ResumeFunc],
) -> String {
    const BYTES: usize = 8;
    let mut digest = Sha256::new();
    digest.update(module.bytes);
    additions.items.values().for_each(|items| digest.update(&items.bytes));
    digest.update(code.bytes());
    resumes.iter().for_each(|func| digest.update(&func.body));
    digest.finalize()[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Additions {
    /// Exports all that a resume module uses and that isn't exported yet; `name` says how.
    pub(crate) fn export_for(
        &mut self,
        module: &Module<'_>,
        resumes: &ResumeModule,
        name: impl Fn(ExternalKind, u32) -> String,
    ) {
        let of_input = module.exports.iter().map(|export| (Kind::of(export.kind), export.index));
        let of_input: BTreeSet<_> = of_input.collect();
        for (kind, index) in &resumes.used.entities {
            let external = kind.external();
            if of_input.contains(&(*kind, *index)) || self.is_exported(external, *index) {
                continue;
            }
            self.export(&name(external, *index), external, *index);
            if let (Kind::Func, Some(func)) = (kind, module.funcs.get(FuncIdx(*index))) {
                let ty = module.func_type_at(func.ty);
                self.interface += (ty.params().len() + ty.results().len()) as u64;
            }
        }
    }
}

impl ResumeModule {
    /// Finds out what the functions use, which are in the order of their numbers. They go into `table`, from slot 0 on; there is none if
    /// there are no functions.
    ///
    /// # Errors
    /// [`Error::Internal`] if a body can't be read.
    pub(crate) fn new(funcs: Vec<ResumeFunc>, table: Option<TableIdx>) -> Result<ResumeModule> {
        let found: Result<Vec<_>> = funcs.par_iter().map(|func| Used::by(&func.body)).collect();
        let mut used = Used::default();
        for found in found? {
            used.entities.extend(found.entities);
            used.referred.extend(found.referred);
        }
        if let Some(first) = funcs.first().map(|func| func.index.0) {
            used.entities.retain(|(kind, index)| *kind != Kind::Func || *index < first);
        }
        used.entities.extend(table.map(|table| (Kind::Table, table.0)));
        Ok(ResumeModule { funcs, table, used })
    }

    /// Writes the module; `main` is the finished main file, and `from` the module name of the imports.
    ///
    /// # Errors
    /// [`Error::Refused`] if it would be larger than engines accept; [`Error::Internal`] if `main` lacks what it uses.
    pub(crate) fn assemble(&self, main: &[u8], from: &str) -> Result<Vec<u8>> {
        let main = Module::read_all_but_bodies(main)?;
        let bodies = self.bodies()?;
        self.check_limits(&bodies)?;
        let mut out = wasm_encoder::Module::new();
        if !self.funcs.is_empty() {
            self.sections(&main, from, &bodies, &mut out)?;
        }
        let mut wasm = out.finish();
        self.names(&main, &mut wasm);
        write_custom(&mut wasm, "producers", &new_producers());
        for section in main.custom_sections("target_features") {
            wasm.extend_from_slice(&main.bytes[section.range.clone()]);
        }
        let bytes = wasm.len() as u64;
        if Limit::ModuleBytes.is_exceeded_by(bytes) {
            return Err(too_large(Limit::ModuleBytes, bytes));
        }
        Ok(wasm)
    }

    /// The bodies with the numbers that everything has in the resume module.
    fn bodies(&self) -> Result<Vec<Vec<u8>>> {
        let places = Places::of(self);
        let bodies = self.funcs.par_iter().map(|func| {
            let body = function_body(&func.body);
            let mut places = places.clone();
            let mut function = places.new_function_with_parsed_locals(&body).map_err(unreadable)?;
            let mut reader = body.get_operators_reader().map_err(|e| Error::misread(&e))?;
            while !reader.eof() {
                work::count(1);
                function.instruction(&places.parse_instruction(&mut reader).map_err(unreadable)?);
            }
            Ok(function.into_raw_body())
        });
        bodies.collect()
    }

    fn check_limits(&self, bodies: &[Vec<u8>]) -> Result<()> {
        let imported = self.imported(Kind::Func).count() + self.funcs.len();
        let numbers = [
            (Limit::Imports, self.used.entities.len()),
            (Limit::Functions, imported),
            (Limit::Elements, self.funcs.len()),
        ];
        for (limit, number) in numbers {
            if limit.is_exceeded_by(number as u64) {
                return Err(too_large(limit, number as u64));
            }
        }
        for (func, body) in self.funcs.iter().zip(bodies) {
            let bytes = body.len() as u64;
            if Limit::BodyBytes.is_exceeded_by(bytes) {
                let name = func.name.as_deref().unwrap_or("-");
                let exceeded = Limit::BodyBytes.exceeded(bytes);
                let what = format!("the resume module's function `{name}` would have {exceeded}");
                return Err(refused(what));
            }
        }
        Ok(())
    }

    fn imported(&self, of: Kind) -> impl Iterator<Item = u32> {
        let entities = self.used.entities.iter();
        entities.filter(move |(kind, _)| *kind == of).map(|(_, index)| *index)
    }

    fn sections(
        &self,
        main: &Module<'_>,
        from: &str,
        bodies: &[Vec<u8>],
        out: &mut wasm_encoder::Module,
    ) -> Result<()> {
        const TYPES: u8 = SectionId::Type as u8;
        for section in main.sections.iter().filter(|section| section.id == TYPES) {
            out.section(&RawSection { id: TYPES, data: &main.bytes[section.contents.clone()] });
        }
        out.section(&self.imports(main, from)?);
        let mut funcs = FunctionSection::new();
        self.funcs.iter().for_each(|func| _ = funcs.function(func.ty));
        out.section(&funcs);
        out.section(&self.elements());
        let mut code = CodeSection::new();
        bodies.iter().for_each(|body| _ = code.raw(body));
        out.section(&code);
        Ok(())
    }

    fn imports(&self, main: &Module<'_>, from: &str) -> Result<ImportSection> {
        let mut exports = BTreeMap::new();
        for export in &main.exports {
            exports.entry((Kind::of(export.kind), export.index)).or_insert(export.name);
        }
        let types = NewTypes::new(main);
        let mut imports = ImportSection::new();
        for entity in &self.used.entities {
            work::count(1);
            let Some(name) = exports.get(entity) else {
                return Err(Error::Internal(format!("the main file doesn't export {entity:?}")));
            };
            imports.import(from, name, entity_type(main, &types, *entity)?);
        }
        Ok(imports)
    }

    /// Fills the table, and declares what `ref.func` names.
    fn elements(&self) -> ElementSection {
        let places = Places::of(self);
        let mut section = ElementSection::new();
        if let Some(table) = self.table {
            let index = places.entities[&(Kind::Table, table.0)];
            let funcs: Vec<_> = self.funcs.iter().map(|func| places.func(func.index.0)).collect();
            let (index, zero) = ((index > 0).then_some(index), ConstExpr::i32_const(0));
            section.active(index, &zero, Elements::Functions(funcs.into()));
        }
        if !self.used.referred.is_empty() {
            let referred: Vec<_> =
                self.used.referred.iter().map(|func| places.func(*func)).collect();
            section.declared(Elements::Functions(referred.into()));
        }
        section
    }

    /// Names, if the main file has any.
    fn names(&self, main: &Module<'_>, wasm: &mut Vec<u8>) {
        let Some(section) = main.custom_sections("name").next() else { return };
        let mut names = NameSection::new();
        let contents = BinaryReader::new(&main.bytes[section.contents.clone()], 0);
        if let Some(Ok(Name::Module { name, .. })) = NameSectionReader::new(contents).next() {
            names.module(&format!("{name} [resume]"));
        }
        let imported = self.imported(Kind::Func).count() as u32;
        let mut funcs = NameMap::new();
        for (index, func) in (imported..).zip(&self.funcs) {
            if let Some(name) = &func.name {
                funcs.append(index, name);
            }
        }
        names.functions(&funcs);
        names.append_to(wasm);
    }
}

fn too_large(limit: Limit, number: u64) -> Error {
    refused(format!("the resume module would have {}", limit.exceeded(number)))
}

fn function_body(bytes: &[u8]) -> FunctionBody<'_> {
    FunctionBody::new(BinaryReader::new_features(bytes, 0, features()))
}

fn unreadable(error: reencode::Error<Infallible>) -> Error {
    Error::Internal(format!("a resume function can't be encoded again: {error}"))
}

/// The type of an entity of the main file; type indices mean the same in both.
fn entity_type(
    main: &Module<'_>,
    types: &NewTypes,
    (kind, index): (Kind, u32),
) -> Result<EntityType> {
    let mut same = RoundtripReencoder;
    Ok(match kind {
        Kind::Func => EntityType::Function(main.funcs[FuncIdx(index)].ty.0),
        Kind::Table => {
            let ty = &main.tables[TableIdx(index)].ty;
            EntityType::Table(TableType {
                element_type: types.ref_type(ty.element_type),
                table64: ty.table64,
                minimum: ty.initial,
                maximum: ty.maximum,
                shared: ty.shared,
            })
        }
        Kind::Memory => {
            let ty = same.memory_type(main.memories[MemoryIdx(index)].ty).map_err(unreadable)?;
            EntityType::Memory(ty)
        }
        Kind::Global => {
            let ty = &main.globals[GlobalIdx(index)].ty;
            let val_type = types.val_type(ty.content_type);
            EntityType::Global(GlobalType { val_type, mutable: ty.mutable, shared: ty.shared })
        }
        Kind::Tag => {
            let TypeIdx(func_type_idx) = main.tags[TagIdx(index)].ty;
            EntityType::Tag(TagType { kind: TagKind::Exception, func_type_idx })
        }
    })
}

impl Used {
    /// What a body names.
    fn by(body: &[u8]) -> Result<Used> {
        let mut used = Used::default();
        let operators = function_body(body).get_operators_reader();
        for operator in operators.map_err(|error| Error::misread(&error))? {
            work::count(1);
            let operator = operator.map_err(|error| Error::misread(&error))?;
            if let Operator::RefFunc { function_index } = operator {
                used.referred.insert(function_index);
            }
            used.instruction(operator).map_err(unreadable)?;
        }
        Ok(used)
    }

    fn note(&mut self, kind: Kind, index: u32) -> Result<u32, reencode::Error> {
        self.entities.insert((kind, index));
        Ok(index)
    }
}

/// Where the encoder asks for an index, there is one.
impl Reencode for Used {
    type Error = Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, reencode::Error> {
        self.note(Kind::Func, func)
    }

    fn table_index(&mut self, table: u32) -> Result<u32, reencode::Error> {
        self.note(Kind::Table, table)
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, reencode::Error> {
        self.note(Kind::Memory, memory)
    }

    fn global_index(&mut self, global: u32) -> Result<u32, reencode::Error> {
        self.note(Kind::Global, global)
    }

    fn tag_index(&mut self, tag: u32) -> Result<u32, reencode::Error> {
        self.note(Kind::Tag, tag)
    }
}

/// The numbers that everything has in the resume module.
#[derive(Clone)]
struct Places {
    entities: Arc<BTreeMap<(Kind, u32), u32>>,
    /// The number of the first of the module's own functions, as the bodies have it, and as it is.
    first: u32,
    imported: u32,
}

impl Places {
    fn of(module: &ResumeModule) -> Places {
        let kinds = [Kind::Func, Kind::Table, Kind::Memory, Kind::Global, Kind::Tag];
        let of_kind = |kind| {
            let imported = module.imported(kind).zip(0..);
            imported.map(move |(index, place)| ((kind, index), place))
        };
        let entities: BTreeMap<_, _> = kinds.into_iter().flat_map(of_kind).collect();
        Places {
            entities: Arc::new(entities),
            first: module.funcs.first().map_or(u32::MAX, |func| func.index.0),
            imported: module.imported(Kind::Func).count() as u32,
        }
    }

    fn func(&self, func: u32) -> u32 {
        match func.checked_sub(self.first) {
            Some(own) => self.imported + own,
            None => self.entities[&(Kind::Func, func)],
        }
    }
}

impl Reencode for Places {
    type Error = Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, reencode::Error> {
        Ok(self.func(func))
    }

    fn table_index(&mut self, table: u32) -> Result<u32, reencode::Error> {
        Ok(self.entities[&(Kind::Table, table)])
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, reencode::Error> {
        Ok(self.entities[&(Kind::Memory, memory)])
    }

    fn global_index(&mut self, global: u32) -> Result<u32, reencode::Error> {
        Ok(self.entities[&(Kind::Global, global)])
    }

    fn tag_index(&mut self, tag: u32) -> Result<u32, reencode::Error> {
        Ok(self.entities[&(Kind::Tag, tag)])
    }
}
