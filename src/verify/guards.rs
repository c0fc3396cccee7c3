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
//!
//! Or one that undoes the unwind: `…` stands for any number of them, all different, and none the original's.
//!
//! ```wat
//! local.set $kept…  local.tee $kept  local.get $kept…    ;; nothing is changed on the stack
//! call $f
//! local.set $result…
//! global.get $state
//! if
//!   local.get $kept…  i32.const FUNC  call $again  local.set $result…
//! end
//! local.get $result…
//! ```
//!
//! where the results may instead stay where they are: `if` has them as parameters and results, and a `drop` for each in front of what it does.
//! `$again` undoes the unwind and makes the call anew, with what was kept or with nothing but zeros. Or the whole becomes
//! `i32.const FUNC  call $again`, or the tail call of it, whose `$again` makes the first call too.

use super::internal;
use crate::abi::{Abi, Operation};
use crate::analyze::{GuardedCall, GuardedCallee};
use crate::error::Result;
use crate::index::{FuncIdx, GlobalIdx, IndexType, TypeIdx};
use crate::read::{Located, Module, Operators};
use std::collections::BTreeSet;
use wasmparser::{BlockType, Operator, ValType};

/// What tells guards of an output.
pub(super) struct Guards<'c, 'a> {
    module: &'c Module<'a>,
    output: &'c Module<'a>,
    /// The global that holds the state.
    state: Option<u32>,
    /// The global that notes who was not prepared.
    unprepared: Option<u32>,
}

impl<'c, 'a> Guards<'c, 'a> {
    /// # Errors
    /// [`crate::Error::Internal`] if a body can't be read again.
    pub(super) fn find(
        module: &'c Module<'a>,
        abi: Abi,
        output: &'c Module<'a>,
    ) -> Result<Guards<'c, 'a>> {
        let mut guards = Guards { module, output, state: None, unprepared: None };
        let exported = |name: Option<&str>| {
            let mut exports = output.exported_funcs();
            exports.find(|(export, _)| Some(*export) == name).map(|(_, func)| func)
        };
        if let Some(getter) = exported(abi.export(Operation::GetState))
            && let [Operator::GlobalGet { global_index }, Operator::End] = guards.body(getter)?[..]
        {
            guards.state = Some(global_index);
        }
        if let Some(getter) = exported(Some(abi.unprepared()))
            && let [
                Operator::GlobalGet { global_index },
                Operator::I32Const { value: 1 },
                Operator::I32Sub,
                Operator::End,
            ] = guards.body(getter)?[..]
            && GlobalIdx(global_index).as_usize() >= module.globals.len()
            && guards.state != Some(global_index)
        {
            guards.unprepared = Some(global_index);
        }
        Ok(guards)
    }

    /// Checks the function `func` of the output against that of the original, which has these guards.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if anything but the guards was added, changed or left out.
    pub(super) fn check(&self, func: FuncIdx, guards: &[GuardedCall]) -> Result<()> {
        if self.is_copy(func, guards)? {
            return Ok(());
        }
        Err(internal(&format!("function {func} differs by more or less than its guards")))
    }

    fn is_copy(&self, func: FuncIdx, guards: &[GuardedCall]) -> Result<bool> {
        let (module, output) = (self.module, self.output);
        if !output.declared_locals(func)?.starts_with(&module.declared_locals(func)?) {
            return Ok(false);
        }
        let (own, operators) = (module.local_count(func)?, output.operators(func)?);
        let mut copy = Copy { guards: self, func, own, operators, next: None };
        copy.step()?;
        let mut guards = guards.iter().peekable();
        for located in module.operators(func)? {
            let Located { operator, start, .. } = located?;
            let same = match guards.next_if(|guard| guard.offset == start) {
                None => copy.takes(&operator)?,
                Some(guard) => match plain_call(&operator, guard.tail) {
                    Some(call) => copy.guarded(&call, guard)?,
                    None => false,
                },
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(copy.next.is_none() && guards.peek().is_none())
    }

    /// The operators of a small function of the output; of a larger one as many as tell.
    fn body(&self, func: FuncIdx) -> Result<Vec<Operator<'a>>> {
        const MOST: usize = 20;
        let first = self.output.operators(func)?.take(MOST);
        first.map(|located| Ok(located?.operator)).collect()
    }

    fn traps(&self, func: FuncIdx) -> Result<bool> {
        Ok(self.body(func)? == [Operator::Unreachable, Operator::End])
    }

    /// Whether a function notes its parameter and undoes the unwind.
    fn undoes(&self, operator: Option<&Operator<'_>>) -> Result<bool> {
        use Operator as O;
        let (Some(O::Call { function_index }), Some(state), Some(unprepared)) =
            (operator, self.state, self.unprepared)
        else {
            return Ok(false);
        };
        let get = O::GlobalGet { global_index: state };
        let number = |value| O::I32Const { value };
        let is_added = *function_index as usize >= self.module.funcs.len();
        let expected = [
            O::LocalGet { local_index: 0 },
            number(1),
            O::I32Add,
            O::GlobalSet { global_index: unprepared },
            get.clone(),
            number(1),
            O::I32Ne,
            get,
            number(3),
            O::I32Ne,
            O::I32And,
            O::If { blockty: BlockType::Empty },
            O::Unreachable,
            O::End,
            number(3),
            O::GlobalSet { global_index: state },
            O::End,
        ];
        Ok(is_added && self.body(FuncIdx(*function_index))? == expected)
    }

    /// Whether a function makes a call once more as long as it unwinds, which it undoes; `kept` is how many parameters it has in front of the
    /// last one, and `begins` whether it makes the first call, too.
    fn repeats(
        &self,
        again: FuncIdx,
        call: &Operator<'_>,
        guard: &GuardedCall,
        (kept, begins): (u32, bool),
    ) -> Result<bool> {
        use Operator as O;
        let (types, chooses, needs_arguments) = match guard.callee {
            GuardedCallee::Import(func) => (self.module.func_type(func), false, true),
            GuardedCallee::Defined(func) => (self.module.func_type(func), false, begins),
            GuardedCallee::Table { ty, may_be_import, .. }
            | GuardedCallee::Ref { ty, may_be_import } => {
                (self.module.func_type_at(ty), true, begins || may_be_import)
            }
            GuardedCallee::Foreign => return Ok(false),
        };
        let params = types.params();
        let has_arguments = kept == params.len() as u32 + u32::from(chooses);
        if again.as_usize() < self.module.funcs.len()
            || !has_arguments && (needs_arguments || kept != u32::from(chooses))
        {
            return Ok(false);
        }
        let operators = self.output.operators(again)?;
        let mut operators = operators.map(|located| located.map(|located| located.operator));
        let mut next = || operators.next().transpose();
        let func = Some(O::LocalGet { local_index: kept });
        if !matches!(next()?, Some(O::Loop { .. })) {
            return Ok(false);
        }
        let is_undone = begins || next()? == func && self.undoes(next()?.as_ref())?;
        if !is_undone {
            return Ok(false);
        }
        for (param, ty) in (0..).zip(params) {
            let operator = next()?;
            let is_right = match has_arguments {
                true => operator == Some(O::LocalGet { local_index: param }),
                false => is_zero(operator.as_ref(), *ty),
            };
            if !is_right {
                return Ok(false);
            }
        }
        if chooses && next()? != Some(O::LocalGet { local_index: kept - 1 }) {
            return Ok(false);
        }
        if next()?.as_ref() != Some(call) || !self.is_state(next()?.as_ref()) {
            return Ok(false);
        }
        let goes_back = match begins {
            false => next()? == Some(O::BrIf { relative_depth: 0 }),
            true => {
                next()? == Some(O::If { blockty: BlockType::Empty })
                    && next()? == func
                    && self.undoes(next()?.as_ref())?
                    && next()? == Some(O::Br { relative_depth: 1 })
                    && next()? == Some(O::End)
            }
        };
        Ok(goes_back && next()? == Some(O::End) && next()? == Some(O::End) && next()?.is_none())
    }

    fn is_state(&self, operator: Option<&Operator<'_>>) -> bool {
        matches!(operator, Some(Operator::GlobalGet { global_index })
            if Some(*global_index) == self.state)
    }
}

/// Whether an operator makes the value of a type that all of memory holds at first.
fn is_zero(operator: Option<&Operator<'_>>, ty: ValType) -> bool {
    use Operator as O;
    match (operator, ty) {
        (Some(O::I32Const { value }), ValType::I32) => *value == 0,
        (Some(O::I64Const { value }), ValType::I64) => *value == 0,
        (Some(O::F32Const { value }), ValType::F32) => value.bits() == 0,
        (Some(O::F64Const { value }), ValType::F64) => value.bits() == 0,
        (Some(O::V128Const { value }), ValType::V128) => value.i128() == 0,
        (Some(O::RefNull { .. }), ValType::Ref(_)) => true,
        _ => false,
    }
}

/// The call itself, or that which a tail call makes.
fn plain_call<'a>(operator: &Operator<'a>, is_tail: bool) -> Option<Operator<'a>> {
    match (operator, is_tail) {
        (
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. },
            false,
        ) => Some(operator.clone()),
        (Operator::ReturnCall { function_index }, true) => {
            Some(Operator::Call { function_index: *function_index })
        }
        (Operator::ReturnCallIndirect { type_index, table_index }, true) => {
            Some(Operator::CallIndirect { type_index: *type_index, table_index: *table_index })
        }
        (Operator::ReturnCallRef { type_index }, true) => {
            Some(Operator::CallRef { type_index: *type_index })
        }
        _ => None,
    }
}

/// The operators of the output's function that are still to be compared.
struct Copy<'g, 'c, 'a> {
    guards: &'g Guards<'c, 'a>,
    func: FuncIdx,
    /// How many locals the original has.
    own: u32,
    operators: Operators<'a>,
    /// The one that comes next; `None` past the end.
    next: Option<Operator<'a>>,
}

impl<'a> Copy<'_, '_, 'a> {
    /// Takes the next operator.
    fn step(&mut self) -> Result<Option<Operator<'a>>> {
        let next = self.operators.next().transpose()?.map(|located| located.operator);
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Whether the next operator is this one, which is taken then.
    fn takes(&mut self, operator: &Operator<'_>) -> Result<bool> {
        let same = self.next.as_ref() == Some(operator);
        if same {
            self.step()?;
        }
        Ok(same)
    }

    fn takes_all<'o>(&mut self, operators: impl IntoIterator<Item = Operator<'o>>) -> Result<bool> {
        for operator in operators {
            if !self.takes(&operator)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes `local.set` as often as it comes, and then a `local.tee`; returns the locals, that of the lowest operand first.
    fn sets(&mut self) -> Result<Vec<u32>> {
        let mut locals = Vec::new();
        while let Some(Operator::LocalSet { local_index }) = self.next {
            locals.push(local_index);
            self.step()?;
        }
        if let Some(Operator::LocalTee { local_index }) = self.next {
            locals.push(local_index);
            self.step()?;
        }
        locals.reverse();
        Ok(locals)
    }

    /// A guarded call of what `call` calls.
    fn guarded(&mut self, call: &Operator<'_>, guard: &GuardedCall) -> Result<bool> {
        if let Some(Operator::I32Const { value }) = self.next {
            self.step()?;
            return Ok(value == self.func.0 as i32 && self.is_made_within(call, guard)?);
        }
        Ok(self.is_made_here(call, guard)? && (!guard.tail || self.takes(&Operator::Return)?))
    }

    fn is_made_within(&mut self, call: &Operator<'_>, guard: &GuardedCall) -> Result<bool> {
        let (again, returns) = match self.step()? {
            Some(Operator::Call { function_index }) => (FuncIdx(function_index), false),
            Some(Operator::ReturnCall { function_index }) => (FuncIdx(function_index), true),
            _ => return Ok(false),
        };
        if guard.tail && !returns && !self.takes(&Operator::Return)? || returns && !guard.tail {
            return Ok(false);
        }
        let params = self.guards.output.func_type(again).params().len() as u32;
        // One parameter is the function's own index.
        let Some(kept) = params.checked_sub(1) else { return Ok(false) };
        self.guards.repeats(again, call, guard, (kept, true))
    }

    fn is_made_here(&mut self, call: &Operator<'_>, guard: &GuardedCall) -> Result<bool> {
        let get = |local: &u32| Operator::LocalGet { local_index: *local };
        let kept = self.sets()?;
        if !self.takes_all(kept.iter().skip(1).map(get))? || !self.takes(call)? {
            return Ok(false);
        }
        let results = self.sets()?;
        let all: BTreeSet<_> = kept.iter().chain(&results).collect();
        let are_new = all.len() == kept.len() + results.len()
            && all.first().is_none_or(|local| **local >= self.own);
        let test = self.step()?;
        let Some(Operator::If { blockty }) = self.step()? else { return Ok(false) };
        if !are_new || !self.guards.is_state(test.as_ref()) {
            return Ok(false);
        }
        // That it has the results for both is left to the validator, but for how many there are.
        let through = match blockty {
            BlockType::Empty => 0,
            BlockType::FuncType(ty) => {
                let ty = self.guards.output.func_type_at(TypeIdx(ty));
                if ty.params() != ty.results() || !results.is_empty() {
                    return Ok(false);
                }
                ty.params().len()
            }
            BlockType::Type(_) => return Ok(false),
        };
        if !self.takes_all(std::iter::repeat_n(Operator::Drop, through))? {
            return Ok(false);
        }
        if let Some(Operator::Call { function_index }) = self.next
            && results.is_empty()
            && through == 0
            && self.guards.traps(FuncIdx(function_index))?
        {
            self.step()?;
            return self.takes(&Operator::End);
        }
        let func = Operator::I32Const { value: self.func.0 as i32 };
        if !self.takes_all(kept.iter().map(get).chain([func]))? {
            return Ok(false);
        }
        let is_again = match self.step()? {
            Some(Operator::Call { function_index }) => {
                let (again, kept) = (FuncIdx(function_index), kept.len() as u32);
                self.guards.repeats(again, call, guard, (kept, false))?
            }
            _ => false,
        };
        let set = results.iter().rev().map(|local| Operator::LocalSet { local_index: *local });
        let behind = set.chain([Operator::End]).chain(results.iter().map(get));
        Ok(is_again && self.takes_all(behind)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::analyze::Analysis;
    use crate::options::{Assumption, EntryPattern, FuncPattern, OnUnprepared, Options};
    use crate::read::Module;
    use crate::verify::{Extent, verify};

    const WAT: &str = r#"(module
        (import "k" "fork" (func $fork))
        (memory 1)
        (global $other (mut i32) (i32.const 0))
        (func $leaf (export "leaf") (param i32) (result i32) (call $fork) (i32.const 4))
        (func $aside (export "aside") (param i32) (result i32)
            (drop (call $leaf (local.get 0)))
            (i32.store (i32.const 0) (local.get 0))
            (return_call $leaf (i32.const 7)))
        (func $twin (export "twin") (param i32) (result i32) (call $fork) (i32.const 5))
        (func $plain (param i32) (result i32) (i32.const 6)))"#;

    /// Whether the output passes after `change` was made to its text.
    fn passes(answer: OnUnprepared, change: impl FnOnce(String) -> String) -> bool {
        let options = Options {
            entries: vec![EntryPattern::exact("k", "fork")],
            assumptions: vec![Assumption::NoFork(FuncPattern("aside".into()))],
            on_unprepared: answer,
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

    /// Whether it passes with a part of a function replaced, once.
    #[track_caller]
    fn passes_with(answer: OnUnprepared, func: &str, (part, other): (&str, &str)) -> bool {
        passes(answer, |text| {
            let start = text.find(&format!("(func ${func} (;")).unwrap();
            let (before, after) = text.split_at(start);
            assert!(after.contains(part), "{part}: {after}");
            format!("{before}{}", after.replacen(part, other, 1))
        })
    }

    #[test]
    fn guards_and_nothing_else_are_accepted() {
        assert!(passes(OnUnprepared::Trap, |text| text));
        assert!(passes(OnUnprepared::Undo, |text| text));
    }

    #[test]
    fn every_other_change_is_rejected() {
        let of_program = [
            ("i32.store", "drop drop"),
            ("i32.const 7", "i32.const 8"),
            ("return\n", "return unreachable\n"),
            ("return\n", "nop\n"),
            ("global.get $wpk_fork_state", "global.get $other"),
            ("global.get $wpk_fork_state", "global.get $wpk_fork_state i32.eqz"),
        ];
        let traps = [
            ("call $wpk_fork_unprepared_trap", "nop"),
            ("call $wpk_fork_unprepared_trap", "call $wpk_fork_unwind_end"),
            ("call $leaf", "call $plain"),
        ];
        for change in of_program.into_iter().chain(traps) {
            assert!(!passes_with(OnUnprepared::Trap, "aside", change), "{change:?}");
        }
        let undoes = [
            ("call $wpk_fork_again0", "drop"),
            ("call $wpk_fork_again0", "drop call $wpk_fork_unwind_end"),
            ("i32.const 2", "i32.const 3"),
            ("call $leaf", "call $plain"),
            // The results go through a local, which is the function's own here.
            ("local.set 1", "local.set 0"),
            ("local.set 1\n    end", "drop\n    end"),
        ];
        for change in of_program.into_iter().chain(undoes) {
            assert!(!passes_with(OnUnprepared::Undo, "aside", change), "{change:?}");
        }
    }

    #[test]
    fn what_calls_again_is_checked_too() {
        let changes = [
            ("wpk_fork_again0", ("call $wpk_fork_undo_unprepared", "drop")),
            ("wpk_fork_again0", ("call $leaf", "call $twin")),
            ("wpk_fork_again0", ("i32.const 0", "i32.const 1")),
            ("wpk_fork_again0", ("global.get $wpk_fork_state", "i32.const 0")),
            ("wpk_fork_again0", ("br_if 0", "drop")),
            (
                "wpk_fork_undo_unprepared",
                ("i32.const 3\n    global.set", "i32.const 0\n    global.set"),
            ),
            ("wpk_fork_undo_unprepared", ("unreachable", "nop")),
            ("wpk_fork_undo_unprepared", ("local.get 0", "i32.const 0")),
            ("wpk_fork_undo_unprepared", ("i32.const 1\n    i32.ne", "i32.const 2\n    i32.ne")),
        ];
        for (func, change) in changes {
            assert!(!passes_with(OnUnprepared::Undo, func, change), "{func}: {change:?}");
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
        assert!(!passes(OnUnprepared::Trap, without));
    }
}
