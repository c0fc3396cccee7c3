//! A compiled module, and what of it the kit has to know.

use super::Failure;
use super::adapter::Adapter;
use super::engine::config;
use crate::error::Result as Read;
use crate::host::program as host;
use crate::index::{IndexType, MemoryIdx};
use crate::options::Options;
use crate::plan;
use crate::read;
use std::collections::BTreeSet;
use wasmparser::ExternalKind;
use wasmtime::{Engine, Result};

/// How deep the stack of a guest may get, in bytes. A thread of a test has twice as much.
const STACK_BYTES: usize = 1 << 20;

/// A module that can be run.
pub(super) struct Program {
    pub(super) compiled: host::Program,
    pub(super) adapter: Adapter,
}

impl Program {
    pub(super) fn new(
        engine: &Engine,
        wasm: &[u8],
        resume_module: Option<&[u8]>,
    ) -> Result<Program> {
        let compiled = host::Program::new(engine, wasm, resume_module)?;
        let adapter = Adapter::new(engine, &compiled.module)?;
        Ok(Program { compiled, adapter })
    }
}

/// With fuel, so that a program which no longer ends is a difference.
pub(super) fn engine() -> Result<Engine> {
    let mut config = config();
    config.max_wasm_stack(STACK_BYTES);
    Engine::new(&config)
}

/// Where the frames of a program go, as its host finds that memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    /// What is exported under this name by original and instrumented module.
    Exported(String),
    /// The memory import with this ordinal among the memory imports.
    Imported(usize),
    /// The memory that was added.
    Own,
}

/// What the original tells of itself that an engine doesn't.
pub(super) struct Outline {
    /// Functions that it exports and imports: what a host calls there is its own.
    pub(super) exported_imports: BTreeSet<String>,
    pub(super) frames: Frames,
    /// The first that no host sees, and so can't be copied.
    pub(super) hidden: Option<String>,
}

impl Outline {
    pub(super) fn of(original: &[u8], options: &Options) -> Result<Outline, Failure> {
        let module = read::Module::read(original).map_err(Failure::Refused)?;
        let index = of_frames(&module, options).map_err(Failure::Refused)?;
        let described = |index: MemoryIdx| module.described(ExternalKind::Memory, index.0);
        let mut all = module.memories.iter_enumerated();
        if let Some((index, _)) = all.find(|(_, memory)| memory.ty.shared) {
            let memory = described(index);
            return Err(Failure::Setup(format!(
                "memory {memory} is shared, and the kit runs one thread; build without threads"
            )));
        }
        let all = module.memories.indices();
        let mut hidden = all.filter(|memory| place(&module, *memory).is_none());
        let hidden = hidden.next();
        let frames = match index {
            None => Frames::Own,
            Some(index) => place(&module, index).ok_or_else(|| {
                Failure::Setup(format!(
                    "frames go to memory {}, which is neither exported nor imported, so no host can put a buffer there; export it, or let \
                     frames go to a memory of their own",
                    described(index)
                ))
            })?,
        };
        let exported_imports = module.exports.iter().filter(|export| {
            export.kind == ExternalKind::Func && (export.index as usize) < module.imported_funcs
        });
        let exported_imports = exported_imports.map(|export| export.name.to_owned()).collect();
        Ok(Outline { exported_imports, frames, hidden: hidden.map(described) })
    }
}

/// The memory that frames go to, unless it is one that is added.
fn of_frames(module: &read::Module<'_>, options: &Options) -> Read<Option<MemoryIdx>> {
    let (memory, added) = plan::memory_of_frames(module, options)?;
    Ok(added.is_none().then_some(memory.index))
}

fn place(module: &read::Module<'_>, index: MemoryIdx) -> Option<Frames> {
    let is_it = |export: &&wasmparser::Export<'_>| {
        export.kind == ExternalKind::Memory && export.index == index.0
    };
    if let Some(export) = module.exports.iter().find(is_it) {
        return Some(Frames::Exported(export.name.to_owned()));
    }
    module.memories[index].import.map(|_| Frames::Imported(index.as_usize()))
}
