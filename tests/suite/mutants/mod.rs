//! The prover is proved: written modules with one fault each, all of which `verify` must reject; and none that has none.
//!
//! Every fault is put everywhere it can be in the outputs of the `run` and `legacy` fixtures, in each form and with a resume module, and
//! in every part of what is not code. Every so many are tried, by a fixed stride, or by that in `MUTANTS`; 1 tries them all, which takes
//! minutes. `scripts/check/mutants` does that, and the same for real modules. A mutant that isn't valid is rejected by any reader, and is not
//! counted; what would be no fault is not made.
//!
//! Not made: mutants of functions that `verify` says it has not checked, and of what is appended to modules that have some.

pub mod edit;
mod exits;
mod facts;
mod faults;
mod sections;

use crate::fixtures::golden;
use crate::forms;
use edit::{Body, Edit, Written};
use facts::Facts;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use wasm_fork::{EntryPattern, Error, Options, Verified};

/// How many mutants there were of each kind, and those that were accepted.
#[derive(Default)]
struct Tally {
    rejected: BTreeMap<&'static str, usize>,
    accepted: Vec<String>,
    outputs: usize,
    proved: usize,
    unchecked: BTreeMap<String, usize>,
}

impl Tally {
    fn add(mut self, other: Tally) -> Tally {
        self.outputs += other.outputs;
        self.proved += other.proved;
        self.accepted.extend(other.accepted);
        other
            .rejected
            .into_iter()
            .for_each(|(kind, n)| *self.rejected.entry(kind).or_default() += n);
        for (reason, functions) in other.unchecked {
            *self.unchecked.entry(reason).or_default() += functions;
        }
        self
    }

    fn print(&self) {
        let total: usize = self.rejected.values().sum();
        println!("{} outputs accepted, {} functions proved", self.outputs, self.proved);
        self.unchecked.iter().for_each(|(reason, n)| println!("{n} not checked: {reason}"));
        println!("{total} mutants rejected");
        self.rejected.iter().for_each(|(kind, count)| println!("{count:6} {kind}"));
    }

    fn assert_all_rejected(&self) {
        let survivors = &self.accepted;
        assert!(survivors.is_empty(), "{} survive:\n{}", survivors.len(), survivors.join("\n"));
    }
}

/// Every how many mutants are tried.
const STRIDE: usize = 101;

/// Of fewer mutants of a kind one is tried in so many outputs.
const SPARSE: usize = 8;

/// How many kinds of faults there are at least in the fixtures.
const KINDS: usize = 36;

fn stride() -> usize {
    let asked = env::var("MUTANTS").ok();
    asked.map_or(STRIDE, |stride| stride.parse().expect("MUTANTS is a number from 1 on"))
}

/// The fixtures that are rewritten, by name, as modules.
fn fixtures() -> Vec<(String, Vec<u8>, Options)> {
    let run = golden::load("run").0.into_iter();
    let run = run.map(|fixture| (fixture.name, fixture.text, fixture.directives.options()));
    let files = std::fs::read_dir(golden::root().join("legacy")).expect("the folder can be read");
    let mut legacy: Vec<_> =
        files.map(|file| file.expect("the folder can be read").path()).collect();
    legacy.sort();
    let legacy = legacy.into_iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().display().to_string();
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        // They have no directives.
        let entries = [EntryPattern::exact("env", "fork")];
        (name, text, Options::default().entries(entries))
    });
    let all = run.chain(legacy);
    all.filter_map(|(name, text, options)| Some((name, wat::parse_str(text).ok()?, options)))
        .collect()
}

#[test]
fn every_mutant_is_rejected() {
    let (fixtures, stride) = (fixtures(), stride());
    let tallies = fixtures.into_par_iter().map(|(name, original, options)| {
        let ways = forms::ways(&options, 1).into_iter();
        let tallies = ways.map(|(way, options)| {
            let place = format!("{name} {way}");
            Case { place, original: &original, options: &options, stride }.tally()
        });
        tallies.reduce(Tally::add).unwrap_or_default()
    });
    let tally = tallies.reduce(Tally::default, Tally::add);
    tally.print();
    tally.assert_all_rejected();
    assert!(tally.rejected.len() >= KINDS, "only {} kinds", tally.rejected.len());
}

/// `MUTANTS_OF` names them: `FILE=ENTRY`, separated by spaces.
#[test]
#[ignore = "scripts/check/mutants runs it"]
fn every_mutant_of_real_modules_is_rejected() {
    let modules = env::var("MUTANTS_OF").expect("MUTANTS_OF names modules");
    for module in modules.split_whitespace() {
        let (file, entry) = module.split_once('=').expect("MUTANTS_OF has entries");
        let original = std::fs::read(file).expect("the module can be read");
        let entry = EntryPattern::parse(entry).expect("MUTANTS_OF has entries");
        let options = Options::default().entries([entry]);
        let ways: Vec<_> = forms::ways(&options, 1).into_iter().take(3).collect();
        let tallies = ways.par_iter().map(|(way, options)| {
            let place = format!("{file} {way}");
            Case { place, original: &original, options, stride: stride() }.tally()
        });
        let tally = tallies.reduce(Tally::default, Tally::add);
        println!("{file}:");
        tally.print();
        tally.assert_all_rejected();
    }
}

/// A module that is rewritten in one way.
struct Case<'c> {
    place: String,
    original: &'c [u8],
    options: &'c Options,
    stride: usize,
}

impl Case<'_> {
    /// Verifies the output, and then each of its mutants.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let output = wasm_fork::instrument(self.original, self.options);
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.place));
        let (output, resumes) = (&output.wasm[..], output.resume_module.as_deref());
        let verified = self.verify(output, resumes);
        let verified = verified.unwrap_or_else(|error| panic!("{}: {error}", self.place));
        tally.outputs += 1;
        tally.proved += verified.proved;
        for (reason, functions) in verified.reasons() {
            *tally.unchecked.entry(reason.to_owned()).or_default() += functions;
        }
        let unchecked: BTreeSet<u32> = verified.unchecked.iter().map(|func| func.index).collect();
        self.mutate(&mut tally, output, &unchecked, |mutant| self.verify(mutant, resumes));
        let names = sections::names(self.original, output);
        let names = names.map(Mutant::Byte).collect();
        let module = Written::read(output);
        self.try_some(&mut tally, ("a name changed", names), &module, &unchecked, |mutant| {
            self.verify(mutant, resumes)
        });
        if let Some(resumes) = resumes.filter(|_| unchecked.is_empty()) {
            self.mutate(&mut tally, resumes, &unchecked, |mutant| {
                self.verify(output, Some(mutant))
            });
        }
        tally
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
        output: &[u8],
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
        let mut all: BTreeMap<_, Vec<Mutant<'_, '_>>> = BTreeMap::new();
        for (kind, body, edits) in faults::in_bodies(&module, &facts, is_checked) {
            all.entry(kind).or_default().push(Mutant::Body(body, edits));
        }
        for (kind, at) in sections::faults(self.original, output) {
            all.entry(kind).or_default().push(Mutant::Byte(at));
        }
        let functions = sections::functions(output);
        let swaps = functions.clone().skip(1).map(|at| Mutant::Swap(at - 1)).collect();
        all.insert("two functions swapped for the host", swaps);
        all.insert("another function for the host", functions.map(Mutant::Byte).collect());
        for (kind, mutants) in all.into_iter().filter(|(_, mutants)| !mutants.is_empty()) {
            self.try_some(tally, (kind, mutants), &module, unchecked, &verify);
        }
    }

    /// Verifies some of the mutants of a kind.
    fn try_some(
        &self,
        tally: &mut Tally,
        (kind, mutants): (&'static str, Vec<Mutant<'_, '_>>),
        module: &Written<'_>,
        unchecked: &BTreeSet<u32>,
        verify: impl Fn(&[u8]) -> Result<Verified, Error>,
    ) {
        let facts = Facts::read(self.original, module.bytes, module);
        for number in self.tried(kind, mutants.len()) {
            let (at, mutant) = mutants[number].make(module);
            self.try_one(tally, (kind, &at), (&facts, &mutant, module), unchecked, &verify);
        }
    }

    /// Which of so many mutants of a kind are tried: every so many, but some of every kind.
    fn tried(&self, kind: &str, count: usize) -> impl Iterator<Item = usize> + use<> {
        let letters = self.place.bytes().chain(kind.bytes()).map(usize::from);
        let draw =
            letters.fold(0, |draw: usize, letter| draw.wrapping_mul(31).wrapping_add(letter));
        let is_sparse = count < self.stride && draw % SPARSE > 0;
        let first = if is_sparse { count } else { (draw / SPARSE) % count.min(self.stride) };
        (first..count).step_by(self.stride)
    }

    fn try_one(
        &self,
        tally: &mut Tally,
        (kind, at): (&'static str, &str),
        (facts, mutant, module): (&Facts, &[u8], &Written<'_>),
        unchecked: &BTreeSet<u32>,
        verify: impl Fn(&[u8]) -> Result<Verified, Error>,
    ) {
        if wasmparser::Validator::new_with_features(features()).validate_all(mutant).is_err() {
            return;
        }
        let place = &self.place;
        match verify(mutant) {
            Err(Error::Unfaithful { .. }) => *tally.rejected.entry(kind).or_default() += 1,
            Err(error) => panic!("{place}: {kind}: {at}: {error}"),
            // Then the command fails, too.
            Ok(found) if found.unchecked.len() > unchecked.len() => {
                *tally.rejected.entry("not understood any more").or_default() += 1;
            }
            Ok(_) if names_a_type(kind) && facts.is_typed_as(mutant) => {}
            Ok(_) if kind == AN_IMPORT && facts.is_called_alike(mutant, module) => {}
            Ok(_) => tally.accepted.push(format!("{place}: {kind}: {at}")),
        }
    }
}

/// A fault that is still to be made.
enum Mutant<'b, 'a> {
    /// Other bytes in a body.
    Body(&'b Body<'a>, Vec<Edit>),
    /// One bit of a byte elsewhere.
    Byte(usize),
    /// A byte and the next one.
    Swap(usize),
}

impl Mutant<'_, '_> {
    /// Where it is, and the module with it.
    fn make(&self, module: &Written<'_>) -> (String, Vec<u8>) {
        match self {
            Mutant::Body(body, edits) => {
                let at = edits.first().map_or(0, |(range, _)| range.start);
                (format!("function {} at {at:#x}", body.func), module.with(body, edits))
            }
            Mutant::Byte(at) => {
                let mut mutant = module.bytes.to_vec();
                mutant[*at] ^= 1;
                (format!("at {at:#x}"), mutant)
            }
            Mutant::Swap(at) => {
                let mut mutant = module.bytes.to_vec();
                mutant.swap(*at, *at + 1);
                (format!("at {at:#x}"), mutant)
            }
        }
    }
}

/// The kind of faults of imports.
const AN_IMPORT: &str = "an import changed";

/// Whether what changed may be the index of a type, of which there may be another that is the same.
fn names_a_type(kind: &str) -> bool {
    ["a function's type changed", AN_IMPORT, "a tag changed"].contains(&kind)
}

fn features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures as F;
    F::default() | F::LEGACY_EXCEPTIONS | F::CUSTOM_PAGE_SIZES | F::WIDE_ARITHMETIC
}
