//! What instrumenting a module is refused for: all of it at once, grouped by kind.
//!
//! Input: refusals, as planning and rewriting find them. Output: [`Refusals`], plain data for people (a line
//! for each kind) and programs (JSON). Nothing here decides what is refused.

use crate::location::Location;
use crate::text::escape;
use serde::Serialize;
use std::fmt;

/// What can't be preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// The module was rewritten by a tool of this kind before.
    AlreadyInstrumented,
    /// It is a relocatable object, which a linker is still to read.
    Object,
    /// It uses an export name that the ABI needs.
    ReservedName,
    /// There is no memory that frames could be written to.
    NoMemory,
    /// References were to be kept, which the ABI has no way to let go.
    Kept,
    /// A tail call may call an import that has to be called again, and can't be made a call.
    TailCall,
    /// A tail call inside a `try` would need a guard.
    GuardedTailCall,
    /// The output would exceed a limit that engines share.
    Limit,
}

impl RefusalKind {
    /// What it is, by the specification's name.
    fn what(self) -> &'static str {
        match self {
            RefusalKind::AlreadyInstrumented => "a module that is already instrumented",
            RefusalKind::Object => "a relocatable object",
            RefusalKind::ReservedName => "export names that the ABI needs",
            RefusalKind::NoMemory => "a module without memory",
            RefusalKind::Kept => "references that are kept",
            RefusalKind::TailCall => {
                "tail calls, inside a `try` or in a loop of them, that may call an import which has to be called again"
            }
            RefusalKind::GuardedTailCall => {
                "tail calls inside a `try` that an assumption would have guarded"
            }
            RefusalKind::Limit => "what would exceed a limit of engines",
        }
    }

    /// What the user can do.
    fn advice(self) -> &'static str {
        match self {
            RefusalKind::AlreadyInstrumented => "start from the module as the linker wrote it",
            RefusalKind::Object => {
                "instrument what the linker writes, linked without --emit-relocs"
            }
            RefusalKind::ReservedName => "rename that export",
            RefusalKind::NoMemory => "define or import one, or have one added for frames",
            RefusalKind::Kept => "leave references to be made anew, or use the wpk-fork ABI",
            RefusalKind::TailCall => {
                "call the import from a function of its own, and that by a tail call"
            }
            RefusalKind::GuardedTailCall => {
                "assume nothing of this function, or the same of what it calls"
            }
            RefusalKind::Limit => {
                "split what is too large, or lower the level at which it is optimised"
            }
        }
    }
}

/// One thing that can't be preserved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// What kind of thing.
    pub kind: RefusalKind,
    /// What it is in this case, with its article.
    pub what: String,
    /// Where it is; `None` for what concerns the whole module.
    pub location: Option<Location>,
}

impl Refusal {
    pub(crate) fn of_module(kind: RefusalKind, what: impl Into<String>) -> Refusal {
        Refusal { kind, what: what.into(), location: None }
    }

    /// The refusal of a relocatable object, which has a section of this name.
    pub(crate) fn of_object(section: &str) -> Refusal {
        let what = format!("a relocatable object (it has the section `{}`)", escape(section));
        Refusal::of_module(RefusalKind::Object, what)
    }

    pub(crate) fn at(location: Location, kind: RefusalKind, what: impl Into<String>) -> Refusal {
        Refusal { kind, what: what.into(), location: Some(location) }
    }
}

/// `unsupported: a result of a non-nullable reference type in a function that may unwind in function 3 (f) at offset 0x1f;
/// return a nullable reference`
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RefusalKind::AlreadyInstrumented => write!(f, "the module is already instrumented: ")?,
            RefusalKind::ReservedName | RefusalKind::NoMemory | RefusalKind::Limit => {}
            _ => write!(f, "unsupported: ")?,
        }
        write!(f, "{}", self.what)?;
        if let Some(location) = &self.location {
            write!(f, " in {location}")?;
        }
        write!(f, "; {}", self.kind.advice())
    }
}

/// All that a module is refused for, in order of kind, then of place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// How many refusals of each kind are shown in text.
    const SHOWN: usize = 3;

    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Refusal> {
        self.0.iter()
    }

    /// Those of each kind.
    fn groups(&self) -> impl Iterator<Item = &[Refusal]> {
        self.0.chunk_by(|a, b| a.kind == b.kind)
    }

    /// A line for each kind: how many there are, the first few by name, and what to do.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.groups().map(|group| match group {
            [one] => one.to_string(),
            several => line(several),
        })
    }
}

impl FromIterator<Refusal> for Refusals {
    fn from_iter<I: IntoIterator<Item = Refusal>>(refusals: I) -> Refusals {
        let mut all: Vec<_> = refusals.into_iter().collect();
        let place = |refusal: &Refusal| refusal.location.as_ref().map(|at| (at.func, at.offset));
        all.sort_by_key(|refusal| (refusal.kind, place(refusal)));
        Refusals(all)
    }
}

impl IntoIterator for Refusals {
    type Item = Refusal;
    type IntoIter = std::vec::IntoIter<Refusal>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Refusals {
        Refusals(vec![refusal])
    }
}

/// `unsupported: references live across calls that may reach an entry: 12 in 7 functions: function 4 (f) at
/// offset 0x1f, … and 9 more; …`
fn line(group: &[Refusal]) -> String {
    let kind = group[0].kind;
    let mut functions: Vec<_> =
        group.iter().filter_map(|r| Some(r.location.as_ref()?.func)).collect();
    functions.dedup();
    let functions = match functions.len() {
        0 => String::new(),
        1 => " in one function".into(),
        count => format!(" in {count} functions"),
    };
    let shown = group.iter().take(Refusals::SHOWN).map(|refusal| match &refusal.location {
        Some(location) => location.to_string(),
        None => refusal.what.clone(),
    });
    let shown: Vec<_> = shown.collect();
    let rest = match group.len() - shown.len() {
        0 => String::new(),
        rest => format!(", and {rest} more"),
    };
    let (what, count, advice) = (kind.what(), group.len(), kind.advice());
    format!("unsupported: {what}: {count}{functions}: {}{rest}; {advice}", shown.join(", "))
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines().collect();
        write!(f, "{}", lines.join("\n"))
    }
}

/// A kind with all its places, for programs.
#[derive(Serialize)]
struct Group<'a> {
    kind: RefusalKind,
    what: &'static str,
    advice: &'static str,
    count: usize,
    places: Vec<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
}

impl Serialize for Refusals {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups().map(|group| Group {
            kind: group[0].kind,
            what: group[0].kind.what(),
            advice: group[0].kind.advice(),
            count: group.len(),
            places: group.iter().map(place).collect(),
        }))
    }
}

fn place(refusal: &Refusal) -> Place<'_> {
    let location = refusal.location.as_ref();
    Place {
        what: &refusal.what,
        function: location.map(|location| location.func),
        name: location.and_then(|location| location.name.as_deref()),
        offset: location.map(|location| location.offset),
    }
}
