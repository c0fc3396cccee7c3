//! Lines and names from DWARF: of both versions in use, of dropped code, broken and absent.

#[path = "../../../tests/support/dwarf.rs"]
pub(crate) mod dwarf;

use super::*;
use dwarf::{SourceFunc, with_dwarf, with_sections};

const WAT: &str = "(module (import \"k\" \"f\" (func))
    (func $small (nop) (nop)) (func $large (nop) (nop) (nop) (nop) (call 0) (nop) (nop)) (func $last))";

fn wasm() -> Vec<u8> {
    wat::parse_str(WAT).unwrap()
}

fn func<'a>(name: &'a str, line: u64, body: usize) -> SourceFunc<'a> {
    SourceFunc { name, line, body: Some(body), ..SourceFunc::default() }
}

fn with_lines<T>(wasm: &[u8], test: impl FnOnce(&Module<'_>, &Lines) -> T) -> T {
    let module = Module::read(wasm).unwrap();
    let lines = module.lines().expect("there is DWARF");
    test(&module, lines)
}

fn body(module: &Module<'_>, func: u32) -> std::ops::Range<u32> {
    let body = module.body(FuncIdx(func)).unwrap().range();
    body.start as u32..body.end as u32
}

fn line(lines: &Lines, offset: u32) -> Option<String> {
    lines.at(offset).map(|line| line.to_string())
}

#[test]
fn an_instruction_has_the_line_of_the_last_row_before_it() {
    for version in [3, 4, 5] {
        let source = [func("large", 20, 1), func("small", 10, 0)];
        with_lines(&with_dwarf(&wasm(), version, &source), |module, lines| {
            let (small, large) = (body(module, 1), body(module, 2));
            assert_eq!(line(lines, small.start).unwrap(), "src/work.c:11:3");
            assert_eq!(line(lines, large.start + 1).unwrap(), "src/work.c:21:3");
            assert_eq!(line(lines, large.end - 1).unwrap(), "src/work.c:22");
            assert_eq!(line(lines, large.end), None, "nothing is said of the last function");
            assert_eq!(line(lines, small.start - 1), None);
            assert_eq!(line(lines, 0), None);
            assert_eq!(line(lines, u32::MAX), None);
            assert_eq!(lines.fault(), None);
        });
    }
}

/// A cursor goes on where it stands, or back: it finds what one finds that is new.
#[test]
fn a_cursor_finds_the_same_in_any_order() {
    let source = [func("large", 20, 1), func("small", 10, 0)];
    with_lines(&with_dwarf(&wasm(), 4, &source), |module, lines| {
        let all = 0..module.bytes.len() as u32 + 1;
        let expected: Vec<_> = all.clone().map(|offset| lines.at(offset)).collect();
        assert_eq!(expected.iter().flatten().map(|line| line.line).max(), Some(22));
        let find = |offsets: &mut dyn Iterator<Item = u32>| {
            let mut cursor = LineCursor::new(lines);
            offsets.for_each(|offset| assert_eq!(cursor.at(offset), expected[offset as usize]));
        };
        find(&mut all.clone());
        find(&mut all.clone().rev());
        find(&mut all.clone().chain(all.clone()).step_by(7));
        find(&mut all.clone().flat_map(|offset| [offset, offset, offset / 2]));
    });
}

#[test]
fn a_line_is_sure_where_only_one_sequence_speaks_of_the_code() {
    let source = [func("large", 20, 1), func("small", 10, 0), func("another", 30, 0)];
    with_lines(&with_dwarf(&wasm(), 4, &source), |module, lines| {
        let cursor = LineCursor::new(lines);
        let (small, large, last) = (body(module, 1), body(module, 2), body(module, 3));
        assert!(!cursor.is_sure(small.start) && !cursor.is_sure(small.end - 1));
        assert!(cursor.is_sure(large.start) && cursor.is_sure(large.end - 1));
        assert!(cursor.is_sure(last.start) && cursor.is_sure(0) && cursor.is_sure(u32::MAX));
    });
}

#[test]
fn dropped_code_is_not_taken_for_what_is_there() {
    let dropped = SourceFunc { name: "gone", line: 70, ..SourceFunc::default() };
    for source in [vec![dropped], vec![dropped, func("large", 20, 1), dropped]] {
        with_lines(&with_dwarf(&wasm(), 4, &source), |module, lines| {
            assert_eq!(line(lines, body(module, 1).start), None);
            assert_eq!(lines.subprogram(FuncIdx(1)), None);
            let large = line(lines, body(module, 2).start);
            assert_eq!(large.as_deref(), (source.len() > 1).then_some("src/work.c:21:3"));
        });
    }
}

#[test]
fn a_subprogram_is_found_by_where_its_body_begins() {
    let source = [
        SourceFunc { variadic: true, ..func("print", 10, 0) },
        SourceFunc {
            linkage_name: Some("_ZN1a1bEv"),
            has_origin: true,
            variadic: true,
            ..func("b", 30, 2)
        },
    ];
    with_lines(&with_dwarf(&wasm(), 5, &source), |_, lines| {
        let print = lines.subprogram(FuncIdx(1)).unwrap();
        assert_eq!(print.name.as_deref(), Some("print"));
        assert_eq!((print.symbol(), print.linkage_name.as_deref()), (Some("print"), None));
        assert_eq!(print.declared.unwrap().to_string(), "src/work.c:10");
        assert_eq!(lines.is_variadic(FuncIdx(1)), Some(true));

        let b = lines.subprogram(FuncIdx(3)).unwrap();
        assert_eq!((b.name.as_deref(), b.symbol()), (Some("b"), Some("_ZN1a1bEv")));
        assert_eq!((b.variadic, b.declared.unwrap().line), (true, 30));

        assert_eq!(lines.is_variadic(FuncIdx(2)), None);
        assert_eq!(lines.is_variadic(FuncIdx(0)), None, "an import");
        assert_eq!(lines.function_name(FuncIdx(1)).as_deref(), Some("print"));
        assert_eq!(lines.function_name(FuncIdx(2)), None);
    });
}

#[test]
fn sections_in_several_parts_are_one() {
    let mut parts = Vec::new();
    for (name, data) in dwarf::sections(&wasm(), 4, &[func("large", 20, 1)]) {
        let (first, second) = data.split_at(data.len() / 2);
        parts.extend([(name, first.to_vec()), (name, second.to_vec())]);
    }
    with_lines(&with_sections(&wasm(), &parts), |module, lines| {
        assert_eq!(line(lines, body(module, 2).start).unwrap(), "src/work.c:21:3");
    });
}

#[test]
fn a_module_without_dwarf_or_code_has_no_lines() {
    assert!(Module::read(&wasm()).unwrap().lines().is_none());
    let no_code = wat::parse_str("(module (@custom \".debug_info\" \"\"))").unwrap();
    assert!(Module::read(&no_code).unwrap().lines().is_none());
}

#[test]
fn a_missing_section_leaves_what_the_others_say() {
    let whole = dwarf::sections(&wasm(), 4, &[func("large", 20, 1)]);
    let without = |absent: &str| {
        let kept: Vec<_> = whole.iter().filter(|(name, _)| *name != absent).cloned().collect();
        assert!(kept.len() < whole.len(), "{absent}");
        with_sections(&wasm(), &kept)
    };
    with_lines(&without(".debug_line"), |module, lines| {
        assert_eq!(line(lines, body(module, 2).start), None);
        assert!(lines.fault().is_some());
    });
    with_lines(&without(".debug_abbrev"), |module, lines| {
        assert_eq!(line(lines, body(module, 2).start), None);
        assert_eq!(lines.subprogram(FuncIdx(2)), None);
        assert!(lines.fault().unwrap().contains("can't be read in full"));
    });
}

/// Every byte of every section is broken in turn, and every section is cut short at each byte. Whatever
/// is found then, reading ends, and in time.
#[test]
fn broken_dwarf_never_panics() {
    let source = [
        SourceFunc { variadic: true, has_origin: true, ..func("large", 20, 1) },
        func("small", 10, 0),
    ];
    for version in [4, 5] {
        let whole = dwarf::sections(&wasm(), version, &source);
        let mut faults = 0;
        for (at, (_, data)) in whole.iter().enumerate() {
            for position in 0..data.len() {
                for change in [0xff, 0x80, 0x01] {
                    let mut broken = whole.clone();
                    broken[at].1[position] ^= change;
                    faults += usize::from(read_all(&broken));
                }
                let mut cut = whole.clone();
                cut[at].1.truncate(position);
                faults += usize::from(read_all(&cut));
            }
        }
        assert!(faults > 100, "{faults}");
    }
}

/// Asks for everything; whether there was a fault.
fn read_all(sections: &[(&str, Vec<u8>)]) -> bool {
    with_lines(&with_sections(&wasm(), sections), |module, lines| {
        for func in module.defined_funcs() {
            lines.subprogram(func);
            let body = body(module, func.0);
            for offset in body {
                lines.at(offset);
            }
        }
        lines.fault().is_some()
    })
}
