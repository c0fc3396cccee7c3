//! Decodes every body once and keeps what the closure depends on: calls, references taken, uses of
//! tables.
//!
//! Code that can't run (after an unconditional branch, up to the end of its frame, as the validator
//! sees it) has no facts: the output drops it.
//!
//! A large module has over a million calls, so a [`Call`] is kept at twelve bytes.

use super::decode::{Visitor, decode, validate};
use super::host;
use super::traceable::{LocalUses, TopValue, Traceable};
use super::types::{TypeId, TypeIds};
use crate::error::Result;
use crate::index::{ElemIdx, FuncIdx, IndexType, IndexVec, TableIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use rayon::prelude::*;
use std::collections::BTreeSet;
use wasmparser::{FuncValidatorAllocations, FunctionBody, Operator};

/// A call instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Offset of the instruction in bytes from the start of the module.
    pub(super) offset: u32,
    pub(super) callee: Callee,
}

impl Call {
    pub(super) fn is_tail(&self) -> bool {
        let (Callee::Direct { tail, .. } | Callee::Dynamic { tail, .. }) = self.callee;
        tail
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Callee {
    /// `call` or `return_call`.
    Direct { tail: bool, func: FuncIdx },
    /// Any other call; `ordinal` is its position in [`Facts::dynamics`].
    Dynamic { tail: bool, ordinal: u32 },
}

/// A call whose target is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dynamic {
    /// `call_indirect`.
    Table { table: TableIdx, ty: TypeIdx },
    /// `call_ref`.
    Ref { ty: TypeIdx },
}

/// What the live code of a module does.
#[derive(Default)]
pub(crate) struct Facts {
    /// The calls of each function, in order of offset.
    pub(super) calls: IndexVec<FuncIdx, Box<[Call]>>,
    pub(super) dynamics: Vec<Dynamic>,
    pub(super) uses: ReferenceUses,
    /// The functions in which following values to dynamic calls and tables may find something, in
    /// index order; the others are [`Traceable::No`].
    pub(super) traceable: Vec<(FuncIdx, Traceable)>,
    /// The calls through tables that the host doesn't see whose index is loaded from a memory, as
    /// far as a glance tells: positions in `dynamics`, in order.
    pub(super) loaded: Vec<u32>,
    /// Whether anything may write to a memory.
    pub(super) writes_memory: bool,
}

/// Which entities live code uses in ways that matter to references.
#[derive(Default)]
pub(super) struct ReferenceUses {
    /// Functions named by `ref.func`.
    pub(super) ref_funcs: BTreeSet<FuncIdx>,
    /// Tables that `table.set`, `table.grow`, `table.fill`, `table.copy` or `table.init` change,
    /// with the functions that do it.
    pub(super) changed_tables: BTreeSet<(TableIdx, FuncIdx)>,
    /// Tables whose slots `table.get` or `table.copy` reads.
    pub(super) read_tables: BTreeSet<TableIdx>,
    /// Element segments that an array instruction reads.
    pub(super) read_elements: BTreeSet<ElemIdx>,
    /// Element segments that `table.init` reads, with the tables that it writes.
    pub(super) init_elements: BTreeSet<(ElemIdx, TableIdx)>,
}

impl Facts {
    /// Those of a valid module.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if a body can't be read once more.
    pub(super) fn collect(
        module: &Module<'_>,
        host_written: &IndexVec<TableIdx, bool>,
    ) -> Result<Facts> {
        Facts::of_bodies(module, host_written, Collector::collect)
    }

    /// Those of a module whose bodies are still to be validated, which is done by the way.
    ///
    /// # Errors
    /// As [`Module::read`], for bodies.
    pub(super) fn validate(
        module: &Module<'_>,
        host_written: &IndexVec<TableIdx, bool>,
    ) -> Result<Facts> {
        Facts::of_bodies(module, host_written, Collector::validate)
    }

    /// What `collect` finds in each body, all bodies in parallel. Of several errors that of the first body is returned.
    fn of_bodies<'m>(
        module: &'m Module<'m>,
        host_written: &'m IndexVec<TableIdx, bool>,
        collect: impl Fn(&mut Collector<'m>, &FunctionBody<'m>, FuncIdx) -> Result<BodyFacts>
        + Sync
        + Send,
    ) -> Result<Facts> {
        let bodies: Vec<Result<BodyFacts>> = (0..module.funcs.len())
            .into_par_iter()
            .map(FuncIdx::from_usize)
            .map_init(
                || Collector::new(module, host_written),
                |collector, func| match module.body(func) {
                    Some(body) => collect(collector, &body, func),
                    None => Ok(BodyFacts::default()),
                },
            )
            .collect();
        let mut facts = Facts::default();
        for body in bodies {
            facts.append(body?);
        }
        Ok(facts)
    }

    /// The types that calls through tables ask for.
    pub(super) fn called_types(&self, types: &TypeIds) -> BTreeSet<TypeId> {
        let called = self.dynamics.iter().filter_map(|dynamic| match dynamic {
            Dynamic::Table { ty, .. } => Some(types.id(*ty)),
            Dynamic::Ref { .. } => None,
        });
        called.collect()
    }

    fn append(&mut self, mut body: BodyFacts) {
        work::count(1 + body.calls.len());
        let base = self.dynamics.len() as u32;
        if base > 0 && !body.dynamics.is_empty() {
            for call in &mut body.calls {
                if let Callee::Dynamic { ordinal, .. } = &mut call.callee {
                    *ordinal += base;
                }
            }
        }
        self.dynamics.append(&mut body.dynamics);
        self.loaded.extend(body.loaded.into_iter().map(|ordinal| ordinal + base));
        self.writes_memory |= body.writes_memory;
        let func = self.calls.push(body.calls.into_boxed_slice());
        if body.traceable != Traceable::No {
            self.traceable.push((func, body.traceable));
        }
        if let Some(uses) = body.uses {
            self.uses.ref_funcs.extend(uses.ref_funcs);
            self.uses.changed_tables.extend(uses.changed_tables);
            self.uses.read_tables.extend(uses.read_tables);
            self.uses.read_elements.extend(uses.read_elements);
            self.uses.init_elements.extend(uses.init_elements);
        }
    }
}

/// The facts of one body.
#[derive(Default)]
struct BodyFacts {
    calls: Vec<Call>,
    dynamics: Vec<Dynamic>,
    /// Few bodies have any.
    uses: Option<Box<ReferenceUses>>,
    traceable: Traceable,
    loaded: Vec<u32>,
    writes_memory: bool,
}

/// Collects the facts of bodies, one after the other.
struct Collector<'a> {
    module: &'a Module<'a>,
    host_written: &'a IndexVec<TableIdx, bool>,
    /// What a load makes. It can't be followed if the host sees all memories.
    load: TopValue,
    func: FuncIdx,
    facts: BodyFacts,
    live_code: LiveCode,
    /// What made the value on top of the operand stack.
    top: TopValue,
    locals: LocalUses,
    allocations: FuncValidatorAllocations,
}

impl<'a> Collector<'a> {
    fn new(module: &'a Module<'a>, host_written: &'a IndexVec<TableIdx, bool>) -> Self {
        Collector {
            module,
            host_written,
            load: TopValue::Loaded { followed: host::any_private_memory(module) },
            func: FuncIdx(0),
            facts: BodyFacts::default(),
            live_code: LiveCode::default(),
            top: TopValue::Other,
            locals: LocalUses::default(),
            allocations: FuncValidatorAllocations::default(),
        }
    }

    fn collect(&mut self, body: &FunctionBody<'_>, func: FuncIdx) -> Result<BodyFacts> {
        self.begin(func);
        decode(body, self)?;
        Ok(self.finish())
    }

    fn validate(&mut self, body: &FunctionBody<'_>, func: FuncIdx) -> Result<BodyFacts> {
        self.begin(func);
        let allocations = std::mem::take(&mut self.allocations);
        let mut validator = self.module.validator(func, allocations);
        let valid = validate(body, &mut validator, self);
        self.allocations = validator.into_allocations();
        valid.map_err(|error| self.module.invalid(&error))?;
        Ok(self.finish())
    }

    fn begin(&mut self, func: FuncIdx) {
        self.func = func;
        self.live_code = LiveCode::default();
        self.facts.calls.clear();
        self.facts.dynamics.clear();
        self.facts.loaded.clear();
        self.facts.uses = None;
        self.facts.traceable = Traceable::No;
        self.facts.writes_memory = false;
        self.top = TopValue::Other;
        self.locals.clear();
    }

    fn finish(&mut self) -> BodyFacts {
        let params = self.module.func_type(self.func).params().len();
        let through_locals = self.locals.traceable(params);
        self.facts.traceable = self.facts.traceable.max(through_locals);
        // What is kept takes no more memory than it needs; the collector's is used again.
        BodyFacts {
            calls: self.facts.calls.drain(..).collect(),
            dynamics: self.facts.dynamics.drain(..).collect(),
            uses: self.facts.uses.take(),
            traceable: self.facts.traceable,
            loaded: self.facts.loaded.drain(..).collect(),
            writes_memory: self.facts.writes_memory,
        }
    }
}

impl Visitor for Collector<'_> {
    #[inline(always)]
    fn operator(&mut self, offset: u32, operator: &Operator<'_>) {
        if self.live_code.step(operator) {
            self.live(operator, offset);
            self.top = self.follow(operator);
        }
    }

    fn vector_operator(&mut self) {
        self.top = TopValue::Opaque;
    }

    fn memory_write(&mut self) {
        self.facts.writes_memory = true;
    }
}

impl Collector<'_> {
    /// What makes the value on top of the operand stack after `operator`.
    #[inline(always)]
    fn follow(&mut self, operator: &Operator<'_>) -> TopValue {
        match *operator {
            Operator::LocalGet { local_index } => TopValue::Local(local_index),
            Operator::LocalSet { local_index } => {
                self.locals.assign(local_index, self.top);
                TopValue::Other
            }
            Operator::LocalTee { local_index } => {
                self.locals.assign(local_index, self.top);
                self.top
            }
            Operator::Call { function_index } => {
                if self.module.is_import(FuncIdx(function_index)) {
                    TopValue::Opaque
                } else {
                    TopValue::Other
                }
            }
            Operator::I32Load { .. }
            | Operator::I32Load8U { .. }
            | Operator::I32Load16U { .. }
            | Operator::I64Load { .. } => self.load,
            Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::TableGet { .. }
            | Operator::StructGet { .. }
            | Operator::ArrayGet { .. } => TopValue::Opaque,
            // The same reference, or none.
            Operator::RefAsNonNull | Operator::RefCastNonNull { .. } => self.top,
            _ => TopValue::Other,
        }
    }

    /// Notes that the value on top of the operand stack chooses a target; returns whether it was
    /// loaded from a memory.
    fn choose(&mut self) -> bool {
        match self.top {
            TopValue::Opaque => {}
            TopValue::Loaded { followed } => {
                if followed {
                    self.facts.traceable = Traceable::Yes;
                }
                return true;
            }
            TopValue::Local(local) => {
                self.locals.choose(local);
                return self.locals.is_loaded(local);
            }
            TopValue::Other => self.facts.traceable = Traceable::Yes,
        }
        false
    }

    #[inline(always)]
    fn live(&mut self, operator: &Operator<'_>, offset: u32) {
        match *operator {
            Operator::Call { function_index } => self.direct(offset, function_index, false),
            Operator::ReturnCall { function_index } => self.direct(offset, function_index, true),
            Operator::CallIndirect { type_index, table_index } => {
                self.indirect(offset, table_index, type_index, false);
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                self.indirect(offset, table_index, type_index, true);
            }
            Operator::CallRef { type_index } => self.by_ref(offset, type_index, false),
            Operator::ReturnCallRef { type_index } => self.by_ref(offset, type_index, true),
            Operator::RefFunc { .. }
            | Operator::TableGet { .. }
            | Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ArrayNewElem { .. }
            | Operator::ArrayInitElem { .. } => self.reference(operator),
            _ => {}
        }
    }

    fn reference(&mut self, operator: &Operator<'_>) {
        let uses = self.facts.uses.get_or_insert_default();
        uses.operator(operator, self.func);
        let mut changed = uses.changed_tables.iter();
        if changed.any(|(table, _)| !self.host_written[*table]) {
            self.facts.traceable = Traceable::Yes;
        }
    }

    fn direct(&mut self, offset: u32, func: u32, tail: bool) {
        let func = FuncIdx(func);
        let callee = Callee::Direct { tail, func };
        self.facts.calls.push(Call { offset, callee });
    }

    fn indirect(&mut self, offset: u32, table: u32, ty: u32, tail: bool) {
        let (table, ty) = (TableIdx(table), TypeIdx(ty));
        if !self.host_written[table] && self.choose() {
            self.facts.loaded.push(self.facts.dynamics.len() as u32);
        }
        self.dynamic(offset, Dynamic::Table { table, ty }, tail);
    }

    fn by_ref(&mut self, offset: u32, ty: u32, tail: bool) {
        self.choose();
        self.dynamic(offset, Dynamic::Ref { ty: TypeIdx(ty) }, tail);
    }

    fn dynamic(&mut self, offset: u32, dynamic: Dynamic, tail: bool) {
        let ordinal = self.facts.dynamics.len() as u32;
        self.facts.dynamics.push(dynamic);
        let callee = Callee::Dynamic { tail, ordinal };
        self.facts.calls.push(Call { offset, callee });
    }
}

impl ReferenceUses {
    fn operator(&mut self, operator: &Operator<'_>, func: FuncIdx) {
        match *operator {
            Operator::RefFunc { function_index } => {
                self.ref_funcs.insert(FuncIdx(function_index));
            }
            Operator::TableGet { table } => {
                self.read_tables.insert(TableIdx(table));
            }
            Operator::TableSet { table }
            | Operator::TableGrow { table }
            | Operator::TableFill { table } => {
                self.changed_tables.insert((TableIdx(table), func));
            }
            Operator::TableCopy { dst_table, src_table } => {
                self.changed_tables.insert((TableIdx(dst_table), func));
                self.read_tables.insert(TableIdx(src_table));
            }
            Operator::TableInit { elem_index, table } => {
                self.changed_tables.insert((TableIdx(table), func));
                let segment = ElemIdx(elem_index);
                self.init_elements.insert((segment, TableIdx(table)));
            }
            Operator::ArrayNewElem { array_elem_index: elem, .. }
            | Operator::ArrayInitElem { array_elem_index: elem, .. } => {
                self.read_elements.insert(ElemIdx(elem));
            }
            _ => {}
        }
    }
}

/// Tells live code from code that can't run, in the validator's terms: after an instruction that
/// never continues, its frame is dead until `end`, or until the next arm begins.
#[derive(Default)]
pub(super) struct LiveCode {
    /// How many frames are open within the body's own.
    depth: u32,
    /// The depth of the frame that died, if one did.
    dead: Option<u32>,
}

impl LiveCode {
    /// Takes the next operator and says whether it is live.
    #[inline(always)]
    pub(super) fn step(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => {
                self.depth += 1;
                self.dead.is_none()
            }
            Operator::Else | Operator::Catch { .. } | Operator::CatchAll => {
                self.revive();
                self.dead.is_none()
            }
            Operator::End | Operator::Delegate { .. } => {
                self.revive();
                self.depth = self.depth.saturating_sub(1);
                self.dead.is_none()
            }
            Operator::Unreachable
            | Operator::Br { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::Throw { .. }
            | Operator::Rethrow { .. }
            | Operator::ThrowRef => {
                let live = self.dead.is_none();
                self.dead.get_or_insert(self.depth);
                live
            }
            _ => self.dead.is_none(),
        }
    }

    fn revive(&mut self) {
        if self.dead == Some(self.depth) {
            self.dead = None;
        }
    }
}
