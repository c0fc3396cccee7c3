//! What the host sees of a module: the tables and memories that are imported or exported, and the
//! moment from which it can hold functions.
//!
//! Input: a [`Module`]. Output: answers, none of which depends on code.

use super::facts::{Dynamic, Facts};
use crate::index::{ElemIdx, FuncIdx, IndexVec, MemoryIdx, TableIdx};
use crate::read::Module;
use crate::work;
use wasmparser::{
    AbstractHeapType, CompositeInnerType, ElementKind, ExternalKind, HeapType, ValType,
};

/// For each table whether the host can read its slots and write to them.
pub(super) fn visible_tables(module: &Module<'_>) -> IndexVec<TableIdx, bool> {
    let imported = module.tables.iter().map(|table| table.import.is_some());
    let mut visible: IndexVec<TableIdx, bool> = imported.collect();
    for export in &module.exports {
        work::count(1);
        if export.kind == ExternalKind::Table {
            visible[TableIdx(export.index)] = true;
        }
    }
    visible
}

/// Whether there is a memory that the host does not see.
pub(super) fn any_private_memory(module: &Module<'_>) -> bool {
    private_memories(module).iter().any(|private| *private)
}

/// For each memory whether the host does not see it.
pub(super) fn private_memories(module: &Module<'_>) -> IndexVec<MemoryIdx, bool> {
    let mut private: IndexVec<MemoryIdx, bool> =
        module.memories.iter().map(|memory| memory.import.is_none()).collect();
    for export in module.exports.iter().filter(|export| export.kind == ExternalKind::Memory) {
        private[MemoryIdx(export.index)] = false;
    }
    private
}

/// Whether the host has any way to hand in a reference of a function, or something that holds one: parameters of what it calls, results of
/// what is called of it, globals and exceptions of such types, and tables that it sees and the module reads.
///
/// `mentioned`: for each function whether its reference exists.
pub(super) fn hands_in_references(
    module: &Module<'_>,
    facts: &Facts,
    mentioned: &IndexVec<FuncIdx, bool>,
) -> bool {
    let (has_gc, uses) = (has_gc(module), &facts.uses);
    let holds = |ty: &ValType| holds_function(*ty, has_gc);
    let imported = module.funcs.indices().take(module.imported_funcs);
    let mut results = imported.flat_map(|func| module.func_type(func).results());
    // The host calls what is exported, or what it has a reference of.
    let callable = module.defined_funcs().filter(|func| mentioned[*func]);
    let mut params = callable.flat_map(|func| module.func_type(func).params());
    let exported = |kind| {
        let exports = module.exports.iter().filter(move |export| export.kind == kind);
        exports.map(|export| export.index)
    };
    let visible = visible_tables(module);
    // In a table that it sees may be its own functions.
    let through_visible = facts.dynamics.iter().filter_map(|dynamic| match dynamic {
        Dynamic::Table { table, ty } => visible[*table].then(|| module.func_type_at(*ty)),
        Dynamic::Ref { .. } => None,
    });
    let mut called = through_visible.flat_map(|ty| ty.results());
    let mut globals = module.globals.iter().filter(|global| global.import.is_some());
    let mut exported_globals = exported(ExternalKind::Global).filter_map(|index| {
        module.globals.as_slice().get(index as usize).filter(|global| global.ty.mutable)
    });
    work::count(module.funcs.len() + module.exports.len() + facts.dynamics.len());
    results.any(holds)
        || params.any(holds)
        || called.any(holds)
        || globals.any(|global| holds(&global.ty.content_type))
        || exported_globals.any(|global| holds(&global.ty.content_type))
        || uses.read_tables.iter().any(|table| visible[*table])
        || module.tags.iter().any(|tag| module.func_type_at(tag.ty).params().iter().any(holds))
}

/// Whether a value of the type may be a function, or hold one.
fn holds_function(ty: ValType, has_gc: bool) -> bool {
    let ValType::Ref(ty) = ty else { return false };
    match ty.heap_type() {
        HeapType::Abstract { ty, .. } => match ty {
            AbstractHeapType::NoFunc
            | AbstractHeapType::None
            | AbstractHeapType::NoExtern
            | AbstractHeapType::NoExn
            | AbstractHeapType::I31 => false,
            AbstractHeapType::Func | AbstractHeapType::Exn => true,
            _ => has_gc,
        },
        HeapType::Concrete(_) | HeapType::Exact(_) => true,
    }
}

/// Whether the module has types of structs or arrays.
fn has_gc(module: &Module<'_>) -> bool {
    let types = module.types();
    (0..types.core_type_count_in_module()).any(|index| {
        let ty = &types[types.core_type_at_in_module(index)].composite_type.inner;
        matches!(ty, CompositeInnerType::Struct(_) | CompositeInnerType::Array(_))
    })
}

/// The first active segment for an imported table: from here on the host may hold functions of this
/// module, though its instantiation may still fail.
pub(super) fn first_escape(module: &Module<'_>) -> Option<ElemIdx> {
    let mut segments = module.elements.iter_enumerated();
    let first = segments.find(|(_, element)| match element.kind {
        ElementKind::Active { table_index, .. } => {
            module.tables[TableIdx(table_index.unwrap_or(0))].import.is_some()
        }
        ElementKind::Passive | ElementKind::Declared => false,
    });
    first.map(|(index, _)| index)
}
