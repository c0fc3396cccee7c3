//! References of functions in fresh instances: what the Rust host and the kit for tests carry over, and what they refuse.

use std::sync::Arc;
use wasm_fork::host::wasmtime::{Caller, Engine, ExternRef, Linker, Rooted, Val};
use wasm_fork::host::{self, Guest, Host, Step};
use wasm_fork::testing::{Rewound, Storm};
use wasm_fork::{EntryPattern, Optimize, Options, Output};

/// Each frame holds a function, of the table or of `ref.func`, and one of the host's references or null; so many that tables grow.
const PROGRAM: &str = r#"(module
    (type $t (func (param i32) (result i32)))
    (import "env" "ask" (func $ask (param i32) (result i32)))
    (import "env" "add" (func $add (type $t)))
    (import "env" "thing" (func $thing (param i32) (result externref)))
    (memory (export "memory") 1)
    (global $runs (mut i32) (i32.const 0))
    (table 3 funcref)
    (elem (i32.const 0) $plus $times $add)
    (elem declare func $declared)
    (func $plus (type $t)
        (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (i32.add (local.get 0) (i32.const 1)))
    (func $times (type $t) (i32.mul (local.get 0) (i32.const 3)))
    (func $declared (type $t) (i32.sub (local.get 0) (i32.const 2)))
    (func $down (param $n i32) (param $thing externref) (result i32)
        (local $f (ref null $t)) (local $g funcref)
        (if (i32.eqz (local.get $n)) (then (return (call $ask (i32.const 1000)))))
        (local.set $f (ref.cast (ref null $t) (table.get (i32.rem_u (local.get $n) (i32.const 3)))))
        (local.set $g (if (result funcref) (i32.and (local.get $n) (i32.const 1))
            (then (ref.func $declared)) (else (ref.null func))))
        (local.set $n (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $thing)))
        (if (i32.eqz (ref.is_null (local.get $g)))
            (then (local.set $n (call_ref $t (local.get $n) (ref.cast (ref $t) (local.get $g))))))
        (i32.add (call_ref $t (local.get $n) (local.get $f)) (ref.is_null (local.get $thing))))
    (func (export "run") (param $n i32) (param $thing i32) (result i32)
        (i32.add (call $down (local.get $n) (call $thing (local.get $thing))) (global.get $runs))))"#;

const DEEP: i32 = 30;

fn ask() -> EntryPattern {
    EntryPattern::exact("env", "ask")
}

/// What the program gives for an answer, with null in place of the host's reference.
fn expected(n: i32, answer: i32) -> i32 {
    expected_with(n, answer, 1)
}

fn expected_with(n: i32, answer: i32, is_null: i32) -> i32 {
    let (mut value, mut runs) = (answer, 0);
    for i in 1..=n {
        value = if i % 2 == 1 { value.wrapping_sub(2) } else { value };
        value = match i % 3 {
            0 => value.wrapping_add(1),
            1 => value.wrapping_mul(3),
            _ => value.wrapping_add(100),
        };
        runs += i32::from(i % 3 == 0);
        value = value.wrapping_add(is_null);
    }
    value.wrapping_add(runs)
}

/// Without custom sections, so that no function has a name.
fn without_names(wasm: &[u8]) -> Vec<u8> {
    let mut out = wasm_encoder::Module::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let Some((id, range)) = payload.unwrap().as_section()
            && id != 0
        {
            let data = &wasm[range.start as usize..range.end as usize];
            out.section(&wasm_encoder::RawSection { id, data });
        }
    }
    out.finish()
}

/// In all forms, with and without a resume module, with and without names.
fn outputs() -> Vec<Output> {
    let ways = Optimize::ALL.into_iter().flat_map(|way| [(way, false), (way, true)]);
    let options = Options::default().entries([ask()]).carry_references(true).verify(true);
    let named = wat::parse_str(PROGRAM).unwrap();
    let unnamed = without_names(&named);
    let make = |(way, apart)| {
        let options = options.clone().optimize(way).resume_module(apart);
        let input = if apart { &unnamed } else { &named };
        wasm_fork::instrument(input, &options).unwrap()
    };
    ways.map(make).collect()
}

/// A reference of the host's, or null.
fn thing(caller: Caller<'_, ()>, is_there: i32) -> wasmtime::Result<Option<Rooted<ExternRef>>> {
    (is_there != 0).then(|| ExternRef::new(caller, 7)).transpose()
}

/// A host of its own engine, as another process has it.
fn host(output: &Output) -> Arc<Host<()>> {
    let engine = Engine::new(&host::config()).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("env", "add", |x: i32| x.wrapping_add(100)).unwrap();
    linker.func_wrap("env", "thing", thing).unwrap();
    let host = Host::with_resume_module(&output.wasm, output.resume_module.as_deref(), linker);
    host.unwrap().entries([ask()]).shared()
}

fn started(host: &Arc<Host<()>>, n: i32, thing: bool) -> Guest<()> {
    let mut guest = host.start(()).unwrap();
    let step = guest.call("run", &[Val::I32(n), Val::I32(thing.into())]).unwrap();
    assert!(matches!(step, Step::Paused(_)));
    guest
}

#[track_caller]
fn resumed(guest: &mut Guest<()>, answer: i32) -> i32 {
    match guest.resume(&[Val::I32(answer)]).unwrap() {
        Step::Done(values) => values[0].unwrap_i32(),
        Step::Paused(call) => panic!("it waits at {}", call.entry),
    }
}

#[test]
fn a_copy_has_the_counterparts_of_functions() {
    for output in outputs() {
        for n in [1, 2, DEEP] {
            let first = host(&output);
            let mut parent = started(&first, n, false);
            let mut child = parent.fork(()).unwrap();
            let saved = parent.snapshot().unwrap();
            let of_child = child.snapshot().unwrap();
            let mut grandchild = child.fork(()).unwrap();
            assert_eq!(resumed(&mut parent, 1), expected(n, 1));
            // What waits in a program may be gone by now, and its copies go on.
            drop(parent);
            assert_eq!(resumed(&mut child, 2), expected(n, 2));
            assert_eq!(resumed(&mut grandchild, 3), expected(n, 3));
            let elsewhere = host(&output);
            for bytes in [saved, of_child] {
                let mut later = elsewhere.restore(&bytes, ()).unwrap();
                assert_eq!(resumed(&mut later, 4), expected(n, 4));
            }
            // The instance keeps nothing more, and can be called again.
            let step = child.call("run", &[Val::I32(2), Val::I32(0)]).unwrap();
            assert!(matches!(step, Step::Paused(_)));
            let mut again = child.fork(()).unwrap();
            let runs = n / 3;
            assert_eq!(resumed(&mut child, 5), expected(2, 5) + runs);
            assert_eq!(resumed(&mut again, 6), expected(2, 6) + runs);
        }
    }
}

#[test]
fn a_reference_of_the_host_s_is_in_the_way_of_a_copy() {
    for output in outputs() {
        let mut guest = started(&host(&output), 3, true);
        let errors = [guest.fork(()).map(drop), guest.snapshot().map(drop)];
        for error in errors {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("its stack holds a reference of the host's"), "{error}");
        }
        // It can go on all the same.
        assert_eq!(resumed(&mut guest, 8), expected_with(3, 8, 0));
    }
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let output = &outputs()[0];
    let host = host(output);
    let saved = started(&host, DEEP, false).snapshot().unwrap();
    for cut in 1..200 {
        assert!(host.restore(&saved[..saved.len() - cut], ()).is_err(), "{cut} bytes less");
    }
    for at in (saved.len() - 200)..saved.len() {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x40;
        // What is still a snapshot is of a program that goes on, or traps.
        if let Ok(mut guest) = host.restore(&damaged, ()) {
            drop(guest.resume(&[Val::I32(1)]));
        }
    }
}

/// The kit rewinds in fresh instances, too, and says what is in the way of that.
#[test]
fn a_storm_carries_functions() {
    let options = Options::default().entries([ask()]).carry_references(true);
    let storm = || {
        let storm = Storm::new(
            PROGRAM.as_bytes(),
            &options,
            || (),
            |linker, _, _| {
                linker.func_wrap("env", "ask", |x: i32| x)?;
                linker.func_wrap("env", "add", |x: i32| x.wrapping_add(100))?;
                linker.func_wrap("env", "thing", thing)?;
                Ok(())
            },
        );
        storm.call("run", &[Val::I32(DEEP), Val::I32(0)])
    };
    let compared = storm().run().unwrap();
    let fresh = storm().instances([Rewound::Fresh]).run().unwrap();
    assert!(compared.unwinds > fresh.unwinds && fresh.unwinds > 0, "{compared} {fresh}");
    assert_eq!(compared.undone + fresh.undone, 0);
}

/// It says what is in the way of a fresh instance.
#[test]
fn a_storm_says_what_has_no_counterpart() {
    let program = r#"(module
        (import "env" "ask" (func $ask (result i32)))
        (import "env" "thing" (func $thing (result externref)))
        (memory (export "memory") 1)
        (func (export "run") (result i32) (local externref)
            (local.set 0 (call $thing))
            (i32.add (call $ask) (ref.is_null (local.get 0)))))"#;
    let options = Options::default().entries([ask()]).carry_references(true);
    let storm = || {
        let storm = Storm::new(
            program.as_bytes(),
            &options,
            || (),
            |linker, _, _| {
                linker.func_wrap("env", "ask", || 5)?;
                linker.func_wrap("env", "thing", |caller: Caller<'_, ()>| thing(caller, 1))?;
                Ok(())
            },
        );
        storm.call("run", &[])
    };
    let failure = storm().run().unwrap_err().to_string();
    assert!(failure.contains("a reference of the host's"), "{failure}");
    assert!(failure.contains("in the same instance alone"), "{failure}");
    assert_eq!(storm().instances([Rewound::Same]).run().unwrap().undone, 0);
}
