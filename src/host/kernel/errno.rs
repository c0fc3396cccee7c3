//! Error numbers, as Linux counts them.

use std::io;

/// Why a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

impl Errno {
    pub(super) const PERM: Errno = Errno(1);
    pub(super) const NOENT: Errno = Errno(2);
    pub(super) const SRCH: Errno = Errno(3);
    pub(super) const INTR: Errno = Errno(4);
    pub(super) const IO: Errno = Errno(5);
    pub(super) const NXIO: Errno = Errno(6);
    pub(super) const NOEXEC: Errno = Errno(8);
    pub(super) const BADF: Errno = Errno(9);
    pub(super) const CHILD: Errno = Errno(10);
    pub(super) const AGAIN: Errno = Errno(11);
    pub(super) const ACCES: Errno = Errno(13);
    pub(super) const FAULT: Errno = Errno(14);
    pub(super) const EXIST: Errno = Errno(17);
    pub(super) const XDEV: Errno = Errno(18);
    pub(super) const NOTDIR: Errno = Errno(20);
    pub(super) const ISDIR: Errno = Errno(21);
    pub(super) const INVAL: Errno = Errno(22);
    pub(super) const MFILE: Errno = Errno(24);
    pub(super) const NOTTY: Errno = Errno(25);
    pub(super) const SPIPE: Errno = Errno(29);
    pub(super) const ROFS: Errno = Errno(30);
    pub(super) const PIPE: Errno = Errno(32);
    pub(super) const RANGE: Errno = Errno(34);
    pub(super) const NOSYS: Errno = Errno(38);
    pub(super) const NOTEMPTY: Errno = Errno(39);
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        // Other systems number errors otherwise.
        match error.raw_os_error() {
            Some(number) if cfg!(target_os = "linux") => Errno(number),
            _ => match error.kind() {
                io::ErrorKind::NotFound => Errno::NOENT,
                io::ErrorKind::PermissionDenied => Errno::ACCES,
                io::ErrorKind::AlreadyExists => Errno::EXIST,
                io::ErrorKind::NotADirectory => Errno::NOTDIR,
                io::ErrorKind::IsADirectory => Errno::ISDIR,
                io::ErrorKind::DirectoryNotEmpty => Errno::NOTEMPTY,
                io::ErrorKind::InvalidInput => Errno::INVAL,
                io::ErrorKind::BrokenPipe => Errno::PIPE,
                io::ErrorKind::CrossesDevices => Errno::XDEV,
                io::ErrorKind::Interrupted => Errno::INTR,
                _ => Errno::IO,
            },
        }
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(error: rustix::io::Errno) -> Errno {
        io::Error::from(error).into()
    }
}
