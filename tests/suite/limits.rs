//! Modules at the limits that engines share: what would exceed one in the output is refused by name and
//! number. One less is accepted, so that no limit is stricter than it is.

use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType, Module, TagKind,
    TagSection, TagType, TypeSection, ValType,
};
use wasm_fork::{EntryPattern, Error, Limit, Optimize, Options, RefusalKind};
use wasmparser::{Operator, Parser, Payload};

/// How many of each thing there are besides what every such module has.
#[derive(Clone, Copy, Default)]
struct Many {
    types: u32,
    functions: u32,
    exports: u32,
    mutable_globals: u32,
    constants: u32,
    tags: u32,
    /// `nop`s in the function that calls the entry.
    nops: u32,
    /// Its locals.
    locals: u32,
    /// How often it calls the entry once more.
    calls: u32,
}

impl Many {
    /// A module with one function that calls the entry, and so much more.
    fn module(self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], [ValType::I32]);
        types.ty().function([], []);
        (0..self.types).for_each(|_| types.ty().function([], []));
        let mut imports = ImportSection::new();
        imports.import("env", "fork", EntityType::Function(0));
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        functions.function(0);
        let mut body = Function::new([(self.locals, ValType::I32)]);
        (0..self.nops).for_each(|_| _ = body.instructions().nop());
        (0..self.calls).for_each(|_| _ = body.instructions().call(0).drop());
        body.instructions().call(0).end();
        code.function(&body);
        let mut empty = Function::new([]);
        empty.instructions().end();
        for _ in 0..self.functions {
            functions.function(1);
            code.function(&empty);
        }
        let mut exports = ExportSection::new();
        exports.export("run", ExportKind::Func, 1);
        (0..self.exports).for_each(|at| _ = exports.export(&at.to_string(), ExportKind::Memory, 0));
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&memory());
        module.section(&self.tags()).section(&self.globals());
        module.section(&exports).section(&code);
        module.finish()
    }

    fn tags(self) -> TagSection {
        let mut tags = TagSection::new();
        let tag = TagType { kind: TagKind::Exception, func_type_idx: 1 };
        (0..self.tags).for_each(|_| _ = tags.tag(tag));
        tags
    }

    fn globals(self) -> GlobalSection {
        let mut globals = GlobalSection::new();
        for at in 0..self.mutable_globals + self.constants {
            let mutable = at < self.mutable_globals;
            let ty = GlobalType { val_type: ValType::I32, mutable, shared: false };
            globals.global(ty, &ConstExpr::i32_const(0));
        }
        globals
    }
}

fn memory() -> MemorySection {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    memories
}

fn options() -> Options {
    Options::default().entries([EntryPattern::exact("env", "fork")])
}

fn instrument(many: Many) -> Result<Vec<u8>, Error> {
    wasm_fork::instrument(&many.module(), &options()).map(|output| output.wasm)
}

/// The refusal is of a limit, and says so with all of `words`.
#[track_caller]
fn assert_refused(many: Many, words: &[&str]) {
    match instrument(many) {
        Ok(_) => panic!("it is accepted"),
        Err(Error::Refused(refusals)) => {
            assert!(refusals.iter().all(|refusal| refusal.kind == RefusalKind::Limit));
            let text = refusals.to_string();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_full_index_space_is_refused() {
    let full = (Limit::Globals.max()) as u32;
    let cases = [
        (Many { constants: full, ..Many::default() }, "globals"),
        (Many { functions: full - 2, ..Many::default() }, "functions"),
        (Many { types: full - 2, ..Many::default() }, "types"),
        (Many { exports: full - 10, ..Many::default() }, "exports"),
    ];
    for (many, noun) in cases {
        assert_refused(many, &[noun, "more than the", "that engines accept"]);
    }
}

#[test]
fn one_that_is_nearly_full_is_not() {
    let room = 1_000_000 - 200;
    let many = Many { constants: room, types: room, tags: room, ..Many::default() };
    instrument(many).unwrap();
}

/// As many tags as there may be, in a module that gets none: no handler with a site catches all.
#[test]
fn what_gains_nothing_may_be_full() {
    instrument(Many { tags: 1_000_000, ..Many::default() }).unwrap();
}

#[test]
fn a_function_of_the_protocol_may_be_too_large() {
    let many = Many { mutable_globals: 900_000, ..Many::default() };
    assert_refused(many, &["`wpk_fork_", "bytes in one function body", "7654321"]);
}

#[test]
fn a_rewritten_body_may_be_too_large() {
    let many = Many { nops: 7_654_300, ..Many::default() };
    assert_refused(many, &["bytes in one function body", "7654321", "function 1 (run)"]);
    instrument(Many { nops: 7_650_000, ..Many::default() }).unwrap();
}

/// Nothing is planned for them: that would be most of the work.
#[test]
fn sites_may_be_too_many_for_a_body() {
    let many = Many { calls: 600_000, ..Many::default() };
    let words = ["at least", "bytes in one function body", "7654321", "function 1 (run)"];
    assert_refused(many, &words);
    let report = wasm_fork::analyze(&many.module(), &options()).unwrap();
    assert!(words.iter().all(|word| report.refusals.to_string().contains(word)));
}

#[test]
fn a_rewritten_function_may_have_too_many_locals() {
    let many = Many { locals: 50_000, ..Many::default() };
    assert_refused(many, &["50001 locals in one function", "50000", "function 1 (run)"]);
    instrument(Many { locals: 49_900, ..Many::default() }).unwrap();
}

/// How many labels the largest `br_table` of a module has.
fn largest_table(wasm: &[u8]) -> u32 {
    let mut largest = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        for operator in body.get_operators_reader().unwrap() {
            if let Operator::BrTable { targets } = operator.unwrap() {
                largest = largest.max(targets.len());
            }
        }
    }
    largest
}

/// The regions of a function together may have more sites than a table may have labels.
#[test]
fn no_table_has_more_labels_than_engines_accept() {
    let with_sites = |calls: u32| {
        let many = Many { calls, ..Many::default() };
        let options = options().optimize(Optimize::Speed);
        largest_table(&wasm_fork::instrument(&many.module(), &options).unwrap().wasm)
    };
    assert!((30_000..65_521).contains(&with_sites(40_000)));
    assert!(with_sites(67_000) <= 65_520);
}
