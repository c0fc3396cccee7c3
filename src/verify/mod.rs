//! **verify**: never trusts the emitter.
//!
//! Input: the original [`Module`], its [`Analysis`], and the bytes that were written. Output: nothing,
//! or the internal error that keeps them from being handed out. Everything is read again from the
//! bytes; no plan is consulted.
//!
//! Checked: the output is a valid module; imports are the same; exports, types and functions begin
//! with the input's; every function outside the closure is byte-identical, or differs by its guards
//! alone; and the resume module, if there is one, is that of the output.
//! Not checked here: that a rewritten function means what its original means.

mod guards;
mod resume_module;

use crate::abi::Abi;
use crate::analyze::Analysis;
use crate::error::{Error, Result};
use crate::read::{Import, Module};
use crate::work;

/// Checks `wasm`, which was made from `module`, and the resume module that belongs to it, if there is one.
///
/// # Errors
/// [`Error::Internal`] with what is wrong.
pub fn verify(
    module: &Module<'_>,
    analysis: &Analysis,
    abi: Abi,
    wasm: &[u8],
    resume_module: Option<&[u8]>,
) -> Result<()> {
    let output = Module::read(wasm)
        .map_err(|error| Error::Internal(format!("the output is refused: {error}")))?;
    imports_and_exports(module, &output)?;
    functions(module, analysis, abi, &output)?;
    resume_module.map_or(Ok(()), |resumes| resume_module::check(&output, resumes))
}

fn imports_and_exports(module: &Module<'_>, output: &Module<'_>) -> Result<()> {
    if !imports(module).eq(imports(output)) {
        return Err(internal("the imports changed"));
    }
    let same = module.exports.iter().eq(output.exports.iter().take(module.exports.len()));
    if !same {
        return Err(internal("the exports changed"));
    }
    Ok(())
}

/// The imports of each index space, one space after the other.
fn imports<'m>(module: &'m Module<'_>) -> impl Iterator<Item = (usize, Import<'m>)> {
    let funcs = module.funcs.iter().filter_map(|func| func.import);
    let tables = module.tables.iter().filter_map(|table| table.import);
    let memories = module.memories.iter().filter_map(|memory| memory.import);
    let globals = module.globals.iter().filter_map(|global| global.import);
    let tags = module.tags.iter().filter_map(|tag| tag.import);
    let others = memories.map(|import| (2, import)).chain(globals.map(|import| (3, import)));
    let others = others.chain(tags.map(|import| (4, import)));
    funcs.map(|import| (0, import)).chain(tables.map(|import| (1, import))).chain(others)
}

fn functions(
    module: &Module<'_>,
    analysis: &Analysis,
    abi: Abi,
    output: &Module<'_>,
) -> Result<()> {
    for (index, func) in module.funcs.iter_enumerated() {
        work::count(1);
        let Some(copy) = output.funcs.get(index) else {
            return Err(internal("functions are missing"));
        };
        if func.ty != copy.ty {
            return Err(internal(&format!("the type of function {index} changed")));
        }
        let (Some(body), Some(copied)) = (&func.body, &copy.body) else { continue };
        let guards = analysis.guards.get(index).filter(|guards| !guards.is_empty());
        if let Some(guards) = guards {
            guards::check(module, abi, output, index, guards)?;
        } else if !analysis.closure[index]
            && module.bytes[body.clone()] != output.bytes[copied.clone()]
        {
            return Err(internal(&format!("function {index}, outside the closure, changed")));
        }
    }
    Ok(())
}

fn internal(what: &str) -> Error {
    Error::Internal(what.into())
}
