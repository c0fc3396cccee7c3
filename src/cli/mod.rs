//! The command line: flags in, one call of the library, its result to files and streams.
//!
//! [`given`] is what the process was started with (by which name, and with response files: [`words`]), [`config`] adds what a project's
//! file says, [`flags`] is what the user types, [`usage`] finds what makes no sense in it, and [`resolve`] makes the
//! library's options of it; [`files`], [`replace`] and [`signals`] read and write, [`records`] what programs want to know; [`link`] is the
//! step in a build, [`wasm_opt`] stands in for Binaryen's ([`lists`] reads what that takes), [`shim`] the second job,
//! [`storm`] and [`run`](mod@run) run what others make, [`profiles`] and [`pages`] are what does without a module;
//! [`console`] and [`progress`] are what the user sees, and [`advice`] says which flag helps. stdout gets what was asked for and nothing else; the
//! rest goes to stderr, errors and warnings as one line each. What the library decides is never
//! decided here again.

mod advice;
mod config;
mod console;
mod debug;
mod failure;
mod files;
mod flags;
mod given;
mod link;
mod lists;
mod page;
mod pages;
mod profiles;
mod progress;
mod records;
mod replace;
mod resolve;
#[cfg_attr(not(all(feature = "run", unix)), path = "no_run.rs")]
mod run;
mod shim;
mod signals;
#[cfg_attr(not(feature = "testing"), path = "no_storm.rs")]
mod storm;
mod usage;
mod wasm_opt;
mod words;

use console::Console;
use debug::DebugFiles;
use failure::{Failure, Result};
use files::{Destination, Input};
use flags::{
    Analyze, Command, Explain, ExplainFormat, Flags, Format, Imports, Instrument, ListFormat,
    Rewriting, Verify,
};
use records::Records;
use std::path::Path;
use std::process::ExitCode;
use wasm_fork::text::{count, escape};
use wasm_fork::{Error, FuncPattern, Options, Precision, Question, Report};

/// How many lines of a ranked list are shown, unless `--top` says otherwise.
const TOP: usize = 20;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let done = given::arguments().and_then(config::parse).and_then(|flags| execute(&flags));
    match done {
        Ok(status) => status,
        Err(error) => {
            error.lines().iter().for_each(|line| eprintln!("error: {line}"));
            error.details().iter().for_each(|line| eprintln!("{line}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(flags: &Flags) -> Result<ExitCode> {
    usage::check(&flags.command);
    resolve::limit_threads(&flags.global)?;
    if let Command::Link(args) = &flags.command {
        return link::link(args, &flags.global);
    }
    if let Command::WasmOpt(args) = &flags.command {
        return wasm_opt::wasm_opt(args, &flags.global);
    }
    if let Command::Run(args) = &flags.command {
        return run::run(args, flags.global.verbose);
    }
    let mut console = Console::start(&flags.global);
    match &flags.command {
        Command::Instrument(args) => {
            let options = resolve::rewriting(&args.rewriting, "instrument", &mut console)?;
            match &args.output {
                Some(output) => rewrite(
                    Source::Input(&args.input),
                    output,
                    &args.rewriting,
                    &options,
                    &mut console,
                )
                .map(drop),
                None => discover(args, &options, console),
            }
        }
        Command::Link(_) | Command::WasmOpt(_) | Command::Run(_) => {
            unreachable!("they are above, for they show no progress at first")
        }
        Command::Analyze(args) => {
            let options = resolve::options(&args.module, "analyze", &mut console)?;
            let options = options.precision(args.precision.into());
            let options = resolve::with_memory(&args.memory, options);
            let options = resolve::with_forms(&args.forms, options)?;
            let input = files::read(&args.input)?;
            if let Some(path) = &args.html {
                return picture(args, path, &input, &options, console).map(|()| ExitCode::SUCCESS);
            }
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
            let input = files::read(&args.input)?;
            let options = resolve::with_forms(&args.forms, options)?;
            console.print(&wasm_fork::plan_text(&input.bytes, &options)?)
        }
        Command::Verify(args) => {
            let options = resolve::options(&args.module, "verify", &mut console)?;
            let options = resolve::with_memory(&args.memory, options);
            verify(args, &options, console)
        }
        Command::Imports(args) => imports(args, console),
        Command::Shim(args) => shim::shim(args, console),
        Command::Storm(args) => storm::storm(args, console),
        Command::Profile(flags::Profile::Merge(args)) => profiles::merge(args, console),
        Command::Profile(flags::Profile::FromFrames(args)) => profiles::from_frames(args, console),
        Command::Profile(flags::Profile::Show(args)) => profiles::show(args, console),
        Command::Profile(flags::Profile::Diff(args)) => profiles::diff(args, console),
        Command::Completions(args) => pages::completions(args, console),
        Command::Man(args) => pages::man(args, console),
    }?;
    Ok(ExitCode::SUCCESS)
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
    let input = files::read(&args.input)?;
    let shimmed =
        shim::first(&args.rewriting.shim, &input, &mut DebugFiles::default(), &mut console)?;
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

/// `analyze --html`.
fn picture(
    args: &Analyze,
    path: &Path,
    input: &Input,
    options: &Options,
    mut console: Console,
) -> Result<()> {
    let destination = Destination::open(path)?;
    let report = wasm_fork::analyze(&input.bytes, options)?;
    report.warnings.iter().for_each(|warning| console.warning(warning));
    let map = wasm_fork::closure_map(&input.bytes, options)?;
    let advice = wasm_fork::advise(&input.bytes, options)?;
    let title = args.input.file_name().unwrap_or_default().to_string_lossy();
    let page = page::page(&title, &map, &advice::data(&advice), &report.assumptions);
    destination.write_new(page.as_bytes())?;
    let inside = report.counts.local;
    console.done(&format_args!(
        "drew {} with {inside} in the closure",
        count(map.functions, "function")
    ));
    if report.refusals.is_empty() { Ok(()) } else { Err(Error::Refused(report.refusals).into()) }
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
    let input = files::read(&args.input)?;
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
    let input = files::read(&args.input)?;
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
    let untested = report.untested.iter().map(|text| format!("note: {text}"));
    let guards = (report.guards.guards > 0).then(|| {
        let why = match (report.guards_of_calls_out, report.guards.guards) {
            (0, _) => " for what is assumed".to_owned(),
            (out, all) if out == all => " behind calls out of the module".to_owned(),
            (out, all) => {
                format!(", {} for what is assumed, {out} behind calls out of the module", all - out)
            }
        };
        format!("note: {}{why}", report.guards)
    });
    assumptions.chain(untested).chain(notes).chain(given).chain(guards)
}

/// Where a module comes from.
enum Source<'p> {
    Input(&'p Path),
    Between(&'p Path),
    Read(Input),
}

/// Instruments the module at `input`, or that in a file that this command has made of others.
fn rewrite(
    source: Source<'_>,
    output: &Path,
    flags: &Rewriting,
    options: &Options,
    console: &mut Console,
) -> Result<Report> {
    let destination = Destination::open(output)?;
    let of_resumes = flags.resume_module.as_deref().map(Destination::open).transpose()?;
    if of_resumes.as_ref().is_some_and(|other| destination.is(other)) {
        usage::error(&["instrument"], "--output and --resume-module are the same file");
    }
    let between = match &source {
        Source::Input(_) | Source::Read(_) => None,
        Source::Between(path) => Some(*path),
    };
    let records = Records::open(flags, between)?;
    let mut debug = DebugFiles::open(&flags.debug)?;
    if debug.is(&destination) {
        usage::error(&["instrument"], "--output and a file of debug information are the same file");
    }
    let options = debug.options(options.clone().strip_debug(flags.debug.strip_debug));
    let input = match source {
        Source::Input(path) | Source::Between(path) => files::read(path)?,
        Source::Read(input) => input,
    };
    let read = debug.joined(input)?;
    let shimmed = shim::first(&flags.shim, &read, &mut debug, console)?;
    let mut made = wasm_fork::instrument(shimmed.as_deref().unwrap_or(&read.bytes), &options)?;
    debug.moved(&made.offsets)?;
    made.wasm = debug.separated(made.wasm)?;
    for remark in remarks(&made.report) {
        tracing::info!("{}", escape(&remark));
    }
    made.warnings.iter().for_each(|warning| console.warning(warning));
    made.report.untested.iter().for_each(|text| console.note(&format!("note: {text}")));
    if let Some(verified) = made.verified.as_ref().filter(|_| flags.verify) {
        for (reason, functions) in verified.reasons() {
            console.warning(&format!(
                "rewritten functions that were not checked: {functions}, for {reason}"
            ));
        }
    }
    // The module comes last: where it is, all that was asked for is.
    records.write(&made, output)?;
    debug.write()?;
    match of_resumes.as_ref().zip(made.resume_module.as_deref()) {
        Some(resumes) => files::write_both([resumes, (&destination, &made.wasm)], &read)?,
        None => destination.write(&made.wasm, &read)?,
    }
    console.done(&made.summary);
    Ok(made.report)
}
