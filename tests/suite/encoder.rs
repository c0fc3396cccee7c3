//! Properties of the encoder paths, over modules of every arrangement: sections stay where they are
//! and custom ones keep their bytes, names and producers are only added to.
//!
//! Not proved here: that the code means the same; that is for the suites that run it.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use wasm_encoder::{
    CodeSection, CustomSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, MemorySection, MemoryType, Module, NameMap, NameSection, ProducersField,
    ProducersSection, TypeSection, ValType,
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
        let entries = vec![EntryPattern::exact("env", "fork")];
        let options = Options { entries, ..Options::default() };
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
