//! A body as it is followed: its operators, and where each of its branches leads.

pub(super) use super::brief::Brief;
use super::fault::Fault;
use crate::index::{FuncIdx, TypeIdx};
use crate::read::{Arity, Located, Module, labels};
use crate::work;
use std::collections::BTreeMap;
use wasmparser::{BlockType, Catch, ModuleArity, Operator, TryTable, ValType};

/// What opens a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Body,
    Block,
    Loop,
    If,
    Try,
    TryTable,
}

/// A construct, with positions of operators.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub opener: Opener,
    /// Of the operator that opens it; 0 for the body.
    pub start: u32,
    pub otherwise: Option<u32>,
    pub end: u32,
    /// How many operands lie below its own.
    pub height: u32,
    pub params: u32,
    pub results: u32,
    /// The label around it; the body's own is its own.
    pub around: u32,
    /// The `try` that a `delegate` at its end names.
    pub delegates: Option<u32>,
    /// In how many ways control gets behind its end; to a loop's start, besides from the operator before.
    ways: u32,
    /// Whether that is more than one.
    pub is_joined: bool,
}

impl Label {
    /// Where a branch to it goes, and with how many operands.
    pub fn target(&self) -> (u32, u32) {
        match self.opener {
            Opener::Loop => (self.start, self.params),
            Opener::Body => (self.end, self.results),
            _ => (self.end + 1, self.results),
        }
    }
}

/// A body.
pub(super) struct Body<'a> {
    /// The file that it is in.
    pub bytes: &'a [u8],
    /// Whether that is a resume module.
    pub is_elsewhere: bool,
    pub operators: Vec<Located<'a>>,
    /// What is most of them, in brief.
    pub briefs: Vec<Brief>,
    pub labels: Vec<Label>,
    /// For each operator that opens, divides or ends a construct its label; for a branch the one it goes to; for a `br_table` its
    /// position in `tables`.
    of_operator: Vec<u32>,
    tables: Vec<Vec<u32>>,
    /// For each operator the innermost construct that it is in, or any without handlers around; nothing, if there are no handlers.
    inside: Vec<u32>,
    /// The handlers of each `try` and `try_table`, by its label.
    handlers: BTreeMap<u32, Vec<Handler>>,
    /// The `try`s whose handlers name what they caught, each with a number.
    named: BTreeMap<u32, usize>,
    /// The types of parameters and declared locals.
    pub locals: Vec<ValType>,
    pub params: usize,
    pub results: usize,
    /// Whether it reads a table.
    pub reads_tables: bool,
    /// For each loop, by its label, the locals that are set in it, in order.
    set_in_loops: BTreeMap<u32, Vec<u32>>,
}

/// The room of a body that is read no more.
#[derive(Default)]
pub(super) struct BodyRoom<'a> {
    operators: Vec<Located<'a>>,
    briefs: Vec<Brief>,
    of_operator: Vec<u32>,
    labels: Vec<Label>,
}

/// Of how many operators a body is at most whose room is kept.
const MOST_ROOM: usize = 1 << 16;

/// A handler, of either encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handler {
    /// The tag that it catches; all if none.
    pub tag: Option<u32>,
    /// Whether it leaves a reference to the exception on the operand stack.
    pub gives_reference: bool,
    /// Where it begins: behind a `catch`, or at a label.
    pub start: HandlerStart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlerStart {
    /// Behind the operator at this position, of the `try` with this label.
    Catch {
        at: u32,
        label: u32,
    },
    Label(u32),
}

impl<'a> Body<'a> {
    /// Reads one, in the room of another.
    pub fn read(
        module: &Module<'a>,
        func: FuncIdx,
        mut room: BodyRoom<'a>,
    ) -> Result<Body<'a>, Fault> {
        let bytes = module.funcs[func].body.as_ref().map_or(0, ExactSizeIterator::len);
        // More than two bytes each, mostly.
        room.operators.reserve(bytes / 2);
        for located in module.operators(func)? {
            room.operators.push(located?);
        }
        Body::new(module, (module, func), room)
    }

    /// The room that it leaves, if that is to be kept.
    pub fn into_room(self) -> Option<BodyRoom<'a>> {
        let Body { mut operators, mut briefs, mut of_operator, mut labels, .. } = self;
        operators.clear();
        briefs.clear();
        of_operator.clear();
        labels.clear();
        let is_kept = operators.capacity() <= MOST_ROOM;
        is_kept.then_some(BodyRoom { operators, briefs, of_operator, labels })
    }

    /// A body of another module, whose operators were put in this one's numbers.
    pub fn of_other(
        module: &Module<'a>,
        other: (&Module<'a>, FuncIdx),
        operators: Vec<Located<'a>>,
    ) -> Result<Body<'a>, Fault> {
        let room = BodyRoom { operators, ..BodyRoom::default() };
        Ok(Body { is_elsewhere: true, ..Body::new(module, other, room)? })
    }

    fn new(
        module: &Module<'a>,
        (file, func): (&Module<'a>, FuncIdx),
        room: BodyRoom<'a>,
    ) -> Result<Body<'a>, Fault> {
        let BodyRoom { operators, mut briefs, mut of_operator, labels } = room;
        briefs.reserve(operators.len());
        of_operator.resize(operators.len(), 0);
        let ty = file.func_type(func);
        let mut locals = ty.params().to_vec();
        for (count, ty) in file.declared_locals(func)? {
            work::count(count as usize);
            locals.extend(std::iter::repeat_n(ty, count as usize));
        }
        let results = ty.results().len();
        let mut body = Body {
            bytes: file.bytes,
            is_elsewhere: false,
            of_operator,
            briefs,
            operators,
            labels,
            tables: Vec::new(),
            params: ty.params().len(),
            locals,
            results,
            reads_tables: false,
            set_in_loops: BTreeMap::new(),
            inside: Vec::new(),
            handlers: BTreeMap::new(),
            named: BTreeMap::new(),
        };
        body.find_labels(module)?;
        Ok(body)
    }

    pub fn operator(&self, at: u32) -> &Operator<'a> {
        &self.operators[at as usize].operator
    }

    /// The number of the label that belongs to an operator.
    pub fn label_index(&self, at: u32) -> u32 {
        self.of_operator[at as usize]
    }

    /// The numbers of the labels of a `br_table`, the default last.
    pub fn table_indices(&self, at: u32) -> &[u32] {
        &self.tables[self.of_operator[at as usize] as usize]
    }

    /// The label that belongs to an operator.
    pub fn label(&self, at: u32) -> &Label {
        &self.labels[self.of_operator[at as usize] as usize]
    }

    /// The labels of a `br_table`, the default last.
    pub fn table(&self, at: u32) -> impl ExactSizeIterator<Item = &Label> {
        self.table_indices(at).iter().map(|label| &self.labels[*label as usize])
    }

    /// What an exception meets that is thrown at a position, the innermost first, up to one that catches all.
    pub fn handlers_at(&self, at: u32) -> Vec<Handler> {
        let mut met = Vec::new();
        if self.handlers.is_empty() {
            return met;
        }
        let mut label = self.inside[at as usize];
        loop {
            work::count(1);
            let described = &self.labels[label as usize];
            let is_in_body = described.otherwise.is_none_or(|first| at < first);
            let mut next = described.around;
            match described.opener {
                Opener::Body => return met,
                Opener::Try | Opener::TryTable if is_in_body => {
                    for handler in self.handlers.get(&label).into_iter().flatten() {
                        met.push(*handler);
                        if handler.tag.is_none() {
                            return met;
                        }
                    }
                    next = described.delegates.unwrap_or(next);
                }
                _ => {}
            }
            label = next;
        }
    }

    /// Whether there are any handlers.
    pub fn has_handlers(&self) -> bool {
        !self.handlers.is_empty()
    }

    /// How many exceptions handlers may name.
    pub fn named_exceptions(&self) -> usize {
        self.named.len()
    }

    /// The number of the exception that the handlers of a `try` caught, if any of them names it.
    pub fn exception(&self, label: u32) -> Option<usize> {
        self.named.get(&label).copied()
    }

    /// The number of the exception that a `rethrow` names.
    pub fn rethrown(&self, at: u32) -> Option<usize> {
        self.exception(self.of_operator[at as usize])
    }

    /// The locals that are set in a loop, in order.
    pub fn set_in(&self, label: u32) -> &[u32] {
        self.set_in_loops.get(&label).map_or(&[], Vec::as_slice)
    }

    /// Where an operator is in its file.
    pub fn offset(&self, at: u32) -> usize {
        self.operators[at as usize].start as usize
    }

    fn find_labels(&mut self, module: &Module<'a>) -> Result<(), Fault> {
        let operators = std::mem::take(&mut self.operators);
        let mut walk = Walk {
            module,
            body: self,
            open: Vec::new(),
            height: 0,
            is_live: true,
            has_handlers: false,
            set: Vec::new(),
        };
        let results = walk.body.results as u32;
        walk.open_label(0, Opener::Body, (0, results));
        for (located, at) in operators.iter().zip(0..) {
            work::count(1);
            if walk.has_handlers {
                let inside = walk.open.last().copied().unwrap_or(0);
                walk.body.inside.push(inside);
            }
            let encoded = &walk.body.bytes[located.range()];
            let brief = Brief::of(&located.operator, encoded);
            let brief = match (brief, &located.operator) {
                (Brief::Nothing | Brief::Other, operator) => {
                    walk.operator(operator, at)?;
                    let is_quiet = *operator == Operator::End && walk.ends_quietly(at);
                    if is_quiet { Brief::Nothing } else { brief }
                }
                _ => {
                    walk.brief(brief);
                    brief
                }
            };
            walk.body.briefs.push(brief);
        }
        self.operators = operators;
        Ok(())
    }
}

/// Finds labels, and how many operands lie below each.
struct Walk<'w, 'm, 'a> {
    module: &'m Module<'a>,
    body: &'w mut Body<'a>,
    /// Open labels, outermost first.
    open: Vec<u32>,
    height: u32,
    is_live: bool,
    /// Whether there was a construct with handlers.
    has_handlers: bool,
    /// For each open loop the locals that are set in it.
    set: Vec<Vec<u32>>,
}

impl Walk<'_, '_, '_> {
    fn open_label(&mut self, at: u32, opener: Opener, (params, results): (u32, u32)) {
        let height = self.height.saturating_sub(params);
        let label = self.body.labels.len() as u32;
        if matches!(opener, Opener::Try | Opener::TryTable) && !self.has_handlers {
            self.has_handlers = true;
            self.body.inside.resize(at as usize + 1, 0);
        }
        let around = self.open.last().copied().unwrap_or(0);
        self.body.labels.push(Label {
            opener,
            start: at,
            otherwise: None,
            end: 0,
            height,
            params,
            results,
            around,
            delegates: None,
            ways: 0,
            is_joined: true,
        });
        self.open.push(label);
        self.body.of_operator[at as usize] = label;
    }

    fn block(&self, ty: BlockType) -> (u32, u32) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => {
                let ty = self.module.func_type_at(TypeIdx(ty));
                (ty.params().len() as u32, ty.results().len() as u32)
            }
        }
    }

    fn innermost(&mut self) -> Result<u32, Fault> {
        self.open.last().copied().ok_or_else(|| Fault::new("a body goes on behind its end"))
    }

    fn target(&mut self, depth: u32) -> Result<u32, Fault> {
        let position = self.open.len().checked_sub(1 + depth as usize);
        let label = position.map(|position| self.open[position]);
        let label = label.ok_or_else(|| Fault::new("a branch leads nowhere"))?;
        self.body.labels[label as usize].ways += 1;
        Ok(label)
    }

    fn try_table(&mut self, at: u32, table: &TryTable) -> Result<(), Fault> {
        let mut handlers = Vec::new();
        for catch in &table.catches {
            let label = self.target(labels::catch_label(catch))?;
            // From whatever throws in it.
            self.body.labels[label as usize].ways += 1;
            let (tag, gives_reference) = match catch {
                Catch::One { tag, .. } => (Some(*tag), false),
                Catch::OneRef { tag, .. } => (Some(*tag), true),
                Catch::All { .. } => (None, false),
                Catch::AllRef { .. } => (None, true),
            };
            handlers.push(Handler { tag, gives_reference, start: HandlerStart::Label(label) });
        }
        self.open_label(at, Opener::TryTable, self.block(table.ty));
        let label = self.body.labels.len() as u32 - 1;
        self.body.handlers.insert(label, handlers);
        Ok(())
    }

    /// An operator that is known in brief.
    fn brief(&mut self, brief: Brief) {
        if !self.is_live {
            return;
        }
        let (pops, pushes) = match brief {
            Brief::Get(_) | Brief::I32(_) => (0, 1),
            Brief::Set(local) | Brief::Tee(local) => {
                if let Some(set) = self.set.last_mut() {
                    set.push(local);
                }
                (u32::from(matches!(brief, Brief::Set(_))), 0)
            }
            Brief::Computes { operands, .. } => (operands.into(), 1),
            Brief::Store => (2, 0),
            Brief::Load | Brief::Nothing | Brief::Other => (0, 0),
        };
        self.height = self.height.saturating_sub(pops) + pushes;
    }

    /// A construct ends: if it is a loop, what was set in it was set in the loop around it, too.
    fn leave_loop(&mut self, label: u32) {
        if self.body.labels[label as usize].opener == Opener::Loop
            && let Some(mut set) = self.set.pop()
        {
            set.sort_unstable();
            set.dedup();
            work::count(set.len());
            if let Some(around) = self.set.last_mut() {
                around.extend(&set);
            }
            self.body.set_in_loops.insert(label, set);
        }
    }

    /// Whether nothing comes together at an end but what was before it.
    fn ends_quietly(&self, at: u32) -> bool {
        let label = self.body.label(at);
        let is_joined = label.is_joined && label.opener != Opener::Loop;
        !is_joined && label.opener != Opener::Body
    }

    /// Behind an operator from which control does not come.
    fn die(&mut self) {
        self.is_live = false;
        if let Some(label) = self.open.last() {
            self.height = self.body.labels[*label as usize].height;
        }
    }

    /// Another part of a construct begins.
    fn divide(&mut self, operator: &Operator<'_>, at: u32) -> Result<(), Fault> {
        let label = self.innermost()?;
        let described = &mut self.body.labels[label as usize];
        described.otherwise.get_or_insert(at);
        described.ways += u32::from(self.is_live);
        if let Operator::Catch { .. } | Operator::CatchAll = operator {
            let tag = match operator {
                Operator::Catch { tag_index } => Some(*tag_index),
                _ => None,
            };
            let start = HandlerStart::Catch { at, label };
            let handler = Handler { tag, gives_reference: false, start };
            self.body.handlers.entry(label).or_default().push(handler);
        }
        let described = &self.body.labels[label as usize];
        let found = match operator {
            Operator::Catch { tag_index } => {
                Arity(self.module).tag_type_arity(*tag_index).map_or(0, |arity| arity.0)
            }
            Operator::CatchAll => 0,
            _ => described.params,
        };
        self.height = described.height + found;
        self.body.of_operator[at as usize] = label;
        self.is_live = true;
        Ok(())
    }

    /// A construct ends.
    fn ends(&mut self, operator: &Operator<'_>, at: u32) -> Result<(), Fault> {
        let label = self.innermost()?;
        self.open.pop();
        if let Operator::Delegate { relative_depth } = operator {
            let position = self.open.len().checked_sub(1 + *relative_depth as usize);
            let outer = position.map_or(0, |position| self.open[position]);
            self.body.labels[label as usize].delegates = Some(outer);
        }
        self.leave_loop(label);
        let described = &mut self.body.labels[label as usize];
        described.end = at;
        let is_passed = described.opener == Opener::If && described.otherwise.is_none();
        described.ways += u32::from(self.is_live) + u32::from(is_passed);
        described.is_joined = match described.opener {
            Opener::Loop | Opener::Try => true,
            _ => described.ways > 1,
        };
        self.height = described.height + described.results;
        self.body.of_operator[at as usize] = label;
        self.is_live = true;
        Ok(())
    }

    fn operator(&mut self, operator: &Operator<'_>, at: u32) -> Result<(), Fault> {
        use Operator as O;
        let position = at as usize;
        match operator {
            O::Block { blockty } => self.open_label(at, Opener::Block, self.block(*blockty)),
            O::Loop { blockty } => {
                self.open_label(at, Opener::Loop, self.block(*blockty));
                self.set.push(Vec::new());
            }
            O::If { blockty } => {
                self.height = self.height.saturating_sub(1);
                self.open_label(at, Opener::If, self.block(*blockty));
            }
            O::Try { blockty } => self.open_label(at, Opener::Try, self.block(*blockty)),
            O::TryTable { try_table } => self.try_table(at, try_table)?,
            O::Else | O::Catch { .. } | O::CatchAll => self.divide(operator, at)?,
            O::End | O::Delegate { .. } => self.ends(operator, at)?,
            O::Br { relative_depth } => {
                self.body.of_operator[position] = self.target(*relative_depth)?;
                self.die();
            }
            O::BrIf { relative_depth } => {
                self.height = self.height.saturating_sub(1);
                self.body.of_operator[position] = self.target(*relative_depth)?;
            }
            O::BrOnNull { relative_depth }
            | O::BrOnCast { relative_depth, .. }
            | O::BrOnCastFail { relative_depth, .. } => {
                self.body.of_operator[position] = self.target(*relative_depth)?;
            }
            O::BrOnNonNull { relative_depth } => {
                self.height = self.height.saturating_sub(1);
                self.body.of_operator[position] = self.target(*relative_depth)?;
            }
            O::BrTable { targets } => {
                let mut labels = Vec::with_capacity(targets.len() as usize + 1);
                for depth in targets.targets().flatten().chain([targets.default()]) {
                    labels.push(self.target(depth)?);
                }
                self.body.of_operator[position] = self.body.tables.len() as u32;
                self.body.tables.push(labels);
                self.die();
            }
            O::Return
            | O::Unreachable
            | O::ReturnCall { .. }
            | O::ReturnCallIndirect { .. }
            | O::ReturnCallRef { .. } => self.die(),
            O::Throw { .. } | O::ThrowRef => self.die(),
            O::Rethrow { relative_depth } => {
                let position = self.open.len().checked_sub(1 + *relative_depth as usize);
                let label = position.map_or(0, |position| self.open[position]);
                let next = self.body.named.len();
                self.body.named.entry(label).or_insert(next);
                self.body.of_operator[at as usize] = label;
                self.die();
            }
            // A function of a resume module calls itself.
            O::Call { function_index } if *function_index as usize >= self.module.funcs.len() => {
                self.height += self.body.results as u32;
            }
            other if self.is_live => {
                self.body.reads_tables |= matches!(other, O::TableGet { .. });
                let arity = other.operator_arity(&Arity(self.module));
                let (pops, pushes) = arity.ok_or_else(|| Fault::unknown(other))?;
                self.height = self.height.saturating_sub(pops) + pushes;
            }
            _ => {}
        }
        Ok(())
    }
}

/// How many operands an operator takes and gives.
pub(super) fn arity(module: &Module<'_>, operator: &Operator<'_>) -> Result<(u32, u32), Fault> {
    operator.operator_arity(&Arity(module)).ok_or_else(|| Fault::unknown(operator))
}
