//! References that a module keeps for rewinds: for as many as the host wants, and no longer than it wants.

use super::{ANSWER, Host, instrumented_with};
use crate::exec::program::{FUEL, engine};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_fork::{Abi, EntryPattern, Options};
use wasmtime::{
    AsContextMut, Caller, ExternRef, Instance, Linker, Module, RootScope, Rooted, Store, Val,
};

/// Three frames that hold a reference, one of them twice.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (func $inner (param externref) (result i32)
        (i32.add (call $fork) (ref.is_null (local.get 0))))
    (func $middle (param externref i32) (result i32) (local externref)
        (local.set 2 (local.get 0))
        (i32.add
            (i32.add (call $inner (local.get 0)) (ref.is_null (local.get 2)))
            (i32.add (local.get 1) (ref.is_null (local.get 0)))))
    (func (export "run") (param externref) (result i32)
        (i32.add (call $middle (local.get 0) (i32.const 100)) (ref.is_null (local.get 0)))))"#;

const BUFFER: u64 = 1024;
const RUNS: usize = 50;

/// Counts when the last reference to it is gone.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn call_run(host: &mut Host, argument: Val) -> i32 {
    let run = host.instance.get_func(&mut host.store, "run").unwrap();
    let mut results = [Val::I32(0)];
    run.call(&mut host.store, &[argument], &mut results).unwrap();
    results[0].unwrap_i32()
}

/// Unwinds with a reference of the host's.
fn unwind(host: &mut Host, gone: &Arc<AtomicUsize>) {
    let run = host.instance.get_func(&mut host.store, "run").unwrap();
    let mut scope = RootScope::new(&mut host.store);
    let reference = ExternRef::new(&mut scope, Counted(gone.clone())).unwrap();
    let argument = [Val::ExternRef(Some(reference))];
    run.call(&mut scope, &argument, &mut [Val::I32(0)]).unwrap();
    drop(scope);
    host.call("wpk_fork_unwind_end", &[]).unwrap();
}

fn rewind(host: &mut Host, buffer: u64) {
    host.begin("wpk_fork_resume_begin", buffer).unwrap();
    assert_eq!(call_run(host, Val::null_extern_ref()), 100 + ANSWER, "no reference is null");
}

/// How many of the host's references are gone, after the collector ran.
fn gone(host: &mut Host, gone: &Arc<AtomicUsize>) -> usize {
    host.store.gc(None).unwrap();
    gone.load(Ordering::Relaxed)
}

fn modules() -> impl Iterator<Item = Module> {
    let texts = [
        WAT.to_owned(),
        WAT.replace("(memory (export \"memory\")", "(memory (export \"memory\") i64"),
    ];
    let options = Options::default().same_instance(true);
    texts.into_iter().flat_map(move |text| instrumented_with(&text, &options))
}

#[test]
fn references_are_kept_until_they_are_released() {
    for module in modules() {
        let (mut host, count) = (Host::new(&module), Arc::new(AtomicUsize::new(0)));
        host.unwind_to(BUFFER, 4096);
        for run in 1..=RUNS {
            unwind(&mut host, &count);
            let pos = host.read(BUFFER);
            for _ in 0..3 {
                host.write(BUFFER, pos);
                rewind(&mut host, BUFFER);
            }
            assert_eq!(gone(&mut host, &count), run - 1);
            host.begin("wpk_fork_release", BUFFER).unwrap();
            assert_eq!(gone(&mut host, &count), run);
        }
    }
}

#[test]
fn stacks_are_released_one_by_one() {
    for module in modules() {
        let (mut host, count) = (Host::new(&module), Arc::new(AtomicUsize::new(0)));
        let buffers: Vec<_> = (0..RUNS as u64).map(|n| BUFFER + 512 * n).collect();
        for buffer in &buffers {
            host.unwind_to(*buffer, buffer + 512);
            unwind(&mut host, &count);
        }
        assert_eq!(gone(&mut host, &count), 0);
        // Every third is let go, without having been rewound; the others are there still.
        for buffer in buffers.iter().step_by(3) {
            host.begin("wpk_fork_release", *buffer).unwrap();
        }
        let released = RUNS.div_ceil(3);
        assert_eq!(gone(&mut host, &count), released);
        for (position, buffer) in buffers.iter().enumerate() {
            if position % 3 > 0 {
                rewind(&mut host, *buffer);
            } else {
                super::assert_traps(host.begin("wpk_fork_resume_begin", *buffer), "gone");
            }
        }
        assert_eq!(gone(&mut host, &count), released);
    }
}

#[test]
fn an_unwind_that_is_undone_keeps_nothing() {
    for module in modules() {
        let (mut host, count) = (Host::new(&module), Arc::new(AtomicUsize::new(0)));
        for (run, bytes) in (16..160).step_by(4).enumerate() {
            host.unwind_to(BUFFER, BUFFER + bytes);
            let run_func = host.instance.get_func(&mut host.store, "run").unwrap();
            let mut scope = RootScope::new(&mut host.store);
            let reference = ExternRef::new(&mut scope, Counted(count.clone())).unwrap();
            let argument = [Val::ExternRef(Some(reference))];
            run_func.call(&mut scope, &argument, &mut [Val::I32(0)]).unwrap();
            drop(scope);
            if host.state() == super::UNWINDING {
                break;
            }
            assert_eq!(host.store.data().no_room, 1, "{bytes} bytes");
            assert_eq!(gone(&mut host, &count), run + 1, "{bytes} bytes");
        }
        assert_eq!(host.state(), super::UNWINDING, "the last buffer is large enough");
    }
}

/// The module that begins, and one whose function it calls by way of an import: each holds the reference.
const MAIN: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (import "env" "work" (func $work (param externref) (result i32)))
    (memory (export "memory") 1)
    (global (mut i64) (i64.const 1))
    (func (export "run") (param externref) (result i32)
        (i32.add (i32.add (call $work (local.get 0)) (call $fork)) (ref.is_null (local.get 0)))))"#;
const SIDE: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (import "env" "memory" (memory 1))
    (global (mut i32) (i32.const 1))
    (func (export "work") (param externref) (result i32) (local externref)
        (local.set 1 (local.get 0))
        (i32.add (i32.add (call $fork) (ref.is_null (local.get 0))) (ref.is_null (local.get 1)))))"#;

fn linked(text: &str, abi: Abi) -> Module {
    let entry = |name| EntryPattern::exact("env", name);
    let options = Options::default().entries([entry("fork")]).abi(abi).same_instance(true);
    let options = if text == MAIN { options.through([entry("work")]) } else { options };
    let wasm = wasm_fork::instrument(text.as_bytes(), &options).unwrap().wasm;
    Module::from_binary(engine(), &wasm).unwrap()
}

/// Both instances, once there are any.
type Linked = Option<[Instance; 2]>;

fn call(store: &mut impl AsContextMut, instance: &Instance, name: &str, args: &[Val]) -> i32 {
    let func = instance.get_func(&mut *store, name).unwrap_or_else(|| panic!("no {name}"));
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, args, &mut results).unwrap();
    results.first().map_or(0, Val::unwrap_i32)
}

/// The entry unwinds each time, and lets go what is kept when the stack is back.
fn fork(mut caller: Caller<'_, Linked>) -> i32 {
    let [main, side] = caller.data().unwrap();
    if call(&mut caller, &main, "wpk_fork_state", &[]) != super::NORMAL {
        call(&mut caller, &main, "wpk_fork_rewind_end", &[]);
        call(&mut caller, &main, "wpk_fork_release", &[Val::I32(BUFFER as i32)]);
        call(&mut caller, &side, "wpk_fork_release", &[]);
        return ANSWER;
    }
    call(&mut caller, &main, "wpk_fork_unwind_begin", &[Val::I32(BUFFER as i32)]);
    call(&mut caller, &side, "wpk_fork_unwind_join", &[]);
    0
}

#[test]
fn modules_that_share_a_stack_release_theirs() {
    let mut store = Store::new(engine(), None);
    store.set_fuel(FUEL).unwrap();
    let mut linker = Linker::new(engine());
    linker.func_wrap("env", "fork", fork).unwrap();
    let work = |mut caller: Caller<'_, Linked>, reference: Option<Rooted<ExternRef>>| {
        let [_, side] = caller.data().unwrap();
        call(&mut caller, &side, "work", &[Val::ExternRef(reference)])
    };
    linker.func_wrap("env", "work", work).unwrap();
    let main = linker.instantiate(&mut store, &linked(MAIN, Abi::WpkForkMain)).unwrap();
    let exports: Vec<_> =
        main.exports(&mut store).map(|e| (e.name().to_owned(), e.into_extern())).collect();
    for (name, export) in exports.into_iter().filter(|(name, _)| *name != "run") {
        linker.define(&store, "env", &name, export).unwrap();
    }
    let side = linker.instantiate(&mut store, &linked(SIDE, Abi::WpkForkSide)).unwrap();
    *store.data_mut() = Some([main, side]);
    let count = Arc::new(AtomicUsize::new(0));
    for run in 1..=RUNS {
        let mut scope = RootScope::new(&mut store);
        let reference = ExternRef::new(&mut scope, Counted(count.clone())).unwrap();
        call(&mut scope, &main, "run", &[Val::ExternRef(Some(reference))]);
        drop(scope);
        // Once in the side module, and once in the main one, whose stack is alone then.
        for unwind in 0..2 {
            call(&mut store, &main, "wpk_fork_unwind_end", &[]);
            call(&mut store, &main, "wpk_fork_resume_begin", &[Val::I32(BUFFER as i32)]);
            call(&mut store, &side, "wpk_fork_resume_join", &[]);
            store.gc(None).unwrap();
            assert_eq!(count.load(Ordering::Relaxed), run - 1, "unwind {unwind}");
            let result = call(&mut store, &main, "run", &[Val::null_extern_ref()]);
            if unwind == 1 {
                assert_eq!(result, 2 * ANSWER, "no reference is null");
            }
        }
        store.gc(None).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), run);
    }
}
