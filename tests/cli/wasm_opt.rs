//! `wasm-opt` in place of Binaryen's: the real one here is a shell script; Binaryen's own is run by `scripts/check/asyncify`.

use super::*;

/// A wasm-opt that copies its input, and says what it was told.
const WASM_OPT: &str = r#"#!/bin/sh
echo "wasm-opt $*" | sed 's,[^ ]*/\([^/ ]*\.wasm\),\1,g' >&2
for word; do case $word in --fail) exit 7 ;; esac; done
while [ $# -gt 0 ]; do
  case $1 in -o) out=$2; shift ;; -*) ;; *) in=$1 ;; esac
  shift
done
cp "$in" "$out"
"#;

fn sandbox() -> Sandbox {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir(sandbox.path("bin")).unwrap();
    fs::write(sandbox.path("bin/wasm-opt"), WASM_OPT).unwrap();
    fs::set_permissions(sandbox.path("bin/wasm-opt"), PermissionsExt::from_mode(0o755)).unwrap();
    sandbox
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    let mut command = command(sandbox.0.path(), &[&["wasm-opt"], args].concat());
    command.env("WASM_OPT", "bin/wasm-opt").env("WASM_FORK_FLAGS", "-q");
    command.output().unwrap()
}

fn instrumented(sandbox: &Sandbox, entries: &[&str]) -> Vec<u8> {
    let command = ["instrument", "in.wasm", "-o", "-", "-q", "--abi", "asyncify"];
    let output = sandbox.run(&[&command, entries].concat());
    assert_done(&output);
    output.stdout
}

const IMPORTS: &str = "--pass-arg=asyncify-imports@kernel.kernel_fork";

#[test]
fn passes_are_done_before_and_behind() {
    let sandbox = sandbox();
    let expected = instrumented(&sandbox, &[]);
    for (args, said) in [
        (&["--asyncify", IMPORTS, "in.wasm", "-o", "out.wasm"][..], ""),
        (
            &["-O2", "--asyncify", IMPORTS, "-g", "in.wasm", "-o", "out.wasm"],
            "wasm-opt -g -O2 in.wasm -o first.wasm\n",
        ),
        (
            &["in.wasm", "--asyncify", "-o", "out.wasm", IMPORTS, "-Oz", "--vacuum"],
            "wasm-opt -Oz --vacuum second.wasm -o out.wasm\n",
        ),
        (
            &["--a", "--asyncify", "--b", "in.wasm", "-o", "out.wasm", IMPORTS, "-all"],
            "wasm-opt -all --a in.wasm -o first.wasm\nwasm-opt -all --b second.wasm -o out.wasm\n",
        ),
    ] {
        let output = run(&sandbox, args);
        assert_done(&output);
        assert_eq!(text(&output.stderr), said, "{args:?}");
        assert_eq!(sandbox.read("out.wasm"), expected, "{args:?}");
        assert_eq!(sandbox.names(), ["bin", "in.wasm", "out.wasm"]);
        fs::remove_file(sandbox.path("out.wasm")).unwrap();
    }
}

#[test]
fn names_that_lists_have_are_still_there() {
    let sandbox = sandbox();
    let list = "--pass-arg=asyncify-removelist@other";
    let args = ["-O2", "--asyncify", IMPORTS, list, "in.wasm", "-o", "out.wasm"];
    let output = run(&sandbox, &args);
    assert_done(&output);
    let said = "wasm-opt -g -O2 in.wasm -o first.wasm\nwasm-opt second.wasm -o out.wasm\n";
    assert_eq!(text(&output.stderr), said);
    let output = run(&sandbox, &[&args[..], &["-g"]].concat());
    assert_done(&output);
    assert_eq!(text(&output.stderr), "wasm-opt -g -O2 in.wasm -o first.wasm\n");
}

#[test]
fn without_the_pass_all_is_left_to_the_real_one() {
    let sandbox = sandbox();
    let output = run(&sandbox, &["--help", "-O1", "in.wasm", "-o", "out.wasm"]);
    assert_done(&output);
    assert_eq!(text(&output.stderr), "wasm-opt --help -O1 in.wasm -o out.wasm\n");
    assert_eq!(sandbox.read("out.wasm"), sandbox.read("in.wasm"));
    let failed = run(&sandbox, &["--fail", "--asyncify", IMPORTS, "in.wasm", "-o", "out2.wasm"]);
    assert_eq!(failed.status.code(), Some(7), "its own status");
    assert!(!sandbox.path("out2.wasm").exists());
}

#[test]
fn lists_become_entries_and_assumptions() {
    let sandbox = sandbox();
    let all = run(&sandbox, &["--asyncify", "in.wasm", "-o", "out.wasm"]);
    assert_done(&all);
    let both = ["--entry", "kernel.kernel_fork", "--entry", "\"env\".sleep.ms"];
    let both = instrumented(&sandbox, &both);
    assert_eq!(sandbox.read("out.wasm"), both, "any import may pause");
    let dots = "--pass-arg=asyncify-imports@env.sleep.ms,kernel.kernel_*";
    assert_done(&run(&sandbox, &["--asyncify", dots, "in.wasm", "-o", "out.wasm"]));
    assert_eq!(sandbox.read("out.wasm"), both);
    // As Emscripten makes them, for all programs.
    let list = "env.emscripten_sleep\nenv.__wasi_fd_sync\nno.import\nenv.slepms\nkernel.*\n";
    fs::write(sandbox.path("list"), list).unwrap();
    let of_file = run(
        &sandbox,
        &["--asyncify", "--pass-arg=asyncify-imports@@list", "in.wasm", "-o", "out.wasm"],
    );
    assert_done(&of_file);
    let warned = "warning: no import is called no.import\n\
                  warning: no import is called env.slepms; did you mean env.sleep.ms?\n";
    assert_eq!(text(&of_file.stderr), warned);
    assert_eq!(sandbox.read("out.wasm"), instrumented(&sandbox, &[]));
    let unknown = ["--asyncify", IMPORTS, "-pa", "asyncify-unheard-of", "in.wasm", "-o", "x.wasm"];
    let unknown = run(&sandbox, &unknown);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("asyncify-unheard-of"), "{}", text(&unknown.stderr));
    let none = run(&sandbox, &["--asyncify", IMPORTS, "in.wasm"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("-o FILE"));
}

#[test]
fn it_is_asked_for_by_name_too() {
    let sandbox = sandbox();
    let expected = instrumented(&sandbox, &[]);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wasm-fork"), sandbox.path("wasm-opt")).unwrap();
    let output = Command::new(sandbox.path("wasm-opt"))
        .args(["--asyncify", IMPORTS, "in.wasm", "-o", "out.wasm"])
        .current_dir(sandbox.path(""))
        .output()
        .unwrap();
    assert_done(&output);
    assert_eq!(sandbox.read("out.wasm"), expected);
}

#[test]
fn shared_globals_and_words_without_a_list_are_known() {
    let sandbox = sandbox();
    let asked = |more: &str| {
        run(&sandbox, &["--asyncify", IMPORTS, "-pa", more, "in.wasm", "-o", "out.wasm"])
    };
    assert_done(&asked("asyncify-export-globals"));
    let exported = instrumented(&sandbox, &["--shared-state", "export"]);
    assert_eq!(sandbox.read("out.wasm"), exported);
    for import in ["asyncify-import-globals", "asyncify-relocatable"] {
        assert_refused(&asked(import), "a side module with a memory of its own");
    }
    let verbose = asked("asyncify-verbose");
    assert_done(&verbose);
    assert_eq!(text(&verbose.stderr), "[asyncify] 2 local forks is instrumented\n");
    assert_eq!(sandbox.read("out.wasm"), instrumented(&sandbox, &[]));
    assert_done(&asked("asyncify-asserts"));
    assert_eq!(sandbox.read("out.wasm"), instrumented(&sandbox, &[]));
    // Of a size alone there is nothing to make.
    let size = "asyncify-secondary-memory-size@3";
    assert_done(&asked(size));
    assert_eq!(sandbox.read("out.wasm"), instrumented(&sandbox, &[]));
    let aside = "asyncify-in-secondary-memory";
    let words = ["--asyncify", IMPORTS, "-pa", size, "-pa", aside, "in.wasm", "-o", "out.wasm"];
    assert_done(&run(&sandbox, &words));
    let own = instrumented(&sandbox, &["--own-memory", "--own-memory-pages", "3"]);
    assert_eq!(sandbox.read("out.wasm"), own);
    let none = run(
        &sandbox,
        &["--asyncify", "-pa", "asyncify-ignore-imports", "in.wasm", "-o", "none.wasm"],
    );
    assert_done(&none);
    assert_eq!(sandbox.read("none.wasm"), sandbox.read("in.wasm"));
    assert!(text(&none.stderr).contains("no import may pause"), "{}", text(&none.stderr));
}

#[test]
fn names_that_mean_nothing_fail_unless_that_is_wanted_otherwise() {
    let sandbox = sandbox();
    fs::write(sandbox.path("list"), "forkz\nother\n").unwrap();
    for list in [
        "removelist@forkz",
        "blacklist@@list",
        "onlylist@forks,forkz",
        "whitelist@@list",
        "addlist@fork\\7a",
        "addlist@@list",
        "removelist@*forkz*",
    ] {
        let list = format!("--pass-arg=asyncify-{list}");
        let args = ["wasm-opt", "--asyncify", IMPORTS, &list, "in.wasm", "-o", "out.wasm"];
        let failed = sandbox.run(&args);
        assert_refused(&failed, "did you mean `forks`");
        let mut command = command(sandbox.0.path(), &args);
        let output = command.env("WASM_FORK_FLAGS", "-q --lenient").output().unwrap();
        assert_done(&output);
        let warned = text(&output.stderr);
        let named = if list.contains('*') { "*forkz*" } else { "forkz" };
        let named = format!("warning: no function is called `{named}`");
        assert!(warned.contains(&named), "{list}: {warned}");
    }
    let imports = "--pass-arg=asyncify-imports@kernel.kernel_fork,kernel.kernel_forks,sleepms";
    let args = ["wasm-opt", "--asyncify", imports, "in.wasm", "-o", "out.wasm"];
    assert_refused(&sandbox.run(&args), "did you mean `kernel.kernel_fork`");
    let output = command(sandbox.0.path(), &args).env("WASM_FORK_FLAGS", "-q --lenient").output();
    let output = output.unwrap();
    assert_done(&output);
    let warned = text(&output.stderr);
    assert_eq!(warned.matches("warning: ").count(), 2, "{warned}");
    assert!(warned.contains("sleep.ms`?"), "{warned}");
}

#[test]
fn what_is_listed_beside_indirect_calls_that_are_ignored_is_instrumented() {
    let module = FORKS.replace(
        "(func $other",
        "(table 1 funcref) (elem (i32.const 0) $forks)
         (func $calls (export \"calls\") (param i32) (result i32)
             (call_indirect (result i32) (local.get 0)))
         (func $above (export \"above\") (result i32) (call $calls (i32.const 0)))
         (func $other",
    );
    let sandbox = sandbox();
    fs::write(sandbox.path("in.wasm"), wat::parse_str(module).unwrap()).unwrap();
    let told = |more: &[&str]| {
        let args = ["--asyncify", IMPORTS, "-pa", "asyncify-verbose", "in.wasm", "-o", "out.wasm"];
        let output = run(&sandbox, &[&args, more].concat());
        assert_done(&output);
        let lines = text(&output.stderr);
        lines.lines().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ignored = ["-pa", "asyncify-ignore-indirect"];
    assert_eq!(told(&[]), ["forks", "calls", "above"]);
    assert_eq!(told(&ignored), ["forks"]);
    let listed = ["-pa", "asyncify-addlist@calls,other"];
    assert_eq!(told(&[ignored, listed].concat()), ["forks", "calls", "above"]);
    let all_but = ["-pa", "asyncify-removelist@*", "-pa", "asyncify-addlist@forks,calls"];
    assert_eq!(told(&all_but), ["forks", "calls"]);
}
