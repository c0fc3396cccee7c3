//! The operator pass: one walk over a body with the validator alongside, which collects what the
//! other planning steps need.
//!
//! Output: a [`Skeleton`]. Constructs without sites leave nothing in it but events. The validator is
//! asked for arities and types; no instruction's effect is written down here.

use super::events;
use super::operands::Operands;
use super::skeleton::{Handler, Middle, Node, NodeKind, Skeleton, Spill};
use crate::analyze::{Site, Target};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, GlobalIdx, LocalIdx, TagIdx, TypeIdx};
use crate::read::Module;
use crate::refusal::{Refusal, RefusalKind};
use std::ops::Range;
use wasmparser::{
    BlockType, FuncValidator, FuncValidatorAllocations, Operator, ValidatorResources,
};

/// An open construct.
struct Open {
    kind: NodeKind,
    /// Height of the operand stack below the construct's parameters.
    height: usize,
    /// Its node, and how many nodes there would be without it.
    node: usize,
    spills: usize,
    has_site: bool,
}

pub(super) struct Walk<'m, 'a> {
    module: &'m Module<'a>,
    func: FuncIdx,
    validator: FuncValidator<ValidatorResources>,
    operands: Operands,
    open: Vec<Open>,
    /// How many open constructs could catch an exception.
    tries: usize,
    /// Control-stack height at which unreachable code began, and its offset.
    dead: Option<(u32, u32)>,
    out: Skeleton,
}

/// What walks use one after the other, so that memory is not asked for once a function.
#[derive(Default)]
pub(super) struct Scratch {
    allocations: FuncValidatorAllocations,
    operands: Operands,
    open: Vec<Open>,
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
    let Scratch { allocations, operands, mut open, mut skeleton } = std::mem::take(scratch);
    let validator = module.validator(func, allocations);
    open.clear();
    skeleton.clear();
    let (tries, dead) = (0, None);
    let mut walk = Walk { module, func, validator, operands, open, tries, dead, out: skeleton };
    walk.run(sites).map_err(|stop| match stop {
        Stop::Refused(error) => error,
        Stop::Parser(error) => Error::misread(&error),
    })?;
    *scratch = Scratch {
        allocations: walk.validator.into_allocations(),
        operands: walk.operands,
        open: walk.open,
        skeleton: walk.out,
    };
    Ok(())
}

/// Why a walk ends early.
enum Stop {
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
        self.validator.read_locals(&mut body.get_binary_reader())?;
        let mut reader = body.get_operators_reader()?;
        let locals = self.validator.len_locals();
        let types = (0..locals).filter_map(|local| self.validator.get_local_type(local));
        self.out.locals.extend(types);
        self.operands.reset(locals as usize);
        self.open_frame(NodeKind::Block, body.range().start as u32, BlockType::Empty, 0, 0);
        let mut sites = sites.iter().peekable();
        while !reader.eof() {
            let offset = reader.original_position() as u32;
            let op = reader.read()?;
            let end = reader.original_position() as u32;
            let site = sites.next_if(|site| site.offset == offset);
            if self.skip_dead(&op, offset)? {
                continue;
            }
            self.operator(&op, site, offset, end)?;
        }
        match sites.next() {
            None => Ok(()),
            Some(site) => Err(Stop::Refused(Error::Internal(format!(
                "no live call at the site {:#x} of function {}",
                site.offset, self.func
            )))),
        }
    }

    /// Feeds unreachable code to the validator alone. Returns whether `op` belongs to it.
    fn skip_dead(&mut self, op: &Operator<'_>, offset: u32) -> Result<bool, Stop> {
        let Some((height, since)) = self.dead else {
            return Ok(false);
        };
        let ends_it = matches!(
            op,
            Operator::End
                | Operator::Else
                | Operator::Catch { .. }
                | Operator::CatchAll
                | Operator::Delegate { .. }
        ) && self.validator.control_stack_height() == height;
        if ends_it {
            if since < offset {
                self.out.dead.push(since..offset);
            }
            return Ok(false);
        }
        self.validator.op(u64::from(offset), op)?;
        Ok(true)
    }

    fn operator(
        &mut self,
        op: &Operator<'_>,
        site: Option<&Site>,
        offset: u32,
        end: u32,
    ) -> Result<(), Stop> {
        if let Some(site) = site {
            self.site(site, op, offset)?;
        }
        events::record(&mut self.out, op, site.is_some(), self.tries > 0);
        if let Operator::Rethrow { relative_depth } = op {
            self.rethrow(*relative_depth, offset);
        }
        match op {
            Operator::Block { blockty }
            | Operator::Loop { blockty }
            | Operator::If { blockty }
            | Operator::Try { blockty }
            | Operator::TryTable { try_table: wasmparser::TryTable { ty: blockty, .. } } => {
                self.enter(op, *blockty, offset)?;
            }
            Operator::Else | Operator::Catch { .. } | Operator::CatchAll => {
                self.middle(op, offset)?;
            }
            Operator::End | Operator::Delegate { .. } => self.leave(op, offset)?,
            _ => {
                let arity = op.operator_arity(&self.validator);
                self.validator.op(u64::from(offset), op)?;
                self.note_dead(end);
                // In unreachable code the validator's height is no longer the walk's.
                if self.dead.is_none() {
                    self.simple(op, arity, offset, end);
                }
                return Ok(());
            }
        }
        self.note_dead(end);
        Ok(())
    }

    /// Notes that unreachable code begins after the operator that ends at `end`.
    fn note_dead(&mut self, end: u32) {
        let unreachable =
            self.validator.get_control_frame(0).is_some_and(|frame| frame.unreachable);
        self.dead = unreachable.then(|| (self.validator.control_stack_height(), end));
    }

    /// An operator that neither opens nor closes a construct.
    fn simple(&mut self, op: &Operator<'_>, arity: Option<(u32, u32)>, offset: u32, end: u32) {
        let globals = &self.module.globals;
        let immutable = |global: u32| !globals[GlobalIdx(global)].ty.mutable;
        if let Some((pops, pushes)) = arity {
            let arity = (pops as usize, pushes as usize);
            self.operands.apply(op, (offset, end), arity, immutable);
        } else {
            let height = self.validator.operand_stack_height() as usize;
            self.operands.set_height(height.min(self.operands.height()), offset);
            self.operands.set_height(height, offset);
        }
        if let Operator::LocalSet { local_index } = op {
            self.operands.write_local(LocalIdx(*local_index), offset);
        }
    }

    /// Opens a construct.
    fn enter(&mut self, op: &Operator<'_>, ty: BlockType, offset: u32) -> Result<(), Stop> {
        let params = self.param_count(ty);
        let kind = match op {
            Operator::Loop { .. } => NodeKind::Loop,
            Operator::If { .. } => NodeKind::If,
            Operator::Try { .. } | Operator::TryTable { .. } => NodeKind::Try,
            _ => NodeKind::Block,
        };
        let condition = usize::from(kind == NodeKind::If);
        self.open_frame(kind, offset, ty, params, condition);
        self.validator.op(u64::from(offset), op)?;
        let height = self.open.last().expect("just opened").height;
        // Parameters are values of their own: a loop gets others on the next round.
        self.operands.set_height(height, offset);
        self.operands.set_height(height + params, offset);
        if kind == NodeKind::Try {
            self.tries += 1;
        }
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
        let base = self.open.last().map_or(0, |open| open.height);
        let spills = self.out.spills.len();
        // A lone condition stays where it is.
        if self.operands.height() - base > condition {
            let count = self.operands.height() - base;
            for position in 0..count {
                let below = position + params + condition < count;
                self.push_spill(count - 1 - position, None, below);
            }
        }
        let node = self.out.nodes.len();
        self.out.nodes.push(Node {
            kind,
            start: offset,
            landing: offset,
            spills: spills..self.out.spills.len(),
            params,
            ty,
            middle: None,
            handlers: Vec::new(),
            end: 0,
            next: 0,
        });
        let height = self.operands.height() - params - condition;
        self.open.push(Open { kind, height, node, spills, has_site: false });
    }

    fn push_spill(&mut self, depth: usize, copy_of: Option<LocalIdx>, saved: bool) {
        let ty = self.validator.get_operand_type(depth).flatten();
        let ty = ty.expect("live code has no operand of unknown type");
        self.out.spills.push(Spill { ty, copy_of, saved });
    }

    /// `else`, `catch`, `catch_all`.
    fn middle(&mut self, op: &Operator<'_>, offset: u32) -> Result<(), Stop> {
        let falls_in = self.dead.is_none();
        self.validator.op(u64::from(offset), op)?;
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
            node.handlers.push(Handler { offset, tag, payload, first_node, rethrow: None });
        }
        Ok(())
    }

    /// Notes in the handler that `rethrow` names that what it caught must be kept.
    fn rethrow(&mut self, depth: u32, offset: u32) {
        let construct = self.open.len() - 1 - depth as usize;
        let node = &mut self.out.nodes[self.open[construct].node];
        if let Some(handler) = node.handlers.last_mut() {
            handler.rethrow.get_or_insert(offset);
        }
    }

    /// A rewind enters a handler by throwing once more what it caught, which for `catch_all` is
    /// not known.
    fn check_handlers(&self, node: &Node) -> Result<(), Stop> {
        let ends = node.handlers.iter().skip(1).map(|handler| handler.first_node);
        let ends = ends.chain([self.out.nodes.len()]);
        for (handler, end) in node.handlers.iter().zip(ends) {
            if let (None, Some(_), Some(site)) =
                (handler.tag, handler.rethrow, self.out.nodes[handler.first_node..end].first())
            {
                return Err(self.refuse(
                    RefusalKind::CatchAllRethrow,
                    "a call that may reach an entry, inside a `catch_all` handler with `rethrow`",
                    site.start,
                ));
            }
        }
        Ok(())
    }

    /// `end` or `delegate`: closes a construct; one without sites leaves no node.
    fn leave(&mut self, op: &Operator<'_>, offset: u32) -> Result<(), Stop> {
        let falls_out = self.dead.is_none();
        self.validator.op(u64::from(offset), op)?;
        let open = self.open.pop().expect("the body is valid");
        let next = self.out.nodes.len();
        let node = &mut self.out.nodes[open.node];
        node.end = offset;
        if open.kind == NodeKind::Try && node.handlers.is_empty() {
            self.tries -= 1;
        }
        node.next = next;
        if self.open.is_empty() {
            self.out.end_reachable = falls_out;
            return Ok(());
        }
        if open.has_site {
            self.check_handlers(&self.out.nodes[open.node])?;
            self.open.last_mut().expect("checked above").has_site = true;
        } else {
            self.out.nodes.truncate(open.node);
            self.out.spills.truncate(open.spills);
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

    /// Plans the landing of a site whose call is `op`.
    fn site(&mut self, site: &Site, op: &Operator<'_>, offset: u32) -> Result<(), Stop> {
        let open = self.open.last_mut().expect("the body is open");
        open.has_site = true;
        let base = open.height;
        let (pops, _) = op.operator_arity(&self.validator).expect("calls have an arity");
        let height = self.operands.height();
        let args = height - pops as usize;
        let exact = |position: usize| match site.target {
            _ if position < args => true,
            Target::Import(_) => true,
            Target::Defined(_) => false,
            Target::Indirect { may_be_import } | Target::Ref { may_be_import } => {
                may_be_import || position + 1 == height
            }
        };
        // As many values from the top as can be computed again where they stand.
        let mut landing = offset;
        let mut first = height;
        while first > base {
            let operand = self.operands.above(first - 1)[0];
            if operand.end != landing || !self.operands.can_rerun(first - 1, exact(first - 1)) {
                break;
            }
            first -= 1;
            landing = operand.start;
        }
        let needed = self.out.needed_locals.len();
        for position in first..height {
            let reads = self.operands.needed_reads(position, exact(position));
            self.out.needed_locals.extend_from_slice(reads);
        }
        self.push_site(base..first, height, landing, exact, offset);
        self.out.needed.push((offset, needed..self.out.needed_locals.len()));
        Ok(())
    }

    /// Records the site's node: the values below its landing are spilled.
    fn push_site(
        &mut self,
        spilled: Range<usize>,
        height: usize,
        landing: u32,
        exact: impl Fn(usize) -> bool,
        offset: u32,
    ) {
        let spills = self.out.spills.len();
        let mut tee = None;
        for position in spilled.clone() {
            let copy_of = self.operands.copy_of(position);
            let saved = exact(position);
            if let (Some(local), true) = (copy_of, saved) {
                self.out.needed_locals.push(local);
            }
            self.push_spill(height - 1 - position, copy_of, saved);
            if position + 1 == spilled.end {
                tee = self.operands.tee_just_before(position, landing);
            }
        }
        self.out.nodes.push(Node {
            kind: NodeKind::Site { tee },
            start: offset,
            landing,
            spills: spills..self.out.spills.len(),
            params: 0,
            ty: BlockType::Empty,
            middle: None,
            handlers: Vec::new(),
            end: offset,
            next: self.out.nodes.len() + 1,
        });
    }

    fn refuse(&self, kind: RefusalKind, what: &str, offset: u32) -> Stop {
        let location = self.module.location(self.func, offset as usize);
        Stop::Refused(Error::Refused(Refusal::at(location, kind, what).into()))
    }
}
