//! Which labels an operator names. The one place that lists the branching instructions.

use wasmparser::{Catch, Operator};

/// Calls `visit` with each label (as a depth) that `op` may branch to, handlers of a `try_table`
/// included: those depths count from outside the `try_table`. `rethrow` and `delegate` name a
/// label without branching to it, and are not visited.
pub fn visit_branch_depths(op: &Operator<'_>, mut visit: impl FnMut(u32)) {
    match op {
        Operator::Br { relative_depth }
        | Operator::BrIf { relative_depth }
        | Operator::BrOnNull { relative_depth }
        | Operator::BrOnNonNull { relative_depth }
        | Operator::BrOnCast { relative_depth, .. }
        | Operator::BrOnCastFail { relative_depth, .. }
        | Operator::BrOnCastDescEq { relative_depth, .. }
        | Operator::BrOnCastDescEqFail { relative_depth, .. } => visit(*relative_depth),
        Operator::BrTable { targets } => {
            for depth in targets.targets().flatten() {
                visit(depth);
            }
            visit(targets.default());
        }
        Operator::TryTable { try_table } => {
            for catch in &try_table.catches {
                visit(catch_label(catch));
            }
        }
        _ => {}
    }
}

/// The label that a handler of a `try_table` branches to.
pub fn catch_label(catch: &Catch) -> u32 {
    match catch {
        Catch::One { label, .. }
        | Catch::OneRef { label, .. }
        | Catch::All { label }
        | Catch::AllRef { label } => *label,
    }
}
