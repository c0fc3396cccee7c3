//! Gives a module the DWARF sections that a compiler would leave, for tests of those who read them.

use gimli::write::{
    Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Sections, UnitEntryId,
};
use gimli::{Encoding, Format, LineEncoding, LittleEndian, constants as dw};
use std::ops::Range;
use wasm_encoder::{CustomSection, Encode, Section};
use wasmparser::{Parser, Payload};

/// A function of the source, of which the module has a body or not.
#[derive(Clone, Copy, Default)]
pub struct SourceFunc<'a> {
    pub name: &'a str,
    pub linkage_name: Option<&'a str>,
    pub variadic: bool,
    /// Where its declaration is; the code on it is from the line after on.
    pub line: u64,
    /// The position of its body among the module's; `None` for one that the linker dropped.
    pub body: Option<usize>,
    /// Whether its name stands at an entry of its own.
    pub has_origin: bool,
}

/// The module with DWARF of version `version`: the first half of a body is the line after the
/// declaration, the rest the second line after it.
pub fn with_dwarf(wasm: &[u8], version: u16, funcs: &[SourceFunc<'_>]) -> Vec<u8> {
    with_sections(wasm, &sections(wasm, version, funcs))
}

/// The module with further custom sections.
pub fn with_sections(wasm: &[u8], sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    for (name, data) in sections {
        let section = CustomSection { name: (*name).into(), data: data.into() };
        wasm.push(section.id());
        section.encode(&mut wasm);
    }
    wasm
}

/// The names and contents of the DWARF sections.
pub fn sections(
    wasm: &[u8],
    version: u16,
    funcs: &[SourceFunc<'_>],
) -> Vec<(&'static str, Vec<u8>)> {
    let bodies = bodies(wasm);
    let mut builder = Builder::new(version);
    for func in funcs {
        // What is dropped is left at address 0, as long as it was.
        builder.add(func, &func.body.map_or(0..1000, |body| bodies[body].clone()));
    }
    builder.finish()
}

struct Builder {
    dwarf: DwarfUnit,
    file: gimli::write::FileId,
}

impl Builder {
    fn new(version: u16) -> Builder {
        let encoding = Encoding { format: Format::Dwarf32, version, address_size: 4 };
        let mut dwarf = DwarfUnit::new(encoding);
        let mut text = |text: &str| LineString::new(text, encoding, &mut dwarf.line_strings);
        let (directory, name) = (text("/home/me"), text("main.c"));
        let sources = text("src");
        let mut program =
            LineProgram::new(encoding, LineEncoding::default(), directory, None, name, None);
        let directory = program.add_directory(sources);
        let file = LineString::new("work.c", encoding, &mut dwarf.line_strings);
        let file = program.add_file(file, directory, None);
        dwarf.unit.line_program = program;
        let root = dwarf.unit.get_mut(dwarf.unit.root());
        root.set(dw::DW_AT_language, AttributeValue::Language(dw::DW_LANG_C11));
        Builder { dwarf, file }
    }

    fn add(&mut self, func: &SourceFunc<'_>, at: &Range<u64>) {
        let root = self.dwarf.unit.root();
        let entry = self.dwarf.unit.add(root, dw::DW_TAG_subprogram);
        let named = if func.has_origin {
            let origin = self.dwarf.unit.add(root, dw::DW_TAG_subprogram);
            let reference = AttributeValue::UnitRef(origin);
            self.dwarf.unit.get_mut(entry).set(dw::DW_AT_abstract_origin, reference);
            origin
        } else {
            entry
        };
        self.name(named, func);
        let low_pc = AttributeValue::Address(Address::Constant(at.start));
        let entry = self.dwarf.unit.get_mut(entry);
        entry.set(dw::DW_AT_low_pc, low_pc);
        entry.set(dw::DW_AT_high_pc, AttributeValue::Data4((at.end - at.start) as u32));
        self.rows(func, at);
    }

    fn name(&mut self, entry: UnitEntryId, func: &SourceFunc<'_>) {
        if func.variadic {
            self.dwarf.unit.add(entry, dw::DW_TAG_formal_parameter);
            self.dwarf.unit.add(entry, dw::DW_TAG_unspecified_parameters);
        }
        let entry = self.dwarf.unit.get_mut(entry);
        entry.set(dw::DW_AT_name, AttributeValue::String(func.name.into()));
        if let Some(name) = func.linkage_name {
            entry.set(dw::DW_AT_linkage_name, AttributeValue::String(name.into()));
        }
        entry.set(dw::DW_AT_prototyped, AttributeValue::Flag(true));
        entry.set(dw::DW_AT_decl_file, AttributeValue::FileIndex(Some(self.file)));
        entry.set(dw::DW_AT_decl_line, AttributeValue::Udata(func.line));
    }

    fn rows(&mut self, func: &SourceFunc<'_>, at: &Range<u64>) {
        let program = &mut self.dwarf.unit.line_program;
        program.begin_sequence(Some(Address::Constant(at.start)));
        let half = (at.end - at.start) / 2;
        for (offset, line, column) in [(0, func.line + 1, 3), (half, func.line + 2, 0)] {
            let row = program.row();
            row.address_offset = offset;
            row.file = self.file;
            row.line = line;
            row.column = column;
            program.generate_row();
        }
        program.end_sequence(at.end - at.start);
    }

    fn finish(mut self) -> Vec<(&'static str, Vec<u8>)> {
        written(&mut self.dwarf)
    }
}

/// The sections that are not empty.
pub fn written(dwarf: &mut DwarfUnit) -> Vec<(&'static str, Vec<u8>)> {
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections).expect("the DWARF can be written");
    let mut written = Vec::new();
    let mut take = |id: gimli::SectionId, data: &EndianVec<LittleEndian>| {
        if !data.slice().is_empty() {
            written.push((id.name(), data.slice().to_vec()));
        }
        Ok::<(), gimli::write::Error>(())
    };
    sections.for_each(&mut take).expect("nothing fails");
    written
}

/// The bodies, as addresses: from the start of the code section's contents.
pub fn bodies(wasm: &[u8]) -> Vec<Range<u64>> {
    let (mut start, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("the module can be read") {
            Payload::CodeSectionStart { unchecked_range, .. } => start = unchecked_range.start,
            Payload::CodeSectionEntry(body) => {
                bodies.push(body.range().start - start..body.range().end - start);
            }
            _ => {}
        }
    }
    bodies
}
