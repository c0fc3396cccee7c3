//! What is known of each value on the operand stack: which operators computed it, and whether a
//! rewind may run them again instead of the function saving the value.
//!
//! A value's *tree* is the contiguous run of operators that produced it. A tree can be run again
//! on a rewind if it is silent (no trap, no effect); and it gives the same value if it is exact
//! (only constants, locals that kept their value, immutable globals, and pure operators on those).
//! "It is pure, just recompute it" holds for exact trees alone, and only while no local that the
//! tree reads has been written since the tree began: see [`Operands::can_rerun`].
//!
//! What a `table.get` gives is not exact, since the table may have changed meanwhile; only the function that a
//! `call_ref` calls is got again, as a `call_indirect` gets it: see [`Operands::retrieved`].

use crate::index::{GlobalIdx, IndexVec, LocalIdx, TableIdx};
use crate::read::Global;
use crate::work;
use wasmparser::Operator;

/// How far a tree can be trusted when it runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Repeatable {
    /// Gives the same value again.
    Exact,
    /// Has no effect and can't trap, but may give another value.
    Silent,
    /// Must not run again.
    Opaque,
}

/// A value on the operand stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    /// Offset of the first operator of the tree.
    pub start: u32,
    /// Offset just after the last operator of the tree.
    pub end: u32,
    /// Where this tree's reads begin in [`Operands::reads`]; they end where the next one's begin.
    reads: u32,
    /// Of what was retrieved, that of the tree of the index.
    class: Repeatable,
    /// Whether the tree must find the locals it reads as they were, even where its value does not
    /// matter: a load would trap at another address, a `local.tee` would leave a wrong value.
    needs_exact_reads: bool,
    /// The local that held the same value when the tree ended.
    copy_of: Option<LocalIdx>,
    /// Offset of the `local.tee` that the tree ends with.
    tee: Option<u32>,
    /// Offset of the operator that made it out of nothing, if it always makes the same.
    made_at: Option<u32>,
    /// Where it was got from.
    retrieved: Option<Retrieved>,
}

/// The place of a `table.get` whose result, perhaps cast since, is a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retrieved {
    /// Offset of the operator.
    pub offset: u32,
    pub table: TableIdx,
}

impl Operand {
    /// How far its tree can be trusted.
    fn trust(&self) -> Repeatable {
        if self.retrieved.is_some() { Repeatable::Opaque } else { self.class }
    }
}

/// What to do so that a value doesn't get to the operand stack. Offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpush {
    /// Leave out the one operator that gives it, which has no other effect.
    Operator(u32),
    /// Write `local.set` for this `local.tee`, which gives it last.
    Tee(u32),
}

/// What an operator means for running it again.
#[derive(Clone, Copy)]
pub(super) enum Purity {
    /// Always the same value, out of nothing.
    Made,
    /// Defined for all operands, a function of its operands alone.
    Total,
    /// A function of its operands alone that traps for some.
    Partial,
    /// Reads memory at an address operand.
    Load,
    /// Has no effect and can't trap, but reads state that may change.
    Volatile,
    LocalGet(LocalIdx),
    LocalSet(LocalIdx),
    LocalTee(LocalIdx),
    TableGet(TableIdx),
    /// Gives its operand, or traps.
    Cast,
    /// Anything else.
    Impure,
}

/// The operand stack of the walk, in step with the validator's.
#[derive(Default)]
pub(super) struct Operands {
    stack: Vec<Operand>,
    /// The locals that the trees on the stack read, tree after tree.
    reads: Vec<LocalIdx>,
    writes: Vec<Writes>,
    /// How many values on top were given by the last operator, whose end is not known yet.
    unsettled: usize,
    /// Offset of the last node: of a site, or of the `end` of a construct with sites.
    node: u32,
}

/// When a local was written, as offsets of operators; 0 before any.
#[derive(Clone, Copy, Default)]
struct Writes {
    last: u32,
    /// The last one before the last node, if `last` came after it.
    before_node: u32,
}

impl Operands {
    /// An empty stack for a function with `locals` locals.
    pub fn reset(&mut self, locals: usize) {
        self.stack.clear();
        self.reads.clear();
        self.writes.clear();
        self.writes.resize(locals, Writes::default());
        self.node = 0;
    }

    pub fn height(&self) -> usize {
        self.stack.len()
    }

    /// The values from `height` up.
    pub fn above(&self, height: usize) -> &[Operand] {
        &self.stack[height..]
    }

    /// Notes that the operator at `offset` writes `local`.
    fn write_local(&mut self, local: LocalIdx, offset: u32) {
        let writes = &mut self.writes[local.0 as usize];
        if writes.last <= self.node {
            writes.before_node = writes.last;
        }
        writes.last = offset;
    }

    /// Notes that a node is at `offset`.
    pub fn pass_node(&mut self, offset: u32) {
        self.node = offset;
    }

    /// Makes the stack `height` high: values are dropped, or unknown ones appear.
    pub fn set_height(&mut self, height: usize, offset: u32) {
        if height < self.stack.len() {
            self.pop(self.stack.len() - height);
        }
        while self.stack.len() < height {
            work::count(1);
            self.push(Repeatable::Opaque, offset, offset);
        }
    }

    fn pop(&mut self, count: usize) {
        work::count(count);
        let kept = self.stack.len() - count;
        if let Some(first) = self.stack.get(kept) {
            self.reads.truncate(first.reads as usize);
        }
        self.stack.truncate(kept);
    }

    fn push(&mut self, class: Repeatable, start: u32, end: u32) {
        let reads = self.reads.len() as u32;
        let (copy_of, tee) = (None, None);
        let (made_at, retrieved) = (None, None);
        let needs_exact_reads = false;
        self.stack.push(Operand {
            start,
            end,
            reads,
            class,
            needs_exact_reads,
            copy_of,
            tee,
            made_at,
            retrieved,
        });
    }

    /// Applies an operator that is neither control flow nor a call: it takes `pops` values and gives `pushes`. Where it
    /// ends, [`Operands::settle`] is told.
    #[inline(always)]
    pub fn apply(&mut self, purity: Purity, offset: u32, (pops, pushes): (usize, usize)) {
        work::count(pops + pushes);
        match purity {
            Purity::LocalTee(local) => self.tee(local, offset),
            Purity::LocalGet(local) => self.read_local(local, offset),
            Purity::LocalSet(local) => self.set_local(local, offset),
            Purity::Made => self.make(offset),
            purity => self.compute(purity, offset, (pops, pushes)),
        }
    }

    fn compute(&mut self, purity: Purity, offset: u32, (pops, pushes): (usize, usize)) {
        let inputs = self.stack.len() - pops;
        let popped = &self.stack[inputs..];
        let contiguous = popped.windows(2).all(|pair| pair[0].end == pair[1].start)
            && popped.last().is_none_or(|last| last.end == offset);
        let start = popped.first().map_or(offset, |first| first.start);
        let reads = popped.first().map_or(self.reads.len() as u32, |first| first.reads);
        let worst = popped.iter().map(Operand::trust).max().unwrap_or(Repeatable::Exact);
        let retrieved = match purity {
            Purity::TableGet(table) => Some(Retrieved { offset, table }),
            Purity::Cast if contiguous => popped.first().and_then(|operand| operand.retrieved),
            _ => None,
        };
        let mut needs_exact_reads = popped.iter().any(|operand| operand.needs_exact_reads);
        let class = match purity {
            _ if pushes != 1 || !contiguous => Repeatable::Opaque,
            Purity::Total => worst,
            Purity::Partial | Purity::Load if worst != Repeatable::Exact => Repeatable::Opaque,
            Purity::Partial | Purity::Load => {
                needs_exact_reads = true;
                if matches!(purity, Purity::Load) { Repeatable::Silent } else { Repeatable::Exact }
            }
            Purity::Volatile => worst.max(Repeatable::Silent),
            Purity::TableGet(_) => worst,
            Purity::Cast if retrieved.is_some() => popped[0].class,
            Purity::Cast | Purity::Impure => Repeatable::Opaque,
            Purity::Made | Purity::LocalGet(_) | Purity::LocalSet(_) | Purity::LocalTee(_) => {
                unreachable!("seen to elsewhere")
            }
        };
        self.stack.truncate(inputs);
        if class == Repeatable::Opaque {
            self.reads.truncate(reads as usize);
        }
        for _ in 0..pushes {
            self.push(class, start, offset);
        }
        if let Some(result) = self.stack.last_mut().filter(|_| pushes == 1) {
            result.reads = reads;
            result.needs_exact_reads = needs_exact_reads && class != Repeatable::Opaque;
            result.retrieved = retrieved;
        }
        self.unsettled = pushes;
    }

    /// The operator makes a value out of nothing, always the same.
    fn make(&mut self, offset: u32) {
        self.push(Repeatable::Exact, offset, offset);
        if let Some(top) = self.stack.last_mut() {
            top.made_at = Some(offset);
        }
        self.unsettled = 1;
    }

    fn set_local(&mut self, local: LocalIdx, offset: u32) {
        if let Some(value) = self.stack.pop() {
            self.reads.truncate(value.reads as usize);
        }
        self.unsettled = 0;
        self.write_local(local, offset);
    }

    /// `local.get` takes nothing, and is more than a quarter of all operators.
    fn read_local(&mut self, local: LocalIdx, offset: u32) {
        self.push(Repeatable::Exact, offset, offset);
        self.reads.push(local);
        if let Some(top) = self.stack.last_mut() {
            top.copy_of = Some(local);
        }
        self.unsettled = 1;
    }

    /// The last operator ended at `end`, and so did the trees of what it gave.
    #[inline]
    pub fn settle(&mut self, end: u32) {
        let first = self.stack.len().saturating_sub(std::mem::take(&mut self.unsettled));
        work::count(self.stack.len() - first);
        self.stack[first..].iter_mut().for_each(|operand| operand.end = end);
    }

    /// `local.tee` leaves the value where it is. Run again, it would write the local, so its tree
    /// must then give the same value.
    fn tee(&mut self, local: LocalIdx, offset: u32) {
        self.write_local(local, offset);
        let Some(top) = self.stack.last_mut() else {
            return;
        };
        if top.trust() == Repeatable::Exact && top.end == offset {
            top.needs_exact_reads = true;
        } else {
            top.class = Repeatable::Opaque;
            top.retrieved = None;
            self.reads.truncate(top.reads as usize);
        }
        top.copy_of = Some(local);
        top.tee = Some(offset);
        self.unsettled = 1;
    }

    /// How the value at `position` can be kept from the operand stack, since it is only dropped there.
    pub fn unpush(&self, position: usize) -> Option<Unpush> {
        let operand = &self.stack[position];
        let is_one_operator = operand.copy_of.is_some() || operand.made_at.is_some();
        match operand.tee {
            Some(tee) => Some(Unpush::Tee(tee)),
            None => is_one_operator.then_some(Unpush::Operator(operand.start)),
        }
    }

    /// The locals that the tree at `position` reads, if it may run again.
    pub fn reads_of(&self, position: usize) -> &[LocalIdx] {
        let start = self.stack[position].reads as usize;
        let end = self.stack.get(position + 1).map_or(self.reads.len(), |next| next.reads as usize);
        &self.reads[start..end]
    }

    /// Whether the tree of the value at `position` may run again where it stands. `exact`: and
    /// must give the same value.
    pub fn can_rerun(&self, position: usize, exact: bool) -> bool {
        let operand = &self.stack[position];
        let class_suffices = match operand.trust() {
            Repeatable::Exact => true,
            Repeatable::Silent => !exact,
            Repeatable::Opaque => false,
        };
        class_suffices
            && (!(exact || operand.needs_exact_reads) || self.reads_are_unchanged(position))
    }

    /// Whether each local that the tree at `position` reads still has the value that it had then: where one is written after it
    /// was read, it has the later value on a rewind.
    fn reads_are_unchanged(&self, position: usize) -> bool {
        work::count(self.reads_of(position).len());
        let start = self.stack[position].start;
        self.reads_of(position).iter().all(|local| self.writes[local.0 as usize].last < start)
    }

    /// Offset of the operator that makes the value at `position` again, if one does.
    pub fn made_at(&self, position: usize) -> Option<u32> {
        self.stack[position].made_at
    }

    /// Where the value at `position` was got from, if it was got from a table.
    pub fn retrieved(&self, position: usize) -> Option<Retrieved> {
        self.stack[position].retrieved
    }

    /// Whether the tree of what was retrieved may run again where it stands, and finds the same place of the table.
    pub fn can_retrieve_again(&self, position: usize) -> bool {
        self.stack[position].class == Repeatable::Exact && self.reads_are_unchanged(position)
    }

    /// Offset of the `local.get` that gave the topmost value, if nothing else came between it and `offset`.
    pub fn just_read(&self, offset: u32) -> Option<u32> {
        let top = self.stack.last()?;
        (top.copy_of.is_some() && top.tee.is_none() && top.end == offset).then_some(top.start)
    }

    /// The locals that must have their values when the tree at `position` runs again.
    pub fn needed_reads(&self, position: usize, exact: bool) -> &[LocalIdx] {
        let needed = exact || self.stack[position].needs_exact_reads;
        if needed { self.reads_of(position) } else { &[] }
    }

    /// A local that held the value at `position` when the last node was passed, as it did at all
    /// nodes before.
    pub fn copy_at_node(&self, position: usize) -> Option<LocalIdx> {
        let operand = &self.stack[position];
        operand.copy_of.filter(|local| {
            let Writes { last, before_node } = self.writes[local.0 as usize];
            let last_before = if last <= self.node { last } else { before_node };
            last_before < operand.end
        })
    }
}

/// Classifies an operator. What is not listed is impure: a new instruction is never run again by
/// accident. Arity and types are the validator's business, not this table's.
#[inline(always)]
pub(super) fn purity(op: &Operator<'_>, globals: &IndexVec<GlobalIdx, Global<'_>>) -> Purity {
    use Operator as O;
    match op {
        O::LocalGet { local_index } => Purity::LocalGet(LocalIdx(*local_index)),
        O::LocalSet { local_index } => Purity::LocalSet(LocalIdx(*local_index)),
        O::LocalTee { local_index } => Purity::LocalTee(LocalIdx(*local_index)),
        O::TableGet { table } => Purity::TableGet(TableIdx(*table)),
        O::RefAsNonNull | O::RefCastNonNull { .. } | O::RefCastNullable { .. } => Purity::Cast,
        O::GlobalGet { global_index } => {
            let mutable = globals[GlobalIdx(*global_index)].ty.mutable;
            if mutable { Purity::Volatile } else { Purity::Made }
        }
        O::RefNull { .. } | O::RefFunc { .. } => Purity::Made,
        O::I32Const { .. } | O::I64Const { .. } | O::F32Const { .. } | O::F64Const { .. } => {
            Purity::Made
        }
        O::MemorySize { .. } | O::TableSize { .. } => Purity::Volatile,
        O::I32Load { .. }
        | O::I64Load { .. }
        | O::F32Load { .. }
        | O::F64Load { .. }
        | O::I32Load8S { .. }
        | O::I32Load8U { .. }
        | O::I32Load16S { .. }
        | O::I32Load16U { .. }
        | O::I64Load8S { .. }
        | O::I64Load8U { .. }
        | O::I64Load16S { .. }
        | O::I64Load16U { .. }
        | O::I64Load32S { .. }
        | O::I64Load32U { .. }
        | O::V128Load { .. } => Purity::Load,
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => Purity::Partial,
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => Purity::Partial,
        O::I32TruncF32S | O::I32TruncF32U | O::I32TruncF64S | O::I32TruncF64U => Purity::Partial,
        O::I64TruncF32S | O::I64TruncF32U | O::I64TruncF64S | O::I64TruncF64U => Purity::Partial,
        O::V128Const { .. } => Purity::Made,
        O::RefIsNull => Purity::Total,
        O::Select | O::TypedSelect { .. } => Purity::Total,
        O::I32Eqz | O::I32Eq | O::I32Ne | O::I32LtS | O::I32LtU | O::I32GtS | O::I32GtU => {
            Purity::Total
        }
        O::I32LeS | O::I32LeU | O::I32GeS | O::I32GeU => Purity::Total,
        O::I64Eqz | O::I64Eq | O::I64Ne | O::I64LtS | O::I64LtU | O::I64GtS | O::I64GtU => {
            Purity::Total
        }
        O::I64LeS | O::I64LeU | O::I64GeS | O::I64GeU => Purity::Total,
        O::F32Eq | O::F32Ne | O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge => Purity::Total,
        O::F64Eq | O::F64Ne | O::F64Lt | O::F64Gt | O::F64Le | O::F64Ge => Purity::Total,
        O::I32Clz | O::I32Ctz | O::I32Popcnt | O::I32Add | O::I32Sub | O::I32Mul => Purity::Total,
        O::I32And | O::I32Or | O::I32Xor | O::I32Shl | O::I32ShrS | O::I32ShrU => Purity::Total,
        O::I32Rotl | O::I32Rotr | O::I64Rotl | O::I64Rotr => Purity::Total,
        O::I64Clz | O::I64Ctz | O::I64Popcnt | O::I64Add | O::I64Sub | O::I64Mul => Purity::Total,
        O::I64And | O::I64Or | O::I64Xor | O::I64Shl | O::I64ShrS | O::I64ShrU => Purity::Total,
        O::F32Abs | O::F32Neg | O::F32Ceil | O::F32Floor | O::F32Trunc | O::F32Nearest => {
            Purity::Total
        }
        O::F32Sqrt | O::F32Add | O::F32Sub | O::F32Mul | O::F32Div => Purity::Total,
        O::F32Min | O::F32Max | O::F32Copysign => Purity::Total,
        O::F64Abs | O::F64Neg | O::F64Ceil | O::F64Floor | O::F64Trunc | O::F64Nearest => {
            Purity::Total
        }
        O::F64Sqrt | O::F64Add | O::F64Sub | O::F64Mul | O::F64Div => Purity::Total,
        O::F64Min | O::F64Max | O::F64Copysign => Purity::Total,
        O::I32WrapI64 | O::I64ExtendI32S | O::I64ExtendI32U => Purity::Total,
        O::F32ConvertI32S | O::F32ConvertI32U | O::F32ConvertI64S | O::F32ConvertI64U => {
            Purity::Total
        }
        O::F64ConvertI32S | O::F64ConvertI32U | O::F64ConvertI64S | O::F64ConvertI64U => {
            Purity::Total
        }
        O::F32DemoteF64 | O::F64PromoteF32 => Purity::Total,
        O::I32ReinterpretF32 | O::I64ReinterpretF64 => Purity::Total,
        O::F32ReinterpretI32 | O::F64ReinterpretI64 => Purity::Total,
        O::I32Extend8S | O::I32Extend16S => Purity::Total,
        O::I64Extend8S | O::I64Extend16S | O::I64Extend32S => Purity::Total,
        O::I32TruncSatF32S | O::I32TruncSatF32U | O::I32TruncSatF64S | O::I32TruncSatF64U => {
            Purity::Total
        }
        O::I64TruncSatF32S | O::I64TruncSatF32U | O::I64TruncSatF64S | O::I64TruncSatF64U => {
            Purity::Total
        }
        _ => Purity::Impure,
    }
}
