//! What a call through a value can reach, asked for each call and function anew: the uncached query,
//! against which the graph's shared classes and unions are compared.

use super::scopes::shapes;
use super::{options, oracle, with_module};
use crate::analyze::facts::{Callee, Dynamic};
use crate::analyze::flow::Known;
use crate::analyze::graph::Graph;
use crate::analyze::model::Model;
use crate::analyze::query::Query;
use crate::analyze::tables::{Contents, SlotValue};
use crate::analyze::types::TypeId;
use crate::index::{FuncIdx, TableIdx};
use crate::read::Module;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Whether `dynamic`, with what is known of its operand, can reach `func`.
fn reaches(model: &Model<'_>, dynamic: Dynamic, known: Option<&[Known]>, func: FuncIdx) -> bool {
    let (Dynamic::Table { ty, .. } | Dynamic::Ref { ty }) = dynamic;
    let ty = model.types.id(ty);
    if !model.types.callable_as(model.module, func, ty) {
        return false;
    }
    match (dynamic, known) {
        (Dynamic::Ref { .. }, None) => model.taken[func],
        (Dynamic::Ref { .. }, Some(known)) => known.contains(&Known::Func(func)),
        (Dynamic::Table { table, .. }, known) => {
            let numbers =
                known.map(|known| known.iter().filter_map(Known::int).collect::<Vec<_>>());
            match (&model.tables.tables[table].contents, numbers) {
                (Contents::Known(slots), Some(numbers)) if slots.placed() => {
                    let mut held = numbers.iter().flat_map(|number| slots.get(*number));
                    held.any(|slot| may_be(model, slot, table, ty, func))
                }
                _ => sources(model, table).into_iter().any(|source| {
                    match &model.tables.tables[source].contents {
                        Contents::Open => may_be(model, SlotValue::Unknown, source, ty, func),
                        Contents::Known(slots) => {
                            slots.all().any(|slot| may_be(model, slot, source, ty, func))
                        }
                    }
                }),
            }
        }
    }
}

/// Whether `func` may be what a slot of `table` holds, when it is called by `ty`.
fn may_be(model: &Model<'_>, slot: SlotValue, table: TableIdx, ty: TypeId, func: FuncIdx) -> bool {
    match slot {
        SlotValue::Null => false,
        SlotValue::Func(held) => held == func,
        SlotValue::Unknown => {
            let met = model.types.meet(model.tables.tables[table].bound, ty);
            model.taken[func]
                && met.is_some_and(|met| model.types.callable_as(model.module, func, met))
        }
    }
}

/// The table, and those from which any slot may have been copied to it, directly or not.
fn sources(model: &Model<'_>, table: TableIdx) -> BTreeSet<TableIdx> {
    let mut all = BTreeSet::from([table]);
    loop {
        let more: BTreeSet<TableIdx> = all
            .iter()
            .filter_map(|table| match &model.tables.tables[*table].contents {
                Contents::Open => None,
                Contents::Known(slots) => Some(slots.copies()),
            })
            .flatten()
            .copied()
            .collect();
        if more.is_subset(&all) {
            return all;
        }
        all.extend(more);
    }
}

/// Compares the answers for every call through a value and every function of the module. How many
/// of the answers are yes.
fn compare(module: &Module<'_>) -> usize {
    let query = Query::new(module, &options()).expect("the entry is imported");
    let model = Model::new(module, query.precision).expect("the module is valid");
    let graph = Graph::new(&model, &query);
    let mut yes = 0;
    for func in module.funcs.indices() {
        let reached = graph.reach_classes([graph.func(func)]);
        for (ordinal, dynamic) in (0..).zip(&model.facts.dynamics) {
            let target = graph.target(Callee::Dynamic { tail: false, ordinal });
            let known = model.flows.targets.get(&ordinal).map(Vec::as_slice);
            let cached = target.is_some_and(|node| reached.has(node));
            let fresh = reaches(&model, *dynamic, known, func);
            assert_eq!(cached, fresh, "call {ordinal} ({dynamic:?}, {known:?}) of {func}");
            yes += usize::from(fresh);
        }
    }
    yes
}

#[test]
fn the_graph_of_each_small_module_answers_as_without_sharing() {
    let yes = shapes(|shape| Module::read(&shape.encode()).map_or(0, |module| compare(&module)));
    assert!(yes > 10_000, "{yes}");
}

/// Every kind of table and reference, with subtypes and several calls of each kind.
#[test]
fn the_graph_of_a_module_with_everything_answers_as_without_sharing() {
    let types =
        "(type $top (sub (func))) (type $low (sub $top (func))) (type $lower (sub $low (func)))";
    let mut calls = String::new();
    for ty in ["$top", "$low", "$lower", "$plain"] {
        for table in ["$known", "$open", "$held", "$copy", "$narrow", "$far"] {
            for index in [
                "(i32.const 0)",
                "(i32.const 2)",
                "(local.get 0)",
                "(i32.and (local.get 0) (i32.const 1))",
            ] {
                calls.push_str(&format!(
                    "(func (param i32) (call_indirect {table} (type {ty}) {index}))"
                ));
            }
        }
        calls.push_str(&format!("(func (param (ref {ty})) (call_ref {ty} (local.get 0)))"));
    }
    let wat = format!(
        r#"(module {types} (type $plain (func))
        (import "k" "fork" (func $fork (type $top))) (import "e" "low" (func $import (type $low)))
        (import "e" "h" (global $h funcref))
        (table $known 4 funcref) (table $open (export "t") 4 funcref) (table $held 4 funcref)
        (table $copy 4 funcref) (table $narrow (export "n") 4 (ref null $low)) (table $far 4 funcref)
        (elem (table $known) (i32.const 0) func $a $fork $low)
        (elem (table $held) (i32.const 0) funcref (global.get $h) (ref.func $lower))
        (elem (table $far) (i32.const 2) func $import)
        (export "a" (func $a)) (export "low" (func $low)) (export "import" (func $import))
        (func $a (type $plain) (call $fork)) (func $low (type $low)) (func $lower (type $lower))
        (func (param i32)
            (table.copy $copy $known (local.get 0) (i32.const 0) (i32.const 1))
            (table.copy $far $copy (local.get 0) (i32.const 0) (i32.const 1))
            (table.copy $held $known (i32.const 2) (i32.const 2) (i32.const 1)))
        {calls})"#
    );
    assert!(with_module(&wat, compare) > 50);
}

proptest! {
    #[test]
    fn the_graphs_of_random_programs_answer_as_without_sharing(
        choices in prop::collection::vec(any::<u8>(), 20..400)
    ) {
        with_module(&oracle::module(&choices), compare);
    }
}
