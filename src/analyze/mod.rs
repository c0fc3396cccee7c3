//! **analyze**: states facts about a module: which functions can be on the stack when an entry is
//! called, and at which call sites.
//!
//! Input: a [`Module`] and the options. Output: an [`Analysis`].
//!
//! 1. `query`: which imports the options name, and how precisely they ask.
//! 2. `host`: what it sees of tables and memories.
//! 3. `facts`: what live code does: calls, references taken, tables changed. One decode pass, that of validation.
//! 4. `constants`, `memories`, `flow`: which values reach the operands that choose a target.
//! 5. `tables`, `taken`: which references exist, and where they can be.
//! 6. `graph`: the call graph, from callees to callers; its nodes reached from the entries are the
//!    closure.
//! 7. `assume`: what the user's assumptions take away from it, and which calls are guarded for that.
//! 8. `trust`: what is left to the host; `remarks`: what else the reader should know.
//! 9. `certificate`: the closure is checked against the calls, without the graph.
//!
//! The options say how far step 4 goes; at the two levels that only serve to compare closures, step 6
//! is another, and there is no step 7.
//!
//! Two more modules answer questions about a closure: `explain`, why a function is in it, and `advise`,
//! what it would be smaller without.
//!
//! Invariants: a function outside the closure is never on the stack when an entry is called, as
//! long as the listed assumptions hold; code that can't run has no sites; the time is linear in the
//! module. This stage decides nothing: which sites get a frame is the plan's business.

mod advise;
mod assume;
mod certificate;
mod constants;
mod decode;
mod drivers;
mod explain;
mod facts;
mod flow;
mod graph;
mod host;
mod indirect;
mod memories;
mod model;
mod outside;
mod query;
mod remarks;
mod similar;
mod tables;
mod tail_loops;
mod taken;
#[cfg(test)]
mod tests;
mod traceable;
mod trust;
mod types;
mod uses;

pub use advise::{Called, Extent, NamedImports, OnlyCall, Support, SupportKind, supports};
pub(crate) use assume::{FuncNames, recorded_function};
pub use explain::Explainer;
pub use explain::edge::{
    CallKind, Callees, ChoosingOperand, DynamicCallees, Edge, GlobalKind, MemoryWriter,
    SlotContent, SlotsKnown, Source, Unfollowed, WhyUnknown,
};
pub use indirect::{Indirect, IndirectCall, Placed, SegmentItem, segment_items};
pub(crate) use similar::nearest;
pub use uses::Uses;

use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TableIdx, TypeIdx};
use crate::options::{Operation, Options, Precision};
use crate::read::Module;
use crate::text;
use assume::{Assumed, Narrowed, Sound};
pub(crate) use facts::Facts;
use facts::{Call, Callee, Dynamic};
use graph::{Graph, Reached};
use model::Model;
use query::Query;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Instant;
use tail_loops::TailLoops;

/// Reads and validates a binary core module as [`Module::read`] does, and collects by the way what live code does: so bodies are
/// decoded once for both.
///
/// # Errors
/// As [`Module::read`].
pub fn read(bytes: &[u8]) -> Result<(Module<'_>, Facts)> {
    let module = Module::read_all_but_bodies(bytes)?;
    let facts = Facts::validate(&module, &host::visible_tables(&module))?;
    module.note_valid();
    Ok((module, facts))
}

/// What `analyze` found: facts only, no decisions.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The function imports that match the options' entry patterns, and the functions that begin unwinds themselves; in index order.
    pub entries: Vec<FuncIdx>,
    /// Whether functions of other modules may unwind, through tables.
    pub is_foreign: bool,
    /// For each function, whether it can be on the stack when an entry is called. Entries are in
    /// the closure themselves.
    pub closure: IndexVec<FuncIdx, bool>,
    /// For each function the sites in it, in order of offset: empty for all outside the closure.
    pub sites: IndexVec<FuncIdx, Vec<Site>>,
    /// How far calls through values were followed.
    pub precision: Precision,
    /// What the closure relies on and this tool can't check, one sentence each.
    pub assumptions: Vec<String>,
    /// What of this no guard tests either, one sentence each.
    pub untested: Vec<String>,
    /// What the analysis recognised by itself, or could not follow, one sentence each.
    pub notes: Vec<String>,
    /// What the user should know before using the closure, one sentence each.
    pub warnings: Vec<String>,
    /// Of the functions outside the closure that have such, the calls that would lead into it if an assumption were wrong, one of the
    /// options or one about what lies outside the module, in order of offset.
    pub guards: BTreeMap<FuncIdx, Vec<GuardedCall>>,
    /// Tail calls out of the module that ought to be guarded and can't be.
    pub unguarded: Vec<(FuncIdx, u32)>,
    /// What each assumption of the options saves, in their order.
    pub savings: Vec<Saving>,
    /// The protocol's functions that stand in the module where it imported them, with what each does.
    pub operations: BTreeMap<FuncIdx, Operation>,
}

/// A call of a function outside the closure that would lead into it if an assumption were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardedCall {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// Whether it is a tail call (`return_call…`), which has no place behind it for a test.
    pub tail: bool,
    /// What an unwind may come out of.
    pub callee: GuardedCallee,
    /// Whether an assumption of the options asks for the guard; else it is there because the call leads out of the module.
    pub is_assumed: bool,
}

/// What a guarded call calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardedCallee {
    /// An import of the closure, which needs its arguments when it is called again.
    Import(FuncIdx),
    /// A function of the closure that the module defines.
    Defined(FuncIdx),
    /// `call_indirect` of functions of the closure.
    Table {
        /// The table.
        table: TableIdx,
        /// The type that is called.
        ty: TypeIdx,
        /// Whether the target can be an import.
        may_be_import: bool,
    },
    /// The same for `call_ref`.
    Ref {
        /// The type that is called.
        ty: TypeIdx,
        /// Whether the target can be an import.
        may_be_import: bool,
    },
    /// A function of the host's or of another instance, which can't be called again: an import that is no entry, or what the host has put
    /// into a table.
    Foreign,
}

/// What an assumption of the options saves, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saving {
    /// The assumption as a sentence.
    pub assumption: String,
    /// How many more functions would be in the closure without it, all others granted.
    pub functions: usize,
    /// The guards that are there for it alone, each as function and offset of the call: those in
    /// functions that would be in the closure without it. One that several ask for is not among them.
    pub guards: Vec<(FuncIdx, u32)>,
}

/// A call instruction that may lead to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// What is called.
    pub target: Target,
    /// Whether it is a tail call (`return_call…`), which leaves no frame behind.
    pub tail: bool,
    /// Whether it is a tail call that may call an import through a table or reference, and may also lead back to itself without a
    /// frame between.
    pub in_tail_loop: bool,
}

impl Site {
    /// Whether it is a tail call of functions that the module defines: then its function's frame is gone when the callee runs.
    /// One that may call an import has to be called again.
    pub fn leaves_no_frame(&self) -> bool {
        let may_be_import = match self.target {
            Target::Import(_) => true,
            Target::Defined(_) => false,
            Target::Indirect { may_be_import } | Target::Ref { may_be_import } => may_be_import,
        };
        self.tail && !may_be_import
    }
}

/// What a site calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `call` of an imported function of the closure: an entry, or one that may call back into the
    /// module. Either needs the original arguments when it is called again. Functions that begin unwinds themselves are
    /// called like these.
    Import(FuncIdx),
    /// `call` of a function in the closure that this module defines.
    Defined(FuncIdx),
    /// `call_indirect`. `may_be_import`: whether an imported function of the closure can be its
    /// target, which needs the original arguments when it is called again.
    Indirect {
        /// Whether the target can be an import.
        may_be_import: bool,
    },
    /// `call_ref`; otherwise as `Indirect`.
    Ref {
        /// Whether the target can be an import.
        may_be_import: bool,
    },
}

impl Analysis {
    /// Analyzes `module`.
    ///
    /// # Errors
    /// [`crate::Error::MissingEntry`] if no import matches and the options don't allow that;
    /// [`crate::Error::MissingReentrant`], [`crate::Error::NoSuchFunction`],
    /// [`crate::Error::NoSuchTable`] or [`crate::Error::StaleProfile`] for another pattern or assumption
    /// that means nothing here; [`crate::Error::Unsupported`] for one that can't be guarded.
    pub fn run(module: &Module<'_>, options: &Options) -> Result<Analysis> {
        let query = Query::new(module, options)?;
        Analysis::ask(&query, &Model::new(module, options.precision)?, options)
    }

    /// The same for a module that [`read`] gave, with the facts of it.
    ///
    /// # Errors
    /// As [`Analysis::run`].
    pub fn of_facts(module: &Module<'_>, facts: Facts, options: &Options) -> Result<Analysis> {
        let query = Query::new(module, options)?;
        Analysis::ask(&query, &Model::with_facts(module, facts, options.precision), options)
    }

    fn ask(query: &Query, model: &Model<'_>, options: &Options) -> Result<Analysis> {
        let clock = Instant::now();
        let module = model.module;
        query.drivers.check(model)?;
        let graph = Graph::new(model, query);
        tracing::debug!(
            nodes = graph.nodes(),
            edges = graph.edges(),
            took = ?clock.elapsed(),
            "built the call graph"
        );
        let assumed = Assumed::resolve(module, options)?;
        let narrowing = assumed.narrowing(module);
        let sound = Sound { model, query, graph: &graph };
        let narrowed = Narrowed::new(sound, &narrowing)?;
        let mut analysis = Analysis::of(model, query, &graph, narrowed.reach(&narrowing));
        let proves = !analysis.precision.only_compares();
        if !options.assumptions.is_empty() && proves {
            narrowed.certify(&narrowing, &analysis.closure)?;
        }
        if proves && analysis.may_unwind() {
            let guards = assume::guards(model, query, &graph, &analysis.closure)?;
            (analysis.guards, analysis.unguarded) = guards;
        }
        analysis.savings = assume::savings(&assumed, &narrowed, &analysis)?;
        analysis.assumptions = trust::assumptions(model, query, &analysis);
        analysis.untested = trust::unguarded(model, query, &analysis);
        analysis.notes = remarks::notes(model, query, &analysis);
        analysis.notes.extend(assumed.notes);
        analysis.warnings.extend(assumed.warnings);
        analysis.warnings.extend(remarks::emptied(module, &analysis));
        analysis.warnings.extend(remarks::drives_itself(module));
        analysis.warnings.extend(query::meaning_nothing(module, options));
        analysis.notes.extend(query.drivers.note());
        analysis.warnings.extend(query.drivers.warning(module));
        analysis.warnings.extend(options.driven.warnings.iter().cloned());
        if proves {
            certificate::check(model, query, &analysis)?;
        }
        if options.unguarded {
            analysis.drop_assumed_guards();
        }
        tracing::info!(
            functions = analysis.closure.iter().filter(|inside| **inside).count(),
            sites = analysis.sites.iter().map(Vec::len).sum::<usize>(),
            took = ?clock.elapsed(),
            "found the closure"
        );
        Ok(analysis)
    }

    /// Leaves assumptions unguarded, as the options want it: the certificate is about the closure with them.
    fn drop_assumed_guards(&mut self) {
        let mut dropped = 0;
        self.guards.retain(|_, guards| {
            let before = guards.len();
            guards.retain(|guard| !guard.is_assumed);
            dropped += before - guards.len();
            !guards.is_empty()
        });
        self.savings.iter_mut().for_each(|saving| saving.guards.clear());
        if dropped > 0 {
            let calls = text::count(dropped, "call");
            let what = "no guard tests what is assumed: an unwind that comes out of one of";
            self.untested.push(format!("{what} {calls} corrupts the program"));
        }
    }

    /// The calls of a function that are guarded.
    pub fn guards_of(&self, func: FuncIdx) -> &[GuardedCall] {
        self.guards.get(&func).map_or(&[], Vec::as_slice)
    }

    /// Whether anything that unwinds is called: an entry, or another module's function. What drives the protocol itself is taken to.
    pub fn may_unwind(&self) -> bool {
        self.is_foreign || !self.entries.is_empty() || !self.operations.is_empty()
    }

    /// The closure and its sites: every call in it that can lead back into it, even where the user
    /// assumes that no entry lies behind. `reached` are its functions, and the classes that these
    /// are targets of.
    fn of(model: &Model<'_>, query: &Query, graph: &Graph, reached: Reached) -> Analysis {
        let closure = reached.funcs(model.module);
        let drivers = &query.drivers;
        let has_no_frame = |func: &FuncIdx| drivers.has_no_frame(model.module, *func);
        let imports = closure.indices().filter(|func| closure[*func]).filter(has_no_frame);
        let sites = Sites {
            model,
            graph,
            tops: &drivers.tops,
            imports: graph
                .reach_classes(imports.map(|import| graph.func(import)).chain([graph.foreign()])),
            reached,
            loops: OnceLock::new(),
        };
        Analysis {
            sites: sites.all(),
            closure,
            entries: query.entries.clone(),
            is_foreign: !query.through_tables.is_empty(),
            precision: query.precision,
            assumptions: Vec::new(),
            untested: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            guards: BTreeMap::new(),
            unguarded: Vec::new(),
            savings: Vec::new(),
            operations: drivers.operations.clone(),
        }
    }
}

/// Picks the sites out of the calls.
struct Sites<'a> {
    model: &'a Model<'a>,
    graph: &'a Graph,
    /// The functions of the closure, and the classes that they are targets of.
    reached: Reached,
    /// Those that begin unwinds themselves: nothing in them is a site.
    tops: &'a BTreeSet<FuncIdx>,
    /// The imports of the closure and such, and the classes that they are themselves targets of.
    imports: Reached,
    /// Found when they are asked for, which is seldom.
    loops: OnceLock<TailLoops>,
}

impl Sites<'_> {
    fn all(&self) -> IndexVec<FuncIdx, Vec<Site>> {
        let funcs: Vec<_> = self.model.facts.calls.iter_enumerated().collect();
        let sites: Vec<Vec<Site>> = funcs
            .into_par_iter()
            .map(|(func, calls)| match self.is_rewritten(func) {
                true => self.in_calls(func, calls),
                // Only an assumption can leave a caller of the closure outside.
                false => Vec::new(),
            })
            .collect();
        sites.into()
    }

    /// Those among the calls of a function. There may be a million in all, so that they take no more memory than they need.
    fn in_calls(&self, func: FuncIdx, calls: &[Call]) -> Vec<Site> {
        let mut sites: Vec<_> = calls.iter().filter_map(|call| self.site(func, call)).collect();
        sites.shrink_to_fit();
        sites
    }

    fn is_rewritten(&self, func: FuncIdx) -> bool {
        self.reached.has(self.graph.func(func)) && !self.tops.contains(&func)
    }

    fn site(&self, func: FuncIdx, call: &Call) -> Option<Site> {
        let node = self.graph.target(call.callee)?;
        if !self.reached.has(node) {
            return None;
        }
        let may_be_import = self.imports.has(node);
        let (target, tail) = match call.callee {
            Callee::Direct { tail, func } if may_be_import => (Target::Import(func), tail),
            Callee::Direct { tail, func } => (Target::Defined(func), tail),
            Callee::Dynamic { tail, ordinal } => {
                let target = match self.model.facts.dynamics[ordinal as usize] {
                    Dynamic::Table { .. } => Target::Indirect { may_be_import },
                    Dynamic::Ref { .. } => Target::Ref { may_be_import },
                };
                (target, tail)
            }
        };
        let is_dynamic = matches!(call.callee, Callee::Dynamic { .. });
        let in_tail_loop = tail && may_be_import && is_dynamic && {
            let loops = self.loops.get_or_init(|| TailLoops::find(self.model, self.graph));
            loops.has(self.graph.func(func), node)
        };
        Some(Site { offset: call.offset, target, tail, in_tail_loop })
    }
}
