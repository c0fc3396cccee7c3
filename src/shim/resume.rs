//! Resume functions of a module that was instrumented before: they make calls of their functions once more, so what is
//! repaired in one is repaired in the other.
//!
//! A function that has one forwards to it at its start:
//!
//! ```wat
//! global.get $wpk_fork_state
//! if
//!   call $f.resume
//!   return
//! end
//! ```

use super::unwind;
use crate::error::Result;
use crate::index::FuncIdx;
use crate::read::Module;
use std::collections::BTreeMap;
use wasmparser::{BlockType, Operator};

/// The resume functions, by the functions that they belong to.
pub(super) fn functions(module: &Module<'_>) -> Result<BTreeMap<FuncIdx, FuncIdx>> {
    let Some(state) = unwind::state_global(module)? else { return Ok(BTreeMap::new()) };
    let mut resumes = BTreeMap::new();
    for func in module.defined_funcs() {
        let first = module.operators(func)?.take(4);
        let start = first.map(|located| Ok(located?.operator)).collect::<Result<Vec<_>>>()?;
        if let [
            Operator::GlobalGet { global_index },
            Operator::If { blockty: BlockType::Empty },
            Operator::Call { function_index },
            Operator::Return,
        ] = start[..]
            && global_index == state.0
        {
            resumes.insert(func, FuncIdx(function_index));
        }
    }
    Ok(resumes)
}
