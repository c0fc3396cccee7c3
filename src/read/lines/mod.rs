//! Source lines, names and signatures of functions, from the DWARF sections that compilers leave.
//!
//! Input: a [`Module`] with `.debug_*` custom sections. Nothing is read before it is asked for, and
//! what can't be read is left out: names and lines are shown to people, and never decide anything.
//!
//! ```text
//!   offset from the module's start ──(start of the code section's contents)──► DWARF address
//!   DWARF address ──(line program's sequence)──► file, line, column
//!   function ──(its body begins at the subprogram's low_pc)──► name, declaration
//! ```
//!
//! An address counts from the start of the code section's contents ("DWARF for WebAssembly"). Code that
//! the linker has dropped keeps its DWARF, at address 0 or beyond the end; neither is in a body, so only
//! what begins in a body counts.

mod cursor;
mod language;
mod pointers;
mod subprograms;
#[cfg(test)]
pub(crate) mod tests;
mod types;

pub use cursor::LineCursor;
pub use pointers::{Reached, StaticPointer};
pub use types::{FunctionType, Types};

use super::Module;
use crate::index::FuncIdx;
use gimli::{
    CompleteLineProgram, Dwarf, EndianArcSlice, LineProgramHeader, LineSequence, LittleEndian,
    SectionId, Unit, UnitSectionOffset,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

type Bytes = EndianArcSlice<LittleEndian>;

/// The DWARF of a module, read as far as was asked for.
pub struct Lines {
    dwarf: Dwarf<Bytes>,
    units: Vec<Unit<Bytes>>,
    code: Code,
    /// The first thing about the units that could not be read.
    fault: Option<String>,
    sequences: OnceLock<Findings<Sequences>>,
    subprograms: OnceLock<Findings<BTreeMap<FuncIdx, subprograms::Place>>>,
}

/// What was found, and the first thing that could not be read.
struct Findings<T> {
    found: T,
    fault: Option<String>,
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SourceLine {
    /// The file as the compiler was given it; if relative, then to where the compiler ran.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// The parts of all line programs that speak of code that is there, in order of address.
struct Sequences {
    programs: Vec<CompleteLineProgram<Bytes>>,
    sequences: Vec<Sequence>,
}

struct Sequence {
    program: usize,
    unit: usize,
    rows: LineSequence<Bytes>,
    /// Whether no other one speaks of the same code.
    is_alone: bool,
}

impl Sequences {
    /// Tools that change code and not what is said of it leave sequences that speak of each other's.
    fn note_overlaps(&mut self) {
        let mut furthest = 0;
        for at in 0..self.sequences.len() {
            let next = self.sequences.get(at + 1).map_or(u64::MAX, |next| next.rows.start);
            let sequence = &mut self.sequences[at];
            let LineSequence { start, end, .. } = sequence.rows;
            sequence.is_alone = furthest <= start && end <= next;
            furthest = furthest.max(end);
        }
    }
}

impl Lines {
    /// Finds the DWARF sections of `module`; `None` if it has none, or no code.
    pub fn new(module: &Module<'_>) -> Option<Lines> {
        let code = Code::of(module)?;
        module.custom_sections(SectionId::DebugInfo.name()).next()?;
        let load = |id: SectionId| -> Result<Bytes, gimli::Error> {
            Ok(Bytes::new(Arc::from(contents(module, id.name())), LittleEndian))
        };
        let dwarf = Dwarf::load(load).ok()?;
        let mut lines = Lines {
            dwarf,
            units: Vec::new(),
            code,
            fault: None,
            sequences: OnceLock::new(),
            subprograms: OnceLock::new(),
        };
        lines.read_units();
        Some(lines)
    }

    /// Reads what heads each unit. Beyond a header that can't be read nothing is found.
    fn read_units(&mut self) {
        let mut headers = self.dwarf.units();
        while let Some(header) = headers.next().transpose() {
            match header.and_then(|header| self.dwarf.unit(header)) {
                Ok(unit) => self.units.push(unit),
                Err(error) => self.fault = self.fault.take().or(Some(error.to_string())),
            }
        }
    }

    /// The source line of the instruction at `offset`, in bytes from the start of the module.
    /// Of inlined code the innermost line.
    pub fn at(&self, offset: u32) -> Option<SourceLine> {
        LineCursor::new(self).at(offset)
    }

    /// What could not be read of what was asked for so far, as a sentence; `None` if there is nothing.
    pub fn fault(&self) -> Option<String> {
        let sequences = self.sequences.get().and_then(|found| found.fault.as_ref());
        let subprograms = self.subprograms.get().and_then(|found| found.fault.as_ref());
        let fault = self.fault.as_ref().or(sequences).or(subprograms)?;
        Some(format!("the DWARF sections can't be read in full: {fault}"))
    }

    fn sequences(&self) -> &Sequences {
        &self.sequences.get_or_init(|| self.find_sequences()).found
    }

    fn find_sequences(&self) -> Findings<Sequences> {
        let mut found = Sequences { programs: Vec::new(), sequences: Vec::new() };
        let mut fault = None;
        for (unit, program) in self.units.iter().enumerate() {
            let Some(program) = program.line_program.clone() else { continue };
            match program.sequences() {
                Ok((program, sequences)) => {
                    let there = sequences.into_iter().filter(|rows| self.code.has(rows.start));
                    found.sequences.extend(there.map(|rows| Sequence {
                        program: found.programs.len(),
                        unit,
                        rows,
                        is_alone: true,
                    }));
                    found.programs.push(program);
                }
                Err(error) => fault = fault.or(Some(error.to_string())),
            }
        }
        found.sequences.sort_by_key(|sequence| (sequence.rows.start, sequence.rows.end));
        found.note_overlaps();
        Findings { found, fault }
    }

    /// A file of a line program, with its directory.
    fn file(
        &self,
        unit: &Unit<Bytes>,
        header: &LineProgramHeader<Bytes>,
        index: u64,
    ) -> Option<String> {
        let file = header.file(index)?;
        let text = |value| Some(self.text(&self.dwarf.attr_string(unit, value).ok()?));
        let name = text(file.path_name())?;
        // Directory 0 is where the compiler ran.
        let directory = match file.directory_index() {
            0 => None,
            _ => file.directory(header).and_then(text),
        };
        let is_absolute = name.starts_with(['/', '\\']) || name.get(1..2) == Some(":");
        Some(match directory {
            Some(directory) if !is_absolute && !directory.is_empty() => {
                format!("{}/{name}", directory.trim_end_matches('/'))
            }
            _ => name,
        })
    }

    fn text(&self, bytes: &Bytes) -> String {
        String::from_utf8_lossy(bytes.bytes()).into_owned()
    }

    /// The unit that a place in `.debug_info` is in.
    fn unit_at(&self, offset: gimli::DebugInfoOffset) -> Option<usize> {
        let starts_before = |unit: &Unit<Bytes>| match unit.header.offset() {
            UnitSectionOffset(start) => start <= offset.0,
        };
        self.units.partition_point(starts_before).checked_sub(1)
    }
}

/// All custom sections of this name, one after the other.
fn contents<'a>(module: &Module<'a>, name: &str) -> Cow<'a, [u8]> {
    let parts: Vec<_> = module
        .custom_sections(name)
        .map(|section| &module.bytes[section.contents.clone()])
        .collect();
    match parts[..] {
        [only] => Cow::Borrowed(only),
        _ => Cow::Owned(parts.concat()),
    }
}

/// Where the bodies are.
struct Code {
    /// Where the contents of the code section begin, in bytes from the start of the module.
    start: u64,
    /// Each body's start and end, as addresses, in order.
    bodies: Vec<(u64, u64)>,
    imported: usize,
}

impl Code {
    const SECTION_ID: u8 = 10;

    fn of(module: &Module<'_>) -> Option<Code> {
        let section = module.sections.iter().find(|section| section.id == Self::SECTION_ID)?;
        let start = section.contents.start as u64;
        let bodies = module.funcs.iter().filter_map(|func| func.body.as_ref());
        let bodies = bodies.map(|body| (body.start as u64 - start, body.end as u64 - start));
        Some(Code { start, bodies: bodies.collect(), imported: module.imported_funcs })
    }

    fn address(&self, offset: u32) -> Option<u64> {
        u64::from(offset).checked_sub(self.start)
    }

    /// The position of the body that an address is in, or whose size it is at.
    fn body(&self, address: u64) -> Option<usize> {
        // The number of bodies comes before them all.
        if address == 0 {
            return None;
        }
        let position = self.bodies.partition_point(|(_, end)| *end <= address);
        (position < self.bodies.len()).then_some(position)
    }

    fn has(&self, address: u64) -> bool {
        self.body(address).is_some()
    }

    /// The function whose body begins at an address, its size included.
    fn func_from(&self, address: u64) -> Option<FuncIdx> {
        let position = self.body(address)?;
        let begins = address <= self.bodies[position].0;
        begins.then(|| FuncIdx((self.imported + position) as u32))
    }
}
