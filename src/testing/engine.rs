//! How programs are run that are tested: by the kit, and by this project's own tests, which take this file in by its path, beside a
//! `use` of the module `host`.

use crate::host;
use wasmtime::{Config, OptLevel};

/// All proposals that take no second thread, quick compilation, and one bit pattern for NaN, so that results can be compared
/// by their bits.
pub fn config() -> Config {
    let mut config = host::config();
    config
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_max_frames(None)
        .consume_fuel(true)
        .cranelift_opt_level(OptLevel::None)
        .cranelift_nan_canonicalization(true);
    config
}
