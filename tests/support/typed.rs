//! Gives a module the DWARF of a C program whose attributes have getters, for tests of what pointers of functions are declared as.
//!
//! ```c
//! typedef int (*getter)(struct object *, void *);
//! struct attribute { const char *name; getter get; } attributes[COUNT];
//! typedef int (*compare)(int, int);
//! ```

use super::dwarf::{bodies, written};
use gimli::write::{Address, AttributeValue, DwarfUnit, Expression, Unit, UnitEntryId};
use gimli::{DwTag, Encoding, Format, constants as dw};

/// The program.
pub struct Source<'a> {
    /// Where `attributes` is.
    pub address: u64,
    /// How many there are.
    pub count: u64,
    /// Functions: the position of the body among the module's, the name, and the type of its one parameter.
    pub funcs: &'a [(usize, &'a str, Takes)],
}

/// What a function takes.
#[derive(Clone, Copy)]
pub enum Takes {
    /// A pointer of an attribute.
    Attribute,
    /// A `compare`.
    Compare,
    /// An int.
    Int,
}

/// The sections for it.
pub fn sections(wasm: &[u8], version: u16, source: &Source<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let encoding = Encoding { format: Format::Dwarf32, version, address_size: 4 };
    let mut dwarf = DwarfUnit::new(encoding);
    let mut unit = Entries { unit: &mut dwarf.unit };
    unit.set(unit.root(), dw::DW_AT_language, AttributeValue::Language(dw::DW_LANG_C11));
    let int = unit.add(dw::DW_TAG_base_type, "int");
    unit.set(int, dw::DW_AT_byte_size, AttributeValue::Udata(4));
    unit.set(int, dw::DW_AT_encoding, AttributeValue::Encoding(dw::DW_ATE_signed));
    let object = unit.add(dw::DW_TAG_structure_type, "object");
    unit.set(object, dw::DW_AT_declaration, AttributeValue::Flag(true));
    let (object, any) = (unit.pointer(Some(object)), unit.pointer(None));
    let getter = unit.function(int, &[object, any]);
    let getter = unit.alias("getter", getter);
    let compare = unit.function(int, &[int, int]);
    let compare = unit.alias("compare", compare);
    let attribute = unit.add(dw::DW_TAG_structure_type, "attribute");
    unit.set(attribute, dw::DW_AT_byte_size, AttributeValue::Udata(8));
    for (offset, name, ty) in [(0, "name", any), (4, "get", getter)] {
        let member = unit.within(attribute, dw::DW_TAG_member, name, ty);
        unit.set(member, dw::DW_AT_data_member_location, AttributeValue::Udata(offset));
    }
    let array = unit.add(dw::DW_TAG_array_type, "");
    unit.set(array, dw::DW_AT_type, AttributeValue::UnitRef(attribute));
    let dimension = unit.within(array, dw::DW_TAG_subrange_type, "", int);
    unit.set(dimension, dw::DW_AT_count, AttributeValue::Udata(source.count));
    let attributes = unit.within(unit.root(), dw::DW_TAG_variable, "attributes", array);
    let mut place = Expression::new();
    place.op_addr(Address::Constant(source.address));
    unit.set(attributes, dw::DW_AT_location, AttributeValue::Exprloc(place));
    let attribute = unit.pointer(Some(attribute));
    let bodies = bodies(wasm);
    for (body, name, takes) in source.funcs {
        let func = unit.add(dw::DW_TAG_subprogram, name);
        let start = Address::Constant(bodies[*body].start);
        unit.set(func, dw::DW_AT_low_pc, AttributeValue::Address(start));
        let ty = match takes {
            Takes::Attribute => attribute,
            Takes::Compare => compare,
            Takes::Int => int,
        };
        unit.within(func, dw::DW_TAG_formal_parameter, "it", ty);
    }
    written(&mut dwarf)
}

struct Entries<'u> {
    unit: &'u mut Unit,
}

impl Entries<'_> {
    fn root(&self) -> UnitEntryId {
        self.unit.root()
    }

    fn set(&mut self, entry: UnitEntryId, name: gimli::DwAt, value: AttributeValue) {
        self.unit.get_mut(entry).set(name, value);
    }

    fn add(&mut self, tag: DwTag, name: &str) -> UnitEntryId {
        let entry = self.unit.add(self.unit.root(), tag);
        if !name.is_empty() {
            self.set(entry, dw::DW_AT_name, AttributeValue::String(name.into()));
        }
        entry
    }

    fn within(
        &mut self,
        parent: UnitEntryId,
        tag: DwTag,
        name: &str,
        ty: UnitEntryId,
    ) -> UnitEntryId {
        let entry = self.unit.add(parent, tag);
        if !name.is_empty() {
            self.set(entry, dw::DW_AT_name, AttributeValue::String(name.into()));
        }
        self.set(entry, dw::DW_AT_type, AttributeValue::UnitRef(ty));
        entry
    }

    fn pointer(&mut self, to: Option<UnitEntryId>) -> UnitEntryId {
        let entry = self.add(dw::DW_TAG_pointer_type, "");
        if let Some(to) = to {
            self.set(entry, dw::DW_AT_type, AttributeValue::UnitRef(to));
        }
        entry
    }

    fn function(&mut self, result: UnitEntryId, params: &[UnitEntryId]) -> UnitEntryId {
        let entry = self.add(dw::DW_TAG_subroutine_type, "");
        self.set(entry, dw::DW_AT_prototyped, AttributeValue::Flag(true));
        self.set(entry, dw::DW_AT_type, AttributeValue::UnitRef(result));
        for ty in params {
            self.within(entry, dw::DW_TAG_formal_parameter, "", *ty);
        }
        entry
    }

    /// A name for pointers of functions.
    fn alias(&mut self, name: &str, function: UnitEntryId) -> UnitEntryId {
        let pointer = self.pointer(Some(function));
        let alias = self.add(dw::DW_TAG_typedef, name);
        self.set(alias, dw::DW_AT_type, AttributeValue::UnitRef(pointer));
        alias
    }
}
