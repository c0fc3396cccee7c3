//! Says what it is that the validator refuses: a limit, a proposal, a file that was cut off, or a module
//! that is not valid. Decided by the error's kind and place and by the bytes there, never by its text.

use super::over_limit::over_limit;
use super::sections::{Header, headers};
use crate::error::Error;
use wasmparser::{BinaryReader, WasmFeatures};

/// The error for what the validator said of `bytes`, a core module.
pub(super) fn diagnose(bytes: &[u8], error: &wasmparser::Error) -> Error {
    let offset = error.offset() as usize;
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let missing = error.missing_wasm_feature().and_then(proposal);
    if let Some(proposal) = missing.or_else(|| unknown_operator(bytes, offset)) {
        return Error::Proposal { proposal, offset };
    }
    if let Some((limit, number)) = over_limit(bytes, offset) {
        return Error::Limit { limit, number, offset };
    }
    match headers(bytes).find_map(|header| cut_off(bytes, &header)) {
        Some((section, missing)) => Error::Truncated { section, missing, offset: bytes.len() },
        None => Error::Invalid { message, offset },
    }
}

/// The proposals that the validator knows, but that are not enabled, as their champions call them.
const PROPOSALS: [(WasmFeatures, &str); 6] = [
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::ACQUIRE_RELEASE_ATOMICS, "acquire-release atomics"),
    (WasmFeatures::MULTIBYTE_ARRAY_ACCESS, "multibyte array access"),
];

fn proposal(missing: WasmFeatures) -> Option<&'static str> {
    PROPOSALS.into_iter().find_map(|(feature, name)| missing.contains(feature).then_some(name))
}

/// The proposal of an operator that the validator doesn't know, but that engines have behind a flag.
fn unknown_operator(bytes: &[u8], offset: usize) -> Option<&'static str> {
    let mut reader = BinaryReader::new(bytes.get(offset..)?, 0);
    let prefix = reader.read_u8().ok()?;
    let code = reader.read_var_u32().ok()?;
    match (prefix, code) {
        (0xfb, 0x80..=0xb7) => Some("reference-typed strings (stringref)"),
        (0xfc, 0x30..=0x31) | (0xfd, 0x120..=0x14f) => Some("half-precision (fp16)"),
        _ => None,
    }
}

/// A section that ends behind the end of the file, and by how many bytes.
fn cut_off(bytes: &[u8], header: &Header) -> Option<(String, u64)> {
    let missing = header.end.checked_sub(bytes.len() as u64).filter(|missing| *missing > 0)?;
    Some((name(header.id)?.into(), missing))
}

fn name(id: u8) -> Option<&'static str> {
    const NAMES: [&str; 14] = [
        "a custom",
        "the type",
        "the import",
        "the function",
        "the table",
        "the memory",
        "the global",
        "the export",
        "the start",
        "the element",
        "the code",
        "the data",
        "the data count",
        "the tag",
    ];
    NAMES.get(usize::from(id)).copied()
}
