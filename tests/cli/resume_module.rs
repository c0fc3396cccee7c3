//! `--resume-module`: two files of one module.

use super::*;

const FLAGS: [&str; 2] = ["--optimize", "speed"];

/// Instruments `in.wasm` to these files.
fn to(sandbox: &Sandbox, output: &str, resumes: &str) -> Output {
    let files = ["instrument", "in.wasm", "-o", output, "--resume-module", resumes];
    sandbox.run(&[&files[..], &FLAGS].concat())
}

#[test]
fn both_files_are_written_and_their_sizes_told() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = to(&sandbox, "out", "resumes");
    assert_done(&output);
    assert_eq!(sandbox.names(), ["in.wasm", "out", "resumes"]);
    let told = format!(", and a resume module of {} bytes\n", sandbox.read("resumes").len());
    assert!(text(&output.stderr).ends_with(&told), "{}", text(&output.stderr));

    let main = wasmprinter::print_bytes(sandbox.read("out")).unwrap();
    let resumes = wasmprinter::print_bytes(sandbox.read("resumes")).unwrap();
    assert!(!main.contains("[resume]"), "{main}");
    assert!(resumes.contains("(func $\"forks [resume]\""), "{resumes}");
    let table = main.lines().find(|line| line.contains("\"wpk_fork_resume_table_")).unwrap();
    let name = table.split('"').nth(1).unwrap();
    assert!(resumes.contains(&format!("(import \"wpk_fork\" \"{name}\"")), "{resumes}");
}

#[test]
fn one_of_them_may_be_the_input_or_a_stream() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    assert_done(&to(&sandbox, "out", "resumes"));
    let (out, resumes) = (sandbox.read("out"), sandbox.read("resumes"));
    let stdout = to(&sandbox, "-", "other");
    assert_done(&stdout);
    assert!(stdout.stdout == out && sandbox.read("other") == resumes);
    let stdout = to(&sandbox, "other", "-");
    assert_done(&stdout);
    assert!(stdout.stdout == resumes && sandbox.read("other") == out);
    assert_done(&to(&sandbox, "in.wasm", "other"));
    assert!(sandbox.read("in.wasm") == out && sandbox.read("other") == resumes);
}

#[test]
fn neither_is_written_if_one_cannot_be() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir(sandbox.path("directory")).unwrap();
    for (output, resumes) in
        [("out", "directory"), ("directory", "resumes"), ("out", "absent/resumes")]
    {
        assert_refused(&to(&sandbox, output, resumes), "can't write ");
        assert_eq!(sandbox.names(), ["directory", "in.wasm"]);
    }
    fs::write(sandbox.path("old"), "kept").unwrap();
    assert_refused(&to(&sandbox, "old", "directory"), "can't write directory");
    assert_eq!(sandbox.read("old"), b"kept");
}

#[test]
fn one_place_is_not_for_both() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir(sandbox.path("folder")).unwrap();
    fs::write(sandbox.path("old"), "kept").unwrap();
    for (output, resumes, told) in [
        ("out", "out", "are the same file"),
        ("out", "./folder/../out", "are the same file"),
        ("old", "./old", "are the same file"),
        ("-", "-", "the standard output can be written once"),
    ] {
        let output = to(&sandbox, output, resumes);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    assert_eq!(sandbox.names(), ["folder", "in.wasm", "old"]);
    assert_eq!(sandbox.read("old"), b"kept");
}

#[test]
fn where_nothing_is_apart_it_is_an_error_or_told() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let resumes = ["instrument", "in.wasm", "--resume-module", "resumes"];
    let size = sandbox.run(&[&resumes[..], &["-o", "out", "--optimize", "size"]].concat());
    assert_eq!(size.status.code(), Some(2));
    assert!(text(&size.stderr).contains("puts no function apart"), "{}", text(&size.stderr));
    let discovers = sandbox.run(&[&resumes[..], &["--discover-only"]].concat());
    assert_eq!(discovers.status.code(), Some(2));
    assert_eq!(sandbox.names(), ["in.wasm"]);

    // Nothing is called from four places.
    let balanced = sandbox.run(&[&resumes[..], &["-o", "out"]].concat());
    assert_done(&balanced);
    let stderr = text(&balanced.stderr);
    assert!(stderr.contains("warning: the resume module has no functions: "), "{stderr}");
    assert_eq!(sandbox.names(), ["in.wasm", "out", "resumes"]);
    wasmparser::validate(&sandbox.read("resumes")).unwrap();

    let none = ["-o", "none", "--entry", "no.no", "--allow-missing-entry"];
    assert_done(&sandbox.run(&[&resumes[..], &none].concat()));
    assert_eq!(sandbox.read("none"), sandbox.read("in.wasm"));
    wasmparser::validate(&sandbox.read("resumes")).unwrap();
}

#[test]
fn names_that_it_needs_are_reserved() {
    let taken = FORKS.replace("\"other\"", "\"wpk_fork_other\"");
    let sandbox = Sandbox::with("in.wasm", &taken);
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "out"]));
    assert_refused(&to(&sandbox, "out", "resumes"), "`wpk_fork_other` is reserved");
}

#[test]
fn a_module_that_has_one_is_not_repaired() {
    let sandbox = Sandbox::with(
        "in.wasm",
        r#"(module
            (import "kernel" "kernel_fork" (func $fork (result i32)))
            (memory 1)
            (table 1 funcref)
            (elem (i32.const 0) $nothing)
            (func $nothing)
            (func (export "run") (result i32)
                (drop (call_indirect (result i32) (i32.const 0)))
                (call $fork)))"#,
    );
    assert_done(&to(&sandbox, "out", "resumes"));
    let args = ["shim", "out", "-o", "shimmed", "--all-sites"];
    assert_refused(&sandbox.run(&args), "has a resume module that makes its calls once more");
}
