//! What operators make of known values. An operator that is not here makes `ANY`.

use super::value::{Cause, Known, Value, Values};
use wasmparser::Operator;

/// What an operator with two operands and one result does to integers; `None` for another.
///
/// An operator that may trap only has a result when it doesn't.
fn binary(operator: &Operator<'_>) -> Option<fn(u64, u64) -> u64> {
    Some(match operator {
        Operator::I32Add => |a, b| narrow(a.wrapping_add(b)),
        Operator::I32Sub => |a, b| narrow(a.wrapping_sub(b)),
        Operator::I32Mul => |a, b| narrow(a.wrapping_mul(b)),
        Operator::I32And | Operator::I64And => |a, b| a & b,
        Operator::I32Or | Operator::I64Or => |a, b| a | b,
        Operator::I32Xor | Operator::I64Xor => |a, b| a ^ b,
        Operator::I32Shl => |a, b| narrow(a << (b & 31)),
        Operator::I32ShrU => |a, b| a >> (b & 31),
        Operator::I32ShrS => |a, b| narrow(((a as i32) >> (b & 31)) as u64),
        Operator::I64Add => u64::wrapping_add,
        Operator::I64Sub => u64::wrapping_sub,
        Operator::I64Mul => u64::wrapping_mul,
        Operator::I64Shl => |a, b| a << (b & 63),
        Operator::I64ShrU => |a, b| a >> (b & 63),
        Operator::I64ShrS => |a, b| ((a as i64) >> (b & 63)) as u64,
        _ => return None,
    })
}

fn narrow(value: u64) -> u64 {
    u64::from(value as u32)
}

/// The result of an operator on two operands; `None` if the operator is not known here.
pub(super) fn apply_binary(
    values: &mut Values,
    operator: &Operator<'_>,
    left: Value,
    right: Value,
) -> Option<Value> {
    if let Some(remainder) = remainder(values, operator, right) {
        return Some(remainder);
    }
    let apply = binary(operator)?;
    match (values.constants(left), values.constants(right)) {
        (Some([Known::Int(a)]), Some([Known::Int(b)])) => {
            let result = Known::Int(apply(*a, *b));
            return Some(values.constant(result));
        }
        (Some(_), Some(_)) => {}
        (Some(_), None) | (None, Some(_)) if is_and(operator) => {}
        // So it is mostly.
        _ => return Some(lost(values, &[left, right])),
    }
    let (ints_left, ints_right) = (ints(values, left), ints(values, right));
    Some(match (ints_left, ints_right) {
        (Some(left), Some(right)) => {
            let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b)));
            let results: Vec<_> = pairs.map(|(a, b)| Known::Int(apply(a, b))).collect();
            values.any_of(results)
        }
        (Some(mask), None) | (None, Some(mask)) if is_and(operator) => masked(values, &mask),
        _ => lost(values, &[left, right]),
    })
}

/// The result of an operator on one operand; `None` if the operator is not known here.
pub(super) fn apply_unary(
    values: &mut Values,
    operator: &Operator<'_>,
    operand: Value,
) -> Option<Value> {
    let apply: fn(u64) -> u64 = match operator {
        Operator::I32WrapI64 | Operator::I64ExtendI32U => narrow,
        Operator::I64ExtendI32S => |a| i64::from(a as i32) as u64,
        // Whatever the operand, the result is 0 or 1.
        Operator::I32Eqz | Operator::I64Eqz | Operator::RefIsNull => {
            return Some(values.any_of([Known::Int(0), Known::Int(1)]));
        }
        _ => return None,
    };
    Some(match ints(values, operand) {
        Some(ints) => values.any_of(ints.into_iter().map(|a| Known::Int(apply(a)))),
        None => lost(values, &[operand]),
    })
}

/// Any value, because of the first operand that is any, or of those that only other functions know.
fn lost(values: &mut Values, operands: &[Value]) -> Value {
    let any = operands.iter().copied().find(|operand| values.is_any(*operand));
    any.unwrap_or_else(|| values.unknown(Cause::Symbolic))
}

/// The integers that a value can be; `None` if it can be anything else.
pub(super) fn ints(values: &Values, value: Value) -> Option<Vec<u64>> {
    values.constants(value)?.iter().map(Known::int).collect()
}

fn is_and(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::I32And | Operator::I64And)
}

/// The most set bits of a mask whose results are few enough to list.
const MAX_MASK_BITS: u32 = 6;

/// All that an unknown value can be after a mask: each subset of the mask's bits.
fn masked(values: &mut Values, masks: &[u64]) -> Value {
    let mut results = Vec::new();
    for &mask in masks {
        if mask.count_ones() > MAX_MASK_BITS {
            return values.unknown(Cause::TooManyConstants);
        }
        let mut subset = mask;
        loop {
            results.push(Known::Int(subset));
            if subset == 0 {
                break;
            }
            subset = (subset - 1) & mask;
        }
    }
    values.any_of(results)
}

/// The remainders by a small constant.
fn remainder(values: &mut Values, operator: &Operator<'_>, divisor: Value) -> Option<Value> {
    if !matches!(operator, Operator::I32RemU | Operator::I64RemU) {
        return None;
    }
    match ints(values, divisor).as_deref() {
        Some(&[divisor @ 1..=64]) => Some(values.any_of((0..divisor).map(Known::Int))),
        _ => Some(values.unknown(Cause::Operator)),
    }
}
