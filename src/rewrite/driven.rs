//! Puts functions into a module in the place of imports of the protocol's functions.
//!
//! What they do is written when the module is rewritten, which makes of each the one that the host calls (`runtime`). Until then they stand
//! for it: they return, and nothing is known of what.
//!
//! Input: a module. Output: the bytes of the module without these imports, which is analyzed, planned and rewritten in its place.
//! Imports may have other indices there; offsets are others.

use crate::abi::{AddressType, Operation};
use crate::emit::{Dropped, define_imports, left_out};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexType};
use crate::options::{Abi, Driven};
use crate::read::Module;
use std::collections::BTreeMap;
use wasm_encoder::Function;

/// Makes functions of the imports that drive the protocol; `None` if there are none. Addresses in the memory of frames are of the type
/// `address`.
///
/// # Errors
/// [`Error::UnsupportedModule`] for an import that the protocol doesn't have; [`Error::Internal`] if the module can't be encoded again.
pub fn driven(
    module: &Module<'_>,
    abi: Abi,
    address: AddressType,
) -> Result<Option<(Vec<u8>, Driven)>> {
    let imported = abi.imported(module, address).map_err(|what| Error::UnsupportedModule {
        what,
        advice: "correct the program's declaration of it".into(),
    })?;
    // Without code nothing calls them.
    if imported.is_empty() || module.defined_funcs().len() == 0 {
        return Ok(None);
    }
    let first = module.imported_funcs - imported.len();
    let new = (first..).map(FuncIdx::from_usize);
    let operations = new.zip(&imported).map(|(func, (_, operation))| (func.0, *operation));
    let operations: BTreeMap<_, _> = operations.collect();
    let bodies = imported.iter().map(|(func, operation)| (*func, body(*operation)));
    let (wasm, dropped): (_, Vec<Dropped>) = define_imports(module, &bodies.collect())?;
    let warnings = left_out(&dropped).into_iter().collect();
    Ok(Some((wasm, Driven { operations, warnings })))
}

/// The type needs no more than a result where there is one. The analysis doesn't follow numbers out of floats.
fn body(operation: Operation) -> Function {
    let mut body = Function::new([]);
    let mut sink = body.instructions();
    if operation == Operation::GetState {
        sink.f32_const(0.0.into()).i32_reinterpret_f32();
    }
    sink.end();
    body
}
