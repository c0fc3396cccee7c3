//! What holds the closure up: what it would be smaller without, and by how much.
//!
//! Input: a module and the options, as for [`Analysis`](crate::analyze::Analysis). Output: [`Support`]s.
//!
//! What a closure loses without a node of the graph is what the node *dominates*: what is reached from
//! the entries through it alone. So one dominator tree answers for all functions at once, and for all
//! *hubs*, which are nodes of this graph only: the calls through one table (or by reference), of one
//! type, whose operand is not known.
//!
//! ```text
//!   callee ──► (references, type) ──► (table, type) ──► callers
//!                                          └ the hub
//! ```
//!
//! Whatever is not a node takes a search or an analysis of its own. Where there would be many of them, only those tables
//! are weighed that most calls go through ([`MOST_TABLES`]).

pub(in crate::analyze) mod dominators;

use crate::analyze::assume::{Assumed, Narrowing};
use crate::analyze::facts::{Call, Callee, Dynamic};
use crate::analyze::graph::{Graph, Node, Reached};
use crate::analyze::model::Model;
use crate::analyze::query::{self, Query};
use crate::analyze::tables::Contents;
use crate::analyze::taken;
use crate::analyze::types::{TypeId, TypeIds};
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TableIdx, TypeIdx};
use crate::options::{EntryPattern, Options};
use crate::read::Module;
use crate::work;
use dominators::{Digraph, Dominators};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;
use wasmparser::{AbstractHeapType, HeapType, RefType};

/// A set of functions, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Extent {
    /// How many functions, imports included.
    pub functions: usize,
    /// The bytes of their bodies in the input, without the sizes in front.
    pub code_bytes: u64,
}

/// Something that the closure would be smaller without, and by how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// What it is.
    pub kind: SupportKind,
    /// What the closure would have less, all else left as it is.
    pub saves: Extent,
}

/// What can hold the closure up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupportKind {
    /// That the host can write to a table.
    VisibleTable(TableIdx),
    /// That the host may pass on functions which only their exports give it, by tables and references.
    Exports,
    /// That imports call back.
    Reentry(NamedImports),
    /// That imports are entries.
    Entries(NamedImports),
    /// The calls of one type, or of all types, whose operand is not known.
    Calls {
        /// The table that they go through; `None` for `call_ref`.
        table: Option<TableIdx>,
        /// The least type index that names their type; `None` for all types.
        ty: Option<TypeIdx>,
        /// How many there are in the closure.
        calls: usize,
    },
    /// A function that the module defines.
    Function {
        /// The function.
        func: FuncIdx,
        /// If one call alone leads from it to an entry, recursion aside: that one.
        only_call: Option<OnlyCall>,
    },
}

/// Imports that the options name, or that are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedImports {
    /// The imports, in index order.
    pub funcs: Vec<FuncIdx>,
    /// If without one pattern of the options just these would not be named: that one.
    pub pattern: Option<EntryPattern>,
}

/// The only call by which a function leads to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlyCall {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// What it calls.
    pub callee: Called,
}

/// What a call calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// A function, directly.
    Function(FuncIdx),
    /// A function in a table.
    Table {
        /// The table.
        table: TableIdx,
        /// The type that the call asks for.
        ty: TypeIdx,
    },
    /// A function by its reference.
    Reference {
        /// The type of the reference.
        ty: TypeIdx,
    },
}

/// How many tables are weighed by a search or an analysis of their own.
const MOST_TABLES: usize = 64;

/// Finds what holds the closure up; also how large the closure is. What the host does comes first, then
/// entries, calls, and functions. Calls and exports that hold nothing are left out.
///
/// # Errors
/// As [`Analysis::run`](crate::analyze::Analysis::run), but for assumptions that can't be guarded.
pub fn supports(module: &Module<'_>, options: &Options) -> Result<(Extent, Vec<Support>)> {
    let clock = Instant::now();
    let narrowing = Assumed::resolve(module, options)?.narrowing(module);
    let query = Query::new(module, options)?;
    let model = Model::with_private_tables(module, options.precision, &narrowing.private)?;
    let graph = graph_of(&model, &query, narrowing.no_indirect);
    let reached = graph.reach_without(&query.entries, &narrowing.removed);
    let Narrowing { removed, private, no_indirect, .. } = narrowing;
    let (query, model, graph) = (&query, &model, &graph);
    let adviser = Adviser { options, query, model, graph, removed, private, no_indirect, reached };
    let mut supports = adviser.tables()?;
    tracing::debug!(took = ?clock.elapsed(), "weighed the tables that the host sees");
    supports.extend(adviser.exports());
    let weights = adviser.weigh();
    supports.extend(adviser.imports(&weights));
    supports.extend(adviser.calls(&weights));
    supports.extend(adviser.functions(&weights));
    tracing::info!(supports = supports.len(), took = ?clock.elapsed(), "weighed what holds the closure");
    Ok((adviser.extent(|func| adviser.is_inside(func)), supports))
}

fn graph_of(model: &Model<'_>, query: &Query, no_indirect: bool) -> Graph {
    if no_indirect { Graph::without_classes(model, query) } else { Graph::new(model, query) }
}

/// What each node dominates.
struct Weights {
    hubs: Hubs,
    digraph: Digraph,
    /// The node that leads to all entries.
    root: u32,
    dominators: Dominators,
    functions: Vec<u64>,
    code_bytes: Vec<u64>,
}

impl Weights {
    fn of(&self, node: u32) -> Extent {
        let at = node as usize;
        Extent { functions: self.functions[at] as usize, code_bytes: self.code_bytes[at] }
    }
}

struct Adviser<'a> {
    options: &'a Options,
    query: &'a Query,
    model: &'a Model<'a>,
    graph: &'a Graph,
    /// What the options' assumptions take out of the closure.
    removed: IndexVec<FuncIdx, bool>,
    /// The tables that they take to be private.
    private: BTreeSet<TableIdx>,
    /// Whether they take it that calls through values lead to no entry.
    no_indirect: bool,
    /// The nodes that lead to an entry.
    reached: Reached,
}

impl Adviser<'_> {
    /// Weighs every node by what it dominates.
    fn weigh(&self) -> Weights {
        let hubs = Hubs::find(self);
        let root = hubs.first + hubs.hubs.len() as u32;
        let digraph = Digraph::new(root as usize + 1, |edge| {
            let roots = self.graph.roots(&self.query.entries);
            roots.for_each(|node| edge(root, node.id()));
            self.each_edge(&hubs, edge);
        });
        let dominators = Dominators::new(&digraph, root);
        let as_func = |node: u32| self.removed.get(FuncIdx(node)).map(|_| FuncIdx(node));
        let functions = dominators.sums(|node| u64::from(as_func(node).is_some()));
        let code_bytes =
            dominators.sums(|node| as_func(node).map_or(0, |func| self.body_bytes(func)));
        Weights { hubs, digraph, root, dominators, functions, code_bytes }
    }

    fn calls(&self, weights: &Weights) -> Vec<Support> {
        let hubs = &weights.hubs.hubs;
        let of_type = hubs.iter().zip(weights.hubs.first..).map(|(hub, id)| {
            let (table, ty, calls) = (hub.table, Some(TypeIds::index(hub.ty)), hub.calls);
            Support { kind: SupportKind::Calls { table, ty, calls }, saves: weights.of(id) }
        });
        let mut tables: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for hub in hubs {
            work::count(1);
            let (types, calls) = tables.entry(hub.table).or_default();
            (*types, *calls) = (*types + 1, *calls + hub.calls);
        }
        tables.retain(|_, (types, _)| *types > 1);
        let mut most: Vec<_> = tables.iter().map(|(table, (_, calls))| (*table, *calls)).collect();
        most.sort_by_key(|(_, calls)| Reverse(*calls));
        most.truncate(MOST_TABLES);
        most.sort();
        let of_table = most.into_iter().map(|(table, calls)| Support {
            kind: SupportKind::Calls { table, ty: None, calls },
            saves: self.without_calls(weights, table),
        });
        of_table.chain(of_type).filter(|support| support.saves.functions > 0).collect()
    }

    /// What the closure would have less without all hubs of a table.
    fn without_calls(&self, weights: &Weights, table: Option<TableIdx>) -> Extent {
        let Hubs { first, hubs, .. } = &weights.hubs;
        let left = weights.digraph.reached(weights.root, |node| {
            let hub = node.checked_sub(*first).and_then(|number| hubs.get(number as usize));
            hub.is_none_or(|hub| hub.table != table)
        });
        self.lost(|func| left[self.graph.func(func).position()])
    }

    fn functions(&self, weights: &Weights) -> Vec<Support> {
        let defined = self.model.module.defined_funcs();
        let inside = defined.filter(|func| self.is_inside(*func));
        // What begins unwinds itself does so whatever is assumed.
        let inside = inside.filter(|func| !self.query.drivers.tops.contains(func));
        inside
            .map(|func| {
                let only_call = self.only_call(func, weights);
                let saves = weights.of(self.graph.func(func).id());
                Support { kind: SupportKind::Function { func, only_call }, saves }
            })
            .collect()
    }

    /// Imports by what they are taken for: each alone, those of each pattern, and all that call back;
    /// but not all entries, without which nothing is left of any closure.
    fn imports(&self, weights: &Weights) -> Vec<Support> {
        let (module, Query { entries, reentrant, .. }) = (self.model.module, self.query);
        let imports: Vec<_> =
            entries.iter().copied().filter(|entry| module.is_import(*entry)).collect();
        let inside = |func: &FuncIdx| self.is_inside(*func);
        let reentrant: Vec<_> = reentrant.iter().copied().filter(inside).collect();
        let weigh = |imports: &NamedImports| match imports.funcs[..] {
            [import] => weights.of(self.graph.func(import).id()),
            _ => self.without(&imports.funcs),
        };
        let back = sets(module, &reentrant, &self.options.reentrant);
        let some = |imports: &NamedImports| imports.funcs.len() < entries.len();
        let entries = sets(module, &imports, &self.options.entries).filter(some);
        let back = back
            .map(|imports| Support { saves: weigh(&imports), kind: SupportKind::Reentry(imports) });
        let entries = entries
            .map(|imports| Support { saves: weigh(&imports), kind: SupportKind::Entries(imports) });
        back.chain(entries).collect()
    }

    /// The only call of `func` that it is reached by, but for those that are reached through it.
    fn only_call(&self, func: FuncIdx, weights: &Weights) -> Option<OnlyCall> {
        let Weights { hubs, dominators, .. } = weights;
        let node = self.graph.func(func).id();
        let mut leading = self.model.facts.calls[func].iter().filter(|call| {
            let from = self.source(call, hubs);
            from.is_some_and(|from| !dominators.dominates(node, from))
        });
        let call = leading.next()?;
        let callee = match call.callee {
            Callee::Direct { func, .. } => Called::Function(func),
            Callee::Dynamic { ordinal, .. } => match self.model.facts.dynamics[ordinal as usize] {
                Dynamic::Table { table, ty } => Called::Table { table, ty },
                Dynamic::Ref { ty } => Called::Reference { ty },
            },
        };
        leading.next().is_none().then_some(OnlyCall { offset: call.offset, callee })
    }

    /// The node that a call leads its caller to an entry from: its target's, or its hub.
    fn source(&self, call: &Call, hubs: &Hubs) -> Option<u32> {
        let target = self.graph.target(call.callee).filter(|node| self.reached.has(*node))?;
        let hub = match call.callee {
            Callee::Direct { .. } => None,
            Callee::Dynamic { ordinal, .. } => hubs.of_call[ordinal as usize],
        };
        Some(hub.map_or(target.id(), |hub| hubs.first + hub))
    }

    /// The edges between nodes that lead to an entry, calls by way of their hubs.
    fn each_edge(&self, hubs: &Hubs, edge: &mut dyn FnMut(u32, u32)) {
        for node in self.graph.all().filter(|node| self.reached.has(*node)) {
            let callers = self.graph.callers(node).iter();
            work::count(1);
            for to in callers.filter(|to| !self.is_defined(**to) && self.reached.has(**to)) {
                work::count(1);
                edge(node.id(), to.id());
            }
        }
        for (hub, id) in hubs.hubs.iter().zip(hubs.first..) {
            edge(hub.target.id(), id);
        }
        for func in self.removed.indices().filter(|func| self.is_inside(*func)) {
            let calls = self.model.facts.calls[func].iter();
            for from in calls.filter_map(|call| self.source(call, hubs)) {
                work::count(1);
                edge(from, self.graph.func(func).id());
            }
        }
    }

    /// What the closure would have less without these imports.
    fn without(&self, imports: &[FuncIdx]) -> Extent {
        let mut removed = self.removed.clone();
        imports.iter().for_each(|import| removed[*import] = true);
        let entries = self.query.entries.iter().copied().filter(|entry| !removed[*entry]);
        let left = self.graph.reach_without(&entries.collect::<Vec<_>>(), &removed);
        self.lost(|func| left.has(self.graph.func(func)))
    }

    /// What it is to the closure that functions can be passed on for their export alone.
    fn exports(&self) -> Option<Support> {
        let Model { module, facts, tables, .. } = self.model;
        let only = taken::exported_only(module, &facts.uses, tables);
        let passed = |from: Node, to: Node| {
            self.graph.is_taken_class(to) && self.graph.as_func(from).is_some_and(|func| only[func])
        };
        let roots = self.graph.roots(&self.query.entries);
        let left = self.graph.search(roots, |from, to| {
            let removed = self.graph.as_func(to).is_some_and(|func| self.removed[func]);
            !removed && !passed(from, to)
        });
        let saves = self.lost(|func| left.has(self.graph.func(func)));
        (saves.functions > 0).then_some(Support { kind: SupportKind::Exports, saves })
    }

    /// For each table that the host can write to, what an analysis finds for which it can't.
    fn tables(&self) -> Result<Vec<Support>> {
        let mut calls: IndexVec<TableIdx, usize> =
            IndexVec::filled(0, self.model.module.tables.len());
        for dynamic in &self.model.facts.dynamics {
            if let Dynamic::Table { table, .. } = dynamic {
                work::count(1);
                calls[*table] += 1;
            }
        }
        let module = self.model.module;
        let open = |table: &TableIdx| {
            let element = module.tables[*table].ty.element_type;
            let is_open = matches!(self.model.tables.tables[*table].contents, Contents::Open);
            is_open && holds_functions(element)
        };
        let support = |table: TableIdx| {
            let mut private = self.private.clone();
            private.insert(table);
            let precision = self.query.precision;
            let model = Model::with_private_tables(module, precision, &private)?;
            let graph = graph_of(&model, self.query, self.no_indirect);
            let left = graph.reach_without(&self.query.entries, &self.removed);
            Ok(Support {
                kind: SupportKind::VisibleTable(table),
                saves: self.lost(|func| left.has(self.graph.func(func))),
            })
        };
        let mut tables: Vec<_> = module.tables.indices().filter(open).collect();
        tables.sort_by_key(|table| Reverse(calls[*table]));
        tables.truncate(MOST_TABLES);
        tables.sort();
        tables.into_iter().map(support).collect()
    }

    /// What the closure would have less if only the functions `left` were in it.
    fn lost(&self, left: impl Fn(FuncIdx) -> bool) -> Extent {
        let (whole, left) = (self.extent(|func| self.is_inside(func)), self.extent(left));
        Extent {
            functions: whole.functions.saturating_sub(left.functions),
            code_bytes: whole.code_bytes.saturating_sub(left.code_bytes),
        }
    }

    fn extent(&self, is_inside: impl Fn(FuncIdx) -> bool) -> Extent {
        let mut extent = Extent::default();
        for func in self.removed.indices().filter(|func| is_inside(*func)) {
            extent.functions += 1;
            extent.code_bytes += self.body_bytes(func);
        }
        extent
    }

    fn is_inside(&self, func: FuncIdx) -> bool {
        self.reached.has(self.graph.func(func))
    }

    fn body_bytes(&self, func: FuncIdx) -> u64 {
        self.model.module.funcs[func].body.as_ref().map_or(0, |body| body.len() as u64)
    }

    fn is_defined(&self, node: Node) -> bool {
        self.graph.as_func(node).is_some_and(|func| !self.model.module.is_import(func))
    }
}

/// The sets of `imports` that it is worth while to ask about: each import, all, and those that one
/// pattern alone names.
fn sets(
    module: &Module<'_>,
    imports: &[FuncIdx],
    patterns: &[EntryPattern],
) -> impl Iterator<Item = NamedImports> + use<> {
    let mut sets: BTreeMap<Vec<FuncIdx>, Option<EntryPattern>> = BTreeMap::new();
    sets.extend(imports.iter().map(|import| (vec![*import], None)));
    sets.insert(imports.to_vec(), None);
    for pattern in patterns {
        let alone = |func: &FuncIdx| {
            let mut naming = query::naming(module, *func, patterns);
            !query::is_recognised(module, *func) && naming.all(|other| other == pattern)
        };
        sets.insert(imports.iter().copied().filter(alone).collect(), Some(pattern.clone()));
    }
    let sets = sets.into_iter().filter(|(funcs, _)| !funcs.is_empty());
    sets.map(|(funcs, pattern)| NamedImports { funcs, pattern })
}

fn holds_functions(element: RefType) -> bool {
    match element.heap_type() {
        HeapType::Abstract { ty, .. } => {
            matches!(ty, AbstractHeapType::Func | AbstractHeapType::NoFunc)
        }
        HeapType::Concrete(_) | HeapType::Exact(_) => true,
    }
}

/// The hubs of a closure.
struct Hubs {
    /// The number of the first hub's node.
    first: u32,
    hubs: Vec<Hub>,
    /// For each dynamic call its hub, counted from 0.
    of_call: Vec<Option<u32>>,
}

struct Hub {
    table: Option<TableIdx>,
    ty: TypeId,
    /// The node that stands for the targets.
    target: Node,
    calls: usize,
}

impl Hubs {
    /// In order of the first call of each.
    fn find(adviser: &Adviser<'_>) -> Hubs {
        let Model { facts, flows, types, .. } = adviser.model;
        let graph = adviser.graph;
        let mut of_call = vec![None; facts.dynamics.len()];
        let mut hubs: Vec<Hub> = Vec::new();
        let mut numbers = HashMap::new();
        let funcs = facts.calls.iter_enumerated();
        let inside = funcs.filter(|(func, _)| adviser.is_inside(*func));
        for call in inside.flat_map(|(_, calls)| calls) {
            let Callee::Dynamic { ordinal, .. } = call.callee else { continue };
            let target = graph.target(call.callee).filter(|node| adviser.reached.has(*node));
            let known = flows.targets.contains_key(&ordinal);
            let Some(target) = target.filter(|_| !known) else { continue };
            let (table, ty) = match facts.dynamics[ordinal as usize] {
                Dynamic::Table { table, ty } => (Some(table), types.id(ty)),
                Dynamic::Ref { ty } => (None, types.id(ty)),
            };
            let number = *numbers.entry((table, ty)).or_insert_with(|| {
                hubs.push(Hub { table, ty, target, calls: 0 });
                hubs.len() as u32 - 1
            });
            hubs[number as usize].calls += 1;
            of_call[ordinal as usize] = Some(number);
        }
        Hubs { first: graph.nodes() as u32, hubs, of_call }
    }
}
