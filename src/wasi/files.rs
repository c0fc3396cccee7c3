//! A file system in memory, so that every run begins with the same files and none changes the machine's.
//!
//! Folders of the host are listed when they are added, and a file's contents are read when a run opens it for the first time.

use super::guest::{Errno, Result};
use super::tree::{FileType, Name, Opening, Place, Stat, Tree};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// As many symbolic links in a row as Linux follows.
const MAX_LINKS: usize = 40;

/// The largest file that a guest may make.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A file, directory or link, by its ordinal in [`Files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node(pub(super) usize);

impl Node {
    /// What stands for it as its serial number.
    fn inode(self) -> u64 {
        self.0 as u64 + 1
    }
}

/// All that there is, and was: what is removed stays for those who have it open.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    /// In nanoseconds since 1970.
    modified: u64,
    accessed: u64,
    /// Whether the guest wrote to it.
    is_changed: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Directory(BTreeMap<String, Node>),
    File(Content),
    Link(String),
}

#[derive(Clone, Debug)]
enum Content {
    /// Not yet read.
    Host {
        path: PathBuf,
        bytes: u64,
    },
    Own(Vec<u8>),
}

/// Where a path leads.
struct Found {
    /// The directory that it is in.
    parent: Node,
    /// Its name there; empty if the path names the directory that it starts from, or ends in `..`.
    name: String,
    /// What is there, if anything.
    node: Option<Node>,
}

impl Found {
    fn existing(&self) -> Result<Node> {
        self.node.ok_or(Errno::NOENT)
    }

    /// The place of something that is to be made.
    fn free(&self) -> Result<(Node, &str)> {
        match self.node {
            None if !self.name.is_empty() => Ok((self.parent, &self.name)),
            _ => Err(Errno::EXIST),
        }
    }
}

impl Files {
    fn add(&mut self, kind: Kind, time: u64) -> Node {
        self.0.push(Entry { kind, modified: time, accessed: time, is_changed: false });
        Node(self.0.len() - 1)
    }

    /// An empty directory, which is in no other.
    pub(super) fn directory(&mut self) -> Node {
        self.add(Kind::Directory(BTreeMap::new()), 0)
    }

    /// A copy of a folder of the host.
    ///
    /// # Errors
    /// If it can't be listed.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<Node> {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (path, ty) = (entry.path(), entry.file_type()?);
            let time = modified(&entry.metadata()?);
            let node = if ty.is_dir() {
                self.folder(&path)?
            } else if ty.is_symlink() {
                let target = fs::read_link(&path)?.to_string_lossy().into_owned();
                self.add(Kind::Link(target), time)
            } else if ty.is_file() {
                let bytes = entry.metadata()?.len();
                self.add(Kind::File(Content::Host { path, bytes }), time)
            } else {
                continue;
            };
            names.insert(name, node);
        }
        let time = modified(&fs::metadata(path)?);
        Ok(self.add(Kind::Directory(names), time))
    }

    /// Puts a file into a directory before a run begins.
    pub(super) fn put(&mut self, directory: Node, name: &str, bytes: Vec<u8>) -> Result {
        let file = self.add(Kind::File(Content::Own(bytes)), 0);
        match self.names_mut(directory)?.insert(name.to_owned(), file) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }

    fn kind(&self, node: Node) -> &Kind {
        &self.0[node.0].kind
    }

    /// The size of a file in bytes, and nothing for what is none.
    fn size(&self, node: Node) -> u64 {
        match self.kind(node) {
            Kind::File(Content::Host { bytes, .. }) => *bytes,
            Kind::File(Content::Own(bytes)) => bytes.len() as u64,
            Kind::Link(target) => target.len() as u64,
            Kind::Directory(_) => 0,
        }
    }

    /// When it was read and written last, in nanoseconds since 1970.
    fn times(&self, node: Node) -> (u64, u64) {
        (self.0[node.0].accessed, self.0[node.0].modified)
    }

    fn file_type(&self, node: Node) -> FileType {
        match self.kind(node) {
            Kind::Directory(_) => FileType::Directory,
            Kind::File(_) => FileType::File,
            Kind::Link(_) => FileType::Link,
        }
    }

    fn at(&self, place: &Place<'_>) -> Result<Found> {
        self.find(place.from, place.path, place.follows)
    }

    fn names(&self, directory: Node) -> Result<&BTreeMap<String, Node>> {
        match self.kind(directory) {
            Kind::Directory(names) => Ok(names),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn names_mut(&mut self, directory: Node) -> Result<&mut BTreeMap<String, Node>> {
        match &mut self.0[directory.0].kind {
            Kind::Directory(names) => Ok(names),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// What a file holds.
    fn bytes(&mut self, node: Node) -> Result<&mut Vec<u8>> {
        let Kind::File(content) = &mut self.0[node.0].kind else { return Err(Errno::ISDIR) };
        if let Content::Host { path, .. } = content {
            *content = Content::Own(fs::read(path).map_err(|_| Errno::IO)?);
        }
        match content {
            Content::Own(bytes) => Ok(bytes),
            Content::Host { .. } => Err(Errno::IO),
        }
    }

    fn put_bytes(&mut self, node: Node, at: u64, new: &[u8], time: u64) -> Result {
        let end = at.checked_add(new.len() as u64).filter(|end| *end <= MAX_FILE_BYTES);
        let end = usize::try_from(end.ok_or(Errno::NOSPC)?).map_err(|_| Errno::NOSPC)?;
        let bytes = self.bytes(node)?;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[end - new.len()..end].copy_from_slice(new);
        self.touch(node, time);
        Ok(())
    }

    fn set_size(&mut self, node: Node, size: u64, time: u64) -> Result {
        let size = Some(size).filter(|size| *size <= MAX_FILE_BYTES).ok_or(Errno::NOSPC)?;
        self.bytes(node)?.resize(usize::try_from(size).map_err(|_| Errno::NOSPC)?, 0);
        self.touch(node, time);
        Ok(())
    }

    fn touch(&mut self, node: Node, time: u64) {
        self.0[node.0].modified = time;
        self.0[node.0].is_changed = true;
    }

    /// Follows a path from a directory, which it can't leave upwards.
    fn find(&self, from: Node, path: &str, follow_last: bool) -> Result<Found> {
        if path.starts_with('/') {
            return Err(Errno::PERM);
        }
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let parts = |path: &str| -> Vec<String> {
            let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
            parts.rev().map(str::to_owned).collect()
        };
        let (mut todo, mut above, mut links) = (parts(path), vec![from], 0);
        loop {
            let here = *above.last().expect("one is not left");
            let Some(name) = todo.pop() else {
                return Ok(Found { parent: here, name: String::new(), node: Some(here) });
            };
            if name == ".." {
                above.pop();
                if above.is_empty() {
                    return Err(Errno::PERM);
                }
                continue;
            }
            let node = self.names(here)?.get(&name).copied();
            let is_last = todo.is_empty();
            match node.map(|node| (node, self.kind(node))) {
                Some((_, Kind::Link(target))) if !is_last || follow_last => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    if target.starts_with('/') {
                        return Err(Errno::PERM);
                    }
                    todo.extend(parts(target));
                }
                Some((node, Kind::Directory(_))) if !is_last => above.push(node),
                None if !is_last => return Err(Errno::NOENT),
                Some(_) if !is_last => return Err(Errno::NOTDIR),
                _ => return Ok(Found { parent: here, name, node }),
            }
        }
    }

    /// Puts something new into a directory.
    fn make(&mut self, place: &Found, kind: Kind, time: u64) -> Result<Node> {
        let (parent, name) = place.free()?;
        let name = name.to_owned();
        let node = self.add(kind, time);
        self.names_mut(parent)?.insert(name, node);
        self.0[node.0].is_changed = true;
        self.touch(parent, time);
        Ok(node)
    }

    /// Another name for what is there.
    fn add_name(&mut self, node: Node, place: &Found, time: u64) -> Result {
        let (parent, name) = place.free()?;
        let name = name.to_owned();
        self.names_mut(parent)?.insert(name, node);
        self.touch(parent, time);
        Ok(())
    }

    /// Takes a name away: a directory's if `is_directory`, which must be empty, and else any other's.
    fn take_name(&mut self, place: &Found, is_directory: bool, time: u64) -> Result {
        let node = place.existing()?;
        match (self.kind(node), is_directory) {
            (Kind::Directory(names), true) if !names.is_empty() => return Err(Errno::NOTEMPTY),
            (Kind::Directory(_), true) if place.name.is_empty() => return Err(Errno::INVAL),
            (Kind::Directory(_), false) => return Err(Errno::ISDIR),
            (Kind::File(_) | Kind::Link(_), true) => return Err(Errno::NOTDIR),
            _ => {}
        }
        self.names_mut(place.parent)?.remove(&place.name);
        self.touch(place.parent, time);
        Ok(())
    }

    fn move_name(&mut self, from: &Found, to: &Found, time: u64) -> Result {
        let node = from.existing()?;
        if from.name.is_empty() || to.name.is_empty() || self.is_within(to.parent, node) {
            return Err(Errno::INVAL);
        }
        if let Some(old) = to.node {
            if old == node {
                return Ok(());
            }
            self.take_name(to, matches!(self.kind(node), Kind::Directory(_)), time)?;
        }
        self.names_mut(from.parent)?.remove(&from.name);
        self.names_mut(to.parent)?.insert(to.name.clone(), node);
        self.touch(from.parent, time);
        self.touch(to.parent, time);
        Ok(())
    }

    /// Whether a directory is another, or somewhere in it.
    fn is_within(&self, directory: Node, other: Node) -> bool {
        let Kind::Directory(names) = self.kind(other) else { return false };
        directory == other || names.values().any(|node| self.is_within(directory, *node))
    }

    /// What the guest made or wrote to below a directory: path and contents.
    pub(super) fn changed(&self, directory: Node, path: &str) -> Vec<(String, Vec<u8>)> {
        let Kind::Directory(names) = self.kind(directory) else { return Vec::new() };
        let mut all = Vec::new();
        if self.0[directory.0].is_changed {
            let listed: Vec<_> = names.keys().map(String::as_str).collect();
            all.push((format!("{path}/"), listed.join("\n").into_bytes()));
        }
        for (name, node) in names {
            let path = format!("{path}/{name}");
            match self.kind(*node) {
                Kind::Directory(_) => all.extend(self.changed(*node, &path)),
                Kind::File(Content::Own(bytes)) if self.0[node.0].is_changed => {
                    all.push((path, bytes.clone()));
                }
                Kind::Link(target) if self.0[node.0].is_changed => {
                    all.push((path, target.clone().into_bytes()));
                }
                _ => {}
            }
        }
        all
    }
}

/// What programs do to it.
impl Tree for Files {
    fn stat(&self, node: Node) -> Result<Stat> {
        let (accessed, modified) = self.times(node);
        let (ty, ino) = (self.file_type(node), node.inode());
        let times = [accessed, modified, modified];
        Ok(Stat { ino, ty, links: 1, size: self.size(node), times })
    }

    fn set_times(&mut self, node: Node, accessed: Option<u64>, modified: Option<u64>) -> Result {
        let entry = &mut self.0[node.0];
        entry.accessed = accessed.unwrap_or(entry.accessed);
        entry.modified = modified.unwrap_or(entry.modified);
        Ok(())
    }

    fn list(&self, directory: Node) -> Result<Vec<Name>> {
        let names = self.names(directory)?.iter();
        let names = names.map(|(name, node)| Name {
            name: name.clone(),
            ino: node.inode(),
            ty: self.file_type(*node),
        });
        Ok(names.collect())
    }

    fn read(&mut self, node: Node, at: u64, max: usize) -> Result<Vec<u8>> {
        let bytes = self.bytes(node)?;
        let start = bytes.len().min(usize::try_from(at).unwrap_or(usize::MAX));
        let end = bytes.len().min(start.saturating_add(max));
        Ok(bytes[start..end].to_vec())
    }

    fn write(&mut self, node: Node, at: u64, bytes: &[u8], now: u64) -> Result {
        self.put_bytes(node, at, bytes, now)
    }

    fn resize(&mut self, node: Node, size: u64, now: u64) -> Result {
        self.set_size(node, size, now)
    }

    fn close(&mut self, _: Node) {}

    fn open(&mut self, place: &Place<'_>, how: Opening, now: u64) -> Result<Node> {
        let found = self.at(place)?;
        let node = match found.node {
            Some(_) if how.create && how.exclusive => return Err(Errno::EXIST),
            Some(node) => node,
            None if !how.create || how.directory => return Err(Errno::NOENT),
            None => self.make(&found, Kind::File(Content::Own(Vec::new())), now)?,
        };
        match self.kind(node) {
            Kind::Directory(_) if how.truncate => return Err(Errno::ISDIR),
            Kind::Link(_) => return Err(Errno::LOOP),
            Kind::File(_) if how.directory => return Err(Errno::NOTDIR),
            _ => {}
        }
        if how.truncate {
            self.set_size(node, 0, now)?;
        }
        Ok(node)
    }

    fn stat_at(&self, place: &Place<'_>) -> Result<Stat> {
        self.stat(self.at(place)?.existing()?)
    }

    fn set_times_at(
        &mut self,
        place: &Place<'_>,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> Result {
        let node = self.at(place)?.existing()?;
        self.set_times(node, accessed, modified)
    }

    fn make_directory(&mut self, place: &Place<'_>, now: u64) -> Result {
        let found = self.at(place)?;
        self.make(&found, Kind::Directory(BTreeMap::new()), now).map(drop)
    }

    fn make_link(&mut self, place: &Place<'_>, target: String, now: u64) -> Result {
        let found = self.at(place)?;
        self.make(&found, Kind::Link(target), now).map(drop)
    }

    fn read_link(&self, place: &Place<'_>) -> Result<String> {
        match self.kind(self.at(place)?.existing()?) {
            Kind::Link(target) => Ok(target.clone()),
            _ => Err(Errno::INVAL),
        }
    }

    fn link(&mut self, old: &Place<'_>, new: &Place<'_>, now: u64) -> Result {
        let old = self.at(old)?.existing()?;
        if let Kind::Directory(_) = self.kind(old) {
            return Err(Errno::PERM);
        }
        let place = self.at(new)?;
        self.add_name(old, &place, now)
    }

    fn remove(&mut self, place: &Place<'_>, is_directory: bool, now: u64) -> Result {
        let found = self.at(place)?;
        self.take_name(&found, is_directory, now)
    }

    fn rename(&mut self, old: &Place<'_>, new: &Place<'_>, now: u64) -> Result {
        let (old, new) = (self.at(old)?, self.at(new)?);
        self.move_name(&old, &new, now)
    }
}

/// In nanoseconds since 1970.
fn modified(metadata: &fs::Metadata) -> u64 {
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    time.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or(0)
}
