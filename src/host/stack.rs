//! What an instance's entries and its host both know of its stack: whether it is unwound, to where, and who wanted it.

use super::protocol::{Abi, NORMAL, REWINDING, UNDONE, blanks, broken};
use super::{Answer, Call, Host};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{AsContextMut, Caller, Func, FuncType, Memory, Result, StoreContextMut, Val};

/// How much room frames get at first, in bytes.
const FIRST_ROOM: u64 = 64 << 10;

/// Where frames go: a part of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    /// Its address.
    pub(super) start: u64,
    /// How many bytes it has.
    pub(super) room: u64,
}

/// The memory that frames go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameMemory {
    pub(super) memory: Memory,
    /// Whether it was added for frames, and nothing else is in it.
    pub(super) is_own: bool,
}

/// A call of an export, as far as it must be known to call it again.
#[derive(Clone, Debug)]
pub(super) struct Invoke {
    pub(super) export: String,
    pub(super) args: Vec<Val>,
}

/// A stack that is in memory.
#[derive(Clone, Debug)]
pub(super) struct Away {
    pub(super) call: Call,
    pub(super) invoke: Invoke,
    /// Whether memory and globals are to be those of the unwind: in a copy, or after a while.
    pub(super) is_copy: bool,
}

/// The stack of one instance.
#[derive(Debug, Default)]
pub(super) struct Stack {
    pub(super) abi: Option<Abi>,
    pub(super) frames: Option<FrameMemory>,
    pub(super) buffer: Option<Buffer>,
    /// The call of an entry that the stack is being unwound for.
    pub(super) unwinding: Option<Call>,
    /// What the entry returns at the end of a rewind.
    pub(super) answer: Option<Vec<Val>>,
    pub(super) away: Option<Away>,
}

/// The same, as the functions of the instance share it with the host.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Stack>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Stack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the program gets for an entry.
    pub(super) fn entry<T: 'static>(
        &self,
        host: &Arc<Host<T>>,
        name: String,
        ty: FuncType,
        store: impl AsContextMut<Data = T>,
    ) -> Func {
        let (shared, host) = (self.clone(), host.clone());
        let blank = blanks(ty.results());
        Func::new(store, ty, move |caller, args, results| {
            let call = Call { entry: name.clone(), args: args.to_vec() };
            let values = shared.entered(&host, caller, call, &blank)?;
            if values.len() != results.len() {
                let (given, taken) = (values.len(), results.len());
                return broken(format!("{name} returns {taken} values, and the host gave {given}"));
            }
            results.clone_from_slice(&values);
            Ok(())
        })
    }

    fn entered<T: 'static>(
        &self,
        host: &Host<T>,
        mut caller: Caller<'_, T>,
        call: Call,
        blank: &[Val],
    ) -> Result<Vec<Val>> {
        let abi = self.lock().abi;
        let state = abi.map_or(Ok(NORMAL), |abi| abi.state(&mut caller))?;
        match (state, abi) {
            (NORMAL, abi) => {
                if let Answer::Return(values) = host.decide(&mut caller, &call)? {
                    return Ok(values);
                }
                let Some(abi) = abi else {
                    return broken(format!(
                        "{} has to unwind the stack, and the module isn't instrumented, or its start function calls it",
                        call.entry
                    ));
                };
                let mut stack = self.lock();
                if let Some(away) = &stack.away {
                    return broken(format!(
                        "{} has to unwind a second stack while one waits at {}",
                        call.entry, away.call.entry
                    ));
                }
                let room = stack.buffer.map_or(FIRST_ROOM, |buffer| buffer.room);
                if !stack.begin(abi, caller.as_context_mut(), room)? {
                    return host.refusal(&call);
                }
                stack.unwinding = Some(call);
                Ok(blank.to_vec())
            }
            (REWINDING, Some(abi)) => {
                let mut stack = self.lock();
                abi.rewind_end.call(&mut caller, &[])?;
                stack.release(abi, caller.as_context_mut())?;
                match stack.answer.take() {
                    Some(values) => Ok(values),
                    None => broken(format!("{} is rewound to unasked", call.entry)),
                }
            }
            (UNDONE, Some(abi)) => {
                let mut stack = self.lock();
                stack.unwinding = None;
                abi.rewind_end.call(&mut caller, &[])?;
                // More room would not help a function that is not prepared.
                let unprepared = abi.unprepared(&mut caller)?;
                let more = 2 * stack.buffer.map_or(FIRST_ROOM, |buffer| buffer.room);
                let may_grow = unprepared.is_none() && more <= host.max_room;
                if may_grow && stack.begin(abi, caller.as_context_mut(), more)? {
                    stack.unwinding = Some(call);
                    return Ok(blank.to_vec());
                }
                host.refusal(&call)
            }
            (state, _) => broken(format!("{} is called in state {state}", call.entry)),
        }
    }
}

impl Stack {
    /// Begins an unwind; returns whether there is room.
    fn begin<T: 'static>(
        &mut self,
        abi: Abi,
        mut store: StoreContextMut<'_, T>,
        room: u64,
    ) -> Result<bool> {
        let Some(frames) = self.frames else { return broken("no memory for frames is exported") };
        let Some(buffer) = self.with_room(frames, store.as_context_mut(), room)? else {
            return Ok(false);
        };
        self.buffer = Some(buffer);
        let width = frames.width(&store);
        let (at, end) = ((buffer.start + width) as usize, buffer.start + buffer.room);
        frames.memory.write(&mut store, at, &end.to_le_bytes()[..width as usize])?;
        let address = frames.address(&store, buffer.start);
        abi.unwind_begin.call(&mut store, &[address])?;
        Ok(true)
    }

    /// A buffer of that size: the one that there is, or another at the end of the memory.
    fn with_room<T: 'static>(
        &self,
        frames: FrameMemory,
        mut store: StoreContextMut<'_, T>,
        room: u64,
    ) -> Result<Option<Buffer>> {
        if let Some(buffer) = self.buffer.filter(|buffer| buffer.room >= room) {
            return Ok(Some(buffer));
        }
        let memory = frames.memory;
        let page = memory.page_size(&store);
        let size = memory.data_size(&store) as u64;
        let start = if frames.is_own { 0 } else { size };
        let missing = (start + room).saturating_sub(size).div_ceil(page);
        if memory.grow(&mut store, missing).is_err() {
            return Ok(None);
        }
        Ok(Some(Buffer { start, room: memory.data_size(&store) as u64 - start }))
    }

    /// Lets go what the buffer's stack holds, which is on the machine's stack again.
    fn release<T: 'static>(&self, abi: Abi, mut store: StoreContextMut<'_, T>) -> Result<()> {
        match (abi.release, self.frames, self.buffer) {
            (Some(release), Some(frames), Some(buffer)) => {
                let address = frames.address(&store, buffer.start);
                release.call(&mut store, &[address])
            }
            _ => Ok(()),
        }
    }
}

impl FrameMemory {
    /// The size of an address in bytes.
    pub(super) fn width(&self, store: impl wasmtime::AsContext) -> u64 {
        if self.memory.ty(store).is_64() { 8 } else { 4 }
    }

    /// An address as a value of the program.
    pub(super) fn address(&self, store: impl wasmtime::AsContext, at: u64) -> Val {
        if self.width(store) == 8 { Val::I64(at as i64) } else { Val::I32(at as i32) }
    }
}
