//! The events that liveness looks at, operator by operator.

use super::skeleton::{Event, Skeleton};
use crate::read::labels;
use crate::work;
use wasmparser::Operator;

/// Records the events of a live operator that neither reads nor writes a local: the walk records those itself. `may_catch`:
/// inside the body of a `try`.
pub(super) fn record(out: &mut Skeleton, op: &Operator<'_>, is_site: bool, may_catch: bool) {
    let events = &mut out.events;
    match op {
        Operator::Block { .. } => events.push(Event::Block),
        Operator::Loop { .. } => {
            events.push(Event::Loop(out.loops));
            out.loops += 1;
        }
        Operator::If { .. } => events.push(Event::If),
        Operator::Else => events.push(Event::Else),
        Operator::Try { .. } => events.push(Event::Try),
        Operator::Catch { .. } | Operator::CatchAll => events.push(Event::Catch),
        Operator::End | Operator::Delegate { .. } => events.push(Event::End),
        Operator::TryTable { try_table } => {
            // Backwards, liveness meets the handlers after it has left the body.
            for catch in &try_table.catches {
                work::count(1);
                events.push(Event::Handler(labels::catch_label(catch)));
            }
            events.push(Event::Block);
        }
        Operator::Return | Operator::Unreachable => events.push(Event::Stop),
        Operator::Throw { .. } | Operator::ThrowRef | Operator::Rethrow { .. } => {
            events.push(Event::MayThrow);
            events.push(Event::Stop);
        }
        _ => record_other(out, op, is_site, may_catch),
    }
}

fn record_other(out: &mut Skeleton, op: &Operator<'_>, is_site: bool, may_catch: bool) {
    if let Operator::BrTable { .. } = op {
        // A table names the same few labels over and over.
        let mut depths = Vec::new();
        labels::visit_branch_depths(op, |depth| depths.push(depth));
        depths.sort_unstable();
        depths.dedup();
        out.events.extend(depths.into_iter().map(Event::BrIf));
    } else {
        labels::visit_branch_depths(op, |depth| out.events.push(Event::BrIf(depth)));
    }
    match op {
        Operator::Br { .. } | Operator::BrTable { .. } => out.events.push(Event::Stop),
        Operator::ReturnCall { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::ReturnCallRef { .. } => {
            if is_site {
                out.events.push(Event::Site(out.needed.len() as u32 - 1));
            }
            out.events.push(Event::Stop);
        }
        Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
            if is_site {
                out.events.push(Event::Site(out.needed.len() as u32 - 1));
            }
            // After the site, so that a site's live locals include what handlers read.
            if may_catch {
                out.events.push(Event::MayThrow);
            }
        }
        _ => {}
    }
}
