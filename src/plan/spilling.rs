//! Which values leave the operand stack at which node, and where they come back.
//!
//! Part of the operator pass: a site's landing and the start of a construct with sites must find the
//! operand stack empty, so what lies there is spilled. A value that lies below several nodes is spilled
//! at the first and comes back at the last, which is known when an operator uses the value:
//!
//! ```wat
//! call $a             ;; set $t0
//! call $b             ;; set $t1
//! call $c             ;; get $t0, get $t1
//! i32.add
//! i32.add
//! ```
//!
//! So the values that are away are always the lowest of the operand stack, and n sites above n values
//! cost n spills.

use super::operands::{Retrieved, Unpush};
use super::refuse;
use super::skeleton::{Home, Need, Node, NodeKind, Spill};
use super::walk::Walk;
use crate::analyze::{Site, Target};
use crate::index::{FuncIdx, LocalIdx, TypeIdx};
use crate::work;
use std::ops::Range;
use wasmparser::{BlockType, Operator, ValType};

/// A node that the walk has passed.
#[derive(Clone, Copy)]
pub(super) struct Last {
    pub node: usize,
    /// Its ordinal among the sites, from 0, if it is one.
    pub site: Option<u32>,
}

/// What becomes of operands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// An operator takes them.
    Used,
    /// Nothing looks at them: the operator at this offset drops them.
    Dropped(u32),
}

/// A call that may reach an entry.
struct SiteCall {
    /// Offset.
    at: u32,
    target: Target,
    /// The position of its first argument on the operand stack, and the height above the last.
    args: usize,
    height: usize,
}

impl SiteCall {
    /// What a rewind needs the value at `position` for: those below the arguments are used later; of the arguments
    /// the callee looks at some again, and one may say which function that is.
    fn need(&self, position: usize) -> Need {
        match self.target {
            _ if position < self.args => Need::Later,
            Target::Indirect { .. } | Target::Ref { .. } if position + 1 == self.height => {
                Need::Callee
            }
            Target::Import(_)
            | Target::Indirect { may_be_import: true }
            | Target::Ref { may_be_import: true } => Need::Argument,
            Target::Defined(_) | Target::Indirect { .. } | Target::Ref { .. } => Need::Nothing,
        }
    }

    fn needs(&self, position: usize) -> bool {
        self.need(position) != Need::Nothing
    }
}

/// Where a rewind enters at a site.
struct Landing {
    /// The position of the lowest value that is computed again.
    first: usize,
    /// Offset of the first operator that runs again.
    at: u32,
    /// The type of the index that a `table.get` takes there, on top of the operand stack: it is the first operator that runs
    /// again, and gives the reference to call.
    index: Option<ValType>,
}

impl<'m> Walk<'m, '_> {
    /// The operands from `height` up leave the operand stack for good, so for those that are spilled
    /// it is known where they come back.
    pub fn end_spills(&mut self, height: usize, fate: Fate) {
        while self.spilled.len() > height {
            work::count(1);
            let spill = self.spilled.pop().expect("checked");
            let position = self.spilled.len();
            match fate {
                Fate::Dropped(at) => self.out.spills[spill].home = Home::Nowhere(at),
                Fate::Used => self.end_spill(spill, position),
            }
            if self.out.spills[spill].home != Home::Temp {
                self.unpush(spill, position);
            }
        }
    }

    /// What would be dropped at the node is not pushed, where that is simple.
    fn unpush(&mut self, spill: usize, position: usize) {
        let Some(unpush) = self.operands.unpush(position) else { return };
        let (Unpush::Operator(offset) | Unpush::Tee(offset)) = unpush;
        self.out.spills[spill].unpushed_at = Some(offset);
        match unpush {
            Unpush::Operator(_) => self.out.omitted.push(offset),
            Unpush::Tee(_) => self.out.sets.push(offset),
        }
    }

    fn end_spill(&mut self, index: usize, position: usize) {
        let last = self.open.last().and_then(|open| open.last);
        let last = last.expect("a value is spilled at a node of the construct that it is in");
        let spill = &mut self.out.spills[index];
        spill.last = last.node;
        if let Some(offset) = self.operands.made_at(position) {
            spill.home = Home::MadeAt(offset);
            return;
        }
        let kept = spill.need != Need::Nothing;
        // Blocks keep values in temporaries of their own.
        if let (Some(site), Some(local)) = (last.site, self.operands.copy_at_node(position)) {
            if kept {
                self.needed.push((site, local));
            } else if refuse::is_non_nullable(self.out.locals[local.0 as usize]) {
                // A rewind can't read it.
                return;
            }
            spill.home = Home::Local(local);
        }
    }

    /// Plans the landing of a site whose call is `op`, which takes so many operands.
    pub fn site(&mut self, site: &Site, op: &Operator<'_>, (offset, pops): (u32, usize)) {
        self.spill_below_constructs();
        let height = self.operands.height();
        let args = height - pops;
        let call = SiteCall { at: offset, target: site.target, args, height };
        let landing = self.landing(&call);
        let ordinal = self.out.needed.len() as u32;
        for position in landing.first..height {
            work::count(1);
            let reads = self.operands.needed_reads(position, call.needs(position));
            self.needed.extend(reads.iter().map(|local| (ordinal, *local)));
        }
        let params = self.params_of(op);
        // What the callee doesn't look at need only be what it takes.
        let ty = |position: usize| match call.need(position) {
            Need::Callee => landing.index,
            Need::Nothing => Some(params[position - args]),
            Need::Later | Need::Argument => None,
        };
        // Nothing can stand in for a reference that is not nullable.
        let need = |position: usize| match call.need(position) {
            Need::Nothing if refuse::is_non_nullable(params[position - args]) => Need::Argument,
            need => need,
        };
        let spills = self.spill(landing.first, ty, need);
        let import = match site.target {
            Target::Import(func) => Some(func),
            _ => None,
        };
        self.out.sites_in_loops += u32::from(self.loops > 0);
        let kind = NodeKind::Site { import, tail: site.tail };
        self.push_site(kind, offset, landing.at, spills);
    }

    /// As many values from the top as can be computed again where they stand.
    fn landing(&self, call: &SiteCall) -> Landing {
        let mut landing = Landing { first: call.height, at: call.at, index: None };
        if let Some((callee, retrieved)) = self.retrieved_callee(call) {
            if !self.can_retrieve_again(callee) {
                let index = self.module.index_type(retrieved.table);
                return Landing { at: retrieved.offset, index: Some(index), ..landing };
            }
            (landing.first, landing.at) = (callee, self.operands.above(callee)[0].start);
        }
        while landing.first > self.spilled.len() {
            work::count(1);
            let position = landing.first - 1;
            let operand = self.operands.above(position)[0];
            if operand.end != landing.at || !self.can_rerun(position, call.needs(position)) {
                break;
            }
            (landing.first, landing.at) = (position, operand.start);
        }
        landing
    }

    /// The position of the reference that a `call_ref` calls, if it was got from a table just before.
    fn retrieved_callee(&self, call: &SiteCall) -> Option<(usize, Retrieved)> {
        let is_ref = matches!(call.target, Target::Ref { .. });
        let callee =
            call.height.checked_sub(1).filter(|callee| is_ref && *callee >= self.spilled.len())?;
        let just_before = self.operands.above(callee)[0].end == call.at;
        self.operands.retrieved(callee).filter(|_| just_before).map(|retrieved| (callee, retrieved))
    }

    /// Whether the tree of the value at `position` may run again where it stands, and, if `exact`, gives the same value.
    fn can_rerun(&self, position: usize, exact: bool) -> bool {
        self.operands.can_rerun(position, exact)
            && self.can_read_again(position, self.operands.needed_reads(position, exact))
    }

    /// Whether what the value at `position` was got from a table by may run again.
    fn can_retrieve_again(&self, position: usize) -> bool {
        self.operands.can_retrieve_again(position)
            && self.can_read_again(position, self.operands.reads_of(position))
    }

    /// Whether a rewind finds what the tree at `position` reads, without saving references for it: rather the tree's value is saved. Such
    /// locals as hold null then, though they are not nullable, can't even be read.
    fn can_read_again(&self, position: usize, needed: &[LocalIdx]) -> bool {
        if !self.has_references {
            return true;
        }
        let (locals, params) = (&self.out.locals, self.params);
        let ty = |local: &LocalIdx| locals[local.0 as usize];
        let is_null =
            |local: &LocalIdx| local.0 as usize >= params && refuse::is_non_nullable(ty(local));
        !needed.iter().any(|local| ty(local).is_reference_type())
            && !self.operands.reads_of(position).iter().any(is_null)
    }

    fn push_site(&mut self, kind: NodeKind, offset: u32, landing: u32, spills: Range<usize>) {
        let (node, site) = (self.out.nodes.len(), self.out.needed.len() as u32);
        self.out.nodes.push(Node {
            kind,
            start: offset,
            landing,
            spills,
            ty: BlockType::Empty,
            middle: None,
            handlers: Vec::new(),
            end: offset,
            next: node + 1,
        });
        self.out.needed.push((offset, 0..0));
        let open = self.open.last_mut().expect("the body is open");
        open.last = Some(Last { node, site: Some(site) });
        self.operands.pass_node(offset);
    }

    /// At the first site inside constructs: what lies below them is spilled where they begin.
    fn spill_below_constructs(&mut self) {
        let with_sites = self.open.iter().rposition(|open| open.has_site);
        for index in with_sites.map_or(0, |index| index + 1)..self.open.len() {
            work::count(1);
            let open = &mut self.open[index];
            open.has_site = true;
            let (height, node) = (open.height, open.node);
            self.out.nodes[node].spills = self.spill(height, |_| None, |_| Need::Later);
        }
    }

    /// The parameters of what a call calls.
    fn params_of(&self, op: &Operator<'_>) -> &'m [ValType] {
        let module = self.module;
        match *op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                module.func_type(FuncIdx(function_index)).params()
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::CallRef { type_index }
            | Operator::ReturnCallIndirect { type_index, .. }
            | Operator::ReturnCallRef { type_index } => {
                module.func_type_at(TypeIdx(type_index)).params()
            }
            _ => &[],
        }
    }

    /// Spills what is on the operand stack below `height`; returns the new spills. `ty`: what type a spill has, if
    /// not the operand's.
    fn spill(
        &mut self,
        height: usize,
        ty: impl Fn(usize) -> Option<ValType>,
        need: impl Fn(usize) -> Need,
    ) -> Range<usize> {
        let start = self.out.spills.len();
        for position in self.spilled.len()..height {
            work::count(1);
            let operand = self.validator.get_operand_type(self.operands.height() - 1 - position);
            let operand = operand.flatten().expect("live code has no operand of unknown type");
            let ty = ty(position).unwrap_or(operand);
            self.spilled.push(self.out.spills.len());
            let (need, home, last) = (need(position), Home::Temp, usize::MAX);
            let (position, unpushed_at) = (position as u32, None);
            self.out.spills.push(Spill { ty, position, need, home, unpushed_at, last });
        }
        start..self.out.spills.len()
    }

    /// Puts what each site needs in one place.
    pub fn settle_needed(&mut self) {
        self.needed.sort_unstable();
        self.needed.dedup();
        for (site, local) in self.needed.drain(..) {
            work::count(1);
            let locals = &mut self.out.needed_locals;
            let range = &mut self.out.needed[site as usize].1;
            if range.start == range.end {
                range.start = locals.len();
            }
            locals.push(local);
            range.end = locals.len();
        }
    }
}
