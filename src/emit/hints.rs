//! `metadata.code.*`: what engines are told of single instructions, such as which way a branch mostly goes.
//!
//! Input: such a section ("Code metadata"), and where code is now. Output: the section for that: with copies of functions, and
//! without what is said of instructions that were left out, or became others.
//!
//! ```text
//!   section      vec(function)
//!   function     its index, vec(item); in index order
//!   item         offset from the start of the body, vec(byte)
//! ```

use super::dwarf::Addresses;
use crate::index::FuncIdx;
use crate::read::{Module, Section};
use crate::work;
use wasm_encoder::Encode;
use wasmparser::BinaryReader;

/// Whether a section is such a one.
pub(super) fn is_section(section: &Section<'_>) -> bool {
    section.id == 0 && section.name.starts_with("metadata.code.")
}

/// An instruction's offset, and what is said of it.
type Item<'a> = (u32, &'a [u8]);

/// The contents of the section anew, where the new bodies are these; `None` if it can't be read.
pub(super) fn rewrite(
    module: &Module<'_>,
    contents: &[u8],
    addresses: &Addresses<'_>,
    code: &[u8],
) -> Option<Vec<u8>> {
    let mut reader = BinaryReader::new(contents, 0);
    let (mut funcs, mut copies) = (Vec::new(), Vec::new());
    for _ in 0..reader.read_var_u32().ok()? {
        let func = FuncIdx(reader.read_var_u32().ok()?);
        let mut items = Vec::new();
        for _ in 0..reader.read_var_u32().ok()? {
            work::count(1);
            let offset = reader.read_var_u32().ok()?;
            let len = reader.read_var_u32().ok()? as usize;
            items.push((offset, reader.read_bytes(len).ok()?));
        }
        let body = module.funcs.get(func)?.body.as_ref()?;
        let opcode = |offset: u32| module.bytes.get(body.start + offset as usize);
        let moved = |places: Vec<Option<u32>>, start: usize| -> Vec<Item<'_>> {
            let items = places.into_iter().zip(&items);
            let kept = items.filter_map(|(new, (old, data))| Some((new?, *old, *data)));
            let same = kept.filter(|(new, old, _)| code.get(start + *new as usize) == opcode(*old));
            same.map(|(new, _, data)| (new, data)).collect()
        };
        let offsets: Vec<_> = items.iter().map(|(offset, _)| *offset).collect();
        let (start, places) = addresses.in_body(func, &offsets)?;
        funcs.push((func.0, moved(places, start)));
        for (copy, start, places) in addresses.in_copies(func, &offsets) {
            copies.push((copy.0, moved(places, start)));
        }
    }
    if !reader.eof() {
        return None;
    }
    copies.sort_by_key(|(func, _)| *func);
    funcs.extend(copies);
    funcs.retain(|(_, items)| !items.is_empty());
    let mut out = Vec::new();
    funcs.len().encode(&mut out);
    for (func, items) in funcs {
        func.encode(&mut out);
        items.len().encode(&mut out);
        for (offset, data) in items {
            offset.encode(&mut out);
            data.len().encode(&mut out);
            out.extend_from_slice(data);
        }
    }
    Some(out)
}
