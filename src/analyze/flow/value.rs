//! The values that the analysis tells apart.
//!
//! A value is a small set of constants, joined with what symbols stand for: parameters of this
//! function and results of other functions, whose values are known only when all functions have
//! been looked at. Everything else is [`Values::ANY`].

use super::hash::QuickHash;
use crate::index::{FuncIdx, GlobalIdx};
use indexmap::IndexSet;
use std::collections::HashMap;

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

impl Known {
    /// The integer that it is, if it is one.
    pub(in crate::analyze) fn int(&self) -> Option<u64> {
        match self {
            Known::Int(int) => Some(*int),
            Known::Func(_) | Known::Null => None,
        }
    }
}

/// A value that is found out later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::analyze) enum Symbol {
    /// A parameter's value where the function begins, over all its calls.
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
    /// The union, however large.
    pub(super) fn both(&self, other: &Set) -> Set {
        Set {
            constants: merge(&self.constants, &other.constants),
            symbols: merge(&self.symbols, &other.symbols),
        }
    }

    /// Why a set that doesn't fit doesn't.
    fn too_large(&self) -> Cause {
        if self.constants.len() > MAX_CONSTANTS {
            Cause::TooManyConstants
        } else {
            Cause::TooManySymbols
        }
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

/// What made a value `ANY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::analyze) enum Cause {
    /// An operator whose result is not followed, whatever its operands.
    Operator,
    /// An operator on values that other functions know.
    Symbolic,
    /// More constants than a set keeps.
    TooManyConstants,
    /// More symbols than a set keeps.
    TooManySymbols,
    /// An import returned it.
    Import(FuncIdx),
    /// A call through a table or a reference returned it.
    DynamicCall,
    /// A global that is mutable, imported, or initialised with something that is not followed.
    Global(GlobalIdx),
    /// A parameter of a type that holds no index and no reference.
    Param,
    /// It changes from pass to pass through a loop.
    Loop,
    /// An exception was caught.
    Exception,
    /// No way that is known leads there.
    Unreachable,
}

/// Why a value is `ANY`: what, by the instruction at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::analyze) struct Unknown {
    /// In bytes from the start of the module; of an instruction that does it or is near to it.
    pub(in crate::analyze) offset: u32,
    pub(in crate::analyze) cause: Cause,
}

/// A value of one function: `ANY`, or a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Value(u32);

/// Marks a value that is `ANY` for a reason that is kept.
const UNKNOWN: u32 = 1 << 31;

/// The sets that a function's values are; equal sets are one value.
///
/// For an explanation each `ANY` also keeps what made it so. That changes nothing else: of two that
/// are joined the first stays.
#[derive(Default)]
pub(super) struct Values {
    sets: IndexSet<Set, QuickHash>,
    /// The sets of one member, and the unions of two sets: what is asked for over and over.
    constants: HashMap<Known, Value, QuickHash>,
    symbols: HashMap<Symbol, Value, QuickHash>,
    unions: HashMap<(Value, Value), Value, QuickHash>,
    /// `None`, unless reasons are kept.
    unknowns: Option<IndexSet<Unknown>>,
    /// Where the current operator is, in bytes from the start of the module.
    pub(super) offset: u32,
}

impl Values {
    /// Any value at all.
    pub(super) const ANY: Value = Value(0);

    /// Keeps what makes values `ANY`.
    pub(super) fn explaining() -> Values {
        Values { unknowns: Some(IndexSet::new()), ..Values::default() }
    }

    pub(super) fn clear(&mut self) {
        self.sets.clear();
        self.constants.clear();
        self.symbols.clear();
        self.unions.clear();
        if let Some(unknowns) = &mut self.unknowns {
            unknowns.clear();
        }
    }

    /// Any value at all, for this reason.
    pub(super) fn unknown(&mut self, cause: Cause) -> Value {
        let Some(unknowns) = &mut self.unknowns else { return Self::ANY };
        let (position, _) = unknowns.insert_full(Unknown { offset: self.offset, cause });
        Value(UNKNOWN | position as u32)
    }

    /// Why a value is `ANY`, if that was kept.
    pub(super) fn why(&self, value: Value) -> Option<Unknown> {
        let unknowns = self.unknowns.as_ref()?;
        (value.0 & UNKNOWN != 0).then(|| unknowns[(value.0 & !UNKNOWN) as usize])
    }

    pub(super) fn is_any(&self, value: Value) -> bool {
        self.set(value).is_none()
    }

    pub(super) fn constant(&mut self, constant: Known) -> Value {
        if let Some(value) = self.constants.get(&constant) {
            return *value;
        }
        let value = self.intern(Set { constants: vec![constant], symbols: Vec::new() });
        self.constants.insert(constant, value);
        value
    }

    pub(super) fn symbol(&mut self, symbol: Symbol) -> Value {
        if let Some(value) = self.symbols.get(&symbol) {
            return *value;
        }
        let value = self.intern(Set { constants: Vec::new(), symbols: vec![symbol] });
        self.symbols.insert(symbol, value);
        value
    }

    /// Any of these constants.
    pub(super) fn any_of(&mut self, constants: impl IntoIterator<Item = Known>) -> Value {
        let mut constants: Vec<_> = constants.into_iter().collect();
        constants.sort();
        constants.dedup();
        self.intern(Set { constants, symbols: Vec::new() })
    }

    /// A reference that is not null, for where it were it would have trapped.
    pub(super) fn non_null(&mut self, reference: Value) -> Value {
        match self.constants(reference) {
            Some(constants) => {
                let kept: Vec<_> =
                    constants.iter().copied().filter(|k| *k != Known::Null).collect();
                self.any_of(kept)
            }
            None => reference,
        }
    }

    fn intern(&mut self, set: Set) -> Value {
        if !set.fits() {
            return self.unknown(set.too_large());
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
        match (self.set(left), self.set(right)) {
            (Some(_), Some(_)) => self.union(left, right),
            (None, _) => left,
            (_, None) => right,
        }
    }

    /// What is either of two sets.
    fn union(&mut self, left: Value, right: Value) -> Value {
        if let Some(union) = self.unions.get(&(left, right)) {
            return *union;
        }
        let both = self.set(left).zip(self.set(right)).map(|(left, right)| left.both(right));
        let union = self.intern(both.unwrap_or_default());
        // What doesn't fit is unknown for a reason, which is another at another place.
        if !self.is_any(union) {
            self.unions.insert((left, right), union);
        }
        union
    }
}
