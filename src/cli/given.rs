//! What the process was started with: under which name, and with which arguments once response files are read.
//!
//! Named as a linker, `wasm-ld` or `wasm-fork-ld`, it is the command `link` with the flags in `WASM_FORK_FLAGS`, around the real linker:
//! what `WASM_FORK_LD` names, else a `wasm-ld.real` beside it, else the first of the usual names on `PATH` that isn't this program.

use super::failure::{Failure, Result};
use super::{files, words};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Flags that go before those of a linker.
const FLAGS: &str = "WASM_FORK_FLAGS";
/// The linker, and whatever arguments come first.
const LINKER: &str = "WASM_FORK_LD";
/// The name of this program that is nobody else's.
const OWN_NAME: &str = "wasm-fork-ld";
const WASM_LD: &str = "wasm-ld";
const WASM_OPT: &str = "wasm-opt";
/// Of rustc, which has its folder on the linker's `PATH`, and tells it first what to be.
const RUST_LLD: &str = "rust-lld";
/// Flags whose values may begin with an `@` of their own.
const WITH_LISTS: [&str; 3] = ["--only", "--site", "--shim-site"];
/// So many response files may name one another.
const MAX_DEPTH: usize = 16;

/// The command line to parse.
///
/// # Errors
/// If a response file can't be read, or there is no linker.
pub(super) fn arguments() -> Result<Vec<OsString>> {
    let mut given = env::args_os();
    let program = given.next().unwrap_or_default();
    match linker_name(&program) {
        Some(name) => as_linker(Path::new(&program), &name, given),
        None if is_wasm_opt(&program) => {
            let all = ["wasm-fork", WASM_OPT, "--"].map(OsString::from);
            Ok(all.into_iter().chain(given).collect())
        }
        None => {
            let mut all = vec![program];
            let given: Vec<_> = given.collect();
            if is_run(&given) {
                all.extend(given);
                return Ok(all);
            }
            let mut given = given.into_iter().peekable();
            if given.peek().is_some_and(|command| command == WASM_OPT) {
                all.extend(given.next());
                // Its arguments are none of clap's.
                all.extend(given.peek().is_none_or(|next| next != "--").then(|| "--".into()));
                all.extend(given);
                return Ok(all);
            }
            expand(given, &mut all, 0)?;
            Ok(all)
        }
    }
}

/// Whether it is `run`, whose arguments are a program's: an `@` in them is none of ours.
fn is_run(given: &[OsString]) -> bool {
    let is_flag = |word: &&OsString| word.as_encoded_bytes().starts_with(b"-");
    given.iter().find(|word| !is_flag(word)).is_some_and(|command| command == "run")
}

/// Whether it is named as Binaryen's tool.
fn is_wasm_opt(program: &OsStr) -> bool {
    Path::new(program).file_stem().is_some_and(|name| name == WASM_OPT)
}

/// The name, if it is that of a linker: `wasm-fork-ld`, `wasm-ld`, or the latter with a version.
fn linker_name(program: &OsStr) -> Option<String> {
    let name = Path::new(program).file_name()?.to_str()?;
    let name = name.strip_suffix(env::consts::EXE_SUFFIX).unwrap_or(name);
    let version = name.strip_prefix(WASM_LD).and_then(|rest| rest.strip_prefix('-'));
    let is_version = version.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    (name == WASM_LD || name == OWN_NAME || is_version).then(|| name.to_owned())
}

fn as_linker(
    program: &Path,
    name: &str,
    given: impl Iterator<Item = OsString>,
) -> Result<Vec<OsString>> {
    let flags = env::var(FLAGS).unwrap_or_default();
    let flags = words::split(&flags).into_iter().map(OsString::from);
    let mut all = vec!["wasm-fork".into(), "link".into()];
    expand(flags, &mut all, 0)?;
    all.push("--".into());
    all.extend(real_linker(program, name)?);
    all.extend(given);
    Ok(all)
}

/// The linker that this program stands for.
fn real_linker(program: &Path, name: &str) -> Result<Vec<OsString>> {
    let names = if name == OWN_NAME { [WASM_LD, RUST_LLD] } else { [name, WASM_LD] };
    // Without a folder in the name, the program was found on PATH.
    let beside = program.parent().filter(|folder| *folder != Path::new(""));
    let beside = beside.map(|folder| folder.join(format!("{name}.real")));
    let missing = || Failure::NoLinker { name: name.into(), variable: LINKER };
    other_program(LINKER, beside, &names).ok_or_else(missing)
}

/// What a variable names, with arguments; else the file `beside`, or the first on `PATH` with one of these names, that isn't this
/// program.
pub(super) fn other_program(
    variable: &str,
    beside: Option<PathBuf>,
    names: &[&str],
) -> Option<Vec<OsString>> {
    let words = words::split(&env::var(variable).unwrap_or_default());
    if !words.is_empty() {
        return Some(words.into_iter().map(OsString::from).collect());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let files = names.iter().flat_map(|name| {
        let file = format!("{name}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&path).map(move |folder| folder.join(&file))
    });
    beside
        .into_iter()
        .chain(files)
        .find(|file| is_other(file))
        .map(|file| vec![file.into_os_string()])
}

/// Whether a file is there, and isn't this program.
fn is_other(path: &Path) -> bool {
    let this = env::current_exe().and_then(|path| path.canonicalize()).ok();
    path.is_file() && path.canonicalize().ok() != this
}

/// Adds arguments, with each `@FILE` replaced by the words in that file.
fn expand(
    given: impl Iterator<Item = OsString>,
    all: &mut Vec<OsString>,
    depth: usize,
) -> Result<()> {
    let mut is_of_linker = false;
    for argument in given {
        let takes_list = all.last().is_some_and(|last| WITH_LISTS.iter().any(|flag| last == flag));
        is_of_linker |= argument == "--";
        match argument.to_str().and_then(|text| text.strip_prefix('@')) {
            Some(path) if !is_of_linker && !takes_list && depth < MAX_DEPTH => {
                let words = response(Path::new(path))?;
                expand(words.into_iter().map(OsString::from), all, depth + 1)?;
            }
            _ => all.push(argument),
        }
    }
    Ok(())
}

/// The words of a response file.
///
/// # Errors
/// If it can't be read, or is no text.
pub(super) fn response(path: &Path) -> Result<Vec<String>> {
    Ok(words::split(&files::read_text(path)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_linker_by_its_name_alone() {
        for name in ["wasm-ld", "/usr/bin/wasm-ld", "wasm-ld-19", "./wasm-fork-ld"] {
            assert!(linker_name(OsStr::new(name)).is_some(), "{name}");
        }
        for name in ["wasm-fork", "/usr/bin/wasm-fork", "wasm-ld-x", "wasm-ldx", "ld", ""] {
            assert_eq!(linker_name(OsStr::new(name)), None, "{name}");
        }
    }
}
