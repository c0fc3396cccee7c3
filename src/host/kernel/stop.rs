//! What a system call comes to that doesn't return a number: an error, or the end of the guest.

use super::errno::Errno;
use super::process::Program;
use super::state::Image;
use std::fmt;
use std::sync::Arc;

/// Why a system call has no result.
#[derive(Debug)]
pub(super) enum Stop {
    Error(Errno),
    Leave(Leave),
}

/// Why a guest is left for good: an error of the host's functions, which no handler of the guest's catches.
#[derive(Clone, Debug)]
pub(super) enum Leave {
    /// With this wait status.
    Exit(i32),
    /// Another program takes its place.
    Exec(Arc<Program>, Image),
}

impl Stop {
    pub(super) fn killed(signal: i32) -> Stop {
        Stop::Leave(Leave::Exit(signal))
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Error(errno)
    }
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leave::Exit(status) => write!(f, "the process ends with the wait status {status}"),
            Leave::Exec(_, image) => write!(f, "the process becomes {}", image.path),
        }
    }
}

impl std::error::Error for Leave {}
