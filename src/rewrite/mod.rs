//! **rewrite**: obeys the plan and writes the new module. Decides nothing.
//!
//! Input: a [`Module`] and its [`Plan`], which is used up. Output: the bytes of the new module.
//!
//! Untouched functions and sections are copied byte for byte. Types, functions, globals and exports
//! are only appended, and no import is added, so no index of the input changes its meaning.

mod body;
mod driven;
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

pub use driven::driven;
pub use stand_ins::stand_ins;

use crate::abi::{self, Abi};
use crate::analyze::Analysis;
use crate::emit::{self, Code, Emitted, NewTypes, ResumeFunc, ResumeModule};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::plan::{self, BodyPlan, FuncPlan, GuardPlan, Guards, Plan};
use crate::read::Module;
use guard::Guard;
use rayon::prelude::*;
use runtime::Runtime;

/// What a guard costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardCost {
    /// The function that it is in.
    pub func: FuncIdx,
    /// Offset of the guarded call in bytes from the start of the input.
    pub offset: u32,
    /// By how many bytes the function's body grows for it.
    pub bytes: i64,
}

/// What `guards` cost, in order of function and offset.
///
/// # Errors
/// [`crate::Error::Internal`] if a body can't be read again.
pub fn guard_costs(
    module: &Module<'_>,
    analysis: &Analysis,
    abi: Abi,
    guards: &Guards,
) -> Result<Vec<GuardCost>> {
    if guards.funcs.is_empty() {
        return Ok(Vec::new());
    }
    let mut types = NewTypes::new(module);
    let protocol = (abi, &analysis.operations);
    let guard = Guard::new(module, protocol, guards, &mut types, false);
    let of_func = |plan: &GuardPlan| {
        let costs = plan.calls.iter().zip(guard.costs(module, &types, plan)?);
        let cost = |(call, bytes): (&plan::Guard, i64)| GuardCost {
            func: plan.func,
            offset: call.offset,
            bytes,
        };
        Ok(costs.map(cost).collect::<Vec<_>>())
    };
    let costs: Result<Vec<_>> = guards.funcs.iter().map(of_func).collect();
    Ok(costs?.concat())
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
pub fn rewrite(module: &Module<'_>, mut plan: Plan) -> Result<Rewritten> {
    let mut types = NewTypes::new(module);
    let guard = Guard::new(
        module,
        (plan.abi, &plan.operations),
        &plan.guards,
        &mut types,
        plan.maps_offsets,
    );
    let mut runtime = Runtime::layout(module, &plan, types);
    let mut additions = runtime.take_additions(module);
    additions.strips_debug = plan.strips_debug;
    additions.source_map_url = plan.source_map_url.take();
    additions.debug_file_url = plan.debug_file_url.take();
    // Before the bodies are written, which is the work.
    additions.check_limits(module)?;
    let mut code = Code::new(module, plan.maps_offsets)?;
    code.reserve(module.bytes.len());
    let funcs = std::mem::take(&mut plan.funcs);
    let with_resume = write_bodies(module, &plan, (&runtime, &guard), funcs, &mut code)?;
    additions.append_to(&mut code);
    let elsewhere = write_resumes(module, &runtime, with_resume, &mut code)?;
    let resumes = plan.resume_module.is_some().then(|| {
        let pair = emit::pair(module, &additions, &code, &elsewhere);
        let table = runtime.export_resume_table(&pair, &mut additions);
        ResumeModule::new(elsewhere, table)
    });
    let resumes = resumes.transpose()?;
    if let Some(resumes) = &resumes {
        additions
            .export_for(module, resumes, |kind, index| plan.abi.for_resume_module(kind, index));
    }
    let rewritten = emit::assemble_with(module, &mut additions, code)?;
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

/// Writes all bodies of the input's functions; the plans of those are returned whose resume functions are still to be written.
fn write_bodies(
    module: &Module<'_>,
    plan: &Plan,
    (runtime, guard): (&Runtime, &Guard),
    funcs: Vec<FuncPlan>,
    code: &mut Code<'_, '_>,
) -> Result<Vec<FuncPlan>> {
    let guarded = plan.guards.funcs.par_iter();
    let guarded = guarded.map(|plan| Ok((plan.func, guard.rewrite(module, &runtime.types, plan)?)));
    let mut others = guarded.collect::<Result<Vec<_>>>()?;
    let frameless = plan.tails.frameless.par_iter();
    let frameless = frameless.map(|plan| Ok((plan.func, tails::rewrite(module, *plan, runtime)?)));
    others.extend(frameless.collect::<Result<Vec<_>>>()?);
    others.extend(runtime.in_place_of_imports(plan));
    others.sort_unstable_by_key(|(func, _)| *func);
    let mut others = others.into_iter().peekable();
    let mut with_resume = Vec::new();
    let write = |memory: &mut output::Memory, mut func: FuncPlan| {
        let body = body::rewrite_body(module, &func, runtime, memory)?;
        func.body = BodyPlan::default();
        Ok((func.func, body, func.resume.is_some().then_some(func)))
    };
    in_batches(module, funcs, write, |(func, body, apart)| {
        while let Some((other, body)) = others.next_if(|(other, _)| *other < func) {
            code.push(other, &body);
        }
        code.push(func, &body);
        with_resume.extend(apart);
    })?;
    others.for_each(|(func, body)| code.push(func, &body));
    Ok(with_resume)
}

/// Writes the bodies of resume functions; those for the resume module are returned, in the order of their slots.
fn write_resumes(
    module: &Module<'_>,
    runtime: &Runtime,
    funcs: Vec<FuncPlan>,
    code: &mut Code<'_, '_>,
) -> Result<Vec<ResumeFunc>> {
    let mut elsewhere = Vec::new();
    let write = |memory: &mut output::Memory, func: FuncPlan| {
        Ok((func.func, body::resume_body(module, &func, runtime, memory)?))
    };
    in_batches(module, funcs, write, |(func, body)| {
        runtime.add_resume(module, func, body, code, &mut elsewhere);
    })?;
    Ok(elsewhere)
}

/// How much of the input's code a thread rewrites before what was written is taken over.
const BATCH_BYTES: usize = 1 << 18;

/// Writes functions by `write`, and gives what it writes to `take`, in their order; so many at a time that neither all plans nor all
/// bodies are in memory beside the output.
fn in_batches<T: Send>(
    module: &Module<'_>,
    mut funcs: Vec<FuncPlan>,
    write: impl Fn(&mut output::Memory, FuncPlan) -> Result<T> + Sync + Send,
    mut take: impl FnMut(T) + Send,
) -> Result<()> {
    let limit = BATCH_BYTES * rayon::current_num_threads();
    let mut written: Vec<Result<T>> = Vec::new();
    // Taken from the end, so that what is done can be given back.
    funcs.reverse();
    while !funcs.is_empty() {
        let mut bytes = 0;
        let others = funcs.iter().rposition(|func| {
            let is_full = bytes >= limit;
            bytes += module.funcs[func.func].body.as_ref().map_or(0, |body| body.len());
            is_full
        });
        let batch = funcs.split_off(others.map_or(0, |last| last + 1));
        // By halves, since an allocator may copy what is left.
        if funcs.capacity() > 2 * funcs.len() {
            funcs.shrink_to_fit();
        }
        let batch = batch.into_par_iter().rev().map_init(output::Memory::default, &write);
        // What was written before is taken meanwhile.
        let before = std::mem::take(&mut written);
        let take = || before.into_iter().try_for_each(|written| written.map(&mut take));
        let (taken, batch) = rayon::join(take, || batch.collect());
        taken?;
        written = batch;
    }
    written.into_iter().try_for_each(|written| written.map(&mut take))
}
