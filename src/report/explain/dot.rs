//! The answer as a graph in Graphviz' language: `dot -Tsvg` draws it.
//!
//! ```text
//!   bold outline    a function that was asked about        box         a function
//!   double outline  an entry                               ellipse     calls through a table or reference
//!   dashed          not in the closure                     dashed line a call that leads nowhere
//! ```
//!
//! The order is that of the answer, each node and each edge once.

use super::lines::list;
use super::{Answer, CallStep, DynamicCallees, Explanation, Function};
use crate::text::escape;
use indexmap::{IndexMap, IndexSet};
use std::fmt::Write;

/// Stands for the functions of other modules: no function has this index.
const FOREIGN: u32 = u32::MAX;

/// The graph of all calls of `answer`, and of what the functions call.
pub fn dot(answer: &Answer) -> String {
    let mut graph = Graph::default();
    answer.functions.iter().for_each(|function| graph.explanation(function));
    graph.to_string()
}

/// What is drawn, as statements of the language.
#[derive(Default)]
struct Graph {
    /// The attributes of each function's node.
    functions: IndexMap<u32, Node>,
    others: IndexSet<String>,
    edges: IndexSet<String>,
}

struct Node {
    label: String,
    asked: bool,
    entry: bool,
    closure: bool,
}

impl Graph {
    fn explanation(&mut self, explanation: &Explanation) {
        let function = &explanation.function;
        self.function(function).asked = true;
        explanation.calls.iter().for_each(|call| self.call(call));
        for call in explanation.assumed.iter().flat_map(|assumed| &assumed.path) {
            self.call(call);
        }
        let Some(callees) = &explanation.callees else { return };
        for direct in &callees.direct {
            self.function(&direct.function);
            let label = list(&direct.offsets);
            let style = style(direct.function.closure);
            self.edge(&node(function.index), &node(direct.function.index), &[&label], style);
        }
        for (position, dynamic) in callees.dynamic.iter().enumerate() {
            self.dynamic(function, position, dynamic);
        }
    }

    /// The function's node.
    fn function(&mut self, function: &Function) -> &mut Node {
        self.functions.entry(function.index).or_insert_with(|| Node {
            label: function.to_string(),
            asked: false,
            entry: function.entry,
            closure: function.closure,
        })
    }

    /// The node of what is called; the functions of other modules have one together.
    fn callee(&mut self, call: &CallStep) -> String {
        let Some(callee) = &call.callee else {
            let label = "a function of another module".into();
            let foreign = Node { label, asked: false, entry: true, closure: true };
            self.functions.entry(FOREIGN).or_insert(foreign);
            return node(FOREIGN);
        };
        self.function(callee);
        node(callee.index)
    }

    fn call(&mut self, call: &CallStep) {
        self.function(&call.caller);
        let callee = self.callee(call);
        let offset = call.offset.map(|offset| format!("{offset:#x}"));
        let line = call.line.as_ref().map(ToString::to_string);
        let how = match &call.r#type {
            None => call.kind.to_owned(),
            Some(ty) => through(call.table, &ty.signature),
        };
        let index = call.index.as_ref().map(|values| index(values));
        let parts: Vec<_> = [offset, line, Some(how), index].into_iter().flatten().collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        self.edge(&node(call.caller.index), &callee, &parts, "solid");
    }

    fn dynamic(&mut self, function: &Function, position: usize, dynamic: &DynamicCallees) {
        let name = format!("f{}_calls{position}", function.index);
        let how = through(dynamic.table, &dynamic.r#type.signature);
        let index = dynamic.index.as_ref().map(|values| index(values));
        let label: Vec<_> =
            std::iter::once(how).chain(index).chain(dynamic.outcome.iter().cloned()).collect();
        let label: Vec<_> = label.iter().map(String::as_str).collect();
        let style = style(dynamic.closure_targets > 0);
        let label = quote(&label);
        self.others.insert(format!("{name} [shape=ellipse, style={style}, label={label}]"));
        self.edge(&node(function.index), &name, &[&list(&dynamic.offsets)], style);
    }

    fn edge(&mut self, from: &str, to: &str, label: &[&str], style: &str) {
        let label = quote(label);
        self.edges.insert(format!("{from} -> {to} [style={style}, label={label}]"));
    }
}

impl std::fmt::Display for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "digraph closure {{\n  rankdir=LR\n  node [shape=box]")?;
        for (index, function) in &self.functions {
            let mut attributes = format!("label={}", quote(&[&function.label]));
            write!(attributes, ", style={}", style(function.closure))?;
            attributes += if function.asked { ", penwidth=2" } else { "" };
            attributes += if function.entry { ", peripheries=2" } else { "" };
            writeln!(f, "  {} [{attributes}]", node(*index))?;
        }
        for statement in self.others.iter().chain(&self.edges) {
            writeln!(f, "  {statement}")?;
        }
        writeln!(f, "}}")
    }
}

fn node(index: u32) -> String {
    format!("f{index}")
}

fn style(closure: bool) -> &'static str {
    if closure { "solid" } else { "dashed" }
}

fn through(table: Option<u32>, signature: &str) -> String {
    match table {
        Some(table) => format!("table {table}, {signature}"),
        None => format!("reference, {signature}"),
    }
}

fn index(values: &[u64]) -> String {
    let values: Vec<_> = values.iter().map(u64::to_string).collect();
    format!("index {}", values.join(" or "))
}

/// A quoted string of the language, of so many lines. A backslash escapes there, also in a label.
fn quote(lines: &[&str]) -> String {
    let escape = |line: &&str| escape(line).replace('\\', "\\\\").replace('"', "\\\"");
    let lines: Vec<_> = lines.iter().map(escape).collect();
    format!("\"{}\"", lines.join("\\n"))
}
