//! Same bytes in, same bytes out: fresh processes, with one thread and with several. A hash map's
//! order differs from process to process, so one process alone would prove little.

use crate::random;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Instruments `input` in a process of its own; returns the output, and all that `analyze` tells.
fn instrument_in_process(input: &Path, threads: usize) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let output = folder.path().join("out.wasm");
    let run = |args: &[&std::ffi::OsStr]| {
        let result = Command::new(env!("CARGO_BIN_EXE_wasm-fork"))
            .args(args)
            .args(["--entry", "env.fork", "--entry", "env.pause"])
            .env("RAYON_NUM_THREADS", threads.to_string())
            .output()
            .expect("the command runs");
        assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
        result.stdout
    };
    run(&["instrument".as_ref(), input.as_ref(), "-o".as_ref(), output.as_ref()]);
    let analyze = |flags: &[&str]| {
        let flags = flags.iter().map(AsRef::as_ref);
        run(&["analyze".as_ref(), input.as_ref()].into_iter().chain(flags).collect::<Vec<_>>())
    };
    let mut report = analyze(&["--format", "json"]);
    report.extend(analyze(&["--advise", "--format", "json"]));
    report.extend(analyze(&["--stats", "--format", "json"]));
    (fs::read(&output).expect("the output was written"), report)
}

#[test]
fn fresh_processes_agree() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for seed in [3, 7, 10, 19] {
        let input = folder.path().join(format!("{seed}.wat"));
        fs::write(&input, random::text_with_many_functions(seed)).expect("a file can be written");
        let first = instrument_in_process(&input, 1);
        for threads in [1, 2, 2, 4] {
            let again = instrument_in_process(&input, threads);
            assert!(first.0 == again.0, "seed {seed}, {threads} threads: the output differs");
            assert!(first.1 == again.1, "seed {seed}, {threads} threads: the report differs");
        }
    }
}

/// The output doesn't depend on how the input is spelled, nor on what was instrumented before.
#[test]
fn text_and_binary_give_the_same() {
    let text = random::text_with_many_functions(5);
    let binary = wat::parse_str(&text).expect("the text parses");
    let entry = wasm_fork::EntryPattern::exact("env", "fork");
    let options = wasm_fork::Options::default().entries([entry]);
    let from_text = wasm_fork::instrument(text.as_bytes(), &options).expect("it is instrumented");
    let from_binary = wasm_fork::instrument(&binary, &options).expect("it is instrumented");
    assert!(from_text.wasm == from_binary.wasm);
}
