//! `instrument` is total: whatever the bytes, it returns an output that validates, or an error of
//! the caller's making. The fuzz target in `tests/fuzz/` and the smoke run below share this file.

use wasm_fork::{EntryPattern, Error, Options};

/// Every function import is an entry, so that whatever a module imports, it has a closure.
fn options() -> Options {
    let mut any = EntryPattern::exact("", "");
    any.module_prefix = true;
    any.name_prefix = true;
    Options { entries: vec![any], ..Options::default() }
}

/// Runs the whole of `instrument` on arbitrary bytes.
///
/// # Panics
/// If the output is not valid, or the error says that the tool is at fault.
pub fn check(input: &[u8]) {
    match wasm_fork::instrument(input, &options()) {
        Ok(output) => {
            wasmparser::Validator::new_with_features(wasm_fork::read::features())
                .validate_all(&output.wasm)
                .expect("the output is valid");
        }
        Err(Error::Internal(message)) => panic!("internal error: {message}"),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}
