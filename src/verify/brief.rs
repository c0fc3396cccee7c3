//! The operators that are most of a body, in a few bytes each.

use super::again::is_load;
use super::values::{Maker, maker};
use wasmparser::Operator;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brief {
    /// `local.get` and so on, of this local.
    Get(u32),
    Set(u32),
    Tee(u32),
    /// `i32.const`.
    I32(i32),
    /// What an operator gives that only computes.
    Computes {
        code: u16,
        operands: u8,
    },
    /// Control goes on behind it, and nothing changes.
    Nothing,
    /// A number is read from a memory, by its address, or written.
    Load,
    Store,
    /// What is not known in brief.
    Other,
}

impl Brief {
    /// What an operator is that is encoded in this way.
    pub fn of(operator: &Operator<'_>, encoded: &[u8]) -> Brief {
        use Operator as O;
        match *operator {
            O::LocalGet { local_index } => Brief::Get(local_index),
            O::LocalSet { local_index } => Brief::Set(local_index),
            O::LocalTee { local_index } => Brief::Tee(local_index),
            O::I32Const { value } => Brief::I32(value),
            O::Nop | O::Block { .. } | O::Try { .. } | O::TryTable { .. } => Brief::Nothing,
            _ if is_load(operator) => Brief::Load,
            O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. }
            | O::V128Store { .. } => Brief::Store,
            _ => match maker(operator, encoded) {
                Some(Maker::Computes { code, immediate: 0, operands: operands @ 1..=3 }) => {
                    Brief::Computes { code, operands: operands as u8 }
                }
                _ => Brief::Other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::again::may_run_again;
    use super::super::body::arity;
    use super::*;
    use crate::read::Module;
    use wasmparser::{BinaryReader, OperatorsReader};

    #[test]
    fn it_takes_and_gives_what_the_operator_does() {
        let module = Module::read(b"\0asm\x01\0\0\0").unwrap();
        let accesses = (0x28..=0x3e).map(|code| vec![code, 0, 0]);
        let others = (0x45..=0xc4).map(|code| vec![code]);
        let saturating = (0..=7).map(|code| vec![0xfc, code]);
        let mut known = 0;
        for encoded in accesses.chain(others).chain(saturating) {
            let operator = OperatorsReader::new(BinaryReader::new(&encoded, 0)).read().unwrap();
            let brief = Brief::of(&operator, &encoded);
            let effect = match brief {
                Brief::Load => (1, 1),
                Brief::Store => (2, 0),
                Brief::Computes { operands, .. } => (operands.into(), 1),
                // What may trap besides.
                Brief::Other => {
                    assert!(may_run_again(&operator), "{operator:?}");
                    continue;
                }
                other => panic!("{operator:?} became {other:?}"),
            };
            assert_eq!(arity(&module, &operator).unwrap(), effect, "{operator:?}");
            assert_eq!(may_run_again(&operator), brief == Brief::Load, "{operator:?}");
            known += 1;
        }
        // All but division and conversions that trap.
        assert_eq!(known, 23 + 128 + 8 - 16);
    }
}
