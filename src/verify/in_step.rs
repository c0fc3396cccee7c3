//! Where both functions have the same operators, one after the other: they are done side by side, as long as nothing else comes.
//!
//! Nothing is proved here that is not proved without: what moves and computes values is done by each for itself, in any order; what
//! reads or writes a memory is left to `step`, unless both do the same on the same operands.

use super::activation::Activation;
use super::body::Brief;
use super::fault::Fault;
use super::simulate::{Simulation, Which};
use super::state::{Performed, State};
use super::values::Value;
use crate::work;
use std::rc::Rc;
use wasmparser::ValType;

impl Simulation<'_, '_> {
    /// Follows both through what is the same in both.
    pub fn in_step(&mut self, which: Which, state: &mut State) -> Result<(), Fault> {
        let (original, body) = (Rc::clone(&self.original), Rc::clone(self.body(which)));
        let values = &mut self.values;
        loop {
            work::count(1);
            let State { original: here, copy: there, .. } = state;
            let (at, at_copy) = (here.at as usize, there.at as usize);
            match (original.briefs[at], body.briefs[at_copy]) {
                (Brief::Get(local), Brief::Get(of_copy)) => {
                    here.stack.push(here.locals[local as usize]);
                    there.stack.push(there.locals[of_copy as usize]);
                }
                (Brief::Set(local), Brief::Set(of_copy)) => {
                    here.locals[local as usize] = here.pop()?;
                    there.locals[of_copy as usize] = there.pop()?;
                }
                (Brief::Tee(local), Brief::Tee(of_copy)) => {
                    here.locals[local as usize] = here.topmost()?;
                    there.locals[of_copy as usize] = there.topmost()?;
                }
                (Brief::Nothing, Brief::Nothing) => {}
                (Brief::I32(number), Brief::I32(of_copy)) if number == of_copy => {
                    let value = values.i32(number);
                    here.stack.push(value);
                    there.stack.push(value);
                }
                (one @ Brief::Computes { code, operands }, other) if one == other => {
                    let operands = usize::from(operands);
                    if !are_same(here, there, operands)? {
                        return Ok(());
                    }
                    let value = values.computed(code, 0, here.top(operands)?);
                    replace(here, operands, value)?;
                    replace(there, operands, value)?;
                }
                (one @ (Brief::Load | Brief::Store), other)
                    if one == other && !here.joined && !original.reads_tables =>
                {
                    let operands = if one == Brief::Load { 1 } else { 2 };
                    let (operator, of_copy) =
                        (&original.operators[at].operator, &body.operators[at_copy].operator);
                    if operator != of_copy || !are_same(here, there, operands)? {
                        return Ok(());
                    }
                    if one == Brief::Load {
                        let result = values.opaque_of(ValType::I32);
                        let performed = Performed::new(here.at, here.top(1)?, result);
                        replace(here, 1, result)?;
                        replace(there, 1, result)?;
                        performed.into_iter().for_each(|performed| state.perform(performed));
                    } else {
                        here.drop_many(2)?;
                        there.drop_many(2)?;
                    }
                    state.goes_on();
                }
                _ => return Ok(()),
            }
            state.original.at += 1;
            state.copy.at += 1;
        }
    }
}

/// Whether both have the same topmost operands, which may be looked at.
fn are_same(here: &Activation, there: &Activation, count: usize) -> Result<bool, Fault> {
    let (operands, of_copy) = (here.top(count)?, there.top(count)?);
    Ok(operands == of_copy && !of_copy.contains(&Value::UNDEFINED))
}

/// Puts a value in place of the topmost operands.
fn replace(activation: &mut Activation, operands: usize, value: Value) -> Result<(), Fault> {
    activation.drop_many(operands)?;
    activation.stack.push(value);
    Ok(())
}
