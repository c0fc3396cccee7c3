//! What a rewind enters a body by.

use super::few::Few;
use super::regions::Layout;
use super::{Label, LabelType, Region};
use crate::index::{LocalIdx, TypeIdx};
use wasmparser::BlockType;

/// How a rewind gets into a body.
#[derive(Debug)]
pub struct RewindStart {
    /// The local that says which site a rewind goes to.
    ///
    /// None if nothing asks that but the dispatch at the start, which then takes it from the operand stack.
    pub resume: Option<LocalIdx>,
    /// How many labels the rewriter opens.
    pub labels: u32,
    /// The types of those labels that have results, in order of their ordinals.
    pub label_types: Few<(Label, LabelType)>,
    /// The regions, by region ordinal; the first is the body itself.
    pub regions: Box<[Region]>,
    /// The types of [`super::Step::CopyNullable`] steps.
    pub nullable: Few<TypeIdx>,
    /// Whether rewinds enter. Else nothing does but an unwind that is undone inside of a pad, from there.
    pub at_start: bool,
    /// Whether regions ask `$resume`, which is reset on the way to each site, and not the state.
    pub asks_resume: bool,
}

impl RewindStart {
    /// By the regions of `layout`, which are taken out of it.
    pub(super) fn new(
        resume: Option<LocalIdx>,
        layout: &mut Layout,
        nullable: Vec<TypeIdx>,
        asks_resume: bool,
    ) -> RewindStart {
        RewindStart {
            resume,
            labels: layout.labels,
            label_types: std::mem::take(&mut layout.label_types).into(),
            regions: std::mem::take(&mut layout.regions).into(),
            nullable: nullable.into(),
            at_start: true,
            asks_resume,
        }
    }

    /// The same for a body that is entered inside of pads only.
    pub(super) fn inside_pads(&self) -> RewindStart {
        RewindStart {
            resume: self.resume,
            labels: self.labels,
            label_types: self.label_types.clone(),
            regions: self.regions.clone(),
            nullable: self.nullable.clone(),
            at_start: false,
            asks_resume: self.asks_resume,
        }
    }

    /// The block type of a label that the rewriter opens.
    pub fn label_type(&self, label: Label) -> &LabelType {
        const EMPTY: &LabelType = &LabelType::Plain(BlockType::Empty);
        match self.label_types.binary_search_by_key(&label, |(label, _)| *label) {
            Ok(position) => &self.label_types[position].1,
            Err(_) => EMPTY,
        }
    }
}
