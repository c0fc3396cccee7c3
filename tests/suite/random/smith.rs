//! Modules from wasm-smith, which uses every proposal: each is instrumented or refused by name, and its
//! indirect calls are repaired.
//!
//! Proves that the output is valid and that walrus reads it, not that it means the same: most of
//! these modules trap at once, so running them would prove little.

use super::rng::Rng;
use super::seeds;
use crate::structure;
use arbitrary::Unstructured;
use rayon::prelude::*;
use std::collections::BTreeMap;
use wasm_fork::shim::{Mechanism, ShimOptions};
use wasm_fork::{EntryPattern, Error, Optimize, Options};
use wasm_smith::{Config, Module};

/// How many modules are made.
const MODULES: u64 = 2000;

/// Imports that a module may choose from; most have at least one entry.
const IMPORTS: &str = r#"
(module
  (import "env" "fork" (func (result i32)))
  (import "env" "fork_with" (func (param i32 i64) (result f64)))
  (import "env" "fork_pair" (func (param v128) (result i32 i64)))
  (import "env" "log" (func (param i32)))
  (import "env" "memory" (memory 1 100))
  (import "env" "table" (table 1 100 funcref))
  (import "env" "counter" (global (mut i32))))
"#;

fn config(rng: &mut Rng) -> Config {
    Config {
        available_imports: Some(wat::parse_str(IMPORTS).expect("the imports parse")),
        min_imports: 3,
        min_funcs: 3,
        min_memories: 1,
        max_memories: if rng.chance(10) { 2 } else { 1 },
        min_exports: 2,
        min_element_segments: 1,
        max_instructions: 20 + rng.below(300),
        gc_enabled: rng.chance(30),
        exceptions_enabled: rng.chance(30),
        reference_types_enabled: rng.chance(70),
        tail_call_enabled: rng.chance(20),
        simd_enabled: rng.chance(60),
        relaxed_simd_enabled: rng.chance(20),
        memory64_enabled: rng.chance(10),
        threads_enabled: rng.chance(20),
        wide_arithmetic_enabled: rng.chance(20),
        multi_value_enabled: rng.chance(80),
        generate_custom_sections: rng.chance(30),
        // Overlong numbers: what is copied must be copied as it is spelled.
        min_uleb_size: 1 + rng.below(5) as u8,
        max_type_size: 100,
        ..Config::default()
    }
}

fn module(seed: u64) -> Option<Vec<u8>> {
    let mut rng = Rng::new(seed);
    let config = config(&mut rng);
    let bytes = rng.bytes(30000);
    let module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    Some(module.to_bytes())
}

fn options() -> Options {
    Options::default().entries([EntryPattern::parse("env.fork*").expect("the pattern is right")])
}

/// Instruments the module; says in a word what came of it.
fn check(wasm: &[u8]) -> Result<&'static str, String> {
    // Half of them either way; and a third with all apart, and a resume module.
    let apart = wasm.len().is_multiple_of(3);
    let optimize = if apart { Optimize::Speed } else { Optimize::Balanced };
    let options = options().same_instance(wasm.len().is_multiple_of(2));
    let options = options.optimize(optimize).resume_module(apart);
    let output = match wasm_fork::instrument(wasm, &options) {
        Ok(output) => output,
        Err(Error::MissingEntry { .. }) => return Ok("no entry"),
        Err(Error::Refused(_)) => return Ok("refused"),
        Err(error) => return Err(error.to_string()),
    };
    structure::check(wasm, &output)?;
    wasmparser::Validator::new_with_features(super::total::features())
        .validate_all(&output.wasm)
        .map_err(|e| format!("the output is not valid: {e}"))?;
    if walrus::Module::from_buffer(wasm).is_ok() {
        for wasm in std::iter::once(&output.wasm).chain(&output.resume_module) {
            walrus::Module::from_buffer(wasm).map_err(|e| format!("walrus: {e:#}"))?;
        }
    }
    Ok("instrumented")
}

#[test]
fn smith_modules() {
    let kinds = check_all(check);
    let all: usize = kinds.values().sum();
    let instrumented = kinds.get("instrumented").copied().unwrap_or(0);
    assert!(instrumented * 3 > all, "too few are instrumented: {kinds:?}");
}

/// Repairs all calls, twice; says in a word what came of it.
fn check_shim(wasm: &[u8]) -> Result<&'static str, String> {
    let mut calls = 0;
    for mechanism in [Mechanism::Table, Mechanism::RefTest] {
        let options =
            ShimOptions::default().all_sites(true).allow_bit_casts(true).mechanism(mechanism);
        let output = match wasm_fork::shim(wasm, &options) {
            Ok(output) => output,
            Err(Error::UnsupportedModule { .. }) => continue,
            Err(error) => return Err(format!("{mechanism:?}: {error}")),
        };
        calls += output.calls;
        if walrus::Module::from_buffer(wasm).is_ok() {
            walrus::Module::from_buffer(&output.wasm).map_err(|e| format!("walrus: {e:#}"))?;
        }
        let again = wasm_fork::shim(&output.wasm, &options).map_err(|e| e.to_string())?;
        if again.wasm != output.wasm {
            return Err(format!("{mechanism:?}: repairing twice changes more"));
        }
    }
    Ok(if calls > 0 { "repaired" } else { "nothing to repair" })
}

#[test]
fn smith_modules_are_repaired() {
    let kinds = check_all(check_shim);
    let all: usize = kinds.values().sum();
    let repaired = kinds.get("repaired").copied().unwrap_or(0);
    assert!(repaired * 20 > all, "too few are repaired: {kinds:?}");
}

/// Makes the modules and checks each; how many came to what.
fn check_all(
    check: impl Fn(&[u8]) -> Result<&'static str, String> + Sync + std::panic::RefUnwindSafe,
) -> BTreeMap<&'static str, usize> {
    let results: Vec<_> = seeds(MODULES)
        .into_par_iter()
        .filter_map(|seed| {
            let wasm = module(seed)?;
            let result = std::panic::catch_unwind(|| check(&wasm));
            Some((seed, result.unwrap_or_else(|_| Err("it panics".into()))))
        })
        .collect();
    let (mut kinds, mut failures) = (BTreeMap::new(), Vec::new());
    for (seed, result) in &results {
        match result {
            Ok(kind) => *kinds.entry(*kind).or_insert(0) += 1,
            Err(error) => failures.push(format!("seed {seed}: {error}")),
        }
    }
    eprintln!("{kinds:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    kinds
}
