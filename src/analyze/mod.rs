//! **analyze**: states facts about a module: which functions can be on the stack when an entry is
//! called, and at which call sites.
//!
//! Input: a [`Module`] and the options. Output: an [`Analysis`].

use crate::error::Result;
use crate::index::{FuncIdx, IndexVec};
use crate::options::Options;
use crate::read::Module;

/// What `analyze` found: facts only, no decisions.
#[derive(Debug)]
pub struct Analysis {
    /// The function imports that match the options' entry patterns, in index order.
    pub entries: Vec<FuncIdx>,
    /// For each function, whether it can be on the stack when an entry is called. Entries are in
    /// the closure themselves.
    pub closure: IndexVec<FuncIdx, bool>,
    /// For each function the sites in it, in order of offset: empty for all outside the closure.
    pub sites: IndexVec<FuncIdx, Vec<Site>>,
    /// What the closure relies on and this tool can't check, one sentence each.
    pub assumptions: Vec<String>,
}

/// A call instruction that may lead to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// What is called.
    pub target: Target,
    /// Whether it is a tail call (`return_call…`), which leaves no frame behind.
    pub tail: bool,
}

/// What a site calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `call` of an imported function: an entry.
    Import(FuncIdx),
    /// `call` of a function in the closure that this module defines.
    Defined(FuncIdx),
    /// `call_indirect`. `may_be_import`: whether an imported function of the closure can be its
    /// target, which needs the original arguments when it is called again.
    Indirect {
        /// Whether the target can be an import.
        may_be_import: bool,
    },
    /// `call_ref`; otherwise as `Indirect`.
    Ref {
        /// Whether the target can be an import.
        may_be_import: bool,
    },
}

impl Analysis {
    /// Analyzes `module`.
    ///
    /// # Errors
    /// [`crate::Error::MissingEntry`] if no import matches and the options don't allow that.
    pub fn run(_module: &Module<'_>, _options: &Options) -> Result<Analysis> {
        Err(crate::Error::Internal("analysis is not built yet".into()))
    }
}
