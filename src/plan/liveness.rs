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

/// The column that a local is in, and the position of its bit there.
fn column_of(local: LocalIdx) -> (usize, u8) {
    (local.0 as usize / COLUMN, (local.0 as usize % COLUMN) as u8)
}

/// What one function leaves to the next, so that not every function asks for memory anew.
#[derive(Default)]
pub(super) struct Scratch {
    graph: Graph,
    accesses: Accesses,
    solver: ColumnSolver,
    at_sites: Vec<u64>,
}

/// Computes which locals a rewind to each site of `skeleton` needs: those that are live after the call, and those that
/// run again before it. `column` gets each column that has any, and for each site, in program order, its bits.
pub(super) fn live_at_sites(
    skeleton: &Skeleton,
    scratch: &mut Scratch,
    mut column: impl FnMut(usize, &[u64]),
) {
    let Scratch { graph, accesses, solver, at_sites } = scratch;
    graph.rebuild(skeleton);
    accesses.collect(skeleton, graph);
    if accesses.columns.is_empty() {
        return;
    }
    solver.prepare(graph);
    at_sites.clear();
    at_sites.resize(graph.sites.len(), 0);
    for (number, accesses) in accesses.columns() {
        at_sites.fill(0);
        solver.solve(graph, accesses, |place, bit| {
            if let Event::Site(site) = skeleton.events[place as usize / 2] {
                at_sites[site as usize] |= bit;
            }
        });
        for (live, node) in at_sites.iter_mut().zip(&graph.sites) {
            work::count(1);
            *live |= solver.live_after(graph, *node);
        }
        column(number, at_sites);
    }
}

/// Where a local is read or set. A function has many of them.
#[derive(Clone, Copy, Default)]
struct Access {
    /// Its place among the events, as that of a [`skeleton::Access`]; at a site that of the event.
    place: u32,
    /// The local's bit, by its position.
    bit: u8,
    kind: AccessKind,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum AccessKind {
    #[default]
    Set,
    Get,
    /// It is read after the landing of the site that the event is.
    GetAtSite,
}

impl Access {
    fn reads(self) -> bool {
        self.kind != AccessKind::Set
    }
}

/// The accesses to all locals, column by column, in program order within each.
#[derive(Default)]
struct Accesses {
    all: Vec<Access>,
    /// Those columns with a local that is read: the number, and where its accesses begin and end.
    columns: Vec<(usize, Range<usize>)>,
    /// For each column where its next access goes, and whether any of its locals is read.
    next: Vec<(usize, bool)>,
}

impl Accesses {
    fn collect(&mut self, skeleton: &Skeleton, graph: &Graph) {
        let Accesses { all, columns, next } = self;
        all.clear();
        columns.clear();
        next.clear();
        next.resize(skeleton.locals.len().div_ceil(COLUMN), (0, false));
        if next.len() > 1 {
            visit(skeleton, graph, |column, _| next[column].0 += 1);
            let mut total = 0;
            for (next, _) in next.iter_mut() {
                total += std::mem::replace(next, total);
            }
            all.resize(total, Access::default());
            visit(skeleton, graph, |column, access| {
                all[next[column].0] = access;
                next[column].0 += 1;
                next[column].1 |= access.reads();
            });
        } else {
            visit(skeleton, graph, |column, access| {
                all.push(access);
                next[column] = (all.len(), next[column].1 | access.reads());
            });
        }
        let mut start = 0;
        for (column, (end, is_read)) in next.iter().enumerate() {
            if *is_read {
                columns.push((column, start..*end));
            }
            start = *end;
        }
    }

    fn columns(&self) -> impl Iterator<Item = (usize, &[Access])> {
        self.columns.iter().map(|(column, range)| (*column, &self.all[range.clone()]))
    }
}

/// Shows each access with its column, in program order.
fn visit(skeleton: &Skeleton, graph: &Graph, mut access: impl FnMut(usize, Access)) {
    let mut show = |place, local, kind| {
        work::count(1);
        let (column, bit) = column_of(local);
        access(column, Access { place, bit, kind });
    };
    let kind = |sets| if sets { AccessKind::Set } else { AccessKind::Get };
    let mut rest = &skeleton.accesses[..];
    for ((_, needed), node) in skeleton.needed.iter().zip(&graph.sites) {
        work::count(1);
        if needed.is_empty() {
            continue;
        }
        // A site is the last event of its node.
        let site = graph.nodes[*node as usize].end - 1;
        while let [first, behind @ ..] = rest
            && first.place < site
        {
            show(first.place, first.local, kind(first.sets));
            rest = behind;
        }
        for local in &skeleton.needed_locals[needed.clone()] {
            show(site, *local, AccessKind::GetAtSite);
        }
    }
    rest.iter().for_each(|rest| show(rest.place, rest.local, kind(rest.sets)));
}

/// The solution for a column.
#[derive(Default)]
struct ColumnSolver {
    /// For each node what is live where it begins, and what is set in it.
    live: Vec<u64>,
    set: Vec<u64>,
    /// Nodes with bits that have not been passed on, and those bits.
    waiting: Vec<u32>,
    new: Vec<u64>,
}

impl ColumnSolver {
    /// For the columns of a graph.
    fn prepare(&mut self, graph: &Graph) {
        let nodes = graph.nodes.len();
        for bits in [&mut self.live, &mut self.set, &mut self.new] {
            bits.clear();
            bits.resize(nodes, 0);
        }
    }

    /// Shows `at_site` what is read after the landings of sites: the site's place, and the local's bit.
    fn solve(&mut self, graph: &Graph, accesses: &[Access], at_site: impl FnMut(u32, u64)) {
        self.collect(graph, accesses, at_site);
        for node in (0..graph.nodes.len() as u32).rev() {
            work::count(1);
            self.live[node as usize] |= self.live_after(graph, node) & !self.set[node as usize];
        }
        // Without loops everything has been passed on.
        for (from, to) in &graph.loops {
            work::count(1);
            self.add(*from, self.live[*to as usize]);
        }
        while let Some(node) = self.waiting.pop() {
            let new = std::mem::take(&mut self.new[node as usize]);
            for before in graph.before.of(node) {
                work::count(1);
                self.add(*before, new);
            }
        }
    }

    /// What each node reads before it sets it, and what it sets.
    fn collect(&mut self, graph: &Graph, accesses: &[Access], mut at_site: impl FnMut(u32, u64)) {
        self.live.fill(0);
        self.set.fill(0);
        let mut node = graph.nodes.len() - 1;
        for access in accesses.iter().rev() {
            work::count(1);
            while access.place < graph.nodes[node].start {
                work::count(1);
                node -= 1;
            }
            let bit = 1 << access.bit;
            if access.reads() {
                self.live[node] |= bit;
            } else {
                self.live[node] &= !bit;
                self.set[node] |= bit;
            }
            if access.kind == AccessKind::GetAtSite {
                at_site(access.place, bit);
            }
        }
    }

    fn live_after(&self, graph: &Graph, node: u32) -> u64 {
        let next = graph.next.of(node);
        work::count(next.len());
        next.iter().fold(0, |live, next| live | self.live[*next as usize])
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
