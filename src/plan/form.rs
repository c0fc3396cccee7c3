//! Which form each function gets.

use super::skeleton::Skeleton;
use crate::analyze::{Analysis, Target};
use crate::index::{FuncIdx, IndexVec};
use crate::options::{Form, Optimize, Options};
use crate::read::Module;

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
}

impl<'a> Forms<'a> {
    pub fn new(module: &Module<'_>, analysis: &Analysis, options: &'a Options) -> Forms<'a> {
        let mut called_from = IndexVec::filled(0, module.funcs.len());
        for site in analysis.sites.iter().flatten() {
            if let Target::Defined(func) = site.target {
                called_from[func] += 1;
            }
        }
        Forms { options, called_from }
    }

    /// The form of a function that may have either.
    pub fn choose(&self, func: FuncIdx, skeleton: &Skeleton) -> Form {
        if let Some(form) = self.options.forms.get(&func.0) {
            return *form;
        }
        let apart = match self.options.optimize {
            Optimize::Size => false,
            Optimize::Speed => true,
            Optimize::Balanced => {
                self.called_from[func] >= CALLED_FROM || skeleton.sites_in_loops >= SITES_IN_LOOPS
            }
        };
        if apart { Form::Apart } else { Form::InPlace }
    }
}
