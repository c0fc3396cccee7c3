//! What instructions write to tables.
//!
//! A write whose operands are all known puts values into certain slots; any other may put them into
//! any slot. A copy from certain slots of one table to certain slots of another is followed slot by
//! slot; but once it is unknown what is where in the source, only tables are told apart.
//!
//! The time is linear in the writes: the slots that are told apart, and the values that are copied from
//! slot to slot, are bounded for all writes together; and so is the product of the copies from table to table
//! and the types of calls, of which the call graph has a node for each.

use super::{Contents, Inputs, KnownSlots, SlotValue, TableFacts, items};
use crate::analyze::flow::{Known, Solution, Write, Written};
use crate::index::{ElemIdx, IndexVec, TableIdx};
use crate::work;
use std::collections::{BTreeMap, BTreeSet};

/// The slots that all writes together may name, and the values that may be copied between them,
/// before a write counts as writing anywhere.
const MAX_NAMED_SLOTS: usize = 1 << 20;

/// How many tables deep copies of copies are followed slot by slot.
const MAX_COPY_PASSES: usize = 8;

/// For how many pairs of a copy from table to table and a type of calls through tables it is told apart what the copy brings.
const MAX_COPIED_TYPES: usize = 1 << 18;

/// Adds to `tables` what instructions write.
pub(super) fn follow(inputs: &Inputs<'_>, tables: &mut IndexVec<TableIdx, TableFacts>) {
    let mut writer = Writer {
        inputs,
        tables,
        segments: BTreeMap::new(),
        anywhere: BTreeSet::new(),
        copied: Vec::new(),
        room: MAX_NAMED_SLOTS,
    };
    writer.unknown_writes();
    for write in &inputs.flows.writes {
        writer.write(write);
    }
    writer.follow_copies();
    writer.bound_copies();
}

struct Writer<'a> {
    inputs: &'a Inputs<'a>,
    tables: &'a mut IndexVec<TableIdx, TableFacts>,
    /// The items of the segments that were asked for.
    segments: BTreeMap<ElemIdx, Vec<SlotValue>>,
    /// The segments whose items may be anywhere in a table.
    anywhere: BTreeSet<(TableIdx, ElemIdx)>,
    copied: Vec<Copied>,
    room: usize,
}

/// A slot that is copied to another.
#[derive(Clone, Copy)]
struct Copied {
    to: TableIdx,
    at: u64,
    from: TableIdx,
    source: u64,
}

/// A slot that is written, and the place that its value comes from.
struct Place {
    at: u64,
    source: u64,
}

impl Writer<'_> {
    /// The slots of a table that only this module writes to.
    fn known(&mut self, table: TableIdx) -> Option<&mut KnownSlots> {
        match &mut self.tables[table].contents {
            Contents::Open => None,
            Contents::Known(slots) => Some(slots),
        }
    }

    /// Instructions of functions that were not followed. What only a passive segment holds is no
    /// taken reference, so it is not among the unknown ones.
    fn unknown_writes(&mut self) {
        let inputs = self.inputs;
        let writers = inputs.uses.changed_tables.iter();
        let unknown = writers.filter(|(_, func)| !inputs.flows.written_by.contains(func));
        let tables: BTreeSet<TableIdx> = unknown.map(|(table, _)| *table).collect();
        for table in &tables {
            work::count(1);
            self.put_anywhere(*table, &[SlotValue::Unknown]);
        }
        for (segment, table) in &inputs.uses.init_elements {
            work::count(1);
            if tables.contains(table) {
                self.init_anywhere(*table, *segment);
            }
        }
    }

    fn write(&mut self, write: &Write<Solution>) {
        let table = write.table;
        if self.known(table).is_none() {
            return;
        }
        match &write.what {
            Written::Value(value) => {
                let held: Vec<SlotValue> = match value {
                    None => vec![SlotValue::Unknown],
                    Some(known) => known.iter().map(|known| SlotValue::from(*known)).collect(),
                };
                match self.places(write, None, u64::MAX) {
                    Some(places) => places.iter().for_each(|p| self.put(table, p.at, &held)),
                    None => self.put_anywhere(table, &held),
                }
            }
            Written::Segment { segment, from } => self.write_segment(write, *segment, from),
            Written::Slots { table: source, from } => self.write_slots(write, *source, from),
        }
    }

    fn write_segment(&mut self, write: &Write<Solution>, segment: ElemIdx, from: &Solution) {
        let held = self.take_items(segment);
        let places = self.places(write, Some(from), held.len() as u64);
        for place in places.iter().flatten() {
            work::count(1);
            if let Some(slot) = held.get(place.source as usize) {
                self.put(write.table, place.at, &[*slot]);
            }
        }
        self.segments.insert(segment, held);
        if places.is_none() {
            self.init_anywhere(write.table, segment);
        }
    }

    /// Takes the items of a segment out; the caller puts them back.
    fn take_items(&mut self, segment: ElemIdx) -> Vec<SlotValue> {
        let inputs = self.inputs;
        self.segments.remove(&segment).unwrap_or_else(|| {
            let mut held = Vec::new();
            let of_segment = &inputs.module.elements[segment].items;
            items(of_segment, inputs.constants, |slot| held.push(slot));
            held
        })
    }

    /// Any item of a segment may be in any slot of a table.
    fn init_anywhere(&mut self, table: TableIdx, segment: ElemIdx) {
        if self.known(table).is_some() && self.anywhere.insert((table, segment)) {
            let held = self.take_items(segment);
            self.put_anywhere(table, &held);
            self.segments.insert(segment, held);
        }
    }

    fn write_slots(&mut self, write: &Write<Solution>, from: TableIdx, first: &Solution) {
        let to = write.table;
        let places = self.places(write, Some(first), u64::MAX);
        match (places, self.known(from).is_some()) {
            (Some(places), true) => self.copied.extend(places.into_iter().map(|place| Copied {
                to,
                at: place.at,
                from,
                source: place.source,
            })),
            (Some(places), false) => {
                places.iter().for_each(|place| self.put(to, place.at, &[SlotValue::Unknown]));
            }
            (None, true) => self.copy_anywhere(to, from),
            (None, false) => self.put_anywhere(to, &[SlotValue::Unknown]),
        }
    }

    /// The slots that a write may name; `None` if they are unknown or too many. It writes no more
    /// than `limit` of them at a time.
    fn places(
        &mut self,
        write: &Write<Solution>,
        from: Option<&Solution>,
        limit: u64,
    ) -> Option<Vec<Place>> {
        let starts = ints(&write.at)?;
        let sources = from.map_or_else(|| Some(vec![0]), ints)?;
        let len = ints(&write.len)?.into_iter().max()?.min(limit);
        let each = starts.len().checked_mul(sources.len())?;
        self.room = self.room.checked_sub(each.checked_mul(usize::try_from(len).ok()?)?)?;
        let mut places = Vec::new();
        for start in &starts {
            for source in &sources {
                work::count(1);
                // What would be beyond the end of the index space traps.
                places.extend((0..len).map_while(|i| {
                    Some(Place { at: start.checked_add(i)?, source: source.checked_add(i)? })
                }));
            }
        }
        Some(places)
    }

    fn put(&mut self, table: TableIdx, at: u64, held: &[SlotValue]) {
        work::count(held.len());
        if let Some(slots) = self.known(table) {
            let held = held.iter().filter(|slot| **slot != SlotValue::Null);
            slots.later.extend(held.map(|slot| (at, *slot)));
        }
    }

    fn put_anywhere(&mut self, table: TableIdx, held: &[SlotValue]) {
        work::count(held.len());
        if let Some(slots) = self.known(table) {
            slots.anywhere.extend(held.iter().filter(|slot| **slot != SlotValue::Null));
        }
    }

    fn copy_anywhere(&mut self, to: TableIdx, from: TableIdx) {
        if let Some(slots) = self.known(to) {
            if to == from {
                slots.placed = false;
            } else {
                slots.copies.insert(from);
            }
        }
    }

    fn is_placed(&mut self, table: TableIdx) -> bool {
        self.known(table).is_some_and(|slots| slots.placed())
    }

    fn follow_copies(&mut self) {
        loop {
            let (followed, lost) = std::mem::take(&mut self.copied)
                .into_iter()
                .partition::<Vec<_>, _>(|copied| self.is_placed(copied.from));
            self.copied = followed;
            lost.iter().for_each(|copied| self.copy_anywhere(copied.to, copied.from));
            if lost.is_empty() {
                break;
            }
        }
        let mut passes = 0..MAX_COPY_PASSES;
        while self.copy_slots() {
            if self.room == 0 || passes.next().is_none() {
                for copied in std::mem::take(&mut self.copied) {
                    self.copy_anywhere(copied.to, copied.from);
                }
            }
        }
    }

    /// Where copies and types would be too many, what is copied can be any reference that is taken. All functions in a table that
    /// is copied from are.
    fn bound_copies(&mut self) {
        let known = self.tables.iter().filter_map(|facts| match &facts.contents {
            Contents::Open => None,
            Contents::Known(slots) => Some(slots.copies.len()),
        });
        let copies: usize = known.sum();
        if copies.saturating_mul(self.inputs.called_types) <= MAX_COPIED_TYPES {
            return;
        }
        for table in self.tables.indices() {
            if let Some(slots) = self.known(table)
                && !std::mem::take(&mut slots.copies).is_empty()
            {
                slots.anywhere.push(SlotValue::Unknown);
            }
        }
    }

    /// Copies each slot once more, while there is room; whether that brought anything new.
    fn copy_slots(&mut self) -> bool {
        let mut grew = false;
        for copied in self.copied.clone() {
            work::count(1);
            let Some(from) = self.known(copied.from) else { continue };
            let held: Vec<SlotValue> =
                from.get(copied.source).filter(|s| *s != SlotValue::Null).collect();
            let Some(to) = self.known(copied.to) else { continue };
            let before = to.later.len();
            to.later.extend(held.into_iter().map(|slot| (copied.at, slot)));
            let new = to.later.len() - before;
            grew |= new > 0;
            self.room = self.room.saturating_sub(new);
            if self.room == 0 {
                break;
            }
        }
        grew
    }
}

/// The integers that an operand can be; `None` if it can be any.
fn ints(operand: &Solution) -> Option<Vec<u64>> {
    operand.as_ref()?.iter().map(Known::int).collect()
}
