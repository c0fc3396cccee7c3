//! One binary for all suites that look at modules from outside, through the public API: linking
//! the engine once is cheaper than once a file. `tests/README.md` says what each suite proves.

mod bodies;
mod carried;
mod debug;
mod determinism;
mod embedded;
mod encoder;
#[path = "../../src/testing/engine.rs"]
mod engine;
mod exec;
mod fixtures;
mod forms;
mod frames;
mod guards;
mod hosts;
mod limits;
mod mutants;
mod offsets;
mod operands;
mod random;
mod shims;
mod short;
mod stats;
mod storm;
mod stress;
mod structure;

// For `engine`.
use wasm_fork::host;
