//! Rewrites WebAssembly modules so that a program's call stack can be unwound into memory and
//! rewound again, in the same instance or in a fresh copy.
//!
//! Each function here is one job: bytes in, bytes or a report out. It runs the stages that the job needs, in
//! order, and does nothing else. What a host must do with the output, and how all of this works, is in the [`guide`].
//!
//! | to | call |
//! |---|---|
//! | rewrite a module | [`instrument`] |
//! | see which functions would be rewritten, and what would be refused | [`analyze()`] |
//! | see why a function is among them, or isn't | [`explain`] |
//! | see what would make it smaller; what it costs, function by function | [`advise`], [`stats`] |
//! | draw it: sizes, and a call from each function towards an entry | [`closure_map`] |
//! | find the import to save the stack at | [`imports`] |
//! | check an output once more | [`verify()`], [`verify_pair`] |
//! | repair indirect calls by another type; find them by running | [`shim()`], [`shim_report`]; [`shim_recorder`] |
//! | make profiles of saved stacks | [`profile_from_frames`] |
//! | move debug information that is elsewhere | [`source_map()`], [`join_debug_file`], [`separate_debug_file`] |
//!
//! # After the linker
//!
//! ```
//! use wasm_fork::{EntryPattern, Options};
//!
//! fn make_forkable(linked: &[u8]) -> wasm_fork::Result<Vec<u8>> {
//!     let options = Options::default().entries([EntryPattern::parse("env.fork")?]);
//!     let output = wasm_fork::instrument(linked, &options)?;
//!     output.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
//!     Ok(output.wasm)
//! }
//!
//! let linked = br#"(module
//!     (import "env" "fork" (func $fork (result i32)))
//!     (memory (export "memory") 1)
//!     (func (export "run") (result i32) (call $fork)))"#;
//! let forkable = make_forkable(linked).expect("the module can be rewritten");
//! assert!(forkable.starts_with(b"\0asm"));
//! ```
//!
//! # In a build script
//!
//! Take the crate without its command line: `wasm-fork = { version = "0.1", default-features = false }` among the
//! `build-dependencies`.
//!
//! ```no_run
//! use std::path::Path;
//! use std::{env, error, fs};
//! use wasm_fork::Options;
//!
//! fn main() -> Result<(), Box<dyn error::Error>> {
//!     println!("cargo::rerun-if-changed=guest.wasm");
//!     let output = wasm_fork::instrument(&fs::read("guest.wasm")?, &Options::default())?;
//!     let folder = env::var("OUT_DIR")?;
//!     fs::write(Path::new(&folder).join("guest.wasm"), output.wasm)?;
//!     Ok(())
//! }
//! ```
//!
//! # In a test
//!
//! That a module can still be rewritten, and that no more of it is than was agreed on:
//!
//! ```
//! use wasm_fork::{EntryPattern, ErrorKind, Options};
//!
//! let module = br#"(module
//!     (import "env" "fork" (func $fork (result i32)))
//!     (memory 1)
//!     (func $spawn (export "spawn") (drop (call $fork)))
//!     (func $draw (export "draw")))"#;
//! let entry = EntryPattern::exact("env", "fork");
//! let report = wasm_fork::analyze(module, &Options::default().entries([entry]))?;
//! assert!(report.refusals.is_empty(), "{:?}", report.refusals);
//! let names: Vec<_> = report.closure.iter().filter_map(|func| func.name.as_deref()).collect();
//! assert_eq!(names, ["fork", "spawn"]);
//!
//! // Another entry than the module has is the caller's mistake.
//! let error = wasm_fork::analyze(module, &Options::default()).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Request);
//! # Ok::<_, wasm_fork::Error>(())
//! ```
//!
//! # Features
//!
//! `cli`, on by default, is what the command `wasm-fork` needs, and nothing that the library does. `host` adds the module of that name,
//! which runs instrumented programs under an embedded Wasmtime; `run`, the command of that name. `testing` adds the module of that
//! name, a kit that runs programs under an embedded Wasmtime: for [tests of your own](guide::testing).

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod abi;
mod analyze;
mod cpu_profile;
mod emit;
mod error;
pub mod guide;
#[cfg(feature = "host")]
pub mod host;
mod index;
mod limits;
mod location;
mod options;
mod pattern;
mod plan;
mod profile;
mod read;
mod refusal;
pub mod report;
mod rewrite;
#[cfg(test)]
mod scale;
pub mod shim;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
mod verify;
#[cfg(any(feature = "testing", all(feature = "run", unix)))]
// Each of these features needs a part of it.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
mod wasi;
mod work;

pub use abi::Abi;
pub use cpu_profile::{CpuProfile, Hot};
pub use emit::{OffsetMap, Separated};
pub use error::{Error, ErrorKind, Result};
pub use limits::Limit;
pub use location::Location;
pub use options::{
    Assumption, EntryPattern, Form, FramesIn, FuncPattern, LeftOut, MemoryPattern, OnUnprepared,
    Optimize, Options, Precision, TablePattern, Unsupported,
};
pub use profile::{Profile, ProfileDifference, Seen};
pub use refusal::{Refusal, RefusalKind, Refusals};
pub use report::advice::Advice;
pub use report::explain::{Answer, Explanation, Question, dot};
pub use report::imports::{ImportNames, Imports};
pub use report::map::ClosureMap;
pub use report::shims::ShimReport;
pub use report::stats::Stats;
pub use report::verified::Verified;
pub use report::{Report, Summary};

use analyze::Analysis;
use emit::Emitted;
use index::FuncIdx;
use plan::{Guards, Plan};
use read::{Module, text_to_binary};
use report::stats::Planned;
use rewrite::Rewritten;
use shim::{ShimOptions, ShimOutput};
use std::borrow::Cow;
use std::collections::BTreeMap;
use verify::Extent;

/// What [`instrument`] made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Output {
    /// The rewritten module.
    pub wasm: Vec<u8>,
    /// Its resume module, if [`Options::resume_module`] asks for it: an instance of it belongs to one of the rewritten module, whose
    /// exports it imports from `wpk_fork`.
    pub resume_module: Option<Vec<u8>>,
    /// The closure that was instrumented.
    pub report: Report,
    /// What was done, in figures.
    pub summary: Summary,
    /// What the user should know, one sentence each: dropped sections, for example.
    pub warnings: Vec<String>,
    /// Where the code of the input is in the output, if [`Options::map_offsets`] asks for it. Otherwise it has nothing, unless
    /// the output is the input.
    pub offsets: OffsetMap,
    /// What was proved of it, if [`Options::verify`] asks for that.
    pub verified: Option<Verified>,
}

/// Rewrites a module (binary or text) so that its stack can be unwound at any call of an entry.
///
/// # Errors
/// As [`analyze()`], [`Error::OnlyCompares`], and every [`Error`] that names what can't be preserved. There is no partial
/// output.
pub fn instrument(input: &[u8], options: &Options) -> Result<Output> {
    prepared(input, options, instrumented)
}

fn instrumented(module: &Module<'_>, analysis: &Analysis, options: &Options) -> Result<Output> {
    if !analysis.may_unwind() {
        return untouched(module, report(module, analysis, options)?, options);
    }
    stage("plan");
    let plan = Plan::make(module, analysis, options)?;
    let summary = Summary::new(module, &plan);
    let undone = report::undone::warning(&plan);
    let resumes_nothing = report::summary::resumes_nothing(&plan);
    stage("rewrite");
    let Rewritten { module: mut rewritten, resume_module } = rewrite::rewrite(module, plan)?;
    stage("verify");
    let is_asked = options.verify || cfg!(debug_assertions);
    let extent = if is_asked { Extent::Functions } else { Extent::Module };
    let resumes = resume_module.as_deref();
    let written = (&rewritten.wasm[..], resumes);
    let verified = verify::verify(module, analysis, options.abi, written, extent);
    let verified = verified.map_err(|fault| fault.internal())?;
    let verified = is_asked.then(|| Verified::new(module, verified));
    // Not before, for it has all names, and memory is short while plans and output are in it.
    let report = report(module, analysis, options)?;
    let summary = summary.with_sizes(&rewritten.wasm, resumes);
    let dropped = emit::left_out(&rewritten.dropped);
    let is_plain = !module.speaks_of_code() || options.strip_debug || resume_module.is_none();
    let without = "the resume module has no debug information: of functions in it no line is known";
    let without = (!is_plain).then(|| without.to_owned());
    let remarks = std::mem::take(&mut rewritten.remarks).into_iter().chain(without);
    let memory = plan::memory_remark(module, &options.frames_in);
    let warnings =
        report.warnings.iter().cloned().chain(memory).chain(undone).chain(dropped).chain(remarks);
    let warnings = warnings.chain(resumes_nothing).collect();
    let Emitted { wasm, mut offsets, .. } = rewritten;
    if !options.map_offsets {
        offsets = OffsetMap::default();
    }
    Ok(Output { wasm, resume_module, report, summary, warnings, offsets, verified })
}

/// The output for a module in which nothing unwinds: the input.
fn untouched(module: &Module<'_>, report: Report, options: &Options) -> Result<Output> {
    let wasm = module.bytes.to_vec();
    let resume_module = options.resume_module.then(|| rewrite::empty_resume_module(module));
    let resume_module = resume_module.transpose()?;
    let summary = Summary::untouched(module).with_sizes(&wasm, resume_module.as_deref());
    let (warnings, offsets) = (report.warnings.clone(), OffsetMap::identity(wasm.len()));
    let copied = module.defined_funcs().len();
    let verified = options.verify.then(|| Verified { copied, ..Verified::default() });
    Ok(Output { wasm, resume_module, report, summary, warnings, offsets, verified })
}

/// Finds which functions of a module (binary or text) can be on the stack when an entry is called, and what
/// [`instrument`] would refuse the module for.
///
/// # Errors
/// An [`ErrorKind::Input`] if it can't be read; [`Error::MissingEntry`], [`Error::MissingReentrant`] and
/// [`Error::NoSuchFunction`] for patterns that match nothing; [`Error::Unsupported`] for an assumption
/// that can't be guarded.
pub fn analyze(input: &[u8], options: &Options) -> Result<Report> {
    let (bytes, options) = driven(binary(input)?, options)?;
    let options = &*options;
    let (module, analysis) = analyzed(&bytes, options)?;
    if with_stand_ins(&module, &analysis, options)?.is_some() {
        return report(&module, &analysis, options);
    }
    leaving_out(&module, analysis, options, |module, analysis, options| {
        let report = report(module, analysis, options)?;
        stage("plan");
        let refusals = plan::refusals(module, analysis, options)?;
        match options.unsupported {
            Unsupported::Guard if !refused_functions(analysis, &refusals).is_empty() => {
                Err(Error::Refused(refusals))
            }
            _ => Ok(Report { refusals, ..report }),
        }
    })
}

/// The report, with what guards cost, as the rewriter would write them.
fn report(module: &Module<'_>, analysis: &Analysis, options: &Options) -> Result<Report> {
    let guards = Guards::of(module, analysis, options)?;
    let guards = rewrite::guard_costs(module, analysis, options.abi, &guards)?;
    Ok(Report::new(module, analysis, &guards))
}

/// Counts what instrumenting a module (binary or text) costs. Nothing is verified, for nothing is
/// handed out.
///
/// # Errors
/// As [`instrument`].
pub fn stats(input: &[u8], options: &Options) -> Result<Stats> {
    prepared(input, options, |module, analysis, options| {
        if !analysis.may_unwind() {
            return Ok(Stats::untouched(module));
        }
        stage("plan");
        let plan = Plan::make(module, analysis, options)?;
        let planned = Planned::new(module, &plan);
        stage("rewrite");
        let rewritten = rewrite::rewrite(module, plan)?;
        Ok(planned.with_sizes(&rewritten.module))
    })
}

/// Finds what holds up the closure of a module (binary or text).
///
/// # Errors
/// As [`analyze()`], but for assumptions that can't be guarded.
pub fn advise(input: &[u8], options: &Options) -> Result<Advice> {
    let (bytes, options) = driven(binary(input)?, options)?;
    let options = &*options;
    let module = Module::read(&bytes)?;
    stage("analyze");
    let (closure, supports) = analyze::supports(&module, options)?;
    Ok(Advice::new(&module, closure, &supports))
}

/// Explains the functions of a module (binary or text) that `pattern` means.
///
/// # Errors
/// As [`analyze()`], and [`Error::NoSuchFunction`].
pub fn explain(
    input: &[u8],
    options: &Options,
    pattern: &FuncPattern,
    question: Question,
) -> Result<Answer> {
    let (bytes, options) = driven(binary(input)?, options)?;
    let options = &*options;
    let module = Module::read(&bytes)?;
    stage("analyze");
    Answer::of(&module, options, pattern, question)
}

/// Tells how large each function of a module (binary or text) is, and by which call it leads to an entry: for a picture of the closure.
///
/// # Errors
/// As [`analyze()`], but for assumptions that can't be guarded.
pub fn closure_map(input: &[u8], options: &Options) -> Result<ClosureMap> {
    let (bytes, options) = driven(binary(input)?, options)?;
    let options = &*options;
    let module = Module::read(&bytes)?;
    stage("analyze");
    ClosureMap::of(&module, options)
}

/// Lists the functions that a module (binary or text) imports.
///
/// # Errors
/// If it can't be read, as for [`analyze()`].
pub fn imports(input: &[u8]) -> Result<Imports> {
    let bytes = binary(input)?;
    Imports::of(&Module::read(&bytes)?)
}

/// Lists the names of the functions that a module (binary or text) imports. What comes behind its imports is not read, and nothing validated.
///
/// # Errors
/// If it is no module, or one whose imports can't be read.
pub fn import_names(input: &[u8]) -> Result<ImportNames> {
    let names = read::import_names(&text_to_binary(input)?)?;
    Ok(ImportNames { names })
}

/// Makes a profile from stacks that were unwound, of a module (binary or text): of the functions whose frames are in `buffers`, each of which
/// is the used part of a buffer, from its address up to `pos`, with what to call it in errors.
///
/// The module is the instrumented one, or its original; then, and so that other builds can be told functions by their bodies, `start`
/// says where in each buffer frames begin, or frames are all that there is.
///
/// # Errors
/// If the module can't be read, as for [`analyze()`]; [`Error::BadFrames`].
pub fn profile_from_frames(
    module: &[u8],
    buffers: &[(String, Vec<u8>)],
    start: Option<usize>,
) -> Result<Profile> {
    let bytes = binary(module)?;
    report::frames::profile(&Module::read(&bytes)?, buffers, start)
}

/// Adds to a profile what the module (binary or text) tells that it was recorded from: names, and of an original hashes of bodies and
/// its digest. So it serves for other builds.
///
/// # Errors
/// If the module can't be read, as for [`analyze()`].
pub fn complete_profile(module: &[u8], profile: &mut Profile) -> Result<()> {
    let bytes = binary(module)?;
    report::frames::complete(&Module::read(&bytes)?, profile)
}

/// Which functions of a module (binary or text) those of a profile are, in its order: indices, or why there is none.
///
/// # Errors
/// If the module can't be read, as for [`analyze()`].
pub fn profiled_functions(
    module: &[u8],
    profile: &Profile,
) -> Result<Vec<std::result::Result<u32, &'static str>>> {
    let bytes = binary(module)?;
    let module = Module::read(&bytes)?;
    let names = analyze::FuncNames::new(&module);
    let functions = profile.functions.iter();
    let found = functions.map(|seen| analyze::recorded_function(&module, &names, seen));
    Ok(found.map(|found| found.map(|func| func.0)).collect())
}

/// Checks that `output` is what instrumenting `input` (binary or text) with these options may give: that it is valid, that every
/// section is the input's but for what is appended, that it differs in functions of the closure and guards alone, and that each
/// rewritten function does what its original does. [`instrument`] does this by itself, the last part of it if
/// [`Options::verify`] says so. What that proves, and what it assumes, is in the [`guide`]; [`Verified::unchecked`] names the
/// rewritten functions of which nothing is known.
///
/// # Errors
/// As [`analyze()`]; [`Error::Unfaithful`] if it is something else.
pub fn verify(input: &[u8], output: &[u8], options: &Options) -> Result<Verified> {
    verify_with(input, output, None, options)
}

/// The same for an output with its resume module: that it fits, too.
///
/// # Errors
/// As [`verify()`].
pub fn verify_pair(
    input: &[u8],
    output: &[u8],
    resume_module: &[u8],
    options: &Options,
) -> Result<Verified> {
    verify_with(input, output, Some(resume_module), options)
}

fn verify_with(
    input: &[u8],
    output: &[u8],
    resume_module: Option<&[u8]>,
    options: &Options,
) -> Result<Verified> {
    prepared(input, options, |module, analysis, options| {
        stage("verify");
        let written = (output, resume_module);
        let verified = verify::verify(module, analysis, options.abi, written, Extent::Functions);
        let verified = verified.map_err(verify::Fault::unfaithful)?;
        Ok(Verified::new(module, verified))
    })
}

/// Repairs the chosen indirect calls of a module (binary or text).
///
/// # Errors
/// An [`ErrorKind::Input`] if it can't be read; [`Error::NoSuchSite`] and [`Error::NoSuchFunction`] for a pattern that means nothing;
/// [`Error::UnsupportedModule`] for a table that can't be mirrored, and for what would be too large; [`Error::Unsupported`]
/// for a module that was instrumented before, without this call in mind. There is no partial output.
pub fn shim(input: &[u8], options: &ShimOptions) -> Result<ShimOutput> {
    let bytes = text_to_binary(input)?;
    shim::repair(&Module::read(&bytes)?, options)
}

/// Makes of a module (binary or text) one for a test run: each indirect call that may meet a function of another type finds out whether it
/// does, and notes it, in a memory that is exported as [`shim::RECORD_EXPORT`] and that [`shim::Recorded`] reads. Where the types can be
/// adapted the run goes on. It needs an engine with the garbage collection proposal, and with several memories if the module has one.
///
/// # Errors
/// As [`shim()`].
pub fn shim_recorder(input: &[u8], options: &ShimOptions) -> Result<ShimOutput> {
    let bytes = text_to_binary(input)?;
    shim::recorder(&Module::read(&bytes)?, options)
}

/// Says which indirect calls of a module (binary or text) can meet a function of another type.
///
/// # Errors
/// As [`shim()`], but for what would be made.
pub fn shim_report(input: &[u8], options: &ShimOptions) -> Result<ShimReport> {
    let bytes = text_to_binary(input)?;
    let module = Module::read(&bytes)?;
    Ok(ShimReport::new(&module, shim::find(&module, options)?))
}

/// The source map of an output, from that of its input: JSON of version 3, whose columns are offsets in the file. Functions that go on where others
/// left off have the lines of those.
///
/// # Errors
/// [`Error::SourceMap`] if it is something else, or nothing is known of where the code went: see [`Options::map_offsets`].
pub fn source_map(map: &[u8], offsets: &OffsetMap) -> Result<Vec<u8>> {
    emit::source_map(map, offsets)
}

/// The plan for a module (binary or text) as stable text, one line a decision.
///
/// # Errors
/// As [`instrument`].
pub fn plan_text(input: &[u8], options: &Options) -> Result<String> {
    prepared(input, options, |module, analysis, options| {
        stage("plan");
        Ok(plan::dump(module, &Plan::make(module, analysis, options)?))
    })
}

/// The binary form of a module. The stage `read` begins with it.
/// Puts a module (binary or text) together with its debug information, which is in a file of its own, a module with `.debug_*` sections: what
/// [`instrument`] and [`shim()`] then move with the code. See [`Options::debug_file_url`].
///
/// # Errors
/// An [`ErrorKind::Input`] if the module can't be read; [`Error::DebugFile`] if the other file can't, or doesn't belong to it.
pub fn join_debug_file(module: &[u8], debug: &[u8]) -> Result<Vec<u8>> {
    emit::join_debug_file(&text_to_binary(module)?, debug)
}

/// Takes the output for such a module apart again. `url` is where the debug information is going to be, which the module then says.
///
/// # Errors
/// An [`ErrorKind::Input`] if the output is no binary module.
pub fn separate_debug_file(output: &[u8], url: Option<&str>) -> Result<Separated> {
    emit::separate_debug_file(output, url)
}

fn binary(input: &[u8]) -> Result<Cow<'_, [u8]>> {
    stage("read");
    text_to_binary(input)
}

/// Does the rest with what is instrumented in the place of `input`: mostly the input itself.
fn prepared<T>(
    input: &[u8],
    options: &Options,
    rest: impl Fn(&Module<'_>, &Analysis, &Options) -> Result<T>,
) -> Result<T> {
    let (bytes, options) = driven(binary(input)?, options)?;
    let options = &*options;
    let bytes = linked(bytes, options)?;
    let (module, analysis) = analyzed(&bytes, options)?;
    let Some(bytes) = with_stand_ins(&module, &analysis, options)? else {
        return leaving_out(&module, analysis, options, rest);
    };
    let (module, analysis) = analyzed(&bytes, options)?;
    // Those of this module mean nothing to anybody.
    rest(&module, &analysis, &options.clone().map_offsets(false))
}

/// Does the rest, and once more without the functions that it is refused for, as long as there are such and that is asked for.
fn leaving_out<T>(
    module: &Module<'_>,
    mut analysis: Analysis,
    options: &Options,
    rest: impl Fn(&Module<'_>, &Analysis, &Options) -> Result<T>,
) -> Result<T> {
    let mut options = options.clone();
    loop {
        let refusals = match rest(module, &analysis, &options) {
            Err(Error::Refused(refusals)) if options.unsupported == Unsupported::Guard => refusals,
            done => return done,
        };
        let left_out = refused_functions(&analysis, &refusals);
        if left_out.is_empty() {
            return Err(Error::Refused(refusals));
        }
        options.assumptions.push(Assumption::LeftOut(left_out));
        analysis = Analysis::run(module, &options)?;
    }
}

/// The functions of the closure that a module is refused for, each once, with the first reason.
fn refused_functions(analysis: &Analysis, refusals: &Refusals) -> Vec<LeftOut> {
    let mut left_out: BTreeMap<u32, &str> = BTreeMap::new();
    for refusal in refusals.iter() {
        if let Some(location) = &refusal.location
            && analysis.closure[FuncIdx(location.func)]
        {
            left_out.entry(location.func).or_insert(&refusal.what);
        }
    }
    let left_out = left_out.into_iter();
    left_out.map(|(func, why)| LeftOut { func, why: why.to_owned() }).collect()
}

/// The module with stand-ins for imports, if it would be refused for nothing else than that it has none.
fn with_stand_ins(
    module: &Module<'_>,
    analysis: &Analysis,
    options: &Options,
) -> Result<Option<Vec<u8>>> {
    let Some(wanted) = plan::stand_ins(module, analysis, options)? else {
        return Ok(None);
    };
    let bytes = rewrite::stand_ins(module, options.abi, &wanted)?;
    let (module, analysis) = analyzed(&bytes, options)?;
    // What the host puts into tables has no stand-in.
    let refusals = plan::refusals(&module, &analysis, options)?;
    Ok(refusals.is_empty().then_some(bytes))
}

/// A side module imports what it shares with the main module; any other is as it was. Refusals come first, since offsets change.
fn linked<'a>(bytes: Cow<'a, [u8]>, options: &Options) -> Result<Cow<'a, [u8]>> {
    if !options.abi.is_side() {
        return Ok(bytes);
    }
    let (module, analysis) = analyzed(&bytes, options)?;
    if !analysis.may_unwind() {
        return Ok(bytes);
    }
    if let Some(bytes) = with_stand_ins(&module, &analysis, options)? {
        return linked(Cow::Owned(bytes), options);
    }
    let refuse = |module: &Module<'_>, analysis: &Analysis, options: &Options| {
        let refusals = plan::refusals(module, analysis, options)?;
        if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
    };
    leaving_out(&module, analysis, options, refuse)?;
    let address = plan::memory_of_frames(&module, options)?.0.address;
    let globals = options.abi.shared_globals(address);
    Ok(Cow::Owned(emit::import_globals(&module, abi::SHARED_MODULE, &globals)?))
}

/// The first two stages: read, analyze.
fn analyzed<'a>(bytes: &'a [u8], options: &Options) -> Result<(Module<'a>, Analysis)> {
    let (module, facts) = analyze::read(bytes)?;
    stage("analyze");
    let analysis = Analysis::of_facts(&module, facts, options)?;
    Ok((module, analysis))
}

/// What is instrumented in the place of a module that drives the protocol itself: the same with functions where it imports those of
/// the protocol, which is checked. Any other is as it was.
fn driven<'a>(
    bytes: Cow<'a, [u8]>,
    options: &'a Options,
) -> Result<(Cow<'a, [u8]>, Cow<'a, Options>)> {
    let as_it_was = |bytes| Ok((bytes, Cow::Borrowed(options)));
    if !options.abi.can_be_driven() {
        return as_it_was(bytes);
    }
    let module = Module::read(&bytes)?;
    let address = plan::memory_of_frames(&module, options)?.0.address;
    let Some((wasm, driven)) = rewrite::driven(&module, options.abi, address)? else {
        drop(module);
        return as_it_was(bytes);
    };
    verify::check_driven(&module, &Module::read(&wasm)?, &driven.operations)
        .map_err(|fault| fault.internal())?;
    // Offsets in this module mean nothing to anybody.
    let mut imports = module.funcs.iter().filter_map(|func| func.import());
    let is_entry = |import: read::Import<'_>| {
        options.entries.iter().any(|entry| entry.matches(import.module, import.name))
    };
    let means_nothing = !imports.any(is_entry);
    let options = options.clone().driven(driven, means_nothing).map_offsets(false);
    Ok((Cow::Owned(wasm), Cow::Owned(options)))
}

/// Announces a stage to whoever shows progress: an event of its own target, with the stage's name.
fn stage(name: &str) {
    tracing::info!(target: "wasm_fork::stage", "{name}");
}
