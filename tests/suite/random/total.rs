//! `instrument` and `shim` are total: whatever the bytes, they return an output that validates, or an
//! error of the caller's making. The fuzz target `instrument` in `tests/fuzz/` and the smoke run share this file.

use wasm_fork::shim::{Mechanism, ShimOptions};
use wasm_fork::{EntryPattern, Error, Optimize, Options};

/// Every function import is an entry, so that whatever a module imports, it has a closure.
fn options() -> Options {
    let any = EntryPattern::parse("*.*").expect("the pattern is right");
    Options::default().entries([any])
}

/// Runs the whole of `instrument` and of `shim` on arbitrary bytes.
///
/// # Panics
/// If an output is not valid, or an error says that the tool is at fault.
pub fn check(input: &[u8]) {
    total(wasm_fork::instrument(input, &options()).map(|output| output.wasm));
    let apart = options().optimize(Optimize::Speed).resume_module(true);
    total(wasm_fork::instrument(input, &apart).map(|output| output.resume_module.unwrap()));
    for mechanism in [Mechanism::Table, Mechanism::RefTest] {
        let options = ShimOptions::default().all_sites(true).mechanism(mechanism);
        total(wasm_fork::shim(input, &options).map(|output| output.wasm));
    }
}

/// The proposals that outputs may use: those that the tool accepts.
pub fn features() -> wasmparser::WasmFeatures {
    wasmparser::WasmFeatures::default()
        | wasmparser::WasmFeatures::LEGACY_EXCEPTIONS
        | wasmparser::WasmFeatures::CUSTOM_PAGE_SIZES
        | wasmparser::WasmFeatures::WIDE_ARITHMETIC
}

fn total(output: Result<Vec<u8>, Error>) {
    match output {
        Ok(wasm) => {
            wasmparser::Validator::new_with_features(features())
                .validate_all(&wasm)
                .expect("the output is valid");
        }
        Err(Error::Internal(message)) => panic!("internal error: {message}"),
        // Those have a line each.
        Err(Error::Refused(refusals)) => {
            assert!(refusals.lines().all(|line| !line.contains('\n')), "{refusals:?}");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}
