//! **rewrite**: obeys the plan and writes the new module. Decides nothing.
//!
//! Input: a [`Module`] and its [`Plan`], which is used up. Output: the bytes of the new module.
//!
//! Untouched functions and sections are copied byte for byte. Types, functions, globals and exports
//! are only appended, and no import is added, so no index of the input changes its meaning.

mod body;
mod dispatch;
mod exits;
mod guard;
mod runtime;

use crate::abi::Abi;
use crate::emit::{self, Emitted};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::plan::{FuncPlan, GuardPlan, Plan};
use crate::read::Module;
use guard::Guard;
use rayon::prelude::*;

/// What a guard costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardCost {
    /// The function that it is in.
    pub func: FuncIdx,
    /// Offset of the guarded call in bytes from the start of the input.
    pub offset: u32,
    /// By how many bytes the function's body grows for it.
    pub bytes: usize,
}

/// What the guards cost that `plans` ask for, in order of function and offset.
///
/// # Errors
/// [`Error::Internal`] if a body can't be read again.
pub fn guard_costs(module: &Module<'_>, abi: Abi, plans: &[GuardPlan]) -> Result<Vec<GuardCost>> {
    let guard = Guard::new(module, abi);
    let mut costs = Vec::new();
    for plan in plans {
        let func = plan.func;
        let added = guard.rewrite(module, plan)?.added;
        let calls = plan.calls.iter().zip(added);
        costs.extend(calls.map(|(call, bytes)| GuardCost { func, offset: call.offset, bytes }));
    }
    Ok(costs)
}

/// The size that engines and validators accept for one body, in bytes.
const MAX_BODY_BYTES: usize = 7_654_321;

/// The number of locals that engines and validators accept for one function.
const MAX_LOCALS: usize = 50_000;

/// Writes the module that `plan` describes.
///
/// # Errors
/// [`Error::TooLarge`] if a rewritten function outgrows what engines accept.
pub fn rewrite(module: &Module<'_>, plan: Plan) -> Result<Emitted> {
    let runtime = runtime::Runtime::layout(module, &plan);
    let written: Vec<_> = plan
        .funcs
        .into_par_iter()
        .map(|func| {
            let body = body::rewrite_body(module, &func, &runtime)?;
            let resume = body::resume_body(module, &func, &runtime)?;
            for written in std::iter::once(&body).chain(&resume) {
                check_size(module, &func, written)?;
            }
            Ok((func.func, body.bytes, resume.map(|resume| resume.bytes)))
        })
        .collect();
    let (mut bodies, mut resume_bodies) = (Vec::with_capacity(written.len()), Vec::new());
    for written in written {
        let (func, body, resume) = written?;
        bodies.push((func, body));
        resume_bodies.extend(resume);
    }
    let guard = Guard::new(module, plan.abi);
    for plan in &plan.guards {
        bodies.push((plan.func, guard.rewrite(module, plan)?.body));
    }
    bodies.sort_unstable_by_key(|(func, _)| *func);
    let rewritten = emit::assemble(module, &runtime.into_additions(module, resume_bodies), bodies)?;
    tracing::info!(
        bytes = rewritten.wasm.len(),
        input_bytes = module.bytes.len(),
        "wrote the module"
    );
    Ok(rewritten)
}

/// Refuses a body that engines would not accept.
fn check_size(module: &Module<'_>, plan: &FuncPlan, written: &body::Written) -> Result<()> {
    let too_large = |what, limit: usize| Error::TooLarge {
        what,
        location: module
            .location(plan.func, plan.body.steps.first().map_or(0, |step| step.0 as usize)),
        limit: limit as u64,
    };
    if written.bytes.len() > MAX_BODY_BYTES {
        return Err(too_large("the size in bytes", MAX_BODY_BYTES));
    }
    if written.locals > MAX_LOCALS {
        return Err(too_large("the number of locals", MAX_LOCALS));
    }
    Ok(())
}
