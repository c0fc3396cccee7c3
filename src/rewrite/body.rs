//! Rewrites one body: copies operators, and writes the plan's steps in place of some.
//!
//! A branch of the input names a construct, and is given the distance to that construct's label in the output. How a site
//! detects an unwind ([`site`](super::site)) and how the body is entered again ([`reentry`](super::reentry)) is not known here.

use super::guard;
use super::output::{Memory, Output, Position};
use super::reentry;
use super::runtime::Runtime;
use super::site::ExitLabels;
use crate::emit::Edited;
use crate::error::Result;
use crate::index::{LocalIdx, TypeIdx};
use crate::plan::{self, FuncPlan, OffsetsIter, RegionOrdinal, Step, StepsIter};
use crate::read::{Located, Module, OperatorsAt, labels};
use crate::work;
use std::ops::Range;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Catch, Encode, ValType};
use wasmparser::Operator;

/// Writes the function's own body, in the memory that all bodies of a thread are made in.
pub(super) fn rewrite_body(
    module: &Module<'_>,
    plan: &FuncPlan,
    runtime: &Runtime,
    memory: &mut Memory,
) -> Result<Edited> {
    write(Output::new(module, plan, &plan.body, runtime, memory), memory)
}

/// Writes the body of the function's resume function, which it must have.
pub(super) fn resume_body(
    module: &Module<'_>,
    plan: &FuncPlan,
    runtime: &Runtime,
    memory: &mut Memory,
) -> Result<Edited> {
    let (body, _) = plan.entered();
    write(Output::new(module, plan, body, runtime, memory), memory)
}

fn write(mut out: Output<'_, '_>, memory: &mut Memory) -> Result<Edited> {
    declare(&mut out)?;
    // The body is a label too.
    let body = out.opened();
    reentry::begin(&mut out);
    let exits = ExitLabels::open(&mut out);
    if out.body.is_entered() {
        reentry::open_region(&mut out, RegionOrdinal(0));
    }
    let mut constructs = std::mem::take(&mut memory.constructs);
    constructs.clear();
    constructs.push(body);
    let input = out.module.operators_at(out.plan.func);
    let mut copier = Copier { input, out, exits, constructs };
    copier.operators()?;
    let Copier { mut out, exits, constructs, .. } = copier;
    memory.constructs = constructs;
    // The way back to the caller, and all that unwinds do.
    if let Some(body) = out.module.funcs[out.plan.func].body.clone() {
        out.bytes.replace(body.end - 1);
    }
    if out.body.end_reachable {
        out.sink().return_();
    }
    exits.close(&mut out);
    let module = out.module;
    out.dummies(module.func_type(out.plan.func).results());
    out.end();
    let (is_entered, sites) = (out.body.is_entered(), out.plan.sites as usize);
    let edited = out.finish(memory);
    debug_assert!(!is_entered || edited.bytes.len() as u64 >= plan::least_bytes(sites));
    Ok(edited)
}

/// The declared locals.
fn declare(out: &mut Output<'_, '_>) -> Result<()> {
    if let Some(declared) = &out.body.declared {
        let runs = runs(out, declared.locals.iter().map(|(_, ty)| *ty));
        let bytes = out.bytes.raw();
        (runs.len() as u32).encode(bytes);
        runs.iter().for_each(|run| encode_run(run, bytes));
        return Ok(());
    }
    let declared = out.module.declarations(out.plan.func)?;
    let resume = out.body.rewind.as_ref().and_then(|start| start.resume);
    let resume = resume.map(|_| wasmparser::ValType::I32);
    let added = runs(out, out.plan.temps.iter().copied().chain(resume));
    (declared.runs + added.len() as u32).encode(out.bytes.raw());
    out.bytes.copy(declared.range);
    let bytes = out.bytes.raw();
    added.iter().for_each(|run| encode_run(run, bytes));
    Ok(())
}

/// Types as runs of equal ones.
fn runs(
    out: &Output<'_, '_>,
    types: impl Iterator<Item = wasmparser::ValType>,
) -> Vec<(u32, ValType)> {
    let mut runs: Vec<(u32, ValType)> = Vec::new();
    for ty in types.map(|ty| out.runtime.types.val_type(ty)) {
        work::count(1);
        match runs.last_mut() {
            Some((count, last)) if *last == ty => *count += 1,
            _ => runs.push((1, ty)),
        }
    }
    runs
}

fn encode_run((count, ty): &(u32, ValType), out: &mut Vec<u8>) {
    count.encode(out);
    ty.encode(out);
}

/// An offset behind all others.
const NOWHERE: u32 = u32::MAX;

/// What is still to be done of a body: lists of offsets, each in order.
struct Rest<'m> {
    /// The next step, and those behind it.
    step: (u32, Step),
    steps: StepsIter<'m>,
    dead: &'m [Range<u32>],
    /// The next operator that names something, and those behind it.
    named: u32,
    names: OffsetsIter<'m>,
}

/// The next place of the input where something may change.
enum Next {
    /// Code that is left out.
    Dead(Range<u32>),
    /// An operator that has steps, or names something that may have another number.
    Operator(u32),
}

impl Next {
    fn start(&self) -> usize {
        let (Next::Dead(Range { start, .. }) | Next::Operator(start)) = self;
        *start as usize
    }
}

/// The next step, or one that never comes.
fn next_step(steps: &mut StepsIter<'_>) -> (u32, Step) {
    steps.next().unwrap_or((NOWHERE, Step::Copy))
}

impl<'m> Rest<'m> {
    fn of(out: &Output<'m, '_>) -> Rest<'m> {
        let names = &out.plan.names;
        let names = if out.has_own_locals() { &names.all } else { &names.labels };
        let (mut steps, mut names) = (out.body.steps.iter(), names.iter());
        let (step, named) = (next_step(&mut steps), names.next().unwrap_or(NOWHERE));
        Rest { step, steps, dead: &out.body.dead, named, names }
    }

    /// The next place from the offset `at` on; what lies before it is passed.
    fn next(&mut self, at: u32) -> Option<Next> {
        while self.named < at {
            self.named = self.names.next().unwrap_or(NOWHERE);
        }
        while let [first, rest @ ..] = self.dead
            && first.end <= at
        {
            self.dead = rest;
        }
        let operator = self.step.0.min(self.named);
        match self.dead.first() {
            Some(dead) if dead.start <= operator => Some(Next::Dead(dead.start.max(at)..dead.end)),
            _ => (operator != NOWHERE).then_some(Next::Operator(operator)),
        }
    }

    /// Takes the next step at `offset`.
    #[inline]
    fn step_at(&mut self, offset: u32) -> Option<Step> {
        let (at, step) = self.step;
        (at == offset).then(|| {
            self.step = next_step(&mut self.steps);
            step
        })
    }
}

/// Goes through the operators of the input.
struct Copier<'m, 'a> {
    input: OperatorsAt<'a>,
    out: Output<'m, 'a>,
    exits: ExitLabels<'m>,
    /// The label of each open construct of the input, outermost first.
    constructs: Vec<Position>,
}

impl Copier<'_, '_> {
    /// Only the operators are read where something changes, or may: what lies between is copied as it is.
    fn operators(&mut self) -> Result<()> {
        let (module, func) = (self.out.module, self.out.plan.func);
        let mut rest = Rest::of(&self.out);
        // The body's own `end` comes behind the exits.
        let mut at = module.declarations(func)?.range.end;
        let end = module.funcs[func].body.as_ref().map_or(at, |body| body.end - 1);
        while let Some(next) = rest.next(at as u32).filter(|next| next.start() < end) {
            self.out.bytes.copy(at..next.start());
            at = match next {
                Next::Dead(range) => range.end as usize,
                Next::Operator(offset) => {
                    let located = self.input.read(offset)?;
                    self.replace(&mut rest, &located);
                    located.end as usize
                }
            };
        }
        self.out.bytes.copy(at..end);
        Ok(())
    }

    /// Writes the steps in place of the operator, or the operator where there are none.
    fn replace(&mut self, rest: &mut Rest<'_>, located: &Located<'_>) {
        let offset = located.start;
        match rest.step_at(offset) {
            Some(step) => self.step(step, located),
            None => self.operator(located),
        }
        while let Some(step) = rest.step_at(offset) {
            self.step(step, located);
        }
    }

    fn step(&mut self, step: Step, located: &Located<'_>) {
        let out = &mut self.out;
        match step {
            Step::Copy => self.operator(located),
            Step::CopyNullable(ty) => self.open_nullable(ty, located),
            Step::Set(local) => out.set(local),
            Step::Get(local) => out.get(local),
            Step::GetNullable(local) => {
                let number = out.number(local);
                out.sink().local_get(number);
            }
            Step::Again(offset) => self.again(offset),
            Step::Drop => _ = out.sink().drop(),
            Step::Omit | Step::LandAtStart => {}
            Step::ResetResume => reentry::arrive(out),
            Step::TeeToSet => {
                if let Operator::LocalTee { local_index } = located.operator {
                    out.sink_for(located);
                    out.set(LocalIdx(local_index));
                }
            }
            Step::Land(label) => {
                let is_innermost = out.is_innermost(out.position(label));
                debug_assert!(is_innermost, "labels end in the order of their nesting");
                out.end();
            }
            Step::Open(region) => reentry::open_region(out, region),
            Step::Hoist(label) => self.constructs.push(out.position(label)),
            Step::Branch(label) => {
                let depth = out.depth_of(label);
                out.sink().br(depth);
            }
            Step::BranchIfZero(label) => {
                let depth = out.depth_of(label);
                out.sink().i32_eqz().br_if(depth);
            }
            Step::CallImport(import) => {
                let caller = out.runtime.caller_of(import);
                out.sink_for(located).call(caller.0);
            }
            Step::CallForTail => {
                let call = guard::call(&located.operator, &mut out.sink_for(located));
                call.expect("the plan says that it is a tail call");
            }
            Step::Return => _ = out.sink().return_(),
            Step::Unreachable => _ = out.sink().unreachable(),
            Step::Test(site) => self.exits.test(out, site),
            Step::OpenPad(_) => self.exits.open_pad(out),
            Step::ClosePad(pad) => {
                let handler = *self.constructs.last().expect("a pad is a handler");
                self.exits.close_pad(out, pad, handler);
            }
        }
    }

    /// How far out the label is that the input calls `depth`.
    fn relabel(&self, depth: u32) -> u32 {
        self.out.distance(self.constructs[self.constructs.len() - 1 - depth as usize])
    }

    /// A `try` whose parameters may be null.
    fn open_nullable(&mut self, ty: TypeIdx, located: &Located<'_>) {
        let ty = self.out.runtime.types.nullable(self.out.module, ty);
        let ty = BlockType::FunctionType(ty);
        match &located.operator {
            Operator::TryTable { try_table } => self.try_table(ty, located, try_table),
            _ => {
                self.out.sink_for(located).try_(ty);
                self.open();
            }
        }
    }

    /// The construct is open that was just written.
    fn open(&mut self) {
        let label = self.out.opened();
        self.constructs.push(label);
    }

    /// Copies the operator at `offset` of the input once more.
    fn again(&mut self, offset: u32) {
        let located = self.input.read(offset);
        let located = located.expect("the operator was read before");
        let bytes = &self.out.module.bytes[located.range()];
        self.out.bytes.raw().extend_from_slice(bytes);
    }

    /// An operator of the input: copied, unless it names labels, or locals that have other numbers.
    fn operator(&mut self, located: &Located<'_>) {
        match &located.operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. } => {
                self.out.bytes.copy(located.range());
                self.open();
            }
            Operator::TryTable { try_table } => {
                let ty = RoundtripReencoder.block_type(try_table.ty);
                let ty = ty.expect("block types of the input are by index");
                self.try_table(ty, located, try_table);
            }
            Operator::LocalGet { local_index } if self.out.has_own_locals() => {
                self.out.sink_for(located);
                self.out.get(LocalIdx(*local_index));
            }
            Operator::LocalSet { local_index } if self.out.has_own_locals() => {
                self.out.sink_for(located);
                self.out.set(LocalIdx(*local_index));
            }
            Operator::LocalTee { local_index } if self.out.has_own_locals() => {
                self.out.sink_for(located);
                self.out.tee(LocalIdx(*local_index));
            }
            Operator::End => {
                self.out.bytes.copy(located.range());
                self.constructs.pop();
                self.out.ended();
            }
            Operator::Delegate { relative_depth } => {
                // The depth counts from outside the try.
                self.constructs.pop();
                self.out.ended();
                let depth = self.relabel(*relative_depth);
                self.out.sink_for(located).delegate(depth);
            }
            Operator::Rethrow { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.out.sink_for(located).rethrow(depth);
            }
            op => {
                let mut branches = false;
                labels::visit_branch_depths(op, |_| branches = true);
                if branches {
                    self.branch(located);
                } else {
                    self.out.bytes.copy(located.range());
                }
            }
        }
    }

    fn branch(&mut self, located: &Located<'_>) {
        match &located.operator {
            Operator::Br { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.out.sink_for(located).br(depth);
            }
            Operator::BrIf { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.out.sink_for(located).br_if(depth);
            }
            Operator::BrTable { targets } => {
                let depths: Vec<_> =
                    targets.targets().flatten().map(|depth| self.relabel(depth)).collect();
                let default = self.relabel(targets.default());
                self.out.sink_for(located).br_table(depths, default);
            }
            Operator::BrOnNull { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.out.sink_for(located).br_on_null(depth);
            }
            Operator::BrOnNonNull { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.out.sink_for(located).br_on_non_null(depth);
            }
            other => {
                let instruction = Relabel { copier: self }.instruction(other.clone());
                let instruction = instruction.expect("a branch is encoded as it was read");
                self.out.sink_for(located);
                instruction.encode(self.out.bytes.raw());
            }
        }
    }

    fn try_table(
        &mut self,
        ty: BlockType,
        located: &Located<'_>,
        try_table: &wasmparser::TryTable,
    ) {
        let catches: Vec<_> = try_table
            .catches
            .iter()
            .map(|catch| {
                let label = self.relabel(labels::catch_label(catch));
                match catch {
                    wasmparser::Catch::One { tag, .. } => Catch::One { tag: *tag, label },
                    wasmparser::Catch::OneRef { tag, .. } => Catch::OneRef { tag: *tag, label },
                    wasmparser::Catch::All { .. } => Catch::All { label },
                    wasmparser::Catch::AllRef { .. } => Catch::AllRef { label },
                }
            })
            .collect();
        self.out.sink_for(located).try_table(ty, catches);
        self.open();
    }
}

/// Re-encodes the branches that carry types.
struct Relabel<'e, 'm, 'a> {
    copier: &'e Copier<'m, 'a>,
}

impl Reencode for Relabel<'_, '_, '_> {
    type Error = std::convert::Infallible;

    fn instruction<'a>(
        &mut self,
        op: Operator<'a>,
    ) -> std::result::Result<wasm_encoder::Instruction<'a>, wasm_encoder::reencode::Error> {
        let mut op = op;
        if let Operator::BrOnCast { relative_depth, .. }
        | Operator::BrOnCastFail { relative_depth, .. }
        | Operator::BrOnCastDescEq { relative_depth, .. }
        | Operator::BrOnCastDescEqFail { relative_depth, .. } = &mut op
        {
            *relative_depth = self.copier.relabel(*relative_depth);
        }
        wasm_encoder::reencode::utils::instruction(self, op)
    }
}
