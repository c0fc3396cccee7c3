//! What the user sees: progress while the library works, then results on stdout, and on stderr what is
//! to be known of them, a line each.

use super::failure::{Failure, Result};
use super::flags::Global;
use super::progress::Progress;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
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

    /// For as long as something else writes to the terminal.
    pub(super) fn without_progress(flags: &Global) -> Console {
        Console { quiet: flags.quiet, progress: None }
    }

    /// Shows progress from now on.
    pub(super) fn watch(&mut self, flags: &Global) {
        self.progress = Some(Progress::start(flags.verbose));
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

    /// Prints to stdout, as it is made. A reader that has seen enough (`| head`) is no error.
    pub(super) fn print(&mut self, text: &dyn Display) -> Result<()> {
        self.write(|stdout| write!(stdout, "{text}"))
    }

    pub(super) fn print_json(&mut self, data: &impl Serialize) -> Result<()> {
        self.write(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, data)?;
            stdout.write_all(b"\n")
        })
    }

    fn write(&mut self, print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        self.progress = None;
        let mut stdout = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let written = print(&mut stdout).and_then(|()| stdout.flush());
        // What could not be written is not tried again.
        _ = stdout.into_parts();
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Io {
                action: "write",
                path: "the standard output".into(),
                source: error,
            }),
            _ => Ok(()),
        }
    }
}
