//! Assumptions that contradict each other: a function that one lists as having an entry below it, and that
//! another takes to have none.

use super::{Meaning, One};
use crate::index::FuncIdx;
use crate::read::Module;
use crate::text::Named;
use std::collections::BTreeSet;

/// How many functions a warning names.
const NAMED: usize = 3;

/// A warning of the functions about which assumptions disagree.
pub(super) fn warning(module: &Module<'_>, assumptions: &[One]) -> Option<String> {
    let (mut listed, mut out) = (BTreeSet::new(), BTreeSet::new());
    for one in assumptions {
        match &one.meaning {
            Meaning::Listed(funcs) => listed.extend(funcs),
            Meaning::Out(funcs) | Meaning::LeftOut(funcs) => out.extend(funcs),
            Meaning::Private(_) | Meaning::NoIndirect => {}
        }
    }
    let both: Vec<FuncIdx> = listed.intersection(&out).copied().collect();
    let named = both.iter().take(NAMED);
    let named = named.map(|func| Named(func.0, module.func_name(*func).as_deref()).to_string());
    let names = named.collect::<Vec<_>>().join(", ");
    let (functions, verb, pronoun) = match both.len() {
        0 => return None,
        1 => (format!("function {names}"), "is", "it is"),
        2..=NAMED => (format!("functions {names}"), "are", "they are"),
        more => (format!("functions {names} and {} more", more - NAMED), "are", "they are"),
    };
    Some(format!(
        "{functions} {verb} listed as having an entry below, and also assumed to have none: {pronoun} left \
         out of the closure"
    ))
}
