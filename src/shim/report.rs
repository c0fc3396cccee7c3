//! What can mismatch, as a report: plain data for people (text) and programs (JSON).
//!
//! Calls of one type through one table meet the same functions. So the report lists such *classes*
//! once, the functions of each table once, and each call with its class: together they say every
//! pair of call and slot, in space that is linear in calls and slots.

use super::adapt::{Reason, signature};
use super::mismatch::{Certainty, Class, Mismatches, Strangers};
use crate::analyze::{IndirectCall, Placed};
use crate::index::{FuncIdx, TypeIdx};
use crate::read::demangled;
use crate::text::{count, escape};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The indirect calls of a module that can meet a function of another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShimReport {
    /// How many indirect calls there are.
    pub indirect_calls: usize,
    /// How many of them can meet a function that could be adapted.
    pub adaptable_calls: usize,
    /// Tables that the host can write to: what it writes is not in this report.
    pub host_visible_tables: Vec<u32>,
    /// The calls by the functions that make them; those with the most pairs come first.
    pub callers: Vec<Caller>,
    /// The same by signatures; those with the most pairs come first.
    pub signatures: Vec<SignaturePair>,
    /// What calls of one type can meet through one table.
    pub classes: Vec<CallClass>,
    /// The functions of the classes, by table and type.
    pub slots: Vec<Slots>,
}

/// A function with calls that can mismatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// Its index.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many pairs of a call of it and a slot mismatch and could be adapted.
    pub adaptable_pairs: usize,
    /// How many mismatch and could not.
    pub other_pairs: usize,
    /// The calls, in order.
    pub calls: Vec<Call>,
}

/// A call that can mismatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// `path:line`, where debug information tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `definite`: its slot is known, and holds a function of another type. Else `possible`.
    pub certainty: &'static str,
    /// Position of its class in `classes`.
    pub class: usize,
    /// All values that its index can have, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    /// Whether it was chosen to be repaired.
    pub chosen: bool,
}

/// Calls of one type that meet functions of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignaturePair {
    /// The type that the calls ask for, as text.
    pub site_type: String,
    /// The type of the functions, as text.
    pub callee_type: String,
    /// How many pairs of call and slot there are.
    pub pairs: usize,
    /// How many calls.
    pub calls: usize,
    /// How many functions.
    pub functions: usize,
    /// What an adapter does, if one can be made.
    pub adaptation: Option<String>,
    /// Why none can be.
    pub reason: Option<String>,
}

/// What calls of one type can meet through one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallClass {
    /// The table.
    pub table: u32,
    /// The type that the calls ask for.
    pub r#type: u32,
    /// The same as text.
    pub signature: String,
    /// The other types that they can meet.
    pub meets: Vec<Meets>,
}

/// Functions of one type that a class of calls doesn't accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meets {
    /// Their type: together with the class's table it finds them in `slots`.
    pub r#type: u32,
    /// How many there are.
    pub functions: usize,
    /// What an adapter does, if one can be made.
    pub adaptation: Option<String>,
    /// Why none can be.
    pub reason: Option<String>,
}

/// The functions of one type in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slots {
    /// The table.
    pub table: u32,
    /// The functions' type.
    pub r#type: u32,
    /// The same as text.
    pub signature: String,
    /// The functions, in index order.
    pub functions: Vec<Function>,
}

/// A function in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its index.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// `path:line`, where debug information tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The slots that it is in, as far as they are known.
    pub slots: Vec<u64>,
}

struct Builder<'a, 'm> {
    mismatches: &'a Mismatches<'m>,
    chosen: &'a BTreeSet<u32>,
    /// The classes that are met, with their positions.
    classes: BTreeMap<Class, usize>,
    pairs: BTreeMap<(TypeIdx, TypeIdx, Option<&'static str>), SignaturePair>,
}

impl ShimReport {
    pub(super) fn new(mismatches: &Mismatches<'_>, chosen: &BTreeSet<u32>) -> ShimReport {
        let classes = BTreeMap::new();
        Builder { mismatches, chosen, classes, pairs: BTreeMap::new() }.report()
    }
}

impl Builder<'_, '_> {
    fn report(mut self) -> ShimReport {
        let calls = &self.mismatches.indirect.calls;
        let mut adaptable_calls = 0;
        let mut callers = Vec::new();
        for of_caller in calls.chunk_by(|a, b| a.caller == b.caller) {
            let func = of_caller[0].caller;
            let mut caller = Caller {
                index: func.0,
                name: self.name(func),
                adaptable_pairs: 0,
                other_pairs: 0,
                calls: Vec::new(),
            };
            for call in of_caller {
                adaptable_calls += usize::from(self.add(call, &mut caller));
            }
            if !caller.calls.is_empty() {
                callers.push(caller);
            }
        }
        callers.sort_by_key(|caller| {
            let definite = caller.calls.iter().any(|call| call.certainty == "definite");
            let pairs = (caller.adaptable_pairs, caller.other_pairs);
            (std::cmp::Reverse(definite), std::cmp::Reverse(pairs), caller.index)
        });
        let mut signatures: Vec<_> = std::mem::take(&mut self.pairs).into_values().collect();
        // The sort is stable: pairs of types stay in index order among their equals.
        signatures.sort_by_key(|pair| (pair.adaptation.is_none(), std::cmp::Reverse(pair.pairs)));
        let tables = self.mismatches.module.tables.indices();
        let visible = tables.filter(|table| self.mismatches.indirect.host_visible(*table));
        ShimReport {
            indirect_calls: calls.len(),
            adaptable_calls,
            host_visible_tables: visible.map(|table| table.0).collect(),
            callers,
            signatures,
            classes: self.call_classes(),
            slots: self.slots(),
        }
    }

    /// Adds a call to its caller and to the pairs of signatures, unless it surely matches; whether
    /// something that it meets can be adapted.
    fn add(&mut self, call: &IndirectCall, caller: &mut Caller) -> bool {
        let (certainty, strangers) = self.mismatches.of_call(call);
        if strangers.is_empty() {
            return false;
        }
        let class = self.mismatches.class(call);
        let next = self.classes.len();
        let position = *self.classes.entry(class).or_insert(next);
        let mut adaptable = 0;
        for of_type in strangers.iter() {
            let count = of_type.funcs.len();
            match of_type.verdict {
                Ok(_) => adaptable += count,
                Err(_) => caller.other_pairs += count,
            }
            self.add_pair(class, of_type);
        }
        caller.adaptable_pairs += adaptable;
        caller.calls.push(Call {
            offset: call.offset,
            source: self.line(call.offset),
            certainty: match certainty {
                Certainty::Definite => "definite",
                Certainty::Possible => "possible",
            },
            class: position,
            index: call.index.clone(),
            chosen: self.chosen.contains(&call.offset),
        });
        adaptable > 0
    }

    fn add_pair(&mut self, (_, ty): Class, strangers: &Strangers) {
        let module = self.mismatches.module;
        let (adaptation, reason) = verdict(strangers);
        let kind = strangers.verdict.as_ref().err().map(|reason| reason.name());
        let pair = self.pairs.entry((ty, strangers.ty, kind)).or_insert_with(|| SignaturePair {
            site_type: signature(module, ty),
            callee_type: signature(module, strangers.ty),
            pairs: 0,
            calls: 0,
            functions: 0,
            adaptation,
            reason,
        });
        pair.pairs += strangers.funcs.len();
        pair.calls += 1;
        pair.functions = pair.functions.max(strangers.count);
    }

    fn call_classes(&self) -> Vec<CallClass> {
        let mut in_order: Vec<_> = self.classes.iter().collect();
        in_order.sort_by_key(|(_, position)| **position);
        let class = |(table, ty): Class| CallClass {
            table: table.0,
            r#type: ty.0,
            signature: signature(self.mismatches.module, ty),
            meets: self.mismatches.strangers_of((table, ty)).iter().map(meets).collect(),
        };
        in_order.into_iter().map(|(of, _)| class(*of)).collect()
    }

    fn slots(&self) -> Vec<Slots> {
        let mut wanted = BTreeMap::new();
        for class in self.classes.keys() {
            for strangers in self.mismatches.strangers_of(*class).iter() {
                // A type's functions come whole, or in two parts: those with variable arguments, others.
                let verdicts: &mut BTreeMap<bool, Vec<Placed>> =
                    wanted.entry((class.0, strangers.ty)).or_default();
                let variadic = strangers.verdict == Err(Reason::Variadic);
                verdicts.entry(variadic).or_insert_with(|| strangers.funcs.clone());
            }
        }
        let slots = wanted.into_iter().map(|((table, ty), funcs)| Slots {
            table: table.0,
            r#type: ty.0,
            signature: signature(self.mismatches.module, ty),
            functions: self.functions(funcs.into_values().flatten().collect()),
        });
        slots.collect()
    }

    fn functions(&self, mut placed: Vec<Placed>) -> Vec<Function> {
        placed.sort();
        let mut functions: Vec<Function> = Vec::new();
        for Placed { func, slot } in placed {
            match functions.last_mut() {
                Some(last) if last.index == func.0 => last.slots.extend(slot),
                _ => functions.push(Function {
                    index: func.0,
                    name: self.name(func),
                    source: self.declared(func),
                    slots: slot.into_iter().collect(),
                }),
            }
        }
        functions
    }

    /// From the name section, else from debug information; as its source spells it.
    fn name(&self, func: FuncIdx) -> Option<String> {
        let name = self.mismatches.module.func_name(func)?;
        Some(demangled(&name).unwrap_or_else(|| name.into_owned()))
    }

    fn line(&self, offset: u32) -> Option<String> {
        let line = self.mismatches.module.lines()?.at(offset)?;
        Some(format!("{}:{}", line.file, line.line))
    }

    fn declared(&self, func: FuncIdx) -> Option<String> {
        let line = self.mismatches.module.lines()?.subprogram(func)?.declared?;
        Some(format!("{}:{}", line.file, line.line))
    }
}

fn verdict(strangers: &Strangers) -> (Option<String>, Option<String>) {
    match &strangers.verdict {
        Ok(adaptation) => (Some(adaptation.to_string()), None),
        Err(reason) => (None, Some(reason.to_string())),
    }
}

fn meets(strangers: &Strangers) -> Meets {
    let (adaptation, reason) = verdict(strangers);
    Meets { r#type: strangers.ty.0, functions: strangers.count, adaptation, reason }
}

/// The report as text: the callers with their calls, then the pairs of signatures.
impl fmt::Display for ShimReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} indirect calls can meet a function of another type that can be adapted",
            self.adaptable_calls, self.indirect_calls
        )?;
        if !self.callers.is_empty() {
            writeln!(f, "\nby caller:")?;
        }
        for caller in &self.callers {
            let name = caller.name.as_deref().unwrap_or("-");
            write!(f, "  {} {}: ", caller.index, escape(name))?;
            write!(f, "{}", count(caller.adaptable_pairs, "adaptable pair"))?;
            writeln!(f, ", {} not", caller.other_pairs)?;
            for call in &caller.calls {
                self.write_call(f, call)?;
            }
        }
        if !self.signatures.is_empty() {
            writeln!(f, "\nby signatures:")?;
        }
        for pair in &self.signatures {
            let (calls, functions) = (count(pair.calls, "call"), count(pair.functions, "function"));
            write!(f, "  {} meets {}: {calls}, {functions}: ", pair.site_type, pair.callee_type)?;
            match (&pair.adaptation, &pair.reason) {
                (Some(adaptation), _) => writeln!(f, "{adaptation}")?,
                (None, reason) => {
                    writeln!(f, "not adapted: {}", reason.as_deref().unwrap_or("no reason"))?;
                }
            }
        }
        Ok(())
    }
}

impl ShimReport {
    fn write_call(&self, f: &mut fmt::Formatter<'_>, call: &Call) -> fmt::Result {
        let class = &self.classes[call.class];
        write!(f, "    {:#x}", call.offset)?;
        if let Some(source) = &call.source {
            write!(f, " {}", escape(source))?;
        }
        write!(f, " table {} as {}: {}", class.table, class.signature, call.certainty)?;
        if let Some(index) = &call.index {
            let index: Vec<_> = index.iter().map(u64::to_string).collect();
            write!(f, ", index {}", index.join(" or "))?;
            for number in &index {
                for function in self.in_slot(class, number) {
                    let name = function.name.as_deref().unwrap_or("-");
                    write!(f, ", {} {}", function.index, escape(name))?;
                }
            }
        }
        writeln!(f, "{}", if call.chosen { ", chosen" } else { "" })
    }

    /// The functions in a slot that calls of the class don't accept.
    fn in_slot<'r>(
        &'r self,
        class: &'r CallClass,
        slot: &str,
    ) -> impl Iterator<Item = &'r Function> {
        let slot: Option<u64> = slot.parse().ok();
        let types: BTreeSet<u32> = class.meets.iter().map(|meets| meets.r#type).collect();
        let slots = self.slots.iter();
        let met = slots.filter(move |s| s.table == class.table && types.contains(&s.r#type));
        let functions = met.flat_map(|slots| &slots.functions);
        functions.filter(move |function| slot.is_some_and(|slot| function.slots.contains(&slot)))
    }
}
