//! Exceptions in frames: as their tag and payload, and thrown again for a rewind.
//!
//! | offset | size | type | meaning |
//! |-------:|-----:|------|---------|
//! | 0 | 4 | i32 | 0: null; n > 0: the nth of the [`KnownTags`]; n < 0: kept in the slot -n |
//! | 4 | | those of [`KnownTags::values`] | the values that it carries, each at its place |
//!
//! ```wat
//! (func $save (param $offset i32) (param $e exnref)
//!   …
//!   block $unknown
//!     block $second (result f64 i64)
//!       block $first (result i32)
//!         try_table (catch $t1 $first) (catch $t2 $second) (catch_all $unknown)
//!           (throw_ref (local.get $e))
//!         end
//!         unreachable
//!       end
//!       …stores 1 and the payload, and returns…
//!     end
//!     …stores 2 and the payload, and returns…
//!   end
//!   …keeps it, and the unwind is going to be undone…)
//! ```

use super::Runtime;
use super::address::AddressSink;
use super::keepers::Keeper;
use crate::abi::slot_bytes;
use crate::plan::{KnownTag, KnownTags, NUMBER_BYTES};
use wasm_encoder::{BlockType, Catch, Function, InstructionSink, ValType};
use wasmparser::ValType::I32;

/// The local of the exception that is asked for, in `check`.
const CHECKED: u32 = 0;

impl Runtime {
    /// The bodies of `save`, `load` and `check`.
    pub(super) fn exception_bodies(&mut self, keeper: &Keeper) -> [Function; 3] {
        let known = self.tags.clone();
        [
            self.save_exception(keeper, &known),
            self.load_exception(keeper, &known),
            self.check_exception(&known),
        ]
    }

    fn save_exception(&mut self, keeper: &Keeper, known: &KnownTags) -> Function {
        let (exception, address, first) = (1, 2, 3);
        let values = known.values.iter().map(|ty| self.types.val_type(*ty));
        let locals: Vec<_> = [self.address_type()].into_iter().chain(values).collect();
        let cells: Vec<_> = cells(known).collect();
        let mut body = Function::new_with_locals_types(locals);
        let mut sink = body.instructions();
        self.cell(&mut sink, keeper, address);
        sink.local_get(exception).ref_is_null().if_(BlockType::Empty);
        sink.local_get(address).i32_const(0).frame_store(self.memory, I32, 0).return_().end();
        self.by_tag(&mut sink, exception, known, |runtime, sink, ordinal| {
            let (places, memory) = (&known.tags[ordinal].places, runtime.memory);
            places.iter().rev().for_each(|place| _ = sink.local_set(first + place));
            sink.local_get(address).i32_const(ordinal as i32 + 1).frame_store(memory, I32, 0);
            for place in places {
                let (ty, offset) = cells[*place as usize];
                sink.local_get(address).local_get(first + place).frame_store(memory, ty, offset);
            }
            sink.return_();
        });
        self.note_unsaved(&mut sink);
        sink.local_get(address).i32_const(0).local_get(exception).call(keeper.keep.0).i32_sub();
        sink.frame_store(self.memory, I32, 0).end();
        body
    }

    fn load_exception(&self, keeper: &Keeper, known: &KnownTags) -> Function {
        let (tags, cells) = (&known.tags, cells(known).collect::<Vec<_>>());
        let (address, number, kept) = (0, 1, 2);
        let locals = [self.address_type(), ValType::I32, ValType::Ref(keeper.ty)];
        let mut body = Function::new_with_locals_types(locals);
        let mut sink = body.instructions();
        self.next_cell(&mut sink, keeper);
        sink.local_tee(address).frame_load(self.memory, I32, 0).local_tee(number);
        sink.i32_eqz().if_(BlockType::Empty).ref_null(keeper.ty.heap_type).return_().end();
        sink.local_get(number).i32_const(0).i32_lt_s().if_(BlockType::Empty);
        sink.i32_const(0).local_get(number).i32_sub().local_set(number);
        self.take(&mut sink, keeper, (number, kept));
        sink.return_().end();
        sink.block(BlockType::Result(ValType::Ref(keeper.ty)));
        sink.try_table(BlockType::Empty, [Catch::AllRef { label: 0 }]);
        (0..=tags.len()).for_each(|_| _ = sink.block(BlockType::Empty));
        sink.local_get(number).i32_const(1).i32_sub();
        sink.br_table(0..tags.len() as u32, tags.len() as u32);
        for tag in tags {
            sink.end();
            for place in &tag.places {
                let (ty, offset) = cells[*place as usize];
                sink.local_get(address).frame_load(self.memory, ty, offset);
            }
            sink.throw(tag.tag.0);
        }
        sink.end().unreachable().end().unreachable().end().end();
        body
    }

    fn check_exception(&mut self, known: &KnownTags) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.local_get(CHECKED).ref_is_null().if_(BlockType::Empty).return_().end();
        self.by_tag(&mut sink, CHECKED, known, |_, sink, ordinal| {
            known.tags[ordinal].places.iter().for_each(|_| _ = sink.drop());
            sink.return_();
        });
        self.note_unsaved(&mut sink);
        sink.end();
        body
    }

    /// Throws the exception and catches it by its tag: `found` gets the ordinal, with the payload on the operand stack, and returns.
    /// Runs on where no tag fits, and for those with several values where the input has no block that could have them.
    fn by_tag(
        &mut self,
        sink: &mut InstructionSink<'_>,
        exception: u32,
        known: &KnownTags,
        mut found: impl FnMut(&Runtime, &mut InstructionSink<'_>, usize),
    ) {
        let told = known.tags.iter().enumerate();
        let told = told.filter(|(_, tag)| self.helpers.multi_value || tag.places.len() < 2);
        let told: Vec<_> = told.collect();
        let unknown = told.len() as u32;
        sink.block(BlockType::Empty);
        for (_, tag) in told.iter().rev() {
            let ty = self.payload_type(known, tag);
            sink.block(ty);
        }
        let catches = told.iter().zip(0..);
        let catches = catches.map(|((_, tag), label)| Catch::One { tag: tag.tag.0, label });
        let catches: Vec<_> = catches.chain([Catch::All { label: unknown }]).collect();
        sink.try_table(BlockType::Empty, catches).local_get(exception).throw_ref().end();
        sink.unreachable();
        for (ordinal, _) in told {
            sink.end();
            found(self, sink, ordinal);
        }
        sink.end();
    }

    /// The type of a block that the values leave which exceptions with a tag carry.
    fn payload_type(&mut self, known: &KnownTags, tag: &KnownTag) -> BlockType {
        let values = tag.places.iter().map(|place| known.values[*place as usize]);
        let results: Vec<_> = values.map(|ty| self.types.val_type(ty)).collect();
        self.block_type(&results)
    }
}

/// The types and places of the values in a cell.
fn cells(known: &KnownTags) -> impl Iterator<Item = (wasmparser::ValType, u64)> + '_ {
    let mut offset = u64::from(NUMBER_BYTES);
    known.values.iter().map(move |ty| {
        let at = offset;
        offset += u64::from(slot_bytes(*ty));
        (*ty, at)
    })
}
