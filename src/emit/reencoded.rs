//! What is said of code, for a module that was encoded anew instruction by instruction.
//!
//! Input: a module, and the bytes of the same with other numbers in its instructions. Output: these bytes, with debug information and what is
//! said of instructions as they should be there.
//!
//! Invariants: both have the same functions with the same instructions and indices, in the same order, and the same custom sections; the new
//! one may define further functions in front of them.

use super::code::code_section;
use super::dwarf::{self, Addresses, Became};
use super::sections::split_vector;
use super::{OffsetMap, custom, hints};
use crate::error::{Error, Result};
use crate::read::Module;
use crate::work;
use wasmparser::BinaryReader;

/// Moves what is said of code.
///
/// # Errors
/// [`Error::Internal`] if the new bytes are no module.
pub(crate) fn reencoded(module: &Module<'_>, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !module.speaks_of_code() {
        return Ok(bytes);
    }
    let after = Module::read(&bytes)
        .map_err(|error| Error::Internal(format!("the module that was encoded anew: {error}")))?;
    let (Some(old), Some(new)) = (code_section(module), code_section(&after)) else {
        return Ok(bytes);
    };
    let items = |module, section| Ok(split_vector(module, section)?.1);
    let (old_items, new_items) = (items(module, old)?, items(&after, new)?);
    let further = after.defined_funcs().len().saturating_sub(module.defined_funcs().len());
    let new_items = behind(new_items, further)?;
    let start = new.contents.end - new_items.len();
    let offsets = pairs(module, &after, start)?;
    let addresses = Addresses::of_parts(
        module,
        (old.contents.end - old_items.len(), new_items),
        start - new.contents.start,
        |_| true,
        (&offsets, &[]),
    );
    let Some(addresses) = addresses else { return Ok(bytes) };
    let mut debug = dwarf::rewrite(module, &addresses);
    let mut out = bytes[..8].to_vec();
    for section in &after.sections {
        let contents = &bytes[section.contents.clone()];
        let moved = if hints::is_section(section) {
            hints::rewrite(module, contents, &addresses, new_items)
        } else if section.id == 0 && dwarf::is_section(section.name) {
            match debug.section(section.name) {
                Became::New(contents) => Some(contents),
                Became::Written => continue,
                // What can't be read is left out, with a warning, when the module is written at last.
                Became::Same | Became::Wrong => None,
            }
        } else {
            None
        };
        match moved {
            Some(contents) => custom::write_custom(&mut out, section.name, &contents),
            None => out.extend_from_slice(&bytes[section.range.clone()]),
        }
    }
    Ok(out)
}

/// The items without the first so many.
fn behind(items: &[u8], count: usize) -> Result<&[u8]> {
    let mut reader = BinaryReader::new(items, 0);
    for _ in 0..count {
        let size = reader.read_var_u32().map_err(|error| Error::misread(&error))?;
        reader.read_bytes(size as usize).map_err(|error| Error::misread(&error))?;
    }
    Ok(&items[reader.original_position() as usize..])
}

/// Where each instruction went: from the first item on.
fn pairs(module: &Module<'_>, after: &Module<'_>, start: usize) -> Result<OffsetMap> {
    let mut offsets = OffsetMap::wanted(true);
    for func in module.defined_funcs() {
        for (old, new) in module.operators(func)?.zip(after.operators(func)?) {
            work::count(1);
            let (old, new) = (old?.range(), new?.range());
            let len = if old.len() == new.len() { old.len() } else { 1 };
            offsets.push(old.start, new.start - start, len);
        }
    }
    Ok(offsets)
}
