//! Which functions and tables a pattern of the user means.
//!
//! A function is named by its index, its export names, and its name in the name section or else in
//! debug information, as it stands there or demangled. A table is named by its index, its export names, and its import's names.

use super::super::similar;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, IndexType, TableIdx};
use crate::options::{FuncPattern, TablePattern};
use crate::pattern::Pattern;
use crate::read::{Module, demangled};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use wasmparser::ExternalKind;

/// The names of the functions that the module defines. What imports do is not assumed but named, by
/// entries and by what may call back.
pub(crate) struct FuncNames<'m> {
    module: &'m Module<'m>,
    /// All names with what they name, sorted.
    names: Vec<(Cow<'m, str>, FuncIdx)>,
    /// The functions by hashes of their bodies, once they were asked for.
    bodies: OnceLock<BTreeMap<String, Vec<FuncIdx>>>,
}

impl<'m> FuncNames<'m> {
    pub(crate) fn new(module: &'m Module<'m>) -> FuncNames<'m> {
        let defined: Vec<_> = module.defined_funcs().collect();
        let mut names: Vec<(Cow<'m, str>, FuncIdx)> = defined
            .into_par_iter()
            .filter_map(|func| Some((func, module.func_name(func)?)))
            .flat_map_iter(|(func, name)| {
                let demangled = demangled(&name).map(|name| (Cow::Owned(name), func));
                std::iter::once((name, func)).chain(demangled)
            })
            .collect();
        let exported = module.exported_funcs().filter(|(_, func)| !module.is_import(*func));
        names.extend(exported.map(|(name, func)| (Cow::Borrowed(name), func)));
        names.par_sort_unstable();
        names.dedup();
        FuncNames { module, names, bodies: OnceLock::new() }
    }

    /// The functions whose bodies have this hash, in index order.
    pub(super) fn with_body(&self, body: &str) -> &[FuncIdx] {
        let bodies = self.bodies.get_or_init(|| {
            let defined: Vec<_> = self.module.defined_funcs().collect();
            // A body that can't be read again is found by no hash.
            let hash = |func: FuncIdx| Some((self.module.skeleton(func).ok()??, func));
            let hashed: Vec<_> = defined.into_par_iter().filter_map(hash).collect();
            let mut bodies: BTreeMap<String, Vec<FuncIdx>> = BTreeMap::new();
            for (hash, func) in hashed {
                bodies.entry(hash).or_default().push(func);
            }
            bodies
        });
        bodies.get(body).map_or(&[], Vec::as_slice)
    }

    /// The functions that `pattern` means, in index order.
    ///
    /// # Errors
    /// [`Error::NoSuchFunction`] or [`Error::NoSuchIndex`] if there is none.
    pub(crate) fn matching(&self, pattern: &FuncPattern) -> Result<Vec<FuncIdx>> {
        let text = pattern.0.as_str();
        if let Ok(index) = text.parse::<usize>() {
            return self.at(index).map(|func| vec![func]).ok_or_else(|| self.no_index(text));
        }
        let pattern = Pattern::parse(text);
        let mut found = self.matched(&pattern);
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            let names = self.names.iter().map(|(name, _)| name.as_ref());
            let near = similar::nearest(&pattern.literal(), names);
            return Err(Error::NoSuchFunction { pattern: text.into(), near });
        }
        Ok(found)
    }

    /// The defined function with this index.
    pub(super) fn at(&self, index: usize) -> Option<FuncIdx> {
        let module = self.module;
        let exists = (module.imported_funcs..module.funcs.len()).contains(&index);
        exists.then(|| FuncIdx::from_usize(index))
    }

    /// The functions with this very name, in index order.
    pub(crate) fn named(&self, name: &str) -> Vec<FuncIdx> {
        self.matched(&Pattern::exact(name))
    }

    /// The functions of the names that `pattern` matches, in order of these.
    fn matched(&self, pattern: &Pattern) -> Vec<FuncIdx> {
        let start = pattern.start();
        let first = self.names.partition_point(|(name, _)| name.as_ref() < start);
        let run = self.names[first..].iter().take_while(|(name, _)| match pattern.is_exact() {
            true => name == start,
            false => name.starts_with(start),
        });
        run.filter(|(name, _)| pattern.matches(name)).map(|(_, func)| *func).collect()
    }

    fn no_index(&self, index: &str) -> Error {
        let (imported, functions) = (self.module.imported_funcs, self.module.funcs.len());
        Error::NoSuchIndex { index: index.into(), imported, functions }
    }
}

/// The tables that `pattern` means, in index order.
///
/// # Errors
/// [`Error::NoSuchTable`] if there is none.
pub(in crate::analyze) fn tables(
    module: &Module<'_>,
    pattern: &TablePattern,
) -> Result<Vec<TableIdx>> {
    let text = pattern.0.as_str();
    let pattern = Pattern::parse(text);
    let matches = |name: &String| pattern.matches(name);
    let names = |table: TableIdx| module.outside_names(ExternalKind::Table, table.0);
    let found: Vec<_> = match text.parse::<usize>() {
        Ok(index) => module.tables.indices().filter(|table| table.as_usize() == index).collect(),
        Err(_) => {
            module.tables.indices().filter(|table| names(*table).iter().any(matches)).collect()
        }
    };
    if found.is_empty() {
        let tables = module.tables.indices();
        let tables = tables.map(|table| module.described(ExternalKind::Table, table.0)).collect();
        return Err(Error::NoSuchTable { pattern: text.into(), tables });
    }
    Ok(found)
}
