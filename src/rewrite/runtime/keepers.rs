//! The tables that keep references while the stack is away, and the helpers that put them there and get them back; what lies in a
//! frame's cell in their place is said in [`plan::References`](crate::plan::References).
//!
//! | per type | meaning |
//! |---|---|
//! | a table | slot 0 is never used; the others hold a reference that is away, or null |
//! | a global `live` | how many do |
//! | a global `last` | the slot that was taken last: where the search for a free one begins |
//! | `keep(reference) -> slot` | takes a slot |
//! | `save(offset, reference)` | writes the cell at `offset` of the frame that is being written |
//! | `load() -> reference` | reads the cell at the cursor, which moves on |
//! | `check(reference)` | notes whether it can't be saved, for functions that are undone by a loop |
//!
//! Where the host carries references over, the tables are exported, and with those for functions one more, which has all functions that a
//! reference can be of.
//!
//! At least half of the slots are free when one is looked for, so that the search is short.
//!
//! Where references are kept for any number of rewinds, a cell holds a link behind the slot's number, and `release(buffer)`, which the host
//! calls, empties the slots of all cells that are linked in a buffer. It leaves a `pos` that no rewind begins with. Under `asyncify`,
//! `release()` empties all slots; or a rewind empties those that it loads.

use super::address::AddressSink;
use super::protocol::trap_if;
use super::{Runtime, function_table};
use crate::abi::{Abi, State};
use crate::emit::Additions;
use crate::index::{FuncIdx, GlobalIdx};
use crate::plan::{self, Kept, Plan, is_exception};
use crate::read::Module;
use indexmap::IndexMap;
use wasm_encoder::{
    BlockType, Encode, Function, InstructionSink, RefType, SectionId, TableType, ValType,
};
use wasmparser::ExternalKind;
use wasmparser::ValType::I32;

/// Where in a cell the link lies.
const LINK: u64 = plan::NUMBER_BYTES as u64;

/// How many slots a table has at first.
const FIRST_SLOTS: u64 = 4;

/// What keeps references of one type.
#[derive(Clone)]
pub(in crate::rewrite) struct Keeper {
    /// The type of the table's elements.
    pub(super) ty: RefType,
    pub(super) table: u32,
    live: GlobalIdx,
    last: GlobalIdx,
    /// Size of a cell in bytes.
    pub(super) cell_bytes: u64,
    /// Where in the buffer it lies which cell was written last, if cells are linked.
    list: Option<u64>,
    /// Whether some references of the type are `i31`s, which need no slot.
    has_i31: bool,
    pub(super) keep: FuncIdx,
    pub save: FuncIdx,
    pub load: FuncIdx,
    pub check: Option<FuncIdx>,
}

/// What keeps references, by the types of the tables; and what that needs.
#[derive(Default)]
pub(in crate::rewrite) struct Keepers {
    by_type: IndexMap<wasmparser::RefType, Keeper>,
    /// The global that says whether the frame that is being written, or asked for, can't be saved; none if all can.
    pub unsaved: Option<GlobalIdx>,
    /// How long references are kept.
    kept: Kept,
    /// Whether the host carries that over to other instances.
    carried: bool,
    /// The functions by which it finds counterparts of those that are kept, and the table that has them.
    functions: Vec<FuncIdx>,
    functions_table: u32,
}

impl Keepers {
    /// Those that a plan needs; the functions are still to be appended.
    pub fn of(module: &Module<'_>, plan: &Plan, runtime: &Runtime, first: GlobalIdx) -> Keepers {
        let tables = &plan.references.tables;
        let makes = !tables.is_empty() && !plan.references.keeps_all();
        let holds = plan.funcs.iter().any(|func| func.holds_unwinds);
        let unsaved = (makes || holds).then_some(first);
        let of_tables = first.0 + u32::from(unsaved.is_some());
        let keeper = |(ordinal, ty): (u32, &wasmparser::RefType)| {
            let global = |position| GlobalIdx(of_tables + 2 * ordinal + position);
            let nothing = FuncIdx(u32::MAX);
            let keeper = Keeper {
                ty: runtime.types.ref_type(*ty),
                table: module.tables.len() as u32 + ordinal,
                live: global(0),
                last: global(1),
                cell_bytes: u64::from(plan.references.cell_bytes(wasmparser::ValType::Ref(*ty))),
                list: runtime.layout.references.get(ordinal as usize).copied(),
                has_i31: *ty == wasmparser::RefType::ANYREF,
                keep: nothing,
                save: nothing,
                load: nothing,
                check: None,
            };
            (*ty, keeper)
        };
        let by_type = (0..).zip(tables).map(keeper).collect();
        Keepers {
            by_type,
            unsaved,
            kept: plan.references.kept,
            carried: plan.references.carried,
            functions: plan.references.functions.clone(),
            functions_table: (module.tables.len() + tables.len()) as u32,
        }
    }

    /// What is exported so that a host can carry it over: for each table its name, itself, and its two globals.
    pub fn carried(
        &self,
        abi: Abi,
    ) -> impl Iterator<Item = (String, u32, [(String, GlobalIdx); 2])> {
        let all = self.by_type.values().zip(0..).filter(|_| self.carried);
        all.map(move |(keeper, ordinal): (&Keeper, u32)| {
            let name = abi.references(ordinal);
            let globals = [("live", keeper.live), ("last", keeper.last)];
            let globals = globals.map(|(what, global)| (format!("{name}_{what}"), global));
            (name, keeper.table, globals)
        })
    }

    /// How many tables are appended.
    pub fn table_count(&self) -> usize {
        self.by_type.len() + usize::from(!self.functions.is_empty())
    }

    /// Appends the tables, and what is in that of the functions.
    pub(super) fn append_tables(&self, abi: Abi, additions: &mut Additions) {
        for table in self.tables() {
            additions.item(SectionId::Table, |out| table.encode(out));
        }
        if self.functions.is_empty() {
            return;
        }
        function_table::append(additions, self.functions_table, &self.functions);
        additions.export(abi.functions(), ExternalKind::Table, self.functions_table);
    }

    /// What keeps references of a type.
    pub fn of_type(&self, module: &Module<'_>, ty: wasmparser::RefType) -> &Keeper {
        &self.by_type[&plan::table_type(module, ty)]
    }

    /// The types of the tables that keep references, in order.
    fn tables(&self) -> impl Iterator<Item = TableType> {
        self.by_type.values().map(|keeper| TableType {
            element_type: keeper.ty,
            table64: false,
            minimum: FIRST_SLOTS,
            maximum: None,
            shared: false,
        })
    }

    /// The names of the globals, in order; all are of type i32.
    pub fn globals(&self) -> Vec<String> {
        let tables = 0..self.by_type.len();
        let of_tables = tables.flat_map(|table| [format!("live{table}"), format!("last{table}")]);
        let first = self.unsaved.map(|_| "unsaved".to_owned());
        first.into_iter().chain(of_tables).collect()
    }
}

impl Runtime {
    pub(super) fn append_keepers(&mut self, plan: &Plan) {
        let keepers = std::mem::take(&mut self.keepers.by_type);
        let keepers = keepers.into_iter().zip(0..).map(|((ty, mut keeper), ordinal)| {
            let (reference, address) = (ValType::Ref(keeper.ty), self.address_type());
            let name = |what: &str| format!("{what}_reference{ordinal}");
            let (params, slot) = (vec![reference], vec![ValType::I32]);
            let body = keep_body(&keeper);
            keeper.keep = self.add_private(&name("keep"), params.clone(), slot, body);
            let by_tag = is_exception(ty) && !plan.references.keeps_all();
            let [save, load, check] = match by_tag {
                true => self.exception_bodies(&keeper),
                false => self.reference_bodies(&keeper),
            };
            keeper.save = self.add_private(&name("save"), vec![address, reference], vec![], save);
            keeper.load = self.add_private(&name("load"), vec![], vec![reference], load);
            if self.keepers.kept == Kept::WhileUndone {
                keeper.check = Some(self.add_private(&name("check"), params, vec![], check));
            }
            (ty, keeper)
        });
        self.keepers.by_type = keepers.collect();
    }

    /// The bodies of `save`, `load` and `check`.
    fn reference_bodies(&self, keeper: &Keeper) -> [Function; 3] {
        [self.save_reference(keeper), self.load_reference(keeper), self.check_reference(keeper)]
    }

    fn save_reference(&self, keeper: &Keeper) -> Function {
        let (reference, address, number) = (1, 2, 3);
        let mut body = Function::new_with_locals_types([self.address_type(), ValType::I32]);
        let mut sink = body.instructions();
        self.cell(&mut sink, keeper, address);
        if keeper.has_i31 {
            is_i31(&mut sink, reference);
            sink.if_(BlockType::Empty).local_get(address);
            i31_of(&mut sink, reference);
            sink.i31_get_u().i32_const(1).i32_shl().i32_const(1).i32_or();
            sink.frame_store(self.memory, I32, 0).return_().end();
        }
        self.note_unsaved_unless_null(&mut sink, reference);
        sink.local_get(address).local_get(reference).call(keeper.keep.0);
        if keeper.has_i31 {
            sink.i32_const(1).i32_shl();
        }
        sink.local_tee(number).frame_store(self.memory, I32, 0);
        if let Some(list) = keeper.list {
            sink.local_get(number).if_(BlockType::Empty);
            self.link(&mut sink, list, address);
            sink.end();
        }
        sink.end();
        body
    }

    /// Links the cell at `address` with the one that was written before, and puts it first.
    fn link(&self, sink: &mut InstructionSink<'_>, list: u64, address: u32) {
        let (memory, part) = (self.memory, self.part().0);
        sink.local_get(address).global_get(part).frame_load(memory, I32, list);
        sink.frame_store(memory, I32, LINK);
        sink.global_get(part).local_get(address).global_get(part).at_sub(memory);
        sink.at_to_i32(memory).frame_store(memory, I32, list);
    }

    /// No cell is linked any more.
    pub(super) fn unlink_all(&self, sink: &mut InstructionSink<'_>) {
        for list in &self.layout.references {
            sink.global_get(self.part().0).i32_const(0).frame_store(self.memory, I32, *list);
        }
    }

    /// Where the module's part of the buffer is.
    fn part(&self) -> GlobalIdx {
        self.globals.home.unwrap_or(self.globals.buffer)
    }

    /// `release(buffer)`: empties the slots of the references in a buffer, whose stack can't be rewound any more. A side module's
    /// has no parameter: it finds its part behind those that were released before.
    pub(super) fn append_release(&mut self) {
        if self.keepers.kept == Kept::UntilAllReleased && !self.keepers.by_type.is_empty() {
            self.append_release_of_all();
        }
        if self.layout.references.is_empty() {
            return;
        }
        let params: Vec<_> =
            (self.abi != Abi::WpkForkSide).then(|| self.address_type()).into_iter().collect();
        let buffer = 0;
        let (at, number) = (params.len() as u32, params.len() as u32 + 1);
        let mut body = Function::new_with_locals_types([self.address_type(), ValType::I32]);
        let mut sink = body.instructions();
        self.trap_unless(&mut sink, &(State::Normal..=State::Normal));
        if params.is_empty() {
            self.settle(&mut sink);
        } else {
            sink.local_get(buffer).global_set(self.globals.buffer.0);
            self.set_bottom(&mut sink);
        }
        for keeper in self.keepers.by_type.values() {
            self.release_all(&mut sink, keeper, (at, number));
        }
        self.unlink_all(&mut sink);
        if !params.is_empty() {
            sink.local_get(buffer).at_const(self.memory, 0).at_store(self.memory, self.layout.pos);
        }
        sink.end();
        self.add(self.abi.release().to_owned(), params, vec![], body);
        self.funcs.last_mut().expect("just added").exported = true;
    }

    /// `release()`: empties all slots. Those that are taken next are others, so that who rewinds a stack that was released meets empty
    /// ones for long.
    fn append_release_of_all(&mut self) {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        self.trap_unless(&mut sink, &(State::Normal..=State::Normal));
        for keeper in self.keepers.by_type.values() {
            let table = keeper.table;
            sink.i32_const(0).ref_null(keeper.ty.heap_type).table_size(table).table_fill(table);
            sink.i32_const(0).global_set(keeper.live.0);
        }
        sink.end();
        self.add(self.abi.release().to_owned(), vec![], vec![], body);
        self.funcs.last_mut().expect("just added").exported = true;
    }

    /// Empties the slots of a table that linked cells hold.
    fn release_all(
        &self,
        sink: &mut InstructionSink<'_>,
        keeper: &Keeper,
        (at, number): (u32, u32),
    ) {
        let (memory, part) = (self.memory, self.part().0);
        let Some(list) = keeper.list else { return };
        sink.global_get(part).frame_load(memory, I32, list).at_from_i32(memory).local_set(at);
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        sink.local_get(at).at_const(memory, 0).at_ne(memory).i32_eqz().br_if(1);
        sink.global_get(part).local_get(at).at_add(memory).local_tee(at);
        sink.frame_load(memory, I32, 0);
        if keeper.has_i31 {
            sink.i32_const(1).i32_shr_u();
        }
        sink.local_tee(number).table_get(keeper.table).ref_is_null();
        trap_if(sink);
        empty(sink, keeper, number);
        sink.local_get(at).frame_load(memory, I32, LINK).at_from_i32(memory);
        sink.local_set(at).br(0).end().end();
    }

    /// Sets `address` to the cell's place, for which there is room.
    pub(super) fn cell(&self, sink: &mut InstructionSink<'_>, keeper: &Keeper, address: u32) {
        let (offset, memory) = (0, self.memory);
        sink.local_get(offset).at_const(memory, keeper.cell_bytes).at_add(memory);
        sink.call(self.room.0).local_get(offset).at_add(memory).local_set(address);
    }

    fn note_unsaved_unless_null(&self, sink: &mut InstructionSink<'_>, reference: u32) {
        if self.keepers.kept == Kept::WhileUndone {
            sink.local_get(reference).ref_is_null().i32_eqz().if_(BlockType::Empty);
            self.note_unsaved(sink);
            sink.end();
        }
    }

    /// The frame can't be saved.
    pub fn note_unsaved(&self, sink: &mut InstructionSink<'_>) {
        if let Some(unsaved) = self.keepers.unsaved {
            sink.i32_const(1).global_set(unsaved.0);
        }
    }

    fn load_reference(&self, keeper: &Keeper) -> Function {
        let number = 0;
        let mut body = Function::new_with_locals_types([ValType::I32, ValType::Ref(keeper.ty)]);
        let mut sink = body.instructions();
        self.next_cell(&mut sink, keeper);
        sink.frame_load(self.memory, I32, 0).local_set(number);
        if keeper.has_i31 {
            sink.local_get(number).i32_const(1).i32_and().if_(BlockType::Empty);
            sink.local_get(number).i32_const(1).i32_shr_s().ref_i31().return_().end();
            sink.local_get(number).i32_const(1).i32_shr_u().local_set(number);
        }
        sink.local_get(number).i32_eqz().if_(BlockType::Empty);
        sink.ref_null(keeper.ty.heap_type).return_().end();
        self.take(&mut sink, keeper, (number, 1));
        sink.end();
        body
    }

    /// The address of the cell at the cursor, which moves on.
    pub(super) fn next_cell(&self, sink: &mut InstructionSink<'_>, keeper: &Keeper) {
        sink.global_get(self.globals.cursor.0);
        self.skip_cell(sink, keeper);
    }

    /// Moves the cursor on, past a cell.
    pub fn skip_cell(&self, sink: &mut InstructionSink<'_>, keeper: &Keeper) {
        sink.global_get(self.globals.cursor.0)
            .at_const(self.memory, keeper.cell_bytes)
            .at_add(self.memory);
        sink.global_set(self.globals.cursor.0);
    }

    /// The reference in a slot, which is emptied unless its frame may be rewound once more; an empty one traps.
    pub(super) fn take(
        &self,
        sink: &mut InstructionSink<'_>,
        keeper: &Keeper,
        (number, reference): (u32, u32),
    ) {
        sink.local_get(number).table_get(keeper.table).local_tee(reference).ref_is_null();
        trap_if(sink);
        match self.keepers.kept {
            Kept::WhileUndone => empty(sink, keeper, number),
            Kept::UntilReleased => {
                self.is_in(sink, State::NoRoom);
                sink.if_(BlockType::Empty);
                empty(sink, keeper, number);
                self.unlink_all(sink);
                sink.end();
            }
            Kept::UntilAllReleased => {}
            Kept::UntilRewound => {
                empty(sink, keeper, number);
                // The cursor has moved on, past the cell.
                let memory = self.memory;
                sink.global_get(self.globals.cursor.0).at_const(memory, keeper.cell_bytes);
                sink.at_sub(memory).i32_const(plan::References::GONE).frame_store(memory, I32, 0);
            }
        }
        sink.local_get(reference);
    }

    fn check_reference(&self, keeper: &Keeper) -> Function {
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        if keeper.has_i31 {
            is_i31(&mut sink, 0);
            sink.if_(BlockType::Empty).return_().end();
        }
        self.note_unsaved_unless_null(&mut sink, 0);
        sink.end();
        body
    }
}

/// Takes a slot for a reference; 0 for null.
fn keep_body(keeper: &Keeper) -> Function {
    let (reference, slot) = (0, 1);
    let mut body = Function::new([(1, ValType::I32)]);
    let mut sink = body.instructions();
    sink.local_get(reference).ref_is_null().if_(BlockType::Empty).i32_const(0).return_().end();
    sink.global_get(keeper.live.0).i32_const(1).i32_shl().table_size(keeper.table).i32_ge_u();
    sink.if_(BlockType::Empty).ref_null(keeper.ty.heap_type).table_size(keeper.table);
    sink.table_grow(keeper.table).i32_const(-1).i32_eq();
    trap_if(&mut sink);
    sink.end();
    sink.global_get(keeper.last.0).local_set(slot);
    sink.loop_(BlockType::Empty);
    sink.local_get(slot).i32_const(1).i32_add().local_tee(slot);
    sink.table_size(keeper.table).i32_ge_u().if_(BlockType::Empty);
    sink.i32_const(1).local_set(slot).end();
    sink.local_get(slot).table_get(keeper.table).ref_is_null().i32_eqz().br_if(0).end();
    sink.local_get(slot).local_get(reference).table_set(keeper.table);
    sink.global_get(keeper.live.0).i32_const(1).i32_add().global_set(keeper.live.0);
    sink.local_get(slot).global_set(keeper.last.0).local_get(slot).end();
    body
}

/// Empties a slot that is not.
fn empty(sink: &mut InstructionSink<'_>, keeper: &Keeper, slot: u32) {
    sink.local_get(slot).ref_null(keeper.ty.heap_type).table_set(keeper.table);
    sink.global_get(keeper.live.0).i32_const(1).i32_sub().global_set(keeper.live.0);
}

fn is_i31(sink: &mut InstructionSink<'_>, reference: u32) {
    sink.local_get(reference).ref_test_non_null(wasm_encoder::HeapType::I31);
}

fn i31_of(sink: &mut InstructionSink<'_>, reference: u32) {
    sink.local_get(reference).ref_cast_non_null(wasm_encoder::HeapType::I31);
}
