//! Where values are that leave the operand stack for a while: for debug information.

use super::Step;
use super::skeleton::{Home, NodeKind, Skeleton, Spill};
use crate::index::LocalIdx;
use std::ops::Range;

/// A value that is not where the input has it on the operand stack, between two of the input's offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displaced {
    /// From where to where.
    pub range: Range<u32>,
    /// How many values the input has below it.
    pub position: u32,
    /// The local that holds it meanwhile, if any.
    pub local: Option<LocalIdx>,
}

impl Displaced {
    /// A value that leaves the operand stack at `landing`, or isn't put there before, up to where `back` brings it back.
    pub(super) fn of(
        skeleton: &Skeleton,
        landing: u32,
        spill: &Spill,
        back: Option<Step>,
    ) -> Option<Displaced> {
        let start = spill.unpushed_at.map_or(landing, |offset| offset + 1);
        let end = match spill.home {
            Home::Nowhere(at) => at,
            _ => {
                let last = &skeleton.nodes[spill.last];
                match last.kind {
                    NodeKind::Site { .. } => last.landing,
                    NodeKind::Loop | NodeKind::Try => last.start,
                    NodeKind::Block | NodeKind::If => last.end + 1,
                }
            }
        };
        let local = match back {
            Some(Step::Get(local)) => Some(local),
            _ => None,
        };
        (start < end).then_some(Displaced { range: start..end, position: spill.position, local })
    }
}
