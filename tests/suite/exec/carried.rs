//! What a host carries over to a fresh instance that keeps references: the tables that the module exports for that, as the guide's chapter on
//! hosts says.

use super::session::{Host, Session};
use std::collections::BTreeMap;
use wasmtime::{ExternRef, Instance, Ref, Result, Store, Table, ensure, format_err};

/// How the names begin of what keeps references, and what the table of functions is called, by the ABIs.
const NAMES: [(&str, &str); 2] =
    [("wpk_fork_references", "wpk_fork_functions"), ("asyncify_references", "asyncify_functions")];

/// Gives `to` what `from` keeps: the counterparts of functions, and references of the host's with the same number.
pub fn carry(from: &mut Session<'_>, to: &mut Session<'_>) -> Result<()> {
    let exports = from.instance.exports(&mut from.store);
    let names: Vec<_> = exports.map(|export| export.name().to_owned()).collect();
    for (prefix, functions) in NAMES {
        let kept: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        let functions = match from.instance.get_table(&mut from.store, functions) {
            Some(table) => {
                let other = to.instance.get_table(&mut to.store, functions);
                Counterparts::new((table, &mut from.store), other, &to.store)?
            }
            None => Counterparts::default(),
        };
        for name in kept {
            carry_one(name, from, to, &functions)?;
        }
    }
    Ok(())
}

/// The slot of each function in the table of functions, and that of the copy.
#[derive(Default)]
struct Counterparts {
    slots: BTreeMap<usize, u64>,
    other: Option<Table>,
}

impl Counterparts {
    fn new(
        (table, store): (Table, &mut Store<Host>),
        other: Option<Table>,
        copy: &Store<Host>,
    ) -> Result<Self> {
        let size = table.size(&*store);
        ensure!(other.is_some_and(|other| other.size(copy) == size), "the copy has others");
        let mut slots = BTreeMap::new();
        for slot in 0..size {
            let function = table.get(&mut *store, slot);
            let Some(Ref::Func(Some(function))) = function else {
                return Err(format_err!("no function is in slot {slot}"));
            };
            let before = slots.insert(function.to_raw(&mut *store).addr(), slot);
            ensure!(before.is_none(), "slot {slot} has a function for a second time");
        }
        Ok(Counterparts { slots, other })
    }
}

fn carry_one(
    name: &str,
    from: &mut Session<'_>,
    to: &mut Session<'_>,
    functions: &Counterparts,
) -> Result<()> {
    let missing = || format_err!("the copy has no {name}");
    let of = |instance: Instance, store: &mut Store<Host>| instance.get_global(store, name);
    if let Some(global) = of(from.instance, &mut from.store) {
        let copy = of(to.instance, &mut to.store).ok_or_else(missing)?;
        let value = global.get(&mut from.store);
        return copy.set(&mut to.store, value);
    }
    let table = from.instance.get_table(&mut from.store, name).ok_or_else(missing)?;
    let copy = to.instance.get_table(&mut to.store, name).ok_or_else(missing)?;
    let size = table.size(&from.store);
    let more = size - copy.size(&to.store);
    let null = Ref::null(copy.ty(&to.store).element().heap_type());
    copy.grow(&mut to.store, more, null)?;
    for slot in 0..size {
        let kept = table.get(&mut from.store, slot);
        let counterpart = match kept {
            Some(Ref::Func(Some(function))) => {
                let function = functions.slots.get(&function.to_raw(&mut from.store).addr());
                let found = functions.other.zip(function.copied());
                found.and_then(|(other, slot)| other.get(&mut to.store, slot))
            }
            Some(Ref::Extern(Some(thing))) => {
                let data = thing.data(&from.store)?;
                let number = data.and_then(|data| data.downcast_ref::<i64>().copied());
                let number = number.ok_or_else(|| format_err!("it is none of the host's"))?;
                Some(Ref::Extern(Some(ExternRef::new(&mut to.store, number)?)))
            }
            Some(reference) if !reference.is_null() => None,
            _ => continue,
        };
        let counterpart = counterpart
            .ok_or_else(|| format_err!("slot {slot} of {name} has no counterpart in a copy"))?;
        copy.set(&mut to.store, slot, counterpart)?;
    }
    Ok(())
}
