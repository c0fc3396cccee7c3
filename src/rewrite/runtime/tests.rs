//! The appended functions over each kind of memory, and in a module that has several.

use crate::abi::{Abi, Buffer, FrameMemory};
use crate::index::{GlobalIdx, IndexType, MemoryIdx};
use crate::options::Optimize;
use crate::plan::{Guards, Helpers, KnownTags, Plan, References, Tails};
use crate::read::Module;
use std::collections::BTreeMap;
use wasmparser::{MemArgTarget, Operator, ValType};

/// The output for a module whose frames go to the memory of this ordinal.
fn output(wat: &str, ordinal: usize) -> Vec<u8> {
    let bytes = wat::parse_str(wat).unwrap();
    let module = Module::read(&bytes).unwrap();
    let index = MemoryIdx::from_usize(ordinal);
    let memory = FrameMemory::of(index, &module.memories[index].ty);
    let globals = [(GlobalIdx(0), ValType::I32), (GlobalIdx(1), ValType::V128)];
    let plan = Plan {
        funcs: Vec::new(),
        tails: Tails::default(),
        guards: Guards::default(),
        abi: Abi::WpkFork,
        maps_offsets: false,
        memory,
        added_memory: None,
        buffer: Buffer::lay_out(Abi::WpkFork, memory.address, globals, 64),
        number: 0,
        helpers: Helpers::of(&[], true, Optimize::Balanced),
        called_imports: Vec::new(),
        operations: BTreeMap::new(),
        tags: KnownTags::default(),
        references: References::default(),
        resume_module: None,
        strips_debug: false,
        source_map_url: None,
        debug_file_url: None,
    };
    crate::rewrite::rewrite(&module, plan).unwrap().module.wasm
}

/// The memories that the functions of an output access, each once.
fn accessed(wasm: &[u8]) -> Vec<u32> {
    let module = Module::read(wasm).unwrap();
    let mut accessed = Vec::new();
    for func in module.defined_funcs() {
        let body = module.body(func).unwrap();
        for operator in body.get_operators_reader().unwrap() {
            match operator.unwrap() {
                Operator::I32Load { memarg }
                | Operator::I64Load { memarg }
                | Operator::V128Load { memarg }
                | Operator::I32Store { memarg }
                | Operator::I64Store { memarg }
                | Operator::V128Store { memarg } => match memarg.target {
                    MemArgTarget::Memory(memory) => accessed.push(memory),
                    MemArgTarget::Array(_) => panic!("frames are in no array"),
                },
                Operator::MemorySize { mem } => accessed.push(mem),
                _ => {}
            }
        }
    }
    accessed.sort_unstable();
    accessed.dedup();
    accessed
}

const GLOBALS: &str = "(global (mut i32) (i32.const 1)) (global (mut v128) (v128.const i64x2 1 2))";

#[test]
fn addresses_may_have_64_bits() {
    let wasm = output(&format!("(module (memory i64 1) {GLOBALS})"), 0);
    let module = Module::read(&wasm).unwrap();
    let of = |export: &str| {
        let (_, func) = module.exported_funcs().find(|(name, _)| *name == export).unwrap();
        module.func_type(func).params().to_vec()
    };
    assert_eq!(of("wpk_fork_unwind_begin"), [ValType::I64]);
    assert_eq!(of("wpk_fork_resume_begin"), [ValType::I64]);
    assert_eq!(of("wpk_fork_rewind_end"), []);
    assert_eq!(accessed(&wasm), [0]);
}

#[test]
fn frames_may_go_to_any_memory() {
    for ordinal in 0..3 {
        let memories = "(memory 1) (memory i64 1) (memory 1)";
        let wasm = output(&format!("(module {memories} {GLOBALS})"), ordinal);
        assert_eq!(accessed(&wasm), [ordinal as u32]);
    }
}
