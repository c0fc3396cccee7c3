//! Turns the analysis' indices and offsets into what readers know: names, lines, signatures.

use super::wording::Wording;
use super::{Call, Callees, DirectCallee, DynamicCallees, Function, Origin, Source, Type};
use crate::analyze::{self, Edge, Explainer, Means, Operand, Reason, SlotsKnown, Unfollowed};
use crate::index::{FuncIdx, TypeIdx};
use crate::read::lines::SourceLine;
use crate::read::{Module, demangled};
use crate::text::signature;

/// Describes what is in one module, as one analysis sees it.
#[derive(Clone, Copy)]
pub(super) struct Describer<'a> {
    pub(super) module: &'a Module<'a>,
    pub(super) explainer: &'a Explainer<'a>,
}

impl Describer<'_> {
    pub(super) fn function(&self, func: FuncIdx) -> Function {
        let name = self.module.func_name(func);
        Function {
            index: func.0,
            demangled: name.as_deref().and_then(demangled),
            name: name.map(Into::into),
            closure: self.explainer.is_inside(func),
            entry: self.explainer.is_entry(func),
        }
    }

    pub(super) fn declared(&self, func: FuncIdx) -> Option<SourceLine> {
        self.module.lines()?.subprogram(func)?.declared
    }

    pub(super) fn line(&self, offset: u32) -> Option<SourceLine> {
        self.module.lines()?.at(offset)
    }

    pub(super) fn ty(&self, ty: TypeIdx) -> Type {
        let signature = signature(self.module.func_type_at(ty));
        Type { index: ty.0, signature }
    }

    pub(super) fn call(&self, edge: &Edge) -> Call {
        let mut call = Call {
            caller: self.function(edge.caller),
            callee: self.function(edge.callee),
            offset: edge.offset,
            line: edge.offset.and_then(|offset| self.line(offset)),
            kind: "direct",
            table: None,
            r#type: None,
            index: None,
            unknown: Vec::new(),
            any_slot: None,
            source: None,
            evidence: Wording(*self).evidence(&edge.means),
        };
        match &edge.means {
            Means::Direct => {}
            Means::Table { table, ty, index, slots, source } => {
                call.kind = "table";
                call.table = Some(table.0);
                call.r#type = Some(self.ty(*ty));
                call.any_slot = any_slot(*slots);
                call.source = Some(describe_source(source));
                match index {
                    Operand::Known(values) => call.index = Some(values.clone()),
                    Operand::Unknown(reasons) => call.unknown = self.origins(reasons),
                }
            }
            Means::Reference { ty, reference, source } => {
                call.kind = "reference";
                call.r#type = Some(self.ty(*ty));
                call.source = Some(describe_source(source));
                if let Operand::Unknown(reasons) = reference {
                    call.unknown = self.origins(reasons);
                }
            }
            Means::Host { source } => {
                call.kind = "host";
                call.source = Some(describe_source(source));
            }
        }
        call
    }

    fn origins(&self, reasons: &[Reason]) -> Vec<Origin> {
        reasons.iter().map(|reason| self.origin(reason)).collect()
    }

    fn origin(&self, reason: &Reason) -> Origin {
        let (kind, func, offset) = match reason {
            Reason::Parameter { of, .. } => ("parameter", Some(*of), None),
            Reason::PassedBy(caller) => ("passed by", Some(*caller), None),
            Reason::ResultOf { of, .. } => ("result of", Some(*of), None),
            Reason::CalledAnyhow { func, .. } => ("called anyhow", Some(*func), None),
            Reason::Instruction { func, offset, cause } => {
                (kind_of(cause), Some(*func), Some(*offset))
            }
            Reason::TooLarge(func) => ("too large", Some(*func), None),
            Reason::TooManyValues => ("too many values", None, None),
            Reason::NeverReached => ("never reached", None, None),
            Reason::NotFollowed => ("not followed", None, None),
        };
        Origin {
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
