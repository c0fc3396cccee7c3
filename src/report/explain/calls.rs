//! Describes calls: those of a path or of all callers, and what a function calls.

use super::describe::Describer;
use super::wording::Wording;
use super::{CallStep, Callees, DirectCallee, DynamicCallees, ReasonStep, Source};
use crate::analyze::{self, CallKind, ChoosingOperand, Edge, SlotsKnown, Unfollowed, WhyUnknown};

impl Describer<'_> {
    pub(in crate::report) fn call(&self, edge: &Edge) -> CallStep {
        let mut call = CallStep {
            caller: self.function(edge.caller),
            callee: edge.callee.map(|callee| self.function(callee)),
            offset: edge.offset,
            line: edge.offset.and_then(|offset| self.line(offset)),
            kind: "direct",
            table: None,
            r#type: None,
            index: None,
            unknown: Vec::new(),
            any_slot: None,
            source: None,
            evidence: Wording(*self).evidence(&edge.kind),
        };
        match &edge.kind {
            CallKind::Direct => {}
            CallKind::Table { table, ty, index, slots, source } => {
                call.kind = "table";
                call.table = Some(table.0);
                call.r#type = Some(self.ty(*ty));
                call.any_slot = any_slot(*slots);
                call.source = Some(describe_source(source));
                match index {
                    ChoosingOperand::Known(values) => call.index = Some(values.clone()),
                    ChoosingOperand::Unknown(reasons) => call.unknown = self.steps(reasons),
                }
            }
            CallKind::Reference { ty, reference, source } => {
                call.kind = "reference";
                call.r#type = Some(self.ty(*ty));
                call.source = Some(describe_source(source));
                if let ChoosingOperand::Unknown(reasons) = reference {
                    call.unknown = self.steps(reasons);
                }
            }
            CallKind::Foreign { table, ty } => {
                call.kind = "foreign";
                call.table = Some(table.0);
                call.r#type = Some(self.ty(*ty));
            }
            CallKind::Host { source } => {
                call.kind = "host";
                call.source = Some(describe_source(source));
            }
        }
        call
    }

    fn steps(&self, reasons: &[WhyUnknown]) -> Vec<ReasonStep> {
        reasons.iter().map(|reason| self.step(reason)).collect()
    }

    fn step(&self, reason: &WhyUnknown) -> ReasonStep {
        let (kind, func, offset) = match reason {
            WhyUnknown::Parameter { of, .. } => ("parameter", Some(*of), None),
            WhyUnknown::PassedBy(caller) => ("passed by", Some(*caller), None),
            WhyUnknown::ResultOf { of, .. } => ("result of", Some(*of), None),
            WhyUnknown::CalledAnyhow { func, .. } => ("called anyhow", Some(*func), None),
            WhyUnknown::Instruction { func, offset, cause } => {
                (kind_of(cause), Some(*func), Some(*offset))
            }
            WhyUnknown::TooLarge(func) => ("too large", Some(*func), None),
            WhyUnknown::TooManyValues => ("too many values", None, None),
            WhyUnknown::NeverReached => ("never reached", None, None),
            WhyUnknown::NotFollowed => ("not followed", None, None),
        };
        ReasonStep {
            kind,
            function: func.map(|func| self.function(func)),
            offset,
            line: offset.and_then(|offset| self.line(offset)),
            text: Wording(*self).reason(reason),
        }
    }

    pub(super) fn callees(&self, callees: &analyze::Callees) -> Callees {
        let direct = callees.direct.iter().map(|direct| DirectCallee {
            function: self.function(direct.callee),
            offsets: direct.offsets.clone(),
        });
        let dynamic = callees.dynamic.iter().map(|dynamic| self.dynamic(dynamic));
        Callees { direct: direct.collect(), dynamic: dynamic.collect() }
    }

    fn dynamic(&self, callees: &analyze::DynamicCallees) -> DynamicCallees {
        let inside = callees.targets.iter().filter(|target| self.explainer.is_inside(**target));
        let closure_targets = inside.count();
        DynamicCallees {
            offsets: callees.offsets.clone(),
            table: callees.table.map(|(table, _)| table.0),
            r#type: self.ty(callees.ty),
            index: callees.index.clone(),
            any_slot: callees.table.and_then(|(_, slots)| any_slot(slots)),
            targets: callees.targets.len(),
            closure_targets,
            foreign_targets: callees.foreign,
            outcome: Wording(*self).outcome(callees, closure_targets),
        }
    }
}

fn any_slot(slots: SlotsKnown) -> Option<&'static str> {
    match slots {
        SlotsKnown::Yes => None,
        SlotsKnown::HostWrites => Some("host"),
        SlotsKnown::SegmentOffset => Some("segment offset"),
        SlotsKnown::Written => Some("written"),
        SlotsKnown::Copied => Some("copied"),
    }
}

fn kind_of(cause: &Unfollowed) -> &'static str {
    match cause {
        Unfollowed::Load { .. } => "load",
        Unfollowed::Import(_) => "import",
        Unfollowed::DynamicCall => "dynamic call",
        Unfollowed::Global(..) => "global",
        Unfollowed::Operator(_) => "operator",
        Unfollowed::OnForeignValues(_) => "foreign values",
        Unfollowed::TooManyValues => "too many values",
        Unfollowed::TooManySources => "too many sources",
        Unfollowed::Loop => "loop",
        Unfollowed::Exception => "exception",
        Unfollowed::Unreachable => "unreachable",
    }
}

fn describe_source(source: &analyze::Source) -> Source {
    let none = Source { kind: "ref.func", segment: None, slot: None, export: None, table: None };
    match source {
        analyze::Source::Segment { segment, slot } => {
            Source { kind: "segment", segment: Some(segment.0), slot: *slot, ..none }
        }
        analyze::Source::Export(name) => {
            Source { kind: "export", export: Some(name.clone()), ..none }
        }
        analyze::Source::TableInit(table) => Source { kind: "table", table: Some(table.0), ..none },
        analyze::Source::Global => Source { kind: "global", ..none },
        analyze::Source::RefFunc => none,
    }
}
