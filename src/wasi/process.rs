//! Arguments, environment, clocks, random bytes, and waiting.

use super::descriptors::Descriptor;
use super::guest::{Errno, Guest, Result};
use super::outside::Stream;
use super::{Named, Wasi};

pub(super) const CALLS: &[Named] = &[
    ("args_get", "ii", |wasi, guest, args| put_strings(guest, &wasi.args, args)),
    ("args_sizes_get", "ii", |wasi, guest, args| put_sizes(guest, &wasi.args, args)),
    ("environ_get", "ii", |wasi, guest, args| put_strings(guest, &wasi.env, args)),
    ("environ_sizes_get", "ii", |wasi, guest, args| put_sizes(guest, &wasi.env, args)),
    ("clock_res_get", "ii", |wasi, guest, args| {
        guest.write_u64(args[1], wasi.outside.resolution())
    }),
    ("clock_time_get", "ili", |wasi, guest, args| {
        wasi.outside.tick();
        guest.write_u64(args[2], wasi.outside.clock(args[0])?)
    }),
    ("random_get", "ii", |wasi, guest, args| {
        wasi.outside.random(guest.bytes_mut(args[0], args[1])?)
    }),
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

/// What is waited for, of 48 bytes each: a number to tell it by at 0, the kind at 8, and from 16 on a clock (its timeout at 24,
/// flags at 40) or a descriptor.
const SUBSCRIPTION_BYTES: u64 = 48;
/// What has happened: the same number at 0, an error at 8, and the kind at 10.
const EVENT_BYTES: u64 = 32;
/// The kind of an event that is something to read.
const READ: u8 = 1;

/// Descriptors are always ready, but for the standard input of a program that runs for somebody. If there are none that are, the earliest of
/// the moments is waited for.
fn poll_oneoff(wasi: &mut Wasi, guest: &mut Guest<'_>, args: &[u64]) -> Result {
    let (list, out, count) = (args[0], args[1], args[2]);
    let (mut ready, mut inputs) = (Vec::new(), Vec::new());
    let mut earliest: Option<(u64, u64)> = None;
    for at in (0..count).map(|i| list + SUBSCRIPTION_BYTES * i) {
        let (number, kind) = (guest.read_u64(at)?, guest.read_u8(at + 8)?);
        if kind != 0 {
            let fd = guest.read_u32(at + 16)?.into();
            let is_input = matches!(wasi.descriptor(fd), Ok(Descriptor::Stream(Stream::Input)));
            let list = if is_input && kind == READ { &mut inputs } else { &mut ready };
            list.push((number, kind));
            continue;
        }
        let (id, timeout) = (guest.read_u32(at + 16)?, guest.read_u64(at + 24)?);
        let is_absolute = guest.read_u16(at + 40)? & 1 != 0;
        let passed = if is_absolute { wasi.outside.clock(id.into())? } else { 0 };
        let wait = timeout.saturating_sub(passed);
        if earliest.is_none_or(|(least, _)| wait < least) {
            earliest = Some((wait, number));
        }
    }
    if ready.is_empty() && inputs.is_empty() && earliest.is_none() {
        return Err(Errno::INVAL);
    }
    if ready.is_empty() || !inputs.is_empty() {
        let time = if ready.is_empty() { earliest.map(|(wait, _)| wait) } else { Some(0) };
        if wasi.outside.wait(time, !inputs.is_empty()) {
            ready.append(&mut inputs);
        } else if let (true, Some((_, number))) = (ready.is_empty(), earliest) {
            ready.push((number, 0));
        }
    }
    for ((number, kind), at) in ready.iter().zip((0..).map(|i| out + EVENT_BYTES * i)) {
        guest.write(at, &[0; EVENT_BYTES as usize])?;
        guest.write_u64(at, *number)?;
        guest.write(at + 10, &[*kind])?;
    }
    guest.write_u32(args[3], ready.len())
}
