//! How many operands an operator takes and makes, from the parser's own table of instructions.

use super::Module;
use crate::index::FuncIdx;
use wasmparser::{BlockType, FrameKind, FuncType, ModuleArity, SubType};

/// The module's types, for the number of operands of an operator. Labels are not asked for: what
/// branches is interpreted apart.
pub(crate) struct Arity<'m, 'a>(pub(crate) &'m Module<'a>);

impl ModuleArity for Arity<'_, '_> {
    fn sub_type_at(&self, index: u32) -> Option<&SubType> {
        let types = self.0.types();
        (index < types.core_type_count_in_module())
            .then(|| types.core_type_at_in_module(index))
            .and_then(|id| types.get(id))
    }

    fn tag_type_arity(&self, tag: u32) -> Option<(u32, u32)> {
        let types = self.0.types();
        if tag >= types.tag_count() {
            return None;
        }
        let ty = types.get(types.tag_at(tag))?.unwrap_func();
        Some((ty.params().len() as u32, ty.results().len() as u32))
    }

    fn type_index_of_function(&self, func: u32) -> Option<u32> {
        self.0.funcs.get(FuncIdx(func)).map(|func| func.ty.0)
    }

    fn func_type_of_cont_type(&self, _: &wasmparser::ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &wasmparser::RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}
