//! What is written besides a module: for programs that go on with it (`--report`), and for those that build it again when something
//! changes (`--depfile`).

use super::failure::Result;
use super::files::{self, Destination};
use super::flags::Rewriting;
use serde::Serialize;
use std::path::Path;
use wasm_fork::{Output, Report, Summary};

/// Where they go.
pub(super) struct Records<'p> {
    report: Option<Destination>,
    depfile: Option<Destination>,
    /// What is read, but is made by this command itself.
    between: Option<&'p Path>,
}

/// `--report`.
#[derive(Serialize)]
struct Done<'o> {
    /// Of this format.
    version: u32,
    /// What made it.
    tool: &'static str,
    /// What was done, in figures.
    summary: &'o Summary,
    /// What the user should know, a sentence each.
    warnings: &'o [String],
    /// What `analyze` prints as JSON.
    analysis: &'o Report,
}

impl<'p> Records<'p> {
    /// # Errors
    /// If something can't be written there.
    pub(super) fn open(flags: &Rewriting, between: Option<&'p Path>) -> Result<Records<'p>> {
        let open = |path: Option<&Path>| path.map(Destination::open).transpose();
        let report = open(flags.report.as_deref())?;
        Ok(Records { report, depfile: open(flags.depfile.as_deref())?, between })
    }

    /// Writes what is known of `made`, which is going to be at `output`.
    ///
    /// # Errors
    /// If that can't be written.
    pub(super) fn write(&self, made: &Output, output: &Path) -> Result<()> {
        if let Some(place) = &self.report {
            let done = Done {
                version: 1,
                tool: concat!("wasm-fork ", env!("CARGO_PKG_VERSION")),
                summary: &made.summary,
                warnings: &made.warnings,
                analysis: &made.report,
            };
            let text = serde_json::to_string_pretty(&done).expect("text and numbers are JSON");
            place.write_new(format!("{text}\n").as_bytes())?;
        }
        match &self.depfile {
            Some(place) => place.write_new(self.rule(output).as_bytes()),
            None => Ok(()),
        }
    }

    /// The rule that says what `output` depends on: all that was read so far but itself.
    fn rule(&self, output: &Path) -> String {
        let read = files::seen();
        let is_made = |path: &Path| path == output || Some(path) == self.between;
        let others = read.iter().filter(|path| !is_made(path));
        let names: Vec<_> = others.map(|path| name(path)).collect();
        format!("{}: {}\n", name(output), names.join(" \\\n  "))
    }
}

/// A path as make reads it.
fn name(path: &Path) -> String {
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            ' ' | '#' => text.extend(['\\', c]),
            '$' => text += "$$",
            _ => text.push(c),
        }
    }
    text
}
