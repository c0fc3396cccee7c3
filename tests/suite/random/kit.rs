//! What holds for every program, whatever bytes it is made of: the fuzz targets in `tests/fuzz`, and the smoke runs of `smoke`, share it.
//!
//! Of a program that is accepted, for the way of rewriting that the first byte chooses: the output is what `verify` accepts, and the same
//! when it is made again; it does what the original does, unwound at every call of an entry, in both kinds of instance; and whatever the
//! engine has on its stack at an entry is in the closure.

use super::generate::{self, Traits};
use super::program::Program;
use super::rng::Rng;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use wasm_fork::testing::wasmtime::{
    AsContext, AsContextMut, Caller, Engine, Func, Linker, Module, Result, Store, Val, ValType,
    WasmBacktrace,
};
use wasm_fork::testing::{Failure, Storm};
use wasm_fork::{EntryPattern, Error, FramesIn, Optimize, Options, Output};
use wasm_smith::Config;

/// At no more than so many single calls a program is unwound.
const CALLS: usize = 6;
/// A module of wasm-smith ends after so many loops and calls; a program of ours ends by itself.
const STEPS: u32 = 200;
/// What an original may take.
const FUEL: u64 = 2_000_000;

/// A program of our generator. Returns how often it was unwound.
///
/// # Panics
/// If anything doesn't hold.
pub fn program(bytes: &[u8]) -> usize {
    let (way, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (shape, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let count = 1 + usize::from(shape & 3);
    let rng = Rng::of_bytes(bytes);
    let program = generate::program_by(rng, count, traits(*shape));
    let text = program.to_string();
    let calls = calls(&program, *shape);
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    check(&wasm, &options(*way, "env.fork,env.pause"), &calls)
        .unwrap_or_else(|what| panic!("{what}\n{text}"))
}

/// Calls of a program's first functions.
fn calls(program: &Program, shape: u8) -> Vec<(String, Vec<Val>)> {
    let mut calls = Vec::new();
    for (func, i) in program.funcs.iter().zip(0..2) {
        calls.push(("refuel".to_owned(), vec![Val::I32(4 + i32::from(shape >> 4))]));
        let args = func.params.iter().map(|ty| number(ty.name(), 7 * i + 3)).collect();
        calls.push((format!("f{i}"), args));
    }
    calls
}

fn traits(shape: u8) -> Traits {
    // The kit rewinds in fresh instances, too.
    Traits { wide: shape & 4 != 0, tail_calls: shape & 8 != 0, ..Traits::default() }
}

fn number(ty: &str, value: i32) -> Val {
    match ty {
        "i32" => Val::I32(value),
        "i64" => Val::I64(value.into()),
        "f32" => Val::F32((value as f32).to_bits()),
        "f64" => Val::F64(f64::from(value).to_bits()),
        _ => Val::V128((value as u128).into()),
    }
}

/// What a module of wasm-smith may import.
const IMPORTS: &str = r#"
(module
  (import "env" "fork" (func (result i32)))
  (import "env" "fork_with" (func (param i32 i64) (result f64)))
  (import "env" "fork_pair" (func (param v128) (result i32 i64)))
  (import "env" "log" (func (param i32))))
"#;

/// A module of wasm-smith, of which all exports are called. Returns how often it was unwound.
///
/// # Panics
/// If anything doesn't hold.
pub fn smith(bytes: &[u8]) -> usize {
    let (way, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (shape, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let has = |bit: u8| shape & (1 << bit) != 0;
    let config = Config {
        available_imports: Some(wat::parse_str(IMPORTS).expect("the imports parse")),
        min_imports: 1,
        min_funcs: 2,
        max_funcs: 8,
        min_memories: 1,
        max_memories: 1,
        max_memory32_bytes: 1 << 20,
        max_memory64_bytes: 1 << 20,
        memory_max_size_required: true,
        max_table_elements: 1000,
        table_max_size_required: true,
        max_instructions: 120,
        export_everything: true,
        allow_start_export: false,
        disallow_traps: has(0),
        exceptions_enabled: has(1),
        gc_enabled: has(2),
        reference_types_enabled: has(2) || has(3),
        tail_call_enabled: has(4),
        simd_enabled: has(5),
        memory64_enabled: has(6),
        multi_value_enabled: has(7),
        threads_enabled: false,
        ..Config::default()
    };
    let module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(bytes));
    let Ok(mut module) = module else { return 0 };
    if module.ensure_termination(STEPS).is_err() {
        return 0;
    }
    let wasm = module.to_bytes();
    let calls = exports(&wasm);
    let options = options(*way, "env.fork*").frames_in(FramesIn::Own);
    check(&wasm, &options, &calls).unwrap_or_else(|what| panic!("{what}\n{}", text_of(&wasm)))
}

fn text_of(wasm: &[u8]) -> String {
    wasmprinter::print_bytes(wasm).unwrap_or_else(|error| format!("{error}"))
}

/// Calls of all exported functions that take no reference.
fn exports(wasm: &[u8]) -> Vec<(String, Vec<Val>)> {
    let engine =
        Engine::new(&crate::engine::config()).expect("the engine supports these proposals");
    let Ok(module) = Module::from_binary(&engine, wasm) else { return Vec::new() };
    let calls = module.exports().filter_map(|export| {
        let ty = export.ty();
        let args = ty.func()?.params().map(|ty| plain(&ty, 5)).collect::<Option<_>>();
        Some((export.name().to_owned(), args?))
    });
    calls.collect()
}

fn plain(ty: &ValType, value: i32) -> Option<Val> {
    match ty {
        ValType::Ref(ty) => ty.is_nullable().then(|| Val::null_ref(ty.heap_type())),
        ty => Some(number(&ty.to_string(), value)),
    }
}

/// An output of which a few bytes are others than they should be: `verify` never fails itself, and accepts only what is valid, and does
/// what the original does, unwound as an output is.
///
/// # Panics
/// If it doesn't.
pub fn mutant(bytes: &[u8]) {
    let (changes, bytes) = bytes.split_at(bytes.len().min(16));
    let (way, shape) = (changes.first().unwrap_or(&0), changes.get(1).unwrap_or(&0));
    let program = generate::program_by(Rng::of_bytes(bytes), 2, traits(*shape));
    let text = program.to_string();
    let wasm = wat::parse_str(&text).expect("the generator's programs are valid");
    let options = options(*way, "env.fork,env.pause");
    let Output { wasm: mut output, resume_module, .. } =
        instrumented(&wasm, &options).expect("they are accepted");
    for change in changes.get(2..).unwrap_or_default().chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % output.len();
        match change[2] % 4 {
            0 => output[at] = change[3],
            1 => output[at] ^= 1 << (change[3] & 7),
            2 => drop(output.remove(at)),
            _ => output.insert(at, change[3]),
        }
    }
    let verified = match &resume_module {
        Some(resumes) => wasm_fork::verify_pair(&wasm, &output, resumes, &options),
        None => wasm_fork::verify(&wasm, &output, &options),
    };
    match verified {
        Ok(verified) => {
            wasmparser::Validator::new_with_features(super::total::features())
                .validate_all(&output)
                .expect("what is accepted is valid");
            // Of a function that isn't checked nothing is said.
            if verified.is_complete() {
                let mutant = (output, resume_module);
                storm(&wasm, &options, mutant, &calls(&program, *shape))
                    .unwrap_or_else(|what| panic!("accepted, and {what}\n{text}"));
            }
        }
        Err(Error::Internal(what)) => panic!("internal error: {what}"),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

fn options(way: u8, entries: &str) -> Options {
    let entries = entries.split(',').map(|entry| EntryPattern::parse(entry).expect("a pattern"));
    let options = Options::default().entries(entries);
    let options = options.optimize(Optimize::ALL[usize::from(way) % 3]);
    let apart = options.optimize != Optimize::Size && way & 64 != 0;
    options.resume_module(apart).same_instance(way & 128 != 0)
}

/// The output; `None` if the module is refused.
fn instrumented(wasm: &[u8], options: &Options) -> Option<Output> {
    match wasm_fork::instrument(wasm, options) {
        Ok(output) => Some(output),
        Err(Error::Internal(what)) => panic!("internal error: {what}"),
        Err(_) => None,
    }
}

type Calls = [(String, Vec<Val>)];

/// All that holds. Returns how often the program was unwound; nothing if there is nothing to unwind.
fn check(wasm: &[u8], options: &Options, calls: &Calls) -> std::result::Result<usize, String> {
    let Some(output) = instrumented(wasm, options) else { return Ok(0) };
    let again = instrumented(wasm, options).ok_or("it is refused when it is made again")?;
    if output.wasm != again.wasm || output.resume_module != again.resume_module {
        return Err("the output is another when it is made again".into());
    }
    let verified = match &output.resume_module {
        Some(resumes) => wasm_fork::verify_pair(wasm, &output.wasm, resumes, options),
        None => wasm_fork::verify(wasm, &output.wasm, options),
    };
    verified.map_err(|error| format!("verify: {error}"))?;
    let (unwinds, stacks) = storm(wasm, options, (output.wasm, output.resume_module), calls)?;
    let closure: BTreeSet<_> = output.report.closure.iter().map(|func| func.index).collect();
    match stacks.iter().find(|func| !closure.contains(func)) {
        Some(func) => {
            Err(format!("function {func} is on the stack of an entry, and not in the closure"))
        }
        None => Ok(unwinds),
    }
}

/// Compares what an output does with what its original does. Returns how often it was unwound, which is nothing if the original doesn't run;
/// and the functions that were on the original's stack at an entry.
fn storm(
    wasm: &[u8],
    options: &Options,
    (output, resume_module): (Vec<u8>, Option<Vec<u8>>),
    calls: &Calls,
) -> std::result::Result<(usize, BTreeSet<u32>), String> {
    let stacks = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = stacks.clone();
    let storm = Storm::new(
        wasm,
        options,
        || 0,
        move |linker, store, module| link(linker, store, module, &seen),
    );
    let storm = storm.instrumented(output, resume_module).at_most(CALLS).fuel(FUEL);
    let storm = calls
        .iter()
        .fold(storm.may_be_undone(true), |storm, (export, args)| storm.call(export, args));
    let unwinds = match storm.run() {
        Ok(compared) => compared.unwinds,
        Err(failure @ Failure::Differs { .. }) => return Err(failure.to_string()),
        Err(_) => 0,
    };
    let stacks = std::mem::take(&mut *stacks.lock().expect("no thread panicked"));
    Ok((unwinds, stacks))
}

/// A host that counts calls, answers with numbers, and writes down what is on the stack when an entry is called.
fn link(
    linker: &mut Linker<i32>,
    store: &mut Store<i32>,
    module: &Module,
    stacks: &Arc<Mutex<BTreeSet<u32>>>,
) -> Result<()> {
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else { continue };
        let is_entry = ["fork", "pause"].iter().any(|start| import.name().starts_with(start));
        let (stacks, types) = (stacks.clone(), ty.results().collect::<Vec<_>>());
        let answer = move |mut caller: Caller<'_, i32>, _: &[Val], results: &mut [Val]| {
            if is_entry {
                stacks.lock().expect("no thread panicked").extend(on_stack(&caller));
            }
            *caller.as_context_mut().data_mut() += 1;
            let number = *caller.data();
            for (result, ty) in results.iter_mut().zip(&types) {
                *result = plain(ty, number).unwrap_or(Val::I32(number));
            }
            Ok(())
        };
        let func = Func::new(&mut *store, ty, answer);
        linker.define(&mut *store, import.module(), import.name(), func)?;
    }
    Ok(())
}

/// The functions of the original that are on the stack: not those of an instrumented module, its resume module, and what of the kit
/// stands among them.
fn on_stack(caller: impl AsContext) -> Vec<u32> {
    const OTHERS: &str = "wpk_fork";
    let is_other = |module: &Module| {
        module.exports().any(|export| export.name().starts_with(OTHERS))
            || module.imports().any(|import| import.module() == OTHERS)
    };
    let trace = WasmBacktrace::force_capture(caller);
    let of_original = trace.frames().iter().filter(|frame| !is_other(frame.module()));
    of_original.map(|frame| frame.func_index()).collect()
}
