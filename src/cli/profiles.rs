//! Profiles as files: reads them, unites them, writes them.

use super::files::{self, Destination};
use super::flags::Merge;
use super::print;
use std::path::{Path, PathBuf};
use wasm_fork::{CpuProfile, Error, Profile, Result};

/// `profile merge`.
pub(super) fn merge(args: &Merge) -> Result<()> {
    let merged = read_all(&args.inputs)?.to_string();
    if args.output.as_os_str() == "-" {
        return print(&merged);
    }
    Destination::open(&args.output)?.write_new(merged.as_bytes())
}

/// The profiles at `paths`, united.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Profile> {
    let profiles: Result<Vec<_>> = paths.iter().map(|path| read(path)).collect();
    Ok(Profile::merge(&profiles?))
}

/// The CPU profile at `path`.
pub(super) fn read_cpu(path: &Path) -> Result<CpuProfile> {
    let (origin, text) = read_text(path)?;
    CpuProfile::parse(&origin, &text)
}

fn read(path: &Path) -> Result<Profile> {
    let (origin, text) = read_text(path)?;
    Profile::parse(&origin, &text)
}

/// What to call the file in errors, and its text.
fn read_text(path: &Path) -> Result<(String, String)> {
    let origin = path.display().to_string();
    let bytes = files::read(path)?.bytes;
    let text = String::from_utf8(bytes).map_err(|error| Error::BadProfile {
        origin: origin.clone(),
        reason: format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
    })?;
    Ok((origin, text))
}
