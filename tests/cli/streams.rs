//! What goes to which stream, and where stdin is read.

use super::*;

#[test]
fn success_is_one_line_on_stderr() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["instrument", "in.wasm", "-o", "out"]);
    assert_done(&output);
    assert!(output.stdout.is_empty());
    let (before, after) = (sandbox.read("in.wasm").len(), sandbox.read("out").len());
    let growth = format!("from {before} to {after} bytes ({:.3}×)", after as f64 / before as f64);
    assert_eq!(
        text(&output.stderr),
        format!("instrumented 1 of 3 functions, with 1 site and 1 guard: {growth}\n")
    );

    let assumed =
        ["instrument", "in.wasm", "-o", "out", "--entry", "*.*", "--assume-no-fork", "nap"];
    let stderr = text(&sandbox.run(&assumed).stderr);
    assert!(
        stderr.starts_with("instrumented 1 of 3 functions, with 1 site and 1 guard: "),
        "{stderr}"
    );

    let none = ["instrument", "in.wasm", "-o", "out", "--entry", "no.no", "--allow-missing-entry"];
    let same = format!("from {before} to {before} bytes (1.000×)");
    assert_eq!(
        text(&sandbox.run(&none).stderr),
        format!("instrumented 0 of 3 functions, with 0 sites and no guards: {same}\n")
    );
}

#[test]
fn quiet_leaves_warnings_and_errors() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let quiet = sandbox.run(&["instrument", "in.wasm", "-o", "out", "-q"]);
    assert_done(&quiet);
    assert_eq!(text(&quiet.stderr), "");
    let closure = sandbox.run(&["analyze", "in.wasm", "--quiet", "--assume-no-fork", "run"]);
    assert_done(&closure);
    let stderr = text(&closure.stderr);
    assert!(stderr.starts_with("warning: ") && stderr.lines().count() == 1, "{stderr}");
    assert_refused(&sandbox.run(&["analyze", "absent", "-q"]), "absent");
}

#[test]
fn stdout_holds_only_what_was_asked_for() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let told = sandbox.run(&["instrument", "in.wasm", "-o", "out", "-vv"]);
    assert_done(&told);
    assert!(told.stdout.is_empty());
    assert!(text(&told.stderr).contains("INFO"));
}

#[test]
fn a_dash_is_stdin_wherever_a_file_is_read() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let closure = |args: &[&str], stdin: &[u8]| {
        let output = sandbox.feed(args, stdin);
        assert_done(&output);
        text(&output.stdout).lines().count() - 1
    };
    assert_eq!(closure(&["analyze", "-"], FORKS.as_bytes()), 2);
    assert_eq!(closure(&["analyze", "in.wasm", "--only", "@-"], b"# none\nother\n"), 1);
    let profile = br#"{"version": 1, "functions": [{"name": "other"}]}"#;
    assert_eq!(closure(&["analyze", "in.wasm", "--profile", "-"], profile), 1);
    let trace = b"at other (wasm://wasm/1234:wasm-function[4]:0x89)";
    for (args, stdin) in [
        (["shim", "in.wasm", "-o", "out", "--from-trap", "-"], &trace[..]),
        (["shim", "in.wasm", "-o", "out", "--site", "@-"], b"other"),
    ] {
        let output = sandbox.feed(&args, stdin);
        assert_refused(&output, "the function makes no indirect calls");
        let empty = sandbox.feed(&args, b"");
        assert_refused(&empty, "the standard input ");
    }
    let empty = sandbox.feed(&["analyze", "in.wasm", "--only", "@-"], b"");
    assert_refused(&empty, "the standard input has no functions");
    let empty = sandbox.feed(&["analyze", "in.wasm", "--profile", "-"], b"");
    assert_refused(&empty, "the profile in the standard input can't be used");
}
