//! The answer as lines of text: one for the function, one for each call.

use super::{Answer, AssumedOutside, CallStep, Callees, DynamicCallees, Explanation};
use crate::text::escape;
use std::fmt;

/// The most callees of a function that are listed; JSON has them all.
const MAX_CALLEES: usize = 20;

/// The most offsets of calls that are listed for one callee.
const MAX_OFFSETS: usize = 4;

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.functions.iter().try_for_each(|function| function.fmt(f))
    }
}

/// ```text
/// 5 (run) is in the closure
///   5 (run) calls 7 (child) at 0x1f3 (main.c:12:3) through table 0, type 3 (i32) -> i32, index 1; …
///   7 (child) calls 0 (fork) at 0x20a (main.c:20:9) directly
/// ```
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match (self.function.closure, &self.assumed) {
            (true, _) => "in the closure",
            (false, None) => "not in the closure",
            (false, Some(_)) => "not in the closure, but only by assumption",
        };
        write!(f, "{} is {place}", self.function)?;
        if let Some(declared) = &self.declared {
            write!(f, " ({})", escape(&declared.to_string()))?;
        }
        writeln!(f)?;
        self.calls.iter().try_for_each(|call| writeln!(f, "  {call}"))?;
        match (&self.assumed, &self.callees) {
            (Some(assumed), _) => assumed.fmt(f),
            (None, Some(callees)) if !self.function.closure => why_not(callees, f),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for CallStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.callee {
            Some(callee) => write!(f, "{} calls {callee}", self.caller)?,
            None => write!(f, "{} calls a function of another module", self.caller)?,
        }
        if let Some(offset) = self.offset {
            write!(f, " at {offset:#x}")?;
        }
        if let Some(line) = &self.line {
            write!(f, " ({})", escape(&line.to_string()))?;
        }
        write!(f, " {}", self.evidence)
    }
}

impl fmt::Display for AssumedOutside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for assumption in &self.assumptions {
            writeln!(f, "  assumed: {}", escape(assumption))?;
        }
        if self.only_together {
            writeln!(f, "  none of these alone keeps it outside; without all of them:")?;
        } else {
            writeln!(f, "  without any assumption:")?;
        }
        self.path.iter().try_for_each(|call| writeln!(f, "  {call}"))
    }
}

/// What a function outside the closure calls, and where that leads.
fn why_not(callees: &Callees, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if callees.direct.is_empty() && callees.dynamic.is_empty() {
        return writeln!(f, "  it calls nothing");
    }
    for direct in callees.direct.iter().take(MAX_CALLEES) {
        let offsets = list(&direct.offsets);
        writeln!(f, "  calls {} {offsets} directly: not in the closure", direct.function)?;
    }
    rest(callees.direct.len(), "functions directly: none in the closure", f)?;
    for dynamic in callees.dynamic.iter().take(MAX_CALLEES) {
        writeln!(
            f,
            "  calls {} {}: {}",
            list(&dynamic.offsets),
            dynamic,
            dynamic.outcome.join("; ")
        )?;
    }
    rest(callees.dynamic.len(), "kinds of indirect calls: none leads into the closure", f)
}

fn rest(count: usize, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match count.checked_sub(MAX_CALLEES) {
        None | Some(0) => Ok(()),
        Some(rest) => writeln!(f, "  calls {rest} more {what}"),
    }
}

/// `through table 0, type 3 (i32) -> i32, index 1 or 2`
impl fmt::Display for DynamicCallees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ty, signature) = (self.r#type.index, &self.r#type.signature);
        let Some(table) = self.table else {
            return write!(f, "by a reference of type {ty} {signature}");
        };
        write!(f, "through table {table}, type {ty} {signature}")?;
        match (&self.index, self.any_slot) {
            (Some(values), None) => {
                let values: Vec<_> = values.iter().map(u64::to_string).collect();
                write!(f, ", index {}", values.join(" or "))
            }
            _ => write!(f, ", any index"),
        }
    }
}

/// `at 0x12, 0x34`
pub(super) fn list(offsets: &[u32]) -> String {
    let shown = offsets.iter().take(MAX_OFFSETS).map(|offset| format!("{offset:#x}"));
    let shown: Vec<_> = shown.collect();
    match offsets.len().checked_sub(MAX_OFFSETS) {
        None | Some(0) => format!("at {}", shown.join(", ")),
        Some(rest) => format!("at {} and {rest} more places", shown.join(", ")),
    }
}
