//! Rewinds from buffers that no unwind left like this: every one must end in a trap.

use super::{ANSWER, Host, NORMAL, REWINDING, UNWINDING, assert_traps, instrumented};
use std::sync::OnceLock;
use wasmtime::Module;

/// Three functions of different frames below each other, and one beside them.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (global $sp (export "sp") (mut i32) (i32.const 1024))
    (global $g64 (mut i64) (i64.const 77))
    (func $inner (param i32) (result i32) (local i32 i64 f64)
        (local.set 2 (i64.const 5)) (local.set 3 (f64.const 2.5))
        (block $b (loop $l
            (local.set 1 (i32.add (local.get 1) (call $fork)))
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br_if $l (i32.gt_s (local.get 0) (i32.const 0)))))
        (i32.add (local.get 1)
            (i32.add (i32.wrap_i64 (local.get 2)) (i32.trunc_f64_s (local.get 3)))))
    (func $mid (param i32) (result i32)
        (i32.add (i32.mul (local.get 0) (i32.const 100)) (call $inner (local.get 0))))
    (func (export "run") (param i32) (result i32)
        (i32.add (i32.const 10000) (i32.add (call $mid (local.get 0)) (global.get $sp))))
    (func (export "other") (param i32) (result i32) (call $mid (local.get 0)))
    (func (export "set_sp") (param i32) (global.set $sp (local.get 0)))
    (func (export "get_sp") (result i32) (global.get $sp)))"#;

const BUFFER: u64 = 4096;
const END: u64 = 8192;

fn modules() -> &'static [Module; 2] {
    static MODULES: OnceLock<[Module; 2]> = OnceLock::new();
    MODULES.get_or_init(|| instrumented(WAT))
}

/// A host whose program has unwound, with `pos`.
fn unwound(module: &Module) -> (Host, u64) {
    let mut host = Host::new(module);
    host.unwind_to(BUFFER, END);
    host.call("run", &[1]).unwrap();
    assert_eq!(host.state(), UNWINDING);
    host.call("wpk_fork_unwind_end", &[]).unwrap();
    let pos = host.read(BUFFER);
    (host, pos)
}

/// Rewinds through `export`; whether it is the beginning or the call that traps is the same.
fn rewind(host: &mut Host, begin: &str, export: &str) -> wasmtime::Result<i32> {
    host.begin(begin, BUFFER)?;
    host.call(export, &[1])
}

const BEGINS: [&str; 2] = ["wpk_fork_rewind_begin", "wpk_fork_resume_begin"];

#[test]
fn every_other_pos_traps() {
    for module in modules() {
        let (mut host, pos) = unwound(module);
        let memory = host.memory.data(&host.store).to_vec();
        // All the addresses in and around the buffer, and some that are far away.
        let near = (BUFFER - 600..pos + 600).chain(END - 8..END + 8);
        let far = [0, 4, 2000, 65532, 65536, 65540, u64::from(u32::MAX) - 3, u64::from(u32::MAX)];
        for other in near.chain(far).filter(|other| *other != pos) {
            for begin in BEGINS {
                // The instance is of no use after a trap in the midst of a rewind.
                let mut host = over(module, &memory);
                host.write(BUFFER, other);
                assert_traps(rewind(&mut host, begin, "run"), &format!("{begin}, pos {other:#x}"));
            }
        }
        let result = rewind(&mut host, BEGINS[0], "run").unwrap();
        assert_eq!(result, 10000 + 100 + ANSWER + 5 + 2 + 1024);
    }
}

/// A fresh instance over a copy of the memory.
fn over(module: &Module, memory: &[u8]) -> Host {
    let mut host = Host::new(module);
    host.memory.write(&mut host.store, 0, memory).unwrap();
    host
}

#[test]
fn a_buffer_that_was_rewound_already_traps() {
    for module in modules() {
        let (mut host, _) = unwound(module);
        rewind(&mut host, BEGINS[0], "run").unwrap();
        assert_traps(rewind(&mut host, BEGINS[0], "run"), "pos was not written back");
    }
}

#[test]
fn another_export_traps() {
    for module in modules() {
        let (mut host, _) = unwound(module);
        assert_traps(rewind(&mut host, BEGINS[0], "other"), "its frame is not on top");
    }
}

#[test]
fn another_functions_frame_traps() {
    for module in modules() {
        let (host, pos) = unwound(module);
        // The mark of the outermost frame: whose it is, replaced by each function that there may be, and more; and by other modules.
        const FUNCS: u64 = (1 << 20) - 1;
        let [low, high] = [pos - 8, pos - 4].map(|at| host.read(at));
        let others = (0..40).chain([FUNCS, 1 << 19]).map(|func| low & !FUNCS | func);
        let others = others.filter(|other| *other != low).map(|other| (pos - 8, other));
        let modules = (25..32).map(|bit| (pos - 4, high ^ 1 << bit));
        let memory = host.memory.data(&host.store).to_vec();
        for (at, word) in others.chain(modules) {
            let mut host = over(module, &memory);
            host.write(at, word);
            assert_traps(rewind(&mut host, BEGINS[0], "run"), &format!("{word:#x} at {at}"));
        }
    }
}

#[test]
fn a_limit_below_the_frames_traps_before_globals_are_restored() {
    for module in modules() {
        let (mut host, pos) = unwound(module);
        host.call("set_sp", &[77]).unwrap();
        for end in [1, 4, BUFFER - 4, BUFFER, BUFFER + 8, BUFFER + 24, pos - 4, pos - 1] {
            host.write(BUFFER + 4, end);
            for begin in BEGINS {
                assert_traps(host.begin(begin, BUFFER), &format!("{begin}, end {end:#x}"));
                assert_eq!(host.state(), NORMAL);
                assert_eq!(host.call("get_sp", &[]).unwrap(), 77);
            }
        }
        for end in [0, pos, pos + 1, u64::from(u32::MAX)] {
            host.write(BUFFER + 4, end);
            host.begin("wpk_fork_rewind_begin", BUFFER).unwrap();
            host.call("wpk_fork_rewind_end", &[]).unwrap();
            assert_eq!(host.call("get_sp", &[]).unwrap(), 1024);
        }
    }
}

#[test]
fn a_buffer_moved_up_without_its_words_traps() {
    for module in modules() {
        let (mut host, _) = unwound(module);
        let copy = host.memory.data(&host.store)[BUFFER as usize..END as usize].to_vec();
        for at in [BUFFER + 1024, 12288, 65536 - 4096] {
            // As it was, so `pos` and `end` still speak of the old place.
            host.memory.write(&mut host.store, at as usize, &copy).unwrap();
            assert_traps(host.begin("wpk_fork_rewind_begin", at), &format!("buffer at {at}"));
            assert_eq!(host.state(), NORMAL);
        }
    }
}

#[test]
fn an_export_called_during_an_unwind_traps() {
    for module in modules() {
        let mut host = Host::new(module);
        host.unwind_to(BUFFER, END);
        host.call("run", &[1]).unwrap();
        let (pos, memory) = (host.read(BUFFER), host.memory.data(&host.store).to_vec());
        assert_traps(host.call("run", &[1]), "the unwind has not ended");
        assert_eq!(host.read(BUFFER), pos);
        assert!(host.memory.data(&host.store) == memory, "memory changed");
    }
}

#[test]
fn an_entry_that_returns_during_a_rewind_traps() {
    for module in modules() {
        let (mut host, pos) = unwound(module);
        host.store.data_mut().forgets_to_end = true;
        host.begin("wpk_fork_rewind_begin", BUFFER).unwrap();
        assert_eq!(host.state(), REWINDING);
        let frames = host.memory.data(&host.store)[BUFFER as usize + 4..pos as usize].to_vec();
        assert_traps(host.call("run", &[1]), "the entry returned in state 2");
        assert!(host.memory.data(&host.store)[BUFFER as usize + 4..pos as usize] == frames[..]);
    }
}
