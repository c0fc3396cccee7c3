//! Recognises calls that were repaired before, so that repairing twice changes nothing more.
//!
//! ```wat
//! (local.set $index) (local.set $argument)                 ;; a table that the host can write to
//! (if (i32.lt_u (local.get $index) (i32.const SIZE))
//!   (then (call_indirect $shims (type $t) (local.get $argument) (local.get $index)))
//!   (else (call_indirect $table (type $t) (local.get $argument) (local.get $index))))  ;; this one
//!
//! (local.set $index)                                       ;; by ref.test
//! (if (type $t) (ref.test (ref $t) (table.get $table (local.get $index)))
//!   (then (call_indirect $table (type $t) (local.get $index)))                         ;; this one
//!   (else (call $shim$…)))
//! ```
//!
//! Calls within functions whose names begin with `shim$` are this tool's own, too.

use crate::analyze::IndirectCall;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::Module;
use rayon::prelude::*;
use std::collections::BTreeSet;
use wasmparser::{HeapType, Operator, UnpackedIndex};

/// The name that every function made here begins with.
pub(super) const PREFIX: &str = "shim$";

/// The offsets of those of `calls`, which are in order of caller, that were repaired before.
pub(super) fn repaired(module: &Module<'_>, calls: &[IndirectCall]) -> Result<BTreeSet<u32>> {
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
    let mut repaired = BTreeSet::new();
    for offsets in found {
        repaired.extend(offsets?);
    }
    Ok(repaired)
}

/// A call as far as its operator says: table and type.
type Called = (u32, u32);

/// An open block, `if` or the like.
#[derive(Default)]
struct Frame {
    /// For an `if`: what its condition tested the function in the slot for.
    tested: Option<Called>,
    /// For an `if` on an index's size: the call that ended its first arm.
    first_arm: Option<Called>,
    by_size: bool,
}

fn in_body(module: &Module<'_>, func: FuncIdx) -> Result<Vec<u32>> {
    let Some(body) = module.body(func) else { return Ok(Vec::new()) };
    let misread = |error| Error::misread(&error);
    let mut reader = body.get_operators_reader().map_err(misread)?;
    let mut walk = Walk::new(module);
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset().map_err(misread)?;
        walk.step(&operator, offset as u32);
    }
    Ok(walk.found)
}

struct Walk<'a> {
    module: &'a Module<'a>,
    frames: Vec<Frame>,
    /// The last operators, the latest last, as far as they matter.
    last: [Seen; 3],
    /// Whether nothing but `local.get` came since the last `else`.
    since_else: bool,
    found: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Seen {
    #[default]
    Other,
    LocalGet,
    Const,
    Less,
    TableGet(u32),
    RefTest(u32),
    Call(Called),
}

impl<'a> Walk<'a> {
    fn new(module: &'a Module<'a>) -> Walk<'a> {
        Walk {
            module,
            frames: vec![Frame::default()],
            last: [Seen::Other; 3],
            since_else: false,
            found: Vec::new(),
        }
    }

    fn step(&mut self, operator: &Operator<'_>, offset: u32) {
        let mut seen = Seen::Other;
        match *operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => self.frames.push(Frame::default()),
            Operator::If { .. } => {
                let tested = match self.last {
                    [_, Seen::TableGet(table), Seen::RefTest(ty)] => Some((table, ty)),
                    _ => None,
                };
                let by_size = self.last == [Seen::LocalGet, Seen::Const, Seen::Less];
                self.frames.push(Frame { tested, by_size, first_arm: None });
            }
            Operator::Else => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.tested = None;
                    frame.first_arm = match self.last[2] {
                        Seen::Call(called) if frame.by_size => Some(called),
                        _ => None,
                    };
                }
                self.since_else = true;
                self.last = [Seen::Other; 3];
                return;
            }
            Operator::End | Operator::Delegate { .. } => {
                self.frames.pop();
            }
            Operator::LocalGet { .. } => seen = Seen::LocalGet,
            Operator::I32Const { .. } | Operator::I64Const { .. } => seen = Seen::Const,
            Operator::I32LtU | Operator::I64LtU => seen = Seen::Less,
            Operator::TableGet { table } => seen = Seen::TableGet(table),
            Operator::RefTestNonNull { hty: HeapType::Concrete(UnpackedIndex::Module(ty)) } => {
                seen = Seen::RefTest(ty);
            }
            Operator::CallIndirect { type_index, table_index }
            | Operator::ReturnCallIndirect { type_index, table_index } => {
                let called = (table_index, type_index);
                if self.is_repaired(called) {
                    self.found.push(offset);
                }
                seen = Seen::Call(called);
            }
            _ => {}
        }
        self.since_else &= seen == Seen::LocalGet;
        self.last = [self.last[1], self.last[2], seen];
    }

    fn is_repaired(&self, (table, ty): Called) -> bool {
        let same = |other: u32| {
            let types = self.module.types();
            types.core_type_at_in_module(other) == types.core_type_at_in_module(ty)
        };
        let tested = self.frames.iter().filter_map(|frame| frame.tested);
        if tested.into_iter().any(|(of, tested)| of == table && same(tested)) {
            return true;
        }
        let first_arm = self.frames.last().and_then(|frame| frame.first_arm);
        self.since_else && first_arm.is_some_and(|(of, called)| of != table && same(called))
    }
}
