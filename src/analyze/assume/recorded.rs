//! Which functions of a module a profile means.
//!
//! | the profile has | the module has | meant |
//! |---|---|---|
//! | an index and a name | that function with that name | it |
//! | | one other function with that name | that one: indices have shifted since |
//! | | no function with that name, and none for the index | the index: the names were stripped |
//! | an index alone | a function there | it |
//! | an index and a body, and no name here | that function with that body | it |
//! | | one other function with that body | that one |
//! | a name alone | one function with that name | it |
//!
//! Anything else is a profile of another build. Imports leave no frames, so they are passed over.

use super::patterns::FuncNames;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::profile::{Profile, Seen};
use crate::read::Module;

/// The functions of `profile`, in its order.
///
/// # Errors
/// [`Error::StaleProfile`] if it was recorded from another build of the module.
pub(super) fn functions(
    module: &Module<'_>,
    names: &FuncNames<'_>,
    profile: &Profile,
) -> Result<Vec<FuncIdx>> {
    let mut found = Vec::new();
    // Those without a count are there for the time that they took.
    let seen = profile.functions.iter().filter(|seen| seen.count > 0);
    for seen in seen.filter(|seen| !is_import(module, seen)) {
        let func = function(module, names, seen).map_err(|reason| Error::StaleProfile {
            function: seen.to_string(),
            reason: reason.into(),
        })?;
        found.push(func);
    }
    Ok(found)
}

fn is_import(module: &Module<'_>, seen: &Seen) -> bool {
    let import = seen.index.map(FuncIdx).filter(|func| module.is_import(*func));
    import
        .is_some_and(|func| seen.name.as_deref().is_none_or(|n| module.names.func(func) == Some(n)))
}

/// The function that was seen, or why there is none.
pub(crate) fn function(
    module: &Module<'_>,
    names: &FuncNames<'_>,
    seen: &Seen,
) -> Result<FuncIdx, &'static str> {
    let at = seen.index.and_then(|index| names.at(index as usize));
    let Some(name) = &seen.name else {
        return by_body(names, seen, at);
    };
    let named = names.named(name);
    match (named.as_slice(), at) {
        (named, Some(at)) if named.contains(&at) => Ok(at),
        ([func], _) => Ok(*func),
        ([], Some(at)) if module.names.func(at).is_none() => by_body(names, seen, Some(at)),
        ([], Some(_)) => Err("has another name here"),
        ([], None) if seen.body.is_some() => by_body(names, seen, None),
        ([], None) => Err("does not exist here"),
        ([_, ..], _) => Err("may be any of several functions of that name here"),
    }
}

/// The function with the body that was seen; where none was noted, the one with its index.
fn by_body(
    names: &FuncNames<'_>,
    seen: &Seen,
    at: Option<FuncIdx>,
) -> Result<FuncIdx, &'static str> {
    let Some(body) = &seen.body else { return at.ok_or("does not exist here") };
    let found = names.with_body(body);
    match (found, at) {
        (found, Some(at)) if found.contains(&at) => Ok(at),
        ([func], _) => Ok(*func),
        ([], _) => Err("has no name, and no function has its body here"),
        ([_, ..], _) => Err("has no name, and may be any of several functions with its body here"),
    }
}

/// Whether the profile says that it was recorded from other bytes than the module's.
pub(super) fn from_other_bytes(module: &Module<'_>, profile: &Profile) -> bool {
    profile.module.as_ref().is_some_and(|recorded| *recorded != module.digest())
}
