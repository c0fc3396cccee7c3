//! Reads the input and writes the output: whole or not at all.
//!
//! A regular file is written beside its place and renamed into it, so that no reader sees a part
//! and an error leaves what was there. A pipe or a device can't be replaced, so it is written
//! directly, once the module is complete in memory. A symbolic link is followed, never replaced.
//! Nothing is forced to disk: this is as durable as what compilers and linkers write.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use wasm_fork::{Error, Result};

/// As many symbolic links in a row as Linux follows.
const MAX_LINKS: usize = 40;

/// A module as it was read.
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    /// The file's permission bits; `None` for a stream.
    permissions: Option<Permissions>,
}

/// Reads a file, or stdin for `-`.
pub(super) fn read(path: &Path) -> Result<Input> {
    if is_dash(path) {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(failed("read", &"the standard input"))?;
        return Ok(Input { bytes, permissions: None });
    }
    let failed = || failed("read", &path.display());
    let mut file = File::open(path).map_err(failed())?;
    let metadata = file.metadata().map_err(failed())?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed())?;
    Ok(Input { bytes, permissions: metadata.is_file().then(|| metadata.permissions()) })
}

/// Reads a list, an item a line; empty lines and those that begin with `#` say nothing. A list of
/// nothing is an error.
fn read_list(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(failed("read", &path.display()))?;
    let lines = text.lines().map(str::trim);
    let items = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let items: Vec<_> = items.map(str::to_owned).collect();
    if items.is_empty() {
        return Err(Error::EmptyList { path: path.display().to_string() });
    }
    Ok(items)
}

/// Items as the user gave them, with each `@FILE` replaced by what that file lists.
pub(super) fn with_lists(items: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for item in items {
        match item.strip_prefix('@') {
            Some(path) => all.extend(read_list(Path::new(path))?),
            None => all.push(item.clone()),
        }
    }
    Ok(all)
}

/// A place that a module can be written to, as far as can be told before there is one.
pub(super) enum Destination {
    Stdout,
    /// A pipe or a device.
    Stream(PathBuf),
    /// A regular file, or the free place for one, with no symbolic link left at its end.
    File {
        path: PathBuf,
        /// The permission bits of the file that is there.
        permissions: Option<Permissions>,
    },
}

impl Destination {
    /// Finds out what `path` is, and fails early where the output could not be written in the end.
    pub(super) fn open(path: &Path) -> Result<Destination> {
        if is_dash(path) {
            return Destination::stdout();
        }
        let failed = || failed("write", &path.display());
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Destination::free(path).map_err(failed());
            }
            Err(error) => return Err(failed()(error)),
        };
        if metadata.is_dir() {
            return Err(failed()(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Ok(Destination::Stream(path.to_owned()));
        }
        // A rename would replace a file that its owner has made read-only.
        OpenOptions::new().write(true).open(path).map_err(failed())?;
        Ok(Destination::File {
            path: path.canonicalize().map_err(failed())?,
            permissions: Some(metadata.permissions()),
        })
    }

    fn stdout() -> Result<Destination> {
        if io::stdout().is_terminal() {
            let refused = io::Error::other("it is a terminal, and a module is binary");
            return Err(failed("write", &"the standard output")(refused));
        }
        Ok(Destination::Stdout)
    }

    /// The place where no file is yet, behind any symbolic links that point to it.
    fn free(path: &Path) -> io::Result<Destination> {
        let mut place = path.to_owned();
        for _ in 0..MAX_LINKS {
            match fs::read_link(&place) {
                Ok(target) => place = directory(&place).join(target),
                Err(_) => break,
            }
        }
        if place.file_name().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if !fs::metadata(directory(&place))?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Destination::File { path: place, permissions: None })
    }

    /// Writes all of `bytes`. A new file gets the permission bits of the input, if that was a
    /// file; else those of the file that it replaces; else the usual ones.
    pub(super) fn write(&self, bytes: &[u8], input: &Input) -> Result<()> {
        self.write_with(bytes, input.permissions.as_ref())
    }

    /// As [`Destination::write`], for what no single input has become.
    pub(super) fn write_new(&self, bytes: &[u8]) -> Result<()> {
        self.write_with(bytes, None)
    }

    fn write_with(&self, bytes: &[u8], permissions: Option<&Permissions>) -> Result<()> {
        match self {
            Destination::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                written.map_err(failed("write", &"the standard output"))
            }
            Destination::Stream(path) => {
                let opened = OpenOptions::new().write(true).open(path);
                let written = opened.and_then(|mut stream| stream.write_all(bytes));
                written.map_err(failed("write", &path.display()))
            }
            Destination::File { path, permissions: old } => {
                let permissions = permissions.or(old.as_ref());
                replace(path, bytes, permissions).map_err(failed("write", &path.display()))
            }
        }
    }
}

/// Puts a file with these bytes at `path` in one step.
fn replace(path: &Path, bytes: &[u8], permissions: Option<&Permissions>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wasm-fork-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // `tempfile` adds its file's path to the error, which names no file of the user's.
    let mut file = builder.tempfile_in(directory(path)).map_err(|error| plain(&error))?;
    file.as_file_mut().write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions.clone())?;
    }
    file.persist(path).map_err(|error| plain(&error.error))?;
    Ok(())
}

/// The error without the path that a library wrapped around it.
fn plain(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Makes the library's error out of the operating system's.
pub(super) fn failed(
    action: &'static str,
    what: &dyn Display,
) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = what.to_string();
    move |source| Error::Io { action, path, source }
}
