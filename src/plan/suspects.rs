//! A quick look at a function: whether planning it might refuse it. Where nothing but refusals is wanted,
//! the others need no plan, which takes several times as long.
//!
//! What is refused has to do with references or with legacy handlers. So a function is above suspicion if all
//! that it declares, gets and calls is numbers and vectors, and all its operators are of proposals that
//! have neither references nor handlers. A table of single operators is not needed for that.

use crate::error::Result;
use crate::index::{FuncIdx, GlobalIdx, TypeIdx};
use crate::read::Module;
use wasmparser::Operator;

/// Whether planning `func` might refuse it.
pub(super) fn is_suspect(module: &Module<'_>, func: FuncIdx) -> Result<bool> {
    if module.is_import(func) {
        return Ok(false);
    }
    let locals = module.declared_locals(func)?;
    if type_has_references(module, module.funcs[func].ty)
        || locals.iter().any(|(_, ty)| ty.is_reference_type())
    {
        return Ok(true);
    }
    for located in module.operators(func)? {
        if is_suspicious(module, &located?.operator) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_suspicious(module: &Module<'_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::Call { function_index: func } | Operator::ReturnCall { function_index: func } => {
            type_has_references(module, module.funcs[FuncIdx(func)].ty)
        }
        Operator::CallIndirect { type_index, .. }
        | Operator::ReturnCallIndirect { type_index, .. } => {
            type_has_references(module, TypeIdx(type_index))
        }
        Operator::GlobalGet { global_index } => {
            module.globals[GlobalIdx(global_index)].ty.content_type.is_reference_type()
        }
        _ => !is_plain(operator),
    }
}

fn type_has_references(module: &Module<'_>, ty: TypeIdx) -> bool {
    let ty = module.func_type_at(ty);
    ty.params().iter().chain(ty.results()).any(|ty| ty.is_reference_type())
}

macro_rules! define_is_plain {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// Whether the operator belongs to a proposal without references and handlers.
        fn is_plain(operator: &Operator<'_>) -> bool {
            match operator {
                $(Operator::$op { .. } => proposal_is_plain(stringify!($proposal)),)*
                _ => false,
            }
        }
    };
}
wasmparser::for_each_operator!(define_is_plain);

fn proposal_is_plain(proposal: &str) -> bool {
    matches!(
        proposal,
        "mvp"
            | "sign_extension"
            | "saturating_float_to_int"
            | "bulk_memory"
            | "simd"
            | "relaxed_simd"
            | "threads"
            | "tail_call"
            | "wide_arithmetic"
    )
}
