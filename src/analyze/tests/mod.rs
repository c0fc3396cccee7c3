//! Each class of call-graph challenge: what must be in the closure, and what must not.

mod advise;
mod assume;
mod assumed_oracle;
mod calls;
mod certificate;
mod entries;
mod explain;
mod live_code;
mod loads;
mod oracle;
mod precision;
mod reentry;
mod scale;
mod scopes;
mod tables;
mod uncached;
mod values;

use super::{Analysis, Target};
use crate::error::Result;
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options, Precision};
use crate::read::Module;

/// The entry of the tests: `(import "k" "fork" …)`.
fn options() -> Options {
    Options { entries: vec![EntryPattern::exact("k", "fork")], ..Options::default() }
}

fn with_module<T>(wat: &str, test: impl FnOnce(&Module<'_>) -> T) -> T {
    let bytes = wat::parse_str(wat).expect("the test's text parses");
    test(&Module::read(&bytes).expect("the test's module is valid"))
}

fn try_analyze(wat: &str, options: &Options) -> Result<Analysis> {
    with_module(wat, |module| Analysis::run(module, options))
}

fn analyze(wat: &str) -> Analysis {
    try_analyze(wat, &options()).expect("the analysis succeeds")
}

fn analyze_at(wat: &str, precision: Precision) -> Analysis {
    let options = Options { precision, ..options() };
    try_analyze(wat, &options).expect("the analysis succeeds")
}

fn closure(wat: &str) -> Vec<String> {
    closure_at(wat, Precision::default())
}

/// The names of the closure's functions, in index order, without the entry itself.
fn closure_at(wat: &str, precision: Precision) -> Vec<String> {
    with_module(wat, |module| {
        let options = Options { precision, ..options() };
        let analysis = Analysis::run(module, &options).expect("the analysis succeeds");
        let inside = analysis.closure.iter_enumerated().filter(|(_, inside)| **inside);
        inside
            .map(|(func, _)| module.names.func(func).unwrap_or("-").to_owned())
            .filter(|name| name != "fork")
            .collect()
    })
}

/// Checks the closure of a module that begins with the entry, as a list of names.
#[track_caller]
fn expect(body: &str, names: &str) {
    let wat = format!("(module (import \"k\" \"fork\" (func $fork)) {body})");
    let expected: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(closure(&wat), expected, "{wat}");
}

/// The targets of the sites in function `func`, with whether they are tail calls.
fn sites(analysis: &Analysis, func: u32) -> Vec<(Target, bool)> {
    let sites = &analysis.sites[FuncIdx(func)];
    sites.iter().map(|site| (site.target, site.tail)).collect()
}
