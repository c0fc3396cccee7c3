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

use super::skeleton::{Home, Node, NodeKind, Spill};
use super::walk::Walk;
use crate::analyze::{Site, Target};
use std::ops::Range;
use wasmparser::{BlockType, Operator};

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
    /// Nothing looks at them.
    Dropped,
}

/// A call that may reach an entry.
struct Call {
    /// Offset.
    at: u32,
    target: Target,
    /// The position of its first argument on the operand stack, and the height above the last.
    args: usize,
    height: usize,
}

impl Call {
    /// Whether a rewind needs the value at `position`: those below the arguments; of the arguments
    /// those that the callee looks at again, and what says which function that is.
    fn needs(&self, position: usize) -> bool {
        match self.target {
            _ if position < self.args => true,
            Target::Import(_) => true,
            Target::Defined(_) => false,
            Target::Indirect { may_be_import } | Target::Ref { may_be_import } => {
                may_be_import || position + 1 == self.height
            }
        }
    }
}

impl Walk<'_, '_> {
    /// The operands from `height` up leave the operand stack for good, so for those that are spilled
    /// it is known where they come back.
    pub fn end_spills(&mut self, height: usize, fate: Fate) {
        while self.spilled.len() > height {
            let spill = self.spilled.pop().expect("checked");
            let position = self.spilled.len();
            match fate {
                Fate::Dropped => self.out.spills[spill].home = Home::Nowhere,
                Fate::Used => self.end_spill(spill, position),
            }
        }
    }

    fn end_spill(&mut self, index: usize, position: usize) {
        let last = self.open.last().and_then(|open| open.last);
        let last = last.expect("a value is spilled at a node of the construct that it is in");
        let spill = &mut self.out.spills[index];
        spill.last = last.node;
        // Blocks keep values in temporaries of their own.
        if let (Some(site), Some(local)) = (last.site, self.operands.copy_at_node(position)) {
            spill.home = Home::Local(local);
            if spill.saved {
                self.needed.push((site, local));
            }
        }
    }

    /// Plans the landing of a site whose call is `op`.
    pub fn site(&mut self, site: &Site, op: &Operator<'_>, offset: u32) {
        self.spill_below_constructs();
        let (pops, _) = op.operator_arity(&self.validator).expect("calls have an arity");
        let height = self.operands.height();
        let args = height - pops as usize;
        let call = Call { at: offset, target: site.target, args, height };
        let (first, landing) = self.landing(&call);
        let ordinal = self.out.needed.len() as u32;
        for position in first..height {
            let reads = self.operands.needed_reads(position, call.needs(position));
            self.needed.extend(reads.iter().map(|local| (ordinal, *local)));
        }
        let spills = self.spill(first, |position| call.needs(position));
        let tee = if spills.is_empty() {
            None
        } else {
            self.operands.tee_just_before(first - 1, landing)
        };
        let import = match site.target {
            Target::Import(func) => Some(func),
            _ => None,
        };
        self.out.sites_in_loops += u32::from(self.loops > 0);
        self.push_site(NodeKind::Site { tee, import }, offset, landing, spills);
    }

    /// As many values from the top as can be computed again where they stand: the position of the
    /// lowest, and where its tree begins.
    fn landing(&self, call: &Call) -> (usize, u32) {
        let (mut first, mut landing) = (call.height, call.at);
        while first > self.spilled.len() {
            let position = first - 1;
            let operand = self.operands.above(position)[0];
            let again = self.operands.can_rerun(position, call.needs(position));
            if operand.end != landing || !again {
                break;
            }
            (first, landing) = (position, operand.start);
        }
        (first, landing)
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
            let open = &mut self.open[index];
            open.has_site = true;
            let (height, node) = (open.height, open.node);
            self.out.nodes[node].spills = self.spill(height, |_| true);
        }
    }

    /// Spills what is on the operand stack below `height`; returns the new spills.
    fn spill(&mut self, height: usize, saved: impl Fn(usize) -> bool) -> Range<usize> {
        let start = self.out.spills.len();
        for position in self.spilled.len()..height {
            let ty = self.validator.get_operand_type(self.operands.height() - 1 - position);
            let ty = ty.flatten().expect("live code has no operand of unknown type");
            self.spilled.push(self.out.spills.len());
            let (saved, home, last) = (saved(position), Home::Temp, usize::MAX);
            self.out.spills.push(Spill { ty, saved, home, last });
        }
        start..self.out.spills.len()
    }

    /// Puts what each site needs in one place.
    pub fn settle_needed(&mut self) {
        let mut all = std::mem::take(&mut self.needed);
        all.sort_unstable();
        all.dedup();
        for (site, local) in all {
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
