//! What is reached by a path from an open directory.

use super::descriptors::{APPEND, Descriptor};
use super::guest::{Guest, Result};
use super::tree::{Opening, Place};
use super::{Named, Wasi};

pub(super) const CALLS: &[Named] = &[
    ("path_create_directory", "iii", |wasi, guest, args| {
        let path = Path::of(wasi, guest, args[0], &args[1..3], true)?;
        let now = wasi.outside.now();
        wasi.trees.get().make_directory(&path.place(), now)
    }),
    ("path_filestat_get", "iiiii", |wasi, guest, args| {
        let path = Path::of(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
        let stat = wasi.trees.get().stat_at(&path.place())?;
        guest.write(args[4], &stat.bytes())
    }),
    ("path_filestat_set_times", "iiiilli", |wasi, guest, args| {
        let path = Path::of(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
        let (accessed, modified) = wasi.chosen_times(args[4], args[5], args[6]);
        wasi.trees.get().set_times_at(&path.place(), accessed, modified)
    }),
    ("path_link", "iiiiiii", |wasi, guest, args| {
        let old = Path::of(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
        let new = Path::of(wasi, guest, args[4], &args[5..7], false)?;
        let now = wasi.outside.now();
        wasi.trees.get().link(&old.place(), &new.place(), now)
    }),
    ("path_open", "iiiiillii", open),
    ("path_readlink", "iiiiii", |wasi, guest, args| {
        let path = Path::of(wasi, guest, args[0], &args[1..3], false)?;
        let target = wasi.trees.get().read_link(&path.place())?;
        let fits = target.len().min(usize::try_from(args[4]).unwrap_or(usize::MAX));
        guest.write(args[3], &target.as_bytes()[..fits])?;
        guest.write_u32(args[5], fits)
    }),
    ("path_remove_directory", "iii", |wasi, guest, args| remove(wasi, guest, args, true)),
    ("path_rename", "iiiiii", |wasi, guest, args| {
        let old = Path::of(wasi, guest, args[0], &args[1..3], false)?;
        let new = Path::of(wasi, guest, args[3], &args[4..6], false)?;
        let now = wasi.outside.now();
        wasi.trees.get().rename(&old.place(), &new.place(), now)
    }),
    ("path_symlink", "iiiii", |wasi, guest, args| {
        let target = guest.text(args[0], args[1])?;
        let path = Path::of(wasi, guest, args[2], &args[3..5], false)?;
        let now = wasi.outside.now();
        wasi.trees.get().make_link(&path.place(), target, now)
    }),
    ("path_unlink_file", "iii", |wasi, guest, args| remove(wasi, guest, args, false)),
];

/// What a path is opened for.
const CREATE: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCLUSIVE: u64 = 4;
const TRUNCATE: u64 = 8;

/// The rights to read, and to write, allocate, or set the size.
const READS: u64 = 1 << 1;
const WRITES: u64 = 1 << 6 | 1 << 8 | 1 << 22;

/// Whether the flags of a path say that a link at its end is followed.
fn follows(flags: u64) -> bool {
    flags & 1 != 0
}

/// A path with the directory that it starts from.
struct Path {
    from: super::files::Node,
    text: String,
    follows: bool,
}

impl Path {
    /// `path` is where its text lies, and its length.
    fn of(
        wasi: &mut Wasi,
        guest: &Guest<'_>,
        fd: u64,
        path: &[u64],
        follows: bool,
    ) -> Result<Path> {
        let from = wasi.directory(fd)?;
        Ok(Path { from, text: guest.text(path[0], path[1])?, follows })
    }

    fn place(&self) -> Place<'_> {
        Place { from: self.from, path: &self.text, follows: self.follows }
    }
}

fn remove(wasi: &mut Wasi, guest: &Guest<'_>, args: &[u64], is_directory: bool) -> Result {
    let path = Path::of(wasi, guest, args[0], &args[1..3], false)?;
    let now = wasi.outside.now();
    wasi.trees.get().remove(&path.place(), is_directory, now)
}

fn open(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let (flags, rights, descriptor_flags) = (args[4], args[5], args[7]);
    let path = Path::of(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
    let has = |flag| flags & flag != 0;
    let how = Opening {
        create: has(CREATE),
        directory: has(DIRECTORY),
        exclusive: has(EXCLUSIVE),
        truncate: has(TRUNCATE),
        reads: rights & READS != 0,
        writes: rights & WRITES != 0,
    };
    let now = wasi.outside.now();
    let node = wasi.trees.get().open(&path.place(), how, now)?;
    let descriptor = if wasi.is_directory(node)? {
        Descriptor::Directory { node, preopened: None }
    } else {
        Descriptor::File { node, at: 0, append: descriptor_flags & APPEND != 0 }
    };
    let fd = wasi.open(descriptor);
    guest.write_u32(args[8], fd)
}
