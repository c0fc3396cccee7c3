//! Checks changed bodies: reads original and copy side by side.

use super::super::operators;
use super::super::plan::{Parallel, Repair, ShimFunc};
use super::super::writes::operation;
use super::{Checker, require, wrong};
use crate::error::Result;
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use crate::read::Located;
use wasmparser::{BlockType, HeapType, Operator, UnpackedIndex};

/// The rest of a copy.
struct CopyReader<'o, 'b> {
    rest: &'o [Located<'b>],
    /// Locals from this one on are new.
    first_new: u32,
}

impl<'b> CopyReader<'_, 'b> {
    fn next(&mut self) -> Result<&Operator<'b>> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| wrong("a copy ends early"))?;
        self.rest = rest;
        Ok(&first.operator)
    }

    fn peek(&self) -> Option<&Operator<'b>> {
        self.rest.first().map(|located| &located.operator)
    }

    fn expect(&mut self, wanted: &Operator<'_>) -> Result<()> {
        let found = self.next()?;
        let message = format!("a copy has {found:?} where {wanted:?} should be");
        require(found == wanted, &message)
    }

    /// `local.set` of a new local.
    fn set_new(&mut self) -> Result<u32> {
        let first_new = self.first_new;
        match *self.next()? {
            Operator::LocalSet { local_index } if local_index >= first_new => Ok(local_index),
            _ => Err(wrong("a copy does not keep the index of a call")),
        }
    }

    fn get(&mut self, local_index: u32) -> Result<()> {
        self.expect(&Operator::LocalGet { local_index })
    }
}

/// A call of the original.
#[derive(Clone, Copy)]
struct OriginalCall {
    table: u32,
    ty: u32,
    tail: bool,
}

impl OriginalCall {
    fn of(operator: &Operator<'_>) -> Option<OriginalCall> {
        match *operator {
            Operator::CallIndirect { type_index, table_index } => {
                Some(OriginalCall { table: table_index, ty: type_index, tail: false })
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                Some(OriginalCall { table: table_index, ty: type_index, tail: true })
            }
            _ => None,
        }
    }

    fn directly(self, func: FuncIdx) -> Operator<'static> {
        let function_index = func.0;
        if self.tail {
            Operator::ReturnCall { function_index }
        } else {
            Operator::Call { function_index }
        }
    }

    fn through(self, table: TableIdx) -> Operator<'static> {
        let (type_index, table_index) = (self.ty, table.0);
        if self.tail {
            Operator::ReturnCallIndirect { type_index, table_index }
        } else {
            Operator::CallIndirect { type_index, table_index }
        }
    }
}

impl Checker<'_, '_> {
    pub(super) fn changed_body(&self, func: FuncIdx) -> Result<()> {
        let (original, copied) = (operators(self.module, func)?, operators(self.output, func)?);
        let first_new = self.module.local_count(func)?;
        let mut copy = CopyReader { rest: &copied, first_new };
        for Located { operator, start, .. } in &original {
            match (self.plan.repairs.get(start), OriginalCall::of(operator)) {
                (Some(repair), Some(call)) => self.repaired(*repair, call, &mut copy)?,
                (Some(_), None) => return Err(wrong("something else than a call was chosen")),
                (None, _) => self.same_or_written(operator, &mut copy)?,
            }
        }
        require(copy.rest.is_empty(), "a copy goes on after the original's end")
    }

    /// The same instruction; or a call of the function that does it to a table with parallels.
    fn same_or_written(
        &self,
        operator: &Operator<'_>,
        copy: &mut CopyReader<'_, '_>,
    ) -> Result<()> {
        if copy.peek() == Some(operator) && operation(operator, None).is_none() {
            copy.next()?;
            return Ok(());
        }
        let Some(write) = operation(operator, None) else {
            return copy.expect(operator);
        };
        let mut funcs = 0;
        while matches!(copy.peek(), Some(Operator::RefFunc { .. })) {
            copy.next()?;
            funcs += 1;
        }
        let write = if funcs > 0 { operation(operator, Some(FuncIdx(0))) } else { Some(write) };
        let write = write.ok_or_else(|| wrong("no instruction takes functions"))?;
        match self.plan.funcs.get(&ShimFunc::Write(write)) {
            Some(writer) if copy.peek() != Some(operator) => {
                copy.expect(&Operator::Call { function_index: writer.0 })
            }
            _ => {
                let mirrored = self.plan.parallels_of(write.table()).next().is_some();
                let grows = matches!(operator, Operator::TableGrow { .. });
                let fixed = self.plan.fixed_size_of(write.table()).is_some();
                require(!mirrored || grows && fixed, "a write does not reach the parallels")?;
                copy.expect(operator)
            }
        }
    }

    fn repaired(
        &self,
        repair: Repair,
        call: OriginalCall,
        copy: &mut CopyReader<'_, '_>,
    ) -> Result<()> {
        match repair {
            Repair::Test(tester) => self.by_test(call, tester, copy),
            Repair::Parallel(ordinal) => {
                let parallel = &self.plan.parallels[ordinal];
                let (table, ty) = parallel.class;
                let same = table.0 == call.table && self.indirect.canonical(TypeIdx(call.ty)) == ty;
                require(same, "a call goes through a parallel of something else")?;
                if !parallel.may_be_shorter {
                    return copy.expect(&call.through(parallel.index));
                }
                let beyond = self.plan.funcs.get(&ShimFunc::Beyond(ordinal));
                let beyond = beyond.ok_or_else(|| wrong("nothing calls beyond a parallel"))?;
                self.by_size(call, parallel, *beyond, copy)
            }
        }
    }

    fn by_size(
        &self,
        call: OriginalCall,
        parallel: &Parallel,
        beyond: FuncIdx,
        copy: &mut CopyReader<'_, '_>,
    ) -> Result<()> {
        let index = copy.set_new()?;
        let params = self.module.func_type_at(TypeIdx(call.ty)).params().len() as u32;
        let first = index.checked_sub(params).filter(|first| *first >= copy.first_new);
        let first = first.ok_or_else(|| wrong("a copy keeps arguments in the program's locals"))?;
        for local_index in (first..index).rev() {
            copy.expect(&Operator::LocalSet { local_index })?;
        }
        copy.get(index)?;
        let size = self.output.tables[parallel.index].ty.initial;
        if self.module.tables[TableIdx(call.table)].ty.table64 {
            copy.expect(&Operator::I64Const { value: size as i64 })?;
            copy.expect(&Operator::I64LtU)?;
        } else {
            copy.expect(&Operator::I32Const { value: size as i32 })?;
            copy.expect(&Operator::I32LtU)?;
        }
        require(matches!(copy.next()?, Operator::If { .. }), "a copy does not branch by size")?;
        (first..=index).try_for_each(|local| copy.get(local))?;
        copy.expect(&call.through(parallel.index))?;
        copy.expect(&Operator::Else)?;
        (first..=index).try_for_each(|local| copy.get(local))?;
        copy.expect(&call.directly(beyond))?;
        self.close(call, copy)
    }

    fn by_test(
        &self,
        call: OriginalCall,
        tester: FuncIdx,
        copy: &mut CopyReader<'_, '_>,
    ) -> Result<()> {
        let index = copy.set_new()?;
        copy.get(index)?;
        copy.expect(&Operator::TableGet { table: call.table })?;
        let hty = HeapType::Concrete(UnpackedIndex::Module(call.ty));
        copy.expect(&Operator::RefTestNonNull { hty })?;
        copy.expect(&Operator::If { blockty: BlockType::FuncType(call.ty) })?;
        copy.get(index)?;
        copy.expect(&call.through(TableIdx(call.table)))?;
        copy.expect(&Operator::Else)?;
        copy.get(index)?;
        copy.expect(&call.directly(tester))?;
        self.close(call, copy)
    }

    fn close(&self, call: OriginalCall, copy: &mut CopyReader<'_, '_>) -> Result<()> {
        copy.expect(&Operator::End)?;
        if call.tail { copy.expect(&Operator::Unreachable) } else { Ok(()) }
    }
}
