//! Emscripten's `invoke_*`: host functions that call back, and put the stack pointer back to where it
//! was when what they called throws. A rewind calls them again, when the stack pointer is long
//! elsewhere.

use super::{NORMAL, UNWINDING, instrumented};
use crate::exec::program::{FUEL, engine};
use wasmtime::{Caller, Extern, Func, Instance, Linker, Module, Result, Store, Val, bail};

/// `run` calls `$body` twice through `invoke_ii`; it takes 32 bytes of the stack, forks, and where the
/// entry returns 2, leaves by `longjmp`.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (import "env" "invoke_ii" (func $invoke (param i32 i32) (result i32)))
    (import "env" "_emscripten_throw_longjmp" (func $longjmp))
    (memory (export "memory") 1)
    (global $sp (mut i32) (i32.const 9000))
    (global $threw (mut i32) (i32.const 0))
    (table (export "__indirect_function_table") 3 funcref)
    (elem (i32.const 1) $body $nested)
    (func (export "stackSave") (result i32) (global.get $sp))
    (func (export "stackRestore") (param i32) (global.set $sp (local.get 0)))
    (func (export "setThrew") (param i32 i32) (global.set $threw (local.get 0)))
    (func $body (param i32) (result i32) (local $r i32)
        (global.set $sp (i32.sub (global.get $sp) (i32.const 32)))
        (i32.store (global.get $sp) (local.get 0))
        (local.set $r (call $fork))
        (if (i32.eq (local.get $r) (i32.const 2)) (then (call $longjmp)))
        (i32.add (i32.load (global.get $sp)) (local.get $r))
        (global.set $sp (i32.add (global.get $sp) (i32.const 32))))
    (func $nested (param i32) (result i32) (local $r i32)
        (global.set $sp (i32.sub (global.get $sp) (i32.const 16)))
        (local.set $r (call $invoke (i32.const 1) (local.get 0)))
        (global.set $sp (i32.add (global.get $sp) (i32.const 16)))
        (local.get $r))
    (func (export "run") (param $slot i32) (result i32) (local $a i32)
        (local.set $a (call $invoke (local.get $slot) (i32.const 100)))
        (local.set $a (i32.add (i32.mul (local.get $a) (i32.const 1000))
            (call $invoke (local.get $slot) (i32.const 200))))
        (i32.add (local.get $a) (i32.mul (global.get $threw) (i32.const 7)))))"#;

const BUFFER: i32 = 16384;

/// What `_emscripten_throw_longjmp` throws.
#[derive(Debug)]
struct Longjmp;

impl std::fmt::Display for Longjmp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("longjmp")
    }
}

impl std::error::Error for Longjmp {}

/// Which stack pointer `invoke_ii` goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saves {
    /// The one that it found when the program called it.
    WhenCalledByTheProgram,
    /// The one that it found when it was called last: wrong.
    AtEveryCall,
}

#[derive(Clone)]
struct Kept {
    saves: Saves,
    /// What the entry returns, call after call.
    answers: Vec<i32>,
    calls: usize,
    /// The stack pointers of the calls of `invoke_ii`, outermost first.
    saved: Vec<i32>,
    /// How many of them are on the stack.
    depth: usize,
    /// Where the buffer ends.
    end: i32,
}

struct Host {
    store: Store<Kept>,
    instance: Instance,
    module: Module,
}

impl Host {
    fn new(module: &Module, kept: Kept) -> Host {
        let mut store = Store::new(engine(), kept);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine());
        linker.func_wrap("env", "fork", fork).unwrap();
        linker.func_wrap("env", "invoke_ii", invoke).unwrap();
        linker
            .func_wrap("env", "_emscripten_throw_longjmp", || -> Result<()> { Err(Longjmp.into()) })
            .unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        Host { store, instance, module: module.clone() }
    }

    fn call(&mut self, name: &str, args: &[i32]) -> i32 {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        call(&mut self.store, func, args).unwrap()
    }

    /// A fresh instance over a copy of the memory; what the host had saved goes with it.
    fn migrate(&mut self) {
        let mut fresh = Host::new(&self.module, self.store.data().clone());
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        let copy = fresh.instance.get_memory(&mut fresh.store, "memory").unwrap();
        copy.write(&mut fresh.store, 0, memory.data(&self.store)).unwrap();
        *self = fresh;
    }

    /// Runs to the end; returns the result and the stack pointer.
    fn run(&mut self, slot: i32, fresh: bool, begin: &str) -> (i32, i32) {
        let mut result = self.call("run", &[slot]);
        while self.store.data().end != 0 && self.call("wpk_fork_state", &[]) == UNWINDING {
            self.call("wpk_fork_unwind_end", &[]);
            assert_eq!(self.store.data().depth, 0);
            if fresh {
                self.migrate();
            }
            self.call(begin, &[BUFFER]);
            result = self.call("run", &[-1]);
        }
        (result, self.call("stackSave", &[]))
    }
}

fn call(mut store: impl wasmtime::AsContextMut, func: Func, args: &[i32]) -> Result<i32> {
    let args: Vec<_> = args.iter().map(|arg| Val::I32(*arg)).collect();
    let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
    func.call(&mut store, &args, &mut results)?;
    Ok(results.first().map_or(0, Val::unwrap_i32))
}

fn export(caller: &mut Caller<'_, Kept>, name: &str, args: &[i32]) -> Result<i32> {
    let func = caller.get_export(name).and_then(Extern::into_func);
    match func {
        Some(func) => call(caller, func, args),
        // An original.
        None if name == "wpk_fork_state" => Ok(NORMAL),
        None => bail!("no export is called {name}"),
    }
}

fn fork(mut caller: Caller<'_, Kept>) -> Result<i32> {
    let state = export(&mut caller, "wpk_fork_state", &[])?;
    let end = caller.data().end;
    if state == NORMAL && end != 0 {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).unwrap();
        memory.write(&mut caller, BUFFER as usize + 4, &end.to_le_bytes())?;
        export(&mut caller, "wpk_fork_unwind_begin", &[BUFFER])?;
        return Ok(-1);
    }
    if state != NORMAL {
        export(&mut caller, "wpk_fork_rewind_end", &[])?;
    }
    let kept = caller.data_mut();
    kept.calls += 1;
    Ok(kept.answers[kept.calls - 1])
}

fn invoke(mut caller: Caller<'_, Kept>, slot: i32, argument: i32) -> Result<i32> {
    let at = caller.data().depth;
    caller.data_mut().depth += 1;
    let state = export(&mut caller, "wpk_fork_state", &[])?;
    if state == NORMAL || caller.data().saves == Saves::AtEveryCall {
        let pointer = export(&mut caller, "stackSave", &[])?;
        caller.data_mut().saved.truncate(at);
        caller.data_mut().saved.push(pointer);
    }
    let table = caller.get_export("__indirect_function_table").and_then(Extern::into_table);
    let slot = table.unwrap().get(&mut caller, slot as u64).unwrap();
    let outcome = call(&mut caller, *slot.unwrap_func().unwrap(), &[argument]);
    caller.data_mut().depth -= 1;
    match outcome {
        Err(error) if error.is::<Longjmp>() => {
            let pointer = caller.data().saved[at];
            export(&mut caller, "stackRestore", &[pointer])?;
            export(&mut caller, "setThrew", &[1, 0])?;
            Ok(0)
        }
        other => other,
    }
}

fn original() -> Module {
    Module::from_binary(engine(), &wat::parse_str(WAT).unwrap()).unwrap()
}

fn kept(saves: Saves, answers: &[i32], end: i32) -> Kept {
    Kept { saves, answers: answers.into(), calls: 0, saved: Vec::new(), depth: 0, end }
}

const BEGINS: [&str; 2] = ["wpk_fork_rewind_begin", "wpk_fork_resume_begin"];

#[test]
fn what_a_host_saved_before_the_unwind_is_what_it_goes_back_to() {
    let (original, forked) = (original(), instrumented(WAT));
    let cases = [(1, [2, 9]), (1, [9, 2]), (1, [2, 2]), (2, [2, 9]), (2, [9, 2])];
    for ((slot, answers), forked) in
        cases.into_iter().flat_map(|case| forked.each_ref().map(|f| (case, f)))
    {
        let kept = |end| kept(Saves::WhenCalledByTheProgram, &answers, end);
        let expected = Host::new(&original, kept(0)).run(slot, false, "");
        assert_eq!(expected.1, 9000);
        let roomy = BUFFER + 4096;
        for (fresh, begin) in [(false, BEGINS[0]), (false, BEGINS[1]), (true, BEGINS[0])] {
            let result = Host::new(forked, kept(roomy)).run(slot, fresh, begin);
            assert_eq!(result, expected, "{answers:?} through slot {slot}, {begin}, {fresh}");
        }
        // Without room the calls are made again before the export returns.
        for end in BUFFER + 8..BUFFER + 120 {
            let result = Host::new(forked, kept(end)).run(slot, false, BEGINS[0]);
            assert_eq!(result, expected, "{answers:?} through slot {slot}, end {end}");
        }
    }
}

/// The other way really is wrong, so the first test can see the difference.
#[test]
fn what_it_finds_during_a_rewind_is_too_deep() {
    for module in instrumented(WAT) {
        let host = || Host::new(&module, kept(Saves::AtEveryCall, &[2, 9], BUFFER + 4096));
        assert_eq!(host().run(1, false, BEGINS[0]).1, 9000 - 32);
        assert_eq!(host().run(1, true, BEGINS[0]).1, 9000 - 32);
    }
}
