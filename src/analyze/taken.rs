//! The functions whose references exist, and where these can get to.
//!
//! A reference is made by `ref.func`, in live code or in a constant expression, by an element
//! segment, and by an export, from which the host gets it. That of an export comes back into the module only where the host can
//! hand in a reference, or write it to a table.

use super::constants::funcs_in;
use super::facts::ReferenceUses;
use super::tables::Tables;
use crate::index::{ElemIdx, FuncIdx, IndexVec, TableIdx};
use crate::read::Module;
use crate::work;
use wasmparser::{ElementItems, ElementKind};

/// For each function whether its reference exists at all: if not, only direct calls call it.
pub(super) fn mentioned(module: &Module<'_>, uses: &ReferenceUses) -> IndexVec<FuncIdx, bool> {
    find(module, uses, exported(module), |_| true)
}

/// For each function whether anything in the module makes a reference of it.
pub(super) fn made(module: &Module<'_>, uses: &ReferenceUses) -> IndexVec<FuncIdx, bool> {
    find(module, uses, [], |_| true)
}

/// For each function whether its reference can be anywhere but in tables from which it is only
/// called: in locals, globals, heap objects, tables that the host sees, or in the host's hands.
pub(super) fn held(
    module: &Module<'_>,
    uses: &ReferenceUses,
    tables: &Tables,
) -> IndexVec<FuncIdx, bool> {
    find(module, uses, exported(module), |holder| is_loose(uses, tables, &holder))
}

/// The same, but for functions that are exported and nothing else: of those the module itself has no reference if the host
/// hands none in.
pub(super) fn held_without_exports(
    module: &Module<'_>,
    uses: &ReferenceUses,
    tables: &Tables,
) -> IndexVec<FuncIdx, bool> {
    find(module, uses, [], |holder| is_loose(uses, tables, &holder))
}

/// For each function whether it is `held` for its export alone.
pub(super) fn exported_only(
    module: &Module<'_>,
    uses: &ReferenceUses,
    tables: &Tables,
) -> IndexVec<FuncIdx, bool> {
    let otherwise = held_without_exports(module, uses, tables);
    let mut only = IndexVec::filled(false, module.funcs.len());
    for func in exported(module) {
        work::count(1);
        only[func] = !otherwise[func];
    }
    only
}

fn exported(module: &Module<'_>) -> impl Iterator<Item = FuncIdx> {
    module.exported_funcs().map(|(_, func)| func)
}

/// Whether a reference can get anywhere else from what holds it.
fn is_loose(uses: &ReferenceUses, tables: &Tables, holder: &Holder) -> bool {
    match *holder {
        Holder::Table(table) => tables.is_open(table) || uses.read_tables.contains(&table),
        Holder::Passive(segment) => {
            let tables_from = (segment, TableIdx(0))..=(segment, TableIdx(u32::MAX));
            uses.read_elements.contains(&segment)
                || uses
                    .init_elements
                    .range(tables_from)
                    .any(|(_, table)| tables.is_open(*table) || uses.read_tables.contains(table))
        }
    }
}

/// What holds references as soon as the module is instantiated.
enum Holder {
    Table(TableIdx),
    Passive(ElemIdx),
}

/// The functions named by instructions, exports and globals, and in the holders that count.
fn find(
    module: &Module<'_>,
    uses: &ReferenceUses,
    exported: impl IntoIterator<Item = FuncIdx>,
    counts: impl Fn(Holder) -> bool,
) -> IndexVec<FuncIdx, bool> {
    let mut found = IndexVec::filled(false, module.funcs.len());
    let mut take = |func: FuncIdx| found[func] = true;
    uses.ref_funcs.iter().copied().for_each(&mut take);
    exported.into_iter().for_each(&mut take);
    for global in module.globals.iter() {
        work::count(1);
        if let Some(init) = &global.init {
            funcs_in(init, &mut take);
        }
    }
    for (index, table) in module.tables.iter_enumerated() {
        work::count(1);
        if let Some(init) = &table.init
            && counts(Holder::Table(index))
        {
            funcs_in(init, &mut take);
        }
    }
    for (index, element) in module.elements.iter_enumerated() {
        work::count(1);
        let counts = match element.kind {
            // It only announces `ref.func`: no instruction can read it.
            ElementKind::Declared => false,
            ElementKind::Passive => counts(Holder::Passive(index)),
            ElementKind::Active { table_index, .. } => {
                counts(Holder::Table(TableIdx(table_index.unwrap_or(0))))
            }
        };
        if counts {
            items(&element.items, &mut take);
        }
    }
    found
}

fn items(items: &ElementItems<'_>, mut take: impl FnMut(FuncIdx)) {
    match items {
        ElementItems::Functions(funcs) => {
            let funcs = funcs.clone().into_iter().map_while(Result::ok);
            funcs.map(FuncIdx).for_each(take);
        }
        ElementItems::Expressions(_, exprs) => {
            for expr in exprs.clone().into_iter().map_while(Result::ok) {
                work::count(1);
                funcs_in(&expr, &mut take);
            }
        }
    }
}
