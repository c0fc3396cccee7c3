//! Which assumptions keep a function outside the closure: found by leaving them out.

use super::AssumedOutside;
use super::describe::Describer;
use crate::analyze::{Analysis, Explainer};
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec};
use crate::options::Options;
use crate::read::Module;
use std::cell::OnceCell;

/// The assumptions of the options, and what would be without them: found when it is first needed.
pub(super) struct Assumptions<'a> {
    module: &'a Module<'a>,
    options: &'a Options,
    without_any: OnceCell<Explainer<'a>>,
    /// For each assumption the closure without it, all others granted.
    without_each: OnceCell<Vec<IndexVec<FuncIdx, bool>>>,
}

impl<'a> Assumptions<'a> {
    pub(super) fn new(module: &'a Module<'a>, options: &'a Options) -> Assumptions<'a> {
        Assumptions { module, options, without_any: OnceCell::new(), without_each: OnceCell::new() }
    }

    /// What keeps `func`, which is outside the closure, there; `None` if it is proved. The functions on
    /// the path are described as they are with all assumptions.
    pub(super) fn of(
        &self,
        func: FuncIdx,
        describer: Describer<'_>,
    ) -> Result<Option<AssumedOutside>> {
        let all = &self.options.assumptions;
        if all.is_empty() {
            return Ok(None);
        }
        let Some(path) = self.without_any()?.path(func) else { return Ok(None) };
        let closures = self.without_each()?;
        let needed: Vec<_> = all
            .iter()
            .zip(closures)
            .filter(|(_, closure)| closure[func])
            .map(|(assumption, _)| assumption.to_string())
            .collect();
        let only_together = needed.is_empty();
        let everything = || all.iter().map(ToString::to_string).collect();
        Ok(Some(AssumedOutside {
            assumptions: if only_together { everything() } else { needed },
            only_together,
            path: path.iter().map(|edge| describer.call(edge)).collect(),
        }))
    }

    fn without_any(&self) -> Result<&Explainer<'a>> {
        if let Some(explainer) = self.without_any.get() {
            return Ok(explainer);
        }
        let options = Options { assumptions: Vec::new(), ..self.options.clone() };
        let explainer = Explainer::new(self.module, &options)?;
        Ok(self.without_any.get_or_init(|| explainer))
    }

    fn without_each(&self) -> Result<&Vec<IndexVec<FuncIdx, bool>>> {
        if let Some(closures) = self.without_each.get() {
            return Ok(closures);
        }
        let mut closures = Vec::new();
        for position in 0..self.options.assumptions.len() {
            let mut options = self.options.clone();
            options.assumptions.remove(position);
            closures.push(Analysis::run(self.module, &options)?.closure);
        }
        Ok(self.without_each.get_or_init(|| closures))
    }
}
