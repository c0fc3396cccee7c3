//! The ABI `asyncify`, as the hosts of Binaryen's Asyncify use it.

use super::{NORMAL, REWINDING, UNWINDING, assert_traps};
use crate::exec::differential;
use crate::exec::program::{FUEL, Spec, engine};
use crate::fixtures::golden::{self, Fixture};
use rayon::prelude::*;
use wasm_fork::{Abi, EntryPattern, Error, Optimize, Options, RefusalKind};
use wasmparser::{Parser, Payload};
use wasmtime::{Caller, Instance, Linker, Memory, Module, Result, Store, Val};

/// 21 frames, and a global that counts what has run.
const WAT: &str = r#"(module
    (import "env" "sleep" (func $sleep (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $ran (mut i32) (i32.const 0))
    (func $r (param i32) (param i64) (result i32)
        (global.set $ran (i32.add (global.get $ran) (i32.const 1)))
        (if (result i32) (local.get 0)
            (then (i32.add
                (call $r (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 3)))
                (i32.wrap_i64 (local.get 1))))
            (else (call $sleep (i32.const 7)))))
    (func (export "run") (result i32)
        (i32.add (call $r (i32.const 20) (i64.const 1)) (i32.mul (i32.const 1000) (global.get $ran))))
    (func (export "ran") (result i32) (global.get $ran)))"#;

const HEADER: u64 = 64;
const FRAMES: u64 = 4096;
const POISON: u8 = 0xaa;
/// What `run` gives if `sleep` gives 5 and nothing else ran.
const EXPECTED: i32 = 5 + 590 + 21_000;

struct Host {
    store: Store<bool>,
    instance: Instance,
    memory: Memory,
    address_bytes: usize,
}

fn options(optimize: Optimize) -> Options {
    Options::default().abi(Abi::Asyncify).optimize(optimize)
}

/// With addresses of 32 and 64 bits, in all forms.
fn modules() -> Vec<Module> {
    let wide = WAT.replace("(export \"memory\") 1", "(export \"memory\") i64 1");
    let ways = [WAT, &wide].into_iter().flat_map(|wat| Optimize::ALL.map(|way| (wat, way)));
    let make = |(wat, optimize): (&str, _)| {
        let options = options(optimize).entries([EntryPattern::exact("env", "sleep")]).verify(true);
        let output = wasm_fork::instrument(wat.as_bytes(), &options).unwrap();
        Module::from_binary(engine(), &output.wasm).unwrap()
    };
    ways.map(make).collect()
}

impl Host {
    fn new(module: &Module) -> Host {
        let mut store = Store::new(engine(), true);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine());
        linker.func_wrap("env", "sleep", sleep).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let address_bytes = if memory.ty(&store).is_64() { 8 } else { 4 };
        let mut host = Host { store, instance, memory, address_bytes };
        host.memory.data_mut(&mut host.store).fill(POISON);
        host.set_buffer(FRAMES, 65536);
        host
    }

    fn set_buffer(&mut self, pos: u64, end: u64) {
        let bytes = self.address_bytes;
        for (at, value) in [(HEADER, pos), (HEADER + bytes as u64, end)] {
            let value = &value.to_le_bytes()[..bytes];
            self.memory.write(&mut self.store, at as usize, value).unwrap();
        }
    }

    fn pos(&self) -> u64 {
        let mut bytes = [0; 8];
        let pos = &mut bytes[..self.address_bytes];
        self.memory.read(&self.store, HEADER as usize, pos).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn call(&mut self, name: &str) -> Result<i32> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let takes_buffer = func.ty(&self.store).params().len() > 0;
        let args = takes_buffer.then(|| address(self.address_bytes));
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, args.as_slice(), &mut results)?;
        Ok(results.first().map_or(0, Val::unwrap_i32))
    }

    fn state(&mut self) -> i32 {
        self.call("asyncify_get_state").unwrap()
    }

    /// Calls `run` until the stack is in the buffer.
    fn pause(&mut self) {
        self.call("run").unwrap();
        assert_eq!(self.state(), UNWINDING);
        self.call("asyncify_stop_unwind").unwrap();
        assert_eq!(self.state(), NORMAL);
    }

    fn resume(&mut self) -> i32 {
        self.call("asyncify_start_rewind").unwrap();
        assert_eq!(self.state(), REWINDING);
        let result = self.call("run").unwrap();
        assert_eq!(self.state(), NORMAL);
        result
    }
}

fn address(address_bytes: usize) -> Val {
    if address_bytes == 8 { Val::I64(HEADER as i64) } else { Val::I32(HEADER as i32) }
}

/// Pauses the program, if the store says so, and gives 5 when it goes on.
fn sleep(mut caller: Caller<'_, bool>, argument: i32) -> Result<i32> {
    assert_eq!(argument, 7, "the argument is kept");
    let mut call = |name: &str, takes_buffer: bool| -> Result<i32> {
        let func = caller.get_export(name).unwrap().into_func().unwrap();
        let memory = caller.get_export("memory").unwrap().into_memory().unwrap();
        let address = address(if memory.ty(&caller).is_64() { 8 } else { 4 });
        let args = takes_buffer.then_some(address);
        let mut results = vec![Val::I32(0); func.ty(&caller).results().len()];
        func.call(&mut caller, args.as_slice(), &mut results)?;
        Ok(results.first().map_or(0, Val::unwrap_i32))
    };
    if call("asyncify_get_state", false)? == REWINDING {
        call("asyncify_stop_rewind", false)?;
        return Ok(5);
    }
    if !*caller.data() {
        return Ok(5);
    }
    let mut call = |name: &str| -> Result<()> {
        let func = caller.get_export(name).unwrap().into_func().unwrap();
        let wide = func.ty(&caller).param(0).is_some_and(|ty| ty.is_i64());
        func.call(&mut caller, &[address(if wide { 8 } else { 4 })], &mut [])
    };
    call("asyncify_start_unwind")?;
    Ok(0)
}

#[test]
fn frames_alone_are_in_the_buffer_and_globals_stay_as_they_are() {
    for module in &modules() {
        let mut host = Host::new(module);
        host.pause();
        let used = FRAMES as usize..host.pos() as usize;
        assert!(used.len() <= 22 * 32, "{} bytes for 22 frames", used.len());
        let header = HEADER as usize..HEADER as usize + 2 * host.address_bytes;
        let bytes = host.memory.data(&host.store).iter().enumerate();
        let mut stray = bytes
            .filter(|(at, byte)| **byte != POISON && !used.contains(at) && !header.contains(at));
        assert_eq!(stray.next(), None, "something else was written");
        // The program itself has gone on meanwhile.
        assert_eq!(host.call("ran").unwrap(), 21);
        assert_eq!(host.resume(), EXPECTED);
        assert_eq!(host.pos(), FRAMES, "a rewind brings the position back");
    }
}

#[test]
fn one_buffer_is_rewound_again_and_again() {
    for module in &modules() {
        let mut host = Host::new(module);
        host.pause();
        let pos = host.pos();
        for _ in 0..3 {
            host.set_buffer(pos, 65536);
            assert_eq!(host.resume(), EXPECTED);
        }
        // Frames may lie anywhere.
        let frames = host.memory.data(&host.store)[FRAMES as usize..pos as usize].to_vec();
        host.memory.data_mut(&mut host.store)[FRAMES as usize..pos as usize].fill(POISON);
        let moved = 20_000;
        host.memory.write(&mut host.store, moved as usize, &frames).unwrap();
        host.set_buffer(moved + frames.len() as u64, 65536);
        assert_eq!(host.resume(), EXPECTED);
        assert_eq!(host.pos(), moved);
    }
}

#[test]
fn what_has_no_room_traps_and_nothing_is_written_behind_the_end() {
    for module in &modules() {
        let mut host = Host::new(module);
        host.pause();
        let needed = host.pos();
        for end in (FRAMES..needed).step_by(4).chain([needed - 1]) {
            let mut host = Host::new(module);
            host.set_buffer(FRAMES, end);
            assert_traps(host.call("run"), "no room");
            let behind = &host.memory.data(&host.store)[end as usize..];
            assert!(behind.iter().all(|byte| *byte == POISON), "end {end}");
        }
        let mut host = Host::new(module);
        host.set_buffer(FRAMES, needed);
        host.pause();
        assert_eq!(host.resume(), EXPECTED);
    }
}

#[test]
fn operations_come_in_any_order_but_for_a_buffer_that_has_overflown() {
    const OPERATIONS: [(&str, i32); 4] = [
        ("asyncify_start_unwind", UNWINDING),
        ("asyncify_start_rewind", REWINDING),
        ("asyncify_stop_unwind", NORMAL),
        ("asyncify_stop_rewind", NORMAL),
    ];
    for module in &modules() {
        let mut host = Host::new(module);
        for (first, _) in OPERATIONS {
            for (second, state) in OPERATIONS {
                host.call(first).unwrap();
                host.call(second).unwrap();
                assert_eq!(host.state(), state, "{second} after {first}");
            }
        }
        host.call("asyncify_stop_unwind").unwrap();
        // A host may stop an unwind that never began: nothing has happened.
        *host.store.data_mut() = false;
        assert_eq!(host.call("run").unwrap(), EXPECTED);
        host.call("asyncify_stop_unwind").unwrap();
        host.set_buffer(65537, 65536);
        for (operation, _) in OPERATIONS {
            assert_traps(host.call(operation), operation);
        }
    }
}

#[test]
fn a_frame_of_another_function_traps() {
    for module in &modules() {
        let mut host = Host::new(module);
        host.pause();
        host.call("asyncify_start_rewind").unwrap();
        // It has no frame, and needs none.
        assert_eq!(host.call("ran").unwrap(), 21);
        let pos = host.pos();
        host.set_buffer(pos - 8, 65536);
        assert_traps(host.call("run"), "the position is not where the unwind left it");
    }
}

/// Whether a stack can be rewound again over what memory was: no other state of the instance changes.
fn copies(wasm: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(wasm).map(Result::unwrap);
    let mut globals = sections.filter_map(|section| match section {
        Payload::GlobalSection(globals) => Some(globals),
        _ => None,
    });
    globals.all(|globals| globals.into_iter().all(|global| !global.unwrap().ty.mutable))
}

/// Its guard would be behind a tail call inside a `try`, and can't undo here: what traps must not be caught, so it is refused.
const TRAPS_IN_A_TRY: &str = "run/assume_tail_call_in_try";

/// `once`: where references are kept, the first rewind lets them go.
fn check(fixture: &Fixture, optimize: Optimize, once: bool) -> Result<(), String> {
    let input = fixture.directives.input(&fixture.text)?;
    let original = wat::parse_bytes(&input).map_err(|error| error.to_string())?;
    let options = fixture.directives.options().abi(Abi::Asyncify).optimize(optimize).verify(true);
    let options = options.resume_module(false).rewind_once(once);
    let made = wasm_fork::instrument(&original, &options);
    if fixture.name == TRAPS_IN_A_TRY {
        let Err(Error::Refused(refusals)) = made else {
            return Err("it is not refused".into());
        };
        let by_name = refusals.iter().all(|r| r.kind == RefusalKind::GuardedTailCall);
        return if by_name { Ok(()) } else { Err(format!("{refusals:?}")) };
    }
    let output = made.map_err(|error| error.to_string())?;
    let spec = Spec { rewinds_once: once, ..fixture.directives.spec.clone() };
    differential::check_asyncify(&original, &output.wasm, &spec, copies(&original) && !once)
}

#[test]
fn fixtures_run_paused_as_they_run_unpaused() {
    let (fixtures, problems) = golden::load("run");
    assert!(problems.is_empty(), "{problems:?}");
    // What is undone has no counterpart here.
    let fixtures = fixtures.iter().filter(|fixture| {
        let spec = &fixture.directives.spec;
        !spec.undone && !fixture.directives.stand_ins
    });
    let fixtures = fixtures.flat_map(|fixture| {
        let twice = std::iter::once((fixture, false));
        twice.chain(fixture.directives.spec.keeps_references.then_some((fixture, true)))
    });
    let cases: Vec<_> = fixtures
        .flat_map(|(fixture, once)| Optimize::ALL.map(|optimize| (fixture, optimize, once)))
        .collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    let problems: Vec<_> = cases
        .par_iter()
        .filter_map(|(fixture, optimize, once)| {
            let problem = check(fixture, *optimize, *once).err()?;
            let once = if *once { " once" } else { "" };
            Some(format!("{} {}{once}: {problem}", fixture.name, optimize.name()))
        })
        .collect();
    assert!(problems.is_empty(), "{} problems:\n\n{}", problems.len(), problems.join("\n\n"));
}
