//! An instance of a program, with the imports that its host gives it; and copies of it.

use super::Link;
use super::kit::{Buffer, Import, Kit, Shared, Stage};
use super::observe::Observation;
use super::program::{Frames, Outline, Program};
use super::value;
use crate::host::carried::Carried;
use crate::host::protocol::{Abi, OWN_MEMORIES, is_reserved};
use crate::options::EntryPattern;
use std::sync::Arc;
use wasmtime::{
    Engine, Extern, ExternType, Func, Global, Instance, Linker, Memory, Mutability, Result, Store,
    format_err,
};

/// All that instances of one storm have in common.
pub(super) struct Setup<'s, T: 'static> {
    pub(super) engine: &'s Engine,
    pub(super) link: &'s Link<T>,
    pub(super) entries: &'s [EntryPattern],
    pub(super) outline: Outline,
    /// How much is added to the memory that frames go to.
    pub(super) buffer_bytes: usize,
}

/// A running program.
pub(super) struct Guest<'s, T: 'static> {
    pub(super) setup: &'s Setup<'s, T>,
    program: Arc<Program>,
    pub(super) store: Store<T>,
    instance: Instance,
    /// In the order of the module's imports.
    imports: Vec<Extern>,
    pub(super) kit: Shared,
}

impl<'s, T: 'static> Guest<'s, T> {
    /// A first instance, which has room for the buffer. The kit is told of everything.
    pub(super) fn new(
        setup: &'s Setup<'s, T>,
        program: &Arc<Program>,
        host: T,
        kit: Kit,
        fuel: u64,
    ) -> Result<Self> {
        let mut guest = Guest::instantiate(setup, program, host, Shared::new(kit), fuel)?;
        if let Some(memory) = guest.frame_memory()? {
            let ty = memory.ty(&guest.store);
            let start = memory.data_size(&guest.store);
            let pages = (setup.buffer_bytes as u64).div_ceil(ty.page_size());
            memory.grow(&mut guest.store, pages).map_err(|error| {
                let why = format!(
                    "the memory that frames go to can't grow by {} bytes: {error}",
                    setup.buffer_bytes
                );
                format_err!(
                    "{why}; ask for a smaller buffer, or let frames go to a memory of their own"
                )
            })?;
            let region = start..memory.data_size(&guest.store);
            let address_bytes = if ty.is_64() { 8 } else { 4 };
            guest.kit.lock().buffer = Some(Buffer { memory, region, address_bytes });
        }
        guest.start()?;
        Ok(guest)
    }

    /// The same program in a fresh instance, of a store of its own: what a host of `fork` copies is copied, and the host goes along.
    pub(super) fn copy(mut self) -> Result<Self> {
        let memories: Vec<_> = self.memories().into_iter().map(|(_, memory)| memory).collect();
        let bytes: Vec<_> =
            memories.iter().map(|memory| memory.data(&self.store).to_vec()).collect();
        let globals: Vec<_> =
            self.imported_globals().map(|global| global.get(&mut self.store)).collect();
        let carried = Carried::of(self.instance, &mut self.store)
            .map_err(|error| format_err!("{error}; rewind in the same instance alone"))?;
        let fuel = self.store.get_fuel()?;
        {
            let mut kit = self.kit.lock();
            kit.stage = Stage::Copying;
            (kit.instance, kit.adapter, kit.abi) = (None, None, None);
        }
        let host = self.store.into_data();
        let mut copy = Guest::instantiate(self.setup, &self.program, host, self.kit, fuel)?;
        for ((_, memory), bytes) in copy.memories().into_iter().zip(&bytes) {
            let missing = bytes.len().saturating_sub(memory.data_size(&copy.store)) as u64;
            let pages = missing / memory.ty(&copy.store).page_size();
            memory.grow(&mut copy.store, pages)?;
            memory.write(&mut copy.store, 0, bytes)?;
        }
        for (global, value) in copy.imported_globals().collect::<Vec<_>>().iter().zip(globals) {
            if global.ty(&copy.store).mutability() == Mutability::Var
                && value.ty(&copy.store)?.is_num()
            {
                global.set(&mut copy.store, value)?;
            }
        }
        carried.put(copy.instance, &mut copy.store)?;
        let memory = copy.frame_memory()?;
        if let (Some(buffer), Some(memory)) = (&mut copy.kit.lock().buffer, memory) {
            buffer.memory = memory;
        }
        copy.start()?;
        Ok(copy)
    }

    fn instantiate(
        setup: &'s Setup<'s, T>,
        program: &Arc<Program>,
        host: T,
        kit: Shared,
        fuel: u64,
    ) -> Result<Self> {
        let mut store = Store::new(setup.engine, host);
        store.set_fuel(fuel)?;
        let mut linker = Linker::new(setup.engine);
        (setup.link)(&mut linker, &mut store, &program.compiled.module)?;
        let (mut imports, mut works, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (ordinal, import) in program.compiled.module.imports().enumerate() {
            let name = format!("{}.{}", import.module(), import.name());
            let found = linker.get_by_import(&mut store, &import);
            works.push(found.clone().and_then(Extern::into_func));
            match (found, import.ty()) {
                (None, _) => unknown.push(format!("`{name}`")),
                (Some(_), ExternType::Func(ty)) => {
                    let mut entries = setup.entries.iter();
                    let is_entry =
                        entries.any(|entry| entry.matches(import.module(), import.name()));
                    let import = Import { ordinal, name, ty, is_entry };
                    imports.push(import.wrapped(&mut store, program, &kit).into());
                }
                (Some(found), _) => imports.push(found),
            }
        }
        if !unknown.is_empty() {
            return Err(Unknown(unknown).into());
        }
        kit.lock().works = works;
        let instance = Instance::new(&mut store, &program.compiled.module, &imports)?;
        Ok(Guest { setup, program: program.clone(), store, instance, imports, kit })
    }

    /// From now on the host calls exports.
    fn start(&mut self) -> Result<()> {
        self.program.compiled.add_resumes(self.instance, &mut self.store)?;
        let abi = Abi::of(&self.instance, &mut self.store)?;
        let mut kit = self.kit.lock();
        kit.stage = Stage::Running;
        kit.instance = Some(self.instance);
        // What the start function called found its exports otherwise.
        kit.adapter = None;
        kit.abi = abi;
        Ok(())
    }

    pub(super) fn abi(&self) -> Result<Abi> {
        let abi = self.kit.lock().abi;
        abi.ok_or_else(|| format_err!("the program is not instrumented"))
    }

    pub(super) fn export(&mut self, name: &str) -> Result<Func> {
        let func = self.instance.get_func(&mut self.store, name);
        func.ok_or_else(|| format_err!("no function is exported as `{name}`"))
    }

    /// The memory that frames go to; an original has none that is added.
    fn frame_memory(&mut self) -> Result<Option<Memory>> {
        let found = match &self.setup.outline.frames {
            Frames::Own => {
                let mut names = OWN_MEMORIES.into_iter();
                return Ok(names.find_map(|name| self.instance.get_memory(&mut self.store, name)));
            }
            Frames::Exported(name) => self.instance.get_export(&mut self.store, name),
            Frames::Imported(ordinal) => {
                let mut memories =
                    self.imports.iter().filter(|import| matches!(import, Extern::Memory(_)));
                memories.nth(*ordinal).cloned()
            }
        };
        match found {
            Some(Extern::Memory(memory)) => Ok(Some(memory)),
            _ => Err(format_err!("the memory that frames go to is not there")),
        }
    }

    fn imported_globals(&self) -> impl Iterator<Item = Global> + use<T> {
        let imports = self.imports.clone();
        imports.into_iter().filter_map(Extern::into_global)
    }

    /// The memories that a host sees, each once, with their names; what was added comes last.
    fn memories(&mut self) -> Vec<(String, Memory)> {
        let exports = self.instance.exports(&mut self.store);
        let exports: Vec<_> =
            exports.map(|export| (export.name().to_owned(), export.into_extern())).collect();
        let names = self.program.compiled.module.imports();
        let imports = names.map(|import| format!("{}.{}", import.module(), import.name()));
        let imports = imports.zip(self.imports.iter().cloned());
        let seen = exports.iter().filter(|(name, _)| !is_reserved(name)).cloned();
        let own = exports.iter().filter(|(name, _)| OWN_MEMORIES.contains(&name.as_str())).cloned();
        let mut memories: Vec<(String, Memory)> = Vec::new();
        for (name, held) in seen.chain(imports).chain(own) {
            let Some(memory) = held.into_memory() else { continue };
            let address = |memory: &Memory| memory.data_ptr(&self.store).addr();
            if memories.iter().all(|(_, known)| address(known) != address(&memory)) {
                memories.push((name, memory));
            }
        }
        memories
    }

    /// What can be seen from outside now.
    pub(super) fn observe(&mut self, outcomes: Vec<String>) -> Observation {
        let memories =
            self.memories().into_iter().filter(|(name, _)| !OWN_MEMORIES.contains(&name.as_str()));
        let memories: Vec<_> =
            memories.map(|(name, memory)| (name, memory.data(&self.store).to_vec())).collect();
        let exports = self.instance.exports(&mut self.store);
        let exports = exports.filter(|export| !is_reserved(export.name()));
        let globals: Vec<_> = exports
            .filter_map(|export| Some((export.name().to_owned(), export.into_global()?)))
            .collect();
        let globals = globals.into_iter().map(|(name, global)| {
            format!("{name} = {}", value::show(&global.get(&mut self.store)))
        });
        let globals = globals.collect();
        let events = std::mem::take(&mut self.kit.lock().events);
        Observation { outcomes, events, globals, memories, seen: Vec::new() }
    }
}

/// Imports that the linker has nothing for.
#[derive(Debug)]
pub(super) struct Unknown(Vec<String>);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "nothing is there for the import{} {}",
            if self.0.len() == 1 { "" } else { "s" },
            self.0.join(", ")
        )
    }
}

impl std::error::Error for Unknown {}
