//! What programs can do to files, wherever these are: in memory, or on the machine.

use super::files::{Files, Node};
use super::guest::Result;
#[cfg(all(feature = "run", unix))]
use super::real::Real;

/// Kinds of files, as WASI counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    #[cfg_attr(not(all(feature = "run", unix)), expect(dead_code))]
    Unknown = 0,
    CharacterDevice = 2,
    Directory = 3,
    File = 4,
    Link = 7,
}

/// What is to be known of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) ino: u64,
    pub(super) ty: FileType,
    pub(super) links: u64,
    pub(super) size: u64,
    /// When it was read, written and changed last, in nanoseconds since 1970.
    pub(super) times: [u64; 3],
}

impl Stat {
    pub(super) fn of_stream(ty: FileType) -> Stat {
        Stat { ino: 0, ty, links: 1, size: 0, times: [0; 3] }
    }

    /// Number at 8, kind at 16, links at 24, size at 32, times at 40, 48 and 56.
    pub(super) fn bytes(&self) -> [u8; 64] {
        let mut stat = [0; 64];
        stat[16] = self.ty as u8;
        let [accessed, modified, changed] = self.times;
        let fields = [(8, self.ino), (24, self.links), (32, self.size), (40, accessed)];
        for (at, value) in fields.into_iter().chain([(48, modified), (56, changed)]) {
            stat[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        stat
    }
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) ino: u64,
    pub(super) ty: FileType,
}

/// Where a path leads from an open directory, which it can't leave upwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    pub(super) from: Node,
    pub(super) path: &'p str,
    /// Whether a link at its end is followed.
    pub(super) follows: bool,
}

/// What a path is opened for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) create: bool,
    pub(super) directory: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    #[cfg_attr(not(all(feature = "run", unix)), expect(dead_code))]
    pub(super) reads: bool,
    #[cfg_attr(not(all(feature = "run", unix)), expect(dead_code))]
    pub(super) writes: bool,
}

/// Files and directories. Those that are open are nodes; `now` is what a change is dated with.
pub(super) trait Tree {
    fn stat(&self, node: Node) -> Result<Stat>;
    fn set_times(&mut self, node: Node, accessed: Option<u64>, modified: Option<u64>) -> Result;
    /// All names but `.` and `..`.
    fn list(&self, directory: Node) -> Result<Vec<Name>>;
    fn read(&mut self, node: Node, at: u64, max: usize) -> Result<Vec<u8>>;
    fn write(&mut self, node: Node, at: u64, bytes: &[u8], now: u64) -> Result;
    fn resize(&mut self, node: Node, size: u64, now: u64) -> Result;
    /// No descriptor has it any more.
    fn close(&mut self, node: Node);

    fn open(&mut self, place: &Place<'_>, how: Opening, now: u64) -> Result<Node>;
    fn stat_at(&self, place: &Place<'_>) -> Result<Stat>;
    fn set_times_at(
        &mut self,
        place: &Place<'_>,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> Result;
    fn make_directory(&mut self, place: &Place<'_>, now: u64) -> Result;
    fn make_link(&mut self, place: &Place<'_>, target: String, now: u64) -> Result;
    fn read_link(&self, place: &Place<'_>) -> Result<String>;
    /// Another name for what is there.
    fn link(&mut self, old: &Place<'_>, new: &Place<'_>, now: u64) -> Result;
    /// Takes a name away: a directory's if `is_directory`, which must be empty, and else any other's.
    fn remove(&mut self, place: &Place<'_>, is_directory: bool, now: u64) -> Result;
    fn rename(&mut self, old: &Place<'_>, new: &Place<'_>, now: u64) -> Result;
}

/// The files of one program.
#[derive(Clone, Debug)]
pub(super) enum Trees {
    Memory(Files),
    #[cfg(all(feature = "run", unix))]
    Real(Real),
}

impl Trees {
    pub(super) fn get(&mut self) -> &mut dyn Tree {
        match self {
            Trees::Memory(files) => files,
            #[cfg(all(feature = "run", unix))]
            Trees::Real(files) => files,
        }
    }

    pub(super) fn in_memory(&self) -> Option<&Files> {
        match self {
            Trees::Memory(files) => Some(files),
            #[cfg(all(feature = "run", unix))]
            Trees::Real(_) => None,
        }
    }

    /// Those in memory, if that is where they are.
    pub(super) fn memory(&mut self) -> Option<&mut Files> {
        match self {
            Trees::Memory(files) => Some(files),
            #[cfg(all(feature = "run", unix))]
            Trees::Real(_) => None,
        }
    }
}
