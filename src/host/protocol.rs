//! The host's side of both ABIs on one instance: their exports, and the states that they go through.

use std::fmt;
use wasmtime::{AsContextMut, Func, Instance, Result, Trap, Val, ValType, format_err};

/// The states that `wpk_fork_state` tells, and `asyncify_get_state`, all but the last.
pub(crate) const NORMAL: i32 = 0;
pub(crate) const UNWINDING: i32 = 1;
pub(crate) const REWINDING: i32 = 2;
/// The entry is called again because the unwind was undone: for want of room, a reference, a function that was not prepared.
pub(crate) const UNDONE: i32 = 3;

/// How the names of exports begin that instrumenting adds.
pub(crate) const RESERVED: &str = "wpk_fork_";
#[cfg(feature = "testing")]
const RESERVED_OF_ASYNCIFY: &str = "asyncify_";

/// Whether an export is one that instrumenting adds, by either ABI.
#[cfg(feature = "testing")]
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED) || name.starts_with(RESERVED_OF_ASYNCIFY)
}

/// Under which names a memory is exported that is added for frames, by the ABIs.
pub(crate) const OWN_MEMORIES: [&str; 2] = ["wpk_fork_memory", "asyncify_memory"];

/// What tells the state, begins and ends an unwind, begins a rewind in a fresh and in the same instance, and ends it.
const WPK_FORK: [&str; 6] = [
    "wpk_fork_state",
    "wpk_fork_unwind_begin",
    "wpk_fork_unwind_end",
    "wpk_fork_rewind_begin",
    "wpk_fork_resume_begin",
    "wpk_fork_rewind_end",
];
const ASYNCIFY: [&str; 6] = [
    "asyncify_get_state",
    "asyncify_start_unwind",
    "asyncify_stop_unwind",
    "asyncify_start_rewind",
    "asyncify_start_rewind",
    "asyncify_stop_rewind",
];

/// The exports of the ABI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abi {
    pub(crate) unwind_begin: Export,
    pub(crate) unwind_end: Export,
    pub(crate) rewind_begin: Export,
    pub(crate) resume_begin: Export,
    pub(crate) rewind_end: Export,
    state: Func,
    pub(crate) release: Option<Export>,
    unprepared: Option<Func>,
    /// Whether the host says where frames go: in the ABI asyncify, which leaves the globals to the host, too.
    pub(crate) sets_pos: bool,
}

/// One of them, which traps for no right call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export(&'static str, Func);

impl Export {
    pub(crate) fn call(self, store: impl AsContextMut, args: &[Val]) -> Result<()> {
        let Export(name, func) = self;
        func.call(store, args, &mut []).or_else(|error| match error.downcast_ref::<Trap>() {
            Some(trap) => broken(format!("{name} traps: {trap}")),
            None => Err(error),
        })
    }
}

impl Abi {
    /// Those of an instance; `None` if it is no instrumented one.
    pub(crate) fn of(instance: &Instance, mut store: impl AsContextMut) -> Result<Option<Abi>> {
        let mut get = |name: &str| instance.get_func(&mut store, name);
        let (names, sets_pos) = match get("wpk_fork_state") {
            Some(_) => (&WPK_FORK, false),
            None => (&ASYNCIFY, true),
        };
        let [state, unwind_begin, unwind_end, rewind_begin, resume_begin, rewind_end] = *names;
        let Some(state) = get(state) else { return Ok(None) };
        let release = get("wpk_fork_release").map(|func| Export("wpk_fork_release", func));
        let unprepared = get("wpk_fork_unprepared");
        let mut need = |name| {
            let func = get(name).ok_or_else(|| format_err!("the export {name} is missing"))?;
            Ok::<_, wasmtime::Error>(Export(name, func))
        };
        Ok(Some(Abi {
            unwind_begin: need(unwind_begin)?,
            unwind_end: need(unwind_end)?,
            rewind_begin: need(rewind_begin)?,
            resume_begin: need(resume_begin)?,
            rewind_end: need(rewind_end)?,
            state,
            release,
            unprepared,
            sets_pos,
        }))
    }

    pub(crate) fn state(&self, store: impl AsContextMut) -> Result<i32> {
        number(self.state, store)
    }

    /// The index of the function that was not prepared for the last unwind, if that is why it was undone.
    pub(crate) fn unprepared(&self, store: impl AsContextMut) -> Result<Option<u32>> {
        let Some(func) = self.unprepared else { return Ok(None) };
        number(func, store).map(|index| (index != -1).then_some(index as u32))
    }
}

fn number(func: Func, store: impl AsContextMut) -> Result<i32> {
    let mut results = [Val::I32(-1)];
    func.call(store, &[], &mut results)?;
    Ok(results[0].unwrap_i32())
}

/// A value that no program computes, for where the ABI says that any value will do.
pub(crate) fn garbage(ty: &ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(0x6ba_5ba6),
        ValType::I64 => Val::I64(0x006b_a5ba_66ba_5ba6),
        ValType::F32 => Val::F32(0x6ba_5ba6),
        ValType::F64 => Val::F64(0x006b_a5ba_66ba_5ba6),
        ValType::V128 => Val::V128((0x006b_a5ba_66ba_5ba6_u128).into()),
        ValType::Ref(ty) => Val::null_ref(ty.heap_type()),
    }
}

/// So many values of types as they are in a list of arguments or results before a call.
pub(crate) fn blanks(types: impl Iterator<Item = ValType>) -> Vec<Val> {
    types.map(|ty| garbage(&ty)).collect()
}

/// Something that an instrumented module, or its host, does against the protocol.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

pub(crate) fn broken<T>(what: impl Into<String>) -> Result<T> {
    Err(Broken(what.into()).into())
}
