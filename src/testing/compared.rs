//! What a storm has compared, for people and for assertions.

use super::observe::Observation;
use crate::profile::Profile;
use crate::text::{count, escape};
use std::fmt;

/// What was run and compared, and found to be the same everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// How many functions were rewritten, of how many that the module defines; `None` if the storm was given the instrumented
    /// module.
    pub instrumented: Option<(usize, usize)>,
    /// How many calls of entries the program makes.
    pub entry_calls: usize,
    /// At how many of them the stack was unwound one by one.
    pub calls_tried: usize,
    /// How often the instrumented module was run.
    pub runs: usize,
    /// How often the stack was unwound, and rewound, in all these runs.
    pub unwinds: usize,
    /// How often an unwind was undone, for want of room or because of a reference, and the program went on.
    pub undone: usize,
    /// The largest part of a buffer that an unwind used, in bytes.
    pub most_bytes: usize,
    /// Which functions were on the stack when an entry was called, if the storm was to record that.
    pub profile: Option<Profile>,
    /// What came of each export that was called.
    pub outcomes: Vec<String>,
    /// How many calls of imports each run makes.
    pub import_calls: usize,
    /// The exported globals with their values.
    pub globals: Vec<String>,
    /// The memories with their sizes in bytes.
    pub memories: Vec<(String, usize)>,
    /// What else the host has to show, with its size in bytes.
    pub seen: Vec<(String, usize)>,
}

impl Compared {
    /// Of runs that are like `original`.
    pub(super) fn of(original: &Observation) -> Compared {
        let sizes = |all: &[(String, Vec<u8>)]| {
            all.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect()
        };
        Compared {
            outcomes: original.outcomes.clone(),
            import_calls: original.events.len(),
            globals: original.globals.clone(),
            memories: sizes(&original.memories),
            seen: sizes(&original.seen),
            ..Compared::default()
        }
    }
}

/// In some lines.
impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((instrumented, functions)) = self.instrumented {
            writeln!(f, "instrumented {instrumented} of {}", count(functions, "function"))?;
        }
        let tried = match self.calls_tried {
            all if all == self.entry_calls => "each tried by itself".to_owned(),
            some => format!("{some} of them, evenly spread, tried by themselves"),
        };
        writeln!(f, "entries      {}, {tried}", count(self.entry_calls, "call"))?;
        let undone = match self.undone {
            0 => String::new(),
            undone => format!(", {undone} undone"),
        };
        let unwinds = count(self.unwinds, "unwind");
        let (runs, most) = (count(self.runs, "run"), count(self.most_bytes, "byte"));
        writeln!(f, "runs         {runs} with {unwinds}{undone}; buffers were used up to {most}")?;
        writeln!(f, "compared in each run")?;
        for outcome in &self.outcomes {
            writeln!(f, "  export     {}", escape(outcome))?;
        }
        writeln!(
            f,
            "  imports    {} with arguments and results",
            count(self.import_calls, "call")
        )?;
        for global in &self.globals {
            writeln!(f, "  global     {}", escape(global))?;
        }
        for (name, bytes) in &self.memories {
            writeln!(f, "  memory     `{}`, {}", escape(name), count(*bytes, "byte"))?;
        }
        for (name, bytes) in &self.seen {
            writeln!(f, "  host       {}, {}", escape(name), count(*bytes, "byte"))?;
        }
        writeln!(f, "all is the same")
    }
}
