//! The host's side of the `wpk-fork` ABI inside the entry import, and the rules it checks there:
//! the arguments are the same when the entry is called again, rewinding leaves the frames as they
//! were, `pos` comes back, and nothing is written outside the buffer.

use super::interlude;
use super::memory::{CONSUMED, Mem, POISON, Region};
use super::misuse;
use super::program::Invoke;
use super::session::{Abi, Host};
use super::value;
use super::world::Answer;
use std::ops::Range;
use wasmtime::{AsContext, AsContextMut, Caller, Result, Val, ValType, bail, ensure, format_err};

/// The states that `wpk_fork_state` reports.
pub const NORMAL: i32 = 0;
pub const UNWINDING: i32 = 1;
pub const REWINDING: i32 = 2;
pub const NO_ROOM: i32 = 3;

/// At which entry calls the host unwinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    #[default]
    Never,
    At(usize),
    Every,
}

/// What the host says about the size of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// Its true size.
    #[default]
    True,
    /// Zero: no limit known.
    Unknown,
    /// So many bytes, the header included.
    Bytes(usize),
}

/// How the host behaves.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub when: When,
    pub limit: Limit,
    /// Try every call that the state forbids.
    pub misuse: bool,
    /// After the unwind began, move `pos` on by so many bytes: they are the host's.
    pub reserve_bytes: usize,
    /// Rewind by `resume_begin`, which leaves the globals as they are.
    pub resume: bool,
    /// Call the program's interludes: between an unwind and its rewind, and in an original inside the
    /// entry call, which for the program is the same.
    pub interludes: bool,
    /// After a rewind, let go the references that are kept for another.
    pub release: bool,
    /// The program says that no stack is rewound twice: a rewind may mark what it has let go.
    pub rewinds_once: bool,
}

/// An entry call that is unwinding or rewinding.
#[derive(Clone, Debug)]
pub struct Pending {
    pub ordinal: usize,
    name: String,
    /// As text.
    args: String,
    /// Address of the buffer.
    pub buffer: usize,
    /// What `pos` was before the first frame, relative to the buffer.
    pub start_pos: usize,
    /// Everything from the header on, as it was when the rewind began.
    pub frames: Vec<u8>,
}

/// Where the host is in the protocol.
#[derive(Clone, Debug, Default)]
pub enum Phase {
    #[default]
    Normal,
    Unwinding(Pending),
    Rewinding(Pending),
}

/// The host's protocol state, kept in the store.
#[derive(Default)]
pub struct Protocol {
    /// None for an original.
    pub abi: Option<Abi>,
    /// The exports that the policy may ask to call.
    pub interludes: Vec<Invoke>,
    pub memory: Option<Mem>,
    pub region: Region,
    pub policy: Policy,
    pub phase: Phase,
    /// How many times there was no room, or a function that was not prepared.
    pub no_room: usize,
    /// The functions that were not prepared, one for each such time.
    pub unprepared: Vec<u32>,
}

impl Protocol {
    /// The range of the buffer that the module may write, given its address.
    pub fn usable(&self, buffer: usize) -> Range<usize> {
        match self.policy.limit {
            Limit::True => buffer..self.region.buffer().end.max(buffer),
            Limit::Unknown => buffer..self.region.whole.end,
            Limit::Bytes(bytes) => buffer..buffer + bytes,
        }
    }

    /// The memory that frames go to.
    pub fn memory(&self) -> Mem {
        self.memory.clone().expect("the memory is set after instantiation")
    }
}

/// A call of the entry import `name`. Returns its results.
pub fn call(
    caller: &mut Caller<'_, Host>,
    name: &str,
    args: &[Val],
    types: &[ValType],
) -> Result<Vec<Val>> {
    let abi = caller.data().protocol.abi;
    let state = match abi {
        Some(abi) => abi.state(&mut *caller)?,
        None => NORMAL,
    };
    let phase = std::mem::take(&mut caller.data_mut().protocol.phase);
    let args = &value::show_all_in(&*caller, args)?;
    match (phase, state) {
        (Phase::Normal, NORMAL) => first_call(caller, name, args, types),
        (Phase::Rewinding(pending), REWINDING) => {
            check_same_call(&pending, name, args)?;
            end_rewind(caller, &pending)?;
            check_buffer_kept(caller, &pending)?;
            release(caller, &pending)?;
            Ok(answer(caller, pending.ordinal, types))
        }
        (Phase::Unwinding(pending), NO_ROOM) => {
            check_same_call(&pending, name, args)?;
            let unprepared = abi.map(|abi| abi.unprepared(&mut *caller)).transpose()?.flatten();
            end_rewind(caller, &pending)?;
            let host = caller.data_mut();
            host.protocol.no_room += 1;
            host.protocol.unprepared.extend(unprepared);
            host.world.answers.insert(pending.ordinal, Answer::Error);
            Ok(answer(caller, pending.ordinal, types))
        }
        (phase, state) => bail!("the entry {name} is called in state {state} while {phase:?}"),
    }
}

fn first_call(
    caller: &mut Caller<'_, Host>,
    name: &str,
    args: &str,
    types: &[ValType],
) -> Result<Vec<Val>> {
    let world = &mut caller.data_mut().world;
    let ordinal = world.entry_calls;
    world.entry_calls += 1;
    world.log(name, args);
    let protocol = &caller.data().protocol;
    let is_due = match protocol.policy.when {
        When::Never => false,
        When::At(call) => call == ordinal,
        When::Every => true,
    };
    if is_due && protocol.policy.interludes && protocol.abi.is_none() {
        interlude::call_all(&mut *caller, |caller, name| caller.get_export(name))?;
        return Ok(answer(caller, ordinal, types));
    }
    let protocol = &caller.data().protocol;
    if !is_due || protocol.abi.is_none() {
        return Ok(answer(caller, ordinal, types));
    }
    let buffer = protocol.region.buffer().start;
    let mut pending = Pending {
        ordinal,
        name: name.to_owned(),
        args: args.to_owned(),
        buffer,
        start_pos: 0,
        frames: Vec::new(),
    };
    begin_unwind(caller, &mut pending)?;
    caller.data_mut().protocol.phase = Phase::Unwinding(pending);
    Ok(types.iter().map(value::garbage).collect())
}

fn answer(caller: &mut Caller<'_, Host>, ordinal: usize, types: &[ValType]) -> Vec<Val> {
    caller.data_mut().world.answer(ordinal, types)
}

fn begin_unwind(caller: &mut Caller<'_, Host>, pending: &mut Pending) -> Result<()> {
    let protocol = &caller.data().protocol;
    let (memory, policy, region) =
        (protocol.memory(), protocol.policy.clone(), protocol.region.clone());
    let abi = protocol.abi.expect("only an instrumented program unwinds");
    let end = match policy.limit {
        Limit::Unknown => 0,
        _ => protocol.usable(pending.buffer).end,
    };
    memory.write(&mut *caller, region.whole.start, &vec![POISON; region.whole.len()]);
    memory.write_address(&mut *caller, pending.buffer + memory.end_offset(), end);
    if abi.host_sets_pos {
        let first = pending.buffer + memory.header_bytes();
        memory.write_address(&mut *caller, pending.buffer, first);
    }
    if policy.misuse {
        misuse::in_normal_state(&mut *caller, &abi)?;
    }
    abi.unwind_begin.call(&mut *caller, &[memory.address(pending.buffer)], &mut [])?;
    let state = abi.state(&mut *caller)?;
    let limited = matches!(policy.limit, Limit::Bytes(_));
    ensure!(limited || state == UNWINDING, "unwind_begin leaves state {state}");
    if policy.misuse {
        misuse::while_unwinding(&mut *caller, &abi, memory.address(pending.buffer))?;
    }
    let mut pos = memory.read_address(&*caller, pending.buffer);
    if policy.reserve_bytes > 0 {
        pos += policy.reserve_bytes;
        memory.write_address(&mut *caller, pending.buffer, pos);
    }
    pending.start_pos = pos.wrapping_sub(pending.buffer);
    Ok(())
}

fn check_same_call(pending: &Pending, name: &str, now: &str) -> Result<()> {
    let then = &pending.args;
    ensure!(
        pending.name == name && then == now,
        "entry call {} was {}({then}), and is {name}({now}) when it is called again",
        pending.ordinal,
        pending.name
    );
    Ok(())
}

fn end_rewind(caller: &mut Caller<'_, Host>, pending: &Pending) -> Result<()> {
    let protocol = &caller.data().protocol;
    let abi = protocol.abi.expect("only an instrumented program rewinds");
    if protocol.policy.misuse {
        let buffer = protocol.memory().address(pending.buffer);
        misuse::while_rewinding(&mut *caller, &abi, buffer)?;
    }
    abi.rewind_end.call(&mut *caller, &[], &mut [])?;
    let state = abi.state(&mut *caller)?;
    ensure!(state == NORMAL, "rewind_end leaves state {state}");
    check_no_stray_write(caller, pending)?;
    let memory = caller.data().protocol.memory();
    let pos = memory.read_address(&*caller, pending.buffer).wrapping_sub(pending.buffer);
    ensure!(
        pos == pending.start_pos,
        "after the rewind pos is {pos} bytes into the buffer; it started at {}",
        pending.start_pos
    );
    Ok(())
}

fn check_no_stray_write(caller: &mut Caller<'_, Host>, pending: &Pending) -> Result<()> {
    let protocol = &caller.data().protocol;
    let (memory, region) = (protocol.memory(), &protocol.region);
    let bytes = memory.read(caller.as_context(), region.whole.clone());
    match region.first_stray_write(&bytes, &protocol.usable(pending.buffer)) {
        None => Ok(()),
        Some(at) => Err(format_err!(
            "a byte outside the buffer was written, at {at:#x}; the buffer is {:#x?}",
            protocol.usable(pending.buffer)
        )),
    }
}

/// The references that the buffer holds are let go, if the policy asks for that; twice, which must not harm.
fn release(caller: &mut Caller<'_, Host>, pending: &Pending) -> Result<()> {
    let protocol = &caller.data().protocol;
    let (memory, release) = (protocol.memory(), protocol.policy.release);
    let abi = protocol.abi.expect("only an instrumented program rewinds");
    let Some(function) = abi.release.filter(|_| release) else { return Ok(()) };
    let (header_bytes, buffer) = (memory.header_bytes(), memory.address(pending.buffer));
    memory.write(&mut *caller, pending.buffer + header_bytes, &pending.frames);
    for _ in 0..2 {
        function.call(&mut *caller, &[buffer], &mut [])?;
    }
    let begin = abi.rewind_begin.call(&mut *caller, &[buffer], &mut []);
    ensure!(begin.is_err(), "a released buffer can be rewound");
    let consumed = vec![CONSUMED; header_bytes + pending.frames.len()];
    memory.write(&mut *caller, pending.buffer, &consumed);
    Ok(())
}

/// The frames must be as they were; then they are overwritten, because nothing may read them now.
fn check_buffer_kept(caller: &mut Caller<'_, Host>, pending: &Pending) -> Result<()> {
    let protocol = &caller.data().protocol;
    let (memory, marks) = (protocol.memory(), protocol.policy.rewinds_once);
    let header_bytes = memory.header_bytes();
    let start = pending.buffer + header_bytes;
    let now = memory.read(&*caller, start..start + pending.frames.len());
    let is_changed = |(now, before): (&u8, &u8)| now != before && !(marks && *now >= 0xfe);
    if let Some(at) = now.iter().zip(&pending.frames).position(is_changed) {
        bail!("rewinding changed the byte at offset {} of the buffer", at + header_bytes);
    }
    let consumed = vec![CONSUMED; header_bytes + now.len()];
    memory.write(caller.as_context_mut(), pending.buffer, &consumed);
    Ok(())
}
