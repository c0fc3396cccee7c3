//! Which operators a rewind may run again, on operands on which they ran before.

use wasmparser::Operator as O;
use wasmparser::Operator;

/// Whether an operator reads, or traps, and does nothing else: a rewind may run it again on the same operands, where it does not
/// trap since it did not before.
pub(super) fn may_run_again(operator: &Operator<'_>) -> bool {
    matches!(operator, O::TableGet { .. }) || is_load(operator) || always_gives_the_same(operator)
}

/// Whether an operator reads a number from a memory, by its address.
pub(super) fn is_load(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::V128Load { .. }
    )
}

/// Whether such an operator gives the same for the same operands, if it does not trap.
pub(super) fn always_gives_the_same(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        O::I32DivS
            | O::I32DivU
            | O::I32RemS
            | O::I32RemU
            | O::I64DivS
            | O::I64DivU
            | O::I64RemS
            | O::I64RemU
            | O::I32TruncF32S
            | O::I32TruncF32U
            | O::I32TruncF64S
            | O::I32TruncF64U
            | O::I64TruncF32S
            | O::I64TruncF32U
            | O::I64TruncF64S
            | O::I64TruncF64U
            | O::RefAsNonNull
            | O::RefCastNonNull { .. }
            | O::RefCastNullable { .. }
    )
}
