//! The operator at an offset: its name, and what it has to do with memories. For explanations only.

use crate::index::{FuncIdx, MemoryIdx};
use crate::read::Module;
use wasmparser::{MemArgTarget, Operator, VisitOperator, VisitSimdOperator};

/// The name of the instruction of `func` at `offset`, in bytes from the start of the module, as the
/// specification spells it.
pub(in crate::analyze) fn name(module: &Module<'_>, func: FuncIdx, offset: u32) -> Option<String> {
    module.reader_at(func, offset).ok()?.visit_operator(&mut Methods).ok().map(spell)
}

/// The memory that the instruction at `offset` reads and does not write, if it is a load.
pub(in crate::analyze) fn loaded_memory(
    module: &Module<'_>,
    func: FuncIdx,
    offset: u32,
) -> Option<MemoryIdx> {
    match module.operator_at(func, offset).ok()?.operator {
        Operator::I32Load { memarg }
        | Operator::I32Load8S { memarg }
        | Operator::I32Load8U { memarg }
        | Operator::I32Load16S { memarg }
        | Operator::I32Load16U { memarg }
        | Operator::I64Load { memarg }
        | Operator::I64Load8S { memarg }
        | Operator::I64Load8U { memarg }
        | Operator::I64Load16S { memarg }
        | Operator::I64Load16U { memarg }
        | Operator::I64Load32S { memarg }
        | Operator::I64Load32U { memarg }
        | Operator::I32AtomicLoad { memarg }
        | Operator::I32AtomicLoad8U { memarg }
        | Operator::I32AtomicLoad16U { memarg }
        | Operator::I64AtomicLoad { memarg }
        | Operator::I64AtomicLoad8U { memarg }
        | Operator::I64AtomicLoad16U { memarg }
        | Operator::I64AtomicLoad32U { memarg } => match memarg.target {
            MemArgTarget::Memory(memory) => Some(MemoryIdx(memory)),
            _ => None,
        },
        _ => None,
    }
}

/// Names each operator by the parser's method for it: `visit_i32_load8_s`.
struct Methods;

macro_rules! name_methods {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        fn $visit(&mut self $($(, _: $ty)*)?) -> &'static str {
            stringify!($visit)
        }
    )*};
}

impl<'a> VisitOperator<'a> for Methods {
    type Output = &'static str;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = &'static str>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(name_methods);
}

impl<'a> VisitSimdOperator<'a> for Methods {
    wasmparser::for_each_visit_simd_operator!(name_methods);
}

/// What stands before the dot in the specification's names.
const NAMESPACES: [&str; 19] = [
    "i32", "i64", "f32", "f64", "v128", "i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2",
    "ref", "table", "memory", "global", "local", "struct", "array", "i31",
];

/// `visit_i32_load8_s` is `i32.load8_s`.
fn spell(method: &str) -> String {
    let method = method.strip_prefix("visit_").unwrap_or(method);
    match method.split_once('_') {
        Some((namespace, rest)) if NAMESPACES.contains(&namespace) => {
            let rest = match rest.strip_prefix("atomic_") {
                Some(atomic) => format!("atomic.{}", atomic.replacen("rmw_", "rmw.", 1)),
                None => rest.into(),
            };
            format!("{namespace}.{rest}")
        }
        _ => method.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for (method, name) in [
            ("visit_i32_load8_s", "i32.load8_s"),
            ("visit_i64_atomic_rmw_add", "i64.atomic.rmw.add"),
            ("visit_table_get", "table.get"),
            ("visit_select", "select"),
            ("visit_call_indirect", "call_indirect"),
        ] {
            assert_eq!(spell(method), name);
        }
    }
}
