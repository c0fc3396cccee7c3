//! What `analyze --advise` and `analyze --stats` print, whole.

use super::*;

/// A program that forks through a table that its host sees, and once below a call back.
const PROGRAM: &str = r#"(module
    (type $number (func (result i32)))
    (import "kernel" "kernel_fork" (func $fork (result i32)))
    (import "env" "invoke_v" (func $invoke (param i32)))
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (elem (i32.const 0) $forks $plain)
    (func $forks (type $number) (call $fork))
    (func $plain (type $number) (i32.const 7))
    (func $picks (param i32) (result i32)
      (call_indirect (type $number) (local.get 0)))
    (func $twice (export "twice") (result i32)
      (i32.add (call $picks (i32.const 0)) (call $picks (i32.const 1))))
    (func $through_host (call $invoke (i32.const 0)))
    (func $shared (param i32) (call $through_host) (drop (call $twice))))"#;

fn analyze(args: &[&str]) -> (String, String) {
    let sandbox = Sandbox::with("in.wasm", PROGRAM);
    let output = sandbox.run(&[&["analyze", "in.wasm"], args].concat());
    assert_done(&output);
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn advice_is_a_ranked_list() {
    let (advice, remarks) = analyze(&["--advise"]);
    assert_eq!(
        advice,
        "\
7 functions, 35 bytes of code in the closure
functions  code bytes  fewer without
        6          35  2 (forks), held by its call of 0 (fork) at 0x81 alone [--assume-no-fork 2]
        2          18  the one call through table 0 of type () -> i32
        2          18  4 (picks), held by its call through table 0 at 0x8d alone [--assume-no-fork 4]
        2           6  env.invoke_v calling back
        1          11  5 (twice) [--assume-no-fork 5]
        1           7  7 (shared) [--assume-no-fork 7]
        1           6  6 (through_host), held by its call of 1 (invoke) at 0xa1 alone [--assume-no-fork 6]
        0           0  the host writing to table 0 [--assume-table-private 0]
"
    );
    assert_eq!(remarks, "");
}

#[test]
fn advice_names_the_flag_that_brought_something() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let flags = ["--entry", "kernel.kernel_f*", "--entry", "env.*", "--advise", "--top", "5"];
    let output = sandbox.run(&[&["analyze", "in.wasm"][..], &flags].concat());
    assert_done(&output);
    let advice = text(&output.stdout);
    let kernel =
        "2           4  kernel.kernel_fork as an entry [leave out --entry 'kernel.kernel_f*']";
    assert!(advice.contains(kernel), "{advice}");
    let env = "2           6  env.sleep.ms as an entry [leave out --entry 'env.*']";
    assert!(advice.contains(env), "{advice}");
}

#[test]
fn advice_shows_as_many_lines_as_are_asked_for() {
    let (whole, _) = analyze(&["--advise"]);
    let (advice, remarks) = analyze(&["--advise", "--top", "2"]);
    assert_eq!(advice.lines().count(), 4);
    assert!(whole.starts_with(&advice));
    assert_eq!(remarks, "note: 6 more are not shown; see --top\n");
}

#[test]
fn advice_is_data_too() {
    let (advice, _) = analyze(&["--advise", "--format", "json"]);
    let advice: serde_json::Value = serde_json::from_str(&advice).unwrap();
    assert_eq!(advice["closure"], serde_json::json!({"functions": 7, "code_bytes": 35}));
    let items = advice["items"].as_array().unwrap();
    assert_eq!(items.len(), 8);
    let forks = serde_json::json!({
        "kind": "function", "index": 2, "name": "forks",
        "only_call": {"offset": 0x81, "callee": 0, "callee_name": "fork"},
        "saves": {"functions": 6, "code_bytes": 35}, "pass": "--assume-no-fork 2",
    });
    assert_eq!(items[0], forks);
    let calls = serde_json::json!({
        "kind": "calls", "table": 0, "type": 0, "signature": "() -> i32", "calls": 1,
        "saves": {"functions": 2, "code_bytes": 18},
    });
    assert_eq!(items[1], calls);
    let back = serde_json::json!({
        "kind": "reentry", "imports": [{"index": 1, "name": "env.invoke_v"}],
        "saves": {"functions": 2, "code_bytes": 6},
    });
    assert_eq!(items[3], back);
    let table = serde_json::json!({
        "kind": "table", "table": 0, "saves": {"functions": 0, "code_bytes": 0},
        "pass": "--assume-table-private 0",
    });
    assert_eq!(items[7], table);
}

/// The same figures as text and as data. How much code is added may change with every release, so its
/// figures are only compared with each other.
#[test]
fn stats_are_tables() {
    let flags = ["--stats", "--assume-no-fork", "twice"];
    let (data, _) = analyze(&[&flags[..], &["--format", "json"]].concat());
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    let (stats, remarks) = analyze(&[&flags[..], &["--top", "2"]].concat());
    let total = &data["total"];
    let (added, guards) = (&total["code_bytes_added"], &total["guard_bytes"]);
    let (before, after) = (&total["module_bytes_before"], &total["module_bytes_after"]);
    let mut expected = format!(
        "4 functions with 4 sites, 1 saved locals, 36 frame bytes, {added} code bytes added\n\
         1 more function with 2 guards, {guards} code bytes added\n\
         {before} bytes before, {after} bytes after\n\n"
    );
    let mut row = |heading: &str, rest: &str, code: &str, end: &str| {
        expected += &format!("{heading:<15}{rest}  {code:>16}{end}\n");
    };
    let titles = "    sites  saved locals  frame bytes";
    let code = &data["spread"]["code_bytes_added"];
    row("per function", titles, "code bytes added", "");
    for (heading, rest, figure) in [
        ("least", "        1             0            8", "min"),
        ("median", "        1             0            8", "median"),
        ("90th percentile", "        1             1           12", "p90"),
        ("99th percentile", "        1             1           12", "p99"),
        ("largest", "        1             1           12", "max"),
    ] {
        row(heading, rest, &code[figure].to_string(), "");
    }
    row("\nfunctions with ", titles, "code bytes added", "");
    let buckets = code["buckets"].as_array().unwrap();
    for (position, bucket) in buckets.iter().enumerate() {
        let rest = match position {
            0 => "        0             3            0",
            1 => "        4             1            0",
            4 => "        0             0            4",
            _ => "        0             0            0",
        };
        let (first, last) = (1 << position >> 1, (1 << position) - 1);
        let heading = if first == last { last.to_string() } else { format!("{first}-{last}") };
        row(&heading, rest, &bucket.to_string(), "");
    }
    row("\nlargest growth ", titles, "code bytes added", "  code bytes  name");
    let of_index = |index: usize| {
        let functions = data["functions"].as_array().unwrap().iter();
        functions.clone().find(|f| f["index"] == index).unwrap()["code_bytes_added"].to_string()
    };
    row("4", "        1             1           12", &of_index(4), "           7  picks");
    row("2", "        1             0            8", &of_index(2), "           4  forks");
    assert_eq!(stats, expected);
    assert_eq!(remarks, "note: 2 more are not shown; see --top\n");
}

#[test]
fn stats_are_data_too() {
    let (stats, _) = analyze(&["--stats", "--assume-no-fork", "twice", "--format", "json"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    let figure = |place: &serde_json::Value| place.as_u64().filter(|figure| *figure > 0).unwrap();
    let total = &stats["total"];
    let expected = serde_json::json!({
        "functions": 4, "sites": 4, "saved_locals": 1, "saved_references": 0, "frame_bytes": 36,
        "code_bytes_added": figure(&total["code_bytes_added"]),
        "guarded_functions": 1, "guards": 2, "guard_bytes": figure(&total["guard_bytes"]),
        "module_bytes_before": 257, "module_bytes_after": figure(&total["module_bytes_after"]),
    });
    assert_eq!(*total, expected);
    let functions = stats["functions"].as_array().unwrap().iter();
    let sum: u64 = functions.map(|function| figure(&function["code_bytes_added"])).sum();
    assert_eq!(sum, figure(&total["code_bytes_added"]));
    let picks = &stats["functions"][1];
    let expected = serde_json::json!({
        "index": 4, "name": "picks", "sites": 1, "saved_locals": 1, "saved_references": 0, "frame_bytes": 12,
        "code_bytes": 7, "code_bytes_added": figure(&picks["code_bytes_added"]),
    });
    assert_eq!(*picks, expected);
    let guarded = serde_json::json!([
        {"index": 5, "name": "twice", "guards": 2, "guard_bytes": figure(&total["guard_bytes"])}
    ]);
    assert_eq!(stats["guarded"], guarded);
    let frames = serde_json::json!({
        "min": 8, "median": 8, "p90": 12, "p99": 12, "max": 12, "buckets": [0, 0, 0, 0, 4],
    });
    assert_eq!(stats["spread"]["frame_bytes"], frames);
}

#[test]
fn a_module_without_the_entry_has_nothing_to_show() {
    let sandbox = Sandbox::with("in.wasm", PLAIN);
    let analyze = |view: &str| {
        let output = sandbox.run(&["analyze", "in.wasm", "--allow-missing-entry", view]);
        assert_done(&output);
        text(&output.stdout)
    };
    assert_eq!(analyze("--advise"), "0 functions, 0 bytes of code in the closure\n");
    let stats = analyze("--stats");
    assert!(stats.starts_with("0 functions with 0 sites, "), "{stats}");
    assert_eq!(stats.lines().count(), 2, "{stats}");
}

#[test]
fn views_are_one_at_a_time() {
    let sandbox = Sandbox::with("in.wasm", PROGRAM);
    for flags in [&["--advise", "--stats"][..], &["--top", "3"]] {
        let output = sandbox.run(&[&["analyze", "in.wasm"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

#[test]
fn a_page_shows_the_closure_and_loads_nothing() {
    let sandbox = Sandbox::with("a<b>.wasm", FORKS);
    let output = sandbox.run(&["analyze", "a<b>.wasm", "--html", "page.html"]);
    assert_done(&output);
    assert_eq!(text(&output.stdout), "");
    let page = text(&sandbox.read("page.html"));
    assert!(page.contains(r#""title":"a\u003cb>.wasm""#), "a name ends no script");
    for part in [r#""functions":3"#, r#""entries":["kernel.kernel_fork"]"#, r#""name":"forks""#] {
        assert!(page.contains(part), "{part}");
    }
    for loading in ["http:", "https:", "src=", "href=", "import(", "fetch(", "url("] {
        assert!(!page.contains(loading), "{loading}");
    }
    let both = sandbox.run(&["analyze", "a<b>.wasm", "--html", "p", "--advise"]);
    assert_eq!(both.status.code(), Some(2));
}
