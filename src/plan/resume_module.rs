//! Which resume functions go into the resume module, if one is asked for: all that can.
//!
//! What a resume function uses of the module (functions, tables, memories, globals, tags) is exported for the resume module, which imports
//! it. Segments can't be: a function that names one (`memory.init`, `elem.drop`, `array.new_data`) has its resume function where the
//! segment is. And where the host carries references of functions over, so has one that makes them (`ref.func`): the host looks for them in a table
//! of the module's own, and in Wasmtime the reference that another module makes of what it imports is another pointer.

use super::{FuncPlan, References};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::options::Options;
use crate::read::Module;
use crate::read::segments::names_segment;
use crate::work;
use rayon::prelude::*;
use wasmparser::Operator;

/// The functions whose resume functions go there, in index order; `None` if no such module is asked for.
///
/// # Errors
/// [`crate::Error::Internal`] if a body can't be read again.
pub(super) fn funcs(
    module: &Module<'_>,
    plans: &[FuncPlan],
    references: &References,
    options: &Options,
) -> Result<Option<Vec<FuncIdx>>> {
    if !options.resume_module {
        return Ok(None);
    }
    let apart = plans.par_iter().filter(|plan| plan.resume.is_some()).map(|plan| plan.func);
    let with_functions = !references.functions.is_empty();
    if module.data.len() + module.elements.len() == 0 && !with_functions {
        return Ok(Some(apart.collect()));
    }
    let goes = apart.map(|func| Ok((!stays(module, func, with_functions)?).then_some(func)));
    goes.filter_map(Result::transpose).collect::<Result<_>>().map(Some)
}

/// Whether a function has its resume function where it is. `with_functions`: references of functions are carried over.
fn stays(module: &Module<'_>, func: FuncIdx, with_functions: bool) -> Result<bool> {
    for located in module.operators(func)? {
        work::count(1);
        let operator = located?.operator;
        let makes_reference = matches!(operator, Operator::RefFunc { .. });
        if names_segment(&operator) || (with_functions && makes_reference) {
            return Ok(true);
        }
    }
    Ok(false)
}
