//! Assumptions on the command line: how they are given, reported and refused.

use super::*;

#[test]
fn an_assumption_narrows_the_closure_and_is_reported() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["analyze", "in.wasm", "--assume-no-fork", "forks"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("1 (0, 1) "));
    let remarks = text(&output.stderr);
    assert_eq!(
        remarks,
        "warning: the assumptions leave no function of the module in the closure: whatever calls an entry, \
         the unwind ends at a guard\n\
         assumed: no entry is ever called below `forks`: 1 function fewer, for 1 guard (2 bytes)\n\
         note: 1 guard (2 bytes) for what is assumed\n"
    );

    fs::write(sandbox.path("list"), "# nothing else\n\nother\n").unwrap();
    let output = sandbox.run(&["analyze", "in.wasm", "--only", "@list"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("1 (0, 1) "));
    assert!(text(&output.stderr).contains("only called below 1 listed function: "));
    fs::write(sandbox.path("empty"), "# nothing\n\n").unwrap();
    let empty = sandbox.run(&["analyze", "in.wasm", "--only", "@empty"]);
    assert_refused(&empty, "the list in empty has no functions");
    let unknown = sandbox.run(&["analyze", "in.wasm", "--assume-not-called", "forkz"]);
    assert_refused(&unknown, "did you mean `forks`");
    assert_refused(&sandbox.run(&["analyze", "in.wasm", "--only", "@none"]), "none");
}

#[test]
fn an_assumption_on_a_table_is_reported() {
    let table = "(table (export \"slots\") 2 funcref)
        (func $calls (call_indirect (type 2) (i32.const 0)))
        (func $other (export \"other\")))";
    let sandbox =
        Sandbox::with("in.wasm", &FORKS.replace("(func $other (export \"other\")))", table));
    let all = sandbox.run(&["analyze", "in.wasm", "--entry", "env.sleep*"]);
    assert!(text(&all.stdout).starts_with("3 (2, 1) "), "{}", text(&all.stdout));
    let args = ["analyze", "in.wasm", "--entry", "env.sleep*", "--assume-table-private"];
    let output = sandbox.run(&[&args[..], &["slots"]].concat());
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("2 (1, 1) "));
    let remarks = text(&output.stderr);
    let table = "no slot of the table `slots`: 1 function fewer, for 1 guard (15 bytes)";
    assert!(remarks.contains(table), "{remarks}");
    assert!(
        remarks.contains("note: 2 guards (22 bytes), 1 for what is assumed, 1 behind calls out"),
        "{remarks}"
    );
    let unknown = sandbox.run(&[&args[..], &["memo"]].concat());
    assert_refused(&unknown, "no table is called `memo`; the module has table 0 (`slots`)");
}

#[test]
fn what_contradicts_itself_is_said() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let args = ["analyze", "in.wasm", "--entry", "*.*", "--only", "*", "--assume-no-fork", "forks"];
    let output = sandbox.run(&args);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("3 (1, 2) "));
    let warning = "warning: function 2 (forks) is listed as having an entry below, and also assumed to have \
                   none: it is left out of the closure\n";
    assert!(text(&output.stderr).starts_with(warning), "{}", text(&output.stderr));
    let args = ["instrument", "in.wasm", "-o", "out", "--entry", "*.*", "--only", "*"];
    let output = sandbox.run(&[&args[..], &["--assume-not-called", "*s"]].concat());
    assert_done(&output);
    let warning = "warning: functions 2 (forks), 3 (naps) are listed as having";
    assert!(text(&output.stderr).starts_with(warning), "{}", text(&output.stderr));
    let json = sandbox.run(&[&args[..1], &args[1..2], &["--discover-only"], &args[4..]].concat());
    assert_done(&json);
    assert!(!text(&json.stderr).contains("warning"));
}

#[test]
fn a_closure_that_is_left_empty_is_a_warning() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    for args in [&["analyze", "in.wasm"][..], &["instrument", "in.wasm", "-o", "out"]] {
        let output = sandbox.run(&[args, &["--only", "other"]].concat());
        assert_done(&output);
        let warning = "warning: the assumptions leave no function of the module in the closure";
        assert!(text(&output.stderr).starts_with(warning), "{}", text(&output.stderr));
    }
    let json = sandbox.run(&["analyze", "in.wasm", "--only", "other", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    // A module that calls no entry has an empty closure by itself.
    let wat = FORKS.replace("(call $fork)", "(i32.const 0)");
    let output = sandbox.feed(&["analyze", "-", "--only", "other"], wat.as_bytes());
    assert_done(&output);
    assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
}

#[test]
fn a_star_matches_any_text_and_can_be_escaped() {
    let wat = FORKS
        .replace("$forks", "(@name \"operator*(A const&)\")")
        .replace("$naps", "(@name \"operator+(A)\")");
    let sandbox = Sandbox::with("in.wasm", &wat);
    let left = |pattern: &str| {
        let args = ["analyze", "in.wasm", "--entry", "*.*", "--assume-no-fork", pattern];
        let output = sandbox.run(&args);
        assert_done(&output);
        let closure = text(&output.stdout);
        [closure.contains("operator*"), closure.contains("operator+")]
    };
    assert_eq!(left("operator*"), [false, false]);
    assert_eq!(left("*A)"), [true, false]);
    assert_eq!(left(r"*\*(*&)"), [false, true]);
    assert_eq!(left(r"operator\*(A const&)"), [false, true]);
    let unknown = sandbox.run(&["analyze", "in.wasm", "--assume-no-fork", r"oper\*"]);
    assert_refused(&unknown, r"no function is called `oper\*`");
    for (entries, count) in [("ker*.*_f*k", 2), (r"*.\*", 0), ("e*v.*", 2)] {
        let output = sandbox.run(&["analyze", "in.wasm", "--entry", entries]);
        match count {
            0 => assert_refused(&output, &format!("does not import the entry `{entries}`")),
            _ => assert_eq!(text(&output.stdout).lines().count(), count + 1, "{entries}"),
        }
    }
}

#[test]
fn an_index_that_is_none_says_which_there_are() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    for index in ["5", "0", "99999999999"] {
        let output = sandbox.run(&["explain", "in.wasm", index]);
        let there = "it defines the functions 2 to 4, and imports those before";
        assert_refused(&output, &format!("has the index {index}; {there}"));
    }
    let one = sandbox.feed(&["explain", "-", "1", "--allow-missing-entry"], PLAIN.as_bytes());
    assert_refused(&one, "it defines function 0 alone");
    let none = sandbox.feed(&["explain", "-", "1", "--allow-missing-entry"], b"(module)");
    assert_refused(&none, "it defines none");
}
