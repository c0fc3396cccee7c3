//! What is asked of a module: at which imports its stack may be unwound, which others may call back, and how
//! precisely that is to be answered.

use super::assume::patterns;
use super::drivers::Drivers;
use super::facts::Dynamic;
use super::similar::{self, NEAR_NAMES};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, TableIdx};
use crate::options::{EntryPattern, Options, Precision, TablePattern};
use crate::read::{Import, Module};
use std::collections::BTreeSet;

/// The options as far as they ask something of a module, in its own terms.
pub(super) struct Query {
    /// Imports, and functions that begin unwinds themselves. In index order.
    pub(super) entries: Vec<FuncIdx>,
    /// The imports that may call back, in index order.
    pub(super) reentrant: Vec<FuncIdx>,
    /// How many of these no option names.
    pub(super) recognised: usize,
    /// The tables that may hold functions of other modules that unwind by themselves, in index order.
    pub(super) through_tables: Vec<TableIdx>,
    /// The imports that are said not to call back, in index order.
    pub(super) no_callback: Vec<FuncIdx>,
    /// The tables that are said to hold functions of this instance alone.
    pub(super) own_tables: BTreeSet<TableIdx>,
    /// Whether other modules share the state, so that an unwind of theirs is one of this module.
    pub(super) shares_state: bool,
    /// How far the graph follows calls through values.
    pub(super) precision: Precision,
    /// Who drives the protocol in the module itself.
    pub(super) drivers: Drivers,
}

impl Query {
    /// # Errors
    /// [`Error::MissingEntry`] or [`Error::MissingReentrant`] if a pattern of the options matches no import, and
    /// [`Error::NoSuchTable`] for one that matches no table.
    pub(super) fn new(module: &Module<'_>, options: &Options) -> Result<Query> {
        let drivers = Drivers::find(module, &options.driven.operations)?;
        let mut entries = entries(module, options)?;
        entries.extend(&drivers.tops);
        let Reentrant { imports: reentrant, recognised } = reentrant(module, options)?;
        let tables = |patterns: &[TablePattern]| {
            let tables = patterns.iter().map(|pattern| patterns::tables(module, pattern));
            Ok(tables.collect::<Result<Vec<_>>>()?.concat())
        };
        Ok(Query {
            entries,
            reentrant,
            recognised,
            through_tables: tables(&options.through_tables)?,
            no_callback: no_callback(module, options)?,
            own_tables: tables(&options.tables_own)?.into_iter().collect(),
            shares_state: !options.abi.shared().is_empty(),
            precision: options.precision,
            drivers,
        })
    }

    /// Whether a call may reach a function of another module that unwinds by itself.
    pub(super) fn may_be_foreign(&self, dynamic: Dynamic) -> bool {
        matches!(dynamic, Dynamic::Table { table, .. } if self.through_tables.contains(&table))
    }
}

/// The imports that any pattern matches, in index order.
///
/// # Errors
/// [`Error::MissingEntry`] for the first pattern that matches nothing, unless the options accept
/// that.
fn entries(module: &Module<'_>, options: &Options) -> Result<Vec<FuncIdx>> {
    let unmatched =
        || unmatched(module, &options.entries).or_else(|| unmatched(module, &options.through));
    if !options.allow_missing_entry
        && !options.lenient
        && let Some(pattern) = unmatched()
    {
        let near = near(module, pattern);
        return Err(Error::MissingEntry { entry: pattern.to_string(), near });
    }
    Ok(imports(module).filter(|(_, m, n)| is_entry(options, m, n)).map(|(func, ..)| func).collect())
}

/// For each pattern of an entry that means nothing, where that is no error, the warning.
pub(super) fn meaning_nothing(module: &Module<'_>, options: &Options) -> Vec<String> {
    if !options.lenient || options.allow_missing_entry {
        return Vec::new();
    }
    let patterns = options.entries.iter().chain(&options.through);
    let unmatched =
        patterns.filter(|pattern| unmatched(module, std::slice::from_ref(pattern)).is_some());
    let error = |pattern: &EntryPattern| Error::MissingEntry {
        entry: pattern.to_string(),
        near: near(module, pattern),
    };
    unmatched.map(|pattern| error(pattern).to_string()).collect()
}

fn is_entry(options: &Options, module: &str, name: &str) -> bool {
    matches(&options.entries, module, name) || matches(&options.through, module, name)
}

/// The imports that may call back into the module, in index order: those that the options name,
/// and Emscripten's `invoke_*`, whose only duty it is.
///
/// # Errors
/// [`Error::MissingReentrant`] for the first pattern that matches nothing.
fn reentrant(module: &Module<'_>, options: &Options) -> Result<Reentrant> {
    if let Some(pattern) = unmatched(module, &options.reentrant) {
        let near = near(module, pattern);
        return Err(Error::MissingReentrant { pattern: pattern.to_string(), near });
    }
    let mut reentrant = Reentrant::default();
    for (func, m, n) in imports(module) {
        if is_entry(options, m, n) {
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

/// The imports that the options take not to call back, in index order.
///
/// # Errors
/// [`Error::NoSuchImport`] for the first pattern that matches nothing.
fn no_callback(module: &Module<'_>, options: &Options) -> Result<Vec<FuncIdx>> {
    if let Some(pattern) = unmatched(module, &options.no_callback) {
        let near = near(module, pattern);
        return Err(Error::NoSuchImport { pattern: pattern.to_string(), near });
    }
    let named = imports(module).filter(|(_, m, n)| matches(&options.no_callback, m, n));
    Ok(named.map(|(func, ..)| func).collect())
}

/// The imports that may call back.
#[derive(Default)]
struct Reentrant {
    imports: Vec<FuncIdx>,
    /// How many of them no option names.
    recognised: usize,
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
    let import = module.funcs[func].import();
    let named = move |pattern: &&EntryPattern| {
        import.is_some_and(|import| pattern.matches(import.module, import.name))
    };
    patterns.iter().filter(named)
}

/// Whether the import calls back whether options name it or not.
pub(super) fn is_recognised(module: &Module<'_>, func: FuncIdx) -> bool {
    module.funcs[func].import().is_some_and(|import| is_invoke(import.module, import.name))
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
    module.funcs.iter_enumerated().map_while(|(func, entity)| {
        let Import { module, name } = entity.import()?;
        Some((func, module, name))
    })
}

/// The imports with names most like the pattern's, most similar first.
fn near(module: &Module<'_>, pattern: &EntryPattern) -> Vec<String> {
    let wanted = pattern.name.literal();
    let mut ranked: Vec<_> = imports(module)
        .filter_map(|(_, m, n)| {
            let other_module = usize::from(!pattern.module.matches(m));
            Some((
                2 * similar::distance(&wanted, n)? + other_module,
                EntryPattern::exact(m, n).to_string(),
            ))
        })
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked.truncate(NEAR_NAMES);
    ranked.into_iter().map(|(_, name)| name).collect()
}
