//! What an output has more than its original: the globals that hold the state, the functions that its host calls, and the
//! helpers. Each is recognised by its instructions (`pattern`), of which there is one specification here for each meaning: what
//! isn't recognised has none, and a function that calls it is rejected.
//!
//! Where the specifications differ from what the rewriter writes, one of the two is wrong; they are written down apart for that.

mod exceptions;
mod frames;
mod in_place;
mod pattern;
mod protocol;
mod references;

pub(super) use pattern::Names;

use super::added::Protocol;
use super::carried;
use super::fault::Fault;
use super::forwarders::forwarded;
use crate::abi::{Abi, AddressType, MARK_BYTES, Operation, SHARED_MODULE};
use crate::index::{FuncIdx, GlobalIdx, IndexType, MemoryIdx};
use crate::read::Module;
use crate::work;
use exceptions::Exceptions;
use pattern::{Matcher, Memory, spelled};
use references::Kept;
use std::collections::BTreeMap;
use wasmparser::{MemArgTarget, Operator, ValType};

/// What a helper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Helper {
    /// `(func) -> ordinal`: takes the frame on top, whose mark must name the function; the cursor is at its start.
    Pop,
    /// `(ordinal, mark) -> undo`: ends the frame; whether it is in the reserve.
    Seal,
    /// `(bytes) -> undo`: whether there is no room for a frame.
    Probe,
    /// `(offset, values…)`: writes so many values to the frame.
    Save(ValType, usize),
    /// `(ordinal, mark, values…) -> undo`: writes them to the end of the frame, and does what `Seal` does.
    SaveLast(ValType, usize),
    /// `() -> values…`: reads so many values at the cursor, and moves it on.
    Load(ValType, usize),
    /// `(func) -> ordinal, values…`: does what `Pop` does, and then what `Load` does.
    LoadFirst(ValType, usize),
    /// Calls the import, again as long as its unwind had no room to begin.
    Caller(FuncIdx),
    /// `(offset, reference)`: writes a cell of so many bytes for a reference of a table's type.
    ///
    /// `takes_all`: any can be saved.
    SaveReference { table: u32, cell_bytes: u64, takes_all: bool },
    /// `() -> reference`: reads such a cell at the cursor, and moves it on.
    LoadReference { table: u32, cell_bytes: u64 },
    /// `(reference)`: notes whether it can't be saved, for `probe`.
    Check,
    /// `() -> value`: makes something that nobody looks at.
    Dummy,
    /// `()`: the unwind is undone.
    Undo,
    /// `(func) -> bool`: whether the frame on top is another function's.
    Other,
    /// `() -> results`: goes on in the function whose frame is on top.
    Lookup,
    /// A part of others: nothing else calls it.
    Inner,
}

/// What was appended, as far as it is understood.
pub(super) struct Runtime {
    /// The global that holds the state.
    pub state: GlobalIdx,
    /// The global that holds the address of the next cell to load.
    pub cursor: Option<GlobalIdx>,
    /// The global that notes that a frame can't be saved, if there is one.
    pub unsaved: Option<GlobalIdx>,
    /// What functions may call.
    pub helpers: BTreeMap<FuncIdx, Helper>,
    /// Whether the protocol undoes unwinds.
    pub can_undo: bool,
    /// Room in the reserve, where a frame lies for which there is none elsewhere.
    pub reserve_bytes: u64,
    /// The bits of marks that name the module.
    pub module: u64,
    /// The helpers `(kind, values…)` that throw an exception of a kind.
    pub throws: BTreeMap<FuncIdx, Vec<Kind>>,
    /// For each forwarder the functions that it leads to, by their numbers.
    pub forwarders: BTreeMap<FuncIdx, Vec<FuncIdx>>,
}

/// A kind of exceptions that a helper throws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Its number.
    pub kind: u32,
    pub tag: u32,
    /// The parameters that they carry.
    pub places: Vec<u32>,
}

impl Runtime {
    /// Recognises what `output` has more than `module`.
    ///
    /// # Errors
    /// What the protocol needs and is not as specified.
    pub fn find(
        module: &Module<'_>,
        output: &Module<'_>,
        (abi, in_place): Protocol<'_>,
    ) -> Result<Runtime, Fault> {
        let exported = |operation| exported(output, abi, operation);
        let begin = exported(Operation::BeginUnwind)?;
        let memory = memory(output, abi, begin)?;
        let mut finder = Finder { module, output, abi, memory, names: Names::default() };
        finder.unprepared()?;
        for operation in [
            Operation::GetState,
            Operation::BeginUnwind,
            Operation::EndUnwind,
            Operation::BeginResume,
            Operation::BeginRewind,
            Operation::EndRewind,
        ] {
            if abi.export(operation).is_none() {
                continue;
            }
            let func = exported(operation)?;
            let address = if memory.is_wide { AddressType::I64 } else { AddressType::I32 };
            let (params, results) = abi.signature(operation, address);
            let ty = output.func_type(func);
            let fits = (ty.params(), ty.results()) == (&params[..], &results[..]);
            if !fits || !finder.is(func, &protocol::candidates(&finder, operation)) {
                return Err(Fault::new("the host's function is not as specified").in_func(func));
            }
            finder.in_place(in_place, operation, func)?;
        }
        let mut helpers = BTreeMap::new();
        finder.private(&mut helpers)?;
        carried::exported(output, abi, module.tables.len(), &finder.names.globals)?;
        let Names { globals, numbers, .. } = &finder.names;
        let number = |name: &str| numbers.get(name).copied();
        let (frames, reserve) = (number("frames"), number("reserve"));
        // In the reserve, a frame's mark lies in front of its slots.
        if reserve.map(|reserve| reserve + u64::from(MARK_BYTES)) != number("slots") {
            return Err(Fault::new("the reserve's parts overlap"));
        }
        let behind = protocol::globals(module, abi, finder.address_bytes()).1;
        let reserve_bytes = match (frames, reserve) {
            // What there is no room for traps.
            _ if !abi.can_undo() => Some(u64::MAX),
            (Some(frames), Some(reserve)) if reserve >= behind => frames.checked_sub(reserve),
            _ => None,
        };
        let reserve_bytes =
            reserve_bytes.ok_or_else(|| Fault::new("the buffer's parts overlap"))?;
        finder.are_new()?;
        let reserve = reserve.unwrap_or_default();
        let mut lists: Vec<_> = numbers
            .iter()
            .filter(|(name, _)| name.starts_with("list"))
            .map(|(_, at)| *at)
            .collect();
        lists.sort_unstable();
        let apart = lists.windows(2).all(|pair| pair[0] + 4 <= pair[1]);
        let inside = lists.iter().all(|at| *at >= behind && at + 4 <= reserve);
        if !apart || !inside {
            return Err(Fault::new("the buffer's parts overlap"));
        }
        let appended = (module.funcs.len()..output.funcs.len()).map(FuncIdx::from_usize);
        let mut forwarders = BTreeMap::new();
        for func in appended.filter(|func| !helpers.contains_key(func)) {
            if let Some(forwarded) = forwarded(output, func)? {
                forwarders.insert(func, forwarded);
            }
        }
        Ok(Runtime {
            state: globals["state"],
            cursor: globals.get("cursor").copied(),
            unsaved: globals.get("unsaved").copied(),
            can_undo: abi.can_undo(),
            helpers,
            reserve_bytes,
            module: number("module").unwrap_or_default(),
            throws: finder.throws(),
            forwarders,
        })
    }
}

fn exported(output: &Module<'_>, abi: Abi, operation: Operation) -> Result<FuncIdx, Fault> {
    let name = abi.export(operation).unwrap_or_default();
    let found = output.exported_funcs().find(|(export, _)| *export == name);
    let found = found.map(|(_, func)| func).filter(|func| !output.is_import(*func));
    found.ok_or_else(|| Fault::new(format!("the export `{name}` is missing")))
}

/// The memory that frames go to: the one that the unwind's begin writes to.
fn memory(output: &Module<'_>, abi: Abi, begin: FuncIdx) -> Result<Memory, Fault> {
    let is_host_s = abi.is_asyncify();
    let stores = operators(output, begin)?.into_iter().find_map(|operator| match operator {
        // The host has written it.
        Operator::I32Load { memarg } | Operator::I64Load { memarg } if is_host_s => {
            Some(memarg.target)
        }
        Operator::I32Store { memarg } | Operator::I64Store { memarg } => Some(memarg.target),
        _ => None,
    });
    let index = match stores {
        Some(MemArgTarget::Memory(index)) => MemoryIdx(index),
        _ => return Err(Fault::new("the unwind's begin writes no frame's place").in_func(begin)),
    };
    let Some(memory) = output.memories.get(index) else {
        return Err(Fault::new("frames go to no memory"));
    };
    let is_wide = AddressType::of(&memory.ty) == AddressType::I64;
    let (page_log2, is_apart) = (memory.ty.page_size_log2.unwrap_or(16), abi == Abi::WpkForkSide);
    Ok(Memory { index, is_wide, is_apart, page_log2 })
}

fn operators<'a>(module: &Module<'a>, func: FuncIdx) -> Result<Vec<Operator<'a>>, Fault> {
    let located = module.operators(func)?;
    Ok(located.map(|located| located.map(|located| located.operator)).collect::<Result<_, _>>()?)
}

/// Finds out what appended functions are.
pub(super) struct Finder<'f, 'a> {
    module: &'f Module<'a>,
    output: &'f Module<'a>,
    abi: Abi,
    memory: Memory,
    names: Names,
}

impl Finder<'_, '_> {
    fn address_bytes(&self) -> u64 {
        if self.memory.is_wide { 8 } else { 4 }
    }

    /// The function that tells the host who was not prepared for an unwind, if there is one.
    fn unprepared(&mut self) -> Result<(), Fault> {
        let name = self.abi.unprepared();
        let Some((_, func)) = self.output.exported_funcs().find(|(export, _)| *export == name)
        else {
            return Ok(());
        };
        let ty = self.output.func_type(func);
        let fits = ty.params().is_empty() && ty.results() == [ValType::I32];
        match fits && self.is(func, &[protocol::UNPREPARED.into()]) {
            true => Ok(()),
            false => Err(Fault::new("the host's function is not as specified").in_func(func)),
        }
    }

    /// Whether a function is as one of the specifications says; what that tells of names is kept.
    fn is(&mut self, func: FuncIdx, specifications: &[String]) -> bool {
        for specification in specifications {
            work::count(1);
            // Most functions are something else, which their first instructions tell.
            let Ok(operators) = self.output.operators(func) else { return false };
            let operators = operators.map_while(|located| Some(located.ok()?.operator));
            let mut names = self.names.clone();
            let mut matcher = Matcher { memory: self.memory, names: &mut names };
            if matcher.body(specification, operators) {
                self.names = names;
                return true;
            }
        }
        false
    }

    /// Recognises the functions that are not exported. Those that others call come first, so that their names are known.
    fn private(&mut self, helpers: &mut BTreeMap<FuncIdx, Helper>) -> Result<(), Fault> {
        let appended = (self.module.funcs.len()..self.output.funcs.len()).map(FuncIdx::from_usize);
        let mut rest: Vec<_> = appended.collect();
        let (i32, i64) = (ValType::I32, ValType::I64);
        let at = if self.memory.is_wide { i64 } else { i32 };
        let known = [
            ("limit", Helper::Inner, frames::limit(self), (vec![], at)),
            ("room", Helper::Inner, frames::room(self), (vec![at], at)),
            ("end_frame", Helper::Inner, frames::end_frame(self), (vec![i32, i64], at)),
            ("pop", Helper::Pop, frames::pop(self), (vec![i32], i32)),
            ("seal", Helper::Seal, frames::seal(self), (vec![i32, i64], i32)),
            ("probe", Helper::Probe, frames::probe(self), (vec![at], i32)),
        ];
        for (name, helper, specifications, (params, result)) in known {
            let named = self.names.funcs.get(name).copied();
            let mut found = rest.iter().filter(|func| named.is_none_or(|named| named == **func));
            let found = found.find(|func| {
                let ty = self.output.func_type(**func);
                let fits = (ty.params(), ty.results()) == (&params[..], &[result][..]);
                fits && self.is(**func, &specifications)
            });
            let found = found.copied();
            let Some(func) = found else {
                let what = format!("the helper `{name}` is missing, or not as specified");
                return Err(named.map_or(Fault::new(&what), |func| Fault::new(&what).in_func(func)));
            };
            self.names.funcs.insert(name.into(), func);
            helpers.insert(func, helper);
            rest.retain(|other| *other != func);
        }
        self.tails(&mut rest, helpers);
        for func in &rest {
            work::count(1);
            if let Some(helper) = self.by_signature(*func) {
                helpers.insert(*func, helper);
            }
        }
        let kept = self.references(&rest, helpers);
        self.release(&kept)
    }

    /// What finds out whose the frame on top is.
    fn tails(&mut self, rest: &mut Vec<FuncIdx>, helpers: &mut BTreeMap<FuncIdx, Helper>) {
        let top = frames::top(self);
        let Some(top) = rest.iter().copied().find(|func| self.is(*func, &top)) else { return };
        self.names.funcs.insert("top".into(), top);
        helpers.insert(top, Helper::Inner);
        for func in rest.iter() {
            let begins = self.output.operators(*func).ok().into_iter().flatten().take(2);
            let begins: Vec<_> =
                begins.filter_map(|located| Some(located.ok()?.operator)).collect();
            let calls =
                [Operator::Call { function_index: top.0 }, Operator::LocalSet { local_index: 0 }];
            let has_params = !self.output.func_type(*func).params().is_empty();
            if !has_params && begins == calls {
                helpers.insert(*func, Helper::Lookup);
            } else if has_params && self.is(*func, &frames::other()) {
                helpers.insert(*func, Helper::Other);
            }
        }
        rest.retain(|func| !helpers.contains_key(func));
    }

    /// The function by which the host lets go of references.
    fn release(&mut self, kept: &[Kept]) -> Result<(), Fault> {
        let name = self.abi.release();
        let Some((_, func)) = self.output.exported_funcs().find(|(export, _)| *export == name)
        else {
            return Ok(());
        };
        let unlinked = self.unlinked();
        let ty = self.output.func_type(func);
        let params = usize::from(!self.abi.is_asyncify() && self.abi != Abi::WpkForkSide);
        let fits = ty.results().is_empty() && ty.params().len() == params;
        match fits && self.is(func, &[protocol::release(self, kept, &unlinked)]) {
            true => Ok(()),
            false => Err(Fault::new("the host's function is not as specified").in_func(func)),
        }
    }

    /// No cell is linked any more.
    fn unlinked(&self) -> String {
        let lists = self.names.numbers.keys().filter(|name| name.starts_with("list")).count();
        protocol::unlinked(lists)
    }

    /// The helpers for references, and what makes results that nobody looks at.
    fn references(
        &mut self,
        funcs: &[FuncIdx],
        helpers: &mut BTreeMap<FuncIdx, Helper>,
    ) -> Vec<Kept> {
        let mut all = Vec::new();
        let tables = self.module.tables.len() as u32..self.output.tables.len() as u32;
        let unlinked = self.unlinked();
        let narrow = if self.memory.is_wide { "i32.wrap_i64" } else { "" };
        for (table, ordinal) in tables.zip(0..) {
            let abi = self.abi;
            let ways = move || Kept::ways(abi, table, ordinal);
            let keep = funcs.iter().find(|func| self.is(**func, &[Kept::keep(first(ways()))]));
            let Some(keep) = keep else { continue };
            self.names.funcs.insert(format!("keep{ordinal}"), *keep);
            helpers.insert(*keep, Helper::Inner);
            self.exceptions(first(ways()), funcs, helpers);
            for kept in ways() {
                let cell_bytes = kept.cell_bytes();
                let mut find = |specification: String| {
                    let specifications = [specification];
                    funcs.iter().copied().find(|func| self.is(*func, &specifications))
                };
                let (Some(save), Some(load)) =
                    (find(kept.save(narrow)), find(kept.load(&unlinked)))
                else {
                    continue;
                };
                all.push(kept);
                let takes_all = kept.takes_all();
                helpers.insert(save, Helper::SaveReference { table, cell_bytes, takes_all });
                helpers.insert(load, Helper::LoadReference { table, cell_bytes });
                let checks = [kept.check()];
                for func in funcs {
                    let is_known = helpers.contains_key(func);
                    let takes_one = self.output.func_type(*func).params().len() == 1;
                    if !is_known && !kept.takes_all() && takes_one && self.is(*func, &checks) {
                        helpers.insert(*func, Helper::Check);
                    }
                }
            }
        }
        // Some call others.
        for func in funcs.iter().chain(funcs) {
            if !helpers.contains_key(func) && self.makes_a_dummy(*func, helpers) {
                helpers.insert(*func, Helper::Dummy);
            }
        }
        all
    }

    /// The helpers for exceptions, if a table is one for them.
    fn exceptions(
        &mut self,
        kept: Kept,
        funcs: &[FuncIdx],
        helpers: &mut BTreeMap<FuncIdx, Helper>,
    ) {
        let table = kept.table;
        for load in funcs {
            let ty = self.output.func_type(*load);
            if !ty.params().is_empty() || ty.results().len() != 1 {
                continue;
            }
            let Ok(operators) = operators(self.output, *load) else { continue };
            let Some(exceptions) = Exceptions::read_off(kept, &operators) else { continue };
            if !self.is(*load, &[exceptions.load()]) {
                continue;
            }
            let cell_bytes = exceptions.cell_bytes();
            helpers.insert(*load, Helper::LoadReference { table, cell_bytes });
            let (saves, checks) = (exceptions.save(), exceptions.check());
            for func in funcs.iter().filter(|func| *func != load) {
                match self.output.func_type(*func).params().len() {
                    2 if self.is(*func, &saves) => {
                        let save = Helper::SaveReference { table, cell_bytes, takes_all: false };
                        helpers.insert(*func, save);
                    }
                    1 if self.is(*func, &checks) => _ = helpers.insert(*func, Helper::Check),
                    _ => {}
                }
            }
        }
    }

    /// Whether a function has no effect and can't trap.
    fn makes_a_dummy(&self, func: FuncIdx, helpers: &BTreeMap<FuncIdx, Helper>) -> bool {
        let ty = self.output.func_type(func);
        let Ok(operators) = self.output.operators(func) else { return false };
        let mut operators = operators.map_while(|located| Some(located.ok()?.operator));
        let is_harmless = |operator: Operator<'_>| match operator {
            Operator::Call { function_index } => {
                helpers.get(&FuncIdx(function_index)) == Some(&Helper::Dummy)
            }
            Operator::RefFunc { .. }
            | Operator::RefNull { .. }
            | Operator::RefI31
            | Operator::ExternConvertAny
            | Operator::StructNew { .. }
            | Operator::ArrayNewFixed { .. }
            | Operator::I32Const { .. }
            | Operator::I64Const { .. }
            | Operator::F32Const { .. }
            | Operator::F64Const { .. }
            | Operator::V128Const { .. }
            | Operator::End => true,
            _ => false,
        };
        ty.params().is_empty() && ty.results().len() == 1 && operators.all(is_harmless)
    }

    /// The helpers that throw exceptions.
    fn throws(&self) -> BTreeMap<FuncIdx, Vec<Kind>> {
        let appended = (self.module.funcs.len()..self.output.funcs.len()).map(FuncIdx::from_usize);
        let kinds = |func| {
            let begins = self.output.operators(func).ok()?.take(3);
            let third = begins.filter_map(|located| Some(located.ok()?.operator)).nth(2);
            if third != Some(Operator::I32Eq) {
                return None;
            }
            Some((func, frames::kinds(&operators(self.output, func).ok()?)?))
        };
        appended.filter_map(kinds).collect()
    }

    /// Helpers that there are several of.
    fn by_signature(&mut self, func: FuncIdx) -> Option<Helper> {
        let ty = self.output.func_type(func);
        let (params, results) = (ty.params().to_vec(), ty.results().to_vec());
        match (&params[..], &results[..]) {
            ([], []) if self.is(func, &frames::undo(self)) => return Some(Helper::Undo),
            ([_, values @ ..], []) => {
                if let Some(ty) = only(values)
                    && self.is(func, &frames::save(self, ty, values.len()))
                {
                    return Some(Helper::Save(ty, values.len()));
                }
            }
            ([ValType::I32, ValType::I64, values @ ..], [ValType::I32]) => {
                if let Some(ty) = only(values)
                    && self.is(func, &frames::save_last(self, ty, values.len()))
                {
                    return Some(Helper::SaveLast(ty, values.len()));
                }
            }
            ([ValType::I32], [ValType::I32, values @ ..]) => {
                if let Some(ty) = only(values)
                    && self.is(func, &frames::load_first(self, ty, values.len()))
                {
                    return Some(Helper::LoadFirst(ty, values.len()));
                }
            }
            ([], values) => {
                if let Some(ty) = only(values)
                    && self.is(func, &[frames::load(self, ty, values.len())])
                {
                    return Some(Helper::Load(ty, values.len()));
                }
            }
            _ => {}
        }
        let import = self.calls_again(func, params.len())?;
        let same = self.output.func_type(import) == self.output.func_type(func);
        (same && self.output.is_import(import)).then_some(Helper::Caller(import))
    }

    /// The function that another calls with its parameters, and again in the state in which an unwind had no room.
    fn calls_again(&self, func: FuncIdx, params: usize) -> Option<FuncIdx> {
        let mut operators = self.output.operators(func).ok()?;
        let mut operators = operators.by_ref().map_while(|located| Some(located.ok()?.operator));
        let Some(Operator::Loop { .. }) = operators.next() else { return None };
        let first: Vec<_> = operators.by_ref().take(params + 1).collect();
        let Some(Operator::Call { function_index }) = first.last() else { return None };
        let called = FuncIdx(*function_index);
        let mut specification: String =
            (0..params).map(|param| format!("local.get {param} ")).collect();
        specification += &format!("call {function_index} {} br_if 0 end", frames::is_in(3));
        let mut names = self.names.clone();
        let mut matcher = Matcher { memory: self.memory, names: &mut names };
        matcher.body(&specification, first.into_iter().chain(operators)).then_some(called)
    }

    /// What holds the state is none of the original's, unless that imports it.
    fn are_new(&self) -> Result<(), Fault> {
        let Names { globals, funcs, .. } = &self.names;
        let first = GlobalIdx::from_usize(self.module.globals.len());
        let is_shared = |name: &str, global: GlobalIdx| {
            let position = ["state", "buffer", "bottom"].iter().position(|shared| *shared == name);
            let import = self.module.globals.get(global).and_then(|global| global.import);
            position.zip(import).is_some_and(|(position, import)| {
                import.module == SHARED_MODULE
                    && self.abi.shared().get(position) == Some(&import.name)
            })
        };
        let is_side = self.abi.is_side();
        let mut old = globals.iter().filter(|(_, global)| **global < first);
        if let Some((name, global)) =
            old.find(|(name, global)| !is_side || !is_shared(name, **global))
        {
            return Err(Fault::new(format!(
                "global {} of the original is `{name}`",
                global.as_usize()
            )));
        }
        let mut all: Vec<_> = globals.values().collect();
        all.sort_unstable();
        all.dedup();
        if all.len() != globals.len() {
            return Err(Fault::new("one global holds two things"));
        }
        let first = FuncIdx::from_usize(self.module.funcs.len());
        match funcs.values().find(|func| **func < first) {
            Some(func) => Err(Fault::new("a helper is a function of the original").in_func(*func)),
            None => Ok(()),
        }
    }
}

fn first(mut ways: impl Iterator<Item = Kept>) -> Kept {
    ways.next().expect("there are several ways")
}

/// The type that all of these are of, if it is one that frames hold as it is.
fn only(types: &[ValType]) -> Option<ValType> {
    let first = *types.first()?;
    let same = types.iter().all(|ty| *ty == first);
    (same && !first.is_reference_type()).then_some(first)
}
