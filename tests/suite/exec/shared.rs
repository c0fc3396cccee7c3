//! Access to a shared memory without unsafe code: a module copies between it and a plain memory.

use super::program::{FUEL, engine};
use std::ops::Range;
use std::sync::OnceLock;
use wasmtime::{Instance, Memory, Module, Result, SharedMemory, Store};

/// For addresses of the type ADDRESS.
const COPIER: &str = r#"
(module
  (import "" "shared" (memory $shared ADDRESS 0 65536 shared))
  (memory $plain (export "plain") ADDRESS 0)
  (func (export "out") (param $at i64) (param $len i64)
    (memory.copy $plain $shared (ADDRESS.const 0) TO_ADDRESS(local.get $at)) TO_ADDRESS(local.get $len))))
  (func (export "in") (param $at i64) (param $len i64)
    (memory.copy $shared $plain TO_ADDRESS(local.get $at)) (ADDRESS.const 0) TO_ADDRESS(local.get $len)))))
"#;

pub fn read(memory: &SharedMemory, range: Range<usize>) -> Result<Vec<u8>> {
    let (mut store, instance, plain) = copier(memory, range.len())?;
    let out = instance.get_typed_func::<(u64, u64), ()>(&mut store, "out")?;
    out.call(&mut store, (range.start as u64, range.len() as u64))?;
    Ok(plain.data(&store)[..range.len()].to_vec())
}

pub fn write(memory: &SharedMemory, at: usize, bytes: &[u8]) -> Result<()> {
    let (mut store, instance, plain) = copier(memory, bytes.len())?;
    plain.write(&mut store, 0, bytes)?;
    let copy = instance.get_typed_func::<(u64, u64), ()>(&mut store, "in")?;
    copy.call(&mut store, (at as u64, bytes.len() as u64))
}

fn copier_of(address: &str) -> Module {
    let to_address = if address == "i32" { "(i32.wrap_i64 " } else { "(i64.or (i64.const 0) " };
    let text = COPIER.replace("TO_ADDRESS", to_address).replace("ADDRESS", address);
    let wasm = wat::parse_str(text).expect("the copier parses");
    Module::from_binary(engine(), &wasm).expect("the copier is valid")
}

/// An instance of the copier whose plain memory holds `bytes`.
fn copier(memory: &SharedMemory, bytes: usize) -> Result<(Store<()>, Instance, Memory)> {
    static MODULES: OnceLock<[Module; 2]> = OnceLock::new();
    let [narrow, wide] = MODULES.get_or_init(|| ["i32", "i64"].map(copier_of));
    let module = if memory.ty().is_64() { wide } else { narrow };
    let mut store = Store::new(engine(), ());
    store.set_fuel(FUEL)?;
    let instance = Instance::new(&mut store, module, &[memory.clone().into()])?;
    let plain = instance.get_memory(&mut store, "plain").expect("it is exported");
    plain.grow(&mut store, bytes.div_ceil(super::memory::PAGE_BYTES) as u64)?;
    Ok((store, instance, plain))
}
