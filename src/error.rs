//! What can go wrong, each with what, where and what to do.

use crate::limits::Limit;
use crate::location::Location;
use crate::refusal::Refusals;
use crate::text::escape;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a module or a request was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input has no module in it, not even a broken one.
    #[error("not a WebAssembly module: {found}; give a core module (.wasm) or its text (.wat)")]
    #[non_exhaustive]
    NotWasm {
        /// What the bytes look like instead.
        found: String,
    },
    /// The input is text that doesn't parse.
    #[error("the text does not parse: {message}; correct it, or give a binary module")]
    #[non_exhaustive]
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
    #[error("the module is not valid: {message} (at offset {offset:#x}); rebuild it")]
    #[non_exhaustive]
    Invalid {
        /// The validator's message.
        message: String,
        /// Offset in bytes from the start of the input module.
        offset: usize,
    },
    /// The input ends within a section.
    #[error(
        "the module is cut off: {missing} bytes of {section} section are missing (at offset \
         {offset:#x}); get the whole file"
    )]
    #[non_exhaustive]
    Truncated {
        /// The section, with its article.
        section: String,
        /// How many bytes are missing.
        missing: u64,
        /// The size of the input in bytes.
        offset: usize,
    },
    /// The module uses a proposal that isn't supported.
    #[error(
        "the module uses the {proposal} proposal (at offset {offset:#x}), which is not supported; build \
         without it"
    )]
    #[non_exhaustive]
    Proposal {
        /// The proposal's name.
        proposal: &'static str,
        /// Offset in bytes from the start of the input module.
        offset: usize,
    },
    /// The module is beyond a limit that engines share.
    #[error(
        "the module has {} (at offset {offset:#x}); split it",
        .limit.exceeded(*.number)
    )]
    #[non_exhaustive]
    Limit {
        /// Which limit.
        limit: Limit,
        /// The number that exceeds it.
        number: u64,
        /// Offset in bytes from the start of the input module.
        offset: usize,
    },
    /// A source map can't be moved.
    #[error(
        "the source map can't be moved: {reason}; give the one that was made with the module, or none"
    )]
    #[non_exhaustive]
    SourceMap {
        /// What is wrong with it.
        reason: String,
    },
    /// A file with debug information can't be put together with the module.
    #[error(
        "the debug file can't be moved: {reason}; give the one that was made with the module, or none"
    )]
    #[non_exhaustive]
    DebugFile {
        /// What is wrong with it.
        reason: String,
    },
    /// No function import matches an entry pattern.
    #[error(
        "the module does not import the entry `{entry}`{}; name a function that it imports",
        near_names(.near)
    )]
    #[non_exhaustive]
    MissingEntry {
        /// The pattern as the user gave it.
        entry: String,
        /// Function imports with similar names, most similar first.
        near: Vec<String>,
    },
    /// No function import matches a pattern of those that may call back.
    #[error(
        "the module does not import `{pattern}`, which is said to call back{}; name a function that it imports",
        near_names(.near)
    )]
    #[non_exhaustive]
    MissingReentrant {
        /// The pattern as the user gave it.
        pattern: String,
        /// Function imports with similar names, most similar first.
        near: Vec<String>,
    },
    /// No function import matches a pattern of those that are taken not to call back.
    #[error(
        "the module does not import `{pattern}`, which is assumed not to call back{}; name a function that it imports",
        near_names(.near)
    )]
    #[non_exhaustive]
    NoSuchImport {
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
    #[non_exhaustive]
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
    #[non_exhaustive]
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
        "`{pattern}` means no indirect call that could be repaired: {reason}; name one that the report has"
    )]
    #[non_exhaustive]
    NoSuchSite {
        /// The pattern as the user gave it.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// No table matches a pattern.
    #[error("no table is called `{pattern}`; {}", tables_there(.tables))]
    #[non_exhaustive]
    NoSuchTable {
        /// The pattern as the user gave it.
        pattern: String,
        /// The tables that the module has, each with its index and names.
        tables: Vec<String>,
    },
    /// No memory matches a pattern.
    #[error("no memory is called `{pattern}`; {}", memories_there(.memories))]
    #[non_exhaustive]
    NoSuchMemory {
        /// The pattern as the user gave it.
        pattern: String,
        /// The memories that the module has, each with its index and names.
        memories: Vec<String>,
    },
    /// Several memories match a pattern.
    #[error("`{pattern}` means several memories: {}; name one of them", escape(&.memories.join(", ")))]
    #[non_exhaustive]
    SeveralMemories {
        /// The pattern as the user gave it.
        pattern: String,
        /// The memories that it means, each with its index and names.
        memories: Vec<String>,
    },
    /// A profile can't be read.
    #[error("the profile in {origin} can't be used: {reason}")]
    #[non_exhaustive]
    BadProfile {
        /// Where it comes from: a path.
        origin: String,
        /// What is wrong with it, with line and column where there is one.
        reason: String,
    },
    /// What a test run recorded can't be read.
    #[error("the recorded calls in {origin} can't be used: {reason}")]
    #[non_exhaustive]
    BadRecord {
        /// Where they come from: a path.
        origin: String,
        /// What is wrong, with line and column where there is one.
        reason: String,
    },
    /// Bytes of a buffer are no frames of a module.
    #[error("no profile can be made of the frames in {origin}: {reason}")]
    #[non_exhaustive]
    BadFrames {
        /// Where they come from: a path.
        origin: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A profile was recorded from another build of the module.
    #[error(
        "the profile does not fit this module: {function} {reason}; record it again from this build"
    )]
    #[non_exhaustive]
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
    #[non_exhaustive]
    OnlyCompares {
        /// The level.
        precision: &'static str,
    },
    /// An entry pattern can't be read.
    #[error("the entry `{entry}` can't be read: {reason}; write MODULE.NAME or \"MODULE\".NAME")]
    #[non_exhaustive]
    BadEntry {
        /// The pattern as the user gave it.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The module can't be instrumented, for all of these reasons; on several lines, if there are several.
    #[error("{0}")]
    Refused(Refusals),
    /// The module uses a feature that can't be preserved yet, not bound to one instruction.
    #[error("unsupported: {what}; {advice}")]
    #[non_exhaustive]
    UnsupportedModule {
        /// The feature, by the specification's name.
        what: String,
        /// What the user can do.
        advice: String,
    },
    /// An instruction of a function in the closure can't be preserved.
    #[error("unsupported: {what} in {location}; {advice}")]
    #[non_exhaustive]
    Unsupported {
        /// The instruction or construct, by the specification's name.
        what: String,
        /// Where it is.
        location: Location,
        /// What the user can do.
        advice: String,
    },
    /// A module is not what was made of another.
    #[error("the output is not the input, instrumented: {reason}; make it again from this input")]
    #[non_exhaustive]
    Unfaithful {
        /// In what they differ.
        reason: String,
        /// The instructions around, of both modules, a line each; and what else there is to say.
        around: Vec<String>,
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

fn memories_there(memories: &[String]) -> String {
    match memories {
        [] => "the module has no memory".into(),
        [only] => format!("the module has memory {}", escape(only)),
        memories => format!("the module has the memories {}", escape(&memories.join(", "))),
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

/// What an [`Error`] is about: whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is no module that can be read.
    Input,
    /// What was asked for doesn't fit the module, or can't be understood.
    Request,
    /// The module is a valid one, but something in it can't be preserved.
    Unsupported,
    /// A mistake of this crate.
    Internal,
}

impl Error {
    /// Whom the error concerns.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotWasm { .. }
            | Error::Text { .. }
            | Error::Component
            | Error::Invalid { .. }
            | Error::Truncated { .. }
            | Error::Proposal { .. }
            | Error::Limit { .. } => ErrorKind::Input,
            Error::MissingEntry { .. }
            | Error::MissingReentrant { .. }
            | Error::NoSuchImport { .. }
            | Error::NoSuchFunction { .. }
            | Error::NoSuchIndex { .. }
            | Error::NoSuchSite { .. }
            | Error::NoSuchTable { .. }
            | Error::NoSuchMemory { .. }
            | Error::SeveralMemories { .. }
            | Error::BadProfile { .. }
            | Error::BadFrames { .. }
            | Error::BadRecord { .. }
            | Error::StaleProfile { .. }
            | Error::SourceMap { .. }
            | Error::DebugFile { .. }
            | Error::OnlyCompares { .. }
            | Error::BadEntry { .. }
            | Error::Unfaithful { .. } => ErrorKind::Request,
            Error::Refused(_) | Error::UnsupportedModule { .. } | Error::Unsupported { .. } => {
                ErrorKind::Unsupported
            }
            Error::Internal(_) => ErrorKind::Internal,
        }
    }

    /// Where reading the input stopped, in bytes from its start, if the error tells.
    pub fn offset(&self) -> Option<usize> {
        match self {
            Error::Invalid { offset, .. }
            | Error::Truncated { offset, .. }
            | Error::Proposal { offset, .. }
            | Error::Limit { offset, .. } => Some(*offset),
            Error::Unsupported { location, .. } => Some(location.offset),
            _ => None,
        }
    }

    /// The error for a body that was validated and yet can't be parsed once more.
    pub(crate) fn misread(error: &wasmparser::Error) -> Error {
        Error::Internal(format!("a validated body fails to parse: {error}"))
    }
}
