//! Profiles on the command line: how they are read, united and refused.

use super::*;

#[test]
fn a_profile_narrows_the_closure_and_is_reported() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let profile = r#"{"version": 1, "functions": [{"index": 4, "name": "other", "count": 2}]}"#;
    fs::write(sandbox.path("p.json"), profile).unwrap();
    let output = sandbox.run(&["analyze", "in.wasm", "--profile", "p.json"]);
    assert_done(&output);
    assert!(text(&output.stdout).starts_with("1 (0, 1) "));
    let remarks = text(&output.stderr);
    assert!(remarks.contains("the 1 function of a profile: 1 function fewer"), "{remarks}");
    let with_list = ["analyze", "in.wasm", "--profile", "p.json", "--only", "forks"];
    assert!(text(&sandbox.run(&with_list).stdout).starts_with("2 (1, 1) "));

    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm", "--profile", "p.json"]));
    fs::remove_file(sandbox.path("out.wasm")).unwrap();
    let texts = [
        ("{", "p.json can't be used: EOF"),
        (r#"{"version": 3}"#, "its version is 3"),
        ("7", "expected an object with a version"),
        (
            r#"{"version": 1, "functions": [{"index": 4}], "module": "12"}"#,
            "`12`, which is no SHA-256",
        ),
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
    assert_refused(
        &malformed,
        "the profile in b can't be used: expected value at line 2 column 12",
    );
    assert_eq!(stdout, sandbox.read("ab"));
    assert_eq!(sandbox.run(&["profile", "merge", "a"]).status.code(), Some(2));
}

#[test]
fn profiles_of_different_modules_get_a_warning() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    for (name, digit) in [("a", "1"), ("b", "2"), ("c", "1")] {
        let module = digit.repeat(64);
        let profile =
            format!(r#"{{"version": 1, "functions": [{{"index": 2}}], "module": "{module}"}}"#);
        fs::write(sandbox.path(name), profile).unwrap();
    }
    fs::write(sandbox.path("none"), r#"{"version": 1, "functions": [{"index": 2}]}"#).unwrap();
    let differ = sandbox.run(&["profile", "merge", "none", "a", "c", "b", "-o", "out"]);
    assert_done(&differ);
    let warning = "warning: the profiles a and b were recorded from different modules";
    assert!(text(&differ.stderr).starts_with(warning), "{}", text(&differ.stderr));
    let alike = sandbox.run(&["profile", "merge", "a", "none", "c", "-o", "out"]);
    assert_done(&alike);
    assert_eq!(text(&alike.stderr), "united 3 profiles: 1 function\n");
    let used = sandbox.run(&["analyze", "in.wasm", "--profile", "a", "--profile", "b"]);
    assert_done(&used);
    assert!(text(&used.stderr).contains(warning), "{}", text(&used.stderr));
}
