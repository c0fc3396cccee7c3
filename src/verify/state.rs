//! What is known where an original and its instrumented function stand together, and how two such states join.
//!
//! A *place* is a local or operand of either. Two places hold the same value if they hold the same name, so a state is a partition
//! of places; where states join, what is left is the intersection: places stay together that are together in both. Terms are looked into:
//! of two sums the join is the sum of the joins, if both add up the same.
//!
//! ```text
//!   state 1     a: x   b: x   c: y   d: x + 1        a and b hold the same; d is one more
//!   state 2     a: u   b: u   c: u   d: u + 1
//!   their join  a: m   b: m   c: n   d: m + 1        where m names (x, u), and n names (y, u)
//! ```

use super::activation::Activation;
use super::values::{QuickMap, SOME_REFERENCE, Term, Value, Values};
use crate::work;
use wasmparser::ValType;

/// An operator of the original that was run since control last came together, and that a rewind may run again.
#[derive(Clone, Debug)]
pub(super) struct Performed {
    /// The position of the operator.
    pub at: u32,
    pub operands: Vec<Value>,
    pub result: Value,
}

/// Original and instrumented function, side by side.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub original: Activation,
    pub copy: Activation,
    pub performed: Vec<Performed>,
}

impl State {
    /// All places, those of the original first.
    fn places(&self) -> impl Iterator<Item = Value> + '_ {
        let Activation { locals, stack, caught, .. } = &self.original;
        let original = locals.iter().chain(stack).chain(caught);
        let Activation { locals, stack, caught, .. } = &self.copy;
        let copy = locals.iter().chain(stack).chain(caught);
        let performed = self.performed.iter();
        let performed = performed.flat_map(|one| one.operands.iter().chain([&one.result]));
        original.chain(copy).chain(performed).copied()
    }

    fn places_mut(&mut self) -> impl Iterator<Item = &mut Value> + '_ {
        let Activation { locals, stack, caught, .. } = &mut self.original;
        let original = locals.iter_mut().chain(stack).chain(caught);
        let Activation { locals, stack, caught, .. } = &mut self.copy;
        let copy = locals.iter_mut().chain(stack).chain(caught);
        let performed = self.performed.iter_mut();
        let performed = performed.flat_map(|one| one.operands.iter_mut().chain([&mut one.result]));
        original.chain(copy).chain(performed)
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.places().count()
    }

    fn shape(&self) -> [usize; 4] {
        let Activation { locals, stack, .. } = &self.original;
        [locals.len(), stack.len(), self.copy.locals.len(), self.copy.stack.len()]
    }

    /// Readies a state for joins: forgets what no place of the other side can ever be held against, and what deep terms are made of.
    pub fn settle(&mut self, values: &mut Values) {
        let mut shallow: QuickMap<Value, Value> = QuickMap::default();
        for place in self.places_mut() {
            if !values.is_shallow(*place) {
                *place = *shallow.entry(*place).or_insert_with(|| values.opaque());
            }
        }
        values.clear_marks();
        let Activation { locals, stack, caught, .. } = &self.original;
        for value in locals.iter().chain(stack).chain(caught) {
            values.mark(*value);
            // What is thrown again needs what it carries.
            values.mark_carried(*value);
        }
        for one in &self.performed {
            work::count(1);
            one.operands.iter().chain([&one.result]).for_each(|value| values.mark(*value));
        }
        let copy = &mut self.copy;
        let places = copy.locals.iter_mut().chain(&mut copy.stack).chain(&mut copy.caught);
        for value in places {
            work::count(1);
            // A rewind may cast a reference that nobody looks at: that it is not null counts.
            let counts = values.is_marked(*value) || values.is_not_null(*value);
            if !counts && values.term(*value) == Term::Opaque {
                *value = Value::UNDEFINED;
            }
        }
    }

    /// Makes this what holds in both states. Says whether it knows less now; `None` if they don't fit together.
    pub fn join(&mut self, mut other: State, values: &mut Values) -> Option<bool> {
        if self.shape() != other.shape() {
            return None;
        }
        // What was done last on both ways.
        let both = self.performed.iter().rev().zip(other.performed.iter().rev());
        let same = both.take_while(|(one, other)| one.at == other.at).count();
        let less = same < self.performed.len();
        self.performed.drain(..self.performed.len() - same);
        other.performed.drain(..other.performed.len() - same);
        if !less {
            let mut renaming = Renaming { values, names: QuickMap::default() };
            let mut pairs = self.places().zip(other.places());
            if pairs.all(|(old, new)| renaming.is_known(old, new)) {
                return Some(false);
            }
        }
        let mut join = Join { values, pairs: QuickMap::default() };
        let new: Vec<_> = other.places().collect();
        for (place, new) in self.places_mut().zip(new) {
            work::count(1);
            *place = join.of(*place, new);
        }
        Some(true)
    }
}

/// Finds out whether one state says nothing that another doesn't: whether each name of it stands for one name of the other.
struct Renaming<'v> {
    values: &'v Values,
    names: QuickMap<Value, Value>,
}

impl Renaming<'_> {
    fn is_known(&mut self, old: Value, new: Value) -> bool {
        work::count(1);
        if old == Value::UNDEFINED {
            return true;
        }
        match self.values.term(old) {
            Term::Opaque => {
                let ty = self.values.type_of(old);
                let same = ty.is_none_or(|ty| {
                    let some = ty == SOME_REFERENCE;
                    self.values.type_of(new) == Some(ty) || some && self.values.is_not_null(new)
                });
                let excluded = self.values.excluded(old).iter();
                let same = same && excluded.copied().all(|tag| self.values.excludes(new, tag));
                same && *self.names.entry(old).or_insert(new) == new
            }
            Term::Special | Term::Const(..) | Term::Cursor(_) => old == new,
            Term::Computed { code, immediate, operands } => {
                let Term::Computed { code: other, immediate: same, operands: others } =
                    self.values.term(new)
                else {
                    return false;
                };
                (code, immediate) == (other, same)
                    && operands.iter().zip(others).all(|(old, new)| self.is_known(*old, new))
            }
        }
    }
}

/// Names pairs of values.
struct Join<'v> {
    values: &'v mut Values,
    pairs: QuickMap<(Value, Value), Value>,
}

impl Join<'_> {
    fn of(&mut self, left: Value, right: Value) -> Value {
        if left == Value::UNDEFINED || right == Value::UNDEFINED {
            return Value::UNDEFINED;
        }
        if let Some(name) = self.pairs.get(&(left, right)) {
            return *name;
        }
        let name = self.name(left, right);
        self.pairs.insert((left, right), name);
        name
    }

    fn name(&mut self, left: Value, right: Value) -> Value {
        let fixed = |term| matches!(term, Term::Special | Term::Const(..) | Term::Cursor(_));
        if left == right && fixed(self.values.term(left)) {
            return left;
        }
        match (self.values.term(left), self.values.term(right)) {
            (
                Term::Computed { code, immediate, operands },
                Term::Computed { code: other, immediate: same, operands: others },
            ) if (code, immediate) == (other, same) => {
                let count = operands.iter().take_while(|value| **value != Value::UNDEFINED).count();
                let joined: Vec<_> =
                    (0..count).map(|at| self.of(operands[at], others[at])).collect();
                if joined.contains(&Value::UNDEFINED) {
                    return self.values.opaque();
                }
                self.values.computed(code, immediate, &joined)
            }
            _ if [left, right].iter().any(|side| !self.values.excluded(*side).is_empty()) => {
                let tags = self.values.excluded_by_both(left, right);
                self.values.opaque_exception(tags)
            }
            _ if self.values.type_of(left).is_some()
                && self.values.type_of(left) == self.values.type_of(right) =>
            {
                let ty = self.values.type_of(left).map(ValType::Ref);
                self.values.opaque_of(ty.unwrap_or(ValType::Ref(SOME_REFERENCE)))
            }
            _ if self.values.is_not_null(left) && self.values.is_not_null(right) => {
                self.values.opaque_of(ValType::Ref(SOME_REFERENCE))
            }
            _ => self.values.opaque(),
        }
    }
}
