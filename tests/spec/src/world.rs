//! What the modules of a file find around them: the suite's own imports, and a host that unwinds.

use crate::engine::config;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use wasmtime::{
    AsContextMut, Caller, Engine, Extern, Func, FuncType, Global, GlobalType, Instance, Memory,
    MemoryType, Module, Mutability, Ref, Result, Store, Table, TableType, Trap, Val, ValType,
    WasmBacktrace, bail,
};

/// The states that the host meets in the entry.
const NORMAL: i32 = 0;
const REWINDING: i32 = 2;
const UNDOING: i32 = 3;

/// How many calls of the entry unwind in one call of an export: some tests call it a million times.
pub const UNWINDS_OF_A_CALL: u32 = 40;

/// How much of a memory is compared, in bytes: some have many gigabytes.
const SUMMED: usize = 1 << 18;

/// What the host keeps.
#[derive(Default)]
pub struct World {
    /// For each instance what unwinds it, if it was instrumented and is all there.
    pub forks: Vec<Option<Fork>>,
    /// The modules of all instances.
    pub modules: Vec<Module>,
    /// How often the entry returned to the program.
    pub calls: u64,
    /// How many unwinds are left.
    pub budget: u32,
    /// The instance that is unwinding.
    pub pending: Option<usize>,
    pub unwinds: u64,
    /// How many of them were undone.
    pub undone: u64,
    /// How many were rewound in a fresh instance.
    pub moves: u64,
}

/// An instance that can be unwound.
#[derive(Clone)]
pub struct Fork {
    pub module: Module,
    pub buffer: i32,
    pub begin: Func,
    pub end: Func,
    /// `rewind_begin` and `resume_begin`: where nothing happens meanwhile, they do the same.
    pub rewind: [Func; 2],
    pub rewind_end: Func,
    pub state: Func,
}

/// All proposals that the engine has, and one bit pattern for NaN, so that results can be compared by their bits.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&config()).expect("these proposals are supported together"))
}

/// The entry of the instance with this number.
pub fn entry(store: &mut Store<World>, number: usize) -> Func {
    Func::wrap(store, move |caller: Caller<'_, World>| enter(caller, number))
}

fn enter(mut caller: Caller<'_, World>, number: usize) -> Result<()> {
    let Some(fork) = caller.data().forks[number].clone() else {
        caller.data_mut().calls += 1;
        return Ok(());
    };
    match state(&mut caller, &fork)? {
        NORMAL if caller.data().budget > 0 && is_alone(&caller, &fork) => {
            let world = caller.data_mut();
            world.budget -= 1;
            world.unwinds += 1;
            world.pending = Some(number);
            fork.begin.call(&mut caller, &[Val::I32(fork.buffer)], &mut [])?;
            return Ok(());
        }
        NORMAL => {}
        now @ (REWINDING | UNDOING) => {
            fork.rewind_end.call(&mut caller, &[], &mut [])?;
            let world = caller.data_mut();
            if now == UNDOING {
                world.undone += 1;
                world.pending = None;
            }
        }
        now => bail!("the entry is called in the state {now}"),
    }
    caller.data_mut().calls += 1;
    Ok(())
}

fn state(store: &mut impl AsContextMut, fork: &Fork) -> Result<i32> {
    let mut results = [Val::I32(-1)];
    fork.state.call(store, &[], &mut results)?;
    Ok(results[0].unwrap_i32())
}

/// Whether all frames are the module's: those of others would not unwind.
fn is_alone(caller: &Caller<'_, World>, fork: &Fork) -> bool {
    let stack = WasmBacktrace::force_capture(caller);
    stack.frames().iter().all(|frame| Module::same(frame.module(), &fork.module))
}

/// Ends the unwind of an instance.
pub fn end_unwind(store: &mut Store<World>, number: usize) -> Result<()> {
    let fork = store.data().forks[number].clone().expect("it unwinds");
    fork.end.call(&mut *store, &[], &mut [])
}

/// Begins to rewind an instance, in which nothing was done since the unwind.
pub fn go_on(store: &mut Store<World>, number: usize) -> Result<()> {
    let fork = store.data().forks[number].clone().expect("it unwinds");
    let which = store.data().unwinds as usize % fork.rewind.len();
    fork.rewind[which].call(&mut *store, &[Val::I32(fork.buffer)], &mut [])
}

/// Begins to rewind an instance that is fresh.
pub fn go_on_afresh(store: &mut Store<World>, number: usize) -> Result<()> {
    let fork = store.data().forks[number].clone().expect("it is instrumented");
    fork.rewind[0].call(&mut *store, &[Val::I32(fork.buffer)], &mut [])
}

/// Copies the memories that both instances export.
pub fn copy_memories(store: &mut Store<World>, from: &Instance, to: &Instance) -> Result<()> {
    let memories = from.exports(&mut *store).filter_map(|export| {
        let name = export.name().to_owned();
        export.into_memory().map(|_| name)
    });
    for name in memories.collect::<Vec<_>>() {
        let [from, to] = [from, to].map(|instance| instance.get_memory(&mut *store, &name));
        let (from, to) = (from.expect("exported"), to.expect("of the same module"));
        let missing = from.size(&*store).saturating_sub(to.size(&*store));
        to.grow(&mut *store, missing)?;
        let bytes = from.data(&*store).to_vec();
        to.data_mut(&mut *store).copy_from_slice(&bytes);
    }
    Ok(())
}

/// How many bytes the memories have that an instance exports.
pub fn memory_bytes(store: &mut Store<World>, instance: &Instance) -> usize {
    let memories = instance.exports(&mut *store).filter_map(|export| export.into_memory());
    let memories: Vec<_> = memories.collect();
    memories.iter().map(|memory| memory.data_size(&*store)).sum()
}

/// What stopped a call.
pub fn problem(store: &mut Store<World>, error: &wasmtime::Error) -> String {
    _ = store.as_context_mut().take_pending_exception();
    match error.downcast_ref::<Trap>() {
        Some(trap) => format!("{trap:?}"),
        // Engines number types as they meet them.
        None => {
            let text = error.root_cause().to_string();
            text.lines().next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "")
        }
    }
}

/// A value as far as it can be compared between instances.
pub fn describe(store: &mut Store<World>, value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32 {value}"),
        Val::I64(value) => format!("i64 {value}"),
        Val::F32(bits) => format!("f32 {bits:#x}"),
        Val::F64(bits) => format!("f64 {bits:#x}"),
        Val::V128(value) => format!("v128 {:#x}", value.as_u128()),
        Val::FuncRef(func) => if func.is_some() { "func" } else { "null" }.into(),
        Val::ExternRef(None) | Val::AnyRef(None) => "null".into(),
        Val::ExternRef(Some(value)) => host_value(store, value).unwrap_or("extern".into()),
        Val::AnyRef(Some(value)) => match value.as_i31(&mut *store) {
            Ok(Some(value)) => format!("i31 {}", value.get_u32()),
            _ => "object".into(),
        },
        _ => "reference".into(),
    }
}

fn host_value(
    store: &Store<World>,
    value: &wasmtime::Rooted<wasmtime::ExternRef>,
) -> Option<String> {
    let value = value.data(store).ok()??.downcast_ref::<u32>()?;
    Some(format!("extern {value}"))
}

/// What the exported memories, globals and tables of an instance hold.
pub fn contents(store: &mut Store<World>, instance: &Instance) -> String {
    let exports: Vec<_> =
        instance.exports(&mut *store).map(|e| (e.name().to_owned(), e.into_extern())).collect();
    let mut parts = Vec::new();
    for (name, export) in exports.into_iter().filter(|(name, _)| !name.starts_with("wpk_fork_")) {
        let held = match export {
            Extern::Memory(memory) => {
                let bytes = memory.data(&*store);
                let sum = bytes[..bytes.len().min(SUMMED)].iter().fold(0_u64, |hash, byte| {
                    (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
                });
                format!("{} pages, {sum:#x}", memory.size(&*store))
            }
            Extern::Global(global) => {
                let value = global.get(&mut *store);
                describe(store, &value)
            }
            Extern::Table(table) => format!("{} slots", table.size(&*store)),
            _ => continue,
        };
        parts.push(format!("{name}: {held}"));
    }
    parts.join("; ")
}

/// The imports that the suite's tests expect.
pub fn spectest(store: &mut Store<World>) -> BTreeMap<String, Extern> {
    let mut exports: BTreeMap<String, Extern> = BTreeMap::new();
    let types = [
        ("print", vec![]),
        ("print_i32", vec![ValType::I32]),
        ("print_i64", vec![ValType::I64]),
        ("print_f32", vec![ValType::F32]),
        ("print_f64", vec![ValType::F64]),
        ("print_i32_f32", vec![ValType::I32, ValType::F32]),
        ("print_f64_f64", vec![ValType::F64, ValType::F64]),
    ];
    for (name, params) in types {
        let ty = FuncType::new(engine(), params, []);
        let func = Func::new(&mut *store, ty, |_, _, _| Ok(()));
        exports.insert(name.into(), func.into());
    }
    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6_f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, ty, value) in globals {
        let global = Global::new(&mut *store, GlobalType::new(ty, Mutability::Const), value);
        exports.insert(name.into(), global.expect("of its type").into());
    }
    let table = |store: &mut Store<World>, ty| {
        Table::new(store, ty, Ref::Func(None)).expect("of its type").into()
    };
    let ty = TableType::new(wasmtime::RefType::FUNCREF, 10, Some(20));
    exports.insert("table".into(), table(store, ty));
    let ty = TableType::new64(wasmtime::RefType::FUNCREF, 10, Some(20));
    exports.insert("table64".into(), table(store, ty));
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2))).expect("two pages");
    exports.insert("memory".into(), memory.into());
    exports
}
