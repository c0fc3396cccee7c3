//! What a caller may ask for, resolved and typed: the command line is parsed elsewhere.

use crate::error::{Error, Result};
use crate::profile::Profile;
use std::collections::BTreeMap;

/// The protocol between the instrumented module and its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abi {
    /// `wpk_fork_*`: state in six exports, frames in a buffer that the host provides.
    #[default]
    WpkFork,
}

impl Abi {
    /// The name as `--abi` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Abi::WpkFork => "wpk-fork",
        }
    }
}

/// Which function imports are entries: a module name and a field name, the latter or both with
/// an optional trailing `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPattern {
    /// The import's module name, exact unless `module_prefix`.
    pub module: String,
    /// The import's field name, exact unless `name_prefix`.
    pub name: String,
    /// Whether `module` matches as a prefix.
    pub module_prefix: bool,
    /// Whether `name` matches as a prefix.
    pub name_prefix: bool,
}

impl EntryPattern {
    /// The pattern for exactly this module and field name.
    pub fn exact(module: impl Into<String>, name: impl Into<String>) -> Self {
        EntryPattern {
            module: module.into(),
            name: name.into(),
            module_prefix: false,
            name_prefix: false,
        }
    }

    /// Reads `MODULE.NAME` or `"MODULE".NAME`; splits at the last dot unless the module is quoted;
    /// a trailing `*` of the name (or of an unquoted module) matches any ending.
    ///
    /// # Errors
    /// [`Error::BadEntry`] if there is no dot, no name, or a quote is left open.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |reason: &str| Error::BadEntry { entry: text.into(), reason: reason.into() };
        let (module, name, quoted) = if let Some(rest) = text.strip_prefix('"') {
            let (module, rest) =
                rest.split_once('"').ok_or_else(|| bad("the quote is not closed"))?;
            let name =
                rest.strip_prefix('.').ok_or_else(|| bad("a dot must follow the quoted module"))?;
            (module, name, true)
        } else {
            let (module, name) = text.rsplit_once('.').ok_or_else(|| bad("it has no dot"))?;
            (module, name, false)
        };
        if name.is_empty() {
            return Err(bad("the name after the dot is empty"));
        }
        let (name, name_prefix) = match name.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (name, false),
        };
        let (module, module_prefix) = match module.strip_suffix('*') {
            Some(prefix) if !quoted => (prefix, true),
            _ => (module, false),
        };
        Ok(EntryPattern { module: module.into(), name: name.into(), module_prefix, name_prefix })
    }

    /// Whether the import `module`.`name` is meant.
    pub fn matches(&self, module: &str, name: &str) -> bool {
        let part = |pattern: &str, prefix: bool, text: &str| {
            if prefix { text.starts_with(pattern) } else { text == pattern }
        };
        part(&self.module, self.module_prefix, module) && part(&self.name, self.name_prefix, name)
    }
}

impl std::fmt::Display for EntryPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let star = |prefix: bool| if prefix { "*" } else { "" };
        write!(
            f,
            "{}{}.{}{}",
            self.module,
            star(self.module_prefix),
            self.name,
            star(self.name_prefix)
        )
    }
}

/// What the user knows of a module beyond what can be proved. Each narrows the closure; at every call
/// that would break it, a guard stops the program before an unwind enters code that is not prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assumption {
    /// Functions that never have an entry below them on the stack.
    NoFork(FuncPattern),
    /// Functions that are never called, as far as an entry is concerned.
    NotCalled(FuncPattern),
    /// No functions but these, and those of a [`Assumption::Profile`], ever have an entry below them.
    Only(Vec<FuncPattern>),
    /// No functions but these, and those of a [`Assumption::Only`], ever have an entry below them.
    Profile(Profile),
    /// Tables that the host can see, but writes to no slot of: neither before nor while this module
    /// uses them. It may read them, and call what is in their slots.
    TablePrivate(TablePattern),
}

/// Which functions are meant: an index, or a name with an optional trailing `*`.
///
/// Names are export names, names of the name section as they stand there, and these demangled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncPattern(pub String);

/// Which tables are meant: an index, or the name of an export or import with an optional trailing `*`.
///
/// An import's name is its field name, or both names with a dot between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern(pub String);

impl std::fmt::Display for TablePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for FuncPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for Assumption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Assumption::NoFork(pattern) => write!(f, "no entry is ever called below `{pattern}`"),
            Assumption::NotCalled(pattern) => write!(f, "`{pattern}` is never called"),
            Assumption::Only(patterns) => {
                write!(f, "an entry is only called below {} listed functions", patterns.len())
            }
            Assumption::Profile(profile) => {
                let seen = profile.functions.len();
                write!(f, "an entry is only called below the {seen} functions of a profile")
            }
            Assumption::TablePrivate(pattern) => {
                write!(f, "the host writes no slot of the table `{pattern}`")
            }
        }
    }
}

/// How far the analysis follows the calls whose targets are values. Each sound level's closure is part of
/// every coarser one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Precision {
    /// Not at all: only `call` and `return_call` count. **Not sound**: a control that shows what is missed.
    Direct,
    /// Every `call_indirect` and `call_ref` may lead to an entry, as Binaryen's Asyncify has it that is
    /// given no lists. Sound, and for comparison only.
    Asyncify,
    /// By what tables hold and by types; any index can have any value.
    Types,
    /// Also by the constants that reach an operand within one function.
    Constants,
    /// Also by the constants that reach it through parameters and results of other functions.
    #[default]
    Interprocedural,
}

impl Precision {
    /// All levels: the one that is not sound, then the sound ones from the coarsest to the finest.
    pub const ALL: [Precision; 5] = [
        Precision::Direct,
        Precision::Asyncify,
        Precision::Types,
        Precision::Constants,
        Precision::Interprocedural,
    ];

    /// The name as `--precision` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Direct => "direct",
            Precision::Asyncify => "asyncify",
            Precision::Types => "types",
            Precision::Constants => "constants",
            Precision::Interprocedural => "interprocedural",
        }
    }

    /// Whether the closure is only there to be compared with: a module must not be instrumented by it.
    pub fn only_compares(self) -> bool {
        matches!(self, Precision::Direct | Precision::Asyncify)
    }

    /// # Errors
    /// [`Error::OnlyCompares`] if a module must not be instrumented by it.
    pub(crate) fn require_proof(self) -> Result<()> {
        if self.only_compares() {
            return Err(Error::OnlyCompares { precision: self.name() });
        }
        Ok(())
    }
}

/// What instrumented functions are to be good at while nothing unwinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optimize {
    /// Few bytes: every function is rewritten in place.
    Size,
    /// Functions that are likely to spend time have a resume function apart, the others are rewritten in place.
    #[default]
    Balanced,
    /// Running as fast as the original: every function has a resume function apart.
    Speed,
}

impl Optimize {
    /// All of them.
    pub const ALL: [Optimize; 3] = [Optimize::Size, Optimize::Balanced, Optimize::Speed];

    /// The name as `--optimize` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Optimize::Size => "size",
            Optimize::Balanced => "balanced",
            Optimize::Speed => "speed",
        }
    }
}

/// Where a rewind of a function goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the function's own body, which every activation passes a test and dispatches of: small.
    InPlace,
    /// In a resume function, so that nothing branches into the body: fast.
    Apart,
}

/// What to analyze and how to instrument it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The entries, united. Default: `kernel.kernel_fork`.
    pub entries: Vec<EntryPattern>,
    /// Other imports that may call back into the module before they return, through an export or
    /// any function reference that the host can have. A call of one is like a call of each of those.
    pub reentrant: Vec<EntryPattern>,
    /// What narrows the closure beyond what is proved, at the price of guards.
    pub assumptions: Vec<Assumption>,
    /// How far calls through values are followed.
    pub precision: Precision,
    /// What instrumented functions are to be good at.
    pub optimize: Optimize,
    /// The forms of single functions, by their indices in the function index space, which go before `optimize`. A function
    /// that can't have the form is rewritten in place.
    pub forms: BTreeMap<u32, Form>,
    /// The protocol that the output speaks.
    pub abi: Abi,
    /// Accept a module that imports no entry: the closure is empty and the output is the input.
    pub allow_missing_entry: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            entries: vec![EntryPattern::exact("kernel", "kernel_fork")],
            reentrant: Vec::new(),
            assumptions: Vec::new(),
            precision: Precision::default(),
            optimize: Optimize::default(),
            forms: BTreeMap::new(),
            abi: Abi::default(),
            allow_missing_entry: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_splits_at_the_last_dot() {
        let entry = EntryPattern::parse("wasi.snapshot.fd_write").unwrap();
        assert!(entry.matches("wasi.snapshot", "fd_write"));
        assert!(!entry.matches("wasi", "snapshot.fd_write"));
    }

    #[test]
    fn a_quoted_module_keeps_its_dots() {
        let entry = EntryPattern::parse("\"a.b\".c.d").unwrap();
        assert!(entry.matches("a.b", "c.d"));
        assert!(EntryPattern::parse("\"a.b\"").is_err());
        assert!(EntryPattern::parse("\"a.b").is_err());
    }

    #[test]
    fn a_trailing_star_matches_any_ending() {
        let entry = EntryPattern::parse("env.invoke_*").unwrap();
        assert!(entry.matches("env", "invoke_vii"));
        assert!(!entry.matches("env", "other"));
        assert!(EntryPattern::parse("nodot").is_err());
        assert!(EntryPattern::parse("a.").is_err());
    }
}
