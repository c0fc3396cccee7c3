//! What a caller may ask for, resolved and typed: the command line is parsed elsewhere.

pub use crate::abi::Abi;
use crate::cpu_profile::CpuProfile;
use crate::error::{Error, Result};
use crate::pattern::Pattern;
use crate::profile::Profile;
use crate::text::count;
use std::collections::BTreeMap;
use std::fmt;

/// Which function imports are meant: a pattern of the module name and one of the field name.
///
/// In both, a `*` stands for any text, and `\*` for a star.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPattern {
    pub(crate) module: Pattern,
    pub(crate) name: Pattern,
}

impl EntryPattern {
    /// The pattern for exactly this module and field name.
    pub fn exact(module: impl Into<String>, name: impl Into<String>) -> Self {
        EntryPattern { module: Pattern::exact(module), name: Pattern::exact(name) }
    }

    /// The pattern for the fields of exactly this module that the pattern `name` matches.
    pub fn of_module(module: impl Into<String>, name: &str) -> Self {
        EntryPattern { module: Pattern::exact(module), name: Pattern::parse(name) }
    }

    /// Reads `MODULE.NAME` or `"MODULE".NAME`; splits at the last dot unless the module is quoted. What is
    /// in quotes stands for itself; elsewhere a `*` matches any text, unless a backslash is in front of it.
    ///
    /// # Errors
    /// [`Error::BadEntry`] if there is no dot, no name, or a quote is left open.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |reason: &str| Error::BadEntry { entry: text.into(), reason: reason.into() };
        let (module, name) = if let Some(rest) = text.strip_prefix('"') {
            let (module, rest) =
                rest.split_once('"').ok_or_else(|| bad("the quote is not closed"))?;
            let name =
                rest.strip_prefix('.').ok_or_else(|| bad("a dot must follow the quoted module"))?;
            (Pattern::exact(module), name)
        } else {
            let (module, name) = text.rsplit_once('.').ok_or_else(|| bad("it has no dot"))?;
            (Pattern::parse(module), name)
        };
        if name.is_empty() {
            return Err(bad("the name after the dot is empty"));
        }
        Ok(EntryPattern { module, name: Pattern::parse(name) })
    }

    /// Whether the import `module`.`name` is meant.
    pub fn matches(&self, module: &str, name: &str) -> bool {
        self.module.matches(module) && self.name.matches(name)
    }
}

/// As [`EntryPattern::parse`] reads it.
impl fmt::Display for EntryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!("{}.{}", self.module, self.name);
        match EntryPattern::parse(&plain) {
            Ok(read) if read == *self => f.write_str(&plain),
            _ => write!(f, "\"{}\".{}", self.module.literal(), self.name),
        }
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

/// Which functions are meant: an index, or a pattern of names. A `*` stands for any text, and `\*` for a
/// star.
///
/// Names are export names, names of the name section as they stand there, and these demangled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncPattern(pub String);

impl FuncPattern {
    /// The functions of exactly this name.
    pub fn exact(name: &str) -> FuncPattern {
        FuncPattern(Pattern::exact(name).to_string())
    }
}

/// Which tables are meant: an index, or a pattern of the names of exports and imports, as for functions.
///
/// An import's name is its field name, or both names with a dot between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern(pub String);

/// Which memory is meant: an index, or a pattern of the names of exports and imports, as for tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPattern(pub String);

impl MemoryPattern {
    /// Whether the memory with this index and these names is meant.
    pub(crate) fn matches(&self, index: usize, names: &[String]) -> bool {
        match self.0.parse::<usize>() {
            Ok(number) => number == index,
            Err(_) => {
                let pattern = Pattern::parse(&self.0);
                names.iter().any(|name| pattern.matches(name))
            }
        }
    }
}

/// Which memory frames go to, and with them what the host puts in front of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FramesIn {
    /// The module's first memory: the one with index 0.
    #[default]
    First,
    /// Another of its memories.
    Memory(MemoryPattern),
    /// One that is added for them alone: of one page at first, with 32-bit addresses, and exported as `wpk_fork_memory`. Where the
    /// module has a memory already, the output has several, which not all engines know.
    Own,
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for FuncPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Assumption::NoFork(pattern) => write!(f, "no entry is ever called below `{pattern}`"),
            Assumption::NotCalled(pattern) => write!(f, "`{pattern}` is never called"),
            Assumption::Only(patterns) => {
                let listed = count(patterns.len(), "listed function");
                write!(f, "an entry is only called below {listed}")
            }
            Assumption::Profile(profile) => {
                let seen = profile.functions.iter().filter(|seen| seen.count > 0).count();
                let seen = count(seen, "function");
                write!(f, "an entry is only called below the {seen} of a profile")
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

    /// Its name.
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

    /// Its name.
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
///
/// ```
/// use wasm_fork::{Assumption, EntryPattern, FuncPattern, Optimize, Options};
///
/// # fn main() -> wasm_fork::Result<()> {
/// let options = Options::default()
///     .entries([EntryPattern::parse("env.fork")?, EntryPattern::parse("env.sleep*")?])
///     .assume(Assumption::NoFork(FuncPattern("panic_*".into())))
///     .optimize(Optimize::Size);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The entries, united. Default: `kernel.kernel_fork`.
    pub entries: Vec<EntryPattern>,
    /// Other imports that may call back into the module before they return, through an export or
    /// any function reference that the host can have. A call of one is like a call of each of those.
    pub reentrant: Vec<EntryPattern>,
    /// Imports that may lead into another module which unwinds by itself: entries in all but name.
    pub through: Vec<EntryPattern>,
    /// Tables that may hold functions of such modules.
    pub through_tables: Vec<TablePattern>,
    /// What narrows the closure beyond what is proved, at the price of guards.
    pub assumptions: Vec<Assumption>,
    /// How far calls through values are followed.
    pub precision: Precision,
    /// What instrumented functions are to be good at.
    pub optimize: Optimize,
    /// Where time is spent: the functions that carry nine tenths of the closure's time are put apart, whatever `optimize` says.
    pub cpu_profile: Option<CpuProfile>,
    /// The forms of single functions, by their indices in the function index space, which go before `optimize`. A function
    /// that can't have the form is rewritten in place.
    pub forms: BTreeMap<u32, Form>,
    /// Whether the resume functions go into a module of their own: [`Output::resume_module`](crate::Output::resume_module). The
    /// output then has two tables at least where it has one already, which engines need the reference types proposal for.
    pub resume_module: bool,
    /// The protocol that the output speaks.
    pub abi: Abi,
    /// Which memory frames go to.
    pub frames_in: FramesIn,
    /// Whether to tell where the code of the input is in the output. For a large module that takes as much memory as the
    /// module. Of a module that gets stand-ins for imports (see the guide's chapter on limits) nothing is told.
    pub map_offsets: bool,
    /// Whether added functions may have several results where the module has none such, but tells that it is for engines that
    /// know them: it uses bulk memory, or what came later than multi-value.
    pub multi_value: bool,
    /// Whether `instrument` proves that each rewritten function does what its original does, as `verify` does. Builds with debug
    /// assertions always do.
    pub verify: bool,
    /// No stack is ever rewound in another instance than it was unwound in. Then all references that a rewind needs are
    /// kept; otherwise an unwind is undone that would need one which another instance can't make again.
    pub same_instance: bool,
    /// All references that a rewind needs are kept, and what keeps them is exported, so that the host can carry it over to another
    /// instance.
    pub carry_references: bool,
    /// Accept a module that imports no entry: the closure is empty and the output is the input.
    pub allow_missing_entry: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            entries: vec![EntryPattern::exact("kernel", "kernel_fork")],
            reentrant: Vec::new(),
            through: Vec::new(),
            through_tables: Vec::new(),
            assumptions: Vec::new(),
            precision: Precision::default(),
            optimize: Optimize::default(),
            cpu_profile: None,
            forms: BTreeMap::new(),
            resume_module: false,
            abi: Abi::default(),
            frames_in: FramesIn::default(),
            map_offsets: false,
            multi_value: true,
            verify: false,
            same_instance: false,
            carry_references: false,
            allow_missing_entry: false,
        }
    }
}

impl Options {
    /// Sets the entries, instead of `kernel.kernel_fork`.
    #[must_use]
    pub fn entries(mut self, entries: impl IntoIterator<Item = EntryPattern>) -> Options {
        self.entries = entries.into_iter().collect();
        self
    }

    /// Sets which other imports may call back.
    #[must_use]
    pub fn reentrant(mut self, imports: impl IntoIterator<Item = EntryPattern>) -> Options {
        self.reentrant = imports.into_iter().collect();
        self
    }

    /// Sets which imports may lead into another module that unwinds by itself.
    #[must_use]
    pub fn through(mut self, imports: impl IntoIterator<Item = EntryPattern>) -> Options {
        self.through = imports.into_iter().collect();
        self
    }

    /// Sets which tables may hold functions of such modules.
    #[must_use]
    pub fn through_tables(mut self, tables: impl IntoIterator<Item = TablePattern>) -> Options {
        self.through_tables = tables.into_iter().collect();
        self
    }

    /// Adds an assumption.
    #[must_use]
    pub fn assume(self, assumption: Assumption) -> Options {
        self.assume_all([assumption])
    }

    /// Adds assumptions.
    #[must_use]
    pub fn assume_all(mut self, assumptions: impl IntoIterator<Item = Assumption>) -> Options {
        self.assumptions.extend(assumptions);
        self
    }

    /// Sets how far calls through values are followed.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Options {
        self.precision = precision;
        self
    }

    /// Sets what instrumented functions are to be good at.
    #[must_use]
    pub fn optimize(mut self, optimize: Optimize) -> Options {
        self.optimize = optimize;
        self
    }

    /// Sets where time is spent; `None` if that is not known.
    #[must_use]
    pub fn cpu_profile(mut self, profile: impl Into<Option<CpuProfile>>) -> Options {
        self.cpu_profile = profile.into();
        self
    }

    /// Sets the form of the function with this index in the function index space.
    #[must_use]
    pub fn form(mut self, func: u32, form: Form) -> Options {
        self.forms.insert(func, form);
        self
    }

    /// Sets whether the resume functions go into a module of their own.
    #[must_use]
    pub fn resume_module(mut self, apart: bool) -> Options {
        self.resume_module = apart;
        self
    }

    /// Sets the protocol that the output speaks.
    #[must_use]
    pub fn abi(mut self, abi: Abi) -> Options {
        self.abi = abi;
        self
    }

    /// Sets which memory frames go to.
    #[must_use]
    pub fn frames_in(mut self, memory: FramesIn) -> Options {
        self.frames_in = memory;
        self
    }

    /// Sets whether to tell where the code of the input is in the output.
    #[must_use]
    pub fn map_offsets(mut self, map: bool) -> Options {
        self.map_offsets = map;
        self
    }

    /// Sets [`Options::multi_value`].
    #[must_use]
    pub fn multi_value(mut self, multi_value: bool) -> Options {
        self.multi_value = multi_value;
        self
    }

    /// Sets whether `instrument` proves what it writes, function by function.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Options {
        self.verify = verify;
        self
    }

    /// Sets whether stacks are only rewound in the instance that they were unwound in.
    #[must_use]
    pub fn same_instance(mut self, same: bool) -> Options {
        self.same_instance = same;
        self
    }

    /// Sets whether what keeps references is exported, so that the host can carry it over to another instance.
    #[must_use]
    pub fn carry_references(mut self, carry: bool) -> Options {
        self.carry_references = carry;
        self
    }

    /// Sets whether a module that imports no entry is accepted.
    #[must_use]
    pub fn allow_missing_entry(mut self, allow: bool) -> Options {
        self.allow_missing_entry = allow;
        self
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
    fn a_star_matches_any_text() {
        let entry = EntryPattern::parse("env.invoke_*").unwrap();
        assert!(entry.matches("env", "invoke_vii"));
        assert!(!entry.matches("env", "other"));
        let entry = EntryPattern::parse(r"wasi*.*_\*rite").unwrap();
        assert!(entry.matches("wasi_snapshot_preview1", "fd_*rite"));
        assert!(!entry.matches("wasi_snapshot_preview1", "fd_write"));
        assert!(EntryPattern::parse("nodot").is_err());
        assert!(EntryPattern::parse("a.").is_err());
    }

    #[test]
    fn an_entry_is_read_as_it_is_written() {
        let read =
            ["kernel.fork", "a.b.c", "\"a.b\".c.d", "\"a*\".b", r"env.a\*b*", "*.*", "\"\".a.b"];
        for entry in read.map(|text| EntryPattern::parse(text).unwrap()) {
            assert_eq!(EntryPattern::parse(&entry.to_string()).unwrap(), entry, "{entry}");
        }
        assert_eq!(EntryPattern::of_module("a.b", "c.*").to_string(), "\"a.b\".c.*");
    }
}
