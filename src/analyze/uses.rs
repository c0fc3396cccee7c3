//! How often functions are called. That doesn't depend on what the entries are.

use super::facts::{Callee, Facts};
use super::host;
use super::taken;
use crate::error::Result;
use crate::index::{FuncIdx, IndexVec};
use crate::read::Module;

/// How the functions of a module are used.
pub struct Uses {
    /// How many calls that can run name each function.
    pub calls: IndexVec<FuncIdx, usize>,
    /// Whether its reference exists, so that others may call it.
    pub referenced: IndexVec<FuncIdx, bool>,
}

impl Uses {
    /// Finds them.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if a validated body can't be read once more.
    pub fn find(module: &Module<'_>) -> Result<Uses> {
        let facts = Facts::collect(module, &host::visible_tables(module))?;
        let mut calls = IndexVec::filled(0, module.funcs.len());
        for call in facts.calls.iter().flatten() {
            if let Callee::Direct { func, .. } = call.callee {
                calls[func] += 1;
            }
        }
        Ok(Uses { calls, referenced: taken::mentioned(module, &facts.uses) })
    }
}
