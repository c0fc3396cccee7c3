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
    wat::parse_str(text)
        .map(Cow::Owned)
        .map_err(|error| Error::Text { message: message(text, &error) })
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

/// What is wrong with the text and where, on one line.
fn message(text: &str, error: &wat::Error) -> String {
    let whole = error.to_string();
    let mut lines = whole.lines().map(str::trim);
    let message = lines.next().unwrap_or_default();
    // The position comes next; what follows is an excerpt of the text.
    let Some(place) = lines.next().and_then(|line| line.strip_prefix("--> ")) else {
        return message.to_owned();
    };
    let place = place.trim_start_matches("<anon>:");
    if is_in_folded_try(text, place) {
        return format!(
            "a folded `(try (do …) (catch …))` of legacy exceptions is not supported, only the plain form \
             `try … catch $tag … end`, at {place}"
        );
    }
    format!("{message} at {place}")
}

/// Whether the token at a place, as `LINE:COLUMN`, is a part of a folded legacy `try`, which the text
/// parser has no rule for.
fn is_in_folded_try(text: &str, place: &str) -> bool {
    let token = || {
        let (line, column) = place.split_once(':')?;
        let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        let line = text.lines().nth(line.checked_sub(1)?)?;
        let start = line.char_indices().nth(column.checked_sub(1)?)?.0;
        let (before, token) = line.split_at(start);
        let end = token.find(|c: char| c.is_whitespace() || "();\"".contains(c));
        before.ends_with('(').then(|| &token[..end.unwrap_or(token.len())])
    };
    let part = matches!(token(), Some("do" | "catch" | "catch_all" | "delegate"));
    part && text.contains("(try")
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
    fn a_folded_legacy_try_is_named() {
        for text in [
            "(module (func\n  (try (do (nop)) (catch_all))))",
            "(module (func\n  (; é ;) (try (result i32) (do (i32.const 1)) (delegate 0))))",
        ] {
            let error = text_to_binary(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("a folded `(try (do"), "{error}");
            assert!(error.contains(" at 2:"), "{error}");
        }
        for text in ["(module (func (do)))", "(module (func (try do)))"] {
            let error = text_to_binary(text.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("folded"), "{error}");
        }
        let plain = b"(module (func try nop catch_all end))";
        assert!(text_to_binary(plain).is_ok());
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
