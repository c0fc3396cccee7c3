//! Where pointers of functions are, as DWARF tells it: in static memory, and within reach of a function's variables.
//!
//! Input: [`Types`]. Output: each with the type of function that its declaration says. What it holds is another matter: the
//! program may have cast it.

use super::subprograms::Place;
use super::types::{FunctionType, Kind, Type, Types};
use crate::index::FuncIdx;
use crate::work;
use gimli::constants as dw;
use gimli::{AttributeValue, DebuggingInformationEntry, Operation, UnitOffset};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// How deep structures may be nested in each other.
const MAX_NESTING: usize = 16;

/// How many pointers are followed in a row from a variable.
const MAX_DISTANCE: usize = 4;

/// How many members are looked at for one function.
const MAX_LOOKED_AT: usize = 20_000;

/// A pointer of a function in static memory.
#[derive(Clone, Debug)]
pub struct StaticPointer {
    /// What it is declared to point to.
    pub ty: Rc<FunctionType>,
    /// Where it is.
    pub address: u64,
    /// Its size in bytes.
    pub bytes: u8,
    /// Where it is from the start of each structure around it, the innermost first.
    pub offsets: Vec<u64>,
    /// The variable that it is in, and the variable's address.
    variable: Place,
    start: u64,
}

/// A pointer of a function that can be had from a function's variables.
#[derive(Clone, Debug)]
pub struct Reached {
    /// What it is declared to point to.
    pub ty: Rc<FunctionType>,
    /// How many pointers are between a variable and it.
    pub distance: usize,
    /// Where it is from what the last of these points to, if there it is a member.
    pub offset: Option<u64>,
}

impl StaticPointer {
    /// Whether a load with this offset may be of it: by its address, or from the start of a structure around it.
    pub fn is_at(&self, offset: u64) -> bool {
        self.address == offset || self.offsets.contains(&offset)
    }
}

impl Types<'_> {
    /// The pointers in static memory, in order of address, as far as they are found among `most` values.
    pub fn static_pointers(&self, most: usize) -> Vec<StaticPointer> {
        let mut walk = Walk { types: self, has_any: HashMap::new(), found: Vec::new(), left: most };
        for unit in 0..self.lines.units.len() {
            // Beyond what can't be read nothing is found.
            let _ = self.each(unit, None, |die| {
                if die.tag() == dw::DW_TAG_variable
                    && let Some(address) = self.address(unit, die)
                    && let Some(ty) = self.type_of(unit, die)
                {
                    let variable = Place { unit, offset: die.offset() };
                    walk.variable(variable, address, ty);
                }
            });
        }
        walk.found.sort_by_key(|pointer| (pointer.address, pointer.start));
        walk.found
    }

    /// What a source would write for the pointer: `attributes[1].get`.
    pub fn spelled(&self, pointer: &StaticPointer) -> String {
        let unit = self.unit(pointer.variable);
        let Ok(die) = unit.entry(pointer.variable.offset) else { return String::new() };
        let mut text = self.variable_name(pointer.variable.unit, &die).unwrap_or_default();
        let mut rest = pointer.address - pointer.start;
        let mut next = self.type_of(pointer.variable.unit, &die);
        for _ in 0..MAX_NESTING {
            let Some((_, ty)) = next.and_then(|of| self.resolved(of)) else { break };
            next = match ty.kind {
                Kind::Structure | Kind::Union => {
                    let holds = |of: Option<Place>| of.is_some_and(|of| self.size(of) > Some(0));
                    let parts =
                        ty.parts.iter().filter(|part| part.offset <= rest && holds(part.of));
                    let Some(part) = parts.max_by_key(|part| part.offset) else { break };
                    rest -= part.offset;
                    if !part.name().is_empty() {
                        text += &format!(".{}", part.name());
                    }
                    part.of
                }
                Kind::Array => {
                    let Some(stride) = self.stride(&ty) else { break };
                    text += &format!("[{}]", rest / stride);
                    rest %= stride;
                    ty.of
                }
                _ => break,
            };
        }
        text
    }

    /// The pointers that a function's variables lead to, in order of distance. Those of what is inlined into it count.
    pub fn reached_by(&self, func: FuncIdx) -> Vec<Reached> {
        let Some(place) = self.lines.subprograms().get(&func).copied() else { return Vec::new() };
        let mut reach = Reach {
            types: self,
            seen: HashSet::new(),
            open: VecDeque::new(),
            found: Vec::new(),
            left: MAX_LOOKED_AT,
        };
        let _ = self.each(place.unit, Some(place.offset), |die| {
            let is_variable =
                matches!(die.tag(), dw::DW_TAG_variable | dw::DW_TAG_formal_parameter);
            if is_variable && let Some(ty) = self.type_of(place.unit, die) {
                reach.look(ty, None, 0, 0);
            }
        });
        reach.follow();
        reach.found
    }

    /// The types of functions that pointers of a unit are declared to point to.
    pub fn in_unit(&self, unit: usize) -> Vec<Rc<FunctionType>> {
        let mut found = Vec::new();
        let _ = self.each(unit, None, |die| {
            if die.tag() == dw::DW_TAG_subroutine_type {
                found.extend(self.function(Place { unit, offset: die.offset() }));
            }
        });
        found
    }

    /// Which unit a function is in.
    pub fn unit_of(&self, func: FuncIdx) -> Option<usize> {
        self.lines.subprograms().get(&func).map(|place| place.unit)
    }

    /// Calls `look` with each DIE of a unit, or with one and those in it.
    fn each(
        &self,
        unit: usize,
        from: Option<UnitOffset>,
        mut look: impl FnMut(&DebuggingInformationEntry<super::Bytes>),
    ) -> gimli::Result<()> {
        let mut dies = self.lines.units[unit].entries_raw(from)?;
        let mut die = DebuggingInformationEntry::null();
        let mut is_first = true;
        while !dies.is_empty() && (is_first || from.is_none() || dies.next_depth() > 0) {
            is_first = false;
            if dies.read_entry(&mut die)? {
                work::count(1);
                look(&die);
            }
        }
        Ok(())
    }

    /// Where a static variable is.
    fn address(&self, unit: usize, die: &DebuggingInformationEntry<super::Bytes>) -> Option<u64> {
        let AttributeValue::Exprloc(expression) = die.attr_value(dw::DW_AT_location)? else {
            return None;
        };
        let unit = &self.lines.units[unit];
        let mut operations = expression.operations(unit.encoding());
        let address = match operations.next().ok()?? {
            Operation::Address { address } => address,
            Operation::AddressIndex { index } => self.lines.dwarf.address(unit, index).ok()?,
            _ => return None,
        };
        operations.next().ok()?.is_none().then_some(address)
    }

    /// The type of a variable, which may be said at its declaration.
    fn type_of(&self, unit: usize, die: &DebuggingInformationEntry<super::Bytes>) -> Option<Place> {
        let here = self.reference(unit, die, dw::DW_AT_type);
        here.or_else(|| {
            let (unit, die) = self.declaration_of(unit, die)?;
            self.reference(unit, &die, dw::DW_AT_type)
        })
    }

    fn variable_name(
        &self,
        unit: usize,
        die: &DebuggingInformationEntry<super::Bytes>,
    ) -> Option<String> {
        self.name_of(&self.lines.units[unit], die).or_else(|| {
            let (unit, die) = self.declaration_of(unit, die)?;
            self.name_of(&self.lines.units[unit], &die)
        })
    }

    fn declaration_of(
        &self,
        unit: usize,
        die: &DebuggingInformationEntry<super::Bytes>,
    ) -> Option<(usize, DebuggingInformationEntry<super::Bytes>)> {
        let origin = self.reference(unit, die, dw::DW_AT_abstract_origin);
        let place = origin.or_else(|| self.reference(unit, die, dw::DW_AT_specification))?;
        Some((place.unit, self.unit(place).entry(place.offset).ok()?))
    }

    /// The size of a value in bytes.
    fn size(&self, place: Place) -> Option<u64> {
        self.size_within(place, MAX_NESTING)
    }

    fn size_within(&self, place: Place, depth: usize) -> Option<u64> {
        let (place, ty) = self.resolved(place)?;
        match ty.kind {
            Kind::Array => self.size_within(ty.of?, depth.checked_sub(1)?)?.checked_mul(ty.count?),
            Kind::Pointer => Some(u64::from(self.unit(place).header.address_size())),
            _ => ty.size,
        }
    }

    /// How far the elements of an array are apart, in bytes.
    fn stride(&self, array: &Type) -> Option<u64> {
        self.size(array.of?).filter(|size| *size > 0)
    }

    /// The type of function that a pointer type is of.
    fn pointed_to(&self, ty: &Type) -> Option<Rc<FunctionType>> {
        self.function(ty.of?)
    }
}

/// Through static variables.
struct Walk<'t, 'l> {
    types: &'t Types<'l>,
    /// Whether there is any pointer of a function in values of a type.
    has_any: HashMap<Place, bool>,
    found: Vec<StaticPointer>,
    /// How many more values are looked at.
    left: usize,
}

/// A value in a variable.
#[derive(Clone, Copy)]
struct Spot {
    variable: Place,
    start: u64,
    address: u64,
}

impl Walk<'_, '_> {
    fn variable(&mut self, variable: Place, address: u64, ty: Place) {
        let spot = Spot { variable, start: address, address };
        self.value(ty, spot, &mut Vec::new());
    }

    fn value(&mut self, place: Place, spot: Spot, around: &mut Vec<u64>) {
        if self.left == 0 || !self.has_any(place, 0) {
            return;
        }
        self.left -= 1;
        work::count(1);
        let Some((place, ty)) = self.types.resolved(place) else { return };
        match ty.kind {
            Kind::Pointer => self.pointer(place, &ty, spot, around),
            Kind::Structure | Kind::Union if around.len() < MAX_NESTING => {
                around.push(spot.address);
                for part in &ty.parts {
                    let Some(address) = spot.address.checked_add(part.offset) else { continue };
                    part.of
                        .into_iter()
                        .for_each(|of| self.value(of, Spot { address, ..spot }, around));
                }
                around.pop();
            }
            Kind::Array => {
                let (Some(of), Some(stride)) = (ty.of, self.types.stride(&ty)) else { return };
                for position in 0..ty.count.unwrap_or(0) {
                    let at = position.checked_mul(stride);
                    let Some(address) = at.and_then(|at| spot.address.checked_add(at)) else {
                        return;
                    };
                    if self.left == 0 {
                        return;
                    }
                    self.value(of, Spot { address, ..spot }, around);
                }
            }
            _ => {}
        }
    }

    fn pointer(&mut self, place: Place, ty: &Type, spot: Spot, around: &[u64]) {
        let Some(ty) = self.types.pointed_to(ty) else { return };
        self.found.push(StaticPointer {
            ty,
            address: spot.address,
            bytes: self.types.unit(place).header.address_size(),
            offsets: around.iter().rev().map(|start| spot.address - start).collect(),
            variable: spot.variable,
            start: spot.start,
        });
    }

    fn has_any(&mut self, place: Place, depth: usize) -> bool {
        let Some((place, ty)) = self.types.resolved(place) else { return false };
        if let Some(known) = self.has_any.get(&place) {
            return *known;
        }
        if depth == MAX_NESTING {
            return false;
        }
        // Of a structure that is broken, and is a member of itself.
        self.has_any.insert(place, false);
        let any = match ty.kind {
            Kind::Pointer => self.types.pointed_to(&ty).is_some(),
            Kind::Structure | Kind::Union => {
                ty.parts.iter().any(|part| part.of.is_some_and(|of| self.has_any(of, depth + 1)))
            }
            Kind::Array => ty.of.is_some_and(|of| self.has_any(of, depth + 1)),
            _ => false,
        };
        self.has_any.insert(place, any);
        any
    }
}

/// From a function's variables.
struct Reach<'t, 'l> {
    types: &'t Types<'l>,
    /// What pointers lead to, once each.
    seen: HashSet<Place>,
    open: VecDeque<(Place, usize)>,
    found: Vec<Reached>,
    /// How many more members are looked at.
    left: usize,
}

impl Reach<'_, '_> {
    fn follow(&mut self) {
        while let Some((place, distance)) = self.open.pop_front() {
            let is_whole = self
                .types
                .at(place)
                .is_some_and(|ty| matches!(ty.kind, Kind::Structure | Kind::Union));
            self.look(place, is_whole.then_some(0), distance, 0);
        }
    }

    /// Looks at a value that is at `offset` from where the last pointer led to.
    fn look(&mut self, place: Place, offset: Option<u64>, distance: usize, depth: usize) {
        if self.left == 0 || depth == MAX_NESTING {
            return;
        }
        self.left -= 1;
        work::count(1);
        let Some((_, ty)) = self.types.resolved(place) else { return };
        match ty.kind {
            Kind::Pointer => {
                if let Some(ty) = self.types.pointed_to(&ty) {
                    self.found.push(Reached { ty, distance, offset });
                } else if distance < MAX_DISTANCE
                    && let Some((target, _)) = ty.of.and_then(|of| self.types.resolved(of))
                    && self.seen.insert(target)
                {
                    self.open.push_back((target, distance + 1));
                }
            }
            Kind::Structure | Kind::Union => {
                for part in &ty.parts {
                    let Some(of) = part.of else { continue };
                    let at = offset.and_then(|offset| offset.checked_add(part.offset));
                    self.look(of, at, distance, depth + 1);
                }
            }
            Kind::Array => {
                ty.of.into_iter().for_each(|of| self.look(of, None, distance, depth + 1));
            }
            _ => {}
        }
    }
}
