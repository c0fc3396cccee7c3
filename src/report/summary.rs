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
    /// The size of its resume module, if it has one.
    pub resume_module_bytes: Option<usize>,
}

impl Summary {
    /// What `plan` will do; the size of the output is not known yet.
    pub(crate) fn new(module: &Module<'_>, plan: &Plan) -> Summary {
        Summary {
            instrumented: plan.funcs.len() + plan.tails.frameless.len(),
            sites: plan.funcs.iter().map(|func| func.sites as usize).sum(),
            guards: plan.guards.count(),
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
            resume_module_bytes: None,
        }
    }

    /// The same with the sizes of what was written.
    pub(crate) fn with_sizes(self, wasm: &[u8], resume_module: Option<&[u8]>) -> Summary {
        let resume_module_bytes = resume_module.map(<[u8]>::len);
        Summary { bytes_after: wasm.len(), resume_module_bytes, ..self }
    }
}

/// The warning that a resume module was asked for in vain.
pub(crate) fn resumes_nothing(plan: &Plan) -> Option<String> {
    let is_empty = plan.resume_module.as_ref().is_some_and(Vec::is_empty);
    is_empty.then(|| {
        let stays = plan.funcs.iter().filter(|func| func.resume.is_some()).count();
        let why = match stays {
            0 => "no function was put apart".into(),
            stays => format!("the resume functions of {} name segments", count(stays, "function")),
        };
        format!("the resume module has no functions: {why}")
    })
}

/// `instrumented 224 of 507 functions, with 1190 sites and no guards: from 246131 to 290652 bytes (1.181×)`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { functions, instrumented, sites, guards, bytes_before, bytes_after, .. } =
            self;
        write!(f, "instrumented {instrumented} of {}", count(*functions, "function"))?;
        write!(f, ", with {}", count(*sites, "site"))?;
        match guards {
            0 => write!(f, " and no guards: ")?,
            guards => write!(f, " and {}: ", count(*guards, "guard"))?,
        }
        write!(f, "{}", growth(*bytes_before, *bytes_after))?;
        match self.resume_module_bytes {
            Some(bytes) => write!(f, ", and a resume module of {bytes} bytes"),
            None => Ok(()),
        }
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
