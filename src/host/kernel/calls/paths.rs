//! Files and directories, by their paths.

use super::{AT_FDCWD, Args, Result, Sys, input};
use crate::host::kernel::console::Stream;
use crate::host::kernel::errno::Errno;
use crate::host::kernel::mounts::{Entry, O_APPEND, S_IFDIR, S_IFMT, Stat};
use crate::host::kernel::open_file::{Device, Kind, OpenFile};
use std::fs::FileTimes;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const AT_SYMLINK_NOFOLLOW: i32 = 0x100;
const AT_REMOVEDIR: i32 = 0x200;
const AT_EMPTY_PATH: i32 = 0x1000;
const O_CLOEXEC: i32 = 0o2_000_000;
const O_ACCMODE: i32 = 3;

pub(super) fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Option<Result> {
    let [a, b, c, d, e, _] = args;
    let done = |result: Result<()>| result.map(|()| 0);
    Some(match number {
        5 => open(sys, AT_FDCWD, a, b, c),
        295 => open(sys, a, b, c, d),
        33 => access(sys, AT_FDCWD, a),
        307 | 439 => access(sys, a, b),
        10 => done(remove(sys, AT_FDCWD, a, false)),
        40 => done(remove(sys, AT_FDCWD, a, true)),
        301 => done(remove(sys, a, b, c & AT_REMOVEDIR != 0)),
        39 => done(make_folder(sys, AT_FDCWD, a, b)),
        296 => done(make_folder(sys, a, b, c)),
        38 => done(rename(sys, (AT_FDCWD, a), (AT_FDCWD, b))),
        302 | 353 => done(rename(sys, (a, b), (c, d))),
        9 => done(link(sys, (AT_FDCWD, a), (AT_FDCWD, b))),
        303 => done(link(sys, (a, b), (c, d))),
        83 => done(make_link(sys, a, AT_FDCWD, b)),
        304 => done(make_link(sys, a, b, c)),
        85 => read_link(sys, AT_FDCWD, a, b, c),
        305 => read_link(sys, a, b, c, d),
        15 => done(set_mode(sys, AT_FDCWD, a, b)),
        306 => done(set_mode(sys, a, b, c)),
        320 => done(set_times(sys, a, b, c as u32, 4)),
        412 => done(set_times(sys, a, b, c as u32, 8)),
        193 => done(truncate(sys, a, b, c)),
        383 => stat_at(sys, a, b, c, e as u32),
        220 => entries(sys, a, b as u32, c as u32),
        12 => done(enter(sys, AT_FDCWD, a)),
        133 => enter_open(sys, a),
        183 => current(sys, a as u32, b as u32),
        // There is one user, who owns everything.
        198 | 207 | 212 | 298 => Ok(0),
        _ => return None,
    })
}

fn open(sys: &mut Sys<'_>, fd: i32, path: i32, flags: i32, mode: i32) -> Result {
    let path = sys.path(fd, path)?;
    let umask = sys.state().process(sys.pid)?.umask;
    let mode = mode as u32 & 0o777 & !umask;
    let mut kind = sys.machine.mounts.open(&path, flags, mode)?;
    if let Kind::Device(Device::Terminal) = kind {
        kind = Kind::Stream(Stream::terminal().ok_or(Errno::NXIO)?);
    }
    let file = OpenFile::new(kind, flags & (O_ACCMODE | O_APPEND | 0o4000));
    let mut state = sys.state();
    Ok(state.process_mut(sys.pid)?.add(file, flags & O_CLOEXEC != 0, 0)?)
}

fn access(sys: &Sys<'_>, fd: i32, path: i32) -> Result {
    let path = sys.path(fd, path)?;
    sys.machine.mounts.stat(&path, true)?;
    Ok(0)
}

fn remove(sys: &Sys<'_>, fd: i32, path: i32, is_folder: bool) -> Result<()> {
    let path = sys.path(fd, path)?;
    Ok(sys.machine.mounts.remove(&path, is_folder)?)
}

fn make_folder(sys: &Sys<'_>, fd: i32, path: i32, mode: i32) -> Result<()> {
    let path = sys.path(fd, path)?;
    let umask = sys.state().process(sys.pid)?.umask;
    sys.machine.mounts.make_folder(&path)?;
    Ok(sys.machine.mounts.set_mode(&path, mode as u32 & !umask)?)
}

fn rename(sys: &Sys<'_>, from: (i32, i32), to: (i32, i32)) -> Result<()> {
    let (from, to) = (sys.path(from.0, from.1)?, sys.path(to.0, to.1)?);
    Ok(sys.machine.mounts.rename(&from, &to)?)
}

fn link(sys: &Sys<'_>, from: (i32, i32), to: (i32, i32)) -> Result<()> {
    let (from, to) = (sys.path(from.0, from.1)?, sys.path(to.0, to.1)?);
    Ok(sys.machine.mounts.link(&from, &to)?)
}

fn make_link(sys: &Sys<'_>, target: i32, fd: i32, path: i32) -> Result<()> {
    let (target, path) = (sys.memory.path(target as u32)?, sys.path(fd, path)?);
    Ok(sys.machine.mounts.make_link(&target, &path)?)
}

fn read_link(sys: &mut Sys<'_>, fd: i32, path: i32, at: i32, size: i32) -> Result {
    let path = sys.path(fd, path)?;
    let target = sys.machine.mounts.read_link(&path)?;
    let fits = target.len().min(size as u32 as usize);
    sys.memory.write(at as u32, &target.as_bytes()[..fits])?;
    Ok(fits as i32)
}

fn set_mode(sys: &Sys<'_>, fd: i32, path: i32, mode: i32) -> Result<()> {
    let path = sys.path(fd, path)?;
    Ok(sys.machine.mounts.set_mode(&path, mode as u32)?)
}

/// Two structs timespec at `at`, read and written; this moment if there are none.
fn set_times(sys: &Sys<'_>, fd: i32, path: i32, at: u32, seconds_bytes: u32) -> Result<()> {
    /// In place of nanoseconds: now, or not at all.
    const NOW: i32 = (1 << 30) - 1;
    const OMIT: i32 = (1 << 30) - 2;
    let path = if path == 0 { folder_of(sys, fd)? } else { sys.path(fd, path)? };
    let size = 2 * seconds_bytes;
    let one = |at: u32| -> Result<Option<SystemTime>> {
        match sys.memory.i32(at + seconds_bytes)? {
            NOW => Ok(Some(SystemTime::now())),
            OMIT => Ok(None),
            _ => {
                let time = input::time(sys, at, seconds_bytes)?.unwrap_or(Duration::ZERO);
                Ok(UNIX_EPOCH.checked_add(time))
            }
        }
    };
    let now = Some(SystemTime::now());
    let (read, written) = if at == 0 { (now, now) } else { (one(at)?, one(at + size)?) };
    let mut times = FileTimes::new();
    times = read.map_or(times, |time| times.set_accessed(time));
    times = written.map_or(times, |time| times.set_modified(time));
    Ok(sys.machine.mounts.set_times(&path, times)?)
}

fn truncate(sys: &Sys<'_>, path: i32, low: i32, high: i32) -> Result<()> {
    let path = sys.path(AT_FDCWD, path)?;
    let size = u64::from(high as u32) << 32 | u64::from(low as u32);
    Ok(sys.machine.mounts.truncate(&path, size)?)
}

fn stat_at(sys: &mut Sys<'_>, fd: i32, path: i32, flags: i32, at: u32) -> Result {
    let text = sys.memory.path(path as u32)?;
    let stat = if text.is_empty() {
        if flags & AT_EMPTY_PATH == 0 {
            return Err(Errno::NOENT.into());
        }
        let file = sys.file(fd)?;
        match &file.kind {
            Kind::Folder(folder) => sys.machine.mounts.stat(&folder.path, true)?,
            _ => file.stat()?,
        }
    } else {
        let path = sys.resolved(fd, &text)?;
        sys.machine.mounts.stat(&path, flags & AT_SYMLINK_NOFOLLOW == 0)?
    };
    put_stat(sys, &stat, at)
}

/// Fills in struct statx.
fn put_stat(sys: &mut Sys<'_>, stat: &Stat, at: u32) -> Result {
    let memory = &mut sys.memory;
    memory.bytes_mut(at, 256)?.fill(0);
    memory.set_u32(at, 0x7ff)?; // the basic fields are there
    memory.set_u32(at + 4, 4096)?; // block size
    memory.set_u32(at + 16, stat.links)?;
    memory.write(at + 28, &(stat.mode as u16).to_le_bytes())?;
    memory.set_u64(at + 32, stat.ino)?;
    memory.set_u64(at + 40, stat.size)?;
    memory.set_u64(at + 48, stat.size.div_ceil(512))?;
    for ((seconds, nanoseconds), field) in stat.times.into_iter().zip([64, 96, 112]) {
        memory.set_u64(at + field, seconds as u64)?;
        memory.set_u32(at + field + 8, nanoseconds)?;
    }
    memory.set_u32(at + 136, 1)?; // device
    Ok(0)
}

/// struct linux_dirent64 is ino, offset, record length, type, name; records are aligned to 8.
fn entries(sys: &mut Sys<'_>, fd: i32, at: u32, size: u32) -> Result {
    let file = sys.file(fd)?;
    let Kind::Folder(folder) = &file.kind else { return Err(Errno::NOTDIR.into()) };
    let mut listed = folder.listed.lock().unwrap_or_else(PoisonError::into_inner);
    if listed.is_none() {
        *listed = Some((sys.machine.mounts.list(&folder.path)?, 0));
    }
    let Some((entries, next)) = listed.as_mut() else { return Ok(0) };
    let mut end = at;
    while let Some(Entry { name, ino, kind }) = entries.get(*next) {
        let length = (19 + name.len() as u32 + 1).next_multiple_of(8);
        if end + length > at.saturating_add(size) {
            break;
        }
        sys.memory.bytes_mut(end, length as usize)?.fill(0);
        sys.memory.set_u64(end, *ino)?;
        sys.memory.set_u64(end + 8, *next as u64 + 1)?;
        sys.memory.write(end + 16, &(length as u16).to_le_bytes())?;
        sys.memory.write(end + 18, &[*kind])?;
        sys.memory.write(end + 19, name.as_bytes())?;
        end += length;
        *next += 1;
    }
    if end == at && *next < entries.len() {
        return Err(Errno::INVAL.into());
    }
    Ok((end - at) as i32)
}

fn enter(sys: &Sys<'_>, fd: i32, path: i32) -> Result<()> {
    let path = sys.path(fd, path)?;
    enter_path(sys, path)
}

fn enter_path(sys: &Sys<'_>, path: String) -> Result<()> {
    if sys.machine.mounts.stat(&path, true)?.mode & S_IFMT != S_IFDIR {
        return Err(Errno::NOTDIR.into());
    }
    sys.state().process_mut(sys.pid)?.directory = path;
    Ok(())
}

fn folder_of(sys: &Sys<'_>, fd: i32) -> Result<String> {
    match &sys.file(fd)?.kind {
        Kind::Folder(folder) => Ok(folder.path.clone()),
        _ => Err(Errno::NOTDIR.into()),
    }
}

fn enter_open(sys: &Sys<'_>, fd: i32) -> Result {
    let path = folder_of(sys, fd)?;
    enter_path(sys, path).map(|()| 0)
}

fn current(sys: &mut Sys<'_>, at: u32, size: u32) -> Result {
    let mut path = sys.state().process(sys.pid)?.directory.clone().into_bytes();
    path.push(0);
    if path.len() > size as usize {
        return Err(Errno::RANGE.into());
    }
    sys.memory.write(at, &path)?;
    Ok(path.len() as i32)
}
