//! Dominators of a directed graph with a root: through which nodes every path from the root leads.
//!
//! Input: a [`Digraph`], nodes numbered from 0. Output: the dominator tree of the nodes that can be
//! reached. What would no longer be reached without a node is just its subtree, so one tree answers
//! for all nodes at once what a search without the node answers for one.
//!
//! # Sources
//! Lengauer and Tarjan, "A fast algorithm for finding dominators in a flowgraph" (1979): the simple
//! version, which takes O(edges · log nodes). Names (semidominator, ancestor, label) are theirs.

use crate::work;

/// A number for "none".
const NONE: u32 = u32::MAX;

/// A directed graph: the successors of each node, one behind the other.
pub(in crate::analyze) struct Digraph {
    /// Where each node's successors begin; one more than there are nodes.
    starts: Vec<u32>,
    successors: Vec<u32>,
}

impl Digraph {
    /// The graph of `nodes` nodes with the edges that `each_edge` gives, the same ones each time it is
    /// called.
    pub(in crate::analyze) fn new(
        nodes: usize,
        each_edge: impl Fn(&mut dyn FnMut(u32, u32)),
    ) -> Digraph {
        let mut starts = vec![0_u32; nodes + 1];
        each_edge(&mut |from, _| starts[from as usize + 1] += 1);
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut successors = vec![0; starts[nodes] as usize];
        each_edge(&mut |from, to| {
            let at = &mut next[from as usize];
            successors[*at as usize] = to;
            *at += 1;
        });
        Digraph { starts, successors }
    }

    /// Which nodes `root` leads to, by nodes that `enter` admits.
    pub(in crate::analyze) fn reached(&self, root: u32, enter: impl Fn(u32) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.nodes()];
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            work::count(1);
            if enter(node) && !std::mem::replace(&mut reached[node as usize], true) {
                pending.extend(self.successors(node));
            }
        }
        reached
    }

    fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    fn successors(&self, node: u32) -> &[u32] {
        let at = node as usize;
        &self.successors[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// The dominator tree of the nodes that can be reached from the root.
pub(in crate::analyze) struct Dominators {
    /// For each node its number, in the order of a depth-first search; [`NONE`] if it isn't reached.
    numbers: Vec<u32>,
    /// For each number its node.
    nodes: Vec<u32>,
    /// For each number that of its immediate dominator, which is less; the root's is itself.
    parents: Vec<u32>,
    /// For each number its place in the tree's own preorder.
    places: Vec<u32>,
    /// For each number how many nodes its subtree has.
    sizes: Vec<u32>,
}

impl Dominators {
    pub(in crate::analyze) fn new(graph: &Digraph, root: u32) -> Dominators {
        let search = Search::run(graph, root);
        let parents = Solver::new(&search).solve(&search);
        let count = search.nodes.len();
        let mut sizes = vec![1_u32; count];
        for number in (1..count).rev() {
            sizes[parents[number] as usize] += sizes[number];
        }
        let mut places = vec![0_u32; count];
        let mut free = vec![1_u32; count];
        for number in 1..count {
            let next = &mut free[parents[number] as usize];
            places[number] = *next;
            *next += sizes[number];
            free[number] = places[number] + 1;
        }
        Dominators { numbers: search.numbers, nodes: search.nodes, parents, places, sizes }
    }

    /// Whether every path from the root to `below` leads through `above`. Both must be reached.
    pub(in crate::analyze) fn dominates(&self, above: u32, below: u32) -> bool {
        let (above, below) = (self.numbers[above as usize], self.numbers[below as usize]);
        let start = self.places[above as usize];
        (start..start + self.sizes[above as usize]).contains(&self.places[below as usize])
    }

    /// For each node the sum of `weight` over all nodes that it dominates, itself included; nothing
    /// for a node that isn't reached.
    pub(in crate::analyze) fn sums(&self, weight: impl Fn(u32) -> u64) -> Vec<u64> {
        let mut by_number: Vec<u64> = self.nodes.iter().map(|node| weight(*node)).collect();
        for number in (1..by_number.len()).rev() {
            by_number[self.parents[number] as usize] += by_number[number];
        }
        let mut sums = vec![0; self.numbers.len()];
        for (node, sum) in self.nodes.iter().zip(by_number) {
            sums[*node as usize] = sum;
        }
        sums
    }
}

/// A depth-first search: everything here but `numbers` is by number.
struct Search {
    numbers: Vec<u32>,
    nodes: Vec<u32>,
    /// From which number each was first reached.
    parents: Vec<u32>,
    /// The predecessors of each number.
    predecessors: Digraph,
}

impl Search {
    fn run(graph: &Digraph, root: u32) -> Search {
        let mut numbers = vec![NONE; graph.nodes()];
        let (mut nodes, mut parents) = (vec![root], vec![0]);
        numbers[root as usize] = 0;
        // The nodes on the path to the present one, each with how many successors are done.
        let mut path: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some((node, done)) = path.last_mut() {
            work::count(1);
            let Some(&next) = graph.successors(*node).get(*done) else {
                path.pop();
                continue;
            };
            *done += 1;
            if numbers[next as usize] == NONE {
                numbers[next as usize] = nodes.len() as u32;
                parents.push(numbers[*node as usize]);
                nodes.push(next);
                path.push((next, 0));
            }
        }
        let predecessors = Digraph::new(nodes.len(), |edge| {
            for (from, node) in (0..).zip(&nodes) {
                let successors = graph.successors(*node).iter();
                successors.for_each(|to| edge(numbers[*to as usize], from));
            }
        });
        Search { numbers, nodes, parents, predecessors }
    }
}

/// The state of the algorithm, all by number: a forest of the numbers dealt with so far.
struct Solver {
    /// Semidominators.
    semi: Vec<u32>,
    /// The parent in the forest, or further up once a path is compressed; [`NONE`] for a root.
    ancestors: Vec<u32>,
    /// The number with the least semidominator between this one and its ancestor.
    labels: Vec<u32>,
    /// A path in the forest that is being compressed.
    path: Vec<u32>,
}

impl Solver {
    fn new(search: &Search) -> Solver {
        let count = search.nodes.len() as u32;
        Solver {
            semi: (0..count).collect(),
            ancestors: vec![NONE; count as usize],
            labels: (0..count).collect(),
            path: Vec::new(),
        }
    }

    /// The immediate dominator of each number.
    fn solve(mut self, search: &Search) -> Vec<u32> {
        let count = search.nodes.len();
        let mut dominators = vec![0_u32; count];
        // The numbers with a given semidominator, as linked lists.
        let (mut first, mut next) = (vec![NONE; count], vec![NONE; count]);
        for number in (1..count).rev() {
            for &predecessor in search.predecessors.successors(number as u32) {
                work::count(1);
                let least = self.least(predecessor);
                self.semi[number] = self.semi[number].min(self.semi[least as usize]);
            }
            let semi = self.semi[number] as usize;
            next[number] = std::mem::replace(&mut first[semi], number as u32);
            let parent = search.parents[number];
            self.ancestors[number] = parent;
            let mut at = std::mem::replace(&mut first[parent as usize], NONE);
            while at != NONE {
                work::count(1);
                let least = self.least(at);
                let shared = self.semi[least as usize] < self.semi[at as usize];
                dominators[at as usize] = if shared { least } else { parent };
                at = next[at as usize];
            }
        }
        for number in 1..count {
            if dominators[number] != self.semi[number] {
                dominators[number] = dominators[dominators[number] as usize];
            }
        }
        dominators
    }

    /// The number with the least semidominator on the path from `number` up to below its tree's root.
    fn least(&mut self, number: u32) -> u32 {
        let mut at = number;
        while self.ancestors[at as usize] != NONE {
            self.path.push(at);
            at = self.ancestors[at as usize];
        }
        // From the top down: whatever lies above has been compressed already.
        self.path.pop();
        while let Some(at) = self.path.pop() {
            work::count(1);
            let above = self.ancestors[at as usize];
            let label = self.labels[above as usize];
            if self.semi[label as usize] < self.semi[self.labels[at as usize] as usize] {
                self.labels[at as usize] = label;
            }
            self.ancestors[at as usize] = self.ancestors[above as usize];
        }
        self.labels[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODES: u32 = 9;

    fn digraph(edges: &[(u32, u32)]) -> Digraph {
        Digraph::new(NODES as usize, |edge| edges.iter().for_each(|(from, to)| edge(*from, *to)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_subtree_is_what_is_lost_without_its_root(
            edges in prop::collection::vec((0..NODES, 0..NODES), 0..24),
        ) {
            let graph = digraph(&edges);
            let dominators = Dominators::new(&graph, 0);
            let whole = graph.reached(0, |_| true);
            let sums = dominators.sums(|node| 1 << (4 * node));
            for above in 0..NODES {
                let has = dominators.numbers[above as usize] != NONE;
                prop_assert_eq!(has, whole[above as usize]);
                let mut sum = 0;
                let rest = graph.reached(0, |node| node != above);
                for below in (0..NODES).filter(|node| whole[*node as usize]) {
                    let lost = whole[above as usize] && !rest[below as usize];
                    sum += u64::from(lost) << (4 * below);
                    if whole[above as usize] {
                        prop_assert_eq!(dominators.dominates(above, below), lost);
                    }
                }
                prop_assert_eq!(sums[above as usize], sum, "{} of {:?}", above, edges);
            }
        }
    }
}
