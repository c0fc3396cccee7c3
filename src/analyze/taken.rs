//! The functions whose reference exists somewhere: only they can be the target of a call through
//! a reference that the analysis can't follow.
//!
//! A reference is made by `ref.func`, in live code or in a constant expression, by an element
//! segment, and by an export, from which the host gets it.

use super::constants::funcs_in;
use super::facts::Uses;
use crate::index::{FuncIdx, IndexVec};
use crate::read::Module;
use wasmparser::{ElementItems, ElementKind};

/// For each function whether its reference is taken anywhere.
pub(super) fn find(module: &Module<'_>, uses: &Uses) -> IndexVec<FuncIdx, bool> {
    let mut taken = IndexVec::filled(false, module.funcs.len());
    let mut take = |func: FuncIdx| taken[func] = true;
    uses.ref_funcs.iter().copied().for_each(&mut take);
    module
        .exported_funcs()
        .map(|(_, func)| func)
        .for_each(&mut take);
    for init in module
        .globals
        .iter()
        .filter_map(|global| global.init.as_ref())
    {
        funcs_in(init, &mut take);
    }
    for init in module.tables.iter().filter_map(|table| table.init.as_ref()) {
        funcs_in(init, &mut take);
    }
    for element in module.elements.iter() {
        if matches!(element.kind, ElementKind::Declared) {
            // It only announces `ref.func`: no instruction can read it.
            continue;
        }
        match &element.items {
            ElementItems::Functions(funcs) => {
                let funcs = funcs.clone().into_iter().map_while(Result::ok);
                funcs.map(FuncIdx).for_each(&mut take);
            }
            ElementItems::Expressions(_, exprs) => {
                for expr in exprs.clone().into_iter().map_while(Result::ok) {
                    funcs_in(&expr, &mut take);
                }
            }
        }
    }
    taken
}
