//! `stats` counts what `instrument` writes: the figures are compared with the bodies in its output.
//!
//! Not proved here: that sites and frames are right; that is for running the output.

use crate::bodies::bodies;
use crate::fixtures::golden::{Fixture, run_group};

#[test]
fn stats_count_what_is_written() {
    run_group("run", |fixture| compare(fixture).map_err(|error| error.to_string()));
}

fn compare(fixture: &Fixture) -> Result<(), Box<dyn std::error::Error>> {
    if fixture.directives.stand_ins {
        return Ok(());
    }
    let input = fixture.directives.input(&fixture.text)?;
    let input = wat::parse_bytes(&input)?;
    let options = fixture.directives.options();
    let stats = wasm_fork::stats(&input, &options)?;
    let output = wasm_fork::instrument(&input, &options)?;
    let (before, after) = (bodies(&input), bodies(&output.wasm));
    let sizes = [stats.total.module_bytes_before, stats.total.module_bytes_after];
    assert_eq!(sizes, [input.len() as u64, output.wasm.len() as u64]);

    let mut listed = stats.functions.iter().peekable();
    let mut guarded = stats.guarded.iter().peekable();
    let mut total = 0;
    for (func, size) in before {
        let added = match listed.next_if(|function| function.index == func) {
            Some(function) => {
                assert_eq!(function.code_bytes, size as u64, "function {func}");
                let has_frame = function.frame_bytes >= 4;
                assert_eq!(has_frame, function.sites > 0, "function {func}");
                function.code_bytes_added
            }
            None => {
                let guarded = guarded.next_if(|function| function.index == func);
                guarded.map_or(0, |function| function.guard_bytes)
            }
        };
        assert_eq!(added, after[&func] as i64 - size as i64, "function {func}");
        total += added;
    }
    assert!(listed.next().is_none() && guarded.next().is_none());
    assert_eq!(stats.total.code_bytes_added + stats.total.guard_bytes, total);
    let guards = (stats.total.guards, stats.total.guard_bytes);
    assert_eq!(guards, (output.report.guards.guards, output.report.guards.guard_bytes));
    for spread in [&stats.spread.sites, &stats.spread.code_bytes_added] {
        assert_eq!(spread.buckets.iter().sum::<usize>(), stats.functions.len());
    }
    Ok(())
}
