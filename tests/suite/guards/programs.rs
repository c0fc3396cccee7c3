//! Wrong assumptions of every kind on the fixtures that are run, and on random programs: whatever functions are left out, a run is
//! as one of the original in which those calls of the entry fail that are made below them.

use crate::exec::differential::Case;
use crate::exec::program::Spec;
use crate::exec::unprepared::{self, Tally};
use crate::fixtures::golden;
use crate::forms;
use crate::random;
use rayon::prelude::*;
use std::collections::BTreeSet;
use wasm_fork::{Assumption, Error, FuncPattern, Options, Profile, TablePattern};

/// How many functions of a fixture are left out, one after the other.
const FUNCTIONS: usize = 4;

/// How many random programs are tried.
const PROGRAMS: u64 = 100;

/// The functions of the closure that the module defines.
fn prepared(wasm: &[u8], options: &Options) -> Vec<u32> {
    let report = wasm_fork::analyze(wasm, options).unwrap();
    report.closure.iter().filter(|func| !func.import).map(|func| func.index).collect()
}

/// The functions of `all` without some, as a list or as a profile.
fn all_but(all: &[u32], out: &[u32], as_profile: bool) -> Assumption {
    let rest = all.iter().filter(|func| !out.contains(func));
    if !as_profile {
        return Assumption::Only(rest.map(|func| FuncPattern(func.to_string())).collect());
    }
    let seen: Vec<_> = rest.map(|func| format!("{{\"index\": {func}}}")).collect();
    let profile = format!("{{\"version\": 1, \"functions\": [{}]}}", seen.join(", "));
    Assumption::Profile(Profile::parse("test", &profile).unwrap())
}

/// Assumptions that are wrong if anything of what they leave out is ever below the entry.
fn assumptions(wasm: &[u8], all: &[u32]) -> Vec<Vec<Assumption>> {
    let mut assumptions = Vec::new();
    let step = all.len().div_ceil(FUNCTIONS).max(1);
    for (number, func) in all.iter().step_by(step).enumerate() {
        let pattern = FuncPattern(func.to_string());
        assumptions.push(match number % 4 {
            0 => vec![Assumption::NoFork(pattern)],
            1 => vec![Assumption::NotCalled(pattern)],
            2 if all.len() > 1 => vec![all_but(all, &[*func], false)],
            3 if all.len() > 1 => vec![all_but(all, &[*func], true)],
            _ => vec![Assumption::NoFork(pattern)],
        });
    }
    if all.len() > 3 {
        let every_other: Vec<_> = all.iter().copied().step_by(2).collect();
        assumptions.push(vec![all_but(all, &every_other, false)]);
    }
    for table in visible_tables(wasm) {
        assumptions.push(vec![Assumption::TablePrivate(TablePattern(table))]);
    }
    assumptions
}

/// The tables that are exported.
fn visible_tables(wasm: &[u8]) -> Vec<String> {
    use wasmparser::{ExternalKind, Parser, Payload};
    let mut tables = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ExportSection(exports) = payload.unwrap() {
            let exports = exports.into_iter().map(Result::unwrap);
            let exports = exports.filter(|export| export.kind == ExternalKind::Table);
            tables.extend(exports.map(|export| export.name.to_owned()));
        }
    }
    tables
}

/// Tries one assumption; nothing if it can't be guarded.
fn check(
    wasm: &[u8],
    spec: &Spec,
    options: &Options,
    assumptions: &[Assumption],
) -> Result<Option<Tally>, String> {
    let options = options.clone().assume_all(assumptions.to_vec());
    let output = match wasm_fork::instrument(wasm, &options) {
        Err(Error::Unsupported { .. } | Error::Refused(_)) => return Ok(None),
        output => output.map_err(|error| error.to_string())?,
    };
    let case = Case::new(wasm.into(), (&output).into(), spec)?;
    let inside: BTreeSet<_> = output.report.closure.iter().map(|func| func.index).collect();
    unprepared::check(&case, &inside).map(Some)
}

/// What became of several.
#[derive(Default)]
struct Sum {
    tried: usize,
    not_guarded: usize,
    undone: usize,
    unwound: usize,
}

impl Sum {
    fn add(mut self, other: &Result<Option<Tally>, String>) -> Sum {
        match other {
            Ok(Some(tally)) => {
                self.tried += 1;
                self.undone += tally.undone;
                self.unwound += tally.unwound;
            }
            Ok(None) => self.not_guarded += 1,
            Err(_) => {}
        }
        self
    }
}

#[track_caller]
fn all_right(results: &[(String, Result<Option<Tally>, String>)]) -> Sum {
    let failures = results
        .iter()
        .filter_map(|(name, result)| Some(format!("{name}: {}", result.as_ref().err()?)));
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    results.iter().fold(Sum::default(), |sum, (_, result)| sum.add(result))
}

/// Fixtures with loops that end only by what the entry returns: where it fails, original and instrumented run for ever.
const NEVER_END: [&str; 3] = [
    "/reference_local_not_nullable",
    "/reference_parameter_of_loop_not_nullable",
    "/references_dropped_after_call",
];

/// Fixtures with a `call_ref` that may call an import which is no entry: what comes back from that can't be undone, so the guard there stops the
/// program by name.
const STOPPED: [&str; 1] = ["/function_carried"];

#[test]
fn every_fixture_with_functions_left_out() {
    let fixtures: Vec<_> = golden::load("run").0;
    let results: Vec<_> = fixtures
        .into_par_iter()
        .filter(|fixture| !fixture.directives.no_entry_call && !fixture.directives.stand_ins)
        .filter(|fixture| !NEVER_END.iter().any(|name| fixture.name.ends_with(name)))
        .filter(|fixture| !STOPPED.iter().any(|name| fixture.name.ends_with(name)))
        .flat_map(|fixture| {
            let wasm = wat::parse_str(&fixture.text).unwrap();
            let directives = &fixture.directives;
            let mut options = directives.options();
            options.assumptions.clear();
            let all = prepared(&wasm, &options);
            let ways = forms::ways(&options, 1);
            let tried = assumptions(&wasm, &all).into_iter().zip(ways.iter().cycle());
            let tried = tried.map(|(assumptions, (way, options))| {
                let name = format!("{} {way} {assumptions:?}", fixture.name);
                (name, check(&wasm, &directives.spec, options, &assumptions))
            });
            tried.collect::<Vec<_>>()
        })
        .collect();
    let Sum { tried, not_guarded, undone, unwound } = all_right(&results);
    assert!(tried > 150 && undone > tried / 2 && unwound > tried / 2, "{tried} {undone} {unwound}");
    assert!(not_guarded < 40, "{not_guarded} can't be guarded");
}

#[test]
fn random_programs_with_functions_left_out() {
    let results: Vec<_> = random::seeds(PROGRAMS)
        .into_par_iter()
        .map(|seed| {
            let (program, spec) = random::program_and_spec(seed);
            let wasm = wat::parse_str(program.to_string()).unwrap();
            let options = Options::default()
                .entries(spec.entries.clone())
                .same_instance(spec.keeps_references)
                .carry_references(spec.carries_references);
            let all = prepared(&wasm, &options);
            let ways = forms::ways(&options, seed);
            let (way, options) = &ways[seed as usize % ways.len()];
            let tried = assumptions(&wasm, &all);
            let name = format!("seed {seed} {way}");
            if tried.is_empty() {
                return (name, Ok(Some(Tally::default())));
            }
            let assumptions = &tried[seed as usize / 4 % tried.len()];
            (format!("{name} {assumptions:?}"), check(&wasm, &spec, options, assumptions))
        })
        .collect();
    let Sum { tried, undone, .. } = all_right(&results);
    assert!(undone > tried / 2, "{undone} undone in {tried} programs");
}
