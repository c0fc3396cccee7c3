//! `.debug_frame` of what was rewritten: each instruction has the row that it had, in functions that go on where others left off, too.
//!
//! No compiler writes it for WebAssembly; the fixtures get one made here, with a row of its own for every few instructions.

use crate::debug::Code;
use crate::fixtures::golden::{Fixture, run_group};
use crate::operands::custom_sections;
use gimli::write::{
    Address, CallFrameInstruction, CommonInformationEntry, DebugFrame, EndianVec,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{
    BaseAddresses, CfaRule, Encoding, Format, LittleEndian, Register, UnwindContext, UnwindSection,
};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_encoder::{CustomSection, Encode, Section};
use wasm_fork::Optimize;

/// What each of these offsets, that are in order, has for the place of the caller's frame.
fn rows(wasm: &[u8], offsets: impl Iterator<Item = u64>) -> Vec<Option<i64>> {
    let (code, sections) = (Code::of(wasm), custom_sections(wasm));
    let mut section = gimli::DebugFrame::new(&sections[".debug_frame"], LittleEndian);
    section.set_address_size(4);
    let bases = BaseAddresses::default();
    let mut context = UnwindContext::new();
    let row = |offset: u64| {
        let find = gimli::DebugFrame::cie_from_offset;
        let address = offset - code.start;
        let row = section.unwind_info_for_address(&bases, &mut context, address, find).ok()?;
        match row.cfa() {
            CfaRule::RegisterAndOffset { offset, .. } => Some(*offset),
            CfaRule::Expression(_) => None,
        }
    };
    offsets.map(row).collect()
}

/// The module with a section in which instructions have rows.
fn with_frames(wasm: &[u8], version: u16) -> Vec<u8> {
    let code = Code::of(wasm);
    let encoding = Encoding { format: Format::Dwarf32, version, address_size: 4 };
    let mut table = FrameTable::default();
    let mut head = CommonInformationEntry::new(encoding, 1, -4, Register(1));
    head.add_instruction(CallFrameInstruction::Cfa(Register(0), 8));
    let head = table.add_cie(head);
    for (ordinal, (body, instructions)) in code.bodies.iter().zip(&code.instructions).enumerate() {
        let start = Address::Constant(body.start - code.start);
        let mut entry = FrameDescriptionEntry::new(start, (body.end - body.start) as u32);
        for (number, offset) in instructions.iter().enumerate().step_by(2) {
            let at = (offset - body.start) as u32;
            let to = (ordinal * 1000 + number + 16) as i32;
            entry.add_instruction(at, CallFrameInstruction::CfaOffset(to));
            entry.add_instruction(at, CallFrameInstruction::Offset(Register(3), -8));
        }
        table.add_fde(head, entry);
    }
    let mut section = DebugFrame::from(EndianVec::new(LittleEndian));
    table.write_debug_frame(&mut section).unwrap();
    let mut wasm = wasm.to_vec();
    let section = CustomSection { name: ".debug_frame".into(), data: section.slice().into() };
    wasm.push(section.id());
    section.encode(&mut wasm);
    wasm
}

#[test]
fn each_instruction_has_its_row() {
    let (compared, copied) = (AtomicUsize::new(0), AtomicUsize::new(0));
    run_group("run", |fixture: &Fixture| {
        if fixture.directives.stand_ins {
            return Ok(());
        }
        let input = fixture.directives.input(&fixture.text)?;
        let input = wat::parse_bytes(&input).map_err(|error| error.to_string())?;
        for (optimize, version) in Optimize::ALL.into_iter().flat_map(|o| [(o, 3), (o, 4)]) {
            let input = with_frames(&input, version);
            let options = fixture.directives.options().optimize(optimize).map_offsets(true);
            let output = wasm_fork::instrument(&input, &options);
            let output = output.map_err(|error| error.to_string())?;
            let (before, after) = (Code::of(&input), Code::of(&output.wasm));
            let offsets = &output.offsets;
            let pairs = after.instructions.iter().enumerate().flat_map(|(body, instructions)| {
                let is_copy = body >= before.bodies.len();
                instructions.iter().filter_map(move |new| {
                    let old = offsets.old_offset(*new as usize)? as u64;
                    Some((old, *new, is_copy))
                })
            });
            let pairs: Vec<_> = pairs.collect();
            let old = rows(&input, pairs.iter().map(|(old, ..)| *old));
            let new = rows(&output.wasm, pairs.iter().map(|(_, new, _)| *new));
            for (((at, place, is_copy), old), new) in pairs.iter().zip(&old).zip(&new) {
                if old.is_none() || old != new {
                    return Err(format!(
                        "version {version}, {optimize:?}: {at:#x} at {place:#x}: {old:?} became {new:?}"
                    ));
                }
                if *is_copy { &copied } else { &compared }.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    });
    let [compared, copied] = [compared, copied].map(AtomicUsize::into_inner);
    assert!(compared > 10_000 && copied * 10 > compared, "{compared}, {copied} in copies");
}
