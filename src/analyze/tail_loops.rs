//! Loops of tail calls: which functions can lead back to themselves without any frame between.
//!
//! The strongly connected components of the call graph's tail calls, by Tarjan, "Depth-First Search and
//! Linear Graph Algorithms" (1972), without recursion.

use super::graph::{Graph, Node};
use super::model::Model;
use crate::work;

/// No number yet.
const NONE: u32 = u32::MAX;

/// Which nodes of the call graph are in a loop of tail calls together.
pub(super) struct TailLoops {
    /// For each node its component, by one of its members.
    components: Vec<u32>,
}

impl TailLoops {
    pub(super) fn find(model: &Model<'_>, graph: &Graph) -> TailLoops {
        let edges = Edges::new(graph.nodes(), tail_edges(model, graph));
        TailLoops { components: Tarjan::new(&edges).run() }
    }

    /// Whether a tail call by `caller` of `target` is part of a loop.
    pub(super) fn has(&self, caller: Node, target: Node) -> bool {
        self.components[caller.position()] == self.components[target.position()]
    }
}

/// Pairs of a target and what tail-calls it, or stands for that.
fn tail_edges(model: &Model<'_>, graph: &Graph) -> Vec<(Node, Node)> {
    let mut edges = Vec::new();
    for (func, calls) in model.facts.calls.iter_enumerated() {
        let targets = calls.iter().filter(|call| call.is_tail());
        let targets = targets.filter_map(|call| graph.target(call.callee));
        edges.extend(targets.map(|target| (target, graph.func(func))));
    }
    for node in graph.all().filter(|node| *node != graph.host()) {
        let stands = |other: &&Node| graph.as_func(**other).is_none() && **other != graph.host();
        edges.extend(graph.callers(node).iter().filter(stands).map(|other| (node, *other)));
    }
    edges
}

/// Edges, by the position of their source.
struct Edges {
    /// Where the edges of each node begin in `targets`; one more than there are nodes.
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Edges {
    fn new(nodes: usize, mut edges: Vec<(Node, Node)>) -> Edges {
        edges.sort_unstable();
        let mut starts = vec![0; nodes + 1];
        edges.iter().for_each(|(from, _)| starts[from.position() + 1] += 1);
        for at in 0..nodes {
            work::count(1);
            starts[at + 1] += starts[at];
        }
        Edges { starts, targets: edges.iter().map(|(_, to)| to.position() as u32).collect() }
    }
}

struct Tarjan<'e> {
    edges: &'e Edges,
    /// For each node when it was first seen.
    seen: Vec<u32>,
    /// For each node the earliest node that it leads back to, by when that was seen.
    low: Vec<u32>,
    components: Vec<u32>,
    /// The nodes without a component, in the order in which they were seen.
    open: Vec<u32>,
    /// The nodes on the way from the root, each with the next of its edges.
    path: Vec<(u32, u32)>,
    clock: u32,
}

impl<'e> Tarjan<'e> {
    fn new(edges: &'e Edges) -> Self {
        let nodes = edges.starts.len() - 1;
        Tarjan {
            edges,
            seen: vec![NONE; nodes],
            low: vec![0; nodes],
            components: vec![NONE; nodes],
            open: Vec::new(),
            path: Vec::new(),
            clock: 0,
        }
    }

    fn run(mut self) -> Vec<u32> {
        for root in 0..self.seen.len() as u32 {
            if self.seen[root as usize] == NONE {
                self.enter(root);
                self.search();
            }
        }
        self.components
    }

    fn enter(&mut self, node: u32) {
        self.seen[node as usize] = self.clock;
        self.low[node as usize] = self.clock;
        self.clock += 1;
        self.open.push(node);
        self.path.push((node, self.edges.starts[node as usize]));
    }

    fn search(&mut self) {
        while let Some((node, edge)) = self.path.last_mut() {
            work::count(1);
            let (node, at) = (*node, *edge);
            if at == self.edges.starts[node as usize + 1] {
                self.leave(node);
                continue;
            }
            *edge += 1;
            let to = self.edges.targets[at as usize];
            if self.seen[to as usize] == NONE {
                self.enter(to);
            } else if self.components[to as usize] == NONE {
                self.lower(node, self.seen[to as usize]);
            }
        }
    }

    fn lower(&mut self, node: u32, to: u32) {
        let low = &mut self.low[node as usize];
        *low = to.min(*low);
    }

    fn leave(&mut self, node: u32) {
        self.path.pop();
        if let Some(&(parent, _)) = self.path.last() {
            self.lower(parent, self.low[node as usize]);
        }
        if self.low[node as usize] < self.seen[node as usize] {
            return;
        }
        while let Some(member) = self.open.pop() {
            work::count(1);
            self.components[member as usize] = node;
            if member == node {
                break;
            }
        }
    }
}
