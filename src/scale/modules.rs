//! Families of modules with many small things.

use super::draft::{Draft, FORK, PLAIN, SINK, UNARY, site};
use std::borrow::Cow;
use wasm_encoder::{
    BlockType, CompositeInnerType, CompositeType, ConstExpr, Elements, ExportKind, FuncType,
    GlobalType, RefType, SubType, TableType, TagKind, TagType, ValType,
};

fn table(size: usize) -> TableType {
    TableType {
        element_type: RefType::FUNCREF,
        minimum: size as u64,
        maximum: None,
        table64: false,
        shared: false,
    }
}

fn fill(draft: &mut Draft, table: u32, first: usize, funcs: Vec<u32>) {
    let (table, first) = ((table > 0).then_some(table), ConstExpr::i32_const(first as i32));
    draft.elements.active(table, &first, Elements::Functions(Cow::Owned(funcs)));
}

/// Functions that each call the next.
pub(super) fn chain(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    for _ in 1..size {
        let next = draft.next_func() + 1;
        draft.func(PLAIN, |sink| _ = sink.call(next));
    }
    draft.func(PLAIN, site);
    draft.finish()
}

/// Functions that each call any slot of a table with all of them.
pub(super) fn one_table(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.tables.table(table(size + 1));
    for _ in 0..size {
        draft.func(UNARY, |sink| _ = sink.local_get(0).local_get(0).call_indirect(0, UNARY));
    }
    fill(&mut draft, 0, 0, (0..=size as u32).collect());
    draft.finish()
}

/// A segment for each slot of a table.
pub(super) fn many_segments(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.tables.table(table(size));
    draft.func(UNARY, |sink| _ = sink.local_get(0).local_get(0).call_indirect(0, UNARY));
    (0..size).for_each(|slot| fill(&mut draft, 0, slot, vec![slot as u32 % 2]));
    draft.finish()
}

/// A table with many slots of two functions.
pub(super) fn unused_slots(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.tables.table(table(size));
    draft.func(UNARY, |sink| _ = sink.local_get(0).local_get(0).call_indirect(0, UNARY));
    fill(&mut draft, 0, 0, (0..size as u32).map(|slot| slot % 2).collect());
    draft.finish()
}

/// Tables with one function each, and a call through each.
pub(super) fn many_tables(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    for index in 0..size as u32 {
        draft.tables.table(table(2));
        fill(&mut draft, index, 0, vec![index]);
        draft.func(UNARY, |sink| _ = sink.local_get(0).local_get(0).call_indirect(index, UNARY));
    }
    draft.finish()
}

/// Exported tables, with calls of two types through each.
pub(super) fn visible_tables(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    for index in 0..size as u32 {
        draft.tables.table(table(2));
        draft.exports.export(&format!("table {index}"), ExportKind::Table, index);
        draft.func(SINK, |sink| {
            sink.local_get(0).local_get(0).call_indirect(index, UNARY);
            sink.call_indirect(index, PLAIN);
        });
    }
    fill(&mut draft, 0, 0, vec![0, 1]);
    draft.finish()
}

/// Numeric types that tell `number`.
fn digits(number: usize) -> Vec<ValType> {
    let types = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
    let digit = |digit: u32| (number >> (2 * digit)) % 4;
    (0..12).map(|place| types[digit(place)]).collect()
}

/// Types with one function each, that is called through a table.
pub(super) fn many_types(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.tables.table(table(size));
    for number in 0..size {
        let ty = draft.types.len();
        draft.types.ty().function([], digits(number));
        draft.func(ty, |sink| {
            site(sink);
            sink.unreachable();
        });
        draft.func(SINK, |sink| {
            sink.local_get(0).call_indirect(0, ty);
            (0..12).for_each(|_| _ = sink.drop());
        });
    }
    fill(&mut draft, 0, 0, (0..size as u32).map(|number| 1 + 2 * number).collect());
    draft.finish()
}

/// Types below one, with one function each, that are called by references to that one.
pub(super) fn subtypes(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let sub = |supertype_idx| SubType {
        is_final: false,
        supertype_idxs: Vec::from_iter(supertype_idx),
        composite_type: CompositeType {
            inner: CompositeInnerType::Func(FuncType::new([ValType::I32], [ValType::I32])),
            shared: false,
            descriptor: None,
            describes: None,
        },
    };
    let top = draft.types.len();
    draft.types.ty().subtype(&sub(None));
    draft.tables.table(table(size));
    for number in 0..size as u32 {
        let ty = top + 1 + 2 * number;
        // Each in a group of two, so that no two are the same type.
        draft.types.ty().rec([sub(Some(top)), SubType { is_final: true, ..sub(Some(ty)) }]);
        draft.func(ty, |sink| {
            sink.local_get(0).local_get(0).call_indirect(0, top).call(FORK);
        });
    }
    fill(&mut draft, 0, 0, (1..=size as u32).collect());
    draft.finish()
}

/// Globals that are saved.
pub(super) fn globals(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    (0..size).for_each(|_| _ = draft.globals.global(ty, &ConstExpr::i32_const(0)));
    draft.func(PLAIN, site);
    draft.finish()
}

/// Exports of one function.
pub(super) fn exports(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let func = draft.func(PLAIN, site);
    for number in 0..size {
        draft.exports.export(&format!("export {number}"), ExportKind::Func, func);
    }
    draft.finish()
}

/// Imports that are no entries, all called by one function, and by one each.
pub(super) fn imports(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let imports: Vec<_> =
        (0..size).map(|number| draft.import(&format!("import {number}"), PLAIN)).collect();
    draft.func(PLAIN, |sink| {
        imports.iter().for_each(|import| _ = sink.call(*import));
        site(sink);
    });
    for import in imports {
        draft.func(PLAIN, |sink| _ = sink.call(import));
    }
    draft.finish()
}

/// Entries, all called by one function.
pub(super) fn entries(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let entries: Vec<_> =
        (0..size).map(|number| draft.import(&format!("fork {number}"), UNARY)).collect();
    draft.func(SINK, |sink| {
        entries.iter().for_each(|entry| _ = sink.local_get(0).call(*entry).local_set(0));
    });
    draft.finish()
}

/// Functions with names.
pub(super) fn names(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    for number in 0..size {
        let func = draft.func(PLAIN, site);
        draft.names.append(func, &format!("function {number}"));
    }
    draft.finish()
}

/// Data segments.
pub(super) fn data(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.func(PLAIN, site);
    for number in 0..size {
        draft.data.active(0, &ConstExpr::i32_const(number as i32), [1]);
    }
    draft.finish()
}

/// Tags.
pub(super) fn tags(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    for _ in 0..size {
        draft.tags.tag(TagType { kind: TagKind::Exception, func_type_idx: PLAIN });
    }
    draft.func(PLAIN, site);
    draft.finish()
}

/// A function that is assumed not to fork.
fn assumed(draft: &mut Draft) -> u32 {
    let func = draft.func(PLAIN, site);
    draft.names.append(func, super::ASSUMED);
    func
}

/// Functions with a guard each.
pub(super) fn guards(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let assumed = assumed(&mut draft);
    (0..size).for_each(|_| _ = draft.func(PLAIN, |sink| _ = sink.call(assumed)));
    draft.finish()
}

/// A function with many guards.
pub(super) fn guards_in_one_function(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let assumed = assumed(&mut draft);
    draft.func(PLAIN, |sink| (0..size).for_each(|_| _ = sink.call(assumed)));
    draft.finish()
}

/// A function with guarded tail calls in blocks inside each other.
pub(super) fn tail_guards(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let assumed = assumed(&mut draft);
    draft.func(SINK, |sink| {
        for _ in 0..size {
            sink.block(BlockType::Empty).local_get(0).br_if(0);
        }
        for _ in 0..size {
            sink.return_call(assumed).end();
        }
    });
    draft.finish()
}

/// Tables with one function each, that are copied from one to the next, and a call through each.
pub(super) fn copied_tables(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    for index in 0..size as u32 {
        draft.tables.table(table(2));
        fill(&mut draft, index, 0, vec![index]);
        draft.func(UNARY, |sink| {
            if index > 0 {
                sink.i32_const(0).i32_const(0).local_get(0).table_copy(index, index - 1);
            }
            sink.local_get(0).local_get(0).call_indirect(index, UNARY);
        });
    }
    draft.finish()
}

/// Tables that are copied from one to the next, each with a function of a type of its own, and calls of all types through the
/// last one.
pub(super) fn copied_types(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let last = size as u32 - 1;
    for index in 0..size as u32 {
        draft.tables.table(table(2));
        let ty = draft.types.len();
        draft.types.ty().function([], digits(index as usize));
        let func = draft.func(ty, |sink| {
            site(sink);
            sink.unreachable();
        });
        fill(&mut draft, index, 0, vec![func]);
        draft.func(SINK, |sink| {
            if index > 0 {
                sink.i32_const(0).i32_const(0).local_get(0).table_copy(index, index - 1);
            }
            sink.local_get(0).call_indirect(last, ty);
            (0..12).for_each(|_| _ = sink.drop());
        });
    }
    draft.finish()
}

/// Functions that each call the next by a reference.
pub(super) fn call_refs(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let funcs = (1..=size as u32).collect::<Vec<_>>();
    draft.elements.declared(Elements::Functions(Cow::Owned(funcs)));
    for _ in 1..size {
        let next = draft.next_func() + 1;
        draft.func(UNARY, |sink| _ = sink.local_get(0).ref_func(next).call_ref(UNARY));
    }
    draft.func(UNARY, |sink| _ = sink.local_get(0).call(FORK));
    draft.finish()
}
