//! Reading, writing, and waiting until that can be done.

use super::{Args, Result, Sys};
use crate::host::kernel::errno::Errno;
use crate::host::kernel::open_file::{Kind, OpenFile, POLLERR, POLLHUP, POLLIN, POLLNVAL};
use crate::host::kernel::signals::SIGPIPE;
use crate::host::kernel::state::State;
use crate::host::kernel::stop::Stop;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const O_NONBLOCK: i32 = 0o4000;

pub(super) fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Option<Result> {
    let [fd, at, count, d, e, _] = args;
    let one = |len: i32| vec![(at as u32, len as u32)];
    Some(match number {
        3 => read(sys, fd, &one(count)),
        4 => write(sys, fd, &one(count)),
        145 => vectors(sys, at, count).and_then(|vectors| read(sys, fd, &vectors)),
        146 => vectors(sys, at, count).and_then(|vectors| write(sys, fd, &vectors)),
        140 => seek(sys, fd, at, count, d as u32, e),
        168 => poll(sys, fd as u32, at as u32, (count >= 0).then(|| milliseconds(count))),
        309 => time(sys, count as u32, 4).and_then(|time| poll(sys, fd as u32, at as u32, time)),
        414 => time(sys, count as u32, 8).and_then(|time| poll(sys, fd as u32, at as u32, time)),
        _ => return None,
    })
}

fn milliseconds(count: i32) -> Duration {
    Duration::from_millis(u64::from(count.unsigned_abs()))
}

/// The struct timespec at `at`, with seconds of so many bytes; `None` if there is none.
pub(super) fn time(sys: &Sys<'_>, at: u32, seconds_bytes: u32) -> Result<Option<Duration>> {
    if at == 0 {
        return Ok(None);
    }
    let seconds = match seconds_bytes {
        8 => sys.memory.i64(at)?,
        _ => i64::from(sys.memory.i32(at)?),
    };
    let nanoseconds = sys.memory.i32(at + seconds_bytes)?;
    let (Ok(seconds), 0..1_000_000_000) = (u64::try_from(seconds), nanoseconds) else {
        return Err(Errno::INVAL.into());
    };
    Ok(Some(Duration::new(seconds, nanoseconds as u32)))
}

/// The moment after so long; `None` for one that never comes.
pub(super) fn after(time: Option<Duration>) -> Option<Instant> {
    time.and_then(|time| Instant::now().checked_add(time))
}

fn vectors(sys: &Sys<'_>, at: i32, count: i32) -> Result<Vec<(u32, u32)>> {
    Ok(sys.memory.vectors(at as u32, count as u32)?)
}

fn read(sys: &mut Sys<'_>, fd: i32, vectors: &[(u32, u32)]) -> Result {
    let file = sys.file(fd)?;
    let max = vectors.iter().map(|(_, len)| *len as usize).sum();
    let bytes = read_bytes(sys, &file, max)?;
    let mut rest = &bytes[..];
    for (at, len) in vectors {
        let (now, later) = rest.split_at(rest.len().min(*len as usize));
        sys.memory.write(*at, now)?;
        rest = later;
    }
    Ok(bytes.len() as i32)
}

fn read_bytes(sys: &Sys<'_>, file: &Arc<OpenFile>, max: usize) -> Result<Vec<u8>> {
    if !file.may_wait() {
        return Ok(file.read(max)?.unwrap_or_default());
    }
    let read = sys.machine.wait(sys.pid, None, |_| {
        let bytes = file.read(max)?;
        if bytes.is_none() {
            would_wait(sys, file)?;
        }
        Ok(bytes)
    })?;
    // Who writes to a pipe may have waited for room.
    sys.machine.wake();
    Ok(read.unwrap_or_default())
}

/// Before a process waits for a file.
fn would_wait(sys: &Sys<'_>, file: &Arc<OpenFile>) -> Result<()> {
    if file.flags() & O_NONBLOCK != 0 {
        return Err(Errno::AGAIN.into());
    }
    watch(sys, file);
    Ok(())
}

/// Has somebody look at a stream of the host, if it is one.
fn watch(sys: &Sys<'_>, file: &Arc<OpenFile>) {
    let is_stream = matches!(file.kind, Kind::Stream(_));
    if is_stream && !file.is_watched.swap(true, Ordering::Relaxed) {
        sys.machine.watch(file);
    }
}

/// Gathers first, so that a write to a pipe is one write.
fn write(sys: &mut Sys<'_>, fd: i32, vectors: &[(u32, u32)]) -> Result {
    let file = sys.file(fd)?;
    let mut bytes = Vec::new();
    for (at, len) in vectors {
        bytes.extend_from_slice(sys.memory.bytes(*at, *len as usize)?);
    }
    let mut done = 0;
    let written = if matches!(file.kind, Kind::Writer(_)) {
        write_pipe(sys, &file, &bytes, &mut done)
    } else {
        file.write(&bytes).map(|count| done = count.unwrap_or(0)).map_err(Stop::from)
    };
    match written {
        Ok(()) => Ok(done as i32),
        Err(Stop::Error(Errno::PIPE)) => {
            let mut state = sys.state();
            sys.machine.raise(&mut state, sys.pid, SIGPIPE);
            drop(state);
            sys.leave_if_killed()?;
            Err(Errno::PIPE.into())
        }
        Err(Stop::Error(_)) if done > 0 => Ok(done as i32),
        Err(stop) => Err(stop),
    }
}

fn write_pipe(sys: &Sys<'_>, file: &OpenFile, bytes: &[u8], done: &mut usize) -> Result<()> {
    let waits = file.flags() & O_NONBLOCK == 0;
    sys.machine.wait(sys.pid, None, |_: &mut State| {
        while let Some(count) = file.write(&bytes[*done..])? {
            *done += count;
            sys.machine.wake();
            if *done == bytes.len() {
                return Ok(Some(()));
            }
        }
        if waits { Ok(None) } else { Err(Errno::AGAIN.into()) }
    })?;
    Ok(())
}

fn seek(sys: &mut Sys<'_>, fd: i32, high: i32, low: i32, result_at: u32, whence: i32) -> Result {
    let file = sys.file(fd)?;
    let offset = i64::from(high) << 32 | i64::from(low as u32);
    let position = file.seek(offset, whence)?;
    sys.memory.set_u64(result_at, position)?;
    Ok(0)
}

/// struct pollfd is { int fd; short events, revents; }.
fn poll(sys: &mut Sys<'_>, at: u32, count: u32, time: Option<Duration>) -> Result {
    if count > 1024 {
        return Err(Errno::INVAL.into());
    }
    let mut wanted = Vec::new();
    for index in 0..count {
        let entry = at + 8 * index;
        wanted.push((sys.memory.i32(entry)?, sys.memory.u16(entry + 4)? as i16));
    }
    let machine = sys.machine.clone();
    let ready = machine.wait(sys.pid, after(time), |state| {
        let process = state.process(sys.pid)?;
        let mut events = Vec::new();
        for (fd, wanted) in &wanted {
            events.push(match process.file(*fd) {
                _ if *fd < 0 => 0,
                Ok(file) => file.poll() & (wanted | POLLERR | POLLHUP),
                Err(_) => POLLNVAL,
            });
        }
        if events.iter().any(|event| *event != 0) {
            return Ok(Some(events));
        }
        for (fd, wanted) in &wanted {
            if let (Ok(file), true) = (process.file(*fd), wanted & POLLIN != 0) {
                watch(sys, file);
            }
        }
        Ok(None)
    })?;
    let events = ready.unwrap_or_else(|| vec![0; wanted.len()]);
    for (event, entry) in events.iter().zip((at..).step_by(8)) {
        sys.memory.write(entry + 6, &event.to_le_bytes())?;
    }
    Ok(events.iter().filter(|event| **event != 0).count() as i32)
}
