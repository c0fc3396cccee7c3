//! Assembles the new module: sections in their order, copied, extended or left out.

use super::Rewritten;
use super::custom::{self, Dropped, NewNames};
use super::runtime::Runtime;
use super::types::Signature;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::{Module, Section};
use std::collections::BTreeSet;
use wasm_encoder::{
    CompositeInnerType, CompositeType, ConstExpr, Encode, ExportKind, FuncType, GlobalType,
    SectionId, SubType, TagKind, TagType, ValType,
};
use wasmparser::BinaryReader;

/// Puts the module together; `bodies` are the rewritten ones, in index order.
pub(super) fn assemble(
    module: &Module<'_>,
    runtime: &Runtime,
    bodies: Vec<(FuncIdx, Vec<u8>)>,
) -> Result<Rewritten> {
    let added = bodies.iter().map(|(func, body)| {
        let before = module.body(*func).map_or(0, |body| body.as_bytes().len());
        (*func, body.len() as i64 - before as i64)
    });
    let added = added.collect();
    let code: usize = bodies.iter().map(|(_, body)| body.len()).sum();
    let mut assembler = Assembler {
        module,
        runtime,
        rewritten: bodies.iter().map(|(func, _)| *func).collect(),
        bodies,
        out: Vec::with_capacity(module.bytes.len() + code),
        dropped: Vec::new(),
    };
    assembler.out.extend_from_slice(&module.bytes[..8]);
    assembler.sections()?;
    Ok(Rewritten { wasm: assembler.out, dropped: assembler.dropped, added })
}

struct Assembler<'m, 'a> {
    module: &'m Module<'a>,
    runtime: &'m Runtime,
    rewritten: BTreeSet<FuncIdx>,
    bodies: Vec<(FuncIdx, Vec<u8>)>,
    out: Vec<u8>,
    dropped: Vec<Dropped>,
}

/// The sections that gain entries, in the order that the binary format asks for. Any of them may be
/// missing: a module may import an entry and export it, and define no function.
const EXTENDED: [u8; 6] = [
    SectionId::Type as u8,
    SectionId::Function as u8,
    SectionId::Tag as u8,
    SectionId::Global as u8,
    SectionId::Export as u8,
    SectionId::Code as u8,
];

/// Where a section belongs in the order that the binary format asks for.
fn rank(id: u8) -> usize {
    // Type, import, function, table, memory, tag, global, export, start, element, data count,
    // code, data.
    const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
    ORDER.iter().position(|other| *other == id).unwrap_or(ORDER.len())
}

impl Assembler<'_, '_> {
    fn sections(&mut self) -> Result<()> {
        let module = self.module;
        let present = |id: u8| module.sections.iter().any(|section| section.id == id);
        let mut missing: Vec<u8> = EXTENDED.into_iter().filter(|id| !present(*id)).collect();
        missing.retain(|id| self.extends(*id));
        let mut has_producers = false;
        let known = module.sections.iter().rposition(|s| s.id != 0).map_or(0, |last| last + 1);
        for (section, ordinal) in module.sections.iter().zip(0..) {
            if section.id != 0 || ordinal == known {
                let next = if section.id == 0 { u8::MAX } else { section.id };
                self.add_missing(&mut missing, next)?;
            }
            match section.id {
                0 if section.name == "producers" => {
                    has_producers = true;
                    self.producers(Some(section));
                }
                0 => self.custom(section),
                id if self.extends(id) => self.extend(id, Some(section))?,
                _ => self.copy(section),
            }
        }
        self.add_missing(&mut missing, u8::MAX)?;
        if !has_producers {
            self.producers(None);
        }
        Ok(())
    }

    /// Adds the missing sections that come before a section with id `next`.
    fn add_missing(&mut self, missing: &mut Vec<u8>, next: u8) -> Result<()> {
        while let Some(id) = missing.first().copied().filter(|id| rank(*id) < rank(next)) {
            missing.remove(0);
            self.extend(id, None)?;
        }
        Ok(())
    }

    /// Whether this section gains entries.
    fn extends(&self, id: u8) -> bool {
        let needed = id != SectionId::Tag as u8 || self.runtime.any_tag.is_some();
        needed && EXTENDED.contains(&id)
    }

    fn copy(&mut self, section: &Section<'_>) {
        self.out.extend_from_slice(&self.module.bytes[section.range.clone()]);
    }

    /// A section whose contents are a vector, with further entries behind the present ones.
    fn extend(&mut self, id: u8, section: Option<&Section<'_>>) -> Result<()> {
        if id == SectionId::Code as u8 {
            self.code();
            return Ok(());
        }
        let (count, present) = match section {
            Some(section) => split_vector(self.module, section)?,
            None => (0, &[][..]),
        };
        let mut added = Vec::new();
        let added_count = match id {
            id if id == SectionId::Type as u8 => self.new_types(&mut added),
            id if id == SectionId::Function as u8 => self.new_funcs(&mut added),
            id if id == SectionId::Tag as u8 => self.new_tags(&mut added),
            id if id == SectionId::Global as u8 => self.new_globals(&mut added),
            _ => self.new_exports(&mut added),
        };
        let mut head = Vec::new();
        (count + added_count as u32).encode(&mut head);
        self.out.push(id);
        (head.len() + present.len() + added.len()).encode(&mut self.out);
        self.out.extend_from_slice(&head);
        self.out.extend_from_slice(present);
        self.out.extend_from_slice(&added);
        Ok(())
    }

    fn new_types(&self, out: &mut Vec<u8>) -> usize {
        for Signature { params, results } in self.runtime.types.signatures() {
            let func = FuncType::new(params.iter().copied(), results.iter().copied());
            let composite_type = CompositeType {
                inner: CompositeInnerType::Func(func),
                shared: false,
                descriptor: None,
                describes: None,
            };
            let ty = SubType { is_final: true, supertype_idxs: Vec::new(), composite_type };
            let mut section = wasm_encoder::TypeSection::new();
            section.ty().subtype(&ty);
            let mut bytes = Vec::new();
            section.encode(&mut bytes);
            out.extend_from_slice(vector_entries(&bytes));
        }
        self.runtime.types.signatures().len()
    }

    fn new_funcs(&self, out: &mut Vec<u8>) -> usize {
        for func in &self.runtime.funcs {
            func.ty.encode(out);
        }
        self.runtime.funcs.len()
    }

    fn new_tags(&self, out: &mut Vec<u8>) -> usize {
        if self.runtime.any_tag.is_some() {
            let kind = TagKind::Exception;
            TagType { kind, func_type_idx: self.runtime.any_tag_type }.encode(out);
        }
        usize::from(self.runtime.any_tag.is_some())
    }

    fn new_globals(&self, out: &mut Vec<u8>) -> usize {
        let names = Runtime::global_names();
        for _ in names {
            GlobalType { val_type: ValType::I32, mutable: true, shared: false }.encode(out);
            ConstExpr::i32_const(0).encode(out);
        }
        names.len()
    }

    fn new_exports(&self, out: &mut Vec<u8>) -> usize {
        let first = self.module.funcs.len();
        let exported = self.runtime.funcs.iter().zip(first..).filter(|(func, _)| func.exported);
        let mut count = 0;
        for (func, index) in exported {
            func.name.as_str().encode(out);
            ExportKind::Func.encode(out);
            (index as u32).encode(out);
            count += 1;
        }
        count
    }

    /// The code section: untouched bodies, rewritten ones, new ones. Its size is worked out first, so
    /// that a section of a hundred megabytes is written once and in place.
    fn code(&mut self) {
        let module = self.module;
        let count = (module.funcs.len() - module.imported_funcs + self.runtime.funcs.len()) as u32;
        let new: Vec<_> = self.runtime.funcs.iter().map(|func| encoded(&func.body)).collect();
        let mut rewritten = self.bodies.iter().peekable();
        let mut size = leb_len(count as usize) + new.iter().map(Vec::len).sum::<usize>();
        for func in module.defined_funcs() {
            let bytes = match rewritten.next_if(|(index, _)| *index == func) {
                Some((_, body)) => body.len(),
                None => module.body(func).map_or(0, |body| body.as_bytes().len()),
            };
            size += leb_len(bytes) + bytes;
        }
        self.out.reserve(size + 16);
        self.out.push(SectionId::Code as u8);
        size.encode(&mut self.out);
        count.encode(&mut self.out);
        let mut rewritten = std::mem::take(&mut self.bodies).into_iter().peekable();
        for func in module.defined_funcs() {
            match rewritten.next_if(|(index, _)| *index == func) {
                Some((_, body)) => body.as_slice().encode(&mut self.out),
                None => {
                    let body = module.body(func).expect("the function is defined");
                    body.as_bytes().encode(&mut self.out);
                }
            }
        }
        for body in &new {
            self.out.extend_from_slice(body);
        }
    }

    fn custom(&mut self, section: &Section<'_>) {
        if custom::is_about_code_offsets(section.name) {
            let (name, bytes) = (section.name.to_owned(), section.range.len());
            self.dropped.push(Dropped { name, bytes });
            return;
        }
        if section.name == "name" {
            let names = Runtime::global_names();
            let new = NewNames {
                funcs: (
                    self.module.funcs.len() as u32,
                    self.runtime.funcs.iter().map(|func| func.name.as_str()).collect(),
                ),
                globals: (self.module.globals.len() as u32, &names),
                rewritten: &self.rewritten,
            };
            if let Some(contents) = custom::extend_names(self.module, section, &new) {
                custom::write_custom(&mut self.out, "name", &contents);
                return;
            }
        }
        self.copy(section);
    }

    fn producers(&mut self, section: Option<&Section<'_>>) {
        match (custom::extend_producers(self.module, section), section) {
            (Some(whole), _) => self.out.extend_from_slice(&whole),
            (None, Some(section)) => self.copy(section),
            (None, None) => {}
        }
    }
}

/// How many bytes an unsigned LEB128 number takes.
fn leb_len(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    bits.max(1).div_ceil(7) as usize
}

fn encoded(item: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    item.encode(&mut bytes);
    bytes
}

/// A vector's count and the bytes of its entries.
fn split_vector<'a>(module: &Module<'a>, section: &Section<'_>) -> Result<(u32, &'a [u8])> {
    let contents = &module.bytes[section.contents.clone()];
    let mut reader = BinaryReader::new(contents, section.contents.start as u64);
    let count = reader.read_var_u32().map_err(|error| Error::from_parser(&error))?;
    Ok((count, &contents[reader.original_position() as usize - section.contents.start..]))
}

/// The entries of an encoded section: what follows its size and its count.
fn vector_entries(section: &[u8]) -> &[u8] {
    let mut reader = BinaryReader::new(section, 0);
    let skipped = reader.read_var_u32().and_then(|_| reader.read_var_u32());
    skipped.map_or(section, |_| &section[reader.original_position() as usize..])
}
