//! What makes a command fail: what the library refuses, and what only the command line can meet. Texts about flags and
//! commands are here, for the library knows of neither.

use std::io;
use wasm_fork::text::escape;
use wasm_fork::{Error, RefusalKind, Refusals};

/// The result of everything that a command does.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The library's reason.
    #[error(transparent)]
    Library(#[from] Error),
    /// A file or stream could not be read or written.
    #[error("can't {action} {path}: {source}")]
    Io {
        /// "read", "write" or "run".
        action: &'static str,
        /// The path, or a name for a standard stream.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file that lists functions has none.
    #[error("the list in {path} has no functions; write one a line")]
    EmptyList {
        /// The path.
        path: String,
    },
    /// A file that should hold stack traces has none that can be read.
    #[error(
        "{path} has no stack frame of WebAssembly code in it; give what the engine printed when it trapped"
    )]
    NoTrace {
        /// The path.
        path: String,
    },
    /// What should be text is none.
    #[error("the text in {path} can't be used: it is not UTF-8 from byte {valid_up_to} on")]
    NotUtf8 {
        /// The path.
        path: String,
        /// How many bytes are.
        valid_up_to: usize,
    },
    /// A file of flags says what can't be.
    #[error("the flags in {path} can't be used: {what}")]
    Config {
        /// The path.
        path: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// There is no file of flags.
    #[error(
        "no {name} is in {folder} or above it; write one there, or name a file with --config FILE"
    )]
    NoConfig {
        /// What the file is called.
        name: &'static str,
        /// Where the search begins.
        folder: String,
    },
    /// Started by a linker's name, with no linker to run.
    #[error(
        "started as {name}, but no other wasm-ld is on PATH; name one by the variable {variable}"
    )]
    NoLinker {
        /// The name that it was started by.
        name: String,
        /// The variable.
        variable: &'static str,
    },
    /// Started in place of wasm-opt, with none to run.
    #[error("no other wasm-opt is on PATH; name one by the variable {variable}")]
    NoWasmOpt {
        /// The variable.
        variable: &'static str,
    },
    /// A command line of wasm-opt can't be done.
    #[error("this command line of wasm-opt can't be done: {0}")]
    WasmOpt(String),
    /// A storm found a difference, or can't be made.
    #[error("{0}")]
    Storm(String),
    /// A program can't be run.
    #[error("{0}")]
    Run(String),
    /// Of rewritten functions nothing is known.
    #[error(
        "rewritten functions that were not checked: {functions}; --allow-unchecked ends with status 0 all the same"
    )]
    Unchecked {
        /// How many.
        functions: usize,
    },
    /// Functions of a profile are none of a module's.
    #[error(
        "functions of the profile that are not found in the module: {functions}; record them again from this build"
    )]
    Lost {
        /// How many.
        functions: usize,
    },
    /// The threads can't be started.
    #[error("the threads can't be started: {0}; name fewer with --threads")]
    Threads(String),
}

impl Failure {
    /// The failure in words: a line, or one for each refusal.
    pub(super) fn lines(&self) -> Vec<String> {
        let lines = match self {
            Failure::Library(Error::Refused(refusals)) => {
                let no_memory = no_memory(refusals);
                let hint = |line| match line {
                    line if no_memory.as_ref() == Some(&line) => format!("{line}: --own-memory"),
                    line => line,
                };
                refusals.lines().map(hint).collect()
            }
            Failure::Library(error) => vec![with_hint(error)],
            failure => vec![failure.to_string()],
        };
        lines.iter().map(|line| escape(line).into_owned()).collect()
    }
}

impl Failure {
    /// What there is to say besides, a line each.
    pub(super) fn details(&self) -> Vec<String> {
        let Failure::Library(Error::Unfaithful { around, .. }) = self else { return Vec::new() };
        around.iter().map(|line| escape(line).into_owned()).collect()
    }
}

/// The line that says that there is no memory for frames, if one does.
fn no_memory(refusals: &Refusals) -> Option<String> {
    let mut refusals = refusals.iter();
    refusals.find(|refusal| refusal.kind == RefusalKind::NoMemory).map(ToString::to_string)
}

/// The library's error, with the flags and commands that help.
pub(super) fn with_hint(error: &Error) -> String {
    let hint = match error {
        Error::MissingEntry { .. } => {
            "`wasm-fork imports IN` lists what it imports, and --allow-missing-entry accepts a module \
             without the entry"
        }
        Error::MissingReentrant { .. } | Error::NoSuchImport { .. } => {
            "`wasm-fork imports IN` lists what it imports"
        }
        Error::NoSuchSite { .. } => "`wasm-fork shim IN --report` prints it",
        Error::BadEntry { .. } => "or use --entry-module and --entry-name",
        _ => return error.to_string(),
    };
    format!("{error}; {hint}")
}
