//! `shim` as a user meets it: report, choice of calls, refusals.

use super::{FORKS, Sandbox, assert_done, assert_refused, text};
use std::fs;
use std::process::{Command, Output};

const CASTS: &str = r#"(module
    (type $binary (func (param i32 i32) (result i32)))
    (import "kernel" "kernel_fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (elem (i32.const 0) $exact $getter)
    (func $exact (type $binary) (local.get 1))
    (func $getter (param i32) (result i32) (call $fork))
    (func $apply (export "run") (param i32) (result i32)
        (call_indirect (type $binary) (i32.const 1) (i32.const 2) (local.get 0)))
    (func $again (param i32) (result i32)
        (call_indirect (type $binary) (i32.const 3) (i32.const 4) (local.get 0))))"#;

fn casts() -> Sandbox {
    Sandbox::with("in.wasm", CASTS)
}

/// How many indirect calls of the module go through the table that was added.
fn repaired(sandbox: &Sandbox, file: &str) -> usize {
    let wasm = fs::read(sandbox.path(file)).unwrap();
    let printed = wasmprinter::print_bytes(&wasm).unwrap();
    printed.matches("call_indirect $shim$1").count()
}

#[test]
fn the_report_groups_by_type_and_by_caller() {
    let sandbox = casts();
    let output = sandbox.run(&["shim", "in.wasm", "--report", "--site", "run"]);
    assert_done(&output);
    assert_eq!(
        text(&output.stdout),
        "2 of 2 indirect calls can meet a function of another type that can be adapted\n\
         \nby table and type:\n\
         \x20 table 0 as (i32, i32) -> i32: 2 calls, 1 function of another type: 1 adaptable, 0 not\n\
         \nby caller:\n\
         \x20 3 apply: 1 adaptable pair, 0 not\n\
         \x20   0x7d table 0 as (i32, i32) -> i32: possible, chosen\n\
         \x20 4 again: 1 adaptable pair, 0 not\n\
         \x20   0x89 table 0 as (i32, i32) -> i32: possible\n"
    );
    let pairs = sandbox.run(&["shim", "in.wasm", "--report", "--site", "run", "--top", "5"]);
    assert_done(&pairs);
    assert_eq!(
        text(&pairs.stdout),
        text(&output.stdout)
            + "\nby signatures:\n  table 0 as (i32, i32) -> i32 meets (i32) -> i32: 2 calls, 1 function: \
               argument 2 dropped\n"
    );
    let output = sandbox.run(&["shim", "in.wasm", "--report", "--format", "json"]);
    assert_done(&output);
    let json: serde_json::Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(json["callers"][0]["calls"][0]["certainty"], "possible");
    assert_eq!(json["classes"][0]["meets"][0]["adaptation"], "argument 2 dropped");
    assert_eq!(json["slots"][0]["functions"][0]["slots"], serde_json::json!([1]));
    assert_eq!(json["classes"][0]["adaptable"]["functions"], 1);
    assert_eq!(json["host_visible_tables"], serde_json::json!([0]));
    assert_eq!(json.get("signatures"), None);
    let output = sandbox.run(&["shim", "in.wasm", "--report", "--format", "json", "--top", "5"]);
    let json: serde_json::Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(json["signatures"][0]["adaptation"], "argument 2 dropped");
    assert_eq!(json["all_signatures"], 1);
    assert_eq!(json["classes"][0].get("meets"), None);
}

/// A module with as many types as functions in its table and calls through it; of each, `params` says the parameters,
/// and `result` the result.
fn types_and_calls(
    count: usize,
    params: impl Fn(usize) -> Vec<&'static str>,
    result: impl Fn(usize) -> &'static str,
) -> Vec<u8> {
    let (mut types, mut funcs, mut names, mut calls) =
        <(String, String, String, String)>::default();
    for i in 0..count {
        let (params, result) = (params(i), result(i));
        types += &format!("(type $t{i} (func (param {}) (result {result})))", params.join(" "));
        funcs += &format!("(func $f{i} (type $t{i}) unreachable)");
        names += &format!(" $f{i}");
        let args: Vec<_> = params.iter().map(|ty| format!("({ty}.const 0)")).collect();
        calls += &format!("(call_indirect (type $t{i}) {} (local.get 0))", args.concat());
        calls += if result.is_empty() { "" } else { "drop " };
    }
    let text = format!(
        "(module {types} (table {count} funcref) (elem (i32.const 0) func {names}) {funcs}
        (func $one (param i32) (call_indirect (type $t0) (i32.const 0) (local.get 0)))
        (func $all (param i32) {calls}))"
    );
    wat::parse_str(text).unwrap()
}

/// The `number`-th list of values from 1 on, shorter ones first.
fn values(mut number: usize) -> Vec<&'static str> {
    let mut values = Vec::new();
    while number > 0 {
        number -= 1;
        values.push(["i32", "i64", "f32", "f64"][number % 4]);
        number /= 4;
    }
    values
}

/// Runs the command with no more than this much address space, and with `into` behind it.
#[cfg(target_os = "linux")]
fn run_within(megabytes: usize, sandbox: &Sandbox, command: &str, into: &str) -> Output {
    let limit = megabytes * 1024;
    let tool = env!("CARGO_BIN_EXE_wasm-fork");
    let line = format!("ulimit -v {limit} && '{tool}' --threads 1 {command} {into}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(sandbox.path("")).output().unwrap()
}

/// Pairs of a call's type and a function's are 4 and 64 millions here, which took gigabytes.
#[cfg(target_os = "linux")]
#[test]
fn a_report_takes_memory_for_calls_and_slots_not_for_pairs() {
    let mut lengths = Vec::new();
    for count in [2000, 8000] {
        let sandbox = Sandbox::new();
        let wasm = types_and_calls(count, |i| values(i + 1), |_| "");
        fs::write(sandbox.path("in.wasm"), &wasm).unwrap();
        let report = run_within(400, &sandbox, "shim in.wasm --report", "");
        assert_done(&report);
        let report = text(&report.stdout);
        let calls = format!("{} of {0} indirect calls", count + 1);
        assert!(report.starts_with(&calls), "{}", &report[..100]);
        lengths.push(report.len());
        if count > 2000 {
            // To rank the pairs takes time for each.
            continue;
        }
        let largest = "shim in.wasm --report --top 3 --format json";
        assert_done(&run_within(400, &sandbox, largest, "> largest"));
        let json: serde_json::Value = serde_json::from_slice(&sandbox.read("largest")).unwrap();
        assert_eq!(json["all_signatures"], count * (count - 1));
        assert_eq!(json["signatures"].as_array().unwrap().len(), 3);
    }
    assert!(lengths[1] < 5 * lengths[0], "{lengths:?}");
}

/// All pairs, as they are found.
#[cfg(target_os = "linux")]
#[test]
fn json_is_written_as_it_is_made() {
    let sandbox = Sandbox::new();
    let wasm = types_and_calls(600, |i| values(i + 1), |_| "");
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    let json = "shim in.wasm --report --format json";
    // That many pairs are 70 MB of text.
    let output = run_within(100, &sandbox, json, "| grep -c '\"reason\"'");
    assert_done(&output);
    assert_eq!(text(&output.stdout).trim(), (600 * 599).to_string());
}

/// What would be too much is refused by name, before it takes memory; a call of it can be repaired all the same.
#[cfg(target_os = "linux")]
#[test]
fn too_many_adapters_are_refused_before_they_are_made() {
    let sandbox = Sandbox::new();
    // Each type adapts to each other: all but the shared first parameters is dropped or zero.
    let result = |i: usize| ["", "f64"][i % 2];
    let wasm = types_and_calls(1200, |i| vec!["i32"; i / 2 + 1], result);
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    let refusals = [
        (
            "table",
            "1201 tables in the output, where some engines accept 100 at most; repair fewer calls",
        ),
        ("ref-test", "tests of the types of functions that calls meet, more than the 1000000"),
    ];
    for (mechanism, reason) in refusals {
        let all = format!("shim in.wasm -o out.wasm --all-sites --mechanism {mechanism}");
        assert_refused(&run_within(300, &sandbox, &all, ""), reason);
        let one = format!("shim in.wasm -o out.wasm --site one --mechanism {mechanism}");
        assert_done(&run_within(300, &sandbox, &one, ""));
    }
}

#[test]
fn calls_are_chosen_by_function_offset_list_and_trace() {
    let sandbox = casts();
    fs::write(sandbox.path("list"), "# both\napply\n0x89\n").unwrap();
    let trace = "RuntimeError: null function or function signature mismatch\n    \
                 at again (wasm://wasm/1234:wasm-function[4]:0x89)\n    at main (a.mjs:1:1)\n";
    fs::write(sandbox.path("trace"), trace).unwrap();
    let choices: [(&[&str], usize); 6] = [
        (&["--site", "app*"], 1),
        (&["--site", "4"], 1),
        (&["--site", "0x7d", "--site", "again"], 2),
        (&["--site", "@list"], 2),
        (&["--from-trap", "trace"], 1),
        (&["--all-sites"], 2),
    ];
    for (choice, calls) in choices {
        let output = sandbox.run(&[&["shim", "in.wasm", "-o", "out.wasm"], choice].concat());
        assert_done(&output);
        assert!(text(&output.stderr).contains("must call the export `wasm_fork_shim_sync_0_1`"));
        assert_eq!(repaired(&sandbox, "out.wasm"), calls, "{choice:?}");
    }
}

/// What each engine prints for a trap in `again`, whose only call is at 0x89.
#[test]
fn every_engines_trace_chooses_the_call_that_trapped() {
    let sandbox = casts();
    let traces = [
        "    at again (wasm://wasm/1234:wasm-function[4]:0x89)",
        "    at again (http://localhost:8080/in.wasm:0x89)",
        "    at again (in.wasm:0x89)",
        "    at in.wasm:0x89",
        "again\t@\tin.wasm:0x89",
        "$again\t@\tin.wasm:0x89",
        "$func4\t@\tin.wasm:0x89",
        "again@http://localhost:8080/in.wasm:wasm-function[4]:0x89",
        "<?>.wasm-function[again]@[wasm code]",
        "again@<?>:wasm-function[4]",
        "    0:   0x89 - in.wasm!again",
        "    0:   0x89 - <unknown>!<wasm function 4>",
        "    at again (<module>[4]:0x89)",
        "    at <unnamed> (in.wasm[4]:0xffffffff)",
        "#00: 0x0089 - again",
        // What has been read on traps behind the instruction's first byte.
        "#00: 0x008c - again",
        "#00: 0x0089 - again\n        at /src/again.c:3:4",
        "#00: 0x0089 - $f4 (FILE:again.c LINE:   3 COLUMN:  4 FUNC:again)",
        // An offset that counts from elsewhere, and is that of another function's call by chance.
        "#00: 0x007d - again",
        "#00: 0x0003 - $f4",
        "0: again\n        at src/again.c:3:4",
    ];
    for trace in traces {
        let text = format!("RuntimeError: indirect call type mismatch\n{trace}\n");
        fs::write(sandbox.path("trace"), text).unwrap();
        let output = sandbox.run(&["shim", "in.wasm", "--report", "--from-trap", "trace"]);
        assert_done(&output);
        assert_eq!(chosen(&output.stdout), ["0x89"], "{trace}");
    }
}

/// The offsets of the calls that a report calls chosen.
fn chosen(report: &[u8]) -> Vec<String> {
    let report = text(report);
    let chosen = report.lines().filter(|line| line.ends_with(", chosen"));
    let offsets = chosen.filter_map(|line| line.split_whitespace().next());
    offsets.map(str::to_owned).collect()
}

#[test]
fn without_a_choice_nothing_is_done_and_that_is_said() {
    let sandbox = casts();
    let output = sandbox.run(&["shim", "in.wasm", "-o", "out.wasm"]);
    assert_done(&output);
    assert!(text(&output.stderr).contains("no call was repaired"));
    assert_eq!(
        fs::read(sandbox.path("in.wasm")).unwrap(),
        fs::read(sandbox.path("out.wasm")).unwrap()
    );
}

#[test]
fn a_note_names_the_flag_of_the_command() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    for (args, flag) in [
        (&["shim", "in.wasm", "-o", "out.wasm", "--all-sites"][..], "mismatch, --site chooses"),
        (&["instrument", "in.wasm", "-o", "out.wasm", "--shim-all-sites"], "--shim-site chooses"),
    ] {
        let output = sandbox.run(args);
        assert_done(&output);
        assert!(text(&output.stderr).contains(flag), "{}", text(&output.stderr));
    }
}

#[test]
fn what_means_no_call_is_refused() {
    let sandbox = casts();
    fs::write(sandbox.path("empty"), "nothing here\n").unwrap();
    let refusals: [(&[&str], &str); 5] = [
        (&["--site", "aply"], "did you mean `apply`?"),
        (&["--site", "getter"], "the function makes no indirect calls"),
        (&["--site", "0x1"], "no indirect call is at this offset"),
        (&["--from-trap", "empty"], "no stack frame of WebAssembly code"),
        (&["--from-trap", "none"], "none"),
    ];
    for (choice, reason) in refusals {
        let output = sandbox.run(&[&["shim", "in.wasm", "-o", "out.wasm"], choice].concat());
        assert_refused(&output, reason);
        assert!(!sandbox.path("out.wasm").exists());
    }
}

#[test]
fn shims_and_frames_come_in_one_command_or_in_two() {
    let sandbox = casts();
    let one = ["instrument", "in.wasm", "-o", "one.wasm", "--shim-site", "run"];
    assert_done(&sandbox.run(&one));
    assert_done(&sandbox.run(&["shim", "in.wasm", "-o", "two.wasm", "--site", "run"]));
    assert_done(&sandbox.run(&["instrument", "two.wasm", "-o", "two.wasm"]));
    let read = |file: &str| fs::read(sandbox.path(file)).unwrap();
    assert_eq!(read("one.wasm"), read("two.wasm"));
    // Calls are chosen in several ways at once.
    fs::write(sandbox.path("trace"), "    at again (in.wasm:0x89)\n").unwrap();
    let both = ["--shim-site", "run", "--shim-from-trap", "trace"];
    assert_done(&sandbox.run(&[&["instrument", "in.wasm", "-o", "both.wasm"], &both[..]].concat()));
    assert_eq!((repaired(&sandbox, "one.wasm"), repaired(&sandbox, "both.wasm")), (1, 2));
    // The other way round the call would unwind what it is not prepared for.
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "in.wasm"]));
    let late = sandbox.run(&["shim", "in.wasm", "-o", "late.wasm", "--site", "run"]);
    assert_refused(&late, "not prepared to unwind function 2 (getter)");
}
