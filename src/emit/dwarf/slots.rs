//! `.debug_addr`: slots of which some hold addresses of code, and others those of data.
//!
//! Input: which slots are named as code. Output: the section with those moved.

use super::addresses::Addresses;
use super::bytes::overwrite;
use super::forms::Value;
use super::sections::Sections;
use super::unit::Unit;
use std::collections::BTreeMap;

/// The slots that hold addresses of code: where they are, with those.
#[derive(Default)]
pub(super) struct Slots {
    of_code: BTreeMap<usize, (u64, usize)>,
}

impl Slots {
    /// The address in a slot of the unit, which is noted.
    pub(super) fn code(&mut self, sections: &Sections<'_>, unit: &Unit, slot: u64) -> Option<u64> {
        let address = unit.address(sections, &Value::Slot(slot))?;
        self.of_code.insert(unit.slot(slot)?, (address, unit.encoding.address_size));
        Some(address)
    }

    /// Moves them.
    pub(super) fn finish(&self, section: &mut [u8], addresses: &Addresses<'_>) {
        for (at, (old, size)) in &self.of_code {
            if let Some(new) = addresses.new_of(*old) {
                overwrite(section, *at, new, *size);
            }
        }
    }
}
