//! The closure as a report: plain data for people (text) and programs (JSON).

use crate::analyze::Analysis;
use crate::read::Module;
use serde::Serialize;

/// The closure of a module's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The entries that the module imports, as `module.name`.
    pub entries: Vec<String>,
    /// How many functions the closure has.
    pub counts: Counts,
    /// The functions of the closure, in index order.
    pub closure: Vec<Function>,
    /// What the closure relies on and this tool can't check, one sentence each.
    pub assumptions: Vec<String>,
}

/// How many functions the closure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub total: usize,
    /// Those that the module defines.
    pub local: usize,
    /// Those that it imports.
    pub import: usize,
}

/// A function of the closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its index in the function index space.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether it is an import.
    pub import: bool,
    /// Whether it can leave a frame: false for imports and for a function that is on the path by
    /// tail calls only.
    pub frames: bool,
}

impl Report {
    /// Describes `analysis` of `module`.
    pub fn new(_module: &Module<'_>, analysis: &Analysis) -> Report {
        Report {
            entries: Vec::new(),
            counts: Counts {
                total: 0,
                local: 0,
                import: 0,
            },
            closure: Vec::new(),
            assumptions: analysis.assumptions.clone(),
        }
    }
}
