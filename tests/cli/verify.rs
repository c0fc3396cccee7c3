//! `verify`: what it prints, and when it ends with status 1.

use super::*;

const ARGS: [&str; 3] = ["verify", "in.wasm", "out"];

fn instrumented(text: &str, flags: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with("in.wasm", text);
    assert_done(&sandbox.run(&[&["instrument", "in.wasm", "-o", "out"], flags].concat()));
    sandbox
}

#[test]
fn an_output_is_accepted_and_what_was_found_is_counted() {
    let sandbox = instrumented(FORKS, &["--verify"]);
    let output = sandbox.run(&ARGS);
    assert_done(&output);
    let found = text(&output.stdout);
    assert!(found.contains("1 function rewritten and proved\n"), "{found}");
    assert!(found.contains("0 functions rewritten and NOT checked\n"), "{found}");
    let output = sandbox.run(&[&ARGS[..], &["--format", "json"]].concat());
    assert_done(&output);
    assert!(text(&output.stdout).contains("\"proved\": 1"), "{}", text(&output.stdout));
}

#[test]
fn a_fault_is_told_with_the_instructions_around() {
    let sandbox = instrumented(FORKS, &[]);
    let output = wasmprinter::print_bytes(sandbox.read("out")).unwrap();
    let test = "br_if 0 (;@1;)";
    assert!(output.contains(test), "{output}");
    let without = wat::parse_str(output.replacen(test, "drop", 1)).unwrap();
    fs::write(sandbox.path("out"), without).unwrap();
    let output = sandbox.run(&ARGS);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    let lines = [
        "error: the output is not",
        "function 2 (forks): unwound and rewound at the call at 0x",
        "in the original:\n",
        "in what was written:\n",
        "  > 0x",
    ];
    lines.iter().for_each(|line| assert!(told.contains(line), "{told}"));
    assert!(output.stdout.is_empty());
}

#[test]
fn what_was_added_is_listed_and_names_are_kept() {
    let sandbox = instrumented(FORKS, &[]);
    let found = text(&sandbox.run(&ARGS).stdout);
    let added = found.lines().find(|line| line.starts_with("added: ")).unwrap();
    for part in ["type ", "function ", "global ", "export 6", "name ", "producer 1"] {
        assert!(added.contains(part), "{part}: {added}");
    }
    let output = wasmprinter::print_bytes(sandbox.read("out")).unwrap();
    let renamed = wat::parse_str(output.replace("$naps", "$maps")).unwrap();
    fs::write(sandbox.path("out"), renamed).unwrap();
    assert_refused(&sandbox.run(&ARGS), "the custom section `name` changed or moved");
}

#[test]
fn functions_that_are_not_checked_make_it_fail_unless_that_is_allowed() {
    let sandbox = instrumented(FORKS, &["--optimize", "speed", "--resume-module", "resumes"]);
    let output = sandbox.run(&ARGS);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("1 function rewritten and NOT checked"));
    assert!(text(&output.stderr).contains("--allow-unchecked"), "{}", text(&output.stderr));
    assert_done(&sandbox.run(&[&ARGS[..], &["--allow-unchecked"]].concat()));
    let output = sandbox.run(&[&ARGS[..], &["--resume-module", "resumes"]].concat());
    assert_done(&output);
    assert!(text(&output.stdout).contains("1 function rewritten and proved\n"));
}
