//! Random tests. A failure prints its seed; `SEED=n` runs that seed alone, `SEEDS=n` so many.

mod generate;
mod kit;
mod program;
mod rng;
mod shrink;
mod smith;
mod smoke;
mod total;

use crate::exec::differential;
use crate::exec::program::{Invoke, Spec};
use crate::forms;
use crate::short;
pub use program::Program;
use rayon::prelude::*;
use rng::Rng;

/// How many random programs are run.
const PROGRAMS: u64 = 300;

/// What part of them in a short run.
const SHORT: u64 = 3;

/// The seeds of this run: those below `default`, unless others are asked for.
pub fn seeds(default: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let count = match number("SEEDS") {
        Some(count) => count,
        None if short::is_short() => default / SHORT,
        None => default,
    };
    number("SEED").map_or_else(|| (0..count).collect(), |seed| vec![seed])
}

/// Fuel, then an export with small arguments; twice for each of the first functions.
fn spec(program: &Program, seed: u64) -> Spec {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut invokes = Vec::new();
    for (func, i) in program.funcs.iter().zip(0..3) {
        for _ in 0..2 {
            invokes.push(Invoke {
                export: "refuel".into(),
                args: vec![(4 + rng.below(8)).to_string()],
            });
            let args = func.params.iter().map(|_| rng.below(100).to_string()).collect();
            invokes.push(Invoke { export: format!("f{i}"), args });
        }
    }
    Spec {
        entries: vec![
            wasm_fork::EntryPattern::exact("env", "fork"),
            wasm_fork::EntryPattern::exact("env", "pause"),
        ],
        invokes,
        interludes: vec![Invoke { export: "meddle".into(), args: Vec::new() }],
        keeps_references: program.keeps_references,
        carries_references: program.carries_references,
        ..Spec::default()
    }
}

/// The program of a seed, and how it is run.
pub fn program_and_spec(seed: u64) -> (Program, Spec) {
    let program = generate::program(seed);
    let spec = spec(&program, seed);
    (program, spec)
}

/// A program of many functions, for tests that don't run it.
pub fn text_with_many_functions(seed: u64) -> String {
    generate::program_of(seed, 120).to_string()
}

/// Why the program fails; `Ok` with the number of entry calls if it doesn't.
fn check(program: &Program, seed: u64) -> Result<usize, String> {
    let spec = spec(program, seed);
    let original = wat::parse_str(program.to_string()).map_err(|e| format!("generator: {e}"))?;
    let (_, entry_calls) =
        differential::reference(&original, &spec).map_err(|e| format!("generator: {e}"))?;
    let options = wasm_fork::Options::default()
        .entries(spec.entries.clone())
        .same_instance(program.keeps_references)
        .carry_references(program.carries_references);
    let ways = forms::ways(&options, seed);
    let (way, options) = &ways[seed as usize % ways.len()];
    let in_way = |error: String| format!("{way}: {error}");
    let output = wasm_fork::instrument(&original, options).map_err(|e| in_way(e.to_string()))?;
    differential::check(&original, &output, &spec).map_err(in_way)?;
    Ok(entry_calls)
}

#[test]
fn random_programs() {
    let results: Vec<_> = seeds(PROGRAMS)
        .into_par_iter()
        .map(|seed| (seed, check(&generate::program(seed), seed)))
        .collect();
    let calls: usize = results.iter().filter_map(|(_, result)| result.as_ref().ok()).sum();
    let failures: Vec<_> = results
        .iter()
        .filter_map(|(seed, result)| Some((*seed, result.as_ref().err()?.as_str())))
        .collect();
    if let Some((seed, error)) = failures.first() {
        panic!("{}", describe(*seed, error, &failures));
    }
    assert!(calls >= results.len(), "only {calls} entry calls in {} programs", results.len());
}

/// What kind of failure this is: the message without its numbers.
fn kind(error: &str) -> String {
    let text: String = error.chars().filter(|c| c.is_alphabetic() || *c == ' ').collect();
    text.split_whitespace().take(16).collect::<Vec<_>>().join(" ")
}

/// The failure with the smallest program that still fails in the same way.
fn describe(seed: u64, error: &str, failures: &[(u64, &str)]) -> String {
    let small = shrink::shrink(generate::program(seed), |program| {
        check(program, seed).is_err_and(|e| kind(&e) == kind(error))
    });
    let last = check(&small, seed).unwrap_err();
    let lines: Vec<_> = failures.iter().map(|(seed, e)| format!("  {seed}: {e}")).collect();
    format!(
        "{} programs fail. Seed {seed}: {error}\nshrunk: {last}\n{small}\nall:\n{}",
        failures.len(),
        lines.join("\n")
    )
}

/// The generator itself: every program is valid and ends, and most of them call entries.
#[test]
fn random_originals_run() {
    let results: Vec<_> = seeds(PROGRAMS)
        .into_par_iter()
        .map(|seed| {
            let program = generate::program(seed);
            let wasm = wat::parse_str(program.to_string())
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{program}"));
            differential::reference(&wasm, &spec(&program, seed))
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{program}"))
                .1
        })
        .collect();
    let forking = results.iter().filter(|calls| **calls > 0).count();
    assert!(forking * 2 > results.len(), "{forking} of {} programs call entries", results.len());
}
