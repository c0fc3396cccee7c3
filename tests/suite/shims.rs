//! `shim` and `instrument` together, in either order.
//!
//! A program that traps for a mismatch is no reference; the repaired one is. Not proved here: what a
//! repair does by itself; that is for the fixtures.

use crate::exec::differential;
use crate::exec::program::{Invoke, Spec};
use wasm_fork::shim::{Mechanism, ShimOptions, SitePattern};
use wasm_fork::{Error, Options};

/// `run(slot)` calls what is in the slot as a binary function: `forks`, which is one, `getter` and
/// `procedure`, which are not and fork too, or `plain`, which is not and does not.
const PROGRAM: &str = r#"
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (type $binary (func (param i32 i32) (result i32)))
  (table 4 funcref)
  (global $seen (export "seen") (mut i32) (i32.const 0))
  (elem (i32.const 0) $forks $getter $procedure $plain)
  (func $forks (type $binary) (i32.add (call $fork) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.mul (call $fork) (local.get 0)))
  (func $procedure (param i32) (global.set $seen (i32.sub (call $fork) (local.get 0))))
  (func $plain (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "run") (param i32) (result i32)
    (local $k i32)
    (loop $again
      (global.set $seen
        (i32.add (global.get $seen)
          (call_indirect (type $binary)
            (i32.add (i32.const 10) (local.get $k)) (i32.const 3) (local.get 0))))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $k) (i32.const 3))))
    (global.get $seen)))
"#;

/// The same, but nothing in the table that the call accepts leads to a fork.
fn without_prepared_call() -> String {
    PROGRAM.replace("(i32.add (call $fork) (local.get 1))", "(local.get 1)")
}

fn spec() -> Spec {
    let invoke = |slot: &str| Invoke { export: "run".into(), args: vec![slot.into()] };
    Spec { invokes: ["0", "1", "2", "3"].map(invoke).into(), ..Spec::default() }
}

fn shim(wasm: &[u8], mechanism: Mechanism) -> Result<Vec<u8>, Error> {
    let options = ShimOptions::default().sites([SitePattern::parse("run")]).mechanism(mechanism);
    Ok(wasm_fork::shim(wasm, &options)?.wasm)
}

fn instrument(wasm: &[u8]) -> Vec<u8> {
    // With resume functions, which make repaired calls once more.
    let optimize = wasm_fork::Optimize::Speed;
    let options = Options::default().entries(spec().entries).optimize(optimize);
    wasm_fork::instrument(wasm, &options).unwrap().wasm
}

const BOTH: [Mechanism; 2] = [Mechanism::Table, Mechanism::RefTest];

#[test]
fn a_repaired_module_can_be_instrumented() {
    for program in [PROGRAM.to_owned(), without_prepared_call()] {
        for mechanism in BOTH {
            let shimmed = shim(program.as_bytes(), mechanism).unwrap();
            let both = instrument(&shimmed);
            let frames = differential::check(&shimmed, &both, &spec()).unwrap();
            assert!(frames.iter().any(|bytes| *bytes > 0), "nothing was unwound");
        }
    }
}

#[test]
fn an_instrumented_module_can_be_repaired_where_calls_are_prepared() {
    for mechanism in BOTH {
        let shimmed = shim(PROGRAM.as_bytes(), mechanism).unwrap();
        let both = shim(&instrument(PROGRAM.as_bytes()), mechanism).unwrap();
        differential::check(&shimmed, &both, &spec()).unwrap();
    }
}

#[test]
fn a_call_that_is_not_prepared_is_not_repaired_afterwards() {
    for mechanism in BOTH {
        let instrumented = instrument(without_prepared_call().as_bytes());
        let error = shim(&instrumented, mechanism).unwrap_err().to_string();
        assert!(error.contains("not prepared to unwind"), "{error}");
        assert!(error.contains("repair the module first"), "{error}");
    }
}

/// A report with twice as many calls, types or functions is at most twice as long, and a little.
#[test]
fn the_report_is_in_proportion_to_the_module() {
    // Many calls of one long type, which is not written out for each.
    let calls = |count: usize| {
        let params = vec!["i32"; 500].join(" ");
        let args = "(i32.const 0)".repeat(500);
        let call = format!("(call_indirect (type $t) {args} (local.get 0))");
        format!(
            "(module (type $t (func (param {params}))) (table 2 funcref) (elem (i32.const 0) func $f)
            (func $f (param i64)) (func (param i32) {}))",
            call.repeat(count)
        )
    };
    // Many functions that one call finds in its slot.
    let functions = |count: usize| {
        let text = (0..count).map(|i| {
            format!("(func $f{i} (param i64) (table.set 0 (i32.const 0) (ref.func $f{i})))")
        });
        let text: String = text.collect();
        let names: String = (0..count).map(|i| format!("$f{i} ")).collect();
        format!(
            "(module (table 2 funcref) (elem declare func {names}) {text}
            (func (call_indirect (i32.const 0))) (func (call_indirect (i32.const 0))))"
        )
    };
    let lengths = |wat: String| {
        let report = wasm_fork::shim_report(wat.as_bytes(), &ShimOptions::default()).unwrap();
        let json = serde_json::to_string(&report.json(Some(&report.largest_pairs(3).unwrap())));
        assert!(report.classes[0].others.functions + report.classes[0].adaptable.functions > 0);
        [report.to_string().len(), json.unwrap().len()]
    };
    for make in [&calls as &dyn Fn(usize) -> String, &functions] {
        for (once, twice) in lengths(make(300)).into_iter().zip(lengths(make(600))) {
            assert!(twice < once * 5 / 2, "{once} and {twice} bytes");
        }
    }
    // The type's 500 parameters are told of once for the class, and not for each call.
    assert!(lengths(calls(600))[0] < 600 * 100);
}

/// By default, the output needs no proposal that the input doesn't use.
#[test]
fn the_mechanism_is_what_suits_the_module() {
    let options = ShimOptions::default().sites([SitePattern::parse("run")]);
    let with_struct = PROGRAM.replacen("(module", "(module (type $pair (struct (field i32)))", 1);
    for (program, mechanism) in
        [(PROGRAM, Mechanism::Table), (with_struct.as_str(), Mechanism::RefTest)]
    {
        let by_default = wasm_fork::shim(program.as_bytes(), &options).unwrap().wasm;
        assert_eq!(by_default, shim(program.as_bytes(), mechanism).unwrap());
    }
}

/// A run of a module that records finds out which calls to repair, and goes on where they can be.
#[test]
fn calls_to_repair_are_found_by_running() {
    use wasm_fork::shim::Recorded;
    use wasm_fork::testing::recorded_calls;
    const MODULE: &str = r#"(module
        (type $binary (func (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (table 5 funcref)
        (elem (i32.const 0) $exact $getter $other)
        (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
        (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
        (func $other (param externref) (result i32) (i32.const 1))
        (func (export "run") (param i32) (result i32)
            (call_indirect (type $binary) (i32.const 9) (i32.const 2) (local.get 0)))
        (func (export "again") (param i32) (result i32)
            (call_indirect (type $binary) (i32.const 1) (i32.const 1) (local.get 0))))"#;
    let original = wat::parse_str(MODULE).unwrap();
    let run = |wasm: &[u8], calls: &[(&str, i32)]| {
        let engine = crate::exec::program::engine();
        let mut store = wasmtime::Store::new(engine, ());
        store.set_fuel(1_000_000).ok();
        let module = wasmtime::Module::new(engine, wasm).unwrap();
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        let results: Vec<_> = calls
            .iter()
            .map(|(name, slot)| {
                let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                func.call(&mut store, *slot).ok()
            })
            .collect();
        (results, recorded_calls(&instance, &mut store))
    };
    let calls =
        [("run", 0), ("run", 1), ("run", 1), ("run", 2), ("run", 3), ("run", 9), ("again", 0)];
    let recorder = wasm_fork::shim_recorder(MODULE.as_bytes(), &ShimOptions::default()).unwrap();
    assert_eq!(recorder.calls, 2);
    let (results, recorded) = run(&recorder.wasm, &calls);
    assert_eq!(results, [Some(7), Some(109), Some(109), None, None, None, Some(0)]);
    let recorded = recorded.unwrap();
    let met: Vec<_> = recorded.calls.iter().map(|c| (c.slot, c.r#type, c.found, c.count)).collect();
    let [first, second] = met[..] else { panic!("{recorded}") };
    assert_eq!((first.0, first.3, second.0, second.3), (1, 2, 2, 1));
    assert!(first.2 != second.2 && first.1 == second.1 && first.2 != Some(first.1), "{recorded}");
    let site = recorded.calls[0].offset;
    assert_eq!(original[site as usize], 0x11, "it is where the call is");

    let read = Recorded::parse("r.json", &recorded.to_string()).unwrap();
    let sites: Vec<_> = read.calls.into_iter().map(SitePattern::Recorded).collect();
    let options = ShimOptions::default().sites(sites);
    let repaired = wasm_fork::shim(MODULE.as_bytes(), &options).unwrap();
    assert_eq!(repaired.calls, 1);
    let (results, recorded) = run(&repaired.wasm, &calls);
    assert_eq!((results[1], results[3], recorded), (Some(109), None, None));
    // In another build something else is there.
    let other = MODULE.replace("(memory (export \"memory\") 1)", "");
    let error = wasm_fork::shim(other.as_bytes(), &options).unwrap_err().to_string();
    assert!(error.contains("record it again"), "{error}");
}

/// What a module that records does, it does as the fixture's original with every call repaired.
#[test]
fn a_recording_module_does_what_the_repaired_one_does() {
    for mechanism in BOTH {
        let options = ShimOptions::default();
        let recorder = wasm_fork::shim_recorder(PROGRAM.as_bytes(), &options).unwrap();
        let all = options.all_sites(true).mechanism(mechanism);
        let repaired = wasm_fork::shim(PROGRAM.as_bytes(), &all).unwrap().wasm;
        // Both instrumented: the recorder's own functions are none of the closure's.
        differential::check(&repaired, &instrument(&repaired), &spec()).unwrap();
        differential::check(&recorder.wasm, &instrument(&recorder.wasm), &spec()).unwrap();
    }
}
