//! Finds the imports that the options' patterns match: the entries, and those that call back.

use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options};
use crate::read::{FuncKind, Module};
use crate::text::escape;

/// The imports that any pattern matches, in index order.
///
/// # Errors
/// [`Error::MissingEntry`] for the first pattern that matches nothing, unless the options accept
/// that.
pub(super) fn find(module: &Module<'_>, options: &Options) -> Result<Vec<FuncIdx>> {
    if !options.allow_missing_entry
        && let Some(pattern) = unmatched(module, &options.entries)
    {
        let near = near(module, pattern);
        return Err(Error::MissingEntry { entry: pattern.to_string(), near });
    }
    Ok(imports(module)
        .filter(|(_, m, n)| matches(&options.entries, m, n))
        .map(|(func, ..)| func)
        .collect())
}

/// The imports that may call back into the module, in index order: those that the options name,
/// and Emscripten's `invoke_*`, whose only duty it is.
///
/// # Errors
/// [`Error::MissingReentrant`] for the first pattern that matches nothing.
pub(super) fn find_reentrant(module: &Module<'_>, options: &Options) -> Result<Reentrant> {
    if let Some(pattern) = unmatched(module, &options.reentrant) {
        let near = near(module, pattern);
        return Err(Error::MissingReentrant { pattern: pattern.to_string(), near });
    }
    let mut reentrant = Reentrant::default();
    for (func, m, n) in imports(module) {
        if matches(&options.entries, m, n) {
            continue;
        }
        let named = matches(&options.reentrant, m, n);
        let recognised = !named && is_invoke(m, n);
        if named || recognised {
            reentrant.imports.push(func);
            reentrant.recognised += usize::from(recognised);
        }
    }
    Ok(reentrant)
}

/// The imports that may call back.
#[derive(Default)]
pub(super) struct Reentrant {
    pub(super) imports: Vec<FuncIdx>,
    /// How many of them no option names.
    pub(super) recognised: usize,
}

/// `env.invoke_` and the letters of a signature.
fn is_invoke(module: &str, name: &str) -> bool {
    let letters = name.strip_prefix("invoke_").unwrap_or_default();
    module == "env" && !letters.is_empty() && letters.bytes().all(|c| b"vijfdpe".contains(&c))
}

/// The patterns that name an import.
pub(super) fn naming<'p>(
    module: &Module<'_>,
    func: FuncIdx,
    patterns: &'p [EntryPattern],
) -> impl Iterator<Item = &'p EntryPattern> {
    let names = match module.funcs[func].kind {
        FuncKind::Import { module, name } => Some((module, name)),
        FuncKind::Defined { .. } => None,
    };
    let named = move |pattern: &&EntryPattern| {
        names.is_some_and(|(module, name)| pattern.matches(module, name))
    };
    patterns.iter().filter(named)
}

/// Whether the import calls back whether options name it or not.
pub(super) fn is_recognised(module: &Module<'_>, func: FuncIdx) -> bool {
    match module.funcs[func].kind {
        FuncKind::Import { module, name } => is_invoke(module, name),
        FuncKind::Defined { .. } => false,
    }
}

fn matches(patterns: &[EntryPattern], module: &str, name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(module, name))
}

/// The first pattern that matches no import.
fn unmatched<'p>(module: &Module<'_>, patterns: &'p [EntryPattern]) -> Option<&'p EntryPattern> {
    patterns.iter().find(|pattern| !imports(module).any(|(_, m, n)| pattern.matches(m, n)))
}

/// The function imports with their module and field names.
pub(super) fn imports<'m>(
    module: &'m Module<'_>,
) -> impl Iterator<Item = (FuncIdx, &'m str, &'m str)> {
    module.funcs.iter_enumerated().map_while(|(func, entity)| match entity.kind {
        FuncKind::Import { module, name } => Some((func, module, name)),
        FuncKind::Defined { .. } => None,
    })
}

/// How many similar names an error offers.
const NEAR_NAMES: usize = 3;

/// The imports with names most like the pattern's, most similar first.
fn near(module: &Module<'_>, pattern: &EntryPattern) -> Vec<String> {
    let wanted = pattern.name.literal();
    let mut ranked: Vec<_> = imports(module)
        .filter_map(|(_, m, n)| {
            let other_module = usize::from(!pattern.module.matches(m));
            Some((2 * distance(&wanted, n)? + other_module, format!("{m}.{n}")))
        })
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked.truncate(NEAR_NAMES);
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// How far a name is from the one that is wanted; `None` if there is no likeness.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let (wanted, found) = (wanted.to_lowercase(), name.to_lowercase());
    // One edit in three letters is a likeness; more is another word.
    let tolerance = wanted.chars().count().div_ceil(3);
    let edits = edit_distance(&wanted, &found);
    let contains = |outer: &str, inner: &str| inner.len() >= 3 && outer.contains(inner);
    if edits <= tolerance {
        Some(edits)
    } else if contains(&found, &wanted) || contains(&wanted, &found) {
        Some(tolerance + 1)
    } else {
        None
    }
}

/// The names most like `text`, most similar first.
pub(super) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut ranked: Vec<_> = names.filter_map(|name| Some((distance(text, name)?, name))).collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.truncate(NEAR_NAMES);
    ranked.into_iter().map(|(_, name)| name.to_owned()).collect()
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

/// The warning of a module that expects Asyncify's pass: it imports the protocol's functions, to drive itself.
pub(super) fn drives_itself(module: &Module<'_>) -> Option<String> {
    let mut imports = module.funcs.iter().filter_map(|func| match func.kind {
        FuncKind::Import { module, name } => (module == "asyncify").then_some(name),
        FuncKind::Defined { .. } => None,
    });
    let name = imports.next()?;
    Some(format!(
        "the module imports `asyncify.{}`: it drives Asyncify's protocol itself, and expects `wasm-opt --asyncify` to put \
         that protocol's functions in place of these imports, which are left as they are here",
        escape(name)
    ))
}
