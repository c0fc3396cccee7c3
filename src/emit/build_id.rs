//! The `build_id` section: the id by which debug information that is kept elsewhere is found.
//!
//! Where every body keeps its place in the code section, that information still fits, and the id stays.
//! Else the output is a build of its own, and gets an id of its own: as long as the old one, and made from
//! all other bytes of the output, so that the same input always gets the same one.

use crate::read::{Module, Section};
use sha2::{Digest, Sha256};
use std::ops::Range;
use wasmparser::BinaryReader;

/// Where in the module's bytes a `build_id` section has its id; `None` if it isn't made as the tool
/// conventions ("Build ID") have it.
pub(super) fn find(module: &Module<'_>, section: &Section<'_>) -> Option<Range<usize>> {
    let mut reader = BinaryReader::new(&module.bytes[section.contents.clone()], 0);
    let len = reader.read_var_u32().ok()? as usize;
    let start = section.contents.start + reader.original_position() as usize;
    (len > 0 && start + len == section.contents.end).then_some(start..section.contents.end)
}

/// Writes a new id made from all of `module` but the present one, which is at `id`.
pub(super) fn renew(module: &mut [u8], id: Range<usize>) {
    module[id.clone()].fill(0);
    let mut digest = Sha256::digest(&module);
    for part in module[id].chunks_mut(digest.len()) {
        part.copy_from_slice(&digest[..part.len()]);
        digest = Sha256::digest(digest);
    }
}
