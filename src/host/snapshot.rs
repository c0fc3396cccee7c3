//! A program as bytes: what a fresh instance needs to go on where it waits.
//!
//! After the magic text come the module's fingerprint, the export and the entry with their arguments, the buffer, and each memory: its
//! name, its size, and those of its blocks that are not all zeros. If the module has tables that keep references, their number follows, and of
//! each how many slots it has, which was taken last, and which hold what functions. Numbers are little-endian, of 64 bits.

use super::carried::{Carried, Kept};
use super::guest::grow;
use super::stack::{Away, Buffer, Invoke};
use super::{Call, Guest, Host};
use std::sync::Arc;
use wasmtime::{Result, Val, format_err};

const MAGIC: &[u8] = b"wasm-fork snapshot 1\n";

/// The parts of a memory that are left out if they are zero.
const BLOCK_BYTES: usize = 4096;

pub(super) fn snapshot<T: 'static>(guest: &mut Guest<T>) -> Result<Vec<u8>> {
    let (Away { call, invoke, .. }, buffer) = guest.waiting()?;
    let Carried(tables) = Carried::of(guest.instance(), guest.store())?;
    let mut out = Writer(MAGIC.to_vec());
    out.0.extend_from_slice(&guest.host().shape.fingerprint);
    out.named(&invoke.export, &invoke.args)?;
    out.named(&call.entry, &call.args)?;
    out.number(buffer.start);
    out.number(buffer.room);
    let memories = guest.memories();
    out.number(memories.len() as u64);
    for (name, memory) in memories {
        out.bytes(name.as_bytes());
        let bytes = memory.data(guest.store());
        out.number(bytes.len() as u64);
        let blocks = bytes.chunks(BLOCK_BYTES).enumerate();
        let blocks: Vec<_> =
            blocks.filter(|(_, block)| block.iter().any(|byte| *byte != 0)).collect();
        out.number(blocks.len() as u64);
        for (index, block) in blocks {
            out.number((index * BLOCK_BYTES) as u64);
            out.bytes(block);
        }
    }
    if !tables.is_empty() {
        out.number(tables.len() as u64);
    }
    for Kept { slots, last, functions } in tables {
        out.number(slots);
        out.number(u64::from(last));
        out.number(functions.len() as u64);
        for (slot, function) in functions {
            out.number(slot);
            out.number(function);
        }
    }
    Ok(out.0)
}

/// What [`snapshot`] wrote of tables that keep references, which is all that is left.
fn tables(rest: &mut Reader<'_>) -> Result<Carried> {
    let count = if rest.0.is_empty() { 0 } else { rest.number()? };
    let tables = (0..count).map(|_| {
        let (slots, last, count) = (rest.number()?, rest.number()?, rest.number()?);
        let last = u32::try_from(last).map_err(|_| damaged())?;
        let functions = (0..count).map(|_| Ok((rest.number()?, rest.number()?)));
        let functions: Vec<_> = functions.collect::<Result<_>>()?;
        if functions.iter().any(|(slot, _)| *slot >= slots) {
            return Err(damaged());
        }
        Ok(Kept { slots, last, functions })
    });
    tables.collect::<Result<_>>().map(Carried)
}

pub(super) fn restore<T: 'static>(
    host: &Arc<Host<T>>,
    snapshot: &[u8],
    data: T,
) -> Result<Guest<T>> {
    host.shape.may_be_copied()?;
    let mut rest = Reader(snapshot);
    if rest.take(MAGIC.len())? != MAGIC {
        return Err(format_err!("this is no snapshot"));
    }
    if rest.take(32)? != host.shape.fingerprint {
        return Err(format_err!("the snapshot is of another module, or another build of it"));
    }
    let (export, args) = rest.named()?;
    let (entry, entry_args) = rest.named()?;
    let buffer = Buffer { start: rest.number()?, room: rest.number()? };
    let away = Away {
        call: Call { entry, args: entry_args },
        invoke: Invoke { export, args },
        is_copy: true,
    };
    let mut guest = host.start(data)?;
    let memories = guest.memories();
    if rest.number()? != memories.len() as u64 {
        return Err(damaged());
    }
    for (name, memory) in memories {
        if rest.bytes()? != name.as_bytes() {
            return Err(damaged());
        }
        let size = usize::try_from(rest.number()?)?;
        grow(guest.store(), memory, size)?;
        let target = memory.data_mut(guest.store());
        target.fill(0);
        for _ in 0..rest.number()? {
            let start = usize::try_from(rest.number()?)?;
            let block = rest.bytes()?;
            let end = start.checked_add(block.len());
            let place = end.and_then(|end| target.get_mut(start..end)).ok_or_else(damaged)?;
            place.copy_from_slice(block);
        }
    }
    let (carried, instance) = (tables(&mut rest)?, guest.instance());
    carried.put(instance, guest.store()).map_err(|_| damaged())?;
    let size = guest.frames_bytes().unwrap_or(0);
    let end = buffer.start.checked_add(buffer.room);
    if !rest.0.is_empty() || end.is_none_or(|end| end > size) {
        return Err(damaged());
    }
    guest.wait_at(away, buffer);
    Ok(guest)
}

fn damaged() -> wasmtime::Error {
    format_err!("the snapshot is damaged")
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn named(&mut self, name: &str, values: &[Val]) -> Result<()> {
        self.bytes(name.as_bytes());
        self.number(values.len() as u64);
        for value in values {
            let (kind, bits) = match value {
                Val::I32(value) => (0, u128::from(*value as u32)),
                Val::I64(value) => (1, u128::from(*value as u64)),
                Val::F32(bits) => (2, u128::from(*bits)),
                Val::F64(bits) => (3, u128::from(*bits)),
                Val::V128(value) => (4, value.as_u128()),
                _ => {
                    return Err(format_err!(
                        "{name} was called with a reference, which no snapshot has"
                    ));
                }
            };
            self.number(kind);
            self.0.extend_from_slice(&bits.to_le_bytes());
        }
        Ok(())
    }
}

struct Reader<'s>(&'s [u8]);

impl<'s> Reader<'s> {
    fn take(&mut self, count: usize) -> Result<&'s [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into()?))
    }

    fn bytes(&mut self) -> Result<&'s [u8]> {
        let count = usize::try_from(self.number()?)?;
        self.take(count)
    }

    fn named(&mut self) -> Result<(String, Vec<Val>)> {
        let name = String::from_utf8(self.bytes()?.to_vec())?;
        let count = self.number()?;
        let values = (0..count).map(|_| {
            let kind = self.number()?;
            let bits = u128::from_le_bytes(self.take(16)?.try_into()?);
            Ok(match kind {
                0 => Val::I32(bits as i32),
                1 => Val::I64(bits as i64),
                2 => Val::F32(bits as u32),
                3 => Val::F64(bits as u64),
                4 => Val::V128(bits.into()),
                _ => return Err(damaged()),
            })
        });
        let values = values.collect::<Result<_>>()?;
        Ok((name, values))
    }
}
