//! A running program: an instance with its store, and what becomes of its stack.

use super::carried::Carried;
use super::protocol::{Abi, OWN_MEMORIES, REWINDING, UNWINDING, blanks, broken};
use super::stack::{Away, Buffer, FrameMemory, Invoke, Shared};
use super::{Call, Host, Step};
use std::fmt;
use std::sync::Arc;
use wasmtime::{
    Extern, ExternType, Func, Instance, Memory, Result, Store, ThrownException, Val, format_err,
};

/// A program that runs, or waits at an entry. See [the module](super).
pub struct Guest<T: 'static> {
    host: Arc<Host<T>>,
    store: Store<T>,
    instance: Instance,
    stack: Shared,
}

impl<T: 'static> Guest<T> {
    pub(super) fn instantiate(host: &Arc<Host<T>>, data: T) -> Result<Guest<T>> {
        let mut store = Store::new(host.engine(), data);
        // Where the engine interrupts by epochs: whoever sets none in `T`'s interest is not interrupted.
        store.set_epoch_deadline(u64::MAX / 2);
        let stack = Shared::default();
        let (mut imports, mut unknown) = (Vec::<Extern>::new(), Vec::new());
        for import in host.program.module.imports() {
            let name = format!("{}.{}", import.module(), import.name());
            let is_entry =
                host.entries.iter().any(|entry| entry.matches(import.module(), import.name()));
            match import.ty() {
                ExternType::Func(ty) if is_entry => {
                    imports.push(stack.entry(host, name, ty, &mut store).into());
                }
                _ => match host.linker.get_by_import(&mut store, &import) {
                    Some(found) => imports.push(found),
                    None => unknown.push(name),
                },
            }
        }
        if !unknown.is_empty() {
            return Err(format_err!("the host has nothing for {}", unknown.join(", ")));
        }
        let instance = Instance::new(&mut store, &host.program.module, &imports)?;
        host.program.add_resumes(instance, &mut store)?;
        let mut guest = Guest { host: host.clone(), store, instance, stack };
        let abi = Abi::of(&guest.instance, &mut guest.store)?;
        if abi.is_some_and(|abi| abi.sets_pos) {
            return Err(format_err!(
                "the module has the ABI asyncify, and this host speaks wpk-fork"
            ));
        }
        let frames = guest.frame_memory();
        {
            let mut stack = guest.stack.lock();
            (stack.abi, stack.frames) = (abi, frames);
        }
        Ok(guest)
    }

    /// The memory that was added for frames; else the one called `memory`; else the first that is exported.
    fn frame_memory(&mut self) -> Option<FrameMemory> {
        let mut own = OWN_MEMORIES.into_iter();
        let own = own.find_map(|name| self.instance.get_memory(&mut self.store, name));
        if let Some(memory) = own {
            return Some(FrameMemory { memory, is_own: true });
        }
        let named = self.instance.get_memory(&mut self.store, "memory");
        let memory = named.or_else(|| Some(self.memories().first()?.1))?;
        Some(FrameMemory { memory, is_own: false })
    }

    /// The size of the memory that frames go to, in bytes.
    pub(super) fn frames_bytes(&self) -> Option<u64> {
        let frames = self.stack.lock().frames?;
        Some(frames.memory.data_size(&self.store) as u64)
    }

    /// All that are exported, with their names, in the order of those.
    pub(super) fn memories(&mut self) -> Vec<(String, Memory)> {
        let exports = self.instance.exports(&mut self.store);
        let exports: Vec<_> =
            exports.map(|export| (export.name().to_owned(), export.into_extern())).collect();
        let memories =
            exports.into_iter().filter_map(|(name, held)| Some((name, held.into_memory()?)));
        let mut memories: Vec<_> = memories.collect();
        memories.sort_by(|(a, _), (b, _)| a.cmp(b));
        memories
    }

    /// What the host's functions know.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The same, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The store, for an embedder that reads the program's memory or limits it.
    pub fn store(&mut self) -> &mut Store<T> {
        &mut self.store
    }

    /// The instance.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// The call that the program waits in, if it does.
    pub fn paused(&self) -> Option<Call> {
        self.stack.lock().away.as_ref().map(|away| away.call.clone())
    }

    /// Calls an export, until it returns or the program pauses. While one call is paused others may be made, as long as they don't pause,
    /// too.
    ///
    /// # Errors
    /// What the program traps with, or the host's functions fail with; and if there is no such export.
    pub fn call(&mut self, export: &str, args: &[Val]) -> Result<Step> {
        let func = self.func(export)?;
        let invoke = Invoke { export: export.to_owned(), args: args.to_vec() };
        self.enter(func, invoke)
    }

    /// Lets a program that waits go on: the entry returns `values`.
    ///
    /// # Errors
    /// As [`call`](Guest::call); and if the program doesn't wait.
    pub fn resume(&mut self, values: &[Val]) -> Result<Step> {
        let (abi, frames, buffer, away) = {
            let mut stack = self.stack.lock();
            let Some(away) = stack.away.take() else {
                return Err(format_err!("the program doesn't wait at an entry"));
            };
            stack.answer = Some(values.to_vec());
            let (Some(abi), Some(frames), Some(buffer)) = (stack.abi, stack.frames, stack.buffer)
            else {
                return broken("a stack is away, and nobody knows where");
            };
            (abi, frames, buffer, away)
        };
        let begin = if away.is_copy { abi.rewind_begin } else { abi.resume_begin };
        let address = frames.address(&self.store, buffer.start);
        begin.call(&mut self.store, &[address])?;
        let state = abi.state(&mut self.store)?;
        if state != REWINDING {
            return broken(format!("the state is {state} when a rewind has begun"));
        }
        let func = self.func(&away.invoke.export)?;
        self.enter(func, away.invoke)
    }

    fn func(&mut self, export: &str) -> Result<Func> {
        let func = self.instance.get_func(&mut self.store, export);
        func.ok_or_else(|| format_err!("the module exports no function `{export}`"))
    }

    fn enter(&mut self, func: Func, invoke: Invoke) -> Result<Step> {
        let mut results = blanks(func.ty(&self.store).results());
        if let Err(error) = func.call(&mut self.store, &invoke.args, &mut results) {
            if error.is::<ThrownException>() {
                self.store.take_pending_exception();
            }
            let mut stack = self.stack.lock();
            (stack.unwinding, stack.answer) = (None, None);
            return Err(error);
        }
        let (abi, unwinding) = {
            let mut stack = self.stack.lock();
            (stack.abi, stack.unwinding.take())
        };
        let (Some(abi), Some(call)) = (abi, unwinding) else { return Ok(Step::Done(results)) };
        let state = abi.state(&mut self.store)?;
        if state != UNWINDING {
            return broken(format!("the state is {state} when an unwind has ended"));
        }
        abi.unwind_end.call(&mut self.store, &[])?;
        let away = Away { call: call.clone(), invoke, is_copy: false };
        self.stack.lock().away = Some(away);
        Ok(Step::Paused(call))
    }

    /// A second program that is what this one is, in a fresh instance, and waits at the same call. The first goes on waiting.
    ///
    /// # Errors
    /// If the program doesn't wait, or [can't be copied](super#what-goes-along).
    pub fn fork(&mut self, data: T) -> Result<Guest<T>> {
        let (away, buffer) = self.waiting()?;
        let carried = Carried::of(self.instance, &mut self.store)?;
        let mut child = Guest::instantiate(&self.host, data)?;
        for ((_, from), (_, to)) in self.memories().into_iter().zip(child.memories()) {
            let bytes = from.data(&self.store);
            grow(&mut child.store, to, bytes.len())?;
            to.data_mut(&mut child.store)[..bytes.len()].copy_from_slice(bytes);
        }
        carried.put(child.instance, &mut child.store)?;
        child.wait_at(away, buffer);
        Ok(child)
    }

    /// The whole program as bytes, which [`Host::restore`] makes a program of: in this process or another, of the same module. It goes
    /// on waiting.
    ///
    /// # Errors
    /// If the program doesn't wait, [can't be copied](super#what-goes-along), or was called with a reference.
    pub fn snapshot(&mut self) -> Result<Vec<u8>> {
        super::snapshot::snapshot(self)
    }

    pub(super) fn host(&self) -> &Arc<Host<T>> {
        &self.host
    }

    /// What is known of the stack that is away, for a copy.
    pub(super) fn waiting(&self) -> Result<(Away, Buffer)> {
        self.host.shape.may_be_copied()?;
        let stack = self.stack.lock();
        match (&stack.away, stack.buffer) {
            (Some(away), Some(buffer)) => Ok((away.clone(), buffer)),
            _ => Err(format_err!(
                "the program doesn't wait at an entry, so its stack is not in memory"
            )),
        }
    }

    /// From now on a stack is away that the memory, which was brought over, has in it.
    pub(super) fn wait_at(&mut self, mut away: Away, buffer: Buffer) {
        // References belong to the store that they came from.
        away.invoke.args.iter_mut().for_each(plain);
        away.call.args.iter_mut().for_each(plain);
        away.is_copy = true;
        let mut stack = self.stack.lock();
        (stack.away, stack.buffer) = (Some(away), Some(buffer));
    }
}

/// Puts null in place of a reference.
fn plain(arg: &mut Val) {
    match arg {
        Val::FuncRef(func) => *func = None,
        Val::ExternRef(held) => *held = None,
        Val::AnyRef(held) => *held = None,
        Val::ExnRef(held) => *held = None,
        _ => {}
    }
}

/// Gives a memory at least so many bytes.
pub(super) fn grow<T: 'static>(store: &mut Store<T>, memory: Memory, bytes: usize) -> Result<()> {
    let missing = bytes.saturating_sub(memory.data_size(&*store)) as u64;
    let page = memory.page_size(&*store);
    memory.grow(store, missing.div_ceil(page)).map(drop)
}

impl<T: 'static> fmt::Debug for Guest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("paused", &self.paused()).finish_non_exhaustive()
    }
}
