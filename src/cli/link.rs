//! `link`: a step of a build that runs a linker, and instruments what it wrote.
//!
//! ```text
//! the linker ──► OUT ──(moved aside)──► instrument ──► OUT
//! ```
//!
//! OUT is there instrumented or not at all: what the linker wrote is moved aside first, and removed when it is refused or a signal comes.
//! What is no linked module stays as it is: no output, an object file, a program for this machine.

use super::console::Console;
use super::failure::Result;
use super::flags::{Global, Rewriting};
use super::{Source, files, given, replace, resolve};
use clap::Args;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::SystemTime;

#[derive(Args, Debug)]
pub(super) struct Link {
    /// Where to write the rewritten module, `-` is stdout; without, in place of what the linker wrote
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) rewriting: Rewriting,

    /// The linker, or a compiler that runs one, and its arguments: among them `-o` and what it writes
    #[arg(last = true, required = true, value_name = "LINKER ARG")]
    pub(super) command: Vec<OsString>,
}

/// How compilers and linkers are told to write an object file.
const NOT_LINKED: [&str; 3] = ["-c", "-r", "--relocatable"];

/// Where a linker writes to that isn't told.
const DEFAULTS: [&str; 2] = ["a.out", "a.out.wasm"];

pub(super) fn link(args: &Link, global: &Global) -> Result<ExitCode> {
    let mut console = Console::without_progress(global);
    let options = resolve::rewriting(&args.rewriting, "link", &mut console)?;
    let task = Task::of(&args.command);
    let before = task.states();
    let (linker, its_args) = args.command.split_first().expect("clap asks for it");
    let status = Command::new(linker).args(its_args).status();
    let status = status.map_err(files::failed("run", &linker.display()))?;
    if !status.success() {
        return Ok(ExitCode::from(code(status)));
    }
    let Some(written) = task.written(&before) else { return Ok(ExitCode::SUCCESS) };
    task.note_inputs(&written);
    console.watch(global);
    if let Some(output) = &args.output {
        super::rewrite(Source::Between(&written), output, &args.rewriting, &options, &mut console)?;
        return Ok(ExitCode::SUCCESS);
    }
    let place = written.canonicalize().map_err(files::failed("read", &written.display()))?;
    let aside = replace::aside(&place).map_err(files::failed("write", &written.display()))?;
    let source = Source::Between(aside.path());
    let done = super::rewrite(source, &written, &args.rewriting, &options, &mut console);
    if done.is_err() {
        console.note(&format!("note: {} was removed: it is not instrumented", written.display()));
    }
    done.map(|_| ExitCode::SUCCESS)
}

/// The status that a shell would have.
pub(super) fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128_u8.saturating_add(u8::try_from(signal).unwrap_or(127));
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// What a linker is told to do, as far as that can be told from its arguments.
#[derive(Debug, Default, PartialEq)]
struct Task {
    /// Where the module can be; the first that was written counts.
    outputs: Vec<PathBuf>,
    /// What may be a file that it reads.
    others: Vec<PathBuf>,
}

/// When a file was written last, its size in bytes, and which it is.
#[derive(Debug, PartialEq)]
struct State(Option<SystemTime>, u64, u64);

impl State {
    fn of(path: &Path) -> Option<State> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(State(metadata.modified().ok(), metadata.len(), inode))
    }
}

impl Task {
    fn of(command: &[OsString]) -> Task {
        let mut words = Vec::new();
        expand(&command[1..], &mut words, &mut 0);
        let mut task = Task::default();
        if words.iter().any(|word| NOT_LINKED.iter().any(|flag| word == flag)) {
            return task;
        }
        let mut output = None;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            match text.strip_prefix("-o").filter(|rest| !rest.starts_with("fmt=")) {
                Some("") => output = words.next().map(PathBuf::from),
                Some(path) => output = Some(path.into()),
                None if text == "--output" => output = words.next().map(PathBuf::from),
                None => match text.strip_prefix("--output=").or(text.strip_prefix("-femit-bin=")) {
                    Some(path) => output = Some(path.into()),
                    None if !text.starts_with('-') => task.others.push(word.into()),
                    None => {}
                },
            }
        }
        task.outputs = match output {
            // Emscripten is given the name of the JavaScript that goes with the module.
            Some(path) if is_wrapper(&path) => vec![path.with_extension("wasm")],
            Some(path) => vec![path],
            None => DEFAULTS.map(PathBuf::from).into(),
        };
        task
    }

    fn states(&self) -> Vec<Option<State>> {
        self.outputs.iter().map(|path| State::of(path)).collect()
    }

    /// The module, if one was written since.
    fn written(&self, before: &[Option<State>]) -> Option<PathBuf> {
        let mut outputs = self.outputs.iter().zip(before);
        let is_new = |(path, old): &(&PathBuf, &Option<State>)| {
            State::of(path).is_some_and(|new| old.as_ref() != Some(&new)) && is_module(path)
        };
        outputs.find(is_new).map(|(path, _)| path.clone())
    }

    /// Remembers what the linker read.
    fn note_inputs(&self, written: &Path) {
        let inputs = self.others.iter().filter(|path| *path != written && path.is_file());
        inputs.for_each(|path| files::note(path));
    }
}

fn is_wrapper(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["js", "mjs", "html"].iter().any(|name| end == *name))
}

fn is_module(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\0asm"
}

/// Adds arguments with the words of response files. One that can't be read is the linker's to complain of.
fn expand(given: &[OsString], words: &mut Vec<OsString>, files: &mut usize) {
    const MAX_FILES: usize = 100;
    for word in given {
        let path = word.to_str().and_then(|text| text.strip_prefix('@')).map(Path::new);
        let response = path.filter(|_| *files < MAX_FILES).and_then(|path| {
            *files += 1;
            given::response(path).ok()
        });
        match response {
            Some(inner) => {
                let inner: Vec<_> = inner.into_iter().map(OsString::from).collect();
                expand(&inner, words, files);
            }
            None => words.push(word.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(command: &str) -> Task {
        Task::of(&command.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_output_is_where_linkers_and_compilers_are_told_to_write() {
        for command in [
            "wasm-ld a.o -o x.wasm",
            "wasm-ld -ox.wasm a.o",
            "wasm-ld --output=x.wasm a.o",
            "wasm-ld --output x.wasm a.o",
            "wasm-ld -o y.wasm a.o -o x.wasm",
            "emcc a.o -o x.js",
            "emcc a.o -o x.html",
            "zig build-exe -ofmt=wasm -femit-bin=x.wasm a.o",
        ] {
            let task = task(command);
            assert_eq!(task.outputs, [Path::new("x.wasm")], "{command}");
            assert_eq!(
                task.others.last().map(PathBuf::as_path),
                Some(Path::new("a.o")),
                "{command}"
            );
        }
        assert_eq!(task("wasm-ld a.o").outputs, DEFAULTS.map(PathBuf::from));
        for command in ["clang -c a.c -o a.o", "wasm-ld -r a.o -o b.o"] {
            assert_eq!(task(command), Task::default(), "{command}");
        }
    }
}
