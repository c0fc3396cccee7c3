//! Which types have a value that anyone could make: what functions return that unwind.
//!
//! Null will do where it is a value. Of other types some value is made that nobody looks at: of a function, of an `i31`, of a struct
//! whose fields are such dummies in turn. Some types have no values at all, as `(ref none)`, which is what a function gives that always
//! throws, or a struct that holds itself without null. No unwind can leave such a function: it is undone there.

use crate::read::Module;
use std::collections::BTreeSet;
use wasmparser::types::CoreTypeId;
use wasmparser::{AbstractHeapType, CompositeInnerType, HeapType, RefType, StorageType, ValType};

/// Whether a dummy of this type can be made.
pub fn has_dummy(module: &Module<'_>, ty: ValType) -> bool {
    can_make(module, ty, &mut BTreeSet::new())
}

/// The type of a field as it is on the operand stack.
pub fn unpacked(ty: StorageType) -> ValType {
    match ty {
        StorageType::I8 | StorageType::I16 => ValType::I32,
        StorageType::Val(ty) => ty,
    }
}

fn can_make(module: &Module<'_>, ty: ValType, open: &mut BTreeSet<CoreTypeId>) -> bool {
    match ty {
        ValType::Ref(ty) if !ty.is_nullable() => can_make_reference(module, ty, open),
        _ => true,
    }
}

fn can_make_reference(module: &Module<'_>, ty: RefType, open: &mut BTreeSet<CoreTypeId>) -> bool {
    use AbstractHeapType as A;
    match ty.heap_type() {
        HeapType::Abstract { shared: false, ty } => match ty {
            A::Any | A::Eq | A::I31 | A::Func => true,
            // Made of an `i31`.
            A::Extern => uses_gc(module),
            _ => false,
        },
        HeapType::Abstract { shared: true, .. } => false,
        HeapType::Concrete(index) | HeapType::Exact(index) => {
            let id = module.type_id(index);
            let can = open.insert(id) && can_make_concrete(module, id, open);
            open.remove(&id);
            can
        }
    }
}

/// Whether the module has types of the garbage collection proposal.
fn uses_gc(module: &Module<'_>) -> bool {
    let types = module.types();
    (0..types.core_type_count_in_module()).any(|index| {
        let ty = &types[types.core_type_at_in_module(index)].composite_type;
        matches!(ty.inner, CompositeInnerType::Struct(_) | CompositeInnerType::Array(_))
    })
}

fn can_make_concrete(module: &Module<'_>, id: CoreTypeId, open: &mut BTreeSet<CoreTypeId>) -> bool {
    let ty = &module.types()[id].composite_type;
    match &ty.inner {
        _ if ty.shared => false,
        CompositeInnerType::Func(_) | CompositeInnerType::Array(_) => true,
        CompositeInnerType::Struct(ty) => {
            ty.fields.iter().all(|field| can_make(module, unpacked(field.element_type), open))
        }
        CompositeInnerType::Cont(_) => false,
    }
}
