//! The instructions around a place, for people who look at what is wrong there.

use crate::index::FuncIdx;
use crate::read::Module;
use std::fmt::Write;

/// How many instructions are shown before a place, and behind it.
const BEFORE: usize = 8;
const BEHIND: usize = 3;

/// The instructions of a function around an offset, each with its own: one a line, and the place marked.
pub(super) fn around(module: &Module<'_>, func: FuncIdx, offset: usize) -> String {
    let operators = module.operators(func).ok().into_iter().flatten();
    let operators: Vec<_> = operators.map_while(Result::ok).collect();
    let at = operators.iter().position(|located| located.range().contains(&offset));
    let Some(at) = at else { return String::new() };
    let shown = at.saturating_sub(BEFORE)..operators.len().min(at + 1 + BEHIND);
    let mut text = String::new();
    for (located, position) in operators[shown.clone()].iter().zip(shown) {
        let mark = if position == at { '>' } else { ' ' };
        let (start, operator) = (located.start, &located.operator);
        _ = writeln!(text, "  {mark} {start:#x} {operator:?}");
    }
    text
}

/// The function of a module whose body an offset lies in.
pub(super) fn func_at(module: &Module<'_>, offset: usize) -> Option<FuncIdx> {
    let funcs = module.defined_funcs();
    let mut funcs = funcs.filter(|func| {
        module.funcs[*func].body.as_ref().is_some_and(|body| body.contains(&offset))
    });
    funcs.next()
}
