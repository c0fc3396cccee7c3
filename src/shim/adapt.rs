//! How a function of one type can stand where a call expects another, and when it can't.
//!
//! Input: the type that a call asks for and the function's own. Output: an [`Adaptation`], or the
//! [`Reason`] why there is none.
//!
//! Native calling conventions let such calls pass; what they make of it is what is done here:
//! surplus arguments are dropped, missing ones are zero, a surplus result is dropped, a missing one
//! is zero. Numbers change their type only on request, for that may lose bits.

use wasmparser::{FuncType, ValType};

/// A value of the adapted call, made from those of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdaptedValue {
    /// The one at this position.
    Same(usize),
    /// The one at this position, its bits taken as another type's.
    Cast(usize, Cast),
    /// The zero or null reference of this type.
    Zero(ValType),
}

/// A change of a number's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cast {
    /// `i32.wrap_i64`
    I64ToI32,
    /// `i64.extend_i32_u`
    I32ToI64,
    /// `i32.reinterpret_f32`
    F32ToI32,
    /// `f32.reinterpret_i32`
    I32ToF32,
    /// `i64.reinterpret_f64`
    F64ToI64,
    /// `f64.reinterpret_i64`
    I64ToF64,
}

/// What stands between a call and a function of another type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Adaptation {
    /// For each parameter of the function, its argument from the call's.
    pub args: Vec<AdaptedValue>,
    /// For each result that the call expects, its value from the function's results.
    pub results: Vec<AdaptedValue>,
    /// How many arguments of the call nobody takes.
    pub dropped_args: usize,
    /// How many results of the function nobody takes.
    pub dropped_results: usize,
}

/// Why a function can't stand where a call expects another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A number would change its type, which [`super::ShimOptions::allow_bit_casts`] would permit.
    BitCast,
    /// Types between which nothing converts: vectors, references, floats of different widths.
    Incompatible,
    /// A missing value is of a type without zero: a reference that can't be null.
    NoZero,
    /// The function may return a structure through a pointer in its first parameter: the call has
    /// neither the pointer nor room for the structure.
    StructReturn,
    /// The function takes variable arguments, which are passed in memory.
    Variadic,
}

/// The adaptation of a function of type `callee` to calls of type `call`.
///
/// # Errors
/// The reason why there is none.
pub(super) fn adapt(
    call: &FuncType,
    callee: &FuncType,
    bit_casts: bool,
) -> Result<Adaptation, Reason> {
    if may_return_struct(call, callee) {
        return Err(Reason::StructReturn);
    }
    Ok(Adaptation {
        args: values(call.params(), callee.params(), bit_casts)?,
        results: values(callee.results(), call.results(), bit_casts)?,
        dropped_args: call.params().len().saturating_sub(callee.params().len()),
        dropped_results: callee.results().len().saturating_sub(call.results().len()),
    })
}

/// Whether there is an adaptation.
pub(super) fn adapts(call: &FuncType, callee: &FuncType, bit_casts: bool) -> bool {
    !may_return_struct(call, callee)
        && fits(call.params(), callee.params(), bit_casts)
        && fits(callee.results(), call.results(), bit_casts)
}

/// Whether the function looks like what compilers make of one that returns a structure, called as if
/// it returned a number: one more parameter in front, a pointer, and no result.
pub(super) fn may_return_struct(call: &FuncType, callee: &FuncType) -> bool {
    let pointer = matches!(callee.params().first(), Some(ValType::I32 | ValType::I64));
    pointer
        && callee.results().is_empty()
        && !call.results().is_empty()
        && callee.params()[1..] == *call.params()
}

/// Makes values of the types `wanted` from those of the types `given`.
fn values(
    given: &[ValType],
    wanted: &[ValType],
    bit_casts: bool,
) -> Result<Vec<AdaptedValue>, Reason> {
    wanted.iter().enumerate().map(|(position, to)| value(given, position, *to, bit_casts)).collect()
}

/// Whether values of the types `wanted` can be made of those of the types `given`.
pub(super) fn fits(given: &[ValType], wanted: &[ValType], bit_casts: bool) -> bool {
    let mut wanted = wanted.iter().enumerate();
    wanted.all(|(position, to)| value(given, position, *to, bit_casts).is_ok())
}

/// The value of type `to` at a position.
fn value(
    given: &[ValType],
    position: usize,
    to: ValType,
    bit_casts: bool,
) -> Result<AdaptedValue, Reason> {
    match given.get(position) {
        None if has_zero(to) => Ok(AdaptedValue::Zero(to)),
        None => Err(Reason::NoZero),
        Some(from) if is_same(*from, to) => Ok(AdaptedValue::Same(position)),
        Some(from) => match cast(*from, to) {
            Some(cast) if bit_casts => Ok(AdaptedValue::Cast(position, cast)),
            Some(_) => Err(Reason::BitCast),
            None => Err(Reason::Incompatible),
        },
    }
}

/// Whether every value of type `from` is one of type `to`, as far as that is plain to see.
fn is_same(from: ValType, to: ValType) -> bool {
    match (from, to) {
        (ValType::Ref(from), ValType::Ref(to)) => {
            from.heap_type() == to.heap_type() && (to.is_nullable() || !from.is_nullable())
        }
        _ => from == to,
    }
}

/// All types that a value of type `from` can stand for, with a cast or without.
pub(super) fn taken_as(from: ValType, bit_casts: bool) -> impl Iterator<Item = ValType> {
    let nullable = match from {
        ValType::Ref(ty) if !ty.is_nullable() => Some(ValType::Ref(ty.nullable())),
        _ => None,
    };
    let numbers = [ValType::I32, ValType::I64, ValType::F32, ValType::F64].into_iter();
    let casts = numbers.filter(move |to| bit_casts && cast(from, *to).is_some());
    std::iter::once(from).chain(nullable).chain(casts)
}

/// Whether a missing value of the type can be made up: as zero or null.
pub(super) fn has_zero(ty: ValType) -> bool {
    !matches!(ty, ValType::Ref(ty) if !ty.is_nullable())
}

fn cast(from: ValType, to: ValType) -> Option<Cast> {
    match (from, to) {
        (ValType::I64, ValType::I32) => Some(Cast::I64ToI32),
        (ValType::I32, ValType::I64) => Some(Cast::I32ToI64),
        (ValType::F32, ValType::I32) => Some(Cast::F32ToI32),
        (ValType::I32, ValType::F32) => Some(Cast::I32ToF32),
        (ValType::F64, ValType::I64) => Some(Cast::F64ToI64),
        (ValType::I64, ValType::F64) => Some(Cast::I64ToF64),
        _ => None,
    }
}

impl Cast {
    /// The instruction's name.
    pub fn instruction(self) -> &'static str {
        match self {
            Cast::I64ToI32 => "i32.wrap_i64",
            Cast::I32ToI64 => "i64.extend_i32_u",
            Cast::F32ToI32 => "i32.reinterpret_f32",
            Cast::I32ToF32 => "f32.reinterpret_i32",
            Cast::F64ToI64 => "i64.reinterpret_f64",
            Cast::I64ToF64 => "f64.reinterpret_i64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::{F32, F64, I32, I64, V128};

    fn text(call: (&[ValType], &[ValType]), callee: (&[ValType], &[ValType])) -> String {
        let ty = |(params, results): (&[ValType], &[ValType])| {
            FuncType::new(params.iter().copied(), results.iter().copied())
        };
        let (call, callee) = (ty(call), ty(callee));
        match (adapt(&call, &callee, false), adapt(&call, &callee, true)) {
            (Ok(plain), Ok(_)) => plain.to_string(),
            (Err(Reason::BitCast), Ok(cast)) => format!("({cast})"),
            (Err(reason), Err(_)) => format!("{reason:?}"),
            (plain, cast) => format!("{plain:?} but {cast:?}"),
        }
    }

    #[test]
    fn surplus_goes_and_what_is_missing_is_zero() {
        assert_eq!(text((&[I32, I32], &[I32]), (&[I32], &[I32])), "argument 2 dropped");
        assert_eq!(text((&[I32, F64, V128], &[]), (&[], &[])), "arguments 1 to 3 dropped");
        assert_eq!(text((&[I32], &[I32]), (&[I32, F64], &[I32])), "argument 2 zero");
        assert_eq!(text((&[I32], &[I32]), (&[I32], &[])), "result zero");
        assert_eq!(text((&[I32], &[]), (&[I32], &[F32])), "a result dropped");
        assert_eq!(text((&[], &[I32, I64]), (&[], &[I32])), "result 2 zero");
    }

    #[test]
    fn numbers_change_their_type_only_on_request() {
        assert_eq!(text((&[I64], &[]), (&[I32], &[])), "(argument 1 by i32.wrap_i64)");
        assert_eq!(text((&[I32], &[F64]), (&[I32], &[I64])), "(result by f64.reinterpret_i64)");
        assert_eq!(text((&[F32], &[]), (&[F64], &[])), "Incompatible");
        assert_eq!(text((&[V128], &[]), (&[I64], &[])), "Incompatible");
    }

    #[test]
    fn a_structure_that_may_be_returned_through_a_pointer_is_left_alone() {
        assert_eq!(text((&[I32], &[I32]), (&[I32, I32], &[])), "StructReturn");
        assert_eq!(text((&[], &[I32]), (&[I32], &[])), "StructReturn");
        assert_eq!(text((&[I32, I32], &[I32]), (&[I32], &[])), "argument 2 dropped, result zero");
    }
}
