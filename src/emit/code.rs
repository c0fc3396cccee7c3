//! The code section in the making: bodies in the order of their functions, each as it was or as it was edited.
//!
//! Input: edited bodies, one at a time, in index order; what lies between them is copied from the input. Output: the contents of the
//! section behind the count of its items. Bodies need not all be there at once: of a module of a hundred megabytes that would be a second
//! copy.

use super::sections::{leb_len, split_vector};
use super::{CopyOf, Displaced, Edited, OffsetMap};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::limits::Limit;
use crate::read::{Module, Section};
use crate::work;
use std::ops::Range;
use wasm_encoder::{Encode, SectionId};

/// The bodies that have been written.
pub(crate) struct Code<'m, 'a> {
    module: &'m Module<'a>,
    bytes: Vec<u8>,
    /// How many bytes the input's count of items takes.
    spelled: usize,
    /// Where the input's items begin.
    start: usize,
    /// Where in the input is what has not been written yet, up to the end of the items.
    rest: Range<usize>,
    /// How many bodies there are behind those of the input.
    appended: u32,
    /// By how many bytes each edited body grew, in index order.
    added: Vec<(FuncIdx, i64)>,
    /// Whether instructions have other places in a body that is as long as it was.
    moved_within: bool,
    /// The bodies that are too large, with their sizes.
    too_large: Vec<(FuncIdx, u64)>,
    /// New offsets count from the first item.
    offsets: OffsetMap,
    /// Those among the appended bodies that are another's code.
    copies: Vec<Copied>,
    /// Of edited bodies that have such, the values that are not where the input has them, in index order.
    displaced: Vec<(FuncIdx, Vec<Displaced>)>,
}

/// A body that is another's code once more.
pub(super) struct Copied {
    /// Whose.
    pub func: FuncIdx,
    /// Its own function.
    pub index: FuncIdx,
    /// Where it is, from the first item on.
    pub body: Range<usize>,
    /// For each local of the other its number.
    pub locals: Vec<u32>,
}

/// All of the section, and what became of the bodies.
pub(super) struct Finished {
    /// The items.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub count: usize,
    /// How many bytes the count in front takes.
    pub spelled: usize,
    /// Whether every body of the input keeps its place in the section.
    pub stays: bool,
    pub added: Vec<(FuncIdx, i64)>,
    pub offsets: OffsetMap,
    pub copies: Vec<Copied>,
}

/// The module's code section.
pub(super) fn code_section<'s, 'a>(module: &'s Module<'a>) -> Option<&'s Section<'a>> {
    module.sections.iter().find(|section| section.id == SectionId::Code as u8)
}

impl<'m, 'a> Code<'m, 'a> {
    /// Nothing yet. Where bytes went is noted if `maps_offsets`.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if the section can't be read once more.
    pub(crate) fn new(module: &'m Module<'a>, maps_offsets: bool) -> Result<Code<'m, 'a>> {
        let (mut spelled, mut rest) = (0, 0..0);
        if let Some(section) = code_section(module) {
            let (_, items) = split_vector(module, section)?;
            spelled = section.contents.len() - items.len();
            rest = section.contents.start + spelled..section.contents.end;
        }
        let (start, offsets) = (rest.start, OffsetMap::wanted(maps_offsets));
        Ok(Code {
            module,
            bytes: Vec::new(),
            spelled,
            start,
            rest,
            appended: 0,
            added: Vec::new(),
            moved_within: false,
            too_large: Vec::new(),
            offsets,
            copies: Vec::new(),
            displaced: Vec::new(),
        })
    }

    /// Makes room for so many bytes more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// The body of `func`, which is defined, and comes behind all that were given before.
    pub(crate) fn push(&mut self, func: FuncIdx, edited: &Edited) {
        work::count(1);
        let Some(body) = self.module.funcs[func].body.clone() else { return };
        let (before, after) = (body.len(), edited.bytes.len());
        self.moved_within |= !edited.offsets.keeps_places(body.start);
        if before == after {
            // The size in front stays as it is spelled.
            self.copy_to(body.start);
        } else {
            self.copy_to(self.end_before(func));
            after.encode(&mut self.bytes);
        }
        self.offsets.append(&edited.offsets, self.bytes.len());
        self.bytes.extend_from_slice(&edited.bytes);
        self.rest.start = body.end;
        self.added.push((func, after as i64 - before as i64));
        if !edited.displaced.is_empty() {
            self.displaced.push((func, edited.displaced.clone()));
        }
        self.check(func, after);
    }

    /// The body of a further function.
    pub(crate) fn append(&mut self, edited: &Edited) {
        work::count(1);
        self.copy_to(self.rest.end);
        let size = edited.bytes.len();
        size.encode(&mut self.bytes);
        let start = self.bytes.len();
        self.offsets.append_again(&edited.offsets, start);
        self.bytes.extend_from_slice(&edited.bytes);
        let index = FuncIdx(self.module.funcs.len() as u32 + self.appended);
        if let Some(CopyOf { func, locals }) = &edited.copy_of {
            let (func, locals, body) = (*func, locals.clone(), start..self.bytes.len());
            self.copies.push(Copied { func, index, body, locals });
        }
        self.check(index, size);
        self.appended += 1;
    }

    /// What has been written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bodies that are too large, with their sizes.
    pub(super) fn too_large(&self) -> &[(FuncIdx, u64)] {
        &self.too_large
    }

    /// Whether nothing is there that isn't in the input.
    pub(super) fn is_untouched(&self) -> bool {
        self.added.is_empty() && self.appended == 0
    }

    /// Copies what is left of the input's.
    pub(super) fn complete(&mut self) {
        self.copy_to(self.rest.end);
    }

    /// All of it, when it is complete.
    pub(super) fn finish(self) -> Finished {
        let (count, stays, spelled) = (self.count(), self.stays(), self.new_spelled());
        let Code { bytes, added, offsets, copies, .. } = self;
        Finished { bytes, count, spelled, stays, added, offsets, copies }
    }

    fn count(&self) -> usize {
        let defined = self.module.funcs.len() - self.module.imported_funcs;
        defined + self.appended as usize
    }

    /// Whether every body of the input keeps its place in the section, and every instruction.
    pub(super) fn stays(&self) -> bool {
        let same_lengths = self.added.iter().all(|(_, added)| *added == 0);
        self.spelled >= leb_len(self.count()) && same_lengths && !self.moved_within
    }

    /// How many bytes the count in front takes.
    pub(super) fn new_spelled(&self) -> usize {
        if self.stays() { self.spelled } else { leb_len(self.count()) }
    }

    /// Where the input's items begin.
    pub(super) fn first_item(&self) -> usize {
        self.start
    }

    /// The functions whose bodies were edited, in index order.
    pub(super) fn edited(&self) -> impl Iterator<Item = FuncIdx> {
        self.added.iter().map(|(func, _)| *func)
    }

    /// Where code is; new offsets count from the first item.
    pub(super) fn offsets(&self) -> &OffsetMap {
        &self.offsets
    }

    /// Those among the appended bodies that are another's code, in the order of their places.
    pub(super) fn copies(&self) -> &[Copied] {
        &self.copies
    }

    /// Of edited bodies that have such, the values that are not where the input has them on the operand stack, in index order.
    pub(super) fn displaced(&self) -> &[(FuncIdx, Vec<Displaced>)] {
        &self.displaced
    }

    /// Where the body before that of `func` ends, or the items begin.
    fn end_before(&self, func: FuncIdx) -> usize {
        let before = func.0.checked_sub(1).and_then(|func| self.module.funcs.get(FuncIdx(func)));
        let body = before.and_then(|func| func.body.as_ref());
        body.map_or(self.start, |body| body.end)
    }

    fn copy_to(&mut self, end: usize) {
        let range = self.rest.start..end;
        self.rest.start = end;
        self.offsets.push(range.start, self.bytes.len(), range.len());
        self.bytes.extend_from_slice(&self.module.bytes[range]);
    }

    fn check(&mut self, func: FuncIdx, bytes: usize) {
        if Limit::BodyBytes.is_exceeded_by(bytes as u64) {
            self.too_large.push((func, bytes as u64));
        }
    }
}
