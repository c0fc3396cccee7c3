//! The `wasm-fork` command: a thin client of the library.
fn main() {}
