//! Which functions of a module a profile means.
//!
//! | the profile has | the module has | meant |
//! |---|---|---|
//! | an index and a name | that function with that name | it |
//! | | one other function with that name | that one: indices have shifted since |
//! | | no function with that name, and none for the index | the index: the names were stripped |
//! | an index alone | a function there | it |
//! | a name alone | one function with that name | it |
//!
//! Anything else is a profile of another build. Imports leave no frames, so they are passed over.

use super::patterns::FuncNames;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::profile::{Profile, Seen};
use crate::read::Module;
use sha2::{Digest, Sha256};

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
        return at.ok_or("does not exist here");
    };
    let named = names.named(name);
    match (named.as_slice(), at) {
        (named, Some(at)) if named.contains(&at) => Ok(at),
        ([func], _) => Ok(*func),
        ([], Some(at)) if module.names.func(at).is_none() => Ok(at),
        ([], Some(_)) => Err("has another name here"),
        ([], None) => Err("does not exist here"),
        ([_, ..], _) => Err("may be any of several functions of that name here"),
    }
}

/// Whether the profile says that it was recorded from other bytes than the module's.
pub(super) fn from_other_bytes(module: &Module<'_>, profile: &Profile) -> bool {
    profile.module.as_ref().is_some_and(|recorded| {
        let digest = Sha256::digest(module.bytes);
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        !recorded.chars().eq(digits)
    })
}
