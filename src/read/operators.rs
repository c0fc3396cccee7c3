//! The operators of a body, one after the other: the loop that every pass over code shares.

use super::{Module, features};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::work;
use std::ops::Range;
use wasmparser::{BinaryReader, Operator, OperatorsReader, OperatorsReaderAllocations, ValType};

/// An operator and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<'a> {
    /// The operator.
    pub operator: Operator<'a>,
    /// Offset of its first byte from the start of the module.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
}

impl Located<'_> {
    /// Its bytes, as a range of the module's.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The declarations of a function's locals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarations {
    /// How many runs of locals of one type there are.
    pub runs: u32,
    /// The runs, without their number in front, as a range of the module's bytes.
    pub range: Range<usize>,
}

/// The operators of a body that are still to be read, its last `end` included.
///
/// Each is an [`Error::Internal`] that can't be read again; nothing comes after one.
pub struct Operators<'a> {
    reader: Option<OperatorsReader<'a>>,
}

impl<'a> Operators<'a> {
    fn read(reader: &mut OperatorsReader<'a>) -> Result<Located<'a>> {
        let start = reader.original_position() as u32;
        work::count(1);
        let operator = reader.read().map_err(|error| Error::misread(&error))?;
        Ok(Located { operator, start, end: reader.original_position() as u32 })
    }
}

impl<'a> Iterator for Operators<'a> {
    type Item = Result<Located<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Located<'a>>> {
        let reader = self.reader.as_mut().filter(|reader| !reader.eof())?;
        let read = Operators::read(reader);
        if read.is_err() {
            self.reader = None;
        }
        Some(read)
    }
}

/// Reads single operators of a function, wherever they are, all in the same memory.
pub struct OperatorsAt<'a> {
    func: FuncIdx,
    /// The module's bytes up to the end of the function's body, and where that begins.
    bytes: &'a [u8],
    start: usize,
    allocations: OperatorsReaderAllocations,
}

impl<'a> OperatorsAt<'a> {
    /// The operator that begins at `offset`, which must be one that reading the body from its start finds.
    ///
    /// # Errors
    /// [`Error::Internal`] if nothing of the function is there.
    pub fn read(&mut self, offset: u32) -> Result<Located<'a>> {
        let start = offset as usize;
        let bytes = self.bytes.get(start..).filter(|_| start >= self.start);
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
            return Err(nothing_at(self.func, start));
        };
        let reader = BinaryReader::new_features(bytes, start as u64, features());
        if let Some(operator) = read_by_itself(reader.clone()) {
            return operator.map_err(|error| Error::misread(&error));
        }
        let allocations = std::mem::take(&mut self.allocations);
        let mut reader = OperatorsReader::new_with_allocs(reader, allocations);
        let operator = Operators::read(&mut reader);
        self.allocations = reader.into_allocations();
        operator
    }
}

fn nothing_at(func: FuncIdx, offset: usize) -> Error {
    Error::Internal(format!("function {func} has nothing at {offset:#x}"))
}

impl<'a> Module<'a> {
    /// The operators of a function, in order; none of an import.
    ///
    /// # Errors
    /// [`Error::Internal`] if the declarations in front of them can't be read again.
    pub fn operators(&self, func: FuncIdx) -> Result<Operators<'a>> {
        let reader = self.body(func).map(|body| body.get_operators_reader()).transpose();
        Ok(Operators { reader: reader.map_err(|error| Error::misread(&error))? })
    }

    /// What reads single operators of a function; an import has none.
    pub fn operators_at(&self, func: FuncIdx) -> OperatorsAt<'a> {
        let body = self.funcs[func].body.clone().unwrap_or_default();
        let allocations = OperatorsReaderAllocations::default();
        OperatorsAt { func, bytes: &self.bytes[..body.end], start: body.start, allocations }
    }

    /// The operator of `func` that begins at `offset`, which must be one that reading the body from its start finds.
    ///
    /// # Errors
    /// [`Error::Internal`] if nothing of the function is there.
    pub fn operator_at(&self, func: FuncIdx, offset: u32) -> Result<Located<'a>> {
        self.operators_at(func).read(offset)
    }

    /// A reader of the function's operators from one of them on.
    pub(crate) fn reader_at(&self, func: FuncIdx, offset: u32) -> Result<OperatorsReader<'a>> {
        let start = offset as usize;
        let Some(body) = self.funcs[func].body.as_ref().filter(|body| body.contains(&start)) else {
            return Err(nothing_at(func, start));
        };
        let bytes = &self.bytes[start..body.end];
        Ok(OperatorsReader::new(BinaryReader::new_features(bytes, start as u64, features())))
    }

    /// Where a function declares its locals; an empty range for an import.
    ///
    /// # Errors
    /// As [`Module::declared_locals`].
    pub fn declarations(&self, func: FuncIdx) -> Result<Declarations> {
        let misread = |error| Error::misread(&error);
        let Some(body) = self.body(func) else { return Ok(Declarations { runs: 0, range: 0..0 }) };
        let mut locals = body.get_locals_reader().map_err(misread)?;
        let (start, runs) = (locals.original_position() as usize, locals.get_count());
        for _ in 0..runs {
            locals.read().map_err(misread)?;
        }
        Ok(Declarations { runs, range: start..locals.original_position() as usize })
    }

    /// The locals that a function declares, as runs of one type each; none of an import.
    ///
    /// # Errors
    /// [`Error::Internal`] if they can't be read again.
    pub fn declared_locals(&self, func: FuncIdx) -> Result<Vec<(u32, ValType)>> {
        let misread = |error| Error::misread(&error);
        let Some(body) = self.body(func) else { return Ok(Vec::new()) };
        let locals = body.get_locals_reader().map_err(misread)?;
        locals.into_iter().map(|run| run.map_err(misread)).collect()
    }

    /// How many locals a function has, parameters included.
    ///
    /// # Errors
    /// As [`Module::declared_locals`].
    pub fn local_count(&self, func: FuncIdx) -> Result<u32> {
        let params = self.func_type(func).params().len() as u32;
        Ok(params + self.declared_locals(func)?.iter().map(|(count, _)| count).sum::<u32>())
    }
}

/// The operator that `reader` is at, if it closes a construct or begins another part of one, which the parser reads only where it has
/// read the start of the construct; or if it is one of those that are read most often.
fn read_by_itself(mut reader: BinaryReader<'_>) -> Option<wasmparser::Result<Located<'static>>> {
    const ELSE: u8 = 0x05;
    const CATCH: u8 = 0x07;
    const END: u8 = 0x0b;
    const BR: u8 = 0x0c;
    const BR_IF: u8 = 0x0d;
    const CALL: u8 = 0x10;
    const DELEGATE: u8 = 0x18;
    const CATCH_ALL: u8 = 0x19;
    const LOCAL_GET: u8 = 0x20;
    const LOCAL_SET: u8 = 0x21;
    const LOCAL_TEE: u8 = 0x22;
    let start = reader.original_position() as u32;
    let operator = match reader.read_u8().ok()? {
        ELSE => Ok(Operator::Else),
        CATCH => reader.read_var_u32().map(|tag_index| Operator::Catch { tag_index }),
        END => Ok(Operator::End),
        BR => reader.read_var_u32().map(|relative_depth| Operator::Br { relative_depth }),
        BR_IF => reader.read_var_u32().map(|relative_depth| Operator::BrIf { relative_depth }),
        CALL => reader.read_var_u32().map(|function_index| Operator::Call { function_index }),
        DELEGATE => {
            reader.read_var_u32().map(|relative_depth| Operator::Delegate { relative_depth })
        }
        CATCH_ALL => Ok(Operator::CatchAll),
        LOCAL_GET => reader.read_var_u32().map(|local_index| Operator::LocalGet { local_index }),
        LOCAL_SET => reader.read_var_u32().map(|local_index| Operator::LocalSet { local_index }),
        LOCAL_TEE => reader.read_var_u32().map(|local_index| Operator::LocalTee { local_index }),
        _ => return None,
    };
    work::count(1);
    let end = reader.original_position() as u32;
    Some(operator.map(|operator| Located { operator, start, end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operator_can_be_read_by_itself() {
        let wasm = wat::parse_str(
            "(module (tag $t (param i32)) (func (param i32)
                local.get 0  local.tee 0  local.set 0  local.get 0  call 0
                block  br 0  end
                local.get 0
                if  nop  else  local.get 0  br_if 0  end
                try  nop  catch $t  drop  catch_all  rethrow 0  end
                try  nop  delegate 0
                block  try_table (catch_all 0)  local.get 0  br_table 0 1  end  end))",
        )
        .unwrap();
        let module = Module::read(&wasm).unwrap();
        let func = FuncIdx(0);
        let all: Vec<_> = module.operators(func).unwrap().map(Result::unwrap).collect();
        assert_eq!(all.len(), 32);
        let mut single = module.operators_at(func);
        for located in all {
            assert_eq!(single.read(located.start).unwrap(), located);
            assert_eq!(module.operator_at(func, located.start).unwrap(), located);
        }
        let body = module.funcs[func].body.clone().unwrap();
        for outside in [0, body.start - 1, body.end] {
            assert!(single.read(outside as u32).is_err());
        }
    }
}
