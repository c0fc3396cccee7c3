//! Pipes.

use super::errno::Errno;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const CAPACITY_BYTES: usize = 65536;

/// As much is written at once, or not at all.
const ATOMIC_BYTES: usize = 4096;

#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    has_reader: bool,
    has_writer: bool,
}

/// One end. When the last descriptor of it is closed, it is dropped.
#[derive(Debug)]
pub(super) struct Reader(Arc<Mutex<Pipe>>);

/// The other.
#[derive(Debug)]
pub(super) struct Writer(Arc<Mutex<Pipe>>);

/// Both ends of a new pipe.
pub(super) fn pipe() -> (Reader, Writer) {
    let pipe = Pipe { has_reader: true, has_writer: true, ..Pipe::default() };
    let pipe = Arc::new(Mutex::new(pipe));
    (Reader(pipe.clone()), Writer(pipe))
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    /// `None` if there is nothing yet; nothing at all is the end.
    pub(super) fn read(&self, max: usize) -> Option<Vec<u8>> {
        let mut pipe = lock(&self.0);
        if pipe.bytes.is_empty() && pipe.has_writer && max > 0 {
            return None;
        }
        let count = max.min(pipe.bytes.len());
        Some(pipe.bytes.drain(..count).collect())
    }

    /// Whether there is something to read, and whether the other end is closed.
    pub(super) fn poll(&self) -> (bool, bool) {
        let pipe = lock(&self.0);
        (!pipe.bytes.is_empty(), !pipe.has_writer)
    }
}

impl Writer {
    /// How many bytes were taken; `None` if there is no room yet.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<Option<usize>, Errno> {
        let mut pipe = lock(&self.0);
        if !pipe.has_reader {
            return Err(Errno::PIPE);
        }
        let free = CAPACITY_BYTES - pipe.bytes.len();
        let is_whole = bytes.len() <= ATOMIC_BYTES;
        if (is_whole && free < bytes.len()) || (free == 0 && !bytes.is_empty()) {
            return Ok(None);
        }
        let count = free.min(bytes.len());
        pipe.bytes.extend(&bytes[..count]);
        Ok(Some(count))
    }

    /// Whether there is room, and whether the other end is closed.
    pub(super) fn poll(&self) -> (bool, bool) {
        let pipe = lock(&self.0);
        (pipe.bytes.len() + ATOMIC_BYTES <= CAPACITY_BYTES, !pipe.has_reader)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.0).has_reader = false;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.0).has_writer = false;
    }
}
