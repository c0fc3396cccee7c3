//! WASI commands, on the machine's own streams and files.

use super::kernel::Access;
use super::program::refused;
use crate::read::text_to_binary;
use crate::wasi::{Exit, Wasi};
use std::io;
use std::path::Path;
use wasmparser::{Parser, Payload};
use wasmtime::{Engine, Linker, Module, Result, Store, format_err};

/// The module that functions of preview 1 are imported from.
const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// A WASI preview 1 command, with what it is to have. It has the host's streams, and runs in the calling thread.
///
/// ```no_run
/// use wasm_fork::host::Command;
/// use wasm_fork::host::kernel::Access;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut command = Command::new(&std::fs::read("wc.wasm")?)?;
/// command.args(["wc", "-l", "notes.txt"]);
/// command.directory(".", ".", Access::ReadOnly)?;
/// assert_eq!(command.run()?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    wasm: Vec<u8>,
    wasi: Wasi,
}

impl Command {
    /// A command (binary or text) without arguments, environment and directories.
    ///
    /// # Errors
    /// If it is no module.
    pub fn new(wasm: &[u8]) -> crate::Result<Command> {
        Ok(Command { wasm: text_to_binary(wasm)?.into_owned(), wasi: Wasi::live() })
    }

    /// Whether a module (binary or text) imports functions of WASI preview 1.
    pub fn is_one(wasm: &[u8]) -> bool {
        let Ok(wasm) = text_to_binary(wasm) else { return false };
        let mut imports = Parser::new(0).parse_all(&wasm).filter_map(|payload| match payload {
            Ok(Payload::ImportSection(section)) => Some(section.into_imports()),
            _ => None,
        });
        imports.any(|mut imports| {
            imports.any(|import| import.is_ok_and(|import| import.module == PREVIEW_1))
        })
    }

    /// Sets the arguments, the program's name first.
    pub fn args<A: Into<String>>(&mut self, args: impl IntoIterator<Item = A>) {
        self.wasi = std::mem::take(&mut self.wasi).args(args);
    }

    /// Adds a variable to the environment, which is empty otherwise.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.wasi = std::mem::take(&mut self.wasi).env(name, value);
    }

    /// Opens a directory of the host under the name `guest`.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn directory(
        &mut self,
        host: impl AsRef<Path>,
        guest: &str,
        access: Access,
    ) -> io::Result<()> {
        self.wasi.open_real(guest, host.as_ref(), access == Access::ReadWrite)
    }

    /// Runs it to its end; returns its exit status.
    ///
    /// # Errors
    /// If the engine doesn't take it, it imports what WASI doesn't have, or it traps.
    pub fn run(self) -> Result<i32> {
        let engine = Engine::new(&super::config())?;
        let module = Module::from_binary(&engine, &self.wasm);
        let module = module
            .map_err(|error| format_err!("{}", refused("the program", &self.wasm, &error)))?;
        let mut linker = Linker::<Wasi>::new(&engine);
        Wasi::add_to_linker(&mut linker, |wasi| wasi)?;
        Wasi::refuse_sockets(&mut linker, &module)?;
        let mut store = Store::new(&engine, self.wasi);
        let instance = linker.instantiate(&mut store, &module)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        match start.call(&mut store, ()) {
            Ok(()) => Ok(0),
            Err(error) => match error.downcast_ref::<Exit>() {
                Some(Exit(status)) => Ok(*status),
                None => Err(error),
            },
        }
    }
}
