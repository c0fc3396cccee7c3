//! The command line as the user types it: raw flags and their help, nothing resolved.

use super::link::Link;
use super::run::Run;
use super::storm::Storm;
use super::wasm_opt::WasmOpt;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use wasm_fork::{OnUnprepared, Optimize, Unsupported};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("WASM_FORK_GIT_HASH"), ")");

const JOBS: &str = "\
Make a program forkable:       wasm-fork instrument app.wasm -o app-fork.wasm
  as a step of its build:      wasm-fork link -- wasm-ld -o app.wasm app.o …
See what that does, and why:   wasm-fork analyze app.wasm; wasm-fork explain app.wasm main
Repair calls that would trap:  wasm-fork shim app.wasm --report
";

const EXAMPLES: &str = "\
Examples:
  wasm-fork instrument dash.wasm -o dash-fork.wasm
      Rewrite a program so that its host can fork it at kernel.kernel_fork.

  wasm-fork instrument app.wasm -o app.wasm --entry env.fork --entry 'env.sleep*'
      Other entries; in place.

  wasm-fork link --entry env.fork -- wasm-ld app.o -o app.wasm
      The same as a step of a build: whatever command links, with its own arguments.

  wasm-fork analyze app.wasm --entry wasi_snapshot_preview1.fd_write --format json
      Which functions can be on the stack when fd_write is called?

  wasm-fork shim python.wasm -o python-shim.wasm --site getset_get --site getset_set
      Repair calls that trap for an indirect call type mismatch.

  wasm-fork analyze app.wasm --advise
      What makes the closure as large as it is?

  wasm-fork instrument app.wasm -o app-fork.wasm --profile seen.json
      Prepare only the functions that a host has seen below the entry; below any other the entry fails.

  wasm-fork explain app.wasm main --format dot | dot -Tsvg > path.svg
      Why is main in the closure? Drawn by Graphviz.

  wasm-fork storm app.wasm --entry wasi_snapshot_preview1.fd_write --dir . -- --version
      Does it print the same, however its stack is unwound and rewound?

  wasm-fork run --tools busybox.wasm dash.wasm -c 'ls | wc -l'
      A shell with processes, on this machine's files.

  wasm-opt -O2 app.wasm -o - | wasm-fork instrument - -o - > app-fork.wasm
      As a filter, after the optimizer: what optimizes later may break the saved state's layout.

Exit status: 0 done; 1 the module is refused, or a file can't be read or written; 2 usage.";

/// Rewrites WebAssembly modules so that a program's call stack can be unwound into memory and
/// rewound again, in the same instance or in a fresh copy: fork, setjmp, fibers, pause and resume.
///
/// The rewriting starts from an entry, the function import at whose call the host wants to save
/// the stack. Only functions that can be on the stack at that moment (the closure) are rewritten;
/// all others are copied byte for byte.
#[derive(Debug, Parser)]
#[command(name = "wasm-fork", version = VERSION, before_help = JOBS, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Flags {
    #[command(subcommand)]
    pub(super) command: Command,

    #[command(flatten)]
    pub(super) global: Global,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Rewrite a module so that its stack can be unwound and rewound at the entry
    #[command(override_usage = "wasm-fork instrument [OPTIONS] <IN> -o <OUT>\n       \
                          wasm-fork instrument [OPTIONS] <IN> --discover-only")]
    Instrument(Instrument),
    /// Run a linker, and instrument what it wrote
    #[command(override_usage = "wasm-fork link [OPTIONS] -- <LINKER> <ARG>...")]
    Link(Link),
    /// Stand in for Binaryen's wasm-opt, and do its pass --asyncify
    ///
    /// Passes before and behind --asyncify are left to the real wasm-opt: the one that the variable WASM_OPT names, or the next on PATH.
    /// What is said of Asyncify (--pass-arg=asyncify-…) is said in flags of `instrument`; WASM_FORK_FLAGS may have more of them. Named
    /// wasm-opt, this program does the same.
    #[command(override_usage = "wasm-fork wasm-opt <ARG>...")]
    WasmOpt(WasmOpt),
    /// Print the closure: which functions can be on the stack when the entry is called
    Analyze(Analyze),
    /// Say why a function is in the closure: a shortest path from it to an entry; or why it isn't
    Explain(Explain),
    /// Repair indirect calls that meet a function of another type, or report which can
    #[command(override_usage = "wasm-fork shim [OPTIONS] <IN> -o <OUT>\n       \
                          wasm-fork shim [OPTIONS] <IN> --report")]
    Shim(Shim),
    /// Run a WASI command, unwound and rewound at every call of an entry, and compare it with the original
    #[command(override_usage = "wasm-fork storm [OPTIONS] <IN> [-- <ARG>...]")]
    Storm(Storm),
    /// Run a program: with processes of its own, where it forks by the kernel's imports, or a WASI command
    ///
    /// A program of the kernel's imports kernel.kernel_syscall and kernel.kernel_fork; it is instrumented on the way, unless it is already. Programs
    /// have this terminal, and of this machine's files those of the current directory, to be read, and what the flags say. Ends with
    /// the program's exit status, or 128 and the number of a signal.
    #[command(override_usage = "wasm-fork run [OPTIONS] <PROGRAM> [ARG]...")]
    Run(Run),
    /// List the functions that a module imports: which can be its entry?
    Imports(Imports),
    /// Check that a module is what `instrument` made of another: nothing that is emitted is trusted
    #[command(override_usage = "wasm-fork verify [OPTIONS] <IN> <INSTRUMENTED>")]
    Verify(Verify),
    /// Print what `instrument` would do to each function; the format is for people and may change
    Plan(Plan),
    /// Work on profiles: records of the functions that were on the stack when an entry was called
    #[command(subcommand)]
    Profile(Profile),
    /// Print a script that completes this command's flags in a shell
    Completions(Completions),
    /// Print the manual page, or that of one command, for `man -l`
    Man(Man),
}

#[derive(Args, Debug)]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(super) shell: Shell,
}

#[derive(Args, Debug)]
pub(super) struct Man {
    /// The command: `instrument`, or `profile merge`
    #[arg(value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Profile {
    /// Unite profiles of one module into one, summing their counts
    Merge(Merge),
    /// Make a profile of stacks that were unwound: frames name their functions
    FromFrames(FromFrames),
    /// Print the functions of a profile, those that were seen most first
    Show(Show),
    /// Print which functions one profile has and another has not
    Diff(Diff),
}

#[derive(Args, Debug)]
pub(super) struct Merge {
    /// The profiles; `-` is stdin
    #[arg(value_name = "IN", required = true)]
    pub(super) inputs: Vec<PathBuf>,

    /// The module that they were recorded from: adds its names, and what tells functions in other builds where names don't
    #[arg(long, value_name = "MODULE")]
    pub(super) module: Option<PathBuf>,

    /// Where to write the united profile; may be one of them; `-` is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct FromFrames {
    /// The used part of a buffer after an unwind: memory from the buffer's address up to `pos`; each is one stack
    #[arg(value_name = "BUFFER", required = true)]
    pub(super) buffers: Vec<PathBuf>,

    /// The instrumented module, or its original: then BUFFER holds frames alone, unless --start says where they begin
    ///
    /// With the original, functions get a hash of their bodies, by which they are found in other builds.
    #[arg(long, value_name = "MODULE")]
    pub(super) module: PathBuf,

    /// Where frames begin in each BUFFER, in bytes: what `pos` is, less the buffer's address, when an unwind has begun
    #[arg(long, value_name = "OFFSET")]
    pub(super) start: Option<usize>,

    /// Where to write the profile; `-` is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct Show {
    /// The profile; `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    /// Say which function each is in this module; ends with status 1 if one is none
    #[arg(long, value_name = "MODULE")]
    pub(super) module: Option<PathBuf>,

    /// Print so many functions; all without
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,
}

#[derive(Args, Debug)]
pub(super) struct Diff {
    /// The first profile; `-` is stdin
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,

    /// The second
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct Global {
    /// Tell on stderr what each stage takes and finds; twice for more
    #[arg(short, long, global = true, display_order = 100, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,

    /// Print warnings and errors alone on stderr, no notes and not what was done
    #[arg(short, long, global = true, display_order = 100, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Use no more than this many threads, and one per core at most; the output is the same
    #[arg(long, global = true, display_order = 101, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
}

#[derive(Args, Debug)]
pub(super) struct Instrument {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    /// Where to write the rewritten module; may be IN itself; `-` is stdout
    #[arg(short, long, value_name = "OUT", required_unless_present = "discover_only")]
    pub(super) output: Option<PathBuf>,

    /// Print the closure as `analyze` does, and write nothing
    #[arg(long, conflicts_with_all = ["output", "resume_module", "verify", "report", "depfile"])]
    pub(super) discover_only: bool,

    #[command(flatten)]
    pub(super) rewriting: Rewriting,
}

/// How a module is rewritten, and what is written of it besides.
#[derive(Args, Debug)]
pub(super) struct Rewriting {
    #[command(flatten)]
    pub(super) memory: MemoryFlags,

    #[command(flatten)]
    pub(super) forms: Forms,

    /// Write the resume functions to a module of their own, which a host needs only when a stack is rewound
    ///
    /// OUT then has neither their bytes nor their compile time. An instance of OUT2 imports the exports of one of OUT, as the module
    /// wpk_fork, and must be there before a rewind begins; and before an unwind that may be undone.
    #[arg(long, value_name = "OUT2")]
    pub(super) resume_module: Option<PathBuf>,

    /// Prove that each rewritten function does what its original does, as the command `verify` does
    #[arg(long)]
    pub(super) verify: bool,

    /// Write what was done to a file, as JSON: closure, growth, guards, assumptions, warnings; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,

    /// Write a rule for make or ninja to a file: which files OUT was made of
    #[arg(long, value_name = "FILE")]
    pub(super) depfile: Option<PathBuf>,

    #[command(flatten)]
    pub(super) debug: DebugFlags,

    #[command(flatten)]
    pub(super) module: ModuleFlags,

    #[command(flatten, next_help_heading = "Shims")]
    pub(super) shim: ShimFirst,
}

/// What becomes of debug information.
#[derive(Args, Debug)]
pub(super) struct DebugFlags {
    /// Leave out debug information: DWARF, and what says where a source map is
    ///
    /// Without this, DWARF is moved with the code. Names of functions stay.
    #[arg(long)]
    pub(super) strip_debug: bool,

    /// Write the source map MAP of the module for the rewritten one to OUTMAP, and point that at it
    ///
    /// The section sourceMappingURL, if the module has one, gets the name of OUTMAP, without its folder.
    #[arg(long, num_args = 2, value_names = ["MAP", "OUTMAP"], conflicts_with = "strip_debug")]
    pub(super) source_map: Vec<PathBuf>,

    /// Move the DWARF of the module, which is in the file FILE, with the code, and write it to OUTFILE
    ///
    /// FILE is a module with `.debug_*` sections, as Emscripten's -gseparate-dwarf leaves it. The section external_debug_info of the
    /// output gets the name of OUTFILE, without its folder.
    #[arg(long, num_args = 2, value_names = ["FILE", "OUTFILE"], conflicts_with = "strip_debug")]
    pub(super) debug_file: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Shim {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    /// Where to write the repaired module; may be IN itself; `-` is stdout
    #[arg(short, long, value_name = "OUT", required_unless_present = "report")]
    pub(super) output: Option<PathBuf>,

    /// Print which calls can meet a function of another type, and write nothing
    #[arg(long, conflicts_with = "output")]
    pub(super) report: bool,

    /// Write a module for a test run instead: calls that may meet a function of another type note it if they do
    ///
    /// The host reads what they noted from the exported memory `wasm_fork_shim_record`, and writes it to a file for --site.
    /// Calls that meet another type are repaired, too, where that can be, so that the run goes on. The module needs an engine
    /// with garbage collection, and with several memories.
    #[arg(long, conflicts_with_all = ["report", "sites", "from_trap", "all_sites", "mechanism"])]
    pub(super) record: bool,

    /// Report also the N pairs of types that most calls and slots have: what calls ask for, and what they meet
    ///
    /// Those that can be adapted come first, each with what an adapter would do. As JSON all pairs, without
    /// this.
    #[arg(long, value_name = "N", requires = "report", conflicts_with = "output")]
    pub(super) top: Option<usize>,

    /// How to print the report
    #[arg(long, value_enum, requires = "report", conflicts_with = "output")]
    pub(super) format: Option<ListFormat>,

    /// Repair the indirect calls of FUNCTION, or the one at an offset; may be given several times
    ///
    /// FUNCTION is an index, an export name, or a name of the name section, mangled or not; a `*`
    /// matches any text, `\*` a star. OFFSET is in bytes from the start of the module, as the report
    /// has it. `@FILE` lists them, one a line, or is what a run of a module recorded that --record made; `@-` reads them
    /// from stdin.
    #[arg(long = "site", value_name = "FUNCTION|0xOFFSET|@FILE")]
    pub(super) sites: Vec<String>,

    /// Repair the calls at which the stack traces in FILE begin, as an engine printed them; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(super) from_trap: Vec<PathBuf>,

    /// Repair every call that can meet a function of another type
    #[arg(long, conflicts_with_all = ["sites", "from_trap"])]
    pub(super) all_sites: bool,

    /// How a repaired call finds its adapter; by ref-test without, if the module uses garbage
    /// collection's types already, else by a table
    #[arg(long, value_enum)]
    pub(super) mechanism: Option<MechanismFlag>,

    /// Let numbers change their type, bit by bit: i32 and i64, i32 and f32, i64 and f64
    #[arg(long)]
    pub(super) allow_bit_casts: bool,

    #[command(flatten)]
    pub(super) debug: DebugFlags,
}

/// The same for a module that is instrumented in one go.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("shim_choice").multiple(true))]
pub(super) struct ShimFirst {
    /// Before, repair indirect calls as `shim --site` does; may be given several times
    #[arg(long, value_name = "FUNCTION|0xOFFSET|@FILE", group = "shim_choice")]
    pub(super) shim_site: Vec<String>,

    /// Before, repair indirect calls as `shim --from-trap` does
    #[arg(long, value_name = "FILE", group = "shim_choice")]
    pub(super) shim_from_trap: Vec<PathBuf>,

    /// Before, repair indirect calls as `shim --all-sites` does
    #[arg(long, group = "shim_choice", conflicts_with_all = ["shim_site", "shim_from_trap"])]
    pub(super) shim_all_sites: bool,

    /// As `shim --mechanism`
    #[arg(long, value_enum, requires = "shim_choice")]
    pub(super) shim_mechanism: Option<MechanismFlag>,

    /// As `shim --allow-bit-casts`
    #[arg(long, requires = "shim_choice")]
    pub(super) shim_allow_bit_casts: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SharedState {
    /// The main module
    Export,
    /// A side module
    Import,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum MechanismFlag {
    /// A second table with adapters in it; a call that matches costs what it did
    Table,
    /// A test of what the call found; needs garbage collection's ref.test
    RefTest,
}

#[derive(Args, Debug)]
pub(super) struct Analyze {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    #[command(flatten)]
    pub(super) module: ModuleFlags,

    /// How far to follow the calls whose targets are values: to see what each step of the analysis is worth
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub(super) precision: PrecisionFlag,

    /// Print what holds the closure up instead: what it would be smaller without, largest first
    ///
    /// That the host sees a table, passes on exports, or is called back; entries; the calls through a
    /// table of one type; functions, with the one call that holds each, if there is one. Each with how
    /// many functions, and bytes of their bodies, the closure would have less without it alone, and
    /// the flag that would do that, where there is one.
    #[arg(long, group = "view")]
    pub(super) advise: bool,

    #[command(flatten)]
    pub(super) memory: MemoryFlags,

    #[command(flatten)]
    pub(super) forms: Forms,

    /// Print what instrumenting would cost instead: sites, saved locals, frames and code, in total and
    /// by function
    ///
    /// Frames are in bytes, one of each function; code is the bytes by which bodies grow. With how the
    /// figures are spread over functions, and the functions whose bodies grow most (as JSON, all).
    #[arg(long, group = "view")]
    pub(super) stats: bool,

    /// Write it as a page instead, for a browser: sizes as a picture, why each function is there, what would make it smaller
    ///
    /// The page loads nothing from anywhere.
    #[arg(long, value_name = "FILE", group = "picture", conflicts_with_all = ["view", "format", "precision"])]
    pub(super) html: Option<PathBuf>,

    /// How many things --advise or functions --stats lists, instead of 20; as JSON all, without this
    #[arg(long, value_name = "N", requires = "view")]
    pub(super) top: Option<usize>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    #[command(flatten)]
    pub(super) module: ModuleFlags,

    /// Which function: an index, an export name, or a name of the name section (or of DWARF, where that
    /// has none), mangled or not; a `*` matches any text, `\*` a star
    #[arg(value_name = "FUNCTION")]
    pub(super) function: String,

    /// Print every call that can have the function as its target instead; as JSON or a graph, what it
    /// calls too
    #[arg(long)]
    pub(super) all_callers: bool,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ExplainFormat,
}

#[derive(Args, Debug)]
pub(super) struct Imports {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ListFormat,
}

#[derive(Args, Debug)]
pub(super) struct Plan {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    #[command(flatten)]
    pub(super) module: ModuleFlags,

    #[command(flatten)]
    pub(super) memory: MemoryFlags,

    #[command(flatten)]
    pub(super) forms: Forms,
}

#[derive(Args, Debug)]
pub(super) struct Verify {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    #[command(flatten)]
    pub(super) module: ModuleFlags,

    /// What was made of IN with the same options; `-` is stdin
    #[arg(value_name = "INSTRUMENTED")]
    pub(super) instrumented: PathBuf,

    /// The resume module of INSTRUMENTED, if it has one
    #[arg(long, value_name = "OUT2")]
    pub(super) resume_module: Option<PathBuf>,

    /// End with status 0 where nothing is wrong, though of some rewritten functions nothing is known
    #[arg(long)]
    pub(super) allow_unchecked: bool,

    #[command(flatten)]
    pub(super) memory: MemoryFlags,

    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ListFormat,
}

/// Which memory frames go to.
#[derive(Args, Debug)]
pub(super) struct MemoryFlags {
    /// The memory that frames go to; the module's first without, the one with index 0
    ///
    /// MEMORY is an index, an export name, or an import's NAME or MODULE.NAME; a `*` matches any text, `\*` a star. The
    /// host puts its buffer there.
    #[arg(long, value_name = "MEMORY")]
    pub(super) memory: Option<String>,

    /// Add a memory for frames alone, exported as wpk_fork_memory: for a module without memory, or apart from its data
    ///
    /// It has one page at first, or --own-memory-pages, and the host may let it grow. Where the module has a memory already, the output has several,
    /// which not all engines know.
    #[arg(long, conflicts_with = "memory")]
    pub(super) own_memory: bool,

    /// How many pages of 64 KiB that memory has at first; 1 without
    #[arg(long, value_name = "N", requires = "own_memory", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(super) own_memory_pages: Option<u32>,
}

/// How the functions of the closure are rewritten.
#[derive(Args, Debug)]
pub(super) struct Forms {
    /// What rewritten functions are to be good at while nothing unwinds; balanced without
    #[arg(long, value_enum)]
    pub(super) optimize: Option<OptimizeFlag>,

    /// Where time is spent: puts the functions apart that carry nine tenths of the closure's time, and only these
    ///
    /// A .cpuprofile of V8, recorded with --no-wasm-inlining, or a list of functions with their self_time. `-` is
    /// stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "optimize")]
    pub(super) cpu_profile: Option<PathBuf>,

    /// Add no function with several results, unless the module has one: for engines from before autumn 2020
    ///
    /// Without this, such functions are added to modules that use bulk memory, or what came later than multi-value.
    #[arg(long)]
    pub(super) no_multi_value: bool,

    /// Stacks may be rewound in another instance, as in a child of fork; so it is without
    ///
    /// Where a call's stack holds a reference that another instance can't make again, such as one of the
    /// host's, the unwind is undone, and the entry fails as where there is no room.
    #[arg(long)]
    pub(super) fresh_instance: bool,

    /// No stack is ever rewound in another instance than it was unwound in: all references are kept
    ///
    /// They stay in the instance until the host calls wpk_fork_release; with --abi asyncify, asyncify_release, or see --rewind-once.
    #[arg(long, conflicts_with = "fresh_instance")]
    pub(super) same_instance: bool,

    /// As --same-instance, but the tables that keep references are exported, and one by which functions are found: the host carries over
    /// what another instance needs
    #[arg(long, conflicts_with_all = ["fresh_instance", "same_instance"])]
    pub(super) carry_references: bool,

    /// No stack is rewound twice: a rewind lets go the references that are kept for it, and a second one traps. With --abi asyncify only
    #[arg(long, conflicts_with = "fresh_instance")]
    pub(super) rewind_once: bool,
}

/// Which imports of a module are its entries, and what is assumed of it.
#[derive(Args, Debug)]
pub(super) struct ModuleFlags {
    /// Take flags from a project's file as well; `auto` is the wasm-fork.toml in the input's folder, or the nearest above it
    ///
    /// In TOML, a flag's name is a key: entry = ["env.fork"], optimize = "size", profile = ["seen.json"]. Files are looked for
    /// from the file's folder on. What the command line gives wins; a key of another command's flag says nothing here.
    #[arg(long, value_name = "FILE|auto")]
    pub(super) config: Option<PathBuf>,

    /// The protocol between the rewritten module and its host
    #[arg(long, value_enum, default_value_t)]
    pub(super) abi: AbiFlag,

    /// Share the state with other modules over the same memory, so that a stack may run through all of them
    ///
    /// The main module exports what is shared, side modules import it from `env`, where dynamic linkers look.
    #[arg(long, value_enum)]
    pub(super) shared_state: Option<SharedState>,

    /// An entry: the function import MODULE.NAME; may be given several times
    ///
    /// The text is split at its last dot, unless MODULE is in double quotes. A `*` in NAME, or in an
    /// unquoted MODULE, matches any text, `\*` a star. Default: kernel.kernel_fork. `wasm-fork imports`
    /// lists what there is.
    #[arg(long = "entry", value_name = "MODULE.NAME")]
    pub(super) entries: Vec<String>,

    /// An entry's module name, as it is: dots, quotes and stars mean themselves
    #[arg(long, value_name = "MODULE", requires = "entry_name")]
    pub(super) entry_module: Option<String>,

    /// The name that goes with --entry-module; a `*` matches any text, `\*` a star
    #[arg(long, value_name = "NAME", requires = "entry_module")]
    pub(super) entry_name: Option<String>,

    /// An import that may call back into the module before it returns; may be given several times
    ///
    /// Written as for --entry. Other imports are taken to return without calling back.
    #[arg(long, value_name = "MODULE.NAME")]
    pub(super) reentrant: Vec<String>,

    /// An import that may lead into another module which unwinds by itself; may be given several times
    ///
    /// Written as for --entry, and treated as one: for modules that a dynamic linker puts together.
    #[arg(long, value_name = "MODULE.NAME")]
    pub(super) through: Vec<String>,

    /// A table that may hold functions of such modules; may be given several times
    ///
    /// TABLE is an index, or a name that it is exported or imported by; a `*` matches any text.
    #[arg(long, value_name = "TABLE")]
    pub(super) through_table: Vec<String>,

    /// Assume that FUNCTION never has an entry below it on the stack
    ///
    /// FUNCTION is an index, an export name, or a name of the name section, mangled or not; a `*`
    /// matches any text, `\*` a star. The calls that would prove this wrong are guarded: an unwind
    /// that comes through one is undone before the program has seen anything of it: --on-unprepared.
    #[arg(long, value_name = "FUNCTION")]
    pub(super) assume_no_fork: Vec<String>,

    /// Assume that FUNCTION is never called; written and guarded as for --assume-no-fork
    #[arg(long, value_name = "FUNCTION")]
    pub(super) assume_not_called: Vec<String>,

    /// Assume that no call through a table or a reference leads to an entry, unless it is known of which few functions it is
    ///
    /// Guarded as for --assume-no-fork. What has such a call on its stack all the same is named by --keep.
    #[arg(long)]
    pub(super) assume_no_indirect: bool,

    /// Keep FUNCTION in the closure although assumptions leave it out, if it may have an entry below it; `@FILE` lists such, one a line
    ///
    /// Written as for --assume-no-fork. Its callers stay, too, unless assumptions say something of them.
    #[arg(long, value_name = "FUNCTION|@FILE")]
    pub(super) keep: Vec<String>,

    /// Assume that only these functions have an entry below them; `@FILE` lists them, one a line
    ///
    /// Written and guarded as for --assume-no-fork. `@-` reads the list from stdin.
    #[arg(long, value_name = "FUNCTION|@FILE")]
    pub(super) only: Vec<String>,

    /// Assume that only the functions of a recorded profile have an entry below them
    ///
    /// May be given several times, and beside --only: what any of them lists may have one. Guarded as
    /// for --assume-no-fork. The guide describes the format, which any host can record. `-` is stdin.
    #[arg(long = "profile", value_name = "FILE")]
    pub(super) profiles: Vec<PathBuf>,

    /// Assume that the host writes no slot of TABLE, though it is imported or exported
    ///
    /// TABLE is an index, an export name, or an import's NAME or MODULE.NAME; a `*` matches any text,
    /// `\*` a star. The host may still read the table and call what is in it. Guarded as for
    /// --assume-no-fork.
    #[arg(long, value_name = "TABLE")]
    pub(super) assume_table_private: Vec<String>,

    /// Assume that the import MODULE.NAME calls back no function of the closure; may be given several times
    ///
    /// Written as for --entry; `'*.*'` for all. Without, calls of imports in functions outside the closure are guarded.
    #[arg(long, value_name = "MODULE.NAME")]
    pub(super) assume_no_callback: Vec<String>,

    /// Assume that TABLE, which is imported or exported, holds no functions of other instances; may be given several times
    ///
    /// Written as for --assume-table-private. Without, calls through an imported table are guarded, and an unwind that comes out of one
    /// stops the program.
    #[arg(long, value_name = "TABLE")]
    pub(super) assume_table_own: Vec<String>,

    /// What guards do with an unwind that comes to a function which is not prepared for it
    #[arg(long, value_enum, default_value_t, value_name = "ANSWER")]
    pub(super) on_unprepared: OnUnpreparedFlag,

    /// Write no guards for what is assumed: whoever assumes wrongly corrupts the program
    ///
    /// For those to whom the last byte counts. What calls out of the module is guarded all the same.
    #[arg(long)]
    pub(super) unguarded: bool,

    /// Warn of names that mean nothing in the module, instead of failing: of functions that are assumed about, and of entries
    #[arg(long)]
    pub(super) lenient: bool,

    /// What to do with functions that can't be instrumented
    #[arg(long, value_enum, default_value_t, value_name = "ANSWER")]
    pub(super) unsupported: UnsupportedFlag,

    /// Accept a module that imports no entry: its closure is empty, the output is the input
    #[arg(long)]
    pub(super) allow_missing_entry: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum AbiFlag {
    /// State in six exports named wpk_fork_…, frames in a buffer that the host provides
    #[default]
    WpkFork,
    /// Binaryen's: state in five exports named asyncify_…, position and end of the buffer set by the host, globals left alone; what
    /// can't be finished traps
    Asyncify,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum OptimizeFlag {
    /// Few bytes; normal code is slower
    Size,
    /// Functions that are likely to spend time have a resume function of their own
    #[default]
    Balanced,
    /// Normal code as fast as the original: every function has a resume function of its own
    Speed,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum OnUnpreparedFlag {
    /// Undo it where that is possible: the entry fails, and the program goes on
    #[default]
    Undo,
    /// Stop the program: a trap, whose stack names the function
    Trap,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum UnsupportedFlag {
    /// Refuse the module
    #[default]
    Refuse,
    /// Leave them as they are, and guard the calls that would lead an unwind to them
    Guard,
}

impl From<UnsupportedFlag> for Unsupported {
    fn from(flag: UnsupportedFlag) -> Self {
        match flag {
            UnsupportedFlag::Refuse => Unsupported::Refuse,
            UnsupportedFlag::Guard => Unsupported::Guard,
        }
    }
}

impl From<OnUnpreparedFlag> for OnUnprepared {
    fn from(flag: OnUnpreparedFlag) -> Self {
        match flag {
            OnUnpreparedFlag::Undo => OnUnprepared::Undo,
            OnUnpreparedFlag::Trap => OnUnprepared::Trap,
        }
    }
}

impl From<OptimizeFlag> for Optimize {
    fn from(flag: OptimizeFlag) -> Self {
        match flag {
            OptimizeFlag::Size => Optimize::Size,
            OptimizeFlag::Balanced => Optimize::Balanced,
            OptimizeFlag::Speed => Optimize::Speed,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum PrecisionFlag {
    /// Not at all; NOT sound, a control that shows what direct calls alone miss
    Direct,
    /// Any such call may lead to an entry, as Binaryen's Asyncify has it without lists
    Asyncify,
    /// By tables and types; an index can have any value
    Types,
    /// Also by the constants that reach an index within one function
    Constants,
    /// Also by those that reach it through other functions; what `instrument` does
    #[default]
    Interprocedural,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Format {
    /// For people; the closure as a line `total (local, import)`, then a sorted list
    #[default]
    Text,
    /// For programs; the closure as one object: entries, counts, closure, assumptions
    Json,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum ListFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one object
    Json,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum ExplainFormat {
    /// A line for the function, then a line for each call with its evidence
    #[default]
    Text,
    /// One object: functions with their calls, warnings
    Json,
    /// A graph for Graphviz: `dot -Tsvg`
    Dot,
}
