//! Modules that import the functions of the ABI `asyncify`, and drive it themselves.
//!
//! What `driven/*.wat` log is in the files beside them; but for the generator's, Binaryen's pass gives the same (`scripts/check/asyncify`).

use super::assert_traps;
use crate::exec::program::{FUEL, engine};
use std::fmt::Write;
use wasm_fork::{Abi, Assumption, EntryPattern, ErrorKind, FuncPattern, Optimize, Options};
use wasmparser::{Parser, Payload};
use wasmtime::{Linker, Module, Result, Store};

const SCHEDULER: &str = include_str!("driven/scheduler.wat");
/// Each with what it logs.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("scheduler", SCHEDULER, include_str!("driven/scheduler.expected")),
    ("setjmp", include_str!("driven/setjmp.wat"), include_str!("driven/setjmp.expected")),
    ("generator", include_str!("driven/generator.wat"), include_str!("driven/generator.expected")),
];

fn options(optimize: Optimize) -> Options {
    Options::default().abi(Abi::Asyncify).optimize(optimize).verify(true)
}

fn instrumented(wat: &str, options: &Options) -> Vec<u8> {
    let output = wasm_fork::instrument(wat.as_bytes(), options).unwrap();
    assert!(output.verified.unwrap().unchecked.is_empty());
    output.wasm
}

/// What a module logs when `run` is called twice.
fn log(wasm: &[u8]) -> Result<String> {
    let mut store = Store::new(engine(), String::new());
    store.set_fuel(FUEL)?;
    let mut linker = Linker::new(engine());
    let mut note = |name: &str, before: &'static str| -> Result<()> {
        linker.func_wrap(
            "env",
            name,
            move |mut caller: wasmtime::Caller<'_, String>, n: i32| {
                writeln!(caller.data_mut(), "{before}{n}").unwrap();
            },
        )?;
        Ok(())
    };
    note("log", "")?;
    note("mark", "mark ")?;
    linker.func_wrap("env", "twice", |n: i32| 2 * n)?;
    let instance = linker.instantiate(&mut store, &Module::from_binary(engine(), wasm)?)?;
    let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    let state = instance.get_typed_func::<(), i32>(&mut store, "asyncify_get_state")?;
    for _ in 0..2 {
        let (result, state) = (run.call(&mut store, ())?, state.call(&mut store, ())?);
        writeln!(store.data_mut(), "result {result}\nstate {state}").unwrap();
    }
    Ok(store.into_data())
}

/// The function imports of a module.
fn imports(wasm: &[u8]) -> Vec<String> {
    let sections = Parser::new(0).parse_all(wasm).map(Result::unwrap);
    let imports = sections.filter_map(|section| match section {
        Payload::ImportSection(imports) => Some(imports),
        _ => None,
    });
    let imports = imports.flat_map(|section| section.into_imports().map(Result::unwrap));
    imports.map(|import| format!("{}.{}", import.module, import.name)).collect()
}

#[test]
fn schedulers_jumps_and_generators_run() {
    for (name, wat, expected) in PROGRAMS {
        for optimize in Optimize::ALL {
            let wasm = instrumented(wat, &options(optimize));
            assert!(imports(&wasm).iter().all(|import| import.starts_with("env.")), "{name}");
            assert_eq!(log(&wasm).unwrap(), expected, "{name}, {}", optimize.name());
            wasm_fork::verify(wat.as_bytes(), &wasm, &options(optimize)).unwrap();
        }
    }
}

#[test]
fn addresses_of_64_bits_work() {
    // The buffers' headers are twice as long.
    const WIDE: &str = r#"(module
        (import "env" "log" (func $log (param i32)))
        (import "asyncify" "start_unwind" (func $start_unwind (param i64)))
        (import "asyncify" "stop_unwind" (func $stop_unwind))
        (import "env" "mark" (func $mark (param i32)))
        (import "asyncify" "start_rewind" (func $start_rewind (param i64)))
        (import "asyncify" "stop_rewind" (func $stop_rewind))
        (memory (export "memory") i64 1)
        (global $again (mut i32) (i32.const 0))
        (func $pause
            (if (global.get $again)
                (then (global.set $again (i32.const 0)) (call $stop_rewind))
                (else (call $start_unwind (i64.const 16)))))
        (func $body (param $n i32) (result i32)
            (call $log (local.get $n))
            (call $pause)
            (if (result i32) (local.get $n)
                (then (i32.add (local.get $n) (call $body (i32.sub (local.get $n) (i32.const 1)))))
                (else (i32.const 0))))
        (func (export "run") (result i32) (local $result i32) (local $turns i32)
            (i64.store (i64.const 16) (i64.const 64))
            (i64.store (i64.const 24) (i64.const 4096))
            (call $first)
            (loop $more
                (call $mark (i32.wrap_i64 (i64.load (i64.const 16))))
                (local.set $result (call $next))
                (br_if $more (i32.lt_u
                    (local.tee $turns (i32.add (local.get $turns) (i32.const 1)))
                    (i32.const 4))))
            (local.get $result))
        (func $first (drop (call $body (i32.const 3))) (call $stop_unwind))
        (func $next (result i32)
            (global.set $again (i32.const 1))
            (call $start_rewind (i64.const 16))
            (call $body (i32.const 99))
            (call $stop_unwind)))"#;
    let logs = Optimize::ALL.map(|optimize| log(&instrumented(WIDE, &options(optimize))).unwrap());
    for log in logs {
        let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("mark")).collect();
        let once = ["3", "2", "1", "0", "result 6", "state 0"];
        assert_eq!(lines, [once, once].concat());
    }
}

#[test]
fn what_begins_and_ends_unwinds_is_left_as_it_is() {
    let report = wasm_fork::analyze(SCHEDULER.as_bytes(), &options(Optimize::Size)).unwrap();
    let names: Vec<_> = report.closure.iter().filter_map(|func| func.name.as_deref()).collect();
    assert_eq!(names, ["unwind", "pause", "counter", "walk", "walker", "nester"]);
    assert_eq!(report.entries, ["7 (unwind)"]);
    let frames: Vec<_> = report.closure.iter().map(|func| func.frames).collect();
    assert_eq!(frames, [false, true, true, true, true, true]);
    assert!(report.notes.iter().any(|note| note.contains("drives the protocol itself")));
    // Entries beside it may be named.
    let wat = SCHEDULER.replace("(call $mark (local.get $from))", "(call $log (local.get $from))");
    let options = options(Optimize::Size).entries([EntryPattern::exact("env", "mark")]);
    let with = wasm_fork::analyze(wat.as_bytes(), &options).unwrap();
    assert_eq!(with.entries, ["env.mark", "7 (unwind)"]);
    let options = options.entries([EntryPattern::exact("env", "none")]);
    assert_eq!(
        wasm_fork::analyze(wat.as_bytes(), &options).unwrap_err().kind(),
        ErrorKind::Request
    );
}

/// The default entry is one here, too, and whoever names it is heard.
#[test]
fn an_import_may_be_an_entry_as_well() {
    let wat = SCHEDULER.replace("\"env\" \"mark\"", "\"kernel\" \"kernel_fork\"");
    let named = options(Optimize::Size).entries([EntryPattern::exact("kernel", "kernel_fork")]);
    for options in [options(Optimize::Size), named] {
        let report = wasm_fork::analyze(wat.as_bytes(), &options).unwrap();
        assert_eq!(report.entries, ["kernel.kernel_fork", "7 (unwind)"]);
    }
}

/// Changes to an output that make the program call something else.
#[test]
fn an_output_that_names_another_function_is_rejected() {
    let changes: [(&str, &str, &str); 8] = [
        ("import \"env\" \"log\"", "import \"env\" \"mark\"", "another import in its place"),
        ("call $mark\n", "call $log\n", "a call of another import"),
        ("call $stop_rewind\n", "call $stop_unwind\n", "an end of another kind"),
        ("call $start_rewind\n", "call $start_unwind\n", "a rewind that unwinds"),
        ("func $counter $walker", "func $walker $counter", "another order of a table"),
        (
            "(export \"asyncify_stop_unwind\" (func $stop_unwind))",
            "(export \"asyncify_stop_unwind\" (func $stop_rewind))",
            "an export",
        ),
        ("$walker $nester $mark", "$walker $nester $log", "another import in a table"),
        (
            "i32.const 2\n    global.set $asyncify_state",
            "i32.const 1\n    global.set $asyncify_state",
            "another state",
        ),
    ];
    for optimize in [Optimize::Size, Optimize::Speed] {
        let options = options(optimize);
        let wasm = instrumented(SCHEDULER, &options);
        let text = wasmprinter::print_bytes(&wasm).unwrap();
        wasm_fork::verify(SCHEDULER.as_bytes(), &wat::parse_str(&text).unwrap(), &options).unwrap();
        for (from, to, what) in changes {
            assert!(text.contains(from), "{what}: there is no `{from}` in\n{text}");
            let changed = wat::parse_str(text.replacen(from, to, 1)).unwrap();
            let verified = wasm_fork::verify(SCHEDULER.as_bytes(), &changed, &options);
            assert!(verified.is_err(), "{what} is accepted");
        }
    }
}

/// An import that is none of the protocol's, one of another type, and a reference by which nobody knows who calls.
#[test]
fn what_can_not_be_driven_is_refused() {
    let refused = |wat: &str, what: &str| {
        let error = wasm_fork::instrument(wat.as_bytes(), &options(Optimize::Size)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(what), "{error}");
    };
    let module = |import: &str, rest: &str| {
        format!("(module {import} (memory 1) (func $f (export \"run\")) {rest})")
    };
    let unknown = r#"(import "asyncify" "pause" (func $p))"#;
    refused(&module(unknown, ""), "asyncify.pause");
    let typed = r#"(import "asyncify" "start_unwind" (func $p (param i64)))"#;
    refused(&module(typed, ""), "asyncify.start_unwind");
    let right = r#"(import "asyncify" "start_unwind" (func $p (param i32)))"#;
    refused(&module(right, "(table 1 funcref) (elem (i32.const 0) $p)"), "reference of `p`");
    refused(&module(right, "(global funcref (ref.func $p))"), "reference of `p`");
    let taken = "(elem declare func $p) (func (export \"f\") (result funcref) (ref.func $p))";
    refused(&module(right, taken), "reference of `p`");
    instrumented(&module(right, "(func (call $p (i32.const 8)))"), &options(Optimize::Size));
    // Under the other ABI the imports are as any.
    let options = Options::default().allow_missing_entry(true);
    let output = wasm_fork::instrument(module(right, "").as_bytes(), &options).unwrap();
    assert!(output.warnings.iter().any(|warning| warning.contains("drives Asyncify")));
}

/// What begins unwinds has no frame: an unwind that comes out of something else that it calls would be lost.
#[test]
fn an_unwind_through_what_begins_unwinds_traps() {
    let wat = SCHEDULER.replace(
        "(i32.store offset=16 (local.get $task) (i32.const 1))\n        (call $start_unwind",
        "(i32.store offset=16 (local.get $task) (i32.const 1))\n        (call $helper)\n        (call $start_unwind",
    );
    let helper = "(func $helper (if (global.get $nested) (then (return))) (global.set $nested (i32.const 1)) (call $pause))
        (global $nested (mut i32) (i32.const 0))";
    let wat = wat.replace("(func $done", &format!("{helper}\n  (func $done"));
    for optimize in Optimize::ALL {
        assert_traps(log(&instrumented(&wat, &options(optimize))), "a nested unwind");
    }
}

#[test]
fn functions_that_are_left_out_by_mistake_trap() {
    for name in ["walk", "pause", "nester"] {
        let no_fork = Assumption::NoFork(FuncPattern(name.into()));
        let wasm = instrumented(SCHEDULER, &options(Optimize::Balanced).assume(no_fork));
        assert_traps(log(&wasm), name);
    }
}

/// Whoever wants no guards is told what that means, and gets none.
#[test]
fn unguarded_assumptions_have_no_guards() {
    let walk = Assumption::NoFork(FuncPattern("walk".into()));
    let guarded = options(Optimize::Balanced).assume(walk);
    let unguarded = guarded.clone().unguarded(true);
    let wasm = instrumented(SCHEDULER, &unguarded);
    let text = wasmprinter::print_bytes(&wasm).unwrap();
    assert!(!text.contains("unprepared"), "{text}");
    let report = wasm_fork::analyze(SCHEDULER.as_bytes(), &unguarded).unwrap();
    assert_eq!(report.guards.guards, 0);
    assert!(report.untested.iter().any(|what| what.contains("corrupts")), "{:?}", report.untested);
    wasm_fork::verify(SCHEDULER.as_bytes(), &wasm, &unguarded).unwrap();
    assert!(wasm_fork::verify(SCHEDULER.as_bytes(), &wasm, &guarded).is_err());
}

#[test]
fn names_that_mean_nothing_are_warnings_where_that_is_wanted() {
    let lists = [
        Assumption::NoFork(FuncPattern("wolk".into())),
        Assumption::Only(vec![FuncPattern("*".into()), FuncPattern("conter".into())]),
    ];
    for list in lists {
        let strict = options(Optimize::Size).assume(list);
        let error = wasm_fork::analyze(SCHEDULER.as_bytes(), &strict).unwrap_err();
        let lenient = strict.lenient(true);
        let report = wasm_fork::analyze(SCHEDULER.as_bytes(), &lenient).unwrap();
        assert_eq!(report.warnings, [error.to_string()]);
        assert!(error.to_string().contains("walk") || error.to_string().contains("counter"));
        assert_eq!(report.closure.len(), 6);
    }
    let entry = [EntryPattern::exact("env", "marc")];
    let report = wasm_fork::analyze(
        SCHEDULER.as_bytes(),
        &options(Optimize::Size).entries(entry).lenient(true),
    );
    let warnings = report.unwrap().warnings;
    assert!(matches!(&warnings[..], [warning] if warning.contains("env.mark")), "{warnings:?}");
}

#[test]
fn one_function_that_does_both_is_told() {
    let wat = SCHEDULER.replace(
        "(call $stop_unwind))\n  (func $rewind",
        "(call $stop_unwind) (call $stop_rewind))\n  (func $rewind",
    );
    let report = wasm_fork::analyze(wat.as_bytes(), &options(Optimize::Size)).unwrap();
    let warned = report
        .warnings
        .iter()
        .any(|w| w.contains("both begins and ends") && w.contains("`launch`"));
    assert!(warned, "{:?}", report.warnings);
}

/// What begins unwinds does so whatever is assumed: nobody is advised to assume otherwise.
#[test]
fn advice_is_of_what_can_be_assumed() {
    let advice = wasm_fork::advise(SCHEDULER.as_bytes(), &options(Optimize::Size)).unwrap();
    let text = advice.to_string();
    assert!(text.contains("(walk)") && !text.contains("(unwind) [--assume"), "{text}");
    let graph = wasm_fork::closure_map(SCHEDULER.as_bytes(), &options(Optimize::Size));
    graph.unwrap();
}
