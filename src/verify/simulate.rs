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
use super::body::{Body, BodyRoom};
use super::fault::{Fault, Place};
use super::live::Live;
use super::pair::Pair;
use super::runtime::Runtime;
use super::state::State;
use super::tails::Tails;
use super::values::{QuickMap, Values};
use crate::analyze::Site;
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use wasmparser::{Operator, ValType};

/// A function is followed from each of its sites with all of its locals: for a function with more of both nothing is said.
const MOST_WORK: usize = 1 << 26;

/// How many places all states together have at most that are kept of one function, and how many values have names: some hundred megabytes.
const MOST_KEPT: usize = 1 << 23;

/// How many places there may be room for that is kept for the next function.
const MOST_SPARE: usize = 1 << 21;

/// For how many operands, and the like, states have room besides locals, mostly.
const USUAL_OPERANDS: usize = 64;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Which {
    Own,
    Resume,
}

/// Where states are kept: which body, the positions of both, and why they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// For each of the original's operators a bit: whether it is a site.
    at_sites: Vec<u64>,
    pub original: Rc<Body<'a>>,
    pub own: Rc<Body<'a>>,
    /// The resume function, if there is one, and its body.
    pub resume: Option<(FuncIdx, Rc<Body<'a>>)>,
    pub values: Values,
    live: Rc<Live>,
    /// Whether nothing is expected of loops.
    is_thorough: bool,
    /// The states where control comes together, and those of them that are still to be looked at.
    known: QuickMap<Key, Known>,
    changed: BinaryHeap<Reverse<Key>>,
    /// Those at sites that are still to be followed while they are unwound: when all else is known, since that is the work.
    unwinds: Vec<Key>,
    /// What is to be followed next.
    pub pending: Vec<(Which, Box<State>)>,
    pub spare: Spare,
    /// How many places the known states have.
    kept: usize,
}

/// What one function leaves of its room for the next.
#[derive(Default)]
pub(super) struct Room<'a> {
    values: Values,
    spare: Spare,
    bodies: Vec<BodyRoom<'a>>,
}

/// What is known where control comes together.
struct Known {
    state: Box<State>,
    /// Whether it has changed since it was looked at.
    is_changed: bool,
    /// Whether it was looked at.
    is_seen: bool,
}

/// States that are no longer needed, for the room that they have.
#[derive(Default)]
pub(super) struct Spare {
    #[expect(clippy::vec_box, reason = "they are moved about in their boxes")]
    states: Vec<Box<State>>,
    activations: Vec<Activation>,
    /// How many places any of them had at most.
    most_places: usize,
}

impl Spare {
    /// A state, whatever it is.
    pub fn any(&mut self) -> Box<State> {
        self.states.pop().unwrap_or_default()
    }

    /// A copy of a state.
    pub fn copy_of(&mut self, state: &State) -> Box<State> {
        let mut copy = self.any();
        copy.assign(state);
        copy
    }

    /// Takes a state back.
    pub fn take_back(&mut self, state: Box<State>) {
        self.states.push(state);
    }

    /// Keeps what the next function may need.
    fn shrink(&mut self, places: usize) {
        self.most_places = self.most_places.max(places);
        if self.most_places * (self.states.len() + self.activations.len()) > MOST_SPARE {
            *self = Spare::default();
        }
    }

    /// A function that runs, whatever it is.
    pub fn activation(&mut self) -> Activation {
        self.activations.pop().unwrap_or_default()
    }

    /// Takes one back.
    pub fn take_activation(&mut self, activation: Activation) {
        self.activations.push(activation);
    }
}

/// Checks `func`, which has these sites.
///
/// # Errors
/// The first obligation that it fails, or what of it isn't understood.
pub(super) fn check<'a>(
    modules: &Modules<'_, 'a>,
    (func, sites): (FuncIdx, &[Site]),
    room: &mut Room<'a>,
) -> Result<Checked, Fault> {
    let mut read = |module| Body::read(module, func, room.bodies.pop().unwrap_or_default());
    let (original, own) = (Rc::new(read(modules.original)?), Rc::new(read(modules.output)?));
    let live = Rc::new(Live::find(&original, sites));
    let bodies = (original, own, live);
    let mut checked = check_bodies(modules, (func, sites), bodies.clone(), room, false);
    if checked.is_err() {
        // What was expected of loops may be what is missing.
        checked = check_bodies(modules, (func, sites), bodies.clone(), room, true);
    }
    let (original, own, _) = bodies;
    let both = [original, own].into_iter().filter_map(Rc::into_inner);
    room.bodies.extend(both.filter_map(Body::into_room));
    checked
}

fn check_bodies<'a>(
    modules: &Modules<'_, 'a>,
    (func, sites): (FuncIdx, &[Site]),
    (original, own, live): (Rc<Body<'a>>, Rc<Body<'a>>, Rc<Live>),
    room: &mut Room<'a>,
    is_thorough: bool,
) -> Result<Checked, Fault> {
    let (mut values, spare) = (std::mem::take(&mut room.values), std::mem::take(&mut room.spare));
    values.start(original.operators.len() + own.operators.len());
    let mut at_sites = vec![0; original.operators.len().div_ceil(64)];
    for site in sites {
        let found = original.operators.binary_search_by_key(&site.offset, |one| one.start);
        if let Ok(at) = found {
            at_sites[at / 64] |= 1 << (at % 64);
        }
    }
    let mut simulation = Simulation {
        modules,
        func,
        sites,
        at_sites,
        original,
        own,
        resume: None,
        values,
        live,
        is_thorough,
        known: QuickMap::default(),
        changed: BinaryHeap::new(),
        unwinds: Vec::new(),
        pending: Vec::new(),
        spare,
        kept: 0,
    };
    let checked = simulation.check();
    let most_places = simulation.most_places();
    let Simulation { values, mut spare, known, .. } = simulation;
    spare.states.extend(known.into_values().map(|known| known.state));
    spare.shrink(most_places);
    (room.values, room.spare) = (values, spare);
    checked
}

impl<'c, 'a> Simulation<'c, 'a> {
    fn check(&mut self) -> Result<Checked, Fault> {
        self.is_covered()?;
        self.find_resume()?;
        let goes_on = self.goes_on()?;
        self.run()?;
        let resume = self.resume.as_ref().map(|(func, _)| *func);
        Ok(Checked { resume, goes_on })
    }

    /// What is refused by name, since it isn't understood yet.
    fn is_covered(&self) -> Result<(), Fault> {
        let places = 2 * self.original.locals.len() + 1;
        if self.sites.len().saturating_mul(places) > MOST_WORK {
            return Err(Fault::not_covered("its size"));
        }
        Ok(())
    }

    /// About how many places a state has at most.
    fn most_places(&self) -> usize {
        let resume = self.resume.as_ref().map_or(0, |(_, body)| body.locals.len());
        self.original.locals.len() + self.own.locals.len().max(resume) + USUAL_OPERANDS
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
            if let Some(key) = self.changed.pop().map(|Reverse(key)| key) {
                let state = self.look_at(key);
                self.resumed(key, state)?;
                continue;
            }
            // All of them, before what they lead to is followed: else that is followed once for each.
            let mut unwinds = std::mem::take(&mut self.unwinds);
            if unwinds.is_empty() {
                return Ok(());
            }
            unwinds.sort_unstable();
            unwinds.dedup();
            for key in unwinds {
                let state = self.spare.copy_of(&self.known[&key].state);
                let place = self.place(key.which, &state);
                let site = self.original.offset(key.original);
                self.leaves(key.which, state).map_err(|fault| fault.at(place).at_site(site))?;
            }
        }
    }

    /// The call of the function in the normal state.
    fn enter(&mut self) {
        let Simulation { original, own, values, .. } = self;
        let types = original.locals[..original.params].iter();
        let params: Vec<_> = types.map(|ty| values.opaque_of(*ty)).collect();
        let mut state = Box::<State>::default();
        state.original.enter(original, values, &params);
        state.copy.enter(own, values, &params);
        self.pending.push((Which::Own, state));
    }

    pub fn body(&self, which: Which) -> &Rc<Body<'a>> {
        match (which, &self.resume) {
            (Which::Resume, Some((_, body))) => body,
            _ => &self.own,
        }
    }

    /// Follows both to where they do more than move and compute values.
    fn follow(&mut self, which: Which, mut state: Box<State>) -> Result<(), Fault> {
        loop {
            work::count(1);
            self.in_step(which, &mut state)?;
            let from = (state.original.at, state.copy.at);
            let mut stops = self.advance(which, &mut state);
            if stops.is_ok() && self.casts(which, &state) {
                stops = self.advance(which, &mut state);
            }
            let stops = stops.map_err(|fault| fault.at(self.place_of(which, from.0, from.1)));
            let (original, copy) = stops?;
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
        let Simulation { modules, original: body, values, .. } = self;
        let code = Code { module: modules.original, body, runtime: None, mode: Mode::Normal };
        let original = state.original.advance(code, values)?;
        let copy = self.run_copy(which, &mut state.copy, Mode::Normal)?;
        Ok((original, copy))
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
        if self.at_sites[at as usize / 64] & 1 << (at % 64) == 0 {
            return None;
        }
        let offset = self.original.offset(at) as u32;
        let found = self.sites.binary_search_by_key(&offset, |site| site.offset);
        let site = self.sites[found.ok()?];
        (!site.leaves_no_frame()).then_some(site)
    }

    /// Joins a state with what is known where it is.
    pub fn keep(
        &mut self,
        which: Which,
        mut state: Box<State>,
        is_back: bool,
    ) -> Result<(), Fault> {
        let (original, copy) = (state.original.at, state.copy.at);
        let key = Key { which, original, copy, is_back };
        if let Some(live) = self.live.at(original) {
            state.forget(live);
        }
        state.forget_performed(&mut self.values);
        match self.known.get_mut(&key) {
            None => {
                state.flatten(&mut self.values);
                self.kept += state.size();
                self.known.insert(key, Known { state, is_changed: true, is_seen: false });
                self.changed.push(Reverse(key));
            }
            Some(known) => {
                match known.state.join(&mut state, &mut self.values, known.is_changed) {
                    Some(true) if !known.is_changed => {
                        known.is_changed = true;
                        self.changed.push(Reverse(key));
                    }
                    Some(_) => {}
                    None => return Err(Fault::new("operand stacks differ where control joins")),
                }
                self.spare.take_back(state);
            }
        }
        Ok(())
    }

    /// A state that has changed, to go on from.
    fn look_at(&mut self, key: Key) -> Box<State> {
        let Simulation { known, values, live, original, is_thorough, .. } = self;
        let body = match (key.which, &self.resume) {
            (Which::Resume, Some((_, body))) => body,
            _ => &self.own,
        };
        let known = known.get_mut(&key).expect("what changed is known");
        let state = &mut known.state;
        if let (Some(entered), false, false) = (state.original.entered, known.is_seen, *is_thorough)
        {
            let in_copy = state.copy.entered.map_or(&[][..], |label| body.set_in(label));
            let set = [original.set_in(entered), in_copy];
            state.expect(values, original, set, key.which == Which::Own);
        }
        // A resume function may have other numbers.
        let live = live.at(key.original).filter(|_| key.which == Which::Own);
        state.settle(values, live);
        (known.is_changed, known.is_seen) = (false, true);
        self.spare.copy_of(&known.state)
    }

    /// Goes on from a state that has changed.
    fn resumed(&mut self, key: Key, state: Box<State>) -> Result<(), Fault> {
        let place = self.place(key.which, &state);
        if key.is_back {
            self.pending.push((key.which, state));
            return Ok(());
        }
        let next = match self.site(key.original) {
            Some(site) => {
                self.unwinds.push(key);
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
