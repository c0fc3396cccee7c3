//! The steps of a function: what is emitted in place of which operators.
//!
//! The tree is walked in program order with a stack of its own, since constructs may be nested
//! thousands deep. A temporary is held no longer than its value is away from the operand stack, so
//! that a function needs few of them.

use super::refuse;
use super::regions::{Item, Layout, Tree};
use super::skeleton::{Home, Node, NodeKind, Skeleton};
use super::temps::Temps;
use super::{RegionOrdinal, Step};
use crate::error::Result;
use crate::index::{FuncIdx, LocalIdx, TypeIdx};
use crate::read::Module;
use wasmparser::{BlockType, ValType};

pub(super) struct Steps {
    /// Those of a body that a rewind enters, in order of offsets.
    pub steps: Vec<(u32, Step)>,
    /// Those of a body that no rewind enters, in order of offsets.
    pub plain: Vec<(u32, Step)>,
    /// For each site, in program order, the temporaries that a rewind to it needs.
    pub held: Vec<Vec<LocalIdx>>,
    /// The types of the temporaries, numbered behind the declared locals.
    pub temps: Vec<ValType>,
    /// The temporaries with what handlers caught: the region of the `try`'s body, and for each of
    /// its handlers with sites, in order, one entry.
    pub payloads: Vec<(RegionOrdinal, Vec<LocalIdx>)>,
}

/// Lays down the steps of `func`.
///
/// # Errors
/// [`crate::Error::Unsupported`] for references that would have to be saved.
pub(super) fn steps(
    module: &Module<'_>,
    func: FuncIdx,
    skeleton: &Skeleton,
    tree: &Tree,
    layout: &Layout,
) -> Result<Steps> {
    let mut emitter = Emitter {
        module,
        func,
        skeleton,
        tree,
        layout,
        steps: Vec::with_capacity(skeleton.nodes.len() * 4),
        plain: Vec::with_capacity(skeleton.nodes.len() * 3),
        held: Vec::with_capacity(skeleton.needed.len()),
        temps: Temps::new(skeleton.locals.len() as u32),
        away: Vec::new(),
        caught: Vec::new(),
        payloads: Vec::new(),
    };
    emitter.run()?;
    let Emitter { mut steps, mut plain, held, temps, payloads, .. } = emitter;
    for steps in [&mut steps, &mut plain] {
        steps.extend(skeleton.omitted.iter().map(|offset| (*offset, Step::Omit)));
        steps.sort_by_key(|(offset, _)| *offset);
    }
    Ok(Steps { steps, plain, held, temps: temps.types, payloads })
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
    Handler { node: usize, ordinal: usize, payload: Vec<LocalIdx> },
    /// The `end` of a node, with the temporaries that hold what its last handler had caught.
    End { node: usize, payload: Vec<LocalIdx> },
}

/// A value that is away from the operand stack.
struct Away {
    spill: usize,
    local: LocalIdx,
}

struct Emitter<'a> {
    module: &'a Module<'a>,
    func: FuncIdx,
    skeleton: &'a Skeleton,
    tree: &'a Tree,
    layout: &'a Layout,
    steps: Vec<(u32, Step)>,
    plain: Vec<(u32, Step)>,
    held: Vec<Vec<LocalIdx>>,
    temps: Temps,
    /// The values that are away, lowest first.
    away: Vec<Away>,
    /// The temporaries with what the handlers have caught that the walk is inside of.
    caught: Vec<LocalIdx>,
    payloads: Vec<(RegionOrdinal, Vec<LocalIdx>)>,
}

impl<'a> Emitter<'a> {
    fn run(&mut self) -> Result<()> {
        let tree = self.tree;
        let mut tasks = vec![Task::Items(&tree.parts[0][0])];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Items([]) => {}
                Task::Items([item, rest @ ..]) => {
                    tasks.push(Task::Items(rest));
                    self.item(*item, &mut tasks)?;
                }
                Task::Else { node, params } => self.middle(node, &params, &mut tasks),
                Task::Handler { node, ordinal, payload } => {
                    self.forget_caught(&payload);
                    self.handler(node, ordinal, &mut tasks)?;
                }
                Task::End { node, payload } => {
                    self.forget_caught(&payload);
                    self.end(node)?;
                }
            }
        }
        Ok(())
    }

    /// An item; the buckets that begin with it are opened at its landing.
    fn item(&mut self, mut item: Item, tasks: &mut Vec<Task<'a>>) -> Result<()> {
        let tree = self.tree;
        let mut buckets = Vec::new();
        let node = loop {
            match item {
                Item::Node(node) => break node,
                Item::Bucket(bucket) => {
                    buckets.push(bucket);
                    let run: &'a [Item] = &tree.buckets[bucket];
                    tasks.push(Task::Items(&run[1..]));
                    item = run[0];
                }
            }
        };
        let description = &self.skeleton.nodes[node];
        match description.kind {
            NodeKind::Site { tee, import } => self.site(node, (tee, import), &buckets),
            NodeKind::Block | NodeKind::If => self.hoisted(node, &buckets, tasks),
            NodeKind::Loop | NodeKind::Try => self.region(node, &buckets, tasks),
        }
    }

    /// A step of both bodies.
    fn push(&mut self, offset: u32, step: Step) {
        self.push_in(Bodies::Both, offset, step);
    }

    fn push_in(&mut self, bodies: Bodies, offset: u32, step: Step) {
        if bodies != Bodies::Plain {
            self.steps.push((offset, step));
        }
        if bodies != Bodies::Entered {
            self.plain.push((offset, step));
        }
    }

    fn sets(&mut self, bodies: Bodies, offset: u32, locals: &[LocalIdx]) {
        locals.iter().rev().for_each(|local| self.push_in(bodies, offset, Step::Set(*local)));
    }

    fn gets(&mut self, bodies: Bodies, offset: u32, locals: &[LocalIdx]) {
        locals.iter().for_each(|local| self.push_in(bodies, offset, Step::Get(*local)));
    }

    fn open_buckets(&mut self, offset: u32, buckets: &[usize]) {
        for bucket in buckets {
            let (label, region) = self.layout.buckets[*bucket];
            self.push_in(Bodies::Entered, offset, Step::Land(label));
            self.push_in(Bodies::Entered, offset, Step::Open(region));
        }
    }

    fn site(
        &mut self,
        index: usize,
        (tee, import): (Option<u32>, Option<FuncIdx>),
        buckets: &[usize],
    ) -> Result<()> {
        let Node { start, landing, .. } = self.skeleton.nodes[index];
        let mut leaving = self.leaving(index)?;
        if let (Some(tee), Some(Step::Drop)) = (tee, leaving.last()) {
            leaving.pop();
            self.push(tee, Step::TeeToSet);
        }
        self.leave(landing, leaving);
        self.open_buckets(landing, buckets);
        self.push_in(Bodies::Entered, landing, Step::Land(self.layout.node_label[index]));
        let (ordinal, resets) = self.layout.sites[index];
        if resets {
            self.push_in(Bodies::Entered, landing, Step::ResetResume);
        }
        self.come_back(index, landing);
        if landing != start {
            self.push(landing, Step::Copy);
        }
        self.push(start, import.map_or(Step::Copy, Step::CallImport));
        self.push(start, Step::Test(ordinal));
        self.hold();
        self.forget(index);
        Ok(())
    }

    /// Notes for the next site which temporaries a rewind needs.
    fn hold(&mut self) {
        let needed = |away: &&Away| {
            let spill = &self.skeleton.spills[away.spill];
            spill.saved && spill.home == Home::Temp
        };
        let away = self.away.iter().filter(needed).map(|away| away.local);
        self.held.push(away.chain(self.caught.iter().copied()).collect());
    }

    /// Finds places for the values that leave the operand stack at a node; what is to be done with
    /// each, lowest first.
    fn leaving(&mut self, index: usize) -> Result<Vec<Step>> {
        let node = &self.skeleton.nodes[index];
        let mut steps = Vec::with_capacity(node.spills.len());
        for (position, spill) in node.spills.clone().zip(&self.skeleton.spills[node.spills.clone()])
        {
            let (local, step) = match spill.home {
                Home::Nowhere => {
                    steps.push(Step::Drop);
                    continue;
                }
                Home::Local(local) => (local, Step::Drop),
                Home::Temp => {
                    let local = self.temp(spill.ty, spill.saved, node.start)?;
                    (local, Step::Set(local))
                }
            };
            self.away.push(Away { spill: position, local });
            steps.push(step);
        }
        Ok(steps)
    }

    fn leave(&mut self, offset: u32, steps: Vec<Step>) {
        steps.into_iter().rev().for_each(|step| self.push(offset, step));
    }

    /// Where in `away` the values begin that come back at a node.
    fn returning(&self, index: usize) -> usize {
        let here = |away: &&Away| self.skeleton.spills[away.spill].last == index;
        self.away.len() - self.away.iter().rev().take_while(here).count()
    }

    fn come_back(&mut self, index: usize, offset: u32) {
        let returning = &self.away[self.returning(index)..];
        let returning: Vec<_> = returning.iter().map(|away| away.local).collect();
        self.gets(Bodies::Both, offset, &returning);
    }

    /// Gives back the temporaries of the values that have come back at a node.
    fn forget(&mut self, index: usize) {
        let returning = self.away.split_off(self.returning(index));
        let is_temp = |away: &Away| self.skeleton.spills[away.spill].home == Home::Temp;
        let temps: Vec<_> = returning.into_iter().filter(is_temp).map(|away| away.local).collect();
        self.temps.give_back(&temps);
    }

    /// Gives back the temporaries of what a handler has caught, which is left.
    fn forget_caught(&mut self, payload: &[LocalIdx]) {
        self.caught.truncate(self.caught.len() - payload.len());
        self.temps.give_back(payload);
    }

    /// A block or an `if`, whose label the region opened.
    fn hoisted(
        &mut self,
        index: usize,
        buckets: &[usize],
        tasks: &mut Vec<Task<'a>>,
    ) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let leaving = self.leaving(index)?;
        let is_if = node.kind == NodeKind::If;
        let tree = self.tree;
        let parts = &tree.parts[index];
        let second_part = parts.get(1);
        // What the construct takes may stay on the stack, unless it is in the way of something, or
        // the else arm needs the parameters once more.
        let mut takes = self.params(node.ty);
        let count = takes.len();
        takes.extend(is_if.then_some(ValType::I32));
        let again = second_part.is_some() && count > 0;
        let mut params = Vec::new();
        let leaves = !leaving.is_empty();
        if leaves || !buckets.is_empty() || again {
            params = self.temps(&takes, node.start)?;
            let moved = if leaves { Bodies::Both } else { Bodies::Entered };
            self.sets(moved, node.start, &params);
            self.leave(node.start, leaving);
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
            let otherwise = match second_part {
                Some(_) => self.layout.else_label[index],
                None => self.layout.node_label[index],
            };
            self.push_in(Bodies::Entered, node.start, Step::BranchIfZero(otherwise));
        }
        tasks.push(match second_part {
            Some(_) => Task::Else { node: index, params },
            None => Task::End { node: index, payload: Vec::new() },
        });
        tasks.push(Task::Items(&parts[0]));
        Ok(())
    }

    /// A loop or a try: a landing in front of it, a dispatch inside.
    fn region(&mut self, index: usize, buckets: &[usize], tasks: &mut Vec<Task<'a>>) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let leaving = self.leaving(index)?;
        let params = self.temps(&self.params(node.ty), node.start)?;
        let moves = !leaving.is_empty() || self.returning(index) < self.away.len();
        let moved = if moves { Bodies::Both } else { Bodies::Entered };
        self.sets(moved, node.start, &params);
        self.leave(node.start, leaving);
        self.open_buckets(node.start, buckets);
        self.push_in(Bodies::Entered, node.start, Step::Land(self.layout.node_label[index]));
        self.come_back(index, node.start);
        self.gets(moved, node.start, &params);
        self.push_in(moved, node.start, Step::Copy);
        self.sets(Bodies::Entered, node.start, &params);
        self.push_in(Bodies::Entered, node.start, Step::Open(self.layout.node_region[index]));
        self.gets(Bodies::Entered, node.start, &params);
        // A rewind that passes here may find another value's temporary among them, but it only takes
        // each from where it puts it.
        self.temps.give_back(&params);
        let tree = self.tree;
        tasks.push(match node.handlers[..] {
            [] => Task::End { node: index, payload: Vec::new() },
            _ => Task::Handler { node: index, ordinal: 0, payload: Vec::new() },
        });
        tasks.push(Task::Items(&tree.parts[index][0]));
        Ok(())
    }

    /// A handler with sites: what it caught is kept, so that a rewind can throw it once more.
    fn handler(&mut self, index: usize, ordinal: usize, tasks: &mut Vec<Task<'a>>) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let handler = &node.handlers[ordinal];
        let mut payload = Vec::new();
        if let Some(region) = self.layout.handler_region.get(&(index, ordinal)).copied() {
            for ty in handler.payload.iter().copied() {
                payload.push(self.temp(ty, true, handler.offset)?);
            }
            self.caught.extend_from_slice(&payload);
            self.push(handler.offset, Step::Copy);
            self.sets(Bodies::Both, handler.offset, &payload);
            self.push_in(Bodies::Entered, handler.offset, Step::Open(region));
            self.gets(Bodies::Both, handler.offset, &payload);
            let body = self.layout.node_region[index];
            self.payloads.push((body, payload.clone()));
        }
        let tree = self.tree;
        tasks.push(match node.handlers.get(ordinal + 1) {
            Some(_) => Task::Handler { node: index, ordinal: ordinal + 1, payload },
            None => Task::End { node: index, payload },
        });
        tasks.push(Task::Items(&tree.parts[index][ordinal + 1]));
        Ok(())
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
        tasks.push(Task::End { node: index, payload: Vec::new() });
        tasks.push(Task::Items(&tree.parts[index][1]));
    }

    /// After the `end` of a hoisted construct, what comes back goes below its results. What comes back
    /// at a loop or a try has lain below it all the time, but a rewind had to put it there.
    fn end(&mut self, index: usize) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let hoisted = matches!(node.kind, NodeKind::Block | NodeKind::If);
        if hoisted && self.returning(index) < self.away.len() {
            let results = self.temps(&self.results(node.ty), node.end)?;
            self.push(node.end, Step::Copy);
            self.sets(Bodies::Both, node.end, &results);
            self.come_back(index, node.end);
            self.gets(Bodies::Both, node.end, &results);
            self.temps.give_back(&results);
        }
        self.forget(index);
        Ok(())
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

    fn temps(&mut self, types: &[ValType], offset: u32) -> Result<Vec<LocalIdx>> {
        types.iter().map(|ty| self.temp(*ty, false, offset)).collect()
    }

    /// A temporary for a value that the operand stack holds at `offset`.
    fn temp(&mut self, ty: ValType, saved: bool, offset: u32) -> Result<LocalIdx> {
        if let ValType::Ref(reference) = ty
            && (saved || !reference.is_nullable())
        {
            let what = "a reference on the operand stack,";
            return Err(refuse::reference(self.module, self.func, what, offset));
        }
        Ok(self.temps.take(ty))
    }
}
