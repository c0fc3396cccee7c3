//! Rewrites one body: copies operators, and emits the plan's steps in place of some.
//!
//! The output's labels are tracked by position: how many labels are open outside of each. A
//! branch of the input names a construct, and is given the distance to that construct's label.

use super::exits::Labels;
use super::locals::Locals;
use super::runtime::Runtime;
use crate::emit::{NewTypes, Signature};
use crate::error::{Error, Result};
use crate::index::{LocalIdx, TypeIdx};
use crate::plan::{BodyPlan, FuncPlan, Label, LabelType, RegionOrdinal, RewindEntry, Step, Undo};
use crate::read::{Located, Module, labels};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Catch, Encode, InstructionSink, ValType};
use wasmparser::{BinaryReader, Operator, OperatorsReader};

/// Writes the function's own body, without the size in front.
pub(super) fn rewrite_body(
    module: &Module<'_>,
    plan: &FuncPlan,
    runtime: &Runtime,
) -> Result<Vec<u8>> {
    Emitter::new(module, plan, &plan.body, runtime).write()
}

/// Writes the body of the function's resume function, if it has one.
pub(super) fn resume_body(
    module: &Module<'_>,
    plan: &FuncPlan,
    runtime: &Runtime,
) -> Result<Option<Vec<u8>>> {
    let resume = plan.resume.as_ref();
    resume.map(|body| Emitter::new(module, plan, body, runtime).write()).transpose()
}

pub(super) struct Emitter<'m, 'a> {
    pub(super) module: &'m Module<'a>,
    pub(super) plan: &'m FuncPlan,
    pub(super) body: &'m BodyPlan,
    pub(super) runtime: &'m Runtime,
    pub(super) out: Vec<u8>,
    /// How many labels are open.
    pub(super) depth: u32,
    /// For each label of the plan its position.
    labels: Vec<u32>,
    /// For each open construct of the input, outermost first, the position of its label.
    constructs: Vec<u32>,
    /// Input bytes from `copy_from` to `copied_to` are to be copied, but have not been yet.
    copied_to: usize,
    copy_from: usize,
    /// The labels of the exits.
    pub(super) exits: Labels,
    /// The locals, where they are not the input's.
    pub(super) locals: Option<Locals>,
}

impl<'m, 'a> Emitter<'m, 'a> {
    fn new(
        module: &'m Module<'a>,
        plan: &'m FuncPlan,
        body: &'m BodyPlan,
        runtime: &'m Runtime,
    ) -> Self {
        let bytes = module.body(plan.func).map_or(0, |body| body.as_bytes().len());
        let labels = body.entry.as_ref().map_or(0, |entry| entry.labels);
        Emitter {
            module,
            plan,
            body,
            runtime,
            out: Vec::with_capacity(bytes * 3 / 2 + 64),
            depth: 0,
            labels: vec![0; labels as usize],
            constructs: Vec::new(),
            copied_to: 0,
            copy_from: 0,
            exits: Labels::default(),
            locals: Locals::of(module, plan, body),
        }
    }

    fn write(mut self) -> Result<Vec<u8>> {
        let body = self.module.body(self.plan.func).expect("only defined functions are rewritten");
        self.declare(&body).map_err(|error| Error::misread(&error))?;
        self.operators()?;
        Ok(self.out)
    }
}

impl<'m> Emitter<'m, '_> {
    /// Writes the instructions that the caller appends; what is still to be copied comes first.
    pub(super) fn sink(&mut self) -> InstructionSink<'_> {
        self.flush();
        InstructionSink::new(&mut self.out)
    }

    /// Copies the input's bytes from `start` to `end`.
    pub(super) fn copy(&mut self, start: u32, end: u32) {
        if self.copied_to != start as usize {
            self.flush();
            self.copy_from = start as usize;
        }
        self.copied_to = end as usize;
    }

    fn flush(&mut self) {
        self.out.extend_from_slice(&self.module.bytes[self.copy_from..self.copied_to]);
        self.copy_from = self.copied_to;
    }

    fn operators(&mut self) -> Result<()> {
        let plan = self.body;
        let mut steps = &plan.steps[..];
        let mut dead = plan.dead.iter().peekable();
        self.prologue();
        let mut operators = self.module.operators(self.plan.func)?;
        // The body's own `end` is part of the epilogue.
        while !operators.is_last()
            && let Some(located) = operators.next()
        {
            let Located { operator: op, start: offset, end } = located?;
            while dead.next_if(|range| range.end <= offset).is_some() {}
            if dead.peek().is_some_and(|range| range.start <= offset) {
                continue;
            }
            let count = steps.iter().take_while(|(at, _)| *at == offset).count();
            let (here, rest) = steps.split_at(count);
            steps = rest;
            if here.is_empty() {
                self.operator(&op, offset, end);
            }
            for (_, step) in here {
                self.step(*step, &op, offset, end);
            }
        }
        self.epilogue();
        Ok(())
    }

    fn step(&mut self, step: Step, op: &Operator<'_>, offset: u32, end: u32) {
        match step {
            Step::Copy => self.operator(op, offset, end),
            Step::CopyNullable(ty) => self.open_nullable(ty, op),
            Step::Set(local) => self.set(local),
            Step::Get(local) => self.get(local),
            Step::GetNullable(local) => {
                let number = self.number(local);
                self.sink().local_get(number);
            }
            Step::Again(offset) => self.again(offset),
            Step::Drop => _ = self.sink().drop(),
            Step::Omit => {}
            Step::TeeToSet => {
                if let Operator::LocalTee { local_index } = op {
                    self.set(LocalIdx(*local_index));
                }
            }
            Step::Land(label) => {
                debug_assert_eq!(
                    self.depth_of(label),
                    0,
                    "labels end in the order of their nesting"
                );
                self.sink().end();
                self.depth -= 1;
            }
            Step::Open(region) => self.open_region(region),
            Step::Hoist(label) => self.constructs.push(self.labels[label.0 as usize]),
            Step::Branch(label) => {
                let depth = self.depth_of(label);
                self.sink().br(depth);
            }
            Step::BranchIfZero(label) => {
                let depth = self.depth_of(label);
                self.sink().i32_eqz().br_if(depth);
            }
            Step::ResetResume => {
                let resume = self.resume();
                self.sink().i32_const(0).local_set(resume);
            }
            Step::CallImport(import) => {
                let caller = self.runtime.caller_of(import);
                self.sink().call(caller.0);
            }
            Step::Unreachable => _ = self.sink().unreachable(),
            Step::Test(site) => self.test(site),
        }
    }

    /// How a rewind enters this body.
    pub(super) fn entry(&self) -> &'m RewindEntry {
        self.body.entry.as_ref().expect("only bodies that a rewind enters have landings")
    }

    /// The number of the local that says which site a rewind goes to.
    pub(super) fn resume(&self) -> u32 {
        self.number(self.entry().resume)
    }

    /// Opens a label of the plan.
    pub(super) fn open_label(&mut self, label: Label) {
        let ty = match self.entry().label_type(label) {
            LabelType::Plain(ty) => {
                RoundtripReencoder.block_type(*ty).expect("block types of the input are by index")
            }
            LabelType::Results(types) => BlockType::FunctionType(self.runtime.types.results(types)),
        };
        self.sink().block(ty);
        self.labels[label.0 as usize] = self.depth;
        self.depth += 1;
    }

    /// How far out a label of the plan is.
    pub(super) fn depth_of(&self, label: Label) -> u32 {
        self.depth - 1 - self.labels[label.0 as usize]
    }

    /// How far out the label is that the input calls `depth`.
    fn relabel(&self, depth: u32) -> u32 {
        let construct = self.constructs[self.constructs.len() - 1 - depth as usize];
        self.depth - 1 - construct
    }

    /// A `try` whose parameters may be null.
    fn open_nullable(&mut self, ty: TypeIdx, op: &Operator<'_>) {
        let ty = BlockType::FunctionType(self.runtime.types.nullable(self.module, ty));
        match op {
            Operator::TryTable { try_table } => self.try_table(ty, try_table),
            _ => self.open_construct(|sink| _ = sink.try_(ty)),
        }
    }

    fn open_construct(&mut self, open: impl FnOnce(&mut InstructionSink<'_>)) {
        open(&mut self.sink());
        self.constructs.push(self.depth);
        self.depth += 1;
    }

    /// Copies the operator at `offset` of the input.
    fn again(&mut self, offset: u32) {
        let bytes = &self.module.bytes[offset as usize..];
        let mut reader = OperatorsReader::new(BinaryReader::new(bytes, offset.into()));
        reader.read().expect("the operator was read before");
        self.copy(offset, reader.original_position() as u32);
    }

    /// An operator of the input: copied, unless it names labels, or locals that have other numbers.
    fn operator(&mut self, op: &Operator<'_>, offset: u32, end: u32) {
        match op {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. } => {
                self.copy(offset, end);
                self.constructs.push(self.depth);
                self.depth += 1;
            }
            Operator::TryTable { try_table } => {
                let ty = RoundtripReencoder.block_type(try_table.ty);
                self.try_table(ty.expect("block types of the input are by index"), try_table);
            }
            Operator::LocalGet { local_index } if self.locals.is_some() => {
                self.get(LocalIdx(*local_index));
            }
            Operator::LocalSet { local_index } if self.locals.is_some() => {
                self.set(LocalIdx(*local_index));
            }
            Operator::LocalTee { local_index } if self.locals.is_some() => {
                self.tee(LocalIdx(*local_index));
            }
            Operator::End => {
                self.copy(offset, end);
                self.constructs.pop();
                self.depth -= 1;
            }
            Operator::Delegate { relative_depth } => {
                // The depth counts from outside the try.
                self.constructs.pop();
                self.depth -= 1;
                let depth = self.relabel(*relative_depth);
                self.sink().delegate(depth);
            }
            Operator::Rethrow { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.sink().rethrow(depth);
            }
            _ => {
                let mut branches = false;
                labels::visit_branch_depths(op, |_| branches = true);
                if branches {
                    self.branch(op);
                } else {
                    self.copy(offset, end);
                }
            }
        }
    }

    fn branch(&mut self, op: &Operator<'_>) {
        match op {
            Operator::Br { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.sink().br(depth);
            }
            Operator::BrIf { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.sink().br_if(depth);
            }
            Operator::BrTable { targets } => {
                let depths: Vec<_> =
                    targets.targets().flatten().map(|depth| self.relabel(depth)).collect();
                let default = self.relabel(targets.default());
                self.sink().br_table(depths, default);
            }
            Operator::BrOnNull { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.sink().br_on_null(depth);
            }
            Operator::BrOnNonNull { relative_depth } => {
                let depth = self.relabel(*relative_depth);
                self.sink().br_on_non_null(depth);
            }
            other => {
                let mut relabel = Relabel { emitter: self };
                let instruction = relabel.instruction(other.clone());
                let instruction = instruction.expect("a branch is encoded as it was read");
                self.sink();
                instruction.encode(&mut self.out);
            }
        }
    }

    fn try_table(&mut self, ty: BlockType, try_table: &wasmparser::TryTable) {
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
        self.open_construct(|sink| _ = sink.try_table(ty, catches));
    }

    /// What stands before the first operator: the way to the resume function, or the loop for undoing, the labels of
    /// the exits, and the dispatch.
    fn prologue(&mut self) {
        self.constructs.push(0);
        self.depth = 1;
        if self.body.entry.is_none() {
            self.forward_to_resume();
        }
        if self.plan.undo == Undo::Loop {
            self.sink().loop_(BlockType::Empty);
            self.depth += 1;
        }
        self.open_exits();
        if self.body.entry.is_some() {
            self.open_region(RegionOrdinal(0));
        }
    }

    /// A rewind goes on in the resume function.
    fn forward_to_resume(&mut self) {
        let state = self.runtime.state.0;
        let resume = self.runtime.resume_of(self.plan.func).expect("the plan has it apart");
        self.sink().global_get(state).if_(BlockType::Empty).call(resume.0).return_().end();
    }

    /// What stands behind the last operator.
    fn epilogue(&mut self) {
        if self.body.end_reachable {
            self.sink().return_();
        }
        self.close_exits();
        let ty = self.module.func_type(self.plan.func);
        ty.results().iter().for_each(|result| self.dummy(*result));
        self.sink().end();
    }

    /// Arguments that nobody looks at.
    pub(super) fn dummy_arguments(&mut self) {
        let ty = self.module.func_type(self.plan.func);
        ty.params().iter().for_each(|param| self.dummy(*param));
    }

    /// A value of `ty` that nobody looks at.
    fn dummy(&mut self, ty: wasmparser::ValType) {
        match self.runtime.types.val_type(ty) {
            ValType::I32 => self.sink().i32_const(0),
            ValType::I64 => self.sink().i64_const(0),
            ValType::F32 => self.sink().f32_const(0f32.into()),
            ValType::F64 => self.sink().f64_const(0f64.into()),
            ValType::V128 => self.sink().v128_const(0),
            ValType::Ref(ty) => self.sink().ref_null(ty.heap_type),
        };
    }
}

/// Re-encodes the branches that carry types.
struct Relabel<'e, 'm, 'a> {
    emitter: &'e Emitter<'m, 'a>,
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
            *relative_depth = self.emitter.relabel(*relative_depth);
        }
        wasm_encoder::reencode::utils::instruction(self, op)
    }
}

impl NewTypes {
    /// The index of the type without parameters and with these results.
    fn results(&self, results: &[wasmparser::ValType]) -> u32 {
        let results = results.iter().map(|ty| self.val_type(*ty)).collect();
        self.index(&Signature { params: Vec::new(), results }).expect("collected by the layout")
    }

    /// The index of the type `ty` of the input with parameters that may be null.
    fn nullable(&self, module: &Module<'_>, ty: TypeIdx) -> u32 {
        self.index(&self.with_nullable_params(module, ty)).expect("collected by the layout")
    }

    /// The signature of the type `ty` of the input with parameters that may be null.
    pub(super) fn with_nullable_params(&self, module: &Module<'_>, ty: TypeIdx) -> Signature {
        let ty = module.func_type_at(ty);
        let [mut params, results]: [Vec<_>; 2] = [ty.params(), ty.results()]
            .map(|types| types.iter().map(|ty| self.val_type(*ty)).collect());
        for param in &mut params {
            if let ValType::Ref(ty) = param {
                ty.nullable = true;
            }
        }
        Signature { params, results }
    }
}
