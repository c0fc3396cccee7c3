//! A host and the processes that it runs, each of two modules over one memory, a step at a time.
//!
//! A step is what can't be interrupted: a frame is saved or restored, a function returns, the host does one thing. A process begins
//! with a stack of any shape: each frame belongs to the main module or to a side module, and is prepared or, being assumed to have no
//! entry below it, has a guard. The buffer has room for so many frames.
//!
//! ```text
//!            fork                    the last frame returns              begin
//!   Normal ────────► Unwinding ───────────────────────────────► Away ──────────► Rewinding ──► Normal
//!                        │ no room, or a guard                   │ fork: a copy      all frames are back:
//!                        ▼                                       ▼                   the entry returns
//!                     Undoing ──► Normal: the entry fails       Away (the child)
//! ```
//!
//! Modelled: nested forks, forks in the child, exports that the host calls in the parent while its stack is away, globals of both
//! modules. Not modelled: what is in a frame, several rewinds of one unwind in one instance, references, and threads.

use stateright::{Model, Property};

/// As many processes as a host has.
const MAX_PROCESSES: usize = 3;
/// How often a process and its descendants may fork one after the other.
const FORKS: u8 = 2;

/// A mistake in the module or its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    FrameWithoutRoomIsDropped,
    FrameIsWrittenPastTheEnd,
    GuardIsMissing,
    /// The child is begun by `resume_begin`, which leaves a fresh instance's globals as they are.
    ChildResumes,
    /// The parent is begun by `rewind_begin`, which undoes what an export did meanwhile.
    ParentRewinds,
    /// The host calls no `rewind_join`.
    SideModuleIsNotTold,
    SideModuleHasItsOwnState,
    /// `pos` doesn't come back.
    FramesStayAfterARewind,
    ChildRewindsInTheParentsBuffer,
    UndoneEntrySucceeds,
    /// The host calls no `rewind_end` in state 3.
    UndoIsNotEnded,
    HostForgetsTheParent,
}

/// What must never be otherwise.
pub struct Safety {
    pub stack: &'static str,
    pub globals: &'static str,
    pub room: &'static str,
    pub answer: &'static str,
    pub trap: &'static str,
}

pub const SAFETY: Safety = Safety {
    stack: "when an entry returns, the stack is what it was at the call",
    globals: "when an entry returns, the globals are those of the call, and what the host's calls made of them",
    room: "the buffer never has more frames than it has room for",
    answer: "a child gets 0, a parent its child, and who could not fork an error",
    trap: "nothing is called in a state in which it traps",
};

/// What must happen in the end, whatever the order. Every step uses up a fork, a frame or a call of an export, so a path can only be
/// endless in a state without a step: the first is looked for as such, for the checker may miss a counterexample of the second where
/// paths meet.
pub const LIVENESS: [&str; 2] = ["no process is stuck", "every process ends"];

/// What must be possible, or the rest is about nothing.
pub const REACHED: [&str; 6] = [
    "a child forks",
    "a process forks twice",
    "an unwind is undone for want of room after frames were saved",
    "a guard undoes an unwind after frames were saved",
    "a stack of both modules is rewound in a child",
    "a host has no process left and its entry fails",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    is_side: bool,
    is_guarded: bool,
    local: u8,
}

/// The global of the instance, and whether the host has the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Normal,
    Unwinding,
    Rewinding,
    /// 3.
    Undoing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    /// 0, as a child gets it.
    Child,
    /// To the parent: the process that is its child.
    Parent(u8),
    Error,
}

/// The entry's call that a process is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    /// What must be there again when it returns.
    stack: Vec<Frame>,
    globals: [u8; 2],
    /// What the host will return; none before it has decided.
    answer: Option<Answer>,
    /// Whether the frames are in memory, and the host has not begun a rewind.
    is_away: bool,
}

/// What lies in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Buffer {
    globals: [u8; 2],
    /// Innermost first.
    frames: Vec<Frame>,
    /// How many of them are not restored yet: `pos`.
    left: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    parent: Option<u8>,
    state: State,
    /// Outermost first.
    stack: Vec<Frame>,
    buffer: Buffer,
    /// Of the main module, and of the side module.
    globals: [u8; 2],
    call: Option<Call>,
    forks_left: u8,
    /// How many of its own calls were answered.
    forked: u8,
    has_ended: bool,
}

/// What has happened that a later state doesn't show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    wrong_stack: bool,
    wrong_globals: bool,
    wrong_answer: bool,
    trap: bool,
    undone_for_room: bool,
    undone_by_guard: bool,
    both_in_child: bool,
    no_process: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    room: usize,
    processes: Vec<Process>,
    seen: Seen,
}

/// A step of the process with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The program calls the entry, and the host begins an unwind.
    Fork(usize),
    /// The innermost function returns to its caller, in the normal state; it has set its module's global.
    Return(usize),
    /// The innermost function saves its frame and returns, or finds that it can't.
    Unwind(usize),
    /// The host has the stack: it ends the unwind, and makes a child or fails.
    Copy(usize),
    /// An export of the parent sets a global while its stack is away.
    Export(usize),
    /// The host begins the rewind.
    Begin(usize),
    /// A function restores its frame and calls on; the last calls the entry, which returns.
    Rewind(usize),
}

pub struct Protocol {
    pub bug: Option<Bug>,
    /// As many frames as a stack begins with, at most.
    pub depth: usize,
}

impl Protocol {
    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// All stacks of up to `depth` frames.
fn stacks(depth: usize) -> Vec<Vec<Frame>> {
    let mut all: Vec<Vec<Frame>> = vec![Vec::new()];
    let mut from = 0;
    for local in 0..depth {
        let shorter = all[from..].to_vec();
        from = all.len();
        for stack in shorter {
            for (is_side, is_guarded) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let frame = Frame { is_side, is_guarded, local: local as u8 };
                all.push([&stack[..], &[frame]].concat());
            }
        }
    }
    all.remove(0);
    all
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let world = |stack: Vec<Frame>, room| {
            let process = Process {
                parent: None,
                state: State::Normal,
                stack,
                buffer: Buffer::default(),
                // Those of a fresh instance are 0.
                globals: [1, 1],
                call: None,
                forks_left: FORKS,
                forked: 0,
                has_ended: false,
            };
            World { room, processes: vec![process], seen: Seen::default() }
        };
        let rooms = 0..=self.depth;
        stacks(self.depth)
            .into_iter()
            .flat_map(|stack| rooms.clone().map(move |room| world(stack.clone(), room)))
            .collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        if world.seen.trap {
            return;
        }
        for (at, process) in world.processes.iter().enumerate() {
            match (process.state, &process.call) {
                (_, None) if process.has_ended => {}
                (_, None) => {
                    actions.push(Step::Return(at));
                    if process.forks_left > 0 {
                        actions.push(Step::Fork(at));
                    }
                }
                (State::Normal, Some(Call { answer: None, .. })) => actions.push(Step::Copy(at)),
                (State::Normal, Some(call)) => {
                    let is_parent = matches!(call.answer, Some(Answer::Parent(_)));
                    if !(is_parent && self.has(Bug::HostForgetsTheParent)) {
                        actions.push(Step::Begin(at));
                    }
                    if is_parent && process.globals[0] < 3 {
                        actions.push(Step::Export(at));
                    }
                }
                (State::Unwinding, _) => actions.push(Step::Unwind(at)),
                (State::Rewinding | State::Undoing, _) => actions.push(Step::Rewind(at)),
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step {
            Step::Fork(at) => {
                world.seen.trap |= world.processes[at].state != State::Normal;
                world.processes[at].fork();
            }
            Step::Return(at) => world.processes[at].return_normally(),
            Step::Unwind(at) => self.unwind(&mut world, at),
            Step::Copy(at) => self.copy(&mut world, at),
            Step::Export(at) => {
                let process = &mut world.processes[at];
                process.globals[0] += 1;
                if let Some(call) = &mut process.call {
                    call.globals[0] += 1;
                }
            }
            Step::Begin(at) => self.begin(&mut world, at),
            Step::Rewind(at) => self.rewind(&mut world, at),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let [child_forks, forks_twice, no_room, guard, both, no_process] = REACHED;
        vec![
            Property::always(SAFETY.stack, |_, world: &World| !world.seen.wrong_stack),
            Property::always(SAFETY.globals, |_, world: &World| !world.seen.wrong_globals),
            Property::always(SAFETY.answer, |_, world: &World| !world.seen.wrong_answer),
            Property::always(SAFETY.trap, |_, world: &World| !world.seen.trap),
            Property::always(SAFETY.room, |_, world: &World| {
                world.processes.iter().all(|process| process.buffer.frames.len() <= world.room)
            }),
            Property::always(LIVENESS[0], |protocol: &Protocol, world: &World| {
                let mut steps = Vec::new();
                protocol.actions(world, &mut steps);
                world.seen.trap || !steps.is_empty() || world.has_ended()
            }),
            Property::eventually(LIVENESS[1], |_, world: &World| world.has_ended()),
            Property::sometimes(child_forks, |_, world: &World| {
                world
                    .processes
                    .iter()
                    .any(|process| process.parent.is_some_and(|parent| parent > 0))
            }),
            Property::sometimes(forks_twice, |_, world: &World| {
                world.processes.iter().any(|process| process.forked > 1)
            }),
            Property::sometimes(no_room, |_, world: &World| world.seen.undone_for_room),
            Property::sometimes(guard, |_, world: &World| world.seen.undone_by_guard),
            Property::sometimes(both, |_, world: &World| world.seen.both_in_child),
            Property::sometimes(no_process, |_, world: &World| world.seen.no_process),
        ]
    }
}

impl World {
    fn has_ended(&self) -> bool {
        self.processes.iter().all(|process| process.has_ended)
    }
}

impl Process {
    fn fork(&mut self) {
        self.forks_left -= 1;
        let (stack, globals) = (self.stack.clone(), self.globals);
        self.call = Some(Call { stack, globals, answer: None, is_away: false });
        // `unwind_begin`, and `unwind_join` of the side module.
        self.state = State::Unwinding;
        self.buffer.globals = self.globals;
    }

    fn return_normally(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.globals[usize::from(frame.is_side)] = frame.local + 4;
        }
        self.has_ended = self.stack.is_empty();
    }
}

impl Protocol {
    fn unwind(&self, world: &mut World, at: usize) {
        let (room, seen) = (world.room, &mut world.seen);
        let process = &mut world.processes[at];
        let Some(frame) = process.stack.last().copied() else { return };
        let buffer = &mut process.buffer;
        let has_saved = !buffer.frames.is_empty();
        let is_blind = frame.is_side && self.has(Bug::SideModuleHasItsOwnState);
        if is_blind || frame.is_guarded && self.has(Bug::GuardIsMissing) {
            process.stack.pop();
        } else if frame.is_guarded {
            seen.undone_by_guard |= has_saved;
            process.state = State::Undoing;
        } else if buffer.frames.len() < room || self.has(Bug::FrameIsWrittenPastTheEnd) {
            buffer.frames.push(frame);
            process.stack.pop();
        } else if self.has(Bug::FrameWithoutRoomIsDropped) {
            process.stack.pop();
        } else {
            seen.undone_for_room |= has_saved;
            process.state = State::Undoing;
        }
        buffer.left = buffer.frames.len();
        if process.stack.is_empty() {
            // The export has returned: `unwind_end`.
            process.state = State::Normal;
            if let Some(call) = &mut process.call {
                call.is_away = true;
            }
        }
    }

    fn copy(&self, world: &mut World, at: usize) {
        let number = world.processes.len();
        let process = &mut world.processes[at];
        let Some(call) = &mut process.call else { return };
        if !call.is_away || process.state != State::Normal {
            world.seen.trap = true;
            return;
        }
        if number == MAX_PROCESSES {
            call.answer = Some(Answer::Error);
            world.seen.no_process = true;
            return;
        }
        let of_child = Call { answer: Some(Answer::Child), ..call.clone() };
        call.answer = Some(Answer::Parent(number as u8));
        let buffer = process.buffer.clone();
        let forks_left = process.forks_left;
        world.processes.push(Process {
            parent: Some(at as u8),
            state: State::Normal,
            stack: Vec::new(),
            buffer,
            globals: [0, 0],
            call: Some(of_child),
            forks_left,
            forked: 0,
            has_ended: false,
        });
    }

    fn begin(&self, world: &mut World, at: usize) {
        let process = &mut world.processes[at];
        let Some(call) = &mut process.call else { return };
        if process.state != State::Normal {
            world.seen.trap = true;
            return;
        }
        call.is_away = false;
        let is_child = call.answer == Some(Answer::Child);
        let restores = match is_child {
            true => !self.has(Bug::ChildResumes),
            false => self.has(Bug::ParentRewinds),
        };
        if restores {
            process.globals[0] = process.buffer.globals[0];
            if !self.has(Bug::SideModuleIsNotTold) {
                process.globals[1] = process.buffer.globals[1];
            }
        }
        let sides = process.buffer.frames.iter().filter(|frame| frame.is_side).count();
        let is_mixed = sides > 0 && sides < process.buffer.frames.len();
        world.seen.both_in_child |= is_child && is_mixed;
        process.state = State::Rewinding;
    }

    fn rewind(&self, world: &mut World, at: usize) {
        let process = &mut world.processes[at];
        if process.buffer.left > 0 {
            process.buffer.left -= 1;
            let frame = process.buffer.frames[process.buffer.left];
            process.stack.push(frame);
            let parent = process.parent.filter(|_| self.has(Bug::ChildRewindsInTheParentsBuffer));
            if let Some(parent) = parent {
                // What is restored is as good as gone for whoever shares it.
                let frames = &mut world.processes[usize::from(parent)].buffer;
                frames.left = frames.left.saturating_sub(1);
            }
            return;
        }
        self.answer(world, at);
    }

    /// The entry is called again, and returns.
    fn answer(&self, world: &mut World, at: usize) {
        let Protocol { bug, .. } = self;
        let process = &mut world.processes[at];
        let Some(call) = process.call.take() else { return };
        let seen = &mut world.seen;
        let was_undone = process.state == State::Undoing;
        let answer = match (was_undone, call.answer) {
            (true, _) if *bug == Some(Bug::UndoneEntrySucceeds) => Answer::Parent(99),
            (true, _) => Answer::Error,
            (false, answer) => answer.unwrap_or(Answer::Error),
        };
        seen.wrong_stack |= process.stack != call.stack;
        seen.wrong_globals |= process.globals != call.globals;
        process.forked += 1;
        if !(was_undone && *bug == Some(Bug::UndoIsNotEnded)) {
            process.state = State::Normal;
        }
        if *bug != Some(Bug::FramesStayAfterARewind) {
            process.buffer = Buffer::default();
        }
        let is_right = match answer {
            Answer::Child => world.processes[at].parent.is_some(),
            Answer::Parent(child) => {
                let child = world.processes.get(usize::from(child));
                child.is_some_and(|child| child.parent == Some(at as u8))
            }
            Answer::Error => was_undone || world.processes.len() == MAX_PROCESSES,
        };
        world.seen.wrong_answer |= !is_right;
    }
}
