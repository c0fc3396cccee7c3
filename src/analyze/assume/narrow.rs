//! The call graph that is left under assumptions, the closure in it, and what each assumption saves.

use super::super::graph::{Graph, Reached};
use super::super::model::Model;
use super::super::query::Query;
use super::super::{Analysis, GuardedCall, Saving, certificate};
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
}

/// A module some of whose tables are taken to be private.
pub(in super::super) struct Narrowed<'a, 'm> {
    sound: Sound<'a, 'm>,
    private: BTreeSet<TableIdx>,
    /// The model and the graph, where they differ from those without assumptions.
    own: Option<(Model<'m>, Graph)>,
}

impl<'a, 'm> Narrowed<'a, 'm> {
    /// # Errors
    /// As [`Model::new`].
    pub(in super::super) fn new(sound: Sound<'a, 'm>, narrowing: &Narrowing) -> Result<Self> {
        let private = narrowing.private.clone();
        let mut own = None;
        if !private.is_empty() {
            let Sound { model, query, .. } = sound;
            let model = Model::with_private_tables(model.module, query.precision, &private)?;
            let graph = Graph::new(&model, query);
            own = Some((model, graph));
        }
        Ok(Narrowed { sound, private, own })
    }

    /// The closure without what `narrowing` removes, in the graph without assumptions: its functions,
    /// and the classes that they are targets of there.
    pub(in super::super) fn reach(&self, narrowing: &Narrowing) -> Reached {
        let Sound { model, query, graph } = self.sound;
        let Some((_, own)) = &self.own else {
            return graph.reach_without(&query.entries, &narrowing.removed);
        };
        let reached = own.reach_without(&query.entries, &narrowing.removed);
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
        let model = self.own.as_ref().map_or(self.sound.model, |(model, _)| model);
        certificate::check_narrowed(model, self.sound.query, closure, &narrowing.removed)
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
        let without = if others.private == narrowed.private {
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
    let guarded = analysis.guards.iter_enumerated().filter(|(func, _)| closure[*func]);
    let guards = |(func, calls)| {
        let calls: &Vec<GuardedCall> = calls;
        calls.iter().map(move |call| (func, call.offset))
    };
    guarded.flat_map(guards).collect()
}
