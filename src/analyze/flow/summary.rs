//! What an interpreted body leaves behind.

use super::value::{Set, Unknown};
use crate::index::{ElemIdx, FuncIdx, TableIdx};
use std::collections::BTreeMap;

/// What a body does with values that matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BodySummary {
    /// The index or reference of each dynamic call, in order of offset; `None` for any.
    pub(super) dynamics: Vec<Option<Set>>,
    /// The arguments of direct calls, joined by callee and parameter; any if absent.
    pub(super) args: BTreeMap<(FuncIdx, u32), Set>,
    /// The results, over all returns; `None` for any.
    pub(super) results: Vec<Option<Set>>,
    pub(super) writes: Vec<Write<Option<Set>>>,
}

/// Where the values of an interpreted body that matter come from.
pub(super) struct Origins {
    /// Of the index or reference of each dynamic call, in order of offset.
    pub(super) dynamics: Vec<Origin>,
    /// Of the arguments of direct calls, joined by callee and parameter.
    pub(super) args: BTreeMap<(FuncIdx, u32), Origin>,
    /// Of the results, over all returns; none for a function that never returns.
    pub(super) results: Vec<Origin>,
}

/// Where a value comes from.
pub(super) enum Origin {
    Set(Set),
    /// It is anything, for this reason.
    Unknown(Option<Unknown>),
}

/// An instruction that writes to a table; `V` is what is known of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analyze) struct Write<V> {
    pub(in crate::analyze) table: TableIdx,
    /// The first slot that it writes.
    pub(in crate::analyze) at: V,
    /// How many slots it writes.
    pub(in crate::analyze) len: V,
    pub(in crate::analyze) what: Written<V>,
}

/// What a write puts into the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analyze) enum Written<V> {
    /// `table.set`, `table.fill` and `table.grow`: a value.
    Value(V),
    /// `table.init`: the items of a segment, from a position on.
    Segment { segment: ElemIdx, from: V },
    /// `table.copy`: the slots of a table, from one on.
    Slots { table: TableIdx, from: V },
}

impl<V> Write<V> {
    /// The same write with other knowledge of its operands.
    pub(super) fn map<W>(&self, mut f: impl FnMut(&V) -> W) -> Write<W> {
        Write {
            table: self.table,
            at: f(&self.at),
            len: f(&self.len),
            what: match &self.what {
                Written::Value(value) => Written::Value(f(value)),
                Written::Segment { segment, from } => {
                    Written::Segment { segment: *segment, from: f(from) }
                }
                Written::Slots { table, from } => Written::Slots { table: *table, from: f(from) },
            },
        }
    }
}
