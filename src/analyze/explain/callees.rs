//! What a function calls, and what each call can have as its target: for functions outside the closure
//! the reason that they are, and half of a neighbourhood.

use super::edge::{Callees, DirectCallee, DynamicCallees, SlotContent, SlotsKnown};
use super::evidence;
use crate::analyze::facts::{Callee, Dynamic};
use crate::analyze::flow::Known;
use crate::analyze::graph::{Graph, Node};
use crate::analyze::model::Model;
use crate::analyze::outside::may_hold_foreign;
use crate::analyze::tables::{Contents, SlotValue};
use crate::index::{FuncIdx, IndexVec, TableIdx, TypeIdx};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// Looks up the callees of functions.
pub(in crate::analyze) struct Targets<'a> {
    model: &'a Model<'a>,
    graph: &'a Graph,
    /// For each node that stands for calls, what leads there. Found when it is first needed.
    members: OnceCell<BTreeMap<Node, Vec<Node>>>,
    /// For each table whether functions of other instances can get into it; likewise.
    foreign: OnceCell<IndexVec<TableIdx, bool>>,
}

/// Calls that are alike.
type Kind = (Dynamic, Option<Vec<Known>>);

impl<'a> Targets<'a> {
    pub(in crate::analyze) fn new(model: &'a Model<'a>, graph: &'a Graph) -> Targets<'a> {
        Targets { model, graph, members: OnceCell::new(), foreign: OnceCell::new() }
    }

    /// What `func` calls; nothing for an import.
    pub(in crate::analyze) fn of(&self, func: FuncIdx) -> Callees {
        let mut direct: BTreeMap<FuncIdx, Vec<u32>> = BTreeMap::new();
        let mut kinds: Vec<(Kind, Callee, Vec<u32>)> = Vec::new();
        for call in self.model.facts.calls.get(func).into_iter().flatten() {
            match call.callee {
                Callee::Direct { func, .. } => direct.entry(func).or_default().push(call.offset),
                Callee::Dynamic { ordinal, .. } => {
                    let known = self.model.flows.targets.get(&ordinal).cloned();
                    let kind = (self.model.facts.dynamics[ordinal as usize], known);
                    match kinds.iter_mut().find(|(other, ..)| *other == kind) {
                        Some((_, _, offsets)) => offsets.push(call.offset),
                        None => kinds.push((kind, call.callee, vec![call.offset])),
                    }
                }
            }
        }
        Callees {
            direct: direct
                .into_iter()
                .map(|(callee, offsets)| DirectCallee { callee, offsets })
                .collect(),
            dynamic: kinds
                .into_iter()
                .map(|(kind, call, offsets)| self.dynamic(kind, call, offsets))
                .collect(),
        }
    }

    fn dynamic(&self, (dynamic, known): Kind, call: Callee, offsets: Vec<u32>) -> DynamicCallees {
        let targets = self.graph.target(call).map(|node| self.funcs(node)).unwrap_or_default();
        let (table, ty) = match dynamic {
            Dynamic::Ref { ty } => (None, ty),
            Dynamic::Table { table, ty } => {
                (Some((table, evidence::slots_known(self.model, table))), ty)
            }
        };
        let foreign = match dynamic {
            Dynamic::Ref { .. } => known.is_none(),
            Dynamic::Table { table, .. } => {
                self.foreign.get_or_init(|| may_hold_foreign(self.model))[table]
            }
        };
        let index = known.filter(|_| table.is_some()).map(|known| evidence::ints(&known));
        let slots = match (table, &index) {
            (Some((table, SlotsKnown::Yes)), Some(index)) => {
                index.iter().flat_map(|number| self.held(table, ty, *number)).collect()
            }
            _ => Vec::new(),
        };
        DynamicCallees { offsets, table, ty, index, slots, targets, foreign }
    }

    /// What a call of type `ty` finds at slot `number`.
    fn held(&self, table: TableIdx, ty: TypeIdx, number: u64) -> Vec<(u64, SlotContent)> {
        let Contents::Known(slots) = &self.model.tables.tables[table].contents else {
            return Vec::new();
        };
        let types = &self.model.types;
        let held = slots.get(number).map(|slot| match slot {
            SlotValue::Null => SlotContent::Null,
            SlotValue::Unknown => SlotContent::Unknown,
            SlotValue::Func(func) => {
                if types.callable_as(self.model.module, func, types.id(ty)) {
                    SlotContent::Target(func)
                } else {
                    SlotContent::OtherType(func)
                }
            }
        });
        let mut held: Vec<_> = held.map(|held| (number, held)).collect();
        if number >= slots.size() {
            held.insert(0, (number, SlotContent::Beyond(slots.size())));
        }
        held
    }

    /// All functions that a node stands for, in index order.
    fn funcs(&self, node: Node) -> Vec<FuncIdx> {
        let members = self.members.get_or_init(|| self.find_members());
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::from([node]));
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            match self.graph.as_func(node) {
                Some(func) => {
                    found.insert(func);
                }
                None => {
                    let members = members.get(&node).into_iter().flatten();
                    pending.extend(members.copied().filter(|member| seen.insert(*member)));
                }
            }
        }
        found.into_iter().collect()
    }

    fn find_members(&self) -> BTreeMap<Node, Vec<Node>> {
        let mut members: BTreeMap<Node, Vec<Node>> = BTreeMap::new();
        for node in self.graph.all() {
            for &caller in self.graph.callers(node) {
                if self.graph.as_func(caller).is_none() {
                    members.entry(caller).or_default().push(node);
                }
            }
        }
        members
    }
}
