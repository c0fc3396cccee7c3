//! Calls whose declared type and that of a function in a slot disagree, as debug information has them.
//!
//! Input: what was found, and DWARF. Output: for calls the functions that they are likely to meet, which ranks them, and decides nothing: a
//! program may cast a pointer back before it calls, and store one where nothing says so. What is held against each other:
//!
//! - **What a pointer is declared as, and what it holds.** A static variable's initial value is in the data segments. Where a pointer
//!   in it is declared as one of `T`, and the slot that it holds has a function of another type than `T` becomes in WebAssembly, the
//!   function was cast. It meets calls by `T`.
//! - **What a function's unit points to.** A function in the table that has the type of no pointer that its unit knows was cast, too; compilers
//!   note the types that functions are cast to.
//! - **By which types a call is made**: those that its function's variables lead to, over the fewest pointers, and that become the call's type in
//!   WebAssembly. Where the index was loaded from memory, the load's offset tells members of a structure apart, and static variables. Of a function
//!   that debug information doesn't know, this offset is all there is. Where pointers of another type are at such an offset, and one of them holds
//!   a function of the call's type, the call is likely to cast them back, and to meet the others.

use super::adapt::adapts;
use super::found::{Found, FoundCall};
use super::mismatch::Mismatches;
use crate::error::Result;
use crate::index::{FuncIdx, TableIdx};
use crate::read::Module;
use crate::read::lines::{FunctionType, Reached, StaticPointer, Types};
use crate::work;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use wasmparser::{FuncType, Operator};

/// A function that a call is likely to meet, though it has another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disagreement {
    /// The function.
    pub(crate) func: FuncIdx,
    /// What the pointer is declared to point to.
    pub(crate) declared: String,
    /// The static variable that holds it, if one does.
    pub(crate) held_by: Option<String>,
}

/// How many functions are named at a call.
const MOST_NAMED: usize = 8;

/// How many pointers of one type are looked at.
const MOST_HELD: usize = 4_096;

/// How likely calls are to meet functions of another type, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disagreements {
    /// 0 where nothing is known. 3: by a pointer's type and place; 2: by one of these; 1: by the function's unit, or by a pointer that the call
    /// casts.
    pub(crate) likelihood: u8,
    /// How many functions it is likely to meet.
    pub(crate) count: usize,
    /// The first of them.
    pub(crate) named: Vec<Disagreement>,
}

/// Finds those of all calls, in their order; nothing without DWARF.
pub(super) fn find(mismatches: &Mismatches<'_>, found: &Found) -> Result<Vec<Disagreements>> {
    let none = || vec![Disagreements::default(); found.calls.len()];
    let Some(lines) = mismatches.module.lines() else { return Ok(none()) };
    let types = Types::new(lines);
    let pointers = types.static_pointers(mismatches.module.bytes.len());
    let loads = loads(mismatches.module, found)?;
    let tables: BTreeSet<TableIdx> = found.classes.iter().map(|class| class.table).collect();
    let casts = tables.into_iter().map(|table| {
        let casts = Casts::of(mismatches, found, &types, &pointers, table);
        (table, casts)
    });
    let casts: BTreeMap<TableIdx, Casts<'_, '_>> = casts.collect();
    let mut sites = Sites { types: &types, pointers: &pointers, reached: HashMap::new() };
    let mut known = HashMap::new();
    let of_call = |call: &FoundCall| {
        let class = &found.classes[call.class];
        let load = loads.get(&call.offset).copied();
        let declared = sites.declared(call.caller, &class.signature, load);
        let met =
            known.entry((call.class, declared, load)).or_insert_with_key(|(_, declared, _)| {
                casts[&class.table].met_by(&types, &class.signature, declared.as_ref(), load)
            });
        met.clone()
    };
    Ok(found.calls.iter().map(of_call).collect())
}

/// Functions that were cast, by what to.
struct Casts<'p, 'm> {
    module: &'p Module<'m>,
    /// In static variables, by the type that these declare.
    held: HashMap<&'p FunctionType, Vec<Held<'p>>>,
    /// What static variables hold, by where a load of it may say that it is.
    at: HashMap<u64, Vec<Held<'p>>>,
    /// By what their units have pointers to.
    of_units: HashMap<FunctionType, Vec<FuncIdx>>,
}

/// A function in a static variable.
#[derive(Clone, Copy)]
struct Held<'p> {
    pointer: &'p StaticPointer,
    func: FuncIdx,
    /// Whether it is of the type that is declared.
    agrees: bool,
}

impl<'p, 'm> Casts<'p, 'm> {
    fn of(
        mismatches: &'p Mismatches<'m>,
        found: &Found,
        types: &Types<'_>,
        pointers: &'p [StaticPointer],
        table: TableIdx,
    ) -> Casts<'p, 'm> {
        let module = mismatches.module;
        let data = mismatches.indirect.data();
        let mut slots: HashMap<u64, FuncIdx> = HashMap::new();
        let placed = mismatches.indirect.placed(table);
        slots.extend(placed.iter().filter_map(|placed| Some((placed.slot?, placed.func))));
        let (mut held, mut at) = (HashMap::new(), HashMap::new());
        for pointer in pointers {
            work::count(1);
            let slot = number(&data, pointer.address, pointer.bytes);
            let Some(func) = slot.and_then(|slot| slots.get(&slot)) else { continue };
            let agrees = is_of(module.func_type(*func), &pointer.ty);
            let here = Held { pointer, func: *func, agrees };
            if !agrees {
                add(held.entry(&*pointer.ty).or_default(), here);
            }
            let offsets: BTreeSet<u64> = pointer.offsets.iter().copied().collect();
            for offset in offsets.into_iter().chain([pointer.address]) {
                add(at.entry(offset).or_default(), here);
            }
        }
        let of_units = cast_by_unit(module, found, types, table);
        Casts { module, held, at, of_units }
    }

    /// The declared types of pointers of which some hold functions that a call of another type asks for: it casts them back.
    fn cast_back<'h>(
        &self,
        signature: &FuncType,
        here: impl Iterator<Item = &'h Held<'p>>,
    ) -> BTreeSet<&'p FunctionType>
    where
        'p: 'h,
    {
        let cast =
            here.filter(|held| !held.agrees && *self.module.func_type(held.func) == *signature);
        cast.map(|held| &*held.pointer.ty).collect()
    }

    /// What a call is likely to meet.
    fn met_by(
        &self,
        types: &Types<'_>,
        signature: &FuncType,
        declared: Option<&BTreeSet<Rc<FunctionType>>>,
        load: Option<u64>,
    ) -> Disagreements {
        let mut met: BTreeMap<FuncIdx, (u8, Option<&StaticPointer>, &FunctionType)> =
            BTreeMap::new();
        let is_there = |pointer: &StaticPointer| load.is_some_and(|load| pointer.is_at(load));
        let mut add = |func, likelihood, pointer, ty| {
            let known = met.entry(func).or_insert((likelihood, pointer, ty));
            if known.0 < likelihood {
                *known = (likelihood, pointer, ty);
            }
        };
        match declared {
            Some(declared) => {
                for ty in declared {
                    for held in self.held.get(&**ty).into_iter().flatten() {
                        let likelihood = 2 + u8::from(is_there(held.pointer));
                        add(held.func, likelihood, Some(held.pointer), &held.pointer.ty);
                    }
                    if let Some((ty, funcs)) = self.of_units.get_key_value(&**ty) {
                        funcs.iter().for_each(|func| add(*func, 1, None, ty));
                    }
                }
            }
            None => {
                let here = load.and_then(|load| self.at.get(&load)).into_iter().flatten();
                let cast_back = self.cast_back(signature, here.clone());
                for held in here {
                    work::count(1);
                    let ty = &*held.pointer.ty;
                    if is_of(signature, ty) && !held.agrees {
                        add(held.func, 2, Some(held.pointer), ty);
                    } else if cast_back.contains(ty)
                        && *self.module.func_type(held.func) != *signature
                    {
                        add(held.func, 1, Some(held.pointer), ty);
                    }
                }
            }
        }
        let likelihood = met.values().map(|(likelihood, ..)| *likelihood).max().unwrap_or(0);
        met.retain(|_, (of, ..)| *of == likelihood);
        let count = met.len();
        let named = met.into_iter().take(MOST_NAMED).map(|(func, (_, pointer, ty))| Disagreement {
            func,
            declared: ty.text.clone(),
            held_by: pointer.map(|pointer| types.spelled(pointer)),
        });
        Disagreements { likelihood, count, named: named.collect() }
    }
}

/// Adds one, if there aren't too many.
fn add<'p>(held: &mut Vec<Held<'p>>, more: Held<'p>) {
    if held.len() < MOST_HELD {
        held.push(more);
    }
}

/// Whether it is the type that functions of a declared type have in WebAssembly.
fn is_of(ty: &FuncType, declared: &FunctionType) -> bool {
    ty.params() == declared.params && ty.results() == declared.results
}

/// Functions in the table whose type is that of no pointer in their units, by the types that these have pointers to.
fn cast_by_unit(
    module: &Module<'_>,
    found: &Found,
    types: &Types<'_>,
    table: TableIdx,
) -> HashMap<FunctionType, Vec<FuncIdx>> {
    let mut units: HashMap<usize, BTreeSet<Rc<FunctionType>>> = HashMap::new();
    let mut cast: HashMap<FunctionType, Vec<FuncIdx>> = HashMap::new();
    let slots = found.slots.iter().filter(|((of, _), _)| *of == table);
    let placed = slots.flat_map(|(_, slots)| {
        let functions = &slots.functions;
        functions.fixed.placed.iter().chain(&functions.variadic.placed)
    });
    let funcs: BTreeSet<FuncIdx> = placed.map(|placed| placed.func).collect();
    for func in funcs {
        let Some(unit) = types.unit_of(func) else { continue };
        let pointed_to =
            units.entry(unit).or_insert_with(|| types.in_unit(unit).into_iter().collect());
        let ty = module.func_type(func);
        work::count(pointed_to.len());
        if pointed_to.iter().any(|pointed_to| is_of(ty, pointed_to)) {
            continue;
        }
        let alike = pointed_to.iter().filter(|to| {
            let call = FuncType::new(to.params.iter().copied(), to.results.iter().copied());
            adapts(&call, ty, true)
        });
        for to in alike {
            cast.entry(FunctionType::clone(to)).or_default().push(func);
        }
    }
    cast
}

/// Looks for the types that calls are declared to be of.
struct Sites<'t, 'l> {
    types: &'t Types<'l>,
    pointers: &'t [StaticPointer],
    /// Of the callers so far.
    reached: HashMap<FuncIdx, Rc<Vec<Reached>>>,
}

impl Sites<'_, '_> {
    /// What a call may be declared to be of; `None` if nothing tells.
    fn declared(
        &mut self,
        caller: FuncIdx,
        signature: &FuncType,
        load: Option<u64>,
    ) -> Option<BTreeSet<Rc<FunctionType>>> {
        if let Some(here) = load.and_then(|load| self.static_at(load, signature)) {
            return Some(here);
        }
        let reached = self.reached.entry(caller);
        let reached = reached.or_insert_with(|| Rc::new(self.types.reached_by(caller)));
        let alike: Vec<_> =
            reached.iter().filter(|reached| is_of(signature, &reached.ty)).collect();
        work::count(reached.len());
        let is_there = |reached: &&Reached| load.is_some() && reached.offset == load;
        let any_there = alike.iter().any(is_there);
        let left = || alike.iter().filter(|reached| !any_there || is_there(reached));
        let nearest = left().map(|reached| reached.distance).min()?;
        let nearest = left().filter(|reached| reached.distance == nearest);
        Some(nearest.map(|reached| reached.ty.clone()).collect())
    }

    /// The types of pointers in the static variable at an address.
    fn static_at(&self, address: u64, signature: &FuncType) -> Option<BTreeSet<Rc<FunctionType>>> {
        let first = self.pointers.partition_point(|pointer| pointer.address < address);
        let here = self.pointers[first..].iter().take_while(|pointer| pointer.address == address);
        let here: BTreeSet<_> = here
            .filter(|pointer| is_of(signature, &pointer.ty))
            .map(|pointer| pointer.ty.clone())
            .collect();
        (!here.is_empty()).then_some(here)
    }
}

/// The little-endian number at an address, as data segments have it.
fn number(segments: &BTreeMap<u64, &[u8]>, address: u64, bytes: u8) -> Option<u64> {
    let (start, data) = segments.range(..=address).next_back()?;
    let from = usize::try_from(address - start).ok()?;
    let number = data.get(from..from.checked_add(usize::from(bytes))?)?;
    Some(number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The offsets of the loads that calls have their indices from, by where the calls are.
fn loads(module: &Module<'_>, found: &Found) -> Result<HashMap<u32, u64>> {
    let mut loads = HashMap::new();
    for calls in found.calls.chunk_by(|a, b| a.caller == b.caller) {
        let (mut calls, mut kept) = (calls.iter().peekable(), HashMap::new());
        let mut top = None;
        for located in
            super::operators(module, calls.peek().map_or(FuncIdx(0), |call| call.caller))?
        {
            let is_call = calls.next_if(|call| call.offset == located.start).is_some();
            if let Some(load) = top.filter(|_| is_call) {
                loads.insert(located.start, load);
            }
            top = match located.operator {
                Operator::I32Load { memarg } | Operator::I64Load { memarg } => Some(memarg.offset),
                Operator::I32WrapI64 => top,
                Operator::LocalGet { local_index } => kept.get(&local_index).copied(),
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    match top {
                        Some(load) => kept.insert(local_index, load),
                        None => kept.remove(&local_index),
                    };
                    top.filter(|_| matches!(located.operator, Operator::LocalTee { .. }))
                }
                _ => None,
            };
        }
    }
    Ok(loads)
}
