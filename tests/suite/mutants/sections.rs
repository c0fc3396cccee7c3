//! Faults outside of bodies: one byte of one item is another.

use std::ops::Range;
use wasmparser::{Parser, Payload};

/// A fault: its name, where it is, and the module with it.
pub type Fault = (&'static str, usize, Vec<u8>);

/// For every section but code and custom ones, each byte of its items changed in turn.
pub fn faults(wasm: &[u8]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.unwrap();
        let kind = match payload {
            Payload::TypeSection(_) => "a type changed",
            Payload::ImportSection(_) => "an import changed",
            Payload::FunctionSection(_) => "a function's type changed",
            Payload::TableSection(_) => "a table changed",
            Payload::MemorySection(_) => "a memory changed",
            Payload::GlobalSection(_) => "a global's initial value changed",
            Payload::ExportSection(_) => "an export changed",
            Payload::StartSection { .. } => "the start changed",
            Payload::ElementSection(_) => "an element changed",
            Payload::DataSection(_) => "data changed",
            Payload::TagSection(_) => "a tag changed",
            _ => continue,
        };
        let Some((_, range)) = payload.as_section() else { continue };
        let range: Range<usize> = range.start as usize + 1..range.end as usize;
        for at in range {
            let mut mutant = wasm.to_vec();
            mutant[at] ^= 1;
            faults.push((kind, at, mutant));
        }
    }
    faults
}
