//! Assembles the new module: sections in their order, copied, extended or left out.

use super::custom::{self, Dropped};
use super::{Additions, Emitted};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::{FuncKind, Module, Section};
use std::collections::BTreeSet;
use wasm_encoder::{Encode, Section as _, SectionId, StartSection};
use wasmparser::BinaryReader;

/// Puts the module together.
pub(super) fn assemble(
    module: &Module<'_>,
    additions: &Additions,
    bodies: Vec<(FuncIdx, Vec<u8>)>,
) -> Result<Emitted> {
    let added = bodies.iter().map(|(func, body)| {
        let before = module.body(*func).map_or(0, |body| body.as_bytes().len());
        (*func, body.len() as i64 - before as i64)
    });
    let added = added.collect();
    let code: usize = bodies.iter().map(|(_, body)| body.len()).sum();
    let mut assembler = Assembler {
        module,
        additions,
        rewritten: bodies.iter().map(|(func, _)| *func).collect(),
        code_stays: code_stays(module, additions, &bodies)?,
        bodies,
        out: Vec::with_capacity(module.bytes.len() + code),
        dropped: Vec::new(),
    };
    assembler.out.extend_from_slice(&module.bytes[..8]);
    assembler.sections()?;
    Ok(Emitted { wasm: assembler.out, dropped: assembler.dropped, added })
}

struct Assembler<'m, 'a> {
    module: &'m Module<'a>,
    additions: &'m Additions,
    rewritten: BTreeSet<FuncIdx>,
    bodies: Vec<(FuncIdx, Vec<u8>)>,
    /// Whether every body of the input keeps its place in the code section.
    code_stays: bool,
    out: Vec<u8>,
    dropped: Vec<Dropped>,
}

/// Where a section belongs in the order that the binary format asks for.
fn rank(id: u8) -> usize {
    // Type, import, function, table, memory, tag, global, export, start, element, data count,
    // code, data.
    const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
    ORDER.iter().position(|other| *other == id).unwrap_or(ORDER.len())
}

const CODE: u8 = SectionId::Code as u8;
const START: u8 = SectionId::Start as u8;

/// The module's code section.
fn code_section<'s, 'a>(module: &'s Module<'a>) -> Option<&'s Section<'a>> {
    module.sections.iter().find(|section| section.id == CODE)
}

/// Whether every body of the input can keep its place in the code section: the number in front does
/// not get longer, and no body changes its length.
fn code_stays(
    module: &Module<'_>,
    additions: &Additions,
    bodies: &[(FuncIdx, Vec<u8>)],
) -> Result<bool> {
    let Some(section) = code_section(module) else { return Ok(false) };
    let (count, entries) = split_vector(module, section)?;
    let spelled = section.contents.len() - entries.len();
    let same_length = bodies.iter().all(|(func, bytes)| {
        matches!(&module.funcs[*func].kind, FuncKind::Defined { body } if body.len() == bytes.len())
    });
    Ok(same_length && leb_len(count as usize + additions.bodies.len()) <= spelled)
}

impl Assembler<'_, '_> {
    fn sections(&mut self) -> Result<()> {
        let module = self.module;
        let present = |id: u8| module.sections.iter().any(|section| section.id == id);
        let mut missing: Vec<u8> = (1..=13).filter(|id| self.extends(*id)).collect();
        missing.retain(|id| !present(*id));
        missing.sort_by_key(|id| rank(*id));
        let (mut has_producers, mut has_names) = (false, false);
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
                0 => {
                    has_names |= section.name == "name";
                    self.custom(section);
                }
                id if self.extends(id) => self.extend(id, Some(section))?,
                _ => self.copy(section),
            }
        }
        self.add_missing(&mut missing, u8::MAX)?;
        if !has_names && self.additions.names.even_without_section {
            custom::write_custom(&mut self.out, "name", &custom::new_names(&self.additions.names));
        }
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

    /// Whether this section gains entries, or may have bodies replaced.
    fn extends(&self, id: u8) -> bool {
        if id == CODE {
            return !self.bodies.is_empty() || !self.additions.bodies.is_empty();
        }
        id == START && self.additions.start.is_some() || self.additions.entries.contains_key(&id)
    }

    fn copy(&mut self, section: &Section<'_>) {
        self.out.extend_from_slice(&self.module.bytes[section.range.clone()]);
    }

    /// A section whose contents are a vector, with further entries behind the present ones.
    fn extend(&mut self, id: u8, section: Option<&Section<'_>>) -> Result<()> {
        if id == CODE {
            return self.code(section);
        }
        if let (START, Some(start)) = (id, self.additions.start) {
            StartSection { function_index: start.0 }.append_to(&mut self.out);
            return Ok(());
        }
        let Some(added) = self.additions.entries.get(&id) else { return Ok(()) };
        let (count, present) = match section {
            Some(section) => split_vector(self.module, section)?,
            None => (0, &[][..]),
        };
        let mut head = Vec::new();
        (count + added.count).encode(&mut head);
        self.out.push(id);
        (head.len() + present.len() + added.bytes.len()).encode(&mut self.out);
        self.out.extend_from_slice(&head);
        self.out.extend_from_slice(present);
        self.out.extend_from_slice(&added.bytes);
        Ok(())
    }

    fn code(&mut self, section: Option<&Section<'_>>) -> Result<()> {
        let new: Vec<_> =
            self.additions.bodies.iter().map(|body| encoded(body.as_slice())).collect();
        match section {
            Some(section) if self.code_stays => self.code_in_place(section, &new),
            _ => {
                self.code_anew(&new);
                Ok(())
            }
        }
    }

    /// The code section with bodies replaced where they are, and new ones behind them.
    fn code_in_place(&mut self, section: &Section<'_>, new: &[Vec<u8>]) -> Result<()> {
        let module = self.module;
        let (count, entries) = split_vector(module, section)?;
        let spelled = section.contents.len() - entries.len();
        let size = section.contents.len() + new.iter().map(Vec::len).sum::<usize>();
        self.out.push(CODE);
        size.encode(&mut self.out);
        padded_leb(count as usize + new.len(), spelled, &mut self.out);
        let start = self.out.len();
        self.out.extend_from_slice(entries);
        for (func, bytes) in &self.bodies {
            if let FuncKind::Defined { body } = &module.funcs[*func].kind {
                let at = start + body.start - section.contents.start - spelled;
                self.out[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        new.iter().for_each(|body| self.out.extend_from_slice(body));
        Ok(())
    }

    /// The code section: untouched bodies, replaced ones, new ones. Its size is worked out first, so
    /// that a section of a hundred megabytes is written once and in place.
    fn code_anew(&mut self, new: &[Vec<u8>]) {
        let module = self.module;
        let count = (module.funcs.len() - module.imported_funcs + new.len()) as u32;
        let mut replaced = self.bodies.iter().peekable();
        let mut size = leb_len(count as usize) + new.iter().map(Vec::len).sum::<usize>();
        for func in module.defined_funcs() {
            let bytes = match replaced.next_if(|(index, _)| *index == func) {
                Some((_, body)) => body.len(),
                None => module.body(func).map_or(0, |body| body.as_bytes().len()),
            };
            size += leb_len(bytes) + bytes;
        }
        self.out.reserve(size + 16);
        self.out.push(CODE);
        size.encode(&mut self.out);
        count.encode(&mut self.out);
        let mut replaced = std::mem::take(&mut self.bodies).into_iter().peekable();
        for func in module.defined_funcs() {
            match replaced.next_if(|(index, _)| *index == func) {
                Some((_, body)) => body.as_slice().encode(&mut self.out),
                None => {
                    let body = module.body(func).expect("the function is defined");
                    body.as_bytes().encode(&mut self.out);
                }
            }
        }
        for body in new {
            self.out.extend_from_slice(body);
        }
    }

    fn custom(&mut self, section: &Section<'_>) {
        if custom::is_wrong_now(section.name, self.code_stays) {
            let (name, bytes) = (section.name.to_owned(), section.range.len());
            self.dropped.push(Dropped { name, bytes });
            return;
        }
        if section.name == "name" {
            let names = &self.additions.names;
            if let Some(contents) =
                custom::extend_names(self.module, section, names, &self.rewritten)
            {
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

/// An unsigned LEB128 number spelled with exactly `len` bytes, which must be enough.
fn padded_leb(mut number: usize, len: usize, out: &mut Vec<u8>) {
    for position in 1..=len {
        let more = if position < len { 0x80 } else { 0 };
        out.push((number & 0x7f) as u8 | more);
        number >>= 7;
    }
}

fn encoded(item: &(impl Encode + ?Sized)) -> Vec<u8> {
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

/// The number of entries of an encoded section and their bytes: what follows its size.
pub(super) fn vector_entries(section: &[u8]) -> (u32, &[u8]) {
    let mut reader = BinaryReader::new(section, 0);
    let numbers = reader.read_var_u32().and_then(|_| reader.read_var_u32());
    match numbers {
        Ok(count) => (count, &section[reader.original_position() as usize..]),
        Err(_) => (0, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_number_reads_as_itself() {
        for (number, len) in [(0, 1), (5, 2), (300, 2), (300, 5), (u32::MAX as usize, 5)] {
            let mut bytes = Vec::new();
            padded_leb(number, len, &mut bytes);
            assert_eq!(bytes.len(), len);
            let read = BinaryReader::new(&bytes, 0).read_var_u32().unwrap();
            assert_eq!(read as usize, number);
        }
    }
}
