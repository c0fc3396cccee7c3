//! Why a function is in the closure, or why not: for people (text) and programs (JSON).

use crate::analyze::{Edge, Explainer, Means};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::options::{FuncPattern, Options};
use crate::read::{Module, text_to_binary};
use serde::Serialize;
use std::fmt;

/// What is to be told of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A shortest path of calls from it to an entry.
    Path,
    /// Every call that can have it as its target.
    AllCallers,
}

/// The answer, for each function that the pattern means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The function's index.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether it is in the closure.
    pub closure: bool,
    /// The calls that were asked for: those of a path in order, or those of all callers.
    pub calls: Vec<Call>,
    /// For a function outside the closure: what it calls, none of which leads to an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<WhyNot>,
}

/// A call that leads towards an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Index of the function that calls.
    pub caller: u32,
    /// Its name, if it has one.
    pub caller_name: Option<String>,
    /// Index of the function that is called.
    pub callee: u32,
    /// Its name, if it has one.
    pub callee_name: Option<String>,
    /// Offset of the instruction in bytes from the start of the module; none if the host calls.
    pub offset: Option<u32>,
    /// `direct`, `table`, `reference` or `host`.
    pub kind: &'static str,
    /// The table of an indirect call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The type that an indirect call asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<u32>,
    /// All values that the index can have, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    /// How the call finds its target, in words.
    pub evidence: String,
}

/// What a function outside the closure calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WhyNot {
    /// How many direct calls are in it.
    pub direct_calls: usize,
    /// How many calls through tables and references are in it.
    pub dynamic_calls: usize,
}

/// Explains the functions of a module (binary or text) that `pattern` means.
///
/// # Errors
/// As [`crate::analyze()`], and [`crate::Error::NoSuchFunction`].
pub fn explain(
    input: &[u8],
    options: &Options,
    pattern: &FuncPattern,
    question: Question,
) -> Result<Vec<Explanation>> {
    let bytes = text_to_binary(input)?;
    let module = Module::read(&bytes)?;
    let explainer = Explainer::new(&module, options)?;
    let funcs = explainer.functions(pattern)?;
    Ok(funcs.into_iter().map(|func| answer(&module, &explainer, func, question)).collect())
}

fn answer(
    module: &Module<'_>,
    explainer: &Explainer<'_>,
    func: FuncIdx,
    question: Question,
) -> Explanation {
    let path = explainer.path(func);
    let closure = path.is_some();
    let edges = match question {
        Question::Path => path.unwrap_or_default(),
        Question::AllCallers => explainer.callers(func),
    };
    let (direct_calls, dynamic_calls) = explainer.calls(func);
    Explanation {
        index: func.0,
        name: module.names.func(func).map(str::to_owned),
        closure,
        calls: edges.iter().map(|edge| Call::new(module, edge)).collect(),
        why_not: (!closure).then_some(WhyNot { direct_calls, dynamic_calls }),
    }
}

impl Call {
    fn new(module: &Module<'_>, edge: &Edge) -> Call {
        let name = |func| module.names.func(func).map(str::to_owned);
        let (kind, table, ty, index) = match &edge.means {
            Means::Direct => ("direct", None, None, None),
            Means::Table { table, ty, index, .. } => {
                ("table", Some(table.0), Some(ty.0), index.clone())
            }
            Means::Reference { ty, .. } => ("reference", None, Some(ty.0), None),
            Means::Host { .. } => ("host", None, None, None),
        };
        Call {
            caller: edge.caller.0,
            caller_name: name(edge.caller),
            callee: edge.callee.0,
            callee_name: name(edge.callee),
            offset: edge.offset,
            kind,
            table,
            r#type: ty,
            index,
            evidence: edge.means.to_string(),
        }
    }
}

/// `12 (main)`; control characters of the name escaped.
struct Named<'a>(u32, &'a Option<String>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let Some(name) = self.1 else { return Ok(()) };
        let plain: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        write!(f, " ({plain})")
    }
}

/// A line for the function, then a line for each call.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.closure { "in" } else { "not in" };
        writeln!(f, "{} is {place} the closure", Named(self.index, &self.name))?;
        if let Some(why_not) = self.why_not {
            let WhyNot { direct_calls, dynamic_calls } = why_not;
            writeln!(
                f,
                "  none of its {direct_calls} direct and {dynamic_calls} indirect calls can lead to \
                 an entry"
            )?;
        }
        self.calls.iter().try_for_each(|call| {
            let caller = Named(call.caller, &call.caller_name);
            let callee = Named(call.callee, &call.callee_name);
            write!(f, "  {caller} calls {callee}")?;
            if let Some(offset) = call.offset {
                write!(f, " at {offset:#x}")?;
            }
            writeln!(f, " {}", call.evidence)
        })
    }
}
