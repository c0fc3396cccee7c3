//! Why functions are in the closure, or why not: for people (text), for programs (JSON) and as a graph
//! (Graphviz).
//!
//! Input: a module, options, and which functions are meant. Output: an [`Answer`], plain data. What
//! calls what, and the evidence for it, comes from the analysis; here it gets names, lines and words.

mod calls;
mod describe;
mod dot;
mod lines;
mod outside;
#[cfg(test)]
mod tests;
mod wording;

pub use dot::dot;

use crate::analyze::Explainer;
use crate::error::Result;
use crate::options::{FuncPattern, Options};
use crate::read::Module;
use crate::read::lines::SourceLine;
pub(in crate::report) use describe::Describer;
use outside::Assumptions;
use serde::Serialize;

/// What is to be told of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A shortest path of calls from it to an entry.
    Path,
    /// Every call that can have it as its target, and what it calls.
    AllCallers,
}

/// What there is to say of the functions that a pattern means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Each of the functions, in index order.
    pub functions: Vec<Explanation>,
    /// What the user should know, one sentence each: debug information that can't be read.
    pub warnings: Vec<String>,
}

/// What there is to say of one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The function.
    pub function: Function,
    /// Where it is declared, if debug information says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<SourceLine>,
    /// The calls that were asked for: those of a path in order, or those of all callers.
    pub calls: Vec<CallStep>,
    /// What it calls: for a function outside the closure why that leads nowhere, for all callers the
    /// other half of its neighbourhood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callees: Option<Callees>,
    /// For a function that only assumptions keep outside the closure: which, and what they hide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed: Option<AssumedOutside>,
}

/// A function of the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its index in the function index space.
    pub index: u32,
    /// Its name: from the name section, its import or export, else from debug information.
    pub name: Option<String>,
    /// The name as the source language spells it, if it is mangled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demangled: Option<String>,
    /// Whether it is in the closure.
    pub closure: bool,
    /// Whether it is an entry.
    pub entry: bool,
}

/// A call that leads towards an entry, or to the function that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallStep {
    /// The function that calls.
    pub caller: Function,
    /// The function that is called; none if it is another module's.
    pub callee: Option<Function>,
    /// Offset of the instruction in bytes from the start of the module; none if the host calls.
    pub offset: Option<u32>,
    /// The line of the source, if debug information says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<SourceLine>,
    /// `direct`, `table`, `reference`, `host` or `foreign`.
    pub kind: &'static str,
    /// The table of an indirect call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The type that the call asks for, unless it is direct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<Type>,
    /// All values that the index can have, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    /// Why the index or the reference is unknown, from the call back to where it comes from. Empty where
    /// it is known or doesn't matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<ReasonStep>,
    /// Why the index doesn't matter: `host`, `segment offset`, `written` or `copied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_slot: Option<&'static str>,
    /// How the callee's reference gets to where it is called from, unless the call is direct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// All of that in words.
    pub evidence: String,
}

/// A function type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Type {
    /// Its index in the type index space.
    pub index: u32,
    /// `(i32, i64) -> i32`.
    pub signature: String,
}

/// A step from an operand back to why it is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonStep {
    /// `parameter`, `passed by`, `result of`, and at the end of the way `called anyhow`, `load`, `import`,
    /// `dynamic call`, `global`, `operator`, `foreign values`, `too many values`, `too many sources`, `loop`,
    /// `exception`, `unreachable`, `too large`, `never reached` or `not followed`.
    pub kind: &'static str,
    /// The function that the step is about or in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
    /// Offset of the instruction in bytes from the start of the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// The line of the source, if debug information says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<SourceLine>,
    /// The step in words.
    pub text: String,
}

/// How a reference gets to where it is called from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// `segment`, `export`, `table`, `global` or `ref.func`.
    pub kind: &'static str,
    /// The element segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The slot that the segment puts it in, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// The name of the export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    /// The table that is filled with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
}

/// What a function calls, code that can't run aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Callees {
    /// Directly, in index order.
    pub direct: Vec<DirectCallee>,
    /// Through tables and references, calls that are alike together.
    pub dynamic: Vec<DynamicCallees>,
}

/// A function that is called directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirectCallee {
    /// The function.
    pub function: Function,
    /// Offsets of the calls in bytes from the start of the module.
    pub offsets: Vec<u32>,
}

/// What calls through a table or a reference can have as their target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DynamicCallees {
    /// Offsets of the calls in bytes from the start of the module.
    pub offsets: Vec<u32>,
    /// The table; none for references.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The type that they ask for.
    pub r#type: Type,
    /// All values that the index can have, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    /// Why the index doesn't matter, as for [`CallStep::any_slot`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_slot: Option<&'static str>,
    /// How many functions of the module can be the target.
    pub targets: usize,
    /// How many of them are in the closure.
    pub closure_targets: usize,
    /// Whether functions that are not the module's can be, too: the host's, or another instance's.
    pub foreign_targets: bool,
    /// Where that leads, in words, one part for each slot whose number is known.
    pub outcome: Vec<String>,
}

/// Which assumptions keep a function outside the closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssumedOutside {
    /// The assumptions, as sentences.
    pub assumptions: Vec<String>,
    /// Whether it takes all of them together; if not, each of them is needed.
    pub only_together: bool,
    /// A shortest path that there would be without any assumption.
    pub path: Vec<CallStep>,
}

impl Answer {
    /// Explains the functions of `module` that `pattern` means.
    ///
    /// # Errors
    /// As [`Explainer::new`], and [`crate::Error::NoSuchFunction`].
    pub(crate) fn of(
        module: &Module<'_>,
        options: &Options,
        pattern: &FuncPattern,
        question: Question,
    ) -> Result<Answer> {
        let explainer = Explainer::new(module, options)?;
        let funcs = explainer.functions(pattern)?;
        let describer = Describer { module, explainer: &explainer };
        let all_callees = explainer.callees(&funcs);
        let assumptions = Assumptions::new(module, options);
        let mut functions = Vec::new();
        for (func, callees) in funcs.into_iter().zip(&all_callees) {
            let path = explainer.path(func);
            let inside = path.is_some();
            let edges = match question {
                Question::Path => path.unwrap_or_default(),
                Question::AllCallers => explainer.callers(func),
            };
            let wanted = !inside || question == Question::AllCallers;
            functions.push(Explanation {
                function: describer.function(func),
                declared: describer.declared(func),
                calls: edges.iter().map(|edge| describer.call(edge)).collect(),
                callees: wanted.then(|| describer.callees(callees)),
                assumed: if inside { None } else { assumptions.of(func, describer)? },
            });
        }
        let warnings = module.lines().and_then(|lines| lines.fault()).into_iter().collect();
        Ok(Answer { functions, warnings })
    }
}
