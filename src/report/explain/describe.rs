//! Turns the analysis' indices and offsets into what readers know: names, lines, signatures.

use super::{Function, Type};
use crate::analyze::Explainer;
use crate::index::{FuncIdx, TypeIdx};
use crate::read::lines::SourceLine;
use crate::read::{Module, demangled};
use crate::text::signature;

/// Describes what is in one module, as one analysis sees it.
#[derive(Clone, Copy)]
pub(in crate::report) struct Describer<'a> {
    pub(in crate::report) module: &'a Module<'a>,
    pub(in crate::report) explainer: &'a Explainer<'a>,
}

impl Describer<'_> {
    pub(in crate::report) fn function(&self, func: FuncIdx) -> Function {
        let name = self.module.func_name(func);
        Function {
            index: func.0,
            demangled: name.as_deref().and_then(demangled),
            name: name.map(Into::into),
            closure: self.explainer.is_inside(func),
            entry: self.explainer.is_entry(func),
        }
    }

    pub(super) fn declared(&self, func: FuncIdx) -> Option<SourceLine> {
        self.module.lines()?.subprogram(func)?.declared
    }

    pub(super) fn line(&self, offset: u32) -> Option<SourceLine> {
        self.module.lines()?.at(offset)
    }

    pub(super) fn ty(&self, ty: TypeIdx) -> Type {
        let signature = signature(self.module.func_type_at(ty));
        Type { index: ty.0, signature }
    }
}
