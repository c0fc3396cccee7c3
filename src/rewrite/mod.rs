//! **rewrite**: obeys the plan and writes the new module. Decides nothing.
//!
//! Input: a [`Module`] and its [`Plan`], which is used up. Output: the bytes of the new module.
//!
//! Untouched functions and sections are copied byte for byte. Types, functions, globals and exports
//! are only appended, and no import is added, so no index of the input changes its meaning.

mod body;
mod guard;
mod locals;
mod output;
mod pad;
mod reentry;
mod references;
mod runtime;
mod site;
mod stand_ins;
mod tails;

pub use stand_ins::stand_ins;

use crate::abi::{self, Abi};
use crate::emit::{self, Emitted, ResumeModule};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::plan::{self, GuardPlan, Plan};
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
/// [`crate::Error::Internal`] if a body can't be read again.
pub fn guard_costs(module: &Module<'_>, abi: Abi, plans: &[GuardPlan]) -> Result<Vec<GuardCost>> {
    let guard = Guard::new(module, abi, false);
    let calls = plans.iter().flat_map(|plan| plan.calls.iter().map(|call| (plan.func, *call)));
    calls
        .map(|(func, call)| {
            let bytes = guard.cost(module, func, call)?;
            Ok(GuardCost { func, offset: call.offset, bytes })
        })
        .collect()
}

/// What was written.
#[derive(Debug)]
pub struct Rewritten {
    /// The module.
    pub module: Emitted,
    /// The bytes of its resume module, if the plan has one.
    pub resume_module: Option<Vec<u8>>,
}

/// A resume module without functions, for a module without any.
///
/// # Errors
/// [`crate::Error::Internal`] never.
pub fn empty_resume_module(module: &Module<'_>) -> Result<Vec<u8>> {
    ResumeModule::default().assemble(module.bytes, abi::RESUME_IMPORTS)
}

/// Writes the module that `plan` describes.
///
/// # Errors
/// [`crate::Error::Refused`] if the module or a function outgrows what engines accept.
pub fn rewrite(module: &Module<'_>, plan: Plan) -> Result<Rewritten> {
    let wants_resume_module = plan.resume_module.is_some();
    let mut runtime = runtime::Runtime::layout(module, &plan);
    let mut additions = runtime.take_additions(module);
    // Before the bodies are written, which is the work.
    additions.check_limits(module, runtime.resume_count())?;
    let written: Vec<_> = plan
        .funcs
        .into_par_iter()
        .map_init(output::Memory::default, |memory, func| {
            let body = body::rewrite_body(module, &func, &runtime, memory)?;
            let resume = body::resume_body(module, &func, &runtime, memory)?;
            let entered = resume.as_ref().unwrap_or(&body).bytes.len() as u64;
            debug_assert!(entered >= plan::least_bytes(func.sites as usize), "{entered} bytes");
            Ok((func.func, body, resume))
        })
        .collect();
    let (mut bodies, mut resume_bodies) = (Vec::with_capacity(written.len()), Vec::new());
    for written in written {
        let (func, body, resume) = written?;
        bodies.push((func, body));
        resume_bodies.extend(resume);
    }
    let guard = Guard::new(module, plan.abi, plan.maps_offsets);
    let guarded: Result<Vec<_>> =
        plan.guards.par_iter().map(|plan| Ok((plan.func, guard.rewrite(module, plan)?))).collect();
    bodies.extend(guarded?);
    let frameless = plan.tails.frameless.par_iter();
    let frameless: Result<Vec<_>> = frameless
        .map(|hands_on| Ok((hands_on.func, tails::rewrite(module, *hands_on, &runtime)?)))
        .collect();
    bodies.extend(frameless?);
    bodies.sort_unstable_by_key(|(func, _)| *func);
    let elsewhere = runtime.add_resumes(module, resume_bodies, &mut additions);
    let resumes = wants_resume_module.then(|| {
        let pair = emit::pair(module, &additions, &bodies, &elsewhere);
        let table = runtime.export_resume_table(&pair, &mut additions);
        ResumeModule::new(elsewhere, table)
    });
    let resumes = resumes.transpose()?;
    if let Some(resumes) = &resumes {
        additions
            .export_for(module, resumes, |kind, index| plan.abi.for_resume_module(kind, index));
    }
    let rewritten = emit::assemble(module, &additions, bodies)?;
    let resume_module = resumes.map(|resumes| {
        let wasm = resumes.assemble(&rewritten.wasm, abi::RESUME_IMPORTS)?;
        tracing::info!(bytes = wasm.len(), "wrote the resume module");
        Ok(wasm)
    });
    tracing::info!(
        bytes = rewritten.wasm.len(),
        input_bytes = module.bytes.len(),
        "wrote the module"
    );
    Ok(Rewritten { module: rewritten, resume_module: resume_module.transpose()? })
}
