//! Places in a module, for messages.

use crate::text::escape;
use std::fmt;

/// A place in a function of the input: which function, and how far into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The function, by its index in the function index space.
    pub func: u32,
    /// Its name, from the name section, an import or an export.
    pub name: Option<String>,
    /// Offset in bytes from the start of the input module.
    pub offset: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.func)?;
        if let Some(name) = &self.name {
            write!(f, " ({})", escape(name))?;
        }
        write!(f, " at offset {:#x}", self.offset)
    }
}
