//! Profiles as files: reads them, unites them, writes them.

use super::console::Console;
use super::failure::{Failure, Result};
use super::files::{self, Destination};
use super::flags::{Diff, FromFrames, Merge, Show};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use wasm_fork::text::{count, escape};
use wasm_fork::{CpuProfile, Profile};

/// `profile merge`.
pub(super) fn merge(args: &Merge, mut console: Console) -> Result<()> {
    let mut merged = read_all(&args.inputs, &mut console)?;
    if let Some(module) = &args.module {
        wasm_fork::complete_profile(&files::read(module)?.bytes, &mut merged)?;
    }
    let done = format!("united {}", count(args.inputs.len(), "profile"));
    write(&merged, &args.output, &done, console)
}

/// `profile from-frames`.
pub(super) fn from_frames(args: &FromFrames, console: Console) -> Result<()> {
    let module = files::read(&args.module)?;
    let read = |path: &PathBuf| Ok::<_, Failure>((files::shown(path), files::read(path)?.bytes));
    let buffers = args.buffers.iter().map(read).collect::<Result<Vec<_>>>()?;
    let profile = wasm_fork::profile_from_frames(&module.bytes, &buffers, args.start)?;
    let done = format!("read {}", count(buffers.len(), "stack"));
    write(&profile, &args.output, &done, console)
}

/// `profile show`.
pub(super) fn show(args: &Show, mut console: Console) -> Result<()> {
    let profile = read(&args.input)?;
    let found = match &args.module {
        Some(module) => Some(wasm_fork::profiled_functions(&files::read(module)?.bytes, &profile)?),
        None => None,
    };
    let functions = count(profile.functions.len(), "function");
    let mut text = match profile.stacks {
        Some(stacks) => format!("{functions} on {}\n", count(stacks as usize, "stack")),
        None => format!("{functions}\n"),
    };
    let mut lines: Vec<_> = profile.functions.iter().zip(0..).collect();
    // The sort is stable: those that were seen as often stay in order.
    lines.sort_by_key(|(seen, _)| Reverse(seen.count));
    for (seen, position) in lines.into_iter().take(args.top.unwrap_or(usize::MAX)) {
        let here = match found.as_ref().map(|found| found[position]) {
            Some(Ok(index)) if seen.index == Some(index) => ": here".to_owned(),
            Some(Ok(index)) => format!(": function {index} here"),
            Some(Err(why)) => format!(": {why}"),
            None => String::new(),
        };
        let line = escape(&format!("{:8} {seen}{here}", seen.count)).into_owned();
        text.push_str(&line);
        text.push('\n');
    }
    console.print(&text)?;
    let lost = found.iter().flatten().filter(|found| found.is_err()).count();
    if lost > 0 { Err(Failure::Lost { functions: lost }) } else { Ok(()) }
}

/// `profile diff`.
pub(super) fn diff(args: &Diff, mut console: Console) -> Result<()> {
    console.print(&read(&args.old)?.difference(&read(&args.new)?))
}

/// Writes a profile, and says what was done.
pub(super) fn write(
    profile: &Profile,
    output: &Path,
    done: &str,
    mut console: Console,
) -> Result<()> {
    let text = profile.to_string();
    if files::is_dash(output) {
        return console.print(&text);
    }
    Destination::open(output)?.write_new(text.as_bytes())?;
    console.done(&format_args!("{done}: {}", count(profile.functions.len(), "function")));
    Ok(())
}

/// The profiles at `paths`, united. Those of several modules get a warning.
pub(super) fn read_all(paths: &[PathBuf], console: &mut Console) -> Result<Profile> {
    let profiles: Result<Vec<_>> = paths.iter().map(|path| read(path)).collect();
    let profiles = profiles?;
    if let Some((first, other)) = of_two_modules(&profiles) {
        console.warning(&format!(
            "the profiles {} and {} were recorded from different modules: an index may mean one function in \
             the first, and another in the second",
            files::shown(&paths[first]),
            files::shown(&paths[other])
        ));
    }
    Ok(Profile::merge(&profiles))
}

/// The positions of two profiles that say that they are of different modules.
fn of_two_modules(profiles: &[Profile]) -> Option<(usize, usize)> {
    let modules = profiles.iter().enumerate();
    let mut modules = modules.filter_map(|(at, profile)| Some((at, profile.module.as_ref()?)));
    let (first, module) = modules.next()?;
    let (other, _) = modules.find(|(_, other)| *other != module)?;
    Some((first, other))
}

/// The CPU profile at `path`.
pub(super) fn read_cpu(path: &Path) -> Result<CpuProfile> {
    let (origin, text) = files::read_text(path)?;
    Ok(CpuProfile::parse(&origin, &text)?)
}

fn read(path: &Path) -> Result<Profile> {
    let (origin, text) = files::read_text(path)?;
    Ok(Profile::parse(&origin, &text)?)
}
