//! The table by which a host that carries references over finds out which function one is: the slot of a function in the original's instance is
//! that of its counterpart in a copy.
//!
//! It is there if, and only if, a table that keeps references of functions is exported. It has all functions that the module names outside of
//! bodies, each once and in index order, and nothing else: `ref.func` can name no other, and a reference of one that is missing
//! could not be carried over. One segment fills it from its start to its end, and there is no room for more.

use super::fault::{Fault, Place};
use crate::abi::Abi;
use crate::index::{FuncIdx, GlobalIdx, TableIdx};
use crate::read::Module;
use crate::work;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ConstExpr, Element, ElementItems, ElementKind, ExternalKind, Operator, RefType};

/// Checks the table; the index of the segment that fills it, if there is one.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(
    module: &Module<'_>,
    output: &Module<'_>,
    abi: Abi,
) -> Result<Option<usize>, Fault> {
    let tables = || output.exports.iter().filter(|export| export.kind == ExternalKind::Table);
    let found = tables().find(|export| export.name == abi.functions());
    let of_functions = tables()
        .filter(|export| abi.references_ordinal(export.name).is_some())
        .filter_map(|export| output.tables.get(TableIdx(export.index)))
        .any(|table| output.refers_to_functions(table.ty.element_type));
    let (found, is_needed) = (found.map(|export| TableIdx(export.index)), of_functions);
    let index = match (found, is_needed) {
        (None, false) => return Ok(None),
        (Some(index), true) => index,
        (None, true) => {
            return Err(Fault::new(format!("the export `{}` is missing", abi.functions())));
        }
        (Some(_), false) => {
            return Err(Fault::new(format!("the export `{}` is for nothing", abi.functions())));
        }
    };
    let expected = named(module);
    let slots = expected.len() as u64;
    let ty = output.tables[index].ty;
    let is_right = ty.element_type == RefType::FUNCREF
        && (ty.initial, ty.maximum) == (slots, Some(slots))
        && !ty.table64
        && !ty.shared;
    if !is_right {
        return Err(Fault::new("the table of functions has another type, or another size"));
    }
    let added = output.elements.iter().enumerate().skip(module.elements.len());
    let mut fills = added.filter(|(_, element)| fills(element, index));
    let (Some((position, element)), None) = (fills.next(), fills.next()) else {
        return Err(Fault::new("the table of functions is not filled by one segment"));
    };
    let at = Place::of_output(element.range.start as usize);
    let ElementKind::Active { offset_expr, .. } = &element.kind else { unreachable!() };
    let mut offset = offset_expr.get_operators_reader().into_iter().map_while(Result::ok);
    let starts_at_0 = offset.next() == Some(Operator::I32Const { value: 0 })
        && offset.next() == Some(Operator::End);
    let ElementItems::Functions(items) = &element.items else {
        return Err(Fault::new("the table of functions is filled with something else").at(at));
    };
    let items = items.clone().into_iter().map_while(Result::ok).map(FuncIdx);
    match starts_at_0 && items.eq(expected) {
        true => Ok(Some(position)),
        false => Err(Fault::new("the table of functions has others, or in another order").at(at)),
    }
}

/// Checks that what is exported of tables that keep references is what it says: the table, how many slots are taken, and which was taken last.
/// `globals` has these by their names, the first of the tables is `first`.
///
/// # Errors
/// The first that isn't.
pub(super) fn exported(
    output: &Module<'_>,
    abi: Abi,
    first: usize,
    globals: &BTreeMap<String, GlobalIdx>,
) -> Result<(), Fault> {
    let index = |kind, name: &str| {
        let mut exports = output.exports.iter();
        let export = exports.find(|export| export.kind == kind && export.name == name);
        export.map(|export| export.index)
    };
    for export in &output.exports {
        work::count(1);
        let of = |what: &str| export.name.strip_suffix(what);
        let name = of("_live").or(of("_last")).unwrap_or(export.name);
        let Some(ordinal) = abi.references_ordinal(name) else { continue };
        let table = (first as u32).checked_add(ordinal);
        let global = |what: &str| {
            let known = globals.get(&format!("{what}{ordinal}"));
            let exported = index(ExternalKind::Global, &format!("{name}_{what}"));
            known.is_some() && known.map(|global| global.0) == exported
        };
        let is_right = table.is_some() && index(ExternalKind::Table, name) == table;
        if !is_right || !global("live") || !global("last") {
            return Err(Fault::new(format!("what is exported as `{name}…` is something else")));
        }
    }
    Ok(())
}

/// Whether a segment writes to a table.
fn fills(element: &Element<'_>, table: TableIdx) -> bool {
    match element.kind {
        ElementKind::Active { table_index, .. } => table_index.unwrap_or(0) == table.0,
        ElementKind::Passive | ElementKind::Declared => false,
    }
}

/// The functions that a module names outside of bodies, and not as its start.
fn named(module: &Module<'_>) -> BTreeSet<FuncIdx> {
    let mut found = BTreeSet::new();
    for export in &module.exports {
        work::count(1);
        if let ExternalKind::Func | ExternalKind::FuncExact = export.kind {
            found.insert(FuncIdx(export.index));
        }
    }
    for global in module.globals.iter() {
        global.init.iter().for_each(|init| in_expression(init, &mut found));
    }
    for table in module.tables.iter() {
        table.init.iter().for_each(|init| in_expression(init, &mut found));
    }
    for element in module.elements.iter() {
        match &element.items {
            ElementItems::Functions(items) => {
                for func in items.clone().into_iter().map_while(Result::ok) {
                    work::count(1);
                    found.insert(FuncIdx(func));
                }
            }
            ElementItems::Expressions(_, items) => {
                let items = items.clone().into_iter().map_while(Result::ok);
                items.for_each(|item| in_expression(&item, &mut found));
            }
        }
    }
    found
}

fn in_expression(expression: &ConstExpr<'_>, found: &mut BTreeSet<FuncIdx>) {
    let mut operators = expression.get_operators_reader();
    while !operators.eof() {
        work::count(1);
        match operators.read() {
            Ok(Operator::RefFunc { function_index }) => _ = found.insert(FuncIdx(function_index)),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{added, sections};
    use crate::abi::Abi;
    use crate::options::Options;
    use crate::read::Module;
    use std::collections::BTreeMap;

    const WAT: &str = r#"(module
        (type $t (func (result i32)))
        (import "kernel" "kernel_fork" (func $fork (result i32)))
        (memory (export "memory") 1)
        (table 2 funcref)
        (elem (i32.const 0) func $one $two)
        (elem declare func $declared)
        (global funcref (ref.func $global))
        (func $one (result i32) (i32.const 1))
        (func $two (result i32) (i32.const 2))
        (func $nowhere (result i32) (i32.const 3))
        (func $declared (result i32) (i32.const 4))
        (func $global (result i32) (i32.const 5))
        (func $choose (param i32) (result (ref null $t))
            (if (result (ref null $t)) (local.get 0) (then (ref.func $declared)) (else (ref.null $t))))
        (func (export "run") (param i32) (result i32) (local (ref null $t))
            (local.set 1 (call $choose (local.get 0)))
            (i32.add (call $nowhere) (i32.add (call $fork) (call_ref $t (local.get 1))))))"#;

    /// Why the output is rejected after `change` was made to its text.
    fn found(options: &Options, change: impl FnOnce(&str) -> String) -> Result<(), String> {
        let original = wat::parse_str(WAT).unwrap();
        let output = crate::instrument(&original, options).unwrap();
        let text = wasmprinter::print_bytes(&output.wasm).unwrap();
        let changed = wat::parse_str(change(&text)).unwrap();
        let original = Module::read(&original).unwrap();
        let output = Module::read(&changed).map_err(|error| error.to_string())?;
        let imported = BTreeMap::new();
        let checked = sections::check(&original, &output)
            .and_then(|_| added::check(&original, &output, (Abi::WpkFork, &imported)));
        checked.map_err(|fault| fault.to_string())
    }

    #[test]
    fn the_table_is_as_it_must_be_and_no_other() {
        let carried = Options::default().carry_references(true);
        found(&carried, str::to_owned).unwrap();
        let kept = Options::default().same_instance(true);
        found(&kept, |text| {
            assert!(!text.contains("wpk_fork_functions"), "{text}");
            text.to_owned()
        })
        .unwrap();
        let (segment, table) = (
            "(table 2) (i32.const 0) func $one $two $declared $global 7)",
            "(table (;2;) 5 5 funcref)",
        );
        let export = "(export \"wpk_fork_functions\" (table 2))";
        let other = |with: &str| format!("(table 2) (i32.const 0) func {with})");
        let more = format!("{segment}\n  (elem (table 2) (i32.const 0) func $two)");
        let bare = format!("{segment}\n  (elem (table 0) (i32.const 0) func $two)");
        let changes = [
            (segment, other("$one $two $declared $global $nowhere"), "others"),
            (segment, other("$one $two $declared $global 8"), "others"),
            (segment, other("$two $one $declared $global 7"), "others"),
            (segment, other("$one $two $declared $declared 7"), "others"),
            (segment, other("$one $two $declared $global"), "others"),
            (segment, segment.replace("const 0", "const 1").replace(" 7", ""), "others"),
            (segment, segment.replace("(table 2)", "(table 0)"), "not filled"),
            (segment, more, "not filled"),
            (segment, bare, "element segment was added"),
            (table, table.replace("5 5", "5 6"), "another size"),
            (table, table.replace("5 5", "6 6"), "another size"),
            (table, table.replace("5 5", "5"), "another size"),
            (export, String::new(), "is missing"),
            (export, export.replace("table 2", "table 0"), "part of the original"),
            (export, export.replace("table 2", "table 1"), "another"),
            (export, format!("{export} (export \"wpk_fork_functions1\" (table 2))"), "was added"),
        ];
        for (part, with, why) in changes {
            let fault = found(&carried, |text| {
                assert!(text.contains(part), "{part}: {text}");
                text.replacen(part, &with, 1)
            });
            let fault = fault.expect_err(&with);
            assert!(fault.contains(why), "{with}: {fault}");
        }
    }

    /// Without a table for references of functions there is none of functions, and none may be added.
    #[test]
    fn there_is_none_for_nothing() {
        let fresh = Options::default();
        let fault = found(&fresh, |text| {
            let end = text.rfind("(@producers").unwrap();
            let (start, end) = text.split_at(end);
            format!("{start}(export \"wpk_fork_functions\" (table 1)){end}")
        });
        assert!(fault.unwrap_err().contains("for nothing"));
    }
}
