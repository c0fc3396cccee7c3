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
use super::body::Body;
use super::values::{MOST_DEPTH, QuickMap, SOME_REFERENCE, Term, Value, Values};
use crate::work;
use wasmparser::ValType;

/// An operator of the original that was run since control last came together, and that a rewind may run again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Performed {
    /// The position of the operator.
    pub at: u32,
    /// Its operands; what is missing of two is undefined.
    pub operands: [Value; 2],
    pub result: Value,
}

impl Performed {
    pub fn new(at: u32, operands: &[Value], result: Value) -> Option<Performed> {
        let operands = match *operands {
            [one] => [one, Value::UNDEFINED],
            [one, other] => [one, other],
            _ => return None,
        };
        Some(Performed { at, operands, result })
    }

    /// Its operands, and what it gave.
    fn values(&self) -> [Value; 3] {
        [self.operands[0], self.operands[1], self.result]
    }

    /// Whether it had these operands.
    pub fn took(&self, operands: &[Value]) -> bool {
        let [first, second] = self.operands;
        match *operands {
            [one] => first == one && second == Value::UNDEFINED,
            [one, other] => first == one && second == other,
            _ => false,
        }
    }
}

/// Of how many operators it is noted at least that they were performed, and at most of twice as many.
const MOST_PERFORMED: usize = 64;

/// How deep it is looked into terms for what they are made of.
const LOOKED_INTO: u8 = 4;

/// Original and instrumented function, side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub original: Activation,
    pub copy: Activation,
    pub performed: Vec<Performed>,
}

impl State {
    /// Makes it the same as another, in the room that it has.
    pub fn assign(&mut self, other: &State) {
        self.original.assign(&other.original);
        self.copy.assign(&other.copy);
        self.performed.clone_from(&other.performed);
    }

    /// Control came together here, which was heeded.
    pub fn goes_on(&mut self) {
        for activation in [&mut self.original, &mut self.copy] {
            (activation.joined, activation.entered) = (false, None);
        }
    }

    /// Notes that an operator was performed.
    pub fn perform(&mut self, performed: Performed) {
        if self.performed.len() >= 2 * MOST_PERFORMED {
            self.performed.drain(..MOST_PERFORMED);
        }
        self.performed.push(performed);
    }

    /// All places, those of the original first, but for what was performed.
    fn places(&self) -> [&[Value]; 6] {
        let Activation { locals, stack, caught, .. } = &self.original;
        let Activation { locals: in_copy, stack: of_copy, caught: by_copy, .. } = &self.copy;
        [locals, stack, caught, in_copy, of_copy, by_copy]
    }

    fn places_mut(&mut self) -> [&mut [Value]; 6] {
        let Activation { locals, stack, caught, .. } = &mut self.original;
        let Activation { locals: in_copy, stack: of_copy, caught: by_copy, .. } = &mut self.copy;
        [locals, stack, caught, in_copy, of_copy, by_copy]
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.places().iter().map(|places| places.len()).sum::<usize>() + 3 * self.performed.len()
    }

    /// Forgets the original's locals that nobody reads.
    pub fn forget(&mut self, live: &[u64]) {
        for (locals, word) in self.original.locals.chunks_mut(64).zip(live) {
            for (value, bit) in locals.iter_mut().zip(0..) {
                value.keep_if(word >> bit & 1 != 0);
            }
        }
    }

    /// Forgets what was performed for anything else than operands, and what they are made of: that alone a rewind runs again.
    pub fn forget_performed(&mut self, values: &mut Values) {
        if self.performed.is_empty() || self.original.stack.is_empty() {
            self.performed.clear();
            return;
        }
        values.clear_marks();
        self.original.stack.iter().for_each(|value| values.mark_all(*value, MOST_DEPTH));
        self.performed.reverse();
        self.performed.retain(|one| {
            work::count(1);
            let counts = values.is_marked(one.result);
            if counts {
                one.operands.iter().for_each(|operand| values.mark_all(*operand, MOST_DEPTH));
            }
            counts
        });
        self.performed.reverse();
    }

    fn shape(&self) -> [usize; 4] {
        let Activation { locals, stack, .. } = &self.original;
        [locals.len(), stack.len(), self.copy.locals.len(), self.copy.stack.len()]
    }

    /// Readies a state for joins: forgets what deep terms are made of.
    pub fn flatten(&mut self, values: &mut Values) {
        if values.are_shallow() {
            return;
        }
        let mut shallow: QuickMap<Value, Value> = QuickMap::default();
        let mut flatten = |place: &mut Value| {
            if !values.is_shallow(*place) {
                *place = *shallow.entry(*place).or_insert_with(|| values.opaque());
            }
        };
        for one in &mut self.performed {
            one.operands.iter_mut().chain([&mut one.result]).for_each(&mut flatten);
        }
        for places in self.places_mut() {
            places.iter_mut().for_each(&mut flatten);
        }
    }

    /// Expects of the locals that are set in a loop that they hold the same in both at its start, whatever that is: it is not what they
    /// hold where it is entered, and the loop needn't be followed again to find that out. `is_own`: a local has the same number in both.
    pub fn expect(&mut self, values: &mut Values, body: &Body<'_>, set: [&[u32]; 2], is_own: bool) {
        let [set, in_copy] = set;
        let (originals, copies) = (&mut self.original.locals, &mut self.copy.locals);
        for local in set.iter().map(|local| *local as usize) {
            work::count(1);
            let (value, ty) = (originals[local], body.locals[local]);
            if value == Value::UNDEFINED || ty.is_reference_type() {
                continue;
            }
            let other = match is_own {
                true => Some(local).filter(|local| copies.get(*local) == Some(&value)),
                false if values.term(value) == Term::Opaque => {
                    let mut held = in_copy.iter().map(|local| *local as usize);
                    held.find(|local| copies.get(*local) == Some(&value))
                }
                false => None,
            };
            if let Some(other) = other {
                let expected = values.opaque();
                (originals[local], copies[other]) = (expected, expected);
            }
        }
    }

    /// Forgets what no place of the other side can ever be held against; and of the copy's locals those with the number of one that
    /// nobody reads.
    pub fn settle(&mut self, values: &mut Values, live: Option<&[u64]>) {
        values.clear_marks();
        let Activation { locals, stack, caught, .. } = &self.original;
        for value in stack {
            work::count(1);
            values.mark_all(*value, MOST_DEPTH);
        }
        // What a rewind computes again needs what it is made of.
        let again = self.performed.iter().flat_map(|one| one.operands.iter().chain([&one.result]));
        for value in again {
            work::count(1);
            values.mark_all(*value, MOST_DEPTH);
        }
        for value in locals.iter().chain(caught) {
            values.mark(*value);
            // What is thrown again needs what it carries.
            values.mark_carried(*value);
        }
        let copy = &mut self.copy;
        let places = copy.locals.iter_mut().chain(&mut copy.stack).chain(&mut copy.caught);
        for (place, value) in places.enumerate() {
            work::count(1);
            // A rewind may cast a reference that nobody looks at: that it is not null counts.
            let counts = values.is_marked(*value) || values.is_not_null(*value);
            let is_read = place >= self.original.locals.len()
                || live.is_none_or(|live| live[place / 64] >> (place % 64) & 1 != 0);
            if !(counts || is_read && values.is_made_of_marked(*value, LOOKED_INTO)) {
                *value = Value::UNDEFINED;
            }
        }
    }

    /// Whether all that it knows is so in another, under the same names.
    fn is_in(&self, other: &State) -> bool {
        let is_known = |(old, new): (&Value, &Value)| old == new || *old == Value::UNDEFINED;
        let mut lists = self.places().into_iter().zip(other.places());
        let mut both = self.performed.iter().zip(&other.performed);
        lists.all(|(old, new)| old.iter().zip(new).all(is_known))
            && both.all(|(old, new)| old.values().iter().zip(&new.values()).all(is_known))
    }

    /// Makes this what holds in both states. Says whether it knows less now, which needn't be found out if that is `expected`; `None` if
    /// they don't fit together.
    pub fn join(&mut self, other: &mut State, values: &mut Values, expected: bool) -> Option<bool> {
        if self.shape() != other.shape() {
            return None;
        }
        // What was done last on both ways.
        let both = self.performed.iter().rev().zip(other.performed.iter().rev());
        let same = both.take_while(|(one, other)| one.at == other.at).count();
        let less = expected || same < self.performed.len();
        self.performed.drain(..self.performed.len() - same);
        other.performed.drain(..other.performed.len() - same);
        if !less {
            if self.is_in(other) {
                return Some(false);
            }
            values.clear_names();
            let mut renaming = Renaming { values };
            let mut known = |(old, new): (&Value, &Value)| renaming.is_known(*old, *new);
            let mut lists = self.places().into_iter().zip(other.places());
            let mut both = self.performed.iter().zip(&other.performed);
            if lists.all(|(old, new)| old.iter().zip(new).all(&mut known))
                && both.all(|(old, new)| old.values().iter().zip(&new.values()).all(&mut known))
            {
                return Some(false);
            }
        }
        values.clear_names();
        let mut join = Join { values };
        for (places, others) in self.places_mut().into_iter().zip(other.places()) {
            work::count(places.len());
            for (place, new) in places.iter_mut().zip(others) {
                *place = join.of(*place, *new);
            }
        }
        for (one, other) in self.performed.iter_mut().zip(&other.performed) {
            work::count(1);
            for (place, new) in one.operands.iter_mut().zip(other.operands) {
                *place = join.of(*place, new);
            }
            one.result = join.of(one.result, other.result);
        }
        Some(true)
    }
}

/// Finds out whether one state says nothing that another doesn't: whether each name of it stands for one name of the other.
struct Renaming<'v> {
    values: &'v mut Values,
}

impl Renaming<'_> {
    fn is_known(&mut self, old: Value, new: Value) -> bool {
        work::count(1);
        if old == Value::UNDEFINED {
            return true;
        }
        // Of what is computed, too, there is one name for each.
        if let Some(name) = self.values.names.first(old) {
            return name == new;
        }
        self.values.names.insert(old, new, new);
        match self.values.term(old) {
            Term::Opaque if old == new => true,
            Term::Opaque => {
                let ty = self.values.type_of(old);
                let same = ty.is_none_or(|ty| {
                    let some = ty == SOME_REFERENCE;
                    self.values.type_of(new) == Some(ty) || some && self.values.is_not_null(new)
                });
                let excluded = self.values.excluded(old).iter();
                same && excluded.copied().all(|tag| self.values.excludes(new, tag))
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
}

impl Join<'_> {
    fn of(&mut self, left: Value, right: Value) -> Value {
        if left == Value::UNDEFINED || right == Value::UNDEFINED {
            return Value::UNDEFINED;
        }
        // No other two have this name: what is joined otherwise is named anew, or made of what is.
        if left == right {
            return left;
        }
        if let Some(name) = self.values.names.get(left, right) {
            return name;
        }
        let name = self.name(left, right);
        self.values.names.insert(left, right, name);
        name
    }

    fn name(&mut self, left: Value, right: Value) -> Value {
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
