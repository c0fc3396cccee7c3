//! The names of a module's function imports, read without the rest of it.

use super::detect::check_header;
use crate::error::Result;
use wasmparser::{Parser, Payload, TypeRef};

/// Module and field name of each function import, in index order. What can't be read ends the list: who reads the whole module says what
/// is wrong with it.
///
/// # Errors
/// [`Error::NotWasm`](crate::Error::NotWasm) or [`Error::Component`](crate::Error::Component) if it is no core module.
pub fn import_names(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    check_header(bytes)?;
    let payloads = Parser::new(0).parse_all(bytes).map_while(wasmparser::Result::ok);
    // All other sections that may name something come behind it.
    let before = |payload: &Payload<'_>| !matches!(payload, Payload::FunctionSection(_));
    let sections = payloads.take_while(before).filter_map(|payload| match payload {
        Payload::ImportSection(imports) => Some(imports),
        _ => None,
    });
    let imports = sections.flat_map(wasmparser::ImportSectionReader::into_imports);
    let imports = imports.map_while(wasmparser::Result::ok);
    let is_func = |ty: &TypeRef| matches!(ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
    let funcs = imports.filter(|import| is_func(&import.ty));
    Ok(funcs.map(|import| (import.module.to_owned(), import.name.to_owned())).collect())
}
