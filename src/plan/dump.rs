//! The plan as stable text, one line a decision.

use super::{
    Answer, BodyPlan, Caught, Exits, Frame, FuncPlan, Guard, HandsOn, Label, LabelType, Pad, Plan,
    Region, Repeat, Repeated, RewindStart, Step, Through, Undo,
};
use crate::index::LocalIdx;
use crate::read::Module;
use crate::text::escape;
use crate::work;
use std::fmt::{self, Write};
use wasmparser::BlockType;

/// Prints `plan`; offsets count from the start of the module.
pub fn dump(module: &Module<'_>, plan: &Plan) -> String {
    let mut text = String::new();
    write_plan(&mut text, module, plan).expect("writing to a string does not fail");
    text
}

fn write_plan(out: &mut String, module: &Module<'_>, plan: &Plan) -> fmt::Result {
    let globals: Vec<_> =
        plan.buffer.globals.iter().map(|global| global.index.to_string()).collect();
    writeln!(out, "saved globals: [{}]", globals.join(" "))?;
    writeln!(out, "{}", plan.helpers)?;
    if !plan.references.tables.is_empty() {
        let instances =
            if plan.references.keeps_all() { "the same instance" } else { "any instance" };
        let tables: Vec<_> = plan.references.tables.iter().map(ToString::to_string).collect();
        writeln!(out, "references: for {instances}, tables [{}]", tables.join(" "))?;
    }
    if let Some(funcs) = &plan.resume_module {
        let funcs: Vec<_> = funcs.iter().map(ToString::to_string).collect();
        writeln!(out, "resume module: of funcs {}", funcs.join(" "))?;
    }
    for guard in &plan.guards.funcs {
        let calls: Vec<_> = guard.calls.iter().map(guard_text).collect();
        writeln!(out, "guard func {}: {}", guard.func, calls.join(" "))?;
    }
    for (ordinal, repeat) in plan.guards.repeats.iter().enumerate() {
        writeln!(out, "repeat {ordinal}: {}", repeat_text(repeat))?;
    }
    for (ordinal, group) in plan.tails.groups.iter().enumerate() {
        let [results, members] = [
            group.results.iter().map(ToString::to_string).collect::<Vec<_>>(),
            group.members.iter().map(ToString::to_string).collect(),
        ];
        writeln!(out, "tails {ordinal}: [{}] of {}", results.join(" "), members.join(" "))?;
    }
    for HandsOn { func, group } in &plan.tails.frameless {
        writeln!(out, "func {func} has no frame, hands on to tails {}", group.0)?;
    }
    for func in &plan.funcs {
        write_func(out, module, func)?;
    }
    Ok(())
}

/// `0x2f (tail) undone by repeat 1`.
fn guard_text(guard: &Guard) -> String {
    let tail = if guard.tail { " (tail)" } else { "" };
    let answer = match &guard.answer {
        Answer::Trap => "traps".to_owned(),
        Answer::Within { repeat, by_tail_call } => {
            format!(
                "made by {}repeat {}",
                if *by_tail_call { "a tail call of " } else { "" },
                repeat.0
            )
        }
        Answer::Again { repeat, kept, results } => {
            let locals = |locals: &[LocalIdx]| {
                locals.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let results = match results {
                Through::Locals(results) => format!("[{}]", locals(results)),
                Through::Block => "block".to_owned(),
            };
            format!("undone by repeat {} [{}] -> {results}", repeat.0, locals(kept))
        }
    };
    format!("{:#x}{tail} {answer}", guard.offset)
}

/// `slot of table 0, type 3, with its arguments`.
fn repeat_text(repeat: &Repeat) -> String {
    let callee = match repeat.callee {
        Repeated::Import(func) => format!("import {func}"),
        Repeated::Func(func) => format!("func {func}"),
        Repeated::Slot(table, ty) => format!("slot of table {table}, type {}", ty.0),
        Repeated::Ref(ty) => format!("reference of type {}", ty.0),
    };
    let arguments = if repeat.keeps_arguments { ", with its arguments" } else { "" };
    let begins = if repeat.begins { ", from the first call on" } else { "" };
    format!("{callee}{arguments}{begins}")
}

fn write_func(out: &mut String, module: &Module<'_>, plan: &FuncPlan) -> fmt::Result {
    let name =
        module.names.func(plan.func).map_or(String::new(), |name| format!(" {}", escape(name)));
    let form = if plan.resume.is_some() { "apart" } else { "in place" };
    let undo = match plan.undo {
        Undo::Loop => "undone by a loop",
        Undo::Call => "undone by a call",
        Undo::Never => "never undone",
    };
    writeln!(
        out,
        "\nfunc {}{name}: {} sites, {form}, {undo}{}",
        plan.func,
        plan.sites,
        plan.hands_on.map_or(String::new(), |group| format!(", hands on to tails {}", group.0))
    )?;
    if plan.holds_unwinds {
        writeln!(out, "  every unwind is undone here")?;
    }
    let temps: Vec<_> = plan.temps.iter().map(ToString::to_string).collect();
    writeln!(out, "  temporaries: from local {} [{}]", plan.locals, temps.join(" "))?;
    write_frame(out, &plan.frame)?;
    write_counts(out, plan)?;
    for (ordinal, pad) in plan.pads.iter().enumerate() {
        write_pad(out, ordinal, pad)?;
    }
    if let Some(resume) = &plan.resume {
        writeln!(out, "  body")?;
        plan.exits.iter().try_for_each(|exits| write_exits(out, exits))?;
        write_body(out, &plan.body)?;
        writeln!(out, "  resume function")?;
        return write_body(out, resume);
    }
    write_body(out, &plan.body)
}

fn write_frame(out: &mut String, frame: &Frame) -> fmt::Result {
    let slots: Vec<_> = frame
        .slots
        .iter()
        .map(|slot| format!("{}:{}@{}", slot.local, slot.ty, slot.offset))
        .collect();
    writeln!(out, "  frame: {} bytes [{}]", frame.bytes, slots.join(" "))
}

fn write_counts(out: &mut String, plan: &FuncPlan) -> fmt::Result {
    for counts in plan.counts.iter().filter(|counts| !counts.at_all(plan.sites)) {
        let sites = counts.sites.iter().map(|sites| format!("{}..{}", sites.start, sites.end - 1));
        let sites: Vec<_> = sites.collect();
        writeln!(out, "  reference {} counts at sites {}", counts.local, sites.join(" "))?;
    }
    Ok(())
}

fn write_exits(out: &mut String, exits: &Exits) -> fmt::Result {
    for (position, exit) in (0u32..).zip(&exits.exits) {
        work::count(1);
        let sites = (1..).zip(&exits.of_sites).filter(|(_, of)| **of == position);
        let sites: Vec<_> = sites.map(|(site, _): (u32, _)| site.to_string()).collect();
        let slots: Vec<_> = exit.slots.iter().map(|slot| slot.local.to_string()).collect();
        let next = exit.next.map_or(String::new(), |next| format!(", then exit {next}"));
        let (slots, sites) = (slots.join(" "), sites.join(" "));
        writeln!(out, "  exit {position} of sites {sites}: [{slots}]{next}")?;
    }
    Ok(())
}

fn write_body(out: &mut String, body: &BodyPlan) -> fmt::Result {
    if let Some(start) = &body.rewind {
        let asked = if start.asks_resume { ", asked by regions" } else { "" };
        match start.resume {
            Some(resume) => writeln!(out, "  resume: local {resume}{asked}")?,
            None => writeln!(out, "  resume: on the operand stack")?,
        }
        for (ordinal, region) in start.regions.iter().enumerate() {
            write_region(out, ordinal, region, start)?;
        }
    }
    if let Some(declared) = &body.declared {
        let locals = declared.locals.iter().map(|(local, ty)| format!("{local}:{ty}"));
        let locals: Vec<_> = locals.collect();
        let casts: Vec<_> = declared.casts.iter().map(ToString::to_string).collect();
        writeln!(out, "  declares: [{}], casts [{}]", locals.join(" "), casts.join(" "))?;
    }
    for dead in body.dead.iter() {
        writeln!(out, "  {:#x}..{:#x} dead", dead.start, dead.end)?;
    }
    let steps: Vec<_> = body.steps.iter().collect();
    for steps in steps.chunk_by(|a, b| a.0 == b.0) {
        work::count(1);
        let words: Vec<_> = steps.iter().map(|(_, step)| step.to_string()).collect();
        writeln!(out, "  {:#x} {}", steps[0].0, words.join(", "))?;
    }
    Ok(())
}

fn write_region(
    out: &mut String,
    ordinal: usize,
    region: &Region,
    start: &RewindStart,
) -> fmt::Result {
    let labels: Vec<_> = region
        .opened()
        .map(|label| match start.label_type(Label(label)) {
            LabelType::Plain(BlockType::Empty) => format!("L{label}"),
            LabelType::Plain(BlockType::Type(ty)) => format!("L{label}:{ty}"),
            LabelType::Plain(BlockType::FuncType(ty)) => format!("L{label}:type {ty}"),
            LabelType::Results(types) => {
                let types: Vec<_> = types.iter().map(ToString::to_string).collect();
                format!("L{label}:({})", types.join(" "))
            }
        })
        .collect();
    let dispatch = &region.dispatch;
    let mut targets = Vec::new();
    for (site, label) in (dispatch.first..).zip(&dispatch.sites) {
        work::count(1);
        targets.push(format!("{site}→{}", region.landing(*label)));
    }
    let mut first = dispatch.first + dispatch.sites.len() as u32;
    for (label, count) in dispatch.regions.iter() {
        work::count(1);
        targets.push(format!("{first}..{}→{}", first + count - 1, region.landing(*label)));
        first += count;
    }
    for handler in dispatch.handlers.iter() {
        let last = first + handler.sites - 1;
        targets.push(format!("{first}..{last}→throw {}", caught(&handler.caught)));
        first += handler.sites;
    }
    let only = if region.rewind_only { ", by rewinds only" } else { "" };
    writeln!(out, "  region {ordinal}: [{}] {}{only}", labels.join(" "), targets.join(" "))
}

impl Region {
    /// Where a rewind lands, in a word.
    fn landing(&self, label: Label) -> String {
        if self.start_label() == Some(label) { "start".into() } else { format!("L{}", label.0) }
    }
}

fn caught(caught: &Caught) -> String {
    match caught {
        Caught::Any => "any".into(),
        Caught::Tagged(tag, values) => format!("tag {tag} [{}]", listed(values)),
        Caught::Kept(pad) => format!("pad {}", pad.0),
    }
}

fn listed(locals: &[LocalIdx]) -> String {
    let locals: Vec<_> = locals.iter().map(ToString::to_string).collect();
    locals.join(" ")
}

fn write_pad(out: &mut String, ordinal: usize, pad: &Pad) -> fmt::Result {
    let (first, last) = (pad.first, pad.first + pad.sites - 1);
    let (kind, values) = (pad.kind, listed(&pad.values));
    writeln!(out, "  pad {ordinal} of sites {first}..{last}: kind {kind}, values [{values}]")
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Copy => write!(f, "copy"),
            Step::CopyNullable(_) => write!(f, "copy with nullable parameters"),
            Step::Set(local) => write!(f, "set {local}"),
            Step::Get(local) => write!(f, "get {local}"),
            Step::GetNullable(local) => write!(f, "get {local}, perhaps null"),
            Step::Again(offset) => write!(f, "again {offset:#x}"),
            Step::Drop => write!(f, "drop"),
            Step::Omit => write!(f, "omitted"),
            Step::TeeToSet => write!(f, "tee becomes set"),
            Step::Land(label) => write!(f, "end L{}", label.0),
            Step::LandAtStart => write!(f, "lands"),
            Step::ResetResume => write!(f, "reset"),
            Step::Open(region) => write!(f, "open region {}", region.0),
            Step::Hoist(label) => write!(f, "hoisted to L{}", label.0),
            Step::Branch(label) => write!(f, "br L{}", label.0),
            Step::BranchIfZero(label) => write!(f, "br if zero L{}", label.0),
            Step::Test(site) => write!(f, "test {site}"),
            Step::CallImport(func) => write!(f, "call import {func}"),
            Step::CallForTail => write!(f, "copy as no tail call"),
            Step::Return => write!(f, "return"),
            Step::Unreachable => write!(f, "unreachable"),
            Step::OpenPad(pad) => write!(f, "open pad {}", pad.0),
            Step::ClosePad(pad) => write!(f, "close pad {}", pad.0),
        }
    }
}
