//! What the reader of a closure should know besides: what was found without being asked for, and what is likely to go
//! wrong.

use super::Analysis;
use super::facts::{Call, Callee};
use super::model::Model;
use super::query::Query;
use crate::read::Module;
use crate::text::{agree, count, escape};

/// What the analysis recognised without an option that says so, and what it could not follow.
pub(super) fn notes(model: &Model<'_>, query: &Query, analysis: &Analysis) -> Vec<String> {
    let inside = query.reentrant.iter().any(|func| analysis.closure[*func]);
    let note = (inside && query.recognised > 0).then(|| {
        let imports = count(query.recognised, "import");
        format!("{imports} `env.invoke_*` taken to call back into the module.")
    });
    let start = model.module.start.filter(|start| analysis.closure[*start]).map(|start| {
        format!(
            "The start function, {start}, can lead to an entry; no unwind can begin there, for \
             nothing could call it again."
        )
    });
    note.into_iter().chain(start).chain(loads(model, analysis)).collect()
}

/// A warning of assumptions that leave nothing to unwind.
pub(super) fn emptied(module: &Module<'_>, analysis: &Analysis) -> Option<String> {
    let prepared = module.defined_funcs().any(|func| analysis.closure[func]);
    let guarded = analysis.guards.values().flatten().any(|call| call.is_assumed);
    (guarded && !prepared).then(|| {
        "the assumptions leave no function of the module in the closure: whatever calls an entry, the \
         unwind ends at a guard"
            .into()
    })
}

/// Sites whose index comes from memory.
fn loads(model: &Model<'_>, analysis: &Analysis) -> Option<String> {
    let is_open = |ordinal: &u32| {
        model.facts.loaded.binary_search(ordinal).is_ok()
            && !model.flows.targets.contains_key(ordinal)
    };
    let calls = model.facts.calls.iter_enumerated();
    let open = calls.map(|(func, calls)| {
        let is_site = |call: &&Call| {
            let sites = &analysis.sites[func];
            sites.binary_search_by_key(&call.offset, |site| site.offset).is_ok()
        };
        let loaded = calls.iter().filter(|call| match &call.callee {
            Callee::Dynamic { ordinal, .. } => is_open(ordinal),
            Callee::Direct { .. } => false,
        });
        loaded.filter(is_site).count()
    });
    let number: usize = open.sum();
    (number > 0).then(|| {
        let (sites, verb) = (count(number, "site"), agree(number, "takes", "take"));
        format!(
            "{sites} {verb} the index from memory, where it is not followed: any slot of the table may be \
             called."
        )
    })
}

/// The warning of a module that expects Asyncify's pass: it imports the protocol's functions, to drive itself.
pub(super) fn drives_itself(module: &Module<'_>) -> Option<String> {
    let mut imports = module.funcs.iter().filter_map(|func| func.import());
    let import = imports.find(|import| import.module == "asyncify")?;
    Some(format!(
        "the module imports `asyncify.{}`: it drives Asyncify's protocol itself, and expects `wasm-opt --asyncify` to put \
         that protocol's functions in place of these imports, as this tool does for the ABI asyncify; for this one they are left \
         as they are",
        escape(import.name)
    ))
}
