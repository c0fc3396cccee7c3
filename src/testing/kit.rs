//! The host's side of both ABIs, in what stands between a program and its imports; and what it finds wrong there: a call of
//! the entry with other arguments than before, frames that a rewind changed, bytes written beside them.

use super::adapter::{self, Source};
use super::program::Program;
use super::value;
use crate::host::protocol::{Abi, NORMAL, REWINDING, UNDONE, UNWINDING, broken, garbage};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{
    AsContext, AsContextMut, Caller, Func, FuncType, Instance, Memory, Result, Val, ValType,
    format_err,
};

/// What a buffer is filled with before an unwind, so that a write beside the frames shows.
const POISON: u8 = 0xaa;

/// At which calls of the entry the stack is unwound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Never,
    /// At the call with this ordinal.
    At(usize),
    Every,
}

/// Where frames go: a region at the end of a memory. What lies there otherwise is put back after each rewind, whoever uses it.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub(super) memory: Memory,
    /// In bytes.
    pub(super) region: Range<usize>,
    /// The size of an address in bytes.
    pub(super) address_bytes: usize,
}

impl Buffer {
    /// Bytes before the buffer that must stay as they are, in the region.
    const GUARD_BYTES: usize = 272;

    fn start(&self) -> usize {
        self.region.start + Self::GUARD_BYTES
    }

    /// The address where the buffer begins, as a value of the program.
    pub(super) fn address(&self) -> Val {
        let start = self.start();
        if self.address_bytes == 8 { Val::I64(start as i64) } else { Val::I32(start as i32) }
    }

    fn bytes(&self, store: impl AsContext, range: Range<usize>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; range.len()];
        self.memory.read(store, range.start, &mut bytes)?;
        Ok(bytes)
    }

    fn pos(&self, store: impl AsContext) -> Result<usize> {
        let start = self.start();
        let mut bytes = self.bytes(store, start..start + self.address_bytes)?;
        bytes.resize(8, 0);
        let pos = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        usize::try_from(pos).map_err(Into::into)
    }

    /// Poisons the region, and sets `end`; and `pos`, if that is the host's.
    fn prepare(&self, mut store: impl AsContextMut, sets_pos: bool) -> Result<()> {
        self.memory.write(&mut store, self.region.start, &vec![POISON; self.region.len()])?;
        if sets_pos {
            let pos = (self.start() + 2 * self.address_bytes).to_le_bytes();
            self.memory.write(&mut store, self.start(), &pos[..self.address_bytes])?;
        }
        let end = self.region.end.to_le_bytes();
        self.memory.write(
            &mut store,
            self.start() + self.address_bytes,
            &end[..self.address_bytes],
        )?;
        Ok(())
    }
}

/// A call of the entry that is unwound and rewound.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The import and its arguments as text.
    call: String,
    /// What the region held before.
    before: Vec<u8>,
    /// What `pos` was when the unwind began.
    first_pos: usize,
    /// The used part of the buffer behind `pos`, as the unwind left it.
    frames: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) enum Phase {
    #[default]
    Normal,
    Unwinding(Pending),
    Rewinding(Pending),
}

/// Who calls imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The start function of the first instance.
    Starting,
    /// That of a copy, which must not do again what was done.
    Copying,
    /// An export that the kit called.
    Running,
}

/// What the kit remembers of a run, through all its instances.
pub(super) struct Kit {
    pub(super) when: When,
    pub(super) may_be_undone: bool,
    pub(super) stage: Stage,
    pub(super) instance: Option<Instance>,
    pub(super) adapter: Option<Instance>,
    /// What the linker has, by the ordinal of the program's import.
    pub(super) works: Vec<Option<Func>>,
    pub(super) abi: Option<Abi>,
    pub(super) buffer: Option<Buffer>,
    pub(super) phase: Phase,
    /// Each import that was called, with arguments and results.
    pub(super) events: Vec<String>,
    /// How many calls of the entry there were; an unwind and its rewind are one.
    pub(super) entry_calls: usize,
    pub(super) unwinds: usize,
    pub(super) undone: usize,
    /// The largest part of a buffer that was used, in bytes.
    pub(super) most_bytes: usize,
    /// The frames of each stack that was unwound, if they are wanted, once each; and how often there was one like it.
    pub(super) stacks: Option<BTreeMap<Vec<u8>, u64>>,
}

impl Kit {
    pub(super) fn new(when: When, may_be_undone: bool) -> Kit {
        Kit {
            when,
            may_be_undone,
            stage: Stage::Starting,
            instance: None,
            adapter: None,
            works: Vec::new(),
            abi: None,
            buffer: None,
            phase: Phase::Normal,
            events: Vec::new(),
            entry_calls: 0,
            unwinds: 0,
            undone: 0,
            most_bytes: 0,
            stacks: None,
        }
    }
}

/// The [`Kit`] of a run, shared by all that stands between its program and its imports.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Kit>>);

impl Shared {
    pub(super) fn new(kit: Kit) -> Shared {
        Shared(Arc::new(Mutex::new(kit)))
    }

    /// Nothing of the program may be called while this is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, Kit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self, store: impl AsContextMut) -> Result<i32> {
        let abi = self.lock().abi;
        abi.map_or(Ok(NORMAL), |abi| abi.state(store))
    }

    fn buffer(&self) -> Result<(Abi, Buffer)> {
        let kit = self.lock();
        match (kit.abi, &kit.buffer) {
            (Some(abi), Some(buffer)) => Ok((abi, buffer.clone())),
            _ => broken("there is no instrumented program"),
        }
    }

    /// Ends an unwind whose outermost frame has returned.
    pub(super) fn end_unwind(
        &self,
        mut store: impl AsContextMut,
        mut pending: Pending,
    ) -> Result<()> {
        let (abi, buffer) = self.buffer()?;
        let state = abi.state(&mut store)?;
        if state != UNWINDING {
            return broken(format!(
                "the state is {state} when the outermost frame of an unwind has returned"
            ));
        }
        abi.unwind_end.call(&mut store, &[])?;
        let pos = buffer.pos(&store)?;
        if !(pending.first_pos..=buffer.region.end).contains(&pos) {
            return broken(format!("pos is {pos:#x} after an unwind, outside the buffer"));
        }
        let bytes = buffer.bytes(&store, buffer.region.clone())?;
        let used = buffer.start()..pos;
        let mut beside = buffer.region.clone().zip(&bytes).filter(|(at, _)| !used.contains(at));
        if let Some((at, _)) = beside.find(|(_, byte)| **byte != POISON) {
            return broken(format!(
                "the unwind wrote at {at:#x}, outside the buffer's used part {used:#x?}"
            ));
        }
        pending.frames =
            bytes[Buffer::GUARD_BYTES + buffer.address_bytes..pos - buffer.region.start].to_vec();
        let frames = pending.first_pos - buffer.region.start..pos - buffer.region.start;
        let mut kit = self.lock();
        if let Some(stacks) = &mut kit.stacks {
            *stacks.entry(bytes[frames].to_vec()).or_default() += 1;
        }
        kit.unwinds += 1;
        kit.most_bytes = kit.most_bytes.max(used.len());
        kit.phase = Phase::Rewinding(pending);
        Ok(())
    }
}

/// An import of a program.
pub(super) struct Import {
    pub(super) ordinal: usize,
    /// `MODULE.NAME`.
    pub(super) name: String,
    pub(super) ty: FuncType,
    pub(super) is_entry: bool,
}

impl Import {
    /// The function that the program gets for it.
    pub(super) fn wrapped<T: 'static>(
        self,
        store: impl AsContextMut<Data = T>,
        program: &Arc<Program>,
        kit: &Shared,
    ) -> Func {
        let (program, kit, ty) = (program.clone(), kit.clone(), self.ty.clone());
        Func::new(store, ty, move |mut caller, args, results| {
            Call { import: &self, program: &program, kit: &kit, args }.answer(&mut caller, results)
        })
    }
}

/// A call of an import.
struct Call<'a> {
    import: &'a Import,
    program: &'a Program,
    kit: &'a Shared,
    args: &'a [Val],
}

impl Call<'_> {
    fn answer<T: 'static>(&self, caller: &mut Caller<'_, T>, results: &mut [Val]) -> Result<()> {
        let stage = self.kit.lock().stage;
        if stage == Stage::Copying {
            return broken(format!(
                "the start function calls {}, and would do so again in a fresh instance: rewind in the same instance alone",
                self.import.name
            ));
        }
        if !self.import.is_entry || stage == Stage::Starting {
            return self.perform(caller, results);
        }
        let state = self.kit.state(&mut *caller)?;
        let phase = std::mem::take(&mut self.kit.lock().phase);
        match (phase, state) {
            (Phase::Normal, NORMAL) => {
                let ordinal = {
                    let mut kit = self.kit.lock();
                    kit.entry_calls += 1;
                    kit.entry_calls - 1
                };
                let kit = self.kit.lock();
                let is_due = kit.when == When::Every || kit.when == When::At(ordinal);
                let is_due = is_due && kit.abi.is_some();
                drop(kit);
                if is_due {
                    self.begin_unwind(caller, results)
                } else {
                    self.perform(caller, results)
                }
            }
            (Phase::Rewinding(pending), REWINDING) => {
                self.end_rewind(caller, &pending)?;
                self.perform(caller, results)
            }
            (Phase::Unwinding(pending), UNDONE) => {
                self.undo(caller, &pending)?;
                self.perform(caller, results)
            }
            (phase, state) => {
                let doing = match phase {
                    Phase::Normal => "the program runs",
                    Phase::Unwinding(_) => "the stack is unwound",
                    Phase::Rewinding(_) => "the stack is rewound",
                };
                broken(format!("{} is called in state {state} while {doing}", self.shown()))
            }
        }
    }

    fn shown(&self) -> String {
        format!("{}({})", self.import.name, value::show_all(self.args))
    }

    /// Lets the linker's function do it. It is written down when it is done: what a rewind calls again was not.
    fn perform<T: 'static>(&self, caller: &mut Caller<'_, T>, results: &mut [Val]) -> Result<()> {
        let done = self.call(caller, results);
        if self.kit.state(&mut *caller)? == NORMAL {
            let call = self.shown();
            let event = match &done {
                Ok(()) => format!("{call} = ({})", value::show_all(results)),
                Err(_) => format!("{call} doesn't return"),
            };
            self.kit.lock().events.push(event);
        }
        done
    }

    fn call<T: 'static>(&self, caller: &mut Caller<'_, T>, results: &mut [Val]) -> Result<()> {
        let ordinal = self.import.ordinal;
        let adapter = self.kit.lock().adapter;
        let adapter = match adapter {
            Some(adapter) => adapter,
            None => self.adapter(caller)?,
        };
        let adapted = adapter.get_func(&mut *caller, &adapter::name(ordinal));
        let work = self.kit.lock().works[ordinal];
        match adapted.or(work) {
            Some(func) => func.call(&mut *caller, self.args, results),
            None => broken(format!("nothing for the import {}", self.import.name)),
        }
    }

    fn adapter<T: 'static>(&self, caller: &mut Caller<'_, T>) -> Result<Instance> {
        let (instance, works) = {
            let kit = self.kit.lock();
            (kit.instance, kit.works.clone())
        };
        let mut imports = Vec::new();
        for source in &self.program.adapter.sources {
            let found = match source {
                Source::Work(ordinal) => works[*ordinal].map(Into::into),
                // While the start function runs no one else knows the instance.
                Source::Export(name) => match instance {
                    Some(instance) => instance.get_export(&mut *caller, name),
                    None => caller.get_export(name),
                },
            };
            imports.push(found.ok_or_else(|| format_err!("the adapter lacks an import"))?);
        }
        let adapter = Instance::new(&mut *caller, &self.program.adapter.module, &imports)?;
        self.kit.lock().adapter = Some(adapter);
        Ok(adapter)
    }

    fn begin_unwind<T: 'static>(
        &self,
        caller: &mut Caller<'_, T>,
        results: &mut [Val],
    ) -> Result<()> {
        let (abi, buffer) = self.kit.buffer()?;
        let before = buffer.bytes(&*caller, buffer.region.clone())?;
        buffer.prepare(&mut *caller, abi.sets_pos)?;
        abi.unwind_begin.call(&mut *caller, &[buffer.address()])?;
        let first_pos = buffer.pos(&*caller)?;
        let pending = Pending { call: self.shown(), before, first_pos, frames: Vec::new() };
        self.kit.lock().phase = Phase::Unwinding(pending);
        let types: Vec<ValType> = self.import.ty.results().collect();
        results.iter_mut().zip(&types).for_each(|(result, ty)| *result = garbage(ty));
        Ok(())
    }

    fn end_rewind<T: 'static>(&self, caller: &mut Caller<'_, T>, pending: &Pending) -> Result<()> {
        let (abi, buffer) = self.kit.buffer()?;
        self.check_same_call(pending)?;
        abi.rewind_end.call(&mut *caller, &[])?;
        let pos = buffer.pos(&*caller)?;
        if pos != pending.first_pos {
            return broken(format!(
                "pos is {pos:#x} after a rewind, and was {:#x} before the unwind",
                pending.first_pos
            ));
        }
        let start = buffer.start() + buffer.address_bytes;
        let now = buffer.bytes(&*caller, start..start + pending.frames.len())?;
        if let Some(at) = now.iter().zip(&pending.frames).position(|(a, b)| a != b) {
            let at = at + buffer.address_bytes;
            return broken(format!("the rewind changed the byte at offset {at} of the buffer"));
        }
        if let Some(release) = abi.release {
            release.call(&mut *caller, &[buffer.address()])?;
        }
        buffer.memory.write(&mut *caller, buffer.region.start, &pending.before)?;
        Ok(())
    }

    fn undo<T: 'static>(&self, caller: &mut Caller<'_, T>, pending: &Pending) -> Result<()> {
        let (abi, buffer) = self.kit.buffer()?;
        self.check_same_call(pending)?;
        abi.rewind_end.call(&mut *caller, &[])?;
        buffer.memory.write(&mut *caller, buffer.region.start, &pending.before)?;
        let mut kit = self.kit.lock();
        kit.undone += 1;
        if kit.may_be_undone {
            return Ok(());
        }
        let room = buffer.region.len() - Buffer::GUARD_BYTES;
        broken(format!(
            "the unwind is undone (state 3): either its frames don't fit into {room} bytes, or they hold a reference or an exception \
             that can't be saved, or a function was assumed to have no entry below it; give a larger buffer, or let unwinds be undone"
        ))
    }

    fn check_same_call(&self, pending: &Pending) -> Result<()> {
        let (then, now) = (&pending.call, self.shown());
        if *then == now {
            return Ok(());
        }
        broken(format!("the rewind calls {now}, and what was unwound is {then}"))
    }
}
