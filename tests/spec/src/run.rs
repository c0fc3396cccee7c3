//! Runs one file of the suite, its modules as they are or instrumented.

use crate::fresh::Freshness;
use crate::inject::{ENTRY, inject};
use crate::world::{self, Fork, World};
use std::collections::{BTreeMap, BTreeSet};
use wasm_fork::{EntryPattern, FramesIn, Options};
use wasmtime::{Extern, Func, Instance, Memory, Module, Store, Val};
use wast::core::WastArgCore;
use wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, Wat};

/// Enough for every test that ends.
const FUEL: u64 = 20_000_000;

/// Where the buffer lies in its memory, and its pages.
const BUFFER: i32 = 0;
const PAGES: u64 = 4;

/// How many unwinds of one call are rewound in a fresh instance, and of one file: engines have limits for instances.
const MOVES_OF_A_CALL: u32 = 4;
const MOVES_OF_A_FILE: u64 = 600;

/// The most memory that is copied, in bytes: some have many gigabytes.
const COPIED: usize = 1 << 25;

/// How the modules of a file are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As they are.
    Original,
    /// Unwound, and rewound in the same instance, which keeps references.
    Same,
    /// Unwound, and rewound in a fresh instance over a copy of the memory, where that can be.
    Fresh,
}

/// What became of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Instrumented(Freshness),
    /// Nothing in it could call an entry.
    WithoutCode,
    /// For this kind of reason.
    Refused(String),
    /// By the engine that the suite is run with.
    NotRun,
}

/// What happened, in the order of the directives.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// Offset of the directive in the file.
    pub at: usize,
    /// What it gave, and how often the entry was called meanwhile.
    pub outcome: String,
    pub calls: u64,
}

/// What a run of a file gave.
#[derive(Default)]
pub struct Run {
    pub events: Vec<Event>,
    pub fates: Vec<Fate>,
    pub unwinds: u64,
    pub undone: u64,
    pub moves: u64,
}

/// A compiled module.
#[derive(Clone)]
struct Compiled {
    module: Module,
    is_instrumented: bool,
    can_move: bool,
}

/// An instance, and what it was made of.
#[derive(Clone)]
struct Made {
    instance: Instance,
    compiled: Compiled,
    imports: Vec<Extern>,
}

struct Runner {
    mode: Mode,
    /// Whether anything is called: what isn't need not be compiled, which takes a minute for some functions.
    calls: bool,
    store: Store<World>,
    spectest: BTreeMap<String, Extern>,
    defined: BTreeMap<String, Option<Compiled>>,
    instances: Vec<Made>,
    named: BTreeMap<String, Option<usize>>,
    registered: BTreeMap<String, usize>,
    /// The instances that others may have imported something of.
    shared: BTreeSet<usize>,
    /// The module and the instance that came last.
    latest: Option<Compiled>,
    current: Option<usize>,
    run: Run,
    /// A test ran out of fuel, perhaps in the middle of an unwind: nothing after it is told.
    is_over: bool,
}

/// Runs the directives of a file.
pub fn run(directives: Vec<WastDirective<'_>>, mode: Mode) -> Run {
    let mut store = Store::new(world::engine(), World::default());
    let spectest = world::spectest(&mut store);
    let calls = directives.iter().any(|directive| {
        matches!(
            directive,
            WastDirective::Invoke(_)
                | WastDirective::AssertReturn { .. }
                | WastDirective::AssertTrap { .. }
                | WastDirective::AssertException { .. }
        )
    });
    let mut runner = Runner {
        mode,
        calls,
        store,
        spectest,
        defined: BTreeMap::new(),
        instances: Vec::new(),
        named: BTreeMap::new(),
        registered: BTreeMap::new(),
        shared: BTreeSet::new(),
        latest: None,
        current: None,
        run: Run::default(),
        is_over: false,
    };
    for directive in directives {
        if runner.is_over {
            break;
        }
        runner.directive(directive);
    }
    runner.finish()
}

impl Runner {
    fn directive(&mut self, directive: WastDirective<'_>) {
        let at = directive.span().offset();
        self.store.data_mut().calls = 0;
        match directive {
            WastDirective::Module(wat) => {
                let name = wat.name().map(|id| id.name().to_owned());
                self.define(wat, name.clone());
                self.instantiate_latest(at, name);
            }
            WastDirective::ModuleDefinition(wat) => {
                let name = wat.name().map(|id| id.name().to_owned());
                self.define(wat, name);
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                if let Some(module) = module {
                    self.latest = self.defined.get(module.name()).cloned().flatten();
                }
                self.instantiate_latest(at, instance.map(|id| id.name().to_owned()));
            }
            WastDirective::Register { name, module, .. } => {
                if let Some(instance) = self.instance(module.map(|id| id.name())) {
                    self.registered.insert(name.to_owned(), instance);
                    self.shared.insert(instance);
                }
            }
            WastDirective::Invoke(invoke) => self.invoke(at, &invoke),
            WastDirective::AssertTrap { exec, .. }
            | WastDirective::AssertReturn { exec, .. }
            | WastDirective::AssertException { exec, .. } => self.execute(at, exec),
            WastDirective::AssertUnlinkable { module, .. } => {
                self.define(QuoteWat::Wat(module), None);
                self.instantiate_latest(at, None);
            }
            // Stacks of engines are not compared, and neither is what no module comes of.
            _ => {}
        }
    }

    fn instance(&self, name: Option<&str>) -> Option<usize> {
        match name {
            Some(name) => self.named.get(name).copied().flatten(),
            None => self.current,
        }
    }

    fn define(&mut self, mut wat: QuoteWat<'_>, name: Option<String>) {
        let compiled = wat.encode().ok().and_then(|bytes| self.compile(&bytes));
        self.latest.clone_from(&compiled);
        if let Some(name) = name {
            self.defined.insert(name, compiled);
        }
    }

    fn compile(&mut self, bytes: &[u8]) -> Option<Compiled> {
        let engine = world::engine();
        if Module::validate(engine, bytes).is_err() {
            self.run.fates.push(Fate::NotRun);
            return None;
        }
        let Ok(Some(injected)) = inject(bytes) else {
            self.run.fates.push(Fate::WithoutCode);
            return self.compiled(bytes, None);
        };
        let options = Options::default()
            .entries([EntryPattern::exact(ENTRY.0, ENTRY.1)])
            .frames_in(FramesIn::Own)
            .same_instance(self.mode != Mode::Fresh);
        let freshness = Freshness::of(bytes).expect("it is valid");
        match wasm_fork::instrument(&injected, &options) {
            Err(error) => {
                self.run.fates.push(Fate::Refused(reason(&error)));
                self.compiled(&injected, None)
            }
            Ok(output) => {
                self.run.fates.push(Fate::Instrumented(freshness));
                match self.mode {
                    Mode::Original => self.compiled(&injected, None),
                    _ => self.compiled(&output.wasm, Some(freshness)),
                }
            }
        }
    }

    /// `freshness`: of a module that was instrumented.
    fn compiled(&mut self, wasm: &[u8], freshness: Option<Freshness>) -> Option<Compiled> {
        if !self.calls {
            return None;
        }
        let module = Module::new(world::engine(), wasm);
        let is_instrumented = freshness.is_some();
        if let (Err(error), true) = (&module, is_instrumented) {
            panic!("the engine refuses what was written: {error:?}");
        }
        let can_move = self.mode == Mode::Fresh && freshness == Some(Freshness::Can);
        Some(Compiled { module: module.ok()?, is_instrumented, can_move })
    }

    fn instantiate_latest(&mut self, at: usize, name: Option<String>) {
        let Some(compiled) = self.latest.clone() else {
            self.note(at, "no module".into());
            self.current = None;
            self.named.extend(name.map(|name| (name, None)));
            return;
        };
        let number = self.instances.len();
        self.store.data_mut().forks.resize_with(number + 1, || None);
        let outcome = match self.instantiate(&compiled, number) {
            Ok(instance) => {
                self.instances.push(instance);
                self.current = Some(number);
                if let Some(name) = name {
                    self.named.insert(name, Some(number));
                }
                "an instance".into()
            }
            Err(error) => world::problem(&mut self.store, &error),
        };
        self.note(at, outcome);
    }

    fn instantiate(&mut self, compiled: &Compiled, number: usize) -> wasmtime::Result<Made> {
        let mut imports = Vec::new();
        for import in compiled.module.imports() {
            let (from, name) = (import.module(), import.name());
            let found = if (from, name) == ENTRY {
                Some(world::entry(&mut self.store, number).into())
            } else if from == "spectest" {
                self.spectest.get(name).cloned()
            } else {
                let instance =
                    self.registered.get(from).map(|number| self.instances[*number].instance);
                instance.and_then(|instance| instance.get_export(&mut self.store, name))
            };
            imports
                .push(found.ok_or_else(|| wasmtime::format_err!("unknown import {from} {name}"))?);
        }
        self.store.set_fuel(FUEL)?;
        let instance = Instance::new(&mut self.store, &compiled.module, &imports)?;
        // Frames tell modules, not instances.
        let is_first = !self.store.data().modules.iter().any(|m| Module::same(m, &compiled.module));
        self.store.data_mut().modules.push(compiled.module.clone());
        if compiled.is_instrumented && is_first {
            let fork = self.fork(&instance, &compiled.module)?;
            self.store.data_mut().forks[number] = Some(fork);
        }
        Ok(Made { instance, compiled: compiled.clone(), imports })
    }

    /// Puts a fresh instance, over a copy of the memories, in the place of one; says whether that can be.
    fn move_instance(&mut self, number: usize) -> wasmtime::Result<bool> {
        let Made { instance: old, compiled, imports } = self.instances[number].clone();
        let world = self.store.data();
        let is_free = compiled.can_move && !self.shared.contains(&number);
        if !is_free
            || world.moves >= MOVES_OF_A_FILE
            || world::memory_bytes(&mut self.store, &old) > COPIED
        {
            return Ok(false);
        }
        // What it imports is shared, and a new one's segments would be put there once more.
        let imported: Vec<_> =
            imports.iter().filter_map(|import| import.clone().into_memory()).collect();
        let kept: Vec<_> =
            imported.iter().map(|memory| memory.data(&self.store).to_vec()).collect();
        let world = self.store.data_mut();
        let (calls, budget) = (world.calls, std::mem::take(&mut world.budget));
        world.moves += 1;
        world.forks[number] = None;
        let new = Instance::new(&mut self.store, &compiled.module, &imports)?;
        for (memory, bytes) in imported.iter().zip(&kept) {
            memory.data_mut(&mut self.store).copy_from_slice(bytes);
        }
        let fork = self.fork(&new, &compiled.module)?;
        world::copy_memories(&mut self.store, &old, &new)?;
        let world = self.store.data_mut();
        (world.calls, world.budget) = (calls, budget);
        world.forks[number] = Some(fork);
        self.instances[number].instance = new;
        Ok(true)
    }

    /// What the host needs to unwind an instance: it gets its buffer.
    fn fork(&mut self, instance: &Instance, module: &Module) -> wasmtime::Result<Fork> {
        let store = &mut self.store;
        let memory: Memory = instance.get_memory(&mut *store, "wpk_fork_memory").expect("added");
        let missing = PAGES.saturating_sub(memory.size(&*store));
        memory.grow(&mut *store, missing)?;
        let end = (PAGES as i32) << 16;
        memory.write(&mut *store, BUFFER as usize + 4, &end.to_le_bytes())?;
        let mut func = |name: &str| instance.get_func(&mut *store, name).expect("exported");
        Ok(Fork {
            module: module.clone(),
            buffer: BUFFER,
            begin: func("wpk_fork_unwind_begin"),
            end: func("wpk_fork_unwind_end"),
            rewind: [func("wpk_fork_rewind_begin"), func("wpk_fork_resume_begin")],
            rewind_end: func("wpk_fork_rewind_end"),
            state: func("wpk_fork_state"),
        })
    }

    fn execute(&mut self, at: usize, exec: WastExecute<'_>) {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(at, &invoke),
            WastExecute::Wat(wat) => {
                let wat: Wat<'_> = wat;
                self.define(QuoteWat::Wat(wat), None);
                let current = self.current;
                self.instantiate_latest(at, None);
                self.current = current;
            }
            WastExecute::Get { module, global, .. } => {
                let outcome = self.instance(module.map(|id| id.name())).map(|number| {
                    let instance = self.instances[number].instance;
                    let global = instance.get_global(&mut self.store, global).expect("exported");
                    let value = global.get(&mut self.store);
                    world::describe(&mut self.store, &value)
                });
                self.note(at, outcome.unwrap_or_default());
            }
        }
    }

    fn invoke(&mut self, at: usize, invoke: &WastInvoke<'_>) {
        let Some(number) = self.instance(invoke.module.map(|id| id.name())) else {
            return;
        };
        if self.instances[number].instance.get_func(&mut self.store, invoke.name).is_none() {
            return;
        }
        let outcome = match self.call(number, invoke.name, &invoke.args) {
            Ok(values) => values,
            Err(error) => world::problem(&mut self.store, &error),
        };
        self.is_over = outcome.contains("OutOfFuel") || outcome.contains("StackOverflow");
        if !self.is_over {
            self.note(at, outcome);
        }
    }

    /// Calls a function, and once more after each unwind.
    fn call(
        &mut self,
        number: usize,
        name: &str,
        args: &[WastArg<'_>],
    ) -> wasmtime::Result<String> {
        let mut func = self.exported(number, name);
        let ty = func.ty(&self.store);
        let mut values = Vec::new();
        for (arg, ty) in args.iter().zip(ty.params()) {
            values.push(self.argument(arg, &ty)?);
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        self.store.set_fuel(FUEL)?;
        self.store.data_mut().budget = match self.mode {
            Mode::Fresh => MOVES_OF_A_CALL,
            _ => world::UNWINDS_OF_A_CALL,
        };
        loop {
            func.call(&mut self.store, &values, &mut results)?;
            let Some(unwound) = self.store.data_mut().pending.take() else {
                break;
            };
            world::end_unwind(&mut self.store, unwound)?;
            if unwound == number && self.move_instance(number)? {
                func = self.exported(number, name);
                world::go_on_afresh(&mut self.store, number)?;
            } else {
                world::go_on(&mut self.store, unwound)?;
            }
        }
        let results: Vec<_> =
            results.iter().map(|value| world::describe(&mut self.store, value)).collect();
        Ok(results.join(" "))
    }

    fn exported(&mut self, number: usize, name: &str) -> Func {
        let instance = self.instances[number].instance;
        instance.get_func(&mut self.store, name).expect("exported")
    }

    fn argument(&mut self, arg: &WastArg<'_>, ty: &wasmtime::ValType) -> wasmtime::Result<Val> {
        let WastArg::Core(arg) = arg else {
            wasmtime::bail!("no argument of a core function");
        };
        Ok(match arg {
            WastArgCore::I32(value) => Val::I32(*value),
            WastArgCore::I64(value) => Val::I64(*value),
            WastArgCore::F32(value) => Val::F32(value.bits),
            WastArgCore::F64(value) => Val::F64(value.bits),
            WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes()).into()),
            WastArgCore::RefNull(_) => Val::null_ref(ty.as_ref().expect("a reference").heap_type()),
            WastArgCore::RefExtern(value) => {
                Val::ExternRef(Some(wasmtime::ExternRef::new(&mut self.store, *value)?))
            }
            WastArgCore::RefHost(value) => {
                let value = wasmtime::ExternRef::new(&mut self.store, *value)?;
                Val::AnyRef(Some(wasmtime::AnyRef::convert_extern(&mut self.store, value)?))
            }
        })
    }

    fn note(&mut self, at: usize, outcome: String) {
        let calls = self.store.data().calls;
        self.run.events.push(Event { at, outcome, calls });
    }

    /// What exported memories and globals hold at the end is part of what happened.
    fn finish(mut self) -> Run {
        if !self.is_over {
            for made in self.instances.clone() {
                let outcome = world::contents(&mut self.store, &made.instance);
                self.note(usize::MAX, outcome);
            }
        }
        let World { unwinds, undone, moves, .. } = self.store.data();
        (self.run.unwinds, self.run.undone, self.run.moves) = (*unwinds, *undone, *moves);
        self.run
    }
}

/// Why a module is refused, in words that are the same for all of a kind.
fn reason(error: &wasm_fork::Error) -> String {
    match error {
        wasm_fork::Error::Refused(refusals) => {
            let kinds = refusals.iter().map(|refusal| format!("{:?}", refusal.kind));
            let kinds: std::collections::BTreeSet<_> = kinds.collect();
            kinds.into_iter().collect::<Vec<_>>().join(", ")
        }
        error => {
            let text = error.to_string();
            let words = text.split(" (at offset").next().unwrap_or_default();
            format!("{:?}: {words}", error.kind())
        }
    }
}
