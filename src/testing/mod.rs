//! A kit for tests: does a program mean the same however its stack is unwound and rewound?
//!
//! A [`Storm`] runs a module under an embedded Wasmtime, then what [`instrument`](crate::instrument) makes of it: without any unwind;
//! with one at each call of an entry, for every call; and with one at every call. Each time the stack is rewound in the same
//! instance, and in a fresh one over a copy of the memory. What comes of exports, calls of imports, exported globals, memory, and what
//! the host has to show must be the original's.
//!
//! ```
//! use wasm_fork::testing::{Storm, Wasi};
//! use wasm_fork::{EntryPattern, Options};
//!
//! # let module = br#"(module
//! #     (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
//! #     (memory (export "memory") 1)
//! #     (data (i32.const 0) "\08\00\00\00\03\00\00\00hi\n")
//! #     (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
//! let entry = EntryPattern::exact("wasi_snapshot_preview1", "fd_write");
//! let storm = Storm::command(module, &Options::default().entries([entry]), Wasi::default().args(["hi"]));
//! assert_eq!(storm.run()?.entry_calls, 1);
//! # Ok::<_, wasm_fork::testing::Failure>(())
//! ```
//!
//! The guide's chapter on [testing](crate::guide::testing) has the whole of it: what is compared, other hosts than WASI, and what a
//! storm does not prove.
//!
//! # How it is made
//!
//! Between the program and each of its imports stands a function of the kit: `kit` has the host's side of the protocol, `guest` the
//! instances and their copies, `drive` calls the exports, and `observe` compares. `adapter` lets a function of the host's find the
//! program's memory, through the function of the kit. [`Wasi`] is the same in each run.
//!
//! Invariant: whatever the program sees, it sees in every run, the original's too: memory is larger by the same buffer, and what lies in
//! that is put back before the program goes on.

mod adapter;
mod compared;
mod drive;
mod engine;
mod failure;
mod guest;
mod kit;
mod observe;
mod program;
mod value;

pub use crate::wasi::Wasi;
pub use compared::Compared;
pub use failure::{Failure, Rewound, Way};
pub use wasmtime;

use crate::Output;
use crate::host::program::refused;
use crate::host::protocol::Broken;
use crate::options::Options;
use crate::read::{self, text_to_binary};
use crate::report::frames;
use crate::shim::{RECORD_EXPORT, Recorded};
use drive::{Policy, Ran};
use guest::{Setup, Unknown};
use kit::When;
use observe::Observation;
use program::{Outline, Program};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use wasmtime::{Linker, Module, Store, Val};

/// How much room frames get unless a storm says otherwise.
const BUFFER_BYTES: usize = 1 << 20;

/// How many times as much as the original an instrumented program may take, and how much more: of fuel, which is about one for each
/// instruction.
const FUEL_FACTOR: u64 = 20;
const FUEL_MORE: u64 = 100_000_000;

type Link<T> = dyn Fn(&mut Linker<T>, &mut Store<T>, &Module) -> wasmtime::Result<()>;

type Show<T> = dyn Fn(&T) -> Vec<(String, Vec<u8>)>;

/// An export to call, with its arguments.
#[derive(Clone, Debug)]
struct Invoke {
    export: String,
    args: Vec<Val>,
}

/// An instrumented module.
#[derive(Clone, Debug)]
struct Given {
    wasm: Vec<u8>,
    resume_module: Option<Vec<u8>>,
    /// How many functions were rewritten, of how many; `None` if it was made elsewhere.
    instrumented: Option<(usize, usize)>,
}

/// A test of one program: what to run, under which host, and in how many ways.
///
/// `T` is what the host's functions know, as in `wasmtime::Store<T>`. It must hold nothing that belongs to a store (a `Func`, a `Memory`):
/// it moves to a fresh instance's store.
pub struct Storm<T: 'static = Wasi> {
    original: Vec<u8>,
    options: Options,
    given: Option<Given>,
    host: Box<dyn Fn() -> T>,
    link: Box<Link<T>>,
    show: Box<Show<T>>,
    invokes: Vec<Invoke>,
    instances: Option<Vec<Rewound>>,
    at_most: usize,
    buffer_bytes: usize,
    may_be_undone: bool,
    fuel: u64,
    records: bool,
}

impl Storm<Wasi> {
    /// A WASI command (binary or text), which `_start` runs. Each run begins with `wasi` as it is. Entries are imports of WASI: the call
    /// is made when the stack is back.
    ///
    /// Functions of WASI preview 1 are all that it may import. For anything else see [`Storm::new`].
    pub fn command(module: &[u8], options: &Options, wasi: Wasi) -> Storm<Wasi> {
        let link = |linker: &mut Linker<Wasi>, _: &mut Store<Wasi>, module: &Module| {
            Wasi::add_to_linker(linker, |wasi| wasi)?;
            Wasi::refuse_sockets(linker, module)
        };
        Storm::new(module, options, move || wasi.clone(), link).show(Wasi::seen)
    }
}

impl<T: 'static> Storm<T> {
    /// A module (binary or text) under a host: what a run's host knows at its beginning, and what gives a linker all that the module
    /// imports. Both are called for each run, and `link` for each fresh instance, too.
    ///
    /// The host's functions know nothing of the protocol: an entry among them does what it does for the original. It is called once
    /// for each call that the program makes, when the stack is back.
    pub fn new(
        module: &[u8],
        options: &Options,
        host: impl Fn() -> T + 'static,
        link: impl Fn(&mut Linker<T>, &mut Store<T>, &Module) -> wasmtime::Result<()> + 'static,
    ) -> Storm<T> {
        Storm {
            original: module.to_vec(),
            options: options.clone(),
            given: None,
            host: Box::new(host),
            link: Box::new(link),
            show: Box::new(|_| Vec::new()),
            invokes: Vec::new(),
            instances: None,
            at_most: usize::MAX,
            buffer_bytes: BUFFER_BYTES,
            may_be_undone: false,
            fuel: u64::MAX / 2,
            records: false,
        }
    }

    /// Calls this export with these arguments, after those that were named before. Without, `_start` is called.
    #[must_use]
    pub fn call(mut self, export: &str, args: &[Val]) -> Storm<T> {
        self.invokes.push(Invoke { export: export.to_owned(), args: args.to_vec() });
        self
    }

    /// Sets what else there is to compare after a run: of what the host knows, bytes by name.
    #[must_use]
    pub fn show(mut self, show: impl Fn(&T) -> Vec<(String, Vec<u8>)> + 'static) -> Storm<T> {
        self.show = Box::new(show);
        self
    }

    /// Runs this instrumented module instead of what [`instrument`](crate::instrument) makes of the original.
    #[must_use]
    pub fn instrumented(mut self, wasm: Vec<u8>, resume_module: Option<Vec<u8>>) -> Storm<T> {
        self.given = Some(Given { wasm, resume_module, instrumented: None });
        self
    }

    /// Rewinds only there. Without, in both, unless the options say that no stack is rewound in another instance.
    #[must_use]
    pub fn instances(mut self, instances: impl IntoIterator<Item = Rewound>) -> Storm<T> {
        self.instances = Some(instances.into_iter().collect());
        self
    }

    /// Unwinds at no more than so many single calls of an entry, evenly spread over all that the program makes. Without, at each.
    #[must_use]
    pub fn at_most(mut self, calls: usize) -> Storm<T> {
        self.at_most = calls;
        self
    }

    /// Sets how much room frames get, in bytes. Without it is a mebibyte.
    #[must_use]
    pub fn buffer_bytes(mut self, bytes: usize) -> Storm<T> {
        self.buffer_bytes = bytes;
        self
    }

    /// Sets whether an unwind may be undone, because a reference or an exception can't be saved or there is no room. The program
    /// goes on then, and the entry does what it does. Without, that is a failure.
    #[must_use]
    pub fn may_be_undone(mut self, may: bool) -> Storm<T> {
        self.may_be_undone = may;
        self
    }

    /// Sets how much fuel the original may take: about one for each instruction. Without there is no limit. What is instrumented
    /// may take twenty times what the original has taken, and 100 million more.
    #[must_use]
    pub fn fuel(mut self, fuel: u64) -> Storm<T> {
        self.fuel = fuel.min(u64::MAX / 2);
        self
    }

    /// Sets whether to make a profile of the stacks at all calls of an entry: [`Compared::profile`].
    #[must_use]
    pub fn record_profile(mut self, record: bool) -> Storm<T> {
        self.records = record;
        self
    }

    /// Runs and compares everything.
    ///
    /// # Errors
    /// A [`Failure`] as soon as there is one.
    pub fn run(&self) -> Result<Compared, Failure> {
        let bytes = text_to_binary(&self.original)?;
        let original = &bytes[..];
        let given = self.given(original)?;
        let outline = Outline::of(original, &self.options)?;
        let instances = self.chosen_instances(&outline)?;
        let engine = program::engine().map_err(setup)?;
        let compile = |which: &str, wasm: &[u8], resumes: Option<&[u8]>| {
            crate::stage(&format!("compile {which}"));
            let program = Program::new(&engine, wasm, resumes);
            program.map(Arc::new).map_err(|error| Failure::Setup(refused(which, wasm, &error)))
        };
        let original = compile("the original", original, None)?;
        let rewritten =
            compile("the instrumented module", &given.wasm, given.resume_module.as_deref())?;
        let (entries, buffer_bytes) = (&self.options.entries, self.buffer_bytes);
        let (engine, link) = (&engine, &*self.link);
        let setup = Setup { engine, link, entries, outline, buffer_bytes };
        let (mut compared, stacks) = self.compare(&setup, &original, &rewritten, &instances)?;
        compared.instrumented = given.instrumented;
        if self.records {
            let stacks = stacks.iter().map(|(frames, count)| (&frames[..], *count));
            compared.profile = Some(frames::profile_of(&read::Module::read(&bytes)?, stacks)?);
        }
        Ok(compared)
    }

    /// What to run beside the original.
    fn given(&self, original: &[u8]) -> Result<Cow<'_, Given>, Failure> {
        if let Some(given) = &self.given {
            return Ok(Cow::Borrowed(given));
        }
        let Output { wasm, resume_module, summary, .. } =
            crate::instrument(original, &self.options)?;
        let instrumented = Some((summary.instrumented, summary.functions));
        Ok(Cow::Owned(Given { wasm, resume_module, instrumented }))
    }

    fn chosen_instances(&self, outline: &Outline) -> Result<Vec<Rewound>, Failure> {
        let is_same = self.options.same_instance;
        let leaves_globals = self.options.abi.is_asyncify();
        let default = match is_same || leaves_globals {
            true => vec![Rewound::Same],
            false => vec![Rewound::Same, Rewound::Fresh],
        };
        let chosen = self.instances.clone().unwrap_or(default);
        if !chosen.contains(&Rewound::Fresh) {
            return Ok(chosen);
        }
        if is_same {
            return Err(Failure::Setup(
                "the module keeps references in its instance, and nothing carries them over to a fresh one: rewind in the same instance, or \
                 carry references"
                    .into(),
            ));
        }
        if leaves_globals {
            return Err(Failure::Setup(
                "the asyncify ABI doesn't save globals, which the kit can't bring over to a fresh instance; rewind in the same instance"
                    .into(),
            ));
        }
        match &outline.hidden {
            None => Ok(chosen),
            Some(memory) => Err(Failure::Setup(format!(
                "memory {memory} is neither exported nor imported, so no host can copy it to a fresh instance; export it, or rewind in the \
                 same instance alone"
            ))),
        }
    }

    fn compare(
        &self,
        setup: &Setup<'_, T>,
        original: &Arc<Program>,
        rewritten: &Arc<Program>,
        instances: &[Rewound],
    ) -> Result<(Compared, Vec<drive::Stack>), Failure> {
        let (expected, calls, used) = self.reference(setup, original)?;
        let mut stacks = Vec::new();
        let mut compared = Compared::of(&expected);
        compared.entry_calls = calls;
        let fuel = used.saturating_mul(FUEL_FACTOR).saturating_add(FUEL_MORE);
        let step = calls.div_ceil(self.at_most.max(1)).max(1);
        let tried: Vec<_> = (1..=calls).step_by(step).take(self.at_most).collect();
        compared.calls_tried = tried.len();
        let single = tried.into_iter().flat_map(|call| {
            instances.iter().map(move |&rewound| Way::At { call, calls, rewound })
        });
        let every = instances.iter().map(|&rewound| Way::Every(rewound));
        for way in [Way::Never].into_iter().chain(single).chain(every) {
            crate::stage(&way.to_string());
            let ran =
                self.ran(setup, rewritten, way, fuel).and_then(
                    |(ran, observation)| match expected.difference(&observation) {
                        Some(what) => Err(Failure::Differs { way, what }),
                        None => Ok(ran),
                    },
                )?;
            compared.runs += 1;
            compared.unwinds += ran.unwinds;
            compared.undone += ran.undone;
            compared.most_bytes = compared.most_bytes.max(ran.most_bytes);
            // Of the runs that unwind at every call one is as good as the other.
            if !ran.stacks.is_empty() {
                stacks = ran.stacks;
            }
        }
        Ok((compared, stacks))
    }

    /// What the original does, how often it calls an entry, and how much fuel it takes.
    fn reference(
        &self,
        setup: &Setup<'_, T>,
        original: &Arc<Program>,
    ) -> Result<(Observation, usize, u64), Failure> {
        crate::stage("run the original");
        let ran = self.one(setup, original, Way::Never, self.fuel);
        let (ran, observation) = ran.map_err(|error| match error.downcast_ref::<Unknown>() {
            Some(unknown) => Failure::Setup(format!("{unknown}; the host must provide it")),
            None => Failure::Setup(format!("the original doesn't run: {error:#}")),
        })?;
        if ran.entry_calls == 0 {
            let what = observation.outcomes.join("; ");
            return Err(Failure::Setup(format!(
                "the program calls no entry, so there is nothing to unwind ({what}); give it work that does, or name another entry"
            )));
        }
        Ok((observation, ran.entry_calls, ran.fuel_used))
    }

    fn ran(
        &self,
        setup: &Setup<'_, T>,
        program: &Arc<Program>,
        way: Way,
        fuel: u64,
    ) -> Result<(Ran<T>, Observation), Failure> {
        self.one(setup, program, way, fuel).map_err(|error| match error.downcast_ref::<Broken>() {
            Some(Broken(what)) => Failure::Differs { way, what: what.clone() },
            None => Failure::Setup(format!("{way}: {error:#}")),
        })
    }

    /// One run from beginning to end.
    fn one(
        &self,
        setup: &Setup<'_, T>,
        program: &Arc<Program>,
        way: Way,
        fuel: u64,
    ) -> wasmtime::Result<(Ran<T>, Observation)> {
        let (when, rewound) = match way {
            Way::Never => (When::Never, Rewound::Same),
            Way::At { call, rewound, .. } => (When::At(call - 1), rewound),
            Way::Every(rewound) => (When::Every, rewound),
        };
        let records = self.records && when == When::Every;
        let policy = Policy { when, rewound, may_be_undone: self.may_be_undone, fuel, records };
        let start = [Invoke { export: "_start".into(), args: Vec::new() }];
        let invokes = if self.invokes.is_empty() { &start[..] } else { &self.invokes };
        let mut ran = drive::run(setup, program, invokes, (self.host)(), policy)?;
        let mut observation = std::mem::take(&mut ran.observation);
        observation.seen = (self.show)(&ran.host);
        Ok((ran, observation))
    }
}

/// What an instance of a module has noted that [`shim_recorder`](crate::shim_recorder) made; `None` if it is none such.
pub fn recorded_calls(
    instance: &wasmtime::Instance,
    mut store: impl wasmtime::AsContextMut,
) -> Option<Recorded> {
    let memory = instance.get_memory(&mut store, RECORD_EXPORT)?;
    Recorded::of_memory(memory.data(&store))
}

fn setup(error: wasmtime::Error) -> Failure {
    Failure::Setup(format!("{error:#}"))
}

impl<T: 'static> fmt::Debug for Storm<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Storm");
        shown.field("original_bytes", &self.original.len()).field("options", &self.options);
        shown.field("calls", &self.invokes).finish_non_exhaustive()
    }
}
