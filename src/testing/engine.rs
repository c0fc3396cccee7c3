//! How programs are run that are tested: by the kit, and by this project's own tests, which take this file in by its path.

use wasmtime::{Config, OptLevel};

/// All proposals that take no second thread, quick compilation, and one bit pattern for NaN, so that results can be compared
/// by their bits.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_tail_call(true)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_wide_arithmetic(true)
        .wasm_custom_page_sizes(true)
        .wasm_extended_const(true)
        .wasm_backtrace_max_frames(None)
        .consume_fuel(true)
        .cranelift_opt_level(OptLevel::None)
        .cranelift_nan_canonicalization(true);
    config
}
