//! A program to run: a module, what to call in it, and what its host must provide.

use crate::engine::config;
use std::ops::Range;
use std::sync::OnceLock;
use wasm_fork::{EntryPattern, Output};
use wasmtime::{Engine, Module, Result};

/// A call of an export.
#[derive(Clone, Debug)]
pub struct Invoke {
    pub export: String,
    /// Arguments as text; their types come from the export.
    pub args: Vec<String>,
}

/// A table slot that the host fills with an exported function, right after instantiation.
#[derive(Clone, Debug)]
pub struct HostSlot {
    pub table: String,
    pub slot: u64,
    pub export: String,
}

/// Which memory frames go to.
#[derive(Clone, Debug, Default)]
pub enum FrameMemory {
    /// The first that is exported, or else imported.
    #[default]
    First,
    /// The one that is exported or imported under this name.
    Named(String),
    /// One that the tool adds.
    Own,
}

/// How many ways to unwind are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// A few entry calls and buffer sizes, for programs that run long.
    Low,
    /// Every way.
    #[default]
    Full,
}

impl Effort {
    /// How many entry calls are tried one by one; evenly spread if there are more.
    pub fn calls(self) -> usize {
        match self {
            Effort::Low => 3,
            Effort::Full => 12,
        }
    }

    /// How many buffer sizes are tried for an entry call; evenly spread.
    pub fn sizes(self) -> usize {
        match self {
            Effort::Low => 3,
            Effort::Full => 48,
        }
    }
}

/// What to do with a module, apart from its bytes.
#[derive(Clone, Debug)]
pub struct Spec {
    pub entries: Vec<EntryPattern>,
    pub invokes: Vec<Invoke>,
    pub script: Vec<i64>,
    /// Exports that may be called while a stack is away; they call no entry.
    pub interludes: Vec<Invoke>,
    pub host_slots: Vec<HostSlot>,
    pub memory: FrameMemory,
    /// A region of the module's own memory for the buffer; without it the host adds pages.
    pub buffer: Option<Range<usize>>,
    /// How much the host adds.
    pub buffer_bytes: usize,
    /// The instance has state that a copy of memory and the buffer don't carry (changed tables,
    /// dropped segments), so only the same instance may rewind, and only once.
    pub same_instance_only: bool,
    /// The program keeps references that no copy of the instance can have, so only the same instance may rewind.
    pub keeps_references: bool,
    /// It keeps references, and its host carries them over to a fresh instance.
    pub carries_references: bool,
    /// Each of its stacks is rewound once at most.
    pub rewinds_once: bool,
    /// Every unwind meets such references, without leave to keep them: it is undone, and the entry fails.
    pub undone: bool,
    pub effort: Effort,
}

impl Default for Spec {
    fn default() -> Self {
        Spec {
            entries: vec![EntryPattern::exact("env", "fork")],
            invokes: Vec::new(),
            script: Vec::new(),
            interludes: Vec::new(),
            host_slots: Vec::new(),
            memory: FrameMemory::First,
            buffer: None,
            buffer_bytes: super::memory::PAGE_BYTES,
            same_instance_only: false,
            keeps_references: false,
            carries_references: false,
            rewinds_once: false,
            undone: false,
            effort: Effort::Full,
        }
    }
}

/// A module, and its resume module if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a> {
    pub wasm: &'a [u8],
    pub resume_module: Option<&'a [u8]>,
}

impl<'a> From<&'a [u8]> for Binary<'a> {
    fn from(wasm: &'a [u8]) -> Self {
        Binary { wasm, resume_module: None }
    }
}

impl<'a> From<&'a Vec<u8>> for Binary<'a> {
    fn from(wasm: &'a Vec<u8>) -> Self {
        Binary { wasm, resume_module: None }
    }
}

impl<'a> From<&'a Output> for Binary<'a> {
    fn from(output: &'a Output) -> Self {
        Binary { wasm: &output.wasm, resume_module: output.resume_module.as_deref() }
    }
}

/// A compiled module with its [`Spec`].
pub struct Program<'a> {
    pub module: Module,
    pub resume_module: Option<Module>,
    pub spec: &'a Spec,
}

impl<'a> Program<'a> {
    pub fn new(Binary { wasm, resume_module }: Binary<'_>, spec: &'a Spec) -> Result<Self> {
        let compile = |wasm| Module::from_binary(engine(), wasm);
        let resume_module = resume_module.map(compile).transpose()?;
        Ok(Program { module: compile(wasm)?, resume_module, spec })
    }
}

/// Fuel for one instance: far more than any test program needs, so that a rewrite that never ends
/// is a difference and not a hang.
pub const FUEL: u64 = 200_000_000;

/// The engine of all tests: all proposals on.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = config();
        config.wasm_threads(true).shared_memory(true);
        Engine::new(&config).expect("the engine supports these proposals")
    })
}
