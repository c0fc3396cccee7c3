//! Tells a binary module from text, a component and everything else.

use crate::error::{Error, Result};
use std::borrow::Cow;

const MAGIC: &[u8] = b"\0asm";

/// Turns the text format into the binary format; a binary passes through untouched.
///
/// # Errors
/// [`Error::Text`] with line and column if the input is text that doesn't parse;
/// [`Error::NotWasm`] if it is neither.
pub fn text_to_binary(input: &[u8]) -> Result<Cow<'_, [u8]>> {
    if input.starts_with(&MAGIC[..MAGIC.len().min(input.len())]) {
        return Ok(Cow::Borrowed(input));
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return Err(Error::NotWasm { found: describe(input) });
    };
    if !looks_like_text(text) {
        return Err(Error::NotWasm { found: describe(input) });
    }
    wat::parse_str(text).map(Cow::Owned).map_err(|error| Error::Text { message: one_line(&error) })
}

/// Checks the eight bytes that open every core module.
pub(super) fn check_header(bytes: &[u8]) -> Result<()> {
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Err(Error::Component),
        [0, b'a', b's', b'm', a, b, c, d, ..] => {
            let version = u32::from_le_bytes([*a, *b, *c, *d]);
            Err(Error::NotWasm { found: format!("the version is {version:#x}, not 1") })
        }
        _ => Err(Error::NotWasm { found: describe(bytes) }),
    }
}

/// Whether the first token could open a module: a parenthesis, after white space and comments.
fn looks_like_text(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix(";;") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else {
            return rest.starts_with('(');
        }
    }
}

fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the input is empty".into();
    }
    if MAGIC.starts_with(bytes) || (bytes.starts_with(MAGIC) && bytes.len() < 8) {
        return format!("the input ends after {} bytes, within the header", bytes.len());
    }
    let start: Vec<_> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("it starts with the bytes {} instead of 00 61 73 6d", start.join(" "))
}

/// The message with its position, without the source excerpt that follows.
fn one_line(error: &wat::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim);
    let message = lines.next().unwrap_or_default().to_owned();
    match lines.find_map(|line| line.strip_prefix("--> ")) {
        Some(place) => format!("{message} at {}", place.trim_start_matches("<anon>:")),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_errors_are_one_line_with_a_position() {
        let error = text_to_binary(b"(module (func i32.bogus))").unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        assert!(error.contains("1:15"), "{error}");
    }

    #[test]
    fn what_is_not_wasm_is_named() {
        for (input, expected) in [
            (&b""[..], "empty"),
            (b"\0as", "3 bytes"),
            (b"\x7fELF\x02\x01", "7f 45 4c 46"),
            (b"hello", "68 65 6c 6c"),
        ] {
            let result = text_to_binary(input).and_then(|bytes| check_header(&bytes));
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(matches!(check_header(b"\0asm\x0d\0\x01\0"), Err(Error::Component)));
    }
}
