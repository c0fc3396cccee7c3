//! `link` and what goes with builds: a linker that is run, response files, a file of flags, rules for make, reports. The linkers here
//! are shell scripts; real ones are run by `scripts/check/toolchains`.

use super::*;

/// A linker that writes the module beside it to what `-o` names, and says something on each stream.
const LINKER: &str = r#"#!/bin/sh
echo "linking $*" >&2
case " $* " in *" --fail "*) echo half >broken.wasm; exit 3 ;; esac
for word; do case $word in @*) set -- $(cat "${word#@}") ;; esac; done
while [ $# -gt 0 ]; do case $1 in -o) out=$2 ;; -o*) out=${1#-o} ;; esac; shift; done
cp in.wasm "${out:-a.out}"
"#;

fn linker() -> Sandbox {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir(sandbox.path("bin")).unwrap();
    fs::write(sandbox.path("bin/wasm-ld"), LINKER).unwrap();
    fs::set_permissions(sandbox.path("bin/wasm-ld"), PermissionsExt::from_mode(0o755)).unwrap();
    sandbox
}

fn link(sandbox: &Sandbox, flags: &[&str], linking: &[&str]) -> Output {
    sandbox.run(&[&["link"], flags, &["--", "bin/wasm-ld"], linking].concat())
}

fn instrumented(sandbox: &Sandbox) -> Vec<u8> {
    sandbox.run(&["instrument", "in.wasm", "-o", "-", "-q"]).stdout
}

#[test]
fn what_a_linker_writes_is_instrumented() {
    let sandbox = linker();
    let expected = instrumented(&sandbox);
    for linking in [&["-o", "x.wasm"][..], &["-ox.wasm"], &["--no-entry", "a.o", "-o", "x.wasm"]] {
        let output = link(&sandbox, &[], linking);
        assert_done(&output);
        assert_eq!(sandbox.read("x.wasm"), expected, "{linking:?}");
        let said = text(&output.stderr);
        assert!(said.starts_with("linking ") && said.contains("instrumented 1 of 3"), "{said}");
        assert_eq!(sandbox.names(), ["bin", "in.wasm", "x.wasm"]);
    }
    assert_done(&link(&sandbox, &["-q"], &["a.o"]));
    assert_eq!(sandbox.read("a.out"), expected);
}

#[test]
fn what_is_linked_is_there_instrumented_or_not_at_all() {
    let sandbox = linker();
    let refused = link(&sandbox, &["--entry", "env.absent"], &["-o", "x.wasm"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("note: x.wasm was removed"));
    assert_eq!(sandbox.names(), ["bin", "in.wasm"]);
    let failed = link(&sandbox, &[], &["-o", "x.wasm", "--fail"]);
    assert_eq!(failed.status.code(), Some(3), "the linker's own status");
    assert_eq!(text(&failed.stderr), "linking -o x.wasm --fail\n");
    let misused = link(&sandbox, &["--optimize", "tiny"], &["-o", "x.wasm"]);
    assert_eq!(misused.status.code(), Some(2), "before the linker runs");
    let absent = sandbox.run(&["link", "--", "bin/absent", "-o", "x.wasm"]);
    assert_refused(&absent, "can't run bin/absent");
}

#[test]
fn what_is_no_linked_module_stays_as_it_is() {
    let sandbox = linker();
    let original = sandbox.read("in.wasm");
    for linking in [&["-c", "-o", "x.o"][..], &["-r", "-o", "x.o"]] {
        assert_done(&link(&sandbox, &[], linking));
        assert_eq!(sandbox.read("x.o"), original, "{linking:?}");
    }
    fs::write(sandbox.path("in.wasm"), "\x7fELF").unwrap();
    assert_done(&link(&sandbox, &[], &["-o", "native"]));
    assert_eq!(sandbox.read("native"), b"\x7fELF");
    fs::write(sandbox.path("old.wasm"), &original).unwrap();
    assert_done(&sandbox.run(&["link", "--", "true", "-o", "old.wasm"]));
    assert_eq!(sandbox.read("old.wasm"), original, "nothing was written there");
}

#[test]
fn the_result_may_go_elsewhere() {
    let sandbox = linker();
    let (original, expected) = (sandbox.read("in.wasm"), instrumented(&sandbox));
    let output = link(&sandbox, &["-o", "-"], &["-o", "x.wasm"]);
    assert_done(&output);
    assert_eq!(output.stdout, expected);
    assert_eq!(sandbox.read("x.wasm"), original);
    assert_done(&link(&sandbox, &["-o", "y.wasm"], &["-o", "x.wasm"]));
    assert_eq!(sandbox.read("y.wasm"), expected);
}

/// The command under a linker's name.
fn named(sandbox: &Sandbox, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let program = sandbox.path(name);
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wasm-fork"), &program).unwrap();
    }
    let mut command = Command::new(program);
    let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    command.args(args).current_dir(sandbox.0.path()).env("PATH", path);
    command.env_remove("WASM_FORK_FLAGS").env_remove("WASM_FORK_LD");
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn under_a_linkers_name_it_is_one() {
    let sandbox = linker();
    let expected = instrumented(&sandbox);
    let args = ["-flavor", "wasm", "-o", "x.wasm"];
    for name in ["wasm-fork-ld", "wasm-ld"] {
        assert_done(&named(&sandbox, name, &args, &[("WASM_FORK_FLAGS", "-q")]));
        assert_eq!(sandbox.read("x.wasm"), expected, "{name}");
    }
    let flags = "--entry 'env.sleep.ms'  --optimize=speed";
    let variables = [("WASM_FORK_FLAGS", flags), ("WASM_FORK_LD", "sh bin/wasm-ld")];
    let output = named(&sandbox, "wasm-fork-ld", &args, &variables);
    assert_eq!(output.status.code(), Some(1), "an entry with two dots");
    assert!(text(&output.stderr).contains("`env.sleep.ms`"));
    let variables = [("WASM_FORK_FLAGS", "-q"), ("WASM_FORK_LD", "sh bin/wasm-ld")];
    assert_done(&named(&sandbox, "wasm-fork-ld", &args, &variables));
    assert_eq!(sandbox.read("x.wasm"), expected);
    fs::rename(sandbox.path("bin/wasm-ld"), sandbox.path("wasm-ld.real")).unwrap();
    assert_done(&named(&sandbox, "wasm-ld", &args, &[]));
    fs::remove_file(sandbox.path("wasm-ld.real")).unwrap();
    let output = named(&sandbox, "wasm-fork-ld", &args, &[("PATH", "bin")]);
    assert_refused(&output, "started as wasm-fork-ld, but no other wasm-ld is on PATH");
}

#[test]
fn response_files_hold_arguments_on_either_side() {
    let sandbox = linker();
    fs::write(sandbox.path("flags"), "--entry \"kernel.kernel_fork\"\n-q").unwrap();
    fs::write(sandbox.path("inputs"), "a.o -o\n x.wasm").unwrap();
    assert_done(&link(&sandbox, &["@flags"], &["@inputs"]));
    assert_eq!(sandbox.read("x.wasm"), instrumented(&sandbox));
    let by_file = sandbox.run(&["instrument", "in.wasm", "-o", "-", "@flags"]);
    assert_eq!(by_file.stdout, instrumented(&sandbox));
    assert_refused(&sandbox.run(&["analyze", "in.wasm", "@absent"]), "can't read absent");
    fs::write(sandbox.path("list"), "forks\n").unwrap();
    assert_done(&sandbox.run(&["analyze", "in.wasm", "--only", "@list"]));
}

#[test]
fn a_report_says_what_was_done() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let args = ["instrument", "in.wasm", "-o", "x.wasm", "--report", "done.json", "-q"];
    assert_done(&sandbox.run(&args));
    let done: serde_json::Value = serde_json::from_slice(&sandbox.read("done.json")).unwrap();
    assert_eq!(done["version"], 1);
    assert_eq!(done["summary"]["instrumented"], 1);
    assert_eq!(done["summary"]["bytes_after"], sandbox.read("x.wasm").len());
    assert_eq!(done["warnings"], serde_json::json!([]));
    let analyzed = sandbox.run(&["analyze", "in.wasm", "--format", "json"]).stdout;
    let analyzed: serde_json::Value = serde_json::from_slice(&analyzed).unwrap();
    assert_eq!(done["analysis"], analyzed);
    let again = sandbox.read("done.json");
    assert_done(&sandbox.run(&args));
    assert_eq!(sandbox.read("done.json"), again);
    let streams = ["instrument", "in.wasm", "-o", "-", "--report", "-"];
    let output = sandbox.run(&streams);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--output and --report both name it"));
    let refused = ["instrument", "in.wasm", "-o", "y.wasm", "--report", "absent/done.json"];
    assert_refused(&sandbox.run(&refused), "can't write absent/done.json");
    assert_eq!(sandbox.names(), ["done.json", "in.wasm", "x.wasm"]);
}

#[test]
fn a_depfile_names_what_was_read() {
    let sandbox = Sandbox::with("in $#.wasm", FORKS);
    fs::write(sandbox.path("list"), "forks\n").unwrap();
    fs::write(sandbox.path("flags.toml"), "only = \"@list\"\n").unwrap();
    let args = ["instrument", "in $#.wasm", "-o", "x.wasm", "--depfile", "x.d"];
    assert_done(&sandbox.run(&[&args[..], &["--config", "flags.toml"]].concat()));
    let rule = text(&sandbox.read("x.d"));
    assert_eq!(rule, "x.wasm: flags.toml \\\n  list \\\n  in\\ $$\\#.wasm\n");
    let sandbox = linker();
    fs::write(sandbox.path("a.o"), "").unwrap();
    fs::write(sandbox.path("inputs"), "a.o -o x.wasm absent.o").unwrap();
    assert_done(&link(&sandbox, &["--depfile", "x.d"], &["@inputs"]));
    assert_eq!(text(&sandbox.read("x.d")), "x.wasm: inputs \\\n  a.o\n");
}

#[test]
fn a_file_of_flags_says_what_flags_say() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir_all(sandbox.path("project/src")).unwrap();
    let module = sandbox.read("in.wasm");
    fs::write(sandbox.path("project/src/in.wasm"), module).unwrap();
    fs::write(sandbox.path("project/list"), "naps\n").unwrap();
    let flags = "entry = ['\"env\".sleep.ms', 'kernel.kernel_fork']\nonly = ['@list']\noptimize = 'speed'\n";
    fs::write(sandbox.path("project/wasm-fork.toml"), flags).unwrap();
    let closure = |more: &[&str]| {
        let args = ["analyze", "project/src/in.wasm", "--format", "json", "-q"];
        let output = sandbox.run(&[&args[..], more].concat());
        assert_done(&output);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["counts"]["local"].as_u64().unwrap()
    };
    assert_eq!(closure(&[]), 1);
    for config in ["auto", "project/wasm-fork.toml"] {
        assert_eq!(
            closure(&["--config", config, "--only", "forks", "--only", "naps"]),
            2,
            "{config}"
        );
        assert_eq!(closure(&["--config", config]), 1, "{config}");
        assert_eq!(closure(&["--config", config, "--entry", "env.sleep*", "--only", "naps"]), 1);
    }
    let write = |more: &[&str]| {
        let args = ["instrument", "project/src/in.wasm", "-o", "-", "-q", "--only", "naps"];
        let output = sandbox.run(&[&args[..], more].concat());
        assert_done(&output);
        output.stdout
    };
    let entries = ["--entry", "\"env\".sleep.ms", "--entry", "kernel.kernel_fork"];
    let speed = write(&[&entries[..], &["--optimize", "speed"]].concat());
    let size = write(&[&entries[..], &["--optimize", "size"]].concat());
    assert_ne!(speed, size);
    assert_eq!(write(&["--config", "auto"]), speed);
    assert_eq!(write(&["--config", "auto", "--optimize", "size"]), size, "flags win");
}

#[test]
fn a_file_of_flags_that_says_something_else_is_refused() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let refused = |toml: &str, expected: &str| {
        fs::write(sandbox.path("f.toml"), toml).unwrap();
        assert_refused(&sandbox.run(&["analyze", "in.wasm", "--config", "f.toml"]), expected);
    };
    refused(
        "optimise = 'size'",
        "f.toml can't be used: `optimise` is no flag that a file may have",
    );
    refused("output = 'x'", "`output` is no flag");
    refused("config = 'x'", "`config` is no flag");
    refused("\nentry = [", "line 2: ");
    refused("entry = [1]", "`entry` is a list of texts");
    refused("allow-missing-entry = 'yes'", "`allow-missing-entry` is true or false");
    refused("entry = true", "`entry` is a text, or a list of texts");
    refused("memory = ['a']", "`memory` is one text");
    assert_refused(
        &sandbox.run(&["analyze", "in.wasm", "--config", "auto"]),
        "no wasm-fork.toml is in",
    );
    fs::write(sandbox.path("f.toml"), "verify = false\nallow-missing-entry = true\n").unwrap();
    let args = ["analyze", "in.wasm", "--config", "f.toml", "--entry", "no.entry"];
    assert_done(&sandbox.run(&args));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run(&["completions", shell]);
        assert_done(&script);
        let script = text(&script.stdout);
        assert!(
            ["instrument", "link", "own-memory"].iter().all(|word| script.contains(word)),
            "{shell}"
        );
    }
    let page = |command: &[&str]| {
        let output = sandbox.run(&[&["man"], command].concat());
        assert_done(&output);
        text(&output.stdout)
    };
    assert!(page(&[]).contains(".TH wasm-fork 1"));
    assert!(page(&["instrument"]).contains(r"\fB\-\-own\-memory\fR"));
    assert!(page(&["profile", "merge"]).contains("wasm\\-fork\\-profile\\-merge"));
    let unknown = sandbox.run(&["man", "bogus"]);
    assert_eq!(unknown.status.code(), Some(2));
}
