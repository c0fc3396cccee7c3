//! Modules of the ABI `asyncify` that share the globals of its state, by the names that Binaryen has for them: one stack runs through both.

use super::{NORMAL, REWINDING, UNWINDING};
use crate::exec::program::{FUEL, engine};
use rayon::prelude::*;
use wasm_fork::{Abi, EntryPattern, ErrorKind, Optimize, Options, TablePattern};
use wasmtime::{
    AsContextMut, Caller, Extern, Global, Instance, Linker, Module, Result, Store, Val,
};

const MAIN: &str = r#"(module
    (type $f (func (param i32) (result i32)))
    (import "env" "sleep" (func $sleep (param i32) (result i32)))
    (memory (export "memory") 1)
    (table (export "table") 2 funcref)
    (func (export "leaf") (param i32) (result i32)
        (i32.add (local.get 0) (call $sleep (local.get 0))))
    (func (export "run") (param i32) (result i32) (local $kept i32)
        (local.set $kept (i32.mul (local.get 0) (i32.const 100)))
        (i32.add (local.get $kept) (call_indirect (type $f) (local.get 0) (i32.const 1)))))"#;

const SIDE: &str = r#"(module
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 2 funcref))
    (import "env" "leaf" (func $leaf (param i32) (result i32)))
    (import "env" "base" (global $base (mut i32)))
    (elem (i32.const 1) $middle)
    (func $middle (param i32) (result i32) (local $kept i32)
        (local.set $kept (i32.mul (local.get 0) (global.get $base)))
        (i32.add (local.get $kept) (call $leaf (i32.add (local.get 0) (i32.const 1))))))"#;

const HEADER: i32 = 64;

fn main_options(optimize: Optimize) -> Options {
    let options = Options::default().abi(Abi::AsyncifyMain).optimize(optimize).verify(true);
    let options = options.entries([EntryPattern::exact("env", "sleep")]);
    options.through_tables([TablePattern("table".into())])
}

fn side_options(optimize: Optimize) -> Options {
    let options = Options::default().abi(Abi::AsyncifySide).optimize(optimize).verify(true);
    options.entries([]).through([EntryPattern::exact("env", "leaf")])
}

fn instrumented(wat: &str, options: &Options) -> Vec<u8> {
    let output = wasm_fork::instrument(wat.as_bytes(), options).unwrap();
    assert!(output.verified.unwrap().unchecked.is_empty());
    wasm_fork::verify(wat.as_bytes(), &output.wasm, options).unwrap();
    output.wasm
}

/// Pauses the program by the functions of one of the modules, and gives a thousand when it goes on.
fn sleep(mut caller: Caller<'_, Option<Instance>>, argument: i32) -> Result<i32> {
    assert_eq!(argument, 6, "the argument is kept");
    let instance = caller.data().expect("both are there");
    let (operation, args, result) = match state(&instance, &mut caller) {
        NORMAL => ("asyncify_start_unwind", &[Val::I32(HEADER)][..], -1),
        REWINDING => ("asyncify_stop_rewind", &[][..], 1000),
        state => panic!("it is called in state {state}"),
    };
    instance.get_func(&mut caller, operation).unwrap().call(&mut caller, args, &mut [])?;
    Ok(result)
}

fn state(instance: &Instance, mut store: impl AsContextMut) -> i32 {
    let func = instance.get_typed_func::<(), i32>(&mut store, "asyncify_get_state").unwrap();
    func.call(&mut store, ()).unwrap()
}

fn global(instance: &Instance, mut store: impl AsContextMut, name: &str) -> Global {
    instance.get_global(&mut store, name).unwrap_or_else(|| panic!("{name} is not exported"))
}

/// Runs a stack through both; `by_side`: the host asks the side module, and else the main one.
fn check(main: &[u8], side: &[u8], by_side: bool) {
    let mut store = Store::new(engine(), None);
    store.set_fuel(FUEL).unwrap();
    let mut linker = Linker::new(engine());
    linker.func_wrap("env", "sleep", sleep).unwrap();
    let module = Module::from_binary(engine(), main).unwrap();
    let main = linker.instantiate(&mut store, &module).unwrap();
    for name in ["memory", "table", "leaf", "__asyncify_state", "__asyncify_data"] {
        let export = main.get_export(&mut store, name).unwrap();
        linker.define(&mut store, "env", name, export).unwrap();
    }
    let ty = wasmtime::GlobalType::new(wasmtime::ValType::I32, wasmtime::Mutability::Var);
    let base = Global::new(&mut store, ty, Val::I32(7)).unwrap();
    linker.define(&mut store, "env", "base", Extern::Global(base)).unwrap();
    let module = Module::from_binary(engine(), side).unwrap();
    let side = linker.instantiate(&mut store, &module).unwrap();
    let driver = if by_side { side } else { main };
    *store.data_mut() = Some(driver);
    let memory = main.get_memory(&mut store, "memory").unwrap();
    let header = [4096_i32.to_le_bytes(), 8192_i32.to_le_bytes()].concat();
    memory.write(&mut store, HEADER as usize, &header).unwrap();
    let run = main.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    for _ in 0..3 {
        run.call(&mut store, 5).unwrap();
        let shared = global(&main, &mut store, "__asyncify_state").get(&mut store).unwrap_i32();
        assert_eq!(shared, UNWINDING);
        let data = global(&main, &mut store, "__asyncify_data").get(&mut store).unwrap_i32();
        assert_eq!(data, HEADER);
        assert_eq!((state(&main, &mut store), state(&side, &mut store)), (UNWINDING, UNWINDING));
        let stop = driver.get_typed_func::<(), ()>(&mut store, "asyncify_stop_unwind").unwrap();
        stop.call(&mut store, ()).unwrap();
        let start = driver.get_typed_func::<i32, ()>(&mut store, "asyncify_start_rewind").unwrap();
        start.call(&mut store, HEADER).unwrap();
        assert_eq!(run.call(&mut store, -1).unwrap(), 500 + 35 + 6 + 1000);
        assert_eq!((state(&main, &mut store), state(&side, &mut store)), (NORMAL, NORMAL));
    }
}

#[test]
fn one_stack_runs_through_modules_that_share_the_globals() {
    let pairs = Optimize::ALL.into_iter().flat_map(|main| Optimize::ALL.map(|side| (main, side)));
    let pairs: Vec<_> = pairs.collect();
    pairs.into_par_iter().for_each(|(main, side)| {
        let main = instrumented(MAIN, &main_options(main));
        let side = instrumented(SIDE, &side_options(side));
        check(&main, &side, false);
        check(&main, &side, true);
    });
}

#[test]
fn what_is_shared_has_to_be() {
    let wat = MAIN.replace("(export \"table\")", "(export \"table\") (export \"__asyncify_data\")");
    let error = wasm_fork::instrument(wat.as_bytes(), &main_options(Optimize::Size)).unwrap_err();
    assert!(error.to_string().contains("`__asyncify_data` is reserved"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // An output is one of its role.
    let main = instrumented(MAIN, &main_options(Optimize::Size));
    let alone = main_options(Optimize::Size).abi(Abi::Asyncify);
    assert!(wasm_fork::verify(MAIN.as_bytes(), &main, &alone).is_err());
    let side = instrumented(SIDE, &side_options(Optimize::Size));
    let text = wasmprinter::print_bytes(&side).unwrap();
    let state = r#"(import "env" "__asyncify_state""#;
    assert!(text.contains(state), "{text}");
    let other = wat::parse_str(text.replace(state, r#"(import "env" "state""#)).unwrap();
    assert!(wasm_fork::verify(SIDE.as_bytes(), &other, &side_options(Optimize::Size)).is_err());
}
