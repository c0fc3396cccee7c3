//! Shows a body's operators to the walk, each as a call of its own.
//!
//! Reading an operator as a value, matching on it to walk, to find its arity and once more to validate it, costs several times
//! what validating costs. Here each kind of operator has its own copy of the walk's code for operators that only compute,
//! in which all of that is decided; the others, which are few, go the long way.

use super::operands::{Purity, purity};
use super::walk::{Stop, Validator, Walk};
use crate::analyze::Site;
use wasmparser::{FrameKind, FrameStack, Operator, VisitOperator, VisitSimdOperator};

/// One operator of a walk.
pub(super) struct Pass<'w, 'm, 'a> {
    pub walk: &'w mut Walk<'m, 'a>,
    /// Its offset.
    pub offset: u32,
    /// The site that it is.
    pub site: Option<&'w Site>,
}

/// How many values an operator takes and gives, for those with fixed numbers.
macro_rules! arity {
    ($memarg:ident; arity memarg $pops:tt -> $pushes:tt) => {
        match $memarg.target {
            wasmparser::MemArgTarget::Memory(_) => Some(($pops, $pushes)),
            wasmparser::MemArgTarget::Array(_) => None,
        }
    };
    ($($arg:ident)*; arity $pops:tt -> $pushes:tt) => {
        Some(($pops, $pushes))
    };
    // The argument of a memory comes first.
    ($memarg:ident $($rest:ident)+; arity memarg $pops:tt -> $pushes:tt) => {
        arity!($memarg; arity memarg $pops -> $pushes)
    };
    ($($arg:ident)*; arity custom) => {
        None
    };
}

/// Whether the operator is one on memory at an address.
macro_rules! is_on_memory {
    (arity memarg $($rest:tt)*) => {
        true
    };
    ($($rest:tt)*) => {
        false
    };
}

macro_rules! visit_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Result<(), Stop> {
            let (offset, arity) = (self.offset, arity!($($($arg)*)?; $($arity)*));
            let op = Operator::$op $({ $($arg: $arg.clone()),* })?;
            let mut validate = |validator: &mut Validator| {
                validator.visitor(u64::from(offset)).$visit($($($arg.clone()),*)?)
            };
            let purity = purity(&op, &self.walk.module.globals);
            let only_computes = is_on_memory!($($arity)*) || !matches!(purity, Purity::Impure);
            match arity {
                Some(arity) if only_computes => {
                    self.walk.computes(purity, offset, arity, &mut validate)
                }
                _ => self.walk.operator((&op, arity), self.site, offset, &mut validate),
            }
        }
    )*};
}

#[allow(clippy::clone_on_copy)]
impl<'a> VisitOperator<'a> for Pass<'_, '_, '_> {
    type Output = Result<(), Stop>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_operators);
}

/// Vector operators are many, and seldom: they go the long way.
macro_rules! visit_vector_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Result<(), Stop> {
            self.vector_operator(&Operator::$op $({ $($arg),* })?)
        }
    )*};
}

impl<'a> VisitSimdOperator<'a> for Pass<'_, '_, '_> {
    wasmparser::for_each_visit_simd_operator!(visit_vector_operators);
}

impl FrameStack for Pass<'_, '_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.walk.validator.get_control_frame(0).map(|frame| frame.kind)
    }
}

impl Pass<'_, '_, '_> {
    fn vector_operator(&mut self, op: &Operator<'_>) -> Result<(), Stop> {
        let offset = self.offset;
        let mut validate = |validator: &mut Validator| validator.op(u64::from(offset), op);
        self.walk.operator((op, None), self.site, offset, &mut validate)
    }
}
