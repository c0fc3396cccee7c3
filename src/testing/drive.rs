//! Runs a program from its first export to its last, as a host does that unwinds and rewinds.

use super::guest::{Guest, Setup};
use super::kit::{Kit, Phase, When};
use super::observe::Observation;
use super::program::Program;
use super::{Invoke, Rewound};
use crate::host::protocol::{Broken, NORMAL, REWINDING, blanks};
use crate::testing::value;
use crate::wasi::Exit;
use std::sync::Arc;
use wasmtime::{Func, Result, ThrownException, Trap, Val, format_err};

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) when: When,
    pub(super) rewound: Rewound,
    pub(super) may_be_undone: bool,
    pub(super) fuel: u64,
    /// Whether the frames of all stacks are wanted.
    pub(super) records: bool,
}

/// The frames of a stack that was unwound, and how often there was one like it.
pub(super) type Stack = (Vec<u8>, u64);

/// What came of a run.
pub(super) struct Ran<T> {
    pub(super) observation: Observation,
    pub(super) host: T,
    pub(super) entry_calls: usize,
    pub(super) unwinds: usize,
    pub(super) undone: usize,
    pub(super) most_bytes: usize,
    pub(super) fuel_used: u64,
    /// Those that were unwound, if they are wanted.
    pub(super) stacks: Vec<Stack>,
}

/// Whether a call has ended, or its stack is in memory.
enum Step {
    /// With what, as text; and whether the program can go on.
    Ended(String, bool),
    Paused,
}

/// Calls one export after the other, until one ends the program.
///
/// # Errors
/// [`Broken`] if anything is against the protocol; and whatever else stands in the way of a run.
pub(super) fn run<T: 'static>(
    setup: &Setup<'_, T>,
    program: &Arc<Program>,
    invokes: &[Invoke],
    host: T,
    policy: Policy,
) -> Result<Ran<T>> {
    let mut kit = Kit::new(policy.when, policy.may_be_undone);
    kit.stacks = policy.records.then(Default::default);
    let mut guest = Guest::new(setup, program, host, kit, policy.fuel)?;
    let mut outcomes = Vec::new();
    for Invoke { export, args } in invokes {
        let func = guest.export(export)?;
        let mut step = call(&mut guest, func, args)?;
        while let Step::Paused = step {
            if policy.rewound == Rewound::Fresh {
                guest = guest.copy()?;
            }
            step = rewind(&mut guest, export, args, policy.rewound)?;
        }
        let Step::Ended(outcome, goes_on) = step else { continue };
        outcomes.push(format!("{export}: {outcome}"));
        if !goes_on {
            break;
        }
    }
    let observation = guest.observe(outcomes);
    let fuel_used = policy.fuel.saturating_sub(guest.store.get_fuel()?);
    let (host, kit) = (guest.store.into_data(), guest.kit);
    let mut kit = kit.lock();
    Ok(Ran {
        stacks: kit.stacks.take().into_iter().flatten().collect(),
        observation,
        host,
        entry_calls: kit.entry_calls,
        unwinds: kit.unwinds,
        undone: kit.undone,
        most_bytes: kit.most_bytes,
        fuel_used,
    })
}

/// Rewinds a stack that is in memory. The arguments don't matter, unless the export is an import: then there is no frame that has them.
fn rewind<T: 'static>(
    guest: &mut Guest<'_, T>,
    export: &str,
    args: &[Val],
    rewound: Rewound,
) -> Result<Step> {
    let abi = guest.abi()?;
    let address = guest.kit.lock().buffer.as_ref().map(super::kit::Buffer::address);
    let begin = match rewound {
        Rewound::Same => abi.resume_begin,
        Rewound::Fresh => abi.rewind_begin,
    };
    begin.call(&mut guest.store, &Vec::from_iter(address))?;
    let state = abi.state(&mut guest.store)?;
    if state != REWINDING {
        return Err(Broken(format!("the state is {state} when a rewind has begun")).into());
    }
    let func = guest.export(export)?;
    let garbage = blanks(func.ty(&guest.store).params());
    let is_import = guest.setup.outline.exported_imports.contains(export);
    call(guest, func, if is_import { args } else { &garbage })
}

fn call<T: 'static>(guest: &mut Guest<'_, T>, func: Func, args: &[Val]) -> Result<Step> {
    let mut results = blanks(func.ty(&guest.store).results());
    let outcome = func.call(&mut guest.store, args, &mut results);
    let phase = std::mem::take(&mut guest.kit.lock().phase);
    match (phase, outcome) {
        (_, Err(error)) if error.is::<Broken>() => Err(error),
        (Phase::Unwinding(pending), Ok(())) => {
            guest.kit.end_unwind(&mut guest.store, pending)?;
            Ok(Step::Paused)
        }
        (Phase::Unwinding(_), Err(error)) => {
            Err(Broken(format!("the unwind ends in an error: {}", short(&error))).into())
        }
        (Phase::Rewinding(_), outcome) => {
            let came = outcome.map_or_else(|error| short(&error), |()| "returns".into());
            Err(Broken(format!("the rewind doesn't come to the entry: the export {came}")).into())
        }
        (Phase::Normal, Ok(())) => {
            let state = guest.kit.state(&mut guest.store)?;
            if state != NORMAL {
                return Err(
                    Broken(format!("the state is {state} after the export has returned")).into()
                );
            }
            Ok(Step::Ended(format!("({})", value::show_all(&results)), true))
        }
        (Phase::Normal, Err(error)) => ended(guest, error),
    }
}

/// A program that doesn't return.
fn ended<T: 'static>(guest: &mut Guest<'_, T>, error: wasmtime::Error) -> Result<Step> {
    if error.is::<ThrownException>() {
        guest.store.take_pending_exception();
        return Ok(Step::Ended("an exception".into(), true));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            let why = "the program doesn't end: it takes many times what the original takes";
            return Err(Broken(why.into()).into());
        }
        // How deep it is depends on the code's size.
        Some(Trap::StackOverflow) => {
            return Err(format_err!(
                "the stack overflows; the frames of instrumented functions are larger, so nothing can be said"
            ));
        }
        _ => {}
    }
    if let Some(Exit(status)) = error.downcast_ref() {
        return Ok(Step::Ended(format!("exit status {status}"), false));
    }
    Ok(Step::Ended(short(&error), false))
}

/// An error without the stack, on which functions have other offsets.
fn short(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => format!("trap: {trap}"),
        None => format!("error: {}", error.root_cause()),
    }
}
