//! The call graph, turned round: from each callee to what may call it.
//!
//! Nodes are the functions and, for calls through values, *classes*: all calls of one type that
//! draw on the same references. A function leads to the classes that it can be the target of; a
//! class leads to the functions with a call of that class. So the graph is linear in calls and
//! slots, where edges from calls to their targets would be the product. Calls whose operand is one
//! of a few known values have *unions* for nodes, of what each value leads to.
//!
//! ```text
//!   callee ──► (references, type) ──► callers
//!                     │
//!                     └──► (references, supertype) ──► callers
//! ```

use super::facts::{Callee, Dynamic};
use super::flow::Known;
use super::model::Model;
use super::query::Query;
use super::tables::{Contents, KnownSlots, SlotValue};
use super::types::TypeId;
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::options::Precision;
use crate::read::Module;
use crate::work;
use std::collections::HashMap;

/// A node: the functions come first, then the host, then what other modules have, then the classes.
///
/// The host stands between the functions that it can call and the imports that call back. Functions of other modules that
/// unwind by themselves are called like entries, but through tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Node(u32);

impl Node {
    /// Its place among all nodes.
    pub(super) fn position(self) -> usize {
        self.0 as usize
    }

    /// The same as a number, for other graphs that hold the nodes of this one.
    pub(super) fn id(self) -> u32 {
        self.0
    }
}

/// Which references a call draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pool {
    /// All that are taken anywhere.
    Taken,
    /// Those in a table whose contents are known, at any slot.
    Table(TableIdx),
}

/// All calls of one type that draw on the same references.
type Class = (Pool, TypeId);

/// The reversed call graph.
pub(super) struct Graph {
    funcs: usize,
    /// For each of [`Facts::dynamics`] the node that stands for its targets; `None` if it has none.
    pub(super) targets: Vec<Option<Node>>,
    /// Where the callers of each node begin in `callers`; one more than there are nodes.
    starts: Vec<u32>,
    callers: Vec<Node>,
    /// For each node whether it is a class that draws on all references that are taken.
    taken: Vec<bool>,
}

impl Graph {
    pub(super) fn new(model: &Model<'_>, query: &Query) -> Graph {
        Graph::build(model, query, true)
    }

    /// The graph in which calls through values have targets only where these are few that are known.
    pub(super) fn without_classes(model: &Model<'_>, query: &Query) -> Graph {
        Graph::build(model, query, false)
    }

    fn build(model: &Model<'_>, query: &Query, has_classes: bool) -> Graph {
        let mut builder = Builder {
            model,
            query,
            classes: HashMap::new(),
            order: Vec::new(),
            unions: HashMap::new(),
            below: HashMap::new(),
            links: Vec::new(),
        };
        let mut targets = builder.link();
        if !has_classes {
            targets
                .iter_mut()
                .for_each(|target| *target = target.filter(|to| builder.is_func(*to)));
        }
        let nodes = builder.next_node().0 as usize;
        builder.finish(nodes, targets)
    }

    /// The node of a function.
    pub(super) fn func(&self, func: FuncIdx) -> Node {
        Node(func.0)
    }

    /// The node of the host.
    pub(super) fn host(&self) -> Node {
        Node(self.funcs as u32)
    }

    /// The node of the functions of other modules.
    pub(super) fn foreign(&self) -> Node {
        Node(self.funcs as u32 + 1)
    }

    /// Where unwinds come from: the entries, and functions of other modules, which lead nowhere unless tables may hold them.
    pub(super) fn roots(&self, entries: &[FuncIdx]) -> impl Iterator<Item = Node> + use<> {
        let entries: Vec<_> = entries.iter().map(|entry| self.func(*entry)).collect();
        entries.into_iter().chain([self.foreign()])
    }

    /// The function that a node is.
    pub(super) fn as_func(&self, node: Node) -> Option<FuncIdx> {
        (node.position() < self.funcs).then_some(FuncIdx(node.0))
    }

    /// Whether the node is a class that draws on all references that are taken.
    pub(super) fn is_taken_class(&self, node: Node) -> bool {
        self.taken[node.position()]
    }

    /// All nodes, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.nodes() as u32).map(Node)
    }

    pub(super) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn edges(&self) -> usize {
        self.callers.len()
    }

    /// The node of a call's target; `None` if it has none.
    pub(super) fn target(&self, callee: Callee) -> Option<Node> {
        match callee {
            Callee::Direct { func, .. } => Some(Node(func.0)),
            Callee::Dynamic { ordinal, .. } => self.targets[ordinal as usize],
        }
    }

    /// What calls a node, or stands for calls of it.
    pub(super) fn callers(&self, node: Node) -> &[Node] {
        let at = node.0 as usize;
        &self.callers[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// All nodes that lead to a call of one of `entries`, these included, but never through a
    /// function of `removed`.
    pub(super) fn reach_without(
        &self,
        entries: &[FuncIdx],
        removed: &IndexVec<FuncIdx, bool>,
    ) -> Reached {
        self.search(self.roots(entries), |_, node| {
            !removed.get(FuncIdx(node.0)).is_some_and(|removed| *removed)
        })
    }

    /// `roots` and the classes that they can be targets of.
    pub(super) fn reach_classes(&self, roots: impl IntoIterator<Item = Node>) -> Reached {
        self.search(roots, |_, node| node.0 as usize >= self.funcs)
    }

    /// `roots` and the nodes that they lead to over edges that `take` admits.
    pub(super) fn search(
        &self,
        roots: impl IntoIterator<Item = Node>,
        take: impl Fn(Node, Node) -> bool,
    ) -> Reached {
        let mut reached = Reached(vec![false; self.nodes()]);
        let mut pending: Vec<Node> = roots.into_iter().collect();
        for root in &pending {
            reached.0[root.0 as usize] = true;
        }
        while let Some(node) = pending.pop() {
            for &caller in self.callers(node) {
                work::count(1);
                if take(node, caller) && !std::mem::replace(&mut reached.0[caller.0 as usize], true)
                {
                    pending.push(caller);
                }
            }
        }
        reached
    }
}

/// A set of nodes.
pub(super) struct Reached(Vec<bool>);

impl Reached {
    pub(super) fn has(&self, node: Node) -> bool {
        self.0[node.0 as usize]
    }

    /// The functions among them.
    pub(super) fn funcs(&self, module: &Module<'_>) -> IndexVec<FuncIdx, bool> {
        self.0[..module.funcs.len()].to_vec().into()
    }
}

struct Builder<'a> {
    model: &'a Model<'a>,
    query: &'a Query,
    classes: HashMap<Class, Node>,
    /// The classes in order of their creation.
    order: Vec<Class>,
    /// Nodes for several targets at once.
    unions: HashMap<Vec<Node>, Node>,
    /// Nodes that lead to a class and to those of all subtypes.
    below: HashMap<Class, Node>,
    /// Edges from and to classes, but for those to callers.
    links: Vec<(Node, Node)>,
}

impl Builder<'_> {
    /// The node of a class. A new one is linked to the class of the supertype, for a function of
    /// the subtype is a target of a call of the supertype too.
    fn class(&mut self, pool: Pool, ty: TypeId) -> Node {
        let mut ty = Some(ty);
        let mut first = None;
        let mut below: Option<Node> = None;
        while let Some(at) = ty {
            work::count(1);
            let next = self.next_node();
            let node = *self.classes.entry((pool, at)).or_insert(next);
            if node == next {
                self.order.push((pool, at));
            }
            first.get_or_insert(node);
            self.links.extend(below.map(|below| (below, node)));
            if node != next {
                break;
            }
            below = Some(node);
            ty = self.model.types.supertype(at);
        }
        first.unwrap_or(Node(0))
    }

    /// Finds the targets of dynamic calls, and links what stands for them.
    fn link(&mut self) -> Vec<Option<Node>> {
        match self.query.precision {
            Precision::Direct => vec![None; self.model.facts.dynamics.len()],
            Precision::Asyncify => self.link_like_asyncify(),
            Precision::Types | Precision::Constants | Precision::Interprocedural => {
                let targets = self.targets();
                self.link_taken();
                self.link_tables();
                self.link_host();
                targets
            }
        }
    }

    /// The host stands for whatever isn't followed: any entry is below it, and it is the target of each
    /// dynamic call and of each import that calls back.
    fn link_like_asyncify(&mut self) -> Vec<Option<Node>> {
        let Query { entries, reentrant, .. } = self.query;
        let host = self.host();
        self.links.extend(entries.iter().map(|entry| (Node(entry.0), host)));
        self.links.extend(reentrant.iter().map(|func| (host, Node(func.0))));
        vec![Some(host); self.model.facts.dynamics.len()]
    }

    fn host(&self) -> Node {
        Node(self.model.module.funcs.len() as u32)
    }

    fn foreign(&self) -> Node {
        Node(self.host().0 + 1)
    }

    fn is_func(&self, node: Node) -> bool {
        node.0 < self.host().0
    }

    fn next_node(&self) -> Node {
        let others = self.classes.len() + self.unions.len() + self.below.len();
        Node(self.foreign().0 + 1 + others as u32)
    }

    /// The node of what may have any subtype of `ty`, as an import of this type may.
    fn class_and_below(&mut self, pool: Pool, ty: TypeId) -> Node {
        if self.model.types.subtypes(ty).is_empty() {
            return self.class(pool, ty);
        }
        if let Some(node) = self.below.get(&(pool, ty)) {
            return *node;
        }
        let node = self.next_node();
        self.below.insert((pool, ty), node);
        let class = self.class(pool, ty);
        self.links.push((node, class));
        for subtype in self.model.types.subtypes(ty) {
            work::count(1);
            let below = self.class_and_below(pool, *subtype);
            self.links.push((node, below));
        }
        node
    }

    /// Links what the host can call to the imports that call back. It can have every reference
    /// that is taken anywhere, and what is exported.
    fn link_host(&mut self) {
        let Query { reentrant, .. } = self.query;
        if reentrant.is_empty() {
            return;
        }
        let host = self.host();
        let callable =
            self.model.host_callable.iter_enumerated().filter(|(_, callable)| **callable);
        self.links.extend(callable.map(|(func, _)| (Node(func.0), host)));
        self.links.extend(reentrant.iter().map(|func| (host, Node(func.0))));
    }

    fn targets(&mut self) -> Vec<Option<Node>> {
        let dynamics = self.model.facts.dynamics.iter();
        (0..).zip(dynamics).map(|(ordinal, dynamic)| self.target(ordinal, *dynamic)).collect()
    }

    fn target(&mut self, ordinal: u32, dynamic: Dynamic) -> Option<Node> {
        let own = self.own_target(ordinal, dynamic);
        if self.query.may_be_foreign(dynamic) {
            return self.union(own.into_iter().chain([self.foreign()]).collect());
        }
        own
    }

    /// Without functions of other modules.
    fn own_target(&mut self, ordinal: u32, dynamic: Dynamic) -> Option<Node> {
        let Model { types, flows, tables, .. } = self.model;
        let known = flows.targets.get(&ordinal);
        let (table, ty) = match (dynamic, known) {
            (Dynamic::Ref { ty }, None) => return Some(self.class(Pool::Taken, types.id(ty))),
            (Dynamic::Ref { ty }, Some(known)) => return self.references(known, types.id(ty)),
            (Dynamic::Table { table, ty }, _) => (table, types.id(ty)),
        };
        let facts = &tables.tables[table];
        match (&facts.contents, known) {
            (Contents::Open, _) => {
                let ty = types.meet(facts.bound, ty)?;
                Some(self.class(Pool::Taken, ty))
            }
            (Contents::Known(slots), Some(known)) if slots.placed() => {
                self.slots(slots, known, table, ty)
            }
            (Contents::Known(_), _) => Some(self.class(Pool::Table(table), ty)),
        }
    }

    /// The node for a call of one of a few references.
    fn references(&mut self, known: &[Known], ty: TypeId) -> Option<Node> {
        let members = known.iter().filter_map(|known| match known {
            Known::Func(func) => self.func_of_type(*func, ty),
            Known::Null | Known::Int(_) => None,
        });
        self.union(members.collect())
    }

    /// The node for a call through one of a few slots.
    fn slots(
        &mut self,
        slots: &KnownSlots,
        known: &[Known],
        table: TableIdx,
        ty: TypeId,
    ) -> Option<Node> {
        let mut members = Vec::new();
        for known in known {
            work::count(1);
            if let Known::Int(number) = known {
                let held = slots.get(*number);
                members.extend(held.filter_map(|slot| self.slot(slot, table, ty)));
            }
        }
        self.union(members)
    }

    fn slot(&mut self, slot: SlotValue, table: TableIdx, ty: TypeId) -> Option<Node> {
        let Model { types, tables, .. } = self.model;
        match slot {
            SlotValue::Null => None,
            SlotValue::Func(func) => self.func_of_type(func, ty),
            SlotValue::Unknown => {
                let ty = types.meet(tables.tables[table].bound, ty)?;
                Some(self.class(Pool::Taken, ty))
            }
        }
    }

    fn func_of_type(&self, func: FuncIdx, ty: TypeId) -> Option<Node> {
        let Model { module, types, .. } = self.model;
        types.callable_as(module, func, ty).then_some(Node(func.0))
    }

    /// The node for any of `members`; `None` if there are none.
    fn union(&mut self, mut members: Vec<Node>) -> Option<Node> {
        work::count(members.len());
        members.sort();
        members.dedup();
        if members.len() < 2 {
            return members.pop();
        }
        let next = self.next_node();
        if let Some(node) = self.unions.get(&members) {
            return Some(*node);
        }
        self.links.extend(members.iter().map(|member| (*member, next)));
        self.unions.insert(members, next);
        Some(next)
    }

    /// Links each function whose reference is taken to its class.
    fn link_taken(&mut self) {
        let model = self.model;
        for (func, _) in model.taken.iter_enumerated().filter(|(_, taken)| **taken) {
            work::count(1);
            self.link_func(func, Pool::Taken);
        }
    }

    fn link_func(&mut self, func: FuncIdx, pool: Pool) {
        let Model { module, types, .. } = self.model;
        let ty = types.of_func(module, func);
        let class = match module.is_import(func) {
            true => self.class_and_below(pool, ty),
            false => self.class(pool, ty),
        };
        self.links.push((Node(func.0), class));
    }

    /// Links the functions in each known table to their classes.
    fn link_tables(&mut self) {
        let model = self.model;
        for (table, facts) in model.tables.tables.iter_enumerated() {
            let Contents::Known(slots) = &facts.contents else {
                continue;
            };
            for slot in slots.all() {
                work::count(1);
                if let SlotValue::Func(func) = slot {
                    self.link_func(func, Pool::Table(table));
                }
            }
        }
        // Linking a class may create others, which are then linked in their turn.
        let mut position = 0;
        while let Some(&(pool, ty)) = self.order.get(position) {
            if let Pool::Table(table) = pool {
                self.link_table_class(table, ty);
            }
            position += 1;
        }
    }

    /// Links what a table's class draws on besides the functions that are named for it.
    fn link_table_class(&mut self, table: TableIdx, ty: TypeId) {
        let Model { types, tables, .. } = self.model;
        let facts = &tables.tables[table];
        let Contents::Known(slots) = &facts.contents else {
            return;
        };
        let to = self.class(Pool::Table(table), ty);
        if slots.has_unknown()
            && let Some(met) = types.meet(facts.bound, ty)
        {
            let from = self.class(Pool::Taken, met);
            self.links.push((from, to));
        }
        for &source in slots.copies() {
            work::count(1);
            let from = self.class(Pool::Table(source), ty);
            self.links.push((from, to));
        }
    }

    fn each_edge(&self, targets: &[Option<Node>], mut edge: impl FnMut(Node, Node)) {
        for &(from, to) in &self.links {
            work::count(1);
            edge(from, to);
        }
        for (func, calls) in self.model.facts.calls.iter_enumerated() {
            // No unwind goes beyond it.
            if self.query.drivers.bottoms.contains(&func) {
                continue;
            }
            for call in calls {
                work::count(1);
                let callee = match call.callee {
                    Callee::Direct { func, .. } => Some(Node(func.0)),
                    Callee::Dynamic { ordinal, .. } => targets[ordinal as usize],
                };
                if let Some(callee) = callee {
                    edge(callee, Node(func.0));
                }
            }
        }
    }

    /// Sorts the edges by their source: counts them, then puts each in its place.
    fn finish(self, nodes: usize, targets: Vec<Option<Node>>) -> Graph {
        let mut starts = vec![0_u32; nodes + 1];
        self.each_edge(&targets, |from, _| starts[from.0 as usize + 1] += 1);
        for at in 0..nodes {
            work::count(1);
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut callers = vec![Node(0); starts[nodes] as usize];
        self.each_edge(&targets, |from, to| {
            let at = &mut next[from.0 as usize];
            callers[*at as usize] = to;
            *at += 1;
        });
        let mut taken = vec![false; nodes];
        for ((pool, _), node) in &self.classes {
            work::count(1);
            taken[node.position()] = *pool == Pool::Taken;
        }
        Graph { funcs: self.model.module.funcs.len(), targets, starts, callers, taken }
    }
}
