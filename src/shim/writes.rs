//! The instructions that change tables.

use super::mismatch::Mismatches;
use crate::error::Result;
use crate::index::{ElemIdx, FuncIdx, TableIdx};
use crate::work;
use std::collections::BTreeSet;
use std::ops::Range;
use wasmparser::Operator;

/// What an instruction does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TableChange {
    /// `table.set` of a value that is not known.
    Set { table: TableIdx },
    /// `table.set` right after `ref.func`.
    SetFunc { table: TableIdx },
    /// `table.grow`
    Grow { table: TableIdx },
    /// `table.fill`
    Fill { table: TableIdx },
    /// `table.copy`
    Copy { to: TableIdx, from: TableIdx },
    /// `table.init`
    Init { table: TableIdx, segment: ElemIdx },
}

impl TableChange {
    /// The table that it changes.
    pub(super) fn table(self) -> TableIdx {
        match self {
            TableChange::Set { table }
            | TableChange::SetFunc { table }
            | TableChange::Grow { table }
            | TableChange::Fill { table }
            | TableChange::Copy { to: table, .. }
            | TableChange::Init { table, .. } => table,
        }
    }

    /// The instruction's name.
    pub(super) fn instruction(self) -> &'static str {
        match self {
            TableChange::Set { .. } | TableChange::SetFunc { .. } => "table.set",
            TableChange::Grow { .. } => "table.grow",
            TableChange::Fill { .. } => "table.fill",
            TableChange::Copy { .. } => "table.copy",
            TableChange::Init { .. } => "table.init",
        }
    }
}

/// An instruction that changes a table.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) func: FuncIdx,
    /// The instruction's bytes in the module.
    pub(super) range: Range<usize>,
    pub(super) operation: TableChange,
    /// For [`TableChange::SetFunc`]: the function.
    pub(super) value: Option<FuncIdx>,
}

/// All of them, in live code and dead, in functions where live code has any, and in those that are
/// changed for another reason.
pub(super) fn find_writes(
    mismatches: &Mismatches<'_>,
    changed: impl Iterator<Item = FuncIdx>,
) -> Result<Vec<Write>> {
    let module = mismatches.module;
    let funcs: BTreeSet<FuncIdx> = mismatches.indirect.writers().chain(changed).collect();
    let mut writes = Vec::new();
    for func in funcs {
        let mut before = None;
        for located in module.operators(func)? {
            work::count(1);
            let located = located?;
            if let Some(operation) = operation(&located.operator, before) {
                let value = before.filter(|_| matches!(operation, TableChange::SetFunc { .. }));
                writes.push(Write { func, range: located.range(), operation, value });
            }
            before = match located.operator {
                Operator::RefFunc { function_index } => Some(FuncIdx(function_index)),
                _ => None,
            };
        }
    }
    Ok(writes)
}

/// What an operator does to a table, if `before` is the function of a `ref.func` right before it.
pub(super) fn operation(operator: &Operator<'_>, before: Option<FuncIdx>) -> Option<TableChange> {
    Some(match *operator {
        Operator::TableSet { table } if before.is_some() => {
            TableChange::SetFunc { table: TableIdx(table) }
        }
        Operator::TableSet { table } => TableChange::Set { table: TableIdx(table) },
        Operator::TableGrow { table } => TableChange::Grow { table: TableIdx(table) },
        Operator::TableFill { table } => TableChange::Fill { table: TableIdx(table) },
        Operator::TableCopy { dst_table, src_table } => {
            TableChange::Copy { to: TableIdx(dst_table), from: TableIdx(src_table) }
        }
        Operator::TableInit { elem_index, table } => {
            TableChange::Init { table: TableIdx(table), segment: ElemIdx(elem_index) }
        }
        _ => return None,
    })
}
