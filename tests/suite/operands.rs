//! Debug information of values on the operand stack: where a debugger looks for one, it is, or it is told that it isn't known.
//!
//! Each fixture gets DWARF that says, for the lowest values and each instruction, that they are on the operand stack. Of the output it is known from
//! its own validation how many values lie there, and their types: so many must be said to be there, in their order, and the others may be in a local
//! of their type, or nowhere. (An entry of a list of version 4 has no room to become several: there less may be said.)
//!
//! Not proved here: that such a local holds that value and no other.

use crate::fixtures::golden::{Fixture, run_group};
use gimli::constants as dw;
use gimli::write::{
    Address, AttributeValue, DwarfUnit, EndianVec, Expression, Location, LocationList, Sections,
};
use gimli::{Encoding, EndianSlice, Format, LittleEndian, Operation};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_encoder::{CustomSection, Encode, Section};
use wasm_fork::{OffsetMap, Optimize};
use wasmparser::{Operator, Parser, Payload, ValType, ValidPayload, Validator, WasmFeatures};

/// Of so many values, from the bottom, it is said where they are.
const POSITIONS: usize = 3;

/// What is on the operand stack where an instruction begins: the types from the bottom.
struct Instruction {
    range: Range<u64>,
    stack: Vec<ValType>,
    func: usize,
}

/// The instructions of a module that can be reached; offsets in the file.
#[derive(Default)]
struct Code {
    start: u64,
    bodies: Vec<Range<u64>>,
    instructions: Vec<Instruction>,
    /// The types of each defined function's locals.
    locals: Vec<Vec<ValType>>,
}

impl Code {
    fn of(wasm: &[u8]) -> Code {
        let mut code = Code::default();
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.unwrap();
            if let Payload::CodeSectionStart { unchecked_range, .. } = &payload {
                code.start = unchecked_range.start;
            }
            if let ValidPayload::Func(func, body) = validator.payload(&payload).unwrap() {
                let mut validator = func.into_validator(Default::default());
                let mut reader = body.get_binary_reader();
                validator.read_locals(&mut reader).unwrap();
                let count = validator.len_locals();
                code.locals
                    .push((0..count).map(|at| validator.get_local_type(at).unwrap()).collect());
                let mut operators = body.get_operators_reader().unwrap();
                while !operators.eof() {
                    let height = validator.operand_stack_height() as usize;
                    let live =
                        validator.get_control_frame(0).is_some_and(|frame| !frame.unreachable);
                    let (operator, start): (Operator<'_>, _) =
                        operators.read_with_offset().unwrap();
                    let range = start..operators.original_position();
                    if live {
                        let types = (0..height).rev();
                        let types = types.map(|depth| validator.get_operand_type(depth).unwrap());
                        let stack = types.map(|ty| ty.expect("live code")).collect();
                        let func = code.bodies.len();
                        code.instructions.push(Instruction { range, stack, func });
                    }
                    validator.op(start, &operator).unwrap();
                }
                code.bodies.push(body.range());
            }
        }
        code
    }

    /// The instruction that begins at an offset.
    fn at(&self, offset: u64) -> Option<&Instruction> {
        let at = self.instructions.binary_search_by_key(&offset, |i| i.range.start).ok()?;
        Some(&self.instructions[at])
    }
}

/// The module with DWARF of a version, which says where the lowest values of each function are.
fn with_dwarf(wasm: &[u8], code: &Code, version: u16) -> Vec<u8> {
    let encoding = Encoding { format: Format::Dwarf32, version, address_size: 4 };
    let mut dwarf = DwarfUnit::new(encoding);
    let root = dwarf.unit.root();
    let low = AttributeValue::Address(Address::Constant(0));
    dwarf.unit.get_mut(root).set(dw::DW_AT_low_pc, low);
    for (number, body) in code.bodies.iter().enumerate() {
        let func = dwarf.unit.add(root, dw::DW_TAG_subprogram);
        let [low, high] = [body.start, body.end].map(|at| Address::Constant(at - code.start));
        dwarf.unit.get_mut(func).set(dw::DW_AT_low_pc, AttributeValue::Address(low));
        let high = match (version, high) {
            (4.., Address::Constant(high)) => {
                AttributeValue::Data4((high - (body.start - code.start)) as u32)
            }
            (_, high) => AttributeValue::Address(high),
        };
        dwarf.unit.get_mut(func).set(dw::DW_AT_high_pc, high);
        for position in 0..POSITIONS {
            let mut ranges: Vec<Range<u64>> = Vec::new();
            let instructions = code.instructions.iter();
            let inside = instructions.filter(|i| i.func == number && i.stack.len() > position);
            for Instruction { range, .. } in inside {
                match ranges.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => ranges.push(range.clone()),
                }
            }
            let locations = ranges.into_iter().map(|range| {
                let mut data = Expression::new();
                data.op_wasm_stack(position as u32);
                data.op(dw::DW_OP_stack_value);
                let [begin, end] =
                    [range.start, range.end].map(|at| Address::Constant(at - code.start));
                Location::StartEnd { begin, end, data }
            });
            let list = dwarf.unit.locations.add(LocationList(locations.collect()));
            let variable = dwarf.unit.add(func, dw::DW_TAG_variable);
            let entry = dwarf.unit.get_mut(variable);
            entry.set(dw::DW_AT_name, AttributeValue::String(position.to_string().into()));
            entry.set(dw::DW_AT_location, AttributeValue::LocationListRef(list));
        }
    }
    append(wasm, dwarf)
}

/// The contents of the custom sections, by their names.
pub fn custom_sections(wasm: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut sections = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload.unwrap() {
            sections.insert(section.name().to_owned(), section.data().to_vec());
        }
    }
    sections
}

/// The module with the sections of `dwarf` behind all others.
pub fn append(wasm: &[u8], mut dwarf: DwarfUnit) -> Vec<u8> {
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections).unwrap();
    let mut wasm = wasm.to_vec();
    let mut take = |id: gimli::SectionId, data: &EndianVec<LittleEndian>| {
        if !data.slice().is_empty() {
            let section = CustomSection { name: id.name().into(), data: data.slice().into() };
            wasm.push(section.id());
            section.encode(&mut wasm);
        }
        Ok::<(), gimli::write::Error>(())
    };
    sections.for_each(&mut take).unwrap();
    wasm
}

/// Where a value is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Stack(u32),
    Local(u32),
}

/// What the DWARF of a module says of each position: addresses, in order.
type Places = [Vec<(Range<u64>, Said)>; POSITIONS];

fn places(wasm: &[u8]) -> Places {
    let sections = custom_sections(wasm);
    let load = |id: gimli::SectionId| -> gimli::Result<_> {
        Ok(EndianSlice::new(sections.get(id.name()).map_or(&[][..], |s| s), LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let mut places = Places::default();
    // Resume functions are described by units of their own, which say nothing of the operand stack.
    let header = dwarf.units().next().unwrap().unwrap();
    let unit = dwarf.unit(header).unwrap();
    let mut entries = unit.entries();
    while let Some(die) = entries.next_dfs().unwrap() {
        if die.tag() != dw::DW_TAG_variable {
            continue;
        }
        let name = dwarf.attr_string(&unit, die.attr_value(dw::DW_AT_name).unwrap()).unwrap();
        let position: usize = name.to_string_lossy().parse().unwrap();
        let list = die.attr_value(dw::DW_AT_location).unwrap();
        let mut list = dwarf.attr_locations(&unit, list).unwrap().unwrap();
        while let Some(entry) = list.next().unwrap() {
            let mut operations = entry.data.operations(unit.encoding());
            let said = match operations.next().unwrap() {
                Some(Operation::WasmStack { index }) => Said::Stack(index),
                Some(Operation::WasmLocal { index }) => Said::Local(index),
                None => continue,
                other => panic!("{other:?}"),
            };
            assert_eq!(operations.next().unwrap(), Some(Operation::StackValue));
            let gimli::Range { begin, end } = entry.range;
            if begin < end {
                places[position].push((begin..end, said));
            }
        }
    }
    places.iter_mut().for_each(|places| places.sort_by_key(|(range, _)| range.start));
    places
}

/// How many values are said to be on the operand stack, in a local, and nowhere.
#[derive(Default)]
struct Count([AtomicUsize; 3]);

fn check(
    (before, output): (&Code, &[u8]),
    offsets: &OffsetMap,
    is_whole: bool,
    Count([on_stack, in_locals, nowhere]): &Count,
) -> Result<(), String> {
    let (after, places) = (Code::of(output), places(output));
    for old in &before.instructions {
        let Some(new) = offsets.new_offset(old.range.start as usize) else { continue };
        let Some(now) = after.at(new as u64) else { continue };
        let problem = |what: String| Err(format!("{:#x} at {new:#x}: {what}", old.range.start));
        // A call in the place of another may take more.
        let takes_more = now.stack.starts_with(&old.stack);
        let away = old.stack.len().checked_sub(now.stack.len()).or(takes_more.then_some(0));
        let Some(away) = away else {
            return problem(format!("{:?} became {:?}", old.stack, now.stack));
        };
        // Of the lowest values that are looked at, those that are away.
        let mut found_away = 0;
        let looked_at = old.stack.len().min(POSITIONS);
        for (position, places) in places.iter().enumerate().take(looked_at) {
            let address = new as u64 - after.start;
            let mut said = places.iter().filter(|(range, _)| range.contains(&address));
            let (said, more) = (said.next().map(|(_, said)| *said), said.next());
            if let Some(more) = more {
                return problem(format!("{position} is at {said:?} and {more:?}"));
            }
            let ty = match said {
                Some(Said::Stack(at)) => now.stack.get(at as usize),
                Some(Said::Local(local)) => after.locals[now.func].get(local as usize),
                None => Some(&old.stack[position]),
            };
            let is_same = |ty: &ValType| {
                *ty == old.stack[position]
                    || ty.is_reference_type() && old.stack[position].is_reference_type()
            };
            if !ty.is_some_and(is_same) {
                return problem(format!("{position} is at {said:?}, of type {ty:?}"));
            }
            match said {
                Some(Said::Stack(at)) => {
                    let below = position - at as usize;
                    if below > away || is_whole && below != found_away {
                        return problem(format!("{position} is at {said:?}, and {away} are away"));
                    }
                    on_stack.fetch_add(1, Relaxed);
                }
                Some(Said::Local(_)) => {
                    found_away += 1;
                    in_locals.fetch_add(1, Relaxed);
                }
                None => {
                    found_away += 1;
                    nowhere.fetch_add(1, Relaxed);
                }
            }
        }
        let more = if old.stack.len() > looked_at { away } else { found_away };
        if is_whole && !(found_away..=more).contains(&away) {
            return problem(format!("{away} are away, and {found_away} are said to be"));
        }
    }
    Ok(())
}

#[test]
fn values_on_the_operand_stack_are_found_where_they_are() {
    let (whole, old) = (Count::default(), Count::default());
    run_group("run", |fixture: &Fixture| {
        if fixture.directives.stand_ins {
            return Ok(());
        }
        let input = fixture.directives.input(&fixture.text)?;
        let input = wat::parse_bytes(&input).map_err(|error| error.to_string())?;
        let before = Code::of(&input);
        for version in [4, 5] {
            let input = with_dwarf(&input, &before, version);
            for optimize in Optimize::ALL {
                let options = fixture.directives.options().optimize(optimize).map_offsets(true);
                let output = wasm_fork::instrument(&input, &options);
                let output = output.map_err(|error| error.to_string())?;
                let (is_whole, count) = if version == 5 { (true, &whole) } else { (false, &old) };
                let pair = (&before, &output.wasm[..]);
                check(pair, &output.offsets, is_whole, count)
                    .map_err(|error| format!("version {version}, {optimize:?}: {error}"))?;
            }
        }
        Ok(())
    });
    let [whole, old] = [whole, old].map(|Count(count)| count.map(AtomicUsize::into_inner));
    let [on_stack, in_locals, nowhere] = whole;
    assert!(on_stack > 10_000 && in_locals > 100, "{whole:?}");
    assert!(nowhere < in_locals, "{whole:?}");
    let [old_on_stack, old_in_locals, _] = old;
    assert!(old_on_stack * 10 > on_stack * 8 && old_in_locals > 0, "{old:?} of {whole:?}");
}
