//! The values that the analysis tells apart.
//!
//! A value is a small set of constants, joined with what symbols stand for: parameters of this
//! function and results of other functions, whose values are known only when all functions have
//! been looked at. Everything else is [`Values::ANY`].

use crate::index::FuncIdx;
use indexmap::IndexSet;

/// The most constants that a set keeps before it becomes `ANY`.
pub(in crate::analyze) const MAX_CONSTANTS: usize = 64;

/// The most symbols that a set keeps before it becomes `ANY`.
const MAX_SYMBOLS: usize = 8;

/// A value that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::analyze) enum Known {
    /// An integer; an `i32` is zero-extended.
    Int(u64),
    /// A reference to a function.
    Func(FuncIdx),
    /// A null reference.
    Null,
}

/// A value that is found out later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::analyze) enum Symbol {
    /// A parameter's value on entry, over all calls of the function.
    Param { func: FuncIdx, index: u32 },
    /// A result's value, over all returns of the function.
    Result { func: FuncIdx, index: u32 },
}

/// Any of the constants, or any value that one of the symbols has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::analyze) struct Set {
    /// In order, each once.
    pub(in crate::analyze) constants: Vec<Known>,
    /// In order, each once.
    pub(in crate::analyze) symbols: Vec<Symbol>,
}

impl Set {
    /// The union; `None` if it is too large to keep.
    pub(in crate::analyze) fn union(&self, other: &Set) -> Option<Set> {
        let union = Set {
            constants: merge(&self.constants, &other.constants),
            symbols: merge(&self.symbols, &other.symbols),
        };
        union.fits().then_some(union)
    }

    fn fits(&self) -> bool {
        self.constants.len() <= MAX_CONSTANTS && self.symbols.len() <= MAX_SYMBOLS
    }
}

fn merge<T: Copy + Ord>(left: &[T], right: &[T]) -> Vec<T> {
    let mut all = [left, right].concat();
    all.sort();
    all.dedup();
    all
}

/// A value of one function: `ANY`, or a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Value(u32);

/// The sets that a function's values are; equal sets are one value.
#[derive(Default)]
pub(super) struct Values {
    sets: IndexSet<Set>,
}

impl Values {
    /// Any value at all.
    pub(super) const ANY: Value = Value(0);

    pub(super) fn clear(&mut self) {
        self.sets.clear();
    }

    pub(super) fn constant(&mut self, constant: Known) -> Value {
        self.intern(Set { constants: vec![constant], symbols: Vec::new() })
    }

    pub(super) fn symbol(&mut self, symbol: Symbol) -> Value {
        self.intern(Set { constants: Vec::new(), symbols: vec![symbol] })
    }

    /// Any of these constants.
    pub(super) fn any_of(&mut self, constants: impl IntoIterator<Item = Known>) -> Value {
        let mut constants: Vec<_> = constants.into_iter().collect();
        constants.sort();
        constants.dedup();
        self.intern(Set { constants, symbols: Vec::new() })
    }

    fn intern(&mut self, set: Set) -> Value {
        if !set.fits() {
            return Self::ANY;
        }
        let (position, _) = self.sets.insert_full(set);
        Value(position as u32 + 1)
    }

    /// The set; `None` for `ANY`.
    pub(super) fn set(&self, value: Value) -> Option<&Set> {
        let position = value.0.checked_sub(1)?;
        self.sets.get_index(position as usize)
    }

    /// The constants, if the value is nothing else.
    pub(super) fn constants(&self, value: Value) -> Option<&[Known]> {
        let set = self.set(value)?;
        set.symbols.is_empty().then_some(&set.constants)
    }

    /// What is either value.
    pub(super) fn join(&mut self, left: Value, right: Value) -> Value {
        if left == right {
            return left;
        }
        let union = match (self.set(left), self.set(right)) {
            (Some(left), Some(right)) => left.union(right),
            _ => None,
        };
        union.map_or(Self::ANY, |set| self.intern(set))
    }
}
