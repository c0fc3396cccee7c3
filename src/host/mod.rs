//! A host for programs that were instrumented, under an embedded Wasmtime: fork, pause and resume, snapshots.
//!
//! A [`Host`] is one compiled module with what it imports; a [`Guest`] is a running program. Whenever the program calls an entry, its
//! stack goes to memory and [`Guest::call`] returns [`Step::Paused`]: the embedder does what the entry is for, in its own time, and
//! lets the program go on by [`Guest::resume`], with what the entry returns. In between it can make a second program of the
//! first, [`Guest::fork`], or write it down, [`Guest::snapshot`], to go on in another process or on another day: [`Host::restore`].
//!
//! ```
//! use wasm_fork::host::{self, Host, Step};
//! use wasm_fork::host::wasmtime::{Engine, Linker, Val};
//! use wasm_fork::{EntryPattern, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = br#"(module
//!     (import "env" "ask" (func $ask (param i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (func (export "sum") (result i32)
//!         (i32.add (call $ask (i32.const 1)) (call $ask (i32.const 2)))))"#;
//! let entry = EntryPattern::exact("env", "ask");
//! let output = wasm_fork::instrument(module, &Options::default().entries([entry.clone()]))?;
//!
//! let engine = Engine::new(&host::config())?;
//! let host = Host::new(&output.wasm, Linker::<()>::new(&engine))?.entries([entry]).shared();
//! let mut guest = host.start(())?;
//! let Step::Paused(call) = guest.call("sum", &[])? else { panic!("it asks") };
//! assert_eq!((call.entry.as_str(), call.args[0].unwrap_i32()), ("env.ask", 1));
//! let saved = guest.snapshot()?;
//! assert!(matches!(guest.resume(&[Val::I32(30)])?, Step::Paused(_)));
//! let Step::Done(sum) = guest.resume(&[Val::I32(12)])? else { panic!("it has asked twice") };
//! assert_eq!(sum[0].unwrap_i32(), 42);
//!
//! // Elsewhere, from the bytes: another engine, another instance, in the middle of the sum.
//! let engine = Engine::new(&host::config())?;
//! let entry = EntryPattern::exact("env", "ask");
//! let host = Host::new(&output.wasm, Linker::<()>::new(&engine))?.entries([entry]).shared();
//! let mut guest = host.restore(&saved, ())?;
//! assert!(matches!(guest.resume(&[Val::I32(1)])?, Step::Paused(_)));
//! let Step::Done(sum) = guest.resume(&[Val::I32(2)])? else { panic!("it has asked twice") };
//! assert_eq!(sum[0].unwrap_i32(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # What goes along
//!
//! A copy, by fork or snapshot, has the memories that the module exports, its mutable globals and its stack. The embedder brings
//! the rest: what the host's functions know (`T`), which is given to [`Guest::fork`] and [`Host::restore`] anew. A module that
//! changes its tables, or has a memory that it doesn't export, is not copied: that is an error which says so. A start function runs again in
//! each copy, before the memory is brought over.
//!
//! References that the stack holds go along if the module was instrumented with [`Options::carry_references`](crate::Options::carry_references),
//! and all of them are null or of functions of the module. With any other, of the host's, a struct, an exception, the copy is an error, and the
//! program can go on.

pub(crate) mod carried;
#[cfg(all(feature = "run", unix))]
mod command;
mod guest;
#[cfg(all(feature = "run", unix))]
pub mod kernel;
pub(crate) mod program;
pub(crate) mod protocol;
mod shape;
mod snapshot;
mod stack;

#[cfg(all(feature = "run", unix))]
pub use command::Command;
pub use guest::Guest;
pub use wasmtime;

use crate::options::EntryPattern;
use program::{Program, refused};
use shape::Shape;
use std::fmt;
use std::sync::Arc;
use wasmtime::{Caller, Config, Engine, Linker, Result, Val, format_err};

/// How much room frames may get unless a host says otherwise, in bytes.
const MAX_ROOM: u64 = 64 << 20;

type Decide<T> = dyn Fn(&mut Caller<'_, T>, &Call) -> Result<Answer> + Send + Sync;

/// All proposals that Wasmtime runs and instrumented modules may use, for an [`Engine`].
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_tail_call(true)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_wide_arithmetic(true)
        .wasm_custom_page_sizes(true)
        .wasm_extended_const(true);
    config
}

/// A call of an entry.
#[derive(Clone, Debug)]
pub struct Call {
    /// The import, as `MODULE.NAME`.
    pub entry: String,
    /// Its arguments.
    pub args: Vec<Val>,
}

/// What [`Host::at_entry`] makes of a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The entry returns these values at once, as any import does.
    Return(Vec<Val>),
    /// The program pauses.
    Pause,
}

/// What a call of an export has come to.
#[derive(Clone, Debug)]
pub enum Step {
    /// It has returned, with these values.
    Done(Vec<Val>),
    /// The program waits at an entry; [`Guest::resume`] lets it go on.
    Paused(Call),
}

/// What runs the programs of one module: compiled once, for any number of guests, in any threads.
///
/// `T` is what the functions of the linker know, as in `wasmtime::Store<T>`. The linker must hold nothing that belongs to a store.
pub struct Host<T: 'static> {
    program: Program,
    shape: Shape,
    linker: Linker<T>,
    entries: Vec<EntryPattern>,
    decide: Option<Box<Decide<T>>>,
    on_no_room: Option<Vec<Val>>,
    max_room: u64,
}

impl<T: 'static> Host<T> {
    /// Compiles an instrumented module. The linker has what it imports besides its entries; its engine should be made from [`config`].
    ///
    /// Without [`entries`](Host::entries) the entry is `kernel.kernel_fork`, as in [`Options`](crate::Options).
    ///
    /// # Errors
    /// If the engine doesn't take the module.
    pub fn new(wasm: &[u8], linker: Linker<T>) -> Result<Host<T>> {
        Host::with_resume_module(wasm, None, linker)
    }

    /// The same with the module's [resume module](crate::Options::resume_module).
    ///
    /// # Errors
    /// If the engine doesn't take one of them.
    pub fn with_resume_module(
        wasm: &[u8],
        resume_module: Option<&[u8]>,
        linker: Linker<T>,
    ) -> Result<Host<T>> {
        let program = Program::new(linker.engine(), wasm, resume_module)
            .map_err(|error| format_err!("{}", refused("the module", wasm, &error)))?;
        Ok(Host {
            program,
            shape: Shape::of(wasm)?,
            linker,
            entries: crate::Options::default().entries,
            decide: None,
            on_no_room: None,
            max_room: MAX_ROOM,
        })
    }

    /// Sets at which imports programs pause: those that the module was instrumented for.
    #[must_use]
    pub fn entries(mut self, entries: impl IntoIterator<Item = EntryPattern>) -> Host<T> {
        self.entries = entries.into_iter().collect();
        self
    }

    /// Sets what decides at a call of an entry whether the program pauses. Without, it always does.
    #[must_use]
    pub fn at_entry(
        mut self,
        decide: impl Fn(&mut Caller<'_, T>, &Call) -> Result<Answer> + Send + Sync + 'static,
    ) -> Host<T> {
        self.decide = Some(Box::new(decide));
        self
    }

    /// Sets what an entry returns where the stack can't be saved: there is no room, a function was not prepared, or a reference is in
    /// the way. Without, such a call ends the program with an error.
    #[must_use]
    pub fn on_no_room(mut self, values: &[Val]) -> Host<T> {
        self.on_no_room = Some(values.to_vec());
        self
    }

    /// Sets how much room frames may get, in bytes: 64 MiB without.
    #[must_use]
    pub fn max_room(mut self, bytes: u64) -> Host<T> {
        self.max_room = bytes;
        self
    }

    /// What guests are made from.
    pub fn shared(self) -> Arc<Host<T>> {
        Arc::new(self)
    }

    /// The engine that it was compiled for.
    pub fn engine(&self) -> &Engine {
        self.linker.engine()
    }

    /// A program of which nothing was called yet. Its start function runs.
    ///
    /// # Errors
    /// If something that it imports is missing, or its start function traps.
    pub fn start(self: &Arc<Self>, data: T) -> Result<Guest<T>> {
        Guest::instantiate(self, data)
    }

    /// A program that [`Guest::snapshot`] has written down, in a fresh instance: it waits where it did.
    ///
    /// # Errors
    /// If the bytes are no snapshot of this very module, or the instance can't be made.
    pub fn restore(self: &Arc<Self>, snapshot: &[u8], data: T) -> Result<Guest<T>> {
        snapshot::restore(self, snapshot, data)
    }

    fn decide(&self, caller: &mut Caller<'_, T>, call: &Call) -> Result<Answer> {
        self.decide.as_ref().map_or(Ok(Answer::Pause), |decide| decide(caller, call))
    }

    /// What an entry returns where the stack can't be saved.
    fn refusal(&self, call: &Call) -> Result<Vec<Val>> {
        self.on_no_room.clone().ok_or_else(|| {
            format_err!(
                "the stack can't be saved at {}: its frames need more than {} bytes, hold a reference, or are of a function that \
                 was not prepared",
                call.entry,
                self.max_room
            )
        })
    }
}

impl<T: 'static> fmt::Debug for Host<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("entries", &self.entries).finish_non_exhaustive()
    }
}
