//! Names are arbitrary text: none of it reaches a terminal as it stands, whatever is printed.

use super::*;

/// A terminal's controls, a line break, an override of the direction, an invisible character; and in
/// place of the question marks, bytes that are no text.
const EVIL: &str = r"\1b]0;pwned\07\0a\u{202e}\u{200b}????";
const SHOWN: &str = r"\u{1b}]0;pwned\u{7}\n\u{202e}\u{200b}";
const BYTES: &str = r"\xff\xfe\x80\xc3";

/// A module whose names are all evil, with something to tell for every command.
fn evil() -> Sandbox {
    let wat = r#"(module
        (type $one (func (param i32)))
        (import "kernel" "kernel_fork" (func (@name "forkEVIL") (result i32)))
        (import "envEVIL" "sleepEVIL" (func))
        (memory 1)
        (table (export "tableEVIL") 1 funcref)
        (elem (i32.const 0) 2)
        (func (@name "runEVIL") (export "runEVIL") (drop (call 0)) (call 1))
        (func (@name "castsEVIL") (export "castsEVIL")
            (call_indirect (type $one) (i32.const 7) (i32.const 0))))"#;
    let mut wasm = wat::parse_str(wat.replace("EVIL", EVIL)).unwrap();
    let name_section = wasm.windows(5).rposition(|bytes| bytes == b"\x04name").unwrap();
    let marks = wasm.windows(4).enumerate().filter(|(_, bytes)| *bytes == b"????");
    let marks: Vec<_> = marks.map(|(place, _)| place).filter(|p| *p > name_section).collect();
    assert_eq!(marks.len(), 3);
    for mark in marks {
        wasm[mark..mark + 4].copy_from_slice(b"\xff\xfe\x80\xc3");
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    sandbox
}

/// What the command prints on both streams: text that a terminal shows as it stands.
#[track_caller]
fn printed(sandbox: &Sandbox, args: &[&str]) -> String {
    let output = sandbox.run(args);
    let printed = text(&output.stdout) + &text(&output.stderr);
    let shown = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic() || c == '→';
    assert!(printed.chars().all(shown), "{args:?}: {printed:?}");
    printed
}

#[test]
fn names_are_escaped_wherever_they_are_printed() {
    let sandbox = evil();
    let name = format!("run{SHOWN}{BYTES}");
    for command in [
        &["analyze", "in.wasm"][..],
        &["analyze", "in.wasm", "--stats"],
        &["analyze", "in.wasm", "--advise"],
        &["explain", "in.wasm", "2"],
        &["explain", "in.wasm", "2", "--all-callers"],
        &["plan", "in.wasm"],
        &["shim", "in.wasm", "--report"],
    ] {
        let printed = printed(&sandbox, command);
        assert!(printed.contains(&name), "{command:?}: {printed}");
    }
    let graph = printed(&sandbox, &["explain", "in.wasm", "2", "--format", "dot"]);
    assert!(graph.contains(&name.replace('\\', "\\\\")), "{graph}");
}

#[test]
fn names_are_escaped_in_errors() {
    let sandbox = evil();
    let near = printed(&sandbox, &["analyze", "in.wasm", "--entry", "env.sleep"]);
    assert!(near.contains(&format!("env{SHOWN}????.sleep{SHOWN}????")), "{near}");
    let near = printed(&sandbox, &["explain", "in.wasm", "run"]);
    assert!(near.contains(&format!("`run{SHOWN}{BYTES}`")), "{near}");
    let tables = printed(&sandbox, &["analyze", "in.wasm", "--assume-table-private", "none"]);
    assert!(tables.contains(&format!("`table{SHOWN}????`")), "{tables}");
    let again = printed(&sandbox, &["analyze", "in.wasm", "--assume-no-fork", "a\u{202e}b\n"]);
    assert!(again.contains(r"`a\u{202e}b\n`"), "{again}");
}

#[test]
fn data_holds_the_names_themselves() {
    let sandbox = evil();
    let output = sandbox.run(&["analyze", "in.wasm", "--format", "json"]);
    assert_done(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = format!("run\u{1b}]0;pwned\u{7}\n\u{202e}\u{200b}{BYTES}");
    assert_eq!(json["closure"][1]["name"], name);
    // A name that is shown with escapes for its bytes is found by them.
    let explained = sandbox.run(&["explain", "in.wasm", &name]);
    assert_done(&explained);
}
