//! Solves for the values of symbols: the least sets that satisfy all definitions.
//!
//! Each symbol's set only grows, and stops at [`MAX_CONSTANTS`]; so each mention of a symbol in a
//! definition is looked at a bounded number of times.

use super::summary::Write;
use super::value::{Known, MAX_CONSTANTS, Set, Symbol};
use crate::work;
use std::collections::{BTreeMap, BTreeSet};

/// The values of a symbol or a set; `None` for any.
pub(in crate::analyze) type Solution = Option<Vec<Known>>;

#[derive(Default)]
pub(super) struct Solver {
    definitions: BTreeMap<Symbol, Option<Vec<Set>>>,
    solutions: BTreeMap<Symbol, Solution>,
}

impl Solver {
    pub(super) fn len(&self) -> usize {
        self.definitions.len()
    }

    pub(super) fn is_defined(&self, symbol: Symbol) -> bool {
        self.definitions.contains_key(&symbol)
    }

    /// `definition`: the sets whose union the symbol is, `None` for anything.
    pub(super) fn define(&mut self, symbol: Symbol, definition: Option<Vec<Set>>) {
        self.definitions.insert(symbol, definition);
    }

    /// Finds the least solution. A symbol without definition can be anything.
    pub(super) fn run(&mut self) {
        let users = self.users();
        for symbol in users.keys() {
            self.solutions.entry(*symbol).or_insert(None);
        }
        for (&symbol, definition) in &self.definitions {
            let constants = definition.as_ref().map(|sets| {
                let constants = sets.iter().flat_map(|set| &set.constants);
                constants.copied().collect::<Vec<_>>()
            });
            self.solutions.insert(symbol, constants.and_then(settle));
        }
        let mut pending: BTreeSet<Symbol> = self.solutions.keys().copied().collect();
        while let Some(symbol) = pending.pop_first() {
            for user in users.get(&symbol).into_iter().flatten() {
                work::count(1);
                if self.flow(symbol, *user) {
                    pending.insert(*user);
                }
            }
        }
    }

    /// For each symbol those in whose definitions it is.
    fn users(&self) -> BTreeMap<Symbol, BTreeSet<Symbol>> {
        let mut users: BTreeMap<Symbol, BTreeSet<Symbol>> = BTreeMap::new();
        for (&symbol, definition) in &self.definitions {
            for used in definition.iter().flatten().flat_map(|set| &set.symbols) {
                work::count(1);
                users.entry(*used).or_default().insert(symbol);
            }
        }
        users
    }

    /// Adds the values of `from` to those of `to`; whether that changed them.
    fn flow(&mut self, from: Symbol, to: Symbol) -> bool {
        let get = |symbol| self.solutions.get(&symbol).and_then(Option::as_ref);
        let Some(before) = get(to) else {
            return false;
        };
        let after = get(from).and_then(|new| settle([before.as_slice(), new].concat()));
        if after.as_ref() == Some(before) {
            return false;
        }
        self.solutions.insert(to, after);
        true
    }

    /// All values of a set; `None` for any.
    fn resolve(&self, set: &Set) -> Solution {
        let mut all = set.constants.clone();
        for symbol in &set.symbols {
            all.extend(self.solutions.get(symbol)?.as_ref()?);
        }
        settle(all)
    }

    /// All values of an operand that chooses a target; `None` for any.
    ///
    /// An operand without values is never reached. Which functions run at all is not decided here
    /// and not relied on anywhere else, so it counts as any.
    pub(super) fn resolve_operand(&self, set: &Set) -> Solution {
        self.resolve(set).filter(|known| !known.is_empty())
    }

    /// The same write with constants only.
    pub(super) fn resolve_write(&self, write: &Write<Option<Set>>) -> Write<Solution> {
        write.map(|operand| self.resolve_operand(operand.as_ref()?))
    }
}

fn settle(mut all: Vec<Known>) -> Solution {
    all.sort();
    all.dedup();
    (all.len() <= MAX_CONSTANTS).then_some(all)
}
