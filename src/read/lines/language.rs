//! In which language a unit was written.

use super::Bytes;
use gimli::constants as dw;
use gimli::{AttributeValue, DwLang, Unit};

/// Those whose functions have an ABI that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cxx,
}

impl Language {
    /// `None` for others than these two.
    pub(super) fn of(unit: &Unit<Bytes>) -> Option<Language> {
        const C: [DwLang; 5] =
            [dw::DW_LANG_C, dw::DW_LANG_C89, dw::DW_LANG_C99, dw::DW_LANG_C11, dw::DW_LANG_C17];
        const CXX: [DwLang; 6] = [
            dw::DW_LANG_C_plus_plus,
            dw::DW_LANG_C_plus_plus_03,
            dw::DW_LANG_C_plus_plus_11,
            dw::DW_LANG_C_plus_plus_14,
            dw::DW_LANG_C_plus_plus_17,
            dw::DW_LANG_C_plus_plus_20,
        ];
        let root = unit.entry(unit.header.root_offset()).ok()?;
        match root.attr_value(dw::DW_AT_language)? {
            AttributeValue::Language(language) if C.contains(&language) => Some(Language::C),
            AttributeValue::Language(language) if CXX.contains(&language) => Some(Language::Cxx),
            _ => None,
        }
    }
}
