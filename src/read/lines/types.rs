//! What DWARF says of types, as far as it takes to follow pointers of functions.
//!
//! Of a type in C or C++ this knows what it is made of, how a source spells it, and which values of WebAssembly stand for it: parameters and
//! results as the C ABI for WebAssembly passes them. Of other languages' functions nothing is known, for their ABIs differ. DIEs are
//! read when they are asked for, and once.

use super::language::Language;
use super::subprograms::Place;
use super::{Bytes, Lines};
use crate::work;
use gimli::constants as dw;
use gimli::{AttributeValue, DebuggingInformationEntry, DwTag, Unit};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::ValType;

/// How many names and qualifiers a type may have in front of it.
const MAX_ALIASES: usize = 32;

/// How deep types are spelled, and how deep structures of one member are looked into.
const MAX_DEPTH: usize = 8;

/// Types of DWARF.
pub struct Types<'l> {
    pub(super) lines: &'l Lines,
    known: RefCell<HashMap<Place, Option<Rc<Type>>>>,
    functions: RefCell<HashMap<Place, Option<Rc<FunctionType>>>>,
}

/// The type of a function in C or C++.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionType {
    /// As a source spells it, without qualifiers: `int (object *, void *)`.
    pub text: String,
    /// The parameters that a function of WebAssembly has for it.
    pub params: Vec<ValType>,
    /// Its results.
    pub results: Vec<ValType>,
}

/// A type's DIE.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) kind: Kind,
    name: Option<String>,
    /// What it is a pointer to, an array of, another name of; what it returns.
    pub(super) of: Option<Place>,
    /// In bytes.
    pub(super) size: Option<u64>,
    encoding: Option<gimli::DwAte>,
    by_reference: bool,
    prototyped: bool,
    /// Members or parameters.
    pub(super) parts: Vec<Part>,
    /// Whether further parameters may follow.
    unspecified: bool,
    /// How many elements an array has, of all dimensions together.
    pub(super) count: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Base,
    Pointer,
    /// Another name.
    Alias,
    /// `const` and its like.
    Qualified,
    Structure,
    Union,
    Enumeration,
    Array,
    Function,
    /// A pointer to a member, of data or of functions.
    Member,
    /// No value, or one of which nothing is known.
    Other,
}

/// A member or parameter.
#[derive(Debug)]
pub(super) struct Part {
    name: Option<String>,
    pub(super) of: Option<Place>,
    /// Of a member, in bytes.
    pub(super) offset: u64,
    is_bit_field: bool,
}

/// How values of a type are passed.
enum Passed {
    Nothing,
    As(ValType),
    /// Two 64-bit halves; a result by way of memory.
    Halves,
    InMemory,
}

impl Part {
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("")
    }
}

impl<'l> Types<'l> {
    /// None is read yet.
    pub fn new(lines: &'l Lines) -> Types<'l> {
        Types { lines, known: RefCell::default(), functions: RefCell::default() }
    }

    pub(super) fn unit(&self, place: Place) -> &'l Unit<Bytes> {
        &self.lines.units[place.unit]
    }

    /// The type at a place; `None` if it can't be read, or is none.
    pub(super) fn at(&self, place: Place) -> Option<Rc<Type>> {
        if let Some(known) = self.known.borrow().get(&place) {
            return known.clone();
        }
        let read = self.read(place).ok().flatten().map(Rc::new);
        self.known.borrow_mut().insert(place, read.clone());
        read
    }

    /// The same behind other names and qualifiers, and where that is.
    pub(super) fn resolved(&self, place: Place) -> Option<(Place, Rc<Type>)> {
        let mut at = place;
        for _ in 0..MAX_ALIASES {
            let ty = self.at(at)?;
            if !matches!(ty.kind, Kind::Alias | Kind::Qualified) {
                return Some((at, ty));
            }
            at = ty.of?;
        }
        None
    }

    fn read(&self, place: Place) -> gimli::Result<Option<Type>> {
        let unit = self.unit(place);
        let mut dies = unit.entries_raw(Some(place.offset))?;
        let mut die = DebuggingInformationEntry::null();
        if !dies.read_entry(&mut die)? {
            return Ok(None);
        }
        work::count(1);
        let Some(kind) = Kind::of(die.tag()) else { return Ok(None) };
        let has_children = die.has_children();
        let number = |name| die.attr_value(name)?.udata_value();
        let mut ty = Type {
            kind,
            name: self.name_of(unit, &die),
            of: self.reference(place.unit, &die, dw::DW_AT_type),
            size: number(dw::DW_AT_byte_size),
            encoding: match die.attr_value(dw::DW_AT_encoding) {
                Some(AttributeValue::Encoding(encoding)) => Some(encoding),
                _ => None,
            },
            by_reference: matches!(
                die.attr_value(dw::DW_AT_calling_convention),
                Some(AttributeValue::CallingConvention(dw::DW_CC_pass_by_reference))
            ),
            prototyped: die.attr(dw::DW_AT_prototyped).is_some(),
            parts: Vec::new(),
            unspecified: false,
            count: None,
        };
        while has_children && !dies.is_empty() && dies.next_depth() > 0 {
            let depth = dies.next_depth();
            if !dies.read_entry(&mut die)? || depth != 1 {
                continue;
            }
            work::count(1);
            self.add(place.unit, &die, &mut ty);
        }
        Ok(Some(ty))
    }

    fn add(&self, unit: usize, die: &DebuggingInformationEntry<Bytes>, to: &mut Type) {
        let number = |name| die.attr_value(name)?.udata_value();
        match die.tag() {
            dw::DW_TAG_member | dw::DW_TAG_inheritance | dw::DW_TAG_formal_parameter => {
                // A static member is declared here, and is elsewhere.
                if die.attr(dw::DW_AT_declaration).is_some()
                    || die.attr(dw::DW_AT_external).is_some()
                {
                    return;
                }
                to.parts.push(Part {
                    name: self.name_of(&self.lines.units[unit], die),
                    of: self.reference(unit, die, dw::DW_AT_type),
                    offset: number(dw::DW_AT_data_member_location).unwrap_or(0),
                    is_bit_field: die.attr(dw::DW_AT_bit_size).is_some(),
                });
            }
            dw::DW_TAG_subrange_type => {
                let bound = || number(dw::DW_AT_upper_bound)?.checked_add(1);
                let here = number(dw::DW_AT_count).or_else(bound).unwrap_or(0);
                to.count = Some(to.count.unwrap_or(1).saturating_mul(here));
            }
            dw::DW_TAG_unspecified_parameters => to.unspecified = true,
            _ => {}
        }
    }

    pub(super) fn name_of(
        &self,
        unit: &Unit<Bytes>,
        die: &DebuggingInformationEntry<Bytes>,
    ) -> Option<String> {
        let name = die.attr_value(dw::DW_AT_name)?;
        Some(self.lines.text(&self.lines.dwarf.attr_string(unit, name).ok()?))
    }

    /// The DIE that an attribute refers to.
    pub(super) fn reference(
        &self,
        unit: usize,
        die: &DebuggingInformationEntry<Bytes>,
        name: gimli::DwAt,
    ) -> Option<Place> {
        self.lines.place(unit, &die.attr_value(name)?)
    }

    /// The type of the functions at a place that a pointer type refers to; `None` if it is no such type, has no prototype, or
    /// belongs to another language.
    pub(super) fn function(&self, place: Place) -> Option<Rc<FunctionType>> {
        let (place, ty) = self.resolved(place)?;
        if ty.kind != Kind::Function {
            return None;
        }
        if let Some(known) = self.functions.borrow().get(&place) {
            return known.clone();
        }
        let function = self.lowered(place, &ty).map(Rc::new);
        self.functions.borrow_mut().insert(place, function.clone());
        function
    }

    fn lowered(&self, place: Place, ty: &Type) -> Option<FunctionType> {
        let is_prototyped = match Language::of(self.unit(place))? {
            Language::C => ty.prototyped,
            Language::Cxx => true,
        };
        if !is_prototyped {
            return None;
        }
        let pointer = self.pointer(place);
        let (mut params, mut results) = (Vec::new(), Vec::new());
        if let Some(result) = ty.of {
            match self.passed(result, 0)? {
                Passed::Nothing => {}
                Passed::As(value) => results.push(value),
                Passed::Halves | Passed::InMemory => params.push(pointer),
            }
        }
        for part in &ty.parts {
            match self.passed(part.of?, 0)? {
                Passed::Nothing => {}
                Passed::As(value) => params.push(value),
                Passed::Halves => params.extend([ValType::I64; 2]),
                Passed::InMemory => params.push(pointer),
            }
        }
        if ty.unspecified {
            params.push(pointer);
        }
        Some(FunctionType { text: self.function_text(ty, "", 0), params, results })
    }

    fn pointer(&self, place: Place) -> ValType {
        match self.unit(place).header.address_size() {
            8 => ValType::I64,
            _ => ValType::I32,
        }
    }

    fn passed(&self, place: Place, depth: usize) -> Option<Passed> {
        let (place, ty) = self.resolved(place)?;
        let integer = |size: u64| match size {
            0..=4 => Passed::As(ValType::I32),
            5..=8 => Passed::As(ValType::I64),
            _ => Passed::Halves,
        };
        Some(match ty.kind {
            Kind::Base => match (ty.encoding?, ty.size?) {
                (dw::DW_ATE_complex_float, _) => Passed::InMemory,
                (dw::DW_ATE_float, 4) => Passed::As(ValType::F32),
                (dw::DW_ATE_float, 8) => Passed::As(ValType::F64),
                (_, size) => integer(size),
            },
            Kind::Enumeration => integer(ty.size?),
            Kind::Pointer => Passed::As(self.pointer(place)),
            Kind::Member => match self.resolved(ty.of?)?.1.kind {
                Kind::Function => Passed::InMemory,
                _ => Passed::As(self.pointer(place)),
            },
            Kind::Structure | Kind::Union => self.passed_whole(&ty, depth)?,
            Kind::Alias | Kind::Qualified | Kind::Array | Kind::Function | Kind::Other => {
                return None;
            }
        })
    }

    /// A structure of one member is passed as that is, and an empty one not at all; any other is in memory.
    fn passed_whole(&self, ty: &Type, depth: usize) -> Option<Passed> {
        if ty.by_reference || depth == MAX_DEPTH {
            return Some(Passed::InMemory);
        }
        let mut only = None;
        for part in &ty.parts {
            let passed = match self.resolved(part.of?)? {
                (_, array) if array.kind == Kind::Array => match array.count {
                    Some(1) => self.passed(array.of?, depth + 1)?,
                    _ => Passed::InMemory,
                },
                _ => self.passed(part.of?, depth + 1)?,
            };
            only = match (only, passed) {
                (only, Passed::Nothing) => only,
                (None, passed @ Passed::As(_)) if !part.is_bit_field => Some(passed),
                _ => return Some(Passed::InMemory),
            };
        }
        Some(only.unwrap_or(Passed::Nothing))
    }

    /// How a type is spelled, without qualifiers.
    fn text(&self, place: Option<Place>, depth: usize) -> String {
        let Some(place) = place else { return "void".into() };
        let Some((at, ty)) = self.resolved(place) else { return self.behind(place) };
        if depth == MAX_DEPTH {
            return "…".into();
        }
        let tag = match ty.kind {
            Kind::Pointer => return self.pointer_text(&ty, "*", depth),
            Kind::Member => return self.pointer_text(&ty, "::*", depth),
            Kind::Function => return self.function_text(&ty, "", depth),
            Kind::Array => return format!("{}[]", self.text(ty.of, depth + 1)),
            Kind::Structure => "struct",
            Kind::Union => "union",
            Kind::Enumeration => "enum",
            _ => "unknown",
        };
        let name = ty.name.clone().or_else(|| self.alias(place, at));
        name.unwrap_or_else(|| format!("{tag} {{…}}"))
    }

    /// What names and qualifiers end in that can't be read: nothing, for `const void`.
    fn behind(&self, place: Place) -> String {
        let mut at = Some(place);
        for _ in 0..MAX_ALIASES {
            let Some(ty) = at.and_then(|at| self.at(at)) else { break };
            if ty.of.is_none() {
                return "void".into();
            }
            at = ty.of;
        }
        "unknown".into()
    }

    /// The last name in front of a type that has none of its own.
    fn alias(&self, place: Place, ty: Place) -> Option<String> {
        let (mut at, mut name) = (place, None);
        for _ in 0..MAX_ALIASES {
            if at == ty {
                break;
            }
            let alias = self.at(at)?;
            name = alias.name.clone().or(name);
            at = alias.of?;
        }
        name
    }

    fn pointer_text(&self, ty: &Type, star: &str, depth: usize) -> String {
        let target = ty.of.and_then(|of| self.resolved(of));
        match target {
            Some((_, function)) if function.kind == Kind::Function => {
                self.function_text(&function, &format!("({star})"), depth + 1)
            }
            _ => {
                let target = self.text(ty.of, depth + 1);
                let space = if target.ends_with('*') { "" } else { " " };
                format!("{target}{space}{star}")
            }
        }
    }

    fn function_text(&self, ty: &Type, declarator: &str, depth: usize) -> String {
        let result = self.text(ty.of, depth + 1);
        let mut params: Vec<_> =
            ty.parts.iter().map(|part| self.text(part.of, depth + 1)).collect();
        if ty.unspecified {
            params.push("...".into());
        } else if params.is_empty() {
            params.push("void".into());
        }
        let space = if result.ends_with('*') { "" } else { " " };
        format!("{result}{space}{declarator}({})", params.join(", "))
    }
}

impl Kind {
    fn of(tag: DwTag) -> Option<Kind> {
        Some(match tag {
            dw::DW_TAG_base_type => Kind::Base,
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type => Kind::Pointer,
            dw::DW_TAG_typedef => Kind::Alias,
            dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type => Kind::Qualified,
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type => Kind::Structure,
            dw::DW_TAG_union_type => Kind::Union,
            dw::DW_TAG_enumeration_type => Kind::Enumeration,
            dw::DW_TAG_array_type => Kind::Array,
            dw::DW_TAG_subroutine_type => Kind::Function,
            dw::DW_TAG_ptr_to_member_type => Kind::Member,
            dw::DW_TAG_unspecified_type => Kind::Other,
            _ => return None,
        })
    }
}
