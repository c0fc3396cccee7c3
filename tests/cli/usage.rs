//! Usage errors: flags that make no sense, or would be ignored.

use super::*;

/// A usage error: status 2, nothing on stdout, `expected` on stderr, and nothing written.
#[track_caller]
fn assert_usage(sandbox: &Sandbox, args: &[&str], expected: &str) {
    let before = sandbox.names();
    let output = sandbox.run(args);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert!(stderr.contains(expected), "{args:?}: {stderr}");
    assert_eq!(sandbox.names(), before);
}

#[test]
fn usage_errors_exit_with_2() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let usages: [&[&str]; 10] = [
        &[],
        &["bogus"],
        &["instrument"],
        &["instrument", "in.wasm"],
        &["instrument", "in.wasm", "-o", "o", "--abi", "bogus"],
        &["instrument", "in.wasm", "-o", "o", "--entry-module", "m"],
        &["analyze", "in.wasm", "--format", "bogus"],
        &["analyze", "in.wasm", "--threads", "0"],
        &["analyze", "in.wasm", "--precision", "bogus"],
        &["instrument", "in.wasm", "-o", "o", "--precision", "direct"],
    ];
    for args in usages {
        assert_usage(&sandbox, args, "--help");
    }
}

#[test]
fn a_flag_that_would_be_ignored_is_an_error() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let usages: [(&[&str], &str); 16] = [
        (&["analyze", "in.wasm", "--optimize", "size"], "--optimize would have no effect"),
        (
            &["instrument", "in.wasm", "--discover-only", "--cpu-profile", "p"],
            "--cpu-profile would have no effect",
        ),
        (
            &["instrument", "in.wasm", "--discover-only", "-o", "o"],
            "'--discover-only' cannot be used",
        ),
        (&["instrument", "in.wasm", "-o", "o", "--shim-mechanism", "table"], "--shim-site"),
        (&["instrument", "in.wasm", "-o", "o", "--shim-allow-bit-casts"], "--shim-site"),
        (
            &["instrument", "in.wasm", "-o", "o", "--shim-all-sites", "--shim-site", "run"],
            "cannot be used with",
        ),
        (&["shim", "in.wasm", "-o", "o", "--format", "json"], "cannot be used with"),
        (&["shim", "in.wasm", "-o", "o", "--top", "3"], "cannot be used with"),
        (&["shim", "in.wasm", "--top", "3"], "--report"),
        (&["shim", "in.wasm", "--report", "--all-sites", "--site", "run"], "cannot be used with"),
        (&["shim", "in.wasm", "--report", "--all-sites", "--from-trap", "t"], "cannot be used"),
        (&["shim", "in.wasm", "--format", "json"], "--report"),
        (&["shim", "in.wasm", "-o", "o", "--report"], "cannot be used with"),
        (&["analyze", "in.wasm", "--top", "3"], "--advise"),
        (&["analyze", "in.wasm", "--advise", "--stats"], "cannot be used with"),
        (&["analyze", "in.wasm", "-q", "-v"], "cannot be used with"),
    ];
    for (args, expected) in usages {
        assert_usage(&sandbox, args, expected);
    }
}

#[test]
fn a_misread_entry_names_the_command() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    for (command, flag) in [("analyze", "--entry"), ("explain", "--reentrant"), ("plan", "--entry")]
    {
        let function: &[&str] = if command == "explain" { &["forks"] } else { &[] };
        let args = [&[command, "in.wasm", flag, "nodot"], function].concat();
        assert_usage(&sandbox, &args, "the entry `nodot` can't be read: it has no dot");
        assert_usage(&sandbox, &args, &format!("Usage: wasm-fork {command} "));
    }
}

#[test]
fn standard_input_is_read_once() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let usages: [(&[&str], &str); 6] = [
        (&["analyze", "-", "--only", "@-"], "IN and --only both name it"),
        (
            &["explain", "in.wasm", "run", "--profile", "-", "--only", "@-"],
            "--only and --profile both",
        ),
        (&["instrument", "-", "-o", "o", "--shim-from-trap", "-"], "IN and --shim-from-trap both"),
        (
            &["shim", "in.wasm", "-o", "o", "--site", "@-", "--from-trap", "-"],
            "--site and --from-trap",
        ),
        (&["plan", "in.wasm", "--only", "@-", "--only", "@-"], "--only names it twice"),
        (&["profile", "merge", "-", "-", "-o", "-"], "IN names it twice"),
    ];
    for (args, expected) in usages {
        assert_usage(&sandbox, args, expected);
    }
}
