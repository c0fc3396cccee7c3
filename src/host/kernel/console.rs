//! The host's own streams: what the first process has as standard input, output and error, and the terminal, if they are one.
//!
//! A terminal stays the host's: it edits lines, shows what is typed and makes signals of keys, in the modes that programs ask for.

use super::errno::Errno;
use super::memory::Memory;
use super::mounts::{S_IFCHR, S_IFIFO, Stat};
use super::open_file::{POLLERR, POLLHUP, POLLIN, POLLOUT};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

type Result<T> = std::result::Result<T, Errno>;

#[derive(Debug)]
pub(super) enum Stream {
    Input,
    Output,
    Error,
    /// The terminal that the host itself has opened.
    Terminal(File),
}

/// How the terminal was before a program changed it, to be put back at the end.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Control characters by their places in a guest's struct termios, which are Linux's.
const CHARACTERS: [SpecialCodeIndex; 17] = [
    SpecialCodeIndex::VINTR,
    SpecialCodeIndex::VQUIT,
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VEOF,
    SpecialCodeIndex::VTIME,
    SpecialCodeIndex::VMIN,
    // Its place has no name on all systems.
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VSTART,
    SpecialCodeIndex::VSTOP,
    SpecialCodeIndex::VSUSP,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VLNEXT,
    SpecialCodeIndex::VEOL2,
];
/// The place among them that is left as it is.
const UNNAMED: usize = 7;

impl Stream {
    /// The terminal of the process, if it has one.
    pub(super) fn terminal() -> Option<Stream> {
        let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
        Some(Stream::Terminal(file))
    }

    fn with_fd<R>(&self, done: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
        match self {
            Stream::Input => done(io::stdin().as_fd()),
            Stream::Output => done(io::stdout().as_fd()),
            Stream::Error => done(io::stderr().as_fd()),
            Stream::Terminal(file) => done(file.as_fd()),
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.with_fd(|fd| rustix::termios::isatty(fd))
    }

    pub(super) fn read(&self, max: usize) -> Result<Option<Vec<u8>>> {
        if max > 0 && self.poll() & (POLLIN | POLLHUP | POLLERR) == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; max];
        let count = self.with_fd(|fd| rustix::io::read(fd, &mut bytes))?;
        bytes.truncate(count);
        Ok(Some(bytes))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Output => {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush())?;
            }
            Stream::Error => io::stderr().lock().write_all(bytes)?,
            Stream::Terminal(file) => {
                let mut file: &File = file;
                file.write_all(bytes)?;
            }
            // A terminal's may be written to, whichever descriptor it is.
            Stream::Input => return Ok(self.with_fd(|fd| rustix::io::write(fd, bytes))?),
        }
        Ok(bytes.len())
    }

    /// The events that are ready now.
    pub(super) fn poll(&self) -> i16 {
        self.poll_for(Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
    }

    /// Returns when there is something to read.
    pub(super) fn wait(&self) {
        self.poll_for(None);
    }

    fn poll_for(&self, timeout: Option<&Timespec>) -> i16 {
        let flags = match timeout {
            Some(_) => PollFlags::IN | PollFlags::OUT,
            None => PollFlags::IN,
        };
        self.with_fd(|fd| {
            let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
            if rustix::event::poll(&mut fds, timeout).is_err() {
                return 0;
            }
            let ready = fds[0].revents();
            let event = |flag, event| if ready.contains(flag) { event } else { 0 };
            event(PollFlags::IN, POLLIN)
                | event(PollFlags::OUT, POLLOUT)
                | event(PollFlags::ERR | PollFlags::NVAL, POLLERR)
                | event(PollFlags::HUP, POLLHUP)
        })
    }

    pub(super) fn stat(&self) -> Result<Stat> {
        if self.is_terminal() {
            return Ok(Stat::made_up(S_IFCHR | 0o620, 0));
        }
        let stat = self.with_fd(|fd| rustix::fs::fstat(fd))?;
        let mut made = Stat::made_up(stat.st_mode as _, u64::try_from(stat.st_size).unwrap_or(0));
        if made.mode == 0 {
            made.mode = S_IFIFO | 0o600;
        }
        Ok(made)
    }

    /// How many rows and columns the terminal has.
    pub(super) fn size(&self) -> Result<(u16, u16)> {
        let size = self.with_fd(|fd| rustix::termios::tcgetwinsize(fd))?;
        Ok((size.ws_row, size.ws_col))
    }

    /// Writes the terminal's modes to the guest's struct termios: four modes of 4 bytes, a discipline, control characters.
    pub(super) fn get_modes(&self, memory: &mut Memory<'_>, at: u32) -> Result<()> {
        let modes = self.with_fd(|fd| rustix::termios::tcgetattr(fd))?;
        // Their width is the system's.
        let words: [u32; 4] = [
            modes.input_modes.bits() as _,
            modes.output_modes.bits() as _,
            modes.control_modes.bits() as _,
            modes.local_modes.bits() as _,
        ];
        for (word, at) in words.into_iter().zip((at..).step_by(4)) {
            memory.set_u32(at, word)?;
        }
        let mut characters = [0; 20];
        for (place, index) in CHARACTERS.into_iter().enumerate() {
            characters[1 + place] = modes.special_codes[index];
        }
        characters[1 + UNNAMED] = 0;
        memory.write(at + 16, &characters)
    }

    /// Sets them; `drops` is whether what was typed before is forgotten.
    pub(super) fn set_modes(&self, memory: &Memory<'_>, at: u32, drops: bool) -> Result<()> {
        let mut modes = self.with_fd(|fd| rustix::termios::tcgetattr(fd))?;
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| modes.clone());
        modes.input_modes = InputModes::from_bits_retain(memory.u32(at)? as _);
        modes.output_modes = OutputModes::from_bits_retain(memory.u32(at + 4)? as _);
        modes.control_modes = ControlModes::from_bits_retain(memory.u32(at + 8)? as _);
        modes.local_modes = LocalModes::from_bits_retain(memory.u32(at + 12)? as _);
        let characters = memory.bytes(at + 17, CHARACTERS.len())?;
        for (place, index) in CHARACTERS.into_iter().enumerate() {
            if place != UNNAMED {
                modes.special_codes[index] = characters[place];
            }
        }
        let when = if drops { OptionalActions::Flush } else { OptionalActions::Drain };
        Ok(self.with_fd(|fd| rustix::termios::tcsetattr(fd, when, &modes))?)
    }
}

/// Puts the terminal's modes back, if a program has changed them.
pub(super) fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(modes) = before {
        let terminal = [Stream::Input, Stream::Output, Stream::Error].into_iter();
        let terminal = terminal.chain(Stream::terminal()).find(Stream::is_terminal);
        if let Some(terminal) = terminal {
            // Nobody is left to be told.
            let _ = terminal
                .with_fd(|fd| rustix::termios::tcsetattr(fd, OptionalActions::Drain, &modes));
        }
    }
}
