//! The command line: flags in, one call of the library, its result to files and streams.
//!
//! [`flags`] is what the user types, [`files`] reads and writes, [`shim`] is the second job, [`profiles`]
//! is what does without a module, [`progress`] is what stderr shows meanwhile. stdout gets what was asked
//! for and nothing else; the rest goes to stderr, errors and warnings as one line each. What the library decides is never decided here again.

mod files;
mod flags;
mod profiles;
mod progress;
mod shim;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use files::Destination;
use flags::{
    AbiFlag, Analyze, Command, Explain, ExplainFormat, Flags, Format, Global, Instrument,
    ModuleFlags, PrecisionFlag,
};
use progress::Progress;
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;
use wasm_fork::text::escape;
use wasm_fork::{
    Abi, Assumption, EntryPattern, Error, FuncPattern, Options, Precision, Question, Report,
    Result, TablePattern,
};

/// How many lines of a ranked list are shown, unless `--top` says otherwise.
const TOP: usize = 20;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let flags = Flags::parse();
    match execute(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error on one line, or several refusals on a line each.
fn complain(error: &Error) {
    match error {
        Error::Refused(refusals) => {
            refusals.lines().for_each(|line| eprintln!("error: {}", escape(&line)));
        }
        error => eprintln!("error: {}", escape(&error.to_string())),
    }
}

/// Leaves the process as clap does when flags make no sense.
fn usage_error(error: &Error) -> ! {
    Flags::command().error(ErrorKind::ValueValidation, escape(&error.to_string())).exit()
}

fn execute(flags: &Flags) -> Result<()> {
    match &flags.command {
        Command::Instrument(args) => {
            let (options, progress) = begin(&args.module, &flags.global)?;
            if args.discover_only {
                return analyze(&args.module, Format::Text, &options, progress);
            }
            let abi = match args.abi {
                AbiFlag::WpkFork => Abi::WpkFork,
            };
            let options = with_forms(&args.forms, Options { abi, ..options })?;
            instrument(args, &options, progress)
        }
        Command::Analyze(args) => {
            let (options, progress) = begin(&args.module, &flags.global)?;
            let options = Options { precision: precision(args.precision), ..options };
            let options = with_forms(&args.forms, options)?;
            match (args.stats, args.advise) {
                (true, _) => stats(args, &options, progress),
                (_, true) => advise(args, &options, progress),
                _ => analyze(&args.module, args.format, &options, progress),
            }
        }
        Command::Explain(args) => {
            let (options, progress) = begin(&args.module, &flags.global)?;
            explain(args, &options, progress)
        }
        Command::Plan(args) => {
            let (options, progress) = begin(&args.module, &flags.global)?;
            let input = files::read(&args.module.input)?;
            let options = with_forms(&args.forms, options)?;
            let plan = wasm_fork::plan_text(&input.bytes, &options)?;
            drop(progress);
            print(&plan)
        }
        Command::Shim(args) => {
            limit_threads(&flags.global)?;
            shim::shim(args, Progress::start(flags.global.verbose))
        }
        Command::Profile(flags::Profile::Merge(args)) => profiles::merge(args),
    }
}

/// `options` with what the flags say about forms.
fn with_forms(forms: &flags::Forms, options: Options) -> Result<Options> {
    let cpu_profile = forms.cpu_profile.as_deref().map(profiles::read_cpu).transpose()?;
    Ok(Options { optimize: forms.optimize.into(), cpu_profile, ..options })
}

/// Resolves the flags of a command on a module, and starts to show progress.
fn begin(module: &ModuleFlags, global: &Global) -> Result<(Options, Progress)> {
    let options = match options(module) {
        Err(error @ (Error::Io { .. } | Error::BadProfile { .. } | Error::EmptyList { .. })) => {
            return Err(error);
        }
        Err(error) => usage_error(&error),
        Ok(options) => options,
    };
    limit_threads(global)?;
    Ok((options, Progress::start(global.verbose)))
}

fn analyze(
    flags: &ModuleFlags,
    format: Format,
    options: &Options,
    progress: Progress,
) -> Result<()> {
    let input = files::read(&flags.input)?;
    let report = wasm_fork::analyze(&input.bytes, options)?;
    drop(progress);
    if options.precision == Precision::Direct {
        eprintln!("warning: functions are missing: this closure is NOT sound, and can't be used");
    }
    match format {
        Format::Text => {
            for remark in remarks(&report) {
                eprintln!("{remark}");
            }
            print(&report.to_string())?;
        }
        Format::Json => print_json(&report)?,
    }
    // The closure is what it is; but who goes on to `instrument` should know.
    if report.refusals.is_empty() { Ok(()) } else { Err(Error::Refused(report.refusals)) }
}

fn advise(args: &Analyze, options: &Options, progress: Progress) -> Result<()> {
    let input = files::read(&args.module.input)?;
    let mut advice = wasm_fork::advise(&input.bytes, options)?;
    drop(progress);
    let found = advice.items.len();
    match args.format {
        Format::Text => {
            advice.items.truncate(args.top.unwrap_or(TOP));
            remark_rest(found - advice.items.len());
            print(&advice.to_string())
        }
        Format::Json => {
            advice.items.truncate(args.top.unwrap_or(found));
            print_json(&advice)
        }
    }
}

fn stats(args: &Analyze, options: &Options, progress: Progress) -> Result<()> {
    let input = files::read(&args.module.input)?;
    let mut stats = wasm_fork::stats(&input.bytes, options)?;
    drop(progress);
    match args.format {
        Format::Text => {
            let top = args.top.unwrap_or(TOP);
            remark_rest(stats.functions.len().saturating_sub(top));
            print(&stats.text(top))
        }
        Format::Json => {
            if let Some(top) = args.top {
                stats.functions = stats.largest(top).into_iter().cloned().collect();
            }
            print_json(&stats)
        }
    }
}

fn remark_rest(left_out: usize) {
    if left_out > 0 {
        eprintln!("note: {left_out} more are not shown; see --top");
    }
}

fn explain(args: &Explain, options: &Options, progress: Progress) -> Result<()> {
    let input = files::read(&args.module.input)?;
    let question = if args.all_callers { Question::AllCallers } else { Question::Path };
    let pattern = FuncPattern(args.function.clone());
    let answer = wasm_fork::explain(&input.bytes, options, &pattern, question)?;
    drop(progress);
    for warning in &answer.warnings {
        eprintln!("warning: {}", escape(warning));
    }
    match args.format {
        ExplainFormat::Text => print(&answer.to_string()),
        ExplainFormat::Json => print_json(&answer),
        ExplainFormat::Dot => print(&wasm_fork::explanation::dot(&answer)),
    }
}

fn print_json(data: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(data);
    let json = json.map_err(|error| Error::Internal(error.to_string()))?;
    print(&format!("{json}\n"))
}

/// What a reader of the closure should know, a line each.
fn remarks(report: &Report) -> impl Iterator<Item = String> {
    let assumptions = report.assumptions.iter().map(|text| ("assuming", text));
    let notes = report.notes.iter().map(|text| ("note", text));
    let assumed = report.assumed.iter();
    let given = assumed.map(|assumed| format!("assumed: {}", escape(&assumed.to_string())));
    let any = report.guards.guards > 0;
    let guards = any.then(|| format!("note: {} for what is assumed", report.guards));
    let remarks = assumptions.chain(notes);
    let remarks = remarks.map(|(kind, text)| format!("{kind}: {}", escape(text)));
    remarks.chain(given).chain(guards)
}

fn instrument(args: &Instrument, options: &Options, progress: Progress) -> Result<()> {
    let path = args.output.as_deref().expect("clap requires it here");
    let destination = Destination::open(path)?;
    let input = files::read(&args.module.input)?;
    let shimmed = shim::first(&args.shim, &input.bytes)?;
    let output = wasm_fork::instrument(shimmed.as_deref().unwrap_or(&input.bytes), options)?;
    for remark in remarks(&output.report) {
        tracing::info!("{remark}");
    }
    drop(progress);
    for warning in &output.warnings {
        eprintln!("warning: {}", escape(warning));
    }
    destination.write(&output.wasm, &input)
}

/// Resolves the flags.
fn options(flags: &ModuleFlags) -> Result<Options> {
    let mut options = Options {
        reentrant: patterns(&flags.reentrant)?,
        assumptions: assumptions(flags)?,
        allow_missing_entry: flags.allow_missing_entry,
        ..Options::default()
    };
    let entries = entries(flags)?;
    if !entries.is_empty() {
        options.entries = entries;
    }
    Ok(options)
}

fn precision(flag: PrecisionFlag) -> Precision {
    match flag {
        PrecisionFlag::Direct => Precision::Direct,
        PrecisionFlag::Asyncify => Precision::Asyncify,
        PrecisionFlag::Types => Precision::Types,
        PrecisionFlag::Constants => Precision::Constants,
        PrecisionFlag::Interprocedural => Precision::Interprocedural,
    }
}

fn assumptions(flags: &ModuleFlags) -> Result<Vec<Assumption>> {
    let pattern = |text: &String| FuncPattern(text.clone());
    let mut assumptions: Vec<_> =
        flags.assume_no_fork.iter().map(|text| Assumption::NoFork(pattern(text))).collect();
    let not_called = flags.assume_not_called.iter();
    assumptions.extend(not_called.map(|text| Assumption::NotCalled(pattern(text))));
    let only: Vec<_> = files::with_lists(&flags.only)?.iter().map(pattern).collect();
    if !only.is_empty() {
        assumptions.push(Assumption::Only(only));
    }
    if !flags.profiles.is_empty() {
        assumptions.push(Assumption::Profile(profiles::read_all(&flags.profiles)?));
    }
    let private = flags.assume_table_private.iter().cloned().map(TablePattern);
    assumptions.extend(private.map(Assumption::TablePrivate));
    Ok(assumptions)
}

fn entries(flags: &ModuleFlags) -> Result<Vec<EntryPattern>> {
    let mut entries = patterns(&flags.entries)?;
    if let (Some(module), Some(name)) = (&flags.entry_module, &flags.entry_name) {
        let stem = name.strip_suffix('*');
        entries.push(EntryPattern {
            name_prefix: stem.is_some(),
            ..EntryPattern::exact(module, stem.unwrap_or(name))
        });
    }
    Ok(entries)
}

fn patterns(texts: &[String]) -> Result<Vec<EntryPattern>> {
    texts.iter().map(|text| EntryPattern::parse(text)).collect()
}

fn limit_threads(flags: &Global) -> Result<()> {
    let Some(threads) = flags.threads else {
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.into())
        .build_global()
        .map_err(|error| Error::Internal(format!("the threads can't be started: {error}")))
}

/// Prints to stdout. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { action: "write", path: "the standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
