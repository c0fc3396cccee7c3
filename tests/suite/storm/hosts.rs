//! Hosts of one's own: functions that find the program's memory, imports that call back, memories and globals that the host gives.

use super::options;
use wasm_fork::Options;
use wasm_fork::testing::wasmtime::{
    Caller, Extern, Global, GlobalType, Memory, MemoryType, Mutability, Val, ValType, format_err,
};
use wasm_fork::testing::{Failure, Rewound, Storm};

/// What a host of these tests remembers.
#[derive(Default)]
struct Log(Vec<String>);

/// A storm whose host logs what `env.log` is given, from the program's memory, and answers `env.fork` with numbers from 1 on.
fn storm(module: &str, options: &Options) -> Storm<Log> {
    let storm = Storm::new(module.as_bytes(), options, Log::default, |linker, store, module| {
        linker.func_wrap("env", "fork", |mut caller: Caller<'_, Log>| {
            caller.data_mut().0.push("fork".into());
            caller.data().0.len() as i32
        })?;
        linker.func_wrap("env", "log", |mut caller: Caller<'_, Log>, at: i32, len: i32| {
            let memory = caller.get_export("memory").and_then(Extern::into_memory);
            let memory = memory.ok_or_else(|| format_err!("no memory"))?;
            let bytes = &memory.data(&caller)[at as usize..][..len as usize];
            let text = String::from_utf8_lossy(bytes).into_owned();
            caller.data_mut().0.push(text);
            Ok(())
        })?;
        linker.func_wrap("env", "again", |mut caller: Caller<'_, Log>, x: i32| {
            let twice = caller.get_export("back").and_then(Extern::into_func);
            let mut results = [Val::I32(0)];
            let twice = twice.ok_or_else(|| format_err!("no function"))?;
            twice.call(&mut caller, &[Val::I32(x)], &mut results)?;
            Ok(results[0].unwrap_i32())
        })?;
        if module.imports().any(|import| import.name() == "memory") {
            let memory = Memory::new(&mut *store, MemoryType::new(1, Some(40)))?;
            linker.define(&mut *store, "env", "memory", memory)?;
            let ty = GlobalType::new(ValType::I32, Mutability::Var);
            let global = Global::new(&mut *store, ty, Val::I32(9))?;
            linker.define(&mut *store, "env", "counter", global)?;
        }
        Ok(())
    });
    storm.show(|log| vec![("the log".into(), log.0.join("\n").into_bytes())])
}

#[test]
fn a_function_of_the_host_finds_the_memory_of_its_caller() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (import "env" "log" (func $log (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "run") (param i32) (result i32)
            (i32.store8 (i32.const 0) (i32.add (i32.const 64) (call $fork)))
            (call $log (i32.const 0) (i32.const 1))
            (i32.store8 (i32.const 0) (i32.add (local.get 0) (i32.const 64)))
            (call $log (i32.const 0) (i32.const 1))
            (call $fork)))"#;
    for options in [options("env.fork"), options("env.log").resume_module(true)] {
        let compared = storm(module, &options).call("run", &[Val::I32(8)]).run().unwrap();
        assert_eq!(compared.outcomes, ["run: (i32 4)"]);
        assert_eq!(compared.seen, [("the log".to_owned(), "fork\nA\nH\nfork".len())]);
    }
}

#[test]
fn an_import_may_call_back_and_is_written_down_once() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (import "env" "again" (func $again (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "back") (param i32) (result i32) (i32.add (local.get 0) (call $fork)))
        (func (export "run") (result i32)
            (i32.mul (call $again (i32.const 5)) (call $again (i32.const 7)))))"#;
    let again = wasm_fork::EntryPattern::exact("env", "again");
    let options = options("env.fork").reentrant([again]);
    let compared = storm(module, &options).call("run", &[]).run().unwrap();
    assert_eq!(compared.outcomes, ["run: (i32 54)"]);
    assert_eq!((compared.entry_calls, compared.import_calls), (2, 4));
}

#[test]
fn what_the_host_gives_is_copied_to_a_fresh_instance() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (import "env" "memory" (memory 1 40))
        (import "env" "counter" (global $counter (mut i32)))
        (export "counter" (global $counter))
        (func (export "run") (result i32)
            (i32.store (i32.const 8) (i32.const 77))
            (global.set $counter (i32.add (global.get $counter) (i32.const 1)))
            (drop (call $fork))
            (global.set $counter (i32.add (global.get $counter) (i32.const 1)))
            (i32.add (i32.load (i32.const 8)) (global.get $counter))))"#;
    let compared = storm(module, &options("env.fork")).call("run", &[]).run().unwrap();
    assert_eq!(compared.outcomes, ["run: (i32 88)"]);
    assert_eq!(compared.globals, ["counter = i32 11"]);
    assert_eq!(compared.memories.len(), 1);
}

/// There is no frame that could have its arguments.
#[test]
fn an_import_that_is_exported_is_called_again_as_it_was() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (import "env" "again" (func $again (param i32) (result i32)))
        (memory (export "memory") 1)
        (export "again" (func $again))
        (func (export "back") (param i32) (result i32) (local.get 0))
        (func (export "run") (result i32) (i32.add (call $fork) (call $again (i32.const 4)))))"#;
    let storm = storm(module, &options("env.again")).call("again", &[Val::I32(3)]);
    let compared = storm.call("run", &[]).run().unwrap();
    assert_eq!(compared.outcomes, ["again: (i32 3)", "run: (i32 5)"]);
    assert_eq!(compared.entry_calls, 2);
}

#[test]
fn traps_and_memory_of_64_bits_are_compared() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (memory (export "memory") i64 1)
        (func (export "run") (param $deep i32) (result i32)
            (if (local.get $deep) (then (return (i32.add (local.get $deep) (call 1 (i32.sub (local.get $deep) (i32.const 1)))))))
            (i64.store (i64.const 24) (i64.const -1))
            (i32.store (i64.const 8) (call $fork))
            (i32.div_u (i32.const 9) (i32.load8_u (i64.const 9)))))"#;
    let compared = storm(module, &options("env.fork")).call("run", &[Val::I32(3)]).run().unwrap();
    assert_eq!(compared.outcomes, ["run: trap: wasm trap: integer divide by zero"]);
}

#[test]
fn an_exception_that_leaves_an_export_is_compared() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (memory (export "memory") 1)
        (tag $e (param i32))
        (func $inner (param i32) (throw $e (i32.add (local.get 0) (call $fork))))
        (func (export "run") (result i32)
            (block $caught (result i32)
                (try_table (catch $e $caught) (call $inner (i32.const 40)))
                (i32.const 0)))
        (func (export "throws") (call $inner (i32.const 1))))"#;
    let storm = storm(module, &options("env.fork")).call("run", &[]).call("throws", &[]);
    let compared = storm.run().unwrap();
    assert_eq!(compared.outcomes, ["run: (i32 41)", "throws: an exception"]);
}

/// A reference of the host's is live at the entry: for a fresh instance the unwind is undone.
const HOLDS: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (table $t (export "t") 1 externref)
    (func (export "run") (param externref) (result i32)
        (drop (call $fork))
        (table.set $t (i32.const 0) (local.get 0))
        (ref.is_null (table.get $t (i32.const 0)))))"#;

#[test]
fn an_unwind_that_is_undone_is_a_failure_unless_it_may_be() {
    let small = |may| {
        let module =
            HOLDS.replace("externref", "i32").replace("(table $t (export \"t\") 1 i32)", "");
        let module = module.replace("(table.set $t (i32.const 0) (local.get 0))", "");
        let module = module.replace("(ref.is_null (table.get $t (i32.const 0)))", "(local.get 0)");
        let storm = storm(&module, &options("env.fork")).call("run", &[Val::I32(7)]);
        // A page is added at least; what frames there are needs more with so many locals.
        storm.buffer_bytes(1).may_be_undone(may).run()
    };
    assert_eq!(small(false).unwrap().undone, 0);
    let storm = |options: &Options| storm(HOLDS, options).call("run", &[Val::ExternRef(None)]);
    let compared = storm(&options("env.fork")).run().unwrap();
    assert_eq!(compared.undone, 0, "null can be made again");
    let kept = options("env.fork").same_instance(true);
    let compared = storm(&kept).run().unwrap();
    assert_eq!(compared.runs, 1 + 1 + 1, "in the same instance alone");
    let failure = storm(&kept).instances([Rewound::Fresh]).run().unwrap_err();
    assert!(matches!(failure, Failure::Setup(_)), "{failure}");
}

#[test]
fn deep_stacks_need_a_larger_buffer() {
    let module = r#"(module
        (import "env" "fork" (func $fork (result i32)))
        (memory (export "memory") 1)
        (func $deep (export "run") (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (call $fork))))
            (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1))))))"#;
    let storm = || storm(module, &options("env.fork")).call("run", &[Val::I32(8000)]);
    let failure = storm().buffer_bytes(1000).run().unwrap_err().to_string();
    assert!(failure.contains("the unwind is undone"), "{failure}");
    assert!(failure.contains("give a larger buffer"), "{failure}");
    let compared = storm().buffer_bytes(1000).may_be_undone(true).run().unwrap();
    assert_eq!((compared.unwinds, compared.undone), (0, 4));
    let compared = storm().run().unwrap();
    assert_eq!((compared.unwinds, compared.undone), (4, 0));
    assert!(compared.most_bytes > 65536, "{compared}");
}
