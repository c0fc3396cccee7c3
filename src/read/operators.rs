//! The operators of a body, one after the other: the loop that every pass over code shares.

use super::{Module, features};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::work;
use std::ops::Range;
use wasmparser::{BinaryReader, Operator, OperatorsReader, ValType};

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

impl<'a> Module<'a> {
    /// The operators of a function, in order; none of an import.
    ///
    /// # Errors
    /// [`Error::Internal`] if the declarations in front of them can't be read again.
    pub fn operators(&self, func: FuncIdx) -> Result<Operators<'a>> {
        let reader = self.body(func).map(|body| body.get_operators_reader()).transpose();
        Ok(Operators { reader: reader.map_err(|error| Error::misread(&error))? })
    }

    /// The operator of `func` that begins at `offset`, which must be one that reading the body from its start finds.
    ///
    /// # Errors
    /// [`Error::Internal`] if nothing of the function is there.
    pub fn operator_at(&self, func: FuncIdx, offset: u32) -> Result<Located<'a>> {
        let reader = &mut self.reader_at(func, offset)?;
        match part_of_construct(reader.get_binary_reader()) {
            None => Operators::read(reader),
            Some(part) => part.map_err(|error| Error::misread(&error)),
        }
    }

    /// A reader of the function's operators from one of them on.
    pub(crate) fn reader_at(&self, func: FuncIdx, offset: u32) -> Result<OperatorsReader<'a>> {
        let start = offset as usize;
        let Some(body) = self.funcs[func].body.as_ref().filter(|body| body.contains(&start)) else {
            return Err(Error::Internal(format!("function {func} has nothing at {start:#x}")));
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
        let locals = body.get_locals_reader().map_err(misread)?;
        let operators = body.get_operators_reader().map_err(misread)?;
        let range = locals.original_position() as usize..operators.original_position() as usize;
        Ok(Declarations { runs: locals.get_count(), range })
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

/// The operator that `reader` is at, if it closes a construct or begins another part of one: the parser reads it only where it has
/// read the start of the construct.
fn part_of_construct(mut reader: BinaryReader<'_>) -> Option<wasmparser::Result<Located<'static>>> {
    const ELSE: u8 = 0x05;
    const CATCH: u8 = 0x07;
    const END: u8 = 0x0b;
    const DELEGATE: u8 = 0x18;
    const CATCH_ALL: u8 = 0x19;
    let start = reader.original_position() as u32;
    let operator = match reader.read_u8().ok()? {
        ELSE => Ok(Operator::Else),
        CATCH => reader.read_var_u32().map(|tag_index| Operator::Catch { tag_index }),
        END => Ok(Operator::End),
        DELEGATE => {
            reader.read_var_u32().map(|relative_depth| Operator::Delegate { relative_depth })
        }
        CATCH_ALL => Ok(Operator::CatchAll),
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
                local.get 0
                if  nop  else  local.get 0  drop  end
                try  nop  catch $t  drop  catch_all  rethrow 0  end
                try  nop  delegate 0
                block  try_table (catch_all 0)  local.get 0  br_table 0 1  end  end))",
        )
        .unwrap();
        let module = Module::read(&wasm).unwrap();
        let func = FuncIdx(0);
        let all: Vec<_> = module.operators(func).unwrap().map(Result::unwrap).collect();
        assert_eq!(all.len(), 24);
        for located in all {
            assert_eq!(module.operator_at(func, located.start).unwrap(), located);
        }
    }
}
