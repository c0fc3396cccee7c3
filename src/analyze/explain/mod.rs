//! Why a function is in the closure: the calls that lead from it to an entry, each with the
//! evidence for it.
//!
//! Input: a module and the options, as for [`Analysis`](crate::analyze::Analysis). Output: [`Edge`]s. A path
//! is a shortest one, and of several the same one each time.
//!
//! ```text
//!   main ──call──► run ──call_indirect, slot 3, from element segment 0──► child ──call──► fork
//! ```

pub(in crate::analyze) mod callees;
pub(in crate::analyze) mod edge;
pub(in crate::analyze) mod evidence;
pub(in crate::analyze) mod operator;
pub(in crate::analyze) mod why;

use crate::analyze::Analysis;
use crate::analyze::assume::FuncNames;
use crate::analyze::facts::{Call, Callee, Dynamic};
use crate::analyze::graph::{Graph, Node};
use crate::analyze::model::Model;
use crate::analyze::query::Query;
use crate::analyze::taken;
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec};
use crate::options::{FuncPattern, Options};
use crate::read::Module;
use callees::Targets;
use edge::{CallKind, Callees, Edge};
use std::cell::OnceCell;
use std::collections::VecDeque;
use why::Why;

/// Explains the closure of a module's entries.
pub struct Explainer<'m> {
    query: Query,
    model: Model<'m>,
    graph: Graph,
    /// For each node reached from the entries, the node that it was first reached from.
    towards: Vec<Option<Node>>,
    /// For each function whether its reference exists. Found when it is first needed.
    mentioned: OnceCell<IndexVec<FuncIdx, bool>>,
}

impl<'m> Explainer<'m> {
    /// Analyzes `module`.
    ///
    /// # Errors
    /// As [`Analysis::run`](crate::analyze::Analysis::run), and [`crate::Error::OnlyCompares`].
    pub fn new(module: &'m Module<'m>, options: &Options) -> Result<Explainer<'m>> {
        options.precision.require_proof()?;
        // What assumptions leave of the closure is the analysis' business.
        let narrowed = match options.assumptions[..] {
            [] => None,
            _ => Some(Analysis::run(module, options)?.closure),
        };
        let query = Query::new(module, options)?;
        let model = Model::new(module, options.precision)?;
        let graph = Graph::new(&model, &query);
        let inside = |func| narrowed.as_ref().is_none_or(|closure| closure[func]);
        let towards = nearest(&query, &graph, inside);
        Ok(Explainer { query, model, graph, towards, mentioned: OnceCell::new() })
    }

    /// The functions that a pattern means.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchFunction`] if there are none.
    pub fn functions(&self, pattern: &FuncPattern) -> Result<Vec<FuncIdx>> {
        FuncNames::new(self.model.module).matching(pattern)
    }

    /// Whether `func` is in the closure.
    pub fn is_inside(&self, func: FuncIdx) -> bool {
        self.is_entry(func) || self.towards[self.graph.func(func).position()].is_some()
    }

    /// Whether `func` is an entry.
    pub fn is_entry(&self, func: FuncIdx) -> bool {
        self.query.entries.contains(&func)
    }

    /// What each of `funcs` calls; nothing for imports.
    pub fn callees(&self, funcs: &[FuncIdx]) -> Vec<Callees> {
        let targets = Targets::new(&self.model, &self.graph);
        funcs.iter().map(|func| targets.of(*func)).collect()
    }

    /// A shortest path of calls from `func` to an entry: empty for an entry itself, `None` for a
    /// function outside the closure.
    pub fn path(&self, func: FuncIdx) -> Option<Vec<Edge>> {
        let mut path = Vec::new();
        let mut caller = func;
        let why = self.why();
        while !self.query.entries.contains(&caller) {
            let (first, callee) = self.next_function(caller)?;
            let Some(callee) = callee else {
                path.push(self.foreign_edge(caller, first)?);
                break;
            };
            path.push(self.edge(caller, callee, first, &why)?);
            caller = callee;
        }
        Some(path)
    }

    /// The first call of the path from `func`.
    pub fn first_call(&self, func: FuncIdx) -> Option<Edge> {
        if self.is_entry(func) {
            return None;
        }
        let (first, callee) = self.next_function(func)?;
        match callee {
            Some(callee) => self.edge(func, callee, first, &self.why()),
            None => self.foreign_edge(func, first),
        }
    }

    /// All calls, by any function, that can have `callee` as their target; in order of caller and
    /// offset. Calls back by the host come last.
    pub fn callers(&self, callee: FuncIdx) -> Vec<Edge> {
        let reached = self.graph.reach_classes([self.graph.func(callee)]);
        let why = self.why();
        let mut edges = Vec::new();
        for (caller, calls) in self.model.facts.calls.iter_enumerated() {
            for call in calls {
                if self.graph.target(call.callee).is_some_and(|node| reached.has(node)) {
                    edges.push(self.edge_of(caller, callee, call, &why));
                }
            }
        }
        if reached.has(self.graph.host()) {
            let imports = self.query.reentrant.iter();
            edges.extend(imports.map(|import| self.host_edge(*import, callee)));
        }
        edges
    }

    /// Follows the nodes on the way from `caller` up to the next function: the first node, and
    /// that function; none if it is another module's.
    fn next_function(&self, caller: FuncIdx) -> Option<(Node, Option<FuncIdx>)> {
        let first = self.towards[self.graph.func(caller).position()]?;
        let mut node = first;
        loop {
            if node == self.graph.foreign() {
                return Some((first, None));
            }
            if let Some(func) = self.graph.as_func(node) {
                return Some((first, Some(func)));
            }
            node = self.towards[node.position()]?;
        }
    }

    /// The first call of `caller` that has `node` for its target.
    fn edge(&self, caller: FuncIdx, callee: FuncIdx, node: Node, why: &Why<'_>) -> Option<Edge> {
        if node == self.graph.host() {
            return Some(self.host_edge(caller, callee));
        }
        let calls = self.model.facts.calls[caller].iter();
        let mut of_node = calls.filter(|call| self.graph.target(call.callee) == Some(node));
        Some(self.edge_of(caller, callee, of_node.next()?, why))
    }

    fn edge_of(&self, caller: FuncIdx, callee: FuncIdx, call: &Call, why: &Why<'_>) -> Edge {
        let kind = evidence::kind(&self.model, call.callee, callee, || {
            let calls = self.model.facts.calls[caller].iter();
            let is_dynamic = |call: &&Call| matches!(call.callee, Callee::Dynamic { .. });
            let before = calls.take_while(|other| other.offset < call.offset).filter(is_dynamic);
            why.unknown(caller, before.count())
        });
        Edge { caller, callee: Some(callee), offset: Some(call.offset), kind }
    }

    /// The first call of `caller` that has `node` for its target, where that may be another module's function.
    fn foreign_edge(&self, caller: FuncIdx, node: Node) -> Option<Edge> {
        let mut calls = self.model.facts.calls[caller].iter();
        let call = calls.find(|call| self.graph.target(call.callee) == Some(node))?;
        let Callee::Dynamic { ordinal, .. } = call.callee else { return None };
        let Dynamic::Table { table, ty } = self.model.facts.dynamics[ordinal as usize] else {
            return None;
        };
        let kind = CallKind::Foreign { table, ty };
        Some(Edge { caller, callee: None, offset: Some(call.offset), kind })
    }

    fn why(&self) -> Why<'_> {
        let Model { module, facts, .. } = &self.model;
        let find = || taken::mentioned(module, &facts.uses);
        Why::new(&self.model, self.mentioned.get_or_init(find))
    }

    fn host_edge(&self, import: FuncIdx, callee: FuncIdx) -> Edge {
        let source = evidence::taken(&self.model, callee);
        Edge { caller: import, callee: Some(callee), offset: None, kind: CallKind::Host { source } }
    }
}

/// For each node the next one on a shortest path to an entry, counted in calls, through functions that are
/// `inside`.
fn nearest(query: &Query, graph: &Graph, inside: impl Fn(FuncIdx) -> bool) -> Vec<Option<Node>> {
    let mut towards = vec![None; graph.nodes()];
    let mut done = vec![false; graph.nodes()];
    let mut pending: VecDeque<(Node, Option<Node>)> =
        graph.roots(&query.entries).map(|root| (root, None)).collect();
    while let Some((node, from)) = pending.pop_front() {
        if std::mem::replace(&mut done[node.position()], true) {
            continue;
        }
        towards[node.position()] = from;
        for &caller in graph.callers(node) {
            // Only a step into a function is a call; classes are on the way.
            match graph.as_func(caller) {
                Some(func) if inside(func) => pending.push_back((caller, Some(node))),
                Some(_) => {}
                None => pending.push_front((caller, Some(node))),
            }
        }
    }
    towards
}
