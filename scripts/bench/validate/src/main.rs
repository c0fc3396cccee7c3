//! The yardstick of `scripts/bench/run`: decodes and validates one module with wasmparser, function
//! bodies in parallel, and does nothing else.

use rayon::prelude::*;
use std::error::Error;
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: validate MODULE")?;
    let bytes = std::fs::read(path)?;
    // All that wasm-fork accepts.
    let features = WasmFeatures::default()
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::WIDE_ARITHMETIC;
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut bodies = Vec::new();
    for payload in parser.parse_all(&bytes) {
        if let ValidPayload::Func(func, body) = validator.payload(&payload?)? {
            bodies.push((func, body));
        }
    }
    bodies.into_par_iter().try_for_each_init(
        FuncValidatorAllocations::default,
        |allocations, (func, body)| {
            let mut validator = func.into_validator(std::mem::take(allocations));
            validator.validate(&body)?;
            *allocations = validator.into_allocations();
            Ok::<(), wasmparser::BinaryReaderError>(())
        },
    )?;
    Ok(())
}
