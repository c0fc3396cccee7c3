//! The DWARF sections of a module.
//!
//! Input: a module. Output: the contents of each section by its name; those in several parts as one.

use crate::read::Module;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What begins the names of all of them.
pub(super) const PREFIX: &str = ".debug_";

/// The contents of the sections.
pub(super) struct Sections<'a> {
    by_name: BTreeMap<&'a str, Cow<'a, [u8]>>,
}

impl<'a> Sections<'a> {
    pub(super) fn of(module: &Module<'a>) -> Sections<'a> {
        let mut by_name: BTreeMap<&str, Cow<'_, [u8]>> = BTreeMap::new();
        for section in &module.sections {
            if section.id != 0 || !section.name.starts_with(PREFIX) {
                continue;
            }
            let contents = &module.bytes[section.contents.clone()];
            match by_name.get_mut(section.name) {
                Some(present) => present.to_mut().extend_from_slice(contents),
                None => _ = by_name.insert(section.name, Cow::Borrowed(contents)),
            }
        }
        Sections { by_name }
    }

    /// The contents of a section; none if it isn't there.
    pub(super) fn get(&self, name: &str) -> &[u8] {
        self.by_name.get(name).map_or(&[], |contents| contents)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}
