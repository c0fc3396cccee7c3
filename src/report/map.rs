//! The closure as something to look at: how large each function is, and by which call it leads towards an entry.

use super::closure::import_name;
use super::explain::Describer;
use crate::analyze::Explainer;
use crate::error::Result;
use crate::index::FuncIdx;
use crate::options::Options;
use crate::read::Module;
use serde::Serialize;

/// The closure of a module, function by function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClosureMap {
    /// How many functions the module defines.
    pub functions: usize,
    /// The bytes of all their bodies.
    pub code_bytes: u64,
    /// The entries, as `module.name`.
    pub entries: Vec<String>,
    /// The functions that the module defines, by index.
    pub all: Vec<MapFunction>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapFunction {
    /// Its index.
    pub index: u32,
    /// Its name, as the source language spells it, if it has one.
    pub name: Option<String>,
    /// The bytes of its body.
    pub bytes: u64,
    /// Whether it is in the closure.
    pub closure: bool,
    /// The first call of a shortest path to an entry, if it is in the closure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextCall>,
}

/// A call that leads towards an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextCall {
    /// Index of the function that is called; none if it is another module's.
    pub callee: Option<u32>,
    /// What that is called.
    pub name: Option<String>,
    /// Offset of the call in bytes from the start of the module.
    pub offset: Option<u32>,
    /// Why it can be called, in words.
    pub evidence: String,
}

impl ClosureMap {
    pub(crate) fn of(module: &Module<'_>, options: &Options) -> Result<ClosureMap> {
        let explainer = Explainer::new(module, options)?;
        let describer = Describer { module, explainer: &explainer };
        let spelled = |func| {
            let function = describer.function(func);
            function.demangled.or(function.name)
        };
        let bytes =
            |func: FuncIdx| module.funcs[func].body.as_ref().map_or(0, |body| body.len() as u64);
        let all = module.defined_funcs().map(|func| {
            let next = explainer.first_call(func).map(|edge| {
                let call = describer.call(&edge);
                NextCall {
                    callee: edge.callee.map(|callee| callee.0),
                    name: edge.callee.and_then(spelled),
                    offset: call.offset,
                    evidence: call.evidence,
                }
            });
            let (name, closure) = (spelled(func), explainer.is_inside(func));
            MapFunction { index: func.0, name, bytes: bytes(func), closure, next }
        });
        let all: Vec<_> = all.collect();
        let imports = (0..module.imported_funcs as u32).map(FuncIdx);
        let entries = imports.filter(|func| explainer.is_entry(*func));
        Ok(ClosureMap {
            functions: all.len(),
            code_bytes: all.iter().map(|function| function.bytes).sum(),
            entries: entries.map(|entry| import_name(module, entry)).collect(),
            all,
        })
    }
}
