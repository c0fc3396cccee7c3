//! What can go wrong, each with what, where and what to do.

use crate::index::FuncIdx;
use crate::text::escape;
use std::fmt;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in a function of the input: which function, and how far into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The function.
    pub func: FuncIdx,
    /// Its name, from the name section, an import or an export.
    pub name: Option<String>,
    /// Offset in bytes from the start of the input module.
    pub offset: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.func)?;
        if let Some(name) = &self.name {
            write!(f, " ({})", escape(name))?;
        }
        write!(f, " at offset {:#x}", self.offset)
    }
}

/// Why a module or a request was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input has no module in it, not even a broken one.
    #[error("not a WebAssembly module: {found}; give a core module (.wasm) or its text (.wat)")]
    NotWasm {
        /// What the bytes look like instead.
        found: String,
    },
    /// The input is text that doesn't parse.
    #[error("the text does not parse: {message}; correct it, or give a binary module")]
    Text {
        /// The parser's message with line and column, on one line.
        message: String,
    },
    /// The input is a component.
    #[error(
        "the input is a component, not a core module; take the core module out of it \
         (`wasm-tools component unbundle`) and rewrite that"
    )]
    Component,
    /// The input is not a valid module.
    #[error(
        "the module is not valid: {message} (at offset {offset:#x}); rebuild it, or check that it was not truncated"
    )]
    Invalid {
        /// The validator's message.
        message: String,
        /// Offset in bytes from the start of the input module.
        offset: usize,
    },
    /// The module is beyond a limit that this implementation sets, though engines may take it.
    #[error(
        "the module exceeds a limit of this tool: {message} (at offset {offset:#x}); the module itself may well be valid"
    )]
    Limit {
        /// Which limit.
        message: String,
        /// Offset in bytes from the start of the input module.
        offset: usize,
    },
    /// No function import matches an entry pattern.
    #[error(
        "the module does not import the entry `{entry}`{}; `wasm-fork imports IN` lists what it imports; \
         name one with --entry, or pass --allow-missing-entry to accept a module without it",
        near_names(.near)
    )]
    MissingEntry {
        /// The pattern as the user gave it.
        entry: String,
        /// Function imports with similar names, most similar first.
        near: Vec<String>,
    },
    /// No function import matches a pattern of those that may call back.
    #[error(
        "the module does not import `{pattern}`, which --reentrant names{}; name an import that may \
         call back, or leave it out",
        near_names(.near)
    )]
    MissingReentrant {
        /// The pattern as the user gave it.
        pattern: String,
        /// Function imports with similar names, most similar first.
        near: Vec<String>,
    },
    /// No function matches a pattern.
    #[error(
        "no function is called `{pattern}`{}; give a function's index, its export name, or its name \
         in the name section",
        near_names(.near)
    )]
    NoSuchFunction {
        /// The pattern as the user gave it.
        pattern: String,
        /// Functions with similar names, most similar first.
        near: Vec<String>,
    },
    /// No function that could be meant has this index.
    #[error(
        "no function that the module defines has the index {index}; it defines {}",
        defined(*.imported, *.functions)
    )]
    NoSuchIndex {
        /// The index as the user gave it.
        index: String,
        /// How many functions the module imports: these have the first indices.
        imported: usize,
        /// How many functions there are.
        functions: usize,
    },
    /// A pattern means no indirect call.
    #[error(
        "`{pattern}` means no indirect call that could be repaired: {reason}; `wasm-fork shim IN --report` lists them"
    )]
    NoSuchSite {
        /// The pattern as the user gave it.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// A file that should hold stack traces has none that can be read.
    #[error(
        "{path} has no stack frame of WebAssembly code in it; give what the engine printed when it trapped"
    )]
    NoTrace {
        /// The file.
        path: String,
    },
    /// No table matches a pattern.
    #[error("no table is called `{pattern}`; {}", tables_there(.tables))]
    NoSuchTable {
        /// The pattern as the user gave it.
        pattern: String,
        /// The tables that the module has, each with its index and names.
        tables: Vec<String>,
    },
    /// A file that lists functions has none.
    #[error("the list in {path} has no functions; write one a line")]
    EmptyList {
        /// The path.
        path: String,
    },
    /// A profile can't be read.
    #[error("the profile in {origin} can't be used: {reason}")]
    BadProfile {
        /// Where it comes from: a path.
        origin: String,
        /// What is wrong with it, with line and column where there is one.
        reason: String,
    },
    /// A profile was recorded from another build of the module.
    #[error(
        "the profile does not fit this module: {function} {reason}; record it again from this build"
    )]
    StaleProfile {
        /// The function by the profile's index and name.
        function: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A level of precision that only serves to compare closures.
    #[error(
        "the precision `{precision}` is for comparing closures alone; use `types`, `constants` or `interprocedural`"
    )]
    OnlyCompares {
        /// The level.
        precision: &'static str,
    },
    /// An entry pattern can't be read.
    #[error(
        "the entry `{entry}` can't be read: {reason}; write MODULE.NAME, \"MODULE\".NAME, or use --entry-module and --entry-name"
    )]
    BadEntry {
        /// The pattern as the user gave it.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The module was rewritten by a tool of this kind before.
    #[error(
        "the module is already instrumented: {evidence}; start from the module as the linker wrote it"
    )]
    AlreadyInstrumented {
        /// What shows it.
        evidence: String,
    },
    /// The module uses an export name that the ABI needs.
    #[error("the export name `{name}` is reserved for the {abi} ABI; rename that export")]
    ReservedName {
        /// The export name.
        name: String,
        /// The ABI that needs it.
        abi: &'static str,
    },
    /// There is no memory that frames could be written to.
    #[error(
        "the module has no memory, so there is nowhere to put frames; define or import one 32-bit memory"
    )]
    NoMemory,
    /// The module uses a feature that can't be preserved yet, not bound to one instruction.
    #[error("unsupported: {what}; {advice}")]
    UnsupportedModule {
        /// The feature, by the specification's name.
        what: String,
        /// What the user can do.
        advice: String,
    },
    /// An instruction of a function in the closure can't be preserved.
    #[error("unsupported: {what} in {location}; {advice}")]
    Unsupported {
        /// The instruction or construct, by the specification's name.
        what: String,
        /// Where it is.
        location: Location,
        /// What the user can do.
        advice: String,
    },
    /// A rewritten function outgrew what engines accept.
    #[error(
        "{what} of {location} would exceed the limit of {limit}; split the function, or lower its optimisation level"
    )]
    TooLarge {
        /// What outgrew its limit.
        what: &'static str,
        /// Where it is.
        location: Location,
        /// The limit, in the unit of `what`.
        limit: u64,
    },
    /// A file or stream could not be read or written.
    #[error("can't {action} {path}: {source}")]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The path, or a name for a standard stream.
        path: String,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A mistake of this tool. Nothing was written.
    #[error("internal error, please report it: {0}")]
    Internal(String),
}

fn tables_there(tables: &[String]) -> String {
    match tables {
        [] => "the module has no tables".into(),
        [only] => format!("the module has table {}", escape(only)),
        tables => format!("the module has the tables {}", escape(&tables.join(", "))),
    }
}

fn defined(imported: usize, functions: usize) -> String {
    match functions.checked_sub(imported + 1) {
        None => "none".into(),
        Some(0) => format!("function {imported} alone"),
        Some(_) => {
            let imports = if imported > 0 { ", and imports those before" } else { "" };
            format!("the functions {imported} to {}{imports}", functions - 1)
        }
    }
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        let quoted: Vec<_> = near.iter().map(|name| format!("`{}`", escape(name))).collect();
        format!(" (did you mean {}?)", quoted.join(", "))
    }
}

impl Error {
    /// The error for a body that was validated and yet can't be parsed once more.
    pub(crate) fn misread(error: &wasmparser::Error) -> Error {
        Error::Internal(format!("a validated body fails to parse: {error}"))
    }

    /// The error for a failure that `wasmparser` reports on input.
    pub(crate) fn from_parser(error: &wasmparser::Error) -> Error {
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        let offset = error.offset() as usize;
        // These are limits of the validator's implementation; the specification has none of them.
        let limit = [
            "effective type size",
            "exceeds limit",
            "out of bounds: maximum",
            "size is out of bounds",
            "too large",
            "count is out of bounds",
        ]
        .iter()
        .any(|needle| message.contains(needle));
        if limit { Error::Limit { message, offset } } else { Error::Invalid { message, offset } }
    }
}
