//! The machine's own streams, clocks and random bytes.

use super::guest::{Errno, Result};
use super::outside::Stream;
use super::tree::FileType;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug)]
pub(super) struct Live {
    started: Instant,
}

impl Live {
    pub(super) fn new() -> Live {
        Live { started: Instant::now() }
    }

    /// Not a byte more is taken from the stream than the program gets.
    pub(super) fn read(&self, max: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; max.min(1 << 20)];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut bytes[..]));
        bytes.truncate(count.map_err(io::Error::from)?);
        Ok(bytes)
    }

    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) -> Result<usize> {
        match stream {
            Stream::Output => {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush())?;
            }
            Stream::Error => io::stderr().lock().write_all(bytes)?,
            Stream::Input => return Err(Errno::BADF),
        }
        Ok(bytes.len())
    }

    pub(super) fn file_type(&self, stream: Stream) -> FileType {
        let is_terminal = match stream {
            Stream::Input => io::stdin().is_terminal(),
            Stream::Output => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        };
        if is_terminal { FileType::CharacterDevice } else { FileType::Unknown }
    }

    pub(super) fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn random(&self, bytes: &mut [u8]) -> Result {
        Ok(File::open("/dev/urandom")?.read_exact(bytes)?)
    }

    pub(super) fn wait(&self, nanoseconds: Option<u64>, for_input: bool) -> bool {
        if !for_input {
            std::thread::sleep(Duration::from_nanos(nanoseconds.unwrap_or(0)));
            return false;
        }
        let timeout = nanoseconds.map(|all| Timespec {
            tv_sec: i64::try_from(all / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (all % 1_000_000_000) as _,
        });
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        rustix::event::poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
    }
}
