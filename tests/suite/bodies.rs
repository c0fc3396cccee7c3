//! How large the bodies of a module are.

use std::collections::BTreeMap;
use wasmparser::{Parser, Payload, TypeRef};

/// The size in bytes of each body, by the function's index.
pub fn bodies(wasm: &[u8]) -> BTreeMap<u32, usize> {
    let (mut next, mut sizes) = (0, BTreeMap::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::ImportSection(imports) => {
                let imports = imports.into_imports().map(|import| import.unwrap().ty);
                let is_func = |ty: &TypeRef| matches!(ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                next += imports.filter(is_func).count() as u32;
            }
            Payload::CodeSectionEntry(body) => {
                sizes.insert(next, body.as_bytes().len());
                next += 1;
            }
            _ => {}
        }
    }
    sizes
}
