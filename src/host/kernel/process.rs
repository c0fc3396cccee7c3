//! The life of a process: a thread that runs its program, from exec or fork to its end.

use super::calls;
use super::errno::Errno;
use super::signals::{SIGABRT, SIGFPE, SIGILL, SIGKILL, SIGSEGV};
use super::stop::Leave;
use super::{Machine, STACK_BYTES};
use crate::host::{Guest, Host, Step};
use crate::options::{FramesIn, Options};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use wasmparser::{Parser, Payload};
use wasmtime::{Linker, Result, Trap, UpdateDeadline, Val};

/// Where the programs of the C library begin.
const START: &str = "_start";

/// What the host's functions know of the guest that calls them.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) pid: i32,
    pub(super) machine: Arc<Machine>,
}

/// A program that can be run.
pub(super) struct Program {
    host: Arc<Host<Context>>,
    /// Whether it asks for its signals.
    delivers: bool,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("delivers", &self.delivers).finish_non_exhaustive()
    }
}

type Made = Result<Arc<Program>, String>;

/// Where a program is, once somebody has compiled it.
type Place = Arc<OnceLock<Made>>;

/// All programs that were run, by their bytes: each is compiled once.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<HashMap<Arc<[u8]>, Place>>);

/// Which functions a module imports that matter here.
#[derive(Default)]
struct Imports {
    forks: bool,
    delivers: bool,
    is_instrumented: bool,
    is_wasi: bool,
}

impl Imports {
    fn of(wasm: &[u8]) -> Result<Imports, wasmparser::BinaryReaderError> {
        let mut imports = Imports::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match (import.module, import.name) {
                            ("kernel", "kernel_fork") => imports.forks = true,
                            ("kernel", "kernel_next_signal") => imports.delivers = true,
                            (module, _) if module.starts_with("wasi_") => imports.is_wasi = true,
                            _ => {}
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        imports.is_instrumented |= export?.name == "wpk_fork_state";
                    }
                }
                _ => {}
            }
        }
        Ok(imports)
    }
}

impl Machine {
    /// The program at an absolute path.
    pub(super) fn program(self: &Arc<Self>, path: &str) -> Made {
        let contents = self.mounts.contents(path);
        let wasm = contents.map_err(|errno| match errno {
            Errno::NOENT => format!("there is no {path}"),
            Errno(number) => format!("{path} can't be run: error {number}"),
        })?;
        self.compiled(path, &wasm)
    }

    pub(super) fn compiled(&self, path: &str, wasm: &Arc<[u8]>) -> Made {
        let place = {
            let mut shelf = self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.entry(wasm.clone()).or_default().clone()
        };
        let made = place.get_or_init(|| {
            self.compile(wasm).map(Arc::new).map_err(|why| format!("{path} can't be run: {why}"))
        });
        made.clone()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Program, String> {
        let imports = Imports::of(wasm).map_err(|error| format!("it is no module: {error}"))?;
        if imports.is_wasi {
            return Err("it is a WASI command, which runs alone".to_owned());
        }
        let mut linker = Linker::new(&self.engine);
        calls::add_to_linker(&mut linker).map_err(|error| format!("{error:#}"))?;
        let output;
        let mut run = wasm;
        if imports.forks && !imports.is_instrumented {
            let options = Options::default().frames_in(FramesIn::Own);
            output = crate::instrument(wasm, &options).map_err(|error| error.to_string())?;
            run = &output.wasm;
        }
        let host = Host::new(run, linker).map_err(|error| format!("{error:#}"))?;
        let host = host.on_no_room(&[Val::I32(-Errno::AGAIN.0)]).shared();
        Ok(Program { host, delivers: imports.delivers })
    }
}

/// What a thread does next with its guest.
enum Next {
    Start(Arc<Program>),
    Resume(Guest<Context>, i32),
}

/// Starts a thread for a process that has none yet.
pub(super) fn start(machine: &Arc<Machine>, pid: i32, program: Arc<Program>) -> Result<()> {
    spawn(machine, pid, Next::Start(program)).inspect_err(|_| {
        machine.lock().end(pid, SIGKILL);
    })
}

fn spawn(machine: &Arc<Machine>, pid: i32, first: Next) -> Result<()> {
    machine.lock().threads += 1;
    let context = Context { pid, machine: machine.clone() };
    let thread = thread::Builder::new().name(format!("process {pid}"));
    let spawned = thread.stack_size(STACK_BYTES + (1 << 20)).spawn(move || {
        let machine = context.machine.clone();
        let status = live(context, first);
        let mut state = machine.lock();
        state.end(pid, status);
        state.threads -= 1;
        machine.wake();
    });
    if let Err(error) = spawned {
        machine.lock().threads -= 1;
        return Err(error.into());
    }
    Ok(())
}

/// Runs a process to its end; returns its wait status.
fn live(context: Context, mut next: Next) -> i32 {
    loop {
        let (mut guest, stepped) = match next {
            Next::Start(program) => {
                let begun = begin(&context, &program);
                match begun {
                    Ok(mut guest) => {
                        let stepped = guest.call(START, &[]);
                        (guest, stepped)
                    }
                    Err(error) => match left(&context, &error) {
                        Ok(status) => return status,
                        Err(program) => {
                            next = Next::Start(program);
                            continue;
                        }
                    },
                }
            }
            Next::Resume(mut guest, value) => {
                let stepped = guest.resume(&[Val::I32(value)]);
                (guest, stepped)
            }
        };
        next = match stepped {
            Ok(Step::Done(_)) => return 0,
            Ok(Step::Paused(_)) => {
                let answer = forked(&context, &mut guest).unwrap_or_else(|errno| -errno.0);
                Next::Resume(guest, answer)
            }
            Err(error) => match left(&context, &error) {
                Ok(status) => return status,
                Err(program) => Next::Start(program),
            },
        };
    }
}

/// The instance of a program for a process.
fn begin(context: &Context, program: &Arc<Program>) -> Result<Guest<Context>> {
    if let Ok(process) = context.machine.lock().process_mut(context.pid) {
        process.signals.delivers = program.delivers;
    }
    let mut guest = program.host.start(context.clone())?;
    interrupt(&mut guest, context);
    Ok(guest)
}

/// A guest that computes is left when it is killed.
fn interrupt(guest: &mut Guest<Context>, context: &Context) {
    let context = context.clone();
    let store = guest.store();
    // Looked at for the first time at once: it may have been killed before.
    store.set_epoch_deadline(0);
    store.epoch_deadline_callback(move |_| {
        let mut state = context.machine.lock();
        match state.process_mut(context.pid).ok().and_then(|process| process.signals.fatal()) {
            Some(signal) => Err(Leave::Exit(signal).into()),
            None => Ok(UpdateDeadline::Continue(1)),
        }
    });
}

/// Makes a child of a guest that waits at the fork; returns its number.
fn forked(context: &Context, guest: &mut Guest<Context>) -> Result<i32, Errno> {
    let machine = &context.machine;
    let pid = machine.lock().fork(context.pid)?;
    let of_child = Context { pid, machine: machine.clone() };
    let child = guest.fork(of_child.clone()).map(|mut child| {
        interrupt(&mut child, &of_child);
        child
    });
    let started = child.and_then(|child| spawn(machine, pid, Next::Resume(child, 0)));
    if let Err(error) = started {
        eprintln!("wasm-fork: process {} can't fork: {error:#}", context.pid);
        machine.lock().processes.remove(&pid);
        return Err(Errno::AGAIN);
    }
    if machine.verbose {
        eprintln!("wasm-fork: process {} has forked {pid}", context.pid);
    }
    Ok(pid)
}

/// A guest was left by an error: the process ends with a wait status, or another program takes its place.
fn left(context: &Context, error: &wasmtime::Error) -> Result<i32, Arc<Program>> {
    match error.downcast_ref::<Leave>() {
        Some(Leave::Exit(status)) => return Ok(*status),
        Some(Leave::Exec(program, image)) => {
            if let Ok(process) = context.machine.lock().process_mut(context.pid) {
                process.descriptors.retain(|_, slot| !slot.closes_on_exec);
                process.signals.reset();
                process.image = image.clone();
            }
            context.machine.wake();
            return Err(program.clone());
        }
        None => {}
    }
    let name =
        context.machine.lock().process(context.pid).map(|process| process.image.path.clone());
    eprintln!("wasm-fork: {}, process {}: {error:?}", name.unwrap_or_default(), context.pid);
    Ok(match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => SIGILL,
        Some(Trap::IntegerDivisionByZero | Trap::IntegerOverflow) => SIGFPE,
        Some(_) => SIGSEGV,
        None => SIGABRT,
    })
}
