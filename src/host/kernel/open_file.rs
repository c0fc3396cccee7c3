//! Open files: what a descriptor stands for, shared by the descriptors that dup and fork make of it.

use super::console::Stream;
use super::errno::Errno;
use super::mounts::{Entry, O_ACCMODE, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, Stat};
use super::pipe::{Reader, Writer};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const POLLIN: i16 = 1;
pub(super) const POLLOUT: i16 = 4;
pub(super) const POLLERR: i16 = 8;
pub(super) const POLLHUP: i16 = 16;
pub(super) const POLLNVAL: i16 = 32;

type Result<T> = std::result::Result<T, Errno>;

/// As much is read at once.
const MAX_READ_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub(super) enum Device {
    Null,
    Zero,
    /// The terminal, whatever the standard streams are; a process opens the stream in its place.
    Terminal,
}

impl Device {
    pub(super) fn at(path: &str) -> Option<Device> {
        match path {
            "/dev/null" => Some(Device::Null),
            "/dev/zero" => Some(Device::Zero),
            "/dev/tty" => Some(Device::Terminal),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Device(Device),
    /// One of the host's.
    Stream(Stream),
    /// A file of the host; the position is the host's, too.
    File(File),
    /// What is no file of the host, from a position on.
    Text(Arc<[u8]>, AtomicU64),
    Folder(Folder),
    Reader(Reader),
    Writer(Writer),
    /// What is written is kept for somebody.
    Kept(Arc<Mutex<Vec<u8>>>),
}

#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: String,
    /// What is in it, and how much of that was read; not yet listed at first.
    pub(super) listed: Mutex<Option<(Vec<Entry>, usize)>>,
}

impl Kind {
    pub(super) fn folder(path: &str) -> Kind {
        Kind::Folder(Folder { path: path.to_owned(), listed: Mutex::default() })
    }

    pub(super) fn text(bytes: Arc<[u8]>) -> Kind {
        Kind::Text(bytes, AtomicU64::new(0))
    }
}

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) kind: Kind,
    /// As `open` takes them: access, and whether reading and writing wait.
    pub(super) flags: AtomicI32,
    /// Whether a thread waits for something to read.
    pub(super) is_watched: AtomicBool,
}

impl OpenFile {
    pub(super) fn new(kind: Kind, flags: i32) -> Arc<OpenFile> {
        Arc::new(OpenFile {
            kind,
            flags: AtomicI32::new(flags),
            is_watched: AtomicBool::new(false),
        })
    }

    pub(super) fn flags(&self) -> i32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Whether reading or writing may have to wait for another process, or for a person.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self.kind, Kind::Reader(_) | Kind::Writer(_) | Kind::Stream(_))
    }

    /// Up to so many bytes; `None` if there are none yet.
    pub(super) fn read(&self, max: usize) -> Result<Option<Vec<u8>>> {
        let max = max.min(MAX_READ_BYTES);
        if self.flags() & O_ACCMODE == 1 {
            return Err(Errno::BADF);
        }
        match &self.kind {
            Kind::Device(Device::Null | Device::Terminal) => Ok(Some(Vec::new())),
            Kind::Device(Device::Zero) => Ok(Some(vec![0; max])),
            Kind::Stream(stream) => stream.read(max),
            Kind::File(file) => {
                let mut bytes = vec![0; max];
                let mut file: &File = file;
                let count = file.read(&mut bytes)?;
                bytes.truncate(count);
                Ok(Some(bytes))
            }
            Kind::Text(bytes, at) => {
                let start = at.load(Ordering::Relaxed).min(bytes.len() as u64) as usize;
                let end = bytes.len().min(start.saturating_add(max));
                at.store(end as u64, Ordering::Relaxed);
                Ok(Some(bytes[start..end].to_vec()))
            }
            Kind::Folder(_) => Err(Errno::ISDIR),
            Kind::Reader(reader) => Ok(reader.read(max)),
            Kind::Writer(_) | Kind::Kept(_) => Err(Errno::BADF),
        }
    }

    /// How many were written; `None` if there is no room yet.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<Option<usize>> {
        if self.flags() & O_ACCMODE == 0 {
            return Err(Errno::BADF);
        }
        match &self.kind {
            Kind::Device(_) => Ok(Some(bytes.len())),
            Kind::Stream(stream) => stream.write(bytes).map(Some),
            Kind::File(file) => {
                let mut file: &File = file;
                Ok(Some(file.write(bytes)?))
            }
            Kind::Text(..) | Kind::Reader(_) => Err(Errno::BADF),
            Kind::Folder(_) => Err(Errno::ISDIR),
            Kind::Writer(writer) => writer.write(bytes),
            Kind::Kept(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
                Ok(Some(bytes.len()))
            }
        }
    }

    /// The events that are ready.
    pub(super) fn poll(&self) -> i16 {
        let event = |is: bool, event: i16| if is { event } else { 0 };
        match &self.kind {
            Kind::Stream(stream) => stream.poll(),
            Kind::Reader(reader) => {
                let (has_bytes, is_closed) = reader.poll();
                event(has_bytes, POLLIN) | event(is_closed, POLLHUP)
            }
            Kind::Writer(writer) => {
                let (has_room, is_closed) = writer.poll();
                event(has_room, POLLOUT) | event(is_closed, POLLERR)
            }
            _ => POLLIN | POLLOUT,
        }
    }

    pub(super) fn seek(&self, offset: i64, whence: i32) -> Result<u64> {
        let moved = |from: u64| from.checked_add_signed(offset).ok_or(Errno::INVAL);
        match &self.kind {
            Kind::File(file) => {
                let mut file: &File = file;
                Ok(file.seek(match whence {
                    0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::INVAL)?),
                    1 => SeekFrom::Current(offset),
                    2 => SeekFrom::End(offset),
                    _ => return Err(Errno::INVAL),
                })?)
            }
            Kind::Text(bytes, at) => {
                let from = match whence {
                    0 => 0,
                    1 => at.load(Ordering::Relaxed),
                    2 => bytes.len() as u64,
                    _ => return Err(Errno::INVAL),
                };
                at.store(moved(from)?, Ordering::Relaxed);
                moved(from)
            }
            Kind::Folder(folder) => {
                let mut listed = folder.listed.lock().unwrap_or_else(PoisonError::into_inner);
                match (whence, offset, listed.as_mut()) {
                    (0, 0, _) => *listed = None,
                    (0, at, Some((_, next))) => {
                        *next = usize::try_from(at).map_err(|_| Errno::INVAL)?
                    }
                    (1, 0, Some((_, next))) => return Ok(*next as u64),
                    (1, 0, None) => {}
                    _ => return Err(Errno::INVAL),
                }
                Ok(u64::try_from(offset).unwrap_or(0))
            }
            Kind::Device(_) => Ok(0),
            _ => Err(Errno::SPIPE),
        }
    }

    /// What is to be known of it; a folder's is that of its path.
    pub(super) fn stat(&self) -> Result<Stat> {
        Ok(match &self.kind {
            Kind::Device(_) => Stat::made_up(S_IFCHR | 0o666, 0),
            Kind::Stream(stream) => return stream.stat(),
            Kind::File(file) => Stat::of(&cap_std::fs::Metadata::from_file(file)?),
            Kind::Text(bytes, _) => Stat::made_up(S_IFREG | 0o555, bytes.len() as u64),
            Kind::Folder(_) => Stat::made_up(S_IFDIR | 0o555, 0),
            Kind::Reader(_) | Kind::Writer(_) | Kind::Kept(_) => Stat::made_up(S_IFIFO | 0o600, 0),
        })
    }
}
