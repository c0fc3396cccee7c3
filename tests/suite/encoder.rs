//! Properties of the encoder paths, over modules of every arrangement: sections stay where they are
//! and custom ones keep their bytes, names and producers are only added to.
//!
//! Not proved here: that the code means the same; that is for the suites that run it.

mod names;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use wasm_encoder::{
    CodeSection, CustomSection, Encode, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, ImportSection, MemorySection, MemoryType, Module, NameMap, NameSection,
    ProducersField, ProducersSection, TypeSection, ValType,
};
use wasm_fork::{EntryPattern, Options};
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// A module to be: functions that call the entry or don't, and what surrounds them.
#[derive(Debug, Clone)]
struct Plan {
    calls: Vec<bool>,
    names: BTreeMap<u32, String>,
    producers: Vec<(String, Vec<(String, String)>)>,
    /// Custom sections, each in front of the section with this ordinal.
    customs: Vec<(usize, String, Vec<u8>)>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let text = "[a-zé☃ ._$]{0,12}";
    let custom_name = "[a-z]{1,3}/[a-z]{0,4}";
    let values = btree_map(text, text, 0..3).prop_map(|map| map.into_iter().collect());
    let producers = btree_map("(language|processed-by|sdk)", values, 0..3)
        .prop_map(|m| m.into_iter().collect());
    let customs = vec((0usize..7, custom_name, vec(any::<u8>(), 0..20)), 0..4);
    (vec(any::<bool>(), 1..140), btree_map(0u32..150, text, 0..20), producers, customs).prop_map(
        |(mut calls, mut names, producers, customs)| {
            calls.push(true);
            names.retain(|index, _| (*index as usize) <= calls.len());
            Plan { calls, names, producers, customs }
        },
    )
}

impl Plan {
    fn module(&self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], [ValType::I32]);
        let mut imports = ImportSection::new();
        imports.import("env", "fork", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        let mut code = CodeSection::new();
        for (position, calls) in self.calls.iter().enumerate() {
            functions.function(0);
            exports.export(&format!("f{position}"), ExportKind::Func, position as u32 + 1);
            let mut body = Function::new([]);
            match calls {
                true => body.instructions().call(0).end(),
                false => body.instructions().i32_const(position as i32).end(),
            };
            code.function(&body);
        }
        let mut module = Module::new();
        let known: [&dyn Fn(&mut Module); 6] = [
            &|module| _ = module.section(&types),
            &|module| _ = module.section(&imports),
            &|module| _ = module.section(&functions),
            &|module| _ = module.section(&memories),
            &|module| _ = module.section(&exports),
            &|module| _ = module.section(&code),
        ];
        for (ordinal, section) in known.iter().enumerate() {
            self.add_customs(&mut module, ordinal);
            section(&mut module);
        }
        self.add_customs(&mut module, known.len());
        self.add_known_customs(&mut module);
        module.finish()
    }

    fn add_customs(&self, module: &mut Module, before: usize) {
        for (_, name, data) in self.customs.iter().filter(|(at, ..)| *at == before) {
            module.section(&CustomSection { name: name.into(), data: data.into() });
        }
    }

    fn add_known_customs(&self, module: &mut Module) {
        let mut map = NameMap::new();
        for (index, name) in &self.names {
            map.append(*index, name);
        }
        let mut names = NameSection::new();
        names.functions(&map);
        module.section(&names);
        let mut producers = ProducersSection::new();
        for (name, values) in &self.producers {
            let mut field = ProducersField::new();
            for (value, version) in values {
                field.value(value, version);
            }
            producers.field(name, &field);
        }
        module.section(&producers);
    }
}

/// What a reader finds in a module.
#[derive(Default)]
struct Found {
    names: BTreeMap<u32, String>,
    producers: Vec<(String, Vec<(String, String)>)>,
    /// The ids of known sections and the other custom sections with their contents, in order.
    sections: Vec<(u8, String, Vec<u8>)>,
}

fn find(wasm: &[u8]) -> Found {
    let mut found = Found::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.unwrap();
        let Payload::CustomSection(custom) = &payload else {
            if let Some((id, _)) = payload.as_section() {
                found.sections.push((id, String::new(), Vec::new()));
            }
            continue;
        };
        match custom.as_known() {
            KnownCustom::Name(names) => {
                for name in names {
                    if let Name::Function(map) = name.unwrap() {
                        let names = map.into_iter().map(Result::unwrap);
                        found.names.extend(names.map(|n| (n.index, n.name.to_owned())));
                    }
                }
            }
            KnownCustom::Producers(fields) => {
                for field in fields {
                    let field = field.unwrap();
                    let values = field.values.into_iter().map(Result::unwrap);
                    let values = values.map(|v| (v.name.to_owned(), v.version.to_owned()));
                    found.producers.push((field.name.to_owned(), values.collect()));
                }
            }
            _ => {
                let (name, data) = (custom.name().to_owned(), custom.data().to_vec());
                found.sections.push((0, name, data));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sections_names_and_producers_are_only_added_to(plan in plans()) {
        let input = plan.module();
        let options = Options::default().entries([EntryPattern::exact("env", "fork")]);
        let output = wasm_fork::instrument(&input, &options).unwrap();
        prop_assert!(output.warnings.is_empty());
        let (before, after) = (find(&input), find(&output.wasm));

        // The globals are new; all else is what it was, where it was.
        let mut sections = after.sections;
        sections.retain(|(id, ..)| *id != 6);
        prop_assert_eq!(sections, before.sections);

        let mut names = after.names;
        let added = names.split_off(&(plan.calls.len() as u32 + 1));
        prop_assert_eq!(&names, &before.names);
        prop_assert!(added.values().all(|name| name.starts_with("wpk_fork_")));
        prop_assert!(added.len() >= 5);

        for (field, values) in &before.producers {
            let (_, now) = after.producers.iter().find(|(name, _)| name == field).unwrap();
            prop_assert!(now.starts_with(values));
        }
        let by = after.producers.iter().find(|(name, _)| name == "processed-by").unwrap();
        prop_assert!(by.1.iter().any(|(tool, _)| tool == "wasm-fork"));
    }
}

/// Instruments a module whose last section is this custom one.
fn with_custom(name: &str, contents: &[u8]) -> wasm_fork::Output {
    let plan = Plan {
        calls: vec![true],
        names: BTreeMap::new(),
        producers: Vec::new(),
        customs: Vec::new(),
    };
    let mut wasm = plan.module();
    wasm.push(0);
    let mut data = Vec::new();
    name.encode(&mut data);
    data.extend_from_slice(contents);
    data.as_slice().encode(&mut wasm);
    let options = Options::default().entries([EntryPattern::exact("env", "fork")]);
    wasm_fork::instrument(&wasm, &options).unwrap()
}

/// The contents of the custom sections of this name.
fn customs<'a>(found: &'a Found, name: &'a str) -> Vec<&'a [u8]> {
    let sections = found.sections.iter().filter(|(_, other, _)| other == name);
    sections.map(|(.., contents)| contents.as_slice()).collect()
}

#[test]
fn a_build_gets_an_id_of_its_own() {
    for len in [1_u8, 8, 16, 20, 100] {
        let old = [&[len], vec![0xaa; usize::from(len)].as_slice()].concat();
        let output = with_custom("build_id", &old);
        let found = find(&output.wasm);
        let [new] = customs(&found, "build_id")[..] else { panic!("no build id of {len} bytes") };
        assert_eq!(new.len(), old.len());
        assert_eq!(new[0], len);
        assert!(len == 1 || new[1..] != old[1..] && new[1..] != vec![0; usize::from(len)]);
        assert_eq!(output.wasm, with_custom("build_id", &old).wasm, "same in, same out");
        let other = [&[len], vec![0xbb; usize::from(len)].as_slice()].concat();
        assert_eq!(output.wasm, with_custom("build_id", &other).wasm, "made from all other bytes");
    }
}

#[test]
fn what_speaks_of_code_elsewhere_is_left_out() {
    for (name, contents) in [
        ("build_id", &b"\x05short"[..4]),
        ("debug_id", b"0123456789abcdef"),
        ("external_debug_info", b"\x06x.wasm"),
        ("sourceMappingURL", b"\x05x.map"),
    ] {
        let output = with_custom(name, contents);
        assert!(customs(&find(&output.wasm), name).is_empty(), "{name}");
        let about: Vec<_> = output.warnings.iter().filter(|text| text.contains(name)).collect();
        assert_eq!(about.len(), 1, "{name}: {:?}", output.warnings);
    }
}
