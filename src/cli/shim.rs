//! The `shim` command, and its options within `instrument`.

use super::console::Console;
use super::failure::{Failure, Result};
use super::files::{self, Destination, Input};
use super::flags::{ListFormat, MechanismFlag, Shim, ShimFirst};
use std::path::PathBuf;
use wasm_fork::shim::{Mechanism, ShimOptions, ShimOutput, SitePattern, first_frames};

pub(super) fn shim(args: &Shim, mut console: Console) -> Result<()> {
    let options = ShimOptions::default()
        .sites(sites(&args.sites, &args.from_trap)?)
        .all_sites(args.all_sites)
        .mechanism(args.mechanism.map(Mechanism::from))
        .allow_bit_casts(args.allow_bit_casts);
    let Some(path) = &args.output else {
        let input = files::read(&args.input)?;
        let report = wasm_fork::shim_report(&input.bytes, &options)?;
        let largest = args.top.map(|top| report.largest_pairs(top)).transpose()?;
        return match args.format.unwrap_or_default() {
            ListFormat::Text => console.print(&report.text(largest.as_ref())),
            ListFormat::Json => console.print_json(&report.json(largest.as_ref())),
        };
    };
    let destination = Destination::open(path)?;
    let input = files::read(&args.input)?;
    let output = wasm_fork::shim(&input.bytes, &options)?;
    remarks(&output, "--site", &mut console);
    destination.write(&output.wasm, &input)?;
    if output.calls > 0 {
        console.done(&output.summary());
    }
    Ok(())
}

/// Repairs the module before it is instrumented, if any option asks for that.
pub(super) fn first(
    args: &ShimFirst,
    input: &Input,
    console: &mut Console,
) -> Result<Option<Vec<u8>>> {
    if args.shim_site.is_empty() && args.shim_from_trap.is_empty() && !args.shim_all_sites {
        return Ok(None);
    }
    let options = ShimOptions::default()
        .sites(sites(&args.shim_site, &args.shim_from_trap)?)
        .all_sites(args.shim_all_sites)
        .mechanism(args.shim_mechanism.map(Mechanism::from))
        .allow_bit_casts(args.shim_allow_bit_casts);
    let output = wasm_fork::shim(&input.bytes, &options)?;
    remarks(&output, "--shim-site", console);
    if output.calls > 0 {
        console.done(&output.summary());
    }
    Ok(Some(output.wasm))
}

/// What is to be known of a repair, of which `flag` chooses the calls.
fn remarks(output: &ShimOutput, flag: &str, console: &mut Console) {
    if output.calls == 0 {
        console.note(&format!(
            "note: no call was repaired; `wasm-fork shim IN --report` lists what can mismatch, {flag} chooses"
        ));
    }
    output.warnings.iter().for_each(|warning| console.warning(warning));
}

fn sites(patterns: &[String], traps: &[PathBuf]) -> Result<Vec<SitePattern>> {
    let patterns = files::with_lists(patterns)?;
    let mut sites: Vec<_> = patterns.iter().map(|text| SitePattern::parse(text)).collect();
    for path in traps {
        let text = files::read(path)?.bytes;
        let frames = first_frames(&String::from_utf8_lossy(&text));
        if frames.is_empty() {
            return Err(Failure::NoTrace { path: files::shown(path) });
        }
        sites.extend(frames.into_iter().map(SitePattern::Trace));
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
