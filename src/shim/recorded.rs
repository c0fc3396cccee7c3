//! What a test run has found: which indirect calls met functions of other types.
//!
//! A module that records exports a memory under the name [`EXPORT`], of little-endian u32s:
//!
//! | offset | what |
//! |---:|---|
//! | 0 | how many calls follow |
//! | 4 | how often there was no room for another |
//! | 16 + 20 *n* | the call's offset in the module that was made to record |
//! | + 4 | the slot |
//! | + 8 | the type that it asks for |
//! | + 12 | that of the function in the slot; 0xffffffff: none of the module's |
//! | + 16 | how often |
//!
//! As a file it is `{"version": 1, "calls": [{"offset", "slot", "type", "found", "count"}], "lost": 0}`, where a `found` that is none of the
//! module's types is missing.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Under which name the memory is exported.
pub const EXPORT: &str = "wasm_fork_shim_record";

/// Where the first call is.
pub(super) const FIRST: u32 = 16;
/// How many bytes each takes.
pub(super) const CALL_BYTES: u32 = 20;
/// Stands for a type that is none of the module's.
pub(super) const UNKNOWN: u32 = u32::MAX;

const VERSION: u64 = 1;

/// The calls that met functions of other types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object with calls")]
#[non_exhaustive]
pub struct Recorded {
    /// Of the format.
    version: u64,
    /// A call with one slot each.
    pub calls: Vec<RecordedCall>,
    /// How often there was no room for another.
    #[serde(default)]
    pub lost: u32,
}

/// A call that met a function of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedCall {
    /// Offset of the instruction in bytes from the start of the module that was made to record.
    pub offset: u32,
    /// The slot, by its lowest 32 bits.
    pub slot: u32,
    /// The type that the call asks for.
    pub r#type: u32,
    /// The type of the function in the slot; `None` if the module has none such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
    /// How often.
    pub count: u32,
}

impl Recorded {
    /// Reads the memory that is exported as [`EXPORT`]; `None` if it is none such.
    pub fn of_memory(bytes: &[u8]) -> Option<Recorded> {
        let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (count, lost) = (number(0)?, number(4)?);
        let call = |n: u32| {
            let start = FIRST as usize + n as usize * CALL_BYTES as usize;
            let field = |field: usize| number(start + 4 * field);
            let found = field(3)?;
            Some(RecordedCall {
                offset: field(0)?,
                slot: field(1)?,
                r#type: field(2)?,
                found: (found != UNKNOWN).then_some(found),
                count: field(4)?,
            })
        };
        let mut calls = (0..count).map(call).collect::<Option<Vec<_>>>()?;
        calls.sort_unstable();
        Some(Recorded { version: VERSION, calls, lost })
    }

    /// Reads a file; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Error::BadRecord`] if it is malformed, or of an unknown version.
    pub fn parse(origin: &str, text: &str) -> Result<Recorded> {
        let bad = |reason| Error::BadRecord { origin: origin.into(), reason };
        let recorded: Recorded =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        match recorded.version {
            VERSION => Ok(recorded),
            other => Err(bad(format!(
                "its version is {other}, and this build knows version {VERSION} only"
            ))),
        }
    }
}

/// The file.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        writeln!(f, "{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_becomes_a_file() {
        let numbers = [2, 1, 0, 0, 90, 3, 7, UNKNOWN, 1, 80, 4, 7, 9, 5];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|n: &u32| n.to_le_bytes()).collect();
        assert_eq!(Recorded::of_memory(&bytes[..bytes.len() - 1]), None);
        bytes.resize(1 << 16, 0);
        let recorded = Recorded::of_memory(&bytes).unwrap();
        let calls: Vec<_> = recorded.calls.iter().map(|c| (c.offset, c.slot, c.found)).collect();
        assert_eq!((calls, recorded.lost), (vec![(80, 4, Some(9)), (90, 3, None)], 1));
        let text = recorded.to_string();
        assert_eq!(Recorded::parse("r.json", &text).unwrap(), recorded);
        for (text, expected) in [
            ("[", "EOF"),
            (r#"{"version": 1}"#, "missing field `calls`"),
            (r#"{"version": 2, "calls": []}"#, "its version is 2"),
        ] {
            let error = Recorded::parse("r.json", text).unwrap_err().to_string();
            assert!(error.contains("r.json") && error.contains(expected), "{error}");
        }
    }
}
