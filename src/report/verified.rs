//! What was found out of an output that was held against its original.

use crate::read::Module;
use crate::text::{count, escape};
use crate::verify;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What [`crate::verify()`] found: nothing is wrong with what was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// How many defined functions are copies, byte for byte.
    pub copied: usize,
    /// How many differ from their originals by guards alone.
    pub guarded: usize,
    /// How many were rewritten and proved to do what their originals do.
    pub proved: usize,
    /// The functions that were rewritten and of which nothing is known, in index order.
    pub unchecked: Vec<Unchecked>,
    /// What the output has more than the original, section by section.
    pub added: Vec<Added>,
    /// The custom sections that it has not, since they speak of code that moved.
    pub left_out: Vec<String>,
}

/// A rewritten function of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unchecked {
    /// Its index.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What of it isn't understood.
    pub reason: String,
}

/// What a section has more than the original's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Added {
    /// The section's name.
    pub section: String,
    /// How many items.
    pub items: u32,
}

impl Verified {
    pub(crate) fn new(module: &Module<'_>, found: verify::Verified) -> Verified {
        let verify::Verified { added, left_out, copied, guarded, proved, unchecked } = found;
        let unchecked = unchecked.into_iter().map(|(func, reason)| {
            let name = module.func_name(func).map(Into::into);
            Unchecked { index: func.0, name, reason }
        });
        let added = added.into_iter();
        let added = added.map(|(section, items)| Added { section: section.to_owned(), items });
        let (unchecked, added) = (unchecked.collect(), added.collect());
        Verified { copied, guarded, proved, unchecked, added, left_out }
    }

    /// Whether every rewritten function was proved.
    pub fn is_complete(&self) -> bool {
        self.unchecked.is_empty()
    }

    /// How many functions were not checked for each reason, most first.
    pub fn reasons(&self) -> Vec<(&str, usize)> {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for unchecked in &self.unchecked {
            *reasons.entry(&unchecked.reason).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }
}

/// A line for each kind of function, those that were not checked by name, and what was added.
impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} the original's, byte for byte", count(self.copied, "function"))?;
        writeln!(f, "{} differ by their guards alone", count(self.guarded, "function"))?;
        writeln!(f, "{} rewritten and proved", count(self.proved, "function"))?;
        writeln!(f, "{} rewritten and NOT checked", count(self.unchecked.len(), "function"))?;
        for (reason, functions) in self.reasons() {
            writeln!(f, "  {functions} for {reason}")?;
        }
        for Unchecked { index, name, reason } in &self.unchecked {
            let name = name.as_deref().map_or("-".into(), escape);
            writeln!(f, "  {index} {name}: {reason}")?;
        }
        let added = self.added.iter().map(|added| format!("{} {}", added.section, added.items));
        writeln!(f, "added: {}", added.collect::<Vec<_>>().join(", "))?;
        let left_out: Vec<_> =
            self.left_out.iter().map(|name| format!("`{}`", escape(name))).collect();
        match left_out.is_empty() {
            true => Ok(()),
            false => writeln!(f, "left out: {}", left_out.join(", ")),
        }
    }
}
