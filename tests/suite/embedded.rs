//! `wasm_fork::host`: what an embedder can do with a paused program: fork it, let it sleep, write it down and go on from the bytes.
//!
//! What these tests don't prove: that frames are right. Other suites do, on the same ABI.

use std::process::Command;
use std::sync::Arc;
use std::{env, fs};
use wasm_fork::host::wasmtime::{Engine, Linker, Val};
use wasm_fork::host::{self, Answer, Guest, Host, Step};
use wasm_fork::{EntryPattern, FramesIn, Options};

/// Counts in a global and in memory, and pauses on each turn; `sum` has values on the operand stack across two pauses.
const PROGRAM: &str = r#"(module
    (import "env" "ask" (func $ask (param i32) (result i32)))
    (import "env" "add" (func $add (param i32 i32) (result i32)))
    (memory (export "memory") 1 4)
    (global $count (mut i32) (i32.const 0))
    (func (export "sum") (param $first i32) (result i32)
        (global.set $count (i32.const 1))
        (i32.store (i32.const 70000) (memory.grow (i32.const 1)))
        (call $add
            (i32.add (local.get $first) (call $ask (i32.const 1)))
            (i32.add (call $ask (i32.const 2)) (i32.mul (i32.const 1000) (global.get $count)))))
    (func (export "count") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (global.get $count)))"#;

fn linker(engine: &Engine) -> Linker<u32> {
    let mut linker = Linker::new(engine);
    let add = |mut caller: wasmtime::Caller<'_, u32>, a: i32, b: i32| {
        *caller.data_mut() += 1;
        a + b
    };
    linker.func_wrap("env", "add", add).unwrap();
    linker
}

fn ask() -> EntryPattern {
    EntryPattern::exact("env", "ask")
}

fn instrumented(wat: &str, options: Options) -> Vec<u8> {
    wasm_fork::instrument(wat.as_bytes(), &options.entries([ask()])).unwrap().wasm
}

/// A host of its own engine, as another process has it.
fn host(wasm: &[u8]) -> Host<u32> {
    let engine = Engine::new(&host::config()).unwrap();
    Host::new(wasm, linker(&engine)).unwrap().entries([ask()])
}

/// Both places that frames may go to.
fn both() -> [Vec<u8>; 2] {
    let own = Options::default().frames_in(FramesIn::Own);
    let text = PROGRAM.replace("(memory (export", "(memory $m (export");
    let large = text.replace("70000", "700");
    [instrumented(&large, Options::default()), instrumented(&large, own)]
}

#[track_caller]
fn asks(step: Step) -> i32 {
    match step {
        Step::Paused(call) => call.args[0].unwrap_i32(),
        Step::Done(values) => panic!("it has ended with {values:?}"),
    }
}

#[track_caller]
fn value(step: &Step) -> i32 {
    match step {
        Step::Done(values) => values[0].unwrap_i32(),
        Step::Paused(call) => panic!("it waits at {}", call.entry),
    }
}

fn started(host: &Arc<Host<u32>>) -> Guest<u32> {
    let mut guest = host.start(0).unwrap();
    assert_eq!(asks(guest.call("sum", &[Val::I32(5)]).unwrap()), 1);
    guest
}

#[test]
fn a_child_goes_on_beside_its_parent() {
    for wasm in both() {
        let host = host(&wasm).shared();
        let mut parent = started(&host);
        let mut child = parent.fork(100).unwrap();
        assert_eq!(asks(parent.resume(&[Val::I32(10)]).unwrap()), 2);
        assert_eq!(asks(child.resume(&[Val::I32(20)]).unwrap()), 2);
        let mut grandchild = child.fork(200).unwrap();
        assert_eq!(value(&parent.resume(&[Val::I32(1)]).unwrap()), 1016);
        assert_eq!(value(&child.resume(&[Val::I32(2)]).unwrap()), 1027);
        assert_eq!(value(&grandchild.resume(&[Val::I32(3)]).unwrap()), 1028);
        assert_eq!([*parent.data(), *child.data(), *grandchild.data()], [1, 101, 201]);
        assert!(parent.paused().is_none());
        let error = parent.resume(&[]).unwrap_err().to_string();
        assert!(error.contains("doesn't wait"), "{error}");
    }
}

/// While one call sleeps others may run, and what they did lasts.
#[test]
fn others_run_while_one_sleeps() {
    for wasm in both() {
        let host = host(&wasm).shared();
        let mut guest = started(&host);
        assert_eq!(value(&guest.call("count", &[]).unwrap()), 2);
        assert_eq!(asks(guest.resume(&[Val::I32(0)]).unwrap()), 2);
        assert_eq!(value(&guest.call("count", &[]).unwrap()), 3);
        assert_eq!(value(&guest.resume(&[Val::I32(0)]).unwrap()), 3005);
        // Not so one that pauses, too.
        let mut guest = started(&host);
        let error = format!("{:#}", guest.call("sum", &[Val::I32(0)]).unwrap_err());
        assert!(error.contains("a second stack"), "{error}");
    }
}

#[test]
fn a_program_goes_on_from_the_bytes() {
    for wasm in both() {
        let first = host(&wasm).shared();
        let mut guest = started(&first);
        assert_eq!(asks(guest.resume(&[Val::I32(10)]).unwrap()), 2);
        let saved = guest.snapshot().unwrap();
        // What happens afterwards is not in it.
        assert_eq!(value(&guest.call("count", &[]).unwrap()), 2);
        assert_eq!(value(&guest.resume(&[Val::I32(1)]).unwrap()), 2016);
        drop((guest, first));

        let elsewhere = host(&wasm).shared();
        for answer in [1, 2] {
            let mut guest = elsewhere.restore(&saved, 40).unwrap();
            assert_eq!(guest.paused().unwrap().entry, "env.ask");
            assert_eq!(guest.snapshot().unwrap(), saved);
            assert_eq!(value(&guest.resume(&[Val::I32(answer)]).unwrap()), 1015 + answer);
            assert_eq!(*guest.data(), 41);
        }
    }
}

/// The same by a file, in a process that has never run the program: this test again, which finds the variable.
#[test]
fn a_program_goes_on_in_another_process() {
    const VARIABLE: &str = "WASM_FORK_TEST_SNAPSHOT";
    let [wasm, _] = both();
    if let Some(path) = env::var_os(VARIABLE) {
        let saved = fs::read(path).unwrap();
        let mut guest = host(&wasm).shared().restore(&saved, 0).unwrap();
        assert_eq!(asks(guest.resume(&[Val::I32(100)]).unwrap()), 2);
        assert_eq!(value(&guest.resume(&[Val::I32(20)]).unwrap()), 1125);
        return;
    }
    let saved = started(&host(&wasm).shared()).snapshot().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), saved).unwrap();
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", "embedded::a_program_goes_on_in_another_process"]);
    let output = again.env(VARIABLE, file.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
fn a_snapshot_of_anything_else_is_refused() {
    let [first, second] = both();
    let mut guest = started(&host(&first).shared());
    let saved = guest.snapshot().unwrap();
    let refused = |wasm: &[u8], bytes: &[u8]| {
        host(wasm).shared().restore(bytes, 0).expect_err("it is refused").to_string()
    };
    assert!(refused(&second, &saved).contains("another module"));
    assert!(refused(&first, b"snap").contains("damaged"));
    assert!(refused(&first, &[7; 100]).contains("no snapshot"));
    for len in (0..saved.len()).step_by(97) {
        refused(&first, &saved[..len]);
    }
    let more = [&saved[..], b"x"].concat();
    assert!(refused(&first, &more).contains("damaged"));
    // A memory of more bytes than it may have.
    let at = saved.windows(6).rposition(|window| window == b"memory").unwrap();
    let mut large = saved.clone();
    large[at + 6..at + 14].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    refused(&first, &large);
}

/// An entry that is answered at once, and one that has no room.
#[test]
fn a_host_decides_whether_to_pause() {
    let wasm = instrumented(&PROGRAM.replace("70000", "700"), Options::default());
    let decides = host(&wasm).at_entry(|caller, call| {
        *caller.data_mut() += 10;
        Ok(match call.args[0].unwrap_i32() {
            1 => Answer::Return(vec![Val::I32(7)]),
            _ => Answer::Pause,
        })
    });
    let mut guest = decides.shared().start(0).unwrap();
    assert_eq!(asks(guest.call("sum", &[Val::I32(0)]).unwrap()), 2);
    assert_eq!(value(&guest.resume(&[Val::I32(0)]).unwrap()), 1007);
    assert_eq!(*guest.data(), 21);

    // There is one page of four that frames may have, and memory can't grow.
    let full =
        instrumented(&PROGRAM.replace("70000", "700").replace("1 4)", "1 2)"), Options::default());
    let mut guest = host(&full).on_no_room(&[Val::I32(-11)]).shared().start(0).unwrap();
    assert_eq!(value(&guest.call("sum", &[Val::I32(0)]).unwrap()), 1000 - 22);
    let mut guest = host(&full).shared().start(0).unwrap();
    let error = format!("{:#}", guest.call("sum", &[Val::I32(0)]).unwrap_err());
    assert!(error.contains("can't be saved at env.ask"), "{error}");
}

/// Deep stacks get more room, as far as the host lets them.
#[test]
fn a_deep_stack_gets_more_room() {
    let deep = r#"(module
        (import "env" "ask" (func $ask (param i32) (result i32)))
        (memory (export "memory") 1)
        (func $down (export "down") (param $n i32) (result i32)
            (if (result i32) (local.get $n)
                (then (i32.add (local.get $n) (call $down (i32.sub (local.get $n) (i32.const 1)))))
                (else (call $ask (i32.const 0))))))"#;
    let wasm = instrumented(deep, Options::default());
    let mut guest = host(&wasm).shared().start(0).unwrap();
    assert_eq!(asks(guest.call("down", &[Val::I32(8000)]).unwrap()), 0);
    let mut child = guest.fork(0).unwrap();
    assert_eq!(value(&guest.resume(&[Val::I32(0)]).unwrap()), 32_004_000);
    assert_eq!(value(&child.resume(&[Val::I32(1)]).unwrap()), 32_004_001);

    let small = host(&wasm).max_room(1 << 16).on_no_room(&[Val::I32(-11)]).shared();
    let step = small.start(0).unwrap().call("down", &[Val::I32(8000)]).unwrap();
    assert_eq!(value(&step), 32_004_000 - 11);
}

#[test]
fn what_cant_be_copied_says_why() {
    let cases = [
        (r#"(memory 1)"#, "memory 0 is not exported"),
        (
            r#"(memory (export "memory") 1) (table 1 funcref)
               (func (export "set") (table.set (i32.const 0) (ref.null func)))"#,
            "changes a table",
        ),
    ];
    for (parts, why) in cases {
        let wat = format!(
            r#"(module (import "env" "ask" (func $ask (param i32) (result i32))) {parts}
                (func (export "sum") (result i32) (call $ask (i32.const 1))))"#
        );
        let own = Options::default().frames_in(FramesIn::Own);
        let mut guest = host(&instrumented(&wat, own)).shared().start(0).unwrap();
        assert_eq!(asks(guest.call("sum", &[]).unwrap()), 1);
        for error in [guest.fork(0).map(drop).unwrap_err(), guest.snapshot().map(drop).unwrap_err()]
        {
            assert!(error.to_string().contains(why), "{error}");
        }
        // It can go on all the same.
        assert_eq!(value(&guest.resume(&[Val::I32(6)]).unwrap()), 6);
    }
    let mut guest = host(&both()[0]).shared().start(0).unwrap();
    assert!(guest.fork(0).unwrap_err().to_string().contains("doesn't wait"));
    assert!(
        guest.call("none", &[]).unwrap_err().to_string().contains("exports no function `none`")
    );
}
