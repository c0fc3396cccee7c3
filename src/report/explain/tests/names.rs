//! Names and lines: demangled, from DWARF, and hostile ones.

use super::{ask, module, options, text};
use crate::options::FuncPattern;
use crate::read::lines::tests::dwarf::{SourceFunc, with_dwarf, with_sections};
use crate::report::explain::{Answer, Question};

#[test]
fn names_are_shown_demangled_and_kept_as_they_are() {
    let wat = module(
        "(func $_ZN3app4loopEv (call $_ZN4core3ptr7drop_in17h0123456789abcdefE))
         (func $_ZN4core3ptr7drop_in17h0123456789abcdefE (call $fork))",
    );
    assert_eq!(
        text(&wat, "app::loop()", Question::Path),
        "2 (app::loop()) is in the closure\n  \
         2 (app::loop()) calls 3 (core::ptr::drop_in) at @ directly\n  \
         3 (core::ptr::drop_in) calls 0 (fork) at @ directly"
    );
    let answer = ask(&wat, "2", Question::Path);
    let function = &answer.functions[0].function;
    assert_eq!(function.name.as_deref(), Some("_ZN3app4loopEv"));
    assert_eq!(function.demangled.as_deref(), Some("app::loop()"));
}

#[test]
fn a_name_stays_on_its_line() {
    let wat = module("(func $a (export \"x\\ny\\1b[1m\") (call $fork))").replace("$a", "");
    let text = text(&wat, "2", Question::Path);
    assert!(text.starts_with("2 (x\\ny\\u{1b}[1m) is in"), "{text}");
}

const NAMELESS: &str = "(module (import \"k\" \"fork\" (func)) (import \"k\" \"back\" (func))
    (func (call 0) (nop) (nop)) (func (nop) (nop) (call 2)))";

fn of_binary(wasm: &[u8], function: &str) -> crate::Result<Answer> {
    crate::explain(wasm, &options(), &FuncPattern(function.into()), Question::Path)
}

#[test]
fn dwarf_gives_names_and_lines() {
    let source = [
        SourceFunc { name: "child", line: 10, body: Some(0), ..SourceFunc::default() },
        SourceFunc {
            name: "run",
            linkage_name: Some("_ZN1a3runEv"),
            line: 20,
            body: Some(1),
            ..SourceFunc::default()
        },
    ];
    let wasm = with_dwarf(&wat::parse_str(NAMELESS).unwrap(), 4, &source);
    let answer = of_binary(&wasm, "a::run()").unwrap();
    assert_eq!(
        super::without_offsets(&answer.to_string()),
        "3 (a::run()) is in the closure (src/work.c:20)\n  \
         3 (a::run()) calls 2 (child) at @ (src/work.c:22) directly\n  \
         2 (child) calls 0 (fork) at @ (src/work.c:11:3) directly"
    );
    let json = serde_json::to_value(&answer.functions[0].calls[1]).unwrap();
    assert_eq!(json["line"], serde_json::json!({"file": "src/work.c", "line": 11, "column": 3}));
    assert_eq!(answer.warnings, [""; 0]);
    let near = of_binary(&wasm, "chold").unwrap_err().to_string();
    assert!(near.contains("did you mean `child`?"), "{near}");
}

#[test]
fn broken_dwarf_is_a_warning() {
    let broken = with_sections(
        &wat::parse_str(NAMELESS).unwrap(),
        &[(".debug_info", vec![0x20, 0, 0, 0, 9, 9]), (".debug_line", vec![1, 2, 3])],
    );
    let answer = of_binary(&broken, "3").unwrap();
    assert_eq!(answer.functions[0].calls.len(), 2);
    assert_eq!(answer.functions[0].calls[0].line, None);
    assert_eq!(answer.warnings.len(), 1, "{:?}", answer.warnings);
    assert!(answer.warnings[0].starts_with("the DWARF sections can't be read in full: "));
}
