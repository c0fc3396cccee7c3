//! Unwinding into a buffer that is too small: for every size, the program must go on as if the
//! entry had failed, and no byte at or past `end` may be written.

use super::differential::{Case, difference};
use super::drive::{Run, Step};
use super::entry::{Limit, Policy, When};
use super::world::Answer;
use wasmtime::{Result, ensure};

pub fn check(case: &Case<'_>, call: usize) -> Result<(), String> {
    let say = |what: String| format!("buffer too small at entry call {call}: {what}");
    let fit = needed_bytes(case, call).map_err(|e| say(format!("{e:#}")))?;
    let Some((header_bytes, needed_bytes)) = fit else {
        return Ok(());
    };
    let mut expected = None;
    let step = (needed_bytes - header_bytes).div_ceil(case.original.spec.effort.sizes()).max(1);
    let sizes = (header_bytes..needed_bytes).step_by(step).chain([needed_bytes - 1, needed_bytes]);
    for bytes in sizes {
        let say = |what: String| say(format!("with {bytes} of {needed_bytes} bytes: {what}"));
        let outcome = unwind_into(case, call, bytes).map_err(|e| say(format!("{e:#}")))?;
        let (observed, no_room) = outcome;
        let fits = bytes == needed_bytes;
        if no_room == fits {
            return Err(say(format!("there was no room: {no_room}")));
        }
        let diff = if fits {
            difference(&case.reference, &observed)
        } else {
            let expected = match &expected {
                Some(expected) => expected,
                None => expected.insert(case.original_with(call, Answer::Error)?),
            };
            difference(expected, &observed)
        };
        if let Some(diff) = diff {
            return Err(say(diff));
        }
    }
    Ok(())
}

/// The size of the least buffer, and of the one that entry call `call` needs; `None` if there is nothing to save.
fn needed_bytes(case: &Case<'_>, call: usize) -> Result<Option<(usize, usize)>> {
    let policy = Policy { when: When::At(call), ..Policy::default() };
    let mut run = Run::new(&case.rewritten, case.world(), policy)?;
    let step = run.advance()?;
    ensure!(step == Step::Paused, "the program ended before this call");
    let (header_bytes, bytes) = (run.header_bytes(), run.paused_bytes());
    Ok((bytes > header_bytes).then_some((header_bytes, bytes)))
}

fn unwind_into(
    case: &Case<'_>,
    call: usize,
    bytes: usize,
) -> Result<(super::drive::Observation, bool)> {
    let policy = Policy { when: When::At(call), limit: Limit::Bytes(bytes), ..Policy::default() };
    let mut run = Run::new(&case.rewritten, case.world(), policy)?;
    let mut step = run.advance()?;
    while step == Step::Paused {
        step = run.resume()?;
    }
    let no_room = run.session.store.data().protocol.no_room > 0;
    Ok((run.observe()?, no_room))
}
