//! The forms that values of attributes have.
//!
//! Input: a form and what follows. Output: the value, as far as moving code needs it.

use super::bytes::{Reader, Result};
use gimli::DwForm;
use gimli::constants as dw;
use std::ops::Range;

/// How numbers are spelled in a unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    pub(super) version: u16,
    pub(super) is_64: bool,
    pub(super) address_size: usize,
}

impl Encoding {
    /// How many bytes an offset into another section takes.
    pub(super) fn offset_size(self) -> usize {
        if self.is_64 { 8 } else { 4 }
    }

    /// The form of an offset into another section.
    pub(super) fn offset_form(self) -> DwForm {
        match (self.version, self.is_64) {
            (4.., _) => dw::DW_FORM_sec_offset,
            (_, false) => dw::DW_FORM_data4,
            (_, true) => dw::DW_FORM_data8,
        }
    }

    fn reference_size(self) -> usize {
        if self.version <= 2 { self.address_size } else { self.offset_size() }
    }
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Address(u64),
    /// A slot of `.debug_addr`.
    Slot(u64),
    /// A number; in old versions an offset into another section, too.
    Number(u64),
    /// An offset into another section.
    Offset(u64),
    /// The position of a list among those of the unit.
    List(u64),
    /// A DIE, from the start of the unit.
    InUnit(u64),
    /// A DIE, from the start of the section.
    InSection(u64),
    /// Bytes: where they are.
    Block(Range<usize>),
    /// Whatever has nothing to do with code.
    Other,
}

/// The bytes that a value takes, if all of its form take as many.
pub(super) fn fixed_size(form: DwForm, encoding: Encoding) -> Option<usize> {
    Some(match form {
        dw::DW_FORM_addr => encoding.address_size,
        dw::DW_FORM_flag_present | dw::DW_FORM_implicit_const => 0,
        dw::DW_FORM_data1
        | dw::DW_FORM_flag
        | dw::DW_FORM_ref1
        | dw::DW_FORM_strx1
        | dw::DW_FORM_addrx1 => 1,
        dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => 2,
        dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => 3,
        dw::DW_FORM_data4
        | dw::DW_FORM_ref4
        | dw::DW_FORM_strx4
        | dw::DW_FORM_addrx4
        | dw::DW_FORM_ref_sup4 => 4,
        dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sig8 | dw::DW_FORM_ref_sup8 => 8,
        dw::DW_FORM_data16 => 16,
        dw::DW_FORM_sec_offset
        | dw::DW_FORM_strp
        | dw::DW_FORM_line_strp
        | dw::DW_FORM_strp_sup
        | dw::DW_FORM_GNU_ref_alt
        | dw::DW_FORM_GNU_strp_alt => encoding.offset_size(),
        dw::DW_FORM_ref_addr => encoding.reference_size(),
        _ => return None,
    })
}

/// Passes a value.
pub(super) fn skip(reader: &mut Reader<'_>, form: DwForm, encoding: Encoding) -> Result<()> {
    match fixed_size(form, encoding) {
        Some(size) => reader.skip(size),
        None => read(reader, form, encoding).map(|_| ()),
    }
}

/// Reads a value; that of `implicit_const` stands elsewhere.
pub(super) fn read(reader: &mut Reader<'_>, form: DwForm, encoding: Encoding) -> Result<Value> {
    if let Some(size) = fixed_size(form, encoding) {
        if size > 8 {
            reader.skip(size)?;
            return Ok(Value::Other);
        }
        let number = reader.number(size)?;
        return Ok(match form {
            dw::DW_FORM_addr => Value::Address(number),
            dw::DW_FORM_addrx1 | dw::DW_FORM_addrx2 | dw::DW_FORM_addrx3 | dw::DW_FORM_addrx4 => {
                Value::Slot(number)
            }
            dw::DW_FORM_data1 | dw::DW_FORM_data2 | dw::DW_FORM_data4 | dw::DW_FORM_data8 => {
                Value::Number(number)
            }
            dw::DW_FORM_sec_offset => Value::Offset(number),
            dw::DW_FORM_ref1 | dw::DW_FORM_ref2 | dw::DW_FORM_ref4 | dw::DW_FORM_ref8 => {
                Value::InUnit(number)
            }
            dw::DW_FORM_ref_addr => Value::InSection(number),
            _ => Value::Other,
        });
    }
    let block = |reader: &mut Reader<'_>, length: u64| {
        let start = reader.at();
        reader.skip(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Value::Block(start..reader.at()))
    };
    Ok(match form {
        dw::DW_FORM_addrx | dw::DW_FORM_GNU_addr_index => Value::Slot(reader.uleb()?),
        dw::DW_FORM_udata => Value::Number(reader.uleb()?),
        dw::DW_FORM_sdata => Value::Number(reader.sleb()? as u64),
        dw::DW_FORM_rnglistx | dw::DW_FORM_loclistx => Value::List(reader.uleb()?),
        dw::DW_FORM_ref_udata => Value::InUnit(reader.uleb()?),
        dw::DW_FORM_strx | dw::DW_FORM_GNU_str_index => {
            reader.uleb()?;
            Value::Other
        }
        dw::DW_FORM_string => {
            reader.text()?;
            Value::Other
        }
        dw::DW_FORM_exprloc | dw::DW_FORM_block => {
            let length = reader.uleb()?;
            block(reader, length)?
        }
        dw::DW_FORM_block1 => {
            let length = reader.number(1)?;
            block(reader, length)?
        }
        dw::DW_FORM_block2 => {
            let length = reader.number(2)?;
            block(reader, length)?
        }
        dw::DW_FORM_block4 => {
            let length = reader.number(4)?;
            block(reader, length)?
        }
        _ => return Err(reader.fault("an unknown form")),
    })
}
