//! **shim**: repairs indirect calls whose type differs from that of the function in the slot.
//!
//! Input: the bytes of a module and [`ShimOptions`]. Output: the module with the chosen calls
//! repaired, or what can mismatch, as `Found`, which [`crate::report::shims`] puts into words. A pipeline of its own, beside that of
//! [`crate::instrument`], and on the same `Module`:
//!
//! 1. `Indirect`: the calls, their indices, what the tables hold.
//! 2. `mismatch`: which calls can meet which functions; `adapt`: what would stand between them; `signatures`: which
//!    of many types have something that would. `found` is all of it as data, with what debug information says beside it (`disagree`).
//! 3. `select`: which calls are repaired.
//! 4. `plan`: the adapters, parallel tables and functions to make. `unwind` refuses it if a module that
//!    was instrumented before could then unwind through a call that is not prepared.
//! 5. `bodies`, `funcs`, `tables`: write them.
//! 6. `check`: reads the output again, and checks every difference against the rules.
//!
//! `record` makes a module for a test run, which notes what calls meet, and `recorded` reads that: so the calls to repair are found
//! by running.
//!
//! Native C lets a function be called through a pointer of another type; WebAssembly traps. A call
//! that matches must not pay for one that doesn't: so matching calls go through a second table that
//! holds the same functions, and adapters where the types differ.
//!
//! Invariants: functions without a chosen call are byte-identical, but for those that write to a
//! table with parallels; the tables of the input hold what they held, so the host sees no change but
//! exports for it to call, and a start function where imported tables have parallels;
//! what trapped for another reason (a null slot, an index beyond the table, a type that can't be
//! adapted) traps as before; the memory and so the C stack are not touched.
//!
//! Limits: a call that passes variable arguments looks like any other; only debug information
//! tells that a *function* takes them.

mod adapt;
mod bodies;
mod check;
mod disagree;
mod found;
mod funcs;
mod mismatch;
mod options;
mod plan;
mod record;
mod recorded;
mod repaired;
mod resume;
#[cfg(test)]
mod scale;
mod select;
mod signatures;
mod tables;
mod trace;
mod unwind;
mod writes;

pub use adapt::{Adaptation, AdaptedValue, Cast, Reason};
pub(crate) use disagree::Disagreements;
pub(crate) use found::{Found, FoundCall, FoundClass, FoundSlots, Pair};
pub(crate) use mismatch::{Certainty, FunctionsOfType};
pub use options::{Mechanism, ShimOptions, SitePattern};
pub use recorded::{EXPORT as RECORD_EXPORT, Recorded, RecordedCall};
pub use trace::{TraceFrame, first_frames};

use crate::analyze::{Indirect, IndirectCall};
use crate::emit::{Additions, Emitted, NewTypes, OffsetMap, assemble, left_out};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::Located;
use crate::read::Module;
use crate::refusal::Refusal;
use crate::work;
use mismatch::Mismatches;
use plan::{Plan, ShimFunc};
use select::ChosenCall;
use std::collections::BTreeSet;

/// What [`crate::shim()`] made.
#[derive(Debug)]
#[non_exhaustive]
pub struct ShimOutput {
    /// The repaired module; the input itself, if nothing was to repair.
    pub wasm: Vec<u8>,
    /// How many calls were repaired.
    pub calls: usize,
    /// The size of the module in bytes, as it was before.
    pub bytes_before: usize,
    /// How many adapters were made.
    pub adapters: usize,
    /// The functions that the host calls after it wrote to a table: export names.
    pub sync_exports: Vec<String>,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
    /// Where the code of the input is in the output, if [`ShimOptions::map_offsets`] asks for it. Otherwise it has nothing, unless
    /// the output is the input.
    pub offsets: OffsetMap,
}

/// Repairs the chosen indirect calls.
pub(crate) fn repair(module: &Module<'_>, options: &ShimOptions) -> Result<ShimOutput> {
    with_chosen_calls(module, options, |mismatches, calls, mechanism| {
        if let Some(section) = module.object_section() {
            return Err(Error::Refused(Refusal::of_object(section.name).into()));
        }
        if calls.is_empty() {
            return Ok(ShimOutput::untouched(module));
        }
        let plan = Plan::make(mismatches, calls, mechanism)?;
        unwind::check(mismatches, &plan, calls)?;
        let tail_calls = mismatches.indirect.has_tail_calls();
        let emitted = emit(module, &plan, tail_calls, options)?;
        let bit_casts = options.allow_bit_casts;
        check::check(module, mismatches.indirect, &plan, &emitted.wasm, bit_casts)?;
        Ok(ShimOutput {
            calls: calls.len(),
            bytes_before: module.bytes.len(),
            adapters: plan.adapters.len(),
            sync_exports: sync_exports(&plan),
            warnings: warnings(&plan, &emitted),
            wasm: emitted.wasm,
            offsets: if options.map_offsets { emitted.offsets } else { OffsetMap::default() },
        })
    })
}

/// Makes a module that finds out which calls meet functions of other types, and repairs them, so that it goes on.
pub(crate) fn recorder(module: &Module<'_>, options: &ShimOptions) -> Result<ShimOutput> {
    let indirect = Indirect::find(module)?;
    let variadic = variadic(module);
    let mismatches = Mismatches::find(module, &indirect, &variadic, options.allow_bit_casts)?;
    let may_mismatch = |call: &&IndirectCall| {
        let (_, targets) = mismatches.targets(call);
        let any = mismatches.counts(mismatches.class(call), &targets).any();
        any || indirect.open_ended(call.table)
    };
    let calls: Vec<_> = indirect.calls.iter().filter(may_mismatch).collect();
    if calls.is_empty() {
        return Ok(ShimOutput::untouched(module));
    }
    let recorder = record::add(module, &calls, |ty| indirect.canonical(ty))?;
    let all = options.clone().all_sites(true).mechanism(Mechanism::RefTest).sites([]);
    let repaired = repair(&Module::read(&recorder.wasm)?, &all.map_offsets(false))?;
    let warnings = left_out(&recorder.dropped).into_iter().chain(repaired.warnings);
    Ok(ShimOutput {
        calls: calls.len(),
        bytes_before: module.bytes.len(),
        warnings: warnings.collect(),
        ..repaired
    })
}

/// Finds the indirect calls that can meet a function of another type.
pub(crate) fn find(module: &Module<'_>, options: &ShimOptions) -> Result<Found> {
    with_chosen_calls(module, options, |mismatches, calls, _| {
        let chosen = calls.iter().map(|chosen| chosen.call.offset).collect();
        Found::new(mismatches, &chosen)
    })
}

/// Finds what can mismatch, and chooses the calls to repair.
fn with_chosen_calls<T>(
    module: &Module<'_>,
    options: &ShimOptions,
    then: impl FnOnce(&Mismatches<'_>, &[ChosenCall<'_>], Mechanism) -> Result<T>,
) -> Result<T> {
    let indirect = Indirect::find(module)?;
    let variadic = variadic(module);
    let mechanism = options.mechanism.unwrap_or_else(|| Mechanism::that_suits(module));
    let mismatches = Mismatches::find(module, &indirect, &variadic, options.allow_bit_casts)?;
    let calls = select::select(&mismatches, options, mechanism)?;
    then(&mismatches, &calls, mechanism)
}

impl ShimOutput {
    /// The input itself.
    fn untouched(module: &Module<'_>) -> ShimOutput {
        ShimOutput {
            wasm: module.bytes.to_vec(),
            calls: 0,
            bytes_before: module.bytes.len(),
            adapters: 0,
            sync_exports: Vec::new(),
            warnings: Vec::new(),
            offsets: OffsetMap::identity(module.bytes.len()),
        }
    }
}

/// The functions that take variable arguments, as far as debug information tells.
fn variadic(module: &Module<'_>) -> BTreeSet<FuncIdx> {
    let Some(lines) = module.lines() else { return BTreeSet::new() };
    module.defined_funcs().filter(|func| lines.is_variadic(*func) == Some(true)).collect()
}

/// All operators of a function, in order; none of an import.
fn operators<'b>(module: &Module<'b>, func: FuncIdx) -> Result<Vec<Located<'b>>> {
    let operators: Vec<_> = module.operators(func)?.collect::<Result<_>>()?;
    work::count(operators.len());
    Ok(operators)
}

fn emit(
    module: &Module<'_>,
    plan: &Plan,
    tail_calls: bool,
    options: &ShimOptions,
) -> Result<Emitted> {
    let maps_offsets = options.map_offsets || module.speaks_of_code();
    let mut types = NewTypes::new(module);
    let mut additions = Additions::default();
    additions.maps_offsets = maps_offsets;
    additions.strips_debug = options.strip_debug;
    additions.source_map_url.clone_from(&options.source_map_url);
    additions.debug_file_url.clone_from(&options.debug_file_url);
    let bodies = bodies::Bodies { module, plan, types: &mut types, maps_offsets }.all()?;
    tables::append(module, plan, &mut additions)?;
    funcs::Funcs { module, plan, types: &mut types, tail_calls }.append(&mut additions);
    additions.names.even_without_section =
        plan.funcs.keys().any(|func| !matches!(func, ShimFunc::Adapter(_)));
    additions.start = plan.funcs.get(&ShimFunc::Start).copied();
    additions.types(&types);
    assemble(module, &mut additions, bodies)
}

fn sync_exports(plan: &Plan) -> Vec<String> {
    let synced = plan.funcs.keys().filter_map(|func| match func {
        ShimFunc::Sync(table) => {
            let first = plan.parallels_of(*table).next()?.1.index;
            Some(tables::sync_name(*table, first))
        }
        _ => None,
    });
    synced.collect()
}

fn warnings(plan: &Plan, emitted: &Emitted) -> Vec<String> {
    let synced = sync_exports(plan).into_iter().map(|name| {
        format!(
            "the host can write to a table that repaired calls use: after it changed COUNT slots from \
             START on, it must call the export `{name}`(START, COUNT); or choose the mechanism `ref-test`"
        )
    });
    let remarks = emitted.remarks.iter().cloned();
    left_out(&emitted.dropped).into_iter().chain(remarks).chain(synced).collect()
}

impl FuncIdx {
    fn is_new(self, module: &Module<'_>) -> bool {
        module.funcs.get(self).is_none()
    }
}
