//! What a rewritten function does while it is rewound: it takes its frame, restores what that holds, and gets to the call that
//! the original stands at.
//!
//! Nothing else may happen on the way, but what can't be seen: operators that only read may run again, on operands on which they
//! ran before, so that they don't trap. Their results are not what they were, unless they depend on the operands alone.
//!
//! Assumed: tables are what they were when a reference is got from one again, to be called.

use super::activation::{Activation, Mode, Stop};
use super::again::{always_gives_the_same, may_run_again};
use super::body::{Body, BodyRoom, Handler, arity};
use super::fault::Fault;
use super::frame::{Cell, Frame};
use super::runtime::Helper;
use super::simulate::{Simulation, Which};
use super::step::Callee;
use super::unwind::Frozen;
use super::values::{Term, Value};
use crate::abi::slot_bytes;
use crate::analyze::{Site, Target};
use crate::index::{FuncIdx, GlobalIdx, IndexType};
use crate::read::{Arity, Module};
use std::rc::Rc;
use wasmparser::{HeapType, ModuleArity, Operator, RefType, UnpackedIndex, ValType};

/// What a rewind has of the frame.
struct Taken<'f> {
    /// The frame; none where an unwind is undone with all locals in place.
    frame: Option<&'f Frame>,
    /// Where the next cell is read, once the frame was taken.
    cursor: Option<u64>,
}

impl<'a> Simulation<'_, 'a> {
    /// Finds the resume function: what the function calls, and nothing else, when it is rewound.
    pub fn find_resume(&mut self) -> Result<(), Fault> {
        let mut copy = Activation::default();
        copy.enter(&self.own, &mut self.values, &[]);
        self.run_copy(Which::Own, &mut copy, Mode::Rewinding)?;
        let own = Rc::clone(&self.own);
        let operator = own.operator(copy.at);
        let func = match *operator {
            Operator::Call { .. } => self.called(Which::Own, operator, &mut copy)?,
            // Calls of the original come behind the frame.
            Operator::CallIndirect { table_index, .. } if self.is_new_table(table_index) => {
                self.called(Which::Own, operator, &mut copy)?
            }
            Operator::ReturnCall { .. } => return self.find_looked_up(copy.at),
            _ => return Ok(()),
        };
        if !self.is_new(func) || self.modules.runtime.helpers.contains_key(&func) {
            return Ok(());
        }
        let body = Rc::new(self.resume_body(func)?);
        let results: Vec<_> = (0..body.results).map(|_| self.values.opaque()).collect();
        copy.stack.extend(&results);
        copy.at += 1;
        self.run_copy(Which::Own, &mut copy, Mode::Any)?;
        let returns = matches!(self.own.operator(copy.at), Operator::Return | Operator::End);
        if !returns || !copy.stack.ends_with(&results) {
            return Err(Fault::new("what its resume function gives is not returned"));
        }
        self.resume = Some((func, body));
        Ok(())
    }

    /// The body of a function that is to be the resume function.
    fn resume_body(&self, func: FuncIdx) -> Result<Body<'a>, Fault> {
        let output = self.modules.output;
        let body = match self.modules.pair.map(|pair| pair.body(output, func)) {
            Some(Ok(Some(body))) => body,
            Some(Err(fault)) => return Err(fault),
            _ => Body::read(output, func, BodyRoom::default())?,
        };
        if body.params > 0 || body.results != self.own.results {
            return Err(self.calls(func, "while it is rewound"));
        }
        Ok(body)
    }

    /// The same where its frames are looked up with those of others.
    fn find_looked_up(&mut self, at: u32) -> Result<(), Fault> {
        let has_frames = self.sites.iter().any(|site| !site.leaves_no_frame());
        if let Some(lookup) = self.lookup(at).filter(|_| has_frames) {
            let func = self.looked_up(lookup, self.func)?;
            if func == self.func || !self.is_new(func) {
                return Err(Fault::new("a rewind finds its frame, and enters another function"));
            }
            self.resume = Some((func, Rc::new(self.resume_body(func)?)));
        }
        Ok(())
    }

    fn is_new(&self, func: FuncIdx) -> bool {
        func.as_usize() >= self.modules.original.funcs.len()
    }

    fn is_new_table(&self, table: u32) -> bool {
        table as usize >= self.modules.original.tables.len()
    }

    /// Follows a rewind from the call of the function on, to the site that its frame is of.
    pub fn rewind(&mut self, frame: &Frame, frozen: &Frozen) -> Result<(), Fault> {
        let which = if self.resume.is_some() { Which::Resume } else { Which::Own };
        let body = Rc::clone(self.body(which));
        let mut copy = self.spare.activation();
        copy.enter(&body, &mut self.values, &[]);
        self.rewind_from(which, copy, Some(frame), frozen)
    }

    /// Follows a rewind that is on its way.
    pub fn rewind_from(
        &mut self,
        which: Which,
        mut copy: Activation,
        frame: Option<&Frame>,
        frozen: &Frozen,
    ) -> Result<(), Fault> {
        let mut taken = Taken { frame, cursor: None };
        let arrived = self.follow_rewind(which, &mut copy, &mut taken, frozen);
        let place = self.place_of(which, frozen.0.at, copy.at);
        arrived.map_err(|fault| fault.at(place))?;
        if taken.frame.is_some() && taken.cursor.is_none() {
            return Err(Fault::new("the frame is not taken").at(place));
        }
        (copy.joined, copy.entered) = (false, None);
        let mut state = self.spare.any();
        state.original.assign(&frozen.0);
        state.performed.clone_from(&frozen.1);
        std::mem::swap(&mut state.copy, &mut copy);
        self.spare.take_activation(copy);
        self.keep(which, state, false).map_err(|fault| fault.at(place))
    }

    fn follow_rewind(
        &mut self,
        which: Which,
        copy: &mut Activation,
        taken: &mut Taken<'_>,
        frozen: &Frozen,
    ) -> Result<(), Fault> {
        let mut backs = 0;
        loop {
            if self.run_copy(which, copy, Mode::Rewinding)? == Stop::Back {
                // Where an unwind is undone from inside of a handler.
                backs += 1;
                if taken.frame.is_some() || backs > 1 {
                    return Err(Fault::new("it loops while it is rewound"));
                }
                continue;
            }
            let body = Rc::clone(self.body(which));
            let operator = body.operator(copy.at);
            match *operator {
                Operator::Throw { tag_index } => {
                    let arity = Arity(self.modules.output).tag_type_arity(tag_index);
                    let payload = copy.pop_many(arity.unwrap_or_default().0 as usize)?;
                    self.throw(which, copy, tag_index, &payload)?;
                    continue;
                }
                Operator::Call { function_index }
                    if self.throws_anew(which, copy, FuncIdx(function_index))? =>
                {
                    continue;
                }
                Operator::Call { function_index }
                    if self.helps(copy, taken, FuncIdx(function_index))? => {}
                Operator::Call { .. }
                | Operator::CallIndirect { .. }
                | Operator::CallRef { .. } => {
                    return self.arrive_rewinding(operator, copy, &frozen.0);
                }
                Operator::GlobalGet { global_index } => {
                    let is_cursor = self.modules.runtime.cursor == Some(GlobalIdx(global_index));
                    let value = match taken.cursor.filter(|_| is_cursor) {
                        Some(offset) => self.values.cursor(offset),
                        None => self.values.opaque(),
                    };
                    copy.stack.push(value);
                }
                Operator::GlobalSet { global_index }
                    if self.modules.runtime.cursor == Some(GlobalIdx(global_index)) =>
                {
                    let value = copy.pop()?;
                    match (self.values.term(value), taken.cursor) {
                        (Term::Cursor(offset), Some(_)) => taken.cursor = Some(offset),
                        _ => return Err(Fault::new("the cursor is set to something else")),
                    }
                }
                Operator::MemorySize { .. } | Operator::TableSize { .. } => {
                    let value = self.values.opaque();
                    copy.stack.push(value);
                }
                _ if may_run_again(operator) => self.again(operator, copy, frozen)?,
                _ => return Err(self.does(operator, "on its way to the site")),
            }
            copy.at += 1;
        }
    }

    /// Throws what a handler had caught, so that it catches that.
    fn throw(
        &mut self,
        which: Which,
        copy: &mut Activation,
        tag: u32,
        payload: &[Value],
    ) -> Result<(), Fault> {
        let handlers = self.body(which).handlers_at(copy.at);
        let catches = |handler: &&Handler| handler.tag.is_none_or(|caught| caught == tag);
        let handler = handlers.iter().find(catches);
        let handler = handler.ok_or_else(|| Fault::new("nothing catches what a rewind throws"))?;
        let exception = self.values.exception(tag, payload);
        let payload = if handler.tag.is_some() { payload } else { &[] };
        copy.catch(self.body(which), handler, payload, exception)
    }

    /// A call of the helper that throws by number; `false` if it is none.
    fn throws_anew(
        &mut self,
        which: Which,
        copy: &mut Activation,
        func: FuncIdx,
    ) -> Result<bool, Fault> {
        let Some(kinds) = self.modules.runtime.throws.get(&func) else { return Ok(false) };
        let params = self.modules.output.func_type(func).params().len();
        let given = copy.pop_many(params)?;
        let kind = self.known_number(given[0])?;
        let known = kinds.iter().find(|known| u64::from(known.kind) == kind);
        let known = known.ok_or_else(|| Fault::new("an exception of no kind is thrown"))?;
        let payload: Vec<_> = known.places.iter().map(|place| given[*place as usize]).collect();
        self.throw(which, copy, known.tag, &payload)?;
        Ok(true)
    }

    /// A call of a helper; `false` if it is none.
    fn helps(
        &mut self,
        copy: &mut Activation,
        taken: &mut Taken<'_>,
        func: FuncIdx,
    ) -> Result<bool, Fault> {
        match self.modules.runtime.helpers.get(&func).copied() {
            Some(Helper::Pop) => self.takes(copy, taken)?,
            Some(Helper::Other) => self.asks_whose(copy, 0)?,
            Some(Helper::LoadFirst(ty, count)) => {
                self.takes(copy, taken)?;
                load(copy, taken, ty, count)?;
            }
            Some(Helper::Load(ty, count)) => load(copy, taken, ty, count)?,
            Some(Helper::LoadReference { table, cell_bytes }) => {
                let (Some(frame), Some(cursor)) = (taken.frame, taken.cursor) else {
                    return Err(Fault::new("a cell is read of a frame that was not taken"));
                };
                copy.stack.push(frame.read(cursor, Cell::Reference { table, bytes: cell_bytes }));
                taken.cursor = Some(cursor + cell_bytes);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The frame is taken, which is known by the function's index.
    fn takes(&mut self, copy: &mut Activation, taken: &mut Taken<'_>) -> Result<(), Fault> {
        let func = self.known_number(copy.pop()?)?;
        if func != u64::from(self.func.0) {
            return Err(Fault::new("another function's frame is taken"));
        }
        let seal = taken.frame.and_then(|frame| frame.seal);
        let seal = seal.filter(|_| taken.cursor.is_none());
        let seal = seal.ok_or_else(|| Fault::new("a frame is taken twice"))?;
        let ordinal = self.values.i32(seal.ordinal as u32 as i32);
        copy.stack.push(ordinal);
        taken.cursor = Some(0);
        Ok(())
    }

    /// An operator that the original did just before its call, on the same operands.
    fn again(
        &mut self,
        operator: &Operator<'_>,
        copy: &mut Activation,
        frozen: &Frozen,
    ) -> Result<(), Fault> {
        let performed = &frozen.1;
        let (pops, _) = arity(self.modules.output, operator)?;
        let operands = copy.pop_many(pops as usize)?;
        let is_same = |at: u32| self.original.operator(at) == operator;
        let known = performed.iter().rev().find(|one| is_same(one.at) && one.took(&operands));
        let known = known.filter(|_| !operands.contains(&Value::UNDEFINED));
        if let (None, [value]) = (known, &operands[..])
            && self.is_cast_back(operator, *value, frozen)?
        {
            copy.stack.push(*value);
            return Ok(());
        }
        let Some(known) = known else {
            return Err(self.does(operator, "on its way to the site, where it may trap"));
        };
        let lasts =
            always_gives_the_same(operator) || matches!(operator, Operator::TableGet { .. });
        let result = if lasts { known.result } else { self.values.opaque() };
        copy.stack.push(result);
        Ok(())
    }

    /// Whether an operator casts a reference to a type that it has: a local of the original holds it that has such a type.
    fn is_cast_back(
        &mut self,
        operator: &Operator<'_>,
        value: Value,
        frozen: &Frozen,
    ) -> Result<bool, Fault> {
        let (to, heap_type) = match *operator {
            Operator::RefAsNonNull => (None, None),
            Operator::RefCastNullable { hty } => (RefType::new(true, hty), Some(hty)),
            _ => return Ok(false),
        };
        if value == Value::UNDEFINED {
            return Err(Fault::new("a reference is cast that was not restored"));
        }
        if heap_type.is_some() && value == self.values.null() {
            return Ok(true);
        }
        let types = frozen.0.locals.iter().zip(&self.original.locals);
        let known = self.values.type_of(value).map(ValType::Ref);
        let types = types.filter(|(held, _)| **held == value).map(|(_, ty)| *ty);
        let mut types = types.chain(known);
        let is_such = |ty: ValType| match (ty, to) {
            (ValType::Ref(from), None) => !from.is_nullable(),
            (ValType::Ref(from), Some(to)) => {
                let module = self.modules.original;
                let [from, to] = [from, to].map(|ty| named(module, ty).map(ValType::Ref));
                from.zip(to).is_some_and(|(from, to)| module.is_subtype(from, to))
            }
            _ => false,
        };
        if types.any(is_such) {
            return Ok(true);
        }
        Err(Fault::not_covered("references that are cast when they are restored"))
    }

    /// A rewind has come to a call: it is the original's, and has what that needs again.
    fn arrive_rewinding(
        &self,
        operator: &Operator<'_>,
        copy: &Activation,
        original: &Activation,
    ) -> Result<(), Fault> {
        let site = self.site(original.at).ok_or_else(|| Fault::new("a site is none"))?;
        let called = self.original.operator(original.at);
        let callee = Callee::of(called).map(|(callee, _)| callee);
        if self.callee(operator) != callee.map(|callee| (callee, false)) {
            if let (Operator::Call { function_index }, Some(_)) = (operator, callee) {
                return Err(self.calls(FuncIdx(*function_index), "on its way to the site"));
            }
            return Err(Fault::new("another function is called than at the site"));
        }
        if let Some(callee) = callee {
            self.is_called_again(site, operator, callee)?;
        }
        let (pops, _) = arity(self.modules.original, called)?;
        let needed = needed(site, pops as usize);
        let (given, wanted) = (copy.top(needed)?, original.top(needed)?);
        let same = given == wanted && !given.contains(&Value::UNDEFINED);
        if same { Ok(()) } else { Err(Fault::new("what the call needs again differs")) }
    }
}

/// Cells at the cursor, which moves on.
fn load(
    copy: &mut Activation,
    taken: &mut Taken<'_>,
    ty: ValType,
    count: usize,
) -> Result<(), Fault> {
    let (Some(frame), Some(cursor)) = (taken.frame, taken.cursor) else {
        return Err(Fault::new("a cell is read of a frame that was not taken"));
    };
    let size = u64::from(slot_bytes(ty));
    let cells = (0..count as u64).map(|cell| frame.read(cursor + cell * size, Cell::Plain(ty)));
    copy.stack.extend(cells);
    taken.cursor = Some(cursor + count as u64 * size);
    Ok(())
}

/// How many of a call's operands, from the top, are needed when it is made again: a function of the module has its arguments in its
/// own frame.
fn needed(site: Site, all: usize) -> usize {
    match site.target {
        Target::Defined(_) => 0,
        Target::Indirect { may_be_import: false } | Target::Ref { may_be_import: false } => 1,
        Target::Import(_) | Target::Indirect { .. } | Target::Ref { .. } => all,
    }
}

/// A type as the validator names it, which is by identity; `None` for one that is named in another way.
fn named(module: &Module<'_>, ty: RefType) -> Option<RefType> {
    match ty.heap_type() {
        HeapType::Abstract { .. } | HeapType::Concrete(UnpackedIndex::Id(_)) => Some(ty),
        HeapType::Concrete(UnpackedIndex::Module(index))
            if index < module.types().core_type_count_in_module() =>
        {
            let id = UnpackedIndex::Id(module.types().core_type_at_in_module(index));
            RefType::new(ty.is_nullable(), HeapType::Concrete(id))
        }
        HeapType::Concrete(_) | HeapType::Exact(_) => None,
    }
}
