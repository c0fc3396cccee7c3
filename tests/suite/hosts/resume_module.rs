//! A resume module and its host: when it must be there, what happens if it isn't, and that one of another build can't be used.

use super::{NORMAL, UNWINDING};
use crate::engine::config;
use crate::exec::program::FUEL;
use std::num::NonZero;
use std::sync::OnceLock;
use wasm_fork::{EntryPattern, Optimize, Options, Output};
use wasmtime::{
    AsContextMut, Caller, Engine, Instance, Linker, Module, Result, Store, TypedFunc, format_err,
};

const MODULE: &str = r#"(module
    (import "env" "fork" (func $fork (param i32) (result i32)))
    (memory (export "memory") 2)
    (global $calls (mut i32) (i32.const 0))
    (func $leaf (param $x i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.add (call $fork (local.get $x)) (local.get $x)))
    (func (export "run") (param $x i32) (result i32)
        (i32.add (i32.mul (call $leaf (local.get $x)) (i32.const 10)) (global.get $calls))))"#;

const BUFFER: i32 = 65536;
const ROOMY: i32 = 4096;
/// What the entry returns, and what `run(5)` does then.
const ANSWER: i32 = 3;
const RESULT: i32 = 81;

/// One whose traps say where they come from.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = config();
        config.wasm_backtrace_max_frames(NonZero::new(8));
        Engine::new(&config).expect("the engine supports these proposals")
    })
}

fn instrumented(text: &str) -> Output {
    let options = Options::default().entries([EntryPattern::exact("env", "fork")]);
    let options = options.optimize(Optimize::Speed).resume_module(true);
    let output = wasm_fork::instrument(text.as_bytes(), &options).unwrap();
    let resumes = output.resume_module.as_deref().unwrap();
    wasm_fork::verify_pair(text.as_bytes(), &output.wasm, resumes, &options).unwrap();
    output
}

/// Gives an instance its resume functions.
pub fn instantiate(
    mut store: impl AsContextMut,
    instance: &Instance,
    resumes: &Module,
) -> Result<Instance> {
    let mut imports = Vec::new();
    for import in resumes.imports() {
        assert_eq!(import.module(), "wpk_fork");
        let export = instance.get_export(&mut store, import.name());
        imports.push(export.ok_or_else(|| format_err!("no export {}", import.name()))?);
    }
    Instance::new(store, resumes, &imports)
}

/// One instance, whose entry unwinds into a buffer of so many bytes.
struct Host {
    store: Store<i32>,
    instance: Instance,
}

impl Host {
    fn new(output: &Output, room: i32) -> Host {
        let mut store = Store::new(engine(), room);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine());
        let fork = |mut caller: Caller<'_, i32>, _: i32| {
            let mut export = |name: &str| caller.get_export(name).unwrap();
            let (state, memory) = (export("wpk_fork_state"), export("memory"));
            let (begin, end) = (export("wpk_fork_unwind_begin"), export("wpk_fork_rewind_end"));
            let state = state.into_func().unwrap().typed::<(), i32>(&caller).unwrap();
            if state.call(&mut caller, ()).unwrap() != NORMAL {
                let end = end.into_func().unwrap().typed::<(), ()>(&caller).unwrap();
                end.call(&mut caller, ()).unwrap();
                return ANSWER;
            }
            let (memory, room) = (memory.into_memory().unwrap(), *caller.data());
            let end = (BUFFER + room).to_le_bytes();
            memory.write(&mut caller, BUFFER as usize + 4, &end).unwrap();
            let begin = begin.into_func().unwrap().typed::<i32, ()>(&caller).unwrap();
            begin.call(&mut caller, BUFFER).unwrap();
            0
        };
        linker.func_wrap("env", "fork", fork).unwrap();
        let log = |mut caller: Caller<'_, i32>| {
            FOUND.lock().unwrap().push(caller.get_export("memory").is_some());
        };
        linker.func_wrap("env", "log", log).unwrap();
        let module = Module::new(engine(), &output.wasm).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Host { store, instance }
    }

    fn resumes(&mut self, output: &Output) -> Result<Instance> {
        let resumes = Module::new(engine(), output.resume_module.as_ref().unwrap()).unwrap();
        instantiate(&mut self.store, &self.instance, &resumes)
    }

    fn call(&mut self, name: &str) -> Result<()> {
        let func: TypedFunc<(), ()> = self.instance.get_typed_func(&mut self.store, name)?;
        func.call(&mut self.store, ())
    }

    fn rewind_begin(&mut self) {
        let begin: TypedFunc<i32, ()> =
            self.instance.get_typed_func(&mut self.store, "wpk_fork_rewind_begin").unwrap();
        begin.call(&mut self.store, BUFFER).unwrap();
    }

    fn state(&mut self) -> i32 {
        let state: TypedFunc<(), i32> =
            self.instance.get_typed_func(&mut self.store, "wpk_fork_state").unwrap();
        state.call(&mut self.store, ()).unwrap()
    }

    fn run(&mut self, argument: i32) -> Result<i32> {
        let run: TypedFunc<i32, i32> =
            self.instance.get_typed_func(&mut self.store, "run").unwrap();
        run.call(&mut self.store, argument)
    }

    /// Runs up to the unwind.
    fn unwind(&mut self) {
        self.run(5).unwrap();
        assert_eq!(self.state(), UNWINDING);
        self.call("wpk_fork_unwind_end").unwrap();
    }
}

fn assert_missing(result: Result<i32>) {
    let trap = format!("{:?}", result.unwrap_err());
    assert!(trap.contains("wpk_fork_resume_module_missing"), "{trap}");
}

#[test]
fn it_is_needed_when_a_rewind_begins() {
    let output = instrumented(MODULE);
    let mut host = Host::new(&output, ROOMY);
    host.unwind();
    host.resumes(&output).unwrap();
    host.rewind_begin();
    assert_eq!(host.run(-1).unwrap(), RESULT);
}

#[test]
fn without_it_a_rewind_traps_by_name() {
    let output = instrumented(MODULE);
    let mut host = Host::new(&output, ROOMY);
    host.unwind();
    host.rewind_begin();
    assert_missing(host.run(-1));
}

#[test]
fn it_is_needed_for_an_unwind_that_is_undone() {
    let output = instrumented(MODULE);
    // Room for what is in front of the frames, but for none of these.
    let bare = 8 + 4 + 16;
    let mut host = Host::new(&output, bare);
    assert_missing(host.run(5));
    let mut host = Host::new(&output, bare);
    host.resumes(&output).unwrap();
    assert_eq!(host.run(5).unwrap(), RESULT);
}

#[test]
fn one_of_another_build_is_none() {
    let output = instrumented(MODULE);
    let other = instrumented(&MODULE.replace("i32.const 10", "i32.const 11"));
    let mut host = Host::new(&output, ROOMY);
    let error = host.resumes(&other).unwrap_err().to_string();
    assert!(error.contains("no export wpk_fork_resume_table_"), "{error}");
    let options = Options::default().entries([EntryPattern::exact("env", "fork")]);
    let resumes = other.resume_module.as_deref().unwrap();
    let error = wasm_fork::verify_pair(MODULE.as_bytes(), &output.wasm, resumes, &options);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("can't import wpk_fork.wpk_fork_resume_table_"), "{error}");
}

#[test]
fn the_main_file_is_without_the_resume_functions() {
    let output = instrumented(MODULE);
    let options = Options::default().entries([EntryPattern::exact("env", "fork")]);
    let whole = wasm_fork::instrument(MODULE.as_bytes(), &options.optimize(Optimize::Speed));
    let bodies = |wasm: &[u8]| {
        let payloads = wasmparser::Parser::new(0).parse_all(wasm);
        let bodies = payloads.filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CodeSectionEntry(body) => Some(body.as_bytes().len()),
            _ => None,
        });
        bodies.sum::<usize>()
    };
    let whole = bodies(&whole.unwrap().wasm);
    assert!(bodies(&output.wasm) < whole, "{} of {whole}", bodies(&output.wasm));
}

/// As the guide's chapter on hosts says: a host that looks for memory in the caller of an import finds none there.
#[test]
fn an_import_that_a_resume_function_calls_has_the_resume_module_as_its_caller() {
    let text = r#"(module
        (import "env" "fork" (func $fork (param i32) (result i32)))
        (import "env" "log" (func $log))
        (memory (export "memory") 2)
        (func (export "run") (param $x i32) (result i32)
            (call $log)
            (i32.add (call $fork (local.get $x)) (local.get $x))
            (call $log)))"#;
    let output = instrumented(text);
    let mut host = Host::new(&output, ROOMY);
    host.unwind();
    host.resumes(&output).unwrap();
    host.rewind_begin();
    host.run(-1).unwrap();
    assert_eq!(*FOUND.lock().unwrap(), [true, false]);
}

/// Whether `log` found a memory, call by call.
static FOUND: std::sync::Mutex<Vec<bool>> = std::sync::Mutex::new(Vec::new());
