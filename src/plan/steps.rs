//! The steps of a function: what is emitted in place of which operators.
//!
//! The tree is walked in program order with a stack of its own, since constructs may be nested
//! thousands deep. Temporaries are handed out like a stack: those of a construct stay taken until
//! its `end`, those of a site only for its landing, so that a function needs few of them.

use super::refuse;
use super::regions::{Item, Layout, Tree};
use super::skeleton::{Node, NodeKind, Skeleton, Spill};
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
    /// The types of the temporaries, numbered from the last declared local on.
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
        held: Vec::new(),
        held_now: Vec::new(),
        temps: Temps { first: skeleton.locals.len() as u32, ..Temps::default() },
        payloads: Vec::new(),
    };
    emitter.run()?;
    Ok(Steps {
        steps: emitter.steps,
        plain: emitter.plain,
        held: emitter.held,
        temps: emitter.temps.types,
        payloads: emitter.payloads,
    })
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
    /// The `else` of a node.
    Else { node: usize, kept: Kept },
    /// A handler of a node.
    Handler { node: usize, ordinal: usize, kept: Kept },
    /// The `end` of a node.
    End { node: usize, kept: Kept },
}

/// Temporaries that a construct holds: what lay below it, its parameters, and what its current
/// handler caught.
#[derive(Default)]
struct Kept {
    below: Vec<LocalIdx>,
    params: Vec<LocalIdx>,
    payload: Vec<LocalIdx>,
    /// How many temporaries a rewind needs outside of the construct.
    held: usize,
}

struct Emitter<'a> {
    module: &'a Module<'a>,
    func: FuncIdx,
    skeleton: &'a Skeleton,
    tree: &'a Tree,
    layout: &'a Layout,
    steps: Vec<(u32, Step)>,
    plain: Vec<(u32, Step)>,
    /// As in [`Steps`].
    held: Vec<Vec<LocalIdx>>,
    /// The temporaries that a rewind needs to any site that comes now.
    held_now: Vec<LocalIdx>,
    temps: Temps,
    payloads: Vec<(RegionOrdinal, Vec<LocalIdx>)>,
}

impl<'a> Emitter<'a> {
    fn run(&mut self) -> Result<()> {
        let (tree, nodes) = (self.tree, &self.skeleton.nodes);
        let mut tasks = vec![Task::Items(&tree.parts[0][0])];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Items([]) => {}
                Task::Items([item, rest @ ..]) => {
                    tasks.push(Task::Items(rest));
                    self.item(*item, &mut tasks)?;
                }
                Task::Else { node, kept } => self.middle(node, kept, &mut tasks),
                Task::Handler { node, ordinal, kept } => {
                    self.handler(node, ordinal, kept, &mut tasks)?;
                }
                Task::End { node, kept } => self.end(&nodes[node], kept)?,
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
            NodeKind::Site { tee, import } => self.site(node, tee, import, &buckets),
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
        node: usize,
        tee: Option<u32>,
        import: Option<FuncIdx>,
        buckets: &[usize],
    ) -> Result<()> {
        let Node { start, landing, spills, .. } = &self.skeleton.nodes[node];
        let spills = &self.skeleton.spills[spills.clone()];
        let mark = self.temps.mark();
        let mut reload = Vec::with_capacity(spills.len());
        for spill in spills {
            reload.push(match spill.copy_of {
                Some(local) => local,
                None => self.temp(spill, *start)?,
            });
        }
        if let Some(tee) = tee {
            self.push(tee, Step::TeeToSet);
        }
        for (position, spill) in spills.iter().enumerate().rev() {
            let dropped_by_tee = tee.is_some() && position + 1 == spills.len();
            match spill.copy_of {
                Some(_) if dropped_by_tee => {}
                Some(_) => self.push(*landing, Step::Drop),
                None => self.push(*landing, Step::Set(reload[position])),
            }
        }
        self.open_buckets(*landing, buckets);
        self.push_in(Bodies::Entered, *landing, Step::Land(self.layout.node_label[node]));
        let (ordinal, resets) = self.layout.sites[node];
        if resets {
            self.push_in(Bodies::Entered, *landing, Step::ResetResume);
        }
        self.gets(Bodies::Both, *landing, &reload);
        if landing != start {
            self.push(*landing, Step::Copy);
        }
        self.push(*start, import.map_or(Step::Copy, Step::CallImport));
        self.push(*start, Step::Test(ordinal));
        let own =
            spills.iter().zip(&reload).filter(|(spill, _)| spill.saved && spill.copy_of.is_none());
        let held = self.held_now.iter().copied().chain(own.map(|(_, local)| *local)).collect();
        self.held.push(held);
        self.temps.release(mark);
        Ok(())
    }

    /// Takes temporaries for all spills of a construct: those below it stay taken, then come its
    /// parameters, then the condition of an `if`.
    fn keep(&mut self, node: &Node) -> Result<(Kept, Vec<LocalIdx>)> {
        let spills = &self.skeleton.spills[node.spills.clone()];
        let mut all = Vec::with_capacity(spills.len());
        for spill in spills {
            all.push(self.temp(spill, node.start)?);
        }
        let below = spills.iter().filter(|spill| spill.saved).count();
        let kept = Kept {
            below: all[..below].to_vec(),
            params: all.get(below..below + node.params).unwrap_or_default().to_vec(),
            payload: Vec::new(),
            held: self.held_now.len(),
        };
        self.held_now.extend_from_slice(&kept.below);
        Ok((kept, all))
    }

    /// A block or an `if`, whose label the region opened.
    fn hoisted(
        &mut self,
        index: usize,
        buckets: &[usize],
        tasks: &mut Vec<Task<'a>>,
    ) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let (kept, mut all) = self.keep(node)?;
        let is_if = node.kind == NodeKind::If;
        let mark = self.temps.mark();
        if is_if && all.is_empty() && !buckets.is_empty() {
            // Only here a lone condition is in the way.
            all.push(self.temps.take(ValType::I32));
        }
        let tree = self.tree;
        let parts = &tree.parts[index];
        let second_part = parts.get(1);
        // Parameters alone may stay on the stack, unless the else arm needs them once more.
        let again = second_part.is_some() && !kept.params.is_empty();
        let rest = &all[kept.below.len()..];
        if !kept.below.is_empty() {
            self.sets(Bodies::Both, node.start, &all);
            self.open_buckets(node.start, buckets);
            self.gets(Bodies::Both, node.start, rest);
            self.push_in(Bodies::Plain, node.start, Step::Copy);
        } else if !buckets.is_empty() || again {
            self.sets(Bodies::Entered, node.start, &all);
            self.open_buckets(node.start, buckets);
            self.gets(Bodies::Entered, node.start, rest);
        }
        self.temps.release(mark);
        self.push_in(Bodies::Entered, node.start, Step::Hoist(self.layout.node_label[index]));
        if is_if {
            let otherwise = match second_part {
                Some(_) => self.layout.else_label[index],
                None => self.layout.node_label[index],
            };
            self.push_in(Bodies::Entered, node.start, Step::BranchIfZero(otherwise));
        }
        tasks.push(match second_part {
            Some(_) => Task::Else { node: index, kept },
            None => Task::End { node: index, kept },
        });
        tasks.push(Task::Items(&parts[0]));
        Ok(())
    }

    /// A loop or a try: a landing in front of it, a dispatch inside.
    fn region(&mut self, index: usize, buckets: &[usize], tasks: &mut Vec<Task<'a>>) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let (kept, all) = self.keep(node)?;
        let stored = if kept.below.is_empty() { Bodies::Entered } else { Bodies::Both };
        self.sets(stored, node.start, &all);
        self.open_buckets(node.start, buckets);
        self.push_in(Bodies::Entered, node.start, Step::Land(self.layout.node_label[index]));
        self.gets(stored, node.start, &all);
        self.push(node.start, Step::Copy);
        self.sets(Bodies::Entered, node.start, &kept.params);
        self.push_in(Bodies::Entered, node.start, Step::Open(self.layout.node_region[index]));
        self.gets(Bodies::Entered, node.start, &kept.params);
        let tree = self.tree;
        tasks.push(match node.handlers[..] {
            [] => Task::End { node: index, kept },
            _ => Task::Handler { node: index, ordinal: 0, kept },
        });
        tasks.push(Task::Items(&tree.parts[index][0]));
        Ok(())
    }

    /// A handler with sites: what it caught is kept, so that a rewind can throw it once more.
    fn handler(
        &mut self,
        index: usize,
        ordinal: usize,
        mut kept: Kept,
        tasks: &mut Vec<Task<'a>>,
    ) -> Result<()> {
        let node = &self.skeleton.nodes[index];
        let handler = &node.handlers[ordinal];
        self.temps.give_back(&std::mem::take(&mut kept.payload));
        self.held_now.truncate(kept.held + kept.below.len());
        if let Some(region) = self.layout.handler_region.get(&(index, ordinal)).copied() {
            for ty in handler.payload.iter().copied() {
                let spill = Spill { ty, copy_of: None, saved: true };
                kept.payload.push(self.temp(&spill, handler.offset)?);
            }
            self.held_now.extend_from_slice(&kept.payload);
            self.push(handler.offset, Step::Copy);
            self.sets(Bodies::Both, handler.offset, &kept.payload);
            self.push_in(Bodies::Entered, handler.offset, Step::Open(region));
            self.gets(Bodies::Both, handler.offset, &kept.payload);
            let body = self.layout.node_region[index];
            self.payloads.push((body, kept.payload.clone()));
        }
        let tree = self.tree;
        tasks.push(match node.handlers.get(ordinal + 1) {
            Some(_) => Task::Handler { node: index, ordinal: ordinal + 1, kept },
            None => Task::End { node: index, kept },
        });
        tasks.push(Task::Items(&tree.parts[index][ordinal + 1]));
        Ok(())
    }

    fn middle(&mut self, index: usize, kept: Kept, tasks: &mut Vec<Task<'a>>) {
        let node = &self.skeleton.nodes[index];
        if let Some(middle) = node.middle {
            let end = self.layout.node_label[index];
            if middle.falls_in {
                self.push_in(Bodies::Entered, middle.offset, Step::Branch(end));
            }
            let label = self.layout.else_label[index];
            self.push_in(Bodies::Entered, middle.offset, Step::Land(label));
            self.gets(Bodies::Entered, middle.offset, &kept.params);
        }
        let tree = self.tree;
        tasks.push(Task::End { node: index, kept });
        tasks.push(Task::Items(&tree.parts[index][1]));
    }

    /// After the `end` of a hoisted construct, what lay below it goes below its results.
    fn end(&mut self, node: &Node, kept: Kept) -> Result<()> {
        let hoisted = matches!(node.kind, NodeKind::Block | NodeKind::If);
        if hoisted && !kept.below.is_empty() {
            let mark = self.temps.mark();
            let mut results = Vec::new();
            for ty in self.results(node.ty) {
                results.push(self.temp(&Spill { ty, copy_of: None, saved: false }, node.end)?);
            }
            self.push(node.end, Step::Copy);
            self.sets(Bodies::Both, node.end, &results);
            self.gets(Bodies::Both, node.end, &kept.below);
            self.gets(Bodies::Both, node.end, &results);
            self.temps.release(mark);
        }
        self.held_now.truncate(kept.held);
        self.temps.give_back(&kept.below);
        self.temps.give_back(&kept.params);
        self.temps.give_back(&kept.payload);
        Ok(())
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

    /// A temporary for a spill.
    fn temp(&mut self, spill: &Spill, offset: u32) -> Result<LocalIdx> {
        if let ValType::Ref(ty) = spill.ty
            && (spill.saved || !ty.is_nullable())
        {
            let what = "a reference on the operand stack,";
            return Err(refuse::reference(self.module, self.func, what, offset));
        }
        Ok(self.temps.take(spill.ty))
    }
}

/// Hands out temporaries.
#[derive(Default)]
struct Temps {
    first: u32,
    types: Vec<ValType>,
    free: Vec<LocalIdx>,
    taken: Vec<LocalIdx>,
}

impl Temps {
    fn ty(&self, local: LocalIdx) -> ValType {
        self.types[(local.0 - self.first) as usize]
    }

    fn take(&mut self, ty: ValType) -> LocalIdx {
        let free = self.free.iter().rposition(|local| self.ty(*local) == ty);
        let local = match free {
            Some(position) => self.free.remove(position),
            None => {
                self.types.push(ty);
                LocalIdx(self.first + self.types.len() as u32 - 1)
            }
        };
        self.taken.push(local);
        local
    }

    /// A point to release to.
    fn mark(&self) -> usize {
        self.taken.len()
    }

    /// Gives back all that was taken since `mark`.
    fn release(&mut self, mark: usize) {
        while self.taken.len() > mark {
            let local = self.taken.pop().expect("checked");
            self.free.push(local);
        }
    }

    fn give_back(&mut self, locals: &[LocalIdx]) {
        for local in locals.iter().rev() {
            self.taken.retain(|taken| taken != local);
            self.free.push(*local);
        }
    }
}
