//! Profiles: which functions were seen on the stack when an entry was called. A host records one
//! from its engine's stack traces; the closure is narrowed to it, at the price of guards.
//!
//! # Format
//!
//! ```json
//! {"version": 1, "functions": [{"index": 123, "name": "main", "count": 17}], "stacks": 17,
//!  "module": "9f86d081…"}
//! ```
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `version` | 1 | of the format; any other is refused |
//! | `functions` | array, not empty | the functions, each at most once by index and name |
//! | `functions[].index` | u32 | in the function index space, the same before and after instrumentation |
//! | `functions[].name` | string | as the name section or an export has it |
//! | `functions[].count` | u64 | on how many stacks it was seen; 1 if absent; 0 only beside a `self_time` |
//! | `functions[].self_time` | u64, optional | the time spent in it, for [`crate::cpu_profile`] |
//! | `functions[].body` | string, optional | a hash of the function's body that other builds have too: 16 hexadecimal digits |
//! | `stacks` | u64, optional | how many stacks were recorded |
//! | `module` | string, optional | SHA-256 of the module's bytes, in hexadecimal |
//!
//! A function has an index, a name, or both. Other fields are ignored.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The version of the format that is read and written.
const VERSION: u64 = 1;

/// The functions that were seen on stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The functions: by index, those without one last, and then by name; each once.
    pub functions: Vec<Seen>,
    /// How many stacks were recorded, where that is known.
    pub stacks: Option<u64>,
    /// The SHA-256 of the module that ran, in lower-case hexadecimal, where that is known.
    pub module: Option<String>,
}

/// A function that was seen on a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object with an index or a name")]
pub struct Seen {
    /// Its index in the function index space.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub index: Option<u32>,
    /// Its name, from the name section or an export.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// On how many stacks it was seen.
    #[serde(default = "once")]
    pub count: u64,
    /// The time spent in the function itself, in whatever unit; 0 where it isn't known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub self_time: u64,
    /// A hash of its body, by which it is found in another build where names don't tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
}

fn once() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The file as it is read.
#[derive(Deserialize)]
#[serde(expecting = "an object with functions")]
struct File {
    functions: Vec<Seen>,
    stacks: Option<u64>,
    module: Option<String>,
}

/// What every version of the format has.
#[derive(Deserialize)]
#[serde(expecting = "an object with a version")]
struct Versioned {
    version: u64,
}

impl Profile {
    /// Reads a profile; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Error::BadProfile`] if it is malformed, of an unknown version, or empty.
    pub fn parse(origin: &str, text: &str) -> Result<Profile> {
        let bad = |reason| Error::BadProfile { origin: origin.into(), reason };
        let malformed = |error: serde_json::Error| bad(error.to_string());
        let Versioned { version } = serde_json::from_str(text).map_err(malformed)?;
        if version != VERSION {
            return Err(bad(format!(
                "its version is {version}, and this build knows version {VERSION} only"
            )));
        }
        let file: File = serde_json::from_str(text).map_err(malformed)?;
        if file.functions.is_empty() {
            return Err(bad("it has no functions".into()));
        }
        for (position, seen) in file.functions.iter().enumerate() {
            if seen.index.is_none() && seen.name.is_none() {
                return Err(bad(format!("function {position} of it has neither index nor name")));
            }
            if seen.count == 0 && seen.self_time == 0 {
                return Err(bad(format!("function {position} of it was seen on 0 stacks")));
            }
        }
        let module = file.module.map(|module| module.to_ascii_lowercase());
        if let Some(module) = module.as_deref().filter(|module| !is_digest(module)) {
            return Err(bad(format!(
                "its module is `{module}`, which is no SHA-256: 64 hexadecimal digits"
            )));
        }
        Ok(Profile { functions: unite(file.functions), stacks: file.stacks, module })
    }

    /// Unites profiles of one module: counts are summed. The number of stacks is left out where it
    /// is missing in one of them, and so is the module where they differ.
    pub fn merge(profiles: &[Profile]) -> Profile {
        let functions = profiles.iter().flat_map(|profile| profile.functions.iter().cloned());
        let stacks = profiles.iter().map(|profile| profile.stacks);
        let module = profiles.first().and_then(|first| first.module.as_ref());
        let same = profiles.iter().all(|profile| profile.module.as_ref() == module);
        Profile {
            functions: unite(functions),
            stacks: stacks.reduce(|a, b| Some(a?.saturating_add(b?))).flatten(),
            module: module.filter(|_| same).cloned(),
        }
    }
}

/// How two profiles differ: functions are the same that have one name, or, without, one index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileDifference {
    /// The functions that only the first has.
    pub gone: Vec<Seen>,
    /// Those that only the second has.
    pub new: Vec<Seen>,
    /// How many both have.
    pub common: usize,
}

impl Profile {
    /// What `other` has and this has not, and the other way round.
    pub fn difference(&self, other: &Profile) -> ProfileDifference {
        let key = |seen: &Seen| (seen.name.clone(), seen.index.filter(|_| seen.name.is_none()));
        let keys = |profile: &Profile| profile.functions.iter().map(key).collect::<BTreeSet<_>>();
        let (own, others) = (keys(self), keys(other));
        let without = |profile: &Profile, known: &BTreeSet<_>| {
            let functions = profile.functions.iter();
            functions.filter(|seen| !known.contains(&key(seen))).cloned().collect()
        };
        ProfileDifference {
            gone: without(self, &others),
            new: without(other, &own),
            common: own.intersection(&others).count(),
        }
    }
}

/// Those that are gone after `-`, and the new ones after `+`, a function a line.
impl fmt::Display for ProfileDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.gone.iter().map(|seen| ('-', seen));
        for (sign, seen) in lines.chain(self.new.iter().map(|seen| ('+', seen))) {
            writeln!(f, "{sign} {seen}")?;
        }
        writeln!(f, "{} gone, {} new, {} in both", self.gone.len(), self.new.len(), self.common)
    }
}

/// Whether a text is a SHA-256 in hexadecimal.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The functions in order, each index and name once.
fn unite(functions: impl IntoIterator<Item = Seen>) -> Vec<Seen> {
    /// Those without an index last.
    type Key = (bool, Option<u32>, Option<String>);
    let mut sums: BTreeMap<Key, (u64, u64, Option<String>)> = BTreeMap::new();
    for Seen { index, name, count, self_time, body } in functions {
        let key = (index.is_none(), index, name);
        let (counts, times, bodies) = sums.entry(key).or_insert((0, 0, body.clone()));
        *counts = counts.saturating_add(count);
        *times = times.saturating_add(self_time);
        // Of two bodies neither counts, in whatever order they come.
        match (&*bodies, body) {
            (None, body) => *bodies = body,
            (Some(one), Some(other)) if *one != other => *bodies = Some(String::new()),
            _ => {}
        }
    }
    let seen = sums.into_iter().map(|((_, index, name), (count, self_time, body))| {
        let body = body.filter(|body| !body.is_empty());
        Seen { index, name, count, self_time, body }
    });
    seen.collect()
}

/// The profile in its format, a function a line.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"version\": {VERSION}")?;
        if let Some(stacks) = self.stacks {
            write!(f, ", \"stacks\": {stacks}")?;
        }
        if let Some(module) = &self.module {
            write!(f, ", \"module\": {}", json(module)?)?;
        }
        let mut start = ", \"functions\": [\n";
        for seen in &self.functions {
            write!(f, "{start}  {}", json(seen)?)?;
            start = ",\n";
        }
        writeln!(f, "\n]}}")
    }
}

fn json(value: &impl Serialize) -> Result<String, fmt::Error> {
    serde_json::to_string(value).map_err(|_| fmt::Error)
}

/// `17 (main)`, as errors name it.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.index, &self.name) {
            (Some(index), Some(name)) => write!(f, "function {index} ({name})"),
            (Some(index), None) => write!(f, "function {index}"),
            (None, name) => write!(f, "function `{}`", name.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Profile {
        Profile::parse("p.json", text).unwrap()
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Profile::parse("p.json", text).unwrap_err().to_string();
        assert!(error.contains("p.json") && error.contains(expected), "{error}");
    }

    #[test]
    fn a_profile_is_written_as_it_was_read() {
        let profile = parse(
            r#"{"version": 1, "tool": "x", "functions": [{"name": "a\"b"},
                {"index": 9, "name": "m", "count": 2, "self": 1}, {"index": 9, "name": "m"}, {"index": 3}],
                "stacks": 3, "module": "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"}"#,
        );
        let text = profile.to_string();
        assert_eq!(
            text,
            r#"{"version": 1, "stacks": 3, "module": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "functions": [
  {"index":3,"count":1},
  {"index":9,"name":"m","count":3},
  {"name":"a\"b","count":1}
]}
"#
        );
        assert_eq!(parse(&text), profile);
        let hot =
            parse(r#"{"version": 1, "functions": [{"index": 3, "count": 0, "self_time": 7}]}"#);
        assert_eq!(parse(&hot.to_string()), hot);
    }

    #[test]
    fn what_is_not_a_profile_is_refused() {
        refused("", "line 1 column 0");
        refused("{\n \"version\": 1,\n \"functions\": 5}", "line 3 column 15");
        refused(r#"{"functions": []}"#, "missing field `version`");
        refused(r#"{"version": 2, "frames": {}}"#, "its version is 2");
        refused(r#"{"version": 1, "functions": []}"#, "no functions");
        refused(r#"{"version": 1, "functions": [{"index": -1}]}"#, "expected u32");
        refused(r#"{"version": 1, "functions": [{"index": 1}, {"count": 2}]}"#, "function 1 of it");
        refused(r#"{"version": 1, "functions": [{"index": 1, "count": 0}]}"#, "0 stacks");
        refused("7", "expected an object with a version");
        refused(
            r#"{"version": 1, "functions": [7]}"#,
            "expected an object with an index or a name",
        );
        for module in ["", "ab", &"g".repeat(64), &"0".repeat(65)] {
            let text =
                format!(r#"{{"version": 1, "functions": [{{"index": 1}}], "module": "{module}"}}"#);
            refused(&text, "which is no SHA-256");
        }
    }

    #[test]
    fn merging_sums_and_does_not_depend_on_the_order() {
        let digest = "ab".repeat(32);
        let of_module =
            |fields: &str| parse(&format!(r#"{{"version": 1, {fields}, "module": "{digest}"}}"#));
        let a = of_module(r#""functions": [{"index": 1}, {"index": 2, "count": 4}], "stacks": 5"#);
        let b = of_module(r#""functions": [{"index": 2}, {"name": "f"}], "stacks": 7"#);
        let merged = Profile::merge(&[a.clone(), b.clone()]);
        assert_eq!(merged, Profile::merge(&[b, a.clone()]));
        assert_eq!((merged.stacks, merged.module.as_deref()), (Some(12), Some(&*digest)));
        let counts: Vec<_> = merged.functions.iter().map(|seen| seen.count).collect();
        assert_eq!(counts, [1, 5, 1]);
        let other = parse(r#"{"version": 1, "functions": [{"index": 1}]}"#);
        let merged = Profile::merge(&[a, other]);
        assert_eq!((merged.stacks, merged.module), (None, None));
    }
}
