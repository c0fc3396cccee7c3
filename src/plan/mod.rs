//! **plan**: decides how each function of the closure is rewritten.
//!
//! Input: a [`Module`] and its [`Analysis`]. Output: a [`Plan`], plain data that [`crate::rewrite`]
//! obeys and that [`dump`] prints as stable text.
//!
//! # The shape of a rewritten function
//!
//! Before:
//!
//! ```wat
//! (func $f (param $n i32) (result i32)
//!   (block $done
//!     (br_if $done (i32.eqz (local.get $n)))
//!     (drop (call $g)))
//!   (local.get $n))
//! ```
//!
//! A function has one of two forms; `form` chooses. *In place*, a rewind enters its own body:
//!
//! ```wat
//! (func $f (param $n i32) (result i32) (local $resume i32)
//!   block $exit (result i32)
//!     block $done                 ;; hoisted: opened at the start of its region
//!       block $landing1
//!         global.get $state
//!         if                      ;; rewinding
//!           (local.set $resume (call $pop …))  (local.set $n (call $load))
//!           br $landing1          ;; the dispatch
//!         end
//!         (br_if $done (i32.eqz (local.get $n)))
//!       end
//!       call $g
//!       i32.const 1  global.get $state  br_if $exit  drop
//!       drop
//!     end
//!     local.get $n
//!     return
//!   end                           ;; unwinding: the site's ordinal is on the stack
//!   (call $save (i32.const 0) (local.get $n))
//!   i32.const before  i32.const 8  call $seal
//!   (if (then (return (call $f (i32.const 0)))))   ;; no room: undo
//!   i32.const 0)
//! ```
//!
//! *Apart*, nothing branches into its own body, which saves at each site exactly what is live there (`exits`):
//!
//! ```wat
//! (func $f (param $n i32) (result i32)
//!   (if (global.get $state) (then (return (call $f.resume))))
//!   block $exit (result i32)
//!     block $done
//!       (br_if $done (i32.eqz (local.get $n)))
//!       call $g
//!       i32.const 1  global.get $state  br_if $exit  drop
//!       drop
//!     end
//!     local.get $n
//!     return
//!   end
//!   …as above, but for `call $f.resume` where there is no room…)
//! ```
//!
//! and `$f.resume : [] -> [i32]`, its *resume function*, is what the function would be in place, but always rewinds at its
//! start, and lacks what no landing leads to (`prune`): here the `br_if`. Its own sites can be unwound from in turn. Both
//! write the same frames.
//!
//! Why two: an edge from a dispatch into normal code, and values that are kept alive for another site's frame, are what costs
//! interpreters a fifth to a third of their speed; tests after calls cost next to nothing. But a resume function is about as large
//! as the original, so that only functions in which time is spent should have one.
//!
//! Imports are called by way of a function that calls them once more where an unwind had no room even to begin, so that this
//! needs nothing in the caller.
//!
//! # Regions
//!
//! A *region* is a body that control can only enter at its start: the function's, a loop's, a
//! `try`'s. It opens with a dispatch on `$resume` that skips to the landing of a site, or of a
//! region inside; nothing is skipped to one that is at the very start. Whether a rewind is on its way is asked of the state, which is normal
//! again behind the call that it goes to. A `block` is no region: only its `end` matters to branches, so where a block holds
//! a site its start is *hoisted* to the start of the region, and landings inside it are reached
//! directly. An `if` becomes a block with a conditional branch, and is hoisted too. More than
//! [`REGION_LABELS`] labels are never open at one dispatch: a run of nodes is made a region of its
//! own, a *bucket*.
//!
//! Whatever the operand stack holds at a landing or a hoisted start is spilled to locals, so that
//! every label can be opened with an empty stack. It stays there until nothing lies between it and the
//! operator that uses it but code without sites: n values below n sites are n spills.
//!
//! # Handlers
//!
//! A `try` is a region for its body and one for each handler with sites. A rewind can't branch into a
//! handler: it enters the body, and throws there what the handler had caught. So the values caught
//! are part of the frame; a handler that catches all gets a tag of our own, unless it may `rethrow`: then it is a *pad*
//! (`pads`).
//!
//! # References
//!
//! A frame holds for a reference what it can be found or made again by: `references` says how. Where that can't be, or where a function
//! has nothing to return (`dummies`), the unwind is undone as if there were no room. In a body that a rewind enters, locals of types
//! without null are declared with null, and cast where they are read (`locals`).
//!
//! # Sources
//! Ramsey, "Beyond Relooper" (2022), for nesting blocks by the order of their ends.

mod bitset;
mod dispatch;
mod displaced;
mod dummies;
mod dump;
mod events;
mod exits;
mod few;
mod form;
mod graph;
mod guards;
mod helpers;
mod hot;
mod liveness;
mod locals;
mod memory;
mod names;
mod omitted;
mod operands;
mod packed;
mod pads;
mod pass;
mod prune;
mod references;
mod refuse;
mod regions;
mod resume_module;
mod rewind_start;
mod saved;
mod scratch;
mod skeleton;
mod spilling;
mod stand_ins;
mod steps;
mod suspects;
mod tails;
mod temps;
mod tree;
mod walk;

pub use dispatch::{Caught, Dispatch, HandlerWay, Jump};
pub use displaced::Displaced;
pub use dummies::{has_dummy, unpacked};
pub use dump::dump;
pub use exits::{Exits, Frame, Slot};
pub use guards::{Answer, Guard, GuardPlan, Guards, Repeat, RepeatOrdinal, Repeated, Through};
pub use helpers::Helpers;
pub(crate) use memory::of_frames as memory_of_frames;
pub use memory::remark as memory_remark;
pub use names::NamedAt;
pub use packed::{OffsetsIter, Steps, StepsIter};
pub use pads::{KnownTag, KnownTags, Pad, PadOrdinal};
pub use references::{Counts, Kept, NUMBER_BYTES, References, is_exception, nullable, table_type};
pub use refuse::least_bytes;
pub use regions::Region;
pub use rewind_start::RewindStart;
pub use stand_ins::{StandIns, stand_ins};
pub use tails::{HandsOn, TailGroup, TailGroupOrdinal, Tails};

use crate::abi::{Abi, Buffer, FrameMemory, Operation};
use crate::analyze::{Analysis, Site, Target};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, LocalIdx, TypeIdx};
use crate::options::{Form, Options};
use crate::read::Module;
use crate::refusal::Refusals;
use exits::Cells;
use few::Few;
use packed::Packer;
use rayon::prelude::*;
use refuse::RefusalsSoFar;
use saved::{Saved, Types};
use scratch::Scratch;
use skeleton::Skeleton;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wasmparser::{BlockType, ValType};

/// The most labels that a region opens at its dispatch. Engines keep the state of all locals for each
/// open label, so one label a site would not do in functions with thousands of sites and locals; but
/// every further region is one more test on the normal path, and an interpreter's main loop, with a
/// thousand sites behind one `br_table`, runs through all that are opened before it.
pub const REGION_LABELS: usize = 1024;

/// The most labels of a region times locals of its function; a region has at least
/// [`FEWEST_REGION_LABELS`] all the same.
pub const REGION_LABELS_TIMES_LOCALS: usize = 1 << 19;

/// What a region may always open.
pub const FEWEST_REGION_LABELS: usize = 32;

/// What is to be done with a module.
#[derive(Debug)]
pub struct Plan {
    /// The functions to rewrite, in index order.
    pub funcs: Vec<FuncPlan>,
    /// Tail calls between functions of the closure.
    pub tails: Tails,
    /// The guards of functions that get nothing else.
    pub guards: Guards,
    /// The protocol with the host.
    pub abi: Abi,
    /// Whether it is noted where the input's code is in the output.
    pub maps_offsets: bool,
    /// Whether debug information is left out.
    pub strips_debug: bool,
    /// Where the source map is going to be.
    pub source_map_url: Option<String>,
    /// Where debug information is going to be, if in a file of its own.
    pub debug_file_url: Option<String>,
    /// Where frames go.
    pub memory: FrameMemory,
    /// What that memory is, if the module doesn't have it.
    pub added_memory: Option<AddedMemory>,
    /// The module's number in the marks of frames.
    pub number: u8,
    /// What lies there in front of the frames.
    pub buffer: Buffer,
    /// What saves and loads slots.
    pub helpers: Helpers,
    /// The imports that sites call directly, in index order.
    pub called_imports: Vec<FuncIdx>,
    /// The functions that become those of the protocol, by which the module drives it itself, with what each does.
    pub operations: BTreeMap<FuncIdx, Operation>,
    /// The exceptions that pads and frames can keep.
    pub tags: KnownTags,
    /// How references that are live across sites are kept.
    pub references: References,
    /// The functions whose resume functions go into a module of their own, in index order, if there is one. Those of all others
    /// that have one stay in this module.
    pub resume_module: Option<Vec<FuncIdx>>,
}

/// A memory that is added.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AddedMemory {
    /// Of no size: the module has none, and no frames.
    Empty,
    /// For the buffer alone, of so many pages at first. It is exported.
    Own(u32),
}

/// How one function is rewritten.
#[derive(Debug)]
pub struct FuncPlan {
    /// The function.
    pub func: FuncIdx,
    /// The function's own body. In place, a rewind enters it.
    pub body: BodyPlan,
    /// Apart, the body of its resume function, which a rewind enters.
    pub resume: Option<Box<BodyPlan>>,
    /// Which operators of the input's function are read to write it.
    pub names: NamedAt,
    /// How many locals the input's function has, its parameters included.
    pub locals: u32,
    /// The types of the temporaries, numbered behind those.
    pub temps: Box<[ValType]>,
    /// What the frame holds.
    pub frame: Frame,
    /// Of the references in it, at which sites they count, in order of the locals.
    pub counts: Few<Counts>,
    /// Apart, where an unwind leaves the function's own body. A body that a rewind enters has one exit, which saves all.
    pub exits: Option<Box<Exits>>,
    /// The handlers that keep what they caught, by their ordinals.
    pub pads: Few<Pad>,
    /// How an unwind is undone that finds no room for this frame.
    pub undo: Undo,
    /// Whether every unwind is undone here: nothing of a result's type could be returned.
    pub holds_unwinds: bool,
    /// How many sites there are.
    pub sites: u32,
    /// The values that are not where the input has them on the operand stack, for a while, if it is noted where code is.
    pub displaced: Few<Displaced>,
    /// Whether it has an instruction of the bulk memory proposal.
    pub bulk_memory: bool,
    /// Where a rewind of the function goes on that finds another function's frame on top: what this one had tail-called; nothing
    /// if it does no such call.
    pub hands_on: Option<TailGroupOrdinal>,
}

/// How one body is written.
#[derive(Debug, Default)]
pub struct BodyPlan {
    /// What to emit in place of single operators.
    pub steps: Steps,
    /// Code that is left out, as ranges of offsets.
    pub dead: Few<Range<u32>>,
    /// Whether the body's end can be reached.
    pub end_reachable: bool,
    /// The locals that it declares, where those are not the function's, the temporaries and `$resume`. A resume function has
    /// no others.
    pub declared: Option<Box<Declared>>,
    /// What a rewind enters the body by; nothing where no rewind does.
    pub rewind: Option<RewindStart>,
}

/// The locals that a body declares.
#[derive(Debug, PartialEq, Eq)]
pub struct Declared {
    /// Their numbers in the plan, in the order of the declarations, with the types there.
    pub locals: Vec<(LocalIdx, ValType)>,
    /// Those whose own types are not nullable, in order. Where they are set is jumped over by rewinds, so they are declared
    /// nullable, and cast where they are read: by no rewind before they are set.
    pub casts: Vec<LocalIdx>,
}

/// How a function goes back to its site when there is no room for its frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// By a loop around its body, with its locals as they are. A function that calls an import needs
    /// no memory at all this way, as when there is not even room for the globals; but the loop costs
    /// every run a little.
    Loop,
    /// By a call, of itself or of its resume function: its frame is put where the buffer keeps room for one, and
    /// the new activation restores it like any other.
    Call,
    /// Not at all: the protocol has no such state, and it traps.
    Never,
}

/// The ordinal of a label that the rewriter opens, within its function.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub u32);

/// The ordinal of a region within its function.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegionOrdinal(pub u32);

/// The block type of a label: it never has parameters, since its block opens with an empty stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelType {
    /// A type that the input spells.
    Plain(BlockType),
    /// Several results, for which the input may have no type without parameters.
    Results(Vec<ValType>),
}

/// What to emit at the offset of an operator. An operator without steps is copied; one with steps
/// is replaced by them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The operator itself, its labels renumbered.
    Copy,
    /// The same for a `try` whose block type has this index, but its parameters may be null.
    CopyNullable(TypeIdx),
    /// `local.set`.
    Set(LocalIdx),
    /// `local.get`.
    Get(LocalIdx),
    /// The same for a reference that may be null, whatever the type of the local is.
    GetNullable(LocalIdx),
    /// The operator at this offset, which always makes the same value out of nothing.
    Again(u32),
    /// `drop`.
    Drop,
    /// Nothing: what the operator would take is not on the operand stack, or what it would give is not to be.
    Omit,
    /// The `local.tee` becomes a `local.set`.
    TeeToSet,
    /// The `end` of a label that the region opened.
    Land(Label),
    /// Nothing: the landing is where its region begins, so that it has no label.
    LandAtStart,
    /// The rewind has arrived: `$resume` becomes 0.
    ResetResume,
    /// The region's labels and its dispatch.
    Open(RegionOrdinal),
    /// The construct that the operator opens has this label, which the region opened.
    Hoist(Label),
    /// `br`.
    Branch(Label),
    /// `i32.eqz`, `br_if`.
    BranchIfZero(Label),
    /// The test for unwinding from the site with this ordinal (counted from 1).
    Test(u32),
    /// The call that the tail call would make.
    CallForTail,
    /// `return`.
    Return,
    /// The call of this import, by way of the function that calls it again where an unwind had no room to begin.
    CallImport(FuncIdx),
    /// `unreachable`: what follows is, though the validator can't know.
    Unreachable,
    /// The start of what this pad does: from here on sites leave it by way of its end.
    OpenPad(PadOrdinal),
    /// Its end, where it is found out what it caught.
    ClosePad(PadOrdinal),
}

impl Plan {
    /// Plans the instrumentation of `module`.
    ///
    /// # Errors
    /// Names what can't be preserved: see [`crate::Error`].
    pub fn make(module: &Module<'_>, analysis: &Analysis, options: &Options) -> Result<Plan> {
        analysis.precision.require_proof()?;
        let funcs = functions_with_sites(module, analysis);
        let (memory, added_memory) = memory::of_frames(module, options)?;
        let mut found = RefusalsSoFar::in_module(module, options, added_memory, !funcs.is_empty())?;
        let basis = Basis::find(module, analysis, options, &funcs)?;
        let planner = basis.planner(module);
        let plans = each(basis.calls.with_frames(), |func, scratch| {
            planner.func(func, &analysis.sites[func], scratch)
        });
        let Basis { calls, tags, references, .. } = basis;
        let mut funcs = found.sift(plans)?;
        let guards = Guards::of(module, analysis, options)?;
        found.in_guards(module, &guards)?;
        found.nothing()?;
        let tails = calls.plan(module, &mut funcs);
        let references = references.with_tables(module, &funcs);
        let buffer = memory::buffer(module, options.abi, memory, &funcs);
        let buffer = buffer.with_references(references.lists());
        let resume_module = resume_module::funcs(module, &funcs, &references, options)?;
        tracing::info!(
            functions = funcs.len(),
            sites = funcs.iter().map(|func| u64::from(func.sites)).sum::<u64>(),
            largest_frame_bytes = funcs.iter().map(|func| func.frame.bytes).max(),
            "planned the frames"
        );
        let multi_value = helpers::may_have_results(module, &funcs, options);
        let helpers = Helpers::of(&funcs, multi_value, options.optimize);
        Ok(Plan {
            tails,
            guards,
            abi: options.abi,
            maps_offsets: maps_offsets(module, options),
            strips_debug: options.strip_debug,
            source_map_url: options.source_map_url.clone(),
            debug_file_url: options.debug_file_url.clone(),
            memory,
            added_memory,
            number: memory::number(module, options.abi),
            buffer,
            funcs,
            helpers,
            called_imports: called_imports(analysis),
            operations: analysis.operations.clone(),
            tags,
            references,
            resume_module,
        })
    }
}

/// All that instrumenting a module would be refused for, as far as plans tell: whether a function outgrows what
/// engines accept is known when it is written, unless its sites alone do.
///
/// # Errors
/// [`crate::Error::Internal`] if a body can't be read again.
pub fn refusals(module: &Module<'_>, analysis: &Analysis, options: &Options) -> Result<Refusals> {
    if !analysis.may_unwind() || analysis.precision.only_compares() {
        return Ok(Refusals::default());
    }
    let funcs = functions_with_sites(module, analysis);
    let basis = Basis::find(module, analysis, options, &funcs)?;
    let planner = basis.planner(module);
    let check = |func, scratch: &mut Scratch| {
        let sites = &analysis.sites[func];
        refuse::many_sites(module, func, sites.len())?;
        let suspect = suspects::is_suspect(module, func)?;
        if suspect || !refuse::function(module, func, sites).is_empty() {
            planner.func(func, sites, scratch)?;
        }
        Ok(())
    };
    let (_, added_memory) = memory::of_frames(module, options)?;
    let found = RefusalsSoFar::in_module(module, options, added_memory, !funcs.is_empty());
    let found = found.and_then(|mut found| {
        found.sift(each(basis.calls.with_frames(), check))?;
        found.in_guards(module, &Guards::of(module, analysis, options)?)?;
        found.nothing()
    });
    match found {
        Ok(()) => Ok(Refusals::default()),
        Err(Error::Refused(refusals)) => Ok(refusals),
        Err(error) => Err(error),
    }
}

fn functions_with_sites(module: &Module<'_>, analysis: &Analysis) -> Vec<FuncIdx> {
    module.defined_funcs().filter(|func| !analysis.sites[*func].is_empty()).collect()
}

/// What `make` makes of each function, in their order.
fn each<T: Send>(
    funcs: &[FuncIdx],
    make: impl Fn(FuncIdx, &mut Scratch) -> Result<T> + Sync + Send,
) -> Vec<Result<T>> {
    let funcs = funcs.par_iter();
    funcs.map_init(Scratch::default, |scratch, func| make(*func, scratch)).collect()
}

impl FuncPlan {
    /// The body that a rewind enters, and how.
    pub fn entered(&self) -> (&BodyPlan, &RewindStart) {
        let body = self.resume.as_deref().unwrap_or(&self.body);
        (body, body.rewind.as_ref().expect("a rewind enters the resume function, or the one body"))
    }
}

/// What is found out once for all functions.
struct Basis<'a> {
    tags: KnownTags,
    references: References,
    calls: tails::Calls,
    forms: form::Forms<'a>,
    maps_offsets: bool,
}

impl<'a> Basis<'a> {
    fn find(
        module: &Module<'_>,
        analysis: &Analysis,
        options: &'a Options,
        funcs: &[FuncIdx],
    ) -> Result<Basis<'a>> {
        let calls = tails::Calls::find(module, analysis, funcs)?;
        let forms = form::Forms::new(module, analysis, &calls, options)?;
        let tags = KnownTags::of(module, references::keeps(options));
        let references = References::new(&tags, options);
        let maps_offsets = maps_offsets(module, options);
        Ok(Basis { tags, references, calls, forms, maps_offsets })
    }

    fn planner<'p>(&'p self, module: &'p Module<'_>) -> Planner<'p> {
        let Basis { tags, references, calls, forms, maps_offsets } = self;
        let (can_undo, maps_offsets) = (forms.can_undo(), *maps_offsets);
        Planner { module, tags, references, calls, can_undo, forms: Some(forms), maps_offsets }
    }
}

/// What the plans of all functions are made with.
#[derive(Clone, Copy)]
struct Planner<'a> {
    module: &'a Module<'a>,
    tags: &'a KnownTags,
    references: &'a References,
    calls: &'a tails::Calls,
    /// Whether the protocol undoes unwinds.
    can_undo: bool,
    /// What chooses between forms; without, a function that may have either is put apart.
    forms: Option<&'a form::Forms<'a>>,
    /// Whether it is noted where code is in the output.
    maps_offsets: bool,
}

impl Planner<'_> {
    fn func(&self, func: FuncIdx, sites: &[Site], scratch: &mut Scratch) -> Result<FuncPlan> {
        refuse::many_sites(self.module, func, sites.len())?;
        let refusals = refuse::function(self.module, func, sites);
        let own = sites.iter().filter(|site| !site.leaves_no_frame() && !site.in_tail_loop);
        let own: Vec<_> = own.copied().collect();
        if !refusals.is_empty() {
            return refuse::also(refusals, || {
                (!own.is_empty()).then(|| self.plan(func, &own, scratch)).transpose()
            });
        }
        self.plan(func, &own, scratch)
    }

    /// How an unwind is undone, and the form. What a tail call may enter is entered again without arguments.
    fn form(&self, func: FuncIdx, sites: &[Site], skeleton: &Skeleton) -> Result<(Undo, Form)> {
        let has_no_dummy = refuse::has_no_dummy(self.module, func);
        let entered_by_tail = self.calls.enter(func);
        let undo = match self.can_undo {
            true => undo(sites, has_no_dummy && !entered_by_tail),
            false => Undo::Never,
        };
        let may_be_apart = undo != Undo::Loop && pads::may_be_apart(skeleton);
        let form = match may_be_apart {
            true if has_no_dummy => Form::Apart,
            true => self.forms.map_or(Form::Apart, |forms| forms.choose(func, skeleton)),
            false if has_no_dummy && entered_by_tail => {
                return Err(refuse::entered_by_tail(self.module, func, &sites[0]));
            }
            false => Form::InPlace,
        };
        Ok((undo, form))
    }

    fn plan(&self, func: FuncIdx, sites: &[Site], scratch: &mut Scratch) -> Result<FuncPlan> {
        let module = self.module;
        let Scratch { walk, tree, layout, liveness, steps: buffers, names, packer } = scratch;
        walk::walk(module, func, sites, walk)?;
        let skeleton = &walk.skeleton;
        tree.rebuild(skeleton);
        layout.rebuild(module, skeleton, tree);
        let (undo, form) = self.form(func, sites, skeleton)?;
        let Planner { tags, maps_offsets, .. } = *self;
        let asks_resume = layout.asks_resume(skeleton);
        let of = (module, func);
        let input =
            steps::Input { of, form, asks_resume, skeleton, tree, layout, tags, maps_offsets };
        let mut steps = steps::steps(input, std::mem::take(buffers));
        let mut pads = std::mem::take(&mut steps.pads);
        layout.set_caught(std::mem::take(&mut steps.caught), &mut pads);
        layout.set_falls_in(&steps.falls_in);
        refuse::many_locals(module, func, skeleton.locals.len() + steps.temps.len() + 1)?;
        let mut saved = match form {
            Form::InPlace => Saved::together(skeleton, &steps, liveness),
            Form::Apart => Saved::apart(skeleton, &steps, liveness),
        };
        let types = Types { skeleton, temps: &steps.temps };
        let cells = Cells { types, references: self.references };
        let needed = std::mem::take(&mut saved.references);
        let counts = references::counts(needed, || layout.ordinals());
        let sites = skeleton.needed.len() as u32;
        let everywhere = counts.iter().filter(|counts| counts.at_all(sites));
        everywhere.for_each(|counts| saved.add_everywhere(counts.local));
        let (frame, exits) = match form {
            Form::InPlace => (Frame::of(saved.sets.first(), cells), None),
            Form::Apart => {
                let of_sites = layout.by_ordinal(saved.of_sites);
                let (frame, exits) = Exits::exact(&saved.sets, &of_sites, cells);
                (frame, Some(Box::new(exits)))
            }
        };
        refuse::large_frame(module, func, frame.bytes)?;
        let nullable = std::mem::take(&mut steps.nullable);
        let has_references = frame.slots.iter().any(|slot| slot.ty.is_reference_type());
        let keeps = undo == Undo::Loop || asks_resume || has_references || !pads.is_empty();
        let resume = (keeps || layout.keeps_resume(form)).then(|| types.resume());
        let rewind = RewindStart::new(resume, layout, nullable, asks_resume);
        let params = module.func_type(func).params().len();
        let (body, resume) = match form {
            Form::InPlace => {
                let mut body = BodyPlan::whole(skeleton, packer.steps(&steps.steps), Some(rewind));
                body.declared = locals::in_place(types, params, resume).map(Box::new);
                (body, None)
            }
            Form::Apart => {
                let inside = (!pads.is_empty()).then(|| rewind.inside_pads());
                let mut body = BodyPlan::whole(skeleton, packer.steps(&steps.plain), inside);
                let declared = match body.rewind {
                    Some(_) => locals::in_place(types, params, resume),
                    None => locals::of_plain(types, params, &frame),
                };
                body.declared = declared.map(Box::new);
                let mut resume = BodyPlan::pruned(skeleton, &steps.steps, rewind, packer);
                resume.declared = Some(Box::new(locals::of_resume(types, &resume, &frame, &pads)));
                (body, Some(Box::new(resume)))
            }
        };
        let has_own_locals = body.declared.is_some() || resume.is_some();
        let names = NamedAt::of(skeleton, has_own_locals, names, packer);
        let (locals, temps) = (skeleton.locals.len() as u32, steps.temps.into());
        *buffers = [steps.steps, steps.plain];
        let (hands_on, results) = (None, module.func_type(func).results());
        Ok(FuncPlan {
            func,
            body,
            resume,
            names,
            locals,
            temps,
            frame,
            counts: counts.into(),
            exits,
            pads: pads.into(),
            undo,
            holds_unwinds: !results.iter().all(|ty| has_dummy(module, *ty)),
            sites,
            displaced: steps.displaced.into(),
            bulk_memory: skeleton.bulk_memory,
            hands_on,
        })
    }
}

impl BodyPlan {
    /// Whether a rewind enters it.
    pub fn is_entered(&self) -> bool {
        self.rewind.as_ref().is_some_and(|start| start.at_start)
    }

    /// All that control can reach.
    fn whole(skeleton: &Skeleton, steps: Steps, rewind: Option<RewindStart>) -> BodyPlan {
        let (dead, end_reachable) = (skeleton.dead.clone().into(), skeleton.end_reachable);
        BodyPlan { steps, dead, end_reachable, declared: None, rewind }
    }

    /// What a rewind can reach.
    fn pruned(
        skeleton: &Skeleton,
        steps: &[(u32, Step)],
        mut rewind: RewindStart,
        packer: &mut Packer,
    ) -> BodyPlan {
        let prune::Pruned { steps, dead, end_reachable } =
            prune::prune(skeleton, steps, &mut rewind.regions);
        let rewind = Some(rewind);
        BodyPlan {
            steps: packer.steps(&steps),
            dead: dead.into(),
            end_reachable,
            declared: None,
            rewind,
        }
    }
}

fn undo(sites: &[Site], has_no_dummy: bool) -> Undo {
    let may_call_import = sites.iter().any(|site| match site.target {
        // It is called by way of a function that repeats the call.
        Target::Import(_) | Target::Defined(_) => false,
        Target::Indirect { may_be_import } | Target::Ref { may_be_import } => may_be_import,
    });
    if may_call_import || has_no_dummy { Undo::Loop } else { Undo::Call }
}

/// Whether it is noted where the input's code is in the output.
fn maps_offsets(module: &Module<'_>, options: &Options) -> bool {
    options.map_offsets || module.speaks_of_code()
}

fn called_imports(analysis: &Analysis) -> Vec<FuncIdx> {
    let sites = analysis.sites.iter().flatten();
    let imports: BTreeSet<_> = sites
        .filter_map(|site| match site.target {
            Target::Import(func) => Some(func),
            _ => None,
        })
        .collect();
    imports.into_iter().collect()
}
