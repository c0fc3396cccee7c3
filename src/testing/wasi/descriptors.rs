//! What a program has open, by number.

use super::files::{Kind, Node};
use super::guest::{Errno, Guest, Result};
use super::{Named, Wasi};

/// Something open.
#[derive(Clone, Debug)]
pub(super) enum Descriptor {
    /// How many bytes of it were read.
    Stdin {
        read: usize,
    },
    Stdout,
    Stderr,
    Directory {
        node: Node,
        /// Its name, if it was open from the start.
        preopened: Option<String>,
    },
    File {
        node: Node,
        at: u64,
        append: bool,
    },
}

pub(super) const CALLS: &[Named] = &[
    ("fd_advise", "illi", |wasi, _, args| wasi.open_file(args[0]).map(drop)),
    ("fd_allocate", "ill", |wasi, _, args| {
        let (node, end) = (wasi.open_file(args[0])?, args[1].saturating_add(args[2]));
        if wasi.files.size(node) < end { wasi.files.resize(node, end, wasi.now) } else { Ok(()) }
    }),
    ("fd_close", "i", |wasi, _, args| {
        wasi.descriptors.remove(&number(args[0])).map(drop).ok_or(Errno::BADF)
    }),
    ("fd_datasync", "i", |wasi, _, args| wasi.descriptor(args[0]).map(drop)),
    ("fd_sync", "i", |wasi, _, args| wasi.descriptor(args[0]).map(drop)),
    ("fd_fdstat_get", "ii", fdstat_get),
    ("fd_fdstat_set_flags", "ii", |wasi, _, args| {
        if let Descriptor::File { append, .. } = wasi.descriptor(args[0])? {
            *append = args[1] & APPEND != 0;
        }
        Ok(())
    }),
    ("fd_fdstat_set_rights", "ill", |wasi, _, args| wasi.descriptor(args[0]).map(drop)),
    ("fd_filestat_get", "ii", |wasi, guest, args| {
        let stat = match wasi.descriptor(args[0])? {
            Descriptor::Directory { node, .. } | Descriptor::File { node, .. } => {
                let node = *node;
                wasi.filestat(node)
            }
            _ => wasi.stream_stat(),
        };
        guest.write(args[1], &stat)
    }),
    ("fd_filestat_set_size", "il", |wasi, _, args| {
        let node = wasi.open_file(args[0])?;
        wasi.files.resize(node, args[1], wasi.now)
    }),
    ("fd_filestat_set_times", "illi", |wasi, _, args| {
        let node = wasi.node(args[0])?;
        wasi.set_times(node, args[1], args[2], args[3]);
        Ok(())
    }),
    ("fd_pread", "iiili", |wasi, guest, args| {
        let node = wasi.open_file(args[0])?;
        let read = guest.scatter(args[1], args[2], from(wasi.files.bytes(node)?, args[3]))?;
        guest.write_u32(args[4], read)
    }),
    ("fd_pwrite", "iiili", |wasi, guest, args| {
        let (node, bytes) = (wasi.open_file(args[0])?, guest.gather(args[1], args[2])?);
        wasi.files.write(node, args[3], &bytes, wasi.now)?;
        guest.write_u32(args[4], bytes.len())
    }),
    ("fd_prestat_get", "ii", |wasi, guest, args| {
        let name = wasi.preopened_name(args[0])?.len();
        guest.write_u32(args[1], 0)?;
        guest.write_u32(args[1] + 4, name)
    }),
    ("fd_prestat_dir_name", "iii", |wasi, guest, args| {
        let name = wasi.preopened_name(args[0])?;
        if (name.len() as u64) > args[2] {
            return Err(Errno::INVAL);
        }
        guest.write(args[1], name.as_bytes())
    }),
    ("fd_read", "iiii", read),
    ("fd_readdir", "iiili", readdir),
    ("fd_renumber", "ii", |wasi, _, args| {
        let moved = wasi.descriptor(args[0])?.clone();
        wasi.descriptor(args[1])?;
        wasi.descriptors.remove(&number(args[0]));
        wasi.descriptors.insert(number(args[1]), moved);
        Ok(())
    }),
    ("fd_seek", "ilii", seek),
    ("fd_tell", "ii", |wasi, guest, args| match wasi.descriptor(args[0])? {
        Descriptor::File { at, .. } => guest.write_u64(args[1], *at),
        _ => Err(Errno::SPIPE),
    }),
    ("fd_write", "iiii", write),
];

/// The flag of a descriptor that writes at the end.
pub(super) const APPEND: u64 = 1;

/// All rights that there are.
const ALL_RIGHTS: u64 = (1 << 30) - 1;

/// The kinds of files, as WASI counts them.
const CHARACTER_DEVICE: u8 = 2;
const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
const SYMBOLIC_LINK: u8 = 7;

fn number(arg: u64) -> u32 {
    u32::try_from(arg).unwrap_or(u32::MAX)
}

fn from(bytes: &[u8], at: u64) -> &[u8] {
    &bytes[bytes.len().min(usize::try_from(at).unwrap_or(usize::MAX))..]
}

impl Wasi {
    /// The least number that is free stands for `descriptor` from now on.
    pub(super) fn open(&mut self, descriptor: Descriptor) -> usize {
        let free = (0..).find(|number| !self.descriptors.contains_key(number));
        let free = free.expect("fewer than 2^32 are open");
        self.descriptors.insert(free, descriptor);
        free as usize
    }

    pub(super) fn descriptor(&mut self, fd: u64) -> Result<&mut Descriptor> {
        self.descriptors.get_mut(&number(fd)).ok_or(Errno::BADF)
    }

    pub(super) fn directory(&mut self, fd: u64) -> Result<Node> {
        match self.descriptor(fd)? {
            Descriptor::Directory { node, .. } => Ok(*node),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn open_file(&mut self, fd: u64) -> Result<Node> {
        match self.descriptor(fd)? {
            Descriptor::File { node, .. } => Ok(*node),
            Descriptor::Directory { .. } => Err(Errno::ISDIR),
            _ => Err(Errno::SPIPE),
        }
    }

    fn node(&mut self, fd: u64) -> Result<Node> {
        match self.descriptor(fd)? {
            Descriptor::File { node, .. } | Descriptor::Directory { node, .. } => Ok(*node),
            _ => Err(Errno::SPIPE),
        }
    }

    fn preopened_name(&mut self, fd: u64) -> Result<&str> {
        match self.descriptor(fd)? {
            Descriptor::Directory { preopened: Some(name), .. } => Ok(name),
            _ => Err(Errno::BADF),
        }
    }

    fn file_type(&self, node: Node) -> u8 {
        match self.files.kind(node) {
            Kind::Directory(_) => DIRECTORY,
            Kind::File(_) => REGULAR_FILE,
            Kind::Link(_) => SYMBOLIC_LINK,
        }
    }

    /// What is to be known of a file: its number at 8, kind at 16, links at 24, size at 32, times at 40, 48 and 56.
    pub(super) fn filestat(&self, node: Node) -> [u8; 64] {
        let mut stat = [0; 64];
        let (accessed, modified) = self.files.times(node);
        stat[16] = self.file_type(node);
        let fields = [
            (8, node.inode()),
            (24, 1),
            (32, self.files.size(node)),
            (40, accessed),
            (48, modified),
        ];
        for (at, value) in fields.into_iter().chain([(56, modified)]) {
            stat[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        stat
    }

    fn stream_stat(&self) -> [u8; 64] {
        let mut stat = [0; 64];
        stat[16] = CHARACTER_DEVICE;
        stat[24] = 1;
        stat
    }

    /// Sets the times of a file, of which `flags` has two bits each: to this moment, or to what is given.
    pub(super) fn set_times(&mut self, node: Node, accessed: u64, modified: u64, flags: u64) {
        let chosen = |given: u64, flags: u64| match flags & 3 {
            0 => None,
            1 => Some(given),
            _ => Some(self.now),
        };
        let (accessed, modified) = (chosen(accessed, flags), chosen(modified, flags >> 2));
        self.files.set_times(node, accessed, modified);
    }
}

fn fdstat_get(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let (ty, flags) = match wasi.descriptor(args[0])? {
        Descriptor::Directory { .. } => (DIRECTORY, 0),
        Descriptor::File { append, .. } => (REGULAR_FILE, u8::from(*append)),
        _ => (CHARACTER_DEVICE, 0),
    };
    guest.write(args[1], &[ty, 0, flags, 0, 0, 0, 0, 0])?;
    guest.write_u64(args[1] + 8, ALL_RIGHTS)?;
    guest.write_u64(args[1] + 16, ALL_RIGHTS)
}

fn read(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let read = match wasi.descriptors.get_mut(&number(args[0])).ok_or(Errno::BADF)? {
        Descriptor::Stdin { read: before } => {
            let read = guest.scatter(args[1], args[2], &wasi.stdin[*before..])?;
            *before += read;
            read
        }
        Descriptor::File { node, at, .. } => {
            let read = guest.scatter(args[1], args[2], from(wasi.files.bytes(*node)?, *at))?;
            *at += read as u64;
            read
        }
        Descriptor::Directory { .. } => return Err(Errno::ISDIR),
        Descriptor::Stdout | Descriptor::Stderr => return Err(Errno::BADF),
    };
    guest.write_u32(args[3], read)
}

fn write(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let bytes = guest.gather(args[1], args[2])?;
    match wasi.descriptors.get_mut(&number(args[0])).ok_or(Errno::BADF)? {
        Descriptor::Stdout => wasi.stdout.extend_from_slice(&bytes),
        Descriptor::Stderr => wasi.stderr.extend_from_slice(&bytes),
        Descriptor::File { node, at, append } => {
            if *append {
                *at = wasi.files.size(*node);
            }
            wasi.files.write(*node, *at, &bytes, wasi.now)?;
            *at += bytes.len() as u64;
        }
        Descriptor::Directory { .. } => return Err(Errno::ISDIR),
        Descriptor::Stdin { .. } => return Err(Errno::BADF),
    }
    guest.write_u32(args[3], bytes.len())
}

fn seek(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let size = wasi.open_file(args[0]).map(|node| wasi.files.size(node))?;
    let Descriptor::File { at, .. } = wasi.descriptor(args[0])? else { return Err(Errno::SPIPE) };
    let start = match args[2] {
        0 => 0,
        1 => *at,
        2 => size,
        _ => return Err(Errno::INVAL),
    };
    *at = start.checked_add_signed(args[1] as i64).ok_or(Errno::INVAL)?;
    guest.write_u64(args[3], *at)
}

/// Names from the one with number `cookie` on, as far as there is room; the last may be cut off.
fn readdir(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let directory = wasi.directory(args[0])?;
    let (out, room, cookie) = (args[1], args[2], args[3]);
    let mut names = vec![(".", directory), ("..", directory)];
    names.extend(wasi.files.names(directory)?.iter().map(|(name, node)| (name.as_str(), *node)));
    let mut bytes = Vec::new();
    let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
    for ((name, node), next) in names.into_iter().zip(1_u64..).skip(skipped) {
        bytes.extend_from_slice(&next.to_le_bytes());
        bytes.extend_from_slice(&node.inode().to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[wasi.file_type(node), 0, 0, 0]);
        bytes.extend_from_slice(name.as_bytes());
        if bytes.len() as u64 >= room {
            break;
        }
    }
    bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    guest.write(out, &bytes)?;
    guest.write_u32(args[4], bytes.len())
}
