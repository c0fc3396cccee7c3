//! Which operators of a function name something that may have another number in the output: rewriting reads no others.
//!
//! A construct without sites in which nothing names a label outside of it keeps all its labels, since the rewriter opens none there.
//! So none of its operators is among those that name labels:
//!
//! ```wat
//! loop             ;; a node: the rewriter opens labels inside
//!   block          ;; passed over, with all that is in it
//!     br_if 0
//!   end
//!   block          ;; not passed over, since the branch leads out of it
//!     br_if 1
//!   end
//!   call $site
//! end
//! ```

use super::packed::{Offsets, Packer};
use super::skeleton::{Event, Skeleton};
use crate::work;

/// The offsets of such operators, in order. Those that can't be reached may be missing.
#[derive(Debug)]
pub struct NamedAt {
    /// For a body with the input's locals: those that name labels, or open or close a construct.
    pub labels: Offsets,
    /// For a body with others: those that do, name locals, or end a run of code. Without such a body there are none.
    pub all: Offsets,
}

/// What one function leaves to the next: memory.
#[derive(Default)]
pub(super) struct Scratch {
    offsets: Vec<u32>,
    open: Vec<Enclosing>,
}

impl NamedAt {
    /// Those of a function; `has_own_locals`: whether a body has other locals than the input's.
    pub(super) fn of(
        skeleton: &Skeleton,
        has_own_locals: bool,
        scratch: &mut Scratch,
        packer: &mut Packer,
    ) -> NamedAt {
        let all = if has_own_locals { packer.offsets(all(skeleton)) } else { Offsets::default() };
        labels(skeleton, scratch);
        NamedAt { labels: packer.offsets(scratch.offsets.iter().copied()), all }
    }
}

fn all(skeleton: &Skeleton) -> impl Iterator<Item = u32> {
    let events = skeleton.offsets.chunk_by(|a, b| a == b).map(|same| same[0]);
    let mut accesses = skeleton.accesses.iter().map(|access| access.offset).peekable();
    let mut events = events.peekable();
    std::iter::from_fn(move || match (accesses.peek(), events.peek()) {
        (Some(access), Some(event)) if access > event => events.next(),
        (Some(_), _) => accesses.next(),
        (None, _) => events.next(),
    })
}

/// An open construct.
struct Enclosing {
    /// How many offsets there were before it.
    before: usize,
    /// Whether it stays whatever is in it: it is a node, or names labels itself.
    is_kept: bool,
    /// How many constructs around it are left by what names a label in it; at most.
    reach: u32,
}

/// Leaves everything around it, as far as is known.
const FAR: u32 = u32::MAX;

/// Puts the offsets of those that name labels into `scratch`.
fn labels(skeleton: &Skeleton, scratch: &mut Scratch) {
    let Scratch { offsets, open } = scratch;
    offsets.clear();
    open.clear();
    let mut nodes = skeleton.nodes.iter().map(|node| node.start).peekable();
    for (event, offset) in skeleton.events.iter().zip(&skeleton.offsets) {
        work::count(1);
        while nodes.next_if(|start| start < offset).is_some() {}
        match event {
            Event::Site(_) => continue,
            Event::Else | Event::Catch | Event::Stop => continue,
            Event::Block | Event::If | Event::Loop(_) | Event::Try => {
                // The handlers of a `try_table` come before it.
                let names_labels = offsets.last() == Some(offset);
                let is_kept = names_labels || nodes.peek() == Some(offset);
                // A `delegate` may end it.
                let reach = if matches!(event, Event::Try) { FAR } else { 0 };
                open.push(Enclosing { before: offsets.len(), is_kept, reach });
            }
            Event::BrIf(depth) | Event::Handler(depth) => name(open, *depth),
            // It may be a `rethrow`.
            Event::MayThrow => name(open, FAR),
            Event::End => match open.pop() {
                Some(Enclosing { before, is_kept: false, reach: 0 }) => {
                    offsets.truncate(before);
                    continue;
                }
                Some(Enclosing { reach: FAR, .. }) => name(open, FAR),
                Some(Enclosing { reach, .. }) => name(open, reach.saturating_sub(1)),
                None => {}
            },
        }
        if offsets.last() != Some(offset) {
            offsets.push(*offset);
        }
    }
}

/// A label is named in the innermost construct.
fn name(open: &mut [Enclosing], depth: u32) {
    if let Some(innermost) = open.last_mut() {
        innermost.reach = innermost.reach.max(depth);
    }
}

#[cfg(test)]
mod tests {
    use super::super::skeleton::{Node, NodeKind};
    use super::*;
    use wasmparser::BlockType;

    fn node(kind: NodeKind, start: u32) -> Node {
        let (ty, landing, middle) = (BlockType::Empty, start, None);
        let (spills, handlers) = (0..0, Vec::new());
        Node { kind, start, landing, spills, ty, middle, handlers, end: 0, next: 0 }
    }

    #[test]
    fn a_construct_that_keeps_its_labels_is_passed_over() {
        use Event::{Block, BrIf, End, Loop, Site};
        let events = [
            (10, Loop(0)),
            (12, Block),
            (16, BrIf(0)),
            (18, End),
            (19, Block),
            (21, Block),
            (23, BrIf(2)),
            (25, End),
            (26, End),
            (27, Site(0)),
            (29, End),
            (30, End),
        ];
        let (offsets, events) = events.into_iter().unzip();
        let kind = NodeKind::Site { import: None, tail: false };
        let nodes = vec![node(NodeKind::Block, 5), node(NodeKind::Loop, 10), node(kind, 27)];
        let mut skeleton = Skeleton { nodes, events, offsets, ..Skeleton::default() };
        for offset in [14, 28, 33] {
            skeleton.access(crate::index::LocalIdx(0), false, offset);
        }
        let (mut scratch, mut packer) = (Scratch::default(), Packer::default());
        let mut named = |all| NamedAt::of(&skeleton, all, &mut scratch, &mut packer);
        let names = named(true);
        assert_eq!(names.labels.iter().collect::<Vec<_>>(), [10, 19, 21, 23, 25, 26, 29, 30]);
        let all = [10, 12, 14, 16, 18, 19, 21, 23, 25, 26, 27, 28, 29, 30, 33];
        assert_eq!(names.all.iter().collect::<Vec<_>>(), all);
        assert_eq!(named(false).all.iter().count(), 0);
    }
}
