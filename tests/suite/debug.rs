//! Debug information of what was rewritten: for every instruction that is still there the line, the functions that it was inlined into and the
//! places of variables are what they were; and in functions that go on where others left off, lines and inlined functions.
//!
//! What compares reads DWARF by gimli alone, and knows of the output only where code went. The fixtures get DWARF made here, in each
//! version, with a row, a block or an inlined function wherever instructions are; real modules have their compilers'.
//!
//! Not proved here: that locations hold what they should in functions that go on where others left off; that a debugger likes it.

use crate::fixtures::golden::{Fixture, run_group};
use crate::operands::{append, custom_sections};
use gimli::constants as dw;
use gimli::write::{
    Address, AttributeValue, DwarfUnit, Expression, LineProgram, LineString, Location,
    LocationList, Range, RangeList, UnitEntryId,
};
use gimli::{DwAt, Encoding, EndianSlice, Format, LineEncoding, LittleEndian, Register};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_fork::shim::{Mechanism, ShimOptions};
use wasm_fork::{EntryPattern, OffsetMap, Optimize, Options};
use wasmparser::{Parser, Payload};

/// Where code is in a module: offsets in the file.
#[derive(Default)]
pub struct Code {
    /// Where the contents of the section begin.
    pub start: u64,
    pub bodies: Vec<std::ops::Range<u64>>,
    /// The instructions of each body.
    pub instructions: Vec<Vec<u64>>,
}

impl Code {
    pub fn of(wasm: &[u8]) -> Code {
        let mut code = Code::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.unwrap() {
                Payload::CodeSectionStart { unchecked_range, .. } => {
                    code.start = unchecked_range.start;
                }
                Payload::CodeSectionEntry(body) => {
                    let operators = body.get_operators_reader().unwrap().into_iter_with_offsets();
                    code.bodies.push(body.range());
                    code.instructions.push(operators.map(|item| item.unwrap().1).collect());
                }
                _ => {}
            }
        }
        code
    }
}

/// A part of the code that something is said of.
struct Scope {
    start: u64,
    end: u64,
    depth: isize,
    what: usize,
    is_variable: bool,
}

/// What the DWARF of a module says of its code.
#[derive(Default)]
struct Table {
    /// Sequences of rows: addresses with what is said.
    rows: Vec<Vec<(u64, usize)>>,
    scopes: Vec<Scope>,
    start: u64,
}

/// Everything that is said, once.
#[derive(Default)]
struct Texts(HashMap<String, usize>);

impl Texts {
    fn id(&mut self, text: String) -> usize {
        let next = self.0.len();
        *self.0.entry(text).or_insert(next)
    }

    fn text(&self, id: usize) -> &str {
        self.0.iter().find(|(_, other)| **other == id).map_or("?", |(text, _)| text)
    }
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Unit<'a> = gimli::Unit<Slice<'a>>;
type Die<'u, 'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

struct Reader<'a, 't> {
    dwarf: gimli::Dwarf<Slice<'a>>,
    code: Code,
    texts: &'t mut Texts,
    table: Table,
}

fn read(wasm: &[u8], texts: &mut Texts) -> Table {
    let sections = custom_sections(wasm);
    let none = Vec::new();
    let load = |id: gimli::SectionId| -> gimli::Result<_> {
        Ok(Slice::new(sections.get(id.name()).unwrap_or(&none), LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let code = Code::of(wasm);
    let table = Table { start: code.start, ..Table::default() };
    let mut reader = Reader { dwarf, code, texts, table };
    let mut units = reader.dwarf.units();
    while let Some(header) = units.next().unwrap() {
        let unit = reader.dwarf.unit(header).unwrap();
        reader.rows(&unit);
        reader.scopes(&unit);
    }
    let mut table = reader.table;
    table.rows.sort_by_key(|rows| rows[0].0);
    table.scopes.sort_by_key(|scope| scope.start);
    table
}

impl<'a> Reader<'a, '_> {
    fn is_code(&self, address: u64) -> bool {
        let (Some(first), Some(last)) = (self.code.bodies.first(), self.code.bodies.last()) else {
            return false;
        };
        // Its size stands in front of a body.
        (first.start - 5..last.end).contains(&(address + self.code.start)) && address > 0
    }

    fn rows(&mut self, unit: &Unit<'a>) {
        let Some(program) = unit.line_program.clone() else { return };
        let header = program.header().clone();
        let (mut rows, mut sequence) = (program.rows(), Vec::new());
        while let Some((_, row)) = rows.next_row().unwrap() {
            let said = match (row.line(), header.file(row.file_index())) {
                _ if row.end_sequence() => "-".into(),
                (Some(line), Some(file)) => {
                    let name = self.dwarf.attr_string(unit, file.path_name()).unwrap();
                    format!("{} {line} {:?}", name.to_string_lossy(), row.column())
                }
                _ => "no line".into(),
            };
            let said = self.texts.id(said);
            sequence.push((row.address(), said));
            if row.end_sequence() {
                let sequence = std::mem::take(&mut sequence);
                if self.is_code(sequence[0].0) {
                    self.table.rows.push(sequence);
                }
            }
        }
    }

    fn scopes(&mut self, unit: &Unit<'a>) {
        let mut entries = unit.entries();
        // From where on DIEs are of code that isn't there.
        let mut dead: Option<isize> = None;
        while let Some(die) = entries.next_dfs().unwrap() {
            let (tag, depth) = (die.tag(), die.depth());
            if dead.is_some_and(|dead| depth > dead) {
                continue;
            }
            dead = None;
            let low = die.attr_value(dw::DW_AT_low_pc);
            let low = low.and_then(|low| self.dwarf.attr_address(unit, low).unwrap());
            if low.is_some_and(|low| !self.is_code(low)) && tag != dw::DW_TAG_compile_unit {
                dead = Some(depth);
                continue;
            }
            match tag {
                dw::DW_TAG_subprogram
                | dw::DW_TAG_inlined_subroutine
                | dw::DW_TAG_lexical_block => {
                    self.scope(unit, die, depth);
                }
                dw::DW_TAG_variable | dw::DW_TAG_formal_parameter => {
                    self.variable(unit, die, depth)
                }
                _ => {}
            }
        }
    }

    fn scope(&mut self, unit: &Unit<'a>, die: &Die<'_, 'a>, depth: isize) {
        let number = |name: DwAt| match die.attr_value(name) {
            Some(gimli::AttributeValue::FileIndex(index)) => Some(index),
            value => value.and_then(|value| value.udata_value()),
        };
        let [file, line, column] =
            [dw::DW_AT_call_file, dw::DW_AT_call_line, dw::DW_AT_call_column].map(number);
        let name = self.name(unit, die.offset(), 0).unwrap_or_default();
        let what = format!("{} {name} {file:?} {line:?} {column:?}", die.tag());
        let what = self.texts.id(what);
        let mut ranges = self.dwarf.die_ranges(unit, die).unwrap();
        while let Some(range) = ranges.next().unwrap() {
            self.add(range, depth, what, false);
        }
    }

    fn variable(&mut self, unit: &Unit<'a>, die: &Die<'_, 'a>, depth: isize) {
        const OPERAND_STACK: [u8; 2] = [0xed, 2];
        let Some(value) = die.attr_value(dw::DW_AT_location) else { return };
        let Some(mut list) = self.dwarf.attr_locations(unit, value).unwrap() else { return };
        let name = self.name(unit, die.offset(), 0).unwrap_or_default();
        while let Some(entry) = list.next().unwrap() {
            let expression = entry.data.0.slice();
            if !expression.is_empty() && !expression.starts_with(&OPERAND_STACK) {
                let what = self.texts.id(format!("{name} at {expression:?}"));
                self.add(entry.range, depth, what, true);
            }
        }
    }

    fn add(&mut self, range: gimli::Range, depth: isize, what: usize, is_variable: bool) {
        let gimli::Range { begin: start, end } = range;
        if start < end && self.is_code(start) {
            self.table.scopes.push(Scope { start, end, depth, what, is_variable });
        }
    }

    fn name(&self, unit: &Unit<'a>, offset: gimli::UnitOffset, depth: usize) -> Option<String> {
        let die = unit.entry(offset).ok()?;
        for name in [dw::DW_AT_linkage_name, dw::DW_AT_name] {
            if let Some(name) = die.attr_value(name) {
                let name = self.dwarf.attr_string(unit, name).ok()?;
                return Some(name.to_string_lossy().into_owned());
            }
        }
        let origin = die.attr_value(dw::DW_AT_abstract_origin);
        match origin.or_else(|| die.attr_value(dw::DW_AT_specification))? {
            _ if depth > 8 => None,
            gimli::AttributeValue::UnitRef(offset) => self.name(unit, offset, depth + 1),
            gimli::AttributeValue::DebugInfoRef(offset) => {
                let mut units = self.dwarf.units();
                while let Ok(Some(header)) = units.next() {
                    if let Some(inside) = offset.to_unit_offset(&header) {
                        let unit = self.dwarf.unit(header).ok()?;
                        return self.name(&unit, inside, depth + 1);
                    }
                }
                None
            }
            _ => None,
        }
    }
}

impl Table {
    /// What is said of the row at an offset in the file.
    fn line(&self, offset: u64) -> Option<usize> {
        let address = offset - self.start;
        let behind = self.rows.partition_point(|rows| rows[0].0 <= address);
        let rows = &self.rows[behind.checked_sub(1)?];
        let row = rows.partition_point(|(at, _)| *at <= address).checked_sub(1)?;
        (row + 1 < rows.len()).then(|| rows[row].1)
    }

    /// What is said of each of these offsets, which are in order, from the outside in.
    fn scopes(&self, offsets: &[u64], with_variables: bool) -> Vec<Vec<usize>> {
        let (mut next, mut open) = (0, Vec::<usize>::new());
        let said = offsets.iter().map(|offset| {
            let address = offset - self.start;
            while self.scopes.get(next).is_some_and(|scope| scope.start <= address) {
                open.push(next);
                next += 1;
            }
            open.retain(|scope| self.scopes[*scope].end > address);
            let scopes = open.iter().map(|scope| &self.scopes[*scope]);
            let scopes = scopes.filter(|scope| with_variables || !scope.is_variable);
            let mut said: Vec<_> = scopes.map(|scope| (scope.depth, scope.what)).collect();
            said.sort_unstable();
            said.into_iter().map(|(_, what)| what).collect()
        });
        said.collect()
    }
}

/// How much was compared.
#[derive(Default)]
struct Count {
    instructions: AtomicUsize,
    with_lines: AtomicUsize,
    in_scopes: AtomicUsize,
    copies: AtomicUsize,
}

impl Count {
    /// Compares what is said of each instruction before and after.
    fn check(&self, input: &[u8], output: &[u8], offsets: &OffsetMap) -> Result<(), String> {
        let mut texts = Texts::default();
        let [before, after] = [input, output].map(|wasm| read(wasm, &mut texts));
        let (old, new) = (Code::of(input), Code::of(output));
        let first = old.instructions.iter().flatten().copied();
        let kept = first.filter_map(|old| Some((old, offsets.new_offset(old as usize)? as u64)));
        let kept: Vec<_> = kept.collect();
        self.instructions.fetch_add(kept.len(), Relaxed);
        compare((&before, &after), &kept, true, &texts, self)?;
        let copies = new.instructions[old.bodies.len()..].iter().flatten();
        let copies =
            copies.filter_map(|new| Some((offsets.old_offset(*new as usize)? as u64, *new)));
        let mut copies: Vec<_> = copies.collect();
        self.copies.fetch_add(copies.len(), Relaxed);
        compare((&before, &after), &copies, false, &texts, self)?;
        copies.dedup();
        Ok(())
    }
}

fn compare(
    (before, after): (&Table, &Table),
    pairs: &[(u64, u64)],
    with_variables: bool,
    texts: &Texts,
    count: &Count,
) -> Result<(), String> {
    let mut by_old: Vec<_> = pairs.iter().map(|(old, _)| *old).collect();
    by_old.sort_unstable();
    by_old.dedup();
    let old_scopes = before.scopes(&by_old, with_variables);
    let new: Vec<_> = pairs.iter().map(|(_, new)| *new).collect();
    let new_scopes = after.scopes(&new, with_variables);
    for ((old, new), scopes) in pairs.iter().zip(&new_scopes) {
        let (line, new_line) = (before.line(*old), after.line(*new));
        if line != new_line {
            let text = |line: Option<usize>| line.map(|line| texts.text(line).to_owned());
            let (line, new_line) = (text(line), text(new_line));
            return Err(format!("{old:#x} at {new:#x}: line {line:?} became {new_line:?}"));
        }
        let old_scopes = &old_scopes[by_old.binary_search(old).unwrap()];
        if old_scopes != scopes {
            let text = |scopes: &[usize]| -> Vec<_> {
                scopes.iter().map(|what| texts.text(*what).to_owned()).collect()
            };
            let (old_scopes, scopes) = (text(old_scopes), text(scopes));
            return Err(format!("{old:#x} at {new:#x}: {old_scopes:#?} became {scopes:#?}"));
        }
        count.with_lines.fetch_add(usize::from(line.is_some()), Relaxed);
        count.in_scopes.fetch_add(scopes.len(), Relaxed);
    }
    Ok(())
}

/// The module with DWARF of a version, that says something of every instruction.
fn with_dwarf(wasm: &[u8], version: u16) -> Vec<u8> {
    let code = Code::of(wasm);
    let encoding = Encoding { format: Format::Dwarf32, version, address_size: 4 };
    let mut dwarf = DwarfUnit::new(encoding);
    let mut text = |text: &str| LineString::new(text, encoding, &mut dwarf.line_strings);
    let (directory, name) = (text("/src"), text("main.c"));
    let mut program =
        LineProgram::new(encoding, LineEncoding::default(), directory, None, name.clone(), None);
    let directory = program.default_directory();
    let files = [program.add_file(name, directory, None), {
        let other = LineString::new("other.c", encoding, &mut dwarf.line_strings);
        program.add_file(other, directory, None)
    }];
    dwarf.unit.line_program = program;
    let root = dwarf.unit.root();
    let callee = dwarf.unit.add(root, dw::DW_TAG_subprogram);
    dwarf.unit.get_mut(callee).set(dw::DW_AT_name, AttributeValue::String(b"callee".to_vec()));
    let mut ranges = Vec::new();
    for (ordinal, (body, instructions)) in code.bodies.iter().zip(&code.instructions).enumerate() {
        let (start, end) = (body.start - code.start, body.end - code.start);
        ranges
            .push(Range::StartEnd { begin: Address::Constant(start), end: Address::Constant(end) });
        let program = &mut dwarf.unit.line_program;
        program.begin_sequence(Some(Address::Constant(start)));
        for (number, instruction) in [body.start].iter().chain(instructions).enumerate() {
            let row = program.row();
            row.address_offset = instruction - body.start;
            row.line = (ordinal * 1000 + number / 2 * 7 % 501 + 1) as u64;
            row.column = (number % 5) as u64;
            row.file = files[number / 3 % 2];
            row.is_statement = number % 3 != 0;
            row.prologue_end = number == 1;
            row.discriminator = if version >= 4 { (number % 4) as u64 } else { 0 };
            program.generate_row();
        }
        program.end_sequence(end - start);
        let at = |position: usize| {
            let offset = instructions[(instructions.len() - 1) * position / 8];
            Address::Constant(offset - code.start)
        };
        add_func(&mut dwarf, (ordinal, version), (start, end), callee, &at);
    }
    let ranges = dwarf.unit.ranges.add(RangeList(ranges));
    let root = dwarf.unit.get_mut(root);
    root.set(dw::DW_AT_low_pc, AttributeValue::Address(Address::Constant(0)));
    root.set(dw::DW_AT_ranges, AttributeValue::RangeListRef(ranges));
    append(wasm, dwarf)
}

/// A function with a block in two parts, in which there is an inlined function, and a variable in several places.
fn add_func(
    dwarf: &mut DwarfUnit,
    (ordinal, version): (usize, u16),
    (start, end): (u64, u64),
    callee: UnitEntryId,
    at: &dyn Fn(usize) -> Address,
) {
    let size = |begin: &Address, end: &Address| match (begin, end) {
        (Address::Constant(begin), Address::Constant(end)) => {
            AttributeValue::Data4((end - begin) as u32)
        }
        _ => unreachable!("all are constant"),
    };
    let high = |begin: Address, end: Address| {
        if version >= 4 { size(&begin, &end) } else { AttributeValue::Address(end) }
    };
    let unit = &mut dwarf.unit;
    let func = unit.add(unit.root(), dw::DW_TAG_subprogram);
    let (start, end) = (Address::Constant(start), Address::Constant(end));
    unit.get_mut(func).set(dw::DW_AT_name, AttributeValue::String(format!("f{ordinal}").into()));
    unit.get_mut(func).set(dw::DW_AT_low_pc, AttributeValue::Address(start));
    unit.get_mut(func).set(dw::DW_AT_high_pc, high(start, end));
    let spans = |begin: usize, end: usize| at(begin) != at(end);
    let pairs = [(1, 3), (5, 7)].into_iter().filter(|(begin, end)| spans(*begin, *end));
    let pairs = pairs.map(|(begin, end)| Range::StartEnd { begin: at(begin), end: at(end) });
    let list = unit.ranges.add(RangeList(pairs.collect()));
    let block = unit.add(func, dw::DW_TAG_lexical_block);
    unit.get_mut(block).set(dw::DW_AT_ranges, AttributeValue::RangeListRef(list));
    let inlined = unit.add(block, dw::DW_TAG_inlined_subroutine);
    let entry = unit.get_mut(inlined);
    entry.set(dw::DW_AT_abstract_origin, AttributeValue::UnitRef(callee));
    entry.set(dw::DW_AT_low_pc, AttributeValue::Address(at(2)));
    entry.set(dw::DW_AT_high_pc, high(at(2), at(3)));
    entry.set(dw::DW_AT_call_line, AttributeValue::Udata(ordinal as u64 + 5));
    let place = |begin: usize, end: usize, register: u16| {
        let mut data = Expression::new();
        data.op_reg(Register(register));
        Location::StartEnd { begin: at(begin), end: at(end), data }
    };
    let places = [(0, 2, 1), (3, 6, 2), (6, 8, 3)].into_iter();
    let places = places.filter(|(begin, end, _)| spans(*begin, *end));
    let places = places.map(|(begin, end, register)| place(begin, end, register));
    let list = unit.locations.add(LocationList(places.collect()));
    let variable = unit.add(func, dw::DW_TAG_variable);
    let entry = unit.get_mut(variable);
    entry.set(dw::DW_AT_name, AttributeValue::String(b"x".to_vec()));
    entry.set(dw::DW_AT_location, AttributeValue::LocationListRef(list));
}

/// The fixture's module, as binary.
fn input(fixture: &Fixture) -> Result<Vec<u8>, String> {
    let input = fixture.directives.input(&fixture.text)?;
    let binary = wat::parse_bytes(&input).map_err(|error| error.to_string())?;
    Ok(binary.into_owned())
}

#[test]
fn every_instruction_of_an_instrumented_module_has_its_line() {
    let count = Count::default();
    run_group("run", |fixture| {
        if fixture.directives.stand_ins {
            return Ok(());
        }
        let input = input(fixture)?;
        for (optimize, version) in
            Optimize::ALL.into_iter().flat_map(|o| [2, 3, 4, 5].map(|v| (o, v)))
        {
            let options = fixture.directives.options().optimize(optimize).map_offsets(true);
            let input = with_dwarf(&input, version);
            let output = wasm_fork::instrument(&input, &options);
            let output = output.map_err(|error| error.to_string())?;
            let warned = output.warnings.iter().any(|warning| warning.contains("debug"));
            assert!(!warned, "{:?}", output.warnings);
            count
                .check(&input, &output.wasm, &output.offsets)
                .map_err(|error| format!("version {version}, {optimize:?}: {error}"))?;
        }
        Ok(())
    });
    let Count { instructions, with_lines, in_scopes, copies } = count;
    let instructions = instructions.into_inner();
    assert!(instructions > 10_000 && with_lines.into_inner() >= instructions);
    assert!(in_scopes.into_inner() > 2 * instructions && copies.into_inner() * 10 > instructions);
}

#[test]
fn every_instruction_of_a_repaired_module_has_its_line() {
    let count = Count::default();
    run_group("shim", |fixture| {
        let input = input(fixture)?;
        for (version, mechanism) in [(4, Mechanism::Table), (5, Mechanism::RefTest)] {
            let input = with_dwarf(&input, version);
            let options = fixture.directives.shims.options.clone();
            let options = options.mechanism(mechanism).map_offsets(true);
            // What the fixture expects is not looked at here.
            if let Ok(output) = wasm_fork::shim(&input, &options) {
                count.check(&input, &output.wasm, &output.offsets)?;
            }
        }
        Ok(())
    });
    assert!(count.with_lines.into_inner() > 1000);
}

/// Of real modules: `DEBUG_OF` lists each with its entry, as `FILE=MODULE.NAME`.
#[test]
#[ignore = "real modules are not in the repository"]
fn every_instruction_of_real_modules_has_its_line() {
    let modules = std::env::var("DEBUG_OF").expect("DEBUG_OF lists modules");
    for (module, optimize) in
        modules.split_whitespace().flat_map(|m| [(m, Optimize::Balanced), (m, Optimize::Speed)])
    {
        let (file, entry) = module.split_once('=').expect("FILE=MODULE.NAME");
        let input = std::fs::read(file).unwrap();
        let entry = EntryPattern::parse(entry).unwrap();
        let options = Options::default().entries([entry]).optimize(optimize).map_offsets(true);
        let output = wasm_fork::instrument(&input, &options).unwrap();
        let count = Count::default();
        count
            .check(&input, &output.wasm, &output.offsets)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        println!(
            "{file}, {optimize:?}: {} instructions, {} of them with lines, in {} scopes; {} in resume functions",
            count.instructions.into_inner(),
            count.with_lines.into_inner(),
            count.in_scopes.into_inner(),
            count.copies.into_inner()
        );
    }
}

#[test]
fn debug_information_can_be_left_out() {
    let wat = r#"(module (import "env" "fork" (func $fork)) (memory 1) (func (export "f") (call $fork)))"#;
    let input = with_dwarf(&wat::parse_str(wat).unwrap(), 4);
    let entry = EntryPattern::exact("env", "fork");
    let options = Options::default().entries([entry]).strip_debug(true);
    let output = wasm_fork::instrument(&input, &options).unwrap();
    let has_debug = |wasm: &[u8]| wasm.windows(7).any(|bytes| bytes == b".debug_");
    assert!(has_debug(&input) && !has_debug(&output.wasm));
    assert_eq!(output.warnings, Vec::<String>::new());
    let plain = wasm_fork::instrument(&input, &options.strip_debug(false)).unwrap();
    assert!(has_debug(&plain.wasm));
    let options = ShimOptions::default().all_sites(true);
    let untouched = wasm_fork::shim(&input, &options).unwrap();
    assert_eq!(untouched.wasm, input, "nothing moved");
}
