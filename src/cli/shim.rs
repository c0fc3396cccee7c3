//! The `shim` command, and its options within `instrument`.

use super::console::Console;
use super::debug::DebugFiles;
use super::failure::{Failure, Result};
use super::files::{self, Destination, Input};
use super::flags::{ListFormat, MechanismFlag, Shim, ShimFirst};
use super::usage;
use std::path::{Path, PathBuf};
use wasm_fork::shim::{Mechanism, Recorded, ShimOptions, ShimOutput, SitePattern, first_frames};
use wasm_fork::text::count;

pub(super) fn shim(args: &Shim, mut console: Console) -> Result<()> {
    let options = ShimOptions::default()
        .sites(sites(&args.sites, &args.from_trap)?)
        .all_sites(args.all_sites)
        .mechanism(args.mechanism.map(Mechanism::from))
        .allow_bit_casts(args.allow_bit_casts)
        .strip_debug(args.debug.strip_debug);
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
    let mut debug = DebugFiles::open(&args.debug)?;
    if debug.is(&destination) {
        usage::error(&["shim"], "--output and a file of debug information are the same file");
    }
    let options = debug.shim_options(options);
    let input = debug.joined(files::read(&args.input)?)?;
    let output = if args.record {
        let output = wasm_fork::shim_recorder(&input.bytes, &options)?;
        output.warnings.iter().for_each(|warning| console.warning(warning));
        output
    } else {
        let output = wasm_fork::shim(&input.bytes, &options)?;
        remarks(&output, "--site", &mut console);
        output
    };
    let summary = match output.calls {
        calls if args.record => {
            Some(format!("{} find out what they meet", count(calls, "indirect call")))
        }
        0 => None,
        _ => Some(output.summary()),
    };
    debug.moved(&output.offsets)?;
    let wasm = debug.separated(output.wasm)?;
    debug.write()?;
    destination.write(&wasm, &input)?;
    if let Some(summary) = summary {
        console.done(&summary);
    }
    Ok(())
}

/// Repairs the module before it is instrumented, if any option asks for that.
pub(super) fn first(
    args: &ShimFirst,
    input: &Input,
    debug: &mut DebugFiles,
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
    let options = debug.shim_options(options);
    let output = wasm_fork::shim(&input.bytes, &options)?;
    remarks(&output, "--shim-site", console);
    if output.calls > 0 {
        console.done(&output.summary());
    }
    debug.moved(&output.offsets)?;
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
    let mut sites = Vec::new();
    for pattern in patterns {
        let Some(path) = pattern.strip_prefix('@').map(Path::new) else {
            sites.push(SitePattern::parse(pattern));
            continue;
        };
        let (origin, text) = files::read_text(path)?;
        if text.trim_start().starts_with('{') {
            let recorded = Recorded::parse(&origin, &text)?;
            sites.extend(recorded.calls.into_iter().map(SitePattern::Recorded));
        } else {
            let listed = files::list(path, &text)?;
            sites.extend(listed.iter().map(|text| SitePattern::parse(text)));
        }
    }
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
