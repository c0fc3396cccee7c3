//! What a rewritten function does while it is unwound: it writes its frame, and returns.
//!
//! From the call on nothing may happen but moves of values and calls of the helpers that write the frame. Where there is no room
//! the unwind is undone, which is a rewind that goes to the same site: by another activation of the function, whose results are returned,
//! or from here.

use super::activation::{Activation, Code, Mode, Stop};
use super::body::Body;
use super::fault::Fault;
use super::forwarders::packed;
use super::frame::{Cell, Frame, Seal};
use super::runtime::Helper;
use super::simulate::{Simulation, Which};
use super::state::Performed;
use super::values::Value;
use crate::abi::{FRAME_ALIGN_LOG2, MARK_BYTES, Mark, low_bits};
use crate::analyze::Target;
use crate::index::{FuncIdx, GlobalIdx};
use crate::read::Arity;
use std::rc::Rc;
use wasmparser::{ModuleArity, Operator};

/// Where the resume module was not given.
pub(super) const ELSEWHERE: &str = "a resume function in another module";

/// The original, which stands still before a call; and what it did just before.
pub(super) type Frozen = Rc<(Activation, Vec<Performed>)>;

/// A way that an unwind takes.
#[derive(Clone)]
struct Way {
    activation: Activation,
    /// The original; what was caught is known as its tag and what it carries, once that was found out.
    frozen: Frozen,
    frame: Rc<Frame>,
    /// For how many bytes it was asked whether there is room; none if it was not asked.
    asked: Option<u64>,
    /// For how many it was found that there is.
    room: u64,
    /// Whether there was none for the frame, which is in the reserve.
    is_undone: bool,
    /// Whether that was asked behind the frame's end.
    is_answered: bool,
    /// The references of which it was asked whether they can be saved, before it was asked for room.
    checked: Vec<Value>,
    /// Whether others were saved.
    saves_unchecked: bool,
    /// Whether it was noted that the frame can't be saved.
    is_unsaved: bool,
}

impl Way {
    /// The way on which there was no room for the frame, which is in the reserve.
    fn undone(&self, activation: Activation) -> Way {
        Way {
            activation,
            frozen: Rc::clone(&self.frozen),
            frame: Rc::clone(&self.frame),
            is_undone: true,
            checked: self.checked.clone(),
            ..*self
        }
    }

    /// In this way two names mean one value.
    fn rename(&mut self, old: Value, new: Value) {
        let frozen = &mut Rc::make_mut(&mut self.frozen).0;
        for Activation { locals, stack, caught, .. } in [&mut self.activation, frozen] {
            for value in locals.iter_mut().chain(stack).chain(caught) {
                if *value == old {
                    *value = new;
                }
            }
        }
    }
}

impl Simulation<'_, '_> {
    /// Follows an unwind from behind a call, and then the rewinds that its frames lead to.
    pub fn unwind(
        &mut self,
        which: Which,
        activation: Activation,
        frozen: Frozen,
    ) -> Result<(), Fault> {
        let way = Way {
            activation,
            frozen,
            frame: Rc::default(),
            asked: None,
            room: 0,
            is_undone: false,
            is_answered: false,
            checked: Vec::new(),
            saves_unchecked: false,
            is_unsaved: false,
        };
        let mut ways = vec![way];
        while let Some(mut way) = ways.pop() {
            let done = self.follow_unwind(which, &mut way, &mut ways);
            let place = self.place_in(which, way.activation.at);
            if done.map_err(|fault| fault.at(place))? {
                self.rewind(&way.frame, &way.frozen)?;
            }
            self.spare.take_activation(way.activation);
        }
        Ok(())
    }

    /// Follows it to where it returns; says whether it left a frame.
    fn follow_unwind(
        &mut self,
        which: Which,
        way: &mut Way,
        ways: &mut Vec<Way>,
    ) -> Result<bool, Fault> {
        loop {
            if self.run_copy(which, &mut way.activation, Mode::Unwinding)? == Stop::Back {
                return Err(Fault::new("it loops while it is unwound"));
            }
            let body = Rc::clone(self.body(which));
            let operator = body.operator(way.activation.at);
            match *operator {
                Operator::Call { function_index }
                    if self.modules.runtime.helpers.get(&FuncIdx(function_index))
                        == Some(&Helper::Undo) =>
                {
                    let mut activation = way.activation.clone();
                    activation.at += 1;
                    self.rewind_from(which, activation, None, &way.frozen)?;
                    return Ok(false);
                }
                Operator::Rethrow { .. } => {
                    self.find_out(which, way, ways)?;
                    return Ok(false);
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } => {
                    let func = self.called(which, operator, &mut way.activation)?;
                    self.call_unwinding(way, func)?;
                    way.activation.at += 1;
                    if way.is_undone {
                        self.returns_as_given(which, way)?;
                        return Ok(false);
                    }
                }
                Operator::Drop => {
                    way.activation.pop()?;
                    way.activation.at += 1;
                }
                Operator::If { .. } | Operator::BrIf { .. } => {
                    let condition = way.activation.topmost()?;
                    let mut taken = self.spare.activation();
                    taken.assign(&way.activation);
                    taken.decided(&body, true)?;
                    match condition {
                        Value::SEALED => {
                            way.is_answered = true;
                            ways.push(way.undone(taken));
                        }
                        Value::PROBED => {
                            self.rewind_from(which, taken, None, &way.frozen)?;
                            way.room = way.asked.unwrap_or(0);
                        }
                        _ => return Err(Fault::new("it branches while it is unwound")),
                    }
                    if way.is_unsaved {
                        // It is undone always: from here, or from the frame in the reserve.
                        return Ok(condition == Value::SEALED);
                    }
                    way.activation.decided(&body, false)?;
                }
                Operator::GlobalSet { global_index }
                    if self.modules.runtime.unsaved == Some(GlobalIdx(global_index)) =>
                {
                    let noted = way.activation.pop()?;
                    way.is_unsaved |= self.values.truth(noted) == Some(true);
                    if !way.is_unsaved {
                        return Err(Fault::new("it notes that a frame can be saved after all"));
                    }
                    way.activation.at += 1;
                }
                Operator::Return | Operator::End if way.is_undone => {
                    return Err(Fault::new("a frame in the reserve is not taken again"));
                }
                Operator::Return | Operator::End => {
                    let Some(seal) = way.frame.seal else {
                        return Err(Fault::new("it returns without a frame while it is unwound"));
                    };
                    // Where nothing is undone, it would have trapped.
                    let is_open = way.saves_unchecked || seal.bytes > way.room;
                    if self.modules.runtime.can_undo && !way.is_answered && is_open {
                        return Err(Fault::new("it isn't asked whether there was room"));
                    }
                    return Ok(true);
                }
                _ => return Err(self.does(operator, "while it is unwound")),
            }
        }
    }

    /// What a handler had caught is thrown again, to find out what it is: a way for each handler, in which it is known.
    fn find_out(&mut self, which: Which, way: &Way, ways: &mut Vec<Way>) -> Result<(), Fault> {
        let at = way.activation.at;
        let body = self.body(which);
        let number = body.rethrown(at);
        let caught = number.map_or(Value::UNDEFINED, |number| way.activation.caught[number]);
        let handlers = body.handlers_at(at);
        let catches_all = handlers.last().is_some_and(|handler| handler.tag.is_none());
        if caught == Value::UNDEFINED || !catches_all {
            return Err(Fault::new("an exception leaves a function that is unwound"));
        }
        for handler in &handlers {
            if handler.tag.is_some_and(|tag| self.values.excludes(caught, tag)) {
                continue;
            }
            let mut found = way.clone();
            let (mut payload, mut exception) = (Vec::new(), caught);
            if let Some(tag) = handler.tag {
                let arity = Arity(self.modules.output).tag_type_arity(tag).unwrap_or_default();
                payload = (0..arity.0).map(|_| self.values.opaque()).collect();
                exception = self.values.exception(tag, &payload);
                found.rename(caught, exception);
            }
            found.activation.catch(self.body(which), handler, &payload, exception)?;
            ways.push(found);
        }
        Ok(())
    }

    fn call_unwinding(&mut self, way: &mut Way, func: FuncIdx) -> Result<(), Fault> {
        let runtime = self.modules.runtime;
        let must_ask = runtime.can_undo && self.may_begin_without_room(way.frozen.0.at);
        let Way { activation, frame, asked, room, is_undone, checked, saves_unchecked, .. } = way;
        if *is_undone {
            let resume = self.resume.as_ref().map(|(func, _)| *func);
            if func != self.func && Some(func) != resume {
                return Err(Fault::new("something else is called than what takes the frame"));
            }
            if func == self.func && resume.is_some() && self.hands_on() {
                return Err(Fault::new("what is called looks for the frame where it is not"));
            }
            let params = if func == self.func { self.original.params } else { 0 };
            activation.pop_many(params)?;
            activation.stack.extend((0..self.original.results).map(|_| self.values.opaque()));
            return Ok(());
        }
        let helper = runtime.helpers.get(&func);
        let writes = matches!(helper, Some(Helper::Save(..) | Helper::SaveReference { .. }));
        let ends = matches!(helper, Some(Helper::SaveLast(..) | Helper::Seal));
        if must_ask && asked.is_none() && (writes || ends) {
            return Err(Fault::new("an import may have had no room to begin, which is not asked"));
        }
        match helper {
            Some(Helper::Save(ty, count)) => {
                let below = activation.top(count + 1)?;
                let offset = self.known_number(below[0])?;
                Rc::make_mut(frame).write(offset, Cell::Plain(*ty), &below[1..])?;
                activation.drop_many(count + 1)
            }
            Some(Helper::SaveReference { table, cell_bytes, takes_all }) => {
                let value = activation.pop()?;
                let offset = self.known_number(activation.pop()?)?;
                let is_null = value == self.values.null();
                *saves_unchecked |= !takes_all && !is_null && !checked.contains(&value);
                let cell = Cell::Reference { table: *table, bytes: *cell_bytes };
                Rc::make_mut(frame).write(offset, cell, &[value])
            }
            Some(Helper::Check) => {
                checked.push(activation.pop()?);
                Ok(())
            }
            Some(Helper::Dummy) => {
                activation.stack.push(Value::UNDEFINED);
                Ok(())
            }
            Some(Helper::SaveLast(..) | Helper::Seal) => {
                let last = match helper {
                    Some(Helper::SaveLast(ty, count)) => {
                        Some((Cell::Plain(*ty), activation.pop_many(*count)?))
                    }
                    _ => None,
                };
                let mark = self.known_number(activation.pop()?)?;
                let ordinal = self.known_number(activation.pop()?)?;
                let bytes = self.marked(mark, ordinal)?;
                if bytes > runtime.reserve_bytes.max(*room) {
                    return Err(Fault::new("a frame is larger than the reserve"));
                }
                if let Some((cell, values)) = last {
                    let size = cell.bytes() * values.len() as u64 + u64::from(MARK_BYTES);
                    let offset = bytes.checked_sub(size);
                    let offset =
                        offset.ok_or_else(|| Fault::new("a frame's last cells lie before it"))?;
                    Rc::make_mut(frame).write(offset, cell, &values)?;
                }
                Rc::make_mut(frame).seal(Seal { ordinal, bytes })?;
                activation.stack.push(Value::SEALED);
                Ok(())
            }
            Some(Helper::Probe) => {
                *asked = Some(self.known_number(activation.pop()?)?);
                activation.stack.push(Value::PROBED);
                Ok(())
            }
            _ => Err(self.calls(func, "while it is unwound")),
        }
    }

    /// The size that a mark says, which must name this function and leave room for the site's ordinal.
    fn marked(&self, mark: u64, ordinal: u64) -> Result<u64, Fault> {
        let bytes = (mark >> Mark::SIZE.0 & low_bits(Mark::SIZE.1)) << FRAME_ALIGN_LOG2;
        let owner = u64::from(self.func.0) | self.modules.runtime.module;
        if self.func.0 >= 1 << Mark::SIZE.0
            || mark != owner | bytes >> FRAME_ALIGN_LOG2 << Mark::SIZE.0
        {
            return Err(Fault::new("a frame's mark names another function"));
        }
        if ordinal == 0 || ordinal > low_bits(Mark::SITE.1) {
            return Err(Fault::new("a frame's mark can't hold the site's ordinal"));
        }
        Ok(bytes)
    }

    /// Whether a site may call an import that no helper stands before: it is to be called again where its unwind had no room to begin.
    fn may_begin_without_room(&self, at: u32) -> bool {
        let target = self.site(at).map(|site| site.target);
        matches!(
            target,
            Some(Target::Indirect { may_be_import: true } | Target::Ref { may_be_import: true })
        )
    }

    /// Another activation has taken the frame, and returned what this one returns.
    fn returns_as_given(&mut self, which: Which, way: &mut Way) -> Result<(), Fault> {
        let given = way.activation.stack.clone();
        self.run_copy(which, &mut way.activation, Mode::Any)?;
        let operator = self.body(which).operator(way.activation.at);
        let results = self.original.results;
        let top =
            |stack: &[Value]| stack.len().checked_sub(results).map(|first| stack[first..].to_vec());
        let same = top(&given).is_some() && top(&given) == top(&way.activation.stack);
        if same && matches!(operator, Operator::Return | Operator::End) {
            return Ok(());
        }
        Err(Fault::new("what an undone unwind gives is not returned"))
    }

    pub fn run_copy(
        &mut self,
        which: Which,
        activation: &mut Activation,
        mode: Mode,
    ) -> Result<Stop, Fault> {
        let Simulation { modules, own, resume, values, .. } = self;
        let body: &Body<'_> = match (which, resume) {
            (Which::Resume, Some((_, body))) => body,
            _ => own,
        };
        let code = Code { module: modules.output, body, runtime: Some(modules.runtime), mode };
        activation.advance(code, values)
    }

    pub fn known_number(&self, value: Value) -> Result<u64, Fault> {
        let number = self.values.number(value);
        number.ok_or_else(|| Fault::new("a helper is called with a number that is not known"))
    }

    /// What a call of the rewriter's own calls: a function by its index, or by its number, which is taken, by way of a forwarder, or one of the
    /// resume module through its slot, likewise.
    pub fn called(
        &self,
        which: Which,
        operator: &Operator<'_>,
        activation: &mut Activation,
    ) -> Result<FuncIdx, Fault> {
        let (table, ty) = match *operator {
            Operator::Call { function_index } => {
                let func = FuncIdx(function_index);
                return match self.modules.runtime.forwarders.get(&func) {
                    Some(forwarded) => self.forwarded(which, forwarded, activation),
                    None => Ok(func),
                };
            }
            Operator::CallIndirect { type_index, table_index } => (table_index, type_index),
            _ => return Err(self.does(operator, "where a function is called")),
        };
        let slot = self.known_number(activation.pop()?)?;
        let Some(pair) = self.modules.pair else {
            return Err(Fault::not_covered(ELSEWHERE));
        };
        let func = pair.called(table, slot).filter(|func| pair.type_of(*func) == Some(ty));
        func.ok_or_else(|| Fault::new("a call through a table reaches no resume function"))
    }

    /// The function that is called by way of a forwarder. What makes its results of the i64 is passed.
    fn forwarded(
        &self,
        which: Which,
        forwarded: &[FuncIdx],
        activation: &mut Activation,
    ) -> Result<FuncIdx, Fault> {
        let number = self.known_number(activation.pop()?)?;
        let func = usize::try_from(number).ok().and_then(|number| forwarded.get(number)).copied();
        let func = func.ok_or_else(|| Fault::new("a forwarder has no function of this number"))?;
        let unpack = packed(self.modules.output, func).map_or(&[][..], |(_, unpack)| unpack);
        let body = self.body(which);
        for expected in unpack {
            activation.at += 1;
            if body.operator(activation.at) != expected {
                return Err(Fault::new("what a forwarder gives is taken for something else"));
            }
        }
        // Where it gives nothing, an i64 is left, which only a `return` passes over.
        match body.operator(activation.at + 1) {
            Operator::Return => Ok(func),
            other => Err(self.does(other, "behind the call of a forwarder")),
        }
    }

    /// The fault of calling what has no business there.
    pub fn calls(&self, func: FuncIdx, when: &str) -> Fault {
        Fault::new(format!("it calls function {func} {when}"))
    }

    /// The fault of an operator that has no business there.
    pub fn does(&self, operator: &Operator<'_>, when: &str) -> Fault {
        let name = super::fault::operator_name(operator);
        Fault::new(format!("it does {name} {when}"))
    }
}
