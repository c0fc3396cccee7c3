//! The steps of operators that are left out, or that no longer leave a value on the operand stack, among all others of a body.

use super::Step;
use super::skeleton::Skeleton;
use crate::work;

/// Adds them to the other steps, and puts all in order of offsets.
pub(super) fn add(steps: &mut Vec<(u32, Step)>, skeleton: &Skeleton) {
    steps.extend(skeleton.omitted.iter().map(|offset| (*offset, Step::Omit)));
    steps.extend(skeleton.sets.iter().map(|offset| (*offset, Step::TeeToSet)));
    if !steps.is_sorted_by_key(|(offset, _)| *offset) {
        steps.sort_by_key(|(offset, _)| *offset);
    }
    leave_out(steps);
}

/// Where a landing is at an operator that is left out or changed, that operator isn't copied.
fn leave_out(steps: &mut Vec<(u32, Step)>) {
    let mut changed = None;
    let mut kept = steps.len();
    for index in (0..steps.len()).rev() {
        work::count(1);
        let (offset, step) = steps[index];
        if matches!(step, Step::Omit | Step::TeeToSet) {
            changed = Some(offset);
        }
        if step != Step::Copy || changed != Some(offset) {
            kept -= 1;
            steps[kept] = steps[index];
        }
    }
    steps.drain(..kept);
}
