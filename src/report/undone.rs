//! What the user should know of references that an unwind may meet.

use crate::plan::{Plan, is_exception};
use crate::text::count;
use wasmparser::RefType;

/// A sentence about the functions whose unwinds may be undone for references that another instance can't make again.
pub(crate) fn warning(plan: &Plan) -> Option<String> {
    let is_lost = |(_, ty)| !can_be_made_again(ty);
    let funcs = plan.funcs.iter().filter(|func| func.frame.references().any(is_lost)).count();
    (funcs > 0 && !plan.references.keeps_all()).then(|| {
        format!(
            "{} may hold references across calls that no other instance can make again: an unwind that meets one is undone, and \
             the entry fails; if no stack is rewound in a copy of the instance, say so, and they are kept",
            count(funcs, "function")
        )
    })
}

/// Whether most references of the type can be made again in any instance.
fn can_be_made_again(ty: RefType) -> bool {
    is_exception(ty) || RefType::new(true, ty.heap_type()) == Some(RefType::I31REF)
}
