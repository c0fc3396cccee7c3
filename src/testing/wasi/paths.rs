//! What is reached by a path from an open directory.

use super::descriptors::{APPEND, Descriptor};
use super::files::{Content, Found, Kind};
use super::guest::{Errno, Guest, Result};
use super::{Named, Wasi};
use std::collections::BTreeMap;

pub(super) const CALLS: &[Named] = &[
    ("path_create_directory", "iii", |wasi, guest, args| {
        let place = find(wasi, guest, args[0], &args[1..3], true)?;
        wasi.files.make(&place, Kind::Directory(BTreeMap::new()), wasi.now).map(drop)
    }),
    ("path_filestat_get", "iiiii", |wasi, guest, args| {
        let found = find(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
        let stat = wasi.filestat(found.existing()?);
        guest.write(args[4], &stat)
    }),
    ("path_filestat_set_times", "iiiilli", |wasi, guest, args| {
        let found = find(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
        wasi.set_times(found.existing()?, args[4], args[5], args[6]);
        Ok(())
    }),
    ("path_link", "iiiiiii", |wasi, guest, args| {
        let old = find(wasi, guest, args[0], &args[2..4], follows(args[1]))?.existing()?;
        if let Kind::Directory(_) = wasi.files.kind(old) {
            return Err(Errno::PERM);
        }
        let place = find(wasi, guest, args[4], &args[5..7], false)?;
        wasi.files.link(old, &place, wasi.now)
    }),
    ("path_open", "iiiiillii", open),
    ("path_readlink", "iiiiii", |wasi, guest, args| {
        let found = find(wasi, guest, args[0], &args[1..3], false)?;
        let Kind::Link(target) = wasi.files.kind(found.existing()?) else {
            return Err(Errno::INVAL);
        };
        let fits = target.len().min(usize::try_from(args[4]).unwrap_or(usize::MAX));
        guest.write(args[3], &target.as_bytes()[..fits])?;
        guest.write_u32(args[5], fits)
    }),
    ("path_remove_directory", "iii", |wasi, guest, args| {
        let place = find(wasi, guest, args[0], &args[1..3], false)?;
        wasi.files.remove(&place, true, wasi.now)
    }),
    ("path_rename", "iiiiii", |wasi, guest, args| {
        let old = find(wasi, guest, args[0], &args[1..3], false)?;
        let new = find(wasi, guest, args[3], &args[4..6], false)?;
        wasi.files.rename(&old, &new, wasi.now)
    }),
    ("path_symlink", "iiiii", |wasi, guest, args| {
        let target = guest.text(args[0], args[1])?;
        let place = find(wasi, guest, args[2], &args[3..5], false)?;
        wasi.files.make(&place, Kind::Link(target), wasi.now).map(drop)
    }),
    ("path_unlink_file", "iii", |wasi, guest, args| {
        let place = find(wasi, guest, args[0], &args[1..3], false)?;
        wasi.files.remove(&place, false, wasi.now)
    }),
];

/// What a path is opened for.
const CREATE: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCLUSIVE: u64 = 4;
const TRUNCATE: u64 = 8;

/// Whether the flags of a path say that a link at its end is followed.
fn follows(flags: u64) -> bool {
    flags & 1 != 0
}

/// `path` is where the path lies, and its length.
fn find(wasi: &mut Wasi, guest: &Guest<'_>, fd: u64, path: &[u64], follow: bool) -> Result<Found> {
    let directory = wasi.directory(fd)?;
    wasi.files.find(directory, &guest.text(path[0], path[1])?, follow)
}

fn open(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let (flags, descriptor_flags) = (args[4], args[7]);
    let place = find(wasi, guest, args[0], &args[2..4], follows(args[1]))?;
    let node = match place.node {
        Some(_) if flags & CREATE != 0 && flags & EXCLUSIVE != 0 => return Err(Errno::EXIST),
        Some(node) => node,
        None if flags & CREATE == 0 || flags & DIRECTORY != 0 => return Err(Errno::NOENT),
        None => {
            let empty = Kind::File(Content::Own(Vec::new()));
            wasi.files.make(&place, empty, wasi.now)?
        }
    };
    let descriptor = match wasi.files.kind(node) {
        Kind::Directory(_) if flags & TRUNCATE != 0 => return Err(Errno::ISDIR),
        Kind::Directory(_) => Descriptor::Directory { node, preopened: None },
        Kind::Link(_) => return Err(Errno::LOOP),
        Kind::File(_) if flags & DIRECTORY != 0 => return Err(Errno::NOTDIR),
        Kind::File(_) => Descriptor::File { node, at: 0, append: descriptor_flags & APPEND != 0 },
    };
    if flags & TRUNCATE != 0 {
        wasi.files.resize(node, 0, wasi.now)?;
    }
    let fd = wasi.open(descriptor);
    guest.write_u32(args[8], fd)
}
