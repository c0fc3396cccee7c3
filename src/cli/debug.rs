//! What becomes of debug information that is in files of its own: they are moved with the code.

use super::failure::Result;
use super::files::{self, Destination, Input, is_dash};
use super::flags::DebugFlags;
use std::path::{Path, PathBuf};
use wasm_fork::shim::ShimOptions;
use wasm_fork::{OffsetMap, Options};

/// The files with debug information, and where what is made of them goes.
#[derive(Default)]
pub(super) struct DebugFiles {
    map: Option<Moving>,
    dwarf: Option<Moving>,
}

/// A file, and where the one of the output goes.
struct Moving {
    bytes: Vec<u8>,
    destination: Destination,
    url: Option<String>,
}

impl Moving {
    fn open(paths: &[PathBuf]) -> Result<Option<Moving>> {
        let [input, output] = paths else { return Ok(None) };
        let destination = Destination::open(output)?;
        let bytes = files::read(input)?.bytes;
        Ok(Some(Moving { bytes, destination, url: url(output) }))
    }
}

impl DebugFiles {
    /// Reads the files that the flags name.
    ///
    /// # Errors
    /// If one can't be read, or the new one can't be written.
    pub(super) fn open(flags: &DebugFlags) -> Result<DebugFiles> {
        let [map, dwarf] = [&flags.source_map, &flags.debug_file].map(|paths| Moving::open(paths));
        Ok(DebugFiles { map: map?, dwarf: dwarf? })
    }

    /// Whether a module is written to the same file as one of these.
    pub(super) fn is(&self, destination: &Destination) -> bool {
        self.all().any(|file| file.destination.is(destination))
    }

    fn all(&self) -> impl Iterator<Item = &Moving> {
        self.map.iter().chain(&self.dwarf)
    }

    /// The options with which they can be moved.
    pub(super) fn options(&self, options: Options) -> Options {
        let options = options.map_offsets(self.map.is_some());
        options
            .source_map_url(url_of(self.map.as_ref()))
            .debug_file_url(url_of(self.dwarf.as_ref()))
    }

    /// The same for repairs.
    pub(super) fn shim_options(&self, options: ShimOptions) -> ShimOptions {
        let options = options.map_offsets(self.map.is_some());
        options
            .source_map_url(url_of(self.map.as_ref()))
            .debug_file_url(url_of(self.dwarf.as_ref()))
    }

    /// The module with its debug information, if that is in a file of its own.
    ///
    /// # Errors
    /// If they don't belong together.
    pub(super) fn joined(&self, input: Input) -> Result<Input> {
        let Some(dwarf) = &self.dwarf else { return Ok(input) };
        Ok(Input { bytes: wasm_fork::join_debug_file(&input.bytes, &dwarf.bytes)?, ..input })
    }

    /// Moves the source map.
    ///
    /// # Errors
    /// If it is no source map, or nothing is known of where the code went.
    pub(super) fn moved(&mut self, offsets: &OffsetMap) -> Result<()> {
        if let Some(map) = &mut self.map {
            map.bytes = wasm_fork::source_map(&map.bytes, offsets)?;
        }
        Ok(())
    }

    /// Takes debug information out of what was written, if it goes to a file of its own.
    ///
    /// # Errors
    /// If that can't be read.
    pub(super) fn separated(&mut self, output: Vec<u8>) -> Result<Vec<u8>> {
        let Some(dwarf) = &mut self.dwarf else { return Ok(output) };
        let apart = wasm_fork::separate_debug_file(&output, dwarf.url.as_deref())?;
        dwarf.bytes = apart.debug;
        Ok(apart.module)
    }

    /// Writes them.
    ///
    /// # Errors
    /// If that fails.
    pub(super) fn write(&self) -> Result<()> {
        self.all().try_for_each(|file| file.destination.write_new(&file.bytes))
    }
}

/// What the output says of where a file is; nothing if that has no name.
fn url_of(file: Option<&Moving>) -> Option<String> {
    file.and_then(|file| file.url.clone())
}

/// A file is looked for beside the module.
fn url(output: &Path) -> Option<String> {
    let name = output.file_name().filter(|_| !is_dash(output))?;
    Some(name.to_string_lossy().into_owned())
}
