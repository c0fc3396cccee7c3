//! Abbreviations: which attributes a DIE has, in which forms.
//!
//! Input: `.debug_abbrev`. Output: a table of it; and the table of the DIEs that are added.

use super::bytes::{Reader, Result, put_uleb};
use super::forms::{Encoding, fixed_size};
use crate::work;
use gimli::constants as dw;
use gimli::{DwAt, DwForm, DwTag};
use std::collections::BTreeMap;

/// The abbreviations of units, by their codes.
pub(super) struct Table {
    /// Those of the codes from 1 on, as long as none is missing.
    first: Vec<Abbreviation>,
    others: BTreeMap<u64, Abbreviation>,
}

/// What the DIEs of one code have.
pub(super) struct Abbreviation {
    pub(super) tag: DwTag,
    pub(super) has_children: bool,
    pub(super) attributes: Vec<(DwAt, DwForm)>,
    /// Whether none of it can speak of code.
    pub(super) is_plain: bool,
}

impl Table {
    /// Reads the table at the reader's place.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Table> {
        let (mut first, mut others) = (Vec::new(), BTreeMap::new());
        loop {
            work::count(1);
            let code = reader.uleb()?;
            if code == 0 {
                return Ok(Table { first, others });
            }
            let tag = DwTag(reader.uleb()? as u16);
            let has_children = reader.u8()? != 0;
            let mut attributes = Vec::new();
            loop {
                let (name, form) = (reader.uleb()?, reader.uleb()?);
                if (name, form) == (0, 0) {
                    break;
                }
                let form = DwForm(form as u16);
                if form == dw::DW_FORM_implicit_const {
                    reader.sleb()?;
                }
                attributes.push((DwAt(name as u16), form));
            }
            let is_plain = !attributes.iter().any(|(name, _)| may_speak_of_code(*name));
            let abbreviation = Abbreviation { tag, has_children, attributes, is_plain };
            if code == first.len() as u64 + 1 {
                first.push(abbreviation);
            } else {
                others.insert(code, abbreviation);
            }
        }
    }

    pub(super) fn get(&self, code: u64) -> Option<&Abbreviation> {
        let position = usize::try_from(code).ok()?.checked_sub(1)?;
        self.first.get(position).or_else(|| self.others.get(&code))
    }
}

impl Abbreviation {
    /// The bytes of a DIE behind its code, if all of this code take as many.
    pub(super) fn fixed_size(&self, encoding: Encoding) -> Option<usize> {
        self.attributes.iter().map(|(_, form)| fixed_size(*form, encoding)).sum()
    }
}

/// Whether an attribute says where code is, or something that is where code is.
pub(super) fn may_speak_of_code(name: DwAt) -> bool {
    matches!(
        name,
        dw::DW_AT_low_pc
            | dw::DW_AT_high_pc
            | dw::DW_AT_entry_pc
            | dw::DW_AT_ranges
            | dw::DW_AT_call_pc
            | dw::DW_AT_call_return_pc
            | dw::DW_AT_stmt_list
            | dw::DW_AT_rnglists_base
            | dw::DW_AT_loclists_base
            | dw::DW_AT_dwo_name
            | dw::DW_AT_GNU_dwo_name
    ) || is_location(name)
}

/// Whether the value of an attribute may be a list of locations.
pub(super) fn is_location(name: DwAt) -> bool {
    matches!(
        name,
        dw::DW_AT_location
            | dw::DW_AT_string_length
            | dw::DW_AT_return_addr
            | dw::DW_AT_frame_base
            | dw::DW_AT_static_link
            | dw::DW_AT_use_location
            | dw::DW_AT_vtable_elem_location
            | dw::DW_AT_segment
    )
}

/// A tag, whether there are children, and the attributes with their forms.
type Spelled = (u16, bool, Vec<(u16, u16)>);

/// Abbreviations of DIEs that are added, by what they have.
#[derive(Default)]
pub(super) struct NewTable {
    codes: BTreeMap<Spelled, u64>,
    bytes: Vec<u8>,
}

impl NewTable {
    /// The code of DIEs that have this.
    pub(super) fn code(
        &mut self,
        tag: DwTag,
        has_children: bool,
        attributes: &[(DwAt, DwForm)],
    ) -> u64 {
        let spelled: Vec<_> = attributes.iter().map(|(name, form)| (name.0, form.0)).collect();
        let next = self.codes.len() as u64 + 1;
        let code = *self.codes.entry((tag.0, has_children, spelled)).or_insert(next);
        if code == next {
            let numbers = [code, tag.0.into(), has_children.into()];
            numbers.into_iter().for_each(|number| put_uleb(&mut self.bytes, number));
            for (name, form) in attributes {
                put_uleb(&mut self.bytes, name.0.into());
                put_uleb(&mut self.bytes, form.0.into());
            }
            self.bytes.extend([0, 0]);
        }
        code
    }

    /// The table's bytes; none if it has nothing.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.bytes.is_empty() {
            self.bytes.push(0);
        }
        self.bytes
    }
}
