//! Access to a shared memory without unsafe code: a module copies between it and a plain memory.

use super::program::{FUEL, engine};
use std::ops::Range;
use std::sync::OnceLock;
use wasmtime::{Instance, Memory, Module, Result, SharedMemory, Store};

const COPIER: &str = r#"
(module
  (import "" "shared" (memory $shared 0 65536 shared))
  (memory $plain (export "plain") 0)
  (func (export "out") (param $at i32) (param $len i32)
    (memory.copy $plain $shared (i32.const 0) (local.get $at) (local.get $len)))
  (func (export "in") (param $at i32) (param $len i32)
    (memory.copy $shared $plain (local.get $at) (i32.const 0) (local.get $len))))
"#;

pub fn read(memory: &SharedMemory, range: Range<usize>) -> Result<Vec<u8>> {
    let (mut store, instance, plain) = copier(memory, range.len())?;
    let out = instance.get_typed_func::<(u32, u32), ()>(&mut store, "out")?;
    out.call(&mut store, (range.start as u32, range.len() as u32))?;
    Ok(plain.data(&store)[..range.len()].to_vec())
}

pub fn write(memory: &SharedMemory, at: usize, bytes: &[u8]) -> Result<()> {
    let (mut store, instance, plain) = copier(memory, bytes.len())?;
    plain.write(&mut store, 0, bytes)?;
    let copy = instance.get_typed_func::<(u32, u32), ()>(&mut store, "in")?;
    copy.call(&mut store, (at as u32, bytes.len() as u32))
}

/// An instance of the copier whose plain memory holds `bytes`.
fn copier(memory: &SharedMemory, bytes: usize) -> Result<(Store<()>, Instance, Memory)> {
    static MODULE: OnceLock<Module> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let wasm = wat::parse_str(COPIER).expect("the copier parses");
        Module::from_binary(engine(), &wasm).expect("the copier is valid")
    });
    let mut store = Store::new(engine(), ());
    store.set_fuel(FUEL)?;
    let instance = Instance::new(&mut store, module, &[memory.clone().into()])?;
    let plain = instance.get_memory(&mut store, "plain").expect("it is exported");
    plain.grow(&mut store, bytes.div_ceil(super::memory::PAGE_BYTES) as u64)?;
    Ok((store, instance, plain))
}
