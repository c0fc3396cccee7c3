//! How a function of one type can stand where a call expects another, and when it can't.
//!
//! Input: the type that a call asks for and the function's own. Output: an [`Adaptation`], or the
//! [`Reason`] why there is none.
//!
//! Native calling conventions let such calls pass; what they make of it is what is done here:
//! surplus arguments are dropped, missing ones are zero, a surplus result is dropped, a missing one
//! is zero. Numbers change their type only on request, for that may lose bits.

use crate::read::Module;
use std::fmt;
use wasmparser::{FuncType, HeapType, UnpackedIndex, ValType};

/// A value of the adapted call, made from those of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
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
    pub args: Vec<Value>,
    /// For each result that the call expects, its value from the function's results.
    pub results: Vec<Value>,
    /// How many arguments of the call nobody takes.
    pub dropped_args: usize,
    /// How many results of the function nobody takes.
    pub dropped_results: usize,
}

/// Why a function can't stand where a call expects another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A number would change its type; `--allow-bit-casts` permits it.
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

impl Reason {
    /// A short name, as JSON has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Reason::BitCast => "bit-cast",
            Reason::Incompatible => "incompatible",
            Reason::NoZero => "no-zero",
            Reason::StructReturn => "struct-return",
            Reason::Variadic => "variadic",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::BitCast => "a number would change its type (--allow-bit-casts permits it)",
            Reason::Incompatible => "its types convert to nothing that the call has",
            Reason::NoZero => "a missing reference can't be null",
            Reason::StructReturn => "it may return a structure through its first parameter",
            Reason::Variadic => "it takes variable arguments",
        })
    }
}

/// The adaptation of a function of type `callee` to calls of type `site`.
///
/// # Errors
/// The reason why there is none.
pub(super) fn adapt(
    site: &FuncType,
    callee: &FuncType,
    bit_casts: bool,
) -> Result<Adaptation, Reason> {
    if may_return_struct(site, callee) {
        return Err(Reason::StructReturn);
    }
    Ok(Adaptation {
        args: values(site.params(), callee.params(), bit_casts)?,
        results: values(callee.results(), site.results(), bit_casts)?,
        dropped_args: site.params().len().saturating_sub(callee.params().len()),
        dropped_results: callee.results().len().saturating_sub(site.results().len()),
    })
}

/// Whether the function looks like what compilers make of one that returns a structure, called as if
/// it returned a number: one more parameter in front, a pointer, and no result.
fn may_return_struct(site: &FuncType, callee: &FuncType) -> bool {
    let pointer = matches!(callee.params().first(), Some(ValType::I32 | ValType::I64));
    pointer
        && callee.results().is_empty()
        && !site.results().is_empty()
        && callee.params()[1..] == *site.params()
}

/// Makes values of the types `wanted` from those of the types `given`.
fn values(given: &[ValType], wanted: &[ValType], bit_casts: bool) -> Result<Vec<Value>, Reason> {
    let value = |(position, to): (usize, &ValType)| match given.get(position) {
        None => zero(*to),
        Some(from) if is_same(*from, *to) => Ok(Value::Same(position)),
        Some(from) => match cast(*from, *to) {
            Some(cast) if bit_casts => Ok(Value::Cast(position, cast)),
            Some(_) => Err(Reason::BitCast),
            None => Err(Reason::Incompatible),
        },
    };
    wanted.iter().enumerate().map(value).collect()
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

fn zero(ty: ValType) -> Result<Value, Reason> {
    match ty {
        ValType::Ref(ty) if !ty.is_nullable() => Err(Reason::NoZero),
        _ => Ok(Value::Zero(ty)),
    }
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

/// `drops argument 2; the result is zero`.
impl fmt::Display for Adaptation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let taken = self.args.len();
        match self.dropped_args {
            0 => {}
            1 => parts.push(format!("argument {} dropped", taken + 1)),
            count => parts.push(format!("arguments {} to {} dropped", taken + 1, taken + count)),
        }
        for (position, value) in (1..).zip(&self.args) {
            parts.extend(describe(&format!("argument {position}"), *value));
        }
        for (position, value) in (1..).zip(&self.results) {
            let name = match self.results.len() {
                1 => "result".to_owned(),
                _ => format!("result {position}"),
            };
            parts.extend(describe(&name, *value));
        }
        if self.dropped_results > 0 {
            parts.push(match self.dropped_results {
                1 => "a result dropped".into(),
                count => format!("{count} results dropped"),
            });
        }
        f.write_str(if parts.is_empty() { "nothing to change" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

fn describe(name: &str, value: Value) -> Option<String> {
    match value {
        Value::Same(_) => None,
        Value::Cast(_, cast) => Some(format!("{name} by {}", cast.instruction())),
        Value::Zero(ValType::Ref(_)) => Some(format!("{name} null")),
        Value::Zero(_) => Some(format!("{name} zero")),
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

/// A signature as text: `(i32, i32) -> i32`.
pub(super) fn signature(module: &Module<'_>, ty: crate::index::TypeIdx) -> String {
    let ty = module.func_type_at(ty);
    let list = |types: &[ValType]| {
        types.iter().map(|ty| type_name(module, *ty)).collect::<Vec<_>>().join(", ")
    };
    match ty.results() {
        [_] => format!("({}) -> {}", list(ty.params()), list(ty.results())),
        results => format!("({}) -> ({})", list(ty.params()), list(results)),
    }
}

/// A type's name; a concrete heap type by the least index that names it.
fn type_name(module: &Module<'_>, ty: ValType) -> String {
    if let ValType::Ref(reference) = ty
        && let HeapType::Concrete(UnpackedIndex::Id(id)) = reference.heap_type()
    {
        let types = module.types();
        let count = types.core_type_count_in_module();
        let index = (0..count).find(|index| types.core_type_at_in_module(*index) == id);
        let null = if reference.is_nullable() { "null " } else { "" };
        return format!("(ref {null}{})", index.unwrap_or(count));
    }
    ty.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::{F32, F64, I32, I64, V128};

    fn text(site: (&[ValType], &[ValType]), callee: (&[ValType], &[ValType])) -> String {
        let ty = |(params, results): (&[ValType], &[ValType])| {
            FuncType::new(params.iter().copied(), results.iter().copied())
        };
        let (site, callee) = (ty(site), ty(callee));
        match (adapt(&site, &callee, false), adapt(&site, &callee, true)) {
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
