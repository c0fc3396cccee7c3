//! Modules that speak a protocol already.

use super::{Abi, Operation};
use crate::index::FuncIdx;
use crate::read::Module;
use crate::text::escape;
use wasmparser::ValType;

/// What shows that the module was rewritten by a tool of this kind before.
pub fn instrumented(module: &Module<'_>) -> Option<String> {
    let exported = |name: &str| module.exports.iter().any(|export| export.name == name);
    let begins = |abi: Abi| [Operation::BeginUnwind, Operation::BeginRewind].map(|o| abi.export(o));
    let known = Abi::ALL.map(|abi| (abi.name(), begins(abi)));
    let speaks =
        known.into_iter().find(|(_, begins)| begins.iter().all(|name| name.is_some_and(exported)));
    if let Some((abi, _)) = speaks {
        return Some(format!("it exports the functions of the {abi} ABI"));
    }
    let mut exported = module.exported_funcs();
    let (name, func) = exported.find(|(_, func)| starts_unwind(module, *func))?;
    let name = escape(name);
    Some(format!("function {func}, exported as `{name}`, starts an unwind as Asyncify does"))
}

/// The function that tells the state, under whichever protocol; `None` if the module speaks none.
pub fn state_getter(module: &Module<'_>) -> Option<FuncIdx> {
    let mut names = Abi::ALL.iter().filter_map(|abi| abi.export(Operation::GetState));
    names.find_map(|getter| {
        module.exported_funcs().find(|(name, _)| *name == getter).map(|(_, func)| func)
    })
}

/// Whether the module has its resume functions in another, under whichever protocol.
pub fn has_resume_module(module: &Module<'_>) -> bool {
    let prefixes = Abi::ALL.map(|abi| abi.resume_table(""));
    let is_table = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    module.exports.iter().any(|export| is_table(export.name))
}

/// Whether an exported function is Asyncify's `start_unwind` under another name, as minifiers
/// leave it: it sets a global to 1, keeps its parameter in another, and traps if the position it
/// points at is beyond the end.
fn starts_unwind(module: &Module<'_>, func: FuncIdx) -> bool {
    use wasmparser::Operator as O;
    let Some(body) = &module.funcs[func].body else { return false };
    let ty = module.func_type(func);
    let pointer = matches!(ty.params(), [ValType::I32 | ValType::I64]) && ty.results().is_empty();
    if !pointer || body.len() > 64 {
        return false;
    }
    let Ok(operators) = module.operators(func) else { return false };
    let ops: Vec<_> = operators.map_while(Result::ok).map(|located| located.operator).collect();
    let starts = matches!(
        ops.as_slice(),
        [O::I32Const { value: 1 }, O::GlobalSet { .. }, O::LocalGet { local_index: 0 }, ..]
    );
    let compares = ops.iter().any(|op| matches!(op, O::I32GtU | O::I64GtU));
    starts && compares && ops.iter().any(|op| matches!(op, O::Unreachable))
}
