//! Directories of the machine: what a program does in them is done. cap-std sees to it that no path leaves them.

use super::files::Node;
use super::guest::{Errno, Result};
use super::tree::{FileType, Name, Opening, Place, Stat, Tree};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions};
use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// All that is open, by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Real {
    open: BTreeMap<usize, Open>,
    next: usize,
}

#[derive(Clone, Debug)]
enum Open {
    Directory(Arc<Dir>, bool),
    File(Arc<File>),
}

impl Real {
    /// Opens a directory, in which programs may change something or not.
    pub(super) fn directory(&mut self, path: &Path, is_writable: bool) -> io::Result<Node> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(self.add(Open::Directory(Arc::new(dir), is_writable)))
    }

    fn add(&mut self, open: Open) -> Node {
        self.open.insert(self.next, open);
        self.next += 1;
        Node(self.next - 1)
    }

    fn get(&self, node: Node) -> Result<&Open> {
        self.open.get(&node.0).ok_or(Errno::BADF)
    }

    fn file(&self, node: Node) -> Result<&File> {
        match self.get(node)? {
            Open::File(file) => Ok(file),
            Open::Directory(..) => Err(Errno::ISDIR),
        }
    }

    fn dir(&self, node: Node) -> Result<(&Dir, bool)> {
        match self.get(node)? {
            Open::Directory(dir, is_writable) => Ok((dir, *is_writable)),
            Open::File(_) => Err(Errno::NOTDIR),
        }
    }

    /// The directory, if what is in it may be changed.
    fn writable(&self, node: Node) -> Result<&Dir> {
        match self.dir(node)? {
            (dir, true) => Ok(dir),
            (_, false) => Err(Errno::ROFS),
        }
    }
}

/// WASI's paths are all relative.
fn relative<'p>(place: &Place<'p>) -> Result<&'p str> {
    match place.path {
        "" => Err(Errno::NOENT),
        path if path.starts_with('/') => Err(Errno::PERM),
        path => Ok(path),
    }
}

fn stat(metadata: &Metadata) -> Stat {
    let time = |seconds: i64, nanoseconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::try_from(nanoseconds).unwrap_or(0))
    };
    let times = [
        time(metadata.atime(), metadata.atime_nsec()),
        time(metadata.mtime(), metadata.mtime_nsec()),
        time(metadata.ctime(), metadata.ctime_nsec()),
    ];
    let (ty, links) = (file_type(metadata.file_type()), metadata.nlink());
    Stat { ino: metadata.ino(), ty, links, size: metadata.len(), times }
}

fn file_type(ty: cap_std::fs::FileType) -> FileType {
    match ty {
        ty if ty.is_dir() => FileType::Directory,
        ty if ty.is_file() => FileType::File,
        ty if ty.is_symlink() => FileType::Link,
        _ => FileType::Unknown,
    }
}

fn times(accessed: Option<u64>, modified: Option<u64>) -> FileTimes {
    let time = |nanoseconds| UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    let mut times = FileTimes::new();
    times = accessed.map_or(times, |at| times.set_accessed(time(at)));
    modified.map_or(times, |at| times.set_modified(time(at)))
}

impl Tree for Real {
    fn stat(&self, node: Node) -> Result<Stat> {
        let metadata = match self.get(node)? {
            Open::Directory(dir, _) => dir.dir_metadata()?,
            Open::File(file) => Metadata::from_file(file)?,
        };
        Ok(stat(&metadata))
    }

    fn set_times(&mut self, node: Node, accessed: Option<u64>, modified: Option<u64>) -> Result {
        Ok(self.file(node)?.set_times(times(accessed, modified))?)
    }

    fn list(&self, directory: Node) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in self.dir(directory)?.0.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let ino = entry.metadata().map_or(0, |metadata| metadata.ino());
            names.push(Name { name, ino, ty: file_type(entry.file_type()?) });
        }
        // The order must be the same when the rest is asked for.
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    fn read(&mut self, node: Node, at: u64, max: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; max.min(1 << 20)];
        let count = self.file(node)?.read_at(&mut bytes, at)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    fn write(&mut self, node: Node, at: u64, bytes: &[u8], _: u64) -> Result {
        Ok(self.file(node)?.write_all_at(bytes, at)?)
    }

    fn resize(&mut self, node: Node, size: u64, _: u64) -> Result {
        Ok(self.file(node)?.set_len(size)?)
    }

    fn close(&mut self, node: Node) {
        self.open.remove(&node.0);
    }

    fn open(&mut self, place: &Place<'_>, how: Opening, _: u64) -> Result<Node> {
        let (dir, is_writable) = self.dir(place.from)?;
        let path = relative(place)?;
        let found = if place.follows { dir.metadata(path) } else { dir.symlink_metadata(path) };
        match &found {
            Ok(_) if how.create && how.exclusive => return Err(Errno::EXIST),
            Ok(found) if found.is_symlink() => return Err(Errno::LOOP),
            Ok(found) if found.is_dir() && how.truncate => return Err(Errno::ISDIR),
            Ok(found) if found.is_dir() => {
                let opened = Open::Directory(Arc::new(dir.open_dir(path)?), is_writable);
                return Ok(self.add(opened));
            }
            Ok(_) if how.directory => return Err(Errno::NOTDIR),
            // To open one may wait for ever, or do anything.
            Ok(found) if !found.is_file() => return Err(Errno::NOTSUP),
            Err(_) if how.create && !how.directory => {}
            Err(error) => return Err(error.kind().into()),
            Ok(_) => {}
        }
        let writes = how.writes || how.truncate || found.is_err();
        if writes && !is_writable {
            return Err(Errno::ROFS);
        }
        let mut options = OpenOptions::new();
        options.read(how.reads || !writes).write(writes).truncate(how.truncate);
        options.create(found.is_err()).create_new(how.create && how.exclusive);
        let file = dir.open_with(path, &options)?.into_std();
        Ok(self.add(Open::File(Arc::new(file))))
    }

    fn stat_at(&self, place: &Place<'_>) -> Result<Stat> {
        let ((dir, _), path) = (self.dir(place.from)?, relative(place)?);
        let metadata =
            if place.follows { dir.metadata(path)? } else { dir.symlink_metadata(path)? };
        Ok(stat(&metadata))
    }

    fn set_times_at(
        &mut self,
        place: &Place<'_>,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> Result {
        let (dir, path) = (self.writable(place.from)?, relative(place)?);
        let file = if dir.metadata(path)?.is_dir() {
            dir.open_dir(path)?.into_std_file()
        } else {
            dir.open(path)?.into_std()
        };
        Ok(file.set_times(times(accessed, modified))?)
    }

    fn make_directory(&mut self, place: &Place<'_>, _: u64) -> Result {
        Ok(self.writable(place.from)?.create_dir(relative(place)?)?)
    }

    fn make_link(&mut self, place: &Place<'_>, target: String, _: u64) -> Result {
        Ok(self.writable(place.from)?.symlink(target, relative(place)?)?)
    }

    fn read_link(&self, place: &Place<'_>) -> Result<String> {
        let target = self.dir(place.from)?.0.read_link_contents(relative(place)?)?;
        target.into_os_string().into_string().map_err(|_| Errno::ILSEQ)
    }

    fn link(&mut self, old: &Place<'_>, new: &Place<'_>, _: u64) -> Result {
        let (from, to) = (self.writable(old.from)?, self.writable(new.from)?);
        Ok(from.hard_link(relative(old)?, to, relative(new)?)?)
    }

    fn remove(&mut self, place: &Place<'_>, is_directory: bool, _: u64) -> Result {
        let (dir, path) = (self.writable(place.from)?, relative(place)?);
        if is_directory {
            return Ok(dir.remove_dir(path)?);
        }
        if dir.symlink_metadata(path)?.is_dir() {
            return Err(Errno::ISDIR);
        }
        Ok(dir.remove_file(path)?)
    }

    fn rename(&mut self, old: &Place<'_>, new: &Place<'_>, _: u64) -> Result {
        let (from, to) = (self.writable(old.from)?, self.writable(new.from)?);
        Ok(from.rename(relative(old)?, to, relative(new)?)?)
    }
}
