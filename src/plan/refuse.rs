//! What is refused by name before any planning: see the chapter on limits in the guide.

use super::{AddedMemory, Answer, GuardPlan, Guards};
use crate::abi::{self, Abi, Mark};
use crate::analyze::{GuardedCall, Site};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::limits::{Limit, Sizes};
use crate::options::Options;
use crate::read::{Located, Module};
use crate::refusal::{Refusal, RefusalKind};
use crate::text::escape;
use crate::work;
use wasmparser::{Operator, ValType};

/// All that was found so far that a module is refused for.
#[derive(Default)]
pub(super) struct RefusalsSoFar(Vec<Refusal>);

impl RefusalsSoFar {
    /// What a module is refused for as a whole; `added_memory`: what is added for frames; `has_frames`: whether there are any to
    /// save.
    ///
    /// # Errors
    /// [`Error::Refused`] at once if it was instrumented before: then nothing else counts.
    pub(super) fn in_module(
        module: &Module<'_>,
        options: &Options,
        added_memory: Option<AddedMemory>,
        has_frames: bool,
    ) -> Result<RefusalsSoFar> {
        match abi::instrumented(module) {
            None => Ok(RefusalsSoFar(of_module(module, options, added_memory, has_frames))),
            Some(evidence) => {
                let refusal = Refusal::of_module(RefusalKind::AlreadyInstrumented, evidence);
                Err(Error::Refused(refusal.into()))
            }
        }
    }

    /// Takes the refusals out of `results`.
    ///
    /// # Errors
    /// The first error that is none.
    pub(super) fn sift<T>(&mut self, results: Vec<Result<T>>) -> Result<Vec<T>> {
        let mut failed = None;
        let rest = results.into_iter().filter_map(|result| match result {
            Ok(item) => Some(item),
            Err(Error::Refused(refusals)) => {
                self.0.extend(refusals);
                None
            }
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        });
        // Where the results were, if they are no larger than the items: there may be a hundred megabytes of them.
        let rest = rest.collect();
        failed.map_or(Ok(rest), Err)
    }

    /// Takes what guards are refused for.
    pub(super) fn in_guards(&mut self, module: &Module<'_>, guards: &Guards) -> Result<()> {
        for plan in &guards.funcs {
            self.0.extend(tail_guards(module, plan)?);
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Refused`] if there is anything.
    pub(super) fn nothing(self) -> Result<()> {
        let RefusalsSoFar(refusals) = self;
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(Error::Refused(refusals.into_iter().collect()))
        }
    }
}

/// These refusals of a function, and what else it is refused for, by what its plan without those would be.
///
/// # Errors
/// Always: [`Error::Refused`] with all of that, or another error of `rest`.
pub(super) fn also<T>(
    refusals: Vec<Refusal>,
    rest: impl FnOnce() -> Result<Option<T>>,
) -> Result<T> {
    match rest() {
        Ok(_) => Err(Error::Refused(refusals.into_iter().collect())),
        Err(Error::Refused(more)) => {
            Err(Error::Refused(refusals.into_iter().chain(more).collect()))
        }
        Err(error) => Err(error),
    }
}

fn of_module(
    module: &Module<'_>,
    options: &Options,
    added_memory: Option<AddedMemory>,
    has_frames: bool,
) -> Vec<Refusal> {
    let own_memory = matches!(added_memory, Some(AddedMemory::Own(_)));
    let mut refusals = reserved_names(module, options, own_memory);
    refusals.extend(module.object_section().map(|section| Refusal::of_object(section.name)));
    if has_frames && added_memory == Some(AddedMemory::Empty) {
        refusals.push(Refusal::of_module(
            RefusalKind::NoMemory,
            "the module has no memory, so there is nowhere to put frames",
        ));
    }
    refusals.extend(not_shared(module, options.abi));
    refusals.extend(let_go(options));
    refusals.extend(limit(module));
    refusals
}

/// A side module must import the memory that frames lie in.
fn not_shared(module: &Module<'_>, abi: Abi) -> Option<Refusal> {
    let own = module.memories.iter().any(|memory| memory.import.is_none());
    let what = "a side module with a memory of its own: frames lie in one that it shares";
    (abi.is_side() && own).then(|| Refusal::of_module(RefusalKind::NoMemory, what))
}

/// That no stack is rewound twice says when references are let go: those that are kept, where nothing else says it.
fn let_go(options: &Options) -> Option<Refusal> {
    let what = match options.abi.is_asyncify() {
        true => {
            "to rewind each stack once only, where no references are kept: that takes the same instance, or a host that carries them over"
        }
        false => "to rewind each stack once only, by this ABI: the host releases references",
    };
    let means_it = options.abi.is_asyncify() && super::references::keeps(options);
    (options.rewind_once && !means_it).then(|| Refusal::of_module(RefusalKind::Kept, what))
}

/// Where there is no room even for the least that is added: a function, its type and export, a global.
fn limit(module: &Module<'_>) -> Option<Refusal> {
    let least = Sizes { functions: 1, globals: 1, exports: 1, interface: 2, ..Sizes::default() };
    let (limit, number) = (module.sizes() + least).exceeded()?;
    let what = format!("the output would have at least {}", limit.exceeded(number));
    Some(Refusal::of_module(RefusalKind::Limit, what))
}

/// With a resume module all names that begin like those of the ABI are reserved: it imports many.
fn reserved_names(module: &Module<'_>, options: &Options, own_memory: bool) -> Vec<Refusal> {
    let abi = options.abi;
    let exports = || module.exports.iter().map(|export| export.name);
    let names =
        abi.exports().iter().map(|export| export.name).chain([abi.release(), abi.unprepared()]);
    let names = names.chain(own_memory.then(|| abi.memory_export()));
    let names = names.chain(abi.shared().iter().copied().filter(|_| !abi.is_side()));
    let taken: Vec<_> = if options.resume_module {
        let prefix = abi.private_name("");
        exports().filter(|export| export.starts_with(&prefix)).collect()
    } else {
        names.filter(|name| exports().any(|export| export == *name)).collect()
    };
    let what =
        |name| format!("the export name `{}` is reserved for the {} ABI", escape(name), abi.name());
    let refusal = |name| Refusal::of_module(RefusalKind::ReservedName, what(name));
    taken.into_iter().map(refusal).collect()
}

/// Whether there is no value of the type that could stand in for another.
pub(super) fn is_non_nullable(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if !ty.is_nullable())
}

/// Whether the function has a parameter that nothing can stand in for.
pub(super) fn has_no_dummy(module: &Module<'_>, func: FuncIdx) -> bool {
    module.func_type(func).params().iter().copied().any(is_non_nullable)
}

/// What a function is refused for before its body is planned: calls that can't be resumed.
pub(super) fn function(module: &Module<'_>, func: FuncIdx, sites: &[Site]) -> Vec<Refusal> {
    let loops = sites.iter().filter(|site| site.in_tail_loop);
    let refusals = loops.map(|site| {
        let what = "a tail call in a loop of tail calls that may call an import which has to be called again";
        let location = module.location(func, site.offset as usize);
        Refusal::at(location, RefusalKind::TailCall, what)
    });
    refusals.collect()
}

/// The refusal of a tail call that would throw into a `try` if it were made a call.
pub(super) fn tail_call_in_try(module: &Module<'_>, func: FuncIdx, offset: u32) -> Error {
    let what = "a tail call inside a `try` that may call an import which has to be called again";
    let location = module.location(func, offset as usize);
    Error::Refused(Refusal::at(location, RefusalKind::TailCall, what).into())
}

/// The refusal of a function that a rewind would have to enter for another, which had tail-called it, but with arguments.
pub(super) fn entered_by_tail(module: &Module<'_>, func: FuncIdx, site: &Site) -> Error {
    let what = "a call that may reach an entry through a table or reference, in a function that is tail-called and has a parameter \
                of a non-nullable reference type";
    let location = module.location(func, site.offset as usize);
    Error::Refused(Refusal::at(location, RefusalKind::TailCall, what).into())
}

/// What guarded tail calls are refused for: inside a `try`, as calls they would throw into it.
fn tail_guards(module: &Module<'_>, plan: &GuardPlan) -> Result<Vec<Refusal>> {
    let tails = plan.calls.iter().filter(|guard| guard.tail && guard.answer == Answer::Trap);
    let offsets: Vec<_> = tails.map(|guard| guard.offset).collect();
    let refusal = |offset: &u32| {
        let what = "a tail call inside a `try` that an assumption would have guarded";
        let location = module.location(plan.func, *offset as usize);
        Refusal::at(location, RefusalKind::GuardedTailCall, what)
    };
    Ok(in_try(module, plan.func, &offsets)?.iter().map(refusal).collect())
}

/// The offsets of the guarded tail calls inside a `try`, in order.
pub(super) fn tails_in_try(
    module: &Module<'_>,
    func: FuncIdx,
    calls: &[GuardedCall],
) -> Result<Vec<u32>> {
    let tails = calls.iter().filter(|call| call.tail).map(|call| call.offset);
    in_try(module, func, &tails.collect::<Vec<_>>())
}

/// Which of these offsets, that are in order, are inside a `try`.
fn in_try(module: &Module<'_>, func: FuncIdx, offsets: &[u32]) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    if offsets.is_empty() {
        return Ok(found);
    }
    let mut offsets = offsets.iter().peekable();
    // For each open construct whether it is a `try`, and how many are.
    let (mut constructs, mut tries) = (Vec::new(), 0_usize);
    for located in module.operators(func)? {
        work::count(1);
        let Located { operator, start, .. } = located?;
        if offsets.next_if(|offset| **offset == start).is_some() && tries > 0 {
            found.push(start);
        }
        match operator {
            Operator::Try { .. } | Operator::TryTable { .. } => {
                constructs.push(true);
                tries += 1;
            }
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                constructs.push(false);
            }
            Operator::End | Operator::Delegate { .. } => {
                tries -= usize::from(constructs.pop() == Some(true));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// How many bytes so many sites take at least in the body that a rewind enters.
///
/// At a site are a call, `i32.const` with the site's ordinal, `global.get`, `br_if` and `drop`; for its landing `block` and `end`,
/// and an arm of a dispatch.
pub fn least_bytes(sites: usize) -> u64 {
    let each = 2 + 2 + 2 + 2 + 1 + 3 + 1;
    let longer =
        [1 << 6, 1 << 13, 1 << 20].map(|ordinal: u64| (sites as u64 + 1).saturating_sub(ordinal));
    sites as u64 * each + longer.into_iter().sum::<u64>()
}

/// Refuses a function whose sites alone take more bytes than a body may have, before anything is done for them.
///
/// # Errors
/// [`Error::Refused`], by the function's name.
pub(super) fn many_sites(module: &Module<'_>, func: FuncIdx, sites: usize) -> Result<()> {
    within(Limit::BodyBytes, least_bytes(sites), "at least ", module, func)
}

/// Refuses a function with more locals than engines accept.
pub(super) fn many_locals(module: &Module<'_>, func: FuncIdx, locals: usize) -> Result<()> {
    within(Limit::Locals, locals as u64, "", module, func)
}

const _: () = assert!(Limit::FrameBytes.max() == Mark::MOST_BYTES as u64, "a mark says no more");

/// Refuses a function whose frame is too large to say so.
pub(super) fn large_frame(module: &Module<'_>, func: FuncIdx, bytes: u32) -> Result<()> {
    within(Limit::FrameBytes, u64::from(bytes), "", module, func)
}

/// Refuses a function that has more of something than engines accept; `bound`: what is said of the number.
fn within(
    limit: Limit,
    number: u64,
    bound: &str,
    module: &Module<'_>,
    func: FuncIdx,
) -> Result<()> {
    if !limit.is_exceeded_by(number) {
        return Ok(());
    }
    let start = module.body(func).map_or(0, |body| body.range().start as usize);
    let what = format!("the output would have {bound}{}", limit.exceeded(number));
    let refusal = Refusal::at(module.location(func, start), RefusalKind::Limit, what);
    Err(Error::Refused(refusal.into()))
}
