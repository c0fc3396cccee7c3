//! Assembles the new module: sections in their order, copied, extended or left out.

use super::code::{Code, Finished};
use super::custom::{self, Dropped};
use super::dwarf::{self, Addresses};
use super::order::{custom_place, rank};
use super::well_formed;
use super::{Additions, Emitted, OffsetMap, build_id, hints};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::{Module, Section};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wasm_encoder::{Encode, Section as _, SectionId, StartSection};
use wasmparser::BinaryReader;

/// Puts the module together.
pub(super) fn assemble(
    module: &Module<'_>,
    additions: &Additions,
    code: Code<'_, '_>,
) -> Result<Emitted> {
    let extends_code = !code.is_untouched();
    let mut code = code;
    code.complete();
    let spoken = Spoken::of(module, additions, &code);
    let mut code = code.finish();
    let added = std::mem::take(&mut code.added);
    let mut assembler = Assembler {
        module,
        additions,
        rewritten: added.iter().map(|(func, _)| *func).collect(),
        code,
        extends_code,
        spoken,
        out: Vec::new(),
        offsets: OffsetMap::default(),
        dropped: Vec::new(),
        keeps_names: false,
        build_id: None,
    };
    assembler.out.extend_from_slice(&module.bytes[..8]);
    assembler.sections()?;
    let Assembler { out: mut wasm, offsets, dropped, keeps_names, build_id, spoken, .. } =
        assembler;
    if let Some(id) = build_id {
        build_id::renew(&mut wasm, id);
    }
    let mut remarks = spoken.debug.remarks;
    remarks.extend(keeps_names.then(|| well_formed::REMARK.to_owned()));
    Ok(Emitted { wasm, dropped, remarks, added, offsets })
}

struct Assembler<'m, 'a> {
    module: &'m Module<'a>,
    additions: &'m Additions,
    rewritten: BTreeSet<FuncIdx>,
    /// What goes into the code section, until it is there.
    code: Finished,
    extends_code: bool,
    spoken: Spoken,
    out: Vec<u8>,
    offsets: OffsetMap,
    dropped: Vec<Dropped>,
    /// Whether a name section is not well-formed, and kept as it is.
    keeps_names: bool,
    /// Where in `out` there is a build id that is to be renewed.
    build_id: Option<Range<usize>>,
}

/// What custom sections say of code, where that is now.
#[derive(Default)]
struct Spoken {
    debug: dwarf::Moved,
    /// What is said of instructions, by the places of its sections.
    hints: BTreeMap<usize, Vec<u8>>,
}

impl Spoken {
    fn of(module: &Module<'_>, additions: &Additions, code: &Code<'_, '_>) -> Spoken {
        if code.stays() || !additions.maps_offsets {
            return Spoken::default();
        }
        let mut spoken = Spoken::default();
        let Some(addresses) = Addresses::new(module, code) else { return spoken };
        if !additions.strips_debug {
            spoken.debug = dwarf::rewrite(module, &addresses);
        }
        for section in module.sections.iter().filter(|section| hints::is_section(section)) {
            let contents = &module.bytes[section.contents.clone()];
            let hints = hints::rewrite(module, contents, &addresses, code.bytes());
            spoken.hints.extend(hints.map(|hints| (section.range.start, hints)));
        }
        spoken
    }
}

const CODE: u8 = SectionId::Code as u8;
const START: u8 = SectionId::Start as u8;

impl Assembler<'_, '_> {
    fn sections(&mut self) -> Result<()> {
        let module = self.module;
        let present = |id: u8| module.sections.iter().any(|section| section.id == id);
        let mut missing: Vec<u8> = (1..=13).filter(|id| self.extends(*id)).collect();
        missing.retain(|id| !present(*id));
        missing.sort_by_key(|id| rank(*id));
        let customs = self.new_customs();
        let known = module.sections.iter().rposition(|s| s.id != 0).map_or(0, |last| last + 1);
        for (section, place) in module.sections.iter().zip(0..) {
            if section.id != 0 || place == known {
                let next = if section.id == 0 { u8::MAX } else { section.id };
                self.add_missing(&mut missing, next)?;
            }
            self.add_customs(&customs, place);
            match section.id {
                0 => self.custom(section),
                id if self.extends(id) => self.extend(id, Some(section))?,
                _ => self.copy(section),
            }
        }
        self.add_missing(&mut missing, u8::MAX)?;
        self.add_customs(&customs, module.sections.len());
        Ok(())
    }

    /// The custom sections that the module lacks, encoded, each with its place.
    fn new_customs(&self) -> Vec<(usize, Vec<u8>)> {
        let (module, names) = (self.module, &self.additions.names);
        let mut customs = Vec::new();
        let mut add = |name, contents: &[u8]| {
            let mut section = Vec::new();
            custom::write_custom(&mut section, name, contents);
            customs.push((custom_place(&module.sections, name), section));
        };
        if names.even_without_section && module.custom_sections("name").next().is_none() {
            add("name", &custom::new_names(names));
        }
        if module.custom_sections("producers").next().is_none() {
            add("producers", &custom::new_producers());
        }
        customs
    }

    fn add_customs(&mut self, customs: &[(usize, Vec<u8>)], place: usize) {
        for (_, section) in customs.iter().filter(|(at, _)| *at == place) {
            self.out.extend_from_slice(section);
        }
    }

    /// Adds the missing sections that come before a section with id `next`.
    fn add_missing(&mut self, missing: &mut Vec<u8>, next: u8) -> Result<()> {
        while let Some(id) = missing.first().copied().filter(|id| rank(*id) < rank(next)) {
            missing.remove(0);
            self.extend(id, None)?;
        }
        Ok(())
    }

    /// Whether this section gains items, or may have bodies replaced.
    fn extends(&self, id: u8) -> bool {
        if id == CODE {
            return self.extends_code;
        }
        id == START && self.additions.start.is_some() || self.additions.items.contains_key(&id)
    }

    fn copy(&mut self, section: &Section<'_>) {
        self.out.extend_from_slice(&self.module.bytes[section.range.clone()]);
    }

    /// A section whose contents are a vector, with further items behind the present ones.
    fn extend(&mut self, id: u8, section: Option<&Section<'_>>) -> Result<()> {
        if id == CODE {
            self.code();
            return Ok(());
        }
        if let (START, Some(start)) = (id, self.additions.start) {
            StartSection { function_index: start.0 }.append_to(&mut self.out);
            return Ok(());
        }
        let Some(added) = self.additions.items.get(&id) else { return Ok(()) };
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

    /// The code section. What stands before it is put in front of the bodies where these are: a hundred megabytes are never in memory
    /// twice.
    fn code(&mut self) {
        let mut items = std::mem::take(&mut self.code.bytes);
        self.out.push(CODE);
        (self.code.spelled + items.len()).encode(&mut self.out);
        padded_leb(self.code.count, self.code.spelled, &mut self.out);
        self.offsets = std::mem::take(&mut self.code.offsets).moved(self.out.len());
        items.splice(0..0, std::mem::take(&mut self.out));
        self.out = items;
    }

    fn custom(&mut self, section: &Section<'_>) {
        let (module, names) = (self.module, &self.additions.names);
        let (stays, strips) = (self.code.stays, self.additions.strips_debug);
        let contents = match section.name {
            name if strips && custom::is_for_debuggers(name) => return,
            custom::SOURCE_MAP if self.additions.source_map_url.is_some() => {
                self.additions.source_map_url.as_deref().map(custom::text)
            }
            custom::EXTERNAL_DEBUG_INFO if self.additions.debug_file_url.is_some() => {
                self.additions.debug_file_url.as_deref().map(custom::text)
            }
            name if custom::is_wrong_now(name, stays) => return self.leave_out(section),
            name if dwarf::is_section(name) && !stays => return self.debug(section),
            _ if hints::is_section(section) && !stays => {
                let Some(hints) = self.spoken.hints.remove(&section.range.start) else {
                    return self.leave_out(section);
                };
                Some(hints)
            }
            "build_id" if !self.code.stays => return self.build_id(section),
            "name" => {
                let copies = &self.code.copies;
                let extended =
                    custom::extend_names(module, section, names, &self.rewritten, copies);
                self.keeps_names |= extended.is_none();
                extended
            }
            "producers" => custom::extend_producers(module, section),
            _ => None,
        };
        match contents {
            Some(contents) => custom::write_custom(&mut self.out, section.name, &contents),
            None => self.copy(section),
        }
    }

    /// A section of debug information. What was in several parts is one now.
    fn debug(&mut self, section: &Section<'_>) {
        use dwarf::Became;
        match self.spoken.debug.section(section.name) {
            Became::New(contents) => {
                custom::write_custom(&mut self.out, section.name, &contents);
                for (name, contents) in self.spoken.debug.added(section.name) {
                    custom::write_custom(&mut self.out, name, &contents);
                }
            }
            Became::Written => {}
            Became::Same => self.copy(section),
            Became::Wrong => self.leave_out(section),
        }
    }

    fn leave_out(&mut self, section: &Section<'_>) {
        let (name, bytes) = (section.name.to_owned(), section.range.len());
        self.dropped.push(Dropped { name, bytes });
    }

    /// A build id that no longer fits: a well-formed one, of which there may be only one, is renewed.
    fn build_id(&mut self, section: &Section<'_>) {
        match build_id::find(self.module, section) {
            Some(id) if self.build_id.is_none() => {
                let start = self.out.len() + id.start - section.range.start;
                self.build_id = Some(start..start + id.len());
                self.copy(section);
            }
            _ => self.leave_out(section),
        }
    }
}

/// How many bytes an unsigned LEB128 number takes.
pub(crate) fn leb_len(number: usize) -> usize {
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

/// A vector's count and the bytes of its items.
pub(super) fn split_vector<'a>(
    module: &Module<'a>,
    section: &Section<'_>,
) -> Result<(u32, &'a [u8])> {
    let contents = &module.bytes[section.contents.clone()];
    let mut reader = BinaryReader::new(contents, section.contents.start as u64);
    let count = reader.read_var_u32().map_err(|error| Error::misread(&error))?;
    Ok((count, &contents[reader.original_position() as usize - section.contents.start..]))
}

/// The number of items of an encoded section and their bytes: what follows its size.
pub(super) fn vector_items(section: &[u8]) -> (u32, &[u8]) {
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
