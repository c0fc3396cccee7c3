//! Name sections that are not well-formed: they are kept byte for byte, with a warning, and `verify` accepts nothing else. What a well-formed one
//! says is kept, with further names, however its numbers are spelled.

use proptest::collection::vec;
use proptest::prelude::*;
use wasm_fork::{EntryPattern, Error, Options, Output};
use wasmparser::{KnownCustom, Name, Parser, Payload};

const WAT: &str = r#"(module
    (import "env" "fork" (func (result i32)))
    (memory (export "memory") 1)
    (table 1 funcref)
    (global (mut i32) (i32.const 0))
    (func (param i32) (result i32) (local i32) (block (result i32) (call 0)))
    (func (export "run") (param i32) (result i32) (i32.add (call 1 (local.get 0)) (call 0))))"#;

const FUNCTIONS: u8 = 1;
const LOCALS: u8 = 2;
const LABELS: u8 = 3;
const TABLES: u8 = 5;

fn module(names: &[&[u8]]) -> Vec<u8> {
    let mut wasm = wat::parse_str(WAT).unwrap();
    for names in names {
        let contents = [&[4][..], b"name", names].concat();
        wasm.push(0);
        wasm.extend(super::super::mutants::edit::leb(contents.len()));
        wasm.extend(contents);
    }
    wasm
}

/// A subsection of less than 128 bytes.
fn part(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id, contents.len() as u8], contents].concat()
}

/// A subsection of names by index.
fn map(id: u8, names: &[(u8, &[u8])]) -> Vec<u8> {
    let names = names.iter().map(|(index, name)| [&[*index, name.len() as u8], *name].concat());
    part(id, &[vec![names.len() as u8], names.collect::<Vec<_>>().concat()].concat())
}

/// A subsection of names by function and index, one each.
fn indirect(id: u8, names: &[(u8, u8)]) -> Vec<u8> {
    let names = names.iter().map(|(func, index)| [*func, 1, *index, 1, b'x']);
    part(id, &[vec![names.len() as u8], names.collect::<Vec<_>>().concat()].concat())
}

fn options() -> Options {
    Options::default().entries([EntryPattern::exact("env", "fork")]).verify(true)
}

/// The contents of the name sections.
fn sections(wasm: &[u8]) -> Vec<Vec<u8>> {
    let payloads = Parser::new(0).parse_all(wasm).map(Result::unwrap);
    let sections = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == "name" => {
            Some(section.data().to_vec())
        }
        _ => None,
    });
    sections.collect()
}

fn warns(output: &Output) -> bool {
    output.warnings.iter().any(|warning| warning.contains("name section is not well-formed"))
}

/// Whether the sections are kept as they are, with a warning; else they have names more, and there is none.
fn is_kept(names: &[&[u8]]) -> bool {
    let input = module(names);
    let output = wasm_fork::instrument(&input, &options()).unwrap();
    let is_kept = sections(&output.wasm) == names;
    assert_eq!(is_kept, warns(&output), "{names:?}");
    wasm_fork::verify(&input, &output.wasm, &options()).unwrap();
    is_kept
}

/// The names of functions that are there.
fn of_functions(wasm: &[u8]) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(wasm).map(Result::unwrap) {
        let Payload::CustomSection(section) = payload else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for name in names.map(Result::unwrap) {
            let Name::Function(names) = name else { continue };
            let names = names.into_iter().map(Result::unwrap);
            found.extend(names.map(|naming| (naming.index, naming.name.to_owned())));
        }
    }
    found
}

#[test]
fn what_is_not_well_formed_is_kept() {
    let good = map(FUNCTIONS, &[(0, b"f"), (1, b"g")]);
    let too_long = [FUNCTIONS, 9, 1, 0, 1, b'f'];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("indices are not in order", map(FUNCTIONS, &[(1, b"g"), (0, b"f")])),
        ("an index is there twice", map(FUNCTIONS, &[(1, b"g"), (1, b"f")])),
        ("there is no such function", map(FUNCTIONS, &[(0, b"f"), (3, b"g")])),
        ("there is no such table", map(TABLES, &[(1, b"t")])),
        ("a name is no text", map(FUNCTIONS, &[(0, b"\xff")])),
        ("subsections are not in order", [map(TABLES, &[(0, b"t")]), good.clone()].concat()),
        ("a subsection is there twice", [good.clone(), good.clone()].concat()),
        ("a subsection is cut off", too_long.to_vec()),
        ("there are bytes behind the names", part(FUNCTIONS, &[1, 0, 1, b'f', 0])),
        ("fewer names than it says", part(FUNCTIONS, &[2, 0, 1, b'f'])),
        ("a number has no end", [good.clone(), vec![9, 0x80]].concat()),
        ("a byte is left", [good.clone(), vec![9]].concat()),
        ("locals of a function twice", indirect(LOCALS, &[(1, 0), (1, 1)])),
        ("locals of functions not in order", indirect(LOCALS, &[(2, 0), (1, 0)])),
        ("locals of no function", indirect(LOCALS, &[(9, 0)])),
        ("labels of no function", indirect(LABELS, &[(9, 0)])),
    ];
    for (what, names) in cases {
        assert!(is_kept(&[&names]), "{what}");
    }
    assert!(is_kept(&[&good, &good]), "two sections");
}

#[test]
fn what_is_well_formed_is_added_to() {
    let good = map(FUNCTIONS, &[(0, b"f"), (1, b"g")]);
    let spelled_out = part(FUNCTIONS, &[0x81, 0x80, 0, 0x80, 0, 0x81, 0, b'f']);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("names", good.clone()),
        ("a subsection that nobody knows", [good.clone(), part(77, b"anything")].concat()),
        ("long numbers", spelled_out),
        ("locals and labels", [indirect(LOCALS, &[(1, 0)]), indirect(LABELS, &[(1, 0)])].concat()),
    ];
    for (what, names) in cases {
        assert!(!is_kept(&[&names]), "{what}");
        let output = wasm_fork::instrument(&module(&[&names]), &options()).unwrap();
        let before = of_functions(&module(&[&names]));
        let after = of_functions(&output.wasm);
        assert!(after.starts_with(&before), "{what}: {after:?}");
        assert!(after.iter().any(|(_, name)| name == "wpk_fork_state"), "{what}: {after:?}");
    }
}

/// `verify` takes no other section in the place of one that is not well-formed.
#[test]
fn verify_compares_what_is_not_well_formed() {
    let names = map(FUNCTIONS, &[(1, b"g"), (0, b"f")]);
    let input = module(&[&names]);
    let output = wasm_fork::instrument(&input, &options()).unwrap();
    let at = output.wasm.windows(names.len()).position(|window| window == names).unwrap();
    for byte in at..at + names.len() {
        let mut other = output.wasm.clone();
        other[byte] ^= 1;
        let verified = wasm_fork::verify(&input, &other, &options());
        assert!(matches!(verified, Err(Error::Unfaithful { .. })), "byte {}", byte - at);
    }
}

/// A change to the bytes of a section: where, and what is put there in place of so many.
type Change = (prop::sample::Index, usize, Vec<u8>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec((any::<prop::sample::Index>(), 0usize..4, vec(0u8..12, 0..4)), 0..4)
}

proptest! {
    /// Whatever the bytes are: the output is accepted by `verify`, and the sections are kept or added to, as the warning says.
    #[test]
    fn any_section_is_kept_or_added_to(changes in changes()) {
        let mut names = [
            map(FUNCTIONS, &[(0, b"f"), (1, b"g"), (2, b"h")]),
            indirect(LOCALS, &[(1, 0), (2, 0)]),
            indirect(LABELS, &[(1, 0)]),
            map(TABLES, &[(0, b"t")]),
        ]
        .concat();
        for (index, taken, put) in changes {
            let at = index.index(names.len() + 1);
            let end = (at + taken).min(names.len());
            names.splice(at..end, put);
        }
        is_kept(&[&names]);
    }
}
