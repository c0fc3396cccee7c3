//! What the user sees: progress while the library works, then results on stdout, and on stderr what is
//! to be known of them, a line each.

use super::failure::{Failure, Result};
use super::flags::Global;
use super::progress::Progress;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use wasm_fork::text::escape;

/// Both streams. Whatever is printed ends the progress first.
pub(super) struct Console {
    quiet: bool,
    progress: Option<Progress>,
}

impl Console {
    pub(super) fn start(flags: &Global) -> Console {
        let progress = Some(Progress::start(flags.verbose));
        Console { quiet: flags.quiet, progress }
    }

    /// Something that is wrong, or likely to go wrong.
    pub(super) fn warning(&mut self, text: &str) {
        self.tell(&format!("warning: {text}"));
    }

    /// Something that is good to know; left out if the user wants quiet.
    pub(super) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.tell(text);
        }
    }

    /// What was done, in one line; left out if the user wants quiet.
    pub(super) fn done(&mut self, summary: &dyn Display) {
        self.note(&summary.to_string());
    }

    fn tell(&mut self, line: &str) {
        self.progress = None;
        eprintln!("{}", escape(line));
    }

    /// Prints to stdout. A reader that has seen enough (`| head`) is no error.
    pub(super) fn print(&mut self, text: &str) -> Result<()> {
        self.progress = None;
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Io {
                action: "write",
                path: "the standard output".into(),
                source: error,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn print_json(&mut self, data: &impl Serialize) -> Result<()> {
        let json = serde_json::to_string_pretty(data)?;
        self.print(&format!("{json}\n"))
    }
}
