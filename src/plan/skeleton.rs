//! What the operator pass finds in a body: the *nodes* (sites, and the constructs that contain sites)
//! in program order as a tree, the operand stack at each, and the events that liveness looks at.

use crate::index::{FuncIdx, LocalIdx, TagIdx};
use std::ops::Range;
use wasmparser::{BlockType, ValType};

/// A node: a site, or a construct with sites inside.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub kind: NodeKind,
    /// Offset of the call, or of the operator that opens the construct.
    pub start: u32,
    /// Where a rewind enters: for a site the start of what runs again, else `start`.
    pub landing: u32,
    /// The values that leave the operand stack at `landing`, bottom first, as a range of
    /// [`Skeleton::spills`]: all that the enclosing construct has put there, but for those that
    /// left it at an earlier node and have not come back. What a construct takes, its parameters
    /// and the condition of an `if`, lies above them and is not among them.
    pub spills: Range<usize>,
    pub ty: BlockType,
    /// For an `if`: its `else`.
    pub middle: Option<Middle>,
    /// For a legacy `try`: its handlers.
    pub handlers: Vec<Handler>,
    /// Offset of the operator that closes the construct.
    pub end: u32,
    /// The node after the last node inside this one.
    pub next: usize,
}

/// A handler of a legacy `try`.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    /// Offset of the `catch` or `catch_all`.
    pub offset: u32,
    /// The tag that it catches; all if none.
    pub tag: Option<TagIdx>,
    /// The values that it finds on the operand stack.
    pub payload: Vec<ValType>,
    /// The first node inside.
    pub first_node: usize,
    /// Whether it may `rethrow` what it caught.
    pub rethrows: bool,
    /// Whether control can reach its end.
    pub falls_out: bool,
}

impl Handler {
    /// Whether it must keep an exception that nothing on the operand stack tells of.
    pub fn is_pad(&self) -> bool {
        self.tag.is_none() && self.rethrows
    }
}

/// Where the second arm of an `if` begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Middle {
    /// Offset of the `else`.
    pub offset: u32,
    /// Whether the first part can run into it.
    pub falls_in: bool,
    /// The first node of the second part.
    pub first_node: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeKind {
    /// A site.
    Site {
        /// The import that is called, if it is called directly.
        import: Option<FuncIdx>,
        /// Whether it is a tail call: it becomes a call, and a return.
        tail: bool,
    },
    Block,
    If,
    Loop,
    /// `try` (legacy) and `try_table`.
    Try,
}

/// A value that leaves the operand stack at the landing of a node. It comes back once: at the last
/// node of the same construct before the operator that uses it. All that lies above it on the operand
/// stack has come back or has been used by then, so each value is moved twice, however many nodes
/// it lies below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spill {
    pub ty: ValType,
    /// How many values lie below it.
    pub position: u32,
    pub need: Need,
    pub home: Home,
    /// The offset of the operator that would put it on the operand stack, if that is left out, or gives it to a local alone.
    pub unpushed_at: Option<u32>,
    /// The node where it comes back: in front of the call, or of a loop or `try`; behind the `end`
    /// of a block or an `if`.
    pub last: usize,
}

/// What a rewind needs a value for that is not on the operand stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// For nothing: any value of the type will do, since the function that is called has it in a frame of its own.
    Nothing,
    /// An operator uses it after the call.
    Later,
    /// The call takes it again.
    Argument,
    /// It says which function is called.
    Callee,
}

/// Where a value is while it is not on the operand stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In a temporary.
    Temp,
    /// In a local of the function, which holds it anyway.
    Local(LocalIdx),
    /// Nowhere, for the operator at this offset makes it again.
    MadeAt(u32),
    /// Nowhere, for nothing uses it: it never comes back. The offset of the operator that would drop it.
    Nowhere(u32),
}

/// A `local.get`, `local.set` or `local.tee`. They are more than all events, and most of what looks at those doesn't ask for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub offset: u32,
    /// Its place among the events, of which that with index n has the place 2n + 1: in front of event n it is 2n.
    pub place: u32,
    pub local: LocalIdx,
    pub sets: bool,
}

/// What liveness sees of the body besides, in program order. Depths are the body's own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// `block`; also `try_table`, whose handlers follow as `Handler`.
    Block,
    /// A loop, with its ordinal.
    Loop(u32),
    If,
    Else,
    /// A legacy `try`.
    Try,
    /// `catch` or `catch_all`.
    Catch,
    End,
    /// May branch to this label, or run on.
    BrIf(u32),
    /// Control does not come back from here; branches are `BrIf` events before it.
    Stop,
    /// What may throw, inside a `try`.
    MayThrow,
    /// A handler of the `try_table` whose `Block` follows.
    Handler(u32),
    /// A call that may lead to an entry, with its place in [`Skeleton::needed`].
    Site(u32),
}

/// What the walk found.
#[derive(Default)]
pub(super) struct Skeleton {
    /// In program order of their landings; a construct comes before what is inside it.
    pub nodes: Vec<Node>,
    pub spills: Vec<Spill>,
    pub events: Vec<Event>,
    /// For each event the offset of its operator.
    pub offsets: Vec<u32>,
    /// What reads and writes locals, in program order.
    pub accesses: Vec<Access>,
    pub loops: u32,
    /// How many sites are inside loops.
    pub sites_in_loops: u32,
    /// Whether the body has an instruction of the bulk memory proposal.
    pub bulk_memory: bool,
    /// Offsets of operators that are left out: those that give what isn't pushed, and `drop`s whose value went nowhere.
    pub omitted: Vec<u32>,
    /// Offsets of each `local.tee` that becomes a `local.set`.
    pub sets: Vec<u32>,
    /// For each site its offset and the locals that are read again after its landing.
    pub needed: Vec<(u32, Range<usize>)>,
    pub needed_locals: Vec<LocalIdx>,
    /// Code that can't be reached, as ranges of offsets.
    pub dead: Vec<Range<u32>>,
    /// The types of parameters and declared locals.
    pub locals: Vec<ValType>,
    /// Whether the body's end can be reached.
    pub end_reachable: bool,
}

impl Skeleton {
    /// A local is read or written by the operator at `offset`, behind the events so far.
    #[inline]
    pub fn access(&mut self, local: LocalIdx, sets: bool, offset: u32) {
        let place = 2 * self.events.len() as u32;
        self.accesses.push(Access { offset, place, local, sets });
    }

    /// Forgets a function, but keeps the memory.
    pub fn clear(&mut self) {
        let Skeleton {
            nodes,
            spills,
            events,
            offsets,
            accesses,
            needed,
            needed_locals,
            dead,
            locals,
            ..
        } = self;
        nodes.clear();
        spills.clear();
        self.omitted.clear();
        self.sets.clear();
        events.clear();
        offsets.clear();
        accesses.clear();
        needed.clear();
        needed_locals.clear();
        dead.clear();
        locals.clear();
        self.loops = 0;
        self.sites_in_loops = 0;
        self.bulk_memory = false;
        self.end_reachable = false;
    }
}
