//! References that an instance keeps for its stack while that is away, for another instance of the module: of one that was instrumented with
//! [`Options::carry_references`](crate::Options::carry_references).
//!
//! A function is told by its slot in the table that the module exports for that, and its counterpart is in the same slot there. Nothing else
//! has one: a reference of the host's, a struct, an array or an exception means something in its own store alone.

use super::protocol::broken;
use crate::abi::Abi;
use std::collections::BTreeMap;
use wasmtime::{AsContextMut, Global, Instance, Ref, Result, Table, Val, format_err};

/// The exports of both are named alike, whoever holds the state.
const ABI: Abi = Abi::WpkFork;

/// The most slots that a table has: engines in browsers have no more.
const MOST_SLOTS: u64 = 10_000_000;

/// What is in the tables, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried(pub(super) Vec<Kept>);

/// What is in one table. Slots that aren't named hold null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// How many slots it has.
    pub(super) slots: u64,
    /// The slot that was taken last.
    pub(super) last: u32,
    /// The slots that hold functions, each with the function's slot in the table of functions.
    pub(super) functions: Vec<(u64, u64)>,
}

/// Whether an export is of a table that keeps references.
pub(super) fn is_keeper(name: &str) -> bool {
    ABI.references_ordinal(name).is_some()
}

/// The tables that keep references, with their names, in order.
fn keepers(
    instance: Instance,
    mut store: impl AsContextMut,
) -> impl Iterator<Item = (String, Table)> {
    (0..).map(|ordinal| ABI.references(ordinal)).map_while(move |name| {
        let table = instance.get_table(&mut store, &name)?;
        Some((name, table))
    })
}

fn global(
    instance: Instance,
    mut store: impl AsContextMut,
    table: &str,
    what: &str,
) -> Result<Global> {
    let name = format!("{table}_{what}");
    let global = instance.get_global(&mut store, &name);
    global.ok_or_else(|| format_err!("the export {name} is missing"))
}

impl Carried {
    /// What an instance keeps.
    ///
    /// # Errors
    /// If it keeps something that no other instance has a counterpart of.
    pub(crate) fn of(instance: Instance, mut store: impl AsContextMut) -> Result<Carried> {
        let tables: Vec<_> = keepers(instance, &mut store).collect();
        let functions = functions(instance, &mut store);
        let mut carried = Carried::default();
        for (name, table) in tables {
            let last = global(instance, &mut store, &name, "last")?.get(&mut store);
            let last = last.i32().unwrap_or_default() as u32;
            let mut kept = Kept { slots: table.size(&store), last, functions: Vec::new() };
            for slot in 0..kept.slots {
                let what = match table.get(&mut store, slot) {
                    Some(Ref::Func(Some(func))) => {
                        match functions.get(&func.to_raw(&mut store).addr()) {
                            Some(function) => {
                                kept.functions.push((slot, *function));
                                continue;
                            }
                            None => "a function that is none of its own",
                        }
                    }
                    Some(Ref::Extern(Some(_))) => "a reference of the host's",
                    Some(Ref::Any(Some(_))) => "a struct, an array or a reference of the host's",
                    Some(Ref::Exn(Some(_))) => "an exception",
                    Some(_) | None => continue,
                };
                return Err(format_err!(
                    "the program can't be copied: its stack holds {what}, which another instance has no counterpart of"
                ));
            }
            carried.0.push(kept);
        }
        Ok(carried)
    }

    /// Gives another instance what this one kept.
    ///
    /// # Errors
    /// If it is not one of the same module, or there is no room for the tables.
    pub(crate) fn put(&self, instance: Instance, mut store: impl AsContextMut) -> Result<()> {
        let tables: Vec<_> = keepers(instance, &mut store).collect();
        if tables.len() != self.0.len() {
            return broken("what keeps references is of another module");
        }
        for (kept, (name, table)) in self.0.iter().zip(tables) {
            let Kept { slots, last, functions } = kept;
            if *slots > MOST_SLOTS {
                return broken("what keeps references has more slots than there can be");
            }
            let null = Ref::null(table.ty(&store).element().heap_type());
            let missing = slots.saturating_sub(table.size(&store));
            table.grow(&mut store, missing, null)?;
            for (slot, function) in functions {
                let from = instance.get_table(&mut store, ABI.functions());
                let func = from.and_then(|from| from.get(&mut store, *function));
                let Some(func) = func else { return broken("there is no such function") };
                table.set(&mut store, *slot, func)?;
            }
            let values = [("live", functions.len() as i32), ("last", *last as i32)];
            for (what, value) in values {
                global(instance, &mut store, &name, what)?.set(&mut store, Val::I32(value))?;
            }
        }
        Ok(())
    }
}

/// The slot of each function that a reference can be of, by what tells one from another within a store.
fn functions(instance: Instance, mut store: impl AsContextMut) -> BTreeMap<usize, u64> {
    let mut found = BTreeMap::new();
    let Some(table) = instance.get_table(&mut store, ABI.functions()) else { return found };
    for slot in 0..table.size(&store) {
        if let Some(Ref::Func(Some(func))) = table.get(&mut store, slot) {
            found.insert(func.to_raw(&mut store).addr(), slot);
        }
    }
    found
}
