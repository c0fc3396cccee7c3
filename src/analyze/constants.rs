//! Values of constant expressions: initial values of globals and tables, offsets and items of
//! element segments.

use crate::index::{FuncIdx, GlobalIdx, IndexVec};
use crate::read::Module;
use crate::work;
use wasmparser::{ConstExpr, Operator};

/// What a constant expression evaluates to, as far as an instance is not needed to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    /// An integer; an `i32` is zero-extended.
    Int(u64),
    /// A reference to a function of this module's function index space.
    Func(FuncIdx),
    /// A null reference.
    Null,
    /// Anything else: an imported global's value, a number that is no index, a heap object.
    Unknown,
}

/// The values of the immutable globals.
pub(super) struct Constants {
    globals: IndexVec<GlobalIdx, Constant>,
}

impl Constants {
    pub(super) fn new(module: &Module<'_>) -> Constants {
        let mut constants = Constants { globals: IndexVec::default() };
        // A constant expression reads only globals that precede it, so one pass suffices.
        for global in module.globals.iter() {
            work::count(1);
            let value = match &global.init {
                Some(init) if !global.ty.mutable => constants.eval(init),
                _ => Constant::Unknown,
            };
            constants.globals.push(value);
        }
        constants
    }

    /// The value of an immutable global; `Unknown` for a mutable or imported one.
    pub(super) fn global(&self, global: GlobalIdx) -> Constant {
        self.globals.get(global).copied().unwrap_or(Constant::Unknown)
    }

    pub(super) fn eval(&self, expr: &ConstExpr<'_>) -> Constant {
        let mut stack = Vec::new();
        for operator in expr.get_operators_reader() {
            match operator {
                Ok(Operator::End) => break,
                Ok(operator) if self.step(&operator, &mut stack).is_some() => {}
                _ => return Constant::Unknown,
            }
        }
        stack.pop().unwrap_or(Constant::Unknown)
    }

    /// One operator; `None` for one that makes no index and no reference to a function.
    fn step(&self, operator: &Operator<'_>, stack: &mut Vec<Constant>) -> Option<()> {
        let value = match *operator {
            Operator::I32Const { value } => Constant::Int(u64::from(value as u32)),
            Operator::I64Const { value } => Constant::Int(value as u64),
            Operator::GlobalGet { global_index } => self.global(GlobalIdx(global_index)),
            Operator::RefFunc { function_index } => Constant::Func(FuncIdx(function_index)),
            Operator::RefNull { .. } => Constant::Null,
            Operator::I32Add => narrow(binary(stack, u64::wrapping_add)?),
            Operator::I32Sub => narrow(binary(stack, u64::wrapping_sub)?),
            Operator::I32Mul => narrow(binary(stack, u64::wrapping_mul)?),
            Operator::I64Add => binary(stack, u64::wrapping_add)?,
            Operator::I64Sub => binary(stack, u64::wrapping_sub)?,
            Operator::I64Mul => binary(stack, u64::wrapping_mul)?,
            _ => return None,
        };
        stack.push(value);
        Some(())
    }
}

fn binary(stack: &mut Vec<Constant>, f: fn(u64, u64) -> u64) -> Option<Constant> {
    let (right, left) = (stack.pop()?, stack.pop()?);
    Some(match (left, right) {
        (Constant::Int(left), Constant::Int(right)) => Constant::Int(f(left, right)),
        _ => Constant::Unknown,
    })
}

fn narrow(value: Constant) -> Constant {
    match value {
        Constant::Int(value) => Constant::Int(u64::from(value as u32)),
        other => other,
    }
}

/// Calls `take` for every function that the expression mentions by `ref.func`, whatever it makes
/// of the reference.
pub(super) fn funcs_in(expr: &ConstExpr<'_>, mut take: impl FnMut(FuncIdx)) {
    for operator in expr.get_operators_reader().into_iter().map_while(Result::ok) {
        if let Operator::RefFunc { function_index } = operator {
            take(FuncIdx(function_index));
        }
    }
}
