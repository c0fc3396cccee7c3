//! Forwarders: functions by way of which resume functions are called, by their numbers.
//!
//! ```text
//! (param i32) (result i64)
//! block … local.get 0  br_table 0 1 … n-1 n-1
//!   end  call A  pack  return        what A gives, as an i64
//!   end  call B  pack  return
//! unreachable  nop …  end
//! ```
//!
//! Whoever calls one makes of the i64 what it returns, and returns. Both follow from the results of the function that is called.

use super::fault::Fault;
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use wasmparser::{BlockType, Operator, ValType};

/// The functions that a forwarder leads to, by their numbers; `None` if the function is no forwarder.
///
/// # Errors
/// If its body can't be read.
pub(super) fn forwarded(output: &Module<'_>, func: FuncIdx) -> Result<Option<Vec<FuncIdx>>, Fault> {
    let ty = output.func_type(func);
    if (ty.params(), ty.results()) != (&[ValType::I32][..], &[ValType::I64][..]) {
        return Ok(None);
    }
    let mut operators = output.operators(func)?;
    let mut next = || -> Result<Option<Operator<'_>>, Fault> {
        work::count(1);
        Ok(operators.next().transpose()?.map(|located| located.operator))
    };
    let mut blocks = 0;
    let first = loop {
        match next()? {
            Some(Operator::Block { blockty: BlockType::Empty }) => blocks += 1,
            other => break other,
        }
    };
    if first != Some(Operator::LocalGet { local_index: 0 }) {
        return Ok(None);
    }
    let Some(Operator::BrTable { targets }) = next()? else { return Ok(None) };
    let in_order = targets.targets().zip(0..).all(|(target, number)| target.ok() == Some(number));
    if blocks == 0 || !in_order || targets.len() + 1 != blocks || targets.default() + 1 != blocks {
        return Ok(None);
    }
    let mut forwarded = Vec::new();
    for _ in 0..blocks {
        let (end, call) = (next()?, next()?);
        let (Some(Operator::End), Some(Operator::Call { function_index })) = (end, call) else {
            return Ok(None);
        };
        let called = FuncIdx(function_index);
        let Some((pack, _)) = packed(output, called) else { return Ok(None) };
        for expected in pack.iter().chain(&[Operator::Return]) {
            if next()?.as_ref() != Some(expected) {
                return Ok(None);
            }
        }
        forwarded.push(called);
    }
    Ok((next()? == Some(Operator::Unreachable)).then_some(forwarded))
}

type Instructions = &'static [Operator<'static>];

/// What makes an i64 of a function's results, and what makes these of it; behind which a `return` takes no more than it needs.
pub(super) fn packed(output: &Module<'_>, func: FuncIdx) -> Option<(Instructions, Instructions)> {
    use Operator as O;
    let packed: (Instructions, Instructions) = match output.func_type(func).results() {
        [] => (&[O::I64Const { value: 0 }], &[]),
        [ValType::I32] => (&[O::I64ExtendI32U], &[O::I32WrapI64]),
        [ValType::I64] => (&[], &[]),
        [ValType::F32] => {
            (&[O::I32ReinterpretF32, O::I64ExtendI32U], &[O::I32WrapI64, O::F32ReinterpretI32])
        }
        [ValType::F64] => (&[O::I64ReinterpretF64], &[O::F64ReinterpretI64]),
        _ => return None,
    };
    Some(packed)
}
