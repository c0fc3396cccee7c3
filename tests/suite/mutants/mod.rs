//! The prover is proved: written modules with one fault each, all of which `verify` must reject; and none that has none.
//!
//! Every fault is put everywhere it can be in the outputs of the `run` fixtures, in each form, and in every part of what is not
//! code. `MUTANTS=all` tries them all, which takes minutes; else every so many, by a fixed stride. A mutant that isn't valid
//! is rejected by any reader, and is not counted.
//!
//! Not made: mutants of functions that `verify` says it has not checked, and of what only they call.

mod edit;
mod exits;
mod facts;
mod faults;
mod sections;

use crate::fixtures::golden::{self, Fixture};
use crate::forms;
use edit::Written;
use facts::Facts;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use wasm_fork::{Error, Options, Verified};

/// How many mutants there were of each kind, and those that were accepted.
#[derive(Default)]
struct Tally {
    rejected: BTreeMap<&'static str, usize>,
    accepted: Vec<String>,
    outputs: usize,
}

/// Without `MUTANTS=all` every so many mutants are tried.
const STRIDE: usize = 41;

/// The fixtures that are rewritten.
fn fixtures() -> Vec<Fixture> {
    golden::load("run").0
}

/// The legacy fixtures, which have no directives.
fn legacy() -> Vec<(String, String)> {
    let files = std::fs::read_dir(golden::root().join("legacy")).expect("the folder can be read");
    let mut paths: Vec<_> =
        files.map(|file| file.expect("the folder can be read").path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        (path.file_stem().unwrap_or_default().display().to_string(), text)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_output_is_accepted() {
    let run = fixtures();
    let run = run.iter().map(|f| (f.name.clone(), f.text.clone(), f.directives.options()));
    let legacy = legacy().into_iter().map(|(name, text)| {
        let entries = [wasm_fork::EntryPattern::exact("env", "fork")];
        (name, text, Options::default().entries(entries))
    });
    let all: Vec<_> = run.chain(legacy).collect();
    let found = all.into_par_iter().flat_map_iter(|(name, text, options)| {
        let input = wat::parse_str(&text);
        let ways = input.map_or(vec![], |_| forms::ways(&options, 1));
        ways.into_iter().map(move |(way, options)| {
            let input = wat::parse_str(&text).unwrap();
            let verified = wasm_fork::instrument(&input, &options).and_then(|output| match &output
                .resume_module
            {
                Some(resumes) => wasm_fork::verify_pair(&input, &output.wasm, resumes, &options),
                None => wasm_fork::verify(&input, &output.wasm, &options),
            });
            (format!("{name} {way}"), verified)
        })
    });
    let found: Vec<_> = found.collect();
    let (mut proved, mut reasons) = (0, BTreeMap::<String, Vec<String>>::new());
    for (name, verified) in found {
        match verified {
            Err(error) => reasons.entry(format!("{error}")).or_default().push(name),
            Ok(verified) => {
                proved += verified.proved;
                for unchecked in verified.unchecked {
                    reasons
                        .entry(format!("UNCHECKED {}", unchecked.reason))
                        .or_default()
                        .push(format!("{name} {}", unchecked.index));
                }
            }
        }
    }
    println!("{proved} functions proved");
    for (reason, names) in reasons {
        println!("{:5} {reason}\n", names.len());
        names.iter().take(6).for_each(|name| println!("       {name}"));
    }
}

#[test]
fn every_mutant_is_rejected() {
    let stride = if env::var("MUTANTS").is_ok_and(|all| all == "all") { 1 } else { STRIDE };
    let tallies = fixtures().into_par_iter().map(|fixture| of_fixture(&fixture, stride));
    let tallies: Vec<_> = tallies.collect();
    let mut all = Tally::default();
    for tally in tallies {
        all.outputs += tally.outputs;
        all.accepted.extend(tally.accepted);
        for (kind, count) in tally.rejected {
            *all.rejected.entry(kind).or_default() += count;
        }
    }
    let total: usize = all.rejected.values().sum();
    println!("{} outputs accepted; {total} mutants rejected", all.outputs);
    all.rejected.iter().for_each(|(kind, count)| println!("{count:6} {kind}"));
    assert!(all.accepted.is_empty(), "accepted:\n{}", all.accepted.join("\n"));
    assert!(all.rejected.len() >= 14, "only {} kinds", all.rejected.len());
}

fn of_fixture(fixture: &Fixture, stride: usize) -> Tally {
    let mut tally = Tally::default();
    let Ok(original) = wat::parse_str(&fixture.text) else { return tally };
    for (way, options) in forms::ways(&fixture.directives.options(), 1) {
        let output = wasm_fork::instrument(&original, &options);
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        let place = format!("{} {way}", fixture.name);
        let case = Case { place, original: &original, options: &options, stride };
        case.tell(&mut tally, &output.wasm, output.resume_module.as_deref());
    }
    tally
}

/// A module that is rewritten in one way.
struct Case<'c> {
    place: String,
    original: &'c [u8],
    options: &'c Options,
    stride: usize,
}

impl Case<'_> {
    /// Verifies an output, and then each of its mutants.
    fn tell(&self, tally: &mut Tally, output: &[u8], resumes: Option<&[u8]>) {
        let verified = self.verify(output, resumes);
        let verified = verified.unwrap_or_else(|error| panic!("{}: {error}", self.place));
        tally.outputs += 1;
        let unchecked: BTreeSet<u32> = verified.unchecked.iter().map(|func| func.index).collect();
        self.mutate(tally, (output, resumes), &unchecked, |mutant| self.verify(mutant, resumes));
        if let Some(resumes) = resumes.filter(|_| unchecked.is_empty()) {
            self.mutate(tally, (resumes, None), &unchecked, |mutant| {
                self.verify(output, Some(mutant))
            });
        }
    }

    fn verify(&self, output: &[u8], resumes: Option<&[u8]>) -> Result<Verified, Error> {
        match resumes {
            Some(resumes) => wasm_fork::verify_pair(self.original, output, resumes, self.options),
            None => wasm_fork::verify(self.original, output, self.options),
        }
    }

    /// Makes the mutants of a file, and verifies each.
    fn mutate(
        &self,
        tally: &mut Tally,
        (output, _resumes): (&[u8], Option<&[u8]>),
        unchecked: &BTreeSet<u32>,
        verify: impl Fn(&[u8]) -> Result<Verified, Error>,
    ) {
        let module = Written::read(output);
        let facts = Facts::read(self.original, output, &module);
        let report = wasm_fork::analyze(self.original, self.options);
        let report = report.expect("it was instrumented");
        let closure: BTreeSet<_> = report.closure.iter().map(|func| func.index).collect();
        let guarded = report.guards.guards > 0;
        // What is appended may be for functions that are not checked.
        let is_checked = |func: u32| match facts.is_new(func) {
            true => unchecked.is_empty(),
            false => (closure.contains(&func) || guarded) && !unchecked.contains(&func),
        };
        let bodies = faults::in_bodies(&module, &facts, is_checked).into_iter();
        let bodies = bodies.map(|(kind, body, edits)| {
            let at = edits.first().map_or(0, |(range, _)| range.start);
            (kind, format!("function {} at {at:#x}", body.func), module.with(body, &edits))
        });
        let sections = sections::faults(self.original, output).into_iter();
        let sections = sections.map(|(kind, at, bytes)| (kind, format!("at {at:#x}"), bytes));
        let start = self.place.bytes().map(usize::from).sum::<usize>();
        for (number, (kind, at, mutant)) in (start..).zip(bodies.chain(sections)) {
            if number % self.stride != 0 || mutant == output {
                continue;
            }
            if wasmparser::Validator::new_with_features(features()).validate_all(&mutant).is_err() {
                continue;
            }
            let place = &self.place;
            match verify(&mutant) {
                Err(Error::Unfaithful { .. }) => *tally.rejected.entry(kind).or_default() += 1,
                Err(error) => panic!("{place}: {kind}: {at}: {error}"),
                Ok(found) if found.unchecked.len() > unchecked.len() => {
                    tally.accepted.push(format!("{place}: {kind}: {at}: not checked any more"));
                }
                Ok(_) if kind == "a function's type changed" && facts.same_types(&mutant) => {}
                Ok(_) => tally.accepted.push(format!("{place}: {kind}: {at}")),
            }
        }
    }
}

fn features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures as F;
    F::default() | F::LEGACY_EXCEPTIONS | F::CUSTOM_PAGE_SIZES | F::WIDE_ARITHMETIC
}
