//! The control flow of a body as a graph, for liveness.
//!
//! Input: the events of the operator pass. Output: a [`Graph`], whose nodes are runs of events without branches, in program
//! order, and whose edges say where control may go next.
//!
//! What may throw inside a `try` has an edge to a node of its own, which leads to the handlers and to the same node of the
//! `try` around it. So there are no more edges than events, however deep the `try`s are nested:
//!
//! ```text
//! try            node 0: the body ──► 1
//!   call $f              └──────────► 3 (runs on)
//! catch $e       node 1: what is thrown there ──► 2 ──► the one of the try around it
//!   …            node 2: the handler ──► 3
//! end            node 3
//! ```
//!
//! A node has a higher number than those that lead to it, but for the heads of loops.

use super::skeleton::{Event, Skeleton};
use crate::work;
use std::ops::Range;

/// Where control may go from where.
#[derive(Default)]
pub(super) struct Graph {
    /// For each node the places of its events, and of what reads and writes locals between them.
    pub nodes: Vec<Range<u32>>,
    /// The edges from each node.
    pub next: Edges,
    /// Those of them that lead backwards, or to the same node.
    pub loops: Vec<(u32, u32)>,
    /// The edges to each node, if there are such loops.
    pub before: Edges,
    /// For each site, in program order, the node that ends with it.
    pub sites: Vec<u32>,
    /// What the next graph is built with.
    builder: Builder,
}

/// For each node those at the other end of its edges.
#[derive(Default)]
pub(super) struct Edges {
    /// For each node where its part of `ends` begins; one more at the end.
    starts: Vec<u32>,
    ends: Vec<u32>,
    /// For each node the place of its next edge, while they are collected.
    places: Vec<u32>,
}

impl Edges {
    pub fn of(&self, node: u32) -> &[u32] {
        let (start, end) = (self.starts[node as usize], self.starts[node as usize + 1]);
        &self.ends[start as usize..end as usize]
    }

    /// Makes them those of `pairs`, from the first of a pair to the second.
    fn collect(&mut self, nodes: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) {
        let Edges { starts, ends, places } = self;
        starts.clear();
        starts.resize(nodes + 1, 0);
        pairs.clone().for_each(|(from, _)| starts[from as usize + 1] += 1);
        for node in 0..nodes {
            work::count(1);
            starts[node + 1] += starts[node];
        }
        places.clone_from(starts);
        ends.clear();
        ends.resize(starts[nodes] as usize, 0);
        for (from, to) in pairs {
            work::count(1);
            ends[places[from as usize] as usize] = to;
            places[from as usize] += 1;
        }
    }
}

/// Where a branch leads: its node is known once the pass is there.
type BranchTarget = u32;

/// An open construct.
struct Open {
    /// Where a branch to it leads.
    label: BranchTarget,
    /// Behind its `end`, or in front of its `else`.
    after: BranchTarget,
    /// An `if`: where the false condition leads, until there is an `else`.
    otherwise: Option<BranchTarget>,
    /// A `try` whose body is open: where what is thrown in it leads.
    thrown: Option<BranchTarget>,
    /// The same for what is around it.
    thrown_outside: Option<BranchTarget>,
    /// The labels of a `try_table`'s handlers.
    handlers: Vec<BranchTarget>,
    /// The node for what is thrown in the body of a `try`, once that is passed.
    thrown_node: Option<u32>,
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Range<u32>>,
    edges: Vec<(u32, BranchTarget)>,
    /// For each label its node.
    labels: Vec<u32>,
    sites: Vec<u32>,
    open: Vec<Open>,
    /// The labels of the handlers of the `try_table` that comes next.
    handlers: Vec<BranchTarget>,
    /// Where what is thrown here leads.
    thrown: Option<BranchTarget>,
    /// The first event of the node that is being filled, and whether control gets there.
    start: u32,
    live: bool,
}

impl Graph {
    /// Makes it the graph of `skeleton`.
    pub fn rebuild(&mut self, skeleton: &Skeleton) {
        let Graph { nodes, next, loops, before, sites, builder } = self;
        builder.begin();
        let mut position = 1;
        for event in &skeleton.events {
            work::count(1);
            builder.event(position, *event);
            position += 2;
        }
        // The body's own label, if it is branched to.
        builder.close(position);
        std::mem::swap(nodes, &mut builder.nodes);
        std::mem::swap(sites, &mut builder.sites);
        let Builder { edges, labels, .. } = builder;
        let edges = edges.iter().map(|(from, label)| (*from, labels[*label as usize]));
        next.collect(nodes.len(), edges.clone());
        loops.clear();
        loops.extend(edges.clone().filter(|(from, to)| to <= from));
        if !loops.is_empty() {
            before.collect(nodes.len(), edges.map(|(from, to)| (to, from)));
        }
    }
}

impl Builder {
    /// The start of a body.
    fn begin(&mut self) {
        self.nodes.clear();
        self.edges.clear();
        self.labels.clear();
        self.sites.clear();
        self.open.clear();
        self.handlers.clear();
        (self.thrown, self.start, self.live) = (None, 0, true);
        self.push(None, None);
    }

    fn event(&mut self, position: u32, event: Event) {
        match event {
            Event::Handler(depth) => self.handlers.push(self.label_at(depth)),
            Event::Block => self.block(),
            Event::Loop(_) => self.enter_loop(position),
            Event::If => {
                let otherwise = self.label();
                self.branch(position, otherwise);
                self.push(None, Some(otherwise));
            }
            Event::Else => self.otherwise(position),
            Event::Try => {
                let thrown = self.label();
                self.push(Some(thrown), None);
            }
            Event::Catch => self.catch(position),
            Event::End => self.end(position),
            Event::BrIf(depth) => {
                let label = self.label_at(depth);
                self.branch(position, label);
            }
            Event::MayThrow => {
                if let Some(thrown) = self.thrown {
                    self.branch(position, thrown);
                }
            }
            Event::Stop => {
                self.close(position + 1);
                self.live = false;
            }
            Event::Site(_) => {
                self.sites.push(self.nodes.len() as u32);
                self.run_on(position + 1);
            }
        }
    }

    fn label(&mut self) -> BranchTarget {
        self.labels.push(u32::MAX);
        self.labels.len() as u32 - 1
    }

    fn label_at(&self, depth: u32) -> BranchTarget {
        self.open[self.open.len() - 1 - depth as usize].label
    }

    /// Opens a construct whose label is at its end.
    fn push(&mut self, thrown: Option<BranchTarget>, otherwise: Option<BranchTarget>) {
        let after = self.label();
        self.push_with(after, after, thrown, otherwise);
    }

    fn push_with(
        &mut self,
        label: BranchTarget,
        after: BranchTarget,
        thrown: Option<BranchTarget>,
        otherwise: Option<BranchTarget>,
    ) {
        let (thrown_outside, handlers) = (self.thrown, std::mem::take(&mut self.handlers));
        self.thrown = thrown.or(self.thrown);
        let thrown_node = None;
        self.open.push(Open {
            label,
            after,
            otherwise,
            thrown,
            thrown_outside,
            handlers,
            thrown_node,
        });
    }

    /// The node ends before the event at `end`.
    fn close(&mut self, end: u32) {
        self.nodes.push(self.start..end);
        self.start = end;
    }

    /// The next node is where `label` leads.
    fn place(&mut self, label: BranchTarget) {
        self.labels[label as usize] = self.nodes.len() as u32;
        self.live = true;
    }

    /// An edge from the node that is being filled.
    fn edge(&mut self, label: BranchTarget) {
        self.edges.push((self.nodes.len() as u32, label));
    }

    /// The node ends before the event at `end`, and runs on.
    fn run_on(&mut self, end: u32) {
        let next = self.label();
        self.edge(next);
        self.close(end);
        self.place(next);
    }

    /// The event at `position` may branch to `label`, or run on.
    fn branch(&mut self, position: u32, label: BranchTarget) {
        self.edge(label);
        self.run_on(position + 1);
    }

    /// The node ends before the event at `end`, and goes to `label` if control gets so far.
    fn leave(&mut self, end: u32, label: BranchTarget) {
        if self.live {
            self.edge(label);
        }
        self.close(end);
        self.live = false;
    }

    fn block(&mut self) {
        let thrown = (!self.handlers.is_empty()).then(|| self.label());
        self.push(thrown, None);
    }

    fn enter_loop(&mut self, position: u32) {
        let (head, after) = (self.label(), self.label());
        self.leave(position, head);
        self.place(head);
        self.push_with(head, after, None, None);
    }

    fn otherwise(&mut self, position: u32) {
        let open = self.open.last_mut().expect("events nest");
        let (after, otherwise) = (open.after, open.otherwise.take());
        self.leave(position, after);
        self.place(otherwise.expect("an `else` belongs to an `if`"));
    }

    /// The next handler of a `try`; between the body and the first one is the node for what is thrown there.
    fn catch(&mut self, position: u32) {
        let mut open = self.open.pop().expect("events nest");
        self.leave(position, open.after);
        self.pass_body(position, &mut open);
        let handler = self.label();
        self.edges.extend(open.thrown_node.map(|node| (node, handler)));
        self.place(handler);
        self.open.push(open);
    }

    fn end(&mut self, position: u32) {
        let mut open = self.open.pop().expect("events nest");
        self.leave(position, open.after);
        self.pass_body(position, &mut open);
        if let Some(otherwise) = open.otherwise {
            self.place(otherwise);
        }
        self.place(open.after);
    }

    /// Behind the body of a `try`: the node for what is thrown there.
    fn pass_body(&mut self, position: u32, open: &mut Open) {
        let Some(thrown) = open.thrown.take() else { return };
        self.thrown = open.thrown_outside;
        self.place(thrown);
        open.thrown_node = Some(self.nodes.len() as u32);
        open.handlers.iter().chain(&open.thrown_outside).for_each(|label| self.edge(*label));
        self.close(position);
        self.live = false;
    }
}
