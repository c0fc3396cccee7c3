//! What the host sees of a module: the tables and memories that are imported or exported, and the
//! moment from which it can hold functions.
//!
//! Input: a [`Module`]. Output: answers, none of which depends on code.

use crate::index::{ElemIdx, IndexVec, MemoryIdx, TableIdx};
use crate::read::Module;
use crate::work;
use wasmparser::{ElementKind, ExternalKind};

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
