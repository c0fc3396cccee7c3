//! What memories hold, where that can't change.
//!
//! A memory keeps what its active data segments put there, and zeros elsewhere, if it is neither
//! imported nor exported and no instruction of the module writes to any memory; growing it adds
//! zeros. That is rare: wasm has no read-only memory. In any other memory a load can give anything.

use super::constants::{Constant, Constants};
use super::facts::Facts;
use super::host;
use crate::index::{IndexVec, MemoryIdx};
use crate::read::Module;
use wasmparser::{DataKind, MemArg, MemArgTarget, Operator};

/// The memories whose contents can't change.
#[derive(Default)]
pub(super) struct Memories<'m> {
    /// For each memory the segments in it, in order of address; `None` if a load can give anything.
    contents: IndexVec<MemoryIdx, Option<Vec<Segment<'m>>>>,
}

struct Segment<'m> {
    address: u64,
    bytes: &'m [u8],
}

impl Segment<'_> {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes.len() as u64)
    }
}

impl<'m> Memories<'m> {
    pub(super) fn new(module: &Module<'m>, facts: &Facts, constants: &Constants) -> Self {
        // What is left half instantiated may run before its data is there.
        if facts.writes_memory
            || !host::any_private_memory(module)
            || host::first_escape(module).is_some()
        {
            return Memories::default();
        }
        let mut contents: IndexVec<MemoryIdx, _> =
            host::private_memories(module).iter().map(|private| private.then(Vec::new)).collect();
        for data in module.data.iter() {
            let DataKind::Active { memory_index, offset_expr } = &data.kind else { continue };
            let held = &mut contents[MemoryIdx(*memory_index)];
            match (held.as_mut(), constants.eval(offset_expr)) {
                (Some(held), Constant::Int(address)) => {
                    held.push(Segment { address, bytes: data.data });
                }
                _ => *held = None,
            }
        }
        for memory in contents.indices() {
            contents[memory] = contents[memory].take().and_then(in_order);
        }
        Memories { contents }
    }

    /// Whether no load can be followed.
    pub(super) fn is_empty(&self) -> bool {
        self.contents.iter().all(Option::is_none)
    }

    /// The values that a load from one of these addresses may give; `None` if it can give any, or
    /// if the operator is no load of an integer.
    pub(super) fn load(&self, operator: &Operator<'_>, addresses: &[u64]) -> Option<Vec<u64>> {
        let load = Load::new(operator)?;
        let MemArgTarget::Memory(memory) = load.memarg.target else { return None };
        let segments = self.contents.get(MemoryIdx(memory))?.as_deref()?;
        let first = |address: &u64| address.checked_add(load.memarg.offset);
        // An address beyond the end of the index space traps.
        Some(addresses.iter().filter_map(first).map(|at| load.extend(read(segments, at))).collect())
    }
}

/// Sorts segments by address; `None` if any two overlap.
fn in_order(mut segments: Vec<Segment<'_>>) -> Option<Vec<Segment<'_>>> {
    segments.retain(|segment| !segment.bytes.is_empty());
    segments.sort_by_key(|segment| segment.address);
    let apart = segments.windows(2).all(|pair| pair[0].end() <= pair[1].address);
    apart.then_some(segments)
}

/// The eight bytes at an address, zeros where no segment is. (Beyond the memory a load traps.)
fn read(segments: &[Segment<'_>], address: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    for (at, byte) in (0..).zip(&mut bytes) {
        let address = address.saturating_add(at);
        let after = segments.partition_point(|segment| segment.address <= address);
        if let Some(segment) = after.checked_sub(1).map(|before| &segments[before]) {
            let held = segment.bytes.get((address - segment.address) as usize);
            *byte = held.copied().unwrap_or_default();
        }
    }
    bytes
}

/// A load of an integer.
struct Load {
    memarg: MemArg,
    bytes: u32,
    /// The width of the result in bits, if the sign is to be carried into it.
    signed: Option<u32>,
}

impl Load {
    fn new(operator: &Operator<'_>) -> Option<Load> {
        let (memarg, bytes, signed) = match *operator {
            Operator::I32Load { memarg } | Operator::I64Load32U { memarg } => (memarg, 4, None),
            Operator::I32Load8U { memarg } | Operator::I64Load8U { memarg } => (memarg, 1, None),
            Operator::I32Load16U { memarg } | Operator::I64Load16U { memarg } => (memarg, 2, None),
            Operator::I64Load { memarg } => (memarg, 8, None),
            Operator::I32Load8S { memarg } => (memarg, 1, Some(32)),
            Operator::I32Load16S { memarg } => (memarg, 2, Some(32)),
            Operator::I64Load8S { memarg } => (memarg, 1, Some(64)),
            Operator::I64Load16S { memarg } => (memarg, 2, Some(64)),
            Operator::I64Load32S { memarg } => (memarg, 4, Some(64)),
            _ => return None,
        };
        Some(Load { memarg, bytes, signed })
    }

    fn extend(&self, bytes: [u8; 8]) -> u64 {
        let unused = 64 - 8 * self.bytes;
        let high = u64::from_le_bytes(bytes) << unused;
        match self.signed {
            None => high >> unused,
            Some(width) => ((high as i64 >> unused) as u64) << (64 - width) >> (64 - width),
        }
    }
}
