//! Time, limits, and who one is.

use super::{Args, Result, Sys, input};
use crate::host::kernel::errno::Errno;
use crate::host::kernel::state::MAX_DESCRIPTORS;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const REALTIME: i32 = 0;

/// What `times` counts in.
const TICKS_A_SECOND: u64 = 100;

pub(super) fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Option<Result> {
    let [a, b, c, d, ..] = args;
    Some(match number {
        43 => times(sys, a as u32),
        77 => zeros(sys, b as u32, 136),
        78 => put_time(sys, a as u32, now(REALTIME, sys), 4, 1000),
        265 => put_time(sys, b as u32, now(a, sys), 4, 1),
        266 => put_time(sys, b as u32, Duration::from_nanos(1), 4, 1),
        403 => put_time(sys, b as u32, now(a, sys), 8, 1),
        406 => put_time(sys, b as u32, Duration::from_nanos(1), 8, 1),
        162 => sleep(sys, a as u32, 4, None),
        267 => sleep(sys, c as u32, 4, (b & 1 != 0).then_some(a)),
        407 => sleep(sys, c as u32, 8, (b & 1 != 0).then_some(a)),
        60 => umask(sys, a),
        122 => names(sys, a as u32),
        340 => limits(sys, b, d as u32),
        191 | 76 => limits(sys, a, 0),
        355 => random(sys, a as u32, b as u32),
        // sched_yield
        158 => {
            std::thread::yield_now();
            Ok(0)
        }
        // One user has all rights: getuid and the like, setuid and the like, getgroups; nice
        199..=206 | 208 | 210 | 213 | 214 | 34 => Ok(0),
        // mprotect, madvise
        125 | 219 => Ok(0),
        _ => return None,
    })
}

fn now(clock: i32, sys: &Sys<'_>) -> Duration {
    match clock {
        REALTIME => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        _ => sys.machine.started.elapsed(),
    }
}

/// Seconds of so many bytes, then nanoseconds by a divisor.
fn put_time(sys: &mut Sys<'_>, at: u32, time: Duration, seconds_bytes: u32, by: u32) -> Result {
    if at != 0 {
        let seconds = time.as_secs().to_le_bytes();
        sys.memory.write(at, &seconds[..seconds_bytes as usize])?;
        sys.memory.set_u32(at + seconds_bytes, time.subsec_nanos() / by)?;
    }
    Ok(0)
}

fn times(sys: &mut Sys<'_>, at: u32) -> Result {
    zeros(sys, at, 16)?;
    let milliseconds = sys.machine.started.elapsed().as_millis() as u64;
    Ok((milliseconds * TICKS_A_SECOND / 1000) as i32 & i32::MAX)
}

fn zeros(sys: &mut Sys<'_>, at: u32, bytes: usize) -> Result {
    if at != 0 {
        sys.memory.bytes_mut(at, bytes)?.fill(0);
    }
    Ok(0)
}

/// Until so long has passed, or a moment of a clock has come.
fn sleep(sys: &Sys<'_>, at: u32, seconds_bytes: u32, clock: Option<i32>) -> Result {
    let time = input::time(sys, at, seconds_bytes)?.ok_or(Errno::FAULT)?;
    let time = match clock {
        Some(clock) => time.saturating_sub(now(clock, sys)),
        None => time,
    };
    sys.machine.wait(sys.pid, input::after(Some(time)), |_| Ok(None::<i32>))?;
    Ok(0)
}

fn umask(sys: &Sys<'_>, mask: i32) -> Result {
    let mut state = sys.state();
    let process = state.process_mut(sys.pid)?;
    Ok(std::mem::replace(&mut process.umask, mask as u32 & 0o777) as i32)
}

fn names(sys: &mut Sys<'_>, at: u32) -> Result {
    zeros(sys, at, 6 * 65)?;
    for (name, at) in ["Linux", "wasm", "1", "1", "wasm32"].into_iter().zip((at..).step_by(65)) {
        sys.memory.write(at, name.as_bytes())?;
    }
    Ok(0)
}

fn limits(sys: &mut Sys<'_>, resource: i32, at: u32) -> Result {
    /// Of open files.
    const NOFILE: i32 = 7;
    let limit = if resource == NOFILE { MAX_DESCRIPTORS as u64 } else { u64::MAX };
    if at != 0 {
        sys.memory.set_u64(at, limit)?;
        sys.memory.set_u64(at + 8, limit)?;
    }
    Ok(0)
}

fn random(sys: &mut Sys<'_>, at: u32, size: u32) -> Result {
    let bytes = sys.memory.bytes_mut(at, size as usize)?;
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes)).map_err(Errno::from)?;
    Ok(size as i32)
}
