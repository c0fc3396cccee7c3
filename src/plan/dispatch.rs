//! Dispatches: how a rewind gets from the start of a region to a landing in it.
//!
//! A dispatch is cold, but not free on the normal path where that passes it too: one test, of the state; or of `$resume`, which a
//! dispatch then resets that leads to a site, or the landing if there is but one. What is at the very start of a region is behind
//! its dispatch, and if all rewinds that come there go to one place, there is no other test. Sites and regions inside are told apart
//! by their ordinals, through a `br_table` as far as engines accept its size.

use super::few::Few;
use super::{Label, PadOrdinal};
use crate::index::{LocalIdx, TagIdx};
use crate::limits::Limit;

/// Where a region's dispatch goes: site ordinals are numbered so that those of a region are
/// consecutive, its own sites first, then those of each region inside, small regions first, then those of handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The ordinal of the region's first site.
    pub first: u32,
    /// The landings of the region's own sites, by ordinal.
    pub sites: Box<[Label]>,
    /// The landings of the regions inside, each with how many sites are in it: the ordinals after those of `sites`.
    pub regions: Few<(Label, u32)>,
    /// The handlers of the `try` whose body the region is, with the ordinals after those of `regions`.
    pub handlers: Few<HandlerWay>,
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

/// A way to one of several labels, by an ordinal. What has no label is behind the jump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jump {
    /// `br`: there is but one.
    To(Label),
    /// To the label from this ordinal on.
    From(u32, Label),
    /// `br_table`.
    Table {
        /// What is taken from the ordinal before; nothing, not even by an instruction, if it is 0.
        subtract: u32,
        /// For each ordinal from there on its label.
        targets: Vec<Option<Label>>,
        /// The label for all beyond.
        default: Option<Label>,
    },
    /// One comparison after the other, where a table would be larger than they are, or than engines accept.
    Ladder {
        /// Labels, each with the first ordinal that is beyond those of it.
        steps: Vec<(Option<Label>, u32)>,
        /// The label for all beyond the last.
        default: Option<Label>,
    },
}

impl Dispatch {
    /// The ordinal of the first site in a handler.
    fn first_in_handlers(&self) -> u32 {
        let in_regions: u32 = self.regions.iter().map(|(_, sites)| sites).sum();
        self.first + self.sites.len() as u32 + in_regions
    }

    /// The handlers, each with the ordinal of its first site.
    pub fn handlers_with_first(&self) -> impl Iterator<Item = (u32, &HandlerWay)> {
        let mut next = self.first_in_handlers();
        self.handlers.iter().map(move |handler| {
            let first = next;
            next += handler.sites;
            (first, handler)
        })
    }

    /// The way to its own sites, and that to all else.
    pub fn split(&self) -> (Dispatch, Dispatch) {
        let Dispatch { first, sites, regions, handlers } = self.clone();
        let behind = first + sites.len() as u32;
        let own = Dispatch { first, sites, regions: Few::default(), handlers: Few::default() };
        (own, Dispatch { first: behind, sites: Box::default(), regions, handlers })
    }

    /// The only site that it leads to, if there is nothing else.
    pub fn only_site(&self) -> Option<Label> {
        match (&self.sites[..], &self.regions[..], &self.handlers[..]) {
            ([label], [], []) => Some(*label),
            _ => None,
        }
    }

    /// The way to the region's own sites and the regions inside, of which one may be at the start of the region, behind the dispatch;
    /// nothing where no jump is needed. The last region, the largest, needs no targets: it is the default. Where there are handlers and
    /// nothing is at the start, what is behind the jump is theirs.
    pub fn to_landings(&self, start: Option<Label>) -> Option<Jump> {
        let there = |label: Label| Some(label).filter(|label| Some(*label) != start);
        let sites = self.sites.iter().map(|label| (there(*label), 1));
        let regions = self.regions.iter().map(|(label, sites)| (there(*label), *sites));
        let mut listed: Vec<_> = sites.chain(regions).collect();
        let default = match self.leaves_handlers(start) {
            true => None,
            false => listed.pop()?.0,
        };
        let targets: u64 = listed.iter().map(|(_, count)| u64::from(*count)).sum();
        let is_table = !Limit::BranchTargets.is_exceeded_by(targets + u64::from(MOST_PADDING));
        Some(match (&listed[..], default) {
            ([], _) => Jump::To(default?),
            ([(None, sites)], Some(label)) => Jump::From(self.first + sites, label),
            ([_], None) => ladder(self.first, &listed, default),
            _ if is_table => table(self.first, &listed, default),
            _ => ladder(self.first, &listed, default),
        })
    }

    /// Whether what is behind the jump belongs to handlers.
    pub fn leaves_handlers(&self, start: Option<Label>) -> bool {
        !self.handlers.is_empty() && start.is_none()
    }
}

impl Jump {
    /// Whether it takes the ordinal from the operand stack, first of all; else it asks a local for it, if at all.
    pub fn takes_ordinal(&self) -> bool {
        matches!(self, Jump::From(..) | Jump::Table { .. })
    }

    /// Whether it may branch to what is behind it; else it only goes on there.
    pub fn branches_behind(&self) -> bool {
        match self {
            Jump::To(_) | Jump::From(..) => false,
            Jump::Table { targets, default, .. } => default.is_none() || targets.contains(&None),
            Jump::Ladder { steps, .. } => steps.iter().any(|(label, _)| label.is_none()),
        }
    }
}

/// Up to so many targets that are never taken are less than what subtracting takes: three bytes or more, a target
/// one or two.
const MOST_PADDING: u32 = 3;

/// The table for ordinals from `first` on, of labels each with how many it is for.
fn table(first: u32, listed: &[(Option<Label>, u32)], default: Option<Label>) -> Jump {
    let (padding, subtract) = if first > MOST_PADDING { (0, first) } else { (first, 0) };
    let padding = std::iter::repeat_n(default, padding as usize);
    let labels = listed.iter().map(|(label, count)| std::iter::repeat_n(*label, *count as usize));
    Jump::Table { subtract, targets: padding.chain(labels.flatten()).collect(), default }
}

fn ladder(first: u32, listed: &[(Option<Label>, u32)], default: Option<Label>) -> Jump {
    let mut beyond = first;
    let steps = listed.iter().map(|(label, count)| {
        beyond += count;
        (*label, beyond)
    });
    Jump::Ladder { steps: steps.collect(), default }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatch(first: u32, sites: u32, regions: &[u32], handlers: &[u32]) -> Dispatch {
        let labels = (sites..).map(Label);
        let handler = |sites: &u32| HandlerWay { sites: *sites, caught: Caught::Any };
        Dispatch {
            first,
            sites: (0..sites).map(Label).collect(),
            regions: labels.zip(regions.iter().copied()).collect::<Vec<_>>().into(),
            handlers: handlers.iter().map(handler).collect::<Vec<_>>().into(),
        }
    }

    /// Where an ordinal goes; nowhere if it goes on behind.
    fn follow(jump: &Jump, ordinal: u32) -> Option<Label> {
        match jump {
            Jump::To(label) => Some(*label),
            Jump::From(first, label) => (ordinal >= *first).then_some(*label),
            Jump::Table { subtract, targets, default } => {
                *targets.get(ordinal.wrapping_sub(*subtract) as usize).unwrap_or(default)
            }
            Jump::Ladder { steps, default } => {
                let step = steps.iter().find(|(_, beyond)| ordinal < *beyond);
                step.map_or(*default, |(label, _)| *label)
            }
        }
    }

    /// All ordinals of a dispatch, in order, each with the label that it should get to; none for those of handlers.
    fn expected(dispatch: &Dispatch) -> Vec<Option<Label>> {
        let sites = dispatch.sites.iter().map(|label| (Some(*label), 1));
        let regions = dispatch.regions.iter().map(|(label, sites)| (Some(*label), *sites));
        let handlers = dispatch.handlers.iter().map(|handler| (None, handler.sites));
        let all = sites.chain(regions).chain(handlers);
        all.flat_map(|(label, sites)| std::iter::repeat_n(label, sites as usize)).collect()
    }

    #[test]
    fn each_ordinal_goes_to_its_label() {
        let inside = [&[][..], &[1], &[2, 3], &[1, 1, 5], &[30_000, 40_000, 40_001]];
        let caught = [&[][..], &[1], &[2, 1]];
        let firsts_and_sites = (1..6).flat_map(|first| (0..4).map(move |sites| (first, sites)));
        for (first, sites) in firsts_and_sites {
            for (regions, handlers) in
                inside.iter().flat_map(|a| caught.iter().map(move |b| (a, b)))
            {
                let dispatch = dispatch(first, sites, regions, handlers);
                let expected = expected(&dispatch);
                let labels = sites + regions.len() as u32;
                for start in [None].into_iter().chain((0..labels).map(|label| Some(Label(label)))) {
                    let jump = dispatch.to_landings(start);
                    for (ordinal, expected) in (first..).zip(&expected) {
                        let is_handled = expected.is_none() && start.is_some();
                        let to = jump.as_ref().and_then(|jump| follow(jump, ordinal));
                        let expected = expected.filter(|_| *expected != start);
                        assert!(is_handled || to == expected, "{ordinal} {start:?} {jump:?}");
                    }
                }
                let firsts = dispatch.handlers_with_first().map(|(first, _)| first);
                let begins = first + expected.iter().filter(|label| label.is_some()).count() as u32;
                assert_eq!(firsts.min().unwrap_or(begins), begins);
            }
        }
    }

    #[test]
    fn no_table_is_larger_than_engines_accept() {
        for count in [65_516, 65_517, 65_518, 65_520, 65_521, 100_000] {
            match dispatch(1, 0, &[count, count + 1], &[]).to_landings(None).unwrap() {
                Jump::Table { targets, .. } => assert!(targets.len() <= 65_520, "{count}"),
                Jump::Ladder { .. } => assert!(count > 65_516, "{count}"),
                Jump::To(_) | Jump::From(..) => panic!("there are two regions"),
            }
        }
    }
}
