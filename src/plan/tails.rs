//! Tail calls between functions of the closure: which functions' frames a rewind may find in place of another's.
//!
//! A function that tail-calls another is gone when that one runs, and so is its frame: the caller's frame, which names the site at
//! which it calls the first, lies right above that of the second. On a rewind the caller calls the first again. This one finds on
//! top a frame that isn't its own, and *hands on*: it tail-calls a function that looks up whose it is, among all that may be
//! entered by tail calls and have such results, and tail-calls that one. Constant stack space is kept, and nothing is done where
//! the tail call itself stands.
//!
//! ```text
//! $h calls $f, $f tail-calls $g, $g calls the entry       frames: $g, $h
//! rewind: $h calls $f ─► $f hands on ─► the lookup tail-calls $g ─► $g calls the entry
//! ```
//!
//! A function without any other site has no frame at all. A tail call of an import is another matter: it has to be called again,
//! with its arguments. It becomes a call and a return, so that its function has a frame.

use super::FuncPlan;
use crate::analyze::{Analysis, Target};
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec, TypeIdx};
use crate::read::Module;
use std::collections::{BTreeSet, HashSet};
use wasmparser::types::CoreTypeId;
use wasmparser::{Operator, ValType};

/// What is to be done about tail calls.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tails {
    /// Among which functions a rewind looks for the one whose frame it finds.
    pub groups: Vec<TailGroup>,
    /// The functions that have no other sites than tail calls, in index order.
    pub frameless: Vec<HandsOn>,
}

/// The functions that may be entered by tail calls of a function with such results.
#[derive(Debug, PartialEq, Eq)]
pub struct TailGroup {
    /// The results.
    pub results: Vec<ValType>,
    /// The functions, all of which have frames, in index order.
    pub members: Vec<FuncIdx>,
}

/// The position of a group in [`Tails::groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TailGroupOrdinal(pub u32);

/// A function without a frame of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandsOn {
    /// The function.
    pub func: FuncIdx,
    /// Where a rewind goes on.
    pub group: TailGroupOrdinal,
}

/// The tail calls from functions of the closure to others that the module defines.
pub(super) struct Calls {
    /// The functions that have any, in index order.
    callers: Vec<FuncIdx>,
    /// Those of them that have no other sites, in index order.
    frameless: Vec<FuncIdx>,
    /// The other functions with sites, in index order.
    with_frames: Vec<FuncIdx>,
    /// For each function whether a tail call may enter it; for none if there are no such calls.
    entered: IndexVec<FuncIdx, bool>,
}

impl Calls {
    /// Finds the calls in `funcs`, which are all functions with sites, in index order.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if a body can't be read again.
    pub fn find(module: &Module<'_>, analysis: &Analysis, funcs: &[FuncIdx]) -> Result<Calls> {
        let sites = |func: &FuncIdx| &analysis.sites[*func];
        let has_tails = |func: &FuncIdx| sites(func).iter().any(|site| site.leaves_no_frame());
        let has_frame = |func: &FuncIdx| !sites(func).iter().all(|site| site.leaves_no_frame());
        let callers: Vec<_> = funcs.iter().copied().filter(has_tails).collect();
        let (with_frames, frameless): (Vec<_>, Vec<_>) = funcs.iter().copied().partition(has_frame);
        let mut calls = Calls { callers, frameless, with_frames, entered: IndexVec::default() };
        if !calls.callers.is_empty() {
            calls.entered = calls.find_entered(module, analysis)?;
        }
        Ok(calls)
    }

    fn find_entered(
        &self,
        module: &Module<'_>,
        analysis: &Analysis,
    ) -> Result<IndexVec<FuncIdx, bool>> {
        let mut entered = IndexVec::filled(false, module.funcs.len());
        let mut types = BTreeSet::new();
        for func in &self.callers {
            let sites = analysis.sites[*func].iter().filter(|site| site.leaves_no_frame());
            for site in sites {
                match site.target {
                    Target::Defined(target) => entered[target] = true,
                    _ => types.extend(type_of(module, *func, site.offset)?),
                }
            }
        }
        let ids = module.types();
        let id = |ty: TypeIdx| ids.core_type_at_in_module(ty.0);
        let types: HashSet<CoreTypeId> = types.into_iter().map(id).collect();
        for func in &self.with_frames {
            let own = id(module.funcs[*func].ty);
            let mut chain = std::iter::successors(Some(own), |ty| ids.supertype_of(*ty));
            entered[*func] |= !types.is_empty() && chain.any(|ty| types.contains(&ty));
        }
        Ok(entered)
    }

    /// The functions that have frames, in index order.
    pub fn with_frames(&self) -> &[FuncIdx] {
        &self.with_frames
    }

    /// Whether any of the calls may enter a function.
    pub fn enter(&self, func: FuncIdx) -> bool {
        self.entered.get(func).copied().unwrap_or_default()
    }

    /// Says which functions hand on, and to which.
    pub fn plan(&self, module: &Module<'_>, funcs: &mut [FuncPlan]) -> Tails {
        let mut groups: Vec<Vec<ValType>> = Vec::new();
        let mut hands_on = |func: FuncIdx| {
            let results = module.func_type(func).results();
            let known = groups.iter().position(|known| known == results);
            let ordinal = known.unwrap_or_else(|| {
                groups.push(results.to_vec());
                groups.len() - 1
            });
            TailGroupOrdinal(ordinal as u32)
        };
        let frameless = self.frameless.iter();
        let frameless = frameless.map(|func| HandsOn { func: *func, group: hands_on(*func) });
        let frameless = frameless.collect();
        for plan in funcs.iter_mut() {
            let calls = self.callers.binary_search(&plan.func).is_ok();
            plan.hands_on = calls.then(|| hands_on(plan.func));
        }
        let groups = groups.into_iter().map(|results| self.group(module, results, funcs));
        Tails { groups: groups.collect(), frameless }
    }

    fn group(&self, module: &Module<'_>, results: Vec<ValType>, funcs: &[FuncPlan]) -> TailGroup {
        let fits = |func: FuncIdx| {
            let own = module.func_type(func).results();
            own.len() == results.len()
                && own.iter().zip(&results).all(|(a, b)| module.is_subtype(*a, *b))
        };
        // A function apart that hands on has its own frames looked up with all others.
        let is_member = |plan: &&FuncPlan| {
            let looked_up = plan.hands_on.is_some() && plan.resume.is_some();
            (self.enter(plan.func) || looked_up) && fits(plan.func)
        };
        let members = funcs.iter().filter(is_member).map(|plan| plan.func).collect();
        TailGroup { results, members }
    }
}

/// The type of what a tail call through a table or reference calls.
fn type_of(module: &Module<'_>, func: FuncIdx, offset: u32) -> Result<Option<TypeIdx>> {
    Ok(match module.operator_at(func, offset)?.operator {
        Operator::ReturnCallIndirect { type_index, .. }
        | Operator::ReturnCallRef { type_index } => Some(TypeIdx(type_index)),
        _ => None,
    })
}
