//! Dispatches: how a rewind gets from the start of a region to a landing in it.
//!
//! A dispatch is cold, but not free on the normal path where that passes it too: one test of `$resume`, and where all rewinds
//! that come here go to one label, not even a test of its own. Sites and regions inside are told apart by their ordinals,
//! through a `br_table` as far as engines accept its size.

use super::{Label, PadOrdinal};
use crate::index::{LocalIdx, TagIdx};
use crate::limits::Limit;

/// Where a region's dispatch goes: site ordinals are numbered so that those of a region are
/// consecutive, its own sites first, then those of handlers, then those of each region inside, small
/// regions first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The ordinal of the region's first site.
    pub first: u32,
    /// The landings of the region's own sites, by ordinal.
    pub sites: Box<[Label]>,
    /// The handlers of the `try` whose body the region is, with the ordinals after those of `sites`.
    pub handlers: Box<[HandlerWay]>,
    /// The landings of the regions inside, each with how many sites are in it.
    pub regions: Box<[(Label, u32)]>,
    /// Where `$resume` becomes 0 when the rewind has arrived at one of `sites`.
    pub reset: Reset,
}

/// How a rewind gets into a handler of a legacy `try`: by throwing, in the body, once more what the
/// handler caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerWay {
    /// How many sites are in the handler.
    pub sites: u32,
    /// What to throw.
    pub caught: Caught,
}

/// What a handler caught, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Something that is never asked for: a tag of the rewriter's own will do.
    Any,
    /// An exception with this tag, and the temporaries that hold the values that it carries.
    Tagged(TagIdx, Vec<LocalIdx>),
    /// What this pad keeps.
    Kept(PadOrdinal),
}

impl Caught {
    /// The temporaries that hold values.
    pub fn values(&self) -> &[LocalIdx] {
        match self {
            Caught::Tagged(_, values) => values,
            Caught::Any | Caught::Kept(_) => &[],
        }
    }
}

/// Where `$resume` becomes 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Nowhere: no later dispatch reads it.
    Never,
    /// In the dispatch.
    InDispatch,
    /// At the only site's landing, by a step of the plan.
    AtLanding,
}

/// A way to one of several labels, by an ordinal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jump {
    /// `br`: there is but one.
    To(Label),
    /// `br_table`.
    Table {
        /// What is taken from the ordinal before; nothing, not even by an instruction, if it is 0.
        subtract: u32,
        /// For each ordinal from there on its label.
        targets: Vec<Label>,
        /// The label for all beyond.
        default: Label,
    },
    /// One comparison after the other, where a table would be larger than engines accept.
    Ladder {
        /// Labels, each with the first ordinal that is beyond those of it.
        steps: Vec<(Label, u32)>,
        /// The label for all beyond the last.
        default: Label,
    },
}

impl Dispatch {
    /// The label that all rewinds go to that come here, if a branch on `$resume` does: of a region that is also entered on
    /// the normal path.
    pub fn only_landing(&self) -> Option<Label> {
        match (&self.sites[..], &self.regions[..]) {
            _ if !self.handlers.is_empty() => None,
            ([label], []) if self.reset == Reset::AtLanding => Some(*label),
            ([], [(label, _)]) => Some(*label),
            _ => None,
        }
    }

    /// The handlers, each with the ordinal of its first site.
    pub fn handlers_with_first(&self) -> impl Iterator<Item = (u32, &HandlerWay)> {
        let mut next = self.first + self.sites.len() as u32;
        self.handlers.iter().map(move |handler| {
            let first = next;
            next += handler.sites;
            (first, handler)
        })
    }

    /// The ordinal of the first site in a region inside.
    pub fn first_in_regions(&self) -> u32 {
        let in_handlers: u32 = self.handlers.iter().map(|handler| handler.sites).sum();
        self.first + self.sites.len() as u32 + in_handlers
    }

    /// The way to the region's own sites.
    pub fn to_sites(&self) -> Option<Jump> {
        match &self.sites[..] {
            [] => None,
            [label] => Some(Jump::To(*label)),
            [listed @ .., last] => Some(table(self.first, listed.to_vec(), *last)),
        }
    }

    /// The way to the regions inside. The last, the largest, needs no targets: it is the default.
    pub fn to_regions(&self) -> Option<Jump> {
        let ((default, _), listed) = self.regions.split_last()?;
        if listed.is_empty() {
            return Some(Jump::To(*default));
        }
        let first = self.first_in_regions();
        let targets: u64 = listed.iter().map(|(_, count)| u64::from(*count)).sum();
        if Limit::BranchTargets.is_exceeded_by(targets + u64::from(MOST_PADDING)) {
            return Some(ladder(first, listed, *default));
        }
        let targets = listed.iter();
        let targets =
            targets.flat_map(|(label, count)| std::iter::repeat_n(*label, *count as usize));
        Some(table(first, targets.collect(), *default))
    }
}

/// Up to so many targets that are never taken are less than what subtracting takes: three bytes or more, a target
/// one or two.
const MOST_PADDING: u32 = 3;

/// The table for ordinals from `first` on.
fn table(first: u32, mut targets: Vec<Label>, default: Label) -> Jump {
    if first > MOST_PADDING {
        return Jump::Table { subtract: first, targets, default };
    }
    targets.splice(0..0, std::iter::repeat_n(default, first as usize));
    Jump::Table { subtract: 0, targets, default }
}

fn ladder(first: u32, regions: &[(Label, u32)], default: Label) -> Jump {
    let mut beyond = first;
    let steps = regions.iter().map(|(label, count)| {
        beyond += count;
        (*label, beyond)
    });
    Jump::Ladder { steps: steps.collect(), default }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatch(first: u32, sites: u32, regions: &[u32]) -> Dispatch {
        let labels = (sites..).map(Label);
        Dispatch {
            first,
            sites: (0..sites).map(Label).collect(),
            handlers: Box::default(),
            regions: labels.zip(regions.iter().copied()).collect(),
            reset: Reset::InDispatch,
        }
    }

    /// Where an ordinal goes.
    fn follow(jump: &Jump, ordinal: u32) -> Label {
        match jump {
            Jump::To(label) => *label,
            Jump::Table { subtract, targets, default } => {
                *targets.get((ordinal - subtract) as usize).unwrap_or(default)
            }
            Jump::Ladder { steps, default } => {
                let step = steps.iter().find(|(_, beyond)| ordinal < *beyond);
                step.map_or(*default, |(label, _)| *label)
            }
        }
    }

    #[test]
    fn each_ordinal_goes_to_its_label() {
        for first in 1..6 {
            for regions in [&[][..], &[1], &[2, 3], &[1, 1, 5], &[40_000, 40_000, 40_001]] {
                let dispatch = dispatch(first, 3, regions);
                let sites = dispatch.to_sites().unwrap();
                for site in 0..3 {
                    assert_eq!(follow(&sites, first + site), Label(site));
                }
                assert_eq!(dispatch.first_in_regions(), first + 3);
                let mut ordinal = first + 3;
                for (label, count) in &dispatch.regions {
                    let jump = dispatch.to_regions().unwrap();
                    for in_region in [0, count / 2, count - 1] {
                        assert_eq!(follow(&jump, ordinal + in_region), *label, "{jump:?}");
                    }
                    ordinal += count;
                }
            }
        }
    }

    #[test]
    fn no_table_is_larger_than_engines_accept() {
        for count in [65_516, 65_517, 65_518, 65_520, 65_521, 100_000] {
            match dispatch(1, 0, &[count, count + 1]).to_regions().unwrap() {
                Jump::Table { targets, .. } => assert!(targets.len() <= 65_520, "{count}"),
                Jump::Ladder { .. } => assert!(count > 65_516, "{count}"),
                Jump::To(_) => panic!("there are two regions"),
            }
        }
    }
}
