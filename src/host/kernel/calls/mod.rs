//! The system calls, by their numbers on i386 (where the C library's 32-bit port takes them from), as far as shells and
//! small programs need them.

mod descriptors;
mod input;
mod misc;
mod paths;
mod processes;
mod signals;

use super::Machine;
use super::errno::Errno;
use super::memory::Memory;
use super::mounts;
use super::open_file::{Kind, OpenFile};
use super::process::Context;
use super::state::State;
use super::stop::Stop;
use std::sync::{Arc, MutexGuard, PoisonError};
use wasmtime::{Caller, Linker, format_err};

/// What a call returns.
type Result<T = i32> = std::result::Result<T, Stop>;

/// Its arguments.
type Args = [i32; 6];

/// The directory that a path starts from which starts from none that is open.
const AT_FDCWD: i32 = -100;

/// A process that calls.
struct Sys<'m> {
    pid: i32,
    machine: Arc<Machine>,
    memory: Memory<'m>,
}

impl Sys<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.machine.lock()
    }

    fn file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        Ok(self.state().process(self.pid)?.file(fd)?.clone())
    }

    /// The absolute form of the path at `text`, which is relative to the open directory `fd`.
    fn path(&self, fd: i32, text: i32) -> Result<String> {
        let path = self.memory.path(text as u32)?;
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        self.resolved(fd, &path)
    }

    fn resolved(&self, fd: i32, path: &str) -> Result<String> {
        let state = self.state();
        let process = state.process(self.pid)?;
        if fd == AT_FDCWD || path.starts_with('/') {
            return Ok(mounts::resolve(&process.directory, path));
        }
        match &process.file(fd)?.kind {
            Kind::Folder(folder) => Ok(mounts::resolve(&folder.path, path)),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn leave_if_killed(&self) -> Result<()> {
        match self.state().process_mut(self.pid)?.signals.fatal() {
            Some(signal) => Err(Stop::killed(signal)),
            None => Ok(()),
        }
    }
}

/// Adds all that programs import besides their fork.
pub(super) fn add_to_linker(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "kernel",
        "kernel_syscall",
        |caller: Caller<'_, Context>,
         number: i32,
         a: i32,
         b: i32,
         c: i32,
         d: i32,
         e: i32,
         f: i32| {
            with_sys(caller, |sys| {
                sys.leave_if_killed()?;
                call(sys, number, [a, b, c, d, e, f])
            })
        },
    )?;
    linker.func_wrap(
        "kernel",
        "kernel_args",
        |caller: Caller<'_, Context>, at: i32, capacity: i32| {
            with_sys(caller, |sys| processes::arguments(sys, at as u32, capacity))
        },
    )?;
    linker.func_wrap("kernel", "kernel_next_signal", |caller: Caller<'_, Context>, at: i32| {
        with_sys(caller, |sys| signals::next(sys, at as u32))
    })?;
    Ok(())
}

fn with_sys(
    mut caller: Caller<'_, Context>,
    call: impl FnOnce(&mut Sys<'_>) -> Result,
) -> wasmtime::Result<i32> {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    let memory = memory.ok_or_else(|| format_err!("the program exports no memory `memory`"))?;
    let (bytes, context) = memory.data_and_store_mut(&mut caller);
    let Context { pid, machine } = context.clone();
    match call(&mut Sys { pid, machine, memory: Memory(bytes) }) {
        Ok(result) => Ok(result),
        Err(Stop::Error(Errno(number))) => Ok(-number),
        Err(Stop::Leave(leave)) => Err(leave.into()),
    }
}

fn call(sys: &mut Sys<'_>, number: i32, args: Args) -> Result {
    let groups =
        [input::call, paths::call, descriptors::call, processes::call, signals::call, misc::call];
    for group in groups {
        if let Some(result) = group(sys, number, args) {
            return result;
        }
    }
    sys.machine.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    Err(Errno::NOSYS.into())
}
