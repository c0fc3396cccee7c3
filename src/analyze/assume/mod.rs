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
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexVec, TableIdx};
use crate::options::{Assumption, FuncPattern, LeftOut, Options};
use crate::read::Module;
use crate::text::Named;
use std::collections::BTreeSet;

/// What the assumptions of the options come to.
#[derive(Default)]
pub(super) struct Assumed {
    /// Each assumption by itself, in the options' order.
    each: Vec<One>,
    /// The functions that stay in the closure all the same.
    kept: Vec<FuncIdx>,
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
    /// These can't be.
    LeftOut(Vec<FuncIdx>),
    /// No functions but those of all lists are in the closure.
    Listed(Vec<FuncIdx>),
    /// The host writes to none of these tables.
    Private(BTreeSet<TableIdx>),
    /// Calls through values lead to no entry, but where the functions are few that are known.
    NoIndirect,
}

impl Assumed {
    /// Finds out what the assumptions mean in the module.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchFunction`] or [`crate::Error::NoSuchTable`] for a pattern that matches
    /// nothing, [`crate::Error::StaleProfile`] for a profile of another build.
    pub(super) fn resolve(module: &Module<'_>, options: &Options) -> Result<Assumed> {
        let mut assumed = Assumed::default();
        if options.assumptions.is_empty() && options.kept.is_empty() {
            return Ok(assumed);
        }
        let names = FuncNames::new(module);
        for assumption in &options.assumptions {
            let meaning = assumed.meaning(module, &names, assumption, options.lenient)?;
            assumed.each.push(One { sentence: assumption.to_string(), meaning });
        }
        for pattern in &options.kept {
            let functions = assumed.matching(&names, pattern, options.lenient)?;
            assumed.kept.extend(functions);
        }
        assumed.warnings.extend(contradictions::warning(module, &assumed.each));
        Ok(assumed)
    }

    fn meaning(
        &mut self,
        module: &Module<'_>,
        names: &FuncNames<'_>,
        assumption: &Assumption,
        lenient: bool,
    ) -> Result<Meaning> {
        Ok(match assumption {
            Assumption::NoFork(pattern) | Assumption::NotCalled(pattern) => {
                Meaning::Out(self.matching(names, pattern, lenient)?)
            }
            Assumption::Only(patterns) => {
                let lists = patterns.iter().map(|pattern| self.matching(names, pattern, lenient));
                let lists: Result<Vec<_>> = lists.collect();
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
            Assumption::LeftOut(left_out) => {
                for LeftOut { func, why } in left_out {
                    let name = module.func_name(FuncIdx(*func));
                    let named = Named(*func, name.as_deref());
                    self.warnings.push(format!(
                        "function {named} can't be instrumented and is left as it is: {why}"
                    ));
                }
                Meaning::LeftOut(left_out.iter().map(|left_out| FuncIdx(left_out.func)).collect())
            }
            Assumption::NoIndirect => Meaning::NoIndirect,
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

    /// The functions that a pattern means. If there are none, that is a warning where it is no error.
    fn matching(
        &mut self,
        names: &FuncNames<'_>,
        pattern: &FuncPattern,
        lenient: bool,
    ) -> Result<Vec<FuncIdx>> {
        match names.matching(pattern) {
            Err(error @ (Error::NoSuchFunction { .. } | Error::NoSuchIndex { .. })) if lenient => {
                self.warnings.push(error.to_string());
                Ok(Vec::new())
            }
            found => found,
        }
    }

    /// What all assumptions take away together.
    pub(super) fn narrowing(&self, module: &Module<'_>) -> Narrowing {
        self.narrowing_of(module, |_| true)
    }

    /// What the assumptions at these positions take away together.
    fn narrowing_of(&self, module: &Module<'_>, counts: impl Fn(usize) -> bool) -> Narrowing {
        let nothing = || IndexVec::filled(false, module.funcs.len());
        let (removed, private, kept) = (nothing(), BTreeSet::new(), Vec::new());
        let mut narrowing = Narrowing { removed, private, no_indirect: false, kept };
        let mut left_out = nothing();
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
                Meaning::LeftOut(funcs) => funcs.iter().for_each(|f| left_out[*f] = true),
                Meaning::Private(tables) => narrowing.private.extend(tables),
                Meaning::NoIndirect => narrowing.no_indirect = true,
            }
        }
        if let Some(listed) = listed {
            let unlisted = module.defined_funcs().filter(|func| !listed[*func]);
            unlisted.for_each(|func| narrowing.removed[func] = true);
        }
        narrowing.kept = self.kept.iter().copied().filter(|func| !left_out[*func]).collect();
        narrowing.kept.iter().for_each(|func| narrowing.removed[*func] = false);
        let left_out = left_out.iter_enumerated().filter(|(_, out)| **out);
        left_out.for_each(|(func, _)| narrowing.removed[func] = true);
        narrowing
    }
}
