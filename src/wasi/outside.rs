//! Where a program's streams, time and chance come from: the same in every run of a test, or the machine's own.

use super::guest::{Errno, Result};
#[cfg(all(feature = "run", unix))]
use super::live::Live;
use super::tree::FileType;

/// When every run of a test begins: 2000-01-01, in nanoseconds since 1970.
const FIRST_MOMENT: u64 = 946_684_800_000_000_000;

/// How far a look at a clock moves it on, in nanoseconds.
const TICK: u64 = 1_000_000;

/// Where random bytes begin. Anything but zero will do.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Input,
    Output,
    Error,
}

#[derive(Clone, Debug)]
pub(super) enum Outside {
    Recorded(Recorded),
    #[cfg(all(feature = "run", unix))]
    Live(Live),
}

/// What doesn't change from run to run.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) stdin: Vec<u8>,
    /// How many bytes of it were read.
    read: usize,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// In nanoseconds since 1970.
    now: u64,
    random: u64,
}

impl Default for Recorded {
    fn default() -> Recorded {
        Recorded {
            stdin: Vec::new(),
            read: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            now: FIRST_MOMENT,
            random: SEED,
        }
    }
}

impl Outside {
    pub(super) fn recorded(&self) -> Option<&Recorded> {
        match self {
            Outside::Recorded(recorded) => Some(recorded),
            #[cfg(all(feature = "run", unix))]
            Outside::Live(_) => None,
        }
    }

    pub(super) fn recorded_mut(&mut self) -> Option<&mut Recorded> {
        match self {
            Outside::Recorded(recorded) => Some(recorded),
            #[cfg(all(feature = "run", unix))]
            Outside::Live(_) => None,
        }
    }

    /// Up to so many bytes of the standard input.
    pub(super) fn read(&mut self, max: usize) -> Result<Vec<u8>> {
        match self {
            Outside::Recorded(recorded) => {
                let rest = &recorded.stdin[recorded.read..];
                let bytes = rest[..rest.len().min(max)].to_vec();
                recorded.read += bytes.len();
                Ok(bytes)
            }
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.read(max),
        }
    }

    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize> {
        match self {
            Outside::Recorded(recorded) => {
                match stream {
                    Stream::Output => recorded.stdout.extend_from_slice(bytes),
                    Stream::Error => recorded.stderr.extend_from_slice(bytes),
                    Stream::Input => return Err(Errno::BADF),
                }
                Ok(bytes.len())
            }
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.write(stream, bytes),
        }
    }

    /// What kind of a file a stream is.
    #[cfg_attr(not(all(feature = "run", unix)), expect(unused_variables))]
    pub(super) fn file_type(&self, stream: Stream) -> FileType {
        match self {
            Outside::Recorded(_) => FileType::CharacterDevice,
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.file_type(stream),
        }
    }

    /// The moment, in nanoseconds since 1970. To look costs nothing.
    pub(super) fn now(&self) -> u64 {
        match self {
            Outside::Recorded(recorded) => recorded.now,
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.now(),
        }
    }

    /// A program looks at a clock.
    pub(super) fn tick(&mut self) {
        if let Some(recorded) = self.recorded_mut() {
            recorded.now += TICK;
        }
    }

    /// How fine clocks are, in nanoseconds.
    pub(super) fn resolution(&self) -> u64 {
        if self.recorded().is_some() { TICK } else { 1 }
    }

    /// What a clock shows: the time, or how long the run has taken.
    pub(super) fn clock(&self, id: u64) -> Result<u64> {
        let since = match self {
            Outside::Recorded(recorded) => recorded.now - FIRST_MOMENT,
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.elapsed(),
        };
        match id {
            0 => Ok(self.now()),
            1..=3 => Ok(since),
            _ => Err(Errno::INVAL),
        }
    }

    /// Fills bytes by chance. In tests by a xorshift generator: <https://www.jstatsoft.org/article/view/v008i14>.
    pub(super) fn random(&mut self, bytes: &mut [u8]) -> Result {
        match self {
            Outside::Recorded(Recorded { random, .. }) => {
                for byte in bytes {
                    *random ^= *random << 13;
                    *random ^= *random >> 7;
                    *random ^= *random << 17;
                    *byte = random.to_le_bytes()[4];
                }
                Ok(())
            }
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.random(bytes),
        }
    }

    /// Waits so long, or until the standard input is ready, if that is waited for. Returns whether it is.
    pub(super) fn wait(&mut self, nanoseconds: Option<u64>, for_input: bool) -> bool {
        match self {
            // Nothing is to be waited for: what there is to read is there.
            Outside::Recorded(_) if for_input => true,
            Outside::Recorded(recorded) => {
                recorded.now = recorded.now.saturating_add(nanoseconds.unwrap_or(0));
                false
            }
            #[cfg(all(feature = "run", unix))]
            Outside::Live(live) => live.wait(nanoseconds, for_input),
        }
    }
}
