//! Why a function is in the closure: the calls that lead from it to an entry, each with the
//! evidence for it.
//!
//! Input: a module and the options, as for [`Analysis`](super::Analysis). Output: [`Edge`]s. A path
//! is a shortest one, and of several the same one each time.
//!
//! ```text
//!   main ──call──► run ──call_indirect, slot 3, from element segment 0──► child ──call──► fork
//! ```

use super::assume::FuncNames;
use super::evidence;
use super::facts::{Call, Callee};
use super::graph::{Graph, Node};
use super::model::Model;
use crate::error::Result;
use crate::index::{ElemIdx, FuncIdx, TableIdx, TypeIdx};
use crate::options::{FuncPattern, Options};
use crate::read::Module;
use std::collections::VecDeque;
use std::fmt;

/// A call, or a call back by the host, that leads towards an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The function that calls; an import, if the host calls back.
    pub caller: FuncIdx,
    /// What it calls.
    pub callee: FuncIdx,
    /// Offset of the call in bytes from the start of the module; `None` if the host calls back.
    pub offset: Option<u32>,
    /// How the call finds its target.
    pub means: Means,
}

/// How a call finds its target, and how it can be the callee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// `call` or `return_call`.
    Direct,
    /// `call_indirect` or `return_call_indirect`.
    Table {
        /// The table.
        table: TableIdx,
        /// The type that the call asks for.
        ty: TypeIdx,
        /// All values that the index can have; `None` if it can be anything.
        index: Option<Vec<u64>>,
        /// How the callee's reference gets there.
        source: Source,
    },
    /// `call_ref` or `return_call_ref`.
    Reference {
        /// The type of the reference.
        ty: TypeIdx,
        /// Whether it is known to be one of a few functions.
        known: bool,
        /// How the callee's reference gets there.
        source: Source,
    },
    /// An import that may call back: the host calls a function whose reference it can have.
    Host {
        /// How it gets the callee's reference.
        source: Source,
    },
}

/// How a reference to a function gets to where it is called from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An element segment holds it.
    Segment {
        /// The segment.
        segment: ElemIdx,
        /// The slot that an active segment puts it in, where that is known.
        slot: Option<u64>,
    },
    /// It is exported under this name.
    Export(String),
    /// The initial value of a table.
    TableInit(TableIdx),
    /// The initial value of a global.
    Global,
    /// `ref.func` in a body.
    RefFunc,
}

/// Explains the closure of a module's entries.
pub struct Explainer<'m> {
    model: Model<'m>,
    graph: Graph,
    /// For each node reached from the entries, the node that it was first reached from.
    towards: Vec<Option<Node>>,
}

impl<'m> Explainer<'m> {
    /// Analyzes `module`.
    ///
    /// # Errors
    /// As [`Analysis::run`](super::Analysis::run).
    pub fn new(module: &'m Module<'m>, options: &Options) -> Result<Explainer<'m>> {
        let model = Model::new(module, options)?;
        let graph = Graph::new(&model);
        let towards = nearest(&model, &graph);
        Ok(Explainer { model, graph, towards })
    }

    /// The functions that a pattern means.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchFunction`] if there are none.
    pub fn functions(&self, pattern: &FuncPattern) -> Result<Vec<FuncIdx>> {
        FuncNames::new(self.model.module).matching(pattern)
    }

    /// How many direct calls and how many calls through tables and references are in `func`.
    pub fn calls(&self, func: FuncIdx) -> (usize, usize) {
        let Some(calls) = self.model.facts.calls.get(func) else { return (0, 0) };
        let is_direct = |call: &&Call| matches!(call.callee, Callee::Direct { .. });
        let direct = calls.iter().filter(is_direct).count();
        (direct, calls.len() - direct)
    }

    /// A shortest path of calls from `func` to an entry: empty for an entry itself, `None` for a
    /// function outside the closure.
    pub fn path(&self, func: FuncIdx) -> Option<Vec<Edge>> {
        let mut path = Vec::new();
        let mut caller = func;
        while !self.model.entries.contains(&caller) {
            let (first, callee) = self.next_function(caller)?;
            path.push(self.edge(caller, callee, first)?);
            caller = callee;
        }
        Some(path)
    }

    /// All calls, by any function, that can have `callee` as their target; in order of caller and
    /// offset. Calls back by the host come last.
    pub fn callers(&self, callee: FuncIdx) -> Vec<Edge> {
        let reached = self.graph.reach_classes([self.graph.func(callee)]);
        let mut edges = Vec::new();
        for (caller, calls) in self.model.facts.calls.iter_enumerated() {
            for call in calls {
                if self.graph.target(call.callee).is_some_and(|node| reached.has(node)) {
                    let means = evidence::means(&self.model, call.callee, callee);
                    edges.push(Edge { caller, callee, offset: Some(call.offset), means });
                }
            }
        }
        if reached.has(self.graph.host()) {
            let imports = self.model.reentrant.iter();
            edges.extend(imports.map(|import| self.host_edge(*import, callee)));
        }
        edges
    }

    /// Follows the nodes on the way from `caller` up to the next function: the first node, and
    /// that function.
    fn next_function(&self, caller: FuncIdx) -> Option<(Node, FuncIdx)> {
        let first = self.towards[self.graph.func(caller).position()]?;
        let mut node = first;
        loop {
            if let Some(func) = self.graph.as_func(node) {
                return Some((first, func));
            }
            node = self.towards[node.position()]?;
        }
    }

    /// The first call of `caller` that has `node` for its target.
    fn edge(&self, caller: FuncIdx, callee: FuncIdx, node: Node) -> Option<Edge> {
        if node == self.graph.host() {
            return Some(self.host_edge(caller, callee));
        }
        let calls = self.model.facts.calls[caller].iter();
        let mut of_node = calls.filter(|call| self.graph.target(call.callee) == Some(node));
        let call = of_node.next()?;
        let means = evidence::means(&self.model, call.callee, callee);
        Some(Edge { caller, callee, offset: Some(call.offset), means })
    }

    fn host_edge(&self, import: FuncIdx, callee: FuncIdx) -> Edge {
        let source = evidence::taken(&self.model, callee);
        Edge { caller: import, callee, offset: None, means: Means::Host { source } }
    }
}

/// For each node the next one on a shortest path to an entry, counted in calls.
fn nearest(model: &Model<'_>, graph: &Graph) -> Vec<Option<Node>> {
    let mut towards = vec![None; graph.nodes()];
    let mut done = vec![false; graph.nodes()];
    let mut pending: VecDeque<(Node, Option<Node>)> =
        model.entries.iter().map(|entry| (graph.func(*entry), None)).collect();
    while let Some((node, from)) = pending.pop_front() {
        if std::mem::replace(&mut done[node.position()], true) {
            continue;
        }
        towards[node.position()] = from;
        for &caller in graph.callers(node) {
            // Only a step into a function is a call; classes are on the way.
            if graph.as_func(caller).is_some() {
                pending.push_back((caller, Some(node)));
            } else {
                pending.push_front((caller, Some(node)));
            }
        }
    }
    towards
}

/// `main calls child at 0x1f3 by call_indirect …`, without the functions' names.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls {}", self.caller, self.callee)?;
        if let Some(offset) = self.offset {
            write!(f, " at {offset:#x}")?;
        }
        write!(f, " {}", self.means)
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Means::Direct => write!(f, "directly"),
            Means::Table { table, ty, index, source } => {
                write!(f, "through table {table}, type {ty}, index ")?;
                match index {
                    None => write!(f, "unknown")?,
                    Some(values) => write_list(f, values)?,
                }
                write!(f, "; {source}")
            }
            Means::Reference { ty, known, source } => {
                let known = if *known { "known" } else { "unknown" };
                write!(f, "by a reference of type {ty}, {known}; {source}")
            }
            Means::Host { source } => write!(f, "back from the host; {source}"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, values: &[u64]) -> fmt::Result {
    let texts: Vec<_> = values.iter().map(u64::to_string).collect();
    write!(f, "{}", texts.join(" or "))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Segment { segment, slot: Some(slot) } => {
                write!(f, "element segment {segment} puts it into slot {slot}")
            }
            Source::Segment { segment, slot: None } => {
                write!(f, "element segment {segment} has it")
            }
            Source::Export(name) => write!(f, "it is exported as `{}`", name.escape_debug()),
            Source::TableInit(table) => write!(f, "table {table} is filled with it"),
            Source::Global => write!(f, "a global is initialised with it"),
            Source::RefFunc => write!(f, "ref.func takes it"),
        }
    }
}
