//! **emit**: writes a module that is the input with entries appended to its sections and some bodies
//! replaced. Shared by every rewriting; decides nothing.
//!
//! Input: a [`Module`], `Additions` and replacements for bodies. Output: the bytes of the new module.
//!
//! Invariants: what is not replaced is copied byte for byte; entries are only appended and no import
//! is added, so no index of the input changes its meaning. Custom sections that speak of code by its
//! offset stay if every body stays where it was in the code section; else they are left out.

mod custom;
mod sections;
mod types;

pub use custom::Dropped;
pub(crate) use custom::NewNames;
pub(crate) use custom::left_out;
pub(crate) use types::{NewTypes, Signature};

use crate::error::Result;
use crate::index::FuncIdx;
use crate::read::Module;
use std::collections::BTreeMap;
use wasm_encoder::{Encode, SectionId};

/// A module as it was written.
#[derive(Debug)]
pub struct Emitted {
    /// Its bytes.
    pub wasm: Vec<u8>,
    /// The custom sections that would be wrong now, and so were left out.
    pub dropped: Vec<Dropped>,
    /// By how many bytes each replaced body grew, in index order; unreachable code is left out, so a
    /// body may also shrink.
    pub added: Vec<(FuncIdx, i64)>,
}

/// What is appended to the sections of a module.
#[derive(Default)]
pub(crate) struct Additions {
    entries: BTreeMap<u8, Entries>,
    /// The bodies of the appended functions, without the sizes in front; their types are entries of the function section.
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) names: NewNames,
    /// The start function, instead of the one that the module has.
    pub(crate) start: Option<FuncIdx>,
}

/// Encoded entries of a section.
#[derive(Default)]
struct Entries {
    count: u32,
    bytes: Vec<u8>,
}

impl Additions {
    /// Appends an entry, encoded, to a section.
    pub(crate) fn entry(&mut self, section: SectionId, encode: impl FnOnce(&mut Vec<u8>)) {
        let entries = self.entries.entry(section as u8).or_default();
        entries.count += 1;
        encode(&mut entries.bytes);
    }

    /// Appends the entries of an encoded section.
    pub(crate) fn section(&mut self, section: &impl wasm_encoder::Section) {
        let mut bytes = Vec::new();
        section.encode(&mut bytes);
        let (count, contents) = sections::vector_entries(&bytes);
        let entries = self.entries.entry(section.id()).or_default();
        entries.count += count;
        entries.bytes.extend_from_slice(contents);
    }

    /// Appends a function of type `ty`, by its body without the size in front.
    pub(crate) fn func(&mut self, ty: u32, body: Vec<u8>) {
        self.entry(SectionId::Function, |out| ty.encode(out));
        self.bodies.push(body);
    }

    /// Appends signatures to the type section.
    pub(crate) fn types(&mut self, types: &NewTypes) {
        let mut section = wasm_encoder::TypeSection::new();
        for Signature { params, results } in types.signatures() {
            section.ty().function(params.iter().copied(), results.iter().copied());
        }
        if !section.is_empty() {
            self.section(&section);
        }
    }
}

/// Writes `module` with `additions`; `bodies` replace those of the input, in index order, each
/// without the size in front.
///
/// # Errors
/// [`crate::Error::Internal`] if a section of the input can't be read once more.
pub(crate) fn assemble(
    module: &Module<'_>,
    additions: &Additions,
    bodies: Vec<(FuncIdx, Vec<u8>)>,
) -> Result<Emitted> {
    sections::assemble(module, additions, bodies)
}
