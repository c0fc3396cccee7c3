//! Expressions that say where a value is.
//!
//! Input: an expression, and the numbers that locals have. Output: the expression for these.

use gimli::constants as dw;
use gimli::{EndianSlice, Expression, LittleEndian, Operation, Reader};
use std::ops::Range;

use super::bytes::put_uleb;

/// The expression where locals have these numbers; `None` if it can't be said there: of a local that isn't there, of the operand stack,
/// or by way of DIEs of the unit that it is in.
pub(super) fn moved(
    expression: Expression<EndianSlice<'_, LittleEndian>>,
    encoding: gimli::Encoding,
    locals: &[u32],
) -> gimli::Result<Option<Vec<u8>>> {
    let bytes = expression.0;
    let mut operations = expression.operations(encoding);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(operation) = operations.next()? {
        let Range { start, end } = at..operations.offset_from(&expression);
        at = end;
        match operation {
            Operation::WasmLocal { index } => {
                let number = locals.get(index as usize).filter(|number| **number != u32::MAX);
                let Some(number) = number else { return Ok(None) };
                out.extend([dw::DW_OP_WASM_location.0, 0]);
                put_uleb(&mut out, u64::from(*number));
            }
            Operation::WasmStack { .. }
            | Operation::EntryValue { .. }
            | Operation::Call { .. }
            | Operation::ImplicitPointer { .. }
            | Operation::ParameterRef { .. }
            | Operation::VariableValue { .. }
            | Operation::Bra { .. }
            | Operation::Skip { .. } => return Ok(None),
            Operation::RegisterOffset { base_type, .. }
            | Operation::Deref { base_type, .. }
            | Operation::TypedLiteral { base_type, .. }
            | Operation::Convert { base_type }
            | Operation::Reinterpret { base_type }
                if base_type.0 != 0 =>
            {
                return Ok(None);
            }
            _ => out.extend_from_slice(&bytes.slice()[start..end]),
        }
    }
    debug_assert_eq!(at, bytes.len());
    Ok(Some(out))
}
