//! A host that unwinds and rewinds at every call of the entry, and remembers what the program could
//! see when the last one was called.
//!
//! The memory and a global belong to the host, so that they can be looked at even if the module's
//! instantiation fails. All but the buffer counts as seen by the program.

use std::ops::Range;
use std::sync::OnceLock;
use wasmtime::{
    AsContextMut, Caller, Config, Engine, Error, Extern, Func, Global, GlobalType, Instance,
    Memory, MemoryType, Module, Mutability, OptLevel, Ref, Result, Store, Val, ValType, ensure,
    format_err,
};

const BUFFER: Range<usize> = 4096..8192;
const NORMAL: i32 = 0;
const UNWINDING: i32 = 1;
const NO_ROOM: i32 = 3;
/// Nobody may see it.
const DUMMY: i32 = 0x5eed;

/// What the host does at each call of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It returns.
    Calm,
    /// It unwinds, and rewinds in the same instance.
    Same,
    /// It unwinds, and rewinds in a fresh instance over a copy of the memory.
    Fresh,
}

/// What the program can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    memory: Vec<u8>,
    global: i32,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub result: Result<i32, Error>,
    /// What the program saw in the end.
    pub end: Seen,
    /// What it saw when it last called the entry.
    pub at_entry: Option<Seen>,
    /// How many times the entry was called, rewinds aside.
    pub entry_calls: usize,
    /// The calls of the entry whose unwinds were undone, and which functions were not prepared then.
    pub failed: Vec<(usize, u32)>,
}

/// What the entry returns, and what it returns when it fails.
const ANSWER: i32 = 2;
const FAILURE: i32 = -11;

/// What the host keeps in the store.
struct Kept {
    mode: Mode,
    memory: Option<Memory>,
    global: Option<Global>,
    at_entry: Option<Seen>,
    entry_calls: usize,
    /// Which calls fail without an unwind.
    failing: Vec<usize>,
    failed: Vec<(usize, u32)>,
}

/// Runs the export `run` of a module that imports `env.x`, after having put the export `leaf` into
/// slot 3 of the export `table`.
pub fn run(wasm: &[u8], x: i32, mode: Mode) -> Outcome {
    run_failing(wasm, x, mode, &[])
}

/// The same where these calls of the entry fail, of which the first has the number 0.
pub fn run_failing(wasm: &[u8], x: i32, mode: Mode, failing: &[usize]) -> Outcome {
    let mut host = Host::new(wasm, x, mode);
    host.store.data_mut().failing = failing.to_vec();
    let result = host.run();
    let end = seen(&mut host.store);
    let Kept { at_entry, entry_calls, failed, .. } = host.store.into_data();
    Outcome { result, end, at_entry, entry_calls, failed }
}

struct Host {
    module: Module,
    x: i32,
    store: Store<Kept>,
}

impl Host {
    fn new(wasm: &[u8], x: i32, mode: Mode) -> Host {
        let module = Module::new(engine(), wasm).unwrap();
        let kept = Kept {
            mode,
            memory: None,
            global: None,
            at_entry: None,
            entry_calls: 0,
            failing: Vec::new(),
            failed: Vec::new(),
        };
        let mut store = Store::new(engine(), kept);
        let ty = GlobalType::new(ValType::I32, Mutability::Var);
        let global = Global::new(&mut store, ty, Val::I32(7)).unwrap();
        let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
        store.data_mut().global = Some(global);
        store.data_mut().memory = Some(memory);
        Host { module, x, store }
    }

    fn run(&mut self) -> Result<i32> {
        let mut instance = self.instantiate()?;
        loop {
            let run = instance.get_typed_func::<(), i32>(&mut self.store, "run")?;
            let result = run.call(&mut self.store, ())?;
            if self.state(&instance)? == NORMAL {
                return Ok(result);
            }
            self.call(&instance, "wpk_fork_unwind_end", &[])?;
            if self.store.data().mode == Mode::Fresh {
                self.copy_memory()?;
                instance = self.instantiate()?;
            }
            self.call(&instance, "wpk_fork_rewind_begin", &[Val::I32(BUFFER.start as i32)])?;
        }
    }

    fn instantiate(&mut self) -> Result<Instance> {
        let store = &mut self.store;
        let imports: Vec<Extern> = self
            .module
            .imports()
            .map(|import| match import.name() {
                "fork" => Func::wrap(&mut *store, fork).into(),
                "back" => Func::wrap(&mut *store, back).into(),
                "x" => {
                    let ty = GlobalType::new(ValType::I32, Mutability::Const);
                    Global::new(&mut *store, ty, Val::I32(self.x)).unwrap().into()
                }
                "seen" => store.data().global.unwrap().into(),
                "memory" => store.data().memory.unwrap().into(),
                name => panic!("no import is called {name}"),
            })
            .collect();
        let instance = Instance::new(&mut *store, &self.module, &imports)?;
        if let Some(table) = instance.get_table(&mut *store, "table") {
            let leaf = instance.get_func(&mut *store, "leaf");
            table.set(&mut *store, 3, Ref::Func(leaf))?;
        }
        Ok(instance)
    }

    fn copy_memory(&mut self) -> Result<()> {
        let old = self.store.data().memory.unwrap();
        let memory = Memory::new(&mut self.store, MemoryType::new(1, None))?;
        let bytes = old.data(&self.store).to_vec();
        memory.data_mut(&mut self.store).copy_from_slice(&bytes);
        self.store.data_mut().memory = Some(memory);
        Ok(())
    }

    fn state(&mut self, instance: &Instance) -> Result<i32> {
        match instance.get_typed_func::<(), i32>(&mut self.store, "wpk_fork_state") {
            Ok(state) => state.call(&mut self.store, ()),
            // An original.
            Err(_) => Ok(NORMAL),
        }
    }

    fn call(&mut self, instance: &Instance, name: &str, args: &[Val]) -> Result<()> {
        let func = instance.get_func(&mut self.store, name);
        func.ok_or_else(|| format_err!("no {name}"))?.call(&mut self.store, args, &mut [])
    }
}

pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.wasm_tail_call(true).wasm_function_references(true).wasm_gc(true);
        config.cranelift_opt_level(OptLevel::None);
        Engine::new(&config).unwrap()
    })
}

fn seen(mut store: impl AsContextMut<Data = Kept>) -> Seen {
    let kept = store.as_context().data();
    let (memory, global) = (kept.memory.unwrap(), kept.global.unwrap());
    let mut bytes = memory.data(&store).to_vec();
    bytes[BUFFER].fill(0);
    Seen { memory: bytes, global: global.get(&mut store).unwrap_i32() }
}

fn export(caller: &mut Caller<'_, Kept>, name: &str) -> Result<Func> {
    let export = caller.get_export(name).and_then(Extern::into_func);
    export.ok_or_else(|| format_err!("no {name}"))
}

fn fork(mut caller: Caller<'_, Kept>) -> Result<i32> {
    let mut state = [Val::I32(NORMAL)];
    if let Ok(export) = export(&mut caller, "wpk_fork_state") {
        export.call(&mut caller, &[], &mut state)?;
    }
    if state[0].unwrap_i32() != NORMAL {
        ensure!(state[0].unwrap_i32() != UNWINDING, "the entry is called while unwinding");
        let is_undone = state[0].unwrap_i32() == NO_ROOM;
        if is_undone {
            let mut unprepared = [Val::I32(-1)];
            let getter = export(&mut caller, "wpk_fork_unprepared")?;
            getter.call(&mut caller, &[], &mut unprepared)?;
            let kept = caller.data_mut();
            kept.failed.push((kept.entry_calls - 1, unprepared[0].unwrap_i32() as u32));
        }
        export(&mut caller, "wpk_fork_rewind_end")?.call(&mut caller, &[], &mut [])?;
        return Ok(if is_undone { FAILURE } else { ANSWER });
    }
    let now = seen(&mut caller);
    let kept = caller.data_mut();
    kept.at_entry = Some(now);
    kept.entry_calls += 1;
    if kept.failing.contains(&(kept.entry_calls - 1)) {
        return Ok(FAILURE);
    }
    if kept.mode != Mode::Calm {
        let memory = kept.memory.unwrap();
        let end = (BUFFER.end as i32).to_le_bytes();
        memory.data_mut(&mut caller)[BUFFER.start + 4..][..4].copy_from_slice(&end);
        let begin = export(&mut caller, "wpk_fork_unwind_begin")?;
        begin.call(&mut caller, &[Val::I32(BUFFER.start as i32)], &mut [])?;
        return Ok(DUMMY);
    }
    Ok(ANSWER)
}

/// An import that calls back: whatever state it finds, so do an unwind and a rewind pass through it.
fn back(mut caller: Caller<'_, Kept>, x: i32) -> Result<i32> {
    let mut result = [Val::I32(0)];
    export(&mut caller, "again")?.call(&mut caller, &[Val::I32(x)], &mut result)?;
    Ok(result[0].unwrap_i32())
}
