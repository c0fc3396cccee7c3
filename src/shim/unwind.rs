//! Repairing a module that was instrumented before: a call must not come to lead to an unwind that its
//! function is not prepared for.
//!
//! An adapter needs no frame: it passes on what it is given, in either direction. But before the
//! repair the call trapped where the adapter is now, so `instrument` may have left it out. A call that
//! is prepared is followed by the test of the state:
//!
//! ```wat
//! call_indirect …
//! i32.const …
//! global.get $wpk_fork_state
//! br_if …
//! ```

use super::mismatch::Mismatches;
use super::operators;
use super::plan::Plan;
use super::select::ChosenCall;
use crate::abi;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx};
use crate::read::Module;
use crate::text::escape;
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::Operator;

/// Refuses a repair after which a call could unwind through a function that is not prepared.
///
/// # Errors
/// [`Error::Unsupported`] with the call; [`Error::UnsupportedModule`] if calls are made in a resume module, too.
pub(super) fn check(
    mismatches: &Mismatches<'_>,
    plan: &Plan,
    calls: &[ChosenCall<'_>],
) -> Result<()> {
    let module = mismatches.module;
    let Some(state) = state_global(module)? else { return Ok(()) };
    if abi::has_resume_module(module) {
        return Err(Error::UnsupportedModule {
            what:
                "the module is instrumented, and has a resume module that makes its calls once more"
                    .into(),
            advice: "repair the module first, then instrument it; or do both in one command".into(),
        });
    }
    let mut unwinding = Unwinding { module, state, funcs: BTreeMap::new() };
    let prepared = prepared(module, state, calls)?;
    // Calls that meet the same are looked at once.
    let mut known = BTreeSet::new();
    for chosen in calls.iter().filter(|chosen| !prepared.contains(&chosen.call.offset)) {
        let class = mismatches.class(chosen.call);
        if known.insert((class, chosen.targets.key())) {
            for mismatch in mismatches.adaptable(class, &chosen.targets) {
                for placed in &mismatch.funcs.placed {
                    work::count(1);
                    if unwinding.may(placed.func)? {
                        return Err(unprepared(module, chosen, Some(placed.func)));
                    }
                }
            }
        }
        // A tester adapts to whatever it meets.
        if !plan.testers.is_empty() {
            return Err(unprepared(module, chosen, None));
        }
    }
    Ok(())
}

fn unprepared(module: &Module<'_>, chosen: &ChosenCall<'_>, func: Option<FuncIdx>) -> Error {
    let met = func.map_or_else(
        || "what it meets".to_owned(),
        |func| match module.names.func(func) {
            Some(name) => format!("function {func} ({})", escape(name)),
            None => format!("function {func}"),
        },
    );
    Error::Unsupported {
        what: format!("the module is instrumented, and this call is not prepared to unwind {met}"),
        location: module.location(chosen.call.caller, chosen.call.offset as usize),
        advice: "repair the module first, then instrument it; or do both in one command".into(),
    }
}

/// The global that holds the state; `None` if the module is not instrumented.
pub(super) fn state_global(module: &Module<'_>) -> Result<Option<GlobalIdx>> {
    let Some(func) = abi::state_getter(module) else { return Ok(None) };
    let operators = operators(module, func)?;
    Ok(match operators.first().map(|located| &located.operator) {
        Some(Operator::GlobalGet { global_index }) => Some(GlobalIdx(*global_index)),
        _ => None,
    })
}

/// The calls that are followed by the test of the state.
fn prepared(
    module: &Module<'_>,
    state: GlobalIdx,
    calls: &[ChosenCall<'_>],
) -> Result<BTreeSet<u32>> {
    let mut prepared = BTreeSet::new();
    for of_caller in calls.chunk_by(|a, b| a.call.caller == b.call.caller) {
        let operators = operators(module, of_caller[0].call.caller)?;
        for three in operators.windows(3) {
            let [call, number, test] = three else { continue };
            if matches!(number.operator, Operator::I32Const { .. })
                && test.operator == (Operator::GlobalGet { global_index: state.0 })
            {
                prepared.insert(call.start);
            }
        }
    }
    Ok(prepared)
}

/// Which functions an unwind may come out of.
struct Unwinding<'a, 'm> {
    module: &'a Module<'m>,
    state: GlobalIdx,
    funcs: BTreeMap<FuncIdx, bool>,
}

impl Unwinding<'_, '_> {
    /// Imports, of which any may be an entry, and functions that test the state.
    fn may(&mut self, func: FuncIdx) -> Result<bool> {
        if self.module.is_import(func) {
            return Ok(true);
        }
        if let Some(known) = self.funcs.get(&func) {
            return Ok(*known);
        }
        let test = Operator::GlobalGet { global_index: self.state.0 };
        let found = operators(self.module, func)?.iter().any(|located| located.operator == test);
        self.funcs.insert(func, found);
        Ok(found)
    }
}
