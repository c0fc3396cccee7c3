//! Debug information: it may be missing, and else says the same of each function as the original's does.
//!
//! Nothing that a module does depends on it, so that nothing is proved of each line. Checked is what shows whether it was moved as
//! the code was, by another reader than moved it: each function of the original has the same name and declaration, and begins at the
//! same line; one whose body is a copy has the same line at each of its ends. Where several lines are given for the same code, since another tool
//! has changed that and not them, lines aren't compared.

use super::fault::{Fault, Place};
use crate::read::Module;
use crate::read::lines::LineCursor;
use crate::work;

/// Compares what is said of functions.
///
/// # Errors
/// The first of which something else is said.
pub(super) fn check(module: &Module<'_>, output: &Module<'_>) -> Result<(), Fault> {
    let (Some(before), Some(after)) = (module.lines(), output.lines()) else { return Ok(()) };
    let [mut old_lines, mut new_lines] = [LineCursor::new(before), LineCursor::new(after)];
    for func in module.defined_funcs() {
        work::count(1);
        let bodies =
            (&module.funcs[func].body, output.funcs.get(func).and_then(|func| func.body.as_ref()));
        let (Some(old), Some(new)) = bodies else { continue };
        let different = |what: &str, (old, new): (usize, usize)| {
            let place = Place { original: Some(old), output: Some(new), ..Place::default() };
            Err(Fault::new(format!("the debug information gives a function another {what}"))
                .in_func(func)
                .at(place))
        };
        if before.subprogram(func) != after.subprogram(func) {
            return different("name or declaration", (old.start, new.start));
        }
        let is_copy = module.bytes[old.clone()] == output.bytes[new.clone()];
        let ends = [(old.start, new.start), (old.end - 1, new.end - 1)];
        for (old, new) in ends.into_iter().take(1 + usize::from(is_copy)) {
            let is_sure = old_lines.is_sure(old as u32) && new_lines.is_sure(new as u32);
            if is_sure && old_lines.at(old as u32) != new_lines.at(new as u32) {
                return different("line", (old, new));
            }
        }
    }
    Ok(())
}
