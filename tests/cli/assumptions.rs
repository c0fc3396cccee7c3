//! Assumptions and profiles on the command line: how they are given, reported and refused.

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
        "assumed: no entry is ever called below `forks`: 1 function fewer, for 1 guard (7 bytes)\n\
         note: 1 guard (7 bytes) for what is assumed\n"
    );

    fs::write(sandbox.path("list"), "# nothing else\n\nother\n").unwrap();
    let output = sandbox.run(&["analyze", "in.wasm", "--only", "@list"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("1 (0, 1) "));
    fs::write(sandbox.path("empty"), "# nothing\n\n").unwrap();
    let empty = sandbox.run(&["analyze", "in.wasm", "--only", "@empty"]);
    assert_refused(&empty, "the list empty has no functions");
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
    let table = "no slot of the table `slots`: 1 function fewer, for 1 guard (7 bytes)";
    assert!(remarks.contains(table), "{remarks}");
    assert!(remarks.contains("note: 1 guard (7 bytes) for what is assumed"), "{remarks}");
    let unknown = sandbox.run(&[&args[..], &["memo"]].concat());
    assert_refused(&unknown, "give an index or a name of 0 (`slots`)");
}

#[test]
fn a_profile_narrows_the_closure_and_is_reported() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let profile = r#"{"version": 1, "functions": [{"index": 4, "name": "other", "count": 2}]}"#;
    fs::write(sandbox.path("p.json"), profile).unwrap();
    let output = sandbox.run(&["analyze", "in.wasm", "--profile", "p.json"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("1 (0, 1) "));
    let remarks = text(&output.stderr);
    assert!(remarks.contains("the 1 functions of a profile: 1 function fewer"), "{remarks}");
    let with_list = ["analyze", "in.wasm", "--profile", "p.json", "--only", "forks"];
    assert!(text(&sandbox.run(&with_list).stdout).starts_with("2 (1, 1) "));

    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm", "--profile", "p.json"]));
    fs::remove_file(sandbox.path("out.wasm")).unwrap();
    let texts = [
        ("{", "p.json can't be used: EOF"),
        (r#"{"version": 3}"#, "its version is 3"),
        (r#"{"version": 1, "functions": []}"#, "it has no functions"),
        (r#"{"version": 1, "functions": [{"name": "gone"}]}"#, "record it again"),
    ];
    for (profile, expected) in texts {
        fs::write(sandbox.path("p.json"), profile).unwrap();
        let args = ["instrument", "in.wasm", "-o", "out.wasm", "--profile", "p.json"];
        assert_refused(&sandbox.run(&args), expected);
    }
    assert_refused(&sandbox.run(&["analyze", "in.wasm", "--profile", "absent"]), "absent");
    assert_eq!(sandbox.names(), ["in.wasm", "p.json"]);
}

#[test]
fn profiles_are_merged_in_any_order() {
    let sandbox = Sandbox::new();
    let a = r#"{"version": 1, "functions": [{"index": 7}, {"index": 2, "count": 4}], "stacks": 5}"#;
    let b =
        r#"{"version": 1, "functions": [{"name": "f"}, {"index": 7, "count": 2}], "stacks": 2}"#;
    fs::write(sandbox.path("a"), a).unwrap();
    fs::write(sandbox.path("b"), b).unwrap();
    assert_done(&sandbox.run(&["profile", "merge", "a", "b", "-o", "ab"]));
    let stdout = sandbox.feed(&["profile", "merge", "b", "-", "-o", "-"], a.as_bytes()).stdout;
    assert_eq!(stdout, sandbox.read("ab"));
    let merged: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    let functions = serde_json::json!([
        {"index": 2, "count": 4}, {"index": 7, "count": 3}, {"name": "f", "count": 1}
    ]);
    assert_eq!(merged["functions"], functions);
    assert_eq!(merged["stacks"], 7);

    assert_done(&sandbox.run(&["profile", "merge", "ab", "-o", "ab"]));
    assert_eq!(stdout, sandbox.read("ab"));
    fs::write(sandbox.path("b"), "{\n\"version\": one}").unwrap();
    let malformed = sandbox.run(&["profile", "merge", "a", "b", "-o", "ab"]);
    assert_refused(&malformed, "the profile b can't be used: expected value at line 2 column 12");
    assert_eq!(stdout, sandbox.read("ab"));
    assert_eq!(sandbox.run(&["profile", "merge", "a"]).status.code(), Some(2));
}
