//! Guards: what is done where an unwind comes out of a call into a function that is not prepared for it.
//!
//! The callee has saved its frame and returned a dummy, which nobody has looked at, so nothing is lost yet: the unwind is undone. The
//! state becomes 3, and the callee is called again. It takes its frame, whatever its arguments are, the frames below are taken in turn,
//! and the entry is called again, for the host to say that it has failed. Then the callee returns what the program takes.
//!
//! What the second call needs is kept in locals of the guarded function: what chose the callee, and the arguments, where an import may be
//! called, which has no frame, or where nothing stands in for one of them. An import that is called directly is called by the function
//! that calls it again, which has its arguments. The results go through the guard's block, or through
//! locals where engines may not know parameters of blocks, so that those of the second call can take their place.

use super::helpers::knows_multi_value;
use super::refuse::{is_non_nullable, tails_in_try};
use super::temps::Temps;
use crate::analyze::{Analysis, GuardedCall, GuardedCallee};
use crate::error::Result;
use crate::index::{FuncIdx, LocalIdx, TableIdx, TypeIdx};
use crate::limits::Limit;
use crate::options::{OnUnprepared, Options};
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use wasmparser::{FuncType, HeapType, RefType, UnpackedIndex, ValType};

/// All guards of a module.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// The functions that only get guards, in index order.
    pub funcs: Vec<GuardPlan>,
    /// What they call again, each by a function that is appended for it.
    pub repeats: Vec<Repeat>,
    /// Whether results go through blocks.
    pub through_blocks: bool,
}

/// A function outside the closure with calls that an unwind would come out of if an assumption were wrong. Behind each of them the
/// state is tested. A tail call becomes a call, the test, and a return.
#[derive(Debug, PartialEq, Eq)]
pub struct GuardPlan {
    /// The function.
    pub func: FuncIdx,
    /// The calls, in order of offset.
    pub calls: Vec<Guard>,
    /// The types of the locals that are added behind the function's own.
    pub temps: Vec<ValType>,
}

/// A guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Offset of the call in bytes from the start of the module.
    pub offset: u32,
    /// Whether it is a tail call.
    pub tail: bool,
    /// What it does with an unwind.
    pub answer: Answer,
}

/// What a guard does with an unwind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The program stops.
    Trap,
    /// It is undone where the call is made: by the function that makes it again.
    Within {
        /// Which function.
        repeat: RepeatOrdinal,
        /// Whether that is tail-called: then the guarded function's handlers see nothing of what is thrown.
        by_tail_call: bool,
    },
    /// It is undone by calling once more.
    Again {
        /// By which function.
        repeat: RepeatOrdinal,
        /// What the call takes from the operand stack and the second one needs, lowest first.
        kept: Vec<LocalIdx>,
        /// Where the results go through.
        results: Through,
    },
}

/// Where results go through, so that those of a second call can take their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Through {
    /// Locals.
    Locals(Vec<LocalIdx>),
    /// They are parameters and results of the guard's block, for engines that know such.
    Block,
}

/// The position of a repeat in [`Guards::repeats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepeatOrdinal(pub u32);

/// A function that guards call to have a call made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repeat {
    /// What is called.
    pub callee: Repeated,
    /// Whether with its arguments; else with any.
    pub keeps_arguments: bool,
    /// Whether it makes the call for the first time, too.
    pub begins: bool,
}

/// What is called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeated {
    /// An import.
    Import(FuncIdx),
    /// A function of the closure that the module defines.
    Func(FuncIdx),
    /// What is in a slot of a table.
    Slot(TableIdx, TypeIdx),
    /// What a reference is of.
    Ref(TypeIdx),
}

impl Repeat {
    /// What calls again; `None` if that can't be done.
    fn of(module: &Module<'_>, callee: GuardedCallee) -> Option<Repeat> {
        let (callee, may_be_import) = match callee {
            GuardedCallee::Import(func) => (Repeated::Import(func), true),
            GuardedCallee::Defined(func) => (Repeated::Func(func), false),
            GuardedCallee::Table { table, ty, may_be_import } => {
                (Repeated::Slot(table, ty), may_be_import)
            }
            GuardedCallee::Ref { ty, may_be_import } => (Repeated::Ref(ty), may_be_import),
            GuardedCallee::Foreign => return None,
        };
        let params = callee.func_type(module).params();
        let keeps_arguments = may_be_import || params.iter().copied().any(is_non_nullable);
        let begins = matches!(callee, Repeated::Import(_));
        Some(Repeat { callee, keeps_arguments, begins })
    }

    /// The same with the first call.
    fn with_first(self) -> Repeat {
        Repeat { keeps_arguments: true, begins: true, ..self }
    }

    /// The types of what the second call takes over from the first, lowest first.
    pub fn kept(&self, module: &Module<'_>) -> Vec<ValType> {
        let params = self.callee.func_type(module).params().iter().copied();
        let params = params.filter(|_| self.keeps_arguments);
        let chooses = match self.callee {
            Repeated::Import(_) | Repeated::Func(_) => None,
            Repeated::Slot(table, _) => Some(module.index_type(table)),
            Repeated::Ref(ty) => Some(nullable(module, ty)),
        };
        params.chain(chooses).collect()
    }
}

impl Repeated {
    /// The type of what is called.
    pub fn func_type<'m>(&self, module: &'m Module<'_>) -> &'m FuncType {
        match self {
            Repeated::Import(func) | Repeated::Func(func) => module.func_type(*func),
            Repeated::Slot(_, ty) | Repeated::Ref(ty) => module.func_type_at(*ty),
        }
    }
}

/// The type of references of functions of this type, or null.
fn nullable(module: &Module<'_>, ty: TypeIdx) -> ValType {
    let id = module.types().core_type_at_in_module(ty.0);
    let ty = RefType::new(true, HeapType::Concrete(UnpackedIndex::Id(id)));
    ty.map_or(ValType::FUNCREF, ValType::Ref)
}

impl Guards {
    /// The guards that the assumptions of the options ask for.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if a function's locals can't be read again.
    pub fn of(module: &Module<'_>, analysis: &Analysis, options: &Options) -> Result<Guards> {
        let mut planner = Planner {
            module,
            on_unprepared: options.on_unprepared,
            can_undo: options.abi.can_undo(),
            multi_value: knows_multi_value(module, options),
            repeats: Vec::new(),
            ordinals: BTreeMap::new(),
        };
        let funcs: Result<Vec<_>> =
            analysis.guards.iter().map(|(func, calls)| planner.func(*func, calls)).collect();
        let through_blocks = planner.multi_value;
        Ok(Guards { funcs: funcs?, repeats: planner.repeats, through_blocks })
    }

    /// Whether any of them stops the program.
    pub fn trap(&self) -> bool {
        let mut calls = self.funcs.iter().flat_map(|plan| &plan.calls);
        calls.any(|guard| guard.answer == Answer::Trap)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.funcs.iter().map(|plan| plan.calls.len()).sum()
    }
}

struct Planner<'a, 'm> {
    module: &'a Module<'m>,
    on_unprepared: OnUnprepared,
    /// Whether the protocol has a way to tell the host.
    can_undo: bool,
    /// Whether blocks may have parameters.
    multi_value: bool,
    repeats: Vec<Repeat>,
    ordinals: BTreeMap<Repeat, RepeatOrdinal>,
}

impl Planner<'_, '_> {
    fn func(&mut self, func: FuncIdx, calls: &[GuardedCall]) -> Result<GuardPlan> {
        let locals = self.module.local_count(func)?;
        let mut temps = Temps::new(locals);
        let in_try = tails_in_try(self.module, func, calls)?;
        let mut guard = |call: &GuardedCall| {
            let is_in_try = in_try.binary_search(&call.offset).is_ok();
            self.guard(call, is_in_try, &mut temps)
        };
        let mut guards: Vec<_> = calls.iter().map(&mut guard).collect();
        let mut temps = temps.types;
        // Then the locals are too many that would be needed to go on.
        if Limit::Locals.is_exceeded_by(u64::from(locals) + temps.len() as u64) {
            temps.clear();
            for guard in &mut guards {
                if matches!(guard.answer, Answer::Again { .. }) {
                    guard.answer = Answer::Trap;
                }
            }
        }
        Ok(GuardPlan { func, calls: guards, temps })
    }

    fn guard(&mut self, call: &GuardedCall, is_in_try: bool, temps: &mut Temps) -> Guard {
        work::count(1);
        let answer = match self.on_unprepared {
            OnUnprepared::Undo if self.can_undo => self.undo(call.callee, is_in_try, temps),
            OnUnprepared::Undo | OnUnprepared::Trap => None,
        };
        let answer = answer.unwrap_or(Answer::Trap);
        Guard { offset: call.offset, tail: call.tail, answer }
    }

    /// How an unwind is undone; `None` if it can't be.
    fn undo(
        &mut self,
        callee: GuardedCallee,
        by_tail_call: bool,
        temps: &mut Temps,
    ) -> Option<Answer> {
        let mut repeat = Repeat::of(self.module, callee)?;
        if by_tail_call {
            repeat = repeat.with_first();
        }
        let next = RepeatOrdinal(self.repeats.len() as u32);
        let ordinal = *self.ordinals.entry(repeat).or_insert(next);
        if ordinal == next {
            self.repeats.push(repeat);
        }
        if repeat.begins {
            return Some(Answer::Within { repeat: ordinal, by_tail_call });
        }
        let mut take = |ty: ValType| {
            work::count(1);
            temps.take(ty)
        };
        let kept: Vec<_> = repeat.kept(self.module).into_iter().map(&mut take).collect();
        let results = repeat.callee.func_type(self.module).results();
        let results = match results {
            [_, ..] if self.multi_value => Through::Block,
            results => Through::Locals(results.iter().copied().map(&mut take).collect()),
        };
        if let Through::Locals(locals) = &results {
            temps.give_back(locals);
        }
        temps.give_back(&kept);
        Some(Answer::Again { repeat: ordinal, kept, results })
    }
}
