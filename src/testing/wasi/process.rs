//! Arguments, environment, clocks, random bytes, and waiting.

use super::guest::{Errno, Guest, Result};
use super::{Named, Wasi};

/// When every run begins: 2000-01-01, in nanoseconds since 1970.
pub(super) const FIRST_MOMENT: u64 = 946_684_800_000_000_000;

/// How far a look at a clock moves it on, in nanoseconds.
const TICK: u64 = 1_000_000;

/// Where random bytes begin. Anything but zero will do.
pub(super) const SEED: u64 = 0x2545_f491_4f6c_dd1d;

pub(super) const CALLS: &[Named] = &[
    ("args_get", "ii", |wasi, guest, args| put_strings(guest, &wasi.args, args)),
    ("args_sizes_get", "ii", |wasi, guest, args| put_sizes(guest, &wasi.args, args)),
    ("environ_get", "ii", |wasi, guest, args| put_strings(guest, &wasi.env, args)),
    ("environ_sizes_get", "ii", |wasi, guest, args| put_sizes(guest, &wasi.env, args)),
    ("clock_res_get", "ii", |_, guest, args| guest.write_u64(args[1], TICK)),
    ("clock_time_get", "ili", |wasi, guest, args| {
        wasi.now += TICK;
        guest.write_u64(args[2], clock(wasi, args[0])?)
    }),
    ("random_get", "ii", random_get),
    ("poll_oneoff", "iiii", poll_oneoff),
    ("sched_yield", "", |_, _, _| Ok(())),
    ("proc_raise", "i", |_, _, _| Err(Errno::NOTSUP)),
];

fn put_strings(guest: &mut Guest<'_>, strings: &[String], args: &[u64]) -> Result {
    let (mut pointer, mut at) = (args[0], args[1]);
    for string in strings {
        guest.write_u32(pointer, usize::try_from(at).map_err(|_| Errno::FAULT)?)?;
        guest.write(at, string.as_bytes())?;
        guest.write(at + string.len() as u64, &[0])?;
        pointer += 4;
        at += string.len() as u64 + 1;
    }
    Ok(())
}

fn put_sizes(guest: &mut Guest<'_>, strings: &[String], args: &[u64]) -> Result {
    guest.write_u32(args[0], strings.len())?;
    guest.write_u32(args[1], strings.iter().map(|string| string.len() + 1).sum())
}

/// What a clock shows: the time, or how long the run has taken.
fn clock(wasi: &Wasi, id: u64) -> Result<u64> {
    match id {
        0 => Ok(wasi.now),
        1..=3 => Ok(wasi.now - FIRST_MOMENT),
        _ => Err(Errno::INVAL),
    }
}

/// A xorshift generator: <https://www.jstatsoft.org/article/view/v008i14>.
fn random_get(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    for byte in guest.bytes_mut(args[0], args[1])? {
        wasi.random ^= wasi.random << 13;
        wasi.random ^= wasi.random >> 7;
        wasi.random ^= wasi.random << 17;
        *byte = wasi.random.to_le_bytes()[4];
    }
    Ok(())
}

/// What is waited for, of 48 bytes each: a number to tell it by at 0, the kind at 8, and from 16 on a clock (its timeout at 24,
/// flags at 40) or a descriptor.
const SUBSCRIPTION_BYTES: u64 = 48;
/// What has happened: the same number at 0, an error at 8, and the kind at 10.
const EVENT_BYTES: u64 = 32;

/// Descriptors are always ready. If there are none among what is waited for, the earliest of the moments comes at once.
fn poll_oneoff(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let (list, out, count) = (args[0], args[1], args[2]);
    let mut ready = Vec::new();
    let mut earliest: Option<(u64, u64)> = None;
    for at in (0..count).map(|i| list + SUBSCRIPTION_BYTES * i) {
        let (number, kind) = (guest.read_u64(at)?, guest.read_u8(at + 8)?);
        if kind != 0 {
            ready.push((number, kind));
            continue;
        }
        let (id, timeout) = (guest.read_u32(at + 16)?, guest.read_u64(at + 24)?);
        let is_absolute = guest.read_u16(at + 40)? & 1 != 0;
        let passed = if is_absolute { clock(wasi, id.into())? } else { 0 };
        let wait = timeout.saturating_sub(passed);
        if earliest.is_none_or(|(least, _)| wait < least) {
            earliest = Some((wait, number));
        }
    }
    if let (Some((wait, number)), true) = (earliest, ready.is_empty()) {
        wasi.now = wasi.now.saturating_add(wait);
        ready.push((number, 0));
    }
    if ready.is_empty() {
        return Err(Errno::INVAL);
    }
    for ((number, kind), at) in ready.iter().zip((0..).map(|i| out + EVENT_BYTES * i)) {
        guest.write(at, &[0; EVENT_BYTES as usize])?;
        guest.write_u64(at, *number)?;
        guest.write(at + 10, &[*kind])?;
    }
    guest.write_u32(args[3], ready.len())
}
