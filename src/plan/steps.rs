//! The steps of a function: what is emitted in place of which operators.
//!
//! The tree is walked in program order with a stack of its own, since constructs may be nested
//! thousands deep. A temporary is held no longer than its value is away from the operand stack, so
//! that a function needs few of them.

mod landing;

use super::dispatch::Caught;
use super::displaced::Displaced;
use super::omitted;
use super::pads::{KnownTags, Pad, PadOrdinal};
use super::refuse;
use super::regions::Layout;
use super::saved::Held;
use super::skeleton::{Handler, Home, Need, Node, NodeKind, Skeleton};
use super::temps::Temps;
use super::tree::{Item, Tree};
use super::{Label, RegionOrdinal, Step};
use crate::index::{FuncIdx, LocalIdx, TypeIdx};
use crate::options::Form;
use crate::read::Module;
use crate::work;
use std::collections::BTreeSet;
use wasmparser::{BlockType, ValType};

pub(super) struct Steps {
    /// Those of a body that a rewind enters, in order of offsets.
    pub steps: Vec<(u32, Step)>,
    /// Those of a body that no rewind enters, in order of offsets; none for a function in place, which has no such body.
    pub plain: Vec<(u32, Step)>,
    /// The temporaries that rewinds need.
    pub held: Vec<Held>,
    /// The types of the temporaries, numbered behind the declared locals.
    pub temps: Vec<ValType>,
    /// What handlers caught: the region of the `try`'s body, and for each of its handlers with sites, in order, one item.
    pub caught: Vec<(RegionOrdinal, Caught)>,
    /// The handlers that keep it over their sites.
    pub pads: Vec<Pad>,
    /// The values that are not where the input has them on the operand stack, for a while.
    pub displaced: Vec<Displaced>,
    /// The block types of those loops and `try`s whose parameters may be null where a rewind enters.
    pub nullable: Vec<TypeIdx>,
    /// The regions with a landing at their very start.
    pub falls_in: Vec<RegionOrdinal>,
}

/// What the steps of a function are made from.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub of: (&'a Module<'a>, FuncIdx),
    pub form: Form,
    /// Whether regions ask `$resume`.
    pub asks_resume: bool,
    pub skeleton: &'a Skeleton,
    pub tree: &'a Tree,
    pub layout: &'a Layout,
    pub tags: &'a KnownTags,
    /// Whether it is noted where code is in the output.
    pub maps_offsets: bool,
}

/// Lays down the steps of a function; in the memory of `buffers`, whatever is in it.
pub(super) fn steps(input: Input<'_>, buffers: [Vec<(u32, Step)>; 2]) -> Steps {
    let Input { of: (module, func), skeleton, tree, layout, tags, .. } = input;
    let [mut steps, mut plain] = buffers;
    steps.clear();
    plain.clear();
    let mut writer = StepWriter {
        module,
        func,
        skeleton,
        tree,
        layout,
        tags,
        steps,
        is_apart: input.form == Form::Apart,
        resetting: input.asks_resume.then(|| layout.resetting()),
        plain,
        held: Vec::new(),
        sites: 0,
        temps: Temps::new(skeleton.locals.len() as u32),
        away: Vec::new(),
        leaving: Vec::new(),
        returned: Vec::new(),
        caught: Vec::new(),
        pads: Vec::new(),
        open_pads: 0,
        displaced: input.maps_offsets.then(Vec::new),
        nullable: Vec::new(),
        falls_in: Vec::new(),
    };
    writer.run();
    let StepWriter { mut steps, mut plain, held, temps, .. } = writer;
    let StepWriter { caught, pads, displaced, nullable, falls_in, .. } = writer;
    for steps in [&mut steps, &mut plain] {
        omitted::add(steps, skeleton);
    }
    let (temps, displaced) = (temps.types, displaced.unwrap_or_default());
    Steps { steps, plain, held, temps, caught, pads, displaced, nullable, falls_in }
}

/// Which bodies a step belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    Both,
    /// Those that a rewind enters.
    Entered,
    /// Those that no rewind enters.
    Plain,
}

/// What is still to be walked.
enum Task<'a> {
    /// The rest of a sequence.
    Items(&'a [Item]),
    /// The `else` of a node, with the temporaries that hold its parameters.
    Else { node: usize, params: Vec<LocalIdx> },
    /// A handler of a node, with the temporaries that hold what the one before had caught.
    Handler { node: usize, ordinal: usize, payload: Payload },
    /// The `end` of a node, with the temporaries that hold what its last handler had caught, or what a loop takes.
    End { node: usize, payload: Payload },
}

/// The temporaries that hold what a handler with sites caught, or what a loop takes that nothing can stand in for.
#[derive(Default)]
struct Payload {
    temps: Vec<LocalIdx>,
    /// The first site that they hold it at; none if no rewind needs it.
    kept_since: Option<u32>,
    /// The pad that the handler is.
    pad: Option<PadOrdinal>,
}

/// A value that is away from the operand stack.
struct Away {
    spill: usize,
    /// What brings it back.
    back: Step,
    /// The first site that it is away at, or the one after it.
    since: u32,
}

struct StepWriter<'a> {
    /// Whether the function has a body that no rewind enters.
    is_apart: bool,
    /// The landings that reset `$resume`, if regions ask that.
    resetting: Option<BTreeSet<Label>>,
    module: &'a Module<'a>,
    func: FuncIdx,
    skeleton: &'a Skeleton,
    tree: &'a Tree,
    layout: &'a Layout,
    tags: &'a KnownTags,
    steps: Vec<(u32, Step)>,
    plain: Vec<(u32, Step)>,
    held: Vec<Held>,
    /// How many sites the walk has passed.
    sites: u32,
    temps: Temps,
    /// The values that are away, lowest first.
    away: Vec<Away>,
    /// What is to be done with each that leaves the operand stack at the node that is looked at, lowest first.
    leaving: Vec<Step>,
    /// The temporaries of those that have come back there.
    returned: Vec<LocalIdx>,
    caught: Vec<(RegionOrdinal, Caught)>,
    pads: Vec<Pad>,
    /// How many of them are open.
    open_pads: u32,
    /// Those values, if they are noted.
    displaced: Option<Vec<Displaced>>,
    nullable: Vec<TypeIdx>,
    falls_in: Vec<RegionOrdinal>,
}

impl<'a> StepWriter<'a> {
    fn run(&mut self) {
        let tree = self.tree;
        let mut tasks = Vec::with_capacity(16);
        tasks.push(Task::Items(tree.part(0, 0)));
        while let Some(task) = tasks.pop() {
            work::count(1);
            match task {
                Task::Items([]) => {}
                Task::Items([item, rest @ ..]) => {
                    tasks.push(Task::Items(rest));
                    self.item(*item, &mut tasks);
                }
                Task::Else { node, params } => self.middle(node, &params, &mut tasks),
                Task::Handler { node, ordinal, payload } => {
                    let offset = self.skeleton.nodes[node].handlers[ordinal].offset;
                    let closed = self.leave_handler(&payload, offset);
                    self.handler(node, ordinal, closed, &mut tasks);
                }
                Task::End { node, payload } => {
                    let end = self.skeleton.nodes[node].end;
                    if self.leave_handler(&payload, end) {
                        self.push(end, Step::Copy);
                    }
                    self.end(node);
                }
            }
        }
    }

    /// An item; the buckets that begin with it are opened at its landing.
    fn item(&mut self, mut item: Item, tasks: &mut Vec<Task<'a>>) {
        let tree = self.tree;
        let mut buckets = Vec::new();
        let node = loop {
            match item {
                Item::Node(node) => break node,
                Item::Bucket(bucket) => {
                    buckets.push(bucket);
                    let run: &'a [Item] = tree.bucket(bucket);
                    tasks.push(Task::Items(&run[1..]));
                    item = run[0];
                }
            }
        };
        let description = &self.skeleton.nodes[node];
        match description.kind {
            NodeKind::Site { import, tail } => self.site(node, (import, tail), &buckets),
            NodeKind::Block | NodeKind::If => self.hoisted(node, &buckets, tasks),
            NodeKind::Loop | NodeKind::Try => self.region(node, &buckets, tasks),
        }
    }

    /// A step of both bodies.
    fn push(&mut self, offset: u32, step: Step) {
        self.push_in(Bodies::Both, offset, step);
    }

    fn push_in(&mut self, bodies: Bodies, offset: u32, step: Step) {
        work::count(1);
        // Where an unwind is undone inside of a pad, every body is entered there.
        let bodies = match bodies {
            Bodies::Entered if self.open_pads > 0 => Bodies::Both,
            Bodies::Plain if self.open_pads > 0 => return,
            bodies => bodies,
        };
        if bodies != Bodies::Plain {
            self.steps.push((offset, step));
        }
        if self.is_apart && bodies != Bodies::Entered {
            self.plain.push((offset, step));
        }
    }

    fn sets(&mut self, bodies: Bodies, offset: u32, locals: &[LocalIdx]) {
        locals.iter().rev().for_each(|local| self.push_in(bodies, offset, Step::Set(*local)));
    }

    fn gets(&mut self, bodies: Bodies, offset: u32, locals: &[LocalIdx]) {
        locals.iter().for_each(|local| self.push_in(bodies, offset, Step::Get(*local)));
    }

    fn site(&mut self, index: usize, (import, tail): (Option<FuncIdx>, bool), buckets: &[usize]) {
        let Node { start, landing, .. } = self.skeleton.nodes[index];
        self.find_places(index);
        self.leave(landing);
        self.open_buckets(landing, buckets);
        let label = self.layout.node_label[index];
        self.land(landing, label);
        if self.resetting.as_ref().is_some_and(|labels| labels.contains(&label)) {
            self.push_in(Bodies::Entered, landing, Step::ResetResume);
        }
        self.come_back(index, landing);
        if landing != start {
            self.push(landing, Step::Copy);
        }
        self.push(
            start,
            match import {
                Some(import) => Step::CallImport(import),
                None if tail => Step::CallForTail,
                None => Step::Copy,
            },
        );
        self.push(start, Step::Test(self.layout.sites[index]));
        if tail {
            self.push(start, Step::Return);
        }
        self.sites += 1;
        self.forget(index);
    }

    /// Finds places for the values that leave the operand stack at a node.
    fn find_places(&mut self, index: usize) {
        let node = &self.skeleton.nodes[index];
        self.leaving.clear();
        for (position, spill) in node.spills.clone().zip(&self.skeleton.spills[node.spills.clone()])
        {
            let (back, step) = match spill.home {
                Home::Nowhere(_) => (None, Step::Drop),
                Home::Local(local) => (Some(Step::Get(local)), Step::Drop),
                Home::MadeAt(offset) => (Some(Step::Again(offset)), Step::Drop),
                Home::Temp => {
                    let local = self.temps.take(spill.ty);
                    (Some(Step::Get(local)), Step::Set(local))
                }
            };
            let since = self.sites;
            self.away.extend(back.map(|back| Away { spill: position, back, since }));
            self.leaving.extend(spill.unpushed_at.is_none().then_some(step));
            if let Some(displaced) = &mut self.displaced {
                displaced.extend(Displaced::of(self.skeleton, node.landing, spill, back));
            }
        }
    }

    /// They leave it, in front of the operator at `offset`.
    fn leave(&mut self, offset: u32) {
        while let Some(step) = self.leaving.pop() {
            self.push(offset, step);
        }
    }

    /// Where in `away` the values begin that come back at a node.
    fn returning(&self, index: usize) -> usize {
        let here = |away: &&Away| self.skeleton.spills[away.spill].last == index;
        work::count(1);
        self.away.len() - self.away.iter().rev().take_while(here).count()
    }

    fn come_back(&mut self, index: usize, offset: u32) {
        for position in self.returning(index)..self.away.len() {
            self.push(offset, self.away[position].back);
        }
    }

    /// Gives back the temporaries of the values that have come back at a node.
    fn forget(&mut self, index: usize) {
        let returning = self.returning(index);
        self.returned.clear();
        for Away { spill, back, since } in self.away.drain(returning..) {
            work::count(1);
            let spill = &self.skeleton.spills[spill];
            if let (Step::Get(local), Home::Temp) = (back, spill.home) {
                self.returned.push(local);
                if spill.need != Need::Nothing {
                    self.held.push(Held { local, sites: since..self.sites });
                }
            }
        }
        self.temps.give_back(&self.returned);
    }

    /// At the end of a handler gives back the temporaries of what it has caught. Returns whether it was a pad, which is closed
    /// in front of the operator there.
    fn leave_handler(&mut self, payload: &Payload, offset: u32) -> bool {
        if let Some(since) = payload.kept_since {
            let temps = payload.temps.iter();
            self.held.extend(temps.map(|local| Held { local: *local, sites: since..self.sites }));
        }
        self.temps.give_back(&payload.temps);
        let Some(pad) = payload.pad else {
            return false;
        };
        self.push(offset, Step::ClosePad(pad));
        self.open_pads -= 1;
        true
    }

    /// A block or an `if`, whose label the region opened.
    fn hoisted(&mut self, index: usize, buckets: &[usize], tasks: &mut Vec<Task<'a>>) {
        let node = &self.skeleton.nodes[index];
        self.find_places(index);
        let is_if = node.kind == NodeKind::If;
        let tree = self.tree;
        let has_second_part = tree.parts(index) > 1;
        // What the construct takes may stay on the stack, unless it is in the way of something, or
        // the else arm needs the parameters once more.
        let mut takes = self.params(node.ty);
        let count = takes.len();
        takes.extend(is_if.then_some(ValType::I32));
        let again = has_second_part && count > 0;
        let mut params = Vec::new();
        let leaves = !self.leaving.is_empty();
        if leaves || !buckets.is_empty() || again {
            params = self.temps(&takes);
            let moved = if leaves { Bodies::Both } else { Bodies::Entered };
            self.sets(moved, node.start, &params);
            self.leave(node.start);
            self.open_buckets(node.start, buckets);
            self.gets(moved, node.start, &params);
            if leaves {
                self.push_in(Bodies::Plain, node.start, Step::Copy);
            }
            // Control gets to the else arm directly from here.
            self.temps.give_back(&params);
            params.truncate(count);
        }
        self.push_in(Bodies::Entered, node.start, Step::Hoist(self.layout.node_label[index]));
        if is_if {
            let otherwise = match has_second_part {
                true => self.layout.else_label[index],
                false => self.layout.node_label[index],
            };
            self.push_in(Bodies::Entered, node.start, Step::BranchIfZero(otherwise));
        }
        tasks.push(match has_second_part {
            true => Task::Else { node: index, params },
            false => Task::End { node: index, payload: Payload::default() },
        });
        tasks.push(Task::Items(tree.part(index, 0)));
    }

    /// A loop or a try: a landing in front of it, a dispatch inside.
    fn region(&mut self, index: usize, buckets: &[usize], tasks: &mut Vec<Task<'a>>) {
        let node = &self.skeleton.nodes[index];
        self.find_places(index);
        let params = self.temps(&self.params(node.ty));
        let kept = self.kept_params(node, &params);
        let keeps = if kept.temps.is_empty() { Bodies::Entered } else { Bodies::Both };
        let moves = !self.leaving.is_empty() || self.returning(index) < self.away.len();
        let moved = if moves { Bodies::Both } else { Bodies::Entered };
        self.sets(moved, node.start, &params);
        self.leave(node.start);
        self.open_buckets(node.start, buckets);
        self.land(node.start, self.layout.node_label[index]);
        self.come_back(index, node.start);
        self.open(node, moved, &params);
        self.sets(keeps, node.start, &params);
        self.push_in(Bodies::Entered, node.start, Step::Open(self.layout.node_region[index]));
        self.gets(keeps, node.start, &params);
        // A rewind that passes here may find another value's temporary among them, but it only takes
        // each from where it puts it.
        let passed = params.into_iter().filter(|local| !kept.temps.contains(local));
        self.temps.give_back(&passed.collect::<Vec<_>>());
        let tree = self.tree;
        tasks.push(match node.handlers[..] {
            [] => Task::End { node: index, payload: kept },
            _ => Task::Handler { node: index, ordinal: 0, payload: Payload::default() },
        });
        tasks.push(Task::Items(tree.part(index, 0)));
    }

    /// Those of the temporaries with what a loop takes that a rewind enters it with as they were: a branch to the loop would leave
    /// nullable references on the operand stack, so its type must stay, and nothing can stand in for what is not nullable.
    fn kept_params(&self, node: &Node, params: &[LocalIdx]) -> Payload {
        let types = self.params(node.ty);
        let is_kept = |ty: &ValType| node.kind == NodeKind::Loop && refuse::is_non_nullable(*ty);
        let kept = params.iter().zip(&types).filter(|(_, ty)| is_kept(ty));
        let temps = kept.map(|(local, _)| *local).collect();
        Payload { temps, kept_since: Some(self.sites), pad: None }
    }

    /// Opens a loop or a `try` itself, with what it takes. A rewind enters with null for references, so a `try` takes them as
    /// nullable.
    fn open(&mut self, node: &Node, moved: Bodies, params: &[LocalIdx]) {
        let nullable = match node.ty {
            BlockType::FuncType(ty) => Some(TypeIdx(ty)),
            BlockType::Empty | BlockType::Type(_) => None,
        };
        let becomes_nullable = node.kind != NodeKind::Loop
            && self.params(node.ty).into_iter().any(refuse::is_non_nullable);
        let Some(ty) = nullable.filter(|_| becomes_nullable) else {
            self.gets(moved, node.start, params);
            return self.push_in(moved, node.start, Step::Copy);
        };
        self.nullable.push(ty);
        for local in params {
            self.push_in(Bodies::Entered, node.start, Step::GetNullable(*local));
        }
        self.push_in(Bodies::Entered, node.start, Step::CopyNullable(ty));
        if moved == Bodies::Both {
            self.gets(Bodies::Plain, node.start, params);
            self.push_in(Bodies::Plain, node.start, Step::Copy);
        }
    }

    /// A handler; `closed`: at whose start a pad was closed.
    fn handler(&mut self, index: usize, ordinal: usize, closed: bool, tasks: &mut Vec<Task<'a>>) {
        let node = &self.skeleton.nodes[index];
        let handler = &node.handlers[ordinal];
        let mut payload = Payload::default();
        if let Some(region) = self.layout.handler_region.get(&(index, ordinal)).copied() {
            let caught = if handler.is_pad() {
                self.pad(node, handler, &mut payload)
            } else {
                self.handler_with_values(handler, closed, &mut payload)
            };
            self.push_in(Bodies::Entered, handler.offset, Step::Open(region));
            let moved = if payload.kept_since.is_some() { Bodies::Both } else { Bodies::Entered };
            self.gets(moved, handler.offset, caught.values());
            self.caught.push((self.layout.node_region[index], caught));
        } else if closed {
            self.push(handler.offset, Step::Copy);
        }
        let tree = self.tree;
        tasks.push(match node.handlers.get(ordinal + 1) {
            Some(_) => Task::Handler { node: index, ordinal: ordinal + 1, payload },
            None => Task::End { node: index, payload },
        });
        tasks.push(Task::Items(tree.part(index, ordinal + 1)));
    }

    /// The start of a handler that a rewind enters by throwing once more what it had caught. Only a `rethrow` looks at those
    /// values then, since the handler's own operators have taken theirs from the operand stack.
    fn handler_with_values(
        &mut self,
        handler: &Handler,
        closed: bool,
        payload: &mut Payload,
    ) -> Caught {
        // Nothing can stand in for what is not nullable.
        let kept = handler.rethrows || handler.payload.iter().copied().any(refuse::is_non_nullable);
        payload.kept_since = kept.then_some(self.sites);
        payload.temps = self.temps(&handler.payload);
        let moved = if kept { Bodies::Both } else { Bodies::Entered };
        let copied = if closed { Bodies::Both } else { moved };
        self.push_in(copied, handler.offset, Step::Copy);
        self.sets(moved, handler.offset, &payload.temps);
        handler.tag.map_or(Caught::Any, |tag| Caught::Tagged(tag, payload.temps.clone()))
    }

    /// The start of a pad.
    fn pad(&mut self, node: &Node, handler: &Handler, payload: &mut Payload) -> Caught {
        let pad = PadOrdinal(self.pads.len() as u32);
        self.push(handler.offset, Step::Copy);
        self.push(handler.offset, Step::OpenPad(pad));
        self.open_pads += 1;
        let kind = self.temps.take(ValType::I32);
        let values = self.temps(&self.tags.values);
        payload.kept_since = Some(self.sites);
        payload.temps = [&[kind], &values[..]].concat();
        payload.pad = Some(pad);
        let (falls_out, has_results) = (handler.falls_out, !self.results(node.ty).is_empty());
        self.pads.push(Pad { kind, values, first: 0, sites: 0, falls_out, has_results });
        Caught::Kept(pad)
    }

    fn middle(&mut self, index: usize, params: &[LocalIdx], tasks: &mut Vec<Task<'a>>) {
        let node = &self.skeleton.nodes[index];
        if let Some(middle) = node.middle {
            if middle.falls_in {
                let end = self.layout.node_label[index];
                self.push_in(Bodies::Entered, middle.offset, Step::Branch(end));
            }
            let label = self.layout.else_label[index];
            self.push_in(Bodies::Entered, middle.offset, Step::Land(label));
            self.gets(Bodies::Entered, middle.offset, params);
        }
        let tree = self.tree;
        tasks.push(Task::End { node: index, payload: Payload::default() });
        tasks.push(Task::Items(tree.part(index, 1)));
    }

    /// After the `end` of a hoisted construct, what comes back goes below its results. What comes back
    /// at a loop or a try has lain below it all the time, but a rewind had to put it there.
    fn end(&mut self, index: usize) {
        let node = &self.skeleton.nodes[index];
        let hoisted = matches!(node.kind, NodeKind::Block | NodeKind::If);
        if hoisted && self.returning(index) < self.away.len() {
            let results = self.temps(&self.results(node.ty));
            self.push(node.end, Step::Copy);
            self.sets(Bodies::Both, node.end, &results);
            self.come_back(index, node.end);
            self.gets(Bodies::Both, node.end, &results);
            self.temps.give_back(&results);
        }
        self.forget(index);
    }

    fn params(&self, ty: BlockType) -> Vec<ValType> {
        match ty {
            BlockType::Empty | BlockType::Type(_) => Vec::new(),
            BlockType::FuncType(index) => {
                self.module.func_type_at(TypeIdx(index)).params().to_vec()
            }
        }
    }

    fn results(&self, ty: BlockType) -> Vec<ValType> {
        match ty {
            BlockType::Empty => Vec::new(),
            BlockType::Type(ty) => vec![ty],
            BlockType::FuncType(index) => {
                self.module.func_type_at(TypeIdx(index)).results().to_vec()
            }
        }
    }

    fn temps(&mut self, types: &[ValType]) -> Vec<LocalIdx> {
        types.iter().map(|ty| self.temps.take(*ty)).collect()
    }
}
