//! How a rewind gets from the start of a region to a landing in it.
//!
//! All of this is cold: on the normal path a region costs one test, of the state at the start of a
//! function and of the local `$resume` elsewhere; one that only a rewind enters costs none.

use super::body::Emitter;
use crate::plan::{Dispatch, HandlerEntry, Label, Region, RegionOrdinal, Reset};
use wasm_encoder::BlockType;

impl Emitter<'_, '_> {
    /// Opens the labels of a region and dispatches.
    pub(super) fn open_region(&mut self, ordinal: RegionOrdinal) {
        let region = &self.entry().regions[ordinal.0 as usize];
        for label in region.labels.clone().rev() {
            self.open_label(Label(label));
        }
        if region.rewind_only {
            if ordinal.0 == 0 {
                self.restore_frame();
            }
            self.dispatch(region);
        } else if ordinal.0 == 0 {
            let state = self.runtime.state.0;
            self.sink().global_get(state).if_(BlockType::Empty);
            self.depth += 1;
            self.restore_frame();
            self.dispatch(region);
            self.sink().end();
            self.depth -= 1;
        } else {
            self.guarded_dispatch(region);
        }
    }

    /// The dispatch of a region that is also entered on the normal path.
    fn guarded_dispatch(&mut self, region: &Region) {
        let resume = self.resume();
        let dispatch = &region.dispatch;
        let only = match (&dispatch.sites[..], &dispatch.regions[..]) {
            _ if !dispatch.handlers.is_empty() => None,
            ([label], []) if dispatch.reset == Reset::AtLanding => Some(*label),
            ([], [(label, _)]) => Some(*label),
            _ => None,
        };
        self.sink().local_get(resume);
        if let Some(label) = only {
            let depth = self.depth_of(label);
            self.sink().br_if(depth);
            return;
        }
        self.sink().if_(BlockType::Empty);
        self.depth += 1;
        self.dispatch(region);
        self.sink().end();
        self.depth -= 1;
    }

    /// Branches to the landing that `$resume`, which is not 0, says.
    fn dispatch(&mut self, region: &Region) {
        let resume = self.resume();
        let Dispatch { first, sites, handlers, regions, .. } = &region.dispatch;
        let mut next = first + sites.len() as u32;
        for handler in handlers {
            self.dispatch_to_handler(next, handler);
            next += handler.sites;
        }
        if !sites.is_empty() {
            let also_regions = !regions.is_empty();
            if also_regions {
                self.sink().local_get(resume).i32_const(next as i32).i32_lt_u();
                self.sink().if_(BlockType::Empty);
                self.depth += 1;
            }
            self.dispatch_to_site(&region.dispatch);
            if also_regions {
                self.sink().end();
                self.depth -= 1;
            }
        }
        match &regions[..] {
            // All ordinals are dealt with.
            [] if sites.is_empty() => _ = self.sink().unreachable(),
            [] => {}
            [(label, _)] => {
                let depth = self.depth_of(*label);
                self.sink().br(depth);
            }
            // The last region, the largest, needs no entries: it is the default.
            [listed @ .., (last, _)] => {
                self.sink().local_get(resume);
                let targets: Vec<_> = listed
                    .iter()
                    .flat_map(|(label, count)| std::iter::repeat_n(*label, *count as usize))
                    .collect();
                self.table(next, &targets, *last);
            }
        }
    }

    /// Throws what the handler had caught, if `$resume` is one of its ordinals, which begin with
    /// `first`.
    fn dispatch_to_handler(&mut self, first: u32, handler: &HandlerEntry) {
        let resume = self.resume();
        let tag = handler.tag.or(self.runtime.any_tag).expect("laid out for all handlers");
        self.sink().local_get(resume).i32_const(first as i32).i32_sub();
        self.sink().i32_const(handler.sites as i32).i32_lt_u().if_(BlockType::Empty);
        for local in &handler.payload {
            self.get(*local);
        }
        self.sink().throw(tag.0).end();
    }

    fn dispatch_to_site(&mut self, dispatch: &Dispatch) {
        let resume = self.resume();
        let reset = dispatch.reset == Reset::InDispatch;
        match &dispatch.sites[..] {
            [] => {}
            [label] => {
                if reset {
                    self.sink().i32_const(0).local_set(resume);
                }
                let depth = self.depth_of(*label);
                self.sink().br(depth);
            }
            [listed @ .., last] => {
                self.sink().local_get(resume);
                if reset {
                    self.sink().i32_const(0).local_set(resume);
                }
                self.table(dispatch.first, listed, *last);
            }
        }
    }

    /// `br_table` on the index on the stack, which is at least `first`.
    fn table(&mut self, first: u32, targets: &[Label], default: Label) {
        // Subtracting takes three bytes or more, an entry one or two.
        let padding = if first <= 3 {
            first
        } else {
            self.sink().i32_const(first as i32).i32_sub();
            0
        };
        let depths: Vec<_> = std::iter::repeat_n(default, padding as usize)
            .chain(targets.iter().copied())
            .map(|label| self.depth_of(label))
            .collect();
        let default = self.depth_of(default);
        self.sink().br_table(depths, default);
    }
}
