//! Checks a rewritten function against its original by property simulation.
//!
//! Original and rewritten function are followed side by side, from one operator that does more than move and compute values to
//! the next (`step`). In the normal state these must be the same operators in the same order, on operands that hold the same values;
//! what else the rewritten function does there is silent. Of each pair of positions at which control comes together it is known which
//! places hold the same values (`state`), and that is found as a fixpoint: positions whose state has changed are looked at again.
//!
//! At a *site*, a call that may unwind, more happens:
//!
//! ```text
//!   normal      the call returned: both go on
//!   unwinding   the original stands still; the rewritten function writes a frame, and returns (`unwind`)
//!   rewinding   the original stands still; a new activation of the rewritten function takes the frame, and gets to
//!               a call of the same function (`rewind`). There both go on as in the normal state
//! ```
//!
//! The frame and the new activation's locals are known by what they hold of the *original's* values at the site, so nothing is
//! believed of what is live, of a layout, or of which number means which site: what was not saved, or not restored, is undefined, and
//! can't be told to be what the original uses later.
//!
//! # Sources
//! Das, Lerner and Seigle, "ESP: Path-Sensitive Program Verification in Polynomial Time" (2002), for states keyed by a property;
//! Fallin, "Cranelift, Part 3: Correctness in Register Allocation" (2021), for places that hold symbols of the original.

use super::activation::{Activation, Code, Mode, Stop};
use super::body::Body;
use super::fault::{Fault, Place};
use super::pair::Pair;
use super::runtime::Runtime;
use super::state::State;
use super::tails::Tails;
use super::values::Values;
use crate::analyze::Site;
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Operator, ValType};

/// A function is followed from each of its sites with all of its locals: for a function with more of both nothing is said.
const MOST_WORK: usize = 1 << 26;

/// How many places all states together have at most that are kept of one function, and how many values have names: some hundred megabytes.
const MOST_KEPT: usize = 1 << 23;

/// What all functions are checked with.
pub(super) struct Modules<'c, 'a> {
    pub original: &'c Module<'a>,
    pub output: &'c Module<'a>,
    pub runtime: &'c Runtime,
    /// The resume module, if there is one.
    pub pair: Option<&'c Pair<'a>>,
    /// The functions that tail calls may enter.
    pub tails: &'c Tails,
}

/// What is known of a function that was checked.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    /// Its resume function.
    pub resume: Option<FuncIdx>,
    /// Where a rewind of it goes on that finds a frame of another function: that one, and what is entered for it.
    pub goes_on: Vec<(FuncIdx, FuncIdx)>,
}

/// Which of a function's bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Own,
    Resume,
}

/// Where states are kept: which body, the positions of both, and why they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub which: Which,
    original: u32,
    copy: u32,
    is_back: bool,
}

/// Checks one function.
pub(super) struct Simulation<'c, 'a> {
    pub modules: &'c Modules<'c, 'a>,
    pub func: FuncIdx,
    pub sites: &'c [Site],
    pub original: Body<'a>,
    pub own: Body<'a>,
    /// The resume function, if there is one, and its body.
    pub resume: Option<(FuncIdx, Body<'a>)>,
    pub values: Values,
    /// The states where control comes together, and those of them that are still to be looked at.
    known: BTreeMap<Key, State>,
    changed: BTreeSet<Key>,
    /// Those at sites that are still to be followed while they are unwound: when all else is known, since that is the work.
    unwinds: BTreeSet<Key>,
    /// What is to be followed next.
    pub pending: Vec<(Which, State)>,
    /// How many places the known states have.
    kept: usize,
}

/// Checks `func`, which has these sites.
///
/// # Errors
/// The first obligation that it fails, or what of it isn't understood.
pub(super) fn check<'a>(
    modules: &Modules<'_, 'a>,
    func: FuncIdx,
    sites: &[Site],
) -> Result<Checked, Fault> {
    let original = Body::read(modules.original, func)?;
    let own = Body::read(modules.output, func)?;
    let mut simulation = Simulation {
        modules,
        func,
        sites,
        original,
        own,
        resume: None,
        values: Values::new(),
        known: BTreeMap::new(),
        changed: BTreeSet::new(),
        unwinds: BTreeSet::new(),
        pending: Vec::new(),
        kept: 0,
    };
    simulation.is_covered()?;
    simulation.find_resume()?;
    let goes_on = simulation.goes_on()?;
    simulation.run()?;
    let resume = simulation.resume.as_ref().map(|(func, _)| *func);
    Ok(Checked { resume, goes_on })
}

impl<'c, 'a> Simulation<'c, 'a> {
    /// What is refused by name, since it isn't understood yet.
    fn is_covered(&self) -> Result<(), Fault> {
        let places = 2 * self.original.locals.len() + 1;
        if self.sites.len().saturating_mul(places) > MOST_WORK {
            return Err(Fault::not_covered("its size"));
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Fault> {
        self.enter();
        loop {
            while let Some((which, state)) = self.pending.pop() {
                self.follow(which, state)?;
                if self.kept > MOST_KEPT || self.values.count() > MOST_KEPT {
                    return Err(Fault::not_covered("its size"));
                }
            }
            if let Some(key) = self.changed.pop_first() {
                let state = self.known[&key].clone();
                self.resumed(key, state)?;
            } else if let Some(key) = self.unwinds.pop_first() {
                let state = self.known[&key].clone();
                let place = self.place(key.which, &state);
                self.leaves(key.which, state).map_err(|fault| fault.at(place))?;
            } else {
                return Ok(());
            }
        }
    }

    /// The call of the function in the normal state.
    fn enter(&mut self) {
        let values = &mut self.values;
        let types = self.original.locals[..self.original.params].iter();
        let params: Vec<_> = types.map(|ty| values.opaque_of(*ty)).collect();
        let original = Activation::enter(&self.original, values, |_, param| params[param]);
        let copy = Activation::enter(&self.own, values, |_, param| params[param]);
        self.pending.push((Which::Own, State { original, copy, performed: Vec::new() }));
    }

    pub fn body(&self, which: Which) -> &Body<'a> {
        match (which, &self.resume) {
            (Which::Resume, Some((_, body))) => body,
            _ => &self.own,
        }
    }

    /// The original's code.
    pub fn original_code(&self) -> Code<'_, 'a> {
        let Modules { original, .. } = self.modules;
        Code { module: original, body: &self.original, runtime: None, mode: Mode::Normal }
    }

    /// The code of a rewritten body.
    pub fn code(&self, which: Which, mode: Mode) -> Code<'_, 'a> {
        let Modules { output, runtime, .. } = self.modules;
        Code { module: output, body: self.body(which), runtime: Some(runtime), mode }
    }

    /// Follows both to where they do more than move and compute values.
    fn follow(&mut self, which: Which, mut state: State) -> Result<(), Fault> {
        loop {
            work::count(1);
            let place = self.place(which, &state);
            let mut stops = self.advance(which, &mut state).map_err(|f| f.at(place))?;
            if self.casts(which, &state) {
                stops = self.advance(which, &mut state).map_err(|f| f.at(place))?;
            }
            let (original, copy) = stops;
            let place = self.place(which, &state);
            if original != copy {
                return Err(Fault::new("one loops where the other does not").at(place));
            }
            let is_back = original == Stop::Back;
            let site = self.site(state.original.at).filter(|_| !is_back);
            if let Some(site) = site {
                self.arrive(&state, which, site).map_err(|fault| fault.at(place))?;
            }
            if is_back || site.is_some() || state.original.joined {
                return self.keep(which, state, is_back).map_err(|fault| fault.at(place));
            }
            match self.step(which, state).map_err(|fault| fault.at(place))? {
                Some(next) => state = next,
                None => return Ok(()),
            }
        }
    }

    fn advance(&mut self, which: Which, state: &mut State) -> Result<(Stop, Stop), Fault> {
        let mut values = std::mem::take(&mut self.values);
        let original = state.original.advance(self.original_code(), &mut values);
        let copy = state.copy.advance(self.code(which, Mode::Normal), &mut values);
        self.values = values;
        Ok((original?, copy?))
    }

    /// Whether the copy casts a reference that is not null, since a local of the original holds it that can't hold null.
    fn casts(&mut self, which: Which, state: &State) -> bool {
        let Some(top) = state.copy.stack.last() else { return false };
        if *self.body(which).operator(state.copy.at) != Operator::RefAsNonNull {
            return false;
        }
        let null = self.values.null();
        let locals = state.original.locals.iter().zip(&self.original.locals);
        let mut locals = locals.filter(|(held, _)| *held == top && **held != null);
        let is_there = |ty: &ValType| matches!(ty, ValType::Ref(ty) if !ty.is_nullable());
        if locals.any(|(_, ty)| is_there(ty)) {
            self.values.note_not_null(*top);
        }
        self.values.is_not_null(*top)
    }

    /// Where both are.
    pub fn place(&self, which: Which, state: &State) -> Place {
        self.place_of(which, state.original.at, state.copy.at)
    }

    /// The positions of both.
    pub fn place_of(&self, which: Which, original: u32, copy: u32) -> Place {
        let original = Some(self.original.offset(original));
        Place { original, ..self.place_in(which, copy) }
    }

    /// A position of a rewritten body.
    pub fn place_in(&self, which: Which, copy: u32) -> Place {
        let body = self.body(which);
        let is_elsewhere = body.is_elsewhere;
        Place { original: None, output: Some(body.offset(copy)), is_elsewhere }
    }

    /// The site at a position of the original.
    pub fn site(&self, at: u32) -> Option<Site> {
        let offset = self.original.offset(at) as u32;
        let found = self.sites.binary_search_by_key(&offset, |site| site.offset);
        let site = self.sites[found.ok()?];
        (!site.leaves_no_frame()).then_some(site)
    }

    /// Joins a state with what is known where it is.
    pub fn keep(&mut self, which: Which, mut state: State, is_back: bool) -> Result<(), Fault> {
        let (original, copy) = (state.original.at, state.copy.at);
        let key = Key { which, original, copy, is_back };
        match self.known.get_mut(&key) {
            None => {
                state.settle(&mut self.values);
                self.kept += state.size();
                self.known.insert(key, state);
                self.changed.insert(key);
            }
            Some(known) => match known.join(state, &mut self.values) {
                Some(true) => {
                    known.settle(&mut self.values);
                    self.changed.insert(key);
                }
                Some(false) => {}
                None => return Err(Fault::new("operand stacks differ where control joins")),
            },
        }
        Ok(())
    }

    /// Goes on from a state that has changed.
    fn resumed(&mut self, key: Key, state: State) -> Result<(), Fault> {
        let place = self.place(key.which, &state);
        if key.is_back {
            self.pending.push((key.which, state));
            return Ok(());
        }
        let next = match self.site(key.original) {
            Some(site) => {
                self.unwinds.insert(key);
                self.call(key.which, state, site).map(Some)
            }
            None => self.step(key.which, state),
        };
        if let Some(next) = next.map_err(|fault| fault.at(place))? {
            self.pending.push((key.which, next));
        }
        Ok(())
    }
}
