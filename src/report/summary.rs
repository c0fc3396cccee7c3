//! What was done to a module, in one line of figures.

use crate::plan::Plan;
use crate::read::Module;
use crate::shim::ShimOutput;
use crate::text::count;
use serde::Serialize;
use std::fmt;

/// What instrumenting did to a module, in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many functions the module defines.
    pub functions: usize,
    /// How many of them were rewritten, so that they can be unwound.
    pub instrumented: usize,
    /// How many sites these have.
    pub sites: usize,
    /// How many calls are guarded.
    pub guards: usize,
    /// The size of the module in bytes.
    pub bytes_before: usize,
    /// The size of what became of it.
    pub bytes_after: usize,
}

impl Summary {
    /// What `plan` will do; the size of the output is not known yet.
    pub(crate) fn new(module: &Module<'_>, plan: &Plan) -> Summary {
        Summary {
            instrumented: plan.funcs.len() + plan.tails.frameless.len(),
            sites: plan.funcs.iter().map(|func| func.sites as usize).sum(),
            guards: plan.guards.iter().map(|guarded| guarded.calls.len()).sum(),
            ..Summary::untouched(module)
        }
    }

    /// That nothing was done.
    pub(crate) fn untouched(module: &Module<'_>) -> Summary {
        Summary {
            functions: module.defined_funcs().len(),
            instrumented: 0,
            sites: 0,
            guards: 0,
            bytes_before: module.bytes.len(),
            bytes_after: module.bytes.len(),
        }
    }
}

/// `instrumented 224 of 507 functions, with 1190 sites and no guards: from 246131 to 290652 bytes (1.181×)`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { functions, instrumented, sites, guards, bytes_before, bytes_after } = self;
        write!(f, "instrumented {instrumented} of {}", count(*functions, "function"))?;
        write!(f, ", with {}", count(*sites, "site"))?;
        match guards {
            0 => write!(f, " and no guards: ")?,
            guards => write!(f, " and {}: ", count(*guards, "guard"))?,
        }
        write!(f, "{}", growth(*bytes_before, *bytes_after))
    }
}

/// `from 246131 to 290652 bytes (1.181×)`.
fn growth(before: usize, after: usize) -> String {
    format!("from {before} to {after} bytes ({:.3}×)", after as f64 / before as f64)
}

impl ShimOutput {
    /// `repaired 3 calls with 2 adapters: from 246131 to 246312 bytes (1.001×)`.
    pub fn summary(&self) -> String {
        let (calls, adapters) = (count(self.calls, "call"), count(self.adapters, "adapter"));
        let growth = growth(self.bytes_before, self.wasm.len());
        format!("repaired {calls} with {adapters}: {growth}")
    }
}
