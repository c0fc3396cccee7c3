//! The call graph that is left under assumptions, the closure in it, and what each assumption saves.

use super::super::graph::{Graph, Reached};
use super::super::model::Model;
use super::super::query::Query;
use super::super::{Analysis, Saving, certificate};
use super::{Assumed, Meaning};
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TableIdx};
use std::collections::BTreeSet;

/// A module without assumptions.
#[derive(Clone, Copy)]
pub(in super::super) struct Sound<'a, 'm> {
    pub(in super::super) model: &'a Model<'m>,
    pub(in super::super) query: &'a Query,
    pub(in super::super) graph: &'a Graph,
}

/// What is taken away from the call graph.
pub(in super::super) struct Narrowing {
    /// For each function whether it is taken out of the closure.
    pub(in super::super) removed: IndexVec<FuncIdx, bool>,
    /// The tables that the host can see, and is taken not to write to.
    pub(in super::super) private: BTreeSet<TableIdx>,
    /// Whether calls through values are taken to lead to no entry, but where the functions are few that are known.
    pub(in super::super) no_indirect: bool,
    /// The functions that stay in the closure, if they are in that without assumptions; none of `removed`.
    pub(in super::super) kept: Vec<FuncIdx>,
}

impl Narrowing {
    /// Where searches for the closure begin: the entries, and what is kept of the closure without assumptions.
    pub(in super::super) fn roots(&self, sound: Sound<'_, '_>) -> Vec<FuncIdx> {
        let Sound { model, query, graph } = sound;
        let mut roots = query.entries.clone();
        if !self.kept.is_empty() {
            let nothing = IndexVec::filled(false, model.module.funcs.len());
            let reached = graph.reach_without(&query.entries, &nothing).funcs(model.module);
            roots.extend(self.kept.iter().filter(|func| reached[**func]));
        }
        roots
    }
}

/// A module some of whose tables are taken to be private, or whose indirect calls lead to no entry.
pub(in super::super) struct Narrowed<'a, 'm> {
    sound: Sound<'a, 'm>,
    private: BTreeSet<TableIdx>,
    no_indirect: bool,
    /// The model, where it differs from that without assumptions.
    model: Option<Model<'m>>,
    /// The graph, likewise.
    graph: Option<Graph>,
}

impl<'a, 'm> Narrowed<'a, 'm> {
    /// # Errors
    /// As [`Model::new`].
    pub(in super::super) fn new(sound: Sound<'a, 'm>, narrowing: &Narrowing) -> Result<Self> {
        let Narrowing { private, no_indirect, .. } = narrowing;
        let query = sound.query;
        let model = match private.is_empty() {
            true => None,
            false => {
                let module = sound.model.module;
                Some(Model::with_private_tables(module, query.precision, private)?)
            }
        };
        let own = model.as_ref().unwrap_or(sound.model);
        let graph = match (&model, no_indirect) {
            (None, false) => None,
            (Some(_), false) => Some(Graph::new(own, query)),
            (_, true) => Some(Graph::without_classes(own, query)),
        };
        let (private, no_indirect) = (private.clone(), *no_indirect);
        Ok(Narrowed { sound, private, no_indirect, model, graph })
    }

    /// Whether it is the same as that of another narrowing.
    fn is_of(&self, narrowing: &Narrowing) -> bool {
        (&self.private, self.no_indirect) == (&narrowing.private, narrowing.no_indirect)
    }

    /// The closure without what `narrowing` removes, in the graph without assumptions: its functions,
    /// and the classes that they are targets of there.
    pub(in super::super) fn reach(&self, narrowing: &Narrowing) -> Reached {
        let Sound { model, graph, .. } = self.sound;
        let roots = narrowing.roots(self.sound);
        let Some(own) = &self.graph else {
            return graph.reach_without(&roots, &narrowing.removed);
        };
        let reached = own.reach_without(&roots, &narrowing.removed);
        let closure = reached.funcs(model.module);
        let inside = closure.indices().filter(|func| closure[*func]);
        graph.reach_classes(inside.map(|func| graph.func(func)).chain([graph.foreign()]))
    }

    /// Checks that a closure lacks nothing but what `narrowing` takes away.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if it does.
    pub(in super::super) fn certify(
        &self,
        narrowing: &Narrowing,
        closure: &IndexVec<FuncIdx, bool>,
    ) -> Result<()> {
        let model = self.model.as_ref().unwrap_or(self.sound.model);
        certificate::check_narrowed(model, self.sound.query, closure, narrowing)
    }
}

/// What each assumption saves: how much larger the closure would be without it alone; and which guards
/// are there for it alone. Lists of what is in the closure stand together, for each makes room for the
/// functions of the others.
///
/// # Errors
/// As [`Model::new`].
pub(in super::super) fn savings(
    assumed: &Assumed,
    narrowed: &Narrowed<'_, '_>,
    analysis: &Analysis,
) -> Result<Vec<Saving>> {
    let size = |closure: &IndexVec<FuncIdx, bool>| closure.iter().filter(|inside| **inside).count();
    let module = narrowed.sound.model.module;
    let is_list = |position: usize| matches!(assumed.each[position].meaning, Meaning::Listed(_));
    let (lists, mut alone): (Vec<usize>, Vec<usize>) =
        (0..assumed.each.len()).partition(|position| is_list(*position));
    alone.extend(lists.first());
    alone.sort_unstable();
    let mut savings = Vec::new();
    for position in alone {
        let group = if is_list(position) { lists.clone() } else { vec![position] };
        let others = assumed.narrowing_of(module, |position| !group.contains(&position));
        let without = if narrowed.is_of(&others) {
            narrowed.reach(&others)
        } else {
            Narrowed::new(narrowed.sound, &others)?.reach(&others)
        };
        let sentences: Vec<_> =
            group.iter().map(|position| assumed.each[*position].sentence.clone()).collect();
        let without = without.funcs(module);
        savings.push(Saving {
            assumption: sentences.join(", or "),
            functions: size(&without).saturating_sub(size(&analysis.closure)),
            guards: guards_within(&without, analysis),
        });
    }
    Ok(savings)
}

/// The guards in functions of a larger closure.
fn guards_within(closure: &IndexVec<FuncIdx, bool>, analysis: &Analysis) -> Vec<(FuncIdx, u32)> {
    let guarded = analysis.guards.iter().filter(|(func, _)| closure[**func]);
    let calls = guarded.flat_map(|(func, calls)| calls.iter().map(|call| (*func, call)));
    let assumed = calls.filter(|(_, call)| call.is_assumed);
    assumed.map(|(func, call)| (func, call.offset)).collect()
}
