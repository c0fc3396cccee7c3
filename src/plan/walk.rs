//! The operator pass: one walk over a body with the validator alongside, which collects what the
//! other planning steps need.
//!
//! Output: a [`Skeleton`]. Constructs without sites leave nothing in it but events. The validator is
//! asked for arities and types; no instruction's effect is written down here.

use super::events;
use super::operands::{Operands, Purity, purity};
use super::pass::Pass;
use super::refuse;
use super::skeleton::{Handler, Middle, Node, NodeKind, Skeleton};
use super::spilling::{Fate, Last};
use crate::analyze::Site;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, LocalIdx, TagIdx, TypeIdx};
use crate::read::Module;
use crate::work;
use wasmparser::{
    BlockType, FuncValidator, FuncValidatorAllocations, Operator, ValidatorResources,
};

/// Knows the type of each operand, at each operator.
pub(super) type Validator = FuncValidator<ValidatorResources>;

/// Shows the operator to the validator.
type Validate<'v> = dyn FnMut(&mut Validator) -> wasmparser::Result<()> + 'v;

/// An open construct.
pub(super) struct Open {
    kind: NodeKind,
    /// Height of the operand stack below the construct's parameters.
    pub height: usize,
    /// Its node, and how many nodes there would be without it.
    pub node: usize,
    pub has_site: bool,
    /// The last node directly inside.
    pub last: Option<Last>,
}

pub(super) struct Walk<'m, 'a> {
    pub module: &'m Module<'a>,
    func: FuncIdx,
    pub validator: Validator,
    pub operands: Operands,
    pub open: Vec<Open>,
    /// The spills of the lowest operands: those of all that have left the operand stack and not
    /// come back. It is never one above one that is still there.
    pub spilled: Vec<usize>,
    /// Locals that are read again after the landings of sites, by the sites' ordinals from 0.
    pub needed: Vec<(u32, LocalIdx)>,
    /// How many of the locals are parameters, and whether any local holds references.
    pub params: usize,
    pub has_references: bool,
    /// How many open constructs are loops.
    pub loops: usize,
    /// How many open constructs could catch an exception.
    tries: usize,
    /// Control-stack height at which unreachable code began, and its offset.
    dead: Option<(u32, u32)>,
    /// Whether code is unreachable behind the last operator, if that may have changed it.
    died: Option<bool>,
    pub out: Skeleton,
}

/// What one walk leaves to the next, so that not every function asks for memory anew.
#[derive(Default)]
pub(super) struct Scratch {
    allocations: FuncValidatorAllocations,
    operands: Operands,
    open: Vec<Open>,
    spilled: Vec<usize>,
    needed: Vec<(u32, LocalIdx)>,
    /// What the last walk found.
    pub skeleton: Skeleton,
}

/// Walks the body of `func` in whose operators the analysis found `sites`; what it finds is in
/// `scratch` afterwards.
pub(super) fn walk(
    module: &Module<'_>,
    func: FuncIdx,
    sites: &[Site],
    scratch: &mut Scratch,
) -> Result<()> {
    let Scratch { allocations, operands, mut open, mut spilled, mut needed, mut skeleton } =
        std::mem::take(scratch);
    let validator = module.validator(func, allocations);
    open.clear();
    spilled.clear();
    needed.clear();
    skeleton.clear();
    let mut walk = Walk {
        module,
        func,
        validator,
        operands,
        open,
        spilled,
        needed,
        params: module.func_type(func).params().len(),
        has_references: false,
        loops: 0,
        tries: 0,
        dead: None,
        died: None,
        out: skeleton,
    };
    walk.run(sites).map_err(|stop| match stop {
        Stop::Refused(error) => error,
        Stop::Parser(error) => Error::misread(&error),
    })?;
    *scratch = Scratch {
        allocations: walk.validator.into_allocations(),
        operands: walk.operands,
        open: walk.open,
        spilled: walk.spilled,
        needed: walk.needed,
        skeleton: walk.out,
    };
    Ok(())
}

/// Why a walk ends early.
pub(super) enum Stop {
    Refused(Error),
    Parser(wasmparser::Error),
}

impl From<wasmparser::Error> for Stop {
    fn from(error: wasmparser::Error) -> Self {
        Stop::Parser(error)
    }
}

impl Walk<'_, '_> {
    fn run(&mut self, sites: &[Site]) -> Result<(), Stop> {
        let body = self.module.body(self.func).expect("only defined functions have sites");
        let mut reader = body.get_binary_reader();
        self.validator.read_locals(&mut reader)?;
        let locals = self.validator.len_locals();
        let types = (0..locals).filter_map(|local| self.validator.get_local_type(local));
        self.out.locals.extend(types);
        self.has_references = self.out.locals.iter().any(|ty| ty.is_reference_type());
        self.operands.reset(locals as usize);
        self.open_frame(NodeKind::Block, body.range().start as u32, BlockType::Empty, 0, 0);
        let mut sites = sites.iter().peekable();
        while !reader.eof() {
            work::count(1);
            let offset = reader.original_position() as u32;
            let site = sites.next_if(|site| site.offset == offset);
            reader.visit_operator(&mut Pass { walk: self, offset, site })??;
            let end = reader.original_position() as u32;
            self.operands.settle(end);
            if let Some(died) = self.died.take() {
                self.dead = died.then(|| (self.validator.control_stack_height(), end));
            }
        }
        self.settle_needed();
        match sites.next() {
            None => Ok(()),
            Some(site) => Err(Stop::Refused(Error::Internal(format!(
                "no live call at the site {:#x} of function {}",
                site.offset, self.func
            )))),
        }
    }

    /// Whether `op` belongs to unreachable code, which nothing but the validator looks at.
    fn is_dead(&mut self, op: &Operator<'_>, offset: u32) -> bool {
        let Some((height, since)) = self.dead else {
            return false;
        };
        let ends_it = matches!(
            op,
            Operator::End
                | Operator::Else
                | Operator::Catch { .. }
                | Operator::CatchAll
                | Operator::Delegate { .. }
        ) && self.validator.control_stack_height() == height;
        if ends_it && since < offset {
            self.out.dead.push(since..offset);
        }
        !ends_it
    }

    /// An operator that only takes values and gives one, or stores it, and neither calls nor branches. All that read or
    /// write a local are of this kind.
    #[inline(always)]
    pub fn computes(
        &mut self,
        purity: Purity,
        offset: u32,
        (pops, pushes): (usize, usize),
        validate: &mut impl FnMut(&mut Validator) -> wasmparser::Result<()>,
    ) -> Result<(), Stop> {
        if self.dead.is_none() {
            match purity {
                Purity::LocalGet(local) => self.out.access(local, false, offset),
                Purity::LocalSet(local) | Purity::LocalTee(local) => {
                    self.out.access(local, true, offset);
                }
                _ => {}
            }
            self.use_operands(pops);
            self.operands.apply(purity, offset, (pops, pushes));
        }
        Ok(validate(&mut self.validator)?)
    }

    /// The operands that an operator takes must be on the operand stack.
    #[inline(always)]
    fn use_operands(&mut self, count: usize) {
        let height = self.operands.height() - count;
        if self.spilled.len() > height {
            self.end_spills(height, Fate::Used);
        }
    }

    /// Any operator, with its arity if that doesn't depend on what it names.
    pub fn operator(
        &mut self,
        (op, arity): (&Operator<'_>, Option<(usize, usize)>),
        site: Option<&Site>,
        offset: u32,
        validate: &mut Validate<'_>,
    ) -> Result<(), Stop> {
        if self.is_dead(op, offset) {
            return Ok(validate(&mut self.validator)?);
        }
        if let Some(site) = site {
            if site.tail && self.tries > 0 {
                let refused = refuse::tail_call_in_try(self.module, self.func, offset);
                return Err(Stop::Refused(refused));
            }
            let (pops, _) = self.arity(op).expect("calls have an arity");
            self.site(site, op, (offset, pops));
        }
        events::record(&mut self.out, op, site.is_some(), self.tries > 0);
        self.out.offsets.resize(self.out.events.len(), offset);
        if let Operator::Rethrow { relative_depth } = op {
            self.rethrow(*relative_depth);
        }
        match op {
            Operator::Block { blockty }
            | Operator::Loop { blockty }
            | Operator::If { blockty }
            | Operator::Try { blockty }
            | Operator::TryTable { try_table: wasmparser::TryTable { ty: blockty, .. } } => {
                self.enter(op, *blockty, offset, validate)?;
            }
            Operator::Else | Operator::Catch { .. } | Operator::CatchAll => {
                self.middle(op, offset, validate)?;
            }
            Operator::End | Operator::Delegate { .. } => self.leave(offset, validate)?,
            _ => {
                let arity = arity.or_else(|| self.arity(op));
                self.take_operands(op, arity, offset);
                validate(&mut self.validator)?;
                let died = self.is_unreachable();
                self.died = Some(died);
                // In unreachable code the validator's height is no longer the walk's.
                if !died {
                    self.simple(op, arity, offset);
                }
                return Ok(());
            }
        }
        self.died = Some(self.is_unreachable());
        Ok(())
    }

    /// How many values an operator takes and gives.
    fn arity(&self, op: &Operator<'_>) -> Option<(usize, usize)> {
        if let Operator::Call { function_index } = op {
            let ty = self.module.func_type(FuncIdx(*function_index));
            return Some((ty.params().len(), ty.results().len()));
        }
        let (pops, pushes) = op.operator_arity(&self.validator)?;
        Some((pops as usize, pushes as usize))
    }

    /// Whether the validator holds what comes next to be unreachable.
    fn is_unreachable(&self) -> bool {
        self.validator.get_control_frame(0).is_some_and(|frame| frame.unreachable)
    }

    /// What an operator that neither opens nor closes a construct takes must be on the operand stack,
    /// unless it only drops it.
    fn take_operands(&mut self, op: &Operator<'_>, arity: Option<(usize, usize)>, offset: u32) {
        let (height, base) =
            (self.operands.height(), self.open.last().map_or(0, |open| open.height));
        match (op, arity) {
            (Operator::Drop, _) if self.spilled.len() == height => {
                self.end_spills(height - 1, Fate::Dropped(offset));
                self.out.omitted.push(offset);
            }
            (Operator::Drop, _) if self.forget_read(offset) => {}
            (_, Some((pops, _))) => self.end_spills(height - pops, Fate::Used),
            (_, None) => self.end_spills(base, Fate::Used),
        }
    }

    /// Leaves out a `local.get` whose value the operator at `offset` drops: it is no use of the local. Returns whether it does.
    fn forget_read(&mut self, offset: u32) -> bool {
        let read = self.operands.just_read(offset);
        let access = self.out.accesses.pop_if(|access| Some(access.offset) == read);
        let Some(access) = access else { return false };
        self.out.omitted.push(access.offset);
        self.out.omitted.push(offset);
        true
    }

    /// An operator that neither opens nor closes a construct.
    fn simple(&mut self, op: &Operator<'_>, arity: Option<(usize, usize)>, offset: u32) {
        if let Some(arity) = arity {
            let purity = purity(op, &self.module.globals);
            if matches!(purity, Purity::Impure) {
                self.out.bulk_memory |= is_bulk_memory(op);
            }
            self.operands.apply(purity, offset, arity);
        } else {
            let height = self.validator.operand_stack_height() as usize;
            self.operands.set_height(height.min(self.operands.height()), offset);
            self.operands.set_height(height, offset);
        }
    }

    /// Opens a construct.
    fn enter(
        &mut self,
        op: &Operator<'_>,
        ty: BlockType,
        offset: u32,
        validate: &mut Validate<'_>,
    ) -> Result<(), Stop> {
        let params = self.param_count(ty);
        let kind = match op {
            Operator::Loop { .. } => NodeKind::Loop,
            Operator::If { .. } => NodeKind::If,
            Operator::Try { .. } | Operator::TryTable { .. } => NodeKind::Try,
            _ => NodeKind::Block,
        };
        let condition = usize::from(kind == NodeKind::If);
        self.open_frame(kind, offset, ty, params, condition);
        validate(&mut self.validator)?;
        let height = self.open.last().expect("just opened").height;
        // Parameters are values of their own: a loop gets others on the next round.
        self.operands.set_height(height, offset);
        self.operands.set_height(height + params, offset);
        if kind == NodeKind::Try {
            self.tries += 1;
        }
        self.loops += usize::from(kind == NodeKind::Loop);
        Ok(())
    }

    fn open_frame(
        &mut self,
        kind: NodeKind,
        offset: u32,
        ty: BlockType,
        params: usize,
        condition: usize,
    ) {
        let height = self.operands.height() - params - condition;
        self.end_spills(height, Fate::Used);
        let node = self.out.nodes.len();
        self.out.nodes.push(Node {
            kind,
            start: offset,
            landing: offset,
            spills: 0..0,
            ty,
            middle: None,
            handlers: Vec::new(),
            end: 0,
            next: 0,
        });
        self.open.push(Open { kind, height, node, has_site: false, last: None });
    }

    /// At the end of a construct's part its results are used, and in unreachable code nothing is.
    fn end_construct_spills(&mut self, offset: u32) {
        let height = self.open.last().map_or(0, |open| open.height);
        let fate = if self.dead.is_some() { Fate::Dropped(offset) } else { Fate::Used };
        self.end_spills(height, fate);
    }

    /// `else`, `catch`, `catch_all`.
    fn middle(
        &mut self,
        op: &Operator<'_>,
        offset: u32,
        validate: &mut Validate<'_>,
    ) -> Result<(), Stop> {
        let falls_in = self.dead.is_none();
        self.end_construct_spills(offset);
        validate(&mut self.validator)?;
        let open = self.open.last().expect("the body is valid");
        let (height, index) = (open.height, open.node);
        self.operands.set_height(height, offset);
        let now = self.validator.operand_stack_height() as usize;
        self.operands.set_height(now, offset);
        let first_node = self.out.nodes.len();
        let payload = (0..now - height).rev();
        let payload = payload.filter_map(|depth| self.validator.get_operand_type(depth)?).collect();
        let tag = match op {
            Operator::Catch { tag_index } => Some(TagIdx(*tag_index)),
            _ => None,
        };
        let node = &mut self.out.nodes[index];
        if matches!(op, Operator::Else) {
            node.middle = Some(Middle { offset, falls_in, first_node });
        } else {
            self.tries -= usize::from(node.handlers.is_empty());
            if let Some(handler) = node.handlers.last_mut() {
                handler.falls_out = falls_in;
            }
            let (rethrows, falls_out) = (false, false);
            node.handlers.push(Handler { offset, tag, payload, first_node, rethrows, falls_out });
        }
        Ok(())
    }

    /// Notes in the handler that `rethrow` names that what it caught must be kept.
    fn rethrow(&mut self, depth: u32) {
        let construct = self.open.len() - 1 - depth as usize;
        let node = &mut self.out.nodes[self.open[construct].node];
        if let Some(handler) = node.handlers.last_mut() {
            handler.rethrows = true;
        }
    }

    /// `end` or `delegate`: closes a construct; one without sites leaves no node.
    fn leave(&mut self, offset: u32, validate: &mut Validate<'_>) -> Result<(), Stop> {
        let falls_out = self.dead.is_none();
        self.end_construct_spills(offset);
        validate(&mut self.validator)?;
        let open = self.open.pop().expect("the body is valid");
        let next = self.out.nodes.len();
        let node = &mut self.out.nodes[open.node];
        node.end = offset;
        if let Some(handler) = node.handlers.last_mut() {
            handler.falls_out = falls_out;
        }
        if open.kind == NodeKind::Try && node.handlers.is_empty() {
            self.tries -= 1;
        }
        self.loops -= usize::from(open.kind == NodeKind::Loop);
        node.next = next;
        if self.open.is_empty() {
            self.out.end_reachable = falls_out;
            return Ok(());
        }
        if open.has_site {
            let outer = self.open.last_mut().expect("checked above");
            outer.last = Some(Last { node: open.node, site: None });
            self.operands.pass_node(offset);
        } else {
            self.out.nodes.truncate(open.node);
        }
        self.operands.set_height(open.height, offset);
        let height = self.validator.operand_stack_height() as usize;
        self.operands.set_height(height, offset);
        Ok(())
    }

    fn param_count(&self, ty: BlockType) -> usize {
        match ty {
            BlockType::Empty | BlockType::Type(_) => 0,
            BlockType::FuncType(index) => self.module.func_type_at(TypeIdx(index)).params().len(),
        }
    }
}

fn is_bulk_memory(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(op, O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. })
}
