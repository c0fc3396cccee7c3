//! What the user assumes: how far it narrows the closure, and which calls must be guarded for that.
//!
//! An assumption removes functions from the search for the closure, or narrows what a table holds,
//! and so removes edges of the call graph. Both are done on the side. The graph without assumptions
//! stays, and says what else may happen:
//!
//! - a call from a function of the closure that may lead into the closure is a site, whatever is
//!   assumed of its target;
//! - a call from any other function that may lead into the closure is guarded.
//!
//! So an unwind that an assumption rules out comes either to code that is prepared for it, or to a guard.

mod contradictions;
mod guards;
mod narrow;
pub(super) mod patterns;
mod recorded;

pub(super) use guards::guards;
pub(super) use narrow::{Narrowed, Narrowing, Sound, savings};
pub(crate) use patterns::FuncNames;
pub(crate) use recorded::function as recorded_function;

use super::host;
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::options::{Assumption, Options};
use crate::read::Module;
use std::collections::BTreeSet;

/// What the assumptions of the options come to.
pub(super) struct Assumed {
    /// Each assumption by itself, in the options' order.
    each: Vec<One>,
    /// What is to be said about them.
    pub(super) notes: Vec<String>,
    /// What the user should know before using the closure.
    pub(super) warnings: Vec<String>,
}

/// An assumption of the options.
struct One {
    /// As the user reads it.
    sentence: String,
    meaning: Meaning,
}

/// What an assumption comes to in a module.
enum Meaning {
    /// These functions are not in the closure.
    Out(Vec<FuncIdx>),
    /// No functions but those of all lists are in the closure.
    Listed(Vec<FuncIdx>),
    /// The host writes to none of these tables.
    Private(BTreeSet<TableIdx>),
}

impl Assumed {
    /// Finds out what the assumptions mean in the module.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchFunction`] or [`crate::Error::NoSuchTable`] for a pattern that matches
    /// nothing, [`crate::Error::StaleProfile`] for a profile of another build.
    pub(super) fn resolve(module: &Module<'_>, options: &Options) -> Result<Assumed> {
        let mut assumed = Assumed { each: Vec::new(), notes: Vec::new(), warnings: Vec::new() };
        if options.assumptions.is_empty() {
            return Ok(assumed);
        }
        let names = FuncNames::new(module);
        for assumption in &options.assumptions {
            let meaning = assumed.meaning(module, &names, assumption)?;
            assumed.each.push(One { sentence: assumption.to_string(), meaning });
        }
        assumed.warnings.extend(contradictions::warning(module, &assumed.each));
        Ok(assumed)
    }

    fn meaning(
        &mut self,
        module: &Module<'_>,
        names: &FuncNames<'_>,
        assumption: &Assumption,
    ) -> Result<Meaning> {
        Ok(match assumption {
            Assumption::NoFork(pattern) | Assumption::NotCalled(pattern) => {
                Meaning::Out(names.matching(pattern)?)
            }
            Assumption::Only(patterns) => {
                let lists: Result<Vec<_>> = patterns.iter().map(|p| names.matching(p)).collect();
                Meaning::Listed(lists?.concat())
            }
            Assumption::Profile(profile) => {
                let listed = recorded::functions(module, names, profile)?;
                if recorded::from_other_bytes(module, profile) {
                    self.notes.push(
                        "The profile was recorded from other bytes than these; its functions \
                         were found by name and index."
                            .into(),
                    );
                }
                Meaning::Listed(listed)
            }
            Assumption::TablePrivate(pattern) => {
                let visible = host::visible_tables(module);
                let (private, unseen) = patterns::tables(module, pattern)?
                    .into_iter()
                    .partition::<BTreeSet<_>, _>(|table| visible[*table]);
                self.notes.extend(unseen.iter().map(|table| {
                    format!(
                        "Table {table} is neither imported nor exported: nothing is gained by \
                         assuming that the host doesn't write to it."
                    )
                }));
                Meaning::Private(private)
            }
        })
    }

    /// What all assumptions take away together.
    pub(super) fn narrowing(&self, module: &Module<'_>) -> Narrowing {
        self.narrowing_of(module, |_| true)
    }

    /// What the assumptions at these positions take away together.
    fn narrowing_of(&self, module: &Module<'_>, counts: impl Fn(usize) -> bool) -> Narrowing {
        let nothing = || IndexVec::filled(false, module.funcs.len());
        let mut narrowing = Narrowing { removed: nothing(), private: BTreeSet::new() };
        let mut listed: Option<IndexVec<FuncIdx, bool>> = None;
        for (position, one) in self.each.iter().enumerate() {
            if !counts(position) {
                continue;
            }
            match &one.meaning {
                Meaning::Out(funcs) => funcs.iter().for_each(|f| narrowing.removed[*f] = true),
                Meaning::Listed(funcs) => {
                    let listed = listed.get_or_insert_with(nothing);
                    funcs.iter().for_each(|func| listed[*func] = true);
                }
                Meaning::Private(tables) => narrowing.private.extend(tables),
            }
        }
        if let Some(listed) = listed {
            let unlisted = module.defined_funcs().filter(|func| !listed[*func]);
            unlisted.for_each(|func| narrowing.removed[func] = true);
        }
        narrowing
    }
}
