//! The functions that a module imports, as a list: where to look for its entry.
//!
//! Input: a module. Output: [`Imports`], plain data for people (text) and programs (JSON).
//!
//! Emscripten's optimizer may have replaced the names by letters, `a.b` for `env.fork`. Which is which is
//! then told by the name section at best; otherwise only by the JavaScript beside the module.

use crate::analyze::{Uses, nearest};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::options::EntryPattern;
use crate::read::{self, Func, Module};
use crate::text::{count, escape, signature};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The functions that a module imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imports {
    /// The imports, in index order.
    pub imports: Vec<ImportedFunction>,
}

/// The names of the functions that a module imports, and nothing else of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportNames {
    /// The imports' module and field names, in index order.
    pub names: Vec<(String, String)>,
}

impl ImportNames {
    /// The imports with names most like `text`, each as `MODULE.NAME`, most similar first.
    pub fn near(&self, text: &str) -> Vec<String> {
        let names = self.names.iter().map(|(module, name)| format!("{module}.{name}"));
        let names: Vec<_> = names.collect();
        nearest(text, names.iter().map(String::as_str))
    }
}

/// An imported function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedFunction {
    /// Its index in the function index space.
    pub index: u32,
    /// The import's module name.
    pub module: String,
    /// The import's field name.
    pub name: String,
    /// Its type: `(i32, i32) -> i32`.
    pub r#type: String,
    /// How many call instructions name it.
    pub calls: usize,
    /// Whether it may be called through a table or a reference too, or from outside.
    pub by_reference: bool,
    /// What the name section calls it, if that is another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// Whether its names look like those that Emscripten's optimizer gives.
    pub minified: bool,
}

impl Imports {
    /// # Errors
    /// [`crate::Error::Internal`] if a body can't be read again.
    pub(crate) fn of(module: &Module<'_>) -> Result<Imports> {
        let uses = Uses::find(module)?;
        let minified = Minified::find(module);
        let import = |(func, entity): (FuncIdx, &Func<'_>)| {
            let read::Import { module: from, name } = entity.import()?;
            Some(ImportedFunction {
                index: func.0,
                module: from.into(),
                name: name.into(),
                r#type: signature(module.func_type(func)),
                calls: uses.calls[func],
                by_reference: uses.referenced[func],
                known_as: module.names.func(func).filter(|known| *known != name).map(str::to_owned),
                minified: minified.has(from),
            })
        };
        Ok(Imports { imports: module.funcs.iter_enumerated().filter_map(import).collect() })
    }
}

impl ImportedFunction {
    /// As a pattern that means it alone.
    fn pattern(&self) -> EntryPattern {
        EntryPattern::exact(&*self.module, &*self.name)
    }
}

/// The import modules whose names Emscripten's optimizer seems to have replaced.
struct Minified<'a>(BTreeMap<&'a str, bool>);

impl<'a> Minified<'a> {
    fn find(module: &Module<'a>) -> Minified<'a> {
        let mut modules = BTreeMap::new();
        for read::Import { module, name } in module.funcs.iter().filter_map(|func| func.import()) {
            let minified = modules.entry(module).or_insert_with(|| is_emscripten(module));
            *minified &= (1..=2).contains(&name.len());
        }
        Minified(modules)
    }

    fn has(&self, module: &str) -> bool {
        self.0.get(module).is_some_and(|minified| *minified)
    }
}

/// Whether Emscripten uses a module of this name: `a` stands for all of them.
fn is_emscripten(module: &str) -> bool {
    ["a", "env"].contains(&module) || module.starts_with("wasi_")
}

/// A line of headings, then a line for each import:
///
/// ```text
/// 2 imported functions
/// index  calls  import, type
///     0      1  kernel.kernel_fork () -> i32
///     1      7  a.b (i32) -> (), also called by reference, known as sleep, minified
/// ```
impl fmt::Display for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", count(self.imports.len(), "imported function"))?;
        if self.imports.is_empty() {
            return Ok(());
        }
        writeln!(f, "index  calls  import, type")?;
        self.imports.iter().try_for_each(|import| writeln!(f, "{import}"))
    }
}

impl fmt::Display for ImportedFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = self.pattern().to_string();
        write!(f, "{:5}  {:5}  {} {}", self.index, self.calls, escape(&pattern), self.r#type)?;
        if self.by_reference {
            write!(f, ", also called by reference")?;
        }
        if let Some(name) = &self.known_as {
            write!(f, ", known as {}", escape(name))?;
        }
        if self.minified {
            write!(f, ", minified")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(wat: &str) -> Imports {
        crate::imports(wat.as_bytes()).unwrap()
    }

    #[test]
    fn imports_have_types_calls_and_references() {
        let imports = list(
            r#"(module
                (import "kernel" "kernel_fork" (func $fork (result i32)))
                (import "env" "invoke.v" (func $__invoke (param i32 i64)))
                (import "env" "memory" (memory 1))
                (import "env" "unused" (func $unused (result f32 f64)))
                (table 2 funcref)
                (elem (i32.const 0) $__invoke)
                (func (drop (call $fork)) (drop (call $fork)) (call $__invoke (i32.const 0) (i64.const 0))
                    return (drop (call $fork)))
                (func (result i32) (return_call $fork)))"#,
        );
        assert_eq!(
            imports.to_string(),
            "3 imported functions\n\
             index  calls  import, type\n    \
             0      3  kernel.kernel_fork () -> i32, known as fork\n    \
             1      1  \"env\".invoke.v (i32, i64) -> (), also called by reference, known as __invoke\n    \
             2      0  env.unused () -> (f32, f64)\n"
        );
    }

    #[test]
    fn names_that_emscripten_minified_are_marked() {
        let minified = |imports: &str| {
            let list = list(&format!("(module {imports})"));
            list.imports.iter().map(|import| import.minified).collect::<Vec<_>>()
        };
        let a = r#"(import "a" "b" (func)) (import "a" "ac" (func)) (import "k" "f" (func))"#;
        assert_eq!(minified(a), [true, true, false]);
        let mixed = r#"(import "env" "b" (func)) (import "env" "abort" (func))"#;
        assert_eq!(minified(mixed), [false, false]);
        let wasi = r#"(import "wasi_snapshot_preview1" "b" (func)) (import "env" "c" (func))"#;
        assert_eq!(minified(wasi), [true, true]);
    }
}
