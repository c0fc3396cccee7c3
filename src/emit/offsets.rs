//! Where bytes of the input are in the output, and the other way round.
//!
//! Input: runs of bytes that were copied together, as bodies are edited and written. Output: lookups by binary search.
//!
//! Invariants: the runs of the first copies are in order and never overlap, in the input or in the output; those of
//! further copies are so in the output.

use std::ops::Range;

/// Where code of the input is in the output: for whoever knows a place in one of them, from debug information, a trap or a
/// profile, and wants the other. All offsets are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetMap {
    /// Whether nothing is noted: a map of a large module takes as much memory as the module.
    is_off: bool,
    runs: Vec<Run>,
    /// Of code that is there another time: in functions that are entered only to go on where another left off, and of an
    /// operator behind what was put in its place.
    again: Vec<Run>,
}

/// Bytes that were kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    old: u32,
    new: u32,
    len: u32,
}

impl OffsetMap {
    /// An empty map, in which nothing is ever noted unless it `is_wanted`.
    pub(super) fn wanted(is_wanted: bool) -> OffsetMap {
        OffsetMap { is_off: !is_wanted, ..OffsetMap::default() }
    }

    /// That the first `len` bytes are where they were.
    pub(crate) fn identity(len: usize) -> OffsetMap {
        let mut map = OffsetMap::default();
        map.push(0, 0, len);
        map
    }

    /// Where the byte at `old` is in the output; `None` if it was left out. An instruction that was replaced is where begins
    /// what replaces it, and only its first byte is.
    pub fn new_offset(&self, old: usize) -> Option<usize> {
        let old = u32::try_from(old).ok()?;
        let after = self.runs.partition_point(|run| run.old <= old);
        let run = self.runs[..after].last()?;
        (old - run.old < run.len).then(|| (run.new + (old - run.old)) as usize)
    }

    /// Where the byte at `new` is in the input; `None` if it was added.
    pub fn old_offset(&self, new: usize) -> Option<usize> {
        let new = u32::try_from(new).ok()?;
        [&self.runs, &self.again].into_iter().find_map(|runs| {
            let after = runs.partition_point(|run| run.new <= new);
            let run = runs[..after].last()?;
            (new - run.new < run.len).then(|| (run.old + (new - run.new)) as usize)
        })
    }

    /// What was kept of the first copies, for whoever looks for what comes next.
    pub(super) fn kept(&self) -> Runs<'_> {
        Runs(&self.runs)
    }

    /// Whether all that was kept of a body, which began at `start`, is as far behind its start as it was.
    pub(super) fn keeps_places(&self, start: usize) -> bool {
        self.runs.iter().all(|run| run.old as usize == run.new as usize + start)
    }

    /// Whether nothing is noted.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Where in the output the last of the first copies ends.
    pub(super) fn end_of_kept(&self) -> usize {
        self.runs.last().map_or(0, |run| (run.new + run.len) as usize)
    }

    /// The further copies: where each is in the input and in the output, and its bytes; in the order of the output.
    pub(super) fn copies(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.again.iter().map(|run| (run.old as usize, run.new as usize, run.len as usize))
    }

    /// The further copies in a range of the output, if they are in the order of the input there.
    pub(super) fn again_in(&self, new: Range<usize>) -> Runs<'_> {
        let [start, end] = [new.start, new.end]
            .map(|at| self.again.partition_point(|run| (run.new as usize) < at));
        Runs(&self.again[start..end])
    }

    /// Appends `len` bytes, which come behind all others in both.
    pub(super) fn push(&mut self, old: usize, new: usize, len: usize) {
        if self.is_off || len == 0 {
            return;
        }
        push(&mut self.runs, Run { old: old as u32, new: new as u32, len: len as u32 });
    }

    /// Appends `len` bytes, which are somewhere else in the output too, and come behind all others there.
    pub(super) fn push_again(&mut self, old: usize, new: usize, len: usize) {
        if self.is_off {
            return;
        }
        push(&mut self.again, Run { old: old as u32, new: new as u32, len: len as u32 });
    }

    /// Appends what is known of a body that is written at `start`.
    pub(super) fn append(&mut self, body: &OffsetMap, start: usize) {
        body.runs.iter().for_each(|run| push(&mut self.runs, run.moved(start)));
        body.again.iter().for_each(|run| push(&mut self.again, run.moved(start)));
    }

    /// The same, of what is written so many bytes further behind.
    pub(super) fn moved(mut self, bytes: usize) -> OffsetMap {
        for run in self.runs.iter_mut().chain(&mut self.again) {
            *run = run.moved(bytes);
        }
        self
    }

    /// The same for a body whose code has been written before.
    pub(super) fn append_again(&mut self, body: &OffsetMap, start: usize) {
        let mut runs = [&body.runs[..], &body.again].concat();
        runs.sort_unstable_by_key(|run| run.new);
        runs.into_iter().for_each(|run| push(&mut self.again, run.moved(start)));
    }
}

/// Runs that are in order, in the input and in the output.
#[derive(Clone, Copy)]
pub(super) struct Runs<'m>(&'m [Run]);

impl Runs<'_> {
    /// Where the first byte from `old` on is that was kept.
    pub(super) fn from(self, old: usize) -> Option<usize> {
        let ends_before = |run: &Run| (run.old + run.len) as usize <= old;
        let run = self.0.get(self.0.partition_point(ends_before))?;
        Some(run.new as usize + old.saturating_sub(run.old as usize))
    }

    /// Where the byte at `old` is, if it was kept.
    pub(super) fn exactly(self, old: usize) -> Option<usize> {
        let after = self.0.partition_point(|run| run.old as usize <= old);
        let run = self.0[..after].last()?;
        let distance = old - run.old as usize;
        (distance < run.len as usize).then_some(run.new as usize + distance)
    }
}

impl Run {
    /// The same, in a body that is written at `start`.
    fn moved(self, start: usize) -> Run {
        Run { new: start as u32 + self.new, ..self }
    }
}

fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.old + last.len == run.old && last.new + last.len == run.new => {
            last.len += run.len;
        }
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_stay_side_by_side_are_one_run() {
        let mut map = OffsetMap::default();
        map.push(10, 5, 3);
        map.push(13, 8, 2);
        map.push(15, 11, 1);
        assert_eq!(map.runs, [Run { old: 10, new: 5, len: 5 }, Run { old: 15, new: 11, len: 1 }]);
    }

    #[test]
    fn every_offset_is_found_or_is_not_there() {
        let mut body = OffsetMap::default();
        body.push(10, 0, 5);
        body.push_again(12, 6, 1);
        body.push(20, 7, 1);
        let mut map = OffsetMap::identity(4);
        map.append(&body, 30);
        map.append_again(&body, 50);
        let new: Vec<_> = (0..25).map(|old| map.new_offset(old)).collect();
        for (old, new) in new.iter().enumerate() {
            let expected = match old {
                0..4 => Some(old),
                10..15 => Some(old + 20),
                20 => Some(37),
                _ => None,
            };
            assert_eq!(*new, expected, "{old}");
            assert!(new.is_none_or(|new| map.old_offset(new) == Some(old)));
        }
        let copies = (0..70).filter_map(|new| map.old_offset(new));
        assert_eq!(
            copies.collect::<Vec<_>>(),
            [0, 1, 2, 3, 10, 11, 12, 13, 14, 12, 20, 10, 11, 12, 13, 14, 12, 20]
        );
        assert_eq!(map.new_offset(usize::MAX), None);
    }
}
