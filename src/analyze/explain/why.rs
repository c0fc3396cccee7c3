//! Puts into words of the module why an operand is unknown: where a value is loaded from, who could
//! have written there, how a function can be called by others.

use super::edge::{GlobalKind, MemoryWriter, Unfollowed, WhyUnknown};
use super::evidence;
use super::operator;
use crate::analyze::flow::{self, Cause, Provenance, TraceStep};
use crate::analyze::model::Model;
use crate::index::{FuncIdx, GlobalIdx, IndexVec, MemoryIdx};
use crate::read::Module;
use wasmparser::ExternalKind;

/// Explains unknown operands of one module.
pub(in crate::analyze) struct Why<'a> {
    model: &'a Model<'a>,
    provenance: Provenance<'a>,
}

impl<'a> Why<'a> {
    /// `mentioned`: for each function whether its reference exists.
    pub(in crate::analyze) fn new(
        model: &'a Model<'a>,
        mentioned: &'a IndexVec<FuncIdx, bool>,
    ) -> Why<'a> {
        let Model { module, facts, constants, memories, .. } = model;
        let inputs = flow::Inputs {
            module,
            facts,
            constants,
            memories,
            mentioned,
            reach: flow::Reach::default(),
        };
        Why { model, provenance: Provenance::new(inputs) }
    }

    /// Why the operand that chooses the target of a dynamic call of `func` is unknown. `position`: which of
    /// the function's dynamic calls, in order of offset.
    pub(in crate::analyze) fn unknown(&self, func: FuncIdx, position: usize) -> Vec<WhyUnknown> {
        let steps = self.provenance.why(func, position);
        steps.into_iter().map(|step| self.reason(step)).collect()
    }

    fn reason(&self, step: TraceStep) -> WhyUnknown {
        match step {
            TraceStep::Param { func, index } => WhyUnknown::Parameter { of: func, index },
            TraceStep::Argument { caller } => WhyUnknown::PassedBy(caller),
            TraceStep::Result { func, index } => WhyUnknown::ResultOf { of: func, index },
            TraceStep::CalledAnyhow { func } => {
                WhyUnknown::CalledAnyhow { func, source: evidence::taken(self.model, func) }
            }
            TraceStep::Unknown { func, offset, cause } => match self.cause(func, offset, cause) {
                Some(cause) => WhyUnknown::Instruction { func, offset, cause },
                None => WhyUnknown::NotFollowed,
            },
            TraceStep::TooLarge { func } => WhyUnknown::TooLarge(func),
            TraceStep::TooManyConstants => WhyUnknown::TooManyValues,
            TraceStep::NeverReached => WhyUnknown::NeverReached,
            TraceStep::NotFollowed => WhyUnknown::NotFollowed,
        }
    }

    fn cause(&self, func: FuncIdx, offset: u32, cause: Cause) -> Option<Unfollowed> {
        let module = self.model.module;
        Some(match cause {
            Cause::Operator => {
                let operator = operator::name(module, func, offset)?;
                match operator::loaded_memory(module, func, offset) {
                    None => Unfollowed::Operator(operator),
                    Some(memory) => {
                        Unfollowed::Load { operator, memory, writer: self.writer(memory) }
                    }
                }
            }
            Cause::Symbolic => Unfollowed::OnForeignValues(operator::name(module, func, offset)?),
            Cause::TooManyConstants => Unfollowed::TooManyValues,
            Cause::TooManySymbols => Unfollowed::TooManySources,
            Cause::Import(func) => Unfollowed::Import(func),
            Cause::DynamicCall => Unfollowed::DynamicCall,
            Cause::Global(global) => Unfollowed::Global(global, global_kind(module, global)),
            Cause::Param => return None,
            Cause::Loop => Unfollowed::Loop,
            Cause::Exception => Unfollowed::Exception,
            Cause::Unreachable => Unfollowed::Unreachable,
        })
    }

    fn writer(&self, memory: MemoryIdx) -> MemoryWriter {
        let module = self.model.module;
        let exported = module
            .exports
            .iter()
            .any(|export| export.kind == ExternalKind::Memory && MemoryIdx(export.index) == memory);
        if exported || module.memories[memory].import.is_some() {
            MemoryWriter::Host
        } else if module.memories.len() > 1 {
            MemoryWriter::Untold
        } else if self.model.facts.writes_memory {
            MemoryWriter::Stores
        } else {
            MemoryWriter::Nobody
        }
    }
}

fn global_kind(module: &Module<'_>, global: GlobalIdx) -> GlobalKind {
    let global = &module.globals[global];
    if global.import.is_some() {
        GlobalKind::Imported
    } else if global.ty.mutable {
        GlobalKind::Mutable
    } else {
        GlobalKind::Initial
    }
}
