//! The shadow-stack oracle: random programs run under an engine that shows which functions are on
//! the stack when an entry is called; each must be in the closure, and its call among the sites, at
//! every level of precision that is sound.
//!
//! It shows that nothing is missing from what ran, not that the closure is small. More programs:
//! `PROPTEST_CASES=5000 cargo test oracle`.

use super::analyze_at;
use crate::index::FuncIdx;
use crate::options::Precision;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;
use wasmtime::{Caller, Config, Engine, Linker, Module, Store, WasmBacktrace};

/// Functions of type `$t` (one `i32` to one `i32`), after which come some of other types.
const FUNCS: usize = 6;

/// Writes random code from a list of choices; code that asks for more gets the simplest.
struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    text: String,
    depth: usize,
}

impl Writer<'_> {
    fn choose(&mut self, count: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % count)
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push(' ');
    }

    fn pick(&mut self, texts: &[&str]) {
        let choice = self.choose(texts.len() as u8);
        self.push(texts[usize::from(choice)]);
    }

    /// An expression that leaves one `i32`. Locals: the parameter, two values, a loop counter.
    fn value(&mut self) {
        self.depth += 1;
        let kinds = if self.depth > 5 { 4 } else { 18 };
        match self.choose(kinds) {
            0 => {
                let constant = self.choose(6);
                write!(self.text, "i32.const {constant} ").unwrap();
            }
            1 | 2 => self.pick(&["local.get 0", "local.get 1", "local.get 2"]),
            3 => self.pick(&["global.get $var", "global.get $fix"]),
            4..=6 => {
                self.value();
                self.value();
                let operators = [
                    "i32.add",
                    "i32.sub",
                    "i32.and",
                    "i32.or",
                    "i32.xor",
                    "i32.shl",
                    "i32.shr_u",
                    "i32.mul",
                ];
                self.pick(&operators);
            }
            7 => {
                self.value();
                self.value();
                self.value();
                self.push("select");
            }
            8 => {
                self.value();
                self.pick(&["local.tee 1", "local.tee 2", "local.tee 0"]);
            }
            9 => {
                self.value();
                self.push("if (result i32)");
                self.statements();
                self.value();
                self.push("else");
                self.statements();
                self.value();
                self.push("end");
            }
            10 => {
                self.push("block (result i32)");
                self.value();
                self.value();
                self.push("br_if 0 drop");
                self.statements();
                self.value();
                self.push("end");
            }
            11 => {
                self.value();
                self.push("loop (param i32) (result i32) local.set 1");
                self.statements();
                self.push("local.get 1");
                self.value();
                self.push("local.get 3 i32.const 1 i32.add local.tee 3 i32.const 3 i32.lt_u");
                self.push("i32.and br_if 0 end");
            }
            12 | 13 => {
                self.value();
                let callee = self.choose(FUNCS as u8);
                write!(self.text, "call $f{callee} ").unwrap();
            }
            14..=16 => {
                self.value();
                self.value();
                let table = self.choose(3);
                write!(self.text, "call_indirect $t{table} (type $t) ").unwrap();
            }
            _ => {
                self.value();
                self.reference();
                self.push("call_ref $t");
            }
        }
        self.depth -= 1;
    }

    /// A reference of type `(ref null $t)`.
    fn reference(&mut self) {
        match self.choose(4) {
            0 => {
                let func = self.choose(FUNCS as u8);
                write!(self.text, "ref.func $f{func} ").unwrap();
            }
            1 => self.push("local.get 4"),
            2 => {
                self.value();
                self.push("table.get $t2 ref.cast (ref null $t)");
            }
            _ => {
                self.reference();
                self.reference();
                self.value();
                self.push("select (result (ref null $t))");
            }
        }
    }

    fn statements(&mut self) {
        let count = if self.depth > 5 { 0 } else { self.choose(3) };
        for _ in 0..count {
            self.statement();
        }
    }

    fn statement(&mut self) {
        self.depth += 1;
        match self.choose(10) {
            0 => {
                self.value();
                self.pick(&["local.set 1", "local.set 2", "global.set $var"]);
            }
            1 => self.push("call $fork"),
            2 | 3 => {
                self.value();
                self.reference();
                self.pick(&["table.set $t1", "table.set $t2"]);
            }
            4 => {
                self.reference();
                self.push("local.set 4");
            }
            5 => {
                let writes = [
                    "i32.const 0 i32.const 1 i32.const 2 table.copy $t1 $t2",
                    "i32.const 1 i32.const 0 i32.const 2 table.init $t1 $e",
                    "ref.null func i32.const 1 table.grow $t1 drop",
                    "i32.const 2 i32.const 0 i32.const 2 table.copy $t1 $t0",
                ];
                self.pick(&writes);
            }
            6 => {
                self.push("block $h try_table (catch_all $h)");
                self.statements();
                self.value();
                self.push("if throw $x end");
                self.statements();
                self.push("end end");
            }
            7 => {
                self.value();
                self.push("if");
                self.statements();
                self.value();
                self.push("return end");
            }
            8 => {
                self.push("block block block");
                self.value();
                self.push("br_table 0 1 2 end");
                self.statements();
                self.push("end");
                self.statements();
                self.push("end");
            }
            _ => {
                self.value();
                self.value();
                self.pick(&["return_call_indirect $t0 (type $t)", "return_call $f1"]);
            }
        }
        self.depth -= 1;
    }
}

/// A module whose bodies are made of `choices`.
pub(super) fn module(choices: &[u8]) -> String {
    let mut writer = Writer { choices: choices.iter(), text: String::new(), depth: 0 };
    let mut wat = String::from(
        "(module (import \"k\" \"fork\" (func $fork)) (type $t (func (param i32) (result i32)))
        (memory 1) (tag $x) (global $var (mut i32) (i32.const 1)) (global $fix i32 (i32.const 2))
        (table $t0 5 funcref) (table $t1 5 funcref) (table $t2 5 funcref)
        (elem declare func $f0 $f1 $f2 $f3 $f4 $f5)",
    );
    for table in 0..3 {
        let offset = writer.choose(3);
        let (a, b) = (writer.choose(FUNCS as u8), writer.choose(FUNCS as u8));
        write!(wat, "(elem (table $t{table}) (i32.const {offset}) func $f{a} $f{b})").unwrap();
    }
    let item = writer.choose(FUNCS as u8);
    write!(wat, "(elem $e func $f{item} $f2) (export \"main\" (func $f0))").unwrap();
    for func in 0..FUNCS {
        writer.text.clear();
        if func == FUNCS - 1 {
            writer.push("call $fork");
        }
        writer.statements();
        writer.value();
        write!(wat, "(func $f{func} (type $t) (local i32 i32 i32 (ref null $t)) {})", writer.text)
            .unwrap();
    }
    wat.push(')');
    wat
}

/// The sets of functions on the stack when the entry is called, with the offsets of their calls.
fn stacks(engine: &Engine, wat: &str) -> BTreeSet<(u32, Option<usize>)> {
    let bytes = wat::parse_str(wat).expect("the text parses");
    let module = Module::new(engine, bytes).expect("the module compiles");
    let mut linker = Linker::new(engine);
    linker
        .func_wrap("k", "fork", |mut caller: Caller<'_, BTreeSet<_>>| {
            let frames = WasmBacktrace::force_capture(&caller);
            let frames = frames.frames().iter();
            let seen: Vec<_> = frames.map(|f| (f.func_index(), f.module_offset())).collect();
            caller.data_mut().extend(seen);
        })
        .unwrap();
    let mut all = BTreeSet::new();
    for argument in 0..4 {
        let mut store = Store::new(engine, BTreeSet::new());
        store.set_fuel(20_000).unwrap();
        let instance = linker.instantiate(&mut store, &module);
        if let Ok(instance) = instance {
            let main = instance.get_typed_func::<i32, i32>(&mut store, "main").unwrap();
            // Traps and exhausted fuel end a run like any other.
            let _ = main.call(&mut store, argument);
        }
        all.append(store.data_mut());
    }
    all
}

pub(super) fn engine() -> Engine {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .wasm_tail_call(true)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true);
    Engine::new(&config).expect("the engine has these features")
}

fn check(engine: &Engine, wat: &str) -> usize {
    let stacks = stacks(engine, wat);
    for precision in Precision::ALL.into_iter().filter(|level| *level != Precision::Direct) {
        let analysis = analyze_at(wat, precision);
        for (func, offset) in &stacks {
            let func = FuncIdx(*func);
            let level = precision.name();
            assert!(analysis.closure[func], "{level}: function {func} is missing from {wat}");
            if let Some(offset) = offset {
                let sites = analysis.sites[func].iter();
                let offsets: Vec<_> = sites.map(|site| site.offset as usize).collect();
                assert!(offsets.contains(offset), "{level}: no site {offset:#x} of {func}: {wat}");
            }
        }
    }
    stacks.len()
}

#[test]
fn the_oracle_sees_stacks() {
    let wat = "(module (import \"k\" \"fork\" (func $fork)) (func $a (call $fork))
        (func (export \"main\") (param i32) (result i32) (call $a) (i32.const 0)))";
    assert_eq!(check(&engine(), wat), 2);
}

/// The negative control: the programs do need more than direct calls.
#[test]
fn the_oracle_rejects_direct_calls_alone() {
    let engine = engine();
    // A linear congruential generator, so that the programs are the same each time.
    let mut state = 1_u32;
    let mut choice = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let missed = (0..60).filter(|_| {
        let choices: Vec<u8> = (0..300).map(|_| choice()).collect();
        let wat = module(&choices);
        let stacks = stacks(&engine, &wat);
        let direct = analyze_at(&wat, Precision::Direct).closure;
        stacks.iter().any(|(func, _)| !direct[FuncIdx(*func)])
    });
    assert!(missed.count() > 0);
}

proptest! {
    #[test]
    fn no_function_on_the_stack_is_missing(choices in prop::collection::vec(any::<u8>(), 20..400)) {
        check(&engine(), &module(&choices));
    }
}
