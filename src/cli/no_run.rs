//! What stands for `run` in a build without an engine.

use super::failure::{Failure, Result};
use clap::Args;
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Args, Debug)]
pub(super) struct Run {
    /// Whatever is given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    given: Vec<OsString>,
}

pub(super) fn run(_: &Run, _: u8) -> Result<ExitCode> {
    let help = if cfg!(unix) {
        "install it with the feature `run`: cargo install --path . --features run"
    } else {
        "its kernel is for Unix"
    };
    Err(Failure::Run(format!("this wasm-fork has no engine to run programs with; {help}")))
}
