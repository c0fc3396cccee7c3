//! What paths lead to: folders of the host, under the names that processes know them by; the programs in /bin; devices.
//!
//! A folder of the host is never left: neither by `..`, which is resolved here, nor by symbolic links, which cap-std resolves.

use super::errno::Errno;
use super::open_file::{Device, Kind};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use std::collections::BTreeMap;
use std::fs::FileTimes;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Result<T = ()> = std::result::Result<T, Errno>;

pub(super) const S_IFMT: u32 = 0o170_000;
pub(super) const S_IFREG: u32 = 0o100_000;
pub(super) const S_IFDIR: u32 = 0o040_000;
pub(super) const S_IFCHR: u32 = 0o020_000;
pub(super) const S_IFIFO: u32 = 0o010_000;
const S_IFLNK: u32 = 0o120_000;

pub(super) const O_ACCMODE: i32 = 3;
const O_CREAT: i32 = 0o100;
const O_EXCL: i32 = 0o200;
const O_TRUNC: i32 = 0o1000;
pub(super) const O_APPEND: i32 = 0o2000;
const O_DIRECTORY: i32 = 0o200_000;

/// Where the programs are that were given by name.
const PROGRAMS: &str = "/bin";

const PASSWD: &[u8] = b"root:x:0:0:root:/:/bin/sh\n";

/// What is to be known of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stat {
    pub(super) mode: u32,
    pub(super) ino: u64,
    pub(super) links: u32,
    pub(super) size: u64,
    /// Read, changed and written last: seconds since 1970, and nanoseconds.
    pub(super) times: [(i64, u32); 3],
}

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Stat {
        let (ino, links) = (metadata.ino(), metadata.nlink() as u32);
        let times = [
            (metadata.atime(), metadata.atime_nsec() as u32),
            (metadata.ctime(), metadata.ctime_nsec() as u32),
            (metadata.mtime(), metadata.mtime_nsec() as u32),
        ];
        Stat { mode: metadata.mode(), ino, links, size: metadata.len(), times }
    }

    pub(super) fn made_up(mode: u32, size: u64) -> Stat {
        Stat { mode, ino: 1, links: 1, size, ..Stat::default() }
    }
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) ino: u64,
    /// As `getdents64` has it: 4 for a directory, 8 for a file, 10 for a link.
    pub(super) kind: u8,
}

#[derive(Debug)]
struct Mount {
    /// Absolute and normal.
    path: String,
    dir: Dir,
    is_writable: bool,
}

#[derive(Debug, Default)]
pub(super) struct Mounts {
    mounts: Vec<Mount>,
    programs: BTreeMap<String, Arc<[u8]>>,
}

enum Place<'m> {
    Host(&'m Mount, PathBuf),
    Text(Arc<[u8]>),
    Device(Device),
    /// A folder that is there for what is in it.
    Folder,
    Nowhere,
}

/// The absolute, normal form of a path: without `.` and `..`.
pub(super) fn resolve(from: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What of `path` is below `folder`, if it is there.
fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

impl Mount {
    fn open(&self, path: &str, rest: &Path, flags: i32, mode: u32) -> Result<Kind> {
        let writes = flags & O_ACCMODE != 0;
        let is_new = match self.dir.metadata(rest) {
            Ok(_) if flags & O_CREAT != 0 && flags & O_EXCL != 0 => return Err(Errno::EXIST),
            Ok(found) if found.is_dir() && writes => return Err(Errno::ISDIR),
            Ok(found) if found.is_dir() => return Ok(Kind::folder(path)),
            Ok(_) if flags & O_DIRECTORY != 0 => return Err(Errno::NOTDIR),
            // To open one may wait for ever, or do anything.
            Ok(found) if !found.is_file() => return Err(Errno::NXIO),
            Ok(_) => false,
            Err(error) if flags & O_CREAT == 0 => return Err(error.into()),
            Err(_) => true,
        };
        if !self.is_writable && (is_new || writes || flags & O_TRUNC != 0) {
            return Err(Errno::ROFS);
        }
        let mut options = OpenOptions::new();
        if is_new && !writes {
            // Made by a program that only reads it.
            self.dir.open_with(rest, OpenOptions::new().write(true).create(true).mode(mode))?;
        }
        options.read(flags & O_ACCMODE != 1).write(writes).mode(mode);
        options.append(writes && flags & O_APPEND != 0);
        options.truncate(writes && flags & O_TRUNC != 0);
        options.create(is_new && writes).create_new(is_new && writes && flags & O_EXCL != 0);
        Ok(Kind::File(self.dir.open_with(rest, &options)?.into_std()))
    }
}

impl Mounts {
    pub(super) fn add(&mut self, host: &Path, guest: &str, is_writable: bool) -> io::Result<()> {
        let dir = Dir::open_ambient_dir(host, ambient_authority())?;
        let path = resolve("/", guest);
        self.mounts.retain(|mount| mount.path != path);
        self.mounts.push(Mount { path, dir, is_writable });
        // The longest comes first.
        self.mounts.sort_by_key(|mount| usize::MAX - mount.path.len());
        Ok(())
    }

    pub(super) fn has(&self, guest: &str) -> bool {
        self.mounts.iter().any(|mount| below(&mount.path, guest).is_some())
    }

    pub(super) fn add_program(&mut self, name: &str, wasm: Arc<[u8]>) {
        self.programs.insert(name.to_owned(), wasm);
    }

    pub(super) fn program(&self, name: &str) -> Option<&Arc<[u8]>> {
        self.programs.get(name)
    }

    fn find(&self, path: &str) -> Place<'_> {
        if let Some(device) = Device::at(path) {
            return Place::Device(device);
        }
        let program = below(PROGRAMS, path).and_then(|name| self.programs.get(name));
        if let Some(program) = program {
            return Place::Text(program.clone());
        }
        for mount in &self.mounts {
            if let Some(rest) = below(&mount.path, path) {
                let rest = if rest.is_empty() { "." } else { rest };
                return Place::Host(mount, rest.into());
            }
        }
        if path == "/etc/passwd" {
            return Place::Text(PASSWD.into());
        }
        match self.made_up(path).next() {
            Some(_) => Place::Folder,
            None => Place::Nowhere,
        }
    }

    /// The names in a folder that is no folder of the host.
    fn made_up<'s>(&'s self, path: &'s str) -> impl Iterator<Item = &'s str> {
        let fixed = ["/dev/null", "/dev/tty", "/dev/zero", "/etc/passwd", "/bin/."];
        let mounts = self.mounts.iter().map(|mount| mount.path.as_str());
        let all = fixed.into_iter().chain(mounts);
        let names = all.filter_map(move |other| below(path, other)?.split('/').next());
        let programs = self.programs.keys().map(String::as_str).filter(move |_| path == PROGRAMS);
        names.filter(|name| !name.is_empty()).chain(programs)
    }

    /// The place of something that is to be changed.
    fn writable(&self, path: &str) -> Result<(&Dir, PathBuf)> {
        match self.find(path) {
            Place::Host(mount, rest) if mount.is_writable => Ok((&mount.dir, rest)),
            Place::Host(..) | Place::Text(_) | Place::Folder => Err(Errno::ROFS),
            Place::Device(_) => Err(Errno::PERM),
            Place::Nowhere => match path.rsplit_once('/') {
                Some((parent, _)) if !matches!(self.find(parent), Place::Nowhere) => {
                    Err(Errno::ROFS)
                }
                _ => Err(Errno::NOENT),
            },
        }
    }

    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<Stat> {
        match self.find(path) {
            Place::Host(mount, rest) => {
                let metadata = if follow {
                    mount.dir.metadata(rest)?
                } else {
                    mount.dir.symlink_metadata(rest)?
                };
                Ok(Stat::of(&metadata))
            }
            Place::Text(bytes) => Ok(Stat::made_up(S_IFREG | 0o555, bytes.len() as u64)),
            Place::Device(_) => Ok(Stat::made_up(S_IFCHR | 0o666, 0)),
            Place::Folder => Ok(Stat::made_up(S_IFDIR | 0o555, 0)),
            Place::Nowhere => Err(Errno::NOENT),
        }
    }

    /// Opens what is at a path, or makes it, as `open` does.
    pub(super) fn open(&self, path: &str, flags: i32, mode: u32) -> Result<Kind> {
        let writes = flags & O_ACCMODE != 0 || flags & (O_CREAT | O_TRUNC) != 0;
        match self.find(path) {
            Place::Host(mount, rest) => mount.open(path, &rest, flags, mode),
            Place::Device(device) => Ok(Kind::Device(device)),
            Place::Folder if flags & O_ACCMODE != 0 => Err(Errno::ISDIR),
            Place::Folder => Ok(Kind::folder(path)),
            Place::Text(_) if writes => Err(Errno::ROFS),
            Place::Text(_) if flags & O_DIRECTORY != 0 => Err(Errno::NOTDIR),
            Place::Text(bytes) => Ok(Kind::text(bytes)),
            Place::Nowhere if flags & O_CREAT != 0 => {
                self.writable(path).map(|_| Kind::folder(path))
            }
            Place::Nowhere => Err(Errno::NOENT),
        }
    }

    /// The whole of a file that is to be run.
    pub(super) fn contents(&self, path: &str) -> Result<Arc<[u8]>> {
        match self.find(path) {
            Place::Text(bytes) => Ok(bytes),
            Place::Host(mount, rest) => {
                if !mount.dir.metadata(&rest)?.is_file() {
                    return Err(Errno::ACCES);
                }
                let mut bytes = Vec::new();
                mount.dir.open(rest)?.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Place::Folder | Place::Device(_) => Err(Errno::ACCES),
            Place::Nowhere => Err(Errno::NOENT),
        }
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let mut entries = vec![];
        for name in [".", ".."] {
            entries.push(Entry { name: name.to_owned(), ino: 1, kind: 4 });
        }
        match self.find(path) {
            Place::Host(mount, rest) => {
                for entry in mount.dir.read_dir(rest)? {
                    let entry = entry?;
                    let Ok(name) = entry.file_name().into_string() else { continue };
                    let (stat, ty) = (entry.metadata(), entry.file_type()?);
                    let kind = if ty.is_dir() {
                        4
                    } else if ty.is_symlink() {
                        10
                    } else {
                        8
                    };
                    entries.push(Entry { name, ino: stat.map_or(1, |stat| stat.ino()), kind });
                }
            }
            Place::Folder => {
                let mut names: Vec<_> = self.made_up(path).filter(|name| *name != ".").collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    let path = resolve(path, name);
                    let is_folder = self.stat(&path, true)?.mode & S_IFMT == S_IFDIR;
                    let kind = if is_folder { 4 } else { 8 };
                    entries.push(Entry { name: name.to_owned(), ino: 1, kind });
                }
            }
            Place::Nowhere => return Err(Errno::NOENT),
            _ => return Err(Errno::NOTDIR),
        }
        Ok(entries)
    }

    pub(super) fn make_folder(&self, path: &str) -> Result {
        if self.stat(path, false).is_ok() {
            return Err(Errno::EXIST);
        }
        let (dir, rest) = self.writable(path)?;
        Ok(dir.create_dir(rest)?)
    }

    pub(super) fn remove(&self, path: &str, is_folder: bool) -> Result {
        let found = self.stat(path, false)?;
        let (dir, rest) = self.writable(path)?;
        match (is_folder, found.mode & S_IFMT == S_IFDIR) {
            (true, false) => Err(Errno::NOTDIR),
            (false, true) => Err(Errno::ISDIR),
            (true, true) => Ok(dir.remove_dir(rest)?),
            (false, false) => Ok(dir.remove_file(rest)?),
        }
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result {
        self.stat(from, false)?;
        let ((from_dir, from), (to_dir, to)) = (self.writable(from)?, self.writable(to)?);
        Ok(from_dir.rename(from, to_dir, to)?)
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Result {
        self.stat(from, false)?;
        let ((from_dir, from), (to_dir, to)) = (self.writable(from)?, self.writable(to)?);
        Ok(from_dir.hard_link(from, to_dir, to)?)
    }

    pub(super) fn make_link(&self, target: &str, path: &str) -> Result {
        let (dir, rest) = self.writable(path)?;
        Ok(dir.symlink(target, rest)?)
    }

    pub(super) fn read_link(&self, path: &str) -> Result<String> {
        if self.stat(path, false)?.mode & S_IFMT != S_IFLNK {
            return Err(Errno::INVAL);
        }
        let Place::Host(mount, rest) = self.find(path) else { return Err(Errno::INVAL) };
        Ok(mount.dir.read_link_contents(rest)?.to_string_lossy().into_owned())
    }

    pub(super) fn set_mode(&self, path: &str, mode: u32) -> Result {
        use cap_std::fs::PermissionsExt;
        self.stat(path, true)?;
        let (dir, rest) = self.writable(path)?;
        Ok(dir.set_permissions(rest, cap_std::fs::Permissions::from_mode(mode & 0o777))?)
    }

    pub(super) fn set_times(&self, path: &str, times: FileTimes) -> Result {
        let is_folder = self.stat(path, true)?.mode & S_IFMT == S_IFDIR;
        let (dir, rest) = self.writable(path)?;
        let file = if is_folder {
            dir.open_dir(rest)?.into_std_file()
        } else {
            dir.open(rest)?.into_std()
        };
        Ok(file.set_times(times)?)
    }

    pub(super) fn truncate(&self, path: &str, size: u64) -> Result {
        self.stat(path, true)?;
        let (dir, rest) = self.writable(path)?;
        Ok(dir.open_with(rest, OpenOptions::new().write(true))?.set_len(size)?)
    }
}
