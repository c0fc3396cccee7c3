//! CPU profiles: which functions time was spent in, so that those are rewritten for speed.
//!
//! Two formats are read. One is what V8 writes, `.cpuprofile`: a tree of call frames with samples, of which those
//! of WebAssembly count. The other is a list, and may be a recorded [`crate::profile`] at the same time:
//!
//! ```json
//! {"version": 1, "functions": [{"index": 123, "name": "main", "self_time": 1700}]}
//! ```
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `functions[].index`, `functions[].name` | | as in a recorded profile |
//! | `functions[].self_time` | u64 | the time spent in the function itself, in whatever unit; 0 if absent |
//!
//! A profile may have been recorded while the instrumented module ran: what a resume function took counts for its function.
//! V8 has to run with `--no-wasm-inlining`, else it counts what it inlined for the callers.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The functions that time was spent in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuProfile {
    /// The functions, each once by index and name.
    pub functions: Vec<Hot>,
}

/// A function that time was spent in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hot {
    /// Its index in the function index space.
    pub index: Option<u32>,
    /// Its name, from the name section or an export.
    pub name: Option<String>,
    /// The time spent in the function itself, in the profile's unit.
    pub self_time: u64,
}

/// What stands behind the name of a resume function.
const RESUME: &str = " [resume]";

/// A list of functions.
#[derive(Deserialize)]
struct List {
    version: u64,
    functions: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    index: Option<u32>,
    name: Option<String>,
    #[serde(default)]
    self_time: u64,
}

/// V8's format: <https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V8 {
    nodes: Vec<Node>,
    #[serde(default)]
    samples: Vec<u64>,
    #[serde(default)]
    time_deltas: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    call_frame: CallFrame,
    #[serde(default)]
    hit_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
}

impl CpuProfile {
    /// Reads a profile of either format; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Error::BadProfile`] if it is neither, or says nothing of the time that functions of WebAssembly took.
    pub fn parse(origin: &str, text: &str) -> Result<CpuProfile> {
        let bad = |reason: String| Error::BadProfile { origin: origin.into(), reason };
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let times = if value.get("nodes").is_some() {
            of_v8(serde_json::from_value(value).map_err(|error| bad(error.to_string()))?)
        } else {
            let list: List =
                serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
            if list.version != 1 {
                let version = list.version;
                return Err(bad(format!(
                    "its version is {version}, and this build knows version 1 only"
                )));
            }
            of_list(list)
        };
        let functions: Vec<_> = times
            .into_iter()
            .filter(|(_, self_time)| *self_time > 0)
            .map(|((index, name), self_time)| Hot { index, name, self_time })
            .collect();
        if functions.is_empty() {
            return Err(bad("it has no time that a function of WebAssembly took".into()));
        }
        Ok(CpuProfile { functions })
    }
}

/// Times by index and name.
type Times = BTreeMap<(Option<u32>, Option<String>), u64>;

fn of_list(list: List) -> Times {
    let mut times = Times::new();
    for Listed { index, name, self_time } in list.functions {
        let name = name.map(|name| function_of(&name).to_owned());
        if index.is_some() || name.is_some() {
            *times.entry((index, name)).or_default() += self_time;
        }
    }
    times
}

/// The time between two samples is that of the later one's function; without times each sample counts once.
fn of_v8(profile: V8) -> Times {
    let mut of_nodes: BTreeMap<u64, u64> = BTreeMap::new();
    if profile.samples.len() == profile.time_deltas.len() && !profile.samples.is_empty() {
        for (node, delta) in profile.samples.iter().zip(&profile.time_deltas) {
            *of_nodes.entry(*node).or_default() += u64::try_from(*delta).unwrap_or(0);
        }
    } else {
        of_nodes = profile.nodes.iter().map(|node| (node.id, node.hit_count)).collect();
    }
    let mut times = Times::new();
    for node in &profile.nodes {
        let CallFrame { function_name, url } = &node.call_frame;
        if !url.starts_with("wasm://") {
            continue;
        }
        let time = of_nodes.get(&node.id).copied().unwrap_or(0);
        *times.entry(named_by_v8(function_name)).or_default() += time;
    }
    times
}

/// A function without a name is `wasm-function[123]`.
fn named_by_v8(name: &str) -> (Option<u32>, Option<String>) {
    let index = name.strip_prefix("wasm-function[").and_then(|rest| rest.strip_suffix(']'));
    match index.and_then(|index| index.parse().ok()) {
        Some(index) => (Some(index), None),
        None => (None, Some(function_of(name).to_owned())),
    }
}

/// The name of the function whose resume function may be named.
fn function_of(name: &str) -> &str {
    name.strip_suffix(RESUME).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(index: Option<u32>, name: Option<&str>, self_time: u64) -> Hot {
        Hot { index, name: name.map(Into::into), self_time }
    }

    #[test]
    fn samples_of_webassembly_count_by_their_times() {
        let frame = |name: &str, url: &str| {
            format!(r#""callFrame":{{"functionName":"{name}","url":"{url}"}}"#)
        };
        let text = format!(
            r#"{{"nodes":[{{"id":1,{}}},{{"id":2,{}}},{{"id":3,{}}},{{"id":4,{}}}],
                "samples":[1,2,3,2,4],"timeDeltas":[5,7,11,13,17]}}"#,
            frame("(root)", ""),
            frame("f", "wasm://wasm/abc"),
            frame("wasm-function[12]", "wasm://wasm/abc"),
            frame("f [resume]", "wasm://wasm/abc"),
        );
        let profile = CpuProfile::parse("p", &text).unwrap();
        assert_eq!(profile.functions, [hot(None, Some("f"), 37), hot(Some(12), None, 11)]);
    }

    #[test]
    fn a_list_may_also_say_what_forked() {
        let text = r#"{"version":1,"functions":[{"index":1,"count":3},{"name":"g","self_time":4},{"index":2,"self_time":9}]}"#;
        let profile = CpuProfile::parse("p", text).unwrap();
        assert_eq!(profile.functions, [hot(None, Some("g"), 4), hot(Some(2), None, 9)]);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for text in [
            "[]",
            "{",
            r#"{"version":2,"functions":[]}"#,
            r#"{"version":1,"functions":[{"index":1}]}"#,
            r#"{"nodes":[]}"#,
        ] {
            assert!(CpuProfile::parse("p", text).is_err(), "{text}");
        }
    }
}
