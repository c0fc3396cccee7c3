//! The shadow-stack oracle under random assumptions, right or wrong: an unwind that begins at a stack
//! that was really seen comes, from the entry outwards, over sites of the closure alone; and if it
//! comes to a function outside, then by a call that is guarded.

use super::oracle::{engine, module};
use super::{options, with_module};
use crate::analyze::Analysis;
use crate::index::FuncIdx;
use crate::options::{Assumption, FuncPattern, Options, TablePattern};
use proptest::prelude::*;
use std::collections::BTreeSet;
use wasmtime::{Caller, Engine, Linker, Module, Store, WasmBacktrace};

/// The frames of a stack, innermost first: function index, and offset of the call in bytes.
type Stack = Vec<(u32, usize)>;

/// A program as the oracle makes it, whose first table the host can see. Tail calls are what a guard
/// makes of them, for a stack doesn't show who made one.
fn program(choices: &[u8]) -> String {
    let exported = "(table $t0 (export \"t0\") 5 funcref)";
    module(choices)
        .replace("(table $t0 5 funcref)", exported)
        .replace("return_call_indirect $t0 (type $t)", "call_indirect $t0 (type $t) return")
        .replace("return_call $f1", "call $f1 return")
}

/// The stacks at each call of the entry. The host writes to the table first.
fn stacks(engine: &Engine, wat: &str) -> BTreeSet<Stack> {
    let bytes = wat::parse_str(wat).expect("the text parses");
    let module = Module::new(engine, bytes).expect("the module compiles");
    let mut linker = Linker::new(engine);
    let fork = |mut caller: Caller<'_, BTreeSet<Stack>>| {
        let frames = WasmBacktrace::force_capture(&caller);
        let frames = frames.frames().iter();
        let stack = frames.filter_map(|f| Some((f.func_index(), f.module_offset()?))).collect();
        caller.data_mut().insert(stack);
    };
    linker.func_wrap("k", "fork", fork).unwrap();
    let mut all = BTreeSet::new();
    for argument in 0..4 {
        let mut store = Store::new(engine, BTreeSet::new());
        store.set_fuel(20_000).unwrap();
        if let Ok(instance) = linker.instantiate(&mut store, &module) {
            let main = instance.get_func(&mut store, "main").unwrap();
            let table = instance.get_table(&mut store, "t0").unwrap();
            table.set(&mut store, 4, wasmtime::Ref::Func(Some(main))).unwrap();
            let main = main.typed::<i32, i32>(&store).unwrap();
            // Traps and exhausted fuel end a run like any other.
            let _ = main.call(&mut store, argument);
        }
        all.append(store.data_mut());
    }
    all
}

fn assumptions(out: &BTreeSet<u32>, private: bool) -> Vec<Assumption> {
    let private = private.then(|| Assumption::TablePrivate(TablePattern("t0".into())));
    let out = out.iter().map(|func| Assumption::NoFork(FuncPattern(format!("f{func}"))));
    private.into_iter().chain(out).collect()
}

/// Whether the unwind ends at a guard.
fn is_caught(analysis: &Analysis, stack: &Stack, wat: &str) -> bool {
    for &(func, offset) in stack {
        let (func, offset) = (FuncIdx(func), offset as u32);
        if !analysis.closure[func] {
            let mut guards = analysis.guards_of(func).iter();
            assert!(guards.any(|guard| guard.offset == offset), "{offset:#x} of {func} in {wat}");
            return true;
        }
        let mut sites = analysis.sites[func].iter();
        assert!(sites.any(|site| site.offset == offset), "{offset:#x} of {func} in {wat}");
    }
    false
}

/// How many stacks are prepared for all along, and how many unwinds end at a guard.
fn check(wat: &str, out: &BTreeSet<u32>, private: bool) -> (usize, usize) {
    let options = Options { assumptions: assumptions(out, private), ..options() };
    with_module(wat, |module| {
        let analysis = Analysis::run(module, &options).unwrap();
        let stacks = stacks(&engine(), wat);
        let caught = stacks.iter().filter(|stack| is_caught(&analysis, stack, wat)).count();
        (stacks.len() - caught, caught)
    })
}

#[test]
fn both_ends_are_seen() {
    let wat = "(module (import \"k\" \"fork\" (func $fork)) (table (export \"t0\") 5 funcref)
        (func $f0 (call $fork)) (func $f1 (call $f0))
        (func (export \"main\") (param i32) (result i32)
          (if (local.get 0) (then (call $f0)) (else (call $f1))) (i32.const 0)))";
    assert_eq!(check(wat, &BTreeSet::from([1]), false), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn an_unwind_meets_sites_or_a_guard(
        choices in prop::collection::vec(any::<u8>(), 20..400),
        out in prop::collection::btree_set(0..6_u32, 0..3),
        private: bool,
    ) {
        check(&program(&choices), &out, private);
    }
}
