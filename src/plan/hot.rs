//! Which functions a CPU profile puts apart: those that give most time for the bytes of their resume functions, until
//! they carry nine tenths of the time that the closure takes.

use super::scratch::Scratch;
use super::tails::Calls;
use super::{KnownTags, Planner, References};
use crate::analyze::{Analysis, FuncNames, recorded_function};
use crate::cpu_profile::CpuProfile;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::profile::Seen;
use crate::read::Module;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A function that time was spent in.
struct Candidate {
    func: FuncIdx,
    time: u64,
    /// How many bytes of its body its resume function has.
    bytes: u64,
}

/// The functions of the closure to put apart. Those of the profile that aren't found in the module are passed over.
///
/// # Errors
/// As [`Plan::make`](super::Plan::make).
pub(super) fn functions(
    module: &Module<'_>,
    analysis: &Analysis,
    calls: &Calls,
    profile: &CpuProfile,
    can_undo: bool,
) -> Result<BTreeSet<FuncIdx>> {
    let times = times(module, profile);
    let has_frame = |func: &FuncIdx| calls.with_frames().binary_search(func).is_ok();
    let times: Vec<_> = times.into_iter().filter(|(func, _)| has_frame(func)).collect();
    let (tags, references) = (&KnownTags::of(module, false), &References::default());
    let (forms, maps_offsets) = (None, false);
    let planner = Planner { module, tags, references, calls, can_undo, forms, maps_offsets };
    let candidates: Vec<_> = times
        .into_par_iter()
        .map_init(Scratch::default, |scratch, (func, time)| {
            let sites = &analysis.sites[func];
            let plan = match planner.func(func, sites, scratch) {
                // It is refused as it would be without a profile.
                Err(Error::Refused(_)) => return Ok(None),
                plan => plan?,
            };
            Ok(plan.resume.as_ref().map(|resume| {
                let body = module.body(func).map_or(0, |body| body.as_bytes().len());
                let dead: usize = resume.dead.iter().map(|range| range.len()).sum();
                Candidate { func, time, bytes: body.saturating_sub(dead) as u64 }
            }))
        })
        .collect();
    let candidates = candidates.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(greedy(candidates.into_iter().flatten().collect()))
}

/// The time of each function that is found.
fn times(module: &Module<'_>, profile: &CpuProfile) -> BTreeMap<FuncIdx, u64> {
    let names = FuncNames::new(module);
    let mut times: BTreeMap<FuncIdx, u64> = BTreeMap::new();
    for hot in &profile.functions {
        let seen = Seen {
            index: hot.index,
            name: hot.name.clone(),
            count: 0,
            self_time: hot.self_time,
            body: None,
        };
        if let Ok(func) = recorded_function(module, &names, &seen) {
            *times.entry(func).or_default() += hot.self_time;
        }
    }
    times
}

fn greedy(mut candidates: Vec<Candidate>) -> BTreeSet<FuncIdx> {
    let total: u128 = candidates.iter().map(|candidate| u128::from(candidate.time)).sum();
    candidates.sort_by(|a, b| {
        let by_byte =
            |x: &Candidate, other: &Candidate| u128::from(x.time) * u128::from(other.bytes);
        by_byte(b, a).cmp(&by_byte(a, b)).then(a.func.cmp(&b.func))
    });
    let mut carried = 0;
    let mut chosen = BTreeSet::new();
    for Candidate { func, time, .. } in candidates {
        if carried * 10 >= total * 9 {
            break;
        }
        carried += u128::from(time);
        chosen.insert(func);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_time_for_a_byte_comes_first_up_to_nine_tenths() {
        let candidate = |func, time, bytes| Candidate { func: FuncIdx(func), time, bytes };
        let chosen = greedy(vec![
            candidate(1, 50, 1000),
            candidate(2, 30, 10),
            candidate(3, 15, 300),
            candidate(4, 5, 1000),
        ]);
        let chosen: Vec<_> = chosen.into_iter().map(|func| func.0).collect();
        assert_eq!(chosen, [1, 2, 3], "80 of 100 is not enough");
    }
}
