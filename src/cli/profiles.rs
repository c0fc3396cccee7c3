//! Profiles as files: reads them, unites them, writes them.

use super::console::Console;
use super::failure::{Failure, Result};
use super::files::{self, Destination};
use super::flags::Merge;
use std::path::{Path, PathBuf};
use wasm_fork::text::count;
use wasm_fork::{CpuProfile, Profile};

/// `profile merge`.
pub(super) fn merge(args: &Merge, mut console: Console) -> Result<()> {
    let merged = read_all(&args.inputs, &mut console)?;
    let text = merged.to_string();
    if files::is_dash(&args.output) {
        return console.print(&text);
    }
    Destination::open(&args.output)?.write_new(text.as_bytes())?;
    let profiles = count(args.inputs.len(), "profile");
    let functions = count(merged.functions.len(), "function");
    console.done(&format_args!("united {profiles}: {functions}"));
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
    let (origin, text) = read_text(path)?;
    Ok(CpuProfile::parse(&origin, &text)?)
}

fn read(path: &Path) -> Result<Profile> {
    let (origin, text) = read_text(path)?;
    Ok(Profile::parse(&origin, &text)?)
}

/// What to call the file in errors, and its text.
fn read_text(path: &Path) -> Result<(String, String)> {
    let origin = files::shown(path);
    let bytes = files::read(path)?.bytes;
    let text = String::from_utf8(bytes).map_err(|error| Failure::NotUtf8 {
        path: origin.clone(),
        valid_up_to: error.utf8_error().valid_up_to(),
    })?;
    Ok((origin, text))
}
