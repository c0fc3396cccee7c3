//! **emit**: writes a module that is the input with items appended to its sections and some bodies
//! replaced. Shared by every rewriting; decides nothing.
//!
//! Input: a [`Module`], `Additions` and replacements for bodies. Output: the bytes of the new module.
//!
//! Invariants: what is not replaced is copied byte for byte; items are only appended and no import
//! is added, so no index of the input changes its meaning. Custom sections that speak of code by its
//! offset stay if every body stays where it was in the code section; else debug information (`dwarf`) and what is said of
//! instructions (`hints`) are moved with the code, what else there is of it is left out, and a build id is renewed. A section that
//! the input lacks goes where readers expect it. (Two change indices before anything else looks at the module: `import_globals` adds
//! imports, of globals, and `define_imports` makes functions of imports; and `resume_module` writes another module, of what was
//! rewritten.)

mod build_id;
mod code;
mod custom;
mod debug_file;
mod define_imports;
mod displaced;
mod dwarf;
mod hints;
mod import_globals;
mod offsets;
mod order;
mod reencoded;
mod resume_module;
mod sections;
mod source_map;
mod splice;
mod types;
mod well_formed;

pub(crate) use code::Code;
pub use custom::Dropped;
pub(crate) use custom::NewNames;
pub(crate) use custom::left_out;
pub use debug_file::Separated;
pub(crate) use debug_file::{join as join_debug_file, separate as separate_debug_file};
pub(crate) use define_imports::define_imports;
pub(crate) use displaced::Displaced;
pub(crate) use import_globals::import_globals;
pub use offsets::OffsetMap;
pub(crate) use reencoded::reencoded;
pub(crate) use resume_module::{ResumeFunc, ResumeModule, pair};
pub(crate) use source_map::source_map;
pub(crate) use splice::{CopyOf, Edited, Splice};
pub(crate) use types::{NewTypes, Signature};

use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::limits::{Limit, Sizes};
use crate::read::Module;
use crate::refusal::{Refusal, RefusalKind, Refusals};
use std::collections::{BTreeMap, BTreeSet};
use wasm_encoder::{Encode, SectionId};
use wasmparser::ExternalKind;

/// A module as it was written.
#[derive(Debug)]
pub struct Emitted {
    /// Its bytes.
    pub wasm: Vec<u8>,
    /// The custom sections that would be wrong now, and so were left out.
    pub dropped: Vec<Dropped>,
    /// What is to be known of debug information, one sentence each.
    pub remarks: Vec<String>,
    /// By how many bytes each replaced body grew, in index order; unreachable code is left out, so a
    /// body may also shrink.
    pub added: Vec<(FuncIdx, i64)>,
    /// Where the code of the input is in the output.
    pub offsets: OffsetMap,
}

/// What is appended to the sections of a module.
#[derive(Default)]
pub(crate) struct Additions {
    items: BTreeMap<u8, Items>,
    /// The bodies of the appended functions; their types are items of the function section.
    pub(crate) bodies: Vec<Edited>,
    pub(crate) names: NewNames,
    /// What is exported, by kind and index.
    exported: BTreeSet<(u8, u32)>,
    /// The parameters and results of the input's functions among it.
    interface: u64,
    /// Whether it is noted where the input's code is in the output. Without, nothing that speaks of code can be mended.
    pub(crate) maps_offsets: bool,
    /// Whether debug information is left out.
    pub(crate) strips_debug: bool,
    /// Where the source map is going to be.
    pub(crate) source_map_url: Option<String>,
    /// Where debug information is going to be, if in a file of its own.
    pub(crate) debug_file_url: Option<String>,
    /// The start function, instead of the one that the module has.
    pub(crate) start: Option<FuncIdx>,
}

/// Encoded items of a section.
#[derive(Default)]
struct Items {
    count: u32,
    bytes: Vec<u8>,
}

impl Additions {
    /// Appends an item, encoded, to a section.
    pub(crate) fn item(&mut self, section: SectionId, encode: impl FnOnce(&mut Vec<u8>)) {
        let items = self.items.entry(section as u8).or_default();
        items.count += 1;
        encode(&mut items.bytes);
    }

    /// Appends an export.
    pub(crate) fn export(&mut self, name: &str, kind: ExternalKind, index: u32) {
        let kind = wasm_encoder::ExportKind::from(kind);
        self.item(SectionId::Export, |out| {
            name.encode(out);
            kind.encode(out);
            index.encode(out);
        });
        self.exported.insert((kind as u8, index));
    }

    /// Whether one of the exports that are appended is of this.
    fn is_exported(&self, kind: ExternalKind, index: u32) -> bool {
        self.exported.contains(&(wasm_encoder::ExportKind::from(kind) as u8, index))
    }

    /// Appends the items of an encoded section.
    pub(crate) fn section(&mut self, section: &impl wasm_encoder::Section) {
        let mut bytes = Vec::new();
        section.encode(&mut bytes);
        let (count, contents) = sections::vector_items(&bytes);
        let items = self.items.entry(section.id()).or_default();
        items.count += count;
        items.bytes.extend_from_slice(contents);
    }

    /// Appends a function of type `ty`, by its body; as bytes without the size in front.
    pub(crate) fn func(&mut self, ty: u32, body: impl Into<Edited>) {
        self.item(SectionId::Function, |out| ty.encode(out));
        self.bodies.push(body.into());
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

impl Additions {
    /// Refuses what would make the module larger than engines accept.
    ///
    /// # Errors
    /// [`Error::Refused`] with the index space or added function that is too large.
    pub(crate) fn check_limits(&self, module: &Module<'_>) -> Result<()> {
        let sizes = module.sizes() + self.sizes();
        if let Some((limit, number)) = sizes.exceeded() {
            return Err(refused(format!("the output would have {}", limit.exceeded(number))));
        }
        for (index, body) in (module.funcs.len() as u32..).zip(&self.bodies) {
            let bytes = body.bytes.len() as u64;
            if Limit::BodyBytes.is_exceeded_by(bytes) {
                let exceeded = Limit::BodyBytes.exceeded(bytes);
                return Err(Error::Refused(self.body_refusal(FuncIdx(index), &exceeded).into()));
            }
        }
        Ok(())
    }

    /// That the body of a function that is added is too large.
    fn body_refusal(&self, func: FuncIdx, exceeded: &str) -> Refusal {
        let mut names = self.names.funcs.iter().rev();
        let name = names.find(|(index, _)| *index == func.0);
        let name = name.map_or("-", |(_, name)| name.as_str());
        let what = format!("the added function `{name}` would have {exceeded}");
        Refusal::of_module(RefusalKind::Limit, what)
    }

    /// Moves the bodies of the functions to the end of the code.
    pub(crate) fn append_to(&mut self, code: &mut Code<'_, '_>) {
        std::mem::take(&mut self.bodies).iter().for_each(|body| code.append(body));
    }

    fn sizes(&self) -> Sizes {
        let added = |section: SectionId| {
            self.items.get(&(section as u8)).map_or(0, |items| u64::from(items.count))
        };
        Sizes {
            types: added(SectionId::Type),
            functions: added(SectionId::Function),
            tables: added(SectionId::Table),
            memories: added(SectionId::Memory),
            tags: added(SectionId::Tag),
            globals: added(SectionId::Global),
            exports: added(SectionId::Export),
            element_segments: added(SectionId::Element),
            // What is exported is mostly functions, with two parameters and results at most.
            interface: added(SectionId::Export) * 4 + self.interface,
        }
    }
}

/// The error for a limit that the whole module would exceed.
fn refused(what: String) -> Error {
    Error::Refused(Refusal::of_module(RefusalKind::Limit, what).into())
}

/// Writes `module` with `additions`; `bodies` replace those of the input, in index order.
///
/// # Errors
/// As [`assemble_with`].
pub(crate) fn assemble(
    module: &Module<'_>,
    additions: &mut Additions,
    bodies: Vec<(FuncIdx, Edited)>,
) -> Result<Emitted> {
    let mut code = Code::new(module, additions.maps_offsets)?;
    bodies.iter().for_each(|(func, body)| code.push(*func, body));
    assemble_with(module, additions, code)
}

/// Writes `module` with `additions` and this code, which lacks the bodies of the additions at its end, if any.
///
/// # Errors
/// [`Error::Refused`] if the module or a body would be larger than engines accept; [`Error::Internal`] if a
/// section of the input can't be read once more.
pub(crate) fn assemble_with(
    module: &Module<'_>,
    additions: &mut Additions,
    mut code: Code<'_, '_>,
) -> Result<Emitted> {
    additions.check_limits(module)?;
    additions.append_to(&mut code);
    check_bodies(module, additions, &code)?;
    let emitted = sections::assemble(module, additions, code)?;
    let bytes = emitted.wasm.len() as u64;
    if Limit::ModuleBytes.is_exceeded_by(bytes) {
        let exceeded = Limit::ModuleBytes.exceeded(bytes);
        return Err(refused(format!("the output would have {exceeded}")));
    }
    Ok(emitted)
}

/// Refuses all bodies that are too large, at once.
fn check_bodies(module: &Module<'_>, additions: &Additions, code: &Code<'_, '_>) -> Result<()> {
    let refusal = |(func, bytes): &(FuncIdx, u64)| {
        let exceeded = Limit::BodyBytes.exceeded(*bytes);
        let Some(body) = module.body(*func) else {
            return additions.body_refusal(*func, &exceeded);
        };
        let what = format!("the output would have {exceeded}");
        let start = body.range().start as usize;
        Refusal::at(module.location(*func, start), RefusalKind::Limit, what)
    };
    let refusals: Refusals = code.too_large().iter().map(refusal).collect();
    if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
}
