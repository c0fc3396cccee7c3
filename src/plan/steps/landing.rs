//! Landings: the steps where a rewind arrives, at a site or in front of a region.

use super::{Bodies, StepWriter};
use crate::plan::{Label, RegionOrdinal, Step};

impl StepWriter<'_> {
    /// Buckets that begin where a rewind lands.
    pub(super) fn open_buckets(&mut self, offset: u32, buckets: &[usize]) {
        for bucket in buckets {
            let (label, region) = self.layout.buckets[*bucket];
            self.land(offset, label);
            self.push_in(Bodies::Entered, offset, Step::Open(region));
        }
    }

    /// The landing of a site or of a region. At the very start of the region that it is in, it needs no label, unless a dispatch does more than
    /// to lead there.
    pub(super) fn land(&mut self, offset: u32, label: Label) {
        let first_of = match self.steps.last() {
            None => Some((RegionOrdinal(0), None)),
            Some((at, Step::Open(region))) => Some((*region, Some(*at))),
            Some(_) => None,
        };
        let needs_none = |(_, opened): &(_, Option<u32>)| {
            self.resetting.is_none() && self.begins_at(*opened, offset)
        };
        let Some((region, _)) = first_of.filter(needs_none) else {
            return self.push_in(Bodies::Entered, offset, Step::Land(label));
        };
        debug_assert_eq!(self.layout.regions[region.0 as usize].labels.start, label.0);
        self.falls_in.push(region);
        self.push_in(Bodies::Entered, offset, Step::LandAtStart);
    }

    /// Whether the region that is opened by a step at `opened`, or is the body's, begins at `offset`.
    fn begins_at(&self, opened: Option<u32>, offset: u32) -> bool {
        match opened {
            // A bucket, whose first landing is where it begins.
            Some(at) if at == offset => true,
            Some(at) => {
                let operator = self.module.operators_at(self.func).read(at);
                operator.is_ok_and(|operator| operator.end == offset)
            }
            None => {
                let declarations = self.module.declarations(self.func);
                declarations.is_ok_and(|declared| declared.range.end == offset as usize)
            }
        }
    }
}
