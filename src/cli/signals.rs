//! Removes the temporary files when a signal ends the process.
//!
//! Signals are watched from when the first temporary file is made: until then nothing is there to be
//! removed. The process then ends as it would have ended without.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;

/// The temporary files that are there; locked while that changes, so that a signal finds either.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is gone when this is dropped, or when the process is told to end.
pub(super) struct Temporary(NamedTempFile);

impl Temporary {
    /// # Errors
    /// Those of `make`.
    pub(super) fn make(make: impl FnOnce() -> io::Result<NamedTempFile>) -> io::Result<Temporary> {
        watch();
        let mut unfinished = unfinished();
        let file = make()?;
        unfinished.push(file.path().to_owned());
        Ok(Temporary(file))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Gives it its place.
    ///
    /// # Errors
    /// Those of the operating system; the file is removed.
    pub(super) fn persist(self, path: &Path) -> io::Result<()> {
        let mut unfinished = unfinished();
        let place = self.0.path().to_owned();
        let persisted = self.0.persist(path);
        unfinished.retain(|unfinished| *unfinished != place);
        match persisted {
            Ok(_) => Ok(()),
            Err(error) => Err(error.error),
        }
    }
}

#[cfg(unix)]
fn watch() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::sync::Once;
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let ending = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
        // Without a watcher a signal leaves the file behind, which is no reason not to work.
        let Ok(mut signals) = Signals::new(ending) else { return };
        std::thread::spawn(move || {
            for signal in &mut signals {
                let unfinished = unfinished();
                for path in unfinished.iter() {
                    let _ = std::fs::remove_file(path);
                }
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
    });
}

#[cfg(not(unix))]
fn watch() {}

/// Whether the process was started to ignore a signal (`nohup`, or in the background of a script), as far
/// as the system tells; a watcher would undo that.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
