//! Arbitrary bytes through the whole of `instrument`; the property is in the shared module.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_fork_fuzz::total;

fuzz_target!(|input: &[u8]| total::check(input));
