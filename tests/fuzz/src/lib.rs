//! What the targets check: the modules of the suite that have it, whose smoke runs are ordinary tests.

#[path = "../../../src/testing/engine.rs"]
mod engine;

#[path = "../../suite/random"]
#[allow(dead_code, reason = "the suite uses more of it")]
mod random {
    mod generate;
    pub mod kit;
    mod program;
    mod rng;
    pub mod total;
}

pub use random::{kit, total};
// For `engine`.
use wasm_fork::host;
