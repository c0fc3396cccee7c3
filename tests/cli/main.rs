//! The command as a user meets it: exit status, streams, and what is on disk afterwards.
//!
//! What these tests don't prove: that a closure or a rewritten module is right. They only compare
//! what the command makes on one way with what it makes on another.

mod assumptions;
mod debug;
mod examples;
mod explain;
mod forms;
mod imports;
#[cfg(unix)]
mod link;
mod memories;
mod names;
mod profiles;
mod readme;
mod refusals;
mod resume_module;
#[cfg(unix)]
mod run;
mod shim;
mod shim_types;
mod storm;
mod streams;
#[cfg(unix)]
mod unix;
mod usage;
mod verify;
mod views;
#[cfg(unix)]
mod wasm_opt;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const FORKS: &str = r#"(module
    (import "kernel" "kernel_fork" (func $fork (result i32)))
    (import "env" "sleep.ms" (func $sleep (param i32)))
    (memory (export "memory") 1)
    (func $forks (export "run") (result i32) (call $fork))
    (func $naps (export "nap") (call $sleep (i32.const 5)))
    (func $other (export "other")))"#;

const PLAIN: &str = "(module (memory 1) (func (export \"run\")))";

/// A directory of its own, and what the command did in it.
struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Sandbox {
        Sandbox(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// With a binary module of this text.
    fn with(name: &str, text: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path(name), wat::parse_str(text).unwrap()).unwrap();
        sandbox
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn run(&self, args: &[&str]) -> Output {
        self.feed(args, b"")
    }

    fn feed(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child = command(self.0.path(), args).spawn().unwrap();
        // A command that refuses its flags may end without reading.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }
}

fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-fork"));
    command.args(args).current_dir(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn assert_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// Refused: status 1, nothing on stdout, one line on stderr, which holds `expected`.
#[track_caller]
fn assert_refused(output: &Output, expected: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(stderr.starts_with("error: "), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_version_names_the_commit() {
    let output = Sandbox::new().run(&["--version"]);
    assert_done(&output);
    let version = text(&output.stdout);
    let hash = version
        .strip_prefix(concat!("wasm-fork ", env!("CARGO_PKG_VERSION"), " ("))
        .and_then(|rest| rest.strip_suffix(")\n"))
        .unwrap_or_else(|| panic!("{version}"));
    let is_hash = hash.len() >= 10 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || hash == "unknown", "{hash}");
}

#[test]
fn help_shows_examples_and_exit_statuses() {
    let output = Sandbox::new().run(&["--help"]);
    assert_done(&output);
    let help = text(&output.stdout);
    assert!(help.contains("wasm-fork instrument dash.wasm -o"), "{help}");
    assert!(help.contains("Exit status"), "{help}");
    // What it is for comes before how it is called.
    assert!(help.find("as a step of its build").unwrap() < help.find("Usage:").unwrap(), "{help}");
}

#[test]
fn bad_input_is_refused_and_the_output_left_alone() {
    let whole = wat::parse_str(FORKS).unwrap();
    let inputs: [(&[u8], &str); 6] = [
        (b"", "empty"),
        (b"\x7fELF\x02\x01", "not a WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "component"),
        (b"(module (func i32.bogus))", "does not parse"),
        (&whole[..whole.len() - 3], "offset"),
        (b"(module (func i32.add))", "not valid"),
    ];
    for (input, expected) in inputs {
        let sandbox = Sandbox::new();
        assert_refused(&sandbox.feed(&["instrument", "-", "-o", "new"], input), expected);
        assert_eq!(sandbox.names(), [""; 0]);
        assert_refused(&sandbox.feed(&["analyze", "-"], input), expected);

        fs::write(sandbox.path("old"), "kept").unwrap();
        assert_refused(&sandbox.feed(&["instrument", "-", "-o", "old"], input), expected);
        assert_eq!(sandbox.names(), ["old"]);
        assert_eq!(sandbox.read("old"), b"kept");
    }
}

#[test]
fn what_can_not_be_instrumented_is_refused() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let again = ["instrument", "in.wasm", "-o", "in.wasm"];
    assert_done(&sandbox.run(&again));
    let instrumented = sandbox.read("in.wasm");
    assert_refused(&sandbox.run(&again), "already instrumented");
    assert_eq!(sandbox.read("in.wasm"), instrumented);

    let texts = [
        (FORKS.replace("(memory (export \"memory\") 1)", ""), "no memory"),
        (FORKS.replace("\"other\"", "\"wpk_fork_state\""), "`wpk_fork_state` is reserved"),
    ];
    for (wat, expected) in texts {
        let output = sandbox.feed(&["instrument", "-", "-o", "new"], wat.as_bytes());
        assert_refused(&output, expected);
        assert_eq!(sandbox.names(), ["in.wasm"]);
    }
}

#[test]
fn a_section_that_is_left_out_is_a_warning() {
    let debug = "(@custom \".debug_line\" \"anything\") (memory (export";
    let wat = FORKS.replace("(memory (export", debug);
    let sandbox = Sandbox::with("in.wasm", &wat);
    let output = sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm", "-q"]);
    assert_done(&output);
    let one =
        "the custom section `.debug_line` (22 bytes) speaks of code that moved, and was left out";
    let why =
        "the debug information can't be read, at 0x4 of `.debug_line`: a length beyond the end";
    assert_eq!(text(&output.stderr), format!("warning: {one}\nwarning: {why}\n"));

    let all = [".debug_abbrev", ".debug_info", ".debug_line", ".debug_str"];
    let sections = all.map(|name| format!("(@custom \"{name}\" \"any\") ")).concat();
    let wat = FORKS.replace("(memory (export", &format!("{sections}(memory (export"));
    let output = sandbox.feed(&["instrument", "-", "-o", "out.wasm", "-q"], wat.as_bytes());
    assert_done(&output);
    assert_eq!(
        text(&output.stderr),
        "warning: 4 custom sections (69 bytes) speak of code that moved, and were left out: \
         `.debug_abbrev`, `.debug_info`, `.debug_line`, `.debug_str`\n\
         warning: the debug information can't be read, at 0x0 of `.debug_info`: it ends too early\n"
    );
}

#[test]
fn an_input_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    assert_refused(&sandbox.run(&["analyze", "absent.wasm"]), "absent.wasm");
    assert_refused(&sandbox.run(&["analyze", "."]), "can't read .");
}

#[test]
fn a_mistyped_entry_is_answered_with_near_names() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let args = ["in.wasm", "--entry", "kernel.kernel_frok"];
    for command in [&["instrument", "-o", "new"][..], &["analyze"]] {
        let output = sandbox.run(&[command, &args].concat());
        assert_refused(&output, "`kernel.kernel_fork`");
        assert_eq!(sandbox.names(), ["in.wasm"]);
    }
}

#[test]
fn an_error_is_one_line_whatever_the_names_hold() {
    let wat = r#"(module (import "env" "for\nk\1b[31m" (func)) (memory 1))"#;
    let sandbox = Sandbox::with("in.wasm", wat);
    let output = sandbox.run(&["analyze", "in.wasm", "--entry", "env.for"]);
    assert_refused(&output, r"env.for\nk\u{1b}[31m");
}

#[test]
fn allow_missing_entry_copies_the_input() {
    let sandbox = Sandbox::with("in.wasm", PLAIN);
    assert_refused(&sandbox.run(&["instrument", "in.wasm", "-o", "out"]), "kernel.kernel_fork");
    let args = ["instrument", "in.wasm", "-o", "out", "--allow-missing-entry"];
    assert_done(&sandbox.run(&args));
    assert_eq!(sandbox.read("out"), sandbox.read("in.wasm"));
}

#[test]
fn analyze_prints_counts_and_the_closure() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["analyze", "in.wasm"]);
    assert_done(&output);
    let report = text(&output.stdout);
    assert!(report.starts_with("2 (1, 1) total (local, import)\n"), "{report}");
    assert!(report.contains("forks"), "{report}");
    assert!(!report.contains("naps"), "{report}");
    assert!(text(&output.stderr).starts_with("assuming: 1 import"));

    let discovered = sandbox.run(&["instrument", "in.wasm", "--discover-only"]);
    assert_done(&discovered);
    assert_eq!(text(&discovered.stdout), report);
    assert_eq!(sandbox.names(), ["in.wasm"]);
}

#[test]
fn analyze_prints_json() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["analyze", "in.wasm", "--format", "json"]);
    assert_done(&output);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["entries"], serde_json::json!(["kernel.kernel_fork"]));
    let counts = serde_json::json!({"total": 2, "local": 1, "import": 1});
    assert_eq!(report["counts"], counts);
    let forks = serde_json::json!({"index": 2, "name": "forks", "import": false, "frames": true});
    assert_eq!(report["closure"][1], forks);
    assert!(report["assumptions"].is_array());
}

#[test]
fn analyze_takes_a_level_of_precision_and_warns_of_the_unsound_one() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let plain = sandbox.run(&["analyze", "in.wasm"]);
    for (level, warns) in [("direct", true), ("asyncify", false), ("types", false)] {
        for format in ["text", "json"] {
            let flags = ["analyze", "in.wasm", "--precision", level, "--format", format];
            let output = sandbox.run(&flags);
            assert_done(&output);
            let warning = text(&output.stderr);
            assert_eq!(warning.contains("NOT sound"), warns, "{level} {format}: {warning}");
        }
        let output = sandbox.run(&["analyze", "in.wasm", "--precision", level]);
        assert_eq!(output.stdout, plain.stdout, "no call here goes through a value");
    }
}

#[test]
fn analyze_without_the_entry_says_so() {
    let sandbox = Sandbox::with("in.wasm", PLAIN);
    let refused = sandbox.run(&["analyze", "in.wasm"]);
    assert_refused(&refused, "does not import the entry `kernel.kernel_fork`");
    assert_refused(&refused, "`wasm-fork imports IN` lists what it imports");
    let output = sandbox.run(&["analyze", "in.wasm", "--allow-missing-entry"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("0 (0, 0) total (local, import)"));
}

#[test]
fn entries_are_united() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let closure = |args: &[&str]| {
        let output = sandbox.run(&[&["analyze", "in.wasm", "--format", "json"], args].concat());
        assert_done(&output);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["counts"]["total"].as_u64().unwrap()
    };
    let sleep = ["--entry-module", "env", "--entry-name", "sleep.ms"];
    let fork = ["--entry", "kernel.kernel_*"];
    assert_eq!(closure(&sleep), 2);
    assert_eq!(closure(&fork), 2);
    assert_eq!(closure(&["--entry", "\"env\".sleep.ms"]), 2);
    assert_eq!(closure(&[&sleep[..], &fork].concat()), 4);
}

#[test]
fn a_reentrant_import_is_in_the_closure() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["analyze", "in.wasm", "--reentrant", "\"env\".sleep.*"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("4 (2, 2) total (local, import)"));
    assert!(!text(&output.stderr).contains("assuming"));
    let misread = sandbox.run(&["analyze", "in.wasm", "--reentrant", "nodot"]);
    assert_eq!(misread.status.code(), Some(2));
}

#[test]
fn a_mistyped_reentrant_import_is_answered_with_near_names() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["analyze", "in.wasm", "--reentrant", "\"env\".sleep.sm"]);
    assert_refused(&output, "which is said to call back (did you mean `\"env\".sleep.ms`?)");
    let accepting = ["analyze", "in.wasm", "--allow-missing-entry", "--reentrant", "env.nothing*"];
    assert_refused(&sandbox.run(&accepting), "does not import `env.nothing*`");
}

#[test]
fn a_filter_writes_what_files_get() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm"]));
    let expected = sandbox.read("out.wasm");
    assert!(expected.len() > sandbox.read("in.wasm").len());

    let filter = sandbox.feed(&["instrument", "-", "-o", "-"], &sandbox.read("in.wasm"));
    assert_done(&filter);
    assert_eq!(filter.stdout, expected);
    for threads in ["1", "3"] {
        let args = ["instrument", "in.wasm", "-o", "-", "--threads", threads];
        assert_eq!(sandbox.run(&args).stdout, expected);
    }

    fs::write(sandbox.path("in.wat"), FORKS).unwrap();
    assert_done(&sandbox.run(&["instrument", "in.wat", "-o", "text.wasm"]));
    assert_eq!(sandbox.read("text.wasm"), expected);
}

#[test]
fn the_output_may_be_the_input() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let expected = sandbox.run(&["instrument", "in.wasm", "-o", "-"]).stdout;
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "in.wasm"]));
    assert_eq!(sandbox.read("in.wasm"), expected);
    assert_eq!(sandbox.names(), ["in.wasm"]);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir(sandbox.path("directory")).unwrap();
    for place in ["absent/out.wasm", "directory", "in.wasm/out"] {
        let output = sandbox.run(&["instrument", "in.wasm", "-o", place]);
        assert_refused(&output, &format!("can't write {place}"));
    }
    assert_eq!(sandbox.names(), ["directory", "in.wasm"]);
    assert_eq!(sandbox.read("in.wasm"), wat::parse_str(FORKS).unwrap());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = command(Path::new("."), &["analyze", "-"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(FORKS.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_done(&output);
    assert!(!text(&output.stderr).contains("error"));
}
