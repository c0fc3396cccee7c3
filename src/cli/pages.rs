//! What shells and readers of manuals take from the flags: completions, manual pages.

use super::console::Console;
use super::failure::{Failure, Result};
use super::flags::{Completions, Flags, Man};
use super::usage;
use clap::CommandFactory;

const NAME: &str = "wasm-fork";

/// `completions SHELL`.
pub(super) fn completions(args: &Completions, mut console: Console) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Flags::command(), NAME, &mut script);
    console.print(&String::from_utf8_lossy(&script))
}

/// `man [COMMAND]`.
pub(super) fn man(args: &Man, mut console: Console) -> Result<()> {
    let names: Vec<_> = args.command.iter().map(String::as_str).collect();
    let mut flags = Flags::command();
    flags.build();
    let Some(command) = usage::named(&mut flags, &names) else {
        usage::error(&["man"], &format!("no command is called `{}`", names.join(" ")));
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered.map_err(|source| Failure::Io { action: "write", path: "the page".into(), source })?;
    console.print(&String::from_utf8_lossy(&page))
}
