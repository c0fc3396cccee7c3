//! The top of a memory of 4 GiB, where addresses wrap.

use super::{ANSWER, FAILURE, Host, NORMAL, UNWINDING, assert_traps, instrumented};
use wasmtime::Module;

/// 21 frames, the innermost one of another site.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 65536)
    (global $g (export "g") (mut i64) (i64.const 3))
    (func $r (param i32) (param i64) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add
                (i32.add
                    (call $r (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 3)))
                    (i32.const 1))
                (i32.wrap_i64 (local.get 1))))
            (else (call $fork))))
    (func (export "run") (result i32) (call $r (i32.const 20) (i64.const 1))))"#;

const POISON: u8 = 0xaa;
const TOP: u64 = 1 << 32;

/// What `run` returns for an answer of the entry.
fn expected(answer: i32) -> i32 {
    answer + 20 + (0..20).map(|depth| 1 + 3 * depth).sum::<i32>()
}

/// Runs with a buffer so many bytes below the top; returns whether there was room.
fn run(host: &mut Host, below_top: u64, end: u64) -> bool {
    let buffer = TOP - below_top;
    let page = (TOP - 65536) as usize..TOP as usize;
    host.fill(page.clone(), POISON);
    host.unwind_to(buffer, end);
    let what = format!("{below_top} bytes below the top, end {end:#x}");
    let result = host.call("run", &[]).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let had_room = host.state() == UNWINDING;
    let result = if had_room {
        host.call("wpk_fork_unwind_end", &[]).unwrap();
        let pos = host.read(buffer);
        assert!(pos > buffer, "{what}: pos is {pos:#x}");
        assert!(host.is_filled(pos as usize..page.end, POISON), "{what}: written beyond pos");
        host.begin("wpk_fork_rewind_begin", buffer).unwrap();
        let result = host.call("run", &[]).unwrap();
        assert_eq!(host.store.data().no_room, 0, "{what}");
        result
    } else {
        assert_eq!(host.store.data().no_room, 1, "{what}");
        result
    };
    assert_eq!(result, expected(if had_room { ANSWER } else { FAILURE }), "{what}");
    assert_eq!(host.state(), NORMAL, "{what}");
    assert!(host.is_filled(0..65536, 0), "{what}: low memory was written");
    assert!(
        host.is_filled(page.start..buffer as usize, POISON),
        "{what}: written below the buffer"
    );
    had_room
}

#[test]
fn a_frame_that_would_end_at_4_gib_has_no_room() {
    instrumented(WAT).iter().for_each(frames_near_the_top);
}

fn frames_near_the_top(module: &Module) {
    let mut host = Host::new(module);
    // Every size at which the frames end near the top, the limit unknown; then larger by pages.
    let had_room: Vec<_> = (8..1200).map(|bytes| run(&mut host, bytes, 0)).collect();
    let first = had_room.iter().position(|had_room| *had_room).expect("1200 bytes are enough");
    assert!(had_room[first..].iter().all(|had_room| *had_room));
    assert!((250..1000).contains(&first), "{first}");
    // With the frames' exact size known: one byte less is too small, also if the host says so.
    let needed = first as u64 + 8;
    let buffer = TOP - 4096;
    let end = |bytes: u64| buffer + bytes;
    // From the top the last byte can't be used, and from elsewhere it can.
    assert!(run(&mut host, 4096, end(needed - 1)));
    assert!(!run(&mut host, 4096, end(needed - 2)));
}

#[test]
fn an_end_that_wraps_to_0_is_the_end_of_the_memory() {
    instrumented(WAT).iter().for_each(last_page);
}

fn last_page(module: &Module) {
    let mut host = Host::new(module);
    let buffer = TOP - 65536;
    let end = (buffer as u32).wrapping_add(65536);
    assert_eq!(end, 0);
    assert!(run(&mut host, 65536, u64::from(end)));
}

#[test]
fn a_header_that_does_not_fit_traps() {
    instrumented(WAT).iter().for_each(headers_across_the_top);
}

fn headers_across_the_top(module: &Module) {
    let mut host = Host::new(module);
    for below_top in 1..8 {
        let buffer = TOP - below_top;
        for begin in ["wpk_fork_unwind_begin", "wpk_fork_rewind_begin", "wpk_fork_resume_begin"] {
            assert_traps(host.begin(begin, buffer), begin);
            assert_eq!(host.state(), NORMAL);
        }
    }
    assert!(host.is_filled(0..65536, 0));
}
