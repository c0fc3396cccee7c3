//! **verify**: never trusts the emitter.
//!
//! Input: the original [`Module`], its [`Analysis`], and the bytes that were written. Output: nothing,
//! or the internal error that keeps them from being handed out. Everything is read again from the
//! bytes; no plan is consulted.
//!
//! Checked: the output is a valid module; every section is the original's, byte for byte, or begins with it where items may be
//! appended (`sections`, `customs`), and what is appended is harmless (`added`); every function outside the closure is
//! byte-identical, or differs by its guards alone; and the resume module, if there is one, is that of the output.
//! Not checked here: that a rewritten function means what its original means.

mod added;
mod customs;
mod fault;
mod guards;
mod resume_module;
mod sections;

use crate::abi::Abi;
use crate::analyze::Analysis;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use fault::{Fault, Place};

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
    if !analysis.may_unwind() {
        let same = module.bytes == wasm;
        return if same {
            Ok(())
        } else {
            Err(internal("nothing unwinds, yet the module changed"))
        };
    }
    whole_module(module, &output, abi).map_err(|fault| fault.error())?;
    functions(module, analysis, abi, &output)?;
    resume_module.map_or(Ok(()), |resumes| resume_module::check(&output, resumes))
}

/// Everything but the bodies.
fn whole_module(
    module: &Module<'_>,
    output: &Module<'_>,
    abi: Abi,
) -> std::result::Result<(), Fault> {
    sections::check(module, output)?;
    customs::check(module, output)?;
    added::check(module, output, abi)?;
    added::speaks(output, abi)
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
        let (Some(body), Some(copied)) = (&func.body, &copy.body) else { continue };
        let guards = analysis.guards.get(index).filter(|guards| !guards.is_empty());
        if let Some(guards) = guards {
            guards::check(module, abi, output, index, guards)?;
        } else if analysis.sites[index].is_empty() {
            same_body(module, output, index, (body.start, copied.start))
                .map_err(|fault| fault.error())?;
        }
    }
    Ok(())
}

/// A function in which nothing may have changed.
fn same_body(
    module: &Module<'_>,
    output: &Module<'_>,
    func: FuncIdx,
    (before, after): (usize, usize),
) -> std::result::Result<(), Fault> {
    let body = |module: &Module<'_>| module.funcs[func].body.clone().unwrap_or_default();
    let (old, new) = (&module.bytes[body(module)], &output.bytes[body(output)]);
    if old == new {
        return Ok(());
    }
    let at = old.iter().zip(new).position(|(old, new)| old != new);
    let at = at.unwrap_or(old.len().min(new.len()));
    let place = Place { original: Some(before + at), output: Some(after + at) };
    Err(Fault::new("no call in it may unwind, yet it changed").in_func(func).at(place))
}

fn internal(what: &str) -> Error {
    Error::Internal(what.into())
}

#[cfg(test)]
mod tests;
