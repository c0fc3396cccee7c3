//! What is appended to the module: the state, the protocol's functions, and the helpers that all frames
//! are saved and restored through.
//!
//! | global | type | meaning |
//! |--------|------|---------|
//! | state | i32 | a [`State`](crate::abi::State) |
//! | buffer | address | the address that the last unwind or rewind began with |
//! | cursor | address | the address of the next slot to load, within the frame that a rewind restores |
//! | bottom | address | where the first frame goes; where modules share one stack |
//! | home | address | where this module's part of the buffer begins; in side modules |
//! | unprepared | i32 | one more than the index of the function that was not prepared for the last unwind, or 0; where guards undo |
//! | those of `keepers` | i32 | where references are live across sites |
//!
//! | functions | where |
//! |---|---|
//! | those that the host calls | `protocol` |
//! | `limit`, `room`, `end_frame`, `seal`, `probe`, `pop`, and `call …` in front of imports | `frames` |
//! | `save_…`, `load_…` | `slots`; of references `keepers`, and of exceptions `exceptions` |
//! | `undo`, `throw`, where there are pads | `pads` |
//! | `dummy…`, for results of types without null | `dummies` |
//! | `top`, `other`, `tails_…`, where there are tail calls | `tails` |
//! | `resume_module_missing…`, where there is a resume module; `forward_…`; the numbers of resume functions | `resumes` |
//! | `unprepared_trap`, `undo_unprepared`, `again…`, where there are guards | `guards` |
//!
//! What is where in the buffer is said in [`abi`](crate::abi). `pos` and `end` are read from memory each
//! time, and `pos` is written back with every frame, so a host may look at them, fill or move them
//! whenever no instrumented code is running. No frame reaches beyond `end`, the memory's end or 2^32 - 1,
//! the largest `pos`. What is popped lies between the end of the reserve and that limit, and its mark
//! names the function; else a trap.

mod address;
mod dummies;
mod exceptions;
mod frames;
mod function_table;
mod guards;
mod keepers;
mod pads;
mod protocol;
mod resumes;
mod slots;
mod tails;
#[cfg(test)]
mod tests;

use crate::abi::{Abi, Buffer, Export, FrameMemory, Operation, StateGlobals};
use crate::emit::{Additions, Edited, NewTypes, Signature};
use crate::index::{FuncIdx, GlobalIdx, IndexType, TagIdx};
use crate::plan::{AddedMemory, Caught, Helpers, KnownTags, LabelType, Plan};
use crate::read::Module;
use crate::work;
pub(super) use address::AddressSink;
use dummies::Dummies;
pub(super) use guards::GuardFuncs;
use keepers::Keepers;
use pads::PadFuncs;
use resumes::Resumes;
use slots::SlotFuncs;
use std::collections::BTreeMap;
use tails::TailFuncs;
use wasm_encoder::{
    BlockType, ConstExpr, ElementSection, Elements, Encode, Function, GlobalType, MemoryType,
    SectionId, TagKind, TagType, ValType,
};
use wasmparser::ExternalKind;

/// A function that is appended.
struct NewFunc {
    name: String,
    ty: u32,
    body: Function,
    /// Whether it is exported, under its name.
    exported: bool,
}

/// Everything that is appended, with its indices.
pub(super) struct Runtime {
    pub types: NewTypes,
    pub state: GlobalIdx,
    globals: StateGlobals,
    /// Notes who was not prepared, where guards undo.
    unprepared: Option<GlobalIdx>,
    /// Where frames go, and what it is if it is added.
    pub memory: FrameMemory,
    added_memory: Option<AddedMemory>,
    layout: Buffer,
    begin_resume: FuncIdx,
    limit: FuncIdx,
    /// Gives the address of the frame that is being written.
    room: FuncIdx,
    /// Ends a frame, and says where.
    end_frame: FuncIdx,
    /// Ends a frame.
    pub seal: FuncIdx,
    /// The module's number in marks.
    pub number: u8,
    /// Whether it is noted where the input's code is in the output.
    pub maps_offsets: bool,
    /// Asks whether there is room for a frame, for functions that are undone by a loop.
    pub probe: FuncIdx,
    pub pop: FuncIdx,
    /// For each import that sites call directly, the function that they call instead.
    callers: BTreeMap<FuncIdx, FuncIdx>,
    resumes: Resumes,
    tails: TailFuncs,
    /// A tag without values, for handlers that catch all; where there are any.
    pub any_tag: Option<TagIdx>,
    any_tag_type: u32,
    /// The exceptions that pads can keep.
    pub tags: KnownTags,
    pads: Option<PadFuncs>,
    /// What saves and loads slots, and the functions that do.
    pub helpers: Helpers,
    slot_funcs: BTreeMap<(usize, usize), SlotFuncs>,
    pub keepers: Keepers,
    pub dummies: Dummies,
    abi: Abi,
    /// What is exported of the functions that stand in the place of imports.
    exported: Vec<(&'static str, FuncIdx)>,
    /// The index of the first function that is appended.
    first: FuncIdx,
    funcs: Vec<NewFunc>,
}

/// The type of a memory that is added. In an empty one every access traps; the host may let its own grow.
fn memory_type(memory: AddedMemory) -> MemoryType {
    let (minimum, maximum) = match memory {
        AddedMemory::Empty => (0, Some(0)),
        AddedMemory::Own(pages) => (u64::from(pages), None),
    };
    MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None }
}

/// The private functions that every module gets, behind those of the protocol and in this order.
const PRIVATE: [&str; 6] = ["limit", "room", "end_frame", "seal", "probe", "pop"];

/// The protocol, and which of its functions stand in the place of imports, with what each does.
pub(in crate::rewrite) type Protocol<'a> = (Abi, &'a BTreeMap<FuncIdx, Operation>);

/// The index of one of the private functions.
fn private(module: &Module<'_>, protocol: Protocol<'_>, position: usize) -> FuncIdx {
    FuncIdx::from_usize(module.funcs.len() + added_exports(protocol).count() + position)
}

/// The functions for the host that are appended: all that don't stand in the place of imports.
fn added_exports((abi, in_place): Protocol<'_>) -> impl Iterator<Item = &'static Export> {
    let is_there = |export: &Export| in_place.values().any(|op| *op == export.operation);
    abi.exports().iter().filter(move |export| !is_there(export))
}

impl Runtime {
    /// Lays out what `plan` needs, with `types` that have been added before.
    pub fn layout(module: &Module<'_>, plan: &Plan, mut types: NewTypes) -> Runtime {
        for (_, label) in plan.funcs.iter().flat_map(|func| func.entered().1.label_types.iter()) {
            work::count(1);
            if let LabelType::Results(results) = label {
                let results = results.iter().map(|ty| types.val_type(*ty)).collect();
                types.add(Signature { params: Vec::new(), results });
            }
        }
        for ty in plan.funcs.iter().flat_map(|func| func.entered().1.nullable.iter()) {
            work::count(1);
            let signature = types.with_nullable_params(module, *ty);
            types.add(signature);
        }
        let globals = StateGlobals::of(module, plan.abi);
        let private = |position| private(module, (plan.abi, &plan.operations), position);
        let exports = plan.abi.exports();
        let resume = exports.iter().position(|export| export.operation == Operation::BeginResume);
        let mut runtime = Runtime {
            types,
            state: globals.state,
            globals,
            unprepared: None,
            memory: plan.memory,
            added_memory: plan.added_memory,
            layout: plan.buffer.clone(),
            begin_resume: FuncIdx::from_usize(module.funcs.len() + resume.unwrap_or(0)),
            limit: private(0),
            room: private(1),
            end_frame: private(2),
            seal: private(3),
            probe: private(4),
            pop: private(5),
            number: plan.number,
            callers: BTreeMap::new(),
            resumes: Resumes::default(),
            tails: TailFuncs::default(),
            any_tag: None,
            any_tag_type: 0,
            tags: plan.tags.clone(),
            pads: None,
            helpers: plan.helpers.clone(),
            slot_funcs: BTreeMap::new(),
            keepers: Keepers::default(),
            dummies: Dummies::default(),
            abi: plan.abi,
            maps_offsets: plan.maps_offsets,
            exported: Vec::new(),
            first: FuncIdx::from_usize(module.funcs.len()),
            funcs: Vec::new(),
        };
        let regions = plan.funcs.iter().flat_map(|func| &func.entered().1.regions);
        let mut handlers = regions.flat_map(|region| region.dispatch.handlers.iter());
        if handlers.any(|handler| handler.caught == Caught::Any) {
            runtime.any_tag = Some(TagIdx::from_usize(module.tags.len()));
            let nothing = Signature { params: Vec::new(), results: Vec::new() };
            runtime.any_tag_type = runtime.types.add(nothing);
        }
        let mut first = module.globals.len() + globals.added(plan.abi).len();
        if !plan.guards.repeats.is_empty() {
            runtime.unprepared = Some(GlobalIdx::from_usize(first));
            first += 1;
        }
        runtime.keepers = Keepers::of(module, plan, &runtime, GlobalIdx::from_usize(first));
        runtime.append(module, plan);
        runtime
    }

    fn append(&mut self, module: &Module<'_>, plan: &Plan) {
        for export in added_exports((plan.abi, &plan.operations)) {
            let (params, results) = plan.abi.signature(export.operation, self.memory.address);
            let [params, results] = [params, results]
                .map(|types| types.into_iter().map(|ty| self.types.val_type(ty)).collect());
            let body = self.operation(plan.abi, export.operation);
            self.add(export.name.into(), params, results, body);
        }
        self.funcs.iter_mut().for_each(|func| func.exported = true);
        let find = |operation: Operation| {
            plan.operations.iter().find(|(_, known)| **known == operation).map(|(func, _)| *func)
        };
        let exports = plan.abi.exports().iter();
        self.exported =
            exports.filter_map(|export| Some((export.name, find(export.operation)?))).collect();
        let (i32, i64, address) = (ValType::I32, ValType::I64, self.address_type());
        let bodies = [
            (vec![], vec![address], self.limit_body()),
            (vec![address], vec![address], self.room_body()),
            (vec![i32, i64], vec![address], self.end_frame_body()),
            (vec![i32, i64], vec![i32], self.seal_body()),
            (vec![address], vec![i32], self.probe_body()),
            (vec![i32], vec![i32], self.pop_body()),
        ];
        for (name, (params, results, body)) in PRIVATE.into_iter().zip(bodies) {
            self.add_private(name, params, results, body);
        }
        self.append_guard_funcs(module, plan);
        self.append_callers(module, plan);
        self.append_slot_helpers(plan);
        if plan.funcs.iter().any(|func| !func.pads.is_empty()) {
            self.append_pad_funcs();
        }
        self.append_keepers(plan);
        self.append_release();
        self.append_dummies(module, plan);
        self.number_resumes(module, plan);
        self.append_tails(module, plan);
        self.append_forwarders(module);
    }

    /// The bodies of the functions that stand in the place of imports, in index order.
    pub fn in_place_of_imports(&self, plan: &Plan) -> Vec<(FuncIdx, Edited)> {
        let operations = plan.operations.iter();
        let body = |operation| Edited::from(self.operation(plan.abi, operation).into_raw_body());
        operations.map(|(func, operation)| (*func, body(*operation))).collect()
    }

    /// For each import that sites call directly, a function that calls it, and calls it again where the unwind that it
    /// began had no room at all. Where that can't be, there is none.
    fn append_callers(&mut self, module: &Module<'_>, plan: &Plan) {
        if !self.abi.can_undo() {
            return;
        }
        for import in &plan.called_imports {
            let ty = module.func_type(*import);
            let [params, results]: [Vec<_>; 2] = [ty.params(), ty.results()]
                .map(|types| types.iter().map(|ty| self.types.val_type(*ty)).collect());
            let block = self.block_type(&results);
            let body = self.caller_body(*import, params.len() as u32, block);
            let name = module.funcs[*import].import().expect("only imports are called so").name;
            let caller = self.add_private(&format!("call {name}"), params, results, body);
            self.callers.insert(*import, caller);
        }
    }

    /// The type of a block with these results and no parameters.
    pub(super) fn block_type(&mut self, results: &[ValType]) -> BlockType {
        match results {
            [] => BlockType::Empty,
            [result] => BlockType::Result(*result),
            _ => {
                let signature = Signature { params: vec![], results: results.to_vec() };
                BlockType::FunctionType(self.types.add(signature))
            }
        }
    }

    /// The function to call instead of an import.
    pub fn caller_of(&self, import: FuncIdx) -> FuncIdx {
        if self.abi.can_undo() { self.callers[&import] } else { import }
    }

    /// Appends a function that is not exported.
    fn add_private(
        &mut self,
        name: &str,
        params: Vec<ValType>,
        results: Vec<ValType>,
        body: Function,
    ) -> FuncIdx {
        self.add(self.abi.private_name(name), params, results, body)
    }

    fn add(
        &mut self,
        name: String,
        params: Vec<ValType>,
        results: Vec<ValType>,
        body: Function,
    ) -> FuncIdx {
        let ty = self.types.add(Signature { params, results });
        self.add_of_type(name, ty, body)
    }

    fn add_of_type(&mut self, name: String, ty: u32, body: Function) -> FuncIdx {
        self.funcs.push(NewFunc { name, ty, body, exported: false });
        FuncIdx::from_usize(self.first.0 as usize + self.funcs.len() - 1)
    }

    /// The type of addresses, as the encoder names it.
    fn address_type(&self) -> ValType {
        self.types.val_type(self.memory.address.val_type())
    }

    /// Everything that is appended, as the sections take it, but for the resume functions.
    pub fn take_additions(&mut self, module: &Module<'_>) -> Additions {
        let mut additions = Additions::default();
        additions.maps_offsets = self.maps_offsets;
        additions.types(&self.types);
        if self.any_tag.is_some() {
            let tag = TagType { kind: TagKind::Exception, func_type_idx: self.any_tag_type };
            additions.item(SectionId::Tag, |out| tag.encode(out));
        }
        if let Some(memory) = self.added_memory {
            additions.item(SectionId::Memory, |out| memory_type(memory).encode(out));
        }
        if self.dummies.named().len() > 0 {
            let named: Vec<_> = self.dummies.named().collect();
            let mut section = ElementSection::new();
            section.declared(Elements::Functions(named.into()));
            additions.section(&section);
        }
        self.keepers.append_tables(self.abi, &mut additions);
        self.add_resume_table(&mut additions);
        let address = self.address_type();
        let of_keepers = self.keepers.globals();
        let names = self.globals.added(self.abi).iter().map(|name| (*name, *name != "state"));
        let names = names.chain(self.unprepared.map(|_| ("unprepared", false)));
        let names = names.chain(of_keepers.iter().map(|name| (name.as_str(), false)));
        for (global, (name, is_address)) in (module.globals.len() as u32..).zip(names) {
            let val_type = if is_address { address } else { ValType::I32 };
            additions.item(SectionId::Global, |out| {
                GlobalType { val_type, mutable: true, shared: false }.encode(out);
                match val_type {
                    ValType::I64 => ConstExpr::i64_const(0).encode(out),
                    _ => ConstExpr::i32_const(0).encode(out),
                }
            });
            additions.names.globals.push((global, self.abi.private_name(name)));
        }
        self.export_shared(&mut additions);
        self.export_carried(&mut additions);
        for (name, func) in &self.exported {
            additions.export(name, ExternalKind::Func, func.0);
        }
        for (index, func) in (self.first.0..).zip(std::mem::take(&mut self.funcs)) {
            if func.exported {
                additions.export(&func.name, ExternalKind::Func, index);
            }
            additions.func(func.ty, func.body.into_raw_body());
            additions.names.funcs.push((index, func.name));
        }
        self.declare_resumes(module, &mut additions);
        if let Some(AddedMemory::Own(_)) = self.added_memory {
            let name = self.abi.memory_export();
            additions.export(name, ExternalKind::Memory, self.memory.index.0);
        }
        additions
    }

    /// The main module exports the globals that it shares.
    fn export_shared(&self, additions: &mut Additions) {
        if self.abi.is_side() {
            return;
        }
        let StateGlobals { state, buffer, bottom, .. } = self.globals;
        let shared = [Some(state), Some(buffer), bottom];
        for (name, global) in self.abi.shared().iter().zip(shared.into_iter().flatten()) {
            additions.export(name, ExternalKind::Global, global.0);
        }
    }

    /// What keeps references is exported where the host carries it over.
    fn export_carried(&self, additions: &mut Additions) {
        for (name, table, globals) in self.keepers.carried(self.abi) {
            additions.export(&name, ExternalKind::Table, table);
            for (name, global) in globals {
                additions.export(&name, ExternalKind::Global, global.0);
            }
        }
    }
}
