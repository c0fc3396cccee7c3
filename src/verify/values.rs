//! Names for the values that an activation holds: two places hold the same value if they hold the same name.
//!
//! An operator that only computes has a *term* for its result, the operator with the names of its operands, and equal terms have one
//! name: so what a rewind computes again is known to be what the original had computed. What anything else gives is *opaque*, with a
//! name of its own each time. What is computed from constants keeps its term, beside which stands its number: tests of the rewriter's own
//! are decided by that, and joins still see how it was computed.
//!
//! A name means something only within one state of a function: where states join, what differs is named anew (`join`).
//!
//! Assumed: an operator on floats gives the same NaN for the same operands.

use crate::work;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use wasmparser::{Operator, RefType, ValType};

/// A name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Value(u32);

impl Value {
    /// What must not be looked at.
    pub const UNDEFINED: Value = Value(0);
    /// The state, which is not that of a running program.
    pub const NOT_NORMAL: Value = Value(1);
    /// What `seal` says: whether the frame is in the reserve.
    pub const SEALED: Value = Value(2);
    /// What `probe` says: whether there is no room.
    pub const PROBED: Value = Value(3);

    pub fn position(self) -> usize {
        self.0 as usize
    }

    /// Makes it undefined, unless it is to be kept.
    pub fn keep_if(&mut self, is_kept: bool) {
        self.0 &= u32::from(is_kept).wrapping_neg();
    }
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Nothing.
    Opaque,
    /// One of the constants of [`Value`].
    Special,
    /// A number or vector, by its bits.
    Const(ValType, u128),
    /// The address of a frame's cell at this offset.
    Cursor(u64),
    /// What an operator gives that only computes: its code, and what tells it from others of the same code.
    Computed { code: u16, immediate: u32, operands: [Value; 3] },
}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match *self {
            Term::Opaque | Term::Special => {}
            Term::Const(ty, bits) => (ty, bits as u64, (bits >> 64) as u64).hash(state),
            Term::Cursor(offset) => state.write_u64(offset),
            Term::Computed { code, immediate, operands: [Value(a), Value(b), Value(c)] } => {
                state.write_u64(u64::from(a) << 32 | u64::from(b));
                state.write_u64(u64::from(c) << 32 | u64::from(immediate));
                state.write_u64(code.into());
            }
        }
    }
}

/// A type without null, of references of which nothing else is known: one that no cast asks for.
pub(super) const SOME_REFERENCE: RefType = RefType::EXN;

/// Of how many i32s the names are at hand.
const SMALL: usize = 256;

/// How many terms there is room for that is kept for the next function, however small that is.
const MOST_ROOM: usize = 1 << 10;

/// How deep terms are that joins look into.
pub(super) const MOST_DEPTH: u8 = 32;

/// A hash that is quick for small keys.
#[derive(Default)]
pub(super) struct QuickHasher(u64);

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        // A table looks at the lowest bits, and the product's best are the highest.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

pub(super) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<QuickHasher>>;

/// For each value of one state what it is held against in another, and a name for the two: the first of each by its position, since
/// there are hardly ever more.
#[derive(Default)]
pub(super) struct Pairs {
    first: Vec<(u32, Value, Value)>,
    others: QuickMap<(Value, Value), Value>,
    round: u32,
}

impl Pairs {
    fn clear(&mut self, values: usize) {
        if self.first.len() < values {
            let room = values.next_power_of_two();
            self.first.resize(room, (0, Value::UNDEFINED, Value::UNDEFINED));
        }
        self.round += 1;
        if !self.others.is_empty() {
            self.others.clear();
        }
    }

    /// What a value was held against first. Values that were named since the last round have none.
    pub fn first(&self, value: Value) -> Option<Value> {
        let (round, other, _) = *self.first.get(value.position())?;
        (round == self.round).then_some(other)
    }

    /// The name of two.
    pub fn get(&self, left: Value, right: Value) -> Option<Value> {
        let (round, other, name) = *self.first.get(left.position())?;
        match round == self.round {
            true if other == right => Some(name),
            true => self.others.get(&(left, right)).copied(),
            false => None,
        }
    }

    /// Names two.
    pub fn insert(&mut self, left: Value, right: Value, name: Value) {
        match self.first.get_mut(left.position()) {
            Some(first) if first.0 != self.round => *first = (self.round, right, name),
            _ => _ = self.others.insert((left, right), name),
        }
    }
}

/// All values of a function, as they were named so far.
pub(super) struct Values {
    terms: Vec<Term>,
    depths: Vec<u8>,
    /// The greatest of them.
    deepest: u8,
    /// The i32s that are computed from constants.
    numbers: QuickMap<Value, u32>,
    /// The types of references, by how they were made.
    types: QuickMap<Value, RefType>,
    /// Of exceptions of which no tag is known, the tags that they don't have.
    excluded: QuickMap<Value, Vec<u32>>,
    known: QuickMap<Term, Value>,
    /// The least i32s.
    small: [Value; SMALL],
    /// For each value the round in which it was marked last, and which round it is.
    marks: Vec<u32>,
    round: u32,
    /// What the values of one state are called in another.
    pub names: Pairs,
}

impl Default for Values {
    fn default() -> Values {
        Values {
            terms: Vec::new(),
            depths: Vec::new(),
            deepest: 0,
            numbers: QuickMap::default(),
            types: QuickMap::default(),
            excluded: QuickMap::default(),
            known: QuickMap::default(),
            small: [Value::UNDEFINED; SMALL],
            marks: Vec::new(),
            round: 0,
            names: Pairs::default(),
        }
    }
}

impl Values {
    /// Forgets all, but for the room, that what so many operators make may need.
    pub fn start(&mut self, operators: usize) {
        self.terms.clear();
        self.depths.clear();
        self.deepest = 0;
        self.terms.reserve(operators);
        self.depths.reserve(operators);
        self.numbers.clear();
        self.types.clear();
        self.excluded.clear();
        // To empty a table takes as long as it is large.
        if self.known.capacity() > MOST_ROOM.max(operators) {
            self.known = QuickMap::default();
        }
        self.known.clear();
        self.known.reserve(operators / 4);
        self.small = [Value::UNDEFINED; SMALL];
        self.terms.extend([Term::Special; 4]);
        self.depths.extend([0; 4]);
    }

    pub fn term(&self, value: Value) -> Term {
        self.terms[value.position()]
    }

    /// A value that is like no other.
    pub fn opaque(&mut self) -> Value {
        self.push(Term::Opaque, 0)
    }

    /// How many values have been named.
    pub fn count(&self) -> usize {
        self.terms.len()
    }

    /// A value of a type.
    pub fn opaque_of(&mut self, ty: ValType) -> Value {
        let value = self.opaque();
        if let ValType::Ref(ty) = ty {
            self.types.insert(value, ty);
        }
        value
    }

    /// An exception that has none of these tags.
    pub fn opaque_exception(&mut self, excluded: Vec<u32>) -> Value {
        let value = self.opaque_of(ValType::Ref(SOME_REFERENCE));
        if !excluded.is_empty() {
            self.excluded.insert(value, excluded);
        }
        value
    }

    /// Whether an exception is known not to have a tag.
    pub fn excludes(&self, exception: Value, tag: u32) -> bool {
        match self.term(exception) {
            Term::Computed { code: EXCEPTION, immediate, .. } => immediate != tag,
            _ => self.excluded.get(&exception).is_some_and(|tags| tags.contains(&tag)),
        }
    }

    /// The tags that an exception is listed not to have.
    pub fn excluded(&self, exception: Value) -> &[u32] {
        self.excluded.get(&exception).map_or(&[], Vec::as_slice)
    }

    /// Those that neither of two has.
    pub fn excluded_by_both(&self, left: Value, right: Value) -> Vec<u32> {
        let mut tags = Vec::new();
        for (one, other) in [(left, right), (right, left)] {
            let listed = self.excluded(one).iter().copied();
            tags.extend(listed.filter(|tag| self.excludes(other, *tag)));
        }
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// The type that a reference is known to have.
    pub fn type_of(&self, value: Value) -> Option<RefType> {
        self.types.get(&value).copied()
    }

    /// Notes that a reference can't be null, since something holds it that holds no null.
    pub fn note_not_null(&mut self, value: Value) {
        if self.term(value) == Term::Opaque {
            self.types.entry(value).or_insert(SOME_REFERENCE);
        }
    }

    /// Whether a value is a reference that is not null. What narrows a type gives a value of its own, so that this holds wherever it
    /// is held.
    pub fn is_not_null(&self, value: Value) -> bool {
        let is_made = matches!(self.term(value), Term::Computed { code: REF_FUNC | EXCEPTION, .. });
        is_made || self.type_of(value).is_some_and(|ty| !ty.is_nullable())
    }

    fn push(&mut self, term: Term, depth: u8) -> Value {
        work::count(1);
        self.terms.push(term);
        self.depths.push(depth);
        self.deepest = self.deepest.max(depth);
        Value(self.terms.len() as u32 - 1)
    }

    fn named(&mut self, term: Term, depth: u8) -> Value {
        if let Some(value) = self.known.get(&term) {
            return *value;
        }
        let value = self.push(term, depth);
        self.known.insert(term, value);
        value
    }

    pub fn constant(&mut self, ty: ValType, bits: u128) -> Value {
        let is_small = ty == ValType::I32 && bits < SMALL as u128;
        if is_small && self.small[bits as usize] != Value::UNDEFINED {
            return self.small[bits as usize];
        }
        let value = self.named(Term::Const(ty, bits), 0);
        if is_small {
            self.small[bits as usize] = value;
        }
        value
    }

    pub fn i32(&mut self, number: i32) -> Value {
        self.constant(ValType::I32, u128::from(number as u32))
    }

    pub fn cursor(&mut self, offset: u64) -> Value {
        self.named(Term::Cursor(offset), 0)
    }

    /// Null, whatever its type: no two nulls can be told apart.
    pub fn null(&mut self) -> Value {
        self.named(Term::Const(ValType::FUNCREF, 0), 0)
    }

    /// What a local holds that was declared and never set.
    pub fn zero(&mut self, ty: ValType) -> Value {
        match ty {
            ValType::Ref(_) => self.null(),
            ty => self.constant(ty, 0),
        }
    }

    /// What a global holds that never changes.
    pub fn global(&mut self, global: u32) -> Value {
        self.computed(GLOBAL_GET, global, &[])
    }

    /// An exception with this tag that carries these values.
    pub fn exception(&mut self, tag: u32, payload: &[Value]) -> Value {
        let empty = self.computed(EXCEPTION, tag, &[]);
        payload
            .iter()
            .fold(empty, |carries, value| self.computed(EXCEPTION, tag, &[carries, *value]))
    }

    /// What is known of a value, for people: its operator by its code, to a depth of three.
    pub fn describe(&self, value: Value) -> String {
        self.describe_to(3, value)
    }

    fn describe_to(&self, depth: u8, value: Value) -> String {
        match (value, self.term(value)) {
            (Value::UNDEFINED, _) => "nothing".to_owned(),
            (_, Term::Const(ty, bits)) => format!("{ty} {bits:#x}"),
            (_, Term::Cursor(offset)) => format!("cell {offset}"),
            (_, Term::Computed { code, immediate, operands }) if depth > 0 => {
                let operands = operands.iter().take_while(|value| **value != Value::UNDEFINED);
                let operands = operands.map(|value| self.describe_to(depth - 1, *value));
                let operands: Vec<_> = operands.collect();
                format!("{code:#x}.{immediate}({})", operands.join(", "))
            }
            _ => format!("value {}", value.0),
        }
    }

    /// From now on no value has another name.
    pub fn clear_names(&mut self) {
        self.names.clear(self.terms.len());
    }

    /// From now on nothing is marked.
    pub fn clear_marks(&mut self) {
        if self.marks.len() < self.terms.len() {
            self.marks.resize(self.terms.len().next_power_of_two(), 0);
        }
        self.round += 1;
    }

    /// Marks a value.
    pub fn mark(&mut self, value: Value) {
        self.marks[value.position()] = self.round;
    }

    /// Marks a value and what it is made of, down to a depth.
    pub fn mark_all(&mut self, value: Value, depth: u8) {
        if self.is_marked(value) {
            return;
        }
        self.mark(value);
        if let Term::Computed { operands, .. } = self.term(value)
            && depth > 0
        {
            work::count(1);
            operands.iter().for_each(|operand| self.mark_all(*operand, depth - 1));
        }
    }

    /// Marks what an exception carries, if its tag is known.
    pub fn mark_carried(&mut self, mut exception: Value) {
        while let Term::Computed { code: EXCEPTION, operands: [rest, value, _], .. } =
            self.term(exception)
        {
            work::count(1);
            self.mark(value);
            exception = rest;
        }
    }

    /// Whether a value is marked.
    pub fn is_marked(&self, value: Value) -> bool {
        self.marks[value.position()] == self.round
    }

    /// Whether the original could compute a value out of what is marked.
    pub fn is_made_of_marked(&self, value: Value, depth: u8) -> bool {
        work::count(1);
        match self.term(value) {
            _ if self.is_marked(value) => true,
            Term::Opaque => false,
            Term::Computed { operands, .. } if depth > 0 => operands
                .iter()
                .take_while(|operand| **operand != Value::UNDEFINED)
                .all(|operand| self.is_made_of_marked(*operand, depth - 1)),
            _ => true,
        }
    }

    /// The number that a value is known to be, as an unsigned one.
    pub fn number(&self, value: Value) -> Option<u64> {
        match self.term(value) {
            Term::Const(ValType::I32 | ValType::I64, bits) => Some(bits as u64),
            _ => self.numbers.get(&value).copied().map(u64::from),
        }
    }

    /// The number that an i32 is known to be.
    pub fn i32_of(&self, value: Value) -> Option<u32> {
        match self.term(value) {
            Term::Const(ValType::I32, bits) => Some(bits as u32),
            _ => self.numbers.get(&value).copied(),
        }
    }

    /// Whether a condition is known to hold.
    pub fn truth(&self, value: Value) -> Option<bool> {
        match value {
            Value::NOT_NORMAL => Some(true),
            value => self.i32_of(value).map(|number| number != 0),
        }
    }

    /// The condition that is true whenever this one is, or whenever it is not; and which of the two.
    pub fn condition(&self, mut value: Value) -> (Value, bool) {
        let mut holds = true;
        while let Term::Computed { code: I32_EQZ, operands, .. } = self.term(value) {
            (value, holds) = (operands[0], !holds);
        }
        (value, holds)
    }

    /// What an operator gives that only computes.
    pub fn computed(&mut self, code: u16, immediate: u32, operands: &[Value]) -> Value {
        if operands.contains(&Value::UNDEFINED) {
            return Value::UNDEFINED;
        }
        if let (I32_ADD | I64_ADD, [left, right]) = (code, operands)
            && let Term::Cursor(offset) = self.term(*left)
            && let Some(moved) = self.number(*right).and_then(|bytes| offset.checked_add(bytes))
        {
            return self.cursor(moved);
        }
        let mut all = [Value::UNDEFINED; 3];
        all[..operands.len()].copy_from_slice(operands);
        let deepest = operands.iter().map(|operand| self.depths[operand.position()]).max();
        let depth = deepest.unwrap_or(0).saturating_add(1);
        let value = self.named(Term::Computed { code, immediate, operands: all }, depth);
        if let Some(number) = self.evaluate(code, operands) {
            self.numbers.insert(value, number);
        }
        value
    }

    /// Whether joins look into all terms.
    pub fn are_shallow(&self) -> bool {
        self.deepest <= MOST_DEPTH
    }

    /// Whether joins look into a term.
    pub fn is_shallow(&self, value: Value) -> bool {
        self.depths[value.position()] <= MOST_DEPTH
    }

    /// What those operators give for known numbers that tests of the rewriter's own are made of.
    fn evaluate(&self, code: u16, operands: &[Value]) -> Option<u32> {
        match (code, operands) {
            (I32_EQZ, [Value::NOT_NORMAL]) => Some(0),
            (I32_EQZ, [value]) => Some(u32::from(self.i32_of(*value)? == 0)),
            (_, [left, right]) => {
                let (left, right) = (self.i32_of(*left)?, self.i32_of(*right)?);
                match code {
                    I32_ADD => Some(left.wrapping_add(right)),
                    I32_SUB => Some(left.wrapping_sub(right)),
                    I32_OR => Some(left | right),
                    I32_LT_U => Some(u32::from(left < right)),
                    I32_GE_U => Some(u32::from(left >= right)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

const I32_EQZ: u16 = 0x45;
const I32_LT_U: u16 = 0x49;
const I32_GE_U: u16 = 0x4f;
const I32_ADD: u16 = 0x6a;
const I32_SUB: u16 = 0x6b;
const I32_OR: u16 = 0x72;
const I64_ADD: u16 = 0x7c;
/// `select`, with or without a type.
pub(super) const SELECT: u16 = 0x1b;
/// An exception, with its tag as immediate: one that carries nothing, or one more value than another. Two are one that carry the
/// same.
const EXCEPTION: u16 = 0xffff;
const REF_FUNC: u16 = 0xd2;
const GLOBAL_GET: u16 = 0x23;
const REF_IS_NULL: u16 = 0xd1;

/// An operator that gives the same whenever it runs.
pub(super) enum Maker {
    /// A constant.
    Const(ValType, u128),
    Null,
    /// Anything else, as [`Term::Computed`] has it, and how many operands it takes.
    Computes {
        code: u16,
        immediate: u32,
        operands: usize,
    },
}

/// What an operator makes that can't trap, has no effect, and depends on its operands alone.
/// What isn't listed is none of these.
pub(super) fn maker(operator: &Operator<'_>, encoded: &[u8]) -> Option<Maker> {
    let computes = |code, immediate, operands| Some(Maker::Computes { code, immediate, operands });
    match *operator {
        Operator::I32Const { value } => Some(Maker::Const(ValType::I32, u128::from(value as u32))),
        Operator::I64Const { value } => Some(Maker::Const(ValType::I64, u128::from(value as u64))),
        Operator::F32Const { value } => Some(Maker::Const(ValType::F32, value.bits().into())),
        Operator::F64Const { value } => Some(Maker::Const(ValType::F64, value.bits().into())),
        Operator::V128Const { value } => Some(Maker::Const(ValType::V128, value.i128() as u128)),
        Operator::RefNull { .. } => Some(Maker::Null),
        Operator::RefFunc { function_index } => computes(REF_FUNC, function_index, 0),
        Operator::RefIsNull => computes(REF_IS_NULL, 0, 1),
        _ => {
            let (code, operands) = arithmetic(encoded)?;
            computes(code, 0, operands)
        }
    }
}

/// The code of an operator that computes a number from numbers and never traps, and how many it takes: by the binary format's
/// table of instructions.
fn arithmetic(encoded: &[u8]) -> Option<(u16, usize)> {
    let code = *encoded.first()?;
    let operands = match code {
        // Tests, and what counts bits.
        0x45 | 0x50 | 0x67..=0x69 | 0x79..=0x7b => 1,
        0x46..=0x4f | 0x51..=0x66 => 2,
        // Integers, but for division.
        0x6a..=0x6c | 0x71..=0x78 | 0x7c..=0x7e | 0x83..=0x8a => 2,
        // Floats.
        0x8b..=0x91 | 0x99..=0x9f => 1,
        0x92..=0x98 | 0xa0..=0xa6 => 2,
        // Conversions, but for those that trap.
        0xa7 | 0xac | 0xad | 0xb2..=0xc4 => 1,
        // Those that saturate instead.
        0xfc => {
            let sub = encoded.get(1).filter(|sub| **sub <= 7)?;
            return Some((0xfc00 | u16::from(*sub), 1));
        }
        _ => return None,
    };
    Some((code.into(), operands))
}
