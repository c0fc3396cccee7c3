//! Source maps: for code that moved.
//!
//! Input: a source map of version 3, whose columns are offsets in the input, and the map of offsets. Output: the same for the output.
//!
//! ```text
//!   mappings   segments, by commas; a `;` begins the next line, of which WebAssembly has one alone
//!   segment    1, 4 or 5 numbers, each less the one before it: column, source, line, column there, name
//! ```
//!
//! Invariants: the last segment that is not behind an offset is the one that counts. Code that was added behind an instruction has that one's
//! line; a segment of which no code is left is gone; what was appended has no line, but for copies of functions, which have their originals'.

use super::OffsetMap;
use crate::error::{Error, Result};
use crate::work;
use serde_json::Value;

/// What a segment says of the code from its offset on: nothing, or the source, line, column, and name.
type Said = Vec<i64>;

/// Moves the segments of a source map.
///
/// # Errors
/// [`Error::SourceMap`] if it is something else, or the offsets say nothing.
pub(crate) fn source_map(map: &[u8], offsets: &OffsetMap) -> Result<Vec<u8>> {
    let wrong = |reason: String| Error::SourceMap { reason };
    if offsets.is_empty() {
        return Err(wrong("where the code went is not known for this module".into()));
    }
    let mut map: Value = serde_json::from_slice(map).map_err(|error| wrong(error.to_string()))?;
    let Some(map) = map.as_object_mut() else { return Err(wrong("it is no object".into())) };
    if map.contains_key("sections") {
        return Err(wrong("it has sections, and not one list of mappings".into()));
    }
    let Some(Value::String(mappings)) = map.get_mut("mappings") else {
        return Err(wrong("it has no mappings".into()));
    };
    let segments = read(mappings).ok_or_else(|| wrong("its mappings can't be read".into()))?;
    *mappings = write(&moved(&segments, offsets));
    serde_json::to_vec(map).map_err(|error| wrong(error.to_string()))
}

/// The segments where their code is.
fn moved(segments: &[(u64, Said)], offsets: &OffsetMap) -> Vec<(u64, Said)> {
    let mut out: Vec<(u64, Said)> = Vec::with_capacity(segments.len());
    let kept = offsets.kept();
    for (old, said) in segments {
        work::count(1);
        let Some(new) = kept.from(*old as usize) else { break };
        // What is left of the one before it ends here.
        while out.last().is_some_and(|(before, _)| *before == new as u64) {
            out.pop();
        }
        out.push((new as u64, said.clone()));
    }
    let end = offsets.end_of_kept() as u64;
    if !out.is_empty() {
        out.push((end, Said::new()));
    }
    for (old, new, len) in offsets.copies() {
        work::count(1);
        let first = segments.partition_point(|(at, _)| *at <= old as u64).saturating_sub(1);
        let end = (old + len) as u64;
        for (at, said) in segments[first..].iter().take_while(|(at, _)| *at < end) {
            let at = at.saturating_sub(old as u64) + new as u64;
            if at < end_of(&out) {
                // A copy of an instruction in the midst of what was kept has a line already.
                continue;
            }
            while out.last().is_some_and(|(before, _)| *before == at) {
                out.pop();
            }
            out.push((at, said.clone()));
        }
    }
    out
}

fn end_of(segments: &[(u64, Said)]) -> u64 {
    segments.last().map_or(0, |(at, _)| *at)
}

/// The segments of the only line, with all numbers as they are.
fn read(mappings: &str) -> Option<Vec<(u64, Said)>> {
    let mut segments: Vec<(u64, Said)> = Vec::new();
    let (mut column, mut last) = (0_i64, [0_i64; 4]);
    if mappings.trim_end_matches(';').contains(';') {
        return None;
    }
    for segment in mappings.trim_end_matches(';').split(',').filter(|segment| !segment.is_empty()) {
        work::count(1);
        let numbers = numbers(segment)?;
        let (first, rest) = numbers.split_first()?;
        if ![0, 3, 4].contains(&rest.len()) {
            return None;
        }
        column = column.checked_add(*first)?;
        for (last, number) in last.iter_mut().zip(rest) {
            *last = last.checked_add(*number)?;
        }
        segments.push((u64::try_from(column).ok()?, last[..rest.len()].to_vec()));
    }
    segments.sort_by_key(|(column, _)| *column);
    Some(segments)
}

fn write(segments: &[(u64, Said)]) -> String {
    let mut out = String::new();
    let (mut column, mut last) = (0, [0; 4]);
    for (at, said) in segments {
        if !out.is_empty() {
            out.push(',');
        }
        put(&mut out, (at - column) as i64);
        column = *at;
        for (last, number) in last.iter_mut().zip(said) {
            put(&mut out, number - *last);
            *last = *number;
        }
    }
    out
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Numbers in base 64, five bits a digit from the lowest on; the sign is the lowest of all.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    let (mut numbers, mut number, mut shift) = (Vec::new(), 0_u64, 0);
    for digit in segment.bytes() {
        let digit = DIGITS.iter().position(|other| *other == digit)? as u64;
        number |= (digit & 31).checked_shl(shift)?;
        shift += 5;
        if digit & 32 == 0 {
            let value = (number >> 1) as i64;
            numbers.push(if number & 1 == 1 { -value } else { value });
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

fn put(out: &mut String, number: i64) {
    let mut rest = number.unsigned_abs() << 1 | u64::from(number < 0);
    loop {
        let digit = (rest & 31) as usize;
        rest >>= 5;
        let more = if rest > 0 { 32 } else { 0 };
        out.push(DIGITS[digit | more].into());
        if rest == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_as_they_were_written() {
        let segments = vec![
            (0, vec![0, 5, 2]),
            (7, vec![]),
            (7, vec![1, 1_000_000, 0, 3]),
            (40, vec![0, 2, 17]),
        ];
        assert_eq!(read(&write(&segments)), Some(segments));
        assert_eq!(read("AAAA;AAAA"), None);
        assert_eq!(read("AA"), None);
        assert_eq!(read("?"), None);
    }

    #[test]
    fn segments_go_where_their_code_went() {
        let mut body = OffsetMap::wanted(true);
        body.push(10, 0, 5);
        body.push(20, 9, 5);
        let mut offsets = OffsetMap::identity(4);
        offsets.append(&body, 30);
        offsets.append_again(&body, 60);
        let line = |line| vec![0, line, 0];
        let old = vec![(0, line(1)), (12, line(2)), (15, line(3)), (17, line(4)), (22, line(5))];
        let new = vec![
            (0, line(1)),
            (32, line(2)),
            // Of line 3 nothing is left.
            (39, line(4)),
            (41, line(5)),
            (44, vec![]),
            (60, line(1)),
            (62, line(2)),
            (69, line(4)),
            (71, line(5)),
        ];
        assert_eq!(moved(&old, &offsets), new);
    }

    #[test]
    fn the_rest_of_a_map_stays() {
        let map = br#"{"version":3,"sources":["a.c"],"names":[],"mappings":"AAAA,IACA","x":1}"#;
        let new = source_map(map, &OffsetMap::identity(10)).unwrap();
        let new: Value = serde_json::from_slice(&new).unwrap();
        assert_eq!(new["sources"][0], "a.c");
        assert_eq!((&new["x"], &new["mappings"]), (&1.into(), &"AAAA,IACA,M".into()));
        for wrong in ["", "[]", "{}", r#"{"mappings":"?"}"#, r#"{"sections":[],"mappings":""}"#] {
            assert!(source_map(wrong.as_bytes(), &OffsetMap::identity(10)).is_err(), "{wrong}");
        }
        assert!(source_map(map, &OffsetMap::default()).is_err());
    }
}
