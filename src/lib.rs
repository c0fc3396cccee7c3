//! Rewrites WebAssembly modules so that a program's call stack can be unwound into memory and
//! rewound again, in the same instance or in a fresh copy.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod abi;
pub mod advice;
pub mod analyze;
pub mod cpu_profile;
pub mod emit;
pub mod error;
pub mod explanation;
pub mod guide;
pub mod imports;
pub mod index;
pub mod options;
mod pattern;
pub mod plan;
pub mod profile;
pub mod read;
pub mod report;
pub mod rewrite;
pub mod shim;
pub mod stats;
pub mod text;
pub mod verify;

pub use advice::{Advice, advise};
pub use cpu_profile::CpuProfile;
pub use error::{Error, Result};
pub use explanation::{Answer, Explanation, Question, explain};
pub use imports::{Imports, imports};
pub use options::{
    Abi, Assumption, EntryPattern, Form, FuncPattern, Optimize, Options, Precision, TablePattern,
};
pub use profile::Profile;
pub use report::{Report, Summary};
pub use shim::{shim, shim_report};
pub use stats::{Stats, stats};

/// What [`instrument`] made.
#[derive(Debug)]
pub struct Output {
    /// The rewritten module.
    pub wasm: Vec<u8>,
    /// The closure that was instrumented.
    pub report: Report,
    /// What was done, in figures.
    pub summary: Summary,
    /// What the user should know, one sentence each: dropped sections, for example.
    pub warnings: Vec<String>,
}

/// Finds which functions of a module (binary or text) can be on the stack when an entry is called.
///
/// # Errors
/// As [`read::Module::read`]; [`Error::MissingEntry`], [`Error::MissingReentrant`] and
/// [`Error::NoSuchFunction`] for patterns that match nothing; [`Error::Unsupported`] for an assumption
/// that can't be guarded.
pub fn analyze(input: &[u8], options: &Options) -> Result<Report> {
    stage("read");
    let bytes = read::text_to_binary(input)?;
    let module = read::Module::read(&bytes)?;
    stage("analyze");
    let analysis = analyze::Analysis::run(&module, options)?;
    report(&module, &analysis, options.abi)
}

/// The report, with what guards cost, as the rewriter would write them.
fn report(module: &read::Module<'_>, analysis: &analyze::Analysis, abi: Abi) -> Result<Report> {
    let guards = rewrite::guard_costs(module, abi, &plan::guards(module, analysis)?)?;
    Ok(Report::new(module, analysis, &guards))
}

/// Rewrites a module (binary or text) so that its stack can be unwound at any call of an entry.
///
/// # Errors
/// As [`analyze()`], [`Error::OnlyCompares`], and every [`Error`] that names what can't be preserved. There is no partial
/// output.
pub fn instrument(input: &[u8], options: &Options) -> Result<Output> {
    stage("read");
    let bytes = read::text_to_binary(input)?;
    let module = read::Module::read(&bytes)?;
    stage("analyze");
    let analysis = analyze::Analysis::run(&module, options)?;
    let report = report(&module, &analysis, options.abi)?;
    if analysis.entries.is_empty() {
        let (warnings, summary) = (report.warnings.clone(), Summary::untouched(&module));
        return Ok(Output { wasm: bytes.into_owned(), report, summary, warnings });
    }
    stage("plan");
    let plan = plan::Plan::make(&module, &analysis, options)?;
    let mut summary = Summary::new(&module, &plan);
    stage("rewrite");
    let rewritten = rewrite::rewrite(&module, plan)?;
    stage("verify");
    verify::verify(&module, &analysis, options.abi, &rewritten.wasm)?;
    summary.bytes_after = rewritten.wasm.len();
    let mut warnings = report.warnings.clone();
    warnings.extend(emit::left_out(&rewritten.dropped));
    Ok(Output { wasm: rewritten.wasm, report, summary, warnings })
}

/// Announces a stage to whoever shows progress: an event of its own target, with the stage's name.
fn stage(name: &str) {
    tracing::info!(target: "wasm_fork::stage", "{name}");
}

/// The plan for a module (binary or text) as stable text, one line a decision.
///
/// # Errors
/// As [`instrument`].
pub fn plan_text(input: &[u8], options: &Options) -> Result<String> {
    let bytes = read::text_to_binary(input)?;
    let module = read::Module::read(&bytes)?;
    let analysis = analyze::Analysis::run(&module, options)?;
    let plan = plan::Plan::make(&module, &analysis, options)?;
    Ok(plan::dump(&module, &plan))
}
