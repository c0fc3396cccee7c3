//! Which form each function gets.

use super::hot;
use super::skeleton::Skeleton;
use super::tails::Calls;
use crate::analyze::{Analysis, Target};
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec};
use crate::options::{Form, Optimize, Options};
use crate::read::Module;
use std::collections::BTreeSet;

/// A function that is called directly from as many sites is put apart: measured on interpreters and shells, that
/// tells better than anything but a profile where time is spent.
const CALLED_FROM: u32 = 4;

/// So is a function with as many sites inside loops, as the loop of an interpreter has them.
const SITES_IN_LOOPS: u32 = 40;

/// What decides about forms.
pub(super) struct Forms<'a> {
    options: &'a Options,
    /// For each function how many sites call it directly.
    called_from: IndexVec<FuncIdx, u32>,
    /// Those that a CPU profile puts apart, if there is one.
    hot: Option<BTreeSet<FuncIdx>>,
}

impl<'a> Forms<'a> {
    /// # Errors
    /// As [`super::Plan::make`], for the functions of a CPU profile.
    pub fn new(
        module: &Module<'_>,
        analysis: &Analysis,
        calls: &Calls,
        options: &'a Options,
    ) -> Result<Forms<'a>> {
        let mut called_from = IndexVec::filled(0, module.funcs.len());
        for site in analysis.sites.iter().flatten() {
            if let Target::Defined(func) = site.target {
                called_from[func] += 1;
            }
        }
        let (hot, can_undo) = (options.cpu_profile.as_ref(), options.abi.can_undo());
        let hot = hot
            .map(|profile| hot::functions(module, analysis, calls, profile, can_undo))
            .transpose()?;
        Ok(Forms { options, called_from, hot })
    }

    /// Whether the protocol undoes unwinds.
    pub fn can_undo(&self) -> bool {
        self.options.abi.can_undo()
    }

    /// The form of a function that may have either.
    pub fn choose(&self, func: FuncIdx, skeleton: &Skeleton) -> Form {
        if let Some(form) = self.options.forms.get(&func.0) {
            return *form;
        }
        let apart = match self.options.optimize {
            _ if self.hot.is_some() => self.hot.iter().any(|hot| hot.contains(&func)),
            Optimize::Size => false,
            Optimize::Speed => true,
            Optimize::Balanced => {
                self.called_from[func] >= CALLED_FROM || skeleton.sites_in_loops >= SITES_IN_LOOPS
            }
        };
        if apart { Form::Apart } else { Form::InPlace }
    }
}
