//! Mutants of what is not code: each byte of each section changed in turn. All must be rejected.

use super::verify;
use crate::analyze::Analysis;
use crate::options::{EntryPattern, Options};
use crate::read::{Module, features};
use wasmparser::Validator;

const WAT: &str = r#"(module
    (type $t (func (param i32) (result i32)))
    (import "k" "fork" (func $fork (result i32)))
    (import "env" "memory" (memory 1 3))
    (import "env" "base" (global $base i32))
    (tag $thrown (param i64))
    (table $small 4 9 funcref)
    (table (export "table") 2 funcref)
    (global $count (mut i32) (i32.const 5))
    (global (export "limit") i64 (i64.const 77))
    (elem (table $small) (i32.const 1) func $leaf $other)
    (elem $passive func $other)
    (data (i32.const 16) "some data")
    (data $spare "more")
    (start $init)
    (func $init (global.set $count (i32.const 6)))
    (func $leaf (type $t) (i32.add (call $fork) (local.get 0)))
    (func $other (export "other") (type $t) (memory.init $spare (i32.const 0) (i32.const 0) (i32.const 2)) (local.get 0))
    (func (export "run") (result i32) (call_indirect $small (type $t) (i32.const 7) (global.get $base)))
    (@custom "kept" (after data) "as it was"))"#;

/// The sections that are compared: all but code.
const CODE: u8 = 10;

#[test]
fn what_was_made_is_accepted_and_no_section_may_change() {
    let original = wat::parse_str(WAT).unwrap();
    let options = Options { entries: vec![EntryPattern::exact("k", "fork")], ..Options::default() };
    let module = Module::read(&original).unwrap();
    let analysis = Analysis::run(&module, &options).unwrap();
    let output = crate::instrument(&original, &options).unwrap().wasm;
    let check = |wasm: &[u8]| verify(&module, &analysis, options.abi, wasm, None);
    check(&output).unwrap();
    let sections = Module::read(&output).unwrap().sections;
    let (mut rejected, mut accepted) = (0, Vec::new());
    for section in sections.iter().filter(|section| section.id != CODE) {
        let free = section.id == 0 && section.name != "kept";
        // Types and names of what is appended may be others.
        for at in section.contents.clone().filter(|_| !free && section.id != 1) {
            let mut mutant = output.clone();
            mutant[at] ^= 1;
            let is_valid = Validator::new_with_features(features()).validate_all(&mutant).is_ok();
            match check(&mutant) {
                Err(_) => rejected += usize::from(is_valid),
                Ok(()) => accepted.push(format!("section {} at {at:#x}", section.id)),
            }
        }
    }
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
    assert!(rejected > 60, "only {rejected} were valid");
}

#[test]
fn it_is_said_where_a_section_differs() {
    let original = wat::parse_str(WAT).unwrap();
    let options = Options { entries: vec![EntryPattern::exact("k", "fork")], ..Options::default() };
    let module = Module::read(&original).unwrap();
    let analysis = Analysis::run(&module, &options).unwrap();
    let mut output = crate::instrument(&original, &options).unwrap().wasm;
    let at = output.windows(4).position(|bytes| bytes == b"more").unwrap();
    output[at] ^= 1;
    let error = verify(&module, &analysis, options.abi, &output, None).unwrap_err().to_string();
    assert!(error.contains("item 1 of the data section changed, at 0x"), "{error}");
    assert!(error.contains(&format!("{at:#x} of the output")), "{error}");
}
