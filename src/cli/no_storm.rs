//! What stands for `storm` in a build without an engine.

use super::console::Console;
use super::failure::{Failure, Result};
use clap::Args;
use std::ffi::OsString;

#[derive(Args, Debug)]
pub(super) struct Storm {
    /// Whatever is given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    given: Vec<OsString>,
}

pub(super) fn storm(_: &Storm, _: Console) -> Result<()> {
    Err(Failure::Storm(
        "this wasm-fork has no engine to run programs with; install it with the feature `testing`: \
         cargo install --path . --features testing"
            .into(),
    ))
}
