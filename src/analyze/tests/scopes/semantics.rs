//! What can be on the stack when the entry is called, found by running a [`Shape`] in every way that
//! it can run. Nothing here is shared with the analysis, nor alike.
//!
//! A *configuration* is a running function with its argument and what the table holds:
//!
//! ```text
//!   action `call`    (table, f, a) calls (table, g, b); when that returns, f goes on with the table
//!                    that g left behind
//!   the entry        is called; meanwhile the host may write what it likes to a table that it sees
//!   `table.set`      (table, f, a) goes on as (table', f, a)
//! ```
//!
//! A trap ends everything, so it adds nothing. The host begins by writing to the table, and by
//! calling any function that it can obtain with any argument. It obtains what is exported, and what
//! is ever in a table that it sees.

use super::shape::{Action, ENTRY, Func, Shape, Type, Value};

/// What was on a stack at a call of the entry.
pub(super) struct Stacks {
    /// For each function, whether it was.
    pub(super) funcs: Vec<bool>,
    /// For each defined function and each of its actions, whether that was the call underway.
    pub(super) calls: Vec<Vec<bool>>,
}

/// What a table holds: a digit for each slot, 0 for null and else a function's number + 1.
type Table = usize;

/// A running function; its place among all configurations that there are.
type Config = usize;

#[derive(Clone, Default)]
struct State {
    seen: bool,
    /// As what it may go on, itself not included.
    next: Vec<Config>,
    /// What it calls, by which action; the entry is `None`.
    calls: Vec<(usize, Option<Config>)>,
}

/// Runs the shape in every way.
pub(super) fn stacks(shape: &Shape) -> Stacks {
    let mut explorer = Explorer::new(shape);
    explorer.explore();
    explorer.collect()
}

struct Explorer<'a> {
    shape: &'a Shape,
    /// How many values a slot can have.
    base: usize,
    tables: usize,
    /// Arguments that differ: each slot's number, and one beyond the table.
    args: usize,
    /// The functions that the host can have.
    obtainable: Vec<Func>,
    states: Vec<State>,
    seen: Vec<Config>,
}

impl<'a> Explorer<'a> {
    fn new(shape: &'a Shape) -> Self {
        let base = shape.funcs.len() + 2;
        let tables = base.pow(shape.slots.len() as u32);
        let args = shape.slots.len() + 1;
        let states = vec![State::default(); tables * (shape.funcs.len() + 1) * args];
        let obtainable = obtainable(shape);
        Explorer { shape, base, tables, args, obtainable, states, seen: Vec::new() }
    }

    fn config(&self, table: Table, func: Func, arg: usize) -> Config {
        (usize::from(func) * self.args + arg) * self.tables + table
    }

    fn parts(&self, config: Config) -> (Table, Func, usize) {
        let rest = config / self.tables;
        (config % self.tables, (rest / self.args) as Func, rest % self.args)
    }

    fn held(&self, table: Table, slot: usize) -> Option<Func> {
        let digit = table / self.base.pow(slot as u32) % self.base;
        digit.checked_sub(1).map(|func| func as Func)
    }

    fn with(&self, table: Table, slot: usize, value: Func) -> Table {
        let unit = self.base.pow(slot as u32);
        let digit = table / unit % self.base;
        table - digit * unit + (usize::from(value) + 1) * unit
    }

    fn initial(&self) -> Table {
        let slots = self.shape.slots.iter().enumerate();
        slots.fold(0, |table, (slot, held)| held.map_or(table, |f| self.with(table, slot, f)))
    }

    /// All tables that the host can make of `table`.
    fn written_by_host(&self, table: Table) -> Vec<Table> {
        let mut tables = vec![table];
        if !self.shape.visible {
            return tables;
        }
        for slot in 0..self.shape.slots.len() {
            let written = tables.iter().flat_map(|table| {
                self.obtainable.iter().map(|func| self.with(*table, slot, *func))
            });
            let written: Vec<Table> = written.collect();
            tables.extend(written);
            tables.sort_unstable();
            tables.dedup();
        }
        tables
    }

    fn see(&mut self, config: Config) {
        if !std::mem::replace(&mut self.states[config].seen, true) {
            self.seen.push(config);
        }
    }

    fn args_of(&self, func: Func, arg: Value, own: usize) -> Vec<usize> {
        if self.shape.ty(func) == Type::Plain { vec![0] } else { self.values(arg, own) }
    }

    fn values(&self, value: Value, own: usize) -> Vec<usize> {
        match value {
            Value::Const(value) => vec![usize::from(value).min(self.args - 1)],
            Value::Unknown => (0..self.args).collect(),
            Value::Param => vec![own],
        }
    }

    fn explore(&mut self) {
        for table in self.written_by_host(self.initial()) {
            for func in self.obtainable.clone() {
                for arg in self.args_of(func, Value::Unknown, 0) {
                    self.see(self.config(table, func, arg));
                }
            }
        }
        // Whatever is new may let others go on in new ways.
        loop {
            let before = self.size();
            let mut at = 0;
            while at < self.seen.len() {
                self.run(self.seen[at]);
                at += 1;
            }
            if self.size() == before {
                return;
            }
        }
    }

    fn size(&self) -> (usize, usize) {
        let links = self.seen.iter().map(|c| self.states[*c].next.len());
        (self.seen.len(), links.sum())
    }

    fn run(&mut self, config: Config) {
        let (_, func, _) = self.parts(config);
        let Some(defined) = usize::from(func).checked_sub(1) else {
            return self.host_runs(config);
        };
        let shape = self.shape;
        for (ordinal, action) in shape.funcs[defined].actions.iter().enumerate() {
            self.act(config, ordinal, *action);
        }
    }

    /// The entry: the host may write to the table before it returns.
    fn host_runs(&mut self, config: Config) {
        let (table, func, arg) = self.parts(config);
        for written in self.written_by_host(table) {
            self.go_on(config, self.config(written, func, arg));
        }
    }

    fn act(&mut self, config: Config, ordinal: usize, action: Action) {
        let (table, func, own) = self.parts(config);
        match action {
            Action::Call { callee, arg } => {
                for arg in self.args_of(callee, arg, own) {
                    self.call(config, ordinal, self.config(table, callee, arg));
                }
            }
            Action::Indirect { ty, index } => {
                let slots = self.values(index, own).into_iter();
                for slot in slots.filter(|slot| *slot < self.shape.slots.len()) {
                    let Some(callee) = self.held(table, slot) else { continue };
                    if self.shape.ty(callee) == ty {
                        for arg in self.args_of(callee, Value::Unknown, own) {
                            self.call(config, ordinal, self.config(table, callee, arg));
                        }
                    }
                }
            }
            Action::Set { index, value } => {
                let slots = self.values(index, own).into_iter();
                for slot in slots.filter(|slot| *slot < self.shape.slots.len()) {
                    let table = self.with(table, slot, value);
                    self.go_on(config, self.config(table, func, own));
                }
            }
        }
    }

    fn go_on(&mut self, config: Config, next: Config) {
        self.see(next);
        if config != next && !self.states[config].next.contains(&next) {
            self.states[config].next.push(next);
        }
    }

    fn call(&mut self, config: Config, ordinal: usize, callee: Config) {
        self.see(callee);
        let (_, func, _) = self.parts(callee);
        let call = (ordinal, (func != ENTRY).then_some(callee));
        if !self.states[config].calls.contains(&call) {
            self.states[config].calls.push(call);
        }
        let (_, caller, own) = self.parts(config);
        for left in self.all_after(callee) {
            let (table, ..) = self.parts(left);
            self.go_on(config, self.config(table, caller, own));
        }
    }

    /// As what a configuration may go on, at once or later, itself included.
    fn all_after(&self, config: Config) -> Vec<Config> {
        let mut all = vec![config];
        // They differ in the table only.
        let mut known = vec![false; self.tables];
        known[self.parts(config).0] = true;
        let mut at = 0;
        while at < all.len() {
            for next in &self.states[all[at]].next {
                if !std::mem::replace(&mut known[self.parts(*next).0], true) {
                    all.push(*next);
                }
            }
            at += 1;
        }
        all
    }

    fn collect(&self) -> Stacks {
        let mut on_stack = vec![false; self.states.len()];
        loop {
            let news: Vec<Config> = self
                .seen
                .iter()
                .copied()
                .filter(|c| {
                    let state = &self.states[*c];
                    let calls = state.calls.iter();
                    let mut below = calls.map(|(_, callee)| callee.is_none_or(|c| on_stack[c]));
                    !on_stack[*c] && (below.any(|b| b) || state.next.iter().any(|n| on_stack[*n]))
                })
                .collect();
            if news.is_empty() {
                break;
            }
            news.into_iter().for_each(|config| on_stack[config] = true);
        }
        let bodies = &self.shape.funcs;
        let mut stacks = Stacks {
            funcs: vec![false; bodies.len() + 1],
            calls: bodies.iter().map(|body| vec![false; body.actions.len()]).collect(),
        };
        for &config in self.seen.iter().filter(|config| on_stack[**config]) {
            let (_, func, _) = self.parts(config);
            stacks.funcs[usize::from(func)] = true;
            for (ordinal, callee) in &self.states[config].calls {
                if callee.is_none_or(|callee| on_stack[callee]) {
                    stacks.calls[usize::from(func) - 1][*ordinal] = true;
                }
            }
        }
        stacks
    }
}

fn obtainable(shape: &Shape) -> Vec<Func> {
    let bodies = (1..).zip(&shape.funcs);
    let mut all: Vec<Func> =
        bodies.filter(|(_, body)| body.exported).map(|(func, _)| func).collect();
    if shape.visible {
        all.extend(shape.slots.iter().flatten());
        let actions = shape.funcs.iter().flat_map(|body| &body.actions);
        all.extend(actions.filter_map(|action| match action {
            Action::Set { value, .. } => Some(*value),
            _ => None,
        }));
    }
    all.sort_unstable();
    all.dedup();
    all
}
