//! Recognises calls that were repaired before, so that repairing twice changes nothing more.
//!
//! ```wat
//! (local.set $index)
//! (if (type $t) (ref.test (ref $t) (table.get $table (local.get $index)))
//!   (then (call_indirect $table (type $t) (local.get $index)))                         ;; this one
//!   (else (call $shim$…)))
//! ```
//!
//! Calls within functions whose names begin with `shim$` are this tool's own, too, and so are calls through
//! tables with such names. Without a name section a parallel needs no recognising, as long as only
//! segments fill it: what its calls don't accept is not in there any more.

use crate::analyze::IndirectCall;
use crate::error::Result;
use crate::index::{FuncIdx, TableIdx};
use crate::read::Module;
use crate::work;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use wasmparser::types::CoreTypeId;
use wasmparser::{BinaryReader, HeapType, Name, NameSectionReader, Operator, UnpackedIndex};

/// The name that every function made here begins with.
pub(super) const PREFIX: &str = "shim$";

/// The offsets of those of `calls`, which are in order of caller, that were repaired before.
pub(super) fn offsets(module: &Module<'_>, calls: &[IndirectCall]) -> Result<BTreeSet<u32>> {
    let by_caller: Vec<&[IndirectCall]> = calls.chunk_by(|a, b| a.caller == b.caller).collect();
    let found: Vec<Result<Vec<u32>>> = by_caller
        .into_par_iter()
        .map(|calls| {
            let caller = calls[0].caller;
            if module.names.func(caller).is_some_and(|name| name.starts_with(PREFIX)) {
                return Ok(calls.iter().map(|call| call.offset).collect());
            }
            in_body(module, caller)
        })
        .collect();
    let parallels = parallels(module);
    let through = calls.iter().filter(|call| parallels.contains(&call.table));
    let mut repaired: BTreeSet<u32> = through.map(|call| call.offset).collect();
    for offsets in found {
        repaired.extend(offsets?);
    }
    Ok(repaired)
}

/// The tables whose names say that this tool made them.
fn parallels(module: &Module<'_>) -> BTreeSet<TableIdx> {
    let mut found = BTreeSet::new();
    for section in module.custom_sections("name") {
        let reader = BinaryReader::new(&module.bytes[section.contents.clone()], 0);
        for name in NameSectionReader::new(reader).map_while(Result::ok) {
            let Name::Table(tables) = name else { continue };
            let names = tables.into_iter().map_while(Result::ok);
            let ours = names.filter(|naming| naming.name.starts_with(PREFIX));
            found.extend(ours.map(|naming| TableIdx(naming.index)));
        }
    }
    found
}

/// A call as far as its operator says: table and type.
type TableAndType = (u32, CoreTypeId);

/// An open block, `if` or the like.
#[derive(Default)]
struct Block {
    /// For an `if`: what its condition tested the function in the slot for.
    tested: Option<TableAndType>,
}

fn in_body(module: &Module<'_>, func: FuncIdx) -> Result<Vec<u32>> {
    let mut walk = BodyWalk::new(module);
    for located in module.operators(func)? {
        work::count(1);
        let located = located?;
        walk.step(&located.operator, located.start);
    }
    Ok(walk.found)
}

struct BodyWalk<'a> {
    module: &'a Module<'a>,
    blocks: Vec<Block>,
    /// How many open blocks test for what.
    tested: HashMap<TableAndType, usize>,
    /// The last operators, the latest last, as far as they matter.
    last: [Before; 2],
    found: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Before {
    #[default]
    Other,
    TableGet(u32),
    RefTest(u32),
}

impl<'a> BodyWalk<'a> {
    fn new(module: &'a Module<'a>) -> BodyWalk<'a> {
        BodyWalk {
            module,
            blocks: vec![Block::default()],
            tested: HashMap::new(),
            last: [Before::Other; 2],
            found: Vec::new(),
        }
    }

    fn step(&mut self, operator: &Operator<'_>, offset: u32) {
        let mut now = Before::Other;
        match *operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => self.blocks.push(Block::default()),
            Operator::If { .. } => {
                let tested = match self.last {
                    [Before::TableGet(table), Before::RefTest(ty)] => Some((table, self.id(ty))),
                    _ => None,
                };
                if let Some(tested) = tested {
                    *self.tested.entry(tested).or_default() += 1;
                }
                self.blocks.push(Block { tested });
            }
            Operator::Else => {
                let tested = self.blocks.last_mut().and_then(|block| block.tested.take());
                self.leave(tested);
            }
            Operator::End | Operator::Delegate { .. } => {
                let tested = self.blocks.pop().and_then(|block| block.tested);
                self.leave(tested);
            }
            Operator::TableGet { table } => now = Before::TableGet(table),
            Operator::RefTestNonNull { hty: HeapType::Concrete(UnpackedIndex::Module(ty)) } => {
                now = Before::RefTest(ty);
            }
            Operator::CallIndirect { type_index, table_index }
            | Operator::ReturnCallIndirect { type_index, table_index }
                if self.tested.contains_key(&(table_index, self.id(type_index))) =>
            {
                self.found.push(offset);
            }
            _ => {}
        }
        self.last = [self.last[1], now];
    }

    fn id(&self, ty: u32) -> CoreTypeId {
        self.module.types().core_type_at_in_module(ty)
    }

    /// Leaves what ran after a test.
    fn leave(&mut self, tested: Option<TableAndType>) {
        let Some(tested) = tested else { return };
        if let Some(count) = self.tested.get_mut(&tested) {
            *count -= 1;
            if *count == 0 {
                self.tested.remove(&tested);
            }
        }
    }
}
