//! What an interpreted body leaves behind.

use super::value::{Set, Unknown};
use crate::index::{FuncIdx, TableIdx};
use std::collections::BTreeMap;

/// What a body does with values that matter.
#[derive(Default)]
pub(super) struct Summary {
    /// The index or reference of each dynamic call, in order of offset; `None` for any.
    pub(super) dynamics: Vec<Option<Set>>,
    /// The arguments of direct calls, joined by callee and parameter; any if absent.
    pub(super) args: BTreeMap<(FuncIdx, u32), Set>,
    /// The results, over all returns; `None` for any.
    pub(super) results: Vec<Option<Set>>,
    pub(super) writes: Vec<Write>,
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

/// An instruction that writes to a table. `table.init` is none of these: nothing of what it writes
/// has to be followed.
#[derive(Clone, Debug)]
pub(in crate::analyze) enum Write {
    /// `table.set`, `table.fill` and `table.grow`: a value, at some slots (`None`: any).
    Value { table: TableIdx, at: Option<Set>, value: Option<Set> },
    /// `table.copy`.
    Copy { to: TableIdx, from: TableIdx },
}
