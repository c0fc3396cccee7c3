//! A small kernel: programs as processes, with fork, exec, pipes, wait, signals, files of the host.
//!
//! What it runs are programs of a C library whose system calls are the import `kernel.kernel_syscall(number, six arguments)`, with Linux's
//! numbers for i386, beside `kernel.kernel_fork`, `kernel.kernel_args` and `kernel.kernel_next_signal`. A module that isn't instrumented yet
//! is when it is run for the first time.
//!
//! ```no_run
//! use wasm_fork::host::kernel::{Access, Kernel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut kernel = Kernel::new()?;
//! kernel.program("dash", &std::fs::read("dash.wasm")?)?;
//! kernel.directory(".", "/work", Access::ReadOnly)?;
//! let status = kernel.run("/bin/dash", ["dash", "-c", "echo one | { read x; echo $x; }"])?;
//! assert_eq!(status, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # How it is made
//!
//! Each process has a thread and an instance of its own (`process`). What they share is one table (`state`) under a lock; whoever
//! must wait does so at one condition, which is told of every change. A system call (`calls`) knows its process by number.
//! `mounts` has what paths lead to, `open_file` what descriptors stand for, `console` the host's own streams.

mod calls;
mod console;
mod errno;
mod memory;
mod mounts;
mod open_file;
mod pipe;
mod process;
mod signals;
mod state;
mod stop;

use crate::read::text_to_binary;
use console::Stream;
use mounts::Mounts;
use open_file::{Kind, OpenFile};
use process::Shelf;
use signals::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH, Signals};
use state::{Image, State};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use stop::Stop;
use wasmtime::{Engine, Result, format_err};

/// How deep the stack of a program may get, in bytes.
const STACK_BYTES: usize = 2 << 20;

/// What processes may do in a directory of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read what is there.
    ReadOnly,
    /// Also change it.
    ReadWrite,
}

/// Processes that share one machine. See [the module](self).
#[derive(Debug)]
pub struct Kernel {
    mounts: Mounts,
    engine: Engine,
    env: Vec<Vec<u8>>,
    directory: String,
    shelf: Arc<Shelf>,
    verbose: bool,
}

/// What a kernel is while it runs.
#[derive(Debug)]
struct Machine {
    engine: Engine,
    mounts: Mounts,
    state: Mutex<State>,
    changed: Condvar,
    shelf: Arc<Shelf>,
    verbose: bool,
    /// The system calls that were asked for and are not there.
    missing: Mutex<BTreeSet<i32>>,
    started: Instant,
}

impl Kernel {
    /// A kernel without programs and directories. The environment is `PATH=/bin:/usr/bin` and `HOME=/`.
    ///
    /// # Errors
    /// If the engine can't be made on this machine.
    pub fn new() -> Result<Kernel> {
        let mut config = super::config();
        config.max_wasm_stack(STACK_BYTES).epoch_interruption(true);
        Ok(Kernel {
            mounts: Mounts::default(),
            engine: Engine::new(&config)?,
            env: vec![b"PATH=/bin:/usr/bin".to_vec(), b"HOME=/".to_vec()],
            directory: "/".to_owned(),
            shelf: Arc::default(),
            verbose: false,
        })
    }

    /// Gives a program (binary or text) a name in `/bin`.
    ///
    /// # Errors
    /// If it is no module.
    pub fn program(&mut self, name: &str, wasm: &[u8]) -> crate::Result<()> {
        let wasm = text_to_binary(wasm)?;
        self.mounts.add_program(name, wasm[..].into());
        Ok(())
    }

    /// Whether a program has that name in `/bin`.
    pub fn has_program(&self, name: &str) -> bool {
        self.mounts.program(name).is_some()
    }

    /// Gives a program of many tools, as busybox is one, the names of all of them in `/bin`, but those that are taken. It is asked which
    /// they are: `busybox --list`.
    ///
    /// # Errors
    /// If it can't be run, or knows none.
    pub fn tools(&mut self, wasm: &[u8]) -> Result<()> {
        let wasm: Arc<[u8]> = text_to_binary(wasm)?[..].into();
        let mut asked = Mounts::default();
        asked.add_program("busybox", wasm.clone());
        let machine = self.machine(asked);
        let argv = vec![b"busybox".to_vec(), b"--list".to_vec()];
        let image = Image { path: "/bin/busybox".into(), argv, env: Vec::new() };
        let kept = Arc::new(Mutex::new(Vec::new()));
        let null = || OpenFile::new(Kind::text(Vec::new().into()), 0);
        let output = OpenFile::new(Kind::Kept(kept.clone()), 1);
        let status = machine.run(image, "/".into(), [null(), output.clone(), output])?;
        let list = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let list = String::from_utf8_lossy(&list);
        if status != 0 || list.trim().is_empty() {
            return Err(format_err!("the program knows no tools: `busybox --list` printed none"));
        }
        for name in list.split_whitespace().chain(["busybox"]) {
            if !self.has_program(name) {
                self.mounts.add_program(name, wasm.clone());
            }
        }
        Ok(())
    }

    /// Opens a directory of the host under the path `guest`.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn directory(
        &mut self,
        host: impl AsRef<Path>,
        guest: &str,
        access: Access,
    ) -> io::Result<()> {
        self.mounts.add(host.as_ref(), guest, access == Access::ReadWrite)
    }

    /// Whether a directory is open that has this path in it.
    pub fn has_directory(&self, guest: &str) -> bool {
        self.mounts.has(guest)
    }

    /// Sets a variable of the first program's environment.
    pub fn variable(&mut self, name: &str, value: &str) {
        let start = format!("{name}=");
        self.env.retain(|variable| !variable.starts_with(start.as_bytes()));
        self.env.push(format!("{start}{value}").into_bytes());
    }

    /// Sets in which directory the first program starts: `/` without.
    pub fn start_in(&mut self, guest: &str) {
        guest.clone_into(&mut self.directory);
    }

    /// Sets whether each process and each system call that is not there is told of on the standard error.
    pub fn verbose(&mut self, verbose: bool) {
        self.verbose = verbose;
    }

    /// Runs the program at `path` on the host's standard streams, until it and all that it started have ended. Returns its exit
    /// status, as a shell has it: 128 and the number of a signal that it died of.
    ///
    /// While it runs the host's signals SIGINT, SIGQUIT and SIGWINCH go to the processes in the foreground, SIGTERM and SIGHUP to all.
    /// A program runs a handler after its next system call; one that makes none is ended by the second SIGINT or SIGQUIT.
    ///
    /// A process that traps says so on the standard error, and ends as by SIGILL, SIGFPE or SIGSEGV.
    ///
    /// # Errors
    /// If there is no such program, or it can't be run.
    pub fn run<A: Into<Vec<u8>>>(
        self,
        path: &str,
        argv: impl IntoIterator<Item = A>,
    ) -> Result<i32> {
        let argv = argv.into_iter().map(Into::into).collect();
        let image = Image { path: path.to_owned(), argv, env: self.env.clone() };
        let directory = self.directory.clone();
        let machine = self.into_machine();
        let streams = [(Stream::Input, 2), (Stream::Output, 2), (Stream::Error, 2)];
        let files = streams.map(|(stream, flags)| OpenFile::new(Kind::Stream(stream), flags));
        let signals = [SIGINT, SIGQUIT, SIGWINCH, SIGTERM, SIGHUP];
        let mut signals = signal_hook::iterator::Signals::new(signals)?;
        let handle = signals.handle();
        let told = machine.clone();
        let listener = std::thread::spawn(move || {
            signals.forever().for_each(|signal| told.signal(signal));
        });
        let status = machine.run(image, directory, files);
        handle.close();
        // It has ended, or a signal could be lost.
        let _ = listener.join();
        console::restore();
        if machine.verbose {
            let missing = machine.missing.lock().unwrap_or_else(PoisonError::into_inner);
            missing.iter().for_each(|number| eprintln!("wasm-fork: no system call {number}"));
        }
        status
    }

    fn machine(&self, mounts: Mounts) -> Arc<Machine> {
        Arc::new(Machine {
            engine: self.engine.clone(),
            mounts,
            state: Mutex::default(),
            changed: Condvar::new(),
            shelf: self.shelf.clone(),
            verbose: self.verbose,
            missing: Mutex::default(),
            started: Instant::now(),
        })
    }

    fn into_machine(mut self) -> Arc<Machine> {
        let mounts = std::mem::take(&mut self.mounts);
        self.machine(mounts)
    }
}

impl Machine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everyone who waits looks again whether it still must. The lock must be held, or have been since the change.
    fn wake(&self) {
        self.changed.notify_all();
    }

    /// Runs a program with these standard streams to its end, and all that it starts.
    fn run(
        self: &Arc<Self>,
        image: Image,
        directory: String,
        files: [Arc<OpenFile>; 3],
    ) -> Result<i32> {
        let host = self.program(&image.path).map_err(|error| format_err!("{error}"))?;
        let pid = {
            let mut state = self.lock();
            let pid = state.first(image, directory);
            for file in files {
                let process = state.process_mut(pid).map_err(|_| format_err!("no process"))?;
                process.add(file, false, 0).map_err(|_| format_err!("no descriptor"))?;
            }
            pid
        };
        process::start(self, pid, host)?;
        let mut state = self.lock();
        let mut hung_up = false;
        while state.threads > 0 {
            // What a shell leaves behind on a terminal ends with it.
            if state.root_ended.is_some() && !hung_up && Stream::Input.is_terminal() {
                hung_up = true;
                for other in state.targets(pid, -1) {
                    self.raise(&mut state, other, SIGHUP);
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let status = state.root_ended.unwrap_or(0);
        Ok(if status & 127 != 0 { 128 + (status & 127) } else { status >> 8 & 255 })
    }

    /// Sends a signal to a process.
    fn raise(&self, state: &mut State, pid: i32, signal: i32) {
        self.raise_by(state, pid, |signals| signals.raise(signal));
    }

    fn raise_by(&self, state: &mut State, pid: i32, raise: impl FnOnce(&mut Signals)) {
        let Ok(process) = state.process_mut(pid) else { return };
        if process.ended.is_some() {
            return;
        }
        raise(&mut process.signals);
        if process.signals.fatal().is_some() {
            // It may be computing.
            self.engine.increment_epoch();
        }
        self.wake();
    }

    /// A signal that the host itself has got.
    fn signal(&self, signal: i32) {
        let mut state = self.lock();
        let foreground = -state.foreground;
        let to_all = matches!(signal, SIGTERM | SIGHUP);
        let mut targets = state.targets(0, if to_all { -1 } else { foreground });
        if targets.is_empty() && signal != SIGWINCH {
            targets = state.targets(0, -1);
        }
        for target in targets {
            self.raise_by(&mut state, target, |signals| match signal {
                SIGINT | SIGQUIT => signals.raise_again(signal),
                signal => signals.raise(signal),
            });
        }
    }

    /// Tells those who wait when there is something to read from a stream.
    fn watch(self: &Arc<Self>, file: &Arc<OpenFile>) {
        let (machine, file) = (self.clone(), file.clone());
        std::thread::spawn(move || {
            if let Kind::Stream(stream) = &file.kind {
                stream.wait();
            }
            file.is_watched.store(false, std::sync::atomic::Ordering::Relaxed);
            drop(file);
            let _state = machine.lock();
            machine.wake();
        });
    }

    /// Calls `attempt` until it returns something, or it is too late (`None`). A signal ends the waiting with EINTR.
    fn wait<R>(
        &self,
        pid: i32,
        until: Option<Instant>,
        mut attempt: impl FnMut(&mut State) -> Result<Option<R>, Stop>,
    ) -> Result<Option<R>, Stop> {
        let mut state = self.lock();
        loop {
            if let Some(done) = attempt(&mut state)? {
                return Ok(Some(done));
            }
            let signals = &mut state.process_mut(pid)?.signals;
            if let Some(signal) = signals.fatal() {
                return Err(Stop::killed(signal));
            }
            if signals.interrupt() {
                return Err(errno::Errno::INTR.into());
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(rest) if rest.is_zero() => return Ok(None),
                Some(rest) => {
                    self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
