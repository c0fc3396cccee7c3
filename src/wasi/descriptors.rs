//! What a program has open, by number.

use super::files::Node;
use super::guest::{Errno, Guest, Result};
use super::outside::Stream;
use super::tree::{FileType, Name, Stat};
use super::{Named, Wasi};

/// Something open.
#[derive(Clone, Debug)]
pub(super) enum Descriptor {
    Stream(Stream),
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
        let now = wasi.outside.now();
        let tree = wasi.trees.get();
        if tree.stat(node)?.size < end { tree.resize(node, end, now) } else { Ok(()) }
    }),
    ("fd_close", "i", |wasi, _, args| {
        let closed = wasi.descriptors.remove(&number(args[0])).ok_or(Errno::BADF)?;
        wasi.closed(&closed);
        Ok(())
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
        let stat = match *wasi.descriptor(args[0])? {
            Descriptor::Directory { node, .. } | Descriptor::File { node, .. } => {
                wasi.trees.get().stat(node)?
            }
            Descriptor::Stream(stream) => Stat::of_stream(wasi.outside.file_type(stream)),
        };
        guest.write(args[1], &stat.bytes())
    }),
    ("fd_filestat_set_size", "il", |wasi, _, args| {
        let (node, now) = (wasi.open_file(args[0])?, wasi.outside.now());
        wasi.trees.get().resize(node, args[1], now)
    }),
    ("fd_filestat_set_times", "illi", |wasi, _, args| {
        let node = wasi.node(args[0])?;
        let (accessed, modified) = wasi.chosen_times(args[1], args[2], args[3]);
        wasi.trees.get().set_times(node, accessed, modified)
    }),
    ("fd_pread", "iiili", |wasi, guest, args| {
        let node = wasi.open_file(args[0])?;
        let bytes = wasi.trees.get().read(node, args[3], guest.room(args[1], args[2])?)?;
        let read = guest.scatter(args[1], args[2], &bytes)?;
        guest.write_u32(args[4], read)
    }),
    ("fd_pwrite", "iiili", |wasi, guest, args| {
        let (node, bytes) = (wasi.open_file(args[0])?, guest.gather(args[1], args[2])?);
        let now = wasi.outside.now();
        wasi.trees.get().write(node, args[3], &bytes, now)?;
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
        if args[0] == args[1] {
            return Ok(());
        }
        wasi.descriptors.remove(&number(args[0]));
        if let Some(closed) = wasi.descriptors.insert(number(args[1]), moved) {
            wasi.closed(&closed);
        }
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

fn number(arg: u64) -> u32 {
    u32::try_from(arg).unwrap_or(u32::MAX)
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

    /// A descriptor is gone, and with it what only it had.
    fn closed(&mut self, descriptor: &Descriptor) {
        if let Descriptor::Directory { node, .. } | Descriptor::File { node, .. } = descriptor {
            self.trees.get().close(*node);
        }
    }

    pub(super) fn is_directory(&mut self, node: Node) -> Result<bool> {
        Ok(self.trees.get().stat(node)?.ty == FileType::Directory)
    }

    /// The times of a file that are to be set, of which `flags` has two bits each: to this moment, or to what is given.
    pub(super) fn chosen_times(
        &self,
        accessed: u64,
        modified: u64,
        flags: u64,
    ) -> (Option<u64>, Option<u64>) {
        let chosen = |given: u64, flags: u64| match flags & 3 {
            0 => None,
            1 => Some(given),
            _ => Some(self.outside.now()),
        };
        (chosen(accessed, flags), chosen(modified, flags >> 2))
    }
}

fn fdstat_get(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let (ty, flags) = match *wasi.descriptor(args[0])? {
        Descriptor::Directory { .. } => (FileType::Directory, 0),
        Descriptor::File { append, .. } => (FileType::File, u8::from(append)),
        Descriptor::Stream(stream) => (wasi.outside.file_type(stream), 0),
    };
    guest.write(args[1], &[ty as u8, 0, flags, 0, 0, 0, 0, 0])?;
    guest.write_u64(args[1] + 8, ALL_RIGHTS)?;
    guest.write_u64(args[1] + 16, ALL_RIGHTS)
}

fn read(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let room = guest.room(args[1], args[2])?;
    let bytes = match wasi.descriptors.get_mut(&number(args[0])).ok_or(Errno::BADF)? {
        Descriptor::Stream(Stream::Input) => wasi.outside.read(room)?,
        Descriptor::File { node, at, .. } => {
            let bytes = wasi.trees.get().read(*node, *at, room)?;
            *at += bytes.len() as u64;
            bytes
        }
        Descriptor::Directory { .. } => return Err(Errno::ISDIR),
        Descriptor::Stream(_) => return Err(Errno::BADF),
    };
    let read = guest.scatter(args[1], args[2], &bytes)?;
    guest.write_u32(args[3], read)
}

fn write(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let bytes = guest.gather(args[1], args[2])?;
    let mut count = bytes.len();
    match wasi.descriptors.get_mut(&number(args[0])).ok_or(Errno::BADF)? {
        Descriptor::Stream(stream) => count = wasi.outside.write(*stream, &bytes)?,
        Descriptor::File { node, at, append } => {
            let tree = wasi.trees.get();
            if *append {
                *at = tree.stat(*node)?.size;
            }
            tree.write(*node, *at, &bytes, wasi.outside.now())?;
            *at += bytes.len() as u64;
        }
        Descriptor::Directory { .. } => return Err(Errno::ISDIR),
    }
    guest.write_u32(args[3], count)
}

fn seek(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let node = wasi.open_file(args[0])?;
    let size = wasi.trees.get().stat(node)?.size;
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
    let tree = wasi.trees.get();
    let ino = tree.stat(directory)?.ino;
    let own = [".", ".."].map(|name| Name { name: name.into(), ino, ty: FileType::Directory });
    let names = own.into_iter().chain(tree.list(directory)?);
    let mut bytes = Vec::new();
    let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (Name { name, ino, ty }, next) in names.zip(1_u64..).skip(skipped) {
        bytes.extend_from_slice(&next.to_le_bytes());
        bytes.extend_from_slice(&ino.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[ty as u8, 0, 0, 0]);
        bytes.extend_from_slice(name.as_bytes());
        if bytes.len() as u64 >= room {
            break;
        }
    }
    bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    guest.write(out, &bytes)?;
    guest.write_u32(args[4], bytes.len())
}
