//! Tail calls of imports that can't be made calls: which imports get a function of the module that stands in for them.
//!
//! A tail call of an import that has to be called again becomes a call and a return, so that there is a frame. Inside a `try` that
//! would throw into the `try`, and in a loop of tail calls it would take stack space for each round. There the import gets a
//! *stand-in*, which does nothing but call it: that one has the frame. Which function a reference is of can't be seen in
//! WebAssembly, so where such a call is made through a table or a reference, all references of the import become the stand-in's.
//!
//! Input: what is refused. Output: [`StandIns`]; without those calls, nothing.

use crate::analyze::{Analysis, Target};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::options::Options;
use crate::read::Module;
use crate::refusal::RefusalKind;
use std::collections::BTreeSet;

/// What is to have stand-ins, and where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StandIns {
    /// The imports.
    pub imports: BTreeSet<FuncIdx>,
    /// The offsets of the tail calls that are to call stand-ins.
    pub calls: BTreeSet<usize>,
    /// Whether references of the imports become references of the stand-ins.
    pub references: bool,
}

/// The stand-ins that may lift all that the module is refused for; nothing where there is nothing to lift, or more.
///
/// # Errors
/// [`crate::Error::Internal`] if a body can't be read again.
pub fn stand_ins(
    module: &Module<'_>,
    analysis: &Analysis,
    options: &Options,
) -> Result<Option<StandIns>> {
    let mut sites = analysis.sites.iter().flatten();
    let is_wanted = sites.any(|site| site.tail && !site.leaves_no_frame());
    // What is assumed of functions was said without knowing of stand-ins, which have frames, too.
    if !is_wanted || !options.assumptions.is_empty() {
        return Ok(None);
    }
    let refusals = super::refusals(module, analysis, options)?;
    let is_other = |kind: RefusalKind| kind != RefusalKind::TailCall;
    if refusals.is_empty() || refusals.iter().any(|refusal| is_other(refusal.kind)) {
        return Ok(None);
    }
    let mut wanted = StandIns::default();
    // Of a function not all may be refused by name.
    let funcs = refusals.iter().filter_map(|refusal| refusal.location.as_ref());
    for site in funcs.flat_map(|location| &analysis.sites[FuncIdx(location.func)]) {
        match site.target {
            Target::Import(import) if site.tail => {
                wanted.imports.insert(import);
                wanted.calls.insert(site.offset as usize);
            }
            Target::Indirect { may_be_import } | Target::Ref { may_be_import } => {
                wanted.references |= may_be_import;
            }
            _ => {}
        }
    }
    if wanted.references {
        let imports = analysis.closure.indices().take(module.imported_funcs);
        wanted.imports.extend(imports.filter(|import| analysis.closure[*import]));
        wanted.imports.extend(&analysis.entries);
    }
    Ok(Some(wanted))
}
