//! Puts a file into its place in one step, and leaves nothing beside it.
//!
//! The bytes go to a temporary file beside the place, which is then renamed into it. An error removes the
//! temporary file, and so does a signal that ends the process (under Unix, as far as a process can
//! notice).

use super::signals;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::path::Path;

/// What a file has besides its contents and its place.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    permissions: Permissions,
    #[cfg(unix)]
    owner: Owner,
}

#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: u32,
    group: u32,
}

impl Attributes {
    pub(super) fn of(metadata: &Metadata) -> Attributes {
        Attributes {
            permissions: metadata.permissions(),
            #[cfg(unix)]
            owner: Owner::of(metadata),
        }
    }
}

/// A file that is complete, but not yet in its place.
pub(super) struct Prepared(signals::Temporary);

impl Prepared {
    /// A file with these bytes, beside `path`. It gets the owner of the `old` file there, as far as the process may give files
    /// away, and the permission bits of `like`.
    pub(super) fn beside(
        path: &Path,
        bytes: &[u8],
        old: Option<&Attributes>,
        like: Option<&Attributes>,
    ) -> io::Result<Prepared> {
        let temporary = temporary(path)?;
        let mut file = temporary.file();
        file.write_all(bytes)?;
        set_attributes(file, old, like)?;
        Ok(Prepared(temporary))
    }

    /// Puts it at `path`.
    pub(super) fn put(self, path: &Path) -> io::Result<()> {
        self.0.persist(path).map_err(|error| without_path(&error))
    }
}

/// Moves the file at `path` to a temporary name beside it.
pub(super) fn aside(path: &Path) -> io::Result<signals::Temporary> {
    let aside = temporary(path)?;
    fs::rename(path, aside.path())?;
    Ok(aside)
}

/// An empty file beside `path`.
fn temporary(path: &Path) -> io::Result<signals::Temporary> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wasm-fork-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    signals::Temporary::make(|| {
        // `tempfile` adds its file's path to the error, which names no file of the user's.
        builder.tempfile_in(directory(path)).map_err(|error| without_path(&error))
    })
}

/// The directory that a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn set_attributes(
    file: &File,
    old: Option<&Attributes>,
    like: Option<&Attributes>,
) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, fchown};
    if let Some(Owner { user, group }) = old.map(|old| old.owner) {
        // Few may give files away; one more may give them to a group.
        if fchown(file, Some(user), Some(group)).is_err() {
            let _ = fchown(file, None, Some(group));
        }
    }
    let Some(like) = like else { return Ok(()) };
    let mode = like.owner.mode_for(Owner::of(&file.metadata()?), like.permissions.mode());
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_attributes(
    file: &File,
    _old: Option<&Attributes>,
    like: Option<&Attributes>,
) -> io::Result<()> {
    like.map_or(Ok(()), |like| file.set_permissions(like.permissions.clone()))
}

#[cfg(unix)]
impl Owner {
    fn of(metadata: &Metadata) -> Owner {
        use std::os::unix::fs::MetadataExt;
        Owner { user: metadata.uid(), group: metadata.gid() }
    }

    /// The permission bits of a file of this owner, as another owner may get them: nothing runs as
    /// somebody who didn't ask for that.
    fn mode_for(self, other: Owner, mode: u32) -> u32 {
        const SET_USER: u32 = 0o4000;
        const SET_GROUP: u32 = 0o2000;
        let user = if self.user == other.user { 0 } else { SET_USER };
        let group = if self.group == other.group { 0 } else { SET_GROUP };
        mode & !user & !group
    }
}

/// The error without the path that a library wrapped around it.
fn without_path(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn nobody_runs_as_another_for_a_copied_bit() {
        let (owner, user) = (Owner { user: 7, group: 7 }, Owner { user: 0, group: 7 });
        assert_eq!(owner.mode_for(owner, 0o107_755), 0o107_755);
        assert_eq!(owner.mode_for(user, 0o107_755), 0o103_755);
        assert_eq!(owner.mode_for(Owner { user: 7, group: 0 }, 0o107_755), 0o105_755);
        assert_eq!(owner.mode_for(Owner { user: 0, group: 0 }, 0o106_711), 0o100_711);
    }
}
