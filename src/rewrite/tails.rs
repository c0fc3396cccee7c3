//! Functions that have no frame, for they tail-call whatever may lead to an entry: a rewind that comes to one goes on where the
//! frame on top belongs.
//!
//! ```wat
//! (if (global.get $state) (then (return_call $tails_0)))
//! ;; …as it was…
//! ```

use super::runtime::Runtime;
use crate::emit::{Edited, Splice};
use crate::error::Result;
use crate::plan::HandsOn;
use crate::read::Module;
use wasm_encoder::BlockType;

/// Rewrites the body of such a function.
pub(super) fn rewrite(module: &Module<'_>, hands_on: HandsOn, runtime: &Runtime) -> Result<Edited> {
    let HandsOn { func, group } = hands_on;
    let body = module.funcs[func].body.clone().expect("only defined functions have sites");
    let code = module.declarations(func)?.range.end;
    let mut out = Splice::new(module.bytes, body.len() + 16, runtime.maps_offsets);
    out.copy(body.start..code);
    let lookup = runtime.lookup(group);
    out.sink().global_get(runtime.state.0).if_(BlockType::Empty).return_call(lookup.0).end();
    out.copy(code..body.end);
    Ok(out.finish())
}
