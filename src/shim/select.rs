//! Which of the calls that can meet a function of another type are repaired.

use super::mismatch::{Mismatches, Strangers};
use super::options::{Mechanism, ShimOptions, SitePattern};
use super::shape;
use super::trace::Frame;
use crate::analyze::{FuncNames, IndirectCall};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::options::FuncPattern;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A call to repair.
pub(super) struct Site<'a> {
    pub(super) call: &'a IndirectCall,
    /// What it can meet and doesn't accept.
    pub(super) strangers: Cow<'a, [Strangers]>,
}

/// The calls to repair, in order of caller and offset.
///
/// # Errors
/// [`Error::NoSuchFunction`] or [`Error::NoSuchSite`] for a pattern that means no indirect call.
pub(super) fn select<'a>(
    mismatches: &'a Mismatches<'_>,
    options: &ShimOptions,
    mechanism: Mechanism,
) -> Result<Vec<Site<'a>>> {
    let mut chosen =
        Chosen { mismatches, names: None, offsets: BTreeSet::new(), callers: BTreeSet::new() };
    for pattern in &options.sites {
        chosen.add(pattern)?;
    }
    let repaired = shape::repaired(mismatches.module, &mismatches.indirect.calls)?;
    let mut sites = Vec::new();
    for call in &mismatches.indirect.calls {
        if repaired.contains(&call.offset) {
            continue;
        }
        let (_, strangers) = mismatches.of_call(call);
        // Where the slots are known, it is proved that the call meets what is in them, or nothing.
        let proved = matches!(strangers, Cow::Owned(_));
        let adaptable = strangers.iter().any(|strangers| strangers.verdict.is_ok());
        let wanted = options.all_sites || proved || chosen.has(call);
        // `ref.test` adapts also functions of which nothing is known.
        let unknown = mechanism == Mechanism::RefTest && mismatches.indirect.open_ended(call.table);
        if wanted && (adaptable || unknown) {
            sites.push(Site { call, strangers });
        }
    }
    Ok(sites)
}

/// The calls that patterns mean.
struct Chosen<'a, 'm> {
    mismatches: &'a Mismatches<'m>,
    /// The names of functions, as soon as some pattern has one.
    names: Option<FuncNames<'m>>,
    offsets: BTreeSet<u32>,
    callers: BTreeSet<FuncIdx>,
}

impl Chosen<'_, '_> {
    fn has(&self, call: &IndirectCall) -> bool {
        self.offsets.contains(&call.offset) || self.callers.contains(&call.caller)
    }

    fn add(&mut self, pattern: &SitePattern) -> Result<()> {
        match pattern {
            SitePattern::Offset(offset) => self.offset(*offset, pattern),
            SitePattern::Caller(name) => self.callers(name, pattern),
            SitePattern::Frame(frame) => self.frame(frame, pattern),
        }
    }

    fn offset(&mut self, offset: u32, pattern: &SitePattern) -> Result<()> {
        if !self.is_call(offset) {
            return Err(missing(pattern, "no indirect call is at this offset"));
        }
        self.offsets.insert(offset);
        Ok(())
    }

    fn is_call(&self, offset: u32) -> bool {
        self.mismatches.indirect.calls.iter().any(|call| call.offset == offset)
    }

    fn callers(&mut self, name: &FuncPattern, pattern: &SitePattern) -> Result<()> {
        let module = self.mismatches.module;
        let funcs = self.names.get_or_insert_with(|| FuncNames::new(module)).matching(name)?;
        self.add_callers(&funcs.into_iter().collect(), pattern)
    }

    fn add_callers(&mut self, funcs: &BTreeSet<FuncIdx>, pattern: &SitePattern) -> Result<()> {
        let mut calls = self.mismatches.indirect.calls.iter();
        if !calls.any(|call| funcs.contains(&call.caller)) {
            return Err(missing(pattern, "the function makes no indirect calls"));
        }
        self.callers.extend(funcs);
        Ok(())
    }

    /// The call at the frame's offset, else those of its function.
    fn frame(&mut self, frame: &Frame, pattern: &SitePattern) -> Result<()> {
        match (frame.offset, frame.func, &frame.name) {
            (Some(offset), _, _) if self.is_call(offset) => {
                self.offsets.insert(offset);
                Ok(())
            }
            (_, Some(func), _) => self.add_callers(&BTreeSet::from([FuncIdx(func)]), pattern),
            (_, None, Some(name)) => self.callers(&FuncPattern::exact(name), pattern),
            (_, None, None) => {
                Err(missing(pattern, "the trace may come from another build of the module"))
            }
        }
    }
}

fn missing(pattern: &SitePattern, reason: &str) -> Error {
    Error::NoSuchSite { pattern: pattern.to_string(), reason: reason.into() }
}
