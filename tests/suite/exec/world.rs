//! What a host knows apart from the instance: the log, and how the entry answers.

use super::value;
use std::collections::BTreeMap;
use wasmtime::{Val, ValType};

/// Which of its possible values an entry call returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// The scripted value, or 100 plus the call's ordinal.
    #[default]
    Parent,
    /// Zero, as `fork` returns in the child.
    Child,
    /// Minus one, as `fork` returns when it fails.
    Error,
}

/// Everything a host remembers of a run. A child of fork gets a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Calls of imports, in order, with arguments.
    pub events: Vec<String>,
    /// How many entry calls there were; an unwind and its rewind are parts of one call.
    pub entry_calls: usize,
    /// Entry calls that don't get the ordinary answer.
    pub answers: BTreeMap<usize, Answer>,
    /// What the entry returns, call after call, over and over.
    pub script: Vec<i64>,
}

impl World {
    /// Records the call of an import.
    pub fn log(&mut self, name: &str, args: &str) {
        self.events.push(format!("{name}({args})"));
    }

    /// The values of entry call `call`, and a record that they were returned.
    pub fn answer(&mut self, call: usize, types: &[ValType]) -> Vec<Val> {
        let base = match self.answers.get(&call).copied().unwrap_or_default() {
            Answer::Parent if self.script.is_empty() => 100 + call as i64,
            Answer::Parent => self.script[call % self.script.len()],
            Answer::Child => 0,
            Answer::Error => -1,
        };
        let values: Vec<_> = types
            .iter()
            .zip(0..)
            .map(|(ty, i)| value::of_int(ty, base.wrapping_add(i * 1000)))
            .collect();
        self.events.push(format!("  entry call {call} returns ({})", value::show_all(&values)));
        values
    }
}
