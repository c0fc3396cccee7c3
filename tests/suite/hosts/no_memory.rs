//! A module without memory has no frames, but its host finds what it expects.

use super::{NORMAL, assert_traps, instrumented};
use crate::exec::program::{FUEL, engine};
use wasmtime::{Linker, Store, Val};

const PROGRAM: &str = r#"
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (global $count (mut i32) (i32.const 0))
  (export "fork" (func $fork))
  (func (export "run") (param $x i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get $x)))
    (call $log (global.get $count))
    (global.get $count)))
"#;

#[test]
fn a_program_without_memory_runs_and_what_needs_a_buffer_traps() {
    for module in &instrumented(PROGRAM) {
        let mut store = Store::new(engine(), Vec::new());
        store.set_fuel(FUEL).unwrap();
        let mut linker: Linker<Vec<i32>> = Linker::new(engine());
        linker.func_wrap("env", "fork", || 7).unwrap();
        let log = |mut caller: wasmtime::Caller<'_, Vec<i32>>, x: i32| caller.data_mut().push(x);
        linker.func_wrap("env", "log", log).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let mut call = |name: &str, args: &[i32]| {
            let func = instance.get_func(&mut store, name).unwrap();
            let args: Vec<_> = args.iter().map(|arg| Val::I32(*arg)).collect();
            let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
            func.call(&mut store, &args, &mut results)?;
            Ok(results.first().map_or(0, Val::unwrap_i32))
        };
        assert_eq!(call("run", &[5]).unwrap(), 5);
        for begin in ["wpk_fork_unwind_begin", "wpk_fork_rewind_begin", "wpk_fork_resume_begin"] {
            assert_traps(call(begin, &[0]), begin);
            assert_eq!(call("wpk_fork_state", &[]).unwrap(), NORMAL, "after {begin}");
        }
        for end in ["wpk_fork_unwind_end", "wpk_fork_rewind_end"] {
            assert_traps(call(end, &[]), end);
        }
        assert_eq!(call("fork", &[]).unwrap(), 7);
        assert_eq!(call("run", &[6]).unwrap(), 11);
        assert_eq!(store.data(), &[5, 11]);
    }
}
