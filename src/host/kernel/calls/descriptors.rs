//! Descriptors: pipes, copies, flags, and what terminals know.

use super::{Args, Result, Sys};
use crate::host::kernel::console::Stream;
use crate::host::kernel::errno::Errno;
use crate::host::kernel::open_file::{Kind, OpenFile};
use crate::host::kernel::pipe;
use crate::host::kernel::state::{MAX_DESCRIPTORS, Slot};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

const O_CLOEXEC: i32 = 0o2_000_000;
const O_NONBLOCK: i32 = 0o4000;
const O_APPEND: i32 = 0o2000;

pub(super) fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Option<Result> {
    let [a, b, c, ..] = args;
    Some(match number {
        6 => close(sys, a),
        41 => add_copy(sys, a, false, 0),
        63 => copy_to(sys, a, b, 0, true),
        330 => copy_to(sys, a, b, c, false),
        42 => make_pipe(sys, a as u32, 0),
        331 => make_pipe(sys, a as u32, b),
        55 | 221 => control(sys, a, b, c),
        54 => terminal(sys, a, b as u32, c as u32),
        194 => truncate(sys, a, b, c),
        94 => set_mode(sys, a, b),
        118 | 148 => synchronize(sys, a),
        412 if b == 0 => set_times_now(sys, a),
        _ => return None,
    })
}

fn close(sys: &Sys<'_>, fd: i32) -> Result {
    let mut state = sys.state();
    let slot = state.process_mut(sys.pid)?.descriptors.remove(&fd).ok_or(Errno::BADF)?;
    // The last one of a pipe's end, perhaps.
    drop(slot);
    sys.machine.wake();
    Ok(0)
}

fn add_copy(sys: &Sys<'_>, fd: i32, closes_on_exec: bool, from: i32) -> Result {
    if !(0..MAX_DESCRIPTORS).contains(&from) {
        return Err(Errno::INVAL.into());
    }
    let mut state = sys.state();
    let process = state.process_mut(sys.pid)?;
    let file = process.file(fd)?.clone();
    Ok(process.add(file, closes_on_exec, from)?)
}

fn copy_to(sys: &Sys<'_>, from: i32, to: i32, flags: i32, may_be_same: bool) -> Result {
    let mut state = sys.state();
    let process = state.process_mut(sys.pid)?;
    let file = process.file(from)?.clone();
    if !(0..MAX_DESCRIPTORS).contains(&to) {
        return Err(Errno::BADF.into());
    }
    if from == to {
        return if may_be_same { Ok(to) } else { Err(Errno::INVAL.into()) };
    }
    let slot = Slot { file, closes_on_exec: flags & O_CLOEXEC != 0 };
    drop(process.descriptors.insert(to, slot));
    sys.machine.wake();
    Ok(to)
}

fn make_pipe(sys: &mut Sys<'_>, at: u32, flags: i32) -> Result {
    let (reader, writer) = pipe::pipe();
    let reader = OpenFile::new(Kind::Reader(reader), flags & O_NONBLOCK);
    let writer = OpenFile::new(Kind::Writer(writer), 1 | (flags & O_NONBLOCK));
    let closes_on_exec = flags & O_CLOEXEC != 0;
    let (first, second) = {
        let mut state = sys.state();
        let process = state.process_mut(sys.pid)?;
        let first = process.add(reader, closes_on_exec, 0)?;
        let second = process.add(writer, closes_on_exec, 0);
        if second.is_err() {
            process.descriptors.remove(&first);
        }
        (first, second?)
    };
    sys.memory.set_i32(at, first)?;
    sys.memory.set_i32(at + 4, second)?;
    Ok(0)
}

fn control(sys: &Sys<'_>, fd: i32, command: i32, argument: i32) -> Result {
    let file = sys.file(fd)?;
    let mut state = sys.state();
    let slot = state.process_mut(sys.pid)?.descriptors.get_mut(&fd).ok_or(Errno::BADF)?;
    match command {
        // F_DUPFD and F_DUPFD_CLOEXEC
        0 | 1030 => {
            drop(state);
            add_copy(sys, fd, command != 0, argument)
        }
        // F_GETFD, F_SETFD
        1 => Ok(i32::from(slot.closes_on_exec)),
        2 => {
            slot.closes_on_exec = argument & 1 != 0;
            Ok(0)
        }
        // F_GETFL, F_SETFL
        3 => Ok(file.flags()),
        4 => {
            let changed = O_NONBLOCK | O_APPEND;
            let flags = (file.flags() & !changed) | (argument & changed);
            file.flags.store(flags, Ordering::Relaxed);
            Ok(0)
        }
        // Locks: nobody else is there to be kept out.
        5..=7 | 12..=14 => Ok(0),
        _ => Err(Errno::INVAL.into()),
    }
}

fn terminal(sys: &mut Sys<'_>, fd: i32, request: u32, at: u32) -> Result {
    let file = sys.file(fd)?;
    let Kind::Stream(stream) = &file.kind else { return Err(Errno::NOTTY.into()) };
    if !stream.is_terminal() {
        return Err(Errno::NOTTY.into());
    }
    match request {
        // TCGETS; TCSETS, and after output, and without what was typed
        0x5401 => stream.get_modes(&mut sys.memory, at)?,
        0x5402 | 0x5403 => stream.set_modes(&sys.memory, at, false)?,
        0x5404 => stream.set_modes(&sys.memory, at, true)?,
        // TIOCGPGRP, TIOCSPGRP
        0x540f => {
            let group = sys.state().foreground;
            sys.memory.set_i32(at, group)?;
        }
        0x5410 => {
            let group = sys.memory.i32(at)?;
            sys.state().foreground = group;
        }
        0x5413 => put_size(sys, stream, at)?,
        _ => return Err(Errno::INVAL.into()),
    }
    Ok(0)
}

/// TIOCGWINSZ: rows, columns, and two that nobody has.
fn put_size(sys: &mut Sys<'_>, stream: &Stream, at: u32) -> Result<()> {
    let (rows, columns) = stream.size()?;
    for (value, at) in [rows, columns, 0, 0].into_iter().zip((at..).step_by(2)) {
        sys.memory.write(at, &value.to_le_bytes())?;
    }
    Ok(())
}

fn truncate(sys: &Sys<'_>, fd: i32, low: i32, high: i32) -> Result {
    let size = u64::from(high as u32) << 32 | u64::from(low as u32);
    match &sys.file(fd)?.kind {
        Kind::File(file) => file.set_len(size).map_err(Errno::from)?,
        _ => return Err(Errno::INVAL.into()),
    }
    Ok(0)
}

fn set_mode(sys: &Sys<'_>, fd: i32, mode: i32) -> Result {
    use std::os::unix::fs::PermissionsExt;
    if let Kind::File(file) = &sys.file(fd)?.kind {
        // Only one that may be written to: the others' directory may be there to be read.
        if sys.file(fd)?.flags() & 3 == 0 {
            return Err(Errno::ROFS.into());
        }
        let mode = std::fs::Permissions::from_mode(mode as u32 & 0o777);
        file.set_permissions(mode).map_err(Errno::from)?;
    }
    Ok(0)
}

fn synchronize(sys: &Sys<'_>, fd: i32) -> Result {
    if let Kind::File(file) = &sys.file(fd)?.kind {
        file.sync_all().map_err(Errno::from)?;
    }
    Ok(0)
}

/// futimens.
fn set_times_now(sys: &Sys<'_>, fd: i32) -> Result {
    let open = sys.file(fd)?;
    if let Kind::File(file) = &open.kind {
        if open.flags() & 3 == 0 {
            return Err(Errno::ROFS.into());
        }
        file.set_modified(SystemTime::now()).map_err(Errno::from)?;
    }
    Ok(0)
}
