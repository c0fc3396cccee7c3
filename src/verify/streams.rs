//! The instructions around a place, for people who look at what is wrong there.

use crate::index::FuncIdx;
use crate::read::{Located, Module};

/// How many instructions are shown before a place, and behind it.
const BEFORE: usize = 8;
const BEHIND: usize = 3;

/// The instructions around an offset, each with its own: one a line, and the one there marked.
pub(super) fn around(module: &Module<'_>, offset: usize) -> Vec<String> {
    let is_in = |func: &FuncIdx| {
        module.funcs[*func].body.as_ref().is_some_and(|body| body.contains(&offset))
    };
    let func = module.defined_funcs().find(is_in);
    let operators = func.and_then(|func| module.operators(func).ok()).into_iter().flatten();
    let operators: Vec<_> = operators.map_while(Result::ok).collect();
    let at = operators.iter().position(|located| located.range().contains(&offset));
    let Some(at) = at else { return Vec::new() };
    let shown = at.saturating_sub(BEFORE)..operators.len().min(at + 1 + BEHIND);
    let shown = operators[shown.clone()].iter().zip(shown);
    let line = |(located, position): (&Located<'_>, usize)| {
        let mark = if position == at { '>' } else { ' ' };
        let (start, operator) = (located.start, &located.operator);
        format!("  {mark} {start:#x} {operator:?}")
    };
    shown.map(line).collect()
}
