//! Runs a program, unwound and rewound at every call of an entry, and compares it with the original.

use super::console::Console;
use super::failure::{Failure, Result};
use super::flags::{Forms, MemoryFlags, ModuleFlags};
use super::{files, resolve};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use wasm_fork::testing::{self, Rewound, Wasi};

#[derive(Args, Debug)]
pub(super) struct Storm {
    /// The module, binary (.wasm) or text (.wat); `-` is stdin
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,

    #[command(flatten)]
    pub(super) module: ModuleFlags,

    #[command(flatten)]
    memory: MemoryFlags,

    #[command(flatten)]
    pub(super) forms: Forms,

    /// Put the resume functions into a module of their own
    #[arg(long)]
    resumes_apart: bool,

    /// Run this module instead of what `instrument` makes of IN with these options
    #[arg(long, value_name = "FILE")]
    instrumented: Option<PathBuf>,

    /// The resume module that goes with it
    #[arg(long, value_name = "FILE", requires = "instrumented")]
    instrumented_resumes: Option<PathBuf>,

    /// Open a folder for the program: a copy in memory, which each run begins with; may be given several times
    ///
    /// GUEST is the name that the program knows it by; HOST without.
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    dirs: Vec<String>,

    /// Set a variable of the program's environment, which is empty otherwise; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// What the program finds on its standard input, which is empty otherwise; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(super) stdin: Option<PathBuf>,

    /// Rewind only there; in both without
    #[arg(long, value_enum)]
    instance: Option<Instance>,

    /// Unwind at no more than N single calls, evenly spread over all that the program makes
    #[arg(long, value_name = "N")]
    at_most: Option<usize>,

    /// How much room frames get
    #[arg(long, value_name = "N")]
    buffer_bytes: Option<usize>,

    /// Go on where an unwind is undone, because a reference or an exception can't be saved or there is no room
    #[arg(long)]
    may_be_undone: bool,

    /// Write a profile of the stacks at all calls of an entry, for --profile; `-` is stdout
    #[arg(long, value_name = "FILE")]
    record_profile: Option<PathBuf>,

    /// The program's arguments; its name comes before them
    #[arg(last = true, value_name = "ARG")]
    args: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Instance {
    /// The one that was unwound
    Same,
    /// A fresh one over a copy of the memory
    Fresh,
}

fn variable(text: &str) -> std::result::Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn storm(args: &Storm, mut console: Console) -> Result<()> {
    let options = resolve::options(&args.module, "storm", &mut console)?;
    let options = resolve::with_memory(&args.memory, options);
    let options = resolve::with_forms(&args.forms, options)?.resume_module(args.resumes_apart);
    let input = files::read(&args.input)?;
    let mut storm = testing::Storm::command(&input.bytes, &options, wasi(args)?)
        .at_most(args.at_most.unwrap_or(usize::MAX))
        .may_be_undone(args.may_be_undone)
        .record_profile(args.record_profile.is_some());
    if let Some(bytes) = args.buffer_bytes {
        storm = storm.buffer_bytes(bytes);
    }
    if let Some(instance) = args.instance {
        storm = storm.instances([match instance {
            Instance::Same => Rewound::Same,
            Instance::Fresh => Rewound::Fresh,
        }]);
    }
    if let Some(path) = &args.instrumented {
        let read = |path: &PathBuf| Ok::<_, Failure>(files::read(path)?.bytes);
        let resumes = args.instrumented_resumes.as_ref().map(read).transpose()?;
        storm = storm.instrumented(read(path)?, resumes);
    }
    match storm.run() {
        Ok(compared) => {
            console.print(&compared)?;
            match args.record_profile.as_ref().zip(compared.profile) {
                Some((path, profile)) => {
                    super::profiles::write(&profile, path, "recorded", console)
                }
                None => Ok(()),
            }
        }
        Err(testing::Failure::Refused(error)) => Err(error.into()),
        Err(failure) => Err(Failure::Storm(failure.to_string())),
    }
}

fn wasi(args: &Storm) -> Result<Wasi> {
    let name = args.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut wasi = Wasi::default().args([name].into_iter().chain(args.args.iter().cloned()));
    for (name, value) in &args.env {
        wasi = wasi.env(name, value);
    }
    if let Some(path) = &args.stdin {
        wasi = wasi.stdin(files::read(path)?.bytes);
    }
    for dir in &args.dirs {
        let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
        let opened = wasi.dir(guest, Path::new(host));
        wasi =
            opened.map_err(|source| Failure::Io { action: "read", path: host.into(), source })?;
    }
    Ok(wasi)
}
