//! Guarded functions: each differs from its original by its guards alone.
//!
//! ```wat
//! call $f                ;; as it was; a tail call has become a call
//! global.get $state      ;; the global that the export for the state gives
//! if
//!   call $trap           ;; a function that does nothing but trap
//! end
//! return                 ;; only where there was a tail call
//! ```

use super::internal;
use crate::abi::{Abi, Operation};
use crate::analyze::GuardedCall;
use crate::error::Result;
use crate::index::FuncIdx;
use crate::read::{Located, Module, Operators};
use wasmparser::{BlockType, Operator};

/// Checks the function `func` of `output` against that of `module`, which has these guards.
///
/// # Errors
/// [`Error::Internal`] if anything but the guards was added, changed or left out.
pub(super) fn check(
    module: &Module<'_>,
    abi: Abi,
    output: &Module<'_>,
    func: FuncIdx,
    guards: &[GuardedCall],
) -> Result<()> {
    if is_copy(module, abi, output, func, guards)? {
        return Ok(());
    }
    Err(internal(&format!("function {func} differs by more or less than its guards")))
}

fn is_copy(
    module: &Module<'_>,
    abi: Abi,
    output: &Module<'_>,
    func: FuncIdx,
    guards: &[GuardedCall],
) -> Result<bool> {
    if module.declared_locals(func)? != output.declared_locals(func)? {
        return Ok(false);
    }
    let mut copy = Copy { output, abi, operators: output.operators(func)? };
    let mut guards = guards.iter().peekable();
    for located in module.operators(func)? {
        let Located { operator, start, .. } = located?;
        let same = match guards.next_if(|guard| guard.offset == start) {
            None => copy.next()? == Some(operator),
            Some(guard) if guard.tail => {
                let call = plain_call(&operator);
                call.is_some()
                    && copy.next()? == call
                    && copy.guard()?
                    && copy.next()? == Some(Operator::Return)
            }
            Some(_) => copy.next()? == Some(operator) && copy.guard()?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(copy.next()?.is_none() && guards.peek().is_none())
}

/// The call that a tail call makes.
fn plain_call<'a>(operator: &Operator<'a>) -> Option<Operator<'a>> {
    match *operator {
        Operator::ReturnCall { function_index } => Some(Operator::Call { function_index }),
        Operator::ReturnCallIndirect { type_index, table_index } => {
            Some(Operator::CallIndirect { type_index, table_index })
        }
        Operator::ReturnCallRef { type_index } => Some(Operator::CallRef { type_index }),
        _ => None,
    }
}

/// The operators of the output's function that are still to be compared.
struct Copy<'m, 'a> {
    output: &'m Module<'a>,
    abi: Abi,
    operators: Operators<'a>,
}

impl<'a> Copy<'_, 'a> {
    /// `None` past the end.
    fn next(&mut self) -> Result<Option<Operator<'a>>> {
        Ok(self.operators.next().transpose()?.map(|located| located.operator))
    }

    fn guard(&mut self) -> Result<bool> {
        let (test, block) = (self.next()?, self.next()?);
        let (trap, end) = (self.next()?, self.next()?);
        let tests = matches!(test, Some(Operator::GlobalGet { global_index })
            if self.is_state(global_index)?);
        let traps = matches!(trap, Some(Operator::Call { function_index })
            if self.body(FuncIdx(function_index))? == [Operator::Unreachable, Operator::End]);
        Ok(tests
            && traps
            && block == Some(Operator::If { blockty: BlockType::Empty })
            && end == Some(Operator::End))
    }

    fn is_state(&self, global_index: u32) -> Result<bool> {
        let mut exports = self.output.exported_funcs();
        let name = self.abi.export(Operation::GetState);
        let Some((_, getter)) = exports.find(|(export, _)| Some(*export) == name) else {
            return Ok(false);
        };
        Ok(self.body(getter)? == [Operator::GlobalGet { global_index }, Operator::End])
    }

    /// The first operators of a body, as many as tell whether it is one of the small ones.
    fn body(&self, func: FuncIdx) -> Result<Vec<Operator<'a>>> {
        let first = self.output.operators(func)?.take(3);
        first.map(|located| Ok(located?.operator)).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::analyze::Analysis;
    use crate::options::{Assumption, EntryPattern, FuncPattern, Options};
    use crate::read::Module;
    use crate::verify::{Extent, verify};

    const WAT: &str = r#"(module
        (import "k" "fork" (func $fork))
        (memory 1)
        (global $other (mut i32) (i32.const 0))
        (func $leaf (export "leaf") (param i32) (call $fork))
        (func $aside (export "aside") (param i32)
            (call $leaf (local.get 0))
            (i32.store (i32.const 0) (local.get 0))
            (return_call $leaf (i32.const 7)))
        (func $plain (param i32)))"#;

    /// Whether the output passes after `change` was made to its text.
    fn passes(change: impl FnOnce(String) -> String) -> bool {
        let options = Options {
            entries: vec![EntryPattern::exact("k", "fork")],
            assumptions: vec![Assumption::NoFork(FuncPattern("aside".into()))],
            ..Options::default()
        };
        let original = wat::parse_str(WAT).unwrap();
        let module = Module::read(&original).unwrap();
        let analysis = Analysis::run(&module, &options).unwrap();
        let output = crate::instrument(&original, &options).unwrap().wasm;
        let text = wasmprinter::print_bytes(&output).unwrap();
        let changed = change(text.clone());
        let changed = wat::parse_str(&changed).unwrap();
        verify(&module, &analysis, options.abi, (&changed, None), Extent::Functions).is_ok()
    }

    /// Whether it passes with a part of the guarded function replaced, once.
    #[track_caller]
    fn passes_with(part: &str, other: &str) -> bool {
        passes(|text| {
            let start = text.find("(func $aside (;").unwrap();
            let (before, after) = text.split_at(start);
            assert!(after.contains(part), "{after}");
            format!("{before}{}", after.replacen(part, other, 1))
        })
    }

    #[test]
    fn guards_and_nothing_else_are_accepted() {
        assert!(passes(|text| text));
    }

    #[test]
    fn every_other_change_is_rejected() {
        let changes = [
            ("call $wpk_fork_unprepared", "nop"),
            ("call $wpk_fork_unprepared", "call $wpk_fork_unwind_end"),
            ("global.get $wpk_fork_state", "global.get $other"),
            ("global.get $wpk_fork_state", "global.get $wpk_fork_state i32.eqz"),
            ("i32.store", "drop drop"),
            ("call $leaf", "call $plain"),
            ("i32.const 7", "i32.const 8"),
            ("return\n", "return unreachable\n"),
            ("return\n", "nop\n"),
            ("local.get 0", "(local i32) local.get 0"),
        ];
        for (part, other) in changes {
            assert!(!passes_with(part, other), "{part} became {other}");
        }
    }

    #[test]
    fn a_missing_guard_is_rejected() {
        let without = |text: String| {
            let (start, end) = (text.find("(func $aside (;").unwrap(), text.len());
            let guard = start + text[start..end].find("global.get").unwrap();
            let after = guard + text[guard..].find("end").unwrap() + "end".len();
            format!("{}{}", &text[..guard], &text[after..])
        };
        assert!(!passes(without));
    }
}
