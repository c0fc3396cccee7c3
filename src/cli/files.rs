//! Reads the input and writes the output: whole or not at all.
//!
//! A regular file is written beside its place and renamed into it, so that no reader sees a part
//! and an error leaves what was there. A pipe or a device can't be replaced, so it is written
//! directly, once the module is complete in memory. A symbolic link is followed, never replaced.
//! Nothing is forced to disk: this is as durable as what compilers and linkers write.

use super::failure::{Failure, Result};
use super::replace::{Attributes, Prepared, directory};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files that were read, in order.
static SEEN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// As many symbolic links in a row as Linux follows.
const MAX_LINKS: usize = 40;

/// As much as engines accept of a module. Nothing else that is read here comes near to it.
const MAX_BYTES: u64 = 1 << 30;

/// A file as it was read.
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    /// What else the file has; `None` for a stream.
    pub(super) attributes: Option<Attributes>,
}

/// Reads a file, or stdin for `-`; as much of it as a module may have.
pub(super) fn read(path: &Path) -> Result<Input> {
    if is_dash(path) {
        let bytes = read_at_most(MAX_BYTES, io::stdin().lock());
        let bytes = bytes.map_err(failed("read", &"the standard input"))?;
        return Ok(Input { bytes, attributes: None });
    }
    let failed = || failed("read", &path.display());
    note(path);
    let file = File::open(path).map_err(failed())?;
    let metadata = file.metadata().map_err(failed())?;
    if metadata.is_file() && metadata.len() > MAX_BYTES {
        return Err(failed()(too_large(MAX_BYTES)));
    }
    let bytes = read_at_most(MAX_BYTES, file).map_err(failed())?;
    let attributes = metadata.is_file().then(|| Attributes::of(&metadata));
    Ok(Input { bytes, attributes })
}

/// Remembers that what is made depends on the file at `path`.
pub(super) fn note(path: &Path) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.iter().any(|other| other == path) {
        seen.push(path.to_owned());
    }
}

/// The files that were read so far, or noted.
pub(super) fn seen() -> Vec<PathBuf> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// All that `source` has. A source may be endless.
fn read_at_most(limit: u64, source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

fn too_large(limit: u64) -> io::Error {
    io::Error::other(format!("it has more than {limit} bytes, the most that engines accept"))
}

/// What to call the file in errors, and its text.
pub(super) fn read_text(path: &Path) -> Result<(String, String)> {
    let origin = shown(path);
    let bytes = read(path)?.bytes;
    let text = String::from_utf8(bytes).map_err(|error| Failure::NotUtf8 {
        path: origin.clone(),
        valid_up_to: error.utf8_error().valid_up_to(),
    })?;
    Ok((origin, text))
}

/// Reads a list, an item a line; empty lines and those that begin with `#` say nothing. A list of
/// nothing is an error.
fn read_list(path: &Path) -> Result<Vec<String>> {
    list(path, &read_text(path)?.1)
}

/// The items of a list that was read from a file.
pub(super) fn list(path: &Path, text: &str) -> Result<Vec<String>> {
    let lines = text.lines().map(str::trim);
    let items = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let items: Vec<_> = items.map(str::to_owned).collect();
    if items.is_empty() {
        return Err(Failure::EmptyList { path: shown(path) });
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
        /// What the file that is there has.
        old: Option<Attributes>,
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
            old: Some(Attributes::of(&metadata)),
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
        Ok(Destination::File { path: place, old: None })
    }

    /// Writes all of `bytes`. A new file gets the permission bits of the input, if that was a file;
    /// else those of the file that it replaces; else the usual ones. It gets the owner of the file
    /// that it replaces, where the system permits that; where not, it loses the bits by which it
    /// would run in another user's name.
    pub(super) fn write(&self, bytes: &[u8], input: &Input) -> Result<()> {
        self.write_with(bytes, input.attributes.as_ref())
    }

    /// As [`Destination::write`], for what no single input has become.
    pub(super) fn write_new(&self, bytes: &[u8]) -> Result<()> {
        self.write_with(bytes, None)
    }

    /// Whether both are the same file.
    pub(super) fn is(&self, other: &Destination) -> bool {
        match (self, other) {
            (Destination::File { path, .. }, Destination::File { path: other, .. }) => {
                same_place(path, other)
            }
            _ => false,
        }
    }

    fn write_with(&self, bytes: &[u8], input: Option<&Attributes>) -> Result<()> {
        let prepared = self.prepare(bytes, input)?;
        self.send(bytes)?;
        prepared.map_or(Ok(()), |prepared| self.place(prepared))
    }

    /// Writes all that a regular file is going to have beside its place.
    fn prepare(&self, bytes: &[u8], input: Option<&Attributes>) -> Result<Option<Prepared>> {
        let Destination::File { path, old } = self else { return Ok(None) };
        let prepared = Prepared::beside(path, bytes, old.as_ref(), input.or(old.as_ref()));
        prepared.map(Some).map_err(failed("write", &path.display()))
    }

    /// Puts a file into its place.
    fn place(&self, prepared: Prepared) -> Result<()> {
        let Destination::File { path, .. } = self else { return Ok(()) };
        prepared.put(path).map_err(failed("write", &path.display()))
    }

    /// Removes a file that was put into a place where there was none.
    fn take_back(&self) {
        if let Destination::File { path, old: None } = self {
            // The error that led here is the one to tell of.
            let _ = fs::remove_file(path);
        }
    }

    /// Writes to what can't be replaced; does nothing for a regular file.
    fn send(&self, bytes: &[u8]) -> Result<()> {
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
            Destination::File { .. } => Ok(()),
        }
    }
}

/// Writes two files, of what `input` has become, so that neither appears without the other: what can fail for want of room or
/// leave is done before the first has its place.
pub(super) fn write_both(both: [(&Destination, &[u8]); 2], input: &Input) -> Result<()> {
    let [(first, first_bytes), (second, second_bytes)] = both;
    let attributes = input.attributes.as_ref();
    let first_prepared = first.prepare(first_bytes, attributes)?;
    let second_prepared = second.prepare(second_bytes, attributes)?;
    first.send(first_bytes)?;
    second.send(second_bytes)?;
    first_prepared.map_or(Ok(()), |prepared| first.place(prepared))?;
    let placed = second_prepared.map_or(Ok(()), |prepared| second.place(prepared));
    if placed.is_err() {
        first.take_back();
    }
    placed
}

/// Whether two places for files are one.
fn same_place(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| directory(path).canonicalize().ok();
    one.file_name() == other.file_name() && folder(one) == folder(other)
}

/// What an error calls a file that is read.
pub(super) fn shown(path: &Path) -> String {
    if is_dash(path) { "the standard input".into() } else { path.display().to_string() }
}

/// Whether a path means a standard stream.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Makes a failure out of the operating system's.
pub(super) fn failed(
    action: &'static str,
    what: &dyn Display,
) -> impl FnOnce(io::Error) -> Failure + use<> {
    let path = what.to_string();
    move |source| Failure::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_source_is_refused() {
        assert_eq!(read_at_most(3, &b"abc"[..]).unwrap(), b"abc");
        let error = read_at_most(3, io::repeat(0)).unwrap_err().to_string();
        assert!(error.contains("more than 3 bytes"), "{error}");
    }
}
