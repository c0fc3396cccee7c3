//! A host that carries references over to another instance: what a copy of the memory can't hold.

use super::{ANSWER, Host, UNWINDING, instrumented_with};
use wasm_fork::Options;
use wasmtime::{ExternRef, Ref, Val};

/// Frames that hold references of the host's, one of them null, in locals and on the operand stack.
const WAT: &str = r#"(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (func $inner (param externref externref) (result i32)
        (i32.add (call $fork)
            (i32.add (i32.mul (i32.const 10) (ref.is_null (local.get 0))) (ref.is_null (local.get 1)))))
    (func (export "run") (param externref) (result externref i32) (local $r i32)
        (local.get 0)
        (local.set $r (call $inner (local.get 0) (ref.null extern)))
        (local.get $r)))"#;

const BUFFER: u64 = 1024;
const SECRET: u32 = 4711;

/// Puts what keeps references in one instance into another.
fn carry(from: &mut Host, to: &mut Host) {
    let exports: Vec<_> =
        from.instance.exports(&mut from.store).map(|export| export.name().to_owned()).collect();
    let mut carried = 0;
    for name in exports.iter().filter(|name| name.starts_with("wpk_fork_references")) {
        if let Some(global) = from.instance.get_global(&mut from.store, name) {
            let value = global.get(&mut from.store);
            to.instance.get_global(&mut to.store, name).unwrap().set(&mut to.store, value).unwrap();
            continue;
        }
        let table = from.instance.get_table(&mut from.store, name).unwrap();
        let copy = to.instance.get_table(&mut to.store, name).unwrap();
        let size = table.size(&from.store);
        let missing = size - copy.size(&to.store);
        copy.grow(&mut to.store, missing, Ref::Extern(None)).unwrap();
        for slot in 0..size {
            // The other instance has a value of its own for the same thing of the host's.
            let kept = table.get(&mut from.store, slot).unwrap();
            let Ref::Extern(Some(kept)) = kept else { continue };
            let secret = *kept.data(&from.store).unwrap().unwrap().downcast_ref::<u32>().unwrap();
            let again = ExternRef::new(&mut to.store, secret).unwrap();
            copy.set(&mut to.store, slot, Ref::Extern(Some(again))).unwrap();
            carried += 1;
        }
    }
    assert!(carried > 0, "{exports:?}");
}

fn run(host: &mut Host, argument: Val) -> (Option<u32>, i32) {
    let run = host.instance.get_func(&mut host.store, "run").unwrap();
    let mut results = [Val::null_extern_ref(), Val::I32(0)];
    run.call(&mut host.store, &[argument], &mut results).unwrap();
    let kept = results[0]
        .unwrap_externref()
        .map(|kept| *kept.data(&host.store).unwrap().unwrap().downcast_ref::<u32>().unwrap());
    (kept, results[1].unwrap_i32())
}

#[test]
fn references_are_carried_to_a_fresh_instance() {
    let options = Options::default().carry_references(true);
    for module in instrumented_with(WAT, &options) {
        let mut parent = Host::new(&module);
        parent.unwind_to(BUFFER, BUFFER + 4096);
        let secret = ExternRef::new(&mut parent.store, SECRET).unwrap();
        run(&mut parent, Val::ExternRef(Some(secret)));
        assert_eq!(parent.state(), UNWINDING);
        parent.call("wpk_fork_unwind_end", &[]).unwrap();

        let mut child = Host::new(&module);
        let bytes = parent.memory.data(&parent.store).to_vec();
        child.memory.write(&mut child.store, 0, &bytes).unwrap();
        carry(&mut parent, &mut child);
        child.begin("wpk_fork_rewind_begin", BUFFER).unwrap();
        assert_eq!(
            run(&mut child, Val::null_extern_ref()),
            (Some(SECRET), ANSWER + 1),
            "the child"
        );
        child.begin("wpk_fork_release", BUFFER).unwrap();

        parent.begin("wpk_fork_resume_begin", BUFFER).unwrap();
        assert_eq!(run(&mut parent, Val::null_extern_ref()), (Some(SECRET), ANSWER + 1));
        parent.begin("wpk_fork_release", BUFFER).unwrap();
    }
}

/// Nothing of it shows where nobody asked.
#[test]
fn tables_are_private_otherwise() {
    let options = Options::default().same_instance(true);
    for module in instrumented_with(WAT, &options) {
        let shown = module.exports().any(|export| export.name().contains("references"));
        assert!(!shown);
    }
}
