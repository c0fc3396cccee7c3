//! Where values are that the input has on the operand stack, where code was put around them.
//!
//! Input: which values of a function are somewhere else, and between which offsets. Output: for a value of the input, by how many lie
//! below it, where it is. What is away are always the lowest values: all others lie so much lower.

use crate::work;
use std::ops::Range;

/// A value that is not where the input has it, between two of the input's offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Displaced {
    pub(crate) range: Range<u32>,
    /// How many values the input has below it.
    pub(crate) position: u32,
    /// The local that holds it meanwhile, if any.
    pub(crate) local: Option<u32>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValuePlace {
    /// On the operand stack, with so many values below it.
    Stack(u32),
    Local(u32),
    Nowhere,
}

/// Where the value is that the input has at `position` on the operand stack, in each part of `range`.
pub(super) fn places(
    displaced: &[Displaced],
    range: &Range<u32>,
    position: u32,
) -> Vec<(Range<u32>, ValuePlace)> {
    let inside = displaced.iter().filter(|value| {
        let Range { start, end } = value.range;
        value.position <= position && start < range.end && range.start < end
    });
    let inside: Vec<_> = inside.collect();
    let bounds = inside.iter().flat_map(|value| [value.range.start, value.range.end]);
    let mut bounds: Vec<_> = bounds.chain([range.start, range.end]).collect();
    bounds.retain(|bound| (range.start..=range.end).contains(bound));
    bounds.sort_unstable();
    bounds.dedup();
    let mut places: Vec<(Range<u32>, ValuePlace)> = Vec::new();
    for part in bounds.windows(2) {
        work::count(inside.len());
        let mut away: Vec<_> =
            inside.iter().filter(|value| value.range.contains(&part[0])).collect();
        away.sort_unstable_by_key(|value| value.position);
        let mut place = ValuePlace::Stack(position);
        for value in away {
            place = match place {
                _ if value.position == position => {
                    value.local.map_or(ValuePlace::Nowhere, ValuePlace::Local)
                }
                ValuePlace::Stack(now) => ValuePlace::Stack(now.saturating_sub(1)),
                away => away,
            };
        }
        match places.last_mut() {
            Some((last, same)) if *same == place => last.end = part[1],
            _ => places.push((part[0]..part[1], place)),
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::ValuePlace::{Local, Nowhere, Stack};
    use super::{Displaced, places};

    fn displaced(range: std::ops::Range<u32>, position: u32, local: Option<u32>) -> Displaced {
        Displaced { range, position, local }
    }

    #[test]
    fn values_above_those_that_are_away_lie_lower() {
        let away = [
            displaced(10..20, 0, Some(7)),
            displaced(12..18, 1, None),
            displaced(30..40, 0, Some(8)),
        ];
        assert_eq!(places(&away, &(0..10), 0), [(0..10, Stack(0))]);
        assert_eq!(
            places(&away, &(5..50), 0),
            [
                (5..10, Stack(0)),
                (10..20, Local(7)),
                (20..30, Stack(0)),
                (30..40, Local(8)),
                (40..50, Stack(0))
            ]
        );
        assert_eq!(
            places(&away, &(11..25), 1),
            [(11..12, Stack(0)), (12..18, Nowhere), (18..20, Stack(0)), (20..25, Stack(1))]
        );
        assert_eq!(
            places(&away, &(11..25), 3),
            [(11..12, Stack(2)), (12..18, Stack(1)), (18..20, Stack(2)), (20..25, Stack(3))]
        );
        assert_eq!(places(&away, &(13..14), 2), [(13..14, Stack(0))]);
        assert_eq!(places(&away, &(13..13), 2), []);
    }
}
