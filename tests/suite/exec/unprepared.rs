//! Programs some of whose functions are not prepared, though an unwind may come to them: it is undone at a guard, and the
//! program must go on as the original does when that entry call fails. Unwinds that meet none go through as ever.

use super::differential::{Case, difference};
use super::drive::{Run, Step};
use super::entry::{Limit, Policy, When};
use super::program::Effort;
use super::world::Answer;
use std::collections::BTreeSet;
use wasmtime::{Result, ensure};

/// What became of the unwinds of a program.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many were undone at a guard.
    pub undone: usize,
    /// How many went through.
    pub unwound: usize,
    /// The functions that were not prepared.
    pub unprepared: BTreeSet<u32>,
}

/// How a run goes on where its stack was unwound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In the same instance, which has the globals that it had.
    Same,
    /// In the same instance, whose globals are restored.
    Restored,
    Fresh,
    /// In a fresh instance where the entry returns 0, and after that in the one that it is a copy of.
    Twin,
}

/// Runs the instrumented module in all these ways, `prepared` are the functions that are prepared in it.
pub fn check(case: &Case<'_>, prepared: &BTreeSet<u32>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let spec = case.original.spec;
    let mut ways = vec![Way::Same, Way::Restored];
    if !spec.same_instance_only && !spec.keeps_references {
        ways.extend([Way::Fresh, Way::Twin]);
    }
    let each = case.calls_to_try().map(When::At);
    let all = (spec.effort == Effort::Full).then_some(When::Every);
    for when in each.chain(all) {
        // At most calls only what differs most is tried.
        let whole = [When::At(0), When::Every].contains(&when);
        for way in ways.iter().filter(|way| whole || [Way::Same, Way::Fresh].contains(way)) {
            let policy = Policy { when, resume: *way == Way::Same, ..Policy::default() };
            check_way(case, *way, policy, &mut tally)
                .map_err(|error| format!("{when:?}, {way:?}: {error}"))?;
        }
        // The host itself writes to the header.
        for bytes in if whole { &[16, 40, 96][..] } else { &[] } {
            let policy = Policy { when, limit: Limit::Bytes(*bytes), ..Policy::default() };
            check_way(case, Way::Restored, policy, &mut Tally::default())
                .map_err(|error| format!("{when:?}, a buffer of {bytes} bytes: {error}"))?;
        }
    }
    match tally.unprepared.intersection(prepared).next() {
        Some(func) => Err(format!("function {func} is said to be unprepared")),
        None => Ok(tally),
    }
}

fn check_way(case: &Case<'_>, way: Way, policy: Policy, tally: &mut Tally) -> Result<(), String> {
    let mut runs = || -> Result<_> {
        let has_room = policy.limit == Limit::True;
        let mut run = Run::new(&case.rewritten, case.world(), policy.clone())?;
        let mut step = run.advance()?;
        let mut paused = 0;
        let mut children = Vec::new();
        while step == Step::Paused {
            paused += 1;
            match way {
                Way::Same | Way::Restored => {}
                Way::Fresh => run.migrate()?,
                Way::Twin => children.push(finished(run.child(Answer::Child)?)?),
            }
            step = run.resume()?;
        }
        let protocol = &run.session.store.data().protocol;
        tally.unwound += paused;
        tally.undone += protocol.unprepared.len();
        tally.unprepared.extend(&protocol.unprepared);
        // A fresh instance begins to count anew.
        ensure!(
            !has_room
                || way == Way::Fresh
                || case.original.spec.undone
                || protocol.no_room == protocol.unprepared.len(),
            "an unwind was undone, and no function was unprepared"
        );
        children.push(finished(run)?);
        Ok(children)
    };
    for (observed, answers) in runs().map_err(|error| format!("{error:#}"))? {
        let expected = case.original_answered(answers)?;
        if let Some(difference) = difference(&expected, &observed) {
            return Err(difference);
        }
    }
    Ok(())
}

/// Runs to the end in the same instance, and says how the entry calls were answered that got no ordinary answer.
fn finished(
    mut run: Run<'_>,
) -> Result<(super::drive::Observation, std::collections::BTreeMap<usize, Answer>)> {
    if run.is_paused() {
        while run.resume()? == Step::Paused {}
    }
    Ok((run.observe()?, run.session.store.data().world.answers.clone()))
}
