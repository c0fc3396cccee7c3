//! Memories with 64-bit addresses: buffers across and beyond 4 GiB, and addresses at the top of what 64 bits can say, where
//! no memory is.

use super::{ANSWER, FAILURE, Host, NORMAL, UNWINDING, assert_traps, instrumented};
use wasmtime::Module;

/// 21 frames and a global, over a memory of a little more than 4 GiB.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") i64 65538)
    (global $g (export "g") (mut i64) (i64.const 3))
    (func $r (param i32) (param i64) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add
                (call $r (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 3)))
                (i32.wrap_i64 (local.get 1))))
            (else (call $fork))))
    (func (export "run") (result i32) (call $r (i32.const 20) (i64.const 1))))"#;

const POISON: u8 = 0xaa;
const FOUR_GIB: u64 = 1 << 32;
const PAGE: u64 = 65536;

fn expected(answer: i32) -> i32 {
    answer + (0..20).map(|depth| 1 + 3 * depth).sum::<i32>()
}

/// A host with poison around 4 GiB and zeros in low memory.
fn host(module: &Module) -> Host {
    let mut host = Host::new(module);
    host.fill((FOUR_GIB - PAGE) as usize..(FOUR_GIB + 2 * PAGE) as usize, POISON);
    host
}

/// Runs with this buffer; returns whether there was room. Nothing below the buffer may be written, nor from `end` on.
fn run(host: &mut Host, buffer: u64, end: u64) -> bool {
    let what = format!("buffer at {buffer:#x}, end {end:#x}");
    host.unwind_to(buffer, end);
    let mut result = host.call("run", &[]).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let had_room = host.state() == UNWINDING;
    let top = FOUR_GIB + 2 * PAGE;
    if had_room {
        host.call("wpk_fork_unwind_end", &[]).unwrap();
        let pos = host.read(buffer);
        assert!(pos > buffer && (end == 0 || pos <= end), "{what}: pos is {pos:#x}");
        assert!(host.is_filled(pos as usize..top as usize, POISON), "{what}: beyond pos");
        host.begin("wpk_fork_rewind_begin", buffer).unwrap();
        result = host.call("run", &[]).unwrap();
    } else if end > 0 {
        let beyond = end.clamp(buffer + host.header_bytes(), top);
        assert!(host.is_filled(beyond as usize..top as usize, POISON), "{what}: beyond end");
    }
    assert_eq!(host.store.data().no_room, usize::from(!had_room), "{what}");
    assert_eq!(result, expected(if had_room { ANSWER } else { FAILURE }), "{what}");
    assert_eq!(host.state(), NORMAL, "{what}");
    assert!(host.is_filled(0..PAGE as usize, 0), "{what}: low memory was written");
    let below = (FOUR_GIB - PAGE).min(buffer) as usize..buffer as usize;
    assert!(host.is_filled(below, POISON), "{what}: below the buffer");
    had_room
}

#[test]
fn frames_lie_across_4_gib() {
    for module in &instrumented(WAT) {
        for below in (0..700).step_by(23).chain([4, 8, 12, 16, 20, 24]) {
            assert!(run(&mut host(module), FOUR_GIB - below, 0));
            assert!(run(&mut host(module), FOUR_GIB - below, FOUR_GIB + PAGE));
            // What is said of the high half counts too.
            assert!(!run(&mut host(module), FOUR_GIB - below, FOUR_GIB - below + 100));
        }
        assert!(!run(&mut host(module), FOUR_GIB - 4000, 4096 - 4000));
    }
}

#[test]
fn frames_end_with_a_memory_beyond_4_gib() {
    for module in &instrumented(WAT) {
        let top = FOUR_GIB + 2 * PAGE;
        let had_room: Vec<_> = [30, 60, 200, 800]
            .iter()
            .map(|below| run(&mut host(module), top - below, u64::MAX))
            .collect();
        assert_eq!(had_room, [false, false, false, true]);
    }
}

#[test]
fn a_header_beyond_the_memory_traps() {
    for module in &instrumented(WAT) {
        let mut host = host(module);
        let top = FOUR_GIB + 2 * PAGE;
        let beyond = (1..16).map(|bytes| top - bytes).chain([top, 1 << 40, 1 << 63]);
        for buffer in beyond.chain((1..=17).map(|bytes| 0u64.wrapping_sub(bytes))) {
            for begin in ["wpk_fork_unwind_begin", "wpk_fork_rewind_begin", "wpk_fork_resume_begin"]
            {
                assert_traps(host.begin(begin, buffer), begin);
                assert_eq!(host.state(), NORMAL);
            }
        }
        assert!(host.is_filled(0..PAGE as usize, 0));
    }
}
