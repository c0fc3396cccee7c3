//! Unwinds to buffers whose `pos` and `end` the host left in any state.

use super::{ANSWER, FAILURE, Host, NORMAL, UNWINDING, assert_traps, instrumented_narrow_and_wide};
use std::ops::Range;
use std::sync::OnceLock;
use wasmtime::Module;

/// 21 frames and two globals.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (global $a (mut i32) (i32.const 9))
    (global $b (mut i64) (i64.const 3))
    (func $r (param i32) (param i64) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add
                (call $r (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 3)))
                (i32.wrap_i64 (local.get 1))))
            (else (call $fork))))
    (func (export "run") (result i32) (call $r (i32.const 20) (i64.const 1))))"#;

const BUFFER: u64 = 4096;
const POISON: u8 = 0xaa;

fn modules() -> &'static [Module] {
    static MODULES: OnceLock<Vec<Module>> = OnceLock::new();
    MODULES.get_or_init(|| instrumented_narrow_and_wide(WAT))
}

fn expected(answer: i32) -> i32 {
    answer + (0..20).map(|depth| 1 + 3 * depth).sum::<i32>()
}

/// A host whose memory is poisoned, but for the header of the buffer.
fn host(module: &Module) -> Host {
    let mut host = Host::new(module);
    host.fill(0..65536, POISON);
    host
}

/// Runs to the end, rewinding after an unwind. Whether there was room; nothing but what lies in
/// `writable` may have been written, and the result must be right.
fn run(host: &mut Host, buffer: u64, writable: Range<u64>, what: &str) -> bool {
    let mut result = host.call("run", &[]).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let had_room = host.state() == UNWINDING;
    let stray = |host: &Host| {
        let writable = writable.start as usize..writable.end as usize;
        let header = buffer as usize..(buffer + host.header_bytes()) as usize;
        let bytes = host.memory.data(&host.store).iter().enumerate();
        let mut stray = bytes.filter(|(at, byte)| {
            **byte != POISON && !writable.contains(at) && !header.contains(at)
        });
        stray.next().map(|(at, _)| at)
    };
    assert_eq!(stray(host), None, "{what}: written");
    if had_room {
        host.call("wpk_fork_unwind_end", &[]).unwrap();
        host.begin("wpk_fork_rewind_begin", buffer).unwrap();
        result = host.call("run", &[]).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    }
    assert_eq!(stray(host), None, "{what}: written");
    let no_room = host.store.data().no_room;
    assert_eq!(no_room, usize::from(!had_room), "{what}");
    assert_eq!(result, expected(if had_room { ANSWER } else { FAILURE }), "{what}");
    assert_eq!(host.state(), NORMAL, "{what}");
    had_room
}

#[test]
fn nothing_is_written_beyond_any_end() {
    for module in modules() {
        let mut larger_had_room = false;
        // Also below the buffer, inside the header, and not aligned.
        for end in (1..BUFFER).step_by(331).chain(BUFFER - 9..BUFFER + 800) {
            let mut host = host(module);
            host.unwind_to(BUFFER, end);
            let writable = BUFFER..end.max(BUFFER);
            let had_room = run(&mut host, BUFFER, writable, &format!("end {end:#x}"));
            assert!(had_room || !larger_had_room, "less was enough than {end:#x}");
            larger_had_room = had_room;
        }
        assert!(larger_had_room, "800 bytes are enough");
    }
}

#[test]
fn an_end_beyond_the_memory_is_the_memorys_end() {
    for module in modules() {
        let header_bytes = host(module).header_bytes();
        for buffer in [65536 - 700, 65536 - 200, 65536 - 40, 65536 - header_bytes] {
            for end in [0, 65536, 65540, 1 << 31, u64::MAX] {
                let mut host = host(module);
                host.unwind_to(buffer, end);
                let had_room =
                    run(&mut host, buffer, buffer..65536, &format!("{buffer:#x} {end:#x}"));
                assert_eq!(had_room, buffer == 65536 - 700);
            }
        }
    }
}

#[test]
fn a_buffer_need_not_be_aligned() {
    for module in modules() {
        for buffer in BUFFER + 1..BUFFER + 8 {
            let mut host = host(module);
            host.unwind_to(buffer, 8191);
            assert!(run(&mut host, buffer, buffer..8191, &format!("buffer {buffer:#x}")));
        }
    }
}

#[test]
fn pos_may_be_moved_on_by_any_number_of_bytes() {
    for module in modules() {
        for bytes in 0..64 {
            let mut host = host(module);
            host.unwind_and(BUFFER, 8192, move |caller, memory| {
                let mut pos = [0; 4];
                memory.read(&*caller, BUFFER as usize, &mut pos)?;
                let pos = u32::from_le_bytes(pos) + bytes;
                Ok(memory.write(caller, BUFFER as usize, &pos.to_le_bytes())?)
            });
            assert!(run(&mut host, BUFFER, BUFFER..8192, &format!("moved on by {bytes}")));
        }
    }
}

/// A host that gets the two words wrong after the unwind has begun.
fn leaving(module: &Module, pos: u64, end: u64) -> Host {
    let mut host = host(module);
    let bytes = host.address_bytes;
    host.unwind_and(BUFFER, 8192, move |caller, memory| {
        memory.write(&mut *caller, BUFFER as usize, &pos.to_le_bytes()[..bytes])?;
        Ok(memory.write(caller, BUFFER as usize + bytes, &end.to_le_bytes()[..bytes])?)
    });
    host
}

#[test]
fn a_pos_at_or_beyond_end_has_no_room() {
    for module in modules() {
        // Swapped; equal; at the top of the address range, where adding to it wraps.
        let last = host(module).last_address();
        for (pos, end) in [(8192, BUFFER + 128), (8192, 8192), (last, 8192), (last - 3, 0)] {
            let mut host = leaving(module, pos, end);
            let what = format!("pos {pos:#x}, end {end:#x}");
            assert!(!run(&mut host, BUFFER, BUFFER..8192, &what));
        }
    }
}

#[test]
fn a_pos_below_the_first_frame_traps() {
    for module in modules() {
        for pos in [0, 4, 2000, BUFFER - 4, BUFFER, BUFFER + 8, BUFFER + 20] {
            let mut host = leaving(module, pos, 8192);
            assert_traps(host.call("run", &[]), &format!("pos {pos:#x}"));
            let buffer = BUFFER as usize;
            assert!(host.is_filled(0..buffer, POISON), "pos {pos:#x}: written below the buffer");
            assert!(host.is_filled(buffer + 8192..65536, POISON));
        }
    }
}

#[test]
fn an_end_moved_below_the_reserve_writes_nothing_beyond_it() {
    for module in modules() {
        for end in [1, BUFFER, BUFFER + 8, BUFFER + 25] {
            let mut host = leaving(module, BUFFER + 100, end);
            // A function that needs no reserve is undone; one that does can't be.
            match host.call("run", &[]) {
                Ok(result) => assert_eq!(result, expected(FAILURE)),
                trapped => assert_traps(trapped, &format!("end {end:#x}")),
            }
            let buffer = BUFFER as usize;
            assert!(host.is_filled(0..buffer, POISON), "end {end:#x}: written below the buffer");
            assert!(host.is_filled(buffer + 100..65536, POISON), "end {end:#x}: written at pos");
        }
    }
}
