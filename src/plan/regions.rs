//! Regions, their labels and their dispatches: see the [module](super) for what a region is.

use super::dispatch::{Caught, Dispatch, HandlerWay, Reset};
use super::pads::Pad;
use super::skeleton::{NodeKind, Skeleton};
use super::{
    FEWEST_REGION_LABELS, Label, LabelType, REGION_LABELS, REGION_LABELS_TIMES_LOCALS,
    RegionOrdinal,
};
use crate::index::TypeIdx;
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::BlockType;

/// A region's labels and what its dispatch does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The ordinals of the labels it opens, in the order of their ends: the last is opened first.
    pub labels: Range<u32>,
    /// How it gets to them.
    pub dispatch: Dispatch,
    /// Whether only a rewind enters it, so that it dispatches without a test.
    pub rewind_only: bool,
}

/// A member of a sequence of nodes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A node of the skeleton.
    Node(usize),
    /// A run of nodes that is a region of its own.
    Bucket(usize),
}

/// The nodes as a tree in which no sequence opens more than [`REGION_LABELS`] labels.
pub(super) struct Tree {
    /// For each node the sequences inside it: its first part, then that after an `else`, or those
    /// of the handlers.
    pub parts: Vec<Vec<Vec<Item>>>,
    /// The runs that buckets hold.
    pub buckets: Vec<Vec<Item>>,
    weights: Vec<usize>,
    /// The most labels that a region opens here.
    most_labels: usize,
}

impl Tree {
    pub fn build(skeleton: &Skeleton) -> Tree {
        let nodes = &skeleton.nodes;
        let mut tree = Tree {
            parts: vec![Vec::new(); nodes.len()],
            buckets: Vec::new(),
            weights: vec![1; nodes.len()],
            most_labels: (REGION_LABELS_TIMES_LOCALS / (skeleton.locals.len() + 1))
                .clamp(FEWEST_REGION_LABELS, REGION_LABELS),
        };
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
            let mut parts = Vec::new();
            for (first, end) in starts.zip(ends) {
                let mut children = Vec::new();
                let mut child = first;
                while child < end {
                    work::count(1);
                    children.push(Item::Node(child));
                    child = nodes[child].next;
                }
                parts.push(tree.split(children));
            }
            let inside: usize = parts.iter().flatten().map(|item| tree.weight(*item)).sum();
            tree.weights[index] = match node.kind {
                NodeKind::Block => inside + 1,
                NodeKind::If => inside + 1 + usize::from(node.middle.is_some()),
                NodeKind::Loop | NodeKind::Try | NodeKind::Site { .. } => 1,
            };
            tree.parts[index] = parts;
        }
        tree
    }

    /// How many labels an item adds to the region it is in.
    fn weight(&self, item: Item) -> usize {
        match item {
            Item::Node(node) => self.weights[node],
            Item::Bucket(_) => 1,
        }
    }

    /// Puts runs of `items` into buckets until they open few enough labels.
    fn split(&mut self, mut items: Vec<Item>) -> Vec<Item> {
        while items.iter().map(|item| self.weight(*item)).sum::<usize>() > self.most_labels {
            work::count(items.len());
            let mut runs: Vec<Vec<Item>> = Vec::new();
            let mut room = 0;
            for item in items {
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
            items = runs.into_iter().map(|run| self.bucket(run)).collect();
        }
        items
    }

    fn bucket(&mut self, run: Vec<Item>) -> Item {
        if let [item] = run[..]
            && self.weight(item) == 1
        {
            return item;
        }
        self.buckets.push(run);
        Item::Bucket(self.buckets.len() - 1)
    }
}

/// Labels, regions and ordinals.
pub(super) struct Layout {
    /// How many labels there are.
    pub labels: u32,
    /// The types of those that have results.
    pub label_types: Vec<(Label, LabelType)>,
    pub regions: Vec<Region>,
    /// For each node its landing (sites, loops, tries) or the label of its `end` (blocks, ifs).
    pub node_label: Vec<Label>,
    /// For each `if` the label of its `else`.
    pub else_label: Vec<Label>,
    /// For each loop and try the region of its body.
    pub node_region: Vec<RegionOrdinal>,
    /// For each handler with sites, by node and ordinal, its region.
    pub handler_region: BTreeMap<(usize, usize), RegionOrdinal>,
    /// For each bucket its landing and its region.
    pub buckets: Vec<(Label, RegionOrdinal)>,
    /// For each site (by node) its ordinal, and whether its landing resets `$resume`.
    pub sites: Vec<(u32, bool)>,
}

/// What a region consists of.
#[derive(Copy, Clone)]
enum Content {
    /// A part of a node.
    Part(usize, usize),
    /// A bucket.
    Bucket(usize),
}

/// A region in the making.
struct Draft {
    content: Content,
    labels: Range<u32>,
    /// Nodes of the region's own sites.
    sites: Vec<usize>,
    /// Landings and ordinals of the regions inside.
    inner: Vec<(Label, usize)>,
    /// Ordinals of the regions of handlers.
    handlers: Vec<usize>,
    /// How many sites are in it, those of inner regions included.
    size: u32,
}

struct Builder<'a> {
    module: &'a Module<'a>,
    skeleton: &'a Skeleton,
    tree: &'a Tree,
    layout: Layout,
    drafts: Vec<Draft>,
}

impl Layout {
    pub fn build(module: &Module<'_>, skeleton: &Skeleton, tree: &Tree) -> Layout {
        let nodes = skeleton.nodes.len();
        let layout = Layout {
            labels: 0,
            label_types: Vec::new(),
            regions: Vec::new(),
            node_label: vec![Label(u32::MAX); nodes],
            else_label: vec![Label(u32::MAX); nodes],
            node_region: vec![RegionOrdinal(u32::MAX); nodes],
            handler_region: BTreeMap::new(),
            buckets: vec![(Label(u32::MAX), RegionOrdinal(u32::MAX)); tree.buckets.len()],
            sites: vec![(0, false); nodes],
        };
        let mut builder = Builder { module, skeleton, tree, layout, drafts: Vec::new() };
        builder.draft(Content::Part(0, 0));
        let mut next = 0;
        while next < builder.drafts.len() {
            builder.fill(next);
            next += 1;
        }
        builder.number();
        builder.layout
    }

    /// The ordinals of the sites in program order.
    pub fn ordinals(&self) -> Vec<u32> {
        let ordinals = self.sites.iter().map(|(ordinal, _)| *ordinal);
        ordinals.filter(|ordinal| *ordinal > 0).collect()
    }

    /// What belongs to the sites in program order, in order of their ordinals.
    pub fn by_ordinal<T: Default>(&self, of_sites: Vec<T>) -> Vec<T> {
        let mut by_ordinal: Vec<T> = of_sites.iter().map(|_| T::default()).collect();
        for (ordinal, item) in self.ordinals().into_iter().zip(of_sites) {
            work::count(1);
            by_ordinal[ordinal as usize - 1] = item;
        }
        by_ordinal
    }

    /// Completes the ways into handlers: for each body's region, in order. Pads learn which sites are inside.
    pub fn set_caught(&mut self, caught: Vec<(RegionOrdinal, Caught)>, pads: &mut [Pad]) {
        let mut done: BTreeMap<RegionOrdinal, usize> = BTreeMap::new();
        for (region, caught) in caught {
            work::count(1);
            let ordinal = done.entry(region).or_default();
            let dispatch = &mut self.regions[region.0 as usize].dispatch;
            if let Caught::Kept(pad) = caught {
                let entered = dispatch.handlers_with_first().nth(*ordinal);
                let pad = &mut pads[pad.0 as usize];
                (pad.first, pad.sites) =
                    entered.map_or((0, 0), |(first, handler)| (first, handler.sites));
            }
            dispatch.handlers[*ordinal].caught = caught;
            *ordinal += 1;
        }
    }
}

impl<'a> Builder<'a> {
    fn draft(&mut self, content: Content) -> usize {
        self.drafts.push(Draft {
            content,
            labels: 0..0,
            sites: Vec::new(),
            inner: Vec::new(),
            handlers: Vec::new(),
            size: 0,
        });
        self.drafts.len() - 1
    }

    /// The next label. A region's labels are consecutive, since it is filled in one go.
    fn label(&mut self, ty: LabelType) -> Label {
        let label = Label(self.layout.labels);
        self.layout.labels += 1;
        if ty != LabelType::Plain(BlockType::Empty) {
            self.layout.label_types.push((label, ty));
        }
        label
    }

    /// Collects the labels of a region, and drafts the regions inside.
    fn fill(&mut self, region: usize) {
        let tree = self.tree;
        let items: &'a [Item] = match self.drafts[region].content {
            Content::Part(node, part) => &tree.parts[node][part],
            Content::Bucket(bucket) => &tree.buckets[bucket],
        };
        let first = self.layout.labels;
        self.sequence(region, items);
        self.drafts[region].labels = first..self.layout.labels;
    }

    /// Labels in the order of their ends. Recursion is no deeper than [`REGION_LABELS`], since
    /// each level has a label of its own.
    fn sequence(&mut self, region: usize, items: &'a [Item]) {
        for item in items {
            match *item {
                Item::Bucket(bucket) => {
                    let (label, inner) = self.inner(region, Content::Bucket(bucket));
                    self.layout.buckets[bucket] = (label, inner);
                }
                Item::Node(node) => self.node(region, node),
            }
        }
    }

    fn inner(&mut self, region: usize, content: Content) -> (Label, RegionOrdinal) {
        let label = self.label(LabelType::Plain(BlockType::Empty));
        let inner = self.draft(content);
        self.drafts[region].inner.push((label, inner));
        (label, RegionOrdinal(inner as u32))
    }

    fn node(&mut self, region: usize, node: usize) {
        let tree = self.tree;
        let empty = LabelType::Plain(BlockType::Empty);
        let parts = &tree.parts[node];
        match self.skeleton.nodes[node].kind {
            NodeKind::Site { .. } => {
                self.layout.node_label[node] = self.label(empty);
                self.drafts[region].sites.push(node);
            }
            NodeKind::Loop | NodeKind::Try => {
                let (label, inner) = self.inner(region, Content::Part(node, 0));
                self.layout.node_label[node] = label;
                self.layout.node_region[node] = inner;
                self.handlers(inner.0 as usize, node);
            }
            NodeKind::Block | NodeKind::If => {
                self.sequence(region, &parts[0]);
                if let Some(otherwise) = parts.get(1) {
                    self.layout.else_label[node] = self.label(empty);
                    self.sequence(region, otherwise);
                }
                let ty = self.end_type(self.skeleton.nodes[node].ty);
                self.layout.node_label[node] = self.label(ty);
            }
        }
    }

    /// Drafts regions for the handlers that have sites.
    fn handlers(&mut self, body: usize, node: usize) {
        let tree = self.tree;
        for ordinal in 0..self.skeleton.nodes[node].handlers.len() {
            work::count(1);
            if tree.parts[node][ordinal + 1].is_empty() {
                continue;
            }
            let region = self.draft(Content::Part(node, ordinal + 1));
            self.drafts[body].handlers.push(region);
            let region = RegionOrdinal(region as u32);
            self.layout.handler_region.insert((node, ordinal), region);
        }
    }

    /// The type of a hoisted construct's label: its results without its parameters.
    fn end_type(&self, ty: BlockType) -> LabelType {
        let BlockType::FuncType(index) = ty else {
            return LabelType::Plain(ty);
        };
        let signature = self.module.func_type_at(TypeIdx(index));
        match signature.results() {
            _ if signature.params().is_empty() => LabelType::Plain(ty),
            [] => LabelType::Plain(BlockType::Empty),
            results => LabelType::Results(results.to_vec()),
        }
    }

    /// Numbers the sites and settles the dispatches.
    fn number(&mut self) {
        for region in (0..self.drafts.len()).rev() {
            work::count(1);
            let draft = &self.drafts[region];
            let inner = draft.inner.iter().map(|(_, inner)| inner);
            let inner = inner.chain(&draft.handlers);
            let inside: u32 = inner.map(|inner| self.drafts[*inner].size).sum();
            self.drafts[region].size = draft.sites.len() as u32 + inside;
        }
        let mut first = vec![1; self.drafts.len()];
        for region in 0..self.drafts.len() {
            let own = self.drafts[region].sites.len() as u32;
            let mut ordinal = first[region] + own;
            let mut handlers = Vec::new();
            for handler in std::mem::take(&mut self.drafts[region].handlers) {
                work::count(1);
                first[handler] = ordinal;
                let sites = self.drafts[handler].size;
                ordinal += sites;
                handlers.push(HandlerWay { sites, caught: Caught::Any });
            }
            // The largest inner region comes last, where the dispatch needs no table for it.
            let mut inner = std::mem::take(&mut self.drafts[region].inner);
            inner.sort_by_key(|(_, inner)| (self.drafts[*inner].size, *inner));
            let mut regions = Vec::new();
            for (label, inner) in inner {
                work::count(1);
                first[inner] = ordinal;
                ordinal += self.drafts[inner].size;
                regions.push((label, self.drafts[inner].size));
            }
            let draft = &mut self.drafts[region];
            let only_sites = regions.is_empty() && handlers.is_empty();
            let reset = match draft.sites[..] {
                _ if first.len() == 1 => Reset::Never,
                [_] if region > 0 && only_sites => Reset::AtLanding,
                _ => Reset::InDispatch,
            };
            let mut sites = Vec::new();
            for (ordinal, site) in (first[region]..).zip(&draft.sites) {
                work::count(1);
                self.layout.sites[*site] = (ordinal, reset == Reset::AtLanding);
                sites.push(self.layout.node_label[*site]);
            }
            let first = first[region];
            let dispatch = Dispatch { first, sites, handlers, regions, reset };
            let labels = draft.labels.clone();
            self.layout.regions.push(Region { labels, dispatch, rewind_only: false });
        }
    }
}
