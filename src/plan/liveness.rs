//! Which locals are live at a function's sites.
//!
//! Backward dataflow over the body's [`Graph`], with one bit for each local:
//!
//! ```text
//! in(n)  = read in n before it is set there ∪ (out(n) \ set in n)
//! out(n) = ∪ in(m) for all m that may come after n
//! live at a site = out(the node that ends with its call) ∪ {locals that are read after its landing}
//! ```
//!
//! A superset is sound; a missing local is not.
//!
//! The locals are taken 64 at a time, a *column*, so that no set is ever as large as all locals. Within a column each
//! node is looked at again only when a bit is new behind it: at most 64 times, whatever the loops. Together that is linear in
//! the events, the edges and the locals that are read, but for the product of edges and columns: a function has at most 50,000
//! locals, so that it is less than 800 times the edges.

use super::graph::Graph;
use super::skeleton::{Event, Skeleton};
use crate::index::LocalIdx;
use crate::work;
use std::ops::Range;

/// How many locals a column has.
pub(super) const COLUMN: usize = u64::BITS as usize;

/// The column that a local is in, and its bit there.
pub(super) fn place(local: LocalIdx) -> (usize, u64) {
    (local.0 as usize / COLUMN, 1 << (local.0 as usize % COLUMN))
}

/// Computes which locals a rewind to each site of `skeleton` needs: those that are live after the call, and those that
/// run again before it. `column` gets each column that has any, and for each site, in program order, its bits.
pub(super) fn live_at_sites(skeleton: &Skeleton, mut column: impl FnMut(usize, &[u64])) {
    let accesses = Accesses::of(skeleton);
    if accesses.columns.is_empty() {
        return;
    }
    let graph = Graph::build(skeleton);
    let mut pass = ColumnSolver::new(&graph);
    let mut at_sites = vec![0; graph.sites.len()];
    for (number, accesses) in accesses.columns() {
        pass.solve(accesses);
        for (live, node) in at_sites.iter_mut().zip(&graph.sites) {
            work::count(1);
            *live = pass.live_after(*node);
        }
        for access in accesses {
            if let Some(site) = access.site {
                at_sites[site as usize] |= access.bit;
            }
        }
        column(number, &at_sites);
    }
}

/// Where a local is read or set.
#[derive(Clone, Copy, Default)]
struct Access {
    /// The position of the event.
    event: u32,
    bit: u64,
    reads: bool,
    /// The site, from 0, if it is read after the site's landing.
    site: Option<u32>,
}

/// The accesses to all locals, column by column, in program order within each.
struct Accesses {
    all: Vec<Access>,
    /// Those columns with a local that is read: the number, and where its accesses begin and end.
    columns: Vec<(usize, Range<usize>)>,
}

impl Accesses {
    fn of(skeleton: &Skeleton) -> Accesses {
        let count = skeleton.locals.len().div_ceil(COLUMN);
        let (mut ends, mut is_read) = (vec![0; count], vec![false; count]);
        visit(skeleton, |column, access| {
            ends[column] += 1;
            is_read[column] |= access.reads;
        });
        let mut starts = Vec::with_capacity(count);
        let mut total = 0;
        for end in &mut ends {
            starts.push(total);
            total += *end;
            *end = total;
        }
        let mut all = vec![Access::default(); total];
        let mut next = starts.clone();
        visit(skeleton, |column, access| {
            all[next[column]] = access;
            next[column] += 1;
        });
        let ranges = starts.into_iter().zip(ends).map(|(start, end)| start..end);
        let columns = ranges.enumerate().filter(|(column, _)| is_read[*column]).collect();
        Accesses { all, columns }
    }

    fn columns(&self) -> impl Iterator<Item = (usize, &[Access])> {
        self.columns.iter().map(|(column, range)| (*column, &self.all[range.clone()]))
    }
}

/// Shows each access with its column.
fn visit(skeleton: &Skeleton, mut access: impl FnMut(usize, Access)) {
    let mut show = |event, local, reads, site| {
        let (column, bit) = place(local);
        access(column, Access { event, bit, reads, site });
    };
    for (position, event) in (0..).zip(&skeleton.events) {
        work::count(1);
        match event {
            Event::Get(local) => show(position, *local, true, None),
            Event::Set(local) => show(position, *local, false, None),
            Event::Site(site) => {
                let (_, needed) = &skeleton.needed[*site as usize];
                for local in &skeleton.needed_locals[needed.clone()] {
                    work::count(1);
                    show(position, *local, true, Some(*site));
                }
            }
            _ => {}
        }
    }
}

/// The solution for a column.
struct ColumnSolver<'a> {
    graph: &'a Graph,
    /// For each node what is live where it begins, and what is set in it.
    live: Vec<u64>,
    set: Vec<u64>,
    /// The edges that lead backwards, or to the same node.
    loops: Vec<(u32, u32)>,
    /// Nodes with bits that have not been passed on, and those bits.
    waiting: Vec<u32>,
    new: Vec<u64>,
}

impl<'a> ColumnSolver<'a> {
    fn new(graph: &'a Graph) -> Self {
        let nodes = graph.nodes.len();
        let edges = (0..nodes as u32)
            .flat_map(|from| graph.next.of(from).iter().map(move |to| (from, *to)));
        ColumnSolver {
            graph,
            live: vec![0; nodes],
            set: vec![0; nodes],
            loops: edges.filter(|(from, to)| to <= from).collect(),
            waiting: Vec::new(),
            new: vec![0; nodes],
        }
    }

    fn solve(&mut self, accesses: &[Access]) {
        self.collect(accesses);
        for node in (0..self.graph.nodes.len() as u32).rev() {
            work::count(1);
            self.live[node as usize] |= self.live_after(node) & !self.set[node as usize];
        }
        for position in 0..self.loops.len() {
            work::count(1);
            let (from, to) = self.loops[position];
            self.add(from, self.live[to as usize]);
        }
        while let Some(node) = self.waiting.pop() {
            let new = std::mem::take(&mut self.new[node as usize]);
            for before in self.graph.before.of(node) {
                work::count(1);
                self.add(*before, new);
            }
        }
    }

    /// What each node reads before it sets it, and what it sets.
    fn collect(&mut self, accesses: &[Access]) {
        self.live.fill(0);
        self.set.fill(0);
        let mut node = self.graph.nodes.len() - 1;
        for access in accesses.iter().rev() {
            work::count(1);
            while !self.graph.nodes[node].contains(&access.event) {
                work::count(1);
                node -= 1;
            }
            if access.reads {
                self.live[node] |= access.bit;
            } else {
                self.live[node] &= !access.bit;
                self.set[node] |= access.bit;
            }
        }
    }

    fn live_after(&self, node: u32) -> u64 {
        work::count(self.graph.next.of(node).len());
        self.graph.next.of(node).iter().fold(0, |live, next| live | self.live[*next as usize])
    }

    /// These bits are live behind `node`.
    fn add(&mut self, node: u32, bits: u64) {
        let at = node as usize;
        let new = bits & !self.set[at] & !self.live[at];
        if new == 0 {
            return;
        }
        self.live[at] |= new;
        if self.new[at] == 0 {
            self.waiting.push(node);
        }
        self.new[at] |= new;
    }
}

#[cfg(test)]
mod tests;
