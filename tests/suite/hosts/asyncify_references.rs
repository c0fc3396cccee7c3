//! References that a module keeps under the ABI `asyncify`: for any number of rewinds, until the host lets go of all, or for one.

use super::{ANSWER, assert_traps};
use crate::exec::program::{FUEL, engine};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_fork::{Abi, EntryPattern, Error, Optimize, Options, RefusalKind};
use wasmtime::{
    AsContextMut, Caller, ExternRef, Instance, Linker, Memory, Module, Result, RootScope, Store,
    Val,
};

/// Three frames that hold a reference, one of them at one of two sites only, and one that holds none.
const WAT: &str = r#"(module
    (import "env" "sleep" (func $sleep (result i32)))
    (memory (export "memory") 1)
    (func $inner (param externref) (result i32)
        (i32.add (call $sleep) (ref.is_null (local.get 0))))
    (func $none (param externref) (result i32)
        (i32.add (call $inner (local.get 0)) (i32.const 0)))
    (func $middle (param externref i32) (result i32) (local externref i32)
        (if (i32.eqz (local.get 1)) (then (drop (call $sleep)) (drop (call $sleep))))
        (local.set 2 (local.get 0))
        (local.set 3 (call $none (local.get 0)))
        (i32.add
            (i32.add (local.get 3) (ref.is_null (local.get 2)))
            (i32.add (local.get 1) (ref.is_null (local.get 0)))))
    (func (export "run") (param externref) (result i32)
        (i32.add (call $middle (local.get 0) (i32.const 100)) (ref.is_null (local.get 0)))))"#;

const HEADER: u64 = 64;
const FRAMES: u64 = 4096;
const FRAMES_BYTES: u64 = 1000;
const RUNS: usize = 50;

/// Counts when the last reference to it is gone.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Host {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    gone: Arc<AtomicUsize>,
}

/// Calls an export of the protocol, with the header's address if it takes one.
fn operation(
    store: &mut impl AsContextMut,
    instance: &Instance,
    name: &str,
    header: u64,
) -> Result<i32> {
    let func = instance.get_func(&mut *store, name).unwrap_or_else(|| panic!("no {name}"));
    let ty = func.ty(&*store);
    let args = ty.params().map(|ty| match ty.is_i64() {
        true => Val::I64(header as i64),
        false => Val::I32(header as i32),
    });
    let args: Vec<_> = args.collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    func.call(store, &args, &mut results)?;
    Ok(results.first().map_or(0, Val::unwrap_i32))
}

impl Host {
    fn new(module: &Module) -> Host {
        let mut store = Store::new(engine(), ());
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine());
        let sleep = |mut caller: Caller<'_, ()>| -> Result<i32> {
            let get = |caller: &mut Caller<'_, ()>, name| {
                caller.get_export(name).unwrap().into_func().unwrap()
            };
            let state = get(&mut caller, "asyncify_get_state");
            let mut results = [Val::I32(0)];
            state.call(&mut caller, &[], &mut results)?;
            let (name, answer) = match results[0].unwrap_i32() {
                2 => ("asyncify_stop_rewind", ANSWER),
                _ => ("asyncify_start_unwind", 0),
            };
            let func = get(&mut caller, name);
            let wide = func.ty(&caller).params().any(|ty| ty.is_i64());
            let header = if wide { Val::I64(HEADER as i64) } else { Val::I32(HEADER as i32) };
            let args = if answer == 0 { vec![header] } else { vec![] };
            func.call(&mut caller, &args, &mut [])?;
            Ok(answer)
        };
        linker.func_wrap("env", "sleep", sleep).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Host { store, instance, memory, gone: Arc::default() }
    }

    fn address_bytes(&self) -> usize {
        if self.memory.ty(&self.store).is_64() { 8 } else { 4 }
    }

    fn set_pos(&mut self, pos: u64) {
        let bytes = self.address_bytes();
        for (at, value) in [(HEADER, pos), (HEADER + bytes as u64, FRAMES + FRAMES_BYTES)] {
            let value = &value.to_le_bytes()[..bytes];
            self.memory.write(&mut self.store, at as usize, value).unwrap();
        }
    }

    fn pos(&self) -> u64 {
        let mut bytes = [0; 8];
        let pos = &mut bytes[..self.address_bytes()];
        self.memory.read(&self.store, HEADER as usize, pos).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn operation(&mut self, name: &str) -> Result<i32> {
        operation(&mut self.store, &self.instance, name, HEADER)
    }

    /// Unwinds with a reference that counts when it is gone; where the stack ends.
    fn pause(&mut self) -> u64 {
        self.set_pos(FRAMES);
        let run = self.instance.get_func(&mut self.store, "run").unwrap();
        let mut scope = RootScope::new(&mut self.store);
        let reference = ExternRef::new(&mut scope, Counted(self.gone.clone())).unwrap();
        run.call(&mut scope, &[Val::ExternRef(Some(reference))], &mut [Val::I32(0)]).unwrap();
        drop(scope);
        self.operation("asyncify_stop_unwind").unwrap();
        self.pos()
    }

    fn resume(&mut self, pos: u64) -> Result<i32> {
        self.set_pos(pos);
        self.operation("asyncify_start_rewind")?;
        let run = self.instance.get_func(&mut self.store, "run").unwrap();
        let mut results = [Val::I32(0)];
        run.call(&mut self.store, &[Val::null_extern_ref()], &mut results)?;
        assert_eq!(self.operation("asyncify_get_state").unwrap(), super::NORMAL);
        assert_eq!(self.pos(), FRAMES, "a rewind brings the position back");
        Ok(results[0].unwrap_i32())
    }

    /// How many of the references are gone, after the collector ran.
    fn gone(&mut self) -> usize {
        self.store.gc(None).unwrap();
        self.gone.load(Ordering::Relaxed)
    }
}

fn options() -> Options {
    let entries = [EntryPattern::exact("env", "sleep")];
    Options::default().abi(Abi::Asyncify).entries(entries).same_instance(true).verify(true)
}

/// With addresses of 32 and 64 bits, in all forms.
fn modules(once: bool) -> Vec<Module> {
    let wide = WAT.replace("(export \"memory\") 1", "(export \"memory\") i64 1");
    let ways = [WAT, &wide].into_iter().flat_map(|wat| Optimize::ALL.map(|way| (wat, way)));
    let make = |(wat, optimize): (&str, _)| {
        let options = options().optimize(optimize).rewind_once(once);
        let output = wasm_fork::instrument(wat.as_bytes(), &options).unwrap();
        Module::from_binary(engine(), &output.wasm).unwrap()
    };
    ways.map(make).collect()
}

#[test]
fn references_are_kept_for_any_number_of_rewinds_until_all_are_released() {
    for module in &modules(false) {
        let mut host = Host::new(module);
        for run in (0..RUNS).step_by(2) {
            let frames_at =
                |host: &Host| host.memory.data(&host.store)[FRAMES as usize..][..1000].to_vec();
            let first = host.pause();
            let frames = frames_at(&host);
            // Another stack in the same place: the host has a copy of the first.
            let second = host.pause();
            assert_eq!(host.resume(second).unwrap(), 100 + ANSWER);
            host.memory.write(&mut host.store, FRAMES as usize, &frames).unwrap();
            for _ in 0..3 {
                assert_eq!(host.resume(first).unwrap(), 100 + ANSWER, "no reference is null");
                assert_eq!(frames_at(&host), frames, "frames stay as they are");
            }
            assert_eq!(host.gone(), run);
            host.operation("asyncify_release").unwrap();
            assert_eq!(host.gone(), run + 2);
            assert_traps(host.resume(first), "what was released can't be rewound");
            host.operation("asyncify_stop_rewind").unwrap();
        }
        host.operation("asyncify_start_unwind").unwrap();
        assert_traps(host.operation("asyncify_release"), "an unwind has begun");
    }
}

#[test]
fn one_rewind_lets_go_and_a_second_traps() {
    for module in &modules(true) {
        let mut host = Host::new(module);
        assert!(host.instance.get_export(&mut host.store, "asyncify_release").is_none());
        for run in 1..=RUNS {
            let pos = host.pause();
            assert_eq!(host.gone(), run - 1);
            assert_eq!(host.resume(pos).unwrap(), 100 + ANSWER, "no reference is null");
            assert_eq!(host.gone(), run);
            if run % 2 == 0 {
                assert_traps(host.resume(pos), "it was rewound before");
                host.operation("asyncify_stop_rewind").unwrap();
            }
        }
    }
}

/// Stacks that wait in places of their own have slots of their own.
#[test]
fn many_stacks_wait_at_once() {
    for once in [false, true] {
        for module in &modules(once) {
            let mut host = Host::new(module);
            let mut stacks = Vec::new();
            for _ in 0..RUNS {
                let pos = host.pause();
                let bytes = host.memory.data(&host.store)[FRAMES as usize..pos as usize].to_vec();
                stacks.push((pos, bytes));
            }
            for (position, (pos, bytes)) in stacks.iter().enumerate().rev() {
                host.memory.write(&mut host.store, FRAMES as usize, bytes).unwrap();
                assert_eq!(host.resume(*pos).unwrap(), 100 + ANSWER);
                assert_eq!(host.gone(), if once { RUNS - position } else { 0 });
            }
        }
    }
}

#[test]
fn to_rewind_once_is_said_of_what_is_kept() {
    let means_nothing = [
        options().same_instance(false).rewind_once(true),
        options().abi(Abi::WpkFork).rewind_once(true),
    ];
    for options in means_nothing {
        let Err(Error::Refused(refusals)) = wasm_fork::instrument(WAT.as_bytes(), &options) else {
            panic!("it is not refused")
        };
        assert!(refusals.iter().all(|refusal| refusal.kind == RefusalKind::Kept), "{refusals:?}");
    }
}
