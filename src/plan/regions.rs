//! Regions, their labels and their dispatches: see the [module](super) for what a region is.

use super::dispatch::{Caught, Dispatch, HandlerWay, Jump};
use super::pads::Pad;
use super::skeleton::{NodeKind, Skeleton};
use super::tree::{Item, Tree};
use super::{Label, LabelType, RegionOrdinal};
use crate::index::TypeIdx;
use crate::options::Form;
use crate::read::Module;
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether the first of the labels is where the region begins: then it is not opened, and the dispatch goes on behind itself in its place.
    pub falls_in: bool,
}

impl Region {
    /// The ordinals of the labels that are opened.
    pub fn opened(&self) -> Range<u32> {
        self.labels.start + u32::from(self.falls_in)..self.labels.end
    }

    /// The label that is where the region begins.
    pub fn start_label(&self) -> Option<Label> {
        self.falls_in.then_some(Label(self.labels.start))
    }
}

/// Labels, regions and ordinals.
#[derive(Default)]
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
    /// For each site (by node) its ordinal.
    pub sites: Vec<u32>,
    drafts: Drafts,
}

/// The regions in the making. What a function leaves of them is used again for the next.
#[derive(Default)]
struct Drafts {
    all: Vec<Draft>,
    /// How many of them are this function's.
    count: usize,
    /// For each region the ordinal of its first site.
    first: Vec<u32>,
}

/// What a region consists of.
#[derive(Copy, Clone)]
enum Content {
    /// A part of a node.
    Part(usize, usize),
    /// A bucket.
    Bucket(usize),
}

impl Default for Content {
    fn default() -> Content {
        Content::Part(0, 0)
    }
}

impl Draft {
    /// A draft of that alone, in the memory of this one.
    fn begin(&mut self, content: Content) {
        (self.content, self.labels, self.size) = (content, 0..0, 0);
        self.sites.clear();
        self.inner.clear();
        self.handlers.clear();
    }
}

/// A region in the making.
#[derive(Default)]
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
    layout: &'a mut Layout,
}

impl Layout {
    /// Makes it the layout of `skeleton`. What was taken out of it is not missed.
    pub fn rebuild(&mut self, module: &Module<'_>, skeleton: &Skeleton, tree: &Tree) {
        let nodes = skeleton.nodes.len();
        let (no_label, no_region) = (Label(u32::MAX), RegionOrdinal(u32::MAX));
        self.labels = 0;
        self.label_types.clear();
        self.regions.clear();
        refill(&mut self.node_label, no_label, nodes);
        refill(&mut self.else_label, no_label, nodes);
        refill(&mut self.node_region, no_region, nodes);
        self.handler_region.clear();
        refill(&mut self.buckets, (no_label, no_region), tree.buckets());
        refill(&mut self.sites, 0, nodes);
        self.drafts.count = 0;
        let mut builder = Builder { module, skeleton, tree, layout: self };
        builder.draft(Content::Part(0, 0));
        let mut next = 0;
        while next < builder.layout.drafts.count {
            builder.fill(next);
            next += 1;
        }
        builder.number();
    }

    /// The ordinals of the sites in program order.
    pub fn ordinals(&self) -> Vec<u32> {
        self.sites.iter().copied().filter(|ordinal| *ordinal > 0).collect()
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

/// A function has a loop in which time may be spent if one holds as many sites itself.
const SITES_OF_BUSY_LOOP: usize = 6;

impl Layout {
    /// Whether regions ask `$resume`, which is then reset on the way to each site, and not the state. Asking that in each round of busy loops
    /// was measured to cost 5 % of quickjs and sqljs; everywhere else it costs nothing, and takes less code.
    pub fn asks_resume(&self, skeleton: &Skeleton) -> bool {
        let regions = skeleton.nodes.iter().zip(&self.node_region);
        let mut loops = regions.filter(|(node, _)| node.kind == NodeKind::Loop);
        let sites = |region: &RegionOrdinal| self.regions[region.0 as usize].dispatch.sites.len();
        skeleton.sites_in_loops as usize >= SITES_OF_BUSY_LOOP
            && loops.any(|(_, region)| sites(region) >= SITES_OF_BUSY_LOOP)
    }

    /// The landings that reset `$resume`, where regions ask it: of sites that are alone in a region with a test on the normal path.
    pub fn resetting(&self) -> BTreeSet<Label> {
        self.regions.iter().skip(1).filter_map(|region| region.dispatch.only_site()).collect()
    }

    /// Whether the dispatch at the start of the body that a rewind enters, or another, asks for what it can't take from the operand stack.
    pub fn keeps_resume(&self, form: Form) -> bool {
        let [region] = &self.regions[..] else { return true };
        let jump = region.dispatch.to_landings(region.start_label());
        jump.is_some_and(|jump| {
            let asks_local = matches!(jump, Jump::Ladder { .. });
            // A resume function does nothing but rewind, so that it has no label there to go on behind.
            asks_local || form == Form::Apart && jump.branches_behind()
        })
    }

    /// Notes which regions have a landing at their very start.
    pub fn set_falls_in(&mut self, regions: &[RegionOrdinal]) {
        for region in regions {
            self.regions[region.0 as usize].falls_in = true;
        }
    }
}

impl<'a> Builder<'a> {
    fn draft(&mut self, content: Content) -> usize {
        let Drafts { all, count, .. } = &mut self.layout.drafts;
        if *count == all.len() {
            all.push(Draft::default());
        }
        all[*count].begin(content);
        *count += 1;
        *count - 1
    }

    fn drafted(&mut self, region: usize) -> &mut Draft {
        &mut self.layout.drafts.all[region]
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
        let items: &'a [Item] = match self.drafted(region).content {
            Content::Part(node, part) => tree.part(node, part),
            Content::Bucket(bucket) => tree.bucket(bucket),
        };
        let first = self.layout.labels;
        self.sequence(region, items);
        self.drafted(region).labels = first..self.layout.labels;
    }

    /// Labels in the order of their ends. Recursion is no deeper than [`REGION_LABELS`](super::REGION_LABELS), since
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
        self.drafted(region).inner.push((label, inner));
        (label, RegionOrdinal(inner as u32))
    }

    fn node(&mut self, region: usize, node: usize) {
        let tree = self.tree;
        let empty = LabelType::Plain(BlockType::Empty);
        match self.skeleton.nodes[node].kind {
            NodeKind::Site { .. } => {
                self.layout.node_label[node] = self.label(empty);
                self.drafted(region).sites.push(node);
            }
            NodeKind::Loop | NodeKind::Try => {
                let (label, inner) = self.inner(region, Content::Part(node, 0));
                self.layout.node_label[node] = label;
                self.layout.node_region[node] = inner;
                self.handlers(inner.0 as usize, node);
            }
            NodeKind::Block | NodeKind::If => {
                self.sequence(region, tree.part(node, 0));
                if tree.parts(node) > 1 {
                    self.layout.else_label[node] = self.label(empty);
                    self.sequence(region, tree.part(node, 1));
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
            if tree.part(node, ordinal + 1).is_empty() {
                continue;
            }
            let region = self.draft(Content::Part(node, ordinal + 1));
            self.drafted(body).handlers.push(region);
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
        let Layout { regions, node_label, sites: numbers, drafts, .. } = &mut *self.layout;
        let Drafts { all, count, first } = drafts;
        let drafts = &mut all[..*count];
        for region in (0..drafts.len()).rev() {
            work::count(1);
            let draft = &drafts[region];
            let inner = draft.inner.iter().map(|(_, inner)| inner);
            let inner = inner.chain(&draft.handlers);
            let inside: u32 = inner.map(|inner| drafts[*inner].size).sum();
            drafts[region].size = draft.sites.len() as u32 + inside;
        }
        refill(first, 1, drafts.len());
        regions.reserve_exact(drafts.len());
        for region in 0..drafts.len() {
            let own = drafts[region].sites.len() as u32;
            let mut ordinal = first[region] + own;
            // The largest inner region comes last, where the dispatch needs no table for it.
            let mut inner = std::mem::take(&mut drafts[region].inner);
            inner.sort_by_key(|(_, inner)| (drafts[*inner].size, *inner));
            let mut inside = Vec::with_capacity(inner.len());
            for (label, inner) in &inner {
                work::count(1);
                first[*inner] = ordinal;
                ordinal += drafts[*inner].size;
                inside.push((*label, drafts[*inner].size));
            }
            drafts[region].inner = inner;
            let mut handlers = Vec::with_capacity(drafts[region].handlers.len());
            for handler in &drafts[region].handlers {
                work::count(1);
                first[*handler] = ordinal;
                let sites = drafts[*handler].size;
                ordinal += sites;
                handlers.push(HandlerWay { sites, caught: Caught::Any });
            }
            let draft = &drafts[region];
            let mut sites = Vec::with_capacity(draft.sites.len());
            for (ordinal, site) in (first[region]..).zip(&draft.sites) {
                work::count(1);
                numbers[*site] = ordinal;
                sites.push(node_label[*site]);
            }
            let first = first[region];
            let (sites, inside, handlers) = (sites.into(), inside.into(), handlers.into());
            let dispatch = Dispatch { first, sites, regions: inside, handlers };
            let labels = draft.labels.clone();
            regions.push(Region { labels, dispatch, rewind_only: false, falls_in: false });
        }
    }
}

/// So many of the same, in the memory of `all`.
fn refill<T: Clone>(all: &mut Vec<T>, item: T, count: usize) {
    all.clear();
    all.resize(count, item);
}
