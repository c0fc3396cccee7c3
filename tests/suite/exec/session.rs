//! One instance with the imports that a small host gives it.

use super::entry::{self, Protocol};
use super::memory::{Mem, Region};
use super::program::{FUEL, Program, engine};
use super::value;
use super::world::World;
use wasmtime::{
    AsContext, AsContextMut, Caller, Extern, ExternType, Func, FuncType, Global, Instance,
    Mutability, Ref, Result, SharedMemory, Store, Table, Tag, Val, ValType, bail, format_err,
};

/// What the host keeps in the store.
#[derive(Default)]
pub struct Host {
    pub world: World,
    pub protocol: Protocol,
}

/// The exports of the `wpk-fork` ABI.
#[derive(Clone, Copy)]
pub struct Abi {
    pub unwind_begin: Func,
    pub unwind_end: Func,
    pub rewind_begin: Func,
    pub resume_begin: Func,
    pub rewind_end: Func,
    pub state: Func,
}

impl Abi {
    /// Finds the exports; none of them means that the module is not instrumented.
    fn of(instance: &Instance, mut store: impl AsContextMut) -> Result<Option<Self>> {
        if instance.get_export(&mut store, "wpk_fork_state").is_none() {
            return Ok(None);
        }
        let mut get = |name: &str| {
            instance
                .get_func(&mut store, name)
                .ok_or_else(|| format_err!("the export {name} is missing"))
        };
        Ok(Some(Abi {
            unwind_begin: get("wpk_fork_unwind_begin")?,
            unwind_end: get("wpk_fork_unwind_end")?,
            rewind_begin: get("wpk_fork_rewind_begin")?,
            resume_begin: get("wpk_fork_resume_begin")?,
            rewind_end: get("wpk_fork_rewind_end")?,
            state: get("wpk_fork_state")?,
        }))
    }

    pub fn state(&self, mut store: impl AsContextMut) -> Result<i32> {
        let mut results = [Val::I32(-1)];
        self.state.call(&mut store, &[], &mut results)?;
        Ok(results[0].unwrap_i32())
    }
}

/// An instance of a program, its host, and the handles that the harness needs.
pub struct Session<'p> {
    pub program: &'p Program<'p>,
    pub store: Store<Host>,
    pub instance: Instance,
    pub memory: Mem,
    pub region: Region,
    pub imported_globals: Vec<Global>,
}

impl<'p> Session<'p> {
    /// A new instance whose memory has room for the buffer.
    pub fn new(program: &'p Program<'p>, world: World) -> Result<Self> {
        let mut session = Session::instantiate(program, world)?;
        let len = session.memory.len(&session.store);
        let spec = program.spec;
        let whole = match &spec.buffer {
            Some(range) => range.clone(),
            None => {
                session.memory.grow(&mut session.store, spec.buffer_bytes)?;
                len..session.memory.len(&session.store)
            }
        };
        session.set_region(Region { whole });
        Ok(session)
    }

    /// A fresh instance with what a host can copy: the memory and the imported mutable globals.
    pub fn copy(&mut self) -> Result<Session<'p>> {
        let mut copy = Session::instantiate(self.program, World::default())?;
        let bytes = self.memory_bytes();
        let missing = bytes.len() - copy.memory.len(&copy.store);
        copy.memory.grow(&mut copy.store, missing)?;
        copy.memory.write(&mut copy.store, 0, &bytes);
        let values = self.imported_global_values();
        copy.set_imported_globals(&values)?;
        let host = self.store.data();
        copy.store.data_mut().world = host.world.clone();
        copy.store.data_mut().protocol.policy = host.protocol.policy.clone();
        copy.store.data_mut().protocol.phase = host.protocol.phase.clone();
        copy.set_region(self.region.clone());
        Ok(copy)
    }

    fn instantiate(program: &'p Program<'p>, world: World) -> Result<Self> {
        let host = Host { world, protocol: Protocol::default() };
        let mut store = Store::new(engine(), host);
        store.set_fuel(FUEL)?;
        let imports = make_imports(program, &mut store)?;
        let instance = Instance::new(&mut store, &program.module, &imports)?;
        let memory = find_memory(&instance, &imports, &mut store)?;
        let imported_globals = imports.iter().filter_map(|e| e.clone().into_global()).collect();
        let abi = Abi::of(&instance, &mut store)?;
        store.data_mut().protocol.abi = abi;
        store.data_mut().protocol.interludes = program.spec.interludes.clone();
        store.data_mut().protocol.memory = Some(memory.clone());
        let mut session = Session {
            program,
            store,
            instance,
            memory,
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

    pub fn memory_bytes(&self) -> Vec<u8> {
        let len = self.memory.len(&self.store);
        self.memory.read(&self.store, 0..len)
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
            .filter_map(|export| Some((export.name().to_owned(), export.into_global()?)))
            .collect();
        exports
            .iter()
            .map(|(name, global)| format!("{name} = {}", value::show(&global.get(&mut self.store))))
            .collect()
    }
}

fn find_memory(instance: &Instance, imports: &[Extern], store: &mut Store<Host>) -> Result<Mem> {
    let exported = instance.exports(&mut *store).map(|export| export.into_extern());
    let exported: Vec<_> = exported.collect();
    exported
        .into_iter()
        .chain(imports.iter().cloned())
        .find_map(|e| match e {
            Extern::Memory(memory) => Some(Mem::Plain(memory)),
            Extern::SharedMemory(memory) => Some(Mem::Shared(memory)),
            _ => None,
        })
        .ok_or_else(|| format_err!("the memory must be imported or exported, else no host sees it"))
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
            caller.data_mut().world.log(&name, args);
            types.iter().map(|ty| value::of_int(ty, 0)).collect()
        };
        results.copy_from_slice(&values);
        Ok(())
    };
    Func::new(store.as_context_mut(), ty, call)
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.memory.len(self.store.as_context());
        f.debug_struct("Session").field("memory_bytes", &bytes).finish()
    }
}
