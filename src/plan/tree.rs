//! The nodes as a tree in which no sequence opens more than [`REGION_LABELS`] labels.

use super::skeleton::{NodeKind, Skeleton};
use super::{FEWEST_REGION_LABELS, REGION_LABELS, REGION_LABELS_TIMES_LOCALS};
use crate::work;
use std::ops::Range;

/// A member of a sequence of nodes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A node of the skeleton.
    Node(usize),
    /// A run of nodes that is a region of its own.
    Bucket(usize),
}

/// The sequences inside of nodes. All of them lie in one vector: a function has as many as constructs with sites.
#[derive(Default)]
pub(super) struct Tree {
    /// The members of all sequences, and of all buckets.
    items: Vec<Item>,
    /// For each sequence its members.
    sequences: Vec<Range<usize>>,
    /// For each node its sequences: its first part, then that after an `else`, or those of the handlers.
    parts: Vec<Range<usize>>,
    /// For each bucket the run that it holds.
    buckets: Vec<Range<usize>>,
    weights: Vec<usize>,
    /// The most labels that a region opens here.
    most_labels: usize,
}

impl Tree {
    /// Makes it the tree of `skeleton`.
    pub fn rebuild(&mut self, skeleton: &Skeleton) {
        let nodes = &skeleton.nodes;
        self.items.clear();
        self.sequences.clear();
        self.buckets.clear();
        self.parts.clear();
        self.parts.resize(nodes.len(), 0..0);
        self.weights.clear();
        self.weights.resize(nodes.len(), 1);
        self.most_labels = (REGION_LABELS_TIMES_LOCALS / (skeleton.locals.len() + 1))
            .clamp(FEWEST_REGION_LABELS, REGION_LABELS);
        let mut children = Vec::new();
        // What is inside a node comes after it, so the inner ones are done first.
        for index in (0..nodes.len()).rev() {
            let node = &nodes[index];
            if matches!(node.kind, NodeKind::Site { .. }) {
                continue;
            }
            let starts = std::iter::once(index + 1)
                .chain(node.middle.iter().map(|middle| middle.first_node))
                .chain(node.handlers.iter().map(|handler| handler.first_node));
            let ends = starts.clone().skip(1).chain([node.next]);
            let first = self.sequences.len();
            let mut inside = 0;
            for (first, end) in starts.zip(ends) {
                let mut child = first;
                while child < end {
                    work::count(1);
                    children.push(Item::Node(child));
                    child = nodes[child].next;
                }
                self.split(&mut children);
                inside += self.weigh(&children);
                let sequence = self.append(&children);
                self.sequences.push(sequence);
                children.clear();
            }
            self.weights[index] = match node.kind {
                NodeKind::Block => inside + 1,
                NodeKind::If => inside + 1 + usize::from(node.middle.is_some()),
                NodeKind::Loop | NodeKind::Try | NodeKind::Site { .. } => 1,
            };
            self.parts[index] = first..self.sequences.len();
        }
    }

    /// How many sequences are inside a node.
    pub fn parts(&self, node: usize) -> usize {
        self.parts[node].len()
    }

    /// One of the sequences inside a node.
    pub fn part(&self, node: usize, ordinal: usize) -> &[Item] {
        let sequence = self.parts[node].start + ordinal;
        &self.items[self.sequences[sequence].clone()]
    }

    /// How many buckets there are.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// The run that a bucket holds.
    pub fn bucket(&self, bucket: usize) -> &[Item] {
        &self.items[self.buckets[bucket].clone()]
    }

    fn append(&mut self, items: &[Item]) -> Range<usize> {
        let start = self.items.len();
        self.items.extend_from_slice(items);
        start..self.items.len()
    }

    /// How many labels an item adds to the region it is in.
    fn weight(&self, item: Item) -> usize {
        match item {
            Item::Node(node) => self.weights[node],
            Item::Bucket(_) => 1,
        }
    }

    fn weigh(&self, items: &[Item]) -> usize {
        items.iter().map(|item| self.weight(*item)).sum()
    }

    /// Puts runs of `items` into buckets until they open few enough labels.
    fn split(&mut self, items: &mut Vec<Item>) {
        while self.weigh(items) > self.most_labels {
            work::count(items.len());
            let mut runs: Vec<Vec<Item>> = Vec::new();
            let mut room = 0;
            for item in items.drain(..) {
                let weight = self.weight(item);
                match runs.last_mut() {
                    Some(run) if weight <= room => run.push(item),
                    _ => {
                        runs.push(vec![item]);
                        room = self.most_labels;
                    }
                }
                room = room.saturating_sub(weight);
            }
            items.extend(runs.iter().map(|run| self.bucket_of(run)));
        }
    }

    fn bucket_of(&mut self, run: &[Item]) -> Item {
        if let [item] = run[..]
            && self.weight(item) == 1
        {
            return item;
        }
        let run = self.append(run);
        self.buckets.push(run);
        Item::Bucket(self.buckets.len() - 1)
    }
}
