//! The closure as a report: plain data for people (text) and programs (JSON).

use crate::analyze::Analysis;
use crate::index::FuncIdx;
use crate::read::Module;
use crate::refusal::Refusals;
use crate::rewrite::GuardCost;
use crate::text::{Named, count, escape};
use serde::Serialize;
use std::fmt;

/// The closure of a module's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The entries that the module imports, as `module.name`.
    pub entries: Vec<String>,
    /// How many functions the closure has.
    pub counts: Counts,
    /// The functions of the closure, in index order.
    pub closure: Vec<ClosureFunction>,
    /// What the closure relies on and this tool can't check, one sentence each.
    pub assumptions: Vec<String>,
    /// What of this no guard tests either, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untested: Vec<String>,
    /// What the analysis recognised by itself, or could not follow, one sentence each.
    pub notes: Vec<String>,
    /// What the user should know before using the closure, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the user assumed beyond that, with what each assumption saves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<AssumptionCost>,
    /// What all guards cost.
    #[serde(flatten, skip_serializing_if = "Guards::are_none")]
    pub guards: Guards,
    /// How many of them are behind calls that lead out of the module, in case these call back; the others are there for what the user
    /// assumed.
    #[serde(skip_serializing_if = "is_zero")]
    pub guards_of_calls_out: usize,
    /// What `instrument` would refuse the module for.
    #[serde(skip_serializing_if = "Refusals::is_empty")]
    pub refusals: Refusals,
}

/// Guards, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Guards {
    /// How many calls are guarded.
    pub guards: usize,
    /// By how many bytes the bodies of the guarded functions grow for that.
    pub guard_bytes: i64,
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Guards {
    fn new<'c>(costs: impl Iterator<Item = &'c GuardCost>) -> Guards {
        costs.fold(Guards::default(), |sum, cost| Guards {
            guards: sum.guards + 1,
            guard_bytes: sum.guard_bytes + cost.bytes,
        })
    }

    // serde passes a reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn are_none(&self) -> bool {
        self.guards == 0
    }
}

/// `3 guards (24 bytes)`.
impl fmt::Display for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Guards { guards, guard_bytes } = self;
        write!(f, "{} ({guard_bytes} bytes)", count(*guards, "guard"))
    }
}

/// An assumption of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssumptionCost {
    /// The assumption as a sentence.
    pub assumption: String,
    /// How many more functions the closure would have without it.
    pub saves: usize,
    /// What it costs: the guards that are there for it alone, in functions that would be in the
    /// closure without it. A guard that several assumptions ask for counts only among all.
    #[serde(flatten)]
    pub costs: Guards,
}

/// `no entry is ever called below `main`: 12 functions fewer, for 3 guards (24 bytes)`.
impl fmt::Display for AssumptionCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AssumptionCost { assumption, saves, costs } = self;
        write!(f, "{assumption}: {} fewer, for {costs}", count(*saves, "function"))
    }
}

/// How many functions the closure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub total: usize,
    /// Those that the module defines.
    pub local: usize,
    /// Those that it imports.
    pub import: usize,
}

/// A function of the closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClosureFunction {
    /// Its index in the function index space.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether it is an import.
    pub import: bool,
    /// Whether it can leave a frame: false for imports and for a function that is on the path by
    /// tail calls of other functions only.
    pub frames: bool,
}

impl Report {
    /// Describes `analysis` of `module`; `guards` are what each of its guards costs, in order of
    /// function and offset.
    pub(crate) fn new(module: &Module<'_>, analysis: &Analysis, guards: &[GuardCost]) -> Report {
        let cost = |(func, offset): &(FuncIdx, u32)| {
            let place = guards.binary_search_by_key(&(*func, *offset), |g| (g.func, g.offset));
            place.ok().map(|place| &guards[place])
        };
        let inside = analysis.closure.iter_enumerated().filter(|(_, in_it)| **in_it);
        let closure: Vec<_> = inside
            .map(|(func, _)| ClosureFunction {
                index: func.0,
                name: module.func_name(func).map(Into::into),
                import: module.is_import(func),
                frames: analysis.sites[func].iter().any(|site| !site.leaves_no_frame()),
            })
            .collect();
        let import = closure.iter().filter(|function| function.import).count();
        Report {
            entries: analysis.entries.iter().map(|entry| import_name(module, *entry)).collect(),
            counts: Counts { total: closure.len(), local: closure.len() - import, import },
            closure,
            assumptions: analysis.assumptions.clone(),
            untested: analysis.untested.clone(),
            notes: analysis.notes.clone(),
            warnings: analysis.warnings.clone(),
            assumed: analysis
                .savings
                .iter()
                .map(|saving| AssumptionCost {
                    assumption: saving.assumption.clone(),
                    saves: saving.functions,
                    costs: Guards::new(saving.guards.iter().filter_map(cost)),
                })
                .collect(),
            guards: Guards::new(guards.iter()),
            guards_of_calls_out: analysis
                .guards
                .values()
                .flatten()
                .filter(|call| !call.is_assumed)
                .count(),
            refusals: Refusals::default(),
        }
    }
}

/// `module.name`, or the name of a function that begins unwinds itself.
pub(super) fn import_name(module: &Module<'_>, func: FuncIdx) -> String {
    let defined = || Named(func.0, module.func_name(func).as_deref()).to_string();
    module.funcs[func].import().map_or_else(defined, |import| import.to_string())
}

/// The report as text: the count line, then one line for each function in index order.
///
/// ```text
/// 3 (2, 1) total (local, import)
/// 0 import fork
/// 4 local main
/// 7 local (no frame)
/// ```
///
/// Assumptions are not part of it: they are for another stream.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { total, local, import } = self.counts;
        writeln!(f, "{total} ({local}, {import}) total (local, import)")?;
        self.closure.iter().try_for_each(|function| writeln!(f, "{function}"))
    }
}

impl fmt::Display for ClosureFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.import { "import" } else { "local" };
        write!(f, "{} {kind}", self.index)?;
        if let Some(name) = &self.name {
            write!(f, " {}", escape(name))?;
        }
        if !self.import && !self.frames {
            write!(f, " (no frame)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EntryPattern, Options};

    fn report() -> Report {
        let wat = r#"(module
            (import "k" "fork" (func $fork))
            (memory 1)
            (func $main (export "main") (call $fork))
            (func $jump (return_call $main))
            (func $other))"#;
        let options =
            Options { entries: vec![EntryPattern::exact("k", "fork")], ..Options::default() };
        crate::analyze(wat.as_bytes(), &options).unwrap()
    }

    #[test]
    fn text_has_a_count_line_and_a_line_for_each_function() {
        assert_eq!(
            report().to_string(),
            "3 (2, 1) total (local, import)\n0 import fork\n1 local main\n2 local jump (no frame)\n"
        );
    }

    #[test]
    fn json_has_the_documented_fields() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["entries"], serde_json::json!(["k.fork"]));
        assert_eq!(json["counts"], serde_json::json!({"total": 3, "local": 2, "import": 1}));
        assert_eq!(
            json["closure"][2],
            serde_json::json!({"index": 2, "name": "jump", "import": false, "frames": false})
        );
        assert_eq!(json["assumptions"], serde_json::json!([]));
    }

    #[test]
    fn a_name_with_a_line_break_stays_on_one_line() {
        let function =
            ClosureFunction { index: 1, name: Some("a\nb".into()), import: false, frames: true };
        assert_eq!(function.to_string(), "1 local a\\nb");
    }
}
