//! The `shim` command, and its options within `instrument`.

use super::files::{self, Destination};
use super::flags::{Format, MechanismFlag, Shim, ShimFirst};
use super::progress::Progress;
use super::{print, print_json};
use std::fs;
use std::path::PathBuf;
use wasm_fork::shim::{Mechanism, ShimOptions, ShimOutput, SitePattern, first_frames};
use wasm_fork::text::escape;
use wasm_fork::{Error, Result};

pub(super) fn shim(args: &Shim, progress: Progress) -> Result<()> {
    let options = ShimOptions {
        sites: sites(&args.sites, &args.from_trap)?,
        all_sites: args.all_sites,
        mechanism: args.mechanism.map(Into::into),
        allow_bit_casts: args.allow_bit_casts,
    };
    let Some(path) = &args.output else {
        let input = files::read(&args.input)?;
        let report = wasm_fork::shim_report(&input.bytes, &options)?;
        drop(progress);
        return match args.format {
            Format::Text => print(&report.to_string()),
            Format::Json => print_json(&report),
        };
    };
    let destination = Destination::open(path)?;
    let input = files::read(&args.input)?;
    let output = wasm_fork::shim(&input.bytes, &options)?;
    drop(progress);
    remarks(&output);
    destination.write(&output.wasm, &input)
}

/// Repairs the module before it is instrumented, if any option asks for that.
pub(super) fn first(args: &ShimFirst, input: &[u8]) -> Result<Option<Vec<u8>>> {
    if args.shim_site.is_empty() && args.shim_from_trap.is_empty() && !args.shim_all_sites {
        return Ok(None);
    }
    let options = ShimOptions {
        sites: sites(&args.shim_site, &args.shim_from_trap)?,
        all_sites: args.shim_all_sites,
        mechanism: args.shim_mechanism.map(Into::into),
        allow_bit_casts: args.shim_allow_bit_casts,
    };
    let output = wasm_fork::shim(input, &options)?;
    remarks(&output);
    Ok(Some(output.wasm))
}

fn remarks(output: &ShimOutput) {
    if output.calls == 0 {
        eprintln!(
            "note: no call was repaired; `wasm-fork shim IN --report` lists what can mismatch, --site \
             chooses"
        );
    }
    tracing::info!(calls = output.calls, adapters = output.adapters, "repaired calls");
    for warning in &output.warnings {
        eprintln!("warning: {}", escape(warning));
    }
}

fn sites(patterns: &[String], traps: &[PathBuf]) -> Result<Vec<SitePattern>> {
    let patterns = files::with_lists(patterns)?;
    let mut sites: Vec<_> = patterns.iter().map(|text| SitePattern::parse(text)).collect();
    for path in traps {
        let text = fs::read(path).map_err(files::failed("read", &path.display()))?;
        let frames = first_frames(&String::from_utf8_lossy(&text));
        if frames.is_empty() {
            return Err(Error::NoTrace { path: path.display().to_string() });
        }
        sites.extend(frames.into_iter().map(SitePattern::Frame));
    }
    Ok(sites)
}

impl From<MechanismFlag> for Mechanism {
    fn from(flag: MechanismFlag) -> Mechanism {
        match flag {
            MechanismFlag::Table => Mechanism::Table,
            MechanismFlag::RefTest => Mechanism::RefTest,
        }
    }
}
