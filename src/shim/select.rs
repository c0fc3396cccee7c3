//! Which of the calls that can meet a function of another type are repaired.

use super::mismatch::{Mismatches, Targets};
use super::options::{Mechanism, ShimOptions, SitePattern};
use super::recorded::RecordedCall;
use super::repaired;
use super::resume;
use super::trace::TraceFrame;
use crate::analyze::{FuncNames, IndirectCall};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, TypeIdx};
use crate::options::FuncPattern;
use crate::read::Module;
use crate::work;
use std::collections::BTreeSet;
use wasmparser::BinaryReader;

/// A call to repair.
pub(super) struct ChosenCall<'a> {
    pub(super) call: &'a IndirectCall,
    /// What it can meet.
    pub(super) targets: Targets,
}

/// The calls to repair, in order of caller and offset.
///
/// # Errors
/// [`Error::NoSuchFunction`] or [`Error::NoSuchSite`] for a pattern that means no indirect call.
pub(super) fn select<'a>(
    mismatches: &'a Mismatches<'_>,
    options: &ShimOptions,
    mechanism: Mechanism,
) -> Result<Vec<ChosenCall<'a>>> {
    let mut patterns =
        Patterns { mismatches, names: None, offsets: BTreeSet::new(), callers: BTreeSet::new() };
    for pattern in &options.sites {
        patterns.add(pattern)?;
    }
    patterns.add_resume_functions()?;
    let repaired = repaired::offsets(mismatches.module, &mismatches.indirect.calls)?;
    let mut calls = Vec::new();
    for call in &mismatches.indirect.calls {
        work::count(1);
        if repaired.contains(&call.offset) {
            continue;
        }
        let (_, targets) = mismatches.targets(call);
        // Where the slots are known, it is proved that the call meets what is in them, or nothing.
        let proved = matches!(targets, Targets::Slots(_));
        let wanted = options.all_sites || proved || patterns.mean(call);
        if !wanted {
            continue;
        }
        let counts = mismatches.counts(mismatches.class(call), &targets);
        let adaptable = counts.adaptable.functions > 0;
        // `ref.test` adapts also functions of which nothing is known.
        let unknown = mechanism == Mechanism::RefTest && mismatches.indirect.open_ended(call.table);
        if adaptable || unknown {
            calls.push(ChosenCall { call, targets });
        }
    }
    Ok(calls)
}

/// The calls that patterns mean.
struct Patterns<'a, 'm> {
    mismatches: &'a Mismatches<'m>,
    /// The names of functions, as soon as some pattern has one.
    names: Option<FuncNames<'m>>,
    offsets: BTreeSet<u32>,
    callers: BTreeSet<FuncIdx>,
}

impl Patterns<'_, '_> {
    fn mean(&self, call: &IndirectCall) -> bool {
        self.offsets.contains(&call.offset) || self.callers.contains(&call.caller)
    }

    fn add(&mut self, pattern: &SitePattern) -> Result<()> {
        match pattern {
            SitePattern::Offset(offset) => self.offset(*offset, pattern),
            SitePattern::Caller(name) => self.callers(name, pattern),
            SitePattern::Recorded(call) => self.recorded(*call, pattern),
            SitePattern::Trace(frame) => self.frame(frame, pattern),
        }
    }

    fn offset(&mut self, offset: u32, pattern: &SitePattern) -> Result<()> {
        if !self.is_call(offset) {
            return Err(missing(pattern, "no indirect call is at this offset"));
        }
        self.offsets.insert(offset);
        Ok(())
    }

    /// In the module that recorded it the call asked for the same type.
    fn recorded(&mut self, recorded: RecordedCall, pattern: &SitePattern) -> Result<()> {
        let indirect = self.mismatches.indirect;
        let found = indirect.calls.binary_search_by_key(&recorded.offset, |call| call.offset);
        let found = found.ok().map(|call| indirect.canonical(indirect.calls[call].ty));
        if found != Some(TypeIdx(recorded.r#type)) {
            return Err(missing(
                pattern,
                "no indirect call of the type that was recorded is there: record it again from this build",
            ));
        }
        self.offsets.insert(recorded.offset);
        Ok(())
    }

    fn is_call(&self, offset: u32) -> bool {
        let calls = &self.mismatches.indirect.calls;
        calls.binary_search_by_key(&offset, |call| call.offset).is_ok()
    }

    fn makes_calls(&self, func: FuncIdx) -> bool {
        let calls = &self.mismatches.indirect.calls;
        calls.binary_search_by_key(&func, |call| call.caller).is_ok()
    }

    fn callers(&mut self, name: &FuncPattern, pattern: &SitePattern) -> Result<()> {
        let module = self.mismatches.module;
        let funcs = self.names.get_or_insert_with(|| FuncNames::new(module)).matching(name)?;
        self.add_callers(&funcs.into_iter().collect(), pattern)
    }

    fn add_callers(&mut self, funcs: &BTreeSet<FuncIdx>, pattern: &SitePattern) -> Result<()> {
        if !funcs.iter().any(|func| self.makes_calls(*func)) {
            return Err(missing(pattern, "the function makes no indirect calls"));
        }
        self.callers.extend(funcs);
        Ok(())
    }

    /// Where a function's calls are chosen, so are those of its resume function, which makes them once more: of a call that
    /// is chosen by its offset, all of its type through its table.
    fn add_resume_functions(&mut self) -> Result<()> {
        let resumes = resume::functions(self.mismatches.module)?;
        let of_callers = self.callers.iter().filter_map(|caller| resumes.get(caller).copied());
        let callers: Vec<_> = of_callers.collect();
        self.callers.extend(callers);
        let calls = &self.mismatches.indirect.calls;
        let chosen = calls.iter().filter(|call| self.offsets.contains(&call.offset));
        let alike: BTreeSet<_> = chosen
            .filter_map(|call| Some((*resumes.get(&call.caller)?, call.table, call.ty)))
            .collect();
        let again = calls.iter().filter(|call| alike.contains(&(call.caller, call.table, call.ty)));
        self.offsets.extend(again.map(|call| call.offset));
        Ok(())
    }

    /// The call at the frame's offset, if it is one of the frame's function; else all of that function.
    fn frame(&mut self, frame: &TraceFrame, pattern: &SitePattern) -> Result<()> {
        let call = frame.offset.and_then(|offset| self.call_at(offset));
        let funcs = self.funcs_of(frame);
        match (call, funcs) {
            (Some((offset, caller)), Some(funcs)) if !funcs.contains(&caller) => {
                // Some engines' offsets count from elsewhere, and this one means another call.
                tracing::debug!(offset, "no offset in the module, by the function's name");
                self.add_callers(&funcs, pattern)
            }
            (Some((offset, _)), _) => {
                self.offsets.insert(offset);
                Ok(())
            }
            (None, Some(funcs)) => self.add_callers(&funcs, pattern),
            (None, None) => match &frame.name {
                Some(name) => self.callers(&FuncPattern::exact(name), pattern),
                None => {
                    Err(missing(pattern, "the trace may come from another build of the module"))
                }
            },
        }
    }

    /// The call that an offset lies in, or right behind: an engine may have read on when it traps.
    fn call_at(&self, offset: u32) -> Option<(u32, FuncIdx)> {
        let Mismatches { module, indirect, .. } = self.mismatches;
        let after = indirect.calls.partition_point(|call| call.offset <= offset);
        let call = indirect.calls.get(after.checked_sub(1)?)?;
        (offset <= end_of(module, call)).then_some((call.offset, call.caller))
    }

    /// The functions that a frame may be of; `None` if what it says means none.
    fn funcs_of(&mut self, frame: &TraceFrame) -> Option<BTreeSet<FuncIdx>> {
        if let Some(func) = frame.func {
            return Some(BTreeSet::from([FuncIdx(func)]));
        }
        let module = self.mismatches.module;
        let names = self.names.get_or_insert_with(|| FuncNames::new(module));
        let name = frame.name.as_deref()?;
        // Chrome's console puts a `$` before each name.
        let spellings = [Some(name), name.strip_prefix('$')];
        let named = spellings.into_iter().flatten().map(|name| names.named(name));
        let named = named.into_iter().find(|funcs| !funcs.is_empty());
        let by_index = || Some(vec![FuncIdx(frame.index_as_name()?)]);
        Some(named.or_else(by_index)?.into_iter().collect())
    }
}

/// Where the instruction ends.
fn end_of(module: &Module<'_>, call: &IndirectCall) -> u32 {
    let operands = call.offset as usize + 1;
    let mut reader = BinaryReader::new(&module.bytes[operands..], operands as u64);
    let read = reader.read_var_u32().and_then(|_| reader.read_var_u32());
    read.map_or(call.offset, |_| reader.original_position() as u32)
}

fn missing(pattern: &SitePattern, reason: &str) -> Error {
    Error::NoSuchSite { pattern: pattern.to_string(), reason: reason.into() }
}
