//! Checks a repaired module against the original, from its bytes.
//!
//! Input: the original [`Module`], the bytes that were written, and the plan, which serves only as a
//! hint at what each new entity is meant to be. Output: nothing, or the internal error that keeps the
//! bytes from being handed out. The rules of adaptation stand here a second time, in other words.
//!
//! Checked: the module is valid; imports, exports, types, tables and segments begin with the input's;
//! bodies differ only in the forms that `bodies` documents, and only where a call was chosen; each
//! parallel is filled as its table is, but for adapters, each of which does what its two signatures
//! ask for. What writes to parallels is checked only not to do anything else.

mod body;
mod func;

use super::plan::{Parallel, Plan, ShimFunc};
use crate::analyze::{Indirect, SegmentItem, segment_items};
use crate::error::{Error, Result};
use crate::index::{ElemIdx, FuncIdx, TableIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use wasmparser::{ElementKind, ExternalKind, Operator};

/// Checks `wasm`, which was made from `module`.
///
/// # Errors
/// [`Error::Internal`] with what is wrong.
pub(super) fn check(
    module: &Module<'_>,
    indirect: &Indirect<'_>,
    plan: &Plan,
    wasm: &[u8],
    bit_casts: bool,
) -> Result<()> {
    let output = Module::read(wasm)
        .map_err(|error| Error::Internal(format!("the output is refused: {error}")))?;
    let segments = active_segments(&output);
    let checker = Checker { module, output: &output, indirect, plan, bit_casts, segments };
    checker.prefixes()?;
    checker.bodies()?;
    let targets = checker.new_funcs()?;
    plan.parallels.iter().try_for_each(|parallel| checker.parallel(parallel, &targets))?;
    checker.passive_segments(&targets)
}

struct Checker<'a, 'm> {
    module: &'a Module<'m>,
    output: &'a Module<'a>,
    indirect: &'a Indirect<'m>,
    plan: &'a Plan,
    bit_casts: bool,
    /// The active segments of each table of the output, in order.
    segments: BTreeMap<TableIdx, Vec<ElemIdx>>,
}

fn active_segments(module: &Module<'_>) -> BTreeMap<TableIdx, Vec<ElemIdx>> {
    let mut segments: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, element) in module.elements.iter_enumerated() {
        if let ElementKind::Active { table_index, .. } = element.kind {
            segments.entry(TableIdx(table_index.unwrap_or(0))).or_default().push(index);
        }
    }
    segments
}

fn wrong(what: impl Into<String>) -> Error {
    Error::Internal(what.into())
}

fn require(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(what)) }
}

impl Checker<'_, '_> {
    /// The index spaces begin with those of the input.
    fn prefixes(&self) -> Result<()> {
        let (module, output) = (self.module, self.output);
        require(module.imported_funcs == output.imported_funcs, "the imported functions changed")?;
        let start = self.plan.funcs.get(&ShimFunc::Start).copied();
        require(output.start == start.or(module.start), "the start function changed")?;
        require(module.globals.len() == output.globals.len(), "the globals changed")?;
        require(module.memories.len() == output.memories.len(), "the memories changed")?;
        let exports = output.exports.iter().take(module.exports.len());
        require(module.exports.iter().eq(exports), "the exports changed")?;
        let new = &output.exports[module.exports.len()..];
        let of_this_tool = new.iter().all(|export| {
            export.kind == ExternalKind::Func && FuncIdx(export.index).is_new(module)
        });
        require(of_this_tool, "something else than a new function is exported")?;
        let exported = output.exports.iter();
        let mut tables = exported.filter(|export| export.kind == ExternalKind::Table);
        let hidden = tables.all(|export| (export.index as usize) < module.tables.len());
        require(hidden, "the host can write to a parallel")?;
        for (index, func) in module.funcs.iter_enumerated() {
            let same = output.funcs.get(index).is_some_and(|copy| copy.ty == func.ty);
            require(same, &format!("the type of function {index} changed"))?;
        }
        for (index, table) in module.tables.iter_enumerated() {
            let same = output.tables.get(index).is_some_and(|copy| copy.ty == table.ty);
            require(same, &format!("the type of table {index} changed"))?;
        }
        for (index, element) in module.elements.iter_enumerated() {
            let bytes = |module: &Module<'_>, range: std::ops::Range<u64>| {
                module.bytes[range.start as usize..range.end as usize].to_vec()
            };
            let same = output.elements.get(index).is_some_and(|copy| {
                bytes(module, element.range.clone()) == bytes(output, copy.range.clone())
            });
            require(same, &format!("element segment {index} changed"))?;
        }
        Ok(())
    }

    fn bodies(&self) -> Result<()> {
        for (index, func) in self.module.funcs.iter_enumerated() {
            let (Some(body), Some(copy)) = (&func.body, &self.output.funcs[index].body) else {
                continue;
            };
            if self.plan.changed.contains(&index) {
                self.changed_body(index)?;
            } else {
                let same = self.module.bytes[body.clone()] == self.output.bytes[copy.clone()];
                require(same, &format!("function {index}, in which nothing was chosen, changed"))?;
            }
        }
        Ok(())
    }

    /// Checks each by what it is meant to be; returns the adapters with what they call.
    fn new_funcs(&self) -> Result<BTreeMap<FuncIdx, FuncIdx>> {
        let mut targets = BTreeMap::new();
        let planned = self.module.funcs.len() + self.plan.funcs.len();
        require(self.output.funcs.len() == planned, "there are other functions than planned")?;
        for (func, index) in &self.plan.funcs {
            match func {
                ShimFunc::Adapter(_) => {
                    targets.insert(*index, self.adapter(*index)?);
                }
                ShimFunc::Tester(ordinal) => {
                    self.tester(*index, self.plan.testers[*ordinal].class)?;
                }
                ShimFunc::Write(operation) => self.writer(*index, Some(*operation))?,
                ShimFunc::Sync(_) => self.writer(*index, None)?,
                ShimFunc::Start => self.start(*index)?,
                ShimFunc::Beyond(ordinal) => {
                    self.beyond(*index, self.plan.parallels[*ordinal].class)?;
                }
            }
        }
        Ok(targets)
    }

    /// A parallel is filled as its table is, but for adapters.
    fn parallel(&self, parallel: &Parallel, targets: &BTreeMap<FuncIdx, FuncIdx>) -> Result<()> {
        let (table, ty) = parallel.class;
        let copy = self.output.tables.get(parallel.index);
        let copy = copy.ok_or_else(|| wrong("a parallel is missing"))?;
        let original = &self.module.tables[table].ty;
        let size = match parallel.fixed_size {
            None => (copy.ty.initial, copy.ty.maximum) == (original.initial, original.maximum),
            Some(size) => (copy.ty.initial, copy.ty.maximum) == (size, Some(size)),
        };
        require(size && copy.ty.table64 == original.table64, "a parallel has another size")?;
        let visible = self.indirect.host_visible(table);
        let may_grow = original.maximum != Some(original.initial);
        let same_size = copy.ty.initial == original.initial;
        let covered = parallel.may_be_shorter || !visible || !may_grow && same_size;
        require(covered, "the host may grow a table beyond its parallel")?;
        require(copy.import.is_none(), "the host can write to a parallel")?;
        let originals = match self.module.tables[table].import {
            Some(_) => &[],
            None => self.active_segments(table),
        };
        let copies = self.active_segments(parallel.index);
        require(originals.len() == copies.len(), "a parallel has other segments")?;
        let mut segments = originals.iter().zip(copies);
        segments.try_for_each(|(original, copy)| self.segment(*original, *copy, ty, targets))
    }

    /// The segments that are copied into parallels by instructions.
    fn passive_segments(&self, targets: &BTreeMap<FuncIdx, FuncIdx>) -> Result<()> {
        let mut segments = self.plan.segments.iter();
        segments.try_for_each(|((segment, ordinal), copy)| {
            let (_, ty) = self.plan.parallels[*ordinal].class;
            self.segment(*segment, *copy, ty, targets)
        })
    }

    fn active_segments(&self, table: TableIdx) -> &[ElemIdx] {
        self.segments.get(&table).map_or(&[], Vec::as_slice)
    }

    fn segment(
        &self,
        original: ElemIdx,
        copy: ElemIdx,
        ty: TypeIdx,
        targets: &BTreeMap<FuncIdx, FuncIdx>,
    ) -> Result<()> {
        let copy = self.output.elements.get(copy);
        let copy = copy.ok_or_else(|| wrong("a segment of a parallel is missing"))?;
        let original = &self.module.elements[original];
        let moved = matches!(copy.kind, ElementKind::Active { .. })
            && offset(&original.kind) != offset(&copy.kind);
        require(!moved, "a parallel's segment moved")?;
        let (originals, copies) = (segment_items(&original.items), segment_items(&copy.items));
        require(originals.len() == copies.len(), "a parallel's segment has another length")?;
        work::count(originals.len());
        let mut entries = originals.into_iter().zip(copies);
        entries.try_for_each(|(from, to)| self.replaced(from, to, ty, targets))
    }

    /// Whether `to` may be in a parallel for calls of type `ty` where `from` is in the table.
    fn replaced(
        &self,
        from: SegmentItem,
        to: SegmentItem,
        ty: TypeIdx,
        targets: &BTreeMap<FuncIdx, FuncIdx>,
    ) -> Result<()> {
        if from == to {
            return Ok(());
        }
        let (SegmentItem::Func(from), SegmentItem::Func(to)) = (from, to) else {
            return Err(wrong("a parallel holds something else than its table"));
        };
        require(!self.indirect.accepts(ty, from), "an adapter stands where the function could")?;
        let target = targets.get(&to).ok_or_else(|| wrong("no adapter stands in a parallel"))?;
        require(*target == from, "an adapter stands for another function")?;
        let of_call = self.output.funcs[to].ty;
        require(self.indirect.is_subtype(of_call, ty), "an adapter is not of the calls' type")
    }
}

/// The instructions of an active segment's offset, without the `end`.
fn offset<'a>(kind: &ElementKind<'a>) -> Vec<Operator<'a>> {
    let ElementKind::Active { offset_expr, .. } = kind else { return Vec::new() };
    let operators = offset_expr.get_operators_reader().into_iter().map_while(Result::ok);
    operators.filter(|operator| *operator != Operator::End).collect()
}

#[cfg(test)]
mod tests;
