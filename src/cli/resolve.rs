//! Turns flags into options of the library.

use super::console::Console;
use super::failure::{Failure, Result, with_hint};
use super::flags::{
    AbiFlag, Forms, Global, MemoryFlags, ModuleFlags, PrecisionFlag, Rewriting, SharedState,
};
use super::{files, profiles, usage};
use std::num::NonZero;
use wasm_fork::{
    Abi, Assumption, EntryPattern, FramesIn, FuncPattern, MemoryPattern, Options, Precision,
    TablePattern,
};

/// The options of a command on a module.
///
/// # Errors
/// If a file that a flag names can't be read, or holds something else.
pub(super) fn options(
    flags: &ModuleFlags,
    command: &str,
    console: &mut Console,
) -> Result<Options> {
    let patterns = |texts: &[String]| -> Vec<_> {
        texts.iter().map(|text| entry_pattern(text, command)).collect()
    };
    let options = Options::default()
        .reentrant(patterns(&flags.reentrant))
        .through(patterns(&flags.through))
        .through_tables(flags.through_table.iter().cloned().map(TablePattern))
        .no_callback(patterns(&flags.assume_no_callback))
        .tables_own(flags.assume_table_own.iter().cloned().map(TablePattern))
        .assume_all(assumptions(flags, console)?)
        .kept(files::with_lists(&flags.keep)?.into_iter().map(FuncPattern))
        .on_unprepared(flags.on_unprepared.into())
        .unguarded(flags.unguarded)
        .lenient(flags.lenient)
        .unsupported(flags.unsupported.into())
        .abi(protocol(flags.abi, flags.shared_state))
        .allow_missing_entry(flags.allow_missing_entry);
    let mut entries = patterns(&flags.entries);
    if let (Some(module), Some(name)) = (&flags.entry_module, &flags.entry_name) {
        entries.push(EntryPattern::of_module(module, name));
    }
    let none_needed = !flags.through.is_empty() || !flags.through_table.is_empty();
    Ok(if entries.is_empty() && !none_needed { options } else { options.entries(entries) })
}

/// The options of a command that rewrites a module.
///
/// # Errors
/// As [`options`].
pub(super) fn rewriting(
    flags: &Rewriting,
    command: &str,
    console: &mut Console,
) -> Result<Options> {
    let options = options(&flags.module, command, console)?;
    let options = with_forms(&flags.forms, with_memory(&flags.memory, options))?;
    Ok(options.verify(flags.verify).resume_module(flags.resume_module.is_some()))
}

/// `options` with what the flags say about forms.
///
/// # Errors
/// If the profile can't be read.
pub(super) fn with_forms(flags: &Forms, options: Options) -> Result<Options> {
    let cpu_profile = flags.cpu_profile.as_deref().map(profiles::read_cpu).transpose()?;
    let optimize = flags.optimize.map(Into::into).unwrap_or_default();
    let options = options.optimize(optimize).cpu_profile(cpu_profile);
    let options = options.multi_value(!flags.no_multi_value);
    let options = options.same_instance(flags.same_instance).rewind_once(flags.rewind_once);
    Ok(options.carry_references(flags.carry_references))
}

/// `options` with the memory that the flags name.
pub(super) fn with_memory(flags: &MemoryFlags, options: Options) -> Options {
    match &flags.memory {
        _ if flags.own_memory => {
            let pages = flags.own_memory_pages.unwrap_or(options.own_memory_pages);
            options.frames_in(FramesIn::Own).own_memory_pages(pages)
        }
        Some(text) => options.frames_in(FramesIn::Memory(MemoryPattern(text.clone()))),
        None => options,
    }
}

fn entry_pattern(text: &str, command: &str) -> EntryPattern {
    EntryPattern::parse(text).unwrap_or_else(|error| usage::error(&[command], &with_hint(&error)))
}

fn assumptions(flags: &ModuleFlags, console: &mut Console) -> Result<Vec<Assumption>> {
    let pattern = |text: &String| FuncPattern(text.clone());
    let mut assumptions: Vec<_> =
        flags.assume_no_fork.iter().map(|text| Assumption::NoFork(pattern(text))).collect();
    let not_called = flags.assume_not_called.iter();
    assumptions.extend(not_called.map(|text| Assumption::NotCalled(pattern(text))));
    assumptions.extend(flags.assume_no_indirect.then_some(Assumption::NoIndirect));
    let only: Vec<_> = files::with_lists(&flags.only)?.iter().map(pattern).collect();
    if !only.is_empty() {
        assumptions.push(Assumption::Only(only));
    }
    if !flags.profiles.is_empty() {
        let profile = profiles::read_all(&flags.profiles, console)?;
        assumptions.push(Assumption::Profile(profile));
    }
    let private = flags.assume_table_private.iter().cloned().map(TablePattern);
    assumptions.extend(private.map(Assumption::TablePrivate));
    Ok(assumptions)
}

/// The protocol that a module speaks in its role.
fn protocol(abi: AbiFlag, shared: Option<SharedState>) -> Abi {
    match (abi, shared) {
        (AbiFlag::WpkFork, Some(SharedState::Export)) => Abi::WpkForkMain,
        (AbiFlag::WpkFork, Some(SharedState::Import)) => Abi::WpkForkSide,
        (AbiFlag::Asyncify, Some(SharedState::Export)) => Abi::AsyncifyMain,
        (AbiFlag::Asyncify, Some(SharedState::Import)) => Abi::AsyncifySide,
        (AbiFlag::WpkFork, None) => Abi::WpkFork,
        (AbiFlag::Asyncify, None) => Abi::Asyncify,
    }
}

impl From<PrecisionFlag> for Precision {
    fn from(flag: PrecisionFlag) -> Precision {
        match flag {
            PrecisionFlag::Direct => Precision::Direct,
            PrecisionFlag::Asyncify => Precision::Asyncify,
            PrecisionFlag::Types => Precision::Types,
            PrecisionFlag::Constants => Precision::Constants,
            PrecisionFlag::Interprocedural => Precision::Interprocedural,
        }
    }
}

/// Starts as many threads as the user wants, if the machine has cores for them.
///
/// # Errors
/// If the system can't start them.
pub(super) fn limit_threads(flags: &Global) -> Result<()> {
    let Some(wanted) = flags.threads else {
        return Ok(());
    };
    // Where the number of cores can't be told, the user knows best.
    let cores = std::thread::available_parallelism().map_or(usize::MAX, NonZero::get);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads(wanted, cores))
        .build_global()
        .map_err(|error| Failure::Threads(error.to_string()))
}

/// More threads than cores only cost time.
fn threads(wanted: u16, cores: usize) -> usize {
    usize::from(wanted).min(cores)
}

#[cfg(test)]
mod tests {
    use super::threads;

    #[test]
    fn there_are_no_more_threads_than_cores() {
        assert_eq!([1, 2, 3, 65535].map(|wanted| threads(wanted, 2)), [1, 2, 2, 2]);
        assert_eq!(threads(7, usize::MAX), 7);
    }
}
