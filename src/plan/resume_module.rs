//! Which resume functions go into the resume module, if one is asked for: all that can.
//!
//! What a resume function uses of the module (functions, tables, memories, globals, tags) is exported for the resume module, which imports
//! it. Segments can't be: a function that names one (`memory.init`, `elem.drop`, `array.new_data`) has its resume function where the
//! segment is.

use super::FuncPlan;
use crate::error::Result;
use crate::index::FuncIdx;
use crate::read::Module;
use crate::read::segments::names_segment;
use crate::work;
use rayon::prelude::*;

/// The functions whose resume functions go there, in index order.
///
/// # Errors
/// [`crate::Error::Internal`] if a body can't be read again.
pub(super) fn funcs(module: &Module<'_>, plans: &[FuncPlan]) -> Result<Vec<FuncIdx>> {
    let apart = plans.par_iter().filter(|plan| plan.resume.is_some()).map(|plan| plan.func);
    if module.data.len() + module.elements.len() == 0 {
        return Ok(apart.collect());
    }
    let goes = apart.map(|func| Ok((!uses_segments(module, func)?).then_some(func)));
    goes.filter_map(Result::transpose).collect()
}

fn uses_segments(module: &Module<'_>, func: FuncIdx) -> Result<bool> {
    for located in module.operators(func)? {
        work::count(1);
        if names_segment(&located?.operator) {
            return Ok(true);
        }
    }
    Ok(false)
}
