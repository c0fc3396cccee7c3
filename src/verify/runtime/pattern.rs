//! Recognises functions by their instructions, which a specification spells as text.
//!
//! | in a specification | means |
//! |---|---|
//! | `global.get $name`, `call %name` | that global or function, whichever it is: all that bear the name are one |
//! | `i32.const 4`, `at.const #name` | a number; or whichever it is, likewise |
//! | `global.get $part` | the address of the module's own part of the buffer |
//! | `at.…` | the instruction for the type of addresses |
//! | `i32.load 4` | an access of the frames' memory, at this offset |
//!
//! Whether a function is recognised never depends on names in the output.

use crate::index::{FuncIdx, GlobalIdx, MemoryIdx};
use std::collections::BTreeMap;
use wasmparser::{
    AbstractHeapType, BlockType, Catch, HeapType, MemArg, MemArgTarget, Operator, ValType,
};

/// What names stand for, as far as it is known.
#[derive(Clone, Default)]
pub(in crate::verify) struct Names {
    pub globals: BTreeMap<String, GlobalIdx>,
    pub funcs: BTreeMap<String, FuncIdx>,
    pub numbers: BTreeMap<String, u64>,
}

/// What a specification is read with.
#[derive(Clone, Copy)]
pub(in crate::verify) struct Memory {
    pub index: MemoryIdx,
    pub is_wide: bool,
    /// Whether the module's own part of the buffer begins elsewhere than that.
    pub is_apart: bool,
    pub page_log2: u32,
}

/// Holds instructions against a specification.
pub(in crate::verify) struct Matcher<'m> {
    pub memory: Memory,
    pub names: &'m mut Names,
}

impl Matcher<'_> {
    /// Whether a body, with its last `end`, is as the specification says.
    pub fn body<'o>(
        &mut self,
        specification: &str,
        mut operators: impl Iterator<Item = Operator<'o>>,
    ) -> bool {
        let mut words = specification.split_whitespace();
        loop {
            let Some(operator) = operators.next() else { return false };
            match words.next() {
                None => return operator == Operator::End && operators.next().is_none(),
                Some(word) if self.one(word, &mut words, &operator) => {}
                Some(_) => return false,
            }
        }
    }

    fn one<'w>(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = &'w str>,
        operator: &Operator<'_>,
    ) -> bool {
        let wide = self.memory.is_wide;
        let exact = match (word, wide) {
            ("i32.eq", _) => Operator::I32Eq,
            ("i32.ne", _) => Operator::I32Ne,
            ("i32.eqz", _) => Operator::I32Eqz,
            ("i32.or", _) => Operator::I32Or,
            ("i32.and", _) => Operator::I32And,
            ("i32.add", _) | ("at.add", false) => Operator::I32Add,
            ("i32.sub", _) | ("at.sub", false) => Operator::I32Sub,
            ("i32.shl", _) | ("at.shl", false) => Operator::I32Shl,
            ("i32.lt_u", _) | ("at.lt", false) => Operator::I32LtU,
            ("i32.ge_u", _) => Operator::I32GeU,
            ("i32.gt_u", _) | ("at.gt", false) => Operator::I32GtU,
            ("at.ne", false) => Operator::I32Ne,
            ("at.add", true) => Operator::I64Add,
            ("at.sub", true) => Operator::I64Sub,
            ("at.shl", true) => Operator::I64Shl,
            ("at.lt", true) => Operator::I64LtU,
            ("at.gt", true) => Operator::I64GtU,
            ("at.ne", true) => Operator::I64Ne,
            ("i64.extend_i32_u", _) => Operator::I64ExtendI32U,
            ("i32.wrap_i64", _) => Operator::I32WrapI64,
            ("i64.eq", _) => Operator::I64Eq,
            ("i64.or", _) => Operator::I64Or,
            ("i64.and", _) => Operator::I64And,
            ("i64.shl", _) => Operator::I64Shl,
            ("i64.shr_u", _) => Operator::I64ShrU,
            ("i32.shr_s", _) => Operator::I32ShrS,
            ("i32.shr_u", _) => Operator::I32ShrU,
            ("ref.is_null", _) => Operator::RefIsNull,
            ("ref.i31", _) => Operator::RefI31,
            ("i31.get_u", _) => Operator::I31GetU,
            ("ref.test_i31", _) => Operator::RefTestNonNull { hty: I31 },
            ("ref.cast_i31", _) => Operator::RefCastNonNull { hty: I31 },
            // Its type is that of what takes it.
            ("ref.null", _) => return matches!(operator, Operator::RefNull { .. }),
            ("if", _) => Operator::If { blockty: BlockType::Empty },
            ("if.at", false) => Operator::If { blockty: BlockType::Type(ValType::I32) },
            ("if.at", true) => Operator::If { blockty: BlockType::Type(ValType::I64) },
            ("drop", _) => Operator::Drop,
            // What it leaves is what the branches to it bring.
            ("block.any", _) => return matches!(operator, Operator::Block { .. }),
            ("throw_ref", _) => Operator::ThrowRef,
            ("i32.lt_s", _) => Operator::I32LtS,
            ("block", _) => Operator::Block { blockty: BlockType::Empty },
            ("loop", _) => Operator::Loop { blockty: BlockType::Empty },
            ("else", _) => Operator::Else,
            ("end", _) => Operator::End,
            ("return", _) => Operator::Return,
            ("unreachable", _) => Operator::Unreachable,
            ("select", _) => Operator::Select,
            _ => {
                let Some(argument) = words.next() else { return false };
                return self.with_argument(word, argument, operator);
            }
        };
        exact == *operator
    }

    fn with_argument(&mut self, word: &str, argument: &str, operator: &Operator<'_>) -> bool {
        let number = || argument.parse::<u32>().ok();
        match (word, operator) {
            ("local.get", Operator::LocalGet { local_index })
            | ("local.set", Operator::LocalSet { local_index })
            | ("local.tee", Operator::LocalTee { local_index }) => number() == Some(*local_index),
            ("br", Operator::Br { relative_depth })
            | ("br_if", Operator::BrIf { relative_depth }) => number() == Some(*relative_depth),
            ("global.get", Operator::GlobalGet { global_index })
            | ("global.set", Operator::GlobalSet { global_index }) => {
                self.global(argument, GlobalIdx(*global_index))
            }
            ("call", Operator::Call { function_index }) => {
                self.func(argument, FuncIdx(*function_index))
            }
            ("table.get", Operator::TableGet { table })
            | ("table.set", Operator::TableSet { table })
            | ("table.size", Operator::TableSize { table })
            | ("table.fill", Operator::TableFill { table })
            | ("table.grow", Operator::TableGrow { table }) => number() == Some(*table),
            ("memory.size", Operator::MemorySize { mem }) => *mem == self.memory.index.0,
            ("i32.const", Operator::I32Const { value }) => {
                self.number(argument, u64::from(*value as u32), 32)
            }
            ("throw", Operator::Throw { tag_index }) => number() == Some(*tag_index),
            ("try_table", Operator::TryTable { try_table }) => {
                try_table.ty == BlockType::Empty && catches(argument, &try_table.catches)
            }
            ("br_table", Operator::BrTable { targets }) => {
                let labels = targets.targets().flatten().chain([targets.default()]);
                argument.split(',').map(str::parse).eq(labels.map(Ok))
            }
            ("i64.const", Operator::I64Const { value }) => self.number(argument, *value as u64, 64),
            ("at.const", Operator::I32Const { value }) if !self.memory.is_wide => {
                self.number(argument, u64::from(*value as u32), 32)
            }
            ("at.const", Operator::I64Const { value }) if self.memory.is_wide => {
                self.number(argument, *value as u64, 64)
            }
            _ => self.access(word, argument, operator),
        }
    }

    fn access(&mut self, word: &str, argument: &str, operator: &Operator<'_>) -> bool {
        let address = if self.memory.is_wide { "i64" } else { "i32" };
        let word = word.replacen("at.", &format!("{address}."), 1);
        let (memarg, is) = match operator {
            Operator::I32Load { memarg } => (memarg, "i32.load"),
            Operator::I64Load { memarg } => (memarg, "i64.load"),
            Operator::F32Load { memarg } => (memarg, "f32.load"),
            Operator::F64Load { memarg } => (memarg, "f64.load"),
            Operator::V128Load { memarg } => (memarg, "v128.load"),
            Operator::I32Store { memarg } => (memarg, "i32.store"),
            Operator::I64Store { memarg } => (memarg, "i64.store"),
            Operator::F32Store { memarg } => (memarg, "f32.store"),
            Operator::F64Store { memarg } => (memarg, "f64.store"),
            Operator::V128Store { memarg } => (memarg, "v128.store"),
            _ => return false,
        };
        let MemArg { offset, target, ordering, .. } = memarg;
        word == is
            && ordering.is_none()
            && *target == MemArgTarget::Memory(self.memory.index.0)
            && self.number(argument, *offset, 64)
    }

    fn global(&mut self, name: &str, global: GlobalIdx) -> bool {
        match name.strip_prefix('$') {
            Some("part") if self.memory.is_apart => self.global("$home", global),
            Some("part") => self.global("$buffer", global),
            Some(name) => *self.names.globals.entry(name.into()).or_insert(global) == global,
            None => name.parse() == Ok(global.0),
        }
    }

    fn func(&mut self, name: &str, func: FuncIdx) -> bool {
        match name.strip_prefix('%') {
            Some(name) => *self.names.funcs.entry(name.into()).or_insert(func) == func,
            None => name.parse() == Ok(func.0),
        }
    }

    fn number(&mut self, name: &str, number: u64, bits: u32) -> bool {
        match name.strip_prefix('#') {
            Some(name) => *self.names.numbers.entry(name.into()).or_insert(number) == number,
            None if name == "-1" => number == u64::MAX >> (64 - bits),
            None => name.parse() == Ok(number),
        }
    }
}

/// Whether these are the handlers `TAG:LABEL,…`, where `all` and `allref` stand for those that catch all.
fn catches(specification: &str, catches: &[Catch]) -> bool {
    let spelled = catches.iter().map(|catch| match catch {
        Catch::One { tag, label } => format!("{tag}:{label}"),
        Catch::OneRef { tag, label } => format!("{tag}ref:{label}"),
        Catch::All { label } => format!("all:{label}"),
        Catch::AllRef { label } => format!("allref:{label}"),
    });
    specification.split(',').eq(spelled)
}

const I31: HeapType = HeapType::Abstract { shared: false, ty: AbstractHeapType::I31 };

/// The name of a type in instructions.
pub(in crate::verify) fn spelled(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        _ => "v128",
    }
}
