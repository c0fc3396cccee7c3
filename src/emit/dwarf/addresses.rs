//! Where an address of debug information is in the output: an address counts from the start of the code section's contents.
//!
//! Input: the bodies of the input and of the output, and the map of offsets that editing left. Output: for each address of
//! the input that of the output, and for each copy of a function the address there.
//!
//! Invariants: order is kept. An instruction that was left out is where the next one is that was not; a function begins, and ends,
//! where it does in the output, with all that was put before and behind its instructions. So ends of ranges need no map of their own:
//! where one function ends the next begins, in both.

use super::super::code::{Copied, code_section};
use super::super::displaced::{self, ValuePlace};
use super::super::offsets::Runs;
use super::super::{Code, Displaced, OffsetMap};
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use std::ops::Range;
use wasmparser::BinaryReader;

/// The map of addresses.
pub(crate) struct Addresses<'m> {
    /// By their order in the section.
    funcs: Vec<Moved>,
    /// Of the input: offsets in the file less this are addresses.
    old_start: u64,
    /// Of the output: offsets from its first body plus this are addresses.
    new_start: u64,
    offsets: &'m OffsetMap,
    copies: &'m [Copied],
    /// For each copy the position of its original; in order of originals.
    by_func: Vec<(usize, usize)>,
    /// Of functions that have such, the values that are not where the input has them on the operand stack; `None` if nothing is
    /// known of that in functions that were edited.
    displaced: Option<&'m [(FuncIdx, Vec<Displaced>)]>,
}

/// A function's place before and after.
struct Moved {
    func: FuncIdx,
    old: Place,
    new: Place,
    is_edited: bool,
}

/// Where a function is: addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its size stands in front of it.
    pub(super) size: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A copy of a function: the code of another, which goes on where the function left off.
#[derive(Clone, Copy)]
pub(super) struct CopyOf<'m> {
    pub(super) copied: &'m Copied,
    /// Of the copy.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Of the original, in the input.
    pub(super) old: Place,
    runs: Runs<'m>,
    old_start: u64,
    new_start: u64,
}

impl<'m> Addresses<'m> {
    /// Of a module and its new code, which is complete; `None` without code.
    pub(in super::super) fn new(
        module: &Module<'_>,
        code: &'m Code<'_, '_>,
    ) -> Option<Addresses<'m>> {
        let mut edited = code.edited().peekable();
        let items = (code.first_item(), code.bytes());
        let is_edited = |func| edited.next_if_eq(&func).is_some();
        let written = (code.offsets(), code.copies());
        let addresses = Addresses::of_parts(module, items, code.new_spelled(), is_edited, written)?;
        Some(Addresses { displaced: Some(code.displaced()), ..addresses })
    }

    /// The same by what it is made of: where the input's bodies begin, the new ones, and how many bytes the new count of items takes;
    /// which functions were edited, where code went, and the copies.
    pub(in super::super) fn of_parts(
        module: &Module<'_>,
        (first_item, items): (usize, &[u8]),
        spelled: usize,
        mut is_edited: impl FnMut(FuncIdx) -> bool,
        (offsets, copies): (&'m OffsetMap, &'m [Copied]),
    ) -> Option<Addresses<'m>> {
        let section = code_section(module)?;
        let old_start = section.contents.start as u64;
        let old_address = |offset: usize| offset as u64 - old_start;
        let mut size = old_address(first_item);
        let mut reader = BinaryReader::new(items, 0);
        let mut funcs = Vec::with_capacity(module.defined_funcs().len());
        for func in module.defined_funcs() {
            work::count(1);
            let body = module.funcs[func].body.as_ref()?;
            let old = Place { size, start: old_address(body.start), end: old_address(body.end) };
            size = old.end;
            let new_size = reader.original_position();
            let bytes = reader.read_var_u32().ok()? as usize;
            let start = reader.original_position();
            reader.read_bytes(bytes).ok()?;
            let [new_size, start] = [new_size, start].map(|at| at + spelled as u64);
            let new = Place { size: new_size, start, end: start + bytes as u64 };
            let is_edited = is_edited(func);
            funcs.push(Moved { func, old, new, is_edited });
        }
        let position = |copied: &Copied| copied.func.0 as usize - module.imported_funcs;
        let mut by_func: Vec<_> = copies.iter().map(position).zip(0..).collect();
        by_func.sort_unstable();
        let new_start = spelled as u64;
        let displaced = None;
        Some(Addresses { funcs, old_start, new_start, offsets, copies, by_func, displaced })
    }

    /// Where a function's body begins from the first body on, and where in it instructions are that were so far behind its start.
    pub(in super::super) fn in_body(
        &self,
        func: FuncIdx,
        offsets: &[u32],
    ) -> Option<(usize, Vec<Option<u32>>)> {
        let moved = self.funcs.get(self.position_of(func)?)?;
        let place = |offset: &u32| {
            let new = self.exactly(moved.old.start + u64::from(*offset))?;
            Some(new.checked_sub(moved.new.start)? as u32)
        };
        let start = moved.new.start - self.new_start;
        Some((start as usize, offsets.iter().map(place).collect()))
    }

    /// The same in each copy of a function, with that.
    pub(in super::super) fn in_copies(
        &self,
        func: FuncIdx,
        offsets: &[u32],
    ) -> Vec<(FuncIdx, usize, Vec<Option<u32>>)> {
        let copies = self.copies_of_position(self.position_of(func)).map(|copy| {
            let place = |offset: &u32| {
                let old = copy.old.start + u64::from(*offset) + self.old_start;
                let new = copy.runs.exactly(old as usize)?;
                Some((new - copy.copied.body.start) as u32)
            };
            let places = offsets.iter().map(place).collect();
            (copy.copied.index, copy.copied.body.start, places)
        });
        copies.collect()
    }

    /// Whether an address of the input is in a function or its size. What a linker has dropped is at 0, or beyond the end.
    pub(super) fn is_code(&self, old: u64) -> bool {
        let (Some(first), Some(last)) = (self.funcs.first(), self.funcs.last()) else {
            return false;
        };
        (first.old.size..last.old.end).contains(&old)
    }

    /// Where the code of the input from `old` on is; `None` if no code is there, nor ends.
    pub(super) fn new_of(&self, old: u64) -> Option<u64> {
        let last = self.funcs.last()?;
        if old == last.old.end {
            return Some(last.new.end);
        }
        let moved = self.func_at(old)?;
        Some(moved.new_of(old, self))
    }

    /// Where the code goes on behind an instruction that ends at `old`: right behind it, before what was added there.
    pub(super) fn new_behind(&self, old: u64) -> Option<u64> {
        let before = old.checked_sub(1)?;
        let moved =
            self.func_at(before).filter(|moved| moved.is_edited && before >= moved.old.start);
        let Some(moved) = moved else { return self.new_of(old) };
        let kept = self.exactly(before).filter(|_| old < moved.old.end);
        kept.map(|kept| kept + 1).or_else(|| self.new_of(old))
    }

    /// The address of what was added behind all instructions of the function at `old`, and of the end of that.
    pub(super) fn epilogue_at(&self, old: u64) -> Option<Range<u64>> {
        let moved = self.func_at(old).filter(|moved| moved.is_edited)?;
        let last = self.exactly(moved.old.end - 1)?;
        (last + 1 < moved.new.end).then(|| last + 1..moved.new.end)
    }

    /// Where the value is that the input has on the operand stack, above `position` others, in each part of a range, which is in one function;
    /// `None` if no code is there.
    pub(super) fn places_of(
        &self,
        old: Range<u64>,
        position: u32,
    ) -> Option<Vec<(Range<u64>, ValuePlace)>> {
        let moved = self.func_at(old.start)?;
        if !moved.is_edited {
            return Some(vec![(old, ValuePlace::Stack(position))]);
        }
        let Some(displaced) = self.displaced else { return Some(vec![(old, ValuePlace::Nowhere)]) };
        let found = displaced.binary_search_by_key(&moved.func, |(func, _)| *func);
        let displaced = found.map_or(&[][..], |found| &displaced[found].1);
        let offset = |address: u64| u32::try_from(address + self.old_start).ok();
        let range = offset(old.start)?..offset(old.end)?;
        let address = |offset: u32| u64::from(offset) - self.old_start;
        let parts = displaced::places(displaced, &range, position).into_iter();
        Some(parts.map(|(part, place)| (address(part.start)..address(part.end), place)).collect())
    }

    /// Where the function that `old` is in ends, in the input.
    pub(super) fn end_of(&self, old: u64) -> Option<u64> {
        self.func_at(old).map(|moved| moved.old.end)
    }

    /// The copies of the function that begins at `old`, its size included.
    pub(super) fn copies_of(&self, old: u64) -> impl Iterator<Item = CopyOf<'_>> {
        let moved = self.position_at(old).filter(|at| old <= self.funcs[*at].old.start);
        self.copies_of_position(moved)
    }

    /// The copies of functions of which a range has a part, in order of their originals.
    pub(super) fn copies_in(&self, range: Range<u64>) -> impl Iterator<Item = CopyOf<'_>> {
        let in_range =
            move |moved: &Moved| range.start < moved.old.end && moved.old.start < range.end;
        let first = self.by_func.iter().map(|(position, copy)| (&self.funcs[*position], *copy));
        first.filter(move |(moved, _)| in_range(moved)).map(|(moved, copy)| self.copy(moved, copy))
    }

    /// Whether any function has a copy.
    pub(super) fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    fn copies_of_position(&self, position: Option<usize>) -> impl Iterator<Item = CopyOf<'_>> {
        let start = self.by_func.partition_point(|(of, _)| position.is_none_or(|at| *of < at));
        let copies = self.by_func[start..].iter().take_while(move |(of, _)| Some(*of) == position);
        copies.map(|(of, copy)| self.copy(&self.funcs[*of], *copy))
    }

    fn copy(&self, moved: &Moved, copy: usize) -> CopyOf<'_> {
        let copied = &self.copies[copy];
        let [start, end] = [copied.body.start, copied.body.end];
        CopyOf {
            copied,
            start: start as u64 + self.new_start,
            end: end as u64 + self.new_start,
            old: moved.old,
            runs: self.offsets.again_in(copied.body.clone()),
            old_start: self.old_start,
            new_start: self.new_start,
        }
    }

    fn position_of(&self, func: FuncIdx) -> Option<usize> {
        let first = self.funcs.first()?.func;
        func.0.checked_sub(first.0).map(|position| position as usize)
    }

    /// Where exactly this byte is.
    fn exactly(&self, old: u64) -> Option<u64> {
        let new = self.offsets.new_offset((old + self.old_start) as usize)?;
        Some(new as u64 + self.new_start)
    }

    fn func_at(&self, old: u64) -> Option<&Moved> {
        self.position_at(old).map(|position| &self.funcs[position])
    }

    fn position_at(&self, old: u64) -> Option<usize> {
        let position = self.funcs.partition_point(|moved| moved.old.end <= old);
        let moved = self.funcs.get(position)?;
        (moved.old.size <= old).then_some(position)
    }
}

impl Moved {
    fn new_of(&self, old: u64, addresses: &Addresses<'_>) -> u64 {
        if old == self.old.size {
            return self.new.size;
        }
        if old <= self.old.start {
            return self.new.start;
        }
        if !self.is_edited {
            return old - self.old.start + self.new.start;
        }
        let next = addresses.offsets.kept().from((old + addresses.old_start) as usize);
        let next = next.map(|new| new as u64 + addresses.new_start);
        next.map_or(self.new.end, |next| next.min(self.new.end))
    }
}

impl CopyOf<'_> {
    /// Where in the copy the code from `old` on is, which is an address of the original, or its end.
    pub(super) fn new_of(&self, old: u64) -> u64 {
        if old <= self.old.size {
            return self.start;
        }
        if old >= self.old.end {
            return self.end;
        }
        let next = self.runs.from((old + self.old_start) as usize);
        next.map_or(self.end, |next| next as u64 + self.new_start)
    }

    /// Behind all instructions of the original: what was added there, up to the end.
    pub(super) fn epilogue(&self) -> Range<u64> {
        let last = self.new_of(self.old.end - 1);
        (last + 1).min(self.end)..self.end
    }
}
