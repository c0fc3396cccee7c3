//! One instance with the imports that a small host gives it.

use super::carried;
use super::entry::{self, Protocol};
use super::memory::{Mem, Region};
use super::program::{FUEL, FrameMemory, Program, engine};
use super::value;
use super::world::World;
use wasmtime::{
    AsContextMut, Caller, Extern, ExternType, Func, FuncType, Global, Instance, Module, Mutability,
    Ref, Result, SharedMemory, Store, Table, Tag, Val, ValType, bail, ensure, format_err,
};

/// What the host keeps in the store.
#[derive(Default)]
pub struct Host {
    pub world: World,
    pub protocol: Protocol,
}

/// The exports of an ABI. In `asyncify` there is one way to begin a rewind.
#[derive(Clone, Copy)]
pub struct Abi {
    pub unwind_begin: Func,
    pub unwind_end: Func,
    pub rewind_begin: Func,
    pub resume_begin: Func,
    pub rewind_end: Func,
    pub state: Func,
    /// Of modules that keep references.
    pub release: Option<Func>,
    /// Whether the host says where the first frame goes, as in `asyncify`.
    pub host_sets_pos: bool,
    /// Of modules that undo unwinds at guards.
    pub unprepared: Option<Func>,
}

const WPK_FORK: [&str; 6] = [
    "wpk_fork_unwind_begin",
    "wpk_fork_unwind_end",
    "wpk_fork_rewind_begin",
    "wpk_fork_resume_begin",
    "wpk_fork_rewind_end",
    "wpk_fork_state",
];
const ASYNCIFY: [&str; 6] = [
    "asyncify_start_unwind",
    "asyncify_stop_unwind",
    "asyncify_start_rewind",
    "asyncify_start_rewind",
    "asyncify_stop_rewind",
    "asyncify_get_state",
];

impl Abi {
    /// Finds the exports; none of them means that the module is not instrumented.
    fn of(instance: &Instance, mut store: impl AsContextMut) -> Result<Option<Self>> {
        let mut has = |name: &str| instance.get_export(&mut store, name).is_some();
        let names = match (has("wpk_fork_state"), has("asyncify_get_state")) {
            (true, _) => WPK_FORK,
            (false, true) => ASYNCIFY,
            (false, false) => return Ok(None),
        };
        let release = instance.get_func(&mut store, "wpk_fork_release");
        let unprepared = instance.get_func(&mut store, "wpk_fork_unprepared");
        let mut get = |name: &str| {
            instance
                .get_func(&mut store, name)
                .ok_or_else(|| format_err!("the export {name} is missing"))
        };
        let [unwind_begin, unwind_end, rewind_begin, resume_begin, rewind_end, state] = names;
        Ok(Some(Abi {
            unwind_begin: get(unwind_begin)?,
            unwind_end: get(unwind_end)?,
            rewind_begin: get(rewind_begin)?,
            resume_begin: get(resume_begin)?,
            rewind_end: get(rewind_end)?,
            state: get(state)?,
            release,
            host_sets_pos: names == ASYNCIFY,
            unprepared,
        }))
    }

    pub fn state(&self, mut store: impl AsContextMut) -> Result<i32> {
        let mut results = [Val::I32(-1)];
        self.state.call(&mut store, &[], &mut results)?;
        Ok(results[0].unwrap_i32())
    }

    /// Which function was not prepared for the last unwind; `None` if all were, or the module can't tell.
    pub fn unprepared(&self, mut store: impl AsContextMut) -> Result<Option<u32>> {
        let mut results = [Val::I32(-1)];
        if let Some(unprepared) = self.unprepared {
            unprepared.call(&mut store, &[], &mut results)?;
        }
        let func = results[0].unwrap_i32();
        Ok((func != -1).then_some(func as u32))
    }
}

/// An instance of a program, its host, and the handles that the harness needs.
pub struct Session<'p> {
    pub program: &'p Program<'p>,
    pub store: Store<Host>,
    pub instance: Instance,
    /// The memories that the host sees, each once.
    pub memories: Vec<Mem>,
    /// Which of them frames go to; an original has none if that memory is the tool's own.
    frames: Option<usize>,
    pub region: Region,
    pub imported_globals: Vec<Global>,
}

impl<'p> Session<'p> {
    /// A new instance whose memory has room for the buffer.
    pub fn new(program: &'p Program<'p>, world: World) -> Result<Self> {
        let mut session = Session::instantiate(program, world)?;
        let spec = program.spec;
        let whole = match (&spec.buffer, session.frames) {
            (_, None) => 0..0,
            (Some(range), _) => range.clone(),
            (None, Some(frames)) => {
                let memory = &session.memories[frames];
                let len = memory.len(&session.store);
                memory.grow(&mut session.store, spec.buffer_bytes)?;
                len..memory.len(&session.store)
            }
        };
        session.set_region(Region { whole });
        Ok(session)
    }

    /// A fresh instance with what a host can copy: the memories and the imported mutable globals.
    pub fn copy(&mut self) -> Result<Session<'p>> {
        let mut copy = Session::instantiate(self.program, World::default())?;
        for (memory, bytes) in copy.memories.iter().zip(self.memory_bytes()) {
            memory.become_copy(&mut copy.store, &bytes)?;
        }
        let values = self.imported_global_values();
        copy.set_imported_globals(&values)?;
        let host = self.store.data();
        copy.store.data_mut().world = host.world.clone();
        copy.store.data_mut().protocol.policy = host.protocol.policy.clone();
        copy.store.data_mut().protocol.phase = host.protocol.phase.clone();
        copy.set_region(self.region.clone());
        if self.program.spec.carries_references {
            carried::carry(self, &mut copy)?;
        }
        Ok(copy)
    }

    fn instantiate(program: &'p Program<'p>, world: World) -> Result<Self> {
        let host = Host { world, protocol: Protocol::default() };
        let mut store = Store::new(engine(), host);
        store.set_fuel(FUEL)?;
        let imports = make_imports(program, &mut store)?;
        let instance = Instance::new(&mut store, &program.module, &imports)?;
        if let Some(resume_module) = &program.resume_module {
            add_resumes(&instance, resume_module, &mut store)?;
        }
        let memories = memories(&instance, &imports, &mut store);
        let frames = frame_memory(program, &instance, &imports, &memories, &mut store)?;
        let imported_globals = imports.iter().filter_map(|e| e.clone().into_global()).collect();
        let abi = Abi::of(&instance, &mut store)?;
        store.data_mut().protocol.abi = abi;
        store.data_mut().protocol.interludes = program.spec.interludes.clone();
        store.data_mut().protocol.memory = frames.map(|frames| memories[frames].clone());
        let mut session = Session {
            program,
            store,
            instance,
            memories,
            frames,
            region: Region::default(),
            imported_globals,
        };
        session.fill_host_slots()?;
        Ok(session)
    }

    fn set_region(&mut self, region: Region) {
        self.store.data_mut().protocol.region = region.clone();
        self.region = region;
    }

    fn fill_host_slots(&mut self) -> Result<()> {
        for host_slot in &self.program.spec.host_slots {
            let func = self.instance.get_func(&mut self.store, &host_slot.export);
            let table = self.instance.get_table(&mut self.store, &host_slot.table);
            let (Some(func), Some(table)) = (func, table) else {
                bail!("HOST-SLOT: {host_slot:?} names an export that is missing");
            };
            table.set(&mut self.store, host_slot.slot, Ref::Func(Some(func)))?;
        }
        Ok(())
    }

    pub fn abi(&self) -> Abi {
        let abi = self.store.data().protocol.abi;
        abi.expect("only an instrumented program unwinds")
    }

    /// The memory that frames go to.
    pub fn frame_memory(&self) -> Mem {
        self.store.data().protocol.memory()
    }

    pub fn memory_bytes(&self) -> Vec<Vec<u8>> {
        self.memories.iter().map(|memory| memory.read_all(&self.store)).collect()
    }

    /// What the program has in its memories, without what the host put there.
    pub fn program_memory_bytes(&mut self) -> Vec<Vec<u8>> {
        let mut memories = self.memory_bytes();
        if let Some(frames) = self.frames {
            memories[frames][self.region.whole.clone()].fill(0);
        }
        let mut exports = self.instance.exports(&mut self.store);
        if exports.any(|export| OWN_MEMORY.contains(&export.name())) {
            drop(exports);
            memories.pop();
        }
        memories
    }

    pub fn imported_global_values(&mut self) -> Vec<Val> {
        let store = &mut self.store;
        self.imported_globals.iter().map(|global| global.get(&mut *store)).collect()
    }

    pub fn set_imported_globals(&mut self, values: &[Val]) -> Result<()> {
        for (global, value) in self.imported_globals.iter().zip(values) {
            if global.ty(&self.store).mutability() == Mutability::Var {
                global.set(&mut self.store, *value)?;
            }
        }
        Ok(())
    }

    /// The exported globals, as text in the order of the exports.
    pub fn exported_globals(&mut self) -> Vec<String> {
        let exports: Vec<_> = self
            .instance
            .exports(&mut self.store)
            .filter(|export| !is_reserved(export.name()))
            .filter_map(|export| Some((export.name().to_owned(), export.into_global()?)))
            .collect();
        exports
            .iter()
            .map(|(name, global)| format!("{name} = {}", value::show(&global.get(&mut self.store))))
            .collect()
    }
}

/// How the names of exports begin that the tool adds.
const RESERVED: [&str; 2] = ["wpk_fork_", "asyncify_"];

/// Under which names a memory is exported that the tool adds for frames.
const OWN_MEMORY: [&str; 2] = ["wpk_fork_memory", "asyncify_memory"];

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.starts_with(reserved))
}

/// The module name that a resume module imports from.
const RESUME_IMPORTS: &str = "wpk_fork";

/// Instantiates the resume module for an instance of its main file.
fn add_resumes(instance: &Instance, module: &Module, store: &mut Store<Host>) -> Result<()> {
    let mut imports = Vec::new();
    for import in module.imports() {
        ensure!(import.module() == RESUME_IMPORTS, "the import of another: {import:?}");
        let export = instance.get_export(&mut *store, import.name());
        imports.push(export.ok_or_else(|| format_err!("nothing to import: {import:?}"))?);
    }
    Instance::new(store, module, &imports).map(drop)
}

/// The memories that the host sees, each once; one that the tool added comes last.
fn memories(instance: &Instance, imports: &[Extern], store: &mut Store<Host>) -> Vec<Mem> {
    // What is exported for the resume module alone, an original's host doesn't see.
    let is_seen = |name: &str| OWN_MEMORY.contains(&name) || !is_reserved(name);
    let exports = instance.exports(&mut *store).filter(|export| is_seen(export.name()));
    let exports: Vec<_> =
        exports.map(|export| (OWN_MEMORY.contains(&export.name()), export.into_extern())).collect();
    let (own, exported): (Vec<_>, Vec<_>) = exports.into_iter().partition(|(own, _)| *own);
    let all = exported.into_iter().chain(imports.iter().map(|import| (false, import.clone())));
    let mut memories: Vec<Mem> = Vec::new();
    for memory in all.chain(own).filter_map(|(_, held)| Mem::of(held, &*store)) {
        if !memories.iter().any(|known| known.is(&memory, &*store)) {
            memories.push(memory);
        }
    }
    memories
}

/// Which of `memories` frames go to.
fn frame_memory(
    program: &Program<'_>,
    instance: &Instance,
    imports: &[Extern],
    memories: &[Mem],
    store: &mut Store<Host>,
) -> Result<Option<usize>> {
    let invisible = || format_err!("the memory must be imported or exported, else no host sees it");
    let names: &[&str] = match &program.spec.memory {
        FrameMemory::First if memories.is_empty() => return Err(invisible()),
        FrameMemory::First => return Ok(Some(0)),
        FrameMemory::Named(name) => &[name],
        FrameMemory::Own => &OWN_MEMORY,
    };
    let exported = names.iter().find_map(|name| instance.get_export(&mut *store, name));
    let imported = || {
        let mut named = program.module.imports().zip(imports);
        named.find(|(import, _)| names.contains(&import.name())).map(|(_, held)| held.clone())
    };
    let Some(held) = exported.or_else(imported) else {
        return if names == OWN_MEMORY { Ok(None) } else { Err(invisible()) };
    };
    let memory = Mem::of(held, &*store).ok_or_else(invisible)?;
    Ok(memories.iter().position(|known| known.is(&memory, &*store)))
}

fn make_imports(program: &Program<'_>, store: &mut Store<Host>) -> Result<Vec<Extern>> {
    let mut imports = Vec::new();
    for (import, ordinal) in program.module.imports().zip(0..) {
        imports.push(match import.ty() {
            ExternType::Func(ty) => {
                let (module, name) = (import.module(), import.name());
                let is_entry = program.spec.entries.iter().any(|e| e.matches(module, name));
                host_func(store, format!("{module}.{name}"), ty, is_entry).into()
            }
            ExternType::Global(ty) => {
                let value = value::of_int(ty.content(), 1000 + ordinal);
                Global::new(&mut *store, ty, value)?.into()
            }
            ExternType::Memory(ty) if ty.is_shared() => SharedMemory::new(engine(), ty)?.into(),
            ExternType::Memory(ty) => wasmtime::Memory::new(&mut *store, ty)?.into(),
            ExternType::Table(ty) => {
                let null = Ref::null(ty.element().heap_type());
                Table::new(&mut *store, ty, null)?.into()
            }
            ExternType::Tag(ty) => Tag::new(&mut *store, &ty)?.into(),
        });
    }
    Ok(imports)
}

/// An imported function. All log their arguments; an entry speaks the ABI, any other returns zeros.
fn host_func(store: &mut Store<Host>, name: String, ty: FuncType, is_entry: bool) -> Func {
    let types: Vec<ValType> = ty.results().collect();
    let call = move |mut caller: Caller<'_, Host>, args: &[Val], results: &mut [Val]| {
        let values = if is_entry {
            entry::call(&mut caller, &name, args, &types)?
        } else {
            let shown = value::show_all_in(&caller, args)?;
            caller.data_mut().world.log(&name, &shown);
            // So that one reference of the host's is not another.
            let number = |ty: &ValType| match ty {
                ValType::Ref(_) => caller.data().world.events.len() as i64,
                _ => 0,
            };
            let numbers: Vec<_> = types.iter().map(number).collect();
            let values = types.iter().zip(numbers);
            values.map(|(ty, x)| value::of_host(&mut caller, ty, x)).collect::<Result<_>>()?
        };
        results.copy_from_slice(&values);
        Ok(())
    };
    Func::new(store.as_context_mut(), ty, call)
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: Vec<_> = self.memories.iter().map(|memory| memory.len(&self.store)).collect();
        f.debug_struct("Session").field("memory_bytes", &bytes).finish()
    }
}
