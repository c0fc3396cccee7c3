//! What a rewritten body is written to: the bytes, and the labels that are open.
//!
//! Labels are tracked by position: how many are open outside of each. A branch is given the distance from where it is to
//! the label that it means.

use super::locals::Locals;
use super::runtime::Runtime;
use crate::abi::Mark;
use crate::emit::{CopyOf, Displaced, Edited, NewTypes, Signature, Splice};
use crate::index::{LocalIdx, TypeIdx};
use crate::plan::{self, BodyPlan, FuncPlan, Label, LabelType, RewindStart};
use crate::read::{Located, Module};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, InstructionSink, ValType};

/// A body in the making, with all that says how it is made.
pub(super) struct Output<'m, 'a> {
    pub(super) module: &'m Module<'a>,
    pub(super) plan: &'m FuncPlan,
    pub(super) body: &'m BodyPlan,
    pub(super) runtime: &'m Runtime,
    pub(super) bytes: Splice<'a>,
    /// How many labels are open.
    depth: u32,
    /// For each label of the plan its position.
    labels: Vec<u32>,
    /// The locals, where they are not the input's.
    locals: Option<Locals>,
}

/// What one body leaves to the next: memory.
#[derive(Default)]
pub(super) struct Memory {
    bytes: Vec<u8>,
    labels: Vec<u32>,
    /// For the labels of the input's constructs.
    pub(super) constructs: Vec<Position>,
}

/// The position of an open label: how many are open outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(u32);

impl<'m, 'a> Output<'m, 'a> {
    /// Nothing yet, in the memory that another body left.
    pub(super) fn new(
        module: &'m Module<'a>,
        plan: &'m FuncPlan,
        body: &'m BodyPlan,
        runtime: &'m Runtime,
        memory: &mut Memory,
    ) -> Self {
        let count = body.rewind.as_ref().map_or(0, |start| start.labels);
        let mut labels = std::mem::take(&mut memory.labels);
        labels.clear();
        labels.resize(count as usize, 0);
        Output {
            module,
            plan,
            body,
            runtime,
            bytes: Splice::in_buffer(module.bytes, &mut memory.bytes, runtime.maps_offsets),
            depth: 0,
            labels,
            locals: Locals::of(module, plan, body),
        }
    }

    /// Writes the instructions that the caller appends; what is still to be copied comes first.
    pub(super) fn sink(&mut self) -> InstructionSink<'_> {
        self.bytes.sink()
    }

    /// The same, the first of them in place of an operator of the input.
    pub(super) fn sink_for(&mut self, located: &Located<'_>) -> InstructionSink<'_> {
        self.bytes.sink_for(located.start as usize)
    }

    /// What was written; the memory is left to the next.
    pub(super) fn finish(self, memory: &mut Memory) -> Edited {
        // Else nobody asks.
        let is_spoken_of =
            self.runtime.maps_offsets || self.module.custom_sections("name").next().is_some();
        let copy_of = (is_spoken_of && self.is_resume_function()).then(|| CopyOf {
            func: self.plan.func,
            locals: self.locals.as_ref().map_or(Vec::new(), Locals::numbers),
        });
        let displaced = self.plan.displaced.iter().filter(|_| copy_of.is_none());
        let displaced = displaced.map(|value| self.displaced(value)).collect();
        memory.labels = self.labels;
        let edited = self.bytes.finish_in(&mut memory.bytes);
        Edited { copy_of, displaced, ..edited }
    }

    /// By what number the body knows the local that holds a value.
    fn displaced(&self, value: &plan::Displaced) -> Displaced {
        let local = value.local.map(|local| self.number(local));
        let local = local.filter(|number| *number != u32::MAX);
        Displaced { range: value.range.clone(), position: value.position, local }
    }

    /// A label was opened by what the caller wrote; its position.
    pub(super) fn opened(&mut self) -> Position {
        self.depth += 1;
        Position(self.depth - 1)
    }

    /// The innermost label was ended by what the caller wrote.
    pub(super) fn ended(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn block(&mut self, ty: BlockType) -> Position {
        self.sink().block(ty);
        self.opened()
    }

    pub(super) fn if_(&mut self) -> Position {
        self.sink().if_(BlockType::Empty);
        self.opened()
    }

    pub(super) fn end(&mut self) {
        self.sink().end();
        self.ended();
    }

    /// How far out the label at a position is.
    pub(super) fn distance(&self, label: Position) -> u32 {
        self.depth - 1 - label.0
    }

    /// Whether the label at a position is the innermost.
    pub(super) fn is_innermost(&self, label: Position) -> bool {
        self.distance(label) == 0
    }

    /// Opens a label of the plan.
    pub(super) fn open_label(&mut self, label: Label) {
        let ty = match self.rewind().label_type(label) {
            LabelType::Plain(ty) => {
                RoundtripReencoder.block_type(*ty).expect("block types of the input are by index")
            }
            LabelType::Results(types) => BlockType::FunctionType(self.runtime.types.results(types)),
        };
        self.labels[label.0 as usize] = self.block(ty).0;
    }

    /// The position of a label of the plan, which is open.
    pub(super) fn position(&self, label: Label) -> Position {
        Position(self.labels[label.0 as usize])
    }

    /// How far out a label of the plan is.
    pub(super) fn depth_of(&self, label: Label) -> u32 {
        self.distance(self.position(label))
    }

    /// How a rewind enters this body.
    pub(super) fn rewind(&self) -> &'m RewindStart {
        self.body.rewind.as_ref().expect("only bodies that a rewind enters have landings")
    }

    /// Whether this body is that of a resume function.
    pub(super) fn is_resume_function(&self) -> bool {
        self.plan.is_resume(self.body)
    }

    /// The number of the local that says which site a rewind goes to.
    pub(super) fn resume(&self) -> u32 {
        self.kept_resume().expect("the plan gives it to bodies that ask for it")
    }

    /// The same, if there is one.
    pub(super) fn kept_resume(&self) -> Option<u32> {
        self.rewind().resume.map(|resume| self.number(resume))
    }

    /// The mark of the function's frames, but for the site.
    pub(super) fn mark(&self) -> Mark {
        let (func, bytes) = (self.plan.func, self.plan.frame.bytes);
        Mark { func, bytes, module: self.runtime.number }
    }

    /// Whether locals have other numbers than in the input, or are cast where they are read.
    pub(super) fn has_own_locals(&self) -> bool {
        self.locals.is_some()
    }

    /// The number of a local of the plan.
    pub(super) fn number(&self, local: LocalIdx) -> u32 {
        self.locals.as_ref().map_or(local.0, |locals| locals.number(local))
    }

    /// Reads a local.
    pub(super) fn get(&mut self, local: LocalIdx) {
        let number = self.number(local);
        self.sink().local_get(number);
        self.cast(local);
    }

    /// Sets a local.
    pub(super) fn set(&mut self, local: LocalIdx) {
        let number = self.number(local);
        self.sink().local_set(number);
    }

    /// Sets a local, and leaves the value.
    pub(super) fn tee(&mut self, local: LocalIdx) {
        let number = self.number(local);
        self.sink().local_tee(number);
        self.cast(local);
    }

    fn cast(&mut self, local: LocalIdx) {
        if self.is_cast(local) {
            self.sink().ref_as_non_null();
        }
    }

    /// Whether a local is cast where it is read, since it is declared nullable.
    pub(super) fn is_cast(&self, local: LocalIdx) -> bool {
        self.locals.as_ref().is_some_and(|locals| locals.is_cast(local))
    }

    /// A value of each type that nobody looks at.
    pub(super) fn dummies(&mut self, types: &[wasmparser::ValType]) {
        let runtime = self.runtime;
        runtime.dummies(types, &mut self.bytes.sink());
    }
}

impl NewTypes {
    /// The index of the type without parameters and with these results.
    fn results(&self, results: &[wasmparser::ValType]) -> u32 {
        let results = results.iter().map(|ty| self.val_type(*ty)).collect();
        self.index(&Signature { params: Vec::new(), results }).expect("collected by the layout")
    }

    /// The index of the type `ty` of the input with parameters that may be null.
    pub(super) fn nullable(&self, module: &Module<'_>, ty: TypeIdx) -> u32 {
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
