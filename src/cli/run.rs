//! Runs a program: a WASI command as it is, or one that forks by the kernel's imports, with processes of its own.

use super::failure::{Failure, Result};
use super::files;
use clap::Args;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tempfile::TempDir;
use wasm_fork::host::Command;
use wasm_fork::host::kernel::{Access, Kernel};

#[derive(Args, Debug)]
pub(super) struct Run {
    /// Let programs read and change a directory; may be given several times
    ///
    /// GUEST is the path that they know it by; the host's own without. The current directory can be read in any case.
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    dirs: Vec<String>,

    /// Let programs read a directory; may be given several times
    #[arg(long = "read-dir", value_name = "HOST[::GUEST]")]
    read_dirs: Vec<String>,

    /// Give a program a name in /bin; may be given several times
    #[arg(long = "bin", value_name = "NAME=FILE", value_parser = named)]
    bins: Vec<(String, PathBuf)>,

    /// Put a program of many tools into /bin under all of their names, as `busybox --list` tells them
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,

    /// Set a variable of the program's environment; may be given several times
    ///
    /// Without, it has PATH, HOME, PWD and TERM.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// In which directory the program starts; in the current one without
    #[arg(long, value_name = "GUEST")]
    start_in: Option<String>,

    /// The program, binary (.wasm) or text (.wat), and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM", num_args = 1..)]
    words: Vec<String>,
}

fn pair(text: &str) -> std::result::Result<(&str, &str), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| "write NAME=…".to_owned())
}

fn variable(text: &str) -> std::result::Result<(String, String), String> {
    pair(text).map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn named(text: &str) -> std::result::Result<(String, PathBuf), String> {
    let (name, file) = pair(text)?;
    if name.contains('/') {
        return Err("NAME is a name in /bin, without a path".to_owned());
    }
    Ok((name.to_owned(), file.into()))
}

fn failed(error: impl fmt::Display) -> Failure {
    Failure::Run(error.to_string())
}

/// What a program sees of the machine, by the paths that it knows.
struct Sight {
    /// Directories by the text of the flag, and by the absolute path that it means.
    directories: Vec<Seen>,
    variables: Vec<(String, String)>,
    start_in: String,
}

struct Seen {
    host: String,
    guest: String,
    path: String,
    access: Access,
}

impl Sight {
    fn of(args: &Run) -> Result<Sight> {
        let current =
            env::current_dir().map_err(files::failed("read", &"the current directory"))?;
        let current = current.to_str();
        let current = current.ok_or_else(|| failed("the current directory is not UTF-8"))?;
        let start_in = args.start_in.as_deref().unwrap_or(current).to_owned();
        let here = ".".to_owned();
        let all = [(&here, Access::ReadOnly)].into_iter();
        let all = all.chain(args.read_dirs.iter().map(|dir| (dir, Access::ReadOnly)));
        let all = all.chain(args.dirs.iter().map(|dir| (dir, Access::ReadWrite)));
        let directories = all.map(|(dir, access)| {
            let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
            let path = Path::new(current).join(guest);
            // `join` keeps a dot at the end.
            let path: PathBuf = path.components().collect();
            let path = path.to_string_lossy().into_owned();
            Seen { host: host.to_owned(), guest: guest.to_owned(), path, access }
        });
        let mut variables = vec![("PWD".to_owned(), start_in.clone())];
        variables.extend(env::var("TERM").ok().map(|terminal| ("TERM".to_owned(), terminal)));
        variables.extend(args.env.iter().cloned());
        Ok(Sight { directories: directories.collect(), variables, start_in })
    }
}

/// Returns the program's exit status.
pub(super) fn run(args: &Run, verbose: u8) -> Result<ExitCode> {
    let (program, rest) = args.words.split_first().expect("clap asks for one");
    let program = Path::new(program);
    let name = program.file_stem().and_then(OsStr::to_str).unwrap_or("program");
    let wasm = files::read(program)?.bytes;
    let sight = Sight::of(args)?;
    let argv = [name.to_owned()].into_iter().chain(rest.iter().cloned());
    let status = if Command::is_one(&wasm) {
        if args.tools.is_some() || !args.bins.is_empty() {
            return Err(failed(
                "a WASI command starts no others, so --bin and --tools mean nothing to it",
            ));
        }
        command(&wasm, &sight, argv)
    } else {
        processes(args, verbose, name, &wasm, &sight, argv)
    }?;
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)))
}

/// A WASI command.
fn command(wasm: &[u8], sight: &Sight, argv: impl Iterator<Item = String>) -> Result<i32> {
    let mut command = Command::new(wasm)?;
    command.args(argv);
    for (name, value) in &sight.variables {
        command.variable(name, value);
    }
    for Seen { host, guest, path, access } in &sight.directories {
        for name in [guest, path] {
            let opened = command.directory(host, name, *access);
            opened.map_err(files::failed("read", &host))?;
        }
    }
    command.run().map_err(|error| failed(format!("{error:?}")))
}

/// A program of the kernel's.
fn processes(
    args: &Run,
    verbose: u8,
    name: &str,
    wasm: &[u8],
    sight: &Sight,
    argv: impl Iterator<Item = String>,
) -> Result<i32> {
    let mut kernel = Kernel::new().map_err(|error| failed(format!("{error:#}")))?;
    kernel.verbose(verbose > 0);
    for (name, path) in &args.bins {
        kernel.program(name, &files::read(path)?.bytes)?;
    }
    kernel.program(name, wasm)?;
    // dash, bash, dash-signals: scripts and programs look for it under that name.
    let is_shell = name.split('-').next().is_some_and(|name| name.ends_with("sh"));
    if is_shell && !kernel.has_program("sh") {
        kernel.program("sh", wasm)?;
    }
    if let Some(path) = &args.tools {
        let tools = kernel.tools(&files::read(path)?.bytes);
        tools.map_err(|error| failed(format!("{}: {error:#}", path.display())))?;
    }
    for Seen { host, path, access, .. } in &sight.directories {
        kernel.directory(host, path, *access).map_err(files::failed("read", &host))?;
    }
    for (name, value) in &sight.variables {
        kernel.variable(name, value);
    }
    kernel.start_in(&sight.start_in);
    let temporary = temporary(&mut kernel)?;
    let status = kernel.run(&format!("/bin/{name}"), argv);
    drop(temporary);
    status.map_err(|error| failed(format!("{error:#}")))
}

/// A `/tmp` for this run alone, unless the user has given one.
fn temporary(kernel: &mut Kernel) -> Result<Option<TempDir>> {
    if kernel.has_directory("/tmp") {
        return Ok(None);
    }
    let made = tempfile::tempdir().map_err(files::failed("write", &"a temporary directory"))?;
    let opened = kernel.directory(made.path(), "/tmp", Access::ReadWrite);
    opened.map_err(files::failed("read", &made.path().display()))?;
    Ok(Some(made))
}
