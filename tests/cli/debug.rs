//! Debug information in files of its own: what is made of it there is what is made of it in the module.

use super::*;
use wasmparser::{Parser, Payload};

const MODULE: &str = r#"(module
    (import "kernel" "kernel_fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (func (export "run") (result i32) (call $fork))"#;

/// A line program of version 4: all of `run`, at addresses 3 to 6, is in line 1 of `a.c`.
const DWARF: &str = r#"
    (@custom ".debug_abbrev" "\01\11\00\10\17\00\00\00")
    (@custom ".debug_info" "\0c\00\00\00\04\00\00\00\00\00\04\01\00\00\00\00")
    (@custom ".debug_line" "\2e\00\00\00\04\00\1b\00\00\00\01\01\01\fb\0e\0d\00\01\01\01\01\00\00\00\01\00"
        "\00\01\00a.c\00\00\00\00\00\00\05\02\03\00\00\00\01\02\03\00\01\01")"#;

const MAP: &str = r#"{"version": 3, "sources": ["a.c"], "names": [], "mappings": "AAAA"}"#;

fn custom_sections(bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let sections = Parser::new(0).parse_all(bytes).map(Result::unwrap);
    let customs = sections.filter_map(|section| match section {
        Payload::CustomSection(custom) => Some((custom.name(), custom.data())),
        _ => None,
    });
    customs.collect()
}

/// With a module, its debug information in another file, and both in one.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with("main.wasm", &format!("{MODULE})"));
    let both = wat::parse_str(format!("{MODULE} {DWARF})")).unwrap();
    fs::write(sandbox.path("both.wasm"), &both).unwrap();
    fs::write(sandbox.path("main.debug.wasm"), &both).unwrap();
    sandbox
}

#[test]
fn dwarf_in_another_file_is_moved_there() {
    for job in ["instrument", "shim"] {
        let sandbox = sandbox();
        assert_done(&sandbox.run(&[job, "both.wasm", "-o", "both.out.wasm", "-q"]));
        let apart = [job, "main.wasm", "-o", "out.wasm", "-q"];
        let files = ["--debug-file", "main.debug.wasm", "out.debug.wasm"];
        let output = sandbox.run(&[&apart[..], &files].concat());
        assert_done(&output);
        assert_eq!(text(&output.stderr), "");
        let [both, main, debug] =
            ["both.out.wasm", "out.wasm", "out.debug.wasm"].map(|name| sandbox.read(name));
        assert!(debug == both, "the file with debug information is the whole module");
        let names = custom_sections(&main);
        assert!(names.iter().all(|(name, _)| !name.starts_with(".debug_")), "{names:?}");
        assert_eq!(names.last().unwrap(), &("external_debug_info", &b"\x0eout.debug.wasm"[..]));
        // What the module says of that is kept in its place when it goes through once more.
        let files = ["--debug-file", "out.debug.wasm", "again.debug.wasm"];
        let again = ["shim", "out.wasm", "-o", "again.wasm", "-q"];
        assert_done(&sandbox.run(&[&again[..], &files].concat()));
        let again = sandbox.read("again.wasm");
        assert_eq!(custom_sections(&again).last().unwrap().1, b"\x10again.debug.wasm");
        assert_eq!(sandbox.read("again.debug.wasm"), debug);
    }
    let sandbox = sandbox();
    let files = ["--debug-file", "main.debug.wasm", "out.debug.wasm"];
    assert_done(
        &sandbox.run(&[&["instrument", "main.wasm", "-o", "out.wasm"], &files[..]].concat()),
    );
    assert_done(&sandbox.run(&["verify", "main.wasm", "out.wasm"]));
    let [before, after] = ["main.debug.wasm", "out.debug.wasm"].map(|name| sandbox.read(name));
    let lines =
        |bytes| custom_sections(bytes).iter().find(|s| s.0 == ".debug_line").unwrap().1.to_vec();
    assert_ne!(lines(&before), lines(&after), "code has moved");
}

#[test]
fn debug_information_of_another_module_is_refused() {
    let sandbox = sandbox();
    fs::write(sandbox.path("note.txt"), "no module").unwrap();
    for (module, debug, said) in [
        ("main.wasm", "main.wasm", "no section `.debug_info`"),
        ("main.wasm", "note.txt", "it is no module"),
        ("both.wasm", "both.wasm", "has debug information itself"),
    ] {
        let files = ["--debug-file", debug, "out.debug.wasm"];
        let output = sandbox.run(&[&["instrument", module, "-o", "out.wasm"], &files[..]].concat());
        assert_refused(&output, said);
        assert!(!sandbox.path("out.wasm").exists() && !sandbox.path("out.debug.wasm").exists());
    }
    let same = ["--debug-file", "main.debug.wasm", "out.wasm"];
    let output = sandbox.run(&[&["instrument", "main.wasm", "-o", "out.wasm"], &same[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_source_map_is_moved_beside_it() {
    let sandbox = sandbox();
    fs::write(sandbox.path("main.map"), MAP).unwrap();
    let files = ["--debug-file", "main.debug.wasm", "out.debug.wasm"];
    let map = ["--source-map", "main.map", "out.map"];
    let module = ["instrument", "main.wasm", "-o", "out.wasm"];
    assert_done(&sandbox.run(&[&module[..], &files, &map].concat()));
    let moved: serde_json::Value = serde_json::from_slice(&sandbox.read("out.map")).unwrap();
    assert_eq!(moved["sources"][0], "a.c");
    assert!(sandbox.path("out.debug.wasm").exists());
}
