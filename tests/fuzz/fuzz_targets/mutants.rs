//! Mutated outputs through `verify`; the property is in the shared module.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_fork_fuzz::kit;

fuzz_target!(|input: &[u8]| kit::mutant(input));
