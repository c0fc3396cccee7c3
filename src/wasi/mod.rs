//! WASI preview 1, for tests: the same in every run, and nothing of the machine is changed by it. And for the command `run`: as the
//! machine is.
//!
//! In tests time begins at the same moment and goes on by a millisecond with each look at a clock; waiting takes no time; random bytes
//! come from a fixed seed ([`outside`]). Directories are [copies in memory](files). There are no sockets. What programs can do to files is
//! [one list](tree), with two that do it.

mod descriptors;
mod files;
mod guest;
#[cfg(all(feature = "run", unix))]
mod live;
mod outside;
mod paths;
mod process;
#[cfg(all(feature = "run", unix))]
mod real;
mod tree;

use descriptors::Descriptor;
use files::{Files, Node};
use guest::{Errno, Guest};
use outside::{Outside, Recorded, Stream};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use tree::Trees;
use wasmtime::{Caller, Extern, FuncType, Linker, Module, Result, Val, ValType, format_err};

/// The module that functions of preview 1 are imported from.
const MODULE: &str = "wasi_snapshot_preview1";

/// What a WASI command is started with, and what becomes of it.
///
/// ```
/// use wasm_fork::testing::Wasi;
///
/// let wasi = Wasi::default()
///     .args(["wc", "-l"])
///     .env("LANG", "C")
///     .stdin("one\ntwo\n")
///     .file("/etc/motd", "hello\n");
/// assert!(wasi.stdout().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Wasi {
    args: Vec<String>,
    env: Vec<String>,
    outside: Outside,
    trees: Trees,
    /// The directories that are open from the start, by their names.
    preopened: BTreeMap<String, Node>,
    descriptors: BTreeMap<u32, Descriptor>,
}

impl Default for Wasi {
    fn default() -> Wasi {
        let (outside, trees) =
            (Outside::Recorded(Recorded::default()), Trees::Memory(Files::default()));
        Wasi::new(outside, trees)
    }
}

impl Wasi {
    fn new(outside: Outside, trees: Trees) -> Wasi {
        let standard = [Stream::Input, Stream::Output, Stream::Error].map(Descriptor::Stream);
        Wasi {
            args: Vec::new(),
            env: Vec::new(),
            outside,
            trees,
            preopened: BTreeMap::new(),
            descriptors: (0..).zip(standard).collect(),
        }
    }

    /// One that has the machine's own streams, time and files.
    #[cfg(all(feature = "run", unix))]
    pub(crate) fn live() -> Wasi {
        let (outside, trees) =
            (Outside::Live(live::Live::new()), Trees::Real(real::Real::default()));
        Wasi::new(outside, trees)
    }

    /// Opens the folder `host` of the machine as the directory `guest`, as it is: what the program does there is done. Only for one that is
    /// live.
    #[cfg(all(feature = "run", unix))]
    pub(crate) fn open_real(
        &mut self,
        guest: &str,
        host: &Path,
        is_writable: bool,
    ) -> io::Result<()> {
        if let Trees::Real(real) = &mut self.trees {
            let node = real.directory(host, is_writable)?;
            self.preopen(guest, node);
        }
        Ok(())
    }

    /// Sets the arguments, the program's name first.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Wasi {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a variable to the environment, which is empty otherwise.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Wasi {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// Sets what the standard input has.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Wasi {
        if let Some(recorded) = self.outside.recorded_mut() {
            recorded.stdin = bytes.into();
        }
        self
    }

    /// Opens the folder `host` of the machine as the directory `guest`: a copy of what it has now, so that what the program
    /// does there stays in its run. Files are read when a program opens them.
    ///
    /// # Errors
    /// If the folder can't be listed.
    pub fn dir(mut self, guest: &str, host: impl AsRef<Path>) -> io::Result<Wasi> {
        if let Some(files) = self.trees.memory() {
            let node = files.folder(host.as_ref())?;
            self.preopen(guest, node);
        }
        Ok(self)
    }

    /// Adds a file, and opens its directory if that is not open.
    ///
    /// # Panics
    /// If the path has no directory and name in it, or a file is in its way.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Wasi {
        let (directory, name) = path.rsplit_once('/').expect("a path with a directory");
        let directory = if directory.is_empty() { "/" } else { directory };
        let Some(files) = self.trees.memory() else { return self };
        let known = self.preopened.get(directory).copied();
        let node = known.unwrap_or_else(|| files.directory());
        files.put(node, name, bytes.into()).expect("a name that is free");
        if known.is_none() {
            self.preopen(directory, node);
        }
        self
    }

    fn preopen(&mut self, name: &str, node: Node) {
        self.preopened.insert(name.to_owned(), node);
        self.open(Descriptor::Directory { node, preopened: Some(name.to_owned()) });
    }

    /// What was written to the standard output.
    pub fn stdout(&self) -> &[u8] {
        self.outside.recorded().map_or(&[], |recorded| &recorded.stdout)
    }

    /// What was written to the standard error.
    pub fn stderr(&self) -> &[u8] {
        self.outside.recorded().map_or(&[], |recorded| &recorded.stderr)
    }

    /// All that the program left behind, by name: both outputs, and the files and directories that it changed.
    pub fn seen(&self) -> Vec<(String, Vec<u8>)> {
        let mut seen = vec![
            ("the standard output".to_owned(), self.stdout().to_vec()),
            ("the standard error".to_owned(), self.stderr().to_vec()),
        ];
        let Some(files) = self.trees.in_memory() else { return seen };
        for (name, node) in &self.preopened {
            seen.extend(files.changed(*node, name.trim_end_matches('/')));
        }
        seen
    }

    /// Adds the functions of WASI to a linker, for a host of which `wasi` is a part.
    ///
    /// # Errors
    /// If the linker has one of them.
    pub fn add_to_linker<T: 'static>(
        linker: &mut Linker<T>,
        wasi: impl Fn(&mut T) -> &mut Wasi + Copy + Send + Sync + 'static,
    ) -> Result<()> {
        let calls = [process::CALLS, descriptors::CALLS, paths::CALLS];
        for &(name, params, call) in calls.into_iter().flatten() {
            let ty = |c| if c == 'l' { ValType::I64 } else { ValType::I32 };
            let ty = FuncType::new(linker.engine(), params.chars().map(ty), [ValType::I32]);
            linker.func_new(MODULE, name, ty, move |mut caller, args, results| {
                let args: Vec<u64> = args.iter().map(bits).collect();
                let errno = with_guest(&mut caller, wasi, |wasi, guest| call(wasi, guest, &args))?;
                results[0] = Val::I32(errno.err().map_or(0, |errno| errno.0.into()));
                Ok(())
            })?;
        }
        let exit = FuncType::new(linker.engine(), [ValType::I32], []);
        linker.func_new(MODULE, "proc_exit", exit, |_, args, _| {
            Err(Exit(args[0].unwrap_i32()).into())
        })?;
        Ok(())
    }

    /// Adds the functions for sockets that the module imports. There are more of them than preview 1 knows, and none does
    /// anything here.
    ///
    /// # Errors
    /// If the linker has one of them.
    pub(crate) fn refuse_sockets<T: 'static>(
        linker: &mut Linker<T>,
        module: &Module,
    ) -> Result<()> {
        for import in module.imports() {
            let is_socket = import.module() == MODULE && import.name().starts_with("sock_");
            let Some(ty) = import.ty().func().filter(|_| is_socket).cloned() else { continue };
            linker.func_new(MODULE, import.name(), ty, |_, _, results| {
                if let [result] = results {
                    *result = Val::I32(Errno::NOTSUP.0.into());
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A function of WASI.
type Call = fn(&mut Wasi, &mut Guest<'_>, &[u64]) -> guest::Result;

/// Its name, its parameters (`i` for an i32, `l` for an i64), and what it does. All return an error number.
type Named = (&'static str, &'static str, Call);

/// That the program has ended by itself, with this status.
#[derive(Debug)]
pub(crate) struct Exit(pub(crate) i32);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

fn bits(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        _ => unreachable!("WASI's parameters are integers"),
    }
}

fn with_guest<T: 'static, R>(
    caller: &mut Caller<'_, T>,
    wasi: impl Fn(&mut T) -> &mut Wasi,
    call: impl FnOnce(&mut Wasi, &mut Guest<'_>) -> R,
) -> Result<R> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.ok_or_else(|| format_err!("WASI needs the export `memory`"))?;
    let (bytes, host) = memory.data_and_store_mut(caller);
    Ok(call(wasi(host), &mut Guest(bytes)))
}
