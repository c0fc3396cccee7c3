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

/// A frame of a function in so many bytes, as it lies in a buffer.
fn frame(func: u64, bytes: u64) -> Vec<u8> {
    let mark = func | (bytes / 4) << 20 | 1 << 38;
    let mut frame = vec![0xaa; bytes as usize - 8];
    frame.extend(mark.to_le_bytes());
    frame
}

#[test]
fn frames_in_a_buffer_become_a_profile() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let stack = [frame(2, 12), frame(4, 8), frame(2, 20)].concat();
    fs::write(sandbox.path("frames"), &stack).unwrap();
    fs::write(sandbox.path("other"), frame(4, 8)).unwrap();
    let args = ["profile", "from-frames", "frames", "other", "--module", "in.wasm", "-o", "p.json"];
    let done = sandbox.run(&args);
    assert_done(&done);
    assert_eq!(text(&done.stderr), "read 2 stacks: 2 functions\n");
    let profile: serde_json::Value = serde_json::from_slice(&sandbox.read("p.json")).unwrap();
    assert_eq!(profile["stacks"], 2);
    let functions = profile["functions"].as_array().unwrap();
    let seen: Vec<_> = functions.iter().map(|f| (&f["name"], &f["count"])).collect();
    assert_eq!(seen, [(&"forks".into(), &1.into()), (&"other".into(), &2.into())]);
    assert_done(&sandbox.run(&["analyze", "in.wasm", "--profile", "p.json"]));

    // The instrumented module says where in its buffers frames begin; what lies there is garbage to us.
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "out.wasm"]));
    let printed = wasmprinter::print_bytes(sandbox.read("out.wasm")).unwrap();
    let begin = printed.split("(func $wpk_fork_unwind_begin (;").nth(1).unwrap();
    let start = begin.split("i32.store").next().unwrap().rsplit("i32.const ").next().unwrap();
    let start: usize = start.split_whitespace().next().unwrap().parse().unwrap();
    fs::write(sandbox.path("buffer"), [vec![0; start], stack].concat()).unwrap();
    for args in [
        &["profile", "from-frames", "buffer", "--module", "out.wasm", "-o", "-"][..],
        &[
            "profile",
            "from-frames",
            "buffer",
            "--module",
            "in.wasm",
            "--start",
            &start.to_string(),
            "-o",
            "-",
        ],
    ] {
        let output = sandbox.run(args);
        assert_done(&output);
        let profile: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(profile["functions"][0]["name"], "forks");
        assert_eq!(
            (&profile["stacks"], profile["functions"].as_array().unwrap().len()),
            (&1.into(), 2)
        );
    }
    let from = |file: &str| {
        sandbox.run(&["profile", "from-frames", file, "--module", "in.wasm", "-o", "-"])
    };
    assert_refused(&from("buffer"), "in buffer: no frame ends at offset");
    fs::write(sandbox.path("bad"), frame(1, 8)).unwrap();
    assert_refused(&from("bad"), "of function 1, which the module has not");
    fs::write(sandbox.path("bad"), [vec![7; 3], frame(2, 8)].concat()).unwrap();
    assert_refused(&from("bad"), "3 bytes are left where a frame should be");
    fs::write(sandbox.path("bad"), "").unwrap();
    assert_refused(&from("bad"), "it has 0 bytes");
}

#[test]
fn a_profile_of_another_build_is_matched_by_names_and_bodies() {
    const OLD: &str = r#"(module
        (import "kernel" "kernel_fork" (func (result i32)))
        (memory 1)
        (func (export "run") (result i32) (i32.add (call 0) (i32.const 1)))
        (func (result i32) (i32.mul (call 1) (i32.const 1024))))"#;
    // One function more in front, and data elsewhere.
    let new = OLD.replace("(memory 1)", "(memory 1) (func (nop))");
    let new = new.replace("(call 1)", "(call 2)").replace("1024", "2048");
    let sandbox = Sandbox::with("old.wasm", OLD);
    fs::write(sandbox.path("new.wasm"), wat::parse_str(&new).unwrap()).unwrap();
    let profile = r#"{"version": 1, "functions": [{"index": 1, "count": 3}, {"index": 2, "count": 3}], "stacks": 3}"#;
    fs::write(sandbox.path("bare"), profile).unwrap();
    let merge = ["profile", "merge", "bare", "--module", "old.wasm", "-o", "p.json"];
    assert_done(&sandbox.run(&merge));
    let show = |profile: &str, module: &str| {
        sandbox.run(&["profile", "show", profile, "--module", module])
    };
    let here = show("p.json", "old.wasm");
    assert_done(&here);
    assert_eq!(
        text(&here.stdout),
        "2 functions on 3 stacks\n       3 function 1 (run): here\n       3 function 2: here\n"
    );
    let there = show("p.json", "new.wasm");
    assert_done(&there);
    assert!(text(&there.stdout).contains("function 2: function 3 here"), "{}", text(&there.stdout));
    // An index alone means another function there.
    assert!(text(&show("bare", "new.wasm").stdout).contains("function 2: here"));
    let narrowed = sandbox.run(&["analyze", "new.wasm", "--profile", "p.json"]);
    assert_done(&narrowed);
    assert!(text(&narrowed.stdout).contains("\n3 "), "{}", text(&narrowed.stdout));
    // The body is another, and so nothing is it.
    let changed = new.replace("i32.mul", "i32.sub");
    fs::write(sandbox.path("changed.wasm"), wat::parse_str(changed).unwrap()).unwrap();
    let lost = show("p.json", "changed.wasm");
    assert_eq!(lost.status.code(), Some(1));
    assert!(text(&lost.stdout).contains("no function has its body here"), "{}", text(&lost.stdout));
    assert_refused(
        &sandbox.run(&["analyze", "changed.wasm", "--profile", "p.json"]),
        "no function has its body here",
    );
}

#[test]
fn two_profiles_are_compared() {
    let sandbox = Sandbox::new();
    let a = r#"{"version": 1, "functions": [{"index": 7}, {"index": 2, "name": "f"}]}"#;
    let b = r#"{"version": 1, "functions": [{"index": 9, "name": "f"}, {"index": 8}]}"#;
    fs::write(sandbox.path("a"), a).unwrap();
    fs::write(sandbox.path("b"), b).unwrap();
    let output = sandbox.run(&["profile", "diff", "a", "b"]);
    assert_done(&output);
    assert_eq!(text(&output.stdout), "- function 7\n+ function 8\n1 gone, 1 new, 1 in both\n");
}
