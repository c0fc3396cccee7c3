//! What is wrong with an instrumented module is found: at which call, in which kind of instance, and what differs.

use super::options;
use crate::exec::self_test::{BY_HAND, ORIGINAL};
use wasm_fork::testing::wasmtime::Val;
use wasm_fork::testing::{Compared, Failure, Storm};

/// Runs an original and what is taken for its instrumented form.
fn storm(original: &str, rewritten: &str) -> Result<Compared, Failure> {
    let rewritten = wat::parse_str(rewritten).unwrap();
    let host = || 100;
    Storm::new(original.as_bytes(), &options("env.fork"), host, |linker, _, _| {
        linker.func_wrap("env", "fork", |mut caller: wasmtime::Caller<'_, i32>, _: i32| {
            *caller.data_mut() += 1;
            *caller.data()
        })?;
        Ok(())
    })
    .instrumented(rewritten, None)
    .call("run", &[Val::I32(3)])
    .call("run", &[Val::I32(4)])
    .fuel(1_000_000)
    .run()
}

/// A mistake: text to replace, its replacement, and what the kit says.
const MISTAKES: [(&str, &str, &str); 9] = [
    (
        "(i32.store (i32.load (global.get $buf)) (local.get $below))",
        "",
        "unwinding at entry call 1 of 2, rewinding in the same instance: call of an export 1: the original has `run: (i32 125)`, this run",
    ),
    (
        "(global.set $g (i32.load offset=8 (local.get $buf)))",
        "",
        "unwinding at entry call 1 of 2, rewinding in a fresh instance: call of an export 1: the original has",
    ),
    (
        "(i32.sub (i32.load (global.get $buf)) (i32.const 8))",
        "(i32.load (global.get $buf))",
        "rewinding in the same instance: pos is",
    ),
    (
        "(local.set $result (call $fork (i32.const 7)))",
        "(local.set $result (call $fork (local.get $x)))",
        "never unwinding: call of an import 1: the original has `env.fork(i32 7) = (i32 101)`, this run `env.fork(i32 3) = (i32 101)`",
    ),
    (
        "(i32.store offset=4 (i32.load (global.get $buf)) (i32.const 1))",
        "(i32.store offset=8 (i32.load (global.get $buf)) (i32.const 1))",
        "outside the buffer's used part",
    ),
    (
        "(i32.store offset=4 (i32.load (global.get $buf)) (i32.const 1))",
        "(i32.store offset=4 (i32.const 0) (i32.const 1))",
        "unwinding at entry call 1 of 2, rewinding in the same instance: the memory `memory` differs at byte 0x4: 0x00 in the original, 0x01 in",
    ),
    (
        "(local.set $below (i32.load (i32.load (global.get $buf))))",
        "(local.set $below (i32.load (i32.load (global.get $buf)))) (i32.store (i32.load (global.get $buf)) (i32.const 9))",
        "the rewind changed the byte at offset",
    ),
    (
        "(local.set $result (call $fork (i32.const 7)))\n    (if",
        "(if (i32.eq (global.get $state) (i32.const 2)) (then (return (i32.const 0))))
            (local.set $result (call $fork (i32.const 7))) (if",
        "the rewind doesn't come to the entry: the export returns",
    ),
    (
        "(local.set $below (i32.load (i32.load (global.get $buf))))",
        "(loop $forever (br $forever))",
        "unwinding at entry call 1 of 2, rewinding in the same instance: the rewind doesn't come to the entry",
    ),
];

#[test]
fn a_module_without_mistakes_is_accepted() {
    let compared = storm(ORIGINAL, BY_HAND).unwrap();
    assert_eq!(compared.outcomes.len(), 2);
    assert_eq!(compared.instrumented, None);
}

#[test]
fn every_mistake_is_found_and_its_place_told() {
    for (from, to, message) in MISTAKES {
        assert!(BY_HAND.contains(from), "{from}");
        let failure = storm(ORIGINAL, &BY_HAND.replacen(from, to, 1)).expect_err(from);
        assert!(matches!(failure, Failure::Differs { .. }), "{from}: {failure}");
        assert!(failure.to_string().contains(message), "{from} -> {to}\ngives: {failure}");
    }
}

/// A mistake that shows at the second call alone: it is the second that is named.
#[test]
fn the_call_is_named_at_which_a_mistake_shows() {
    let from = "(local.set $below (i32.load (i32.load (global.get $buf))))";
    let to = "(local.set $below (i32.add (i32.gt_s (global.get $g) (i32.const 6)) (i32.load (i32.load (global.get $buf)))))";
    let failure = storm(ORIGINAL, &BY_HAND.replace(from, to)).unwrap_err().to_string();
    let expected =
        "unwinding at entry call 2 of 2, rewinding in the same instance: call of an export 2: ";
    assert!(failure.starts_with(expected), "{failure}");
}

/// What the tool itself writes, with a single store left out, or a single load from another address: those of the saved globals and the
/// frames, which every unwind passes.
#[test]
fn outputs_with_a_wrong_store_or_load_are_found() {
    let module = r#"(module
        (import "env" "fork" (func $fork (param i32) (result i32)))
        (memory (export "memory") 1)
        (global $g (export "g") (mut i32) (i32.const 7))
        (func $inner (param $a i32) (param $b i64) (result i64)
            (global.set $g (local.get $a))
            (i64.add (local.get $b) (i64.extend_i32_s (i32.add (local.get $a) (call $fork (i32.const 7))))))
        (func (export "run") (param $x i32) (result i64)
            (i64.mul (i64.extend_i32_s (local.get $x)) (call $inner (local.get $x) (i64.const 5)))))"#;
    let wasm = wat::parse_str(module).unwrap();
    let output = wasm_fork::instrument(&wasm, &options("env.fork")).unwrap();
    let text = wasmprinter::print_bytes(&output.wasm).unwrap();
    storm(module, &text).unwrap();
    let (mut tried, mut missed) = (0, Vec::new());
    let lines: Vec<_> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let mutated = match line.split_once(".load") {
            Some((start, "")) => format!("{start}.load offset=4"),
            Some((start, rest)) => match rest.strip_prefix(" offset=4") {
                Some(rest) => format!("{start}.load offset=8{rest}"),
                None => format!("{start}.load offset=4 align=1"),
            },
            None if line.contains(".store") => "drop drop".to_owned(),
            None => continue,
        };
        let mut mutant: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        mutant[at] = mutated;
        tried += 1;
        match storm(module, &mutant.join("\n")) {
            Err(Failure::Differs { .. }) => {}
            Err(other) => panic!("line {at}: {line}: {other}"),
            Ok(_) => missed.push(format!("{at}: {}", line.trim())),
        }
    }
    assert!(
        tried >= 15 && missed.len() * 2 < tried,
        "{tried} tried; not found: {missed:#?}\n{text}"
    );
}
