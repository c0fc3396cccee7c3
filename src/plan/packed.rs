//! Lists of the plan in few bytes: the plans of all functions are in memory at once, and most of what they hold is where something
//! is to be done, and what.
//!
//! ```text
//! offsets   (offset - the one before)*                                 LEB128
//! steps     ((offset - the one before) << 5 | kind, operand?)*         LEB128, both
//! ```
//!
//! Most steps take two or three bytes, where a step beside its offset would take twelve.

use super::{Label, PadOrdinal, RegionOrdinal, Step};
use crate::index::{FuncIdx, LocalIdx, TypeIdx};
use crate::work;
use std::fmt;

/// Ascending offsets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Offsets(Box<[u8]>);

/// Steps beside the offsets of their operators, in order of those.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Steps(Box<[u8]>);

/// Whether an operand follows is a matter of the kind.
const KIND_BITS: u32 = 5;

/// Packs lists, one after the other, in the same memory.
#[derive(Default)]
pub(super) struct Packer(Vec<u8>);

impl Packer {
    pub fn offsets(&mut self, offsets: impl IntoIterator<Item = u32>) -> Offsets {
        let (bytes, mut last) = (&mut self.0, 0);
        bytes.clear();
        for offset in offsets {
            work::count(1);
            write(bytes, u64::from(offset - last));
            last = offset;
        }
        Offsets(bytes[..].into())
    }

    pub fn steps(&mut self, steps: &[(u32, Step)]) -> Steps {
        let (bytes, mut last) = (&mut self.0, 0);
        bytes.clear();
        for (offset, step) in steps {
            work::count(1);
            let (kind, operand) = parts(*step, *offset);
            write(bytes, u64::from(offset - last) << KIND_BITS | u64::from(kind));
            if let Some(operand) = operand {
                write(bytes, u64::from(operand));
            }
            last = *offset;
        }
        Steps(bytes[..].into())
    }
}

impl Offsets {
    /// They, in order.
    pub fn iter(&self) -> OffsetsIter<'_> {
        OffsetsIter { rest: &self.0, last: 0 }
    }
}

impl Steps {
    /// They, in order.
    pub fn iter(&self) -> StepsIter<'_> {
        StepsIter { rest: &self.0, last: 0 }
    }
}

/// Unpacks [`Offsets`].
#[derive(Clone, Debug)]
pub struct OffsetsIter<'a> {
    rest: &'a [u8],
    last: u32,
}

impl Iterator for OffsetsIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        work::count(1);
        self.last += read(&mut self.rest)? as u32;
        Some(self.last)
    }
}

/// Unpacks [`Steps`].
#[derive(Clone, Debug)]
pub struct StepsIter<'a> {
    rest: &'a [u8],
    last: u32,
}

impl Iterator for StepsIter<'_> {
    type Item = (u32, Step);

    fn next(&mut self) -> Option<(u32, Step)> {
        work::count(1);
        let head = read(&mut self.rest)?;
        self.last += (head >> KIND_BITS) as u32;
        let kind = head as u8 & ((1 << KIND_BITS) - 1);
        let step = step(kind, self.last, || read(&mut self.rest).unwrap_or(0) as u32);
        Some((self.last, step))
    }
}

impl fmt::Debug for Offsets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

/// The kind and the operand of a step at `at`.
fn parts(step: Step, at: u32) -> (u8, Option<u32>) {
    match step {
        Step::Copy => (0, None),
        Step::CopyNullable(ty) => (1, Some(ty.0)),
        Step::Set(local) => (2, Some(local.0)),
        Step::Get(local) => (3, Some(local.0)),
        Step::GetNullable(local) => (4, Some(local.0)),
        // What is made again was made before.
        Step::Again(offset) => (5, Some(at.wrapping_sub(offset))),
        Step::Drop => (6, None),
        Step::Omit => (7, None),
        Step::TeeToSet => (8, None),
        Step::Land(label) => (9, Some(label.0)),
        Step::Open(region) => (10, Some(region.0)),
        Step::Hoist(label) => (11, Some(label.0)),
        Step::Branch(label) => (12, Some(label.0)),
        Step::BranchIfZero(label) => (13, Some(label.0)),
        Step::ResetResume => (14, None),
        Step::Test(site) => (15, Some(site)),
        Step::CallForTail => (16, None),
        Step::Return => (17, None),
        Step::CallImport(import) => (18, Some(import.0)),
        Step::Unreachable => (19, None),
        Step::OpenPad(pad) => (20, Some(pad.0)),
        Step::ClosePad(pad) => (21, Some(pad.0)),
        Step::LandAtStart => (22, None),
    }
}

/// The inverse of [`parts`].
fn step(kind: u8, at: u32, operand: impl FnOnce() -> u32) -> Step {
    match kind {
        0 => Step::Copy,
        1 => Step::CopyNullable(TypeIdx(operand())),
        2 => Step::Set(LocalIdx(operand())),
        3 => Step::Get(LocalIdx(operand())),
        4 => Step::GetNullable(LocalIdx(operand())),
        5 => Step::Again(at.wrapping_sub(operand())),
        6 => Step::Drop,
        7 => Step::Omit,
        8 => Step::TeeToSet,
        9 => Step::Land(Label(operand())),
        10 => Step::Open(RegionOrdinal(operand())),
        11 => Step::Hoist(Label(operand())),
        12 => Step::Branch(Label(operand())),
        13 => Step::BranchIfZero(Label(operand())),
        14 => Step::ResetResume,
        15 => Step::Test(operand()),
        16 => Step::CallForTail,
        17 => Step::Return,
        18 => Step::CallImport(FuncIdx(operand())),
        19 => Step::Unreachable,
        20 => Step::OpenPad(PadOrdinal(operand())),
        21 => Step::ClosePad(PadOrdinal(operand())),
        22 => Step::LandAtStart,
        _ => unreachable!("no step is packed like this"),
    }
}

fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The next number; none at the end.
fn read(bytes: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_step() -> impl Strategy<Value = Step> {
        (0..22_u8, any::<u32>()).prop_map(|(kind, operand)| step(kind, 0, || operand))
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            mut offsets in prop::collection::vec(any::<u32>(), 0..40),
            steps in prop::collection::vec(any_step(), 40),
        ) {
            offsets.sort_unstable();
            let steps: Vec<_> = offsets.iter().copied().zip(steps).collect();
            let mut packer = Packer::default();
            prop_assert_eq!(packer.steps(&steps).iter().collect::<Vec<_>>(), steps);
            prop_assert_eq!(packer.offsets(offsets.iter().copied()).iter().collect::<Vec<_>>(), offsets);
        }
    }
}
