//! Says in words how a call finds its target, why an operand is unknown, and where calls lead.
//!
//! ```text
//!   through table 0, type 3 (i32) -> i32, index unknown: parameter 0 of 5 (f), for which 6 (g) passes
//!   what i32.load at 0x1f3 loads from memory 0, where the host may write; element segment 0 puts …
//! ```

use super::Function;
use super::describe::Describer;
use crate::analyze::{
    CallKind, ChoosingOperand, DynamicCallees, GlobalKind, MemoryWriter, SlotContent, SlotsKnown,
    Source, Unfollowed, WhyUnknown,
};
use crate::index::{FuncIdx, TypeIdx};
use crate::text::{Named, escape, signature};
use std::fmt;

/// `12 (main)`, the name demangled.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.demangled.as_ref().or(self.name.as_ref());
        Named(self.index, name.map(String::as_str)).fmt(f)
    }
}

pub(super) struct Wording<'a>(pub(super) Describer<'a>);

impl Wording<'_> {
    pub(super) fn evidence(&self, kind: &CallKind) -> String {
        match kind {
            CallKind::Direct => "directly".into(),
            CallKind::Table { table, ty, index, slots, source } => format!(
                "through table {table}, type {}, {}; {}",
                self.ty(*ty),
                self.index(index, *slots),
                describe_source(source)
            ),
            CallKind::Reference { ty, reference, source } => {
                let known = match reference {
                    ChoosingOperand::Known(_) => "known".into(),
                    ChoosingOperand::Unknown(reasons) => self.unknown(reasons),
                };
                format!(
                    "by a reference of type {}, {known}; {}",
                    self.ty(*ty),
                    describe_source(source)
                )
            }
            CallKind::Foreign { table, ty } => {
                format!("through table {table}, type {}, which may hold it", self.ty(*ty))
            }
            CallKind::Host { source } => format!("back from the host; {}", describe_source(source)),
        }
    }

    fn ty(&self, ty: TypeIdx) -> String {
        let ty = self.0.ty(ty);
        format!("{} {}", ty.index, ty.signature)
    }

    fn func(&self, func: FuncIdx) -> String {
        self.0.function(func).to_string()
    }

    fn index(&self, index: &ChoosingOperand, slots: SlotsKnown) -> String {
        match (index, any_slot(slots)) {
            (_, Some(because)) if slots == SlotsKnown::HostWrites => {
                format!("at any index, since {because}")
            }
            (ChoosingOperand::Known(values), Some(because)) => {
                format!("index {}, which doesn't matter, since {because}", list(values))
            }
            (ChoosingOperand::Known(values), None) => format!("index {}", list(values)),
            (ChoosingOperand::Unknown(reasons), _) => format!("index {}", self.unknown(reasons)),
        }
    }

    fn unknown(&self, reasons: &[WhyUnknown]) -> String {
        let mut text = String::from("unknown");
        let mut before = ": ";
        for reason in reasons {
            text += before;
            text += &self.reason(reason);
            before = match reason {
                WhyUnknown::Parameter { .. } => ", ",
                WhyUnknown::ResultOf { .. } => ", which returns ",
                _ => " ",
            };
        }
        text
    }

    /// One step, such that the steps in a row make a sentence.
    pub(super) fn reason(&self, reason: &WhyUnknown) -> String {
        match reason {
            WhyUnknown::Parameter { of, index } => {
                format!("parameter {index} of {}", self.func(*of))
            }
            WhyUnknown::PassedBy(caller) => format!("for which {} passes", self.func(*caller)),
            WhyUnknown::ResultOf { of, index: 0 } => format!("the result of {}", self.func(*of)),
            WhyUnknown::ResultOf { of, index } => format!("result {index} of {}", self.func(*of)),
            WhyUnknown::CalledAnyhow { source, .. } => {
                let source = describe_source(source);
                format!("which others can call with any arguments, since {source}")
            }
            WhyUnknown::Instruction { offset, cause, .. } => self.cause(*offset, cause),
            WhyUnknown::TooLarge(func) => {
                format!("a value in {}, whose body is too large to be followed", self.func(*func))
            }
            WhyUnknown::TooManyValues => "one of more than 64 values".into(),
            WhyUnknown::NeverReached => {
                "no value at all, as far as is known, which counts as any".into()
            }
            WhyUnknown::NotFollowed => "a value that was not followed".into(),
        }
    }

    fn cause(&self, offset: u32, cause: &Unfollowed) -> String {
        let place = self.place(offset);
        match cause {
            Unfollowed::Load { operator, memory, writer } => {
                let writer = match writer {
                    MemoryWriter::Host => "where the host and any store may write",
                    MemoryWriter::Stores => "where any store may write",
                    MemoryWriter::Nobody => "where nothing writes, yet this load is not followed",
                    MemoryWriter::Untold => "from which loads are not followed",
                };
                format!("what {operator} at {place} loads from memory {memory}, {writer}")
            }
            Unfollowed::Import(import) => {
                format!("what the import {} returns at {place}", self.func(*import))
            }
            Unfollowed::DynamicCall => {
                format!("what a call through a table or reference returns at {place}")
            }
            Unfollowed::Global(global, kind) => {
                let kind = match kind {
                    GlobalKind::Imported => "imported",
                    GlobalKind::Mutable => "mutable",
                    GlobalKind::Initial => "initialised with something that is not followed",
                };
                format!("what global.get at {place} reads from global {global}, which is {kind}")
            }
            Unfollowed::Operator(operator) => {
                format!("what {operator} at {place} makes, which is not followed")
            }
            Unfollowed::OnForeignValues(operator) => {
                format!("what {operator} at {place} makes of parameters or results of calls")
            }
            Unfollowed::TooManyValues => format!("one of more than 64 values, near {place}"),
            Unfollowed::TooManySources => {
                format!("one of more than 8 parameters and results, near {place}")
            }
            Unfollowed::Loop => format!("a value that changes in a loop, near {place}"),
            Unfollowed::Exception => {
                format!("a value from before an exception was caught, near {place}")
            }
            Unfollowed::Unreachable => {
                format!("a value where no way that is known leads, near {place}")
            }
        }
    }

    /// `0x1f3 (main.c:12:3)`
    fn place(&self, offset: u32) -> String {
        match self.0.line(offset) {
            Some(line) => format!("{offset:#x} ({})", escape(&line.to_string())),
            None => format!("{offset:#x}"),
        }
    }

    /// Where dynamic calls lead, in one part or one for each slot.
    pub(super) fn outcome(&self, callees: &DynamicCallees, inside: usize) -> Vec<String> {
        if !callees.slots.is_empty() {
            return callees.slots.iter().map(|(slot, held)| self.held(*slot, *held)).collect();
        }
        let targets = callees.targets.len();
        let of_module = if callees.foreign { " of the module" } else { "" };
        vec![match (targets, inside) {
            (0, _) if callees.foreign => {
                "no function of the module can be their target, only one of the host or of another module"
                    .into()
            }
            (0, _) => "no function can be their target, so they trap".into(),
            (1, 0) => format!(
                "the one function{of_module} that can be their target is not in the closure"
            ),
            (_, 0) => format!("none of the {targets} possible targets{of_module} is in the closure"),
            (_, _) => format!("{inside} of {targets} possible targets{of_module} in the closure"),
        }]
    }

    fn held(&self, slot: u64, held: SlotContent) -> String {
        match held {
            SlotContent::Beyond(size) => {
                format!("slot {slot} is beyond the {size} of the table: a trap")
            }
            SlotContent::Null => format!("slot {slot} is null: a trap"),
            SlotContent::OtherType(func) => {
                let actual = signature(self.0.module.func_type(func));
                format!("slot {slot} holds {} of another type, {actual}: a trap", self.func(func))
            }
            SlotContent::Target(func) => {
                let func = self.0.function(func);
                let place = if func.closure { "in" } else { "not in" };
                format!("slot {slot} holds {func}, {place} the closure")
            }
            SlotContent::Unknown => format!(
                "slot {slot} may hold any function whose reference is taken, or one of another module"
            ),
        }
    }
}

/// Why any slot of a table may be meant, whatever the index.
fn any_slot(slots: SlotsKnown) -> Option<&'static str> {
    match slots {
        SlotsKnown::Yes => None,
        SlotsKnown::HostWrites => Some("the host can write to the table"),
        SlotsKnown::SegmentOffset => Some("an element segment goes to an unknown offset"),
        SlotsKnown::Written => Some("an instruction may write to any slot"),
        SlotsKnown::Copied => Some("slots are copied"),
    }
}

fn list(values: &[u64]) -> String {
    let texts: Vec<_> = values.iter().map(u64::to_string).collect();
    texts.join(" or ")
}

fn describe_source(source: &Source) -> String {
    match source {
        Source::Segment { segment, slot: Some(slot) } => {
            format!("element segment {segment} puts it into slot {slot}")
        }
        Source::Segment { segment, slot: None } => format!("element segment {segment} has it"),
        Source::Export(name) => format!("it is exported as `{}`", escape(name)),
        Source::TableInit(table) => format!("table {table} is filled with it"),
        Source::Global => "a global is initialised with it".into(),
        Source::RefFunc => "ref.func takes it".into(),
    }
}
