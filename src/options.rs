//! What a caller may ask for, resolved and typed: the command line is parsed elsewhere.

pub use crate::abi::Abi;
pub(crate) use crate::abi::Operation;
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
    /// No call through a table or a reference leads to an entry, as far as it isn't known which few functions it may be of.
    NoIndirect,
    /// Functions that can't be instrumented, and so are taken to have no entry below them: see [`Unsupported::Guard`].
    LeftOut(Vec<LeftOut>),
}

/// A function that can't be instrumented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its index in the function index space.
    pub func: u32,
    /// Why it can't be.
    pub why: String,
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
    /// One that is added for them alone: of [some pages](Options::own_memory_pages) at first, with 32-bit addresses, and exported as
    /// `wpk_fork_memory`. Where the module has a memory already, the output has several, which not all engines know.
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
            Assumption::NoIndirect => f.write_str("no entry is ever called below an indirect call"),
            Assumption::LeftOut(funcs) => {
                let funcs = count(funcs.len(), "function");
                write!(f, "no entry is ever called below {funcs} that can't be instrumented")
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

/// What a guard does with an unwind that comes to a function which is not prepared for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnprepared {
    /// The unwind is undone where that is possible: the entry is called again in state 3, so that the host can let it fail, and the
    /// program goes on. `wpk_fork_unprepared` tells the host which function it was. Elsewhere the program stops.
    #[default]
    Undo,
    /// The program stops, by a trap in a function called by the one that is not prepared.
    Trap,
}

/// What is to be done with functions that can't be instrumented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The module is refused.
    #[default]
    Refuse,
    /// They are left as they are, and the calls by which an unwind would come to them are guarded.
    Guard,
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
    /// Imports that call back no function of the closure: calls of them need no guards.
    pub no_callback: Vec<EntryPattern>,
    /// Tables that hold no functions of other instances: calls through them need no guards for such, and those that are guarded for
    /// another reason can be made again.
    pub tables_own: Vec<TablePattern>,
    /// What narrows the closure beyond what is proved, at the price of guards.
    pub assumptions: Vec<Assumption>,
    /// Functions that stay in the closure although assumptions leave them out, as far as they may have an entry below them at all; and so do
    /// their callers, unless assumptions say something else of those.
    pub kept: Vec<FuncPattern>,
    /// What guards do.
    pub on_unprepared: OnUnprepared,
    /// What is to be done with functions that can't be instrumented.
    pub unsupported: Unsupported,
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
    /// How many pages of 64 KiB a memory has at first that is added for frames ([`FramesIn::Own`]): one, unless it is said otherwise.
    /// Of a 32-bit memory there are at most 65,536.
    pub own_memory_pages: u32,
    /// Whether to tell where the code of the input is in the output. For a large module that takes as much memory as the
    /// module. Of a module that gets stand-ins for imports (see the guide's chapter on limits) nothing is told.
    pub map_offsets: bool,
    /// Whether debug information is left out: DWARF, and what says where a source map or debug information is. Otherwise it is moved
    /// with the code. Names of functions stay.
    pub strip_debug: bool,
    /// Where the source map of the output is going to be: what the section `sourceMappingURL` says then, if the module has one. Without, that
    /// is left out, for it names a map of the input. [`source_map()`](crate::source_map()) makes the map of the output.
    pub source_map_url: Option<String>,
    /// Where the debug information of the output is going to be, if in a file of its own: what the section `external_debug_info` says then, if the
    /// module has one. [`join_debug_file`](crate::join_debug_file) and [`separate_debug_file`](crate::separate_debug_file) do the rest.
    pub debug_file_url: Option<String>,
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
    /// instance; and where functions are among them, a table by which it finds which function of that instance is which of this one.
    pub carry_references: bool,
    /// No stack is rewound twice, so that a reference that is kept is let go by the rewind: for hosts of `asyncify`, which release none.
    pub rewind_once: bool,
    /// Accept a module that imports no entry: the closure is empty and the output is the input.
    pub allow_missing_entry: bool,
    /// Whether there are no guards for what is assumed. Then a wrong assumption corrupts the program, silently.
    pub unguarded: bool,
    /// Whether names that mean nothing in the module are warned of, instead of being errors: those of functions that are assumed about,
    /// and entries.
    pub lenient: bool,
    /// What drives the protocol in the module itself: said by nobody, but found in it.
    pub(crate) driven: Driven,
}

/// The functions of a module that stand where it imported those of the protocol, to drive it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Driven {
    /// What each does, by its index in the function index space.
    pub operations: BTreeMap<u32, Operation>,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            entries: vec![EntryPattern::exact("kernel", "kernel_fork")],
            reentrant: Vec::new(),
            through: Vec::new(),
            through_tables: Vec::new(),
            no_callback: Vec::new(),
            tables_own: Vec::new(),
            assumptions: Vec::new(),
            kept: Vec::new(),
            on_unprepared: OnUnprepared::default(),
            unsupported: Unsupported::default(),
            precision: Precision::default(),
            optimize: Optimize::default(),
            cpu_profile: None,
            forms: BTreeMap::new(),
            resume_module: false,
            abi: Abi::default(),
            frames_in: FramesIn::default(),
            own_memory_pages: 1,
            map_offsets: false,
            strip_debug: false,
            source_map_url: None,
            debug_file_url: None,
            multi_value: true,
            verify: false,
            same_instance: false,
            carry_references: false,
            rewind_once: false,
            allow_missing_entry: false,
            unguarded: false,
            lenient: false,
            driven: Driven::default(),
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

    /// For a module that drives the protocol itself. Then none of its imports has to be an entry: the default is forgotten where it
    /// `means_nothing`.
    pub(crate) fn driven(mut self, driven: Driven, means_nothing: bool) -> Options {
        if means_nothing && self.entries == Options::default().entries {
            self.entries.clear();
        }
        self.driven = driven;
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

    /// Sets which imports are taken to call back no function of the closure.
    #[must_use]
    pub fn no_callback(mut self, imports: impl IntoIterator<Item = EntryPattern>) -> Options {
        self.no_callback = imports.into_iter().collect();
        self
    }

    /// Sets which tables are taken to hold no functions of other instances.
    #[must_use]
    pub fn tables_own(mut self, tables: impl IntoIterator<Item = TablePattern>) -> Options {
        self.tables_own = tables.into_iter().collect();
        self
    }

    /// Sets which functions stay in the closure although assumptions leave them out.
    #[must_use]
    pub fn kept(mut self, functions: impl IntoIterator<Item = FuncPattern>) -> Options {
        self.kept = functions.into_iter().collect();
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

    /// Sets what guards do.
    #[must_use]
    pub fn on_unprepared(mut self, answer: OnUnprepared) -> Options {
        self.on_unprepared = answer;
        self
    }

    /// Sets what is to be done with functions that can't be instrumented.
    #[must_use]
    pub fn unsupported(mut self, answer: Unsupported) -> Options {
        self.unsupported = answer;
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

    /// Sets [`Options::own_memory_pages`].
    #[must_use]
    pub fn own_memory_pages(mut self, pages: u32) -> Options {
        self.own_memory_pages = pages;
        self
    }

    /// Sets whether to tell where the code of the input is in the output.
    #[must_use]
    pub fn map_offsets(mut self, map: bool) -> Options {
        self.map_offsets = map;
        self
    }

    /// Sets [`Options::source_map_url`].
    #[must_use]
    pub fn source_map_url(mut self, url: impl Into<Option<String>>) -> Options {
        self.source_map_url = url.into();
        self
    }

    /// Sets [`Options::debug_file_url`].
    #[must_use]
    pub fn debug_file_url(mut self, url: impl Into<Option<String>>) -> Options {
        self.debug_file_url = url.into();
        self
    }

    /// Sets [`Options::strip_debug`].
    #[must_use]
    pub fn strip_debug(mut self, strip: bool) -> Options {
        self.strip_debug = strip;
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

    /// Sets whether each stack is rewound once at most.
    #[must_use]
    pub fn rewind_once(mut self, once: bool) -> Options {
        self.rewind_once = once;
        self
    }

    /// Sets whether there are no guards for what is assumed.
    #[must_use]
    pub fn unguarded(mut self, unguarded: bool) -> Options {
        self.unguarded = unguarded;
        self
    }

    /// Sets whether names that mean nothing are warned of, instead of being errors.
    #[must_use]
    pub fn lenient(mut self, lenient: bool) -> Options {
        self.lenient = lenient;
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
