//! Finds the entries: the function imports that the options' patterns match.

use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options};
use crate::read::{FuncKind, Module};

/// The imports that any pattern matches, in index order.
///
/// # Errors
/// [`Error::MissingEntry`] for the first pattern that matches nothing, unless the options accept
/// that.
pub(super) fn find(module: &Module<'_>, options: &Options) -> Result<Vec<FuncIdx>> {
    if !options.allow_missing_entry
        && let Some(pattern) = options
            .entries
            .iter()
            .find(|pattern| !imports(module).any(|(_, m, n)| pattern.matches(m, n)))
    {
        return Err(Error::MissingEntry {
            entry: pattern.to_string(),
            near: near(module, pattern),
        });
    }
    Ok(imports(module)
        .filter(|(_, m, n)| options.entries.iter().any(|pattern| pattern.matches(m, n)))
        .map(|(func, ..)| func)
        .collect())
}

/// The function imports with their module and field names.
pub(super) fn imports<'m>(
    module: &'m Module<'_>,
) -> impl Iterator<Item = (FuncIdx, &'m str, &'m str)> {
    module
        .funcs
        .iter_enumerated()
        .map_while(|(func, entity)| match entity.kind {
            FuncKind::Import { module, name } => Some((func, module, name)),
            FuncKind::Defined { .. } => None,
        })
}

/// How many similar names an error offers.
const NEAR_NAMES: usize = 3;

/// The imports with names most like the pattern's, most similar first.
fn near(module: &Module<'_>, pattern: &EntryPattern) -> Vec<String> {
    let mut ranked: Vec<_> = imports(module)
        .filter_map(|(_, m, n)| Some((distance(pattern, m, n)?, format!("{m}.{n}"))))
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked.truncate(NEAR_NAMES);
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// How far an import's names are from the pattern's; `None` if there is no likeness.
fn distance(pattern: &EntryPattern, module: &str, name: &str) -> Option<usize> {
    let (wanted, found) = (pattern.name.to_lowercase(), name.to_lowercase());
    // One edit in three letters is a likeness; more is another word.
    let tolerance = wanted.chars().count().div_ceil(3);
    let edits = edit_distance(&wanted, &found);
    let contains = |outer: &str, inner: &str| inner.len() >= 3 && outer.contains(inner);
    let by_name = if edits <= tolerance {
        edits
    } else if contains(&found, &wanted) || contains(&wanted, &found) {
        tolerance + 1
    } else {
        return None;
    };
    let other_module = usize::from(pattern.module != module);
    Some(2 * by_name + other_module)
}

/// The Levenshtein distance, row by row.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().collect();
    let mut row: Vec<_> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
