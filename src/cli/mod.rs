//! The command line: flags in, one call of the library, its result to files and streams.
//!
//! [`flags`] is what the user types, [`usage`] finds what makes no sense in it, and [`resolve`] makes the
//! library's options of it; [`files`], [`replace`] and [`signals`] read and write; [`shim`] is the
//! second job, [`storm`] runs what others make, [`profiles`] is what does without a module; [`console`] and [`progress`] are what the user
//! sees, and [`advice`] says which flag helps. stdout gets what was asked for and nothing else; the
//! rest goes to stderr, errors and warnings as one line each. What the library decides is never
//! decided here again.

mod advice;
mod console;
mod failure;
mod files;
mod flags;
mod profiles;
mod progress;
mod replace;
mod resolve;
mod shim;
mod signals;
#[cfg_attr(not(feature = "testing"), path = "no_storm.rs")]
mod storm;
mod usage;

use clap::Parser;
use console::Console;
use failure::{Failure, Result};
use files::{Destination, Input};
use flags::{
    AbiFlag, Analyze, Command, Explain, ExplainFormat, Flags, Format, Imports, Instrument,
    ListFormat, Verify,
};
use std::path::Path;
use std::process::ExitCode;
use wasm_fork::text::escape;
use wasm_fork::{Error, FuncPattern, Options, Precision, Question, Report};

/// How many lines of a ranked list are shown, unless `--top` says otherwise.
const TOP: usize = 20;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let flags = Flags::parse();
    match execute(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.lines().iter().for_each(|line| eprintln!("error: {line}"));
            error.details().iter().for_each(|line| eprintln!("{line}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(flags: &Flags) -> Result<()> {
    usage::check(&flags.command);
    resolve::limit_threads(&flags.global)?;
    let mut console = Console::start(&flags.global);
    match &flags.command {
        Command::Instrument(args) => {
            let options = resolve::options(&args.module, "instrument", &mut console)?;
            let abi = resolve::protocol(args.abi, args.shared_state);
            let options = resolve::with_memory(&args.memory, options.abi(abi));
            let options = resolve::with_forms(&args.forms, options)?.verify(args.verify);
            let options = options.resume_module(args.resume_module.is_some());
            match &args.output {
                Some(output) => instrument(args, output, &options, console),
                None => discover(args, &options, console),
            }
        }
        Command::Analyze(args) => {
            let options = resolve::options(&args.module, "analyze", &mut console)?;
            let options = options.precision(args.precision.into());
            let options = resolve::with_memory(&args.memory, options);
            let options = resolve::with_forms(&args.forms, options)?;
            let input = files::read(&args.module.input)?;
            match (args.stats, args.advise) {
                (true, _) => stats(args, &input, &options, console),
                (_, true) => advise(args, &input, &options, console),
                _ => analyze(&input.bytes, args.format, &options, console),
            }
        }
        Command::Explain(args) => {
            let options = resolve::options(&args.module, "explain", &mut console)?;
            explain(args, &options, console)
        }
        Command::Plan(args) => {
            let options = resolve::options(&args.module, "plan", &mut console)?;
            let options = resolve::with_memory(&args.memory, options);
            let input = files::read(&args.module.input)?;
            let options = resolve::with_forms(&args.forms, options)?;
            console.print(&wasm_fork::plan_text(&input.bytes, &options)?)
        }
        Command::Verify(args) => {
            let options = resolve::options(&args.module, "verify", &mut console)?;
            let abi = resolve::protocol(AbiFlag::default(), args.shared_state);
            let options = resolve::with_memory(&args.memory, options.abi(abi));
            verify(args, &options, console)
        }
        Command::Imports(args) => imports(args, console),
        Command::Shim(args) => shim::shim(args, console),
        Command::Storm(args) => storm::storm(args, console),
        Command::Profile(flags::Profile::Merge(args)) => profiles::merge(args, console),
    }
}

fn analyze(input: &[u8], format: Format, options: &Options, mut console: Console) -> Result<()> {
    let report = wasm_fork::analyze(input, options)?;
    if options.precision == Precision::Direct {
        console.warning("functions are missing: this closure is NOT sound, and can't be used");
    }
    report.warnings.iter().for_each(|warning| console.warning(warning));
    match format {
        Format::Text => {
            remarks(&report).for_each(|remark| console.note(&remark));
            console.print(&report)?;
        }
        Format::Json => console.print_json(&report)?,
    }
    // The closure is what it is; but who goes on to `instrument` should know.
    if report.refusals.is_empty() { Ok(()) } else { Err(Error::Refused(report.refusals).into()) }
}

/// `instrument --discover-only`.
fn discover(args: &Instrument, options: &Options, mut console: Console) -> Result<()> {
    let input = files::read(&args.module.input)?;
    let shimmed = shim::first(&args.shim, &input, &mut console)?;
    analyze(shimmed.as_deref().unwrap_or(&input.bytes), Format::Text, options, console)
}

fn advise(args: &Analyze, input: &Input, options: &Options, mut console: Console) -> Result<()> {
    let mut advice = wasm_fork::advise(&input.bytes, options)?;
    let found = advice.items.len();
    match args.format {
        Format::Text => {
            advice.items.truncate(args.top.unwrap_or(TOP));
            note_rest(found - advice.items.len(), &mut console);
            console.print(&advice::text(&advice))
        }
        Format::Json => {
            advice.items.truncate(args.top.unwrap_or(found));
            console.print_json(&advice::data(&advice))
        }
    }
}

fn stats(args: &Analyze, input: &Input, options: &Options, mut console: Console) -> Result<()> {
    let mut stats = wasm_fork::stats(&input.bytes, options)?;
    match args.format {
        Format::Text => {
            let top = args.top.unwrap_or(TOP);
            note_rest(stats.functions.len().saturating_sub(top), &mut console);
            console.print(&stats.text(top))
        }
        Format::Json => {
            if let Some(top) = args.top {
                stats.functions = stats.largest(top).into_iter().cloned().collect();
            }
            console.print_json(&stats)
        }
    }
}

fn note_rest(left_out: usize, console: &mut Console) {
    if left_out > 0 {
        console.note(&format!("note: {left_out} more are not shown; see --top"));
    }
}

fn explain(args: &Explain, options: &Options, mut console: Console) -> Result<()> {
    let input = files::read(&args.module.input)?;
    let question = if args.all_callers { Question::AllCallers } else { Question::Path };
    let pattern = FuncPattern(args.function.clone());
    let answer = wasm_fork::explain(&input.bytes, options, &pattern, question)?;
    answer.warnings.iter().for_each(|warning| console.warning(warning));
    match args.format {
        ExplainFormat::Text => console.print(&answer),
        ExplainFormat::Json => console.print_json(&answer),
        ExplainFormat::Dot => console.print(&wasm_fork::dot(&answer)),
    }
}

fn imports(args: &Imports, mut console: Console) -> Result<()> {
    let imports = wasm_fork::imports(&files::read(&args.input)?.bytes)?;
    match args.format {
        ListFormat::Text => {
            if imports.imports.iter().any(|import| import.minified) {
                console.note(
                    "note: names are minified; Emscripten's JavaScript says which is which, where it \
                     assigns them to the program's functions",
                );
            }
            console.print(&imports)
        }
        ListFormat::Json => console.print_json(&imports),
    }
}

fn verify(args: &Verify, options: &Options, mut console: Console) -> Result<()> {
    let input = files::read(&args.module.input)?;
    let output = files::read(&args.instrumented)?;
    let resumes = args.resume_module.as_deref().map(files::read).transpose()?;
    let verified = match &resumes {
        Some(resumes) => {
            wasm_fork::verify_pair(&input.bytes, &output.bytes, &resumes.bytes, options)?
        }
        None => wasm_fork::verify(&input.bytes, &output.bytes, options)?,
    };
    match args.format {
        ListFormat::Text => console.print(&verified)?,
        ListFormat::Json => console.print_json(&verified)?,
    }
    match verified.unchecked.len() {
        0 => Ok(()),
        _ if args.allow_unchecked => Ok(()),
        functions => Err(Failure::Unchecked { functions }),
    }
}

/// What a reader of the closure should know, a line each.
fn remarks(report: &Report) -> impl Iterator<Item = String> {
    let assumptions = report.assumptions.iter().map(|text| format!("assuming: {text}"));
    let notes = report.notes.iter().map(|text| format!("note: {text}"));
    let given = report.assumed.iter().map(|assumed| format!("assumed: {assumed}"));
    let any = report.guards.guards > 0;
    let guards = any.then(|| format!("note: {} for what is assumed", report.guards));
    assumptions.chain(notes).chain(given).chain(guards)
}

fn instrument(
    args: &Instrument,
    output: &Path,
    options: &Options,
    mut console: Console,
) -> Result<()> {
    let destination = Destination::open(output)?;
    let of_resumes = args.resume_module.as_deref().map(Destination::open).transpose()?;
    if of_resumes.as_ref().is_some_and(|other| destination.is(other)) {
        usage::error(&["instrument"], "--output and --resume-module are the same file");
    }
    let input = files::read(&args.module.input)?;
    let shimmed = shim::first(&args.shim, &input, &mut console)?;
    let output = wasm_fork::instrument(shimmed.as_deref().unwrap_or(&input.bytes), options)?;
    for remark in remarks(&output.report) {
        tracing::info!("{}", escape(&remark));
    }
    output.warnings.iter().for_each(|warning| console.warning(warning));
    if let Some(verified) = output.verified.as_ref().filter(|_| args.verify) {
        for (reason, functions) in verified.reasons() {
            console.warning(&format!(
                "rewritten functions that were not checked: {functions}, for {reason}"
            ));
        }
    }
    match of_resumes.as_ref().zip(output.resume_module.as_deref()) {
        Some(resumes) => files::write_both([resumes, (&destination, &output.wasm)], &input)?,
        None => destination.write(&output.wasm, &input)?,
    }
    console.done(&output.summary);
    Ok(())
}
