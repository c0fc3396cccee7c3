//! Tail calls: a function that tail-calls another is gone when that one runs, and so a rewind that calls it again may find the frame of a
//! function that was entered in its place. It must go on there.
//!
//! ```text
//! $h calls $f, $f tail-calls $g, $g is unwound        frames: $g's, $h's
//! rewind: $h calls $f ─► a lookup, which the frame on top tells whose it is ─► $g, or its resume function
//! ```
//!
//! Which functions may be entered in place of another is worked out here from the original alone: those that some tail call may enter, if
//! their results fit. A lookup is run for each of them; for any other owner it may do what it likes, for whoever is entered without
//! a frame of its own on top traps.

use super::activation::{Activation, Mode};
use super::fault::Fault;
use super::runtime::Helper;
use super::simulate::{Simulation, Which};
use crate::analyze::{Analysis, Site, Target};
use crate::index::{FuncIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeSet;
use wasmparser::Operator;

/// The functions that tail calls may enter, and that have frames.
#[derive(Default)]
pub(super) struct Tails {
    entered: Vec<FuncIdx>,
}

impl Tails {
    /// Finds them.
    ///
    /// # Errors
    /// If a body can't be read again.
    pub fn find(module: &Module<'_>, analysis: &Analysis) -> Result<Tails, Fault> {
        let (mut direct, mut types) = (BTreeSet::new(), BTreeSet::new());
        let ids = module.types();
        for (func, sites) in analysis.sites.iter_enumerated() {
            for site in sites.iter().filter(|site| site.leaves_no_frame()) {
                work::count(1);
                match (site.target, module.operator_at(func, site.offset)?.operator) {
                    (Target::Defined(target), _) => _ = direct.insert(target),
                    (
                        _,
                        Operator::ReturnCallIndirect { type_index, .. }
                        | Operator::ReturnCallRef { type_index },
                    ) => _ = types.insert(ids.core_type_at_in_module(type_index)),
                    _ => return Err(Fault::new("a tail call is none").in_func(func)),
                }
            }
        }
        let has_frame = |func: &FuncIdx| !analysis.sites[*func].iter().all(Site::leaves_no_frame);
        let may_be_entered = |func: &FuncIdx| {
            let TypeIdx(own) = module.funcs[*func].ty;
            let own = ids.core_type_at_in_module(own);
            let mut chain = std::iter::successors(Some(own), |ty| ids.supertype_of(*ty));
            direct.contains(func) || !types.is_empty() && chain.any(|ty| types.contains(&ty))
        };
        let funcs = module.defined_funcs().filter(has_frame);
        Ok(Tails { entered: funcs.filter(may_be_entered).collect() })
    }

    /// Those that may be entered in place of a function.
    fn in_place_of(&self, module: &Module<'_>, func: FuncIdx) -> Vec<FuncIdx> {
        let results = module.func_type(func).results();
        let fits = |other: &FuncIdx| {
            let own = module.func_type(*other).results();
            let mut pairs = own.iter().zip(results);
            own.len() == results.len() && pairs.all(|(a, b)| module.is_subtype(*a, *b))
        };
        self.entered.iter().copied().filter(fits).collect()
    }
}

impl Simulation<'_, '_> {
    /// Whether the function makes tail calls that leave no frame.
    pub fn hands_on(&self) -> bool {
        self.sites.iter().any(Site::leaves_no_frame)
    }

    /// Checks that a rewind goes on where the frame on top belongs; which functions that leads to, with the owners.
    pub fn goes_on(&mut self) -> Result<Vec<(FuncIdx, FuncIdx)>, Fault> {
        if !self.hands_on() {
            return Ok(Vec::new());
        }
        let mut copy = Activation::default();
        copy.enter(&self.own, &mut self.values, &[]);
        self.run_copy(Which::Own, &mut copy, Mode::Rewinding)?;
        if let Operator::Call { function_index } = *self.own.operator(copy.at)
            && self.modules.runtime.helpers.get(&FuncIdx(function_index)) == Some(&Helper::Other)
        {
            self.asks_whose(&mut copy, 1)?;
            copy.at += 1;
            self.run_copy(Which::Own, &mut copy, Mode::Rewinding)?;
        }
        let lookup = self.lookup(copy.at).ok_or_else(|| {
            Fault::new("it makes tail calls, and no rewind looks for the frame of another")
                .at(self.place_in(Which::Own, copy.at))
        })?;
        let owners = self.modules.tails.in_place_of(self.modules.original, self.func);
        let reached = owners.into_iter().map(|owner| Ok((owner, self.looked_up(lookup, owner)?)));
        reached.collect()
    }

    /// The lookup that is tail-called at a position of the function, if one is.
    pub fn lookup(&self, at: u32) -> Option<FuncIdx> {
        let Operator::ReturnCall { function_index } = *self.own.operator(at) else { return None };
        let lookup = FuncIdx(function_index);
        let is_one = self.modules.runtime.helpers.get(&lookup) == Some(&Helper::Lookup);
        is_one.then_some(lookup)
    }

    /// A call that asks whether the frame on top is another function's; it is answered.
    pub fn asks_whose(&mut self, copy: &mut Activation, answer: i32) -> Result<(), Fault> {
        let func = self.known_number(copy.pop()?)?;
        if func != u64::from(self.func.0) {
            return Err(Fault::new("it asks for another function's frame"));
        }
        copy.stack.push(self.values.i32(answer));
        Ok(())
    }

    /// Where a lookup goes on if a function owns the frame on top: its instructions are run.
    pub fn looked_up(&self, lookup: FuncIdx, owner: FuncIdx) -> Result<FuncIdx, Fault> {
        let traps = || {
            Fault::new(format!("a rewind that finds a frame of function {owner} traps"))
                .in_func(self.func)
        };
        let mut stack: Vec<u32> = Vec::new();
        // How many constructs are open that are not run.
        let mut passed = 0;
        for located in self.modules.output.operators(lookup)? {
            work::count(1);
            let operator = located?.operator;
            if passed > 0 {
                match operator {
                    Operator::If { .. } => passed += 1,
                    Operator::Else if passed == 1 => passed = 0,
                    Operator::End => passed -= 1,
                    _ => {}
                }
                continue;
            }
            match operator {
                Operator::LocalGet { .. } => stack.push(owner.0),
                Operator::I32Const { value } => stack.push(value as u32),
                Operator::I32GeU | Operator::I32Ne => {
                    let (right, left) = (stack.pop(), stack.pop());
                    let holds =
                        if operator == Operator::I32Ne { left != right } else { left >= right };
                    stack.push(u32::from(holds));
                }
                Operator::If { .. } => passed = u32::from(stack.pop() == Some(0)),
                // What comes here has run the first part.
                Operator::Else => passed = 1,
                Operator::ReturnCall { function_index } => return Ok(FuncIdx(function_index)),
                Operator::ReturnCallIndirect { table_index, type_index } => {
                    let slot = stack.pop().map(u64::from);
                    let called = self.modules.pair.zip(slot).and_then(|(pair, slot)| {
                        let func = pair.called(table_index, slot)?;
                        (pair.type_of(func) == Some(type_index)).then_some(func)
                    });
                    let pair = self.modules.pair;
                    return called.ok_or_else(|| match pair {
                        None => Fault::not_covered(super::unwind::ELSEWHERE),
                        Some(_) => traps(),
                    });
                }
                Operator::Unreachable => return Err(traps()),
                // The frame's owner, and arguments that nobody looks at.
                _ => {}
            }
        }
        Err(traps())
    }
}
