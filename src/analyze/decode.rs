//! Decodes a body for a visitor that takes whole operators.
//!
//! Reading an [`Operator`] and matching on it costs twice what validation costs, since each one is
//! built in memory first. Here each kind of operator has its own copy of the visitor's code, in
//! which the match is already decided.

use crate::error::{Error, Result};
use wasmparser::{FunctionBody, Operator, VisitOperator, VisitSimdOperator};

/// Takes the operators of a body in order, each with its offset in bytes from the start of the
/// module.
pub(super) trait Visitor {
    /// Implementations should be `#[inline(always)]`, and short on the paths that matter.
    fn operator(&mut self, offset: u32, operator: &Operator<'_>);

    /// Any vector operator. None of them calls, branches or touches a reference.
    fn vector_operator(&mut self);
}

/// Shows `body` to `visitor`.
///
/// # Errors
/// Those of the parser, which a valid module has none of.
pub(super) fn decode(body: &FunctionBody<'_>, visitor: &mut impl Visitor) -> Result<()> {
    let broken = |e: wasmparser::Error| Error::from_parser(&e);
    let mut reader = body.get_operators_reader().map_err(broken)?;
    let mut adapter = Adapter { visitor, offset: 0 };
    while !reader.eof() {
        adapter.offset = reader.original_position() as u32;
        reader.visit_operator(&mut adapter).map_err(broken)?;
    }
    Ok(())
}

struct Adapter<'v, V> {
    visitor: &'v mut V,
    offset: u32,
}

macro_rules! forward_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) {
            self.visitor.operator(self.offset, &Operator::$op $({ $($arg),* })?);
        }
    )*};
}

impl<'a, V: Visitor> VisitOperator<'a> for Adapter<'_, V> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(forward_operators);
}

macro_rules! forward_vector_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        fn $visit(&mut self $($(, _: $ty)*)?) {
            self.visitor.vector_operator();
        }
    )*};
}

impl<'a, V: Visitor> VisitSimdOperator<'a> for Adapter<'_, V> {
    wasmparser::for_each_visit_simd_operator!(forward_vector_operators);
}
