//! What is appended to the module: the state, the ABI's functions, and the helpers that all frames
//! are saved and restored through.
//!
//! # State
//!
//! | global | type | meaning |
//! |--------|------|---------|
//! | state | i32 | 0 normal, 1 unwinding, 2 rewinding, 3 rewinding since there was no room |
//! | buffer | i32 | the address that the last unwind or rewind began with |
//! | cursor | i32 | the address of the next slot to load, within the frame that a rewind restores |
//!
//! # The buffer
//!
//! | offset | size | type | meaning |
//! |-------:|-----:|------|---------|
//! | 0 | 4 | i32 | `pos`: address behind the last frame |
//! | 4 | 4 | i32 | `end`: first address that must not be written; 0: the end of the memory |
//! | 8 | | | the saved globals in declaration order, each aligned to its size, relative to the buffer |
//! | | | | the reserve: room for the largest frame, where one is put for which there is none at `pos` |
//! | | | | the frames, the innermost function's first |
//!
//! No frame reaches beyond `end`, the memory's end or 2^32 - 1, the largest `pos`. What is popped
//! lies between the end of the reserve and that limit, and its site belongs to the function; else a
//! trap.
//!
//! `pos` and `end` are read from memory each time, and `pos` is written back with every frame, so a
//! host may look at them, fill or move them whenever no instrumented code is running.

use crate::emit::{Additions, NewTypes, Signature};
use crate::index::{FuncIdx, GlobalIdx, IndexType, TagIdx};
use crate::plan::{
    Frame, LabelType, Plan, SLOT_TYPES, Slot, Undo, WPK_FORK_EXPORTS, runs, slot_bytes,
    type_ordinal,
};
use crate::read::{FuncKind, Module};
use std::collections::BTreeMap;
use wasm_encoder::{
    BlockType, ConstExpr, Encode, ExportKind, Function, GlobalType, SectionId, TagKind, TagType,
    ValType,
};

/// Offset of the saved globals in the buffer.
const GLOBALS: u64 = 8;

/// A function that is appended.
pub(super) struct NewFunc {
    pub name: String,
    pub ty: u32,
    pub body: Function,
    /// Whether it is exported, under its name.
    pub exported: bool,
}

/// A saved global and where it is in the buffer.
pub(super) struct SavedGlobal {
    pub index: GlobalIdx,
    pub ty: wasmparser::ValType,
    pub offset: u64,
}

/// Everything that is appended, with its indices.
pub(super) struct Runtime {
    pub types: NewTypes,
    pub state: GlobalIdx,
    pub buffer: GlobalIdx,
    pub cursor: GlobalIdx,
    /// Where the first frame lies, relative to the buffer.
    pub frames: u64,
    pub limit: FuncIdx,
    /// Where the reserve lies, relative to the buffer.
    pub reserve: u64,
    /// Gives the address of the frame that is being written.
    pub room: FuncIdx,
    /// Ends a frame.
    pub seal: FuncIdx,
    /// Asks whether there is room for a frame, for functions that are undone by a loop.
    pub probe: FuncIdx,
    pub pop: FuncIdx,
    /// For each import that sites call directly, the function that they call instead.
    callers: BTreeMap<FuncIdx, FuncIdx>,
    /// The resume functions, by the functions that they belong to.
    resumes: BTreeMap<FuncIdx, FuncIdx>,
    /// Their types, in order.
    resume_types: Vec<u32>,
    /// A tag without values, for handlers that catch all; where there are any.
    pub any_tag: Option<TagIdx>,
    pub any_tag_type: u32,
    multi_value: bool,
    helpers: BTreeMap<(usize, usize), Helpers>,
    pub funcs: Vec<NewFunc>,
}

/// How many functions every module gets: the ABI's, and `limit`, `push`, `push_always`, `pop`.
const ALWAYS_ADDED: usize = WPK_FORK_EXPORTS.len() + 5;

/// The global that holds the state: the first that is appended.
pub(super) fn state(module: &Module<'_>) -> GlobalIdx {
    GlobalIdx::from_usize(module.globals.len())
}

/// The function that traps, which is appended where there are guards.
pub(super) fn unprepared(module: &Module<'_>) -> FuncIdx {
    FuncIdx::from_usize(module.funcs.len() + ALWAYS_ADDED)
}

/// The helpers for some number of values of one type.
#[derive(Default, Clone, Copy)]
struct Helpers {
    save: Option<FuncIdx>,
    load: Option<FuncIdx>,
}

impl Runtime {
    /// Lays out what `plan` needs.
    pub fn layout(module: &Module<'_>, plan: &Plan) -> Runtime {
        let mut types = NewTypes::new(module);
        for (_, label) in plan.funcs.iter().flat_map(|func| &func.entered().1.label_types) {
            if let LabelType::Results(results) = label {
                let results = results.iter().map(|ty| types.val_type(*ty)).collect();
                types.add(Signature { params: Vec::new(), results });
            }
        }
        let global = |position| GlobalIdx(state(module).0 + position);
        let mut runtime = Runtime {
            types,
            state: global(0),
            buffer: global(1),
            cursor: global(2),
            frames: 0,
            limit: FuncIdx(0),
            reserve: 0,
            room: FuncIdx(0),
            seal: FuncIdx(0),
            probe: FuncIdx(0),
            pop: FuncIdx(0),
            callers: BTreeMap::new(),
            resumes: BTreeMap::new(),
            resume_types: Vec::new(),
            any_tag: None,
            any_tag_type: 0,
            multi_value: plan.multi_value,
            helpers: BTreeMap::new(),
            funcs: Vec::new(),
        };
        let regions = plan.funcs.iter().flat_map(|func| &func.entered().1.regions);
        let mut handlers = regions.flat_map(|region| &region.dispatch.handlers);
        if handlers.any(|handler| handler.tag.is_none()) {
            runtime.any_tag = Some(TagIdx(module.types().tag_count()));
            let nothing = Signature { params: Vec::new(), results: Vec::new() };
            runtime.any_tag_type = runtime.types.add(nothing);
        }
        runtime.append(module, plan);
        runtime
    }

    /// The names of the appended globals, in index order from `state`.
    pub fn global_names() -> [&'static str; 3] {
        ["wpk_fork_state", "wpk_fork_buffer", "wpk_fork_cursor"]
    }

    fn append(&mut self, module: &Module<'_>, plan: &Plan) {
        let page_log2 = module.memories.iter().next().and_then(|memory| memory.ty.page_size_log2);
        let first = module.funcs.len();
        let (saved, reserve) = lay_out_globals(module, plan);
        self.reserve = reserve;
        let by_call = plan.funcs.iter().filter(|func| func.undo == Undo::Call);
        self.frames = reserve + by_call.map(|func| u64::from(func.frame.bytes)).max().unwrap_or(0);
        // The helper `limit` comes right after the ABI's functions.
        self.limit = FuncIdx::from_usize(first + WPK_FORK_EXPORTS.len());
        let [unwind_begin, unwind_end, rewind_begin, resume_begin, rewind_end, state] =
            WPK_FORK_EXPORTS;
        let i32s = |count| vec![ValType::I32; count];
        self.add(first, unwind_begin, i32s(1), vec![], self.unwind_begin(&saved));
        self.add(first, unwind_end, vec![], vec![], self.unwind_end());
        let next = FuncIdx::from_usize(first + self.funcs.len() + 1);
        self.add(first, rewind_begin, i32s(1), vec![], self.rewind_begin(&saved, next));
        let resume = self.add(first, resume_begin, i32s(1), vec![], self.resume_begin());
        assert_eq!(resume, next, "it is what `rewind_begin` calls");
        self.add(first, rewind_end, vec![], vec![], self.rewind_end());
        let mut get_state = Function::new([]);
        get_state.instructions().global_get(self.state.0).end();
        self.add(first, state, vec![], i32s(1), get_state);
        for func in &mut self.funcs {
            func.exported = true;
        }
        let body = self.limit_body(page_log2.unwrap_or(16));
        let limit = self.add(first, "wpk_fork_limit", vec![], i32s(1), body);
        assert_eq!(limit, self.limit, "it comes right after the ABI's functions");
        self.room = self.add(first, "wpk_fork_room", i32s(1), i32s(1), self.room_body());
        self.seal = self.add(first, "wpk_fork_seal", i32s(3), i32s(1), self.seal_body(self.room));
        self.probe = self.add(first, "wpk_fork_probe", i32s(1), i32s(1), self.probe_body());
        self.pop = self.add(first, "wpk_fork_pop", i32s(3), i32s(1), self.pop_body());
        if !plan.guards.is_empty() {
            let mut trap = Function::new([]);
            trap.instructions().unreachable().end();
            let name = "wpk_fork_unprepared";
            let index = self.add(first, name, vec![], vec![], trap);
            assert_eq!(index, unprepared(module), "it comes right after what all modules get");
        }
        self.append_callers(module, plan);
        self.append_slot_helpers(first, plan);
        self.number_resumes(module, plan);
    }

    /// For each import that sites call directly, a function that calls it, and calls it again where the unwind that it
    /// began had no room at all.
    fn append_callers(&mut self, module: &Module<'_>, plan: &Plan) {
        for import in &plan.called_imports {
            let ty = module.func_type(*import);
            let vals = |types: &[wasmparser::ValType], new: &NewTypes| -> Vec<_> {
                types.iter().map(|ty| new.val_type(*ty)).collect()
            };
            let params = vals(ty.params(), &self.types);
            let results = vals(ty.results(), &self.types);
            let block = match results[..] {
                [] => BlockType::Empty,
                [result] => BlockType::Result(result),
                _ => {
                    let results = results.clone();
                    BlockType::FunctionType(self.types.add(Signature { params: vec![], results }))
                }
            };
            let body = self.caller_body(*import, params.len() as u32, block);
            let name = match &module.funcs[*import].kind {
                FuncKind::Import { name, .. } => format!("wpk_fork_call {name}"),
                FuncKind::Defined { .. } => unreachable!("only imports are called so"),
            };
            let caller = self.add(module.funcs.len(), &name, params, results, body);
            self.callers.insert(*import, caller);
        }
    }

    /// Resume functions come last; their bodies are written with all others.
    fn number_resumes(&mut self, module: &Module<'_>, plan: &Plan) {
        let first = module.funcs.len() + self.funcs.len();
        let apart = plan.funcs.iter().filter(|func| func.resume.is_some());
        self.resumes = apart.map(|func| func.func).zip((first as u32..).map(FuncIdx)).collect();
        for func in self.resumes.keys() {
            let results = module.func_type(*func).results();
            let results = results.iter().map(|ty| self.types.val_type(*ty)).collect();
            let ty = self.types.add(Signature { params: vec![], results });
            self.resume_types.push(ty);
        }
    }

    /// The function to call instead of an import.
    pub fn caller_of(&self, import: FuncIdx) -> FuncIdx {
        self.callers[&import]
    }

    /// The resume function of `func`, if it has one.
    pub fn resume_of(&self, func: FuncIdx) -> Option<FuncIdx> {
        self.resumes.get(&func).copied()
    }

    fn append_slot_helpers(&mut self, first: usize, plan: &Plan) {
        let mut wanted: BTreeMap<(usize, usize), (bool, bool)> = BTreeMap::new();
        for func in &plan.funcs {
            let exits = func.exits.iter().flat_map(|exits| &exits.exits);
            let saved = exits.map(|exit| &exit.slots).chain([&func.frame.slots]);
            for slots in saved.flat_map(|slots| runs(slots)) {
                wanted.entry((type_ordinal(slots[0].ty), slots.len())).or_default().0 = true;
            }
            for slots in self.load_chunks(&func.frame) {
                wanted.entry((type_ordinal(slots[0].ty), slots.len())).or_default().1 = true;
            }
        }
        for ((ordinal, count), (save, load)) in wanted {
            let ty = SLOT_TYPES[ordinal];
            let values = vec![self.types.val_type(ty); count];
            let mut helpers = Helpers::default();
            if save {
                let name = format!("wpk_fork_save_{ty}x{count}");
                let body = self.save_body(ty, count, self.room);
                let params = [&[ValType::I32], &values[..]].concat();
                helpers.save = Some(self.add(first, &name, params, vec![], body));
            }
            if load {
                let name = format!("wpk_fork_load_{ty}x{count}");
                let body = self.load_body(ty, count);
                helpers.load = Some(self.add(first, &name, vec![], values, body));
            }
            self.helpers.insert((ordinal, count), helpers);
        }
    }

    fn add(
        &mut self,
        first: usize,
        name: &str,
        params: Vec<ValType>,
        results: Vec<ValType>,
        body: Function,
    ) -> FuncIdx {
        let ty = self.types.add(Signature { params, results });
        self.funcs.push(NewFunc { name: name.into(), ty, body, exported: false });
        FuncIdx::from_usize(first + self.funcs.len() - 1)
    }

    /// Everything that is appended, as the sections take it, but for the resume functions.
    pub fn take_additions(&mut self, module: &Module<'_>) -> Additions {
        let mut additions = Additions::default();
        additions.types(&self.types);
        if self.any_tag.is_some() {
            let tag = TagType { kind: TagKind::Exception, func_type_idx: self.any_tag_type };
            additions.entry(SectionId::Tag, |out| tag.encode(out));
        }
        for (global, name) in (module.globals.len() as u32..).zip(Runtime::global_names()) {
            additions.entry(SectionId::Global, |out| {
                GlobalType { val_type: ValType::I32, mutable: true, shared: false }.encode(out);
                ConstExpr::i32_const(0).encode(out);
            });
            additions.names.globals.push((global, name.into()));
        }
        for (index, func) in (module.funcs.len() as u32..).zip(std::mem::take(&mut self.funcs)) {
            if func.exported {
                additions.entry(SectionId::Export, |out| {
                    func.name.as_str().encode(out);
                    ExportKind::Func.encode(out);
                    index.encode(out);
                });
            }
            additions.func(func.ty, func.body.into_raw_body());
            additions.names.funcs.push((index, func.name));
        }
        additions
    }

    /// How many functions are rewritten apart.
    pub fn resume_count(&self) -> usize {
        self.resumes.len()
    }

    /// Appends the resume functions, whose bodies are given in their order.
    pub fn add_resumes(self, module: &Module<'_>, bodies: Vec<Vec<u8>>, additions: &mut Additions) {
        let resumes = self.resumes.iter().zip(self.resume_types).zip(bodies);
        for (((func, resume), ty), body) in resumes {
            additions.func(ty, body);
            if let Some(name) = module.names.func(*func) {
                additions.names.funcs.push((resume.0, format!("{name} [resume]")));
            }
        }
    }

    /// The frame's slots as the calls of load helpers give them.
    pub fn load_chunks<'f>(&self, frame: &'f Frame) -> impl Iterator<Item = &'f [Slot]> + use<'f> {
        let most = if self.multi_value { usize::MAX } else { 1 };
        runs(&frame.slots).flat_map(move |run| run.chunks(most))
    }

    /// The helper that saves `count` values of `ty`.
    pub fn save_helper(&self, ty: wasmparser::ValType, count: usize) -> u32 {
        self.helper(ty, count).save.expect("laid out for all frames").0
    }

    /// The helper that loads `count` values of `ty`.
    pub fn load_helper(&self, ty: wasmparser::ValType, count: usize) -> u32 {
        self.helper(ty, count).load.expect("laid out for all frames").0
    }

    fn helper(&self, ty: wasmparser::ValType, count: usize) -> Helpers {
        self.helpers.get(&(type_ordinal(ty), count)).copied().unwrap_or_default()
    }
}

/// Places the saved globals; returns also where they end.
fn lay_out_globals(module: &Module<'_>, plan: &Plan) -> (Vec<SavedGlobal>, u64) {
    let mut offset = GLOBALS;
    let saved = plan
        .saved_globals
        .iter()
        .map(|&index| {
            let ty = module.globals[index].ty.content_type;
            let bytes = u64::from(slot_bytes(ty));
            let at = offset.next_multiple_of(bytes);
            offset = at + bytes;
            SavedGlobal { index, ty, offset: at }
        })
        .collect();
    (saved, offset)
}
